//! The page of what came, for whoever is on this machine.

use std::{env, error::Error, net::SocketAddr, time::Duration};

use tokio::{net::TcpListener, task::JoinHandle};
use tower_webhook::{
    Provider,
    delivery_log::{Captures, MemoryLog},
    inbox::AnyInbox,
    signature::{Explain, Secrets},
    store::AnyStore,
};
use tower_webhook_inspector::{Access, Endpoint, Inspector};

use crate::Store;

/// Where the page is, unless it is set.
const ADDRESS: &str = "127.0.0.1:4001";

/// So many deliveries are kept, with about 400 bytes each.
const DELIVERIES: usize = 10_000;

/// For how long refused requests are kept whole, from the start on.
const CAPTURING: Duration = Duration::from_secs(3600);

/// What the layers tell the page.
pub(crate) struct Inspection {
    pub(crate) log: MemoryLog,
    pub(crate) captures: Captures,
    endpoints: Vec<Endpoint>,
    listener: Option<TcpListener>,
}

impl Inspection {
    /// Opens the page's address, where it is wanted.
    pub(crate) async fn open() -> Result<Self, Box<dyn Error>> {
        let given = env::var("INSPECT").ok();
        let listener = match given.as_deref() {
            Some("" | "0") => None,
            _ => listen(given.as_deref()).await?,
        };
        let captures = Captures::new();
        if listener.is_some() {
            captures.start(CAPTURING);
        }
        Ok(Self {
            log: MemoryLog::new(DELIVERIES),
            captures,
            endpoints: Vec::new(),
            listener,
        })
    }

    /// Shows an endpoint. With its secret, refused signatures are explained.
    pub(crate) fn add(&mut self, provider: &impl Provider, secret: &str, store: &Store) {
        let mut endpoint = Endpoint::of(provider).secrets(1);
        if let (Some(scheme), Ok(secrets)) = (provider.verifier().scheme(), Secrets::new(secret)) {
            endpoint = endpoint.explain(Explain::new(scheme, &secrets));
        }
        self.endpoints.push(match store {
            Store::Plain(store) => endpoint.store(AnyStore::clone(store)),
            Store::Inbox(inbox) => endpoint.inbox(AnyInbox::clone(inbox)),
        });
    }

    /// Serves the page, and says where it is.
    pub(crate) fn serve(self) -> Result<Option<JoinHandle<()>>, Box<dyn Error>> {
        let Some(listener) = self.listener else {
            return Ok(None);
        };
        let mut page = Inspector::builder(Access::loopback_only())
            .log(self.log)
            .captures(&self.captures);
        for endpoint in self.endpoints {
            page = page.endpoint(endpoint);
        }
        let page = page.build()?.into_make_service_with_connect_info::<SocketAddr>();
        eprintln!("see what came at http://{}/", listener.local_addr()?);
        Ok(Some(tokio::spawn(async move {
            let _ = axum::serve(listener, page).await;
        })))
    }
}

/// The page has no login here, so nobody else may reach it.
async fn listen(given: Option<&str>) -> Result<Option<TcpListener>, String> {
    let address = given.unwrap_or(ADDRESS);
    let expected = "expected a free loopback address and port, or 0 for no page";
    let wrong = |why: &str| format!("INSPECT={address}: {why}; {expected}");
    let parsed: SocketAddr = address.parse().map_err(|_| wrong("no address"))?;
    if !parsed.ip().is_loopback() {
        return Err(wrong("others could reach it"));
    }
    match TcpListener::bind(parsed).await {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if given.is_some() => Err(wrong(&error.to_string())),
        Err(error) => {
            eprintln!("without the page of what came: {ADDRESS}: {error}; INSPECT sets another address");
            Ok(None)
        }
    }
}
