//! Forms that are rare and yet sent: a receiver made with the library takes each of them.

use tower_webhook::{MemoryStore, TopicRouter, WebhookLayer};
use tower_webhook_reconcile::{
    Options, Reconciler,
    github::{GitHubApi, Hook},
    reconciler::{Ending, Source},
    stripe::StripeApi,
};
use tower_webhook_sandbox::{Attempt, Chaos, Provider, Sandbox};

use crate::support::{Handled, SECRET, call, dwolla as api_of, id_of, receiver_of, still};

/// Enough for each form to come.
const MANY: usize = 100;

async fn odd() -> Sandbox {
    still().chaos(Chaos::none(3).odd_form(1.0)).start().await.unwrap()
}

/// Fires many, and returns what was sent; the receiver must have handled each once.
async fn fire_many(sandbox: &Sandbox, provider: Provider, event: &str, handled: &Handled) -> Vec<Attempt> {
    sandbox.idle().await;
    let before = sandbox.attempts().len();
    let fired: Vec<String> = (0..MANY)
        .map(|_| id_of(&sandbox.fire(provider, event.to_owned()).unwrap()))
        .collect();
    sandbox.idle().await;
    let attempts = sandbox.attempts()[before..].to_vec();
    for attempt in &attempts {
        assert_eq!(
            attempt.status,
            Some(200),
            "{attempt} {:?} {:?}",
            attempt.headers,
            attempt.body
        );
    }
    handled.each_once(&fired);
    attempts
}

fn body(attempt: &Attempt) -> &str {
    std::str::from_utf8(&attempt.body).unwrap()
}

#[track_caller]
fn some(attempts: &[Attempt], is: impl Fn(&Attempt) -> bool) {
    let found = attempts.iter().filter(|attempt| is(attempt)).count();
    assert!((1..MANY).contains(&found), "{found}");
}

/// What all four have in common.
#[track_caller]
fn common_forms(attempts: &[Attempt], signature: &str) {
    some(attempts, |attempt| {
        body(attempt).contains("\\ud83d") || body(attempt).contains("%5Cud83d")
    });
    some(attempts, |attempt| body(attempt).contains("1e999"));
    some(attempts, |attempt| attempt.header("Content-Encoding") == Some(""));
    some(attempts, |attempt| {
        attempt.headers.iter().filter(|(name, _)| name == signature).count() == 2
    });
}

#[tokio::test]
async fn of_dwolla() {
    let (sandbox, handled) = (odd().await, Handled::default());
    let (url, server) = receiver_of(handled.dwolla()).await;
    api_of(&sandbox).create_subscription(&url, SECRET).await.unwrap();
    let event = r#"{"topic":"customer_created"}"#;
    let attempts = fire_many(&sandbox, Provider::Dwolla, event, &handled).await;
    common_forms(&attempts, "X-Request-Signature-SHA-256");
    some(&attempts, |attempt| body(attempt).contains(r#""self":"http"#));
    some(&attempts, |attempt| !body(attempt).contains("\"created\""));
    some(&attempts, |attempt| {
        attempt.header("Content-Type") == Some("application/json; charset=UTF-8")
    });
    server.abort();
}

#[tokio::test]
async fn of_the_provider_by_the_book() {
    let (sandbox, handled) = (odd().await, Handled::default());
    let (url, server) = receiver_of(handled.example()).await;
    let hook = format!(r#"{{"url":"{url}","events":["*"],"secret":"{SECRET}"}}"#);
    let key = "Authorization: Bearer key";
    assert_eq!(
        call(&sandbox, "POST /example/v1/webhooks", &[key], &hook).await.status,
        201
    );
    let event = r#"{"type":"user.created","data":{}}"#;
    let attempts = fire_many(&sandbox, Provider::Example, event, &handled).await;
    common_forms(&attempts, "X-Webhook-Signature");
    some(&attempts, |attempt| {
        attempt.header("Content-Type") == Some("application/json; charset=UTF-8")
    });
    server.abort();
}

#[tokio::test]
async fn of_github() {
    let (sandbox, handled) = (odd().await, Handled::default());
    let (url, server) = receiver_of(handled.github()).await;
    let hook =
        format!(r#"{{"config":{{"url":"{url}","content_type":"json","secret":"{SECRET}"}},"events":["issues"]}}"#);
    let key = "Authorization: Bearer key";
    assert_eq!(
        call(&sandbox, "POST /github/repos/o/r/hooks", &[key], &hook)
            .await
            .status,
        201
    );
    let attempts = fire_many(&sandbox, Provider::GitHub, r#"{"topic":"issues.opened"}"#, &handled).await;
    common_forms(&attempts, "X-Hub-Signature-256");
    some(&attempts, |attempt| body(attempt).starts_with("payload=%7B"));
    // Whatever the form, the API tells the action.
    let id = attempts[0].endpoint.clone();
    let path = format!("GET /github/repos/o/r/hooks/{id}/deliveries?per_page={MANY}");
    let listed = call(&sandbox, &path, &[key], "").await.json();
    let listed = listed.as_array().unwrap();
    assert!(listed.iter().all(|delivery| delivery["action"] == "opened"));
    assert_eq!(listed.len(), MANY);
    server.abort();
}

#[tokio::test]
async fn of_stripe() {
    let (sandbox, handled) = (odd().await, Handled::default());
    let (url, server) = receiver_of(handled.stripe()).await;
    let form = format!("url={url}&enabled_events[]=*&secret={SECRET}");
    let key = "Authorization: Bearer key";
    assert_eq!(
        call(&sandbox, "POST /stripe/v1/webhook_endpoints", &[key], &form)
            .await
            .status,
        200
    );
    let attempts = fire_many(&sandbox, Provider::Stripe, r#"{"type":"invoice.paid"}"#, &handled).await;
    common_forms(&attempts, "Stripe-Signature");
    some(&attempts, |attempt| {
        attempt.header("Stripe-Signature").unwrap().matches("v1=").count() == 2
    });
    server.abort();
}

/// Where nobody listens.
const DOWN: &str = "http://127.0.0.1:9/";

/// Fires many that nobody takes, and reconciles them: each must be handled.
async fn reconcile_many<P>(
    sandbox: &Sandbox,
    fires: (Provider, &str),
    provider: P,
    source: impl Source<Event = P::Event>,
) where
    P: tower_webhook::Provider,
{
    for _ in 0..MANY {
        sandbox.fire(fires.0, fires.1.to_owned()).unwrap();
    }
    sandbox.idle().await;
    let topics = TopicRouter::new().fallback(|_: P::Event| async {});
    let layer = WebhookLayer::new(provider, MemoryStore::new());
    let report = Reconciler::new(source, layer.processor(topics)).run_once().await;
    assert_eq!(report.count(Ending::Handled), MANY as u64, "{report}: {report:?}");
    assert_eq!(report.seen(), MANY as u64, "{report}");
}

#[tokio::test]
async fn what_never_arrived_is_reconciled_whatever_its_form() {
    let sandbox = still()
        .now(std::time::SystemTime::now())
        .chaos(Chaos::none(3).odd_form(1.0))
        .start()
        .await
        .unwrap();
    let key = "Authorization: Bearer key";

    let api = api_of(&sandbox);
    let subscription = api.create_subscription(DOWN, SECRET).await.unwrap();
    let provider = tower_webhook::dwolla::Dwolla::new(SECRET).unwrap();
    let event = (Provider::Dwolla, r#"{"topic":"customer_created"}"#);
    reconcile_many(&sandbox, event, provider, api.webhooks(&subscription)).await;

    let form = format!("url={DOWN}&enabled_events[]=*");
    call(&sandbox, "POST /stripe/v1/webhook_endpoints", &[key], &form).await;
    let api = StripeApi::with_options(&sandbox.url(Provider::Stripe), "key", Options::new()).unwrap();
    let provider = tower_webhook::stripe::Stripe::new(SECRET).unwrap();
    let event = (Provider::Stripe, r#"{"type":"invoice.paid"}"#);
    reconcile_many(&sandbox, event, provider, api.events()).await;

    let hook =
        format!(r#"{{"config":{{"url":"{DOWN}","content_type":"json","secret":"{SECRET}"}},"events":["issues"]}}"#);
    let made = call(&sandbox, "POST /github/repos/o/r/hooks", &[key], &hook).await;
    // Its ping, which nobody takes either.
    sandbox.idle().await;
    sandbox.advance(std::time::Duration::from_secs(4 * 24 * 3600)).await;
    let id = made.json()["id"].as_u64().unwrap();
    let api = GitHubApi::with_options(&sandbox.url(Provider::GitHub), "key", Options::new()).unwrap();
    let provider = tower_webhook::github::GitHub::new(SECRET).unwrap();
    let event = (Provider::GitHub, r#"{"topic":"issues.opened"}"#);
    reconcile_many(
        &sandbox,
        event,
        provider,
        api.deliveries(Hook::repository("o", "r", id)),
    )
    .await;
}
