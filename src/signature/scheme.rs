use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    Algorithm, Encoding, Secrets, SignError, TimestampFormat, Verifier,
    content::{Content, Part, SchemeError, Wrong},
    secret::SecretForm,
};

/// How a provider signs, as data: nothing of it is taken from a request.
///
/// ```
/// use http::{HeaderName, HeaderValue};
/// use tower_webhook::signature::{Algorithm, Encoding, Scheme, Secrets};
///
/// // X-Hub-Signature-256: sha256=<hex of HMAC-SHA256 over the body>
/// let scheme = Scheme::new(
///     HeaderName::from_static("x-hub-signature-256"),
///     Algorithm::HmacSha256,
///     Encoding::Hex,
/// )
/// .prefix(HeaderValue::from_static("sha256="));
///
/// let headers = scheme.sign(
///     &Secrets::new("It's a Secret to Everybody")?,
///     b"Hello, World!",
/// )?;
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
    pub(super) form: Form,
    /// Where the signed id is: as many headers as those of the tag and in their order, or one for
    /// all of them, or none.
    id: Vec<HeaderName>,
    pub(super) timestamp: Option<Timestamp>,
    pub(super) content: Content,
    secret_form: SecretForm,
}

/// How a tag stands in its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The header's whole value, after this text.
    Alone(HeaderValue),
    /// After this text items between separators; a tag is behind the label, and there may be
    /// several.
    List {
        prefix: HeaderValue,
        /// A character, and the spaces behind it.
        separator: Cow<'static, str>,
        label: Cow<'static, str>,
    },
}

/// Where a signed time is, and how far from now it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Timestamp {
    pub(super) place: TimePlace,
    pub(super) format: TimestampFormat,
    pub(super) tolerance: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TimePlace {
    /// As many as those of the tag and in their order, or one for all of them.
    Headers(Vec<HeaderName>),
    /// An item of the tag's list, behind this label.
    Item(Cow<'static, str>),
}

impl Scheme {
    /// The tag alone in one header, over the raw body.
    #[must_use]
    pub fn new(header: HeaderName, algorithm: Algorithm, encoding: Encoding) -> Self {
        Self {
            headers: vec![header],
            algorithm,
            encoding,
            form: Form::Alone(HeaderValue::from_static("")),
            id: Vec::new(),
            timestamp: None,
            content: Content::default(),
            secret_form: SecretForm::Text,
        }
    }

    /// Another header for the same tag, read where all the ones named before are absent. The
    /// algorithm stays the same.
    #[must_use]
    pub fn or_header(mut self, header: HeaderName) -> Self {
        self.headers.push(header);
        self
    }

    /// Other names for all of the scheme's headers, read where those named before are absent.
    pub(crate) fn or_headers(mut self, tag: HeaderName, id: HeaderName, timestamp: HeaderName) -> Self {
        self.headers.push(tag);
        self.id.push(id);
        if let Some(TimePlace::Headers(names)) = self.timestamp.as_mut().map(|timestamp| &mut timestamp.place) {
            names.push(timestamp);
        }
        self
    }

    /// Text that stands before the tag in the header, such as `sha256=`, or before the whole
    /// [`list`](Self::list) of them. A value without it is refused; it chooses nothing.
    #[must_use]
    pub fn prefix(mut self, text: HeaderValue) -> Self {
        match &mut self.form {
            Form::Alone(prefix) | Form::List { prefix, .. } => *prefix = text,
        }
        self
    }

    /// An id in a header, which is signed: before what is signed so far, with a dot between, unless
    /// [`signed_content`](Self::signed_content) says otherwise.
    #[must_use]
    pub fn id_header(mut self, header: HeaderName) -> Self {
        self.id = vec![header];
        self.content = self.content.preceded_by(Part::Id);
        self
    }

    /// A time in a header, which is signed: before what is signed so far, with a dot between,
    /// unless [`signed_content`](Self::signed_content) says otherwise. It is in whole seconds since
    /// 1970, unless [`timestamp_format`](Self::timestamp_format) says otherwise. A request whose
    /// time is farther from now than the tolerance, in either direction, is refused.
    ///
    /// ```
    /// use http::HeaderName;
    /// use std::time::{Duration, SystemTime};
    /// use tower_webhook::signature::{
    ///     Algorithm, Encoding, Scheme, Secrets, SignatureErrorKind, verify_at,
    /// };
    ///
    /// let minute = Duration::from_secs(60);
    /// let scheme = Scheme::new(
    ///     HeaderName::from_static("x-signature"),
    ///     Algorithm::HmacSha256,
    ///     Encoding::Hex,
    /// )
    /// .timestamp_header(HeaderName::from_static("x-time"), 5 * minute);
    ///
    /// let secrets = Secrets::new("8f742231b10e8888abcd99yyyzzz85a5")?;
    /// let sent = SystemTime::UNIX_EPOCH + Duration::from_secs(1_531_420_618);
    /// let headers = scheme.sign_at(&secrets, "", sent, b"{}")?; // over `1531420618.{}`
    /// verify_at(&scheme, &secrets, &headers, b"{}", sent + 5 * minute)?;
    ///
    /// let error =
    ///     verify_at(&scheme, &secrets, &headers, b"{}", sent + 6 * minute).unwrap_err();
    /// assert_eq!(error.kind(), SignatureErrorKind::Timestamp);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn timestamp_header(self, header: HeaderName, tolerance: Duration) -> Self {
        self.timestamp(TimePlace::Headers(vec![header]), tolerance)
    }

    pub(super) fn timestamp(mut self, place: TimePlace, tolerance: Duration) -> Self {
        self.timestamp = Some(Timestamp {
            place,
            format: self.format().unwrap_or_default(),
            tolerance,
        });
        self.content = self.content.preceded_by(Part::Timestamp);
        self
    }

    /// How the signed time is written, if not in seconds.
    ///
    /// ```
    /// use http::HeaderName;
    /// use std::time::{Duration, SystemTime};
    /// use tower_webhook::signature::{
    ///     Algorithm, Encoding, Scheme, Secrets, TimestampFormat, verify_at,
    /// };
    ///
    /// // as Sanity signs: milliseconds, and base64 in its URL-safe alphabet
    /// let scheme = Scheme::new(
    ///     HeaderName::from_static("sanity-webhook-signature"),
    ///     Algorithm::HmacSha256,
    ///     Encoding::Base64Url,
    /// )
    /// .list(',', "v1=")?
    /// .timestamp_item("t=", Duration::from_secs(300))?
    /// .timestamp_format(TimestampFormat::Milliseconds)?;
    ///
    /// let sent = SystemTime::UNIX_EPOCH + Duration::from_millis(1_633_519_811_129);
    /// let headers =
    ///     scheme.sign_at(&Secrets::new("test")?, "", sent, br#"{"_id":"resume"}"#)?;
    /// assert_eq!(
    ///     headers["sanity-webhook-signature"],
    ///     "t=1633519811129,v1=tLa470fx7qkLLEcMOcEUFuBbRSkGujyskxrNXcoh0N0",
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The scheme signs no time; or an id stands right before it in the signed content, and would
    /// have no end before such a time.
    pub fn timestamp_format(mut self, format: TimestampFormat) -> Result<Self, SchemeError> {
        let timestamp = self.timestamp.as_mut().ok_or(SchemeError(Wrong::NoTime))?;
        self.content.tells_where_ids_end(format)?;
        timestamp.format = format;
        Ok(self)
    }

    fn format(&self) -> Option<TimestampFormat> {
        self.timestamp.as_ref().map(|timestamp| timestamp.format)
    }

    /// How far from now a signed time may be, where a scheme signs one and the provider's usual
    /// tolerance does not do.
    #[must_use]
    pub fn tolerance(mut self, tolerance: Duration) -> Self {
        if let Some(timestamp) = &mut self.timestamp {
            timestamp.tolerance = tolerance;
        }
        self
    }

    /// Sets the signed content: text with `{body}` in it, and with `{id}` and `{timestamp}` where
    /// the scheme has a place for them, which must be named before. For a provider [with
    /// tenants](crate::provider::tenant) that signs an address which names the tenant, `{tenant}`
    /// stands for its name.
    ///
    /// What a request signs can be cut into these parts in one way only. A time may touch the body,
    /// before it or behind it: without text between them a time in seconds must then have ten
    /// digits (until the year 2286), and one in milliseconds thirteen. An id comes before the body,
    /// and ends where text begins, or a time in RFC 3339.
    ///
    /// ```
    /// # use http::HeaderName;
    /// # use std::time::Duration;
    /// # use tower_webhook::signature::{Algorithm, Encoding, Scheme};
    /// # let header = HeaderName::from_static("x-signature");
    /// # let scheme = Scheme::new(header, Algorithm::HmacSha256, Encoding::Base64);
    /// let timed = scheme.clone()
    ///     .timestamp_header(HeaderName::from_static("x-time"), Duration::from_secs(300))
    ///     .signed_content("v0:{timestamp}:{body}")?;
    ///
    /// let error = timed.signed_content("{body}").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "the signed content leaves out {timestamp}, which the scheme has a place for; expected \
    ///      it: unsigned, it would say nothing",
    /// );
    ///
    /// // the URL that the provider was given, then the body
    /// let scheme = scheme.signed_content("https://example.com/webhooks{body}")?;
    ///
    /// let error = scheme.signed_content("{body}{body}").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "the signed content names {body} 2 times; expected exactly once",
    /// );
    /// # Ok::<(), tower_webhook::signature::SchemeError>(())
    /// ```
    ///
    /// # Errors
    /// `{body}` is not there exactly once; `{tenant}` is there more than once, or behind it; `{id}`
    /// or `{timestamp}` is there without a place for it, more than once, or not although there is a
    /// place; another name stands in braces; or nothing tells where the id ends.
    pub fn signed_content(mut self, template: &str) -> Result<Self, SchemeError> {
        self.content = Content::parse(template, !self.id.is_empty(), self.format())?;
        Ok(self)
    }

    /// A content that is known to fit.
    pub(crate) fn content_of(self, template: &'static str) -> Self {
        #[expect(
            clippy::expect_used,
            reason = "a provider's template, fixed in its file; its vector is verified by a test"
        )]
        self.signed_content(template).expect("a template that fits")
    }

    /// Secrets are base64, with or without this text before it, and stand for 24 to 75 bytes, which
    /// are the key. Without this, a secret's own bytes are the key, the prefix that it may have
    /// included. A [`raw_key`](Secrets::raw_key) is the key in either case.
    #[must_use]
    pub fn base64_secrets(mut self, prefix: &str) -> Self {
        self.secret_form = SecretForm::Base64(prefix.to_owned());
        self
    }

    /// The headers that a provider of this scheme puts on a request with this body, now and under a
    /// fresh id: the inverse of [`verify`](super::verify). Signs with the first of the secrets.
    ///
    /// # Errors
    /// The secrets are not of the form that the scheme asks for.
    pub fn sign(&self, secrets: &Secrets, body: &[u8]) -> Result<HeaderMap, SignError> {
        Verifier::new(self, secrets)?.sign(body)
    }

    /// [`sign`](Self::sign) with an id and a time of the caller's choosing, where the scheme signs
    /// them.
    ///
    /// # Errors
    /// As [`sign`](Self::sign); or the id cannot be signed: it is empty, longer than 255 bytes, has
    /// something else in it than printable ASCII, or what ends an id in the signed content (`.`,
    /// say); or the time cannot be written in the scheme's form.
    pub fn sign_at(&self, secrets: &Secrets, id: &str, time: SystemTime, body: &[u8]) -> Result<HeaderMap, SignError> {
        Verifier::new(self, secrets)?.sign_at(id, time, body)
    }

    /// The headers it reads, in order of preference.
    #[must_use]
    pub fn headers(&self) -> &[HeaderName] {
        &self.headers
    }

    pub(super) fn content(&self) -> &Content {
        &self.content
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) fn encoding(&self) -> Encoding {
        self.encoding
    }

    pub(super) fn form(&self) -> &Form {
        &self.form
    }

    pub(super) fn timestamp_place(&self) -> Option<&Timestamp> {
        self.timestamp.as_ref()
    }

    /// The header of the id, for the tag in this one of the headers.
    pub(super) fn id_name(&self, tag: usize) -> Option<&HeaderName> {
        self.id.get(tag).or(self.id.first())
    }

    pub(super) fn secret_form(&self) -> &SecretForm {
        &self.secret_form
    }

    /// How far from now a signed time may be. `None` where the scheme signs no time.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_webhook::{dwolla, stripe};
    ///
    /// assert_eq!(
    ///     stripe::scheme().time_tolerance(),
    ///     Some(Duration::from_secs(300))
    /// );
    /// assert_eq!(dwolla::scheme().time_tolerance(), None);
    /// ```
    #[must_use]
    pub fn time_tolerance(&self) -> Option<Duration> {
        self.timestamp.as_ref().map(|timestamp| timestamp.tolerance)
    }

    /// Whether the signature covers a time beside the body.
    #[must_use]
    pub fn signs_timestamp(&self) -> bool {
        self.timestamp.is_some()
    }

    /// Whether the signature covers an id in a header.
    #[must_use]
    pub fn signs_id(&self) -> bool {
        !self.id.is_empty()
    }
}
