//! Servers that fail: what is tried again, how long the client waits, and what the error says.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use axum::body::{Body, Bytes};
use tower_webhook_reconcile::{ErrorKind, Options, Retries, dwolla::DwollaApi, stripe::StripeApi};

use crate::support::{Received, Reply, Server, TestTimer, dwolla_server, dwolla_with, json, options, with_header};

const EVENT: &str = r#"{"id":"evt_1","type":"payout.paid"}"#;

/// Responds with `failure` to the first `count` requests, and with an event to the others.
fn failing(
    count: usize,
    failure: impl Fn() -> Reply + Send + Sync + 'static,
) -> impl Fn(&Received) -> Reply + Send + Sync {
    let calls = AtomicUsize::new(0);
    move |_| {
        if calls.fetch_add(1, Ordering::SeqCst) < count {
            failure()
        } else {
            json(200, EVENT)
        }
    }
}

fn stripe_with(server: &Server, options: Options) -> StripeApi {
    StripeApi::with_options(&server.base, "sk_test", options).unwrap()
}

#[track_caller]
fn assert_between(wait: Duration, least: u64, most: u64) {
    let (least, most) = (Duration::from_millis(least), Duration::from_millis(most));
    assert!(
        least <= wait && wait <= most,
        "{wait:?} is not between {least:?} and {most:?}"
    );
}

#[tokio::test]
async fn a_server_error_is_tried_again_with_growing_waits() {
    let timer = TestTimer::new();
    let server = Server::start(failing(5, || json(500, "{}"))).await;
    stripe_with(&server, options(&timer)).event("evt_1").await.unwrap();
    let waits = timer.waits();
    assert_eq!((waits.len(), server.calls().len()), (5, 6));
    for (wait, planned) in waits.into_iter().zip([500, 1000, 2000, 4000, 8000]) {
        assert_between(wait, planned, 2 * planned);
    }
}

#[tokio::test]
async fn after_six_attempts_the_last_error_is_returned() {
    let timer = TestTimer::new();
    let server = Server::start(failing(usize::MAX, || json(503, "{}"))).await;
    let error = stripe_with(&server, options(&timer)).event("evt_1").await.unwrap_err();
    assert_eq!((error.kind(), server.calls().len()), (ErrorKind::Server, 6));
    assert_eq!(
        error.to_string(),
        "Stripe responded 503 Service Unavailable to GET /v1/events/evt_1; expected a success"
    );
}

#[tokio::test]
async fn retry_after_in_seconds_and_as_a_date_is_waited_for() {
    // The timer's now is Tue, 14 Nov 2023 22:13:20 GMT.
    for asked in ["42", "Tue, 14 Nov 2023 22:14:02 GMT"] {
        let timer = TestTimer::new();
        let server = Server::start(failing(1, move || with_header(json(429, "{}"), "retry-after", asked))).await;
        stripe_with(&server, options(&timer)).event("evt_1").await.unwrap();
        assert_eq!(timer.waits(), [Duration::from_secs(42)], "{asked}");
    }
}

#[tokio::test]
async fn a_retry_after_that_is_too_long_fails_at_once_and_is_told() {
    let timer = TestTimer::new();
    let server = Server::start(failing(1, || with_header(json(429, "{}"), "retry-after", "301"))).await;
    let error = stripe_with(&server, options(&timer)).event("evt_1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(301)));
    assert!(timer.waits().is_empty());
    assert!(
        error.to_string().ends_with("expected a success: try again in 301s"),
        "{error}"
    );
}

#[tokio::test]
async fn dwollas_429_without_a_time_is_waited_for_as_long_as_documented() {
    let timer = TestTimer::new();
    let limited = || {
        json(
            429,
            r#"{"code":"Too Many Requests","message":"Please wait a short period of time."}"#,
        )
    };
    let server = dwolla_server(failing(1, limited)).await;
    dwolla_with(&server, &timer).event("evt_1").await.unwrap();
    assert_eq!(timer.waits(), [Duration::from_secs(300)]);
}

#[tokio::test]
async fn a_429_is_tried_again_even_for_what_must_not_happen_twice() {
    let timer = TestTimer::new();
    let server = Server::start(failing(1, || with_header(json(429, "{}"), "retry-after", "1"))).await;
    let api = tower_webhook_reconcile::github::GitHubApi::with_options(&server.base, "t", options(&timer)).unwrap();
    api.deliveries(tower_webhook_reconcile::github::Hook::app())
        .redeliver("7")
        .await
        .unwrap();
    assert_eq!(server.calls().len(), 2);
}

#[tokio::test]
async fn a_creation_is_repeated_under_one_key() {
    let timer = TestTimer::new();
    let calls = AtomicUsize::new(0);
    let server = dwolla_server(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => json(500, r#"{"code":"ServerError"}"#),
        1 => json(409, "{}"),
        _ => with_header(json(201, ""), "location", "/webhooks/w1/retries/r1"),
    })
    .await;
    assert_eq!(dwolla_with(&server, &timer).retry("w1").await.unwrap(), "r1");
    let keys: Vec<String> = server
        .calls()
        .iter()
        .map(|call| call.header("idempotency-key").to_owned())
        .collect();
    assert_eq!(keys.len(), 3);
    assert!(keys.iter().all(|key| key == &keys[0] && !key.is_empty()), "{keys:?}");
}

#[tokio::test]
async fn half_a_body_is_tried_again_and_never_taken_for_a_whole_one() {
    let half = || {
        // The length is right; the connection breaks after half of it, which is sent before.
        let half = futures_util::stream::once(async { Ok(Bytes::from_static(br#"{"id":"#)) });
        let cut = futures_util::stream::once(async {
            tokio::task::yield_now().await;
            Err(std::io::Error::other("cut"))
        });
        let body = Body::from_stream(futures_util::StreamExt::chain(half, cut));
        http::Response::builder()
            .header("content-length", EVENT.len())
            .body(body)
            .unwrap()
    };
    let timer = TestTimer::new();
    let server = Server::start(failing(1, half)).await;
    assert_eq!(
        stripe_with(&server, options(&timer)).event("evt_1").await.unwrap().id,
        "evt_1"
    );
    assert_eq!(server.calls().len(), 2);

    let server = Server::start(failing(usize::MAX, half)).await;
    let error = stripe_with(&server, options(&timer)).event("evt_1").await.unwrap_err();
    assert_eq!((error.kind(), server.calls().len()), (ErrorKind::Body, 6));
    assert_eq!(error.to_string(), "the response's body broke off; expected all of it");
}

#[tokio::test]
async fn a_body_over_the_limit_is_not_read() {
    let large = || {
        let parts = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 1 << 16])));
        http::Response::new(Body::from_stream(parts))
    };
    let timer = TestTimer::new();
    let server = Server::start(failing(1, large)).await;
    let error = stripe_with(&server, options(&timer).max_response_bytes(1 << 20))
        .event("evt_1")
        .await
        .unwrap_err();
    assert_eq!((error.kind(), server.calls().len()), (ErrorKind::Body, 1));
    assert_eq!(
        error.to_string(),
        "the response's body is larger than 1048576 bytes; expected a smaller page: lower its limit"
    );
}

/// What says that it is too long is not waited for.
#[tokio::test]
async fn a_body_that_says_it_is_over_the_limit_is_refused_before_it_comes() {
    let large = || {
        let never = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
        let mut response = http::Response::new(Body::from_stream(never));
        response.headers_mut().insert("content-length", ((1 << 20) + 1).into());
        response
    };
    let server = Server::start(failing(1, large)).await;
    let options = options(&TestTimer::new()).max_response_bytes(1 << 20);
    let asked = tokio::time::timeout(Duration::from_secs(20), async {
        stripe_with(&server, options).event("evt_1").await.unwrap_err()
    });
    assert_eq!(asked.await.unwrap().kind(), ErrorKind::Body);
}

#[tokio::test]
async fn no_response_in_time_is_tried_again_and_then_an_error() {
    let timer = TestTimer::new().times_out();
    let server = Server::start(|_| json(200, EVENT)).await;
    let retries = Retries::new()
        .attempts(3)
        .first_delay(Duration::from_secs(1))
        .max_delay(Duration::from_secs(1));
    let slow = options(&timer).timeout(Duration::from_secs(7)).retries(retries);
    let error = stripe_with(&server, slow).event("evt_1").await.unwrap_err();
    assert_eq!((error.kind(), timer.waits().len()), (ErrorKind::Timeout, 2));
    assert_eq!(error.to_string(), "Stripe did not respond in 7s; expected a response");
    assert_eq!(timer.limits(), [Duration::from_secs(7); 3]);

    let timer = TestTimer::new();
    stripe_with(&server, options(&timer)).event("evt_1").await.unwrap();
    assert_eq!(timer.limits(), [Duration::from_secs(30)]);
}

#[tokio::test]
async fn a_host_that_refuses_connections_is_named_as_such() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let timer = TestTimer::new();
    let api = DwollaApi::with_options(&base, "id", "secret", options(&timer)).unwrap();
    let error = api.create_subscription("https://example.com", "s").await.unwrap_err();
    assert_eq!((error.kind(), timer.waits().len()), (ErrorKind::Connect, 5));
    assert_eq!(
        error.to_string(),
        "Dwolla cannot be connected to; expected its host to accept: check the base URL"
    );
}

#[tokio::test]
async fn a_connection_that_ends_without_a_response_is_tried_again() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let count = std::sync::Arc::new(AtomicUsize::new(0));
    let seen = std::sync::Arc::clone(&count);
    let task = tokio::spawn(async move {
        loop {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 1024];
            let _ = tokio::io::AsyncReadExt::read(&mut connection, &mut buffer).await;
            seen.fetch_add(1, Ordering::SeqCst);
        }
    });
    let timer = TestTimer::new();
    let api = StripeApi::with_options(&base, "sk_test", options(&timer)).unwrap();
    let error = api.event("evt_1").await.unwrap_err();
    task.abort();
    assert_eq!((error.kind(), timer.waits().len()), (ErrorKind::Connect, 5));
    assert!(count.load(Ordering::SeqCst) >= 6);
    assert_eq!(
        error.to_string(),
        "Stripe ended the connection without a response; expected a response"
    );
}

#[tokio::test]
async fn a_page_that_is_no_json_is_unreadable_and_not_quoted() {
    let server = Server::start(|_| json(200, "<html>the secret page</html>")).await;
    let error = stripe_with(&server, options(&TestTimer::new()))
        .event("evt_1")
        .await
        .unwrap_err();
    assert_eq!((error.kind(), server.calls().len()), (ErrorKind::Unreadable, 1));
    assert_eq!(
        error.to_string(),
        "the response from /v1/events/evt_1 is not what the API documents (Syntax error at line 1 column 1); \
         expected its JSON: check the base URL"
    );
}

#[tokio::test]
async fn a_providers_text_is_shortened_and_kept_on_one_line() {
    let long = format!(r#"{{"message":"one\ntwo {}"}}"#, "x".repeat(1000));
    let server = dwolla_server(move |_| json(400, long.clone())).await;
    let error = dwolla_with(&server, &TestTimer::new())
        .event("e")
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("onetwo xxx") && !error.contains('\n') && error.len() < 500,
        "{error}"
    );
}
