//! What CONTRIBUTING.md asks of a provider's file, asked of each one that there is.

#![cfg(test)] // for clippy

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The files of `src/provider/` that are no provider.
const SHARED: [&str; 9] = [
    "mod",
    "form",
    "handshake",
    "json_event",
    "lenient",
    "policy",
    "signing_time",
    "times",
    "unsigned_headers",
];
const ALSO_SHARED: [&str; 3] = ["topics", "custom", "tenant"];
/// Providers whose documents show no signed request. Svix signs as Standard Webhooks does.
const WITHOUT_A_VECTOR: [&str; 4] = ["linear", "shopify", "svix", "zoom"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Each provider's module, and the whole of its source.
fn providers() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join("src/provider")).unwrap() {
        let path = entry.unwrap().path();
        let module = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if SHARED.contains(&module.as_str()) || ALSO_SHARED.contains(&module.as_str()) {
            continue;
        }
        let source = if path.is_dir() {
            text(path.join("mod.rs"))
        } else {
            text(&path)
        };
        found.push((module, source));
    }
    found.sort();
    assert!(found.len() >= 11, "{found:?}");
    found
}

/// The name by which a provider is known to logs and to `send`.
fn name(source: &str) -> &str {
    let (_, behind) = source
        .split_once("fn name(&self) -> &str {\n        \"")
        .or_else(|| source.split_once("name: Cow::Borrowed(\""))
        .unwrap();
    behind.split_once('"').unwrap().0
}

#[track_caller]
fn assert_has(module: &str, place: &str, text: &str, wanted: &str) {
    assert!(
        text.contains(wanted),
        "{module}: `{wanted}` is not in {place}; see \"How to add a provider\" in CONTRIBUTING.md"
    );
}

#[test]
fn each_provider_has_a_page_that_says_what_a_receiver_must_know() {
    for (module, source) in providers() {
        let page: String = source.lines().take_while(|line| line.starts_with("//!")).collect();
        for wanted in [
            "//! # The secret and the signature",
            " with each response",
            "//! | response | what ",
            "```//!",
            "2xx",
        ] {
            let wanted_here = if wanted == "2xx" && page.contains("| 200 ") {
                "| 200 "
            } else {
                wanted
            };
            assert_has(&module, "its module's page", &page, wanted_here);
        }
        assert!(
            page.contains("https://"),
            "{module}: its page has no link to the provider's documents"
        );
    }
}

#[test]
fn each_provider_has_what_the_others_have() {
    for (module, source) in providers() {
        for wanted in [
            "pub fn scheme(",
            "pub fn new(",
            "pub fn reader() -> Self",
            "#[derive(Clone, Debug)]\npub struct ",
            "\n    fn policy(&self) -> DeliveryPolicy",
            "impl Provider for ",
        ] {
            assert_has(&module, "its source", &source, wanted);
        }
        let policy = source.split("\n    fn policy(&self)").next().unwrap();
        let doc = policy.lines().last().unwrap_or_default();
        assert!(
            doc.trim_start().starts_with("///"),
            "{module}: its policy does not say its numbers"
        );
        // A provider whose key is in the body documents its ids as unique.
        if source.contains("impl SelfIdentified for Event") {
            assert_has(&module, "its source", &source, "fn ids_are_unique(");
            assert_has(&module, "its source", &source, "pub fn from_json(");
        }
    }
}

#[test]
fn each_provider_is_in_every_table() {
    let vectors = text("tests/fixtures/providers/vectors.json");
    let tests = text("tests/it/providers/mod.rs");
    let readers = text("tests/it/providers/readers.rs");
    let (readme, send) = (text("README.md"), text("examples/send/providers.rs"));
    let (library, changelog) = (text("src/lib.rs"), text("CHANGELOG.md"));
    for (module, source) in providers() {
        let name = name(&source);
        let (_, behind) = source.split_once("impl Provider for ").unwrap();
        let type_name = behind.split(' ').next().unwrap();
        assert_has(
            &module,
            "the table of tests/it/providers/mod.rs",
            &tests,
            &format!("name: \"{name}\""),
        );
        assert_has(
            &module,
            "tests/it/providers/readers.rs",
            &readers,
            &format!("{type_name}::reader()"),
        );
        assert_has(&module, "README.md", &readme, &format!("/{module}/"));
        assert_has(
            &module,
            "examples/send/providers.rs",
            &send,
            &format!("name: \"{name}\""),
        );
        assert_has(&module, "src/lib.rs", &library, &format!("`{module}`"));
        assert_has(&module, "CHANGELOG.md", &changelog, &format!("`{module}`"));
        if !WITHOUT_A_VECTOR.contains(&module.as_str()) {
            assert_has(
                &module,
                "tests/fixtures/providers/vectors.json",
                &vectors,
                &format!("\"{name}\""),
            );
        }
    }
}
