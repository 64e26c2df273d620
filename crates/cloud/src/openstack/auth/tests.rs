#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;

use super::super::config::{Sources, cloud_config};
use super::super::request::Service;
use super::catalog::versioned;
use super::*;

#[test]
fn addresses_get_the_version_that_is_spoken_whatever_the_catalog_says() {
    let cases = [
        (Service::Identity, "https://h/identity", "https://h/identity/v3"),
        (Service::Identity, "https://h:5000/v2.0/", "https://h:5000/v3"),
        (Service::Identity, "https://h:5000/v3", "https://h:5000/v3"),
        (Service::Compute, "https://h/compute/v2.1", "https://h/compute/v2.1"),
        (Service::Compute, "https://h:8774/v2.1/0a1b", "https://h:8774/v2.1/0a1b"),
        (Service::Compute, "https://h:8774", "https://h:8774/v2.1"),
        (Service::Network, "https://h:9696/", "https://h:9696/v2.0"),
        (Service::Network, "https://h/networking/v2.0/", "https://h/networking/v2.0"),
        (Service::Image, "https://h/image", "https://h/image/v2"),
        (Service::Image, "https://h:9292/v1", "https://h:9292/v2"),
        (Service::LoadBalancer, "https://h/load-balancer", "https://h/load-balancer/v2"),
        (Service::LoadBalancer, "https://h:9876/v2.0", "https://h:9876/v2.0"),
        (Service::LoadBalancer, "https://h:9876/v2/lbaas", "https://h:9876/v2"),
    ];
    for (service, written, used) in cases {
        assert_eq!(versioned(written, service), used, "{service:?}");
    }
}

#[test]
fn the_endpoint_of_region_and_interface_is_taken_and_others_are_told() {
    let catalog: Vec<CatalogEntry> = serde_json::from_value(json!([{ "type": "network", "endpoints": [
        { "interface": "public", "region_id": "south", "url": "https://south" },
        { "interface": "internal", "region_id": "north", "url": "https://inside" },
        { "interface": "public", "region_id": "north", "url": "https://north" },
    ] }]))
    .unwrap();
    let mut config = config();
    config.region = Some("north".to_owned());
    assert_eq!(catalog::root(&catalog, Service::Network, &config).unwrap(), "https://north/v2.0");
    config.region = Some("west".to_owned());
    let error = catalog::root(&catalog, Service::Network, &config).unwrap_err();
    assert_eq!(error.to_string(), "cloud `a` has no `public` endpoint of service `network` in region `west`");
    assert!(error.hint().unwrap().contains("`public` in region `south`"));
    config.endpoint_overrides.insert("network".to_owned(), "https://mine/".to_owned());
    assert_eq!(catalog::root(&catalog, Service::Network, &config).unwrap(), "https://mine/v2.0");
}

#[test]
fn a_kept_token_is_for_its_owner_alone_and_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let tokens = directory.path().join("pontoon/tokens");
    let cache = TokenCache::new(Some(tokens.clone()), &config());
    cache.store(&session(3600));
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let files: Vec<_> = std::fs::read_dir(&tokens).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    assert_eq!((mode(&tokens), mode(&files[0])), (0o700, 0o600));
    assert_eq!(cache.load().unwrap().token().expose(), "t");
}

#[test]
fn another_password_does_not_find_the_token() {
    let directory = tempfile::tempdir().unwrap();
    let kept_in = Some(directory.path().to_path_buf());
    TokenCache::new(kept_in.clone(), &config()).store(&session(3600));
    let mut other = config();
    if let Identity::Password { password, .. } = &mut other.identity {
        *password = Secret::new("another");
    }
    assert!(TokenCache::new(kept_in, &other).load().is_none());
}

#[test]
fn a_token_that_ends_soon_or_that_others_can_read_or_that_is_garbage_is_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let cache = TokenCache::new(Some(directory.path().to_path_buf()), &config());
    let file = || std::fs::read_dir(directory.path()).unwrap().next().map(|file| file.unwrap().path());

    cache.store(&session(59));
    assert!(cache.load().is_none());
    assert_eq!(file(), None);

    cache.store(&session(3600));
    std::fs::set_permissions(file().unwrap(), std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(cache.load().is_none());

    cache.store(&session(3600));
    std::fs::write(file().unwrap(), "{").unwrap();
    assert!(cache.load().is_none());
    assert_eq!(file(), None);
}

#[test]
fn tokens_of_other_logins_go_when_they_have_expired_and_stay_while_they_have_not() {
    let directory = tempfile::tempdir().unwrap();
    let keep = |user: &str, seconds: i64| {
        let mut config = config();
        config.auth_url = format!("https://{user}");
        TokenCache::new(Some(directory.path().to_path_buf()), &config).store(&session(seconds));
    };
    keep("stays", 3600);
    keep("expires", -60);
    keep("new", 3600);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2);
}

#[test]
fn tokens_are_kept_below_the_users_cache() {
    let set = |wanted: &'static str, text: &'static str| {
        default_token_directory(move |name| (name == wanted).then(|| text.to_owned()))
    };
    assert_eq!(set("XDG_CACHE_HOME", "/c").unwrap().to_str(), Some("/c/pontoon/tokens"));
    assert_eq!(set("HOME", "/h").unwrap().to_str(), Some("/h/.cache/pontoon/tokens"));
    assert_eq!(set("NEITHER", "/x"), None);
}

#[test]
fn an_application_credential_logs_in_by_id_or_by_name_and_without_a_scope() {
    let mut config = config();
    config.scope = None;
    let secret = Secret::new("s");
    let credential = CredentialName::Id("c".to_owned());
    config.identity = Identity::ApplicationCredential { credential, secret: secret.clone() };
    let wanted = json!({ "auth": { "identity": {
        "methods": ["application_credential"], "application_credential": { "id": "c", "secret": "s" },
    } } });
    assert_eq!(login_request(&config).body, Some(wanted));

    let user = Named::Name { name: "u".to_owned(), domain: Domain::Name("d".to_owned()) };
    let credential = CredentialName::Name { name: "n".to_owned(), user };
    config.identity = Identity::ApplicationCredential { credential, secret };
    let wanted = json!({ "name": "n", "secret": "s", "user": { "name": "u", "domain": { "name": "d" } } });
    let body = login_request(&config).body.unwrap();
    assert_eq!(body["auth"]["identity"]["application_credential"], wanted);
}

#[test]
fn a_token_is_exchanged_for_one_of_the_wanted_project_and_never_kept() {
    let mut config = config();
    config.identity = Identity::Token { token: Secret::new("theirs") };
    config.scope = Some(Scope::Project(Named::Id("p".to_owned())));
    let wanted = json!({ "auth": {
        "identity": { "methods": ["token"], "token": { "id": "theirs" } },
        "scope": { "project": { "id": "p" } },
    } });
    assert_eq!(login_request(&config).body, Some(wanted));
    let directory = tempfile::tempdir().unwrap();
    TokenCache::new(Some(directory.path().to_path_buf()), &config).store(&session(3600));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

fn session(seconds: i64) -> Session {
    let expires_at = Some(Timestamp::now() + SignedDuration::from_secs(seconds));
    let details = TokenDetails { expires_at, ..TokenDetails::default() };
    Session { token: Secret::new("t"), details, origin: Origin::Login }
}

fn config() -> CloudConfig {
    let variables = [("OS_AUTH_URL", "https://h"), ("OS_USERNAME", "u"), ("OS_PASSWORD", "p"), ("OS_CLOUD_NAME", "a")];
    let environment = variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    cloud_config(&Sources { environment, ..Sources::default() }, None).unwrap()
}
