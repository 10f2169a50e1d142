//! The loops that take what is due.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::yield_now,
    time::{Instant, sleep},
};

use super::Shared;
use crate::{
    inbox::{Inbox, TakeRequest, Taken},
    provider::Provider,
    store::{StoreError, Token},
};

/// How many deliveries are taken at once at most.
const MOST: usize = 256;
/// How often to poll for suspects: an expiring lease wakes nobody.
const SUSPECTS_EVERY: Duration = Duration::from_secs(1);
/// The pauses after an error of the store: from the first, doubling, to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A place for deliveries: to run, and to be held until they are settled.
pub(super) struct Slot {
    pub(super) running: OwnedSemaphorePermit,
    pub(super) held: OwnedSemaphorePermit,
}

impl Slot {
    /// Waits for one place, and takes those besides that are free.
    async fn up_to(most: usize, running: &Arc<Semaphore>, held: &Arc<Semaphore>) -> Option<Self> {
        let is_full = running.available_permits() == 0;
        // Never closed: an error does not come about.
        let mut place = Self {
            held: Arc::clone(held).acquire_owned().await.ok()?,
            running: Arc::clone(running).acquire_owned().await.ok()?,
        };
        if is_full {
            // Runs that are about to end, too, do so first: one take for them all.
            yield_now().await;
        }
        let more = most
            .saturating_sub(1)
            .min(running.available_permits())
            .min(held.available_permits());
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        // Another loop may have been faster: then one place has to do.
        if let (Ok(more_running), Ok(more_held)) = (
            Arc::clone(running).try_acquire_many_owned(more),
            Arc::clone(held).try_acquire_many_owned(more),
        ) {
            place.running.merge(more_running);
            place.held.merge(more_held);
        }
        Some(place)
    }

    /// One place, if one is free.
    pub(super) fn now(running: &Arc<Semaphore>, held: &Arc<Semaphore>) -> Option<Self> {
        Some(Self {
            held: Arc::clone(held).try_acquire_owned().ok()?,
            running: Arc::clone(running).try_acquire_owned().ok()?,
        })
    }

    fn count(&self) -> usize {
        self.running.num_permits().min(self.held.num_permits())
    }

    fn split_one(&mut self) -> Option<Self> {
        Some(Self {
            running: self.running.split(1)?,
            held: self.held.split(1)?,
        })
    }
}

/// Why a loop goes on.
enum Next {
    /// It may be worth while.
    Again,
    /// No work is taken any more.
    Draining,
}

impl<P, S, T> Shared<P, S, T>
where
    P: Provider,
    S: Inbox,
    T: Clone + Send + Sync + 'static,
{
    /// Takes deliveries whose last run, if there was one, has ended.
    pub(super) async fn take_fresh(self: Arc<Self>) {
        self.take_all(false, self.polling.every, &self.running, &self.held)
            .await;
    }

    /// Takes deliveries whose last run did not end, one at a time, beside the others.
    pub(super) async fn take_suspects(self: Arc<Self>) {
        let every = self.polling.every.max(SUSPECTS_EVERY);
        self.take_all(true, every, &self.apart, &self.apart_held).await;
    }

    async fn take_all(
        self: &Arc<Self>,
        suspects: bool,
        every: Duration,
        running: &Arc<Semaphore>,
        held: &Arc<Semaphore>,
    ) {
        let mut pause = FIRST_PAUSE;
        loop {
            let place = {
                let place = pin!(Slot::up_to(MOST, running, held));
                match self.unless_draining(place).await {
                    Some(Some(place)) => place,
                    _ => return,
                }
            };
            let limit = place.count();
            // Made before the store is asked: what is stored meanwhile counts.
            let changed = self.engine.store.changed();
            let asked = Instant::now();
            let wait = match self.take(limit, suspects).await {
                Ok(taken) => {
                    pause = FIRST_PAUSE;
                    let count = taken.len();
                    self.spawn_all(taken, asked, place);
                    if count == limit {
                        continue;
                    }
                    every
                }
                Err(error) => {
                    drop(place);
                    self.warn_of_take(&error);
                    let wait = pause;
                    pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
                    if matches!(self.rest(wait, std::future::pending()).await, Next::Draining) {
                        return;
                    }
                    continue;
                }
            };
            // A suspect comes about when a lease ends, of which nobody hears.
            let next = if self.polling.is_woken && !suspects {
                self.rest(wait, changed).await
            } else {
                self.rest(wait, std::future::pending()).await
            };
            if matches!(next, Next::Draining) {
                return;
            }
        }
    }

    async fn take(self: &Arc<Self>, limit: usize, suspects: bool) -> Result<Vec<Taken>, StoreError> {
        let settings = &self.engine.settings;
        let mut request = TakeRequest::new(Arc::clone(&settings.namespace), Token::random(), limit)
            .with_lease(settings.lease)
            .with_retention(settings.retention);
        request.suspects = suspects;
        self.take_as(request).await
    }

    fn spawn_all(self: &Arc<Self>, taken: Vec<Taken>, asked: Instant, mut place: Slot) {
        for taken in taken {
            // There is one for each that the store was asked for.
            let place = place.split_one();
            self.spawn(taken, asked, place, None);
        }
    }

    /// Waits until it may be worth while to ask the store again.
    async fn rest(&self, at_most: Duration, changed: impl Future<Output = ()>) -> Next {
        let mut changed = pin!(changed);
        let mut pause = pin!(sleep(at_most));
        let rest = pin!(poll_fn(|cx| {
            if changed.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            pause.as_mut().poll(cx)
        }));
        match self.unless_draining(rest).await {
            Some(()) => Next::Again,
            None => Next::Draining,
        }
    }

    /// The future's output; `None` once a drain begins.
    async fn unless_draining<F: Future>(&self, mut future: Pin<&mut F>) -> Option<F::Output> {
        let mut draining = pin!(self.engine.closed());
        poll_fn(|cx| {
            if draining.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            future.as_mut().poll(cx).map(Some)
        })
        .await
    }

    fn warn_of_take(&self, error: &StoreError) {
        crate::trace::warn_at(
            &self.engine.provider,
            &self.engine.settings.namespace,
            format_args!("the worker could not take deliveries, and tries again: {error}"),
        );
    }
}
