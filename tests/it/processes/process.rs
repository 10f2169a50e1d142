//! Another process of this test binary: a task when it starts, lines in both directions, and its
//! end.

use std::{
    ffi::OsString,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::process::ExitStatusExt as _,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    time::Duration,
};

use serde_json::Value;

/// Holds the task of a process that was started by another.
const TASK: &str = "TOWER_WEBHOOK_TASK";
/// Tells the process's lines from those of the test harness, which may stand before the first.
const MARK: &str = "@ ";
/// Nothing here takes as long on any machine.
const LIMIT: Duration = Duration::from_secs(120);

/// The process, as the one that started it sees it. Dropped, it is killed.
pub(super) struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    pub(super) fn start(task: &Value) -> Self {
        Self::start_under(&[], task)
    }

    /// As the argument of this command.
    pub(super) fn start_under(command: &[OsString], task: &Value) -> Self {
        let this = std::env::current_exe().unwrap();
        let (program, before) = match command {
            [] => (this.as_os_str(), Vec::new()),
            [program, arguments @ ..] => {
                let arguments = arguments.iter().map(OsString::as_os_str);
                (program.as_os_str(), arguments.chain([this.as_os_str()]).collect())
            }
        };
        let mut child = Command::new(program)
            .args(before)
            .args(["--exact", "processes::child", "--nocapture"])
            .env(TASK, task.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (provider, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines() {
                let line = line.unwrap();
                if let Some(said) = line.strip_prefix(MARK)
                    && provider.send(said.to_owned()).is_err()
                {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// The next line.
    pub(super) fn line(&self) -> String {
        self.lines
            .recv_timeout(LIMIT)
            .expect("the process should have said something")
    }

    /// The next line, if there is one by then.
    pub(super) fn line_within(&self, limit: Duration) -> Option<String> {
        match self.lines.recv_timeout(limit) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => panic!("the process ended by itself"),
        }
    }

    pub(super) fn tell(&mut self, order: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{order}").unwrap();
    }

    /// SIGKILL. What it had said by then: a line that was written is in the pipe, whatever becomes
    /// of who wrote it.
    pub(super) fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.signal(), Some(9), "the process ended by itself: {status}");
        self.lines.iter().collect()
    }

    /// Waits until it ends by itself: whether it was aborted, and what it had said.
    pub(super) fn ended(mut self) -> (bool, Vec<String>) {
        let orders = self.child.stdin.take(); // closed, it would tell the process to end
        let status = self.child.wait().unwrap();
        drop(orders);
        (status.signal() == Some(6), self.lines.iter().collect())
    }

    /// SIGTERM, and its end: what it had said.
    pub(super) fn terminate(mut self) -> Vec<String> {
        let orders = self.child.stdin.take(); // closed, it would tell the process to end at once
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        drop(orders);
        assert!(status.success(), "{status}");
        self.lines.iter().collect()
    }

    /// Lets it end, as it does when the process that started it is gone.
    pub(super) fn end(mut self) -> Vec<String> {
        drop(self.child.stdin.take());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
        self.lines.iter().collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The task of this process and the orders that follow, if it was started by another. It ends when
/// that one closes the pipe or is gone.
pub(super) fn task() -> Option<(Value, Receiver<String>)> {
    let task = std::env::var(TASK).ok()?;
    let (provider, orders) = mpsc::channel();
    std::thread::spawn(move || {
        for order in std::io::stdin().lines() {
            let Ok(order) = order else { break };
            let _ = provider.send(order);
        }
        std::process::exit(0);
    });
    Some((serde_json::from_str(&task).unwrap(), orders))
}

/// A line for the process that started this one, in a single write.
pub(super) fn say(line: &str) {
    let line = format!("\n{MARK}{line}\n");
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}
