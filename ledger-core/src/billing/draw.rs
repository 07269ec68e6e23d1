//! Drawing the bills of a period from all commits of the log.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use rust_decimal::Decimal;
use sha2::{Digest, Sha256};

use super::bill::{BillError, BilledLine};
use super::books::Books;
use super::meter::{Charge, Meters};
use crate::calendar::Month;
use crate::commit::Hash;
use crate::customer::{Party, StatementDrawn, StatementTotals};
use crate::ids::CustomerId;
use crate::merkle::Tree;
use crate::money::{Currency, Money, MoneyError, share};
use crate::record::Recorded;

/// What there is to bill in a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// The period.
    pub period: Month,
    /// The first month with a charge, of those that are not closed.
    pub first_open: Option<Month>,
    /// Position of the last commit that counts.
    pub through: u64,
    /// RFC 6962 root over all commits up to there, in hexadecimal digits.
    pub root: String,
    /// Charge lines in the period.
    pub lines: u64,
    /// The statements, numbered.
    pub statements: Vec<StatementDrawn>,
    /// The first charge of the period that cannot be converted.
    pub missing_rate: Option<(Currency, Currency, NaiveDate)>,
}

/// Draws the bills of one period. Feed it all commits of the log in order, then finish.
pub struct Draw<'a> {
    books: &'a Books,
    period: Month,
    meters: Meters,
    tree: Tree,
    through: u64,
    first_open: Option<Month>,
    lines: u64,
    sums: BTreeMap<(Party, Currency), Sum>,
    missing_rate: Option<(Currency, Currency, NaiveDate)>,
}

/// A statement on its way.
#[derive(Default)]
struct Sum {
    lines: u64,
    net: Decimal,
    margin: Decimal,
    /// What is taxed on the total, by rate in hundredths, and what is taxed by line.
    taxed: BTreeMap<Decimal, Decimal>,
    tax: Decimal,
    hash: Sha256,
    /// The customers of a reseller.
    of: BTreeSet<CustomerId>,
}

impl<'a> Draw<'a> {
    /// Begins.
    #[must_use]
    pub fn new(books: &'a Books, period: Month) -> Self {
        Self {
            books,
            period,
            meters: Meters::default(),
            tree: Tree::default(),
            through: 0,
            first_open: None,
            lines: 0,
            sums: BTreeMap::new(),
            missing_rate: None,
        }
    }

    /// Adds the next commit of the log.
    ///
    /// # Errors
    ///
    /// [`MoneyError`] when an amount cannot be computed.
    pub fn add(&mut self, recorded: &Recorded) -> Result<(), MoneyError> {
        self.through = recorded.position;
        self.tree.push(recorded.sealed.hash());
        let charges = self.meters.add(recorded)?;
        self.bill(charges)
    }

    /// Lets time pass to the end of the period, and numbers the statements.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    pub fn finish(mut self) -> Result<Drawn, MoneyError> {
        let end = self.period.last().unwrap_or_else(|_| self.period.first());
        while let Some(charges) = self.meters.settle_next(end) {
            self.bill(charges?)?;
        }
        let mut statements: Vec<StatementDrawn> = Vec::new();
        let mut number = self.books.next_number();
        // In the order of the parties: customers come before resellers.
        for ((party, currency), sum) in self.sums {
            let totals = sum.totals(currency)?;
            let sha256 = match &party {
                Party::Customer(_) => hex(sum.hash),
                Party::Reseller(_) => hex(sum.of.iter().fold(Sha256::new(), |hash, of| {
                    let theirs = statements.iter().find(|s| s.is_of(of, currency));
                    hash.chain_update(theirs.map_or("", |s| s.sha256.as_str())).chain_update("\n")
                })),
            };
            statements.push(StatementDrawn { number, party, totals, sha256 });
            number = number.saturating_add(1);
        }
        Ok(Drawn {
            period: self.period,
            first_open: self.first_open,
            through: self.through,
            root: self.tree.root().to_string(),
            lines: self.lines,
            statements,
            missing_rate: self.missing_rate,
        })
    }

    fn bill(&mut self, charges: Vec<Charge>) -> Result<(), MoneyError> {
        for charge in charges {
            let period = self.books.period_of(charge.charged_on, charge.cause.position);
            if self.books.closed_period(period).is_none() {
                self.first_open = Some(self.first_open.map_or(period, |first| first.min(period)));
            }
            if period != self.period {
                continue;
            }
            match BilledLine::of(charge, self.books) {
                Ok(line) => self.sum_up(&line)?,
                Err(BillError::Money(err)) => return Err(err),
                Err(BillError::RateMissing { from, to, day }) => {
                    self.missing_rate.get_or_insert((from, to, day));
                }
            }
        }
        Ok(())
    }

    fn sum_up(&mut self, line: &BilledLine) -> Result<(), MoneyError> {
        self.lines = self.lines.saturating_add(1);
        let currency = line.billed.currency;
        let customer = Party::Customer(line.charge.customer.clone());
        let sum = self.sums.entry((customer, currency)).or_default();
        sum.add(line, Money { amount: Decimal::ZERO, currency })?;
        let reseller = Party::Reseller(line.charge.reseller.clone());
        let sum = self.sums.entry((reseller, currency)).or_default();
        sum.of.insert(line.charge.customer.clone());
        sum.add(line, line.margin)
    }
}

impl Sum {
    fn add(&mut self, line: &BilledLine, margin: Money) -> Result<(), MoneyError> {
        self.lines = self.lines.saturating_add(1);
        self.net = plus(self.net, line.billed.amount)?;
        self.margin = plus(self.margin, margin.amount)?;
        let amount = plus(line.billed.amount, -margin.amount)?;
        let currency = line.billed.currency;
        if line.tax.is_some() {
            let tax = share(Money { amount, currency }, line.tax_percent)?;
            self.tax = plus(self.tax, tax.amount)?;
        } else {
            let taxed = self.taxed.entry(line.tax_percent).or_default();
            *taxed = plus(*taxed, amount)?;
        }
        self.hash.update(line.fingerprint());
        Ok(())
    }

    fn totals(&self, currency: Currency) -> Result<StatementTotals, MoneyError> {
        let mut tax = self.tax;
        for (percent, amount) in &self.taxed {
            tax = plus(tax, share(Money { amount: *amount, currency }, *percent)?.amount)?;
        }
        let (lines, net, margin) = (self.lines, self.net, self.margin);
        let total = plus(plus(net, -margin)?, tax)?;
        Ok(StatementTotals { currency, lines, net, margin, tax, total })
    }
}

impl StatementDrawn {
    fn is_of(&self, customer: &CustomerId, currency: Currency) -> bool {
        self.totals.currency == currency
            && matches!(&self.party, Party::Customer(id) if id == customer)
    }
}

fn plus(a: Decimal, b: Decimal) -> Result<Decimal, MoneyError> {
    a.checked_add(b).ok_or(MoneyError::Overflow)
}

fn hex(hash: Sha256) -> String {
    Hash::from_bytes(hash.finalize().into()).to_string()
}
