//! One body again under other headers: a new event where the provider's id says so, and none in
//! strict mode.

#![cfg(test)] // for clippy

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tower::ServiceExt as _;
use tower_webhook::{
    RefusalKind, TopicRouter, WebhookLayer,
    event::Event as _,
    layer::{WebhookLayerBuilder, WebhookService},
    testing::ManualClock,
};

use super::{
    verifier_endpoint::{Store, UNIFORM, calls, store},
    *,
};
use crate::endpoint::Answer;

type Seen = Arc<Mutex<Vec<String>>>;

/// A provider's own type behind the whole layer; its one handler notes topics.
pub(super) struct Endpoint<P: Provider> {
    scheme: Scheme,
    service: WebhookService<P, Store, TopicRouter<P::Event>>,
    pub(super) clock: ManualClock,
    pub(super) store: Store,
    seen: Seen,
}

impl<P: Provider> Endpoint<P> {
    /// Everything to the fallback.
    pub(super) fn new(provider: P) -> Self {
        Self::on(provider, &[])
    }

    /// These topics to a handler of their own, everything else to the fallback.
    pub(super) fn on(provider: P, topics: &[&'static str]) -> Self {
        Self::with(provider, topics, |builder| builder)
    }

    /// What is signed alone tells events apart.
    fn strict(provider: P) -> Self {
        Self::with(provider, &[], WebhookLayerBuilder::strict_identity)
    }

    fn with(
        provider: P,
        topics: &[&'static str],
        settings: impl FnOnce(WebhookLayerBuilder<P, Store>) -> WebhookLayerBuilder<P, Store>,
    ) -> Self {
        let seen = Seen::default();
        let note = |what: &'static str| {
            let seen = Arc::clone(&seen);
            move |event: P::Event| {
                seen.lock().unwrap().push(format!("{what}{}", event.topic()));
                std::future::ready(())
            }
        };
        let router = topics
            .iter()
            .fold(TopicRouter::new().fallback(note("")), |router, topic| {
                router.on(*topic, note("named: "))
            });
        let (clock, store) = (ManualClock::at(at(NOW)), store());
        let scheme = provider.verifier().scheme().unwrap().clone();
        let layer = settings(WebhookLayer::builder(provider, store.clone()).clock(clock.clone()))
            .build()
            .unwrap();
        Self {
            scheme,
            service: layer.topics(router),
            clock,
            store,
            seen,
        }
    }

    pub(super) async fn send(&self, headers: HeaderMap, body: &[u8]) -> Answer {
        let request = request(headers, body);
        Answer::of(self.service.clone().oneshot(request).await.unwrap()).await
    }

    /// Signs the body now and sends it with these headers, which are not signed.
    pub(super) async fn post(&self, body: &[u8], unsigned: &[(&'static str, &str)]) -> Answer {
        let now = tower_webhook::clock::Clock::now(&self.clock);
        let secrets = Secrets::new(SECRET).unwrap();
        let mut headers = self.scheme.sign_at(&secrets, "msg_1", now, body).unwrap();
        for (name, value) in unsigned {
            headers.append(*name, value.parse().unwrap());
        }
        self.send(headers, body).await
    }

    pub(super) fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    pub(super) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// Refused as unsigned, and nothing has heard of it.
    #[track_caller]
    pub(super) fn assert_unauthorized(&self, answer: &Answer) {
        answer.assert_refused(401, RefusalKind::Signature);
        assert_eq!(answer.body, UNIFORM);
    }

    /// Neither store nor handler has heard of anything.
    #[track_caller]
    pub(super) fn assert_untouched(&self) {
        assert_eq!(calls(&self.store), 0);
        assert!(self.seen().is_empty(), "{:?}", self.seen());
    }
}

pub(super) const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

// ---- GitHub ----

const ISSUE: &[u8] = br#"{"action":"opened","issue":{"number":17},"repository":{"id":660011223}}"#;

fn github() -> Endpoint<GitHub> {
    Endpoint::new(GitHub::new(SECRET).unwrap())
}

async fn github_post(endpoint: &Endpoint<GitHub>, body: &[u8], event: &str, delivery: &str) -> Answer {
    endpoint
        .post(body, &[("x-github-event", event), ("x-github-delivery", delivery)])
        .await
}

#[tokio::test]
async fn two_github_events_with_one_body_both_run_and_a_redelivery_is_a_duplicate() {
    let endpoint = github();
    let dispatch = br#"{"action":"deploy","client_payload":{}}"#;
    for delivery in ["1", "2", "1", "2"] {
        github_post(&endpoint, dispatch, "repository_dispatch", delivery)
            .await
            .assert_acknowledged();
    }
    assert_eq!(endpoint.seen(), ["repository_dispatch.deploy"; 2]);
    // Two hooks of one Enterprise Server can name one body in two ways.
    github_post(&endpoint, dispatch, "workflow_dispatch", "1")
        .await
        .assert_acknowledged();
    assert_eq!(endpoint.seen().len(), 3);
}

#[tokio::test]
async fn a_github_delivery_without_an_id_goes_by_its_name_and_its_body() {
    let endpoint = github();
    for _ in 0..2 {
        let answer = endpoint.post(ISSUE, &[("x-github-event", "issues")]).await;
        answer.assert_acknowledged();
    }
    assert_eq!(endpoint.seen(), ["issues.opened"]);
}

#[tokio::test]
async fn a_github_delivery_under_a_new_delivery_id_runs_nothing_a_second_time_in_strict_mode() {
    let endpoint = Endpoint::strict(GitHub::new(SECRET).unwrap());
    for delivery in ["72d3162e", "72d3162e", "another", "", "\"", "72d3162f"] {
        github_post(&endpoint, ISSUE, "issues", delivery)
            .await
            .assert_acknowledged();
    }
    // none at all, and two
    endpoint
        .post(ISSUE, &[("x-github-event", "issues")])
        .await
        .assert_acknowledged();
    let two = [
        ("x-github-event", "issues"),
        ("x-github-delivery", "1"),
        ("x-github-delivery", "2"),
    ];
    endpoint.post(ISSUE, &two).await.assert_acknowledged();
    assert_eq!(endpoint.seen(), ["issues.opened"]);
    assert_eq!(endpoint.store.inner().len(), 1);
}

#[tokio::test]
async fn a_github_delivery_under_another_event_name_is_a_conflict_in_strict_mode() {
    let endpoint = Endpoint::strict(GitHub::new(SECRET).unwrap());
    github_post(&endpoint, ISSUE, "issues", "1").await.assert_acknowledged();
    for event in ["pull_request", "issues.opened", "Issues", "issue"] {
        for delivery in ["1", "2"] {
            github_post(&endpoint, ISSUE, event, delivery)
                .await
                .assert_refused(500, RefusalKind::Conflict);
        }
    }
    assert_eq!(endpoint.seen(), ["issues.opened"]);
    // The right name is still a duplicate.
    github_post(&endpoint, ISSUE, "issues", "1").await.assert_acknowledged();
    assert_eq!(endpoint.seen(), ["issues.opened"]);
}

#[tokio::test]
async fn a_github_delivery_without_a_name_or_with_two_is_no_event() {
    let endpoint = github();
    for names in [&[][..], &["issues", "issues", "push"], &["issues", "push"], &[""]] {
        let headers: Vec<_> = names.iter().map(|name| ("x-github-event", *name)).collect();
        let answer = endpoint.post(ISSUE, &headers).await;
        answer.assert_refused(400, RefusalKind::NotAnEvent);
    }
    endpoint.assert_untouched();
}

#[tokio::test]
async fn a_github_name_that_a_gateway_has_doubled_is_one_name() {
    let endpoint = github();
    let headers = [("x-github-event", "issues"), ("x-github-event", "issues")];
    endpoint.post(ISSUE, &headers).await.assert_acknowledged();
    assert_eq!(endpoint.seen(), ["issues.opened"]);
}

#[tokio::test]
async fn another_body_of_github_is_another_event_under_one_delivery_id() {
    let endpoint = github();
    let other = br#"{"action":"opened","issue":{"number":18},"repository":{"id":660011223}}"#;
    github_post(&endpoint, ISSUE, "issues", "1").await.assert_acknowledged();
    github_post(&endpoint, other, "issues", "1").await.assert_acknowledged();
    assert_eq!(endpoint.seen(), ["issues.opened", "issues.opened"]);
}

// ---- Shopify ----

const ORDER: &[u8] = br##"{"id":5512003344771,"name":"#1041","total_price":"42.00"}"##;

async fn shopify_post(endpoint: &Endpoint<Shopify>, topic: &str, ids: [&str; 2], shop: &str) -> Answer {
    let headers = [
        ("x-shopify-topic", topic),
        ("x-shopify-event-id", ids[0]),
        ("x-shopify-webhook-id", ids[1]),
        ("x-shopify-shop-domain", shop),
    ];
    endpoint.post(ORDER, &headers).await
}

#[tokio::test]
async fn two_shopify_events_with_one_body_both_run_and_a_retry_is_a_duplicate() {
    let endpoint = Endpoint::new(Shopify::new(SECRET).unwrap());
    let send = |topic: &'static str, id: &'static str, shop: &'static str| {
        let endpoint = &endpoint;
        async move {
            let headers = [
                ("x-shopify-topic", topic),
                ("x-shopify-event-id", id),
                ("x-shopify-shop-domain", shop),
            ];
            endpoint.post(br#"{"id":7}"#, &headers).await.assert_acknowledged();
        }
    };
    for _ in 0..2 {
        send("products/delete", "1", "a.myshopify.com").await;
        send("collections/delete", "2", "a.myshopify.com").await;
        // One action of the merchant's can have one id for two topics, and two shops one body.
        send("collections/delete", "1", "a.myshopify.com").await;
        send("products/delete", "1", "b.myshopify.com").await;
    }
    let (products, collections) = ("products/delete", "collections/delete");
    assert_eq!(endpoint.seen(), [products, collections, collections, products]);
}

#[tokio::test]
async fn a_shopify_delivery_without_an_event_id_goes_by_its_webhook_id() {
    let endpoint = Endpoint::new(Shopify::new(SECRET).unwrap());
    for id in ["1", "2", "1"] {
        let headers = [("x-shopify-topic", "shop/redact"), ("x-shopify-webhook-id", id)];
        endpoint.post(br#"{"id":7}"#, &headers).await.assert_acknowledged();
    }
    assert_eq!(endpoint.seen(), ["shop/redact"; 2]);
}

#[tokio::test]
async fn a_shopify_delivery_under_new_ids_runs_nothing_a_second_time_in_strict_mode() {
    let endpoint = Endpoint::strict(Shopify::new(SECRET).unwrap());
    for (ids, shop) in [
        (["1", "1"], "a.myshopify.com"),
        (["1", "2"], "a.myshopify.com"),
        (["2", "1"], "a.myshopify.com"),
        (["3", "3"], "b.myshopify.com"),
        (["", ""], ""),
    ] {
        shopify_post(&endpoint, "orders/create", ids, shop)
            .await
            .assert_acknowledged();
    }
    endpoint
        .post(ORDER, &[("x-shopify-topic", "orders/create")])
        .await
        .assert_acknowledged();
    assert_eq!(endpoint.seen(), ["orders/create"]);
}

#[tokio::test]
async fn a_shopify_delivery_under_another_topic_is_a_conflict_in_strict_mode() {
    let endpoint = Endpoint::strict(Shopify::new(SECRET).unwrap());
    let shop = "a.myshopify.com";
    shopify_post(&endpoint, "orders/create", ["1", "1"], shop)
        .await
        .assert_acknowledged();
    for topic in ["orders/paid", "refunds/create", "app/uninstalled", "shop/redact"] {
        shopify_post(&endpoint, topic, ["2", "2"], shop)
            .await
            .assert_refused(500, RefusalKind::Conflict);
    }
    assert_eq!(endpoint.seen(), ["orders/create"]);
    let answer = endpoint.post(ORDER, &[]).await;
    answer.assert_refused(400, RefusalKind::NotAnEvent);
}

#[tokio::test]
async fn shopifys_newer_headers_are_verified_and_the_topic_is_the_signed_bodys() {
    for beside in [false, true] {
        let endpoint = Endpoint::new(Shopify::new(SECRET).unwrap());
        let body = br#"{"topic":"Product","action":"update","handle":"products"}"#;
        let signed = endpoint.scheme.sign(&Secrets::new(SECRET).unwrap(), body).unwrap();
        for id in ["1", "2", "1"] {
            let mut headers = HeaderMap::new();
            headers.insert("shopify-hmac-sha256", signed["x-shopify-hmac-sha256"].clone());
            headers.insert("shopify-topic", HeaderValue::from_static("Order"));
            headers.insert("shopify-webhook-id", id.parse().unwrap());
            if beside {
                headers.extend(signed.clone());
                headers.insert("x-shopify-topic", HeaderValue::from_static("orders/create"));
            }
            endpoint.send(headers, body).await.assert_acknowledged();
        }
        assert_eq!(endpoint.seen(), ["Product.update"; 2], "{beside}");
    }
}

// ---- Slack ----

#[tokio::test]
async fn one_slack_event_id_of_two_apps_is_two_events() {
    let endpoint = Endpoint::new(Slack::new(SECRET).unwrap());
    for app in ["A1", "A2", "A1"] {
        let body = json!({
            "api_app_id": app,
            "event_id": "Ev1",
            "event_time": NOW,
            "event": {"type": "message"},
        });
        endpoint
            .post(body.to_string().as_bytes(), &[])
            .await
            .assert_acknowledged();
    }
    assert_eq!(endpoint.seen(), ["message"; 2]);
}

// ---- bodies without a topic ----

#[tokio::test]
async fn a_body_without_a_type_is_an_event_without_a_topic_and_goes_to_the_fallback() {
    for body in [
        r#"{"event_type":"a","event_id":"e"}"#,
        r#"{"type":7}"#,
        r#"{"type":null,"data":{}}"#,
        r#"{"type":""}"#,
    ] {
        let endpoint = Endpoint::on(Svix::new(BASE64_SECRET).unwrap(), &["a"]);
        let secrets = Secrets::new(BASE64_SECRET).unwrap();
        for _ in 0..2 {
            let headers = endpoint.scheme.sign_at(&secrets, "msg_1", at(NOW), body.as_bytes());
            endpoint
                .send(headers.unwrap(), body.as_bytes())
                .await
                .assert_acknowledged();
        }
        assert_eq!(endpoint.seen(), [""], "{body}");
    }
}

// ---- Linear ----

fn linear() -> Endpoint<Linear> {
    Endpoint::new(Linear::new(SECRET).unwrap())
}

/// An update of an issue that was signed so many milliseconds after [`NOW`].
fn issue(milliseconds: i64) -> String {
    let sent = i64::try_from(NOW).unwrap() * 1000 + milliseconds;
    issue_of(&json!(sent))
}

fn issue_of(sent: &Value) -> String {
    json!({
        "action": "update",
        "createdAt": "2023-11-14T22:13:19.120Z",
        "data": {"id": "2b6f6a51", "title": "Pump 3 stops"},
        "type": "Issue",
        "webhookTimestamp": sent,
        "webhookId": "f3a8a1de",
    })
    .to_string()
}

async fn linear_post(endpoint: &Endpoint<Linear>, body: &str, event: &str, delivery: &str) -> Answer {
    let headers = [("linear-event", event), ("linear-delivery", delivery)];
    endpoint.post(body.as_bytes(), &headers).await
}

/// JSON has one kind of number: whole milliseconds may be printed with a point or an exponent.
#[tokio::test]
async fn a_linear_time_of_whole_milliseconds_counts_however_it_is_printed() {
    for (printed, status) in [
        ("1700000000000.0", 200),
        ("1.7e12", 200),
        ("1700000000000.5", 401),
        ("1e300", 401),
    ] {
        let endpoint = linear();
        let body = issue_of(&json!("TIME")).replace("\"TIME\"", printed);
        let answer = linear_post(&endpoint, &body, "Issue", "1").await;
        assert_eq!(answer.status.as_u16(), status, "{printed}");
    }
}

#[tokio::test]
async fn a_linear_delivery_under_a_new_delivery_id_runs_nothing_a_second_time_in_strict_mode() {
    let endpoint = Endpoint::strict(Linear::new(SECRET).unwrap());
    for delivery in ["1", "1", "2", ""] {
        linear_post(&endpoint, &issue(0), "Issue", delivery)
            .await
            .assert_acknowledged();
    }
    endpoint.post(issue(0).as_bytes(), &[]).await.assert_acknowledged();
    assert_eq!(endpoint.seen(), ["Issue.update"]);
}

/// Linear resends the first bytes, with the first time in them.
#[tokio::test]
async fn a_linear_retry_with_the_first_bytes_is_handled_hours_later() {
    for minutes in [1, 61, 421] {
        let endpoint = linear();
        endpoint.clock.set(at(NOW + minutes * 60));
        for _ in 0..2 {
            linear_post(&endpoint, &issue(0), "Issue", "1")
                .await
                .assert_acknowledged();
        }
        assert_eq!(endpoint.seen(), ["Issue.update"], "{minutes}");
    }
}

#[tokio::test]
async fn two_linear_events_with_one_body_both_run() {
    let endpoint = linear();
    for delivery in ["1", "2", "1"] {
        linear_post(&endpoint, &issue(0), "Issue", delivery)
            .await
            .assert_acknowledged();
    }
    assert_eq!(endpoint.seen(), ["Issue.update"; 2]);
}

#[tokio::test]
async fn a_linear_retry_that_was_sent_anew_is_a_duplicate() {
    let endpoint = linear();
    linear_post(&endpoint, &issue(0), "Issue", "1")
        .await
        .assert_acknowledged();
    for minutes in [1, 60, 360] {
        endpoint.clock.set(at(NOW + minutes * 60));
        let retry = issue(i64::try_from(minutes).unwrap() * 60_000);
        linear_post(&endpoint, &retry, "Issue", "1").await.assert_acknowledged();
    }
    assert_eq!(endpoint.seen(), ["Issue.update"]);
    // What differs in anything else is another event.
    let other = issue(360 * 60_000).replace("Pump 3", "Pump 4");
    linear_post(&endpoint, &other, "Issue", "1").await.assert_acknowledged();
    assert_eq!(endpoint.seen(), ["Issue.update", "Issue.update"]);
}

#[tokio::test]
async fn a_linear_event_header_that_disagrees_with_the_body_is_refused() {
    let endpoint = linear();
    for event in ["Comment", "issue", "Issue.update", "IssueLabel", ""] {
        linear_post(&endpoint, &issue(0), event, "1")
            .await
            .assert_refused(400, RefusalKind::NotAnEvent);
    }
    let two = [("linear-event", "Issue"), ("linear-event", "Comment")];
    let answer = endpoint.post(issue(0).as_bytes(), &two).await;
    answer.assert_refused(400, RefusalKind::NotAnEvent);
    endpoint.assert_untouched();
}

#[tokio::test]
async fn a_linear_delivery_that_was_signed_too_long_ago_or_ahead_is_401_like_any_other() {
    let minute = 60_000;
    let window = Duration::from_secs(60);
    let endpoint = Endpoint::new(Linear::new(SECRET).unwrap().with_tolerance(window));
    for milliseconds in [-minute - 1000, minute + 1000, -10 * minute, 1_000_000 * minute] {
        let answer = linear_post(&endpoint, &issue(milliseconds), "Issue", "1").await;
        endpoint.assert_unauthorized(&answer);
    }
    // A header with a fresh time decides nothing.
    let now = (NOW * 1000).to_string();
    let old = issue(-2 * minute);
    let answer = endpoint.post(old.as_bytes(), &[("linear-timestamp", &now)]).await;
    endpoint.assert_unauthorized(&answer);
    // Nor is a body without a time, or with one in another form, good for ever.
    let text = json!(now);
    for sent in [
        Value::Null,
        text,
        json!(-1),
        json!([now]),
        json!({}),
        json!(true),
        json!(NOW),
    ] {
        let body = issue_of(&sent);
        endpoint.assert_unauthorized(&linear_post(&endpoint, &body, "Issue", "1").await);
    }
    let without = issue(0).replace("webhookTimestamp", "webhookTime");
    endpoint.assert_unauthorized(&linear_post(&endpoint, &without, "Issue", "1").await);
    endpoint.assert_untouched();
    // The time twice is no event.
    let twice = issue(0).replacen('{', &format!("{{\"webhookTimestamp\":{now},"), 1);
    let answer = linear_post(&endpoint, &twice, "Issue", "1").await;
    answer.assert_refused(400, RefusalKind::NotAnEvent);
    endpoint.assert_untouched();
    // A minute to either side is fine, and a fresh header's value is not needed for it.
    for (number, milliseconds) in [-minute, minute, 0, -minute - 999, minute + 999]
        .into_iter()
        .enumerate()
    {
        let body = issue(milliseconds).replace("Pump 3", &format!("Pump {number}"));
        let answer = linear_post(&endpoint, &body, "Issue", "1").await;
        let expected = if number == 3 { 401 } else { 200 };
        assert_eq!(answer.status.as_u16(), expected, "{milliseconds}");
    }
}

#[tokio::test]
async fn linears_tolerance_can_be_as_long_as_its_retries() {
    let hours = Duration::from_secs(7 * 3600 + 5 * 60);
    let endpoint = Endpoint::new(Linear::new(SECRET).unwrap().with_tolerance(hours));
    endpoint.clock.set(at(NOW) + hours);
    linear_post(&endpoint, &issue(0), "Issue", "1")
        .await
        .assert_acknowledged();
    endpoint.clock.set(at(NOW + 1) + hours);
    let answer = linear_post(&endpoint, &issue(0), "Issue", "1").await;
    endpoint.assert_unauthorized(&answer);
    assert_eq!(endpoint.seen(), ["Issue.update"]);
}

// ---- providers whose id is signed ----

/// Every provider's event with this id, as its documents show one.
fn event_of(provider: &str, id: &str, more: &str) -> Option<String> {
    let body = match provider {
        "stripe" => {
            json!({"id": id, "type": "payout.paid", "created": NOW, "pending_webhooks": more, "data": {"object": {}}})
        }
        "square" => {
            json!({"event_id": id, "type": "payment.updated", "created_at": "2023-11-14T22:13:19Z", "data": {"more": more}})
        }
        "paddle" => {
            json!({"event_id": id, "event_type": "payout.paid", "occurred_at": "2023-11-14T22:13:19Z", "notification_id": more})
        }
        "slack" => {
            json!({"event_id": id, "type": "event_callback", "event_time": NOW, "event": {"type": "message"}, "more": more})
        }
        "standard-webhooks" | "svix" => {
            json!({"type": "invoice.paid", "timestamp": "2023-11-14T22:13:19Z", "data": more})
        }
        _ => return None,
    };
    Some(body.to_string())
}

/// Retries, each signed anew, are one event; another id is another one.
async fn assert_retries_are_one_event<P: Provider>(provider: P) {
    let name = provider.name().to_owned();
    let scheme = provider.verifier().scheme().unwrap().clone();
    let secrets = Secrets::new(if scheme.signs_id() { BASE64_SECRET } else { SECRET }).unwrap();
    let endpoint = Endpoint::new(provider);
    let send = async |id: &str, more: &str| {
        let now = tower_webhook::clock::Clock::now(&endpoint.clock);
        let body = event_of(&name, id, more).unwrap();
        let headers = scheme.sign_at(&secrets, id, now, body.as_bytes()).unwrap();
        endpoint.send(headers, body.as_bytes()).await
    };
    send("evt_1", "1").await.assert_acknowledged();
    for minutes in [5, 60] {
        endpoint.clock.set(at(NOW + minutes * 60));
        send("evt_1", "1").await.assert_acknowledged();
        // The same event, and its body says more.
        send("evt_1", "0").await.assert_acknowledged();
    }
    assert_eq!(endpoint.seen().len(), 1, "{name}");
    send("evt_2", "1").await.assert_acknowledged();
    assert_eq!(endpoint.seen().len(), 2, "{name}");
}

const BASE64_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[tokio::test]
async fn a_retry_that_was_signed_anew_is_a_duplicate() {
    assert_retries_are_one_event(Stripe::new(SECRET).unwrap()).await;
    assert_retries_are_one_event(Square::new(SQUARE_URL, SECRET).unwrap()).await;
    assert_retries_are_one_event(Paddle::new(SECRET).unwrap()).await;
    assert_retries_are_one_event(Slack::new(SECRET).unwrap()).await;
    assert_retries_are_one_event(StandardWebhooks::new(BASE64_SECRET).unwrap()).await;
    assert_retries_are_one_event(Svix::new(BASE64_SECRET).unwrap()).await;
}

// ---- several providers of one specification ----

#[tokio::test]
async fn an_id_of_one_provider_is_not_taken_for_an_id_of_another_under_its_own_name() {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let named = |name: &'static str| StandardWebhooks::new(secret).unwrap().with_name(name);
    assert_eq!((named("acme").name(), named("pumps").name()), ("acme", "pumps"));
    assert_eq!(Svix::new(secret).unwrap().with_name("clerk").name(), "clerk");

    // Without a time in the body, another body under the same id is another event.
    let provider = StandardWebhooks::new(secret).unwrap();
    let event = |body: &'static str| {
        let headers = provider.verifier().sign_at("1", at(NOW), body.as_bytes()).unwrap();
        provider.event(&headers, &body.into()).unwrap()
    };
    let (one, other) = (event(r#"{"type":"a","data":1}"#), event(r#"{"type":"a","data":2}"#));
    assert_eq!(one.id(), other.id());
    use tower_webhook::event::Event as _;
    assert_ne!(one.fingerprint(), other.fingerprint());
}
