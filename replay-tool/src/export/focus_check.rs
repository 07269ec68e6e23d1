//! Checks a FOCUS 1.2 file in CSV, whoever has written it: the rules of the specification for columns
//! that a seller of subscriptions has. Source: domain, section 8.1.

mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Read;

use csv::StringRecord;
use rust_decimal::Decimal;
use serde::Serialize;

/// The names of the rules.
pub const RULES: &[&str] = &[
    "allowed-value",
    "column-mandatory",
    "column-name",
    "column-once",
    "consumed",
    "correction",
    "credit",
    "currency",
    "date-time",
    "exclusive-end",
    "follows",
    "frequency",
    "invoice-sum",
    "key-value",
    "not-negative",
    "not-null",
    "null-for-tax",
    "number",
    "one-account",
    "one-service-category",
    "one-sku",
    "price-times-quantity",
    "priced",
];

/// Something that is not as FOCUS demands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// Line of the file where the row begins, from 1; 0 for the file as a whole.
    pub line: u64,
    /// The rule.
    pub rule: &'static str,
    /// What is wrong with which column.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, rule, what } = self;
        if *line == 0 {
            write!(f, "{rule}: {what}")
        } else {
            write!(f, "line {line}: {rule}: {what}")
        }
    }
}

/// What a file was found to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Rows without the header.
    pub rows: u64,
    /// The first findings, in order.
    pub findings: Vec<Finding>,
    /// How many findings there are.
    pub count: u64,
    /// What the rows of an invoice come to, by its number and currency.
    pub invoices: BTreeMap<(String, String), Decimal>,
}

/// Findings that are kept.
const FINDINGS_MAX: usize = 1000;

impl Report {
    fn find(&mut self, line: u64, rule: &'static str, what: String) {
        self.count = self.count.saturating_add(1);
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { line, rule, what });
        }
    }

    /// Compares the sums of invoices with what was billed.
    pub fn compare(&mut self, billed: &BTreeMap<(String, String), Decimal>) {
        for ((number, currency), total) in billed {
            let found = self.invoices.get(&(number.clone(), currency.clone()));
            let found = found.copied().unwrap_or_default();
            if found != *total {
                let what =
                    format!("invoice {number} comes to {total} {currency}, its rows to {found}");
                self.find(0, "invoice-sum", what);
            }
        }
    }
}

/// Checks a file.
///
/// # Errors
///
/// What the file says that is no CSV, with its line.
pub fn check(file: impl Read) -> Result<Report, csv::Error> {
    let mut reader = csv::Reader::from_reader(file);
    let header = reader.headers()?.clone();
    let mut report = Report::default();
    rules::header(&header, &mut |rule, what| report.find(1, rule, what));
    let places = header.iter().enumerate().map(|(place, name)| (name.to_owned(), place)).collect();
    let mut known = Known::default();
    let mut record = StringRecord::new();
    while reader.read_record(&mut record)? {
        report.rows = report.rows.saturating_add(1);
        let line = record.position().map_or(0, csv::Position::line);
        let row = Row { places: &places, record: &record };
        rules::row(&row, &mut |rule, what| report.find(line, rule, what));
        known.add(&row, &mut |rule, what| report.find(line, rule, what));
        add_to_invoice(&row, &mut report.invoices);
    }
    Ok(report)
}

fn add_to_invoice(row: &Row<'_>, invoices: &mut BTreeMap<(String, String), Decimal>) {
    let number = row.get("InvoiceId").zip(row.get("BillingCurrency"));
    if let (Some((number, currency)), Some(billed)) = (number, row.number("BilledCost")) {
        let sum = invoices.entry((number.to_owned(), currency.to_owned())).or_default();
        *sum = sum.saturating_add(billed);
    }
}

/// A row by the names of its columns.
struct Row<'a> {
    places: &'a BTreeMap<String, usize>,
    record: &'a StringRecord,
}

impl Row<'_> {
    fn has(&self, column: &str) -> bool {
        self.places.contains_key(column)
    }

    /// The value; `None` when it is null.
    fn get(&self, column: &str) -> Option<&str> {
        let place = self.places.get(column)?;
        self.record.get(*place).filter(|value| !value.is_empty())
    }

    fn is(&self, column: &str, value: &str) -> bool {
        self.get(column) == Some(value)
    }

    fn number(&self, column: &str) -> Option<Decimal> {
        self.get(column).and_then(number)
    }
}

/// A number as FOCUS writes it: decimal or scientific, without thousands.
fn number(text: &str) -> Option<Decimal> {
    Decimal::from_str_exact(text).or_else(|_| Decimal::from_scientific(text)).ok()
}

/// What all rows say together: grows with invoices and SKUs, not with rows.
#[derive(Default)]
struct Known {
    accounts: BTreeMap<String, String>,
    skus: BTreeMap<String, String>,
    services: BTreeMap<String, String>,
    told: BTreeSet<(&'static str, String)>,
}

impl Known {
    fn add(&mut self, row: &Row<'_>, find: &mut dyn FnMut(&'static str, String)) {
        let pairs = [
            ("one-account", "InvoiceId", "BillingAccountId", &mut self.accounts),
            ("one-sku", "SkuPriceId", "SkuId", &mut self.skus),
            ("one-service-category", "ServiceName", "ServiceCategory", &mut self.services),
        ];
        for (rule, of, what, known) in pairs {
            let (Some(key), Some(value)) = (row.get(of), row.get(what)) else { continue };
            let first = known.entry(key.to_owned()).or_insert_with(|| value.to_owned());
            if first != value && self.told.insert((rule, key.to_owned())) {
                find(rule, format!("{of} {key} has the {what} {first} and {value}"));
            }
        }
    }
}
