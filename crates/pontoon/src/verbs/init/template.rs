//! The text of a first stack, made from what the cloud has.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde_json::Value;

use crate::show::yaml;

/// What a cloud has that a first stack can stand on. The first of each is taken, the others are named in a comment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CloudFacts {
    /// Networks that the project owns, with an IPv4 subnet each.
    pub(crate) networks: Vec<NetworkFact>,
    /// Names of external networks.
    pub(crate) external: Vec<String>,
    /// Names of images that can become hosts.
    pub(crate) images: Vec<String>,
    /// Names of flavors.
    pub(crate) flavors: Vec<String>,
    /// Names of key pairs.
    pub(crate) keys: Vec<String>,
}

/// A network and its subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NetworkFact {
    /// Its name.
    pub(crate) name: String,
    /// Its IPv4 subnet.
    pub(crate) subnet: Ipv4Net,
}

impl CloudFacts {
    /// What the embedded cloud has when it is new.
    pub(crate) fn embedded() -> Self {
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
        Self {
            networks: vec![NetworkFact { name: "default".to_owned(), subnet: walkthrough_subnet() }],
            external: names(&["external"]),
            images: names(&["Ubuntu 24.04", "Ubuntu 22.04", "Debian 12", "Debian 13"]),
            flavors: names(&["dc1.2x4.40", "dc1.1x2.20", "dc1.4x8.80"]),
            keys: names(&["datacentred"]),
        }
    }
}

fn walkthrough_subnet() -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 24)
}

/// The file of a stack with one service and one balancer.
pub(super) fn stack_file(stack: &str, cloud: &str, user_data: &str, facts: &CloudFacts) -> String {
    let network = facts.networks.first();
    let subnet = network.map_or_else(walkthrough_subnet, |network| network.subnet);
    let plan = AddressPlan::of(subnet);
    let network_name = scalar(network.map_or("default", |network| network.name.as_str()));
    let other_networks: Vec<&str> = facts.networks.iter().skip(1).map(|network| network.name.as_str()).collect();
    let networks = also(&other_networks);
    let (external, externals) = first(&facts.external, "external");
    let (image, images) = first(&facts.images, "Ubuntu 24.04");
    let (flavor, flavors) = first(&facts.flavors, "m1.small");
    let (key, keys) = first(&facts.keys, "default");
    let (first_container, last_container) = plan.containers;
    let pool = plan.pool.map_or_else(String::new, |(first, last)| format!("  dhcp_pool: {first}-{last}\n"));
    format!(
        "\
# A website in one container on one host, behind a load balancer with a floating IP.
#
#   pontoon plan     shows what would be made, and why
#   pontoon up       makes it, and prints the URL when it has answered
#   pontoon down     takes all of it away again
#
# `pontoon schema` prints what may stand in this file.

# Everything that this stack makes carries its name.
stack: {stack}

# An entry of clouds.yaml; `embedded` is the simulated cloud that comes with Pontoon. What another cloud calls its
# images and flavors goes into `pontoon.<cloud>.yaml` beside this file, or on the command line: --set PATH=VALUE
cloud: {cloud}

network:
  name: {network_name}{networks}
  external: {external}{externals}
  subnet: {subnet}
  # Neutron gives addresses of its DHCP pool away by itself, so containers have theirs elsewhere.
{pool}  containers: {first_container}-{last_container}

hosts:
  lxd:                       # the hosts of this group are lxd0, lxd1, …
    count: 1
    image: {image}{images}
    flavor: {flavor}{flavors}
    key: {key}{keys}
    ssh_from: [0.0.0.0/0]    # narrow this to your own network, such as [198.51.100.0/24]
    floating_ip: true        # the way in; of several hosts, the first one is the jump host of the others

services:
  website:                   # its containers are website-0, website-1, …
    image: ubuntu:24.04
    replicas: 1
    port: 8080
    user_data: {user_data}   # what a container does on its first boot
    announce:
      capabilities: [website]
      monitor: [{{http: /}}]

balancers:
  web:
    service: website
    listen: 80
    protocol: http
    floating_ip: true
    allow: [0.0.0.0/0]
",
        stack = scalar(stack),
        cloud = scalar(cloud),
        subnet = subnet.trunc(),
    )
}

/// What the container of the first stack does: a page of its own, served by what the image already has.
pub(super) fn user_data(stack: &str) -> String {
    format!(
        "\
#cloud-config
# The first boot of a container of service website. cloud-init does this once in the life of a container: when this
# file changes, `pontoon up` replaces the container.

write_files:
  - path: /srv/website/index.html
    content: |
      <!doctype html>
      <meta charset=\"utf-8\">
      <title>{stack}</title>
      <h1>Hello from {stack}</h1>
      <p>This page comes from a container with an address of its own on the Neutron network.</p>

  - path: /etc/systemd/system/website.service
    content: |
      [Unit]
      Description=The website
      Wants=network-online.target
      After=network-online.target

      [Service]
      DynamicUser=yes
      WorkingDirectory=/srv/website
      ExecStart=/usr/bin/python3 -m http.server 8080 --directory /srv/website
      Restart=on-failure
      RestartSec=2

      [Install]
      WantedBy=multi-user.target

# Without `set -e` the script that cloud-init makes of these lines would go on after one that fails.
runcmd:
  - set -eu
  - systemctl daemon-reload
  - systemctl enable --now website.service
"
    )
}

/// Which addresses of a subnet Neutron gives away, and which ones are for containers.
struct AddressPlan {
    pool: Option<(Ipv4Addr, Ipv4Addr)>,
    containers: (Ipv4Addr, Ipv4Addr),
}

impl AddressPlan {
    /// A few low addresses for Neutron, a hundred or half of the subnet for containers. A subnet too small for that is
    /// left to Neutron's pool whole; the reservations keep the containers' addresses.
    fn of(subnet: Ipv4Net) -> Self {
        let base = u32::from(subnet.network());
        let size = u32::from(subnet.broadcast()) - base;
        let at = |offset: u32| Ipv4Addr::from(base.saturating_add(offset));
        if size >= 255 {
            return Self { pool: Some((at(2), at(20))), containers: (at(100), at(199)) };
        }
        Self { pool: None, containers: (at(size / 2), at(size.saturating_sub(1).max(size / 2))) }
    }
}

/// The first name as YAML, and the others as a comment.
fn first(names: &[String], otherwise: &str) -> (String, String) {
    let others: Vec<&str> = names.iter().skip(1).map(String::as_str).collect();
    (scalar(names.first().map_or(otherwise, String::as_str)), also(&others))
}

fn also(others: &[&str]) -> String {
    const MOST_LISTED: usize = 8;
    let listed: Vec<String> =
        others.iter().take(MOST_LISTED).map(|name| name.chars().filter(|c| !c.is_control()).collect()).collect();
    if listed.is_empty() { String::new() } else { format!("   # or {}", listed.join(", ")) }
}

/// A name that somebody else chose, as YAML.
fn scalar(name: &str) -> String {
    yaml::text(&Value::from(name)).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use pontoon_core::spec::{self, Files, SourceText, Sources};

    struct UserData;

    impl Files for UserData {
        fn text(&self, _: &str) -> Result<String, String> {
            Ok(user_data("hello"))
        }
        fn sha256(&self, _: &str) -> Result<String, String> {
            Err("no such file".to_owned())
        }
    }

    fn check(facts: &CloudFacts) -> spec::Loaded {
        let text = stack_file("hello", "my cloud: 2", "website.yaml", facts);
        let main = SourceText::new("pontoon.yaml", text.clone());
        let sources = Sources { main, overlay: None, sets: Vec::new(), cloud: None };
        spec::load(&sources, &UserData).unwrap_or_else(|wrong| unreachable!("{}\n{text}", wrong.render()))
    }

    #[test]
    fn a_first_file_is_valid_whatever_a_cloud_calls_its_things() {
        let odd = |name: &str| vec![name.to_owned(), "another".to_owned()];
        let facts = CloudFacts {
            networks: vec![NetworkFact { name: "# net: {x}".to_owned(), subnet: "10.1.0.0/16".parse().unwrap() }],
            external: odd("yes"),
            images: odd("Ubuntu \"24.04\": [lts]"),
            flavors: odd("0x10"),
            keys: odd("'me'"),
        };
        let stack = check(&facts).stack;
        assert_eq!(stack.cloud, "my cloud: 2");
        assert_eq!(stack.network.name, "# net: {x}");
        assert_eq!(stack.hosts["lxd"].image, "Ubuntu \"24.04\": [lts]");
        assert_eq!(stack.hosts["lxd"].flavor, "0x10");
        assert_eq!(stack.network.containers.to_string(), "10.1.0.100-10.1.0.199");
    }

    #[test]
    fn a_first_file_is_valid_without_knowing_anything_and_in_small_subnets() {
        check(&CloudFacts::default());
        for subnet in ["10.0.0.0/26", "10.0.0.64/28", "10.0.0.0/29"] {
            let network = NetworkFact { name: "small".to_owned(), subnet: subnet.parse().unwrap() };
            check(&CloudFacts { networks: vec![network], ..CloudFacts::default() });
        }
    }

    #[test]
    fn a_first_file_for_the_embedded_cloud_has_nothing_to_warn_of() {
        assert_eq!(check(&CloudFacts::embedded()).warnings, []);
    }
}
