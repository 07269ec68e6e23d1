//! What a file of an export is: its hash, what is in it, and the log it was made from.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use ledger_core::billing::Books;
use ledger_core::calendar::Month;
use ledger_core::customer::{Party, PeriodClosed, StatementDrawn};
use ledger_core::money::Currency;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{Format, Layout, Range};

/// Lies beside an exported file, as `FILE.manifest.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name of the file, without its folder.
    pub file: String,
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// Rows in it, without a header.
    pub rows: u64,
    /// What the rows come to, by currency: amounts billed, before tax; under FOCUS, `BilledCost` with tax.
    pub sums: BTreeMap<Currency, Decimal>,
    /// Which columns.
    pub layout: Layout,
    /// Version of the layout.
    pub version: String,
    /// How values are written.
    pub format: Format,
    /// Which lines.
    pub range: Range,
    /// The last day whose charge cycles are in it.
    pub until: NaiveDate,
    /// The log it was made from.
    pub log: Log,
    /// Versions of the billing terms, from the first.
    pub terms: Vec<String>,
    /// The closed periods whose lines may be in it.
    pub closed: Vec<ClosedPeriod>,
}

/// A log, up to a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// Position of the last commit that was read.
    pub position: u64,
    /// RFC 6962 root over all commits up to there, in hexadecimal digits.
    pub root: String,
    /// The last signed checkpoint, if there was one.
    pub checkpoint: Option<String>,
}

/// A closed period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClosedPeriod {
    /// The period.
    pub period: Month,
    /// Position of the last commit that counted.
    pub through: u64,
    /// RFC 6962 root over all commits up to there.
    pub root: String,
    /// What the statements of all customers come to, by currency.
    pub statements: BTreeMap<Currency, Totals>,
}

/// What statements come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// How many statements.
    pub count: u64,
    /// Before tax.
    pub net: Decimal,
    /// Tax.
    pub tax: Decimal,
    /// With tax.
    pub total: Decimal,
}

impl Totals {
    fn of(closed: &PeriodClosed) -> BTreeMap<Currency, Self> {
        let mut sums: BTreeMap<Currency, Self> = BTreeMap::new();
        let is_theirs = |drawn: &&StatementDrawn| matches!(drawn.party, Party::Customer(_));
        for StatementDrawn { totals, .. } in closed.statements.iter().filter(is_theirs) {
            let sum = sums.entry(totals.currency).or_default();
            sum.count = sum.count.saturating_add(1);
            sum.net = sum.net.saturating_add(totals.net);
            sum.tax = sum.tax.saturating_add(totals.tax);
            sum.total = sum.total.saturating_add(totals.total);
        }
        sums
    }
}

/// The closed periods in `books` that `range` asks for.
#[must_use]
pub fn closed(books: &Books, range: &Range) -> Vec<ClosedPeriod> {
    let all = books.closed().map(|closed| &closed.what);
    let asked = all.filter(|closed| range.has_period(closed.period));
    let shown = asked.map(|closed| ClosedPeriod {
        period: closed.period,
        through: closed.through,
        root: closed.root.clone(),
        statements: Totals::of(closed),
    });
    shown.collect()
}
