//! Signatures that are no HMAC: a function of the user's own.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName};

use super::{Scheme, SignatureError, SignatureErrorKind, Verified, Verifier, request::only};

type Check = dyn Fn(&HeaderMap, &[u8], SystemTime) -> Result<(), SignatureError> + Send + Sync;

/// A function, and the headers that it reads.
pub(super) struct VerifierFn {
    headers: Vec<HeaderName>,
    /// The scheme that would sign a request, where the function is a refusal.
    scheme: Option<Scheme>,
    check: Box<Check>,
}

/// The headers and body that a function gets once the body is over.
#[derive(Default)]
pub(super) struct KeptRequest {
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Verifier {
    /// A signature that no [`Scheme`](super::Scheme) describes, because it is no HMAC: Ed25519,
    /// ECDSA, a signed token. The function gets the request's headers, its whole raw body and the
    /// time, and decides whether they are authentic. It runs after the body's last byte and before
    /// anything is parsed.
    ///
    /// `headers` are those that the function reads. A request that lacks one of them, has an empty
    /// one, or has two values for one is refused before a byte of its body is read, so the function
    /// finds exactly one value of each. The function does everything else: it knows what is signed,
    /// the encoding, which keys are valid, and how far from `now` a signed time may be. It must not
    /// block. Its error goes to the log, not to the provider.
    ///
    /// What needs a scheme does not work with a function: [`sign`](Self::sign) and
    /// [`SecretsHandle::rotate`](super::SecretsHandle::rotate) return errors, and the layer's
    /// `explain_refusals` explains nothing.
    ///
    /// ```
    /// use http::{HeaderMap, HeaderName};
    /// use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
    /// use tower_webhook::signature::{SignatureError, SignatureErrorKind, Verifier};
    ///
    /// const SIGNATURE: HeaderName = HeaderName::from_static("x-signature-ed25519");
    /// const TIMESTAMP: HeaderName = HeaderName::from_static("x-signature-timestamp");
    ///
    /// // the provider has the private key
    /// let provider = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    /// let public = UnparsedPublicKey::new(&ED25519, provider.public_key().as_ref().to_owned());
    ///
    /// // Ed25519 over the time and the body, in hex
    /// let refusal = |kind, reason: &'static str| SignatureError::new(kind, reason);
    /// let verifier = Verifier::from_fn([SIGNATURE, TIMESTAMP], move |headers, body, _| {
    ///     let tag = hex::decode(headers[SIGNATURE].as_bytes())
    ///         .map_err(|_| refusal(SignatureErrorKind::Malformed, "the signature is not hex"))?;
    ///     let signed = [headers[TIMESTAMP].as_bytes(), body].concat();
    ///     public
    ///         .verify(&signed, &tag)
    ///         .map_err(|_| refusal(SignatureErrorKind::Mismatch, "other bytes were signed"))
    /// });
    ///
    /// let tag = hex::encode(provider.sign(b"1782907200{}"));
    /// let claims = [(SIGNATURE, tag.parse()?), (TIMESTAMP, "1782907200".parse()?)];
    /// let headers = HeaderMap::from_iter(claims);
    /// verifier.verify(&headers, b"{}")?;
    ///
    /// let error = verifier.verify(&headers, b"{ }").unwrap_err();
    /// assert_eq!(error.kind(), SignatureErrorKind::Mismatch);
    /// let error = verifier.verify(&HeaderMap::new(), b"{}").unwrap_err();
    /// assert_eq!(error.kind(), SignatureErrorKind::Missing);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Security
    /// The layer trusts the function. Take the algorithm and the keys from your configuration,
    /// never from the request; where a time is signed, check it with
    /// [`check_time`](super::check_time); and say in
    /// [`Provider::signature_window`](crate::provider::Provider::signature_window) for how long a
    /// signature is valid.
    pub fn from_fn<F>(headers: impl IntoIterator<Item = HeaderName>, check: F) -> Self
    where
        F: Fn(&HeaderMap, &[u8], SystemTime) -> Result<(), SignatureError> + Send + Sync + 'static,
    {
        Self::of(VerifierFn {
            headers: headers.into_iter().collect(),
            scheme: None,
            check: Box::new(check),
        })
    }

    /// Refuses every request: a verifier without secrets, for a provider that only reads what was
    /// verified and stored earlier. It keeps the scheme, which says in which header a signed id is.
    ///
    /// ```
    /// use tower_webhook::{dwolla, signature::{Secrets, SignatureErrorKind, Verifier}};
    ///
    /// let verifier = Verifier::refusing(&dwolla::scheme());
    /// let signed = dwolla::scheme().sign(&Secrets::new("sshhhhhh")?, b"{}")?;
    /// let error = verifier.verify(&signed, b"{}").unwrap_err();
    /// assert_eq!(error.kind(), SignatureErrorKind::Secret);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn refusing(scheme: &Scheme) -> Self {
        Self::of(VerifierFn {
            headers: Vec::new(),
            scheme: Some(scheme.clone()),
            check: Box::new(|_, _, _| {
                Err(SignatureError::new(
                    SignatureErrorKind::Secret,
                    "the provider is a reader without secrets; expected one with secrets: build it with `new`",
                ))
            }),
        })
    }
}

impl VerifierFn {
    pub(super) fn headers(&self) -> &[HeaderName] {
        &self.headers
    }

    pub(super) fn scheme(&self) -> Option<&Scheme> {
        self.scheme.as_ref()
    }

    /// Each header is there, with one value.
    pub(super) fn claims(&self, headers: &HeaderMap) -> Result<(), SignatureError> {
        for name in &self.headers {
            if only(headers, name, "header")?.is_empty() {
                return Err(SignatureError::empty(name));
            }
        }
        Ok(())
    }

    pub(super) fn begin(&self, headers: &HeaderMap) -> Result<KeptRequest, SignatureError> {
        self.claims(headers)?;
        Ok(KeptRequest {
            headers: headers.clone(),
            body: Vec::new(),
        })
    }

    pub(super) fn verify(&self, headers: &HeaderMap, body: &[u8], now: SystemTime) -> Result<Verified, SignatureError> {
        self.claims(headers)?;
        (self.check)(headers, body, now)?;
        Ok(Verified {
            secret: 0,
            rotations: 0,
        })
    }
}
