//! Pontoon on real LXD hosts, which its own user-data made: the machines of `lab/lxd`.
//!
//! `cargo xtask test lxd` brings the machines up and runs this on their network; anywhere else the tests are skipped.
//! Tests on `lxd0` run side by side. Those that break their host have `lxd1`, one after the other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// A whole stack is brought up in each test, and boxing that would say nothing.
#![allow(clippy::large_futures)]

mod lab;
mod openstack_fake;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use lab::{LIMIT, PAGE, Stack, Wanted, lab, machine, neighbour, page, serve};
use pontoon_cloud::lxd::{EventType, Events, ExecRequest, ImageAlias, InstancePatch, StateAction, image_fingerprint};
use pontoon_cloud::site::{SiteError, chain};
use pontoon_core::key::{Key, Kind};
use pontoon_core::observed::HostView;
use pontoon_core::plan::{Action, Step, Verb};
use tokio::sync::Mutex;

/// Held by whoever breaks `lxd1`.
static BREAKING: Mutex<()> = Mutex::const_new(());

/// Brings up a stack whose container serves a page, and reads it from elsewhere on the network.
async fn serves(wanted: &Wanted<'_>) -> Option<Stack> {
    let stack = Stack::new(&lab()?, wanted).await;
    stack.up().await;
    let address: Ipv4Addr = wanted.address.parse().unwrap();
    let answer = page(address).await;
    assert!(answer.ends_with(PAGE), "{answer}");
    Some(stack)
}

#[tokio::test]
async fn a_container_gets_its_address_from_dnsmasq_and_its_own_mac_is_seen_on_the_network() {
    let wanted = Wanted {
        name: "dhcp",
        host: "lxd0",
        address: "192.168.0.100",
        network: "  attach: pair-mac\n  addressing: dnsmasq\n",
        service: "    port: 8080\n    limits: {memory: 256MiB}\n",
        user_data: &serve(),
        ..Wanted::default()
    };
    let Some(stack) = serves(&wanted).await else { return };
    let engine = stack.engine().await;
    let (instance, _) = engine.instance("dhcp-0").await.unwrap();
    let card = &instance.devices["eth0"];
    assert_eq!(card["nictype"], "bridged");
    assert_eq!(neighbour("192.168.0.100".parse().unwrap()), card["hwaddr"]);
    assert!(stack.run(&["ip", "-4", "route"]).await.contains("default via 192.168.0.1"));

    // What it reads on its standard input, and what it says about itself.
    let mut request = ExecRequest { command: vec!["tr".into(), "a-z".into(), "A-Z".into()], ..ExecRequest::default() };
    request.stdin = "from the operator\n".into();
    let output = engine.exec("dhcp-0", &request, LIMIT).await.unwrap();
    assert_eq!(output.stdout, b"FROM THE OPERATOR\n");
    assert!(stack.run(&["cat", "/var/log/cloud-init-output.log"]).await.contains("finished at"));
}

#[tokio::test]
async fn a_container_gets_its_address_from_its_network_configuration() {
    let wanted = Wanted {
        name: "static",
        host: "lxd0",
        address: "192.168.0.101",
        network: "  addressing: network-config\n",
        service: "    port: 8080\n",
        user_data: &serve(),
        ..Wanted::default()
    };
    let Some(stack) = serves(&wanted).await else { return };
    assert!(stack.run(&["ip", "-4", "route"]).await.contains("default via 192.168.0.1"));
}

#[tokio::test]
async fn a_container_gets_its_address_from_lxc() {
    let wanted = Wanted {
        name: "rawlxc",
        host: "lxd0",
        address: "192.168.0.102",
        network: "  addressing: raw-lxc\n",
        service: "    port: 8080\n",
        user_data: &serve(),
        ..Wanted::default()
    };
    let Some(stack) = serves(&wanted).await else { return };
    assert!(stack.run(&["ip", "-4", "route"]).await.contains("default via 192.168.0.1"));
}

#[tokio::test]
async fn a_routed_container_is_reached_at_the_mac_of_its_host() {
    let wanted = Wanted {
        name: "routed",
        host: "lxd0",
        address: "192.168.0.103",
        network: "  attach: pair-ip\n",
        service: "    port: 8080\n",
        user_data: &serve(),
        ..Wanted::default()
    };
    let Some(stack) = serves(&wanted).await else { return };
    let host = machine("run", "lxd0", &["cat", "/sys/class/net/br0/address"]);
    assert_eq!(neighbour("192.168.0.103".parse().unwrap()), host.trim());
    // And it reaches what is on no host.
    stack.run(&["ping", "-c1", "-W5", "192.168.0.1"]).await;
}

#[tokio::test]
async fn an_image_that_knows_only_the_older_keys_is_told_by_them() {
    let Some(lab) = lab() else { return };
    let wanted = Wanted {
        name: "older",
        host: "lxd0",
        address: "192.168.0.104",
        network: "  addressing: network-config\n",
        service: "    port: 8080\n",
        user_data: &serve(),
        image: Some("ubuntu:20.04"),
    };
    let stack = Stack::new(&lab, &wanted).await;
    // What the engine would have fetched: any image that reads `user.*` keys.
    stack.observe().await;
    let engine = stack.engine().await;
    let fingerprint = match engine.upload_image_file(&lab.image, |_| {}, LIMIT).await {
        Err(error) if error.is_already_there() => image_fingerprint(&lab.image).await.unwrap(),
        other => other.unwrap(),
    };
    let name = "cloud-images.ubuntu.com-releases-20.04".to_owned();
    engine.create_image_alias(&ImageAlias { name, description: String::new() }, &fingerprint).await.unwrap();

    stack.up().await;
    assert!(page("192.168.0.104".parse().unwrap()).await.ends_with(PAGE));
    let (instance, _) = engine.instance("older-0").await.unwrap();
    assert!(instance.config.contains_key("user.network-config"));
    assert!(instance.expanded_config.contains_key("user.user-data"));
    assert!(!instance.expanded_config.keys().any(|key| key.starts_with("cloud-init.")));
}

#[tokio::test]
async fn a_container_whose_cloud_init_fails_is_reported_with_its_module_and_its_log() {
    let Some(lab) = lab() else { return };
    let wanted = Wanted {
        name: "failing",
        host: "lxd0",
        address: "192.168.0.105",
        user_data: "#cloud-config\nruncmd:\n- set -eu\n- echo the disk is made of cheese\n- exit 3\n",
        ..Wanted::default()
    };
    let stack = Stack::new(&lab, &wanted).await;
    let Err(error @ SiteError::CloudInit { .. }) = stack.try_up().await else { panic!("it did not fail") };
    let text = chain(&error);
    for part in ["container `failing-0` on host `lxd0`", "scripts", "the disk is made of cheese"] {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
}

#[tokio::test]
async fn changes_of_a_container_that_is_busy_are_done_when_it_is_free() {
    let Some(lab) = lab() else { return };
    let wanted = Wanted {
        name: "busy",
        host: "lxd0",
        address: "192.168.0.106",
        // It takes its time to stop.
        user_data: "#cloud-config\nruncmd:\n- [systemd-run, --unit=slow, -p, ExecStop=/bin/sleep 4, sleep, infinity]\n",
        ..Wanted::default()
    };
    let stack = Stack::new(&lab, &wanted).await;
    stack.up().await;
    let engine = stack.engine().await;
    let stopping = engine.clone();
    let stopping = tokio::spawn(async move {
        loop {
            match stopping.set_instance_state("busy-0", StateAction::Stop, LIMIT).await {
                // The changes below come first as long as they may.
                Err(error) if error.is_busy() => tokio::task::yield_now().await,
                ended => break ended,
            }
        }
    });

    // The engine refuses while it stops, in words that the client knows.
    let patch = InstancePatch { config: [("user.n".to_owned(), "1".to_owned())].into(), ..InstancePatch::default() };
    let refused = loop {
        match engine.patch_instance("busy-0", &patch, None).await {
            Err(error) => break error,
            Ok(()) => assert!(!stopping.is_finished(), "it stopped before it was ever busy"),
        }
    };
    assert!(refused.is_busy(), "{refused}");

    // A step of a plan waits for its turn, and is done.
    let config = [("limits.memory".to_owned(), "1GiB".to_owned())].into();
    let step = Step {
        keys: vec![Key::new("busy", Kind::Container, "busy-0")],
        verb: Verb::Change,
        reason: String::new(),
        after: Vec::new(),
        action: Action::ConfigureContainer { host: "lxd0".to_owned(), name: "busy-0".to_owned(), config },
    };
    stack.perform(&step).await.unwrap();
    stopping.await.unwrap().unwrap();
    let (instance, _) = engine.instance("busy-0").await.unwrap();
    assert_eq!(instance.config["limits.memory"], "1GiB");
}

#[tokio::test]
async fn an_engine_that_is_killed_in_the_middle_of_an_operation_is_taken_up_where_it_was() {
    let Some(lab) = lab() else { return };
    let _breaking = BREAKING.lock().await;
    let wanted = Wanted {
        name: "killed",
        host: "lxd1",
        address: "192.168.0.107",
        service: "    port: 8080\n",
        user_data: &serve(),
        ..Wanted::default()
    };
    let stack = Stack::new(&lab, &wanted).await;
    stack.observe().await;
    // Once in each step that is an operation of the engine's: the daemon dies in the middle of it, systemd starts
    // another, and the next look goes on from what it finds: a container that was never finished is made again.
    let (mut killed_in, mut interrupted) = (BTreeSet::new(), 0);
    for round in 0.. {
        assert!(round < 20, "it never comes to an end");
        let Some(step) = stack.plan().await.into_iter().next() else { break };
        let label = format!("{:?} {}", step.verb, step.keys[0].label());
        if !killed_in.insert(label) {
            stack.perform(&step).await.unwrap_or_else(|error| panic!("{}", chain(&error)));
            continue;
        }
        let events = stack.engine().await.events(&[EventType::Operation]).await.unwrap();
        let killing = tokio::spawn(kill_at_the_next_operation(events));
        if let Err(error) = stack.perform(&step).await {
            eprintln!("the engine was killed: {}", chain(&error));
            interrupted += 1;
        }
        killing.abort();
        // Cancelled before there was an operation, or done.
        let _ = killing.await;
        engine_is_back().await;
    }
    assert!(interrupted >= 2, "{interrupted} steps were interrupted");
    assert!(page("192.168.0.107".parse().unwrap()).await.ends_with(PAGE));
}

async fn kill_at_the_next_operation(mut events: Events) {
    if events.next().await.is_some() {
        machine("run", "lxd1", &["systemctl", "kill", "--kill-who=main", "-s", "KILL", "lxd.service"]);
    }
}

/// Waits until systemd calls the daemon's unit active: one that dies before that is waited for in vain for minutes, by
/// the unit's own `lxd waitready`.
async fn engine_is_back() {
    let end = tokio::time::Instant::now() + LIMIT;
    while machine("run", "lxd1", &["sh", "-c", "systemctl is-active lxd.service || true"]).trim() != "active" {
        assert!(tokio::time::Instant::now() < end, "the engine did not come back");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_host_that_is_cut_off_is_said_to_be_so_and_nothing_is_done_to_it_until_it_is_back() {
    let Some(lab) = lab() else { return };
    let _breaking = BREAKING.lock().await;
    let wanted = Wanted {
        name: "cutoff",
        host: "lxd1",
        address: "192.168.0.108",
        service: "    port: 8080\n",
        user_data: &serve(),
        ..Wanted::default()
    };
    let stack = Stack::new(&lab, &wanted).await;
    stack.up().await;

    machine("cut-off", "lxd1", &[]);
    let seen = stack.observe().await;
    let planned = stack.plan().await;
    machine("connect", "lxd1", &[]);
    assert!(matches!(seen.hosts["lxd1"], HostView::Unreachable(_)), "{:?}", seen.hosts["lxd1"]);
    assert!(matches!(seen.hosts["lxd0"], HostView::Ready(_)), "{:?}", seen.hosts["lxd0"]);
    let planned: Vec<&str> = planned.iter().map(|step| step.reason.as_str()).collect();
    assert_eq!(planned, Vec::<&str>::new());

    let end = tokio::time::Instant::now() + LIMIT;
    while !matches!(stack.observe().await.hosts["lxd1"], HostView::Ready(_)) {
        assert!(tokio::time::Instant::now() < end, "the host did not come back");
    }
    stack.up().await;
    assert!(page("192.168.0.108".parse().unwrap()).await.ends_with(PAGE));
}
