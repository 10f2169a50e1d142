//! Concurrent writes share commits. A caller that finds nobody at work begins; what comes meanwhile
//! waits for the next transaction, and then all of it is one.

use std::{
    collections::VecDeque,
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

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
    reads,
};
use crate::{group::Lane, row::Seen};

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

    /// Its response, if by what is seen of its event nothing will be written.
    fn without_writing(&self, _: &Seen) -> Option<Self::Response> {
        None
    }
}

/// An operation with its caller, whatever its type.
pub(super) trait Job: Send + Sync {
    fn is_wanted(&self) -> bool;

    fn keys(&self) -> Vec<&Key>;

    /// Whether it has a response without writing.
    fn look(&mut self, seen: &Seen) -> bool;

    /// Remembers that it was looked at, and has none.
    fn note_look(&mut self);

    fn was_looked_at(&self) -> bool;

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
    was_looked_at: bool,
    reply: oneshot::Sender<Result<W::Response, StoreError>>,
}

impl<W: Write> Job for Queued<W> {
    fn is_wanted(&self) -> bool {
        !self.reply.is_closed()
    }

    fn keys(&self) -> Vec<&Key> {
        self.write.keys()
    }

    fn look(&mut self, seen: &Seen) -> bool {
        self.response = self.write.without_writing(seen);
        self.response.is_some()
    }

    fn note_look(&mut self) {
        self.was_looked_at = true;
    }

    fn was_looked_at(&self) -> bool {
        self.was_looked_at
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
        was_looked_at: false,
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
        let group = first(jobs, MOST);
        note_in_hand(&shared, group.len());
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

/// So many jobs, less those that nobody wants any more.
fn first(jobs: &mut VecDeque<Box<dyn Job>>, most: usize) -> Vec<Box<dyn Job>> {
    let count = jobs.len().min(most);
    jobs.drain(..count).filter(|job| job.is_wanted()).collect()
}

/// Says how many jobs the lane has in hand, to tests.
fn note_in_hand(shared: &Shared, count: usize) {
    shared.in_hand.store(count, Relaxed);
}

/// One transaction for all; where that fails, one for each, so that one which cannot be written
/// takes no other with it.
async fn commit_all(shared: &Arc<Shared>, live: &mut Live<'_>, mut group: Vec<Box<dyn Job>>) {
    let committed = transact(shared, live, &mut group).await;
    match committed {
        Err(Failed::Within(_)) if group.len() > 1 => {
            let mut all = group.into_iter().filter(|job| job.is_wanted());
            while let Some(job) = all.next() {
                let mut one = vec![job];
                let committed = transact(shared, live, &mut one).await;
                if let Err(Failed::Before(_)) = committed {
                    // The file is not to be had: nor is it for the others.
                    one.extend(all.by_ref());
                }
                respond(one, &committed.map_err(Failed::into_error));
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

async fn transact(shared: &Arc<Shared>, live: &mut Live<'_>, group: &mut Vec<Box<dyn Job>>) -> Result<(), Failed> {
    let mut connection = live.take().await.map_err(Failed::Before)?;
    let desk = Desk::new(&mut connection, &shared.sql, shared.offset.millis());
    let failed = match run(shared, desk, group).await {
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
async fn run(shared: &Arc<Shared>, mut desk: Desk<'_>, group: &mut Vec<Box<dyn Job>>) -> Result<bool, Failed> {
    let begun = begin(shared, &mut desk, group).await;
    begun.map_err(|failed| Failed::Before(error(&failed)))?;
    group.retain(|job| job.is_wanted());
    for job in &mut *group {
        job.run(&mut desk).await.map_err(Failed::Within)?;
    }
    desk.commit().await.map_err(Failed::Within)
}

/// Begins once no other connection writes. SQLite's own waiting looks ever more rarely, and may
/// never meet the gap between two transactions of a process that has much to write. Meanwhile
/// whoever has nothing to write gets a response, also of those that come.
async fn begin(shared: &Arc<Shared>, desk: &mut Desk<'_>, group: &mut Vec<Box<dyn Job>>) -> Result<(), sqlx::Error> {
    let began = Instant::now();
    let mut is_first = true;
    loop {
        let keys: Vec<&Key> = group.iter().flat_map(|job| job.keys()).collect();
        let begun = desk.begin(&keys).await;
        if !begun.as_ref().is_err_and(is_busy) || began.elapsed() >= BUSY {
            return begun;
        }
        if mem::take(&mut is_first) {
            respond_to_known(shared, group).await;
        }
        respond_to_queued(shared, group.len()).await;
        sleep(GAP).await;
    }
}

/// Responds to those that wait for another transaction and have nothing to write. The others go
/// back to their places, so that each waits for its own time.
async fn respond_to_queued(shared: &Arc<Shared>, in_hand: usize) {
    let mut come: Vec<_> = shared.writes.with(|jobs| {
        let since = jobs.iter().position(|job| !job.was_looked_at()).unwrap_or(jobs.len());
        let come = jobs.split_off(since);
        note_in_hand(shared, in_hand.saturating_add(come.len()));
        come.into()
    });
    respond_to_known(shared, &mut come).await;
    shared.writes.with(|jobs| {
        // None was taken meanwhile: what is behind those that were looked at has come since.
        let since = jobs.iter().position(|job| !job.was_looked_at()).unwrap_or(jobs.len());
        let later = jobs.split_off(since);
        jobs.extend(come);
        jobs.extend(later);
        note_in_hand(shared, in_hand);
    });
}

/// Responds to those that have nothing to write, as far as can be seen without the file's lock.
async fn respond_to_known(shared: &Shared, group: &mut Vec<Box<dyn Job>>) {
    let mut rest = mem::take(group);
    rest.retain(|job| job.is_wanted());
    while !rest.is_empty() {
        let later = rest.split_off(rest.len().min(MOST));
        let keys: Vec<&Key> = rest.iter().filter_map(|job| single(job.as_ref())).collect();
        let read = reads::read(shared, &keys).await;
        let is_down = read.is_err();
        let mut seen = read.unwrap_or_default().into_iter();
        for mut job in mem::replace(&mut rest, later) {
            let seen = single(job.as_ref()).and_then(|_| seen.next());
            if let Some(Ok(seen)) = seen
                && job.look(&seen)
            {
                job.respond(Ok(()));
            } else {
                group.push(job);
            }
        }
        if is_down {
            group.append(&mut rest);
        }
    }
    group.iter_mut().for_each(|job| job.note_look());
}

/// The event of an operation that is of one alone.
fn single(job: &dyn Job) -> Option<&Key> {
    match job.keys()[..] {
        [key] => Some(key),
        _ => None,
    }
}

async fn execute(connection: &mut SqliteConnection, statement: &'static str) -> Result<(), sqlx::Error> {
    sqlx::query(statement).execute(connection).await.map(drop)
}
