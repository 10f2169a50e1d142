#![expect(clippy::expect_used, reason = "a test whose store does not respond fails")]

use std::{future::Future, pin::pin, sync::Arc, task::Poll, time::Duration};

use super::StoreHarness;
use crate::{
    event::{EventId, Fingerprint},
    store::{ClaimRequest, Claimed, Completion, Effect, IdempotencyStore, Key, Record, State, Token},
};

pub(super) const LEASE: Duration = Duration::from_secs(60);
pub(super) const RETENTION: Duration = Duration::from_secs(3600);
pub(super) const RETRY_WINDOW: Duration = Duration::from_secs(600);
/// How long before an end the suite still expects it not to have come: a server's own time passes
/// too.
pub(super) const BEFORE: Duration = Duration::from_secs(5);
/// How long after the end of a retention it must be over: a store may round up to the second.
pub(super) const AFTER: Duration = Duration::from_secs(1);

/// One test's view of the store: every operation must succeed, and the keys of other
/// tests are out of sight.
pub(super) struct Case<H> {
    harness: Arc<H>,
    namespace: Arc<str>,
}

impl<H> Clone for Case<H> {
    fn clone(&self) -> Self {
        Self {
            harness: Arc::clone(&self.harness),
            namespace: Arc::clone(&self.namespace),
        }
    }
}

impl<H: StoreHarness> Case<H> {
    pub(super) fn new(harness: Arc<H>) -> Self {
        Self {
            harness,
            // Unlike any other test's, also where a database is kept between runs.
            namespace: format!("suite {}", hex::encode(Token::random().to_bytes())).into(),
        }
    }

    /// A namespace of this test.
    pub(super) fn namespace(&self, name: &str) -> String {
        format!("{}{name}", self.namespace)
    }

    pub(super) fn claim_request_in(&self, namespace: &str, id: &str) -> ClaimRequest {
        ClaimRequest::new(
            Key::new(namespace, EventId::new(id).expect("an id")),
            Token::random(),
            Fingerprint::of([id]),
        )
        .with_lease(LEASE)
        .with_retention(RETENTION)
        .with_retry_window(RETRY_WINDOW)
    }

    pub(super) fn claim_request(&self, id: &str) -> ClaimRequest {
        self.claim_request_in(&self.namespace, id)
    }

    /// A claim request of another run for the same event.
    pub(super) fn again(&self, claim_request: &ClaimRequest) -> ClaimRequest {
        claim_request.clone().with_token(Token::random())
    }

    pub(super) async fn advance(&self, by: Duration) {
        self.harness.advance(by).await;
    }

    pub(super) async fn claim(&self, claim_request: &ClaimRequest) -> Claimed {
        self.harness.store().claim(claim_request).await.expect("claim succeeds")
    }

    pub(super) async fn renew(&self, claim_request: &ClaimRequest) -> Effect {
        self.harness.store().renew(claim_request).await.expect("renew succeeds")
    }

    pub(super) async fn complete(&self, claim_request: &ClaimRequest, completion: Completion) -> Effect {
        self.harness
            .store()
            .complete(claim_request, completion)
            .await
            .expect("complete succeeds")
    }

    pub(super) async fn release(&self, claim_request: &ClaimRequest) -> Effect {
        self.harness
            .store()
            .release(claim_request)
            .await
            .expect("release succeeds")
    }

    pub(super) async fn get(&self, claim_request: &ClaimRequest) -> Option<Record> {
        self.harness
            .store()
            .get(&claim_request.key)
            .await
            .expect("get succeeds")
    }

    pub(super) async fn forget(&self, claim_request: &ClaimRequest) -> Effect {
        self.harness
            .store()
            .forget(&claim_request.key)
            .await
            .expect("forget succeeds")
    }

    /// Starts a claim and drops it at its first pause, as a timeout does.
    pub(super) async fn start_to_claim(&self, claim_request: &ClaimRequest) {
        let mut claim = pin!(self.harness.store().claim(claim_request));
        std::future::poll_fn(|context| {
            let _ = claim.as_mut().poll(context);
            Poll::Ready(())
        })
        .await;
    }

    /// Claims, which must succeed.
    pub(super) async fn acquire(&self, claim_request: &ClaimRequest) {
        let claimed = self.claim(claim_request).await;
        assert!(matches!(claimed, Claimed::Acquired { .. }), "{claimed:?}");
    }

    /// A new event in this situation, and a claim request whose claim brought it there.
    pub(super) async fn event(&self, situation: Situation) -> ClaimRequest {
        let claim_request = self.claim_request(&format!("{situation:?}"));
        match situation {
            Situation::Absent => {}
            Situation::Claimed => self.acquire(&claim_request).await,
            Situation::LeaseOver => {
                self.acquire(&claim_request).await;
                self.advance(LEASE).await;
            }
            Situation::Free => {
                self.acquire(&claim_request).await;
                assert_eq!(self.release(&claim_request).await, Effect::Applied);
            }
            Situation::Handled => {
                self.acquire(&claim_request).await;
                assert_eq!(
                    self.complete(&claim_request, Completion::Handled).await,
                    Effect::Applied
                );
            }
            Situation::Rejected => {
                self.acquire(&claim_request).await;
                assert_eq!(
                    self.complete(&claim_request, Completion::Rejected).await,
                    Effect::Applied
                );
            }
        }
        claim_request
    }
}

/// The states that an event may be in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Situation {
    Absent,
    Claimed,
    LeaseOver,
    Free,
    Handled,
    Rejected,
}

impl Situation {
    pub(super) const RECORDED: [Self; 5] = [
        Self::Claimed,
        Self::LeaseOver,
        Self::Free,
        Self::Handled,
        Self::Rejected,
    ];
    pub(super) const UNFINISHED: [Self; 4] = [Self::Absent, Self::Claimed, Self::LeaseOver, Self::Free];
    pub(super) const FINISHED: [Self; 2] = [Self::Handled, Self::Rejected];
}

pub(super) fn acquired(generation: u64, attempts: u32) -> Claimed {
    Claimed::Acquired { generation, attempts }
}

/// Whether the store reports that the lease still runs this long, or a little less where real time
/// passes.
pub(super) fn is_in_flight(claimed: Claimed, expected: Duration) -> bool {
    matches!(claimed, Claimed::InFlight { remaining }
        if remaining <= expected + AFTER && remaining + BEFORE >= expected)
}

/// Whether the record is DONE in this way.
pub(super) fn is_done(record: Option<&Record>, expected: Completion) -> bool {
    record.is_some_and(|record| matches!(record.state, State::Done { completion, .. } if completion == expected))
}

/// Whether the two times are as far apart as said, within the second that a store may round by.
pub(super) fn is_apart(later: std::time::SystemTime, earlier: std::time::SystemTime, expected: Duration) -> bool {
    later
        .duration_since(earlier)
        .is_ok_and(|apart| apart <= expected + 2 * AFTER && apart + 2 * AFTER >= expected)
}
