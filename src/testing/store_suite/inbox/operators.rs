//! An operator's calls, and what they leave.

use super::*;

pub async fn a_replay_is_due_now_with_no_attempts<H: StoreHarness>(harness: Arc<H>)
where
    H::Store: Inbox + InboxAdmin,
{
    let inbox = View::new(harness);
    for stage in [Stage::Done, Stage::Dead] {
        let id = stage.as_str();
        inbox.event(id, stage).await;
        let key = inbox.request(id).key;
        assert_eq!(
            inbox.store().replay(&key).await.expect("replay succeeds"),
            Replayed::Applied
        );
        let taken = inbox.take_one().await;
        assert_eq!((taken.generation, taken.attempts, taken.crashes), (2, 1, 0), "{stage}");
        assert_eq!(taken.delivery, delivery(id));
        // it runs
        assert_eq!(
            inbox.store().replay(&key).await.expect("replay succeeds"),
            Replayed::Running
        );
        // one that waits for its next attempt comes at once
        inbox.end(&taken, put_back(100 * MINUTE)).await;
        assert_eq!(
            inbox.store().replay(&key).await.expect("replay succeeds"),
            Replayed::Applied
        );
        let taken = inbox.take_one().await;
        assert_eq!((taken.generation, taken.attempts), (3, 1));
        inbox.end(&taken, Action::Bury).await;
    }
    let unknown = inbox.request("unknown").key;
    assert_eq!(
        inbox.store().replay(&unknown).await.expect("replay succeeds"),
        Replayed::Unknown
    );
    let bare = inbox.request("bare");
    inbox.case.acquire(&bare).await;
    inbox.case.complete(&bare, Completion::Handled).await;
    assert_eq!(
        inbox.store().replay(&bare.key).await.expect("replay succeeds"),
        Replayed::NoBody
    );
}

pub async fn a_delivery_whose_process_died_is_replayed<H: StoreHarness>(harness: Arc<H>)
where
    H::Store: Inbox + InboxAdmin,
{
    let inbox = View::new(harness);
    inbox.deposit_new("1").await;
    let lost = inbox.take_one().await;
    inbox.case.advance(lost.claim_request.lease).await;
    let key = inbox.request("1").key;
    let replayed = inbox.store().replay(&key).await.expect("replay succeeds");
    assert_eq!(replayed, Replayed::Applied);
    // It is no suspect any more, and who held it holds it no longer.
    assert_eq!(inbox.case.renew(&lost.claim_request).await, Effect::NotHeld);
    let taken = inbox.take_one().await;
    assert_eq!((taken.generation, taken.attempts, taken.crashes), (2, 1, 0));
}

pub async fn many_are_replayed_over_a_time<H: StoreHarness>(harness: Arc<H>)
where
    H::Store: Inbox + InboxAdmin,
{
    let inbox = View::new(harness);
    for number in 0..10 {
        inbox.event(&format!("dead {number}"), Stage::Dead).await;
    }
    inbox.event("done", Stage::Done).await;
    let dead = Filter::new(&*inbox.namespace).stage(Stage::Dead);
    let replayed = inbox.store().replay_all(&dead, 10 * MINUTE).await;
    assert_eq!(replayed.expect("replay_all succeeds"), 10);
    assert_eq!(inbox.take(&inbox.ask(20)).await.len(), 1);
    inbox.case.advance(5 * MINUTE).await;
    let half = inbox.take(&inbox.ask(20)).await.len();
    assert!((4..=6).contains(&half), "{half}");
    inbox.case.advance(5 * MINUTE).await;
    assert_eq!(1 + half + inbox.take(&inbox.ask(20)).await.len(), 10);
    let none = inbox.store().replay_all(&dead, MINUTE).await;
    assert_eq!(none.expect("replay_all succeeds"), 0);
}

pub async fn an_operator_buries_what_is_unfinished<H: StoreHarness>(harness: Arc<H>)
where
    H::Store: Inbox + InboxAdmin,
{
    let inbox = View::new(harness);
    for stage in STAGES {
        let id = stage.as_str();
        inbox.event(id, stage).await;
        let key = inbox.request(id).key;
        let effect = inbox
            .store()
            .bury(&key, "refunded by hand")
            .await
            .expect("bury succeeds");
        let expected = if stage == Stage::Waiting || stage == Stage::Running {
            Effect::Applied
        } else {
            Effect::NotHeld
        };
        assert_eq!(effect, expected, "{stage}");
        if expected == Effect::Applied {
            assert_eq!(inbox.stage(id).await, Some(Stage::Dead));
            let letter = inbox
                .store()
                .letter(&key)
                .await
                .expect("letter succeeds")
                .expect("a letter");
            let last = &letter.history.last().expect("a reason").attempt;
            assert_eq!(
                (last.error.as_str(), last.worker.as_str()),
                ("refunded by hand", "operator")
            );
        }
    }
    let unknown = inbox.request("unknown").key;
    let effect = inbox.store().bury(&unknown, "?").await.expect("bury succeeds");
    assert_eq!(effect, Effect::NotHeld);
}

pub async fn a_letter_has_body_headers_and_why_each_attempt_failed<H: StoreHarness>(harness: Arc<H>)
where
    H::Store: Inbox + InboxAdmin,
{
    let inbox = View::new(harness);
    let key = inbox.request("1").key;
    assert_eq!(inbox.store().letter(&key).await.expect("letter succeeds"), None);
    inbox.deposit_new("1").await;
    for number in 1..=3 {
        let taken = inbox.take_one().await;
        let attempt = Attempt::new(number, "failed", format!("reason {number}"), "worker 1");
        let settlement = Settlement::new(taken.claim_request.clone(), put_back(MINUTE)).with_attempt(attempt);
        assert_eq!(inbox.settle(std::slice::from_ref(&settlement)).await, [Effect::Applied]);
        // settled again by a worker that did not get the response
        assert_eq!(inbox.settle(&[settlement]).await, [Effect::NotHeld]);
        inbox.case.advance(MINUTE).await;
    }
    let letter = inbox
        .store()
        .letter(&key)
        .await
        .expect("letter succeeds")
        .expect("a letter");
    assert_eq!(letter.delivery, delivery("1"));
    assert_eq!(letter.entry.key, key);
    assert_eq!((letter.entry.stage, letter.entry.attempts), (Stage::Waiting, 3));
    let reasons: Vec<&str> = letter.history.iter().map(|past| past.attempt.error.as_str()).collect();
    assert_eq!(reasons, ["reason 1", "reason 2", "reason 3"]);
    let first = &letter.history[0];
    assert_eq!((first.attempt.number, first.attempt.outcome.as_str()), (1, "failed"));
    assert!(is_apart(letter.history[2].ended_at, first.ended_at, 2 * MINUTE));
    assert!(is_apart(first.ended_at, letter.entry.received_at, Duration::ZERO));
    let shown = format!("{letter:?}");
    assert!(!shown.contains("x-a") && !shown.contains("\\\"id\\\""), "{shown}");
}

pub async fn what_is_unfinished_or_dead_never_expires<H: StoreHarness>(harness: Arc<H>)
where
    H::Store: Inbox + InboxAdmin,
{
    let inbox = View::new(harness);
    inbox.event("dead", Stage::Dead).await;
    inbox.event("running", Stage::Running).await;
    inbox.event("done", Stage::Done).await;
    inbox.event("waiting", Stage::Waiting).await;
    inbox.case.advance(10 * RETENTION).await;
    while inbox.store().purge(100).await.expect("purge succeeds") > 0 {}
    assert_eq!(inbox.stage("dead").await, Some(Stage::Dead));
    assert_eq!(inbox.stage("running").await, Some(Stage::Running));
    assert_eq!(inbox.stage("waiting").await, Some(Stage::Waiting));
    assert_eq!(inbox.stage("done").await, None);
    let gone = inbox
        .store()
        .letter(&inbox.request("done").key)
        .await
        .expect("letter succeeds");
    assert_eq!(gone, None);
    assert_eq!(inbox.take_one().await.delivery, delivery("waiting"));
    // its id may come again, as another event
    inbox.deposit_new("done").await;
}

pub async fn a_backlog_says_what_waits<H: StoreHarness>(harness: Arc<H>)
where
    H::Store: Inbox + InboxAdmin,
{
    let inbox = View::new(harness);
    let backlog = async |up_to| {
        let namespace = &inbox.namespace;
        inbox.store().backlog(namespace, up_to).await.expect("backlog succeeds")
    };
    let empty = backlog(100).await;
    assert_eq!((empty.unfinished(), empty.dead, empty.oldest_due), (0, 0, None));
    inbox.event("done", Stage::Done).await;
    inbox.event("dead", Stage::Dead).await;
    inbox.event("running", Stage::Running).await;
    inbox.deposit_new("scheduled").await;
    let taken = inbox.take_one().await;
    inbox.end(&taken, put_back(100 * MINUTE)).await;
    for number in 0..5 {
        inbox.deposit_new(&format!("due {number}")).await;
    }
    inbox.case.advance(Duration::from_secs(30)).await;
    let full = backlog(100).await;
    assert_eq!((full.due, full.scheduled, full.running, full.dead), (5, 1, 1, 1));
    let oldest = full.oldest_due.expect("something is due");
    assert!(
        (Duration::from_secs(29)..Duration::from_secs(40)).contains(&oldest),
        "{oldest:?}"
    );
    assert_eq!(backlog(3).await.due, 3);
    let counts = inbox.store().count(&inbox.namespace).await.expect("count succeeds");
    assert_eq!((counts.claimed, counts.free, counts.done, counts.dead), (1, 6, 1, 1));
}

pub async fn forget_takes_the_body_along<H: StoreHarness>(harness: Arc<H>)
where
    H::Store: Inbox + InboxAdmin,
{
    let inbox = View::new(harness);
    for stage in STAGES {
        let id = stage.as_str();
        inbox.event(id, stage).await;
        let request = inbox.request(id);
        assert_eq!(inbox.case.forget(&request).await, Effect::Applied);
        assert_eq!(inbox.store().letter(&request.key).await.expect("letter succeeds"), None);
        assert!(inbox.nothing_is_due().await);
        inbox.deposit_new(id).await;
        let taken = inbox.take_one().await;
        assert_eq!((taken.generation, taken.attempts), (1, 1));
        inbox.end(&taken, Action::Complete(Completion::Handled)).await;
    }
}

pub async fn many_workers_take_each_delivery_once<H: StoreHarness>(harness: Arc<H>)
where
    H::Store: Inbox + InboxAdmin,
{
    const EVENTS: usize = 200;
    const DEPOSITORS: usize = 16;
    let inbox = Arc::new(View::new(harness));
    // Deposited at once, each by several. Not all in one moment: a store may refuse whoever waits
    // too long for its turn.
    let deposits = (0..DEPOSITORS).map(|depositor| {
        let inbox = Arc::clone(&inbox);
        tokio::spawn(async move {
            let mut stored = 0;
            for number in (depositor..EVENTS * 3).step_by(DEPOSITORS) {
                let deposited = inbox.deposit(&format!("event {}", number / 3)).await;
                stored += usize::from(deposited == Deposited::Stored);
            }
            stored
        })
    });
    let mut stored = 0;
    for deposit in deposits.collect::<Vec<_>>() {
        stored += deposit.await.expect("deposit succeeds");
    }
    assert_eq!(stored, EVENTS);
    let workers = (0..8).map(|_| {
        let inbox = Arc::clone(&inbox);
        tokio::spawn(async move {
            let mut mine = Vec::new();
            loop {
                let taken = inbox.take(&inbox.ask(7)).await;
                if taken.is_empty() {
                    return mine;
                }
                for taken in &taken {
                    let done = inbox.end(taken, Action::Complete(Completion::Handled)).await;
                    assert_eq!(done, Effect::Applied);
                }
                mine.extend(taken.iter().map(|taken| taken.claim_request.key.id().to_string()));
            }
        })
    });
    let mut all = Vec::new();
    for worker in workers.collect::<Vec<_>>() {
        all.extend(worker.await.expect("a worker ends"));
    }
    // A store may skip what others hold, so a worker may have seen nothing too early.
    for taken in inbox.take(&inbox.ask(EVENTS)).await {
        all.push(taken.claim_request.key.id().to_string());
    }
    let distinct: BTreeSet<&String> = all.iter().collect();
    assert_eq!((all.len(), distinct.len()), (EVENTS, EVENTS));
}

pub async fn what_is_new_is_noticed<H: StoreHarness>(harness: Arc<H>)
where
    H::Store: Inbox + InboxAdmin,
{
    let inbox = View::new(harness);
    let changed = inbox.store().changed();
    inbox.deposit_new("1").await;
    // before it was polled for the first time
    tokio::time::timeout(Duration::from_secs(30), changed)
        .await
        .expect("a deposit wakes who waits");
}

pub async fn what_a_dead_process_held_is_due_when_its_lease_is_over<H: StoreHarness>(harness: Arc<H>)
where
    H::Store: Inbox + InboxAdmin,
{
    let inbox = View::new(harness);
    let oldest = async || {
        let backlog = inbox.store().backlog(&inbox.namespace, 10).await;
        backlog.expect("backlog succeeds").oldest_due
    };
    inbox.event("running", Stage::Running).await;
    assert_eq!(oldest().await, None);
    inbox.case.advance(LEASE + 5 * MINUTE).await;
    let age = oldest().await.expect("its lease is over");
    assert!((4 * MINUTE..6 * MINUTE).contains(&age), "{age:?}");
}
