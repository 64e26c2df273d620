//! The overlay and `--set`: what they change, and that errors point into them.

use super::*;

fn with_overlay(overlay: &str, sets: &[&str]) -> Result<Loaded, Diagnostics> {
    let overlay = Some(SourceText::new("pontoon.mine.yaml", overlay));
    let sets = sets.iter().map(|&set| set.to_owned()).collect();
    load(&Sources { overlay, sets, ..sources(GOOD) }, &Shelf::default())
}

#[track_caller]
fn wrong_overlay(marked: &str, message: &str, hint: &str) {
    let (text, position) = unmarked(marked);
    one_error(with_overlay(&text, &[]), "pontoon.mine.yaml", position, message, hint);
}

#[track_caller]
fn wrong_set(marked: &str, message: &str, hint: &str) {
    let (text, position) = unmarked(marked);
    one_error(with_overlay("", &[&text]), "--set", position, message, hint);
}

#[test]
fn an_overlay_changes_what_it_names_and_nothing_else() {
    let stack = with_overlay(
        "network: {name: private, external: public}
hosts:
  lxd: {image: Debian 12, ssh_from: [0.0.0.0/0]}
services:
  hugo: {port: ~}
balancers:
",
        &["services.hugo.port=9000"],
    )
    .unwrap()
    .stack;
    assert_eq!((stack.network.name.as_str(), stack.network.external.as_deref()), ("private", Some("public")));
    assert_eq!(stack.network.subnet, Some("10.0.0.0/24".parse().unwrap()));
    let hosts = &stack.hosts["lxd"];
    assert_eq!((hosts.image.as_str(), hosts.flavor.as_str()), ("Debian 12", "small"));
    assert_eq!(hosts.ssh_from, ["0.0.0.0/0".parse().unwrap()], "a list replaces");
    assert_eq!(stack.services["hugo"].port, Some(9000), "what is set last wins");
    assert_eq!(stack.balancers.len(), 1);
}

#[test]
fn a_set_takes_any_yaml_value_and_a_later_one_wins() {
    let sets = [
        "hosts.lxd.image=Debian 12",
        "hosts.lxd.ssh_from=[10.1.0.0/16, 10.2.0.0/16]",
        "hosts.lxd.image=Debian 13",
        "services.hugo.limits.memory=1GiB",
        "network.subnet=",
    ];
    let stack = with_overlay("", &sets).unwrap().stack;
    assert_eq!(stack.hosts["lxd"].image, "Debian 13");
    assert_eq!(stack.hosts["lxd"].ssh_from.len(), 2);
    assert_eq!(stack.services["hugo"].limits.memory.as_deref(), Some("1GiB"));
    assert_eq!(stack.network.subnet, None, "nothing takes a value away");
}

#[test]
fn a_set_to_nothing_takes_away_what_the_file_has_there() {
    let balancers = |sets| with_overlay("", sets).unwrap().stack.balancers;
    assert_eq!(balancers(&["balancers=~"]).len(), 0);
    assert_eq!(balancers(&["balancers.web="]).len(), 0);
    let limited = with_overlay("", &["services.hugo.limits.memory=1GiB", "services.hugo.limits=~"]).unwrap().stack;
    assert_eq!(limited.services["hugo"].limits.memory, None, "what was set before, too");
    wrong_set("balancers.«wbe»=~", "the file has no `balancers.wbe` that could be changed", "did you mean `web`?");
}

#[test]
fn an_error_in_an_overlay_points_into_it() {
    wrong_overlay("hosts:\n  lxd: {count: «0»}\n", "`count` of host group `lxd`: 0 is too small", "the least is 1");
    wrong_overlay("hosts: {lxd: {«flavour»: big}}", "`hosts.lxd` has no field `flavour`", "did you mean `flavor`?");
    wrong_overlay("{«netwrk»: {}}", "the file has no field `netwrk`", "did you mean `network`?");
    wrong_overlay("network: {«subnets»: x}", "`network` has no field `subnets`", "did you mean `subnet`?");
    wrong_overlay(
        "services: {hugo: {address: «10.1.0.5»}}",
        "the address `10.1.0.5` of service `hugo` lies outside the subnet `10.0.0.0/24`",
        "choose another address, or correct `network.subnet`",
    );
    wrong_overlay(
        "services: «[]»",
        "`services` is a list",
        "write `name: value` lines, each with the same indentation",
    );
}

#[test]
fn a_wrong_value_in_an_overlay_is_not_lost_where_the_file_has_nothing() {
    let (main, _) = GOOD.split_once("balancers").unwrap();
    let overlay = Some(SourceText::new("pontoon.mine.yaml", "balancers: []"));
    let errors = load(&Sources { overlay, ..sources(main) }, &Shelf::default()).unwrap_err();
    assert_eq!(errors.list[0].message, "`balancers` is a list");
}

#[test]
fn an_overlay_adds_nothing() {
    wrong_overlay(
        "services: {«huge»: {port: 1}}",
        "the file has no `services.huge` that could be changed",
        "did you mean `hugo`?",
    );
    wrong_overlay(
        "hosts: {«workers»: {count: 2}}",
        "the file has no `hosts.workers` that could be changed",
        "the file has `lxd` there; add new ones to the file itself",
    );
    wrong_overlay(
        "«cloud»: other",
        "an overlay cannot choose the cloud",
        "the overlay is chosen by the cloud; set `cloud` in the file itself, or give `--cloud`",
    );
}

#[test]
fn an_error_in_a_set_points_into_it() {
    wrong_set(
        "hosts.lxd.count=«many»",
        "`count` of host group `lxd`: `many` is not a whole number",
        "write it in digits alone",
    );
    wrong_set("hosts.«lxc».image=x", "the file has no `hosts.lxc` that could be changed", "did you mean `lxd`?");
    wrong_set("hosts.lxd.«imag»=x", "`hosts.lxd` has no field `imag`", "did you mean `image`?");
    wrong_set("«hosts.lxd.image»", "no `=` in the argument of `--set`", "such as `--set hosts.lxd.image='Debian 12'`");
    wrong_set(
        "«hosts..image»=x",
        "`hosts..image` is not the path of a field",
        "such as `hosts.lxd.image` or `network.attach`",
    );
    wrong_set("«cloud»=x", "`--set` cannot choose the cloud", "give `--cloud`, which also chooses the overlay");
    wrong_set(
        "network.attach=«Trunk»",
        "`attach` of `network`: `Trunk` is not known",
        "write one of `auto`, `pair-mac`, `pair-ip`, `open`",
    );
}

#[test]
fn the_cloud_decides_which_overlay_is_wanted() {
    assert_eq!(cloud_of("stack: x\ncloud: mine\n", None), "mine");
    assert_eq!(cloud_of("stack: x\ncloud: mine\n", Some("other")), "other");
    assert_eq!(cloud_of(GOOD, None), "embedded");
    for broken in ["", "[", "cloud: [", "cloud: {a: b}", "cloud: ../../etc", "- cloud: x"] {
        assert_eq!(cloud_of(broken, None), "embedded", "{broken}");
    }
    assert_eq!(overlay_name("mine"), "pontoon.mine.yaml");
    let sources = Sources { cloud: Some("other".to_owned()), ..sources(GOOD) };
    assert_eq!(load(&sources, &Shelf::default()).unwrap().stack.cloud, "other");
}

#[test]
fn a_value_can_be_found_again_when_the_cloud_refuses_it() {
    let loaded = with_overlay("hosts: {lxd: {image: Debian 12}}", &[]).unwrap();
    assert_eq!(loaded.place("hosts.lxd.image").unwrap().to_string(), "pontoon.mine.yaml:1:22");
    assert_eq!(loaded.place("hosts.lxd.flavor").unwrap().to_string(), "pontoon.yaml:9:13");
    assert_eq!(loaded.place("hosts.lxd.engine").unwrap().to_string(), "pontoon.yaml:7:3", "the group, for a default");
    assert!(loaded.place("nothing").is_none());
}
