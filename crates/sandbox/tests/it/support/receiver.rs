use std::{
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
};

use axum::{
    Router,
    body::to_bytes,
    extract::Request,
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
};

/// A request that was received.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// A server on a free port that takes everything and responds with one status.
pub(crate) struct Receiver {
    pub(crate) url: String,
    status: Arc<AtomicU16>,
    received: Arc<Mutex<Vec<Received>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Receiver {
    pub(crate) async fn start(status: u16) -> Self {
        let status = Arc::new(AtomicU16::new(status));
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let (responds, log) = (Arc::clone(&status), Arc::clone(&received));
        let app = Router::new().fallback(move |request: Request| {
            let (responds, log) = (Arc::clone(&responds), Arc::clone(&log));
            async move {
                let (parts, body) = request.into_parts();
                // A body that breaks off is no delivery.
                if let Ok(body) = to_bytes(body, usize::MAX).await {
                    let received = Received {
                        headers: parts.headers,
                        body: body.to_vec(),
                    };
                    log.lock().unwrap().push(received);
                }
                let status = StatusCode::from_u16(responds.load(Ordering::SeqCst)).unwrap();
                (
                    status,
                    [("location", "http://127.0.0.1:1/elsewhere")],
                    "the response's body",
                )
            }
        });
        let (url, task) = receiver_of(app).await;
        Self {
            url,
            status,
            received,
            task,
        }
    }

    /// Whose response is made by a function.
    pub(crate) async fn responding<F, R>(respond: impl Fn() -> F + Clone + Send + Sync + 'static) -> Self
    where
        F: Future<Output = R> + Send,
        R: IntoResponse,
    {
        let app = Router::new().fallback(move || {
            let respond = respond.clone();
            async move { respond().await }
        });
        let (url, task) = receiver_of(app).await;
        Self {
            url,
            status: Arc::default(),
            received: Arc::default(),
            task,
        }
    }

    pub(crate) fn respond(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves an application on a free port.
pub(crate) async fn receiver_of(app: Router) -> (String, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/webhooks?source=sandbox", listener.local_addr().unwrap());
    (
        url,
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() }),
    )
}
