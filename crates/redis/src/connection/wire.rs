//! One connection, to a server or to a cluster, as the crate `redis` has it.

use std::fmt;

use redis::{
    Cmd, Pipeline, RedisError, RedisFuture, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster_async::ClusterConnection,
    cluster_routing::{RoutingInfo, SingleNodeRoutingInfo},
};

/// One server, or a cluster and, where the key does not decide, the node that is asked.
#[derive(Clone)]
pub(crate) enum Wire {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection, Option<Node>),
}

/// A node of a cluster.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    host: String,
    port: u16,
}

impl Node {
    /// `host:port`, as a cluster writes it.
    pub(super) fn at(address: &str) -> Option<Self> {
        let (host, port) = address.rsplit_once(':')?;
        Some(Self {
            host: host.to_owned(),
            port: port.parse().ok()?,
        })
    }

    /// The one that a cluster says has the key.
    pub(super) fn redirected_to(error: &RedisError) -> Option<Self> {
        Self::at(error.redirect_node()?.0)
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Wire {
    /// To this node of a cluster, whichever has the key.
    pub(crate) fn at(self, node: Option<&Node>) -> Self {
        match self {
            Self::Cluster(connection, _) => Self::Cluster(connection, node.cloned()),
            server @ Self::Server(_) => server,
        }
    }
}

impl From<&Node> for SingleNodeRoutingInfo {
    fn from(node: &Node) -> Self {
        Self::ByAddress {
            host: node.host.clone(),
            port: node.port,
        }
    }
}

impl ConnectionLike for Wire {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Server(connection) => connection.req_packed_command(command),
            Self::Cluster(connection, None) => connection.req_packed_command(command),
            Self::Cluster(connection, Some(node)) => {
                let to = RoutingInfo::SingleNode((&*node).into());
                Box::pin(connection.route_command(command.clone(), to))
            }
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Server(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection, None) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection, Some(node)) => {
                Box::pin(connection.route_pipeline(pipeline.clone(), offset, count, (&*node).into()))
            }
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(connection) => connection.get_db(),
            Self::Cluster(connection, _) => connection.get_db(),
        }
    }
}
