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

#[tokio::test]
async fn a_container_asks_the_host_whose_address_its_first_run_did_not_know_when_it_was_planned() {
    for sets in [["network.addressing=network-config"], ["network.addressing=raw-lxc"], ["network.attach=pair-ip"]] {
        let bench = Bench::new().await;
        let stack = example("blog", &sets);
        assert_eq!(bench.up(&stack).await.outcome, RunOutcome::Converged, "{sets:?}");
        let ports = bench.client().ports(&[]).await.unwrap();
        let host = ports.iter().find(|port| port.name == "lxd0").unwrap().fixed_ips[0].ip_address.clone();
        let (_site, engine) = bench.engine_on(&stack, "lxd0").await;
        let container = engine.instance("hugo-0").await.unwrap().0;
        let network = &container.config["cloud-init.network-config"];
        let asked = network.lines().skip_while(|line| !line.contains("nameservers")).nth(2).unwrap();
        assert_eq!(asked.trim(), format!("- \"{host}\""), "{network}");
    }
}
