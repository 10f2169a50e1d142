//! A request that waits for its response, as the run of its event sees it.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU16, Ordering},
};

use http::Response;

use super::{ResponseBody, respond};
use crate::process::{Caller, Outcome};

/// The request still waits.
const WAITS: u16 = 0;
/// The provider has hung up, or has its response.
const GONE: u16 = u16::MAX;

/// The state that a request shares with the run of its event.
#[derive(Clone)]
pub(crate) struct Call(Arc<State>);

struct State {
    /// [`WAITS`], [`GONE`], or the status that the request got before the run has ended.
    status: AtomicU16,
    /// The response of an HTTP service behind the layer, for this request alone.
    response: Mutex<Option<Box<Response<ResponseBody>>>>,
}

impl Call {
    pub(super) fn new() -> Self {
        Self(Arc::new(State {
            status: AtomicU16::new(WAITS),
            response: Mutex::new(None),
        }))
    }

    /// Ends the call when it is dropped.
    pub(super) fn until_dropped(&self) -> WaitingRequest {
        WaitingRequest(self.clone())
    }

    /// Keeps what the HTTP service has responded.
    pub(super) fn respond(&self, response: Response<ResponseBody>) {
        *self.response() = Some(Box::new(response));
    }

    /// The HTTP service's response, where that is the response to this outcome.
    pub(super) fn take_response(&self, outcome: &Outcome) -> Option<Response<ResponseBody>> {
        let response = self.response().take()?;
        respond::is_response_to(outcome, &response).then_some(*response)
    }

    fn response(&self) -> MutexGuard<'_, Option<Box<Response<ResponseBody>>>> {
        // Nothing panics while it is held.
        self.0.response.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Caller for Call {
    fn status(&self, outcome: &Outcome) -> Option<u16> {
        match self.0.status.load(Ordering::Acquire) {
            WAITS => Some(respond::status(outcome, self.response().as_deref())),
            GONE => None,
            earlier => Some(earlier),
        }
    }

    fn leaves_with(&self, outcome: &Outcome) -> Option<u16> {
        let status = respond::status(outcome, None);
        self.0.status.store(status, Ordering::Release);
        Some(status)
    }
}

/// A request, for as long as somebody waits for its response.
pub(super) struct WaitingRequest(Call);

impl Drop for WaitingRequest {
    fn drop(&mut self) {
        let status = &self.0.0.status;
        let _ = status.compare_exchange(WAITS, GONE, Ordering::AcqRel, Ordering::Acquire);
    }
}
