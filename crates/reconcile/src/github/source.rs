//! A hook's deliveries, for the reconciler.

use std::{
    collections::HashSet,
    hash::{BuildHasher as _, RandomState},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, header::CONTENT_TYPE};
use tower_webhook::github;

use super::{Deliveries, Delivery};
use crate::{
    Error, Pages,
    reconciler::{Content, Item, Source, Window},
};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The deliveries of a hook.
///
/// An event's id is made of its payload too, which the list does not tell. So the store cannot be
/// asked about a delivery before it is fetched, which is one request. What GitHub recorded as
/// delivered is believed, and not fetched; an attempt that failed is believed to be delivered if a
/// redelivery of it was. If something in front of the receiver responds 2xx for it, a proxy with a
/// page for maintenance say, that is wrong: [`recheck_delivered`](Deliveries::recheck_delivered).
///
/// The API tells the payload as JSON. If the hook sends forms, the form is made again. If the
/// bytes differ from those that were sent, the signature does not match, and the delivery is not
/// fetchable: ask GitHub to send it again
/// ([`redeliver`](crate::Reconciler::redeliver)).
impl Source for Deliveries {
    type Event = github::Event;

    /// `github/` and the hook: `github/repos/octocat/hello-world/hooks/42`.
    fn name(&self) -> String {
        format!("github/{}", self.hook.segments().join("/"))
    }

    /// 3 days.
    fn retention(&self) -> Duration {
        DAY * 3
    }

    /// 1 day: GitHub sends once.
    fn overlap(&self) -> Duration {
        DAY
    }

    /// The `Date` of its last response.
    fn provider_time(&self) -> Option<SystemTime> {
        self.api.provider_time()
    }

    fn list(&self, window: Window) -> Pages<Item<github::Event>> {
        let rechecks = self.rechecks;
        let mut redelivered = Redelivered::default();
        // Newest first.
        Deliveries::list(self).map_while(move |delivery| {
            let time = sent_at(&delivery);
            if time.is_some_and(|time| time < window.from) {
                return None;
            }
            let is_delivered = redelivered.covers(&delivery);
            let item = item(delivery, time);
            Some(if is_delivered && !rechecks {
                item.delivered()
            } else {
                item
            })
        })
    }

    async fn fetch(&self, item: &Item<github::Event>) -> Result<Content<github::Event>, Error> {
        let detail = self.get(item.id()).await?;
        let headers = detail.headers.to_header_map();
        let Some(body) = detail.body.filter(|_| !headers.is_empty()) else {
            return Ok(Content::not_fetchable("GitHub has not kept the delivery's request"));
        };
        let body = as_sent(&headers, body);
        Ok(Content::request(headers, body))
    }

    async fn redeliver(&self, item: &Item<github::Event>) -> Result<(), Error> {
        Deliveries::redeliver(self, item.id()).await
    }
}

/// Deliveries whose redelivery, listed so far, was a success: attempts before it are listed after
/// it. Eight bytes for each.
#[derive(Default)]
struct Redelivered {
    guids: HashSet<u64>,
    hasher: RandomState,
}

impl Redelivered {
    /// Whether a delivery, or a redelivery of it, was a success.
    fn covers(&mut self, delivery: &Delivery) -> bool {
        let guid = delivery.guid.as_ref().map(|guid| self.hasher.hash_one(guid));
        if delivery.is_success() {
            // Only a redelivery has attempts before it.
            self.guids.extend(guid.filter(|_| delivery.redelivery));
            return true;
        }
        guid.is_some_and(|guid| self.guids.contains(&guid))
    }
}

fn item(delivery: Delivery, time: Option<SystemTime>) -> Item<github::Event> {
    let mut item = Item::new(delivery.id);
    if let Some(time) = time {
        item = item.time(time);
    }
    let Some(event) = delivery.event else { return item };
    if let Some(guid) = delivery.guid {
        item = item.group(format!("{guid}/{event}"));
    }
    match delivery.action {
        Some(action) => item.topic(format!("{event}.{action}")),
        None => item.topic(event),
    }
}

fn sent_at(delivery: &Delivery) -> Option<SystemTime> {
    delivery.delivered_at.as_ref()?.to_system_time()
}

/// The body as a hook sends it whose content type is a form.
fn as_sent(headers: &HeaderMap, body: Bytes) -> Bytes {
    let is_form = headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
    if !is_form {
        return body;
    }
    let mut form = b"payload=".to_vec();
    form.extend(url::form_urlencoded::byte_serialize(&body).flat_map(str::bytes));
    form.into()
}
