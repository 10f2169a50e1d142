//! `{code, message}`, and for fields `_embedded.errors`.

use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::HAL;
use crate::http::{json as respond, with_allow};

/// A request that the API refuses.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    body: Value,
    allow: Vec<Method>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &str, message: &str) -> Self {
        Self {
            status,
            body: json!({ "code": code, "message": message }),
            allow: Vec::new(),
        }
    }

    pub(super) fn bad_request() -> Self {
        let message = "The request body contains bad syntax or is incomplete.";
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// The errors of fields: code, message, and where the field is.
    pub(super) fn validation(errors: &[(&str, &str, &str)]) -> Self {
        let errors: Vec<Value> = errors
            .iter()
            .map(|(code, message, path)| json!({ "code": code, "message": message, "path": path, "_links": {} }))
            .collect();
        Self {
            body: json!({
                "code": "ValidationError",
                "message": "Validation error(s) present. See embedded errors list for more details.",
                "_embedded": { "errors": errors },
            }),
            ..Self::new(StatusCode::BAD_REQUEST, "", "")
        }
    }

    pub(super) fn too_many_subscriptions() -> Self {
        let message = "The maximum number of subscriptions has been reached.";
        Self::new(StatusCode::BAD_REQUEST, "MaxNumberOfResources", message)
    }

    pub(super) fn unauthorized(code: &str, message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, message)
    }

    pub(super) fn not_found() -> Self {
        let message = "The requested resource was not found.";
        Self::new(StatusCode::NOT_FOUND, "NotFound", message)
    }

    pub(super) fn method(allowed: &[Method]) -> Self {
        let message = "The requested method is not allowed.";
        Self {
            allow: allowed.to_vec(),
            ..Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
        }
    }

    pub(super) fn version() -> Self {
        let message = "Invalid API version. Accept must be application/vnd.dwolla.v1.hal+json.";
        Self::new(StatusCode::NOT_ACCEPTABLE, "InvalidVersion", message)
    }

    pub(super) fn into_response(self) -> Response {
        let response = respond(self.status, HAL, &self.body);
        if self.allow.is_empty() {
            response
        } else {
            with_allow(response, &self.allow)
        }
    }
}
