//! What is in the server: what an operator sees and asks, and when the server forgets it.

use std::time::Duration;

use tower_webhook::{
    event::EventId,
    store::{Claimed, Completion, Counts, Effect, IdempotencyStore, Key, StoreAdmin, StoreErrorKind},
};
use tower_webhook_redis::RedisStore;

use super::{FIRST, LEASE, RETENTION, Server, again, claim_request, hex, namespace};

/// The fields of a record, as lines.
fn fields(server: &Server, name: &str) -> Vec<String> {
    let shown = server.command(&["HGETALL", name]);
    let lines: Vec<&str> = shown.lines().collect();
    let mut fields: Vec<String> = lines.chunks(2).map(|pair| pair.join(" ")).collect();
    fields.sort();
    fields
}

/// The value of a field that is a time.
fn time(fields: &[String], name: &str) -> i64 {
    let value = fields
        .iter()
        .find_map(|field| field.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("{name} of {fields:?}")).parse().unwrap()
}

/// The server's time, in milliseconds.
fn now(server: &Server) -> i64 {
    let shown = server.command(&["TIME"]);
    let (seconds, micros) = shown.split_once('\n').unwrap();
    seconds.parse::<i64>().unwrap() * 1000 + micros.trim().parse::<i64>().unwrap() / 1000
}

#[tokio::test]
async fn an_operator_finds_an_event_by_its_namespace_and_id_and_reads_its_state() {
    let Some(server) = Server::start(&[]) else { return };
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let claim_request = claim_request("dwolla", "bb6531a2");
    let name = "webhook:dwolla:bb6531a2";
    let fingerprint = format!(
        "fingerprint {}",
        claim_request
            .fingerprint
            .to_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    );

    assert_eq!(store.claim(&claim_request).await.unwrap(), FIRST);
    let claimed = fields(&server, name);
    let (lease_until, expires) = (time(&claimed, "lease_until"), time(&claimed, "expires"));
    assert_eq!(
        claimed,
        [
            "attempts 1".to_owned(),
            format!("expires {expires}"),
            fingerprint.clone(),
            "generation 1".to_owned(),
            format!("lease_until {lease_until}"),
            "state CLAIMED".to_owned(),
            format!("token {}", hex(claim_request.token)),
        ]
    );
    assert_eq!(expires - lease_until, 3_600_000);
    assert!((lease_until - now(&server) - 60_000).abs() < 5_000, "{claimed:?}");
    // and the server forgets it by itself, then
    assert_eq!(server.command(&["PEXPIRETIME", name]), expires.to_string());

    store.release(&claim_request).await.unwrap();
    let free = fields(&server, name);
    let expires = time(&free, "expires");
    let as_free = [
        "attempts 1",
        &format!("expires {expires}"),
        &fingerprint,
        "generation 1",
        "state FREE",
    ];
    assert_eq!(free, as_free);
    assert_eq!(server.command(&["PEXPIRETIME", name]), expires.to_string());

    store
        .complete(&again(&claim_request), Completion::Handled)
        .await
        .unwrap();
    let done = fields(&server, name);
    let (at, expires) = (time(&done, "at"), time(&done, "expires"));
    let as_done = [
        &format!("at {at}"),
        "completion handled",
        &format!("expires {expires}"),
        &fingerprint,
        "state DONE",
    ];
    assert_eq!(done, as_done);
    assert_eq!(expires - at, 3_600_000);
    assert_eq!(server.command(&["PEXPIRETIME", name]), expires.to_string());
    assert_eq!(server.command(&["DBSIZE"]), "1");
}

#[tokio::test]
async fn the_scripts_are_run_by_hand_as_they_say() {
    let Some(server) = Server::shared() else { return };
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let namespace = namespace("by hand");
    store.claim(&claim_request(&namespace, "event")).await.unwrap();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/crates/redis/src/lua/");
    let script = ["record.lua", "get.lua"].map(|file| std::fs::read_to_string(format!("{folder}{file}")).unwrap());
    let shown = server.command(&[
        "EVAL",
        &script.concat(),
        "1",
        &format!("webhook:{namespace}:event"),
        "0",
    ]);
    assert!(shown.starts_with("CLAIMED\n"), "{shown}");
}

#[tokio::test]
async fn a_server_that_lost_the_scripts_is_sent_them_again() {
    let Some(server) = Server::start(&[]) else { return };
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let claim_request = claim_request("dwolla", "event");
    for _ in 0..2 {
        assert_eq!(store.claim(&claim_request).await.unwrap(), FIRST);
        server.command(&["SCRIPT", "FLUSH"]);
    }
    assert_eq!(
        store.complete(&claim_request, Completion::Handled).await.unwrap(),
        Effect::Applied
    );
}

#[tokio::test]
async fn a_delivery_takes_two_round_trips() {
    let Some(server) = Server::start(&[]) else { return };
    let store = RedisStore::connect(&server.url()).await.unwrap();
    // the server learns the scripts
    let first = claim_request("dwolla", "first");
    store.claim(&first).await.unwrap();
    store.complete(&first, Completion::Handled).await.unwrap();

    server.command(&["CONFIG", "RESETSTAT"]);
    let second = claim_request("dwolla", "second");
    store.claim(&second).await.unwrap();
    store.complete(&second, Completion::Handled).await.unwrap();
    let stats = server.command(&["INFO", "commandstats"]);
    let calls: Vec<&str> = stats
        .lines()
        .filter_map(|line| line.strip_prefix("cmdstat_")?.split(",usec").next())
        .filter(|line| !line.starts_with("config") && !line.starts_with("info"))
        .collect();
    let of = |command: &str| {
        calls
            .iter()
            .find_map(|line| line.strip_prefix(command)?.strip_prefix(":calls="))
    };
    assert_eq!((of("evalsha"), of("eval")), (Some("2"), None), "{calls:?}");
    // and nothing comes from a client beside the scripts
    let inside = [
        "evalsha",
        "time",
        "hmget",
        "hset",
        "del",
        "pexpireat",
        "client|setinfo",
        "command|docs",
        "command",
    ];
    for line in &calls {
        let command = line.split(':').next().unwrap();
        assert!(inside.contains(&command), "{calls:?}");
    }
}

#[tokio::test]
async fn leases_go_by_the_server_and_not_by_who_asks() {
    let Some(server) = Server::shared() else { return };
    let namespace = namespace("clocks");
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let claim_request = claim_request(&namespace, "event");
    let before = now(server);
    store.claim(&claim_request).await.unwrap();
    let after = now(server);
    let lease_until = time(&fields(server, &format!("webhook:{namespace}:event")), "lease_until") - 60_000;
    assert!(
        (before..=after).contains(&lease_until),
        "{before} {lease_until} {after}"
    );
    // No operation sends a time of its own: its arguments are durations, and the offset that only
    // tests have.
    let source = include_str!("../../../crates/redis/src/store.rs");
    assert!(!source.contains("SystemTime::now") && !source.contains("clock::"));
}

#[tokio::test]
async fn events_are_counted_by_state_and_namespace() {
    let Some(server) = Server::shared() else { return };
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let (namespace, other) = (namespace("count *"), namespace("count *x"));
    assert_eq!(store.count(&namespace).await.unwrap(), Counts::default());

    // more than a page of the scan
    for id in 0..1200 {
        store
            .complete(&claim_request(&namespace, format!("done {id}")), Completion::Handled)
            .await
            .unwrap();
    }
    for id in 0..3 {
        store
            .claim(&claim_request(&namespace, format!("claimed {id}")))
            .await
            .unwrap();
    }
    let free = claim_request(&namespace, "free");
    store.claim(&free).await.unwrap();
    store.release(&free).await.unwrap();
    store.claim(&claim_request(&other, "claimed elsewhere")).await.unwrap();

    let counts = Counts::new(3, 1, 1200);
    assert_eq!(store.count(&namespace).await.unwrap(), counts);
    store.advance(LEASE);
    assert_eq!(store.count(&namespace).await.unwrap(), counts);
    // FREE and DONE are over after a retention, an expired claim one lease later
    store.advance(RETENTION - LEASE + Duration::from_secs(30));
    assert_eq!(store.count(&namespace).await.unwrap(), Counts::new(3, 0, 0));
}

#[tokio::test]
async fn an_operator_counts_by_state_and_lists_what_is_overdue() {
    let Some(server) = Server::shared() else { return };
    let store = RedisStore::connect(&server.url()).await.unwrap();
    crate::over_store::an_operator_counts_by_state_and_lists_what_is_overdue(&store, RedisStore::advance).await;
}

#[tokio::test]
async fn claims_past_their_lease_are_listed_up_to_a_limit() {
    let Some(server) = Server::shared() else { return };
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let namespace = namespace("overdue: [a]");
    for id in ["a:b", "c", "d"] {
        store.claim(&claim_request(&namespace, id)).await.unwrap();
    }
    let finished = claim_request(&namespace, "finished");
    store.claim(&finished).await.unwrap();
    store.complete(&finished, Completion::Rejected).await.unwrap();
    assert_eq!(store.expired_claims(&namespace, 10).await.unwrap(), []);

    store.advance(LEASE);
    store.claim(&claim_request(&namespace, "running")).await.unwrap();
    let key = |id: &str| Key::new(namespace.as_str(), EventId::new(id).unwrap());
    assert_eq!(
        store.expired_claims(&namespace, 10).await.unwrap(),
        ["a:b", "c", "d"].map(key)
    );
    assert_eq!(store.expired_claims(&namespace, 2).await.unwrap().len(), 2);
    assert_eq!(store.expired_claims(&namespace, 0).await.unwrap(), []);
}

#[tokio::test]
async fn stores_with_other_prefixes_share_nothing() {
    let Some(server) = Server::shared() else { return };
    let namespace = namespace("prefix");
    let claim_request = claim_request(&namespace, "event");
    let first = RedisStore::connect(&server.url()).await.unwrap();
    let second = RedisStore::builder(server.url())
        .prefix("staging")
        .connect()
        .await
        .unwrap();
    assert_eq!(first.claim(&claim_request).await.unwrap(), FIRST);
    assert_eq!(second.claim(&again(&claim_request)).await.unwrap(), FIRST);
    assert_eq!(server.command(&["EXISTS", &format!("staging:{namespace}:event")]), "1");
}

#[tokio::test]
async fn a_server_without_memory_refuses_new_events_and_records_what_follows_a_claim() {
    let Some(server) = Server::start(&["--maxmemory-policy", "noeviction"]) else {
        return;
    };
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let [handled, rejected, freed, forgotten, failed] =
        ["handled", "rejected", "freed", "forgotten", "failed"].map(|id| claim_request("dwolla", id));
    for claim_request in [&handled, &rejected, &freed, &forgotten, &failed] {
        assert_eq!(store.claim(claim_request).await.unwrap(), FIRST);
    }
    store.release(&failed).await.unwrap();
    store.forget(&forgotten.key).await.unwrap();
    server.command(&["CONFIG", "SET", "maxmemory", "1"]);

    let new = claim_request("dwolla", "new");
    let error = store.claim(&new).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Full);
    assert_eq!(
        error.to_string(),
        format!(
            "the store is full: redis at 127.0.0.1:{} has reached its maxmemory; nothing is lost, because the provider retries; raise \
             maxmemory, or shorten the retention",
            server.port()
        )
    );
    assert_eq!(store.get(&new.key).await.unwrap(), None);
    assert_eq!(server.command(&["EXISTS", "webhook:dwolla:new"]), "0");

    assert_eq!(store.renew(&handled).await.unwrap(), Effect::Applied);
    assert_eq!(
        store.complete(&handled, Completion::Handled).await.unwrap(),
        Effect::Applied
    );
    assert_eq!(
        store.complete(&rejected, Completion::Rejected).await.unwrap(),
        Effect::Applied
    );
    assert_eq!(store.release(&freed).await.unwrap(), Effect::Applied);
    // though its record is gone
    assert_eq!(
        store.complete(&forgotten, Completion::Handled).await.unwrap(),
        Effect::Applied
    );
    let again = store.claim(&again(&failed)).await.unwrap();
    assert!(matches!(again, Claimed::Acquired { attempts: 2, .. }), "{again:?}");

    server.command(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(store.claim(&new).await.unwrap(), FIRST);
}

#[tokio::test]
async fn what_is_not_a_record_of_this_crate_is_no_claim() {
    let Some(server) = Server::shared() else { return };
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let namespace = namespace("foreign");
    server.command(&["SET", &format!("webhook:{namespace}:text"), "a text"]);
    let odd = format!("webhook:{namespace}:odd");
    server.command(&[
        "HSET",
        &odd,
        "state",
        "EATEN",
        "fingerprint",
        "00",
        "expires",
        "99999999999999",
    ]);
    for id in ["text", "odd"] {
        let claim_request = claim_request(&namespace, id);
        let error = store.claim(&claim_request).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        let expected = if id == "text" {
            "WRONGTYPE"
        } else {
            "is the record another program's?"
        };
        assert!(error.to_string().contains(expected), "{error}");
        let error = store.get(&claim_request.key).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    }
}
