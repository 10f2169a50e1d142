//! Events from [Slack's Events API](https://docs.slack.dev/apis/events-api): [`Slack`] receives them, [`Event`] is what they tell.
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
//! A topic is the inner `event.type`; where there is no inner event (`app_rate_limited`), the outer
//! `type`.
//!
//! # Interactions and slash commands
//! They come as forms, and are events too. An interaction (`payload=…`) has the topic
//! `interactive.block_actions`, by its `type`, and the JSON in the field as its payload. A slash
//! command has the topic `command./deploy`, and its fields as the payload: an object of texts. A
//! handler for `interactive` or for `command` gets all of them. Neither has an `event_id`: the
//! digest of the body is the deduplication key. Slack does not send them again.
//!
//! What Slack shows a user at once is the body of an HTTP answer: for that, put the
//! [layer](crate::layer) before a service of yours. The layer answers the `ssl_check` of a
//! command's address with 200 and hands it to no handler.
//!
//! # The secret and the signature
//! The secret is the app's *signing secret* (Basic Information, App Credentials), as it stands there. The `token` in bodies is an older means and
//! is not looked at. When the secret is regenerated, be ready for both: see [`SecretsHandle`](crate::signature::SecretsHandle).
//!
//! Signed are `X-Slack-Request-Timestamp` and the body. A request that was signed more than 300 seconds from now is refused
//! ([`Slack::tolerance`] sets another limit). `X-Slack-Retry-Num` is not signed and decides nothing.
//!
//! # The handshake
//! When the address is entered, Slack sends `url_verification` with a challenge. The layer answers it, once its signature is verified, and hands it
//! to no handler.
//!
//! # What Slack does with your answer
//! | answer | what Slack does |
//! | --- | --- |
//! | 2xx within 3 seconds | done |
//! | 3xx | followed, twice at most |
//! | anything else, or later | sends it again at once, after 1 min and after 5 min; with *delayed events*, hourly for 24 hours |
//! | more than 95 % failures in an hour | disables the subscription |
//!
//! The layer answers after 1.5 seconds by default, by 503 if the handler still runs: the retry then
//! finds the event handled. Hand what takes longer to a queue. An event has the same `event_id`
//! each time, and two apps of yours may get one `event_id`: the deduplication key is `api_app_id`
//! and `event_id`.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    DeliveryPolicy, Handshake, JsonEvent, KnownTopics, Provider, form,
    json::{Configured, Facts, Reader, Role, topics},
};
use crate::{
    event::{EventError, EventErrorKind, read_payload},
    signature::{Algorithm, Encoding, Scheme, SecretError, Secrets, Verified, Verifier},
};

const TOLERANCE: Duration = Duration::from_secs(300);
/// What Slack's Bolt takes by default.
const BODY_LIMIT: usize = 4 * 1024 * 1024;
const HOUR: Duration = Duration::from_secs(3600);

/// A challenge is echoed: no more of it than Slack sends.
const LONGEST_CHALLENGE: usize = 256;

/// How Slack signs: HMAC-SHA256 over `v0:{timestamp}:{body}`, in hex after `v0=`, in `X-Slack-Signature`.
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

/// An event of Slack. Its payload is the inner `event`, or the whole body where there is none; of a
/// form, its JSON or its fields. All of it is signed.
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

/// Receives from Slack. See the [module](self) for what Slack expects of a receiver.
#[derive(Debug)]
pub struct Slack {
    configured: Configured,
    interactive: Reader,
    command: Reader,
    ssl_check: Reader,
}

impl Slack {
    /// Takes the app's signing secret, or several while one replaces another: a text, a list of texts or [`Secrets`].
    ///
    /// # Errors
    /// There is no secret, or one that [`Secrets::new`] refuses: an empty one, or one in quotes,
    /// say.
    pub fn new(secrets: impl TryInto<Secrets, Error: Into<SecretError>>) -> Result<Self, SecretError> {
        let reader = Reader::of(&[
            (Role::MaybeId, &["event_id"]),
            (Role::Scope, &["api_app_id"]),
            (Role::Topic, &["event", "type"]),
            (Role::OtherTopic, &["type"]),
            (Role::Time, &["event_time"]),
        ])
        .facts(Facts::TopicAndTime)
        .payload_at(&[&["event"], &[]]);
        Ok(Self {
            configured: Configured::new(&scheme(), secrets, reader)?,
            // What asks for the options of a legacy menu may say no type.
            interactive: Reader::of(&[(Role::MaybeTopic, &["type"])]).topic_prefix("interactive."),
            command: Reader::of(&[(Role::Topic, &["command"])]).topic_prefix("command."),
            ssl_check: Reader::of(&[(Role::MaybeTopic, &["ssl_check"])]).topic_prefix("ssl_check."),
        })
    }

    /// How far from now a request may have been signed, instead of 300 seconds.
    #[must_use]
    pub fn tolerance(self, tolerance: Duration) -> Self {
        Self {
            configured: self.configured.tolerance(tolerance),
            ..self
        }
    }
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
        &self.configured.verifier
    }

    fn event(&self, headers: &HeaderMap, body: &Bytes) -> Result<Event, EventError> {
        if !form::is_form(body) {
            return self.configured.reader.read(headers, body, None);
        }
        if let Some(payload) = form::field(body, "payload") {
            return self.interactive.read_within(headers, body, &payload, None);
        }
        // What names a command is one, whatever else it says: a check names none.
        let is_check =
            form::field(body, "ssl_check").is_some() && form::field(body, "command").is_none_or(|name| name.is_empty());
        let reader = if is_check { &self.ssl_check } else { &self.command };
        reader.read_within(headers, body, &form::to_json(body), None)
    }

    fn handshake(&self, event: &Event, _: Verified) -> Result<Option<Handshake>, EventError> {
        if event.topic() == "ssl_check" || event.topic().starts_with("ssl_check.") {
            return Ok(Some(Handshake::acknowledge()));
        }
        if event.topic() != "url_verification" || event.id().is_some() {
            return Ok(None);
        }
        let challenge = read_payload::<String>(event.json(), &["challenge"])
            .ok()
            .filter(|text| {
                // It is echoed: nothing that a browser could take for more than text.
                let plain = text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_.+/=".contains(&byte));
                plain && (1..=LONGEST_CHALLENGE).contains(&text.len())
            });
        match challenge {
            Some(challenge) => Ok(Some(Handshake::answer("text/plain", challenge))),
            None => Err(EventError::new(
                EventErrorKind::Field,
                "the event's challenge is no string of 1 to 256 letters, digits and -_.+/=; expected one in a url_verification",
            )),
        }
    }

    fn known_topics(&self) -> KnownTopics {
        KnownTopics::common(COMMON_TOPICS.iter().copied())
    }

    /// 3 seconds for an answer, retries for 6 minutes and, with *delayed events*, for 24 hours,
    /// bodies up to 4 MiB, as Bolt takes.
    fn policy(&self) -> DeliveryPolicy {
        DeliveryPolicy::new(Duration::from_secs(3), HOUR.saturating_mul(24)).body_limit(BODY_LIMIT)
    }
}
