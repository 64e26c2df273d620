//! Packets get lost at one layer after the other, and `doctor` names that one: as it is in the cloud, and not only as its
//! APIs say.

use std::time::Duration;

use pontoon_cloud::lxd::StateAction;
use pontoon_core::path::{Finding, Layer, Path};
use pontoon_core::spec::model::Stack;
use pontoon_sim::world::World;
use pontoon_sim::world::security::Direction;

use super::fixture::{Bench, example, stack};
use crate::verbs::doctor;

async fn paths(bench: &Bench, stack: &Stack) -> Vec<Path> {
    let site = bench.site(&stack.name);
    doctor::paths(&site, stack, |_, _| true).await.map_err(|failure| failure.json()).unwrap()
}

fn is_open(layer: &Layer) -> bool {
    matches!(layer.finding, Finding::Passes | Finding::Vouches)
}

/// The website, running.
async fn website() -> (Bench, Stack) {
    let (bench, stack) = (Bench::new().await, example("blog", &[]));
    bench.built(&stack).await;
    (bench, stack)
}

/// Where packets to the only container get lost; `up` mends it where `is_mended`.
async fn lost_at((bench, stack): &(Bench, Stack), is_mended: bool) -> String {
    // Octavia's monitor takes a moment to notice, and what it says is not needed: the layers themselves are looked at.
    let paths = paths(bench, stack).await;
    let culprit = paths[0].culprit().unwrap_or_else(|| panic!("they get through: {paths:?}"));
    let name = culprit.name.clone();
    if is_mended {
        assert_eq!(culprit.hint.as_deref(), Some("`pontoon up` mends it"), "{culprit:?}");
        bench.built(stack).await;
        let paths = self::paths(bench, stack).await;
        assert_eq!(paths[0].culprit(), None, "{paths:?}");
    }
    name
}

fn change(bench: &Bench, change: impl FnOnce(&mut World)) {
    bench.cloud.world().change(change);
}

#[tokio::test]
async fn where_nothing_is_wrong_every_layer_lets_packets_through() {
    let (bench, stack) = website().await;
    let before = bench.cloud.world().request_count();
    let paths = paths(&bench, &stack).await;
    assert_eq!(paths.len(), 1);
    assert!(paths[0].layers.iter().all(is_open), "{paths:?}");
    assert_eq!(paths[0].layers.len(), 12, "{paths:?}");
    assert_eq!(bench.writes_after(before), Vec::<String>::new(), "it only looks");
}

#[tokio::test]
async fn every_container_is_asked_from_its_own_host_and_from_the_other_one() {
    let (bench, stack) = (Bench::new().await, example("shop", &[]));
    bench.built(&stack).await;
    let paths = paths(&bench, &stack).await;
    assert_eq!(paths.len(), 14, "{paths:?}");
    for path in &paths {
        assert!(path.layers.iter().all(is_open), "{path:?}");
        assert!(path.layers.iter().any(|layer| layer.name.starts_with("network from lxd")), "{path:?}");
        assert_eq!(path.balancer.is_some(), stack.balancers.values().any(|one| one.service == path.service));
    }
}

#[tokio::test]
async fn a_floating_ip_that_leads_nowhere() {
    let site = website().await;
    change(&site.0, |world| {
        let of_vip = world.floatingips.values_mut().filter(|one| one.meta.description.ends_with("floating-ip/vip-web"));
        of_vip.for_each(pontoon_sim::world::floating::FloatingIp::release);
    });
    assert_eq!(lost_at(&site, true).await, "floating-ip/vip-web");
}

#[tokio::test]
async fn a_router_without_a_way_out() {
    let site = website().await;
    change(&site.0, |world| world.routers.values_mut().for_each(|router| router.external_gateway_info = None));
    assert_eq!(lost_at(&site, false).await, "router");
}

#[tokio::test]
async fn a_router_that_is_switched_off_shows_in_no_list_and_leaves_the_visitor_without_an_answer() {
    let site = website().await;
    change(&site.0, |world| world.routers.values_mut().for_each(|router| router.admin_state_up = false));
    let name = lost_at(&site, false).await;
    assert!(name.starts_with("http://"), "{name}");
}

/// Takes every ingress rule of a security group away.
fn without_rules(bench: &Bench, group: &str) {
    change(bench, |world| {
        let named = world.security_groups.values().filter(|one| one.meta.name == group);
        let ids: Vec<String> = named.map(|one| one.meta.id.clone()).collect();
        let stays = |rule: &pontoon_sim::world::security::Rule| {
            !ids.contains(&rule.security_group_id)
                || rule.direction != Direction::Ingress
                || rule.port_range_min == Some(22)
        };
        world.security_group_rules.retain(|_, rule| stays(rule));
    });
}

#[tokio::test]
async fn a_vip_that_lets_nobody_in() {
    let site = website().await;
    without_rules(&site.0, "blog-vip-web");
    assert_eq!(lost_at(&site, true).await, "rule/vip-web");
}

#[tokio::test]
async fn a_host_that_lets_no_balancer_in() {
    let site = website().await;
    without_rules(&site.0, "blog-hosts-lxd");
    assert_eq!(lost_at(&site, true).await, "rule/hosts-lxd");
}

#[tokio::test]
async fn a_pair_that_somebody_took_away() {
    let site = website().await;
    change(&site.0, |world| world.ports.values_mut().for_each(|port| port.allowed_address_pairs.clear()));
    assert_eq!(lost_at(&site, true).await, "pairs/lxd0");
}

#[tokio::test]
async fn a_listener_that_somebody_deleted() {
    let site = website().await;
    let client = site.0.client();
    let listeners = client.listeners(&[]).await.unwrap();
    client.delete_listener(&listeners[0].id).await.unwrap();
    assert_eq!(lost_at(&site, true).await, "listener/web");
}

#[tokio::test]
async fn a_server_that_is_stopped() {
    let site = website().await;
    let client = site.0.client();
    let servers = client.servers(&[]).await.unwrap();
    client.act_on_server(&servers[0].id, pontoon_cloud::openstack::compute::Action::Stop).await.unwrap();
    assert_eq!(lost_at(&site, true).await, "host/lxd0");
}

#[tokio::test]
async fn a_container_that_is_stopped() {
    let site = website().await;
    let (_, engine) = site.0.engine_on(&site.1, "lxd0").await;
    engine.set_instance_state("hugo-0", StateAction::ForceStop, Duration::from_secs(10)).await.unwrap();
    assert_eq!(lost_at(&site, true).await, "container/hugo-0");
}

#[tokio::test]
async fn a_container_that_dnsmasq_gives_no_address() {
    let site = website().await;
    let (place, engine) = site.0.engine_on(&site.1, "lxd0").await;
    let command =
        format!("sudo rm {}/hugo-0 && sudo systemctl reload dnsmasq", pontoon_core::render::DHCP_HOSTS_DIRECTORY);
    place.hosts.run("lxd0", &command, &[]).await.unwrap();
    // A lease that was given is good until it ends: with the container.
    let limit = Duration::from_secs(10);
    engine.set_instance_state("hugo-0", StateAction::ForceStop, limit).await.unwrap();
    engine.set_instance_state("hugo-0", StateAction::Start, limit).await.unwrap();
    assert_eq!(lost_at(&site, false).await, "address");
}

#[tokio::test]
async fn a_service_that_nobody_started() {
    let text = "\
stack: idle
network: {name: default, external: external, containers: 192.168.0.100-192.168.0.110}
hosts: {lxd: {image: Ubuntu 24.04, flavor: dc1.2x4.40, key: datacentred, ssh_from: [0.0.0.0/0], floating_ip: true}}
services: {idle: {image: 'ubuntu:24.04', port: 8080}}
";
    let site = (Bench::new().await, stack(text, &[]));
    // It is never proven to answer; all else is there.
    site.0.up(&site.1).await;
    assert_eq!(lost_at(&site, false).await, "service idle");
}
