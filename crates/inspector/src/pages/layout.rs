//! The layout around each page.

use axum::response::{Html, IntoResponse as _, Response};
use http::StatusCode;
use maud::{DOCTYPE, Markup, html};

use crate::{access::Session, inspector::Shared, text::visible};

/// The parts of the page that are there, by the name of their page.
fn sections(shared: &Shared) -> Vec<(&'static str, &'static str)> {
    let has_inbox = shared.endpoints.iter().any(|endpoint| endpoint.inbox.is_some());
    let all = [
        ("deliveries", "Deliveries", true),
        ("inbox", "Inbox", has_inbox),
        ("refused", "Refused requests", shared.captures.is_some()),
        ("endpoints", "Endpoints", true),
        ("reports", "Reconciler", shared.reports.is_some()),
    ];
    all.into_iter()
        .filter(|(_, _, is_there)| *is_there)
        .map(|(page, name, _)| (page, name))
        .collect()
}

/// A page. `section` is the part that it belongs to.
pub(crate) fn respond(
    shared: &Shared,
    session: &Session,
    status: StatusCode,
    section: &str,
    heading: &str,
    main: Markup,
) -> Response {
    let navigation = html! {
        nav aria-label="Parts" {
            ul {
                @for (page, name) in sections(shared) {
                    li {
                        a href=(page) aria-current=[(page == section).then_some("page")] { (name) }
                    }
                }
            }
        }
        @if shared.access.has_login() {
            form method="post" action="logout" .logout {
                input type="hidden" name="token" value=(shared.access.form_token(session, "logout"));
                button type="submit" { "Log out" }
            }
        }
    };
    (status, document(&shared.title, heading, Some(navigation), main)).into_response()
}

/// The whole document. Without navigation for those who have not logged in.
pub(crate) fn document(title: &str, heading: &str, navigation: Option<Markup>, main: Markup) -> Html<String> {
    let (title, heading) = (visible(title), visible(heading));
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex, nofollow";
                title { (heading) " · " (title) }
                link rel="stylesheet" href="style.css";
                script src="live.js" defer {}
            }
            body {
                a href="#main" .skip { "Skip to the content" }
                header {
                    p .title { (title) }
                    @if let Some(navigation) = navigation { (navigation) }
                }
                main #main tabindex="-1" {
                    h1 { (heading) }
                    (main)
                }
            }
        }
    };
    Html(document.into_string())
}
