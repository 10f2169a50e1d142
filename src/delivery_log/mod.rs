//! A queryable log of deliveries and their outcomes: one entry for each delivery, for the operator
//! who asks later.
//!
//! The lines of the [log](crate::layer#logs) say the same to whoever reads them as they come. A
//! delivery log keeps them as data: which deliveries were refused in the last hour, and why; what
//! became of this event. Give a layer one with
//! [`delivery_log`](crate::layer::WebhookLayerBuilder::delivery_log): [`MemoryLog`] keeps the
//! newest in memory; `tower-webhook-sqlx` has tables in SQLite and Postgres.
//!
//! A delivery that is responded to before its handler ends has two entries: what the provider got,
//! and how the event ended.
//!
//! ```
//! # #[cfg(feature = "memory")] {
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use tower::ServiceExt as _;
//! use tower_webhook::{
//!     MemoryStore, TopicRouter, WebhookLayer,
//!     delivery_log::{DeliveryLogReader as _, DeliveryLogFilter, MemoryLog},
//!     dwolla::Dwolla,
//! };
//!
//! let log = MemoryLog::new(1000);
//! let service = WebhookLayer::builder(Dwolla::new("sshhhhhh").unwrap(), MemoryStore::new())
//!     .delivery_log(log.clone())
//!     .build()
//!     .unwrap()
//!     .topics(TopicRouter::new());
//!
//! let unsigned = http::Request::post("/")
//!     .body(http_body_util::Empty::<bytes::Bytes>::new())
//!     .unwrap();
//! let _ = service.oneshot(unsigned).await;
//!
//! let refused = log.list(&DeliveryLogFilter::new().failed(), None, 10).await.unwrap();
//! assert_eq!(refused[0].entry.outcome, "signature");
//! assert_eq!(refused[0].entry.status, Some(401));
//! # });
//! # }
//! ```
//!
//! # What it costs
//! Nothing where there is none. An entry is made when the response is decided, and handed to
//! [`DeliveryLog::record`], which must not wait: a log that writes elsewhere queues it, and drops
//! it where its queue is full. A log that panics is ignored.
//!
//! # What it holds
//! Never a secret, a signature, a header or a body. Texts are cut: ids and topics at
//! [`DeliveryLogEntry::MAX_NAME`] bytes, reasons at [`DeliveryLogEntry::MAX_REASON`]. The rate of
//! entries that strangers cause is limited: of requests that were refused before their signature
//! was verified, a layer records 60 a minute
//! ([`log_unauthenticated`](crate::layer::WebhookLayerBuilder::log_unauthenticated)); the next
//! entry says how many were left out.
//!
//! To look at a refused request as a whole, switch on [`Captures`] for a while.

#[cfg(feature = "service")]
mod captures;
mod entry;
mod filter;
mod memory;
#[cfg(feature = "service")]
mod recorder;

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::SystemTime};

#[cfg(feature = "service")]
pub use captures::{Captured, Captures};
pub use entry::{DeliveryLogEntry, Numbered};
pub use filter::DeliveryLogFilter;
pub use memory::MemoryLog;
#[cfg(feature = "service")]
pub(crate) use recorder::Recorder;

use crate::store::StoreError;

/// A place where a layer's deliveries are recorded.
///
/// ```
/// use std::sync::mpsc::SyncSender;
/// use tower_webhook::delivery_log::{DeliveryLog, DeliveryLogEntry};
///
/// /// Entries go to a thread that sends them on.
/// struct Forwarded(SyncSender<DeliveryLogEntry>);
///
/// impl DeliveryLog for Forwarded {
///     fn record(&self, entry: DeliveryLogEntry) {
///         let _ = self.0.try_send(entry); // the queue is full: the entry is lost, nothing waits
///     }
/// }
/// ```
pub trait DeliveryLog: Send + Sync + 'static {
    /// A delivery has ended. It is called between the decision and the response, so it must
    /// neither wait nor block.
    fn record(&self, entry: DeliveryLogEntry);
}

impl<L: DeliveryLog + ?Sized> DeliveryLog for Arc<L> {
    fn record(&self, entry: DeliveryLogEntry) {
        L::record(self, entry);
    }
}

/// The future of a [`DeliveryLogReader`].
pub type Reading<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A delivery log that can be asked.
///
/// Its operations only read: dropping one has no effect.
pub trait DeliveryLogReader: fmt::Debug + Send + Sync + 'static {
    /// The newest entries that a filter lets through, the newest first; older than the entry
    /// `before`, where one is given.
    ///
    /// # Errors
    /// The log's store did not respond.
    fn list<'a>(
        &'a self,
        filter: &'a DeliveryLogFilter,
        before: Option<u64>,
        limit: usize,
    ) -> Reading<'a, Vec<Numbered>>;

    /// Counts the entries that pass a filter by their outcome, for each minute that has any, the
    /// oldest first. Give the filter a [`since`](DeliveryLogFilter::since): without one, the whole
    /// log is counted.
    ///
    /// # Errors
    /// The log's store did not respond.
    fn per_minute<'a>(&'a self, filter: &'a DeliveryLogFilter) -> Reading<'a, Vec<PerMinute>>;
}

impl<R: DeliveryLogReader + ?Sized> DeliveryLogReader for Arc<R> {
    fn list<'a>(
        &'a self,
        filter: &'a DeliveryLogFilter,
        before: Option<u64>,
        limit: usize,
    ) -> Reading<'a, Vec<Numbered>> {
        R::list(self, filter, before, limit)
    }

    fn per_minute<'a>(&'a self, filter: &'a DeliveryLogFilter) -> Reading<'a, Vec<PerMinute>> {
        R::per_minute(self, filter)
    }
}

/// How many deliveries ended one way within one minute.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PerMinute {
    /// When the minute began.
    pub minute: SystemTime,
    /// How they ended, as in [`DeliveryLogEntry::outcome`].
    pub outcome: String,
    /// How many they were.
    pub count: u64,
}

impl PerMinute {
    /// How many deliveries ended like this in the minute that began then.
    #[must_use]
    pub fn new(minute: SystemTime, outcome: impl Into<String>, count: u64) -> Self {
        Self {
            minute,
            outcome: outcome.into(),
            count,
        }
    }
}
