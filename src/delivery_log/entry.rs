use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::event::{Source, Tenant};

/// How one delivery, or one run of a worker, ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeliveryLogEntry {
    /// When it ended, by the layer's clock.
    pub time: SystemTime,
    /// The provider's name.
    pub provider: Arc<str>,
    /// The layer's namespace.
    pub namespace: Arc<str>,
    /// The tenant that the request names, where the layer has tenants. A stranger may have chosen
    /// the name of a refused request.
    pub tenant: Option<Tenant>,
    /// How the event arrived: delivered, fetched, or stored earlier and handled by a worker.
    pub source: Source,
    /// The event's id, as it is in the store's key: `None` if no event was read.
    pub id: Option<String>,
    /// The event's topic.
    pub topic: Option<String>,
    /// Which attempt it was, counted from 1; `None` if nothing was claimed.
    pub attempt: Option<u32>,
    /// How it ended: the name of an [`Outcome`](crate::process::Outcome), and for a refusal that of
    /// its kind.
    pub outcome: Cow<'static, str>,
    /// Why it ended so; empty where the outcome says it all. A handler's own error is in it.
    pub reason: String,
    /// The status that the provider got, a run that ended later included; `None` if nobody waited
    /// for a response.
    pub status: Option<u16>,
    /// From the request's arrival, or the start of a worker's run, to the end.
    pub duration: Duration,
    /// How many bytes of its body were read.
    pub size: Option<u64>,
    /// Which of the secrets matched, counted from 0 in the order given.
    pub secret_index: Option<usize>,
    /// When the provider says that it signed the request, if its scheme signs a time.
    pub signed_at: Option<SystemTime>,
    /// The number of the request in the layer's [`Captures`](super::Captures), if it was captured.
    pub captured: Option<u64>,
    /// How many unauthenticated requests since the last such entry were left out.
    pub left_out: u64,
}

impl DeliveryLogEntry {
    /// The most bytes that are kept of an id or a topic; the rest is cut off.
    pub const MAX_NAME: usize = 256;

    /// The most bytes that are kept of a reason; the rest is cut off.
    pub const MAX_REASON: usize = 500;

    /// An entry with its required fields, for logs that read entries back.
    #[must_use]
    pub fn new(
        time: SystemTime,
        provider: impl Into<Arc<str>>,
        namespace: impl Into<Arc<str>>,
        source: Source,
        outcome: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            time,
            provider: provider.into(),
            namespace: namespace.into(),
            tenant: None,
            source,
            id: None,
            topic: None,
            attempt: None,
            outcome: outcome.into(),
            reason: String::new(),
            status: None,
            duration: Duration::ZERO,
            size: None,
            secret_index: None,
            signed_at: None,
            captured: None,
            left_out: 0,
        }
    }

    /// Whether something was to happen and did not: a request was refused, a run failed, or the
    /// event was rejected or given up.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        !Self::SUCCESSES.contains(&&*self.outcome)
    }

    /// The outcomes that are no failures.
    pub const SUCCESSES: [&'static str; 5] = ["handled", "duplicate", "stored", "unhandled", "handshake"];
}

/// An entry, and its number in the log: a later entry has a higher one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Numbered {
    /// The number.
    pub number: u64,
    /// The entry.
    pub entry: DeliveryLogEntry,
}

impl Numbered {
    /// The entry with this number.
    #[must_use]
    pub fn new(number: u64, entry: DeliveryLogEntry) -> Self {
        Self { number, entry }
    }
}

/// A text cut to at most `most` bytes, with a sign that it was.
#[cfg(feature = "service")]
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let mut short = String::with_capacity(most.saturating_add(3));
    for letter in text.chars() {
        if short.len().saturating_add(letter.len_utf8()) > most {
            break;
        }
        short.push(letter);
    }
    short.push('…');
    short
}
