//! Events that are handed in without a request: what was never delivered.

mod keys_and_facts;
mod look_ups;
mod recorded_requests;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::time::sleep;
use tower::{Service, ServiceExt as _};
use tower_webhook::{
    Delivery, HandlerError, MemoryStore, Provider, RefusalKind, TopicRouter, WebhookLayer,
    dwolla::Dwolla,
    event::{EventId, Fingerprint, SelfIdentified, Source},
    github::{self, GitHub},
    layer::{Processor, WebhookLayerBuilder},
    linear::{self, Linear},
    process::{DrainHandle, Outcome, RemainingState},
    store::{Completion, IdempotencyStore as _},
    stripe::{self, Stripe},
    testing::{Fault, FaultyStore, Operation},
};

use crate::{
    endpoint::{Answer, BoxService, Event, SECRET, event, event_of, key, secrets, signed},
    fixtures::{Held, LONG, SECOND, SHORT, assert_state, succeed},
};

/// Both doors of one layer, in front of one handler of `customer_created`.
struct Doors {
    service: BoxService,
    processor: Processor<Event>,
    drain: DrainHandle,
    store: FaultyStore<MemoryStore>,
}

type Builder = WebhookLayerBuilder<Dwolla, FaultyStore<MemoryStore>>;

impl Doors {
    fn new<F, Fut>(handler: F) -> Self
    where
        F: Fn(Delivery<Event>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), HandlerError>> + Send,
    {
        Self::with(handler, |builder| builder)
    }

    fn with<F, Fut>(handler: F, settings: impl FnOnce(Builder) -> Builder) -> Self
    where
        F: Fn(Delivery<Event>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), HandlerError>> + Send,
    {
        let store = FaultyStore::new(MemoryStore::builder().capacity(1000).build());
        let builder = WebhookLayer::builder(Dwolla::new(SECRET).unwrap(), store.clone());
        let layer = settings(builder).build().unwrap();
        let topics = TopicRouter::new().on("customer_created", handler);
        Self {
            service: BoxService::new(layer.topics(topics.clone())),
            processor: layer.processor(topics),
            drain: layer.drain_handle(),
            store,
        }
    }

    async fn deliver(&self, id: &str) -> Answer {
        let response = self.service.clone().oneshot(signed(event(id))).await;
        Answer::of(response.unwrap()).await
    }

    async fn state(&self, id: &str, expected: &str) {
        assert_state(self.store.get(&key(id)).await.unwrap(), expected);
    }
}

fn fetched(body: &str) -> Event {
    Event::from_json(body.as_bytes()).unwrap()
}

#[track_caller]
fn assert_refused(outcome: &Outcome, kind: RefusalKind) {
    assert_eq!(outcome.refusal().map(|refusal| refusal.kind()), Some(kind), "{outcome}");
}

#[tokio::test(start_paused = true)]
async fn an_event_runs_once_whether_it_is_fetched_or_delivered_first() {
    let runs = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&runs);
    let doors = Doors::new(move |delivery: Delivery<Event>| {
        noted.lock().unwrap().push(delivery.source());
        async { Ok(()) }
    });
    assert_eq!(doors.processor.process(fetched(&event("1"))).await, Outcome::Handled);
    doors.deliver("1").await.assert_acknowledged();
    doors.deliver("2").await.assert_acknowledged();
    let again = doors.processor.process(fetched(&event("2"))).await;
    assert_eq!(again, Outcome::Duplicate(Completion::Handled));
    assert_eq!(*runs.lock().unwrap(), [Source::Fetched, Source::Delivered]);
    doors.state("1", "handled").await;
}

#[tokio::test(start_paused = true)]
async fn a_fetched_copy_and_a_delivery_at_once_run_once_and_both_learn_the_outcome() {
    for delivered_first in [true, false] {
        let held = Held::new();
        let doors = Doors::new(held.handler());
        let deliver = async {
            if !delivered_first {
                held.started(1).await;
            }
            doors.deliver("1").await.assert_acknowledged();
        };
        let process = async {
            if delivered_first {
                held.started(1).await;
            }
            doors.processor.process(fetched(&event("1"))).await
        };
        let end = async {
            sleep(SECOND).await; // both have come, since time stands still until all wait
            held.end(1);
        };
        let ((), outcome, ()) = tokio::join!(deliver, process, end);
        let expected = match delivered_first {
            true => Outcome::Duplicate(Completion::Handled),
            false => Outcome::Handled,
        };
        assert_eq!(outcome, expected);
        assert_eq!(doors.store.calls(Operation::Claim), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_fetched_event_is_waited_for_longer_than_a_response_may_take() {
    let doors = Doors::new(async |_| {
        sleep(LONG).await;
        Ok(())
    });
    assert_eq!(doors.processor.process(fetched(&event("1"))).await, Outcome::Handled);
}

#[tokio::test(start_paused = true)]
async fn a_failure_releases_the_event_and_it_can_be_handed_in_again() {
    let attempts = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&attempts);
    let doors = Doors::new(move |delivery: Delivery<Event>| {
        let attempt = delivery.claim().attempt();
        noted.lock().unwrap().push(attempt);
        async move {
            match attempt {
                1 => Err("the ledger is down".into()),
                _ => Ok(()),
            }
        }
    });
    let outcome = doors.processor.process(fetched(&event("1"))).await;
    assert_eq!(outcome.to_string(), "handler-failed: the ledger is down");
    assert_refused(&outcome, RefusalKind::HandlerFailed);
    doors.state("1", "free, 1").await;
    assert_eq!(doors.processor.process(fetched(&event("1"))).await, Outcome::Handled);
    assert_eq!(*attempts.lock().unwrap(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_an_outcome_and_a_permanent_error_finishes_the_event() {
    let doors = Doors::new(async |delivery: Delivery<Event>| match delivery.event().id().as_str() {
        "1" => panic!("out of range"),
        _ => Err(HandlerError::permanent("no such account")),
    });
    let outcome = doors.processor.process(fetched(&event("1"))).await;
    assert_refused(&outcome, RefusalKind::HandlerPanicked);
    doors.state("1", "free, 1").await;
    let outcome = doors.processor.process(fetched(&event("2"))).await;
    assert_eq!(outcome, Outcome::Rejected("no such account".to_owned()));
    let again = doors.processor.process(fetched(&event("2"))).await;
    assert_eq!(again, Outcome::Duplicate(Completion::Rejected));
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_no_handler_wants_is_unhandled_and_nothing_is_recorded() {
    let doors = Doors::new(succeed);
    let suspended = fetched(&event_of("1", "customer_suspended"));
    assert_eq!(doors.processor.process(suspended).await, Outcome::Unhandled);
    assert_eq!(doors.store.calls(Operation::Claim), 0);
}

#[tokio::test(start_paused = true)]
async fn other_facts_under_the_id_of_a_finished_event_are_no_second_run() {
    let doors = Doors::new(succeed);
    doors.deliver("1").await.assert_acknowledged();
    let other = event("1").replace("2019-02-04", "2020-02-04");
    let outcome = doors.processor.process(fetched(&other)).await;
    // Dwolla documents its ids as unique.
    assert_eq!(outcome, Outcome::OtherFacts);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_refuses_and_runs_nothing() {
    let doors = Doors::new(succeed);
    doors.store.fail(Operation::Claim, Fault::BeforeApplying, 1);
    let outcome = doors.processor.process(fetched(&event("1"))).await;
    assert_refused(&outcome, RefusalKind::Store);
    assert_eq!(doors.processor.process(fetched(&event("1"))).await, Outcome::Handled);
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_what_was_handed_in_and_takes_nothing_more() {
    let held = Held::new();
    let doors = Doors::new(held.handler());
    let processor = doors.processor.clone();
    let running = tokio::spawn(async move { processor.process(fetched(&event("1"))).await });
    held.started(1).await;
    let meanwhile = async {
        let refused = doors.processor.process(fetched(&event("2"))).await;
        assert_refused(&refused, RefusalKind::Draining);
        held.end(1);
    };
    let (report, ()) = tokio::join!(doors.drain.drain(LONG), meanwhile);
    assert!(report.remaining().is_empty(), "{report}");
    assert_eq!(running.await.unwrap(), Outcome::Handled);
    doors.state("2", "absent").await;
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_runs_out_of_time_cancels_and_releases_what_was_handed_in() {
    let held = Held::new();
    let doors = Doors::new(held.handler());
    let processor = doors.processor.clone();
    let running = tokio::spawn(async move { processor.process(fetched(&event("1"))).await });
    held.started(1).await;
    let report = doors.drain.drain(SHORT).await;
    let states: Vec<_> = report.remaining().iter().map(|remaining| remaining.state()).collect();
    assert_eq!(states, [RemainingState::Cancelled]);
    assert_refused(&running.await.unwrap(), RefusalKind::Draining);
    doors.state("1", "free, 1").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_handed_in_counts_as_in_flight() {
    let held = Held::new();
    let doors = Doors::with(held.handler(), |builder| builder.max_in_flight(1));
    let processor = doors.processor.clone();
    let running = tokio::spawn(async move { processor.process(fetched(&event("1"))).await });
    held.started(1).await;
    let refused = doors.processor.process(fetched(&event("2"))).await;
    assert_refused(&refused, RefusalKind::Overloaded);
    doors.deliver("2").await.assert_refused(503, RefusalKind::Overloaded);
    held.end(2);
    assert_eq!(running.await.unwrap(), Outcome::Handled);
    doors.deliver("2").await.assert_acknowledged();
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_cancels_nothing() {
    let held = Held::new();
    let doors = Doors::new(held.handler());
    let processor = doors.processor.clone();
    let caller = tokio::spawn(async move { processor.process(fetched(&event("1"))).await });
    held.started(1).await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    held.end(1);
    assert!(doors.drain.drain(LONG).await.remaining().is_empty());
    doors.state("1", "handled").await;
}

/// The parts of a delivery that a handler sees: source, body, number of headers, secret.
type Seen = (Source, Bytes, usize, Option<usize>);

type AllSeen = Arc<Mutex<Vec<Seen>>>;
type Ready = std::future::Ready<Result<(), HandlerError>>;

fn seeing() -> (AllSeen, impl Fn(Delivery<Event>) -> Ready + Clone + Send + Sync) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let handler = move |delivery: Delivery<Event>| {
        noted.lock().unwrap().push((
            delivery.source(),
            delivery.body().clone(),
            delivery.headers().len(),
            delivery.secret_index(),
        ));
        std::future::ready(Ok(()))
    };
    (seen, handler)
}

#[tokio::test(start_paused = true)]
async fn a_delivery_says_what_it_came_with() {
    let (seen, handler) = seeing();
    let doors = Doors::new(handler);
    let _ = doors.processor.process(fetched(&event("1"))).await;
    let _ = doors.processor.process_raw(fetched(&event("2")), event("2")).await;
    let headers = crate::endpoint::signature(event("3").as_bytes());
    let _ = doors.processor.process_request(headers, event("3")).await;
    doors.deliver("4").await.assert_acknowledged();
    let expected = [
        (Source::Fetched, Bytes::new(), 0, None),
        (Source::Fetched, event("2").into(), 0, None),
        (Source::Fetched, event("3").into(), 1, Some(0)),
        (Source::Delivered, event("4").into(), 1, Some(0)),
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn an_event_of_any_age_can_be_handed_in() {
    let age = Duration::from_secs(40 * 24 * 3600);
    let doors = Doors::with(succeed, |builder| builder.max_event_age(age));
    doors.deliver("1").await.assert_refused(400, RefusalKind::TooOld);
    assert_eq!(doors.processor.process(fetched(&event("1"))).await, Outcome::Handled);
    let headers = crate::endpoint::signature(event("2").as_bytes());
    assert_eq!(
        doors.processor.process_request(headers, event("2")).await,
        Outcome::Handled
    );
}
