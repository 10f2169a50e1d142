//! The whole service: requests of every shape, one after the other beside a model that foretells
//! each answer, or all at once.

use std::{
    collections::{HashMap, VecDeque},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};
use tower_webhook::{Delivery, HandlerError, ResultExt as _};

use super::{Input, event::expected, json::write_event, signature::Form};
use crate::endpoint::{Endpoint, Event, SECRET, TestBody, event, signed, with_body};

const FORM: Form = Form {
    names: &["x-request-signature-sha-256", "x-request-signature"],
    sha512: false,
    text: super::signature::Text::Hex,
    prefix: "",
    before: "",
    after: "",
};

/// Little room, so that bodies meet its end: for one body, and for all unauthenticated ones
/// together.
const LIMIT: usize = 1024;
const ROOM: usize = LIMIT + LIMIT / 4;
const IN_FLIGHT: usize = 3;

/// Four of them are more than the 5 s that a body may take, three are less, and no sum is 5 s.
const PAUSE: Duration = Duration::from_millis(1300);

/// The id of the event that ends each run.
const LAST: &str = "3f2b7a54-the-last-one";

pub(crate) fn check(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(run(&mut Input::new(bytes)));
}

async fn run(input: &mut Input<'_>) {
    // What a seed is: a body to be accepted, alone.
    let is_seed = input.one_in(64);
    let at_once = input.one_in(4);
    let mut ends = Input::new(if is_seed { &[] } else { input.bytes(8) });
    let plans: Vec<_> = match is_seed {
        true => vec![Plan::plain(input.rest().to_vec())],
        false => (0..=input.below(6)).map(|_| Plan::take(input)).collect(),
    };
    let plans: Vec<_> = plans
        .into_iter()
        .filter(|plan| expected(&plan.body).is_none_or(|event| event.id != LAST))
        .collect();
    let ends: Vec<_> = plans.iter().map(|_| ends.pick(&ENDS)).collect();
    let handler = Arc::new(Mutex::new(Handler::default()));
    let endpoint = {
        let handler = Arc::clone(&handler);
        let run = move |delivery: Delivery<Event>| {
            let mut handler = handler.lock().unwrap();
            let end = match ends.get(handler.runs.len()) {
                Some(end) if delivery.event().id().as_str() != LAST => *end,
                _ => End::Success,
            };
            let id = delivery.event().id().to_string();
            handler.runs.push((id, delivery.body().clone(), end));
            async move {
                if at_once {
                    sleep(PAUSE).await;
                }
                end.result()
            }
        };
        Endpoint::with(run, |builder| {
            builder
                .body_limit(LIMIT)
                .max_unauthenticated_bytes(ROOM)
                .max_in_flight(IN_FLIGHT)
        })
    };
    let gauge = Arc::<Gauge>::default();
    if at_once {
        all_at_once(&endpoint, &gauge, plans).await;
    } else {
        one_by_one(&endpoint, &gauge, &handler, plans).await;
    }

    // Nothing is held on to: the next event is taken, the largest too, however little room there
    // is.
    let last = event(LAST);
    let last = format!("{last}{}", " ".repeat(LIMIT - last.len()));
    for _ in 0..=IN_FLIGHT {
        endpoint.send(signed(&last)).await.assert_acknowledged();
    }
    let handler = std::mem::take(&mut *handler.lock().unwrap());
    let done = handler.runs.iter().filter(|(_, _, end)| end.is_done());
    let mut finished: Vec<_> = done.map(|(id, _, _)| id).collect();
    let runs = finished.len();
    finished.sort();
    finished.dedup();
    assert_eq!(runs, finished.len(), "an event was handled twice: {:?}", handler.runs);
    drop(endpoint.handle.drain(Duration::from_secs(60)).await);
    drop((handler, endpoint));
    assert_eq!(gauge.frames.load(SeqCst), 0, "frames are still held");
}

// ---- what is sent

struct Plan {
    method: Method,
    headers: HeaderMap,
    body: Vec<u8>,
    script: VecDeque<Step>,
    hint: u64,
}

#[derive(Debug)]
enum Step {
    Data(Vec<u8>),
    Trailers,
    Pause,
    Error,
}

impl Plan {
    fn plain(body: Vec<u8>) -> Self {
        Self {
            method: Method::POST,
            headers: crate::endpoint::signature(&body),
            script: VecDeque::from([Step::Data(body.clone())]),
            body,
            hint: 0,
        }
    }

    /// A forged request of the largest size, slow to come.
    fn stranger() -> Self {
        let body = vec![b' '; LIMIT];
        let pieces = body.chunks(LIMIT / 4);
        Self {
            headers: crate::endpoint::signature(b"another body"),
            script: pieces
                .flat_map(|piece| [Step::Data(piece.to_vec()), Step::Pause])
                .take(7)
                .collect(),
            ..Self::plain(body)
        }
    }

    fn take(input: &mut Input<'_>) -> Self {
        if input.one_in(6) {
            return Self::stranger();
        }
        let mut body = if input.one_in(8) {
            let length = input.up_to(2 * LIMIT);
            input.bytes(length).to_vec()
        } else {
            write_event(input)
        };
        if input.one_in(8) && body.len() < LIMIT {
            body.resize(LIMIT - 1 + input.below(3), b' ');
        }
        let mut headers = HeaderMap::new();
        let secrets = [SECRET.as_bytes(), b"another secret"];
        let known = if input.one_in(8) { &secrets[..] } else { &secrets[..1] };
        for (name, times) in [
            (FORM.names[0], input.pick(&[1, 1, 1, 1, 1, 1, 1, 0, 0, 2])),
            (FORM.names[1], input.pick(&[0, 0, 0, 0, 1, 2])),
        ] {
            for _ in 0..times {
                if let Some(value) = FORM.value(input, known, &body) {
                    headers.append(name, value);
                }
            }
        }
        let method = match input.one_in(16) {
            true => input.pick(&["PUT", "GET", "post"]),
            false => "POST",
        };
        if input.one_in(16) {
            let value = input.pick(&["identity", "Identity , identity", "gzip", "", "identity,br"]);
            headers.insert("content-encoding", HeaderValue::from_static(value));
        }
        if input.one_in(8) {
            let value = input.pick(&[
                "0",
                "1024",
                "1025",
                " 7 ",
                "99999999999999999999999",
                "-1",
                "+5",
                "0x10",
                "",
            ]);
            headers.insert("content-length", HeaderValue::from_static(value));
        }
        if input.one_in(8) {
            let value = input.pick(&["customer_created", "transfer_failed"]);
            headers.insert("x-dwolla-topic", HeaderValue::from_static(value));
        }
        let hint = if input.one_in(16) {
            input.pick(&[1, 1024, 1025, u64::MAX])
        } else {
            0
        };
        Self {
            method: method.parse().unwrap(),
            script: script(input, &body),
            headers,
            body,
            hint,
        }
    }

    fn request(&self, script: VecDeque<Step>, gauge: &Arc<Gauge>, is_known: bool) -> (Request<TestBody>, Arc<Asked>) {
        let asked = Arc::new(Asked::default());
        let script = Script {
            script,
            pause: None,
            hint: self.hint,
            gauge: Arc::clone(gauge),
            asked: Arc::clone(&asked),
            is_known,
        };
        let mut request = with_body(self.headers.clone(), script);
        *request.method_mut() = self.method.clone();
        (request, asked)
    }

    /// Why the request is refused before its body is read.
    fn refused_unread(&self) -> Option<u16> {
        let header = |name| self.headers.get(name).map(HeaderValue::as_bytes);
        let length = match header("content-length") {
            Some(b"1025" | b"99999999999999999999999") => LIMIT as u64 + 1,
            _ => 0,
        };
        if self.method != Method::POST {
            Some(405)
        } else if matches!(header("content-encoding"), Some(b"gzip" | b"identity,br")) {
            Some(415)
        } else if FORM.claimed(&self.headers).is_err() {
            Some(401)
        } else if length.max(self.hint) > LIMIT as u64 {
            Some(413)
        } else {
            None
        }
    }

    /// Why the request is refused while its body is read.
    fn refused_reading(&self) -> Option<u16> {
        let (mut bytes, mut empty, mut paused) = (0, 0, Duration::ZERO);
        for step in &self.script {
            match step {
                Step::Error => return Some(400),
                Step::Pause => paused += PAUSE,
                Step::Data(data) => bytes += data.len(),
                Step::Trailers => {}
            }
            empty += usize::from(matches!(step, Step::Trailers) || matches!(step, Step::Data(data) if data.is_empty()));
            if paused > Duration::from_secs(5) || empty > 64 {
                return Some(408);
            }
            if bytes > LIMIT {
                return Some(413);
            }
        }
        None
    }

    fn is_authentic(&self) -> bool {
        FORM.verdict(&[SECRET.as_bytes()], &self.headers, &self.body).is_ok()
    }
}

/// The body in frames, with whatever else a connection can bring.
fn script(input: &mut Input<'_>, body: &[u8]) -> VecDeque<Step> {
    let mut script = VecDeque::new();
    let mut rest = body;
    while !rest.is_empty() {
        let length = match input.below(64) {
            // one frame is usual
            0..40 => rest.len(),
            40..44 => {
                script.push_back(Step::Pause);
                rest.len().min(200)
            }
            44..47 => {
                script.push_back(Step::Trailers);
                rest.len().min(50)
            }
            47 => {
                script.push_back(Step::Error);
                rest.len()
            }
            48..52 => {
                script.extend((0..input.below(80)).map(|_| Step::Data(Vec::new())));
                rest.len()
            }
            52..56 => 1,
            more => rest.len().min(more * 3),
        };
        script.push_back(Step::Data(rest[..length].to_vec()));
        rest = &rest[length..];
    }
    if input.one_in(8) {
        script.push_back(match input.below(3) {
            0 => Step::Trailers,
            1 => Step::Pause,
            _ => Step::Error,
        });
    }
    script
}

// ---- what a body is, and what is seen of it

/// What bodies have handed out.
#[derive(Default)]
struct Gauge {
    /// Bytes of forged requests that are not answered yet: at most these are held of them.
    strangers: AtomicUsize,
    /// Frames that somebody still has.
    frames: AtomicUsize,
}

/// What one body was asked.
#[derive(Default)]
struct Asked {
    polls: AtomicUsize,
    /// What was handed out, if the request is forged: none of it is held longer than until the
    /// response.
    held: AtomicUsize,
    /// From here on what is read is thrown away.
    is_answered: AtomicBool,
}

impl Asked {
    fn answered(&self, gauge: &Gauge) {
        self.is_answered.store(true, SeqCst);
        gauge.strangers.fetch_sub(self.held.swap(0, SeqCst), SeqCst);
    }
}

struct Data {
    bytes: Vec<u8>,
    gauge: Arc<Gauge>,
}

impl AsRef<[u8]> for Data {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        self.gauge.frames.fetch_sub(1, SeqCst);
    }
}

struct Script {
    script: VecDeque<Step>,
    pause: Option<Pin<Box<Sleep>>>,
    hint: u64,
    gauge: Arc<Gauge>,
    asked: Arc<Asked>,
    is_known: bool,
}

impl Drop for Script {
    fn drop(&mut self) {
        self.asked.answered(&self.gauge);
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.asked.polls.fetch_add(1, SeqCst);
        if let Some(pause) = &mut self.pause {
            std::task::ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        let gauge = Arc::clone(&self.gauge);
        Poll::Ready(match self.script.pop_front() {
            None => None,
            Some(Step::Trailers) => Some(Ok(Frame::trailers(HeaderMap::new()))),
            Some(Step::Error) => Some(Err(std::io::Error::other("reset by peer"))),
            Some(Step::Pause) => {
                self.pause = Some(Box::pin(sleep(PAUSE)));
                return self.poll_frame(cx);
            }
            Some(Step::Data(bytes)) => {
                if !self.is_known && !self.asked.is_answered.load(SeqCst) {
                    self.asked.held.fetch_add(bytes.len(), SeqCst);
                    let held = gauge.strangers.fetch_add(bytes.len(), SeqCst);
                    assert!(held <= ROOM, "{held} bytes of strangers are held, and more is read");
                }
                gauge.frames.fetch_add(1, SeqCst);
                Some(Ok(Frame::data(Bytes::from_owner(Data { bytes, gauge }))))
            }
        })
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::new();
        hint.set_lower(self.hint);
        hint
    }
}

// ---- what becomes of it

#[derive(Default)]
struct Handler {
    runs: Vec<(String, Bytes, End)>,
}

/// How a run of the handler ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Success,
    Failure,
    Later,
    Never,
}

const ENDS: [End; 8] = [
    End::Success,
    End::Success,
    End::Success,
    End::Success,
    End::Success,
    End::Failure,
    End::Later,
    End::Never,
];

impl End {
    fn result(self) -> Result<(), HandlerError> {
        match self {
            Self::Success => Ok(()),
            Self::Failure => Err("failed")?,
            Self::Later => Err("not yet").retry_after(Duration::from_secs(9)),
            Self::Never => Err("never").permanent(),
        }
    }

    fn is_done(self) -> bool {
        matches!(self, Self::Success | Self::Never)
    }

    fn status(self) -> u16 {
        match self {
            Self::Success | Self::Never => 200,
            Self::Failure => 500,
            Self::Later => 503,
        }
    }
}

/// One request after the other: each answer, each run and each touch of parser and store is
/// foretold.
async fn one_by_one(endpoint: &Endpoint, gauge: &Arc<Gauge>, handler: &Mutex<Handler>, plans: Vec<Plan>) {
    // What each id was last run with, and whether it is done: only then are other facts a conflict.
    let mut seen: HashMap<String, (String, bool)> = HashMap::new();
    let mut forged = None;
    for mut plan in plans {
        let touched = || (endpoint.parsed(), endpoint.store_calls(), endpoint.runs());
        let before = touched();
        let unread = plan.refused_unread();
        let refused = unread
            .or_else(|| plan.refused_reading())
            .or((!plan.is_authentic()).then_some(401));
        let script = std::mem::take(&mut plan.script);
        let (request, asked) = plan.request(script, gauge, plan.is_authentic());
        let answer = endpoint.send(request).await;
        let polls = asked.polls.load(SeqCst);
        asked.answered(gauge);
        let status = answer.status.as_u16();
        let shown = format!(
            "{} {:?} {}",
            plan.method,
            plan.headers,
            String::from_utf8_lossy(&plan.body)
        );

        if unread.is_some() {
            assert_eq!(polls, 0, "read: {shown}");
        }
        if let Some(expected) = refused {
            assert_eq!(status, expected, "{shown}");
            assert_eq!(touched(), before, "touched: {shown}");
            if status == 401 {
                let told = (answer.headers, answer.body);
                assert_eq!(
                    forged.get_or_insert_with(|| told.clone()),
                    &told,
                    "the answer tells why: {shown}"
                );
            }
            continue;
        }
        let (parsed, store, runs) = before;
        let Some(event) = expected(&plan.body) else {
            assert_eq!((status, touched()), (400, (parsed + 1, store, runs)), "{shown}");
            continue;
        };
        if event.topic != "customer_created" {
            assert_eq!((status, touched()), (200, (parsed + 1, store, runs)), "{shown}");
            continue;
        }
        let read = Event::from_json(&plan.body).unwrap();
        let resource = read.resource_id().map(str::to_ascii_lowercase);
        let instant = read
            .created()
            .and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        let facts = match instant {
            Some(instant) => format!("{resource:?} at {instant:?}"),
            None => format!("{resource:?} as {:?}", read.created_text()),
        };
        let expected = match seen.get(&event.id) {
            Some((other, true)) if *other != facts => 500,
            Some((_, true)) => 200,
            _ => {
                assert_eq!(endpoint.runs(), runs + 1, "did not run: {shown}");
                let (id, body, end) = handler.lock().unwrap().runs[runs].clone();
                assert_eq!((&id, &*body), (&event.id, &*plan.body), "another was run: {shown}");
                seen.insert(event.id, (facts, end.is_done()));
                assert_eq!(status, end.status(), "{shown}");
                continue;
            }
        };
        assert_eq!((status, endpoint.runs()), (expected, runs), "{shown}");
    }
}

/// All requests at once: whatever comes between them, only what is authentic and an event is
/// accepted.
async fn all_at_once(endpoint: &Endpoint, gauge: &Arc<Gauge>, plans: Vec<Plan>) {
    let tasks = plans.into_iter().map(|mut plan| {
        let (endpoint, gauge) = (endpoint.clone(), Arc::clone(gauge));
        tokio::spawn(async move {
            let is_authentic = plan.is_authentic();
            let refused = plan.refused_unread().or_else(|| plan.refused_reading());
            let script = std::mem::take(&mut plan.script);
            let (request, asked) = plan.request(script, &gauge, is_authentic);
            let answer = endpoint.send(request).await;
            asked.answered(&gauge);
            let status = answer.status.as_u16();
            let shown = format!(
                "{status} {} {:?} {}",
                plan.method,
                plan.headers,
                String::from_utf8_lossy(&plan.body)
            );
            if !is_authentic || refused.is_some() {
                let expected = refused.unwrap_or(401);
                assert!(status == expected || status == 503, "{expected}: {shown}");
            } else if expected(&plan.body).is_none() {
                assert!(status == 400 || status == 503, "{shown}");
            } else {
                assert!([200, 500, 503].contains(&status), "{shown}");
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}
