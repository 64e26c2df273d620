//! What Neutron allows and refuses.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
use common::{Client, quick};
use pontoon_sim::{Config, NetworkOwner};
use serde_json::{Value, json};

fn kind(answer: &common::Answer) -> &str {
    answer.body["NeutronError"]["type"].as_str().unwrap_or("no NeutronError")
}

#[tokio::test]
async fn the_seed_is_the_network_of_the_walk_through() {
    let client = Client::start(quick()).await;
    let subnet = client.call("GET", "/network/v2.0/subnets?name=default", Value::Null).await.body["subnets"][0].clone();
    assert_eq!(subnet["cidr"], "192.168.0.0/24");
    assert_eq!(subnet["gateway_ip"], "192.168.0.1");
    assert_eq!(subnet["dns_nameservers"], json!(["8.8.4.4", "8.8.8.8"]));
    assert_eq!(subnet["allocation_pools"], json!([{ "start": "192.168.0.2", "end": "192.168.0.254" }]));
    let ports = client.call("GET", "/network/v2.0/ports?device_owner=network:dhcp", Value::Null).await;
    assert_eq!(ports.body["ports"][0]["fixed_ips"][0]["ip_address"], "192.168.0.2");
}

#[tokio::test]
async fn pairs_are_limited_unique_and_completed_with_the_ports_mac() {
    let client = Client::start(quick()).await;
    let network = client.network("default").await;
    let port = client.create("ports", "port", json!({ "network_id": network })).await;
    let path = format!("/network/v2.0/ports/{}", port["id"].as_str().unwrap());
    let set = |pairs: Value| client.call("PUT", &path, json!({ "port": { "allowed_address_pairs": pairs } }));
    let many: Vec<Value> = (0..11).map(|n| json!({ "ip_address": format!("192.168.0.{}", 100 + n) })).collect();
    let answer = set(json!(many)).await;
    assert_eq!((answer.status, kind(&answer)), (400, "AllowedAddressPairExhausted"));
    let answer = set(json!([{ "ip_address": "192.168.0.9" }, { "ip_address": "192.168.0.9" }])).await;
    assert_eq!((answer.status, kind(&answer)), (400, "DuplicateAddressPairInRequest"));
    let answer = set(json!([{ "ip_address": "192.168.0.9" }])).await;
    assert_eq!(answer.body["port"]["allowed_address_pairs"][0]["mac_address"], port["mac_address"]);
    let off = json!({ "port": { "port_security_enabled": false, "security_groups": [] } });
    let answer = client.call("PUT", &path, off).await;
    assert_eq!((answer.status, kind(&answer)), (409, "AddressPairAndPortSecurityRequired"));
}

#[tokio::test]
async fn an_address_is_given_out_once() {
    let client = Client::start(quick()).await;
    let network = client.network("default").await;
    let wanted = json!({ "port": { "network_id": network, "fixed_ips": [{ "ip_address": "192.168.0.100" }] } });
    assert_eq!(client.call("POST", "/network/v2.0/ports", wanted.clone()).await.status, 201);
    let answer = client.call("POST", "/network/v2.0/ports", wanted).await;
    assert_eq!((answer.status, kind(&answer)), (409, "IpAddressAlreadyAllocated"));
}

#[tokio::test]
async fn on_a_shared_network_of_another_project_pairs_and_addresses_are_forbidden() {
    let client = Client::start(Config { network_owner: NetworkOwner::Another, ..quick() }).await;
    let network = client.network("default").await;
    let chosen = json!({ "port": { "network_id": network, "fixed_ips": [{ "ip_address": "192.168.0.100" }] } });
    let answer = client.call("POST", "/network/v2.0/ports", chosen).await;
    assert_eq!((answer.status, kind(&answer)), (403, "PolicyNotAuthorized"));
    let port = client.create("ports", "port", json!({ "network_id": network })).await;
    let pairs = json!({ "port": { "allowed_address_pairs": [{ "ip_address": "192.168.0.9" }] } });
    let answer = client.call("PUT", &format!("/network/v2.0/ports/{}", port["id"].as_str().unwrap()), pairs).await;
    assert_eq!((answer.status, kind(&answer)), (403, "PolicyNotAuthorized"));
}

#[tokio::test]
async fn a_lost_race_on_a_revision_is_told() {
    let client = Client::start(quick()).await;
    let group = client.create("security-groups", "security_group", json!({ "name": "web" })).await;
    let path = format!("/network/v2.0/security-groups/{}", group["id"].as_str().unwrap());
    let body = json!({ "security_group": { "description": "mine" } });
    let condition = [("if-match", "revision_number=1")];
    assert_eq!(client.call_with("PUT", &path, &condition, body.clone()).await.unwrap().status, 200);
    let answer = client.call_with("PUT", &path, &condition, body).await.unwrap();
    assert_eq!((answer.status, kind(&answer)), (412, "RevisionNumberConstraintFailed"));
    assert!(answer.headers.contains_key("x-openstack-request-id"));
}

#[tokio::test]
async fn a_bulk_create_makes_all_or_nothing() {
    let client = Client::start(quick()).await;
    let network = client.network("default").await;
    let ports = json!({ "ports": [
        { "network_id": network, "tags": ["a"], "name": "one" },
        { "network_id": network, "fixed_ips": [{ "ip_address": "192.168.0.1" }] },
    ] });
    assert_eq!(client.call("POST", "/network/v2.0/ports", ports).await.status, 409);
    let left = client.call("GET", "/network/v2.0/ports?tags=a", Value::Null).await;
    assert_eq!(left.body["ports"], json!([]));
}

#[tokio::test]
async fn lists_are_filtered_cut_and_paged() {
    let client = Client::start(quick()).await;
    let network = client.network("default").await;
    let ports: Vec<Value> =
        (0..5).map(|n| json!({ "network_id": network, "name": format!("p{n}"), "tags": ["t"] })).collect();
    assert_eq!(client.call("POST", "/network/v2.0/ports", json!({ "ports": ports })).await.status, 201);
    let page = client.call("GET", "/network/v2.0/ports?tags=t&limit=3&fields=id&fields=name", Value::Null).await;
    assert_eq!(page.body["ports"].as_array().unwrap().len(), 3);
    assert_eq!(page.body["ports"][0].as_object().unwrap().len(), 2);
    let next = page.body["ports_links"][0]["href"].as_str().unwrap().strip_prefix(client.cloud.endpoint()).unwrap();
    let rest = client.call("GET", next, Value::Null).await;
    assert_eq!(rest.body["ports"].as_array().unwrap().len(), 2);
    let rels: Vec<&Value> = rest.body["ports_links"].as_array().unwrap().iter().map(|link| &link["rel"]).collect();
    assert_eq!(rels, ["previous"]);
    let two = client.call("GET", "/network/v2.0/ports?name=p1&name=p2", Value::Null).await;
    assert_eq!(two.body["ports"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_floating_ip_needs_a_way_and_is_alone_on_its_address() {
    let client = Client::start(quick()).await;
    let (network, external) = (client.network("default").await, client.network("external").await);
    let port = client.create("ports", "port", json!({ "network_id": network })).await;
    let wanted = json!({ "floating_network_id": external, "port_id": port["id"], "description": "d" });
    let first = client.create("floatingips", "floatingip", wanted.clone()).await;
    assert!(first["floating_ip_address"].as_str().unwrap().starts_with("127.77."));
    let answer = client.call("POST", "/network/v2.0/floatingips", json!({ "floatingip": wanted })).await;
    assert_eq!((answer.status, kind(&answer)), (409, "FloatingIPPortAlreadyAssociated"));
    let island = client.create("networks", "network", json!({ "name": "island" })).await;
    client
        .create("subnets", "subnet", json!({ "network_id": island["id"], "cidr": "10.0.0.0/24", "ip_version": 4 }))
        .await;
    let port = client.create("ports", "port", json!({ "network_id": island["id"] })).await;
    let wanted = json!({ "floatingip": { "floating_network_id": external, "port_id": port["id"] } });
    let answer = client.call("POST", "/network/v2.0/floatingips", wanted).await;
    assert_eq!((answer.status, kind(&answer)), (404, "ExternalGatewayForFloatingIPNotFound"));
}

#[tokio::test]
async fn quotas_are_kept_and_told() {
    let mut config = quick();
    config.quotas.network.insert("security_group".to_owned(), 1);
    let client = Client::start(config).await;
    let answer =
        client.call("POST", "/network/v2.0/security-groups", json!({ "security_group": { "name": "x" } })).await;
    assert_eq!((answer.status, kind(&answer)), (409, "OverQuota"));
    let project = client.call("GET", "/identity/v3/auth/projects", Value::Null).await.body["projects"][0]["id"].clone();
    let path = format!("/network/v2.0/quotas/{}/details.json", project.as_str().unwrap());
    let quota = client.call("GET", &path, Value::Null).await.body["quota"]["security_group"].clone();
    assert_eq!(quota, json!({ "limit": 1, "used": 1, "reserved": 0 }));
}

#[tokio::test]
async fn a_group_in_use_stays() {
    let client = Client::start(quick()).await;
    let network = client.network("default").await;
    let group = client.create("security-groups", "security_group", json!({ "name": "web" })).await;
    client.create("ports", "port", json!({ "network_id": network, "security_groups": [group["id"]] })).await;
    let path = format!("/network/v2.0/security-groups/{}", group["id"].as_str().unwrap());
    let answer = client.call("DELETE", &path, Value::Null).await;
    assert_eq!((answer.status, kind(&answer)), (409, "SecurityGroupInUse"));
}

#[tokio::test]
async fn the_dhcp_server_can_sit_on_an_address_that_somebody_wants() {
    let client = Client::start(Config { dhcp_address: Some([192, 168, 0, 100].into()), ..quick() }).await;
    let path = "/network/v2.0/ports?fixed_ips=ip_address=192.168.0.100";
    let ports = client.call("GET", path, Value::Null).await.body["ports"].clone();
    assert_eq!(ports[0]["device_owner"], "network:dhcp");
}

#[tokio::test]
async fn an_extension_that_is_off_takes_its_attributes_along() {
    let mut config = quick();
    config.extensions.remove("allowed-address-pairs");
    let client = Client::start(config).await;
    let network = client.network("default").await;
    let pairs = json!([{ "ip_address": "192.168.0.9" }]);
    let body = json!({ "port": { "network_id": network, "allowed_address_pairs": pairs } });
    let answer = client.call("POST", "/network/v2.0/ports", body).await;
    assert_eq!((answer.status, kind(&answer)), (400, "HTTPBadRequest"));
    let port = client.create("ports", "port", json!({ "network_id": network })).await;
    assert!(port.get("allowed_address_pairs").is_none());
    assert_eq!(client.call("GET", "/network/v2.0/extensions/allowed-address-pairs", Value::Null).await.status, 404);
}

#[tokio::test]
async fn a_way_out_that_floating_ips_use_stays() {
    let client = Client::start(quick()).await;
    let (network, external) = (client.network("default").await, client.network("external").await);
    let port = client.create("ports", "port", json!({ "network_id": network })).await;
    let wanted = json!({ "floating_network_id": external, "port_id": port["id"] });
    client.create("floatingips", "floatingip", wanted).await;
    let router = client.id("/network/v2.0/routers", "default").await;
    let subnet = client.id("/network/v2.0/subnets", "default").await;
    let path = format!("/network/v2.0/routers/{router}/remove_router_interface");
    let answer = client.call("PUT", &path, json!({ "subnet_id": subnet })).await;
    assert_eq!((answer.status, kind(&answer)), (409, "RouterInterfaceInUseByFloatingIP"));
}
