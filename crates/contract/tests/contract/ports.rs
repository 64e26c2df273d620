//! Neutron's ports: what they show, their addresses, port security and allowed address pairs.

use crate::harness::{Ground, Tenancy, contract};
use crate::{fields, text};
use serde_json::{Value, json};

/// A port as its owner sees it: what is about the machine below it (`binding:host_id` and its kin) is for administrators.
const FIELDS: &[&str] = &[
    "admin_state_up",
    "allowed_address_pairs",
    "binding:vnic_type",
    "created_at",
    "description",
    "device_id",
    "device_owner",
    "extra_dhcp_opts",
    "fixed_ips",
    "id",
    "mac_address",
    "name",
    "network_id",
    "port_security_enabled",
    "project_id",
    "revision_number",
    "security_groups",
    "status",
    "tags",
    "tenant_id",
    "updated_at",
];

async fn change(cloud: &Tenancy, port: &Value, attributes: Value) -> crate::harness::Answer {
    cloud.network().put(&format!("ports/{}", text(port, "id")), json!({ "port": attributes })).await
}

#[tokio::test]
async fn a_new_port_has_defaults_an_address_and_the_default_group() {
    contract(async |cloud| {
        let ground = Ground::new(cloud).await;
        let wanted = json!({ "port": { "network_id": ground.network } });
        let port = cloud.network().post("ports", wanted).await.done(201)["port"].clone();
        fields(&port, FIELDS);
        for (key, value) in [
            ("name", json!("")),
            ("description", json!("")),
            ("admin_state_up", json!(true)),
            ("status", json!("DOWN")),
            ("device_id", json!("")),
            ("device_owner", json!("")),
            ("allowed_address_pairs", json!([])),
            ("extra_dhcp_opts", json!([])),
            ("binding:vnic_type", json!("normal")),
            ("port_security_enabled", json!(true)),
            ("tags", json!([])),
            ("revision_number", json!(1)),
            ("project_id", json!(cloud.project())),
            ("tenant_id", json!(cloud.project())),
        ] {
            assert_eq!(port[key], value, "{key}");
        }
        assert!(text(&port, "mac_address").starts_with("fa:16:3e:"), "{port}");
        assert_eq!(port["fixed_ips"][0]["subnet_id"], ground.subnet);
        assert_eq!(text(&port, "created_at").len(), 20, "{port}");
        let group = cloud.network().get(&format!("security-groups/{}", text(&port["security_groups"], 0))).await;
        assert_eq!(group.done(200)["security_group"]["name"], "default");
    })
    .await;
}

#[tokio::test]
async fn a_body_that_makes_no_sense_is_refused_with_its_reason() {
    contract(async |cloud| {
        let ground = Ground::new(cloud).await;
        let post = async |port: Value| cloud.network().post("ports", port).await;
        let bad = "HTTPBadRequest";
        post(json!({ "prt": {} })).await.neutron_error(400, bad, "Unable to find 'port' in request body");
        let missing = "Failed to parse request. Required attribute 'network_id' not specified";
        post(json!({ "port": {} })).await.neutron_error(400, bad, missing);
        let unknown = json!({ "port": { "network_id": ground.network, "colour": "red" } });
        post(unknown).await.neutron_error(400, bad, "Unrecognized attribute(s) 'colour'");
        let mac = json!({ "port": { "network_id": ground.network, "mac_address": "zz" } });
        post(mac).await.neutron_error(
            400,
            bad,
            "Invalid input for mac_address. Reason: 'zz' is not a valid MAC address.",
        );
        let nowhere = json!({ "port": { "network_id": "00000000-0000-0000-0000-000000000000" } });
        post(nowhere).await.neutron_error(
            404,
            "NetworkNotFound",
            "Network 00000000-0000-0000-0000-000000000000 could not be found.",
        );
        let port = ground.port(json!({})).await;
        let answer = change(cloud, &port, json!({ "status": "ACTIVE" })).await;
        answer.neutron_error(400, bad, "Cannot update read-only attribute status");
    })
    .await;
}

#[tokio::test]
async fn an_address_is_given_out_once() {
    contract(async |cloud| {
        let ground = Ground::new(cloud).await;
        let wanted = json!({ "fixed_ips": [{ "ip_address": "10.77.0.100" }] });
        let port = ground.port(wanted.clone()).await;
        assert_eq!(port["fixed_ips"], json!([{ "subnet_id": ground.subnet, "ip_address": "10.77.0.100" }]));
        let again = json!({ "port": { "network_id": ground.network, "fixed_ips": wanted["fixed_ips"] } });
        cloud.network().post("ports", again).await.neutron_error(
            409,
            "IpAddressAlreadyAllocated",
            &format!("IP address 10.77.0.100 already allocated in subnet {}", ground.subnet),
        );
        // A port may name the address that it has, and another one beside it.
        let two = json!({ "fixed_ips": [{ "ip_address": "10.77.0.100" }, { "ip_address": "10.77.0.101" }] });
        let answer = change(cloud, &port, two).await.done(200);
        assert_eq!(answer["port"]["fixed_ips"].as_array().unwrap().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn an_address_must_be_of_the_networks_subnets() {
    contract(async |cloud| {
        let ground = Ground::new(cloud).await;
        let post = async |fixed: Value| {
            cloud
                .network()
                .post("ports", json!({ "port": { "network_id": ground.network, "fixed_ips": [fixed] } }))
                .await
        };
        post(json!({ "ip_address": "10.78.0.1" })).await.neutron_error(
            400,
            "InvalidIpForNetwork",
            "IP address 10.78.0.1 is not a valid IP for any of the subnets on the specified network.",
        );
        post(json!({ "ip_address": "10.78.0.1", "subnet_id": ground.subnet })).await.neutron_error(
            400,
            "InvalidIpForSubnet",
            "IP address 10.78.0.1 is not a valid IP for the specified subnet.",
        );
        post(json!({ "ip_address": "10.77.0.999" })).await.neutron_error(
            400,
            "HTTPBadRequest",
            "Invalid input for fixed_ips. Reason: '10.77.0.999' is not a valid IP address.",
        );
    })
    .await;
}

#[tokio::test]
async fn a_mac_address_is_alone_on_its_network() {
    contract(async |cloud| {
        let ground = Ground::new(cloud).await;
        let port = ground.port(json!({ "mac_address": "00:16:3e:00:00:01" })).await;
        assert_eq!(port["mac_address"], "00:16:3e:00:00:01");
        let again = json!({ "port": { "network_id": ground.network, "mac_address": "00:16:3e:00:00:01" } });
        cloud.network().post("ports", again).await.neutron_error(
            409,
            "MacAddressInUse",
            &format!(
                "Unable to complete operation for network {}. The mac address 00:16:3e:00:00:01 is in use.",
                ground.network
            ),
        );
    })
    .await;
}

#[tokio::test]
async fn a_pair_without_a_mac_gets_the_ports_own() {
    contract(async |cloud| {
        let ground = Ground::new(cloud).await;
        let port = ground.port(json!({ "allowed_address_pairs": [{ "ip_address": "10.77.0.200" }] })).await;
        let own = json!([{ "mac_address": port["mac_address"], "ip_address": "10.77.0.200" }]);
        assert_eq!(port["allowed_address_pairs"], own);
        let pairs = json!([{ "ip_address": "10.77.0.128/25", "mac_address": "00:16:3E:00:00:02" }]);
        let changed = change(cloud, &port, json!({ "allowed_address_pairs": pairs })).await.done(200);
        let kept = json!([{ "ip_address": "10.77.0.128/25", "mac_address": "00:16:3E:00:00:02" }]);
        let by_get = cloud.network().get(&format!("ports/{}", text(&port, "id"))).await.done(200);
        assert_eq!(by_get["port"]["allowed_address_pairs"], kept);
        assert_eq!(changed["port"]["allowed_address_pairs"][0]["ip_address"], "10.77.0.128/25");
        for none in [json!([]), Value::Null] {
            let cleared = change(cloud, &port, json!({ "allowed_address_pairs": none })).await.done(200);
            assert_eq!(cleared["port"]["allowed_address_pairs"], json!([]));
        }
    })
    .await;
}

#[tokio::test]
async fn pairs_are_limited_and_unique() {
    contract(async |cloud| {
        let ground = Ground::new(cloud).await;
        let port = ground.port(json!({})).await;
        let set = async |pairs: Value| change(cloud, &port, json!({ "allowed_address_pairs": pairs })).await;
        let many = |count: u8| {
            json!((0..count).map(|n| json!({ "ip_address": format!("10.77.0.{}", 100 + n) })).collect::<Vec<_>>())
        };
        let full = set(many(10)).await.done(200);
        assert_eq!(full["port"]["allowed_address_pairs"].as_array().unwrap().len(), 10);
        let exhausted = "The number of allowed address pair exceeds the maximum 10.";
        set(many(11)).await.neutron_error(400, "AllowedAddressPairExhausted", exhausted);
        let twice = |first: Value, second: Value| json!([first, second]);
        let bare = json!({ "ip_address": "10.77.0.9" });
        set(twice(bare.clone(), bare.clone())).await.neutron_error(
            400,
            "DuplicateAddressPairInRequest",
            "Request contains duplicate address pair: mac_address None ip_address 10.77.0.9.",
        );
        let mac = text(&port, "mac_address");
        let spelled = json!({ "ip_address": "10.77.0.9", "mac_address": mac });
        let message = format!("Request contains duplicate address pair: mac_address {mac} ip_address 10.77.0.9.");
        set(twice(bare, spelled)).await.neutron_error(400, "DuplicateAddressPairInRequest", &message);
        let missing = "AllowedAddressPair must contain ip_address";
        set(json!([{ "mac_address": mac }])).await.neutron_error(400, "AllowedAddressPairsMissingIP", missing);
        let bad = set(json!([{ "ip_address": "10.77.0.999" }])).await;
        bad.neutron_error(400, "HTTPBadRequest", "'10.77.0.999' is not a valid IP address");
        let bad = set(json!([{ "ip_address": "10.77.0.9", "mac_address": "zz" }])).await;
        bad.neutron_error(400, "HTTPBadRequest", "'zz' is not a valid MAC address");
        let bad = set(json!([{ "ip_address": "10.77.0.9", "max_address": mac }])).await;
        bad.neutron_error(400, "HTTPBadRequest", "Unrecognized attribute(s) 'max_address'");
        // The port's own address is no mistake.
        let own = json!([{ "ip_address": port["fixed_ips"][0]["ip_address"] }]);
        set(own).await.done(200);
    })
    .await;
}

#[tokio::test]
async fn pairs_and_groups_need_port_security() {
    contract(async |cloud| {
        let ground = Ground::new(cloud).await;
        let pairs = json!([{ "ip_address": "10.77.0.200" }]);
        let wanted = json!({ "network_id": ground.network, "port_security_enabled": false, "allowed_address_pairs": pairs });
        let need = "Port Security must be enabled in order to have allowed address pairs on a port.";
        let answer = cloud.network().post("ports", json!({ "port": wanted })).await;
        answer.neutron_error(409, "AddressPairAndPortSecurityRequired", need);

        let open = ground.port(json!({ "port_security_enabled": false })).await;
        assert_eq!((&open["security_groups"], &open["port_security_enabled"]), (&json!([]), &json!(false)));
        let answer = change(cloud, &open, json!({ "allowed_address_pairs": pairs })).await;
        answer.neutron_error(409, "AddressPairAndPortSecurityRequired", need);

        let shut = ground.port(json!({ "allowed_address_pairs": pairs })).await;
        let answer = change(cloud, &shut, json!({ "port_security_enabled": false, "security_groups": [] })).await;
        answer.neutron_error(409, "AddressPairAndPortSecurityRequired", need);
        let answer = change(cloud, &shut, json!({ "port_security_enabled": false, "allowed_address_pairs": [] })).await;
        answer.neutron_error(
            409,
            "PortSecurityPortHasSecurityGroup",
            "Port has security group associated. Cannot disable port security or IP address until security group is removed.",
        );
        let group = shut["security_groups"].clone();
        let answer = change(cloud, &open, json!({ "security_groups": group })).await;
        answer.neutron_error(
            400,
            "PortSecurityAndIPRequiredForSecurityGroups",
            "Port security must be enabled and port must have an IP address in order to use security groups.",
        );
        let off = json!({ "port_security_enabled": false, "allowed_address_pairs": [], "security_groups": [] });
        assert_eq!(change(cloud, &shut, off).await.done(200)["port"]["port_security_enabled"], false);
    })
    .await;
}

#[tokio::test]
async fn nobody_but_its_owner_puts_ports_on_an_external_network() {
    contract(async |cloud| {
        let network = cloud.external_network().await;
        for more in [json!({}), json!({ "allowed_address_pairs": [{ "ip_address": "192.0.2.1" }] })] {
            let mut wanted = json!({ "network_id": network });
            wanted.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let message = format!("Tenant {} not allowed to create port on this network", cloud.project());
            let answer = cloud.network().post("ports", json!({ "port": wanted })).await;
            answer.neutron_error(403, "HTTPForbidden", &message);
        }
    })
    .await;
}

#[tokio::test]
async fn several_ports_are_made_in_one_request_or_none_of_them() {
    contract(async |cloud| {
        let ground = Ground::new(cloud).await;
        let port = |name: &str, address: &str| {
            json!({ "network_id": ground.network, "name": cloud.name(name), "fixed_ips": [{ "ip_address": address }] })
        };
        let both = json!({ "ports": [port("a", "10.77.0.50"), port("b", "10.77.0.51")] });
        let made = cloud.network().post("ports", both).await.done(201);
        let names: Vec<&str> = made["ports"].as_array().unwrap().iter().map(|port| text(port, "name")).collect();
        assert_eq!(names, [cloud.name("a"), cloud.name("b")]);
        let half = json!({ "ports": [port("c", "10.77.0.52"), port("d", "10.77.0.51")] });
        let answer = cloud.network().post("ports", half).await;
        assert_eq!((answer.status, &answer.body["NeutronError"]["type"]), (409, &json!("IpAddressAlreadyAllocated")));
        let left = cloud.network().get(&format!("ports?name={}", cloud.name("c"))).await.done(200);
        assert_eq!(left, json!({ "ports": [] }));
    })
    .await;
}

#[tokio::test]
async fn a_port_is_deleted_once_and_its_address_is_free_again() {
    contract(async |cloud| {
        let ground = Ground::new(cloud).await;
        let wanted = json!({ "fixed_ips": [{ "ip_address": "10.77.0.60" }] });
        let port = ground.port(wanted.clone()).await;
        let path = format!("ports/{}", text(&port, "id"));
        assert_eq!(cloud.network().delete(&path).await.done(204), Value::Null);
        let gone = format!("Port {} could not be found.", text(&port, "id"));
        for answer in [
            cloud.network().delete(&path).await,
            cloud.network().get(&path).await,
            change(cloud, &port, json!({ "name": "x" })).await,
        ] {
            answer.neutron_error(404, "PortNotFound", &gone);
        }
        ground.port(wanted).await;
    })
    .await;
}

#[tokio::test]
async fn a_routers_port_is_not_deleted_by_itself() {
    contract(async |cloud| {
        let ground = Ground::new(cloud).await;
        let (router, _) = ground.way_out().await;
        let query = format!("ports?device_id={router}&device_owner=network:router_interface");
        let port = cloud.network().get(&query).await.done(200)["ports"][0].clone();
        assert_eq!(port["fixed_ips"][0]["ip_address"], "10.77.0.1");
        let id = text(&port, "id");
        cloud.network().delete(&format!("ports/{id}")).await.neutron_error(
            409,
            "ServicePortInUse",
            &format!(
                "Port {id} cannot be deleted directly via the port API: has device owner network:router_interface."
            ),
        );
    })
    .await;
}
