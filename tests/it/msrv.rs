//! The minimum supported Rust version, as far as it can be told without that compiler.

use std::{
    collections::{BTreeSet, HashMap},
    process::Command,
};

use serde_json::Value;

fn minor(version: &str) -> u64 {
    version.split('.').nth(1).unwrap().parse().unwrap()
}

/// No dependency of the crate, with all features, declares a newer Rust than the crate does.
#[test]
fn no_dependency_needs_a_newer_rust_than_the_crate() {
    // Of other platforms' dependencies the sources may not be here.
    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let rustc = String::from_utf8(rustc.stdout).unwrap();
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--all-features", "--offline"])
        .args(["--filter-platform", host])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages: HashMap<&str, &Value> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| (package["id"].as_str().unwrap(), package))
        .collect();
    let nodes: HashMap<&str, &Value> = metadata["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| (node["id"].as_str().unwrap(), node))
        .collect();
    let (root, _) = packages
        .iter()
        .find(|(_, package)| package["name"] == "tower-webhook")
        .unwrap();
    let ours = minor(packages[root]["rust_version"].as_str().unwrap());

    let mut seen = BTreeSet::new();
    let mut next = vec![*root];
    let mut newer = Vec::new();
    while let Some(id) = next.pop() {
        if !seen.insert(id) {
            continue;
        }
        let package = packages[id];
        if let Some(theirs) = package["rust_version"].as_str()
            && minor(theirs) > ours
        {
            newer.push(format!("{} {} needs {theirs}", package["name"], package["version"]));
        }
        for dependency in nodes[id]["deps"].as_array().unwrap() {
            let kinds = dependency["dep_kinds"].as_array().unwrap();
            // What is null is a normal dependency: neither of the build nor of the tests alone.
            if kinds.iter().any(|kind| kind["kind"] != "dev") {
                next.push(dependency["pkg"].as_str().unwrap());
            }
        }
    }
    assert!(seen.len() > 30, "the dependencies are looked at: {seen:?}");
    assert_eq!(newer, <[String; 0]>::default(), "1.{ours} is the crate's rust-version");
}
