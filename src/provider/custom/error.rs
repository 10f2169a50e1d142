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
pub struct CustomError(Wrong);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wrong {
    Description(Cow<'static, str>),
    Secret(SecretError),
}

impl CustomError {
    pub(super) fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self(Wrong::Description(message.into()))
    }

    /// The error of the secrets, where they are what is wrong. Its text is this error's text.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use http::HeaderName;
    /// use tower_webhook::{
    ///     custom::{Custom, FieldPath},
    ///     provider::DeliveryPolicy,
    ///     signature::{Algorithm, Encoding, Scheme, SecretErrorKind},
    /// };
    /// # let header = HeaderName::from_static("x-signature");
    /// # let scheme = Scheme::new(header, Algorithm::HmacSha256, Encoding::Hex);
    /// # let day = Duration::from_secs(86_400);
    /// # let policy = DeliveryPolicy::new(Duration::from_secs(10), day);
    ///
    /// let described = Custom::builder("example", scheme)
    ///     .id(FieldPath::body("id"))
    ///     .topic(FieldPath::body("type"))
    ///     .policy(policy);
    /// let error = described.secrets("").build().unwrap_err();
    /// assert_eq!(error.secret_error().unwrap().kind(), SecretErrorKind::Empty);
    /// ```
    #[must_use]
    pub fn secret_error(&self) -> Option<&SecretError> {
        match &self.0 {
            Wrong::Secret(error) => Some(error),
            Wrong::Description(_) => None,
        }
    }
}

impl From<SecretError> for CustomError {
    fn from(error: SecretError) -> Self {
        Self(Wrong::Secret(error))
    }
}

impl fmt::Display for CustomError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Wrong::Description(message) => f.write_str(message),
            Wrong::Secret(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CustomError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The secrets' error has this error's text.
        self.secret_error().and_then(std::error::Error::source)
    }
}
