//! Many operations at once, and in any order.

use std::sync::Arc;

use tokio::sync::Barrier;

use super::super::{
    StoreHarness,
    case::{AFTER, Case, LEASE, RETENTION, Situation, acquired, is_done},
    model::{check, random_steps},
};
use crate::{
    event::Fingerprint,
    store::{ClaimRequest, Claimed, Completion, Effect},
};

const TASKS: usize = 16;
const ROUNDS: usize = 12;

pub async fn of_many_claims_at_once_one_succeeds<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    for round in 0..ROUNDS {
        let first = case.claim_request(&format!("event {round}"));
        one_acquires(&case, &first, acquired(1, 1)).await;
    }
}

pub async fn of_many_claims_at_once_after_the_lease_one_succeeds<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let first = case.event(Situation::Claimed).await;
    for round in 2..ROUNDS as u32 {
        case.advance(LEASE).await;
        one_acquires(&case, &first, acquired(round.into(), round)).await;
    }
}

pub async fn of_many_claims_at_once_after_the_retention_one_succeeds<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let first = case.event(Situation::Handled).await;
    for _ in 0..ROUNDS {
        case.advance(LEASE + RETENTION + AFTER).await;
        one_acquires(&case, &first, acquired(1, 1)).await;
    }
}

pub async fn of_many_claims_at_once_after_a_release_one_succeeds<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let mut holder = case.event(Situation::Claimed).await;
    for round in 2..ROUNDS as u32 {
        assert_eq!(case.release(&holder).await, Effect::Applied);
        holder = one_acquires(&case, &holder, acquired(round.into(), round)).await;
    }
}

pub async fn of_many_events_at_once_under_an_id_that_handled_nothing_one_succeeds<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let mut holder = case.event(Situation::Claimed).await;
    for round in 2..ROUNDS as u32 {
        if round % 2 == 0 {
            assert_eq!(case.release(&holder).await, Effect::Applied);
        } else {
            case.advance(LEASE).await;
        }
        let one_token = case.again(&holder);
        let claim_requests = (0..TASKS).map(|number| ClaimRequest {
            fingerprint: Fingerprint::of([format!("round {round}, event {number}")]),
            // In half of the rounds one token claims for all events: it holds the claim of one.
            ..match round % 4 {
                0 | 1 => one_token.clone(),
                _ => case.again(&holder),
            }
        });
        let expected = acquired(round.into(), round);
        holder = one_of(claim_at_once(&case, claim_requests.collect()).await, expected);
        let record = case.get(&holder).await.expect("a record");
        assert_eq!(record.fingerprint, holder.fingerprint);
    }
}

pub async fn many_claims_at_once_by_one_token_are_one_attempt<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    for round in 0..ROUNDS {
        let claim_request = case.claim_request(&format!("event {round}"));
        let claim_requests = vec![claim_request; TASKS];
        for (_, claimed) in claim_at_once(&case, claim_requests).await {
            assert_eq!(claimed, acquired(1, 1));
        }
    }
}

pub async fn a_completion_among_other_operations_at_once_is_never_undone<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    for round in 0..ROUNDS {
        let holder = case.claim_request(&format!("event {round}"));
        case.acquire(&holder).await;
        let together = Arc::new(Barrier::new(TASKS));
        let tasks = (0..TASKS).map(|task| {
            let (case, holder, together) = (case.clone(), holder.clone(), Arc::clone(&together));
            tokio::spawn(async move {
                together.wait().await;
                match task % 4 {
                    0 => case.complete(&case.again(&holder), Completion::Handled).await,
                    1 => case.release(&holder).await,
                    2 => case.renew(&holder).await,
                    _ => {
                        case.claim(&case.again(&holder)).await;
                        Effect::Applied
                    }
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.expect("the operation succeeds");
        }
        let record = case.get(&holder).await;
        assert!(is_done(record.as_ref(), Completion::Handled), "{record:?}");
    }
}

/// Claims by many tokens at once. One gets this result, the others are in flight. Returns the claim
/// request of the one.
async fn one_acquires<H: StoreHarness>(case: &Case<H>, like: &ClaimRequest, expected: Claimed) -> ClaimRequest {
    let claim_requests = (0..TASKS).map(|_| case.again(like)).collect();
    one_of(claim_at_once(case, claim_requests).await, expected)
}

fn one_of(claims: Vec<(ClaimRequest, Claimed)>, expected: Claimed) -> ClaimRequest {
    let mut winners = Vec::new();
    for (claim_request, claimed) in claims {
        match claimed {
            Claimed::InFlight { .. } => {}
            claimed => {
                assert_eq!(claimed, expected);
                winners.push(claim_request);
            }
        }
    }
    assert_eq!(winners.len(), 1, "one of {TASKS} claims succeeds: {winners:?}");
    winners.remove(0)
}

async fn claim_at_once<H: StoreHarness>(
    case: &Case<H>,
    claim_requests: Vec<ClaimRequest>,
) -> Vec<(ClaimRequest, Claimed)> {
    let together = Arc::new(Barrier::new(claim_requests.len()));
    let tasks = claim_requests.into_iter().map(|claim_request| {
        let (case, together) = (case.clone(), Arc::clone(&together));
        tokio::spawn(async move {
            together.wait().await;
            let claimed = case.claim(&claim_request).await;
            (claim_request, claimed)
        })
    });
    let mut claims = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        claims.push(task.await.expect("the claim succeeds"));
    }
    claims
}

pub async fn any_sequence_of_operations_agrees_with_the_model<H: StoreHarness>(harness: Arc<H>) {
    for seed in 0..50 {
        let steps = random_steps(seed, 60);
        if let Err(difference) = check(&*harness, &steps).await {
            panic!("sequence {seed}: {difference}");
        }
    }
}
