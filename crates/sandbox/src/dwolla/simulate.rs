//! `/sandbox-simulations`: what is pending completes, or fails.

use std::sync::Arc;

use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Dwolla,
    event::{Event, Happening},
    hal,
};
use crate::shelf::Shelved;

/// How many are processed: the newest.
const MOST: usize = 500;

/// A transfer, or a pair of small deposits, that is under way.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Pending {
    /// The topic that ends it.
    topic: String,
    resource: String,
    customer: Option<String>,
    correlation: Option<String>,
}

impl Shelved for Pending {
    const KIND: &'static str = "dwolla.pending";
}

impl Pending {
    /// The process that an event begins. `"outcome": "failed"` decides how it ends.
    pub(super) fn of(event: &Event) -> Option<Self> {
        Some(Self {
            topic: Self::end_of(&event.topic, event.outcome.as_deref().unwrap_or("completed"))?,
            resource: event.resource.clone(),
            customer: event.customer.clone(),
            correlation: event.correlation.clone(),
        })
    }

    /// The topic with which what a topic begins ends so.
    pub(super) fn end_of(topic: &str, outcome: &str) -> Option<String> {
        let begins = [
            ("bank_transfer_created", "bank_transfer"),
            ("transfer_created", "transfer"),
            ("microdeposits_added", "microdeposits"),
        ];
        let (prefix, plain) = match topic.strip_prefix("customer_") {
            Some(plain) => ("customer_", plain),
            None => ("", topic),
        };
        let (_, what) = begins.into_iter().find(|(topic, _)| *topic == plain)?;
        Some(format!("{prefix}{what}_{outcome}"))
    }
}

impl Dwolla {
    pub(super) fn simulate(self: &Arc<Self>) -> Response {
        let processed = self.state.lock().pending.take_newest(MOST);
        let total = processed.len();
        for Pending {
            topic,
            resource,
            customer,
            correlation,
        } in processed
        {
            let happening = Happening {
                topic,
                resource: Some(resource),
                customer,
                correlation,
                outcome: None,
            };
            self.happen(Event::new(happening, self));
        }
        hal::resource(&json!({ "_links": { "self": self.link("/sandbox-simulations") }, "total": total }))
    }
}
