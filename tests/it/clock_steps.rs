//! An application whose machine's clock is set forward or back by an hour while it works: a process
//! of its own, under libfaketime.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

use tokio::sync::mpsc;
use tower_webhook::store::{ClaimRequest, Claimed, Completion, Effect, IdempotencyStore, State, Token};

use crate::over_store::{App, LEASE, claim_request_in};

const HOUR: Duration = Duration::from_secs(3600);
/// What the machine may take for a step of the test.
const SLACK: Duration = Duration::from_secs(20);
/// The variable that makes a test the process whose clock steps: the file that sets its clock, and
/// the store.
const CLOCK: &str = "TEST_CLOCK_FILE";
const STORE: &str = "TEST_CLOCK_STORE";

fn library() -> Option<PathBuf> {
    let found = ["/usr/lib", "/usr/lib64", "/usr/local/lib"]
        .iter()
        .flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten())
        .flat_map(|entry| [entry.path(), entry.path().join("faketime")])
        .map(|folder| folder.join("libfaketimeMT.so.1"))
        .find(|file| file.exists());
    if found.is_none() {
        assert!(
            std::env::var_os("REQUIRE_SERVERS").is_none(),
            "libfaketime is missing, and REQUIRE_SERVERS is set"
        );
        eprintln!("skipped: libfaketime is missing (apt-get install faketime)");
    }
    found
}

/// Runs this test of this binary in a process whose clock it may set.
fn run(test: &str, store: &str) {
    let Some(library) = library() else { return };
    let clock = std::env::temp_dir().join(format!("tower-webhook-clock-{:?}", Token::random()));
    fs::write(&clock, "+0").unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("clock_steps::{test}"), "--nocapture"])
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", &clock)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env(CLOCK, &clock)
        .env(STORE, store)
        .output()
        .unwrap();
    fs::remove_file(&clock).unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.contains(" 1 passed"), "{said}");
}

/// In such a process: its clock, and the store.
fn stepping() -> Option<(Clock, String)> {
    let file = std::env::var_os(CLOCK)?.into();
    Some((Clock { file }, std::env::var(STORE).unwrap()))
}

struct Clock {
    file: PathBuf,
}

impl Clock {
    /// Sets this process's clock to so many seconds from the true time, at once.
    fn set(&self, offset: i64) {
        let before = SystemTime::now();
        // In one step, so that nobody reads half of it.
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{offset:+}")).unwrap();
        fs::rename(&new, &self.file).unwrap();
        let now = SystemTime::now();
        let moved = now.duration_since(before).unwrap_or_else(|back| back.duration());
        assert!(moved > HOUR - SLACK, "the clock moved by {moved:?}");
    }
}

fn again(claim_request: &ClaimRequest) -> ClaimRequest {
    claim_request.clone().with_token(Token::random())
}

async fn lease_until<S: IdempotencyStore>(store: &S, claim_request: &ClaimRequest) -> SystemTime {
    match store.get(&claim_request.key).await.unwrap().unwrap().state {
        State::Claimed { lease_until, .. } => lease_until,
        state => panic!("{state:?}"),
    }
}

/// Of a store with a server, whose clock goes on as before.
async fn no_lease_changes<S: IdempotencyStore + Clone>(store: S, clock: Clock) {
    let claim_request = claim_request_in(&format!("steps {:?}", Token::random()), "event");
    let acquired = store.claim(&claim_request).await.unwrap();
    assert!(matches!(acquired, Claimed::Acquired { .. }), "{acquired:?}");
    let until = lease_until(&store, &claim_request).await;
    for offset in [3600, -3600, 0] {
        clock.set(offset);
        let answer = store.claim(&again(&claim_request)).await.unwrap();
        assert!(
            matches!(answer, Claimed::InFlight { remaining } if remaining <= LEASE && remaining + SLACK > LEASE),
            "{offset}: {answer:?}"
        );
        assert_eq!(lease_until(&store, &claim_request).await, until, "{offset}");
        // A claim that is made now has its lease from the server, too.
        let late = claim_request_in(claim_request.key.namespace(), &format!("event {offset}"));
        store.claim(&late).await.unwrap();
        let lease = lease_until(&store, &late).await.duration_since(until).unwrap();
        assert!(lease < SLACK, "{offset}: {lease:?}");
    }
    clock.set(3600);
    assert_eq!(store.renew(&claim_request).await.unwrap(), Effect::Applied);
    assert!(lease_until(&store, &claim_request).await.duration_since(until).unwrap() < SLACK);
    assert_eq!(
        store.complete(&claim_request, Completion::Handled).await.unwrap(),
        Effect::Applied
    );
    clock.set(-3600);
    let done = Claimed::Done(Completion::Handled);
    assert_eq!(store.claim(&again(&claim_request)).await.unwrap(), done);
    clock.set(0);
    whole_layer(store, &clock).await;
}

/// A delivery whose handler runs while the clock steps, and another process that is sent the same
/// event.
async fn whole_layer<S: IdempotencyStore + Clone>(store: S, clock: &Clock) {
    let id = format!("steps {:?}", Token::random());
    let (began, mut has_begun) = mpsc::channel(1);
    let (end, ends) = mpsc::channel::<()>(1);
    let ends = std::sync::Arc::new(tokio::sync::Mutex::new(ends));
    let first = App::with(store.clone(), move |delivery| {
        let (began, ends) = (began.clone(), ends.clone());
        async move {
            began.send(()).await?;
            ends.lock().await.recv().await;
            assert!(!delivery.claim().is_lost());
            Ok(())
        }
    });
    let other = App::new(store);
    let running = async { assert_eq!(first.deliver(&id).await, 200) };
    let meanwhile = async {
        has_begun.recv().await.unwrap();
        for offset in [3600, -3600, 0] {
            clock.set(offset);
            assert_eq!((other.deliver(&id).await, other.runs(&id)), (503, 0), "{offset}");
        }
        clock.set(3600);
        end.send(()).await.unwrap();
    };
    tokio::join!(running, meanwhile);
    assert_eq!(
        (other.deliver(&id).await, other.runs(&id), first.runs(&id)),
        (200, 0, 1)
    );
}

#[tokio::test]
async fn in_postgres_no_lease_changes() {
    if let Some((clock, url)) = stepping() {
        let store = tower_webhook_sqlx::PostgresStore::connect(&url).await.unwrap();
        no_lease_changes(store, clock).await;
    } else if let Some(server) = crate::postgres::server::Server::shared() {
        run("in_postgres_no_lease_changes", &server.url());
    }
}

#[tokio::test]
async fn in_redis_no_lease_changes() {
    if let Some((clock, url)) = stepping() {
        let store = tower_webhook_redis::RedisStore::connect(&url).await.unwrap();
        no_lease_changes(store, clock).await;
    } else if let Some(server) = crate::redis::server::Server::shared() {
        run("in_redis_no_lease_changes", &server.url());
    }
}

/// What its page says: its clock is the machine's.
#[tokio::test]
async fn in_sqlite_leases_shift_by_as_much() {
    use tower_webhook_sqlx::SqliteStore;

    let Some((clock, path)) = stepping() else {
        let folder = std::env::temp_dir().join(format!("tower-webhook-steps-{:?}", Token::random()));
        fs::create_dir(&folder).unwrap();
        run(
            "in_sqlite_leases_shift_by_as_much",
            folder.join("webhooks.db").to_str().unwrap(),
        );
        fs::remove_dir_all(&folder).unwrap();
        return;
    };
    let store = SqliteStore::open(Path::new(&path)).await.unwrap();
    let claim_request = claim_request_in("dwolla", "event");
    store.claim(&claim_request).await.unwrap();
    // Back: a dead process's claim rests for longer.
    clock.set(-3600);
    let answer = store.claim(&again(&claim_request)).await.unwrap();
    assert!(
        matches!(answer, Claimed::InFlight { remaining } if remaining > HOUR && remaining <= HOUR + LEASE),
        "{answer:?}"
    );
    // Forward: the lease is over at once.
    clock.set(3600);
    let other = again(&claim_request);
    let second = Claimed::Acquired {
        generation: 2,
        attempts: 2,
    };
    assert_eq!(store.claim(&other).await.unwrap(), second);
    assert_eq!(store.renew(&claim_request).await.unwrap(), Effect::NotHeld);
    // Whoever handled it still finishes it, whatever the clock says, and it stays finished.
    assert_eq!(
        store.complete(&claim_request, Completion::Handled).await.unwrap(),
        Effect::Applied
    );
    clock.set(0);
    let done = Claimed::Done(Completion::Handled);
    assert_eq!(store.claim(&again(&claim_request)).await.unwrap(), done);
}
