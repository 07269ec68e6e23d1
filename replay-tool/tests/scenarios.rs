//! Runs every scenario file, and fails when a rule, event, cause, charge or path has none.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as the tests do")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ledger_core::catalogue::{Catalogue, SEEDS_TOML, UpgradePaths};
use ledger_core::codec::EVENTS;
use ledger_core::customer::Command;
use replay_tool::commands::scenario::run_all;
use replay_tool::scenario::parse::parse;
use replay_tool::scenario::run::{Coverage, Report, run};

/// Every code of a rejection. Removing or adding a variant of `Rejection` breaks the test below.
const REJECTIONS: &[&str] = &[
    "CUSTOMER_UNKNOWN",
    "CUSTOMER_EXISTS",
    "WRONG_STREAM",
    "NO_CATALOGUE",
    "CATALOGUE_INVALID",
    "PROGRAMME_UNKNOWN",
    "FIELD_INVALID",
    "OFFER_UNKNOWN",
    "PLAN_UNKNOWN",
    "SUBSCRIPTION_UNKNOWN",
    "SUBSCRIPTION_EXISTS",
    "PRICE_MISSING",
    "PARTNER_ONLY",
    "SUBSCRIPTION_ENDED",
    "RENEWAL_PENDING",
    "QUANTITY_ZERO",
    "BELOW_MINIMUM",
    "ABOVE_MAXIMUM",
    "PREREQUISITE_MISSING",
    "TOO_MANY_UPDATES",
    "CHANGE_SCHEDULED",
    "SEATS_NOT_REFUNDABLE",
    "LICENCES_ASSIGNED",
    "CANCEL_WINDOW_CLOSED",
    "NOT_RENEWING",
    "NO_UPGRADE_PATH",
    "UPGRADE_TOO_LARGE",
    "PARTIAL_UPGRADE_REFUSED",
    "EXISTING_TARGET_REFUSED",
    "DELEGATED_ADMIN_MISSING",
    "DELEGATED_ADMIN_TOO_NARROW",
    "TARGET_HELD",
    "SERVICES_HELD",
    "ADD_ONS_PRESENT",
    "LICENCE_TRANSFER_IMPOSSIBLE",
    "TARGET_IS_SOURCE",
    "TARGET_OFFER_DIFFERS",
    "TARGET_IN_WINDOW",
    "TARGET_ENDS_EARLIER",
    "TARGET_TERM_SHORTER",
    "NO_LICENCE_FREE",
    "LICENCE_CONFLICT",
    "LICENCE_PREREQUISITE_MISSING",
    "LICENCE_NEEDED",
    "PARTNER_ASSIGNMENT_REFUSED",
    "TOO_EARLY",
    "OTHER_END_OF_TERM_ACTION",
    "SCHEDULER_ONLY",
    "DATE_OUT_OF_RANGE",
    "AMOUNT_NOT_EXACT",
];

const DROP_CAUSES: &[&str] =
    &["seats-added", "seats-removed", "upgraded", "not-renewed", "cancelled", "outside-limits"];

const CHARGE_TYPES: &[&str] = &[
    "new",
    "renew",
    "addQuantity",
    "removeQuantity",
    "convert",
    "moveQuantity",
    "cancelImmediate",
];

const WARNINGS: &[&str] = &[
    "scheduled-change-will-be-dropped",
    "window-closes-at",
    "licences-will-exceed-seats",
    "upgrade-cannot-be-undone",
    "existing-subscriptions-could-grow",
    "services-will-be-lost",
    "licences-to-move-by-hand",
    "service-will-stop",
    "status-not-known",
    "fields-not-known",
    "seats-above-maximum",
];

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

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

fn source_of(file: &str) -> String {
    std::fs::read_to_string(workspace().join("ledger-core/src/customer").join(file)).unwrap()
}

/// The texts in quotes that look like codes: capital letters and underscores.
fn codes_in(source: &str) -> BTreeSet<String> {
    let is_code =
        |text: &&str| 3 < text.len() && text.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    source.split('"').filter(is_code).map(ToOwned::to_owned).collect()
}

/// The variants of an enum in its source.
fn variants_in(source: &str, name: &str) -> usize {
    let body = source.split(&format!("pub enum {name} {{")).nth(1).unwrap();
    let body = body.split("\n}").next().unwrap();
    let is_variant = |line: &&str| {
        line.starts_with("    ") && line.chars().nth(4).is_some_and(|c| c.is_ascii_uppercase())
    };
    body.lines().filter(is_variant).count()
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
    assert_eq!(codes_in(&source_of("rejection.rs")), set(REJECTIONS), "the list is out of date");
    assert_eq!(coverage().rejections, set(REJECTIONS));
}

#[test]
fn every_event_has_a_scenario() {
    let events: Vec<&str> = EVENTS.iter().map(|(name, _)| *name).collect();
    assert_eq!(coverage().events, set(&events));
}

#[test]
fn every_cause_charge_type_and_warning_has_a_scenario() {
    assert_eq!(variants_in(&source_of("event.rs"), "DropCause"), DROP_CAUSES.len());
    assert_eq!(variants_in(&source_of("warning.rs"), "Warning"), WARNINGS.len());
    assert_eq!(variants_in(&source_of("../charges.rs"), "ChargeType"), CHARGE_TYPES.len());
    let coverage = coverage();
    assert_eq!(coverage.drop_causes, set(DROP_CAUSES));
    assert_eq!(coverage.charge_types, set(CHARGE_TYPES));
    assert_eq!(coverage.warnings, set(WARNINGS));
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
    parse("a.yaml", text).unwrap().iter().flat_map(|scenario| run(scenario).problems).collect()
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
            "a.yaml:6: when has no key `Purchas`; it has AddSeats, ",
        ),
        (
            format!(
                "{HEAD}when:\n  at: 2024-03-01\n  AddSeats:\n    subscription: s1\n    seat: 1\n{then}"
            ),
            "a.yaml:8: AddSeats: unknown field `seat`, expected `subscription` or `seats`",
        ),
        (
            format!("{HEAD}{when}then:\n  event: []\n"),
            "a.yaml:8: then has no key `event`; it has charges, events, ",
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
    for name in Command::NAMES {
        assert!(text.contains(&format!("`{name}`")), "{name} is not described");
    }
}
