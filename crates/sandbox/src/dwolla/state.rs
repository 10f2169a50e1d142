//! What Dwolla remembers.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use tower_webhook::signature::Secrets;

use super::{event::Event, new_id, oldest, simulate::Pending};
use crate::{clock::earlier, shelf::Shelf};

#[derive(Debug, Default)]
pub(super) struct State {
    /// When each was issued.
    pub(super) tokens: HashMap<String, Instant>,
    pub(super) subscriptions: Vec<Subscription>,
    pub(super) webhooks: Shelf<Webhook>,
    pub(super) events: Shelf<Event>,
    pub(super) pending: VecDeque<Pending>,
    pub(super) replies: Replies,
}

#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) id: String,
    pub(super) url: String,
    pub(super) secrets: Secrets,
    pub(super) paused: bool,
    pub(super) created: SystemTime,
    /// A pause begins a new one, and what was planned in the old one is not sent.
    pub(super) generation: u64,
    /// Without a success between them.
    pub(super) failures: u32,
    /// Or since it was created or unpaused.
    pub(super) last_success: SystemTime,
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
#[derive(Debug)]
pub(super) struct Webhook {
    pub(super) id: String,
    pub(super) subscription: String,
    pub(super) event: String,
    pub(super) topic: String,
    pub(super) resource: String,
    /// What retries are counted from.
    pub(super) happened: SystemTime,
    pub(super) created: SystemTime,
    /// Body and headers are made once, and are the same in every attempt.
    pub(super) body: Bytes,
    pub(super) headers: Vec<(String, String)>,
    pub(super) attempts: Vec<Attempt>,
    pub(super) retries: Vec<Retry>,
}

#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) id: String,
    pub(super) url: String,
    pub(super) sent_at: SystemTime,
    pub(super) took: Duration,
    /// The response's; absent if there was none.
    pub(super) status: Option<u16>,
}

/// A retry that was asked for.
#[derive(Debug)]
pub(super) struct Retry {
    pub(super) id: String,
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
    pub(super) fn drop_old(&mut self, now: SystemTime) {
        self.webhooks.drop_before(oldest(now));
        self.events.drop_before(oldest(now));
    }

    /// Records an event with a webhook for each subscription, and tells which are to be sent.
    pub(super) fn record(&mut self, event: Event, now: SystemTime) -> Vec<ToSend> {
        let mut to_send = Vec::new();
        for subscription in &self.subscriptions {
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
                created: now,
                body: event.delivered.clone(),
                headers: event.headers(&subscription.secrets),
                attempts: Vec::new(),
                retries: Vec::new(),
            };
            self.webhooks.insert(&id, now, webhook);
        }
        self.pending.extend(Pending::of(&event));
        let id = event.id.clone();
        self.events.insert(&id, now, event);
        to_send
    }

    pub(super) fn subscription(&self, id: &str) -> Option<&Subscription> {
        self.subscriptions.iter().find(|subscription| subscription.id == id)
    }

    pub(super) fn subscription_mut(&mut self, id: &str) -> Option<&mut Subscription> {
        self.subscriptions.iter_mut().find(|subscription| subscription.id == id)
    }
}

/// Key, path and body of a request.
type Request = (String, Vec<String>, Bytes);

/// What was created under which idempotency key.
#[derive(Debug, Default)]
pub(super) struct Replies(HashMap<Request, (String, SystemTime)>);

impl Replies {
    pub(super) fn location(&mut self, request: &Request, now: SystemTime) -> Option<String> {
        let oldest = earlier(now, Duration::from_secs(24 * 3600));
        self.0.retain(|_, (_, at)| *at > oldest);
        self.0.get(request).map(|(location, _)| location.clone())
    }

    pub(super) fn remember(&mut self, request: Request, location: String, now: SystemTime) {
        self.0.insert(request, (location, now));
    }
}
