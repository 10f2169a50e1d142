use std::{
    fmt,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{Router, extract::Request};
use bytes::Bytes;
use http::StatusCode;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    Attempt, Error, ErrorKind, Provider, Settings,
    clock::Clock,
    deliver::{Client, Dispatcher, Log},
    http::{Incoming, json},
    keep::{self, Opened},
    world::World,
};

/// Providers on this machine: their APIs under [`url`](Self::url), and deliveries over HTTP. The
/// [crate's page](crate) has a whole test.
///
/// It ends with its drop, or with [`stop`](Self::stop).
pub struct Sandbox {
    world: Arc<World>,
    address: SocketAddr,
    tasks: [JoinHandle<()>; 2],
    /// Ends by itself when the keeper is closed.
    write: Option<JoinHandle<()>>,
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox")
            .field("base_url", &self.world.base)
            .finish_non_exhaustive()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        self.world.keeper.close();
    }
}

pub(crate) async fn start(settings: Settings) -> Result<Sandbox, Error> {
    let listen = settings.listen;
    let failed = |error| Error::caused_by(ErrorKind::Listen, format!("cannot listen on {listen}"), error);
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let base = settings.public_url.unwrap_or_else(|| format!("http://{address}"));
    let base = base.trim_end_matches('/').to_owned();
    let Opened { mut kept, now, write } = keep::open(settings.state).await?;
    let now = now.or(settings.now).unwrap_or_else(SystemTime::now);
    let clock = Clock::new(now, settings.speed);
    let client = Client::new(settings.response_timeout)?;
    let log = Log::new(settings.observer, &mut kept)?;
    let dispatcher = Dispatcher::new(clock.clone(), client, settings.chaos, log, &mut kept)?;
    let dispatcher = Arc::new(dispatcher);
    let world = World::new(base, settings.token_lifetime, Arc::clone(&dispatcher), kept)?;
    let world = Arc::new(world);
    let app = Router::new().fallback({
        let world = Arc::clone(&world);
        move |request: Request| {
            let world = Arc::clone(&world);
            async move {
                match Incoming::read(request).await {
                    Ok(request) => world.respond(request).await,
                    Err(error) => {
                        let message = format!("the body cannot be read: {error}");
                        let body = serde_json::json!({ "error": message });
                        json(StatusCode::PAYLOAD_TOO_LARGE, "application/json", &body)
                    }
                }
            }
        }
    });
    let serve = tokio::spawn(async move {
        // It never returns: a connection that fails is that connection's.
        let _ = axum::serve(listener, app).await;
    });
    let deliver = tokio::spawn(dispatcher.run());
    Ok(Sandbox {
        world,
        address,
        tasks: [serve, deliver],
        write: write.map(|write| tokio::spawn(write(clock))),
    })
}

impl Sandbox {
    /// A sandbox on a free port of this machine, in the world's time and without chaos.
    ///
    /// # Errors
    /// No port can be listened on.
    ///
    /// # Cancel safety
    /// No sandbox is left behind.
    pub async fn start() -> Result<Self, Error> {
        Settings::new().start().await
    }

    /// The address that it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The sandbox's own URL, without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.world.base
    }

    /// The base URL of a provider's API: `http://127.0.0.1:4000/dwolla`, say.
    #[must_use]
    pub fn url(&self, provider: Provider) -> String {
        self.world.url(provider)
    }

    /// Makes an event happen, and returns it as it is delivered. What to give is on the
    /// [crate's page](crate#firing-events).
    ///
    /// ```
    /// use tower_webhook_sandbox::{Provider, Sandbox};
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    /// # runtime.block_on(async {
    /// let sandbox = Sandbox::start().await?;
    /// let event = sandbox.fire(Provider::Dwolla, r#"{"topic": "customer_created"}"#)?;
    /// assert!(event.starts_with(br#"{"id":"#));
    /// # Ok::<(), tower_webhook_sandbox::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// It is no event.
    pub fn fire(&self, provider: Provider, event: impl Into<Bytes>) -> Result<Bytes, Error> {
        self.world.fire(provider, &event.into())
    }

    /// The attempts, with what came back, in the order of the responses. The last 100,000 are kept.
    #[must_use]
    pub fn attempts(&self) -> Vec<Attempt> {
        self.world.dispatcher.log().attempts()
    }

    /// Returns when everything that is due has been sent, every response is there, and a state file
    /// has it all.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn idle(&self) {
        self.world.idle().await;
    }

    /// The sandbox's time.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.world.dispatcher.clock().now()
    }

    /// Moves the sandbox's time ahead, and returns when everything that became due has been sent.
    /// Each retry comes at its own time: 72 hours hold all of Dwolla's eight. A sandbox's time can
    /// be moved by 100 years in all.
    ///
    /// # Cancel safety
    /// The time may have moved a part of the way.
    pub async fn advance(&self, by: Duration) {
        self.world.advance(by).await;
    }

    /// Ends it, and returns when nothing is on its way any more and its state file, if it has one,
    /// is closed: the next sandbox can have it.
    ///
    /// # Errors
    /// The state file could not be written to the end.
    ///
    /// # Cancel safety
    /// The sandbox ends all the same.
    pub async fn stop(mut self) -> Result<(), Error> {
        for task in &mut self.tasks {
            task.abort();
            // It was aborted, and says so.
            let _ = task.await;
        }
        let kept = self.world.keeper.kept().await;
        self.world.keeper.close();
        if let Some(write) = self.write.take() {
            // A panic of it is in what was kept.
            let _ = write.await;
        }
        kept.map_err(|error| Error::new(ErrorKind::State, error))
    }
}
