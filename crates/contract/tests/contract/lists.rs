//! What all of Neutron's resources share: filters, pages, fields, tags, revisions, quotas, and what is not there.

use crate::harness::{Ground, contract};
use crate::{fields, ids, text};
use serde_json::{Value, json};

#[tokio::test]
async fn networks_and_subnets_show_their_owner_these_fields() {
    contract(async |cloud| {
        let ground = Ground::new(cloud).await;
        let network = cloud.network().get(&format!("networks/{}", ground.network)).await.done(200)["network"].clone();
        fields(
            &network,
            &[
                "admin_state_up",
                "availability_zone_hints",
                "availability_zones",
                "created_at",
                "description",
                "id",
                "ipv4_address_scope",
                "ipv6_address_scope",
                "mtu",
                "name",
                "port_security_enabled",
                "project_id",
                "revision_number",
                "router:external",
                "shared",
                "status",
                "subnets",
                "tags",
                "tenant_id",
                "updated_at",
            ],
        );
        assert_eq!((&network["revision_number"], &network["subnets"]), (&json!(2), &json!([ground.subnet])));
        let subnet = cloud.network().get(&format!("subnets/{}", ground.subnet)).await.done(200)["subnet"].clone();
        fields(
            &subnet,
            &[
                "allocation_pools",
                "cidr",
                "created_at",
                "description",
                "dns_nameservers",
                "enable_dhcp",
                "gateway_ip",
                "host_routes",
                "id",
                "ip_version",
                "ipv6_address_mode",
                "ipv6_ra_mode",
                "name",
                "network_id",
                "project_id",
                "revision_number",
                "service_types",
                "subnetpool_id",
                "tags",
                "tenant_id",
                "updated_at",
            ],
        );
        for (key, value) in [
            ("gateway_ip", json!("10.77.0.1")),
            ("allocation_pools", json!([{ "start": "10.77.0.2", "end": "10.77.0.254" }])),
            ("enable_dhcp", json!(true)),
            ("dns_nameservers", json!([])),
            ("host_routes", json!([])),
            ("revision_number", json!(0)),
        ] {
            assert_eq!(subnet[key], value, "{key}");
        }
        let pools = json!({ "subnet": { "allocation_pools": [{ "start": "10.77.0.2", "end": "10.77.0.20" }] } });
        let narrowed = cloud.network().put(&format!("subnets/{}", ground.subnet), pools.clone()).await.done(200);
        assert_eq!(narrowed["subnet"]["allocation_pools"], pools["subnet"]["allocation_pools"]);
        let outside = json!({ "subnet": { "allocation_pools": [{ "start": "10.77.0.2", "end": "10.77.1.20" }] } });
        cloud.network().put(&format!("subnets/{}", ground.subnet), outside).await.neutron_error(
            400,
            "OutOfBoundsAllocationPool",
            "The allocation pool 10.77.0.2-10.77.1.20 spans beyond the subnet cidr 10.77.0.0/24.",
        );
    })
    .await;
}

#[tokio::test]
async fn a_network_in_use_stays() {
    contract(async |cloud| {
        let ground = Ground::new(cloud).await;
        let port = ground.port(json!({})).await;
        cloud.network().delete(&format!("networks/{}", ground.network)).await.neutron_error(
            409,
            "NetworkInUse",
            &format!(
                "Unable to complete operation on network {}. There are one or more ports still in use on the network, id \
                 for these ports is: {}.",
                ground.network,
                text(&port, "id")
            ),
        );
        let shared = json!({ "network": { "name": "x", "shared": true } });
        cloud.network().post("networks", shared).await.neutron_policy("create_network:shared");
        let external = json!({ "network": { "router:external": true } });
        let answer = cloud.network().put(&format!("networks/{}", ground.network), external).await;
        answer.neutron_policy("update_network:router:external");
    })
    .await;
}

#[tokio::test]
async fn a_list_is_filtered_by_its_attributes() {
    contract(async |cloud| {
        let ground = Ground::new(cloud).await;
        let one = ground
            .port(json!({ "name": cloud.name("one"), "description": cloud.name("d"), "device_id": cloud.name("dev"),
                                      "fixed_ips": [{ "ip_address": "10.77.0.30" }] }))
            .await;
        let two = ground.port(json!({ "name": cloud.name("two") })).await;
        let list = async |query: String| {
            let body = cloud.network().get(&format!("ports?network_id={}&{query}", ground.network)).await.done(200);
            ids(&body["ports"])
        };
        let (one, two) = (text(&one, "id"), text(&two, "id"));
        assert_eq!(list(format!("name={}", cloud.name("one"))).await, [one]);
        assert_eq!(list(format!("description={}", cloud.name("d"))).await, [one]);
        assert_eq!(list(format!("device_id={}", cloud.name("dev"))).await, [one]);
        assert_eq!(list("fixed_ips=ip_address%3D10.77.0.30".to_owned()).await, [one]);
        assert_eq!(list(format!("id={one}&id={two}")).await.len(), 2);
        assert_eq!(list(format!("name={}&name={}", cloud.name("one"), cloud.name("two"))).await.len(), 2);
        assert_eq!(list(format!("fixed_ips=subnet_id%3D{}&name={}", ground.subnet, cloud.name("two"))).await, [two]);
        assert_eq!(list(format!("status=DOWN&admin_state_up=True&name={}", cloud.name("two"))).await, [two]);
        assert!(list("name=nobody".to_owned()).await.is_empty());
        let unknown = cloud.network().get("ports?colour=red").await;
        unknown.neutron_error(400, "HTTPBadRequest", "['colour'] is invalid attribute for filtering");
        let cut = cloud.network().get(&format!("ports?id={one}&fields=id&fields=name")).await.done(200);
        assert_eq!(cut, json!({ "ports": [{ "id": one, "name": cloud.name("one") }] }));
        let cut = cloud.network().get(&format!("ports/{one}?fields=status")).await.done(200);
        assert_eq!(cut, json!({ "port": { "status": "DOWN" } }));
    })
    .await;
}

#[tokio::test]
async fn a_list_comes_in_pages_and_a_full_page_names_the_next() {
    contract(async |cloud| {
        let ground = Ground::new(cloud).await;
        for name in ["a", "b", "c", "d"] {
            ground.port(json!({ "name": name, "description": cloud.name("page") })).await;
        }
        let query = format!("ports?description={}&sort_key=name&sort_dir=asc&limit=2", cloud.name("page"));
        let rels = |body: &Value| -> Vec<String> {
            let links = body["ports_links"].as_array().cloned().unwrap_or_default();
            links.iter().map(|link| text(link, "rel").to_owned()).collect()
        };
        let next = |body: &Value| -> String {
            let links = body["ports_links"].as_array().unwrap();
            text(links.iter().find(|link| link["rel"] == "next").unwrap(), "href").to_owned()
        };
        let first = cloud.network().get(&query).await.done(200);
        assert_eq!((ids(&first["ports"]).len(), rels(&first)), (2, vec!["next".to_owned(), "previous".to_owned()]));
        let href = next(&first);
        assert!(
            href.contains(&format!("marker={}", text(&first["ports"][1], "id"))) && href.contains("limit=2"),
            "{href}"
        );
        let second = cloud.network().follow(&href).await.done(200);
        let names: Vec<&str> = second["ports"].as_array().unwrap().iter().map(|port| text(port, "name")).collect();
        assert_eq!(names, ["c", "d"]);
        // Neutron does not look whether anything follows a full page.
        let third = cloud.network().follow(&next(&second)).await.done(200);
        assert_eq!((&third["ports"], rels(&third)), (&json!([]), vec!["previous".to_owned()]));
        let whole = cloud.network().get(&format!("ports?description={}", cloud.name("page"))).await.done(200);
        assert_eq!((ids(&whole["ports"]).len(), whole.get("ports_links")), (4, None));
        cloud.network().get("ports?limit=many").await.neutron_error(
            400,
            "BadRequest",
            "Bad limit request: Limit must be an integer 0 or greater and not 'many'.",
        );
    })
    .await;
}

#[tokio::test]
async fn tags_are_set_asked_for_and_filtered_by() {
    contract(async |cloud| {
        let ground = Ground::new(cloud).await;
        let port = ground.port(json!({})).await;
        let path = format!("ports/{}", text(&port, "id"));
        let tags = format!("{path}/tags");
        let (a, b) = (cloud.name("a"), cloud.name("b"));
        let set = cloud.network().put(&tags, json!({ "tags": [a, b] })).await.done(200);
        assert_eq!(set, json!({ "tags": [a, b] }));
        cloud.network().put(&format!("{tags}/c"), Value::Null).await.done(201);
        cloud.network().get(&format!("{tags}/c")).await.done(204);
        cloud.network().delete(&format!("{tags}/c")).await.done(204);
        let missing = cloud.network().get(&format!("{tags}/c")).await;
        missing.neutron_error(404, "TagNotFound", "Tag c could not be found.");
        let now = cloud.network().get(&path).await.done(200)["port"].clone();
        let mut shown: Vec<&str> = now["tags"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        shown.sort_unstable();
        assert_eq!(shown, [&a, &b]);
        assert!(now["revision_number"].as_u64() > port["revision_number"].as_u64(), "a tag is a change: {now}");
        let count = async |query: String| {
            ids(&cloud.network().get(&format!("ports?network_id={}&{query}", ground.network)).await.done(200)["ports"])
                .len()
        };
        assert_eq!(count(format!("tags={a},{b}")).await, 1);
        assert_eq!(count(format!("tags={a},other")).await, 0);
        assert_eq!(count(format!("tags-any={a},other")).await, 1);
        let long = json!({ "tags": ["x".repeat(256)] });
        let answer = cloud.network().put(&tags, long).await;
        assert_eq!(
            (answer.status, &answer.body["NeutronError"]["type"]),
            (400, &json!("InvalidInput")),
            "{}",
            answer.body
        );
        cloud.network().delete(&tags).await.done(204);
        assert_eq!(cloud.network().get(&tags).await.done(200), json!({ "tags": [] }));
    })
    .await;
}

#[tokio::test]
async fn a_change_that_is_bound_to_a_revision_fails_when_somebody_was_first() {
    contract(async |cloud| {
        let wanted = json!({ "name": cloud.name("group") });
        let group = cloud.network().create("security-groups", "security_group", wanted).await;
        let path = format!("security-groups/{}", text(&group, "id"));
        let body = |text: &str| json!({ "security_group": { "description": text } });
        let first = &group["revision_number"];
        let changed = cloud.network().if_revision(first).put(&path, body("mine")).await.done(200);
        let second = &changed["security_group"]["revision_number"];
        assert_eq!(second.as_u64(), first.as_u64().map(|first| first + 1));
        let late = format!("Constrained to {first}, but current revision is {second}");
        for answer in [
            cloud.network().if_revision(first).put(&path, body("yours")).await,
            cloud.network().if_revision(first).delete(&path).await,
        ] {
            answer.neutron_error(412, "RevisionNumberConstraintFailed", &late);
        }
        // The same once more is a change of a group, and none of a port.
        let same = cloud.network().put(&path, body("mine")).await.done(200);
        let third = &same["security_group"]["revision_number"];
        assert_eq!(third.as_u64(), second.as_u64().map(|second| second + 1));
        let ground = Ground::new(cloud).await;
        let pairs = json!([{ "ip_address": "10.77.0.200", "mac_address": "00:16:3e:00:00:04" }]);
        let port = ground.port(json!({ "allowed_address_pairs": pairs })).await;
        let again = json!({ "port": { "allowed_address_pairs": pairs } });
        let same = cloud.network().put(&format!("ports/{}", text(&port, "id")), again).await.done(200);
        assert_eq!(same["port"]["revision_number"], port["revision_number"]);
        let odd = cloud.network().with("if-match", "revision_number=latest").put(&path, body("x")).await;
        let form = "Bad if-match request: Revision number etag must be in the format of revision_number=<int>.";
        odd.neutron_error(400, "BadRequest", form);
    })
    .await;
}

#[tokio::test]
async fn quotas_are_told_and_kept() {
    contract(async |cloud| {
        let details = async || {
            cloud.network().get(&format!("quotas/{}/details.json", cloud.project())).await.done(200)["quota"].clone()
        };
        let before = details().await;
        for kind in [
            "network",
            "subnet",
            "port",
            "router",
            "floatingip",
            "security_group",
            "security_group_rule",
            "subnetpool",
            "rbac_policy",
        ] {
            fields(&before[kind], &["limit", "reserved", "used"]);
        }
        let plain = cloud.network().get(&format!("quotas/{}", cloud.project())).await.done(200);
        assert_eq!(plain["quota"]["port"], before["port"]["limit"]);
        let free =
            before["security_group"]["limit"].as_i64().unwrap() - before["security_group"]["used"].as_i64().unwrap();
        let groups: Vec<Value> = (0..=free).map(|n| json!({ "name": cloud.name(&format!("q{n}")) })).collect();
        let answer = cloud.network().post("security-groups", json!({ "security_groups": groups })).await;
        answer.neutron_error(409, "OverQuota", "Quota exceeded for resources: ['security_group'].");
        assert_eq!(details().await["security_group"]["used"], before["security_group"]["used"]);
    })
    .await;
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    contract(async |cloud| {
        let nobody = "00000000-0000-0000-0000-000000000000";
        for (path, kind, message) in [
            ("networks", "NetworkNotFound", format!("Network {nobody} could not be found.")),
            ("subnets", "SubnetNotFound", format!("Subnet {nobody} could not be found.")),
            ("ports", "PortNotFound", format!("Port {nobody} could not be found.")),
            ("security-groups", "SecurityGroupNotFound", format!("Security group {nobody} does not exist")),
            (
                "security-group-rules",
                "SecurityGroupRuleNotFound",
                format!("Security group rule {nobody} does not exist"),
            ),
            ("routers", "RouterNotFound", format!("Router {nobody} could not be found")),
            ("floatingips", "FloatingIPNotFound", format!("Floating IP {nobody} could not be found")),
        ] {
            cloud.network().get(&format!("{path}/{nobody}")).await.neutron_error(404, kind, &message);
            cloud.network().delete(&format!("{path}/{nobody}")).await.neutron_error(404, kind, &message);
        }
        let nothing = cloud.network().get("no-such-things").await;
        nothing.neutron_error(404, "HTTPNotFound", "The resource could not be found.");
        let unknown = cloud.network().get("extensions/no-such-extension").await;
        unknown.says(
            404,
            &json!({
                "message": "The resource could not be found.<br /><br />\nExtension with alias no-such-extension does not exist\n\n",
                "code": "404 Not Found",
                "title": "Not Found",
            }),
        );
        let extension = cloud.network().get("extensions/allowed-address-pairs").await.done(200);
        fields(&extension["extension"], &["alias", "description", "links", "name", "updated"]);
    })
    .await;
}
