//! What is said, to the log and by `Debug`, and what never is.

mod lines;
mod refused_requests;
mod secrets;
mod spans;
mod stores;

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

/// What every line about the event 1 has, and these.
fn for_event<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("id", "1"), ("topic", "customer_created")], more].concat()
}
