//! `SqliteStore` beside a loop that runs the same statement on one connection, and waits for
//! nobody.

use std::{cell::RefCell, fs, path::Path, time::Instant};

use sqlx::{
    Connection as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tokio::runtime::{Builder, Runtime};
use tower_webhook::store::Token;
use tower_webhook_sqlx::SqliteStore;

use crate::{
    common,
    measure::{self, Engine, Length, Report},
    server::folder,
};

const LENGTH: Length = Length {
    in_flight: 1_920,
    alone: 300,
};
const CLAIM: &str = include_str!("claim.sql");

pub fn measure(runtime: &Runtime, rounds: usize) -> Report {
    let folder = folder("sqlite");
    let store = runtime
        .block_on(SqliteStore::open(folder.join("store.db")))
        .expect("a store");
    let alone = Builder::new_current_thread().enable_all().build().expect("a runtime");
    // A file for each, so that none grows by another's rows.
    let bare = |name: &str| RefCell::new(alone.block_on(Bare::in_file(&folder.join(name))));
    let (single, batched) = (bare("loop.db"), bare("batches.db"));
    let engine = |name: &str, is_ceiling, bare, batch| Engine {
        name: name.to_owned(),
        is_ceiling,
        run: {
            let (alone, bare): (_, &RefCell<Bare>) = (&alone, bare);
            Box::new(move |count| alone.block_on(bare.borrow_mut().claims(count, batch)))
        },
    };
    let engines = vec![
        engine("a bare loop", true, &single, None),
        engine("64 of it in a transaction", false, &batched, Some(64)),
    ];
    let mut report = measure::measure(runtime, "`SqliteStore`", store, rounds, LENGTH, engines);
    report.round_trips = "none; two commits".to_owned();
    fs::remove_dir_all(&folder).expect("the folder");
    report
}

struct Bare {
    connection: SqliteConnection,
    next: u64,
}

impl Bare {
    async fn in_file(path: &Path) -> Self {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let mut connection = SqliteConnection::connect_with(&options).await.expect("a file");
        sqlx::raw_sql(SqliteStore::SCHEMA)
            .execute(&mut connection)
            .await
            .expect("a table");
        Self { connection, next: 0 }
    }

    async fn claims(&mut self, count: u64, batch: Option<u64>) -> f64 {
        let from = self.next;
        self.next += count;
        let token = Token::random().to_bytes();
        let ids: Vec<String> = (from..self.next).map(common::id).collect();
        let started = Instant::now();
        for (n, id) in (0..).zip(&ids) {
            if batch.is_some_and(|batch| n % batch == 0) {
                self.run("BEGIN IMMEDIATE").await;
            }
            let claimed = sqlx::query(CLAIM)
                .bind("dwolla")
                .bind(id)
                .bind(&token[..])
                .bind(&token[..])
                .bind(60_000)
                .bind(3_024_000_000_i64)
                .bind(0)
                .fetch_all(&mut self.connection)
                .await
                .expect("a claim");
            assert_eq!(claimed.len(), 1);
            if batch.is_some_and(|batch| n % batch == batch - 1) {
                self.run("COMMIT").await;
            }
        }
        count as f64 / started.elapsed().as_secs_f64()
    }

    async fn run(&mut self, statement: &'static str) {
        sqlx::query(statement)
            .execute(&mut self.connection)
            .await
            .expect("a transaction");
    }
}
