//! Deposits, and the workers that may run them.

use super::*;

pub async fn a_deposit_is_taken_as_it_was_stored<H: StoreHarness>(harness: Arc<H>)
where
    H::Store: Inbox + InboxAdmin,
{
    let inbox = View::new(harness);
    inbox.deposit_new("1").await;
    let request = inbox.ask(10);
    let taken = inbox.take(&request).await;
    assert_eq!(taken.len(), 1);
    let taken = &taken[0];
    assert_eq!(taken.delivery, delivery("1"));
    assert_eq!((taken.generation, taken.attempts, taken.crashes), (1, 1, 0));
    let held = &taken.claim_request;
    let deposit = inbox.parcel("1");
    assert_eq!((&held.key, held.fingerprint), (&deposit.key, deposit.fingerprint));
    assert_eq!(
        (held.token, held.lease, held.retention),
        (request.token, LEASE, RETENTION)
    );
    let record = inbox.record("1").await.expect("a record");
    assert!(matches!(record.state, State::Claimed { token, generation: 1, attempts: 1, .. } if token == request.token));
    // nobody else gets it
    assert!(inbox.nothing_is_due().await);
}

pub async fn a_copy_is_known_in_every_stage_and_changes_nothing<H: StoreHarness>(harness: Arc<H>)
where
    H::Store: Inbox + InboxAdmin,
{
    let inbox = View::new(harness);
    for stage in STAGES {
        inbox.event(stage.as_str(), stage).await;
        let before = inbox.record(stage.as_str()).await;
        assert_eq!(inbox.deposit(stage.as_str()).await, Deposited::Known(stage));
        assert_eq!(inbox.record(stage.as_str()).await, before, "{stage}");
    }
}

pub async fn other_facts_under_a_stored_id_are_a_conflict_and_change_nothing<H: StoreHarness>(harness: Arc<H>)
where
    H::Store: Inbox + InboxAdmin,
{
    let inbox = View::new(harness);
    for stage in STAGES {
        let id = stage.as_str();
        inbox.event(id, stage).await;
        let before = inbox.record(id).await;
        let mut other = inbox.parcel(id);
        other.fingerprint = Fingerprint::of(["another event"]);
        other.delivery = delivery("another");
        let deposited = inbox.store().deposit(&other).await.expect("deposit succeeds");
        assert_eq!(deposited, Deposited::Conflict, "{stage}");
        let claim = inbox.request(id).with_fingerprint(other.fingerprint);
        assert_eq!(inbox.case.claim(&claim).await, Claimed::Conflict, "{stage}");
        assert_eq!(inbox.record(id).await, before, "{stage}");
        let letter = inbox.store().letter(&other.key).await.expect("letter succeeds");
        assert_eq!(letter.expect("a letter").delivery, delivery(id), "{stage}");
    }
}

pub async fn a_deposit_waits_for_a_run_without_a_body_and_adopts_what_it_left<H: StoreHarness>(harness: Arc<H>)
where
    H::Store: Inbox + InboxAdmin,
{
    let inbox = View::new(harness);
    // it runs in a layer that handles before it responds
    let running = inbox.request("running");
    inbox.case.acquire(&running).await;
    let deposited = inbox.deposit("running").await;
    assert!(
        matches!(deposited, Deposited::InFlight { remaining } if remaining <= LEASE + AFTER && remaining + BEFORE >= LEASE),
        "{deposited:?}"
    );
    // its lease ends
    inbox.case.advance(LEASE).await;
    inbox.deposit_new("running").await;
    let taken = inbox.take_one().await;
    assert_eq!((taken.generation, taken.attempts), (2, 1));
    // and a late success of the first run is one
    assert_eq!(
        inbox.case.complete(&running, Completion::Handled).await,
        Effect::Applied
    );

    let released = inbox.request("released");
    inbox.case.acquire(&released).await;
    inbox.case.release(&released).await;
    inbox.deposit_new("released").await;
    let taken = inbox.take_one().await;
    assert_eq!((taken.generation, taken.attempts), (2, 1));

    let done = inbox.request("done");
    inbox.case.acquire(&done).await;
    inbox.case.complete(&done, Completion::Handled).await;
    assert_eq!(inbox.deposit("done").await, Deposited::Known(Stage::Done));
    assert!(inbox.nothing_is_due().await);
}

pub async fn a_layer_that_handles_before_its_response_runs_a_stored_event_early<H: StoreHarness>(harness: Arc<H>)
where
    H::Store: Inbox + InboxAdmin,
{
    let inbox = View::new(harness);
    inbox.deposit_new("1").await;
    let early = inbox.request("1");
    assert_eq!(inbox.case.claim(&early).await, acquired(1, 1));
    assert!(inbox.nothing_is_due().await);
    // released, it is the worker's again, at once
    assert_eq!(inbox.case.release(&early).await, Effect::Applied);
    let taken = inbox.take_one().await;
    assert_eq!((taken.attempts, taken.crashes), (2, 0));
    let running = inbox.case.claim(&inbox.request("1")).await;
    assert!(matches!(running, Claimed::InFlight { .. }), "{running:?}");
    inbox.end(&taken, Action::Complete(Completion::Handled)).await;
    let done = inbox.case.claim(&inbox.request("1")).await;
    assert_eq!(done, Claimed::Done(Completion::Handled));

    inbox.event("dead", Stage::Dead).await;
    assert_eq!(inbox.case.claim(&inbox.request("dead")).await, Claimed::Dead);
}

pub async fn deliveries_are_taken_in_the_order_they_are_due<H: StoreHarness>(harness: Arc<H>)
where
    H::Store: Inbox + InboxAdmin,
{
    let inbox = View::new(harness);
    for id in ["a", "b", "c", "d"] {
        inbox.deposit_new(id).await;
        inbox.case.advance(AFTER).await;
    }
    let first = inbox.take(&inbox.ask(1)).await;
    assert_eq!(ids(&first), ["a"]);
    assert_eq!(
        inbox.end(&first[0], put_back(Duration::from_secs(10))).await,
        Effect::Applied
    );
    assert_eq!(ids(&inbox.take(&inbox.ask(2)).await), ["b", "c"]);
    inbox.case.advance(Duration::from_secs(10)).await;
    assert_eq!(ids(&inbox.take(&inbox.ask(10)).await), ["d", "a"]);
    assert!(inbox.take(&inbox.ask(0)).await.is_empty());
}

pub async fn a_delivery_that_is_put_back_is_due_after_its_pause<H: StoreHarness>(harness: Arc<H>)
where
    H::Store: Inbox + InboxAdmin,
{
    let inbox = View::new(harness);
    inbox.deposit_new("1").await;
    let taken = inbox.take_one().await;
    assert_eq!(inbox.end(&taken, put_back(MINUTE)).await, Effect::Applied);
    assert_eq!(inbox.end(&taken, put_back(MINUTE)).await, Effect::NotHeld);
    inbox.case.advance(MINUTE - BEFORE).await;
    assert!(inbox.nothing_is_due().await);
    inbox.case.advance(BEFORE).await;
    let taken = inbox.take_one().await;
    assert_eq!((taken.generation, taken.attempts, taken.crashes), (2, 2, 0));
    // a run that a drain has cut is no attempt
    let uncounted = Action::PutBack {
        after: Duration::ZERO,
        is_counted: false,
    };
    assert_eq!(inbox.end(&taken, uncounted).await, Effect::Applied);
    let taken = inbox.take_one().await;
    assert_eq!((taken.generation, taken.attempts), (3, 2));
}

pub async fn a_worker_that_dies_leaves_a_suspect<H: StoreHarness>(harness: Arc<H>)
where
    H::Store: Inbox + InboxAdmin,
{
    let inbox = View::new(harness);
    inbox.deposit_new("poison").await;
    drop(inbox.take_one().await);
    inbox.deposit_new("harmless").await;
    inbox.case.advance(LEASE).await;
    // apart from the others
    let harmless = inbox.take_one().await;
    assert_eq!(harmless.claim_request.key.id().as_str(), "harmless");
    inbox.end(&harmless, Action::Complete(Completion::Handled)).await;
    let suspects = inbox.take(&inbox.ask(10).for_suspects()).await;
    assert_eq!(ids(&suspects), ["poison"]);
    assert_eq!((suspects[0].attempts, suspects[0].crashes), (2, 1));
    inbox.case.advance(LEASE).await;
    let again = inbox.take(&inbox.ask(10).for_suspects()).await;
    assert_eq!(ids(&again), ["poison"]);
    assert_eq!((again[0].attempts, again[0].crashes), (3, 2));
    // the holder that was thought dead has lost it
    assert_eq!(inbox.end(&suspects[0], put_back(MINUTE)).await, Effect::NotHeld);
    // one that ends by itself, well or badly, is no suspect any more
    assert_eq!(inbox.end(&again[0], put_back(Duration::ZERO)).await, Effect::Applied);
    let taken = inbox.take_one().await;
    assert_eq!((taken.attempts, taken.crashes), (4, 0));
}

pub async fn a_renewed_lease_keeps_a_delivery_from_others<H: StoreHarness>(harness: Arc<H>)
where
    H::Store: Inbox + InboxAdmin,
{
    let inbox = View::new(harness);
    inbox.deposit_new("1").await;
    let taken = inbox.take_one().await;
    for _ in 0..3 {
        inbox.case.advance(LEASE - BEFORE).await;
        assert_eq!(inbox.case.renew(&taken.claim_request).await, Effect::Applied);
        assert!(inbox.nothing_is_due().await);
    }
    inbox.case.advance(LEASE).await;
    let suspects = inbox.take(&inbox.ask(1).for_suspects()).await;
    assert_eq!(ids(&suspects), ["1"]);
    assert_eq!(inbox.case.renew(&taken.claim_request).await, Effect::NotHeld);
}

pub async fn one_event_is_taken_by_its_id<H: StoreHarness>(harness: Arc<H>)
where
    H::Store: Inbox + InboxAdmin,
{
    let inbox = View::new(harness);
    for id in ["a", "b", "c"] {
        inbox.deposit_new(id).await;
    }
    let b = inbox.request("b").key.id().clone();
    assert_eq!(ids(&inbox.take(&inbox.ask(10).for_event(b.clone())).await), ["b"]);
    assert!(inbox.take(&inbox.ask(10).for_event(b.clone())).await.is_empty());
    // also as a suspect
    inbox.case.advance(LEASE).await;
    assert_eq!(ids(&inbox.take(&inbox.ask(10).for_event(b)).await), ["b"]);
    assert_eq!(inbox.take(&inbox.ask(10)).await.len(), 2);
}

pub async fn settlements_of_one_call_get_their_effects_in_order<H: StoreHarness>(harness: Arc<H>)
where
    H::Store: Inbox + InboxAdmin,
{
    let inbox = View::new(harness);
    let names: Vec<String> = (0..40).map(|number| format!("event {number:02}")).collect();
    for id in &names {
        inbox.deposit_new(id).await;
    }
    let taken = inbox.take(&inbox.ask(40)).await;
    assert_eq!(taken.len(), 40);
    let stranger = inbox.request("event 00");
    let mut settlements = vec![Settlement::new(stranger, Action::Bury)];
    for (number, taken) in taken.iter().enumerate() {
        let end = match number % 4 {
            0 => Action::Complete(Completion::Handled),
            1 => Action::Complete(Completion::Rejected),
            2 => put_back(MINUTE),
            _ => Action::Bury,
        };
        settlements.push(Settlement::new(taken.claim_request.clone(), end));
    }
    let mut expected = vec![Effect::Applied; 41];
    expected[0] = Effect::NotHeld;
    assert_eq!(inbox.settle(&settlements).await, expected);
    for (number, taken) in taken.iter().enumerate() {
        let stage = inbox.stage(taken.claim_request.key.id().as_str()).await;
        let expected = [Stage::Done, Stage::Done, Stage::Waiting, Stage::Dead][number % 4];
        assert_eq!(stage, Some(expected), "{number}");
    }
    assert_eq!(inbox.settle(&[]).await, []);
}

pub async fn a_success_that_comes_late_counts<H: StoreHarness>(harness: Arc<H>)
where
    H::Store: Inbox + InboxAdmin,
{
    let inbox = View::new(harness);
    inbox.deposit_new("1").await;
    let taken = inbox.take_one().await;
    inbox.case.advance(LEASE).await;
    let other = inbox.take(&inbox.ask(1).for_suspects()).await.remove(0);
    inbox.end(&other, Action::Bury).await;
    assert_eq!(inbox.stage("1").await, Some(Stage::Dead));
    assert_eq!(
        inbox.end(&taken, Action::Complete(Completion::Rejected)).await,
        Effect::NotHeld
    );
    assert_eq!(
        inbox.end(&taken, Action::Complete(Completion::Handled)).await,
        Effect::Applied
    );
    assert_eq!(inbox.stage("1").await, Some(Stage::Done));
}
