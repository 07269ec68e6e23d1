//! The documents in `docs/` say what the code does.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use command_api::problem::{TABLE, rule_status};

const REGENERATE: &str = "UPDATE_DOCS=1 cargo test -p command-api --test docs";

const BEGIN: &str = "<!-- problems:begin, made by command-api/tests/docs.rs -->\n";
const END: &str = "<!-- problems:end -->";

fn docs(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name)
}

fn is_update() -> bool {
    std::env::var_os("UPDATE_DOCS").is_some()
}

#[track_caller]
fn check(name: &str, expected: &str) {
    let path = docs(name);
    if is_update() {
        fs::write(&path, expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "docs/{name} is out of date; make it again with: {REGENERATE}");
}

#[test]
fn the_openapi_document_is_the_one_of_the_code() {
    let document = command_api::router::document().to_pretty_json().unwrap();
    check("openapi.json", &(document + "\n"));
}

#[test]
fn every_address_is_in_the_openapi_document() {
    let router = include_str!("../src/router.rs");
    let document = command_api::router::document();
    let undocumented = ["/v1/openapi.json", "/", "/customers/{customer}", "/sign-in", "/sign-out"];
    let prefixes =
        ["", "/v1/customers/{customer}", "/v1/customers/{customer}/subscriptions/{subscription}"];
    let table = router.split(".fallback(").next().unwrap().to_owned()
        + router.split("fn of_customer").nth(1).unwrap();
    let paths = table.split('"').filter(|text| text.starts_with('/') && !text.contains(' '));
    for path in paths.filter(|path| !undocumented.contains(path)) {
        let is_known = prefixes
            .iter()
            .any(|prefix| document.paths.paths.contains_key(&format!("{prefix}{path}")));
        assert!(is_known, "{path} is missing in the OpenAPI document");
    }
}

/// Code, rule and source of every rejection, as written in `ledger-core`.
fn rules() -> BTreeMap<String, (String, String)> {
    let source = include_str!("../../ledger-core/src/customer/rejection/rule.rs");
    let table = source.split("pub const fn rule(&self)").nth(1).unwrap();
    let table = table.split("Rule { code, rule, source }").next().unwrap();
    let texts: Vec<&str> = table.split('"').skip(1).step_by(2).collect();
    let rules = texts.chunks(3).map(|rule| {
        let [code, rule, source] = rule else { panic!("a rule has three texts: {rule:?}") };
        assert!(code.chars().all(|c| c.is_ascii_uppercase() || c == '_'), "{code}");
        ((*code).to_owned(), ((*rule).to_owned(), (*source).to_owned()))
    });
    rules.collect()
}

fn problems() -> String {
    let mut text = BEGIN.to_owned();
    text += "| status | code | meaning |\n|---|---|---|\n";
    for row in TABLE {
        writeln!(text, "| {} | `{}` | {} |", row.status, row.code, row.title).unwrap();
    }
    text += "\nA rule of the domain said no (`rule`, `source`, `facts` and `succeeds_at` say more):\n\n";
    text += "| status | code | rule | source |\n|---|---|---|---|\n";
    for (code, (rule, source)) in rules() {
        writeln!(text, "| {} | `{code}` | {rule} | {source} |", rule_status(&code)).unwrap();
    }
    text + END
}

#[test]
fn the_table_of_problems_is_the_one_of_the_code() {
    let text = fs::read_to_string(docs("HTTP.md")).unwrap();
    let (head, rest) = text.split_once(BEGIN).expect("docs/HTTP.md has the mark problems:begin");
    let (_, tail) = rest.split_once(END).expect("docs/HTTP.md has the mark problems:end");
    check("HTTP.md", &format!("{head}{}{tail}", problems()));
}

#[test]
fn a_code_stands_for_one_problem_only() {
    for row in TABLE {
        assert!(!rules().contains_key(row.code), "{}", row.code);
    }
}
