//! Method, encoding, size, pace and capacity: what is refused before the signature is looked at.

use bytes::Bytes;
use http::{HeaderValue, Method};
use http_body_util::{Full, StreamBody};
use tower_webhook::RefusalKind;

use crate::{
    body::{Script, Step, one_by_one},
    endpoint::{Endpoint, event, signature, signed, with_body},
    fixtures::{Held, SECOND, SHORT, succeed, work},
    wire::Via,
};

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
    // By what is announced, be it by the length of the body or by a header alone; and in chunks, by
    // what arrives.
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

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_arrive_in_time_is_408() {
    let endpoint = Endpoint::new(succeed);
    let started = tokio::time::Instant::now();
    let stalled = StreamBody::new(tokio_stream_pending());
    let answer = endpoint.send(with_body(signature(b"{}"), stalled)).await;
    answer.assert_refused(408, RefusalKind::TooSlow);
    assert_eq!(started.elapsed().as_secs(), 5, "the body's deadline, not the answer's");
    endpoint.assert_untouched();
}

/// A stream of frames that never has one.
fn tokio_stream_pending() -> impl futures_core::Stream<Item = Result<http_body::Frame<Bytes>, std::io::Error>> + Send {
    struct Pending;
    impl futures_core::Stream for Pending {
        type Item = Result<http_body::Frame<Bytes>, std::io::Error>;
        fn poll_next(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Self::Item>> {
            std::task::Poll::Pending
        }
    }
    Pending
}

#[tokio::test(start_paused = true)]
async fn unauthenticated_bytes_over_their_cap_are_503_and_are_given_back() {
    let body = event("1");
    let room = body.len();
    let endpoint = Endpoint::with(succeed, |builder| {
        builder.body_limit(room).max_unauthenticated_bytes(room)
    });
    // A stranger sends all the bytes there is room for, except the end of the body.
    let held = endpoint.clone();
    let bytes = Bytes::from(body.clone());
    let stranger = tokio::spawn(async move {
        use http_body_util::BodyExt as _;
        let some = Full::from(bytes).map_err(|never| match never {});
        held.send(with_body(signature(b"{}"), ThenPending(some.boxed_unsync())))
            .await
    });
    tokio::task::yield_now().await;
    endpoint.deliver("1").await.assert_refused(503, RefusalKind::Overloaded);
    stranger.await.unwrap().assert_refused(408, RefusalKind::TooSlow);
    endpoint.deliver("1").await.assert_acknowledged();
}

/// A body that never ends.
struct ThenPending(http_body_util::combinators::UnsyncBoxBody<Bytes, std::io::Error>);

impl http_body::Body for ThenPending {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, std::io::Error>>> {
        match std::pin::Pin::new(&mut self.0).poll_frame(cx) {
            std::task::Poll::Ready(None) => std::task::Poll::Pending,
            other => other,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_body_has_no_longer_than_the_answer() {
    let endpoint = Endpoint::with(succeed, |builder| builder.response_timeout(3 * SECOND));
    let started = tokio::time::Instant::now();
    let stalled = StreamBody::new(tokio_stream_pending());
    endpoint
        .send(with_body(signature(b"{}"), stalled))
        .await
        .assert_refused(408, RefusalKind::TooSlow);
    assert_eq!(started.elapsed(), 3 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn bytes_of_an_authentic_body_no_longer_count_against_strangers() {
    let room = event("1").len();
    let endpoint = Endpoint::with(work(SECOND), |builder| {
        builder.body_limit(room).max_unauthenticated_bytes(room)
    });
    let (one, two) = (endpoint.spawn("1"), endpoint.spawn("2"));
    one.await.unwrap().assert_acknowledged();
    two.await.unwrap().assert_acknowledged();
}
