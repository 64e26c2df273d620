//! Resources: the requests that are built, and the replies that are understood.

#![allow(clippy::unwrap_used, clippy::panic)]

mod openstack_fake;

use std::collections::BTreeMap;

use openstack_fake::{Fake, Reply};
use pontoon_cloud::openstack::compute::{self, NewServer, ServerNetwork};
use pontoon_cloud::openstack::load_balancer::{
    self, NewHealthMonitor, NewListener, NewLoadBalancer, NewMember, NewPool,
};
use pontoon_cloud::openstack::network::{
    self, AllocationPool, AllowedAddressPair, FloatingIpChange, NewFloatingIp, NewPort, NewSecurityGroupRule,
    PortChange, Tagged, WantedFixedIp,
};
use pontoon_cloud::openstack::{Request, Revision};
use serde_json::{Value, json};

#[test]
fn a_server_is_created_with_port_tags_user_data_and_group_in_one_request() {
    let server = NewServer {
        name: "lxd0".to_owned(),
        flavor: "f1".to_owned(),
        image: "i1".to_owned(),
        key_name: Some("datacentred".to_owned()),
        networks: vec![ServerNetwork { port: "p1".to_owned() }],
        user_data: Some("I2Nsb3VkLWNvbmZpZw==".to_owned()),
        metadata: BTreeMap::from([("k".to_owned(), "v".to_owned())]),
        tags: vec!["t".to_owned()],
        group: Some("g1".to_owned()),
        ..NewServer::default()
    };
    let wanted = json!({
        "server": {
            "name": "lxd0", "flavorRef": "f1", "imageRef": "i1", "key_name": "datacentred",
            "networks": [{ "port": "p1" }], "user_data": "I2Nsb3VkLWNvbmZpZw==", "metadata": { "k": "v" }, "tags": ["t"],
        },
        "os:scheduler_hints": { "group": "g1" },
    });
    check(&compute::create_server(&server), "POST /servers", Some(wanted));
}

#[test]
fn a_reservation_port_asks_for_one_exact_address() {
    let address = WantedFixedIp { subnet_id: Some("s".to_owned()), ip_address: Some("192.168.0.100".to_owned()) };
    let port = NewPort {
        network_id: "n".to_owned(),
        name: "hugo-0".to_owned(),
        fixed_ips: Some(vec![address]),
        security_groups: Some(Vec::new()),
        ..NewPort::default()
    };
    let body = json!({
        "network_id": "n", "name": "hugo-0", "security_groups": [],
        "fixed_ips": [{ "subnet_id": "s", "ip_address": "192.168.0.100" }],
    });
    check(&network::create_port(&port), "POST /ports", Some(json!({ "port": body })));
    let twice = [port.clone(), port];
    check(&network::create_ports(&twice), "POST /ports", Some(json!({ "ports": [body, body] })));
}

#[test]
fn a_change_says_only_what_changes() {
    let pair = AllowedAddressPair {
        ip_address: "192.168.0.100".to_owned(),
        mac_address: Some("00:16:3e:91:2c:9c".to_owned()),
    };
    let change = PortChange { allowed_address_pairs: Some(vec![pair]), ..PortChange::default() };
    let request = network::update_port("p", &change, Some(Revision(3)));
    let pairs = json!([{ "ip_address": "192.168.0.100", "mac_address": "00:16:3e:91:2c:9c" }]);
    check(&request, "PUT /ports/p", Some(json!({ "port": { "allowed_address_pairs": pairs } })));
    assert_eq!(request.if_match, Some(Revision(3)));

    let nowhere = FloatingIpChange { port_id: Some(None), ..FloatingIpChange::default() };
    let body = json!({ "floatingip": { "port_id": null } });
    check(&network::update_floating_ip("f", &nowhere, None), "PUT /floatingips/f", Some(body));
}

#[test]
fn the_rest_of_neutron_is_asked_in_its_own_words() {
    let pools = [AllocationPool { start: "192.168.0.2".to_owned(), end: "192.168.0.20".to_owned() }];
    let body = json!({ "subnet": { "allocation_pools": [{ "start": "192.168.0.2", "end": "192.168.0.20" }] } });
    check(&network::update_allocation_pools("s", &pools, None), "PUT /subnets/s", Some(body));

    let address = NewFloatingIp {
        floating_network_id: "x".to_owned(),
        port_id: Some("p".to_owned()),
        ..NewFloatingIp::default()
    };
    let body = json!({ "floatingip": { "floating_network_id": "x", "port_id": "p" } });
    check(&network::create_floating_ip(&address), "POST /floatingips", Some(body));

    let rule = NewSecurityGroupRule {
        security_group_id: "g".to_owned(),
        direction: "ingress".to_owned(),
        ethertype: "IPv4".to_owned(),
        protocol: Some("tcp".to_owned()),
        port_range_min: Some(22),
        port_range_max: Some(22),
        ..NewSecurityGroupRule::default()
    };
    let body = json!({ "security_group_rules": [{
        "security_group_id": "g", "direction": "ingress", "ethertype": "IPv4", "protocol": "tcp",
        "port_range_min": 22, "port_range_max": 22,
    }] });
    check(&network::create_security_group_rules(&[rule]), "POST /security-group-rules", Some(body));

    check(&network::add_tag(Tagged::SecurityGroup, "g", "t"), "PUT /security-groups/g/tags/t", None);
    check(&network::show_network_quotas("p"), "GET /quotas/p/details.json", None);
    check(&network::delete_port("../x"), "DELETE /ports/..%2Fx", None);
}

#[test]
fn a_whole_balancer_is_one_graph() {
    let member = NewMember { address: "192.168.0.100".to_owned(), protocol_port: 8080, ..NewMember::default() };
    let monitor = NewHealthMonitor {
        name: "web".to_owned(),
        kind: "HTTP".to_owned(),
        delay: 5,
        timeout: 3,
        max_retries: 2,
        url_path: Some("/".to_owned()),
        ..NewHealthMonitor::default()
    };
    let pool = NewPool {
        name: "web".to_owned(),
        protocol: Some("HTTP".to_owned()),
        lb_algorithm: Some("ROUND_ROBIN".to_owned()),
        members: Some(vec![member.clone()]),
        healthmonitor: Some(monitor),
        ..NewPool::default()
    };
    let listener = NewListener {
        name: "web".to_owned(),
        protocol: "HTTP".to_owned(),
        protocol_port: 80,
        default_pool: Some(pool),
        ..NewListener::default()
    };
    let balancer = NewLoadBalancer {
        name: "web".to_owned(),
        vip_subnet_id: Some("s".to_owned()),
        vip_address: Some("192.168.0.200".to_owned()),
        tags: Some(vec!["t".to_owned()]),
        listeners: Some(vec![listener]),
        ..NewLoadBalancer::default()
    };
    let wanted = json!({ "loadbalancer": {
        "name": "web", "vip_subnet_id": "s", "vip_address": "192.168.0.200", "tags": ["t"],
        "listeners": [{ "name": "web", "protocol": "HTTP", "protocol_port": 80, "default_pool": {
            "name": "web", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN",
            "members": [{ "address": "192.168.0.100", "protocol_port": 8080 }],
            "healthmonitor": {
                "name": "web", "type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 2, "url_path": "/",
            },
        } }],
    } });
    check(&load_balancer::create_load_balancer(&balancer), "POST /lbaas/loadbalancers", Some(wanted));

    let members = json!({ "members": [{ "address": "192.168.0.100", "protocol_port": 8080 }] });
    check(&load_balancer::replace_members("p", &[member]), "PUT /lbaas/pools/p/members", Some(members));
    let removal = load_balancer::delete_load_balancer("b");
    check(&removal, "DELETE /lbaas/loadbalancers/b", None);
    assert_eq!(removal.query, [("cascade".to_owned(), "true".to_owned())]);
}

#[tokio::test]
async fn the_statuses_of_a_balancer_are_read_down_to_its_members() {
    let fake = Fake::start(|_, _| {
        let member = json!({ "id": "m", "address": "192.168.0.100", "protocol_port": 8080,
            "provisioning_status": "PENDING_CREATE", "operating_status": "NO_MONITOR" });
        let pool =
            json!({ "id": "p", "members": [member], "health_monitor": { "id": "h", "provisioning_status": "ACTIVE" } });
        Reply::json(
            200,
            &json!({ "statuses": { "loadbalancer": { "id": "b", "provisioning_status": "ACTIVE",
            "operating_status": "ONLINE", "listeners": [{ "id": "l", "pools": [pool] }], "pools": null } } }),
        )
    })
    .await;
    let balancer = fake.client().load_balancer_statuses("b").await.unwrap();
    assert_eq!(balancer.provisioning_status, "ACTIVE");
    let pool = &balancer.listeners[0].pools[0];
    assert_eq!(pool.members[0].provisioning_status, "PENDING_CREATE");
    assert_eq!(pool.health_monitor.as_ref().unwrap().provisioning_status, "ACTIVE");
    assert_eq!(fake.seen()[0].path, "/lb/v2/lbaas/loadbalancers/b/status");
}

#[tokio::test]
async fn versions_are_read_above_the_root_whatever_the_catalog_appends() {
    let fake = Fake::start(|seen, _| match seen.path.as_str() {
        "/lb/" => Reply::json(200, &json!({ "versions": [{ "id": "v2.30", "status": "CURRENT", "links": [] }] })),
        other => Reply::json(404, &json!({ "error": { "message": other } })),
    })
    .await;
    let client = fake.client();
    assert_eq!(client.load_balancer_versions().await.unwrap()[0].id, "v2.30");
}

#[tokio::test]
async fn limits_and_quotas_tell_what_is_left() {
    let fake = Fake::start(|seen, _| {
        let path = seen.path.as_str();
        Reply::json(200, &match path {
            "/compute/v2.1/p1/os-quota-sets/p1/detail" => {
                json!({ "quota_set": { "id": "p1", "instances": { "limit": 10, "in_use": 3, "reserved": 1 }, "cores": { "limit": -1 } } })
            }
            "/network/v2.0/quotas/p1/details.json" => {
                json!({ "quota": { "port": { "limit": 500, "used": "8", "reserved": 0 }, "floatingip": { "limit": 50, "used": 50, "reserved": 0 } } })
            }
            _ => json!({ "quota": { "load_balancer": 5, "loadbalancer": 5, "pool": -1, "member": null } }),
        })
    })
    .await;
    let client = fake.client();
    let compute = client.compute_quotas("p1").await.unwrap();
    assert_eq!((compute.instances.left(), compute.cores.left()), (Some(6), None));
    let balancers = client.load_balancer_quotas("p1").await.unwrap();
    assert_eq!((balancers.load_balancer, balancers.pool, balancers.member), (Some(5), None, None));
    // A number as text is not a number; the error says which reply it was.
    let error = client.network_quotas("p1").await.unwrap_err();
    assert!(error.to_string().contains("/network/v2.0/quotas/p1/details.json"), "{error}");
}

#[tokio::test]
async fn a_console_and_a_list_of_keys_are_unwrapped() {
    let fake = Fake::start(|seen, _| match seen.method.as_str() {
        "POST" => Reply::json(200, &json!({ "output": "Cloud-init finished" })),
        _ => Reply::json(200, &json!({ "keypairs": [{ "keypair": { "name": "datacentred", "type": "ssh" } }] })),
    })
    .await;
    let client = fake.client();
    assert_eq!(client.console_output("s", Some(50)).await.unwrap(), "Cloud-init finished");
    assert_eq!(fake.seen()[0].body, json!({ "os-getConsoleOutput": { "length": 50 } }));
    assert_eq!(client.keypairs().await.unwrap()[0].name, "datacentred");
}

#[track_caller]
#[allow(clippy::needless_pass_by_value, reason = "so that a case is one line")]
fn check(request: &Request, line: &str, body: Option<Value>) {
    assert_eq!(format!("{} {}", request.method, request.path), line);
    assert_eq!(request.body, body);
}
