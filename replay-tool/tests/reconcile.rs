//! A vendor's invoice against the ledger: every difference with its cause, and every cent explained.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as the tests do")]

mod invoice;
mod support;

use std::collections::BTreeSet;
use std::io;

use invoice::{Book, COLUMNS_2023, LINES, OURS, Vendor, book, csv, of, reconciled};
use ledger_core::customer::DifferenceCause;
use ledger_core::money::RoundingPolicy;
use ledger_core::reconcile::{Difference, InvoiceFile, Reading, Reconciler, sha256_of};
use proptest::prelude::*;
use replay_tool::exit::Exit;
use rust_decimal::Decimal;
use serde_json::Value;
use support::run;

#[test]
fn a_credit_and_its_charge_may_be_one_line_and_one_charge_two() {
    let mut lines = LINES.clone();
    let pair = take(&mut lines, |line| line.subscription == "acme-01" && is_seats(line));
    assert_eq!(pair.len(), 2);
    lines.push(Vendor {
        quantity: pair.iter().map(|leg| leg.quantity).sum(),
        subtotal: pair.iter().map(|leg| leg.subtotal).sum(),
        tax: pair.iter().map(|leg| leg.tax).sum(),
        ..pair[0].clone()
    });
    let whole = take(&mut lines, |line| line.subscription == "gamma-22");
    // 34.40 a seat in two parts, as with and without telephony.
    let part = |price: &str, offer: &str| {
        let unit_price = price.parse().unwrap();
        Vendor { unit_price, offer: offer.to_owned(), ..whole[0].clone() }.computed()
    };
    lines.extend([part("30.00", "main"), part("4.40", "telco")]);
    let answer = reconciled("netted", csv(COLUMNS_2023, &lines), &[]);
    assert_eq!(answer.exit, Exit::Fine, "{}", answer.out);
}

fn take(lines: &mut Vec<Vendor>, is_meant: impl Fn(&Vendor) -> bool) -> Vec<Vendor> {
    let taken = lines.iter().filter(|line| is_meant(line)).cloned().collect();
    lines.retain(|line| !is_meant(line));
    taken
}

fn is_seats(line: &Vendor) -> bool {
    line.charge_type.ends_with("Quantity")
}

fn change(
    lines: &mut [Vendor],
    is_meant: impl Fn(&Vendor) -> bool,
    change: impl Fn(Vendor) -> Vendor,
) {
    let mut meant = lines.iter_mut().filter(|line| is_meant(line));
    let line = meant.next().expect("there is such a line");
    *line = change(line.clone());
}

fn cents(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// Plants twenty differences; returns the cause and the subscription of each.
fn planted(lines: &mut Vec<Vendor>) -> Vec<(&'static str, &'static str)> {
    let cycle = |name: &'static str| {
        move |line: &Vendor| line.subscription == name && line.charge_type == "cycleCharge"
    };
    let charged = |name: &'static str| {
        move |line: &Vendor| line.subscription == name && is_seats(line) && 0 < line.quantity
    };
    let policy = |policy| move |line: Vendor| Vendor { policy, ..line }.computed();
    change(lines, charged("acme-01"), policy(RoundingPolicy::LineTruncate));
    change(lines, charged("gamma-01"), policy(RoundingPolicy::LineHalfUp));

    let price = |price| move |line| Vendor { unit_price: cents(price), ..line }.computed();
    change(lines, cycle("acme-20"), price("6.90"));
    change(lines, cycle("gamma-21"), price("18.70"));

    // The first day is the day before, as another time zone has it; and a month of 30 days.
    let zone = |line| Vendor { start: "2026-03-05".to_owned(), days: 32, ..line }.computed();
    change(lines, |line| line.subscription == "acme-new", zone);
    change(lines, charged("acme-02"), |line| Vendor { cycle: 30, ..line }.computed());

    let more = |line: Vendor| Vendor { quantity: line.quantity + 2, ..line }.computed();
    change(lines, cycle("acme-22"), more);
    // A change that the ledger does not have: 3 seats less on 12 March.
    let before = lines.iter().find(|line| cycle("gamma-30")(line)).unwrap().clone();
    let leg = |quantity| {
        let (charge_type, reference) = ("removeQuantity".to_owned(), "theirs-1".to_owned());
        let (start, days) = ("2026-03-12".to_owned(), 24);
        Vendor { charge_type, reference, start, days, quantity, ..before.clone() }.computed()
    };
    lines.extend([leg(-before.quantity), leg(before.quantity - 3)]);

    for name in ["gamma-10", "acme-11"] {
        // Ours is 2 and then 5 more, theirs 5 and then 2.
        for line in lines.iter_mut().filter(|line| line.subscription == name && is_seats(line)) {
            let first = if name == "gamma-10" { 18 } else { 13 };
            if line.quantity.abs() == first + 2 {
                let quantity = line.quantity.signum() * (first + 5);
                *line = Vendor { quantity, ..line.clone() }.computed();
            }
        }
    }

    let rate = |line| Vendor { rate: Some(cents("1.0911")), ..line }.computed();
    change(lines, cycle("beta-10"), rate);
    change(lines, |line| line.subscription == "beta-promo", rate);

    change(lines, cycle("acme-30"), |line| Vendor { tax: line.tax + cents("0.02"), ..line });
    change(lines, cycle("acme-31"), |line| Vendor { tax: line.tax / cents("2"), ..line });

    let twice = lines.iter().find(|line| cycle("gamma-31")(line)).unwrap().clone();
    lines.push(twice);
    lines.push(Vendor {
        charge_type: "customerCredit".to_owned(),
        quantity: -1,
        subtotal: cents("-40.00"),
        tax: cents("0"),
        subscription: "gamma-32".to_owned(),
        ..before
    });

    lines.retain(|line| !cycle("beta-11")(line) && line.subscription != "gamma-left");

    let odd = |by| move |line: Vendor| Vendor { subtotal: line.subtotal + cents(by), ..line };
    change(lines, cycle("gamma-20"), odd("1.37"));
    change(lines, cycle("beta-20"), odd("-0.91"));
    vec![
        ("rounding-policy", "acme-01"),
        ("rounding-policy", "gamma-01"),
        ("price", "acme-20"),
        ("price", "gamma-21"),
        ("days", "acme-new"),
        ("days", "acme-02"),
        ("quantity", "acme-22"),
        ("quantity", "gamma-30"),
        ("order", "acme-11"),
        ("order", "gamma-10"),
        ("exchange-rate", "beta-10"),
        ("exchange-rate", "beta-promo"),
        ("tax", "acme-30"),
        ("tax", "acme-31"),
        ("only-theirs", "gamma-31"),
        ("only-theirs", "gamma-32"),
        ("only-ours", "beta-11"),
        ("only-ours", "gamma-left"),
        ("only-ours", "gamma-left"),
        ("unknown", "gamma-20"),
        ("unknown", "beta-20"),
    ]
}

fn text<'a>(of: &'a Value, name: &str) -> &'a str {
    of[name].as_str().unwrap()
}

#[test]
fn every_planted_difference_is_found_with_its_cause_and_no_other() {
    let mut lines = LINES.clone();
    let mut expected = planted(&mut lines);
    let file = csv(COLUMNS_2023, &lines);
    let answer = reconciled("planted", &file, &["--json"]);
    assert_eq!(answer.exit, Exit::Found, "{}", answer.err);
    let found = answer.json();
    let (summary, differences) = found.split_last().unwrap();
    let mut causes: Vec<(&str, &str)> = differences
        .iter()
        .map(|difference| (text(difference, "cause"), text(difference, "subscription")))
        .collect();
    causes.sort_unstable();
    expected.sort_unstable();
    assert_eq!(causes, expected, "{}", reconciled("planted", &file, &[]).out);

    // The sums, by another way than the tool's: theirs from the file, ours from what is billed.
    for total in summary["summary"]["totals"].as_array().unwrap() {
        let currency = text(total, "currency");
        let theirs = lines.iter().filter(|line| line.currency.to_string() == currency);
        let theirs: Decimal = theirs.map(|line| line.subtotal + line.tax).sum();
        assert_eq!(cents(text(total, "theirs")), theirs, "{currency}");
        let explained = differences.iter().filter(|found| text(found, "currency") == currency);
        let explained: Decimal = explained.map(|found| cents(text(found, "amount"))).sum();
        let ours = LINES.iter().filter(|line| line.currency.to_string() == currency);
        let untaxed = |line: &&Vendor| line.subscription == "gamma-left";
        let ours: Decimal = ours
            .map(|line| line.subtotal + if untaxed(&line) { Decimal::ZERO } else { line.tax })
            .sum();
        assert_eq!(theirs - ours, explained, "{currency}");
    }
}
/// A difference of any kind, on any line.
fn tamper(lines: &mut Vec<Vendor>, at: usize, kind: u8, by: i64) {
    if lines.is_empty() {
        return;
    }
    let at = at % lines.len();
    let line = lines[at].clone();
    let amount = Decimal::new(by, 2);
    lines[at] = match kind {
        0 => Vendor { policy: RoundingPolicy::LineHalfUp, ..line }.computed(),
        1 => Vendor { unit_price: line.unit_price + amount, ..line }.computed(),
        2 => Vendor { cycle: 30, ..line }.computed(),
        3 => Vendor { quantity: line.quantity + by, ..line }.computed(),
        4 => Vendor { rate: line.rate.map(|rate| rate + amount), ..line }.computed(),
        5 => Vendor { tax: line.tax + amount, ..line },
        6 => Vendor { subtotal: line.subtotal + amount, ..line },
        7 => Vendor { start: "2026-03-01".to_owned(), ..line },
        8 => Vendor { charge_type: "somethingElse".to_owned(), subtotal: amount, ..line },
        9 => Vendor { customer: "delta".to_owned(), subscription: "elsewhere".to_owned(), ..line },
        10 => {
            lines.push(line.clone());
            line
        }
        _ => {
            lines.remove(at);
            return;
        }
    };
}

fn in_memory(text: &str) -> InvoiceFile<'_> {
    let open = || -> io::Result<Box<dyn io::Read>> {
        Ok(Box::new(io::Cursor::new(text.as_bytes().to_vec())))
    };
    InvoiceFile::open(open, Reading::default()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn whatever_differs_every_line_is_told_once_and_every_cent_is_explained(
        plants in proptest::collection::vec((0..1000_usize, 0..12_u8, -500..500_i64), 0..60),
    ) {
        let mut lines = LINES.clone();
        for (at, kind, by) in plants {
            tamper(&mut lines, at, kind, by);
        }
        prop_assume!(!lines.is_empty());
        let text = csv(COLUMNS_2023, &lines);
        let mut reconciler = Reconciler::new(OURS.clone()).unwrap();
        for their in in_memory(&text) {
            reconciler.add(their.unwrap()).unwrap();
        }
        let found = reconciler.finish().unwrap();
        let mut theirs = BTreeSet::new();
        let mut ours = BTreeSet::new();
        for difference in &found.differences {
            // A line may differ before tax, and in its tax.
            let is_tax = difference.cause == DifferenceCause::Tax;
            for line in &difference.theirs {
                prop_assert!(theirs.insert((line.line, is_tax)), "line {} twice", line.line);
            }
            for line in &difference.ours {
                prop_assert!(ours.insert((line.id.clone(), is_tax)), "{} twice", line.id);
            }
        }
        for total in &found.totals {
            let of = |line: &&Vendor| line.currency == total.currency;
            let sum: Decimal = lines.iter().filter(of).map(|line| line.subtotal + line.tax).sum();
            prop_assert_eq!(total.theirs, sum);
            let of = |difference: &&Difference| difference.currency == total.currency;
            let explained: Decimal =
                found.differences.iter().filter(of).map(|difference| difference.amount).sum();
            prop_assert_eq!(total.theirs - total.ours, explained);
        }
        let matched: u64 = found.totals.iter().map(|total| total.matched).sum();
        let theirs: BTreeSet<u64> = theirs.into_iter().map(|(line, _)| line).collect();
        prop_assert_eq!(usize::try_from(matched).unwrap() + theirs.len(), lines.len());
    }
}

#[test]
fn a_change_missing_early_in_the_month_moves_what_comes_after_by_its_seats() {
    let mut lines = LINES.clone();
    // Ours adds 3 on the 8th and gives 2 back on the 9th; theirs knows nothing of the first.
    take(&mut lines, |line| line.subscription == "gamma-00" && line.charge_type == "addQuantity");
    for line in &mut lines {
        if line.subscription == "gamma-00" && line.charge_type == "removeQuantity" {
            let quantity = line.quantity - 3 * line.quantity.signum();
            *line = Vendor { quantity, ..line.clone() }.computed();
        }
    }
    let found = reconciled("missing", csv(COLUMNS_2023, &lines), &["--json"]).json();
    let (_, differences) = found.split_last().unwrap();
    let causes: Vec<&str> = differences.iter().map(|found| text(found, "cause")).collect();
    assert_eq!(causes, ["quantity"; 3]);
}

#[test]
fn a_result_is_recorded_once_with_the_sum_of_the_file() {
    let book = Book::new();
    let content = csv(COLUMNS_2023, &LINES);
    let record = ["--record", "--at", "2026-04-09"];
    let first = of(&book, "invoice.csv", &content, &record);
    assert_eq!((first.exit, first.err.as_str()), (Exit::Fine, "the result is recorded\n"));
    let again = of(&book, "invoice.csv", &content, &record);
    assert_eq!(again.err, "this result was recorded before; nothing to do\n");
    let recorded = book.reconciliations();
    assert_eq!(recorded.len(), 1);
    assert_eq!(text(&recorded[0], "file"), "invoice.csv");
    let sum = sha256_of(content.as_bytes()).unwrap();
    assert_eq!(text(&recorded[0], "sha256"), sum);
    let undated = of(&book, "invoice.csv", &content, &["--record"]);
    assert_eq!(undated.exit, Exit::Usage);
    // Another result is another record.
    let other = of(&book, "invoice.csv", csv(COLUMNS_2023, &LINES[1..]), &record);
    assert_eq!((other.exit, other.err.as_str()), (Exit::Found, "the result is recorded\n"));
    assert_eq!(book.reconciliations().len(), 2);
}

#[test]
fn customers_and_currencies_can_be_compared_by_themselves_and_written_to_a_file() {
    let mut lines = LINES.clone();
    planted(&mut lines);
    let content = csv(COLUMNS_2023, &lines);
    let out = book().dir.path().join("differences.csv");
    let more = ["--customer", "beta", "--csv", "-o", out.to_str().unwrap()];
    let answer = reconciled("invoice.csv", &content, &more);
    assert_eq!((answer.exit, answer.out.as_str()), (Exit::Found, ""));
    let mut written = csv::Reader::from_path(&out).unwrap();
    let causes = |row: csv::StringRecord| (row[0].to_owned(), row[2].to_owned());
    let rows: Vec<_> = written.records().map(|row| causes(row.unwrap())).collect();
    let expected = [
        ("exchange-rate", "beta-promo"),
        ("exchange-rate", "beta-10"),
        ("only-ours", "beta-11"),
        ("unknown", "beta-20"),
    ];
    assert_eq!(rows, expected.map(|(cause, of)| (cause.to_owned(), of.to_owned())));
    let answer = reconciled("invoice.csv", &content, &["--currency", "USD"]);
    assert!(
        answer.out.contains("in USD: 14 of 17") && !answer.out.contains("EUR:"),
        "{}",
        answer.out
    );
}

#[test]
fn nothing_to_compare_is_never_told_as_agreement() {
    let content = csv(COLUMNS_2023, &LINES);
    for filter in [["--customer", "delta"], ["--currency", "GBP"]] {
        let answer = reconciled("invoice.csv", &content, &filter);
        assert_eq!((answer.exit, answer.out.as_str()), (Exit::NotFound, ""), "{filter:?}");
        assert!(answer.err.contains("check --customer and --currency"), "{}", answer.err);
    }
}

#[test]
fn a_month_that_has_not_begun_is_told_and_never_recorded() {
    let book = Book::new();
    let file = book.file("invoice.csv", csv(COLUMNS_2023, &LINES));
    let (file, root) = (file.to_str().unwrap().to_owned(), book.root());
    let ahead = ["reconcile", &file, "--period", "2027-01", "--data", root.to_str().unwrap()];
    let told = run(&ahead);
    assert_eq!(told.exit, Exit::Found);
    assert!(told.err.contains("2027-01 has not begun on 2026-03-10"), "{}", told.err);
    let refused = run(&[&ahead[..], &["--record", "--at", "2026-04-09"]].concat());
    assert_eq!(refused.exit, Exit::Found);
    assert!(refused.err.contains("period 2027-01 has not begun"), "{}", refused.err);
    assert!(book.reconciliations().is_empty());
}
