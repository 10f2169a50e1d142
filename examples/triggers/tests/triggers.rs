//! What becomes of a delivery when its job is lost, doubled, or dies with its process.
//!
//! Each test has a database of its own in a private Postgres.

use std::{
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use graphile_worker::{JobSpec, WorkerUtils};
use sqlx::{AssertSqlSafe, Executor as _, PgPool, Row as _};
use tokio::{sync::Semaphore, task::JoinHandle};
use tower_webhook::{
    Delivery, HandlerError, TopicRouter,
    dwolla::{self, Dwolla, Topic},
    event::{EventId, Fingerprint},
    inbox::{Deposit, Inbox as _, RunOutcome, StoredDelivery, Worker, WorkerHandle},
    store::{IdempotencyStore as _, Key, State},
};
use tower_webhook_sqlx::PostgresStore;
use triggers::{InboxWithJobs, RunDelivery, options};

#[path = "../../../tests/it/postgres/server.rs"]
#[expect(dead_code, reason = "the root crate's tests need more of it")]
mod server;
#[path = "../../../tests/it/postgres/child_process.rs"]
mod child_process;

use server::Server;

/// Holds the database of a process that another test starts.
const DATABASE: &str = "TRIGGERS_DATABASE";
/// A sweep at the start, and no other during the test.
const NEVER: Duration = Duration::from_secs(24 * 3600);
/// Longer than a claim holds.
const LEASE: Duration = Duration::from_secs(61);

fn key(id: &str) -> Key {
    Key::new("dwolla", EventId::new(id).unwrap())
}

fn deposit(id: &str) -> Deposit {
    let body = format!(r#"{{"id":"{id}","topic":"customer_created","created":"2019-02-04T14:58:45.144Z"}}"#);
    let delivery = StoredDelivery::new("customer_created", Default::default(), body);
    Deposit::new(key(id), Fingerprint::of(["customer_created"]), delivery)
}

/// Waits until a condition holds.
async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    for _ in 0..6000 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("after a minute still not: {what}");
}

/// A database with an inbox, graphile_worker's jobs, and a table of what handlers have done.
struct Site {
    url: String,
    pool: PgPool,
    store: PostgresStore,
    inbox: InboxWithJobs,
    jobs: WorkerUtils,
}

impl Site {
    async fn new() -> Option<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let server = Server::shared()?;
        let name = format!("site_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
        server.connection().await.execute(create).await.unwrap();
        let site = Self::at(server.url_of(&name)).await;
        let table = "CREATE TABLE runs (number BIGSERIAL, event TEXT, step TEXT)";
        site.pool.execute(table).await.unwrap();
        Some(site)
    }

    async fn at(url: String) -> Self {
        let pool = PgPool::connect(&url).await.unwrap();
        let store = PostgresStore::with_pool(pool.clone()).await.unwrap();
        Self {
            inbox: InboxWithJobs::new(store.clone(), pool.clone()).await.unwrap(),
            jobs: WorkerUtils::new(&pool, "graphile_worker"),
            url,
            pool,
            store,
        }
    }

    fn handler(&self, plan: Plan) -> Handler {
        Handler {
            pool: self.pool.clone(),
            plan: Arc::new(plan),
        }
    }

    /// A worker that has swept and does so again after a time.
    async fn worker(&self, handler: Handler, sweep: Duration) -> Arc<WorkerHandle> {
        let topics = TopicRouter::with_state(handler).on(Topic::CustomerCreated, Handler::run);
        let worker = Worker::new(Dwolla::reader(), self.inbox.clone(), topics);
        self.store.deposit(&deposit("swept")).await.unwrap();
        let worker = Arc::new(worker.triggered(sweep).start());
        self.until_done("swept").await;
        worker
    }

    /// graphile_worker as it comes, without recovery.
    async fn graphile(&self, worker: &Arc<WorkerHandle>) -> JoinHandle<()> {
        let options = options(Arc::clone(worker)).concurrency(4).pg_pool(self.pool.clone());
        let graphile = options.init().await.unwrap();
        tokio::spawn(async move { graphile.run().await.unwrap() })
    }

    async fn state(&self, id: &str) -> Option<State> {
        let record = self.store.get(&key(id)).await.unwrap();
        record.map(|record| record.state)
    }

    async fn until_done(&self, id: &str) {
        let is_done = async || matches!(self.state(id).await, Some(State::Done { .. }));
        until("the event is done", is_done).await;
    }

    async fn runs(&self, id: &str) -> Vec<String> {
        let select = sqlx::query("SELECT step FROM runs WHERE event = $1 ORDER BY number").bind(id);
        let rows = select.fetch_all(&self.pool).await.unwrap();
        rows.iter().map(|row| row.get("step")).collect()
    }

    /// By whom each job is locked.
    async fn locks(&self) -> Vec<Option<String>> {
        let select = "SELECT locked_by FROM graphile_worker._private_jobs ORDER BY id";
        let rows = sqlx::query(select).fetch_all(&self.pool).await.unwrap();
        rows.iter().map(|row| row.get("locked_by")).collect()
    }

    async fn until_no_job_is_left(&self) {
        until("the jobs are done", async || self.locks().await.is_empty()).await;
    }
}

/// What the handler does with the events that a test is about.
enum Plan {
    Succeed,
    Hang,
    /// Succeeds when there is a permit.
    Wait(Semaphore),
    FailOnce,
}

#[derive(Clone)]
struct Handler {
    pool: PgPool,
    plan: Arc<Plan>,
}

impl Handler {
    async fn run(self, delivery: Delivery<dwolla::Event>) -> Result<(), HandlerError> {
        let id = delivery.event().id().as_str();
        self.note(id, "begun").await?;
        match &*self.plan {
            _ if id == "swept" => {}
            Plan::Succeed => {}
            Plan::Hang => std::future::pending().await,
            Plan::Wait(permits) => permits.acquire().await?.forget(),
            Plan::FailOnce if delivery.claim().attempt() == 1 => {
                return Err(HandlerError::retry_after(Duration::from_millis(1), "once"));
            }
            Plan::FailOnce => {}
        }
        self.note(id, "ended").await?;
        Ok(())
    }

    async fn note(&self, id: &str, step: &str) -> Result<(), sqlx::Error> {
        let insert = sqlx::query("INSERT INTO runs (event, step) VALUES ($1, $2)");
        insert.bind(id).bind(step).execute(&self.pool).await?;
        Ok(())
    }
}

/// Killed when dropped, too.
struct Process(Child);

impl Process {
    /// This program once more, in which [`process`] works at the site.
    fn start(site: &Site) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "process"]).env(DATABASE, &site.url);
        Self(command.stdout(Stdio::null()).spawn().unwrap())
    }

    /// SIGKILL.
    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// No test: what the process does that another test starts. Its handler never ends.
#[tokio::test(flavor = "multi_thread")]
async fn process() {
    let Ok(url) = std::env::var(DATABASE) else { return };
    let site = Site::at(url).await;
    let worker = site.worker(site.handler(Plan::Hang), NEVER).await;
    site.graphile(&worker).await.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_process_of_a_job_dies_and_nothing_recovers_the_job() {
    let Some(site) = Site::new().await else { return };
    let process = Process::start(&site);
    site.until_done("swept").await;
    site.inbox.deposit(&deposit("1")).await.unwrap();
    until("the job runs", async || site.runs("1").await == ["begun"]).await;
    process.kill();

    let worker = site
        .worker(site.handler(Plan::Succeed), Duration::from_millis(20))
        .await;
    let _graphile = site.graphile(&worker).await;
    assert_eq!(worker.run_one(&key("1")).await.unwrap(), RunOutcome::Elsewhere);
    site.store.advance(LEASE);
    site.until_done("1").await;
    assert_eq!(site.runs("1").await, ["begun", "begun", "ended"]);

    // For graphile_worker the dead one still has it. Unlocked by hand it runs, and does nothing.
    let locks = site.locks().await;
    let [Some(dead)] = &*locks else { panic!("{locks:?}") };
    site.jobs.force_unlock_workers(&[dead]).await.unwrap();
    site.until_no_job_is_left().await;
    assert_eq!(site.runs("1").await, ["begun", "begun", "ended"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doubled_job_is_one_run() {
    let Some(site) = Site::new().await else { return };
    let handler = site.handler(Plan::Wait(Semaphore::new(0)));
    let worker = site.worker(handler.clone(), NEVER).await;
    site.inbox.deposit(&deposit("1")).await.unwrap();
    let again = async || {
        let job = RunDelivery::of(&key("1"));
        site.jobs.add_job(job, JobSpec::default()).await.unwrap();
    };
    again().await;
    again().await;
    assert_eq!(site.locks().await.len(), 3);

    // While one of them runs the delivery, the others end.
    let _graphile = site.graphile(&worker).await;
    until("one job is left", async || site.locks().await.len() == 1).await;
    assert_eq!(site.runs("1").await, ["begun"]);
    let Plan::Wait(permits) = &*handler.plan else {
        unreachable!()
    };
    permits.add_permits(1);
    site.until_no_job_is_left().await;
    assert_eq!(site.runs("1").await, ["begun", "ended"]);

    // It comes again when the delivery is done.
    again().await;
    site.until_no_job_is_left().await;
    assert_eq!(site.runs("1").await, ["begun", "ended"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_finds_what_has_lost_its_job() {
    let Some(site) = Site::new().await else { return };
    let worker = site
        .worker(site.handler(Plan::Succeed), Duration::from_millis(20))
        .await;
    site.inbox.deposit(&deposit("1")).await.unwrap();
    let deleted = site
        .pool
        .execute("DELETE FROM graphile_worker._private_jobs")
        .await
        .unwrap();
    assert_eq!(deleted.rows_affected(), 1);

    let _graphile = site.graphile(&worker).await;
    site.until_done("1").await;
    assert_eq!(worker.run_one(&key("1")).await.unwrap(), RunOutcome::Done);
    assert_eq!(site.runs("1").await, ["begun", "ended"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_attempt_is_a_job_too() {
    let Some(site) = Site::new().await else { return };
    let worker = site.worker(site.handler(Plan::FailOnce), NEVER).await;
    let _graphile = site.graphile(&worker).await;
    site.inbox.deposit(&deposit("1")).await.unwrap();
    site.until_done("1").await;
    site.until_no_job_is_left().await;
    assert_eq!(site.runs("1").await, ["begun", "begun", "ended"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_has_a_job_or_is_not_stored() {
    let Some(site) = Site::new().await else { return };
    site.inbox.deposit(&deposit("1")).await.unwrap();
    site.inbox.deposit(&deposit("1")).await.unwrap();
    assert_eq!(site.locks().await, [None]);

    site.pool.execute("DROP SCHEMA graphile_worker CASCADE").await.unwrap();
    site.inbox.deposit(&deposit("2")).await.unwrap_err();
    assert_eq!(site.state("2").await, None);
}
