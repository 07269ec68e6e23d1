//! Why a line of a bill is what it is, and, the other way, what an event or a command has cost.

mod price;
mod subject;

use rust_decimal::Decimal;
use serde_json::Value;

use self::price::price;
pub use self::subject::{
    Bill, Caused, CausedLine, Explained, Explanation, Known, Margin, Price, PriceSource, Subject,
};
use super::bill::BilledLine;
use super::books::Books;
use super::meter::{Charge, Meter};
use super::statement::statement_number;
use crate::calendar::Month;
use crate::charges::ChargeType;
use crate::customer::Party;
use crate::ids::CustomerId;
use crate::money::{Money, MoneyError, RoundingPolicy};
use crate::record::{EventEntry, Recorded};

/// Explains `subject`; `None` when the customer has nothing of that id.
///
/// # Errors
///
/// [`MoneyError`] when an amount cannot be computed; no decided event has such an amount.
pub fn explain(
    known: Known<'_>,
    customer: &CustomerId,
    subject: &Subject,
) -> Result<Option<Explanation>, MoneyError> {
    let mut meter = Meter::new(customer.clone());
    let mut charges = Vec::new();
    for recorded in known.history {
        charges.extend(meter.add(recorded)?);
    }
    charges.extend(meter.advance(known.until)?);
    match subject {
        Subject::Line(id) => {
            let found = charges.iter().find(|charge| charge.line.id == *id);
            let explained = found.map(|charge| explained(known, charge, &charges)).transpose()?;
            Ok(explained.flatten().map(|line| Explanation::Line(Box::new(line))))
        }
        Subject::Event(id) => {
            let found = event_of(known.history, id);
            found
                .map(|(recorded, event)| caused(known, customer, recorded, (vec![event], &charges)))
                .transpose()
        }
        Subject::Command(id) => {
            let mut history = known.history.iter();
            let found = history.find(|recorded| recorded.commit().command_id == *id);
            found
                .map(|recorded| caused(known, customer, recorded, (entries(recorded), &charges)))
                .transpose()
        }
    }
}

fn explained(
    known: Known<'_>,
    charge: &Charge,
    all: &[Charge],
) -> Result<Option<Explained>, MoneyError> {
    let line = &charge.line;
    let Some((recorded, event)) = event_of(known.history, &charge.event_id) else {
        return Ok(None);
    };
    let Some(price) = price(known, charge) else { return Ok(None) };
    let siblings = all
        .iter()
        .filter(|other| other.line.reference_id == line.reference_id && other.line.id != line.id);
    let days = Decimal::from(line.billable_days);
    let exact = line.unit_price.checked_mul(days).ok_or(MoneyError::Overflow)?;
    let exact = exact.checked_mul(Decimal::from(line.quantity)).ok_or(MoneyError::Overflow)?;
    let exact = exact.checked_div(Decimal::from(line.cycle_days)).ok_or(MoneyError::EmptyCycle)?;
    Ok(Some(Explained {
        is_cycle: line.charge_type == ChargeType::CycleCharge,
        exact: exact.normalize(),
        how_rounded: how_rounded(line.rounding),
        event,
        asked: asked(recorded),
        price,
        siblings: siblings.map(|other| in_short(known.books, other)).collect(),
        bill: bill(known.books, charge),
        charge: charge.clone(),
    }))
}

/// How a policy rounds, in words. Source: domain, section 4.3 and section 11, no. 4.
const fn how_rounded(policy: RoundingPolicy) -> &'static str {
    match policy {
        RoundingPolicy::UnitTruncate => {
            "the price of one seat for the billable days is cut to the currency's digits, towards \
             zero, and then multiplied by the seats"
        }
        RoundingPolicy::LineTruncate => {
            "the whole line is computed, and then cut to the currency's digits, towards zero"
        }
        RoundingPolicy::LineHalfUp => {
            "the whole line is computed, and then rounded to the currency's digits, halves away from \
             zero"
        }
        RoundingPolicy::FeeThenTax => {
            "the whole line is computed, and then rounded to the currency's digits, halves away from \
             zero; its tax is rounded the same way, on its own"
        }
    }
}

fn bill(books: &Books, charge: &Charge) -> Bill {
    let period = books.period_of(charge.charged_on, charge.cause.position);
    let billed = BilledLine::of(charge.clone(), books);
    let problem = billed.as_ref().err().map(ToString::to_string);
    let line = billed.ok();
    let number =
        |party: Party| line.as_ref().and_then(|line| numbered(books, period, &party, line));
    let statement = number(Party::Customer(charge.customer.clone()));
    let margin = line.as_ref().map(|line| Margin {
        reseller: charge.reseller.clone(),
        percent: line.margin_percent,
        amount: line.margin,
        statement: number(Party::Reseller(charge.reseller.clone())),
    });
    Bill {
        period,
        is_correction: period != Month::of(charge.charged_on),
        closed_at: books.closed_period(period).map(|closed| closed.closed_at),
        statement,
        billed: line.as_ref().map(|line| line.billed),
        problem,
        rate: line.as_ref().and_then(|line| line.rate.clone()),
        tax_percent: line.as_ref().map(|line| line.tax_percent),
        tax: line.as_ref().and_then(|line| line.tax),
        margin,
    }
}

/// The number of the party's statement with the line.
fn numbered(books: &Books, period: Month, party: &Party, line: &BilledLine) -> Option<String> {
    let mut statements = books.closed_period(period)?.what.statements.iter();
    let currency = line.billed.currency;
    let found = statements.find(|s| s.party == *party && s.totals.currency == currency);
    found.map(|found| statement_number(found.number))
}

fn caused(
    known: Known<'_>,
    customer: &CustomerId,
    recorded: &Recorded,
    (events, all): (Vec<EventEntry>, &[Charge]),
) -> Result<Explanation, MoneyError> {
    let commit = recorded.commit();
    let is_one = |id: &str| events.iter().any(|event| event.id == id);
    let lines: Vec<_> = all.iter().filter(|charge| is_one(&charge.event_id)).collect();
    let priced =
        all.iter().filter(|charge| is_one(&charge.price_event_id) && !is_one(&charge.event_id));
    Ok(Explanation::Cause(Box::new(Caused {
        customer: customer.clone(),
        position: recorded.position,
        recorded_at: commit.recorded_at,
        effective_at: commit.effective_at,
        command_id: commit.command_id.clone(),
        actor: commit.actor.clone(),
        reason: commit.reason.clone(),
        asked: asked(recorded),
        totals: totals(&lines)?,
        lines: lines.into_iter().map(|charge| in_short(known.books, charge)).collect(),
        priced: priced.map(|charge| in_short(known.books, charge)).collect(),
        events,
    })))
}

fn totals(lines: &[&Charge]) -> Result<Vec<Money>, MoneyError> {
    let mut totals: Vec<Money> = Vec::new();
    for charge in lines {
        let amount = charge.line.amount;
        match totals.iter_mut().find(|total| total.currency == amount.currency) {
            Some(total) => *total = total.try_add(amount)?,
            None => totals.push(amount),
        }
    }
    Ok(totals)
}

fn in_short(books: &Books, charge: &Charge) -> CausedLine {
    let line = &charge.line;
    let Bill { period, statement, .. } = bill(books, charge);
    CausedLine {
        id: line.id.clone(),
        charge_type: line.charge_type,
        subscription: line.subscription.clone(),
        quantity: line.quantity,
        days: line.period,
        amount: line.amount,
        period,
        statement,
    }
}

fn asked(recorded: &Recorded) -> Value {
    serde_json::from_slice(&recorded.commit().request).unwrap_or_default()
}

fn entries(recorded: &Recorded) -> Vec<EventEntry> {
    let events = recorded.events.iter().enumerate();
    events
        .map(|(index, event)| EventEntry { id: recorded.event_id(index), event: event.clone() })
        .collect()
}

/// The event of this id, and its commit.
pub(super) fn event_of<'a>(
    history: &'a [Recorded],
    id: &str,
) -> Option<(&'a Recorded, EventEntry)> {
    let (_, place) = id.split_once('/')?;
    let (version, number) = place.split_once('.')?;
    let version: u64 = version.parse().ok()?;
    let index = number.parse::<usize>().ok()?.checked_sub(1)?;
    let recorded = history.iter().find(|recorded| recorded.commit().version == version)?;
    let event = recorded.events.get(index)?.clone();
    Some((recorded, EventEntry { id: recorded.event_id(index), event }))
}
