//! Deposits that wait at the same time share a statement, and a commit.
//!
//! Half of what a deposit costs is its statement's plan, its round trip and its commit, whatever it
//! writes: one by one, with 16 in flight, deposits were half as many as bare inserts.

use std::{
    collections::{HashSet, VecDeque},
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use sqlx::{Row as _, postgres::PgRow};
use tokio::sync::oneshot;

use tower_webhook::{
    inbox::Deposit,
    store::{Deposited, StoreError, record},
};

use super::{
    Shared,
    meaning::error,
    parameters::Statement,
    rows::{first, seen},
    statements::{Statements, statement, text},
};
use crate::group::Lane;

/// How many statements are under way at a time: while one waits for the disk, another is computed.
pub(super) const LANES: usize = 2;
/// How many deliveries a statement stores at most,
const MOST: usize = 64;
/// and how many bytes they have together, unless one alone has more.
const MOST_BYTES: usize = 256 * 1024;

/// The outcome of a deposit; `None` if another came first, after the statement had looked.
type Response = Result<Option<Deposited>, StoreError>;

/// A deposit that waits for a statement.
pub(super) struct Job {
    deposit: Deposit,
    reply: oneshot::Sender<Response>,
}

/// Stores a delivery, together with what else waits.
pub(super) async fn store(shared: &Arc<Shared>, deposit: &Deposit) -> Response {
    let (reply, response) = oneshot::channel();
    let deposit = deposit.clone();
    if let Some(lane) = shared.deposits.push(Job { deposit, reply }) {
        tokio::spawn(run(Arc::clone(shared), lane));
    }
    response.await.unwrap_or_else(|_| Err(gone()))
}

fn gone() -> StoreError {
    StoreError::unavailable("the task that stores deliveries ended before its time")
}

async fn run(shared: Arc<Shared>, mut lane: Lane<Job>) {
    while let Some(group) = lane.next(first_of) {
        store_all(&shared, group).await;
    }
}

/// What goes into the next statement: of each event one deposit, since a statement writes a row
/// once. Those whose callers have gone are dropped.
fn first_of(jobs: &mut VecDeque<Job>) -> Vec<Job> {
    let mut keys = HashSet::new();
    let (mut group, mut copies) = (Vec::new(), Vec::new());
    let mut bytes = 0_usize;
    while group.len().saturating_add(copies.len()) < MOST {
        let Some(job) = jobs.pop_front() else { break };
        if job.reply.is_closed() {
            continue;
        }
        bytes = bytes.saturating_add(job.deposit.delivery.body.len());
        if bytes > MOST_BYTES && !group.is_empty() {
            jobs.push_front(job);
            break;
        }
        if keys.insert(job.deposit.key.clone()) {
            group.push(job);
        } else {
            copies.push(job);
        }
    }
    for copy in copies.into_iter().rev() {
        jobs.push_front(copy);
    }
    // In an order that all agree on, so that two statements do not wait for each other.
    group.sort_by(|one, other| one.deposit.key.cmp(&other.deposit.key));
    group
}

/// One statement for all. Where the server refuses it, which it also does if somebody holds one of
/// the events for long, one for each, so that none takes another with it.
async fn store_all(shared: &Arc<Shared>, group: Vec<Job>) {
    let (deposits, mut replies): (Vec<_>, Vec<_>) = group.into_iter().map(|job| (job.deposit, job.reply)).unzip();
    let columns = Columns::of(deposits.iter());
    let statement = || columns.bound_to(&shared.sql, shared.offset.millis(), Locks::HoldNobodyUp);
    let rows = while_wanted(shared.pool.rows_or_refusal(statement), &mut replies).await;
    drop(columns);
    match rows {
        Some(Ok(Ok(rows))) => {
            let mut responses: Vec<_> = deposits.iter().map(|_| Err(gone())).collect();
            for row in &rows {
                let number = row.try_get::<i64, _>("number").map(usize::try_from);
                let Ok(Ok(number)) = number else { continue };
                if let (Some(response), Some(deposit)) = (responses.get_mut(number), deposits.get(number)) {
                    *response = deposited(row, deposit);
                }
            }
            respond(replies, responses);
        }
        Some(Ok(Err(_))) => {
            for (deposit, reply) in deposits.into_iter().zip(replies) {
                tokio::spawn(store_alone(Arc::clone(shared), deposit, reply));
            }
        }
        Some(Err(failed)) => {
            let responses = replies.iter().map(|_| Err(failed.clone())).collect();
            respond(replies, responses);
        }
        None => {}
    }
}

async fn store_alone(shared: Arc<Shared>, deposit: Deposit, reply: oneshot::Sender<Response>) {
    let columns = Columns::of([&deposit]);
    let statement = || columns.bound_to(&shared.sql, shared.offset.millis(), Locks::Wait);
    let mut replies = vec![reply];
    let Some(rows) = while_wanted(shared.pool.rows(statement), &mut replies).await else {
        return;
    };
    let response = rows.and_then(|rows| deposited(first(&rows)?, &deposit));
    respond(replies, vec![response]);
}

fn respond(replies: Vec<oneshot::Sender<Response>>, responses: Vec<Response>) {
    for (reply, response) in replies.into_iter().zip(responses) {
        // The caller may have gone.
        let _ = reply.send(response);
    }
}

/// What it says; `None` if all that asked have gone before. Its connection is closed with it: the
/// server may be silent for ever, and the next ones ask over another.
async fn while_wanted<T>(asks: impl Future<Output = T>, replies: &mut [oneshot::Sender<Response>]) -> Option<T> {
    let mut asks = pin!(asks);
    let mut all_gone = pin!(async {
        for reply in replies {
            reply.closed().await;
        }
    });
    poll_fn(|cx| match asks.as_mut().poll(cx) {
        Poll::Ready(said) => Poll::Ready(Some(said)),
        Poll::Pending => all_gone.as_mut().poll(cx).map(|()| None),
    })
    .await
}

/// What the statement returned for one deposit.
pub(super) fn deposited(row: &PgRow, deposit: &Deposit) -> Response {
    if row.try_get("deposited").map_err(|failed| error(&failed))? {
        return Ok(Some(Deposited::Stored));
    }
    let seen = seen(row)?;
    let change = record::deposit(seen.record.as_ref(), deposit.fingerprint, seen.now);
    Ok(change.write.is_none().then_some(change.response))
}

/// How a statement treats an event that another transaction has locked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Locks {
    Wait,
    HoldNobodyUp,
}

/// Deposits as the arrays of one statement; each has the same place in all of them.
#[derive(Default)]
pub(super) struct Columns<'d> {
    numbers: Vec<i64>,
    namespaces: Vec<&'d str>,
    ids: Vec<&'d str>,
    fingerprints: Vec<Vec<u8>>,
    topics: Vec<Option<String>>,
    secret_indexes: Vec<Option<i64>>,
    headers: Vec<Vec<u8>>,
    bodies: Vec<&'d [u8]>,
}

impl<'d> Columns<'d> {
    pub(super) fn of(deposits: impl IntoIterator<Item = &'d Deposit>) -> Self {
        let mut columns = Self::default();
        for (number, deposit) in (0..).zip(deposits) {
            let delivery = &deposit.delivery;
            columns.numbers.push(number);
            columns.namespaces.push(deposit.key.namespace());
            columns.ids.push(deposit.key.id().as_str());
            columns.fingerprints.push(deposit.fingerprint.to_bytes().to_vec());
            columns.topics.push(Some(text(&delivery.topic)));
            columns
                .secret_indexes
                .push(delivery.secret_index.and_then(|index| i64::try_from(index).ok()));
            columns.headers.push(delivery.headers_text());
            columns.bodies.push(&delivery.body);
        }
        columns
    }

    pub(super) fn bound_to<'q>(&'q self, sql: &Statements, offset: i64, locks: Locks) -> Statement<'q> {
        statement(&sql.deposit)
            .bind(&self.numbers[..])
            .bind(&self.namespaces[..])
            .bind(&self.ids[..])
            .bind(&self.fingerprints[..])
            .bind(&self.topics[..])
            .bind(&self.secret_indexes[..])
            .bind(&self.headers[..])
            .bind(&self.bodies[..])
            .bind(offset)
            .bind(i64::try_from(self.numbers.len()).unwrap_or(i64::MAX))
            .bind(i64::from(locks == Locks::Wait))
    }
}
