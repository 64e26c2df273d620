//! Many hosts that come to know the same, whatever the ring does to what they say.

use std::time::Duration;

use super::super::simulation::{Carriage, Simulation};
use super::*;

const SECOND: Duration = Duration::from_secs(1);
const SEEDS: u64 = 8;

fn bad() -> Carriage {
    Carriage { loss: 0.2, duplicates: 0.2, ..Carriage::default() }
}

/// Hosts that have just started, with one container each.
fn started(seed: u64, hosts: u8, carriage: Carriage) -> Simulation {
    let mut simulation = Simulation::new(seed, carriage, Pace::default());
    for index in 0..hosts {
        let added = simulation.add();
        simulation.start(added, 1);
        simulation.input(added, Input::Own(containers(&[(&format!("web-{index}"), 100 + index)])));
    }
    simulation
}

fn agreed(simulation: &mut Simulation, limit: Duration) -> Duration {
    let took = simulation.until(limit, Simulation::agree);
    assert!(took.is_some(), "they do not agree after {limit:?}");
    simulation.run_for(SECOND / 10);
    took.unwrap_or_default()
}

#[test]
fn whoever_starts_is_known_to_all_and_knows_all() {
    for seed in 0..SEEDS {
        let mut simulation = started(seed, 12, Carriage::default());
        agreed(&mut simulation, 5 * SECOND);
        for index in 0..12 {
            let view = simulation.view(index).unwrap();
            assert_eq!(view.service("web").filter(Instance::serves).count(), 12, "seed {seed}, host {index}");
        }
    }
}

#[test]
fn a_change_is_known_to_all_within_a_second() {
    for seed in 0..SEEDS {
        let mut simulation = started(seed, 12, Carriage::default());
        agreed(&mut simulation, 5 * SECOND);
        simulation.run_for(SECOND);
        let asks = |simulation: &Simulation| simulation.catalogue(5).unwrap().counters().asks;
        let before = asks(&simulation);
        simulation.input(3, Input::Own(containers(&[("web-3", 103), ("web-99", 99)])));
        assert!(agreed(&mut simulation, 5 * SECOND) <= SECOND);
        assert!(simulation.view(5).unwrap().holder(ip(99)).is_some());
        assert_eq!(asks(&simulation), before, "a small change comes with the announcement");
    }
}

#[test]
fn a_change_that_no_announcement_can_carry_is_asked_for_within_a_second() {
    let mut simulation = started(1, 12, Carriage::default());
    agreed(&mut simulation, 5 * SECOND);
    let many: Vec<String> = (0..50).map(|number| format!("web-{number}")).collect();
    let many: Vec<(&str, u8)> = many.iter().map(|name| (name.as_str(), 7)).collect();
    simulation.input(3, Input::Own(containers(&many)));
    assert!(agreed(&mut simulation, 5 * SECOND) <= SECOND);
}

#[test]
fn a_ring_that_loses_doubles_and_reorders_still_agrees() {
    for seed in 0..SEEDS {
        let mut simulation = started(seed, 12, bad());
        agreed(&mut simulation, 60 * SECOND);
        for round in 0..20_u8 {
            let host = usize::from(round % 12);
            let last = 100 + round % 12;
            simulation.input(host, Input::Own(containers(&[(&format!("web-{host}"), last), ("more", round)])));
            simulation.run_for(SECOND / 10);
        }
        agreed(&mut simulation, 60 * SECOND);
        let expected: Vec<_> =
            simulation.view(0).unwrap().instances().map(|instance| instance.container.address).collect();
        for index in 1..12 {
            let found: Vec<_> = simulation.view(index).unwrap().instances().map(|i| i.container.address).collect();
            assert_eq!(found, expected, "seed {seed}, host {index}");
        }
    }
}

#[test]
fn both_sides_of_a_cut_answer_from_what_they_know_and_say_how_old_it_is() {
    let mut simulation = started(2, 6, Carriage::default());
    agreed(&mut simulation, 5 * SECOND);
    simulation.cut(|index| u8::from(index >= 3));
    simulation.run_for(10 * SECOND);
    simulation.input(5, Input::Own(containers(&[("web-5", 55)])));
    simulation.run_for(10 * SECOND);

    let view = simulation.view(0).unwrap();
    let host = &view.hosts["lxd5"];
    assert_eq!(host.state, HostState::Failed);
    let age = simulation.now().elapsed().as_secs() - host.stale_since.unwrap();
    assert!((17..=21).contains(&age), "{age} s");
    assert_eq!(view.holder(ip(105)).unwrap().state(), State::Unknown, "it is still there to see");
    assert_eq!(view.service("web").filter(Instance::serves).count(), 3);

    simulation.cut(|_| 0);
    let all_are_back = |simulation: &Simulation| {
        let views = (0..6).map(|index| simulation.view(index).unwrap());
        simulation.agree() && views.into_iter().all(|view| view.service("web").filter(Instance::serves).count() == 6)
    };
    assert!(simulation.until(10 * SECOND, all_are_back).is_some());
    let view = simulation.view(0).unwrap();
    assert!(view.holder(ip(55)).is_some() && view.holder(ip(105)).is_none());
    assert_eq!(view.hosts["lxd5"].stale_since, None);
}

#[test]
fn after_a_cut_in_which_nothing_changed_nobody_has_to_be_asked() {
    let mut simulation = started(3, 6, Carriage::default());
    agreed(&mut simulation, 5 * SECOND);
    simulation.run_for(15 * SECOND);
    let asks = |simulation: &Simulation| (0..6).map(|index| simulation.catalogue(index).unwrap().counters().asks).sum();
    let before: u64 = asks(&simulation);
    simulation.cut(|index| u8::from(index >= 3));
    simulation.run_for(10 * SECOND);
    simulation.cut(|_| 0);
    simulation.run_for(10 * SECOND);
    assert!(simulation.agree());
    assert_eq!(asks(&simulation), before, "the tags say that all is known");
}

#[test]
fn an_owner_that_restarts_is_believed_whatever_its_clock_says() {
    for epoch in [2, 1, 0] {
        for seed in 0..SEEDS {
            let mut simulation = started(seed, 6, bad());
            agreed(&mut simulation, 60 * SECOND);
            simulation.stop(2);
            simulation.run_for(SECOND / 2);
            simulation.start(2, epoch);
            simulation.input(2, Input::Own(containers(&[("anew", 77)])));
            simulation.run_for(4 * SECOND);
            agreed(&mut simulation, 60 * SECOND);
            for index in 0..6 {
                let view = simulation.view(index).unwrap();
                assert!(view.holder(ip(77)).is_some(), "epoch {epoch}, seed {seed}, host {index}");
                assert!(view.container("web-2").next().is_none());
            }
        }
    }
}

#[test]
fn who_leaves_is_not_answered_with_and_who_is_forgotten_is_gone() {
    let mut simulation = started(4, 3, Carriage::default());
    agreed(&mut simulation, 5 * SECOND);
    let address = simulation.view(0).unwrap().hosts["lxd2"].address;
    simulation.stop(2);
    simulation.input(0, Input::Host { name: name("lxd2"), address, state: HostState::Left });
    simulation.run_for(SECOND / 10);
    let view = simulation.view(0).unwrap();
    assert_eq!(view.container("web-2").filter(Instance::serves).count(), 0);
    let index = view.index;
    simulation.run_for(5 * SECOND);
    simulation.input(0, Input::Forgotten(name("lxd2")));
    simulation.run_for(SECOND / 10);
    let view = simulation.view(0).unwrap();
    assert!(view.index > index);
    assert!(view.container("web-2").next().is_none());
    assert!(!view.hosts.contains_key("lxd2"));
}

#[test]
fn one_seed_gives_one_course() {
    let course = || {
        let mut simulation = started(9, 8, bad());
        simulation.run_for(10 * SECOND);
        (simulation.received(), simulation.view(7).unwrap().index)
    };
    assert_eq!(course(), course());
}
