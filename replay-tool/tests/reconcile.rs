//! A vendor's invoice against the ledger: the same in every form, and every difference with its cause.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as the tests do")]

mod invoice;
mod support;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use flate2::Compression;
use flate2::write::GzEncoder;
use invoice::{Book, COLUMNS_2023, COLUMNS_LEGACY, PERIOD, Vendor, columns_2026, csv};
use ledger_core::customer::DifferenceCause;
use ledger_core::money::RoundingPolicy;
use ledger_core::reconcile::{Difference, InvoiceFile, OurLine, Reading, Reconciler, sha256_of};
use proptest::prelude::*;
use replay_tool::exit::Exit;
use rust_decimal::Decimal;
use serde_json::Value;
use support::{Answer, run};

/// One story for all tests; a folder has one reader at a time.
static BOOK: LazyLock<Mutex<Book>> = LazyLock::new(|| Mutex::new(Book::new()));

/// The invoice as it should be.
static LINES: LazyLock<Vec<Vendor>> =
    LazyLock::new(|| book().billed().iter().map(Vendor::of).collect());

/// What the ledger bills.
static OURS: LazyLock<Vec<OurLine>> =
    LazyLock::new(|| book().billed().iter().map(|line| OurLine::of(line).unwrap()).collect());

fn book() -> MutexGuard<'static, Book> {
    BOOK.lock().unwrap_or_else(PoisonError::into_inner)
}

fn reconciled(name: &str, content: impl AsRef<[u8]>, more: &[&str]) -> Answer {
    of(&book(), name, content, more)
}

fn of(book: &Book, name: &str, content: impl AsRef<[u8]>, more: &[&str]) -> Answer {
    let (file, root) = (book.file(name, content), book.root());
    let (file, root) = (file.to_str().unwrap(), root.to_str().unwrap());
    run(&[&["reconcile", file, "--period", PERIOD, "--data", root], more].concat())
}

fn agrees(name: &str, content: impl AsRef<[u8]>, more: &[&str]) {
    let answer = reconciled(name, content, more);
    assert_eq!(answer.exit, Exit::Fine, "{name}: {}{}", answer.out, answer.err);
    assert!(answer.out.contains(&format!("{} of {} lines agree", eur(), eur())), "{}", answer.out);
}

/// How many lines are in euros.
fn eur() -> usize {
    LINES.iter().filter(|line| line.currency.to_string() == "EUR").count()
}

fn packed(text: &str) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(text.as_bytes()).unwrap();
    packer.finish().unwrap()
}

fn utf_16(text: &str) -> Vec<u8> {
    format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Every field in quotation marks, so that any divider and any value goes.
fn divided(columns: &str, divider: &str, value: impl Fn(&Vendor, &str) -> String) -> String {
    let columns: Vec<&str> = columns.split(',').map(str::trim).collect();
    let quoted = |field: &str| format!("\"{}\"", field.replace('"', "\"\""));
    let header: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
    let mut text = header.join(divider) + "\r\n";
    for line in LINES.iter() {
        let fields = columns.iter().map(|column| quoted(&value(line, column)));
        text += &(fields.collect::<Vec<_>>().join(divider) + "\r\n");
    }
    text
}

#[test]
fn an_invoice_of_what_was_billed_agrees_in_every_form_of_the_file() {
    let plain = csv(COLUMNS_2023, &LINES);
    let mut backwards = LINES.clone();
    backwards.reverse();
    agrees("plain", &plain, &[]);
    agrees("backwards", csv(COLUMNS_2023, &backwards), &[]);
    agrees("2026", csv(&columns_2026(), &LINES), &[]);
    agrees("drift", csv(&COLUMNS_2023.replace("ReferenceID", "Reference Id"), &LINES), &[]);
    agrees(
        "upper",
        csv(&COLUMNS_2023.to_uppercase(), &[]).trim().to_owned()
            + "\n"
            + plain.split_once('\n').unwrap().1,
        &[],
    );
    agrees("marked", format!("\u{feff}{plain}"), &[]);
    agrees("windows", plain.replace('\n', "\r\n"), &[]);
    agrees("utf-16", utf_16(&plain), &[]);
    agrees("gzip", packed(&plain), &[]);
    let (head, tail) = plain.split_at(plain.len() / 2);
    agrees("members", [packed(head), packed(tail)].concat(), &[]);
    let header = plain.lines().next().unwrap();
    agrees("parts", [packed(&plain), packed(&format!("{header}\n"))].concat(), &[]);
    agrees("tabs", plain.replace(',', "\t"), &[]);
    agrees("semicolons", plain.replace(',', ";"), &[]);
}

#[test]
fn an_invoice_agrees_through_all_that_spreadsheets_do_to_values() {
    let excel = divided(COLUMNS_2023, ";", |line, column| match column {
        "SubscriptionId" => format!("'{}", line.value(column)),
        "CustomerId" => format!("=\"{}\"", line.value(column).to_uppercase()),
        "SkuId" => "1".to_owned(),
        "ChargeType" => line.value(column).to_uppercase(),
        "ReferenceID" => format!(r#"{{"id":"{}","v":"2.0"}}"#, line.value(column)),
        "TaxTotal" if line.tax.is_zero() => "0E-20".to_owned(),
        "Subtotal" => format!("{:.18}", line.subtotal),
        "ChargeStartDate" | "ChargeEndDate" => {
            let day = line.value(column);
            format!("{}/{}/{} 12:00:00 AM", &day[5..7], &day[8..10], &day[..4])
        }
        _ => line.value(column),
    });
    agrees("excel", excel, &[]);
    let german = divided(COLUMNS_2023, ";", |line, column| match column {
        "Subtotal" | "TaxTotal" | "UnitPrice" | "PCToBCExchangeRate" => {
            grouped(&line.value(column))
        }
        "ChargeStartDate" | "ChargeEndDate" => {
            let day = line.value(column);
            format!("{}.{}.{}", &day[8..10], &day[5..7], &day[..4])
        }
        _ => line.value(column),
    });
    assert!(german.contains("\"2.127,60\"") || german.contains("\"2.553,12\""), "groups: {german}");
    agrees("german", german, &[]);
    let british = divided(COLUMNS_2023, ",", |line, column| match column {
        "ChargeStartDate" | "ChargeEndDate" => {
            let day = line.value(column);
            format!("{}/{}/{}", &day[8..10], &day[5..7], &day[..4])
        }
        _ => line.value(column),
    });
    agrees("british", british, &[]);
}

/// `2553.12` as `2.553,12`.
fn grouped(number: &str) -> String {
    let (whole, cents) = number.split_once('.').unwrap_or((number, "00"));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut groups = Vec::new();
    let mut rest = digits;
    while 3 < rest.len() {
        let (before, group) = rest.split_at(rest.len() - 3);
        groups.insert(0, group);
        rest = before;
    }
    groups.insert(0, rest);
    format!("{sign}{},{cents}", groups.join("."))
}

#[test]
fn a_legacy_file_agrees() {
    let euros: Vec<Vendor> = LINES.iter().filter(|line| line.rate.is_none()).cloned().collect();
    let legacy: Vec<Vendor> = euros
        .into_iter()
        .map(|line| Vendor {
            charge_type: match line.charge_type.as_str() {
                "new" => "Purchase fee".to_owned(),
                "cycleCharge" => "Cycle fee".to_owned(),
                "cancelImmediate" => "Cancel instance prorate".to_owned(),
                _ => "Cycle instance prorate".to_owned(),
            },
            ..line
        })
        .collect();
    let text = csv(COLUMNS_LEGACY, &legacy);
    agrees("legacy", text, &["--currency", "EUR"]);
}

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
fn what_can_be_read_in_two_ways_is_asked_for() {
    let only = |column: &'static str, value: &'static str| {
        divided(COLUMNS_2023, ";", move |line, of| match of {
            of if of == column => value.to_owned(),
            "UnitPrice" | "Subtotal" | "TaxTotal" | "PCToBCExchangeRate" => "1".to_owned(),
            of => line.value(of),
        })
    };
    let answer = reconciled("number", only("UnitPrice", "9.408"), &[]);
    assert_eq!(answer.exit, Exit::Found);
    let told = "line 2, column UnitPrice: \"9.408\" is more than one number: say with --decimal";
    assert!(answer.err.contains(told), "{}", answer.err);
    let answer =
        reconciled("number", only("UnitPrice", "9.408"), &["--decimal", "comma", "--json"]);
    assert_eq!(answer.json()[0]["theirs"][0]["unit_price"], "9408");
    let day = only("ChargeStartDate", "03/04/2026");
    let answer = reconciled("day", &day, &[]);
    let told =
        "line 2, column ChargeStartDate: \"03/04/2026\" is more than one day: say with --dates";
    assert!(answer.err.contains(told), "{}", answer.err);
    let answer = reconciled("day", &day, &["--dates", "month-first", "--json"]);
    assert_eq!(answer.json()[0]["theirs"][0]["period"]["start"], "2026-03-04");
}

#[test]
fn a_damaged_file_is_refused_with_the_place_of_the_damage_and_nothing_is_recorded() {
    let plain = csv(COLUMNS_2023, &LINES);
    let whole = packed(&plain);
    let at = |number: usize, line: &str| {
        let mut lines: Vec<&str> = plain.lines().collect();
        lines[number - 1] = line;
        lines.join("\n").into_bytes()
    };
    let third = plain.lines().nth(2).unwrap();
    let huge = format!("{third}\"{}\n", "x".repeat(400_000));
    let open = format!("\"{third}");
    let swapped = third.replace("2026-03", "2026-13");
    let foreign = third.replace(",EUR,,", ",XAU,,").replace(",USD,,", ",XAU,,");
    let cases: [(&str, Vec<u8>, &str); 14] = [
        ("truncated", whole[..whole.len() / 2].to_vec(), "cannot be read after line "),
        ("trailing", [whole.clone(), b"rubbish".to_vec()].concat(), "cannot be read after line 77"),
        ("empty", Vec::new(), "the file is empty"),
        ("blank", b"\n \n".to_vec(), "the file is empty"),
        ("packed-empty", packed(""), "the file is empty"),
        ("header", plain.lines().next().unwrap().into(), "has a header and no lines"),
        ("workbook", b"PK\x03\x04\x00\x00workbook".to_vec(), "is not text"),
        (
            "latin",
            at(3, "").iter().copied().chain([0xE9, b',', 0xFF]).collect(),
            "is neither UTF-8",
        ),
        ("column", plain.replacen("Subtotal", "Sum", 1).into_bytes(), "the header lacks Subtotal"),
        ("twice", plain.replacen("SkuName", "skuid", 1).into_bytes(), "has skuid twice"),
        ("few", at(3, "a,b,c"), "line 3 has 3 fields, and the header 46"),
        ("huge", at(3, &huge), "line 3 has more than 262144 bytes"),
        ("date", at(3, &swapped), "line 3, column ChargeStartDate: \"2026-13-0"),
        ("currency", at(3, &foreign), "line 3, column Currency: \"XAU\" is no currency"),
    ];
    for (name, content, told) in cases {
        let more = ["--record", "--at", "2026-04-09"];
        let answer = reconciled(name, content, &more);
        assert_eq!((answer.exit, answer.out.as_str()), (Exit::Found, ""), "{name}: {}", answer.err);
        assert!(answer.err.contains(told), "{name}: {}", answer.err);
    }
    let unclosed = reconciled("unclosed", at(3, &open), &[]);
    assert_eq!(unclosed.exit, Exit::Found);
    assert!(unclosed.err.contains("line 3 "), "{}", unclosed.err);
    assert_eq!(book().reconciliations(), Vec::<Value>::new());
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
fn unknown_columns_and_charge_types_are_kept_and_shown() {
    let mut lines = LINES.clone();
    let more = Vendor { charge_type: "loyaltyBonus".to_owned(), ..lines[0].clone() };
    lines.push(more);
    let content = csv(&format!("{COLUMNS_2023},Colour"), &lines).replace(",\n", ",teal\n");
    let answer = reconciled("unknown", content, &[]);
    assert_eq!(answer.exit, Exit::Found);
    for told in [
        "columns not known, kept: Colour",
        "charge type not known, kept: loyaltyBonus (1)",
        "Colour=teal",
        "only-theirs: 1 difference",
    ] {
        assert!(answer.out.contains(told), "{told}: {}", answer.out);
    }
}
