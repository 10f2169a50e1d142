//! Lookups that wait for the connection that reads share a statement. They wait for nobody who
//! writes.

use std::{collections::VecDeque, sync::Arc};

use tokio::sync::oneshot;
use tower_webhook::store::{Key, StoreError};

use super::{
    Shared,
    desk::asked,
    rows::{columns, of_millis},
    statements::statement,
};
use crate::{
    group::Lane,
    row::{Columns, Seen},
};

/// How many rows one statement reads at most.
const MOST: usize = 256;

pub(super) struct Lookup {
    key: Key,
    reply: oneshot::Sender<Result<Seen, StoreError>>,
}

/// The record of an event, as it is now.
pub(super) async fn read(shared: &Arc<Shared>, key: &Key) -> Result<Seen, StoreError> {
    let (reply, response) = oneshot::channel();
    let key = key.clone();
    if let Some(lane) = shared.reads.push(Lookup { key, reply }) {
        tokio::spawn(read_all(Arc::clone(shared), lane));
    }
    response.await.unwrap_or_else(|_| Err(gone()))
}

fn gone() -> StoreError {
    StoreError::unavailable("the task that reads ended before its time")
}

/// The records of these events, in one statement.
pub(super) async fn read_at_once(shared: &Shared, keys: &[&Key]) -> Result<Vec<Result<Seen, StoreError>>, StoreError> {
    let statement = asked(statement(&shared.sql.read), keys, shared.offset.millis());
    let rows = shared.reader.rows(statement).await?;
    Ok(rows.iter().map(seen).collect())
}

async fn read_all(shared: Arc<Shared>, mut lane: Lane<Lookup>) {
    while let Some(group) = lane.next(first) {
        let keys: Vec<&Key> = group.iter().map(|lookup| &lookup.key).collect();
        match read_at_once(&shared, &keys).await {
            Ok(all) => {
                for (lookup, seen) in group.into_iter().zip(all) {
                    // The caller may have gone.
                    let _ = lookup.reply.send(seen);
                }
            }
            Err(failed) => {
                for lookup in group {
                    let _ = lookup.reply.send(Err(failed.clone()));
                }
            }
        }
    }
}

fn first(lookups: &mut VecDeque<Lookup>) -> Vec<Lookup> {
    let count = lookups.len().min(MOST);
    let is_wanted = |lookup: &Lookup| !lookup.reply.is_closed();
    lookups.drain(..count).filter(is_wanted).collect()
}

fn seen(row: &sqlx::sqlite::SqliteRow) -> Result<Seen, StoreError> {
    let (now, columns) = columns(row)?;
    Ok(Seen {
        now: of_millis(now),
        record: columns.map(Columns::into_record).transpose()?,
    })
}
