//! Servers that the tests start themselves, and end whatever becomes of the tests.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, OnceLock},
    time::Duration,
};

use sqlx::{Connection as _, PgConnection};
use tower_webhook::store::Token;

/// A server with its data in a folder of its own.
pub(crate) struct Server {
    folder: PathBuf,
    port: u16,
    programs: PathBuf,
    /// As long as its standard input is open the server runs.
    watchers: Mutex<Vec<Child>>,
}

/// Ends the server and removes its folder when the tests are gone, in whatever way. Where it has
/// died before, its number may be another process's by now.
const WATCH: &str = r#"folder=$1; shift; "$@" & cat > /dev/null; grep -qsF "$folder" /proc/$!/cmdline && kill -QUIT $!; wait $!; rm -rf "$folder""#;

impl Server {
    /// The one that all tests share who do it no harm; `None`, said on stderr, where the machine
    /// has no Postgres.
    pub(crate) fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Server>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref()
    }

    /// One for a test that does.
    pub(crate) fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            assert!(
                std::env::var_os("REQUIRE_SERVERS").is_none_or(|value| value != "1"),
                "REQUIRE_SERVERS=1, and there is no initdb and postgres: apt-get install postgresql"
            );
            eprintln!("skipped: there is no initdb and postgres here; apt-get install postgresql");
            return None;
        };
        let shared_memory = Path::new("/dev/shm");
        let parent = if shared_memory.is_dir() {
            shared_memory.to_owned()
        } else {
            std::env::temp_dir()
        };
        let name: String = Token::random()
            .to_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let folder = parent.join(format!("tower-webhook-postgres-{name}"));
        fs::create_dir(&folder).unwrap();
        let server = Self {
            port: TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port(),
            folder,
            programs,
            watchers: Mutex::default(),
        };
        if let Some(user) = other_user() {
            run(Command::new("chown").arg(user).arg(&server.folder));
        }
        run(server
            .program("initdb")
            .args([
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
                "-D",
            ])
            .arg(server.folder.join("data")));
        server.run();
        Some(server)
    }

    /// Starts it (again), and waits until it answers.
    pub(crate) fn run(&self) {
        for _ in 0..100 {
            let mut program = self.program("postgres");
            program
                .arg("-D")
                .arg(self.folder.join("data"))
                .arg("-k")
                .arg(&self.folder)
                .args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"])
                .args([
                    "-c",
                    "fsync=off",
                    "-c",
                    "full_page_writes=off",
                    "-c",
                    "max_connections=400",
                ]);
            let log = fs::File::options()
                .create(true)
                .append(true)
                .open(self.folder.join("log"))
                .unwrap();
            let watcher = Command::new("sh")
                .args(["-c", WATCH, "sh"])
                .arg(&self.folder)
                .arg(program.get_program())
                .args(program.get_args())
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .unwrap();
            self.watchers.lock().unwrap().push(watcher);
            // After a kill -9 it does not start before the last process of the one before is gone.
            for _ in 0..100 {
                if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        panic!(
            "Postgres did not start: {}",
            fs::read_to_string(self.folder.join("log")).unwrap()
        );
    }

    /// kill -9.
    pub(crate) fn kill(&self) {
        let file = fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap();
        run(Command::new("kill").args(["-9", file.lines().next().unwrap()]));
        // Else whoever starts it again could take the dying for the new one.
        while TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        self.url_of("postgres")
    }

    pub(crate) fn url_of(&self, database: &str) -> String {
        format!("postgres://postgres:{PASSWORD}@127.0.0.1:{}/{database}", self.port)
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

    /// As the user that a server may run as.
    fn program(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        match other_user() {
            None => Command::new(program),
            Some(user) => {
                let mut command = Command::new("setpriv");
                command
                    .arg(format!("--reuid={user}"))
                    .args(["--regid=nogroup", "--clear-groups", "--"])
                    .arg(program);
                command
            }
        }
    }
}

pub(crate) const PASSWORD: &str = "correct-horse-battery-staple";

impl Drop for Server {
    fn drop(&mut self) {
        for mut watcher in self.watchers.lock().unwrap().drain(..) {
            drop(watcher.stdin.take());
            let _ = watcher.wait();
        }
    }
}

/// Where the programs are: on the path, or where Debian has them.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<_> = std::env::split_paths(&path).collect();
    if let Ok(versions) = fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.map(|version| version.unwrap().path().join("bin")));
    }
    folders
        .into_iter()
        .find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
}

/// Postgres refuses to run as root.
fn other_user() -> Option<&'static str> {
    let output = Command::new("id").arg("-u").output().unwrap();
    (output.stdout.trim_ascii() == b"0").then_some("nobody")
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
