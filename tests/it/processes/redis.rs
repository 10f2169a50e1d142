//! A Redis server that processes share.

use std::time::Duration;

use tower_webhook_redis::RedisStore;

use super::shared::Shared;

impl Shared for RedisStore {
    async fn open(place: &str) -> Self {
        Self::connect(place).await.unwrap()
    }

    fn advance(&self, by: Duration) {
        self.advance(by);
    }
}
