//! The inverse of verifying.

use std::{
    error::Error,
    fmt,
    hash::{BuildHasher as _, RandomState},
    time::SystemTime,
};

use http::{HeaderMap, HeaderValue};

use super::{
    SecretError, TimestampFormat, Verified, Verifier,
    content::Values,
    error::id_rule,
    scheme::{Form, TimePlace},
    secret_error::NO_SCHEME,
    tag::encode,
};
use crate::clock::{Clock as _, SystemClock};

impl Verifier {
    /// The headers that a provider puts on a request with this body, now and under a fresh id; see
    /// [`Scheme::sign`](super::Scheme::sign). Signs with the first secret.
    ///
    /// # Errors
    /// None before the year 2286 for a scheme. A [function](Self::from_fn) verifies, and cannot
    /// sign.
    pub fn sign(&self, body: &[u8]) -> Result<HeaderMap, SignError> {
        self.sign_fresh(SystemClock.now(), body)
    }

    /// Under a fresh id, at a time of the caller's choosing.
    pub(crate) fn sign_fresh(&self, time: SystemTime, body: &[u8]) -> Result<HeaderMap, SignError> {
        self.sign_at(&fresh_id(), time, body)
    }

    /// [`sign`](Self::sign) with an id and a time of the caller's choosing; see
    /// [`Scheme::sign_at`](super::Scheme::sign_at).
    ///
    /// # Errors
    /// The id cannot be signed, or the time cannot be written in the scheme's form. A
    /// [function](Self::from_fn) verifies, and cannot sign.
    pub fn sign_at(&self, id: &str, time: SystemTime, body: &[u8]) -> Result<HeaderMap, SignError> {
        let keyed = self.keyed().ok_or_else(SignError::no_scheme)?;
        let scheme = &*keyed.scheme;
        if scheme.signs_id() && !scheme.takes_id(id.as_bytes()) {
            return Err(SignError::id(scheme.content().after_id()));
        }
        let content = scheme.content();
        let time = match scheme.timestamp_place() {
            Some(signed) => {
                let exact = content.exact_time();
                let text = signed.format.write(time, exact);
                text.ok_or_else(|| SignError::time(signed.format, exact))?
            }
            None => String::new(),
        };
        let values = Values {
            id: id.as_bytes(),
            timestamp: time.as_bytes(),
        };
        let parts = content
            .before_body(values)
            .chain(std::iter::once(body))
            .chain(content.after_body(values));
        let tag = encode(
            &keyed.keys().first.tag_over(parts),
            scheme.algorithm(),
            scheme.encoding(),
        );
        let place = scheme.timestamp_place().map(|timestamp| &timestamp.place);
        let value = match (scheme.form(), place) {
            (Form::Alone(prefix), _) => [prefix.as_bytes(), tag.as_bytes()].concat(),
            (
                Form::List {
                    prefix,
                    separator,
                    label,
                },
                place,
            ) => {
                let tag = match place {
                    Some(TimePlace::Item(of_time)) => format!("{of_time}{time}{separator}{label}{tag}"),
                    _ => format!("{label}{tag}"),
                };
                [prefix.as_bytes(), tag.as_bytes()].concat()
            }
        };
        let time_header = match place {
            Some(TimePlace::Headers(names)) => names.first(),
            _ => None,
        };
        let mut headers = HeaderMap::with_capacity(3);
        for (name, value) in [
            (scheme.id_name(0), id.as_bytes()),
            (time_header, time.as_bytes()),
            (scheme.headers().first(), &value),
        ] {
            // Prefixes and labels are headers' values, and what is behind them is printable ASCII.
            if let (Some(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
                headers.insert(name.clone(), value);
            }
        }
        Ok(headers)
    }

    /// The tag of other bytes than a body's under the secret that a request was verified with, as
    /// lower-case hex: for a provider's handshake, which must make sure that the bytes could not be
    /// the signed content of a request. `None` if the secrets were rotated since.
    pub(crate) fn hex_tag_of(&self, verified: Verified, bytes: &[u8]) -> Option<String> {
        let keyed = self.keyed()?;
        let keys = keyed.keys();
        if keys.rotations != verified.rotations {
            return None;
        }
        let tag = keys
            .all()
            .nth(verified.secret_index())?
            .tag_over(std::iter::once(bytes));
        Some(hex::encode(tag.to_bytes(keyed.scheme.algorithm().tag_length())))
    }
}

/// An id for a request that this process signs: not secret, only different from the last one.
fn fresh_id() -> String {
    let random = || RandomState::new().hash_one("tower-webhook id");
    format!("msg_{:016x}{:016x}", random(), random())
}

/// Why a request could not be signed.
///
/// ```
/// use http::HeaderName;
/// use tower_webhook::signature::{Algorithm, Encoding, Scheme, Secrets};
///
/// let header = HeaderName::from_static("x-signature");
/// let scheme = Scheme::new(header, Algorithm::HmacSha256, Encoding::Hex)
///     .id_header(HeaderName::from_static("x-id"));
/// let secrets = Secrets::new("a secret")?;
/// let error = scheme.sign_at(&secrets, "msg.1", std::time::UNIX_EPOCH, b"{}").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "the id cannot be signed; expected 1 to 255 bytes of printable ASCII without spaces and \
///      without '.', which ends it in what is signed",
/// );
/// # Ok::<(), tower_webhook::signature::SecretError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignError(NoSignature);

#[derive(Clone, Debug, PartialEq, Eq)]
enum NoSignature {
    Secret(SecretError),
    NoScheme,
    Id(Option<u8>),
    Time { format: TimestampFormat, exact: bool },
}

impl SignError {
    pub(super) fn id(end: Option<u8>) -> Self {
        Self(NoSignature::Id(end))
    }

    fn no_scheme() -> Self {
        Self(NoSignature::NoScheme)
    }

    fn time(format: TimestampFormat, exact: bool) -> Self {
        Self(NoSignature::Time { format, exact })
    }

    /// The error of the secrets, where they are what is wrong. It is part of this error's text.
    #[must_use]
    pub fn secret_error(&self) -> Option<&SecretError> {
        match &self.0 {
            NoSignature::Secret(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            NoSignature::Secret(error) => write!(f, "the secrets do not fit the scheme: {error}"),
            NoSignature::NoScheme => f.write_str(NO_SCHEME),
            NoSignature::Id(end) => {
                f.write_str("the id cannot be signed; expected ")?;
                id_rule(f, *end)
            }
            NoSignature::Time { format, exact } => {
                f.write_str("the time cannot be signed; expected one that can be written as ")?;
                format.rule(f, *exact)
            }
        }
    }
}

impl Error for SignError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // The text of the secrets' error is part of this one's.
        self.secret_error().and_then(Error::source)
    }
}

impl From<SecretError> for SignError {
    fn from(error: SecretError) -> Self {
        Self(NoSignature::Secret(error))
    }
}
