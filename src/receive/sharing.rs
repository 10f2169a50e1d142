//! Layers that record in the same place, one store and one namespace, and the endpoints that are
//! made of them.
//!
//! To the store, events of one namespace are one stream: what one endpoint has handled is a
//! duplicate for the others. That is meant where they are one endpoint behind several routes, and
//! loses events where they are two tenants or two applications. Nothing that happens later tells
//! the two apart (a duplicate is a duplicate), so it is said at start.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    panic::Location,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    handler::Registered,
    provider::Provider,
    signature::Verifier,
    store::StoreIdentity,
    trace::{self, Brief},
};

/// A layer's entry among those that record in the same place. It is there as long as the layer, its
/// clones and its services.
pub(crate) struct Sharing(Option<Arc<Entry>>);

struct Entry {
    place: Place,
    provider: String,
    verifier: Verifier,
    built: &'static Location<'static>,
    /// An HTTP service was made of it.
    has_http: AtomicBool,
    /// It has no secret in common with those before it. That is said once, and nobody is compared
    /// with it again: a thousand tenants would be, each with each.
    is_foreign: AtomicBool,
    routers: Mutex<Vec<Router>>,
}

type Place = (StoreIdentity, Arc<str>);

struct Router {
    registered: Weak<Registered>,
    made: &'static Location<'static>,
}

/// All layers that record in one place, and what was said of them.
#[derive(Default)]
struct LayersOfPlace {
    layers: Vec<Weak<Entry>>,
    warned: HashSet<(Conflict, &'static Location<'static>, &'static Location<'static>)>,
}

#[derive(PartialEq, Eq, Hash)]
enum Conflict {
    Secrets,
    Handlers,
}

type Places = HashMap<Place, LayersOfPlace>;

fn places() -> MutexGuard<'static, Places> {
    static PLACES: OnceLock<Mutex<Places>> = OnceLock::new();
    lock(PLACES.get_or_init(Mutex::default))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sharing {
    /// Enters a layer, and warns if another records in the same place with other secrets.
    #[track_caller]
    pub(super) fn register<P: Provider>(provider: &P, store: Option<StoreIdentity>, namespace: &Arc<str>) -> Self {
        let Some(store) = store else { return Self(None) };
        let entry = Arc::new(Entry {
            place: (store, Arc::clone(namespace)),
            provider: provider.name().to_owned(),
            verifier: provider.verifier().clone(),
            built: Location::caller(),
            has_http: AtomicBool::new(false),
            is_foreign: AtomicBool::new(false),
            routers: Mutex::default(),
        });
        let mut places = places();
        let sharers = places.entry(entry.place.clone()).or_default();
        let others: Vec<_> = sharers.others(&entry).collect();
        // One is enough: in a rotation the first layer has the old secret, the last has the new
        // one, and those between have both.
        let is_known = others
            .iter()
            .any(|other| entry.verifier.shares_a_secret(&other.verifier));
        let warns = others.into_iter().next().filter(|first| {
            entry.is_foreign.store(!is_known, Ordering::Relaxed);
            !is_known && sharers.warned.insert((Conflict::Secrets, first.built, entry.built))
        });
        sharers.layers.push(Arc::downgrade(&entry));
        drop(places);
        if let Some(other) = warns {
            trace::warn(format_args!(
                "two layers share {}, and have no secret in common: {} and {}. An event that comes to one under an id that the \
                 other has handled is a duplicate: it gets 200, and no handler runs. Set a `namespace` of its own for each; if \
                 one secret replaces the other, give both secrets to one layer",
                PlaceName(&entry.place),
                LayerName(&other),
                LayerName(&entry),
            ));
        }
        Self(Some(entry))
    }

    /// The store, if it can be told from others.
    pub(crate) fn store(&self) -> Option<&StoreIdentity> {
        self.0.as_ref().map(|entry| &entry.place.0)
    }

    /// Enters a service of topic handlers, and warns if another endpoint hands a topic to another
    /// handler.
    #[track_caller]
    pub(crate) fn topics(&self, registered: &Arc<Registered>) {
        let Some(entry) = &self.0 else { return };
        let made = Location::caller();
        let mut places = places();
        let mut found = None;
        if let Some(sharers) = places.get_mut(&entry.place) {
            found = sharers
                .of_one_endpoint(entry)
                .find_map(|other| other.disagrees(registered))
                .filter(|(_, other)| sharers.warned.insert((Conflict::Handlers, other, made)));
        }
        let mut routers = lock(&entry.routers);
        routers.retain(|router| router.registered.strong_count() > 0);
        routers.push(Router {
            registered: Arc::downgrade(registered),
            made,
        });
        drop(routers);
        drop(places);
        if let Some((topic, other)) = found {
            entry.warn_of_handlers(&topic, other, made);
        }
    }

    /// Enters the HTTP services of a layer, and warns if another endpoint gets their events, too.
    /// Frameworks wrap a service for each route, or for each request, so all of one layer count as
    /// one.
    pub(crate) fn http(&self) {
        let Some(entry) = &self.0 else { return };
        if entry.has_http.load(Ordering::Relaxed) || entry.has_http.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut places = places();
        let mut found = None;
        if let Some(sharers) = places.get_mut(&entry.place) {
            found = sharers
                .of_one_endpoint(entry)
                .find_map(|other| other.disagrees_with_http(entry))
                .filter(|(_, other)| sharers.warned.insert((Conflict::Handlers, other, entry.built)));
        }
        drop(places);
        if let Some((topic, other)) = found {
            entry.warn_of_handlers(&topic, other, entry.built);
        }
    }
}

/// The last of a layer has gone.
impl Drop for Sharing {
    fn drop(&mut self) {
        let Some(entry) = &self.0 else { return };
        let mut places = places();
        if let Some(sharers) = places.get_mut(&entry.place) {
            sharers
                .layers
                .retain(|layer| !std::ptr::eq(layer.as_ptr(), Arc::as_ptr(entry)));
            if sharers.layers.is_empty() {
                places.remove(&entry.place);
            }
        }
    }
}

impl LayersOfPlace {
    fn others(&self, entry: &Arc<Entry>) -> impl Iterator<Item = Arc<Entry>> {
        let layers: Vec<_> = self.layers.iter().filter_map(Weak::upgrade).collect();
        let own = Arc::clone(entry);
        layers
            .into_iter()
            .filter(move |other| !Arc::ptr_eq(other, &own) && !other.is_foreign.load(Ordering::Relaxed))
    }

    /// This layer, and those that have a secret in common with it.
    fn of_one_endpoint(&self, entry: &Arc<Entry>) -> impl Iterator<Item = Arc<Entry>> + use<> {
        let is_foreign = entry.is_foreign.load(Ordering::Relaxed);
        let own = Arc::clone(entry);
        let others: Vec<_> = if is_foreign {
            Vec::new()
        } else {
            self.others(entry).collect()
        };
        let akin = move |other: &Arc<Entry>| other.verifier.shares_a_secret(&own.verifier);
        std::iter::once(Arc::clone(entry)).chain(others.into_iter().filter(akin))
    }
}

/// A topic, and where the endpoint was made that has another handler for it.
type Disagreement = (String, &'static Location<'static>);

impl Entry {
    fn disagrees(&self, registered: &Registered) -> Option<Disagreement> {
        if self.has_http.load(Ordering::Relaxed)
            && let Some(topic) = registered.any_topic()
        {
            return Some((topic.to_owned(), self.built));
        }
        let routers = lock(&self.routers);
        routers.iter().find_map(|router| {
            let theirs = router.registered.upgrade()?;
            let topic = theirs.disagrees_on(registered)?.to_owned();
            Some((topic, router.made))
        })
    }

    fn disagrees_with_http(&self, http: &Entry) -> Option<Disagreement> {
        // Which service is behind a layer is not known. Layers that one line of the source builds
        // are taken for one endpoint, as where each thread has an app of its own.
        let is_another = !std::ptr::eq(self, http) && self.built != http.built;
        if is_another && self.has_http.load(Ordering::Relaxed) {
            return Some(("*".to_owned(), self.built));
        }
        let routers = lock(&self.routers);
        routers.iter().find_map(|router| {
            let theirs = router.registered.upgrade()?;
            Some((theirs.any_topic()?.to_owned(), router.made))
        })
    }

    fn warn_of_handlers(&self, topic: &str, other: &Location<'_>, made: &Location<'_>) {
        let topic = Topic(topic);
        trace::warn(format_args!(
            "two endpoints of {} share {}, and have different handlers for {topic}: the one of {other} and the one of {made}. An event that \
             comes to both is handled by the first that claims it; for the other it is a duplicate, whose handler does not run. Set a \
             `namespace` of its own for each; if they are one endpoint, make both of one layer and one router",
            Brief(&self.provider),
            PlaceName(&self.place),
        ));
    }
}

struct PlaceName<'a>(&'a Place);

impl fmt::Display for PlaceName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (store, namespace) = self.0;
        write!(f, "the namespace `{namespace}` of {store}")
    }
}

struct LayerName<'a>(&'a Entry);

impl fmt::Display for LayerName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} layer built at {}", Brief(&self.0.provider), self.0.built)
    }
}

struct Topic<'a>(&'a str);

impl fmt::Display for Topic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            "*" => f.write_str("every topic"),
            topic => write!(f, "`{}`", Brief(topic)),
        }
    }
}
