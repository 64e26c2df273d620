#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

const CLOUDS: &str = "
clouds:
  home:
    auth:
      auth_url: https://home.example/identity
      username: ada
      project_name: blog
      user_domain_name: people
      project_domain_id: d1
    region_name: north
    cacert: ~/ca.pem
    load_balancer_endpoint_override: https://lb.example/
    compute_api_version: 2
    networks: [{name: lan, nat_source: true}]
  robot:
    auth_type: v3applicationcredential
    auth:
      auth_url: https://home.example/identity
      application_credential_id: 00112233445566778899001122334455
      application_credential_secret: hush
    endpoint_type: internalURL
    verify: no
";

#[test]
fn a_cloud_of_the_file_is_read_with_its_secret_from_the_other_file() {
    let sources = sources(&[("clouds", CLOUDS), ("secure", "clouds: {home: {auth: {password: 0123}}}")], &[]);
    let cloud = cloud_config(&sources, Some("home")).unwrap();
    assert_eq!(cloud.auth_url, "https://home.example/identity");
    let user = Named::Name { name: "ada".to_owned(), domain: Domain::Name("people".to_owned()) };
    // `0123` is the text of the file, not the number 123.
    assert_eq!(cloud.identity, Identity::Password { user, password: Secret::new("0123") });
    let project = Named::Name { name: "blog".to_owned(), domain: Domain::Id("d1".to_owned()) };
    assert_eq!(cloud.scope, Some(Scope::Project(project)));
    assert_eq!(cloud.region.as_deref(), Some("north"));
    assert_eq!(cloud.tls.ca_file, Some(PathBuf::from("/home/ada/ca.pem")));
    assert_eq!(cloud.endpoint_overrides.get("load_balancer").map(String::as_str), Some("https://lb.example/"));
}

#[test]
fn an_application_credential_has_no_scope_and_its_id_stays_a_text() {
    let cloud = cloud_config(&sources(&[("clouds", CLOUDS)], &[]), Some("robot")).unwrap();
    let credential = CredentialName::Id("00112233445566778899001122334455".to_owned());
    assert_eq!(cloud.identity, Identity::ApplicationCredential { credential, secret: Secret::new("hush") });
    assert_eq!(cloud.scope, None);
    assert_eq!(cloud.interface, Interface::Internal);
    assert!(!cloud.tls.verify);
}

#[test]
fn secure_yaml_wins_over_clouds_yaml_which_wins_over_its_profile() {
    let clouds = "clouds: {a: {profile: vendor, auth: {username: own, password: from-clouds}, interface: internal}}";
    let public = "public-clouds: {vendor: {auth: {auth_url: 'https://v.example', username: theirs}, interface: admin}}";
    let secure = "clouds: {a: {auth: {password: from-secure}}}";
    let cloud =
        cloud_config(&sources(&[("clouds", clouds), ("public", public), ("secure", secure)], &[]), None).unwrap();
    assert_eq!(cloud.auth_url, "https://v.example");
    assert_eq!(cloud.interface, Interface::Internal);
    let Identity::Password { user: Named::Name { name, .. }, password } = cloud.identity else { panic!() };
    assert_eq!((name.as_str(), password.expose()), ("own", "from-secure"));
}

#[test]
fn os_cloud_chooses_and_an_explicit_name_wins_over_it() {
    let sources =
        sources(&[("clouds", CLOUDS), ("secure", "clouds: {home: {auth: {password: x}}}")], &[("OS_CLOUD", "robot")]);
    assert_eq!(cloud_config(&sources, None).unwrap().name, "robot");
    assert_eq!(cloud_config(&sources, Some("home")).unwrap().name, "home");
}

#[test]
fn os_variables_make_a_cloud_of_their_own() {
    let variables = [
        ("OS_AUTH_URL", "https://env.example:5000/v3"),
        ("OS_USERNAME", "eve"),
        ("OS_PASSWORD", "pw"),
        ("OS_PROJECT_ID", "p1"),
        ("OS_ENDPOINT_TYPE", "internalURL"),
        ("OS_INSECURE", "true"),
        ("OS_DEFAULT_DOMAIN", "acme"),
    ];
    let cloud = cloud_config(&sources(&[("clouds", CLOUDS)], &variables), None).unwrap();
    assert_eq!(cloud.name, "envvars");
    let user = Named::Name { name: "eve".to_owned(), domain: Domain::Id("acme".to_owned()) };
    assert_eq!(cloud.identity, Identity::Password { user, password: Secret::new("pw") });
    assert_eq!(cloud.scope, Some(Scope::Project(Named::Id("p1".to_owned()))));
    assert_eq!(cloud.interface, Interface::Internal);
    assert!(!cloud.tls.verify);
}

#[test]
fn variables_that_only_select_make_no_cloud() {
    let selecting = [("OS_REGION_NAME", "south"), ("OS_CLIENT_CONFIG_FILE", "/x")];
    assert_eq!(cloud_names(&sources(&[("clouds", CLOUDS)], &selecting)).unwrap(), ["home", "robot"]);
}

#[test]
fn a_token_needs_no_auth_type() {
    let clouds = "clouds: {a: {auth: {auth_url: 'http://x', token: t, tenant_name: old}}}";
    let cloud = cloud_config(&sources(&[("clouds", clouds)], &[]), None).unwrap();
    assert_eq!(cloud.identity, Identity::Token { token: Secret::new("t") });
    let project = Named::Name { name: "old".to_owned(), domain: Domain::Id("default".to_owned()) };
    assert_eq!(cloud.scope, Some(Scope::Project(project)));
}

#[test]
fn a_project_id_alone_is_a_scope_and_one_domain_serves_user_and_project() {
    let clouds =
        "clouds: {a: {auth: {auth_url: 'http://x', username: u, password: p, project_name: n, domain_name: d}}}";
    let cloud = cloud_config(&sources(&[("clouds", clouds)], &[]), None).unwrap();
    let domain = Domain::Name("d".to_owned());
    assert_eq!(cloud.scope, Some(Scope::Project(Named::Name { name: "n".to_owned(), domain: domain.clone() })));
    let Identity::Password { user, .. } = cloud.identity else { panic!() };
    assert_eq!(user, Named::Name { name: "u".to_owned(), domain });
}

#[test]
fn a_region_brings_its_own_values_and_the_first_one_is_the_default() {
    let clouds = "
clouds:
  a:
    auth: {auth_url: 'http://x', username: u, password: p}
    regions:
      - one
      - {name: two, values: {auth: {auth_url: 'http://two'}, interface: admin}}
";
    let first = cloud_config(&sources(&[("clouds", clouds)], &[]), None).unwrap();
    assert_eq!((first.region.as_deref(), first.auth_url.as_str()), (Some("one"), "http://x"));
    let second = cloud_config(&sources(&[("clouds", clouds)], &[("OS_REGION_NAME", "two")]), Some("a")).unwrap();
    assert_eq!((second.region.as_deref(), second.auth_url.as_str()), (Some("two"), "http://two"));
    assert_eq!(second.interface, Interface::Admin);
    let error = cloud_config(&sources(&[("clouds", clouds)], &[("OS_REGION_NAME", "six")]), Some("a")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cloud `a` in `/etc/openstack/clouds.yaml`: `region_name` is `six`, expected one of one, two"
    );
}

#[test]
fn an_unknown_cloud_is_told_with_the_file_and_the_clouds_that_exist() {
    let error = cloud_config(&sources(&[("clouds", CLOUDS)], &[]), Some("work")).unwrap_err();
    assert_eq!(error.to_string(), "there is no cloud `work` in `/etc/openstack/clouds.yaml`");
    assert_eq!(error.hint().unwrap(), "clouds that exist: home, robot");
}

#[test]
fn several_clouds_without_a_choice_are_an_error_and_so_is_none() {
    let error = cloud_config(&sources(&[("clouds", CLOUDS)], &[]), None).unwrap_err();
    assert!(matches!(error, ConfigError::NoneChosen { .. }), "{error}");
    let error = cloud_config(&sources(&[], &[]), None).unwrap_err();
    assert!(matches!(error, ConfigError::NothingConfigured { .. }), "{error}");
}

#[test]
fn a_missing_password_is_named_and_a_wrong_kind_of_login_too() {
    let error = cloud_config(&sources(&[("clouds", CLOUDS)], &[]), Some("home")).unwrap_err();
    assert_eq!(error.to_string(), "cloud `home` in `/etc/openstack/clouds.yaml` has no `auth.password`");
    let clouds = "clouds: {a: {auth_type: v3websso, auth: {auth_url: 'http://x'}}}";
    let error = cloud_config(&sources(&[("clouds", clouds)], &[]), None).unwrap_err();
    assert!(error.to_string().contains("`auth_type` is `v3websso`"), "{error}");
}

#[test]
fn a_broken_file_is_told_by_place_and_never_quoted() {
    let clouds = "clouds:\n  a:\n    auth: {password: tell-nobody\n";
    let error = cloud_config(&sources(&[("clouds", clouds)], &[]), None).unwrap_err();
    assert!(error.to_string().starts_with("`/etc/openstack/clouds.yaml` is not a list of clouds: "), "{error}");
    assert!(!format!("{error} {error:?}").contains("tell-nobody"), "{error:?}");
}

#[test]
fn a_wrong_type_does_not_quote_a_secret_either() {
    for shape in
        ["auth: tell-nobody", "auth: {password: [tell-nobody]}", "auth: {password: {x: tell-nobody}}", "tell-nobody"]
    {
        let clouds =
            if shape.contains(':') { format!("clouds: {{a: {{{shape}}}}}") } else { format!("clouds: {{a: {shape}}}") };
        let error = cloud_config(&sources(&[("clouds", &clouds)], &[]), None).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("tell-nobody"), "{error:?}");
    }
}

#[test]
fn secrets_are_not_printed() {
    let sources = sources(&[("clouds", CLOUDS)], &[]);
    assert!(!format!("{:?}", cloud_config(&sources, Some("robot")).unwrap()).contains("hush"));
}

#[test]
fn the_nearest_file_is_read_and_a_variable_names_another() {
    let directory = tempfile::tempdir().unwrap();
    let (here, base) = (directory.path().join("here"), directory.path().join("config"));
    std::fs::create_dir_all(&here).unwrap();
    std::fs::create_dir_all(base.join("openstack")).unwrap();
    let environment = BTreeMap::from([("XDG_CONFIG_HOME".to_owned(), base.to_string_lossy().into_owned())]);
    std::fs::write(base.join("openstack/clouds.yaml"), "clouds: {far: {}}").unwrap();
    let names = |environment| cloud_names(&Sources::read(environment, &here).unwrap()).unwrap();
    assert_eq!(names(environment.clone()), ["far"]);
    std::fs::write(here.join("clouds.yml"), "clouds: {near: {}}").unwrap();
    assert_eq!(names(environment.clone()), ["near"]);
    let named = directory.path().join("other.yaml");
    std::fs::write(&named, "clouds: {named: }").unwrap();
    let mut environment = environment;
    environment.insert("OS_CLIENT_CONFIG_FILE".to_owned(), named.to_string_lossy().into_owned());
    assert_eq!(names(environment), ["named"]);
}

fn sources(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Sources {
    let file = |kind: &str, name: &str| {
        let found = files.iter().find(|(file, _)| *file == kind)?;
        Some(SourceFile { path: PathBuf::from(format!("/etc/openstack/{name}.yaml")), text: found.1.to_owned() })
    };
    let home = [("HOME", "/home/ada")];
    let environment = variables.iter().chain(&home).map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    Sources {
        clouds: file("clouds", "clouds"),
        secure: file("secure", "secure"),
        public: file("public", "clouds-public"),
        environment: environment.collect(),
        searched: Vec::new(),
    }
}
