//! Operations that wait for the file at the same time share a commit.

use std::time::Duration;

use sqlx::SqliteConnection;
use tokio::time::{Instant, sleep};
use tower_webhook::{
    inbox::{Action, Inbox, InboxAdmin, Settlement},
    store::{Claimed, Completion, Deposited, Effect, IdempotencyStore, Replayed, Stage, StoreAdmin, Token},
};
use tower_webhook_sqlx::SqliteStore;

use super::{
    Folder, claim_request,
    inbox::{DAY, deposit, take},
};
use crate::endpoint::key;

/// The commits in the write-ahead log: frames that say how large the file is by then.
fn commits(folder: &Folder) -> usize {
    let log = std::fs::read(folder.file().with_extension("db-wal")).unwrap();
    let number = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().unwrap());
    let (page, salt) = (number(8) as usize, &log[16..24]);
    let frames = log[32..].chunks_exact(24 + page);
    frames
        .filter(|frame| &frame[8..16] == salt && frame[4..8] != [0; 4])
        .count()
}

#[tokio::test]
async fn all_that_waits_for_the_file_shares_one_commit() {
    let folder = Folder::new();
    let store = folder.store().await;
    let mut other = folder.connection().await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let before = commits(&folder);
    let tasks: Vec<_> = (0..16)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let id = number.to_string();
                if number % 2 == 0 {
                    store.deposit(&deposit(&id)).await.unwrap();
                } else {
                    store.claim(&claim_request(&id)).await.unwrap();
                }
            })
        })
        .collect();
    // All of them wait: none has an answer.
    while store.waiting() < 16 {
        assert!(tasks.iter().all(|task| !task.is_finished()));
        tokio::task::yield_now().await;
    }
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    for task in tasks {
        task.await.unwrap();
    }
    let made = commits(&folder) - before;
    assert!(made <= 3, "{made} commits for 16 operations");
}

#[tokio::test]
async fn one_that_cannot_be_written_takes_no_other_with_it() {
    let folder = Folder::new();
    let store = SqliteStore::builder().max_pages(64).open(folder.file()).await.unwrap();
    let mut large = deposit("large");
    large.delivery.body = vec![b'x'; 1024 * 1024].into();
    let small = deposit("small");
    let (large, small) = tokio::join!(store.deposit(&large), store.deposit(&small));
    assert!(large.unwrap_err().to_string().contains("max_page_count"));
    assert_eq!(small.unwrap(), Deposited::Stored);
    assert_eq!(store.backlog("dwolla", 10).await.unwrap().due, 1);
}

/// Holds the file up until `go`: operations that come meanwhile share one commit, all but the
/// first, which is in a transaction already.
struct HeldUp {
    store: SqliteStore,
    other: SqliteConnection,
    count: usize,
}

impl HeldUp {
    async fn new(folder: &Folder, store: &SqliteStore) -> Self {
        let mut other = folder.connection().await;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
        let store = store.clone();
        let mut held_up = Self { store, other, count: 0 };
        let absent = Token::random().to_bytes();
        held_up
            .next(move |store| async move { store.forget(&key(&format!("{absent:?}"))).await })
            .await;
        held_up
    }

    /// Begins an operation after those that wait.
    async fn next<F: Future<Output: Send> + Send + 'static>(
        &mut self,
        operation: impl FnOnce(SqliteStore) -> F,
    ) -> tokio::task::JoinHandle<F::Output> {
        let begun = tokio::spawn(operation(self.store.clone()));
        self.count += 1;
        while self.store.waiting() < self.count {
            tokio::task::yield_now().await;
        }
        begun
    }

    async fn go(mut self) {
        sqlx::query("COMMIT").execute(&mut self.other).await.unwrap();
    }
}

/// Of one event in one commit: each operation sees what those before it have done.
#[tokio::test]
async fn operations_that_share_a_commit_see_each_other() {
    let folder = Folder::new();
    let store = folder.store().await;
    let mut held_up = HeldUp::new(&folder, &store).await;
    let first = held_up
        .next(|store| async move { store.deposit(&deposit("1")).await })
        .await;
    let copy = held_up
        .next(|store| async move { store.deposit(&deposit("1")).await })
        .await;
    let claim = held_up
        .next(|store| async move { store.claim(&claim_request("1")).await })
        .await;
    let complete = held_up
        .next(|store| async move { store.complete(&claim_request("1"), Completion::Handled).await })
        .await;
    let forget = held_up.next(|store| async move { store.forget(&key("1")).await }).await;
    held_up.go().await;
    assert_eq!(first.await.unwrap().unwrap(), Deposited::Stored);
    assert_eq!(copy.await.unwrap().unwrap(), Deposited::Known(Stage::Waiting));
    let claimed = claim.await.unwrap().unwrap();
    assert!(matches!(claimed, Claimed::Acquired { attempts: 1, .. }), "{claimed:?}");
    assert_eq!(complete.await.unwrap().unwrap(), Effect::Applied);
    assert_eq!(forget.await.unwrap().unwrap(), Effect::Applied);
    assert_eq!(store.get(&key("1")).await.unwrap(), None);
    assert!(store.letter(&key("1")).await.unwrap().is_none());
    assert!(take(&store).await.is_empty());
}

/// Its rows were read before those before it changed them.
#[tokio::test]
async fn an_operation_sees_what_a_take_or_a_purge_in_the_same_commit_did() {
    let folder = Folder::new();
    let store = folder.store().await;
    store.deposit(&deposit("1")).await.unwrap();
    let mut held_up = HeldUp::new(&folder, &store).await;
    let taken = held_up.next(|store| async move { take(&store).await }).await;
    let claim = held_up
        .next(|store| async move { store.claim(&claim_request("1")).await })
        .await;
    held_up.go().await;
    let taken = taken.await.unwrap().remove(0);
    let claimed = claim.await.unwrap().unwrap();
    assert!(matches!(claimed, Claimed::InFlight { .. }), "{claimed:?}");

    let settlement = Settlement::new(taken.claim_request, Action::Complete(Completion::Handled));
    store.settle(&[settlement]).await.unwrap();
    store.advance(8 * DAY);
    let mut held_up = HeldUp::new(&folder, &store).await;
    let purge = held_up.next(|store| async move { store.purge(10).await }).await;
    let replay = held_up.next(|store| async move { store.replay(&key("1")).await }).await;
    held_up.go().await;
    assert_eq!(purge.await.unwrap().unwrap(), 1);
    assert_eq!(replay.await.unwrap().unwrap(), Replayed::NoBody);
}

/// More than a transaction keeps back until its end.
#[tokio::test]
async fn large_deliveries_that_share_a_commit_are_all_stored() {
    const MEGABYTE: usize = 1024 * 1024;
    let folder = Folder::new();
    let store = folder.store().await;
    let large = |number: u8| {
        let mut deposit = deposit(&number.to_string());
        deposit.delivery.body = vec![number; MEGABYTE - usize::from(number)].into();
        deposit
    };
    let mut held_up = HeldUp::new(&folder, &store).await;
    let mut tasks = Vec::new();
    for number in 0..5 {
        let large = large(number);
        tasks.push(held_up.next(|store| async move { store.deposit(&large).await }).await);
    }
    held_up.go().await;
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap(), Deposited::Stored);
    }
    let taken = take(&store).await;
    assert_eq!(taken.len(), 5);
    for taken in taken {
        let number = taken.claim_request.key.id().as_str().parse().unwrap();
        assert_eq!(taken.delivery.body, large(number).delivery.body);
    }
}

#[tokio::test]
async fn a_copy_waits_for_no_other_process_that_writes() {
    let folder = Folder::new();
    let store = folder.store().await;
    store.deposit(&deposit("stored")).await.unwrap();
    store.claim(&claim_request("done")).await.unwrap();
    store
        .complete(&claim_request("done"), Completion::Handled)
        .await
        .unwrap();
    let mut other = folder.connection().await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    // One comes while something waits for the other process,
    let held_up = tokio::spawn({
        let store = store.clone();
        async move { store.forget(&key("absent")).await }
    });
    while store.waiting() < 1 {
        tokio::task::yield_now().await;
    }
    let again = claim_request("done").with_token(Token::random());
    assert_eq!(store.claim(&again).await.unwrap(), Claimed::Done(Completion::Handled));
    assert!(!held_up.is_finished());
    sqlx::query("COMMIT").execute(&mut other).await.unwrap();
    held_up.await.unwrap().unwrap();

    // and one together with what meets it first.
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let (new, copy) = (deposit("new"), deposit("stored"));
    let (new, copy) = tokio::join!(store.deposit(&new), async {
        let known = store.deposit(&copy).await;
        sqlx::query("COMMIT").execute(&mut other).await.unwrap();
        known
    });
    assert_eq!(copy.unwrap(), Deposited::Known(Stage::Waiting));
    assert_eq!(new.unwrap(), Deposited::Stored);
}

/// It has nothing to write.
#[tokio::test]
async fn a_copy_is_known_where_nothing_can_be_written() {
    let folder = Folder::new();
    folder.store().await.deposit(&deposit("stored")).await.unwrap();
    let store = folder.store().await;
    let mut other = folder.connection().await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let (new, copy) = (deposit("new"), deposit("stored"));
    let (new, copy) = tokio::join!(store.deposit(&new), store.deposit(&copy));
    assert_eq!(copy.unwrap(), Deposited::Known(Stage::Waiting));
    assert!(
        new.unwrap_err()
            .to_string()
            .contains("another connection has been writing")
    );
}

/// Its own time is the store's for a file that is busy (1.5 s).
#[tokio::test(start_paused = true)]
async fn who_comes_to_a_busy_file_late_waits_for_its_own_time() {
    let folder = Folder::new();
    let store = folder.store().await;
    let mut other = folder.connection().await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let begin = |id| {
        let store = store.clone();
        tokio::spawn(async move { store.deposit(&deposit(id)).await })
    };
    let began = Instant::now();
    let early = begin("early");
    while began.elapsed() < Duration::from_millis(1400) {
        sleep(Duration::from_millis(10)).await;
    }
    let late = begin("late");
    early.await.unwrap().unwrap_err();
    sqlx::query("COMMIT").execute(&mut other).await.unwrap();
    assert_eq!(late.await.unwrap().unwrap(), Deposited::Stored);
}
