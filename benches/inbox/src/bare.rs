//! The engines without the store.

use std::{
    path::Path,
    sync::atomic::{AtomicI64, Ordering::Relaxed},
    time::Instant,
};

use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, Row as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tokio::sync::Mutex;
use tower_webhook::store::Token;

use crate::{
    common,
    load::{self, BODY},
    rounds::Turn,
    statements as sql,
};

/// As many as the worker has handlers.
pub const BATCH: usize = 64;

#[derive(Clone)]
pub enum Bare {
    Sqlite(&'static Sqlite),
    Postgres(&'static Postgres),
}

pub struct Sqlite {
    /// To the store's file.
    store: Mutex<SqliteConnection>,
    /// To another, so that none grows by another's rows.
    bare: Mutex<SqliteConnection>,
}

pub struct Postgres {
    url: String,
    connections: Vec<Mutex<PgConnection>>,
}

impl Bare {
    pub async fn sqlite(store: &Path, bare: &Path) -> Self {
        let mut bare = sqlite(bare).await;
        sqlx::query(sql::SQLITE_BARE).execute(&mut bare).await.expect("a table");
        let store = sqlite(store).await;
        Self::Sqlite(Box::leak(Box::new(Sqlite {
            store: Mutex::new(store),
            bare: Mutex::new(bare),
        })))
    }

    pub async fn postgres(url: &str) -> Self {
        let mut connections = Vec::new();
        for _ in 0..16 {
            connections.push(Mutex::new(PgConnection::connect(url).await.expect("a connection")));
        }
        let first = connections[0].get_mut();
        sqlx::query(sql::POSTGRES_BARE).execute(first).await.expect("a table");
        Self::Postgres(Box::leak(Box::new(Postgres {
            url: url.to_owned(),
            connections,
        })))
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SQLite",
            Self::Postgres(_) => "Postgres",
        }
    }

    /// Inserts a row, in a commit of its own.
    async fn insert(&self, task: usize, id: &str, body: &[u8]) {
        match self {
            Self::Sqlite(sqlite) => {
                let mut connection = sqlite.bare.lock().await;
                let insert = sqlx::query(sql::INSERT).bind(id).bind(body).execute(&mut *connection);
                insert.await.expect("a row");
            }
            Self::Postgres(postgres) => {
                let mut connection = postgres.connections[task % 16].lock().await;
                let insert = sqlx::query(sql::INSERT).bind(id).bind(body).execute(&mut *connection);
                insert.await.expect("a row");
            }
        }
    }

    pub async fn inserts(self, tasks: usize, count: usize, has_body: bool) -> Turn {
        load::in_flight(tasks, load::bodies(count), move |task, (id, body)| {
            let bare = self.clone();
            async move {
                bare.insert(task, &id, if has_body { &body } else { b"0123456789abcdef" })
                    .await
            }
        })
        .await
    }

    /// Stores so many deliveries, by SQL alone.
    pub async fn load(&self, namespace: &str, count: i64, due_in: i64, size: usize) {
        const PART: i64 = 50_000;
        static NEXT: AtomicI64 = AtomicI64::new(1);
        let place = common::id(u64::MAX);
        let body = if size == BODY {
            String::from_utf8(common::event(&place, size)).expect("JSON")
        } else {
            "{}".to_owned()
        };
        let from = NEXT.fetch_add(count, Relaxed);
        for part in (0..count).step_by(PART as usize) {
            let (from, count) = (from + part, PART.min(count - part));
            match self {
                Self::Sqlite(sqlite) => {
                    let mut connection = sqlite.store.lock().await;
                    let mut transaction = connection.begin().await.expect("a transaction");
                    for statement in sql::SQLITE_LOAD {
                        let statement = sqlx::query(statement)
                            .bind(namespace)
                            .bind(from)
                            .bind(count)
                            .bind(&body)
                            .bind(&place);
                        statement.bind(due_in).execute(&mut *transaction).await.expect("rows");
                    }
                    transaction.commit().await.expect("a commit");
                }
                Self::Postgres(postgres) => {
                    let mut connection = postgres.connections[0].lock().await;
                    let [events, bodies] = sql::POSTGRES_LOAD;
                    let events = sqlx::query(events).bind(namespace).bind(from).bind(count).bind(due_in);
                    events.execute(&mut *connection).await.expect("rows");
                    let bodies = sqlx::query(bodies)
                        .bind(namespace)
                        .bind(from)
                        .bind(count)
                        .bind(&body)
                        .bind(&place);
                    bodies.execute(&mut *connection).await.expect("rows");
                }
            }
        }
    }

    /// What the server does by itself, sooner or later, after so many rows.
    pub async fn tidy(&self) {
        if let Self::Postgres(postgres) = self {
            let mut connection = postgres.connections[0].lock().await;
            for statement in [
                "VACUUM (ANALYZE) webhook_events",
                "VACUUM (ANALYZE) webhook_bodies",
                "CHECKPOINT",
            ] {
                sqlx::query(statement)
                    .execute(&mut *connection)
                    .await
                    .expect("a vacuum");
            }
        }
    }

    /// A transaction that stays open until the connection is dropped; none for SQLite.
    pub async fn hold_open(&self) -> Option<PgConnection> {
        let Self::Postgres(postgres) = self else { return None };
        let mut connection = PgConnection::connect(&postgres.url).await.expect("a connection");
        sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM bare")
            .execute(&mut connection)
            .await
            .expect("a snapshot");
        Some(connection)
    }

    /// Takes what is due, and finishes it, until nothing is.
    pub async fn work_off(self, namespace: &'static str, expected: usize) -> Turn {
        let started = Instant::now();
        let mut done = 0;
        loop {
            let token = Token::random().to_bytes().to_vec();
            let count = match &self {
                Self::Sqlite(sqlite) => sqlite.batch(namespace, &token).await,
                Self::Postgres(postgres) => postgres.batch(namespace, &token).await,
            };
            done += count;
            if count == 0 {
                break;
            }
        }
        assert_eq!(done, expected);
        Turn::of(done, started)
    }
}

impl Sqlite {
    async fn batch(&self, namespace: &str, token: &[u8]) -> usize {
        let mut connection = self.store.lock().await;
        sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut *connection)
            .await
            .expect("a transaction");
        let due = sqlx::query(sql::SQLITE_DUE)
            .bind(namespace)
            .bind(BATCH as i64)
            .fetch_all(&mut *connection);
        let due = due.await.expect("rows");
        let ids: Vec<String> = due
            .iter()
            .map(|row| format!("\"{}\"", row.get::<String, _>("id")))
            .collect();
        let bytes: usize = due.iter().map(|row| row.get::<Vec<u8>, _>("body").len()).sum();
        assert_eq!(bytes, ids.len() * BODY);
        let ids = format!("[{}]", ids.join(","));
        let take = sqlx::query(sql::SQLITE_TAKE).bind(namespace).bind(token).bind(&ids);
        take.execute(&mut *connection).await.expect("a take");
        sqlx::query("COMMIT").execute(&mut *connection).await.expect("a commit");
        let done = sqlx::query(sql::SQLITE_DONE).bind(namespace).bind(token).bind(&ids);
        done.execute(&mut *connection).await.expect("an end");
        due.len()
    }
}

impl Postgres {
    async fn batch(&self, namespace: &str, token: &[u8]) -> usize {
        let mut connection = self.connections[0].lock().await;
        let taken = sqlx::query(sql::POSTGRES_TAKE)
            .bind(namespace)
            .bind(token)
            .bind(BATCH as i64);
        let taken = taken.fetch_all(&mut *connection).await.expect("rows");
        let ids: Vec<String> = taken.iter().map(|row| row.get("id")).collect();
        let bytes: usize = taken.iter().map(|row| row.get::<Vec<u8>, _>("body").len()).sum();
        assert_eq!(bytes, ids.len() * BODY);
        let done = sqlx::query(sql::POSTGRES_DONE).bind(namespace).bind(token).bind(&ids);
        done.execute(&mut *connection).await.expect("an end");
        taken.len()
    }
}

/// As the store opens it.
async fn sqlite(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging()
        .connect()
        .await
        .expect("a file")
}
