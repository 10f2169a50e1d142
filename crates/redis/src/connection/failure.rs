//! Failures: whether the connection can still be used, and the error for the caller.

use redis::{ErrorKind, RedisError, ServerErrorKind};
use tower_webhook::store::StoreError;

use super::Connection;

/// Why there is no reply.
pub(super) enum Failure {
    Silent,
    Redis(RedisError),
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        Self::Redis(error)
    }
}

/// Whether the connection is of no more use.
pub(super) fn is_end(error: &RedisError) -> bool {
    error.is_io_error() || error.is_unrecoverable_error() || is_replica(error)
}

/// Whether the server refused because another is the primary now, or may be (it has not enough
/// replicas for its `min-replicas-to-write`): the name, or the sentinels, may lead there by now.
pub(super) fn is_replica(error: &RedisError) -> bool {
    let is = |code| error.code() == Some(code) || error.to_string().contains(&format!("-{code} "));
    matches!(
        error.kind(),
        ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown)
    ) || is("READONLY") // Redis 6, of a command inside a script
        || is("NOREPLICAS")
}

/// Whether a cluster says that another node has the key. Nothing was applied.
pub(super) fn is_elsewhere(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::Moved)
}

/// Whether a cluster says that another node has the key, if it exists: its slot is being moved.
pub(super) fn may_be_elsewhere(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::Ask)
}

impl Connection {
    /// The error for the caller.
    pub(super) fn error(&self, failure: Failure) -> StoreError {
        let server = self.server();
        let error = match failure {
            Failure::Silent => {
                let before = self
                    .last_failure()
                    .map_or_else(String::new, |failure| format!(", and before that: {failure}"));
                return StoreError::unavailable(format!(
                    "redis at {server} did not respond within {:?}{before}",
                    self.limit
                ));
            }
            Failure::Redis(error) => error,
        };
        // Redis 6 wraps what a script's command was refused with.
        if error.code() == Some("OOM") || error.to_string().contains("OOM command not allowed") {
            return StoreError::full(format!(
                "redis at {server} has reached its maxmemory; nothing is lost, because the provider retries; raise maxmemory, or shorten \
                 the retention"
            ));
        }
        if self.client.is_cluster() && is_elsewhere(&error) {
            return StoreError::unavailable(format!(
                "redis at {server}: the primary of this key's slot is not reached ({error}); nothing is lost, because the provider \
                 retries: a replica takes its place after the cluster-node-timeout"
            ));
        }
        if !self.client.is_cluster() && error.is_cluster_error() {
            return StoreError::unavailable(format!(
                "redis at {server} is one node of a cluster, and another holds this key ({error}); expected a server that takes every \
                 key, or the cluster's nodes as redis+cluster://host:port,host:port"
            ));
        }
        StoreError::unavailable(format!("redis at {server}: {error}"))
    }
}
