//! An operator's calls that concern more than one record.

use std::collections::BTreeSet;

use tower_webhook::store::{Counts, Key, StoreAdmin, StoreError};

use super::{
    connection::{NodeSelection, ServerChoice},
    name,
    store::RedisStore,
};

/// How many slots of its table the server looks at for one page: some 100 µs of its time.
const PAGE: &str = "1000";

/// # What it costs
/// The server has no index of its events: it is walked through by `SCAN`, all keys of the database
/// (other applications' too), a thousand at a time, with two round trips for each thousand. Between
/// them it serves others, so nothing waits; of a million keys it takes a second or so of the
/// server's time in all. What is claimed or finished meanwhile may be counted or not, and while the
/// server's table grows or shrinks a record may be counted twice.
/// [`expired_claims`](StoreAdmin::expired_claims) ends as soon as it has found enough.
///
/// In a cluster, every primary is walked through, one after the other and by its own clock. If one
/// cannot be reached, this is an error, not a smaller number. While slots are moved from node
/// to node their records may be counted twice, or not, or it is an error.
impl StoreAdmin for RedisStore {
    async fn count(&self, namespace: &str) -> Result<Counts, StoreError> {
        let mut counts = Counts::default();
        for at in self.connection.servers(NodeSelection::Primaries).await? {
            let now = self.now(&at).await?;
            let mut pages = Pages::new(self, at, namespace);
            while let Some(page) = pages.next(self).await? {
                for row in page.iter().filter(|row| row.expires > now) {
                    match row.state.as_str() {
                        "CLAIMED" => counts.claimed += 1,
                        "FREE" => counts.free += 1,
                        _ => counts.done += 1,
                    }
                }
            }
        }
        Ok(counts)
    }

    async fn expired_claims(&self, namespace: &str, limit: usize) -> Result<Vec<Key>, StoreError> {
        let mut expired = BTreeSet::new();
        for at in self.connection.servers(NodeSelection::Primaries).await? {
            let now = self.now(&at).await?;
            let mut pages = Pages::new(self, at, namespace);
            while expired.len() < limit
                && let Some(page) = pages.next(self).await?
            {
                let late = page
                    .into_iter()
                    .filter(|row| row.state == "CLAIMED" && row.expires > now && row.lease_until <= now);
                expired.extend(late.filter_map(|row| Some(Key::new(namespace, name::id(&pages.stem, &row.name)?))));
            }
        }
        Ok(expired.into_iter().take(limit).collect())
    }

    /// Nothing: the server removes them by itself.
    async fn purge(&self, _limit: usize) -> Result<u64, StoreError> {
        Ok(0)
    }
}

impl RedisStore {
    /// A server's time, in milliseconds since 1970.
    async fn now(&self, at: &ServerChoice) -> Result<u64, StoreError> {
        let time = self.connection.ask(at, &["TIME"]).await?;
        let mut parts = time.iter().flatten().map_while(|part| part.parse::<u64>().ok());
        match (parts.next(), parts.next()) {
            (Some(seconds), Some(micros)) => Ok(seconds * 1000 + micros / 1000 + self.offset.millis()),
            _ => Err(self.unexpected(&time)),
        }
    }
}

/// A record as a page of a scan has it.
struct Row {
    name: String,
    state: String,
    expires: u64,
    lease_until: u64,
}

struct Pages {
    at: ServerChoice,
    stem: String,
    glob: String,
    /// Where the server goes on; `None` at its end.
    cursor: Option<String>,
}

impl Pages {
    fn new(store: &RedisStore, at: ServerChoice, namespace: &str) -> Self {
        let stem = name::stem(&store.prefix, namespace);
        Self {
            at,
            glob: name::glob(&stem),
            stem,
            cursor: Some("0".to_owned()),
        }
    }

    async fn next(&mut self, store: &RedisStore) -> Result<Option<Vec<Row>>, StoreError> {
        let Some(cursor) = self.cursor.take() else {
            return Ok(None);
        };
        let scan = ["SCAN", &cursor, "MATCH", &self.glob, "COUNT", PAGE, "TYPE", "hash"];
        let mut reply = store.connection.ask(&self.at, &scan).await?.into_iter().flatten();
        self.cursor = reply.next().filter(|cursor| cursor != "0");
        let names: Vec<String> = reply.collect();
        if names.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let commands: Vec<Vec<&str>> = names
            .iter()
            .map(|name| vec!["HMGET", name, "state", "expires", "lease_until"])
            .collect();
        let replies = store.connection.ask_all(&self.at, &commands).await?;
        let rows = names.into_iter().zip(replies).filter_map(|(name, reply)| {
            // Forgotten since, or no record of ours.
            let [Some(state), Some(expires), lease_until] = <[_; 3]>::try_from(reply).ok()? else {
                return None;
            };
            Some(Row {
                name,
                state,
                expires: expires.parse().ok()?,
                lease_until: lease_until.and_then(|until| until.parse().ok()).unwrap_or_default(),
            })
        });
        Ok(Some(rows.collect()))
    }
}
