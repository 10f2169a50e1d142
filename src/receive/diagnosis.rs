//! Why a signature was refused, into the log: opt-in, beside the response, bounded in rate.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use tokio::{task::spawn_blocking, time::Instant};

use super::Receiver;
use crate::{
    error::{Refusal, RefusalKind},
    provider::Provider,
    signature::Explain,
    store::IdempotencyStore,
    trace::{self, Brief, Span},
};

const MINUTE: Duration = Duration::from_secs(60);

/// The settings of the layer's switch.
pub(crate) struct Diagnosis {
    explain: Arc<Explain>,
    per_minute: usize,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// When the explanations of the last minute began.
    begun: VecDeque<Instant>,
    /// One at a time: an explanation takes a core and a body.
    is_busy: bool,
}

impl Diagnosis {
    pub(crate) fn new(explain: Explain, per_minute: u32) -> Self {
        Self {
            explain: Arc::new(explain),
            per_minute: usize::try_from(per_minute).unwrap_or(usize::MAX),
            state: Arc::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an explanation may begin now.
    fn has_room(&self, state: &mut State) -> bool {
        while state.begun.front().is_some_and(|begun| begun.elapsed() >= MINUTE) {
            state.begun.pop_front();
        }
        !state.is_busy && state.begun.len() < self.per_minute
    }

    fn begin(&self) -> Option<RunningExplanation> {
        let mut state = self.state();
        if !self.has_room(&mut state) {
            return None;
        }
        state.begun.push_back(Instant::now());
        state.is_busy = true;
        Some(RunningExplanation(Arc::clone(&self.state)))
    }
}

/// An explanation at work.
struct RunningExplanation(Arc<Mutex<State>>);

impl Drop for RunningExplanation {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_busy = false;
    }
}

/// A request that may yet be refused. Empty, and free, where the switch is off or its rate used up.
pub(super) struct DiagnosedRequest(Option<Box<RequestCopy>>);

/// The parts of a request that the steps consume.
struct RequestCopy {
    headers: HeaderMap,
    body: Option<Bytes>,
}

impl<P: Provider, S> Receiver<P, S> {
    pub(super) fn suspect(&self, headers: &HeaderMap) -> DiagnosedRequest {
        let room = self
            .diagnosis
            .as_ref()
            .filter(|diagnosis| diagnosis.has_room(&mut diagnosis.state()));
        DiagnosedRequest(room.map(|_| {
            Box::new(RequestCopy {
                headers: headers.clone(),
                body: None,
            })
        }))
    }
}

impl DiagnosedRequest {
    pub(super) fn take_body(&mut self, body: &Bytes) {
        if let Some(kept) = &mut self.0 {
            kept.body = Some(body.clone());
        }
    }

    /// Explains the refusal in the background, if it was for the signature.
    pub(super) fn explain<P: Provider, S: IdempotencyStore>(
        &mut self,
        receiver: &Receiver<P, S>,
        span: &Span,
        refused: &Refusal,
    ) {
        if refused.kind() != RefusalKind::Signature {
            return;
        }
        let Some((kept, diagnosis)) = self.0.take().zip(receiver.diagnosis.as_ref()) else {
            return;
        };
        let Some(busy) = diagnosis.begin() else { return };
        let explain = Arc::clone(&diagnosis.explain);
        let now = receiver.clock.now();
        let provider = receiver.provider.name().to_owned();
        let namespace = Arc::clone(&receiver.settings.process.namespace);
        let work = move || match kept.body {
            Some(body) => Some(explain.request_at(&kept.headers, &body, now)),
            None => explain.headers_at(&kept.headers, now),
        };
        tokio::spawn(span.follow(async move {
            let found = spawn_blocking(work).await;
            drop(busy);
            if let Ok(Some(explanation)) = found {
                // Inside the call: `format_args!` bound to a name needs a newer Rust than ours.
                trace::warn_at(
                    &provider,
                    &namespace,
                    format_args!("a signature from {} was refused; {explanation}", Brief(&provider)),
                );
            }
        }));
    }
}

impl fmt::Debug for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Diagnosis")
            .field("explain", &self.explain)
            .field("per_minute", &self.per_minute)
            .finish_non_exhaustive()
    }
}
