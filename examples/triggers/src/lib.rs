//! graphile_worker runs the deliveries of an inbox: all the glue there is, to be copied.
//!
//! A delivery and its job are written in one transaction. The job only says which delivery to run;
//! the inbox's record decides whether it runs. A job that is lost, doubled or late neither loses an
//! event nor runs it twice, and the worker's sweep finds what no job has run.

use std::{error::Error, future::Future, sync::Arc};

use chrono::Utc;
use graphile_worker::{
    IntoTaskHandlerResult, JobSpec, TaskHandler, WorkerContext, WorkerContextExt as _, WorkerOptions, WorkerUtils,
};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use tower_webhook::{
    event::EventId,
    inbox::{Backlog, Deposit, Inbox, RunOutcome, Settlement, TakeRequest, Taken, WorkerHandle},
    store::{
        ClaimRequest, Claimed, Completion, Deposited, Effect, IdempotencyStore, Key, Record, StoreError, StoreIdentity,
    },
};
use tower_webhook_sqlx::PostgresStore;

/// The job: a delivery's key.
#[derive(Serialize, Deserialize)]
pub struct RunDelivery {
    namespace: String,
    id: String,
}

impl RunDelivery {
    pub fn of(key: &Key) -> Self {
        Self {
            namespace: key.namespace().to_owned(),
            id: key.id().as_str().to_owned(),
        }
    }
}

impl TaskHandler for RunDelivery {
    const IDENTIFIER: &'static str = "run_delivery";

    /// An error is the store's, and graphile_worker runs the job again.
    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        let worker: &Arc<WorkerHandle> = context.get_ext().ok_or("the options are not those of `options`")?;
        let id = EventId::new(&self.id).map_err(|error| error.to_string())?;
        let key = Key::new(self.namespace.as_str(), id);
        match worker.run_one(&key).await.map_err(|error| error.to_string())? {
            // The event's next attempt is another job, at the time that the worker's `Retries` say.
            RunOutcome::Again { after } => {
                let spec = JobSpec::builder().run_at(Utc::now() + after).build();
                context.add_job(self, spec).await.map_err(|error| error.to_string())?;
                Ok(())
            }
            // If the worker that holds it dies, the sweep finds it.
            RunOutcome::Elsewhere => Ok(()),
            RunOutcome::Done | RunOutcome::Dead | RunOutcome::Unknown => Ok(()),
            other => Err(format!(
                "{other:?}: a later version's result, which this task does not know"
            )),
        }
    }
}

/// A graphile_worker whose jobs are deliveries, run by a worker that is
/// [`triggered`](tower_webhook::inbox::Worker::triggered).
pub fn options(worker: Arc<WorkerHandle>) -> WorkerOptions {
    WorkerOptions::default()
        .define_job::<RunDelivery>()
        .add_extension(worker)
}

/// The inbox in Postgres, with a job for each delivery that it stores.
#[derive(Clone)]
pub struct InboxWithJobs {
    inbox: PostgresStore,
    pool: PgPool,
    jobs: WorkerUtils,
}

impl InboxWithJobs {
    /// The pool has to be one of the inbox's database. Creates graphile_worker's tables.
    pub async fn new(inbox: PostgresStore, pool: PgPool) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let jobs = WorkerUtils::new(&pool, "graphile_worker");
        jobs.migrate().await?;
        Ok(Self { inbox, pool, jobs })
    }
}

fn unavailable(error: impl ToString) -> StoreError {
    StoreError::unavailable(error.to_string())
}

impl Inbox for InboxWithJobs {
    /// The delivery and its job, or neither.
    async fn deposit(&self, deposit: &Deposit) -> Result<Deposited, StoreError> {
        let mut transaction = self.pool.begin().await.map_err(unavailable)?;
        let deposited = self.inbox.deposit_in(deposit, &mut transaction).await?;
        if deposited == Deposited::Stored {
            let mut jobs = self.jobs.clone().with_executor(&mut transaction);
            let job = RunDelivery::of(&deposit.key);
            jobs.add_job(job, JobSpec::default()).await.map_err(unavailable)?;
        }
        transaction.commit().await.map_err(unavailable)?;
        Ok(deposited)
    }

    // From here on as the inbox does it.

    fn take(&self, request: &TakeRequest) -> impl Future<Output = Result<Vec<Taken>, StoreError>> + Send {
        self.inbox.take(request)
    }

    fn settle(&self, settlements: &[Settlement]) -> impl Future<Output = Result<Vec<Effect>, StoreError>> + Send {
        self.inbox.settle(settlements)
    }

    fn backlog(&self, namespace: &str, up_to: u64) -> impl Future<Output = Result<Backlog, StoreError>> + Send {
        self.inbox.backlog(namespace, up_to)
    }

    fn changed(&self) -> impl Future<Output = ()> + Send {
        self.inbox.changed()
    }
}

impl IdempotencyStore for InboxWithJobs {
    fn claim(&self, request: &ClaimRequest) -> impl Future<Output = Result<Claimed, StoreError>> + Send {
        self.inbox.claim(request)
    }

    fn renew(&self, request: &ClaimRequest) -> impl Future<Output = Result<Effect, StoreError>> + Send {
        self.inbox.renew(request)
    }

    fn complete(
        &self,
        request: &ClaimRequest,
        completion: Completion,
    ) -> impl Future<Output = Result<Effect, StoreError>> + Send {
        self.inbox.complete(request, completion)
    }

    fn release(&self, request: &ClaimRequest) -> impl Future<Output = Result<Effect, StoreError>> + Send {
        self.inbox.release(request)
    }

    fn get(&self, key: &Key) -> impl Future<Output = Result<Option<Record>, StoreError>> + Send {
        self.inbox.get(key)
    }

    fn forget(&self, key: &Key) -> impl Future<Output = Result<Effect, StoreError>> + Send {
        self.inbox.forget(key)
    }

    fn identity(&self) -> Option<StoreIdentity> {
        self.inbox.identity()
    }

    fn last_failure(&self) -> Option<String> {
        self.inbox.last_failure()
    }
}
