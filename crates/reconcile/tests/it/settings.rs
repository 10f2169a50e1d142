//! What a client refuses to be built with.

use tower_webhook_reconcile::{
    ErrorKind, Options,
    dwolla::{self, DwollaApi},
    github::GitHubApi,
    stripe::StripeApi,
};

#[track_caller]
fn refused(base: &str) -> String {
    let error = DwollaApi::new(base, "id", "secret").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    error.to_string()
}

#[test]
fn a_base_url_must_be_https_except_on_this_machine() {
    assert_eq!(
        refused("http://api.dwolla.com"),
        "the base URL is http to http://api.dwolla.com, where everybody on the way reads the token; \
         expected https: allow it with Options::allow_plain_http"
    );
    assert_eq!(
        refused("ftp://api.dwolla.com"),
        "the base URL's scheme is ftp; expected https"
    );
    assert!(refused("api.dwolla.com").starts_with("the base URL is not a URL"));
    assert_eq!(
        refused("https://id:secret@api.dwolla.com"),
        "the base URL holds a user name or a password; expected neither: pass the credentials by themselves"
    );
    for base in [
        "http://localhost:4000",
        "http://127.0.0.1:4000",
        "http://[::1]:4000",
        "http://dwolla.localhost",
    ] {
        DwollaApi::new(base, "id", "secret").unwrap();
    }
    let plain = Options::new().allow_plain_http(true);
    DwollaApi::with_options("http://sandbox:4000/dwolla", "id", "secret", plain).unwrap();
}

#[test]
fn clients_for_the_real_hosts_are_built_and_show_no_credentials() {
    let dwolla = DwollaApi::new(dwolla::PRODUCTION, "the-id", "the-secret").unwrap();
    let github = GitHubApi::new("the-secret").unwrap();
    let stripe = StripeApi::new("the-secret").unwrap();
    let shown = format!("{dwolla:?} {github:?} {stripe:?} {:?}", Options::new());
    assert!(
        shown.contains("https://api.dwolla.com/") && !shown.contains("the-"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_token_that_no_header_can_hold_is_a_config_error() {
    let api = GitHubApi::new("a\nb").unwrap();
    let error = api
        .deliveries(tower_webhook_reconcile::github::Hook::app())
        .get("1")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(
        error.to_string(),
        "the token holds a character that no header can; expected it as the provider gave it"
    );
}

#[tokio::test]
async fn a_path_in_the_base_url_is_kept() {
    let server = crate::support::Server::start(|_| crate::support::json(200, "[]")).await;
    let timer = crate::support::TestTimer::new();
    let base = format!("{}/api/v3", server.base);
    let api = GitHubApi::with_options(&base, "t", crate::support::options(&timer)).unwrap();
    api.deliveries(tower_webhook_reconcile::github::Hook::app())
        .list()
        .collect()
        .await
        .unwrap();
    assert_eq!(server.lines(), ["GET /api/v3/app/hook/deliveries?per_page=100"]);
}

#[tokio::test]
async fn the_http_client_can_be_changed_but_follows_no_redirect_by_itself() {
    let foreign = crate::support::Server::start(|_| crate::support::json(200, r#"{"id":"evt_1"}"#)).await;
    let target = format!("{}/x", foreign.base);
    let server = crate::support::Server::start(move |_| {
        crate::support::with_header(crate::support::empty(302), "location", &target)
    })
    .await;
    let timer = crate::support::TestTimer::new();
    let changed = crate::support::options(&timer).http(|client| {
        client
            .redirect(reqwest::redirect::Policy::limited(10))
            .user_agent("mine")
    });
    let api = StripeApi::with_options(&server.base, "sk", changed).unwrap();
    assert_eq!(api.event("evt_1").await.unwrap_err().kind(), ErrorKind::ForeignHost);
    assert!(foreign.received().is_empty());
}
