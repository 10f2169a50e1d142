//! What sentinels watch: a primary and its replica.

use tower_webhook::store::{IdempotencyStore, StoreErrorKind};
use tower_webhook_redis::RedisStore;

use super::{
    FIRST, Harness, claim_request,
    groups::Watched,
    namespace,
    server::{Program, free_port},
};

tower_webhook::store_suite!(
    suite,
    Harness::connect_to(Watched::shared(Program::Redis).map(Watched::url)).await
);

/// Connections to it are accepted, and nothing is said.
async fn silent_port() -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok(connection) = listener.accept().await {
            kept.push(connection);
        }
    });
    port
}

#[tokio::test]
async fn one_sentinel_is_enough_and_its_neighbours_may_be_dead_or_silent() {
    let Some(watched) = Watched::shared(Program::Redis) else {
        return;
    };
    let hosts = watched.url().replace("redis+sentinel://", "");
    let one = hosts.split(',').next().unwrap();
    let (dead, silent) = (free_port(), silent_port().await);
    let url = format!("redis+sentinel://127.0.0.1:{dead},127.0.0.1:{silent},{one}/main/2");
    let asked = std::time::Instant::now();
    let store = RedisStore::connect(&url).await.unwrap();
    // The silent one was not waited for: the crate would give it a second.
    assert!(asked.elapsed().as_millis() < 900, "{:?}", asked.elapsed());
    let namespace = namespace("one sentinel");
    assert_eq!(store.claim(&claim_request(&namespace, 1)).await.unwrap(), FIRST);
    let name = format!("webhook:{namespace}:1");
    assert_eq!(watched.primary.command(&["-n", "2", "EXISTS", &name]), "1");
    assert_eq!(watched.primary.command(&["EXISTS", &name]), "0");
    assert_eq!(
        store.identity().unwrap().to_string(),
        format!("RedisStore at main (watched by 127.0.0.1:{dead},127.0.0.1:{silent},{one})/2, prefix webhook")
    );
}

#[tokio::test]
async fn a_name_that_the_sentinels_do_not_know_is_said() {
    let Some(watched) = Watched::shared(Program::Redis) else {
        return;
    };
    let url = format!("{}x", watched.url());
    let error = RedisStore::connect(&url).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    let shown = error.to_string();
    assert!(
        shown.contains("redis at mainx (watched by 127.0.0.1:") && shown.contains("not found in sentinel"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_server_that_is_no_sentinel_is_said_to_be_none() {
    let Some(watched) = Watched::shared(Program::Redis) else {
        return;
    };
    let url = format!("redis+sentinel://127.0.0.1:{}/main", watched.primary.port());
    let error = RedisStore::connect(&url).await.unwrap_err();
    assert!(error.to_string().contains("does not point to a sentinel"), "{error}");
}

#[tokio::test]
async fn servers_and_sentinels_have_a_password_each_which_no_error_says() {
    let Some(watched) = Watched::start(Program::Redis, super::groups::PATIENT, &[]) else {
        return;
    };
    let user = ["ACL", "SETUSER", "webhooks", "on"];
    for sentinel in &watched.sentinels {
        sentinel.command(&[&user[..], &[">hunter2", "+role", "+sentinel|masters"]].concat());
        sentinel.command(&["ACL", "SETUSER", "default", "resetpass", ">hunter5"]);
    }
    for server in [&watched.primary, &watched.replica] {
        let scripts = "+evalsha +eval +time +hmget +hset +del +pexpireat +role";
        let scripts: Vec<_> = scripts.split(' ').collect();
        server.command(&[&user[..], &[">hunter3", "~webhook:*"], &scripts].concat());
    }
    let url = |user: &str, query: &str| {
        let hosts = watched.url().replace("redis+sentinel://", "");
        format!("redis+sentinel://{user}{hosts}{query}")
    };
    let store = RedisStore::connect(&url(
        "webhooks:hunter3@",
        "/0?sentinel_password=hunter2&sentinel_username=webhooks",
    ))
    .await
    .unwrap();
    assert_eq!(store.claim(&claim_request("dwolla", 1)).await.unwrap(), FIRST);
    for wrong in [
        url("webhooks:hunter3@", ""),
        url("webhooks:hunter3@", "?sentinel_password=hunter4"),
        url(
            "webhooks:hunter4@",
            "?sentinel_username=webhooks&sentinel_password=hunter2",
        ),
        url("webhooks:hunter3@", "/hunter4?sentinel_password=hunter5"),
        url("webhooks:hunter3@", "/0?password=hunter4"),
    ] {
        let error = RedisStore::connect(&wrong).await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter"), "{shown}");
    }
}
