//! Tax of statements, as rows. Source: domain, sections 4.4 and 8.1.

use ledger_core::billing::BilledLine;
use ledger_core::calendar::Month;
use ledger_core::ids::{CustomerId, ResellerId};
use ledger_core::money::{Currency, Money, share};
use rust_decimal::Decimal;

use super::super::ExportError;
use super::{Category, Focus, Row};

/// What is taxed together: the lines of a statement, or the shares of a month, at one rate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    period: Month,
    customer: CustomerId,
    currency: Currency,
    category: Category,
    percent: Decimal,
}

/// What was added up so far.
#[derive(Clone, Debug)]
pub(super) struct Taxed {
    customer_name: String,
    reseller: ResellerId,
    billed: Base,
    effective: Base,
    contracted: Decimal,
    list: Decimal,
}

/// What is taxed on the total, and the tax of lines that are taxed one by one.
#[derive(Clone, Copy, Debug, Default)]
struct Base {
    taxed: Decimal,
    tax: Decimal,
}

impl Base {
    fn add(&mut self, amount: Money, percent: Decimal, is_by_line: bool) -> Option<()> {
        if is_by_line {
            self.tax = self.tax.checked_add(share(amount, percent).ok()?.amount)?;
        } else {
            self.taxed = self.taxed.checked_add(amount.amount)?;
        }
        Some(())
    }

    fn total(self, currency: Currency, percent: Decimal) -> Option<Decimal> {
        let tax = share(Money { amount: self.taxed, currency }, percent).ok()?;
        self.tax.checked_add(tax.amount)
    }
}

impl Focus {
    /// Adds a row to what is taxed.
    pub(super) fn tax(&mut self, line: &BilledLine, row: &Row) -> Result<(), ExportError> {
        if row.tax_percent.is_zero() {
            return Ok(());
        }
        let key = Key {
            period: row.period,
            customer: row.customer.clone(),
            currency: row.currency,
            // A statement is taxed as a whole.
            category: if row.category == Category::Usage {
                row.category
            } else {
                Category::Purchase
            },
            percent: row.tax_percent.normalize(),
        };
        let taxed = self.taxes.entry(key).or_insert_with(|| Taxed {
            customer_name: row.customer_name.clone(),
            reseller: row.reseller.clone(),
            billed: Base::default(),
            effective: Base::default(),
            contracted: Decimal::ZERO,
            list: Decimal::ZERO,
        });
        taxed.add(row, line.tax.is_some()).ok_or_else(|| inexact(&line.charge.line.id))
    }

    pub(super) fn tax_row(&self, key: Key, taxed: Taxed) -> Result<Row, ExportError> {
        let Key { period, customer, currency, category, percent } = key;
        let (issuer, publisher) = self.names(period)?;
        let wrong = || inexact(&format!("of tax of {customer} in {period}"));
        let billed = match category {
            Category::Usage => Decimal::ZERO,
            Category::Purchase | Category::Credit | Category::Tax => {
                taxed.billed.total(currency, percent).ok_or_else(wrong)?
            }
        };
        let effective = taxed.effective.total(currency, percent).ok_or_else(wrong)?;
        let on = |amount: Decimal| {
            let tax = amount.checked_mul(percent)?.checked_div(Decimal::ONE_HUNDRED)?;
            Some(tax.round_dp(super::PRICE_SCALE).normalize())
        };
        let (invoice, what) = match category {
            Category::Usage => (None, "shares of what was paid ahead"),
            Category::Purchase | Category::Credit | Category::Tax => {
                (self.statements.number(period, currency, &customer), "the statement")
            }
        };
        Ok(Row {
            line: None,
            category: Category::Tax,
            is_correction: false,
            customer_name: taxed.customer_name,
            reseller: taxed.reseller,
            period,
            invoice,
            issuer,
            publisher,
            description: format!("Tax of {percent} % on {what}"),
            days: (period.first(), period.last()),
            currency,
            billed,
            effective,
            contracted_cost: on(taxed.contracted).ok_or_else(wrong)?,
            list_cost: on(taxed.list).ok_or_else(wrong)?,
            priced: None,
            pricing_currency: currency,
            effective_in_pricing: effective,
            tax_percent: percent,
            customer,
        })
    }
}

impl Taxed {
    fn add(&mut self, row: &Row, is_by_line: bool) -> Option<()> {
        let (currency, percent) = (row.currency, row.tax_percent);
        let money = |amount| Money { amount, currency };
        self.customer_name.clone_from(&row.customer_name);
        self.reseller.clone_from(&row.reseller);
        self.billed.add(money(row.billed), percent, is_by_line)?;
        self.effective.add(money(row.effective), percent, is_by_line)?;
        self.contracted = self.contracted.checked_add(row.contracted_cost)?;
        self.list = self.list.checked_add(row.list_cost)?;
        Some(())
    }
}

fn inexact(what: &str) -> ExportError {
    ExportError::Amount(what.to_owned())
}
