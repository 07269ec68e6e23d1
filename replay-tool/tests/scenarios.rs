//! Runs every scenario file, and fails when a rule, event, cause, charge or path has none.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as the tests do")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use ledger_core::catalogue::{Catalogue, SEEDS_TOML, UpgradePaths};
use ledger_core::codec::EVENTS;
use ledger_core::customer::Command;
use replay_tool::commands::scenario::run_all;
use replay_tool::scenario::coverage::Coverage;
use replay_tool::scenario::parse::parse;
use replay_tool::scenario::run::{Report, run};
use serde_json::json;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn reports() -> Vec<Report> {
    run_all(&[workspace().join("tests/scenarios")]).unwrap()
}

fn coverage() -> Coverage {
    reports().into_iter().fold(Coverage::default(), |mut all, report| {
        all.add(report.coverage);
        all
    })
}

fn source_of(file: &str) -> String {
    std::fs::read_to_string(workspace().join("ledger-core/src").join(file)).unwrap()
}

/// The texts in quotes that look like codes: capital letters and underscores.
fn codes_in(source: &str) -> BTreeSet<String> {
    let is_code =
        |text: &&str| 3 < text.len() && text.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    source.split('"').filter(is_code).map(ToOwned::to_owned).collect()
}

/// The variants of an enum in its source, as they are written: words in small letters, with `between`
/// them, and capitals where words begin if nothing stands between.
fn variants_in(file: &str, name: &str, between: &str) -> BTreeSet<String> {
    let source = source_of(file);
    let body = source.split(&format!("pub enum {name} {{")).nth(1).unwrap();
    let body = body.split("\n}").next().unwrap();
    let variants = body.lines().filter_map(|line| {
        let variant: String =
            line.strip_prefix("    ")?.chars().take_while(char::is_ascii_alphanumeric).collect();
        variant.starts_with(|c: char| c.is_ascii_uppercase()).then_some(variant)
    });
    variants.map(|variant| in_words(&variant, between)).collect()
}

fn in_words(variant: &str, between: &str) -> String {
    let mut words = String::new();
    for c in variant.chars() {
        let begins = c.is_ascii_uppercase() && !words.is_empty();
        if begins {
            words.push_str(between);
        }
        words.push(if begins && between.is_empty() { c } else { c.to_ascii_lowercase() });
    }
    words
}

#[track_caller]
fn all_shown(all: &BTreeSet<String>, shown: &BTreeSet<String>) {
    let missed: Vec<&String> = all.difference(shown).collect();
    assert!(missed.is_empty(), "no scenario expects {missed:?}");
}

#[test]
fn every_scenario_passes() {
    let reports = reports();
    let failed: Vec<_> = reports.iter().filter(|report| !report.problems.is_empty()).collect();
    assert!(200 < reports.len(), "only {} scenarios were found", reports.len());
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn every_rejection_has_a_scenario() {
    let rejections = codes_in(&source_of("customer/rejection/rule.rs"));
    assert!(45 <= rejections.len(), "{rejections:?}");
    all_shown(&rejections, &coverage().rejections);
}

#[test]
fn every_event_has_a_scenario() {
    let events: BTreeSet<String> = EVENTS.iter().map(|(name, _)| (*name).to_owned()).collect();
    all_shown(&events, &coverage().events);
}

#[test]
fn every_cause_charge_type_and_warning_has_a_scenario() {
    let coverage = coverage();
    let causes = variants_in("customer/event/renewals.rs", "DropCause", "-");
    assert!(causes.contains("seats-added"), "{causes:?}");
    all_shown(&causes, &coverage.drop_causes);
    let charge_types = variants_in("charges.rs", "ChargeType", "");
    assert!(charge_types.contains("addQuantity"), "{charge_types:?}");
    all_shown(&charge_types, &coverage.charge_types);
    let warnings = variants_in("customer/warning.rs", "Warning", "-");
    assert!(warnings.contains("window-closes-at"), "{warnings:?}");
    all_shown(&warnings, &coverage.warnings);
}

#[test]
fn every_listed_upgrade_path_has_an_accepting_scenario() {
    let seeds: Catalogue = toml::from_str(SEEDS_TOML).unwrap();
    let accepted = coverage().upgrades;
    let mut paths_count = 0;
    for (programme, rules) in &seeds.programmes {
        let UpgradePaths::Listed(paths) = &rules.upgrades.paths else { continue };
        for (from, to) in paths.iter().flat_map(|(from, to)| to.iter().map(move |to| (from, to))) {
            let path = (programme.to_string(), from.to_string(), to.to_string());
            assert!(accepted.contains(&path), "{path:?}");
            paths_count += 1;
        }
    }
    assert_eq!(paths_count, 18 + 7);
}

fn problems(text: &str) -> Vec<String> {
    let scenarios = parse("a.yaml", text).unwrap();
    let problems = scenarios.iter().flat_map(|scenario| run(scenario).problems);
    problems.map(|problem| problem.to_string()).collect()
}

fn mistake(text: &str) -> String {
    parse("a.yaml", text).unwrap_err().to_string()
}

const HEAD: &str = "rule: r\nsource: s\nprogramme: nce\n";
const PURCHASE: &str =
    "Purchase: { subscription: s1, offer: office-365-e3, term: P1Y, billing: annual, quantity: 1 }";

#[test]
fn a_difference_says_what_was_expected_and_what_was_found() {
    let text = format!(
        "{HEAD}when:\n  at: 2024-03-01\n  {PURCHASE}\nthen:\n  \
         events: [ SubscriptionPurchased: {{ quantity: 2 }} ]\n  charges: [ {{ amount: \"1.00\" }} ]\n"
    );
    assert_eq!(
        problems(&text),
        [
            "when 1, Purchase at 2024-03-01T00:00:00Z: SubscriptionPurchased.quantity: \
             expected 2, found 1",
            "when 1, Purchase at 2024-03-01T00:00:00Z: charges[1].amount: expected 1.00, \
             found 236.40",
        ]
    );
}

#[test]
fn lists_that_differ_are_shown_line_by_line_and_names_that_are_not_there_are_told() {
    let add = format!(
        "{HEAD}given: [ {{ at: 2024-03-01, {PURCHASE} }} ]\n\
         when: {{ AddSeats: {{ subscription: s1, seats: 1 }} }}\n"
    );
    let at = "when 1, AddSeats at 2024-03-01T00:00:00Z: ";
    let events =
        format!("{add}then: {{ events: [ ScheduledChangeDropped, SeatsAdded, Renewed ] }}\n");
    let shown = "events: expected those with -, found those with +\n    - ScheduledChangeDropped\n      \
                 SeatsAdded\n    - Renewed";
    assert_eq!(problems(&events), [format!("{at}{shown}")]);
    let charges =
        format!("{add}then: {{ charges: [ {{ quantity: -1, amount: \"-236.40\" }} ] }}\n");
    let shown = "charges: expected those with -, found those with +\n      { amount: \"-236.40\", \
                 quantity: -1 }\n    + { amount: \"472.80\", quantity: 2 }";
    assert_eq!(problems(&charges), [format!("{at}{shown}")]);
    let state =
        format!("{add}then: {{ state: {{ licences: {{ office-365-e3: {{ vald: 2 }} }} }} }}\n");
    let shown = "state.licences.office-365-e3.vald: expected 2, but state.licences.office-365-e3 has \
                 only assigned, available, valid";
    assert_eq!(problems(&state), [format!("{at}{shown}")]);
}

#[test]
fn policies_promotions_and_actors_are_written_as_differences() {
    let story = "rule: r\nsource: s\nprogramme: nce\npolicy: { updates_max: 1 }\n\
        promotions: { spring: { title: Spring, offers: [ office-365-e3 ], terms: [ P1Y ], percent: \"20\", \
        from: 2024-01-01T00:00:00Z, until: 2024-12-31T00:00:00Z } }\n\
        steps:\n  - when: { at: 2024-03-01, by: { role: operator, id: jane }, GrantDelegatedAdmin: {} }\n    \
        then: { state: { catalogue: { promotions: { spring: { percent: \"20.0\" } }, \
        programmes: { nce: { updates_max: 1, partner_assigns: true } } } } }\n";
    assert_eq!(problems(story), Vec::<String>::new());
}

#[test]
fn neither_a_wrong_code_nor_a_missing_rejection_passes() {
    let text = |then: &str| {
        format!(
            "{HEAD}when: {{ at: 2024-03-01, AddSeats: {{ subscription: s1, seats: 1 }} }}\nthen: {then}\n"
        )
    };
    let said = "it was rejected with SUBSCRIPTION_UNKNOWN: the customer has no subscription s1";
    let at = "when 1, AddSeats at 2024-03-01T00:00:00Z: ";
    for (then, expected) in [
        ("{ rejected: QUANTITY_ZERO }", "QUANTITY_ZERO"),
        ("{ events: [] }", "to be accepted"),
        ("{ unchanged: true }", "to be accepted"),
    ] {
        let problem = format!("{at}expected {expected}, but {said}");
        assert_eq!(problems(&text(then)), [problem]);
    }
    let state_only = problems(&text("{ state: { delegated_admin: false } }"));
    assert_eq!(state_only, [format!("{at}expected to be accepted, but {said}")]);
    let accepted = format!(
        "{HEAD}when: {{ at: 2024-03-01, GrantDelegatedAdmin: {{}} }}\nthen: {{ rejected: QUANTITY_ZERO }}\n"
    );
    assert_eq!(
        problems(&accepted),
        ["when 1, GrantDelegatedAdmin at 2024-03-01T00:00:00Z: expected to be rejected with \
          QUANTITY_ZERO, but it led to DelegatedAdminGranted"]
    );
}

#[test]
fn a_given_that_is_refused_fails_the_scenario() {
    let text = format!(
        "{HEAD}given: [ {{ at: 2024-03-01, Cancel: {{ subscription: s1 }} }} ]\n\
         when: {{ GrantDelegatedAdmin: {{}} }}\nthen: {{ events: [ DelegatedAdminGranted ] }}\n"
    );
    assert_eq!(
        problems(&text),
        ["given 1, Cancel at 2024-03-01T00:00:00Z: it must be accepted, but it was rejected with \
          SUBSCRIPTION_UNKNOWN: the customer has no subscription s1"]
    );
}

#[test]
fn mistakes_name_the_file_the_line_and_the_key() {
    let then = "then: { events: [] }\n";
    let when = format!("when:\n  at: 2024-03-01\n  {PURCHASE}\n");
    for (text, expected) in [
        (format!("{HEAD}wen: 1\n{when}{then}"), "a.yaml:4: a scenario has no key `wen`; it has"),
        (
            format!("{HEAD}when:\n  at: 2024-03-01\n  Purchas: {{}}\n{then}"),
            "a.yaml:6: when has no key `Purchas`; it has Purchase",
        ),
        (
            format!(
                "{HEAD}when:\n  at: 2024-03-01\n  AddSeats:\n    subscription: s1\n    seat: 1\n{then}"
            ),
            "a.yaml:8: AddSeats: unknown field `seat`, expected `subscription` or `seats`",
        ),
        (
            format!("{HEAD}{when}then:\n  event: []\n"),
            "a.yaml:8: then has no key `event`; it has billed, charges, events, ",
        ),
        (
            format!("{HEAD}when:\n  at: yesterday\n  {PURCHASE}\n{then}"),
            "a.yaml:5: `at: \"yesterday\"` is no instant; write for example 2024-03-01 or ",
        ),
        (
            format!("{HEAD}{when}then: {{ charges: [ {{ amount: 1.5 }} ] }}\n"),
            "a.yaml: write 1.5 in quotes, \"1.5\": amounts are exact",
        ),
        (format!("{HEAD}{when}"), "a.yaml: a scenario needs `when:` and `then:`, or `steps:`"),
        (
            format!("{HEAD}when: {{ at: 2024-03-01 }}\n{then}"),
            "a.yaml:4: a step names no command; add one, or `clock: runs`",
        ),
        (
            format!(
                "{HEAD}catalogue: {{ offers: {{ office-365-e3: {{ seat_min: 2 }} }} }}\n{when}{then}"
            ),
            "a.yaml:4: catalogue: unknown field `seat_min`",
        ),
        (
            format!("{HEAD}policy: {{ update_max: 2 }}\n{when}{then}"),
            "a.yaml:4: catalogue: unknown field `update_max`",
        ),
        (
            format!("rule: r\nsource: s\npolicy: {{ updates_max: 2 }}\n{when}{then}"),
            "a.yaml:3: `policy:` changes the rules of `programme:`; name it",
        ),
        (
            format!(
                "{HEAD}when:\n  at: 2024-03-01\n  by: {{ role: operator, nam: jane }}\n  \
                 {PURCHASE}\n{then}"
            ),
            "a.yaml:6: by has no key `nam`; it has id, role",
        ),
        ("rule: r\n  x: [\n".to_owned(), "a.yaml:2: "),
        ("# nothing\n".to_owned(), "a.yaml: there is no scenario in it"),
        (
            format!("# one\n---\n{HEAD}{when}{then}---\n{HEAD}wen: 1\n{when}{then}"),
            "a.yaml:14: a scenario has no key `wen`",
        ),
    ] {
        let said = mistake(&text);
        assert!(said.starts_with(expected), "expected {expected:?}, found {said:?}");
    }
}

#[test]
fn steps_do_not_go_back_in_time() {
    let text = format!(
        "{HEAD}given: [ {{ at: 2024-03-02, GrantDelegatedAdmin: {{}} }} ]\n\
         when: {{ at: 2024-03-01, RevokeDelegatedAdmin: {{}} }}\nthen: {{ unchanged: true }}\n"
    );
    assert!(mistake(&text).contains("lies before the step above it"), "{}", mistake(&text));
}

#[test]
fn the_scenarios_of_the_documentation_pass() {
    let text = std::fs::read_to_string(workspace().join("docs/SCENARIOS.md")).unwrap();
    let blocks = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let whole: Vec<&str> = blocks.filter(|block| block.starts_with("rule:")).collect();
    assert!(!whole.is_empty(), "the documentation shows a whole scenario");
    for block in whole {
        assert_eq!(problems(block), Vec::<String>::new(), "{block}");
    }
}

/// The rows of the table of commands: the names in the first column, the texts in quotes in the second.
fn documented(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let table = text.split("| Command | Fields |\n|---|---|\n").nth(1).unwrap();
    let table = table.split("\n\n").next().unwrap();
    let quoted =
        |column: &str| column.split('`').skip(1).step_by(2).map(ToOwned::to_owned).collect();
    let rows = table.lines().flat_map(|row| {
        let (names, fields) = row.trim_matches('|').split_once('|').unwrap();
        let names: Vec<String> = quoted(names);
        names.into_iter().map(|name| (name, fields.to_owned())).collect::<Vec<_>>()
    });
    rows.map(|(name, fields)| (name, quoted(&fields).into_iter().collect())).collect()
}

/// The fields of a command, as its mistakes name them.
fn fields_of(command: &str) -> BTreeSet<String> {
    let unknown = json!({ "command": command, "__": 1 });
    let said = serde_json::from_value::<Command>(unknown).unwrap_err().to_string();
    let fields = said.split('`').skip(3).step_by(2).map(ToOwned::to_owned).collect();
    assert!(said.starts_with("unknown field `__`, "), "{said}");
    fields
}

#[test]
fn the_documentation_lists_every_command_with_its_fields() {
    let text = std::fs::read_to_string(workspace().join("docs/SCENARIOS.md")).unwrap();
    let documented = documented(&text);
    let names: BTreeSet<&str> = documented.keys().map(String::as_str).collect();
    assert_eq!(names, Command::NAMES.iter().copied().collect());
    for (command, described) in documented {
        // A catalogue is written without the word: its changes are the fields.
        let fields = fields_of(&command).into_iter().filter(|field| field != "catalogue");
        let missed: Vec<String> = fields.filter(|field| !described.contains(field)).collect();
        assert_eq!(missed, Vec::<String>::new(), "{command}");
    }
}
