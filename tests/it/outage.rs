//! A network that passes nothing for some seconds while deliveries keep coming: when it passes
//! again, the store works again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::{interval, sleep, timeout},
};
use tower_webhook::store::{IdempotencyStore, Token};

use crate::over_store::claim_request_in;

/// Each way; a network between two places.
const LATENCY: Duration = Duration::from_millis(30);
/// Between two deliveries.
const GAP: Duration = Duration::from_millis(20);
/// What the layer gives a store by default.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);

/// What stands between a store and its server. A connection on which something was said during an
/// outage passes nothing any more.
struct Network {
    port: u16,
    is_out: Arc<AtomicBool>,
}

impl Network {
    async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let is_out = Arc::new(AtomicBool::new(false));
        let outage = Arc::clone(&is_out);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let is_dead = Arc::new(AtomicBool::new(outage.load(SeqCst)));
                let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                for (mut from, mut to) in [(from_client, to_server), (from_server, to_client)] {
                    let (is_dead, outage) = (Arc::clone(&is_dead), Arc::clone(&outage));
                    tokio::spawn(async move {
                        let mut said = vec![0; 1 << 16];
                        while let Ok(length @ 1..) = from.read(&mut said).await {
                            if is_dead.fetch_or(outage.load(SeqCst), SeqCst) || outage.load(SeqCst) {
                                std::future::pending::<()>().await;
                            }
                            sleep(LATENCY).await;
                            if to.write_all(&said[..length]).await.is_err() {
                                return;
                            }
                        }
                    });
                }
            }
        });
        Self { port, is_out }
    }
}

#[derive(Default)]
struct Claims {
    sent: AtomicUsize,
    answered: AtomicUsize,
    failed: AtomicUsize,
}

/// Deliveries do not wait for each other: they come, whatever becomes of those before.
async fn deliver<S>(store: &S, namespace: &str, claims: &Arc<Claims>, until: impl Fn(&Claims) -> bool)
where
    S: IdempotencyStore + Clone,
{
    let mut next = interval(GAP);
    while !until(claims) {
        next.tick().await;
        let id = claims.sent.fetch_add(1, SeqCst).to_string();
        let (store, claims, claim_request) = (store.clone(), Arc::clone(claims), claim_request_in(namespace, &id));
        tokio::spawn(async move {
            match timeout(STORE_TIMEOUT, store.claim(&claim_request)).await {
                Ok(Ok(_)) => claims.answered.fetch_add(1, SeqCst),
                _ => claims.failed.fetch_add(1, SeqCst),
            }
        });
    }
}

async fn comes_back<S: IdempotencyStore + Clone>(store: S, network: Network) {
    let namespace = format!("outage {:?}", Token::random());
    let before = Arc::<Claims>::default();
    deliver(&store, &namespace, &before, |claims| claims.answered.load(SeqCst) >= 20).await;
    network.is_out.store(true, SeqCst);
    let during = Arc::<Claims>::default();
    let namespace_during = format!("{namespace}, during");
    deliver(&store, &namespace_during, &during, |claims| {
        claims.failed.load(SeqCst) >= 120
    })
    .await;
    network.is_out.store(false, SeqCst);
    let after = Arc::<Claims>::default();
    let namespace_after = format!("{namespace}, after");
    // Those that came during the outage are in the way for two seconds; the rest of the six is the
    // machine's.
    deliver(&store, &namespace_after, &after, |claims| {
        claims.answered.load(SeqCst) >= 50 || claims.sent.load(SeqCst) >= 400
    })
    .await;
    let (sent, answered) = (after.sent.load(SeqCst), after.answered.load(SeqCst));
    assert!(answered >= 50, "{answered} of {sent} were answered after the outage");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_comes_back_while_deliveries_keep_coming() {
    use crate::postgres::server::{PASSWORD, Server};

    let Some(server) = Server::shared() else { return };
    let network = Network::to(server.port()).await;
    let url = format!("postgres://postgres:{PASSWORD}@127.0.0.1:{}/postgres", network.port);
    let store = tower_webhook_sqlx::PostgresStore::builder()
        .table("outage")
        .connect(&url)
        .await
        .unwrap();
    comes_back(store, network).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_comes_back_while_deliveries_keep_coming() {
    let Some(server) = crate::redis::server::Server::shared() else {
        return;
    };
    let network = Network::to(server.port()).await;
    let url = format!("redis://127.0.0.1:{}", network.port);
    let store = tower_webhook_redis::RedisStore::connect(&url).await.unwrap();
    comes_back(store, network).await;
}
