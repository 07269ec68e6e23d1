//! Bills: taxes, margins, exchange rates, closed periods, and vendors' invoices compared.

use std::fmt;

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::calendar::Month;
use crate::customer::command::{BillingTerms, ExchangeRate, ReconciliationTotal};
use crate::ids::{CustomerId, RateId, ResellerId};
use crate::money::Currency;

/// How bills are made out from a month on was set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillingTermsSet {
    /// Name of these terms.
    pub version: String,
    /// The first month they hold for.
    pub from: Month,
    /// The terms.
    pub terms: BillingTerms,
}

/// Exchange rates were imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExchangeRatesImported {
    /// Name of this set.
    pub id: RateId,
    /// The day on which the rates were fixed.
    pub date: NaiveDate,
    /// The first day of charges they hold for.
    pub from: NaiveDate,
    /// The rates.
    pub rates: Vec<ExchangeRate>,
}

/// A billing period was closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeriodClosed {
    /// The period.
    pub period: Month,
    /// Position of the last commit of the log that counts.
    pub through: u64,
    /// RFC 6962 root over all commits up to there, in hexadecimal digits.
    pub root: String,
    /// The terms that bills were made out under; `None`: there were none.
    pub terms: Option<String>,
    /// Charge lines in it.
    pub lines: u64,
    /// The statements, in the order of their numbers: those of customers, then those of resellers.
    pub statements: Vec<StatementDrawn>,
}

/// A statement was drawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementDrawn {
    /// Its number; no number is left out.
    pub number: u64,
    /// Whose it is.
    pub party: Party,
    /// Its totals.
    pub totals: StatementTotals,
    /// SHA-256 of its lines, in hexadecimal digits.
    pub sha256: String,
}

/// Whose statement it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Party {
    /// A customer's.
    Customer(CustomerId),
    /// A reseller's, over all its customers.
    Reseller(ResellerId),
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Customer(id) => write!(f, "customer {id}"),
            Self::Reseller(id) => write!(f, "reseller {id}"),
        }
    }
}

/// What a statement sums up to, in one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementTotals {
    /// The currency.
    pub currency: Currency,
    /// Charge lines.
    pub lines: u64,
    /// Their sum, before tax.
    pub net: Decimal,
    /// What the reseller keeps of it; zero on a customer's statement.
    pub margin: Decimal,
    /// Tax on what is to be paid.
    pub tax: Decimal,
    /// What is to be paid: net, less margin, and tax.
    pub total: Decimal,
}

/// A vendor's invoice file was compared with the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReconciliationRecorded {
    /// The file's name.
    pub file: String,
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
    /// The period it was compared for.
    pub period: Month,
    /// Position of the last commit that it was compared with.
    pub through: u64,
    /// What was found, by currency.
    pub totals: Vec<ReconciliationTotal>,
}
