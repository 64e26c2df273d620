//! One server of Nova from its request to its end: on a real cloud a boot is what costs, so that one serves all of it.

use crate::harness::{Ground, contract};
use crate::{fields, ids, text};
use serde_json::{Value, json};

/// A server as its owner sees it at 2.64.
const FIELDS: &[&str] = &[
    "OS-DCF:diskConfig",
    "OS-EXT-AZ:availability_zone",
    "OS-EXT-STS:power_state",
    "OS-EXT-STS:task_state",
    "OS-EXT-STS:vm_state",
    "OS-SRV-USG:launched_at",
    "OS-SRV-USG:terminated_at",
    "accessIPv4",
    "accessIPv6",
    "addresses",
    "config_drive",
    "created",
    "description",
    "flavor",
    "hostId",
    "id",
    "image",
    "key_name",
    "links",
    "locked",
    "metadata",
    "name",
    "os-extended-volumes:volumes_attached",
    "progress",
    "security_groups",
    "status",
    "tags",
    "tenant_id",
    "trusted_image_certificates",
    "updated",
    "user_id",
];

#[tokio::test]
async fn a_server_from_its_request_to_its_end() {
    contract(async |cloud| {
        let ground = Ground::new(cloud).await;
        let compute = cloud.compute().at("2.64");
        let port = ground.port(json!({ "fixed_ips": [{ "ip_address": "10.77.0.40" }] })).await;
        let port_path = format!("ports/{}", text(&port, "id"));
        let tag = cloud.name("tag");
        let mut wanted = cloud.server_on(&port).await;
        wanted["metadata"] = json!({ "contract": "yes", "key": "value" });
        wanted["tags"] = json!([tag]);
        wanted["user_data"] = json!("I2Nsb3VkLWNvbmZpZwo=");
        let request = json!({ "server": wanted });

        // The reply names it and no more.
        let answer = compute.post("servers", request.clone()).await;
        let location = answer.header("location").map(str::to_owned);
        let made = answer.done(202)["server"].clone();
        fields(&made, &["OS-DCF:diskConfig", "adminPass", "id", "links", "security_groups"]);
        let id = text(&made, "id").to_owned();
        let path = format!("servers/{id}");
        assert!(location.is_some_and(|location| location.ends_with(&format!("/{path}"))));

        let building = compute.get(&path).await.done(200)["server"].clone();
        // Groups are those of its ports, which become its own while it is built.
        let unbound = building["status"] == "BUILD" && building.get("security_groups").is_none();
        let shown = FIELDS.iter().copied().filter(|field| !(unbound && *field == "security_groups"));
        fields(&building, &shown.collect::<Vec<_>>());
        if building["status"] == "BUILD" {
            assert_eq!((&building["OS-EXT-STS:vm_state"], &building["OS-EXT-STS:power_state"]), (&json!("building"), &json!(0)));
            assert_eq!(building["OS-SRV-USG:launched_at"], Value::Null);
        }

        let active = compute.until(&path, |answer| answer.body["server"]["status"] == "ACTIVE").await["server"].clone();
        fields(&active, FIELDS);
        for (key, value) in [
            ("OS-EXT-STS:vm_state", json!("active")),
            ("OS-EXT-STS:task_state", Value::Null),
            ("OS-EXT-STS:power_state", json!(1)),
            ("OS-SRV-USG:terminated_at", Value::Null),
            ("progress", json!(0)),
            ("description", Value::Null),
            ("key_name", Value::Null),
            ("config_drive", json!("")),
            ("accessIPv4", json!("")),
            ("locked", json!(false)),
            ("metadata", json!({ "contract": "yes", "key": "value" })),
            ("tags", json!([tag])),
            ("security_groups", json!([{ "name": "default" }])),
            ("OS-DCF:diskConfig", json!("MANUAL")),
        ] {
            assert_eq!(active[key], value, "{key}");
        }
        assert!(text(&active, "OS-SRV-USG:launched_at").ends_with(".000000"), "{active}");
        fields(&active["flavor"], &["disk", "ephemeral", "extra_specs", "original_name", "ram", "swap", "vcpus"]);
        let network = active["addresses"].as_object().unwrap();
        assert_eq!(network.keys().collect::<Vec<_>>(), [&cloud.name("net")]);
        assert_eq!(
            network.values().next().unwrap(),
            &json!([{ "version": 4, "addr": "10.77.0.40", "OS-EXT-IPS:type": "fixed", "OS-EXT-IPS-MAC:mac_addr": port["mac_address"] }])
        );
        // A port is taken from when it is bound, which is not yet so when the request is answered.
        let taken = compute.post("servers", request).await;
        taken.nova_fault(409, "conflictingRequest", &format!("Port {} is still in use.", text(&port, "id")));

        // Its port is bound, and says no more of where than its owner may know.
        let bound = cloud.network().until(&port_path, |answer| answer.body["port"]["status"] == "ACTIVE").await["port"].clone();
        assert_eq!((&bound["device_id"], &bound["device_owner"]), (&json!(id), &json!("compute:nova")));
        assert_eq!(bound.get("binding:host_id"), None);
        let interfaces = compute.get(&format!("{path}/os-interface")).await.done(200);
        let interface = &interfaces["interfaceAttachments"][0];
        fields(interface, &["fixed_ips", "mac_addr", "net_id", "port_id", "port_state"]);
        assert_eq!(interface["fixed_ips"], port["fixed_ips"]);

        // Lists.
        let list = async |query: String| ids(&compute.get(&format!("servers?{query}")).await.done(200)["servers"]);
        assert_eq!(list(format!("tags={tag}")).await, [id.as_str()]);
        assert_eq!(list(format!("tags={tag},other")).await, [""; 0]);
        assert_eq!(list(format!("tags-any={tag},other")).await, [id.as_str()]);
        assert_eq!(list(format!("name={}", cloud.name("serv"))).await, [id.as_str()], "the name is a pattern");
        assert_eq!(list(format!("name=%5E{}%24", cloud.name("server"))).await, [id.as_str()]);
        assert_eq!(list(format!("name=%5E{}%24", cloud.name("serv"))).await, [""; 0]);
        assert_eq!(list(format!("status=ACTIVE&tags={tag}")).await, [id.as_str()]);
        let brief = compute.get(&format!("servers?tags={tag}")).await.done(200);
        fields(&brief["servers"][0], &["id", "links", "name"]);
        assert_eq!(brief.get("servers_links"), None);
        let page = compute.get(&format!("servers/detail?tags={tag}&limit=1")).await.done(200);
        fields(&page["servers"][0], FIELDS);
        let next = text(&page["servers_links"][0], "href");
        assert!(page["servers_links"][0]["rel"] == "next" && next.contains(&format!("marker={id}")), "{page}");
        assert_eq!(compute.follow(next).await.done(200), json!({ "servers": [] }), "a full page does not look further");

        // Metadata and tags.
        let more = json!({ "metadata": { "key": "other" } });
        let merged = compute.post(&format!("{path}/metadata"), more).await.done(200);
        assert_eq!(merged, json!({ "metadata": { "contract": "yes", "key": "other" } }));
        compute.delete(&format!("{path}/metadata/key")).await.done(204);
        let gone = compute.delete(&format!("{path}/metadata/key")).await;
        gone.nova_fault(404, "itemNotFound", "Metadata item was not found");
        let replaced = compute.put(&format!("{path}/metadata"), json!({ "metadata": { "a": "b" } })).await.done(200);
        assert_eq!(replaced, json!({ "metadata": { "a": "b" } }));
        compute.put(&format!("{path}/tags/second"), Value::Null).await.done(201);
        compute.put(&format!("{path}/tags/second"), Value::Null).await.done(204);
        compute.delete(&format!("{path}/tags/second")).await.done(204);
        let missing = compute.delete(&format!("{path}/tags/second")).await;
        missing.nova_fault(404, "itemNotFound", &format!("Instance {id} has no tag 'second'"));
        assert_eq!(compute.put(&format!("{path}/tags"), json!({ "tags": [tag] })).await.done(200), json!({ "tags": [tag] }));
        let renamed = compute.put(&path, json!({ "server": { "name": cloud.name("other") } })).await.done(200);
        assert_eq!(renamed["server"]["name"], cloud.name("other"));

        // Actions.
        let act = async |body: Value| compute.post(&format!("{path}/action"), body).await;
        act(json!({ "os-start": null })).await.nova_fault(
            409,
            "conflictingRequest",
            &format!("Cannot 'start' instance {id} while it is in vm_state active"),
        );
        act(json!({ "os-dance": null })).await.nova_fault(400, "badRequest", "There is no such action: os-dance");
        let console = async || act(json!({ "os-getConsoleOutput": { "length": 3 } })).await;
        let spoken = |answer: &crate::harness::Answer| answer.body["output"].as_str().is_some_and(|text| !text.is_empty());
        let console = cloud.until(console, spoken).await.done(200);
        fields(&console, &["output"]);
        assert!(text(&console, "output").lines().count() <= 4, "{console}");

        // A port may be deleted under a server, and one that was given stays behind it.
        let second = ground.port(json!({})).await;
        cloud.network().delete(&port_path).await.done(204);
        compute.delete(&path).await.done(204);
        let end = compute.until(&path, |answer| answer.status == 404).await;
        assert_eq!(end, json!({ "itemNotFound": { "code": 404, "message": format!("Instance {id} could not be found.") } }));
        let free = cloud.network().get(&format!("ports/{}", text(&second, "id"))).await.done(200);
        assert_eq!((&free["port"]["device_id"], &free["port"]["status"]), (&json!(""), &json!("DOWN")));
    })
    .await;
}

#[tokio::test]
async fn a_port_that_was_given_outlives_its_server_and_one_that_nova_made_does_not() {
    contract(async |cloud| {
        let ground = Ground::new(cloud).await;
        let compute = cloud.compute().at("2.64");
        let given = ground.port(json!({})).await;
        let mut wanted = cloud.server_on(&given).await;
        wanted["networks"] = json!([{ "port": given["id"] }, { "uuid": ground.network }]);
        let made = compute.post("servers", json!({ "server": wanted })).await.done(202)["server"].clone();
        let path = format!("servers/{}", text(&made, "id"));
        compute.until(&path, |answer| answer.body["server"]["status"] == "ACTIVE").await;
        let query = format!("ports?device_id={}", text(&made, "id"));
        let ports = cloud.network().get(&query).await.done(200);
        assert_eq!(ids(&ports["ports"]).len(), 2);
        compute.delete(&path).await.done(204);
        compute.until(&path, |answer| answer.status == 404).await;
        let left = cloud.network().get(&format!("ports?network_id={}&device_owner=", ground.network)).await.done(200);
        assert_eq!(ids(&left["ports"]), [text(&given, "id")]);
        assert_eq!((&left["ports"][0]["device_id"], &left["ports"][0]["status"]), (&json!(""), &json!("DOWN")));
    })
    .await;
}
