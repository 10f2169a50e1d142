//! From a description to a provider, or to what is wrong with it.

use http::HeaderName;

use super::{
    Custom, CustomBuilder, CustomError, FieldPath,
    builder::{IdSource, TopicSource},
    envelope::{Envelope, Role},
    field_path::FieldPlace,
    handshake::DescribedHandshake,
    reader::Reader,
};
use crate::{
    event::EventId,
    provider::json_event::Payloads,
    signature::{Scheme, Verifier},
};

impl CustomBuilder {
    /// The provider.
    ///
    /// # Errors
    /// Something is missing, a secret is empty, blank or has whitespace at an end, a path is empty,
    /// two paths conflict, a header holds what must be signed, or two settings contradict each
    /// other. The text says which, and what was expected.
    pub fn build(mut self) -> Result<Custom, CustomError> {
        let secrets = self.secrets.take();
        self.describe(|scheme| {
            let secrets = secrets.ok_or_else(|| CustomError::new("the secrets are missing; expected `secrets`"))?;
            Ok(Verifier::new(scheme, &secrets?)?)
        })
    }

    /// The provider without its secrets, to read deliveries that were verified and stored
    /// earlier. It [refuses](Verifier::refusing) every request.
    ///
    /// # Errors
    /// As [`build`](Self::build), apart from the secrets.
    pub fn build_reader(self) -> Result<Custom, CustomError> {
        self.describe(|scheme| Ok(Verifier::refusing(scheme)))
    }

    fn describe(
        mut self,
        verifier: impl FnOnce(&Scheme) -> Result<Verifier, CustomError>,
    ) -> Result<Custom, CustomError> {
        // What the layer asks of a namespace, so that a layer can always be made of this provider.
        if EventId::new(&self.name).is_err() {
            return Err(CustomError::new(
                "the name is empty, longer than 255 bytes or holds a control character; expected a short name",
            ));
        }
        let mut envelope = Envelope::default();
        let id = self.insert_id(&mut envelope)?;
        let (topic_header, topic_is_optional) = self.insert_topic(&mut envelope)?;
        let policy = self.policy.take().ok_or_else(|| {
            CustomError::new("the policy is missing; expected `policy`, with what the provider's documents say")
        })?;
        let verifier = verifier(&self.scheme)?;
        let has_time = self.time.is_some();
        if let Some(path) = self.time.take() {
            insert(&mut envelope, Role::Time, &path.in_body("time")?)?;
        }
        let (mut signing_time, mut tolerance) = (None, None);
        if let Some((path, within)) = self.signed_at.take() {
            let path = path.in_body("signing time")?;
            insert(&mut envelope, Role::SigningTime, &path)?;
            (signing_time, tolerance) = (path.last().cloned(), Some(within));
        }
        let payloads = self.insert_payloads(&mut envelope)?;
        if id.header.is_some() && id.header == topic_header {
            return Err(CustomError::new(
                "the id and the topic have one header; expected one for each",
            ));
        }
        let scope_header = self.insert_scope(&mut envelope, &id, topic_header.as_ref())?;
        if self.unique_ids && !id.is_signed {
            return Err(CustomError::new(
                "the ids are unique, but nobody signs one; expected `id` in the body, or `signed_id`",
            ));
        }
        if self.form_field.as_deref() == Some("") {
            return Err(CustomError::new("the form's field has no name; expected one"));
        }
        Ok(Custom {
            handshakes: self.describe_handshakes(topic_is_optional)?,
            verifier,
            name: self.name,
            reader: Reader {
                envelope,
                goes_by_time: has_time && id.is_signed,
                id,
                scope_header,
                topic_header,
                topic_is_optional,
                repeats_topic: self.repeats_topic,
                signing_time,
                payloads: Payloads::Described(payloads.into()),
            },
            tolerance,
            form_field: self.form_field,
            form_fields: self.form_fields,
            unique_ids: self.unique_ids,
            policy,
        })
    }

    fn insert_id(&mut self, envelope: &mut Envelope) -> Result<Id, CustomError> {
        let id = self.id.take().ok_or_else(|| {
            CustomError::new(
                "the id has no path; expected `id`, `signed_id`, or `without_id` for a provider that gives none",
            )
        })?;
        let mut found = Id::default();
        let (path, role) = match id {
            IdSource::At(path) => (path, Role::Id),
            IdSource::Optional(path) => {
                found.is_optional = true;
                (path, Role::MaybeId)
            }
            IdSource::Signed if !self.scheme.signs_id() => {
                return Err(CustomError::new(
                    "the id is to be the one that the scheme signs, but it signs none; expected `Scheme::id_header`, or `id`",
                ));
            }
            IdSource::Signed => {
                (found.is_beside, found.is_signed) = (true, true);
                return Ok(found);
            }
            IdSource::Nowhere => return Ok(found),
        };
        match path.0 {
            FieldPlace::UnsignedHeader(name) => found.header = Some(name),
            _ => {
                insert(envelope, role, &path.in_body("id")?)?;
                found.is_signed = true;
            }
        }
        Ok(found)
    }

    /// The header that may hold the topic, and whether an event may be without a topic.
    fn insert_topic(&mut self, envelope: &mut Envelope) -> Result<(Option<HeaderName>, bool), CustomError> {
        let topic = self.topic.take().ok_or_else(|| {
            CustomError::new(
                "the topic has no path; expected `topic`, or `without_topic` for a provider that gives none",
            )
        })?;
        let (first, is_optional) = match topic {
            TopicSource::At(path) => (Some(path), false),
            TopicSource::Optional(path) => (Some(path), true),
            TopicSource::Nowhere => (None, true),
        };
        let depends = [
            ("another path of the topic", !self.other_topics.is_empty()),
            ("the topic's action", self.action.is_some()),
            ("a header that repeats the topic", self.repeats_topic.is_some()),
        ];
        if first.is_none()
            && let Some((what, _)) = depends.iter().find(|(_, is_there)| *is_there)
        {
            return Err(CustomError::new(format!(
                "{what} is named, but the events are without a topic; expected `topic`, or `optional_topic`"
            )));
        }
        let paths: Vec<_> = first.into_iter().chain(self.other_topics.drain(..)).collect();
        let is_only = paths.len() == 1;
        let mut header = None;
        for (at, path) in paths.into_iter().enumerate() {
            if let Some(name) = &header {
                return Err(CustomError::new(format!(
                    "the topic's path {path} comes after the header `{name}`; expected one header, and it last: what is signed goes first"
                )));
            }
            match path.0 {
                FieldPlace::UnsignedHeader(name) => header = Some(name),
                _ => {
                    let role = match (is_only, is_optional) {
                        (true, false) => Role::Topic,
                        _ => Role::TopicAt(at),
                    };
                    insert(envelope, role, &path.in_body("topic")?)?;
                }
            }
        }
        if header.is_some() && self.repeats_topic.is_some() {
            return Err(CustomError::new(
                "the topic is in a header, and another repeats it; expected it in the body, which is signed, or one header",
            ));
        }
        if !is_only && !is_optional && header.is_none() {
            envelope.need_topic();
        }
        if let Some(path) = self.action.take() {
            insert(envelope, Role::Action, &path.in_body("action")?)?;
        }
        Ok((header, is_optional))
    }

    fn insert_payloads(&mut self, envelope: &mut Envelope) -> Result<Vec<Vec<String>>, CustomError> {
        let mut payloads: Vec<Vec<String>> = Vec::new();
        for path in self.payloads.drain(..) {
            if payloads.last().is_some_and(Vec::is_empty) {
                return Err(CustomError::new(format!(
                    "the payload's path {path} comes after the whole body; expected the whole body last: it is always there"
                )));
            }
            if path.0 == FieldPlace::WholeBody {
                payloads.push(Vec::new());
                continue;
            }
            let path = path.in_body("payload")?;
            insert(envelope, Role::Payload, &path)?;
            payloads.push(path);
        }
        Ok(payloads)
    }

    /// The header of the scope, if it is in one.
    fn insert_scope(
        &mut self,
        envelope: &mut Envelope,
        id: &Id,
        topic: Option<&HeaderName>,
    ) -> Result<Option<HeaderName>, CustomError> {
        let Some(path) = self.scope.take() else {
            return Ok(None);
        };
        if !id.is_signed && id.header.is_none() {
            return Err(CustomError::new(
                "the id has a scope, but the events are without an id; expected `id`, `optional_id` or `signed_id`",
            ));
        }
        if let FieldPlace::UnsignedHeader(name) = path.0 {
            if id.header.as_ref() == Some(&name) || topic == Some(&name) {
                return Err(CustomError::new(format!(
                    "the id's scope is in the header `{name}`, where the id or the topic is; expected a header of its own"
                )));
            }
            return Ok(Some(name));
        }
        if !id.is_signed {
            return Err(CustomError::new(format!(
                "the id's scope is at {path} in the body, whose digest scopes the unsigned id already; expected none, or a header"
            )));
        }
        insert(envelope, Role::Scope, &path.in_body("id's scope")?)?;
        Ok(None)
    }

    fn describe_handshakes(&mut self, topic_is_optional: bool) -> Result<Vec<DescribedHandshake>, CustomError> {
        let mut topics: Vec<String> = Vec::new();
        let mut handshakes = Vec::new();
        for (topic, response) in self.handshakes.drain(..) {
            if topics.contains(&topic) {
                return Err(CustomError::new(format!(
                    "the handshake `{topic}` is there twice; expected one response to it"
                )));
            }
            if topic.is_empty() && !topic_is_optional {
                return Err(CustomError::new(
                    "the handshake has no topic, but every event has one; expected its topic, or `optional_topic`",
                ));
            }
            topics.push(topic.clone());
            handshakes.push(DescribedHandshake::new(topic, response)?);
        }
        Ok(handshakes)
    }
}

fn insert(envelope: &mut Envelope, role: Role, path: &[String]) -> Result<(), CustomError> {
    envelope.insert(role, path).map_err(CustomError::new)
}

/// Where the id is.
#[derive(Clone, Debug, Default)]
pub(super) struct Id {
    /// In this header, which nobody signs.
    pub(super) header: Option<HeaderName>,
    /// In a header that the scheme signs.
    pub(super) is_beside: bool,
    pub(super) is_signed: bool,
    pub(super) is_optional: bool,
}

impl FieldPath {
    /// The path into the body, for what must be signed.
    pub(super) fn in_body(self, what: &str) -> Result<Vec<String>, CustomError> {
        match self.0 {
            FieldPlace::Body(path) => Ok(path),
            FieldPlace::WholeBody => Err(CustomError::new(format!(
                "the {what} is the whole body, which only a payload can be; expected a path into it"
            ))),
            FieldPlace::UnsignedHeader(name) => Err(CustomError::new(format!(
                "the {what} is in the header `{name}`, which the signature does not cover; expected a path into the body"
            ))),
        }
    }
}
