//! Topics that a provider does not have: a handler for one never runs, so it is warned of when it
//! meets the layer.

use tower_webhook::{
    Delivery, MemoryStore, TopicRouter, WebhookLayer,
    dwolla::{self, Dwolla, Topic},
    event::Event,
    github::GitHub,
    provider::Provider,
    stripe::Stripe,
    svix::Svix,
};

use crate::logs::Capture;

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

async fn handle<E: Event>(_: Delivery<E>) {}

/// What is said when handlers for these topics meet a layer.
fn said<P: Provider>(provider: P, topics: impl IntoIterator<Item = &'static str>) -> String {
    let topics: Vec<_> = topics.into_iter().collect();
    let capture = Capture::start();
    let layer = WebhookLayer::new(provider, MemoryStore::new());
    let _service = layer.topics(TopicRouter::new().on(topics, handle));
    capture.text()
}

#[test]
fn a_topic_that_the_provider_does_not_have_is_warned_of_with_the_one_that_is_meant() {
    assert_eq!(
        said(Dwolla::new(SECRET).unwrap(), ["customer_verfied", "customer_verified"]),
        "WARN in None: message=a handler is registered for `customer_verfied`, which dwolla may never send: it is not among the 87 topics \
         known here; did you mean `customer_verified`?\n"
    );
}

#[test]
fn one_that_is_like_no_other_is_warned_of_without_a_guess() {
    assert_eq!(
        said(Dwolla::new(SECRET).unwrap(), ["invoice.paid"]),
        "WARN in None: message=a handler is registered for `invoice.paid`, which dwolla may never send: it is not among the 87 topics known \
         here\n"
    );
}

#[test]
fn every_topic_of_a_complete_list_is_known_and_so_are_beginnings() {
    let all = Topic::all().iter().map(Topic::as_str);
    assert_eq!(said(Dwolla::new(SECRET).unwrap(), all), "");
    assert_eq!(said(Dwolla::new(SECRET).unwrap(), ["external_party"]), "");
}

#[test]
fn of_common_names_only_a_near_miss_is_doubted() {
    let github = || GitHub::new(SECRET).unwrap();
    assert_eq!(said(github(), ["issues.reopened", "star", "issues", "ping"]), "");
    assert_eq!(
        said(github(), ["issues.opend"]),
        "WARN in None: message=a handler is registered for `issues.opend`, which github may never send: did you mean `issues.opened`?\n"
    );
    let stripe = Stripe::new("whsec_8f742231b10e8888abcd99yyyzzz85a5").unwrap();
    assert_eq!(
        said(stripe, ["invoice.piad", "invoice.voided"]),
        "WARN in None: message=a handler is registered for `invoice.piad`, which stripe may never send: did you mean `invoice.paid`?\n"
    );
}

#[test]
fn where_topics_are_the_applications_own_none_is_doubted() {
    let svix = Svix::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    assert_eq!(said(svix, ["whatever", "they.call.it"]), "");
}

#[test]
fn a_fallback_is_for_every_topic() {
    let capture = Capture::start();
    let layer = WebhookLayer::new(Dwolla::new(SECRET).unwrap(), MemoryStore::new());
    let _service = layer.topics(TopicRouter::new().fallback(handle::<dwolla::Event>));
    assert_eq!(capture.text(), "");
}
