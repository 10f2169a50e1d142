//! Whose certificates are trusted.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use clap::Args;
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use super::Target;
use crate::failure::Failure;

/// How a command is told of them.
#[derive(Args, Clone, Debug)]
pub(crate) struct RootArgs {
    /// A file of root certificates (PEM), trusted in place of this machine's
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
}

impl RootArgs {
    /// The same place, reached over TLS by whoever they have certified.
    pub(crate) fn of(&self, target: Target) -> Result<Target, Failure> {
        let Some(path) = &self.cacert else {
            return Ok(target);
        };
        let refuse = |why: &dyn fmt::Display| {
            Failure::usage(format!(
                "--cacert is {}: {why}; expected a file of root certificates, as PEM",
                path.display()
            ))
        };
        let certificates = read(path).map_err(|error| refuse(&error))?;
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            roots.add(certificate).map_err(|error| refuse(&error))?;
        }
        if roots.is_empty() {
            return Err(refuse(&"it holds none"));
        }
        let roots = Roots(config(roots).map_err(|error| refuse(&error))?);
        Ok(Target {
            roots: Some(roots),
            ..target
        })
    }
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, tokio_rustls::rustls::pki_types::pem::Error> {
    CertificateDer::pem_file_iter(path)?.collect()
}

/// Those that are trusted at one place.
#[derive(Clone)]
pub(crate) struct Roots(Arc<ClientConfig>);

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roots").finish_non_exhaustive()
    }
}

/// Those of this place, or else this machine's, or those in the file that `SSL_CERT_FILE` names.
pub(super) fn trusted_by(target: &Target) -> Result<Arc<ClientConfig>, String> {
    static MACHINE: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(Roots(config)) = &target.roots {
        return Ok(Arc::clone(config));
    }
    if let Some(config) = MACHINE.get() {
        return Ok(Arc::clone(config));
    }
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err("no root certificates; expected them in a file: name it in --cacert or SSL_CERT_FILE".to_owned());
    }
    let config = config(roots).map_err(|error| error.to_string())?;
    Ok(Arc::clone(MACHINE.get_or_init(|| config)))
}

fn config(roots: RootCertStore) -> Result<Arc<ClientConfig>, tokio_rustls::rustls::Error> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
