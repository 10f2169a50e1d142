//! Schemes that sign the address a provider posts to: before the body, and each tenant's its own.

use super::{
    Scheme,
    content::{Content, Values},
};

impl Scheme {
    /// This text, then the body.
    pub(crate) fn text_before_body(mut self, text: String) -> Self {
        self.content = Content::after_text(text);
        self
    }

    /// A text with the name of the tenant in it, then the body.
    pub(crate) fn tenant_before_body(mut self, before: String, behind: String) -> Self {
        self.content = Content::after_tenant(before, behind);
        self
    }

    /// The scheme for one tenant: its name replaces `{tenant}` in the
    /// [signed content](Self::signed_content).
    ///
    /// ```
    /// # use http::HeaderName;
    /// # use tower_webhook::event::Tenant;
    /// # use tower_webhook::signature::{Algorithm, Encoding, Scheme, Secrets, Verifier};
    /// let header = HeaderName::from_static("x-signature");
    /// let scheme = Scheme::new(header, Algorithm::HmacSha256, Encoding::Hex)
    ///     .signed_content("https://example.com/webhooks/{tenant}{body}")?;
    ///
    /// let secrets = Secrets::new("sshhhhhh")?;
    /// let error = Verifier::new(&scheme, &secrets).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "the scheme signs the tenant's name, which is not known; \
    ///      expected `Provider::per_tenant`, or `Scheme::of_tenant` for one tenant",
    /// );
    /// let headers = scheme.of_tenant(&Tenant::new("acme")?).sign(&secrets, b"{}")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn of_tenant(&self, tenant: impl AsRef<str>) -> Self {
        let mut scheme = self.clone();
        scheme.content = scheme.content.of_tenant(tenant.as_ref());
        scheme
    }

    /// Whether the name of a tenant is signed, of one that is not known yet.
    pub(super) fn signs_tenant(&self) -> bool {
        self.content.before_tenant(Values::default()).is_some()
    }
}
