//! The token goes to the configured host and to no other, whatever a response says.

use std::sync::atomic::{AtomicUsize, Ordering};

use tower_webhook_reconcile::{ErrorKind, github::Hook};

use crate::support::{Server, dwolla, dwolla_server, empty, github, json, stripe, with_header};

/// A server to which nothing must be sent.
async fn foreign() -> Server {
    Server::start(|_| json(200, "{}")).await
}

#[tokio::test]
async fn a_redirect_to_another_host_is_not_followed() {
    let foreign = foreign().await;
    let target = format!("{}/events/e1", foreign.base);
    let server = dwolla_server(move |_| with_header(empty(302), "location", &target)).await;
    let error = dwolla(&server).event("e1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ForeignHost);
    assert_eq!(
        error.to_string(),
        format!(
            "a link in the response leads to {}; expected {}, the only host that gets the token: check the base URL",
            foreign.base, server.base
        )
    );
    assert!(foreign.received().is_empty());
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test]
async fn a_token_request_is_not_redirected_to_another_host() {
    let foreign = foreign().await;
    let target = format!("{}/token", foreign.base);
    let server = Server::start(move |_| with_header(empty(307), "location", &target)).await;
    assert_eq!(
        dwolla(&server).event("e1").await.unwrap_err().kind(),
        ErrorKind::ForeignHost
    );
    assert!(foreign.received().is_empty());
}

#[tokio::test]
async fn a_redirect_within_the_host_is_followed_with_the_token() {
    let server = Server::start(|request| match request.path.as_str() {
        "/repos/old/name/hooks/1/deliveries" => with_header(
            empty(301),
            "location",
            "/repositories/7/hooks/1/deliveries?per_page=100",
        ),
        _ => json(200, "[]"),
    })
    .await;
    github(&server)
        .deliveries(Hook::repository("old", "name", 1))
        .list()
        .collect()
        .await
        .unwrap();
    let [_, second] = server.calls().try_into().unwrap();
    assert_eq!(second.line(), "GET /repositories/7/hooks/1/deliveries?per_page=100");
    assert_eq!(second.header("authorization"), "Bearer the-token");
}

#[tokio::test]
async fn redirects_end() {
    let server = Server::start(|request| with_header(empty(302), "location", &format!("{}x", request.path))).await;
    let error = github(&server).deliveries(Hook::app()).get("1").await.unwrap_err();
    assert_eq!((error.kind(), server.calls().len()), (ErrorKind::Unreadable, 4));
    assert_eq!(
        error.to_string(),
        "GitHub redirected more than 3 times; expected a response"
    );
}

#[tokio::test]
async fn a_post_is_not_turned_into_a_get() {
    let server = Server::start(|_| with_header(empty(302), "location", "/elsewhere")).await;
    let error = github(&server)
        .deliveries(Hook::app())
        .redeliver("1")
        .await
        .unwrap_err();
    assert_eq!((error.kind(), server.calls().len()), (ErrorKind::Unreadable, 1));
}

#[tokio::test]
async fn a_next_page_on_another_host_is_not_fetched() {
    let foreign = foreign().await;
    let lookalikes = [
        foreign.base.clone(),
        foreign.base.replace("http://", "//"),
        foreign.base.replace("http://", "http://127.0.0.1@"),
        "https://127.0.0.1".to_owned(),
    ];
    for host in lookalikes {
        let next = format!("{host}/next");
        let body = format!(r#"{{"_links":{{"next":{{"href":"{next}"}}}},"_embedded":{{"webhooks":[{{"id":"w1"}}]}}}}"#);
        let server = dwolla_server(move |_| json(200, body.clone())).await;
        let mut webhooks = dwolla(&server).webhooks("s1").list();
        let error = loop {
            match webhooks.next().await.unwrap() {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::ForeignHost, "{next}");
        assert!(webhooks.next().await.is_none());
        assert!(foreign.received().is_empty(), "{next}");

        let link = format!("<{next}>; rel=\"next\"");
        let server = Server::start(move |_| with_header(json(200, "[]"), "link", &link)).await;
        let error = github(&server)
            .deliveries(Hook::app())
            .list()
            .collect()
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ForeignHost, "{next}");
        assert!(foreign.received().is_empty(), "{next}");
    }
}

#[tokio::test]
async fn ids_and_links_of_entries_lead_nowhere() {
    let foreign = foreign().await;
    let base = foreign.base.clone();
    let server = dwolla_server(move |request| match request.path.as_str() {
        path if path.ends_with("/webhooks") => {
            let body = format!(
                r#"{{"_embedded":{{"webhooks":[{{"id":"{base}/x","_links":{{"self":{{"href":"{base}/w1"}},"event":{{"href":"{base}/e1"}}}}}}]}}}}"#
            );
            json(200, body)
        }
        _ => json(200, r#"{"id":"w1"}"#),
    })
    .await;
    let api = dwolla(&server);
    let [webhook] = api.webhooks("s1").list().collect().await.unwrap().try_into().unwrap();
    api.webhook(&webhook.id).await.unwrap();
    api.event(webhook.event_id.as_deref().unwrap()).await.unwrap();
    assert!(foreign.received().is_empty());
    assert_eq!(server.calls().len(), 3);
}

#[tokio::test]
async fn credentials_in_a_link_do_not_replace_the_token() {
    let pages = AtomicUsize::new(0);
    let server = Server::start(move |request| {
        if pages.fetch_add(1, Ordering::SeqCst) > 0 {
            return json(200, "[]");
        }
        let link = format!("<http://mallory:x@{}/next>; rel=\"next\"", request.header("host"));
        with_header(json(200, "[]"), "link", &link)
    })
    .await;
    github(&server).deliveries(Hook::app()).list().collect().await.unwrap();
    let [_, second] = server.calls().try_into().unwrap();
    assert_eq!(second.header("authorization"), "Bearer the-token");
}

#[tokio::test]
async fn a_stripe_page_is_asked_of_the_host_whatever_the_list_says_its_url_is() {
    let foreign = foreign().await;
    let base = foreign.base.clone();
    let server = Server::start(move |request| {
        let more = request.parameter("starting_after").is_none();
        json(
            200,
            format!(r#"{{"object":"list","url":"{base}/v1/events","has_more":{more},"data":[{{"id":"evt_{more}"}}]}}"#),
        )
    })
    .await;
    assert_eq!(stripe(&server).events().list().collect().await.unwrap().len(), 2);
    assert!(foreign.received().is_empty());
}
