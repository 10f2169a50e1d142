//! The servers behind a connection, for what is not of one key: one, or a cluster's.

use std::collections::BTreeSet;

use redis::{
    Value,
    cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo},
};
use tokio::time::Instant;
use tower_webhook::store::StoreError;

use super::{
    Connection, Resend, command, flatten,
    wire::{Node, Wire},
};

/// Which nodes of a cluster.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NodeSelection {
    /// Those that have records: each of them, or it is an error.
    Primaries,
    /// Their replicas too.
    Reachable,
}

/// The server for a command that does not concern one key.
#[derive(Clone, Debug)]
pub(crate) struct ServerChoice(pub(super) Option<Node>);

impl Connection {
    /// Host and port of one of the servers.
    pub(crate) fn server_at(&self, at: &ServerChoice) -> String {
        at.0.as_ref().map_or_else(|| self.server().to_owned(), Node::to_string)
    }

    /// The servers that have records: one, or a cluster's.
    pub(crate) async fn servers(&self, which: NodeSelection) -> Result<Vec<ServerChoice>, StoreError> {
        if !self.client.is_cluster() {
            return Ok(vec![ServerChoice(None)]);
        }
        let to = match which {
            NodeSelection::Primaries => MultipleNodeRoutingInfo::AllMasters,
            NodeSelection::Reachable => MultipleNodeRoutingInfo::AllNodes,
        };
        let ask = move |connection| {
            let to = RoutingInfo::MultiNode((to.clone(), None));
            async move {
                match connection {
                    Wire::Cluster(mut connection, _) => {
                        connection.route_command(command(&["CLUSTER", "SLOTS"]), to).await
                    }
                    Wire::Server(_) => Ok(Value::Nil),
                }
            }
        };
        // By the address of each, its table of slots. A node without a connection is left out.
        let tables = match self
            .on_a_connection(ask, Instant::now() + self.limit, Resend::Yes)
            .await
        {
            Ok(Value::Map(tables)) => tables,
            Ok(_) => Vec::new(),
            Err(failure) => return Err(self.error(failure)),
        };
        let primaries = tables
            .iter()
            .map(|(_, table)| primaries(table))
            .max()
            .unwrap_or_default();
        if matches!(which, NodeSelection::Primaries) && tables.len() < primaries {
            return Err(StoreError::unavailable(format!(
                "redis at {}: {} of the cluster's {primaries} primaries can be asked; expected all, since each has records of \
                 its own: ask again when the others are reached",
                self.server(),
                tables.len()
            )));
        }
        let addresses = tables.into_iter().flat_map(|(address, _)| flatten(address)).flatten();
        Ok(addresses
            .filter_map(|address| Node::at(&address))
            .map(|node| ServerChoice(Some(node)))
            .collect())
    }
}

/// How many primaries a reply to `CLUSTER SLOTS` names: each of its rows is the first and the last
/// slot, the primary, and the replicas.
fn primaries(table: &Value) -> usize {
    let Value::Array(rows) = table else { return 0 };
    let primaries = rows.iter().filter_map(|row| match row {
        Value::Array(row) => Some(flatten(row.get(2)?.clone())),
        _ => None,
    });
    primaries.collect::<BTreeSet<_>>().len()
}
