//! Conformance vectors: published cases of proration and of charge cycles, computed by this ledger.
//!
//! `docs/vectors/README.md` describes the files. The files of others can be run, too.

use std::collections::BTreeSet;

use chrono::{Days, NaiveDate};
use csv::{ReaderBuilder, StringRecord};
use rust_decimal::Decimal;
use serde::Serialize;

use crate::calendar::{AnchorRule, BillingCycle, Period, TermDuration, charge_cycle, term};
use crate::money::{Currency, Money, RoundingPolicy, prorate, share};

/// Cycles that a case may be after its anchor, at most: more than a century of months.
const CYCLES_MAX: u32 = 1_500;

/// A file of cases that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct VectorError {
    /// Line, from 1.
    pub line: u64,
    /// Name of the column.
    pub column: String,
    /// What is wrong, and what to write instead.
    pub problem: String,
}

/// What became of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Its id.
    pub id: String,
    /// Line of the file, from 1.
    pub line: u64,
    /// Whether the ledger comes to the same.
    pub ok: bool,
    /// What the file says.
    pub expected: String,
    /// What the ledger computes.
    pub found: String,
    /// How it is computed.
    pub formula: String,
}

/// The policy of this name, if there is one.
#[must_use]
pub fn policy_named(name: &str) -> Option<RoundingPolicy> {
    use RoundingPolicy::{FeeThenTax, LineHalfUp, LineTruncate, UnitTruncate};
    [UnitTruncate, LineTruncate, LineHalfUp, FeeThenTax]
        .into_iter()
        .find(|policy| policy.to_string() == name)
}

/// Computes every case of a file of prorations; under `policy`, if one is given, and otherwise under
/// that of the case.
///
/// # Errors
///
/// [`VectorError`] for the first cell that cannot be used.
pub fn proration(text: &str, policy: Option<RoundingPolicy>) -> Result<Vec<Verdict>, VectorError> {
    const COLUMNS: [&str; 9] =
        ["id", "price", "qty", "start", "end_excl", "days", "denom", "rounding", "expected"];
    rows(text, &COLUMNS)?.iter().map(|row| prorated(row, policy)).collect()
}

/// Computes every case of a file of charge cycles.
///
/// # Errors
///
/// As [`proration`].
pub fn schedule(text: &str) -> Result<Vec<Verdict>, VectorError> {
    const COLUMNS: [&str; 8] =
        ["id", "anchor", "billing", "rule", "cycle", "until", "start", "end_incl"];
    rows(text, &COLUMNS)?.iter().map(scheduled).collect()
}

fn prorated(row: &Row, policy: Option<RoundingPolicy>) -> Result<Verdict, VectorError> {
    let number = "write a number such as 10.08";
    let price: Decimal = row.read("price", number)?;
    let seats: i64 = row.read("qty", "write a whole number of seats")?;
    let (start, end): (NaiveDate, NaiveDate) = (row.day("start")?, row.day("end_excl")?);
    let days: u32 = row.read("days", "write a whole number of days")?;
    let said = end.signed_duration_since(start).num_days();
    if said != i64::from(days) {
        let help = format!("{start} to {end}, the end not included, are {said} days");
        return Err(row.wrong("days", &help));
    }
    let of: u32 = row.read("denom", "write the days of the whole cycle")?;
    if of == 0 {
        return Err(row.wrong("denom", "a cycle has at least one day"));
    }
    let expected: Decimal = row.read("expected", number)?;
    let (own, tax_percent) = rounding(row.cell("rounding")).ok_or_else(|| {
        row.wrong(
            "rounding",
            "write unit-truncate, line-truncate, line-half-up or fee-then-tax; or unit:trunc, \
             line:trunc, line:half_up or fee_then_tax25:half_up",
        )
    })?;
    let policy = policy.unwrap_or(own);
    let currency = match row.cell("currency") {
        "" => Currency::EUR,
        name => name.parse().map_err(|err| row.wrong("currency", &format!("{err}")))?,
    };

    let seats = seats.saturating_abs();
    let seats = if expected.is_sign_negative() { -seats } else { seats };
    let too_large = |err| row.wrong("price", &format!("{err}"));
    let unit_price = Money { amount: price, currency };
    let fee = prorate(unit_price, seats, days, of, policy).map_err(too_large)?.total;
    let tax = share(fee, tax_percent).map_err(too_large)?;
    let found = fee.try_add(tax).map_err(too_large)?;
    let taxed = if tax_percent.is_zero() {
        String::new()
    } else {
        format!(", and {tax_percent} % tax {}", tax.amount)
    };
    Ok(Verdict {
        id: row.id().to_owned(),
        line: row.line,
        ok: found.amount == expected,
        expected: row.cell("expected").to_owned(),
        found: found.amount.to_string(),
        formula: format!(
            "{price} x {days}/{of} days x {seats} seats = {}, {policy}{taxed}",
            fee.amount
        ),
    })
}

/// A policy by its own name or that of a published table, and the tax that is added under it.
fn rounding(name: &str) -> Option<(RoundingPolicy, Decimal)> {
    let none = Decimal::ZERO;
    if let Some(policy) = policy_named(name) {
        return Some((policy, none));
    }
    match name {
        "unit:trunc" => Some((RoundingPolicy::UnitTruncate, none)),
        "line:trunc" => Some((RoundingPolicy::LineTruncate, none)),
        "line:half_up" => Some((RoundingPolicy::LineHalfUp, none)),
        _ => {
            let percent = name.strip_prefix("fee_then_tax")?.strip_suffix(":half_up")?;
            Some((RoundingPolicy::FeeThenTax, percent.parse().ok()?))
        }
    }
}

fn scheduled(row: &Row) -> Result<Verdict, VectorError> {
    let anchor = row.day("anchor")?;
    let billing = match row.cell("billing") {
        "monthly" => BillingCycle::Monthly,
        "annual" => BillingCycle::Annual,
        "triennial" => BillingCycle::Triennial,
        _ => return Err(row.wrong("billing", "write monthly, annual or triennial")),
    };
    let rule = match row.cell("rule") {
        "end-of-month-offset" => Some(AnchorRule::EndOfMonthOffset),
        "clamp" => Some(AnchorRule::Clamp),
        "re-anchor" => None,
        _ => return Err(row.wrong("rule", "write end-of-month-offset, clamp or re-anchor")),
    };
    let cycle: u32 = row.read("cycle", "write 1 for the first cycle")?;
    if cycle == 0 || CYCLES_MAX < cycle {
        return Err(row.wrong("cycle", &format!("write 1 to {CYCLES_MAX}")));
    }
    let until = match row.cell("until") {
        "" => None,
        _ => Some(row.day("until")?),
    };
    let expected = Period { start: row.day("start")?, end: row.day("end_incl")? };

    let found = nth_cycle((anchor, billing, rule), cycle)
        .ok_or_else(|| row.wrong("anchor", "the cycle lies outside the years 1 to 9999"))?;
    let found = Period { end: until.map_or(found.end, |until| found.end.min(until)), ..found };
    let shown = |period: Period| format!("{} to {}", period.start, period.end);
    let rule = row.cell("rule");
    Ok(Verdict {
        id: row.id().to_owned(),
        line: row.line,
        ok: found == expected,
        expected: shown(expected),
        found: shown(found),
        formula: format!("cycle {cycle} from {anchor}, {billing}, {rule}, {} days", found.days()),
    })
}

/// The cycle of that number; without a rule, every one is a term that begins where the last one ended.
fn nth_cycle(
    (anchor, billing, rule): (NaiveDate, BillingCycle, Option<AnchorRule>),
    number: u32,
) -> Option<Period> {
    let mut start = anchor;
    for _ in 1..number {
        start = cycle_of(anchor, billing, rule, start)?.end.checked_add_days(Days::new(1))?;
    }
    cycle_of(anchor, billing, rule, start)
}

fn cycle_of(
    anchor: NaiveDate,
    billing: BillingCycle,
    rule: Option<AnchorRule>,
    start: NaiveDate,
) -> Option<Period> {
    let Some(rule) = rule else {
        let duration = match billing {
            BillingCycle::Monthly => TermDuration::P1M,
            BillingCycle::Annual => TermDuration::P1Y,
            BillingCycle::Triennial => TermDuration::P3Y,
        };
        return term(start, duration).ok();
    };
    charge_cycle(anchor, billing, rule, start).ok()
}

/// One case as it is written.
struct Row {
    line: u64,
    header: StringRecord,
    cells: StringRecord,
}

impl Row {
    fn id(&self) -> &str {
        self.cell("id")
    }

    /// Empty when the file has no such column.
    fn cell(&self, column: &str) -> &str {
        let at = self.header.iter().position(|name| name == column);
        at.and_then(|at| self.cells.get(at)).unwrap_or_default()
    }

    fn read<T: std::str::FromStr>(&self, column: &str, help: &str) -> Result<T, VectorError> {
        self.cell(column).parse().map_err(|_| self.wrong(column, help))
    }

    fn day(&self, column: &str) -> Result<NaiveDate, VectorError> {
        self.read(column, "write a day such as 2024-03-01")
    }

    fn wrong(&self, column: &str, help: &str) -> VectorError {
        let problem = format!("{:?} cannot be used: {help}", self.cell(column));
        VectorError { line: self.line, column: column.to_owned(), problem }
    }
}

/// The cases of a file: every column is there, and no id twice.
fn rows(text: &str, columns: &[&str]) -> Result<Vec<Row>, VectorError> {
    let not_csv = |err: &csv::Error| {
        let line = err.position().map_or(1, csv::Position::line);
        let problem = format!("the file is no CSV with a header: {err}");
        VectorError { line, column: "id".to_owned(), problem }
    };
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|err| not_csv(&err))?.clone();
    if let Some(missing) = columns.iter().find(|column| !header.iter().any(|name| name == **column))
    {
        let problem = format!("it is missing; the header needs {}", columns.join(", "));
        return Err(VectorError { line: 1, column: (*missing).to_owned(), problem });
    }
    let (mut rows, mut ids) = (Vec::new(), BTreeSet::new());
    for cells in reader.into_records() {
        let cells = cells.map_err(|err| not_csv(&err))?;
        let line = cells.position().map_or(1, csv::Position::line);
        let row = Row { line, header: header.clone(), cells };
        if row.id().is_empty() {
            return Err(row.wrong("id", "every case has a name"));
        }
        if !ids.insert(row.id().to_owned()) {
            return Err(row.wrong("id", "another case has this name"));
        }
        rows.push(row);
    }
    if rows.is_empty() {
        let problem = "there is no case in it".to_owned();
        return Err(VectorError { line: 1, column: "id".to_owned(), problem });
    }
    Ok(rows)
}
