//! The code as a whole: crate arrows, formatting, lints, licences, and words that do not belong.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};
use std::process::Command;

use ledger_tests::{cargo_deny, run};
use serde_json::Value;

/// What each crate may depend on, of ours.
const ARROWS: [(&str, &[&str]); 5] = [
    ("ledger-core", &[]),
    ("projector", &["ledger-core"]),
    ("command-api", &["ledger-core", "projector"]),
    ("replay-tool", &["ledger-core", "projector"]),
    ("ledger-tests", &[]),
];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn cargo(args: &[&str]) -> String {
    let ran = run(Command::new(env!("CARGO")).args(args).current_dir(workspace()));
    assert_eq!(ran.code, Some(0), "cargo {args:?}:\n{}\n{}", ran.stdout, ran.stderr);
    ran.stdout
}

#[test]
fn crates_depend_downward_only_and_inherit_the_lints() {
    let metadata = cargo(&["metadata", "--format-version", "1", "--no-deps", "--locked"]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert_eq!(packages.len(), ARROWS.len());
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let (_, allowed) = ARROWS.iter().find(|(known, _)| *known == name).unwrap();
        for dependency in package["dependencies"].as_array().unwrap() {
            let on = dependency["name"].as_str().unwrap();
            let is_ours = ARROWS.iter().any(|(known, _)| *known == on);
            // A crate may test itself with features of its own.
            assert!(!is_ours || on == name || allowed.contains(&on), "{name} depends on {on}");
        }
        let manifest = std::fs::read_to_string(package["manifest_path"].as_str().unwrap()).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{name} inherits the lints");
    }
}

#[test]
fn the_code_is_formatted() {
    cargo(&["fmt", "--all", "--check"]);
}

#[test]
fn the_lints_are_clean() {
    let lints =
        ["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"];
    cargo(&lints);
}

#[test]
fn licences_and_sources_of_dependencies_are_allowed() {
    let mut deny = Command::new(cargo_deny());
    deny.args(["check", "licenses", "bans", "sources"]).current_dir(workspace());
    let ran = run(&mut deny);
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.stdout, ran.stderr);
}
