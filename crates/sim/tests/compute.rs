//! What Nova allows and refuses, and how faults meet requests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
use common::{Client, quick};
use pontoon_sim::world::faults::{Effect, Fault, When};
use pontoon_sim::{Config, Console};
use serde_json::{Value, json};

#[tokio::test]
async fn a_given_port_survives_its_server() {
    let client = Client::start(quick()).await;
    let network = client.network("default").await;
    let port = client.create("ports", "port", json!({ "network_id": network })).await;
    let path = format!("/network/v2.0/ports/{}", port["id"].as_str().unwrap());
    let server = client.server("lxd0", json!([{ "port": port["id"] }])).await;
    let bound = client.call("GET", &path, Value::Null).await.body["port"].clone();
    assert_eq!((bound["device_id"].clone(), bound["status"].clone()), (server["id"].clone(), json!("ACTIVE")));
    let own = format!("/compute/v2.1/servers/{}", server["id"].as_str().unwrap());
    assert_eq!(client.call("DELETE", &own, Value::Null).await.status, 204);
    client.until(&own, |answer| answer.status == 404).await;
    let left = client.call("GET", &path, Value::Null).await.body["port"].clone();
    assert_eq!((left["device_id"].clone(), left["status"].clone()), (json!(""), json!("DOWN")));
}

#[tokio::test]
async fn a_port_that_nova_made_goes_with_its_server() {
    let client = Client::start(quick()).await;
    let network = client.network("default").await;
    let server = client.server("lxd0", json!([{ "uuid": network }])).await;
    let own = format!("/compute/v2.1/servers/{}", server["id"].as_str().unwrap());
    client.call("DELETE", &own, Value::Null).await;
    client.until(&own, |answer| answer.status == 404).await;
    let ports = client.call("GET", "/network/v2.0/ports?device_owner=compute:nova", Value::Null).await;
    assert_eq!(ports.body["ports"], json!([]));
}

#[tokio::test]
async fn tags_at_creation_need_their_microversion() {
    let client = Client::start(quick()).await;
    let image = client.id("/image/v2/images", "Debian 12").await;
    let network = client.network("default").await;
    let body = json!({ "server": { "name": "a", "imageRef": image, "flavorRef": "1", "tags": ["t"], "networks": [{ "uuid": network }] } });
    let answer = client.call("POST", "/compute/v2.1/servers", body.clone()).await;
    assert_eq!((answer.status, answer.body["badRequest"]["code"].clone()), (400, json!(400)));
    let version = [("openstack-api-version", "compute 2.52")];
    let answer = client.call_with("POST", "/compute/v2.1/servers", &version, body).await.unwrap();
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert_eq!(answer.headers["openstack-api-version"], "compute 2.52");
    let found = client.call_with("GET", "/compute/v2.1/servers/detail?tags=t", &version, Value::Null).await.unwrap();
    assert_eq!(found.body["servers"][0]["tags"], json!(["t"]));
    let answer = client
        .call_with("GET", "/compute/v2.1/servers", &[("openstack-api-version", "compute 2.999")], Value::Null)
        .await;
    assert_eq!(answer.unwrap().status, 406);
}

#[tokio::test]
async fn instances_are_limited_by_quota() {
    let mut config = quick();
    config.quotas.compute.insert("instances".to_owned(), 0);
    let client = Client::start(config).await;
    let image = client.id("/image/v2/images", "Debian 12").await;
    let body = json!({ "server": { "name": "a", "imageRef": image, "flavorRef": "1" } });
    let answer = client.call("POST", "/compute/v2.1/servers", body).await;
    assert_eq!((answer.status, answer.body["forbidden"]["code"].clone()), (403, json!(403)));
}

#[tokio::test]
async fn a_cloud_without_consoles_says_so_in_its_own_way() {
    for (console, status, fault) in [
        (Console::Shown, 200, "output"),
        (Console::Forbidden, 403, "forbidden"),
        (Console::Unavailable, 404, "itemNotFound"),
        (Console::NotImplemented, 501, "notImplemented"),
    ] {
        let client = Client::start(Config { console, ..quick() }).await;
        let network = client.network("default").await;
        let server = client.server("lxd0", json!([{ "uuid": network }])).await;
        let path = format!("/compute/v2.1/servers/{}/action", server["id"].as_str().unwrap());
        let answer = client.call("POST", &path, json!({ "os-getConsoleOutput": {} })).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        assert!(answer.body.get(fault).is_some(), "{}", answer.body);
    }
}

fn fault(then: Effect) -> Fault {
    Fault { when: When::Matches { method: "POST".to_owned(), path: "/networks$".to_owned() }, then, count: 1 }
}

#[tokio::test]
async fn a_lost_reply_was_applied_and_a_lost_request_was_not() {
    let client = Client::start(quick()).await;
    for (then, applied) in [(Effect::CloseBeforeHandling, 0), (Effect::CloseAfterHandling, 1)] {
        client.cloud.world().add_fault(fault(then));
        let body = json!({ "network": { "name": "n" } });
        assert!(client.call_with("POST", "/network/v2.0/networks", &[], body).await.is_none());
        let found = client.call("GET", "/network/v2.0/networks?name=n", Value::Null).await;
        assert_eq!(found.body["networks"].as_array().unwrap().len(), applied);
    }
}

#[tokio::test]
async fn an_injected_status_carries_its_retry_after() {
    let client = Client::start(quick()).await;
    let wanted = json!({ "faults": [{ "matches": { "method": "POST", "path": "/networks" }, "count": 1,
                                      "then": { "status": { "code": 503, "retry_after": 2 } } }] });
    assert_eq!(client.call("PUT", "/simulated/faults", wanted).await.status, 204);
    let body = json!({ "network": { "name": "n" } });
    let answer = client.call("POST", "/network/v2.0/networks", body.clone()).await;
    assert_eq!((answer.status, answer.headers["retry-after"].to_str().unwrap()), (503, "2"));
    assert_eq!(client.call("POST", "/network/v2.0/networks", body).await.status, 201);
}

#[tokio::test]
async fn an_application_credential_logs_in() {
    let client = Client::start(quick()).await;
    let users = client.call("GET", "/identity/v3/users?name=demo", Value::Null).await;
    let path = format!("/identity/v3/users/{}/application_credentials", users.body["users"][0]["id"].as_str().unwrap());
    let made = client.call("POST", &path, json!({ "application_credential": { "name": "ci" } })).await;
    let credential = &made.body["application_credential"];
    let auth = json!({ "auth": { "identity": { "methods": ["application_credential"],
        "application_credential": { "id": credential["id"], "secret": credential["secret"] } } } });
    assert_eq!(client.call("POST", "/identity/v3/auth/tokens", auth).await.status, 201);
    let wrong = json!({ "auth": { "identity": { "methods": ["application_credential"],
        "application_credential": { "id": credential["id"], "secret": "wrong" } } } });
    assert_eq!(client.call("POST", "/identity/v3/auth/tokens", wrong).await.status, 401);
}

#[tokio::test]
async fn a_world_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = quick();
    config.state_file = Some(folder.path().join("cloud.json"));
    let client = Client::start(config.clone()).await;
    let network = client.network("default").await;
    let server = client.server("lxd0", json!([{ "uuid": network }])).await;
    let before = client.cloud.world().snapshot();
    client.cloud.stop().await;
    let client = Client::start(config).await;
    let path = format!("/compute/v2.1/servers/{}", server["id"].as_str().unwrap());
    assert_eq!(client.call("GET", &path, Value::Null).await.body["server"]["status"], "ACTIVE");
    assert_eq!(client.cloud.world().snapshot()["ports"], before["ports"]);
    assert!(client.cloud.world().guest(server["id"].as_str().unwrap()).is_some());
}

#[tokio::test]
async fn the_cloud_says_that_it_is_simulated_and_stops_when_asked() {
    let client = Client::start(quick()).await;
    let about = client.call("GET", "/simulated", Value::Null).await.body;
    assert_eq!((about["simulated"].clone(), about["pid"].clone()), (json!(true), json!(std::process::id())));
    assert_eq!(about["endpoint"], client.cloud.endpoint());
    assert_eq!(client.call("POST", "/simulated/stop", Value::Null).await.status, 202);
    client.cloud.stop_requested().await;
    let address = client.address();
    client.cloud.stop().await;
    assert!(common::send(address, "GET", "/simulated", &[], &Value::Null).await.is_none());
}
