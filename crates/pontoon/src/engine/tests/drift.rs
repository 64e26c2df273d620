//! Something of a running stack is damaged behind our back: the website stops answering, the plan names the cause, and
//! the next `up` repairs exactly that.

use pontoon_cloud::lxd::StateAction;
use pontoon_cloud::openstack::compute::Action;
use pontoon_core::spec::model::Stack;
use pontoon_sim::world::balancer::Provisioning;
use pontoon_sim::world::floating::FloatingIp;
use pontoon_sim::world::security::Direction;
use std::time::Duration;

use super::fixture::{Bench, example, step, told};
use crate::event::{Report, RunOutcome};

/// What a visitor of the website notices.
#[derive(Clone, Copy, Debug)]
enum Notices {
    /// It answers as before.
    Nothing,
    /// The balancer answers that nobody is there.
    Status503,
    /// No answer comes at all.
    Silence,
}

/// The website, running.
async fn website() -> (Bench, Stack, Report) {
    let bench = Bench::new().await;
    let stack = example("blog", &[]);
    let report = bench.built(&stack).await;
    assert_eq!(bench.visit(&report, "web").await.unwrap().0, 200);
    (bench, stack, report)
}

/// Sees what the visitor notices and that the plan's step on `label` says `reason`; then repairs.
async fn repaired(
    (bench, stack, report): (Bench, Stack, Report),
    notices: Notices,
    label: &str,
    reason: &str,
) -> Bench {
    let visit = bench.visit(&report, "web").await;
    match notices {
        Notices::Nothing => assert_eq!(visit.unwrap().0, 200),
        Notices::Status503 => assert_eq!(visit.unwrap().0, 503),
        Notices::Silence => assert_eq!(visit, None),
    }
    let plan = bench.plan(&stack).await;
    assert!(plan.blocked.is_empty(), "{}", told(&plan));
    let step = step(&plan, label);
    assert!(step.reason.contains(reason), "{}", told(&plan));
    let report = bench.built(&stack).await;
    assert_eq!(bench.visit(&report, "web").await.unwrap().0, 200);
    assert_eq!(bench.traces(&stack.name), undamaged().await, "the repair leaves what a first `up` leaves");
    bench
}

/// The traces of a website that nobody damaged.
async fn undamaged() -> Vec<String> {
    static TRACES: tokio::sync::OnceCell<Vec<String>> = tokio::sync::OnceCell::const_new();
    let traces = TRACES.get_or_init(|| async {
        let (bench, stack, _) = website().await;
        bench.traces(&stack.name)
    });
    traces.await.clone()
}

#[tokio::test]
async fn a_second_up_writes_nothing() {
    let (bench, stack, _) = website().await;
    let before = bench.cloud.world().request_count();
    let report = bench.up(&stack).await;
    assert_eq!(report.outcome, RunOutcome::Unchanged, "{report:?}");
    assert_eq!(bench.visit(&report, "web").await.unwrap().0, 200);
    assert_eq!(bench.writes_after(before), Vec::<String>::new());
}

#[tokio::test]
async fn a_removed_pair_comes_back() {
    let site = website().await;
    site.0.cloud.world().change(|world| {
        for port in world.ports.values_mut().filter(|port| port.meta.description == "pontoon:blog:port/lxd0") {
            port.allowed_address_pairs.clear();
            port.meta.touch(world.now);
        }
    });
    repaired(site, Notices::Status503, "pairs/lxd0", "port security drops packets of 192.168.0.100").await;
}

/// Takes every ingress rule of a security group away.
fn without_rules(bench: &Bench, group: &str) {
    bench.cloud.world().change(|world| {
        let groups = world.security_groups.values().filter(|one| one.meta.name == group);
        let ids: Vec<String> = groups.map(|one| one.meta.id.clone()).collect();
        assert_eq!(ids.len(), 1, "{group}");
        world
            .security_group_rules
            .retain(|_, rule| !ids.contains(&rule.security_group_id) || rule.direction != Direction::Ingress);
    });
}

#[tokio::test]
async fn a_removed_rule_of_the_balancer_comes_back() {
    let site = website().await;
    without_rules(&site.0, "blog-vip-web");
    repaired(site, Notices::Silence, "rule/vip-web", "to let in tcp 80 from anywhere").await;
}

#[tokio::test]
async fn removed_rules_of_the_hosts_come_back() {
    let site = website().await;
    without_rules(&site.0, "blog-hosts-lxd");
    repaired(site, Notices::Status503, "rule/hosts-lxd", "tcp 8080 from 192.168.0.0/24").await;
}

#[tokio::test]
async fn a_floating_ip_that_was_taken_off_leads_to_the_balancer_again() {
    let site = website().await;
    site.0.cloud.world().change(|world| {
        let key = "pontoon:blog:floating-ip/vip-web";
        world.floatingips.values_mut().filter(|one| one.meta.description == key).for_each(FloatingIp::release);
    });
    // The next request of anybody's lets the sockets follow.
    site.0.client().floating_ips(&[]).await.unwrap();
    repaired(site, Notices::Silence, "floating-ip/vip-web", "leads elsewhere").await;
}

#[tokio::test]
async fn a_deleted_server_is_booted_again_with_its_container() {
    let site = website().await;
    let client = site.0.client();
    let id = site.0.cloud.world().change(|world| world.servers.values().next().unwrap().meta.id.clone());
    client.delete_server(&id).await.unwrap();
    while client.server(&id).await.is_ok() {
        tokio::task::yield_now().await;
    }
    repaired(site, Notices::Status503, "host/lxd0", "it does not exist").await;
}

#[tokio::test]
async fn a_stopped_server_is_started() {
    let site = website().await;
    let client = site.0.client();
    let id = site.0.cloud.world().change(|world| world.servers.values().next().unwrap().meta.id.clone());
    client.act_on_server(&id, Action::Stop).await.unwrap();
    repaired(site, Notices::Status503, "host/lxd0", "Nova calls it SHUTOFF").await;
}

#[tokio::test]
async fn a_stopped_container_is_started() {
    let site = website().await;
    let (_, engine) = site.0.engine_on(&site.1, "lxd0").await;
    engine.set_instance_state("hugo-0", StateAction::ForceStop, Duration::from_secs(10)).await.unwrap();
    repaired(site, Notices::Status503, "container/hugo-0", "it is stopped").await;
}

#[tokio::test]
async fn a_deleted_container_is_made_again() {
    let site = website().await;
    let (_, engine) = site.0.engine_on(&site.1, "lxd0").await;
    engine.set_instance_state("hugo-0", StateAction::ForceStop, Duration::from_secs(10)).await.unwrap();
    engine.delete_instance("hugo-0", Duration::from_secs(10)).await.unwrap();
    repaired(site, Notices::Status503, "container/hugo-0", "it does not exist").await;
}

#[tokio::test]
async fn a_container_that_dnsmasq_forgot_becomes_known_again() {
    let site = website().await;
    let (place, _) = site.0.engine_on(&site.1, "lxd0").await;
    let command = format!("sudo rm {}/hugo-0", pontoon_core::render::DHCP_HOSTS_DIRECTORY);
    place.hosts.run("lxd0", &command, &[]).await.unwrap();
    // A lease that was given is good until it ends.
    repaired(site, Notices::Nothing, "dhcp-host/lxd0/hugo-0", "so that dnsmasq answers it").await;
}

#[tokio::test]
async fn a_changed_profile_is_written_again() {
    let site = website().await;
    let (_, engine) = site.0.engine_on(&site.1, "lxd0").await;
    let (profile, etag) = engine.profile("hugo").await.unwrap();
    let mut content = profile.content;
    content.config.insert("limits.cpu".to_owned(), "1".to_owned());
    engine.replace_profile("hugo", &content, Some(&etag)).await.unwrap();
    repaired(site, Notices::Nothing, "profile/lxd0/hugo", "it differs from the file").await;
}

#[tokio::test]
async fn a_deleted_listener_is_made_again() {
    let site = website().await;
    let client = site.0.client();
    let listeners = client.listeners(&[]).await.unwrap();
    client.delete_listener(&listeners[0].id).await.unwrap();
    while !client.listeners(&[]).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    repaired(site, Notices::Silence, "listener/web", "it does not exist").await;
}

#[tokio::test]
async fn a_deleted_load_balancer_is_made_again_under_its_address() {
    let site = website().await;
    let client = site.0.client();
    let url = site.2.endpoints[0].url.clone();
    let balancers = client.load_balancers(&[]).await.unwrap();
    client.delete_load_balancer(&balancers[0].id).await.unwrap();
    while !client.load_balancers(&[]).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    let stack = site.1.clone();
    let bench = repaired(site, Notices::Silence, "balancer/web", "it does not exist").await;
    assert_eq!(bench.up(&stack).await.endpoints[0].url, url, "the floating IP is the one that visitors know");
}

#[tokio::test]
async fn a_member_in_error_has_its_balancer_built_anew() {
    let site = website().await;
    site.0.cloud.world().change(|world| {
        world.members.values_mut().for_each(|member| member.provisioning_status = Provisioning::Error);
    });
    let (bench, stack, _) = site;
    let plan = bench.plan(&stack).await;
    assert!(step(&plan, "balancer/web").reason.contains("its member is in ERROR"), "{}", told(&plan));
    let report = bench.built(&stack).await;
    assert_eq!(bench.visit(&report, "web").await.unwrap().0, 200);
}
