//! Checks of the code itself: reading order and purity.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

/// Modules in reading order, as `lib.rs` declares them. A module may use only those before it.
const READING_ORDER: &[&str] = &[
    "error",
    "ids",
    "calendar",
    "money",
    "catalogue",
    "customer",
    "price_list",
    "charges",
    "commit",
    "codec",
    "opening",
    "merkle",
    "store",
    "folder",
    "personal",
    "derived",
    "proof",
    "backup",
    "record",
    "billing",
    "reconcile",
    "what_if",
    "snapshot",
    "ledger",
    "lib",
];

/// What the modules up to `charges` may not contain: clocks, I/O, randomness, floats.
const IMPURE: &[&str] = &[
    "async ",
    "tokio",
    "std::fs",
    "std::net",
    "SystemTime",
    "Instant",
    "now()",
    "getrandom",
    "f64",
];

const PURE_UNTIL: &str = "charges";

/// What comes after them and is pure all the same.
const ALSO_PURE: [&str; 2] = ["billing", "reconcile"];

#[test]
fn modules_use_only_earlier_modules() {
    let mut errors = Vec::new();
    for (path, text) in sources() {
        let rank = rank_of(&path);
        for used in uses_of(&text) {
            let is_earlier =
                READING_ORDER.iter().position(|m| *m == used).is_some_and(|r| r <= rank);
            if !is_earlier {
                errors.push(format!("{}: uses crate::{used}", path.display()));
            }
        }
    }
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}

#[test]
fn the_domain_is_pure() {
    let pure_until = READING_ORDER.iter().position(|m| *m == PURE_UNTIL).unwrap();
    let is_pure = |rank: usize| rank <= pure_until || ALSO_PURE.contains(&READING_ORDER[rank]);
    let mut errors = Vec::new();
    for (path, text) in sources().into_iter().filter(|(path, _)| is_pure(rank_of(path))) {
        for word in IMPURE {
            if text.contains(word) {
                errors.push(format!("{}: contains `{word}`", path.display()));
            }
        }
    }
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}

#[test]
fn lib_lists_the_modules_in_reading_order() {
    let lib = fs::read_to_string(source_root().join("lib.rs")).unwrap();
    let declared: Vec<&str> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .chain(["lib"])
        .collect();
    assert_eq!(declared, READING_ORDER);
}

fn uses_of(text: &str) -> Vec<String> {
    text.split("crate::")
        .skip(1)
        .map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
        .collect()
}

fn rank_of(path: &Path) -> usize {
    let relative = path.strip_prefix(source_root()).unwrap();
    let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
    let module = first.trim_end_matches(".rs");
    READING_ORDER
        .iter()
        .position(|m| *m == module)
        .unwrap_or_else(|| panic!("{module} is not listed"))
}

fn source_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut pending = vec![source_root()];
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push((path.clone(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty(), "there are sources");
    found
}
