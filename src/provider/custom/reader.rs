use http::{HeaderMap, HeaderName};

use super::{
    Event,
    build::Id,
    envelope::{Envelope, Found},
};
use crate::{
    event::{EventError, EventId, Fingerprint, Identity},
    provider::{
        JsonEvent,
        json_event::{Fields, Payloads, scoped, with_action},
        signing_time::id_without,
        unsigned_headers,
    },
};

/// Where to find each field in a described provider's events.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    pub(super) envelope: Envelope,
    pub(super) id: Id,
    /// The header of the id's scope, which nobody signs.
    pub(super) scope_header: Option<HeaderName>,
    /// The header that has the topic.
    pub(super) topic_header: Option<HeaderName>,
    /// Whether an event may be without that header.
    pub(super) topic_is_optional: bool,
    /// A header that repeats the body's topic: the two must agree.
    pub(super) repeats_topic: Option<HeaderName>,
    /// Whether topic and time are what two deliveries under one id have in common.
    pub(super) goes_by_time: bool,
    /// The key of the time in the body at which a request was signed.
    pub(super) signing_time: Option<String>,
    pub(super) payloads: Payloads,
}

impl Reader {
    /// Reads an event. `signed_id` is the id where it is in a header that is signed.
    pub(super) fn read(
        &self,
        headers: &HeaderMap,
        mut fields: Fields,
        signed_id: Option<EventId>,
    ) -> Result<Event, EventError> {
        let mut found = self.envelope.read(&fields.json)?;
        let topic = match (found.topic.take(), &self.topic_header) {
            (None, Some(name)) if self.topic_is_optional => unsigned_headers::optional(headers, name),
            (None, Some(name)) => Some(unsigned_headers::required(headers, name)?),
            (topic, _) => topic,
        };
        if let Some(name) = &self.repeats_topic {
            unsigned_headers::must_repeat(headers, name, topic.as_ref())?;
        }
        let topic = topic.map(|topic| with_action(topic, found.action.as_ref()));
        fields.id = signed_id.or_else(|| found.id.take());
        fields.unsigned = unsigned_headers::present(headers, self.id.header.iter().chain(&self.scope_header).cloned());
        fields.signed_at = found.signed_at;
        if self.goes_by_time {
            fields = fields.topic_and_time(topic, &found.time);
        } else {
            (fields.topic, fields.time) = (topic, found.time.at);
            if self.topic_header.is_some() {
                fields.fingerprint = Some(Fingerprint::of([fields.topic().as_bytes(), &fields.body]));
            }
        }
        self.identify(&mut fields, &found)?;
        Ok(JsonEvent::new(fields))
    }

    /// Adds what tells the event from others, where that is not the id alone.
    fn identify(&self, fields: &mut Fields, found: &Found) -> Result<(), EventError> {
        let identity = match (&self.signing_time, &fields.id) {
            (_, Some(id)) if self.scope_header.is_some() => Identity::signed(id.clone()),
            (_, Some(id)) => {
                let key = found.scope.as_ref().and_then(|scope| scoped(scope, id));
                fields.identity = key.map(Identity::signed);
                return Ok(());
            }
            (Some(key), None) => {
                let id = id_without(&fields.body, key, found.signed_at_as_written.as_deref())?;
                fields.fingerprint = Some(Fingerprint::of([fields.topic().as_bytes(), id.as_str().as_bytes()]));
                Identity::signed(id)
            }
            (None, None) => Identity::of_body(),
        };
        let header = |name: &Option<HeaderName>| name.as_ref().and_then(|name| fields.unsigned(name));
        let topic = fields.topic();
        // A scope is part of the key even where its header is missing.
        let scope = self
            .scope_header
            .as_ref()
            .map(|_| header(&self.scope_header).unwrap_or_default());
        fields.identity = Some(match (header(&self.id.header), scope, &fields.id) {
            (Some(id), Some(scope), _) => identity.with_unsigned(id, &[topic, scope]),
            (Some(id), None, _) => identity.with_unsigned(id, &[topic]),
            (None, Some(scope), id) => identity.with_unsigned(id.as_ref().map_or("", EventId::as_str), &[scope]),
            // Two topics may have one body: the header that tells them apart is part of the event.
            (None, None, _) if self.topic_header.is_some() => identity.with_unsigned("", &[topic]),
            (None, None, _) => identity,
        });
        Ok(())
    }
}
