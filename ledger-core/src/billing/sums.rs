//! Statements on their way: what the lines of each party come to, by currency.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::bill::BilledLine;
use crate::commit::Hash;
use crate::customer::{Party, StatementDrawn, StatementTotals};
use crate::ids::CustomerId;
use crate::money::{Currency, Money, MoneyError, share};

/// Tax at one rate on a statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TaxTotal {
    /// The rate, in hundredths.
    pub percent: Decimal,
    /// What is taxed: the lines of this rate, less margins.
    pub base: Decimal,
    /// The tax.
    pub amount: Decimal,
    /// Whether it is the sum of taxes rounded line by line, or else rounded once on the base.
    pub is_by_line: bool,
}

/// Statements on their way, customers' before resellers'.
#[derive(Default)]
pub(super) struct Sums(BTreeMap<(Party, Currency), Sum>);

impl Sums {
    /// Adds a line to its customer's and its reseller's statement.
    pub(super) fn add(&mut self, line: &BilledLine) -> Result<(), MoneyError> {
        let currency = line.billed.currency;
        let customer = Party::Customer(line.charge.customer.clone());
        let sum = self.0.entry((customer, currency)).or_default();
        sum.add(line, Money { amount: Decimal::ZERO, currency })?;
        let reseller = Party::Reseller(line.charge.reseller.clone());
        let sum = self.0.entry((reseller, currency)).or_default();
        sum.of.insert(line.charge.customer.clone());
        sum.add(line, line.margin)
    }

    /// Charge lines added.
    pub(super) fn lines(&self) -> u64 {
        let customers = self.0.iter().filter(|((party, _), _)| matches!(party, Party::Customer(_)));
        customers.fold(0, |lines, (_, sum)| lines.saturating_add(sum.lines))
    }

    /// The statements, numbered from `first` on in the order of the parties. A reseller's hash covers the
    /// hashes of its customers' statements.
    pub(super) fn statements(self, first: u64) -> Result<Vec<StatementDrawn>, MoneyError> {
        let mut statements: Vec<StatementDrawn> = Vec::new();
        let mut hashes: BTreeMap<(CustomerId, Currency), String> = BTreeMap::new();
        for (number, ((party, currency), sum)) in (first..).zip(self.0) {
            let totals = sum.totals(currency)?;
            let sha256 = match &party {
                Party::Customer(customer) => {
                    let sha256 = sum.sha256();
                    hashes.insert((customer.clone(), currency), sha256.clone());
                    sha256
                }
                Party::Reseller(_) => {
                    let all = sum.of.into_iter().fold(Sha256::new(), |hash, of| {
                        let theirs = hashes.get(&(of, currency)).map_or("", String::as_str);
                        hash.chain_update(theirs).chain_update("\n")
                    });
                    Hash::from(all).to_string()
                }
            };
            statements.push(StatementDrawn { number, party, totals, sha256 });
        }
        Ok(statements)
    }
}

/// A statement on its way.
#[derive(Clone, Default)]
pub(super) struct Sum {
    lines: u64,
    net: Decimal,
    margin: Decimal,
    /// What is taxed on the total, by rate in hundredths.
    taxed: BTreeMap<Decimal, Decimal>,
    /// What is taxed by line, and its tax, by rate in hundredths.
    taxed_by_line: BTreeMap<Decimal, (Decimal, Decimal)>,
    hash: Sha256,
    /// The customers of a reseller.
    of: BTreeSet<CustomerId>,
}

impl Sum {
    /// Adds a line of which a reseller keeps `margin`.
    pub(super) fn add(&mut self, line: &BilledLine, margin: Money) -> Result<(), MoneyError> {
        self.lines = self.lines.saturating_add(1);
        self.net = plus(self.net, line.billed.amount)?;
        self.margin = plus(self.margin, margin.amount)?;
        let amount = plus(line.billed.amount, -margin.amount)?;
        let currency = line.billed.currency;
        if line.tax.is_some() {
            let tax = share(Money { amount, currency }, line.tax_percent)?;
            let (base, taxes) = self.taxed_by_line.entry(line.tax_percent).or_default();
            *base = plus(*base, amount)?;
            *taxes = plus(*taxes, tax.amount)?;
        } else {
            let taxed = self.taxed.entry(line.tax_percent).or_default();
            *taxed = plus(*taxed, amount)?;
        }
        self.hash.update(line.fingerprint());
        Ok(())
    }

    /// The taxes, by rate.
    pub(super) fn taxes(&self, currency: Currency) -> Result<Vec<TaxTotal>, MoneyError> {
        let on_total = self.taxed.iter().map(|(percent, base)| {
            let amount = share(Money { amount: *base, currency }, *percent)?.amount;
            Ok(TaxTotal { percent: *percent, base: *base, amount, is_by_line: false })
        });
        let by_line = self.taxed_by_line.iter().map(|(percent, (base, amount))| {
            Ok(TaxTotal { percent: *percent, base: *base, amount: *amount, is_by_line: true })
        });
        on_total.chain(by_line).collect()
    }

    /// What it comes to.
    pub(super) fn totals(&self, currency: Currency) -> Result<StatementTotals, MoneyError> {
        let taxes = self.taxes(currency)?;
        let tax = taxes.iter().try_fold(Decimal::ZERO, |sum, tax| plus(sum, tax.amount))?;
        let (lines, net, margin) = (self.lines, self.net, self.margin);
        let total = plus(plus(net, -margin)?, tax)?;
        Ok(StatementTotals { currency, lines, net, margin, tax, total })
    }

    /// SHA-256 of its lines, in hexadecimal digits.
    pub(super) fn sha256(&self) -> String {
        Hash::from(self.hash.clone()).to_string()
    }
}

/// What the statements of all customers, or of all resellers, come to in one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PeriodTotals {
    /// Whose they are: `customers` or `resellers`.
    pub of: &'static str,
    /// How many statements.
    pub statements: u64,
    /// Their sums.
    #[serde(flatten)]
    pub totals: StatementTotals,
}

/// Sums statements up: those of customers, then those of resellers, by currency.
///
/// # Errors
///
/// [`MoneyError`] when a sum is too large.
pub fn sum_up(statements: &[StatementDrawn]) -> Result<Vec<PeriodTotals>, MoneyError> {
    let mut all: BTreeMap<(&'static str, Currency), PeriodTotals> = BTreeMap::new();
    for StatementDrawn { party, totals, .. } in statements {
        let of = match party {
            Party::Customer(_) => "customers",
            Party::Reseller(_) => "resellers",
        };
        let sum = all.entry((of, totals.currency)).or_insert_with(|| {
            let (currency, none) = (totals.currency, Decimal::ZERO);
            let totals = StatementTotals {
                currency,
                lines: 0,
                net: none,
                margin: none,
                tax: none,
                total: none,
            };
            PeriodTotals { of, statements: 0, totals }
        });
        sum.statements = sum.statements.saturating_add(1);
        let into = &mut sum.totals;
        into.lines = into.lines.saturating_add(totals.lines);
        into.net = plus(into.net, totals.net)?;
        into.margin = plus(into.margin, totals.margin)?;
        into.tax = plus(into.tax, totals.tax)?;
        into.total = plus(into.total, totals.total)?;
    }
    Ok(all.into_values().collect())
}

fn plus(a: Decimal, b: Decimal) -> Result<Decimal, MoneyError> {
    a.checked_add(b).ok_or(MoneyError::Overflow)
}
