//! Step 3. From authentic bytes to an event and the ticket it is claimed with.

use std::time::SystemTime;

use bytes::Bytes;
use http::request::Parts;

use super::{
    Receiver,
    read_body::{Refused, signature},
    verify::Authentic,
};
use crate::{
    error::{Rejection, RejectionKind},
    event::{Event, Fingerprint},
    provider::Provider,
    signature::Verified,
    store::{Key, Ticket, Token},
};

/// An event, with what its claim needs. Only this file makes one.
pub(super) struct Parsed<E> {
    pub(super) parts: Box<Parts>,
    pub(super) body: Bytes,
    pub(super) event: E,
    pub(super) ticket: Ticket,
    pub(super) verified: Verified,
}

impl Authentic {
    pub(super) fn parse<P: Provider, S>(
        self,
        receiver: &Receiver<P, S>,
        now: SystemTime,
    ) -> Result<Parsed<P::Event>, Refused> {
        let Self { parts, body, verified } = self;
        match read(receiver, &parts, &body, now) {
            Ok((event, ticket)) => Ok(Parsed {
                parts,
                body,
                event,
                ticket,
                verified,
            }),
            Err(rejection) => Err(Refused {
                rejection,
                parts,
                read: body.len(),
                is_over: true,
            }),
        }
    }
}

fn read<P: Provider, S>(
    receiver: &Receiver<P, S>,
    parts: &Parts,
    body: &Bytes,
    now: SystemTime,
) -> Result<(P::Event, Ticket), Rejection> {
    let settings = &receiver.settings;
    let not_an_event = |reason: String| Rejection::new(RejectionKind::NotAnEvent, reason);
    let event = receiver
        .provider
        .event(&parts.headers, body)
        .map_err(|error| not_an_event(error.to_string()))?;
    receiver.provider.check_time(&event, now).map_err(signature)?;
    if let (Some(most), Some(time)) = (settings.max_event_age, event.time())
        && now.duration_since(time).is_ok_and(|age| age > most)
    {
        let reason = format!("the event is older than {}s, the oldest accepted", most.as_secs());
        return Err(Rejection::new(RejectionKind::TooOld, reason));
    }
    let id = event
        .identity()
        .key(body, settings.strict_identity)
        .map_err(|error| not_an_event(error.to_string()))?;
    let ticket = Ticket {
        key: Key::new(settings.namespace.clone(), id),
        token: Token::random(),
        fingerprint: event.fingerprint().unwrap_or_else(|| Fingerprint::of([body])),
        lease: settings.lease,
        retention: settings.retention,
        retry_horizon: settings.retry_horizon,
    };
    Ok((event, ticket))
}
