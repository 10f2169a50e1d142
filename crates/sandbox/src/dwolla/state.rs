//! Dwolla's state.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{event::Event, new_id, oldest, simulate::Pending};
use crate::{
    Error,
    clock::earlier,
    keep::{self, Kept},
    secret::Secret,
    shelf::{Shelf, Shelved},
    time::exact,
};

#[derive(Debug)]
pub(super) struct State {
    pub(super) tokens: Shelf<Token>,
    pub(super) subscriptions: Shelf<Subscription>,
    pub(super) webhooks: Shelf<Webhook>,
    pub(super) events: Shelf<Event>,
    pub(super) pending: Shelf<Pending>,
    pub(super) replies: Replies,
}

/// An access token. Its id is its text.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Token {
    /// In the world's time.
    #[serde(with = "exact")]
    pub(super) issued: SystemTime,
}

impl Shelved for Token {
    const KIND: &'static str = "dwolla.token";
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Subscription {
    pub(super) id: String,
    pub(super) url: String,
    pub(super) secret: Secret,
    pub(super) paused: bool,
    #[serde(with = "exact")]
    pub(super) created: SystemTime,
    /// A pause begins a new one, and what was planned in the old one is not sent.
    pub(super) generation: u64,
    /// Without a success between them.
    pub(super) failures: u32,
    /// Or since it was created or unpaused.
    #[serde(with = "exact")]
    pub(super) last_success: SystemTime,
}

impl Shelved for Subscription {
    const KIND: &'static str = "dwolla.subscription";
}

impl Subscription {
    pub(super) fn set_paused(&mut self, paused: bool, now: SystemTime) {
        if paused && !self.paused {
            self.generation += 1;
        }
        if !paused && self.paused {
            self.failures = 0;
            self.last_success = now;
        }
        self.paused = paused;
    }
}

/// The delivery of an event to a subscription.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Webhook {
    pub(super) id: String,
    pub(super) subscription: String,
    pub(super) event: String,
    pub(super) topic: String,
    pub(super) resource: String,
    /// The time that retries are counted from.
    #[serde(with = "exact")]
    pub(super) happened: SystemTime,
    /// Body and headers are made once, and are the same in every attempt.
    #[serde(with = "keep::bytes")]
    pub(super) body: Bytes,
    pub(super) headers: Vec<(String, String)>,
    pub(super) attempts: Vec<Attempt>,
    pub(super) retries: Vec<Retry>,
}

impl Shelved for Webhook {
    const KIND: &'static str = "dwolla.webhook";

    fn list(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.subscription)
    }
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Attempt {
    pub(super) id: String,
    pub(super) url: String,
    #[serde(with = "exact")]
    pub(super) sent_at: SystemTime,
    pub(super) took: Duration,
    /// The response's; absent if there was none.
    pub(super) status: Option<u16>,
}

/// A retry that was asked for.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Retry {
    pub(super) id: String,
    #[serde(with = "exact")]
    pub(super) asked: SystemTime,
}

/// A webhook that is to be sent.
#[derive(Debug)]
pub(super) struct ToSend {
    pub(super) id: String,
    pub(super) subscription: String,
    pub(super) generation: u64,
}

impl State {
    pub(super) fn of(kept: &mut Kept) -> Result<Self, Error> {
        Ok(Self {
            tokens: Shelf::of(kept)?,
            subscriptions: Shelf::of(kept)?,
            webhooks: Shelf::of(kept)?,
            events: Shelf::of(kept)?,
            pending: Shelf::of(kept)?,
            replies: Replies(Shelf::of(kept)?),
        })
    }

    pub(super) fn drop_old(&mut self, now: SystemTime) {
        self.webhooks.drop_before(oldest(now));
        self.events.drop_before(oldest(now));
    }

    /// Records an event with a webhook for each subscription, and tells which are to be sent.
    pub(super) fn record(&mut self, event: Event, now: SystemTime) -> Vec<ToSend> {
        let mut to_send = Vec::new();
        for subscription in self.subscriptions.oldest_first() {
            let id = new_id();
            if !subscription.paused {
                to_send.push(ToSend {
                    id: id.clone(),
                    subscription: subscription.id.clone(),
                    generation: subscription.generation,
                });
            }
            let webhook = Webhook {
                id: id.clone(),
                subscription: subscription.id.clone(),
                event: event.id.clone(),
                topic: event.topic.clone(),
                resource: event.resource.clone(),
                happened: event.happened,
                body: event.delivered.clone(),
                headers: event.headers(subscription.secret.key()),
                attempts: Vec::new(),
                retries: Vec::new(),
            };
            self.webhooks.insert(&id, now, webhook);
        }
        if let Some(pending) = Pending::of(&event) {
            self.pending.insert(&event.id, now, pending);
        }
        let id = event.id.clone();
        self.events.insert(&id, now, event);
        to_send
    }
}

/// Key, path and body of a request.
type Request = (String, Vec<String>, Bytes);

/// The resources that were created under idempotency keys.
#[derive(Debug)]
pub(super) struct Replies(Shelf<Reply>);

#[derive(Debug, Deserialize, Serialize)]
struct Reply {
    location: String,
}

impl Shelved for Reply {
    const KIND: &'static str = "dwolla.reply";
}

impl Replies {
    pub(super) fn location(&mut self, request: &Request, now: SystemTime) -> Option<String> {
        // A day later it is new.
        self.0.drop_before(earlier(now, Duration::from_secs(24 * 3600 - 1)));
        self.0.get(&name(request)).map(|reply| reply.location.clone())
    }

    pub(super) fn remember(&mut self, request: &Request, location: String, now: SystemTime) {
        self.0.insert(&name(request), now, Reply { location });
    }
}

/// All of a request in one text. What created something had a body in UTF-8.
fn name((key, path, body): &Request) -> String {
    format!("{key}\n{}\n{}", path.join("/"), String::from_utf8_lossy(body))
}
