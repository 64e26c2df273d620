//! Keystone: tokens, refusals, application credentials; and the same 401 from every service.

use crate::harness::{Service, contract};
use serde_json::{Value, json};

const UNAUTHENTICATED: &str = "The request you have made requires authentication.";

#[tokio::test]
async fn a_token_says_who_may_do_what_where_and_until_when() {
    contract(async |cloud| {
        let token = cloud.login.body["token"].as_object().unwrap();
        for key in
            ["methods", "user", "project", "roles", "catalog", "is_domain", "issued_at", "expires_at", "audit_ids"]
        {
            assert!(token.contains_key(key), "{key} in {token:?}");
        }
        assert_eq!(token["is_domain"], false);
        assert_eq!(token["user"]["password_expires_at"], Value::Null);
        for moment in ["issued_at", "expires_at"] {
            let text = token[moment].as_str().unwrap();
            assert!(text.len() == 27 && text.ends_with(".000000Z"), "{text}");
        }
        let roles: Vec<&Value> = token["roles"].as_array().unwrap().iter().map(|role| &role["name"]).collect();
        assert!(roles.contains(&&json!("member")) && !roles.contains(&&json!("admin")), "{roles:?}");
        assert_eq!(cloud.login.header("vary"), Some("X-Auth-Token"));
    })
    .await;
}

#[tokio::test]
async fn wrong_credentials_are_refused_without_saying_what_is_wrong() {
    contract(async |cloud| {
        let answer = cloud.log_in(Some("no such password")).await;
        answer.keystone_error(401, "Unauthorized", UNAUTHENTICATED);
        assert!(answer.header("www-authenticate").is_some_and(|header| header.starts_with("Keystone uri=\"")));
    })
    .await;
}

#[tokio::test]
async fn every_service_refuses_a_request_without_a_good_token_in_the_same_words() {
    contract(async |cloud| {
        for token in ["", "gAAAAAno-such-token"] {
            for (service, path) in [
                (Service::Identity, "auth/catalog"),
                (Service::Compute, "servers"),
                (Service::Network, "ports"),
                (Service::Balancer, "lbaas/loadbalancers"),
            ] {
                let answer = cloud.of(service).with("x-auth-token", token).get(path).await;
                answer.keystone_error(401, "Unauthorized", UNAUTHENTICATED);
                let header = answer.header("www-authenticate").unwrap_or_default();
                assert!(header.starts_with("Keystone uri=\""), "{}: {header}", answer.request);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_token_can_be_looked_at_and_taken_back() {
    contract(async |cloud| {
        let second = cloud.log_in(None).await;
        let token = second.header("x-subject-token").unwrap().to_owned();
        let look = cloud.identity().with("x-subject-token", &token);
        let seen = look.get("auth/tokens").await;
        assert_eq!(seen.header("x-subject-token"), Some(token.as_str()));
        assert_eq!(seen.done(200)["token"]["user"]["id"], cloud.user());
        look.delete("auth/tokens").await.done(204);
        look.get("auth/tokens").await.keystone_error(404, "Not Found", "Failed to validate token");
        let bearer = cloud.identity().with("x-auth-token", &token);
        bearer.get("auth/catalog").await.keystone_error(401, "Unauthorized", UNAUTHENTICATED);
    })
    .await;
}

#[tokio::test]
async fn an_application_credential_shows_its_secret_once_and_logs_in() {
    contract(async |cloud| {
        let path = format!("users/{}/application_credentials", cloud.user());
        let name = cloud.name("credential");
        let wanted = json!({ "name": name, "secret": "of this test", "description": "d" });
        let made = cloud.identity().create(&path, "application_credential", wanted.clone()).await;
        assert_eq!(made["secret"], "of this test");
        assert_eq!((&made["expires_at"], &made["unrestricted"]), (&Value::Null, &Value::Null));
        assert_eq!(made["project_id"], cloud.project());
        let id = made["id"].as_str().unwrap();
        let seen = cloud.identity().get(&format!("{path}/{id}")).await.done(200)["application_credential"].clone();
        assert_eq!(seen.get("secret"), None);
        assert_eq!(seen["description"], "d");
        let credential = json!({ "id": id, "secret": "of this test" });
        let identity = json!({ "methods": ["application_credential"], "application_credential": credential });
        let login = cloud.identity().post("auth/tokens", json!({ "auth": { "identity": identity } })).await.done(201);
        assert_eq!(login["token"]["project"]["id"], cloud.project());
        assert_eq!(login["token"]["methods"], json!(["application_credential"]));
        cloud.identity().post(&path, json!({ "application_credential": wanted })).await.keystone_error(
            409,
            "Conflict",
            "Conflict occurred attempting to store application_credential - Duplicate entry found with name \
             %NAME%."
                .replace("%NAME%", &name)
                .as_str(),
        );
    })
    .await;
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    contract(async |cloud| {
        assert_eq!(cloud.identity().get("no-such-thing").await.status, 404);
        let path = format!("users/{}/application_credentials/0123456789abcdef0123456789abcdef", cloud.user());
        cloud.identity().get(&path).await.keystone_error(
            404,
            "Not Found",
            "Could not find Application Credential: 0123456789abcdef0123456789abcdef.",
        );
    })
    .await;
}
