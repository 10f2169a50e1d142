//! Requests that nobody honest sends.

use std::{
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body, Frame};
use http_body_util::Full;
use tower_webhook::RefusalKind;

use crate::{
    body::{Script, Step, one_by_one},
    endpoint::{Endpoint, event, signature, signed, with_body},
    fixtures::succeed,
};

const NAME: &str = "x-request-signature-sha-256";
const OLD_NAME: &str = "x-request-signature";

fn header(name: &'static str, value: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap());
    headers
}

// ---- headers
// ------------------------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn a_tag_in_any_other_form_is_refused_before_a_byte_is_read() {
    let body = event("1");
    let tag = signature(body.as_bytes())[NAME].to_str().unwrap().to_owned();
    let traps: Vec<(&str, Vec<u8>)> = vec![
        ("upper case", tag.to_uppercase().into()),
        ("one digit short", tag[1..].into()),
        ("one digit more", format!("{tag}0").into()),
        ("half a tag", tag[..32].into()),
        ("odd and short", tag[..31].into()),
        ("0x", format!("0x{tag}").into()),
        ("0x in place", format!("0x{}", &tag[2..]).into()),
        ("a space inside", format!("{} {}", &tag[..32], &tag[33..]).into()),
        ("prefix of others", format!("sha256={tag}").into()),
        ("a list", format!("{tag},{tag}").into()),
        ("a list with nothing", format!("{tag},").into()),
        ("bytes from 0x80", vec![0x80; 64]),
        ("bytes 0xff", vec![0xff; 64]),
        ("full-width digits", "０".repeat(64).into()),
        ("empty", Vec::new()),
        ("not hex", vec![b'g'; 64]),
        ("base64", b"fI0Xv0Hd0Qb1c0i1Qb1c0i1Qb1c0i1Qb1c0i1Qb1c0g=".to_vec()),
        ("64 kB", vec![b'a'; 65_536]),
    ];
    for (name, value) in traps {
        let endpoint = Endpoint::new(succeed);
        let script = Script::new(one_by_one(&body));
        let polls = Arc::clone(&script.polls);
        let answer = endpoint.send(with_body(header(NAME, &value), script)).await;
        assert_eq!(answer.status.as_u16(), 401, "{name}");
        assert_eq!(polls.load(Ordering::SeqCst), 0, "{name}: read");
        endpoint.assert_untouched();
    }
}

#[tokio::test(start_paused = true)]
async fn every_single_bit_flip_of_the_tag_or_the_body_is_refused() {
    let body = event("1");
    let headers = signature(body.as_bytes());
    let tag = headers[NAME].as_bytes().to_vec();
    let endpoint = Endpoint::new(succeed);
    for bit in 0..tag.len() * 8 {
        let mut flipped = tag.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if HeaderValue::from_bytes(&flipped).is_err() {
            continue; // no server hands such a header on
        }
        let answer = endpoint
            .send(with_body(header(NAME, &flipped), Full::from(body.clone())))
            .await;
        assert_eq!(answer.status.as_u16(), 401, "bit {bit} of the tag");
    }
    for bit in 0..body.len() * 8 {
        let mut flipped = body.clone().into_bytes();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let answer = endpoint.send(with_body(headers.clone(), Full::from(flipped))).await;
        assert_eq!(answer.status.as_u16(), 401, "bit {bit} of the body");
    }
    endpoint.assert_untouched();
}

#[tokio::test(start_paused = true)]
async fn a_sha_1_tag_is_refused_with_a_reason_for_the_log_and_none_for_the_provider() {
    let endpoint = Endpoint::new(succeed);
    let answer = endpoint
        .send(with_body(header(OLD_NAME, &[b'a'; 40]), Full::from(event("1"))))
        .await;
    answer.assert_refused(401, RefusalKind::Signature);
    assert_eq!(
        answer.rejection.as_ref().unwrap().reason(),
        "the tag in x-request-signature has 40 hex digits, the length of a SHA-1 tag; expected HMAC-SHA256: \
         SHA-1 is not accepted, have the provider sign with HMAC-SHA256"
    );
    assert!(!answer.body.contains("SHA"), "{}", answer.body);
}

#[tokio::test(start_paused = true)]
async fn a_missing_method_encoding_or_length_check_would_read_what_nobody_asked_for() {
    let body = event("1");
    type Change = fn(&mut http::Request<crate::endpoint::TestBody>);
    let cases: [(&str, Change, u16); 6] = [
        ("method", |request| *request.method_mut() = http::Method::PUT, 405),
        (
            "encoding",
            |request| {
                drop(
                    request
                        .headers_mut()
                        .insert("content-encoding", HeaderValue::from_static("gzip")),
                )
            },
            415,
        ),
        (
            "length",
            |request| {
                drop(
                    request
                        .headers_mut()
                        .insert("content-length", HeaderValue::from_static("262145")),
                )
            },
            413,
        ),
        (
            "huge length",
            |request| {
                drop(
                    request
                        .headers_mut()
                        .insert("content-length", HeaderValue::from_static("99999999999999999999999")),
                )
            },
            413,
        ),
        ("no signature", |request| drop(request.headers_mut().remove(NAME)), 401),
        (
            "malformed signature",
            |request| drop(request.headers_mut().insert(NAME, HeaderValue::from_static("x"))),
            401,
        ),
    ];
    for (name, change, status) in cases {
        let endpoint = Endpoint::new(succeed);
        let script = Script::new(one_by_one(&body));
        let polls = Arc::clone(&script.polls);
        let mut request = with_body(signature(body.as_bytes()), script);
        change(&mut request);
        assert_eq!(endpoint.send(request).await.status.as_u16(), status, "{name}");
        assert_eq!(polls.load(Ordering::SeqCst), 0, "{name}: read");
        endpoint.assert_untouched();
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_thing_that_is_wrong_answers() {
    let endpoint = Endpoint::new(succeed);
    let mut everything = with_body(HeaderMap::new(), Full::from(event("1")));
    *everything.method_mut() = http::Method::GET;
    everything
        .headers_mut()
        .insert("content-encoding", HeaderValue::from_static("gzip"));
    everything
        .headers_mut()
        .insert("content-length", HeaderValue::from_static("9999999"));
    let without = |method, encoding, signed| {
        let mut request = with_body(HeaderMap::new(), Full::from(event("1")));
        let headers = request.headers_mut();
        if signed {
            headers.extend(signature(event("1").as_bytes()));
        }
        if encoding {
            headers.insert("content-encoding", HeaderValue::from_static("gzip"));
        }
        headers.insert("content-length", HeaderValue::from_static("9999999"));
        *request.method_mut() = method;
        request
    };
    endpoint.send(everything).await.assert_refused(405, RefusalKind::Method);
    endpoint
        .send(without(http::Method::POST, true, false))
        .await
        .assert_refused(415, RefusalKind::Encoding);
    endpoint
        .send(without(http::Method::POST, false, false))
        .await
        .assert_refused(401, RefusalKind::Signature);
    endpoint
        .send(without(http::Method::POST, false, true))
        .await
        .assert_refused(413, RefusalKind::TooLarge);
    endpoint.assert_untouched();
}

// ---- bodies
// ------------------------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn a_body_that_is_always_ready_lets_others_have_a_turn() {
    let body = event("1");
    let endpoint = Endpoint::new(succeed);
    let script = one_by_one(&body).chain((0..2000).map(|_| Step::Data(Bytes::from_static(b" "))));
    let script = Script::new(script);
    let polls = Arc::clone(&script.polls);
    let mut call = std::pin::pin!(endpoint.send(with_body(signature(b"{}"), script)));
    let first = std::future::poll_fn(|cx| Poll::Ready(std::future::Future::poll(call.as_mut(), cx).is_ready())).await;
    assert!(
        !first && polls.load(Ordering::SeqCst) < 1000,
        "{} frames at one go",
        polls.load(Ordering::SeqCst)
    );
    call.await.assert_refused(401, RefusalKind::Signature);
}

#[tokio::test(start_paused = true)]
async fn a_trickled_body_ends_at_one_deadline_for_all_of_it() {
    let body = event("1");
    let endpoint = Endpoint::new(succeed);
    let trickle = one_by_one(&body).flat_map(|byte| [Step::Pause(Duration::from_secs(1)), byte]);
    let started = tokio::time::Instant::now();
    endpoint
        .send(with_body(signature(body.as_bytes()), Script::new(trickle)))
        .await
        .assert_refused(408, RefusalKind::TooSlow);
    assert_eq!(started.elapsed(), Duration::from_secs(5));
    endpoint.assert_untouched();
}

#[tokio::test(start_paused = true)]
async fn an_endless_body_ends_at_the_limit() {
    let endpoint = Endpoint::new(succeed);
    let script = Script::new([Step::Forever(Bytes::from(vec![b'x'; 1024]))]);
    let polls = Arc::clone(&script.polls);
    endpoint
        .send(with_body(signature(b"{}"), script))
        .await
        .assert_refused(413, RefusalKind::TooLarge);
    assert_eq!(
        polls.load(Ordering::SeqCst),
        257,
        "256 KiB, and the frame that was too much"
    );
    endpoint.assert_untouched();
}

#[tokio::test(start_paused = true)]
async fn an_endless_body_of_empty_frames_ends_too() {
    let endpoint = Endpoint::new(succeed);
    let script = Script::new([Step::Forever(Bytes::new())]);
    endpoint
        .send(with_body(signature(b"{}"), script))
        .await
        .assert_refused(408, RefusalKind::TooSlow);
    endpoint.assert_untouched();
}

#[tokio::test(start_paused = true)]
async fn endless_trailers_end_too() {
    struct Trailers;
    impl Body for Trailers {
        type Data = Bytes;
        type Error = std::io::Error;
        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            Poll::Ready(Some(Ok(Frame::trailers(HeaderMap::new()))))
        }
    }
    let endpoint = Endpoint::new(succeed);
    let answer = endpoint.send(with_body(signature(b"{}"), Trailers)).await;
    answer.assert_refused(408, RefusalKind::TooSlow);
    endpoint.assert_untouched();
}

#[tokio::test(start_paused = true)]
async fn a_length_that_lies_is_not_believed() {
    let body = event("1");
    // Says less than comes: the limit counts what comes.
    let endpoint = Endpoint::new(succeed);
    let mut request = with_body(
        signature(b"{}"),
        Script::new([Step::Forever(Bytes::from(vec![b'x'; 4096]))]),
    );
    request
        .headers_mut()
        .insert("content-length", HeaderValue::from_static("2"));
    endpoint.send(request).await.assert_refused(413, RefusalKind::TooLarge);
    // Says more than comes: the MAC decides.
    let mut request = signed(&body);
    request
        .headers_mut()
        .insert("content-length", HeaderValue::from_static("200000"));
    endpoint.send(request).await.assert_acknowledged();
    // Says nonsense: as if it said nothing.
    for nonsense in ["-1", "+5", "1e3", "0x10", ""] {
        let mut request = signed(&body);
        request
            .headers_mut()
            .insert("content-length", HeaderValue::from_static(nonsense));
        endpoint.send(request).await.assert_acknowledged();
    }
    // Says so by its size hint alone.
    let mut script = Script::new([]);
    script.hint.set_lower(262_145);
    let polls = Arc::clone(&script.polls);
    endpoint
        .send(with_body(signature(b"{}"), script))
        .await
        .assert_refused(413, RefusalKind::TooLarge);
    assert_eq!(polls.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_is_400_and_runs_nothing() {
    let body = event("1");
    let endpoint = Endpoint::new(succeed);
    let script = Script::new(one_by_one(&body).chain([Step::Error]));
    endpoint
        .send(with_body(signature(body.as_bytes()), script))
        .await
        .assert_refused(400, RefusalKind::BrokenBody);
    endpoint.assert_untouched();
}

#[tokio::test(start_paused = true)]
async fn a_limit_further_out_is_413_as_well() {
    let body = event("1");
    let endpoint = Endpoint::new(succeed);
    let limited = http_body_util::Limited::new(Full::from(body.clone()), 10);
    endpoint
        .send(with_body(signature(body.as_bytes()), limited))
        .await
        .assert_refused(413, RefusalKind::TooLarge);
    endpoint.assert_untouched();
}

#[tokio::test(start_paused = true)]
async fn announced_lengths_take_no_room_from_others() {
    // A thousand strangers announce the largest body and send nothing.
    let endpoint = Endpoint::new(succeed);
    let strangers: Vec<_> = (0..1000)
        .map(|_| {
            let endpoint = endpoint.clone();
            let mut request = with_body(signature(b"{}"), Script::new([Step::Pause(Duration::from_secs(60))]));
            request
                .headers_mut()
                .insert("content-length", HeaderValue::from_static("262144"));
            tokio::spawn(async move { endpoint.send(request).await })
        })
        .collect();
    tokio::task::yield_now().await;
    endpoint.deliver("1").await.assert_acknowledged();
    for stranger in strangers {
        stranger.await.unwrap().assert_refused(408, RefusalKind::TooSlow);
    }
}

// ---- what a refusal leaves unread
// ------------------------------------------------------------------------------------------------

/// Calls its body's reader until the body is dropped.
async fn dropped(polls: &Arc<std::sync::atomic::AtomicUsize>) {
    for _ in 0..1_000_000 {
        if Arc::strong_count(polls) == 1 {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the body is still held");
}

fn unsigned(script: Script) -> http::Request<crate::endpoint::TestBody> {
    with_body(HeaderMap::new(), script)
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_a_refused_body_is_discarded_behind_the_response() {
    let endpoint = Endpoint::new(succeed);
    let script = Script::new((0..100).map(|_| Step::Data(Bytes::from(vec![b'x'; 1024]))));
    let polls = Arc::clone(&script.polls);
    let answer = endpoint.send(unsigned(script)).await;
    answer.assert_refused(401, RefusalKind::Signature);
    assert_eq!(polls.load(Ordering::SeqCst), 0, "the response waits for nothing");
    dropped(&polls).await;
    assert_eq!(polls.load(Ordering::SeqCst), 101, "to its end");
    endpoint.assert_untouched();
}

#[tokio::test(start_paused = true)]
async fn an_endless_body_is_discarded_up_to_8_mib() {
    for frame in [vec![b'x'; 64 * 1024], vec![b'x'; 1], Vec::new()] {
        let counted = frame.len().max(64); // a frame counts 64 bytes at least
        let endpoint = Endpoint::new(succeed);
        let script = Script::new([Step::Forever(Bytes::from(frame))]);
        let polls = Arc::clone(&script.polls);
        endpoint.send(unsigned(script)).await;
        dropped(&polls).await;
        assert_eq!(polls.load(Ordering::SeqCst), 8 * 1024 * 1024 / counted + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_waited_for_5_seconds_behind_the_response() {
    let endpoint = Endpoint::with(succeed, |builder| builder.max_in_flight(1));
    let began = tokio::time::Instant::now();
    let script = Script::new([Step::Stall]);
    let polls = Arc::clone(&script.polls);
    endpoint.send(unsigned(script)).await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    // It takes up nothing of what requests need.
    endpoint.deliver("1").await.assert_acknowledged();
    tokio::time::sleep(Duration::from_millis(4999)).await;
    assert_eq!(Arc::strong_count(&polls), 2, "still held");
    tokio::time::sleep(Duration::from_millis(2)).await;
    dropped(&polls).await;
}

#[tokio::test(start_paused = true)]
async fn at_most_64_bodies_are_discarded_at_once() {
    let endpoint = Endpoint::new(succeed);
    let stalled = || {
        let script = Script::new([Step::Stall]);
        (Arc::clone(&script.polls), unsigned(script))
    };
    let held =
        |all: &[Arc<std::sync::atomic::AtomicUsize>]| all.iter().filter(|polls| Arc::strong_count(polls) > 1).count();
    let mut all = Vec::new();
    for _ in 0..100 {
        let (polls, request) = stalled();
        endpoint.send(request).await;
        all.push(polls);
    }
    assert_eq!(held(&all), 64);
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(held(&all), 0);
    let (polls, request) = stalled();
    endpoint.send(request).await;
    assert_eq!(held(&[polls]), 1, "there is room again");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_no_client_is_stuck_with_is_dropped_at_once() {
    type Change = fn(&mut http::Request<crate::endpoint::TestBody>);
    let changes: [(&str, Change); 2] = [
        ("a stream of HTTP/2", |request| {
            *request.version_mut() = http::Version::HTTP_2;
        }),
        ("a client that asks before it sends", |request| {
            let expect = HeaderValue::from_static("100-continue");
            request.headers_mut().insert("expect", expect);
        }),
    ];
    let endpoint = Endpoint::new(succeed);
    for (name, change) in changes {
        let script = Script::new([Step::Stall]);
        let polls = Arc::clone(&script.polls);
        let mut request = unsigned(script);
        change(&mut request);
        endpoint.send(request).await;
        assert_eq!(Arc::strong_count(&polls), 1, "{name}");
    }
    // One that says it is longer than what is discarded: its client sees the reset in any case.
    let mut script = Script::new([Step::Stall]);
    script.hint.set_lower(8 * 1024 * 1024 + 1);
    let polls = Arc::clone(&script.polls);
    endpoint.send(unsigned(script)).await;
    assert_eq!(Arc::strong_count(&polls), 1);
    // One that broke off.
    let script = Script::new([Step::Error, Step::Stall]);
    let polls = Arc::clone(&script.polls);
    endpoint.send(with_body(signature(b"{}"), script)).await;
    assert_eq!((Arc::strong_count(&polls), polls.load(Ordering::SeqCst)), (1, 1));
}

// ---- authentic nonsense
// ------------------------------------------------------------------------------------------------
