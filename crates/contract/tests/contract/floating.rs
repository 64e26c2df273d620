//! Neutron's routers and floating IPs.

use crate::harness::{Ground, contract};
use crate::{fields, text};
use serde_json::{Value, json};

#[tokio::test]
async fn a_router_has_an_address_outside_and_shows_its_owner_no_more_than_it_must() {
    contract(async |cloud| {
        let ground = Ground::new(cloud).await;
        let (router, external) = ground.way_out().await;
        let router = cloud.network().get(&format!("routers/{router}")).await.done(200)["router"].clone();
        fields(
            &router,
            &[
                "admin_state_up",
                "availability_zone_hints",
                "availability_zones",
                "created_at",
                "description",
                "external_gateway_info",
                "flavor_id",
                "id",
                "name",
                "project_id",
                "revision_number",
                "routes",
                "status",
                "tags",
                "tenant_id",
                "updated_at",
            ],
        );
        let gateway = &router["external_gateway_info"];
        fields(gateway, &["enable_snat", "external_fixed_ips", "network_id"]);
        assert_eq!((&gateway["network_id"], &gateway["enable_snat"]), (&json!(external), &json!(true)));
        assert!(gateway["external_fixed_ips"][0]["ip_address"].is_string(), "{gateway}");
        assert_eq!(
            (&router["status"], &router["routes"], &router["flavor_id"]),
            (&json!("ACTIVE"), &json!([]), &Value::Null)
        );
    })
    .await;
}

#[tokio::test]
async fn a_router_with_an_interface_stays() {
    contract(async |cloud| {
        let ground = Ground::new(cloud).await;
        let (router, _) = ground.way_out().await;
        let path = format!("routers/{router}");
        let query = format!("ports?device_id={router}&device_owner=network:router_interface");
        let ports = cloud.network().get(&query).await.done(200);
        let in_use = format!("Router {router} has ports still attached: {}", text(&ports["ports"][0], "id"));
        cloud.network().delete(&path).await.neutron_error(409, "RouterInUse", &in_use);
        let again =
            cloud.network().put(&format!("{path}/add_router_interface"), json!({ "subnet_id": ground.subnet })).await;
        again.neutron_error(
            400,
            "BadRequest",
            &format!("Bad router request: Router already has a port on subnet {}.", ground.subnet),
        );
        let island = Ground::new(cloud).await;
        let wrong = json!({ "subnet_id": island.subnet });
        let answer = cloud.network().put(&format!("{path}/remove_router_interface"), wrong).await;
        answer.neutron_error(
            404,
            "RouterInterfaceNotFoundForSubnet",
            &format!("Router {router} has no interface on subnet {}", island.subnet),
        );
        let nowhere = "routers/00000000-0000-0000-0000-000000000000";
        let message = "Router 00000000-0000-0000-0000-000000000000 could not be found";
        cloud.network().get(nowhere).await.neutron_error(404, "RouterNotFound", message);
        let taken = cloud.network().delete(&format!("subnets/{}", ground.subnet)).await;
        taken.neutron_error(
            409,
            "SubnetInUse",
            &format!(
                "Unable to complete operation on subnet {}: One or more ports have an IP allocation from this subnet.",
                ground.subnet
            ),
        );
    })
    .await;
}

#[tokio::test]
async fn a_floating_ip_is_made_and_associated_in_one_request() {
    contract(async |cloud| {
        let ground = Ground::new(cloud).await;
        let (router, external) = ground.way_out().await;
        let port = ground.port(json!({})).await;
        let wanted = json!({ "floating_network_id": external, "port_id": port["id"], "description": "d" });
        let made = cloud.network().create("floatingips", "floatingip", wanted).await;
        fields(
            &made,
            &[
                "created_at",
                "description",
                "fixed_ip_address",
                "floating_ip_address",
                "floating_network_id",
                "id",
                "port_details",
                "port_forwardings",
                "port_id",
                "project_id",
                "revision_number",
                "router_id",
                "status",
                "tags",
                "tenant_id",
                "updated_at",
            ],
        );
        assert_eq!((&made["port_id"], &made["router_id"]), (&port["id"], &json!(router)));
        assert_eq!(made["fixed_ip_address"], port["fixed_ips"][0]["ip_address"]);
        fields(
            &made["port_details"],
            &["admin_state_up", "device_id", "device_owner", "mac_address", "name", "network_id", "status"],
        );
        assert_eq!(made["port_details"]["mac_address"], port["mac_address"]);

        let second =
            cloud.network().create("floatingips", "floatingip", json!({ "floating_network_id": external })).await;
        assert_eq!((&second["status"], &second["port_details"]), (&json!("DOWN"), &Value::Null));
        let path = format!("floatingips/{}", text(&second, "id"));
        let taken = cloud.network().put(&path, json!({ "floatingip": { "port_id": port["id"] } })).await;
        taken.neutron_error(
            409,
            "FloatingIPPortAlreadyAssociated",
            &format!(
                "Cannot associate floating IP {} ({}) with port {} using fixed IP {}, as that fixed IP already has a \
                 floating IP on external network {external}.",
                text(&second, "floating_ip_address"),
                text(&second, "id"),
                text(&port, "id"),
                text(&port["fixed_ips"][0], "ip_address"),
            ),
        );
        let interface = json!({ "subnet_id": ground.subnet });
        let answer = cloud.network().put(&format!("routers/{router}/remove_router_interface"), interface).await;
        answer.neutron_error(
            409,
            "RouterInterfaceInUseByFloatingIP",
            &format!(
                "Router interface for subnet {} on router {router} cannot be deleted, as it is required by one or more \
                 floating IPs.",
                ground.subnet
            ),
        );
    })
    .await;
}

#[tokio::test]
async fn a_floating_ip_outlives_its_port_and_is_free_again() {
    contract(async |cloud| {
        let ground = Ground::new(cloud).await;
        let (_, external) = ground.way_out().await;
        let port = ground.port(json!({})).await;
        let wanted = json!({ "floating_network_id": external, "port_id": port["id"] });
        let made = cloud.network().create("floatingips", "floatingip", wanted).await;
        cloud.network().delete(&format!("ports/{}", text(&port, "id"))).await.done(204);
        let path = format!("floatingips/{}", text(&made, "id"));
        let free = cloud.network().until(&path, |answer| answer.body["floatingip"]["status"] == "DOWN").await;
        let free = &free["floatingip"];
        for key in ["port_id", "fixed_ip_address", "router_id", "port_details"] {
            assert_eq!(free[key], Value::Null, "{key}");
        }
        let other = ground.port(json!({})).await;
        let moved = cloud.network().put(&path, json!({ "floatingip": { "port_id": other["id"] } })).await.done(200);
        assert_eq!(moved["floatingip"]["port_id"], other["id"]);
        let released = cloud.network().put(&path, json!({ "floatingip": { "port_id": null } })).await.done(200);
        assert_eq!(released["floatingip"]["port_id"], Value::Null);
        cloud.network().delete(&path).await.done(204);
        let gone = format!("Floating IP {} could not be found", text(&made, "id"));
        cloud.network().get(&path).await.neutron_error(404, "FloatingIPNotFound", &gone);
    })
    .await;
}

#[tokio::test]
async fn a_floating_ip_needs_an_external_network_and_a_way_there() {
    contract(async |cloud| {
        let island = Ground::new(cloud).await;
        let external = cloud.external_network().await;
        let port = island.port(json!({})).await;
        let post = async |wanted: Value| cloud.network().post("floatingips", json!({ "floatingip": wanted })).await;
        post(json!({ "floating_network_id": external, "port_id": port["id"] })).await.neutron_error(
            404,
            "ExternalGatewayForFloatingIPNotFound",
            &format!(
                "External network {external} is not reachable from subnet {}.  Therefore, cannot associate Port {} with a \
                 Floating IP.",
                island.subnet,
                text(&port, "id")
            ),
        );
        post(json!({ "floating_network_id": island.network })).await.neutron_error(
            400,
            "BadRequest",
            &format!("Bad floatingip request: Network {} is not a valid external network.", island.network),
        );
        let chosen = json!({ "floating_network_id": external, "floating_ip_address": "192.0.2.1" });
        post(chosen).await.neutron_policy("create_floatingip:floating_ip_address");
        let missing = "Failed to parse request. Required attribute 'floating_network_id' not specified";
        post(json!({})).await.neutron_error(400, "HTTPBadRequest", missing);
    })
    .await;
}
