//! What a URL leads to: the server's address, its settings, and TLS.

use std::fmt;

use redis::{AsyncConnectionConfig, Client, RedisResult, aio::MultiplexedConnection, io::tcp::TcpSettings};

#[cfg(feature = "tls-no-provider")]
use crate::tls::Tls;

/// Makes connections to one server.
pub(crate) struct RedisClient {
    client: Client,
    /// For `rediss://`. The crate `redis` would take its cryptography from a default of the whole
    /// process, and install one where the application has none.
    #[cfg(feature = "tls-no-provider")]
    tls: Option<Tls>,
}

impl RedisClient {
    /// Reads the URL; does not connect yet. Errors say what is wrong and never repeat the URL.
    pub(crate) fn new(url: &str) -> Result<Self, String> {
        let mut parsed = redis::parse_redis_url(url)
            .ok_or("expected redis://, rediss:// (or valkey://, valkeys://) and a host, or unix://")?;
        // With an unescaped `/`, `?` or `#` in the password, what follows it would be taken for the
        // host and the port, and be logged.
        let after_host = [
            parsed.path(),
            parsed.query().unwrap_or(""),
            parsed.fragment().unwrap_or(""),
        ];
        if parsed.has_host() && after_host.iter().any(|part| part.contains('@')) {
            return Err(
                "it has an @ after the host; expected /, ?, # and @ in the password as %2F, %3F, %23 and %40"
                    .to_owned(),
            );
        }
        if parsed.fragment().is_some() {
            return Err("it has a #; expected none: a server's certificate is always checked".to_owned());
        }
        let has_tls = matches!(parsed.scheme(), "rediss" | "valkeys");
        if has_tls && parsed.set_scheme("redis").is_err() {
            return Err("its scheme cannot be read; expected rediss://".to_owned());
        }
        let info = Client::open(parsed)
            .map_err(|error| error.to_string())?
            .get_connection_info()
            .clone();
        let settings = info
            .redis_settings()
            .clone()
            .set_protocol(redis::ProtocolVersion::RESP2)
            .set_lib_name(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        let info = info.set_redis_settings(settings).set_tcp_settings(tcp_settings());
        #[cfg(feature = "tls-no-provider")]
        let tls = match (has_tls, info.addr()) {
            (true, redis::ConnectionAddr::Tcp(host, port)) => Some(Tls::new(host, *port)?),
            _ => None,
        };
        #[cfg(not(feature = "tls-no-provider"))]
        if has_tls {
            return Err(
                "it asks for TLS, which this program was built without; enable the feature `tls` of tower-webhook-redis"
                    .to_owned(),
            );
        }
        Ok(Self {
            client: Client::open(info).map_err(|error| error.to_string())?,
            #[cfg(feature = "tls-no-provider")]
            tls,
        })
    }

    /// Host and port: no user, no password.
    pub(crate) fn server(&self) -> impl fmt::Display {
        self.client.get_connection_info().addr()
    }

    /// The number of the server's database.
    pub(crate) fn database(&self) -> i64 {
        self.client.get_connection_info().redis_settings().db()
    }

    /// A new connection. A task of its own moves its bytes, until the last clone is dropped.
    pub(crate) async fn connect(&self, config: &AsyncConnectionConfig) -> RedisResult<MultiplexedConnection> {
        #[cfg(feature = "tls-no-provider")]
        if let Some(tls) = &self.tls {
            let stream = tls.connect().await?;
            let settings = self.client.get_connection_info().redis_settings();
            let (connection, driver) = MultiplexedConnection::new_with_config(settings, stream, config.clone()).await?;
            tokio::spawn(driver);
            return Ok(connection);
        }
        self.client.get_multiplexed_async_connection_with_config(config).await
    }
}

/// Each command is small and somebody waits for it.
fn tcp_settings() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}
