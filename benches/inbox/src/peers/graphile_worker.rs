use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ::graphile_worker::{
    Database, IntoTaskHandlerResult, JobSpec, LocalQueueConfig, TaskHandler, WorkerContext, WorkerOptions, WorkerUtils,
};
use sqlx::{PgPool, postgres::PgPoolOptions};

use super::{Job, Left, jobs};
use crate::{bare::BATCH, load::in_flight, rounds::Turn};

pub struct Peer {
    pool: PgPool,
    utils: Arc<WorkerUtils>,
}

impl TaskHandler for Job {
    const IDENTIFIER: &'static str = "job";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        if let Some(left) = context.get_ext::<Left>() {
            left.one_less();
        }
        Ok::<(), String>(())
    }
}

impl Peer {
    pub async fn new(url: &str) -> Self {
        let pool = PgPoolOptions::new()
            .max_connections(16)
            .connect(url)
            .await
            .expect("connections");
        let utils = WorkerUtils::new(Database::from(pool.clone()), "graphile_worker");
        utils.migrate().await.expect("tables");
        Self {
            pool,
            utils: Arc::new(utils),
        }
    }

    pub async fn clear(&self) {
        sqlx::query("DELETE FROM graphile_worker._private_jobs")
            .execute(&self.pool)
            .await
            .expect("no jobs");
    }

    pub async fn enqueue(&self, tasks: usize, count: usize) -> Turn {
        let utils = Arc::clone(&self.utils);
        in_flight(tasks, jobs(count), move |_, job| {
            let utils = Arc::clone(&utils);
            async move {
                let spec = JobSpec::builder().job_key(job.id.clone()).build();
                utils.add_job(job, spec).await.expect("a job");
            }
        })
        .await
    }

    /// With what its own benchmark has: a local queue, and completions in batches.
    pub async fn work_off(&self, count: usize) -> Turn {
        self.enqueue(16, count).await;
        let left = Left::of(count);
        let worker = WorkerOptions::default()
            .database(Database::from(self.pool.clone()))
            .schema("graphile_worker")
            .concurrency(BATCH)
            .poll_interval(Duration::from_millis(5))
            .complete_job_batch_delay(Duration::from_millis(5))
            .local_queue(LocalQueueConfig::default().with_size(500))
            .listen_os_shutdown_signals(false)
            .add_extension(left.clone())
            .define_job::<Job>()
            .init()
            .await;
        let worker = Arc::new(worker.expect("a worker"));
        let started = Instant::now();
        let running = tokio::spawn({
            let worker = Arc::clone(&worker);
            async move { worker.run().await }
        });
        left.is_none().await;
        worker.request_shutdown();
        running.await.expect("its end").expect("a worker's end");
        let turn = Turn::of(count, started);
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM graphile_worker._private_jobs")
            .fetch_one(&self.pool)
            .await
            .expect("a count");
        assert_eq!(left, 0);
        turn
    }
}
