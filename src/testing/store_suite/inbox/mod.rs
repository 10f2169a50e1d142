//! Every promise of [`inbox`](crate::inbox), as a function; [`inbox_suite!`](crate::inbox_suite)
//! makes tests of them.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "these are the bodies of tests"
)]

mod listing;
mod operators;
mod workers;

pub use listing::*;
pub use operators::*;
pub use workers::*;

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

use super::{
    StoreHarness,
    case::{AFTER, BEFORE, Case, LEASE, RETENTION, acquired, is_apart},
};
use crate::{
    event::{EventId, Fingerprint, Tenant},
    inbox::{Action, Attempt, Deposit, Filter, Inbox, InboxAdmin, Settlement, StoredDelivery, TakeRequest, Taken},
    store::{ClaimRequest, Claimed, Completion, Deposited, Effect, Record, Replayed, Stage, State, StoreAdmin, Token},
};

const MINUTE: Duration = Duration::from_secs(60);

/// A test's view of an inbox.
struct View<H> {
    case: Case<H>,
    harness: Arc<H>,
    namespace: Arc<str>,
}

impl<H: StoreHarness> View<H>
where
    H::Store: Inbox + InboxAdmin,
{
    fn new(harness: Arc<H>) -> Self {
        let case = Case::new(Arc::clone(&harness));
        Self {
            namespace: case.namespace("").into(),
            case,
            harness,
        }
    }

    fn store(&self) -> &H::Store {
        self.harness.store()
    }

    /// The claim request that a layer without an inbox would make for this event.
    fn request(&self, id: &str) -> ClaimRequest {
        self.case.claim_request_in(&self.namespace, id)
    }

    fn parcel(&self, id: &str) -> Deposit {
        let request = self.request(id);
        Deposit::new(request.key, request.fingerprint, delivery(id))
    }

    async fn deposit(&self, id: &str) -> Deposited {
        self.store().deposit(&self.parcel(id)).await.expect("deposit succeeds")
    }

    async fn deposit_new(&self, id: &str) {
        assert_eq!(self.deposit(id).await, Deposited::Stored, "{id}");
    }

    fn ask(&self, limit: usize) -> TakeRequest {
        TakeRequest::new(Arc::clone(&self.namespace), Token::random(), limit)
            .with_lease(LEASE)
            .with_retention(RETENTION)
    }

    async fn take(&self, request: &TakeRequest) -> Vec<Taken> {
        self.store().take(request).await.expect("take succeeds")
    }

    /// Takes the one delivery that is due.
    #[track_caller]
    fn take_one(&self) -> impl Future<Output = Taken> + '_ {
        let caller = std::panic::Location::caller();
        async move {
            let mut taken = self.take(&self.ask(10)).await;
            assert_eq!(taken.len(), 1, "{taken:?} at {caller}");
            taken.remove(0)
        }
    }

    async fn nothing_is_due(&self) -> bool {
        let others = self.take(&self.ask(10)).await;
        let suspects = self.take(&self.ask(10).for_suspects()).await;
        others.is_empty() && suspects.is_empty()
    }

    async fn end(&self, taken: &Taken, end: Action) -> Effect {
        let settlement = Settlement::new(taken.claim_request.clone(), end);
        self.settle(&[settlement]).await[0]
    }

    async fn settle(&self, settlements: &[Settlement]) -> Vec<Effect> {
        self.store().settle(settlements).await.expect("settle succeeds")
    }

    async fn record(&self, id: &str) -> Option<Record> {
        self.case.get(&self.request(id)).await
    }

    async fn stage(&self, id: &str) -> Option<Stage> {
        self.record(id).await.map(|record| Stage::from(&record.state))
    }

    /// Takes this event.
    async fn take_event(&self, id: &str) -> Taken {
        let request = self.ask(1).for_event(self.request(id).key.id().clone());
        let mut taken = self.take(&request).await;
        assert_eq!(ids(&taken), [id]);
        taken.remove(0)
    }

    /// Brings a new event to this stage.
    async fn event(&self, id: &str, stage: Stage) {
        self.deposit_new(id).await;
        let end = match stage {
            Stage::Waiting => None,
            Stage::Running => return drop(self.take_event(id).await),
            Stage::Done => Some(Action::Complete(Completion::Handled)),
            Stage::Dead => Some(Action::Bury),
        };
        if let Some(end) = end {
            let taken = self.take_event(id).await;
            assert_eq!(self.end(&taken, end).await, Effect::Applied);
        }
        assert_eq!(self.stage(id).await, Some(stage));
    }
}

const STAGES: [Stage; 4] = [Stage::Waiting, Stage::Running, Stage::Done, Stage::Dead];

fn delivery(id: &str) -> StoredDelivery {
    let mut headers = HeaderMap::new();
    headers.append("x-a", HeaderValue::from_static("1"));
    headers.append("x-a", HeaderValue::from_bytes(b"\xff second").expect("a value"));
    let body = Bytes::from([b"{\"id\":\"", id.as_bytes(), b"\",\"\0\xff\":1}"].concat());
    StoredDelivery::new("customer_created", headers, body).with_secret_index(Some(1))
}

fn put_back(after: Duration) -> Action {
    Action::PutBack {
        after,
        is_counted: true,
    }
}

fn ids(taken: &[Taken]) -> Vec<&str> {
    taken
        .iter()
        .map(|taken| taken.claim_request.key.id().as_str())
        .collect()
}
