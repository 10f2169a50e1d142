//! The HTTP client: reqwest, with TLS that is set up here or by the application.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, crypto::CryptoProvider};
use rustls_platform_verifier::BuilderVerifierExt as _;

use super::{Base, options::Configure};
use crate::{Error, ErrorKind};

pub(super) fn build(configure: Option<Box<Configure>>, base: &Base) -> Result<reqwest::Client, Error> {
    let builder = reqwest::Client::builder();
    let builder = match (cryptography(), configure) {
        (Some(provider), configure) => {
            let builder = builder.tls_backend_preconfigured(tls(provider, base)?);
            match configure {
                Some(configure) => configure(builder),
                None => builder,
            }
        }
        (None, Some(configure)) => configure(builder),
        (None, None) => {
            return Err(Error::new(
                ErrorKind::Config,
                "there is no TLS: the features ring and aws-lc-rs are off and the process has no default; \
                 expected one of them: switch one on, or set a TLS backend with Options::http",
            ));
        }
    };
    // Followed by hand, within the host only: reqwest would send the request on to any host.
    let builder = builder.redirect(reqwest::redirect::Policy::none());
    let builder = if base.is_this_machine() {
        builder.no_proxy()
    } else {
        builder
    };
    builder
        .build()
        .map_err(|error| Error::caused_by(ErrorKind::Config, "the HTTP client cannot be built", error))
}

fn tls(provider: Arc<CryptoProvider>, base: &Base) -> Result<ClientConfig, Error> {
    let config = |error: rustls::Error| {
        Error::caused_by(
            ErrorKind::Config,
            "TLS cannot be set up; expected the platform's root certificates: \
             install them, or set a TLS backend with Options::http",
            error,
        )
    };
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(config)?;
    Ok(if base.url().scheme() == "http" {
        // No certificate is ever checked, and a container may have no roots.
        tls.with_root_certificates(RootCertStore::empty()).with_no_client_auth()
    } else {
        tls.with_platform_verifier().map_err(config)?.with_no_client_auth()
    })
}

#[cfg(feature = "aws-lc-rs")]
fn cryptography() -> Option<Arc<CryptoProvider>> {
    Some(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
}

#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
fn cryptography() -> Option<Arc<CryptoProvider>> {
    Some(Arc::new(rustls::crypto::ring::default_provider()))
}

#[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
fn cryptography() -> Option<Arc<CryptoProvider>> {
    CryptoProvider::get_default().cloned()
}
