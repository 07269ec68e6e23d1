//! Billed lines as files that billing teams load: layouts, formats, manifests.
//!
//! A layout (`ledger`, `vendor`, [`focus`]) says what the columns are and what stands in them; a format
//! says how the values are written. Rows go through one by one: nothing grows with their number.

pub mod csv;
pub mod file;
pub mod focus;
pub mod focus_check;
pub mod json;
pub mod ledger;
pub mod manifest;
pub mod parquet;
pub mod reread;
pub mod table;
pub mod vendor;

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;

use chrono::NaiveDate;
use clap::ValueEnum;
use ledger_core::billing::{BilledLine, Books};
use ledger_core::calendar::Month;
use ledger_core::customer::Party;
use ledger_core::ids::{CustomerId, ResellerId};
use ledger_core::money::Currency;
use serde::{Deserialize, Serialize};

use self::table::{Column, Value};

/// Which columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// Everything the ledger knows of a line.
    Ledger,
    /// The columns of the vendor's reconciliation file.
    Vendor,
    /// FOCUS 1.2, the `FinOps` Open Cost and Usage Specification.
    Focus,
}

impl Layout {
    /// Changes whenever a column is added, removed, renamed or gets another meaning.
    #[must_use]
    pub const fn version(self) -> &'static str {
        match self {
            Self::Ledger => "ledger-1",
            Self::Vendor => "vendor-2023-10",
            Self::Focus => "focus-1.2",
        }
    }

    /// Its columns, in order.
    #[must_use]
    pub fn columns(self) -> Vec<Column> {
        match self {
            Self::Ledger => table::columns(ledger::FIELDS),
            Self::Vendor => table::columns(vendor::FIELDS),
            Self::Focus => table::columns(focus::FIELDS),
        }
    }
}

/// How the values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Comma-separated values (RFC 4180), UTF-8, with a header.
    Csv,
    /// One JSON object per line.
    Jsonl,
    /// Apache Parquet.
    Parquet,
}

/// Why rows cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The system's answer.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// A value has more digits than its column holds.
    #[error("{value} has more digits than the column {column} holds")]
    TooLong {
        /// The column.
        column: &'static str,
        /// The value.
        value: String,
    },
    /// An amount of a line cannot be computed exactly.
    #[error("an amount of line {0} cannot be computed exactly")]
    Amount(String),
    /// Nobody is known who issues the invoice.
    #[error(
        "no billing terms hold in {0}, so that nobody is known who issues the invoice: set terms, or \
         name the issuer with --issuer NAME"
    )]
    NoIssuer(Month),
    /// The Parquet writer's answer.
    #[error("{0}")]
    Parquet(#[from] ::parquet::errors::ParquetError),
}

/// Where rows go.
pub trait Sink {
    /// Writes a row: one value for each column.
    ///
    /// # Errors
    ///
    /// [`ExportError`].
    fn row(&mut self, row: Vec<Value>) -> Result<(), ExportError>;

    /// Writes what is left.
    ///
    /// # Errors
    ///
    /// [`ExportError`].
    fn finish(self: Box<Self>) -> Result<(), ExportError>;
}

/// Begins a file of `format` in `target`.
///
/// # Errors
///
/// [`ExportError`] when the head cannot be written.
pub fn sink<'a>(
    format: Format,
    columns: Vec<Column>,
    target: impl Write + Send + 'a,
) -> Result<Box<dyn Sink + 'a>, ExportError> {
    Ok(match format {
        Format::Csv => Box::new(csv::Csv::new(&columns, target)?),
        Format::Jsonl => Box::new(json::JsonLines::new(columns, target)),
        Format::Parquet => Box::new(parquet::Parquet::new(columns, target)?),
    })
}

/// Which lines are exported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// Billed in this period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Month>,
    /// Charged on this day or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<NaiveDate>,
    /// Charged on this day or earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<NaiveDate>,
    /// Of this customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<CustomerId>,
    /// Of this reseller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reseller: Option<ResellerId>,
}

impl Range {
    /// Whether rows billed in `period` are asked for.
    #[must_use]
    pub fn has_period(&self, period: Month) -> bool {
        self.period.is_none_or(|asked| asked == period)
    }

    /// Whether rows of `customer`, served by `reseller`, are asked for.
    #[must_use]
    pub fn has_party(&self, customer: &CustomerId, reseller: &ResellerId) -> bool {
        self.customer.as_ref().is_none_or(|asked| asked == customer)
            && self.reseller.as_ref().is_none_or(|asked| asked == reseller)
    }

    /// Whether `line` is asked for.
    #[must_use]
    pub fn has(&self, line: &BilledLine) -> bool {
        let day = line.charge.charged_on;
        self.has_period(line.period)
            && self.has_party(&line.charge.customer, &line.charge.reseller)
            && self.from.is_none_or(|from| from <= day)
            && self.to.is_none_or(|to| day <= to)
    }
}

/// The numbers of customers' statements.
#[derive(Clone, Debug, Default)]
pub struct Statements(BTreeMap<(Month, Currency), BTreeMap<CustomerId, u64>>);

impl Statements {
    /// Those of the closed periods in `books`.
    #[must_use]
    pub fn of(books: &Books) -> Self {
        let mut numbers: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for closed in books.closed() {
            for drawn in &closed.what.statements {
                if let Party::Customer(customer) = &drawn.party {
                    let key = (closed.what.period, drawn.totals.currency);
                    numbers.entry(key).or_default().insert(customer.clone(), drawn.number);
                }
            }
        }
        Self(numbers)
    }

    /// The number of a customer's statement; `None`: the period is open.
    #[must_use]
    pub fn number(&self, period: Month, currency: Currency, of: &CustomerId) -> Option<u64> {
        self.0.get(&(period, currency))?.get(of).copied()
    }
}

/// A statement's number as it is printed: six digits at least.
#[must_use]
pub fn printed(number: u64) -> String {
    format!("{number:06}")
}

/// A line as the layouts `ledger` and `vendor` show it.
#[derive(Clone, Debug)]
pub struct Line {
    /// The line.
    pub billed: BilledLine,
    /// Number of the customer's statement; `None`: the period is open.
    pub statement: Option<u64>,
}

/// Turns billed lines into the rows of a layout.
pub enum Rows {
    /// One row for each line.
    Lines {
        /// Which lines.
        range: Range,
        /// How a line is shown.
        show: fn(&Line) -> Vec<Value>,
        /// Numbers of statements.
        statements: Statements,
    },
    /// Rows of FOCUS.
    Focus(Box<focus::Focus>),
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lines { .. } => "Lines",
            Self::Focus(_) => "Focus",
        })
    }
}

/// What takes rows: the row, its currency, and what it adds to the sum of the export.
pub type Take<'a> =
    dyn FnMut(Vec<Value>, Currency, rust_decimal::Decimal) -> Result<(), ExportError> + 'a;

impl Rows {
    /// The rows of `layout`, of the lines in `range`; `until` is the last day that is known.
    #[must_use]
    pub fn new(
        layout: Layout,
        range: Range,
        books: &Books,
        names: focus::Names,
        until: NaiveDate,
    ) -> Self {
        let statements = Statements::of(books);
        match layout {
            Layout::Ledger => {
                let show = |line: &Line| table::values(ledger::FIELDS, line);
                Self::Lines { range, show, statements }
            }
            Layout::Vendor => {
                let show = |line: &Line| table::values(vendor::FIELDS, line);
                Self::Lines { range, show, statements }
            }
            Layout::Focus => {
                Self::Focus(Box::new(focus::Focus::new(range, books, statements, names, until)))
            }
        }
    }

    /// Hands the rows of the next line to `take`.
    ///
    /// # Errors
    ///
    /// [`ExportError`], and whatever `take` answers.
    pub fn add(&mut self, billed: BilledLine, take: &mut Take<'_>) -> Result<(), ExportError> {
        match self {
            Self::Lines { range, show, statements } => {
                if !range.has(&billed) {
                    return Ok(());
                }
                let (period, currency) = (billed.period, billed.billed.currency);
                let statement = statements.number(period, currency, &billed.charge.customer);
                let amount = billed.billed.amount;
                take(show(&Line { billed, statement }), currency, amount)
            }
            Self::Focus(focus) => focus.add(billed, take),
        }
    }

    /// Hands the rows that need all lines to `take`.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    pub fn finish(self, take: &mut Take<'_>) -> Result<(), ExportError> {
        match self {
            Self::Lines { .. } => Ok(()),
            Self::Focus(focus) => focus.finish(take),
        }
    }
}
