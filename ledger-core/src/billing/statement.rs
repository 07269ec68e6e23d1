//! A statement with its lines: drawn from commits, and compared with what was recorded at closing.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::Serialize;

use super::bill::{AppliedRate, BillError, BilledLine};
use super::books::{Books, Closed};
use super::draw::Drawn;
use super::meter::Meter;
use super::redraw::unlike_statement;
use super::sums::{Sum, TaxTotal};
use crate::calendar::{Month, Period};
use crate::charges::ChargeType;
use crate::customer::{Party, StatementDrawn, StatementTotals};
use crate::ids::{CustomerId, OfferId, Reason, SubscriptionId};
use crate::money::{Currency, Money, MoneyError, RoundingPolicy};
use crate::record::Recorded;

/// A statement's number as it is printed: six digits at least.
#[must_use]
pub fn statement_number(number: u64) -> String {
    format!("{number:06}")
}

/// Why there is no statement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// A charge cannot be billed.
    #[error("{0}")]
    Bill(#[from] BillError),
    /// What is drawn now is not what was recorded when the period was closed.
    #[error("{0}")]
    Differs(String),
}

impl From<MoneyError> for StatementError {
    fn from(err: MoneyError) -> Self {
        Self::Bill(err.into())
    }
}

/// What a list tells of a statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatementSummary {
    /// Its number.
    pub number: String,
    /// The period.
    pub period: Month,
    /// When that was closed.
    pub closed_at: DateTime<Utc>,
    /// Whose it is.
    pub party: Party,
    /// What it sums up to.
    pub totals: StatementTotals,
    /// SHA-256 of its lines, in hexadecimal digits.
    pub sha256: String,
}

impl StatementSummary {
    /// What `closed` says of one of its statements.
    #[must_use]
    pub fn of(closed: &Closed, drawn: &StatementDrawn) -> Self {
        Self {
            number: statement_number(drawn.number),
            period: closed.what.period,
            closed_at: closed.closed_at,
            party: drawn.party.clone(),
            totals: drawn.totals,
            sha256: drawn.sha256.clone(),
        }
    }
}

/// With what anybody can prove a statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// SHA-256 over its lines as `id amount currency`, each with a line feed; of a reseller's, over the
    /// hashes of its customers' statements. In hexadecimal digits.
    pub sha256: String,
    /// Position of the last commit that counts; `None`: the period is open.
    pub position: Option<u64>,
    /// RFC 6962 root over all commits up to there, in hexadecimal digits.
    pub root: Option<String>,
}

/// A line of a statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatementLine {
    /// The charge line's id, which explains it.
    pub id: String,
    /// What lines that belong together share.
    pub reference_id: String,
    /// Who is charged.
    pub customer: CustomerId,
    /// For which subscription.
    pub subscription: SubscriptionId,
    /// Of which offer.
    pub offer: OfferId,
    /// Its name.
    pub offer_title: String,
    /// Why.
    pub charge_type: ChargeType,
    /// In the words of whoever caused it.
    pub reason: Reason,
    /// The day it belongs to.
    pub charged_on: NaiveDate,
    /// Whether its own period was closed already.
    pub is_correction: bool,
    /// Days charged or credited, both included.
    pub days: Period,
    /// How many of them are charged or credited.
    pub billable_days: u32,
    /// How many days the charge cycle has.
    pub cycle_days: u32,
    /// Seats; negative for a credit.
    pub quantity: i64,
    /// Price of one seat for a whole charge cycle.
    pub unit_price: Decimal,
    /// The amount in the currency of the price.
    pub amount: Money,
    /// How it was rounded.
    pub rounding: RoundingPolicy,
    /// The computation with its numbers.
    pub formula: String,
    /// The exchange rate; `None`: none was needed.
    pub rate: Option<AppliedRate>,
    /// The amount in the currency of the statement.
    pub billed: Decimal,
    /// Tax, in hundredths.
    pub tax_percent: Decimal,
    /// Tax of this line, where it is rounded by line.
    pub tax: Option<Decimal>,
    /// What the reseller keeps; only on its own statement.
    pub margin: Option<Decimal>,
}

impl StatementLine {
    fn of(line: &BilledLine, party: &Party) -> Self {
        let (charge, of) = (&line.charge, &line.charge.line);
        Self {
            id: of.id.clone(),
            reference_id: of.reference_id.clone(),
            customer: charge.customer.clone(),
            subscription: of.subscription.clone(),
            offer: of.offer.clone(),
            offer_title: charge.offer_title.clone(),
            charge_type: of.charge_type,
            reason: charge.cause.reason.clone(),
            charged_on: charge.charged_on,
            is_correction: line.is_correction,
            days: of.period,
            billable_days: of.billable_days,
            cycle_days: of.cycle_days,
            quantity: of.quantity,
            unit_price: of.unit_price,
            amount: of.amount,
            rounding: of.rounding,
            formula: of.formula.clone(),
            rate: line.rate.clone(),
            billed: line.billed.amount,
            tax_percent: line.tax_percent,
            tax: line.tax.map(|tax| tax.amount),
            margin: matches!(party, Party::Reseller(_)).then_some(line.margin.amount),
        }
    }
}

/// A statement with its lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Statement {
    /// Its number; `None`: it is only a preview.
    pub number: Option<String>,
    /// Who issues it; `None`: no billing terms hold for the period.
    pub issuer: Option<String>,
    /// The terms it is made out under.
    pub terms: Option<String>,
    /// The period.
    pub period: Month,
    /// When that was closed; `None`: it is open.
    pub closed_at: Option<DateTime<Utc>>,
    /// Whose it is.
    pub party: Party,
    /// The customer's name; `None` on a reseller's statement.
    pub name: Option<String>,
    /// The lines, in the order in which they were charged.
    pub lines: Vec<StatementLine>,
    /// Tax, by rate.
    pub taxes: Vec<TaxTotal>,
    /// What it sums up to.
    pub totals: StatementTotals,
    /// With what it can be proved.
    pub verification: Verification,
}

impl Statement {
    /// The statements of a customer in an open period, one for each currency, as they would be if nothing
    /// else happened until its end. `history` is all of the customer's commits.
    ///
    /// # Errors
    ///
    /// [`StatementError::Bill`].
    pub fn preview<'a>(
        books: &Books,
        period: Month,
        customer: &CustomerId,
        history: impl IntoIterator<Item = &'a Recorded>,
    ) -> Result<Vec<Self>, StatementError> {
        let mut meter = Meter::new(customer.clone());
        let mut all: BTreeMap<Currency, Vec<BilledLine>> = BTreeMap::new();
        let mut keep = |charges| {
            for charge in charges {
                let line = billed_in(books, period, charge)?;
                if let Some(line) = line {
                    all.entry(line.billed.currency).or_default().push(line);
                }
            }
            Ok::<_, StatementError>(())
        };
        for recorded in history {
            keep(meter.add(recorded)?)?;
        }
        keep(meter.advance(period.last())?)?;
        let party = Party::Customer(customer.clone());
        all.into_iter()
            .map(|(currency, lines)| Self::make(books, period, &party, currency, &lines, None))
            .collect()
    }

    /// A customer's statement of a closed period, drawn again. `history` is the customer's commits.
    ///
    /// # Errors
    ///
    /// [`StatementError::Differs`] when it is not what was recorded.
    pub fn of_customer<'a>(
        books: &Books,
        closed: &Closed,
        drawn: &StatementDrawn,
        customer: &CustomerId,
        history: impl IntoIterator<Item = &'a Recorded>,
    ) -> Result<Self, StatementError> {
        let (period, through) = (closed.what.period, closed.what.through);
        let counting = history.into_iter().take_while(|recorded| recorded.position <= through);
        let all = Self::preview(books, period, customer, counting)?;
        let found = all.into_iter().find(|it| it.totals.currency == drawn.totals.currency);
        found.ok_or_else(|| missing(drawn))?.numbered(closed, drawn)
    }

    /// A reseller's statement of a closed period; `again` is that period drawn again with the reseller's
    /// lines, from the commits of the log up to the last one that counts.
    ///
    /// # Errors
    ///
    /// [`StatementError::Differs`] when it is not what was recorded.
    pub fn of_reseller(
        books: &Books,
        closed: &Closed,
        drawn: &StatementDrawn,
        again: &Drawn,
    ) -> Result<Self, StatementError> {
        let (party, currency) = (&drawn.party, drawn.totals.currency);
        let mut statements = again.statements.iter();
        let found = statements.find(|s| s.party == *party && s.totals.currency == currency);
        let sha256 = found.map(|found| found.sha256.clone()).ok_or_else(|| missing(drawn))?;
        let lines: Vec<_> =
            again.kept.iter().filter(|line| line.billed.currency == currency).cloned().collect();
        Self::make(books, closed.what.period, party, currency, &lines, Some(sha256))?
            .numbered(closed, drawn)
    }

    fn make(
        books: &Books,
        period: Month,
        party: &Party,
        currency: Currency,
        lines: &[BilledLine],
        sha256: Option<String>,
    ) -> Result<Self, StatementError> {
        let mut sum = Sum::default();
        for line in lines {
            let margin = match party {
                Party::Customer(_) => Money { amount: Decimal::ZERO, currency },
                Party::Reseller(_) => line.margin,
            };
            sum.add(line, margin)?;
        }
        let terms = books.terms(period);
        let name = lines.last().filter(|_| matches!(party, Party::Customer(_)));
        Ok(Self {
            number: None,
            issuer: terms.map(|set| set.terms.issuer.clone()),
            terms: terms.map(|set| set.version.clone()),
            period,
            closed_at: None,
            party: party.clone(),
            name: name.map(|line| line.charge.customer_name.clone()),
            lines: lines.iter().map(|line| StatementLine::of(line, party)).collect(),
            taxes: sum.taxes(currency)?,
            totals: sum.totals(currency)?,
            verification: Verification {
                sha256: sha256.unwrap_or_else(|| sum.sha256()),
                position: None,
                root: None,
            },
        })
    }

    /// The same with its number, if it is what was recorded.
    fn numbered(self, closed: &Closed, was: &StatementDrawn) -> Result<Self, StatementError> {
        let sha256 = self.verification.sha256.clone();
        let (number, party, totals) = (was.number, self.party.clone(), self.totals);
        let is = StatementDrawn { number, party, totals, sha256: sha256.clone() };
        if is != *was {
            return Err(StatementError::Differs(unlike_statement(was, &is)));
        }
        let (position, root) = (Some(closed.what.through), Some(closed.what.root.clone()));
        Ok(Self {
            number: Some(statement_number(number)),
            closed_at: Some(closed.closed_at),
            verification: Verification { sha256, position, root },
            ..self
        })
    }
}

/// The charge as it is billed, if that is in `period`.
fn billed_in(
    books: &Books,
    period: Month,
    charge: super::Charge,
) -> Result<Option<BilledLine>, BillError> {
    if books.period_of(charge.charged_on, charge.cause.position) != period {
        return Ok(None);
    }
    BilledLine::of(charge, books).map(Some)
}

fn missing(drawn: &StatementDrawn) -> StatementError {
    let number = statement_number(drawn.number);
    StatementError::Differs(format!(
        "statement {number} of {} was recorded, but nothing is charged to it",
        drawn.party
    ))
}
