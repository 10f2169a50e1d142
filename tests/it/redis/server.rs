//! A redis-server of the tests' own: on a free port, in a folder that goes with it.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// Starts the server and ends it when this process closes its end of the pipe, however that comes
/// about. Where it has died before, its number may be another process's by now.
const WATCH: &str = r#"
folder=$1 log=$1/log; shift
redis-server "$@" >>"$log" 2>&1 &
echo $!
read _
grep -qs redis-server /proc/$!/cmdline && kill -9 $!
wait $! 2>/dev/null
rm -rf "$folder"
"#;

pub(crate) struct Server {
    port: u16,
    folder: PathBuf,
    settings: Vec<String>,
    process: String,
    /// The watchers of this server's processes, dead ones too: the folder goes with them.
    watchers: Vec<(ChildStdin, Child)>,
}

impl Server {
    /// One that keeps nothing, for all tests that need no more of it. `None`, and a line, where
    /// there is no redis-server.
    pub(crate) fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Server>> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&[])).as_ref()
    }

    /// One with these settings besides `--save "" --appendonly no`.
    pub(crate) fn start(settings: &[&str]) -> Option<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        if Command::new("redis-server")
            .arg("--version")
            .stdout(Stdio::null())
            .status()
            .is_err()
        {
            assert!(
                std::env::var_os("REQUIRE_SERVERS").is_none(),
                "redis-server is missing, and REQUIRE_SERVERS is set"
            );
            eprintln!("skipped: redis-server is missing (apt-get install redis-server)");
            return None;
        }
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("tower-webhook-redis-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut server = Self {
            port: free_port(),
            folder,
            settings: settings.iter().map(|setting| (*setting).to_owned()).collect(),
            process: String::new(),
            watchers: Vec::new(),
        };
        server.spawn();
        Some(server)
    }

    fn spawn(&mut self) {
        let mut watcher = Command::new("sh")
            .args(["-c", WATCH, "watch"])
            .arg(&self.folder)
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--dir"])
            .arg(&self.folder)
            .args(["--save", "", "--appendonly", "no"])
            .args(&self.settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        self.process.clear();
        BufReader::new(watcher.stdout.take().unwrap())
            .read_line(&mut self.process)
            .unwrap();
        self.watchers.push((watcher.stdin.take().unwrap(), watcher));
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let answer = self.try_command(&["PING"]);
            // A server that wants a password is there, too.
            if answer.contains("PONG") || answer.contains("NOAUTH") {
                break;
            }
            let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(Instant::now() < until, "redis-server does not start: {answer} {log}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        &self.folder
    }

    /// What an operator would type; the answer as redis-cli shows it to a pipe.
    #[track_caller]
    pub(crate) fn command(&self, words: &[&str]) -> String {
        let answer = self.try_command(words);
        assert!(
            !answer.starts_with("ERR") && !answer.contains("Could not connect"),
            "{words:?}: {answer}"
        );
        answer.trim_end().to_owned()
    }

    fn try_command(&self, words: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string()])
            .args(words)
            .output()
            .unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    /// As the kernel does when memory runs out.
    pub(crate) fn kill(&self) {
        self.signal("-KILL");
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
            assert!(Instant::now() < until, "killed, and still there");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill")
            .args([signal, self.process.trim()])
            .status()
            .unwrap();
        assert!(status.success(), "kill {signal}");
    }

    /// Once more, with what is in its folder.
    pub(crate) fn start_again(&mut self) {
        self.spawn();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for (mut stdin, mut watcher) in self.watchers.drain(..) {
            let _ = stdin.write_all(b"\n");
            drop(stdin);
            let _ = watcher.wait();
        }
    }
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
