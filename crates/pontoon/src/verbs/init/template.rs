//! The text of a first stack, made from what the cloud has.

use pontoon_core::render;
use serde_json::Value;

use super::addresses::AddressPlan;
use super::facts::{Balances, CloudFacts, NetworkFact, walkthrough_subnet};

/// The file of a stack with one service and one balancer.
pub(super) fn stack_file(stack: &str, cloud: &str, user_data: &str, facts: &CloudFacts) -> String {
    let unknown = NetworkFact::unused("default", walkthrough_subnet());
    let network = facts.networks.first().unwrap_or(&unknown);
    let plan = AddressPlan::of(network);
    let network_name = scalar(&network.name);
    let other_networks: Vec<&str> = facts.networks.iter().skip(1).map(|network| network.name.as_str()).collect();
    let networks = also(&other_networks);
    let (external, externals) = first(&facts.external, "external");
    let (image, images) = first(&facts.images, "Ubuntu 24.04");
    let (flavor, flavors) = first(&facts.flavors, "m1.small");
    let (key, keys) = first(&facts.keys, "default");
    let pool = plan.pool.map_or_else(
        || {
            "  # Neutron gives addresses of its DHCP pool away by itself; each container's is kept by a port of its own.\n"
                .to_owned()
        },
        |pool| {
            format!(
                "  # Neutron gives addresses of its DHCP pool away by itself: hosts, routers and VIPs have theirs from there.\n  \
                 # It is narrowed so far, and `pontoon down` widens it again.\n  dhcp_pool: {pool}\n"
            )
        },
    );
    let containers = plan.containers;
    format!(
        "\
# A website in one container on one host{behind}.
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
{pool}  # Containers have theirs from here; no port held one of them when this was written.
  containers: {containers}

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

{balancers}",
        stack = scalar(stack),
        cloud = scalar(cloud),
        subnet = network.subnet.trunc(),
        behind = match facts.balances {
            Balances::Yes => ", behind a load balancer with a floating IP",
            Balances::No => "",
        },
        balancers = match facts.balances {
            Balances::Yes => BALANCERS,
            Balances::No => NO_BALANCERS,
        },
    )
}

/// What publishes the service.
const BALANCERS: &str = "\
balancers:
  web:
    service: website
    listen: 80
    protocol: http
    floating_ip: true
    allow: [0.0.0.0/0]       # a website is for everyone
";

/// What stands there where nothing can publish it.
const NO_BALANCERS: &str = "\
# This cloud has no load balancers (Octavia), so the website answers on the network only.
balancers: {}
";

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
    render::yaml(&Value::from(name)).trim_end().to_owned()
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
            networks: vec![NetworkFact::unused("# net: {x}", "10.1.0.0/16".parse().unwrap())],
            external: odd("yes"),
            images: odd("Ubuntu \"24.04\": [lts]"),
            flavors: odd("0x10"),
            keys: odd("'me'"),
            balances: Balances::Yes,
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
            let network = NetworkFact::unused("small", subnet.parse().unwrap());
            check(&CloudFacts { networks: vec![network], ..CloudFacts::default() });
        }
    }

    #[test]
    fn a_cloud_without_load_balancers_gets_a_stack_without_them() {
        let facts = CloudFacts { balances: Balances::No, ..CloudFacts::embedded() };
        assert!(check(&facts).stack.balancers.is_empty());
    }

    #[test]
    fn a_first_file_for_the_embedded_cloud_has_nothing_to_warn_of() {
        assert_eq!(check(&CloudFacts::embedded()).warnings, []);
    }
}
