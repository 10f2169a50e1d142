use std::{
    future::{Future, pending, ready},
    pin::Pin,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use tower_webhook_reconcile::Timer;

/// A clock that stands still until a wait moves it. It waits for nothing, and remembers each wait.
#[derive(Clone, Debug)]
pub(crate) struct TestTimer(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    now: SystemTime,
    waits: Vec<Duration>,
    limits: Vec<Duration>,
    times_out: bool,
}

impl TestTimer {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            now: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
            waits: Vec::new(),
            limits: Vec::new(),
            times_out: false,
        })))
    }

    /// From now on, every attempt has taken too long at once.
    pub(crate) fn times_out(self) -> Self {
        self.0.lock().unwrap().times_out = true;
        self
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.lock().unwrap().now += by;
    }

    /// How long each attempt may have taken.
    pub(crate) fn limits(&self) -> Vec<Duration> {
        self.0.lock().unwrap().limits.clone()
    }

    pub(crate) fn waits(&self) -> Vec<Duration> {
        self.0.lock().unwrap().waits.clone()
    }
}

impl Timer for TestTimer {
    fn now(&self) -> SystemTime {
        self.0.lock().unwrap().now
    }

    fn sleep(&self, wait: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let mut state = self.0.lock().unwrap();
        state.now += wait;
        state.waits.push(wait);
        Box::pin(ready(()))
    }

    fn timeout(&self, limit: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let mut state = self.0.lock().unwrap();
        state.limits.push(limit);
        if state.times_out {
            Box::pin(ready(()))
        } else {
            Box::pin(pending())
        }
    }
}
