//! A redis-server (or valkey-server, or sentinel) of the tests' own: on a free port, in a folder
//! that goes with it.

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
folder=$1 log=$1/log program=$2; shift 2
"$program" "$@" >>"$log" 2>&1 &
echo $!
read _
grep -qsF "$program" /proc/$!/cmdline && kill -9 $!
wait $! 2>/dev/null
rm -rf "$folder"
"#;

pub(crate) struct Server {
    program: Program,
    /// What a sentinel is told before it starts.
    sentinel: Option<String>,
    port: u16,
    folder: PathBuf,
    settings: Vec<String>,
    process: String,
    /// The watchers of this server's processes, dead ones too: the folder goes with them.
    watchers: Vec<(ChildStdin, Child)>,
}

/// What runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    Redis,
    Valkey,
}

impl Program {
    /// The file; of Valkey also the one that `VALKEY_SERVER` names.
    fn file(self) -> String {
        match self {
            Self::Redis => "redis-server".to_owned(),
            Self::Valkey => std::env::var("VALKEY_SERVER").unwrap_or_else(|_| "valkey-server".to_owned()),
        }
    }

    /// Whether it is on this machine; else says so, or fails where it must be.
    fn is_there(self) -> bool {
        let file = self.file();
        if Command::new(&file)
            .arg("--version")
            .stdout(Stdio::null())
            .status()
            .is_ok()
        {
            return true;
        }
        // Not every system has a package of Valkey: `.ci/run` says where there is none.
        let may_be_missing = matches!(self, Self::Valkey) && std::env::var_os("WITHOUT_VALKEY").is_some();
        assert!(
            may_be_missing || std::env::var_os("REQUIRE_SERVERS").is_none(),
            "{file} is missing, and REQUIRE_SERVERS is set"
        );
        match self {
            Self::Redis => eprintln!("skipped: {file} is missing (apt-get install redis-server)"),
            Self::Valkey => {
                eprintln!("skipped: {file} is missing (apt-get install valkey-server, or VALKEY_SERVER=its path)")
            }
        }
        false
    }
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
        Self::start_as(Program::Redis, settings)
    }

    pub(crate) fn start_as(program: Program, settings: &[&str]) -> Option<Self> {
        let settings = [&["--save", "", "--appendonly", "no"], settings].concat();
        Self::start_with(program, None, &settings)
    }

    /// A sentinel with these settings, a line each.
    pub(crate) fn start_sentinel(program: Program, settings: String) -> Option<Self> {
        Self::start_with(program, Some(settings), &[])
    }

    fn start_with(program: Program, sentinel: Option<String>, settings: &[&str]) -> Option<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        if !program.is_there() {
            return None;
        }
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("tower-webhook-redis-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut server = Self {
            program,
            sentinel,
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
        let mut watcher = Command::new("sh");
        watcher
            .args(["-c", WATCH, "watch"])
            .arg(&self.folder)
            .arg(self.program.file());
        if let Some(settings) = &self.sentinel {
            let file = self.folder.join("sentinel.conf");
            std::fs::write(&file, settings).unwrap();
            watcher.arg(file).arg("--sentinel");
        }
        let mut watcher = watcher
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--dir"])
            .arg(&self.folder)
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
            assert!(
                Instant::now() < until,
                "{:?} does not start: {answer} {log}",
                self.program
            );
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

    /// It stays, and says nothing, until it goes on.
    pub(crate) fn stop(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn go_on(&self) {
        self.signal("-CONT");
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

/// Waits until a server has come to be as it should.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(50);
    while !is_so() {
        assert!(Instant::now() < until, "{what}: never");
        std::thread::sleep(Duration::from_millis(20));
    }
}
