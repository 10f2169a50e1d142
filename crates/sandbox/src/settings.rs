use std::{
    fmt,
    net::SocketAddr,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use crate::{Attempt, Chaos, Error, ErrorKind, Sandbox, deliver::Observer, server};

/// A sandbox's configuration; [`start`](Self::start) makes one.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tower_webhook_sandbox::{Chaos, Settings};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let sandbox = Settings::new()
///     .speed(0.0) // time stands still until the test moves it
///     .now(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000))
///     .chaos(Chaos::none(7).duplicate(1.0))
///     .start()
///     .await?;
/// assert!(sandbox.base_url().starts_with("http://127.0.0.1:"));
/// # Ok::<(), tower_webhook_sandbox::Error>(())
/// # }).unwrap();
/// ```
#[must_use]
pub struct Settings {
    pub(crate) listen: SocketAddr,
    pub(crate) public_url: Option<String>,
    pub(crate) speed: f64,
    pub(crate) now: Option<SystemTime>,
    pub(crate) response_timeout: Duration,
    pub(crate) token_lifetime: Duration,
    pub(crate) chaos: Option<Chaos>,
    pub(crate) observer: Option<Observer>,
    pub(crate) state: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("listen", &self.listen)
            .field("speed", &self.speed)
            .field("chaos", &self.chaos)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// A free port of this machine, the world's time and no chaos.
    pub fn new() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            public_url: None,
            speed: 1.0,
            now: None,
            response_timeout: Duration::from_secs(10),
            token_lifetime: Duration::from_secs(3600),
            chaos: None,
            observer: None,
            state: None,
        }
    }

    /// The address to listen on. Everybody who reaches it can use the sandbox.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// The URL under which others reach the sandbox, for the links in events and responses. By
    /// default it is made of the address.
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.public_url = Some(url.into());
        self
    }

    /// How many times faster than the world the sandbox's time runs; at 3600 an hour takes a
    /// second. At 0 it stands still, and [`Sandbox::advance`] moves it.
    pub fn speed(mut self, times: f64) -> Self {
        self.speed = times;
        self
    }

    /// The time at which the sandbox starts, instead of the machine's. A time in the state file
    /// takes precedence.
    pub fn now(mut self, now: SystemTime) -> Self {
        self.now = Some(now);
        self
    }

    /// How long a receiver has for its response, in the world's time. Default: 10 s.
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = timeout;
        self
    }

    /// How long an access token of Dwolla is valid, in the world's time. Default: 1 h.
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.token_lifetime = lifetime;
        self
    }

    /// Lets things go wrong.
    pub fn chaos(mut self, chaos: Chaos) -> Self {
        self.chaos = Some(chaos);
        self
    }

    /// Is called with each attempt, as soon as it has ended. If it panics, the attempt counts all
    /// the same.
    pub fn on_attempt(mut self, observe: impl Fn(&Attempt) + Send + Sync + 'static) -> Self {
        self.observer = Some(Box::new(observe));
        self
    }

    /// Keeps everything that the sandbox knows in this SQLite file, which is made if it is not
    /// there: subscriptions, deliveries, events, what is still to be sent, tokens, and the time. A
    /// sandbox that is started with it again goes on where the one before has ended, however it
    /// ended.
    ///
    /// A response to a request comes when what it has changed is in the file. What was
    /// [fired](Sandbox::fire) is there when [`idle`](Sandbox::idle) returns. What was being sent
    /// when a sandbox ended is sent once more. While none runs, the time goes on as the world's
    /// does; at speed 0 it stands still.
    ///
    /// # Security
    /// The secrets of the endpoints are in the file as they were given.
    ///
    /// ```
    /// use tower_webhook_sandbox::{Provider, Settings};
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    /// # runtime.block_on(async {
    /// # let name = format!("tower-webhook-doc-{}.db", std::process::id());
    /// # let file = std::env::temp_dir().join(name);
    /// let sandbox = Settings::new().speed(0.0).state(&file).start().await?;
    /// sandbox.fire(Provider::Dwolla, r#"{"topic": "customer_created"}"#)?;
    /// let time = sandbox.now();
    /// sandbox.stop().await?;
    ///
    /// let sandbox = Settings::new().speed(0.0).state(&file).start().await?;
    /// assert_eq!(sandbox.now(), time);
    /// # sandbox.stop().await?;
    /// # std::fs::remove_file(file).unwrap();
    /// # Ok::<(), tower_webhook_sandbox::Error>(())
    /// # }).unwrap();
    /// ```
    #[cfg(feature = "sqlite")]
    #[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
    pub fn state(mut self, file: impl Into<PathBuf>) -> Self {
        self.state = Some(file.into());
        self
    }

    /// Starts the sandbox. It runs until it is dropped.
    ///
    /// # Errors
    /// The address cannot be listened on, a setting is out of its range, or the state file is
    /// another program's or in use.
    ///
    /// # Cancel safety
    /// No sandbox is left behind.
    pub async fn start(self) -> Result<Sandbox, Error> {
        let refuse = |message: String| Err(Error::new(ErrorKind::Settings, message));
        if !(0.0..=1e6).contains(&self.speed) {
            return refuse(format!("the speed is {}; expected 0 to 1000000", self.speed));
        }
        if let Some((name, rate)) = self.chaos.as_ref().and_then(Chaos::out_of_range) {
            return refuse(format!("chaos's rate {name} is {rate}; expected 0 to 1"));
        }
        if let Some(url) = self.public_url.as_deref().filter(|url| !crate::http::is_endpoint(url)) {
            return refuse(format!("the public URL is {url}; expected http://… or https://…"));
        }
        server::start(self).await
    }
}
