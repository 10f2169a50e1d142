//! A server that dies, cuts connections or says nothing: 503 in bounded time while it lasts, and
//! then all is well by itself. Every event that was acknowledged was handled, and none twice.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;
use tower_webhook::{
    RefusalKind,
    store::{AnyStore, Counts, IdempotencyStore, StoreAdmin},
};
use tower_webhook_sqlx::PostgresStore;

use super::{
    claim_request, new_table,
    proxy::Proxy,
    server::{PASSWORD, Server},
};
use crate::over_store::App;

pub(super) const TASKS: usize = 8;
pub(super) const EVENTS: usize = 40;

/// Many providers, each until its events are acknowledged.
pub(super) fn load(app: &Arc<App>) -> JoinSet<()> {
    let mut providers = JoinSet::new();
    for task in 0..TASKS {
        let app = Arc::clone(app);
        providers.spawn(async move {
            for event in 0..EVENTS {
                app.deliver_until_acknowledged(&format!("{task}-{event}")).await;
            }
        });
    }
    providers
}

/// All was acknowledged, handled once, and is recorded as soon as what settles in the background
/// has done so.
pub(super) async fn all_is_well(app: &App, store: &PostgresStore, mut providers: JoinSet<()>) {
    while let Some(provider) = providers.join_next().await {
        provider.unwrap();
    }
    for task in 0..TASKS {
        for event in 0..EVENTS {
            let id = format!("{task}-{event}");
            assert_eq!(app.runs(&id), 1, "{id}");
        }
    }
    let all = Counts::new(0, 0, (TASKS * EVENTS) as u64);
    let mut counts = store.count("dwolla").await.unwrap();
    for _ in 0..1000 {
        if counts == all {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        counts = store.count("dwolla").await.unwrap();
    }
    panic!("{counts:?}");
}

/// Waits until so many events were handled.
pub(super) async fn progress(app: &App, events: usize) {
    while (0..TASKS * EVENTS)
        .filter(|number| app.runs(&format!("{}-{}", number % TASKS, number / TASKS)) > 0)
        .count()
        < events
    {
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_killed_in_mid_load_loses_nothing_and_runs_nothing_twice() {
    let Some(server) = Server::start() else { return };
    drop(server.connection().await);
    let store = PostgresStore::connect(&server.url()).await.unwrap();
    let app = Arc::new(App::new(store.clone()));
    let providers = load(&app);
    for events in [50, 150] {
        progress(&app, events).await;
        server.kill();
        server.run();
    }
    all_is_well(&app, &store, providers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_that_are_cut_in_mid_load_lose_nothing_and_run_nothing_twice() {
    let Some(server) = Server::shared() else { return };
    let mut admin = server.connection().await;
    sqlx::raw_sql("CREATE DATABASE cut").execute(&mut admin).await.unwrap();
    let store = PostgresStore::connect(&server.url_of("cut")).await.unwrap();
    let app = Arc::new(App::new(store.clone()));
    let providers = load(&app);
    for events in [40, 80, 120, 160, 200] {
        progress(&app, events).await;
        sqlx::raw_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'cut'")
            .execute(&mut admin)
            .await
            .unwrap();
    }
    all_is_well(&app, &store, providers).await;
}

/// A session that takes no writes goes on refusing them where others would not: a pooler's may lead
/// to what was the primary. It is not used again.
#[tokio::test]
async fn a_session_that_takes_no_writes_is_left_for_another() {
    let Some(server) = Server::shared() else { return };
    let mut admin = server.connection().await;
    let mut run = async |sql| sqlx::raw_sql(sql).execute(&mut admin).await.unwrap();
    run("CREATE DATABASE refuses").await;
    let url = server.url_of("refuses");
    let store = PostgresStore::builder().max_connections(1).connect(&url).await.unwrap();
    run("ALTER DATABASE refuses SET default_transaction_read_only = on").await;
    run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'refuses'").await;
    let _ = store.claim(&claim_request("1")).await;
    let refused = store.claim(&claim_request("1")).await.unwrap_err();
    assert!(refused.to_string().contains("25006"), "{refused}");
    run("ALTER DATABASE refuses RESET default_transaction_read_only").await;
    store.claim(&claim_request("1")).await.unwrap();
}

#[tokio::test]
async fn idle_connections_that_died_cost_no_delivery() {
    let Some(server) = Server::shared() else { return };
    let mut admin = server.connection().await;
    sqlx::raw_sql("CREATE DATABASE idle").execute(&mut admin).await.unwrap();
    let store = PostgresStore::connect(&server.url_of("idle")).await.unwrap();
    let app = App::new(store);
    assert_eq!(app.deliver("1").await, 200);
    sqlx::raw_sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = 'idle'")
        .execute(&mut admin)
        .await
        .unwrap();
    assert_eq!((app.deliver("2").await, app.runs("2")), (200, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_says_nothing_is_answered_503_and_forgiven() {
    let Some(server) = Server::shared() else { return };
    let proxy = Proxy::to(server.port()).await;
    let url = format!("postgres://postgres:{PASSWORD}@127.0.0.1:{}/postgres", proxy.port);
    // fewer connections than deliveries that fall silent: those that are stuck must make room
    let store = PostgresStore::builder()
        .table(new_table())
        .max_connections(2)
        .connect(&url)
        .await
        .unwrap();
    let app = App::new(store.clone());
    assert_eq!(app.deliver("before").await, 200);
    proxy.silence(true);
    for id in ["1", "2", "3"] {
        assert_eq!((app.deliver(id).await, app.runs(id)), (503, 0));
    }
    proxy.silence(false);
    for id in ["1", "2", "3"] {
        app.deliver_until_acknowledged(id).await;
        assert_eq!(app.runs(id), 1);
        assert!(store.get(&claim_request(id).key).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_start_beside_a_server_that_says_nothing_ends() {
    let proxy = Proxy::to(0).await;
    proxy.silence(true);
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres", proxy.port);
    let refused = PostgresStore::connect(&url).await.unwrap_err().to_string();
    assert!(refused.contains("does not respond"), "{refused}");
}

/// By its own words, and not by cutting the connection.
#[tokio::test]
async fn sessions_that_the_server_ended_for_being_idle_cost_no_delivery() {
    let Some(server) = Server::shared() else { return };
    let mut admin = server.connection().await;
    sqlx::raw_sql("CREATE DATABASE ended; ")
        .execute(&mut admin)
        .await
        .unwrap();
    sqlx::raw_sql("ALTER DATABASE ended SET idle_session_timeout = '300ms'")
        .execute(&mut admin)
        .await
        .unwrap();
    let store = PostgresStore::connect(&server.url_of("ended")).await.unwrap();
    let app = App::new(store);
    assert_eq!(app.deliver("1").await, 200);
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'ended'";
    while sqlx::query_scalar::<_, i64>(sessions)
        .fetch_one(&mut admin)
        .await
        .unwrap()
        > 0
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!((app.deliver("2").await, app.runs("2")), (200, 1));
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_not_stormed_with_connections() {
    let Some(server) = Server::shared() else { return };
    let mut admin = server.connection().await;
    sqlx::raw_sql("CREATE DATABASE read_only")
        .execute(&mut admin)
        .await
        .unwrap();
    let store = PostgresStore::connect(&server.url_of("read_only")).await.unwrap();
    sqlx::raw_sql("ALTER DATABASE read_only SET default_transaction_read_only = on")
        .execute(&mut admin)
        .await
        .unwrap();
    sqlx::raw_sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = 'read_only'")
        .execute(&mut admin)
        .await
        .unwrap();
    let sessions = "SELECT sessions FROM pg_stat_database WHERE datname = 'read_only'";
    let before: i64 = sqlx::query_scalar(sessions).fetch_one(&mut admin).await.unwrap();
    for event in 0..10 {
        store.claim(&claim_request(&event.to_string())).await.unwrap_err();
    }
    // Each operation asks over one connection that is new, and over one more.
    sqlx::raw_sql("SELECT pg_stat_clear_snapshot()")
        .execute(&mut admin)
        .await
        .unwrap();
    let after: i64 = sqlx::query_scalar(sessions).fetch_one(&mut admin).await.unwrap();
    assert!(after - before <= 21, "{}", after - before);
}

#[tokio::test]
async fn a_server_that_is_stopped_is_said_to_refuse_connections() {
    let Some(server) = Server::start() else { return };
    drop(server.connection().await);
    let own = PostgresStore::connect(&server.url()).await.unwrap();
    let pool = sqlx::PgPool::connect(&server.url()).await.unwrap();
    let given = PostgresStore::with_pool(pool).await.unwrap();
    let apps = [App::new(own.clone()), App::new(AnyStore::new(given.clone()))];
    for (app, id) in apps.iter().zip(["own", "given"]) {
        assert_eq!(app.deliver(id).await, 200);
    }
    server.kill();
    for app in &apps {
        let answer = app.answer("2").await;
        answer.assert_refused(503, RefusalKind::Store);
        let reason = answer.rejection.unwrap().reason().to_owned();
        let expected = format!("and before that: Postgres at 127.0.0.1:{}: ", server.port());
        assert!(
            reason.contains(&expected) && reason.contains("Connection refused"),
            "{reason}"
        );
        assert!(!reason.contains(PASSWORD), "{reason}");
    }
    // What was wrong is forgotten as soon as it is not any more.
    server.run();
    for app in &apps {
        app.deliver_until_acknowledged("2").await;
    }
    assert_eq!((own.last_failure(), given.last_failure()), (None, None));
}
