//! Tokens: renewed early, once for everybody, and replaced after a 401.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tower_webhook_reconcile::{AccessToken, Error, ErrorKind, dwolla::DwollaApi};

use crate::support::{Received, Server, TestTimer, dwolla_with, json, options, with_header};

/// Grants `token-1`, `token-2`, …, each for as long as `expires_in` says.
async fn numbered(
    expires_in: u64,
    respond: impl Fn(&Received) -> crate::support::Reply + Send + Sync + 'static,
) -> Server {
    let count = AtomicUsize::new(0);
    Server::start(move |request| {
        if request.path != "/token" {
            return respond(request);
        }
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        json(
            200,
            format!(r#"{{"access_token":"token-{number}","token_type":"bearer","expires_in":{expires_in}}}"#),
        )
    })
    .await
}

fn event(_: &Received) -> crate::support::Reply {
    json(200, r#"{"id":"e1"}"#)
}

fn used(server: &Server) -> Vec<String> {
    server
        .calls()
        .iter()
        .map(|call| call.header("authorization").replace("Bearer ", ""))
        .collect()
}

#[tokio::test]
async fn a_token_is_renewed_60_seconds_before_it_expires() {
    let server = numbered(3600, event).await;
    let timer = TestTimer::new();
    let api = dwolla_with(&server, &timer);
    api.event("e1").await.unwrap();
    timer.advance(Duration::from_secs(3539));
    api.event("e1").await.unwrap();
    timer.advance(Duration::from_secs(1));
    api.event("e1").await.unwrap();
    assert_eq!(used(&server), ["token-1", "token-1", "token-2"]);
}

#[tokio::test]
async fn a_token_that_lives_for_less_than_two_minutes_is_used_for_half_its_life() {
    let server = numbered(10, event).await;
    let timer = TestTimer::new();
    let api = dwolla_with(&server, &timer);
    api.event("e1").await.unwrap();
    timer.advance(Duration::from_secs(4));
    api.event("e1").await.unwrap();
    timer.advance(Duration::from_secs(1));
    api.event("e1").await.unwrap();
    assert_eq!(used(&server), ["token-1", "token-1", "token-2"]);
}

#[tokio::test]
async fn fifty_callers_share_one_request_for_a_token() {
    let server = numbered(3600, event).await;
    let api = dwolla_with(&server, &TestTimer::new());
    let calls = (0..50).map(|_| api.event("e1"));
    for done in futures_util::future::join_all(calls).await {
        done.unwrap();
    }
    assert_eq!((server.tokens_granted(), server.calls().len()), (1, 50));
}

#[tokio::test]
async fn callers_that_wait_for_one_token_share_its_failure() {
    let server = Server::start(|_| with_header(json(401, r#"{"error":"invalid_client"}"#), "x-request-id", "r1")).await;
    let api = dwolla_with(&server, &TestTimer::new());
    for failed in futures_util::future::join_all((0..50).map(|_| api.event("e1"))).await {
        assert_eq!(failed.unwrap_err().request_id(), Some("r1"));
    }
    assert_eq!(server.received().len(), 1);
    // The next caller asks again.
    api.event("e1").await.unwrap_err();
    assert_eq!(server.received().len(), 2);
}

#[tokio::test]
async fn a_401_replaces_the_token_once() {
    let server = numbered(3600, |request| match request.header("authorization") {
        "Bearer token-1" => json(
            401,
            r#"{"code":"ExpiredAccessToken","message":"Expired access token."}"#,
        ),
        _ => json(200, r#"{"id":"e1"}"#),
    })
    .await;
    let api = dwolla_with(&server, &TestTimer::new());
    api.event("e1").await.unwrap();
    api.event("e1").await.unwrap();
    assert_eq!(used(&server), ["token-1", "token-2", "token-2"]);
}

#[tokio::test]
async fn a_second_401_is_the_callers() {
    let server = numbered(3600, |_| {
        json(
            401,
            r#"{"code":"InvalidAccessToken","message":"Invalid access token."}"#,
        )
    })
    .await;
    let error = dwolla_with(&server, &TestTimer::new()).event("e1").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Unauthorized, Some("InvalidAccessToken"))
    );
    assert_eq!(used(&server), ["token-1", "token-2"]);
    assert!(!format!("{error} {error:?}").contains("token-"));
}

#[tokio::test]
async fn fifty_callers_whose_token_is_refused_share_one_new_one() {
    let server = numbered(3600, |request| match request.header("authorization") {
        "Bearer token-1" => json(401, "{}"),
        _ => json(200, r#"{"id":"e1"}"#),
    })
    .await;
    let api = dwolla_with(&server, &TestTimer::new());
    for done in futures_util::future::join_all((0..50).map(|_| api.event("e1"))).await {
        done.unwrap();
    }
    assert_eq!(server.tokens_granted(), 2);
}

#[tokio::test]
async fn a_caller_that_gives_up_does_not_take_the_token_away_from_others() {
    let server = numbered(3600, event).await;
    let api = dwolla_with(&server, &TestTimer::new());
    // Polled once: it has asked for the token.
    assert!(futures_util::FutureExt::now_or_never(Box::pin(api.event("e1"))).is_none());
    api.event("e1").await.unwrap();
}

#[tokio::test]
async fn a_response_without_a_token_is_unreadable() {
    let server = Server::start(|_| json(200, r#"{"token_type":"bearer"}"#)).await;
    let error = dwolla_with(&server, &TestTimer::new()).event("e1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreadable);
    assert_eq!(
        error.to_string(),
        "the response from /token holds no access_token; expected one: check the base URL"
    );
}

#[tokio::test]
async fn tokens_from_elsewhere_are_used_and_their_errors_passed_on() {
    let server = Server::start(event).await;
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let api = DwollaApi::with_tokens(&server.base, options(&TestTimer::new()), move || {
        let call = count.fetch_add(1, Ordering::SeqCst);
        async move {
            match call {
                0 => Err(Error::other("the vault is sealed")),
                _ => Ok(AccessToken::new("from the vault", Duration::from_secs(3600))),
            }
        }
    })
    .unwrap();
    let error = api.event("e1").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::Other, "the vault is sealed")
    );
    api.event("e1").await.unwrap();
    assert_eq!(used(&server), ["from the vault"]);
    assert_eq!(
        format!("{:?}", AccessToken::new("from the vault", Duration::ZERO)).find("vault"),
        None
    );
}
