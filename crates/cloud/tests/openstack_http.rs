//! Sending: what is repeated and what is not, logins, the token between runs, headers, errors.

#![allow(clippy::unwrap_used, clippy::panic)]

mod openstack_fake;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use openstack_fake::{Fake, Reply, quick};
use pontoon_cloud::openstack::compute::NewServerGroup;
use pontoon_cloud::openstack::network::{NewPort, PortChange};
use pontoon_cloud::openstack::{Client, Error, Options, RetryPolicy, Revision, Secret, config};
use serde_json::json;

#[tokio::test]
async fn a_lost_reply_to_a_creation_is_not_answered_by_a_second_one() {
    let fake = Fake::start(|_, _| Reply::HangUp).await;
    let error = fake.client().create_port(&NewPort::default()).await.unwrap_err();
    assert!(error.is_unknown(), "{error:?}");
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn a_lost_reply_to_a_change_is_unknown_too() {
    let fake = Fake::start(|_, _| Reply::HangUp).await;
    let error = fake.client().update_port("a", &PortChange::default(), Some(Revision(4))).await.unwrap_err();
    assert!(error.is_unknown(), "{error:?}");
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn a_lost_reply_to_a_read_or_a_removal_is_asked_for_again() {
    let fake = Fake::start(|seen, before| match (before, seen.method.as_str()) {
        (0, _) => Reply::HangUp,
        (_, "GET") => Reply::json(200, &json!({ "ports": [{ "id": "a" }] })),
        _ => Reply::json(404, &json!({ "NeutronError": { "type": "PortNotFound", "message": "gone" } })),
    })
    .await;
    let client = fake.client();
    assert_eq!(client.ports(&[]).await.unwrap().len(), 1);
    assert!(client.delete_port("a").await.unwrap_err().is_not_found());
    assert_eq!(fake.seen().len(), 4);
}

#[tokio::test]
async fn reads_that_never_get_a_reply_end_after_the_last_attempt_and_changed_nothing() {
    let fake = Fake::start(|_, _| Reply::HangUp).await;
    let error = fake.client().ports(&[]).await.unwrap_err();
    assert!(matches!(error, Error::NoReply { .. }), "{error:?}");
    assert!(!error.is_unknown());
    assert_eq!(fake.seen().len(), 4);
}

#[tokio::test]
async fn retry_after_decides_when_a_busy_service_is_asked_again() {
    let fake = Fake::start(|_, before| match before {
        0 => Reply::json(503, &json!({})).with("Retry-After", "0"),
        _ => Reply::json(200, &json!({ "ports": [] })),
    })
    .await;
    // Only the service's own wish lets this end before the test does.
    let retry = RetryPolicy { first_wait: Duration::from_hours(1), longest_wait: Duration::from_hours(1), attempts: 3 };
    let client = Client::new(fake.config(), Options { retry, ..Options::default() }).unwrap();
    client.ports(&[]).await.unwrap();
    assert_eq!(fake.seen().len(), 2);
}

#[tokio::test]
async fn a_retry_after_beyond_our_patience_is_handed_back() {
    let fake = Fake::start(|_, _| {
        Reply::json(429, &json!({ "overLimit": { "message": "slow down" } })).with("Retry-After", "3600")
    })
    .await;
    let error = fake.client().servers(&[]).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_hours(1)));
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn neutrons_503_lets_a_creation_be_repeated_and_novas_does_not() {
    let fake = Fake::start(|seen, before| match (before, seen.path.as_str()) {
        (0, _) => Reply::json(503, &json!({})),
        (_, "/network/v2.0/ports") => Reply::json(201, &json!({ "port": { "id": "a" } })),
        _ => Reply::json(200, &json!({ "server_group": { "id": "a" } })),
    })
    .await;
    let client = fake.client();
    assert_eq!(client.create_port(&NewPort::default()).await.unwrap().id, "a");
    let group = NewServerGroup { name: "g".to_owned(), policy: "soft-anti-affinity".to_owned() };
    let error = client.create_server_group(&group).await.unwrap_err();
    assert_eq!(error.status().map(|status| status.as_u16()), Some(503));
    assert!(!error.is_unknown());
}

#[tokio::test]
async fn a_gateway_that_lost_the_reply_to_a_creation_leaves_it_unknown() {
    let fake = Fake::start(|_, _| Reply::json(504, &json!({}))).await;
    let error = fake.client().create_port(&NewPort::default()).await.unwrap_err();
    assert!(error.is_unknown(), "{error:?}");
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn a_creation_whose_success_cannot_be_read_is_unknown() {
    let fake = Fake::start(|_, _| Reply::json(201, &json!({ "surprise": 1 }))).await;
    let error = fake.client().create_port(&NewPort::default()).await.unwrap_err();
    assert!(matches!(error, Error::Reply { .. }), "{error:?}");
    assert!(error.is_unknown());
}

#[tokio::test]
async fn a_service_that_is_not_there_was_not_sent_anything() {
    let fake = Fake::start(|_, _| Reply::HangUp).await;
    let mut cloud = fake.config();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    cloud.endpoint_overrides.insert("network".to_owned(), format!("http://{port}"));
    let client = Client::new(cloud, quick()).unwrap();
    let error = client.create_port(&NewPort::default()).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert!(!error.is_unknown());
    // One login, and four attempts at the port: where nothing is sent, even a creation may be tried again.
    assert_eq!(client.requests(), 5);
}

#[tokio::test]
async fn an_old_token_is_replaced_once() {
    let fake = Fake::start(|seen, _| match seen.headers["x-auth-token"].as_str() {
        "token-1" => Reply::json(401, &json!({})),
        _ => Reply::json(200, &json!({ "ports": [] })),
    })
    .await;
    let client = fake.client();
    let (first, second) = tokio::join!(client.ports(&[]), client.ports(&[]));
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(fake.logins().len(), 2, "both were turned away, and one of them logged in for both");
}

#[tokio::test]
async fn a_service_that_turns_away_every_token_is_not_asked_for_ever() {
    let fake = Fake::start(|_, _| Reply::json(401, &json!({}))).await;
    let error = fake.client().create_port(&NewPort::default()).await.unwrap_err();
    assert_eq!(error.status().map(|status| status.as_u16()), Some(401));
    assert_eq!((fake.seen().len(), fake.logins().len()), (2, 2));
}

#[tokio::test]
async fn wrong_credentials_are_told_at_once_with_the_cloud_and_without_the_password() {
    let fake = Fake::start(|_, _| Reply::HangUp).await;
    let mut cloud = fake.config();
    if let config::Identity::Password { password, .. } = &mut cloud.identity {
        *password = Secret::new("wrong-secret");
    }
    let error = Client::new(cloud, quick()).unwrap().ports(&[]).await.unwrap_err();
    let told = format!("{error} {error:?}");
    assert!(error.to_string().starts_with("cloud `envvars` refused the login at `http://127.0.0.1:"), "{told}");
    assert!(error.to_string().ends_with(": who are you?"), "{told}");
    assert!(!told.contains("wrong-secret"));
    assert_eq!(fake.logins().len(), 1);
}

#[tokio::test]
async fn the_next_run_uses_the_token_of_the_last_one() {
    let fake = Fake::start(|_, _| Reply::json(200, &json!({ "ports": [] }))).await;
    let directory = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let client = fake.client_with_tokens_in(directory.path());
        client.ports(&[]).await.unwrap();
        assert_eq!(client.project_id().await.unwrap().as_deref(), Some("p1"));
    }
    assert_eq!(fake.logins().len(), 1);
}

#[tokio::test]
async fn a_kept_token_that_the_cloud_no_longer_takes_is_replaced_in_its_file() {
    let fake = Fake::start(|seen, before| match (seen.headers["x-auth-token"].as_str(), before) {
        ("token-1", 1..) => Reply::json(401, &json!({})),
        _ => Reply::json(200, &json!({ "ports": [] })),
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        fake.client_with_tokens_in(directory.path()).ports(&[]).await.unwrap();
    }
    let tokens: Vec<String> = fake.seen().iter().map(|seen| seen.headers["x-auth-token"].clone()).collect();
    assert_eq!(tokens, ["token-1", "token-1", "token-2", "token-2"]);
}

#[tokio::test]
async fn a_service_that_came_or_moved_since_the_last_run_is_found_by_a_new_login() {
    let fake = Fake::start(|_, _| Reply::json(200, &json!({ "ports": [] }))).await;
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (then, now) in
        [("\"network\"", "\"network-to-come\"".to_owned()), (fake.url.as_str(), format!("http://{gone}"))]
    {
        let directory = tempfile::tempdir().unwrap();
        fake.client_with_tokens_in(directory.path()).ports(&[]).await.unwrap();
        let file = std::fs::read_dir(directory.path()).unwrap().next().unwrap().unwrap().path();
        let kept = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, kept.replace(then, &now)).unwrap();
        let logins = fake.logins().len();
        for _ in 0..2 {
            fake.client_with_tokens_in(directory.path()).ports(&[]).await.unwrap();
        }
        assert_eq!(fake.logins().len(), logins + 1, "{now}: the new catalog is kept for the run after");
    }
}

#[tokio::test]
async fn the_login_names_user_project_and_domains() {
    let fake = Fake::start(|_, _| Reply::HangUp).await;
    fake.client().session().await.unwrap();
    let wanted = json!({ "auth": {
        "identity": {
            "methods": ["password"],
            "password": { "user": { "name": "ada", "domain": { "id": "default" }, "password": "pw" } },
        },
        "scope": { "project": { "name": "blog", "domain": { "id": "default" } } },
    } });
    assert_eq!(fake.logins()[0].body, wanted);
}

#[tokio::test]
async fn microversions_and_revisions_travel_as_headers() {
    let fake = Fake::start(|seen, _| match seen.method.as_str() {
        "GET" => Reply::json(200, &json!({ "servers": [] })),
        _ => {
            Reply::json(412, &json!({ "NeutronError": { "type": "RevisionNumberConstraintFailed", "message": "no" } }))
        }
    })
    .await;
    let client = fake.client();
    client.servers(&[("tags", "a,b")]).await.unwrap();
    let error = client.update_port("x", &PortChange::default(), Some(Revision(7))).await.unwrap_err();
    assert!(error.is_stale() && error.is_conflict());
    let seen = fake.seen();
    assert_eq!(seen[0].path, "/compute/v2.1/p1/servers/detail?tags=a%2Cb");
    assert_eq!(seen[0].headers["openstack-api-version"], "compute 2.64");
    assert_eq!(seen[1].headers["if-match"], "revision_number=7");
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_a_token() {
    let elsewhere = Fake::start(|_, _| Reply::json(200, &json!({ "ports": [] }))).await;
    let target = elsewhere.url.clone();
    let fake = Fake::start(move |_, _| Reply::json(302, &json!({})).with("Location", &target)).await;
    let error = fake.client().ports(&[]).await.unwrap_err();
    assert_eq!(error.status().map(|status| status.as_u16()), Some(302));
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn every_attempt_is_counted_and_told_to_those_who_watch() {
    let fake = Fake::start(|_, before| match before {
        0 => Reply::json(503, &json!({})),
        _ => Reply::json(200, &json!({ "ports": [] })).with("x-openstack-request-id", "req-9"),
    })
    .await;
    let watched = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&watched);
    let hook = move |attempt: &pontoon_cloud::openstack::Attempt| {
        let status = attempt.status.map(|status| status.as_u16());
        log.lock().unwrap().push((attempt.number, status, attempt.request_id.clone()));
    };
    let client = Client::new(fake.config(), Options { on_request: Some(Arc::new(hook)), ..quick() }).unwrap();
    client.ports(&[]).await.unwrap();
    let wanted = [(1, Some(201), None), (1, Some(503), None), (2, Some(200), Some("req-9".to_owned()))];
    assert_eq!(*watched.lock().unwrap(), wanted);
    assert_eq!(client.requests(), 3);
}
