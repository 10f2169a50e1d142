//! The one place that knows whether the feature `tracing` is on: a span for each delivery, and warnings.
//!
//! What a request says is escaped and cut before it gets here (see [`Brief`]); secrets, tags and bodies never get here.

#[cfg(any(feature = "service", feature = "memory", feature = "redis"))]
use std::fmt;

#[cfg(feature = "service")]
use std::future::Future;

/// A text from a request, for a log: escaped, and cut at 80 characters, which is room for `sha256:` and its digits.
#[cfg(feature = "service")]
pub(crate) struct Brief<'a>(pub(crate) &'a str);

#[cfg(feature = "service")]
impl fmt::Display for Brief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 80;
        for escaped in self.0.chars().take(MOST).map(char::escape_debug) {
            write!(f, "{escaped}")?;
        }
        if self.0.chars().nth(MOST).is_some() {
            f.write_str("…")?;
        }
        Ok(())
    }
}

#[cfg(all(any(feature = "service", feature = "memory", feature = "redis"), feature = "tracing"))]
pub(crate) fn warn(message: fmt::Arguments<'_>) {
    tracing::warn!(target: "tower_webhook", "{message}");
}

#[cfg(all(
    any(feature = "service", feature = "memory", feature = "redis"),
    not(feature = "tracing")
))]
pub(crate) fn warn(_: fmt::Arguments<'_>) {}

#[cfg(all(feature = "axum", feature = "tracing"))]
pub(crate) fn error(message: fmt::Arguments<'_>) {
    tracing::error!(target: "tower_webhook", "{message}");
}

#[cfg(all(feature = "axum", not(feature = "tracing")))]
pub(crate) fn error(_: fmt::Arguments<'_>) {}

/// How loud the end of a delivery is.
#[cfg(feature = "service")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Info,
    Warn,
    Error,
}

/// The span of one delivery.
#[cfg(feature = "service")]
#[derive(Clone)]
pub(crate) struct Span(#[cfg(feature = "tracing")] tracing::Span);

#[cfg(all(feature = "service", feature = "tracing"))]
impl Span {
    pub(crate) fn delivery(sender: &str) -> Self {
        use tracing::field::Empty;
        Self(tracing::info_span!(
            target: "tower_webhook",
            "webhook",
            sender,
            topic = Empty,
            id = Empty,
            attempt = Empty,
            outcome = Empty,
            reason = Empty,
        ))
    }

    pub(crate) fn identify(&self, topic: &str, id: &str) {
        self.0.record("topic", tracing::field::display(Brief(topic)));
        self.0.record("id", tracing::field::display(Brief(id)));
    }

    pub(crate) fn attempt(&self, attempt: u32) {
        self.0.record("attempt", attempt);
    }

    /// The delivery's end: its outcome and the reason for it, into the span and as one event.
    pub(crate) fn end(&self, level: Level, outcome: &str, reason: &str) {
        self.0.record("outcome", outcome);
        if !reason.is_empty() {
            self.0.record("reason", reason);
        }
        self.say(level, format_args!("{outcome}"));
    }

    pub(crate) fn say(&self, level: Level, message: fmt::Arguments<'_>) {
        self.0.in_scope(|| match level {
            Level::Info => tracing::info!(target: "tower_webhook", "{message}"),
            Level::Warn => tracing::warn!(target: "tower_webhook", "{message}"),
            Level::Error => tracing::error!(target: "tower_webhook", "{message}"),
        });
    }

    pub(crate) fn follow<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        tracing::Instrument::instrument(future, self.0.clone())
    }
}

#[cfg(all(feature = "service", not(feature = "tracing")))]
impl Span {
    pub(crate) fn delivery(_: &str) -> Self {
        Self()
    }

    pub(crate) fn identify(&self, topic: &str, id: &str) {
        let _ = (Brief(topic), Brief(id));
    }

    pub(crate) fn attempt(&self, _: u32) {}

    pub(crate) fn end(&self, _: Level, _: &str, _: &str) {}

    pub(crate) fn say(&self, _: Level, _: fmt::Arguments<'_>) {}

    pub(crate) fn follow<F: Future>(&self, future: F) -> F {
        future
    }
}
