//! A machine's first boot goes wrong, or another machine answers in its place.

use super::fixture::{Bench, example, stack, step, told};
use crate::engine::Answer;
use crate::event::RunOutcome;
use pontoon_cloud::ssh::KeyPair;
use pontoon_core::spec::model::Stack;
use pontoon_sim::world::faults::{Effect, Fault, When};

/// A website whose first boot runs these commands.
fn website(command: &str) -> Stack {
    let text = format!(
        "
stack: site
cloud: embedded
network: {{name: default, external: external, containers: 192.168.0.100-192.168.0.199, dhcp_pool: 192.168.0.2-192.168.0.20}}
hosts:
  lxd: {{count: 1, image: Ubuntu 24.04, flavor: dc1.2x4.40, key: datacentred, ssh_from: [0.0.0.0/0], floating_ip: true}}
services:
  pages:
    image: ubuntu:24.04
    port: 8080
    user_data: |
      #cloud-config
      runcmd:
        - python3 -m http.server 8080 --directory /srv
        - {command}
balancers:
  web: {{service: pages, listen: 80, floating_ip: true}}
"
    );
    stack(&text, &[])
}

#[tokio::test]
async fn a_failing_first_boot_is_named_with_its_module_and_log_and_the_corrected_one_replaces_it() {
    let bench = Bench::new().await;
    let report = bench.up(&website("exit 1")).await;
    assert_eq!(report.outcome, RunOutcome::Failed);
    let [failure] = report.failures.as_slice() else { panic!("{report:?}") };
    assert!(failure.starts_with("container/pages-0: cloud-init failed on container `pages-0`"), "{failure}");
    assert!(failure.contains("scripts_user"), "{failure}");
    assert!(failure.contains("runcmd: `exit 1` failed"), "{failure}");
    assert!(report.hint.unwrap().contains("correct the user-data"));

    // Running again without a correction says the same again, and does not wait for ever.
    let again = bench.up(&website("exit 1")).await;
    assert_eq!(again.failures, report.failures);

    let report = bench.built(&website("true")).await;
    assert_eq!(bench.visit(&report, "web").await.unwrap().0, 200);
}

#[tokio::test]
async fn a_host_whose_first_boot_failed_is_named_with_its_module_and_replaced_when_somebody_says_so() {
    let bench = Bench::new().await;
    let boot = When::Matches { method: "POST".to_owned(), path: "/servers$".to_owned() };
    bench.cloud.world().add_fault(Fault { when: boot, then: Effect::FirstBootFails, count: 1 });
    let stack = example("blog", &[]);
    let report = bench.up(&stack).await;
    assert_eq!(report.outcome, RunOutcome::Failed, "{report:?}");
    let [failure] = report.failures.as_slice() else { panic!("{report:?}") };
    assert!(
        failure.starts_with("host/lxd0: cloud-init failed on host `lxd0`: module `scripts_user`: RuntimeError("),
        "{failure}"
    );
    assert!(report.hint.unwrap().contains("the next `pontoon up` offers to replace the host"));

    let plan = bench.plan(&stack).await;
    let replace = step(&plan, "host/lxd0");
    assert!(replace.verb.destroys(), "{}", told(&plan));
    for said in ["module `scripts_user`", "runcmd: `exit 1` failed", "its engine does not answer"] {
        assert!(replace.reason.contains(said), "{said}: {}", replace.reason);
    }
    assert_eq!(bench.up_asking(&stack, Answer::Nobody).await.outcome, RunOutcome::Refused);
    let report = bench.built(&stack).await;
    assert_eq!(bench.visit(&report, "web").await.unwrap().0, 200);
}

#[tokio::test]
async fn a_host_that_fails_in_a_later_boot_is_replaced_and_the_containers_that_go_with_it_are_named() {
    let bench = Bench::new().await;
    let stack = example("blog", &[]);
    bench.built(&stack).await;
    let (site, _) = bench.engine_on(&stack, "lxd0").await;
    let result = br#"{"v1": {"datasource": "DataSourceOpenStack", "errors": ["('bootcmd', OSError('no'))"]}}"#;
    site.hosts.run("lxd0", "sudo tee /run/cloud-init/result.json", result).await.unwrap();
    let plan = bench.plan(&stack).await;
    let replace = step(&plan, "host/lxd0");
    assert!(replace.reason.contains("module `bootcmd`: OSError('no')"), "{}", told(&plan));
    assert!(replace.reason.contains("with it go its containers hugo-0"), "{}", told(&plan));
    assert_eq!(bench.up_asking(&stack, Answer::Nobody).await.outcome, RunOutcome::Refused);
    let report = bench.built(&stack).await;
    assert_eq!(bench.visit(&report, "web").await.unwrap().0, 200);
}

#[tokio::test]
async fn nobody_logs_in_to_a_host_that_shows_another_key_than_its_console_did() {
    let bench = Bench::new().await;
    let stack = example("blog", &[]);
    bench.built(&stack).await;
    let other = KeyPair::generate("another machine").unwrap().public;
    bench.cloud.world().change(|world| {
        for server in world.servers.values_mut() {
            let noted = server.metadata.insert("pontoon.host-key".to_owned(), other.clone());
            assert!(noted.is_some(), "the first `up` noted the key");
        }
    });
    let before = bench.traces(&stack.name);
    let report = bench.up(&example("blog", &["services.hugo.replicas=2"])).await;
    assert_eq!(report.outcome, RunOutcome::Failed, "{report:?}");
    assert!(
        report.failures.iter().any(|failure| failure.starts_with("host/lxd0: ") && failure.contains("key")),
        "{report:?}"
    );
    let hint = report.hint.unwrap();
    assert!(
        hint.contains("if `lxd0` was rebuilt") && hint.contains("server unset --property pontoon.host-key lxd0"),
        "{hint}"
    );
    let made: Vec<String> = bench.traces(&stack.name).into_iter().filter(|key| !before.contains(key)).collect();
    assert!(!made.iter().any(|key| key.contains(":container/")), "{made:?}");
}
