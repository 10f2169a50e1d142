use std::{borrow::Cow, error::Error, fmt, time::Duration};

use http::{HeaderName, HeaderValue};

use super::{
    Algorithm, Encoding, SecretError, TimestampFormat,
    timestamp::{NoTime, TimeOff},
};

/// Why a signature was refused: for the log, never for the response. It holds no tag and no secret.
///
/// ```
/// use http::HeaderMap;
/// use tower_webhook::{signature::{Secrets, SignatureErrorKind, verify}, dwolla};
///
/// let secrets = Secrets::new("sshhhhhh")?;
/// let error = verify(&dwolla::scheme(), &secrets, &HeaderMap::new(), b"{}").unwrap_err();
/// assert_eq!(error.kind(), SignatureErrorKind::Missing);
/// assert_eq!(
///     error.to_string(),
///     "no signature: expected the header x-request-signature-sha-256 or x-request-signature; \
///      check that the request comes from the provider and that no proxy drops the header",
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
    /// A header that is signed is not there.
    Absent {
        header: HeaderName,
        what: &'static str,
    },
    Id {
        header: HeaderName,
        end: Option<u8>,
    },
    Time {
        header: HeaderName,
        wrong: NoTime,
        format: TimestampFormat,
        exact: bool,
    },
    TwoTimes {
        header: HeaderName,
    },
    NoTimeInBody,
    Items {
        header: HeaderName,
        most: usize,
    },
    NoItem {
        header: HeaderName,
        label: String,
    },
    Mismatch {
        secrets: usize,
    },
    TimeOff {
        off: TimeOff,
        tolerance: Duration,
    },
    Secret(SecretError),
    /// The error of a function that the user wrote.
    Own {
        kind: SignatureErrorKind,
        reason: Cow<'static, str>,
    },
}

/// The kind of a [`SignatureError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignatureErrorKind {
    /// None of the scheme's signature headers is present, or another signed header is missing.
    Missing,
    /// The header came more than once.
    Repeated,
    /// The header is there without a value.
    Empty,
    /// The value is not of the scheme's form: prefix, list, length or encoding; or a signed id or
    /// time is not of its.
    Malformed,
    /// The value is a SHA-1 tag, which the provider gave up and this crate does not take.
    Sha1,
    /// The value is a tag, but of other bytes or of another secret.
    Mismatch,
    /// The tag is right, but the time that it covers is too far from now.
    Timestamp,
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
            Self::Timestamp => "timestamp",
            Self::Secret => "secret",
        }
    }
}

/// The word of [`as_str`](SignatureErrorKind::as_str).
impl fmt::Display for SignatureErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl SignatureError {
    /// The refusal of a [`Verifier`](super::Verifier) that is a function. The reason goes to the
    /// log: repeat no secret, no expected tag and nothing of the body.
    pub fn new(kind: SignatureErrorKind, reason: impl Into<Cow<'static, str>>) -> Self {
        let reason = reason.into();
        Self(Box::new(Reason::Own { kind, reason }))
    }

    pub(super) fn missing(headers: &[HeaderName]) -> Self {
        Self(Box::new(Reason::Missing(headers.to_vec())))
    }

    pub(super) fn repeated(header: &HeaderName, values: usize) -> Self {
        let header = header.clone();
        Self(Box::new(Reason::Repeated { header, values }))
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
        let header = header.clone();
        Self(Box::new(Reason::Sha1 { header, algorithm }))
    }

    pub(super) fn encoding(header: &HeaderName, encoding: Encoding) -> Self {
        let header = header.clone();
        Self(Box::new(Reason::Encoding { header, encoding }))
    }

    pub(super) fn absent(header: &HeaderName, what: &'static str) -> Self {
        let header = header.clone();
        Self(Box::new(Reason::Absent { header, what }))
    }

    pub(super) fn no_id(header: &HeaderName, end: Option<u8>) -> Self {
        let header = header.clone();
        Self(Box::new(Reason::Id { header, end }))
    }

    pub(super) fn no_time(header: &HeaderName, wrong: NoTime, format: TimestampFormat, exact: bool) -> Self {
        Self(Box::new(Reason::Time {
            header: header.clone(),
            wrong,
            format,
            exact,
        }))
    }

    pub(super) fn no_time_in_body() -> Self {
        Self(Box::new(Reason::NoTimeInBody))
    }

    pub(super) fn two_times(header: &HeaderName) -> Self {
        let header = header.clone();
        Self(Box::new(Reason::TwoTimes { header }))
    }

    pub(super) fn items(header: &HeaderName, most: usize) -> Self {
        let header = header.clone();
        Self(Box::new(Reason::Items { header, most }))
    }

    pub(super) fn no_item(header: &HeaderName, label: &str) -> Self {
        let (header, label) = (header.clone(), label.to_owned());
        Self(Box::new(Reason::NoItem { header, label }))
    }

    pub(super) fn off(off: TimeOff, tolerance: Duration) -> Self {
        Self(Box::new(Reason::TimeOff { off, tolerance }))
    }

    pub(super) fn mismatch(secrets: usize) -> Self {
        Self(Box::new(Reason::Mismatch { secrets }))
    }

    /// The error's kind.
    #[must_use]
    pub fn kind(&self) -> SignatureErrorKind {
        match *self.0 {
            Reason::Missing(_) | Reason::Absent { .. } | Reason::NoTimeInBody => SignatureErrorKind::Missing,
            Reason::Repeated { .. } => SignatureErrorKind::Repeated,
            Reason::Empty { .. } => SignatureErrorKind::Empty,
            Reason::Prefix { .. }
            | Reason::Length { .. }
            | Reason::Encoding { .. }
            | Reason::Id { .. }
            | Reason::Time { .. }
            | Reason::TwoTimes { .. }
            | Reason::Items { .. }
            | Reason::NoItem { .. } => SignatureErrorKind::Malformed,
            Reason::TimeOff { .. } => SignatureErrorKind::Timestamp,
            Reason::Sha1 { .. } => SignatureErrorKind::Sha1,
            Reason::Mismatch { .. } => SignatureErrorKind::Mismatch,
            Reason::Secret(_) => SignatureErrorKind::Secret,
            Reason::Own { kind, .. } => kind,
        }
    }

    /// The error of the secrets, where they are what is wrong. It is part of this error's text.
    #[must_use]
    pub fn secret_error(&self) -> Option<&SecretError> {
        match &*self.0 {
            Reason::Secret(error) => Some(error),
            _ => None,
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
                f.write_str("; check that the request comes from the provider and that no proxy drops the header")
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
                 SHA-1 is not accepted, have the provider sign with {algorithm}"
            ),
            Reason::Encoding { header, encoding } => {
                write!(f, "the tag in {header} is not {encoding}; expected nothing else in it")
            }
            Reason::Absent { header, what } => write!(
                f,
                "no {header}: expected the {what} that is signed; check that no proxy drops the header"
            ),
            Reason::Id { header, end } => {
                write!(f, "the id in {header} cannot be signed; expected ")?;
                id_rule(f, *end)
            }
            Reason::Time {
                header,
                wrong,
                format,
                exact,
            } => {
                write!(f, "the time in {header} ")?;
                match wrong {
                    NoTime::Empty => f.write_str("is missing")?,
                    NoTime::Digits => f.write_str("is not of digits alone")?,
                    NoTime::LeadingZero => f.write_str("begins with a zero")?,
                    NoTime::Length(digits) => write!(f, "has {digits} digits")?,
                    NoTime::Rfc3339 => f.write_str("is not of its form")?,
                }
                f.write_str("; expected ")?;
                format.rule(f, *exact)
            }
            Reason::NoTimeInBody => {
                f.write_str("the body does not say when it was signed; expected the provider's field")
            }
            Reason::TwoTimes { header } => write!(f, "{header} has two times; expected one"),
            Reason::Items { header, most } => write!(f, "{header} has more than {most} items; expected fewer"),
            Reason::NoItem { header, label } => {
                write!(
                    f,
                    "{header} has no item that begins with {label:?}; expected a tag behind it"
                )
            }
            Reason::TimeOff { off, tolerance } => {
                let (seconds, direction, hint) = match off {
                    TimeOff::Past(seconds) => (
                        seconds,
                        "ago",
                        "an old request that somebody sent again, or a clock that is wrong",
                    ),
                    TimeOff::Future(seconds) => (seconds, "ahead", "a clock that is wrong, here or there"),
                };
                write!(
                    f,
                    "the request is authentic, but was signed {seconds}s {direction}; expected at most {}s: {hint}",
                    tolerance.as_secs()
                )
            }
            Reason::Mismatch { secrets } => {
                match secrets {
                    1 => f.write_str("the tag does not match the secret")?,
                    _ => write!(f, "the tag matches none of the {secrets} secrets")?,
                }
                f.write_str(
                    "; expected the body's own: check that the secret is the one given to the provider and that nothing before this \
                     layer changes the body",
                )
            }
            Reason::Own { reason, .. } => f.write_str(reason),
            Reason::Secret(error) => write!(f, "the secrets do not fit the scheme: {error}"),
        }
    }
}

pub(super) fn id_rule(f: &mut fmt::Formatter<'_>, end: Option<u8>) -> fmt::Result {
    f.write_str("1 to 255 bytes of printable ASCII without spaces")?;
    match end {
        Some(end) => write!(f, " and without {:?}, which ends it in what is signed", char::from(end)),
        None => Ok(()),
    }
}

impl Error for SignatureError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // The text of the secrets' error is part of this one's.
        self.secret_error().and_then(Error::source)
    }
}

impl From<SecretError> for SignatureError {
    fn from(error: SecretError) -> Self {
        Self(Box::new(Reason::Secret(error)))
    }
}
