//! What is said, to the log and by `Debug`, and what never is.

use std::{
    cell::RefCell,
    collections::HashMap,
    fmt::Write as _,
    sync::{Arc, Mutex, Once},
    time::Duration,
};

use http::HeaderValue;
use http_body_util::Full;
use tower_webhook::{
    Delivery, HandlerError, MemoryStore, TopicRouter, WebhookLayer,
    dwolla::Dwolla,
    signature::Verifier,
    store::{ClaimRequest, Claimed, Completion, Effect, IdempotencyStore, Key, Record as StoreRecord, StoreError},
    testing::{Fault, FaultyStore, Operation},
};
use tracing::{
    Event as LogEvent, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, layer::Context, layer::SubscriberExt as _, registry::LookupSpan};

use crate::body::{Script, Step};
use crate::endpoint::{Endpoint, Event, SECRET, event, event_of, secrets, signature, signed, with_body};

/// Everything that is traced on this thread, as text; and the spans' fields. Each test has its own
/// thread and a runtime on it.
///
/// One subscriber serves all tests: were there one for each, `tracing` could cache that nobody
/// listens to a line which another thread's test reached first.
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
    assert_eq!(field("provider"), Some("\"dwolla\""));
    assert_eq!(field("namespace"), Some("\"dwolla\""));
    assert_eq!(field("source"), Some("\"delivered\""));
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
    assert!(span["reason"].contains("the tag does not match the secret"), "{span:?}");
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
async fn ids_are_escaped_and_whole_and_topics_are_cut_at_80_characters() {
    let capture = Capture::start();
    let endpoint = Endpoint::new(succeed);
    let long = "ж".repeat(100);
    endpoint
        .send(signed(event_of(&long, &format!("\u{202e}{long}"))))
        .await
        .assert_acknowledged();
    let span = capture.span();
    assert_eq!(span["id"], long);
    assert_eq!(span["topic"], format!("\\u{{202e}}{}…", "ж".repeat(79)));
}

#[tokio::test(start_paused = true)]
async fn no_secret_tag_or_body_is_in_any_log_answer_or_debug_output() {
    const MARK: &str = "Private-Marker-9d1f";
    let capture = Capture::start();
    let body = event("1").replace("6c57f372", MARK);
    let headers = signature(body.as_bytes());
    let tag = headers["x-request-signature-sha-256"].to_str().unwrap().to_owned();
    let mut said = String::new();

    // Of what a service behind the layer gets, and of a handshake, whose body may be a tag.
    let behind = Arc::new(Mutex::new(String::new()));
    let keep = Arc::clone(&behind);
    let inner = Endpoint::http(move |request: http::Request<tower_webhook::layer::RequestBody>| {
        let keep = Arc::clone(&keep);
        async move {
            *keep.lock().unwrap() = format!("{request:?}");
            Ok(http::Response::new(Full::default()))
        }
    });
    inner.send(with_body(headers.clone(), Full::from(body.clone()))).await;
    let request = behind.lock().unwrap().clone();
    assert!(request.contains("RequestBody"), "{request}");
    assert!(!request.contains(MARK), "{request}");
    let handshake = tower_webhook::provider::Handshake::respond("application/json", MARK);
    assert!(!format!("{handshake:?}").contains(MARK));

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
    // Accepted, duplicate, conflicting, forged in every way, and authentic nonsense that holds the
    // marker in every place.
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
    // What is said of a request's head is neither its query nor what it is signed with.
    let mut with_query = with_body(signature(b"{}"), Full::from(body.clone()));
    *with_query.uri_mut() = format!("/webhooks/dwolla?token={MARK}").parse().unwrap();
    let cookie = HeaderValue::from_static(MARK);
    with_query.headers_mut().insert("cookie", cookie.clone());
    with_query.headers_mut().insert("authorization", cookie);
    said += &format!("{:?}", endpoint.send(with_query).await);
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

// ---- what one line says where there are no spans
// ---------------------------------------------------------------------------------------

type Line = HashMap<String, String>;

/// Each event with its level and fields, as a subscriber is told them that has every span filtered
/// out.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<Line>>>);

struct ToLine<'a>(&'a mut Line);

impl Visit for ToLine<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_event(&self, event: &LogEvent<'_>, context: Context<'_, S>) {
        assert!(context.event_span(event).is_none(), "{event:?}");
        let mut line = Line::from([("level".to_owned(), event.metadata().level().to_string())]);
        event.record(&mut ToLine(&mut line));
        self.0.lock().unwrap().push(line);
    }
}

impl Lines {
    /// What this thread logs from now on, filtered so.
    fn start<F: Layer<tracing_subscriber::Registry> + Send + Sync>(
        filter: F,
    ) -> (Self, tracing::subscriber::DefaultGuard)
    where
        Lines: Layer<tracing_subscriber::layer::Layered<F, tracing_subscriber::Registry>>,
        tracing_subscriber::layer::Layered<F, tracing_subscriber::Registry>: for<'a> LookupSpan<'a>,
    {
        let _ = Capture::start(); // see there: all that is traced has a listener
        let lines = Self::default();
        let subscriber = tracing_subscriber::registry().with(filter).with(lines.clone());
        (lines, tracing::subscriber::set_default(subscriber))
    }

    fn without_spans() -> (Self, tracing::subscriber::DefaultGuard) {
        Self::start(tracing_subscriber::filter::filter_fn(|metadata| metadata.is_event()))
    }

    fn at_warn() -> (Self, tracing::subscriber::DefaultGuard) {
        Self::start(tracing_subscriber::filter::LevelFilter::WARN)
    }

    fn take(&self) -> Vec<Line> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// The only line since the last was taken: its level, and these fields. Every line has
    /// `provider`, `namespace`, `source` and `duration_ms`.
    #[track_caller]
    fn assert_one(&self, level: &str, expected: &[(&str, &str)]) {
        let lines = self.take();
        let [line] = &lines[..] else {
            panic!("expected one line: {lines:#?}")
        };
        let mut found = line.clone();
        let mut field = |name: &str| found.remove(name);
        assert_eq!(field("level").as_deref(), Some(level), "{line:#?}");
        assert_eq!(field("provider").as_deref(), Some("dwolla"), "{line:#?}");
        assert_eq!(field("namespace").as_deref(), Some("dwolla"), "{line:#?}");
        assert_eq!(field("source").as_deref(), Some("delivered"), "{line:#?}");
        let duration = field("duration_ms").map(|millis| millis.parse::<f64>());
        assert!(matches!(duration, Some(Ok(0.0..))), "{line:#?}");
        for (name, value) in expected {
            assert_eq!(field(name).as_deref(), Some(*value), "{name} in {line:#?}");
        }
        drop(field("message"));
        // What is not known is not there.
        assert!(found.is_empty(), "unexpected {found:?} in {line:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_was_handed_in_has_its_line_and_its_span_without_a_status() {
    let capture = Capture::start();
    let layer = WebhookLayer::new(Dwolla::new(SECRET).unwrap(), MemoryStore::new());
    let processor = layer.processor(TopicRouter::new().on("customer_created", succeed));
    let fetched = || Event::from_json(event("1").as_bytes()).unwrap();
    let _ = processor.process(fetched()).await;
    let span = capture.span();
    let field = |name: &str| span.get(name).map(String::as_str);
    assert_eq!((field("source"), field("id")), (Some("\"fetched\""), Some("1")));
    assert_eq!((field("attempt"), field("outcome")), (Some("1"), Some("\"handled\"")));

    let (lines, _guard) = Lines::without_spans();
    let _ = processor.process(fetched()).await;
    let lines = lines.take();
    let line = |name: &str| lines[0].get(name).map(String::as_str);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert_eq!((line("source"), line("outcome")), (Some("fetched"), Some("duplicate")));
    assert_eq!((line("id"), line("status")), (Some("1"), None));
}

/// What every line about the event 1 has, and these.
fn for_event<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("id", "1"), ("topic", "customer_created")], more].concat()
}

#[tokio::test(start_paused = true)]
async fn every_end_of_an_event_is_one_line_that_says_all_of_it() {
    let (lines, _guard) = Lines::without_spans();
    let attempt = |outcome, status, reason: &'static str| {
        let mut fields = for_event(&[("attempt", "1"), ("outcome", outcome), ("status", status)]);
        if !reason.is_empty() {
            fields.push(("reason", reason));
        }
        fields
    };

    let endpoint = Endpoint::new(succeed);
    endpoint.deliver("1").await;
    lines.assert_one("INFO", &attempt("handled", "200", ""));
    endpoint.deliver("1").await;
    lines.assert_one("INFO", &for_event(&[("outcome", "duplicate"), ("status", "200")]));
    let suspended = event_of("1", "customer_suspended");
    endpoint.send(signed(suspended)).await;
    let unhandled = [("outcome", "unhandled"), ("status", "200"), ("id", "1")];
    lines.assert_one("INFO", &[&unhandled[..], &[("topic", "customer_suspended")]].concat());
    let mut conflicting = event("1");
    conflicting = conflicting.replace("2019-02-04", "2019-02-05");
    endpoint.send(signed(conflicting)).await;
    let reason =
        "the id is recorded for another event; expected ids that name one event each: check the provider's id field";
    let conflict = [("outcome", "conflict"), ("status", "500"), ("reason", reason)];
    lines.assert_one("ERROR", &for_event(&conflict));

    for (error, level, outcome, status) in [
        (
            HandlerError::retry as fn(&'static str) -> HandlerError,
            "ERROR",
            "handler-failed",
            "500",
        ),
        (
            |text| HandlerError::retry_after(Duration::from_secs(9), text),
            "ERROR",
            "handler-failed",
            "503",
        ),
        (HandlerError::permanent, "WARN", "rejected", "200"),
    ] {
        let handler = move |_| std::future::ready(Err(error("the ledger is down")));
        Endpoint::new(handler).deliver("1").await;
        lines.assert_one(level, &attempt(outcome, status, "the ledger is down"));
    }
    let panics = Endpoint::new(async |_| panic!("no entry \"{}\"\n in {}", 7, "the ledger"));
    panics.deliver("1").await;
    let reason = r#"the handler panicked: no entry \"7\"\n in the ledger"#;
    lines.assert_one("ERROR", &attempt("handler-panicked", "500", reason));

    for (status, level, outcome, seen, reason) in [
        (201, "INFO", "handled", "201", ""),
        (
            404,
            "WARN",
            "inner-refused",
            "404",
            "the HTTP service refused the event",
        ),
        (
            302,
            "ERROR",
            "inner-response",
            "500",
            "the HTTP service responded 302; expected 2xx, 4xx or 5xx: a provider may never retry after any other",
        ),
    ] {
        let endpoint = Endpoint::http(move |_| {
            let response = http::Response::builder().status(status);
            std::future::ready(Ok(response.body(Full::default()).unwrap()))
        });
        endpoint.deliver("1").await;
        lines.assert_one(level, &attempt(outcome, seen, reason));
    }

    let endpoint = Endpoint::new(succeed);
    endpoint.store.fail(Operation::Claim, Fault::BeforeApplying, 1);
    endpoint.deliver("1").await;
    let reason = "the store is unavailable: told to fail before it applied the operation";
    lines.assert_one(
        "ERROR",
        &for_event(&[("outcome", "store"), ("status", "503"), ("reason", reason)]),
    );
    endpoint.store.fail(Operation::Claim, Fault::HangBeforeApplying, 1);
    endpoint.deliver("1").await;
    let reason = "the store is unavailable: it did not respond within 2s";
    lines.assert_one(
        "ERROR",
        &for_event(&[("outcome", "store"), ("status", "503"), ("reason", reason)]),
    );
    endpoint
        .store
        .claim(&crate::fixtures::claim_request_of_another_process("1"))
        .await
        .unwrap();
    endpoint.deliver("1").await;
    let reason = "another process runs this event";
    lines.assert_one(
        "WARN",
        &for_event(&[("outcome", "in-flight"), ("status", "503"), ("reason", reason)]),
    );
}

#[tokio::test(start_paused = true)]
async fn the_line_has_the_status_that_the_provider_got_and_the_time_from_arrival_to_the_end() {
    let (lines, _guard) = Lines::without_spans();
    let slow = Endpoint::with(
        async |_| {
            tokio::time::sleep(Duration::from_millis(10_500)).await;
            Ok(())
        },
        |builder| builder.max_waiting(1),
    );
    let first = slow.spawn("1");
    tokio::task::yield_now().await;
    let second = slow.spawn("1");
    tokio::task::yield_now().await;
    // Too many wait.
    slow.deliver("1").await;
    let reason = "too many deliveries wait for this event";
    lines.assert_one(
        "WARN",
        &for_event(&[("outcome", "too-many-waiting"), ("status", "503"), ("reason", reason)]),
    );
    // Both are answered at their deadline, while it runs.
    first.await.unwrap();
    second.await.unwrap();
    let mut late = lines.take();
    assert_eq!(late.len(), 2, "{late:#?}");
    for line in &mut late {
        let field = |name: &str| line.get(name).map(String::as_str);
        assert_eq!((field("level"), field("id")), (Some("WARN"), Some("1")), "{line:#?}");
        assert_eq!(
            (field("outcome"), field("status")),
            (Some("still-running"), Some("503"))
        );
        assert_eq!(
            field("reason"),
            Some("the response was due before the handler had finished")
        );
        assert_eq!(field("duration_ms"), Some("8000.0"));
    }
    // The run's own line says what it was answered, long ago.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let lines_of_run = lines.take();
    let [line] = &lines_of_run[..] else {
        panic!("{lines_of_run:#?}")
    };
    let field = |name: &str| line.get(name).map(String::as_str);
    assert_eq!((field("outcome"), field("status")), (Some("handled"), Some("503")));
    assert_eq!(field("duration_ms"), Some("10500.0"));

    // Who waits for a run gets its end.
    let waited = Endpoint::new(async |_| {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(())
    });
    let (first, second) = (waited.spawn("1"), waited.spawn("1"));
    let _ = (first.await, second.await);
    let reasons: Vec<_> = lines
        .take()
        .into_iter()
        .map(|mut line| (line.remove("outcome"), line.remove("reason"), line.remove("status")))
        .collect();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        reasons,
        [
            (text("handled"), None, text("200")),
            (
                text("duplicate"),
                text("handled by the delivery it waited for"),
                text("200")
            ),
        ]
    );

    // A provider that has hung up got none.
    let hung_up = waited.spawn("2");
    tokio::time::sleep(Duration::from_millis(500)).await;
    hung_up.abort();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let fields = [
        ("outcome", "handled"),
        ("attempt", "1"),
        ("id", "2"),
        ("topic", "customer_created"),
    ];
    lines.assert_one("INFO", &fields);

    // A handler that was cancelled, by its cap and by a drain.
    for (cap, outcome, reason) in [
        (
            Some(2),
            "handler-timeout",
            "the handler was cancelled after its cap of 2s",
        ),
        (None, "draining", "the handler was cancelled by a drain"),
    ] {
        let endless = Endpoint::with(
            async |_| std::future::pending().await,
            |builder| match cap {
                Some(seconds) => builder.handler_timeout(Duration::from_secs(seconds)),
                None => builder,
            },
        );
        let call = endless.spawn("1");
        tokio::task::yield_now().await;
        if cap.is_none() {
            drop(endless.handle.drain(Duration::from_secs(1)).await);
        }
        call.await.unwrap();
        let level = if cap.is_some() { "ERROR" } else { "WARN" };
        let fields = [
            ("attempt", "1"),
            ("outcome", outcome),
            ("status", "503"),
            ("reason", reason),
        ];
        lines.assert_one(level, &for_event(&fields));
    }
}

#[tokio::test(start_paused = true)]
async fn at_warn_one_line_says_all_of_a_request_that_was_refused_before_it_was_an_event() {
    let (lines, _guard) = Lines::at_warn();
    let endpoint = Endpoint::new(succeed);
    let body = event("1");
    let length = body.len().to_string();
    let request = |headers: http::HeaderMap| {
        let mut request = with_body(headers, Full::from(event("1")));
        let headers = request.headers_mut();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        headers.insert("content-length", HeaderValue::from(event("1").len()));
        request
    };
    let head = [
        ("method", "POST"),
        ("path", "/webhooks/dwolla"),
        ("content_type", "application/json"),
        ("content_length", length.as_str()),
    ];
    let signed_with = |tag: &str| {
        let mut headers = http::HeaderMap::new();
        headers.insert("x-request-signature-sha-256", HeaderValue::from_str(tag).unwrap());
        headers
    };
    let right = signature(body.as_bytes());
    let of_other = signature(b"{}");

    // Whether the tag has the right form is what tells a wrong secret from a proxy that changes
    // headers.
    for (headers, signature, read, reason) in [
        (
            http::HeaderMap::new(),
            "missing",
            "0",
            "no signature: expected the header x-request-signature-sha-256 or x-request-signature; check that the request comes \
             from the provider and that no proxy drops the header",
        ),
        (
            signed_with("abc"),
            "malformed",
            "0",
            "the tag in x-request-signature-sha-256 has 3 characters; expected 64 (HMAC-SHA256 in lower-case hex)",
        ),
        (
            of_other,
            "mismatch",
            length.as_str(),
            "the tag does not match the secret; expected the body's own: check that the secret is the one given to the \
             provider and that nothing before this layer changes the body",
        ),
    ] {
        endpoint
            .send(request(headers))
            .await
            .assert_refused(401, tower_webhook::RefusalKind::Signature);
        let fields = [
            ("outcome", "signature"),
            ("status", "401"),
            ("signature", signature),
            ("body_length", read),
            ("reason", reason),
        ];
        lines.assert_one("WARN", &[&head[..], &fields].concat());
    }

    type Change = fn(&mut http::Request<crate::endpoint::TestBody>);
    let changes: [(Change, &str, &str, &str, &str, &str); 3] = [
        (
            |request| *request.method_mut() = http::Method::PUT,
            "method",
            "405",
            "the method is not POST; webhooks are posted",
            "method",
            "PUT",
        ),
        (
            |request| {
                drop(
                    request
                        .headers_mut()
                        .insert("content-encoding", HeaderValue::from_static("gzip")),
                )
            },
            "encoding",
            "415",
            "the body has a Content-Encoding; expected none: the signature is over plain bytes",
            "",
            "",
        ),
        (
            |request| {
                drop(
                    request
                        .headers_mut()
                        .insert("content-length", HeaderValue::from_static("262145")),
                )
            },
            "too-large",
            "413",
            "the body is larger than the limit of 262144 bytes",
            "content_length",
            "262145",
        ),
    ];
    for (change, outcome, status, reason, name, value) in changes {
        let mut request = request(right.clone());
        change(&mut request);
        endpoint.send(request).await;
        let mut fields = head.to_vec();
        fields.retain(|(field, _)| *field != name);
        if !name.is_empty() {
            fields.push((name, value));
        }
        fields.extend([
            ("outcome", outcome),
            ("status", status),
            ("reason", reason),
            ("body_length", "0"),
        ]);
        lines.assert_one("WARN", &fields);
    }

    // The body's own troubles: how much of it came is said.
    for (steps, limit, outcome, status, reason, read) in [
        (
            vec![Step::Data("abc".into()), Step::Stall],
            1000,
            "too-slow",
            "408",
            "the body did not arrive before its deadline",
            "3",
        ),
        (
            vec![Step::Data("abcd".into()), Step::Error],
            1000,
            "broken-body",
            "400",
            "the body broke off before its end",
            "4",
        ),
        (
            vec![Step::Data("abcde".into())],
            4,
            "too-large",
            "413",
            "the body is larger than the limit of 4 bytes",
            "5",
        ),
    ] {
        let endpoint = Endpoint::with(succeed, |builder| builder.body_limit(limit));
        endpoint.send(with_body(right.clone(), Script::new(steps))).await;
        let fields = [
            ("method", "POST"),
            ("path", "/webhooks/dwolla"),
            ("outcome", outcome),
            ("status", status),
            ("reason", reason),
            ("body_length", read),
        ];
        lines.assert_one("WARN", &fields);
    }

    // Authentic, and no event.
    endpoint
        .send(signed("[]"))
        .await
        .assert_refused(400, tower_webhook::RefusalKind::NotAnEvent);
    let taken = lines.take();
    let field = |name: &str| taken[0].get(name).map(String::as_str);
    assert_eq!(
        (taken.len(), field("outcome"), field("body_length")),
        (1, Some("not-an-event"), Some("2"))
    );

    // Over capacity, and closed.
    let full = Endpoint::with(succeed, |builder| builder.max_in_flight(1));
    let (held, stalled) = (full.clone(), with_body(right.clone(), Script::new([Step::Stall])));
    let held = tokio::spawn(async move { held.send(stalled).await });
    tokio::task::yield_now().await;
    full.send(request(right.clone())).await;
    let fields = [
        ("outcome", "overloaded"),
        ("status", "503"),
        ("reason", "1 requests are in flight; expected fewer"),
        ("body_length", "0"),
    ];
    lines.assert_one("WARN", &[&head[..], &fields].concat());
    held.abort();
    drop(full.handle.drain(Duration::ZERO).await);
    full.send(request(right.clone())).await;
    let fields = [
        ("outcome", "draining"),
        ("status", "503"),
        ("reason", "the layer is draining"),
        ("body_length", "0"),
    ];
    lines.assert_one("WARN", &[&head[..], &fields].concat());
}

#[tokio::test(start_paused = true)]
async fn what_strangers_choose_is_escaped_and_cut_in_a_line() {
    let (lines, _guard) = Lines::at_warn();
    let mut request = with_body(http::HeaderMap::new(), Full::from(event("1")));
    *request.uri_mut() = format!("/{}?token=secret", "a\"b".repeat(100).replace('"', "'"))
        .parse()
        .unwrap();
    let value = HeaderValue::from_bytes(&[&b"te\xffxt\t\""[..], &[b'x'; 200]].concat()).unwrap();
    request.headers_mut().insert("content-type", value);
    Endpoint::new(succeed).send(request).await;
    let taken = lines.take();
    let path = &taken[0]["path"];
    assert!(
        path.starts_with("/a\\'ba\\'b") && path.ends_with('…') && path.len() < 170,
        "{path}"
    );
    let content_type = &taken[0]["content_type"];
    assert!(
        content_type.starts_with("te\u{fffd}xt\\t\\\"xxx") && content_type.ends_with("x…"),
        "{content_type}"
    );

    // A panic's text, too, and one without text.
    let endpoint = Endpoint::new(async |_| panic!("{}", "\u{1b}[31m".repeat(100)));
    endpoint.deliver("1").await;
    let reason = lines.take()[0]["reason"].clone();
    assert!(
        reason.starts_with(r"the handler panicked: \u{1b}[31m\u{1b}[31m") && reason.ends_with('…'),
        "{reason}"
    );
    assert!(reason.len() < 1500, "{reason}");
    let endpoint = Endpoint::new(async |_| std::panic::panic_any(7_u8));
    endpoint.deliver("1").await;
    assert_eq!(
        lines.take()[0]["reason"],
        "the handler panicked: it says nothing that is text"
    );
}

#[tokio::test(start_paused = true)]
async fn what_becomes_of_a_settlement_is_said_with_the_event() {
    let (lines, _guard) = Lines::at_warn();
    let endpoint = Endpoint::new(succeed);
    endpoint.store.fail(Operation::Complete, Fault::BeforeApplying, 1);
    endpoint.deliver("1").await.assert_acknowledged();
    let taken = lines.take();
    let field = |name: &str| taken[0].get(name).map(String::as_str);
    assert_eq!(
        (field("provider"), field("namespace"), field("id")),
        (Some("dwolla"), Some("dwolla"), Some("1"))
    );
    assert_eq!(
        field("message"),
        Some(
            "settling failed and goes on in the background: the store is unavailable: told to fail before it applied the operation"
        )
    );
}

/// A store that knows why it is waiting.
struct Trying;

impl IdempotencyStore for Trying {
    fn last_failure(&self) -> Option<String> {
        Some("db.internal:5432: Connection refused".to_owned())
    }
    async fn claim(&self, _: &ClaimRequest) -> Result<Claimed, StoreError> {
        std::future::pending().await
    }
    async fn renew(&self, _: &ClaimRequest) -> Result<Effect, StoreError> {
        std::future::pending().await
    }
    async fn complete(&self, _: &ClaimRequest, _: Completion) -> Result<Effect, StoreError> {
        std::future::pending().await
    }
    async fn release(&self, _: &ClaimRequest) -> Result<Effect, StoreError> {
        std::future::pending().await
    }
    async fn get(&self, _: &Key) -> Result<Option<StoreRecord>, StoreError> {
        std::future::pending().await
    }
    async fn forget(&self, _: &Key) -> Result<Effect, StoreError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_given_up_is_asked_what_it_knows() {
    let (lines, _guard) = Lines::at_warn();
    let layer = WebhookLayer::new(Dwolla::new(SECRET).unwrap(), FaultyStore::new(Arc::new(Trying)));
    let topics = TopicRouter::new().on("customer_created", succeed);
    let call = tower::ServiceExt::oneshot(layer.topics(topics), signed(event("1")));
    assert_eq!(call.await.unwrap().status().as_u16(), 503);
    let reason =
        "the store is unavailable: it did not respond within 2s, and before that: db.internal:5432: Connection refused";
    let fields = for_event(&[("outcome", "store"), ("status", "503"), ("reason", reason)]);
    lines.assert_one("ERROR", &fields);
}
