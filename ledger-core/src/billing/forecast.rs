//! What will be charged if nobody does anything: a customer's own rules, run forward on a virtual clock.

mod assumption;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::Serialize;

pub use self::assumption::Assumption;
use self::assumption::assumed;
use super::bill::{BillError, BilledLine};
use super::books::Books;
use super::meter::{Cause, Charge, Meter};
use crate::calendar::{Month, Period, midnight};
use crate::catalogue::Catalogues;
use crate::charges::ChargeType;
use crate::customer::{Context, Due, Event, QuantityChange, decide, due};
use crate::ids::{Actor, ActorId, CommandId, CustomerId, OfferId, Reason, Role, SubscriptionId};
use crate::money::{Currency, Money, MoneyError};

/// Most commands that time brings about for one subscription in a forecast: a term lasts a month, and no
/// forecast 80 years. What never ends is cut there.
const DUE_MAX: usize = 1_000;

/// Under what a forecast is made.
#[derive(Clone, Copy, Debug)]
pub struct Outlook<'a> {
    /// Catalogues and price lists: those that were imported, or others instead.
    pub catalogues: &'a Catalogues,
    /// Terms and exchange rates.
    pub books: &'a Books,
    /// The instant up to which everything has happened.
    pub now: DateTime<Utc>,
    /// The last day that is forecast.
    pub until: NaiveDate,
    /// Position of the last commit of the log.
    pub position: u64,
}

/// What a customer will be charged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Forecast {
    /// Every charge after `now`, in order.
    pub lines: Vec<ForecastLine>,
    /// Every term that begins.
    pub renewals: Vec<Renewal>,
    /// What time brings about and a rule refuses: nothing is charged for it.
    pub refused: Vec<RefusedDue>,
}

/// A charge that is forecast, and what it rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ForecastLine {
    /// The charge.
    #[serde(flatten)]
    pub line: BilledLine,
    /// What is assumed.
    pub assumptions: Vec<Assumption>,
}

/// A term that begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Renewal {
    /// The customer.
    pub customer: CustomerId,
    /// The subscription.
    pub subscription: SubscriptionId,
    /// Its offer from then on.
    pub offer: OfferId,
    /// Seats before and after.
    pub quantity: QuantityChange,
    /// Price of one seat for one charge cycle before; `None`: a trial.
    pub price_before: Option<Money>,
    /// Price of one seat for one charge cycle from then on.
    pub price: Money,
    /// The new term.
    pub term: Period,
}

/// What is due and will not happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefusedDue {
    /// The customer.
    pub customer: CustomerId,
    /// The subscription; `None`: the customer as a whole.
    pub subscription: Option<SubscriptionId>,
    /// When it is due.
    pub at: DateTime<Utc>,
    /// The command.
    pub command: &'static str,
    /// Code of the rule that says no.
    pub code: &'static str,
    /// Why, in one sentence.
    pub message: String,
}

/// The charges of one month in one currency.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MonthSum {
    /// Charge lines.
    pub lines: u64,
    /// Their sum, before tax.
    pub net: Decimal,
    /// What the lines rest on.
    pub assumptions: BTreeSet<Assumption>,
}

impl MonthSum {
    /// Adds the charges of another customer.
    ///
    /// # Errors
    ///
    /// [`MoneyError`] when the sum is too large.
    pub fn try_add(&mut self, other: Self) -> Result<(), MoneyError> {
        self.lines = self.lines.saturating_add(other.lines);
        self.net = self.net.checked_add(other.net).ok_or(MoneyError::Overflow)?;
        self.assumptions.extend(other.assumptions);
        Ok(())
    }
}

impl Forecast {
    /// The charges by month and currency.
    ///
    /// # Errors
    ///
    /// [`MoneyError`] when a sum is too large.
    pub fn months(&self) -> Result<BTreeMap<Month, BTreeMap<Currency, MonthSum>>, MoneyError> {
        let mut months: BTreeMap<Month, BTreeMap<Currency, MonthSum>> = BTreeMap::new();
        for ForecastLine { line, assumptions } in &self.lines {
            let sums = months.entry(line.period).or_default();
            let sum = sums.entry(line.billed.currency).or_default();
            sum.lines = sum.lines.saturating_add(1);
            sum.net = sum.net.checked_add(line.billed.amount).ok_or(MoneyError::Overflow)?;
            sum.assumptions.extend(assumptions.iter().cloned());
        }
        Ok(months)
    }
}

/// Lets time pass for the customer of `meter`, which has seen all its commits.
///
/// # Errors
///
/// [`BillError`] when a charge cannot be computed or converted.
pub fn forecast(meter: Meter, outlook: &Outlook<'_>) -> Result<Forecast, BillError> {
    let (refused, result) = (BTreeSet::new(), Forecast::default());
    let mut future = Future { customer: meter.id().clone(), meter, outlook, refused, result };
    // What has begun by now is no forecast.
    future.meter.advance(outlook.now.date_naive())?;
    future.let_time_pass()?;
    let rest = future.meter.advance(outlook.until)?;
    future.take(rest, &[])?;
    Ok(future.result)
}

struct Future<'a> {
    customer: CustomerId,
    meter: Meter,
    outlook: &'a Outlook<'a>,
    refused: BTreeSet<CommandId>,
    result: Forecast,
}

impl Future<'_> {
    fn let_time_pass(&mut self) -> Result<(), BillError> {
        let subscriptions =
            self.meter.customer().map_or(0, |customer| customer.subscriptions.len());
        for _ in 0..DUE_MAX.saturating_mul(subscriptions.saturating_add(1)) {
            let Some(next) = self.next_due() else { break };
            self.carry_out(&next)?;
        }
        Ok(())
    }

    fn next_due(&self) -> Option<Due> {
        let end = self.outlook.until.succ_opt().map_or(DateTime::<Utc>::MAX_UTC, midnight);
        let mut all = due(self.meter.customer()?).into_iter();
        all.find(|due| due.at < end && !self.refused.contains(&due.command_id()))
    }

    /// Issues what is due, as the scheduler will.
    fn carry_out(&mut self, next: &Due) -> Result<(), BillError> {
        let (Ok(id), Ok(reason)) = (ActorId::try_new("scheduler"), Reason::try_new("forecast"))
        else {
            return Ok(());
        };
        let actor = Actor { id, role: Role::Scheduler };
        let now = next.at.max(self.outlook.now);
        let catalogue = self.outlook.catalogues.in_force(next.at).map(|catalogue| &**catalogue);
        let customer = self.customer.clone();
        let context =
            Context { customer: &customer, now, effective_at: next.at, actor: &actor, catalogue };
        let decided = decide(&context, self.meter.customer(), &next.command);
        let events = match decided {
            Ok(events) if !events.is_empty() => events,
            Ok(_) => {
                self.refused.insert(next.command_id());
                return Ok(());
            }
            Err(rejection) => {
                self.refused.insert(next.command_id());
                self.result.refused.push(RefusedDue {
                    customer,
                    subscription: next.subscription.clone(),
                    at: next.at,
                    command: next.command.name(),
                    code: rejection.rule().code,
                    message: rejection.to_string(),
                });
                return Ok(());
            }
        };
        self.renewals(&events);
        let planned = self.planned(next);
        let version = self.meter.version().saturating_add(1);
        let cause = Cause {
            position: self.outlook.position.saturating_add(1),
            version,
            recorded_at: now,
            effective_at: next.at,
            command: next.command.name().to_owned(),
            command_id: next.command_id(),
            actor,
            reason,
        };
        let charges = self.meter.happen(cause, &events)?;
        let ids = |index: usize| format!("{customer}/{version}.{}", index.saturating_add(1));
        let rests: Vec<(String, Vec<Assumption>)> = events
            .iter()
            .enumerate()
            .map(|(index, event)| (ids(index), assumed(event, planned)))
            .collect();
        self.take(charges, &rests)
    }

    /// The seats that are planned for the subscription of `next`, if it is planned.
    fn planned(&self, next: &Due) -> Option<u32> {
        let subscriptions = &self.meter.customer()?.subscriptions;
        let planned = subscriptions.get(next.subscription.as_ref()?)?.scheduled.as_ref()?;
        Some(planned.quantity)
    }

    fn renewals(&mut self, events: &[Event]) {
        let Some(state) = self.meter.customer() else { return };
        for event in events {
            let price_before = |id: &SubscriptionId| {
                let s = state.subscriptions.get(id).filter(|s| !s.is_trial());
                s.map(|s| s.unit_price)
            };
            #[expect(clippy::wildcard_enum_match_arm, reason = "all others begin no term")]
            let (subscription, offer, quantity, basis, term) = match event {
                Event::SubscriptionRenewed(e) => {
                    (&e.subscription, e.offer_renewed(), e.quantity, &e.basis, e.term)
                }
                Event::ExtendedServiceTermStarted(e) => {
                    let quantity = QuantityChange { from: e.quantity, to: e.quantity };
                    (&e.subscription, &e.offer, quantity, &e.basis, e.term)
                }
                Event::TrialConverted(e) => {
                    (&e.subscription, &e.offer, e.quantity, &e.basis, e.basis.billable)
                }
                _ => continue,
            };
            self.result.renewals.push(Renewal {
                customer: self.customer.clone(),
                subscription: subscription.clone(),
                offer: offer.clone(),
                quantity,
                price_before: price_before(subscription),
                price: basis.unit_price,
                term,
            });
        }
    }

    fn take(
        &mut self,
        charges: Vec<Charge>,
        rests: &[(String, Vec<Assumption>)],
    ) -> Result<(), BillError> {
        for charge in charges.into_iter().filter(|charge| charge.charged_on <= self.outlook.until) {
            let mut assumptions = if charge.line.charge_type == ChargeType::CycleCharge {
                let quantity = u32::try_from(charge.line.quantity).unwrap_or(0);
                let locked = Assumption::PriceLocked { until: charge.term.end };
                vec![Assumption::QuantityStays { quantity }, locked]
            } else {
                let rest = rests.iter().find(|(id, _)| *id == charge.event_id);
                rest.map(|(_, assumptions)| assumptions.clone()).unwrap_or_default()
            };
            let line = BilledLine::of(charge, self.outlook.books)?;
            let rate = line.rate.as_ref().map(|rate| Assumption::RateStays { id: rate.id.clone() });
            assumptions.extend(rate);
            let terms = self.outlook.books.terms(line.period);
            assumptions.extend(terms.map(|t| Assumption::TermsStay { version: t.version.clone() }));
            self.result.lines.push(ForecastLine { line, assumptions });
        }
        Ok(())
    }
}
