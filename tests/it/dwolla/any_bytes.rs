//! Any bytes at all: an event or a refusal, and never a panic.

#![cfg(test)] // for clippy

use proptest::prelude::*;
use serde_json::json;
use tower_webhook::{dwolla::Event, event::Event as _};

use super::{FORMS, event};

/// Every accessor, on whatever was parsed.
fn read_all(event: &Event) {
    let _ = (
        event.fingerprint(),
        event.time(),
        event.created_text(),
        event.correlation_id(),
        event.resource_id(),
    );
    let _ = (
        event.is_sandbox(),
        event.links().count(),
        event.customer_href(),
        format!("{event:?}"),
    );
}

proptest! {
    #[test]
    fn any_bytes_are_an_event_or_a_refusal(body in prop::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(event) = Event::from_json(&body) {
            read_all(&event);
        }
    }

    #[test]
    fn any_change_to_a_body_makes_an_event_or_a_refusal(
        form in 0..FORMS.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..6),
    ) {
        let mut body = FORMS[form].to_vec();
        for (at, byte, how) in changes {
            let at = at.index(body.len());
            match how {
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                _ => drop(body.remove(at)),
            }
        }
        if let Ok(event) = Event::from_json(&body) {
            read_all(&event);
        }
    }

    #[test]
    fn any_text_as_a_time_or_a_link_is_an_event(time in "[-0-9TZ:.+ UTCé]{0,40}", href in "(https?://)?[a-zé/?#.:]{0,30}") {
        let body = json!({"id": "1", "topic": "t", "created": time, "_links": {"resource": {"href": href}}});
        read_all(&event(body.to_string()));
    }
}
