//! How the project's texts are set: what CONTRIBUTING.md says is what holds.

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
    let is_comment = |line: &str| line.trim_start().starts_with(mark) || line.contains(&behind);
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
