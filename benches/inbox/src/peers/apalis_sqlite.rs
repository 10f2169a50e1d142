use std::time::{Duration, Instant};

use ::apalis::prelude::*;
use ::apalis_sqlite::{Config, SqliteStorage};
use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{Job, Left, jobs};
use crate::{bare::BATCH, load::in_flight, rounds::Turn};

pub struct Peer(SqlitePool);

async fn handle(_: Job, left: Data<Left>) -> Result<(), BoxDynError> {
    left.one_less();
    Ok(())
}

impl Peer {
    /// One connection: more would poll for each other's locks. `setup` turns `synchronous` off, on
    /// the connection that it has; here that is undone, so that it waits for the disk as others do.
    pub async fn new(path: &str) -> Self {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options)
            .await
            .expect("a file");
        SqliteStorage::setup(&pool).await.expect("tables");
        sqlx::query("PRAGMA synchronous = FULL")
            .execute(&pool)
            .await
            .expect("a setting");
        Self(pool)
    }

    fn storage(&self) -> SqliteStorage<Job> {
        SqliteStorage::new(&self.0).with_config(Config::default().queue("jobs").batch_size(BATCH))
    }

    pub async fn clear(&self) {
        sqlx::query("DELETE FROM Jobs").execute(&self.0).await.expect("no jobs");
    }

    pub async fn enqueue(&self, tasks: usize, count: usize) -> Turn {
        let storage = self.storage();
        in_flight(tasks, jobs(count), move |_, job| {
            let mut storage = storage.clone();
            async move {
                let key = job.id.clone();
                let task = TaskBuilder::new(job).idempotency_key(key).build();
                storage.push_task(task).await.expect("a job");
            }
        })
        .await
    }

    pub async fn work_off(&self, count: usize) -> Turn {
        let mut storage = self.storage();
        let tasks = jobs(count).into_iter().map(|job| {
            let key = job.id.clone();
            TaskBuilder::new(job).idempotency_key(key).build()
        });
        storage.push_all(futures_util::stream::iter(tasks)).await.expect("jobs");
        let left = Left::of(count);
        let started = Instant::now();
        let worker = WorkerBuilder::new(format!("worker-{}", crate::load::new_ids(1).next().expect("an id")))
            .backend(self.storage().poll_with_interval(Duration::from_millis(5)))
            .data(left.clone())
            .concurrency(BATCH)
            .parallelize(tokio::spawn)
            .build(handle);
        let stop = async move {
            left.is_none().await;
            Ok::<_, std::io::Error>(())
        };
        worker.run_until(stop).await.expect("a worker");
        let turn = Turn::of(count, started);
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM Jobs WHERE status <> 'Done'")
            .fetch_one(&self.0)
            .await
            .expect("a count");
        assert_eq!(left, 0);
        turn
    }
}
