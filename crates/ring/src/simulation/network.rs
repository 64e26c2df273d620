//! What becomes of a datagram, and of the packets of a stream.

use std::time::Duration;

use rand::Rng;

/// A network that treats everybody alike.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    /// How long a packet takes, at least and at most.
    pub latency: (Duration, Duration),
    /// The part of packets that is lost.
    pub loss: f64,
    /// The part of datagrams that comes twice.
    pub duplicates: f64,
    /// The part of datagrams that others overtake.
    pub stragglers: f64,
    /// How much longer those take at most.
    pub straggle: Duration,
}

impl Default for Network {
    /// One data centre on a good day.
    fn default() -> Self {
        Self {
            latency: (Duration::from_micros(200), Duration::from_micros(2500)),
            loss: 0.0,
            duplicates: 0.0,
            stragglers: 0.0,
            straggle: Duration::from_millis(200),
        }
    }
}

impl Network {
    /// The default, with so many packets lost.
    pub fn losing(loss: f64) -> Self {
        Self { loss, ..Self::default() }
    }

    /// The default with everything that can go wrong: loss, duplicates and disorder.
    pub fn bad(loss: f64) -> Self {
        Self { loss, duplicates: 0.05, stragglers: 0.1, ..Self::default() }
    }

    /// After how long each copy of a datagram arrives: one, two, or none.
    pub(super) fn datagram(&self, chance: &mut impl Rng) -> [Option<Duration>; 2] {
        let first = (!self.happens(self.loss, chance)).then(|| self.travel(chance));
        let second = (first.is_some() && self.happens(self.duplicates, chance)).then(|| self.travel(chance));
        [first, second]
    }

    /// How long connecting takes: a packet there and one back, each again after a second, two, four, if one is lost.
    pub(super) fn connect(&self, chance: &mut impl Rng) -> Duration {
        let both_ways = self.loss.mul_add(-self.loss, 2.0 * self.loss);
        self.latency(chance) + self.latency(chance) + self.again(Duration::from_secs(1), both_ways, chance)
    }

    /// How long a message takes on a stream that is open.
    pub(super) fn carry(&self, chance: &mut impl Rng) -> Duration {
        self.latency(chance) + self.again(Duration::from_millis(200), self.loss, chance)
    }

    /// Waiting for retransmissions, each twice as long as the one before.
    fn again(&self, first: Duration, loss: f64, chance: &mut impl Rng) -> Duration {
        let mut wait = Duration::ZERO;
        let mut timeout = first;
        while self.happens(loss, chance) && timeout < Duration::from_mins(1) {
            wait += timeout;
            timeout *= 2;
        }
        wait
    }

    fn travel(&self, chance: &mut impl Rng) -> Duration {
        let late = self.happens(self.stragglers, chance);
        let more = if late { self.straggle.mul_f64(chance.random()) } else { Duration::ZERO };
        self.latency(chance) + more
    }

    fn latency(&self, chance: &mut impl Rng) -> Duration {
        let (least, most) = self.latency;
        least + most.saturating_sub(least).mul_f64(chance.random())
    }

    /// Draws only where the outcome is open, so that a fault that is switched off changes nothing else.
    #[expect(clippy::unused_self, reason = "reads as the network's doing")]
    fn happens(&self, probability: f64, chance: &mut impl Rng) -> bool {
        probability > 0.0 && chance.random::<f64>() < probability
    }
}
