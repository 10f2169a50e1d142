//! A provider as the policy of providers have it: each event again and again until it is answered
//! 2xx. Only its pauses are shorter.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};
use tower_webhook::{dwolla, signature::Secrets};

use super::{random::Random, receiver::PROCESS};
use crate::endpoint::{event, with_body};

/// How many events are under way at once.
const AT_ONCE: u64 = 24;
/// No answer of a receiver takes as long, on any machine; what is at its port after it may never
/// answer.
const LIMIT: Duration = Duration::from_secs(20);

pub(super) struct Provider {
    secrets: Secrets,
    random: Random,
    address: Mutex<Option<SocketAddr>>,
    sent: AtomicU64,
    stops: AtomicBool,
    /// Which process acknowledged which event.
    acknowledged: Mutex<HashMap<String, u64>>,
    /// The same, to send one again.
    ids: Mutex<Vec<String>>,
    repeated: AtomicU64,
    /// What the last attempt of each event came to.
    responses: Mutex<HashMap<String, Option<(u16, u64)>>>,
    /// How many attempts got no response, and how many got another than 200.
    unanswered: AtomicU64,
    refused: AtomicU64,
}

impl Provider {
    pub(super) fn new(secret: &str, random: Random) -> Arc<Self> {
        Arc::new(Self {
            secrets: Secrets::new(secret).unwrap(),
            random,
            address: Mutex::default(),
            sent: AtomicU64::new(0),
            stops: AtomicBool::new(false),
            acknowledged: Mutex::default(),
            ids: Mutex::default(),
            repeated: AtomicU64::new(0),
            responses: Mutex::default(),
            unanswered: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })
    }

    /// Sends new events, until told to stop, and acknowledged ones once more. Completes when all
    /// are acknowledged.
    pub(super) fn start(self: &Arc<Self>) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        for task in 0..AT_ONCE {
            let (provider, random) = (Arc::clone(self), self.random.branch(task));
            tasks.spawn(async move {
                while !provider.stops.load(Ordering::SeqCst) {
                    provider.deliver(&random).await;
                    if random.one_in(4) {
                        provider.repeat(&random).await;
                    }
                }
            });
        }
        tasks
    }

    /// Where the receiver listens.
    pub(super) fn send_to(&self, address: SocketAddr) {
        self.address.lock().unwrap().replace(address);
    }

    /// No new events.
    pub(super) fn stop(&self) {
        self.stops.store(true, Ordering::SeqCst);
    }

    /// How many events were sent: their ids are the numbers from 0.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }

    /// How many deliveries of acknowledged events were acknowledged.
    pub(super) fn repeated(&self) -> u64 {
        self.repeated.load(Ordering::SeqCst)
    }

    /// How many events were acknowledged.
    pub(super) fn acknowledgements(&self) -> u64 {
        self.acknowledged.lock().unwrap().len() as u64
    }

    /// How many attempts got no response.
    pub(super) fn unanswered(&self) -> u64 {
        self.unanswered.load(Ordering::SeqCst)
    }

    /// How many attempts got another response than 200.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::SeqCst)
    }

    /// The status of the last response to this event, and whose it was.
    pub(super) fn last_response(&self, id: &str) -> Option<(u16, u64)> {
        self.responses.lock().unwrap().get(id).copied().flatten()
    }

    /// Which process acknowledged the event.
    pub(super) fn acknowledged(&self, id: &str) -> Option<u64> {
        self.acknowledged.lock().unwrap().get(id).copied()
    }

    /// One attempt for an event with this id: its status.
    pub(super) async fn send_one(&self, id: &str) -> Option<u16> {
        Some(self.attempt(id).await?.0)
    }

    async fn deliver(&self, random: &Random) {
        let id = self.sent.fetch_add(1, Ordering::SeqCst).to_string();
        let process = loop {
            match self.attempt(&id).await {
                Some((200, process)) => break process,
                _ => sleep(Duration::from_millis(10 + random.below(41))).await,
            }
        };
        self.acknowledged.lock().unwrap().insert(id.clone(), process);
        self.ids.lock().unwrap().push(id);
    }

    /// One event that was acknowledged, once more.
    async fn repeat(&self, random: &Random) {
        let id = {
            let ids = self.ids.lock().unwrap();
            ids[usize::try_from(random.below(ids.len() as u64)).unwrap()].clone()
        };
        if let Some((200, _)) = self.attempt(&id).await {
            self.repeated.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// One attempt: the status and who answered; `None` if nobody did, or not to the end.
    async fn attempt(&self, id: &str) -> Option<(u16, u64)> {
        let address = (*self.address.lock().unwrap())?;
        let response = timeout(LIMIT, self.request(address, id)).await.ok().flatten();
        self.responses.lock().unwrap().insert(id.to_owned(), response);
        let count = match response {
            Some((200, _)) => None,
            Some(_) => Some(&self.refused),
            None => Some(&self.unanswered),
        };
        if let Some(count) = count {
            count.fetch_add(1, Ordering::SeqCst);
        }
        let (status, process) = response?;
        assert!([200, 500, 503].contains(&status), "{id} was answered {status}");
        Some((status, process))
    }

    async fn request(&self, address: SocketAddr, id: &str) -> Option<(u16, u64)> {
        let body = event(id);
        let headers = dwolla::scheme().sign(&self.secrets, body.as_bytes()).unwrap();
        let request = with_body(headers, Full::from(body.into_bytes()));
        let io = TokioIo::new(TcpStream::connect(address).await.ok()?);
        let (mut provider, connection) = http1::handshake(io).await.ok()?;
        let mut driver = JoinSet::new();
        driver.spawn(async move { drop(connection.await) });
        let (head, body) = provider.send_request(request).await.ok()?.into_parts();
        body.collect().await.ok()?;
        // The port may be another server's by now. It does not know the secret, and does not say
        // who it is.
        let process = head.headers.get(PROCESS)?.to_str().unwrap().parse().unwrap();
        Some((head.status.as_u16(), process))
    }
}
