//! Webhooks from [Linear](https://linear.app/developers/webhooks): [`Linear`] receives them, [`Event`] is what they tell.
//!
//! ```
//! # #[cfg(feature = "service")] {
//! use tower_webhook::{Payload, TopicRouter, linear::{self, Linear}};
//!
//! #[derive(serde::Deserialize)]
//! struct Issue {
//!     identifier: String,
//!     title: String,
//! }
//!
//! // the payload is `data`
//! async fn created(Payload(issue): Payload<Issue>) {
//!     println!("{}: {}", issue.identifier, issue.title);
//! }
//!
//! let provider = Linear::new("lin_wh_8f742231b10e8888abcd99yyyzzz85a5")?;
//! let topics = TopicRouter::<linear::Event>::new().on(linear::topic::ISSUE_CREATE, created);
//! # }
//! # Ok::<(), tower_webhook::signature::SecretError>(())
//! ```
//!
//! A topic is the body's `type` and `action`: `Issue.create`. A handler for `Issue` gets all its actions.
//! The payload of an entity is `data`, of `AppUserNotification` `notification`, of
//! `AgentSessionEvent` `agentSession`, of `IssueSLA` `issueData`; of any other the whole body.
//!
//! # The secret and the signature
//! The secret is the webhook's *signing secret* (Settings, API, Webhooks), as it stands there. Rotating it takes effect at once: exchange the old for both before, and both for the
//! new one after ([`SecretsHandle`](crate::signature::SecretsHandle)). HMAC-SHA256 over the body alone, in hex, in `Linear-Signature`.
//!
//! The body says when it was signed: a `webhookTimestamp` that is missing, or more than 8 hours
//! from now, is answered like any other wrong signature. Linear resends the first bytes, with the
//! first time, a minute, an hour and six hours later, so a shorter window would refuse its retries.
//! [`Linear::tolerance`] sets another. What stops a replay is the record of the event.
//!
//! # What is not signed
//! The headers. The deduplication key is `Linear-Delivery`, which a retry keeps, with the digest of
//! the body (but for the digits of `webhookTimestamp`). Whoever captured a request can send it
//! again under a new `Linear-Delivery` within the window, and it runs again: a layer with
//! [`strict_identity`](crate::layer::WebhookLayerBuilder::strict_identity) goes by the digest
//! alone. It takes two events whose bodies differ in `webhookTimestamp` alone for one, and the
//! second is lost.
//!
//! `Linear-Event` repeats the body's `type`; where the two do not agree the
//! request is refused. `Linear-Timestamp` is not looked at.
//!
//! # What Linear does with your answer
//! | answer | what Linear does |
//! | --- | --- |
//! | 200 within 5 seconds | done |
//! | anything else, or later | sends it again after 1 minute, 1 hour and 6 hours |
//! | failures on end | may disable the webhook |

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    DeliveryPolicy, JsonEvent, KnownTopics, Provider,
    json::{Configured, Facts, Path, Reader, Role, id_without, topics},
};
use crate::{
    event::{EventError, EventId, Identity, Unsigned, from_json},
    signature::{Algorithm, Encoding, Scheme, SecretError, Secrets, SignatureError, Verifier, check_time},
};

const EVENT: HeaderName = HeaderName::from_static("linear-event");
const DELIVERY: HeaderName = HeaderName::from_static("linear-delivery");
/// Of entities, notifications, agents' sessions and SLAs; the others have the whole body.
const PAYLOADS: &[Path] = &[&["data"], &["notification"], &["agentSession"], &["issueData"], &[]];
/// What Linear's SDK takes by default.
const BODY_LIMIT: usize = 5 * 1024 * 1024;
const HOUR: Duration = Duration::from_secs(3600);
/// The last retry comes 7 hours and a minute after the event, with the first time; an hour to
/// spare.
const TOLERANCE: Duration = HOUR.saturating_mul(8);

/// How Linear signs: HMAC-SHA256 over the body, in hex, in `Linear-Signature`. The time that it signs stands in the body, where a scheme does not look:
/// [`Linear`] does.
#[must_use]
pub fn scheme() -> Scheme {
    let header = HeaderName::from_static("linear-signature");
    Scheme::new(header, Algorithm::HmacSha256, Encoding::Hex)
}

/// An event of Linear. Its payload is the first of `data`, `notification`, `agentSession` and
/// `issueData` that is there, or else the whole body. Its id is the digest of the body without the
/// time of sending.
pub type Event = JsonEvent<Linear>;

impl Event {
    /// The delivery's id: from `Linear-Delivery`.
    #[must_use]
    pub fn delivery_id(&self) -> Option<Unsigned<&str>> {
        self.unsigned_header(DELIVERY.as_str())
    }

    /// When the request was signed: `webhookTimestamp`.
    #[must_use]
    pub fn sent_at(&self) -> Option<SystemTime> {
        self.sent()
    }
}

topics! {
    COMMENT = "Comment",
    COMMENT_CREATE = "Comment.create",
    CYCLE = "Cycle",
    ISSUE = "Issue",
    ISSUE_CREATE = "Issue.create",
    ISSUE_REMOVE = "Issue.remove",
    ISSUE_UPDATE = "Issue.update",
    ISSUE_LABEL = "IssueLabel",
    ISSUE_SLA = "IssueSLA",
    PROJECT = "Project",
    PROJECT_UPDATE = "ProjectUpdate",
    REACTION = "Reaction",
}

/// Receives from Linear. See the [module](self) for what Linear expects of a receiver.
#[derive(Debug)]
pub struct Linear {
    configured: Configured,
    tolerance: Duration,
}

impl Linear {
    /// Takes the webhook's signing secret, or several while one replaces another: a text, a list of texts or [`Secrets`].
    ///
    /// # Errors
    /// There is no secret, or one that [`Secrets::new`] refuses: an empty one, or one in quotes,
    /// say.
    pub fn new(secrets: impl TryInto<Secrets, Error: Into<SecretError>>) -> Result<Self, SecretError> {
        let reader = Reader::of(&[
            (Role::Topic, &["type"]),
            (Role::Action, &["action"]),
            (Role::Time, &["createdAt"]),
            (Role::Sent, &["webhookTimestamp"]),
        ])
        .repeats_topic(EVENT)
        .unsigned([EVENT, DELIVERY])
        .facts(Facts::TopicAndTime)
        .payload_at(PAYLOADS);
        Ok(Self {
            configured: Configured::new(&scheme(), secrets, reader)?,
            tolerance: TOLERANCE,
        })
    }

    /// How far from now a request may have been signed, instead of 8 hours.
    #[must_use]
    pub fn tolerance(self, tolerance: Duration) -> Self {
        Self { tolerance, ..self }
    }
}

impl Provider for Linear {
    type Event = Event;

    fn name(&self) -> &str {
        "linear"
    }

    fn verifier(&self) -> &Verifier {
        &self.configured.verifier
    }

    fn event(&self, headers: &HeaderMap, body: &Bytes) -> Result<Event, EventError> {
        let event: Event = self.configured.reader.read(headers, body, None)?;
        let id = id_of(body)?;
        let identity = Identity::signed(id.clone()).with_unsigned(event.unsigned_text(&DELIVERY), &[]);
        Ok(event.with_id(id).with_identity(identity))
    }

    fn check_time(&self, event: &Event, now: SystemTime) -> Result<(), SignatureError> {
        check_time(event.sent(), now, self.tolerance)
    }

    fn signature_window(&self) -> Option<Duration> {
        Some(self.tolerance)
    }

    fn known_topics(&self) -> KnownTopics {
        KnownTopics::common(COMMON_TOPICS.iter().copied())
    }

    /// 5 seconds for an answer, retries for 8 hours, bodies up to 5 MiB, as its SDK takes.
    fn policy(&self) -> DeliveryPolicy {
        DeliveryPolicy::new(Duration::from_secs(5), HOUR.saturating_mul(8)).body_limit(BODY_LIMIT)
    }
}

/// The digest of the signed bytes without those that say when they were sent: a retry is the same
/// event even if Linear comes to sign each attempt anew.
fn id_of(body: &Bytes) -> Result<EventId, EventError> {
    #[derive(Deserialize)]
    struct Sent {
        #[serde(rename = "webhookTimestamp")]
        at: Option<Box<RawValue>>,
    }
    let sent: Sent = from_json(body)?;
    id_without(body, "webhookTimestamp", sent.at.as_deref().map(RawValue::get))
}
