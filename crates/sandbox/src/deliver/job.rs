//! An attempt: planned, sent, and what came of it.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Failure, Response};
use crate::{Provider, chaos::Plan, time::exact};

/// One attempt that is to be made.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Job {
    pub(crate) provider: Provider,
    /// The id of the provider's delivery.
    pub(crate) delivery: String,
    /// The id of the endpoint.
    pub(crate) endpoint: String,
    /// The endpoint's generation when this was planned: a pause begins a new one.
    pub(crate) generation: u64,
    pub(crate) turn: Turn,
    pub(super) plan: Plan,
}

/// Why an attempt is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) enum Turn {
    /// By the provider's schedule; the first is 0.
    Scheduled(usize),
    /// Somebody asked for it, or chaos repeats it. No further one follows.
    Extra,
}

impl Job {
    pub(crate) fn new(provider: Provider, delivery: &str, endpoint: &str, generation: u64, turn: Turn) -> Self {
        Self {
            provider,
            delivery: delivery.to_owned(),
            endpoint: endpoint.to_owned(),
            generation,
            turn,
            plan: Plan::default(),
        }
    }

    pub(super) fn again(&self, turn: Turn) -> Self {
        Self {
            turn,
            plan: Plan::default(),
            ..self.clone()
        }
    }

    pub(super) fn lane(&self) -> (Provider, String) {
        (self.provider, self.endpoint.clone())
    }
}

/// An attempt with the time at which it is due, as it is kept until it is over.
#[derive(Deserialize, Serialize)]
pub(super) struct Planned {
    #[serde(with = "exact")]
    pub(super) due: SystemTime,
    pub(super) job: Job,
}

/// A request to a receiver.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) url: String,
    /// As the provider spells them.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
    pub(crate) event: String,
    pub(crate) topic: String,
}

/// A request and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) sent: Outgoing,
    pub(crate) sent_at: SystemTime,
    /// In the world's time.
    pub(crate) took: Duration,
    pub(crate) outcome: Result<Response, Failure>,
}

impl Exchange {
    pub(crate) fn status(&self) -> Option<u16> {
        self.outcome.as_ref().ok().map(|response| response.status)
    }

    pub(crate) fn is_success(&self) -> bool {
        self.status().is_some_and(|status| (200..300).contains(&status))
    }
}
