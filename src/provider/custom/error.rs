use std::{borrow::Cow, fmt};

use crate::signature::SecretError;

/// Why a [`Custom`](super::Custom) provider cannot be built. Its text repeats no secret.
///
/// ```
/// use http::HeaderName;
/// use tower_webhook::{custom::Custom, signature::{Algorithm, Encoding, Scheme}};
///
/// let header = HeaderName::from_static("x-signature");
/// let scheme = Scheme::new(header, Algorithm::HmacSha256, Encoding::Hex);
/// let error = Custom::builder("example", scheme).build().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "the id has no path; \
///      expected `id`, `signed_id`, or `without_id` for a provider that gives none",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomError(Cow<'static, str>);

impl CustomError {
    pub(super) fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self(message.into())
    }
}

impl From<String> for CustomError {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

impl From<SecretError> for CustomError {
    fn from(error: SecretError) -> Self {
        Self::new(error.to_string())
    }
}

impl fmt::Display for CustomError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CustomError {}
