//! A client for the servers of a URL: one server, a cluster, or a primary that sentinels watch.

use std::time::Duration;

use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, RedisError, RedisResult,
    cluster::ClusterClient,
    io::tcp::TcpSettings,
    sentinel::{Sentinel, SentinelNodeConnectionInfo},
};
#[cfg(feature = "tls-no-provider")]
use redis::{ConnectionAddr, aio::MultiplexedConnection};
use tokio::task::JoinSet;

#[cfg(feature = "tls-no-provider")]
use crate::tls::{self, Tls};
use crate::{
    connection::Wire,
    url::{self, Target},
};

/// Makes connections to what a URL leads to.
pub(crate) struct RedisClient {
    footing: Topology,
    /// Hosts and ports: no user, no password.
    server: String,
    database: i64,
}

enum Topology {
    Server {
        client: Box<Client>,
        /// For `rediss://`. The crate `redis` would take its cryptography from a default of the
        /// whole process, and install one where the application has none.
        #[cfg(feature = "tls-no-provider")]
        tls: Option<Tls>,
    },
    Cluster(Box<ClusterClient>),
    Sentinel {
        sentinels: Vec<ConnectionInfo>,
        primary: String,
        settings: Box<SentinelNodeConnectionInfo>,
    },
}

impl RedisClient {
    /// Reads the URL; does not connect yet. Errors say what is wrong and never repeat the URL.
    /// `limit` is how long an operation may take.
    pub(crate) fn new(url: &str, limit: Duration) -> Result<Self, String> {
        match url::target(url)? {
            Target::Server(url) => Self::to_server(&url),
            Target::Cluster(nodes) => Self::to_cluster(&nodes, limit),
            Target::Sentinel {
                sentinels,
                primary,
                server,
            } => Self::to_what_is_watched(&sentinels, primary, &server),
        }
    }

    fn to_server(url: &str) -> Result<Self, String> {
        let (info, has_tls) = info(url)?;
        #[cfg(feature = "tls-no-provider")]
        let tls = match (has_tls, info.addr()) {
            (true, ConnectionAddr::Tcp(host, port)) => Some(Tls::new(host, *port)?),
            _ => None,
        };
        #[cfg(not(feature = "tls-no-provider"))]
        if has_tls {
            return Err(WITHOUT_TLS.to_owned());
        }
        Ok(Self {
            server: info.addr().to_string(),
            database: info.redis_settings().db(),
            footing: Topology::Server {
                client: Box::new(Client::open(info).map_err(|error| error.to_string())?),
                #[cfg(feature = "tls-no-provider")]
                tls,
            },
        })
    }

    fn to_cluster(nodes: &[String], limit: Duration) -> Result<Self, String> {
        let mut infos = Vec::new();
        for node in nodes {
            let (info, has_tls) = info(node)?;
            infos.push(if has_tls { with_tls(info)? } else { info });
        }
        let client = ClusterClient::builder(infos.iter().cloned())
            // A redirection is followed, and an operation sent again, by `connection`: it knows
            // which may be.
            .retries(0)
            // All operations wait while the client reads anew which node has which slot, and it
            // connects to all of them then. One that says nothing holds up the others for so long,
            // up to four times for an operation; the rest of the limit is theirs.
            .connection_timeout(limit / 8)
            .response_timeout(limit)
            .overall_response_timeout(None)
            .tcp_settings(tcp_settings())
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            server: addresses(&infos),
            database: infos.first().map_or(0, |info| info.redis_settings().db()),
            footing: Topology::Cluster(Box::new(client)),
        })
    }

    fn to_what_is_watched(sentinels: &[String], primary: String, server: &str) -> Result<Self, String> {
        let sentinels = sentinels
            .iter()
            .map(|sentinel| Ok(info(sentinel)?.0))
            .collect::<Result<Vec<_>, String>>()?;
        let (server, _) = info(server)?;
        let settings = SentinelNodeConnectionInfo::default()
            .set_redis_connection_info(server.redis_settings().clone())
            .set_tcp_settings(tcp_settings());
        Ok(Self {
            server: format!("{primary} (watched by {})", addresses(&sentinels)),
            database: server.redis_settings().db(),
            footing: Topology::Sentinel {
                sentinels,
                primary,
                settings: Box::new(settings),
            },
        })
    }

    /// Hosts and ports: no user, no password.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// The number of the database.
    pub(crate) fn database(&self) -> i64 {
        self.database
    }

    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self.footing, Topology::Cluster(_))
    }

    /// A new connection. A task of its own moves its bytes, until the last clone is dropped.
    pub(crate) async fn connect(&self, config: &AsyncConnectionConfig) -> RedisResult<Wire> {
        match &self.footing {
            #[cfg(feature = "tls-no-provider")]
            Topology::Server { client, tls: Some(tls) } => {
                let stream = tls.connect().await?;
                let settings = client.get_connection_info().redis_settings();
                let (connection, driver) =
                    MultiplexedConnection::new_with_config(settings, stream, config.clone()).await?;
                tokio::spawn(driver);
                Ok(Wire::Server(connection))
            }
            Topology::Server { client, .. } => {
                let connection = client.get_multiplexed_async_connection_with_config(config).await?;
                Ok(Wire::Server(connection))
            }
            Topology::Cluster(client) => Ok(Wire::Cluster(client.get_async_connection().await?, None)),
            Topology::Sentinel {
                sentinels,
                primary,
                settings,
            } => {
                let client = first_to_know(sentinels, primary, settings).await?;
                let connection = client.get_multiplexed_async_connection_with_config(config).await?;
                Ok(Wire::Server(connection))
            }
        }
    }
}

/// The primary named by the first sentinel whose candidate confirms its role. All are asked at
/// once, over new connections: one that says nothing costs no time.
async fn first_to_know(
    sentinels: &[ConnectionInfo],
    primary: &str,
    settings: &SentinelNodeConnectionInfo,
) -> RedisResult<Client> {
    let mut asked = JoinSet::new();
    for sentinel in sentinels {
        let (sentinel, primary, settings) = (sentinel.clone(), primary.to_owned(), settings.clone());
        asked.spawn(async move {
            Sentinel::build(vec![sentinel])?
                .async_master_for(&primary, Some(&settings))
                .await
        });
    }
    let mut failure = RedisError::from((ErrorKind::EmptySentinelList, "no sentinel was asked"));
    while let Some(response) = asked.join_next().await {
        match response {
            Ok(Ok(client)) => return Ok(client),
            Ok(Err(error)) => failure = error,
            Err(_) => {}
        }
    }
    Err(failure)
}

/// The address and the settings of one server, and whether it has TLS.
fn info(url: &str) -> Result<(ConnectionInfo, bool), String> {
    let mut parsed = redis::parse_redis_url(url).ok_or(
        "expected redis://, rediss:// (or valkey://, valkeys://) and a host; redis+cluster://, rediss+cluster:// or \
         redis+sentinel:// and hosts; or unix://",
    )?;
    // With an unescaped `/`, `?` or `#` in the password, what follows it would be taken for the
    // host and the port, and be logged.
    let after_host = [
        parsed.path(),
        parsed.query().unwrap_or(""),
        parsed.fragment().unwrap_or(""),
    ];
    if parsed.has_host() && after_host.iter().any(|part| part.contains('@')) {
        return Err(
            "it has an @ after the host; expected /, ?, # and @ in the password as %2F, %3F, %23 and %40".to_owned(),
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
    Ok((info, has_tls))
}

#[cfg(not(feature = "tls-no-provider"))]
const WITHOUT_TLS: &str =
    "it asks for TLS, which this program was built without; enable the feature `tls` of tower-webhook-redis";

/// A node of a cluster, over TLS by the crate `redis`.
#[cfg(feature = "tls-no-provider")]
fn with_tls(info: ConnectionInfo) -> Result<ConnectionInfo, String> {
    tls::of_the_process()?;
    let ConnectionAddr::Tcp(host, port) = info.addr().clone() else {
        return Ok(info);
    };
    Ok(info.set_addr(ConnectionAddr::TcpTls {
        host,
        port,
        insecure: false,
        tls_params: None,
    }))
}

#[cfg(not(feature = "tls-no-provider"))]
fn with_tls(_: ConnectionInfo) -> Result<ConnectionInfo, String> {
    Err(WITHOUT_TLS.to_owned())
}

fn addresses(infos: &[ConnectionInfo]) -> String {
    let addresses: Vec<_> = infos.iter().map(|info| info.addr().to_string()).collect();
    addresses.join(",")
}

/// Each command is small and somebody waits for it.
fn tcp_settings() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}
