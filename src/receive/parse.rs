//! Step 3. From authentic bytes to an event, as work to be processed.

use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, request::Parts};

use super::{
    Receiver,
    read_body::{Refused, signature},
    verify::{Authentic, Signed},
};
use crate::{
    delivery::Message,
    error::{Refusal, RefusalKind},
    event::{Event, EventId, Fingerprint, Source, Tenant},
    process::Work,
    provider::Provider,
    store::{IdempotencyStore, Key},
};

/// An event, with the head of its request. Only this file makes one. The headers are the message's.
pub(super) struct Parsed<E> {
    pub(super) parts: Box<Parts>,
    pub(super) work: Work<E>,
    pub(super) signed: Signed,
}

impl Authentic {
    pub(super) fn parse<P: Provider, S: IdempotencyStore>(
        self,
        receiver: &Receiver<P, S>,
        now: SystemTime,
    ) -> Result<Parsed<P::Event>, Refused> {
        let Self {
            mut parts,
            body,
            signed,
        } = self;
        match receiver.read(&parts.headers, &body, Some(now), signed.tenant.as_ref()) {
            Ok(Read {
                event,
                key,
                fingerprint,
            }) => {
                let message = Message {
                    source: Source::Delivered,
                    body,
                    headers: std::mem::take(&mut parts.headers),
                    secret_index: Some(signed.verified.secret_index()),
                    tenant: signed.tenant.clone(),
                };
                Ok(Parsed {
                    parts,
                    work: Work {
                        event,
                        key,
                        fingerprint,
                        message,
                    },
                    signed,
                })
            }
            Err(refusal) => Err(Refused {
                refusal,
                parts,
                read: body.len(),
                is_over: true,
            }),
        }
    }
}

/// An event read from a body, and the key that it is deduplicated by.
pub(super) struct Read<E> {
    pub(super) event: E,
    pub(super) key: Key,
    pub(super) fingerprint: Fingerprint,
}

impl<P: Provider, S: IdempotencyStore> Receiver<P, S> {
    /// Reads an authentic body. `now` is what its times are checked against, where they are.
    pub(super) fn read(
        &self,
        headers: &HeaderMap,
        body: &Bytes,
        now: Option<SystemTime>,
        tenant: Option<&Tenant>,
    ) -> Result<Read<P::Event>, Refusal> {
        let not_an_event = |reason: String| Refusal::new(RefusalKind::NotAnEvent, reason);
        let event = self
            .provider
            .event(headers, body)
            .map_err(|error| not_an_event(error.to_string()))?;
        if let Some(now) = now {
            self.provider.check_time(&event, now).map_err(signature)?;
            self.check_age(&event, now)?;
        }
        let id = event
            .identity()
            .key(body, self.settings.strict_identity)
            .map_err(|error| not_an_event(error.to_string()))?;
        let key = self.key(&id, tenant);
        let fingerprint = event.fingerprint().unwrap_or_else(|| Fingerprint::of([body]));
        Ok(Read {
            event,
            key,
            fingerprint,
        })
    }

    /// An event's key: in front of its id stands the tenant, where the layer has tenants.
    pub(super) fn key(&self, id: &EventId, tenant: Option<&Tenant>) -> Key {
        let id = tenant.map_or_else(|| id.clone(), |tenant| tenant.id_of(id));
        Key::new(self.settings.process.namespace.clone(), id)
    }

    fn check_age(&self, event: &P::Event, now: SystemTime) -> Result<(), Refusal> {
        match (self.settings.max_event_age, event.time()) {
            (Some(most), Some(time)) if now.duration_since(time).is_ok_and(|age| age > most) => {
                let reason = format!("the event is older than {}s, the oldest accepted", most.as_secs());
                Err(Refusal::new(RefusalKind::TooOld, reason))
            }
            _ => Ok(()),
        }
    }
}
