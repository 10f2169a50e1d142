//! Faults between a provider and a receiver, decided by a seed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

const HOUR: Duration = Duration::from_secs(3600);

/// The faults to inject, and how often: each rate is a share from 0 to 1. [`new`](Self::new) lets
/// one in ten deliveries suffer each of them.
///
/// All of it happens to real receivers. The decisions depend on the seed and on how many events
/// were fired before: a sandbox with the same seed does the same to the same events.
///
/// ```
/// use tower_webhook_sandbox::Chaos;
///
/// let chaos = Chaos::with_seed(7).drop(0.2).odd_form(0.0);
/// assert_eq!(chaos.seed(), 7);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Chaos {
    seed: u64,
    duplicate: f64,
    reorder: f64,
    delay: f64,
    drop: f64,
    hang_up: f64,
    resend_late: f64,
    odd_form: f64,
}

impl Default for Chaos {
    fn default() -> Self {
        Self::new()
    }
}

impl Chaos {
    /// With a seed that nobody chose.
    pub fn new() -> Self {
        Self::with_seed(fastrand::u64(..))
    }

    /// With a seed, to see again what happened before.
    pub fn with_seed(seed: u64) -> Self {
        Self {
            seed,
            duplicate: 0.1,
            reorder: 0.1,
            delay: 0.1,
            drop: 0.1,
            hang_up: 0.1,
            resend_late: 0.1,
            odd_form: 0.1,
        }
    }

    /// With a seed and nothing that goes wrong: the start for a choice of one's own.
    pub fn none(seed: u64) -> Self {
        Self {
            seed,
            duplicate: 0.0,
            reorder: 0.0,
            delay: 0.0,
            drop: 0.0,
            hang_up: 0.0,
            resend_late: 0.0,
            odd_form: 0.0,
        }
    }

    /// Sent twice, a few seconds apart at most.
    pub fn duplicate(mut self, rate: f64) -> Self {
        self.duplicate = rate;
        self
    }

    /// Held back by up to 10 seconds, so that later events overtake it.
    pub fn reorder(mut self, rate: f64) -> Self {
        self.reorder = rate;
        self
    }

    /// Held back by up to an hour.
    pub fn delay(mut self, rate: f64) -> Self {
        self.delay = rate;
        self
    }

    /// Never sent, and never retried: the provider has lost it. Its API still lists it.
    pub fn drop(mut self, rate: f64) -> Self {
        self.drop = rate;
        self
    }

    /// The first attempt's connection is closed, within the body or before the response.
    pub fn hang_up(mut self, rate: f64) -> Self {
        self.hang_up = rate;
        self
    }

    /// Sent again up to a day after it was delivered.
    pub fn resend_late(mut self, rate: f64) -> Self {
        self.resend_late = rate;
        self
    }

    /// In a form that the provider's documents or captures show, but its usual deliveries do not.
    pub fn odd_form(mut self, rate: f64) -> Self {
        self.odd_form = rate;
        self
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The first rate that is invalid.
    pub(crate) fn out_of_range(&self) -> Option<(&'static str, f64)> {
        let rates = [
            ("duplicate", self.duplicate),
            ("reorder", self.reorder),
            ("delay", self.delay),
            ("drop", self.drop),
            ("hang_up", self.hang_up),
            ("resend_late", self.resend_late),
            ("odd_form", self.odd_form),
        ];
        rates.into_iter().find(|(_, rate)| !(0.0..=1.0).contains(rate))
    }

    /// The names that [`with_rate`](Self::with_rate) takes.
    pub const NAMES: &'static [&'static str] = &[
        "duplicate",
        "reorder",
        "delay",
        "drop",
        "hang-up",
        "resend-late",
        "odd-form",
    ];

    /// Sets a rate by its name, as the command line does; `None` if no rate has that name.
    ///
    /// ```
    /// use tower_webhook_sandbox::Chaos;
    ///
    /// let chaos = Chaos::none(7);
    /// assert_eq!(chaos.clone().with_rate("hang-up", 0.5), Some(chaos.clone().hang_up(0.5)));
    /// assert_eq!(chaos.with_rate("hunger", 0.5), None);
    /// ```
    #[must_use]
    pub fn with_rate(mut self, name: &str, rate: f64) -> Option<Self> {
        let place = match name {
            "duplicate" => &mut self.duplicate,
            "reorder" => &mut self.reorder,
            "delay" => &mut self.delay,
            "drop" => &mut self.drop,
            "hang-up" => &mut self.hang_up,
            "resend-late" => &mut self.resend_late,
            "odd-form" => &mut self.odd_form,
            _ => return None,
        };
        *place = rate;
        Some(self)
    }

    /// The fate of the delivery that is the nth to begin.
    pub(crate) fn plan(&self, nth: u64) -> Plan {
        let mut random = self.random(nth, 1);
        let mut happens = |rate: f64| random.f64() < rate;
        // All of them are asked, always: a rate changes nothing about the others.
        let (drop, delay, reorder) = (happens(self.drop), happens(self.delay), happens(self.reorder));
        let (duplicate, late, hang_up) = (
            happens(self.duplicate),
            happens(self.resend_late),
            happens(self.hang_up),
        );
        let mut up_to = |limit: Duration| limit.mul_f64(random.f64());
        let mut wait = Duration::ZERO;
        if reorder {
            wait += up_to(Duration::from_secs(10));
        }
        if delay {
            wait += up_to(HOUR);
        }
        Plan {
            drop,
            wait,
            duplicate: duplicate.then(|| up_to(Duration::from_secs(3))),
            resend: late.then(|| up_to(24 * HOUR)),
            hang_up: hang_up.then(|| {
                if up_to(HOUR) < HOUR / 2 {
                    HangUp::WithinBody
                } else {
                    HangUp::BeforeResponse
                }
            }),
        }
    }

    /// Which of a provider's odd forms the nth event has.
    pub(crate) fn odd(&self, nth: u64, forms: usize) -> Option<usize> {
        let mut random = self.random(nth, 2);
        (random.f64() < self.odd_form && forms > 0).then(|| random.usize(..forms))
    }

    fn random(&self, nth: u64, purpose: u64) -> fastrand::Rng {
        // Neighbouring numbers become unlike seeds: golden ratio's odd constant, and a few rounds.
        let mixed =
            nth.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31) ^ purpose.wrapping_mul(0xd1b5_4a32_d192_ed03);
        let mut random = fastrand::Rng::with_seed(self.seed ^ mixed);
        for _ in 0..4 {
            random.u64(..);
        }
        random
    }
}

/// The fate of one delivery.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Plan {
    pub(crate) drop: bool,
    pub(crate) wait: Duration,
    /// How long after the first attempt's time a second one follows.
    pub(crate) duplicate: Option<Duration>,
    /// How long after the first success it is sent again.
    pub(crate) resend: Option<Duration>,
    pub(crate) hang_up: Option<HangUp>,
}

/// The point at which an attempt's connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) enum HangUp {
    WithinBody,
    BeforeResponse,
}
