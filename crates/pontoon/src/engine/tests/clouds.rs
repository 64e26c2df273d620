//! Clouds that differ: older Octavias, graphs that get stuck, networks of others, missing extensions, short quotas. What
//! makes a stack impossible is named before the first write.

use std::net::Ipv4Addr;

use pontoon_cloud::openstack::network::NewFloatingIp;
use pontoon_core::spec::model::Stack;
use pontoon_sim::NetworkOwner;
use pontoon_sim::world::Meta;
use pontoon_sim::world::faults::{Effect, Fault, When};

use super::fixture::{Bench, example, told};
use crate::event::RunOutcome;

/// Sees that nothing is written, and returns what stands in the way.
async fn blocked(bench: &Bench, stack: &Stack) -> String {
    let before = bench.cloud.world().request_count();
    let report = bench.up(stack).await;
    assert_eq!(report.outcome, RunOutcome::Blocked, "{report:?}");
    assert_eq!(bench.writes_after(before), Vec::<String>::new());
    let plan = bench.plan(stack).await;
    plan.blocked.iter().map(|one| format!("{}: {} ({})\n", one.subject, one.reason, one.hint)).collect()
}

#[tokio::test]
async fn every_octavia_guards_the_balancer_in_its_own_way() {
    for minor in [5, 11, 12, 26, 28, 29] {
        let bench = Bench::with(|config| config.octavia_minor = minor).await;
        let report = bench.built(&example("blog", &[])).await;
        assert_eq!(bench.visit(&report, "web").await.unwrap().0, 200, "2.{minor}");
        let some = example("blog", &["balancers.web.allow=[127.0.0.0/8]"]);
        if minor < 12 {
            let why = blocked(&bench, &some).await;
            assert!(why.starts_with("balancer `web`: its `allow` cannot be kept"), "2.{minor}: {why}");
        } else {
            let report = bench.built(&some).await;
            assert_eq!(bench.visit(&report, "web").await.unwrap().0, 200, "2.{minor}");
        }
        assert_eq!(bench.down("blog").await.outcome, RunOutcome::Removed, "2.{minor}");
        assert_eq!(bench.traces("blog"), Vec::<String>::new(), "2.{minor}");
    }
}

#[tokio::test]
async fn who_is_not_on_the_list_gets_no_answer_and_up_ends_well_all_the_same() {
    for minor in [12, 29] {
        let bench = Bench::with(|config| config.octavia_minor = minor).await;
        let stack = example("blog", &["balancers.web.allow=[198.51.100.0/24]"]);
        let report = bench.built(&stack).await;
        assert_eq!(bench.visit(&report, "web").await, None, "2.{minor}");
        let report = bench.built(&example("blog", &[])).await;
        assert_eq!(bench.visit(&report, "web").await.unwrap().0, 200, "2.{minor}");
    }
}

#[tokio::test]
async fn with_the_provider_ovn_the_site_is_served_by_tcp_and_the_hosts_keep_strangers_out() {
    let bench = Bench::with(|config| config.octavia_providers = vec!["ovn".to_owned()]).await;
    let stack = example("blog", &["services.hugo.replicas=2"]);
    let plan = bench.plan(&stack).await;
    assert!(plan.notes.iter().any(|note| note.contains("TCP in place of HTTP")), "{:?}", plan.notes);
    let report = bench.built(&stack).await;
    assert_eq!(bench.visit(&report, "web").await.unwrap().0, 200);
    let pool = bench.client().pools(&[]).await.unwrap().remove(0);
    assert_eq!((pool.protocol.as_str(), pool.lb_algorithm.as_str()), ("TCP", "SOURCE_IP_PORT"));
    let strangers = ["services.hugo.replicas=2", "balancers.web.allow=[198.51.100.0/24]"];
    let report = bench.up(&example("blog", &strangers)).await;
    assert_eq!(report.outcome, RunOutcome::Converged, "{report:?}");
    let answer = tokio::time::timeout(std::time::Duration::from_secs(5), bench.visit(&report, "web")).await;
    assert!(!matches!(answer, Ok(Some(_))), "{answer:?}");
    assert_eq!(bench.down("blog").await.outcome, RunOutcome::Removed);
    assert_eq!(bench.traces("blog"), Vec::<String>::new());
}

#[tokio::test]
async fn a_balancer_changes_its_provider() {
    let bench = Bench::new().await;
    bench.built(&example("blog", &[])).await;
    let report = bench.built(&example("blog", &["balancers.web.provider=ovn"])).await;
    assert_eq!(bench.visit(&report, "web").await.unwrap().0, 200);
    let balancers = bench.client().load_balancers(&[]).await.unwrap();
    assert_eq!(balancers.iter().map(|one| one.provider.as_str()).collect::<Vec<_>>(), ["ovn"]);
}

#[tokio::test]
async fn a_dead_octavia_holds_up_nobody_who_wants_no_balancer_and_down_does_not_claim_to_be_done() {
    let bench = Bench::new().await;
    let alone = "
stack: alone
cloud: embedded
network: {name: default, external: external, containers: 192.168.0.100-192.168.0.199}
hosts:
  lxd: {image: Ubuntu 24.04, flavor: dc1.2x4.40, key: datacentred, ssh_from: [0.0.0.0/0]}
services:
  worker: {image: \"ubuntu:24.04\"}
";
    let alone = super::fixture::stack(alone, &[]);
    let dead = When::Matches { method: "*".to_owned(), path: "/lbaas/".to_owned() };
    let effect = Effect::Status { code: 503, retry_after: None };
    bench.cloud.world().add_fault(Fault { when: dead, then: effect, count: u32::MAX });
    let plan = bench.plan(&alone).await;
    assert!(plan.notes.iter().any(|note| note.contains("could not be looked at")), "{:?}", plan.notes);
    assert_eq!(bench.up(&alone).await.outcome, RunOutcome::Converged);
    let report = bench.up(&example("blog", &[])).await;
    assert_eq!(report.outcome, RunOutcome::Failed, "a file with balancers needs Octavia: {report:?}");

    let report = bench.down("alone").await;
    assert_eq!(report.outcome, RunOutcome::Failed, "{report:?}");
    assert!(
        report.failures[0].starts_with("whether load balancers of the stack are left is not known: "),
        "{report:?}"
    );
    assert_eq!(bench.traces("alone"), Vec::<String>::new(), "all that could be seen is gone");
    bench.cloud.world().change(|world| world.settings.faults.faults.clear());
    assert_eq!(bench.down("alone").await.outcome, RunOutcome::Unchanged);
}

#[tokio::test]
async fn a_graph_that_gets_stuck_is_rebuilt_piece_by_piece() {
    let bench = Bench::new().await;
    let whole = When::Matches { method: "POST".to_owned(), path: "/loadbalancers$".to_owned() };
    bench.cloud.world().add_fault(Fault { when: whole, then: Effect::GraphStuck, count: 1 });
    let stack = example("blog", &[]);
    let report = bench.up_asking(&stack, crate::engine::Answer::Nobody).await;
    assert_eq!(report.outcome, RunOutcome::Converged, "what this very run made it may make again: {report:?}");
    assert_eq!(bench.visit(&report, "web").await.unwrap().0, 200);
    assert!(bench.plan(&stack).await.is_empty());
    let posts = bench.cloud.world().requests();
    let posts: Vec<_> = posts.iter().filter(|one| one.method == "POST" && one.path.ends_with("/listeners")).collect();
    assert_eq!(posts.len(), 1, "the second balancer was not made as a graph");
}

#[tokio::test]
async fn a_network_of_another_project_blocks_with_the_rule_behind_it() {
    let bench = Bench::with(|config| config.network_owner = NetworkOwner::Another).await;
    let why = blocked(&bench, &example("blog", &[])).await;
    assert!(why.contains("network `default`: it belongs to another project"), "{why}");
    assert!(why.contains("only the owner of a network"), "{why}");
}

#[tokio::test]
async fn without_the_port_security_extension_pairs_do_and_open_does_not() {
    let without = |alias: &'static str| {
        Bench::with(move |config| {
            config.extensions.remove(alias);
        })
    };
    let bench = without("port-security").await;
    let why = blocked(&bench, &example("blog", &["network.attach=open"])).await;
    assert!(why.contains("lacks Neutron's extension `port-security`"), "{why}");
    assert!(why.contains("use `attach: pair-mac`"), "{why}");
    let report = bench.built(&example("blog", &[])).await;
    assert_eq!(bench.visit(&report, "web").await.unwrap().0, 200);

    let bench = without("allowed-address-pairs").await;
    let why = blocked(&bench, &example("blog", &["network.attach=pair-mac"])).await;
    assert!(why.contains("lacks Neutron's extension `allowed-address-pairs`"), "{why}");
    let report = bench.built(&example("blog", &[])).await;
    assert_eq!(bench.visit(&report, "web").await.unwrap().0, 200);
}

#[tokio::test]
async fn a_short_quota_is_named_before_anything_is_made() {
    for (resource, limit, named) in [
        ("instances", 0, "quota `instances`: the plan makes 1, and 0 of 0 are left"),
        ("cores", 1, "quota `cores`: the plan makes 2, and 1 of 1 are left"),
        ("ram", 2048, "quota `ram`: the plan makes 4096, and 2048 of 2048 are left"),
        ("port", 4, "quota `port`: the plan makes "),
        ("floatingip", 1, "quota `floatingip`: the plan makes 2, and 1 of 1 are left"),
        ("security_group", 2, "quota `security_group`: the plan makes 2, and 1 of 2 are left"),
        ("load_balancer", 0, "quota `load_balancer`: the plan makes 1, and 0 of 0 are left"),
    ] {
        let bench = Bench::with(|config| {
            let quotas = &mut config.quotas;
            for table in [&mut quotas.network, &mut quotas.compute, &mut quotas.balancer] {
                table.entry(resource.to_owned()).and_modify(|old| *old = limit);
            }
        })
        .await;
        let why = blocked(&bench, &example("blog", &[])).await;
        assert!(why.starts_with(named) && why.lines().count() == 1, "{resource}: {why}");
    }
}

#[tokio::test]
async fn an_address_that_neutrons_dhcp_server_sits_on_is_refused_by_name() {
    let bench = Bench::with(|config| config.dhcp_address = Some(Ipv4Addr::new(192, 168, 0, 100))).await;
    let why = blocked(&bench, &example("blog", &[])).await;
    assert!(why.contains("192.168.0.100") && why.contains("DHCP"), "{why}");
    // Without a fixed address another one is taken.
    let report = bench.built(&example("blog", &["services.hugo.address=192.168.0.101"])).await;
    assert_eq!(bench.visit(&report, "web").await.unwrap().0, 200);
}

#[tokio::test]
async fn all_that_is_missing_is_named_at_once() {
    let bench = Bench::new().await;
    let sets = ["hosts.lxd.image=Plan 9", "hosts.lxd.flavor=huge", "hosts.lxd.key=lost", "network.external=moon"];
    let why = blocked(&bench, &example("blog", &sets)).await;
    for missing in ["image `Plan 9`", "flavor `huge`", "key `lost`", "external network `moon`"] {
        assert!(why.contains(missing), "{missing}: {why}");
    }
    assert!(
        why.contains("it has dc1.1x2.20, dc1.2x4.40, dc1.4x8.80; `--set hosts.lxd.flavor=NAME` chooses one"),
        "{why}"
    );
}

#[tokio::test]
async fn a_name_that_two_networks_have_is_no_answer_unless_one_is_ours() {
    let bench = Bench::new().await;
    let twin = |project: &str| {
        bench.cloud.world().change(|world| {
            let mut twin = world.networks.values().find(|one| one.meta.name == "default").unwrap().clone();
            twin.meta = Meta { name: twin.meta.name.clone(), ..Meta::new(project, world.now) };
            twin.shared = true;
            world.networks.insert(twin.meta.id.clone(), twin);
        });
    };
    twin(pontoon_sim::world::seed::OTHER_PROJECT);
    let plan = bench.plan(&example("blog", &[])).await;
    assert!(plan.blocked.is_empty(), "{}", told(&plan));
    twin(pontoon_sim::world::seed::PROJECT);
    let why = blocked(&bench, &example("blog", &[])).await;
    assert!(why.contains("3 networks have this name"), "{why}");
}

#[tokio::test]
async fn a_subnet_without_a_router_to_the_outside_blocks_with_the_command_that_helps() {
    let bench = Bench::new().await;
    bench.cloud.world().change(|world| world.routers.clear());
    let why = blocked(&bench, &example("blog", &[])).await;
    assert!(why.contains("no router connects subnet 192.168.0.0/24 to it"), "{why}");
    assert!(why.contains("openstack router add subnet"), "{why}");
}

#[tokio::test]
async fn a_cloud_that_takes_its_time_is_waited_for() {
    let bench = Bench::with(|config| {
        let moment = std::time::Duration::from_millis(150);
        let delays = &mut config.delays;
        (delays.server, delays.server_delete, delays.balancer) = (moment, moment, moment);
        (delays.balancer_change, delays.guest_boot, delays.guest_cloud_init) = (moment, moment, moment);
        (delays.container_start, delays.container_cloud_init) = (moment, moment);
    })
    .await;
    let report = bench.built(&example("blog", &["services.hugo.replicas=2"])).await;
    assert_eq!(bench.visit(&report, "web").await.unwrap().0, 200);
    let report = bench.built(&example("blog", &["balancers.web.address=192.168.0.201"])).await;
    assert_eq!(bench.visit(&report, "web").await.unwrap().0, 200);
    assert_eq!(bench.down("blog").await.outcome, RunOutcome::Removed);
    assert_eq!(bench.traces("blog"), Vec::<String>::new());
}

#[tokio::test]
async fn an_own_floating_ip_is_used_and_given_back() {
    let bench = Bench::new().await;
    let client = bench.client();
    let networks = client.networks(&[("name", "external")]).await.unwrap();
    let new = NewFloatingIp { floating_network_id: networks[0].id.clone(), ..NewFloatingIp::default() };
    let own = client.create_floating_ip(&new).await.unwrap();
    let set = format!("balancers.web.floating_ip={}", own.floating_ip_address);
    let report = bench.built(&example("blog", &[&set])).await;
    assert!(report.endpoints[0].url.contains(&own.floating_ip_address), "{report:?}");
    assert_eq!(bench.visit(&report, "web").await.unwrap().0, 200);
    // With another one in its place it is let go, and given again it is taken again.
    let report = bench.built(&example("blog", &[])).await;
    assert!(!report.endpoints[0].url.contains(&own.floating_ip_address), "{report:?}");
    let left = client.floating_ips(&[("id", own.id.as_str())]).await.unwrap();
    assert_eq!((left[0].port_id.as_deref(), left[0].tags.as_slice()), (None, [].as_slice()));
    bench.built(&example("blog", &[&set])).await;
    assert_eq!(bench.down("blog").await.outcome, RunOutcome::Removed);
    let left = client.floating_ips(&[]).await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].tags, Vec::<String>::new());
    assert_eq!((left[0].id.as_str(), left[0].port_id.as_deref()), (own.id.as_str(), None));
}
