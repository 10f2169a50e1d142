//! A store that fails at each operation, before applying it, after applying it, or hangs: times
//! every handler outcome.
//!
//! A provider sends again until it is acknowledged, as providers do. Then: the event was handled,
//! and handled more than once only in the windows that are named in the crate docs.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::sleep;
use tower_webhook::{
    Delivery, HandlerError,
    store::{Completion, State},
    testing::{Fault, Operation},
};

use crate::endpoint::{Endpoint, Event};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behaviour {
    Succeeds,
    /// Long enough for a renewal and for the answer to be due first.
    SucceedsLate,
    Fails,
    Panics,
    Rejects,
    Hangs,
}

const BEHAVIOURS: [Behaviour; 6] = [
    Behaviour::Succeeds,
    Behaviour::SucceedsLate,
    Behaviour::Fails,
    Behaviour::Panics,
    Behaviour::Rejects,
    Behaviour::Hangs,
];
const OPERATIONS: [Operation; 4] = [
    Operation::Claim,
    Operation::Renew,
    Operation::Complete,
    Operation::Release,
];
const FAULTS: [Fault; 6] = [
    Fault::BeforeApplying,
    Fault::AfterApplying,
    Fault::HangBeforeApplying,
    Fault::HangAfterApplying,
    Fault::ApplyLate(Duration::from_secs(3)),
    Fault::Panic,
];

/// An endpoint whose handler behaves like this the first time and succeeds from then on; effects
/// are counted.
fn endpoint(first: Behaviour, effects: Arc<AtomicUsize>) -> Endpoint {
    let run = Arc::new(AtomicUsize::new(0));
    let handler = move |_: Delivery<Event>| {
        let (effects, run) = (Arc::clone(&effects), run.fetch_add(1, Ordering::SeqCst));
        async move {
            match if run == 0 { first } else { Behaviour::Succeeds } {
                Behaviour::Succeeds => {}
                Behaviour::SucceedsLate => sleep(Duration::from_secs(70)).await,
                Behaviour::Fails => return Err(HandlerError::retry("on purpose")),
                Behaviour::Panics => panic!("on purpose"),
                Behaviour::Rejects => return Err(HandlerError::permanent("on purpose")),
                Behaviour::Hangs => return pending().await,
            }
            effects.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    };
    Endpoint::with(handler, |builder| builder.handler_timeout(Duration::from_secs(90)))
}

#[tokio::test(start_paused = true)]
async fn no_store_fault_loses_an_event_or_runs_it_twice() {
    for behaviour in BEHAVIOURS {
        for operation in OPERATIONS {
            for fault in FAULTS {
                for times in [1, 2, 3] {
                    one_fault(behaviour, operation, fault, times).await;
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_two_store_faults_lose_an_event_or_run_it_twice() {
    for behaviour in BEHAVIOURS {
        for first in OPERATIONS {
            for second in OPERATIONS {
                for fault in FAULTS {
                    let effects = Arc::new(AtomicUsize::new(0));
                    let endpoint = endpoint(behaviour, Arc::clone(&effects));
                    endpoint.store.fail(first, fault, 1);
                    endpoint.store.fail(second, fault, 1);
                    settle(
                        &endpoint,
                        behaviour,
                        &effects,
                        &format!("{behaviour:?}, {first:?} and {second:?} {fault:?}"),
                    )
                    .await;
                }
            }
        }
    }
}

async fn one_fault(behaviour: Behaviour, operation: Operation, fault: Fault, times: usize) {
    let effects = Arc::new(AtomicUsize::new(0));
    let endpoint = endpoint(behaviour, Arc::clone(&effects));
    endpoint.store.fail(operation, fault, times);
    settle(
        &endpoint,
        behaviour,
        &effects,
        &format!("{behaviour:?}, {operation:?} {fault:?} {times} times"),
    )
    .await;
}

/// Sends until acknowledged, with pauses, and looks at what came of it.
async fn settle(endpoint: &Endpoint, behaviour: Behaviour, effects: &AtomicUsize, case: &str) {
    let mut acknowledged = false;
    for _ in 0..20 {
        let answer = endpoint.deliver("1").await;
        if answer.status.is_success() {
            acknowledged = true;
            break;
        }
        assert!([500, 503].contains(&answer.status.as_u16()), "{case}: {answer:?}");
        sleep(Duration::from_secs(30)).await;
    }
    assert!(acknowledged, "{case}: never acknowledged");
    // What settles in the background has done so.
    sleep(Duration::from_secs(300)).await;
    let effects = effects.load(Ordering::SeqCst);
    let (expected, completion) = match behaviour {
        Behaviour::Rejects => (0, Completion::Rejected),
        _ => (1, Completion::Handled),
    };
    assert_eq!(effects, expected, "{case}: effects");
    let state = endpoint.record("1").await.map(|record| record.state);
    assert!(
        matches!(state, Some(State::Done { completion: found, .. }) if found == completion),
        "{case}: {state:?}"
    );
    let runs = endpoint.runs();
    let most = if matches!(
        behaviour,
        Behaviour::Succeeds | Behaviour::SucceedsLate | Behaviour::Rejects
    ) {
        1
    } else {
        2
    };
    assert!(runs <= most, "{case}: {runs} runs");
}
