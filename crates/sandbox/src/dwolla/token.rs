//! `/token`: OAuth's client credentials, whichever they are.

use std::time::{Duration, SystemTime};

use axum::response::Response;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{Method, StatusCode};
use serde_json::json;
use uuid::Uuid;

use super::{Dwolla, errors::Refusal, only, state::Token};
use crate::{
    clock::earlier,
    http::{Incoming, find, json as respond},
};

/// So long an old token is remembered.
const KEPT: Duration = Duration::from_secs(24 * 3600);

impl Dwolla {
    pub(super) fn token(&self, request: &Incoming) -> Response {
        if let Err(refusal) = only(request, &[Method::POST]) {
            return refusal.into_response();
        }
        let form = request.form();
        // Dwolla's older clients put the credentials into the form, as OAuth allows.
        let of_form = || {
            Some((
                find(&form, "client_id")?.to_owned(),
                find(&form, "client_secret")?.to_owned(),
            ))
        };
        let credentials = request.basic().or_else(of_form);
        if credentials.is_none_or(|(id, secret)| id.is_empty() || secret.is_empty()) {
            return refuse(StatusCode::UNAUTHORIZED, "invalid_client");
        }
        match find(&form, "grant_type") {
            Some("client_credentials") => {}
            Some(_) => return refuse(StatusCode::BAD_REQUEST, "unsupported_grant_type"),
            None => return refuse(StatusCode::BAD_REQUEST, "invalid_request"),
        }
        let token = BASE64_STANDARD.encode([Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat());
        let token: String = token.chars().filter(char::is_ascii_alphanumeric).collect();
        // The client counts in the world's time.
        let issued = SystemTime::now();
        {
            let mut state = self.state.lock();
            // Expired ones are told apart from invented ones for a while.
            let oldest = earlier(issued, KEPT.max(self.token_lifetime));
            state.tokens.drop_before(oldest);
            state.tokens.insert(&token, issued, Token { issued });
        }
        let body =
            json!({ "access_token": token, "token_type": "Bearer", "expires_in": self.token_lifetime.as_secs() });
        respond(StatusCode::OK, "application/json", &body)
    }

    pub(super) fn check_token(&self, request: &Incoming) -> Result<(), Refusal> {
        let issued = request
            .bearer()
            .and_then(|token| Some(self.state.lock().tokens.get(token)?.issued))
            .ok_or_else(|| Refusal::unauthorized("InvalidAccessToken", "Invalid access token."))?;
        if issued.elapsed().unwrap_or_default() >= self.token_lifetime {
            return Err(Refusal::unauthorized("ExpiredAccessToken", "Expired access token."));
        }
        Ok(())
    }
}

/// OAuth's error, which is not the usual one.
fn refuse(status: StatusCode, error: &str) -> Response {
    respond(status, "application/json", &json!({ "error": error }))
}
