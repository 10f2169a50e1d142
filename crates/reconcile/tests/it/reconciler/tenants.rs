//! Tenants of one layer, each with a reconciler of its own, over the sandbox's providers.

use std::sync::{Arc, Mutex};

use http::HeaderName;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tower_webhook::{
    Delivery, MemoryStore, Processor, TopicRouter, WebhookLayer,
    dwolla::{self, Dwolla},
    event::{Event, Tenant},
    github::GitHub,
    provider::{
        Provider,
        tenant::{BoxError, TenantOf},
    },
    signature::Secrets,
};
use tower_webhook_reconcile::{
    Error, ErrorKind, Reconciler,
    dwolla::DwollaApi,
    github::{GitHubApi, Hook},
    reconciler::{End, Ending, Report, Source},
};
use tower_webhook_sandbox::{Provider as Side, Sandbox, Settings};

use super::support::tallies;

/// Who got what: the tenant, and the body.
type Notes = Arc<Mutex<Vec<(String, String)>>>;

fn tenant(name: &str) -> Tenant {
    Tenant::new(name).unwrap()
}

fn secret_of(tenant: &str) -> String {
    format!("the secret of {tenant} alone")
}

async fn secrets(tenant: Tenant) -> Result<Option<Secrets>, BoxError> {
    Ok(Some(Secrets::new(secret_of(tenant.as_str()))?))
}

/// A layer whose tenants are named by a header, which no recorded request has.
fn door<P: Provider>(reader: P, topic: &'static str) -> (Processor<P::Event>, Notes)
where
    P::Event: Event,
{
    let notes = Notes::default();
    let noted = Arc::clone(&notes);
    let handler = move |delivery: Delivery<P::Event>| {
        let noted = Arc::clone(&noted);
        async move {
            let tenant = delivery.tenant().unwrap().to_string();
            let body = String::from_utf8(delivery.body().to_vec()).unwrap();
            noted.lock().unwrap().push((tenant, body));
        }
    };
    let named = TenantOf::header(HeaderName::from_static("x-tenant"));
    let provider = reader.per_tenant(named, secrets).unwrap();
    let layer = WebhookLayer::builder(provider, MemoryStore::new())
        .namespace("of tenants")
        .build()
        .unwrap();
    (layer.processor(TopicRouter::new().on(topic, handler)), notes)
}

async fn run<S: Source>(source: S, door: &Processor<S::Event>, of: &str) -> Report {
    Reconciler::new(source, door.of(&tenant(of))).run_once().await
}

/// What a tenant got since this was asked last, sorted.
fn got(notes: &Notes, of: &str) -> Vec<String> {
    let mut notes = notes.lock().unwrap();
    let (mine, others) = notes.drain(..).partition(|(tenant, _)| tenant == of);
    *notes = others;
    let mut mine: Vec<String> = mine.into_iter().map(|(_, body): (String, String)| body).collect();
    mine.sort();
    mine
}

async fn dwolla_of(sandbox: &Sandbox, tenant: &str) -> (DwollaApi, String) {
    let api = DwollaApi::new(&sandbox.url(Side::Dwolla), tenant, "any secret").unwrap();
    // Nobody is there: every delivery is missing.
    let subscription = api.create_subscription("http://127.0.0.1:1/", &secret_of(tenant)).await;
    (api, subscription.unwrap())
}

#[tokio::test]
async fn the_same_events_come_to_each_tenant_as_its_own() {
    // Both have a subscription to the same account: each event is recorded for both, under one id.
    let sandbox = Sandbox::start().await.unwrap();
    let (acme, of_acme) = dwolla_of(&sandbox, "acme").await;
    let (other, of_other) = dwolla_of(&sandbox, "other").await;
    let fired: Vec<String> = (0..3)
        .map(|_| {
            let event = sandbox.fire(Side::Dwolla, r#"{"topic":"customer_created"}"#).unwrap();
            String::from_utf8(event.to_vec()).unwrap()
        })
        .collect();
    let mut fired = fired;
    fired.sort();
    sandbox.idle().await;

    let (door, notes) = door(Dwolla::reader(), "customer_created");
    let report = run(acme.webhooks(&of_acme), &door, "acme").await;
    assert_eq!(tallies(&report), "handled 3", "{report:#?}");
    assert_eq!(report.tenant(), Some(&tenant("acme")));
    assert!(
        report
            .to_string()
            .starts_with(&format!("dwolla/{of_acme} of acme: complete, 3 seen")),
        "{report}"
    );
    assert_eq!(got(&notes, "acme"), fired);
    assert_eq!(got(&notes, "other"), [""; 0]);
    // What acme has is not known of the other.
    let report = run(other.webhooks(&of_other), &door, "other").await;
    assert_eq!(tallies(&report), "handled 3", "{report:#?}");
    assert_eq!(got(&notes, "other"), fired);
    for (api, subscription, of) in [(&acme, &of_acme, "acme"), (&other, &of_other, "other")] {
        assert_eq!(tallies(&run(api.webhooks(subscription), &door, of).await), "known 3");
    }
    assert!(notes.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_recorded_request_is_verified_with_its_tenants_secret_alone() {
    let sandbox = Settings::new().speed(0.0).start().await.unwrap();
    let base = sandbox.url(Side::GitHub);
    let mut hooks = Vec::new();
    for tenant in ["acme", "other"] {
        let secret = secret_of(tenant);
        let hook = format!(
            r#"{{"events":["issues"],"config":{{"url":"http://127.0.0.1:1/","content_type":"json","secret":"{secret}"}}}}"#
        );
        let id = create_hook(&sandbox, tenant, &hook).await;
        let event = format!(
            r#"{{"event":"issues","payload":{{"action":"opened","repository":{{"full_name":"{tenant}/hello"}}}}}}"#
        );
        sandbox.fire(Side::GitHub, event).unwrap();
        hooks.push((tenant, id));
    }
    sandbox.idle().await;
    let api = GitHubApi::with_options(&base, "token", tower_webhook_reconcile::Options::new()).unwrap();
    let deliveries = |tenant: &str, id: u64| api.deliveries(Hook::repository(tenant, "hello", id));
    let (door, notes) = door(GitHub::reader(), "issues.opened");
    for (tenant, id) in &hooks {
        let report = run(deliveries(tenant, *id), &door, tenant).await;
        // The ping is nobody's.
        assert_eq!(tallies(&report), "unwanted 1, handled 1", "{report:#?}");
        assert_eq!(got(&notes, tenant).len(), 1);
    }
    assert!(notes.lock().unwrap().is_empty());
    // Under another tenant's name it is not that tenant's.
    let (_, id) = hooks[0];
    let report = run(deliveries("acme", id), &door, "other").await;
    assert_eq!(tallies(&report), "unwanted 1, not-fetchable 1", "{report:#?}");
}

/// As GitHub's API is asked to make one; its id.
async fn create_hook(sandbox: &Sandbox, owner: &str, hook: &str) -> u64 {
    let request = format!(
        "POST /github/repos/{owner}/hello/hooks HTTP/1.1\r\nHost: sandbox\r\nAuthorization: Bearer token\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n{hook}",
        hook.len()
    );
    let mut stream = TcpStream::connect(sandbox.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    let (_, body) = response.split_once("\r\n\r\n").unwrap();
    let hook: serde_json::Value = serde_json::from_str(body).unwrap();
    hook["id"].as_u64().unwrap()
}

fn refusal(report: &Report) -> &Error {
    let End::Failed(error) = report.end() else {
        panic!("{report}")
    };
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!((report.seen(), report.covered_until()), (0, None));
    error
}

#[tokio::test]
async fn a_reconciler_of_no_tenant_is_refused_before_it_asks_for_anything() {
    let sandbox = Sandbox::start().await.unwrap();
    let (api, subscription) = dwolla_of(&sandbox, "acme").await;
    sandbox.fire(Side::Dwolla, r#"{"topic":"customer_created"}"#).unwrap();
    sandbox.idle().await;
    let (door, notes) = door(Dwolla::reader(), "customer_created");
    let report = Reconciler::new(api.webhooks(&subscription), door.clone())
        .run_once()
        .await;
    assert_eq!(
        refusal(&report).to_string(),
        "the layer has tenants, and the reconciler is of none; expected one tenant's source and processor: \
         `Reconciler::new(source, processor.of(&tenant))` for each"
    );
    assert!(!report.is_settled());
    assert_eq!(report.count(Ending::NotFetchable), 0);

    // Nor is one of a tenant where there are none.
    let topics = TopicRouter::new().on("customer_created", |_: dwolla::Event| async {});
    let layer = WebhookLayer::new(Dwolla::new(secret_of("acme")).unwrap(), MemoryStore::new());
    let report = run(api.webhooks(&subscription), &layer.processor(topics), "acme").await;
    assert_eq!(
        refusal(&report).to_string(),
        "the reconciler is of a tenant, and the layer has none; expected a provider made with `per_tenant`, or a processor \
         without `of`"
    );
    assert!(notes.lock().unwrap().is_empty());
}
