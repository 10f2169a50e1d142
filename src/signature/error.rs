use std::{error::Error, fmt};

use http::{HeaderName, HeaderValue};

use super::{Algorithm, Encoding, SecretError};

/// Why a signature was refused: for the log, never for the answer. It holds no tag and no secret.
///
/// ```
/// use tower_webhook::{signature::{Secrets, SignatureErrorKind, verify}, dwolla};
///
/// let error = verify(&dwolla::scheme(), &Secrets::new("sshhhhhh")?, &http::HeaderMap::new(), b"{}").unwrap_err();
/// assert_eq!(error.kind(), SignatureErrorKind::Missing);
/// assert_eq!(
///     error.to_string(),
///     "no signature: expected the header x-request-signature-sha-256 or x-request-signature; \
///      check that the request comes from the sender and that no proxy drops the header",
/// );
/// # Ok::<(), tower_webhook::signature::SecretError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureError(Box<Reason>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Reason {
    Missing(Vec<HeaderName>),
    Repeated {
        header: HeaderName,
        values: usize,
    },
    Empty {
        header: HeaderName,
    },
    Prefix {
        header: HeaderName,
        expected: HeaderValue,
    },
    Length {
        header: HeaderName,
        found: usize,
        expected: usize,
        algorithm: Algorithm,
        encoding: Encoding,
    },
    Sha1 {
        header: HeaderName,
        algorithm: Algorithm,
    },
    Encoding {
        header: HeaderName,
        encoding: Encoding,
    },
    Mismatch {
        secrets: usize,
    },
    Secret(SecretError),
}

/// What was wrong with a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignatureErrorKind {
    /// None of the scheme's headers is there.
    Missing,
    /// The header came more than once.
    Repeated,
    /// The header is there without a value.
    Empty,
    /// The value is not of the scheme's form: prefix, length or encoding.
    Malformed,
    /// The value is a SHA-1 tag, which the sender gave up and this crate does not take.
    Sha1,
    /// The value is a tag, but of other bytes or of another secret.
    Mismatch,
    /// The secrets are not of the form that the scheme asks for.
    Secret,
}

impl SignatureErrorKind {
    /// A name for programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Repeated => "repeated",
            Self::Empty => "empty",
            Self::Malformed => "malformed",
            Self::Sha1 => "sha1",
            Self::Mismatch => "mismatch",
            Self::Secret => "secret",
        }
    }
}

impl SignatureError {
    pub(super) fn missing(headers: &[HeaderName]) -> Self {
        Self(Box::new(Reason::Missing(headers.to_vec())))
    }

    pub(super) fn repeated(header: &HeaderName, values: usize) -> Self {
        Self(Box::new(Reason::Repeated {
            header: header.clone(),
            values,
        }))
    }

    pub(super) fn empty(header: &HeaderName) -> Self {
        Self(Box::new(Reason::Empty { header: header.clone() }))
    }

    pub(super) fn prefix(header: &HeaderName, expected: &HeaderValue) -> Self {
        Self(Box::new(Reason::Prefix {
            header: header.clone(),
            expected: expected.clone(),
        }))
    }

    pub(super) fn length(header: &HeaderName, found: usize, algorithm: Algorithm, encoding: Encoding) -> Self {
        let expected = encoding.length(algorithm);
        Self(Box::new(Reason::Length {
            header: header.clone(),
            found,
            expected,
            algorithm,
            encoding,
        }))
    }

    pub(super) fn sha1(header: &HeaderName, algorithm: Algorithm) -> Self {
        Self(Box::new(Reason::Sha1 {
            header: header.clone(),
            algorithm,
        }))
    }

    pub(super) fn encoding(header: &HeaderName, encoding: Encoding) -> Self {
        Self(Box::new(Reason::Encoding {
            header: header.clone(),
            encoding,
        }))
    }

    pub(super) fn mismatch(secrets: usize) -> Self {
        Self(Box::new(Reason::Mismatch { secrets }))
    }

    /// What was wrong.
    #[must_use]
    pub fn kind(&self) -> SignatureErrorKind {
        match *self.0 {
            Reason::Missing(_) => SignatureErrorKind::Missing,
            Reason::Repeated { .. } => SignatureErrorKind::Repeated,
            Reason::Empty { .. } => SignatureErrorKind::Empty,
            Reason::Prefix { .. } | Reason::Length { .. } | Reason::Encoding { .. } => SignatureErrorKind::Malformed,
            Reason::Sha1 { .. } => SignatureErrorKind::Sha1,
            Reason::Mismatch { .. } => SignatureErrorKind::Mismatch,
            Reason::Secret(_) => SignatureErrorKind::Secret,
        }
    }
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Reason::Missing(headers) => {
                f.write_str("no signature: expected the header ")?;
                for (index, header) in headers.iter().enumerate() {
                    write!(f, "{}{header}", if index == 0 { "" } else { " or " })?;
                }
                f.write_str("; check that the request comes from the sender and that no proxy drops the header")
            }
            Reason::Repeated { header, values } => {
                write!(f, "{header} came {values} times; expected exactly one value")
            }
            Reason::Empty { header } => write!(f, "{header} is empty; expected a tag"),
            Reason::Prefix { header, expected } => {
                write!(
                    f,
                    "{header} does not begin with {expected:?}; expected it before the tag"
                )
            }
            Reason::Length {
                header,
                found,
                expected,
                algorithm,
                encoding,
            } => write!(
                f,
                "the tag in {header} has {found} characters; expected {expected} ({algorithm} in {encoding})"
            ),
            Reason::Sha1 { header, algorithm } => write!(
                f,
                "the tag in {header} has 40 hex digits, the length of a SHA-1 tag; expected {algorithm}: \
                 SHA-1 is not accepted, have the sender sign with {algorithm}"
            ),
            Reason::Encoding { header, encoding } => {
                write!(f, "the tag in {header} is not {encoding}; expected nothing else in it")
            }
            Reason::Mismatch { secrets } => write!(
                f,
                "the tag matches none of the {secrets} secret(s); expected the body's own: check that the secret is the one \
                 given to the sender and that nothing before this layer changes the body"
            ),
            Reason::Secret(error) => write!(f, "the secrets do not fit the scheme: {error}"),
        }
    }
}

impl Error for SignatureError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &*self.0 {
            Reason::Secret(error) => Some(error),
            _ => None,
        }
    }
}

impl From<SecretError> for SignatureError {
    fn from(error: SecretError) -> Self {
        Self(Box::new(Reason::Secret(error)))
    }
}
