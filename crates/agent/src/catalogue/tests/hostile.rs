//! Hosts that lie, and containers that never keep still.

use std::time::Duration;

use super::super::simulation::{Carriage, Simulation};
use super::*;

const SECOND: Duration = Duration::from_secs(1);
const LIAR: usize = 3;

/// Four hosts of one container each, which know each other; the last of them lies.
fn four(seed: u64) -> Simulation {
    let mut simulation = Simulation::new(seed, Carriage::default(), Pace::default());
    let last = |index: usize| 100 + u8::try_from(index).unwrap();
    simulation.settled(4, |index| containers(&[(&format!("web-{index}"), last(index))]));
    simulation.run_for(11 * SECOND);
    simulation
}

fn step_from(before: Mark, ahead: u64, seal: u32) -> Step {
    let version = Version { change: before.version.change + ahead, ..before.version };
    let stolen = Change { gone: vec![name("web-0")], ..Change::default() };
    Step { before, after: Mark { version, seal }, change: stolen }
}

fn is_there(simulation: &Simulation, container: &str) -> bool {
    (0..4).all(|index| simulation.view(index).unwrap().container(container).any(|instance| instance.serves()))
}

#[test]
fn a_step_that_another_makes_up_is_put_right_within_seconds() {
    for seed in 0..8 {
        let mut simulation = four(seed);
        let mut held = simulation.catalogue(LIAR).unwrap().mark("lxd0").unwrap();
        // Three in a row, each going on from the last.
        for seal in 1..4 {
            let step = step_from(held, 1, seal);
            held = step.after;
            simulation.say(LIAR, &Announcement::new(name("lxd0"), held, Some(step)).encode());
        }
        simulation.run_for(SECOND / 20);
        simulation.run_for(3 * SECOND);
        assert!(simulation.agree(), "seed {seed}");
        assert!(is_there(&simulation, "web-0"), "seed {seed}");
    }
}

#[test]
fn a_version_far_ahead_that_another_makes_up_changes_nothing_and_costs_few_asks() {
    let mut simulation = four(1);
    let version = Version { epoch: u64::MAX, change: u64::MAX };
    let forged = Announcement::new(name("lxd0"), Mark { version, seal: 1 }, None).encode();
    let asks = |simulation: &Simulation| simulation.catalogue(1).unwrap().counters().asks;
    let before = asks(&simulation);
    for _ in 0..1000 {
        simulation.say(LIAR, &forged);
        simulation.run_for(SECOND / 50);
    }
    assert!(asks(&simulation) - before <= 20, "{} asks in 20 s", asks(&simulation) - before);
    simulation.run_for(20 * SECOND);
    assert!(simulation.agree() && is_there(&simulation, "web-0"));
    // The owner is not silenced by it.
    simulation.input(0, Input::Own(containers(&[("web-0", 100), ("new", 9)])));
    simulation.run_for(20 * SECOND);
    assert!(simulation.agree() && is_there(&simulation, "new"));
}

#[test]
fn an_answer_counts_for_the_host_that_was_asked_alone_and_only_once() {
    let mut simulation = four(2);
    let version = Version { epoch: 9, change: 9 };
    let lie = Answer::around(0, Mark { version, seal: 1 }, b"{}");
    let before = simulation.catalogue(1).unwrap().mark("lxd0");
    simulation.input(1, Input::Answered { host: name("lxd0"), bytes: lie.clone() });
    simulation.input(1, Input::Answered { host: name("nobody"), bytes: lie });
    assert_eq!(simulation.catalogue(1).unwrap().mark("lxd0"), before);
    assert_eq!(simulation.catalogue(1).unwrap().counters().unasked, 2);
}

#[test]
fn a_tag_speaks_for_its_own_member_only() {
    let mut simulation = four(2);
    let version = Version { epoch: 1, change: 99 };
    let bytes = Announcement::new(name("lxd0"), Mark { version, seal: 1 }, None).encode();
    simulation.input(1, Input::Tagged { host: name("lxd3"), bytes });
    assert_eq!(simulation.catalogue(1).unwrap().counters().strangers, 1);
}

#[test]
fn an_address_that_two_hosts_claim_is_nobodys_until_one_of_them_lets_go_or_is_gone() {
    let mut simulation = four(3);
    simulation.input(LIAR, Input::Own(containers(&[("thief", 100)])));
    simulation.run_for(2 * SECOND);
    for index in 0..4 {
        let view = simulation.view(index).unwrap();
        assert!(view.holder(ip(100)).is_none(), "all say the same");
        let (address, claimants) = view.contested().next().unwrap();
        assert_eq!(address, ip(100));
        assert_eq!(claimants.map(|instance| &**instance.name).collect::<Vec<_>>(), ["web-0", "thief"]);
        assert_eq!(view.container("web-0").filter(Instance::serves).count(), 1, "its own name still finds it");
    }
    simulation.stop(LIAR);
    simulation.run_for(4 * SECOND);
    assert_eq!(&**simulation.view(1).unwrap().holder(ip(100)).unwrap().name, "web-0");
}

#[test]
fn a_host_that_says_to_have_anothers_container_does_not_take_it_away() {
    let mut simulation = four(4);
    simulation.input(LIAR, Input::Own(containers(&[("web-0", 200)])));
    simulation.run_for(2 * SECOND);
    let view = simulation.view(1).unwrap();
    let hosts: Vec<_> = view.container("web-0").map(|instance| &*instance.host.name).collect();
    assert_eq!(hosts, ["lxd0", "lxd3"], "whoever looks sees that two say so, and who");
    assert_eq!(&*view.holder(ip(100)).unwrap().host.name, "lxd0");
}

#[test]
fn a_container_that_changes_all_the_time_makes_few_announcements() {
    let config = simulation_config();
    let mut catalogue = Catalogue::new(config, Time::ZERO);
    let mut announcements = 0;
    for millisecond in 0..10_000_u64 {
        let mut restless = web(ip(1));
        restless.says.insert("count".to_owned(), millisecond.to_string());
        let now = Time::after(Duration::from_millis(millisecond));
        catalogue.handle(now, Input::Own(BTreeMap::from([(name("web-0"), restless)])));
        while let Some(output) = catalogue.poll() {
            announcements += u32::from(matches!(output, Output::Announce(_)));
        }
    }
    assert!((45..=51).contains(&announcements), "{announcements} in 10 s");
}

#[test]
fn a_container_that_breaks_a_limit_is_left_out_and_the_others_are_not() {
    let mut catalogue = Catalogue::new(simulation_config(), Time::ZERO);
    let mut own = containers(&[("good", 1), ("-bad-", 2), ("long", 3)]);
    own.get_mut("long").unwrap().says.insert("key".to_owned(), "x".repeat(257));
    catalogue.handle(Time::ZERO, Input::Own(own));
    assert_eq!(catalogue.counters().left_out, 2);
    assert_eq!(catalogue.part("lxd0").unwrap().containers.keys().map(|name| &**name).collect::<Vec<_>>(), ["good"]);
}

#[test]
fn a_host_is_answered_seldom_however_often_it_asks() {
    let mut catalogue = Catalogue::new(simulation_config(), Time::ZERO);
    let host = name("lxd1");
    catalogue.handle(Time::ZERO, Input::Host { name: host.clone(), address: ip(1), state: HostState::Alive });
    let mut answers = 0;
    for millisecond in 0..1000 {
        let now = Time::after(Duration::from_millis(millisecond));
        catalogue.handle(now, Input::Asked { host: host.clone(), ask: Ask::new(1, None) });
        while let Some(output) = catalogue.poll() {
            answers += u32::from(matches!(output, Output::Send { .. }));
        }
    }
    assert_eq!(answers, 8);
    assert_eq!(catalogue.counters().hurried, 992);
}

#[test]
fn more_hosts_than_the_limit_are_not_taken_in() {
    let mut catalogue = Catalogue::new(simulation_config(), Time::ZERO);
    for number in 0..limits::HOSTS_MAX + 10 {
        let input = Input::Host { name: format!("h{number}").into(), address: ip(1), state: HostState::Failed };
        catalogue.handle(Time::ZERO, input);
    }
    assert_eq!(catalogue.counters().refused, 10);
}

fn simulation_config() -> Config {
    Config { name: name("lxd0"), address: ip(250), epoch: 1, seed: [7; 32], pace: Pace::default() }
}
