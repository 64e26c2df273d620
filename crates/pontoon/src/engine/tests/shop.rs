//! Many containers on several hosts: the limit of ten pairs a port, the jump host, scaling, and balancers that spread
//! requests over their members.

use std::collections::{BTreeMap, BTreeSet};

use pontoon_core::plan::PAIR_LIMIT;

use super::fixture::{Bench, example, told};
use crate::event::{Report, RunOutcome};

/// The containers whose pages a visitor is shown who comes so many times.
async fn shown(bench: &Bench, report: &Report, balancer: &str, visits: usize) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for _ in 0..visits {
        let (status, page) = bench.visit(report, balancer).await.unwrap();
        assert_eq!(status, 200);
        let (_, rest) = page.split_once("<h1>").unwrap();
        names.insert(rest.split_once("</h1>").unwrap().0.to_owned());
    }
    names
}

fn containers(service: &str, count: usize) -> BTreeSet<String> {
    (0..count).map(|number| format!("{service}-{number}")).collect()
}

#[tokio::test]
async fn a_shop_of_fourteen_containers_runs_on_two_hosts_and_every_one_of_them_serves() {
    let bench = Bench::new().await;
    let stack = example("shop", &[]);
    let plan = bench.plan(&stack).await;
    let mut by_host: BTreeMap<&str, usize> = BTreeMap::new();
    for place in &plan.places {
        *by_host.entry(place.host.as_str()).or_default() += 1;
    }
    assert_eq!(by_host.values().sum::<usize>(), 14);
    assert!(by_host.len() == 2 && by_host.values().all(|count| *count <= PAIR_LIMIT), "{by_host:?}");

    let report = bench.built(&stack).await;
    assert_eq!(shown(&bench, &report, "shop", 6).await, containers("front", 6));
    assert_eq!(shown(&bench, &report, "api", 5).await, containers("api", 5));

    // One floating IP for the first host, and the second is reached through it.
    let addresses = bench.traces("shop").into_iter().filter(|key| key.contains("floating-ip")).collect::<Vec<_>>();
    let expected = ["host-lxd0", "vip-api", "vip-shop"].map(|name| format!("pontoon:shop:floating-ip/{name}"));
    assert_eq!(addresses, expected);
    let (site, engine) = bench.engine_on(&stack, "lxd1").await;
    assert_eq!(site.hosts.run("lxd1", "hostname", &[]).await.unwrap().trim(), "lxd1");
    assert_eq!(engine.instances().await.unwrap().len(), by_host["lxd1"]);
}

#[tokio::test]
async fn a_shop_is_scaled_down_to_eight_containers_and_up_again() {
    let bench = Bench::new().await;
    let whole = example("shop", &[]);
    bench.built(&whole).await;
    let all = bench.traces("shop");

    let fewer = example("shop", &["services.front.replicas=2", "services.api.replicas=3"]);
    let report = bench.built(&fewer).await;
    assert_eq!(shown(&bench, &report, "shop", 6).await, containers("front", 2));
    assert_eq!(shown(&bench, &report, "api", 6).await, containers("api", 3));
    let held = bench.traces("shop").into_iter().filter(|key| key.contains("reservation/")).count();
    assert_eq!(held, 8, "the addresses of those that went are free");

    let report = bench.built(&whole).await;
    assert_eq!(shown(&bench, &report, "shop", 6).await, containers("front", 6));
    assert_eq!(bench.traces("shop"), all);
}

#[tokio::test]
async fn the_blog_is_scaled_up_and_the_first_container_stays() {
    let bench = Bench::new().await;
    bench.built(&example("blog", &[])).await;
    let (_, engine) = bench.engine_on(&example("blog", &[]), "lxd0").await;
    let first = engine.instance("hugo-0").await.unwrap().0;
    let more = example("blog", &["services.hugo.replicas=2"]);
    let plan = bench.plan(&more).await;
    assert_eq!(plan.destructive().count(), 0, "{}", told(&plan));
    let report = bench.built(&more).await;
    assert_eq!(shown(&bench, &report, "web", 4).await, containers("hugo", 2));
    assert_eq!(engine.instance("hugo-0").await.unwrap().0.created_at, first.created_at);
}

#[tokio::test]
async fn one_host_is_too_few_for_fourteen_containers_with_pairs_and_nothing_is_written() {
    let bench = Bench::new().await;
    bench.built(&example("shop", &[])).await;
    let before = bench.cloud.world().request_count();
    let one = example("shop", &["hosts.lxd.count=1"]);
    assert_eq!(bench.up(&one).await.outcome, RunOutcome::Blocked);
    assert_eq!(bench.writes_after(before), Vec::<String>::new());
    let plan = told(&bench.plan(&one).await);
    assert!(plan.contains("4 containers find no room: a port takes 10 allowed address pairs"), "{plan}");
    assert!(plan.contains("set `hosts.lxd.count` to 2 or more, or use `attach: open`"), "{plan}");
}

#[tokio::test]
async fn a_host_that_goes_hands_its_containers_over() {
    let bench = Bench::new().await;
    let two = example("shop", &["services.front.replicas=3", "services.api.replicas=2"]);
    bench.built(&two).await;
    let one = example("shop", &["services.front.replicas=3", "services.api.replicas=2", "hosts.lxd.count=1"]);
    let report = bench.built(&one).await;
    assert_eq!(shown(&bench, &report, "shop", 3).await, containers("front", 3));
    assert_eq!(shown(&bench, &report, "api", 2).await, containers("api", 2));
    assert_eq!(bench.cloud.world().snapshot()["servers"].as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn without_port_security_one_host_carries_all_fourteen() {
    let bench = Bench::new().await;
    let stack = example("shop", &["network.attach=open", "hosts.lxd.count=1"]);
    let report = bench.built(&stack).await;
    assert_eq!(shown(&bench, &report, "shop", 6).await, containers("front", 6));
    assert_eq!(shown(&bench, &report, "api", 5).await, containers("api", 5));
}

#[tokio::test]
async fn hosts_that_were_deleted_are_made_again_the_jump_host_too() {
    let bench = Bench::new().await;
    let stack = example("shop", &["services.front.replicas=3", "services.api.replicas=2"]);
    bench.built(&stack).await;
    let all = bench.traces("shop");
    let client = bench.client();
    for gone in [["lxd1"].as_slice(), &["lxd0"], &["lxd0", "lxd1"]] {
        for name in gone {
            let servers = client.servers(&[]).await.unwrap();
            let id = &servers.iter().find(|server| server.name == *name).unwrap().id;
            client.delete_server(id).await.unwrap();
            while client.server(id).await.is_ok() {
                tokio::task::yield_now().await;
            }
        }
        let report = bench.up(&stack).await;
        assert_eq!(report.outcome, RunOutcome::Converged, "{gone:?}: {report:?}");
        assert!(bench.plan(&stack).await.is_empty(), "{gone:?}");
        assert_eq!(shown(&bench, &report, "shop", 3).await, containers("front", 3), "{gone:?}");
        assert_eq!(bench.traces("shop"), all, "{gone:?}");
    }
}
