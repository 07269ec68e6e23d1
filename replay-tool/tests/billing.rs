//! Bills from a stopped folder and its backup: explained, shown, and proved.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as the tests do")]

mod support;

use std::path::PathBuf;

use ledger_core::commit::Commit;
use ledger_core::folder::ClockKind;
use ledger_core::ids::{CustomerId, StreamId};
use replay_tool::exit::Exit;
use serde_json::{Value, json};
use support::{Answer, by_the_month, catalogue, record, run};
use tempfile::TempDir;

/// A stopped folder: acme bought ten seats of E3 by the month on 31 January, two more on 5 March; January
/// and February are closed.
struct Data {
    dir: TempDir,
}

impl Data {
    fn new() -> Self {
        let data = Self { dir: TempDir::new().unwrap() };
        let story = [
            ("2024-01-30", "catalogue", catalogue()),
            (
                "2024-01-30",
                "customer/acme",
                json!({ "command": "RegisterCustomer", "name": "Acme",
                "programme": "nce", "reseller": "r", "market": "FR", "currency": "EUR" }),
            ),
            ("2024-01-31", "customer/acme", by_the_month(10)),
            (
                "2024-02-01",
                "billing",
                json!({ "command": "SetBillingTerms", "version": "t", "from": "2024-01",
                "terms": { "issuer": "Partner SA", "taxes": { "FR": "20" }, "margin_percent": "10" } }),
            ),
            ("2024-03-02", "billing", json!({ "command": "ClosePeriod", "period": "2024-01" })),
            ("2024-03-02", "billing", json!({ "command": "ClosePeriod", "period": "2024-02" })),
            (
                "2024-03-05",
                "customer/acme",
                json!({ "command": "AddSeats", "subscription": "s1", "seats": 2 }),
            ),
        ];
        record(&data.path("data"), ClockKind::Simulated, &story);
        data
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn ask(&self, verb: &[&str]) -> Answer {
        run(&[verb, &["--data", self.path("data").to_str().unwrap()]].concat())
    }

    fn fine(&self, verb: &[&str]) -> String {
        let answer = self.ask(verb);
        assert_eq!((answer.exit, answer.err.as_str()), (Exit::Fine, ""), "{verb:?}");
        answer.out
    }

    /// Another folder with these commits after a change; versions, links and hashes are right in it.
    fn forge(&self, name: &str, change: impl Fn(&mut Commit)) {
        let mut commits = support::commits(&self.path("data/log"));
        commits.iter_mut().for_each(change);
        let forged = support::open(&self.path(name), ClockKind::Simulated);
        support::forge(forged.log(), commits);
        support::close(&forged);
    }
}

#[test]
fn a_line_is_explained_in_words() {
    let data = Data::new();
    let told = data.fine(&["explain", "acme/3.1/2"]);
    // 19.70 x 12 x 26 / 31 = 198.2709...; by the seat, 16.52 x 12 = 198.24.
    for said in [
        "acme/3.1/2: addQuantity of s1 (Office 365 Enterprise E3), 2024-03-05 to 2024-03-30: 198.24 EUR",
        "19.70 x 26/31 days x 12 seats = 198.24, unit-truncate",
        "rounded   from 198.27096774: the price of one seat",
        "asked     AddSeats seats=2 subscription=s1 [c-6]",
        "by        u-1 (operator): as agreed",
        "recorded  2024-03-05T09:00:00Z at position 7, effective 2024-03-05T09:00:00Z",
        "rules     nce, catalogue seeds-2",
        "price     19.70 EUR a seat and charge cycle, set by acme/2.1 SubscriptionPurchased",
        "from a plan of the catalogue seeds-2\n",
        "with      acme/3.1/1 addQuantity s1: -10 seats",
        "billed    in 2024-03 (open)",
        "tax of 20 % on the statement's total",
        "r keeps 19.82 EUR (10 %)",
    ] {
        assert!(told.contains(said), "{said}\n---\n{told}");
    }
    let cycle = data.fine(&["explain", "acme/s1/2024-02-29"]);
    assert!(cycle.contains("a further charge cycle of the term 2024-01-31 to 2025-01-30 began"));
    assert!(cycle.contains("billed    in 2024-02 (statement 000003)"), "{cycle}");
}

#[test]
fn an_event_or_a_command_is_followed_to_its_lines() {
    let data = Data::new();
    let told = data.fine(&["explain", "acme/2.1"]);
    assert!(told.contains("charged   acme/s1/2024-02-29 cycleCharge"), "{told}");
    assert!(told.contains("in all    394.00 EUR"), "{told}");
    let by_command = data.fine(&["explain", "c-2", "--customer", "acme"]);
    assert_eq!(by_command, told);
    assert!(data.fine(&["explain", "acme/1.1"]).contains("charged   nothing"));
    let json: Value = serde_json::from_str(&data.fine(&["explain", "acme/2.1", "--json"])).unwrap();
    assert_eq!(
        (&json["explains"], &json["lines"][1]["statement"]),
        (&json!("cause"), &json!("000003"))
    );
}

#[test]
fn what_cannot_be_explained_is_said() {
    let data = Data::new();
    for (id, exit, said) in [
        ("acme", Exit::Usage, "neither a line"),
        ("acme/9.1", Exit::NotFound, "check the id"),
        ("acme/s1/2031-01-31", Exit::NotFound, "until 2024-03-05"),
        ("nobody/1.1", Exit::NotFound, "customer nobody is unknown"),
    ] {
        let answer = data.ask(&["explain", id]);
        assert_eq!(answer.exit, exit, "{id}");
        assert!(answer.err.contains(said), "{id}: {}", answer.err);
    }
}

#[test]
fn a_statement_is_shown_with_its_lines_and_its_proof() {
    let data = Data::new();
    let told = data.fine(&["statement", "3"]);
    for said in [
        "Statement 000003 for 2024-02, customer acme, Acme\nissued by Partner SA, terms t\n",
        "acme/s1/2024-02-29  10 Office 365 Enterprise E3 cycleCharge, 2024-02-29 to 2024-03-30        197.00",
        "tax 20 % of 197.00         39.40",
        "total in EUR        236.40",
        "drawn from positions 1 to 5, root ",
    ] {
        assert!(told.contains(said), "{said}\n---\n{told}");
    }
    let by_party = data.fine(&["statement", "--customer", "acme", "--period", "2024-02"]);
    assert_eq!(by_party, told);
    let resellers = data.fine(&["statement", "--reseller", "r", "--period", "2024-02"]);
    // 20 % of 177.30 is 35.46.
    for said in
        ["Statement 000004", "kept by the reseller        -19.70", "total in EUR        212.76"]
    {
        assert!(resellers.contains(said), "{said}\n---\n{resellers}");
    }
    let preview = data.fine(&["statement", "--customer", "acme", "--period", "2024-03"]);
    // -165.20 + 198.24 + 236.40 = 269.44, and 20 % of it is 53.888.
    assert!(preview.contains("Preview of a statement") && preview.contains("323.33"), "{preview}");
    assert_eq!(data.ask(&["statement", "7"]).exit, Exit::NotFound);
    let open = data.ask(&["statement", "--reseller", "r", "--period", "2024-03"]);
    assert_eq!(open.exit, Exit::NotFound, "{open:?}");
    assert_eq!(data.ask(&["statement"]).exit, Exit::Usage);
    assert_eq!(data.ask(&["statement", "--customer", "acme"]).exit, Exit::Usage);
}

#[test]
fn closed_periods_are_proved_in_a_folder_and_in_its_backup() {
    let data = Data::new();
    let told = data.fine(&["verify"]);
    assert!(
        told.contains("bills: 2 closed period(s) drawn again, 4 statements, 2 lines\n"),
        "{told}"
    );
    let backup = data.path("backup");
    data.fine(&["backup", "--into", backup.to_str().unwrap()]);
    let of_backup = run(&["verify", "--json", "--data", backup.to_str().unwrap()]);
    assert_eq!(of_backup.exit, Exit::Fine, "{of_backup:?}");
    let periods = &of_backup.json()[0]["closed_periods"];
    assert_eq!(
        (&periods[1]["period"], &periods[1]["differences"]),
        (&json!("2024-02"), &json!([]))
    );
    let shown = run(&["statement", "3", "--data", backup.to_str().unwrap()]);
    assert_eq!(shown.out, data.fine(&["statement", "3"]));
}

/// Replaces a text by another of the same length.
fn replace(bytes: &mut [u8], from: &str, to: &str) {
    for at in 0..bytes.len().saturating_sub(from.len()) {
        if bytes[at..].starts_with(from.as_bytes()) {
            bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        }
    }
}

#[test]
fn a_bill_that_was_forged_with_care_is_found() {
    let data = Data::new();
    data.forge("total", |commit| {
        for event in &mut commit.events {
            replace(&mut event.bytes, "236.40", "236.41");
        }
    });
    data.forge("price", |commit| {
        if commit.stream == StreamId::Customer(CustomerId::try_new("acme").unwrap()) {
            for event in &mut commit.events {
                replace(&mut event.bytes, "19.70", "19.60");
            }
        }
    });
    for (name, said) in [
        (
            "total",
            "statement 000001 is drawn again as number 1 of customer acme, 1 lines, 236.40 EUR",
        ),
        ("price", "the root over the commits up to position 4 is"),
    ] {
        let path = data.path(name);
        let found = run(&["verify", "--data", path.to_str().unwrap()]);
        assert_eq!(found.exit, Exit::Found, "{name}: {found:?}");
        assert!(
            found.out.contains(said) && found.out.contains("the bills of 2024-01: "),
            "{}",
            found.out
        );
        let shown = run(&["statement", "1", "--data", path.to_str().unwrap()]);
        assert_eq!((shown.exit, shown.out.as_str()), (Exit::Found, ""), "nothing of it is shown");
    }
}
