//! The program with a state file, which is killed.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::{
    state::File,
    support::{Receiver, Reply, call_at},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tower-webhook-sandbox");
const KEY: [&str; 1] = ["Authorization: Bearer key"];

/// A running program. Dropped, it is killed with SIGKILL.
struct Program {
    child: Child,
    address: SocketAddr,
}

impl Program {
    /// Its time stands still.
    fn start(file: &Path) -> Self {
        Self::run(
            Command::new(PROGRAM)
                .args(["--listen", "127.0.0.1:0", "--speed", "0", "--state"])
                .arg(file),
        )
    }

    fn run(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let address = first.strip_prefix("dwolla: http://").unwrap().strip_suffix("/dwolla");
        let address = address.unwrap().parse().unwrap();
        // What it prints does not fill its pipe.
        std::thread::spawn(move || lines.count());
        Self { child, address }
    }

    async fn call(&self, line: &str, body: &str) -> Reply {
        call_at(self.address, line, &KEY, body).await
    }

    async fn get(&self, path: &str) -> Value {
        self.call(&format!("GET {path}"), "").await.json()
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_got_its_response_before_a_kill_is_there_after_it() {
    let (file, receiver) = (File::new(), Receiver::start(200).await);
    let mut ids: Vec<String> = Vec::new();
    for round in 0..20 {
        let program = Program::start(file.path());
        let webhooks = program.get("/example/v1/webhooks").await;
        let known = webhooks["data"].as_array().unwrap().iter();
        let known: Vec<String> = known
            .map(|webhook| webhook["id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(known, ids, "round {round}");
        let hook = format!(r#"{{"url":"{}","events":["x.{round}"],"secret":"s"}}"#, receiver.url);
        let created = program.call("POST /example/v1/webhooks", &hook).await;
        assert_eq!(created.status, 201);
        program.kill();
        ids.push(created.json()["id"].as_str().unwrap().to_owned());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_that_was_pending_at_a_kill_comes_after_it() {
    let (file, receiver) = (File::new(), Receiver::start(500).await);
    let program = Program::start(file.path());
    let hook = format!(r#"{{"url":"{}","events":["*"],"secret":"s"}}"#, receiver.url);
    program.call("POST /example/v1/webhooks", &hook).await;
    let fired = program
        .call("POST /sandbox/example/events", r#"{"type":"user.created"}"#)
        .await;
    // Returns when what is due was sent.
    program.call("POST /sandbox/clock", r#"{"advance_seconds":30}"#).await;
    assert_eq!(receiver.received().len(), 1);
    program.kill();

    receiver.respond(200);
    let program = Program::start(file.path());
    program.call("POST /sandbox/clock", r#"{"advance_seconds":29}"#).await;
    assert_eq!(receiver.received().len(), 1);
    program.call("POST /sandbox/clock", r#"{"advance_seconds":1}"#).await;
    let received = receiver.received();
    assert_eq!(received.len(), 2);
    assert_eq!(received[1].body, fired.body.as_bytes());
    assert_eq!(received[1].body, received[0].body);
    let attempts = program.get("/sandbox/attempts").await;
    let statuses: Vec<&Value> = attempts["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attempt| &attempt["status"])
        .collect();
    assert_eq!(statuses, [200, 500]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_program_is_refused_the_file_until_the_first_is_gone() {
    let file = File::new();
    let first = Program::start(file.path());
    let second = Command::new(PROGRAM)
        .args(["--listen", "127.0.0.1:0", "--state"])
        .arg(file.path())
        .output()
        .unwrap();
    assert!(!second.status.success());
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(
        said.contains("is in use; expected it to be this sandbox's alone"),
        "{said}"
    );
    first.kill();
    Program::start(file.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_cannot_be_written_gets_no_success() {
    let file = File::new();
    // No file of this process grows beyond 64 blocks, as on a disk that is full.
    let limited = r#"trap '' XFSZ; ulimit -f 64; exec "$@""#;
    let program = Program::run(
        Command::new("sh")
            .args(["-c", limited, "sh", PROGRAM, "--listen", "127.0.0.1:0", "--state"])
            .arg(file.path()),
    );
    let event = format!(r#"{{"type":"x","data":"{}"}}"#, "x".repeat(100_000));
    let hook = r#"{"url":"http://127.0.0.1:1/","events":["*"],"secret":"s"}"#;
    program.call("POST /example/v1/webhooks", hook).await;
    let reply = program.call("POST /sandbox/example/events", &event).await;
    assert_eq!(reply.status, 500, "{}", reply.body);
    assert!(
        reply.body.contains("the state file cannot be written: "),
        "{}",
        reply.body
    );
    // Nor is anything else, as long as it is not in the file.
    assert_eq!(program.call("GET /example/v1/webhooks", "").await.status, 500);
}
