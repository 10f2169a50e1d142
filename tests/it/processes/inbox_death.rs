//! Receivers that store and workers that handle, killed again and again at whatever they do: of
//! what was answered 200 nothing is lost; with effect and DONE in one transaction nothing is
//! doubled; and an event that kills its process is dead after three runs, alone.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tower_webhook::{
    inbox::{Filter, InboxAdmin},
    store::Stage,
};

use super::{
    death::{LEASE, rounds, seed},
    judgement::{Said, judge_inbox},
    process::Process,
    provider::Provider,
    random::Random,
    shared::{Booked, Shared},
};

/// Where nothing happens any more that could be cut off.
const NOTHING_BEGINS: Duration = Duration::from_millis(100);

struct Lives {
    task: Value,
    random: Random,
    provider: Arc<Provider>,
    started: u64,
    ahead: Duration,
    said: Said,
}

impl Lives {
    fn start(&mut self, receives: bool, works: bool) -> Process {
        self.started += 1;
        self.task["process"] = self.started.into();
        self.task["ahead"] = self.ahead.as_secs().into();
        self.task["receives"] = receives.into();
        self.task["works"] = works.into();
        let process = Process::start(&self.task);
        let line = process.line();
        self.said(line);
        process
    }

    fn said(&mut self, line: String) -> bool {
        if let Some(address) = line.strip_prefix("listening ") {
            self.provider.send_to(address.parse().unwrap());
        }
        let begins = line.starts_with("started ");
        self.said.push((self.started, line));
        begins
    }

    /// One process that stores, works, or does both, and is killed at it.
    fn live_and_die(&mut self) {
        if !self.random.one_in(4) {
            self.ahead += LEASE;
        }
        let (receives, works) = match self.random.below(4) {
            0 => (true, false),
            1 => (false, true),
            _ => (true, true),
        };
        let process = self.start(receives, works);
        let runs = self.random.below(100);
        let mut begun = 0;
        while begun < runs
            && let Some(line) = process.line_within(NOTHING_BEGINS)
        {
            begun += u64::from(self.said(line));
        }
        std::thread::sleep(Duration::from_micros(self.random.below(20_000)));
        for line in process.kill() {
            self.said(line);
        }
    }
}

/// Waits until nothing is unfinished; the dead.
async fn all_ended<S: Shared + InboxAdmin>(store: &S, last: &Process, said: &mut Vec<String>) -> HashSet<String> {
    let began = Instant::now();
    while store.backlog("dwolla", 1_000_000).await.unwrap().unfinished() > 0 {
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "the last worker, which nobody kills, ends all"
        );
        said.extend(last.line_within(Duration::from_millis(10)));
    }
    let filter = Filter::new("dwolla").stage(Stage::Dead);
    let page = store.list(&filter, None, 1_000_000).await.unwrap();
    page.entries.iter().map(|entry| entry.key.id().to_string()).collect()
}

async fn killed_at_random<S>(mut task: Value, booked: impl AsyncFnOnce() -> Vec<Booked>)
where
    S: Shared + InboxAdmin,
{
    let in_transaction = task["in_transaction"].as_bool().unwrap();
    let place = task["place"].as_str().unwrap().to_owned();
    let name = format!(
        "the inbox in {}, in a transaction: {in_transaction}",
        task["store"].as_str().unwrap()
    );
    let (rounds, seed, began) = (rounds(), seed(), Instant::now());
    eprintln!("{name}: KILL_SEED={seed}");
    let random = Random::new(seed);
    let secret = format!("the secret of {name}, {seed}");
    let provider = Provider::new(&secret, random.branch(1));
    task["role"] = "inbox".into();
    task["secret"] = secret.into();
    task["seed"] = seed.into();
    let mut lives = Lives {
        task,
        random: random.branch(2),
        provider: Arc::clone(&provider),
        started: 0,
        ahead: Duration::ZERO,
        said: Vec::new(),
    };
    let mut deliveries = provider.start();
    let (mut lives, last) = tokio::task::spawn_blocking(move || {
        for _ in 0..rounds {
            lives.live_and_die();
        }
        lives.provider.stop();
        lives.ahead += LEASE;
        let last = lives.start(true, true);
        (lives, last)
    })
    .await
    .unwrap();
    let all = async {
        while let Some(ended) = deliveries.join_next().await {
            ended.unwrap();
        }
    };
    if tokio::time::timeout(Duration::from_secs(60), all).await.is_err() {
        let missing: Vec<_> = (0..provider.sent())
            .map(|number| number.to_string())
            .filter(|id| provider.acknowledged(id).is_none())
            .map(|id| (provider.last_response(&id), id))
            .collect();
        panic!("the last receiver, which nobody kills, acknowledges all, but {missing:?}");
    }
    let store = S::open(&place).await;
    store.advance(lives.ahead);
    let mut lines = Vec::new();
    let dead = all_ended(&store, &last, &mut lines).await;
    lines.extend(last.end());
    for line in lines {
        lives.said(line);
    }
    let judgement = judge_inbox(&provider, &lives.said, &booked().await, &dead, in_transaction);
    let took = began.elapsed().as_secs_f32();
    eprintln!("{name}: {rounds} kills in {took:.1} s, {judgement}");
    assert!(rounds < 20 || judgement.cut_off() > 0, "nobody was killed at work");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_inbox_in_sqlite_whose_processes_are_killed_loses_nothing() {
    let folder = crate::sqlite::Folder::new();
    let effects = super::file::File(folder.file().with_extension("effects"));
    let task = json!({ "store": "sqlite", "place": folder.file(), "effects": effects.0, "in_transaction": false });
    killed_at_random::<tower_webhook_sqlx::SqliteStore>(task, async || effects.booked()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_inbox_in_sqlite_whose_processes_are_killed_repeats_no_transaction() {
    let folder = crate::sqlite::Folder::new();
    let file = folder.file();
    let place = file.to_str().unwrap();
    super::sqlite::create_effects(place).await;
    let task = json!({ "store": "sqlite", "place": place, "in_transaction": true });
    killed_at_random::<tower_webhook_sqlx::SqliteStore>(task, async || super::sqlite::booked(place).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_inbox_in_postgres_whose_processes_are_killed_loses_nothing() {
    over_postgres("killed_inbox", false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_inbox_in_postgres_whose_processes_are_killed_repeats_no_transaction() {
    over_postgres("killed_inbox_in_transactions", true).await;
}

async fn over_postgres(database: &'static str, in_transaction: bool) {
    let Some(place) = super::postgres::new_database(database).await else {
        return;
    };
    super::postgres::create_effects(&place).await;
    let task = json!({ "store": "postgres", "place": place, "in_transaction": in_transaction });
    killed_at_random::<tower_webhook_sqlx::PostgresStore>(task, async || super::postgres::booked(&place).await).await;
}

/// Events beside one that aborts its process.
async fn poison<S: Shared + InboxAdmin>(task: Value, harmless: u64) {
    let place = task["place"].as_str().unwrap().to_owned();
    let store = S::open(&place).await;
    let deposit = async |id: &str| {
        let event: crate::endpoint::Event =
            tower_webhook::event::from_json(crate::endpoint::event(id).as_bytes()).unwrap();
        let fingerprint = tower_webhook::event::Event::fingerprint(&event).unwrap();
        let delivery = tower_webhook::inbox::StoredDelivery::new(
            "customer_created",
            http::HeaderMap::new(),
            crate::endpoint::event(id),
        );
        let deposit = tower_webhook::inbox::Deposit::new(crate::endpoint::key(id), fingerprint, delivery);
        store.deposit(&deposit).await.unwrap();
    };
    for number in 0..harmless {
        if number == harmless / 2 {
            deposit("poison").await;
        }
        deposit(&number.to_string()).await;
    }
    let provider = Provider::new("unused", Random::new(1));
    let mut lives = Lives {
        task,
        random: Random::new(2),
        provider,
        started: 0,
        ahead: Duration::ZERO,
        said: Vec::new(),
    };
    for (name, value) in [
        ("role", "inbox"),
        ("secret", "a secret of sixteen bytes"),
        ("poison", "poison"),
    ] {
        lives.task[name] = value.into();
    }
    lives.task["seed"] = 1.into();
    // It is at work in three processes, each of which it ends.
    for _ in 0..3 {
        let process = lives.start(false, true);
        let (mut lives_on, aborted, lines) = tokio::task::spawn_blocking(move || {
            let (aborted, lines) = process.ended();
            (lives, aborted, lines)
        })
        .await
        .unwrap();
        assert!(aborted);
        for line in lines {
            lives_on.said(line);
        }
        lives_on.ahead += LEASE;
        store.advance(LEASE);
        lives = lives_on;
    }
    let last = lives.start(false, true);
    let mut lines = Vec::new();
    let dead = all_ended(&store, &last, &mut lines).await;
    lines.extend(last.end());
    for line in lines {
        lives.said(line);
    }
    assert_eq!(dead, HashSet::from(["poison".to_owned()]));
    let runs = |id: &str| {
        let started = format!("started {id}");
        lives.said.iter().filter(|(_, line)| *line == started).count()
    };
    assert_eq!(runs("poison"), 3);
    let letter = store.letter(&crate::endpoint::key("poison")).await.unwrap().unwrap();
    assert!(
        letter.history[0]
            .attempt
            .error
            .starts_with("its last 3 runs were never settled")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_sqlite_an_event_that_kills_its_process_is_dead_after_three_runs_and_no_other_is() {
    let folder = crate::sqlite::Folder::new();
    let effects = folder.file().with_extension("effects");
    let task = json!({ "store": "sqlite", "place": folder.file(), "effects": effects, "in_transaction": false });
    poison::<tower_webhook_sqlx::SqliteStore>(task, 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_postgres_an_event_that_kills_its_process_is_dead_after_three_runs_and_no_other_is() {
    let Some(place) = super::postgres::new_database("poison").await else {
        return;
    };
    super::postgres::create_effects(&place).await;
    let task = json!({ "store": "postgres", "place": place, "in_transaction": false });
    poison::<tower_webhook_sqlx::PostgresStore>(task, 200).await;
}
