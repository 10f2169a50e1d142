//! The inbox.

use std::{
    future::Future,
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use tokio::time::sleep;
use tower_webhook::{
    inbox::{Backlog, Deposit, Inbox, Settlement, TakeRequest, Taken},
    store::{Deposited, Effect, Key, StoreError, record},
};

use super::{
    Shared, SqliteStore,
    desk::{Desk, Read},
    nothing,
    rows::{count, get, of_millis},
    statements::statement,
    writer::Write,
};
use crate::row::Seen;

/// How often it is looked whether another process has written. It costs no access to the disk.
const LOOK_EVERY: Duration = Duration::from_millis(50);

impl Inbox for SqliteStore {
    async fn deposit(&self, deposit: &Deposit) -> Result<Deposited, StoreError> {
        self.write(deposit.clone()).await
    }

    async fn take(&self, request: &TakeRequest) -> Result<Vec<Taken>, StoreError> {
        let read = self.write(request.clone()).await?;
        match read.failed {
            Some(failed) if read.taken.is_empty() => Err(failed),
            _ => Ok(read.taken),
        }
    }

    async fn settle(&self, settlements: &[Settlement]) -> Result<Vec<Effect>, StoreError> {
        self.write(settlements.to_vec()).await
    }

    async fn backlog(&self, namespace: &str, up_to: u64) -> Result<Backlog, StoreError> {
        let statement = statement(&self.shared.sql.backlog)
            .bind(namespace)
            .bind(self.shared.offset.millis())
            .bind(i64::try_from(up_to).unwrap_or(i64::MAX));
        let rows = self.operator_rows(statement).await?;
        let row = rows.first().ok_or_else(nothing)?;
        let now = of_millis(get(row, "now")?);
        let first_due: Option<i64> = get(row, "first_due")?;
        let backlog = Backlog::new(
            count(row, "due")?,
            count(row, "scheduled")?,
            count(row, "running")?,
            count(row, "dead")?,
        );
        Ok(backlog.with_oldest_due(first_due.and_then(|due| now.duration_since(of_millis(due)).ok())))
    }

    /// Hears of this process's deposits at once, and looks every 50 ms whether another process has
    /// written.
    fn changed(&self) -> impl Future<Output = ()> + Send {
        self.watch();
        Arc::clone(&self.shared.changed).notified_owned()
    }
}

impl Write for Deposit {
    type Response = Deposited;

    fn keys(&self) -> Vec<&Key> {
        vec![&self.key]
    }

    async fn write(&self, desk: &mut Desk<'_>) -> Result<Deposited, StoreError> {
        desk.deposit(self).await
    }

    fn without_writing(&self, seen: &Seen) -> Option<Deposited> {
        let change = record::deposit(seen.record.as_ref(), self.fingerprint, seen.now);
        change.write.is_none().then_some(change.response)
    }
}

impl Write for TakeRequest {
    type Response = Read;

    fn keys(&self) -> Vec<&Key> {
        Vec::new()
    }

    async fn write(&self, desk: &mut Desk<'_>) -> Result<Read, StoreError> {
        desk.take(self).await
    }
}

impl Write for Vec<Settlement> {
    type Response = Vec<Effect>;

    fn keys(&self) -> Vec<&Key> {
        self.iter().map(|settlement| &settlement.claim_request.key).collect()
    }

    async fn write(&self, desk: &mut Desk<'_>) -> Result<Vec<Effect>, StoreError> {
        desk.settle(self).await
    }
}

impl SqliteStore {
    /// Looks for what other processes write, in a task that ends with the store.
    fn watch(&self) {
        if self.shared.is_watched.load(Ordering::Relaxed) {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if !self.shared.is_watched.swap(true, Ordering::Relaxed) {
            let watching = Watching(Arc::downgrade(&self.shared));
            runtime.spawn(watching.look());
        }
    }
}

/// If the task ends before its time, with its runtime say, the next caller begins anew.
struct Watching(Weak<Shared>);

impl Watching {
    async fn look(self) {
        let mut last = None;
        while let Some(shared) = self.0.upgrade() {
            let version = version(&shared).await;
            if version.is_some() && last.is_some() && version != last {
                shared.changed.notify_waiters();
            }
            last = version.or(last);
            drop(shared);
            sleep(LOOK_EVERY).await;
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        if let Some(shared) = self.0.upgrade() {
            shared.is_watched.store(false, Ordering::Relaxed);
        }
    }
}

/// Changes with each commit over another connection than the reader's.
async fn version(shared: &Shared) -> Option<i64> {
    let rows = shared.reader.rows(sqlx::query("PRAGMA data_version")).await.ok()?;
    get_version(rows.first()?)
}

fn get_version(row: &sqlx::sqlite::SqliteRow) -> Option<i64> {
    sqlx::Row::try_get(row, 0).ok()
}
