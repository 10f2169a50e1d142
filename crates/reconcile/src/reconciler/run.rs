//! One run: what is listed, looked up, fetched and handed in.

use std::{
    future::Future,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::SystemTime,
};

use futures_util::StreamExt as _;
use tokio::sync::Notify;
use tower_webhook::{
    Outcome, Processor, Refusal, RefusalKind,
    event::Fingerprint,
    layer::LayerStore,
    store::{ClaimRequest, Completion, IdempotencyStore as _, Key, Record, State, StoreError, Token},
};

use super::{
    Content, End, Ending, Item, Source, Window,
    item::Kind,
    lease::{mark_key, scope},
    report::Listed,
    report::Report,
};
use crate::{Error, ErrorKind};

/// How many failures of the provider's API in a row end the run: it would fail for all the others,
/// each after its own retries.
const API_FAILURES: u32 = 10;

/// A callback for each item.
pub(super) type Observe = dyn Fn(&Listed, Ending) + Send + Sync;

/// The parts that one run works with.
pub(super) struct Run<'a, S: Source> {
    pub(super) source: &'a S,
    pub(super) processor: &'a Processor<S::Event>,
    pub(super) name: &'a str,
    pub(super) store: LayerStore,
    pub(super) now: SystemTime,
    pub(super) mode: Mode,
    /// Outside of which items are left out.
    pub(super) within: Option<Window>,
    pub(super) stop: &'a Stop,
    failures: AtomicU32,
}

/// The treatment of missing items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    HandIn,
    Ask,
    Look,
}

/// Why a run takes up nothing more.
#[derive(Default)]
pub(super) struct Stop {
    end: Mutex<Option<End>>,
    changed: Notify,
}

impl Stop {
    /// The first reason counts.
    pub(super) fn set(&self, end: End) {
        let mut kept = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_none() {
            *kept = Some(end);
        }
        drop(kept);
        self.changed.notify_waiters();
    }

    pub(super) fn end(&self) -> Option<End> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn stopped(&self) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.end().is_some() {
                return;
            }
            changed.await;
        }
    }
}

/// How an item ended, and why.
struct Ended {
    ending: Ending,
    reason: Option<String>,
}

impl From<Ending> for Ended {
    fn from(ending: Ending) -> Self {
        Self { ending, reason: None }
    }
}

impl Ended {
    fn because(ending: Ending, reason: impl Into<String>) -> Self {
        Self {
            ending,
            reason: Some(reason.into()),
        }
    }
}

/// The result of looking an item up in the store.
enum LookedUp {
    Ended(Ending),
    Missing,
}

impl<'a, S: Source> Run<'a, S> {
    pub(super) fn new(
        source: &'a S,
        processor: &'a Processor<S::Event>,
        name: &'a str,
        now: SystemTime,
        mode: Mode,
        within: Option<Window>,
        stop: &'a Stop,
    ) -> Self {
        Self {
            source,
            processor,
            name,
            store: processor.store(),
            now,
            mode,
            within,
            stop,
            failures: AtomicU32::new(0),
        }
    }

    /// Looks at everything that is listed, several items at once, until it is stopped. What has
    /// begun then is finished.
    pub(super) async fn of(&self, window: Window, concurrency: usize, report: &mut Report, observe: &Observe) {
        let listed = self.source.list(window).take_until(self.stop.stopped());
        let looked_at = listed.map(|item| async {
            match item {
                Ok(item) if self.is_outside(&item) => None,
                Ok(item) => Some(self.look_at(item).await),
                Err(error) => {
                    self.stop.set(End::Failed(error));
                    None
                }
            }
        });
        let mut looked_at = std::pin::pin!(looked_at.buffer_unordered(concurrency));
        while let Some(item) = looked_at.next().await {
            if let Some((listed, time, ending)) = item {
                observe(&listed, ending);
                report.add(listed, time, ending);
            }
        }
    }

    /// An item without a time may be within.
    fn is_outside(&self, item: &Item<S::Event>) -> bool {
        let times = self.within.zip(item.time);
        times.is_some_and(|(window, time)| time < window.from || time >= window.until)
    }

    async fn look_at(&self, mut item: Item<S::Event>) -> (Listed, Option<SystemTime>, Ending) {
        let ended = match self.end_of(&mut item).await {
            Ok(ended) => ended,
            Err(error) => {
                let error = Error::saying(ErrorKind::Store, "the store did not respond", error);
                let reason = error.to_string();
                self.stop.set(End::Failed(error));
                Ended::because(Ending::Failed, reason)
            }
        };
        let listed = Listed {
            id: item.id,
            event_id: item.event_id.map(|id| id.as_str().to_owned()),
            topic: item.topic,
            is_delivered: item.is_delivered,
            reason: ended.reason,
        };
        (listed, item.time, ended.ending)
    }

    async fn end_of(&self, item: &mut Item<S::Event>) -> Result<Ended, StoreError> {
        if item.topic.as_ref().is_some_and(|topic| !self.processor.wants(topic)) {
            return Ok(Ending::Unwanted.into());
        }
        if let LookedUp::Ended(ending) = self.look_up(item).await? {
            return Ok(ending.into());
        }
        let ended = match self.mode {
            Mode::HandIn => self.hand_in(item).await,
            Mode::Look => return Ok(Ending::Missing.into()),
            Mode::Ask => {
                let asked = self.counted(self.source.redeliver(item).await);
                return Ok(match asked {
                    Ok(()) => Ending::Asked.into(),
                    Err(ended) => ended,
                });
            }
        };
        if is_settled(ended.ending) {
            self.mark(item).await;
        }
        Ok(ended)
    }

    async fn look_up(&self, item: &Item<S::Event>) -> Result<LookedUp, StoreError> {
        if let Some(id) = &item.event_id {
            let key = self.processor.key(id);
            let record = self.store.get(&key).await?;
            return Ok(record.map_or(LookedUp::Missing, |record| self.known(&record)));
        }
        if item.is_delivered {
            return Ok(LookedUp::Ended(Ending::Delivered));
        }
        if let Some(key) = self.mark_of(item) {
            let record = self.store.get(&key).await?;
            if record.is_some_and(|record| matches!(record.state, State::Done { .. })) {
                return Ok(LookedUp::Ended(Ending::Known));
            }
        }
        Ok(LookedUp::Missing)
    }

    fn known(&self, record: &Record) -> LookedUp {
        match record.state {
            State::Done { .. } | State::Dead { .. } => LookedUp::Ended(Ending::Known),
            // It lies in the inbox, and its worker has it.
            _ if record.schedule.is_some() => LookedUp::Ended(Ending::Known),
            State::Claimed { lease_until, .. } if lease_until > self.now => LookedUp::Ended(Ending::Waiting),
            _ => LookedUp::Missing,
        }
    }

    async fn hand_in(&self, item: &mut Item<S::Event>) -> Ended {
        let listed = item.content.take().and_then(made);
        let was_listed = listed.is_some();
        let content = match listed {
            Some(content) => content,
            None => match self.fetch(item).await {
                Ok(content) => content,
                Err(ended) => return ended,
            },
        };
        let ended = self.process(content).await;
        // What the provider recorded may be mangled, or signed with a secret of the past. Its API
        // can tell the event as well.
        match ended {
            Err(refused) if was_listed => match self.fetch(item).await {
                Ok(content) => self.process(content).await.unwrap_or_else(|refused| refused),
                Err(ended) if ended.ending == Ending::NotFetchable => refused,
                Err(ended) => ended,
            },
            Ok(ended) | Err(ended) => ended,
        }
    }

    async fn fetch(&self, item: &Item<S::Event>) -> Result<Content<S::Event>, Ended> {
        let fetched = self.counted(self.source.fetch(item).await)?;
        Ok(made(fetched).unwrap_or_else(|| Content::not_fetchable("the source fetched nothing")))
    }

    /// Hands it in. An error is a request that cannot be read, or whose signature does not match.
    async fn process(&self, content: Content<S::Event>) -> Result<Ended, Ended> {
        let outcome = match content.0 {
            Kind::Event(event) => event.hand_in(self.processor).await,
            Kind::Request(headers, body) => self.processor.process_request(headers, body).await,
            Kind::NotFetchable(reason) => return Ok(Ended::because(Ending::NotFetchable, reason)),
            Kind::Lazy(_) => return Ok(Ended::because(Ending::NotFetchable, "the source has nothing")),
        };
        match outcome {
            Outcome::Handled => Ok(Ending::Handled.into()),
            Outcome::Stored => Ok(Ending::Stored.into()),
            Outcome::Duplicate(_) | Outcome::OtherFacts | Outcome::StoredBefore(_) => Ok(Ending::Known.into()),
            Outcome::Unhandled | Outcome::Handshake => Ok(Ending::Unwanted.into()),
            Outcome::Rejected(reason) => Ok(Ended::because(Ending::Rejected, reason)),
            Outcome::Refused(refusal) => self.refused(&refusal),
            other => Ok(Ended::because(Ending::Failed, other.to_string())),
        }
    }

    fn refused(&self, refusal: &Refusal) -> Result<Ended, Ended> {
        let because = |ending| Ended::because(ending, format!("{}: {refusal}", refusal.kind().as_str()));
        match refusal.kind() {
            RefusalKind::Signature | RefusalKind::NotAnEvent => Err(Ended::because(
                Ending::NotFetchable,
                format!("what the provider recorded was refused: {refusal}"),
            )),
            RefusalKind::InFlight | RefusalKind::TooManyWaiting => Ok(because(Ending::Waiting)),
            RefusalKind::Draining => {
                let error = Error::new(ErrorKind::Other, "the layer is draining, so nothing can be handed in");
                self.stop.set(End::Failed(error));
                Ok(because(Ending::Failed))
            }
            _ => Ok(because(Ending::Failed)),
        }
    }

    /// The result of a call to the provider's API, as what it means for the item.
    fn counted<T>(&self, result: Result<T, Error>) -> Result<T, Ended> {
        let error = match result {
            Ok(value) => {
                self.failures.store(0, Ordering::Relaxed);
                return Ok(value);
            }
            Err(error) => error,
        };
        let reason = error.to_string();
        if error.kind() == ErrorKind::NotFound {
            self.failures.store(0, Ordering::Relaxed);
            return Err(Ended::because(Ending::NotFetchable, reason));
        }
        if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= API_FAILURES {
            self.stop.set(End::Failed(error));
        }
        Err(Ended::because(Ending::Failed, reason))
    }

    fn mark_of(&self, item: &Item<S::Event>) -> Option<Key> {
        mark_key(&scope(self.processor), self.name, item.group.as_ref()?).ok()
    }

    /// Notes that an event is finished, for the other deliveries of it. Without the mark they cost
    /// a request each, and nothing more.
    async fn mark(&self, item: &Item<S::Event>) {
        let Some(key) = self.mark_of(item).filter(|_| item.event_id.is_none()) else {
            return;
        };
        let request = ClaimRequest::new(key, Token::random(), Fingerprint::of(["mark"]))
            .with_retention(self.source.retention().saturating_add(self.source.overlap()));
        let _ = self.store.complete(&request, Completion::Handled).await;
    }
}

fn is_settled(ending: Ending) -> bool {
    matches!(
        ending,
        Ending::Known | Ending::Unwanted | Ending::Handled | Ending::Stored | Ending::Rejected
    )
}

/// Makes lazy content, if there is any.
fn made<E>(content: Content<E>) -> Option<Content<E>> {
    let mut content = content;
    loop {
        match content.0 {
            Kind::Lazy(make) => content = make()?,
            _ => return Some(content),
        }
    }
}

/// Completes with the first; the second is dropped then.
pub(super) async fn first<T>(one: impl Future<Output = T>, other: impl Future<Output = T>) -> T {
    use futures_util::future::{Either, select};
    match select(std::pin::pin!(one), std::pin::pin!(other)).await {
        Either::Left((value, _)) | Either::Right((value, _)) => value,
    }
}
