//! Once, and never again by itself.

use std::time::{Duration, SystemTime};

use super::{
    GitHub,
    deliveries::{Record, Reply},
};
use crate::{
    Provider,
    deliver::{Courier, Exchange, Job, Outgoing, Turn},
};

impl Courier for GitHub {
    fn provider(&self) -> Provider {
        Provider::GitHub
    }

    /// GitHub names no number.
    fn at_once(&self) -> usize {
        10
    }

    fn keeps_bodies(&self) -> bool {
        true
    }

    fn request(&self, job: &Job) -> Option<Outgoing> {
        let state = self.state.lock();
        let parcel = state.parcels.get(&job.delivery)?;
        let hook = state.hooks.get(&job.endpoint)?;
        hook.active.then(|| Outgoing {
            url: hook.url.clone(),
            headers: parcel.headers.clone(),
            body: parcel.body.clone(),
            event: parcel.guid.clone(),
            topic: parcel.topic(),
        })
    }

    fn settle(&self, job: &Job, exchange: &Exchange) -> Option<SystemTime> {
        let response = match &exchange.outcome {
            Ok(response) => Ok(Reply {
                status: response.status,
                headers: response.headers.clone(),
                body: response.body.clone(),
            }),
            Err(failure) => Err(Some(failure.clone())),
        };
        self.record(job, &exchange.sent.url, exchange.sent_at, exchange.took, response);
        None
    }

    /// GitHub's list shows what it could not send, as long as the hook is there.
    fn lost(&self, job: &Job) {
        let url = {
            let state = self.state.lock();
            let hook = state.hooks.get(&job.endpoint).filter(|hook| hook.active);
            hook.map(|hook| hook.url.clone())
        };
        if let Some(url) = url {
            self.record(job, &url, self.clock().now(), Duration::ZERO, Err(None));
        }
    }
}

impl GitHub {
    fn record(
        &self,
        job: &Job,
        url: &str,
        at: SystemTime,
        took: Duration,
        response: Result<Reply, Option<crate::Failure>>,
    ) {
        let mut state = self.state.lock();
        let Some(parcel) = state.parcels.get(&job.delivery).cloned() else {
            return;
        };
        let id = state.new_id();
        let record = Record {
            id,
            parcel,
            at,
            redelivery: job.turn == Turn::Extra,
            took,
            url: url.to_owned(),
            response,
        };
        state.records.insert(&id.to_string(), at, record);
    }
}
