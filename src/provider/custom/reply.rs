use std::fmt;

use super::{CustomError, FieldPath};
use crate::{
    event::{EventError, EventErrorKind, read_payload},
    provider::Handshake,
};

/// What is echoed: no more of it than providers send.
const LONGEST_CHALLENGE: usize = 256;

/// What the layer responds to a [handshake](super::CustomBuilder::handshake).
///
/// An echo is of one field of the body: a string of 1 to 256 letters, digits and `-_.+/=`, so that
/// a browser can take it for nothing but text. A handshake whose field is anything else is answered
/// 400. Where a provider wants something signed in return, as Zoom does, implement
/// [`Provider`](crate::provider::Provider).
///
/// ```
/// use tower_webhook::custom::{FieldPath, Reply};
///
/// let pong = Reply::acknowledge();
/// let slack = Reply::text(FieldPath::body("challenge"));
/// let monday = Reply::json("challenge", FieldPath::body("challenge")); // {"challenge":"…"}
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply(What);

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Nothing,
    Text(FieldPath),
    Json(String, FieldPath),
}

impl Reply {
    /// 200 without a body. If a handler is registered for the topic by its name, the request goes
    /// to it as an event.
    #[must_use]
    pub fn acknowledge() -> Self {
        Self(What::Nothing)
    }

    /// 200 with this field of the body as `text/plain`.
    #[must_use]
    pub fn text(challenge: FieldPath) -> Self {
        Self(What::Text(challenge))
    }

    /// 200 with this field of the body in a JSON object under this key.
    #[must_use]
    pub fn json(key: impl Into<String>, challenge: FieldPath) -> Self {
        Self(What::Json(key.into(), challenge))
    }
}

/// The same once the description fits.
#[derive(Debug)]
pub(super) struct Answer {
    topic: String,
    /// The path of what is echoed, and the key for it where it goes into JSON.
    echo: Option<(Vec<String>, Option<String>)>,
}

impl Answer {
    pub(super) fn new(topic: String, reply: Reply) -> Result<Self, CustomError> {
        let path = |place: FieldPath| place.path("challenge");
        let echo = match reply.0 {
            What::Nothing => None,
            What::Text(place) => Some((path(place)?, None)),
            What::Json(key, place) => Some((path(place)?, Some(key))),
        };
        if topic.is_empty() && echo.is_none() {
            return Err(CustomError::new(
                "the handshake without a topic is acknowledged, as every event without one would be; expected an echo, whose field \
                 tells it",
            ));
        }
        Ok(Self { topic, echo })
    }

    /// Whether a request with this topic is this handshake.
    pub(super) fn is_of(&self, topic: &str, json: &[u8]) -> bool {
        match topic.strip_prefix(self.topic.as_str()) {
            Some(_) if self.topic.is_empty() => topic.is_empty() && self.challenge(json).is_some(),
            Some(rest) => rest.is_empty() || rest.starts_with('.'),
            None => false,
        }
    }

    fn challenge(&self, json: &[u8]) -> Option<String> {
        let (path, _) = self.echo.as_ref()?;
        let path: Vec<_> = path.iter().map(String::as_str).collect();
        read_payload::<String>(json, &path).ok()
    }

    pub(super) fn to(&self, json: &[u8]) -> Result<Handshake, EventError> {
        let Some((path, key)) = &self.echo else {
            return Ok(Handshake::acknowledge());
        };
        let plain = |text: &String| {
            let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+/=".contains(&byte);
            (1..=LONGEST_CHALLENGE).contains(&text.len()) && text.bytes().all(letters)
        };
        let Some(challenge) = self.challenge(json).filter(plain) else {
            return Err(EventError::new(
                EventErrorKind::Field,
                format!(
                    "the event's {} is no string of 1 to {LONGEST_CHALLENGE} letters, digits and -_.+/=; expected one in a handshake",
                    path.join(".")
                ),
            ));
        };
        Ok(match key {
            None => Handshake::answer("text/plain", challenge),
            // Both are strings: nothing can fail.
            Some(key) => {
                let object = serde_json::Map::from_iter([(key.clone(), challenge.into())]);
                Handshake::answer("application/json", serde_json::to_vec(&object).unwrap_or_default())
            }
        })
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.topic)
    }
}
