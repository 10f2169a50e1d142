use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Tells whether two values are one store: whether an event that is recorded through one of them is
/// a duplicate for the other.
///
/// The layer compares the identities of its store and of other layers' stores when it is built, and
/// warns where two endpoints share what they should not; see
/// [`namespace`](crate::layer::WebhookLayerBuilder::namespace).
///
/// ```
/// use tower_webhook::store::StoreIdentity;
///
/// let store = StoreIdentity::at(
///     "PostgresStore",
///     "db.internal:5432/app, table public.webhook_events",
/// );
/// assert_eq!(
///     store,
///     StoreIdentity::at(
///         "PostgresStore",
///         "db.internal:5432/app, table public.webhook_events"
///     )
/// );
/// assert_eq!(
///     store.to_string(),
///     "PostgresStore at db.internal:5432/app, table public.webhook_events"
/// );
///
/// // what lives in this process is one store with its clones alone
/// assert_ne!(
///     StoreIdentity::in_process("MemoryStore"),
///     StoreIdentity::in_process("MemoryStore")
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoreIdentity {
    kind: &'static str,
    place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Place {
    At(Arc<str>),
    InProcess(u64),
}

impl StoreIdentity {
    /// A store outside the process, or in a file: the same for everyone who names this kind and
    /// this address.
    ///
    /// # Security
    /// The address is logged: leave user and password out of it.
    #[must_use]
    pub fn at(kind: &'static str, address: impl Into<Arc<str>>) -> Self {
        Self {
            kind,
            place: Place::At(address.into()),
        }
    }

    /// A store in this process: equal to its own clones, and to no other identity. Make it once for
    /// each store, and let the store's clones keep it.
    #[must_use]
    pub fn in_process(kind: &'static str) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        Self {
            kind,
            place: Place::InProcess(COUNT.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

/// The kind of store, and its address if it has one.
impl fmt::Display for StoreIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::At(address) => write!(f, "{} at {address}", self.kind),
            Place::InProcess(_) => f.write_str(self.kind),
        }
    }
}
