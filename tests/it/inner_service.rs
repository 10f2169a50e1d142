//! An HTTP service behind the layer.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{Empty, Full};
use tokio::time::sleep;
use tower_webhook::{Delivery, RefusalKind, layer::RequestBody};

use crate::{
    endpoint::{Answer, Endpoint, Event, with_body},
    fixtures::{SECOND, assert_state},
    wire::Via,
};

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
    let endpoint = Endpoint::http(async |request: Request<RequestBody>| {
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

#[tokio::test(start_paused = true)]
async fn a_delivery_that_waits_for_an_inner_4xx_gets_its_status() {
    let endpoint = Endpoint::http(async |_| {
        sleep(SECOND).await;
        Ok(Response::builder().status(422).body(Full::from("inner")).unwrap())
    });
    let first = endpoint.spawn("1");
    tokio::task::yield_now().await;
    let follower = endpoint.deliver("1").await;
    follower.assert_status_and_kind(422, RefusalKind::InnerRefused);
    let problem: serde_json::Value = serde_json::from_str(&follower.body).unwrap();
    assert_eq!(problem["status"], 422);
    assert_eq!(problem["title"], "Unprocessable Entity");
    assert_eq!(first.await.unwrap().body, "inner");
    assert_eq!(endpoint.runs(), 1);
}

impl Answer {
    #[track_caller]
    fn assert_status_and_kind(&self, status: u16, kind: RefusalKind) {
        assert_eq!(
            (
                self.status.as_u16(),
                self.rejection.as_ref().map(|rejection| rejection.kind())
            ),
            (status, Some(kind))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_inner_services_readiness_is_asked_for_after_the_claim_and_strangers_never_reach_it() {
    #[derive(Clone)]
    struct Unready(Arc<AtomicUsize>);
    impl tower::Service<Request<RequestBody>> for Unready {
        type Response = Response<Full<Bytes>>;
        type Error = std::io::Error;
        type Future = std::future::Ready<Result<Self::Response, Self::Error>>;
        fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
            self.0.fetch_add(1, Ordering::SeqCst);
            std::task::Poll::Ready(Err(std::io::Error::other("no permits")))
        }
        fn call(&mut self, _: Request<RequestBody>) -> Self::Future {
            unreachable!("never ready")
        }
    }
    let asked = Arc::new(AtomicUsize::new(0));
    let endpoint = Endpoint::in_front_of(Unready(Arc::clone(&asked)));
    endpoint
        .send(with_body(http::HeaderMap::new(), Empty::new()))
        .await
        .assert_refused(401, RefusalKind::Signature);
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    endpoint
        .deliver("1")
        .await
        .assert_refused(500, RefusalKind::HandlerFailed);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert_state(endpoint.record("1").await, "free, 1");
}
