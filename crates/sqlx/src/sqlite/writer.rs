//! Concurrent writes share commits. A caller that finds nobody at work begins; what comes meanwhile
//! waits for the next transaction, and then all of it is one.

#[cfg(feature = "test-util")]
use std::sync::atomic::Ordering;
use std::{collections::VecDeque, future::Future, pin::Pin, sync::Arc, time::Duration};

use sqlx::SqliteConnection;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};
use tower_webhook::store::{Key, StoreError};

use super::{
    Shared,
    connection::{BUSY, Live, error, is_busy},
    desk::Desk,
};
use crate::group::Lane;

/// How many operations one transaction has at most.
const MOST: usize = 256;
/// How many may wait. Those whose callers have gone are not run.
const MOST_WAITING: usize = 65_536;

/// For how long transactions follow each other before other processes get a gap, and how long it
/// is.
const TURN: Duration = Duration::from_millis(50);
const GAP: Duration = Duration::from_millis(1);

/// An operation that writes.
pub(super) trait Write: Send + Sync + 'static {
    type Response: Send + Sync + 'static;

    /// The events whose rows it will ask for: those of a whole transaction are read at once.
    fn keys(&self) -> Vec<&Key>;

    fn write(&self, desk: &mut Desk<'_>) -> impl Future<Output = Result<Self::Response, StoreError>> + Send;
}

/// An operation with its caller, whatever its type.
pub(super) trait Job: Send + Sync {
    fn is_wanted(&self) -> bool;

    fn keys(&self) -> Vec<&Key>;

    /// Runs the operation, and keeps its response.
    fn run<'a>(
        &'a mut self,
        desk: &'a mut Desk<'_>,
    ) -> Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send + 'a>>;

    /// Tells the caller: its response if it is committed.
    fn respond(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Queued<W: Write> {
    write: W,
    response: Option<W::Response>,
    reply: oneshot::Sender<Result<W::Response, StoreError>>,
}

impl<W: Write> Job for Queued<W> {
    fn is_wanted(&self) -> bool {
        !self.reply.is_closed()
    }

    fn keys(&self) -> Vec<&Key> {
        self.write.keys()
    }

    fn run<'a>(
        &'a mut self,
        desk: &'a mut Desk<'_>,
    ) -> Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send + 'a>> {
        Box::pin(async move {
            self.response = Some(self.write.write(desk).await?);
            Ok(())
        })
    }

    fn respond(self: Box<Self>, committed: Result<(), StoreError>) {
        let Self { response, reply, .. } = *self;
        // The caller may have gone.
        let _ = reply.send(committed.and_then(|()| response.ok_or_else(gone)));
    }
}

fn gone() -> StoreError {
    StoreError::unavailable("the task that writes ended before its time")
}

/// Runs an operation in the next transaction. The response comes when that is on the disk.
pub(super) async fn write<W: Write>(shared: &Arc<Shared>, write: W) -> Result<W::Response, StoreError> {
    let (reply, response) = oneshot::channel();
    let is_room = shared.writes.with(|jobs| {
        if jobs.len() >= MOST_WAITING {
            jobs.retain(|job| job.is_wanted());
        }
        jobs.len() < MOST_WAITING
    });
    if !is_room {
        return Err(StoreError::unavailable(format!(
            "{MOST_WAITING} operations wait for the file"
        )));
    }
    let job = Box::new(Queued {
        write,
        response: None,
        reply,
    });
    if let Some(lane) = shared.writes.push(job) {
        // In a task: a caller that goes away must not leave a transaction half-way.
        tokio::spawn(run_all(Arc::clone(shared), lane));
    }
    response.await.unwrap_or_else(|_| Err(gone()))
}

async fn run_all(shared: Arc<Shared>, mut lane: Lane<Box<dyn Job>>) {
    let mut live = shared.writer.lock().await;
    let mut began = Instant::now();
    let next = |jobs: &mut VecDeque<_>| {
        let group = first(jobs);
        #[cfg(feature = "test-util")]
        shared.in_hand.store(group.len(), Ordering::SeqCst);
        group
    };
    while let Some(group) = lane.next(next) {
        commit_all(&shared, &mut live, group).await;
        if began.elapsed() > TURN {
            sleep(GAP).await;
            began = Instant::now();
        }
    }
}

/// What goes into the next transaction.
fn first(jobs: &mut VecDeque<Box<dyn Job>>) -> Vec<Box<dyn Job>> {
    let count = jobs.len().min(MOST);
    jobs.drain(..count).filter(|job| job.is_wanted()).collect()
}

/// One transaction for all; where that fails, one for each, so that one which cannot be written
/// takes no other with it.
async fn commit_all(shared: &Shared, live: &mut Live<'_>, mut group: Vec<Box<dyn Job>>) {
    let committed = transact(shared, live, &mut group).await;
    match committed {
        Err(Failed::Within(_)) if group.len() > 1 => {
            for job in group {
                let mut one = vec![job];
                let committed = transact(shared, live, &mut one).await.map_err(Failed::into_error);
                respond(one, &committed);
            }
        }
        committed => respond(group, &committed.map_err(Failed::into_error)),
    }
}

fn respond(group: Vec<Box<dyn Job>>, committed: &Result<(), StoreError>) {
    for job in group {
        job.respond(committed.clone());
    }
}

/// The step at which a transaction failed.
enum Failed {
    /// It did not begin.
    Before(StoreError),
    /// An operation, or the commit.
    Within(StoreError),
}

impl Failed {
    fn into_error(self) -> StoreError {
        match self {
            Self::Before(error) | Self::Within(error) => error,
        }
    }
}

async fn transact(shared: &Shared, live: &mut Live<'_>, group: &mut [Box<dyn Job>]) -> Result<(), Failed> {
    let mut connection = live.take().await.map_err(Failed::Before)?;
    let desk = Desk::new(&mut connection, &shared.sql, shared.offset.millis());
    let failed = match run(desk, group).await {
        Ok(wakes) => {
            live.give_back(connection, None);
            if wakes {
                shared.changed.notify_waiters();
            }
            return Ok(());
        }
        Err(failed) => failed,
    };
    // Where SQLite has rolled back by itself, or has not begun, it says so, and that is no harm. A
    // connection whose thread has died is opened anew.
    match execute(&mut connection, "ROLLBACK").await {
        Err(dead) if dead.as_database_error().is_none() => drop(connection),
        _ => live.give_back(connection, None),
    }
    Err(failed)
}

/// Whether a worker may find something that is due afterwards.
async fn run(mut desk: Desk<'_>, group: &mut [Box<dyn Job>]) -> Result<bool, Failed> {
    begin(&mut desk, group)
        .await
        .map_err(|failed| Failed::Before(error(&failed)))?;
    for job in group {
        job.run(&mut desk).await.map_err(Failed::Within)?;
    }
    desk.commit().await.map_err(Failed::Within)
}

/// Begins once no other connection writes. SQLite's own waiting looks ever more rarely, and may
/// never meet the gap between two transactions of a process that has much to write.
async fn begin(desk: &mut Desk<'_>, group: &[Box<dyn Job>]) -> Result<(), sqlx::Error> {
    let keys: Vec<&Key> = group.iter().flat_map(|job| job.keys()).collect();
    let began = Instant::now();
    loop {
        match desk.begin(&keys).await {
            Err(failed) if is_busy(&failed) && began.elapsed() < BUSY => sleep(GAP).await,
            begun => return begun,
        }
    }
}

async fn execute(connection: &mut SqliteConnection, statement: &'static str) -> Result<(), sqlx::Error> {
    sqlx::query(statement).execute(connection).await.map(drop)
}
