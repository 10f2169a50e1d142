//! Two processes that claim the same events at once.

use std::{sync::mpsc::Receiver, time::Duration};

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tower_webhook::{
    event::{EventId, Fingerprint},
    store::{ClaimRequest, Claimed, Key, StoreErrorKind, Token},
};

use super::{
    process::{Process, say},
    shared::Shared,
};

const PROCESSES: usize = 2;
const TASKS: usize = 48;
/// In each process.
const CONNECTIONS: usize = 3;
const EVENTS: usize = 1000;
/// All that is claimed between two starts: whoever is late for one may be early for the next.
const IN_A_HEAT: usize = 50;
const LEASE: Duration = Duration::from_secs(60);

fn claim_request(number: usize) -> ClaimRequest {
    let id = format!("event {number}");
    ClaimRequest::new(
        Key::new("race", EventId::new(&id).unwrap()),
        Token::random(),
        Fingerprint::of([&*id]),
    )
    .with_lease(LEASE)
    .with_retention(Duration::from_secs(3600))
    .with_retry_window(Duration::from_secs(600))
}

/// One of the processes: in each heat, once told to, claims its events with its half of the tasks,
/// and says which it won.
pub(super) async fn take_part<S: Shared>(task: &Value, orders: Receiver<String>) {
    let process = usize::try_from(task["process"].as_u64().unwrap()).unwrap();
    let mut stores = Vec::new();
    for _ in 0..CONNECTIONS {
        stores.push(S::open(task["place"].as_str().unwrap()).await);
    }
    say("ready");
    for order in orders {
        let Some((round, heat)) = order.split_once(' ') else {
            stores.iter().for_each(|store| store.advance(LEASE));
            continue;
        };
        let (round, heat): (u32, usize) = (round.parse().unwrap(), heat.parse().unwrap());
        let expected = Claimed::Acquired {
            generation: round.into(),
            attempts: round,
        };
        let mut tasks = JoinSet::new();
        // tasks 0 and 1 keep the same order, and so do 2 and 3: one of each pair is in the other
        // process
        for task in (process..TASKS).step_by(PROCESSES) {
            let store = stores[task / PROCESSES % CONNECTIONS].clone();
            tasks.spawn(async move {
                let mut won = Vec::new();
                for step in 0..IN_A_HEAT {
                    // 7 and 50 have no common divisor: every task meets every event.
                    let number = heat * IN_A_HEAT + (step * 7 + task / PROCESSES) % IN_A_HEAT;
                    let request = claim_request(number);
                    // A busy machine has no connection for half a second now and then.
                    let claimed = loop {
                        match store.claim(&request).await {
                            Ok(claimed) => break claimed,
                            Err(failed) => assert_eq!(failed.kind(), StoreErrorKind::Unavailable),
                        }
                    };
                    match claimed {
                        Claimed::InFlight { .. } => {}
                        answer => {
                            assert_eq!(answer, expected);
                            won.push(number.to_string());
                        }
                    }
                }
                won
            });
        }
        say(&tasks.join_all().await.concat().join(" "));
    }
}

fn race(store: &str, place: &str) {
    let mut processes: Vec<_> = (0..PROCESSES)
        .map(|process| Process::start(&json!({ "role": "racer", "store": store, "place": place, "process": process })))
        .collect();
    for process in &processes {
        assert_eq!(process.line(), "ready");
    }
    let mut shares = [0; PROCESSES];
    for round in 1..=2 {
        let mut winners = vec![0; EVENTS];
        for heat in 0..EVENTS / IN_A_HEAT {
            // now the one hears it first, now the other
            for turn in 0..PROCESSES {
                processes[(heat + turn) % PROCESSES].tell(&format!("{round} {heat}"));
            }
            for (process, share) in processes.iter().zip(&mut shares) {
                for number in process.line().split_whitespace() {
                    winners[number.parse::<usize>().unwrap()] += 1;
                    *share += 1;
                }
            }
        }
        assert_eq!(winners, [1; EVENTS], "{store}, round {round}");
        processes.iter_mut().for_each(|process| process.tell("advance"));
    }
    eprintln!("{store}: the processes won {shares:?}");
    assert!(!shares.contains(&0), "there was no race: {shares:?}");
    for process in processes {
        assert_eq!(process.end(), [""; 0]);
    }
}

#[test]
fn of_48_tasks_in_two_processes_one_wins_each_event_of_a_sqlite_file() {
    let folder = crate::sqlite::Folder::new();
    race("sqlite", folder.file().to_str().unwrap());
}

#[tokio::test]
async fn of_48_tasks_in_two_processes_one_wins_each_event_in_postgres() {
    let Some(place) = super::postgres::new_database("race").await else {
        return;
    };
    race("postgres", &place);
}

#[test]
fn of_48_tasks_in_two_processes_one_wins_each_event_in_redis() {
    let Some(server) = crate::redis::server::Server::start(&[]) else {
        return;
    };
    race("redis", &server.url());
}
