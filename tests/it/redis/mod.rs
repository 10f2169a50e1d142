//! The store in a Redis server, with servers that the tests start themselves.

pub(crate) mod groups;
pub(crate) mod server;
mod cluster;
mod failover;
mod race;
mod records;
mod faults;
mod sentinel;
mod settings;
mod silence;
mod tls;
mod valkey;

use std::time::Duration;

use tower_webhook::{
    event::{EventId, Fingerprint},
    store::{ClaimRequest, Claimed, Key, Token},
    testing::store_suite::StoreHarness,
};
use tower_webhook_redis::RedisStore;

use self::server::Server;

struct Harness(RedisStore);

impl Harness {
    async fn connect() -> Option<Self> {
        Self::connect_to(Server::shared().map(Server::url)).await
    }

    async fn connect_to(url: Option<String>) -> Option<Self> {
        Some(Self(RedisStore::connect(&url?).await.unwrap()))
    }
}

impl StoreHarness for Harness {
    type Store = RedisStore;

    fn store(&self) -> &RedisStore {
        &self.0
    }

    async fn advance(&self, by: Duration) {
        self.0.advance(by);
    }
}

tower_webhook::store_suite!(suite, Harness::connect().await);

const LEASE: Duration = Duration::from_secs(60);
const RETENTION: Duration = Duration::from_secs(3600);

const FIRST: Claimed = Claimed::Acquired {
    generation: 1,
    attempts: 1,
};

/// A namespace that no other test has.
fn namespace(name: &str) -> String {
    format!("{name} {}", hex(Token::random()))
}

fn hex(token: Token) -> String {
    token.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn claim_request(namespace: &str, id: impl std::fmt::Display) -> ClaimRequest {
    ClaimRequest::new(
        Key::new(namespace, EventId::new(&id.to_string()).unwrap()),
        Token::random(),
        Fingerprint::of(["event"]),
    )
    .with_lease(LEASE)
    .with_retention(RETENTION)
    .with_retry_window(RETENTION)
}

/// The same event, claimed by another run.
fn again(claim_request: &ClaimRequest) -> ClaimRequest {
    claim_request.clone().with_token(Token::random())
}
