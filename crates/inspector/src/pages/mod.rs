//! The pages, a file for each.

mod body;
mod chart;
mod health;
mod layout;
mod parts;
pub(crate) mod confirm;
pub(crate) mod deliveries;
pub(crate) mod delivery;
pub(crate) mod endpoints;
pub(crate) mod event;
pub(crate) mod inbox;
pub(crate) mod login;
pub(crate) mod refused;
pub(crate) mod reports;
pub(crate) mod result;

use std::sync::Arc;

use axum::{
    Extension,
    extract::{OriginalUri, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, StatusCode, header::LOCATION};
use maud::html;

pub(crate) use layout::respond;
pub(crate) use parts::row;

use crate::{access::Session, inspector::Shared, text::visible};

/// The pages that a browser is led to after it has logged in.
const PAGES: [&str; 11] = [
    "deliveries",
    "delivery",
    "event",
    "inbox",
    "endpoints",
    "refused",
    "request",
    "reports",
    "report",
    "confirm",
    "result",
];

pub(crate) fn is_page(name: &str) -> bool {
    PAGES.contains(&name)
}

/// The folder itself leads to the first page, whether its path ends in a slash or not.
pub(crate) async fn root(OriginalUri(uri): OriginalUri) -> Response {
    let folder = uri.path().rsplit('/').next().unwrap_or_default();
    if folder.is_empty() {
        see("deliveries")
    } else {
        see(&format!("{folder}/deliveries"))
    }
}

/// Leads to another page of the folder.
pub(crate) fn see(page: &str) -> Response {
    match HeaderValue::from_str(page) {
        Ok(page) => (StatusCode::SEE_OTHER, [(LOCATION, page)]).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// The response to a path that is not a page.
pub(crate) async fn fallback(
    State(shared): State<Arc<Shared>>,
    Extension(session): Extension<Session>,
    uri: OriginalUri,
) -> Response {
    if uri.path().ends_with('/') {
        return root(uri).await;
    }
    not_found(&shared, &session, "There is no such page.")
}

pub(crate) fn not_found(shared: &Shared, session: &Session, why: &str) -> Response {
    let text = html! { p { (visible(why)) } p { a href="deliveries" { "All deliveries" } } };
    respond(shared, session, StatusCode::NOT_FOUND, "", "Not found", text)
}
