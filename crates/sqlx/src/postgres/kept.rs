//! Connections between two statements.

use std::{
    mem,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use sqlx::{PgConnection, Postgres, pool::PoolConnection};
use tokio::sync::Semaphore;

/// How long a connection may have been idle to be used again: firewalls forget those that are
/// silent for longer, and tell nobody.
const IDLE: Duration = Duration::from_secs(60);
/// How old a connection may be to be kept.
const AGE: Duration = Duration::from_secs(30 * 60);

/// sqlx's pool asks each that is given back how it is, and as long as that takes, a round trip or
/// for ever, nobody can use it. So they never go back: they are kept here until they are old, or
/// were idle for long, and then closed.
pub(super) struct Kept {
    /// As many as there may be connections: who has one finds a connection here, or room for one in
    /// the pool.
    pub(super) permits: Semaphore,
    pub(super) connections: Mutex<Vec<Connection>>,
}

pub(super) struct Connection {
    pub(super) inner: Inner,
    made: Instant,
    used: Instant,
}

pub(super) enum Inner {
    Own(PgConnection),
    Given(PoolConnection<Postgres>),
}

impl Connection {
    pub(super) fn new(inner: Inner) -> Self {
        let made = Instant::now();
        Self {
            inner,
            made,
            used: made,
        }
    }

    /// Leaves the pool, if it is of one, and so needs no runtime.
    pub(super) fn close(self) {
        match self.inner {
            Inner::Own(connection) => drop(connection),
            Inner::Given(connection) => drop(connection.detach()),
        }
    }
}

impl Kept {
    /// The one that was used last. If that is long ago, it is longer for the others.
    pub(super) fn take(&self) -> Option<Connection> {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let last = connections.pop()?;
        if last.used.elapsed() < IDLE {
            return Some(last);
        }
        let others = mem::take(&mut *connections);
        drop(connections);
        last.close();
        others.into_iter().for_each(Connection::close);
        None
    }

    pub(super) fn keep(&self, mut connection: Connection) {
        if connection.made.elapsed() >= AGE {
            return connection.close();
        }
        connection.used = Instant::now();
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(connection);
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let connections = self.connections.get_mut().unwrap_or_else(PoisonError::into_inner);
        mem::take(connections).into_iter().for_each(Connection::close);
    }
}
