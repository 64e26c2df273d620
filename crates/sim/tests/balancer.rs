//! What Octavia allows and refuses.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
use common::{Answer, Client, quick};
use pontoon_sim::world::faults::{Effect, Fault, When};
use pontoon_sim::{Config, Delays};
use serde_json::{Value, json};
use std::time::Duration;

const BALANCERS: &str = "/load-balancer/v2.0/lbaas/loadbalancers";

async fn subnet(client: &Client) -> String {
    client.id("/network/v2.0/subnets", "default").await
}

/// Posts the walk-through's balancer as one graph.
async fn post_graph(client: &Client) -> Answer {
    let member = json!({ "address": "192.168.0.100", "protocol_port": 8080 });
    let monitor = json!({ "type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 3 });
    let pool = json!({ "name": "web", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": [member], "healthmonitor": monitor });
    let listener = json!({ "name": "web", "protocol": "HTTP", "protocol_port": 80, "default_pool": pool });
    let body = json!({ "loadbalancer": { "name": "web", "vip_subnet_id": subnet(client).await, "vip_address": "192.168.0.200", "tags": ["t"],
                                         "listeners": [listener] } });
    client.call("POST", BALANCERS, body).await
}

async fn active(client: &Client, id: &str) {
    client
        .until(&format!("{BALANCERS}/{id}"), |answer| answer.body["loadbalancer"]["provisioning_status"] == "ACTIVE")
        .await;
}

fn id(answer: &Answer, kind: &str) -> String {
    answer.body[kind]["id"].as_str().unwrap_or_else(|| panic!("{}", answer.body)).to_owned()
}

#[tokio::test]
async fn a_graph_is_made_whole() {
    let client = Client::start(quick()).await;
    let answer = post_graph(&client).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let balancer = id(&answer, "loadbalancer");
    active(&client, &balancer).await;
    let tree = client.call("GET", &format!("{BALANCERS}/{balancer}/status"), Value::Null).await;
    let listener = tree.body["statuses"]["loadbalancer"]["listeners"][0].clone();
    assert_eq!(listener["provisioning_status"], "ACTIVE");
    assert_eq!(listener["pools"][0]["members"][0]["address"], "192.168.0.100");
    assert_eq!(listener["pools"][0]["health_monitor"]["type"], "HTTP");
    let port = answer.body["loadbalancer"]["vip_port_id"].as_str().unwrap();
    let port = client.call("GET", &format!("/network/v2.0/ports/{port}"), Value::Null).await.body["port"].clone();
    assert_eq!(port["device_owner"], "Octavia");
    assert_eq!(port["fixed_ips"][0]["ip_address"], "192.168.0.200");
}

#[tokio::test]
async fn a_graph_with_one_bad_part_leaves_nothing_but_the_port_of_its_vip() {
    let client = Client::start(quick()).await;
    let pool = json!({ "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN" });
    let body = json!({ "loadbalancer": { "name": "web", "vip_subnet_id": subnet(&client).await, "pools": [pool] } });
    assert_eq!(client.call("POST", BALANCERS, body).await.status, 400);
    let balancers = client.call("GET", BALANCERS, Value::Null).await;
    assert_eq!(balancers.body["loadbalancers"], json!([]));
    let ports = client.call("GET", "/network/v2.0/ports?device_owner=Octavia", Value::Null).await;
    assert_eq!(ports.body["ports"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_balancer_that_is_being_made_is_immutable() {
    let delays = Delays { balancer: Duration::from_hours(1), ..Delays::zero() };
    let client = Client::start(Config { delays, ..quick() }).await;
    let balancer = id(&post_graph(&client).await, "loadbalancer");
    let path = format!("{BALANCERS}/{balancer}");
    let answer = client.call("PUT", &path, json!({ "loadbalancer": { "name": "x" } })).await;
    assert_eq!(answer.status, 409);
    let words = format!("Invalid state PENDING_CREATE of loadbalancer resource {balancer}");
    assert_eq!(answer.body, json!({ "faultcode": "Client", "faultstring": words, "debuginfo": null }));
    assert_eq!(client.call("DELETE", &format!("{path}?cascade=true"), Value::Null).await.status, 409);
}

#[tokio::test]
async fn a_cascade_takes_the_tree_and_the_port_along() {
    let client = Client::start(quick()).await;
    let balancer = id(&post_graph(&client).await, "loadbalancer");
    active(&client, &balancer).await;
    let path = format!("{BALANCERS}/{balancer}");
    assert_eq!(client.call("DELETE", &path, Value::Null).await.status, 400);
    assert_eq!(client.call("DELETE", &format!("{path}?cascade=true"), Value::Null).await.status, 204);
    client.until(&path, |answer| answer.status == 404).await;
    let world = client.cloud.world().snapshot();
    for kind in ["listeners", "pools", "members", "healthmonitors"] {
        assert_eq!(world[kind], json!({}), "{kind}");
    }
    let ports = client.call("GET", "/network/v2.0/ports?device_owner=Octavia", Value::Null).await;
    assert_eq!(ports.body["ports"], json!([]));
}

#[tokio::test]
async fn a_batch_replaces_members_unless_it_only_adds() {
    let client = Client::start(quick()).await;
    let balancer = id(&post_graph(&client).await, "loadbalancer");
    active(&client, &balancer).await;
    let pool = client.id("/load-balancer/v2.0/lbaas/pools", "web").await;
    let path = format!("/load-balancer/v2.0/lbaas/pools/{pool}/members");
    let one = |last: u8| json!({ "members": [{ "address": format!("192.168.0.{last}"), "protocol_port": 8080 }] });
    let twice = json!({ "members": [one(9)["members"][0], one(9)["members"][0]] });
    assert_eq!(client.call("PUT", &path, twice).await.status, 400);
    assert_eq!(client.call("PUT", &format!("{path}?additive_only=true"), one(101)).await.status, 202);
    active(&client, &balancer).await;
    let members = client.call("GET", &path, Value::Null).await.body["members"].clone();
    assert_eq!(members.as_array().unwrap().len(), 2);
    assert_eq!(client.call("PUT", &path, one(102)).await.status, 202);
    active(&client, &balancer).await;
    let members = client.call("GET", &path, Value::Null).await.body["members"].clone();
    assert_eq!(members.as_array().unwrap().len(), 1, "{members}");
    assert_eq!(members[0]["address"], "192.168.0.102");
}

#[tokio::test]
async fn a_stuck_graph_is_active_with_immutable_children_until_another_listener_comes() {
    let client = Client::start(quick()).await;
    let when = When::Matches { method: "POST".to_owned(), path: "loadbalancers$".to_owned() };
    client.cloud.world().add_fault(Fault { when, then: Effect::GraphStuck, count: 1 });
    let balancer = id(&post_graph(&client).await, "loadbalancer");
    active(&client, &balancer).await;
    let listener = client.id("/load-balancer/v2.0/lbaas/listeners", "web").await;
    let path = format!("/load-balancer/v2.0/lbaas/listeners/{listener}");
    let shown = client.call("GET", &path, Value::Null).await;
    assert_eq!(shown.body["listener"]["provisioning_status"], "PENDING_CREATE");
    assert_eq!(client.call("PUT", &path, json!({ "listener": { "name": "x" } })).await.status, 409);
    let other = json!({ "listener": { "loadbalancer_id": balancer, "protocol": "TCP", "protocol_port": 81 } });
    assert_eq!(client.call("POST", "/load-balancer/v2.0/lbaas/listeners", other).await.status, 201);
    client.until(&path, |answer| answer.body["listener"]["provisioning_status"] == "ACTIVE").await;
    let pool = client.call("GET", "/load-balancer/v2.0/lbaas/pools", Value::Null).await.body["pools"][0].clone();
    assert_eq!(pool["provisioning_status"], "PENDING_CREATE");
}

#[tokio::test]
async fn the_provider_ovn_refuses_what_its_driver_does_not_know() {
    let client = Client::start(quick()).await;
    let unknown = json!({ "loadbalancer": { "vip_subnet_id": subnet(&client).await, "provider": "f5" } });
    assert_eq!(client.call("POST", BALANCERS, unknown).await.status, 400);
    let body = json!({ "loadbalancer": { "vip_subnet_id": subnet(&client).await, "provider": "ovn" } });
    let balancer = id(&client.call("POST", BALANCERS, body).await, "loadbalancer");
    active(&client, &balancer).await;
    let post = async |kind: &str, one: &str, given: Value| {
        let body = json!({ one: given });
        let answer = client.call("POST", &format!("/load-balancer/v2.0/lbaas/{kind}"), body).await;
        active(&client, &balancer).await;
        answer
    };
    let listener = |more: Value| {
        let mut listener = json!({ "loadbalancer_id": balancer, "protocol": "TCP", "protocol_port": 80 });
        listener.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        listener
    };
    let pool = |algorithm: &str| json!({ "loadbalancer_id": balancer, "protocol": "TCP", "lb_algorithm": algorithm });
    for (kind, one, given, what) in [
        ("listeners", "listener", listener(json!({ "protocol": "HTTP" })), "HTTP protocol"),
        ("listeners", "listener", listener(json!({ "allowed_cidrs": ["10.0.0.0/8"] })), "allowed_cidrs option"),
        ("pools", "pool", pool("ROUND_ROBIN"), "ROUND_ROBIN algorithm"),
    ] {
        let answer = post(kind, one, given).await;
        let words = format!("Provider 'ovn' does not support a requested option: OVN provider does not support {what}");
        assert_eq!((answer.status, answer.body["faultstring"].as_str()), (501, Some(words.as_str())));
    }
    assert_eq!(post("listeners", "listener", listener(json!({}))).await.status, 201);
    let made = id(&post("pools", "pool", pool("SOURCE_IP_PORT")).await, "pool");
    let monitor = |kind: &str| json!({ "pool_id": made, "type": kind, "delay": 5, "timeout": 3, "max_retries": 3 });
    assert_eq!(post("healthmonitors", "healthmonitor", monitor("HTTP")).await.status, 501);
    assert_eq!(post("healthmonitors", "healthmonitor", monitor("TCP")).await.status, 201);
}

#[tokio::test]
async fn groups_of_the_user_and_allowed_ranges_exclude_each_other() {
    let client = Client::start(quick()).await;
    let group = client.create("security-groups", "security_group", json!({ "name": "web" })).await;
    let listener = json!({ "protocol": "HTTP", "protocol_port": 80, "allowed_cidrs": ["10.0.0.0/8"] });
    let mut body = json!({ "loadbalancer": { "vip_subnet_id": subnet(&client).await, "vip_sg_ids": [group["id"]], "listeners": [listener] } });
    assert_eq!(client.call("POST", BALANCERS, body.clone()).await.status, 400);
    body["loadbalancer"]["listeners"] = json!([]);
    let answer = client.call("POST", BALANCERS, body.clone()).await;
    assert_eq!(answer.body["loadbalancer"]["vip_sg_ids"], json!([group["id"]]));
    let old = Client::start(Config { octavia_minor: 26, ..quick() }).await;
    body["loadbalancer"]["vip_subnet_id"] = subnet(&old).await.into();
    assert_eq!(old.call("POST", BALANCERS, body).await.status, 400);
}
