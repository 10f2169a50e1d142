//! Deliveries through the layer, and how often they wait for the server.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};
use tower::ServiceExt as _;
use tower_webhook::{
    TopicRouter, WebhookLayer,
    dwolla::{self, Dwolla},
    store::IdempotencyStore,
};

use crate::common;

/// Stands between store and server, and counts.
#[derive(Clone)]
pub struct Relay {
    pub port: u16,
    /// How often the store spoke after the server had: so often, where one delivery comes after the
    /// other, was there a round trip.
    round_trips: Arc<AtomicU64>,
}

impl Relay {
    pub async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let relay = Self {
            port: listener.local_addr().expect("an address").port(),
            round_trips: Arc::default(),
        };
        let round_trips = Arc::clone(&relay.round_trips);
        tokio::spawn(async move {
            while let Ok((store, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", server)).await.expect("a server");
                tokio::spawn(pass_on(store, server, Arc::clone(&round_trips)));
            }
        });
        relay
    }
}

async fn pass_on(mut store: TcpStream, mut server: TcpStream, round_trips: Arc<AtomicU64>) {
    let (mut question, mut answer) = ([0; 16384], [0; 16384]);
    let mut server_spoke = true;
    loop {
        let passed = tokio::select! {
            read = store.read(&mut question) => match read {
                Ok(length @ 1..) => {
                    round_trips.fetch_add(u64::from(std::mem::take(&mut server_spoke)), Relaxed);
                    server.write_all(&question[..length]).await
                }
                _ => return,
            },
            read = server.read(&mut answer) => match read {
                Ok(length @ 1..) => {
                    server_spoke = true;
                    store.write_all(&answer[..length]).await
                }
                _ => return,
            },
        };
        if passed.is_err() {
            return;
        }
    }
}

/// Round trips a delivery, of one accepted after the other.
pub fn round_trips(runtime: &Runtime, store: impl IdempotencyStore, relay: &Relay) -> f64 {
    const DELIVERIES: u64 = 100;
    /// Long enough for what is done with a connection after the answer.
    const REST: Duration = Duration::from_millis(20);
    let provider = Dwolla::new(common::SECRET).expect("a secret");
    let topics = TopicRouter::new().on(dwolla::Topic::CustomerCreated, async |_: dwolla::Event| {});
    let service = WebhookLayer::new(provider, store).topics(topics);
    runtime.block_on(async {
        let mut before = 0;
        // With the first, connections are made and statements prepared.
        for n in 0..2 * DELIVERIES {
            if n == DELIVERIES {
                before = relay.round_trips.load(Relaxed);
            }
            // Ids that no turn has.
            let body = common::event(&common::id(u64::MAX >> 20 ^ n), common::USUAL);
            let mut request = Request::post("/webhooks/dwolla")
                .body(Full::<Bytes>::from(body.clone()))
                .expect("a request");
            *request.headers_mut() = common::signature(&body);
            let response = service.clone().oneshot(request).await.expect("an answer");
            assert_eq!(response.status(), 200);
            tokio::time::sleep(REST).await;
        }
        (relay.round_trips.load(Relaxed) - before) as f64 / DELIVERIES as f64
    })
}
