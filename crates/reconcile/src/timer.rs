//! The source of time: timeouts, the waits between retries, and the age of tokens.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    time::{Duration, SystemTime},
};

/// Tells the time and waits. The clients measure every timeout, every wait between two attempts
/// and the age of every token with it, so that a test decides how time passes.
///
/// ```
/// use std::{future::Future, pin::Pin, time::{Duration, SystemTime}};
/// use tower_webhook_reconcile::Timer;
///
/// /// Waits for nothing.
/// #[derive(Debug)]
/// struct Impatient;
///
/// impl Timer for Impatient {
///     fn now(&self) -> SystemTime {
///         SystemTime::UNIX_EPOCH
///     }
///     fn sleep(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
///         Box::pin(async {})
///     }
/// }
/// ```
pub trait Timer: fmt::Debug + Send + Sync + 'static {
    /// The present time.
    fn now(&self) -> SystemTime;

    /// Waits between two attempts, and until the next run.
    fn sleep(&self, wait: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;

    /// Ends when an attempt has taken too long. Default: [`sleep`](Self::sleep).
    fn timeout(&self, limit: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.sleep(limit)
    }
}

/// The operating system's clock and tokio's timers: the default.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioTimer;

impl Timer for TokioTimer {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn sleep(&self, wait: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(wait))
    }
}
