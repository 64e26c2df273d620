//! Single values: unknown fields, wrong types, numbers, words, and how all of it is shown.

use super::*;
use crate::spec::model::{
    Addressing, AttachChoice, Attachment, Check, Engine, FloatingIp, Install, Method, MonitoringPoint, Protocol,
    Storage,
};

#[test]
fn defaults_are_filled_in() {
    let stack = stack_of(GOOD);
    assert_eq!(stack.cloud, "embedded");
    assert_eq!((stack.network.attach, stack.network.addressing), (AttachChoice::Auto, Addressing::Dnsmasq));
    let hosts = &stack.hosts["lxd"];
    assert_eq!((hosts.count, hosts.floating_ip), (1, FloatingIp::Any));
    assert_eq!((hosts.engine, hosts.storage), (Engine::Lxd, Storage::Dir));
    let hugo = &stack.services["hugo"];
    assert_eq!((hugo.replicas, hugo.hosts.as_str(), hugo.address), (1, "lxd", None));
    let web = &stack.balancers["web"];
    assert_eq!((web.protocol, web.method, web.floating_ip), (Protocol::Http, Method::RoundRobin, FloatingIp::No));
    assert_eq!(web.allow, ["0.0.0.0/0".parse().unwrap()]);
    assert_eq!(web.monitor_path.as_deref(), Some("/"));
}

#[test]
fn every_field_can_be_given() {
    let stack = stack_of(
        "stack: full
cloud: mine
network: {name: n, subnet: 10.0.0.0/24, external: e, containers: 10.0.0.100 - 10.0.0.109,
  dhcp_pool: 10.0.0.2-10.0.0.20, attach: pair-ip, addressing: raw-lxc}
hosts:
  lxd: {count: 2, image: i, flavor: f, key: k, ssh_from: [], floating_ip: 203.0.113.7, engine: incus,
    storage: zfs, availability_zone: az1}
services:
  hugo:
    {image: 'images:debian/12', replicas: 0, address: 10.0.0.50, port: 8080, user_data: \"#cloud-config\", hosts: lxd,
    limits: {cpu: 0-3, memory: 512MiB},
    announce: {capabilities: [blog], monitor: [{tcp: 8080}, {metrics: /metrics}, {http: /up}, {exec: [check, -v]},
      {unit: hugo.service}, {cloud-init: true}], check: {interval: 10, timeout: 3, rise: 1, fall: 5}}}
balancers:
  web: {service: hugo, listen: 80, protocol: tcp, method: source-ip-port, address: 10.0.0.200, floating_ip: true,
    allow: [10.0.0.0/8, 203.0.113.9/32], monitor: {path: /healthz}}
agent: {install: false, ring_from: [198.51.100.0/24]}
",
    );
    assert_eq!(stack.network.attach, AttachChoice::Only(Attachment::PairIp));
    assert_eq!(stack.hosts["lxd"].floating_ip, FloatingIp::Given("203.0.113.7".parse().unwrap()));
    let hugo = &stack.services["hugo"];
    assert_eq!(hugo.limits.cpu.as_deref(), Some("0-3"));
    assert_eq!(hugo.user_data.as_deref(), Some("#cloud-config"));
    assert_eq!(hugo.announce.monitor[2], MonitoringPoint::Http("/up".to_owned()));
    let (exec, unit) = (vec!["check".to_owned(), "-v".to_owned()], "hugo.service".to_owned());
    let inside = [MonitoringPoint::Exec(exec), MonitoringPoint::Unit(unit), MonitoringPoint::CloudInit];
    assert_eq!(hugo.announce.monitor[3..], inside);
    assert_eq!(hugo.announce.check, Check { interval: 10, timeout: 3, rise: 1, fall: 5 });
    assert_eq!(stack.agent.install, Install::No);
    assert_eq!(stack.agent.ring_from, ["198.51.100.0/24".parse().unwrap()]);
    assert_eq!(stack.balancers["web"].monitor_path.as_deref(), Some("/healthz"));
    assert_eq!(stack.container_names().count(), 0, "scaled to nothing");
}

#[test]
fn a_balancer_asks_for_the_path_that_its_service_announces() {
    let announcing = GOOD.replace("port: 8080", "port: 8080\n    announce: {monitor: [{tcp: 1}, {http: /up}]}");
    assert_eq!(stack_of(&announcing).balancers["web"].monitor_path.as_deref(), Some("/up"));
    let tcp = GOOD.replace("listen: 80", "listen: 80\n    protocol: tcp");
    assert_eq!(stack_of(&tcp).balancers["web"].monitor_path, None);
}

#[test]
fn a_monitoring_point_that_runs_nothing_is_pointed_at() {
    wrong(
        "port: 8080",
        "port: 8080\n    announce: {monitor: [«{exec: []}»]}",
        "a monitoring point in `announce` of service `hugo` runs no command",
        "write `{exec: [/usr/local/bin/check, argument]}`",
    );
    wrong(
        "port: 8080",
        "port: 8080\n    announce: {monitor: [{cloud-init: «false»}]}",
        "`cloud-init` of a monitoring point in `announce` of service `hugo`: `false` is not known",
        "write one of `true`",
    );
}

#[test]
fn an_unknown_field_is_pointed_at_with_the_nearest_known_one() {
    wrong("flavor: small", "«flavour»: small", "host group `lxd` has no field `flavour`", "did you mean `flavor`?");
    wrong(
        "port: 8080",
        "port: 8080\n    «replica»: 2",
        "service `hugo` has no field `replica`",
        "did you mean `replicas`?",
    );
    wrong(
        "port: 8080",
        "port: 8080\n    «volumes»: []",
        "service `hugo` has no field `volumes`",
        "the fields are `image`, `replicas`, `address`, `port`, `user_data`, `hosts`, `limits`, `announce`",
    );
    wrong("stack: blog", "stack: blog\n«netwrok»: {}", "the file has no field `netwrok`", "did you mean `network`?");
    wrong(
        "port: 8080",
        "port: 8080\n    limits: {«cpus»: 2}",
        "`limits` of service `hugo` has no field `cpus`",
        "did you mean `cpu`?",
    );
}

#[test]
fn a_missing_field_is_pointed_at_where_it_belongs() {
    wrong(
        "  lxd:\n    image: Ubuntu 24.04\n",
        "  «lxd»:\n",
        "host group `lxd` has no `image`",
        "add `image: …`; the name of a Glance image: Debian 12 or 13, Ubuntu 22.04 or 24.04",
    );
    wrong(
        "flavor: small",
        "«flavor»:",
        "host group `lxd` has no `flavor`",
        "add `flavor: …`; the name of a Nova flavor",
    );
    wrong("port: 8080", "«prot»: 8080", "service `hugo` has no field `prot`", "did you mean `port`?");
    wrong_text(
        &changed("stack: blog\n", "«»# nothing here\n"),
        "the file has no `stack`",
        "add `stack: …`; the name of the stack",
    );
    let all = load_text("stack: blog\n").unwrap_err();
    let messages: Vec<_> = all.list.iter().map(|error| error.message.as_str()).collect();
    assert_eq!(messages, ["the file has no `network`", "the file has no `hosts`", "the file has no `services`"]);
    wrong_text(
        "stack: blog\nnetwork: {name: n, containers: 10.0.0.1-10.0.0.2}\n\
         «hosts»: {}\nservices: {a: {image: 'ubuntu:24.04'}}\n",
        "`hosts` is empty",
        "write each host group under its name, indented",
    );
}

#[test]
fn a_value_of_the_wrong_kind_is_pointed_at() {
    let quote = "quote a text that holds `: ` or begins with `{`";
    wrong("image: Ubuntu 24.04", "image: «{name: x}»", "`image` of host group `lxd` is a table of fields", quote);
    wrong(
        "flavor: small",
        "flavor: «[small]»",
        "`flavor` of host group `lxd` is a list",
        "write one value, without brackets or dashes",
    );
    wrong(
        "ssh_from: [10.9.0.0/16]",
        "ssh_from: «10.9.0.0/16»",
        "`ssh_from` of host group `lxd` is a single value",
        "write the items in brackets, as in `[a, b]`",
    );
    let lines = "write `name: value` lines, each with the same indentation";
    wrong("port: 8080", "port: 8080\n    limits: «2»", "`limits` of service `hugo` is a single value", lines);
    wrong_text("«- stack»\n", "the file is a list", lines);
}

#[test]
fn numbers_are_held_to_their_bounds() {
    let digits = "write it in digits alone";
    wrong("port: 8080", "port: «0»", "`port` of service `hugo`: 0 is too small", "the least is 1");
    wrong("port: 8080", "port: «65536»", "`port` of service `hugo`: 65536 is too large", "the most is 65535");
    wrong("listen: 80", "listen: «http»", "`listen` of balancer `web`: `http` is not a whole number", digits);
    wrong("port: 8080", "port: «-1»", "`port` of service `hugo`: `-1` is not a whole number", digits);
    wrong("port: 8080", "port: «1e3»", "`port` of service `hugo`: `1e3` is not a whole number", digits);
    wrong(
        "port: 8080",
        "port: «\"8080\"»",
        "`port` of service `hugo`: `8080` is quoted and so a text",
        "remove the quotes",
    );
    wrong(
        "flavor: small",
        "flavor: small\n    count: «0»",
        "`count` of host group `lxd`: 0 is too small",
        "the least is 1",
    );
    wrong(
        "port: 8080",
        "port: 8080\n    replicas: «99999999999999999999»",
        "`replicas` of service `hugo`: `99999999999999999999` is not a whole number",
        digits,
    );
}

#[test]
fn words_are_named_when_one_is_not_known() {
    wrong(
        "listen: 80",
        "listen: 80\n    method: «round_robin»",
        "`method` of balancer `web`: `round_robin` is not known",
        "did you mean `round-robin`?",
    );
    wrong(
        "listen: 80",
        "listen: 80\n    protocol: «udp»",
        "`protocol` of balancer `web`: `udp` is not known",
        "write one of `http`, `tcp`",
    );
    wrong(
        "flavor: small",
        "flavor: small\n    engine: «docker»",
        "`engine` of host group `lxd`: `docker` is not known",
        "write one of `lxd`, `incus`",
    );
    wrong(
        "flavor: small",
        "flavor: small\n    storage: «zsf»",
        "`storage` of host group `lxd`: `zsf` is not known",
        "did you mean `zfs`?",
    );
    wrong(
        "  name: default",
        "  name: default\n  attach: «trunk»",
        "`attach` of `network`: `trunk` is not supported yet",
        "`auto` takes the best way that the cloud allows",
    );
    wrong(
        "  name: default",
        "  name: default\n  attach: «pair_mac»",
        "`attach` of `network`: `pair_mac` is not known",
        "did you mean `pair-mac`?",
    );
    wrong(
        "  name: default",
        "  name: default\n  addressing: «static»",
        "`addressing` of `network`: `static` is not known",
        "write one of `dnsmasq`, `network-config`, `raw-lxc`",
    );
    wrong(
        "flavor: small",
        "flavor: small\n    floating_ip: «yes»",
        "`floating_ip` of host group `lxd`: `yes` is not `true`, `false` or an IPv4 address",
        "`true` takes any floating IP; an address takes that one, which the project has already",
    );
}

#[test]
fn limits_and_announcements_are_read_with_care() {
    let with = |text: &str| format!("port: 8080\n    {text}");
    wrong(
        "port: 8080",
        &with("limits: {memory: «512»}"),
        "`memory` of `limits` of service `hugo`: `512` is not an amount of memory",
        "such as `512MiB` or `25%`; the units are `%`, `B`, `kB`, `MB`, `GB`, `TB`, `KiB`, `MiB`, `GiB`, `TiB`",
    );
    wrong(
        "port: 8080",
        &with("limits: {cpu: «half»}"),
        "`cpu` of `limits` of service `hugo`: `half` is neither a number of CPUs nor a set of them",
        "`2` allows two CPUs, `0-3` and `1,3` pin to those",
    );
    wrong(
        "port: 8080",
        &with("announce: {capabilities: [«a b»]}"),
        "`capabilities` of `announce` of service `hugo`: `a b` is not a word",
        "use letters, digits, `.`, `_` and `-`, without blanks",
    );
    wrong(
        "port: 8080",
        &with("announce: {monitor: [{http: «healthz»}]}"),
        "`http` of a monitoring point in `announce` of service `hugo`: `healthz` is not a path",
        "write `/healthz`",
    );
    wrong(
        "port: 8080",
        &with("announce: {monitor: [«{http: /, tcp: 80}»]}"),
        "a monitoring point in `announce` of service `hugo` is 2 things at once",
        "write one item for each, as in `[{http: /}, {metrics: /metrics}]`",
    );
    wrong(
        "listen: 80",
        "listen: 80\n    monitor: {path: «http://x/»}",
        "`path` of `monitor` of balancer `web`: `http://x/` is not a path",
        "write the path alone, such as `/healthz`; address and port are known",
    );
}

#[test]
fn all_errors_are_reported_at_once_and_in_order() {
    let text = GOOD.replace("port: 8080", "port: 0").replace("small", "[x]").replace("service: hugo", "service: huge");
    let errors = load_text(&text).unwrap_err();
    let lines: Vec<_> = errors.list.iter().map(|error| error.place.line()).collect();
    assert_eq!(lines, [9, 15, 18]);
    assert_eq!(errors.to_string(), "3 errors in the description of the stack");
    assert_eq!(errors.to_json()["errors"][1]["column"], 11);
}

#[test]
fn a_diagnostic_is_shown_with_its_line_underlined_and_the_hint_last() {
    let error = load_text(&changed("flavor: small", "flavour: small")).unwrap_err();
    insta::assert_snapshot!(error.render(), @r"
    error: host group `lxd` has no field `flavour`
     --> pontoon.yaml:9:5
      |
    9 |     flavour: small
      |     ^^^^^^^ expected `flavor`
    hint: did you mean `flavor`?
    ");
}

#[test]
fn a_diagnostic_names_the_other_place_that_has_a_part_in_it() {
    let twice = GOOD
        .replace("port: 8080", "port: 8080\n    address: 10.0.0.50")
        .replace("listen: 80", "listen: 80\n    address: 10.0.0.50");
    insta::assert_snapshot!(load_text(&twice).unwrap_err().render(), @r"
    error: the address `10.0.0.50` of balancer `web` is that of service `hugo`
      --> pontoon.yaml:21:14
       |
    21 |     address: 10.0.0.50
       |              ^^^^^^^^^ expected an address of its own
    note: service `hugo` has it at pontoon.yaml:16:14
    hint: choose another address, or leave one of the two out
    ");
}

#[test]
fn several_diagnostics_are_shown_one_after_the_other() {
    let text = GOOD.replace("port: 8080", "port: 80800").replace("10.9.0.0/16", "10.9.0.0");
    insta::assert_snapshot!(load_text(&text).unwrap_err().render(), @r"
    error: `ssh_from` of host group `lxd`: `10.9.0.0` is not a network
      --> pontoon.yaml:11:16
       |
    11 |     ssh_from: [10.9.0.0]
       |                ^^^^^^^^ expected an IPv4 network in CIDR notation
    hint: write `10.9.0.0/32` for this one address

    error: `port` of service `hugo`: 80800 is too large
      --> pontoon.yaml:15:11
       |
    15 |     port: 80800
       |           ^^^^^ expected a whole number from 1 to 65535
    hint: the most is 65535
    ");
}

#[test]
fn a_long_line_is_shown_around_its_error() {
    let many = "10.0.0.0/8, ".repeat(40);
    let long = changed("[10.9.0.0/16]", &format!("[{many}nowhere]"));
    insta::assert_snapshot!(load_text(&long).unwrap_err().render(), @r"
    error: `ssh_from` of host group `lxd`: `nowhere` is not a network
      --> pontoon.yaml:11:496
       |
    11 | 0.0.0/8, 10.0.0.0/8, 10.0.0.0/8, 10.0.0.0/8, 10.0.0.0/8, 10.0.0.0/8, nowhere]
       |                                                                      ^^^^^^^ expected an IPv4 network in CIDR notation
    hint: such as `192.168.0.0/24`, or `0.0.0.0/0` for everyone
    ");
}

#[test]
fn what_could_steer_a_terminal_is_not_shown() {
    let text = changed("[10.9.0.0/16]", "[\"\\e[31m\", \"\u{9b}\"]");
    let rendered = load_text(&text).unwrap_err().render();
    assert!(rendered.chars().all(|c| c == '\n' || !c.is_control()), "{rendered:?}");
}

#[test]
fn an_error_reads_the_same_as_json() {
    let errors = load_text(&changed("port: 8080", "port: 0")).unwrap_err();
    assert_eq!(
        errors.list[0].to_json(),
        serde_json::json!({
            "severity": "error", "file": "pontoon.yaml", "line": 15, "column": 11, "width": 1,
            "message": "`port` of service `hugo`: 0 is too small",
            "expected": "a whole number from 1 to 65535", "note": null, "hint": "the least is 1",
        })
    );
}
