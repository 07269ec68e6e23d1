//! What a comparison found, as text, JSON or CSV.

use std::io::{self, Write};

use ledger_core::calendar::{Month, Period};
use ledger_core::customer::{DifferenceCause, ReconciliationTotal};
use ledger_core::reconcile::{Difference, FileNotes, OurLine, Reconciliation, TheirLine};
use rust_decimal::Decimal;
use serde_json::json;

/// How a result is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// For people, by cause.
    Text,
    /// One object per difference, and then the totals.
    Json,
    /// One row per difference.
    Csv,
}

/// A result and what it is of.
#[derive(Debug)]
pub(super) struct Shown<'a> {
    pub(super) file: &'a str,
    pub(super) sha256: &'a str,
    pub(super) period: Month,
    pub(super) notes: &'a FileNotes,
    pub(super) found: &'a Reconciliation,
}

const COLUMNS: [&str; 18] = [
    "cause",
    "customer",
    "subscription",
    "currency",
    "difference",
    "theirs",
    "ours",
    "their_lines",
    "our_lines",
    "their_charge_types",
    "their_days",
    "our_days",
    "their_quantities",
    "our_quantities",
    "their_unit_prices",
    "our_unit_prices",
    "computation",
    "their_other_columns",
];

impl Shown<'_> {
    pub(super) fn write(&self, form: Form, out: &mut dyn Write) -> io::Result<()> {
        match form {
            Form::Text => self.text(out),
            Form::Json => self.json(out),
            Form::Csv => self.csv(out),
        }
    }

    fn json(&self, out: &mut dyn Write) -> io::Result<()> {
        for difference in &self.found.differences {
            serde_json::to_writer(&mut *out, difference)?;
            writeln!(out)?;
        }
        let summary = json!({ "summary": { "file": self.file, "sha256": self.sha256,
            "period": self.period, "totals": self.found.totals, "untaxed": self.found.untaxed,
            "notes": self.notes } });
        serde_json::to_writer(&mut *out, &summary)?;
        writeln!(out)
    }

    fn csv(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut writer = csv::Writer::from_writer(out);
        writer.write_record(COLUMNS)?;
        for difference in &self.found.differences {
            writer.write_record(row(difference).iter().map(|field| harmless(field)))?;
        }
        writer.flush()
    }

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        for (number, total) in self.found.totals.iter().enumerate() {
            if 0 < number {
                writeln!(out)?;
            }
            self.total(total, out)?;
            for (cause, by_cause) in &total.causes {
                let (count, amount) = (by_cause.count, by_cause.amount);
                let noun = if count == 1 { "difference" } else { "differences" };
                writeln!(out, "\n{cause}: {count} {noun}, {amount} {}", total.currency)?;
                let of_cause = |d: &&Difference| (d.cause, d.currency) == (*cause, total.currency);
                for difference in self.found.differences.iter().filter(of_cause) {
                    text_of(difference, out)?;
                }
            }
        }
        writeln!(out)?;
        self.notes(out)
    }

    fn total(&self, total: &ReconciliationTotal, out: &mut dyn Write) -> io::Result<()> {
        let ReconciliationTotal { currency, lines, matched, theirs, ours, .. } = total;
        let difference = theirs - ours;
        writeln!(
            out,
            "{} and {} in {currency}: {matched} of {lines} lines agree",
            self.file, self.period
        )?;
        writeln!(out, "  theirs {theirs}, ours {ours}, difference {difference}")
    }

    fn notes(&self, out: &mut dyn Write) -> io::Result<()> {
        let FileNotes { lines, unknown_columns, unknown_charge_types } = self.notes;
        if !unknown_columns.is_empty() {
            writeln!(out, "columns not known, kept: {}", unknown_columns.join(", "))?;
        }
        for (charge_type, count) in unknown_charge_types {
            writeln!(out, "charge type not known, kept: {charge_type} ({count})")?;
        }
        if 0 < self.found.untaxed {
            writeln!(out, "{} lines show no tax: it was not compared there", self.found.untaxed)?;
        }
        let differences = self.found.differences.len();
        writeln!(out, "{lines} lines read, {differences} differences; sha256 {}", self.sha256)
    }
}

fn text_of(difference: &Difference, out: &mut dyn Write) -> io::Result<()> {
    let Difference { customer, subscription, amount, computation, theirs, ours, .. } = difference;
    writeln!(out, "  {customer}/{subscription}: {amount}")?;
    for their in theirs {
        let TheirLine { line, charge_type, period, quantity, subtotal, .. } = their;
        let tax = taxed(their.tax);
        let days = days(*period);
        let other = match others(their) {
            none if none.is_empty() => none,
            some => format!(", {some}"),
        };
        writeln!(
            out,
            "    theirs, line {line}: {charge_type} {days}, {quantity} seats, {subtotal}{tax}{other}"
        )?;
    }
    for our in ours {
        let OurLine { id, period, quantity, subtotal, .. } = our;
        let days = days(*period);
        let tax = if theirs.iter().all(|their| their.tax.is_zero()) {
            String::new()
        } else {
            taxed(our.tax)
        };
        let charge_type = type_of(our);
        writeln!(out, "    ours, {id}: {charge_type} {days}, {quantity} seats, {subtotal}{tax}")?;
    }
    writeln!(out, "    {computation}")
}

/// Columns that are not known here.
fn others(their: &TheirLine) -> String {
    let other = their.other.iter().map(|(name, value)| format!("{name}={value}"));
    other.collect::<Vec<_>>().join(", ")
}

fn taxed(tax: Decimal) -> String {
    if tax.is_zero() { String::new() } else { format!(" and {tax} tax") }
}

fn type_of(our: &OurLine) -> String {
    let text = serde_json::to_value(our.charge_type).unwrap_or_default();
    text.as_str().unwrap_or_default().to_owned()
}

fn days(period: Period) -> String {
    format!("{} to {}", period.start, period.end)
}

fn row(difference: &Difference) -> [String; 18] {
    let Difference { cause, customer, subscription, currency, amount, .. } = difference;
    let Difference { computation, theirs, ours, .. } = difference;
    let is_tax = *cause == DifferenceCause::Tax;
    let their_amounts = theirs.iter().map(|line| if is_tax { line.tax } else { line.subtotal });
    let our_amounts = ours.iter().map(|line| if is_tax { line.tax } else { line.subtotal });
    [
        cause.to_string(),
        customer.to_string(),
        subscription.to_string(),
        currency.to_string(),
        amount.to_string(),
        their_amounts.sum::<Decimal>().to_string(),
        our_amounts.sum::<Decimal>().to_string(),
        all(theirs, |line| line.line.to_string()),
        all(ours, |line| line.id.to_string()),
        all(theirs, |line| line.charge_type.to_string()),
        all(theirs, |line| days(line.period)),
        all(ours, |line| days(line.period)),
        all(theirs, |line| line.quantity.to_string()),
        all(ours, |line| line.quantity.to_string()),
        all(theirs, |line| line.unit_price.to_string()),
        all(ours, |line| line.unit_price.to_string()),
        computation.clone(),
        theirs.iter().map(others).filter(|other| !other.is_empty()).collect::<Vec<_>>().join("; "),
    ]
}

fn all<T>(lines: &[T], of: impl Fn(&T) -> String) -> String {
    lines.iter().map(of).collect::<Vec<_>>().join("; ")
}

/// A field that no spreadsheet takes for a formula; a number is none.
fn harmless(field: &str) -> String {
    let is_formula = field.starts_with(['=', '+', '@', '-', '\t']);
    if is_formula && field.parse::<Decimal>().is_err() {
        format!("'{field}")
    } else {
        field.to_owned()
    }
}
