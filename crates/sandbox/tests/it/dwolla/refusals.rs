//! Requests by hand: what the API refuses, and how.

use serde_json::json;
use tower_webhook_sandbox::Sandbox;

use crate::support::{HOUR, Reply, call, sandbox, still};

const HAL: &str = "Accept: application/vnd.dwolla.v1.hal+json";
const BASIC: &str = "Authorization: Basic aWQ6c2VjcmV0";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded";
const JSON: &str = "Content-Type: application/json";

async fn token(sandbox: &Sandbox) -> String {
    let reply = call(
        sandbox,
        "POST /dwolla/token",
        &[BASIC, FORM],
        "grant_type=client_credentials",
    )
    .await;
    let token = reply.json();
    format!("Authorization: Bearer {}", token["access_token"].as_str().unwrap())
}

async fn post(sandbox: &Sandbox, line: &str, body: &str) -> Reply {
    let token = token(sandbox).await;
    call(sandbox, line, &[HAL, JSON, &token], body).await
}

async fn get(sandbox: &Sandbox, path: &str) -> Reply {
    let token = token(sandbox).await;
    call(sandbox, &format!("GET {path}"), &[HAL, &token], "").await
}

#[track_caller]
fn refused(reply: &Reply, status: u16, code: &str, message: &str) {
    assert_eq!(reply.status, status, "{}", reply.body);
    assert_eq!(reply.json(), json!({ "code": code, "message": message }));
    assert_eq!(reply.header("content-type"), Some("application/vnd.dwolla.v1.hal+json"));
    assert!(reply.header("x-request-id").is_some());
}

#[track_caller]
fn invalid(reply: &Reply, code: &str, message: &str, path: &str) {
    let expected = json!({
        "code": "ValidationError",
        "message": "Validation error(s) present. See embedded errors list for more details.",
        "_embedded": { "errors": [{ "code": code, "message": message, "path": path, "_links": {} }] },
    });
    assert_eq!((reply.status, reply.json()), (400, expected));
}

#[tokio::test]
async fn any_client_gets_a_token_as_the_documents_show_it() {
    let sandbox = sandbox().await;
    let reply = call(
        &sandbox,
        "POST /dwolla/token",
        &[BASIC, FORM],
        "grant_type=client_credentials",
    )
    .await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let token = reply.json();
    assert_eq!(
        (&token["token_type"], &token["expires_in"]),
        (&json!("Bearer"), &json!(3600))
    );
    assert!(token["access_token"].as_str().unwrap().len() >= 32);

    // Older clients put the credentials into the form.
    let form = "client_id=id&client_secret=secret&grant_type=client_credentials";
    assert_eq!(call(&sandbox, "POST /dwolla/token", &[FORM], form).await.status, 200);
}

#[tokio::test]
async fn a_token_needs_credentials_and_the_grant_of_clients() {
    let sandbox = sandbox().await;
    let empty = "Authorization: Basic Og==";
    for (headers, body, status, error) in [
        (vec![], "grant_type=client_credentials", 401, "invalid_client"),
        (vec![empty], "grant_type=client_credentials", 401, "invalid_client"),
        (vec![BASIC], "grant_type=password", 400, "unsupported_grant_type"),
        (vec![BASIC], "", 400, "invalid_request"),
    ] {
        let reply = call(&sandbox, "POST /dwolla/token", &headers, body).await;
        assert_eq!((reply.status, reply.json()), (status, json!({ "error": error })));
    }
    let reply = call(&sandbox, "GET /dwolla/token", &[BASIC], "").await;
    assert_eq!((reply.status, reply.header("allow")), (405, Some("POST")));
}

#[tokio::test]
async fn without_a_token_there_is_401() {
    let sandbox = sandbox().await;
    for headers in [vec![HAL], vec![HAL, BASIC], vec![HAL, "Authorization: Bearer invented"]] {
        let reply = call(&sandbox, "GET /dwolla/webhook-subscriptions", &headers, "").await;
        refused(&reply, 401, "InvalidAccessToken", "Invalid access token.");
    }
}

#[tokio::test]
async fn a_token_expires() {
    let sandbox = still().token_lifetime(HOUR / 3600 / 1_000_000).start().await.unwrap();
    let token = token(&sandbox).await;
    let reply = call(&sandbox, "GET /dwolla/events", &[HAL, &token], "").await;
    refused(&reply, 401, "ExpiredAccessToken", "Expired access token.");
}

#[tokio::test]
async fn without_the_media_type_there_is_406() {
    let sandbox = sandbox().await;
    let token = token(&sandbox).await;
    for accept in [
        "Accept: application/json",
        "Accept: */*",
        "Accept: text/html, */*;q=0.8",
    ] {
        let reply = call(&sandbox, "GET /dwolla/events", &[accept, &token], "").await;
        let message = "Invalid API version. Accept must be application/vnd.dwolla.v1.hal+json.";
        refused(&reply, 406, "InvalidVersion", message);
    }
    let several = "Accept: application/json, Application/vnd.dwolla.v1.hal+json; q=0.9";
    assert_eq!(
        call(&sandbox, "GET /dwolla/events", &[several, &token], "")
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn what_does_not_exist_is_404_and_a_wrong_method_405() {
    let sandbox = sandbox().await;
    for path in [
        "/dwolla/nothing",
        "/dwolla/events/none",
        "/dwolla/webhooks/none",
        "/dwolla/webhooks/none/retries",
        "/dwolla/webhooks/none/retries/none",
        "/dwolla/webhook-subscriptions/none",
        "/dwolla/webhook-subscriptions/none/webhooks",
        "/dwolla/webhook-subscriptions/%ff%00/webhooks",
    ] {
        let reply = get(&sandbox, path).await;
        refused(&reply, 404, "NotFound", "The requested resource was not found.");
    }
    let reply = post(&sandbox, "POST /dwolla/webhooks/none/retries", "").await;
    refused(&reply, 404, "NotFound", "The requested resource was not found.");
    let reply = post(&sandbox, "PUT /dwolla/webhook-subscriptions/none", "{}").await;
    refused(&reply, 405, "MethodNotAllowed", "The requested method is not allowed.");
    assert_eq!(reply.header("allow"), Some("GET, POST, DELETE"));
}

#[tokio::test]
async fn a_subscription_needs_a_url_and_a_secret_that_fit() {
    let sandbox = sandbox().await;
    let create = "POST /dwolla/webhook-subscriptions";
    for url in ["nowhere", "ftp://127.0.0.1/", "http://", "/webhooks"] {
        let body = json!({ "url": url, "secret": "sshhhhhh" }).to_string();
        let reply = post(&sandbox, create, &body).await;
        invalid(&reply, "InvalidFormat", "Url must be a valid url.", "/url");
    }
    let url = "http://127.0.0.1:9/webhooks";
    let reply = post(
        &sandbox,
        create,
        &json!({ "url": url, "secret": "é".repeat(129) }).to_string(),
    )
    .await;
    invalid(
        &reply,
        "InvalidFormat",
        "Secret must be 128 or fewer characters.",
        "/secret",
    );
    let reply = post(
        &sandbox,
        create,
        &json!({ "url": url, "secret": "é".repeat(128) }).to_string(),
    )
    .await;
    assert_eq!(reply.status, 201);
    let reply = post(&sandbox, create, &json!({ "url": url }).to_string()).await;
    invalid(&reply, "Required", "Secret is required.", "/secret");
    let reply = post(&sandbox, create, &json!({ "secret": "sshhhhhh" }).to_string()).await;
    invalid(&reply, "Required", "Url is required.", "/url");
}

#[tokio::test]
async fn a_body_that_is_no_json_is_a_bad_request() {
    let sandbox = sandbox().await;
    let message = "The request body contains bad syntax or is incomplete.";
    let create = "POST /dwolla/webhook-subscriptions";
    // An array is no object, though serde would read it as one.
    let array = r#"["http://127.0.0.1:9/","s"]"#;
    for body in ["", "{", "[]", array, r#"{"url":1,"secret":"s"}"#] {
        refused(&post(&sandbox, create, body).await, 400, "BadRequest", message);
    }
    let token = token(&sandbox).await;
    let whole = r#"{"url":"http://127.0.0.1:9/","secret":"s"}"#;
    let reply = call(&sandbox, create, &[HAL, "Content-Type: text/plain", &token], whole).await;
    refused(&reply, 400, "BadRequest", message);

    let reply = post(&sandbox, create, whole).await;
    let path = reply
        .header("location")
        .unwrap()
        .strip_prefix(sandbox.base_url())
        .unwrap();
    for body in [r#"{"paused":"yes"}"#, "[true]", "{}"] {
        let reply = post(&sandbox, &format!("POST {path}"), body).await;
        refused(&reply, 400, "BadRequest", message);
    }
    assert_eq!(get(&sandbox, path).await.json()["paused"], false);
}

#[tokio::test]
async fn there_are_ten_subscriptions_at_most() {
    let sandbox = sandbox().await;
    let create = "POST /dwolla/webhook-subscriptions";
    let body = r#"{"url":"http://127.0.0.1:9/","secret":"s"}"#;
    for _ in 0..10 {
        let reply = post(&sandbox, create, body).await;
        assert_eq!((reply.status, reply.body.as_str()), (201, ""));
    }
    let message = "The maximum number of subscriptions has been reached.";
    refused(
        &post(&sandbox, create, body).await,
        400,
        "MaxNumberOfResources",
        message,
    );
}

#[tokio::test]
async fn pages_and_days_are_numbers_and_dates() {
    let sandbox = sandbox().await;
    let created = post(
        &sandbox,
        "POST /dwolla/webhook-subscriptions",
        r#"{"url":"http://127.0.0.1:9/","secret":"s"}"#,
    );
    let location = created.await.header("location").unwrap().to_owned();
    let webhooks = format!("{}/webhooks", location.strip_prefix(sandbox.base_url()).unwrap());
    for (query, message, path) in [
        ("limit=many", "Limit must be a number.", "/limit"),
        ("offset=-1", "Offset must be a number.", "/offset"),
        (
            "startDate=21.09.2026",
            "Date must have the format YYYY-MM-DD.",
            "/startDate",
        ),
        (
            "endDate=2026-13-01",
            "Date must have the format YYYY-MM-DD.",
            "/endDate",
        ),
        (
            "endDate=2026-09-21T00",
            "Date must have the format YYYY-MM-DD.",
            "/endDate",
        ),
    ] {
        let reply = get(&sandbox, &format!("{webhooks}?{query}")).await;
        invalid(&reply, "InvalidFormat", message, path);
    }
}

#[tokio::test]
async fn one_idempotency_key_creates_once() {
    let sandbox = sandbox().await;
    let token = token(&sandbox).await;
    let create = "POST /dwolla/webhook-subscriptions";
    let headers = [HAL, JSON, &token, "Idempotency-Key: 7"];
    let body = r#"{"url":"http://127.0.0.1:9/","secret":"s"}"#;
    let first = call(&sandbox, create, &headers, body).await;
    let second = call(&sandbox, create, &headers, body).await;
    assert_eq!(
        (second.status, second.header("location")),
        (201, first.header("location"))
    );

    // Another body is another request, and a day later so is the same one.
    let other = call(
        &sandbox,
        create,
        &headers,
        r#"{"url":"http://127.0.0.1:9/","secret":"t"}"#,
    )
    .await;
    assert_ne!(other.header("location"), first.header("location"));
    sandbox.advance(24 * HOUR).await;
    let later = call(&sandbox, create, &headers, body).await;
    assert_ne!(later.header("location"), first.header("location"));
}
