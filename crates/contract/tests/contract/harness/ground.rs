//! A network of the test's own, and what is often needed on it.

use super::ledger::Undo;
use super::tenancy::Tenancy;
use serde_json::{Value, json};

/// A network with one subnet, 10.77.0.0/24, that belongs to nobody else.
pub struct Ground<'a> {
    tenancy: &'a Tenancy,
    /// The network's id.
    pub network: String,
    /// The subnet's id.
    pub subnet: String,
}

impl<'a> Ground<'a> {
    /// Makes it.
    pub async fn new(tenancy: &'a Tenancy) -> Self {
        let network = tenancy.network().create("networks", "network", json!({ "name": tenancy.name("net") })).await;
        let wanted = json!({ "name": tenancy.name("subnet"), "network_id": network["id"], "ip_version": 4,
                             "cidr": "10.77.0.0/24" });
        let subnet = tenancy.network().create("subnets", "subnet", wanted).await;
        Self { tenancy, network: id(&network), subnet: id(&subnet) }
    }

    /// Makes a port on it with these attributes, and answers it.
    pub async fn port(&self, attributes: Value) -> Value {
        let mut wanted = json!({ "network_id": self.network, "name": self.tenancy.name("port") });
        wanted.as_object_mut().unwrap().extend(attributes.as_object().unwrap().clone());
        self.tenancy.network().create("ports", "port", wanted).await
    }

    /// Makes a router between it and the external network, and answers the router's id and the external network's.
    pub async fn way_out(&self) -> (String, String) {
        let external = self.tenancy.external_network().await;
        let wanted =
            json!({ "name": self.tenancy.name("router"), "external_gateway_info": { "network_id": external } });
        let router = id(&self.tenancy.network().create("routers", "router", wanted).await);
        let path = format!("routers/{router}/add_router_interface");
        self.tenancy.network().put(&path, json!({ "subnet_id": self.subnet })).await.done(200);
        self.tenancy.ledger.note([Undo::interface(&router, &self.subnet)]);
        (router, external)
    }
}

impl Tenancy {
    /// The id of an external network.
    pub async fn external_network(&self) -> String {
        id(&self.network().get("networks?router:external=true").await.done(200)["networks"][0])
    }

    /// Attributes of a server: the first image that is no kernel, the smallest flavor, this network.
    pub async fn server_on(&self, port: &Value) -> Value {
        let images = self.image().get("images?status=active&disk_format=qcow2").await.done(200);
        let images = images["images"].as_array().unwrap();
        let image = images.iter().find(|image| image["name"] != "amphora").expect("an image");
        let flavors = self.compute().get("flavors/detail").await.done(200);
        let smallest = flavors["flavors"].as_array().unwrap().iter().min_by_key(|flavor| flavor["ram"].as_u64());
        json!({ "name": self.name("server"), "imageRef": image["id"], "flavorRef": smallest.unwrap()["id"],
                "networks": [{ "port": port["id"] }] })
    }
}

fn id(object: &Value) -> String {
    object["id"].as_str().unwrap_or_else(|| panic!("no id in {object}")).to_owned()
}
