//! Neutron's security groups and their rules.

use crate::harness::{Ground, Tenancy, contract};
use crate::{fields, text};
use serde_json::{Value, json};

const RULE_FIELDS: &[&str] = &[
    "created_at",
    "description",
    "direction",
    "ethertype",
    "id",
    "normalized_cidr",
    "port_range_max",
    "port_range_min",
    "project_id",
    "protocol",
    "remote_address_group_id",
    "remote_group_id",
    "remote_ip_prefix",
    "revision_number",
    "security_group_id",
    "tenant_id",
    "updated_at",
];

async fn group(cloud: &Tenancy) -> Value {
    let wanted = json!({ "name": cloud.name("group"), "description": "d" });
    cloud.network().create("security-groups", "security_group", wanted).await
}

async fn rule(cloud: &Tenancy, group: &Value, attributes: Value) -> crate::harness::Answer {
    let mut wanted = json!({ "security_group_id": group["id"], "direction": "ingress" });
    wanted.as_object_mut().unwrap().extend(attributes.as_object().unwrap().clone());
    cloud.network().post("security-group-rules", json!({ "security_group_rule": wanted })).await
}

#[tokio::test]
async fn a_new_group_lets_everything_out_and_nothing_in() {
    contract(async |cloud| {
        let group = group(cloud).await;
        fields(
            &group,
            &[
                "created_at",
                "description",
                "id",
                "name",
                "project_id",
                "revision_number",
                "security_group_rules",
                "shared",
                "stateful",
                "tags",
                "tenant_id",
                "updated_at",
            ],
        );
        assert_eq!(
            (&group["stateful"], &group["shared"], &group["revision_number"]),
            (&json!(true), &json!(false), &json!(1))
        );
        let rules = group["security_group_rules"].as_array().unwrap();
        let mut types: Vec<&str> = rules.iter().map(|rule| text(rule, "ethertype")).collect();
        types.sort_unstable();
        assert_eq!(types, ["IPv4", "IPv6"]);
        for rule in rules {
            fields(rule, &[RULE_FIELDS, &["standard_attr_id", "tags"]].concat());
            assert_eq!(rule["direction"], "egress");
            for open in [
                "protocol",
                "port_range_min",
                "port_range_max",
                "remote_ip_prefix",
                "remote_group_id",
                "normalized_cidr",
                "description",
            ] {
                assert_eq!(rule[open], Value::Null, "{open}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_rule_is_filled_in_and_its_range_is_normalized() {
    contract(async |cloud| {
        let group = group(cloud).await;
        let wanted = json!({ "protocol": "tcp", "port_range_min": 80, "port_range_max": 80, "remote_ip_prefix": "10.77.0.7/24" });
        let made = rule(cloud, &group, wanted).await.done(201)["security_group_rule"].clone();
        fields(&made, RULE_FIELDS);
        for (key, value) in [
            ("ethertype", json!("IPv4")),
            ("protocol", json!("tcp")),
            ("port_range_min", json!(80)),
            ("remote_ip_prefix", json!("10.77.0.7/24")),
            ("normalized_cidr", json!("10.77.0.0/24")),
            ("remote_group_id", Value::Null),
            ("description", json!("")),
            ("revision_number", json!(0)),
        ] {
            assert_eq!(made[key], value, "{key}");
        }
        let host = json!({ "protocol": "tcp", "port_range_min": 81, "port_range_max": 81, "remote_ip_prefix": "10.77.0.7" });
        let host = rule(cloud, &group, host).await.done(201)["security_group_rule"].clone();
        assert_eq!((&host["remote_ip_prefix"], &host["normalized_cidr"]), (&json!("10.77.0.7/32"), &json!("10.77.0.7/32")));
        let all = json!({ "remote_ip_prefix": "0.0.0.0/0" });
        let all = rule(cloud, &group, all).await.done(201)["security_group_rule"].clone();
        assert_eq!((&all["protocol"], &all["normalized_cidr"]), (&Value::Null, &json!("0.0.0.0/0")));
        let now = cloud.network().get(&format!("security-groups/{}", text(&group, "id"))).await.done(200);
        assert_eq!(now["security_group"]["revision_number"], 4, "every rule is a change of its group");
    })
    .await;
}

#[tokio::test]
async fn the_same_rule_is_not_made_twice() {
    contract(async |cloud| {
        let group = group(cloud).await;
        let wanted = json!({ "protocol": "tcp", "port_range_min": 80, "port_range_max": 80 });
        let first = rule(cloud, &group, wanted.clone()).await.done(201)["security_group_rule"]["id"].clone();
        let message = format!("Security group rule already exists. Rule id is {}.", first.as_str().unwrap());
        // The whole Internet and no range are one thing, and so are a protocol's name and number.
        for (key, value) in [("description", "other"), ("remote_ip_prefix", "0.0.0.0/0"), ("protocol", "6")] {
            let mut twin = wanted.clone();
            twin[key] = value.into();
            rule(cloud, &group, twin).await.neutron_error(409, "SecurityGroupRuleExists", &message);
        }
        let one = |port: u16| {
            json!({ "security_group_id": group["id"], "direction": "ingress", "protocol": "tcp",
                    "port_range_min": port, "port_range_max": port })
        };
        let several = json!({ "security_group_rules": [one(443), one(80)] });
        let answer = cloud.network().post("security-group-rules", several).await;
        answer.neutron_error(409, "SecurityGroupRuleExists", &message);
        let query = format!("security-group-rules?security_group_id={}&port_range_min=443", text(&group, "id"));
        assert_eq!(cloud.network().get(&query).await.done(200), json!({ "security_group_rules": [] }));
        let several = json!({ "security_group_rules": [one(443), one(444)] });
        let made = cloud.network().post("security-group-rules", several).await.done(201);
        assert_eq!(made["security_group_rules"].as_array().unwrap().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_rule_that_makes_no_sense_is_refused_with_its_reason() {
    contract(async |cloud| {
        let group = group(cloud).await;
        for (attributes, kind, message) in [
            (
                json!({ "port_range_min": 80, "port_range_max": 80 }),
                "SecurityGroupProtocolRequiredWithPorts",
                "Must also specify protocol if port range is given.",
            ),
            (
                json!({ "protocol": "tcp", "port_range_min": 81, "port_range_max": 80 }),
                "SecurityGroupInvalidPortRange",
                "For TCP/UDP protocols, port_range_min must be <= port_range_max",
            ),
            (
                json!({ "protocol": "tcp", "port_range_min": 80 }),
                "SecurityGroupInvalidPortRange",
                "For TCP/UDP protocols, port_range_min must be <= port_range_max",
            ),
            (
                json!({ "ethertype": "IPv6", "remote_ip_prefix": "10.0.0.0/8" }),
                "SecurityGroupRuleParameterConflict",
                "Conflicting value ethertype IPv6 for CIDR 10.0.0.0/8",
            ),
            (
                json!({ "remote_ip_prefix": "10.0.0.0/8", "remote_group_id": group["id"] }),
                "SecurityGroupMultipleRemoteEntites",
                "Only one of remote_ip_prefix or remote_group_id or remote_address_group_id may be provided.",
            ),
            (
                json!({ "remote_ip_prefix": "10.0.0.0/99" }),
                "InvalidCIDR",
                "Invalid CIDR 10.0.0.0/99 given as IP prefix.",
            ),
            (
                json!({ "direction": "sideways" }),
                "HTTPBadRequest",
                "Invalid input for direction. Reason: sideways is not in valid_values.",
            ),
        ] {
            rule(cloud, &group, attributes).await.neutron_error(400, kind, message);
        }
        let nobody = json!({ "remote_group_id": "00000000-0000-0000-0000-000000000000" });
        let message = "Security group 00000000-0000-0000-0000-000000000000 does not exist";
        rule(cloud, &group, nobody).await.neutron_error(404, "SecurityGroupNotFound", message);
    })
    .await;
}

#[tokio::test]
async fn a_group_in_use_stays_and_the_default_group_always() {
    contract(async |cloud| {
        let ground = Ground::new(cloud).await;
        let group = group(cloud).await;
        let id = text(&group, "id");
        let port = ground.port(json!({ "security_groups": [id] })).await;
        let in_use = format!("Security Group {id} in use.");
        let path = format!("security-groups/{id}");
        cloud.network().delete(&path).await.neutron_error(409, "SecurityGroupInUse", &in_use);
        cloud.network().delete(&format!("ports/{}", text(&port, "id"))).await.done(204);
        cloud.network().delete(&path).await.done(204);
        let gone = format!("Security group {id} does not exist");
        cloud.network().get(&path).await.neutron_error(404, "SecurityGroupNotFound", &gone);
        let wanted = json!({ "port": { "network_id": ground.network, "security_groups": [id] } });
        cloud.network().post("ports", wanted).await.neutron_error(404, "SecurityGroupNotFound", &gone);

        let query = format!("security-groups?name=default&project_id={}", cloud.project());
        let default = cloud.network().get(&query).await.done(200)["security_groups"][0].clone();
        assert_eq!(default["description"], "Default security group");
        // Whether it is used is asked first.
        ground.port(json!({})).await;
        let in_use = format!("Security Group {} in use.", text(&default, "id"));
        let answer = cloud.network().delete(&format!("security-groups/{}", text(&default, "id"))).await;
        answer.neutron_error(409, "SecurityGroupInUse", &in_use);
        let another = json!({ "security_group": { "name": "default" } });
        cloud.network().post("security-groups", another).await.neutron_error(
            409,
            "SecurityGroupDefaultAlreadyExists",
            "Default security group already exists.",
        );
    })
    .await;
}

#[tokio::test]
async fn a_rule_is_deleted_once() {
    contract(async |cloud| {
        let group = group(cloud).await;
        let made = rule(cloud, &group, json!({ "protocol": "icmp" })).await.done(201)["security_group_rule"].clone();
        let path = format!("security-group-rules/{}", text(&made, "id"));
        cloud.network().delete(&path).await.done(204);
        let gone = format!("Security group rule {} does not exist", text(&made, "id"));
        cloud.network().delete(&path).await.neutron_error(404, "SecurityGroupRuleNotFound", &gone);
    })
    .await;
}
