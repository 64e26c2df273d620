#![allow(clippy::unwrap_used, clippy::panic)]
use std::net::Ipv4Addr;
use std::path::Path;

use pontoon_core::address::Mac;
use pontoon_core::observed::{Admits, Pair};
use pontoon_core::plan::{Action, Blocked, HostKeySource, Place, Write};
use pontoon_core::spec::model::{Attachment, ContainerImage, Engine};

use super::*;

fn key(kind: Kind, name: &str) -> Key {
    Key::new("blog", kind, name)
}

fn step(verb: Verb, keys: Vec<Key>, reason: &str, after: &[usize], action: Action) -> Step {
    Step { keys, verb, reason: reason.to_owned(), after: after.to_vec(), action }
}

fn view(plan: &Plan) -> PlanView<'_> {
    PlanView { plan, purpose: Purpose::Up, stack: "blog", cloud: "embedded", simulated: true, described: None }
}

#[track_caller]
fn check(plan: &Plan, expected: &str) {
    let shown = text(&view(plan), Style::PLAIN);
    assert!(shown == expected, "shown:\n{shown}\nexpected:\n{expected}");
}

/// A host with one container, both to be made.
fn first_plan() -> Plan {
    let host = || key(Kind::Host, "lxd0");
    let container = || key(Kind::Container, "hugo-0");
    let address = Ipv4Addr::new(192, 168, 0, 100);
    let mac = Mac::of_container("blog", "hugo-0");
    let image = ContainerImage::Simplestreams {
        server: "https://cloud-images.ubuntu.com/releases/".to_owned(),
        alias: "24.04".to_owned(),
    };
    let config = pontoon_core::render::InstanceConfig {
        description: String::new(),
        config: [("limits.memory".to_owned(), "512MiB".to_owned())].into(),
        devices: std::collections::BTreeMap::new(),
        profiles: vec!["default".to_owned(), "hugo".to_owned()],
        generation: "d86b01687a05".to_owned(),
    };
    let reservations: Vec<(Key, Ipv4Addr)> =
        (0..4).map(|n| (key(Kind::Reservation, &format!("hugo-{n}")), Ipv4Addr::new(192, 168, 0, 100 + n))).collect();
    Plan {
        steps: vec![
            step(
                Verb::Create,
                vec![key(Kind::SecurityGroupRule, "hosts-lxd")],
                "to let in tcp 22 from anywhere",
                &[],
                Action::CreateRules {
                    group: key(Kind::SecurityGroup, "hosts-lxd"),
                    admits: vec![Admits::TcpFrom(22, "0.0.0.0/0".parse().unwrap())],
                },
            ),
            step(
                Verb::Create,
                reservations.iter().map(|(key, _)| key.clone()).collect(),
                "so that Neutron gives the address to nobody else",
                &[],
                Action::Reserve { network_id: "n".to_owned(), subnet_id: "s".to_owned(), addresses: reservations },
            ),
            step(
                Verb::Create,
                vec![key(Kind::Port, "lxd0"), key(Kind::Pairs, "lxd0")],
                "it does not exist",
                &[0],
                Action::CreatePort {
                    name: "lxd0".to_owned(),
                    network_id: "n".to_owned(),
                    subnet_id: "s".to_owned(),
                    mac: Mac::of_host("blog", "lxd0"),
                    security_groups: Vec::new(),
                    port_security: true,
                    pairs: vec![Pair { mac: mac.to_string(), address: address.to_string() }],
                },
            ),
            step(
                Verb::Create,
                vec![host()],
                "it does not exist",
                &[2],
                Action::CreateServer {
                    name: "lxd0".to_owned(),
                    image_id: "i-1".to_owned(),
                    flavor_id: "f-1".to_owned(),
                    key_name: "me".to_owned(),
                    port: key(Kind::Port, "lxd0"),
                    user_data: "x".repeat(2048),
                    user_data_hash: "abc".to_owned(),
                    host_key: HostKeySource::Console,
                    group: None,
                    availability_zone: None,
                },
            ),
            step(
                Verb::Wait,
                vec![host()],
                "for its cloud-init to make it a container host",
                &[3],
                Action::AwaitHost { host: "lxd0".to_owned(), engine: Engine::Lxd },
            ),
            step(
                Verb::Create,
                vec![container()],
                "it does not exist",
                &[4],
                Action::CreateContainer {
                    host: "lxd0".to_owned(),
                    name: "hugo-0".to_owned(),
                    image,
                    config: Box::new(config),
                },
            ),
            step(
                Verb::Change,
                vec![container()],
                "once its packets can pass",
                &[5],
                Action::StartContainer { host: "lxd0".to_owned(), name: "hugo-0".to_owned() },
            ),
        ],
        unchanged: vec![key(Kind::SecurityGroup, "hosts-lxd")],
        attachment: Some((Attachment::PairMac, "the cloud takes pairs".to_owned())),
        places: vec![Place {
            container: "hugo-0".to_owned(),
            service: "hugo".to_owned(),
            host: "lxd0".to_owned(),
            address,
            mac,
        }],
        ..Plan::default()
    }
}

#[test]
fn a_first_plan_says_what_is_made_with_the_values_that_decide_and_why() {
    check(
        &first_plan(),
        "\
Stack blog on cloud embedded (simulated, on this machine)
Containers pass port security by pair-mac: the cloud takes pairs

Network
  + rule/hosts-lxd                   — to let in tcp 22 from anywhere
  + reservation/hugo-0 … hugo-3 (4)  192.168.0.100-192.168.0.103 — so that Neutron gives the address to nobody else

Hosts
  + port/lxd0 with pairs  fa:16:3e:65:df:f3 — it does not exist
        pair 192.168.0.100 00:16:3e:10:db:ef
  + host/lxd0             image i-1, flavor f-1, key me, user-data 2.0 KiB — it does not exist
        then wait for its cloud-init to make it a container host

On host lxd0
  + container/hugo-0  192.168.0.100, 00:16:3e:10:db:ef, image 24.04 of cloud-images.ubuntu.com, limits.memory=512MiB
        — it does not exist
        then start once its packets can pass

Plan: 9 to create, 0 to change, 0 to replace, 0 to delete; 1 unchanged
",
    );
}

#[test]
fn the_same_plan_for_programs_names_everything_by_key() {
    let json = json(&view(&first_plan()));
    assert_eq!(json["attachment"], json!({"mode": "pair-mac", "reason": "the cloud takes pairs"}));
    assert_eq!(json["summary"]["create"], 9);
    assert_eq!(json["unchanged"], json!(["pontoon:blog:security-group/hosts-lxd"]));
    assert_eq!(
        json["steps"][0],
        json!({
            "verb": "create",
            "keys": ["pontoon:blog:rule/hosts-lxd"],
            "reason": "to let in tcp 22 from anywhere",
            "after": [],
            "details": {
                "action": "create-rules",
                "security_group": "pontoon:blog:security-group/hosts-lxd",
                "rules": [{"protocol": "tcp", "port": 22, "remote_ip_prefix": "0.0.0.0/0"}],
            },
        })
    );
    assert_eq!(json["steps"][3]["after"], json!([2]));
    assert_eq!(
        json["places"][0],
        json!({"container": "hugo-0", "service": "hugo", "host": "lxd0", "address": "192.168.0.100", "mac": "00:16:3e:10:db:ef"})
    );
}

#[test]
fn user_data_is_counted_and_never_printed_with_a_plan() {
    let mut plan = first_plan();
    for step in &mut plan.steps {
        if let Action::CreateServer { user_data, .. } = &mut step.action {
            *user_data = "#cloud-config\npassword: hunter2\n".to_owned();
        }
    }
    assert!(!text(&view(&plan), Style::PLAIN).contains("hunter2"));
    assert!(!json(&view(&plan)).to_string().contains("hunter2"));
}

#[test]
fn what_is_removed_and_made_anew_is_one_line_and_counts_once() {
    let container = || vec![key(Kind::Container, "hugo-0")];
    let named = || ("lxd0".to_owned(), "hugo-0".to_owned());
    let (host, name) = named();
    let mut plan = first_plan();
    plan.steps.retain(|step| step.keys == container());
    plan.steps.insert(
        0,
        step(
            Verb::Replace,
            container(),
            "its user data changed, which cloud-init applies to a new container only",
            &[],
            Action::DeleteContainer { host, name },
        ),
    );
    plan.attachment = None;
    check(
        &plan,
        "\
Stack blog on cloud embedded (simulated, on this machine)

On host lxd0
-/+ container/hugo-0  192.168.0.100, 00:16:3e:10:db:ef, image 24.04 of cloud-images.ubuntu.com, limits.memory=512MiB
        — its user data changed, which cloud-init applies to a new container only
        then start once its packets can pass

Plan: 0 to create, 0 to change, 1 to replace, 0 to delete; 1 unchanged
",
    );
}

#[test]
fn a_blocked_plan_says_what_to_do_about_it() {
    let plan = Plan {
        blocked: vec![Blocked {
            subject: "address 192.168.0.100".to_owned(),
            reason: "container `hugo-0` wants it, but Neutron's own DHCP port holds it".to_owned(),
            hint: "choose another address".to_owned(),
        }],
        notes: vec!["host `lxd0` was booted with an older user-data".to_owned()],
        ..Plan::default()
    };
    check(
        &plan,
        "\
Stack blog on cloud embedded (simulated, on this machine)

Nothing can be changed until this is put right
  ! address 192.168.0.100: container `hugo-0` wants it, but Neutron's own DHCP port holds it
    hint: choose another address

note: host `lxd0` was booted with an older user-data

Plan: blocked.
",
    );
}

#[test]
fn an_empty_plan_says_so_in_one_line() {
    let plan = Plan { unchanged: vec![key(Kind::Port, "lxd0"), key(Kind::Host, "lxd0")], ..Plan::default() };
    assert_eq!(summary(&view(&plan)), "Nothing to do: 2 resources are as the file says.");
    let down = PlanView { purpose: Purpose::Down, ..view(&plan) };
    assert_eq!(summary(&down), "Nothing to do: cloud embedded holds nothing of stack blog.");
}

#[test]
fn deletions_are_shown_with_the_id_of_what_goes() {
    let plan = Plan {
        steps: vec![
            step(
                Verb::Delete,
                vec![key(Kind::FloatingIp, "vip-web")],
                "it is of this stack",
                &[],
                Action::DeleteFloatingIp { id: "fip-1".to_owned() },
            ),
            step(
                Verb::Change,
                vec![key(Kind::Pairs, "lxd0")],
                "192.168.0.101 is wanted here no more",
                &[],
                Action::SetPairs { port: key(Kind::Port, "lxd0"), pairs: Vec::new(), revision: Some(4) },
            ),
        ],
        ..Plan::default()
    };
    check(
        &plan,
        "\
Stack blog on cloud embedded (simulated, on this machine)

Balancers
  - floating-ip/vip-web  id fip-1 — it is of this stack

Hosts
  ~ pairs/lxd0  no pairs — 192.168.0.101 is wanted here no more

Plan: 0 to create, 1 to change, 0 to replace, 1 to delete; 0 unchanged
",
    );
}

#[test]
fn colour_changes_nothing_but_the_colour() {
    let plan = first_plan();
    let colored = text(&view(&plan), Style::COLORED);
    let mut bare = String::new();
    let mut rest = colored.as_str();
    while let Some((before, after)) = rest.split_once("\x1b[") {
        bare += before;
        rest = after.split_once('m').unwrap().1;
    }
    bare += rest;
    assert_ne!(colored, bare);
    assert_eq!(bare, text(&view(&plan), Style::PLAIN));
}

/// The examples of the repository, planned for a cloud where nothing of them exists.
#[test]
fn a_described_stack_is_shown_with_the_names_of_its_images_and_flavors_and_with_every_step() {
    for example in ["blog", "shop"] {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(example);
        let file = crate::load::load(&directory, &crate::cli::StackOptions::default());
        let stack = file.unwrap_or_else(|failure| panic!("{}", failure.text(Style::PLAIN))).loaded.stack;
        let plan = Plan::up(&stack, &crate::verbs::render::assumed::cloud(&stack).seen);
        let view = PlanView { plan: &plan, stack: &stack.name, described: Some(&stack), ..view(&plan) };
        let text = text(&view, Style::PLAIN);
        assert!(text.contains("image Ubuntu 24.04, flavor dc1.2x4.40, key datacentred"), "{text}");
        for step in &plan.steps {
            let label = label::keys(&step.keys);
            assert!(text.contains(&label), "{label} is missing in\n{text}");
        }
        assert!(
            plan.steps.iter().any(|step| matches!(step.action, Action::CreateBalancer { write: Write::Whole, .. }))
        );
        assert_eq!(json(&view)["steps"].as_array().map(Vec::len), Some(plan.steps.len()));
        if std::env::var_os("PONTOON_SHOW").is_some() {
            eprintln!("{text}");
        }
    }
}
