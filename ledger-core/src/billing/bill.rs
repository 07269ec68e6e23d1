//! A charge as it stands on a bill: period, exchange rate, margin and tax.

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::Serialize;

use super::books::Books;
use super::meter::Charge;
use crate::calendar::Month;
use crate::customer::BillingTerms;
use crate::ids::RateId;
use crate::money::{Currency, Fraction, Money, MoneyError, RoundingPolicy, prorate, share};

/// Why a charge cannot be billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BillError {
    /// There is no exchange rate.
    #[error("no exchange rate from {from} to {to} holds on {day}: import one first")]
    RateMissing {
        /// Currency of prices.
        from: Currency,
        /// Currency of bills.
        to: Currency,
        /// Day of the charge.
        day: NaiveDate,
    },
    /// An amount cannot be computed.
    #[error("{0}")]
    Money(#[from] MoneyError),
}

/// The exchange rate that a charge was converted at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AppliedRate {
    /// The set it is from.
    pub id: RateId,
    /// The day on which it was fixed.
    pub date: NaiveDate,
    /// Units of the bill's currency per unit of the price's.
    pub rate: Decimal,
}

/// A charge as it stands on a bill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BilledLine {
    /// The charge.
    #[serde(flatten)]
    pub charge: Charge,
    /// The period that it is billed in.
    pub period: Month,
    /// Whether its own period was closed already, so that it corrects what was billed.
    pub is_correction: bool,
    /// The exchange rate; `None`: it is billed in the currency of its price.
    pub rate: Option<AppliedRate>,
    /// The amount in the currency of the bill, before tax. Source: domain, section 4.6 (`Subtotal`).
    pub billed: Money,
    /// Tax, in hundredths.
    pub tax_percent: Decimal,
    /// Tax of this line alone, under a policy that rounds it by line; else tax is on the bill's total.
    /// Source: domain, section 4.4.
    pub tax: Option<Money>,
    /// What the reseller keeps, in hundredths.
    pub margin_percent: Decimal,
    /// What the reseller keeps.
    pub margin: Money,
}

impl BilledLine {
    /// Bills `charge` as `books` say.
    ///
    /// # Errors
    ///
    /// [`BillError`] when an exchange rate is missing or an amount cannot be computed.
    pub fn of(charge: Charge, books: &Books) -> Result<Self, BillError> {
        let period = books.period_of(charge.charged_on, charge.cause.position);
        let terms = books.terms(period).map(|set| &set.terms);
        let (billed, rate) = converted(&charge, books, terms)?;
        let none = Decimal::ZERO;
        let tax_percent = terms.and_then(|terms| terms.taxes.get(&charge.market)).copied();
        let tax_percent = tax_percent.unwrap_or(none);
        let tax = match charge.line.rounding {
            RoundingPolicy::FeeThenTax => Some(share(billed, tax_percent)?),
            RoundingPolicy::UnitTruncate
            | RoundingPolicy::LineTruncate
            | RoundingPolicy::LineHalfUp => None,
        };
        let margin_percent = terms.map_or(none, |terms| {
            terms.margins.get(&charge.reseller).copied().unwrap_or(terms.margin_percent)
        });
        let margin = share(billed, margin_percent)?;
        let is_correction = period != Month::of(charge.charged_on);
        Ok(Self {
            charge,
            period,
            is_correction,
            rate,
            billed,
            tax_percent,
            tax,
            margin_percent,
            margin,
        })
    }

    /// What the hash of a statement covers of it: `id amount currency`, and a line feed.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        format!("{} {}\n", self.charge.line.id, self.billed)
    }
}

/// The amount in the currency of the bill: computed from the converted price, and rounded once. Source:
/// domain, section 4.3.
fn converted(
    charge: &Charge,
    books: &Books,
    terms: Option<&BillingTerms>,
) -> Result<(Money, Option<AppliedRate>), BillError> {
    let line = &charge.line;
    let from = line.amount.currency;
    let to = terms.and_then(|terms| terms.currencies.get(&charge.reseller)).copied();
    let Some(to) = to.filter(|to| *to != from) else { return Ok((line.amount, None)) };
    let day = charge.charged_on;
    let (set, rate) = books.rate(from, to, day).ok_or(BillError::RateMissing { from, to, day })?;
    let amount = line.unit_price.checked_mul(rate).ok_or(MoneyError::Overflow)?;
    let price = Money { amount, currency: to };
    let Fraction { part, whole } = line.fraction;
    let billed = prorate(price, line.quantity, part, whole, line.rounding)?.total;
    Ok((billed, Some(AppliedRate { id: set.id.clone(), date: set.date, rate })))
}
