//! The results of an action.

use std::sync::Arc;

use axum::{Extension, extract::State, response::Response};
use http::StatusCode;
use maud::html;

use super::{not_found, respond};
use crate::{access::Session, inspector::Shared, params::Params, text::visible};

pub(crate) async fn page(
    State(shared): State<Arc<Shared>>,
    Extension(session): Extension<Session>,
    params: Params,
) -> Response {
    let done = params.number("number").and_then(|number| shared.results.get(number));
    let Some(done) = done else {
        return not_found(&shared, &session, "What was done then is not kept any more.");
    };
    let heading = if done.is_complete { "Done" } else { "Not all was done" };
    let back = match done.back.as_str() {
        "refused" => "Refused requests",
        back if back.starts_with("event") => "The event, as it is now",
        _ => "The inbox, as it is now",
    };
    let main = html! {
        p role="status" .result .problem[!done.is_complete] { (visible(&done.summary)) }
        @if !done.left.is_empty() {
            h2 { "What was left as it is" }
            ul { @for (id, why) in &done.left { li { span .id { (visible(id)) } ": " (visible(why)) } } }
        }
        p { a href=(done.back) { (back) } }
    };
    respond(&shared, &session, StatusCode::OK, "", heading, main)
}
