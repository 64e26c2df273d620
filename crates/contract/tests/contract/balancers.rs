//! Octavia. A balancer costs minutes on a real cloud, so that one of them serves all assertions about its life, and a
//! second one those about a whole graph; what needs none is apart.

use crate::harness::{Answer, Api, Ground, Tenancy, Which, contract};
use crate::{fields, ids, text};
use serde_json::{Value, json};

const NOBODY: &str = "00000000-0000-0000-0000-000000000000";
const BALANCER: &[&str] = &[
    "additional_vips",
    "admin_state_up",
    "availability_zone",
    "created_at",
    "description",
    "flavor_id",
    "id",
    "listeners",
    "name",
    "operating_status",
    "pools",
    "project_id",
    "provider",
    "provisioning_status",
    "tags",
    "tenant_id",
    "updated_at",
    "vip_address",
    "vip_network_id",
    "vip_port_id",
    "vip_qos_policy_id",
    "vip_subnet_id",
];
const LISTENER: &[&str] = &[
    "admin_state_up",
    "allowed_cidrs",
    "alpn_protocols",
    "client_authentication",
    "client_ca_tls_container_ref",
    "client_crl_container_ref",
    "connection_limit",
    "created_at",
    "default_pool_id",
    "default_tls_container_ref",
    "description",
    "id",
    "insert_headers",
    "l7policies",
    "loadbalancers",
    "name",
    "operating_status",
    "project_id",
    "protocol",
    "protocol_port",
    "provisioning_status",
    "sni_container_refs",
    "tags",
    "tenant_id",
    "timeout_client_data",
    "timeout_member_connect",
    "timeout_member_data",
    "timeout_tcp_inspect",
    "tls_ciphers",
    "tls_versions",
    "updated_at",
];
const POOL: &[&str] = &[
    "admin_state_up",
    "alpn_protocols",
    "ca_tls_container_ref",
    "created_at",
    "crl_container_ref",
    "description",
    "id",
    "lb_algorithm",
    "listeners",
    "loadbalancers",
    "members",
    "name",
    "operating_status",
    "project_id",
    "protocol",
    "provisioning_status",
    "session_persistence",
    "tags",
    "tenant_id",
    "tls_ciphers",
    "tls_container_ref",
    "tls_enabled",
    "tls_versions",
    "updated_at",
];
/// What a pool shows as well when it has a monitor.
const MONITORED: &str = "healthmonitor_id";
const MEMBER: &[&str] = &[
    "address",
    "admin_state_up",
    "backup",
    "created_at",
    "id",
    "monitor_address",
    "monitor_port",
    "name",
    "operating_status",
    "project_id",
    "protocol_port",
    "provisioning_status",
    "subnet_id",
    "tags",
    "tenant_id",
    "updated_at",
    "weight",
];
const MONITOR: &[&str] = &[
    "admin_state_up",
    "created_at",
    "delay",
    "domain_name",
    "expected_codes",
    "http_method",
    "http_version",
    "id",
    "max_retries",
    "max_retries_down",
    "name",
    "operating_status",
    "pools",
    "project_id",
    "provisioning_status",
    "tags",
    "tenant_id",
    "timeout",
    "type",
    "updated_at",
    "url_path",
];

async fn settled(cloud: &Tenancy, id: &str) {
    let path = format!("lbaas/loadbalancers/{id}");
    let at_rest = |answer: &Answer| {
        !answer.body["loadbalancer"]["provisioning_status"].as_str().unwrap_or_default().starts_with("PENDING")
    };
    let body = cloud.balancer().until(&path, at_rest).await;
    assert_eq!(body["loadbalancer"]["provisioning_status"], "ACTIVE", "{body}");
}

/// What is PENDING refuses: the balancer in words of its own, the rest in those of an immutable object.
async fn refuses_while_pending(api: &Api<'_>, balancer: &str, state: &str) {
    let path = format!("lbaas/loadbalancers/{balancer}");
    let pending = format!("Invalid state {state} of loadbalancer resource {balancer}");
    api.put(&path, json!({ "loadbalancer": { "name": "x" } })).await.octavia_fault(409, &pending);
    api.delete(&format!("{path}?cascade=true")).await.octavia_fault(409, &pending);
    let listener = json!({ "listener": { "loadbalancer_id": balancer, "protocol": "TCP", "protocol_port": 9 } });
    let immutable = format!("Load Balancer {balancer} is immutable and cannot be updated.");
    api.post("lbaas/listeners", listener).await.octavia_fault(409, &immutable);
}

#[tokio::test]
async fn a_balancer_from_its_request_to_its_end() {
    contract(async |cloud| {
        let ground = Ground::new(cloud).await;
        let api = cloud.balancer();
        let tag = cloud.name("tag");
        let wanted = json!({ "name": cloud.name("lb"), "description": "d", "vip_subnet_id": ground.subnet,
                             "vip_address": "10.77.0.90", "tags": [tag] });
        let made = api.create("lbaas/loadbalancers", "loadbalancer", wanted).await;
        fields(&made, BALANCER);
        for (key, value) in [
            ("provisioning_status", json!("PENDING_CREATE")),
            ("operating_status", json!("OFFLINE")),
            ("vip_address", json!("10.77.0.90")),
            ("vip_subnet_id", json!(ground.subnet)),
            ("vip_network_id", json!(ground.network)),
            ("additional_vips", json!([])),
            ("listeners", json!([])),
            ("pools", json!([])),
            ("tags", json!([tag])),
            ("updated_at", Value::Null),
            ("flavor_id", Value::Null),
            ("provider", json!("amphora")),
            ("tenant_id", json!(cloud.project())),
        ] {
            assert_eq!(made[key], value, "{key}");
        }
        assert_eq!(text(&made, "created_at").len(), 19, "a moment without a zone: {made}");
        let balancer = text(&made, "id");
        let path = format!("lbaas/loadbalancers/{balancer}");
        refuses_while_pending(&api, balancer, "PENDING_CREATE").await;

        // The VIP's port is the tenant's own, and Octavia's.
        let port =
            cloud.network().get(&format!("ports/{}", text(&made, "vip_port_id"))).await.done(200)["port"].clone();
        assert_eq!(port["name"], format!("octavia-lb-{balancer}"));
        assert_eq!((&port["device_owner"], &port["device_id"]), (&json!("Octavia"), &json!(format!("lb-{balancer}"))));
        assert_eq!(port["admin_state_up"], false, "it only keeps the address: the amphora's own port carries it");
        assert_eq!(port["project_id"], cloud.project());
        settled(cloud, balancer).await;
        let active = api.get(&path).await.done(200)["loadbalancer"].clone();
        assert_eq!((&active["operating_status"], active["updated_at"].is_string()), (&json!("ONLINE"), true));

        listeners(cloud, &api, balancer).await;
        let pool = pools_and_members(cloud, &api, &ground, balancer).await;
        monitors(cloud, &api, balancer, &pool).await;
        lists(&api, balancer, &tag).await;

        // Its end.
        let children = format!("Validation failure: Cannot delete Load Balancer {balancer} - it has children");
        api.delete(&path).await.octavia_fault(400, &children);
        api.delete(&format!("{path}?cascade=true")).await.done(204);
        let going = api.get(&path).await;
        if going.status == 200 {
            assert_eq!(going.body["loadbalancer"]["provisioning_status"], "PENDING_DELETE");
        }
        let gone = api.until(&path, |answer| answer.status == 404).await;
        assert_eq!(gone["faultstring"], format!("Load Balancer {balancer} not found."));
        api.get(&format!("lbaas/pools/{pool}")).await.octavia_fault(404, &format!("Pool {pool} not found."));
        let port = cloud.network().get(&format!("ports/{}", text(&made, "vip_port_id"))).await;
        assert_eq!(port.status, 404, "the VIP's port goes along");
    })
    .await;
}

async fn listeners(cloud: &Tenancy, api: &Api<'_>, balancer: &str) {
    let wanted =
        json!({ "name": cloud.name("listener"), "loadbalancer_id": balancer, "protocol": "HTTP", "protocol_port": 80 });
    let made = api.create("lbaas/listeners", "listener", wanted.clone()).await;
    fields(&made, LISTENER);
    for (key, value) in [
        ("provisioning_status", json!("PENDING_CREATE")),
        ("operating_status", json!("OFFLINE")),
        ("connection_limit", json!(-1)),
        ("allowed_cidrs", Value::Null),
        ("insert_headers", json!({})),
        ("timeout_client_data", json!(50_000)),
        ("timeout_member_connect", json!(5_000)),
        ("timeout_member_data", json!(50_000)),
        ("timeout_tcp_inspect", json!(0)),
        ("default_pool_id", Value::Null),
        ("l7policies", json!([])),
        ("sni_container_refs", json!([])),
        ("tls_versions", Value::Null),
        ("alpn_protocols", Value::Null),
        ("client_authentication", json!("NONE")),
        ("loadbalancers", json!([{ "id": balancer }])),
        ("tags", json!([])),
        ("updated_at", Value::Null),
    ] {
        assert_eq!(made[key], value, "{key}");
    }
    refuses_while_pending(api, balancer, "PENDING_UPDATE").await;
    settled(cloud, balancer).await;
    let path = format!("lbaas/listeners/{}", text(&made, "id"));
    // That it works is told by the next word of its amphora.
    let online = |answer: &Answer| answer.body["listener"]["operating_status"] == "ONLINE";
    assert_eq!(api.until(&path, online).await["listener"]["provisioning_status"], "ACTIVE");
    let twin = api.post("lbaas/listeners", json!({ "listener": wanted })).await;
    twin.octavia_fault(
        409,
        "Another Listener on this Load Balancer is already using protocol HTTP and protocol_port 80",
    );
    let range = json!({ "listener": { "allowed_cidrs": ["10.0.0.0/8"], "timeout_client_data": 60_000 } });
    let changed = api.put(&path, range).await.done(200)["listener"].clone();
    assert_eq!(
        (&changed["provisioning_status"], &changed["allowed_cidrs"]),
        (&json!("PENDING_UPDATE"), &json!(["10.0.0.0/8"]))
    );
    let immutable = format!("Load Balancer {balancer} is immutable and cannot be updated.");
    api.put(&path, json!({ "listener": { "name": "x" } })).await.octavia_fault(409, &immutable);
    settled(cloud, balancer).await;
}

async fn pools_and_members(cloud: &Tenancy, api: &Api<'_>, ground: &Ground<'_>, balancer: &str) -> String {
    let listener = ids(&api.get(&format!("lbaas/listeners?loadbalancer_id={balancer}")).await.done(200)["listeners"]);
    let wanted = json!({ "name": cloud.name("pool"), "listener_id": listener[0], "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN" });
    let made = api.create("lbaas/pools", "pool", wanted.clone()).await;
    fields(&made, POOL);
    for (key, value) in [
        ("provisioning_status", json!("PENDING_CREATE")),
        ("operating_status", json!("OFFLINE")),
        ("session_persistence", Value::Null),
        ("members", json!([])),
        ("listeners", json!([{ "id": listener[0] }])),
        ("loadbalancers", json!([{ "id": balancer }])),
        ("tls_enabled", json!(false)),
        ("tls_versions", Value::Null),
        ("updated_at", Value::Null),
    ] {
        assert_eq!(made[key], value, "{key}");
    }
    settled(cloud, balancer).await;
    let pool = text(&made, "id").to_owned();
    let tree = api.get(&format!("lbaas/loadbalancers/{balancer}/status")).await.done(200);
    let unwatched = &tree["statuses"]["loadbalancer"]["listeners"][0]["pools"][0];
    fields(unwatched, &["id", "members", "name", "operating_status", "provisioning_status"]);
    let second = api.post("lbaas/pools", json!({ "pool": wanted })).await;
    second.octavia_fault(409, "This listener already has a default pool");

    // A batch is the whole list of members.
    let path = format!("lbaas/pools/{pool}/members");
    let member =
        |last: u8| json!({ "address": format!("10.77.0.{last}"), "protocol_port": 8080, "subnet_id": ground.subnet });
    let twice = api.put(&path, json!({ "members": [member(10), member(10)] })).await;
    twice.octavia_fault(409, "Another member on this pool is already using ip 10.77.0.10 on protocol_port 8080");
    let first = json!({ "members": [member(10), member(11)] });
    assert_eq!(api.put(&path, first.clone()).await.done(202), Value::Null);
    let immutable = format!("Pool {pool} is immutable and cannot be updated.");
    api.put(&path, first).await.octavia_fault(409, &immutable);
    settled(cloud, balancer).await;
    let members = api.get(&path).await.done(200);
    assert_eq!((ids(&members["members"]).len(), &members["members_links"]), (2, &json!([])));
    for member in members["members"].as_array().unwrap() {
        fields(member, MEMBER);
        for (key, value) in [
            ("provisioning_status", json!("ACTIVE")),
            ("operating_status", json!("NO_MONITOR")),
            ("weight", json!(1)),
            ("backup", json!(false)),
            ("admin_state_up", json!(true)),
            ("monitor_address", Value::Null),
            ("monitor_port", Value::Null),
            ("name", json!("")),
            ("tags", json!([])),
        ] {
            assert_eq!(member[key], value, "{key}");
        }
    }
    // Another batch keeps what it names, changes it, and takes the rest away.
    let mut kept = member(11);
    kept["weight"] = 5.into();
    api.put(&path, json!({ "members": [kept, member(12)] })).await.done(202);
    let meanwhile = api.get(&path).await.done(200);
    let state = |last: u8| {
        let address = format!("10.77.0.{last}");
        let found =
            meanwhile["members"].as_array().unwrap().iter().find(|member| member["address"] == address.as_str());
        found.map(|member| text(member, "provisioning_status").to_owned())
    };
    if cloud.which() == Which::Embedded {
        let states = [state(10), state(11), state(12)].map(Option::unwrap);
        assert_eq!(states, ["PENDING_DELETE", "PENDING_UPDATE", "PENDING_CREATE"]);
    }
    settled(cloud, balancer).await;
    let members = api.get(&path).await.done(200)["members"].clone();
    let mut seen: Vec<(&str, u64)> = members
        .as_array()
        .unwrap()
        .iter()
        .map(|member| (text(member, "address"), member["weight"].as_u64().unwrap()))
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, [("10.77.0.11", 5), ("10.77.0.12", 1)]);
    api.put(&format!("{path}?additive_only=true"), json!({ "members": [member(13)] })).await.done(202);
    settled(cloud, balancer).await;
    let members = api.get(&path).await.done(200)["members"].clone();
    assert_eq!(ids(&members).len(), 3);
    // One at a time.
    let one = api.post(&path, json!({ "member": member(13) })).await;
    one.octavia_fault(409, "Another member on this pool is already using ip 10.77.0.13 on protocol_port 8080");
    let id = ids(&members)[0].clone();
    let changed = api.put(&format!("{path}/{id}"), json!({ "member": { "weight": 0 } })).await.done(200);
    assert_eq!(changed["member"]["provisioning_status"], "PENDING_UPDATE");
    settled(cloud, balancer).await;
    assert_eq!(api.get(&format!("{path}/{id}")).await.done(200)["member"]["weight"], 0);
    api.get(&format!("{path}/{NOBODY}")).await.octavia_fault(404, &format!("Member {NOBODY} not found."));
    pool
}

async fn monitors(cloud: &Tenancy, api: &Api<'_>, balancer: &str, pool: &str) {
    let wanted = json!({ "pool_id": pool, "type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 3 });
    let made = api.create("lbaas/healthmonitors", "healthmonitor", wanted.clone()).await;
    fields(&made, MONITOR);
    for (key, value) in [
        ("provisioning_status", json!("PENDING_CREATE")),
        ("operating_status", json!("OFFLINE")),
        ("http_method", json!("GET")),
        ("url_path", json!("/")),
        ("expected_codes", json!("200")),
        ("max_retries_down", json!(3)),
        ("http_version", Value::Null),
        ("domain_name", Value::Null),
        ("name", json!("")),
        ("pools", json!([{ "id": pool }])),
        ("updated_at", Value::Null),
    ] {
        assert_eq!(made[key], value, "{key}");
    }
    settled(cloud, balancer).await;
    let watched = api.get(&format!("lbaas/pools/{pool}")).await.done(200)["pool"].clone();
    fields(&watched, &[POOL, &[MONITORED]].concat());
    assert_eq!(watched[MONITORED], made["id"]);
    let second = api.post("lbaas/healthmonitors", json!({ "healthmonitor": wanted })).await;
    second.octavia_fault(409, "This pool already has a health monitor");
    // Nobody answers at the members' addresses.
    let tree = api
        .until(&format!("lbaas/loadbalancers/{balancer}/status"), |answer| {
            let pool = &answer.body["statuses"]["loadbalancer"]["listeners"][0]["pools"][0];
            pool["members"][0]["operating_status"] == "ERROR"
        })
        .await["statuses"]["loadbalancer"]
        .clone();
    fields(&tree, &["id", "listeners", "name", "operating_status", "provisioning_status"]);
    let listener = &tree["listeners"][0];
    fields(listener, &["id", "name", "operating_status", "pools", "provisioning_status"]);
    let seen = &listener["pools"][0];
    fields(seen, &["health_monitor", "id", "members", "name", "operating_status", "provisioning_status"]);
    fields(&seen["health_monitor"], &["id", "name", "operating_status", "provisioning_status", "type"]);
    fields(&seen["members"][0], &["address", "id", "name", "operating_status", "protocol_port", "provisioning_status"]);
    assert_eq!((&tree["provisioning_status"], &seen["provisioning_status"]), (&json!("ACTIVE"), &json!("ACTIVE")));
}

async fn lists(api: &Api<'_>, balancer: &str, tag: &str) {
    let found = api.get(&format!("lbaas/loadbalancers?tags={tag}")).await.done(200);
    assert_eq!((ids(&found["loadbalancers"]), &found["loadbalancers_links"]), (vec![balancer.to_owned()], &json!([])));
    assert_eq!(found["loadbalancers"][0]["listeners"].as_array().unwrap().len(), 1);
    let none = api.get(&format!("lbaas/loadbalancers?tags={tag},other")).await.done(200);
    assert_eq!(none, json!({ "loadbalancers": [], "loadbalancers_links": [] }));
    let by_port = api.get(&format!("lbaas/listeners?loadbalancer_id={balancer}&protocol_port=80")).await.done(200);
    assert_eq!(ids(&by_port["listeners"]).len(), 1);
    let unknown = api.get("lbaas/loadbalancers?colour=red").await;
    unknown.octavia_fault(400, "One or more arguments are either duplicate or invalid");
    let page = api.get(&format!("lbaas/loadbalancers?tags={tag}&limit=1")).await.done(200);
    let link = &page["loadbalancers_links"][0];
    assert!(link["rel"] == "next" && text(link, "href").contains(&format!("marker={balancer}")), "{page}");
    let cut = api.get(&format!("lbaas/loadbalancers/{balancer}?fields=id&fields=name")).await.done(200);
    fields(&cut["loadbalancer"], &["id", "name"]);
}

#[tokio::test]
async fn a_whole_tree_is_made_in_one_request_or_nothing_of_it_but_the_port_of_its_vip() {
    contract(async |cloud| {
        let ground = Ground::new(cloud).await;
        let api = cloud.balancer();
        let pool = |name: &str| {
            json!({ "name": name, "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN",
                    "members": [{ "address": "10.77.0.10", "protocol_port": 8080, "subnet_id": ground.subnet }],
                    "healthmonitor": { "type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 3 } })
        };
        let graph = |pool: Value| {
            json!({ "loadbalancer": { "name": cloud.name("graph"), "vip_subnet_id": ground.subnet,
                    "listeners": [{ "name": "web", "protocol": "HTTP", "protocol_port": 80, "default_pool": pool }] } })
        };
        let mut nameless = pool("p");
        nameless.as_object_mut().unwrap().remove("name");
        let answer = api.post("lbaas/loadbalancers", graph(nameless)).await;
        answer.octavia_fault(
            400,
            "Validation failure: Pools must be named when creating a fully populated loadbalancer.",
        );
        let left = api.get(&format!("lbaas/loadbalancers?name={}", cloud.name("graph"))).await.done(200);
        assert_eq!(left["loadbalancers"], json!([]));
        // Octavia had it made before it looked at the tree, and knows it no more. Its owner may take it away.
        let query = format!("ports?network_id={}&device_owner=Octavia", ground.network);
        let left = cloud.network().get(&query).await.done(200)["ports"].clone();
        assert_eq!(ids(&left).len(), 1, "{left}");
        assert_eq!(format!("octavia-{}", text(&left[0], "device_id")), text(&left[0], "name"));
        cloud.network().delete(&format!("ports/{}", text(&left[0], "id"))).await.done(204);

        let made = api.post("lbaas/loadbalancers", graph(pool("p"))).await.done(201)["loadbalancer"].clone();
        fields(&made, BALANCER);
        let listener = &made["listeners"][0];
        assert_eq!((&listener["name"], &listener["provisioning_status"]), (&json!("web"), &json!("PENDING_CREATE")));
        // Inside of the tree nothing names what it is part of, and a pool shows no monitor, though it has one.
        let inside = |all: &[&'static str]| -> Vec<&str> {
            all.iter().copied().filter(|field| *field != "loadbalancers").collect()
        };
        fields(listener, &inside(LISTENER));
        let pool = &made["pools"][0];
        fields(pool, &[inside(POOL), vec!["healthmonitor"]].concat());
        assert_eq!(pool["healthmonitor"], Value::Null);
        fields(&pool["members"][0], MEMBER);
        assert_eq!((&pool["name"], ids(&pool["members"]).len()), (&json!("p"), 1));
        assert_eq!(pool["members"][0]["address"], "10.77.0.10");
        let balancer = text(&made, "id");
        let tree = api.get(&format!("lbaas/loadbalancers/{balancer}/status")).await.done(200);
        let seen = &tree["statuses"]["loadbalancer"]["listeners"][0]["pools"][0];
        assert_eq!(
            (&seen["members"][0]["address"], &seen["health_monitor"]["type"]),
            (&json!("10.77.0.10"), &json!("HTTP"))
        );
        settled(cloud, balancer).await;
        // With children or without, it goes as a whole.
        api.delete(&format!("lbaas/loadbalancers/{balancer}?cascade=true")).await.done(204);
    })
    .await;
}

#[tokio::test]
async fn a_balancer_that_cannot_be_is_refused_and_leaves_no_port() {
    contract(async |cloud| {
        let ground = Ground::new(cloud).await;
        let api = cloud.balancer();
        let post =
            async |attributes: Value| api.post("lbaas/loadbalancers", json!({ "loadbalancer": attributes })).await;
        post(json!({ "name": "x" })).await.octavia_fault(
            400,
            "Validation failure: VIP must contain one of: vip_port_id, vip_network_id, vip_subnet_id.",
        );
        post(json!({ "vip_subnet_id": NOBODY })).await.octavia_fault(400, &format!("Subnet {NOBODY} not found."));
        post(json!({ "vip_port_id": NOBODY })).await.octavia_fault(400, &format!("Port {NOBODY} not found."));
        let unknown = json!({ "vip_subnet_id": ground.subnet, "colour": "red" });
        post(unknown).await.octavia_fault(400, "Unknown attribute for argument load_balancer.loadbalancer: colour");
        let provider = json!({ "vip_subnet_id": ground.subnet, "provider": "nobody" });
        post(provider).await.octavia_fault(400, "Provider 'nobody' is not enabled.");
        let left =
            cloud.network().get(&format!("ports?network_id={}&device_owner=Octavia", ground.network)).await.done(200);
        assert_eq!(left["ports"], json!([]));

        let listener = json!({ "listener": { "loadbalancer_id": NOBODY, "protocol": "HTTP", "protocol_port": 80 } });
        api.post("lbaas/listeners", listener).await.octavia_fault(404, &format!("Load Balancer {NOBODY} not found."));
        let missing = json!({ "listener": { "loadbalancer_id": NOBODY, "protocol": "HTTP" } });
        api.post("lbaas/listeners", missing).await.octavia_fault(
            400,
            "Invalid input for field/attribute protocol_port. Value: 'None'. Mandatory field missing.",
        );
        let homeless = json!({ "pool": { "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN" } });
        api.post("lbaas/pools", homeless)
            .await
            .octavia_fault(400, "Validation failure: Must provide at least one of: loadbalancer_id, listener_id");
    })
    .await;
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    contract(async |cloud| {
        for (path, what) in [
            ("loadbalancers", "Load Balancer"),
            ("listeners", "Listener"),
            ("pools", "Pool"),
            ("healthmonitors", "Health Monitor"),
        ] {
            let path = format!("lbaas/{path}/{NOBODY}");
            cloud.balancer().get(&path).await.octavia_fault(404, &format!("{what} {NOBODY} not found."));
            cloud.balancer().delete(&path).await.octavia_fault(404, &format!("{what} {NOBODY} not found."));
        }
        let quota = cloud.balancer().get(&format!("lbaas/quotas/{}", cloud.project())).await.done(200);
        fields(
            &quota["quota"],
            &["health_monitor", "l7policy", "l7rule", "listener", "load_balancer", "member", "pool"],
        );
        let forbidden = cloud.balancer().get("octavia/amphorae").await;
        forbidden.octavia_fault(403, "Policy does not allow this request to be performed.");
        let providers = cloud.balancer().get("lbaas/providers").await.done(200);
        let names: Vec<&str> = providers["providers"].as_array().unwrap().iter().map(|one| text(one, "name")).collect();
        assert!(names.contains(&"amphora"), "{names:?}");
    })
    .await;
}
