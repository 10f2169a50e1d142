//! A primary that is killed while events come, with a replica that takes its place: what ran twice,
//! what was lost, and for how long the store was not there.

use std::time::{Duration, Instant};

use tower_webhook::store::{Claimed, IdempotencyStore, State};
use tower_webhook_redis::RedisStore;

use super::{
    FIRST, LEASE, Server, claim_request,
    faults::{EVENTS, Receiver, pause},
    groups::{Cluster, QUICK, Watched},
    namespace,
    server::{Program, until},
};
use crate::endpoint::key;

/// Of what lost its completion in the failover and kept its claim, the next run begins after it.
const SHORT_LEASE: Duration = Duration::from_secs(6);
/// To take a server for dead, to agree, to promote another, and to be told: on a busy machine.
const BOUND: Duration = Duration::from_secs(30);

/// What came of one failover under load.
#[derive(Debug, Default)]
struct Tally {
    ran_twice: usize,
    /// Acknowledged, and then not DONE in the store.
    forgotten: usize,
    away: Duration,
}

/// What the replica has of what the primary has acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Replica {
    /// As good as all: it is told at once.
    InStep,
    /// Nothing of the last tenth of the load.
    CutOff,
}

/// Events are sent, each twice; the primary is killed among them; all are sent once more.
async fn killed_under_load(url: &str, killed: &Server, is_of_killed: impl Fn(&str) -> bool, replica: Replica) -> Tally {
    let store = RedisStore::connect(url).await.unwrap();
    let receiver = Receiver::with_lease(store.clone(), SHORT_LEASE);
    let providers = receiver.load();
    receiver
        .until("the load", |ledger| ledger.handled() >= EVENTS / 5)
        .await;
    if replica == Replica::CutOff {
        cut_off_the_replica(killed);
        let before = receiver.ledger.handled();
        receiver
            .until("the load", |ledger| ledger.handled() >= before + EVENTS / 10)
            .await;
    }
    killed.kill();
    let away = until_it_is_back(&store, is_of_killed).await;
    providers.join_all().await;

    let mut tally = Tally {
        away,
        ..Tally::default()
    };
    let ids: Vec<_> = (0..EVENTS).map(|number| format!("event {number}")).collect();
    for id in &ids {
        // What was acknowledged was handled, whatever the store has forgotten of it since.
        assert!(receiver.ledger.runs(id) > 0, "{id} was acknowledged and never handled");
        let record = store.get(&key(id)).await.unwrap();
        if !matches!(record.map(|record| record.state), Some(State::Done { .. })) {
            tally.forgotten += 1;
        }
    }
    for id in &ids {
        receiver.deliver_until_acknowledged(id).await;
        let runs = receiver.ledger.runs(id);
        tally.ran_twice += usize::from(runs > 1);
        // Once before the failover, and once after it.
        assert!(runs <= 2, "{id} ran {runs} times");
        let record = store.get(&key(id)).await.unwrap();
        assert!(
            matches!(record.as_ref().map(|record| &record.state), Some(State::Done { .. })),
            "{id}: {record:?}"
        );
    }
    tally
}

/// How long the keys of the killed primary could not be claimed. Other keys are not asked for.
async fn until_it_is_back(store: &RedisStore, is_of_killed: impl Fn(&str) -> bool) -> Duration {
    let namespace = namespace("probe");
    let killed = Instant::now();
    for number in 0.. {
        let claim_request = claim_request(&namespace, number);
        if !is_of_killed(&format!("webhook:{namespace}:{number}")) {
            continue;
        }
        match store.claim(&claim_request).await {
            Ok(answer) => {
                assert!(matches!(answer, Claimed::Acquired { .. }), "{answer:?}");
                break;
            }
            Err(error) => assert!(killed.elapsed() < BOUND, "{error}"),
        }
        pause().await;
    }
    killed.elapsed()
}

/// `FAILOVER_ROUNDS=10 cargo test … redis::failover -- --nocapture` says what came of ten.
fn rounds() -> usize {
    std::env::var("FAILOVER_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap())
}

fn say(of: &str, round: usize, replica: Replica, tally: &Tally) {
    println!(
        "{of}, replica {replica:?}, failover {round}: of {EVENTS} events {} ran twice, {} were acknowledged and forgotten; {:?} without the primary",
        tally.ran_twice, tally.forgotten, tally.away
    );
}

async fn clusters_primary_killed(replica: Replica) {
    for round in 1..=rounds() {
        let Some(cluster) = Cluster::start(Program::Redis, QUICK) else {
            return;
        };
        let is_of_killed = |name: &str| cluster.third(name) == 0;
        let tally = killed_under_load(&cluster.url(), &cluster.primaries[0], is_of_killed, replica).await;
        say("cluster", round, replica, &tally);
        tally.assert_as_expected(replica);
    }
}

async fn watched_primary_killed(replica: Replica) {
    for round in 1..=rounds() {
        let Some(watched) = Watched::start(Program::Redis, QUICK, &[]) else {
            return;
        };
        let tally = killed_under_load(&watched.url(), &watched.primary, |_| true, replica).await;
        say("sentinel", round, replica, &tally);
        tally.assert_as_expected(replica);
    }
}

impl Tally {
    /// What runs twice is what was forgotten, and nothing else.
    fn assert_as_expected(&self, replica: Replica) {
        assert!(self.away < BOUND, "{self:?}");
        assert!(self.ran_twice >= self.forgotten, "{self:?}");
        if replica == Replica::CutOff {
            assert!(self.ran_twice > 0, "{self:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_clusters_primary_is_killed_and_nothing_runs_without_a_claim_and_nothing_is_lost() {
    clusters_primary_killed(Replica::InStep).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_clusters_primary_is_killed_and_what_its_replica_lacks_runs_twice_and_is_not_lost() {
    clusters_primary_killed(Replica::CutOff).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_watched_primary_is_killed_and_nothing_runs_without_a_claim_and_nothing_is_lost() {
    watched_primary_killed(Replica::InStep).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_watched_primary_is_killed_and_what_its_replica_lacks_runs_twice_and_is_not_lost() {
    watched_primary_killed(Replica::CutOff).await;
}

/// From here on the replica gets nothing, and asks in vain.
fn cut_off_the_replica(primary: &Server) {
    primary.command(&["ACL", "SETUSER", "default", "-psync", "-sync", "-replconf"]);
    primary.command(&["CLIENT", "KILL", "TYPE", "replica"]);
}

/// What a primary has acknowledged and not passed on is lost with it. The event runs again when it
/// is sent again: with a claim of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_no_replica_had_runs_again_with_a_claim_of_its_own() {
    let Some(cluster) = Cluster::start(Program::Redis, QUICK) else {
        return;
    };
    let killed = &cluster.primaries[0];
    let id = (0..)
        .map(|number| format!("event {number}"))
        .find(|id| cluster.third(&format!("webhook:dwolla:{id}")) == 0);
    lost_with(&cluster.url(), killed, &id.unwrap()).await;

    let watched = Watched::start(Program::Redis, QUICK, &[]).unwrap();
    lost_with(&watched.url(), &watched.primary, "event").await;
}

async fn lost_with(url: &str, primary: &Server, id: &str) {
    let receiver = Receiver::new(RedisStore::connect(url).await.unwrap());
    cut_off_the_replica(primary);
    assert_eq!(receiver.deliver(id).await.status, 200);
    assert_eq!(receiver.deliver(id).await.status, 200);
    assert_eq!(receiver.ledger.runs(id), 1);
    primary.kill();
    receiver.deliver_until_acknowledged(id).await;
    assert_eq!((receiver.ledger.runs(id), receiver.ledger.claims(id)), (2, 2));
}

/// The option against it, with what it costs.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn with_min_replicas_to_write_nothing_begins_that_no_replica_could_have() {
    let setting = ["--min-replicas-to-write", "1"];
    let Some(watched) = Watched::start(Program::Redis, QUICK, &setting) else {
        return;
    };
    let receiver = Receiver::new(RedisStore::connect(&watched.url()).await.unwrap());
    assert_eq!(receiver.deliver("before").await.status, 200);
    cut_off_the_replica(&watched.primary);
    let refused = receiver.deliver("event").await;
    refused.assert_refused(503, tower_webhook::RefusalKind::Store);
    let reason = refused.rejection.unwrap().reason().to_owned();
    assert!(reason.contains("NOREPLICAS"), "{reason}");
    assert_eq!(receiver.ledger.runs("event"), 0);
    watched
        .primary
        .command(&["ACL", "SETUSER", "default", "+psync", "+sync", "+replconf"]);
    receiver.deliver_until_acknowledged("event").await;
    assert_eq!(receiver.ledger.runs("event"), 1);
}

/// A primary that is demoted while it lives, as for its maintenance, closes its connections or says
/// that it only reads: then the sentinels are asked anew.
#[tokio::test]
async fn a_demoted_primary_is_left_for_the_one_that_the_sentinels_name() {
    let Some(watched) = Watched::start(Program::Redis, QUICK, &[]) else {
        return;
    };
    let store = RedisStore::connect(&watched.url()).await.unwrap();
    let event = claim_request("dwolla", "event");
    store.claim(&event).await.unwrap();
    until("the replica has the claim", || {
        watched.replica.command(&["EXISTS", "webhook:dwolla:event"]) == "1"
    });
    watched.sentinels[0].command(&["SENTINEL", "FAILOVER", "main"]);
    until("the replica is promoted", || {
        watched.replica.command(&["ROLE"]).starts_with("master")
            && watched.primary.command(&["ROLE"]).starts_with("slave")
    });
    let asked = Instant::now();
    while let Err(error) = store.renew(&event.clone().with_lease(LEASE)).await {
        assert!(asked.elapsed() < BOUND, "{error}");
        pause().await;
    }
    assert_eq!(store.claim(&claim_request("dwolla", "after")).await.unwrap(), FIRST);
    assert_eq!(watched.replica.command(&["EXISTS", "webhook:dwolla:after"]), "1");
}

/// A primary that was cut off, and is back, does not know yet that another has its place. With
/// `min-replicas-to-write` it refuses, and the sentinels are asked anew.
#[tokio::test]
async fn a_primary_without_replicas_is_left_for_the_one_that_the_sentinels_name() {
    let Some(watched) = Watched::start(Program::Redis, QUICK, &[]) else {
        return;
    };
    let (old, new) = (&watched.primary, &watched.replica);
    old.command(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    let store = RedisStore::connect(&watched.url()).await.unwrap();
    assert_eq!(store.claim(&claim_request("dwolla", "before")).await.unwrap(), FIRST);
    old.stop();
    until("another is promoted", || new.command(&["ROLE"]).starts_with("master"));
    old.go_on();
    until("it has no replica", || {
        old.command(&["INFO", "replication"]).contains("connected_slaves:0")
    });
    // The sentinels may need a moment to agree.
    let (after, asked) = (claim_request("dwolla", "after"), Instant::now());
    while let Err(error) = store.claim(&after).await {
        assert!(asked.elapsed() < BOUND, "{error}");
        pause().await;
    }
    assert_eq!(new.command(&["EXISTS", "webhook:dwolla:after"]), "1");
    // Nobody has told it yet.
    assert!(old.command(&["ROLE"]).starts_with("master"));
}
