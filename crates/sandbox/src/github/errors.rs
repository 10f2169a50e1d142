//! `{message, documentation_url, status}`, and for fields `errors`.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::JSON;
use crate::http::json as respond;

/// A request that the API refuses.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    message: &'static str,
    errors: Vec<Value>,
}

impl Refusal {
    fn new(status: StatusCode, message: &'static str) -> Self {
        Self {
            status,
            message,
            errors: Vec::new(),
        }
    }

    pub(super) fn unauthenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Requires authentication")
    }

    /// For an unknown path, and for a method that a path does not have.
    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not Found")
    }

    pub(super) fn no_json() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Problems parsing JSON")
    }

    /// JSON that is no object, or whose fields are of another type.
    pub(super) fn no_object() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Body should be a JSON object")
    }

    pub(super) fn invalid(resource: &str, field: &str, message: &str) -> Self {
        let error = json!({ "resource": resource, "code": "custom", "field": field, "message": message });
        Self {
            errors: vec![error],
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Validation Failed")
        }
    }

    pub(super) fn into_response(self) -> Response {
        let mut body = json!({
            "message": self.message,
            "documentation_url": "https://docs.github.com/rest",
            "status": self.status.as_str(),
        });
        if let (Some(body), false) = (body.as_object_mut(), self.errors.is_empty()) {
            body.insert("errors".into(), self.errors.into());
        }
        respond(self.status, JSON, &body)
    }
}
