//! Why a signature was refused: tries the usual mistakes and says which one it is. [`explain`] is
//! the short form; [`Explain`] knows the application's other endpoints, too.

mod bodies;
mod claimed;
mod contents;
mod explanation;
mod gzip;
mod json;
mod keys;
mod kind;
mod search;
mod target;

use std::{fmt, time::SystemTime};

use http::HeaderMap;

pub use explanation::Explanation;
pub use kind::ExplanationKind;

use self::{explanation::Finding, search::Search};
use super::{Scheme, Secrets};
use crate::clock::{Clock as _, SystemClock};

/// The bytes that one search may put through a MAC or write, all together: 64 MiB.
const WORK: usize = 64 << 20;

/// How many others are tried besides the receiver's own.
const MAX_ALSO: usize = 8;

/// Says which of the usual mistakes explains that this request was refused, and what to do about
/// it.
///
/// It is for a developer's test, a command line and, through
/// [`WebhookLayerBuilder::explain_refusals`], the log. It tries, one at a time and in pairs:
///
/// - the secret without whitespace or quotes around it, with a newline or quotes, decoded from
///   base64 or hex or not decoded, with and without a prefix such as `whsec_`;
/// - the body without its last newline or its last byte, with a newline or one more byte, as
///   compact, spaced or indented JSON, with other escapes, other line ends, with and without a byte
///   order mark, before or after gzip (feature `gzip`), as UTF-8 that was read as Latin-1;
/// - HMAC-SHA1, -SHA256 and -SHA512; tags in hex, upper-case hex, base64 and base64url; a tag in
///   any header; the body alone, and other forms of a signed URL;
/// - the signed time in other units, and how far it is from now.
///
/// ```
/// use http::HeaderName;
/// use tower_webhook::{dwolla, signature::{ExplanationKind, Secrets, explain, verify}};
///
/// let scheme = dwolla::scheme();
/// let secrets = Secrets::new("8f742231b10e8888abcd99yyyzzz85a5")?;
/// let headers = scheme.sign(&secrets, br#"{"id":"1"}"#)?;
///
/// let reprinted = br#"{ "id": "1" }"#; // parsed and printed again on its way
/// assert!(verify(&scheme, &secrets, &headers, reprinted).is_err());
///
/// let explanation = explain(&scheme, &secrets, &headers, reprinted);
/// assert_eq!(explanation.kind(), ExplanationKind::BodyReserialized);
/// assert_eq!(
///     explanation.to_string(),
///     "the signature matches the body as compact JSON: the JSON was parsed and printed again on \
///      its way; pass the raw \
///      bytes of the request to the verification, and have no middleware or proxy rewrite them",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Security
/// Never respond to a request with an explanation, and never treat one as a verification. To
/// whoever sends requests at will, it would tell which part of a guess is right, and one request
/// costs as much as hundreds of verifications: up to 64 MiB of hashing, about 4 MiB of memory
/// besides the body, and a fraction of a second of one core. Limit how often it runs where
/// strangers can cause it, as the layer's switch does. It prints and keeps no secret and no tag.
///
/// [`WebhookLayerBuilder::explain_refusals`]: crate::layer::WebhookLayerBuilder::explain_refusals
#[must_use]
pub fn explain(scheme: &Scheme, secrets: &Secrets, headers: &HeaderMap, body: &[u8]) -> Explanation {
    Explain::new(scheme, secrets).request(headers, body)
}

/// [`explain`](explain()) with more to try: the secrets and schemes of other endpoints.
///
/// ```
/// use tower_webhook::{
///     github,
///     signature::{Explain, ExplanationKind, Secrets},
///     stripe,
/// };
///
/// let (ours, theirs) = (
///     Secrets::new("the secret of Stripe")?,
///     Secrets::new("the secret of GitHub")?,
/// );
/// let explain =
///     Explain::new(&stripe::scheme(), &ours).also("github", &github::scheme(), &theirs);
///
/// let headers = github::scheme().sign(&theirs, b"{}")?;
/// let explanation = explain.request(&headers, b"{}");
/// assert_eq!(explanation.kind(), ExplanationKind::OtherProvider);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Security
/// As [`explain`](explain()).
#[derive(Clone)]
pub struct Explain {
    scheme: Scheme,
    secrets: Secrets,
    also: Vec<(String, Scheme, Secrets)>,
}

impl Explain {
    /// For requests that this scheme and these secrets refuse.
    #[must_use]
    pub fn new(scheme: &Scheme, secrets: &Secrets) -> Self {
        Self {
            scheme: scheme.clone(),
            secrets: secrets.clone(),
            also: Vec::new(),
        }
    }

    /// Another endpoint, whose request this may be. The explanation calls it by the name. Up to
    /// eight are tried.
    #[must_use]
    pub fn also(mut self, name: impl Into<String>, scheme: &Scheme, secrets: &Secrets) -> Self {
        if self.also.len() < MAX_ALSO {
            self.also.push((name.into(), scheme.clone(), secrets.clone()));
        }
        self
    }

    /// Explains a refused request now.
    #[must_use]
    pub fn request(&self, headers: &HeaderMap, body: &[u8]) -> Explanation {
        self.request_at(headers, body, SystemClock.now())
    }

    /// Explains a request that was refused at this time.
    #[must_use]
    pub fn request_at(&self, headers: &HeaderMap, body: &[u8], now: SystemTime) -> Explanation {
        let verified = self.scheme.verify_once(&self.secrets, headers, body, || now);
        let Err(error) = verified else {
            return Explanation::found(vec![Finding::NotRefused]);
        };
        Search::new(self, headers, now).run(error, body)
    }

    /// Explains a request whose body is not there, since it was refused for its headers. `None` if
    /// nothing is wrong with them.
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use http::HeaderMap;
    /// use tower_webhook::{github, signature::{Explain, ExplanationKind, Secrets}};
    ///
    /// let secrets = Secrets::new("the secret of GitHub")?;
    /// let explain = Explain::new(&github::scheme(), &secrets);
    /// let found = explain.headers_at(&HeaderMap::new(), SystemTime::now());
    /// assert_eq!(found.map(|found| found.kind()), Some(ExplanationKind::NoTag));
    ///
    /// let signed = github::scheme().sign(&secrets, b"{}")?;
    /// assert_eq!(explain.headers_at(&signed, SystemTime::now()), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn headers_at(&self, headers: &HeaderMap, now: SystemTime) -> Option<Explanation> {
        let error = self.scheme.claims(headers).err()?;
        Some(Search::new(self, headers, now).nothing(error, None))
    }
}

/// Without secrets, as [`Secrets`] is.
impl fmt::Debug for Explain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Explain")
            .field("scheme", &self.scheme)
            .field("secrets", &self.secrets)
            .field("also", &self.also.iter().map(|(name, ..)| name).collect::<Vec<_>>())
            .finish()
    }
}
