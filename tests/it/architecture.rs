//! Who may import whom, read from the source: what ARCHITECTURE.md says is what holds.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Each room, and the rooms it may import. `trace` and `error` are open to all but the pure ones.
const ROOMS: [(&str, &[&str]); 14] = [
    (
        "layer",
        &[
            "receive",
            "handler",
            "delivery",
            "provider",
            "store",
            "event",
            "signature",
            "clock",
            "error",
            "trace",
        ],
    ),
    (
        "receive",
        &[
            "handler",
            "delivery",
            "provider",
            "store",
            "event",
            "signature",
            "clock",
            "error",
            "trace",
            "metrics",
        ],
    ),
    ("handler", &["delivery", "event"]),
    ("delivery", &["store", "event"]),
    ("provider", &["event", "signature"]),
    // `delivery` for the stores with transactions alone.
    ("store", &["delivery", "event", "clock", "trace"]),
    ("event", &[]),
    ("signature", &["clock"]),
    ("clock", &[]),
    ("error", &[]),
    ("trace", &[]),
    ("metrics", &[]),
    ("axum", &["receive", "delivery", "event", "trace"]),
    (
        "testing",
        &["delivery", "provider", "store", "event", "signature", "clock"],
    ),
];

/// A word, and the only file that may hold it.
const AT_HOME: [(&str, &str); 10] = [
    ("StatusCode", "receive/respond.rs"),
    ("dashmap", "store/memory/segment.rs"),
    ("hmac::", "signature/mac.rs"),
    ("sha1::", "signature/mac.rs"),
    ("flate2", "signature/explain/gzip.rs"),
    ("feature = \"gzip\"", "signature/explain/gzip.rs"),
    ("feature = \"tracing\"", "trace.rs"),
    ("tracing::", "trace.rs"),
    ("feature = \"metrics\"", "metrics.rs"),
    ("axum_core", "axum.rs"),
];

/// Folders that must hold nothing of these: they are pure.
const ABSENT: [(&str, &[&str]); 4] = [
    (
        "signature",
        &[
            "tokio",
            "serde",
            "crate::store",
            "SystemTime::now",
            "Instant::now",
            "println",
        ],
    ),
    ("event", &["tokio", "SystemTime::now", "Instant::now"]),
    ("provider", &["tokio", "SystemTime::now", "Instant::now"]),
    ("receive", &["SystemTime::now", "std::time::Instant"]),
];

fn source() -> Vec<(String, String)> {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    files.sort();
    assert!(files.len() > 20, "the source is where it was");
    files
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect()
}

/// The lines of code, without comments and without the file's tests.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .take_while(|line| *line != "#[cfg(test)]")
        .filter(|line| !line.trim_start().starts_with("//"))
}

fn room(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap()
}

/// The rooms that code names by `crate::room` or, in a grouped import, `    room::`.
fn imports(text: &str) -> BTreeSet<String> {
    let code: String = code(text).collect::<Vec<_>>().join("\n");
    let mut found = BTreeSet::new();
    for part in code.split("crate::").skip(1) {
        if let Some(group) = part.strip_prefix('{') {
            let mut depth = 1;
            let mut word = String::new();
            for letter in group.chars() {
                match letter {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ => {}
                }
                if letter.is_alphanumeric() || letter == '_' {
                    if depth == 1 {
                        word.push(letter);
                    }
                    continue;
                }
                if letter == ':' && !word.is_empty() {
                    found.insert(std::mem::take(&mut word));
                }
                word.clear();
                if depth == 0 {
                    break;
                }
            }
        } else {
            found.insert(
                part.chars()
                    .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
                    .collect(),
            );
        }
    }
    found.retain(|room| ROOMS.iter().any(|(name, _)| name == room));
    found
}

#[test]
fn imports_run_one_way() {
    for (file, text) in source() {
        let room = room(&file);
        if room == "lib" {
            continue;
        }
        let (_, allowed) = ROOMS
            .iter()
            .find(|(name, _)| *name == room)
            .unwrap_or_else(|| panic!("{file}: an unknown room"));
        for import in imports(&text) {
            assert!(
                import == room || allowed.contains(&import.as_str()),
                "src/{file} imports {import}; expected only {allowed:?}"
            );
        }
    }
}

#[test]
fn what_belongs_to_one_file_is_in_that_file_alone() {
    for (word, home) in AT_HOME {
        let found: Vec<_> = source()
            .into_iter()
            .filter(|(_, text)| code(text).any(|line| line.contains(word)))
            .map(|(file, _)| file)
            .collect();
        assert_eq!(found, [home], "{word}");
    }
}

#[test]
fn only_the_redis_store_names_the_redis_crate() {
    let found: Vec<_> = source()
        .into_iter()
        .filter(|(_, text)| code(text).any(|line| line.replace("self::redis::", "").contains("redis::")))
        .map(|(file, _)| file)
        .collect();
    assert_eq!(found, ["store/redis/connection.rs"]);
}

#[test]
fn only_the_stores_that_speak_sql_name_its_driver() {
    let found: BTreeSet<_> = source()
        .into_iter()
        .filter(|(_, text)| code(text).any(|line| line.contains("sqlx")))
        .map(|(file, _)| file.split('/').take(2).collect::<Vec<_>>().join("/"))
        .collect();
    let expected = ["store/postgres", "store/sqlite"];
    assert_eq!(found, expected.map(str::to_owned).into());
}

#[test]
fn the_pure_rooms_hold_neither_runtime_nor_time() {
    for (folder, absent) in ABSENT {
        for (file, text) in source().into_iter().filter(|(file, _)| room(file) == folder) {
            for word in absent {
                assert!(!code(&text).any(|line| line.contains(word)), "src/{file} holds {word}");
            }
        }
    }
}

#[test]
fn only_the_flow_knows_the_order_of_the_steps() {
    const STEPS: [&str; 6] = ["read_body", "verify", "parse", "claim", "handle", "settle"];
    for (file, text) in source()
        .into_iter()
        .filter(|(file, _)| file.starts_with("receive/") && file != "receive/mod.rs")
    {
        let own = file.trim_start_matches("receive/").trim_end_matches(".rs");
        let position = STEPS.iter().position(|step| *step == own);
        for (later, step) in STEPS.iter().enumerate() {
            if position.is_some_and(|position| later > position) {
                assert!(
                    !code(&text).any(|line| line.contains(&format!("{step}::"))),
                    "src/{file} names the later step {step}"
                );
            }
        }
    }
}

#[test]
fn no_file_is_two_rooms() {
    for (file, text) in source() {
        let lines = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
        assert!(
            lines <= 420,
            "src/{file} has {lines} lines before its tests; which two rooms is it?"
        );
    }
}

#[test]
fn architecture_md_names_every_room() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")).unwrap();
    for (room, _) in ROOMS {
        assert!(
            text.contains(&format!("`{room}")),
            "ARCHITECTURE.md does not name {room}"
        );
    }
}
