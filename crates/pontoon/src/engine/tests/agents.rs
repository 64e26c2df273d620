//! Agents on simulated hosts: pushed, kept, upgraded, and taken away again.

use pontoon_core::key::Kind;
use pontoon_core::render;

use super::fixture::{Bench, example, step, told};
use crate::event::RunOutcome;

/// What a command on a host prints.
async fn asked(bench: &Bench, stack: &pontoon_core::spec::model::Stack, host: &str, command: &str) -> String {
    let (site, _) = bench.engine_on(stack, host).await;
    site.hosts.run(host, command, &[]).await.unwrap()
}

#[tokio::test]
async fn every_host_gets_an_agent_that_runs_and_all_have_one_key() {
    let bench = Bench::new().await;
    let stack = example("shop", &[]);
    bench.built(&stack).await;
    let keyring = format!("sudo cat {}", render::AGENT_KEYRING);
    let (first, second) =
        (asked(&bench, &stack, "lxd0", &keyring).await, asked(&bench, &stack, "lxd1", &keyring).await);
    assert_eq!(first, second);
    assert!(first.starts_with("[\"") && first.len() > 44, "{first}");
    for host in ["lxd0", "lxd1"] {
        assert_eq!(asked(&bench, &stack, host, "systemctl is-active pontoon-agent").await.trim(), "active");
    }
    // Each is told where the other one is.
    let seeds = |host| asked(&bench, &stack, host, "cat /etc/pontoon/seeds");
    let (of_first, of_second) = (seeds("lxd0").await, seeds("lxd1").await);
    assert!(of_first.starts_with("192.168.0.") && of_second.starts_with("192.168.0.") && of_first != of_second);
}

#[tokio::test]
async fn the_picture_names_the_floating_ip_on_which_the_site_is() {
    let bench = Bench::new().await;
    let stack = example("blog", &[]);
    let report = bench.built(&stack).await;
    let picture = asked(&bench, &stack, "lxd0", "cat /etc/pontoon/stack.json").await;
    let picture: serde_json::Value = serde_json::from_str(&picture).unwrap();
    let address = picture["balancers"]["web"]["floating_ip"].as_str().unwrap();
    assert!(report.endpoints[0].url.contains(address), "{address} in {:?}", report.endpoints);
    assert_eq!(picture["containers"]["hugo-0"]["host"], "lxd0");
}

#[tokio::test]
async fn the_next_up_upgrades_an_agent_and_touches_nothing_else() {
    let bench = Bench::new().await;
    let stack = example("blog", &[]);
    bench.built(&stack).await;
    bench.gives_agents("2");
    let plan = bench.plan(&stack).await;
    assert_eq!(plan.steps.len(), 1, "{}", told(&plan));
    assert!(step(&plan, "agent/lxd0").reason.contains("pontoon 2"), "{}", told(&plan));
    bench.built(&stack).await;
}

#[tokio::test]
async fn an_agent_that_somebody_stopped_is_started_again() {
    let bench = Bench::new().await;
    let stack = example("blog", &[]);
    bench.built(&stack).await;
    asked(&bench, &stack, "lxd0", "sudo systemctl stop pontoon-agent").await;
    let plan = bench.plan(&stack).await;
    assert!(step(&plan, "agent/lxd0").reason.contains("it does not run"), "{}", told(&plan));
    bench.built(&stack).await;
    assert_eq!(asked(&bench, &stack, "lxd0", "systemctl is-active pontoon-agent").await.trim(), "active");
}

#[tokio::test]
async fn an_agent_that_does_not_start_fails_by_name_and_the_site_is_up_all_the_same() {
    let bench = Bench::new().await;
    let stack = example("blog", &[]);
    bench.built(&stack).await;
    asked(&bench, &stack, "lxd0", "sudo rm -f /var/lib/pontoon/bin/pontoon").await;
    asked(&bench, &stack, "lxd0", "sudo mkdir -p /var/lib/pontoon/bin/pontoon/in/the/way").await;
    let report = bench.up(&stack).await;
    assert_eq!(report.outcome, RunOutcome::Failed, "{report:?}");
    assert!(!report.failures.is_empty() && report.failures.iter().all(|one| one.contains("agent/lxd0")), "{report:?}");
}

#[tokio::test]
async fn a_stack_that_wants_no_agents_any_more_has_none_and_its_containers_stay() {
    let bench = Bench::new().await;
    let stack = example("shop", &[]);
    bench.built(&stack).await;
    let without = example("shop", &["agent.install=false"]);
    let plan = bench.plan(&without).await;
    assert!(plan.steps.iter().all(|step| step.keys.iter().all(|key| key.kind != Kind::Container)), "{}", told(&plan));
    bench.built(&without).await;
    let left = "sudo sha256sum /var/lib/pontoon/bin/pontoon /etc/pontoon/agent.json || echo none";
    assert_eq!(asked(&bench, &without, "lxd1", left).await.trim(), "none");
}
