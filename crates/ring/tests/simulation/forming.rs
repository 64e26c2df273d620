//! Rings come together.

use pontoon_ring::simulation::{Machine, Network, swim};

use super::{AND_NO_FALSE_DEATH, MINUTE, SECOND, address, check, heard_by_all, join, joining};

#[test]
fn members_that_join_at_once_soon_know_each_other_on_a_bad_network() {
    for members in [2, 5, 20, 60] {
        check("members_that_join_at_once", 0..4, |seed| {
            let mut ring = joining(seed, members, Network::bad(0.05));
            ring.converge(30 * SECOND)?;
            ring.run_for(MINUTE);
            ring.verdict(&AND_NO_FALSE_DEATH)
        });
    }
}

#[test]
fn two_hundred_members_join_within_ten_seconds_at_two_percent_loss() {
    check("two_hundred_members_join", 0..1, |seed| {
        joining(seed, 200, Network::losing(0.02)).converge(10 * SECOND).map(drop)
    });
}

#[test]
fn a_member_keeps_trying_until_its_seed_is_there() {
    check("a_member_keeps_trying", 0..3, |seed| {
        let mut ring = swim(seed, Network::losing(0.1), |_| {});
        let (seed, member) = (ring.start(), ring.start());
        ring.crash(seed);
        join(&mut ring, member, &[seed]);
        ring.run_for(5 * MINUTE);
        ring.restart(seed);
        ring.converge(MINUTE).map(drop)
    });
}

#[test]
fn a_member_whose_only_seed_is_itself_does_not_mind() {
    let mut ring = swim(0, Network::default(), |_| {});
    let only = ring.start();
    join(&mut ring, only, &[only]);
    ring.run_for(MINUTE);
    assert_eq!(ring.machine(only).unwrap().living(), 1);
}

#[test]
fn two_rings_become_one_when_one_member_joins_the_other() {
    check("two_rings_become_one", 0..3, |seed| {
        let mut ring = swim(seed, Network::bad(0.05), |_| {});
        for _ in 0..20 {
            ring.start();
        }
        for index in 0..20 {
            join(&mut ring, index, &[index / 10 * 10]);
        }
        ring.run_for(20 * SECOND);
        assert!(!ring.is_converged());
        join(&mut ring, 15, &[3]);
        ring.converge(30 * SECOND)?;
        ring.verdict(&AND_NO_FALSE_DEATH)
    });
}

#[test]
fn whoever_joins_late_hears_what_was_said_before() {
    check("whoever_joins_late", 0..3, |seed| {
        let mut ring = joining(seed, 10, Network::default());
        ring.converge(30 * SECOND)?;
        ring.announce(2, 99);
        ring.run_for(MINUTE);
        let late = ring.start();
        join(&mut ring, late, &[4]);
        ring.deliver_to_all(99, 10 * SECOND)?;
        Ok(())
    });
}

#[test]
fn a_thousand_members_hear_an_event_and_find_a_crash() {
    check("a_thousand_members", 0..1, |seed| {
        let mut ring = pontoon_ring::simulation::ring(seed, 1000, Network::losing(0.02), |_| {});
        ring.run_for(2 * SECOND);
        heard_by_all(&mut ring, 7, 5 * SECOND)?;
        ring.crash(500);
        ring.converge(30 * SECOND)?;
        ring.verdict(&AND_NO_FALSE_DEATH)
    });
}

#[test]
fn a_changed_description_reaches_all() {
    check("a_changed_description", 0..3, |seed| {
        let mut ring = joining(seed, 30, Network::bad(0.1));
        ring.converge(30 * SECOND)?;
        ring.act(3, |swim, now| {
            swim.application_mut().meta = "role=web".into();
            swim.update_meta(now).unwrap();
        });
        let known = |ring: &super::Ring| {
            ring.running().all(|index| ring.machine(index).unwrap().member("m3").unwrap().meta == "role=web")
        };
        assert!(ring.run_until(10 * SECOND, known).is_some());
        ring.verdict(&AND_NO_FALSE_DEATH)
    });
}

#[test]
fn a_name_that_somebody_has_is_not_given_to_another() {
    let mut ring = joining(0, 6, Network::default());
    ring.converge(30 * SECOND).unwrap();
    let (holder, seed) = (address(&ring, 5), address(&ring, 0));
    // The same name, at an address that is another member's own.
    let impostor = pontoon_ring::wire::message::Alive {
        incarnation: 9,
        name: "m5".into(),
        address: seed,
        meta: bytes::Bytes::new(),
        versions: pontoon_ring::wire::message::Versions::default(),
    };
    let message = pontoon_ring::wire::message::encode(&pontoon_ring::wire::message::Message::Alive(impostor));
    ring.act(1, |swim, now| {
        swim.handle(now, pontoon_ring::swim::Input::Datagram { from: seed, bytes: message });
    });
    ring.run_for(10 * SECOND);
    assert_eq!(Machine::member(ring.machine(1).unwrap(), "m5").unwrap().address, holder);
}
