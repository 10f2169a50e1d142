//! How the project's texts are set, and which words they use, as CONTRIBUTING.md says.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The widest line of a comment or a page, in characters: rustfmt's width for code in comments,
/// and what fits beside a diff.
const WIDEST: usize = 100;

/// The project's own files, by their path: what version control has, or where there is none, what
/// the folder has.
fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root).output();
    let mut files: Vec<PathBuf> = match listed {
        Ok(listed) if listed.status.success() => String::from_utf8(listed.stdout)
            .unwrap()
            .split_terminator('\0')
            .map(|file| root.join(file))
            .filter(|file| file.exists())
            .collect(),
        _ => Vec::new(),
    };
    if files.is_empty() {
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.file_name().and_then(|name| name.to_str()) {
                    Some("target" | ".git" | "node_modules") => {}
                    _ if path.is_dir() => folders.push(path),
                    _ => files.push(path),
                }
            }
        }
    }
    files
}

/// How a comment begins in this kind of file.
fn mark(file: &Path) -> Option<&'static str> {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("rs" | "mjs" | "js" | "cjs" | "php" | "go" | "java") => Some("//"),
        Some("sql" | "lua") => Some("--"),
        Some("sh" | "toml" | "py" | "rb" | "yml" | "yaml") => Some("#"),
        None => Some("#"), // the scripts, by their first line
        _ => None,
    }
}

fn is_wide(line: &str) -> bool {
    line.chars().count() > WIDEST
}

/// The lines of comments that are too wide: those that are nothing else, and those behind code.
fn wide_comments<'t>(text: &'t str, mark: &str) -> Vec<(usize, &'t str)> {
    let behind = format!(" {mark} ");
    let begins = |line: &str, mark: &str| line.trim_start().starts_with(mark);
    let is_comment = |line: &str| begins(line, mark) || begins(line, "/*") || line.contains(&behind);
    text.lines()
        .enumerate()
        .filter(|(_, line)| is_wide(line) && is_comment(line))
        .map(|(index, line)| (index + 1, line))
        .collect()
}

/// The lines of a page that are too wide. A table's row and a line of code cannot be broken, and
/// neither can an address.
fn wide_prose(text: &str) -> Vec<(usize, &str)> {
    let mut is_code = false;
    text.lines()
        .enumerate()
        .filter(|(_, line)| {
            let fence = line.trim_start().starts_with("```");
            is_code ^= fence;
            let is_address = line.trim_start().starts_with('[') && line.contains("]: http");
            let is_table = line.trim_start().starts_with('|');
            is_wide(line) && !is_code && !fence && !is_table && !is_address
        })
        .map(|(index, line)| (index + 1, line))
        .collect()
}

#[test]
fn no_line_of_a_comment_or_a_page_is_wider_than_a_reader_takes_in() {
    let mut found = Vec::new();
    let mut seen = 0;
    for file in files() {
        let is_page = file.extension().is_some_and(|extension| extension == "md");
        let (Some(_), Ok(text)) = (mark(&file).or(is_page.then_some("")), fs::read_to_string(&file)) else {
            continue;
        };
        if file.extension().is_none() && !text.starts_with("#!") {
            continue;
        }
        seen += 1;
        let wide = if is_page {
            wide_prose(&text)
        } else {
            wide_comments(&text, mark(&file).unwrap())
        };
        found.extend(
            wide.into_iter()
                .map(|(number, line)| format!("{}:{number}: {line}", file.display())),
        );
    }
    assert!(seen > 300, "the files are where they were: {seen}");
    assert!(
        found.is_empty(),
        "{} lines are wider than {WIDEST} characters; expected at most as many:\n{}",
        found.len(),
        found.join("\n")
    );
}

#[test]
fn a_wide_line_is_found_wherever_it_is() {
    let wide = "word ".repeat(25);
    for (mark, line) in [
        ("//", format!("    /// {wide}")),
        ("//", format!("    call(); // {wide}")),
        ("//", format!("//! | {wide} |")),
        ("--", format!("-- {wide}")),
        ("#", format!("# {wide}")),
    ] {
        assert_eq!(wide_comments(&line, mark).len(), 1, "{line}");
    }
    assert!(wide_comments(&format!("    let text = \"{wide}\";"), "//").is_empty());
    assert_eq!(wide_prose(&wide).len(), 1);
    assert!(wide_prose(&format!("| {wide} |\n```\n{wide}\n```\n")).is_empty());
}

/// Words of this project's own, and the field's words in their place.
const BANNED: &[(&str, &str)] = &[
    ("answer", "response, respond; of a function: return"),
    ("answers", "responses, responds; of a function: returns"),
    ("answered", "responded, gets"),
    ("answering", "responding"),
    ("unanswered", "without a response"),
    ("sender", "provider; where it may be a stranger, client"),
    ("senders", "providers; where they may be strangers, clients"),
    ("overdue", "expired"),
    ("ticket", "claim request"),
    ("tickets", "claim requests"),
    ("flight", "singleflight, run; \"in flight\" is allowed"),
    ("flights", "runs"),
    ("gate", "admission"),
    ("waiter", "follower"),
    ("waiters", "followers"),
    ("verdict", "outcome"),
    ("disposition", "outcome, kind"),
    ("reckoned", "counted"),
    ("reckoning", "lease"),
    ("horizon", "retry window"),
    ("patience", "timeout"),
];

/// Helpers by a riddle's name, and the name that says what they do.
const BANNED_HELPERS: &[(&str, &str)] = &[
    ("fn within(", "timeout_at"),
    ("fn later(", "deadline_after, time_after"),
    ("fn guard(", "catch_panic"),
    ("fn hold(", "what it claims"),
    ("fn lead(", "leader"),
    ("fn fly(", "singleflight"),
];

/// Lines that may have a banned word: the end of the file's path ("" is any file), a part of the
/// line, and why.
const ALLOWED: &[(&str, &str, &str)] = &[
    ("", ".notify_waiters()", "a method of tokio's"),
    ("", "::Sender", "a channel's end, as tokio names it"),
    ("sandbox/src/github/event.rs", "sender", "a field of GitHub's"),
    ("check/report.rs", "\"verdict\"", "a field of the report, and a column"),
    ("it/support/mod.rs", "case[\"verdict\"]", "the same"),
    ("cli/README.md", "`verdict`", "the same"),
    ("cli/README.md", "{\"cases\": [{", "the same"),
    ("it/broken_receivers.rs", "[\"verdict\"]", "the same"),
    ("it/checking.rs", "[\"verdict\"]", "the same"),
    ("pages/event.rs", "CONTENT_DISPOSITION", "a header, as HTTP names it"),
    ("it/hostile.rs", "content-disposition", "the same"),
    (
        "dwolla/category.rs",
        "questions that only this person can answer",
        "a person does",
    ),
    ("dwolla/topic.rs", "must answer questions", "a person does"),
    ("dwolla/topic.rs", "answered the questions", "a person does"),
];

/// The banned words of a text that stand in no allowed line, by line: the word and what to write.
fn banned_words<'t>(path: &str, text: &'t str) -> Vec<(usize, &'t str, &'static str, &'static str)> {
    let mut found = Vec::new();
    let mut before = String::new();
    for (index, line) in text.lines().enumerate() {
        let is_allowed = ALLOWED
            .iter()
            .any(|(file, part, _)| path.ends_with(file) && line.contains(part));
        for word in line
            .split(|letter: char| !letter.is_alphanumeric())
            .filter(|word| !word.is_empty())
        {
            let word = word.to_lowercase();
            let banned = BANNED
                .iter()
                .find(|(banned, _)| *banned == word && !(word == "flight" && before == "in"));
            if let (Some((banned, instead)), false) = (banned, is_allowed) {
                found.push((index + 1, line, *banned, *instead));
            }
            before = word;
        }
        let helper = BANNED_HELPERS.iter().find(|(helper, _)| line.contains(helper));
        found.extend(helper.map(|(helper, instead)| (index + 1, line, *helper, *instead)));
    }
    found
}

#[test]
fn the_words_are_the_fields() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut seen = 0;
    for file in files() {
        let path = file.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
        let is_page = path.ends_with(".md") && !path.contains('/');
        let is_source = ["src/", "crates/", "examples/"]
            .iter()
            .any(|folder| path.starts_with(folder))
            && [".rs", ".md", ".lua", ".sql", ".toml"]
                .iter()
                .any(|end| path.ends_with(end));
        if !(is_page || is_source) {
            continue;
        }
        seen += 1;
        let text = fs::read_to_string(&file).unwrap();
        found.extend(
            banned_words(&path, &text)
                .into_iter()
                .map(|(number, line, word, instead)| format!("{path}:{number}: {word} ({instead}): {line}")),
        );
    }
    assert!(seen > 200, "the files are where they were: {seen}");
    assert!(
        found.is_empty(),
        "{} words are the project's own; expected the field's:\n{}",
        found.len(),
        found.join("\n")
    );
}

#[test]
fn a_banned_word_is_found_wherever_it_is() {
    let words = |path, text| banned_words(path, text).len();
    assert_eq!(words("a.rs", "/// The answer.\nlet Answer = is_answered();"), 3);
    assert_eq!(words("a.rs", "fn later(time: Time) {}"), 1);
    assert_eq!(
        words("a.md", "A flight, in flight, in_flight, InFlight and in\nflight."),
        1
    );
    assert_eq!(words("a.rs", "watch::Sender"), 0);
    assert_eq!(
        words("src/provider/dwolla/topic.rs", "A customer must answer questions"),
        0
    );
    assert_eq!(words("src/provider/github.rs", "A customer must answer questions"), 1);
}
