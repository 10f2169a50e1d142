//! One function for each promise; [`store_suite!`](crate::store_suite) makes tests of them.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "these are the bodies of tests"
)]

use std::{sync::Arc, time::Duration};

use tokio::sync::Barrier;

use super::{
    StoreHarness,
    case::{AFTER, BEFORE, Case, LEASE, RETENTION, Situation, acquired, is_apart, is_done, is_in_flight},
    model::{check, random_steps},
};
use crate::{
    event::Fingerprint,
    store::{Claimed, Completion, Effect, State, Ticket, Token},
};

// --- claim

pub async fn the_first_claim_of_an_event_is_its_first_attempt<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let ticket = case.ticket("event");
    assert_eq!(case.claim(&ticket).await, acquired(1, 1));
}

pub async fn a_second_claim_is_told_how_long_the_lease_still_runs<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let first = case.event(Situation::Claimed).await;
    let answer = case.claim(&case.again(&first)).await;
    assert!(is_in_flight(answer, LEASE), "{answer:?}");

    case.advance(Duration::from_secs(45)).await;
    let answer = case.claim(&case.again(&first)).await;
    assert!(is_in_flight(answer, Duration::from_secs(15)), "{answer:?}");
}

pub async fn a_lease_holds_until_its_end<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let first = case.event(Situation::Claimed).await;
    case.advance(LEASE - BEFORE).await;
    let answer = case.claim(&case.again(&first)).await;
    assert!(is_in_flight(answer, BEFORE), "{answer:?}");
}

pub async fn at_the_end_of_a_lease_another_claims_as_the_next_attempt<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let first = case.event(Situation::Claimed).await;
    case.advance(LEASE).await;
    assert_eq!(case.claim(&case.again(&first)).await, acquired(2, 2));
    let answer = case.claim(&case.again(&first)).await;
    assert!(is_in_flight(answer, LEASE), "{answer:?}");
}

pub async fn the_same_token_claims_again_without_a_new_attempt<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let ticket = case.event(Situation::Claimed).await;
    case.advance(Duration::from_secs(40)).await;
    assert_eq!(case.claim(&ticket).await, acquired(1, 1));
    // and its lease starts anew
    case.advance(Duration::from_secs(40)).await;
    let answer = case.claim(&case.again(&ticket)).await;
    assert!(is_in_flight(answer, Duration::from_secs(20)), "{answer:?}");
}

pub async fn the_same_token_claims_again_after_its_lease_if_nobody_took_it<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let ticket = case.event(Situation::LeaseOver).await;
    assert_eq!(case.claim(&ticket).await, acquired(1, 1));
    let answer = case.claim(&case.again(&ticket)).await;
    assert!(is_in_flight(answer, LEASE), "{answer:?}");
}

pub async fn a_token_that_lost_its_claim_waits_like_any_other<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let first = case.event(Situation::LeaseOver).await;
    case.acquire(&case.again(&first)).await;
    let answer = case.claim(&first).await;
    assert!(is_in_flight(answer, LEASE), "{answer:?}");
    case.advance(LEASE).await;
    assert_eq!(case.claim(&first).await, acquired(3, 3));
}

pub async fn a_released_event_is_claimed_as_the_next_attempt<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let first = case.event(Situation::Free).await;
    assert_eq!(case.claim(&case.again(&first)).await, acquired(2, 2));
}

pub async fn a_token_that_released_its_claim_counts_as_a_new_attempt<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let ticket = case.event(Situation::Free).await;
    assert_eq!(case.claim(&ticket).await, acquired(2, 2));
}

pub async fn attempts_and_generations_add_up_over_releases_and_lost_leases<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let ticket = case.ticket("event");
    for attempt in 1..=8 {
        let ticket = case.again(&ticket);
        assert_eq!(case.claim(&ticket).await, acquired(u64::from(attempt), attempt));
        if attempt % 2 == 0 {
            case.advance(LEASE).await;
        } else {
            assert_eq!(case.release(&ticket).await, Effect::Applied);
        }
    }
}

pub async fn a_claim_of_a_finished_event_says_how_it_was_finished<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let handled = case.event(Situation::Handled).await;
    let rejected = case.event(Situation::Rejected).await;
    for (ticket, completion) in [(handled, Completion::Handled), (rejected, Completion::Rejected)] {
        assert_eq!(case.claim(&case.again(&ticket)).await, Claimed::Done(completion));
        // for the token that finished it too
        assert_eq!(case.claim(&ticket).await, Claimed::Done(completion));
    }
}

pub async fn tokens_are_told_apart_by_every_byte<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let mut bytes = [0xff; 16];
    let ticket = Ticket {
        token: Token::from_bytes(bytes),
        ..case.ticket("event")
    };
    case.acquire(&ticket).await;
    for position in 0..bytes.len() {
        for byte in [0, 0x7f, 0xfe] {
            bytes[position] = byte;
            let other = Ticket {
                token: Token::from_bytes(bytes),
                ..ticket.clone()
            };
            let answer = case.claim(&other).await;
            assert!(matches!(answer, Claimed::InFlight { .. }), "{answer:?} for {other:?}");
            assert_eq!(case.release(&other).await, Effect::NotHeld, "{other:?}");
        }
        bytes[position] = 0xff;
    }
}

pub async fn a_claim_that_is_dropped_half_way_leaves_the_event_to_its_token<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let ticket = case.ticket("event");
    case.start_to_claim(&ticket).await;
    assert_eq!(case.claim(&ticket).await, acquired(1, 1));
    let answer = case.claim(&case.again(&ticket)).await;
    assert!(is_in_flight(answer, LEASE), "{answer:?}");
    assert_eq!(case.release(&ticket).await, Effect::Applied);
    assert_eq!(case.claim(&case.again(&ticket)).await, acquired(2, 2));
}

// --- another event under the same id

pub async fn another_event_under_a_known_id_is_a_conflict_and_changes_nothing<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    for situation in Situation::RECORDED {
        let ticket = case.event(situation).await;
        let before = case.get(&ticket).await;
        let other = Ticket {
            fingerprint: Fingerprint::of(["another event"]),
            ..ticket.clone()
        };
        for other in [case.again(&other), other] {
            assert_eq!(case.claim(&other).await, Claimed::Conflict, "{situation:?}");
            assert_eq!(case.renew(&other).await, Effect::NotHeld, "{situation:?}");
            assert_eq!(case.release(&other).await, Effect::NotHeld, "{situation:?}");
            for completion in [Completion::Handled, Completion::Rejected] {
                assert_eq!(
                    case.complete(&other, completion).await,
                    Effect::NotHeld,
                    "{situation:?}"
                );
            }
        }
        assert_eq!(case.get(&ticket).await, before, "{situation:?}");
    }
}

pub async fn fingerprints_are_told_apart_by_every_byte<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let mut bytes = [0xff; 16];
    let ticket = Ticket {
        fingerprint: Fingerprint::from_bytes(bytes),
        ..case.ticket("event")
    };
    case.acquire(&ticket).await;
    for position in 0..bytes.len() {
        for byte in [0, 0x7f, 0xfe] {
            bytes[position] = byte;
            let other = Ticket {
                fingerprint: Fingerprint::from_bytes(bytes),
                ..ticket.clone()
            };
            assert_eq!(case.claim(&other).await, Claimed::Conflict, "{other:?}");
        }
        bytes[position] = 0xff;
    }
}

pub async fn after_its_retention_an_id_is_free_for_another_event<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let ticket = case.event(Situation::Handled).await;
    case.advance(RETENTION + AFTER).await;
    let other = Ticket {
        fingerprint: Fingerprint::of(["another event"]),
        ..case.again(&ticket)
    };
    assert_eq!(case.claim(&other).await, acquired(1, 1));
}

// --- renew

pub async fn renew_starts_the_lease_anew<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let ticket = case.event(Situation::Claimed).await;
    for _ in 0..5 {
        case.advance(LEASE - BEFORE).await;
        assert_eq!(case.renew(&ticket).await, Effect::Applied);
    }
    let answer = case.claim(&case.again(&ticket)).await;
    assert!(is_in_flight(answer, LEASE), "{answer:?}");
    // and counts no attempt
    case.advance(LEASE).await;
    assert_eq!(case.claim(&case.again(&ticket)).await, acquired(2, 2));
}

pub async fn renew_after_the_lease_holds_the_claim_if_nobody_took_it<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let ticket = case.event(Situation::LeaseOver).await;
    assert_eq!(case.renew(&ticket).await, Effect::Applied);
    let answer = case.claim(&case.again(&ticket)).await;
    assert!(is_in_flight(answer, LEASE), "{answer:?}");
}

pub async fn renew_after_the_claim_was_lost_to_another_changes_nothing<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let first = case.event(Situation::LeaseOver).await;
    let second = case.again(&first);
    case.acquire(&second).await;
    case.advance(Duration::from_secs(30)).await;
    let before = case.get(&first).await;
    assert_eq!(case.renew(&first).await, Effect::NotHeld);
    assert_eq!(case.get(&first).await, before);
}

pub async fn only_the_holder_renews_and_releases<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    for situation in Situation::RECORDED.into_iter().chain([Situation::Absent]) {
        let ticket = case.event(situation).await;
        let before = case.get(&ticket).await;
        let stranger = case.again(&ticket);
        assert_eq!(case.renew(&stranger).await, Effect::NotHeld, "{situation:?}");
        assert_eq!(case.release(&stranger).await, Effect::NotHeld, "{situation:?}");
        // nor does who holds it no longer
        if !matches!(situation, Situation::Claimed | Situation::LeaseOver) {
            assert_eq!(case.renew(&ticket).await, Effect::NotHeld, "{situation:?}");
            assert_eq!(case.release(&ticket).await, Effect::NotHeld, "{situation:?}");
        }
        assert_eq!(case.get(&ticket).await, before, "{situation:?}");
    }
}

// --- release

pub async fn release_frees_the_event_at_once<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    for situation in [Situation::Claimed, Situation::LeaseOver] {
        let ticket = case.event(situation).await;
        assert_eq!(case.release(&ticket).await, Effect::Applied, "{situation:?}");
        assert_eq!(case.claim(&case.again(&ticket)).await, acquired(2, 2), "{situation:?}");
    }
}

pub async fn release_after_the_claim_was_lost_to_another_changes_nothing<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let first = case.event(Situation::LeaseOver).await;
    let second = case.again(&first);
    case.acquire(&second).await;
    let before = case.get(&first).await;
    assert_eq!(case.release(&first).await, Effect::NotHeld);
    assert_eq!(case.get(&first).await, before);
    let answer = case.claim(&case.again(&first)).await;
    assert!(is_in_flight(answer, LEASE), "{answer:?}");
}

// --- complete

pub async fn a_handled_event_is_done_from_any_state<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    for situation in Situation::UNFINISHED {
        for by_the_holder in [true, false] {
            let holder = case.event(situation).await;
            let ticket = if by_the_holder { holder } else { case.again(&holder) };
            assert_eq!(
                case.complete(&ticket, Completion::Handled).await,
                Effect::Applied,
                "{situation:?}"
            );
            let record = case.get(&ticket).await;
            assert!(
                is_done(record.as_ref(), Completion::Handled),
                "{situation:?}: {record:?}"
            );
            let answer = case.claim(&case.again(&ticket)).await;
            assert_eq!(answer, Claimed::Done(Completion::Handled), "{situation:?}");
            case.forget(&ticket).await;
        }
    }
}

pub async fn who_handled_an_event_after_losing_it_to_another_still_finishes_it<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let first = case.event(Situation::LeaseOver).await;
    let second = case.again(&first);
    case.acquire(&second).await;
    assert_eq!(case.complete(&first, Completion::Handled).await, Effect::Applied);
    // and the other finds it finished
    assert_eq!(case.renew(&second).await, Effect::NotHeld);
    assert_eq!(case.release(&second).await, Effect::NotHeld);
    assert_eq!(case.complete(&second, Completion::Handled).await, Effect::Applied);
    assert_eq!(
        case.claim(&case.again(&first)).await,
        Claimed::Done(Completion::Handled)
    );
}

pub async fn only_the_holder_rejects<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    for situation in Situation::UNFINISHED {
        let ticket = case.event(situation).await;
        let before = case.get(&ticket).await;
        let stranger = case.again(&ticket);
        assert_eq!(
            case.complete(&stranger, Completion::Rejected).await,
            Effect::NotHeld,
            "{situation:?}"
        );
        let is_held = matches!(situation, Situation::Claimed | Situation::LeaseOver);
        if !is_held {
            assert_eq!(
                case.complete(&ticket, Completion::Rejected).await,
                Effect::NotHeld,
                "{situation:?}"
            );
        }
        assert_eq!(case.get(&ticket).await, before, "{situation:?}");
        if is_held {
            assert_eq!(
                case.complete(&ticket, Completion::Rejected).await,
                Effect::Applied,
                "{situation:?}"
            );
            let answer = case.claim(&stranger).await;
            assert_eq!(answer, Claimed::Done(Completion::Rejected), "{situation:?}");
        }
    }
}

pub async fn reject_after_the_claim_was_lost_to_another_changes_nothing<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let first = case.event(Situation::LeaseOver).await;
    case.acquire(&case.again(&first)).await;
    let before = case.get(&first).await;
    assert_eq!(case.complete(&first, Completion::Rejected).await, Effect::NotHeld);
    assert_eq!(case.get(&first).await, before);
}

pub async fn a_finished_event_stays_as_it_was_finished<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    for situation in Situation::FINISHED {
        let ticket = case.event(situation).await;
        let before = case.get(&ticket).await;
        case.advance(RETENTION / 2).await;
        for ticket in [case.again(&ticket), ticket.clone()] {
            case.claim(&ticket).await;
            assert_eq!(case.renew(&ticket).await, Effect::NotHeld, "{situation:?}");
            assert_eq!(case.release(&ticket).await, Effect::NotHeld, "{situation:?}");
            assert_eq!(
                case.complete(&ticket, Completion::Handled).await,
                Effect::Applied,
                "{situation:?}"
            );
            let rejected = case.complete(&ticket, Completion::Rejected).await;
            let expected = match situation {
                Situation::Rejected => Effect::Applied,
                _ => Effect::NotHeld,
            };
            assert_eq!(rejected, expected, "{situation:?}");
        }
        assert_eq!(case.get(&ticket).await, before, "{situation:?}");
        // so that nothing of this has extended its retention
        case.advance(RETENTION / 2 + AFTER).await;
        assert_eq!(case.get(&ticket).await, None, "{situation:?}");
    }
}

// --- how long a record lives

pub async fn a_finished_event_is_remembered_for_one_retention<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    for (situation, completion) in [
        (Situation::Handled, Completion::Handled),
        (Situation::Rejected, Completion::Rejected),
    ] {
        let ticket = case.event(situation).await;
        case.advance(RETENTION - BEFORE).await;
        assert_eq!(case.claim(&case.again(&ticket)).await, Claimed::Done(completion));
        case.advance(BEFORE + AFTER).await;
        assert_eq!(case.claim(&case.again(&ticket)).await, acquired(1, 1));
    }
}

pub async fn the_attempts_of_a_released_event_are_remembered_for_one_retention<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let ticket = case.event(Situation::Free).await;
    case.advance(RETENTION - BEFORE).await;
    let second = case.again(&ticket);
    assert_eq!(case.claim(&second).await, acquired(2, 2));
    assert_eq!(case.release(&second).await, Effect::Applied);
    case.advance(RETENTION + AFTER).await;
    assert_eq!(case.get(&ticket).await, None);
    assert_eq!(case.claim(&case.again(&ticket)).await, acquired(1, 1));
}

pub async fn the_attempts_of_a_lost_claim_are_remembered_for_one_retention_after_its_lease<H: StoreHarness>(
    harness: Arc<H>,
) {
    let case = Case::new(harness);
    let ticket = case.event(Situation::Claimed).await;
    case.advance(LEASE + RETENTION - BEFORE).await;
    assert_eq!(case.claim(&case.again(&ticket)).await, acquired(2, 2));
    case.advance(LEASE + RETENTION + AFTER).await;
    assert_eq!(case.get(&ticket).await, None);
    assert_eq!(case.claim(&case.again(&ticket)).await, acquired(1, 1));
}

pub async fn after_the_retention_a_token_holds_nothing_any_more<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let ticket = case.event(Situation::Claimed).await;
    case.advance(LEASE + RETENTION + AFTER).await;
    assert_eq!(case.renew(&ticket).await, Effect::NotHeld);
    assert_eq!(case.release(&ticket).await, Effect::NotHeld);
    assert_eq!(case.complete(&ticket, Completion::Rejected).await, Effect::NotHeld);
    assert_eq!(case.forget(&ticket).await, Effect::NotHeld);
    // but what it has done, it has done
    assert_eq!(case.complete(&ticket, Completion::Handled).await, Effect::Applied);
    assert_eq!(
        case.claim(&case.again(&ticket)).await,
        Claimed::Done(Completion::Handled)
    );
}

pub async fn durations_beyond_measure_are_as_good_as_for_ever<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let thousand_years = Duration::from_secs(1000 * 365 * 24 * 3600);
    let decade = Duration::from_secs(10 * 365 * 24 * 3600);
    for (id, long) in [
        ("longest", Duration::MAX),
        ("half", Duration::MAX / 2),
        ("signed", Duration::from_secs(i64::MAX.unsigned_abs())),
        ("milliseconds", Duration::from_millis(u64::MAX)),
        ("1000 years", thousand_years),
    ] {
        let ticket = Ticket {
            lease: long,
            retention: long,
            retry_horizon: long,
            ..case.ticket(id)
        };
        assert_eq!(case.claim(&ticket).await, acquired(1, 1), "{id}");
        assert_eq!(case.renew(&ticket).await, Effect::Applied, "{id}");
        case.advance(decade).await;
        let answer = case.claim(&case.again(&ticket)).await;
        assert!(
            matches!(answer, Claimed::InFlight { remaining } if remaining > decade),
            "{id}: {answer:?}"
        );
        assert_eq!(case.release(&ticket).await, Effect::Applied, "{id}");
        case.advance(decade).await;
        let second = case.again(&ticket);
        assert_eq!(case.claim(&second).await, acquired(2, 2), "{id}");
        assert_eq!(
            case.complete(&second, Completion::Handled).await,
            Effect::Applied,
            "{id}"
        );
        case.advance(decade).await;
        assert_eq!(case.claim(&ticket).await, Claimed::Done(Completion::Handled), "{id}");
        let record = case.get(&ticket).await;
        assert!(is_done(record.as_ref(), Completion::Handled), "{id}: {record:?}");
    }
}

// --- get and forget

pub async fn get_shows_the_record_in_every_state<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    assert_eq!(case.get(&case.ticket("absent")).await, None);
    for situation in Situation::RECORDED {
        let ticket = case.event(situation).await;
        let record = case.get(&ticket).await.expect("a record");
        assert_eq!(record.fingerprint, ticket.fingerprint, "{situation:?}");
        let as_expected = match (situation, &record.state) {
            (
                Situation::Claimed | Situation::LeaseOver,
                State::Claimed {
                    token,
                    generation: 1,
                    attempts: 1,
                    lease_until,
                },
            ) => *token == ticket.token && is_apart(record.expires, *lease_until, RETENTION),
            (
                Situation::Free,
                State::Free {
                    generation: 1,
                    attempts: 1,
                },
            ) => true,
            (Situation::Handled, State::Done { completion, at }) => {
                *completion == Completion::Handled && is_apart(record.expires, *at, RETENTION)
            }
            (Situation::Rejected, State::Done { completion, at }) => {
                *completion == Completion::Rejected && is_apart(record.expires, *at, RETENTION)
            }
            _ => false,
        };
        assert!(as_expected, "{situation:?}: {record:?}");
    }
}

pub async fn get_changes_nothing<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    for situation in Situation::RECORDED {
        let ticket = case.event(situation).await;
        let before = case.get(&ticket).await;
        case.advance(Duration::from_secs(10)).await;
        assert_eq!(case.get(&ticket).await, before, "{situation:?}");
    }
}

pub async fn forget_lets_an_event_run_again_whatever_its_state<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    for situation in Situation::RECORDED {
        let ticket = case.event(situation).await;
        assert_eq!(case.forget(&ticket).await, Effect::Applied, "{situation:?}");
        assert_eq!(case.get(&ticket).await, None, "{situation:?}");
        assert_eq!(case.forget(&ticket).await, Effect::NotHeld, "{situation:?}");
        // who held it holds nothing now
        assert_eq!(case.renew(&ticket).await, Effect::NotHeld, "{situation:?}");
        assert_eq!(case.release(&ticket).await, Effect::NotHeld, "{situation:?}");
        assert_eq!(case.claim(&case.again(&ticket)).await, acquired(1, 1), "{situation:?}");
    }
}

pub async fn forget_of_what_has_expired_or_never_was_changes_nothing<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    assert_eq!(case.forget(&case.ticket("absent")).await, Effect::NotHeld);
    let ticket = case.event(Situation::Handled).await;
    case.advance(RETENTION + AFTER).await;
    assert_eq!(case.forget(&ticket).await, Effect::NotHeld);
}

// --- keys

pub async fn a_key_is_one_event_in_one_namespace<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    // what runs together if a store joins the two carelessly, too
    let keys = [
        ("a", "b"),
        ("a", "c"),
        ("b", "b"),
        ("ab", "c"),
        ("a", "bc"),
        ("a/b", "c"),
        ("a", "b/c"),
        ("a:b", "c"),
        ("a", "b:c"),
        ("a\u{1f}b", "c"),
        ("A", "b"),
        ("a ", "b"),
        ("a%", "b"),
        ("a_", "b"),
        ("a'", "b"),
        ("{a}", "b"),
        ("ä", "b"),
    ];
    let tickets = keys.map(|(namespace, id)| case.ticket_in(&case.namespace(namespace), id));
    each_is_an_event_of_its_own(&case, &tickets).await;
}

pub async fn ids_differ_if_one_byte_of_them_differs<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let ids = [
        "event",
        "Event",
        "EVENT",
        "evenT",
        "event ",
        " event",
        "events",
        "even",
        "évent",
        "e\u{301}vent",
        "event\u{200b}",
        "evеnt",
        "0",
        "00",
        "0.0",
        "0e0",
        "+0",
        "-0",
        "1",
        "01",
        "1 ",
        "null",
        "NULL",
        "true",
        "ß",
        "ss",
        "İ",
        "i",
        "ı",
        "I",
    ];
    let tickets = ids.map(|id| case.ticket(id));
    each_is_an_event_of_its_own(&case, &tickets).await;
}

pub async fn an_id_may_hold_every_printable_character<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let ids = [
        "'",
        "''",
        "\"",
        "`",
        "\\",
        "\\'",
        "\\0",
        "\\x00",
        "%",
        "_",
        "%%",
        "?",
        "$1",
        ":id",
        "*",
        "[a]",
        "{a}",
        "{}",
        "(",
        ")",
        ";",
        "--",
        "/*",
        "#",
        "&",
        "|",
        "<",
        ">",
        "=",
        "~",
        "^",
        "@",
        "!",
        ",",
        ".",
        "..",
        "/",
        "a/b",
        " ",
        "  ",
        "\u{a0}",
        "\u{2028}",
        "\u{feff}",
        "\u{fffd}",
        "\u{ffff}",
        "\u{10ffff}",
        "😀",
        "👩‍👩‍👧",
        "العربية",
        "中文",
        "'; DROP TABLE events; --",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ];
    let tickets = ids.map(|id| case.ticket(id));
    each_is_an_event_of_its_own(&case, &tickets).await;
}

pub async fn an_id_may_have_255_bytes<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let ids = [
        "x".repeat(255),
        "x".repeat(254),
        format!("{}y", "x".repeat(254)),
        format!("y{}", "x".repeat(254)),
        format!("{}é", "x".repeat(253)),
        "\u{10ffff}".repeat(63),
        "'".repeat(255),
    ];
    let tickets = ids.map(|id| case.ticket(&id));
    each_is_an_event_of_its_own(&case, &tickets).await;
}

/// Every ticket is claimed for the first time, and what happens to one happens to no other.
async fn each_is_an_event_of_its_own<H: StoreHarness>(case: &Case<H>, tickets: &[Ticket]) {
    for ticket in tickets {
        assert_eq!(case.claim(ticket).await, acquired(1, 1), "{}", ticket.key);
    }
    for ticket in tickets {
        let answer = case.claim(&case.again(ticket)).await;
        assert!(matches!(answer, Claimed::InFlight { .. }), "{}: {answer:?}", ticket.key);
        assert_eq!(
            case.complete(ticket, Completion::Handled).await,
            Effect::Applied,
            "{}",
            ticket.key
        );
        let answer = case.claim(&case.again(ticket)).await;
        assert_eq!(answer, Claimed::Done(Completion::Handled), "{}", ticket.key);
    }
    for ticket in tickets {
        assert_eq!(case.forget(ticket).await, Effect::Applied, "{}", ticket.key);
        assert_eq!(case.get(ticket).await, None, "{}", ticket.key);
    }
}

// --- at once

const TASKS: usize = 16;
const ROUNDS: usize = 12;

pub async fn of_many_claims_at_once_one_succeeds<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    for round in 0..ROUNDS {
        let first = case.ticket(&format!("event {round}"));
        one_acquires(&case, &first, acquired(1, 1)).await;
    }
}

pub async fn of_many_claims_at_once_after_the_lease_one_succeeds<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let first = case.event(Situation::Claimed).await;
    for round in 2..ROUNDS as u32 {
        case.advance(LEASE).await;
        one_acquires(&case, &first, acquired(round.into(), round)).await;
    }
}

pub async fn of_many_claims_at_once_after_the_retention_one_succeeds<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let first = case.event(Situation::Handled).await;
    for _ in 0..ROUNDS {
        case.advance(LEASE + RETENTION + AFTER).await;
        one_acquires(&case, &first, acquired(1, 1)).await;
    }
}

pub async fn of_many_claims_at_once_after_a_release_one_succeeds<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let mut holder = case.event(Situation::Claimed).await;
    for round in 2..ROUNDS as u32 {
        assert_eq!(case.release(&holder).await, Effect::Applied);
        holder = one_acquires(&case, &holder, acquired(round.into(), round)).await;
    }
}

pub async fn many_claims_at_once_by_one_token_are_one_attempt<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    for round in 0..ROUNDS {
        let ticket = case.ticket(&format!("event {round}"));
        let tickets = vec![ticket; TASKS];
        for (_, answer) in claim_at_once(&case, tickets).await {
            assert_eq!(answer, acquired(1, 1));
        }
    }
}

pub async fn a_completion_among_other_operations_at_once_is_never_undone<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    for round in 0..ROUNDS {
        let holder = case.ticket(&format!("event {round}"));
        case.acquire(&holder).await;
        let together = Arc::new(Barrier::new(TASKS));
        let tasks = (0..TASKS).map(|task| {
            let (case, holder, together) = (case.clone(), holder.clone(), Arc::clone(&together));
            tokio::spawn(async move {
                together.wait().await;
                match task % 4 {
                    0 => case.complete(&case.again(&holder), Completion::Handled).await,
                    1 => case.release(&holder).await,
                    2 => case.renew(&holder).await,
                    _ => {
                        case.claim(&case.again(&holder)).await;
                        Effect::Applied
                    }
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.expect("the operation answers");
        }
        let record = case.get(&holder).await;
        assert!(is_done(record.as_ref(), Completion::Handled), "{record:?}");
    }
}

/// Claims by many tokens at once: one gets this answer, the others are in flight. The one's ticket.
async fn one_acquires<H: StoreHarness>(case: &Case<H>, like: &Ticket, expected: Claimed) -> Ticket {
    let tickets = (0..TASKS).map(|_| case.again(like)).collect();
    let mut winners = Vec::new();
    for (ticket, answer) in claim_at_once(case, tickets).await {
        match answer {
            Claimed::InFlight { .. } => {}
            answer => {
                assert_eq!(answer, expected);
                winners.push(ticket);
            }
        }
    }
    assert_eq!(winners.len(), 1, "one of {TASKS} claims succeeds: {winners:?}");
    winners.remove(0)
}

async fn claim_at_once<H: StoreHarness>(case: &Case<H>, tickets: Vec<Ticket>) -> Vec<(Ticket, Claimed)> {
    let together = Arc::new(Barrier::new(tickets.len()));
    let tasks = tickets.into_iter().map(|ticket| {
        let (case, together) = (case.clone(), Arc::clone(&together));
        tokio::spawn(async move {
            together.wait().await;
            let answer = case.claim(&ticket).await;
            (ticket, answer)
        })
    });
    let mut answers = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        answers.push(task.await.expect("the claim answers"));
    }
    answers
}

// --- in any order

pub async fn any_sequence_of_operations_answers_as_the_model_does<H: StoreHarness>(harness: Arc<H>) {
    for seed in 0..50 {
        let steps = random_steps(seed, 60);
        if let Err(difference) = check(&*harness, &steps).await {
            panic!("sequence {seed}: {difference}");
        }
    }
}
