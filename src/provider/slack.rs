//! Events from [Slack's Events API](https://docs.slack.dev/apis/events-api): [`Slack`] receives
//! them, [`Event`] is what they say.
//!
//! ```
//! # #[cfg(feature = "service")] {
//! use tower_webhook::{Payload, TopicRouter, slack::{self, Slack}};
//!
//! #[derive(serde::Deserialize)]
//! struct Mention {
//!     user: String,
//!     text: String,
//! }
//!
//! // the payload is `event`
//! async fn mentioned(Payload(mention): Payload<Mention>) {
//!     println!("{}: {}", mention.user, mention.text);
//! }
//!
//! let provider = Slack::new("8f742231b10e8888abcd99yyyzzz85a5")?;
//! let topics = TopicRouter::<slack::Event>::new().on(slack::topic::APP_MENTION, mentioned);
//! # }
//! # Ok::<(), tower_webhook::signature::SecretError>(())
//! ```
//!
//! A topic is the inner `event.type`, or the outer `type` where there is no inner event
//! (`app_rate_limited`).
//!
//! # Interactions and slash commands
//! They come as forms, and are events too. An interaction (`payload=…`) has the topic
//! `interactive.block_actions`, by its `type`, and the JSON in the field as its payload. A slash
//! command has the topic `command./deploy`, and its fields as the payload: an object of strings. A
//! handler for `interactive` or for `command` gets all of them. Neither has an `event_id`: the
//! digest of the body is the deduplication key. Slack does not send them again.
//!
//! Slack shows the user the body of the HTTP response at once. To write such a body, put the
//! [layer](crate::layer) in front of a service of yours. The layer responds 200 to the `ssl_check`
//! of a command's address and hands it to no handler.
//!
//! # The secret and the signature
//! The secret is the app's *signing secret* (Basic Information, App Credentials), as shown there.
//! The `token` in bodies is an older means and is ignored. Before the secret is regenerated, be
//! ready to accept both: see [`SecretsHandle`](crate::signature::SecretsHandle).
//!
//! The signature covers `X-Slack-Request-Timestamp` and the body. A request that was signed more
//! than 300 seconds from now is refused ([`Slack::with_tolerance`] sets another limit).
//! `X-Slack-Retry-Num` is not signed and decides nothing.
//!
//! # The handshake
//! When the address is entered, Slack sends `url_verification` with a challenge. The layer echoes
//! the challenge once the request's signature is verified, and hands the request to no handler.
//!
//! # What Slack does with each response
//! | response | what Slack does |
//! | --- | --- |
//! | 2xx within 3 seconds | done |
//! | 3xx | follows it, twice at most |
//! | anything else, or later | sends it again at once, after 1 min and after 5 min |
//! | the same with *delayed events* | also hourly for 24 hours |
//! | more than 95 % failures in an hour | disables the subscription |
//!
//! The layer responds after 1.5 seconds by default, with 503 if the handler is still running: the
//! retry then finds the event handled. Hand longer work to a queue. An event keeps its `event_id`,
//! and two apps of yours may get one `event_id`: the deduplication key is `api_app_id` and
//! `event_id`.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

use super::{
    DeliveryPolicy, Handshake, JsonEvent, KnownTopics, Provider, form,
    json_event::{Fields, Payloads, scoped},
    keyed,
    lenient::{Field, Object},
    topics::topics,
};
use crate::{
    event::{EventError, EventErrorKind, EventId, Identity, Shape, read_json, read_payload},
    signature::{Algorithm, Encoding, Scheme, SecretError, Secrets, Verified, Verifier},
};

const TOLERANCE: Duration = Duration::from_secs(300);
/// The default body limit of Slack's Bolt.
const BODY_LIMIT: usize = 4 * 1024 * 1024;
const HOUR: Duration = Duration::from_secs(3600);
/// Longer than any challenge that Slack sends. It is echoed, so there is a limit.
const LONGEST_CHALLENGE: usize = 256;
const PAYLOADS: Payloads = Payloads::Fixed(&[&["event"], &[]]);

/// How Slack signs: HMAC-SHA256 over `v0:{timestamp}:{body}`, in hex after `v0=`, in
/// `X-Slack-Signature`.
#[must_use]
pub fn scheme() -> Scheme {
    Scheme::new(
        HeaderName::from_static("x-slack-signature"),
        Algorithm::HmacSha256,
        Encoding::Hex,
    )
    .prefix(HeaderValue::from_static("v0="))
    .timestamp_header(HeaderName::from_static("x-slack-request-timestamp"), TOLERANCE)
    .content_of("v0:{timestamp}:{body}")
}

/// An event of Slack. Its payload is the inner `event`, or the whole body where there is none. The
/// payload of a form is its JSON or its fields. All of it is signed.
pub type Event = JsonEvent<Slack>;

topics! {
    APP_HOME_OPENED = "app_home_opened",
    APP_MENTION = "app_mention",
    APP_RATE_LIMITED = "app_rate_limited",
    APP_UNINSTALLED = "app_uninstalled",
    CHANNEL_CREATED = "channel_created",
    FILE_SHARED = "file_shared",
    LINK_SHARED = "link_shared",
    MEMBER_JOINED_CHANNEL = "member_joined_channel",
    MESSAGE = "message",
    REACTION_ADDED = "reaction_added",
    REACTION_REMOVED = "reaction_removed",
    TEAM_JOIN = "team_join",
    TOKENS_REVOKED = "tokens_revoked",
}

/// Receives from Slack. The [module](self) says what Slack expects of a receiver.
#[derive(Clone, Debug)]
pub struct Slack {
    verifier: Verifier,
}

impl Slack {
    /// Takes the app's signing secret, or several while one replaces another: a text, a list of
    /// texts or [`Secrets`].
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

    /// How far from now a request may have been signed, instead of 300 seconds.
    #[must_use]
    pub fn with_tolerance(self, tolerance: Duration) -> Self {
        Self {
            verifier: self.verifier.with_tolerance(tolerance),
        }
    }
}

/// The fields that are read from a body that is JSON, apart from the payload.
#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct Body<'a> {
    event_id: Field<'a>,
    api_app_id: Field<'a>,
    event: Object<Typed<'a>>,
    #[serde(rename = "type")]
    topic: Field<'a>,
    event_time: Field<'a>,
}

/// An inner event, or an interaction.
#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct Typed<'a> {
    #[serde(rename = "type")]
    topic: Field<'a>,
}

impl Body<'_> {
    /// The type of the inner event, or the body's own.
    fn topic<E: serde::de::Error>(&self) -> Result<EventId, E> {
        let outer = match &self.topic {
            Field::Absent => None,
            topic => Some(topic.required("type")?),
        };
        let inner = match &self.event {
            Object::Is(inner) if !inner.topic.is_absent() => Some(inner.topic.required("event.type")?),
            Object::Is(_) | Object::Absent => None,
            Object::Other(kind) => {
                return Err(E::custom(format_args!(
                    "the event's event is {kind}; expected an object"
                )));
            }
        };
        inner.or(outer).map_or_else(|| Field::Absent.required("event.type"), Ok)
    }
}

/// The topic of a form: its kind, and what tells it from others of its kind.
fn topic_of_form(kind: &str, what: Option<EventId>) -> Result<EventId, EventError> {
    let topic = what.map_or_else(|| kind.to_owned(), |what| format!("{kind}.{what}"));
    EventId::new(&topic).map_err(|error| field_error(format!("the event's topic {}", error.wrong())))
}

fn field_error(message: impl Into<Cow<'static, str>>) -> EventError {
    EventError::new(EventErrorKind::Field, message)
}

fn read_form(body: &Bytes) -> Result<Event, EventError> {
    let (topic, json) = if let Some(payload) = form::field(body, "payload") {
        // The request for the options of a legacy menu may have no type.
        let kind = read_json(&payload, Shape::Any, |json| {
            Ok(Object::<Typed<'_>>::deserialize(json)?.or_empty().topic.optional())
        })?;
        (topic_of_form("interactive", kind)?, payload)
    } else {
        let text = |name: &str| form::field(body, name).and_then(|text| String::from_utf8(text.into()).ok());
        let command = text("command");
        // A form that names a command is one, whatever else it says; a check names none.
        let topic = match text("ssl_check") {
            Some(check) if command.as_ref().is_none_or(String::is_empty) => {
                topic_of_form("ssl_check", EventId::new(&check).ok())?
            }
            _ => {
                let command = command.map_or(Field::Absent, |command| Field::Text(command.into()));
                let command = command.required::<serde_json::Error>("command");
                topic_of_form(
                    "command",
                    Some(command.map_err(|error| field_error(error.to_string()))?),
                )?
            }
        };
        (topic, form::to_json(body))
    };
    let mut fields = Fields::in_body(body, &json, Payloads::WHOLE_BODY);
    fields.topic = Some(topic);
    Ok(JsonEvent::new(fields))
}

impl Provider for Slack {
    type Event = Event;

    fn name(&self) -> &str {
        "slack"
    }

    fn ids_are_unique(&self) -> bool {
        true
    }

    fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    fn event(&self, _: &HeaderMap, body: &Bytes) -> Result<Event, EventError> {
        if form::is_form(body) {
            return read_form(body);
        }
        let (id, app, topic, time) = read_json(body, Shape::Object, |json| {
            let body = Body::deserialize(json)?;
            let topic = body.topic()?;
            Ok((
                body.event_id.optional(),
                body.api_app_id.optional(),
                topic,
                body.event_time.time(),
            ))
        })?;
        let mut fields = Fields::of(body, PAYLOADS).topic_and_time(Some(topic), &time);
        let key = id.as_ref().zip(app.as_ref()).and_then(|(id, app)| scoped(app, id));
        fields.identity = key.map(Identity::signed);
        fields.id = id;
        Ok(JsonEvent::new(fields))
    }

    fn handshake(&self, event: &Event, _: Verified) -> Result<Option<Handshake>, EventError> {
        if event.topic() == "ssl_check" || event.topic().starts_with("ssl_check.") {
            return Ok(Some(Handshake::acknowledge()));
        }
        if event.topic() != "url_verification" || event.id().is_some() {
            return Ok(None);
        }
        let challenge = read_payload::<String>(event.json(), &["challenge"]).ok();
        match challenge.filter(|text| Handshake::is_plain(text, LONGEST_CHALLENGE)) {
            Some(challenge) => Ok(Some(Handshake::respond("text/plain", challenge))),
            None => Err(field_error(
                "the event's challenge is no string of 1 to 256 letters, digits and -_.+/=; expected one in a url_verification",
            )),
        }
    }

    fn known_topics(&self) -> KnownTopics {
        KnownTopics::common(COMMON_TOPICS.iter().copied())
    }

    /// 3 seconds for a response, retries for 6 minutes and, with *delayed events*, for 24 hours,
    /// bodies up to 4 MiB, as Bolt accepts.
    fn policy(&self) -> DeliveryPolicy {
        DeliveryPolicy::new(Duration::from_secs(3), HOUR.saturating_mul(24)).with_body_limit(BODY_LIMIT)
    }
}
