//! The server process. It tells its port, then its [`Usage`] for each line it is sent, and ends
//! with its input.

use std::{
    collections::HashSet,
    env, fs,
    io::{BufRead as _, BufReader, Write as _, stdin, stdout},
    net::SocketAddr,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    str::FromStr,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use axum::{Router, extract::State, routing::post};
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, StatusCode};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use sha2::Sha256;
use tokio::{net::TcpListener, runtime::Handle};
use tower_webhook::{
    MemoryStore, TopicRouter, WebhookLayer,
    dwolla::{self, Dwolla},
    event::EventError,
    provider::{DeliveryPolicy, Provider},
    signature::Verifier,
};

use crate::common::SECRET;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An axum route that only reads the body.
    Bare,
    /// The layer, as in the README.
    Receiver,
    /// The same in a handler, as one writes it in an hour: HMAC, a parser, a set of ids behind a
    /// lock.
    ByHand,
    /// The receiver behind hyper with a limit on the time for headers, as examples/receiver has it.
    /// Its ids expire after 20 s, so that what it remembers stays the same.
    Guarded,
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "Bare" => Self::Bare,
            "Receiver" => Self::Receiver,
            "ByHand" => Self::ByHand,
            "Guarded" => Self::Guarded,
            _ => return Err(format!("{text} is no kind of server")),
        })
    }
}

/// What the server process has used.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Processor time, in microseconds.
    pub processor: u64,
    /// Bytes in memory.
    pub resident: u64,
    /// Tasks of the runtime that have not ended.
    pub tasks: usize,
    /// Ids that the store remembers.
    pub ids: usize,
}

/// A running server; it ends when this is dropped.
pub struct Server {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    pub address: SocketAddr,
}

impl Server {
    pub fn start(kind: Kind, threads: usize) -> Self {
        let mut process = Command::new(env::current_exe().expect("this program"))
            .args(["serve", &format!("{kind:?}"), &threads.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a server");
        let input = process.stdin.take();
        let mut output = BufReader::new(process.stdout.take().expect("an output"));
        let port: u16 = line(&mut output).parse().expect("a port");
        Self {
            process,
            input,
            output,
            address: ([127, 0, 0, 1], port).into(),
        }
    }

    pub fn usage(&mut self) -> Usage {
        self.input
            .as_mut()
            .expect("an input")
            .write_all(b"\n")
            .expect("a server that runs");
        let line = line(&mut self.output);
        let numbers: Vec<u64> = line
            .split(' ')
            .map(|number| number.parse().expect("a number"))
            .collect();
        match *numbers {
            [processor, resident, tasks, ids] => Usage {
                processor,
                resident,
                tasks: tasks as usize,
                ids: ids as usize,
            },
            _ => panic!("the server said {line}"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.input.take());
        if let Ok(status) = self.process.wait()
            && !status.success()
        {
            eprintln!("the server ended with {status}");
        }
    }
}

fn line(output: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    output.read_line(&mut line).expect("a line");
    line.trim_end().to_owned()
}

/// What the server process runs.
pub fn serve(kind: Kind, threads: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .expect("a runtime");
    let store = MemoryStore::new();
    runtime.spawn(listen(kind, store.clone()));
    let handle = runtime.handle().clone();
    thread::spawn(move || {
        for _ in stdin().lines() {
            tell(&handle, &store);
        }
        std::process::exit(0);
    })
    .join()
    .expect("an end");
}

fn tell(runtime: &Handle, store: &MemoryStore) {
    // SAFETY: an `rusage` is plain numbers, and the pointer is to one that lives through the call.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let microseconds = |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
    let statm = fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: u64 = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .expect("pages");
    println!(
        "{} {} {} {}",
        microseconds(usage.ru_utime) + microseconds(usage.ru_stime),
        pages * 4096,
        runtime.metrics().num_alive_tasks(),
        store.len(),
    );
    stdout().flush().expect("an output");
}

async fn listen(kind: Kind, store: MemoryStore) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", listener.local_addr().expect("an address").port());
    let topics = TopicRouter::new().on(dwolla::Topic::CustomerCreated, async |_: dwolla::Event| {});
    let path = "/webhooks/dwolla";
    let provider = Dwolla::new(SECRET).expect("a secret");
    let app = match kind {
        Kind::Bare => Router::new().route(path, post(async |body: Bytes| drop(body))),
        Kind::Receiver => Router::new().route_service(path, WebhookLayer::new(provider, store).topics(topics)),
        Kind::ByHand => Router::new().route(path, post(by_hand)).with_state(Arc::new(ByHand {
            keyed: Hmac::new_from_slice(SECRET.as_bytes()).expect("a key"),
            seen: Mutex::default(),
        })),
        Kind::Guarded => {
            let layer = WebhookLayer::builder(Brief(provider), store)
                .handler_timeout(Duration::from_secs(5))
                .retention(Duration::from_secs(20))
                .build()
                .expect("settings that agree");
            return guarded(listener, Router::new().route_service(path, layer.topics(topics))).await;
        }
    };
    axum::serve(listener, app).await.expect("a server");
}

/// As in examples/receiver.
async fn guarded(listener: TcpListener, app: Router) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(10));
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app.clone()));
        tokio::spawn(async move {
            let _ = connection.await;
        });
    }
}

/// Dwolla, if it did not retry.
struct Brief(Dwolla);

impl Provider for Brief {
    type Event = dwolla::Event;

    fn name(&self) -> &str {
        self.0.name()
    }
    fn verifier(&self) -> &Verifier {
        self.0.verifier()
    }
    fn event(&self, headers: &HeaderMap, body: &Bytes) -> Result<dwolla::Event, EventError> {
        self.0.event(headers, body)
    }
    fn policy(&self) -> DeliveryPolicy {
        DeliveryPolicy::new(Duration::from_secs(10), Duration::ZERO).with_body_limit(self.0.policy().body_limit())
    }
}

struct ByHand {
    keyed: Hmac<Sha256>,
    seen: Mutex<HashSet<String>>,
}

#[derive(serde::Deserialize)]
struct Envelope {
    id: String,
    topic: String,
}

async fn by_hand(State(state): State<Arc<ByHand>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let tag = headers
        .get("x-request-signature-sha-256")
        .and_then(|tag| hex::decode(tag).ok());
    let Some(tag) = tag else {
        return StatusCode::UNAUTHORIZED;
    };
    let mut mac = state.keyed.clone();
    mac.update(&body);
    if mac.verify_slice(&tag).is_err() {
        return StatusCode::UNAUTHORIZED;
    }
    let Ok(envelope) = serde_json::from_slice::<Envelope>(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    let is_new = state.seen.lock().expect("a lock").insert(envelope.id);
    if is_new && envelope.topic == "customer_created" {
        std::hint::black_box(&body);
    }
    StatusCode::OK
}
