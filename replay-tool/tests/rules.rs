//! `docs/RULES.md`: every rule with its source, what is decided, the scenario that shows it, and the code.
//! That every scenario passes, and that nothing that can be decided lacks one, is tested in `scenarios.rs`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use ledger_core::customer::Command;
use replay_tool::scenario::parse::{Expected, Scenario, Step, parse};

/// How many rules there are at least.
const RULES_MIN: usize = 150;

const REGENERATE: &str = "UPDATE_DOCS=1 cargo test -p replay-tool --test rules";

const HEAD: &str = "\
# Rules

Made by `UPDATE_DOCS=1 cargo test -p replay-tool --test rules`; do not edit. Every line is a scenario that is run by
every test: the rule, where it comes from (`D-N` is decision N of the domain's section 11, where the sources
disagree), what is decided (events, or the code of the rule that says no), the scenario, and the function that
decides. [SCENARIOS.md](SCENARIOS.md) describes the files.
";

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(workspace().join(path)).unwrap_or_else(|err| panic!("{path}: {err}"))
}

/// One rule: a document of a scenario file, with all its examples.
struct Rule {
    folder: String,
    path: String,
    scenario: Scenario,
}

fn rules() -> Vec<Rule> {
    let mut rules = Vec::new();
    let root = workspace().join("tests/scenarios");
    let mut folders: Vec<PathBuf> =
        fs::read_dir(&root).unwrap().map(|e| e.unwrap().path()).collect();
    folders.sort();
    for folder in folders {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let mut files: Vec<PathBuf> =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for file in files {
            let path = format!("{name}/{}", file.file_name().unwrap().to_str().unwrap());
            let mut seen = BTreeSet::new();
            for scenario in parse(&path, &fs::read_to_string(&file).unwrap()).unwrap() {
                if seen.insert(scenario.line) {
                    rules.push(Rule { folder: name.clone(), path: path.clone(), scenario });
                }
            }
        }
    }
    rules
}

/// Which function decides a command, in which file: as the one `match` of `decide.rs` says.
fn deciders() -> BTreeMap<&'static str, (String, String)> {
    let customers = read("ledger-core/src/customer/decide.rs");
    let catalogue = read("ledger-core/src/customer/decide/catalogue.rs");
    let billing = read("ledger-core/src/billing/books.rs");
    let decider = |name: &'static str| {
        let arm = format!("Command::{name}(c) => ");
        let any = format!("Command::{name}(_) => ");
        let called = [
            (&customers, "", &arm),
            (&catalogue, "catalogue", &arm),
            (&billing, "books", &arm),
            (&customers, "", &any),
        ];
        let after = called
            .iter()
            .find_map(|(source, own, arm)| Some((*own, source.split(arm.as_str()).nth(1)?)));
        let (own, after) = after.unwrap_or_else(|| panic!("{name} is decided nowhere"));
        let call = after.trim_start_matches("Ok(").split('(').next().unwrap();
        let (module, function) = call.split_once("::").unwrap_or((own, call));
        (name, (module.to_owned(), function.to_owned()))
    };
    Command::NAMES.iter().map(|name| decider(name)).collect()
}

/// The file of a module that decides.
fn file_of(module: &str) -> String {
    match module {
        "books" => "ledger-core/src/billing/books.rs".to_owned(),
        module => format!("ledger-core/src/customer/decide/{module}.rs"),
    }
}

fn code(steps: &[(Step, Expected)], deciders: &BTreeMap<&str, (String, String)>) -> String {
    let mut links = Vec::new();
    for (step, _) in steps {
        let link = match &step.command {
            Some(command) => {
                let (module, function) = &deciders[command.name()];
                format!("[{module}::{function}](../{})", file_of(module))
            }
            None => "[due](../ledger-core/src/customer/due.rs)".to_owned(),
        };
        if !links.contains(&link) {
            links.push(link);
        }
    }
    links.join(", ")
}

/// What is decided, in short: of every step, the same only once.
fn decision(steps: &[(Step, Expected)]) -> String {
    let mut all: Vec<String> = Vec::new();
    for (_, expected) in steps {
        let one = match (&expected.rejected, &expected.events) {
            (Some(code), _) => format!("`{code}`"),
            (None, Some(events)) if events.is_empty() => "no event".to_owned(),
            (None, Some(events)) => {
                let mut names: Vec<&str> = Vec::new();
                for event in events {
                    if names.last() != Some(&event.name.as_str()) {
                        names.push(&event.name);
                    }
                }
                names.join(", ")
            }
            (None, None) if expected.unchanged => "nothing changes".to_owned(),
            (None, None) if expected.charges.is_some() => "charges".to_owned(),
            (None, None) if expected.billed.is_some() => "what is billed".to_owned(),
            (None, None) if expected.warnings.is_some() => "warnings".to_owned(),
            (None, None) => "state".to_owned(),
        };
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all.join("; ")
}

/// The decisions of section 11 that a source names, for example ` (D-3)`.
fn decisions_named(source: &str) -> String {
    let mut named: Vec<String> = Vec::new();
    for part in source.split(';').filter_map(|part| part.split("section 11").nth(1)) {
        for after in part.split("no. ").skip(1) {
            let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
            named.push(format!("D-{digits}"));
        }
    }
    if named.is_empty() { String::new() } else { format!(" ({})", named.join(", ")) }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('\n', " ")
}

fn document(rules: &[Rule]) -> String {
    let deciders = deciders();
    let mut text = HEAD.to_owned();
    let mut folder = "";
    for rule in rules {
        if rule.folder != folder {
            folder = &rule.folder;
            let count = rules.iter().filter(|other| other.folder == folder).count();
            write!(text, "\n## {folder}\n\n{count} rules.\n\n").unwrap();
            text += "| rule | source | decision | scenario | code |\n|---|---|---|---|---|\n";
        }
        let Scenario { rule: sentence, source, steps, line, .. } = &rule.scenario;
        let (path, named) = (&rule.path, decisions_named(source));
        writeln!(
            text,
            "| {} | {} | {}{named} | [{path}:{line}](../tests/scenarios/{path}#L{line}) | {} |",
            cell(sentence),
            cell(source),
            decision(steps),
            code(steps, &deciders),
        )
        .unwrap();
    }
    text
}

#[test]
fn the_table_of_rules_is_the_one_of_the_scenarios() {
    let expected = document(&rules());
    let path = workspace().join("docs/RULES.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "docs/RULES.md is out of date; make it again with: {REGENERATE}");
}

#[test]
fn there_are_enough_rules_and_each_says_something_of_its_own() {
    let rules = rules();
    assert!(RULES_MIN <= rules.len(), "only {} rules have a scenario", rules.len());
    let mut seen = BTreeMap::new();
    for rule in &rules {
        let place = format!("{}:{}", rule.path, rule.scenario.line);
        let before = seen.insert(rule.scenario.rule.clone(), place.clone());
        assert_eq!(before, None, "{place} says the same as another scenario");
    }
}

#[test]
fn every_decider_is_a_function_of_its_file() {
    for (command, (module, function)) in deciders() {
        let source = read(&file_of(&module));
        let is_there = source.contains(&format!("fn {function}("));
        assert!(is_there, "{command} is decided by {module}::{function}, which is not there");
    }
}
