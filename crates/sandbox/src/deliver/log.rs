use std::{
    collections::VecDeque,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::{Exchange, Job};
use crate::{
    Error, Provider,
    keep::{self, Keeper, Kept},
    time::exact,
};

/// The most attempts that are remembered: what a long test makes, in memory that a laptop has.
const LIMIT: usize = 100_000;

/// One request that was sent, and what came back.
#[derive(Clone, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Attempt {
    /// The provider that sent it.
    pub provider: Provider,
    /// The id of the subscription, webhook, hook or endpoint that it was sent for.
    pub endpoint: String,
    /// The event's id, as a receiver is meant to deduplicate by.
    pub event_id: String,
    /// The event's topic.
    pub topic: String,
    /// The address that it was sent to.
    pub url: String,
    /// Its headers, the signature among them.
    pub headers: Vec<(String, String)>,
    /// Its body.
    #[serde(with = "keep::bytes")]
    pub body: Bytes,
    /// When it was sent, in the sandbox's time.
    #[serde(with = "exact")]
    pub sent_at: SystemTime,
    /// The response's status; `None` if there was no response.
    pub status: Option<u16>,
    /// Why there was no response.
    pub failure: Option<Failure>,
    /// How long it took, in the world's time.
    pub took: Duration,
}

impl Attempt {
    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Whether the response was 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// Without headers and body.
impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("provider", &self.provider)
            .field("endpoint", &self.endpoint)
            .field("event_id", &self.event_id)
            .field("topic", &self.topic)
            .field("status", &self.status)
            .field("failure", &self.failure)
            .field("sent_at", &self.sent_at)
            .finish_non_exhaustive()
    }
}

/// `dwolla transfer_created 8f65… -> http://127.0.0.1:3000/: 200 in 2 ms`
impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            provider,
            topic,
            event_id,
            url,
            ..
        } = self;
        write!(f, "{provider} {topic} {event_id} -> {url}: ")?;
        match (self.status, &self.failure) {
            (Some(status), _) => write!(f, "{status}")?,
            (None, Some(failure)) => write!(f, "{failure}")?,
            (None, None) => f.write_str("no response")?,
        }
        write!(f, " in {} ms", self.took.as_millis())
    }
}

/// Why there was no response.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub enum Failure {
    /// The receiver took longer than the provider waits.
    Timeout,
    /// There was no connection.
    Connect,
    /// The connection broke before the response.
    Broken(String),
    /// [`Chaos`](crate::Chaos) closed the connection.
    HungUp,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("no response in time"),
            Self::Connect => f.write_str("no connection"),
            Self::Broken(why) => write!(f, "the connection broke: {why}"),
            Self::HungUp => f.write_str("hung up"),
        }
    }
}

pub(crate) type Observer = Box<dyn Fn(&Attempt) + Send + Sync>;

/// The attempts that were made.
pub(crate) struct Log {
    lines: Mutex<Lines>,
    observer: Option<Observer>,
}

struct Lines {
    attempts: VecDeque<Attempt>,
    /// The place of the next one.
    next: u64,
    keeper: Keeper,
}

/// The name of attempts in a state file.
const KIND: &str = "attempt";

impl Log {
    /// A log with what was kept of an earlier one.
    pub(crate) fn new(observer: Option<Observer>, kept: &mut Kept) -> Result<Self, Error> {
        let attempts: Vec<(u64, Attempt)> = kept.take(KIND)?;
        let lines = Lines {
            next: attempts.last().map_or(0, |(place, _)| place + 1),
            attempts: attempts.into_iter().map(|(_, attempt)| attempt).collect(),
            keeper: kept.keeper.clone(),
        };
        Ok(Self {
            lines: Mutex::new(lines),
            observer,
        })
    }

    /// Tells the observer.
    pub(super) fn tell(&self, attempt: &Attempt) {
        if let Some(observe) = &self.observer {
            // A panic is its own: it has been printed, and the attempt goes on.
            let _ = catch_unwind(AssertUnwindSafe(|| observe(attempt)));
        }
    }

    pub(super) fn add(&self, attempt: Attempt) {
        let mut lines = self.lines.lock();
        let Lines { attempts, next, keeper } = &mut *lines;
        if attempts.len() == LIMIT {
            attempts.pop_front();
            keeper.remove(KIND, *next - LIMIT as u64);
        }
        keeper.put(KIND, *next, &attempt);
        *next += 1;
        attempts.push_back(attempt);
    }

    /// The attempts, in the order of their responses.
    pub(crate) fn attempts(&self) -> Vec<Attempt> {
        self.lines.lock().attempts.iter().cloned().collect()
    }
}

impl Attempt {
    pub(super) fn of(job: &Job, exchange: &Exchange) -> Self {
        let sent = &exchange.sent;
        Self {
            provider: job.provider,
            endpoint: job.endpoint.clone(),
            event_id: sent.event.clone(),
            topic: sent.topic.clone(),
            url: sent.url.clone(),
            headers: sent.headers.clone(),
            body: sent.body.clone(),
            sent_at: exchange.sent_at,
            status: exchange.status(),
            failure: exchange.outcome.as_ref().err().cloned(),
            took: exchange.took,
        }
    }
}
