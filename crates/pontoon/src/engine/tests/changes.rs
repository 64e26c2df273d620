//! The file changes: what can change in place does, what cannot is replaced, and only after a yes.

use pontoon_cloud::lxd::Instance;
use pontoon_core::plan::Plan;
use pontoon_core::spec::model::Stack;

use super::fixture::{Bench, stack, step, told};
use crate::engine::Answer;
use crate::event::RunOutcome;

/// A website that says `greeting`, in as few lines as serve.
fn website(greeting: &str, sets: &[&str]) -> Stack {
    let services = service("pages", greeting);
    stack(&format!("{HEAD}services:\n{services}balancers:\n{WEB}"), sets)
}

const HEAD: &str = "
stack: site
cloud: embedded
network:
  name: default
  external: external
  containers: 192.168.0.100-192.168.0.199
  dhcp_pool: 192.168.0.2-192.168.0.20
hosts:
  lxd: {count: 1, image: Ubuntu 24.04, flavor: dc1.2x4.40, key: datacentred, ssh_from: [0.0.0.0/0], floating_ip: true}
";

const WEB: &str = "  web: {service: pages, listen: 80, protocol: http, address: 192.168.0.200, floating_ip: true}\n";

fn service(name: &str, greeting: &str) -> String {
    format!(
        "
  {name}:
    image: ubuntu:24.04
    port: 8080
    user_data: |
      #cloud-config
      write_files:
        - path: /srv/index.html
          content: {greeting}
        - path: /etc/systemd/system/pages.service
          content: |
            [Service]
            ExecStart=/usr/bin/python3 -m http.server 8080 --directory /srv
      runcmd:
        - systemctl enable --now pages.service
"
    )
}

async fn instance(bench: &Bench, stack: &Stack, name: &str) -> Instance {
    bench.engine_on(stack, "lxd0").await.1.instance(name).await.unwrap().0
}

fn in_place(plan: &Plan) {
    assert!(plan.blocked.is_empty() && !plan.steps.is_empty(), "{}", told(plan));
    assert_eq!(plan.destructive().count(), 0, "{}", told(plan));
}

#[tokio::test]
async fn new_user_data_replaces_the_container_once_somebody_says_yes() {
    let bench = Bench::new().await;
    let old = website("good morning", &[]);
    let report = bench.built(&old).await;
    assert_eq!(bench.visit(&report, "web").await, Some((200, "good morning".to_owned())));
    let before = bench.cloud.world().request_count();

    let new = website("good evening", &[]);
    let refused = bench.up_asking(&new, Answer::Nobody).await;
    assert_eq!(refused.outcome, RunOutcome::Refused);
    assert!(refused.hint.unwrap().contains("`--yes` was not given"));
    assert_eq!(bench.up_asking(&new, Answer::No).await.outcome, RunOutcome::Refused);
    assert_eq!(bench.writes_after(before), Vec::<String>::new());
    assert_eq!(bench.visit(&report, "web").await, Some((200, "good morning".to_owned())));
    let plan = bench.plan(&new).await;
    assert!(step(&plan, "container/pages-0").reason.contains("its user_data changed"), "{}", told(&plan));

    let report = bench.built(&new).await;
    assert_eq!(bench.visit(&report, "web").await, Some((200, "good evening".to_owned())));
}

#[tokio::test]
async fn what_can_change_in_place_leaves_the_container_and_the_balancer_alone() {
    let bench = Bench::new().await;
    let first = website("hello", &[]);
    bench.built(&first).await;
    let container = instance(&bench, &first, "pages-0").await.created_at;
    let balancer = bench.client().load_balancers(&[]).await.unwrap()[0].id.clone();
    for (sets, label) in [
        (["services.pages.limits.memory=256MiB"].as_slice(), "container/pages-0"),
        (&["services.pages.limits.memory=512MiB", "services.pages.limits.cpu=1"], "container/pages-0"),
        (&["balancers.web.method=least-connections"], "pool/web"),
        (&["balancers.web.allow=[127.0.0.0/8]"], "rule/vip-web"),
        (&["services.pages.announce.capabilities=[pages]"], "profile/lxd0/pages"),
        (&["hosts.lxd.ssh_from=[127.0.0.0/8]"], "rule/hosts-lxd"),
        (&[], "rule/hosts-lxd"),
    ] {
        let changed = website("hello", sets);
        let plan = bench.plan(&changed).await;
        assert!(plan.blocked.is_empty(), "{}", told(&plan));
        step(&plan, label);
        let report = bench.up_asking(&changed, Answer::Nobody).await;
        assert_eq!(report.outcome, RunOutcome::Converged, "{sets:?}: {report:?}");
        assert!(bench.plan(&changed).await.is_empty(), "{sets:?}");
        assert_eq!(bench.visit(&report, "web").await, Some((200, "hello".to_owned())), "{sets:?}");
        assert_eq!(instance(&bench, &changed, "pages-0").await.created_at, container, "{sets:?}");
        assert_eq!(bench.client().load_balancers(&[]).await.unwrap()[0].id, balancer, "{sets:?}");
    }
}

#[tokio::test]
async fn a_limit_that_the_file_drops_is_dropped_from_the_container() {
    let bench = Bench::new().await;
    let limited = website("hello", &["services.pages.limits.memory=256MiB"]);
    bench.built(&limited).await;
    assert_eq!(instance(&bench, &limited, "pages-0").await.config["limits.memory"], "256MiB");
    let free = website("hello", &[]);
    in_place(&bench.plan(&free).await);
    bench.built(&free).await;
    assert_eq!(instance(&bench, &free, "pages-0").await.config.get("limits.memory"), None);
}

#[tokio::test]
async fn another_monitor_path_is_asked_for_by_the_same_monitor() {
    let bench = Bench::new().await;
    bench.built(&website("hello", &["services.pages.announce.monitor=[{http: /}]"])).await;
    let id = bench.client().health_monitors(&[]).await.unwrap()[0].id.clone();
    let other = website("hello", &["services.pages.announce.monitor=[{http: /index.html}]"]);
    let plan = bench.plan(&other).await;
    in_place(&plan);
    assert_eq!(step(&plan, "monitor/web").reason, "it asks for another path than /index.html");
    bench.built(&other).await;
    let monitors = bench.client().health_monitors(&[]).await.unwrap();
    assert_eq!((&monitors[0].id, monitors[0].url_path.as_deref()), (&id, Some("/index.html")));
}

#[tokio::test]
async fn a_container_moves_to_another_address_and_the_balancer_follows() {
    let bench = Bench::new().await;
    bench.built(&website("hello", &["services.pages.address=192.168.0.100"])).await;
    let moved = website("hello", &["services.pages.address=192.168.0.150"]);
    let report = bench.built(&moved).await;
    assert_eq!(bench.visit(&report, "web").await, Some((200, "hello".to_owned())));
    let ports = bench.client().ports(&[]).await.unwrap();
    let held = |address: &str| ports.iter().any(|port| port.fixed_ips.iter().any(|ip| ip.ip_address == address));
    assert!(held("192.168.0.150") && !held("192.168.0.100"));
    let pairs: Vec<_> = ports.iter().flat_map(|port| &port.allowed_address_pairs).collect();
    assert_eq!(pairs.len(), 1);
    assert_eq!(pairs[0].ip_address, "192.168.0.150");
}

#[tokio::test]
async fn a_balancer_moves_to_another_address_and_visitors_keep_theirs() {
    let bench = Bench::new().await;
    let first = bench.built(&website("hello", &[])).await;
    let moved = website("hello", &["balancers.web.address=192.168.0.201"]);
    let plan = bench.plan(&moved).await;
    assert!(step(&plan, "balancer/web").reason.contains("its VIP is 192.168.0.200"), "{}", told(&plan));
    let report = bench.built(&moved).await;
    assert_eq!(report.endpoints, first.endpoints);
    assert_eq!(bench.visit(&report, "web").await, Some((200, "hello".to_owned())));
}

#[tokio::test]
async fn another_port_to_listen_on_is_published() {
    let bench = Bench::new().await;
    bench.built(&website("hello", &[])).await;
    let report = bench.built(&website("hello", &["balancers.web.listen=8081"])).await;
    assert!(report.endpoints[0].url.contains(":8081"), "{report:?}");
    assert_eq!(bench.visit(&report, "web").await, Some((200, "hello".to_owned())));
    assert_eq!(bench.client().listeners(&[]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn services_and_balancers_come_and_go() {
    let bench = Bench::new().await;
    let one = website("hello", &[]);
    bench.built(&one).await;
    let alone = bench.traces("site");
    let kept = instance(&bench, &one, "pages-0").await.created_at;

    let (pages, notes) = (service("pages", "hello"), service("notes", "a note"));
    let both = "  notes: {service: notes, listen: 80, floating_ip: true}\n";
    let two = stack(&format!("{HEAD}services:\n{pages}{notes}balancers:\n{WEB}{both}"), &[]);
    in_place(&bench.plan(&two).await);
    let report = bench.built(&two).await;
    assert_eq!(bench.visit(&report, "web").await, Some((200, "hello".to_owned())));
    assert_eq!(bench.visit(&report, "notes").await, Some((200, "a note".to_owned())));

    let unpublished = stack(&format!("{HEAD}services:\n{pages}{notes}balancers:\n{WEB}"), &[]);
    let report = bench.built(&unpublished).await;
    assert_eq!(report.endpoints.len(), 1);
    assert_eq!(bench.client().load_balancers(&[]).await.unwrap().len(), 1);

    let report = bench.built(&one).await;
    assert_eq!(bench.visit(&report, "web").await, Some((200, "hello".to_owned())));
    assert_eq!(bench.traces("site"), alone);
    assert_eq!(instance(&bench, &one, "pages-0").await.created_at, kept, "what did not change was not touched");
}

#[tokio::test]
async fn a_service_is_scaled_to_nothing_and_back() {
    let bench = Bench::new().await;
    bench.built(&website("hello", &[])).await;
    let report = bench.built(&website("hello", &["services.pages.replicas=0"])).await;
    assert_eq!(bench.visit(&report, "web").await.unwrap().0, 503, "the balancer is there and has nobody to ask");
    let report = bench.built(&website("hello", &[])).await;
    assert_eq!(bench.visit(&report, "web").await, Some((200, "hello".to_owned())));
}

#[tokio::test]
async fn two_services_exchange_their_addresses() {
    let bench = Bench::new().await;
    let (pages, notes) = (service("pages", "hello"), service("notes", "a note"));
    let both = "  notes: {service: notes, listen: 80, floating_ip: true}\n";
    let text = format!("{HEAD}services:\n{pages}{notes}balancers:\n{WEB}{both}");
    for (first, second) in [("100", "101"), ("101", "100")] {
        let sets =
            [format!("services.pages.address=192.168.0.{first}"), format!("services.notes.address=192.168.0.{second}")];
        let report = bench.built(&stack(&text, &sets.each_ref().map(String::as_str))).await;
        assert_eq!(bench.visit(&report, "web").await, Some((200, "hello".to_owned())));
        assert_eq!(bench.visit(&report, "notes").await, Some((200, "a note".to_owned())));
    }
}

#[tokio::test]
async fn an_address_that_became_free_serves_another_container_at_once() {
    let bench = Bench::new().await;
    bench.built(&website("hello", &["services.pages.replicas=2"])).await;
    bench.built(&website("hello", &[])).await;
    let (pages, notes) = (service("pages", "hello"), service("notes", "a note"));
    let both = "  notes: {service: notes, listen: 80, floating_ip: true}\n";
    let text = format!("{HEAD}services:\n{pages}{notes}balancers:\n{WEB}{both}");
    let report = bench.built(&stack(&text, &["services.notes.address=192.168.0.101"])).await;
    assert_eq!(bench.visit(&report, "notes").await, Some((200, "a note".to_owned())));
}

#[tokio::test]
async fn a_balancer_changes_what_it_speaks_and_checks() {
    let bench = Bench::new().await;
    for sets in [
        ["balancers.web.protocol=http", "services.pages.announce.monitor=[{http: /}]"],
        ["balancers.web.protocol=tcp", "services.pages.announce.monitor=[{http: /}]"],
        ["balancers.web.protocol=tcp", "services.pages.announce.monitor=[{tcp: 8080}]"],
        ["balancers.web.protocol=http", "services.pages.announce.monitor=[{tcp: 8080}]"],
    ] {
        let report = bench.up(&website("hello", &sets)).await;
        assert_eq!(report.outcome, RunOutcome::Converged, "{sets:?}: {report:?}");
        assert!(bench.plan(&website("hello", &sets)).await.is_empty(), "{sets:?}");
        let url = report.endpoints[0].url.replace("tcp://", "http://");
        assert_eq!(reqwest::get(url).await.unwrap().text().await.unwrap(), "hello", "{sets:?}");
    }
}

#[tokio::test]
async fn a_service_that_listens_nowhere_is_proven_by_its_address() {
    let bench = Bench::new().await;
    let text = format!("{HEAD}services:\n  worker: {{image: ubuntu:24.04, replicas: 2}}\n");
    let report = bench.built(&stack(&text, &[])).await;
    assert_eq!(report.endpoints, []);
    assert_eq!(bench.down("site").await.outcome, RunOutcome::Removed);
}
