//! From a request to its response. The only room that knows HTTP.
//!
//! ```text
//! Request<B> ─read_body→ Received ─verify→ Authentic ─parse→ Work
//!     ─(process)→ Outcome ─respond→ Response
//! ```
//!
//! Each step is a file. It takes what the step before made, and is the only one to make what it
//! hands on: an unverified body cannot be parsed. Claim, run and settlement are `process`.

mod settings;
mod body;
mod admission;
mod discard;
mod call;
mod inner;
mod read_body;
mod verify;
mod tenants;
mod diagnosis;
mod parse;
mod handed_in;
mod refusal_hook;
mod respond;
mod sharing;

pub use body::{RequestBody, ResponseBody};
pub(crate) use call::Call;
pub(crate) use diagnosis::Diagnosis;
pub(crate) use handed_in::HandedInItem;
pub use inner::Http;
pub(crate) use inner::{HandIn, Inner};
pub(crate) use refusal_hook::RefusalHook;
#[cfg(feature = "axum")]
pub(crate) use respond::missing_layer;
pub(crate) use settings::Settings;
pub(crate) use tenants::Directory;
pub use tenants::TenantsHandle;

use std::{
    error::Error as StdError,
    fmt,
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
};

use bytes::Bytes;
use http::{Method, Request, Response, request::Parts};
use http_body::Body;

use crate::{
    clock::Clock,
    delivery_log::{Captured, Captures},
    error::{Refusal, RefusalKind},
    event::{Event, EventError, Source},
    metrics::Topic,
    process::{self, Caller as _, Engine, Observation, Outcome, Started, Work, timeout::deadline_after},
    provider::{Handshake, Provider},
    store::IdempotencyStore,
    trace::DeliveryEnd,
};
use parse::Parsed;
use read_body::{Checks, Limits, Refused};
use respond::ResponseKind;
use verify::Signed;

/// The state that all requests of one layer share.
pub(crate) struct Receiver<P, S> {
    pub(crate) provider: Arc<P>,
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
    /// Processes the events.
    pub(crate) engine: Arc<Engine<S>>,
    pub(crate) sharing: sharing::Sharing,
    /// Off unless the builder switches it on.
    pub(crate) diagnosis: Option<Diagnosis>,
    /// None where all requests are signed with the provider's secrets.
    pub(crate) tenants: Option<Arc<Directory>>,
    /// The layer's problems unless the builder sets another.
    pub(crate) refusal_hook: Option<RefusalHook>,
    /// Keeps refused requests while it is switched on, if there is one.
    pub(crate) captures: Option<Captures>,
    admission: admission::Admission,
}

impl<P: Provider, S: IdempotencyStore> Receiver<P, S> {
    #[track_caller]
    pub(crate) fn new(provider: P, store: S, settings: Settings, clock: Arc<dyn Clock>) -> Self {
        let admission = admission::Admission::new(settings.max_in_flight, settings.max_unauthenticated_bytes);
        let sharing = sharing::Sharing::register(&provider, store.identity(), &settings.process.namespace);
        let engine = Arc::new(Engine::new(provider.name(), Arc::new(store), settings.process.clone()));
        Self {
            provider: Arc::new(provider),
            settings,
            clock,
            engine,
            sharing,
            diagnosis: None,
            tenants: None,
            refusal_hook: None,
            captures: None,
            admission,
        }
    }
}

/// From a request to its response.
pub(crate) fn receive<P, S, H, B>(
    receiver: Arc<Receiver<P, S>>,
    inner: H,
    request: Request<B>,
) -> impl Future<Output = Response<ResponseBody>>
where
    P: Provider,
    S: IdempotencyStore,
    H: Inner<P::Event, S>,
    B: Body<Data: Send, Error: Into<Box<dyn StdError + Send + Sync>>> + Send + 'static,
{
    let (parts, body) = request.into_parts();
    // Boxed: every step hands them on.
    flow(receiver, inner, Box::new(parts), body)
}

async fn flow<P, S, H, B>(receiver: Arc<Receiver<P, S>>, inner: H, parts: Box<Parts>, body: B) -> Response<ResponseBody>
where
    P: Provider,
    S: IdempotencyStore,
    H: Inner<P::Event, S>,
    B: Body<Data: Send, Error: Into<Box<dyn StdError + Send + Sync>>> + Send + 'static,
{
    let engine = &receiver.engine;
    let mut observation = engine.observe(Source::Delivered);
    let is_head = parts.method == Method::HEAD;
    let _in_flight = engine.meter.in_flight();
    // Boxed: what a refusal leaves of it goes into a task.
    let mut body = Box::pin(body);
    let mut capture = receiver.begin_capture();
    let arrived = {
        let arriving = pin!(arrive(
            &receiver,
            &mut observation,
            parts,
            body.as_mut(),
            capture.as_mut()
        ));
        process::catch_polled(arriving).await
    };
    let arrived = arrived.unwrap_or_else(|panicked| {
        Err(Refused {
            refusal: provider_panicked(&panicked),
            // They went with it.
            parts: Box::new(Request::new(()).into_parts().0),
            read: 0,
            is_over: true,
        })
    });
    let (outcome, kind) = match arrived {
        Ok((parsed, permit)) => {
            drop(body);
            let dispatched = process::catch(|| receiver.dispatch(inner, parsed, &mut observation));
            match dispatched.unwrap_or_else(|panicked| receiver.not_dispatched(&observation, &panicked)) {
                Dispatched::Started(started, call) => {
                    let _waits = call.until_dropped();
                    let deadline = deadline_after(observation.started, receiver.settings.response_timeout);
                    let outcome = engine.outcome(started, &call, &observation, Some(deadline)).await;
                    drop(permit); // the request is in flight until here
                    let kind = call
                        .take_response(&outcome)
                        .map_or(ResponseKind::Usual, ResponseKind::Inner);
                    return respond::respond(outcome, kind, receiver.refusal_hook.as_ref());
                }
                Dispatched::Ended(outcome, kind) => (outcome, kind),
            }
        }
        Err(Refused {
            refusal,
            parts,
            read,
            is_over,
        }) => {
            observation.request.size = Some(read);
            observation.request.captured = receiver.capture(capture, &parts, &refusal);
            let outcome = Outcome::from(refusal);
            let told = DeliveryEnd {
                status: Some(respond::status(&outcome, None)),
                refused: Some((&parts, read)),
                ..engine.delivery_end(&observation)
            };
            engine.report(&observation, &outcome, told);
            if !is_over {
                discard::discard(body, &parts, &receiver.admission, receiver.settings.body_limit);
            }
            (outcome, ResponseKind::Usual)
        }
    };
    let response = respond::respond(outcome, kind, receiver.refusal_hook.as_ref());
    if is_head { respond::head_of(response) } else { response }
}

/// Code that is the provider's or its verifier's, a function of the application's maybe.
fn provider_panicked(panicked: &impl fmt::Display) -> Refusal {
    let reason = format!("the provider panicked on the request: {panicked}");
    Refusal::new(RefusalKind::ProviderPanicked, reason)
}

/// Steps 1 to 3: whatever fails here has touched no store and runs nothing.
async fn arrive<P, S, B>(
    receiver: &Receiver<P, S>,
    observation: &mut Observation,
    parts: Box<Parts>,
    body: Pin<&mut B>,
    capture: Option<&mut Bytes>,
) -> Result<(Parsed<P::Event>, admission::Permit), Refused>
where
    P: Provider,
    S: IdempotencyStore,
    B: Body<Error: Into<Box<dyn StdError + Send + Sync>>>,
{
    let settings = &receiver.settings;
    if receiver.engine.is_draining() {
        return Err(Refused {
            refusal: process::draining(),
            parts,
            read: 0,
            is_over: false,
        });
    }
    let limits = Limits {
        bytes: settings.body_limit,
        until: deadline_after(
            observation.started,
            settings.body_timeout.min(settings.response_timeout),
        ),
    };
    let mut suspect = receiver.suspect(&parts.headers);
    let (received, mut permit) = read_body::read_body(parts, body, receiver.checks(), limits, observation)
        .await
        .inspect_err(|refused| suspect.explain(receiver, &observation.span, &refused.refusal))?;
    suspect.take_body(&received.body);
    if let Some(capture) = capture {
        *capture = received.body.clone();
    }
    observation.request.size = Some(received.body.len());
    observation.request.signed_at = received.verification.signed_time();
    let now = receiver.clock.now();
    let authentic = received
        .verify(now)
        .inspect_err(|refused| suspect.explain(receiver, &observation.span, &refused.refusal))?;
    permit.authenticated();
    observation.request.secret_index = Some(authentic.signed.verified.secret_index());
    receiver.engine.meter.verified(authentic.signed.verified.secret_index());
    let parsed = authentic.parse(receiver, now)?;
    Ok((parsed, permit))
}

/// The result of dispatching an event.
enum Dispatched {
    /// It is processed, and this request waits for the outcome.
    Started(Started, Call),
    /// There is nothing to process.
    Ended(Outcome, ResponseKind),
}

impl<P: Provider, S: IdempotencyStore> Receiver<P, S> {
    /// Room for a request's body, while refused requests are captured.
    fn begin_capture(&self) -> Option<Bytes> {
        let is_on = self.captures.as_ref().is_some_and(Captures::is_on);
        is_on.then(Bytes::new)
    }

    /// Keeps a refused request, and tells under which number.
    fn capture(&self, body: Option<Bytes>, parts: &Parts, refusal: &Refusal) -> Option<u64> {
        let (captures, body) = self.captures.as_ref().zip(body)?;
        let mut captured = Captured::new(parts, body, self.clock.now());
        self.provider.name().clone_into(&mut captured.provider);
        captured.namespace = Arc::clone(&self.settings.process.namespace);
        captured.outcome = refusal.kind().as_str();
        refusal.reason().clone_into(&mut captured.reason);
        captures.add(captured)
    }

    /// The checks that a request has to pass before its body is read.
    fn checks(&self) -> Checks<'_> {
        let tenants = self.tenants.as_ref();
        Checks {
            verifier: tenants.map_or_else(|| self.provider.verifier(), |tenants| &tenants.decoy),
            tenants,
            admission: &self.admission,
        }
    }

    /// Hands the event on to its handler, if it has one.
    fn dispatch<H: Inner<P::Event, S>>(
        &self,
        inner: H,
        parsed: Parsed<P::Event>,
        observation: &mut Observation,
    ) -> Dispatched {
        let Parsed { parts, work, signed } = parsed;
        self.identify(&inner, &work, observation);
        self.engine.meter.event_age(&observation.topic, || {
            self.clock.now().duration_since(work.event.time()?).ok()
        });
        let call = Call::new();
        if let Some((outcome, kind)) = self.unprocessed(&inner, &work, Some(&signed)) {
            let told = DeliveryEnd {
                status: call.status(&outcome),
                ..self.engine.end_of(observation, &work.key, work.event.topic())
            };
            self.engine.report(observation, &outcome, told);
            return Dispatched::Ended(outcome, kind);
        }
        let started = inner.start(&self.engine, work, parts, &call, observation);
        Dispatched::Started(started, call)
    }

    /// The outcome where the provider has panicked on an event.
    fn not_dispatched(&self, observation: &Observation, panicked: &impl fmt::Display) -> Dispatched {
        let outcome = Outcome::from(provider_panicked(panicked));
        let told = DeliveryEnd {
            status: Some(respond::status(&outcome, None)),
            ..self.engine.delivery_end(observation)
        };
        self.engine.report(observation, &outcome, told);
        Dispatched::Ended(outcome, ResponseKind::Usual)
    }

    /// Says which event it is, to the log and the metrics.
    fn identify<H: Inner<P::Event, S>>(&self, inner: &H, work: &Work<P::Event>, observation: &mut Observation) {
        let topic = work.event.topic();
        observation.span.identify(topic, work.key.id().as_str());
        observation.topic = Topic::of(|| inner.registered(topic));
    }

    fn handshake(&self, event: &P::Event, signed: &Signed) -> Result<Option<Handshake>, EventError> {
        match (&self.tenants, &signed.tenant, &signed.keys) {
            (Some(tenants), Some(tenant), Some(keys)) => {
                let verifier = tenants.decoy.with_key_set(tenant.as_str(), keys);
                self.provider.handshake_with(event, signed.verified, &verifier)
            }
            _ => self.provider.handshake(event, signed.verified),
        }
    }

    /// How it ends, and what is said, where no handler is to run.
    fn unprocessed<H: Inner<P::Event, S>>(
        &self,
        inner: &H,
        work: &Work<P::Event>,
        signed: Option<&Signed>,
    ) -> Option<(Outcome, ResponseKind)> {
        let topic = work.event.topic();
        let handshake = signed.map(|signed| self.handshake(&work.event, signed));
        match handshake.transpose() {
            // A handshake without a response body goes to a handler registered for exactly its
            // topic.
            Ok(Some(Some(handshake))) if handshake.body().is_some() || inner.registered(topic).is_none() => {
                Some((Outcome::Handshake, ResponseKind::Handshake(handshake)))
            }
            Ok(_) if inner.wants(topic) => None,
            Ok(_) => Some((Outcome::Unhandled, ResponseKind::Usual)),
            Err(error) => {
                let refusal = Refusal::new(RefusalKind::NotAnEvent, error.to_string());
                Some((refusal.into(), ResponseKind::Usual))
            }
        }
    }
}
