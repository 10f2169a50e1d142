//! Between store and server: what makes a server accept and never answer.

use std::sync::Arc;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

pub(crate) struct Proxy {
    pub(crate) port: u16,
    silent: Arc<watch::Sender<bool>>,
}

impl Proxy {
    pub(crate) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            silent: Arc::new(watch::Sender::new(false)),
        };
        let silent = Arc::clone(&proxy.silent);
        tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let mut silent = silent.subscribe();
                tokio::spawn(async move {
                    if !*silent.borrow() {
                        let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await else {
                            return;
                        };
                        tokio::select! {
                            _ = copy_bidirectional(&mut client, &mut server) => return,
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
}
