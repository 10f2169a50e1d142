//! The items of a source that a remedy is for.

use std::time::{Duration, SystemTime};

use tower_webhook_reconcile::{
    Error, Pages,
    reconciler::{Content, Item, Source, Window},
};

/// A source without what the provider has recorded as delivered, unless that is asked for.
pub(super) struct Undelivered<S> {
    pub(super) source: S,
    pub(super) also_delivered: bool,
}

impl<S: Source> Source for Undelivered<S> {
    type Event = S::Event;

    fn name(&self) -> String {
        self.source.name()
    }

    fn retention(&self) -> Duration {
        self.source.retention()
    }

    fn overlap(&self) -> Duration {
        self.source.overlap()
    }

    fn provider_time(&self) -> Option<SystemTime> {
        self.source.provider_time()
    }

    fn list(&self, window: Window) -> Pages<Item<S::Event>> {
        let also_delivered = self.also_delivered;
        Pages::fetched(self.source.list(window), move |mut listed| async move {
            let Some(item) = listed.next().await.transpose()? else {
                return Ok((Vec::new(), None));
            };
            let wanted = Some(item).filter(|item| also_delivered || !item.is_delivered());
            Ok((wanted.into_iter().collect(), Some(listed)))
        })
    }

    async fn fetch(&self, item: &Item<S::Event>) -> Result<Content<S::Event>, Error> {
        self.source.fetch(item).await
    }

    async fn redeliver(&self, item: &Item<S::Event>) -> Result<(), Error> {
        self.source.redeliver(item).await
    }
}
