//! Which webhooks and events to list.

use std::time::{Duration, SystemTime};

use url::Url;

use super::{DwollaApi, Event, Webhook};
use crate::{Error, Pages, time::date_of};

/// The most entries of a page that Dwolla documents, for Connect and for "many collections".
pub(super) const LIMIT: u32 = 200;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The webhooks of a subscription, and which of them to list.
#[derive(Clone, Debug)]
#[must_use]
pub struct Webhooks {
    pub(super) api: DwollaApi,
    pub(super) subscription: String,
    pub(super) limit: u32,
    pub(super) start_date: Option<String>,
    pub(super) end_date: Option<String>,
    pub(super) resource_id: Option<String>,
}

impl Webhooks {
    /// How many entries a page has. Default: 200.
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }

    /// Only what was created after this day, `YYYY-MM-DD`, as Dwolla understands it.
    pub fn start_date(mut self, day: impl Into<String>) -> Self {
        self.start_date = Some(day.into());
        self
    }

    /// Only what was created before this day, `YYYY-MM-DD`, as Dwolla understands it.
    pub fn end_date(mut self, day: impl Into<String>) -> Self {
        self.end_date = Some(day.into());
        self
    }

    /// Only what was created between these times, and what was created up to two days before or
    /// after: Dwolla filters by days and documents neither their time zone nor whether the days
    /// themselves are included.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use tower_webhook_reconcile::dwolla::{self, DwollaApi};
    ///
    /// # let api = DwollaApi::new(dwolla::SANDBOX, "client id", "client secret")?;
    /// let (now, week) = (SystemTime::now(), Duration::from_secs(7 * 24 * 3600));
    /// let webhooks = api.webhooks("a0943041").window(now - week, now);
    /// # Ok::<(), tower_webhook_reconcile::Error>(())
    /// ```
    pub fn window(mut self, from: SystemTime, until: SystemTime) -> Self {
        // Out of range means no bound: more is listed, never less.
        self.start_date = from.checked_sub(DAY).and_then(date_of);
        self.end_date = until.checked_add(DAY).and_then(date_of);
        self
    }

    /// Only what is about this resource: a transfer's id, say.
    pub fn resource_id(mut self, id: impl Into<String>) -> Self {
        self.resource_id = Some(id.into());
        self
    }

    /// The webhooks, page after page.
    pub fn list(&self) -> Pages<Webhook> {
        self.api.list(self.url(), "webhooks", |webhook: &Webhook| &webhook.id)
    }

    fn url(&self) -> Result<Url, Error> {
        let base = self.api.0.base();
        let mut url = base.at(&["webhook-subscriptions", &self.subscription, "webhooks"])?;
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("limit", &self.limit.to_string());
            let filters = [
                ("startDate", &self.start_date),
                ("endDate", &self.end_date),
                ("resourceId", &self.resource_id),
            ];
            for (name, value) in filters {
                if let Some(value) = value {
                    query.append_pair(name, value);
                }
            }
        }
        Ok(url)
    }
}

/// The application's events.
#[derive(Clone, Debug)]
#[must_use]
pub struct Events {
    pub(super) api: DwollaApi,
    pub(super) limit: u32,
}

impl Events {
    /// How many entries a page has. Default: 200.
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }

    /// The events, page after page, newest first. New events shift the pages while they are read;
    /// an event that comes twice is left out the second time.
    pub fn list(&self) -> Pages<Event> {
        let url = self.api.0.base().at(&["events"]).map(|mut url| {
            url.query_pairs_mut().append_pair("limit", &self.limit.to_string());
            url
        });
        self.api.list(url, "events", |event: &Event| &event.id)
    }
}
