//! A subscription's webhooks, for the reconciler.

use std::time::{Duration, SystemTime};

use tower_webhook::{dwolla, event::EventId};

use super::{Attempt, Webhook, Webhooks};
use crate::{
    Error, Pages, RecordedHeaders,
    reconciler::{Content, Item, Source, Window},
};

const DAY: Duration = Duration::from_secs(24 * 3600);

const SIGNATURE: &str = "x-request-signature-sha-256";

/// The webhooks of a subscription. Days that were set are replaced by those of a run's window; a
/// resource that was set stays.
///
/// An attempt's request is handed in where Dwolla recorded one with a signature: it costs no other
/// request, and the handler gets the bytes that were delivered. Otherwise, or if the signature does
/// not match, the event is fetched.
impl Source for Webhooks {
    type Event = dwolla::Event;

    /// `dwolla/` and the subscription's id.
    fn name(&self) -> String {
        format!("dwolla/{}", self.subscription)
    }

    /// 30 days.
    fn retention(&self) -> Duration {
        DAY * 30
    }

    /// 4 days: Dwolla retries for 3.
    fn overlap(&self) -> Duration {
        DAY * 4
    }

    /// The `Date` of its last response.
    fn provider_time(&self) -> Option<SystemTime> {
        self.api.provider_time()
    }

    fn list(&self, window: Window) -> Pages<Item<dwolla::Event>> {
        let listed = self.clone().window(window.from, window.until);
        Webhooks::list(&listed).map_while(|webhook| Some(item(webhook)))
    }

    async fn fetch(&self, item: &Item<dwolla::Event>) -> Result<Content<dwolla::Event>, Error> {
        let Some(id) = item.known_event_id() else {
            return Ok(Content::not_fetchable("the webhook names no event"));
        };
        let fetched = self.api.event(id.as_str()).await?;
        Ok(match dwolla::Event::from_json(&fetched.json) {
            Ok(event) if event.id() == id => Content::event(event, fetched.json),
            Ok(_) => Content::not_fetchable("the API returned another event"),
            Err(error) => Content::not_fetchable(format!("the API's event cannot be read: {error}")),
        })
    }

    async fn redeliver(&self, item: &Item<dwolla::Event>) -> Result<(), Error> {
        self.api.retry(item.id()).await.map(drop)
    }
}

fn item(webhook: Webhook) -> Item<dwolla::Event> {
    let is_delivered = webhook.is_delivered();
    let mut item = Item::new(webhook.id);
    if let Some(topic) = webhook.topic {
        item = item.topic(topic);
    }
    if let Some(time) = webhook.attempts.iter().filter_map(sent_at).min() {
        item = item.time(time);
    }
    let Some(id) = webhook.event_id else {
        return item.content(Content::not_fetchable("the webhook names no event"));
    };
    match EventId::new(&id) {
        Ok(id) => {
            if is_delivered {
                item = item.delivered();
            }
            let attempts = webhook.attempts;
            item.event_id(id.clone())
                .content(Content::lazy(move || recorded(attempts, &id)))
        }
        Err(error) => item.content(Content::not_fetchable(error.to_string())),
    }
}

fn sent_at(attempt: &Attempt) -> Option<SystemTime> {
    attempt.request.as_ref()?.timestamp.as_ref()?.to_system_time()
}

/// The request of an attempt, if it is of this event and has a signature.
fn recorded(attempts: Vec<Attempt>, id: &EventId) -> Option<Content<dwolla::Event>> {
    let requests = attempts.into_iter().filter_map(|attempt| attempt.request);
    for request in requests {
        let Some(body) = request.body.filter(|_| is_signed(&request.headers)) else {
            continue;
        };
        if dwolla::Event::from_json(body.as_bytes()).is_ok_and(|event| event.id() == id) {
            return Some(Content::request(request.headers.to_header_map(), body));
        }
    }
    None
}

fn is_signed(headers: &RecordedHeaders) -> bool {
    headers.get(SIGNATURE).is_some_and(|value| !value.is_empty())
}
