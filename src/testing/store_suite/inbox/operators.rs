//! What an operator asks for, and what stays.

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

pub async fn a_list_shows_the_finished_until_they_expire_and_without_attempts<H: StoreHarness>(harness: Arc<H>)
where
    H::Store: Inbox + InboxAdmin,
{
    let inbox = View::new(harness);
    inbox.event("done", Stage::Done).await;
    inbox.event("dead", Stage::Dead).await;
    let all = Filter::new(&*inbox.namespace);
    let listed = async || {
        let page = inbox.store().list(&all, None, 10).await.expect("list responds");
        let entries = page.entries.into_iter();
        let mut found: Vec<_> = entries.map(|entry| (entry.stage, entry.attempts)).collect();
        found.sort_unstable();
        found
    };
    assert_eq!(listed().await, [(Stage::Done, 0), (Stage::Dead, 1)]);
    inbox.case.advance(RETENTION + AFTER).await;
    assert_eq!(listed().await, [(Stage::Dead, 1)]);
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

pub async fn deliveries_are_listed_by_stage_topic_and_time_a_page_at_a_time<H: StoreHarness>(harness: Arc<H>)
where
    H::Store: Inbox + InboxAdmin,
{
    let inbox = View::new(harness);
    for stage in STAGES {
        inbox.event(stage.as_str(), stage).await;
        inbox.case.advance(10 * AFTER).await;
    }
    let mut other = inbox.parcel("other topic");
    other.delivery.topic = "transfer_completed".to_owned();
    assert_eq!(
        inbox.store().deposit(&other).await.expect("deposit succeeds"),
        Deposited::Stored
    );

    let all = Filter::new(&*inbox.namespace);
    let list = async |filter: &Filter, limit| {
        let mut found: Vec<(String, SystemTime)> = Vec::new();
        let mut after = None;
        loop {
            let page = inbox
                .store()
                .list(filter, after.as_ref(), limit)
                .await
                .expect("list succeeds");
            assert!(page.entries.len() <= limit);
            found.extend(
                page.entries
                    .iter()
                    .map(|entry| (entry.key.id().to_string(), entry.received_at)),
            );
            after = page.next;
            if after.is_none() {
                return found;
            }
        }
    };
    let names = |found: &[(String, SystemTime)]| found.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>();
    let every = list(&all, 10).await;
    assert_eq!(names(&every), ["waiting", "running", "done", "dead", "other topic"]);
    assert_eq!(list(&all, 2).await, every);
    assert_eq!(list(&all, 5).await, every);
    for stage in STAGES {
        let found = list(&all.clone().stage(stage), 10).await;
        assert!(names(&found).contains(&stage.as_str().to_owned()), "{stage}: {found:?}");
    }
    let found = list(&all.clone().topic("transfer_completed"), 10).await;
    assert_eq!(names(&found), ["other topic"]);
    let found = list(&all.clone().since(every[1].1).before(every[3].1), 10).await;
    assert_eq!(names(&found), ["running", "done"]);
    assert_eq!(list(&Filter::new("nobody's namespace"), 10).await, []);
}

pub async fn an_operators_filter_means_one_tenants_events_and_no_others<H: StoreHarness>(harness: Arc<H>)
where
    H::Store: Inbox + InboxAdmin,
{
    let inbox = View::new(harness);
    let tenant = |name| Tenant::new(name).expect("a name");
    let id = |of: &Tenant, id: &str| of.id_of(&EventId::new(id).expect("an id"));
    // Names that are beginnings of others, another's in capitals, and what a pattern would expand.
    let (acme, percent) = (tenant("acme"), tenant("a%"));
    let others = [
        id(&tenant("acme2"), "1"),
        id(&tenant("acm"), "e/1"),
        id(&tenant("ACME"), "1"),
        id(&tenant("acm_"), "1"),
        id(&percent, "1"),
        EventId::new("acme").expect("an id"),
    ];
    let long = "1".repeat(255);
    let own = [id(&acme, "1"), id(&acme, "2"), id(&acme, &long), id(&acme, "/1")];
    for id in others.iter().chain(&own) {
        inbox.event(id.as_str(), Stage::Dead).await;
    }
    let of = |tenant: &Tenant| Filter::new(&*inbox.namespace).tenant(tenant.clone());
    let listed = async |filter: &Filter, limit| {
        let (mut ids, mut after) = (Vec::new(), None);
        loop {
            let page = inbox.store().list(filter, after.as_ref(), limit).await;
            let page = page.expect("list succeeds");
            ids.extend(page.entries.iter().map(|entry| entry.key.id().clone()));
            after = page.next;
            if after.is_none() {
                return ids.into_iter().collect::<BTreeSet<_>>();
            }
        }
    };
    for limit in [2, 20] {
        assert_eq!(listed(&of(&acme), limit).await, own.iter().cloned().collect());
        assert_eq!(listed(&of(&percent), limit).await, BTreeSet::from([id(&percent, "1")]));
        assert_eq!(listed(&of(&tenant("nobody")), limit).await, BTreeSet::new());
    }
    let dead = of(&acme).stage(Stage::Dead);
    let replayed = inbox.store().replay_all(&dead, Duration::ZERO).await;
    assert_eq!(replayed.expect("replay_all succeeds"), own.len() as u64);
    for id in &others {
        assert_eq!(inbox.stage(id.as_str()).await, Some(Stage::Dead), "{id}");
    }
    for id in &own {
        assert_eq!(inbox.stage(id.as_str()).await, Some(Stage::Waiting), "{id}");
    }
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
