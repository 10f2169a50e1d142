//! Events, for the reconciler.

use std::time::{Duration, SystemTime};

use tower_webhook::{event::EventId, stripe};

use super::{Event, Events};
use crate::{
    Pages,
    reconciler::{Content, Item, Source, Window},
};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The events. Times that were set are replaced by a run's window; types and
/// [`delivery_success`](Events::delivery_success) stay. With `delivery_success(false)` a run lists
/// only what an endpoint has not taken, which is less, but misses what happened while an endpoint
/// was disabled or deleted.
///
/// The list has the whole events, so a run makes no other request. Stripe cannot be asked to send
/// an event again.
impl Source for Events {
    type Event = stripe::Event;

    /// `stripe`, and the connected account if there is one: `stripe/acct_1`.
    fn name(&self) -> String {
        match self.api.account_id() {
            Some(account) => format!("stripe/{account}"),
            None => "stripe".to_owned(),
        }
    }

    /// 30 days.
    fn retention(&self) -> Duration {
        DAY * 30
    }

    /// 4 days: Stripe retries for 3.
    fn overlap(&self) -> Duration {
        DAY * 4
    }

    /// The `Date` of its last response.
    fn provider_time(&self) -> Option<SystemTime> {
        self.api.provider_time()
    }

    fn list(&self, window: Window) -> Pages<Item<stripe::Event>> {
        let mut listed = self.clone().created_from(window.from);
        // The newest are welcome, too.
        listed.created_until = None;
        Events::list(&listed).map_while(|event| Some(item(event)))
    }
}

fn item(event: Event) -> Item<stripe::Event> {
    let time = event.created.as_ref().and_then(|created| created.to_system_time());
    let mut item = Item::new(&*event.id);
    if let Some(time) = time {
        item = item.time(time);
    }
    if let Some(topic) = event.topic {
        item = item.topic(topic);
    }
    let json = event.json;
    let read = move || {
        Some(match stripe::Event::from_json(&json) {
            Ok(event) => Content::event(event, json),
            Err(error) => Content::not_fetchable(format!("the API's event cannot be read: {error}")),
        })
    };
    match EventId::new(&event.id) {
        Ok(id) => item.event_id(id).content(Content::lazy(read)),
        Err(error) => item.content(Content::not_fetchable(error.to_string())),
    }
}
