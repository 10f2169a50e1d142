use sqlx::PgConnection;
use tokio::sync::SemaphorePermit;

use super::kept::{Connection, Inner, Kept};

/// A connection in use. Unless it is given back it is closed: one whose statement was given up
/// half-way would keep the next waiting for a response that may never come, and sqlx's pool would
/// ask such a one how it is, without end, before it lets another take its place.
pub(super) struct Held<'p> {
    pub(super) connection: Option<Connection>,
    /// The permit goes last, when the connection is back or closed.
    pub(super) kept: Option<(&'p Kept, SemaphorePermit<'p>)>,
    /// Whether it was made for this use.
    pub(super) is_anew: bool,
}

impl Held<'_> {
    pub(super) fn connection(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        self.connection
            .as_mut()
            .map(|connection| match &mut connection.inner {
                Inner::Own(connection) => connection,
                Inner::Given(connection) => &mut **connection,
            })
            .ok_or(sqlx::Error::PoolClosed)
    }

    pub(super) fn give_back(mut self) {
        match (self.connection.take(), &self.kept) {
            (Some(connection), Some((kept, _))) => kept.keep(connection),
            (connection, _) => drop(connection),
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.close();
        }
    }
}
