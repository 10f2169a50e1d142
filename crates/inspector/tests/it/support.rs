//! An application with deliveries, and its page.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use axum::{Router, body::Body, extract::ConnectInfo};
use http::{HeaderMap, Request, StatusCode, header::SET_COOKIE};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;
use tower_webhook::{
    HandlerError, TopicRouter, WebhookLayer,
    delivery_log::{Captures, DeliveryLog as _, DeliveryLogEntry, MemoryLog},
    dwolla::{self, Dwolla},
    event::{EventId, Source},
    inbox::{AnyInbox, Retries, WorkerHandle},
    signature::{Explain, Secrets},
    store::Key,
    testing::{MemoryInbox, SignedRequest},
};
use tower_webhook_inspector::{Access, Endpoint, Inspector, InspectorBuilder, Reports};

pub(crate) const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

/// An application that keeps an inbox for Dwolla.
pub(crate) struct World {
    pub(crate) log: MemoryLog,
    pub(crate) captures: Captures,
    pub(crate) inbox: AnyInbox,
    pub(crate) reports: Reports,
    pub(crate) webhooks: Router,
    pub(crate) worker: WorkerHandle,
    /// Whether the handler fails.
    pub(crate) fails: Arc<AtomicBool>,
}

impl World {
    /// Its worker runs what a test tells it to, and nothing by itself.
    pub(crate) fn new() -> Self {
        Self::with(true)
    }

    /// Its worker runs what is due.
    pub(crate) fn at_work() -> Self {
        Self::with(false)
    }

    fn with(is_triggered: bool) -> Self {
        let (log, captures) = (MemoryLog::new(200_000), Captures::new());
        let inbox = AnyInbox::new(MemoryInbox::new());
        let fails = Arc::new(AtomicBool::new(false));
        let layer = WebhookLayer::builder(Dwolla::new(SECRET).unwrap(), inbox.clone())
            .delivery_log(log.clone())
            .log_unauthenticated(1000)
            .capture(&captures)
            .build()
            .unwrap();
        let failing = Arc::clone(&fails);
        let topics = TopicRouter::new().fallback(move |_: dwolla::Event| {
            let fails = failing.load(Ordering::SeqCst);
            async move {
                if fails {
                    Err(HandlerError::from("the ledger <b>is</b> closed"))
                } else {
                    Ok(())
                }
            }
        });
        let mut worker = layer
            .worker(topics)
            .retries(Retries::new([]).max_attempts(1).allow_shorter_than_provider());
        if is_triggered {
            worker = worker.triggered(Duration::from_secs(3600));
        }
        let worker = worker.start();
        let webhooks = Router::new().route_service("/webhooks/dwolla", layer.inbox());
        Self {
            log,
            captures,
            inbox,
            reports: Reports::new(),
            webhooks,
            worker,
            fails,
        }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        let secrets = Secrets::new(SECRET).unwrap();
        Endpoint::of(&Dwolla::new(SECRET).unwrap())
            .secrets(1)
            .inbox(self.inbox.clone())
            .explain(Explain::new(&dwolla::scheme(), &secrets))
    }

    pub(crate) fn builder(&self, access: Access) -> InspectorBuilder {
        Inspector::builder(access)
            .log(self.log.clone())
            .captures(&self.captures)
            .reports(&self.reports)
            .endpoint(self.endpoint())
    }

    /// The number of the request that was captured last.
    pub(crate) fn captured(&self) -> u64 {
        self.captures.list()[0].0
    }

    /// The page for whoever is on this machine.
    pub(crate) fn page(&self) -> Page {
        Page::new(self.builder(Access::loopback_only()).build().unwrap())
    }

    /// A delivery of this body, signed.
    pub(crate) async fn deliver(&self, body: &str) -> StatusCode {
        let dwolla = Dwolla::new(SECRET).unwrap();
        let signed = SignedRequest::of(&dwolla, body.to_owned()).uri("/webhooks/dwolla");
        self.send(signed.build().map(Body::new)).await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> StatusCode {
        self.webhooks.clone().oneshot(request).await.unwrap().status()
    }

    /// A delivery whose signature is wrong.
    pub(crate) async fn forge(&self, body: &str) -> StatusCode {
        let dwolla = Dwolla::new(SECRET).unwrap();
        let signed = SignedRequest::of(&dwolla, body.to_owned()).uri("/webhooks/dwolla");
        self.send(signed.tampered().map(Body::new)).await
    }

    pub(crate) async fn run(&self, id: &str) {
        let _ = self.worker.run_one(&key(id)).await.unwrap();
    }

    /// A stored event that its handler gave up.
    pub(crate) async fn dead(&self, id: &str) {
        assert_eq!(self.deliver(&event(id, "customer_created")).await, 200);
        self.fails.store(true, Ordering::SeqCst);
        self.run(id).await;
        self.fails.store(false, Ordering::SeqCst);
    }

    /// Adds an entry to the log.
    pub(crate) fn record(&self, outcome: &'static str, change: impl FnOnce(&mut DeliveryLogEntry)) {
        let mut entry = DeliveryLogEntry::new(SystemTime::now(), "dwolla", "dwolla", Source::Delivered, outcome);
        entry.status = Some(if entry.is_failure() { 500 } else { 200 });
        change(&mut entry);
        self.log.record(entry);
    }
}

pub(crate) fn key(id: &str) -> Key {
    Key::new("dwolla", EventId::new(id).unwrap())
}

pub(crate) fn event(id: &str, topic: &str) -> String {
    format!(r#"{{"id":"{id}","topic":"{topic}","created":"2026-01-01T00:00:00Z"}}"#)
}

/// The page, as somebody sees it: with a peer's address, headers and a cookie.
#[derive(Clone)]
pub(crate) struct Page {
    app: Router,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) headers: HeaderMap,
}

pub(crate) struct Seen {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn new(app: Router) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert("host", "localhost:3000".parse().unwrap());
        Self {
            app,
            peer: Some("127.0.0.1:50000".parse().unwrap()),
            headers,
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, value.parse().unwrap());
        self
    }

    pub(crate) fn without(mut self, name: &'static str) -> Self {
        self.headers.remove(name);
        self
    }

    pub(crate) fn from(mut self, peer: Option<&str>) -> Self {
        self.peer = peer.map(|peer| peer.parse().unwrap());
        self
    }

    pub(crate) async fn request(&self, method: &str, path: &str, body: String) -> Seen {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .body(Body::from(body))
            .unwrap();
        *request.headers_mut() = self.headers.clone();
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Seen {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Seen {
        self.request("GET", path, String::new()).await
    }

    /// Posts a form.
    pub(crate) async fn post(&self, path: &str, fields: &[(String, String)]) -> Seen {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        self.request("POST", path, body).await
    }

    /// The same visitor with the cookie that a response has given.
    #[must_use]
    pub(crate) fn keeping(&self, seen: &Seen) -> Self {
        let mut page = self.clone();
        if let Some(cookie) = seen.headers.get(SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
            page.headers.insert("cookie", pair.parse().unwrap());
        }
        page
    }

    /// Sees a page with a form, and then posts it, as a browser does.
    pub(crate) async fn confirm(&self, path: &str, more: &[(&str, &str)]) -> Seen {
        let asked = self.get(path).await;
        assert_eq!(asked.status, 200, "{path}: {}", asked.text);
        let visitor = self.keeping(&asked);
        let mut fields = asked.fields();
        for (name, value) in more {
            fields.retain(|(found, _)| found != name);
            fields.push(((*name).to_owned(), (*value).to_owned()));
        }
        let done = visitor.post("/do", &fields).await;
        if done.status != 303 {
            return done;
        }
        let location = done.headers["location"].to_str().unwrap();
        visitor.get(&format!("/{location}")).await
    }
}

impl Seen {
    #[track_caller]
    pub(crate) fn has(&self, text: &str) -> &Self {
        assert!(self.text.contains(text), "expected {text:?} in:\n{}", self.text);
        self
    }

    #[track_caller]
    pub(crate) fn has_not(&self, text: &str) -> &Self {
        assert!(!self.text.contains(text), "expected no {text:?} in:\n{}", self.text);
        self
    }

    /// How many rows a list of this page has.
    pub(crate) fn rows(&self) -> usize {
        let body = self.text.rsplit("<tbody").next().unwrap_or_default();
        body.matches("<tr role=\"row\"").count()
    }

    /// The hidden fields of the last form of the page's content.
    pub(crate) fn fields(&self) -> Vec<(String, String)> {
        let main = self.text.split("<main").nth(1).unwrap();
        let form = main.rsplit("<form").next().unwrap();
        form.split("<input type=\"hidden\"")
            .skip(1)
            .map(|input| (attribute(input, "name"), attribute(input, "value")))
            .collect()
    }
}

fn attribute(tag: &str, name: &str) -> String {
    let text = tag.split(&format!("{name}=\"")).nth(1).unwrap();
    let text = text.split('"').next().unwrap();
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
}
