//! When it sends, and how often.

use std::time::{Duration, SystemTime};

use super::{Example, Status};
use crate::{
    Provider,
    clock::time_after,
    deliver::{Courier, Exchange, Job, Outgoing, Turn},
};

const MINUTE: u64 = 60;

/// After the attempt before; the first attempt is made at once.
const RETRIES: [Duration; 5] = [
    Duration::from_secs(MINUTE),
    Duration::from_secs(5 * MINUTE),
    Duration::from_secs(30 * MINUTE),
    Duration::from_secs(60 * MINUTE),
    Duration::from_secs(6 * 60 * MINUTE),
];

impl Courier for Example {
    fn provider(&self) -> Provider {
        Provider::Example
    }

    /// The guide names no number.
    fn at_once(&self) -> usize {
        10
    }

    fn keeps_bodies(&self) -> bool {
        false
    }

    fn request(&self, job: &Job) -> Option<Outgoing> {
        let state = self.state.lock();
        let webhook = state.webhooks.get(&job.endpoint)?;
        if webhook.paused || webhook.generation != job.generation {
            return None;
        }
        let delivery = state.deliveries.get(&job.delivery)?;
        Some(Outgoing {
            url: webhook.url.clone(),
            headers: delivery.headers.clone(),
            body: delivery.body.clone(),
            event: delivery.event.clone(),
            topic: delivery.topic.clone(),
        })
    }

    fn settle(&self, job: &Job, exchange: &Exchange) -> Option<SystemTime> {
        let mut state = self.state.lock();
        let next = state.deliveries.change(&job.delivery, |delivery| {
            delivery.attempts += 1;
            delivery.code = exchange.status();
            delivery.took = Some(exchange.took);
            if exchange.is_success() {
                delivery.status = Status::Delivered;
                return None;
            }
            let Turn::Scheduled(turn) = job.turn else { return None };
            match RETRIES.get(turn) {
                // A repetition by chaos may have arrived meanwhile.
                _ if delivery.status == Status::Delivered => None,
                Some(after) => Some(time_after(exchange.sent_at, *after)),
                None => {
                    delivery.status = Status::Failed;
                    None
                }
            }
        });
        next.flatten()
    }

    fn lost(&self, job: &Job) {
        self.state.lock().deliveries.change(&job.delivery, |delivery| {
            if delivery.status == Status::Pending {
                delivery.status = Status::Failed;
            }
        });
    }
}
