//! The suite that a store must pass: every promise of [`store`](crate::store), as a test.
//!
//! Say how to make a store and how to move its time, and let [`store_suite!`](crate::store_suite)
//! write the tests:
//!
//! ```
//! # #[cfg(feature = "memory")] mod example {
//! use std::time::Duration;
//! use tower_webhook::{
//!     store::MemoryStore,
//!     testing::{ManualClock, store_suite::StoreHarness},
//! };
//!
//! struct Memory {
//!     store: MemoryStore,
//!     clock: ManualClock,
//! }
//!
//! impl Memory {
//!     fn new() -> Self {
//!         let clock = ManualClock::new();
//!         Self { store: MemoryStore::builder().clock(clock.clone()).build(), clock }
//!     }
//! }
//!
//! impl StoreHarness for Memory {
//!     type Store = MemoryStore;
//!
//!     fn store(&self) -> &MemoryStore {
//!         &self.store
//!     }
//!
//!     async fn advance(&self, by: Duration) {
//!         self.clock.advance(by);
//!     }
//! }
//!
//! tower_webhook::store_suite!(memory, Memory::new());
//! # }
//! # fn main() {}
//! ```
//!
//! The tests run on a tokio runtime of their own, with four threads; the crate that calls the macro
//! needs no tokio.
//!
//! # A store with a server
//! The expression may `.await`, and it may be an `Option`: where it is `None` (there is no server
//! on this machine), each test says that it was skipped, and passes. Tests run side by side and
//! every one makes its own harness; their keys never meet, so they may share one database.
//! `advance` may add to an offset that only tests have. Real time may pass besides: the suite asks
//! nothing within five seconds before a lease or a retention ends. At the end of a lease it asks at
//! once; at the end of a retention it grants a second, so that a store may count in seconds if it
//! rounds up.
//!
//! ```
//! # #[cfg(feature = "memory")] mod example {
//! # use std::time::Duration;
//! # use tower_webhook::{store::MemoryStore, testing::{ManualClock, store_suite::StoreHarness}};
//! # struct Server(MemoryStore);
//! # impl Server {
//! #     async fn at(_url: String) -> Self {
//! #         Self(MemoryStore::new())
//! #     }
//! # }
//! # impl StoreHarness for Server {
//! #     type Store = MemoryStore;
//! #     fn store(&self) -> &MemoryStore {
//! #         &self.0
//! #     }
//! #     async fn advance(&self, _by: Duration) {}
//! # }
//! impl Server {
//!     /// `None` if there is none to talk to.
//!     async fn connect() -> Option<Self> {
//!         let url = std::env::var("TEST_SERVER_URL").ok()?;
//!         Some(Self::at(url).await)
//!     }
//! }
//!
//! tower_webhook::store_suite!(server, Server::connect().await);
//! # }
//! # fn main() {}
//! ```

#[doc(hidden)]
pub mod inbox;
#[doc(hidden)]
pub mod model;
#[doc(hidden)]
pub mod properties;
mod case;

use std::{future::Future, sync::Arc, time::Duration};

use crate::store::IdempotencyStore;

/// A store to test, and its time.
///
/// See [the module](self) for one.
pub trait StoreHarness: Send + Sync + 'static {
    /// The store under test.
    type Store: IdempotencyStore;

    /// The store. It may hold records of other tests.
    fn store(&self) -> &Self::Store;

    /// Moves the store's own clock on, as far as this harness's store sees it.
    fn advance(&self, by: Duration) -> impl Future<Output = ()> + Send;
}

/// The type of the expression given to [`store_suite!`](crate::store_suite): a harness, or perhaps
/// one.
pub trait MaybeHarness {
    /// The harness.
    type Harness: StoreHarness;

    /// The harness; `None` to skip the test.
    fn into_harness(self) -> Option<Self::Harness>;
}

impl<H: StoreHarness> MaybeHarness for H {
    type Harness = H;

    fn into_harness(self) -> Option<H> {
        Some(self)
    }
}

impl<H: StoreHarness> MaybeHarness for Option<H> {
    type Harness = H;

    fn into_harness(self) -> Option<H> {
        self
    }
}

/// Runs one property on a harness of its own.
#[doc(hidden)]
#[expect(clippy::expect_used, reason = "the body of a test")]
pub fn run<M: MaybeHarness, P: Future<Output = ()>>(
    make: impl Future<Output = M>,
    property: impl FnOnce(Arc<M::Harness>) -> P,
) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("a tokio runtime")
        .block_on(async {
            match make.await.into_harness() {
                Some(harness) => property(Arc::new(harness)).await,
                None => eprintln!("skipped: the harness is `None`"),
            }
        });
}

/// Writes a module of tests, one for each promise of [`store`](crate::store), that a store must
/// pass.
///
/// `store_suite!(name, harness)`: the module's name, and an expression that makes a
/// [`StoreHarness`](crate::testing::store_suite::StoreHarness) or an `Option` of one; it may
/// `.await`. See [`testing::store_suite`](crate::testing::store_suite) for an example.
#[macro_export]
macro_rules! store_suite {
    ($name:ident, $harness:expr $(,)?) => {
        mod $name {
            #[allow(unused_imports, reason = "the harness may be named by a path")]
            use super::*;

            $crate::__store_suite_tests! { $harness;
                the_first_claim_of_an_event_is_its_first_attempt
                a_second_claim_is_told_how_long_the_lease_still_runs
                a_lease_holds_until_its_end
                at_the_end_of_a_lease_another_claims_as_the_next_attempt
                the_same_token_claims_again_without_a_new_attempt
                the_same_token_claims_again_after_its_lease_if_nobody_took_it
                a_token_that_lost_its_claim_waits_like_any_other
                a_released_event_is_claimed_as_the_next_attempt
                a_token_that_released_its_claim_counts_as_a_new_attempt
                attempts_and_generations_add_up_over_releases_and_lost_leases
                a_claim_of_a_finished_event_says_how_it_was_finished
                tokens_are_told_apart_by_every_byte
                a_claim_that_is_dropped_half_way_leaves_the_event_to_its_token
                another_event_under_a_finished_id_is_a_conflict_and_changes_nothing
                other_facts_wait_while_a_lease_runs_and_change_nothing
                other_facts_take_over_what_has_handled_nothing
                who_handled_an_event_after_losing_it_to_other_facts_leaves_them_to_run
                attempts_and_generations_add_up_over_other_facts
                fingerprints_are_told_apart_by_every_byte
                after_its_retention_an_id_is_free_for_another_event
                renew_starts_the_lease_anew
                renew_after_the_lease_holds_the_claim_if_nobody_took_it
                renew_after_the_claim_was_lost_to_another_changes_nothing
                only_the_holder_renews_and_releases
                release_frees_the_event_at_once
                release_after_the_claim_was_lost_to_another_changes_nothing
                a_handled_event_is_done_from_any_state
                who_handled_an_event_after_losing_it_to_another_still_finishes_it
                only_the_holder_rejects
                reject_after_the_claim_was_lost_to_another_changes_nothing
                a_finished_event_stays_as_it_was_finished
                a_finished_event_is_remembered_for_one_retention
                the_attempts_of_a_released_event_are_remembered_for_one_retention
                the_attempts_of_a_lost_claim_are_remembered_for_one_retention_after_its_lease
                after_the_retention_a_token_holds_nothing_any_more
                durations_beyond_measure_are_as_good_as_for_ever
                get_shows_the_record_in_every_state
                get_changes_nothing
                forget_lets_an_event_run_again_whatever_its_state
                forget_of_what_has_expired_or_never_was_changes_nothing
                a_key_is_one_event_in_one_namespace
                ids_differ_if_one_byte_of_them_differs
                an_id_may_hold_every_printable_character
                an_id_may_have_255_bytes
                of_many_claims_at_once_one_succeeds
                of_many_claims_at_once_after_the_lease_one_succeeds
                of_many_claims_at_once_after_the_retention_one_succeeds
                of_many_claims_at_once_after_a_release_one_succeeds
                of_many_events_at_once_under_an_id_that_handled_nothing_one_succeeds
                many_claims_at_once_by_one_token_are_one_attempt
                a_completion_among_other_operations_at_once_is_never_undone
                any_sequence_of_operations_agrees_with_the_model
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __store_suite_tests {
    ($harness:expr; $($property:ident)*) => {
        $(
            #[test]
            fn $property() {
                $crate::testing::store_suite::run(
                    async { $harness },
                    $crate::testing::store_suite::properties::$property,
                );
            }
        )*
    };
}

/// Writes a module of tests, one for each promise of [`inbox`](crate::inbox), that an inbox must
/// pass besides those of [`store_suite!`](crate::store_suite). Each test needs an inbox of its own,
/// in tables of its own say: one of them purges, years ahead, whatever is there.
///
/// ```
/// # #[cfg(feature = "memory")] mod example {
/// # use std::time::Duration;
/// # use tower_webhook::testing::{ManualClock, MemoryInbox, store_suite::StoreHarness};
/// struct Harness {
///     inbox: MemoryInbox,
///     clock: ManualClock,
/// }
///
/// impl Harness {
///     fn new() -> Self {
///         let clock = ManualClock::new();
///         Self { inbox: MemoryInbox::with_clock(clock.clone()), clock }
///     }
/// }
///
/// impl StoreHarness for Harness {
///     type Store = MemoryInbox;
///
///     fn store(&self) -> &MemoryInbox {
///         &self.inbox
///     }
///
///     async fn advance(&self, by: Duration) {
///         self.clock.advance(by);
///     }
/// }
///
/// tower_webhook::inbox_suite!(inbox, Harness::new());
/// # }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! inbox_suite {
    ($name:ident, $harness:expr $(,)?) => {
        mod $name {
            #[allow(unused_imports, reason = "the harness may be named by a path")]
            use super::*;

            $crate::__inbox_suite_tests! { $harness;
                a_deposit_is_taken_as_it_was_stored
                a_copy_is_known_in_every_stage_and_changes_nothing
                other_facts_under_a_stored_id_are_a_conflict_and_change_nothing
                a_deposit_waits_for_a_run_without_a_body_and_adopts_what_it_left
                a_layer_that_handles_before_its_response_runs_a_stored_event_early
                deliveries_are_taken_in_the_order_they_are_due
                a_delivery_that_is_put_back_is_due_after_its_pause
                a_worker_that_dies_leaves_a_suspect
                a_renewed_lease_keeps_a_delivery_from_others
                one_event_is_taken_by_its_id
                settlements_of_one_call_get_their_effects_in_order
                a_success_that_comes_late_counts
                a_replay_is_due_now_with_no_attempts
                a_delivery_whose_process_died_is_replayed
                many_are_replayed_over_a_time
                an_operators_filter_means_one_tenants_events_and_no_others
                a_list_shows_the_finished_until_they_expire_and_their_attempts
                an_operator_buries_what_is_unfinished
                a_letter_has_body_headers_and_why_each_attempt_failed
                deliveries_are_listed_by_stage_topic_and_time_a_page_at_a_time
                what_is_unfinished_or_dead_never_expires
                a_backlog_says_what_waits
                what_a_dead_process_held_is_due_when_its_lease_is_over
                forget_takes_the_body_along
                many_workers_take_each_delivery_once
                what_is_new_is_noticed
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __inbox_suite_tests {
    ($harness:expr; $($property:ident)*) => {
        $(
            #[test]
            fn $property() {
                $crate::testing::store_suite::run(
                    async { $harness },
                    $crate::testing::store_suite::inbox::$property,
                );
            }
        )*
    };
}
