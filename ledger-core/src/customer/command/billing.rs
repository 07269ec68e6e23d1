//! Bills: taxes, margins, exchange rates, closing periods, and vendors' invoices compared.

use std::collections::BTreeMap;
use std::fmt;

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::calendar::Month;
use crate::ids::{RateId, ResellerId};
use crate::money::Currency;

/// Sets how bills are made out from a month on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetBillingTerms {
    /// Name of these terms; it stands for one content.
    pub version: String,
    /// The first month they hold for.
    pub from: Month,
    /// The terms.
    pub terms: BillingTerms,
}

/// How bills are made out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BillingTerms {
    /// Who issues the bills.
    pub issuer: String,
    /// Tax on bills, in hundredths, by the customer's market (ISO 3166-1 alpha-2); none where the market
    /// is not listed. Source: domain, section 4.4.
    #[serde(default)]
    pub taxes: BTreeMap<String, Decimal>,
    /// What a reseller keeps of its customers' charges, in hundredths, where it has no margin of its own.
    #[serde(default)]
    pub margin_percent: Decimal,
    /// What single resellers keep, in hundredths.
    #[serde(default)]
    pub margins: BTreeMap<ResellerId, Decimal>,
    /// The currency that the customers of a reseller are billed in, where it is not that of their prices.
    /// Source: domain, section 4.4.
    #[serde(default)]
    pub currencies: BTreeMap<ResellerId, Currency>,
}

/// Imports exchange rates that hold from a day on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportExchangeRates {
    /// Name of this set; it stands for one content.
    pub id: RateId,
    /// The day on which the rates were fixed.
    pub date: NaiveDate,
    /// The first day of charges they hold for.
    pub from: NaiveDate,
    /// The rates.
    pub rates: Vec<ExchangeRate>,
}

/// What one unit of a currency is worth in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExchangeRate {
    /// The currency of prices.
    pub from: Currency,
    /// The currency of bills.
    pub to: Currency,
    /// Units of `to` per unit of `from`.
    pub rate: Decimal,
}

/// Closes a billing period: its lines, totals and statements never change again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClosePeriod {
    /// The period.
    pub period: Month,
}

/// Records what came of comparing a vendor's invoice file with the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordReconciliation {
    /// The file's name, for people.
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

/// What the comparison found in one currency. Theirs less ours is the sum of all causes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReconciliationTotal {
    /// The currency.
    pub currency: Currency,
    /// Lines of the file.
    pub lines: u64,
    /// Lines that agree.
    pub matched: u64,
    /// The sum of the file's lines.
    pub theirs: Decimal,
    /// The sum of the ledger's lines.
    pub ours: Decimal,
    /// Differences by cause.
    pub causes: BTreeMap<DifferenceCause, CauseTotal>,
}

/// How many differences have one cause, and what they sum up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CauseTotal {
    /// Differences.
    pub count: u64,
    /// Theirs less ours.
    pub amount: Decimal,
}

/// Why a vendor's line and the ledger's differ. Source: peers, D8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DifferenceCause {
    /// Another rounding policy gives their amount.
    RoundingPolicy,
    /// They have another unit price.
    Price,
    /// They count other days, as another time zone or cycle would.
    Days,
    /// They have another quantity, or a change that the ledger has not.
    Quantity,
    /// They have the same changes in another order.
    Order,
    /// They convert at another rate.
    ExchangeRate,
    /// Their tax is another.
    Tax,
    /// Only they have it.
    OnlyTheirs,
    /// Only the ledger has it.
    OnlyOurs,
    /// None of these explains it.
    Unknown,
}

impl fmt::Display for DifferenceCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RoundingPolicy => "rounding-policy",
            Self::Price => "price",
            Self::Days => "days",
            Self::Quantity => "quantity",
            Self::Order => "order",
            Self::ExchangeRate => "exchange-rate",
            Self::Tax => "tax",
            Self::OnlyTheirs => "only-theirs",
            Self::OnlyOurs => "only-ours",
            Self::Unknown => "unknown",
        })
    }
}
