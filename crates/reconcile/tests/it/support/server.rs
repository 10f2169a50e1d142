use std::sync::{Arc, Mutex};

use axum::{
    body::{Body, to_bytes},
    extract::Request,
};

pub(crate) type Reply = axum::response::Response;

/// What the client sent.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: String,
}

impl Received {
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The value of a parameter of the query, decoded.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let query = url::form_urlencoded::parse(self.query.as_bytes());
        query
            .into_iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.into_owned())
    }

    /// `GET /webhooks?limit=25`
    pub(crate) fn line(&self) -> String {
        let mark = if self.query.is_empty() { "" } else { "?" };
        format!("{} {}{mark}{}", self.method, self.path, self.query)
    }
}

/// A server on a free port that responds as a function says and remembers what it was sent.
pub(crate) struct Server {
    pub(crate) base: String,
    received: Arc<Mutex<Vec<Received>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(respond: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::new(Mutex::new(Vec::new()));
        let (respond, log) = (Arc::new(respond), Arc::clone(&received));
        let app = axum::Router::new().fallback(move |request: Request| {
            let (respond, log) = (Arc::clone(&respond), Arc::clone(&log));
            async move {
                let (parts, body) = request.into_parts();
                let body = to_bytes(body, usize::MAX).await.unwrap();
                let request = Received {
                    method: parts.method.to_string(),
                    path: parts.uri.path().to_owned(),
                    query: parts.uri.query().unwrap_or_default().to_owned(),
                    headers: parts.headers,
                    body: String::from_utf8(body.to_vec()).unwrap(),
                };
                log.lock().unwrap().push(request.clone());
                respond(&request)
            }
        });
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { base, received, task }
    }

    /// All requests so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// The requests so far, except those for a token.
    pub(crate) fn calls(&self) -> Vec<Received> {
        let mut calls = self.received();
        calls.retain(|request| request.path != "/token");
        calls
    }

    /// The method and address of each request, except those for a token.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.calls().iter().map(Received::line).collect()
    }

    pub(crate) fn tokens_granted(&self) -> usize {
        self.received().len() - self.calls().len()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn json(status: u16, body: impl Into<String>) -> Reply {
    let builder = http::Response::builder()
        .status(status)
        .header("content-type", "application/json");
    builder.body(Body::from(body.into())).unwrap()
}

pub(crate) fn empty(status: u16) -> Reply {
    http::Response::builder().status(status).body(Body::empty()).unwrap()
}

pub(crate) fn with_header(mut reply: Reply, name: &'static str, value: &str) -> Reply {
    reply.headers_mut().insert(name, value.parse().unwrap());
    reply
}
