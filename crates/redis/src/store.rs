use std::{fmt, sync::Arc, time::Duration};

use tower_webhook::store::{
    ClaimRequest, Claimed, Completion, Effect, IdempotencyStore, Key, Record, StoreError, StoreIdentity,
};

use crate::{
    connection::{Connection, Reply, Resend, Script},
    name,
    offset::Offset,
    safety,
    script::{self, Scripts},
};

const PREFIX: &str = "webhook";
/// Less than the layer gives a store by default (2 s), so that it is this store that notices a
/// silent connection and replaces it.
const LIMIT: Duration = Duration::from_millis(1800);

/// Remembers events in a Redis (6 or later) or Valkey server, in a cluster of them, or in what
/// sentinels watch, for all processes that share it.
///
/// Each operation is one script in the server, so one round trip: a delivery takes two, its claim
/// and its completion. Clones share one connection, over which operations overlap, and which is
/// replaced when it breaks. Leases go by the server's clock; the clocks of the application's
/// machines decide nothing.
///
/// # Examples
/// ```no_run
/// # mod example {
/// use tower_webhook::{TopicRouter, WebhookLayer, dwolla::{Dwolla, Topic}};
/// use tower_webhook_redis::RedisStore;
/// # async fn verified(_: tower_webhook::dwolla::Event) -> Result<(), std::io::Error> { Ok(()) }
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let store = RedisStore::connect("rediss://user:password@redis.example.com/0").await?;
/// let webhooks = WebhookLayer::new(Dwolla::new("the subscription's secret")?, store)
///     .topics(TopicRouter::new().on(Topic::CustomerVerified, verified));
/// # Ok(())
/// # }
/// # }
/// # fn main() {}
/// ```
///
/// # Clusters and sentinels
/// | URL | leads to |
/// | --- | --- |
/// | `redis://host:port/database` | one server |
/// | `redis+cluster://host:port,host:port` | a cluster's nodes: these, and those they tell of |
/// | `redis+sentinel://host:port,…/NAME/database` | the primary that these sentinels call so |
///
/// Before the first host may stand `user:password@`, for every server alike. `rediss://` and
/// `rediss+cluster://` are the same with TLS; a sentinel's URL has none. The sentinels' own
/// password stands at the end: `?sentinel_password=…`, and `&sentinel_username=…` if they have
/// users. `/database` may be left out; a cluster has but `0`, unless it is a Valkey that has more.
/// The port is 6379 by default, for sentinels 26379. Name several hosts: one that responds is
/// enough, and the others may be down.
///
/// **In a cluster** each record is on the node that has its slot; no two share one by intention. A
/// redirection is followed (`MOVED`, `ASK`), so slots may be moved while events come. A node that
/// says nothing must not keep events from the others, so each is given an eighth of the
/// [time limit](RedisStoreBuilder::timeout) to accept a connection: raise the limit where that is
/// too short. [`count`](tower_webhook::store::StoreAdmin::count) asks every primary.
///
/// **With sentinels** the store is connected to the primary alone. Where that connection breaks, or
/// the server says that it only reads, or that it has not enough replicas, all sentinels are asked
/// anew, and the first is believed that names a server which says of itself that it is a primary.
///
/// **A failover**, in both: from the death of a primary until its replica has taken its place
/// (`cluster-node-timeout`, or `down-after-milliseconds`, and a second or two) the events it had
/// get 503, and their providers send them again; in a cluster with `cluster-require-full-coverage`
/// (the default) so do those of the other primaries. Nothing runs without a claim. What may run
/// twice is what the dead primary had acknowledged and its replica had not received: of a primary
/// that is killed, what was acknowledged in its last milliseconds; of one that was cut off from its
/// replicas and not from the receivers, all until it finds out. Such an event runs a second time
/// if it is sent again, as a new first attempt; or, if the lost record was a claim, beside the
/// first run. (In ten failovers under load each: none where the replica was in step, and the number
/// that the replica lacked where it was cut off; BENCHMARKS.md has the figures.)
/// `min-replicas-to-write 1` on the servers narrows it: a primary without a replica that is
/// connected, and has been heard of within `min-replicas-max-lag` (10 s by default), refuses to
/// write. New events then get 503 until a replica is back, so have two. Redis still acknowledges
/// before a replica has the write, so what was on its way is lost all the same.
///
/// # What it guarantees
/// - A process of the application dies: its claims end with their lease. The next delivery then
///   claims again, as the next attempt.
/// - The server's process dies, `appendonly yes`: with `appendfsync always` nothing is lost, since
///   the server writes before it responds. With `everysec` nothing is lost either, unless the disk
///   is slow: then up to two seconds of writes are. Until the server is back, deliveries get 503.
/// - The server's machine dies: writes not yet on its disk are lost. That is nothing with
///   `appendfsync always`, the last second with `everysec`, and everything since the last snapshot
///   without `appendonly`. A lost DONE record means that a redelivery runs the handler again; a
///   lost claim lets a second run start beside the first.
/// - Failover to a replica: replication is asynchronous, so writes that the old primary had
///   acknowledged and not passed on are lost, as above. `WAIT` would not prevent it and is not
///   used: where it finds no replica the write has been made all the same, and the replica that is
///   promoted need not be one that had it.
/// - Eviction (a `maxmemory-policy` other than `noeviction`): when memory is full, claims and
///   finished events are dropped, and run again. [`connect`](Self::connect) warns.
/// - Memory is full with `noeviction`: events that are not recorded yet are refused with
///   [`StoreErrorKind::Full`](tower_webhook::store::StoreErrorKind::Full) (503, the provider
///   retries). Whatever follows a claim is still recorded.
/// - The server's clock is set forward: leases and retentions end early by as much, and a run may
///   lose its lease. Set back: they end late.
/// - An application's clock steps: nothing changes.
/// - `FLUSHALL`: everything is forgotten. A run that is under way still records its completion.
///
/// So use it with `maxmemory-policy noeviction` and `appendonly yes`. Where a record was lost its
/// generations begin at 1 again, so
/// [`Claim::generation`](tower_webhook::delivery::Claim::generation) fences lost leases, not lost
/// records: where two runs of one event after a failover would do harm, remember events in the
/// database of the effect.
///
/// # What an operator sees
/// A record is a hash at `<prefix>:<namespace>:<id>`, and Redis forgets it by itself when its
/// retention is over:
///
/// ```text
/// $ redis-cli HGETALL webhook:dwolla:bb6531a2
/// fingerprint 6b0f…  expires 1736161126144  state DONE  completion handled  at 1733137126144
/// ```
///
/// It takes some 250 bytes of the server's memory. The scripts are in `src/lua/`; the first says
/// what the fields are. In the namespace, `%`, `:` and control characters are written as `%25`,
/// `%3A`, … A user of the server (`ACL`) needs `~webhook:*` and `+evalsha +eval +time +hmget +hset
/// +del +pexpireat`, for [`count`](tower_webhook::store::StoreAdmin::count) and
/// [`expired_claims`](tower_webhook::store::StoreAdmin::expired_claims) `+scan` too, and
/// `+config|get` or `+info` for the warnings at start. In a cluster also `+ping +cluster|slots`,
/// and `+asking` for slots that are being moved; where sentinels watch, `+role`; of a sentinel,
/// `+role +sentinel|masters`.
///
/// Scripts name the one key they touch, so a cluster's proxy can route them, as this store does.
///
/// # TLS
/// `rediss://` checks the server's certificate against the system's roots (or the file in
/// `SSL_CERT_FILE`). So does `rediss+cluster://`, for each node by the name that the cluster
/// gives it (`cluster-announce-hostname`, `cluster-preferred-endpoint-type hostname`), at the
/// port that it tells of, which is the one with TLS where the nodes have `tls-cluster yes`. It
/// takes its cryptography from the process, so the application installs one:
/// `rustls::crypto::ring::default_provider().install_default()`.
///
/// # Cancel safety
/// An operation whose future is dropped may or may not be applied; the record is consistent either
/// way. If the connection breaks before the reply, the operation is sent once more over a new
/// connection: sent twice by one token, it has the effect of one. The exception is
/// [`forget`](IdempotencyStore::forget), which is sent once and fails.
#[derive(Clone)]
pub struct RedisStore {
    pub(crate) connection: Arc<Connection>,
    pub(crate) scripts: Arc<Scripts>,
    pub(crate) prefix: Arc<str>,
    pub(crate) offset: Offset,
}

impl RedisStore {
    /// Connects to `redis://[user][:password@]host[:port][/database]`, with TLS by `rediss://`; or
    /// to a [cluster, or by sentinels](RedisStore#clusters-and-sentinels).
    ///
    /// Logs a warning for each server (of a cluster the replicas too; of what sentinels watch, the
    /// primary) that may drop what it is given: if its `maxmemory-policy` is not `noeviction`, or
    /// if it is not `appendonly`; and if it does not let itself be asked.
    ///
    /// # Errors
    /// The URL is invalid, the server did not respond, or it refused a script. No error repeats the
    /// URL's password.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::builder(url).connect().await
    }

    /// A store with another prefix or time limit.
    #[must_use]
    pub fn builder(url: impl Into<String>) -> RedisStoreBuilder {
        RedisStoreBuilder {
            url: url.into(),
            prefix: PREFIX.to_owned(),
            limit: LIMIT,
        }
    }

    /// Moves the server's clock on, as far as this store and its clones see it: for the conformance
    /// suite.
    #[cfg(feature = "test-util")]
    pub fn advance(&self, by: Duration) {
        self.offset.add(by);
    }

    async fn on_key(&self, script: &Script, key: &Key, again: Resend) -> Result<Reply, StoreError> {
        self.on_name(script, &name::of(&self.prefix, key), again).await
    }

    async fn on_name(&self, script: &Script, name: &str, again: Resend) -> Result<Reply, StoreError> {
        let offset = self.offset.millis().to_string();
        self.connection.run(script, name, &[&offset], again).await
    }

    async fn on_claim_request(
        &self,
        script: &Script,
        claim_request: &ClaimRequest,
        more: &[&str],
    ) -> Result<Reply, StoreError> {
        let [offset, lease, retention] = [
            self.offset.millis(),
            script::millis(claim_request.lease),
            script::millis(claim_request.retention),
        ]
        .map(|millis| millis.to_string());
        let token = hex::encode(claim_request.token.to_bytes());
        let fingerprint = hex::encode(claim_request.fingerprint.to_bytes());
        let mut args = vec![offset.as_str(), &token, &fingerprint, &lease, &retention];
        args.extend(more);
        let name = name::of(&self.prefix, &claim_request.key);
        self.connection.run(script, &name, &args, Resend::Yes).await
    }

    pub(crate) fn unexpected(&self, reply: &Reply) -> StoreError {
        StoreError::unavailable(format!(
            "redis at {} replied {reply:?}; expected a reply of this version's scripts: is the record another program's?",
            self.connection.server()
        ))
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("server", &format_args!("{}", self.connection.server()))
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl IdempotencyStore for RedisStore {
    fn last_failure(&self) -> Option<String> {
        self.connection.last_failure()
    }

    async fn claim(&self, claim_request: &ClaimRequest) -> Result<Claimed, StoreError> {
        let reply = self.on_claim_request(&self.scripts.claim, claim_request, &[]).await?;
        script::claimed(&reply).ok_or_else(|| self.unexpected(&reply))
    }

    async fn renew(&self, claim_request: &ClaimRequest) -> Result<Effect, StoreError> {
        let reply = self.on_claim_request(&self.scripts.renew, claim_request, &[]).await?;
        script::effect(&reply).ok_or_else(|| self.unexpected(&reply))
    }

    async fn complete(&self, claim_request: &ClaimRequest, completion: Completion) -> Result<Effect, StoreError> {
        let more = [completion.as_str()];
        let reply = self
            .on_claim_request(&self.scripts.complete, claim_request, &more)
            .await?;
        script::effect(&reply).ok_or_else(|| self.unexpected(&reply))
    }

    async fn release(&self, claim_request: &ClaimRequest) -> Result<Effect, StoreError> {
        let reply = self.on_claim_request(&self.scripts.release, claim_request, &[]).await?;
        script::effect(&reply).ok_or_else(|| self.unexpected(&reply))
    }

    async fn get(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let reply = self.on_key(&self.scripts.get, key, Resend::Yes).await?;
        script::record(&reply).ok_or_else(|| self.unexpected(&reply))
    }

    async fn forget(&self, key: &Key) -> Result<Effect, StoreError> {
        // Sent twice, it could drop a claim that was made in between.
        let reply = self.on_key(&self.scripts.forget, key, Resend::No).await?;
        script::effect(&reply).ok_or_else(|| self.unexpected(&reply))
    }

    fn identity(&self) -> Option<StoreIdentity> {
        let (server, database, prefix) = (self.connection.server(), self.connection.database(), &self.prefix);
        Some(StoreIdentity::at(
            "RedisStore",
            format!("{server}/{database}, prefix {prefix}"),
        ))
    }
}

/// Makes a [`RedisStore`].
///
/// ```no_run
/// use tower_webhook_redis::RedisStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = RedisStore::builder("redis://127.0.0.1")
///     .prefix("staging-webhook")
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
pub struct RedisStoreBuilder {
    url: String,
    prefix: String,
    limit: Duration,
}

impl RedisStoreBuilder {
    /// The prefix of the keys in the server; by default `webhook`. Applications that share a
    /// database need no prefixes of their own: that is what namespaces are for. No prefix may be
    /// another one extended by a colon: `a:b` and namespace `c` have the keys of `a` and namespace
    /// `b` with ids that begin with `c:`.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long an operation may take, connecting included; by default 1.8 s. A connection that was
    /// silent for so long is replaced, so keep it below the layer's
    /// [`store_timeout`](tower_webhook::layer::WebhookLayerBuilder::store_timeout).
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Connects.
    ///
    /// # Errors
    /// As [`RedisStore::connect`].
    pub async fn connect(self) -> Result<RedisStore, StoreError> {
        let store = RedisStore {
            connection: Arc::new(Connection::new(&self.url, self.limit)?),
            scripts: Arc::new(Scripts::new()),
            prefix: self.prefix.into(),
            offset: Offset::default(),
        };
        // A server that wants a password, or forbids scripts, is found now and not by the first
        // delivery.
        store
            .on_name(&store.scripts.get, &name::stem(&store.prefix, ""), Resend::Yes)
            .await?;
        for warning in safety::warnings(&store.connection).await? {
            tracing::warn!(target: "tower_webhook", "{warning}");
        }
        Ok(store)
    }
}

impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may hold a password.
        f.debug_struct("RedisStoreBuilder")
            .field("prefix", &self.prefix)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
