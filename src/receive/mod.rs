//! The life of a delivery, on one screen.
//!
//! ```text
//! Request<B> ─read_body→ Received ─verify→ Authentic ─parse→ Parsed ─claim→ Claimed ─handle→ Handled ─settle→ Outcome ─respond→ Response
//! ```
//!
//! Each step is a file, takes what the step before made and is the only one to make what it hands on: an unverified body cannot be
//! parsed and an unclaimed event cannot be handled.

mod settings;
mod body;
mod catch_panic;
mod timeout;
mod admission;
mod discard;
mod singleflight;
mod read_body;
mod verify;
mod diagnosis;
mod parse;
mod claim;
mod lease;
mod handle;
mod settle;
mod respond;
mod sharing;
mod report;

pub use body::ResponseBody;
pub(crate) use diagnosis::Diagnosis;
pub(crate) use handle::Handle;
pub use handle::Http;
#[cfg(feature = "axum")]
pub(crate) use respond::missing_layer;
pub(crate) use settings::Settings;
pub(crate) use singleflight::Singleflight;

use std::{error::Error as StdError, future::Future, pin::Pin, sync::Arc, time::Duration};

use http::{Method, Request, Response, request::Parts};
use http_body::Body;
use tokio::time::Instant;

use crate::{
    clock::Clock,
    error::{Refusal, RefusalKind},
    event::Event,
    metrics::{Meter, Timer, Topic},
    provider::{Handshake, Provider},
    store::{Completion, IdempotencyStore},
    trace::{Level, Span, Told},
};
use parse::Parsed;
use read_body::{Limits, Refused};
use singleflight::{Entry, Leader};

/// What all deliveries of one layer share.
pub(crate) struct Receiver<P, S> {
    pub(crate) provider: P,
    pub(crate) store: S,
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) flights: Arc<Singleflight>,
    pub(crate) sharing: sharing::Sharing,
    /// Off unless the builder switches it on.
    pub(crate) diagnosis: Option<Diagnosis>,
    meter: Meter,
    admission: admission::Admission,
}

impl<P: Provider, S: IdempotencyStore> Receiver<P, S> {
    #[track_caller]
    pub(crate) fn new(provider: P, store: S, settings: Settings, clock: Arc<dyn Clock>) -> Self {
        let meter = Meter::new(provider.name());
        let admission = admission::Admission::new(settings.max_in_flight, settings.max_unauthenticated_bytes);
        let sharing = sharing::Sharing::register(&provider, store.identity(), &settings.namespace);
        Self {
            provider,
            store,
            settings,
            clock,
            flights: Singleflight::new(),
            sharing,
            diagnosis: None,
            meter,
            admission,
        }
    }
}

/// How a delivery ended.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Handled,
    /// Finished before.
    Duplicate(Completion),
    /// Finished before, under an id that its provider documents as unique; but this delivery says
    /// something else.
    OtherFacts,
    /// No handler wants the topic.
    Unhandled,
    /// No event: the provider asks whether somebody is there.
    Handshake(Handshake),
    /// The handler refused it for good, for this reason.
    Rejected(String),
    /// The HTTP service answered this 4xx or 5xx.
    InnerRefused(u16),
    Refused(Refusal),
}

impl From<Refusal> for Outcome {
    fn from(rejection: Refusal) -> Self {
        Self::Refused(rejection)
    }
}

/// From a request to its answer.
pub(crate) fn receive<P, S, H, B>(
    receiver: Arc<Receiver<P, S>>,
    handler: H,
    request: Request<B>,
) -> impl Future<Output = Response<ResponseBody>>
where
    P: Provider,
    S: IdempotencyStore,
    H: Handle<P::Event>,
    B: Body<Data: Send, Error: Into<Box<dyn StdError + Send + Sync>>> + Send + 'static,
{
    let (parts, body) = request.into_parts();
    // Boxed: every step hands them on.
    answer(receiver, handler, Box::new(parts), body)
}

async fn answer<P, S, H, B>(
    receiver: Arc<Receiver<P, S>>,
    handler: H,
    parts: Box<Parts>,
    body: B,
) -> Response<ResponseBody>
where
    P: Provider,
    S: IdempotencyStore,
    H: Handle<P::Event>,
    B: Body<Data: Send, Error: Into<Box<dyn StdError + Send + Sync>>> + Send + 'static,
{
    let started = Instant::now();
    let span = Span::delivery(receiver.provider.name());
    let is_head = parts.method == Method::HEAD;
    let _in_flight = receiver.meter.in_flight();
    // Boxed: what a refusal leaves of it goes into a task.
    let mut body = Box::pin(body);
    let outcome = match arrive(&receiver, &span, parts, body.as_mut(), started).await {
        Ok((parsed, permit)) => {
            drop(body);
            let event = &parsed.event;
            let topic = Topic::of(|| handler.registered(event.topic()));
            receiver
                .meter
                .event_age(&topic, || receiver.clock.now().duration_since(event.time()?).ok());
            let handshake = match receiver.provider.handshake(event, parsed.verified) {
                // Asked for by name, what needs no answer of its own is an event like any other.
                Ok(Some(handshake)) if handshake.body().is_none() && handler.registered(event.topic()).is_some() => {
                    None
                }
                Ok(handshake) => handshake.map(Outcome::Handshake),
                Err(error) => Some(Refusal::new(RefusalKind::NotAnEvent, error.to_string()).into()),
            };
            let outcome = match handshake {
                Some(outcome) => outcome,
                None if handler.wants(event.topic()) => {
                    let (outcome, response) = await_flight(&receiver, &span, &topic, handler, parsed, started).await;
                    drop(permit); // the request is in flight until here
                    return respond::respond(outcome, response);
                }
                None => Outcome::Unhandled,
            };
            let told = Told {
                status: Some(respond::status(&outcome, None)),
                ..receiver.told_of(started, &parsed.claim_request.key, event.topic())
            };
            receiver.report(&span, &topic, &outcome, told);
            outcome
        }
        Err(Refused {
            rejection,
            parts,
            read,
            is_over,
        }) => {
            let outcome = Outcome::from(rejection);
            let told = Told {
                status: Some(respond::status(&outcome, None)),
                refused: Some((&parts, read)),
                ..receiver.told(started)
            };
            receiver.report(&span, &Topic::NONE, &outcome, told);
            if !is_over {
                discard::discard(body, &parts, &receiver.admission, receiver.settings.body_limit);
            }
            outcome
        }
    };
    let response = respond::respond(outcome, None);
    if is_head { respond::head_of(response) } else { response }
}

/// Steps 1 to 3: whatever fails here has touched no store and runs nothing.
async fn arrive<P, S, B>(
    receiver: &Receiver<P, S>,
    span: &Span,
    parts: Box<Parts>,
    body: Pin<&mut B>,
    started: Instant,
) -> Result<(Parsed<P::Event>, admission::Permit), Refused>
where
    P: Provider,
    B: Body<Error: Into<Box<dyn StdError + Send + Sync>>>,
{
    let settings = &receiver.settings;
    if receiver.flights.is_draining() {
        return Err(Refused {
            rejection: draining(),
            parts,
            read: 0,
            is_over: false,
        });
    }
    let limits = Limits {
        bytes: settings.body_limit,
        until: deadline_after(started, settings.body_timeout.min(settings.response_timeout)),
    };
    let mut suspect = receiver.suspect(&parts.headers);
    let (received, mut permit) =
        read_body::read_body(parts, body, receiver.provider.verifier(), &receiver.admission, limits)
            .await
            .inspect_err(|refused| suspect.explain(receiver, span, &refused.rejection))?;
    suspect.take_body(&received.body);
    let now = receiver.clock.now();
    let authentic = received
        .verify(now)
        .inspect_err(|refused| suspect.explain(receiver, span, &refused.rejection))?;
    permit.authenticated();
    receiver.meter.verified(authentic.verified.secret_index());
    let parsed = authentic.parse(receiver, now)?;
    span.identify(parsed.event.topic(), parsed.claim_request.key.id().as_str());
    Ok((parsed, permit))
}

/// Steps 4 to 6 run in a task of their own, since a provider that hangs up must cancel nothing half-way; this waits for their answer.
async fn await_flight<P, S, H>(
    receiver: &Arc<Receiver<P, S>>,
    span: &Span,
    topic: &Topic,
    handler: H,
    parsed: Parsed<P::Event>,
    started: Instant,
) -> (Outcome, Option<Response<ResponseBody>>)
where
    P: Provider,
    S: IdempotencyStore,
    H: Handle<P::Event>,
{
    let deadline = deadline_after(started, receiver.settings.response_timeout);
    let late = || {
        Refusal::new(
            RefusalKind::StillRunning,
            "the answer was due before the handler had finished",
        )
    };
    let refused = match receiver.flights.enter(
        &parsed.claim_request,
        parsed.event.topic(),
        receiver.settings.max_waiting,
    ) {
        Entry::Leader(lead) => {
            let call = lead.call();
            // Boxed: on its way into a task a future is moved about ten times, and this one has three kilobytes.
            let task = Box::pin(fly(
                Arc::clone(receiver),
                span.clone(),
                topic.clone(),
                handler,
                parsed,
                lead,
                started,
            ));
            tokio::spawn(span.follow(task));
            // The task tells the log how it ended; here only whether the provider hears of it.
            return call.answer(deadline).await.unwrap_or_else(|| {
                let late = Outcome::from(late().retry_after(LATER));
                let status = respond::status(&late, None);
                call.answered(status);
                receiver.meter.late_response();
                let (level, reason, _) = late.explained();
                let told = Told {
                    outcome: late.name(),
                    reason,
                    status: Some(status),
                    ..receiver.told_of(started, call.key(), call.topic())
                };
                span.say(level, told, format_args!("answered {status}: {reason}"));
                (late, None)
            });
        }
        Entry::Wait(waiter) => match waiter.answer(deadline).await {
            Some(outcome) => {
                let told = Told {
                    status: Some(respond::status(&outcome, None)),
                    ..receiver.told_of(started, &parsed.claim_request.key, parsed.event.topic())
                };
                match outcome {
                    // One `handled` for one run: whoever counts those lines counts events.
                    Outcome::Handled => {
                        let told = Told {
                            outcome: "duplicate",
                            reason: "handled by the delivery it waited for",
                            ..told
                        };
                        span.end(Level::Info, told);
                        receiver.meter.delivery(topic, "duplicate", "waited");
                    }
                    _ => receiver.report(span, topic, &outcome, told),
                }
                return (outcome, None);
            }
            None => late().retry_after(LATER),
        },
        Entry::Full => Refusal::new(RefusalKind::Waiting, "too many deliveries wait for this event").retry_after(LATER),
        Entry::Draining => draining(),
    };
    let outcome = Outcome::from(refused);
    let told = Told {
        status: Some(respond::status(&outcome, None)),
        ..receiver.told_of(started, &parsed.claim_request.key, parsed.event.topic())
    };
    receiver.report(span, topic, &outcome, told);
    (outcome, None)
}

/// How long a provider is asked to wait when its event is being handled here.
const LATER: Duration = Duration::from_secs(5);

/// The spawned task: claim, handle, settle.
async fn fly<P, S, H>(
    receiver: Arc<Receiver<P, S>>,
    span: Span,
    topic: Topic,
    handler: H,
    parsed: Parsed<P::Event>,
    lead: Leader,
    started: Instant,
) where
    P: Provider,
    S: IdempotencyStore,
    H: Handle<P::Event>,
{
    let meter = &receiver.meter;
    match parsed.claim(&receiver, H::FORWARDS).await {
        Ok(claimed) => {
            let attempt = claimed.delivery.claim().attempts();
            span.attempt(attempt);
            let (timer, running) = (Timer::start(), meter.running());
            let handled = claimed.handle(&receiver, handler).await.confirmed(&receiver).await;
            drop(running);
            meter.handler(&topic, handled.outcome.name(), timer);
            let told = Told {
                attempt: Some(attempt),
                status: lead.status(respond::status(&handled.outcome, handled.response.as_ref())),
                ..receiver.told_of(started, lead.key(), lead.topic())
            };
            receiver.report(&span, &topic, &handled.outcome, told);
            handled.settle(&receiver, lead).await;
        }
        Err(refused) => {
            let told = Told {
                status: lead.status(respond::status(&refused.outcome, None)),
                ..receiver.told_of(started, lead.key(), lead.topic())
            };
            receiver.report(&span, &topic, &refused.outcome, told);
            match refused.unsure {
                Some(claim_request) => {
                    Box::pin(settle::release_unsure(&receiver, &claim_request, lead, refused.outcome)).await
                }
                None => lead.end(refused.outcome),
            }
        }
    }
}

fn draining() -> Refusal {
    Refusal::new(RefusalKind::Draining, "the layer is draining").retry_after(LATER)
}

/// Durations come from settings; what no clock can say is a day away.
fn deadline_after(time: Instant, by: Duration) -> Instant {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    time.checked_add(by)
        .unwrap_or_else(|| time.checked_add(DAY).unwrap_or(time))
}
