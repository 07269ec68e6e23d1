//! Why a line of a bill is what it is, and, the other way, what an event or a command has cost.

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::Value;

use super::bill::{AppliedRate, BilledLine};
use super::books::Books;
use super::meter::{Charge, Meter};
use super::statement::statement_number;
use crate::calendar::{Month, Period};
use crate::catalogue::{Catalogues, PriceRow, Segment};
use crate::charges::ChargeType;
use crate::customer::{AppliedPromotion, Customer, Event, Party, evolve};
use crate::ids::{Actor, CommandId, CustomerId, Reason, ResellerId, SubscriptionId};
use crate::money::{Currency, Money, MoneyError, RoundingPolicy};
use crate::record::{EventEntry, Recorded};

/// What is to be explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A charge line.
    Line(String),
    /// An event.
    Event(String),
    /// A command.
    Command(CommandId),
}

impl Subject {
    /// Reads the id of a line (`acme/3.1/1`, or `acme/s1/2024-02-29` of a charge cycle) or of an event
    /// (`acme/3.1`) of a customer; `None` when it is neither.
    #[must_use]
    pub fn read(id: &str) -> Option<(CustomerId, Self)> {
        let parts: Vec<&str> = id.splitn(4, '/').collect();
        let (customer, is_line) = match *parts.as_slice() {
            [customer, event] if is_event(event) => (customer, false),
            [customer, event, line] if is_event(event) && is_number(line) => (customer, true),
            [customer, subscription, day]
                if SubscriptionId::try_new(subscription).is_ok() && is_day(day) =>
            {
                (customer, true)
            }
            _ => return None,
        };
        let customer = CustomerId::try_new(customer).ok()?;
        let id = id.to_owned();
        Some((customer, if is_line { Self::Line(id) } else { Self::Event(id) }))
    }
}

fn is_event(text: &str) -> bool {
    text.split_once('.').is_some_and(|(version, number)| is_number(version) && is_number(number))
}

fn is_number(text: &str) -> bool {
    text.parse::<u64>().is_ok_and(|number| 0 < number && number.to_string() == text)
}

fn is_day(text: &str) -> bool {
    text.parse::<NaiveDate>().is_ok_and(|day| day.to_string() == text)
}

/// What is known when something is explained.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// All commits of the customer.
    pub history: &'a [Recorded],
    /// What was recorded about bills.
    pub books: &'a Books,
    /// What was imported into the catalogue.
    pub catalogues: &'a Catalogues,
    /// The last day whose charge cycles are charged.
    pub until: NaiveDate,
}

/// An explanation.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "explains", rename_all = "kebab-case")]
pub enum Explanation {
    /// Of a line.
    Line(Box<Explained>),
    /// Of an event or a command.
    Cause(Box<Caused>),
}

impl Explanation {
    /// The same for somebody who may know what this reseller keeps, and of no other.
    #[must_use]
    pub fn with_margins_of(self, reseller: Option<&ResellerId>) -> Self {
        match self {
            Self::Line(mut line) => {
                line.bill.margin =
                    line.bill.margin.take().filter(|margin| reseller == Some(&margin.reseller));
                Self::Line(line)
            }
            Self::Cause(cause) => Self::Cause(cause),
        }
    }
}

/// A line, explained.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explained {
    /// The line and the commit that caused it.
    #[serde(flatten)]
    pub charge: Charge,
    /// Whether it is a further charge cycle: time caused it, and `event` is the last one that changed what
    /// is charged.
    pub is_cycle: bool,
    /// The amount before it was rounded.
    pub exact: Decimal,
    /// How its rounding policy rounds.
    pub how_rounded: &'static str,
    /// The event that caused it.
    pub event: EventEntry,
    /// The command as it was issued.
    pub asked: Value,
    /// Where its price came from.
    pub price: Price,
    /// The other lines with the same reference id.
    pub siblings: Vec<CausedLine>,
    /// How it is billed.
    pub bill: Bill,
}

/// Where a price came from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Price {
    /// The price of one seat for a whole charge cycle.
    pub unit_price: Money,
    /// The event that set it.
    pub event: EventEntry,
    /// When that was recorded.
    pub recorded_at: DateTime<Utc>,
    /// When it took effect.
    pub effective_at: DateTime<Utc>,
    /// Position of its commit in the log.
    pub position: u64,
    /// Where from.
    #[serde(flatten)]
    pub source: PriceSource,
    /// The price before a promotion or a premium changed it.
    pub list_price: Option<Money>,
    /// The promotion.
    pub promotion: Option<AppliedPromotion>,
    /// The premium of an extended service term, in hundredths.
    pub premium_percent: Option<Decimal>,
    /// Whether what it came from can be looked up now; if not, the event holds the price all the same.
    pub is_found: bool,
}

/// Where a price came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "source", rename_all = "kebab-case")]
pub enum PriceSource {
    /// A price list.
    PriceList {
        /// Its name.
        list: String,
        /// The row, if it can be found.
        row: Option<PriceRow>,
    },
    /// A plan of the catalogue.
    Catalogue {
        /// The version that was in force.
        version: Option<String>,
    },
    /// It was told with an opening balance.
    OpeningBalance,
    /// A correction told it.
    Correction,
}

/// How a line is billed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bill {
    /// The period.
    pub period: Month,
    /// Whether its own period was closed already.
    pub is_correction: bool,
    /// When the period was closed; `None`: it is open.
    pub closed_at: Option<DateTime<Utc>>,
    /// Number of the customer's statement; `None`: the period is open.
    pub statement: Option<String>,
    /// The amount in the currency of the bill; `None`: it cannot be billed yet.
    pub billed: Option<Money>,
    /// Why it cannot be billed.
    pub problem: Option<String>,
    /// The exchange rate; `None`: none was needed.
    pub rate: Option<AppliedRate>,
    /// Tax, in hundredths.
    pub tax_percent: Option<Decimal>,
    /// Tax of this line alone; `None`: tax is rounded once, on the statement's total.
    pub tax: Option<Money>,
    /// What the reseller keeps; not for the customer.
    pub margin: Option<Margin>,
}

/// What the reseller keeps of a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Margin {
    /// The reseller.
    pub reseller: ResellerId,
    /// In hundredths.
    pub percent: Decimal,
    /// How much.
    pub amount: Money,
    /// Number of the reseller's statement.
    pub statement: Option<String>,
}

/// An event or a command, and everything it has cost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Caused {
    /// Whose.
    pub customer: CustomerId,
    /// Position of the commit in the log.
    pub position: u64,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// When it took effect.
    pub effective_at: DateTime<Utc>,
    /// Id of the command.
    pub command_id: CommandId,
    /// Who issued it.
    pub actor: Actor,
    /// Why.
    pub reason: Reason,
    /// The command as it was issued.
    pub asked: Value,
    /// The event, or all of the command's.
    pub events: Vec<EventEntry>,
    /// The lines that they caused, and the further charge cycles that rest on them.
    pub lines: Vec<CausedLine>,
    /// What these come to, by currency.
    pub totals: Vec<Money>,
    /// Other lines whose price was set here.
    pub priced: Vec<CausedLine>,
}

/// A line in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CausedLine {
    /// Its id.
    pub id: String,
    /// Why.
    pub charge_type: ChargeType,
    /// For which subscription.
    pub subscription: SubscriptionId,
    /// Seats; negative for a credit.
    pub quantity: i64,
    /// Days charged or credited, both included.
    pub days: Period,
    /// The amount.
    pub amount: Money,
    /// The period that it is billed in.
    pub period: Month,
    /// Number of the customer's statement; `None`: the period is open.
    pub statement: Option<String>,
}

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

/// Where the price of a charge came from.
fn price(known: Known<'_>, charge: &Charge) -> Option<Price> {
    let (recorded, event) = event_of(known.history, &charge.price_event_id)?;
    let unit_price =
        Money { amount: charge.line.unit_price, currency: charge.line.amount.currency };
    let premium = premium(&event.event);
    let promoted = charge.promotion.as_ref().map(|promotion| promotion.list_price);
    let list_price = promoted.or(premium.map(|(list_price, _)| list_price));
    let commit = recorded.commit();
    let (source, is_found) =
        source(known, charge, &event, commit.effective_at, list_price.unwrap_or(unit_price));
    Some(Price {
        unit_price,
        recorded_at: commit.recorded_at,
        effective_at: commit.effective_at,
        position: recorded.position,
        source,
        list_price,
        promotion: charge.promotion.clone(),
        premium_percent: premium.map(|(_, percent)| percent),
        is_found,
        event,
    })
}

/// The price that an extended service term is charged at a premium of.
#[expect(clippy::wildcard_enum_match_arm, reason = "no other event has a premium")]
fn premium(event: &Event) -> Option<(Money, Decimal)> {
    match event {
        Event::ExtendedServiceTermStarted(e) => Some((e.list_price, e.premium_percent)),
        _ => None,
    }
}

/// Where a price was read, and whether it is still there.
fn source(
    known: Known<'_>,
    charge: &Charge,
    event: &EventEntry,
    at: DateTime<Utc>,
    price: Money,
) -> (PriceSource, bool) {
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others read it somewhere")]
    match &event.event {
        Event::CorrectionRecorded(_) => return (PriceSource::Correction, true),
        Event::OpeningBalanceImported(_) => return (PriceSource::OpeningBalance, true),
        _ => {}
    }
    let catalogue = known.catalogues.in_force(at);
    let plan = (charge.plan.term, charge.plan.billing);
    let offer = &charge.line.offer;
    let Some(list) = charge.price_list.clone() else {
        let found = catalogue.and_then(|catalogue| catalogue.offer(offer));
        let found = found.and_then(|offer| offer.price(plan.0, plan.1, price.currency));
        let version = event.event.rules().map(|rules| rules.catalogue.clone());
        return (PriceSource::Catalogue { version }, found == Some(price));
    };
    let segment = segment(known.history, &event.id);
    let row = catalogue.and_then(|catalogue| {
        let buyer: (&str, Segment, Currency) = (charge.market.as_str(), segment?, price.currency);
        catalogue.prices.row(&list, offer, plan, buyer, at)
    });
    let row = row.filter(|row| row.price == price.amount);
    let is_found = row.is_some();
    (PriceSource::PriceList { list, row }, is_found)
}

/// The customer's segment when an event happened.
fn segment(history: &[Recorded], event_id: &str) -> Option<Segment> {
    let mut customer: Option<Customer> = None;
    for recorded in history {
        for (index, event) in recorded.events.iter().enumerate() {
            customer = evolve(customer, event);
            if recorded.event_id(index) == event_id {
                return customer.map(|customer| customer.profile.segment);
            }
        }
    }
    None
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
fn event_of<'a>(history: &'a [Recorded], id: &str) -> Option<(&'a Recorded, EventEntry)> {
    let (_, place) = id.split_once('/')?;
    let (version, number) = place.split_once('.')?;
    let version: u64 = version.parse().ok()?;
    let index = number.parse::<usize>().ok()?.checked_sub(1)?;
    let recorded = history.iter().find(|recorded| recorded.commit().version == version)?;
    let event = recorded.events.get(index)?.clone();
    Some((recorded, EventEntry { id: recorded.event_id(index), event }))
}
