//! The layout `focus`: FOCUS 1.2, as a customer is billed. Source: domain, section 8.1.
//!
//! A line is a `Purchase`; a credit is a negative one. One that is paid ahead for more than a month has
//! an `EffectiveCost` of zero, and a row of `Usage` in each month that it covers has its share. Tax is in
//! rows of its own, one for each statement and rate, and others for the tax on such shares.

mod columns;
mod rows;
mod tax;

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use chrono::NaiveDate;
use ledger_core::billing::{BilledLine, Books};
use ledger_core::calendar::Month;
use ledger_core::ids::{CustomerId, ResellerId};
use ledger_core::money::Currency;
use rust_decimal::Decimal;

pub(super) use self::columns::FIELDS;
use super::table::{Value, values};
use super::{ExportError, Range, Statements, Take};

/// Digits after the point of a unit price in the currency of the bill.
const PRICE_SCALE: u32 = 10;

/// Digits after the point of a quantity.
const QUANTITY_SCALE: u32 = 8;

/// Names that the ledger does not know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Who issues invoices, where no billing terms say it.
    pub issuer: Option<String>,
    /// Who made what is sold; the issuer when it is not said.
    pub publisher: Option<String>,
}

/// `ChargeCategory`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Category {
    Purchase,
    Usage,
    Tax,
}

/// A quantity and what it costs, in the currency of the bill and, for one unit, in that of the price.
#[derive(Clone, Copy, Debug)]
struct Priced {
    quantity: Decimal,
    contracted: Decimal,
    list: Decimal,
    contracted_in_pricing: Decimal,
    list_in_pricing: Decimal,
}

/// A row, before it is values.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// The line; `None` for tax.
    line: Option<Rc<BilledLine>>,
    category: Category,
    is_correction: bool,
    customer: CustomerId,
    customer_name: String,
    reseller: ResellerId,
    period: Month,
    invoice: Option<u64>,
    issuer: String,
    publisher: String,
    description: String,
    /// First and last day of the charge.
    days: (NaiveDate, NaiveDate),
    currency: Currency,
    billed: Decimal,
    effective: Decimal,
    contracted_cost: Decimal,
    list_cost: Decimal,
    /// `None` for tax.
    priced: Option<Priced>,
    pricing_currency: Currency,
    effective_in_pricing: Decimal,
    tax_percent: Decimal,
}

impl Row {
    fn of_line<T: Into<Value>>(&self, read: impl FnOnce(&BilledLine) -> T) -> Value {
        self.line.as_deref().map(read).into()
    }

    fn of_price(&self, read: impl FnOnce(&Priced) -> Decimal) -> Value {
        self.priced.as_ref().map(read).into()
    }
}

/// Makes rows of lines.
pub struct Focus {
    range: Range,
    books: Books,
    statements: Statements,
    names: Names,
    until: NaiveDate,
    taxes: BTreeMap<tax::Key, tax::Taxed>,
}

impl fmt::Debug for Focus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Focus").field("range", &self.range).finish_non_exhaustive()
    }
}

impl Focus {
    /// Begins; months that begin after `until` get no share of what was paid ahead.
    #[must_use]
    pub fn new(
        range: Range,
        books: &Books,
        statements: Statements,
        names: Names,
        until: NaiveDate,
    ) -> Self {
        Self { range, books: books.clone(), statements, names, until, taxes: BTreeMap::new() }
    }

    /// Hands the rows of the next line to `take`.
    ///
    /// # Errors
    ///
    /// [`ExportError`], and whatever `take` answers.
    pub fn add(&mut self, billed: BilledLine, take: &mut Take<'_>) -> Result<(), ExportError> {
        let line = Rc::new(billed);
        for row in self.rows(&line)? {
            let is_theirs = |asked: &CustomerId| *asked == row.customer;
            if !self.range.has_period(row.period)
                || !self.range.customer.as_ref().is_none_or(is_theirs)
            {
                continue;
            }
            self.tax(&line, &row)?;
            self.take(&row, take)?;
        }
        Ok(())
    }

    /// Hands the rows of taxes to `take`.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    pub fn finish(mut self, take: &mut Take<'_>) -> Result<(), ExportError> {
        for (key, taxed) in std::mem::take(&mut self.taxes) {
            let row = self.tax_row(key, taxed)?;
            self.take(&row, take)?;
        }
        Ok(())
    }

    fn take(&self, row: &Row, take: &mut Take<'_>) -> Result<(), ExportError> {
        if !self.range.has_party(&row.customer, &row.reseller) {
            return Ok(());
        }
        take(values(FIELDS, row), row.currency, row.billed)
    }

    /// Who issues the invoice of a period, and who made what is sold.
    fn names(&self, period: Month) -> Result<(String, String), ExportError> {
        let by_terms = self.books.terms(period).map(|set| set.terms.issuer.clone());
        let issuer = by_terms.or_else(|| self.names.issuer.clone());
        let issuer = issuer.ok_or(ExportError::NoIssuer(period))?;
        let publisher = self.names.publisher.clone().unwrap_or_else(|| issuer.clone());
        Ok((issuer, publisher))
    }
}
