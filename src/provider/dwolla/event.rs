use std::{borrow::Cow, fmt, sync::Arc, time::SystemTime};

use serde::{Deserialize, Deserializer, de};

use super::{
    Topic,
    links::Links,
    texts::{Span, Texts},
};
use crate::{
    event::{self, EventError, EventId, Fingerprint},
    provider::lenient::Field,
};

/// An event, as a webhook delivers it or as the Events API lists it.
///
/// It needs an `id`, a `topic`, and `created` or `timestamp`. Everything else may be missing, and a
/// field of an unexpected type counts as missing: an odd correlation id is no reason to lose a
/// payment. An unreadable time is kept as text, and [`created`](Event::created) is `None`. Without
/// either time the body is something else, such as Dwolla's *webhook* resource, whose `id` is not
/// the event's.
///
/// Cheap to clone. `Debug` prints the id and the topic only, so that bodies do not get into logs.
///
/// ```
/// use tower_webhook::dwolla::{Event, Topic};
///
/// let body = br#"{
///     "id": "bb6531a2-5b13-4815-a83d-ed7a1fc70bd8",
///     "resourceId": "6c57f372-e9a0-47d4-91f3-ab2b3aae56f0",
///     "topic": "customer_created",
///     "created": "2019-02-04T14:58:45.144Z",
///     "_links": {
///         "account": {"href": "https://api-sandbox.dwolla.com/accounts/ad5f2162"},
///         "resource": {"href": "https://api-sandbox.dwolla.com/customers/6c57f372"}
///     }
/// }"#;
///
/// let event = Event::from_json(body)?;
/// assert_eq!(event.id().as_str(), "bb6531a2-5b13-4815-a83d-ed7a1fc70bd8");
/// assert_eq!(event.topic(), &Topic::CustomerCreated);
/// assert_eq!(event.resource_id(), Some("6c57f372-e9a0-47d4-91f3-ab2b3aae56f0"));
/// assert_eq!(event.is_sandbox(), Some(true));
/// assert_eq!(event.customer_href(), None);
///
/// let timeless = br#"{"id": "bb6531a2", "topic": "customer_created"}"#;
/// let error = Event::from_json(timeless).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "the event's created and timestamp are both missing; expected at least one of them",
/// );
/// # Ok::<(), tower_webhook::event::EventError>(())
/// ```
#[derive(Clone)]
pub struct Event(Arc<Fields>);

struct Fields {
    id: EventId,
    topic: Topic,
    texts: Texts,
    links: Vec<(Span, Span)>,
    resource_id: Option<Span>,
    created: Option<Span>,
    timestamp: Option<Span>,
    correlation_id: Option<Span>,
}

/// An event while it is read: the texts are still borrowed from the body.
#[derive(Deserialize)]
struct Body<'a> {
    id: EventId,
    topic: Topic,
    #[serde(borrow, rename = "resourceId", default)]
    resource_id: Field<'a>,
    #[serde(borrow, default)]
    created: Field<'a>,
    #[serde(borrow, default)]
    timestamp: Field<'a>,
    #[serde(borrow, rename = "correlationId", default)]
    correlation_id: Field<'a>,
    #[serde(rename = "_links", default)]
    links: Links,
}

impl Fields {
    fn text(&self, span: Option<Span>) -> Option<&str> {
        Some(self.texts.at(span?))
    }
}

impl From<Body<'_>> for Fields {
    fn from(body: Body<'_>) -> Self {
        let Links {
            mut texts,
            spans: links,
        } = body.links;
        let mut add = |text: &Field<'_>| text.as_str().map(|text| texts.add(text));
        Self {
            id: body.id,
            topic: body.topic,
            links,
            resource_id: add(&body.resource_id),
            created: add(&body.created),
            timestamp: add(&body.timestamp),
            correlation_id: add(&body.correlation_id),
            texts,
        }
    }
}

impl Event {
    /// Reads an event from its JSON. [`Dwolla`](super::Dwolla) does this for deliveries; use it for
    /// events that you fetched from the Events API.
    ///
    /// serde reads a page of events as a list: `Event` implements `Deserialize`.
    ///
    /// # Errors
    /// The JSON is not an object with an id, a topic and a time, or it has one of the fields twice.
    pub fn from_json(json: &[u8]) -> Result<Self, EventError> {
        event::from_json(json)
    }

    /// The event's id: the same in each delivery, each retry and each subscription, and in the
    /// Events API.
    #[must_use]
    pub fn id(&self) -> &EventId {
        &self.0.id
    }

    /// The topic. [`Topic::as_str`] is the text as Dwolla writes it.
    #[must_use]
    pub fn topic(&self) -> &Topic {
        &self.0.topic
    }

    /// The id of what the event is about: `resourceId`, or where that is missing the last segment
    /// of the `resource` link.
    ///
    /// Dwolla writes it in lower case now and wrote it in upper case before, so ignore the case
    /// when you compare. The topics `bank_transfer_*` and `customer_bank_transfer_*` name a
    /// transfer of their own, not the one that the API returned.
    #[must_use]
    pub fn resource_id(&self) -> Option<&str> {
        self.0
            .text(self.0.resource_id)
            .or_else(|| last_segment(self.resource_href()?))
    }

    /// When the event happened, by Dwolla's clock: `created`, else `timestamp`. `None` if neither
    /// can be read as a time in UTC.
    ///
    /// It does not order events: a transfer's creation and completion can have the same
    /// millisecond.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use tower_webhook::dwolla::Event;
    ///
    /// let event = Event::from_json(
    ///     br#"{"id": "1", "topic": "customer_created", "created": "2019-02-04T14:58:45.144Z"}"#,
    /// )?;
    /// let created = SystemTime::UNIX_EPOCH + Duration::from_millis(1_549_292_325_144);
    /// assert_eq!(event.created(), Some(created));
    ///
    /// let event = Event::from_json(
    ///     br#"{"id": "1", "topic": "customer_created", "created": "yesterday"}"#,
    /// )?;
    /// assert_eq!(event.created(), None);
    /// assert_eq!(event.created_text(), Some("yesterday"));
    /// # Ok::<(), tower_webhook::event::EventError>(())
    /// ```
    #[must_use]
    pub fn created(&self) -> Option<SystemTime> {
        [self.0.created, self.0.timestamp]
            .into_iter()
            .find_map(|span| read_time(self.0.text(span)?))
    }

    /// The text of `created`, else of `timestamp`; `None` if neither is a text.
    #[must_use]
    pub fn created_text(&self) -> Option<&str> {
        self.0.text(self.0.created.or(self.0.timestamp))
    }

    /// The correlation id that your application gave the transfer when it created it, on events of
    /// transfers.
    #[must_use]
    pub fn correlation_id(&self) -> Option<&str> {
        self.0.text(self.0.correlation_id)
    }

    /// The address of a link. The names seen are `self`, `account`, `resource`, `customer` and
    /// Connect's `external-party`.
    ///
    /// Send a token for Dwolla's API to the host that you configured, not to one that a body names.
    ///
    /// ```
    /// use tower_webhook::dwolla::Event;
    ///
    /// let event = Event::from_json(br#"{
    ///     "id": "1",
    ///     "topic": "external_party:created",
    ///     "created": "2024-01-31T12:00:00.000Z",
    ///     "_links": {"external-party": {"href": "https://api.dwolla.com/external-parties/5"}}
    /// }"#)?;
    /// assert_eq!(event.link("external-party"), Some("https://api.dwolla.com/external-parties/5"));
    /// assert_eq!(event.link("customer"), None);
    /// # Ok::<(), tower_webhook::event::EventError>(())
    /// ```
    #[must_use]
    pub fn link(&self, name: &str) -> Option<&str> {
        // If there are two of this name, the last: most JSON parsers do so.
        self.links()
            .filter(|(found, _)| *found == name)
            .last()
            .map(|(_, href)| href)
    }

    /// All links, as name and address.
    pub fn links(&self) -> impl Iterator<Item = (&str, &str)> {
        let Fields { texts, links, .. } = &*self.0;
        links.iter().map(|(name, href)| (texts.at(*name), texts.at(*href)))
    }

    /// The address of the event itself in the Events API.
    #[must_use]
    pub fn self_href(&self) -> Option<&str> {
        self.link("self")
    }

    /// The address of your account.
    #[must_use]
    pub fn account_href(&self) -> Option<&str> {
        self.link("account")
    }

    /// The address of what the event is about.
    #[must_use]
    pub fn resource_href(&self) -> Option<&str> {
        self.link("resource")
    }

    /// The address of the customer, on the topics that begin with `customer_`.
    #[must_use]
    pub fn customer_href(&self) -> Option<&str> {
        self.link("customer")
    }

    /// Whether the event is from Dwolla's sandbox, as the host of its links shows. `None` if there
    /// is no link, no known host, or if the links disagree.
    ///
    /// Sandbox and production sign alike. Where the two must never mix, give them different
    /// secrets, and check this too.
    #[must_use]
    pub fn is_sandbox(&self) -> Option<bool> {
        let mut hosts = self.links().filter_map(|(_, href)| match host(href)? {
            "api.dwolla.com" => Some(false),
            // The sandbox was called UAT until 2017.
            "api-sandbox.dwolla.com" | "api-uat.dwolla.com" => Some(true),
            _ => None,
        });
        let first = hosts.next()?;
        hosts.all(|other| other == first).then_some(first)
    }
}

impl event::Event for Event {
    fn id(&self) -> Option<&EventId> {
        Some(&self.0.id)
    }

    fn topic(&self) -> &str {
        self.0.topic.as_str()
    }

    fn time(&self) -> Option<SystemTime> {
        self.created()
    }

    /// Topic, resource and time: what all forms of one event have in common where their bytes
    /// differ (`timestamp` or not, typed links or not, another order). Ids are compared without
    /// case, since the case has changed over the years, and the time as the instant it names, since
    /// Dwolla writes times in several ways. An unreadable time goes in as text: it tells two events
    /// apart too.
    fn fingerprint(&self) -> Option<Fingerprint> {
        let mut resource = Cow::Borrowed(self.resource_id().unwrap_or_default());
        if resource.bytes().any(|byte| byte.is_ascii_uppercase()) {
            resource.to_mut().make_ascii_lowercase();
        }
        let instant = self
            .created()
            .and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        let topic = self.0.topic.as_str();
        Some(match instant {
            Some(since) => Fingerprint::of([
                topic.as_bytes(),
                resource.as_bytes(),
                b"at",
                &since.as_nanos().to_be_bytes(),
            ]),
            None => {
                let text = self.created_text().unwrap_or_default();
                Fingerprint::of([topic.as_bytes(), resource.as_bytes(), b"as", text.as_bytes()])
            }
        })
    }
}

impl event::SelfIdentified for Event {}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let body = Body::deserialize(deserializer)?;
        if body.created.is_absent() && body.timestamp.is_absent() {
            return Err(de::Error::custom(
                "the event's created and timestamp are both missing; expected at least one of them",
            ));
        }
        Ok(Self(Arc::new(body.into())))
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("id", &self.0.id)
            .field("topic", &self.0.topic)
            .finish_non_exhaustive()
    }
}

/// `2019-05-30T18:21:11.490Z` in events, `+00:00` or ` UTC` at the end elsewhere in Dwolla's API.
/// No other offset has been seen.
fn read_time(text: &str) -> Option<SystemTime> {
    // Nanoseconds and an offset make 35 bytes. The parser slices by bytes, so it gets ASCII only.
    if text.len() > 35 || !text.is_ascii() {
        return None;
    }
    match text.strip_suffix(" UTC") {
        Some(text) => humantime::parse_rfc3339_weak(text).ok(),
        None => humantime::parse_rfc3339(text).ok(),
    }
}

fn host(href: &str) -> Option<&str> {
    let (_, rest) = href.split_once("://")?;
    rest.split(['/', '?', '#']).next()
}

/// `6c57f372` of `https://api.dwolla.com/customers/6c57f372`.
fn last_segment(href: &str) -> Option<&str> {
    let (_, rest) = href.split_once("://")?;
    let path = rest.split(['?', '#']).next()?;
    let (_, path) = path.trim_end_matches('/').split_once('/')?;
    path.rsplit('/').next().filter(|segment| !segment.is_empty())
}
