//! Every closed period drawn again in one pass over the log, and compared with what was recorded.

use std::collections::BTreeMap;

use serde::Serialize;

use super::bill::{BillError, BilledLine};
use super::books::{Books, Closed, learn_billing};
use super::meter::{Charge, Meters};
use super::sums::Sums;
use crate::calendar::Month;
use crate::customer::{Event, PeriodClosed, StatementDrawn};
use crate::ids::StreamId;
use crate::merkle::Tree;
use crate::money::MoneyError;
use crate::record::Recorded;

/// Differences named per period; more are counted.
const NAMED_MAX: usize = 10;

/// A closed period drawn again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Redrawn {
    /// The period.
    pub period: Month,
    /// Charge lines in it.
    pub lines: u64,
    /// Statements of it.
    pub statements: u64,
    /// What is not as it was recorded, in sentences; nothing when all is right.
    pub differences: Vec<String>,
}

/// Draws all closed periods again. Feed it all commits of the log in order, then finish.
pub struct Redraw<'a> {
    books: &'a Books,
    /// What the log itself says about bills.
    said: Books,
    /// The periods that are not drawn yet, in the order in which they were closed.
    waiting: Vec<&'a Closed>,
    meters: Meters,
    tree: Tree,
    sums: BTreeMap<Month, Sums>,
    next_number: u64,
    drawn: Vec<Redrawn>,
    unbilled: BTreeMap<Month, String>,
}

impl<'a> Redraw<'a> {
    /// Begins; `books` are those of the whole log.
    #[must_use]
    pub fn new(books: &'a Books) -> Self {
        let mut waiting: Vec<_> = books.closed().collect();
        waiting.reverse();
        Self {
            books,
            said: Books::default(),
            waiting,
            meters: Meters::default(),
            tree: Tree::default(),
            sums: BTreeMap::new(),
            next_number: 1,
            drawn: Vec::new(),
            unbilled: BTreeMap::new(),
        }
    }

    /// Adds the next commit of the log.
    ///
    /// # Errors
    ///
    /// [`MoneyError`] when an amount cannot be computed.
    pub fn add(&mut self, recorded: &Recorded) -> Result<(), MoneyError> {
        let position = recorded.position;
        while let Some(closed) = self.waiting.pop_if(|closed| closed.what.through < position) {
            self.draw(&closed.what)?;
        }
        self.tree.push(recorded.sealed.hash());
        let commit = recorded.commit();
        if commit.stream == StreamId::Billing {
            let said = std::mem::take(&mut self.said);
            let learn = |books, event: &Event| learn_billing(books, commit.recorded_at, event);
            self.said = recorded.events.iter().fold(said, learn);
        }
        let charges = self.meters.add(recorded)?;
        self.bill(charges)
    }

    /// Returns every closed period as it was drawn again, in order.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    pub fn finish(mut self) -> Result<Vec<Redrawn>, MoneyError> {
        while let Some(closed) = self.waiting.pop() {
            self.draw(&closed.what)?;
            self.note("it was closed over commits that the log does not have".to_owned());
        }
        if !says(&self.said, self.books) {
            self.note("the log says something else about bills than was read before".to_owned());
        }
        let unread = self.said.closed().map(|closed| &closed.what);
        let unread = unread.filter(|what| self.books.closed_period(what.period).is_none());
        self.drawn.extend(unread.map(|what| Redrawn {
            period: what.period,
            lines: what.lines,
            statements: u64::try_from(what.statements.len()).unwrap_or(u64::MAX),
            differences: vec![
                    "it was closed while the log was read, or was hidden at first: check again"
                        .to_owned(),
                ],
        }));
        Ok(self.drawn)
    }

    fn note(&mut self, difference: String) {
        if let Some(last) = self.drawn.last_mut() {
            last.differences.push(difference);
        }
    }

    fn bill(&mut self, charges: Vec<Charge>) -> Result<(), MoneyError> {
        for charge in charges {
            let period = self.books.period_of(charge.charged_on, charge.cause.position);
            if self.books.closed_period(period).is_none() {
                continue;
            }
            match BilledLine::of(charge, self.books) {
                Ok(line) => self.sums.entry(period).or_default().add(&line)?,
                Err(BillError::Money(err)) => return Err(err),
                Err(err @ BillError::RateMissing { .. }) => {
                    self.unbilled.entry(period).or_insert_with(|| err.to_string());
                }
            }
        }
        Ok(())
    }

    /// Draws a period when all commits that count have been added, as it was when it was closed.
    fn draw(&mut self, closed: &PeriodClosed) -> Result<(), MoneyError> {
        let period = closed.period;
        let charges = self.meters.advance(period.last())?;
        self.bill(charges)?;
        let sums = self.sums.remove(&period).unwrap_or_default();
        let (lines, root) = (sums.lines(), self.tree.root().to_string());
        let statements = sums.statements(self.next_number)?;
        let count = u64::try_from(statements.len()).unwrap_or(u64::MAX);
        self.next_number = self.next_number.saturating_add(count);
        let mut differences = compare(closed, lines, &root, &statements);
        differences.extend(self.unbilled.remove(&period));
        self.drawn.push(Redrawn { period, lines, statements: count, differences });
        Ok(())
    }
}

/// Whether the log says all that was read before; it may have grown since.
fn says(said: &Books, before: &Books) -> bool {
    before.closed().all(|closed| said.closed_period(closed.what.period) == Some(closed))
        && before.all_terms().all(|terms| said.all_terms().any(|it| it == terms))
        && before.all_rates().all(|rates| said.all_rates().any(|it| it == rates))
}

fn compare(
    closed: &PeriodClosed,
    lines: u64,
    root: &str,
    statements: &[StatementDrawn],
) -> Vec<String> {
    let mut differences = Vec::new();
    if closed.root != root {
        let through = closed.through;
        differences.push(format!(
            "the root over the commits up to position {through} is {root}, recorded was {}",
            closed.root
        ));
    }
    let (was, is) = (closed.statements.len(), statements.len());
    if (closed.lines, was) != (lines, is) {
        differences.push(format!(
            "it has {lines} lines on {is} statements, recorded were {} on {was}",
            closed.lines
        ));
    }
    let unlike: Vec<_> =
        closed.statements.iter().zip(statements).filter(|(was, is)| was != is).collect();
    for (was, is) in unlike.iter().take(NAMED_MAX) {
        differences.push(unlike_statement(was, is));
    }
    if let Some(more @ 1..) = unlike.len().checked_sub(NAMED_MAX) {
        differences.push(format!("and {more} more statements differ"));
    }
    differences
}

/// What is wrong with a statement, in one sentence.
pub(super) fn unlike_statement(was: &StatementDrawn, is: &StatementDrawn) -> String {
    let number = super::statement_number(was.number);
    let of = |drawn: &StatementDrawn| {
        let totals = drawn.totals;
        format!(
            "number {} of {}, {} lines, {} {} with tax, SHA-256 {}",
            drawn.number, drawn.party, totals.lines, totals.total, totals.currency, drawn.sha256
        )
    };
    format!("statement {number} is drawn again as {}; recorded was {}", of(is), of(was))
}
