use super::{CustomError, FieldPath};
use crate::{
    event::{EventError, EventErrorKind, read_payload},
    provider::Handshake,
};

/// Longer than any challenge that providers send. It is echoed, so there is a limit.
const LONGEST_CHALLENGE: usize = 256;

/// How the layer responds to a [handshake](super::CustomBuilder::handshake).
///
/// An echo repeats one field of the body: a string of 1 to 256 letters, digits and `-_.+/=`, so
/// that a browser can take it for nothing but text. A handshake whose field is anything else gets
/// 400. If a provider expects something signed in return, as Zoom does, implement
/// [`Provider`](crate::provider::Provider).
///
/// ```
/// use tower_webhook::custom::{FieldPath, HandshakeResponse};
///
/// let pong = HandshakeResponse::acknowledge();
/// let slack = HandshakeResponse::text(FieldPath::body("challenge"));
/// // {"challenge":"…"}
/// let monday = HandshakeResponse::json("challenge", FieldPath::body("challenge"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeResponse(Form);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    Empty,
    Text(FieldPath),
    Json(String, FieldPath),
}

impl HandshakeResponse {
    /// 200 without a body. A handler that is registered for exactly this topic gets the request as
    /// an event instead.
    #[must_use]
    pub fn acknowledge() -> Self {
        Self(Form::Empty)
    }

    /// 200 with this field of the body as `text/plain`.
    #[must_use]
    pub fn text(challenge: FieldPath) -> Self {
        Self(Form::Text(challenge))
    }

    /// 200 with this field of the body in a JSON object under this key.
    #[must_use]
    pub fn json(key: impl Into<String>, challenge: FieldPath) -> Self {
        Self(Form::Json(key.into(), challenge))
    }
}

/// A handshake whose description has been checked.
#[derive(Clone, Debug)]
pub(super) struct DescribedHandshake {
    topic: String,
    /// The path of the echoed field, and its key where the echo is JSON.
    echo: Option<(Vec<String>, Option<String>)>,
}

impl DescribedHandshake {
    pub(super) fn new(topic: String, response: HandshakeResponse) -> Result<Self, CustomError> {
        let path = |challenge: FieldPath| challenge.in_body("challenge");
        let echo = match response.0 {
            Form::Empty => None,
            Form::Text(challenge) => Some((path(challenge)?, None)),
            Form::Json(key, challenge) => Some((path(challenge)?, Some(key))),
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

    pub(super) fn respond(&self, json: &[u8]) -> Result<Handshake, EventError> {
        let Some((path, key)) = &self.echo else {
            return Ok(Handshake::acknowledge());
        };
        let challenge = self.challenge(json);
        let Some(challenge) = challenge.filter(|text| Handshake::is_plain(text, LONGEST_CHALLENGE)) else {
            return Err(EventError::new(
                EventErrorKind::Field,
                format!(
                    "the event's {} is no string of 1 to {LONGEST_CHALLENGE} letters, digits and -_.+/=; expected one in a handshake",
                    path.join(".")
                ),
            ));
        };
        Ok(match key {
            None => Handshake::respond("text/plain", challenge),
            // Both are strings, so this cannot fail.
            Some(key) => {
                let object = serde_json::Map::from_iter([(key.clone(), challenge.into())]);
                Handshake::respond("application/json", serde_json::to_vec(&object).unwrap_or_default())
            }
        })
    }
}
