//! The other ways in and out: events that are handed in, an inbox and its worker, the log, the
//! metrics.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use http::HeaderMap;
use tokio::time::sleep;
use tower::ServiceExt as _;
use tower_webhook::{
    Delivery, HandlerError, MemoryStore, Outcome, RefusalKind, TopicRouter, WebhookLayer,
    delivery_log::MemoryLog,
    dwolla::{self, Dwolla},
    event::{EventId, Tenant},
    inbox::{Deposit, Inbox as _, InboxAdmin as _, Worker},
    layer::Processor,
    provider::{
        Provider as _,
        tenant::{PerTenant, TenantOf},
    },
    store::{IdempotencyStore as _, Key, Replayed, Stage, State},
    testing::MemoryInbox,
};

use super::{Provider, Source, SourceBehaviour, TENANT, TenantEndpoint, secret, signed_for};
use crate::endpoint::{Answer, BoxService, Event, event};

fn tenant(name: &str) -> Tenant {
    Tenant::new(name).unwrap()
}

fn key(name: &str, id: &str) -> Key {
    Key::new("dwolla", tenant(name).id_of(&EventId::new(id).unwrap()))
}

fn provider(source: &Source) -> Provider {
    Dwolla::reader()
        .per_tenant(TenantOf::header(TENANT), source.clone())
        .unwrap()
}

fn fetched(id: &str) -> Event {
    dwolla::Event::from_json(event(id).as_bytes()).unwrap()
}

/// The headers that a provider's API has kept of a request.
fn recorded(name: &str, id: &str) -> HeaderMap {
    signed_for(name, &secret(name), id).headers().clone()
}

/// Both doors of a layer with tenants.
fn doors(source: &Source) -> (BoxService, Processor<Event>, MemoryStore) {
    let store = MemoryStore::builder().capacity(100).build();
    let layer = WebhookLayer::new(provider(source), store.clone());
    let topics = TopicRouter::new().on("customer_created", async |tenant: Tenant, event: Event| {
        assert!(tenant.as_str() == "acme", "{tenant}: {}", event.id());
    });
    (
        BoxService::new(layer.topics(topics.clone())),
        layer.processor(topics),
        store,
    )
}

async fn send(service: &BoxService, name: &str, id: &str) -> Answer {
    let request = signed_for(name, &secret(name), id);
    Answer::of(service.clone().oneshot(request).await.unwrap()).await
}

#[tokio::test(start_paused = true)]
async fn an_event_is_handed_in_for_its_tenant_and_for_nobody() {
    let source = Source::of(&["acme"]);
    let (service, processor, store) = doors(&source);
    for outcome in [
        processor.process(fetched("1")).await,
        processor.process_raw(fetched("1"), event("1")).await,
    ] {
        let Outcome::Refused(refusal) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(refusal.kind(), RefusalKind::NotAnEvent);
        assert!(
            refusal
                .reason()
                .contains("expected one: hand it in through `Processor::of`"),
            "{refusal}"
        );
    }
    let plain = Key::new("dwolla", EventId::new("1").unwrap());
    assert!(store.get(&plain).await.unwrap().is_none());

    let acme = processor.of(&tenant("acme"));
    assert_eq!(acme.process(fetched("1")).await, Outcome::Handled);
    assert!(store.get(&key("acme", "1")).await.unwrap().is_some());
    let delivered = send(&service, "acme", "1").await;
    assert_eq!(delivered.outcome.unwrap().as_str(), "duplicate");
    assert_eq!(source.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_layer_without_tenants_takes_no_event_of_one() {
    let layer = WebhookLayer::new(Dwolla::new("a secret of an endpoint").unwrap(), MemoryStore::new());
    let processor = layer.processor(TopicRouter::new().on("customer_created", async |_: Event| ()));
    let acme = processor.of(&tenant("acme"));
    for outcome in [
        acme.process(fetched("1")).await,
        acme.process_request(HeaderMap::new(), event("1")).await,
    ] {
        assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
    }
    assert_eq!(processor.process(fetched("1")).await, Outcome::Handled);
}

#[tokio::test(start_paused = true)]
async fn a_recorded_request_is_verified_with_its_tenants_secrets() {
    let source = Source::of(&["acme"]);
    let (_, processor, store) = doors(&source);
    let outcome = |headers, id| processor.process_request(headers, event(id));
    assert_eq!(outcome(recorded("acme", "1"), "1").await, Outcome::Handled);
    assert!(store.get(&key("acme", "1")).await.unwrap().is_some());
    // Somebody else's, nobody's, and changed.
    let mut posing = recorded("umbrella", "2");
    posing.insert(TENANT, "acme".parse().unwrap());
    assert_eq!(outcome(posing, "2").await.as_str(), "signature");
    assert_eq!(outcome(recorded("nobody", "2"), "2").await.as_str(), "signature");
    assert_eq!(outcome(recorded("acme", "2"), "3").await.as_str(), "signature");
    let mut nameless = recorded("acme", "2");
    nameless.remove(TENANT);
    assert_eq!(outcome(nameless.clone(), "2").await.as_str(), "signature");
    // Where the request does not say whose it is, whoever hands it in does.
    let acme = processor.of(&tenant("acme"));
    assert_eq!(acme.process_request(nameless, event("2")).await, Outcome::Handled);
    source.feels(SourceBehaviour::Hangs);
    let other = processor.of(&tenant("other"));
    assert_eq!(
        other.process_request(recorded("other", "4"), event("4")).await.as_str(),
        "tenants"
    );
}

/// What a worker has handled, as tenant and id.
type Handled = Arc<Mutex<Vec<(String, String)>>>;

fn keeping(handled: &Handled) -> TopicRouter<Event> {
    let handled = Arc::clone(handled);
    TopicRouter::new().on("customer_created", move |delivery: Delivery<Event>, tenant: Tenant| {
        assert_eq!(delivery.tenant(), Some(&tenant));
        let entry = (tenant.to_string(), delivery.event().id().as_str().to_owned());
        handled.lock().unwrap().push(entry);
        async { Ok::<(), HandlerError>(()) }
    })
}

#[tokio::test(start_paused = true)]
async fn a_stored_delivery_is_its_tenants_for_every_worker_and_operator() {
    let source = Source::of(&["acme", "umbrella"]);
    let store = MemoryInbox::new();
    let layer = WebhookLayer::new(provider(&source), store.clone());
    let service = BoxService::new(layer.inbox());
    for name in ["acme", "umbrella", "acme"] {
        send(&service, name, "1").await.assert_acknowledged();
    }
    send(&service, "nobody", "1")
        .await
        .assert_refused(401, RefusalKind::Signature);
    // An event that a reconciler has fetched.
    let missed = Deposit::fetched("dwolla", &fetched("2"), event("2"))
        .unwrap()
        .of_tenant(&tenant("acme"));
    store.deposit(&missed).await.unwrap();

    let letter = store.letter(&key("acme", "1")).await.unwrap().unwrap();
    assert_eq!(letter.entry.stage, Stage::Waiting);
    assert!(
        store
            .letter(&Key::new("dwolla", EventId::new("1").unwrap()))
            .await
            .unwrap()
            .is_none()
    );

    let handled = Handled::default();
    let worker = layer.worker(keeping(&handled)).start();
    sleep(Duration::from_secs(1)).await;
    drop(worker.drain(Duration::from_secs(1)).await);
    let mut seen = std::mem::take(&mut *handled.lock().unwrap());
    seen.sort();
    let entry = |name: &str, id: &str| (name.to_owned(), id.to_owned());
    assert_eq!(seen, [entry("acme", "1"), entry("acme", "2"), entry("umbrella", "1")]);

    // Again, by an operator, in a process that knows no secrets.
    assert_eq!(store.replay(&key("acme", "1")).await.unwrap(), Replayed::Applied);
    let reader = PerTenant::reader(Dwolla::reader()).unwrap();
    let worker = Worker::new(reader, store.clone(), keeping(&handled)).start();
    sleep(Duration::from_secs(1)).await;
    drop(worker.drain(Duration::from_secs(1)).await);
    assert_eq!(*handled.lock().unwrap(), [entry("acme", "1")]);
    let record = store.get(&key("umbrella", "1")).await.unwrap().unwrap();
    assert!(matches!(record.state, State::Done { .. }));
    store.forget(&key("umbrella", "1")).await.unwrap();
    assert!(store.get(&key("umbrella", "1")).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_was_stored_under_no_tenant_is_run_for_nobody() {
    let store = MemoryInbox::new();
    let layer = WebhookLayer::new(provider(&Source::of(&["acme"])), store.clone());
    let deposit = Deposit::fetched("dwolla", &fetched("1"), event("1")).unwrap();
    store.deposit(&deposit).await.unwrap();
    let topics = TopicRouter::new().on("customer_created", async |event: Event| {
        assert!(event.id().as_str().is_empty(), "it ran");
    });
    let worker = layer.worker(topics).start();
    sleep(Duration::from_secs(1)).await;
    let _ = worker.drain(Duration::from_secs(1)).await;
    let letter = store.letter(&deposit.key).await.unwrap().unwrap();
    assert_eq!(letter.entry.stage, Stage::Dead);
    let why = &letter.history.last().unwrap().attempt.error;
    assert!(why.starts_with("its key names no tenant"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_asks_for_a_tenant_fails_where_there_is_none() {
    let topics = TopicRouter::new().on("customer_created", async |_: Tenant, _: Event| ());
    let layer = WebhookLayer::new(Dwolla::new("a secret of an endpoint").unwrap(), MemoryStore::new());
    let outcome = layer.processor(topics).process(fetched("1")).await;
    let Outcome::Refused(refusal) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(
        refusal.reason().contains("no tenant; expected a layer with tenants"),
        "{refusal}"
    );
}

#[cfg(feature = "tracing")]
#[tokio::test(start_paused = true)]
async fn a_tenants_secret_that_can_be_guessed_is_warned_of_when_it_is_looked_up() {
    let capture = crate::logs::Capture::start();
    let source = Source::of(&["acme"]);
    source.set("acme", &["short"]);
    let (service, ..) = doors(&source);
    let request = signed_for("acme", "short", "1");
    let response = service.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let text = capture.text();
    let warning = "a secret of the tenant acme has 5 bytes; expected at least 16";
    assert!(text.contains(warning), "{text}");
}

#[cfg(feature = "tracing")]
#[tokio::test(start_paused = true)]
async fn the_log_says_whose_delivery_it_is_and_why_a_tenant_is_unknown() {
    let capture = crate::logs::Capture::start();
    let source = Source::of(&["acme"]);
    let (service, processor, _) = doors(&source);
    send(&service, "acme", "1").await.assert_acknowledged();
    let text = capture.text();
    assert!(text.contains("tenant=\"acme\"") && text.contains("id=acme/1"), "{text}");
    send(&service, "nobody", "1").await;
    let text = capture.text();
    assert!(
        text.contains("tenant=\"nobody\"") && text.contains("names a tenant that the source"),
        "{text}"
    );
    assert!(text.contains("signature=\"tenant\""), "{text}");
    let _ = processor.of(&tenant("acme")).process(fetched("2")).await;
    assert!(capture.text().contains("id=acme/2"));

    source.feels(SourceBehaviour::Fails);
    send(&service, "other", "1").await;
    let text = capture.text();
    assert!(
        text.contains("the secrets of the tenant `other` could not be looked up, and its deliveries get 503"),
        "{text}"
    );
    // The one of a known tenant, which is served: told too, but not each time.
    tokio::time::advance(Duration::from_secs(70)).await;
    send(&service, "acme", "3").await.assert_acknowledged();
    let text = capture.text();
    assert!(
        text.contains("those from before serve meanwhile: the source of secrets failed: the database is away"),
        "{text}"
    );
    assert!(!text.contains("the secret of"), "{text}");
    // At most each ten seconds, however many ask.
    for name in ["a", "b", "c"] {
        send(&service, name, "1").await;
    }
    assert_eq!(capture.text().matches("could not be looked up, and").count(), 2);
}

#[cfg(feature = "metrics")]
#[tokio::test(start_paused = true)]
async fn metrics_have_a_label_for_tenants_where_it_is_asked_for_and_none_for_strangers() {
    use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
    for is_counted in [false, true] {
        let recorder: &'static PrometheusRecorder = Box::leak(Box::new(PrometheusBuilder::new().build_recorder()));
        let _guard = metrics::set_default_local_recorder(recorder);
        let source = Source::of(&["acme"]);
        let mut builder = WebhookLayer::builder(provider(&source), MemoryStore::new());
        if is_counted {
            builder = builder.count_by_tenant();
        }
        let topics = TopicRouter::new().on("customer_created", async |_: Event| ());
        let service = BoxService::new(builder.build().unwrap().topics(topics));
        send(&service, "acme", "1").await.assert_acknowledged();
        for name in ["nobody-1", "nobody-2", "nobody-1"] {
            send(&service, name, "1").await;
        }
        let text = recorder.handle().render();
        assert_eq!(text.contains("tenant=\"acme\""), is_counted, "{text}");
        assert!(!text.contains("nobody"), "{text}");
        for line in [
            r#"webhook_tenant_lookups_total{provider="dwolla",result="found"} 1"#,
            r#"webhook_tenant_lookups_total{provider="dwolla",result="unknown"} 2"#,
            r#"reason="tenant",source="delivered"} 3"#,
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_of_the_delivery_log_says_whose_event_it_was() {
    let log = MemoryLog::new(100);
    let endpoint = TenantEndpoint::with(
        Source::of(&["acme"]),
        |provider| provider,
        |builder| builder.delivery_log(log.clone()),
    );
    endpoint.deliver("acme", "a").await.assert_acknowledged();
    assert_eq!(endpoint.status("nobody", "b").await, 401);

    let entries = crate::delivery_log::all(&log).await;
    let told: Vec<_> = entries
        .iter()
        .map(|entry| (entry.tenant.as_ref().map(Tenant::as_str), &*entry.outcome))
        .collect();
    assert_eq!(told, [(Some("acme"), "handled"), (Some("nobody"), "signature")]);
}
