//! The claim that a run and its handler share.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use tokio::time::Instant;

use crate::store::ClaimRequest;

/// The lease of one claim: the request it was claimed with, when the lease was last renewed, and
/// whether the handler completes the claim itself.
///
/// A lease counts from before the store was asked. The store starts it later, so the store never
/// ends it sooner.
#[derive(Debug)]
pub(crate) struct LeaseHandle {
    request: ClaimRequest,
    state: Mutex<State>,
    is_completion_handed_over: AtomicBool,
}

#[derive(Clone, Copy, Debug)]
struct State {
    /// When the store was asked for what it last granted. `None` for a lease that never ends.
    asked: Option<Instant>,
    /// The store has said that another run holds the claim.
    is_taken: bool,
}

impl LeaseHandle {
    /// The lease of a claim that the store was asked for at this time.
    pub(crate) fn new(request: ClaimRequest, asked: Instant) -> Self {
        Self::with(request, Some(asked))
    }

    /// A lease that never ends, for tests of handlers.
    #[cfg(feature = "test-util")]
    pub(crate) fn endless(request: ClaimRequest) -> Self {
        Self::with(request, None)
    }

    fn with(request: ClaimRequest, asked: Option<Instant>) -> Self {
        Self {
            request,
            state: Mutex::new(State { asked, is_taken: false }),
            is_completion_handed_over: AtomicBool::new(false),
        }
    }

    pub(crate) fn request(&self) -> &ClaimRequest {
        &self.request
    }

    /// When the store was asked for what it last granted, where that is known.
    pub(crate) fn asked(&self) -> Option<Instant> {
        self.state().asked
    }

    /// The store has renewed the lease. It was asked at this time.
    pub(crate) fn renewed(&self, asked: Instant) {
        self.state().asked = Some(asked);
    }

    /// The store has said that another run holds the claim.
    pub(crate) fn taken(&self) {
        self.state().is_taken = true;
    }

    /// Reads the clock, so the result is right even in a handler that has blocked its thread for
    /// longer than the lease.
    pub(crate) fn is_lost(&self) -> bool {
        let State { asked, is_taken } = *self.state();
        let is_over = asked.is_some_and(|asked| asked.elapsed() >= self.request.lease);
        is_taken || is_over
    }

    pub(crate) fn hand_over_completion(&self) -> &ClaimRequest {
        self.is_completion_handed_over.store(true, Ordering::SeqCst);
        &self.request
    }

    /// Whether the handler asked a store to complete the claim in a transaction.
    pub(crate) fn is_completion_handed_over(&self) -> bool {
        self.is_completion_handed_over.load(Ordering::SeqCst)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
