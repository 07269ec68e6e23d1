//! What every open period comes to so far, in one pass over the log.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::Serialize;

use super::bill::{BillError, BilledLine};
use super::books::Books;
use super::meter::{Charge, Meters};
use super::sums::{PeriodTotals, Sums, sum_up};
use crate::calendar::Month;
use crate::money::MoneyError;
use crate::record::Recorded;

/// An open period so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OpenPeriod {
    /// The period.
    pub period: Month,
    /// Charge lines in it.
    pub lines: u64,
    /// What they come to.
    pub totals: Vec<PeriodTotals>,
    /// Why some of them cannot be billed yet; they are not in the totals.
    pub problem: Option<String>,
}

/// Sums the open periods up. Feed it all commits of the log in order, then finish.
pub struct OpenPeriods<'a> {
    books: &'a Books,
    meters: Meters,
    sums: BTreeMap<Month, Sums>,
    problems: BTreeMap<Month, String>,
}

impl<'a> OpenPeriods<'a> {
    /// Begins.
    #[must_use]
    pub fn new(books: &'a Books) -> Self {
        let (sums, problems) = (BTreeMap::new(), BTreeMap::new());
        Self { books, meters: Meters::default(), sums, problems }
    }

    /// Adds the next commit of the log.
    ///
    /// # Errors
    ///
    /// [`MoneyError`] when an amount cannot be computed.
    pub fn add(&mut self, recorded: &Recorded) -> Result<(), MoneyError> {
        let charges = self.meters.add(recorded)?;
        self.bill(charges)
    }

    /// Lets time pass to `today`; returns every open period to that of `today`, in order.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    pub fn finish(mut self, today: NaiveDate) -> Result<Vec<OpenPeriod>, MoneyError> {
        while let Some(charges) = self.meters.settle_next(today) {
            self.bill(charges?)?;
        }
        let current = Month::of(today);
        let next = self.books.closed().last().and_then(|closed| closed.what.period.next().ok());
        let first = next.or_else(|| self.sums.keys().next().copied());
        let mut period = first.unwrap_or(current);
        while period <= current {
            self.sums.entry(period).or_default();
            let Ok(next) = period.next() else { break };
            period = next;
        }
        let mut problems = self.problems;
        self.sums
            .into_iter()
            .map(|(period, sums)| {
                let lines = sums.lines();
                let totals = sum_up(&sums.statements(0)?)?;
                Ok(OpenPeriod { period, lines, totals, problem: problems.remove(&period) })
            })
            .collect()
    }

    fn bill(&mut self, charges: Vec<Charge>) -> Result<(), MoneyError> {
        for charge in charges {
            let period = self.books.period_of(charge.charged_on, charge.cause.position);
            if self.books.closed_period(period).is_some() {
                continue;
            }
            let sums = self.sums.entry(period).or_default();
            match BilledLine::of(charge, self.books) {
                Ok(line) => sums.add(&line)?,
                Err(BillError::Money(err)) => return Err(err),
                Err(err @ BillError::RateMissing { .. }) => {
                    self.problems.entry(period).or_insert_with(|| err.to_string());
                }
            }
        }
        Ok(())
    }
}
