//! What must always hold and needs no paused clock: written once, run for every transport. `promises.rs` calls the service itself,
//! `sockets.rs` goes through servers.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::Full;
use tokio::sync::Semaphore;
use tower_webhook::{
    Delivery, HandlerError, RefusalKind, ResultExt,
    event::Fingerprint,
    layer::RemainingState,
    store::{ClaimRequest, Completion, Effect, IdempotencyStore, State, Token},
    testing::{Fault, Operation},
};

use crate::{
    body::{Script, Step, one_by_one},
    endpoint::{Answer, Endpoint, Event, event, event_of, key, signature, signed, with_body},
    wire::Via,
};

/// A test of each case over this transport, with this attribute.
macro_rules! for_every_case {
    (#[$attribute:meta] $via:expr) => {
        crate::cases::for_every_case! { @ #[$attribute] $via;
            every_signature_failure_gets_the_same_401_and_touches_neither_parser_nor_store
            a_request_that_is_not_posted_is_405_and_names_post
            an_encoded_body_is_415
            a_body_over_the_limit_is_413_and_one_of_exactly_the_limit_is_read
            requests_over_capacity_are_503_before_they_are_read
            doubled_headers_are_refused_whichever_of_them_is_right_unless_they_are_equal
            the_older_header_counts_only_where_the_newer_is_absent
            a_body_in_single_bytes_is_the_same_body
            a_trickled_body_is_cut
            a_provider_that_hangs_up_while_the_body_is_read_leaves_nothing_behind
            an_authentic_body_that_is_no_event_is_400_and_is_not_marked_as_seen
            authentic_json_that_is_no_event_is_400_and_leaves_the_store_alone
            an_id_of_the_longest_length_and_of_any_language_is_taken
            a_topic_without_a_handler_is_acknowledged_and_not_recorded
            a_handled_event_is_done_and_200
            a_duplicate_of_a_finished_event_is_200_empty_and_does_not_run
            a_body_that_was_formatted_anew_is_the_same_event
            the_same_id_with_another_fingerprint_is_500_and_changes_nothing
            other_facts_are_503_while_another_process_runs_the_id_and_run_once_it_is_free
            other_facts_run_after_a_run_that_failed
            other_facts_run_after_a_lease_that_is_over
            another_event_under_the_id_of_a_running_one_does_not_wait_for_its_answer
            an_event_that_another_process_runs_is_503_until_it_is_released
            a_handler_that_fails_is_500_and_its_event_runs_again
            a_handler_that_asks_for_time_is_503_with_retry_after
            a_handler_that_panics_is_500_and_its_event_runs_again
            a_handler_that_rejects_for_good_is_200_and_never_runs_again
            a_provider_that_hangs_up_mid_handler_changes_nothing_and_its_retry_gets_200
            an_inner_2xx_is_done_and_forwarded
            an_inner_4xx_or_5xx_is_forwarded_and_its_event_runs_again
            an_inner_3xx_or_1xx_is_500_and_its_event_runs_again
            an_inner_error_is_500_and_its_event_runs_again
            the_inner_service_gets_the_request_with_its_body_and_the_delivery
            a_store_that_fails_at_claim_is_503_and_its_claim_is_released
            a_complete_that_fails_is_200_and_a_drain_waits_until_it_is_recorded
            a_draining_layer_is_503_and_waits_for_its_handlers
            a_drain_that_runs_out_of_time_cancels_releases_and_lists_what_remained
        }
    };
    (@ #[$attribute:meta] $via:expr; $($case:ident)*) => {
        $(
            #[$attribute]
            async fn $case() {
                // A call that never ends is a failure too.
                let limit = std::time::Duration::from_secs(120);
                tokio::time::timeout(limit, crate::cases::$case($via)).await.unwrap();
            }
        )*
    };
}
pub(crate) use for_every_case;

/// What is to run out.
const SHORT: Duration = Duration::from_millis(50);
/// What is not.
const LONG: Duration = Duration::from_secs(60);

const NAME: &str = "x-request-signature-sha-256";
const OLD_NAME: &str = "x-request-signature";

pub(crate) async fn succeed(_: Delivery<Event>) -> Result<(), HandlerError> {
    Ok(())
}

/// A handler that says when it has started, and ends when it is told to.
struct Held {
    started: Arc<Semaphore>,
    may_end: Arc<Semaphore>,
}

type Work = Pin<Box<dyn Future<Output = Result<(), HandlerError>> + Send>>;

impl Held {
    fn new() -> Self {
        Self {
            started: Arc::new(Semaphore::new(0)),
            may_end: Arc::new(Semaphore::new(0)),
        }
    }

    fn handler(&self) -> impl Fn(Delivery<Event>) -> Work + Clone + Send + Sync + 'static {
        let (started, may_end) = (Arc::clone(&self.started), Arc::clone(&self.may_end));
        move |_| {
            started.add_permits(1);
            let may_end = Arc::clone(&may_end);
            Box::pin(async move {
                may_end.acquire().await.unwrap().forget();
                Ok(())
            })
        }
    }

    /// Waits for the start of so many more runs.
    async fn started(&self, runs: u32) {
        self.started.acquire_many(runs).await.unwrap().forget();
    }

    /// Lets so many runs end.
    fn end(&self, runs: usize) {
        self.may_end.add_permits(runs);
    }
}

#[track_caller]
pub(crate) fn assert_state(record: Option<tower_webhook::store::Record>, expected: &str) {
    let state = match record.map(|record| record.state) {
        None => "absent".to_owned(),
        Some(State::Claimed { attempts, .. }) => format!("claimed, {attempts}"),
        Some(State::Free { attempts, .. }) => format!("free, {attempts}"),
        Some(State::Done {
            completion: Completion::Handled,
            ..
        }) => "handled".to_owned(),
        Some(State::Done {
            completion: Completion::Rejected,
            ..
        }) => "rejected".to_owned(),
    };
    assert_eq!(state, expected);
}

pub(crate) fn claim_request_of_another_process(id: &str) -> ClaimRequest {
    // What the layer makes of `event(id)`: the fingerprint is Dwolla's.
    let event = tower_webhook::event::from_json::<Event>(event(id).as_bytes()).unwrap();
    ClaimRequest {
        key: key(id),
        token: Token::random(),
        fingerprint: tower_webhook::event::Event::fingerprint(&event).unwrap(),
        lease: Duration::from_secs(60),
        retention: Duration::from_secs(35 * 24 * 3600),
        retry_window: Duration::from_secs(72 * 3600),
    }
}

// ---- before the signature is verified ------------------------------------------------------------------------------------------

pub(crate) async fn every_signature_failure_gets_the_same_401_and_touches_neither_parser_nor_store(via: Via) {
    let endpoint = Endpoint::new(succeed).over(via).await;
    let body = event("1");
    let request = |change: fn(&mut HeaderMap)| {
        let mut headers = signature(body.as_bytes());
        change(&mut headers);
        with_body(headers, Full::from(body.clone()))
    };
    type Change = fn(&mut HeaderMap);
    let failures: [(&str, Change); 5] = [
        ("missing", |headers| headers.clear()),
        ("malformed", |headers| {
            drop(headers.insert(NAME, HeaderValue::from_static("abc")))
        }),
        ("doubled", |headers| {
            assert!(headers.append(NAME, HeaderValue::from_static("another")))
        }),
        ("wrong", |headers| {
            drop(headers.insert(NAME, HeaderValue::from_str(&"0".repeat(64)).unwrap()))
        }),
        ("empty", |headers| {
            drop(headers.insert(NAME, HeaderValue::from_static("")))
        }),
    ];
    let mut answers = Vec::new();
    for (name, change) in failures {
        let mut answer = endpoint.send(request(change)).await;
        answer.headers.remove("date"); // the server's
        answer.assert_refused(401, RefusalKind::Signature);
        answers.push((name, answer.headers, answer.body));
    }
    for (name, headers, body) in &answers {
        assert_eq!((headers, body), (&answers[0].1, &answers[0].2), "{name}");
    }
    endpoint.assert_untouched();
}

pub(crate) async fn a_request_that_is_not_posted_is_405_and_names_post(via: Via) {
    let endpoint = Endpoint::new(succeed).over(via).await;
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let mut request = signed(event("1"));
        *request.method_mut() = method.clone();
        let answer = endpoint.send(request).await;
        if method == Method::HEAD {
            assert_eq!((answer.status.as_u16(), answer.body.as_str()), (405, ""));
        } else {
            answer.assert_refused(405, RefusalKind::Method);
        }
        assert_eq!(answer.headers["allow"], "POST");
    }
    endpoint.assert_untouched();
}

pub(crate) async fn an_encoded_body_is_415(via: Via) {
    let endpoint = Endpoint::new(succeed).over(via).await;
    for encoding in ["gzip", "identity, gzip", "br"] {
        let mut request = signed(event("1"));
        request
            .headers_mut()
            .insert("content-encoding", HeaderValue::from_static(encoding));
        endpoint.send(request).await.assert_refused(415, RefusalKind::Encoding);
    }
    endpoint.assert_untouched();
    for none in ["Identity", "", "identity, "] {
        let mut plain = signed(event("1"));
        plain
            .headers_mut()
            .insert("content-encoding", HeaderValue::from_static(none));
        endpoint.send(plain).await.assert_acknowledged();
    }
}

pub(crate) async fn a_body_over_the_limit_is_413_and_one_of_exactly_the_limit_is_read(via: Via) {
    let body = event("1");
    let exact = body.len();
    let endpoint = Endpoint::with(succeed, |builder| builder.body_limit(exact))
        .over(via)
        .await;
    // By what is announced, be it by the length of the body or by a header alone; and in chunks, by what arrives.
    let announced = signed(format!("{body} "));
    let length = HeaderValue::from_str(&(exact + 1).to_string()).unwrap();
    let mut by_header_alone = with_body(signature(body.as_bytes()), Script::new([Step::Stall]));
    by_header_alone.headers_mut().insert("content-length", length);
    let too_many = Step::Data(format!("{body} ").into());
    let in_chunks = with_body(signature(body.as_bytes()), Script::new([too_many, Step::Stall]));
    for request in [announced, by_header_alone, in_chunks] {
        endpoint.send(request).await.assert_refused(413, RefusalKind::TooLarge);
    }
    endpoint.assert_untouched();
    endpoint.send(signed(&body)).await.assert_acknowledged();
}

pub(crate) async fn requests_over_capacity_are_503_before_they_are_read(via: Via) {
    let held = Held::new();
    let endpoint = Endpoint::with(held.handler(), |builder| builder.max_in_flight(2))
        .over(via)
        .await;
    let (one, two) = (endpoint.spawn("1"), endpoint.spawn("2"));
    held.started(2).await;
    let calls = endpoint.store_calls();
    let unread = with_body(signature(b"{}"), Script::new([Step::Stall]));
    endpoint.send(unread).await.assert_refused(503, RefusalKind::Overloaded);
    assert_eq!(endpoint.store_calls(), calls);
    held.end(3);
    one.await.unwrap().assert_acknowledged();
    two.await.unwrap().assert_acknowledged();
    endpoint.deliver("3").await.assert_acknowledged();
}

pub(crate) async fn doubled_headers_are_refused_whichever_of_them_is_right_unless_they_are_equal(via: Via) {
    let body = event("1");
    let right = signature(body.as_bytes())[NAME].clone();
    let wrong = HeaderValue::from_str(&"0".repeat(64)).unwrap();
    let with = |first: &HeaderValue, second: &HeaderValue| {
        let mut headers = HeaderMap::new();
        headers.append(NAME, first.clone());
        headers.append(NAME, second.clone());
        with_body(headers, Full::from(body.clone()))
    };
    for (first, second) in [(&right, &wrong), (&wrong, &right), (&wrong, &wrong)] {
        let endpoint = Endpoint::new(succeed).over(via).await;
        endpoint
            .send(with(first, second))
            .await
            .assert_refused(401, RefusalKind::Signature);
        endpoint.assert_untouched();
    }
    // As a gateway doubles headers.
    let endpoint = Endpoint::new(succeed).over(via).await;
    endpoint.send(with(&right, &right)).await.assert_acknowledged();
}

pub(crate) async fn the_older_header_counts_only_where_the_newer_is_absent(via: Via) {
    let body = event("1");
    let right = signature(body.as_bytes())[NAME].clone();
    let wrong = HeaderValue::from_str(&"0".repeat(64)).unwrap();
    for (newer, older, status) in [
        (None, Some(&right), 200),
        (None, Some(&wrong), 401),
        (Some(&right), Some(&wrong), 200),
        (Some(&wrong), Some(&right), 401),
        (Some(&HeaderValue::from_static("")), Some(&right), 401),
    ] {
        let mut headers = HeaderMap::new();
        newer.map(|value| headers.insert(NAME, value.clone()));
        older.map(|value| headers.insert(OLD_NAME, value.clone()));
        let answer = Endpoint::new(succeed)
            .over(via)
            .await
            .send(with_body(headers, Full::from(body.clone())))
            .await;
        assert_eq!(answer.status.as_u16(), status);
    }
}

pub(crate) async fn a_body_in_single_bytes_is_the_same_body(via: Via) {
    let body = event("1");
    let endpoint = Endpoint::new(succeed).over(via).await;
    let script = one_by_one(&body).chain([Step::Trailers]);
    endpoint
        .send(with_body(signature(body.as_bytes()), Script::new(script)))
        .await
        .assert_acknowledged();
    assert_eq!(endpoint.runs(), 1);
}

pub(crate) async fn a_trickled_body_is_cut(via: Via) {
    let body = event("1");
    let endpoint = Endpoint::with(succeed, |builder| builder.body_timeout(SHORT))
        .over(via)
        .await;
    // It would take a hundred times as long.
    let trickle = one_by_one(&body).flat_map(|byte| [Step::Pause(SHORT), byte]);
    endpoint
        .send(with_body(signature(body.as_bytes()), Script::new(trickle)))
        .await
        .assert_refused(408, RefusalKind::TooSlow);
    endpoint.assert_untouched();
}

pub(crate) async fn a_provider_that_hangs_up_while_the_body_is_read_leaves_nothing_behind(via: Via) {
    let endpoint = Endpoint::with(succeed, |builder| builder.max_in_flight(1))
        .over(via)
        .await;
    for (run, provider) in (1..).zip([endpoint.clone(), endpoint.by_another_connection().await]) {
        let id = run.to_string();
        let body = event(&id);
        let half = Step::Data(Bytes::from(body.as_bytes()[..body.len() / 2].to_vec()));
        let request = with_body(signature(body.as_bytes()), Script::new([half, Step::Stall]));
        let call = tokio::spawn(async move { provider.send(request).await });
        endpoint.begun(3 * run - 2).await;
        let crowded = endpoint.deliver(&id).await;
        crowded.assert_refused(503, RefusalKind::Overloaded);
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        endpoint.ended(3 * run - 1).await;
        assert_state(endpoint.record(&id).await, "absent");
        endpoint.deliver(&id).await.assert_acknowledged();
        assert_eq!(endpoint.runs(), run);
    }
}

// ---- authentic -----------------------------------------------------------------------------------------------------------------

pub(crate) async fn an_authentic_body_that_is_no_event_is_400_and_is_not_marked_as_seen(via: Via) {
    let endpoint = Endpoint::new(succeed).over(via).await;
    for body in [
        "not json",
        "[]",
        "{}",
        r#"{"id":7,"topic":"customer_created","created":"x"}"#,
    ] {
        let answer = endpoint.send(signed(body)).await;
        answer.assert_refused(400, RefusalKind::NotAnEvent);
    }
    assert_eq!((endpoint.parsed(), endpoint.store_calls(), endpoint.runs()), (4, 0, 0));
}

pub(crate) async fn authentic_json_that_is_no_event_is_400_and_leaves_the_store_alone(via: Via) {
    let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let with_id =
        |id: &str| format!(r#"{{"id":{id},"topic":"customer_created","created":"2019-02-04T14:58:45.144Z"}}"#);
    let good = with_id(r#""1""#);
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("empty", Vec::new()),
        ("white space", b" \n".to_vec()),
        ("null", b"null".to_vec()),
        (
            "an array of the fields",
            br#"["1","customer_created","2019-02-04T14:58:45.144Z"]"#.to_vec(),
        ),
        ("doubled id", good.replacen('{', r#"{"id":"2","#, 1).into()),
        ("escaped twin of id", good.replacen('{', r#"{"\u0069d":"2","#, 1).into()),
        ("doubled topic", good.replacen('{', r#"{"topic":"x","#, 1).into()),
        (
            "depth in an unknown field",
            good.replacen('{', &format!(r#"{{"x":{},"#, deep(100_000)), 1).into(),
        ),
        (
            "depth in a known field",
            good.replacen('{', &format!(r#"{{"_links":{},"#, deep(100_000)), 1)
                .into(),
        ),
        ("depth alone", deep(100_000).into()),
        ("open depth", "{\"a\":".repeat(30_000).into()),
        ("invalid UTF-8", [good.as_bytes(), b"\xff"].concat()),
        (
            "invalid UTF-8 in a string",
            good.as_bytes()
                .iter()
                .map(|byte| if *byte == b'1' { 0xff } else { *byte })
                .collect(),
        ),
        ("two objects", format!("{good}{good}").into()),
        ("a number for an id", with_id("7").into()),
        ("null for an id", with_id("null").into()),
        ("an object for an id", with_id("{}").into()),
        ("an empty id", with_id(r#""""#).into()),
        ("300 bytes of id", with_id(&format!("{:?}", "x".repeat(300))).into()),
        ("an id with NUL", with_id(r#""a\u0000b""#).into()),
        ("an id with a newline", with_id(r#""a\nb""#).into()),
    ];
    for (name, body) in bodies {
        let endpoint = Endpoint::new(succeed).over(via).await;
        let answer = endpoint.send(signed(&body)).await;
        assert_eq!(answer.status.as_u16(), 400, "{name}");
        answer.assert_refused(400, RefusalKind::NotAnEvent);
        assert_eq!((endpoint.store_calls(), endpoint.runs()), (0, 0), "{name}");
    }
    let endpoint = Endpoint::new(succeed).over(via).await;
    endpoint.send(signed(&good)).await.assert_acknowledged();
}

pub(crate) async fn an_id_of_the_longest_length_and_of_any_language_is_taken(via: Via) {
    let endpoint = Endpoint::new(succeed).over(via).await;
    for id in ["x".repeat(255), "ключ'\"; DROP TABLE--%_".to_owned(), " a ".to_owned()] {
        endpoint.deliver(&id).await.assert_acknowledged();
        assert!(endpoint.record(&id).await.is_some());
    }
    assert_eq!(endpoint.runs(), 3);
}

pub(crate) async fn a_topic_without_a_handler_is_acknowledged_and_not_recorded(via: Via) {
    let endpoint = Endpoint::new(succeed).over(via).await;
    endpoint
        .send(signed(event_of("1", "customer_suspended")))
        .await
        .assert_acknowledged();
    endpoint
        .send(signed(event_of("2", "a_topic_of_tomorrow")))
        .await
        .assert_acknowledged();
    assert_eq!((endpoint.store_calls(), endpoint.runs()), (0, 0));
}

pub(crate) async fn a_handled_event_is_done_and_200(via: Via) {
    let endpoint = Endpoint::new(succeed).over(via).await;
    endpoint.deliver("1").await.assert_acknowledged();
    assert_state(endpoint.record("1").await, "handled");
    assert_eq!(endpoint.runs(), 1);
}

pub(crate) async fn a_duplicate_of_a_finished_event_is_200_empty_and_does_not_run(via: Via) {
    let endpoint = Endpoint::new(succeed).over(via).await;
    for _ in 0..3 {
        endpoint.deliver("1").await.assert_acknowledged();
    }
    assert_state(endpoint.record("1").await, "handled");
    assert_eq!(endpoint.runs(), 1);
}

pub(crate) async fn a_body_that_was_formatted_anew_is_the_same_event(via: Via) {
    let endpoint = Endpoint::new(succeed).over(via).await;
    endpoint.deliver("1").await.assert_acknowledged();
    let anew = event("1")
        .replace(',', ", ")
        .replace(':', ": ")
        .replace(": 58: 45", ":58:45");
    assert_ne!(anew, event("1"));
    endpoint.send(signed(anew)).await.assert_acknowledged();
    assert_eq!(endpoint.runs(), 1);
}

pub(crate) async fn the_same_id_with_another_fingerprint_is_500_and_changes_nothing(via: Via) {
    let endpoint = Endpoint::new(succeed).over(via).await;
    endpoint.deliver("1").await.assert_acknowledged();
    let before = endpoint.record("1").await;
    let other = event("1").replace("6c57f372", "00000000");
    endpoint
        .send(signed(other))
        .await
        .assert_refused(500, RefusalKind::Conflict);
    assert_eq!(endpoint.record("1").await, before);
    assert_eq!(endpoint.runs(), 1);
}

fn other_facts_in_another_process(id: &str) -> ClaimRequest {
    ClaimRequest {
        fingerprint: Fingerprint::of(["other"]),
        ..claim_request_of_another_process(id)
    }
}

pub(crate) async fn other_facts_are_503_while_another_process_runs_the_id_and_run_once_it_is_free(via: Via) {
    let endpoint = Endpoint::new(succeed).over(via).await;
    let other = other_facts_in_another_process("1");
    endpoint.store.claim(&other).await.unwrap();
    let before = endpoint.record("1").await;
    let answer = endpoint.deliver("1").await;
    answer.assert_refused(503, RefusalKind::InFlight);
    assert!(answer.retry_after().is_some_and(|seconds| (1..=60).contains(&seconds)));
    assert_eq!(endpoint.record("1").await, before);
    assert_eq!(endpoint.store.release(&other).await.unwrap(), Effect::Applied);
    endpoint.deliver("1").await.assert_acknowledged();
    assert_state(endpoint.record("1").await, "handled");
    assert_eq!(endpoint.runs(), 1);
}

pub(crate) async fn other_facts_run_after_a_run_that_failed(via: Via) {
    let endpoint = Endpoint::new(async |delivery: Delivery<Event>| match delivery.claim().attempts() {
        1 => Err(HandlerError::retry("on purpose")),
        _ => Ok(()),
    });
    let endpoint = endpoint.over(via).await;
    endpoint
        .deliver("1")
        .await
        .assert_refused(500, RefusalKind::HandlerFailed);
    assert_state(endpoint.record("1").await, "free, 1");
    let other = event("1").replace("6c57f372", "00000000");
    endpoint.send(signed(&other)).await.assert_acknowledged();
    assert_state(endpoint.record("1").await, "handled");
    // What is finished is the other event.
    endpoint.send(signed(&other)).await.assert_acknowledged();
    endpoint.deliver("1").await.assert_refused(500, RefusalKind::Conflict);
    assert_eq!(endpoint.runs(), 2);
}

pub(crate) async fn other_facts_run_after_a_lease_that_is_over(via: Via) {
    let endpoint = Endpoint::new(succeed).over(via).await;
    let other = ClaimRequest {
        lease: Duration::ZERO,
        ..other_facts_in_another_process("1")
    };
    endpoint.store.claim(&other).await.unwrap();
    endpoint.deliver("1").await.assert_acknowledged();
    let before = endpoint.record("1").await;
    assert_state(before.clone(), "handled");
    // That process is not dead but slow: what it has handled is its own event, and not this one.
    let late = endpoint.store.complete(&other, Completion::Handled).await.unwrap();
    assert_eq!((late, endpoint.record("1").await), (Effect::NotHeld, before));
    assert_eq!(endpoint.runs(), 1);
}

pub(crate) async fn another_event_under_the_id_of_a_running_one_does_not_wait_for_its_answer(via: Via) {
    let held = Held::new();
    let endpoint = Endpoint::new(held.handler()).over(via).await;
    let first = endpoint.spawn("1");
    held.started(1).await;
    let other = event("1").replace("6c57f372", "00000000");
    let answer = endpoint.send(signed(&other)).await;
    answer.assert_refused(503, RefusalKind::InFlight);
    assert!(answer.retry_after().is_some());
    held.end(1);
    first.await.unwrap().assert_acknowledged();
    endpoint
        .send(signed(&other))
        .await
        .assert_refused(500, RefusalKind::Conflict);
    assert_eq!(endpoint.runs(), 1);
}

pub(crate) async fn an_event_that_another_process_runs_is_503_until_it_is_released(via: Via) {
    let endpoint = Endpoint::new(succeed).over(via).await;
    let theirs = claim_request_of_another_process("1");
    endpoint.store.claim(&theirs).await.unwrap();
    let answer = endpoint.deliver("1").await;
    answer.assert_refused(503, RefusalKind::InFlight);
    assert!(answer.retry_after().is_some_and(|seconds| (1..=60).contains(&seconds)));
    assert_state(endpoint.record("1").await, "claimed, 1");
    assert_eq!(endpoint.store.release(&theirs).await.unwrap(), Effect::Applied);
    endpoint.deliver("1").await.assert_acknowledged();
    assert_eq!(endpoint.runs(), 1);
}

// ---- handlers ------------------------------------------------------------------------------------------------------------------

pub(crate) async fn a_handler_that_fails_is_500_and_its_event_runs_again(via: Via) {
    let failures = Arc::new(AtomicUsize::new(2));
    let endpoint = Endpoint::new(move |delivery: Delivery<Event>| {
        let failures = Arc::clone(&failures);
        async move {
            let left = failures.load(Ordering::SeqCst);
            assert_eq!(delivery.claim().attempts() as usize, 3 - left);
            if left > 0 {
                failures.store(left - 1, Ordering::SeqCst);
                return Err(HandlerError::retry("the ledger is down: account 12345"));
            }
            Ok(())
        }
    })
    .over(via)
    .await;
    for attempts in 1..=2 {
        let answer = endpoint.deliver("1").await;
        answer.assert_refused(500, RefusalKind::HandlerFailed);
        assert!(
            !answer.body.contains("ledger"),
            "a handler's error is not the provider's business: {}",
            answer.body
        );
        if via == Via::Service {
            assert_eq!(answer.rejection.unwrap().reason(), "the ledger is down: account 12345");
        }
        assert_state(endpoint.record("1").await, &format!("free, {attempts}"));
    }
    endpoint.deliver("1").await.assert_acknowledged();
    assert_eq!(endpoint.runs(), 3);
}

pub(crate) async fn a_handler_that_asks_for_time_is_503_with_retry_after(via: Via) {
    let endpoint = Endpoint::new(async |_| Err("not yet").retry_after(Duration::from_millis(29_001)))
        .over(via)
        .await;
    let answer = endpoint.deliver("1").await;
    answer.assert_refused(503, RefusalKind::HandlerFailed);
    assert_eq!(answer.retry_after(), Some(30), "rounded up");
    assert_state(endpoint.record("1").await, "free, 1");
}

pub(crate) async fn a_handler_that_panics_is_500_and_its_event_runs_again(via: Via) {
    let panics = Arc::new(AtomicBool::new(true));
    let endpoint = Endpoint::new(move |_| {
        let panics = Arc::clone(&panics);
        async move {
            tokio::task::yield_now().await;
            assert!(!panics.swap(false, Ordering::SeqCst), "on purpose");
            Ok(())
        }
    })
    .over(via)
    .await;
    endpoint
        .deliver("1")
        .await
        .assert_refused(500, RefusalKind::HandlerPanicked);
    assert_state(endpoint.record("1").await, "free, 1");
    endpoint.deliver("1").await.assert_acknowledged();
    assert_eq!(endpoint.runs(), 2);
}

pub(crate) async fn a_handler_that_rejects_for_good_is_200_and_never_runs_again(via: Via) {
    let endpoint = Endpoint::new(async |_| Err("no such customer").permanent())
        .over(via)
        .await;
    endpoint.deliver("1").await.assert_acknowledged();
    assert_state(endpoint.record("1").await, "rejected");
    endpoint.deliver("1").await.assert_acknowledged();
    assert_eq!(endpoint.runs(), 1);
}

pub(crate) async fn a_provider_that_hangs_up_mid_handler_changes_nothing_and_its_retry_gets_200(via: Via) {
    let held = Held::new();
    let endpoint = Endpoint::new(held.handler()).over(via).await;
    // Over HTTP/2 the one resets a stream of a connection in use, the other drops its connection.
    for (run, provider) in (1..).zip([endpoint.clone(), endpoint.by_another_connection().await]) {
        let id = run.to_string();
        let call = tokio::spawn({
            let id = id.clone();
            async move { provider.deliver(&id).await }
        });
        held.started(1).await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        endpoint.ended(2 * run - 1).await; // the server has noticed
        assert_state(endpoint.record(&id).await, "claimed, 1");
        held.end(1);
        endpoint.deliver(&id).await.assert_acknowledged();
        assert_state(endpoint.record(&id).await, "handled");
        assert_eq!(endpoint.runs(), run);
    }
}

// ---- HTTP behind the layer -----------------------------------------------------------------------------------------------------

const INNER: &str = "from the inner service";

async fn answer_with(status: u16, via: Via) -> (Endpoint, Answer) {
    let endpoint = Endpoint::http(move |_| async move {
        let body = match status {
            204 => "", // has none in HTTP
            _ => INNER,
        };
        Ok(Response::builder()
            .status(status)
            .header("x-inner", "yes")
            .body(Full::from(body))
            .unwrap())
    })
    .over(via)
    .await;
    let answer = endpoint.deliver("1").await;
    (endpoint, answer)
}

pub(crate) async fn an_inner_2xx_is_done_and_forwarded(via: Via) {
    for status in [200, 202, 204] {
        let (endpoint, answer) = answer_with(status, via).await;
        assert_eq!(
            (answer.status.as_u16(), answer.body.as_str()),
            (status, if status == 204 { "" } else { INNER })
        );
        assert_eq!(answer.headers["x-inner"], "yes");
        assert_state(endpoint.record("1").await, "handled");
        endpoint.deliver("1").await.assert_acknowledged();
        assert_eq!(endpoint.runs(), 1);
    }
}

pub(crate) async fn an_inner_4xx_or_5xx_is_forwarded_and_its_event_runs_again(via: Via) {
    for status in [400, 404, 409, 422, 500, 503] {
        let (endpoint, answer) = answer_with(status, via).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (status, INNER));
        assert_state(endpoint.record("1").await, "free, 1");
        endpoint.deliver("1").await;
        assert_eq!(endpoint.runs(), 2);
    }
}

pub(crate) async fn an_inner_3xx_or_1xx_is_500_and_its_event_runs_again(via: Via) {
    for status in [301, 302, 304, 307, 101] {
        let (endpoint, answer) = answer_with(status, via).await;
        answer.assert_refused(500, RefusalKind::InnerResponse);
        assert_state(endpoint.record("1").await, "free, 1");
    }
}

pub(crate) async fn an_inner_error_is_500_and_its_event_runs_again(via: Via) {
    let endpoint = Endpoint::http(async |_| Err(std::io::Error::other("on purpose")))
        .over(via)
        .await;
    endpoint
        .deliver("1")
        .await
        .assert_refused(500, RefusalKind::HandlerFailed);
    assert_state(endpoint.record("1").await, "free, 1");
}

pub(crate) async fn the_inner_service_gets_the_request_with_its_body_and_the_delivery(via: Via) {
    let endpoint = Endpoint::http(async |request: Request<Full<Bytes>>| {
        use http_body_util::BodyExt as _;
        let delivery = request.extensions().get::<Delivery<Event>>().unwrap().clone();
        assert_eq!(
            (request.uri().path(), request.method()),
            ("/webhooks/dwolla", &Method::POST)
        );
        assert!(request.headers().contains_key("x-request-signature-sha-256"));
        assert_eq!(delivery.headers(), request.headers());
        assert_eq!(delivery.event().id().as_str(), "1");
        assert_eq!(
            &request.into_body().collect().await.unwrap().to_bytes(),
            delivery.body()
        );
        Ok(Response::new(Full::default()))
    })
    .over(via)
    .await;
    endpoint.deliver("1").await.assert_acknowledged();
}

// ---- stores, drain -------------------------------------------------------------------------------------------------------------

pub(crate) async fn a_store_that_fails_at_claim_is_503_and_its_claim_is_released(via: Via) {
    for fault in [Fault::BeforeApplying, Fault::AfterApplying, Fault::Panic] {
        let endpoint = Endpoint::new(succeed).over(via).await;
        endpoint.store.fail(Operation::Claim, fault, 1);
        let answer = endpoint.deliver("1").await;
        answer.assert_refused(503, RefusalKind::Store);
        assert!(answer.retry_after().is_some());
        assert_eq!(endpoint.runs(), 0, "never run without a claim");
        endpoint.deliver("1").await.assert_acknowledged();
        assert_eq!(endpoint.runs(), 1, "{fault:?}");
    }
}

pub(crate) async fn a_complete_that_fails_is_200_and_a_drain_waits_until_it_is_recorded(via: Via) {
    for fault in [Fault::BeforeApplying, Fault::AfterApplying, Fault::Panic] {
        let endpoint = Endpoint::new(succeed).over(via).await;
        endpoint.store.fail(Operation::Complete, fault, 1);
        endpoint.deliver("1").await.assert_acknowledged();
        // A duplicate meanwhile gets the same answer and runs nothing.
        endpoint.deliver("1").await.assert_acknowledged();
        assert!(endpoint.handle.drain(LONG).await.remaining().is_empty());
        assert_state(endpoint.record("1").await, "handled");
        assert_eq!(endpoint.runs(), 1, "{fault:?}");
    }
}

pub(crate) async fn a_draining_layer_is_503_and_waits_for_its_handlers(via: Via) {
    let held = Held::new();
    let endpoint = Endpoint::new(held.handler()).over(via).await;
    let first = endpoint.spawn("1");
    held.started(1).await;
    let meanwhile = async {
        let calls = endpoint.store_calls();
        endpoint.deliver("2").await.assert_refused(503, RefusalKind::Draining);
        // Not a copy of the running one either, which would have to wait.
        endpoint.deliver("1").await.assert_refused(503, RefusalKind::Draining);
        assert_eq!(endpoint.store_calls(), calls);
        held.end(1);
    };
    let (report, ()) = tokio::join!(endpoint.handle.drain(LONG), meanwhile);
    assert!(report.remaining().is_empty(), "{report}");
    first.await.unwrap().assert_acknowledged();
    assert_state(endpoint.record("1").await, "handled");
}

pub(crate) async fn a_drain_that_runs_out_of_time_cancels_releases_and_lists_what_remained(via: Via) {
    let held = Held::new();
    let endpoint = Endpoint::new(held.handler()).over(via).await;
    let first = endpoint.spawn("1");
    held.started(1).await;
    let report = endpoint.handle.drain(SHORT).await;
    let [remaining] = report.remaining() else {
        panic!("one delivery was running: {report}")
    };
    assert_eq!((remaining.key(), remaining.topic()), (&key("1"), "customer_created"));
    assert_eq!(remaining.state(), RemainingState::Cancelled);
    assert_eq!(report.to_string(), "customer_created 1: its handler was cancelled\n");
    assert_state(endpoint.record("1").await, "free, 1");
    first.await.unwrap().assert_refused(503, RefusalKind::Draining);
}
