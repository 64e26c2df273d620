#![allow(clippy::unwrap_used, clippy::float_cmp)]

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::*;

fn name(text: &str) -> Arc<str> {
    Arc::from(text)
}

/// A ring of members whose true round trips `truth` gives, after each has measured the others `rounds` times.
fn settled(members: usize, rounds: usize, truth: impl Fn(usize, usize) -> Duration) -> Vec<Vivaldi> {
    let mut chance = ChaCha8Rng::seed_from_u64(7);
    let mut ring = vec![Vivaldi::default(); members];
    for _ in 0..rounds {
        for one in 0..members {
            for other in (0..members).filter(|other| *other != one) {
                let there = ring[other].position().clone();
                ring[one].measured(&name(&other.to_string()), &there, truth(one, other), &mut chance).unwrap();
            }
        }
    }
    ring
}

fn worst_mistake(ring: &[Vivaldi], truth: impl Fn(usize, usize) -> Duration) -> f64 {
    let mut worst: f64 = 0.0;
    for one in 0..ring.len() {
        for other in (0..ring.len()).filter(|other| *other != one) {
            let estimate = round_trip(ring[one].position(), ring[other].position()).unwrap().as_secs_f64();
            let truth = truth(one, other).as_secs_f64();
            worst = worst.max((estimate - truth).abs() / truth);
        }
    }
    worst
}

#[test]
fn members_on_a_line_learn_their_round_trips() {
    let truth = |one: usize, other: usize| Duration::from_millis(10 * one.abs_diff(other) as u64);
    let ring = settled(8, 300, truth);
    assert!(worst_mistake(&ring, truth) < 0.2, "{}", worst_mistake(&ring, truth));
}

#[test]
fn two_halves_far_apart_are_told_apart() {
    let truth = |one: usize, other: usize| Duration::from_millis(if one % 2 == other % 2 { 1 } else { 100 });
    let ring = settled(6, 300, truth);
    let near = round_trip(ring[0].position(), ring[2].position()).unwrap();
    let far = round_trip(ring[0].position(), ring[1].position()).unwrap();
    assert!(far > Duration::from_millis(80) && near < Duration::from_millis(20), "near {near:?}, far {far:?}");
}

#[test]
fn one_slow_answer_does_not_move_a_settled_member() {
    let truth = |_, _| Duration::from_millis(5);
    let mut ring = settled(4, 200, truth);
    let mut chance = ChaCha8Rng::seed_from_u64(1);
    let there = ring[1].position().clone();
    let before = round_trip(ring[0].position(), &there).unwrap();
    ring[0].measured(&name("1"), &there, Duration::from_secs(2), &mut chance).unwrap();
    let after = round_trip(ring[0].position(), &there).unwrap();
    assert!(after.abs_diff(before) < Duration::from_millis(2), "{before:?} -> {after:?}");
}

#[test]
fn a_coordinate_of_other_dimensions_or_without_numbers_is_refused() {
    let mut chance = ChaCha8Rng::seed_from_u64(1);
    let mut member = Vivaldi::default();
    let two = Coordinate { vector: vec![0.0; 2], ..origin() };
    let none = Coordinate { height: f64::NAN, ..origin() };
    for lie in [two, none] {
        assert_eq!(member.measured(&name("x"), &lie, Duration::from_millis(1), &mut chance), Err(Refusal::Coordinate));
    }
    assert_eq!(member.position(), &origin(), "a lie moved the member");
}

#[test]
fn a_round_trip_of_a_minute_is_no_measurement() {
    let mut chance = ChaCha8Rng::seed_from_u64(1);
    let mut member = Vivaldi::default();
    let refused = member.measured(&name("x"), &origin(), Duration::from_mins(1), &mut chance);
    assert_eq!(refused, Err(Refusal::RoundTrip));
}

#[test]
fn numbers_that_run_away_begin_anew_at_the_origin() {
    let mut chance = ChaCha8Rng::seed_from_u64(1);
    let mut member = Vivaldi::default();
    let lie = Coordinate { vector: vec![f64::MAX; DIMENSIONS], error: 0.0, adjustment: f64::MAX, height: f64::MAX };
    member.measured(&name("x"), &lie, Duration::from_millis(1), &mut chance).unwrap();
    assert_eq!(member.resets(), 1);
    assert_eq!(member.position(), &origin());
}
