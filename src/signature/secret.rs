use std::{convert::Infallible, fmt};

use base64::{
    Engine as _,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

/// With its padding or without: what stands in a dashboard is copied by hand.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a base64 secret stands for, in bytes: 24 to 64 by the Standard Webhooks specification, and Svix's server takes 75.
const KEY_LENGTHS: std::ops::RangeInclusive<usize> = 24..=75;

/// How a secret's text stands for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SecretForm {
    /// Its bytes are the key.
    Text,
    /// It is base64, after this prefix or without it.
    Base64(String),
}

/// The secrets shared with a sender: one, or several while one replaces another.
///
/// The first is the one to [`sign`](super::Scheme::sign) with; all are tried when verifying. Their memory is wiped when they are
/// dropped, and `Debug` prints their number only.
///
/// ```
/// use tower_webhook::signature::Secrets;
///
/// let one = Secrets::new("8f742231b10e8888abcd99yyyzzz85a5")?;
/// let rotating = Secrets::several(["the new one", "the one that goes"])?;
/// assert_eq!(format!("{rotating:?}"), "Secrets(2)");
///
/// // what a file or a shell leaves at the end is found here, not in a night of 401s
/// let error = Secrets::new("secret\n").unwrap_err();
/// assert_eq!(error.to_string(), "the secret ends with whitespace; expected none around it: trim it where it is read");
/// # Ok::<(), tower_webhook::signature::SecretError>(())
/// ```
#[derive(Clone)]
pub struct Secrets(Vec<Zeroizing<Vec<u8>>>);

impl Secrets {
    /// One secret.
    ///
    /// # Errors
    /// It is empty, blank, or has whitespace at an end.
    pub fn new(secret: impl Into<Vec<u8>>) -> Result<Self, SecretError> {
        Self::several([secret])
    }

    /// Several secrets, the current one first. All are valid for verifying.
    ///
    /// # Errors
    /// There is none, or one of them is empty, blank or has whitespace at an end: the error tells which.
    pub fn several<T: Into<Vec<u8>>>(secrets: impl IntoIterator<Item = T>) -> Result<Self, SecretError> {
        // Into memory that is wiped first, so that a refusal leaves none of them behind.
        let secrets: Vec<_> = secrets
            .into_iter()
            .map(|secret| Zeroizing::new(secret.into()))
            .collect();
        if secrets.is_empty() {
            return Err(SecretError::none());
        }
        for (index, secret) in secrets.iter().enumerate() {
            if let Some(kind) = refuse(secret) {
                return Err(SecretError {
                    kind,
                    position: (secrets.len() > 1).then_some(index),
                });
            }
        }
        Ok(Self(secrets))
    }

    /// Themselves, as bytes.
    pub(super) fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(|secret| secret.as_slice())
    }

    /// The keys that they stand for in this form.
    pub(super) fn keys(&self, form: &SecretForm) -> Result<Vec<Zeroizing<Vec<u8>>>, SecretError> {
        self.0
            .iter()
            .enumerate()
            .map(|(index, secret)| {
                key(secret, form).map_err(|kind| SecretError {
                    kind,
                    position: (self.0.len() > 1).then_some(index),
                })
            })
            .collect()
    }
}

fn key(secret: &[u8], form: &SecretForm) -> Result<Zeroizing<Vec<u8>>, SecretErrorKind> {
    let SecretForm::Base64(prefix) = form else {
        return Ok(Zeroizing::new(secret.to_vec()));
    };
    let text = secret.strip_prefix(prefix.as_bytes()).unwrap_or(secret);
    let mut key = Zeroizing::new(vec![0; base64::decoded_len_estimate(text.len())]);
    let length = BASE64
        .decode_slice(text, &mut key)
        .map_err(|_| SecretErrorKind::Encoding)?;
    key.truncate(length);
    if KEY_LENGTHS.contains(&length) {
        Ok(key)
    } else {
        Err(SecretErrorKind::Length)
    }
}

fn refuse(secret: &[u8]) -> Option<SecretErrorKind> {
    if secret.is_empty() {
        return Some(SecretErrorKind::Empty);
    }
    let (without_start, without_end) = match std::str::from_utf8(secret) {
        Ok(text) => (
            text.trim_start_matches(is_space).len(),
            text.trim_end_matches(is_space).len(),
        ),
        Err(_) => (secret.trim_ascii_start().len(), secret.trim_ascii_end().len()),
    };
    if secret == b"whsec_" {
        Some(SecretErrorKind::PrefixAlone)
    } else if without_start == 0 {
        Some(SecretErrorKind::Blank)
    } else if without_start < secret.len() {
        Some(SecretErrorKind::LeadingWhitespace)
    } else if without_end < secret.len() {
        Some(SecretErrorKind::TrailingWhitespace)
    } else {
        None
    }
}

/// What a file, a shell or a copy from a web page (a no-break space) leaves around a secret.
fn is_space(letter: char) -> bool {
    letter.is_ascii_whitespace() || (!letter.is_ascii() && letter.is_whitespace())
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

impl TryFrom<&str> for Secrets {
    type Error = SecretError;

    fn try_from(secret: &str) -> Result<Self, SecretError> {
        Self::new(secret)
    }
}

impl TryFrom<String> for Secrets {
    type Error = SecretError;

    fn try_from(secret: String) -> Result<Self, SecretError> {
        Self::new(secret)
    }
}

impl<T: Into<Vec<u8>>, const N: usize> TryFrom<[T; N]> for Secrets {
    type Error = SecretError;

    fn try_from(secrets: [T; N]) -> Result<Self, SecretError> {
        Self::several(secrets)
    }
}

impl<T: Into<Vec<u8>>> TryFrom<Vec<T>> for Secrets {
    type Error = SecretError;

    fn try_from(secrets: Vec<T>) -> Result<Self, SecretError> {
        Self::several(secrets)
    }
}

/// Why secrets were refused. Its text repeats none of them.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretError {
    kind: SecretErrorKind,
    position: Option<usize>,
}

/// What was wrong with a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SecretErrorKind {
    /// There is no secret at all.
    None,
    /// A secret of no bytes: everyone could sign with it.
    Empty,
    /// A secret of whitespace.
    Blank,
    /// Whitespace before the secret.
    LeadingWhitespace,
    /// Whitespace behind the secret, such as a file's last newline.
    TrailingWhitespace,
    /// `whsec_` with nothing behind it.
    PrefixAlone,
    /// The scheme's secrets are base64, and this is not.
    Encoding,
    /// The secret stands for fewer than 24 or more than 75 bytes.
    Length,
}

impl SecretError {
    pub(super) fn none() -> Self {
        Self {
            kind: SecretErrorKind::None,
            position: None,
        }
    }

    /// What was wrong.
    #[must_use]
    pub fn kind(&self) -> SecretErrorKind {
        self.kind
    }
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind == SecretErrorKind::None {
            return f.write_str("there is no secret; expected at least one");
        }
        match self.position {
            None => f.write_str("the secret ")?,
            Some(position) => write!(f, "secret {} of the list ", position.saturating_add(1))?,
        }
        f.write_str(match self.kind {
            SecretErrorKind::None | SecretErrorKind::Empty => {
                "is empty; expected the sender's: check the variable or file it is read from"
            }
            SecretErrorKind::Blank => "is blank; expected the sender's: check the variable or file it is read from",
            SecretErrorKind::LeadingWhitespace => {
                "begins with whitespace; expected none around it: trim it where it is read"
            }
            SecretErrorKind::TrailingWhitespace => {
                "ends with whitespace; expected none around it: trim it where it is read"
            }
            SecretErrorKind::PrefixAlone => {
                "is a prefix with nothing behind it; expected the whole of the sender's secret"
            }
            SecretErrorKind::Encoding => {
                "is not base64; expected the sender's, as it stands there: with its prefix or without it"
            }
            SecretErrorKind::Length => {
                "is base64 of fewer than 24 or more than 75 bytes; expected the whole of the sender's, and nothing else"
            }
        })
    }
}

/// With the message: a `main` that returns this error prints it by `Debug`.
impl fmt::Debug for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretError({:?}: {self})", self.kind)
    }
}

impl std::error::Error for SecretError {}

/// So that a constructor can take `impl TryInto<Secrets>` and be given `Secrets` themselves.
impl From<Infallible> for SecretError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
