use std::{borrow::Cow, fmt};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    Secrets, SignatureError,
    mac::{MAX_TAG, Mac, Tag},
    secret::SecretError,
};

/// How a sender signs, as data: nothing of it is taken from a request.
///
/// ```
/// use http::{HeaderName, HeaderValue};
/// use tower_webhook::signature::{Algorithm, Encoding, Scheme, Secrets};
///
/// // X-Hub-Signature-256: sha256=<hex of HMAC-SHA256 over the body>
/// let scheme = Scheme::new(HeaderName::from_static("x-hub-signature-256"), Algorithm::HmacSha256, Encoding::Hex)
///     .prefix(HeaderValue::from_static("sha256="));
///
/// let headers = scheme.sign(&Secrets::new("It's a Secret to Everybody")?, b"Hello, World!")?;
/// assert_eq!(
///     headers["x-hub-signature-256"],
///     "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheme {
    /// In order of preference; never empty.
    headers: Vec<HeaderName>,
    algorithm: Algorithm,
    encoding: Encoding,
    prefix: HeaderValue,
    before_body: Cow<'static, str>,
    after_body: Cow<'static, str>,
}

impl Scheme {
    /// The tag alone in one header, over the raw body.
    #[must_use]
    pub fn new(header: HeaderName, algorithm: Algorithm, encoding: Encoding) -> Self {
        Self {
            headers: vec![header],
            algorithm,
            encoding,
            prefix: HeaderValue::from_static(""),
            before_body: Cow::Borrowed(""),
            after_body: Cow::Borrowed(""),
        }
    }

    /// Another header for the same tag, read where all the ones named before are absent. The algorithm stays the same.
    #[must_use]
    pub fn or_header(mut self, header: HeaderName) -> Self {
        self.headers.push(header);
        self
    }

    /// Text that stands before the tag in the header, such as `sha256=`. A value without it is refused; it chooses nothing.
    #[must_use]
    pub fn prefix(mut self, prefix: HeaderValue) -> Self {
        self.prefix = prefix;
        self
    }

    /// What is signed, if it is not the body alone: text around `{body}`.
    ///
    /// ```
    /// # use http::HeaderName;
    /// # use tower_webhook::signature::{Algorithm, Encoding, Scheme};
    /// # let scheme = Scheme::new(HeaderName::from_static("x-signature"), Algorithm::HmacSha256, Encoding::Base64);
    /// // the URL that the sender was given, then the body
    /// let scheme = scheme.signed_content("https://example.com/webhooks{body}")?;
    ///
    /// let error = scheme.signed_content("{body}{body}").unwrap_err();
    /// assert_eq!(error.to_string(), "the signed content names {body} 2 times; expected exactly once");
    /// # Ok::<(), tower_webhook::signature::SchemeError>(())
    /// ```
    ///
    /// # Errors
    /// `{body}` is not there exactly once, or another name stands in braces.
    pub fn signed_content(mut self, template: &str) -> Result<Self, SchemeError> {
        let Some((before, after)) = template.split_once("{body}") else {
            return Err(SchemeError(Wrong::Bodies(0)));
        };
        let bodies = template.matches("{body}").count();
        if bodies > 1 {
            return Err(SchemeError(Wrong::Bodies(bodies)));
        }
        if [before, after].iter().any(|text| text.contains(['{', '}'])) {
            return Err(SchemeError(Wrong::Placeholder));
        }
        self.before_body = Cow::Owned(before.to_owned());
        self.after_body = Cow::Owned(after.to_owned());
        Ok(self)
    }

    /// The headers that a sender of this scheme puts on a request with this body: the inverse of [`verify`](super::verify).
    /// Signs with the first of the secrets.
    ///
    /// # Errors
    /// The secrets are not of the form that the scheme asks for.
    pub fn sign(&self, secrets: &Secrets, body: &[u8]) -> Result<HeaderMap, SecretError> {
        let secret = secrets.iter().next().ok_or_else(SecretError::none)?;
        let mut mac = Mac::keyed(self.algorithm, secret);
        for part in [self.before_body(), body, self.after_body()] {
            mac.update(part);
        }
        let tag = mac.tag().to_bytes(self.algorithm.tag_length());
        let text = match self.encoding {
            Encoding::Hex => hex::encode(tag),
            Encoding::Base64 => STANDARD.encode(tag),
        };
        let mut headers = HeaderMap::with_capacity(1);
        // A header's value followed by hex or base64 is always a header's value.
        let value = HeaderValue::from_bytes(&[self.prefix.as_bytes(), text.as_bytes()].concat());
        if let (Some(header), Ok(value)) = (self.headers.first(), value) {
            headers.insert(header.clone(), value);
        }
        Ok(headers)
    }

    /// The headers it reads, in order of preference.
    #[must_use]
    pub fn headers(&self) -> &[HeaderName] {
        &self.headers
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) fn before_body(&self) -> &[u8] {
        self.before_body.as_bytes()
    }

    pub(super) fn after_body(&self) -> &[u8] {
        self.after_body.as_bytes()
    }

    /// The tag that the request claims: one value, in the first header that is there, of exactly the scheme's form.
    pub(super) fn claimed_tag(&self, headers: &HeaderMap) -> Result<Tag, SignatureError> {
        let present = self.headers.iter().find_map(|header| {
            let mut values = headers.get_all(header).iter();
            Some((header, values.next()?, values.count()))
        });
        let (header, value) = match present {
            None => return Err(SignatureError::missing(&self.headers)),
            Some((header, value, 0)) => (header, value),
            Some((header, _, more)) => return Err(SignatureError::repeated(header, more.saturating_add(1))),
        };
        if value.is_empty() {
            return Err(SignatureError::empty(header));
        }
        let Some(text) = value.as_bytes().strip_prefix(self.prefix.as_bytes()) else {
            return Err(SignatureError::prefix(header, &self.prefix));
        };
        self.decode(header, text)
    }

    fn decode(&self, header: &HeaderName, text: &[u8]) -> Result<Tag, SignatureError> {
        let length = self.algorithm.tag_length();
        if text.len() != self.encoding.length(self.algorithm) {
            let sha1 = text.len() == 40 && text.iter().all(u8::is_ascii_hexdigit);
            return Err(if sha1 {
                SignatureError::sha1(header, self.algorithm)
            } else {
                SignatureError::length(header, text.len(), self.algorithm, self.encoding)
            });
        }
        // base64 wants room for what the padding could have been.
        let mut bytes = [0; MAX_TAG + 2];
        let decoded = match self.encoding {
            Encoding::Hex => bytes.get_mut(..length).and_then(|bytes| decode_hex(text, bytes)),
            // The strict alphabet with padding; trailing bits must be zero.
            Encoding::Base64 => STANDARD
                .decode_slice(text, &mut bytes)
                .ok()
                .filter(|read| *read == length)
                .map(drop),
        };
        match decoded {
            Some(()) => Ok(Tag::new(bytes.get(..length).unwrap_or_default())),
            None => Err(SignatureError::encoding(header, self.encoding)),
        }
    }
}

/// Lower-case digits alone: were capitals taken too, a changed header would still verify. Without a branch on a digit, as two of five
/// would be guessed wrong: that would take a fifth of the time of a usual body's MAC.
fn decode_hex(text: &[u8], bytes: &mut [u8]) -> Option<()> {
    const WRONG: u8 = 0x10;
    let digit = |letter: u8| match letter {
        b'0'..=b'9' => letter - b'0',
        b'a'..=b'f' => letter - b'a' + 10,
        _ => WRONG,
    };
    let mut all = 0;
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        if let [high, low] = *pair {
            let (high, low) = (digit(high), digit(low));
            all |= high | low;
            *byte = high << 4 | low;
        }
    }
    (all & WRONG == 0).then_some(())
}

/// The MAC of a scheme: one, fixed by the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC with SHA-256: a tag of 32 bytes.
    HmacSha256,
    /// HMAC with SHA-512: a tag of 64 bytes.
    HmacSha512,
}

impl Algorithm {
    fn tag_length(self) -> usize {
        match self {
            Self::HmacSha256 => 32,
            Self::HmacSha512 => 64,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HmacSha256 => "HMAC-SHA256",
            Self::HmacSha512 => "HMAC-SHA512",
        })
    }
}

/// How a tag is written as text. Each tag has exactly one accepted text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// Lower-case hex digits.
    Hex,
    /// The standard base64 alphabet with padding.
    Base64,
}

impl Encoding {
    pub(super) fn length(self, algorithm: Algorithm) -> usize {
        match self {
            Self::Hex => algorithm.tag_length() * 2,
            Self::Base64 => algorithm.tag_length().div_ceil(3) * 4,
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hex => "lower-case hex",
            Self::Base64 => "standard base64 with padding",
        })
    }
}

/// Why a [`Scheme`] cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemeError(Wrong);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wrong {
    Bodies(usize),
    Placeholder,
}

impl fmt::Display for SchemeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Wrong::Bodies(found) => write!(
                f,
                "the signed content names {{body}} {found} times; expected exactly once"
            ),
            Wrong::Placeholder => {
                f.write_str("the signed content has a brace outside {body}; expected text and {body} alone")
            }
        }
    }
}

impl std::error::Error for SchemeError {}
