//! Over a real socket: what a sender does to a connection.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::Router;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tower_webhook::{
    MemoryStore, TopicRouter, WebhookLayer,
    dwolla::{self, Dwolla},
    store::{IdempotencyStore as _, State},
};

use crate::endpoint::{SECRET, event, key, signature};

/// The bytes of a signed request, and the answer's first line.
fn request(body: &str) -> Vec<u8> {
    let headers = signature(body.as_bytes());
    let (name, tag) = headers.iter().next().unwrap();
    format!(
        "POST /webhooks/dwolla HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{name}: {}\r\ncontent-length: {}\r\n\r\n{body}",
        tag.to_str().unwrap(),
        body.len()
    )
    .into_bytes()
}

async fn status_line(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_sender_that_disconnects_mid_handler_changes_nothing_and_its_retry_gets_200() {
    let (started, may_end, runs) = (
        Arc::new(Semaphore::new(0)),
        Arc::new(Semaphore::new(0)),
        Arc::new(AtomicUsize::new(0)),
    );
    let handler = {
        let (started, may_end, runs) = (Arc::clone(&started), Arc::clone(&may_end), Arc::clone(&runs));
        move |_: dwolla::Event| {
            let (started, may_end) = (Arc::clone(&started), Arc::clone(&may_end));
            runs.fetch_add(1, Ordering::SeqCst);
            async move {
                started.add_permits(1);
                may_end.acquire().await.unwrap().forget();
            }
        }
    };
    let store = MemoryStore::new();
    let layer = WebhookLayer::new(Dwolla::new(SECRET).unwrap(), store.clone());
    let app = Router::new().route_service("/webhooks/dwolla", layer.topics(TopicRouter::new().fallback(handler)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });

    let mut first = TcpStream::connect(address).await.unwrap();
    first.write_all(&request(&event("1"))).await.unwrap();
    started.acquire().await.unwrap().forget();
    drop(first); // hangs up
    // The server has seen it when it answers another connection's request that was sent later; then the handler may end.
    let mut forged = TcpStream::connect(address).await.unwrap();
    forged
        .write_all(
            b"POST /webhooks/dwolla HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        )
        .await
        .unwrap();
    assert_eq!(status_line(forged).await, "HTTP/1.1 401 Unauthorized");
    may_end.add_permits(1);

    let mut retry = TcpStream::connect(address).await.unwrap();
    retry.write_all(&request(&event("1"))).await.unwrap();
    assert_eq!(status_line(retry).await, "HTTP/1.1 200 OK");
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    let record = store.get(&key("1")).await.unwrap().unwrap();
    assert!(matches!(record.state, State::Done { .. }), "{record:?}");
}
