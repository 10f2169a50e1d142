//! The page's assets beside its documents: a style sheet, and a script that it can do without.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header::CONTENT_TYPE};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("live.js");

fn text(content_type: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, HeaderValue::from_static(content_type))], text).into_response()
}

pub(crate) async fn style() -> Response {
    text("text/css; charset=utf-8", STYLE)
}

pub(crate) async fn script() -> Response {
    text("text/javascript; charset=utf-8", SCRIPT)
}
