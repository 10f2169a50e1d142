//! The examples of GitHub's documents.

use std::time::Duration;

use tower_webhook_reconcile::{
    AccessToken, ErrorKind,
    github::{GitHubApi, Hook},
};

use crate::support::{Server, TestTimer, github, json, options, with_header};

const ITEM: &str = r#"{"id":12345678,"guid":"0b989ba4-242f-11e5-81e1-c7b6966d2516","delivered_at":"2019-06-03T00:57:16Z",
    "redelivery":false,"duration":0.27,"status":"OK","status_code":200,"event":"issues","action":"opened",
    "installation_id":123,"repository_id":456,"throttled_at":null}"#;

const FAILED: &str = r#"{"id":123456789,"guid":"0b989ba4-242f-11e5-81e1-c7b6966d2516","delivered_at":"2019-06-04T00:57:16Z",
    "redelivery":true,"duration":0.28,"status":"failed to connect","status_code":502,"event":"push","action":null,
    "installation_id":null,"repository_id":null}"#;

const DETAIL: &str = r#"{"id":12345678,"guid":"0b989ba4-242f-11e5-81e1-c7b6966d2516","delivered_at":"2019-06-03T00:57:16Z",
  "redelivery":false,"duration":0.27,"status":"OK","status_code":200,"event":"issues","action":"opened",
  "installation_id":123,"repository_id":456,"url":"https://www.example.com?token=abc",
  "request":{"headers":{"X-GitHub-Delivery":"0b989ba4-242f-11e5-81e1-c7b6966d2516",
    "X-Hub-Signature-256":"sha256=6dcb09b5b57875f334f61aebed695e2e4193db5e","Accept":"*/*","X-GitHub-Hook-ID":"42",
    "User-Agent":"GitHub-Hookshot/b8c71d8","X-GitHub-Event":"issues","content-type":"application/json"},
    "payload":{"action":"opened","issue":{"body":"foo","n": 1.0}}},
  "response":{"headers":{"Content-Type":"text/html;charset=utf-8"},"payload":"ok"}}"#;

#[tokio::test]
async fn deliveries_of_each_kind_of_hook_are_listed_page_after_page() {
    let server = Server::start(|request| {
        if request.parameter("cursor").is_none() {
            let next = format!("<{}?per_page=100&cursor=v1_123>; rel=\"next\"", request.path);
            return with_header(
                json(200, format!("[{FAILED}]")),
                "link",
                &format!("</x>; rel=\"prev\", {next}"),
            );
        }
        json(200, format!("[{ITEM}]"))
    })
    .await;
    let api = github(&server);
    let hooks = [
        (
            Hook::repository("octocat", "hello world", 42),
            "/repos/octocat/hello%20world/hooks/42",
        ),
        (Hook::organization("octo-org", 43), "/orgs/octo-org/hooks/43"),
        (Hook::app(), "/app/hook"),
    ];
    for (hook, path) in hooks {
        let deliveries = api.deliveries(hook).list().collect().await.unwrap();
        let lines = server.lines();
        let [.., first, second] = lines.as_slice() else {
            panic!("{lines:?}")
        };
        assert_eq!(first, &format!("GET {path}/deliveries?per_page=100"));
        assert_eq!(second, &format!("GET {path}/deliveries?per_page=100&cursor=v1_123"));

        let [failed, success] = deliveries.try_into().unwrap();
        assert!(!failed.is_success() && failed.redelivery && success.is_success() && !success.redelivery);
        assert_eq!(success.id, "12345678");
        assert_eq!(success.guid.as_deref(), Some("0b989ba4-242f-11e5-81e1-c7b6966d2516"));
        assert_eq!(
            (success.event.as_deref(), success.action.as_deref()),
            (Some("issues"), Some("opened"))
        );
        assert_eq!((success.duration, success.installation_id), (Some(0.27), Some(123)));
        assert_eq!(success.other.names().collect::<Vec<_>>(), ["throttled_at"]);
        assert_eq!(failed.repository_id, None);
    }
    let call = &server.calls()[0];
    assert_eq!(call.header("authorization"), "Bearer the-token");
    assert_eq!(call.header("accept"), "application/vnd.github+json");
    assert_eq!(call.header("x-github-api-version"), "2022-11-28");
}

#[tokio::test]
async fn failed_deliveries_are_listed_and_sent_again() {
    let server = Server::start(|request| match request.method.as_str() {
        "GET" => json(200, format!("[{FAILED}]")),
        _ => json(202, "{}"),
    })
    .await;
    let deliveries = github(&server).deliveries(Hook::app()).per_page(30).failed();
    let [failed] = deliveries.list().collect().await.unwrap().try_into().unwrap();
    deliveries.redeliver(&failed.id).await.unwrap();
    assert_eq!(
        server.lines(),
        [
            "GET /app/hook/deliveries?per_page=30&status=failure",
            "POST /app/hook/deliveries/123456789/attempts",
        ]
    );
}

#[tokio::test]
async fn a_delivery_keeps_its_headers_and_the_text_of_its_payload() {
    let server = Server::start(|_| json(200, DETAIL)).await;
    let detail = github(&server)
        .deliveries(Hook::repository("o", "r", 1))
        .get("12345678")
        .await
        .unwrap();
    assert_eq!(server.lines(), ["GET /repos/o/r/hooks/1/deliveries/12345678"]);
    assert_eq!(detail.delivery.event.as_deref(), Some("issues"));
    assert_eq!(detail.headers.get("x-github-event"), Some("issues"));
    assert_eq!(
        detail.body.as_ref().unwrap(),
        r#"{"action":"opened","issue":{"body":"foo","n": 1.0}}"#
    );
    assert_eq!(detail.response_body.as_deref(), Some("ok"));
    let shown = format!("{detail:?}");
    for hidden in ["6dcb09b5", "foo", "token=abc"] {
        assert!(!shown.contains(hidden), "{hidden} in {shown}");
    }
}

#[tokio::test]
async fn a_delivery_without_request_and_response_is_read() {
    for rest in [
        "",
        r#","request":null,"response":null"#,
        r#","request":{"headers":null,"payload":null}"#,
    ] {
        let server = Server::start(move |_| json(200, format!(r#"{{"id":"7"{rest}}}"#))).await;
        let detail = github(&server).deliveries(Hook::app()).get("7").await.unwrap();
        assert_eq!((detail.delivery.id.as_str(), detail.body), ("7", None), "{rest}");
    }
}

#[tokio::test]
async fn an_exhausted_limit_is_waited_for_until_it_is_reset() {
    let timer = TestTimer::new();
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let server = Server::start(move |_| match calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
        0 => {
            let limited = json(403, r#"{"message":"API rate limit exceeded","documentation_url":"…"}"#);
            let limited = with_header(limited, "x-ratelimit-remaining", "0");
            with_header(limited, "x-ratelimit-reset", "1700000042")
        }
        _ => json(200, "[]"),
    })
    .await;
    let api = GitHubApi::with_options(&server.base, "the-token", options(&timer)).unwrap();
    api.deliveries(Hook::app()).list().collect().await.unwrap();
    assert_eq!(timer.waits(), [Duration::from_secs(43)]);
}

#[tokio::test]
async fn an_error_names_its_code_its_request_and_what_to_check() {
    let server = Server::start(|_| {
        let body = r#"{"message":"Validation Failed","errors":[{"resource":"Hook","code":"custom"}]}"#;
        with_header(json(422, body), "x-github-request-id", "C0FE:1234")
    })
    .await;
    let error = github(&server)
        .deliveries(Hook::app())
        .redeliver("7")
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.code(), error.request_id()),
        (ErrorKind::Refused, Some("custom"), Some("C0FE:1234"))
    );
    assert_eq!(
        error.to_string(),
        "GitHub responded 422 Unprocessable Entity to POST /app/hook/deliveries/7/attempts (code custom): \
         \"Validation Failed\"; expected a success"
    );
}

#[tokio::test]
async fn a_redelivery_is_not_asked_for_a_second_time_after_a_server_error() {
    let server = Server::start(|_| json(500, "{}")).await;
    let error = github(&server)
        .deliveries(Hook::app())
        .redeliver("7")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server);
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test]
async fn an_apps_tokens_come_from_a_function() {
    let server = Server::start(|_| json(200, "[]")).await;
    let timer = TestTimer::new();
    let count = std::sync::atomic::AtomicUsize::new(0);
    let api = GitHubApi::with_tokens(&server.base, options(&timer), move || {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        async move { Ok(AccessToken::new(format!("jwt-{number}"), Duration::from_secs(540))) }
    })
    .unwrap();
    let deliveries = api.deliveries(Hook::app());
    deliveries.list().collect().await.unwrap();
    timer.advance(Duration::from_secs(479));
    deliveries.list().collect().await.unwrap();
    timer.advance(Duration::from_secs(1));
    deliveries.list().collect().await.unwrap();
    let tokens: Vec<String> = server
        .calls()
        .iter()
        .map(|call| call.header("authorization").to_owned())
        .collect();
    assert_eq!(tokens, ["Bearer jwt-0", "Bearer jwt-0", "Bearer jwt-1"]);
}
