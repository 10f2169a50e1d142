//! An inbox that fails at each operation, before applying it, after applying it, or hangs: times
//! every handler outcome. A provider sends until it is acknowledged. Then the event is handled, by
//! one effect.

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
    HandlerError,
    inbox::{InboxAdmin as _, Retries},
    store::Stage,
    testing::{Fault, Operation},
};

use super::inbox_endpoint::InboxEndpoint;
use crate::{endpoint::key, fixtures::SECOND};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behaviour {
    Succeeds,
    /// Long enough for renewals.
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
const OPERATIONS: [Operation; 6] = [
    Operation::Deposit,
    Operation::Take,
    Operation::Renew,
    Operation::Settle,
    Operation::Get,
    Operation::Backlog,
];
const FAULTS: [Fault; 6] = [
    Fault::BeforeApplying,
    Fault::AfterApplying,
    Fault::HangBeforeApplying,
    Fault::HangAfterApplying,
    Fault::ApplyLate(Duration::from_secs(3)),
    Fault::Panic,
];

#[tokio::test(start_paused = true)]
async fn no_fault_loses_a_delivery_or_doubles_its_effect() {
    for behaviour in BEHAVIOURS {
        for operation in OPERATIONS {
            for fault in FAULTS {
                for times in [1, 3] {
                    let case = format!("{behaviour:?}, {operation:?} {fault:?} {times} times");
                    comes_through(behaviour, &[(operation, fault, times)], &case).await;
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_two_faults_lose_a_delivery_or_double_its_effect() {
    for behaviour in BEHAVIOURS {
        for first in OPERATIONS {
            for second in OPERATIONS {
                for fault in FAULTS {
                    let case = format!("{behaviour:?}, {first:?} and {second:?} {fault:?}");
                    comes_through(behaviour, &[(first, fault, 1), (second, fault, 1)], &case).await;
                }
            }
        }
    }
}

/// The handler behaves like this the first time, and succeeds from then on.
async fn comes_through(first: Behaviour, faults: &[(Operation, Fault, usize)], case: &str) {
    let endpoint = InboxEndpoint::new();
    for (operation, fault, times) in faults {
        endpoint.store.fail(*operation, *fault, *times);
    }
    let (effects, runs) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let handler = {
        let (effects, runs) = (Arc::clone(&effects), Arc::clone(&runs));
        move |_| {
            let (effects, run) = (Arc::clone(&effects), runs.fetch_add(1, Ordering::SeqCst));
            async move {
                match if run == 0 { first } else { Behaviour::Succeeds } {
                    Behaviour::Succeeds => {}
                    Behaviour::SucceedsLate => sleep(70 * SECOND).await,
                    Behaviour::Fails => return Err(HandlerError::retry("on purpose")),
                    Behaviour::Panics => panic!("on purpose"),
                    Behaviour::Rejects => return Err(HandlerError::permanent("on purpose")),
                    Behaviour::Hangs => return pending().await,
                }
                effects.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
        }
    };
    let worker = endpoint
        .worker(handler)
        .handler_timeout(90 * SECOND)
        .poll_interval(SECOND)
        .retries(Retries::new([30 * SECOND]).allow_shorter_than_provider())
        .start();
    let mut acknowledged = false;
    for _ in 0..20 {
        acknowledged = endpoint.deliver("1").await.status.is_success();
        if acknowledged {
            break;
        }
        sleep(30 * SECOND).await;
    }
    assert!(acknowledged, "{case}: never acknowledged");
    while endpoint.backlog().await.unfinished() > 0 {
        sleep(SECOND).await;
    }
    let letter = endpoint.store.inner().letter(&key("1")).await.unwrap().unwrap();
    assert_eq!(letter.entry.stage, Stage::Done, "{case}");
    let expected = usize::from(first != Behaviour::Rejects);
    assert_eq!(effects.load(Ordering::SeqCst), expected, "{case}: effects");
    let most = match first {
        Behaviour::Succeeds | Behaviour::SucceedsLate | Behaviour::Rejects => 1,
        _ => 2,
    };
    let runs = runs.load(Ordering::SeqCst);
    assert!(runs <= most, "{case}: {runs} runs");
    assert!(worker.drain(10 * SECOND).await.remaining().is_empty(), "{case}");
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_half_a_minute_is_503_meanwhile_and_then_all_is_worked_off() {
    const ALL: [Operation; 6] = [
        Operation::Deposit,
        Operation::Take,
        Operation::Renew,
        Operation::Settle,
        Operation::Get,
        Operation::Backlog,
    ];
    let endpoint = InboxEndpoint::new();
    let effects = Arc::new(AtomicUsize::new(0));
    let handler = {
        let effects = Arc::clone(&effects);
        move |_| {
            let effects = Arc::clone(&effects);
            async move {
                sleep(SECOND).await;
                effects.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
        }
    };
    let worker = endpoint.worker(handler).concurrency(4).start();
    let (mut stored, mut refused) = (0, 0);
    for second in 0..90 {
        if second == 30 {
            for operation in ALL {
                endpoint.store.fail(operation, Fault::BeforeApplying, usize::MAX);
            }
        }
        if second == 60 {
            endpoint.store.heal();
        }
        let answer = endpoint.deliver(&second.to_string()).await;
        match answer.status.as_u16() {
            200 => stored += 1,
            503 => refused += 1,
            status => panic!("{status}"),
        }
        sleep(SECOND).await;
    }
    assert_eq!((stored, refused), (60, 30));
    endpoint.all_ended().await;
    assert_eq!(effects.load(Ordering::SeqCst), 60);
    drop(worker.drain(10 * SECOND).await);
}
