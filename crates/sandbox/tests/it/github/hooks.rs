//! Hooks, what they get, and bad input.

use serde_json::{Value, json};
use tower_webhook_reconcile::{
    Options,
    github::{GitHubApi, Hook},
};
use tower_webhook_sandbox::Provider;

use super::{TOKEN, api, fire, hook};
use crate::support::{Receiver, SECRET, call, sandbox};

#[tokio::test]
async fn a_hook_is_created_read_changed_and_deleted() {
    let sandbox = sandbox().await;
    let receiver = Receiver::start(200).await;
    let id = hook(&sandbox, &receiver.url, json!(["push"])).await;
    let path = format!("/repos/octocat/hello/hooks/{id}");
    let shown = api(&sandbox, &format!("GET {path}"), Value::Null).await.json();
    assert_eq!(
        (&shown["type"], &shown["name"], &shown["active"]),
        (&json!("Repository"), &json!("web"), &json!(true))
    );
    let config = json!({ "url": receiver.url, "content_type": "json", "insecure_ssl": "0", "secret": "********" });
    assert_eq!((&shown["events"], &shown["config"]), (&json!(["push"]), &config));
    assert_eq!(
        shown["deliveries_url"],
        format!("{}{path}/deliveries", sandbox.url(Provider::GitHub))
    );
    let listed = api(&sandbox, "GET /repos/OctoCat/Hello/hooks", Value::Null)
        .await
        .json();
    assert_eq!(listed, json!([shown]));

    let changed = api(
        &sandbox,
        &format!("PATCH {path}"),
        json!({ "active": false, "events": ["*"] }),
    )
    .await
    .json();
    assert_eq!(
        (&changed["active"], &changed["events"], &changed["config"]),
        (&json!(false), &json!(["*"]), &config)
    );
    assert_eq!(api(&sandbox, &format!("DELETE {path}"), Value::Null).await.status, 204);
    assert_eq!(api(&sandbox, &format!("GET {path}"), Value::Null).await.status, 404);
}

#[tokio::test]
async fn a_new_hook_is_pinged() {
    let sandbox = sandbox().await;
    let receiver = Receiver::start(200).await;
    let id = hook(&sandbox, &receiver.url, json!(["push"])).await;
    sandbox.idle().await;
    let ping = receiver.received()[0].clone();
    assert_eq!(ping.headers["x-github-event"], "ping");
    let payload: Value = serde_json::from_slice(&ping.body).unwrap();
    assert_eq!((&payload["hook_id"], &payload["hook"]["id"]), (&json!(id), &json!(id)));
    let again = api(
        &sandbox,
        &format!("POST /repos/octocat/hello/hooks/{id}/pings"),
        Value::Null,
    )
    .await;
    assert_eq!(again.status, 204);
    sandbox.idle().await;
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test]
async fn a_hook_gets_what_happens_where_it_is_and_what_it_wants() {
    let sandbox = sandbox().await;
    let (repository, organization, app) = (
        Receiver::start(200).await,
        Receiver::start(200).await,
        Receiver::start(200).await,
    );
    hook(&sandbox, &repository.url, json!(["push"])).await;
    let config = json!({ "url": organization.url, "content_type": "json" });
    let reply = api(
        &sandbox,
        "POST /orgs/octocat/hooks",
        json!({ "config": config, "events": ["*"] }),
    )
    .await;
    assert_eq!(reply.status, 201);
    assert_eq!(api(&sandbox, "GET /app/hook/config", Value::Null).await.status, 404);
    assert_eq!(api(&sandbox, "GET /app/hook/deliveries", Value::Null).await.status, 404);
    let reply = api(
        &sandbox,
        "PATCH /app/hook/config",
        json!({ "url": app.url, "secret": SECRET }),
    )
    .await;
    assert_eq!((reply.status, &reply.json()["secret"]), (200, &json!("********")));

    let at = |name: &str| json!({ "repository": { "full_name": name } });
    for (event, payload) in [
        ("push", at("octocat/hello")),
        ("push", at("octocat/other")),
        ("push", at("somebody/hello")),
        ("issues", at("octocat/hello")),
    ] {
        fire(&sandbox, json!({ "event": event, "payload": payload }));
    }
    sandbox.idle().await;
    let pings = |receiver: &Receiver| {
        let received = receiver.received();
        received
            .iter()
            .filter(|request| request.headers["x-github-event"] != "ping")
            .count()
    };
    assert_eq!((pings(&repository), pings(&organization), pings(&app)), (1, 3, 4));
    // An unsigned hook's requests carry no signature, and the App's are forms by default.
    assert!(!organization.received()[0].headers.contains_key("x-hub-signature-256"));
    assert_eq!(
        app.received()[0].headers["content-type"],
        "application/x-www-form-urlencoded"
    );
    let github = GitHubApi::with_options(&sandbox.url(Provider::GitHub), "any", Options::new()).unwrap();
    assert_eq!(github.deliveries(Hook::app()).list().collect().await.unwrap().len(), 4);
}

#[tokio::test]
async fn bad_input_gets_githubs_errors() {
    let sandbox = sandbox().await;
    let reply = call(&sandbox, "GET /github/repos/o/r/hooks", &[], "").await;
    let expected = json!({
        "message": "Requires authentication",
        "documentation_url": "https://docs.github.com/rest",
        "status": "401",
    });
    assert_eq!((reply.status, reply.json()), (401, expected));
    assert!(reply.header("x-github-request-id").is_some());

    let create = "POST /repos/octocat/hello/hooks";
    let reply = call(&sandbox, &format!("{} /github/repos/o/r/hooks", "POST"), &[TOKEN], "{").await;
    assert_eq!(
        (reply.status, &reply.json()["message"]),
        (400, &json!("Problems parsing JSON"))
    );
    let url = "http://127.0.0.1:9/";
    for body in [
        json!([{ "url": url }]),
        json!({ "config": [url] }),
        json!({ "config": "x" }),
    ] {
        let reply = api(&sandbox, create, body).await;
        let message = json!("Body should be a JSON object");
        assert_eq!((reply.status, &reply.json()["message"]), (400, &message));
    }
    for (body, field) in [
        (json!({}), "url"),
        (json!({ "config": { "url": "nowhere" } }), "url"),
        (
            json!({ "config": { "url": url, "content_type": "xml" } }),
            "content_type",
        ),
        (json!({ "config": { "url": url }, "events": [] }), "events"),
        (json!({ "config": { "url": url }, "events": ["a b"] }), "events"),
    ] {
        let reply = api(&sandbox, create, body).await;
        let error = reply.json();
        assert_eq!((reply.status, &error["message"]), (422, &json!("Validation Failed")));
        assert_eq!(error["errors"][0]["field"], field);
    }
    assert_eq!(
        api(&sandbox, "GET /repos/octocat/hello/hooks", Value::Null)
            .await
            .json(),
        json!([])
    );

    let id = hook(&sandbox, url, json!(["push"])).await;
    for path in [
        format!("GET /repos/octocat/hello/hooks/{id}/deliveries/7"),
        format!("POST /repos/octocat/hello/hooks/{id}/deliveries/7/attempts"),
        format!("PUT /repos/octocat/hello/hooks/{id}"),
        format!("GET /repos/octocat/other/hooks/{id}"),
        format!("GET /orgs/octocat/hooks/{id}/deliveries"),
        "GET /repos/octocat/hello/hooks/none".to_owned(),
        "GET /user".to_owned(),
    ] {
        let reply = api(&sandbox, &path, Value::Null).await;
        assert_eq!(
            (reply.status, &reply.json()["message"]),
            (404, &json!("Not Found")),
            "{path}"
        );
    }
    for query in ["per_page=many", "cursor=7", "cursor=v1_x", "status=odd"] {
        let path = format!("GET /repos/octocat/hello/hooks/{id}/deliveries?{query}");
        assert_eq!(api(&sandbox, &path, Value::Null).await.status, 422, "{query}");
    }
}

#[tokio::test]
async fn what_is_no_event_is_refused() {
    let sandbox = sandbox().await;
    let expected = "expected {\"topic\": \"issues.opened\"} or {\"event\": …, \"payload\": {…}}";
    for (body, what) in [
        ("{}", "topic is missing"),
        (
            r#"{"event":"a b"}"#,
            "event is not 1 to 255 printable characters of ASCII without blanks",
        ),
        (r#"{"event":"push","payload":[]}"#, "payload is no object"),
        (
            r#"{"event":"push","id":7}"#,
            "id is not 1 to 255 printable characters of ASCII without blanks",
        ),
    ] {
        let error = sandbox.fire(Provider::GitHub, body).unwrap_err();
        assert_eq!(error.to_string(), format!("{what}; {expected}"));
    }
}
