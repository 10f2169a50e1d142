//! Access tokens that run out: renewed early, with one request for everybody who waits.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::sync::Mutex;

use crate::{Error, Timer, secret::Secret};

/// How long before its end a token is renewed. Dwolla's own client does the same.
const EARLY: Duration = Duration::from_secs(60);

/// A token for an API, and how long it is valid.
#[derive(Clone, Debug)]
pub struct AccessToken {
    secret: Secret,
    valid_for: Duration,
}

impl AccessToken {
    /// A token, as the provider gave it, and for how long from now it is valid.
    #[must_use]
    pub fn new(token: impl Into<String>, valid_for: Duration) -> Self {
        Self {
            secret: Secret::new(token),
            valid_for,
        }
    }
}

type Fetch = dyn Fn() -> Pin<Box<dyn Future<Output = Result<AccessToken, Error>> + Send>> + Send + Sync;

/// Fetches a token when it is needed and keeps it while it is valid.
pub(crate) struct TokenSource {
    fetch: Box<Fetch>,
    timer: Arc<dyn Timer>,
    state: Mutex<State>,
    /// How many fetches have ended.
    ended: AtomicU64,
}

#[derive(Default)]
struct State {
    token: Option<Arc<Current>>,
    /// The error of the latest fetch, unless it succeeded.
    failure: Option<Error>,
}

pub(crate) struct Current {
    secret: Secret,
    renew_at: SystemTime,
}

impl Current {
    pub(crate) fn secret(&self) -> &Secret {
        &self.secret
    }
}

impl TokenSource {
    pub(crate) fn new<F, Fut>(timer: Arc<dyn Timer>, fetch: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<AccessToken, Error>> + Send + 'static,
    {
        Self {
            fetch: Box::new(move || Box::pin(fetch())),
            timer,
            state: Mutex::default(),
            ended: AtomicU64::new(0),
        }
    }

    /// A valid token. A caller that waits while another fetches gets what that one gets, a failure
    /// too.
    ///
    /// # Cancel safety
    /// A caller that is dropped while it fetches leaves the fetching to the next.
    pub(crate) async fn get(&self) -> Result<Arc<Current>, Error> {
        let before = self.ended.load(Ordering::Acquire);
        let mut state = self.state.lock().await;
        let now = self.timer.now();
        if let Some(token) = state.token.as_ref().filter(|token| now < token.renew_at) {
            return Ok(Arc::clone(token));
        }
        if self.ended.load(Ordering::Acquire) != before
            && let Some(failure) = &state.failure
        {
            return Err(failure.clone());
        }
        let fetched = (self.fetch)().await;
        self.ended.fetch_add(1, Ordering::AcqRel);
        match fetched {
            Ok(token) => {
                // A token that lives for two minutes or less would never be in use.
                let early = EARLY.min(token.valid_for / 2);
                let current = Arc::new(Current {
                    secret: token.secret,
                    renew_at: now.checked_add(token.valid_for.saturating_sub(early)).unwrap_or(now),
                });
                state.token = Some(Arc::clone(&current));
                state.failure = None;
                Ok(current)
            }
            Err(error) => {
                state.token = None;
                state.failure = Some(error.clone());
                Err(error)
            }
        }
    }

    /// The API refused this token: it is not used again. A newer one stays.
    pub(crate) async fn refuse(&self, token: &Arc<Current>) {
        let mut state = self.state.lock().await;
        if state.token.as_ref().is_some_and(|current| Arc::ptr_eq(current, token)) {
            state.token = None;
        }
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSource").finish_non_exhaustive()
    }
}
