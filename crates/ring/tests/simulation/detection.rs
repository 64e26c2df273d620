//! Failures are found soon, and those who are slow have nobody else declared dead.

use std::time::Duration;

use pontoon_ring::simulation::{Network, Part, Slowness, ring};
use pontoon_ring::swim::Detection;

use super::{AND_NO_FALSE_DEATH, Check, MINUTE, SECOND, check, joining};

#[test]
fn a_crash_is_known_to_all_in_time_and_nobody_else_dies() {
    // The limits are those of the protocol: a probe, a suspicion that all confirm, and the news of it.
    for (members, limit) in [(3, 8), (10, 12), (50, 16), (100, 18)] {
        check("a_crash_is_known", 0..4, |seed| {
            let mut ring = ring(seed, members, Network::losing(0.01), |_| {});
            ring.run_for(10 * SECOND);
            ring.crash(1);
            ring.converge(limit * SECOND)?;
            ring.verdict(&AND_NO_FALSE_DEATH)
        });
    }
}

#[test]
fn half_of_a_ring_may_crash_at_once() {
    check("half_of_a_ring", 0..3, |seed| {
        let mut ring = ring(seed, 40, Network::losing(0.02), |_| {});
        ring.run_for(10 * SECOND);
        for index in 0..20 {
            ring.crash(index * 2);
        }
        ring.converge(2 * MINUTE)?;
        ring.verdict(&AND_NO_FALSE_DEATH)
    });
}

#[test]
fn members_that_were_stopped_blame_nobody() {
    check("members_that_were_stopped", 0..4, |seed| {
        let mut ring = joining(seed, 20, Network::losing(0.02));
        ring.converge(30 * SECOND)?;
        for index in [2, 5, 9, 14] {
            ring.stop_for(index, 90 * SECOND);
        }
        ring.run_for(5 * MINUTE);
        ring.converge(SECOND)?;
        ring.verdict(&AND_NO_FALSE_DEATH)
    });
}

#[test]
fn members_whose_clocks_jump_blame_nobody() {
    check("members_whose_clocks_jump", 0..4, |seed| {
        let mut ring = joining(seed, 20, Network::losing(0.02));
        ring.converge(30 * SECOND)?;
        for hours in 1..6 {
            ring.jump(3, Duration::from_hours(hours));
            ring.jump(7, Duration::from_secs(hours * 7));
            ring.run_for(20 * SECOND);
        }
        // A machine that slept with all that ran on it.
        for index in 0..20 {
            ring.jump(index, Duration::from_hours(8));
        }
        ring.run_for(2 * MINUTE);
        ring.converge(SECOND)?;
        ring.verdict(&AND_NO_FALSE_DEATH)
    });
}

/// How many false deaths are believed in within a minute, in a ring a tenth of which stands still now and then.
fn false_deaths_by_slow_members(seed: u64, detection: Detection) -> usize {
    let mut ring = ring(seed, 50, Network::default(), move |config| config.detection = detection);
    for index in 0..5 {
        let slowness = Slowness {
            part: Part::Network,
            stopped: (Duration::from_secs(5), Duration::from_secs(15)),
            running: (Duration::from_millis(100), Duration::from_secs(1)),
        };
        ring.slow(index, slowness);
    }
    ring.run_for(MINUTE);
    ring.false_deaths().len()
}

/// How long it takes until all know of a crash, on average over several.
fn detection_time(detection: Detection) -> Duration {
    let times = (0..10).map(|seed| {
        let mut ring = ring(seed, 50, Network::default(), move |config| config.detection = detection);
        ring.run_for(5 * SECOND);
        ring.crash(7);
        ring.converge(MINUTE).unwrap()
    });
    times.sum::<Duration>() / 10
}

#[test]
fn slow_members_cause_twenty_times_fewer_false_deaths_than_without_lifeguard_at_the_same_detection_time() {
    let false_deaths = |detection| (0..2).map(|seed| false_deaths_by_slow_members(seed, detection)).sum::<usize>();
    let (without, plain) = (false_deaths(Detection::Swim), detection_time(Detection::Swim));
    let (with, careful) = (false_deaths(Detection::Careful), detection_time(Detection::Careful));
    println!("plain SWIM: {without} false deaths, a crash known after {plain:?}; ours: {with}, {careful:?}");
    assert!(without >= 100, "the members are not slow enough to show anything: {without} false deaths");
    assert!(with * 20 <= without, "{with} false deaths, and {without} without Lifeguard");
    assert!(careful <= plain.mul_f64(1.1), "a crash is known after {careful:?}, and after {plain:?} without");
}

#[test]
fn a_slow_member_is_not_expelled_while_it_answers_now_and_then() {
    check("a_slow_member_is_not_expelled", 0..2, |seed| {
        let mut ring = ring(seed, 20, Network::default(), |_| {});
        let slowness = Slowness {
            part: Part::Process,
            stopped: (Duration::from_secs(1), Duration::from_secs(2)),
            running: (Duration::from_millis(200), Duration::from_millis(500)),
        };
        ring.slow(4, slowness);
        ring.run_for(3 * MINUTE);
        ring.converge(SECOND)?;
        ring.verdict(&[Check::NoFalseDeath, Check::IncarnationGrows])
    });
}
