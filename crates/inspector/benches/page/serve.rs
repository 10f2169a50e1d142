//! The page's server, in a process of its own.

use std::{net::SocketAddr, process::Stdio, time::SystemTime};

use axum::Router;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::TcpListener,
    process::{Child, Command},
};
use tower_webhook::{delivery_log::MemoryLog, dwolla::Dwolla};
use tower_webhook_inspector::{Access, Endpoint, Inspector};
use tower_webhook_sqlx::SqlDeliveryLog;

use crate::fill;

/// The argument that makes a server of this program.
pub(crate) const WORD: &str = "serve";

/// Serves the page of a log until its standard input ends. Its first line says how much memory it
/// had before, and where it is.
pub(crate) async fn serve(url: &str, entries: u64) {
    let before = memory_of("self", "VmRSS:");
    let page = Inspector::builder(Access::loopback_only()).endpoint(Endpoint::of(&Dwolla::new("a secret").unwrap()));
    let page = if url == "memory:" {
        let log = MemoryLog::new(usize::try_from(entries).unwrap());
        fill::log(&log, 0..entries, entries, SystemTime::now());
        page.log(log)
    } else {
        page.log(SqlDeliveryLog::connect(url).await.unwrap())
    };
    let app = Router::new().nest("/inspector", page.build().unwrap());
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{before} http://{}/inspector", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    // Whoever started it holds the other end, and lets go of it in whatever way it ends.
    let input = || std::io::read_to_string(std::io::stdin());
    drop(tokio::task::spawn_blocking(input).await);
}

/// A line of a process's status, in KiB.
fn memory_of(process: &str, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

pub(crate) struct Served {
    pub(crate) url: String,
    /// Its memory when it began, in KiB.
    pub(crate) before: u64,
    child: Child,
}

impl Served {
    pub(crate) async fn start(url: &str, entries: u64) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([WORD, url, &entries.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().unwrap();
        let (before, url) = line.split_once(' ').unwrap();
        Self {
            url: url.to_owned(),
            before: before.parse().unwrap(),
            child,
        }
    }

    pub(crate) fn memory(&self) -> u64 {
        memory_of(&self.child.id().unwrap().to_string(), "VmRSS:")
    }

    /// The most that it ever had.
    pub(crate) fn most(&self) -> u64 {
        memory_of(&self.child.id().unwrap().to_string(), "VmHWM:")
    }
}
