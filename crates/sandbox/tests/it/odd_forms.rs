//! Forms that are rare and yet sent: a receiver made with the library takes each of them.

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
