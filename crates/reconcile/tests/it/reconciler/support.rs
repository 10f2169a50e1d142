//! A source in this process, and a receiver that notes what it handles.

use std::{
    collections::HashMap,
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::{sync::Semaphore, time::Instant};
use tower_webhook::{
    Delivery, HandlerError, MemoryStore, Processor, TopicRouter, WebhookLayer,
    clock::Clock,
    dwolla::{self, Dwolla},
    event::{EventId, Source as Origin},
    process::DrainHandle,
    store::Key,
    testing::FaultyStore,
};
use tower_webhook_reconcile::{
    Error, Pages, Reconciler,
    reconciler::{Content, Ending, Item, Report, Source, Window},
};

pub(crate) const SECRET: &str = "for-these-tests-only";
pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

/// A clock that goes by tokio's time, which a paused test moves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TestClock(Instant);

impl TestClock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) + self.0.elapsed()
    }
}

pub(crate) type Store = FaultyStore<MemoryStore>;

pub(crate) fn store(clock: TestClock) -> Store {
    FaultyStore::new(MemoryStore::builder().clock(clock).build())
}

/// An event with this id, as an API tells it.
pub(crate) fn json(id: &str) -> String {
    json_of(id, "customer_created")
}

pub(crate) fn json_of(id: &str, topic: &str) -> String {
    format!(r#"{{"id":"{id}","topic":"{topic}","created":"2023-11-14T22:13:20.000Z"}}"#)
}

pub(crate) fn key(id: &str) -> Key {
    Key::new("dwolla", EventId::new(id).unwrap())
}

/// What one test's source has, and what it was asked.
#[derive(Clone)]
pub(crate) struct Fake(Arc<State>);

struct State {
    clock: TestClock,
    entries: Mutex<Vec<Entry>>,
    windows: Mutex<Vec<Window>>,
    fetched: Mutex<Vec<String>>,
    asked: Mutex<Vec<String>>,
    /// Ids whose fetch fails, and how.
    broken: Mutex<HashMap<String, &'static str>>,
    /// The page that fails, counted from 0.
    broken_page: Mutex<Option<usize>>,
    pages: AtomicUsize,
    /// What each page waits for.
    pages_wait: Mutex<Option<Arc<Semaphore>>>,
}

#[derive(Clone)]
struct Entry {
    id: String,
    topic: &'static str,
    time: Option<SystemTime>,
}

/// Entries on a page.
pub(crate) const PAGE: usize = 3;

impl Fake {
    pub(crate) fn new(clock: TestClock) -> Self {
        Self(Arc::new(State {
            clock,
            entries: Mutex::default(),
            windows: Mutex::default(),
            fetched: Mutex::default(),
            asked: Mutex::default(),
            broken: Mutex::default(),
            broken_page: Mutex::default(),
            pages: AtomicUsize::new(0),
            pages_wait: Mutex::default(),
        }))
    }

    /// The provider records events now.
    pub(crate) fn record(&self, ids: &[&str]) {
        for id in ids {
            self.record_at(id, "customer_created", Some(self.0.clock.now()));
        }
    }

    pub(crate) fn record_at(&self, id: &str, topic: &'static str, time: Option<SystemTime>) {
        let entry = Entry {
            id: (*id).to_owned(),
            topic,
            time,
        };
        self.0.entries.lock().unwrap().push(entry);
    }

    pub(crate) fn break_fetch(&self, id: &str, how: &'static str) {
        self.0.broken.lock().unwrap().insert(id.to_owned(), how);
    }

    pub(crate) fn mend(&self) {
        self.0.broken.lock().unwrap().clear();
        *self.0.broken_page.lock().unwrap() = None;
    }

    pub(crate) fn break_page(&self, page: usize) {
        *self.0.broken_page.lock().unwrap() = Some(page);
    }

    /// From now on each page waits for a permit.
    pub(crate) fn hold_pages(&self) -> Arc<Semaphore> {
        let permits = Arc::new(Semaphore::new(0));
        *self.0.pages_wait.lock().unwrap() = Some(Arc::clone(&permits));
        permits
    }

    pub(crate) fn windows(&self) -> Vec<Window> {
        self.0.windows.lock().unwrap().clone()
    }

    pub(crate) fn fetched(&self) -> Vec<String> {
        std::mem::take(&mut self.0.fetched.lock().unwrap())
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.0.asked.lock().unwrap())
    }

    pub(crate) fn pages(&self) -> usize {
        self.0.pages.load(Ordering::Relaxed)
    }
}

impl Source for Fake {
    type Event = dwolla::Event;

    fn name(&self) -> String {
        "fake/1".into()
    }

    fn retention(&self) -> Duration {
        DAY * 30
    }

    fn overlap(&self) -> Duration {
        DAY * 4
    }

    fn list(&self, window: Window) -> Pages<Item<dwolla::Event>> {
        self.0.windows.lock().unwrap().push(window);
        let entries = self.0.entries.lock().unwrap().clone();
        let listed: Vec<Entry> = entries
            .into_iter()
            .filter(|entry| entry.time.is_none_or(|time| time >= window.from))
            .collect();
        let state = Arc::clone(&self.0);
        Pages::fetched(0, move |page: usize| {
            let (state, listed) = (Arc::clone(&state), listed.clone());
            async move {
                state.pages.fetch_add(1, Ordering::Relaxed);
                let wait = state.pages_wait.lock().unwrap().clone();
                if let Some(wait) = wait {
                    wait.acquire().await.unwrap().forget();
                }
                if *state.broken_page.lock().unwrap() == Some(page) {
                    return Err(Error::other("the page is torn"));
                }
                let chunk = listed.iter().skip(page * PAGE).take(PAGE).map(|entry| {
                    let mut item = Item::new(format!("webhook-{}", entry.id))
                        .event_id(EventId::new(&entry.id).unwrap())
                        .topic(entry.topic);
                    if let Some(time) = entry.time {
                        item = item.time(time);
                    }
                    item
                });
                let next = (listed.len() > (page + 1) * PAGE).then_some(page + 1);
                Ok((chunk.collect(), next))
            }
        })
    }

    async fn fetch(&self, item: &Item<dwolla::Event>) -> Result<Content<dwolla::Event>, Error> {
        let id = item.known_event_id().unwrap().as_str().to_owned();
        self.0.fetched.lock().unwrap().push(id.clone());
        match self.0.broken.lock().unwrap().get(&id) {
            Some(&"gone") => return Ok(Content::not_fetchable("gone")),
            Some(how) => return Err(Error::other(*how)),
            None => {}
        }
        let json = json(&id);
        let event = dwolla::Event::from_json(json.as_bytes()).unwrap();
        Ok(Content::event(event, json))
    }

    async fn redeliver(&self, item: &Item<dwolla::Event>) -> Result<(), Error> {
        self.0.asked.lock().unwrap().push(item.id().to_owned());
        Ok(())
    }
}

/// A receiver whose handler notes what it gets.
pub(crate) struct Receiver {
    pub(crate) layer: WebhookLayer<Dwolla, Store>,
    pub(crate) topics: TopicRouter<dwolla::Event>,
    pub(crate) store: Store,
    pub(crate) drain: DrainHandle,
    notes: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    pub(crate) fn new(clock: TestClock) -> Self {
        Self::handling(clock, |_| async { Ok(()) })
    }

    /// What it handles is noted when its handler has succeeded.
    pub(crate) fn handling<F, Fut>(clock: TestClock, handler: F) -> Self
    where
        F: Fn(String) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), HandlerError>> + Send,
    {
        Self::over(store(clock), handler)
    }

    pub(crate) fn over<F, Fut>(store: Store, handler: F) -> Self
    where
        F: Fn(String) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), HandlerError>> + Send,
    {
        let notes = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&notes);
        let topics = TopicRouter::new().on("customer_created", move |delivery: Delivery<dwolla::Event>| {
            let (noted, handler) = (Arc::clone(&noted), handler.clone());
            async move {
                let id = delivery.event().id().as_str().to_owned();
                assert_eq!(delivery.source(), Origin::Fetched);
                handler(id.clone()).await?;
                noted.lock().unwrap().push(id);
                Ok::<(), HandlerError>(())
            }
        });
        let layer = WebhookLayer::new(Dwolla::new(SECRET).unwrap(), store.clone());
        Self {
            drain: layer.drain_handle(),
            layer,
            topics,
            store,
            notes,
        }
    }

    pub(crate) fn door(&self) -> Processor<dwolla::Event> {
        self.layer.processor(self.topics.clone())
    }

    /// What was handled since this was asked last, sorted.
    pub(crate) fn handled(&self) -> Vec<String> {
        let mut handled = std::mem::take(&mut *self.notes.lock().unwrap());
        handled.sort();
        handled
    }
}

/// A source, a receiver and a reconciler between them.
pub(crate) fn reconciler(source: &Fake, receiver: &Receiver, clock: TestClock) -> Reconciler<Fake> {
    Reconciler::new(source.clone(), receiver.door()).clock(clock)
}

/// The tallies that are not empty, as text: `known 2, handled 1`.
pub(crate) fn tallies(report: &Report) -> String {
    let counts: Vec<String> = Ending::ALL
        .into_iter()
        .filter(|ending| report.count(*ending) > 0)
        .map(|ending| format!("{} {}", ending, report.count(ending)))
        .collect();
    assert_eq!(
        report.seen(),
        Ending::ALL.into_iter().map(|ending| report.count(ending)).sum::<u64>()
    );
    counts.join(", ")
}
