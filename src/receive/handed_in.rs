//! Events that come without a request, or with one that the provider has recorded.

use bytes::Bytes;
use http::{HeaderMap, Request};

use super::{HandIn, Receiver, admission::Permit, parse::Read, read_body::signature, verify::Signed};
use crate::{
    delivery::Message,
    error::{Refusal, RefusalKind},
    event::{Event, Fingerprint, SelfIdentified, Source, Tenant},
    process::{self, Observation, Outcome, Work},
    provider::Provider,
    store::IdempotencyStore,
    trace::DeliveryEnd,
};

/// Work that was handed in, with who has signed its request.
pub(crate) type HandedIn<E> = (Work<E>, Option<Signed>);

/// The event or request that is handed in.
pub(crate) enum HandedInItem<E> {
    /// An event, or why it is not one.
    Event(Result<Box<HandedIn<E>>, Refusal>),
    /// A request that the provider has recorded, and its tenant, where the caller knows it.
    Request {
        headers: HeaderMap,
        body: Bytes,
        tenant: Option<Tenant>,
    },
}

impl<P: Provider, S: IdempotencyStore> Receiver<P, S> {
    /// Processes what is handed in, for as long as that takes.
    pub(crate) async fn hand_in<H>(&self, inner: H, given: HandedInItem<P::Event>) -> Outcome
    where
        H: HandIn<P::Event, S>,
    {
        let engine = &self.engine;
        let mut observation = engine.observe(Source::Fetched);
        let _in_flight = engine.meter.in_flight();
        let admitted = self.admit(given, &mut observation).await;
        let ((work, signed), _permit) = match admitted {
            Ok(admitted) => admitted,
            Err(refusal) => {
                let outcome = Outcome::from(refusal);
                engine.report(&observation, &outcome, engine.delivery_end(&observation));
                return outcome;
            }
        };
        observation.belongs_to(work.message.tenant.as_ref());
        observation.request.size = Some(work.message.body.len());
        observation.request.secret_index = work.message.secret_index;
        self.identify(&inner, &work, &mut observation);
        if let Some((outcome, _)) = self.unprocessed(&inner, &work, signed.as_ref()) {
            let end: DeliveryEnd<'_> = engine.end_of(&observation, &work.key, work.event.topic());
            engine.report(&observation, &outcome, end);
            return outcome;
        }
        let started = inner.hand_in(engine, work, &observation);
        engine.outcome(started, &(), &observation, None).await
    }

    async fn admit(
        &self,
        given: HandedInItem<P::Event>,
        observation: &mut Observation,
    ) -> Result<(HandedIn<P::Event>, Permit), Refusal> {
        if self.engine.is_draining() {
            return Err(process::draining());
        }
        let mut permit = self.admission.enter(0)?;
        let handed_in = match given {
            HandedInItem::Event(event) => *event?,
            HandedInItem::Request { headers, body, tenant } => {
                self.recorded(headers, body, tenant, &mut permit, observation).await?
            }
        };
        Ok((handed_in, permit))
    }

    /// An event whose whole key is within it, and the bytes that it was read from, if they are at
    /// hand.
    pub(crate) fn fetched(
        &self,
        event: P::Event,
        body: Option<Bytes>,
        tenant: Option<Tenant>,
    ) -> Result<HandedIn<P::Event>, Refusal>
    where
        P::Event: SelfIdentified,
    {
        let not_an_event = |reason: &'static str| Refusal::new(RefusalKind::NotAnEvent, reason);
        self.check_tenant(tenant.as_ref())?;
        let Some(id) = event.id() else {
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
            key: self.key(id, tenant.as_ref()),
            fingerprint,
            message: Message {
                source: Source::Fetched,
                body: body.unwrap_or_default(),
                headers: HeaderMap::new(),
                secret_index: None,
                tenant,
            },
            event,
        };
        Ok((work, None))
    }

    /// Without its tenant an event would get the key of nobody's, and run beside the delivery.
    fn check_tenant(&self, tenant: Option<&Tenant>) -> Result<(), Refusal> {
        let reason = match (self.provider.tenants(), tenant) {
            (Some(_), None) => {
                "the event was handed in without its tenant; expected one: hand it in through `Processor::of`"
            }
            (None, Some(_)) => {
                "the event was handed in for a tenant, and the layer has none; expected a provider made with `per_tenant`"
            }
            _ => return Ok(()),
        };
        Err(Refusal::new(RefusalKind::NotAnEvent, reason))
    }

    /// A request that the provider has recorded, verified again. It may be as old as it is.
    async fn recorded(
        &self,
        headers: HeaderMap,
        body: Bytes,
        tenant: Option<Tenant>,
        permit: &mut Permit,
        observation: &mut Observation,
    ) -> Result<HandedIn<P::Event>, Refusal> {
        let verifier = self.checks().verifier;
        let mut verification = verifier.begin_with(&headers).map_err(signature)?;
        let (headers, whose) = match &self.tenants {
            None => {
                if tenant.is_some() {
                    self.check_tenant(tenant.as_ref())?;
                }
                (headers, None)
            }
            Some(tenants) => {
                let mut parts = Request::new(()).into_parts().0;
                parts.headers = headers;
                let tenant = tenant
                    .or_else(|| tenants.tenants.in_head(&parts))
                    .or_else(|| tenants.tenants.in_body(&body));
                let found = tenants.whose(tenant, permit, tenants.deadline(), observation).await?;
                (parts.headers, Some(found.decides(&mut verification)))
            }
        };
        let time = verification.signed_time().unwrap_or_else(|| self.clock.now());
        let signed = Signed::of(verification.finish_with(&headers, &body, time), whose)?;
        self.engine.meter.verified(signed.verified.secret_index());
        let Read {
            event,
            key,
            fingerprint,
        } = self.read(&headers, &body, None, signed.tenant.as_ref())?;
        let work = Work {
            event,
            key,
            fingerprint,
            message: Message {
                source: Source::Fetched,
                body,
                headers,
                secret_index: Some(signed.verified.secret_index()),
                tenant: signed.tenant.clone(),
            },
        };
        Ok((work, Some(signed)))
    }
}
