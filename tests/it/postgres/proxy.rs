//! Between store and server: what makes a server accept and never answer, leads to another, and
//! counts how often it is waited for.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};

pub(crate) struct Proxy {
    pub(crate) port: u16,
    silent: Arc<watch::Sender<bool>>,
    server: Arc<watch::Sender<u16>>,
    round_trips: Arc<AtomicUsize>,
}

impl Proxy {
    pub(crate) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            silent: Arc::new(watch::Sender::new(false)),
            server: Arc::new(watch::Sender::new(port)),
            round_trips: Arc::default(),
        };
        let round_trips = Arc::clone(&proxy.round_trips);
        let (silent, server) = (Arc::clone(&proxy.silent), Arc::clone(&proxy.server));
        tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let (mut silent, mut target) = (silent.subscribe(), server.subscribe());
                let round_trips = Arc::clone(&round_trips);
                tokio::spawn(async move {
                    if !*silent.borrow() {
                        let port = *target.borrow_and_update();
                        let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await else {
                            return;
                        };
                        tokio::select! {
                            _ = pass_on(&mut client, &mut server, &round_trips) => return,
                            _ = target.changed() => return,
                            _ = silent.wait_for(|silent| *silent) => {}
                        }
                    }
                    // It stays open and says nothing, also when others are served again.
                    std::future::pending::<()>().await;
                    drop(client);
                });
            }
        });
        proxy
    }

    pub(crate) fn silence(&self, silent: bool) {
        self.silent.send_replace(silent);
    }

    /// Cuts what is connected, and leads whoever connects from now on to the server at this port:
    /// as an address does that goes to another machine.
    pub(crate) fn lead_to(&self, port: u16) {
        self.server.send_replace(port);
    }

    /// How often a client spoke after the server had.
    pub(crate) fn round_trips(&self) -> usize {
        self.round_trips.load(Ordering::SeqCst)
    }
}

/// Until one of them ends.
async fn pass_on(client: &mut TcpStream, server: &mut TcpStream, round_trips: &AtomicUsize) -> std::io::Result<()> {
    let (mut question, mut answer) = ([0; 4096], [0; 4096]);
    let mut server_spoke = true;
    loop {
        tokio::select! {
            length = client.read(&mut question) => match length? {
                0 => return Ok(()),
                length => {
                    round_trips.fetch_add(usize::from(std::mem::take(&mut server_spoke)), Ordering::SeqCst);
                    server.write_all(&question[..length]).await?;
                }
            },
            length = server.read(&mut answer) => match length? {
                0 => return Ok(()),
                length => {
                    server_spoke = true;
                    client.write_all(&answer[..length]).await?;
                }
            },
        }
    }
}
