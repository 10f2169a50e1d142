//! New deliveries as they come, by server-sent events.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    extract::State,
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream;
use http::{HeaderMap, HeaderValue, StatusCode, header::RETRY_AFTER};
use tokio::{
    sync::broadcast::{self, Receiver, error::RecvError},
    time::{Instant, MissedTickBehavior, interval, timeout_at},
};
use tower_webhook::delivery_log::{DeliveryLogFilter, DeliveryLogReader, Numbered};

use crate::{
    inspector::{Shared, Shutdown},
    pages::{
        deliveries::{DeliveriesQuery, PAGE},
        row,
    },
    params::Params,
};

/// How many browsers may listen at once.
const MOST: usize = 32;

/// How often the log is read, for all of them together.
const EVERY: Duration = Duration::from_secs(1);

/// How many new entries are read at a time. If there are more, a page shows the newest of them; it
/// has room for [`PAGE`].
const BATCH: usize = 500;

/// A response ends after so long, and the browser asks again from where it was: so a graceful
/// shutdown waits no longer, and a session that is over ends its updates.
const LASTS: Duration = Duration::from_secs(30);

type Batch = Arc<Vec<Numbered>>;

/// Tells browsers of new entries: one task reads the log while anybody listens.
#[derive(Default)]
pub(crate) struct Live {
    reader: Arc<Mutex<Option<broadcast::Sender<Batch>>>>,
    listeners: Arc<AtomicUsize>,
}

/// A listener's place.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Live {
    fn place(&self) -> Option<Place> {
        let taken = self
            .listeners
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
                (taken < MOST).then_some(taken.saturating_add(1))
            });
        taken.ok().map(|_| Place(Arc::clone(&self.listeners)))
    }

    fn listen(&self, log: &Arc<dyn DeliveryLogReader>) -> Receiver<Batch> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reader) = &*reader {
            return reader.subscribe();
        }
        let (sending, receiver) = broadcast::channel(16);
        *reader = Some(sending.clone());
        tokio::spawn(read(Arc::clone(log), sending, Arc::clone(&self.reader)));
        receiver
    }
}

/// Reads the log once a second, until nobody listens.
async fn read(
    log: Arc<dyn DeliveryLogReader>,
    sending: broadcast::Sender<Batch>,
    reader: Arc<Mutex<Option<broadcast::Sender<Batch>>>>,
) {
    let everything = DeliveryLogFilter::new();
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last: Option<u64> = None;
    loop {
        ticks.tick().await;
        {
            let mut reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
            // The next browser waits for the lock, and starts another task.
            if sending.receiver_count() == 0 {
                *reader = None;
                return;
            }
        }
        // A log that does not respond now may do so in a second.
        let Ok(mut found) = log.list(&everything, None, BATCH).await else {
            continue;
        };
        let newest = found.first().map(|newest| newest.number);
        found.retain(|found| last.is_none_or(|last| found.number > last));
        // At first that is what there is: listeners know what they have seen.
        if !found.is_empty() {
            let _ = sending.send(Arc::new(found));
        }
        last = newest.or(last);
    }
}

/// One listener.
struct Listener {
    receiver: Receiver<Batch>,
    log: Arc<dyn DeliveryLogReader>,
    filter: DeliveryLogFilter,
    /// The newest that it has seen.
    last: Option<u64>,
    /// Whether it has to look at the log itself: at first, and if it was too slow.
    must_look: bool,
    ends: Instant,
    shutdown: Option<Shutdown>,
    events: VecDeque<Event>,
    _place: Place,
}

pub(crate) async fn live(State(shared): State<Arc<Shared>>, headers: HeaderMap, params: Params) -> Response {
    let Some(log) = &shared.log else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let Some(place) = shared.live.place() else {
        let retry = [(RETRY_AFTER, HeaderValue::from_static("30"))];
        return (StatusCode::SERVICE_UNAVAILABLE, retry, "too many pages are open\n").into_response();
    };
    // A browser that asks again says what it has seen.
    let seen = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok()?.parse().ok());
    let mut events = VecDeque::new();
    events.push_back(Event::default().retry(Duration::from_secs(2)).comment("live"));
    let listener = Listener {
        receiver: shared.live.listen(log),
        log: Arc::clone(log),
        filter: DeliveriesQuery::read(&params, shared.clock.now()).filter,
        last: seen.or_else(|| params.number("after")),
        must_look: true,
        ends: Instant::now() + LASTS,
        shutdown: shared.shutdown.clone(),
        events,
        _place: place,
    };
    let stream = stream::unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok::<_, Infallible>(event), listener))
    });
    Sse::new(stream).keep_alive(KeepAlive::default()).into_response()
}

impl Listener {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            if self.must_look {
                self.must_look = false;
                if let Ok(found) = self.log.list(&self.filter, None, PAGE).await {
                    self.tell(&found);
                }
                continue;
            }
            let shutdown = self.shutdown.clone();
            let is_over = async {
                match shutdown {
                    Some(shutdown) => shutdown.await,
                    None => std::future::pending().await,
                }
            };
            let received = tokio::select! {
                received = timeout_at(self.ends, self.receiver.recv()) => received.ok()?,
                () = is_over => return None,
            };
            match received {
                Ok(batch) => self.tell(&batch),
                Err(RecvError::Lagged(_)) => self.must_look = true,
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// Tells it what is new to it: rows, as the page has them.
    fn tell(&mut self, batch: &[Numbered]) {
        let new: Vec<_> = batch
            .iter()
            .filter(|found| self.last.is_none_or(|last| found.number > last) && self.filter.matches(&found.entry))
            .take(PAGE)
            .collect();
        let Some(newest) = new.first() else { return };
        self.last = Some(newest.number);
        let rows: String = new.iter().map(|found| row(found).into_string()).collect();
        // No text from outside has one any more; the event's form allows none.
        let rows = rows.replace('\r', " ");
        let event = Event::default()
            .event("deliveries")
            .id(newest.number.to_string())
            .data(rows);
        self.events.push_back(event);
    }
}
