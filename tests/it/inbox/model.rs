//! Random sequences of everything that can be done to a stored delivery: each store answers and
//! records as the memory inbox does, which decides by `store::record` alone.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use tower_webhook::{
    clock::Clock as _,
    event::{EventId, Fingerprint},
    inbox::{Action, Deposit, Inbox, InboxAdmin, Settlement, StoredDelivery, TakeRequest, Taken},
    store::{ClaimRequest, Completion, IdempotencyStore, Key, Record, State, Token},
    testing::{ManualClock, MemoryInbox},
};

use crate::postgres::{new_table, server::Server, store_in};

const LEASE: Duration = Duration::from_secs(60);
/// Steps of time are tens of seconds, and so stay clear of its end, since real time passes, too.
const RETENTION: Duration = Duration::from_secs(609);
const EVENTS: u64 = 3;
const TOKENS: u64 = 3;

/// splitmix64
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

#[derive(Clone, Debug)]
enum Act {
    Claim,
    Renew,
    Complete(Completion),
    Release,
    Forget,
    Deposit,
    TakeEvent,
    Take { suspects: bool },
    Settle(Action),
    Replay,
    Bury,
    Purge,
}

fn act(random: &mut Random) -> Act {
    match random.below(18) {
        0 | 1 => Act::Claim,
        2 => Act::Renew,
        3 => Act::Complete(Completion::Handled),
        4 => Act::Complete(Completion::Rejected),
        5 => Act::Release,
        6 => Act::Forget,
        7..10 => Act::Deposit,
        10 => Act::TakeEvent,
        11 | 12 => Act::Take {
            suspects: random.below(2) == 0,
        },
        13 => Act::Settle(Action::PutBack {
            after: Duration::from_secs(30 * random.below(3)),
            is_counted: random.below(2) == 0,
        }),
        14 => Act::Settle(match random.below(3) {
            0 => Action::Bury,
            1 => Action::Complete(Completion::Handled),
            _ => Action::Complete(Completion::Rejected),
        }),
        15 => Act::Replay,
        16 => Act::Bury,
        _ => Act::Purge,
    }
}

fn shown(taken: &[Taken]) -> String {
    let mut taken: Vec<_> = taken
        .iter()
        .map(|taken| {
            let (id, counts) = (
                taken.claim_request.key.id(),
                (taken.generation, taken.attempts, taken.crashes),
            );
            (
                id,
                counts,
                format!("{:?}", taken.claim_request.fingerprint),
                &taken.delivery.topic,
            )
        })
        .collect();
    // Events that were stored in one moment, by the memory's clock, are due in any order.
    taken.sort();
    format!("{taken:?}")
}

/// Does it, and says what was answered, without times.
async fn done<S: Inbox + InboxAdmin>(store: &S, act: &Act, request: &ClaimRequest) -> String {
    let take = TakeRequest::new(request.key.namespace(), request.token, 10)
        .with_lease(LEASE)
        .with_retention(RETENTION);
    let key = &request.key;
    let answer = match act {
        Act::Claim => format!("{:?}", store.claim(request).await.unwrap()),
        Act::Renew => format!("{:?}", store.renew(request).await.unwrap()),
        Act::Complete(completion) => format!("{:?}", store.complete(request, *completion).await.unwrap()),
        Act::Release => format!("{:?}", store.release(request).await.unwrap()),
        Act::Forget => format!("{:?}", store.forget(key).await.unwrap()),
        Act::Deposit => {
            let topic = format!("{:?}", request.fingerprint);
            let delivery = StoredDelivery::new(topic, HeaderMap::new(), &b"{}"[..]);
            let deposit = Deposit::new(key.clone(), request.fingerprint, delivery);
            format!("{:?}", store.deposit(&deposit).await.unwrap())
        }
        Act::TakeEvent => shown(&store.take(&take.for_event(key.id().clone())).await.unwrap()),
        Act::Take { suspects: true } => shown(&store.take(&take.for_suspects()).await.unwrap()),
        Act::Take { suspects: false } => shown(&store.take(&take).await.unwrap()),
        Act::Settle(end) => {
            let settlement = Settlement::new(request.clone(), *end);
            format!("{:?}", store.settle(&[settlement]).await.unwrap())
        }
        Act::Replay => format!("{:?}", store.replay(key).await.unwrap()),
        Act::Bury => format!("{:?}", store.bury(key, "by hand").await.unwrap()),
        Act::Purge => {
            store.purge(100).await.unwrap();
            String::new()
        }
    };
    // the rest of a lease
    answer.split("remaining").next().unwrap_or_default().to_owned()
}

/// The record with its times as distances from now, in steps of ten seconds.
fn recorded(record: Option<Record>, now: SystemTime) -> String {
    let Some(record) = record else {
        return "absent".to_owned();
    };
    let away = |time: SystemTime| {
        let seconds = match time.duration_since(now) {
            Ok(ahead) => ahead.as_secs_f64(),
            Err(behind) => -behind.duration().as_secs_f64(),
        };
        // Years ahead is never; and some seconds pass in one of the two.
        (seconds / 10.0).ceil().min(1e6) as i64
    };
    let state = match record.state {
        State::Claimed {
            token,
            generation,
            attempts,
            lease_until,
        } => format!("claimed {token:?} {generation} {attempts} {}", away(lease_until)),
        State::Free { generation, attempts } => format!("free {generation} {attempts}"),
        State::Done { completion, at } => format!("{completion} {}", away(at)),
        State::Dead {
            generation,
            attempts,
            at,
        } => format!("dead {generation} {attempts} {}", away(at)),
        _ => "unknown".to_owned(),
    };
    // Until the event is done, its state has the generation.
    let is_done = matches!(record.state, State::Done { .. });
    let schedule = record.schedule.map(|schedule| {
        let generation = is_done.then_some(schedule.generation);
        (schedule.due_at.map(away), schedule.crashes, generation)
    });
    format!(
        "{state}; {:?}; expires {}; {schedule:?}",
        record.fingerprint,
        away(record.expires)
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_answers_and_records_any_sequence_of_operations_as_the_memory_does() {
    let Some(server) = Server::shared() else { return };
    let store = store_in(server, &new_table()).await;
    as_in_memory(&store, |by| store.advance(by)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_answers_and_records_any_sequence_of_operations_as_the_memory_does() {
    let folder = crate::sqlite::Folder::new();
    let store = tower_webhook_sqlx::SqliteStore::open(folder.file()).await.unwrap();
    as_in_memory(&store, |by| store.advance(by)).await;
}

async fn as_in_memory<S: InboxAdmin>(store: &S, advance: impl Fn(Duration)) {
    let clock = ManualClock::new();
    let memory = MemoryInbox::with_clock(clock.clone());
    let mut offset = Duration::ZERO;
    let seed = u64::from_be_bytes(Token::random().to_bytes()[..8].try_into().unwrap());
    let mut random = Random(seed);
    for round in 0..60 {
        let namespace = format!("model {round}");
        let tokens: Vec<Token> = (0..TOKENS).map(|_| Token::random()).collect();
        let mut trace = Vec::new();
        for _ in 0..50 {
            if random.below(4) == 0 {
                let tens = if random.below(8) == 0 {
                    60 + random.below(10)
                } else {
                    random.below(8)
                };
                let by = Duration::from_secs(10 * tens);
                advance(by);
                clock.advance(by);
                offset += by;
                trace.push(format!("wait {by:?}"));
            }
            let act = act(&mut random);
            let id = format!("event {}", random.below(EVENTS));
            let facts = if random.below(5) == 0 { "other" } else { "event" };
            let request = ClaimRequest::new(
                Key::new(namespace.as_str(), EventId::new(&id).unwrap()),
                tokens[usize::try_from(random.below(TOKENS)).unwrap()],
                Fingerprint::of([facts]),
            )
            .with_lease(LEASE)
            .with_retention(RETENTION);
            trace.push(format!("{act:?} {id} {facts} {:?}", request.token));
            let (answer, expected) = (done(store, &act, &request).await, done(&memory, &act, &request).await);
            let so_far = || format!("seed {seed}, after {trace:#?}");
            assert_eq!(answer, expected, "{}", so_far());
            for event in 0..EVENTS {
                let key = Key::new(namespace.as_str(), EventId::new(&format!("event {event}")).unwrap());
                let now = SystemTime::now() + offset;
                assert_eq!(
                    recorded(store.get(&key).await.unwrap(), now),
                    recorded(memory.get(&key).await.unwrap(), clock.now()),
                    "{}",
                    so_far()
                );
            }
        }
    }
}
