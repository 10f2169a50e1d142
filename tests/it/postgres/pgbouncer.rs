//! Behind `PgBouncer` in transaction mode, as it is by default: a session of the server is a
//! client's for one message, or one transaction, and then another client's.

use std::{
    fs,
    net::TcpStream,
    path::PathBuf,
    process::Command,
    sync::{Arc, OnceLock},
    time::Duration,
};

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, PgConnection, PgPool, Row as _,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tower_webhook::{
    inbox::{Deposit, StoredDelivery},
    store::{Deposited, IdempotencyStore as _, StoreErrorKind},
};
use tower_webhook_sqlx::PostgresStore;

use super::{
    Harness,
    child_process::{ChildProcess, found, missing, program, run},
    claim_request,
    faults::{all_is_well, load, progress},
    new_table,
    proxy::Proxy,
    server::{Server, free_port, url_at},
    store_at,
    transactions::Tables,
};
use crate::{
    over_store::{App, one_of_many_wins_each_of},
    transactions,
};

pub(crate) struct PgBouncer {
    watched: ChildProcess,
    port: u16,
    program: PathBuf,
}

impl PgBouncer {
    /// Before this port, with so many sessions for each database. `None`, said on stderr, where the
    /// machine has none.
    pub(crate) fn before(port: u16, sessions: usize) -> Option<Self> {
        let Some(folder) = found(&["pgbouncer"], vec!["/usr/sbin".into()]) else {
            missing("pgbouncer", "pgbouncer");
            return None;
        };
        let pgbouncer = Self {
            watched: ChildProcess::new("pgbouncer"),
            port: free_port(),
            program: folder.join("pgbouncer"),
        };
        let settings = format!(
            "[databases]\n\
             * = host=127.0.0.1 port={port} user=postgres\n\
             [pgbouncer]\n\
             listen_addr = 127.0.0.1\n\
             listen_port = {}\n\
             unix_socket_dir =\n\
             auth_type = any\n\
             pidfile = {}\n\
             pool_mode = transaction\n\
             default_pool_size = {sessions}\n\
             max_client_conn = 1000\n\
             server_login_retry = 0.1\n",
            pgbouncer.port,
            pgbouncer.file("pid").display(),
        );
        fs::write(pgbouncer.file("pgbouncer.ini"), settings).unwrap();
        pgbouncer.run();
        Some(pgbouncer)
    }

    /// The one before the shared server. Few sessions and many clients: none keeps its session.
    fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<PgBouncer>> = OnceLock::new();
        let server = Server::shared()?;
        SHARED.get_or_init(|| Self::before(server.port(), 4)).as_ref()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.watched.folder().join(name)
    }

    /// Starts it (again), and waits until it listens.
    pub(crate) fn run(&self) {
        let mut command = program(&self.program);
        command.arg("--quiet").arg(self.file("pgbouncer.ini"));
        self.watched.start(&command);
        for _ in 0..500 {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() && self.file("pid").is_file() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("PgBouncer did not start: {}", self.watched.log());
    }

    /// kill -9.
    pub(crate) fn kill(&self) {
        let id = fs::read_to_string(self.file("pid")).unwrap();
        run(Command::new("kill").args(["-9", id.trim()]));
        while TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
            std::thread::sleep(Duration::from_millis(1));
        }
        fs::remove_file(self.file("pid")).unwrap();
    }

    /// As a store is told to connect.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("{}?pgbouncer=true", url_at(self.port, database))
    }

    /// As an application connects that has sqlx prepare nothing by name.
    pub(crate) fn pool(&self, database: &str) -> PgPool {
        let pool = PgPoolOptions::new().max_connections(8);
        pool.connect_lazy_with(options(self.port, database))
    }
}

fn options(port: u16, database: &str) -> PgConnectOptions {
    let options: PgConnectOptions = url_at(port, database).parse().unwrap();
    options.extra_float_digits(None)
}

impl Harness {
    async fn behind_pgbouncer(table: &str) -> Option<Self> {
        Some(Self(store_at(&PgBouncer::shared()?.url("postgres"), table).await))
    }
}

tower_webhook::store_suite!(suite, Harness::behind_pgbouncer("behind_pgbouncer").await);
tower_webhook::inbox_suite!(inbox_suite, Harness::behind_pgbouncer(&new_table()).await);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_48_tasks_over_shared_sessions_one_wins_each_event_and_round() {
    let Some(pgbouncer) = PgBouncer::shared() else { return };
    let (table, url) = (new_table(), pgbouncer.url("postgres"));
    let stores = [
        store_at(&url, &table).await,
        store_at(&url, &table).await,
        store_at(&url, &table).await,
    ];
    one_of_many_wins_each_of(150, &stores, PostgresStore::advance).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stores_that_start_at_once_share_one_table() {
    let Some(pgbouncer) = PgBouncer::shared() else { return };
    let (table, url) = (new_table(), pgbouncer.url("postgres"));
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let (table, url) = (table.clone(), url.clone());
            tokio::spawn(async move { store_at(&url, &table).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_takes_two_round_trips() {
    const DELIVERIES: usize = 10;
    let Some(pgbouncer) = PgBouncer::shared() else { return };
    let proxy = Proxy::to(pgbouncer.port).await;
    let store = PostgresStore::builder()
        .table(new_table())
        .max_connections(1)
        .connect(&format!("{}?pgbouncer=true", url_at(proxy.port, "postgres")))
        .await
        .unwrap();
    let app = App::new(store);
    let before = proxy.round_trips();
    for number in 0..DELIVERIES {
        assert_eq!(app.deliver(&number.to_string()).await, 200);
    }
    assert_eq!(proxy.round_trips() - before, 2 * DELIVERIES);
}

/// A database of its own behind a `PgBouncer` of its own, with one session.
async fn one_session(database: &str) -> Option<(PgBouncer, PgConnection)> {
    let server = Server::shared()?;
    let pgbouncer = PgBouncer::before(server.port(), 1)?;
    let create = AssertSqlSafe(format!("CREATE DATABASE {database}"));
    sqlx::raw_sql(create)
        .execute(&mut server.connection().await)
        .await
        .unwrap();
    let session = options(pgbouncer.port, database).connect().await.unwrap();
    Some((pgbouncer, session))
}

/// What the next client of the only session finds there.
async fn assert_untouched(session: &mut PgConnection) {
    const QUESTION: &str = "SELECT current_setting('statement_timeout'), current_setting('default_transaction_isolation'), \
                            (SELECT count(*) FROM pg_prepared_statements)::text, \
                            (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())::text";
    let row = sqlx::raw_sql(QUESTION).fetch_one(session).await.unwrap();
    let found: Vec<&str> = (0..4).map(|column| row.get(column)).collect();
    assert_eq!(found, ["0", "read committed", "0", "0"]);
}

#[tokio::test]
async fn a_store_leaves_nothing_in_a_session_that_others_use() {
    let Some((pgbouncer, mut session)) = one_session("untouched").await else {
        return;
    };
    let store = PostgresStore::connect(&pgbouncer.url("untouched")).await.unwrap();
    let app = App::new(store);
    assert_eq!(app.deliver("1").await, 200);
    assert_untouched(&mut session).await;
}

/// A statement may wait for a lock for as long as over connections of the store's own, and no
/// longer.
#[tokio::test]
async fn a_statement_that_waits_for_a_lock_is_ended() {
    let Some(server) = Server::shared() else { return };
    let Some(pgbouncer) = PgBouncer::shared() else { return };
    let table = new_table();
    let store = store_at(&pgbouncer.url("postgres"), &table).await;
    let mut other = server.connection().await;
    let lock = AssertSqlSafe(format!("BEGIN; LOCK TABLE {table}"));
    sqlx::raw_sql(lock).execute(&mut other).await.unwrap();
    let refused = store.claim(&claim_request("event")).await.unwrap_err();
    assert!(refused.to_string().contains("statement timeout"), "{refused}");
}

#[tokio::test]
async fn a_store_that_is_not_told_of_shared_sessions_says_so_at_its_start() {
    let Some((pgbouncer, mut session)) = one_session("not_told").await else {
        return;
    };
    let own = PostgresStore::connect(&url_at(pgbouncer.port, "not_told")).await;
    let given = PostgresStore::with_pool(pgbouncer.pool("not_told")).await;
    for refused in [own.unwrap_err(), given.unwrap_err()] {
        assert_eq!(refused.kind(), StoreErrorKind::Config);
        assert!(refused.to_string().contains("?pgbouncer=true"), "{refused}");
    }
    // What a pool that is given has prepared by then is all.
    sqlx::raw_sql("DEALLOCATE ALL").execute(&mut session).await.unwrap();
    assert_untouched(&mut session).await;
}

#[tokio::test]
async fn a_parameter_that_the_pooler_refuses_is_named() {
    let Some(pgbouncer) = PgBouncer::shared() else { return };
    let url = format!("{}&options=-c%20work_mem%3D1MB", pgbouncer.url("postgres"));
    let refused = PostgresStore::connect(&url).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Config);
    let refused = refused.to_string();
    assert!(
        refused.contains("unsupported startup parameter: options") && refused.contains("ignore_startup_parameters"),
        "{refused}"
    );
}

/// Also where the application's own transactions go through it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn effect_and_done_are_in_one_transaction() {
    let Some(pgbouncer) = PgBouncer::shared() else { return };
    let tables = async || Tables::over(&pgbouncer.url("postgres"), pgbouncer.pool("postgres")).await;
    transactions::what_is_committed_is_done_however_the_handler_ends(tables().await).await;
    transactions::what_is_not_committed_is_neither_there_nor_done(tables().await).await;
    transactions::a_run_that_lost_its_claim_leaves_no_effect(tables().await).await;
    transactions::a_renewal_that_waits_for_the_handlers_own_transaction_is_no_lost_lease(tables().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deposit_is_in_the_transaction_of_the_applications_writes() {
    let Some(pgbouncer) = PgBouncer::shared() else { return };
    let store = store_at(&pgbouncer.url("postgres"), &new_table()).await;
    let pool = pgbouncer.pool("postgres");
    for (id, commits) in [("committed", true), ("rolled back", false)] {
        let request = claim_request(id);
        let delivery = StoredDelivery::new("customer_created", http::HeaderMap::new(), id);
        let deposit = Deposit::new(request.key, request.fingerprint, delivery);
        let mut transaction = pool.begin().await.unwrap();
        let deposited = store.deposit_in(&deposit, &mut transaction).await.unwrap();
        assert_eq!(deposited, Deposited::Stored);
        if commits {
            transaction.commit().await.unwrap();
        } else {
            transaction.rollback().await.unwrap();
        }
        assert_eq!(store.get(&deposit.key).await.unwrap().is_some(), commits, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_in_mid_load_it_or_its_server_loses_nothing_and_runs_nothing_twice() {
    let Some(server) = Server::start() else { return };
    drop(server.connection().await);
    let Some(pgbouncer) = PgBouncer::before(server.port(), 4) else {
        return;
    };
    let store = PostgresStore::connect(&pgbouncer.url("postgres")).await.unwrap();
    let app = Arc::new(App::new(store.clone()));
    let providers = load(&app);
    progress(&app, 50).await;
    pgbouncer.kill();
    pgbouncer.run();
    progress(&app, 130).await;
    server.kill();
    server.run();
    progress(&app, 200).await;
    pgbouncer.kill();
    pgbouncer.run();
    all_is_well(&app, &store, providers).await;
}
