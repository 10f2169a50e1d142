//! Events that come without a request, or with one that the provider has recorded.

use bytes::Bytes;
use http::HeaderMap;

use super::{HandIn, Receiver, parse::Read, read_body::signature};
use crate::{
    delivery::Message,
    error::{Refusal, RefusalKind},
    event::{Event, Fingerprint, SelfIdentified, Source},
    process::{self, Outcome, Work},
    provider::Provider,
    signature::Verified,
    store::{IdempotencyStore, Key},
    trace::Told,
};

/// Work that was handed in, with what its request was verified as.
pub(crate) type HandedIn<E> = (Work<E>, Option<Verified>);

impl<P: Provider, S: IdempotencyStore> Receiver<P, S> {
    /// Processes what is handed in, for as long as that takes.
    pub(crate) async fn hand_in<H>(
        &self,
        inner: H,
        read: impl FnOnce() -> Result<HandedIn<P::Event>, Refusal>,
    ) -> Outcome
    where
        H: HandIn<P::Event, S>,
    {
        let engine = &self.engine;
        let mut observation = engine.observe(Source::Fetched);
        let _in_flight = engine.meter.in_flight();
        let admitted = if engine.is_draining() {
            Err(process::draining())
        } else {
            self.admission.enter(0)
        };
        let read = admitted.and_then(|permit| read().map(|handed_in| (handed_in, permit)));
        let ((work, verified), _permit) = match read {
            Ok(read) => read,
            Err(refusal) => {
                let outcome = Outcome::from(refusal);
                engine.report(&observation, &outcome, engine.told(&observation));
                return outcome;
            }
        };
        self.identify(&inner, &work, &mut observation);
        if let Some((outcome, _)) = self.unprocessed(&inner, &work, verified) {
            let told: Told<'_> = engine.told_of(&observation, &work.key, work.event.topic());
            engine.report(&observation, &outcome, told);
            return outcome;
        }
        let started = inner.hand_in(engine, work, &observation);
        engine.outcome(started, &(), &observation, None).await
    }

    /// An event whose whole key is within it, and the bytes that it was read from, if they are at
    /// hand.
    pub(crate) fn fetched(&self, event: P::Event, body: Option<Bytes>) -> Result<HandedIn<P::Event>, Refusal>
    where
        P::Event: SelfIdentified,
    {
        let not_an_event = |reason: &'static str| Refusal::new(RefusalKind::NotAnEvent, reason);
        let Some(id) = event.id().cloned() else {
            return Err(not_an_event(
                "the event has no id; expected one: `SelfIdentified` promises it",
            ));
        };
        let fingerprint = event
            .fingerprint()
            .or_else(|| body.as_ref().map(|body| Fingerprint::of([body])));
        let Some(fingerprint) = fingerprint else {
            return Err(not_an_event(
                "the event has no fingerprint, so its facts are not known; expected one, or the delivered body",
            ));
        };
        let work = Work {
            key: Key::new(self.settings.process.namespace.clone(), id),
            fingerprint,
            message: Message {
                source: Source::Fetched,
                body: body.unwrap_or_default(),
                headers: HeaderMap::new(),
                secret_index: None,
            },
            event,
        };
        Ok((work, None))
    }

    /// A request that the provider has recorded, verified again. It may be as old as it is.
    pub(crate) fn recorded(&self, headers: HeaderMap, body: Bytes) -> Result<HandedIn<P::Event>, Refusal> {
        let verification = self.provider.verifier().begin_with(&headers).map_err(signature)?;
        let time = verification.signed_time().unwrap_or_else(|| self.clock.now());
        let verified = verification.finish_with(&headers, &body, time).map_err(signature)?;
        self.engine.meter.verified(verified.secret_index());
        let Read {
            event,
            key,
            fingerprint,
        } = self.read(&headers, &body, None)?;
        let work = Work {
            event,
            key,
            fingerprint,
            message: Message {
                source: Source::Fetched,
                body,
                headers,
                secret_index: Some(verified.secret_index()),
            },
        };
        Ok((work, Some(verified)))
    }
}
