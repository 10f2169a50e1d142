//! Webhooks from [GitHub](https://docs.github.com/webhooks): [`GitHub`] receives them, [`Event`] is
//! what they say.
//!
//! ```
//! # #[cfg(feature = "service")] {
//! use tower_webhook::{Payload, TopicRouter, github};
//!
//! #[derive(serde::Deserialize)]
//! struct Opened {
//!     issue: Issue,
//! }
//!
//! #[derive(serde::Deserialize)]
//! struct Issue {
//!     title: String,
//! }
//!
//! // the payload is the whole body
//! async fn opened(Payload(opened): Payload<Opened>) {
//!     println!("{}", opened.issue.title);
//! }
//!
//! async fn other(event: github::Event) {
//!     println!("{} ({:?})", event.topic(), event.delivery_id());
//! }
//!
//! let provider = github::GitHub::new("It's a Secret to Everybody")?;
//! let topics = TopicRouter::new()
//!     .on("issues.opened", opened) // this action alone
//!     .on("issues", other); // all others of `issues`
//! # }
//! # Ok::<(), tower_webhook::signature::SecretError>(())
//! ```
//!
//! A topic is the event's name and, where the body has one, its action: `push`, `issues.opened`.
//!
//! # GitHub does not retry
//! A delivery that fails is lost unless somebody redelivers it, by hand or through the API, within
//! 3 days. It fails when a handler returns an error, when the store is down, or when a deploy comes
//! at the wrong moment. The reconciler of `tower-webhook-reconcile` lists the failed deliveries
//! from time to time, and hands them in or has GitHub redeliver them. After a failure the event is
//! free, so a redelivery runs the handler. After a success a redelivery is a duplicate and runs
//! nothing. To run it again, [`forget`](crate::store::IdempotencyStore::forget) the event first:
//! its key begins with the delivery's id, as the log shows it.
//!
//! # The secret and the signature
//! The secret is the text that you gave the webhook, or the App, in its settings. There is only
//! one, and changing it takes effect at once. To change it without a gap, first accept the old and
//! the new secret together ([`SecretsHandle`](crate::signature::SecretsHandle)), then change it at
//! GitHub, then drop the old one. The webhook's content type may be either: in a form
//! (`application/x-www-form-urlencoded`, GitHub's default) the field `payload` holds the event.
//!
//! The signature is HMAC-SHA256 over the body alone, in `X-Hub-Signature-256`. The SHA-1 tag in
//! `X-Hub-Signature` is ignored. No time is signed.
//!
//! # What is not signed
//! The headers: the event's name (`X-GitHub-Event`) and the delivery's id (`X-GitHub-Delivery`).
//! The deduplication key is both of them with the digest of the body. Two events with one body both
//! run. A redelivery keeps its id and is a duplicate. One id that two Apps share is two events.
//! Whoever captured a request can send its body again under another id or name, and it runs again:
//! a handler should look at the payload, which is signed, before it acts.
//!
//! If a replay worries you more than losing a repeated event, build the layer with
//! [`strict_identity`](crate::layer::WebhookLayerBuilder::strict_identity): then the digest of the
//! body is the key. It costs the second of two events with one body. Under the same name (a member
//! who is added, removed and added again within 8 days) the second gets 200 and is never handled;
//! under another name it is a conflict and gets 500.
//!
//! # What GitHub does with each response
//! | response | what GitHub does |
//! | --- | --- |
//! | 2xx within 10 seconds | done |
//! | anything else, or later | shows the delivery as failed, and never sends it again by itself |
//!
//! # The handshake
//! GitHub sends a `ping` when a webhook is made. The layer responds 200 to it, unless a handler is
//! registered for `ping`.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

use super::{
    DeliveryPolicy, Handshake, JsonEvent, KnownTopics, Provider, form,
    json_event::{Fields, Payloads, with_action},
    keyed,
    lenient::{Field, Object},
    topics::topics,
    unsigned_headers,
};
use crate::{
    event::{EventError, EventErrorKind, Fingerprint, Identity, Shape, Unsigned, read_json},
    signature::{Algorithm, Encoding, Scheme, SecretError, Secrets, Verified, Verifier},
};

const EVENT: HeaderName = HeaderName::from_static("x-github-event");
const DELIVERY: HeaderName = HeaderName::from_static("x-github-delivery");

/// GitHub sends nothing larger.
const BODY_LIMIT: usize = 25 * 1024 * 1024;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// How GitHub signs: HMAC-SHA256 over the body, in hex after `sha256=`, in `X-Hub-Signature-256`.
#[must_use]
pub fn scheme() -> Scheme {
    let header = HeaderName::from_static("x-hub-signature-256");
    Scheme::new(header, Algorithm::HmacSha256, Encoding::Hex).prefix(HeaderValue::from_static("sha256="))
}

/// An event of GitHub. Its payload is the whole body, which is signed; its name is not.
pub type Event = JsonEvent<GitHub>;

impl Event {
    /// The event's name, without the action: from `X-GitHub-Event`.
    #[must_use]
    pub fn name(&self) -> Option<Unsigned<&str>> {
        self.unsigned_header(EVENT.as_str())
    }

    /// The delivery's id, the same when it is redelivered: from `X-GitHub-Delivery`.
    #[must_use]
    pub fn delivery_id(&self) -> Option<Unsigned<&str>> {
        self.unsigned_header(DELIVERY.as_str())
    }
}

topics! {
    CHECK_RUN = "check_run",
    CHECK_SUITE = "check_suite",
    CREATE = "create",
    DELETE = "delete",
    DEPLOYMENT_STATUS = "deployment_status",
    INSTALLATION = "installation",
    ISSUES = "issues",
    ISSUES_OPENED = "issues.opened",
    ISSUE_COMMENT = "issue_comment",
    PING = "ping",
    PULL_REQUEST = "pull_request",
    PULL_REQUEST_OPENED = "pull_request.opened",
    PULL_REQUEST_REVIEW = "pull_request_review",
    PUSH = "push",
    RELEASE = "release",
    WORKFLOW_RUN = "workflow_run",
}

/// Receives from GitHub. The [module](self) says what GitHub expects of a receiver.
#[derive(Clone, Debug)]
pub struct GitHub {
    verifier: Verifier,
}

impl GitHub {
    /// Takes the webhook's secret, or several while one replaces another: a text, a list of texts
    /// or [`Secrets`].
    ///
    /// # Errors
    /// There is no secret, or [`Secrets::new`] refuses one: it is empty or in quotes, say.
    pub fn new(secrets: impl TryInto<Secrets, Error: Into<SecretError>>) -> Result<Self, SecretError> {
        keyed(&scheme(), secrets).map(|verifier| Self { verifier })
    }

    /// Reads deliveries that were verified and stored earlier. It has no secret and
    /// [refuses](Verifier::refusing) every request.
    #[must_use]
    pub fn reader() -> Self {
        Self {
            verifier: Verifier::refusing(&scheme()),
        }
    }
}

/// The fields that are read from a body, apart from the payload.
#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct Body<'a> {
    action: Field<'a>,
}

impl Provider for GitHub {
    type Event = Event;

    fn name(&self) -> &str {
        "github"
    }

    fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    fn event(&self, headers: &HeaderMap, body: &Bytes) -> Result<Event, EventError> {
        let json = if form::is_form(body) {
            &form::field(body, "payload").ok_or_else(|| {
                EventError::new(
                    EventErrorKind::Syntax,
                    "the body is neither a JSON object nor a form with the field `payload`; expected what GitHub sends",
                )
            })?
        } else {
            body
        };
        let action = read_json(json, Shape::Any, |json| {
            Ok(Object::<Body<'_>>::deserialize(json)?.or_empty().action.optional())
        })?;
        let topic = with_action(unsigned_headers::required(headers, &EVENT)?, action.as_ref());
        let mut fields = Fields::in_body(body, json, Payloads::WHOLE_BODY);
        fields.unsigned = unsigned_headers::present(headers, [EVENT, DELIVERY]);
        fields.fingerprint = Some(Fingerprint::of([topic.as_str().as_bytes(), body]));
        let [delivery, event] = [&DELIVERY, &EVENT].map(|name| fields.unsigned(name).unwrap_or_default());
        fields.identity = Some(Identity::of_body().with_unsigned(delivery, &[event]));
        fields.topic = Some(topic);
        Ok(JsonEvent::new(fields))
    }

    fn handshake(&self, event: &Event, _: Verified) -> Result<Option<Handshake>, EventError> {
        Ok((event.topic() == topic::PING).then(Handshake::acknowledge))
    }

    fn known_topics(&self) -> KnownTopics {
        KnownTopics::common(COMMON_TOPICS.iter().copied())
    }

    /// 10 seconds for a response, no retries, redeliveries on request for 3 days, bodies up to
    /// 25 MiB.
    fn policy(&self) -> DeliveryPolicy {
        DeliveryPolicy::new(Duration::from_secs(10), Duration::ZERO)
            .with_redelivery_window(DAY.saturating_mul(3))
            .with_body_limit(BODY_LIMIT)
    }
}
