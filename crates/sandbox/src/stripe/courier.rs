//! When it sends, and how often.

use std::time::{Duration, SystemTime};

use super::{Stripe, event::Delivery};
use crate::{
    Provider,
    clock::time_after,
    deliver::{Courier, Exchange, Job, Outgoing, Turn},
};

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;

/// After the attempt before. Stripe publishes "up to three days with an exponential back off".
const RETRIES: [Duration; 9] = [
    Duration::from_secs(5 * MINUTE),
    Duration::from_secs(30 * MINUTE),
    Duration::from_secs(2 * HOUR),
    Duration::from_secs(5 * HOUR),
    Duration::from_secs(10 * HOUR),
    Duration::from_secs(12 * HOUR),
    Duration::from_secs(12 * HOUR),
    Duration::from_secs(12 * HOUR),
    Duration::from_secs(12 * HOUR),
];

impl Courier for Stripe {
    fn provider(&self) -> Provider {
        Provider::Stripe
    }

    /// Stripe names no number.
    fn at_once(&self) -> usize {
        10
    }

    fn keeps_bodies(&self) -> bool {
        false
    }

    fn request(&self, job: &Job) -> Option<Outgoing> {
        let state = self.state.lock();
        let endpoint = state.endpoints.get(&job.endpoint)?;
        let event = state.events.get(&job.delivery).filter(|_| endpoint.enabled)?;
        Some(Outgoing {
            url: endpoint.url.clone(),
            // In the world's time: the receiver's clock does not run faster.
            headers: event.headers(endpoint.secret.key(), SystemTime::now()),
            body: event.body.clone(),
            event: event.id.clone(),
            topic: event.topic.clone(),
        })
    }

    fn settle(&self, job: &Job, exchange: &Exchange) -> Option<SystemTime> {
        let mut state = self.state.lock();
        let next = state.events.change(&job.delivery, |event| {
            let is_of_job = |delivery: &&mut Delivery| delivery.endpoint == job.endpoint;
            let delivery = event.deliveries.iter_mut().find(is_of_job)?;
            delivery.delivered |= exchange.is_success();
            match job.turn {
                Turn::Scheduled(turn) if !delivery.delivered => {
                    RETRIES.get(turn).map(|after| time_after(exchange.sent_at, *after))
                }
                _ => None,
            }
        });
        next.flatten()
    }

    /// The event stays pending.
    fn lost(&self, _: &Job) {}
}
