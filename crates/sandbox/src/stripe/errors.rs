//! `{error: {type, message, code, param}}`

use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use crate::http::json as respond;

/// A request that the API refuses.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    message: String,
    code: Option<&'static str>,
    param: Option<String>,
}

impl Refusal {
    pub(super) fn no_key() -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            message: "You did not provide an API key. You need to provide your API key in the Authorization header, \
                      using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
                .to_owned(),
            code: None,
            param: None,
        }
    }

    pub(super) fn no_such_url(method: &str, path: &str) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            message: format!("Unrecognized request URL ({method}: /{path})."),
            code: None,
            param: None,
        }
    }

    pub(super) fn missing(what: &str, id: &str, param: &str) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            message: format!("No such {what}: '{id}'"),
            code: Some("resource_missing"),
            param: Some(param.to_owned()),
        }
    }

    pub(super) fn invalid(param: &str, message: &str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            message: message.to_owned(),
            code: None,
            param: Some(param.to_owned()),
        }
    }

    pub(super) fn parameter_missing(param: &str) -> Self {
        Self {
            code: Some("parameter_missing"),
            ..Self::invalid(param, &format!("Missing required param: {param}."))
        }
    }

    pub(super) fn into_response(self) -> Response {
        let mut error = json!({ "type": "invalid_request_error", "message": self.message });
        if let Some(error) = error.as_object_mut() {
            error.extend(self.code.map(|code| ("code".to_owned(), code.into())));
            error.extend(self.param.map(|param| ("param".to_owned(), param.into())));
        }
        respond(self.status, "application/json", &json!({ "error": error }))
    }
}
