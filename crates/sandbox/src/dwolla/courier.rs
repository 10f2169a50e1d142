//! When Dwolla sends, how often it tries, and when it gives up on a subscription.

use std::time::{Duration, SystemTime};

use super::{Dwolla, new_id, state::Attempt};
use crate::{
    Provider,
    clock::time_after,
    deliver::{Courier, Exchange, Job, Outgoing, Turn},
};

const HOUR: Duration = Duration::from_secs(3600);

/// After the event, not after the attempt before.
const RETRIES: [Duration; 8] = [
    Duration::from_secs(15 * 60),
    HOUR,
    Duration::from_secs(3 * 3600),
    Duration::from_secs(6 * 3600),
    Duration::from_secs(12 * 3600),
    Duration::from_secs(24 * 3600),
    Duration::from_secs(48 * 3600),
    Duration::from_secs(72 * 3600),
];

/// A retry comes no sooner after the attempt before, however old the event is.
const STEP: Duration = Duration::from_secs(15 * 60);

/// How many failures pause a subscription that has had no success for a day.
const FAILURES: u32 = 400;
const WITHOUT_SUCCESS: Duration = Duration::from_secs(24 * 3600);

impl Courier for Dwolla {
    fn provider(&self) -> Provider {
        Provider::Dwolla
    }

    fn at_once(&self) -> usize {
        10
    }

    /// Dwolla has recorded none since 2019.
    fn keeps_bodies(&self) -> bool {
        false
    }

    fn request(&self, job: &Job) -> Option<Outgoing> {
        let state = self.state.lock();
        let subscription = state.subscriptions.get(&job.endpoint)?;
        if subscription.paused || subscription.generation != job.generation {
            return None;
        }
        let webhook = state.webhooks.get(&job.delivery)?;
        Some(Outgoing {
            url: subscription.url.clone(),
            headers: webhook.headers.clone(),
            body: webhook.body.clone(),
            event: webhook.event.clone(),
            topic: webhook.topic.clone(),
        })
    }

    fn settle(&self, job: &Job, exchange: &Exchange) -> Option<SystemTime> {
        let now = self.clock().now();
        let mut state = self.state.lock();
        let happened = state.webhooks.change(&job.delivery, |webhook| {
            webhook.attempts.push(Attempt {
                id: new_id(),
                url: exchange.sent.url.clone(),
                sent_at: exchange.sent_at,
                took: exchange.took,
                status: exchange.status(),
            });
            webhook.happened
        })?;
        let is_paused = state.subscriptions.change(&job.endpoint, |subscription| {
            if exchange.is_success() {
                subscription.failures = 0;
                subscription.last_success = now;
                return subscription.paused;
            }
            subscription.failures += 1;
            let since = now.duration_since(subscription.last_success).unwrap_or_default();
            if subscription.failures >= FAILURES && since >= WITHOUT_SUCCESS {
                subscription.set_paused(true, now);
            }
            subscription.paused
        })?;
        if exchange.is_success() {
            return None;
        }
        // Dwolla retries errors of the connection and every status from 400 on, but no redirect.
        let is_retried = exchange.status().is_none_or(|status| status >= 400);
        let Turn::Scheduled(turn) = job.turn else { return None };
        let after = RETRIES.get(turn).filter(|_| is_retried && !is_paused)?;
        Some(time_after(happened, *after).max(time_after(exchange.sent_at, STEP)))
    }

    /// The webhook stays as it is: without attempts, if there were none.
    fn lost(&self, _: &Job) {}
}
