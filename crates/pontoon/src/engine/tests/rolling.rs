//! A service changes while somebody asks for it all the time: its containers are replaced one after another, and one that
//! does not come up well is the last.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pontoon_core::spec::model::Stack;

use super::fixture::{Bench, stack};
use crate::event::{Report, RunOutcome};

/// A website of three containers that says `greeting`, after this command of its first boot.
fn website(greeting: &str, command: &str, sets: &[&str]) -> Stack {
    let text = format!(
        "
stack: site
cloud: embedded
network: {{name: default, external: external, containers: 192.168.0.100-192.168.0.199, dhcp_pool: 192.168.0.2-192.168.0.20}}
hosts:
  lxd: {{count: 2, image: Ubuntu 24.04, flavor: dc1.2x4.40, key: datacentred, ssh_from: [0.0.0.0/0], floating_ip: true}}
services:
  pages:
    image: ubuntu:24.04
    replicas: 3
    port: 8080
    user_data: |
      #cloud-config
      write_files:
        - path: /srv/index.html
          content: {greeting}
      runcmd:
        - python3 -m http.server 8080 --directory /srv
        - {command}
balancers:
  web: {{service: pages, listen: 80, floating_ip: true}}
"
    );
    stack(&text, sets)
}

/// What a visitor was told, and how often.
type Told = BTreeMap<String, usize>;

/// Asks through the floating IP all the time, each time over a connection of its own, while `up` is at work.
async fn up_and_ask(bench: &Bench, first: &Report, stack: &Stack) -> (Report, Told) {
    let url = first.endpoints[0].url.clone();
    let over = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&over);
    let visitor = tokio::spawn(async move {
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(5))
            .pool_max_idle_per_host(0)
            .build()
            .unwrap();
        let mut told = Told::new();
        while !seen.load(Ordering::Relaxed) {
            let said = match client.get(&url).send().await {
                Ok(reply) => format!("{} {}", reply.status().as_u16(), reply.text().await.unwrap_or_default()),
                Err(error) => format!("no answer: {error:?}"),
            };
            *told.entry(said).or_default() += 1;
        }
        told
    });
    let report = bench.up(stack).await;
    over.store(true, Ordering::Relaxed);
    (report, visitor.await.unwrap())
}

/// That a visitor was told nothing but these, and each of them.
fn only(told: &Told, greetings: &[&str]) {
    let said: Vec<&str> = told.keys().map(String::as_str).collect();
    assert_eq!(said, greetings, "{told:?}");
}

#[tokio::test]
async fn whoever_asks_all_the_time_is_always_answered_while_every_container_is_replaced() {
    let bench = Bench::new().await;
    let first = bench.built(&website("morning", "true", &[])).await;
    for sets in [[].as_slice(), &["network.containers=192.168.0.150-192.168.0.199"]] {
        let greeting = if sets.is_empty() { "evening" } else { "night" };
        let before = if sets.is_empty() { "200 morning" } else { "200 evening" };
        let (report, told) = up_and_ask(&bench, &first, &website(greeting, "true", sets)).await;
        assert_eq!(report.outcome, RunOutcome::Converged, "{report:?}");
        let after = format!("200 {greeting}");
        let mut both = [before, &after];
        both.sort_unstable();
        only(&told, &both);
        assert!(bench.plan(&website(greeting, "true", sets)).await.is_empty());
    }
}

#[tokio::test]
async fn a_broken_user_data_costs_one_container_and_the_corrected_one_mends_it() {
    let bench = Bench::new().await;
    let first = bench.built(&website("morning", "true", &[])).await;
    let bad = website("evening", "exit 1", &[]);
    for _ in 0..2 {
        let (report, told) = up_and_ask(&bench, &first, &bad).await;
        assert_eq!(report.outcome, RunOutcome::Failed, "{report:?}");
        assert_eq!(report.failures.len(), 1, "{report:?}");
        assert!(report.failures[0].starts_with("container/pages-0: cloud-init failed"), "{report:?}");
        only(&told, &["200 morning"]);
        let pool = bench.client().pools(&[]).await.unwrap().remove(0);
        let members = bench.client().members(&pool.id).await.unwrap();
        let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
        assert_eq!(names, ["pages-1", "pages-2"]);
    }
    let (report, told) = up_and_ask(&bench, &first, &website("evening", "true", &[])).await;
    assert_eq!(report.outcome, RunOutcome::Converged, "{report:?}");
    only(&told, &["200 evening", "200 morning"]);
}
