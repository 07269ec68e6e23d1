//! FOCUS files: every rule of the specification, and every cent of the statements.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod lives;
mod support;
mod years;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use ledger_core::folder::ClockKind;
use replay_tool::exit::Exit;
use replay_tool::export::focus_check;
use support::run;
use tempfile::TempDir;
use years::{Years, rows, sum, years};

#[test]
fn focus_files_of_random_years_keep_every_rule_and_come_to_the_statements_to_the_cent() {
    let mut seen = BTreeSet::new();
    for seed in 1..=6 {
        let years = Years::of(seed * 7919, 160);
        let (path, _) = years.export("focus.csv", &["--layout", "focus"]);
        let mut report = focus_check::check(fs::File::open(&path).unwrap()).unwrap();
        assert!(!years.billed.is_empty(), "periods were closed under seed {seed}");
        report.compare(&years.billed);
        assert_eq!(report.findings, [], "seed {seed}");
        assert_eq!(
            report.invoices.keys().collect::<Vec<_>>(),
            years.billed.keys().collect::<Vec<_>>()
        );
        for row in rows(&path) {
            let columns =
                ["ChargeCategory", "ChargeClass", "x_ChargeType", "BillingCurrency", "x_Rounding"];
            seen.extend(columns.map(|column| format!("{column} {}", row[column])));
            seen.extend((!row["x_PromotionId"].is_empty()).then(|| "promotion".to_owned()));
            seen.extend(row["BilledCost"].starts_with('-').then(|| "credit".to_owned()));
        }
    }
    // What the years have to have had, for the rules to mean something.
    for had in [
        "ChargeCategory Purchase",
        "ChargeCategory Usage",
        "ChargeCategory Credit",
        "ChargeCategory Tax",
        "ChargeClass Correction",
        "x_ChargeType cycleCharge",
        "x_ChargeType renew",
        "x_ChargeType addQuantity",
        "x_ChargeType removeQuantity",
        "x_ChargeType cancelImmediate",
        "x_ChargeType convert",
        "BillingCurrency EUR",
        "BillingCurrency USD",
        "x_Rounding fee-then-tax",
        "promotion",
        "credit",
    ] {
        assert!(seen.contains(had), "no {had} in {seen:?}");
    }
}

#[test]
fn what_was_paid_ahead_is_spread_over_its_months_to_the_cent() {
    let (path, _) = years().export("spread.csv", &["--layout", "focus", "--until", "2029-12-31"]);
    let rows = rows(&path);
    let mut ahead = 0;
    for purchase in rows.iter().filter(|row| row["ChargeCategory"] == "Purchase") {
        let shares: Vec<_> = rows
            .iter()
            .filter(|row| {
                row["ChargeCategory"] == "Usage" && row["x_LineId"] == purchase["x_LineId"]
            })
            .collect();
        if shares.is_empty() {
            assert_eq!(purchase["EffectiveCost"], purchase["BilledCost"]);
            assert_eq!(purchase["x_BillingCycle"], "monthly");
            continue;
        }
        ahead += 1;
        assert_eq!(purchase["EffectiveCost"], "0");
        let whole = |column: &str| sum(shares.iter().copied(), ("BillingCurrency", column));
        let of = |column: &str| sum([purchase], ("BillingCurrency", column));
        assert_eq!(whole("EffectiveCost"), of("BilledCost"), "{purchase:?}");
        assert_eq!(whole("PricingQuantity"), of("PricingQuantity"), "{purchase:?}");
        assert_eq!(whole("ContractedCost"), of("ContractedCost"), "{purchase:?}");
        let ends: Vec<_> = shares.iter().map(|row| row["ChargePeriodEnd"].as_str()).collect();
        let starts: Vec<_> = shares.iter().map(|row| row["ChargePeriodStart"].as_str()).collect();
        assert_eq!(starts[0], purchase["ChargePeriodStart"]);
        assert_eq!(ends.last().unwrap(), &purchase["ChargePeriodEnd"]);
        assert_eq!(starts[1..], ends[..ends.len() - 1], "no day is left out or counted twice");
    }
    assert!(ahead > 10, "{ahead}");
}

#[test]
fn a_year_bought_ahead_shows_the_numbers_that_anybody_can_compute() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    support::record(
        &data,
        ClockKind::Simulated,
        &[
            ("2024-01-01", "catalogue", support::catalogue()),
            ("2024-01-01", "customer/acme", support::register()),
            (
                "2024-01-15",
                "customer/acme",
                serde_json::json!({
                    "command": "Purchase", "subscription": "s1", "offer": "office-365-e3", "term": "P1Y",
                    "billing": "annual", "quantity": 10,
                }),
            ),
            (
                "2024-02-14",
                "billing",
                serde_json::json!({
                    "command": "SetBillingTerms", "version": "t1", "from": "2024-01",
                    "terms": { "issuer": "Partner", "taxes": { "FR": "20" } },
                }),
            ),
        ],
    );
    let path = dir.path().join("focus.csv");
    let answer = run(&[
        "export",
        "--layout",
        "focus",
        "--data",
        data.to_str().unwrap(),
        "-o",
        path.to_str().unwrap(),
    ]);
    assert_eq!(answer.exit, Exit::Fine, "{}", answer.err);
    let columns = [
        "ChargeCategory",
        "BillingPeriodStart",
        "ChargePeriodStart",
        "ChargePeriodEnd",
        "BilledCost",
        "EffectiveCost",
        "PricingQuantity",
        "ContractedUnitPrice",
        "ContractedCost",
    ];
    let shown: Vec<Vec<String>> = rows(&path)
        .into_iter()
        .map(|row| columns.iter().map(|column| row[*column].replace("T00:00:00Z", "")).collect())
        .collect();
    // 10 seats at 236.40 for 366 days. 17 of them are in January: 2364.00 x 17/366 = 109.803..., and 46
    // are over by the end of February: 297.114... is cut to 297.11, less 109.80 is 187.31. The quantities
    // are 10 x 17/366 = 0.464480874... and 10 x 46/366 = 1.256830601... Tax is 20 % of 2364.00, and of
    // the shares 21.96 and 37.462.
    let expected = [
        [
            "Purchase",
            "2024-01-01",
            "2024-01-15",
            "2025-01-15",
            "2364.00",
            "0",
            "10",
            "236.4",
            "2364",
        ],
        [
            "Usage",
            "2024-01-01",
            "2024-01-15",
            "2024-02-01",
            "0",
            "109.80",
            "0.46448087",
            "236.4",
            "109.803277668",
        ],
        [
            "Usage",
            "2024-02-01",
            "2024-02-01",
            "2024-03-01",
            "0",
            "187.31",
            "0.79234973",
            "236.4",
            "187.311476172",
        ],
        ["Tax", "2024-01-01", "2024-01-01", "2024-02-01", "472.80", "0.00", "", "", "472.8"],
        ["Tax", "2024-01-01", "2024-01-01", "2024-02-01", "0", "21.96", "", "", "21.9606555336"],
        ["Tax", "2024-02-01", "2024-02-01", "2024-03-01", "0", "37.46", "", "", "37.4622952344"],
    ];
    assert_eq!(shown, expected.map(|row| row.map(str::to_owned).to_vec()));
}

/// A way to spoil a file: which row, and what becomes of it.
type Plant = (&'static str, fn(&Row) -> bool, &'static [(&'static str, &'static str)]);

type Row = BTreeMap<String, String>;

const fn any(_: &Row) -> bool {
    true
}

fn is(category: &str) -> impl Fn(&Row) -> bool {
    move |row| row["ChargeCategory"] == category
}

fn purchase(row: &Row) -> bool {
    is("Purchase")(row) && row["ChargeClass"].is_empty()
}

fn tax(row: &Row) -> bool {
    is("Tax")(row)
}

fn invoiced(row: &Row) -> bool {
    !row["InvoiceId"].is_empty()
}

/// One wrong row for each rule, and more for those with several parts.
const PLANTS: &[Plant] = &[
    ("not-null", any, &[("BilledCost", "")]),
    ("not-null", tax, &[("ServiceName", "")]),
    ("not-null", any, &[("PricingCurrency", "")]),
    ("allowed-value", purchase, &[("ChargeCategory", "purchase")]),
    ("allowed-value", any, &[("ChargeFrequency", "Monthly")]),
    ("allowed-value", any, &[("ServiceCategory", "Software")]),
    ("allowed-value", any, &[("ChargeClass", "Refund")]),
    ("number", any, &[("EffectiveCost", "1,000.00")]),
    ("not-negative", purchase, &[("ListUnitPrice", "-1")]),
    ("currency", any, &[("BillingCurrency", "eur")]),
    ("currency", any, &[("PricingCurrency", "Euro")]),
    ("key-value", purchase, &[("SkuPriceDetails", "P1Y")]),
    ("date-time", any, &[("ChargePeriodEnd", "2024-01-31")]),
    ("date-time", any, &[("ChargePeriodStart", "2024-01-31T00:00:00+01:00")]),
    ("exclusive-end", any, &[("BillingPeriodEnd", "2024-01-31T00:00:00Z")]),
    ("exclusive-end", any, &[("ChargePeriodEnd", "2030-01-31T23:59:59Z")]),
    ("exclusive-end", any, &[("ChargePeriodEnd", "2020-01-31T00:00:00Z")]),
    (
        "correction",
        purchase,
        &[
            ("ChargeClass", "Correction"),
            ("ChargePeriodStart", "2024-12-30T00:00:00Z"),
            ("ChargePeriodEnd", "2024-12-31T00:00:00Z"),
            ("BillingPeriodStart", "2024-12-01T00:00:00Z"),
            ("BillingPeriodEnd", "2025-01-01T00:00:00Z"),
        ],
    ),
    ("null-for-tax", tax, &[("PricingQuantity", "1")]),
    ("null-for-tax", tax, &[("SkuId", "sku")]),
    ("priced", purchase, &[("PricingUnit", "")]),
    ("priced", purchase, &[("ContractedUnitPrice", "")]),
    ("consumed", purchase, &[("ConsumedQuantity", "3")]),
    ("follows", tax, &[("SkuMeter", "Seats")]),
    ("follows", any, &[("SubAccountId", "")]),
    ("frequency", purchase, &[("ChargeFrequency", "Usage-Based")]),
    ("price-times-quantity", purchase, &[("ContractedCost", "0.01")]),
    ("price-times-quantity", purchase, &[("ListCost", "0.01")]),
    ("credit", tax, &[("ChargeCategory", "Credit"), ("BilledCost", "-5"), ("EffectiveCost", "0")]),
    ("one-account", invoiced, &[("BillingAccountId", "somebody else")]),
    ("one-sku", purchase, &[("SkuId", "another")]),
    ("one-service-category", purchase, &[("ServiceCategory", "Other")]),
    ("invoice-sum", invoiced, &[("BilledCost", "0.01")]),
];

#[test]
fn every_rule_of_focus_finds_the_row_that_breaks_it() {
    let (path, _) = years().export("spoiled.csv", &["--layout", "focus"]);
    let mut all = rows(&path);
    for row in &mut all {
        // Columns that the ledger has no values for.
        row.insert("ConsumedQuantity".to_owned(), String::new());
    }
    let check = |rows: &[Row]| {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(rows[0].keys()).unwrap();
        for row in rows {
            writer.write_record(row.values()).unwrap();
        }
        let mut report = focus_check::check(&writer.into_inner().unwrap()[..]).unwrap();
        report.compare(&years().billed);
        report.findings
    };
    assert_eq!(check(&all), []);
    let mut broken = BTreeSet::new();
    for (rule, which, changes) in PLANTS {
        let mut rows = all.clone();
        // The last one: what is known of an account or a SKU comes from the first.
        let (place, row) = rows.iter_mut().enumerate().rfind(|(_, row)| which(row)).unwrap();
        for (column, value) in *changes {
            row.insert((*column).to_owned(), (*value).to_owned());
        }
        let found = check(&rows);
        let line = u64::try_from(place + 2).unwrap();
        let is_it = |line_found: u64| {
            if *rule == "invoice-sum" { line_found == 0 } else { line_found == line }
        };
        assert!(
            found.iter().any(|f| f.rule == *rule && is_it(f.line)),
            "{rule} {changes:?}: {found:?}"
        );
        broken.insert(*rule);
    }
    let mut renamed = all.clone();
    for row in &mut renamed {
        let name = row.remove("BillingAccountName").unwrap();
        row.insert("AccountName".to_owned(), name);
    }
    let found = check(&renamed);
    for rule in ["column-mandatory", "column-name"] {
        assert!(found.iter().any(|f| f.rule == rule && f.line == 1), "{found:?}");
        broken.insert(rule);
    }
    let twice = focus_check::check("BilledCost,BilledCost\r\n1,1\r\n".as_bytes()).unwrap();
    assert!(twice.findings.iter().any(|f| f.rule == "column-once"), "{:?}", twice.findings);
    broken.insert("column-once");
    assert_eq!(broken, focus_check::RULES.iter().copied().collect(), "every rule has its plant");
}
