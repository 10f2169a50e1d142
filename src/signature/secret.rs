use std::fmt;

use base64::{
    Engine as _,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

use super::secret_error::{SecretError, SecretErrorKind};

/// With its padding or without: what stands in a dashboard is copied by hand. Bits at the end that
/// fill no byte may be anything and are dropped, as Standard Webhooks' and Svix's SDKs for
/// JavaScript do: there are providers whose secrets are random letters.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The length of the key in a base64 secret, in bytes: 24 to 64 by the Standard Webhooks
/// specification, and Svix's server takes 75.
const KEY_LENGTHS: std::ops::RangeInclusive<usize> = 24..=75;

/// How a secret's text stands for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SecretForm {
    /// Its bytes are the key.
    Text,
    /// It is base64, after this prefix or without it.
    Base64(String),
}

/// The secrets shared with a provider: one, or several while one replaces another.
///
/// A secret is the text that the provider shows, or a [raw key](Self::raw_key): bytes. The first is
/// the one to [`sign`](super::Scheme::sign) with; all are tried when verifying. Their memory is
/// wiped when they are dropped, and `Debug` prints their number only.
///
/// ```
/// use tower_webhook::signature::Secrets;
///
/// let one = Secrets::new("8f742231b10e8888abcd99yyyzzz85a5")?;
/// let rotating = Secrets::new(["the new one", "the one that goes"])?;
/// assert_eq!(format!("{rotating:?}"), "Secrets(2)");
///
/// // what a file or a shell leaves at the end is found here, not in a night of 401s
/// let error = Secrets::new("secret\n").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "the secret ends with whitespace; expected none around it: trim it where it is read"
/// );
/// # Ok::<(), tower_webhook::signature::SecretError>(())
/// ```
#[derive(Clone)]
pub struct Secrets(Vec<Secret>);

#[derive(Clone)]
struct Secret {
    bytes: Zeroizing<Vec<u8>>,
    /// Whether they are the key itself, whatever the scheme makes of a text.
    is_raw: bool,
}

impl Secrets {
    /// A secret as the provider shows it, or a list of them, the current one first. Each
    /// provider's `new` takes the same.
    ///
    /// # Errors
    /// There is none. Or one is empty or blank, or has around it what is no part of it: whitespace,
    /// an invisible character, or quotes; of a list, the error tells which.
    pub fn new(secrets: impl TryInto<Self, Error: Into<SecretError>>) -> Result<Self, SecretError> {
        secrets.try_into().map_err(Into::into)
    }

    /// The secrets of an iterator, the current one first.
    ///
    /// # Errors
    /// There is none, or one of them is refused as by [`new`](Self::new): the error tells which.
    pub fn several<T: Into<Vec<u8>>>(secrets: impl IntoIterator<Item = T>) -> Result<Self, SecretError> {
        Self::checked(secrets, false)
    }

    /// One key as bytes: from a key store, or decoded from what the provider shows. They are the
    /// key as they are, also in a scheme whose secrets are [base64](super::Scheme::base64_secrets).
    ///
    /// ```
    /// use http::HeaderName;
    /// use tower_webhook::{
    ///     custom::Custom,
    ///     signature::{Algorithm, Encoding, Scheme, Secrets},
    /// };
    ///
    /// // Close shows its key in hex, and signs with the bytes that it stands for.
    /// let key = Secrets::raw_key(hex::decode("0a20f7e5").unwrap())?;
    /// let scheme = Scheme::new(
    ///     HeaderName::from_static("close-sig-hash"),
    ///     Algorithm::HmacSha256,
    ///     Encoding::Hex,
    /// );
    /// let builder = Custom::builder("close", scheme).secrets(key);
    /// # drop(builder);
    /// # Ok::<(), tower_webhook::signature::SecretError>(())
    /// ```
    ///
    /// # Errors
    /// It is empty.
    pub fn raw_key(key: impl Into<Vec<u8>>) -> Result<Self, SecretError> {
        Self::raw_keys([key])
    }

    /// Several keys as bytes, the current one first.
    ///
    /// # Errors
    /// There is none, or one of them is empty: the error tells which.
    pub fn raw_keys<T: Into<Vec<u8>>>(keys: impl IntoIterator<Item = T>) -> Result<Self, SecretError> {
        Self::checked(keys, true)
    }

    fn checked<T: Into<Vec<u8>>>(secrets: impl IntoIterator<Item = T>, is_raw: bool) -> Result<Self, SecretError> {
        // Into memory that is wiped first, so that a refusal leaves none of them behind.
        let secrets: Vec<_> = secrets
            .into_iter()
            .map(|secret| Secret {
                bytes: Zeroizing::new(secret.into()),
                is_raw,
            })
            .collect();
        if secrets.is_empty() {
            return Err(SecretError::none());
        }
        for (index, secret) in secrets.iter().enumerate() {
            if let Some(kind) = secret.refuse() {
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
        self.0.iter().map(|secret| secret.bytes.as_slice())
    }

    /// The keys that they stand for in this form.
    pub(super) fn keys(&self, form: &SecretForm) -> Result<Vec<Zeroizing<Vec<u8>>>, SecretError> {
        self.0
            .iter()
            .enumerate()
            .map(|(index, secret)| {
                secret.key(form).map_err(|kind| SecretError {
                    kind,
                    position: (self.0.len() > 1).then_some(index),
                })
            })
            .collect()
    }
}

impl Secret {
    fn key(&self, form: &SecretForm) -> Result<Zeroizing<Vec<u8>>, SecretErrorKind> {
        match form {
            SecretForm::Base64(prefix) if !self.is_raw => from_base64(&self.bytes, prefix),
            _ => Ok(self.bytes.clone()),
        }
    }

    fn refuse(&self) -> Option<SecretErrorKind> {
        match self.is_raw {
            _ if self.bytes.is_empty() => Some(SecretErrorKind::Empty),
            true => None,
            false => refuse_text(&self.bytes),
        }
    }
}

fn from_base64(secret: &[u8], prefix: &str) -> Result<Zeroizing<Vec<u8>>, SecretErrorKind> {
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

fn refuse_text(secret: &[u8]) -> Option<SecretErrorKind> {
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
    } else if has_invisible_end(secret) {
        Some(SecretErrorKind::Invisible)
    } else if is_quoted(secret) {
        Some(SecretErrorKind::Quoted)
    } else {
        None
    }
}

/// A byte order mark, as editors and shells write before a text (in UTF-16, too), and what a copy
/// from a web page takes along: letters of no width, marks of direction, soft hyphens.
fn has_invisible_end(secret: &[u8]) -> bool {
    let is_invisible = |letter: char| {
        matches!(
            letter,
            '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        )
    };
    match std::str::from_utf8(secret) {
        Ok(text) => text.starts_with(is_invisible) || text.ends_with(is_invisible),
        Err(_) => secret.starts_with(b"\xff\xfe") || secret.starts_with(b"\xfe\xff"),
    }
}

fn is_quoted(secret: &[u8]) -> bool {
    const QUOTES: [(char, char); 5] = [('"', '"'), ('\'', '\''), ('`', '`'), ('“', '”'), ('‘', '’')];
    std::str::from_utf8(secret).is_ok_and(|text| {
        QUOTES
            .iter()
            .any(|(open, close)| text.strip_prefix(*open).is_some_and(|rest| rest.ends_with(*close)))
    })
}

/// Whitespace that a file, a shell or a copy from a web page (a no-break space) leaves around a
/// secret.
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
        Self::several([secret])
    }
}

impl TryFrom<&String> for Secrets {
    type Error = SecretError;

    fn try_from(secret: &String) -> Result<Self, SecretError> {
        Self::several([secret.as_str()])
    }
}

/// One secret whose text is not UTF-8.
impl TryFrom<&[u8]> for Secrets {
    type Error = SecretError;

    fn try_from(secret: &[u8]) -> Result<Self, SecretError> {
        Self::several([secret])
    }
}

impl TryFrom<String> for Secrets {
    type Error = SecretError;

    fn try_from(secret: String) -> Result<Self, SecretError> {
        Self::several([secret])
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
