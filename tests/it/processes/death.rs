//! A receiver that is killed, again and again, at whatever it does: nothing is lost, and nothing
//! runs twice but what was cut off between its effect and its settlement; with effect and DONE in
//! one transaction, not even that.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    judgement::{Said, judge},
    process::Process,
    provider::Provider,
    random::Random,
    shared::Booked,
};

/// What the layer takes a lease to be, by default. The store's clock is moved past it: a lease
/// short enough to be waited for leaves store operations so little time that a busy machine gives
/// some up, and then "settled" is not what was answered.
pub(super) const LEASE: Duration = Duration::from_secs(60);
/// Where all that is sent waits for leases of the dead, no run begins.
const NOTHING_BEGINS: Duration = Duration::from_millis(300);

/// How often the receiver is killed: a few times by default, and as often as `KILL_ROUNDS` says.
pub(super) fn rounds() -> u64 {
    std::env::var("KILL_ROUNDS").map_or(20, |rounds| rounds.parse().unwrap())
}

/// Repeats the decisions of a run, though not the moments at which processes act on them.
pub(super) fn seed() -> u64 {
    std::env::var("KILL_SEED").map_or_else(
        |_| std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), "seed") >> 1,
        |seed| seed.parse().unwrap(),
    )
}

/// Receivers, one after the other.
struct Receivers {
    task: Value,
    random: Random,
    provider: Arc<Provider>,
    started: u64,
    /// How far the clock of the store has moved.
    ahead: Duration,
    said: Said,
}

impl Receivers {
    fn start(&mut self) -> Process {
        self.started += 1;
        self.task["process"] = self.started.into();
        self.task["ahead"] = self.ahead.as_secs().into();
        Process::start(&self.task)
    }

    fn said(&mut self, line: String) -> bool {
        if let Some(address) = line.strip_prefix("listening ") {
            self.provider.send_to(address.parse().unwrap());
        }
        let begins = line.starts_with("started ");
        self.said.push((self.started, line));
        begins
    }

    /// One of them, killed while it starts, or when a few runs have begun; after that in no time,
    /// or somewhat later.
    fn live_and_die(&mut self) {
        // The leases of the dead are over, most times. Else their events are answered 503
        // throughout this life.
        if !self.random.one_in(4) {
            self.ahead += LEASE;
        }
        let process = self.start();
        if !self.random.one_in(10) {
            let line = process.line();
            assert!(line.starts_with("listening "), "{line}");
            self.said(line);
            let runs = self.random.below(100);
            let mut begun = 0;
            while begun < runs
                && let Some(line) = process.line_within(NOTHING_BEGINS)
            {
                begun += u64::from(self.said(line));
            }
        }
        let longest = if self.random.one_in(2) { 2_000 } else { 20_000 };
        std::thread::sleep(Duration::from_micros(self.random.below(longest)));
        for line in process.kill() {
            self.said(line);
        }
    }
}

/// Kills receivers with this store and these effects under a provider's load, and judges what they
/// leave behind.
async fn killed_at_random(task: Value, booked: impl AsyncFnOnce() -> Vec<Booked>) {
    let in_transaction = task["in_transaction"].as_bool().unwrap();
    let name = format!(
        "{}{}",
        task["store"].as_str().unwrap(),
        if in_transaction { " in a transaction" } else { "" }
    );
    let (rounds, seed, began) = (rounds(), seed(), Instant::now());
    eprintln!("{name}: KILL_SEED={seed}");
    let random = Random::new(seed);
    // Its own: a port may become another test's as soon as a receiver is dead.
    let secret = format!("the secret of {name}, {seed}");
    let provider = Provider::new(&secret, random.branch(1));
    let mut receivers = Receivers {
        task,
        random: random.branch(2),
        provider: Arc::clone(&provider),
        started: 0,
        ahead: Duration::ZERO,
        said: Vec::new(),
    };
    receivers.task["role"] = "receiver".into();
    receivers.task["secret"] = secret.into();
    receivers.task["seed"] = seed.into();
    let mut deliveries = provider.start();
    let (mut receivers, last) = tokio::task::spawn_blocking(move || {
        for _ in 0..rounds {
            receivers.live_and_die();
        }
        receivers.provider.stop();
        receivers.ahead += LEASE;
        let last = receivers.start();
        let line = last.line();
        receivers.said(line);
        (receivers, last)
    })
    .await
    .unwrap();
    let all = async {
        while let Some(ended) = deliveries.join_next().await {
            ended.unwrap();
        }
    };
    let all_is_acknowledged = tokio::time::timeout(Duration::from_secs(60), all).await;
    for line in last.end() {
        receivers.said(line);
    }
    all_is_acknowledged.expect("the last receiver, which nobody kills, acknowledges all");
    let judgement = judge(&provider, &receivers.said, &booked().await, in_transaction);
    let took = began.elapsed().as_secs_f32();
    eprintln!("{name}: {rounds} kills in {took:.1} s, {judgement}");
    // Fewer may all have come while receivers started.
    assert!(rounds < 20 || judgement.cut_off() > 0, "nobody was killed at work");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receivers_over_sqlite_that_are_killed_lose_nothing() {
    let folder = crate::sqlite::Folder::new();
    let effects = super::file::File(folder.file().with_extension("effects"));
    let task = json!({ "store": "sqlite", "place": folder.file(), "effects": effects.0, "in_transaction": false });
    killed_at_random(task, async || effects.booked()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receivers_over_sqlite_that_are_killed_repeat_no_transaction() {
    let folder = crate::sqlite::Folder::new();
    let file = folder.file();
    let place = file.to_str().unwrap();
    super::sqlite::create_effects(place).await;
    let task = json!({ "store": "sqlite", "place": place, "in_transaction": true });
    killed_at_random(task, async || super::sqlite::booked(place).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receivers_over_postgres_that_are_killed_lose_nothing() {
    over_postgres("killed", false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receivers_over_postgres_that_are_killed_repeat_no_transaction() {
    over_postgres("killed_in_transactions", true).await;
}

async fn over_postgres(database: &'static str, in_transaction: bool) {
    let Some(place) = super::postgres::new_database(database).await else {
        return;
    };
    super::postgres::create_effects(&place).await;
    let task = json!({ "store": "postgres", "place": place, "in_transaction": in_transaction });
    killed_at_random(task, async || super::postgres::booked(&place).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receivers_over_redis_that_are_killed_lose_nothing() {
    let Some(server) = crate::redis::server::Server::start(&[]) else {
        return;
    };
    let effects = super::file::File(server.folder().join("effects"));
    let task = json!({ "store": "redis", "place": server.url(), "effects": effects.0, "in_transaction": false });
    killed_at_random(task, async || effects.booked()).await;
}
