//! Step 3. From authentic bytes to an event and the claim request it is claimed with.

use std::time::SystemTime;

use bytes::Bytes;
use http::request::Parts;

use super::{
    Receiver,
    read_body::{Refused, signature},
    verify::Authentic,
};
use crate::{
    error::{Refusal, RefusalKind},
    event::{Event, Fingerprint},
    provider::Provider,
    signature::Verified,
    store::{ClaimRequest, Key, Token},
};

/// An event, with what its claim needs. Only this file makes one.
pub(super) struct Parsed<E> {
    pub(super) parts: Box<Parts>,
    pub(super) body: Bytes,
    pub(super) event: E,
    pub(super) claim_request: ClaimRequest,
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
            Ok((event, claim_request)) => Ok(Parsed {
                parts,
                body,
                event,
                claim_request,
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
) -> Result<(P::Event, ClaimRequest), Refusal> {
    let settings = &receiver.settings;
    let not_an_event = |reason: String| Refusal::new(RefusalKind::NotAnEvent, reason);
    let event = receiver
        .provider
        .event(&parts.headers, body)
        .map_err(|error| not_an_event(error.to_string()))?;
    receiver.provider.check_time(&event, now).map_err(signature)?;
    if let (Some(most), Some(time)) = (settings.max_event_age, event.time())
        && now.duration_since(time).is_ok_and(|age| age > most)
    {
        let reason = format!("the event is older than {}s, the oldest accepted", most.as_secs());
        return Err(Refusal::new(RefusalKind::TooOld, reason));
    }
    let id = event
        .identity()
        .key(body, settings.strict_identity)
        .map_err(|error| not_an_event(error.to_string()))?;
    let claim_request = ClaimRequest {
        key: Key::new(settings.namespace.clone(), id),
        token: Token::random(),
        fingerprint: event.fingerprint().unwrap_or_else(|| Fingerprint::of([body])),
        lease: settings.lease,
        retention: settings.retention,
        retry_window: settings.retry_window,
    };
    Ok((event, claim_request))
}
