mod server;
mod timer;

pub(crate) use server::{Received, Reply, Server, empty, json, with_header};
pub(crate) use timer::TestTimer;

use tower_webhook_reconcile::{Options, dwolla::DwollaApi, github::GitHubApi, stripe::StripeApi};

pub(crate) const HAL: &str = "application/vnd.dwolla.v1.hal+json";

/// Options that wait for nothing and never time out.
pub(crate) fn options(timer: &TestTimer) -> Options {
    Options::new().timer(timer.clone())
}

pub(crate) fn dwolla(server: &Server) -> DwollaApi {
    dwolla_with(server, &TestTimer::new())
}

pub(crate) fn dwolla_with(server: &Server, timer: &TestTimer) -> DwollaApi {
    DwollaApi::with_options(&server.base, "the client id", "the client secret", options(timer)).unwrap()
}

pub(crate) fn github(server: &Server) -> GitHubApi {
    GitHubApi::with_options(&server.base, "the-token", options(&TestTimer::new())).unwrap()
}

pub(crate) fn stripe(server: &Server) -> StripeApi {
    StripeApi::with_options(&server.base, "sk_test_the_key", options(&TestTimer::new())).unwrap()
}

/// A server that grants Dwolla's tokens and leaves all else to `respond`.
pub(crate) async fn dwolla_server(respond: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |request| {
        if request.path == "/token" {
            return json(
                200,
                r#"{"access_token":"the-access-token","token_type":"Bearer","expires_in":3599}"#,
            );
        }
        respond(request)
    })
    .await
}
