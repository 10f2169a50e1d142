//! A store by its URL: `connect` of each crate, and the receiver's choice among them.

#[path = "../../examples/receiver/store.rs"]
mod store;

use std::time::Duration;

use tower_webhook::{
    event::{EventId, Fingerprint},
    store::{AnyStore, ClaimRequest, Claimed, Completion, Counts, IdempotencyStore, Key, StoreAdmin, Token},
};

async fn refused(url: &str) -> String {
    store::open(url).await.unwrap_err().to_string()
}

fn claim_request(namespace: &str, id: &str) -> ClaimRequest {
    ClaimRequest::new(
        Key::new(namespace, EventId::new(id).unwrap()),
        Token::random(),
        Fingerprint::of([id]),
    )
    .with_lease(Duration::from_secs(60))
    .with_retention(Duration::from_secs(3600))
    .with_retry_window(Duration::from_secs(600))
}

fn namespace() -> String {
    format!("by URL {:?}", Token::random())
}

/// Claims and finishes an event, and leaves another claimed; what another connection to the same
/// URL then knows.
#[allow(dead_code, reason = "not every feature has a store that is shared by URL")]
async fn is_shared(url: &str) {
    let namespace = namespace();
    let (done, running) = (claim_request(&namespace, "done"), claim_request(&namespace, "running"));
    let store = store::open(url).await.unwrap();
    for claim_request in [&done, &running] {
        let first = Claimed::Acquired {
            generation: 1,
            attempts: 1,
        };
        assert_eq!(store.claim(claim_request).await.unwrap(), first);
    }
    store.complete(&done, Completion::Handled).await.unwrap();

    let other = store::open(url).await.unwrap();
    let again = |claim_request: &ClaimRequest| claim_request.clone().with_token(Token::random());
    assert_eq!(
        other.claim(&again(&done)).await.unwrap(),
        Claimed::Done(Completion::Handled)
    );
    let in_flight = other.claim(&again(&running)).await.unwrap();
    assert!(matches!(in_flight, Claimed::InFlight { .. }), "{in_flight:?}");
    let counts = Counts::new(1, 0, 1);
    verbs_answer(&other, &namespace, counts).await;
}

async fn verbs_answer(store: &AnyStore, namespace: &str, counts: Counts) {
    assert_eq!(store.count(namespace).await.unwrap(), counts);
    assert_eq!(store.expired_claims(namespace, 10).await.unwrap(), []);
    assert_eq!(store.purge(10).await.unwrap(), 0);
}

#[cfg(feature = "memory")]
#[tokio::test]
async fn memory_is_this_process() {
    let store = store::open("memory:").await.unwrap();
    let namespace = namespace();
    store.claim(&claim_request(&namespace, "1")).await.unwrap();
    let counts = Counts::new(1, 0, 0);
    verbs_answer(&store, &namespace, counts).await;
    assert_eq!(
        refused("memory:10").await,
        "the store's settings are wrong: its URL has something after memory:; expected nothing (another capacity is set by `MemoryStore::builder`)"
    );
}

#[tokio::test]
async fn sqlite_is_a_file() {
    let folder = std::env::temp_dir().join(format!("tower-webhook-url-{:?}", Token::random()));
    std::fs::create_dir(&folder).unwrap();
    is_shared(&format!("sqlite:{}", folder.join("one.db").display())).await;
    is_shared(&format!("sqlite://{}", folder.join("two.db").display())).await;
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".db"))
        .collect();
    files.sort();
    assert_eq!(files, ["one.db", "two.db"]);
    std::fs::remove_dir_all(&folder).unwrap();

    for none in ["sqlite:", "sqlite://", "sqlite::memory:", "sqlite:webhooks.db?mode=ro"] {
        let error = refused(none).await;
        assert!(error.contains("expected sqlite:<path>"), "{none}: {error}");
    }
    let error = refused("sqlite:/no/such/folder/webhooks.db").await;
    assert!(error.contains("/no/such/folder/webhooks.db"), "{error}");
}

#[cfg(all(feature = "memory", feature = "test-util"))]
#[tokio::test]
async fn postgres_is_a_server() {
    let Some(server) = crate::postgres::server::Server::shared() else {
        return;
    };
    is_shared(&server.url()).await;
    is_shared(&server.url().replacen("postgres://", "postgresql://", 1)).await;
    let wrong = server
        .url()
        .replacen("postgres:", "stranger:", 2)
        .replacen("stranger:", "postgres:", 1);
    assert_eq!(
        refused(&wrong).await,
        format!(
            "the store is unavailable: Postgres at 127.0.0.1:{}: Postgres says \"role \\\"stranger\\\" does not exist\" (code 28000); \
             expected a server that lets this user into this database within 5s",
            server.port()
        )
    );
    let nobody = refused("postgres://u:hunter2@127.0.0.1:1/db").await;
    assert!(
        nobody.contains("Postgres at 127.0.0.1:1: ") && nobody.contains("refused"),
        "{nobody}"
    );
}

#[cfg(all(feature = "memory", feature = "test-util"))]
#[tokio::test]
async fn redis_is_a_server() {
    let Some(server) = crate::redis::server::Server::shared() else {
        return;
    };
    is_shared(&server.url()).await;
    is_shared(&server.url().replacen("redis://", "valkey://", 1)).await;
}

#[cfg(all(feature = "memory", feature = "test-util"))]
#[tokio::test]
async fn several_redis_servers_are_one_store() {
    use crate::redis::{
        groups::{Cluster, Watched},
        server::Program,
    };
    let Some(cluster) = Cluster::shared(Program::Redis) else {
        return;
    };
    is_shared(&cluster.url()).await;
    is_shared(&Watched::shared(Program::Redis).unwrap().url()).await;
}

#[tokio::test]
async fn an_unknown_scheme_is_told_what_is_known_and_nothing_of_the_url_is_repeated() {
    const EXPECTED: &str = "expected memory:, sqlite:<path>, postgres://…, redis://…, rediss://…, redis+cluster://…, \
                            rediss+cluster://… or redis+sentinel://…";
    let scheme = |scheme| format!("the store's settings are wrong: its URL has the scheme {scheme:?}; {EXPECTED}");
    assert_eq!(refused("mysql://u:hunter2@host/db").await, scheme("mysql"));
    assert_eq!(refused("Redis://u:hunter2@host").await, scheme("Redis"));
    let none = format!("the store's settings are wrong: its URL begins with no scheme; {EXPECTED}");
    assert_eq!(refused("u@host/hunter2:hunter2").await, none);
    let none = format!("the store's settings are wrong: its URL has no scheme; {EXPECTED}");
    for url in ["", "hunter2", "webhooks.db"] {
        assert_eq!(refused(url).await, none);
    }
}

#[tokio::test]
async fn an_inbox_by_its_url_keeps_what_it_is_given_and_operators_find_it() {
    use tower_webhook::{
        inbox::{Deposit, Filter, Inbox as _, InboxAdmin as _, StoredDelivery},
        store::{Deposited, Effect, Replayed, Stage},
    };
    let folder = crate::sqlite::Folder::new();
    let url = format!("sqlite:{}", folder.file().display());
    let inbox = store::open_inbox(&url).await.unwrap();
    let delivery = StoredDelivery::new("customer_created", http::HeaderMap::new(), &b"{}"[..]);
    let key = Key::new("dwolla", EventId::new("1").unwrap());
    let deposit = Deposit::new(key.clone(), Fingerprint::of(["1"]), delivery);
    let changed = inbox.changed();
    assert_eq!(inbox.deposit(&deposit).await.unwrap(), Deposited::Stored);
    changed.await;
    // The same, as a store; and over another connection.
    let store: AnyStore = inbox.clone().into();
    assert!(store.get(&key).await.unwrap().is_some());
    let other = store::open_inbox(&url).await.unwrap();
    let known = other.deposit(&deposit).await.unwrap();
    assert_eq!(known, Deposited::Known(Stage::Waiting));
    assert_eq!(other.bury(&key, "by hand").await.unwrap(), Effect::Applied);
    let dead = Filter::new("dwolla").stage(Stage::Dead);
    assert_eq!(inbox.list(&dead, None, 10).await.unwrap().entries.len(), 1);
    let letter = inbox.letter(&key).await.unwrap().unwrap();
    assert_eq!(letter.history[0].attempt.error, "by hand");
    assert_eq!(inbox.replay_all(&dead, Duration::ZERO).await.unwrap(), 1);
    assert_eq!(inbox.replay(&key).await.unwrap(), Replayed::Applied);
    assert_eq!(inbox.backlog("dwolla", 10).await.unwrap().due, 1);
    assert_eq!(inbox.count("dwolla").await.unwrap().free, 1);
}

#[tokio::test]
async fn a_store_that_could_not_keep_the_promise_is_no_inbox() {
    for (url, reason) in [
        ("memory:", "memory: forgets"),
        ("redis://localhost", "Redis may lose the last second"),
        ("redis+cluster://localhost", "Redis may lose the last second"),
        ("redis+sentinel://localhost/main", "Redis may lose the last second"),
        ("mysql://localhost", "scheme"),
    ] {
        let refused = store::open_inbox(url).await.unwrap_err().to_string();
        assert!(refused.contains(reason), "{refused}");
    }
}
