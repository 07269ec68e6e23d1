//! Drawing the bills of a period from all commits of the log.

use chrono::NaiveDate;

use super::bill::{BillError, BilledLine};
use super::books::Books;
use super::meter::{Charge, Meters};
use super::sums::Sums;
use crate::calendar::Month;
use crate::commit::Hash;
use crate::customer::{Party, StatementDrawn};
use crate::merkle::Tree;
use crate::money::{Currency, MoneyError};
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
    /// The lines of the party that was asked for.
    pub kept: Vec<BilledLine>,
}

/// Draws the bills of one period. Feed it all commits of the log in order, then finish.
pub struct Draw<'a> {
    books: &'a Books,
    period: Month,
    meters: Meters,
    tree: Tree,
    through: u64,
    first_open: Option<Month>,
    sums: Sums,
    missing_rate: Option<(Currency, Currency, NaiveDate)>,
    keep: Option<Party>,
    kept: Vec<BilledLine>,
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
            sums: Sums::default(),
            missing_rate: None,
            keep: None,
            kept: Vec::new(),
        }
    }

    /// The same, and the lines of `party` are kept.
    #[must_use]
    pub fn keeping(self, party: Party) -> Self {
        Self { keep: Some(party), ..self }
    }

    /// Adds the next commit of the log.
    ///
    /// # Errors
    ///
    /// [`MoneyError`] when an amount cannot be computed.
    pub fn add(&mut self, recorded: &Recorded) -> Result<(), MoneyError> {
        let charges = self.meters.add(recorded)?;
        self.add_charges(recorded.position, recorded.sealed.hash(), charges)
    }

    /// Adds the next commit where its charges are known already: what happens without a log.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    pub fn add_charges(
        &mut self,
        position: u64,
        hash: Hash,
        charges: Vec<Charge>,
    ) -> Result<(), MoneyError> {
        self.through = position;
        self.tree.push(hash);
        self.bill(charges)
    }

    /// Lets time pass to the end of the period, and numbers the statements.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    pub fn finish(self) -> Result<Drawn, MoneyError> {
        let end = self.period.last();
        self.finish_on(end)
    }

    /// Lets time pass to `day` only: what the period comes to so far.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    pub fn finish_on(mut self, day: NaiveDate) -> Result<Drawn, MoneyError> {
        while let Some(charges) = self.meters.settle_next(day) {
            self.bill(charges?)?;
        }
        Ok(Drawn {
            period: self.period,
            first_open: self.first_open,
            through: self.through,
            root: self.tree.root().to_string(),
            lines: self.sums.lines(),
            statements: self.sums.statements(self.books.next_number())?,
            missing_rate: self.missing_rate,
            kept: self.kept,
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
                Ok(line) => {
                    self.sums.add(&line)?;
                    if self.keep.as_ref().is_some_and(|party| party.owns(&line)) {
                        self.kept.push(line);
                    }
                }
                Err(BillError::Money(err)) => return Err(err),
                Err(BillError::RateMissing { from, to, day }) => {
                    self.missing_rate.get_or_insert((from, to, day));
                }
            }
        }
        Ok(())
    }
}

impl Party {
    fn owns(&self, line: &BilledLine) -> bool {
        match self {
            Self::Customer(customer) => *customer == line.charge.customer,
            Self::Reseller(reseller) => *reseller == line.charge.reseller,
        }
    }
}
