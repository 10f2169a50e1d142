use std::time::{Duration, Instant};

use ::apalis::prelude::*;
use ::apalis_postgres::{Config, PostgresStorage};
use sqlx::{PgPool, postgres::PgPoolOptions};

use super::{Job, Left, jobs};
use crate::{bare::BATCH, load::in_flight, rounds::Turn};

pub struct Peer(PgPool);

async fn handle(_: Job, left: Data<Left>) -> Result<(), BoxDynError> {
    left.one_less();
    Ok(())
}

impl Peer {
    pub async fn new(url: &str) -> Self {
        let pool = PgPoolOptions::new()
            .max_connections(16)
            .connect(url)
            .await
            .expect("connections");
        PostgresStorage::setup(&pool).await.expect("tables");
        Self(pool)
    }

    fn storage(&self) -> PostgresStorage<Job> {
        PostgresStorage::new(&self.0).with_config(Config::default().queue("jobs").batch_size(BATCH))
    }

    pub async fn clear(&self) {
        sqlx::query("DELETE FROM apalis.jobs")
            .execute(&self.0)
            .await
            .expect("no jobs");
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
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM apalis.jobs WHERE status <> 'Done'")
            .fetch_one(&self.0)
            .await
            .expect("a count");
        assert_eq!(left, 0);
        turn
    }
}
