//! Servers of the program's own, which end with it.

use std::{
    env, fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::machine::output;

/// Ends the server and removes its folder when this program is gone, in whatever way: Ctrl-C, too,
/// which a terminal sends to all.
const WATCH: &str = r#"trap '' INT TERM; folder=$1; shift; "$@" & cat > /dev/null; kill -INT $! && kill -TERM $!; wait $!; rm -rf "$folder""#;

pub struct Server {
    pub port: u16,
    watcher: Child,
}

/// A folder in the place for files.
pub fn folder(name: &str) -> PathBuf {
    let folder = crate::place().join(format!("tower-webhook-stores-{name}-{}", std::process::id()));
    fs::create_dir(&folder).expect("a folder");
    folder
}

impl Server {
    pub fn redis(appendfsync: &str) -> Self {
        let folder = folder("redis");
        let port = free_port();
        let mut program = Command::new("redis-server");
        program
            .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--dir"])
            .arg(&folder)
            .args(["--save", "", "--appendonly", "yes", "--appendfsync", appendfsync])
            // It would write all anew in the middle of some turn.
            .args(["--auto-aof-rewrite-percentage", "0"]);
        Self::run(&folder, port, &program)
    }

    /// With the settings that initdb makes.
    pub fn postgres() -> Self {
        let folder = folder("postgres");
        let port = free_port();
        let data = folder.join("data");
        if is_root() {
            output("chown", &["nobody", &folder.to_string_lossy()]);
        }
        let made = as_user(&postgres_program("initdb"))
            .args([
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--locale=C",
                "-D",
            ])
            .arg(&data)
            .output()
            .expect("initdb");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut program = as_user(&postgres_program("postgres"));
        program.arg("-D").arg(&data).arg("-k").arg(&folder).args([
            "-p",
            &port.to_string(),
            "-c",
            "listen_addresses=127.0.0.1",
        ]);
        Self::run(&folder, port, &program)
    }

    /// Before this port, in transaction mode; `None` where there is none.
    pub fn pgbouncer(before: u16) -> Option<Self> {
        let program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"]
            .into_iter()
            .find(|program| Path::new(program).is_file())?;
        let folder = folder("pgbouncer");
        let port = free_port();
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={before} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 8\n"
        );
        let file = folder.join("pgbouncer.ini");
        fs::write(&file, settings).expect("a file");
        let mut command = as_user(program);
        command.arg("--quiet").arg(file);
        Some(Self::run(&folder, port, &command))
    }

    fn run(folder: &Path, port: u16, program: &Command) -> Self {
        let watcher = Command::new("sh")
            .args(["-c", WATCH, "sh"])
            .arg(folder)
            .arg(program.get_program())
            .args(program.get_args())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let server = Self { port, watcher };
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "{program:?} does not start");
            thread::sleep(Duration::from_millis(20));
        }
        // Postgres refuses for some moments after it listens.
        thread::sleep(Duration::from_secs(1));
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        let _ = self.watcher.wait();
    }
}

/// On the path, or where Debian has them.
pub fn postgres_program(name: &str) -> String {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<_> = env::split_paths(&path).collect();
    if let Ok(versions) = fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    let program = folders
        .into_iter()
        .map(|folder| folder.join(name))
        .find(|program| program.is_file());
    let program = program.unwrap_or_else(|| panic!("{name} is missing: apt-get install postgresql"));
    program.to_string_lossy().into_owned()
}

/// Postgres refuses to run as root.
fn as_user(program: &str) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--", program]);
    command
}

fn is_root() -> bool {
    output("id", &["-u"]) == "0"
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}
