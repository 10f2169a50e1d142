//! What stands before several receivers: it passes each connection to the next of those that say
//! they are ready, and asks them again and again.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http_body_util::Empty;
use hyper::{Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// Where a receiver says whether it is ready.
pub(super) const READINESS: &str = "/readyz";
/// Between two questions of that kind.
const CHECK: Duration = Duration::from_millis(5);

#[derive(Clone)]
pub(super) struct Balancer {
    targets: Arc<Mutex<Vec<Target>>>,
    next: Arc<AtomicUsize>,
}

/// A receiver. As many hold it as connections are passed to it, and one more.
type Target = Arc<SocketAddr>;

impl Balancer {
    pub(super) async fn start() -> (Self, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let balancer = Self {
            targets: Arc::default(),
            next: Arc::default(),
        };
        let passing = balancer.clone();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let balancer = passing.clone();
                tokio::spawn(async move {
                    for target in balancer.in_turn() {
                        // One that does not accept was sent nothing yet.
                        if let Ok(mut receiver) = TcpStream::connect(*target).await {
                            let _ = copy_bidirectional(&mut client, &mut receiver).await;
                            return;
                        }
                    }
                });
            }
        });
        (balancer, address)
    }

    /// Passes to this receiver as long as it is ready. One that is not any more gets no new
    /// connections, and is asked once more when those that it has are over.
    pub(super) fn add(&self, receiver: SocketAddr) {
        let balancer = self.clone();
        tokio::spawn(async move {
            while !is_ready(receiver).await.unwrap_or(false) {
                tokio::time::sleep(CHECK).await;
            }
            let target = Target::new(receiver);
            balancer.targets.lock().unwrap().push(Arc::clone(&target));
            while is_ready(receiver).await == Some(true) {
                tokio::time::sleep(CHECK).await;
            }
            balancer.targets.lock().unwrap().retain(|other| **other != receiver);
            while Arc::strong_count(&target) > 1 {
                tokio::time::sleep(CHECK).await;
            }
            is_ready(receiver).await;
        });
    }

    /// How many receivers there are now.
    pub(super) fn receivers(&self) -> usize {
        self.targets.lock().unwrap().len()
    }

    /// Where to pass a connection: to the next, or if that fails to one of the others.
    fn in_turn(&self) -> Vec<Target> {
        let mut targets = self.targets.lock().unwrap().clone();
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let number = targets.len().max(1);
        targets.rotate_left(first % number);
        targets
    }
}

async fn is_ready(receiver: SocketAddr) -> Option<bool> {
    let stream = TcpStream::connect(receiver).await.ok()?;
    let (mut client, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    let mut driver = JoinSet::new();
    driver.spawn(async move { drop(connection.await) });
    let request = Request::get(READINESS).body(Empty::<Bytes>::new()).unwrap();
    Some(client.send_request(request).await.ok()?.status() == 200)
}
