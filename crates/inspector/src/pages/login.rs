//! The way in, where there is a token.

use std::sync::Arc;

use axum::{
    Extension,
    extract::State,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use http::{
    HeaderValue, StatusCode,
    header::{ORIGIN, SET_COOKIE, WWW_AUTHENTICATE},
    request::Parts,
};
use maud::html;

use super::{is_page, layout, not_found, see};
use crate::{
    access::{Session, address},
    inspector::Shared,
    params::{Params, link},
};

pub(crate) async fn page(
    State(shared): State<Arc<Shared>>,
    Extension(session): Extension<Session>,
    params: Params,
) -> Response {
    if !shared.access.has_login() {
        return not_found(&shared, &session, "There is no such page.");
    }
    form(&shared, &session, StatusCode::OK, params.get("to"), None)
}

/// The form in place of a page that is not for everybody.
pub(crate) fn unauthenticated(shared: &Shared, parts: &Parts, page: &str) -> Response {
    let Some((session, cookie)) = shared.access.visitor(parts, shared.clock.now()) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let to = match parts.uri.query() {
        Some(query) => format!("{page}?{query}"),
        None => page.to_owned(),
    };
    let mut response = form(shared, &session, StatusCode::UNAUTHORIZED, Some(&to), None);
    let headers = response.headers_mut();
    headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::from_str(&cookie).ok()) {
        headers.insert(SET_COOKIE, cookie);
    }
    response
}

fn form(shared: &Shared, session: &Session, status: StatusCode, to: Option<&str>, problem: Option<&str>) -> Response {
    let main = html! {
        p { "This page shows webhooks to whoever has its token." }
        @if let Some(problem) = problem { p .problem role="alert" #problem { (problem) } }
        form method="post" action="login" .login {
            input type="hidden" name="form" value=(shared.access.form_token(session, "login"));
            @if let Some(to) = to { input type="hidden" name="to" value=(to); }
            label for="token" { "Token" }
            input #token name="token" type="password" required autocomplete="current-password" autofocus
                aria-describedby=[problem.map(|_| "problem")];
            div .buttons { button type="submit" .primary { "Log in" } }
        }
    };
    (status, layout::document(&shared.title, "Log in", None, main)).into_response()
}

pub(crate) async fn login(
    State(shared): State<Arc<Shared>>,
    Extension(session): Extension<Session>,
    parts: Parts,
    body: Bytes,
) -> Response {
    if !shared.access.has_login() {
        return not_found(&shared, &session, "There is no such page.");
    }
    let params = Params::read(&body);
    let to = params.get("to");
    let now = shared.clock.now();
    let again = |status, problem| form(&shared, &session, status, to, Some(problem));
    if !shared
        .access
        .is_form_token(&session, "login", params.get("form").unwrap_or_default())
    {
        return again(
            StatusCode::FORBIDDEN,
            "The form was too old, or cookies are off. Try again.",
        );
    }
    // A browser keeps no secure cookie over plain HTTP, and a token does not belong there.
    let is_plain = parts
        .headers
        .get(ORIGIN)
        .is_some_and(|origin| origin.as_bytes().starts_with(b"http://"));
    if is_plain && !crate::access::is_local(&parts) {
        return again(
            StatusCode::FORBIDDEN,
            "This page was opened over plain HTTP, where others can read the token. Open it over HTTPS, or by a tunnel to \
             this machine's localhost.",
        );
    }
    let token = params.get("token").unwrap_or_default();
    match shared.access.is_token(token, address(&parts), now) {
        Ok(true) => {}
        Ok(false) => {
            tracing::warn!("a wrong token for the inspector");
            return again(StatusCode::UNAUTHORIZED, "This is not the token.");
        }
        Err(denied) => return denied.response(),
    }
    let cookie = shared
        .access
        .login(&parts, now)
        .and_then(|cookie| HeaderValue::from_str(&cookie).ok());
    let Some(cookie) = cookie else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut response = see(&destination(to));
    response.headers_mut().insert(SET_COOKIE, cookie);
    response
}

/// One of our pages, whatever the form says.
fn destination(to: Option<&str>) -> String {
    let to = to.unwrap_or("deliveries");
    let (page, query) = to.split_once('?').unwrap_or((to, ""));
    if is_page(page) {
        link(page, Params::read(query.as_bytes()).pairs())
    } else {
        "deliveries".to_owned()
    }
}

pub(crate) async fn logout(
    State(shared): State<Arc<Shared>>,
    Extension(session): Extension<Session>,
    parts: Parts,
    body: Bytes,
) -> Response {
    let params = Params::read(&body);
    let token = params.get("token").unwrap_or_default();
    if !shared.access.is_form_token(&session, "logout", token) {
        return form(
            &shared,
            &session,
            StatusCode::FORBIDDEN,
            None,
            Some("The form was too old."),
        );
    }
    let cookie = shared.access.logout(&parts, shared.clock.now());
    let mut response = see("login");
    if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::from_str(&cookie).ok()) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_leads_to_a_page_of_ours_alone() {
        assert_eq!(
            destination(Some("event?namespace=d&id=a%26b")),
            "event?namespace=d&id=a%26b"
        );
        for elsewhere in [
            "https://example.com",
            "//example.com",
            "/",
            "do?verb=forget",
            "../admin",
            "deliveries/../x",
        ] {
            assert_eq!(destination(Some(elsewhere)), "deliveries", "{elsewhere}");
        }
        assert_eq!(destination(None), "deliveries");
    }
}
