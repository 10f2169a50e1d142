//! A cluster: three primaries with a third of the slots each, and a replica each.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tower_webhook::store::{Claimed, Completion, Effect, IdempotencyStore, StoreAdmin, StoreErrorKind};
use tower_webhook_redis::RedisStore;

use super::{
    FIRST, Harness, LEASE, Server, again, claim_request,
    groups::{Cluster, PATIENT},
    namespace,
    server::{Program, until},
};
use crate::over_store;

tower_webhook::store_suite!(
    suite,
    Harness::connect_to(Cluster::shared(Program::Redis).map(Cluster::url)).await
);

/// Ids of events in this namespace whose records this third of the cluster has.
fn ids_of_third(cluster: &Cluster, namespace: &str, third: usize, count: usize) -> Vec<String> {
    (0..)
        .map(|number| format!("event {number}"))
        .filter(|id| cluster.third(&format!("webhook:{namespace}:{id}")) == third)
        .take(count)
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn of_48_tasks_that_claim_1000_events_one_gets_each() {
    let Some(cluster) = Cluster::shared(Program::Redis) else {
        return;
    };
    let mut stores = Vec::new();
    for _ in 0..6 {
        stores.push(RedisStore::connect(&cluster.url()).await.unwrap());
    }
    over_store::one_of_many_wins_each_event(&stores, RedisStore::advance).await;
}

#[tokio::test]
async fn one_node_is_enough_to_find_the_others_and_its_neighbours_may_be_dead() {
    let Some(cluster) = Cluster::shared(Program::Redis) else {
        return;
    };
    let dead = super::server::free_port();
    let url = format!(
        "redis+cluster://127.0.0.1:{dead},127.0.0.1:{}/0",
        cluster.replicas[1].port()
    );
    let store = RedisStore::connect(&url).await.unwrap();
    let namespace = namespace("one node");
    for number in 0..30 {
        assert_eq!(store.claim(&claim_request(&namespace, number)).await.unwrap(), FIRST);
    }
}

#[tokio::test]
async fn an_operator_counts_the_records_of_every_primary() {
    let Some(cluster) = Cluster::shared(Program::Redis) else {
        return;
    };
    let store = RedisStore::connect(&cluster.url()).await.unwrap();
    over_store::an_operator_counts_by_state_and_lists_what_is_overdue(&store, RedisStore::advance).await;

    let namespace = namespace("every primary");
    for third in 0..3 {
        for id in ids_of_third(cluster, &namespace, third, 5) {
            store.claim(&claim_request(&namespace, id)).await.unwrap();
        }
    }
    assert_eq!(store.count(&namespace).await.unwrap().claimed, 15);
    store.advance(LEASE);
    assert_eq!(store.expired_claims(&namespace, 100).await.unwrap().len(), 15);
}

#[tokio::test]
async fn a_primary_that_is_down_makes_a_count_an_error_and_no_smaller_number() {
    let Some(cluster) = Cluster::start(Program::Redis, PATIENT) else {
        return;
    };
    let store = RedisStore::connect(&cluster.url()).await.unwrap();
    let [there, down] = [0, 1].map(|third| ids_of_third(&cluster, "dwolla", third, 3));
    for id in there.iter().chain(&down) {
        store.claim(&claim_request("dwolla", id)).await.unwrap();
    }
    assert_eq!(store.count("dwolla").await.unwrap().claimed, 6);
    cluster.primaries[1].kill();
    // Its connection is found to be broken, once.
    let event = claim_request("dwolla", &down[0]);
    let error = store.renew(&event).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    for _ in 0..2 {
        let error = store.count("dwolla").await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        assert!(
            error
                .to_string()
                .contains("2 of the cluster's 3 primaries can be asked"),
            "{error}"
        );
    }
    let error = store.renew(&event).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the primary of this key's slot is not reached"),
        "{error}"
    );
    // The others serve theirs.
    let another = claim_request("dwolla", &there[0]);
    assert!(matches!(store.claim(&another).await.unwrap(), Claimed::InFlight { .. }));
}

/// While one primary says nothing, and is not yet taken for dead.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_silent_primary_keeps_nobody_from_the_others() {
    let Some(cluster) = Cluster::start(Program::Redis, PATIENT) else {
        return;
    };
    let store = RedisStore::connect(&cluster.url()).await.unwrap();
    let silent = ids_of_third(&cluster, "dwolla", 0, 4);
    let others = ids_of_third(&cluster, "dwolla", 1, 100);
    cluster.primaries[0].stop();
    let refused = Arc::new(AtomicUsize::new(0));
    let deliveries = silent.into_iter().map(|id| {
        let (store, refused) = (store.clone(), Arc::clone(&refused));
        tokio::spawn(async move {
            let event = claim_request("dwolla", id);
            while store.claim(&event).await.is_err() {
                refused.fetch_add(1, Ordering::SeqCst);
            }
        })
    });
    let deliveries: Vec<_> = deliveries.collect();
    let (mut slowest, mut claims) = (Duration::ZERO, 0);
    for id in others.iter().cycle() {
        if refused.load(Ordering::SeqCst) >= 16 {
            break;
        }
        let asked = Instant::now();
        store.claim(&claim_request("dwolla", id)).await.unwrap();
        slowest = slowest.max(asked.elapsed());
        claims += 1;
    }
    println!("beside a silent primary, the slowest of {claims} claims took {slowest:?}");
    cluster.primaries[0].go_on();
    for delivery in deliveries {
        delivery.await.unwrap();
    }
}

#[tokio::test]
async fn a_slot_that_moves_to_another_node_takes_its_records_along() {
    let Some(cluster) = Cluster::start(Program::Redis, PATIENT) else {
        return;
    };
    let store = RedisStore::connect(&cluster.url()).await.unwrap();
    let id = ids_of_third(&cluster, "dwolla", 0, 1).remove(0);
    let event = claim_request("dwolla", &id);
    let name = format!("webhook:dwolla:{id}");
    store.claim(&event).await.unwrap();

    let [from, to] = [&cluster.primaries[0], &cluster.primaries[1]];
    let [from_id, to_id] = [from, to].map(|node| node.command(&["CLUSTER", "MYID"]));
    let slot = from.command(&["CLUSTER", "KEYSLOT", &name]);
    to.command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]);
    from.command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]);
    let moved = from.command(&["MIGRATE", "127.0.0.1", &to.port().to_string(), &name, "0", "5000"]);
    assert_eq!(moved, "OK");
    // The key is there, the slot still here.
    assert_eq!(store.renew(&event).await.unwrap(), Effect::Applied);
    let answer = store.claim(&again(&event)).await.unwrap();
    assert!(matches!(answer, Claimed::InFlight { .. }), "{answer:?}");

    for node in [to, from] {
        node.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]);
    }
    assert_eq!(
        store.complete(&event, Completion::Handled).await.unwrap(),
        Effect::Applied
    );
    assert_eq!(to.command(&["HGET", &name, "state"]), "DONE");
}

#[tokio::test]
async fn forget_is_not_sent_again_by_itself_in_a_cluster_either() {
    let Some(cluster) = Cluster::start(Program::Redis, PATIENT) else {
        return;
    };
    let store = RedisStore::connect(&cluster.url()).await.unwrap();
    let event = claim_request("dwolla", "event");
    store.claim(&event).await.unwrap();
    for _ in 0..5 {
        for node in &cluster.primaries {
            node.command(&["CLIENT", "KILL", "TYPE", "normal"]);
        }
        let error = store.forget(&event.key).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        // What may be sent again is.
        for node in &cluster.primaries {
            node.command(&["CLIENT", "KILL", "TYPE", "normal"]);
        }
        assert_eq!(store.renew(&event).await.unwrap(), Effect::Applied);
    }
    assert_eq!(store.forget(&event.key).await.unwrap(), Effect::Applied);
}

#[cfg(feature = "tracing")]
#[tokio::test]
async fn each_node_is_looked_at_when_the_store_connects_and_named_in_the_warning() {
    let Some(cluster) = Cluster::start(Program::Redis, PATIENT) else {
        return;
    };
    for node in cluster.nodes() {
        node.command(&["CONFIG", "SET", "appendonly", "yes"]);
    }
    let [primary, replica] = [&cluster.primaries[2], &cluster.replicas[0]];
    primary.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    replica.command(&["CONFIG", "SET", "appendonly", "no"]);
    let capture = crate::logs::Capture::start();
    RedisStore::connect(&cluster.url()).await.unwrap();
    let logged = capture.text();
    let warnings: Vec<_> = logged.lines().collect();
    assert_eq!(warnings.len(), 2, "{logged}");
    for (server, what) in [
        (primary, "maxmemory-policy is allkeys-lru"),
        (replica, "nothing is written to disk"),
    ] {
        let expected = format!("redis at 127.0.0.1:{}: {what}", server.port());
        assert!(logged.contains(&expected), "{logged}");
    }
}

#[tokio::test]
async fn the_user_is_of_every_node_and_its_password_in_no_error() {
    let Some(cluster) = Cluster::start(Program::Redis, PATIENT) else {
        return;
    };
    let scripts = ["+evalsha", "+eval", "+time", "+hmget", "+hset", "+del", "+pexpireat"];
    let in_a_cluster = ["+ping", "+cluster|slots"];
    let user = ["ACL", "SETUSER", "webhooks", "on", ">hunter2", "~webhook:*"];
    for node in cluster.nodes() {
        node.command(&[&user[..], &scripts, &in_a_cluster].concat());
    }
    let store = RedisStore::connect(&cluster.url_as("webhooks:hunter2@")).await.unwrap();
    for number in 0..10 {
        let event = claim_request("dwolla", number);
        assert_eq!(store.claim(&event).await.unwrap(), FIRST);
    }
    let hosts = cluster.url().replace("redis+cluster://", "");
    assert_eq!(
        format!("{store:?}"),
        format!("RedisStore {{ server: {hosts}, prefix: \"webhook\", .. }}")
    );
    let wrong = cluster.url_as("webhooks:hunter3@");
    let error = RedisStore::connect(&wrong).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    let shown = format!("{error} {error:?}");
    assert!(
        !shown.contains("hunter") && shown.contains("authentication failed"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_server_that_is_no_cluster_is_said_to_be_none() {
    let Some(server) = Server::shared() else { return };
    let url = format!("redis+cluster://127.0.0.1:{}", server.port());
    let error = RedisStore::connect(&url).await.unwrap_err();
    assert!(error.to_string().contains("cluster support disabled"), "{error}");
}

#[tokio::test]
async fn a_node_alone_says_which_url_has_them_all() {
    let Some(cluster) = Cluster::shared(Program::Redis) else {
        return;
    };
    let error = match RedisStore::connect(&cluster.primaries[0].url()).await {
        Err(error) => error,
        Ok(store) => {
            let elsewhere = ids_of_third(cluster, "dwolla", 1, 1).remove(0);
            store.claim(&claim_request("dwolla", elsewhere)).await.unwrap_err()
        }
    };
    assert!(
        error
            .to_string()
            .contains("is one node of a cluster, and another holds this key"),
        "{error}"
    );
    assert!(
        error.to_string().contains("redis+cluster://host:port,host:port"),
        "{error}"
    );
}

#[tokio::test]
async fn a_restarted_primary_evaluates_the_scripts_anew() {
    let Some(mut cluster) = Cluster::start(Program::Redis, PATIENT) else {
        return;
    };
    let store = RedisStore::connect(&cluster.url()).await.unwrap();
    let ids = ids_of_third(&cluster, "dwolla", 0, 2);
    store.claim(&claim_request("dwolla", &ids[0])).await.unwrap();
    cluster.primaries[0].kill();
    cluster.primaries[0].start_again();
    until("the cluster has it again", || {
        cluster.primaries[0]
            .command(&["CLUSTER", "INFO"])
            .contains("cluster_state:ok")
    });
    let asked = Instant::now();
    while let Err(error) = store.claim(&claim_request("dwolla", &ids[1])).await {
        assert!(asked.elapsed() < Duration::from_secs(20), "{error}");
    }
}
