//! Every way past port security with every way to an address: each converges, answers, and is taken away again.

use super::fixture::{Bench, example};
use crate::event::RunOutcome;

/// Builds the blog so, visits it, and takes it away.
async fn works(sets: &[&str]) {
    let bench = Bench::new().await;
    let stack = example("blog", sets);
    let report = bench.up(&stack).await;
    assert_eq!(report.outcome, RunOutcome::Converged, "{sets:?}: {report:?}");
    assert_eq!(bench.visit(&report, "web").await.unwrap().0, 200, "{sets:?}");
    assert_eq!(bench.up(&stack).await.outcome, RunOutcome::Unchanged, "{sets:?}");
    assert_eq!(bench.down(&stack.name).await.outcome, RunOutcome::Removed, "{sets:?}");
    assert_eq!(bench.traces(&stack.name), Vec::<String>::new(), "{sets:?}");
}

#[tokio::test]
async fn every_attachment_works_with_every_addressing_on_every_engine() {
    for attach in ["pair-mac", "pair-ip", "open"] {
        for addressing in ["dnsmasq", "network-config", "raw-lxc"] {
            for engine in ["lxd", "incus"] {
                let sets = [
                    format!("network.attach={attach}"),
                    format!("network.addressing={addressing}"),
                    format!("hosts.lxd.engine={engine}"),
                ];
                if (attach, addressing) == ("pair-ip", "raw-lxc") {
                    continue; // a routed card has its address from the engine
                }
                works(&sets.each_ref().map(String::as_str)).await;
            }
        }
    }
}

#[tokio::test]
async fn every_storage_driver_works() {
    for storage in ["dir", "btrfs", "zfs"] {
        works(&[&format!("hosts.lxd.storage={storage}")]).await;
    }
}

#[tokio::test]
async fn another_attachment_is_taken_up_by_a_running_stack() {
    let bench = Bench::new().await;
    for attach in ["pair-mac", "open", "pair-ip", "pair-mac"] {
        let stack = example("blog", &[&format!("network.attach={attach}")]);
        let report = bench.up(&stack).await;
        assert_eq!(report.outcome, RunOutcome::Converged, "{attach}: {report:?}");
        assert_eq!(bench.visit(&report, "web").await.unwrap().0, 200, "{attach}");
        assert!(bench.plan(&stack).await.is_empty(), "{attach}");
    }
}
