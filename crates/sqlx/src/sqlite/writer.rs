//! Concurrent writes share commits. A caller that finds nobody at work begins; what comes meanwhile
//! waits for the next transaction, and then all of it is one.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sqlx::SqliteConnection;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};
use tower_webhook::store::StoreError;

use super::{
    Shared,
    connection::{BUSY, Live, error, is_busy},
    desk::Desk,
};

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
    type Response: Send + 'static;

    fn write(&self, desk: &mut Desk<'_>) -> impl Future<Output = Result<Self::Response, StoreError>> + Send;
}

/// The jobs that wait for a transaction.
#[derive(Default)]
pub(super) struct Queue(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Box<dyn Job>>,
    is_running: bool,
    /// How many are in the transaction that is under way.
    in_hand: usize,
}

impl Queue {
    #[cfg(feature = "test-util")]
    pub(super) fn len(&self) -> usize {
        let waiting = self.lock();
        waiting.jobs.len().saturating_add(waiting.in_hand)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An operation with its caller, whatever its type.
trait Job: Send {
    fn is_wanted(&self) -> bool;

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
    let job = Box::new(Queued {
        write,
        response: None,
        reply,
    });
    let begins = {
        let mut waiting = shared.queue.lock();
        if waiting.jobs.len() >= MOST_WAITING {
            waiting.jobs.retain(|job| job.is_wanted());
        }
        if waiting.jobs.len() >= MOST_WAITING {
            return Err(StoreError::unavailable(format!(
                "{MOST_WAITING} operations wait for the file"
            )));
        }
        waiting.jobs.push_back(job);
        !std::mem::replace(&mut waiting.is_running, true)
    };
    if begins {
        // In a task: a caller that goes away must not leave a transaction half-way.
        let running = Running {
            shared: Arc::clone(shared),
            has_ended: false,
        };
        tokio::spawn(run_all(running));
    }
    response.await.unwrap_or_else(|_| Err(gone()))
}

/// If the task ends before its time, with its runtime say, the next caller begins anew.
struct Running {
    shared: Arc<Shared>,
    has_ended: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.has_ended {
            self.shared.queue.lock().is_running = false;
        }
    }
}

async fn run_all(mut running: Running) {
    let shared = Arc::clone(&running.shared);
    let mut live = shared.writer.lock().await;
    let mut began = Instant::now();
    loop {
        let group: Vec<Box<dyn Job>> = {
            let mut waiting = shared.queue.lock();
            let count = waiting.jobs.len().min(MOST);
            waiting.in_hand = count;
            let group = waiting.jobs.drain(..count).filter(|job| job.is_wanted()).collect();
            if count == 0 {
                // Under the lock: the next caller begins anew.
                waiting.is_running = false;
                running.has_ended = true;
                return;
            }
            group
        };
        commit_all(&shared, &mut live, group).await;
        if began.elapsed() > TURN {
            sleep(GAP).await;
            began = Instant::now();
        }
    }
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
    if let Err(failed) = begin(&mut connection).await {
        live.give_back(connection, Some(&failed));
        return Err(Failed::Before(error(&failed)));
    }
    let mut desk = Desk {
        connection: &mut connection,
        sql: &shared.sql,
        offset: shared.offset.millis(),
        wakes: false,
    };
    let mut done = Ok(());
    for job in group {
        done = job.run(&mut desk).await;
        if done.is_err() {
            break;
        }
    }
    let wakes = desk.wakes;
    if done.is_ok() {
        let committed = execute(&mut connection, "COMMIT").await;
        done = committed.map_err(|failed| error(&failed));
    }
    let Err(failed) = done else {
        live.give_back(connection, None);
        if wakes {
            shared.changed.notify_waiters();
        }
        return Ok(());
    };
    // Where SQLite has rolled back by itself, it says so, and that is no harm. A connection whose
    // thread has died is opened anew.
    match execute(&mut connection, "ROLLBACK").await {
        Err(dead) if dead.as_database_error().is_none() => drop(connection),
        _ => live.give_back(connection, None),
    }
    Err(Failed::Within(failed))
}

/// Begins once no other connection writes. SQLite's own waiting looks ever more rarely, and may
/// never meet the gap between two transactions of a process that has much to write.
async fn begin(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let began = Instant::now();
    loop {
        match execute(connection, "BEGIN IMMEDIATE").await {
            Err(failed) if is_busy(&failed) && began.elapsed() < BUSY => sleep(GAP).await,
            begun => return begun,
        }
    }
}

async fn execute(connection: &mut SqliteConnection, statement: &'static str) -> Result<(), sqlx::Error> {
    sqlx::query(statement).execute(connection).await.map(drop)
}
