//! Programs that the tests start, and end whatever becomes of the tests.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Mutex,
};

use tower_webhook::store::Token;

/// Ends the program when the tests are gone, in whatever way, and removes its folder. Where it has
/// died before, its number may be another process's by now. Postgres ends at once at the first
/// signal; `PgBouncer`, which inherits from the shell that it is ignored, at the second.
const WATCH: &str = r#"folder=$1; shift; "$@" & cat > /dev/null; grep -qsF "$folder" /proc/$!/cmdline && kill -QUIT $! && kill -TERM $!; wait $!; rm -rf "$folder""#;

/// A folder of a program, and whoever watches over it. As long as a watcher's standard input is
/// open the program runs.
pub(super) struct ChildProcess {
    folder: PathBuf,
    watchers: Mutex<Vec<Child>>,
}

impl ChildProcess {
    /// With a new folder that is the other user's.
    pub(super) fn new(kind: &str) -> Self {
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
        let folder = parent.join(format!("tower-webhook-{kind}-{name}"));
        fs::create_dir(&folder).unwrap();
        if let Some(user) = other_user() {
            run(Command::new("chown").arg(user).arg(&folder));
        }
        Self {
            folder,
            watchers: Mutex::default(),
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts the program, in whose arguments the folder is. What it says goes to the file `log`.
    pub(super) fn start(&self, program: &Command) {
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
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        for mut watcher in self.watchers.lock().unwrap().drain(..) {
            drop(watcher.stdin.take());
            let _ = watcher.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A program as the user that it may run as: neither Postgres nor `PgBouncer` runs as root.
pub(super) fn program(path: &Path) -> Command {
    match other_user() {
        None => Command::new(path),
        Some(user) => {
            let mut command = Command::new("setpriv");
            command
                .arg(format!("--reuid={user}"))
                .args(["--regid=nogroup", "--clear-groups", "--"])
                .arg(path);
            command
        }
    }
}

fn other_user() -> Option<&'static str> {
    let output = Command::new("id").arg("-u").output().unwrap();
    (output.stdout.trim_ascii() == b"0").then_some("nobody")
}

/// Where a program is that has these beside it: on the path, or in one of these folders.
pub(super) fn found(names: &[&str], besides: Vec<PathBuf>) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(besides)
        .find(|folder| names.iter().all(|name| folder.join(name).is_file()))
}

/// What is missing is said, and the test passes, unless it is required.
pub(super) fn missing(what: &str, package: &str) {
    assert!(
        std::env::var_os("REQUIRE_SERVERS").is_none_or(|value| value != "1"),
        "REQUIRE_SERVERS=1, and there is no {what}: apt-get install {package}"
    );
    eprintln!("skipped: there is no {what} here; apt-get install {package}");
}

pub(super) fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
