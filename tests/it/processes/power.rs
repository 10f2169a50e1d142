//! Power cuts: what is answered 200 was on the disk before, as the system calls show.

use std::process::Command;

use serde_json::json;

use super::{process::Process, provider::Provider, random::Random};

fn can_trace() -> bool {
    match Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status() {
        Ok(status) if status.success() => true,
        Ok(_) => {
            eprintln!("strace may trace nothing here: this test passes without having looked");
            false
        }
        Err(_) => {
            assert!(
                std::env::var_os("REQUIRE_SERVERS").is_none_or(|value| value != "1"),
                "strace is missing, and REQUIRE_SERVERS is set"
            );
            eprintln!("strace is missing: this test passes without having looked");
            false
        }
    }
}

/// Sends to a receiver that keeps its inbox in this file, and reads the system calls of its
/// process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_inbox_in_sqlite_is_flushed_before_each_200() {
    if !can_trace() {
        return;
    }
    let folder = crate::sqlite::Folder::new();
    let calls = folder.file().with_extension("calls");
    let task = json!({
        "role": "inbox", "store": "sqlite", "place": folder.file(), "effects": folder.file(),
        "in_transaction": false, "process": 1, "ahead": 0, "seed": 1, "receives": true, "works": false,
        "secret": "a secret of sixteen bytes",
    });
    let traced = [
        "strace",
        "-f",
        "-qq",
        "-e",
        "trace=fsync,fdatasync,write,writev,sendto,sendmsg",
        "-s",
        "16",
        "-o",
    ];
    let wrapped: Vec<_> = traced
        .into_iter()
        .map(Into::into)
        .chain([calls.clone().into_os_string()])
        .collect();
    let process = Process::start_under(&wrapped, &task);
    let line = process.line();
    let address = line.strip_prefix("listening ").unwrap().parse().unwrap();
    let provider = Provider::new("a secret of sixteen bytes", Random::new(1));
    provider.send_to(address);
    for id in 0..20 {
        assert_eq!(provider.send_one(&id.to_string()).await, Some(200));
    }
    process.end();
    // One after the other, so each response has a flush of its own before it.
    let (mut flushed, mut responses) = (0, 0);
    for call in std::fs::read_to_string(&calls).unwrap().lines() {
        if (call.contains("fdatasync") || call.contains("fsync")) && call.ends_with("= 0") {
            flushed += 1;
        }
        if call.contains("HTTP/1.1 200") {
            assert!(
                flushed > 0,
                "response {responses} went out before the delivery was on the disk"
            );
            flushed = 0;
            responses += 1;
        }
    }
    assert_eq!(responses, 20);
}
