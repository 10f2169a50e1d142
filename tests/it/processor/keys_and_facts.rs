//! Events that lack their key or their facts.

#![cfg(test)] // for clippy

use super::*;

/// An event of the user's own that breaks the promises of `SelfIdentified`.
#[derive(Clone)]
struct Careless {
    id: Option<EventId>,
    fingerprint: Option<Fingerprint>,
}

impl tower_webhook::event::Event for Careless {
    fn id(&self) -> Option<&EventId> {
        self.id.as_ref()
    }
    fn topic(&self) -> &str {
        "careless"
    }
    fn fingerprint(&self) -> Option<Fingerprint> {
        self.fingerprint
    }
}

impl SelfIdentified for Careless {}

struct OfCareless(Dwolla);

impl Provider for OfCareless {
    type Event = Careless;

    fn name(&self) -> &str {
        "careless"
    }
    fn verifier(&self) -> &tower_webhook::signature::Verifier {
        self.0.verifier()
    }
    fn event(&self, _: &HeaderMap, _: &Bytes) -> Result<Careless, tower_webhook::event::EventError> {
        unreachable!("nothing is delivered")
    }
    fn policy(&self) -> tower_webhook::provider::DeliveryPolicy {
        self.0.policy()
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_lacks_its_key_or_its_facts_is_refused_and_never_taken_for_another() {
    let layer = WebhookLayer::new(OfCareless(Dwolla::new(SECRET).unwrap()), MemoryStore::new());
    let processor = layer.processor(TopicRouter::new().on("careless", async |_: Careless| {}));
    let event = |id: Option<&str>, facts: Option<&str>| Careless {
        id: id.map(|id| EventId::new(id).unwrap()),
        fingerprint: facts.map(|facts| Fingerprint::of([facts])),
    };
    let no_id = processor.process_raw(event(None, Some("facts")), "body").await;
    assert_eq!(
        no_id.to_string(),
        "not-an-event: the event has no id; expected one: `SelfIdentified` promises it"
    );
    let no_facts = processor.process(event(Some("1"), None)).await;
    assert_eq!(
        no_facts.to_string(),
        "not-an-event: the event has no fingerprint, so its facts are not known; expected one, or the delivered body"
    );
    let with_body = processor.process_raw(event(Some("1"), None), "body").await;
    assert_eq!(with_body, Outcome::Handled);
}
