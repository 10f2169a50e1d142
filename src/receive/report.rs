//! How a delivery ended, for the log and the metrics.

use std::fmt;

use tokio::time::Instant;

use super::{Outcome, Receiver};
use crate::{
    error::RefusalKind,
    metrics::Topic,
    provider::Provider,
    store::{Completion, Key},
    trace::{Level, Span, Told},
};

impl<P: Provider, S> Receiver<P, S> {
    /// What the log is told of every delivery. Its end is for [`report`](Self::report) to fill in.
    pub(super) fn told(&self, started: Instant) -> Told<'_> {
        Told {
            provider: self.provider.name(),
            namespace: &self.settings.namespace,
            id: None,
            topic: None,
            attempt: None,
            outcome: "",
            reason: "",
            signature: None,
            status: None,
            started,
            refused: None,
        }
    }

    /// The same with the event.
    pub(super) fn told_of<'a>(&'a self, started: Instant, key: &'a Key, topic: &'a str) -> Told<'a> {
        Told {
            id: Some(key.id().as_str()),
            topic: Some(topic),
            ..self.told(started)
        }
    }

    /// How a delivery ended, into the log and the metrics.
    pub(super) fn report(&self, span: &Span, topic: &Topic, outcome: &Outcome, told: Told<'_>) {
        let (level, reason, cause) = outcome.explained();
        let is_signature = matches!(outcome, Outcome::Refused(rejection) if rejection.kind() == RefusalKind::Signature);
        let outcome = outcome.name();
        span.end(
            level,
            Told {
                outcome,
                reason,
                signature: is_signature.then_some(cause),
                ..told
            },
        );
        self.meter.delivery(topic, outcome, cause);
    }

    /// What else an operator should know of an event.
    pub(super) fn warn(&self, key: &Key, message: fmt::Arguments<'_>) {
        crate::trace::warn_of(self.provider.name(), key.namespace(), key.id().as_str(), message);
    }
}

impl Outcome {
    /// A name for programs, in logs and metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Handled => "handled",
            Self::Duplicate(_) | Self::OtherFacts => "duplicate",
            Self::Unhandled => "unhandled",
            Self::Handshake(_) => "handshake",
            Self::Rejected(_) => "rejected",
            Self::InnerRefused(_) => RefusalKind::InnerRefused.as_str(),
            Self::Refused(rejection) => rejection.kind().as_str(),
        }
    }

    /// How loud it is in the log, why it ended so, and (bounded, for metrics) which of a kind's
    /// causes it was.
    pub(super) fn explained(&self) -> (Level, &str, &'static str) {
        match self {
            Self::Duplicate(Completion::Rejected) => (Level::Info, "rejected before", "rejected"),
            Self::Handled | Self::Duplicate(Completion::Handled) | Self::Unhandled | Self::Handshake(_) => {
                (Level::Info, "", "")
            }
            Self::OtherFacts => (
                Level::Warn,
                "the event is finished, and this delivery under its id has another topic or time",
                "other-facts",
            ),
            Self::Rejected(reason) => (Level::Warn, reason.as_str(), ""),
            Self::InnerRefused(_) => (Level::Warn, "the HTTP service refused the event", ""),
            Self::Refused(rejection) => {
                let level = match rejection.kind() {
                    RefusalKind::Conflict
                    | RefusalKind::Store
                    | RefusalKind::HandlerFailed
                    | RefusalKind::HandlerPanicked
                    | RefusalKind::HandlerTimeout
                    | RefusalKind::InnerResponse => Level::Error,
                    _ => Level::Warn,
                };
                (level, rejection.reason(), rejection.cause())
            }
        }
    }
}
