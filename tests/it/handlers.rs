//! Topic routers and handler errors.

use std::sync::{Arc, Mutex};

use tower::ServiceExt as _;
use tower_webhook::{
    Delivery, HandlerError, ResultExt, TopicRouter,
    delivery::Claim,
    dwolla::{self, Topic},
    handler::FromDelivery,
};

use crate::endpoint::{Endpoint, Event, event_of, signed};

type Seen = Arc<Mutex<Vec<&'static str>>>;

/// A handler that notes its name.
fn note(name: &'static str) -> impl Fn(Seen, Event) -> std::future::Ready<()> + Clone + Send + Sync + 'static {
    move |seen, _| {
        seen.lock().unwrap().push(name);
        std::future::ready(())
    }
}

async fn delivery(topic: &str) -> Delivery<Event> {
    // The only way to a delivery is a request.
    let taken: Arc<Mutex<Option<Delivery<Event>>>> = Arc::default();
    let keep = Arc::clone(&taken);
    let endpoint = Endpoint::http(move |request| {
        *keep.lock().unwrap() = request.extensions().get::<Delivery<Event>>().cloned();
        async { Ok(http::Response::default()) }
    });
    endpoint.send(signed(event_of("1", topic))).await.assert_acknowledged();
    taken.lock().unwrap().take().unwrap()
}

#[tokio::test]
async fn the_more_specific_handler_wins_and_a_beginning_stands_for_all_that_follows() {
    let seen = Seen::default();
    let router = TopicRouter::with_state(Arc::clone(&seen))
        .on("issues", note("issues"))
        .on(["issues.opened", "issues.opened.twice"], note("opened"))
        .fallback(note("fallback"));
    for topic in [
        "issues",
        "issues.closed",
        "issues.opened",
        "issues.opened.once",
        "issues.opened.twice",
        "issuesx",
        "pull",
    ] {
        router.clone().oneshot(delivery(topic).await).await.unwrap();
    }
    let expected = ["issues", "issues", "opened", "opened", "opened", "fallback", "fallback"];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_router_without_a_handler_for_the_topic_says_so_and_succeeds() {
    let router = TopicRouter::new().on(Topic::CustomerVerified, async |_: dwolla::Event| ());
    assert!(router.handles("customer_verified"));
    assert!(!router.handles("customer_created"));
    assert!(router.oneshot(delivery("customer_created").await).await.is_ok());
}

#[test]
fn topics_lists_what_is_registered() {
    let handler = async |_: dwolla::Event| ();
    let router = TopicRouter::new()
        .on([Topic::TransferFailed, Topic::TransferCompleted], handler)
        .on("a_topic_of_tomorrow", handler)
        .fallback(handler);
    assert_eq!(
        router.topics().collect::<Vec<_>>(),
        ["a_topic_of_tomorrow", "transfer_completed", "transfer_failed"]
    );
}

#[test]
#[should_panic(expected = "the topic `customer_verified` already has a handler; expected one handler for each topic")]
fn a_topic_registered_twice_panics() {
    let handler = async |_: dwolla::Event| ();
    let _ = TopicRouter::new()
        .on(Topic::CustomerVerified, handler)
        .on(["x", "customer_verified"], handler);
}

#[test]
fn that_panic_is_at_the_line_that_registers_it() {
    let line = Arc::new(Mutex::new(0));
    let keep = Arc::clone(&line);
    let handler = async |_: dwolla::Event| ();
    let router = TopicRouter::new().on("x", handler);
    let before = std::panic::take_hook();
    let here = std::thread::current().id();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().id() == here {
            *keep.lock().unwrap() = info.location().map_or(0, |location| location.line());
        }
    }));
    let registered = line!() + 1;
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| router.on("x", handler)));
    std::panic::set_hook(before);
    assert!(result.is_err());
    assert_eq!(*line.lock().unwrap(), registered);
}

#[test]
#[should_panic(expected = "the router already has a fallback; expected one")]
fn two_fallbacks_panic() {
    let handler = async |_: dwolla::Event| ();
    let _ = TopicRouter::new().fallback(handler).fallback(handler);
}

#[test]
#[should_panic(
    expected = "a handler cannot be registered for the empty topic; for all other topics there is `fallback`"
)]
fn an_empty_topic_panics() {
    let _ = TopicRouter::new().on("", async |_: dwolla::Event| ());
}

#[tokio::test]
async fn handlers_take_the_event_or_the_delivery_with_or_without_the_state() {
    #[derive(Clone)]
    struct State;
    #[derive(Debug)]
    struct OwnError;
    impl std::fmt::Display for OwnError {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("own")
        }
    }
    impl std::error::Error for OwnError {}

    async fn event(_: Event) {}
    async fn whole(_: Delivery<Event>) -> Result<(), OwnError> {
        Ok(())
    }
    async fn state_and_event(_: State, _: Event) -> Result<(), HandlerError> {
        Ok(())
    }
    async fn state_and_whole(_: State, _: Delivery<Event>) -> Result<(), String> {
        Err("text is an error too".to_owned())
    }
    let router = TopicRouter::with_state(State)
        .on("a", event)
        .on("b", whole)
        .on("c", state_and_event)
        .on("d", state_and_whole);
    for topic in ["a", "b", "c"] {
        assert!(router.clone().oneshot(delivery(topic).await).await.is_ok());
    }
    let error = router.oneshot(delivery("d").await).await.unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.is_permanent()),
        ("text is an error too", false)
    );
}

#[tokio::test]
async fn handlers_take_up_to_three_things_after_the_state() {
    type Noted = Arc<Mutex<Vec<String>>>;
    fn note(noted: &Noted, words: &[&str]) {
        noted.lock().unwrap().push(words.join(" "));
    }
    async fn state_and_two(noted: Noted, event: Event, claim: Claim) {
        note(&noted, &[event.topic().as_str(), &claim.attempt().to_string()]);
    }
    async fn state_and_three(noted: Noted, whole: Delivery<Event>, claim: Claim, event: Event) {
        assert_eq!(whole.event().id(), event.id());
        assert_eq!(whole.claim().generation(), claim.generation());
        note(&noted, &["three"]);
    }
    async fn two(_: Claim, event: Event) -> Result<(), HandlerError> {
        Err(HandlerError::permanent(event.id().as_str().to_owned()))
    }
    async fn three(_: Claim, _: Event, _: Delivery<Event>) {}

    /// A type that cannot be made of a delivery.
    #[derive(Debug)]
    struct Never;
    impl FromDelivery<Event> for Never {
        fn from_delivery(_: Delivery<Event>) -> Result<Self, HandlerError> {
            Err(HandlerError::permanent("never"))
        }
    }
    async fn the_second_is_missing(_: Noted, _: Claim, _: Never, _: Event) {
        unreachable!("it is not called")
    }

    let noted = Noted::default();
    let router = TopicRouter::with_state(Arc::clone(&noted))
        .on("a", state_and_two)
        .on("b", state_and_three)
        .on("c", two)
        .on("d", three)
        .on("e", the_second_is_missing);
    for topic in ["a", "b", "d"] {
        router.clone().oneshot(delivery(topic).await).await.unwrap();
    }
    assert_eq!(*noted.lock().unwrap(), ["a 1", "three"]);
    for (topic, expected) in [("c", "1"), ("e", "never")] {
        let error = router.clone().oneshot(delivery(topic).await).await.unwrap_err();
        assert_eq!((error.to_string().as_str(), error.is_permanent()), (expected, true));
    }
}

#[test]
fn the_last_word_on_an_error_counts() {
    let rejected: Result<(), HandlerError> = Err("x").retry_after(std::time::Duration::from_secs(1)).permanent();
    assert!(rejected.unwrap_err().is_permanent());
    let retried: Result<(), HandlerError> = Err("x").permanent().retry_after(std::time::Duration::from_secs(1));
    assert!(!retried.unwrap_err().is_permanent());
}
