//! Postgres servers of the tests' own.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::Command,
    sync::OnceLock,
    time::Duration,
};

use sqlx::{Connection as _, PgConnection};

use super::child_process::{ChildProcess, found, missing, program, run};

/// A server with its data in a folder of its own.
pub(crate) struct Server {
    watched: ChildProcess,
    port: u16,
    programs: PathBuf,
    settings: Vec<String>,
}

impl Server {
    /// The one that all tests share who do it no harm; `None`, said on stderr, where the machine
    /// has no Postgres.
    pub(crate) fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Server>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref()
    }

    /// One for a test that does.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// One with settings of its own.
    pub(crate) fn start_with(settings: &[&str]) -> Option<Self> {
        let server = Self::new(settings)?;
        let mut initdb = program(&server.programs.join("initdb"));
        initdb
            .args([
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
                "-D",
            ])
            .arg(server.watched.folder().join("data"));
        run(&mut initdb);
        server.run();
        Some(server)
    }

    /// A hot standby of this server, which asks at this port for what is written, under this name.
    pub(crate) fn standby(&self, port: u16, name: &str) -> Self {
        let from = format!("primary_conninfo=host=127.0.0.1 port={port} user=postgres application_name={name}");
        // What it asks for again after a second is there sooner than in five.
        let standby = Self::new(&[&from, "wal_retrieve_retry_interval=100ms"]).unwrap();
        let mut copy = program(&self.programs.join("pg_basebackup"));
        copy.args([
            "--host=127.0.0.1",
            "--username=postgres",
            "--checkpoint=fast",
            "--no-sync",
        ])
        .args(["--write-recovery-conf", &format!("--port={}", self.port), "-D"])
        .arg(standby.watched.folder().join("data"));
        run(&mut copy);
        standby.run();
        standby
    }

    fn new(settings: &[&str]) -> Option<Self> {
        let Some(programs) = programs() else {
            missing("initdb, postgres and pg_basebackup", "postgresql");
            return None;
        };
        Some(Self {
            watched: ChildProcess::new("postgres"),
            port: free_port(),
            programs,
            settings: settings.iter().map(|setting| (*setting).to_owned()).collect(),
        })
    }

    /// Starts it (again), and waits until it answers.
    pub(crate) fn run(&self) {
        let settings = [
            "listen_addresses=127.0.0.1",
            "fsync=off",
            "full_page_writes=off",
            "max_connections=400",
        ];
        for _ in 0..100 {
            let mut postgres = program(&self.programs.join("postgres"));
            postgres
                .arg("-D")
                .arg(self.watched.folder().join("data"))
                .arg("-k")
                .arg(self.watched.folder())
                .args(["-p", &self.port.to_string()]);
            for setting in settings.into_iter().chain(self.settings.iter().map(String::as_str)) {
                postgres.args(["-c", setting]);
            }
            self.watched.start(&postgres);
            // After a kill -9 it does not start before the last process of the one before is gone.
            for _ in 0..100 {
                if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        panic!("Postgres did not start: {}", self.watched.log());
    }

    /// kill -9.
    pub(crate) fn kill(&self) {
        let file = fs::read_to_string(self.watched.folder().join("data/postmaster.pid")).unwrap();
        run(Command::new("kill").args(["-9", file.lines().next().unwrap()]));
        // Else whoever starts it again could take the dying for the new one.
        while TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Makes the standby the primary.
    pub(crate) async fn promote(&self) {
        let promoted: bool = sqlx::query_scalar("SELECT pg_promote()")
            .fetch_one(&mut self.connection().await)
            .await
            .unwrap();
        assert!(promoted);
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        self.url_of("postgres")
    }

    pub(crate) fn url_of(&self, database: &str) -> String {
        url_at(self.port, database)
    }

    /// A connection as any other program has it.
    pub(crate) async fn connection(&self) -> PgConnection {
        for _ in 0..1500 {
            // While it starts it refuses.
            match PgConnection::connect(&self.url()).await {
                Ok(connection) => return connection,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        panic!("Postgres does not answer");
    }
}

pub(crate) const PASSWORD: &str = "correct-horse-battery-staple";

/// What leads to a server behind this port.
pub(crate) fn url_at(port: u16, database: &str) -> String {
    format!("postgres://postgres:{PASSWORD}@127.0.0.1:{port}/{database}")
}

pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Where the programs are: on the path, or where Debian has them.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let folders = versions.map(|version| version.unwrap().path().join("bin"));
    found(&["initdb", "postgres", "pg_basebackup"], folders.collect())
}
