//! `down` takes the stack away and nothing else; and a cloud that was stopped and started is the same cloud.

use pontoon_cloud::openstack::network::{AllowedAddressPair, NewFloatingIp, NewPort, NewSecurityGroup, PortChange};

use super::fixture::{Bench, example};
use crate::event::RunOutcome;

/// Ids of everything in the world that is nobody's business here, with the port and the group of a neighbour.
fn ids(bench: &Bench) -> Vec<String> {
    let world = bench.cloud.world().snapshot();
    let kinds = ["networks", "subnets", "routers", "ports", "security_groups", "floatingips", "keypairs", "servers"];
    let all = kinds.iter().flat_map(|kind| {
        let Some(objects) = world[kind].as_object() else { panic!("{kind}") };
        objects.keys().map(move |id| format!("{kind}/{id}"))
    });
    all.collect()
}

#[tokio::test]
async fn down_leaves_what_is_not_of_the_stack() {
    let bench = Bench::new().await;
    let at_first = pools(&bench);
    let client = bench.client();
    let networks = client.networks(&[]).await.unwrap();
    let id = |name: &str| networks.iter().find(|network| network.name == name).unwrap().id.clone();
    // Names like ours and keys of a stack whose name begins like ours: neither makes them ours.
    let group = NewSecurityGroup { name: "blog-vip-web".to_owned(), description: "mine".to_owned() };
    client.create_security_group(&group).await.unwrap();
    let port = NewPort {
        network_id: id("default"),
        name: "lxd0".to_owned(),
        description: Some("pontoon:blog2:port/lxd0".to_owned()),
        ..NewPort::default()
    };
    client.create_port(&port).await.unwrap();
    let address = NewFloatingIp {
        floating_network_id: id("external"),
        description: Some("mine".to_owned()),
        ..NewFloatingIp::default()
    };
    client.create_floating_ip(&address).await.unwrap();
    // A whole neighbour.
    let neighbour =
        example("blog", &["stack=blog2", "services.hugo.address=192.168.0.120", "balancers.web.address=192.168.0.220"]);
    let beside = bench.built(&neighbour).await;
    let before = ids(&bench);
    let theirs = bench.traces("blog2");

    bench.built(&example("blog", &[])).await;
    assert_eq!(bench.down("blog").await.outcome, RunOutcome::Removed);
    assert_eq!(ids(&bench), before);
    assert_eq!(bench.traces("blog2"), theirs);
    assert_eq!(pools(&bench), vec![("192.168.0.2".to_owned(), "192.168.0.20".to_owned())], "the neighbour needs it so");
    assert_eq!(bench.visit(&beside, "web").await.unwrap().0, 200);
    assert!(bench.plan(&neighbour).await.is_empty());

    assert_eq!(bench.down("blog2").await.outcome, RunOutcome::Removed);
    assert_eq!(pools(&bench), at_first, "the last one gives Neutron its addresses back");
}

/// The allocation pools of the network that stacks share.
fn pools(bench: &Bench) -> Vec<(String, String)> {
    let subnets = bench.cloud.world().change(|world| world.subnets.clone());
    let subnet = subnets.values().find(|subnet| subnet.meta.name == "default").unwrap();
    subnet.allocation_pools.iter().map(|pool| (pool.start.to_string(), pool.end.to_string())).collect()
}

#[tokio::test]
async fn a_pair_of_somebody_else_on_our_port_stays_through_every_change() {
    let bench = Bench::new().await;
    let stack = example("blog", &[]);
    bench.built(&stack).await;
    let client = bench.client();
    let ports = client.ports(&[("description", "pontoon:blog:port/lxd0")]).await.unwrap();
    let foreign =
        AllowedAddressPair { ip_address: "192.168.0.250".to_owned(), ..ports[0].allowed_address_pairs[0].clone() };
    let mut pairs = ports[0].allowed_address_pairs.clone();
    pairs.push(foreign.clone());
    let change = PortChange { allowed_address_pairs: Some(pairs), ..PortChange::default() };
    client.update_port(&ports[0].id, &change, None).await.unwrap();
    assert!(bench.plan(&stack).await.is_empty(), "it is no business of ours");
    for replicas in [3, 1] {
        bench.built(&example("blog", &[&format!("services.hugo.replicas={replicas}")])).await;
        let pairs = client.port(&ports[0].id).await.unwrap().allowed_address_pairs;
        assert_eq!(pairs.len(), replicas + 1);
        assert!(pairs.contains(&foreign), "{pairs:?}");
    }
}

#[tokio::test]
async fn a_second_down_has_nothing_to_do() {
    let bench = Bench::new().await;
    bench.built(&example("blog", &[])).await;
    assert_eq!(bench.down("blog").await.outcome, RunOutcome::Removed);
    let before = bench.cloud.world().request_count();
    assert_eq!(bench.down("blog").await.outcome, RunOutcome::Unchanged);
    assert_eq!(bench.writes_after(before), Vec::<String>::new());
}

#[tokio::test]
async fn a_half_made_stack_is_taken_away() {
    for answered in [8, 14, 20, 26] {
        let bench = Bench::new().await;
        let before = ids(&bench);
        let stop = bench.stopper();
        let count = std::sync::atomic::AtomicUsize::new(0);
        bench.watch(move |_| {
            if count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1 == answered {
                stop.cancel();
            }
        });
        assert_eq!(bench.up(&example("blog", &[])).await.outcome, RunOutcome::Stopped, "after {answered} answers");
        bench.watch(|_| {});
        let report = bench.down("blog").await;
        assert!(
            matches!(report.outcome, RunOutcome::Removed | RunOutcome::Unchanged),
            "after {answered} answers: {report:?}"
        );
        assert_eq!(ids(&bench), before, "after {answered} answers");
        assert_eq!(bench.traces("blog"), Vec::<String>::new(), "after {answered} answers");
    }
}

#[tokio::test]
async fn a_cloud_that_was_stopped_and_started_serves_on() {
    let directory = tempfile::tempdir().unwrap();
    let bench = Bench::with(|config| config.state_file = Some(directory.path().join("world.json"))).await;
    let stack =
        example("shop", &["services.front.replicas=2", "services.api.replicas=1", "services.search.replicas=1"]);
    bench.built(&stack).await;
    let traces = bench.traces("shop");

    let bench = bench.restarted().await;
    assert_eq!(bench.traces("shop"), traces);
    let report = bench.up(&stack).await;
    assert_eq!(report.outcome, RunOutcome::Unchanged, "{report:?}");
    assert_eq!(bench.visit(&report, "shop").await.unwrap().0, 200);

    let bench = bench.restarted().await;
    assert_eq!(bench.down("shop").await.outcome, RunOutcome::Removed);
    assert_eq!(bench.traces("shop"), Vec::<String>::new());
}
