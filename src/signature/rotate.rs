use super::{SecretError, Secrets, Verifier};

/// Exchanges the secrets of a [`Verifier`], and of the layer that it was given to, while requests
/// come in.
///
/// A rotation takes three steps: exchange the old secret for the new one *and* the old one; have
/// the provider use the new one; when deliveries are verified by the first secret alone
/// ([`Verified::secret_index`](super::Verified::secret_index), or the metric
/// `webhook_verified_total`), exchange both for the new one.
///
/// ```
/// use tower_webhook::{dwolla::{self, Dwolla}, provider::Provider, signature::Secrets};
///
/// let provider = Dwolla::new("the old secret")?;
/// let handle = provider.verifier().secrets_handle();
/// // … the provider goes into a layer …
///
/// let signed = dwolla::scheme().sign(&Secrets::new("the new secret")?, b"{}")?;
/// assert!(provider.verifier().verify(&signed, b"{}").is_err());
///
/// handle.rotate(["the new secret", "the old secret"])?;
/// assert_eq!(provider.verifier().verify(&signed, b"{}")?.secret_index(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct SecretsHandle(Verifier);

impl SecretsHandle {
    pub(super) const fn new(verifier: Verifier) -> Self {
        Self(verifier)
    }

    /// From here on these secrets are the valid ones, and no others. A request whose headers came
    /// before is still checked against the ones that were valid then.
    ///
    /// # Errors
    /// One of them is not of the form that the scheme asks for. The old ones stay. A verifier that
    /// is a [function](Verifier::from_fn) has no secrets to exchange.
    pub fn rotate(&self, secrets: impl TryInto<Secrets, Error: Into<SecretError>>) -> Result<(), SecretError> {
        let secrets = secrets.try_into().map_err(Into::into)?;
        match self.0.keyed() {
            Some(keyed) => keyed.rotate(&secrets),
            None => Err(SecretError::no_scheme()),
        }
    }
}
