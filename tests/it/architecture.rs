//! Who may import whom, read from the source: what ARCHITECTURE.md says is what holds.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Each room, and the rooms it may import. `trace` and `error` are open to all but the pure ones.
const ROOMS: [(&str, &[&str]); 17] = [
    (
        "layer",
        &[
            "receive",
            "process",
            "inbox",
            "handler",
            "delivery",
            "delivery_log",
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
            "process",
            "handler",
            "delivery",
            "delivery_log",
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
    (
        "process",
        &[
            "handler",
            "delivery",
            "delivery_log",
            "store",
            "event",
            "error",
            "trace",
            "metrics",
        ],
    ),
    ("handler", &["delivery", "event"]),
    ("delivery", &["store", "event"]),
    ("delivery_log", &["store", "event", "clock"]),
    ("provider", &["event", "signature"]),
    ("store", &["event", "clock", "trace"]),
    (
        "inbox",
        &[
            "process",
            "handler",
            "delivery",
            "delivery_log",
            "provider",
            "store",
            "event",
            "clock",
            "error",
            "trace",
            "metrics",
        ],
    ),
    ("event", &[]),
    ("signature", &["clock"]),
    ("clock", &[]),
    ("error", &["signature"]),
    ("trace", &[]),
    ("metrics", &["inbox", "event"]),
    ("axum", &["receive", "delivery", "event", "trace"]),
    (
        "testing",
        &[
            "delivery",
            "provider",
            "store",
            "inbox",
            "event",
            "signature",
            "clock",
            "error",
        ],
    ),
];

/// A word, and the only file that may hold it.
const AT_HOME: [(&str, &str); 10] = [
    ("StatusCode", "receive/respond.rs"),
    ("dashmap", "store/memory/records.rs"),
    ("hmac::", "signature/mac.rs"),
    ("sha1::", "signature/mac.rs"),
    ("flate2", "signature/explain/gzip.rs"),
    ("feature = \"gzip\"", "signature/explain/gzip.rs"),
    ("feature = \"tracing\"", "trace.rs"),
    ("tracing::", "trace.rs"),
    ("feature = \"metrics\"", "metrics.rs"),
    ("axum_core", "axum.rs"),
];

/// Folders that must hold nothing of these: they are pure, or know no HTTP.
const ABSENT: [(&str, &[&str]); 5] = [
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
    (
        "process",
        &[
            "http::",
            "http_body",
            "StatusCode",
            "HeaderMap",
            "Parts",
            "Response<",
            "SystemTime::now",
            "std::time::Instant",
        ],
    ),
];

fn source() -> Vec<(String, String)> {
    source_of("src", 20)
}

/// The files of a folder, by their path in it; it has more than so many.
fn source_of(folder: &str, more_than: usize) -> Vec<(String, String)> {
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
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files = Vec::new();
    walk(&root, &mut files);
    files.sort();
    assert!(files.len() > more_than, "{folder} is where it was");
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
fn only_the_connection_names_the_redis_crate() {
    let found: Vec<_> = source_of("crates/redis/src", 5)
        .into_iter()
        .filter(|(_, text)| code(text).any(|line| line.contains("redis::")))
        .map(|(file, _)| file)
        .collect();
    let (client, connection) = found.split_first().unwrap();
    assert_eq!(client, "client.rs");
    assert!(
        connection.iter().all(|file| file.starts_with("connection/")),
        "{found:?}"
    );
}

#[test]
fn in_the_inspector_tags_and_reports_have_one_place() {
    for (word, home) in [
        ("hmac::", "access/keys.rs"),
        ("getrandom", "access/keys.rs"),
        ("tower_webhook_reconcile", "reports.rs"),
        ("serde_json", "pages/body.rs"),
    ] {
        let found: Vec<_> = source_of("crates/inspector/src", 20)
            .into_iter()
            .filter(|(_, text)| code(text).any(|line| line.contains(word)))
            .map(|(file, _)| file)
            .collect();
        assert_eq!(found, [home], "{word}");
    }
}

#[test]
fn the_root_crate_names_no_driver_of_a_store() {
    for (file, text) in source() {
        for driver in ["sqlx", "redis::", "rustls"] {
            assert!(
                !code(&text).any(|line| line.contains(driver)),
                "src/{file} names {driver}: a crate under crates/ is its place"
            );
        }
    }
}

#[test]
fn only_the_reconciler_and_its_sources_name_the_root_crate() {
    let found: Vec<_> = source_of("crates/reconcile/src", 20)
        .into_iter()
        .filter(|(file, _)| !file.starts_with("reconciler/") && !file.ends_with("/source.rs"))
        .filter(|(_, text)| code(text).any(|line| line.contains("tower_webhook::")))
        .map(|(file, _)| file)
        .collect();
    assert!(
        found.is_empty(),
        "{found:?} name the root crate: expected the API clients to know no receiver"
    );
}

#[test]
fn what_postgres_and_sqlite_share_names_no_driver() {
    let (_, row) = source_of("crates/sqlx/src", 5)
        .into_iter()
        .find(|(file, _)| file == "row.rs")
        .unwrap();
    assert!(!code(&row).any(|line| line.contains("sqlx::")));
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

/// The steps of a room in their order, and the file that knows it.
const STEPS: [(&str, &str, &[&str]); 2] = [
    ("receive", "mod", &["read_body", "verify", "parse", "respond"]),
    ("process", "engine", &["claim", "run", "settle"]),
];

#[test]
fn only_the_flow_knows_the_order_of_the_steps() {
    for (room, flow, steps) in STEPS {
        for (file, text) in source() {
            let Some(own) = file
                .strip_prefix(room)
                .and_then(|file| file.strip_prefix('/')?.strip_suffix(".rs"))
                .filter(|own| *own != flow)
            else {
                continue;
            };
            let position = steps.iter().position(|step| *step == own);
            for (later, step) in steps.iter().enumerate() {
                if position.is_some_and(|position| later > position) {
                    assert!(
                        !code(&text).any(|line| line.contains(&format!("{step}::"))),
                        "src/{file} names the later step {step}"
                    );
                }
            }
        }
    }
}

#[test]
fn no_file_is_two_rooms() {
    let crates = source_of("crates", 5)
        .into_iter()
        .map(|(file, text)| (format!("../crates/{file}"), text));
    for (file, text) in source()
        .into_iter()
        .chain(crates.filter(|(file, _)| file.contains("/src/")))
    {
        let lines = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
        assert!(
            lines <= 400,
            "src/{file} has {lines} lines before its tests; which two rooms is it?"
        );
    }
}

/// The page's list of rooms: a room, and what it may import.
#[test]
fn architecture_md_says_who_may_import_whom() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")).unwrap();
    let rooms = text.split("## Rooms").nth(1).unwrap().split("\n## ").next().unwrap();
    let items: Vec<String> = rooms
        .split("\n- ")
        .skip(1)
        .map(|item| item.split("\n\n").next().unwrap())
        .map(|item| item.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    for (room, allowed) in ROOMS {
        let item = items
            .iter()
            .find(|item| item.starts_with(&format!("`{room}/`:")) || item.starts_with(&format!("`{room}`:")))
            .unwrap_or_else(|| panic!("ARCHITECTURE.md does not name {room}"));
        let said = item.split("May import: ").nth(1).unwrap().trim_end_matches('.');
        let said: BTreeSet<&str> = said.split(", ").filter(|said| *said != "nothing").collect();
        // The page says of these two once who may import them.
        let open = |import: &&str| ["error", "trace"].contains(import);
        let allowed: BTreeSet<&str> = allowed.iter().copied().filter(|import| !open(import)).collect();
        assert_eq!(said, allowed, "ARCHITECTURE.md, {room}");
    }
}
