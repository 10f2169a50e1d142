//! What is looked at when a store connects, and what is never said.

use tower_webhook::store::{IdempotencyStore, StoreAdmin, StoreErrorKind};
use tower_webhook_redis::RedisStore;

use super::{FIRST, Server, claim_request};

#[cfg(feature = "tracing")]
mod warnings {
    use super::*;
    use crate::logs::Capture;

    /// What is logged while a store connects to a server with these settings, less the address.
    async fn warnings(settings: &[&str]) -> Option<String> {
        let server = Server::start(settings)?;
        let capture = Capture::start();
        RedisStore::connect(&server.url()).await.unwrap();
        let address = format!("redis at 127.0.0.1:{}: ", server.port());
        Some(
            capture
                .text()
                .replace(&address, "")
                .replace("WARN in None: message=", "")
                .trim_end()
                .to_owned(),
        )
    }

    #[tokio::test]
    async fn a_server_that_keeps_what_it_is_given_is_no_matter() {
        let Some(logged) = warnings(&["--appendonly", "yes"]).await else {
            return;
        };
        assert_eq!(logged, "");
    }

    #[tokio::test]
    async fn a_server_that_writes_snapshots_alone_is_warned_of_with_the_consequence() {
        let Some(logged) = warnings(&["--save", "60 1"]).await else {
            return;
        };
        assert_eq!(
            logged,
            "appendonly is no, and snapshots are all that is written to disk; expected appendonly yes: after a restart the server knows \
             nothing of what came after the last snapshot, and what is sent again of it runs again"
        );
    }

    #[tokio::test]
    async fn eviction_is_warned_of_with_its_consequence() {
        for policy in ["allkeys-lru", "volatile-ttl"] {
            let Some(logged) = warnings(&["--appendonly", "yes", "--maxmemory-policy", policy]).await else {
                return;
            };
            assert_eq!(
                logged,
                format!(
                    "maxmemory-policy is {policy}, expected noeviction: when its memory is full the server drops claims and finished \
                     events, which then run a second time; with noeviction it refuses new events instead, and their providers retry"
                )
            );
        }
    }

    #[tokio::test]
    async fn a_server_that_writes_nothing_to_disk_is_warned_of_with_the_consequence() {
        let Some(logged) = warnings(&[]).await else { return };
        assert_eq!(
            logged,
            "nothing is written to disk (appendonly no, save \"\"), expected appendonly yes: after a restart the server knows no \
             event, and each that is sent again runs again"
        );
    }

    #[tokio::test]
    async fn where_config_is_forbidden_what_the_server_tells_of_itself_will_do() {
        let forbidden = ["--rename-command", "CONFIG", ""];
        let policy = ["--appendonly", "yes", "--maxmemory-policy", "allkeys-lfu"];
        let Some(logged) = warnings(&[&forbidden[..], &policy].concat()).await else {
            return;
        };
        assert!(
            logged.starts_with("maxmemory-policy is allkeys-lfu, expected noeviction"),
            "{logged}"
        );

        let Some(logged) = warnings(&forbidden).await else {
            return;
        };
        assert_eq!(
            logged,
            "appendonly is no, and whether it saves snapshots could not be checked, since the server forbids CONFIG GET; expected \
             appendonly yes: what is not on disk at a restart runs again when its provider sends it again"
        );
    }

    #[tokio::test]
    async fn a_server_that_tells_nothing_is_warned_of() {
        let forbidden = ["--rename-command", "CONFIG", "", "--rename-command", "INFO", ""];
        let Some(logged) = warnings(&forbidden).await else {
            return;
        };
        let parts: Vec<&str> = logged.split(['(', ')']).collect();
        assert_eq!(
            (parts[0], parts[parts.len() - 1]),
            (
                "maxmemory-policy and persistence could not be checked, since the server allows neither CONFIG GET nor INFO ",
                "; expected noeviction and appendonly yes: what a server evicts, or loses in a restart, runs again when its provider \
                 sends it again"
            )
        );
    }
}

#[tokio::test]
async fn a_user_with_the_documented_permissions_may_do_all_it_needs() {
    let Some(server) = Server::start(&[]) else { return };
    let scripts = "+evalsha +eval +time +hmget +hset +del +pexpireat";
    let user = |permissions: &str| {
        let words: Vec<&str> = permissions.split(' ').collect();
        server.command(
            &[
                &["ACL", "SETUSER", "webhooks", "reset", "on", ">word", "~webhook:*"],
                &words[..],
            ]
            .concat(),
        );
    };
    let url = format!("redis://webhooks:word@127.0.0.1:{}", server.port());
    user(scripts);
    let store = RedisStore::connect(&url).await.unwrap();
    let event = claim_request("dwolla", "event");
    assert_eq!(store.claim(&event).await.unwrap(), FIRST);
    store.renew(&event).await.unwrap();
    store.release(&event).await.unwrap();
    store.get(&event.key).await.unwrap().unwrap();
    store.forget(&event.key).await.unwrap();
    let error = store.count("dwolla").await.unwrap_err();
    assert!(error.to_string().contains("no permissions"), "{error}");
    user(&format!("{scripts} +scan"));
    // a changed user's connections are cut
    store.count("dwolla").await.unwrap();
    store.expired_claims("dwolla", 1).await.unwrap();
    // a key of another application: found at start
    let error = RedisStore::builder(&url).prefix("other").connect().await.unwrap_err();
    assert!(error.to_string().contains("NoPerm"), "{error}");
}

#[tokio::test]
async fn a_password_is_in_no_error_no_debug_and_no_log() {
    const PASSWORD: &str = "hunter2";
    #[cfg(feature = "tracing")]
    let capture = crate::logs::Capture::start();
    let mut shown = String::new();
    let mut note = |error: tower_webhook::store::StoreError, kind: StoreErrorKind| {
        assert_eq!(error.kind(), kind, "{error}");
        let source = error.get_ref();
        shown.push_str(&format!("{error} {error:?} {source} {source:?}\n"));
    };
    let port = super::server::free_port();
    for (kind, url) in [
        (
            StoreErrorKind::Unavailable,
            format!("redis://operator:{PASSWORD}@127.0.0.1:{port}"),
        ),
        (
            StoreErrorKind::Unavailable,
            format!("rediss://:{PASSWORD}@127.0.0.1:{port}/0"),
        ),
        (
            StoreErrorKind::Config,
            format!("redis://:{PASSWORD}@127.0.0.1:{port}/database"),
        ),
        (
            StoreErrorKind::Config,
            format!("redis://:{PASSWORD}@127.0.0.1:{port}/?protocol=9"),
        ),
        (StoreErrorKind::Config, format!("redis://:{PASSWORD}@")),
        (StoreErrorKind::Config, format!("redis://:{PASSWORD}@0.0.0.0")),
        (StoreErrorKind::Config, format!("http://:{PASSWORD}@127.0.0.1")),
        (StoreErrorKind::Config, format!("redis:{PASSWORD}")),
        (
            StoreErrorKind::Config,
            format!("redis://operator:1234#{PASSWORD}@127.0.0.1"),
        ),
        (StoreErrorKind::Config, format!("redis://{PASSWORD}:1234/x@127.0.0.1")),
        (StoreErrorKind::Config, format!("redis://{PASSWORD}:1234?x@127.0.0.1")),
        (StoreErrorKind::Unavailable, format!("unix:///missing?pass={PASSWORD}")),
        (StoreErrorKind::Config, PASSWORD.to_owned()),
        (
            StoreErrorKind::Unavailable,
            format!("redis+cluster://u:{PASSWORD}@127.0.0.1:{port},127.0.0.1:1"),
        ),
        (
            StoreErrorKind::Config,
            format!("redis+cluster://u:{PASSWORD}@127.0.0.1:{port}/database"),
        ),
        (
            StoreErrorKind::Config,
            format!("redis+cluster://u:1/{PASSWORD}@127.0.0.1"),
        ),
        (
            StoreErrorKind::Config,
            format!("redis+cluster://u:{PASSWORD}@127.0.0.1,u:{PASSWORD}@127.0.0.2"),
        ),
        (
            StoreErrorKind::Unavailable,
            format!("redis+sentinel://u:{PASSWORD}@127.0.0.1:{port}/main?sentinel_password={PASSWORD}"),
        ),
        (
            StoreErrorKind::Config,
            format!("redis+sentinel://u:{PASSWORD}@127.0.0.1:{port}"),
        ),
        (
            StoreErrorKind::Config,
            format!("redis+sentinel://127.0.0.1/main?password={PASSWORD}"),
        ),
        (
            StoreErrorKind::Config,
            format!("redis-sentinel://{PASSWORD}@127.0.0.1/0#main"),
        ),
        (
            StoreErrorKind::Config,
            format!("rediss+sentinel://:{PASSWORD}@127.0.0.1/main"),
        ),
    ] {
        note(RedisStore::connect(&url).await.unwrap_err(), kind);
        let builder = RedisStore::builder(url);
        assert_eq!(
            format!("{builder:?}"),
            "RedisStoreBuilder { prefix: \"webhook\", limit: 1.8s, .. }"
        );
    }
    if let Some(server) = Server::start(&["--requirepass", "another"]) {
        let wrong = format!("redis://:{PASSWORD}@127.0.0.1:{}", server.port());
        note(
            RedisStore::connect(&wrong).await.unwrap_err(),
            StoreErrorKind::Unavailable,
        );
    }
    if let Some(server) = Server::start(&["--requirepass", PASSWORD]) {
        let port = server.port();
        note(
            RedisStore::connect(&server.url()).await.unwrap_err(),
            StoreErrorKind::Unavailable,
        );
        let right = format!("redis://:{PASSWORD}@127.0.0.1:{port}");
        let store = RedisStore::connect(&right).await.unwrap();
        assert_eq!(
            format!("{store:?}"),
            format!("RedisStore {{ server: 127.0.0.1:{port}, prefix: \"webhook\", .. }}")
        );
        server.kill();
        note(
            store.claim(&claim_request("dwolla", "event")).await.unwrap_err(),
            StoreErrorKind::Unavailable,
        );
    }
    #[cfg(feature = "tracing")]
    shown.push_str(&capture.text());
    assert!(!shown.contains(PASSWORD), "{shown}");
    assert!(
        shown.contains("expected /, ?, # and @ in the password as %2F, %3F, %23 and %40"),
        "{shown}"
    );
    assert!(shown.contains("the URL of redis: expected redis://"), "{shown}");
}

#[tokio::test]
async fn two_stores_on_one_database_and_prefix_are_one_store() {
    let Some(server) = Server::shared() else { return };
    let identity = async |url: String, prefix: &str| {
        let store = RedisStore::builder(url).prefix(prefix).connect().await.unwrap();
        store.identity().unwrap()
    };
    let url = |database: u8| format!("redis://127.0.0.1:{}/{database}", server.port());
    let one = identity(url(0), "webhook").await;
    assert_eq!(one, identity(server.url(), "webhook").await);
    assert_ne!(one, identity(url(1), "webhook").await);
    assert_ne!(one, identity(url(0), "staging").await);
    assert_eq!(
        one.to_string(),
        format!("RedisStore at 127.0.0.1:{}/0, prefix webhook", server.port())
    );
}
