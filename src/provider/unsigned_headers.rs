//! Headers that a provider sends and does not sign.

use http::{HeaderMap, HeaderName};

use crate::event::{EventError, EventErrorKind, EventId};

/// The value that an event cannot be without.
pub(super) fn required(headers: &HeaderMap, name: &HeaderName) -> Result<EventId, EventError> {
    read(headers, name)
        .map_err(|wrong| EventError::new(EventErrorKind::Field, format!("the event's header {name} {wrong}")))
}

/// The value, if there is one and it is in order.
pub(super) fn optional(headers: &HeaderMap, name: &HeaderName) -> Option<EventId> {
    read(headers, name).ok()
}

/// Those of these headers that are in order. The event depends on none of them, so an odd one is
/// left out.
pub(super) fn present(headers: &HeaderMap, names: impl IntoIterator<Item = HeaderName>) -> Vec<(HeaderName, EventId)> {
    let named = names.into_iter().map(|name| (optional(headers, &name), name));
    named.filter_map(|(value, name)| Some((name, value?))).collect()
}

/// Refuses a request whose header says another topic than its signed body. A request without the
/// header is not refused.
pub(super) fn must_repeat(headers: &HeaderMap, name: &HeaderName, topic: Option<&EventId>) -> Result<(), EventError> {
    if !headers.contains_key(name) || optional(headers, name).as_ref() == topic {
        return Ok(());
    }
    let message =
        format!("the event's header {name} and its body disagree on the topic; expected the body's, which is signed");
    Err(EventError::new(EventErrorKind::Field, message))
}

/// The header's only value, under the rules of an id. Gateways repeat headers, so equal values
/// count as one.
fn read(headers: &HeaderMap, name: &HeaderName) -> Result<EventId, String> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Err("is missing; expected it once".to_owned());
    };
    if values.any(|other| other != value) {
        let times = headers.get_all(name).iter().count();
        return Err(format!(
            "is there {times} times with different values; expected one value"
        ));
    }
    let text = value
        .to_str()
        .map_err(|_| "is not printable ASCII; expected 1 to 255 bytes of it".to_owned())?;
    EventId::new(text).map_err(|error| error.wrong())
}
