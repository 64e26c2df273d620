//! A machine's first boot goes wrong, or another machine answers in its place.

use super::fixture::{Bench, example, stack};
use crate::event::RunOutcome;
use pontoon_cloud::ssh::KeyPair;
use pontoon_core::spec::model::Stack;

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
