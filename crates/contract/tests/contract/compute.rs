//! Nova: microversions, flavors, key pairs, server groups, limits, and what a request for a server may not be.

use crate::harness::{Ground, contract};
use crate::{fields, text};
use serde_json::{Value, json};

const NOBODY: &str = "00000000-0000-0000-0000-000000000000";
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICNxdpX0QkMOYXeOikII9iPTpMPlK7apUa4+6DUhwngb somebody@somewhere";

#[tokio::test]
async fn a_microversion_is_kept_told_and_refused_when_it_is_unknown() {
    contract(async |cloud| {
        let version = cloud.compute().get("").await.done(200)["version"].clone();
        assert_eq!(
            (&version["id"], &version["status"], &version["min_version"]),
            (&json!("v2.1"), &json!("CURRENT"), &json!("2.1"))
        );
        let newest = text(&version, "version");
        let answer = cloud.compute().at("2.64").get("servers").await;
        assert_eq!(answer.header("openstack-api-version"), Some("compute 2.64"));
        assert_eq!(answer.header("x-openstack-nova-api-version"), Some("2.64"));
        assert!(answer.header("vary").is_some_and(|vary| vary.contains("OpenStack-API-Version")));
        answer.done(200);
        let answer = cloud.compute().get("servers").await;
        assert_eq!(answer.header("openstack-api-version"), Some("compute 2.1"), "the oldest where none is asked for");
        let answer = cloud.compute().at("latest").get("servers").await;
        assert_eq!(answer.header("openstack-api-version"), Some(format!("compute {newest}").as_str()));
        cloud.compute().at("2.999").get("servers").await.nova_fault(
            406,
            "computeFault",
            &format!("Version 2.999 is not supported by the API. Minimum is 2.1 and maximum is {newest}."),
        );
        cloud.compute().at("new").get("servers").await.nova_fault(
            400,
            "badRequest",
            "API Version String new is of invalid format. Must be of format MajorNum.MinorNum.",
        );
    })
    .await;
}

#[tokio::test]
async fn flavors_and_images_are_read() {
    contract(async |cloud| {
        let flavors = cloud.compute().at("2.64").get("flavors/detail").await.done(200);
        fields(
            &flavors["flavors"][0],
            &[
                "OS-FLV-DISABLED:disabled",
                "OS-FLV-EXT-DATA:ephemeral",
                "description",
                "disk",
                "extra_specs",
                "id",
                "links",
                "name",
                "os-flavor-access:is_public",
                "ram",
                "rxtx_factor",
                "swap",
                "vcpus",
            ],
        );
        let missing = cloud.compute().get("flavors/no-such-flavor").await;
        missing.nova_fault(404, "itemNotFound", "Flavor no-such-flavor could not be found.");

        let first = cloud.image().get("images?limit=1").await.done(200);
        let image = &first["images"][0];
        for key in ["id", "name", "status", "visibility", "owner", "checksum", "size", "tags", "min_disk", "min_ram", "file", "self", "schema"] {
            assert!(image.get(key).is_some(), "{key} in {image}");
        }
        assert_eq!((&first["schema"], first["first"].is_string()), (&json!("/v2/schemas/images"), true));
        let next = text(&first, "next");
        assert!(next.starts_with("/v2/images?") && next.contains(&format!("marker={}", text(image, "id"))), "{next}");
        let named = cloud.image().get(&format!("images?name={}", text(image, "name").replace(' ', "%20"))).await.done(200);
        assert!(crate::ids(&named["images"]).contains(&text(image, "id").to_owned()));
        let missing = cloud.image().get(&format!("images/{NOBODY}")).await;
        let said = json!({ "message": format!("No image found with ID {NOBODY}<br /><br />\n\n\n"), "code": "404 Not Found", "title": "Not Found" });
        missing.says(404, &said);
    })
    .await;
}

#[tokio::test]
async fn a_key_pair_has_a_name_for_an_id() {
    contract(async |cloud| {
        let name = cloud.name("key");
        let compute = cloud.compute().at("2.64");
        let wanted = json!({ "keypair": { "name": name, "public_key": KEY } });
        let made = compute.post("os-keypairs", wanted.clone()).await.done(201)["keypair"].clone();
        fields(&made, &["fingerprint", "name", "public_key", "type", "user_id"]);
        assert_eq!(made["fingerprint"], "40:69:bf:5f:b2:6f:6f:41:0f:7b:24:f6:02:9e:1a:32", "MD5 of the key");
        let again = compute.post("os-keypairs", wanted).await;
        again.nova_fault(409, "conflictingRequest", &format!("Key pair '{name}' already exists."));
        let seen = compute.get(&format!("os-keypairs/{name}")).await.done(200)["keypair"].clone();
        fields(
            &seen,
            &[
                "created_at",
                "deleted",
                "deleted_at",
                "fingerprint",
                "id",
                "name",
                "public_key",
                "type",
                "updated_at",
                "user_id",
            ],
        );
        let all = compute.get("os-keypairs").await.done(200);
        let mine = all["keypairs"].as_array().unwrap().iter().find(|entry| entry["keypair"]["name"] == name.as_str());
        fields(&mine.unwrap()["keypair"], &["fingerprint", "name", "public_key", "type"]);
        compute.delete(&format!("os-keypairs/{name}")).await.done(204);
        let gone = format!("Keypair {name} not found for user {}", cloud.user());
        compute.delete(&format!("os-keypairs/{name}")).await.nova_fault(404, "itemNotFound", &gone);
    })
    .await;
}

#[tokio::test]
async fn a_server_group_has_a_policy() {
    contract(async |cloud| {
        let compute = cloud.compute().at("2.64");
        let wanted = json!({ "name": cloud.name("group"), "policy": "soft-anti-affinity" });
        let made =
            compute.post("os-server-groups", json!({ "server_group": wanted })).await.done(200)["server_group"].clone();
        fields(&made, &["id", "members", "name", "policy", "project_id", "rules", "user_id"]);
        assert_eq!((&made["members"], &made["rules"]), (&json!([]), &json!({})));
        let path = format!("os-server-groups/{}", text(&made, "id"));
        assert_eq!(compute.get(&path).await.done(200)["server_group"], made);
        let old = cloud.compute().get(&path).await.done(200)["server_group"].clone();
        fields(&old, &["id", "members", "metadata", "name", "policies"]);
        assert_eq!((&old["policies"], &old["metadata"]), (&json!(["soft-anti-affinity"]), &json!({})));
        let odd = json!({ "server_group": { "name": cloud.name("odd"), "policy": "closeness" } });
        let answer = compute.post("os-server-groups", odd).await;
        answer.nova_schema("policy", "'closeness' is not one of ['anti-affinity', 'affinity', ");
        compute.delete(&path).await.done(204);
        let gone = format!("Instance group {} could not be found.", text(&made, "id"));
        compute.delete(&path).await.nova_fault(404, "itemNotFound", &gone);
    })
    .await;
}

#[tokio::test]
async fn a_quota_is_kept_and_told() {
    contract(async |cloud| {
        let compute = cloud.compute().at("2.64");
        let quota =
            compute.get(&format!("os-quota-sets/{}/detail", cloud.project())).await.done(200)["quota_set"].clone();
        fields(
            &quota,
            &[
                "cores",
                "id",
                "instances",
                "key_pairs",
                "metadata_items",
                "ram",
                "server_group_members",
                "server_groups",
            ],
        );
        fields(&quota["instances"], &["in_use", "limit", "reserved"]);
        let limits = compute.get("limits").await.done(200)["limits"].clone();
        assert_eq!(limits["absolute"]["maxTotalInstances"], quota["instances"]["limit"]);
        assert_eq!(limits["absolute"]["totalInstancesUsed"], quota["instances"]["in_use"]);
        assert_eq!(limits["rate"], json!([]));
        let limit = quota["server_groups"]["limit"].as_i64().unwrap();
        for made in 0..=limit {
            let wanted = json!({ "server_group": { "name": cloud.name("many"), "policy": "affinity" } });
            let answer = compute.post("os-server-groups", wanted).await;
            if answer.status != 200 {
                answer.nova_fault(403, "forbidden", "Quota exceeded, too many server groups.");
                return;
            }
            assert!(made < limit, "more groups than the quota of {limit}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_request_for_a_server_that_cannot_be_is_refused_before_anything_is_made() {
    contract(async |cloud| {
        let ground = Ground::new(cloud).await;
        let port = ground.port(json!({})).await;
        let good = cloud.server_on(&port).await;
        let compute = cloud.compute().at("2.64");
        let with = async |change: &[(&str, Value)]| {
            let mut wanted = good.clone();
            for (key, value) in change {
                wanted[*key] = value.clone();
            }
            compute.post("servers", json!({ "server": wanted })).await
        };
        let bad = "badRequest";
        with(&[("imageRef", json!(NOBODY))]).await.nova_fault(400, bad, "Can not find requested image");
        with(&[("flavorRef", json!("no-such-flavor"))]).await.nova_fault(
            400,
            bad,
            "Flavor no-such-flavor could not be found.",
        );
        with(&[("key_name", json!("no-such-key"))]).await.nova_fault(400, bad, "Invalid key_name provided.");
        let nowhere = json!([{ "port": NOBODY }]);
        with(&[("networks", nowhere)]).await.nova_fault(400, bad, &format!("Port id {NOBODY} could not be found."));
        let nowhere = json!([{ "uuid": NOBODY }]);
        with(&[("networks", nowhere)]).await.nova_fault(400, bad, &format!("Network {NOBODY} could not be found."));
        for (field, attribute, value, reason) in [
            ("name", "name", json!(""), "'' is too short"),
            ("0", "tags", json!(["with,comma"]), "'with,comma' does not match '^[^,/]*$'"),
            ("user_data", "user_data", json!("QUJ"), "'QUJ' is not a 'base64'"),
            ("user_data", "user_data", json!("QUJD".repeat(16_384)), "QUJD' is too long"),
            ("server", "colour", json!("red"), "Additional properties are not allowed ('colour' was unexpected)"),
        ] {
            with(&[(attribute, value)]).await.nova_schema(field, reason);
        }
        let mut without = good.clone();
        without.as_object_mut().unwrap().remove("networks");
        let answer = compute.post("servers", json!({ "server": without })).await;
        answer.nova_schema("server", "'networks' is a required property");
        let mut old = good.clone();
        old["tags"] = json!(["a"]);
        let answer = cloud.compute().at("2.51").post("servers", json!({ "server": old })).await;
        answer.nova_schema("server", "Additional properties are not allowed ('tags' was unexpected)");
        let grouped = json!({ "server": good, "os:scheduler_hints": { "group": NOBODY } });
        let answer = compute.post("servers", grouped).await;
        answer.nova_fault(400, bad, &format!("Instance group {NOBODY} could not be found."));
        let mut many = good.clone();
        many["networks"] = json!([{ "uuid": ground.network }]);
        many["min_count"] = 200.into();
        let answer = compute.post("servers", json!({ "server": many })).await;
        answer.nova_fault_like(403, "forbidden", "Quota exceeded for ");

        let seen = cloud.network().get(&format!("ports/{}", text(&port, "id"))).await.done(200);
        assert_eq!((&seen["port"]["device_id"], &seen["port"]["device_owner"]), (&json!(""), &json!("")));
        let none = compute.get(&format!("servers?name={}", cloud.name("server"))).await.done(200);
        assert_eq!(none["servers"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    contract(async |cloud| {
        let compute = cloud.compute().at("2.64");
        let message = format!("Instance {NOBODY} could not be found.");
        for answer in [
            compute.get(&format!("servers/{NOBODY}")).await,
            compute.delete(&format!("servers/{NOBODY}")).await,
        ] {
            answer.nova_fault(404, "itemNotFound", &message);
        }
        let marker = compute.get(&format!("servers?marker={NOBODY}")).await;
        marker.nova_fault(400, "badRequest", &format!("marker [{NOBODY}] not found"));
        let nothing = compute.get("no-such-things").await;
        nothing.says(
            404,
            &json!({ "message": "The resource could not be found.<br /><br />\n\n\n", "code": "404 Not Found", "title": "Not Found" }),
        );
    })
    .await;
}
