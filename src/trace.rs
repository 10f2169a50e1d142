//! The one place that knows whether the feature `tracing` is on: a span for each delivery, and
//! warnings.
//!
//! What a request says is escaped and cut before it gets here (see [`Brief`]); secrets, tags and
//! bodies never get here.

#[cfg(any(feature = "service", feature = "memory"))]
use std::fmt;

#[cfg(feature = "service")]
use std::future::Future;

#[cfg(all(feature = "service", feature = "tracing"))]
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
#[cfg(feature = "service")]
use http::request::Parts;
#[cfg(feature = "service")]
use tokio::time::Instant;
#[cfg(all(feature = "service", feature = "tracing"))]
use tracing::field::{DisplayValue, display};

/// A text from a request, for a log: escaped, and cut at 80 characters, which is room for `sha256:`
/// and its digits.
#[cfg(feature = "service")]
pub(crate) struct Brief<'a>(pub(crate) &'a str);

#[cfg(feature = "service")]
impl fmt::Display for Brief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        cut(f, self.0, 80)
    }
}

/// The id of a verified event, whole: an operator asks for the event by it.
#[cfg(feature = "service")]
struct Whole<'a>(&'a str);

#[cfg(feature = "service")]
impl fmt::Display for Whole<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        cut(f, self.0, 255)
    }
}

#[cfg(feature = "service")]
fn cut(f: &mut fmt::Formatter<'_>, text: &str, most: usize) -> fmt::Result {
    for escaped in text.chars().take(most).map(char::escape_debug) {
        write!(f, "{escaped}")?;
    }
    if text.chars().nth(most).is_some() {
        f.write_str("…")?;
    }
    Ok(())
}

#[cfg(all(any(feature = "service", feature = "memory"), feature = "tracing"))]
pub(crate) fn warn(message: fmt::Arguments<'_>) {
    tracing::warn!(target: "tower_webhook", "{message}");
}

#[cfg(all(any(feature = "service", feature = "memory"), not(feature = "tracing")))]
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

/// The facts of a delivery's end. Every event that tells how one ended carries all of it itself: at
/// `RUST_LOG=warn` there is no span.
#[cfg(feature = "service")]
#[derive(Clone, Copy)]
#[cfg_attr(
    not(feature = "tracing"),
    expect(dead_code, reason = "without the feature nothing is said")
)]
pub(crate) struct DeliveryEnd<'a> {
    pub(crate) provider: &'a str,
    pub(crate) namespace: &'a str,
    /// How the event came, by its name.
    pub(crate) source: &'static str,
    /// The event's tenant, where the layer has tenants. The name was checked.
    pub(crate) tenant: Option<&'a str>,
    pub(crate) id: Option<&'a str>,
    pub(crate) topic: Option<&'a str>,
    pub(crate) attempt: Option<u32>,
    pub(crate) outcome: &'a str,
    pub(crate) reason: &'a str,
    /// The name of the signature error's kind.
    pub(crate) signature: Option<&'a str>,
    /// The status that the provider gets; none if it has hung up.
    pub(crate) status: Option<u16>,
    /// When the request arrived.
    pub(crate) started: Instant,
    /// The head of a request that never became an event, and how many bytes of its body were read:
    /// they tell a wrong secret from a body that a proxy has changed.
    pub(crate) refused: Option<(&'a Parts, usize)>,
}

/// A header's value, for a log: as [`Brief`].
#[cfg(all(feature = "service", feature = "tracing"))]
struct BriefValue<'a>(&'a http::HeaderValue);

#[cfg(all(feature = "service", feature = "tracing"))]
impl fmt::Display for BriefValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Brief(&String::from_utf8_lossy(self.0.as_bytes())).fmt(f)
    }
}

/// The span of one delivery: what the handler logs is inside it.
#[cfg(feature = "service")]
#[derive(Clone)]
pub(crate) struct Span(#[cfg(feature = "tracing")] tracing::Span);

/// One event with everything that is told. The values are only made where somebody listens.
#[cfg(all(feature = "service", feature = "tracing"))]
macro_rules! tell {
    ($level:ident, $end:ident, $message:expr) => {
        tracing::$level!(
            target: "tower_webhook",
            provider = $end.provider,
            namespace = $end.namespace,
            source = $end.source,
            tenant = $end.tenant,
            id = $end.id.map(|id| display(Brief(id))),
            topic = $end.topic.map(|topic| display(Brief(topic))),
            attempt = $end.attempt,
            outcome = $end.outcome,
            reason = Some($end.reason).filter(|reason| !reason.is_empty()),
            signature = $end.signature,
            status = $end.status,
            duration_ms = millis($end.started),
            method = $end.refused.map(|(parts, _)| display(Brief(parts.method.as_str()))),
            path = $end.refused.map(|(parts, _)| display(Brief(parts.uri.path()))),
            content_type = header($end, CONTENT_TYPE),
            content_length = header($end, CONTENT_LENGTH),
            body_length = $end.refused.map(|(_, length)| length),
            "{}",
            $message
        )
    };
}

/// To the microsecond: most deliveries take less than a millisecond.
#[cfg(all(feature = "service", feature = "tracing"))]
fn millis(started: Instant) -> f64 {
    (started.elapsed().as_micros() as f64) / 1000.0 // exact up to 285 years
}

#[cfg(all(feature = "service", feature = "tracing"))]
fn header(end: DeliveryEnd<'_>, name: http::HeaderName) -> Option<DisplayValue<BriefValue<'_>>> {
    let (parts, _) = end.refused?;
    parts.headers.get(name).map(|value| display(BriefValue(value)))
}

#[cfg(all(feature = "service", feature = "tracing"))]
impl Span {
    pub(crate) fn delivery(provider: &str, namespace: &str, source: &'static str) -> Self {
        use tracing::field::Empty;
        Self(tracing::info_span!(
            target: "tower_webhook",
            "webhook",
            provider,
            namespace,
            source,
            tenant = Empty,
            topic = Empty,
            id = Empty,
            attempt = Empty,
            outcome = Empty,
            reason = Empty,
        ))
    }

    pub(crate) fn identify(&self, topic: &str, id: &str) {
        self.0.record("topic", tracing::field::display(Brief(topic)));
        self.0.record("id", tracing::field::display(Whole(id)));
    }

    pub(crate) fn tenant(&self, tenant: &str) {
        self.0.record("tenant", tenant);
    }

    pub(crate) fn attempt(&self, attempt: u32) {
        self.0.record("attempt", attempt);
    }

    /// The delivery's end: its outcome and the reason for it, into the span and as one event.
    pub(crate) fn end(&self, level: Level, end: DeliveryEnd<'_>) {
        self.0.record("outcome", end.outcome);
        if !end.reason.is_empty() {
            self.0.record("reason", end.reason);
        }
        self.log(level, end, format_args!("{}", end.outcome));
    }

    /// One event, whatever it is about.
    pub(crate) fn log(&self, level: Level, end: DeliveryEnd<'_>, message: fmt::Arguments<'_>) {
        self.0.in_scope(|| match level {
            Level::Info => tell!(info, end, message),
            Level::Warn => tell!(warn, end, message),
            Level::Error => tell!(error, end, message),
        });
    }

    pub(crate) fn follow<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        tracing::Instrument::instrument(future, self.0.clone())
    }
}

/// A warning about one event, which says which.
#[cfg(all(feature = "service", feature = "tracing"))]
pub(crate) fn warn_of(provider: &str, namespace: &str, id: &str, message: fmt::Arguments<'_>) {
    tracing::warn!(target: "tower_webhook", provider, namespace, id = %Brief(id), "{message}");
}

/// A warning about one endpoint, which says which.
#[cfg(all(feature = "service", feature = "tracing"))]
pub(crate) fn warn_at(provider: &str, namespace: &str, message: fmt::Arguments<'_>) {
    tracing::warn!(target: "tower_webhook", provider, namespace, "{message}");
}

/// Logs an error at one endpoint that an operator must see to.
#[cfg(all(feature = "service", feature = "tracing"))]
pub(crate) fn error_at(provider: &str, namespace: &str, message: fmt::Arguments<'_>) {
    tracing::error!(target: "tower_webhook", provider, namespace, "{message}");
}

#[cfg(all(feature = "service", not(feature = "tracing")))]
pub(crate) fn error_at(_: &str, _: &str, _: fmt::Arguments<'_>) {}

#[cfg(all(feature = "service", not(feature = "tracing")))]
pub(crate) fn warn_at(_: &str, _: &str, _: fmt::Arguments<'_>) {}

#[cfg(all(feature = "service", not(feature = "tracing")))]
pub(crate) fn warn_of(_: &str, _: &str, _: &str, _: fmt::Arguments<'_>) {}

#[cfg(all(feature = "service", not(feature = "tracing")))]
impl Span {
    pub(crate) fn delivery(_: &str, _: &str, _: &'static str) -> Self {
        Self()
    }

    pub(crate) fn identify(&self, topic: &str, id: &str) {
        let _ = (Brief(topic), Whole(id));
    }

    pub(crate) fn tenant(&self, _: &str) {}

    pub(crate) fn attempt(&self, _: u32) {}

    pub(crate) fn end(&self, _: Level, _: DeliveryEnd<'_>) {}

    pub(crate) fn log(&self, _: Level, _: DeliveryEnd<'_>, _: fmt::Arguments<'_>) {}

    pub(crate) fn follow<F: Future>(&self, future: F) -> F {
        future
    }
}
