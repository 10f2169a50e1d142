//! A connection's TLS, with cryptography that is nobody's default.

use std::{io, sync::Arc};

use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{ClientConfig, RootCertStore, crypto::CryptoProvider, pki_types::ServerName},
};

pub(crate) struct Tls {
    connector: TlsConnector,
    host: String,
    port: u16,
    name: ServerName<'static>,
}

impl Tls {
    pub(crate) fn new(host: &str, port: u16) -> Result<Self, String> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| format!("{host:?} is no name that a certificate can be for; expected a host"))?;
        let config = ClientConfig::builder_with_provider(provider()?)
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS: {error}"))?
            .with_root_certificates(roots()?)
            .with_no_client_auth();
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            host: host.to_owned(),
            port,
            name,
        })
    }

    pub(crate) async fn connect(&self) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        self.connector.connect(self.name.clone(), stream).await
    }
}

/// The application's choice, if it has made one for the process; else ring, by the feature `tls`.
fn provider() -> Result<Arc<CryptoProvider>, String> {
    if let Some(chosen) = CryptoProvider::get_default() {
        return Ok(Arc::clone(chosen));
    }
    #[cfg(feature = "tls")]
    return Ok(Arc::new(tokio_rustls::rustls::crypto::ring::default_provider()));
    #[cfg(not(feature = "tls"))]
    Err(
        "it asks for TLS, and rustls has no cryptography provider; expected the application to install one, or the \
         feature `tls` of tower-webhook-redis"
            .to_owned(),
    )
}

/// The system's roots, or those in the file that `SSL_CERT_FILE` names.
fn roots() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found
            .errors
            .first()
            .map_or_else(String::new, |error| format!(" ({error})"));
        return Err(format!(
            "no root certificate was found{why}; expected those of the system, or a file of them in SSL_CERT_FILE"
        ));
    }
    Ok(roots)
}

/// The crate `redis` makes the connections to a cluster's nodes itself, and takes its cryptography
/// from the process.
pub(crate) fn of_the_process() -> Result<(), String> {
    match CryptoProvider::get_default() {
        Some(_) => Ok(()),
        None => Err(
            "it asks for TLS to a cluster, which takes its cryptography from the process, and none is installed there; \
             expected the application to install one when it starts: rustls' `CryptoProvider::install_default`"
                .to_owned(),
        ),
    }
}
