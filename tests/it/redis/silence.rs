//! Servers that fall silent, that refuse, and that are not the primary any more.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};
use tower_webhook::{
    RefusalKind,
    store::{Claimed, Completion, Effect, IdempotencyStore, StoreErrorKind},
};
use tower_webhook_redis::RedisStore;

use super::{FIRST, Server, again, claim_request, faults::Receiver};

const SHORT: Duration = Duration::from_millis(300);

/// What stands between a store and its server: it can fall silent, and lead elsewhere.
struct Proxy {
    port: u16,
    ways: Arc<Mutex<Ways>>,
}

struct Ways {
    to: SocketAddr,
    /// New connections are accepted, and nothing passes.
    is_silent: bool,
    /// One for each connection: whether nothing passes any more.
    cut: Vec<Arc<AtomicBool>>,
}

impl Proxy {
    async fn to(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let ways = Arc::new(Mutex::new(Ways {
            to: ([127, 0, 0, 1], server.port()).into(),
            is_silent: false,
            cut: Vec::new(),
        }));
        let of_listener = Arc::clone(&ways);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (to, cut) = {
                    let mut ways = of_listener.lock().unwrap();
                    let cut = Arc::new(AtomicBool::new(ways.is_silent));
                    ways.cut.push(Arc::clone(&cut));
                    (ways.to, cut)
                };
                let server = TcpStream::connect(to).await.unwrap();
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(pass(from_client, to_server, Arc::clone(&cut)));
                tokio::spawn(pass(from_server, to_client, cut));
            }
        });
        Self { port, ways }
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Nothing passes any more, on no connection: not even that it is closed.
    fn fall_silent(&self) {
        let mut ways = self.ways.lock().unwrap();
        ways.is_silent = true;
        ways.cut.iter().for_each(|cut| cut.store(true, Ordering::SeqCst));
    }

    /// New connections work; those that fell silent stay so.
    fn recover(&self) {
        self.ways.lock().unwrap().is_silent = false;
    }

    fn lead_to(&self, server: &Server) {
        self.ways.lock().unwrap().to = ([127, 0, 0, 1], server.port()).into();
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, cut: Arc<AtomicBool>) {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = from.read(&mut buffer).await;
        if cut.load(Ordering::SeqCst) {
            return std::future::pending().await;
        }
        match read {
            Ok(count @ 1..) if to.write_all(&buffer[..count]).await.is_ok() => {}
            _ => return,
        }
    }
}

#[tokio::test]
async fn a_server_that_accepts_and_never_answers_fails_the_connect_in_bounded_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Instant::now();
    let connect = RedisStore::builder(format!("redis://127.0.0.1:{port}")).timeout(SHORT);
    let error = connect.connect().await.unwrap_err();
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    assert_eq!(
        error.to_string(),
        format!("the store is unavailable: redis at 127.0.0.1:{port} did not respond within 300ms")
    );
}

#[tokio::test]
async fn no_server_fails_the_connect_at_once() {
    let port = super::server::free_port();
    let error = RedisStore::connect(&format!("redis://127.0.0.1:{port}"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    let shown = error.to_string();
    assert!(
        shown.starts_with(&format!(
            "the store is unavailable: redis at 127.0.0.1:{port}: Connection refused"
        )),
        "{shown}"
    );
}

#[tokio::test]
async fn while_the_server_is_silent_deliveries_are_answered_503_and_on_a_new_connection_it_goes_on() {
    let Some(server) = Server::start(&[]) else { return };
    let proxy = Proxy::to(&server).await;
    let store = RedisStore::builder(proxy.url()).timeout(SHORT).connect().await.unwrap();
    let receiver = Receiver::new(store.clone());
    assert_eq!(receiver.deliver("before").await.status, 200);
    let run = claim_request("dwolla", "a run under way");
    store.claim(&run).await.unwrap();

    proxy.fall_silent();
    for id in ["first", "second", "third"] {
        receiver.deliver(id).await.assert_refused(503, RefusalKind::Store);
    }
    proxy.recover();
    for id in ["first", "second", "third"] {
        receiver.deliver_until_acknowledged(id).await;
    }
    assert_eq!(
        store.complete(&run, Completion::Handled).await.unwrap(),
        Effect::Applied
    );
    assert_eq!(receiver.deliver("before").await.status, 200);
}

#[tokio::test]
async fn a_server_that_became_a_replica_is_left_for_the_one_its_name_leads_to() {
    let Some((old, new)) = Server::start(&[]).zip(Server::start(&[])) else {
        return;
    };
    let proxy = Proxy::to(&old).await;
    let store = RedisStore::connect(&proxy.url()).await.unwrap();
    assert_eq!(store.claim(&claim_request("dwolla", "before")).await.unwrap(), FIRST);

    old.command(&["REPLICAOF", "127.0.0.1", &new.port().to_string()]);
    // the old one still, by whatever connection
    let error = store.claim(&claim_request("dwolla", "meanwhile")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(error.to_string().contains("read only replica"), "{error}");

    proxy.lead_to(&new);
    let after = claim_request("dwolla", "after");
    let until = Instant::now() + Duration::from_secs(10);
    while let Err(error) = store.claim(&after).await {
        assert!(Instant::now() < until, "{error}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(new.command(&["EXISTS", "webhook:dwolla:after"]), "1");
}

#[tokio::test]
async fn a_server_that_refused_the_password_once_is_asked_again() {
    let Some(server) = Server::start(&["--requirepass", "first"]) else {
        return;
    };
    let as_operator = |password: &str, words: &[&str]| {
        server.command(&[&["--no-auth-warning", "-a", password], words].concat());
    };
    let url = format!("redis://:first@127.0.0.1:{}", server.port());
    let store = RedisStore::connect(&url).await.unwrap();
    let event = claim_request("dwolla", "event");
    assert_eq!(store.claim(&event).await.unwrap(), FIRST);

    as_operator("first", &["CONFIG", "SET", "requirepass", "second"]);
    as_operator("second", &["CLIENT", "KILL", "TYPE", "normal"]);
    let error = store.renew(&event).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);

    as_operator("second", &["CONFIG", "SET", "requirepass", "first"]);
    let until = Instant::now() + Duration::from_secs(10);
    while let Err(error) = store.renew(&event).await {
        assert!(Instant::now() < until, "{error}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn an_operation_that_is_dropped_before_its_answer_leaves_the_event_to_its_token() {
    let Some(server) = Server::start(&[]) else { return };
    let proxy = Proxy::to(&server).await;
    let store = RedisStore::builder(proxy.url()).connect().await.unwrap();
    let event = claim_request("dwolla", "event");
    proxy.fall_silent();
    // as the layer does, when its own limit is the shorter one
    assert!(
        tokio::time::timeout(Duration::from_millis(50), store.claim(&event))
            .await
            .is_err()
    );
    proxy.recover();
    let after = RedisStore::connect(&proxy.url()).await.unwrap();
    assert_eq!(after.claim(&event).await.unwrap(), FIRST);
    let answer = after.claim(&again(&event)).await.unwrap();
    assert!(matches!(answer, Claimed::InFlight { .. }), "{answer:?}");
}

/// A caller with less patience than the store has noticed the silence all the same.
#[tokio::test]
async fn a_silent_connection_is_replaced_also_where_the_caller_gives_up_first() {
    let Some(server) = Server::shared() else { return };
    let proxy = Proxy::to(server).await;
    let store = RedisStore::connect(&proxy.url()).await.unwrap();
    let namespace = super::namespace("impatient");
    assert_eq!(store.claim(&claim_request(&namespace, "1")).await.unwrap(), FIRST);
    proxy.fall_silent();
    let claim_request = claim_request(&namespace, "2");
    let given_up = tokio::time::timeout(Duration::from_millis(500), store.claim(&claim_request)).await;
    assert!(given_up.is_err());
    proxy.recover();
    assert_eq!(store.claim(&claim_request).await.unwrap(), FIRST);
}

#[tokio::test]
async fn a_server_that_hangs_up_is_asked_ten_times_a_second_and_not_by_each_delivery() {
    let Some(server) = Server::start(&[]) else { return };
    let proxy = Proxy::to(&server).await;
    let store = RedisStore::connect(&proxy.url()).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    proxy.ways.lock().unwrap().to = listener.local_addr().unwrap();
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    server.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);

    let connections = || proxy.ways.lock().unwrap().cut.len();
    let (before, began) = (connections(), Instant::now());
    let namespace = super::namespace("hangs up");
    for id in 0..100 {
        store.claim(&claim_request(&namespace, id)).await.unwrap_err();
    }
    let most = 2 + began.elapsed().as_millis() / 100;
    let asked = connections() - before;
    assert!(asked > 0 && asked as u128 <= most, "{asked}, at most {most}");
}

#[tokio::test]
async fn a_server_that_stays_a_replica_is_connected_to_twenty_times_a_second_and_not_for_each_delivery() {
    let Some((old, new)) = Server::start(&[]).zip(Server::start(&[])) else {
        return;
    };
    let proxy = Proxy::to(&old).await;
    let store = RedisStore::connect(&proxy.url()).await.unwrap();
    old.command(&["REPLICAOF", "127.0.0.1", &new.port().to_string()]);
    let connections = || proxy.ways.lock().unwrap().cut.len();
    let (before, began) = (connections(), Instant::now());
    for id in 0..100 {
        store.claim(&claim_request("dwolla", id)).await.unwrap_err();
    }
    // An operation that finds a replica tries once more.
    let most = 2 * (1 + began.elapsed().as_millis() / 100);
    let made = connections() - before;
    assert!(made > 0 && made as u128 <= most, "{made}, at most {most}");
}
