//! A primary that dies with a standby to take its place, behind one address. What a synchronous
//! standby has is all that anybody was told; what an asynchronous one has not received is gone.

use std::{sync::Arc, time::Duration};

use sqlx::{Connection as _, PgConnection, PgPool, Row as _, postgres::PgPoolOptions};
use tokio::task::JoinSet;
use tower_webhook::{
    Delivery, HandlerError, RefusalKind, TopicRouter, WebhookLayer,
    dwolla::{self, Dwolla},
    inbox::WorkerHandle,
    store::{AnyStore, Counts, IdempotencyStore as _, Key, State, StoreAdmin as _, StoreErrorKind},
};
use tower_webhook_sqlx::PostgresStore;

use super::{
    claim_request,
    faults::{EVENTS, TASKS, all_is_well, load, progress},
    new_table,
    proxy::Proxy,
    server::{PASSWORD, Server, url_at},
};
use crate::{
    endpoint::{SECRET, key},
    over_store::App,
};

/// A primary with a standby that it waits for, and one that it does not wait for.
struct Cluster {
    primary: Server,
    synchronous: Server,
    asynchronous: Server,
    /// Where clients connect, wherever the primary is.
    address: Proxy,
    /// Between the primary and the standby that it does not wait for.
    link: Proxy,
}

impl Cluster {
    async fn start() -> Option<Self> {
        let primary = Server::start()?;
        drop(primary.connection().await);
        let link = Proxy::to(primary.port()).await;
        let synchronous = primary.standby(primary.port(), "synchronous");
        let asynchronous = primary.standby(link.port, "asynchronous");
        let cluster = Self {
            address: Proxy::to(primary.port()).await,
            primary,
            synchronous,
            asynchronous,
            link,
        };
        let mut admin = cluster.primary.connection().await;
        for setting in [
            "ALTER SYSTEM SET synchronous_standby_names = 'synchronous'",
            "SELECT pg_reload_conf()",
            "CREATE TABLE effects (id text NOT NULL)",
        ] {
            sqlx::raw_sql(setting).execute(&mut admin).await.unwrap();
        }
        let question = "SELECT string_agg(application_name || ' ' || sync_state, ', ' ORDER BY application_name) FROM pg_stat_replication \
                        WHERE state = 'streaming'";
        until(&mut admin, question, "asynchronous async, synchronous sync").await;
        Some(cluster)
    }

    fn url(&self) -> String {
        url_at(self.address.port, "postgres")
    }

    /// The primary dies, this one takes its place, and the address leads there.
    async fn fail_over_to(&self, standby: &Server) {
        self.primary.kill();
        standby.promote().await;
        self.address.lead_to(standby.port());
    }
}

/// Asks until the answer is this.
async fn until(connection: &mut PgConnection, question: &'static str, expected: &str) {
    for _ in 0..3000 {
        let row = sqlx::raw_sql(question).fetch_one(&mut *connection).await.unwrap();
        if row.get::<Option<&str>, _>(0) == Some(expected) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never {expected}: {question}");
}

/// An inbox in tables of its own, and a worker whose effect is in one transaction with DONE.
async fn inbox(url: &str, pool: &PgPool) -> (App, WorkerHandle, PostgresStore) {
    let store = PostgresStore::builder().table("inbox").connect(url).await.unwrap();
    let layer = WebhookLayer::new(Dwolla::new(SECRET).unwrap(), store.clone());
    let worker = layer.worker(topics(&store, pool)).concurrency(4).start();
    (App::inbox(&layer), worker, store)
}

fn topics(store: &PostgresStore, pool: &PgPool) -> TopicRouter<dwolla::Event> {
    let (store, pool) = (store.clone(), pool.clone());
    TopicRouter::new().on("customer_created", move |delivery| {
        let (store, pool) = (store.clone(), pool.clone());
        async move { in_a_transaction(&store, &pool, delivery).await }
    })
}

async fn in_a_transaction(
    store: &PostgresStore,
    pool: &PgPool,
    delivery: Delivery<dwolla::Event>,
) -> Result<(), HandlerError> {
    let mut transaction = pool.begin().await?;
    sqlx::query("INSERT INTO effects (id) VALUES ($1)")
        .bind(delivery.event().id().as_str())
        .execute(&mut *transaction)
        .await?;
    store.complete_in(delivery.claim(), &mut transaction).await?;
    transaction.commit().await?;
    Ok(())
}

/// How many effects each of these events has, in the order of their ids.
async fn effects(server: &Server, prefix: &str) -> Vec<i64> {
    let question = "SELECT count(*) FROM effects WHERE starts_with(id, $1) GROUP BY id ORDER BY id";
    sqlx::query_scalar(question)
        .bind(prefix)
        .fetch_all(&mut server.connection().await)
        .await
        .unwrap()
}

fn pool(url: &str) -> PgPool {
    let pool = PgPoolOptions::new().acquire_timeout(Duration::from_secs(2));
    pool.connect_lazy(url).unwrap()
}

async fn is_done(store: &PostgresStore, key: &Key) -> bool {
    let record = store.get(key).await.unwrap();
    record.is_some_and(|record| matches!(record.state, State::Done { .. }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_synchronous_standby_that_takes_over_in_mid_load_has_all_that_was_acknowledged() {
    let Some(cluster) = Cluster::start().await else { return };
    let (url, pool) = (cluster.url(), pool(&cluster.url()));
    // Handled before the response, with an effect that no transaction holds.
    let store = PostgresStore::connect(&url).await.unwrap();
    let app = Arc::new(App::new(store.clone()));
    // Stored, and handled later.
    let (inbox, worker, inbox_store) = inbox(&url, &pool).await;
    let inbox = Arc::new(inbox);

    let providers = load(&app);
    let mut deposits = JoinSet::new();
    for task in 0..TASKS {
        let inbox = Arc::clone(&inbox);
        deposits.spawn(async move {
            for event in 0..EVENTS {
                inbox
                    .deliver_until_acknowledged(&format!("stored {task}-{event}"))
                    .await;
            }
        });
    }
    progress(&app, 100).await;
    cluster.fail_over_to(&cluster.synchronous).await;
    // Nobody sends again what was acknowledged: it is there, or it is lost.
    all_is_well(&app, &store, providers).await;
    while let Some(deposited) = deposits.join_next().await {
        deposited.unwrap();
    }
    let all = Counts::new(0, 0, (TASKS * EVENTS) as u64);
    while inbox_store.count("dwolla").await.unwrap() != all {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(effects(&cluster.synchronous, "stored").await, [1; TASKS * EVENTS]);
    drop(worker);
}

/// What a standby has not received when the primary dies: the records are gone, and with them the
/// effects that were in one transaction with them. An event that was handled runs again if it is
/// sent again; one that was stored, and that nobody sends again, never runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_asynchronous_standby_that_takes_over_lacks_what_it_had_not_received_and_no_more() {
    const HALF: usize = 20;
    let Some(cluster) = Cluster::start().await else { return };
    let mut admin = cluster.primary.connection().await;
    for setting in [
        "ALTER SYSTEM RESET synchronous_standby_names",
        "SELECT pg_reload_conf()",
    ] {
        sqlx::raw_sql(setting).execute(&mut admin).await.unwrap();
    }
    let (url, pool) = (cluster.url(), pool(&cluster.url()));
    let store = PostgresStore::connect(&url).await.unwrap();
    let plain = App::new(store.clone());
    let (inner, effects_pool) = (store.clone(), pool.clone());
    let in_transaction = App::with(store.clone(), move |delivery| {
        let (store, pool) = (inner.clone(), effects_pool.clone());
        async move { in_a_transaction(&store, &pool, delivery).await }
    });
    let (inbox, worker, inbox_store) = inbox(&url, &pool).await;
    let deliver = async |number: usize| {
        assert_eq!(plain.deliver(&format!("plain {number:02}")).await, 200);
        assert_eq!(in_transaction.deliver(&format!("booked {number:02}")).await, 200);
        assert_eq!(inbox.deliver(&format!("stored {number:02}")).await, 200);
    };
    for number in 0..HALF {
        deliver(number).await;
    }
    let received = "SELECT (sent_lsn = replay_lsn AND sent_lsn = pg_current_wal_lsn())::text FROM pg_stat_replication \
                    WHERE application_name = 'asynchronous'";
    until(&mut admin, received, "true").await;
    // From here on the standby hears nothing, and nobody who is told 200 knows.
    cluster.link.silence(true);
    for number in HALF..2 * HALF {
        deliver(number).await;
    }
    cluster.fail_over_to(&cluster.asynchronous).await;
    drop(worker);

    let (mut lost, mut kept) = ([0; 3], [0; 3]);
    for number in 0..2 * HALF {
        let records = [
            is_done(&store, &key(&format!("plain {number:02}"))).await,
            is_done(&store, &key(&format!("booked {number:02}"))).await,
            inbox_store
                .get(&key(&format!("stored {number:02}")))
                .await
                .unwrap()
                .is_some(),
        ];
        for (place, is_there) in records.into_iter().enumerate() {
            let counted = if is_there { &mut kept } else { &mut lost };
            counted[place] += 1;
            assert_eq!(is_there, number < HALF, "{number}, {place}");
        }
    }
    eprintln!(
        "an asynchronous standby took over, {} deliveries behind: of {} acknowledged events each, lost are {} records of plain \
         handlers, {} of handlers in a transaction, {} stored deliveries",
        3 * HALF,
        2 * HALF,
        lost[0],
        lost[1],
        lost[2]
    );
    assert_eq!((lost, kept), ([HALF; 3], [HALF; 3]));

    // All of it is sent again, as by an operator.
    let (inbox, worker, inbox_store) = self::inbox(&url, &pool).await;
    for number in 0..2 * HALF {
        let id = format!("plain {number:02}");
        plain.deliver_until_acknowledged(&id).await;
        assert_eq!(plain.runs(&id), if number < HALF { 1 } else { 2 }, "{id}");
        in_transaction
            .deliver_until_acknowledged(&format!("booked {number:02}"))
            .await;
        inbox.deliver_until_acknowledged(&format!("stored {number:02}")).await;
    }
    while inbox_store.count("dwolla").await.unwrap() != Counts::new(0, 0, 2 * HALF as u64) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The effect was lost with its record: it is there once.
    for prefix in ["booked", "stored"] {
        assert_eq!(effects(&cluster.asynchronous, prefix).await, [1; 2 * HALF], "{prefix}");
    }
    drop(worker);
}

/// As where an address follows late, or leads to a primary that was made a standby.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_standby_behind_the_address_is_answered_503_and_left_as_soon_as_the_address_leads_elsewhere() {
    let Some(primary) = Server::start() else { return };
    drop(primary.connection().await);
    let standby = primary.standby(primary.port(), "standby");
    drop(standby.connection().await);
    let address = Proxy::to(primary.port()).await;
    let url = url_at(address.port, "postgres");
    let own = PostgresStore::builder().table(new_table()).connect(&url).await.unwrap();
    let given = PostgresStore::builder()
        .table(new_table())
        .with_pool(pool(&url))
        .await
        .unwrap();
    let stores = [own.clone(), given];
    let apps = stores.clone().map(|store| App::new(AnyStore::new(store)));
    for app in &apps {
        assert_eq!(app.deliver("before").await, 200);
    }
    address.lead_to(standby.port());
    for (app, reason) in apps
        .iter()
        .zip(["it is a standby, which takes no writes", "code 25006"])
    {
        let answer = app.answer("1").await;
        answer.assert_refused(503, RefusalKind::Store);
        let said = answer.rejection.unwrap().reason().to_owned();
        assert!(said.contains(reason) && !said.contains(PASSWORD), "{said}");
        assert_eq!(app.runs("1"), 0);
    }
    // Whatever asks it: no operation says that the settings are wrong.
    for store in &stores {
        let refused = store.claim(&claim_request("2")).await.unwrap_err();
        assert_eq!(refused.kind(), StoreErrorKind::Unavailable, "{refused}");
    }
    let refused = PostgresStore::connect(&url).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Unavailable);
    assert!(refused.to_string().contains("it is a standby"), "{refused}");

    // Not cut this time, as where a standby is promoted: the given pool's connections lead there.
    standby.promote().await;
    for app in &apps {
        app.deliver_until_acknowledged("1").await;
        assert_eq!((app.deliver("1").await, app.runs("1")), (200, 1));
    }
    PgConnection::connect(&url).await.unwrap().close().await.unwrap();
}
