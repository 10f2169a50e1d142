//! Who shares a store and a namespace: what is warned of at start, and what is not.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_webhook::{
    MemoryStore, TopicRouter, WebhookLayer,
    dwolla::{Dwolla, Event, Topic},
    github::GitHub,
    layer::{RequestBody, ResponseBody, WebhookService},
    signature::Secrets,
    store::{AnyStore, IdempotencyStore},
    testing::{self, FaultyStore},
};

use crate::logs::Capture;

const OURS: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const THEIRS: &str = "0f1d93a6c0b1444baa21d3e8f5a47c99";
const NEXT: &str = "c1d5a9c22e7b4ffd8a31f0be6d1c7e42";

fn layer<S: IdempotencyStore>(secrets: &[&str], store: S) -> WebhookLayer<Dwolla, S> {
    WebhookLayer::new(dwolla(secrets), store)
}

fn named<S: IdempotencyStore>(namespace: &str, store: S) -> WebhookLayer<Dwolla, S> {
    let builder = WebhookLayer::builder(dwolla(&[OURS]), store);
    builder.namespace(namespace).build().unwrap()
}

fn dwolla(secrets: &[&str]) -> Dwolla {
    Dwolla::new(Secrets::several(secrets.iter().copied()).unwrap()).unwrap()
}

async fn books(_: Event) {}

async fn mails(_: Event) {}

fn books_created() -> TopicRouter<Event> {
    TopicRouter::new().on(Topic::CustomerCreated, books)
}

fn mails_created() -> TopicRouter<Event> {
    TopicRouter::new().on(Topic::CustomerCreated, mails)
}

/// The warnings, one each.
#[track_caller]
fn warnings(capture: &Capture) -> Vec<String> {
    let text = capture.text();
    let lines = text.lines().filter(|line| line.starts_with("WARN"));
    lines
        .map(|line| line.split_once("message=").unwrap().1.to_owned())
        .collect()
}

#[track_caller]
fn assert_silent(capture: &Capture) {
    assert_eq!(warnings(capture), Vec::<String>::new());
}

/// `file:line:column` of these lines, as the log names them.
fn at(line: u32, column: u32) -> String {
    format!("{}:{line}:{column}", file!())
}

async fn deliver<H>(service: WebhookService<Dwolla, MemoryStore, H>, secret: &str, id: &str) -> StatusCode
where
    WebhookService<Dwolla, MemoryStore, H>:
        tower::Service<Request<Full<Bytes>>, Response = Response<ResponseBody>, Error = std::convert::Infallible>,
{
    let body = format!(r#"{{"id":"{id}","topic":"customer_created","created":"2019-02-04T14:58:45.144Z"}}"#);
    let secrets = Secrets::new(secret).unwrap();
    let request = testing::signed_request(&tower_webhook::dwolla::scheme(), &secrets, body).unwrap();
    service.oneshot(request).await.unwrap().status()
}

#[tokio::test]
async fn two_tenants_in_one_namespace_are_warned_of_since_one_can_swallow_the_others_events() {
    let capture = Capture::start();
    let store = MemoryStore::new();
    let ran = Arc::new(AtomicUsize::new(0));
    let router = TopicRouter::with_state(Arc::clone(&ran)).on(
        Topic::CustomerCreated,
        async |ran: Arc<AtomicUsize>, _: Event| {
            ran.fetch_add(1, Ordering::SeqCst);
        },
    );
    let (first, a) = (line!(), WebhookLayer::new(dwolla(&[OURS]), store.clone()));
    let (second, b) = (line!(), WebhookLayer::new(dwolla(&[THEIRS]), store.clone()));
    assert_eq!(
        warnings(&capture),
        [format!(
            "two layers share the namespace `dwolla` of MemoryStore, and have no secret in common: the dwolla layer built at {} and the \
             dwolla layer built at {}. An event that comes to one under an id that the other has handled is a duplicate: it gets \
             200, and no handler runs. Set a `namespace` of its own for each; if one secret replaces the other, give both secrets to one \
             layer",
            at(first, 32),
            at(second, 33),
        )]
    );
    // What it warns of is so: B's event gets 200 and is never handled.
    assert_eq!(deliver(a.topics(router.clone()), OURS, "1").await, StatusCode::OK);
    assert_eq!(deliver(b.topics(router), THEIRS, "1").await, StatusCode::OK);
    assert_eq!(ran.load(Ordering::SeqCst), 1);
    assert_eq!(warnings(&capture).len(), 1, "of the handlers nothing more");
}

#[test]
fn two_endpoints_with_different_handlers_for_a_topic_are_warned_of() {
    let capture = Capture::start();
    let store = MemoryStore::new();
    let (a, b) = (layer(&[OURS], store.clone()), layer(&[OURS], store));
    assert_silent(&capture);
    let (first, _a) = (line!(), a.topics(books_created()));
    let (second, _b) = (line!(), b.topics(mails_created()));
    assert_eq!(
        warnings(&capture),
        [format!(
            "two endpoints of dwolla share the namespace `dwolla` of MemoryStore, and have different handlers for `customer_created`: the one \
             of {} and the one of {}. An event that comes to both is handled by the first that claims it; for the other it is a \
             duplicate, whose handler does not run. Set a `namespace` of its own for each; if they are one endpoint, make both of one \
             layer and one router",
            at(first, 35),
            at(second, 36),
        )]
    );
}

#[test]
fn so_are_two_of_one_layer() {
    let capture = Capture::start();
    let layer = layer(&[OURS], MemoryStore::new());
    let _services = (layer.topics(books_created()), layer.clone().topics(mails_created()));
    assert_eq!(warnings(&capture).len(), 1);
}

#[test]
fn so_are_fallbacks_and_beginnings_that_meet() {
    let routers = || TopicRouter::<Event>::new();
    let pairs = [
        ("every topic", routers().fallback(books), routers().fallback(mails)),
        (
            "`customer_created`",
            routers().fallback(books),
            routers().on("customer_created", mails),
        ),
        (
            "`external_party.funding_source:created`",
            routers().on("external_party", books),
            routers().on("external_party.funding_source:created", mails),
        ),
    ];
    for (topic, ours, theirs) in pairs {
        for (first, second) in [(ours.clone(), theirs.clone()), (theirs, ours)] {
            let capture = Capture::start();
            let layer = layer(&[OURS], MemoryStore::new());
            let _services = (layer.topics(first), layer.topics(second));
            let warnings = warnings(&capture);
            assert_eq!(warnings.len(), 1, "{topic}");
            assert!(
                warnings[0].contains(&format!("different handlers for {topic}: ")),
                "{warnings:?}"
            );
        }
    }
}

#[test]
fn endpoints_that_share_no_topic_are_none_of_each_others_business() {
    let capture = Capture::start();
    let layer = layer(&[OURS], MemoryStore::new());
    let _services = (
        layer.topics(books_created()),
        layer.topics(TopicRouter::new().on(Topic::CustomerVerified, mails)),
        layer.topics(TopicRouter::<Event>::new()),
    );
    assert_silent(&capture);
}

#[test]
fn one_endpoint_behind_two_routes_is_no_reason_to_warn() {
    let capture = Capture::start();
    let store = MemoryStore::new();
    let router = books_created();
    let one = layer(&[OURS], store.clone());
    // of one layer, of its clone, of another layer with the same secrets, and with a router that
    // was made again of the same functions
    let _services = (
        one.topics(router.clone()),
        one.clone().topics(router.clone()),
        layer(&[OURS], store.clone()).topics(router),
        layer(&[OURS], store).topics(books_created()),
    );
    assert_silent(&capture);
}

#[test]
fn secrets_that_replace_each_other_share_a_namespace() {
    let capture = Capture::start();
    let store = MemoryStore::new();
    let _layers = [
        layer(&[OURS], store.clone()),
        layer(&[NEXT, OURS], store.clone()),
        layer(&[NEXT], store.clone()),
    ];
    assert_silent(&capture);
    // and those of a layer that rotations them are compared as they are then
    let rotated = layer(&[OURS], store.clone());
    rotated.secrets_handle().rotate(THEIRS).unwrap();
    let _next = layer(&[THEIRS], store.clone());
    assert_silent(&capture);
}

#[test]
fn a_namespace_or_a_store_of_its_own_is_enough() {
    let capture = Capture::start();
    let store = MemoryStore::new();
    let _services = (
        named("books", store.clone()).topics(books_created()),
        named("mails", store).topics(mails_created()),
        named("books", MemoryStore::new()).topics(mails_created()),
    );
    assert_silent(&capture);
    let store = MemoryStore::new();
    let _layers = (
        layer(&[OURS], store.clone()),
        WebhookLayer::new(GitHub::new(THEIRS).unwrap(), store),
    );
    assert_silent(&capture);
}

#[test]
fn two_providers_in_one_namespace_are_named() {
    let capture = Capture::start();
    let store = MemoryStore::new();
    let _dwolla = named("payments", store.clone());
    let github = WebhookLayer::builder(GitHub::new(THEIRS).unwrap(), store);
    let _github = github.namespace("payments").build().unwrap();
    let warnings = warnings(&capture);
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].contains("`payments`")
            && warnings[0].contains("the dwolla layer")
            && warnings[0].contains("the github layer"),
        "{warnings:?}"
    );
}

#[test]
fn what_has_gone_is_shared_with_nobody() {
    let capture = Capture::start();
    let store = MemoryStore::new();
    drop(layer(&[THEIRS], store.clone()));
    let ours = layer(&[OURS], store.clone());
    drop(ours.topics(mails_created()));
    let service = ours.topics(books_created());
    drop(ours);
    assert_silent(&capture);
    // but a service outlives its layer
    let _theirs = layer(&[THEIRS], store.clone());
    assert_eq!(warnings(&capture).len(), 1);
    drop(service);
}

#[test]
fn a_thousand_tenants_made_by_one_line_are_one_warning() {
    let capture = Capture::start();
    let store = MemoryStore::new();
    let tenants = |tenant: u32| {
        let layer = layer(&[&format!("a secret of tenant {tenant}")], store.clone());
        let service = layer.topics(books_created());
        (layer, service)
    };
    let _layers: Vec<_> = (0..1000).map(tenants).collect();
    assert_eq!(warnings(&capture).len(), 1);
}

#[test]
fn http_services_of_one_layer_are_one_endpoint_and_those_of_two_are_two() {
    let capture = Capture::start();
    let store = MemoryStore::new();
    let service =
        || service_fn(async |_: Request<RequestBody>| Ok::<_, String>(Response::new(Full::<Bytes>::default())));
    let one = WebhookLayer::new(dwolla(&[OURS]), store.clone());
    // as axum does for each route, and for each request
    let _services = (one.layer(service()), one.layer(service()), one.clone().layer(service()));
    // as where each thread has an app of its own
    let _apps: Vec<_> = (0..4)
        .map(|_| layer(&[OURS], MemoryStore::new()).layer(service()))
        .collect();
    let shared = MemoryStore::new();
    let _threads: Vec<_> = (0..4)
        .map(|_| layer(&[OURS], shared.clone()).layer(service()))
        .collect();
    assert_silent(&capture);

    let other = WebhookLayer::new(dwolla(&[OURS]), store.clone());
    assert_silent(&capture);
    let _other = (other.layer(service()), other.layer(service()));
    let said = warnings(&capture);
    assert_eq!(said.len(), 1);
    assert!(said[0].contains("different handlers for every topic: "), "{said:?}");
}

#[test]
fn topic_handlers_and_an_http_service_are_two_endpoints_in_either_order() {
    let service =
        || service_fn(async |_: Request<RequestBody>| Ok::<_, String>(Response::new(Full::<Bytes>::default())));
    for http_first in [true, false] {
        let capture = Capture::start();
        let layer = layer(&[OURS], MemoryStore::new());
        let _services = if http_first {
            let http = layer.layer(service());
            (layer.topics(books_created()), http)
        } else {
            (layer.topics(books_created()), layer.layer(service()))
        };
        let said = warnings(&capture);
        assert_eq!(said.len(), 1, "{http_first}");
        assert!(
            said[0].contains("different handlers for `customer_created`: "),
            "{said:?}"
        );
    }
}

#[test]
fn a_store_behind_others_is_the_same_store() {
    let capture = Capture::start();
    let store = MemoryStore::new();
    let _first = layer(&[OURS], store.clone());
    let _others = (
        layer(&[THEIRS], Arc::new(store.clone())),
        layer(&[THEIRS], AnyStore::new(store.clone())),
        layer(&[THEIRS], FaultyStore::new(store.clone())),
    );
    // each of them is built at the line of `layer`
    assert_eq!(warnings(&capture).len(), 1);
    for identity in [
        Arc::new(store.clone()).identity(),
        AnyStore::new(store.clone()).identity(),
        FaultyStore::new(store.clone()).identity(),
    ] {
        assert_eq!(identity, store.identity());
    }
}

#[test]
fn a_layer_names_the_store_that_it_shares() {
    let layer = layer(&[OURS], MemoryStore::new());
    let debug = format!("{layer:?}");
    assert!(
        debug.contains("StoreIdentity") && debug.contains("\"MemoryStore\""),
        "{debug}"
    );
}

#[test]
fn no_secret_is_in_a_warning() {
    let capture = Capture::start();
    let store = MemoryStore::new();
    let _layers = (layer(&[OURS], store.clone()), layer(&[THEIRS], store));
    let text = capture.text();
    assert!(
        text.contains("WARN") && !text.contains(OURS) && !text.contains(THEIRS),
        "{text}"
    );
}
