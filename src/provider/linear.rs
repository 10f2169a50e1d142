//! Webhooks from [Linear](https://linear.app/developers/webhooks): [`Linear`] receives them,
//! [`Event`] is what they say.
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
//! A topic is the body's `type` and `action`: `Issue.create`. A handler for `Issue` gets all its
//! actions. The payload of an entity is `data`, of `AppUserNotification` `notification`, of
//! `AgentSessionEvent` `agentSession`, of `IssueSLA` `issueData`; of any other the whole body.
//!
//! # The secret and the signature
//! The secret is the webhook's *signing secret* (Settings, API, Webhooks), as shown there. Rotating
//! it takes effect at once. To rotate it without a gap, first accept the old and the new secret
//! together ([`SecretsHandle`](crate::signature::SecretsHandle)). The signature is HMAC-SHA256 over
//! the body alone, in hex, in `Linear-Signature`.
//!
//! The body says when it was signed. A request whose `webhookTimestamp` is missing, or more than 8
//! hours from now, is refused like one with a wrong signature. Linear resends the first bytes, with
//! the first time, a minute, an hour and six hours later, so a shorter window would refuse its
//! retries. [`Linear::with_tolerance`] sets another. What stops a replay is the record of the
//! event.
//!
//! # What is not signed
//! The headers. The deduplication key is `Linear-Delivery`, which a retry keeps, with the digest of
//! the body without the digits of `webhookTimestamp`. Whoever captured a request can send it again
//! under a new `Linear-Delivery` within the window, and it runs again. A layer with
//! [`strict_identity`](crate::layer::WebhookLayerBuilder::strict_identity) goes by the digest
//! alone. It takes two events whose bodies differ in `webhookTimestamp` alone for one, and the
//! second is lost.
//!
//! `Linear-Event` repeats the body's `type`; a request on which the two disagree is refused.
//! `Linear-Timestamp` is ignored.
//!
//! # What Linear does with each response
//! | response | what Linear does |
//! | --- | --- |
//! | 200 within 5 seconds | done |
//! | anything else, or later | sends it again after 1 minute, 1 hour and 6 hours |
//! | repeated failures | may disable the webhook |

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    DeliveryPolicy, JsonEvent, KnownTopics, Provider,
    json_event::{Fields, Payloads, with_action},
    keyed,
    lenient::Field,
    signing_time::id_without,
    topics::topics,
    unsigned_headers,
};
use crate::{
    event::{EventError, Identity, Shape, Unsigned, read_json},
    signature::{Algorithm, Encoding, Scheme, SecretError, Secrets, SignatureError, Verifier, check_time},
};

const EVENT: HeaderName = HeaderName::from_static("linear-event");
const DELIVERY: HeaderName = HeaderName::from_static("linear-delivery");
/// Those of entities, notifications, agents' sessions and SLAs; other events are their payload.
const PAYLOADS: Payloads = Payloads::Fixed(&[&["data"], &["notification"], &["agentSession"], &["issueData"], &[]]);
/// The default body limit of Linear's SDK.
const BODY_LIMIT: usize = 5 * 1024 * 1024;
const HOUR: Duration = Duration::from_secs(3600);
/// The last retry comes 7 hours and a minute after the event, with the first time; an hour to
/// spare.
const TOLERANCE: Duration = HOUR.saturating_mul(8);

/// How Linear signs: HMAC-SHA256 over the body, in hex, in `Linear-Signature`. The time that Linear
/// signs is in the body, where a scheme does not look; [`Linear`] does.
#[must_use]
pub fn scheme() -> Scheme {
    let header = HeaderName::from_static("linear-signature");
    Scheme::new(header, Algorithm::HmacSha256, Encoding::Hex)
}

/// An event of Linear. Its payload is the first of `data`, `notification`, `agentSession` and
/// `issueData` that is there, or else the whole body. Its id is the digest of the body without the
/// signing time.
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
        self.signed_at()
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

/// Receives from Linear. The [module](self) says what Linear expects of a receiver.
#[derive(Clone, Debug)]
pub struct Linear {
    verifier: Verifier,
    tolerance: Duration,
}

impl Linear {
    /// Takes the webhook's signing secret, or several while one replaces another: a text, a list of
    /// texts or [`Secrets`].
    ///
    /// # Errors
    /// There is no secret, or [`Secrets::new`] refuses one: it is empty or in quotes, say.
    pub fn new(secrets: impl TryInto<Secrets, Error: Into<SecretError>>) -> Result<Self, SecretError> {
        keyed(&scheme(), secrets).map(Self::with)
    }

    /// Reads deliveries that were verified and stored earlier. It has no secret and
    /// [refuses](Verifier::refusing) every request.
    #[must_use]
    pub fn reader() -> Self {
        Self::with(Verifier::refusing(&scheme()))
    }

    fn with(verifier: Verifier) -> Self {
        Self {
            verifier,
            tolerance: TOLERANCE,
        }
    }

    /// How far from now a request may have been signed, instead of 8 hours.
    #[must_use]
    pub fn with_tolerance(self, tolerance: Duration) -> Self {
        Self { tolerance, ..self }
    }
}

/// The fields that are read from a body, apart from the payload.
#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct Body<'a> {
    #[serde(rename = "type")]
    topic: Field<'a>,
    action: Field<'a>,
    #[serde(rename = "createdAt")]
    created_at: Field<'a>,
    /// As it is written: the id is the digest of the body without these bytes.
    #[serde(borrow, rename = "webhookTimestamp")]
    signed_at: Option<&'a RawValue>,
}

impl Provider for Linear {
    type Event = Event;

    fn name(&self) -> &str {
        "linear"
    }

    fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    fn event(&self, headers: &HeaderMap, body: &Bytes) -> Result<Event, EventError> {
        let (topic, action, time, signed_at) = read_json(body, Shape::Object, |json| {
            let body = Body::deserialize(json)?;
            let signed_at = body.signed_at.map(|raw| raw.get().to_owned());
            let topic = body.topic.required("type")?;
            Ok((topic, body.action.optional(), body.created_at.time(), signed_at))
        })?;
        unsigned_headers::must_repeat(headers, &EVENT, Some(&topic))?;
        let topic = with_action(topic, action.as_ref());
        // A retry is the same event even if Linear comes to sign each attempt again.
        let id = id_without(body, "webhookTimestamp", signed_at.as_deref())?;

        let mut fields = Fields::of(body, PAYLOADS).topic_and_time(Some(topic), &time);
        fields.unsigned = unsigned_headers::present(headers, [EVENT, DELIVERY]);
        let delivery = fields.unsigned(&DELIVERY).unwrap_or_default();
        fields.identity = Some(Identity::signed(id.clone()).with_unsigned(delivery, &[]));
        fields.id = Some(id);
        fields.signed_at = signed_at.and_then(|number| serde_json::from_str::<Field<'_>>(&number).ok()?.milliseconds());
        Ok(JsonEvent::new(fields))
    }

    fn check_time(&self, event: &Event, now: SystemTime) -> Result<(), SignatureError> {
        check_time(event.signed_at(), now, self.tolerance)
    }

    fn signature_window(&self) -> Option<Duration> {
        Some(self.tolerance)
    }

    fn known_topics(&self) -> KnownTopics {
        KnownTopics::common(COMMON_TOPICS.iter().copied())
    }

    /// 5 seconds for a response, retries for 8 hours, bodies up to 5 MiB, as Linear's SDK accepts.
    fn policy(&self) -> DeliveryPolicy {
        DeliveryPolicy::new(Duration::from_secs(5), HOUR.saturating_mul(8)).with_body_limit(BODY_LIMIT)
    }
}
