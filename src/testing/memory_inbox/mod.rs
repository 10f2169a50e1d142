mod admin;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use tokio::sync::Notify;

use crate::{
    clock::{Clock, SystemClock},
    inbox::{Action, Attempt, Backlog, Deposit, Inbox, PastAttempt, Settlement, StoredDelivery, TakeRequest, Taken},
    store::{
        ClaimRequest, Claimed, Completion, Deposited, Effect, IdempotencyStore, Key, Record, State, StoreError, record,
    },
};

/// An inbox in this process, for tests of applications and of workers: it forgets everything when
/// the process ends, so a 200 that it made possible promises nothing.
///
/// It is a lock around a map, and decides by [`record`] alone.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use http::HeaderMap;
/// use tower_webhook::{
///     event::{EventId, Fingerprint},
///     inbox::{Deposit, Inbox, StoredDelivery, TakeRequest},
///     store::{Deposited, Key, Stage, Token},
///     testing::MemoryInbox,
/// };
///
/// let inbox = MemoryInbox::new();
/// let key = Key::new("dwolla", EventId::new("bb6531a2")?);
/// let delivery = StoredDelivery::new("customer_created", HeaderMap::new(), &b"{}"[..]);
/// let deposit = Deposit::new(key, Fingerprint::of(["customer_created"]), delivery);
/// assert_eq!(inbox.deposit(&deposit).await?, Deposited::Stored);
/// assert_eq!(inbox.deposit(&deposit).await?, Deposited::Known(Stage::Waiting));
///
/// let taken = inbox.take(&TakeRequest::new("dwolla", Token::random(), 32)).await?;
/// assert_eq!(taken[0].delivery.body, "{}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct MemoryInbox {
    rows: Arc<Mutex<BTreeMap<Key, Row>>>,
    clock: Arc<dyn Clock>,
    changed: Arc<Notify>,
}

#[derive(Clone)]
struct Row {
    record: Record,
    letter: Option<Stored>,
    /// Of what is finished, too, whose record has none.
    attempts: u32,
}

#[derive(Clone)]
struct Stored {
    delivery: StoredDelivery,
    received_at: SystemTime,
    history: Vec<PastAttempt>,
}

impl MemoryInbox {
    /// An empty inbox, by the system's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(SystemClock)
    }

    /// An empty inbox, by this clock.
    #[must_use]
    pub fn with_clock(clock: impl Clock) -> Self {
        Self {
            rows: Arc::default(),
            clock: Arc::new(clock),
            changed: Arc::default(),
        }
    }

    /// One step on the record of a key, with the lock held.
    fn step<A>(&self, key: &Key, step: impl FnOnce(&mut Option<Row>, SystemTime) -> A) -> A {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let mut row = rows.remove(key);
        let result = step(&mut row, self.clock.now());
        if let Some(row) = row {
            rows.insert(key.clone(), row);
        }
        result
    }

    fn change<A>(&self, key: &Key, transition: impl FnOnce(Option<&Record>, SystemTime) -> record::Change<A>) -> A {
        self.step(key, |row, now| {
            let change = transition(row.as_ref().map(|row| &row.record), now);
            if let Some(record) = change.write {
                let before = row.take();
                let attempts = attempts(&record).or(before.as_ref().map(|row| row.attempts));
                let letter = before.and_then(|row| row.letter).filter(|_| record.schedule.is_some());
                *row = Some(Row {
                    record,
                    letter,
                    attempts: attempts.unwrap_or(0),
                });
            }
            change.response
        })
    }

    fn remember(&self, key: &Key, attempt: &Attempt) {
        self.step(key, |row, now| {
            if let Some(letter) = row.as_mut().and_then(|row| row.letter.as_mut()) {
                letter.history.push(PastAttempt::new(attempt.clone(), now));
            }
        });
    }
}

impl Default for MemoryInbox {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryInbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryInbox").finish_non_exhaustive()
    }
}

impl IdempotencyStore for MemoryInbox {
    async fn claim(&self, request: &ClaimRequest) -> Result<Claimed, StoreError> {
        Ok(self.change(&request.key, |row, now| record::claim(row, request, now)))
    }

    async fn renew(&self, request: &ClaimRequest) -> Result<Effect, StoreError> {
        Ok(self.change(&request.key, |row, now| record::renew(row, request, now)))
    }

    async fn complete(&self, request: &ClaimRequest, completion: Completion) -> Result<Effect, StoreError> {
        Ok(self.change(&request.key, |row, now| record::complete(row, request, completion, now)))
    }

    async fn release(&self, request: &ClaimRequest) -> Result<Effect, StoreError> {
        let effect = self.change(&request.key, |row, now| record::release(row, request, now));
        self.changed.notify_waiters();
        Ok(effect)
    }

    async fn get(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        Ok(self.step(key, |row, now| {
            let record = row.as_ref().map(|row| row.record.clone());
            record.filter(|record| !record.is_expired(now))
        }))
    }

    async fn forget(&self, key: &Key) -> Result<Effect, StoreError> {
        Ok(self.step(key, |row, now| match row.take() {
            Some(row) if !row.record.is_expired(now) => Effect::Applied,
            _ => Effect::NotHeld,
        }))
    }
}

impl Inbox for MemoryInbox {
    async fn deposit(&self, deposit: &Deposit) -> Result<Deposited, StoreError> {
        let deposited = self.step(&deposit.key, |row, now| {
            let change = record::deposit(row.as_ref().map(|row| &row.record), deposit.fingerprint, now);
            if let Some(record) = change.write {
                let letter = Stored {
                    delivery: deposit.delivery.clone(),
                    received_at: now,
                    history: Vec::new(),
                };
                *row = Some(Row {
                    record,
                    letter: Some(letter),
                    attempts: 0,
                });
            }
            change.response
        });
        self.changed.notify_waiters();
        Ok(deposited)
    }

    async fn take(&self, request: &TakeRequest) -> Result<Vec<Taken>, StoreError> {
        let now = self.clock.now();
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let mut due: Vec<(SystemTime, Key)> = rows
            .iter()
            .filter(|(key, _)| key.namespace() == &*request.namespace)
            .filter(|(key, _)| request.id.as_ref().is_none_or(|id| key.id() == id))
            .filter_map(|(key, row)| {
                let schedule = row.record.schedule?;
                let is_meant = request.id.is_some() || is_suspect(&row.record, schedule.crashes) == request.suspects;
                (is_meant && schedule.due_at? <= now).then_some((schedule.due_at?, key.clone()))
            })
            .collect();
        due.sort_unstable();
        let mut taken = Vec::new();
        for (_, key) in due.into_iter().take(request.limit) {
            let Some(row) = rows.get_mut(&key) else { continue };
            let change = record::take(Some(&row.record), request.token, request.lease, now);
            let (Some(record), Some(letter)) = (change.write, &row.letter) else {
                continue;
            };
            if let (
                State::Claimed {
                    generation, attempts, ..
                },
                Some(schedule),
            ) = (&record.state, record.schedule)
            {
                taken.push(
                    Taken::new(request, key, record.fingerprint, letter.delivery.clone())
                        .with_counts(*generation, *attempts, schedule.crashes)
                        .with_received_at(letter.received_at),
                );
            }
            row.attempts = attempts(&record).unwrap_or(row.attempts);
            row.record = record;
        }
        Ok(taken)
    }

    async fn settle(&self, settlements: &[Settlement]) -> Result<Vec<Effect>, StoreError> {
        let effects = settlements
            .iter()
            .map(|settlement| {
                let request = &settlement.claim_request;
                let effect = self.change(&request.key, |row, now| match settlement.action {
                    Action::Complete(completion) => record::complete(row, request, completion, now),
                    Action::PutBack { after, is_counted } => record::put_back(row, request, after, is_counted, now),
                    Action::Bury => record::bury(row, request, now),
                });
                if let (Effect::Applied, Some(attempt)) = (effect, &settlement.attempt) {
                    self.remember(&request.key, attempt);
                }
                effect
            })
            .collect();
        self.changed.notify_waiters();
        Ok(effects)
    }

    async fn backlog(&self, namespace: &str, up_to: u64) -> Result<Backlog, StoreError> {
        let now = self.clock.now();
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let mut backlog = Backlog::default();
        let mut oldest: Option<SystemTime> = None;
        for (key, row) in rows.iter() {
            let due_at = row.record.schedule.and_then(|schedule| schedule.due_at);
            if key.namespace() == namespace {
                let is_due = due_at.filter(|due_at| *due_at <= now);
                oldest = oldest.into_iter().chain(is_due).min();
            }
            let number = match row.record.state {
                _ if key.namespace() != namespace => continue,
                State::Claimed { .. } if due_at.is_some() => &mut backlog.running,
                State::Free { .. } if due_at.is_some_and(|due_at| due_at <= now) => &mut backlog.due,
                State::Free { .. } if due_at.is_some() => &mut backlog.scheduled,
                State::Dead { .. } => &mut backlog.dead,
                _ => continue,
            };
            *number = number.saturating_add(1).min(up_to);
        }
        Ok(backlog.with_oldest_due(oldest.map(|oldest| now.duration_since(oldest).unwrap_or_default())))
    }

    fn changed(&self) -> impl Future<Output = ()> + Send {
        Arc::clone(&self.changed).notified_owned()
    }
}

/// Whether the record's last claim was never settled, or will have expired when it is taken.
fn is_suspect(record: &Record, crashes: u32) -> bool {
    crashes > 0 || matches!(record.state, State::Claimed { .. })
}

/// How many there were, where the record says so.
fn attempts(record: &Record) -> Option<u32> {
    match record.state {
        State::Claimed { attempts, .. } | State::Free { attempts, .. } | State::Dead { attempts, .. } => Some(attempts),
        State::Done { .. } => None,
    }
}
