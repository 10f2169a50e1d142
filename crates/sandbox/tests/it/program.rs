//! The command line.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use crate::support::Receiver;

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tower-webhook-sandbox"));
    command.args(["--listen", "127.0.0.1:0"]).args(arguments);
    command
}

/// A running sandbox, and what it prints.
struct Program {
    child: Child,
    /// `None` once nobody reads any more.
    lines: Option<std::io::Lines<BufReader<ChildStdout>>>,
}

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let mut child = command(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let lines = Some(lines);
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        self.lines.as_mut().unwrap().next().unwrap().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn refused(arguments: &[&str]) -> String {
    let Output { status, stderr, .. } = command(arguments).output().unwrap();
    assert!(!status.success());
    String::from_utf8(stderr).unwrap()
}

async fn post(url: &str, body: String) -> String {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let address = host.parse().unwrap();
    let key = ["Authorization: Bearer key"];
    crate::support::call_at(address, &format!("POST /{path}"), &key, &body)
        .await
        .body
}

#[tokio::test(flavor = "multi_thread")]
async fn it_prints_where_the_providers_are_and_what_it_sends() {
    let receiver = Receiver::start(200).await;
    let mut program = Program::start(&[
        "--chaos",
        "drop=0,delay=0,duplicate=0,reorder=0,hang-up=0",
        "--seed",
        "7",
    ]);
    assert_eq!(program.line(), "chaos with --seed 7");
    let urls: Vec<String> = (0..4).map(|_| program.line()).collect();
    let names = [
        "dwolla: http://127.0.0.1:",
        "example: http://",
        "github: http://",
        "stripe: http://",
    ];
    for (line, name) in urls.iter().zip(names) {
        assert!(line.starts_with(name), "{line}");
    }
    let example = urls[1].strip_prefix("example: ").unwrap();
    assert!(example.ends_with("/example/v1"));
    let fire = program.line();
    let base = fire.strip_prefix("fire events: POST ").unwrap();
    let fire = base.replace("PROVIDER", "example");

    let hook = format!(r#"{{"url":"{}","events":["*"],"secret":"s"}}"#, receiver.url);
    post(&format!("{example}/webhooks"), hook).await;
    let event = post(&fire, r#"{"type":"user.created"}"#.to_owned()).await;
    let line = program.line();
    let expected = format!(
        "example user.created {} -> {}: 200 in ",
        crate::support::id_of(event.as_bytes()),
        receiver.url
    );
    assert!(line.starts_with(&expected), "{line}");
}

#[test]
fn bad_arguments_are_refused_with_what_is_expected() {
    assert_eq!(
        refused(&["--speed=-1"]),
        "tower-webhook-sandbox: the speed is -1; expected 0 to 1000000\n",
    );
    let share = "the share of chaos is hunger=1; expected NAME=SHARE with one of duplicate, reorder, delay, drop, \
                 hang-up, resend-late, odd-form and a number from 0 to 1";
    assert_eq!(
        refused(&["--chaos", "hunger=1"]),
        format!("tower-webhook-sandbox: {share}\n")
    );
    assert!(refused(&["--chaos", "drop=2"]).contains("chaos's rate drop is 2; expected 0 to 1"));
    assert!(refused(&["--seed", "7"]).contains("--chaos"));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_when_nobody_reads_what_it_prints() {
    let receiver = Receiver::start(200).await;
    let mut program = Program::start(&[]);
    let urls: Vec<String> = (0..5).map(|_| program.line()).collect();
    program.lines = None;
    let example = urls[1].strip_prefix("example: ").unwrap();
    let base = urls[4].strip_prefix("fire events: POST ").unwrap();
    let hook = format!(r#"{{"url":"{}","events":["*"],"secret":"s"}}"#, receiver.url);
    post(&format!("{example}/webhooks"), hook).await;
    for _ in 0..2 {
        post(
            &base.replace("PROVIDER", "example"),
            r#"{"type":"user.created"}"#.to_owned(),
        )
        .await;
        // Returns when everything that is due was sent: a line was to be printed for it.
        let clock = base.replace("PROVIDER/events", "clock");
        post(&clock, r#"{"advance_seconds":1}"#.to_owned()).await;
    }
    assert_eq!(receiver.received().len(), 2);
    assert!(program.child.try_wait().unwrap().is_none());
}
