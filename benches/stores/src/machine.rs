//! What the figures depend on.

use std::{
    fs,
    io::{Seek as _, SeekFrom, Write as _},
    process::Command,
    thread,
    time::Instant,
};

use crate::common::quantile;

/// With what the servers say of their versions.
pub fn facts(versions: &[String]) -> String {
    let folder = crate::place();
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("processor", |(_, name)| name.trim());
    let path = folder.to_string_lossy();
    let [append, overwrite] = [true, false].map(flush);
    format!(
        "{cores} cores of {model}, Linux {}; files on {}, where 4 KiB appended and flushed (fdatasync) take {append:.0} µs and overwritten \
         {overwrite:.0} µs; {}",
        output("uname", &["-r"]),
        output("df", &["--output=fstype", &path])
            .lines()
            .last()
            .unwrap_or_default(),
        versions.join("; "),
    )
}

/// Microseconds for one block to reach the disk: the median.
fn flush(append: bool) -> f64 {
    const TIMES: usize = 200;
    let path = crate::place().join(format!("tower-webhook-stores-flush-{}", std::process::id()));
    let mut file = fs::File::create(&path).expect("a file");
    if !append {
        file.write_all(&vec![1; 4096 * TIMES]).expect("room");
        file.sync_all().expect("a disk");
        file.seek(SeekFrom::Start(0)).expect("the file's start");
    }
    let times: Vec<f64> = (0..TIMES)
        .map(|_| {
            file.write_all(&[2; 4096]).expect("room");
            let started = Instant::now();
            file.sync_data().expect("a disk");
            started.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    fs::remove_file(&path).expect("the file");
    quantile(&times, 0.5)
}

pub fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(
        output.status.success(),
        "{program}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
