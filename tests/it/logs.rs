//! What is said, to the log and by `Debug`, and what never is.

use std::{
    cell::RefCell,
    collections::HashMap,
    fmt::Write as _,
    sync::{Arc, Mutex, Once},
};

use http::HeaderValue;
use http_body_util::Full;
use tower_webhook::{Delivery, HandlerError, MemoryStore, WebhookLayer, dwolla::Dwolla, signature::Verifier};
use tracing::{
    Event as LogEvent, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, layer::Context, layer::SubscriberExt as _, registry::LookupSpan};

use crate::endpoint::{Endpoint, Event, SECRET, event, event_of, secrets, signature, signed, with_body};

/// Everything that is traced on this thread, as text; and the spans' fields. Each test has its own thread and a runtime on it.
///
/// One subscriber serves all tests: were there one for each, `tracing` could cache that nobody listens to a line which another
/// thread's test reached first.
#[derive(Clone, Default)]
pub(crate) struct Capture(Arc<Mutex<Captured>>);

thread_local! {
    static CAPTURE: RefCell<Option<Capture>> = const { RefCell::new(None) };
}

#[derive(Default)]
struct Captured {
    text: String,
    spans: Vec<HashMap<String, String>>,
    ids: HashMap<u64, usize>,
}

struct Fields<'a>(&'a mut HashMap<String, String>, &'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = writeln!(self.1, "{}={value:?}", field.name());
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}

/// Hands what is traced to the capture of the thread it is traced on.
struct ToThread;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for ToThread {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, _: Context<'_, S>) {
        Capture::of_thread(|Captured { text, spans, ids }| {
            let mut fields = HashMap::from([("name".to_owned(), attributes.metadata().name().to_owned())]);
            attributes.record(&mut Fields(&mut fields, text));
            ids.insert(id.into_u64(), spans.len());
            spans.push(fields);
        });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        Capture::of_thread(|Captured { text, spans, ids }| {
            if let Some(fields) = ids.get(&id.into_u64()).and_then(|index| spans.get_mut(*index)) {
                values.record(&mut Fields(fields, text));
            }
        });
    }

    fn on_event(&self, event: &LogEvent<'_>, context: Context<'_, S>) {
        let span = context.event_span(event).map(|span| span.name());
        Capture::of_thread(|Captured { text, .. }| {
            let _ = write!(text, "{} in {span:?}: ", event.metadata().level());
            event.record(&mut Fields(&mut HashMap::new(), text));
        });
    }
}

impl Capture {
    /// Captures what this thread traces from now on.
    pub(crate) fn start() -> Self {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            tracing::subscriber::set_global_default(tracing_subscriber::registry().with(ToThread)).unwrap()
        });
        let capture = Self::default();
        CAPTURE.set(Some(capture.clone()));
        capture
    }

    fn of_thread(note: impl FnOnce(&mut Captured)) {
        CAPTURE.with_borrow(|capture| {
            if let Some(Self(captured)) = capture {
                note(&mut captured.lock().unwrap());
            }
        });
    }

    /// The fields of the only span.
    #[track_caller]
    fn span(&self) -> HashMap<String, String> {
        let captured = self.0.lock().unwrap();
        assert_eq!(captured.spans.len(), 1, "{:?}", captured.spans);
        captured.spans[0].clone()
    }

    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap().text.clone()
    }
}

async fn succeed(_: Delivery<Event>) -> Result<(), HandlerError> {
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_delivery_has_one_span_with_all_that_is_known_of_it() {
    let capture = Capture::start();
    Endpoint::new(succeed).deliver("1").await.assert_acknowledged();
    let span = capture.span();
    let field = |name: &str| span.get(name).map(String::as_str);
    assert_eq!(field("name"), Some("webhook"));
    assert_eq!(field("sender"), Some("\"dwolla\""));
    assert_eq!((field("topic"), field("id")), (Some("customer_created"), Some("1")));
    assert_eq!((field("attempt"), field("outcome")), (Some("1"), Some("\"handled\"")));
    assert_eq!(
        capture
            .text()
            .matches("INFO in Some(\"webhook\"): message=handled")
            .count(),
        1,
        "{}",
        capture.text()
    );
}

#[tokio::test(start_paused = true)]
async fn the_span_follows_the_handler_into_its_task() {
    let capture = Capture::start();
    let endpoint = Endpoint::new(async |_| {
        tokio::task::yield_now().await;
        tracing::info!("from the handler");
        Ok(())
    });
    endpoint.deliver("1").await.assert_acknowledged();
    assert!(
        capture
            .text()
            .contains("INFO in Some(\"webhook\"): message=from the handler"),
        "{}",
        capture.text()
    );
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_an_error_with_its_reason_and_a_forgery_a_warning_with_its() {
    let capture = Capture::start();
    Endpoint::new(async |_| Err(HandlerError::retry("the ledger is down")))
        .deliver("1")
        .await;
    let span = capture.span();
    assert_eq!(span["reason"], "\"the ledger is down\"");
    assert!(
        capture
            .text()
            .contains("ERROR in Some(\"webhook\"): message=handler-failed"),
        "{}",
        capture.text()
    );

    let capture = Capture::start();
    Endpoint::new(succeed)
        .send(with_body(signature(b"{}"), Full::from(event("1"))))
        .await;
    let span = capture.span();
    assert!(
        span["reason"].contains("the tag matches none of the 1 secret(s)"),
        "{span:?}"
    );
    assert!(!span.contains_key("id"), "nothing of an unauthenticated body is logged");
    assert!(
        capture.text().contains("WARN in Some(\"webhook\"): message=signature"),
        "{}",
        capture.text()
    );
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_has_a_span_of_its_own() {
    let capture = Capture::start();
    let endpoint = Endpoint::new(succeed);
    endpoint.deliver("1").await;
    endpoint.deliver("1").await;
    let captured = capture.0.lock().unwrap();
    let outcomes: Vec<_> = captured.spans.iter().map(|span| span["outcome"].as_str()).collect();
    assert_eq!(outcomes, ["\"handled\"", "\"duplicate\""]);
}

#[tokio::test(start_paused = true)]
async fn of_many_copies_one_is_logged_as_handled() {
    let capture = Capture::start();
    let endpoint = Endpoint::new(async |_| {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        Ok(())
    });
    let copies: Vec<_> = (0..5).map(|_| endpoint.spawn("1")).collect();
    for copy in copies {
        copy.await.unwrap().assert_acknowledged();
    }
    let text = capture.text();
    assert_eq!(
        (
            text.matches("message=handled").count(),
            text.matches("message=duplicate").count()
        ),
        (1, 4),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn ids_and_topics_are_escaped_and_cut_at_64_characters() {
    let capture = Capture::start();
    let endpoint = Endpoint::new(succeed);
    let long = "ж".repeat(100);
    endpoint
        .send(signed(event_of(&long, &format!("\u{202e}{long}"))))
        .await
        .assert_acknowledged();
    let span = capture.span();
    assert_eq!(span["id"], format!("{}…", "ж".repeat(64)));
    assert_eq!(span["topic"], format!("\\u{{202e}}{}…", "ж".repeat(63)));
}

#[tokio::test(start_paused = true)]
async fn no_secret_tag_or_body_is_in_any_log_answer_or_debug_output() {
    const MARK: &str = "Private-Marker-9d1f";
    let capture = Capture::start();
    let body = event("1").replace("6c57f372", MARK);
    let headers = signature(body.as_bytes());
    let tag = headers["x-request-signature-sha-256"].to_str().unwrap().to_owned();
    let mut said = String::new();

    // Debug output, from the inside.
    let debugged: Arc<Mutex<String>> = Arc::default();
    let keep = Arc::clone(&debugged);
    let endpoint = Endpoint::new(move |delivery: Delivery<Event>| {
        let keep = Arc::clone(&keep);
        async move {
            *keep.lock().unwrap() = format!("{delivery:?} {:?} {:?}", delivery.event(), delivery.claim());
            Ok(())
        }
    });
    // Accepted, duplicate, conflicting, forged in every way, and authentic nonsense that holds the marker in every place.
    let accepted = endpoint
        .send(with_body(headers.clone(), Full::from(body.clone())))
        .await;
    said += &format!("{accepted:?}");
    said += &format!(
        "{:?}",
        endpoint
            .send(with_body(headers.clone(), Full::from(body.clone())))
            .await
    );
    said += &format!("{:?}", endpoint.send(signed(event("1"))).await);
    for value in [
        &tag[1..],
        &tag.to_uppercase(),
        &format!("{tag}, {tag}"),
        &"0".repeat(64),
    ] {
        let mut forged = headers.clone();
        forged.insert("x-request-signature-sha-256", HeaderValue::from_str(value).unwrap());
        said += &format!("{:?}", endpoint.send(with_body(forged, Full::from(body.clone()))).await);
    }
    said += &format!(
        "{:?}",
        endpoint.send(with_body(headers, Full::from(format!("{body} ")))).await
    );
    for nonsense in [
        format!("{MARK:?}"),
        MARK.to_owned(),
        format!("{{\"id\":[{MARK:?}]}}"),
        format!("{{\"id\":\"2\",\"topic\":[{MARK:?}],\"created\":\"x\"}}"),
        format!("{{\"id\":\"{MARK}\\n\",\"topic\":\"x\",\"created\":\"x\"}}"),
        format!("{{\"id\":\"{MARK}\",\"{MARK}\":}}"),
    ] {
        let answer = endpoint.send(signed(&nonsense)).await;
        assert_eq!(answer.status.as_u16(), 400, "{nonsense}");
        said += &format!("{answer:?}");
    }
    let dwolla = Dwolla::new(SECRET).unwrap();
    let verifier = Verifier::new(&tower_webhook::dwolla::scheme(), &secrets()).unwrap();
    said += &format!("{dwolla:?} {verifier:?} {:?}", secrets());
    said += &format!("{:?}", WebhookLayer::new(dwolla, MemoryStore::new()));
    said += &debugged.lock().unwrap();
    said += &capture.text();

    assert!(said.contains("webhook") && said.len() > 2000, "something was said");
    for (name, private) in [("secret", SECRET), ("tag", tag.as_str()), ("body", MARK)] {
        assert!(!said.contains(private), "the {name} is in:\n{said}");
    }
}

#[test]
fn a_short_secret_is_taken_with_one_warning() {
    let capture = Capture::start();
    let _ = WebhookLayer::new(Dwolla::new("sshhhhhh").unwrap(), MemoryStore::new());
    let text = capture.text();
    assert_eq!(text.matches("WARN").count(), 1, "{text}");
    assert!(
        text.contains("a secret of dwolla has 8 bytes; expected at least 16"),
        "{text}"
    );

    let capture = Capture::start();
    let _ = WebhookLayer::new(Dwolla::new("sixteen bytes it").unwrap(), MemoryStore::new());
    assert_eq!(capture.text(), "");
}
