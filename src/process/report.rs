//! How an event ended, for the log and the metrics.

use std::{fmt, sync::Arc, time::SystemTime};

use tokio::time::Instant;

use super::{Engine, Outcome, catch};
use crate::{
    delivery_log::DeliveryLogEntry,
    error::RefusalKind,
    event::{Source, Tenant},
    metrics::Topic,
    store::{Completion, IdempotencyStore, Key, Stage},
    trace::{DeliveryEnd, Level, Span},
};

/// The facts of an event before it has ended, for the log and the metrics.
#[derive(Clone)]
pub(crate) struct Observation {
    pub(crate) span: Span,
    pub(crate) source: Source,
    /// The topic as a label of metrics.
    pub(crate) topic: Topic,
    /// The tenant that the request names, where the layer has tenants.
    pub(crate) tenant: Option<Tenant>,
    /// Whether there is such a tenant: a stranger's names make no label.
    pub(crate) is_tenant_known: bool,
    /// When the event came.
    pub(crate) started: Instant,
    /// Further facts for the delivery log.
    pub(crate) request: RequestFacts,
}

/// The facts of the request that brought an event.
#[derive(Clone, Copy, Default)]
pub(crate) struct RequestFacts {
    pub(crate) size: Option<usize>,
    pub(crate) secret_index: Option<usize>,
    pub(crate) signed_at: Option<SystemTime>,
    pub(crate) captured: Option<u64>,
}

impl Observation {
    /// It is this tenant's, which is known.
    pub(crate) fn belongs_to(&mut self, tenant: Option<&Tenant>) {
        let Some(tenant) = tenant else { return };
        self.span.tenant(tenant.as_str());
        self.tenant = Some(tenant.clone());
        self.is_tenant_known = true;
    }

    /// Whose event it is.
    pub(crate) fn known_tenant(&self) -> Option<&Tenant> {
        self.tenant.as_ref().filter(|_| self.is_tenant_known)
    }
}

impl<S: IdempotencyStore> Engine<S> {
    /// Begins to observe what comes now.
    pub(crate) fn observe(&self, source: Source) -> Observation {
        Observation {
            span: Span::delivery(&self.provider, &self.settings.namespace, source.as_str()),
            source,
            topic: Topic::NONE,
            tenant: None,
            is_tenant_known: false,
            started: Instant::now(),
            request: RequestFacts::default(),
        }
    }

    /// The facts that are logged in any case; [`report`](Self::report) fills in how it ended.
    pub(crate) fn delivery_end<'a>(&'a self, observation: &'a Observation) -> DeliveryEnd<'a> {
        DeliveryEnd {
            provider: &self.provider,
            namespace: &self.settings.namespace,
            source: observation.source.as_str(),
            tenant: observation.tenant.as_ref().map(Tenant::as_str),
            id: None,
            topic: None,
            attempt: None,
            outcome: "",
            reason: "",
            signature: None,
            status: None,
            started: observation.started,
            refused: None,
        }
    }

    /// [`end`](Self::told) with the event.
    pub(crate) fn end_of<'a>(&'a self, observation: &'a Observation, key: &'a Key, topic: &'a str) -> DeliveryEnd<'a> {
        DeliveryEnd {
            id: Some(key.id().as_str()),
            topic: Some(topic),
            ..self.delivery_end(observation)
        }
    }

    /// Says how an event ended, to the log and the metrics.
    pub(crate) fn report(&self, observation: &Observation, outcome: &Outcome, end: DeliveryEnd<'_>) {
        let (level, reason, cause) = outcome.explained();
        let is_signature = matches!(outcome, Outcome::Refused(refusal) if refusal.kind() == RefusalKind::Signature);
        let is_authentic = end.id.is_some() || !is_before_signature(outcome);
        let outcome = outcome.as_str();
        let end = DeliveryEnd {
            outcome,
            reason,
            signature: is_signature.then_some(cause),
            ..end
        };
        observation.span.end(level, end);
        self.record(observation, end, outcome, is_authentic);
        match observation.source {
            Source::Stored => self
                .meter
                .attempt(&observation.topic, outcome, observation.known_tenant()),
            source => self
                .meter
                .delivery(&observation.topic, source, outcome, cause, observation.known_tenant()),
        }
    }

    /// [`report`](Self::report) for an event whose key is known.
    pub(crate) fn report_of(
        &self,
        observation: &Observation,
        outcome: &Outcome,
        key: &Key,
        topic: &str,
        status: Option<u16>,
    ) {
        let end = DeliveryEnd {
            status,
            ..self.end_of(observation, key, topic)
        };
        self.report(observation, outcome, end);
    }

    /// [`report`](Self::report) for a copy whose event was handled or stored while it waited.
    pub(super) fn report_waited(&self, observation: &Observation, outcome: &Outcome, end: DeliveryEnd<'_>) {
        let reason = match outcome {
            Outcome::StoredBefore(_) => "stored by the delivery it waited for",
            _ => "handled by the delivery it waited for",
        };
        let outcome = outcome.as_str();
        let end = DeliveryEnd { outcome, reason, ..end };
        observation.span.end(Level::Info, end);
        self.record(observation, end, outcome, true);
        self.meter.delivery(
            &observation.topic,
            observation.source,
            outcome,
            "waited",
            observation.known_tenant(),
        );
    }

    /// Says that a caller has gone with this outcome while the run goes on. How the run ends is
    /// counted when it does.
    pub(super) fn report_late(
        &self,
        observation: &Observation,
        outcome: &Outcome,
        status: Option<u16>,
        key: &Key,
        topic: &str,
    ) {
        let (level, reason, _) = outcome.explained();
        let end = DeliveryEnd {
            outcome: outcome.as_str(),
            reason,
            status,
            ..self.end_of(observation, key, topic)
        };
        self.record(observation, end, outcome.as_str(), true);
        match status {
            Some(status) => observation
                .span
                .log(level, end, format_args!("responded {status}: {reason}")),
            None => observation.span.log(level, end, format_args!("{reason}")),
        }
    }

    /// Records it in the delivery log, if there is one.
    fn record(&self, observation: &Observation, end: DeliveryEnd<'_>, outcome: &'static str, is_authentic: bool) {
        let Some(log) = &self.settings.log else { return };
        let left_out = if is_authentic {
            0
        } else if let Some(left_out) = log.admits_stranger() {
            left_out
        } else {
            return;
        };
        let RequestFacts {
            size,
            secret_index,
            signed_at,
            captured,
        } = observation.request;
        let _ = catch(|| {
            let mut entry = DeliveryLogEntry::new(
                log.now(),
                Arc::clone(&self.provider),
                Arc::clone(&self.settings.namespace),
                observation.source,
                outcome,
            );
            entry.identify(end.id, end.topic);
            entry.explain(end.reason);
            entry.tenant.clone_from(&observation.tenant);
            entry.attempt = end.attempt;
            entry.status = end.status;
            entry.duration = observation.started.elapsed();
            entry.size = size.map(|size| size as u64);
            entry.secret_index = secret_index;
            entry.signed_at = signed_at;
            entry.captured = captured;
            entry.left_out = left_out;
            log.record(entry);
        });
    }

    /// Tells an operator something else about an event.
    pub(crate) fn warn(&self, key: &Key, message: fmt::Arguments<'_>) {
        crate::trace::warn_of(&self.provider, key.namespace(), key.id().as_str(), message);
    }
}

impl Outcome {
    /// How loud it is in the log, why it ended so, and which of a kind's causes it was. The cause
    /// is bounded, for metrics.
    fn explained(&self) -> (Level, &str, &'static str) {
        match self {
            Self::Duplicate(Completion::Rejected) => (Level::Info, "rejected before", "rejected"),
            Self::Handled | Self::Duplicate(Completion::Handled) | Self::Unhandled | Self::Handshake | Self::Stored => {
                (Level::Info, "", "")
            }
            Self::StoredBefore(Stage::Dead) => (
                Level::Warn,
                "the event is stored and was given up: it waits for an operator",
                "dead",
            ),
            Self::StoredBefore(stage) => (Level::Info, "stored before", stage.as_str()),
            Self::Dead(reason) => (Level::Error, reason.as_str(), ""),
            Self::OtherFacts => (
                Level::Warn,
                "the event is finished, and this delivery under its id has another topic or time",
                "other-facts",
            ),
            Self::Rejected(reason) => (Level::Warn, reason.as_str(), ""),
            Self::Refused(refusal) => {
                let level = match refusal.kind() {
                    RefusalKind::Conflict
                    | RefusalKind::Store
                    | RefusalKind::Tenants
                    | RefusalKind::Backlog
                    | RefusalKind::HandlerFailed
                    | RefusalKind::HandlerPanicked
                    | RefusalKind::ProviderPanicked
                    | RefusalKind::HandlerTimeout
                    | RefusalKind::InnerResponse => Level::Error,
                    _ => Level::Warn,
                };
                (level, refusal.reason(), refusal.cause())
            }
        }
    }
}

/// Whether a request may have ended so before its signature was verified.
fn is_before_signature(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Refused(refusal) if matches!(
            refusal.kind(),
            RefusalKind::Method
                | RefusalKind::Encoding
                | RefusalKind::TooLarge
                | RefusalKind::TooSlow
                | RefusalKind::BrokenBody
                | RefusalKind::Overloaded
                | RefusalKind::Draining
                | RefusalKind::Signature
                | RefusalKind::Tenants
                | RefusalKind::ProviderPanicked
        )
    )
}
