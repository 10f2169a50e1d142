//! Which store when, what each guarantees, and how to write one. (This module is a page; there is
//! nothing in it.)
//!
//! # Which store
//! | you have | take |
//! | --- | --- |
//! | one process, and a double run after a restart does no harm; tests | [in memory](#in-memory) |
//! | one machine, with one or more processes, and no database | [SQLite](#sqlite) |
//! | several machines, or handlers whose effects are in Postgres | [Postgres](#postgres) |
//! | several machines, many events, and a Redis or Valkey that keeps its data | [Redis](#redis) |
//! | something else that can compare and set | [one of your own](#how-to-write-one) |
//!
//! If handler and store share a database, SQLite or Postgres, take that one: `complete_in`
//! commits the effect and the record in one transaction, and the event is handled exactly once in
//! that database. With any other pair, a crash between the effect and the record runs the event
//! again, as every receiver must: make the effect idempotent, or fence it with the
//! [generation](crate::delivery::Claim::generation).
//!
//! By URL, from a setting: `connect` of each crate gives an [`AnyStore`](super::AnyStore); the
//! example `receiver` chooses among them.
//!
//! # What each guarantees
//! What becomes of the records when something fails. Redis is configured with `appendonly yes` and
//! `noeviction`.
//!
//! | | in memory | SQLite | Postgres | Redis |
//! | --- | --- | --- | --- | --- |
//! | the process dies | forgotten | kept | kept | kept |
//! | the machine dies | forgotten | kept ¹ | kept | kept |
//! | the store's server dies | - | - | kept, with `fsync` on | kept ² |
//! | failover to a replica | - | - | kept, if it is synchronous ³ | what it lacks is lost ⁵ |
//! | the application's clock steps | nothing | leases shift | nothing | nothing |
//! | the server's clock steps | - | - | leases shift | leases shift |
//! | there is no room | new events are refused ⁴ | refused | refused | refused |
//! | effect and record in one transaction | no | `complete_in` | `complete_in` | no |
//! | round trips for a delivery | none | none; two commits | two | two |
//!
//! 1. If the disk keeps what it says it has written.
//! 2. With `appendfsync always`. With `everysec` too if its machine lives; else the last second is
//!    lost.
//! 3. What an asynchronous replica had not received is lost; see [Postgres](#postgres).
//! 4. Until old ones may be forgotten.
//! 5. No setting makes Redis' replication synchronous; `min-replicas-to-write` narrows the loss.
//!
//! The claims of a process that died end with their lease: 60 s unless set.
//!
//! "Forgotten" and "lost" mean: an event that its provider sends again runs again. An event that
//! was not acknowledged is never lost: while a store does not respond, deliveries get 503, and
//! their providers send them again.
//!
//! A clock that is set *forward* by more than a lease ends leases early, so that a second run may
//! begin beside the first (which can [see it](crate::delivery::Claim::is_lost)); one that is set
//! *back* lets the claims of dead processes rest longer by as much, and what waits in an inbox for
//! a time that the wrong clock gave it: an operator's `replay` makes that due. A clock that is
//! slewed, as time daemons do it on running machines, changes nothing.
//!
//! # In memory
//! `MemoryStore`, feature `memory` (a default). Some 90 bytes for an event; a million of them by
//! default.
//!
//! # SQLite
//! `SqliteStore` of the crate `tower-webhook-sqlx`, also an [inbox](crate::inbox). One database,
//! which all processes of a machine may open; not on a network file system. It is three files, the
//! path and that with `-wal` and `-shm`, which belong together: copy it by
//! `sqlite3 webhooks.db ".backup copy.db"`, not by `cp`.
//! Spawn [`purge_every`](super::StoreAdmin#method.purge_every), which removes expired records.
//!
//! # Postgres
//! `PostgresStore` of the crate `tower-webhook-sqlx`, also an [inbox](crate::inbox). Three tables
//! in a database that you have. Spawn
//! [`purge_every`](super::StoreAdmin#method.purge_every), which removes expired records.
//!
//! Behind `PgBouncer` in transaction mode, add `?pgbouncer=true` to the URL: no setting, prepared
//! statement or lock is left in a session that others use. The server plans each statement anew
//! then, which the page of `PostgresStore` has figures of.
//!
//! *Failover.* Let one address lead to the primary, wherever it is. The store leaves a server that
//! died or became a standby by itself; until the address follows, deliveries get 503. Where the
//! standby that takes over is synchronous, nothing that was acknowledged is lost. Where it is not:
//!
//! | an event that was acknowledged, and that the standby had not received | afterwards |
//! | --- | --- |
//! | handled before the response | forgotten: it runs again if the provider sends it again |
//! | the same, with `complete_in` | forgotten with its effect: done once, if it is sent again |
//! | stored in the inbox, not handled yet | lost: nobody sends it again, and it never runs |
//! | the same, handled | its record is lost; its effect too, if in one transaction with it |
//!
//! The window is the standby's lag. For an inbox have a synchronous standby, or a reconciler (of
//! the crate `tower-webhook-reconcile`), which finds what the provider has and the store lacks.
//!
//! # Redis
//! `RedisStore` of the crate `tower-webhook-redis`. One hash for an event, some 250 bytes, which
//! the server forgets by itself. Have `maxmemory-policy noeviction` and `appendonly yes`; the store
//! warns at start where they are not.
//!
//! One server (`redis://`), a cluster (`redis+cluster://`), or a primary with replicas that
//! sentinels watch (`redis+sentinel://`); Redis or Valkey. When a replica takes the place of its
//! primary, deliveries get 503 for the seconds that it takes, and nothing runs without a claim. But
//! Redis acknowledges before a replica has the write: what the dead primary had not passed on is
//! forgotten, and runs again if it is sent again. With `min-replicas-to-write 1`, a primary that
//! has lost its replicas refuses new events (503) instead of acknowledging writes that may be lost.
//! Where a second run would do harm, take Postgres with a synchronous replica, or fence by the
//! [generation](crate::delivery::Claim::generation) in the effect's own database.
//!
//! # For the operator
//! [`get`](super::IdempotencyStore::get) tells what is recorded of one event,
//! [`forget`](super::IdempotencyStore::forget) lets it run again; [`StoreAdmin`](super::StoreAdmin)
//! counts by state and lists claims past their lease. All of it needs no code where there is a
//! database, since namespace and id are plain text. The namespace is the provider's name unless the
//! layer was given another; the id is the deduplication key, which the log has as `id`: the event's
//! own id (`evt_1`; of Slack's `A1:Ev1`, with the app before it); where a header that nobody signs
//! has the id (GitHub, Shopify, Linear), that one, a colon and a digest; and where there is none,
//! or in strict mode, `sha256:` and a digest.
//!
//! Without an inbox, failed events are FREE: their handler failed, they were released, and the
//! provider may send them again. `attempts` says how often they were tried, and `changed_at` since
//! when nobody has tried again. Why they failed is in the log, under their id. What a handler
//! refused for good is `rejected`, and never comes again by itself.
//!
//! ```text
//! -- Postgres
//! SELECT * FROM webhook_events WHERE namespace = 'dwolla' AND id = 'bb6531a2';
//! DELETE FROM webhook_events WHERE namespace = 'dwolla' AND id = 'bb6531a2'; -- forget
//! SELECT namespace, state, count(*) FROM webhook_events WHERE expires_at > now() GROUP BY 1, 2;
//! SELECT namespace, id, lease_until FROM webhook_events
//!     WHERE state = 'claimed' AND lease_until < now(); -- expired
//! SELECT namespace, count(*) AS failed, min(changed_at) AS since FROM webhook_events
//!     WHERE state = 'free' AND expires_at > now() GROUP BY 1;
//! SELECT namespace, id, attempts, changed_at AS since FROM webhook_events
//!     WHERE state = 'free' AND expires_at > now() ORDER BY changed_at; -- failed
//! SELECT namespace, id, attempts, changed_at AS since FROM webhook_events
//!     WHERE state = 'rejected' AND expires_at > now() ORDER BY changed_at DESC; -- rejected
//!
//! -- SQLite: the first two alike, and times are milliseconds since 1970
//! SELECT namespace, state, count(*) FROM webhook_events
//!     WHERE expires_at > strftime('%s', 'now') * 1000 GROUP BY 1, 2;
//! SELECT namespace, id, datetime(lease_until / 1000, 'unixepoch') FROM webhook_events
//!     WHERE state = 'claimed' AND lease_until < strftime('%s', 'now') * 1000; -- expired
//! SELECT namespace, count(*) AS failed, datetime(min(changed_at) / 1000, 'unixepoch') AS since
//!     FROM webhook_events
//!     WHERE state = 'free' AND expires_at > strftime('%s', 'now') * 1000 GROUP BY 1;
//! SELECT namespace, id, attempts, datetime(changed_at / 1000, 'unixepoch') AS since
//!     FROM webhook_events
//!     WHERE state = 'free' AND expires_at > strftime('%s', 'now') * 1000
//!     ORDER BY changed_at; -- failed
//! SELECT namespace, id, attempts, datetime(changed_at / 1000, 'unixepoch') AS since
//!     FROM webhook_events
//!     WHERE state = 'rejected' AND expires_at > strftime('%s', 'now') * 1000
//!     ORDER BY changed_at DESC; -- rejected
//!
//! -- Redis, which has no index to count by: use `count` and `expired_claims`
//! redis-cli HGETALL webhook:dwolla:bb6531a2
//! redis-cli DEL webhook:dwolla:bb6531a2
//! ```
//!
//! `handled` and `rejected` are the two ways to be DONE. The `.sql` files beside the source are
//! what the stores run; by hand those of SQLite need its version 3.42, as `unixepoch('subsec')`
//! does.
//!
//! # For the operator of an inbox
//! [`InboxAdmin`](crate::inbox::InboxAdmin) lists, shows and replays. The same by hand, where a
//! delivery is a row of `webhook_events`, one of `webhook_bodies`, and one of `webhook_attempts`
//! for each failed attempt. To forget one by hand, delete its rows from all three, in one
//! transaction.
//!
//! ```text
//! -- an inbox in Postgres (of a tenant's events, the id is 'acme/bb6531a2')
//! SELECT namespace,
//!        count(*) FILTER (WHERE state = 'free' AND due_at <= now()) AS due,
//!        count(*) FILTER (WHERE state = 'free' AND due_at > now())  AS scheduled,
//!        count(*) FILTER (WHERE state = 'claimed')                  AS running,
//!        count(*) FILTER (WHERE state = 'dead')                     AS dead,
//!        now() - min(due_at) FILTER (WHERE state = 'free')          AS oldest_due
//!     FROM webhook_events
//!     WHERE stored AND state IN ('free', 'claimed', 'dead') GROUP BY 1; -- backlog
//! SELECT id, topic, attempts, changed_at AS since
//!     FROM webhook_events JOIN webhook_bodies USING (namespace, id)
//!     WHERE namespace = 'dwolla' AND state = 'dead' ORDER BY changed_at; -- dead
//! SELECT number, ended_at, outcome, error, worker FROM webhook_attempts
//!     WHERE namespace = 'dwolla' AND id = 'bb6531a2' ORDER BY ended_at; -- why
//! SELECT convert_from(headers, 'UTF8'), convert_from(body, 'UTF8') FROM webhook_bodies
//!     WHERE namespace = 'dwolla' AND id = 'bb6531a2'; -- letter
//! UPDATE webhook_events
//!     SET state = 'free', due_at = now(), attempts = 0, crashes = 0, changed_at = now(),
//!         expires_at = '9999-12-31 23:59:59+00'
//!     WHERE namespace = 'dwolla' AND id = 'bb6531a2'
//!       AND stored AND state <> 'claimed'; -- replay
//!
//! -- an inbox in SQLite
//! SELECT namespace,
//!        count(*) FILTER (WHERE state = 'free' AND due_at <= strftime('%s', 'now') * 1000) AS due,
//!        count(*) FILTER (WHERE state = 'free' AND due_at > strftime('%s', 'now') * 1000)
//!            AS scheduled,
//!        count(*) FILTER (WHERE state = 'claimed') AS running,
//!        count(*) FILTER (WHERE state = 'dead')    AS dead,
//!        datetime(min(due_at) FILTER (WHERE state = 'free') / 1000, 'unixepoch') AS oldest_due
//!     FROM webhook_events
//!     WHERE stored AND state IN ('free', 'claimed', 'dead') GROUP BY 1; -- backlog
//! SELECT id, topic, attempts, datetime(changed_at / 1000, 'unixepoch') AS since
//!     FROM webhook_events JOIN webhook_bodies USING (namespace, id)
//!     WHERE namespace = 'dwolla' AND state = 'dead' ORDER BY changed_at; -- dead
//! SELECT number, datetime(ended_at / 1000, 'unixepoch'), outcome, error, worker
//!     FROM webhook_attempts
//!     WHERE namespace = 'dwolla' AND id = 'bb6531a2' ORDER BY ended_at; -- why
//! SELECT CAST(headers AS TEXT), CAST(body AS TEXT) FROM webhook_bodies
//!     WHERE namespace = 'dwolla' AND id = 'bb6531a2'; -- letter
//! UPDATE webhook_events
//!     SET state = 'free', due_at = strftime('%s', 'now') * 1000, attempts = 0, crashes = 0,
//!         changed_at = strftime('%s', 'now') * 1000, expires_at = 253402300799000
//!     WHERE namespace = 'dwolla' AND id = 'bb6531a2'
//!       AND stored AND state <> 'claimed'; -- replay
//! ```
//!
//! # From version to version
//! The tables are part of what a release promises:
//!
//! - A store opens tables that have the columns it knows, and refuses others with the name of what
//!   is missing. It creates what is not there, and alters nothing that is.
//! - A release that changes the schema says so in CHANGELOG.md, with the statements that bring the
//!   tables of the release before to it: `ALTER TABLE … ADD COLUMN … DEFAULT …`, for Postgres and
//!   for SQLite. Run them first, then deploy: the release before works on with the new tables.
//! - A column that is added has a default that means what was true without it, and no column
//!   changes its meaning. A new state is understood by a release before the one that writes it, so
//!   that processes of both can share the tables while they are replaced.
//! - Redis has no schema: a field that is missing from a hash means what was true without it.
//!
//! A store of your own should promise the same; `record` is non-exhaustive so that it can grow.
//!
//! # How to write one
//! A store keeps one [`Record`](super::Record) for each [`Key`](super::Key). Implement
//! [`IdempotencyStore`](super::IdempotencyStore):
//!
//! 1. Each method is *one atomic step*: read the record, ask [`record`](super::record) what becomes
//!    of it, write that. Atomic by a lock, by a transaction, by a script in the server, or by
//!    compare-and-set in a loop. A read followed by an unconditional write is the error that loses
//!    money: two processes both read "absent".
//! 2. The time that the transition is given is the *store's own*: what all who share the store
//!    agree on. Never the application's, when there is a server.
//! 3. `Change::write` is what to keep instead, all of it: a claim may change the record's
//!    fingerprint. `None`: keep what is there. `Change::response` is what the method returns.
//! 4. A record counts as absent when its `expires` has come
//!    ([`Record::is_expired`](super::Record::is_expired)); the transitions look at that by
//!    themselves. Remove such records when it suits you; forget no other.
//! 5. The layer drops the future of an operation that takes too long. It may then have been applied
//!    or not; both must leave a record that is whole.
//! 6. Return an error, never a guess, where you cannot know. No room for a new event is
//!    [`StoreError::full`](super::StoreError::full).
//! 7. Say by [`identity`](super::IdempotencyStore::identity) which store it is, so that layers that
//!    share it are warned where they should not. `StoreIdentity::in_process` where it lives in the
//!    process, `StoreIdentity::at` with its address (no password) where it does not.
//!
//! The locked map of `examples/custom_store.rs` is all of that in a page. Then let the conformance
//! suite have it (feature `test-util`):
//!
//! ```text
//! tower_webhook::store_suite!(mine, Harness::new());
//! ```
//!
//! Some fifty tests follow, races and a model-based one among them; `testing::store_suite` says how
//! to give them a store whose time they can move. Implement [`StoreAdmin`](super::StoreAdmin) too
//! if your store is to be an [`AnyStore`](super::AnyStore).
