//! Network coordinates: where a member lies, so that the round trip to any other can be told without asking.
//!
//! Vivaldi with the refinements that Serf's `coordinate` package names: a height for the way into the network, an
//! adjustment over a window of samples, a median over the last samples of each member, and a pull to the origin that
//! keeps the whole ring from drifting. All lengths are seconds.
//!
//! Knows coordinates and durations. Knows neither members nor messages, and its chance comes from the caller.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rand::Rng;

use crate::wire::coordinate::Coordinate;

/// How many numbers a position has; more than that improve estimates no further.
const DIMENSIONS: usize = 8;
/// The error of a member that has measured nothing, and the largest that there is.
const ERROR_MAX: f64 = 1.5;
/// How much one measurement may change the error.
const ERROR_WEIGHT: f64 = 0.25;
/// How much of the way one measurement may move the position.
const MOVE_WEIGHT: f64 = 0.25;
/// How many measurements the adjustment looks back on.
const ADJUSTMENT_WINDOW: usize = 20;
/// The smallest height; it must be positive.
const HEIGHT_MIN: f64 = 10.0e-6;
/// How many measurements of one member the median is taken of.
const LATENCY_WINDOW: usize = 3;
/// The distance at which gravity pulls a second back.
const GRAVITY_RHO: f64 = 150.0;
/// What counts as no distance, no time and no error.
const ALMOST_NOTHING: f64 = 1.0e-6;
/// A round trip that is longer was no measurement.
const ROUND_TRIP_MAX: Duration = Duration::from_secs(10);
/// How many members' last measurements are kept at most.
const MEMBERS_MAX: usize = 16_384;

/// Why a measurement was not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The other member counts in other dimensions, or its numbers are none.
    #[error("the coordinate of the other member makes no sense here")]
    Coordinate,
    /// The round trip was longer than any real one.
    #[error("a round trip of more than {} s is no measurement", ROUND_TRIP_MAX.as_secs())]
    RoundTrip,
}

/// This member's position, moved by each measurement.
#[derive(Clone, Debug)]
pub struct Vivaldi {
    position: Coordinate,
    adjustments: VecDeque<f64>,
    latencies: BTreeMap<Arc<str>, VecDeque<f64>>,
    resets: u64,
}

impl Default for Vivaldi {
    fn default() -> Self {
        Self { position: origin(), adjustments: VecDeque::new(), latencies: BTreeMap::new(), resets: 0 }
    }
}

impl Vivaldi {
    /// Where this member is.
    pub const fn position(&self) -> &Coordinate {
        &self.position
    }

    /// How often the numbers had run away, and the position began anew at the origin.
    pub const fn resets(&self) -> u64 {
        self.resets
    }

    /// `name`, which says that it is at `other`, answered after `round_trip`: moves this member accordingly.
    pub fn measured(
        &mut self,
        name: &Arc<str>,
        other: &Coordinate,
        round_trip: Duration,
        chance: &mut impl Rng,
    ) -> Result<(), Refusal> {
        if other.vector.len() != DIMENSIONS || !is_valid(other) {
            return Err(Refusal::Coordinate);
        }
        if round_trip > ROUND_TRIP_MAX {
            return Err(Refusal::RoundTrip);
        }
        let seconds = self.median(name, round_trip.as_secs_f64());
        self.move_by(other, seconds, chance);
        self.adjust(other, seconds);
        self.fall_back(chance);
        if !is_valid(&self.position) {
            self.resets += 1;
            self.position = origin();
        }
        Ok(())
    }

    /// A member is no more: its measurements are not needed either.
    pub fn forget(&mut self, name: &str) {
        self.latencies.remove(name);
    }

    /// A single slow answer says little: the median of the last few is what counts.
    fn median(&mut self, name: &Arc<str>, seconds: f64) -> f64 {
        if self.latencies.len() >= MEMBERS_MAX && !self.latencies.contains_key(name) {
            return seconds;
        }
        let samples = self.latencies.entry(name.clone()).or_default();
        samples.push_back(seconds);
        if samples.len() > LATENCY_WINDOW {
            samples.pop_front();
        }
        let mut sorted: Vec<f64> = samples.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(seconds)
    }

    /// The spring between two members: the worse this member's own estimate, the further it moves.
    fn move_by(&mut self, other: &Coordinate, seconds: f64, chance: &mut impl Rng) {
        let seconds = seconds.max(ALMOST_NOTHING);
        let estimate = seconds_between(&self.position, other);
        let wrongness = (estimate - seconds).abs() / seconds;
        let weight = self.position.error / (self.position.error + other.error).max(ALMOST_NOTHING);
        let share = ERROR_WEIGHT * weight;
        self.position.error = share.mul_add(wrongness, self.position.error * (1.0 - share)).min(ERROR_MAX);
        push(&mut self.position, MOVE_WEIGHT * weight * (seconds - estimate), other, chance);
    }

    /// What the geometry cannot express is kept as a plain offset, averaged over the window.
    fn adjust(&mut self, other: &Coordinate, seconds: f64) {
        self.adjustments.push_back(seconds - geometric_seconds(&self.position, other));
        if self.adjustments.len() > ADJUSTMENT_WINDOW {
            self.adjustments.pop_front();
        }
        // Half of it: the other member carries the other half. Samples that are not there yet count as zero.
        self.position.adjustment = self.adjustments.iter().sum::<f64>() / (2.0 * WINDOW_AS_NUMBER);
    }

    fn fall_back(&mut self, chance: &mut impl Rng) {
        let origin = origin();
        let distance = seconds_between(&origin, &self.position);
        push(&mut self.position, -(distance / GRAVITY_RHO).powi(2), &origin, chance);
    }
}

#[expect(clippy::cast_precision_loss, reason = "twenty is exact")]
const WINDOW_AS_NUMBER: f64 = ADJUSTMENT_WINDOW as f64;

/// The round trip to be expected between two places; `None` where they do not count in the same dimensions.
pub fn round_trip(one: &Coordinate, other: &Coordinate) -> Option<Duration> {
    if one.vector.len() != other.vector.len() {
        return None;
    }
    Duration::try_from_secs_f64(seconds_between(one, other)).ok()
}

/// Where everybody begins.
pub fn origin() -> Coordinate {
    Coordinate { vector: vec![0.0; DIMENSIONS], error: ERROR_MAX, adjustment: 0.0, height: HEIGHT_MIN }
}

/// With adjustments, unless these would make it negative.
fn seconds_between(one: &Coordinate, other: &Coordinate) -> f64 {
    let geometric = geometric_seconds(one, other);
    let adjusted = geometric + one.adjustment + other.adjustment;
    if adjusted > 0.0 { adjusted } else { geometric }
}

fn geometric_seconds(one: &Coordinate, other: &Coordinate) -> f64 {
    length(&difference(&one.vector, &other.vector)) + one.height + other.height
}

/// Moves `position` by `force` seconds away from `other`, and its height in proportion.
fn push(position: &mut Coordinate, force: f64, other: &Coordinate, chance: &mut impl Rng) {
    let away = difference(&position.vector, &other.vector);
    let distance = length(&away);
    let direction = if distance > ALMOST_NOTHING { scaled(&away, 1.0 / distance) } else { any_direction(chance) };
    for (coordinate, step) in position.vector.iter_mut().zip(direction) {
        *coordinate += step * force;
    }
    if distance > ALMOST_NOTHING {
        let height = (position.height + other.height) * force / distance + position.height;
        position.height = height.max(HEIGHT_MIN);
    }
}

/// Two members on one spot part in any direction.
fn any_direction(chance: &mut impl Rng) -> Vec<f64> {
    let random: Vec<f64> = (0..DIMENSIONS).map(|_| chance.random::<f64>() - 0.5).collect();
    let distance = length(&random);
    if distance > ALMOST_NOTHING {
        return scaled(&random, 1.0 / distance);
    }
    let mut first = vec![0.0; DIMENSIONS];
    if let Some(axis) = first.first_mut() {
        *axis = 1.0;
    }
    first
}

fn difference(one: &[f64], other: &[f64]) -> Vec<f64> {
    one.iter().zip(other).map(|(a, b)| a - b).collect()
}

fn scaled(vector: &[f64], factor: f64) -> Vec<f64> {
    vector.iter().map(|number| number * factor).collect()
}

fn length(vector: &[f64]) -> f64 {
    vector.iter().map(|number| number * number).sum::<f64>().sqrt()
}

fn is_valid(coordinate: &Coordinate) -> bool {
    coordinate
        .vector
        .iter()
        .chain([&coordinate.error, &coordinate.adjustment, &coordinate.height])
        .all(|n| n.is_finite())
}

#[cfg(test)]
mod tests;
