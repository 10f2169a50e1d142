use std::{
    future::Future,
    time::{Duration, SystemTime},
};

use tower_webhook::event::Event;

use super::{Content, Item, Window};
use crate::{Error, ErrorKind, Pages};

/// A provider's records: a list of items, and each by itself. The [module](super) says how to
/// write one.
///
/// # Cancel safety
/// The reconciler may drop every future of a source, and the list.
pub trait Source: Send + Sync + 'static {
    /// The event, as the receiver reads it.
    type Event: Event;

    /// A name for this stream of events, for the lease, the log and the metrics:
    /// `dwolla/a0943041`, say. Two sources of one name never run at the same time over one store
    /// and namespace. It holds no secret.
    fn name(&self) -> String;

    /// For how long the provider's API keeps what it recorded: how far the first run looks back.
    fn retention(&self) -> Duration;

    /// By how much the window of a run overlaps the one before: longer than the provider goes on
    /// sending an event by itself, or its API is behind.
    fn overlap(&self) -> Duration;

    /// The provider's time, by its last response: its clock may be another than this machine's. By
    /// default it is not known.
    fn provider_time(&self) -> Option<SystemTime> {
        None
    }

    /// Lists the items that were recorded in a window, in any order. Listing more is allowed,
    /// listing less is not; an item may come twice.
    ///
    /// An error ends the list, and the run; its window is read again by the next one.
    fn list(&self, window: Window) -> Pages<Item<Self::Event>>;

    /// Fetches the part of an item that is to be handed in. It is called for an item that the store
    /// does not know and whose list had no [`content`](Item::content), or a recorded request that
    /// the receiver refused to read or whose signature does not match.
    ///
    /// By default nothing can be fetched.
    ///
    /// # Errors
    /// The provider's API did not say. [`ErrorKind::NotFound`] counts as not fetchable, any other
    /// error as a failure of this item: the next run tries again.
    fn fetch(&self, item: &Item<Self::Event>) -> impl Future<Output = Result<Content<Self::Event>, Error>> + Send {
        let _ = item;
        async { Ok(Content::not_fetchable("the source has nothing else to hand in")) }
    }

    /// Asks the provider to send an item again, for
    /// [`redeliver`](super::Reconciler::redeliver). By default it cannot be asked.
    ///
    /// # Errors
    /// The provider refused, or cannot be asked.
    fn redeliver(&self, item: &Item<Self::Event>) -> impl Future<Output = Result<(), Error>> + Send {
        let _ = item;
        async {
            Err(Error::new(
                ErrorKind::Config,
                "the provider's API cannot be asked to send again; expected a source that implements `redeliver`: \
                 hand the events in instead",
            ))
        }
    }
}
