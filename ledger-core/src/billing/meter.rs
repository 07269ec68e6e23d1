//! One customer's charges, as its commits and the passing of time make them.

use std::collections::BTreeMap;
use std::iter;
use std::sync::Arc;

use chrono::{DateTime, Days, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::Serialize;

use crate::calendar::{Period, charge_cycle, midnight};
use crate::charges::{ChargeLine, cycle_line, lines};
use crate::customer::{
    AppliedPromotion, ChargeBasis, Customer, Event, Profile, RuleSet, Settled, Status,
    Subscription, SubscriptionResumed, TermPlan, TrialTarget, UpgradeTarget, evolve,
};
use crate::ids::{Actor, CommandId, CustomerId, Reason, ResellerId, SubscriptionId};
use crate::money::{MoneyError, RoundingPolicy};
use crate::record::Recorded;

/// The commit that made a charge known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// Its position in the log; of a commit that is only forecast, the next one.
    pub position: u64,
    /// Its number in the customer's stream.
    pub version: u64,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// When it took effect.
    pub effective_at: DateTime<Utc>,
    /// Name of the command.
    pub command: String,
    /// Id of the command.
    pub command_id: CommandId,
    /// Who issued it.
    pub actor: Actor,
    /// Why.
    pub reason: Reason,
}

/// A charge line with all that a bill, an export or an explanation says about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Charge {
    /// The line.
    #[serde(flatten)]
    pub line: ChargeLine,
    /// Who is charged.
    pub customer: CustomerId,
    /// The customer's name then.
    pub customer_name: String,
    /// The customer's market (ISO 3166-1 alpha-2).
    pub market: String,
    /// The reseller that served the customer then.
    pub reseller: ResellerId,
    /// The offer's name then.
    pub offer_title: String,
    /// Length and billing of the term.
    pub plan: TermPlan,
    /// First and last day of the term.
    pub term: Period,
    /// The day it belongs to: that of the change, or the first one of the charge cycle; of a correction, the
    /// first one that the line corrects.
    pub charged_on: NaiveDate,
    /// The event that caused it; of a further charge cycle, the last one that changed what is charged.
    pub event_id: String,
    /// The event that set its price.
    pub price_event_id: String,
    /// The price list that the price was read from; `None`: a plan of the catalogue, or told at import.
    pub price_list: Option<String>,
    /// The promotion that lowered the price, with the price before it.
    pub promotion: Option<AppliedPromotion>,
    /// The commit of the causing event.
    pub cause: Arc<Cause>,
}

/// What the meter keeps of a subscription besides its state.
#[derive(Clone, Debug)]
struct Metered {
    /// The last day that has been charged, or was before the ledger.
    charged_through: NaiveDate,
    rounding: RoundingPolicy,
    rules: RuleSet,
    /// The event that last changed what is charged, and its commit.
    event: (String, Arc<Cause>),
    /// The price in force, and those that corrections have replaced since the term, the offer or the
    /// rhythm began.
    price: Price,
    replaced: Vec<Price>,
}

/// Where a price came from.
#[derive(Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "a price list is not a price")]
struct Price {
    unit_price: Decimal,
    event_id: String,
    price_list: Option<String>,
    promotion: Option<AppliedPromotion>,
}

impl Price {
    /// A price that the event told itself: of no list, and under no promotion.
    fn told(unit_price: Decimal, event_id: &str) -> Self {
        Self { unit_price, event_id: event_id.to_owned(), price_list: None, promotion: None }
    }
}

/// The charges of one customer so far. Feed it the customer's commits in order.
///
/// A further charge cycle is charged on its first day, for the seats of that moment; what changes
/// later, on that day or in the cycle, is credited and charged by its own event.
#[derive(Clone, Debug)]
pub struct Meter {
    id: CustomerId,
    version: u64,
    customer: Option<Customer>,
    metered: BTreeMap<SubscriptionId, Metered>,
}

impl Meter {
    /// The meter of a customer without history.
    #[must_use]
    pub const fn new(id: CustomerId) -> Self {
        Self { id, version: 0, customer: None, metered: BTreeMap::new() }
    }

    /// The customer as its commits made it; `None` before its registration.
    #[must_use]
    pub const fn customer(&self) -> Option<&Customer> {
        self.customer.as_ref()
    }

    /// Whose meter it is.
    #[must_use]
    pub const fn id(&self) -> &CustomerId {
        &self.id
    }

    /// Number of the last commit in the customer's stream.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Adds the customer's next commit; returns the charge cycles that began since the last one, and what
    /// the commit charges.
    ///
    /// # Errors
    ///
    /// [`MoneyError`] when an amount cannot be computed; no decided event has such an amount.
    pub fn add(&mut self, recorded: &Recorded) -> Result<Vec<Charge>, MoneyError> {
        let commit = recorded.commit();
        let cause = Cause {
            position: recorded.position,
            version: commit.version,
            recorded_at: commit.recorded_at,
            effective_at: commit.effective_at,
            command: command_name(&commit.request),
            command_id: commit.command_id.clone(),
            actor: commit.actor.clone(),
            reason: commit.reason.clone(),
        };
        self.happen(cause, &recorded.events)
    }

    /// The same for what has not been recorded: a forecast.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    pub fn happen(&mut self, cause: Cause, events: &[Event]) -> Result<Vec<Charge>, MoneyError> {
        let cause = Arc::new(cause);
        let today = cause.recorded_at.date_naive();
        self.version = cause.version;
        let mut charges = self.advance(today)?;
        for (index, event) in events.iter().enumerate() {
            let number = index.saturating_add(1);
            let event_id = format!("{}/{}.{number}", self.id, cause.version);
            self.apply(&event_id, &cause, event, &mut charges)?;
        }
        // A commit that comes late makes known what has begun in the meantime.
        charges.extend(self.advance(today)?);
        Ok(charges)
    }

    /// Returns the charge cycles that begin on `day` or earlier and were not charged yet, by
    /// subscription.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    pub fn advance(&mut self, day: NaiveDate) -> Result<Vec<Charge>, MoneyError> {
        let mut charges = Vec::new();
        let Some(customer) = &self.customer else { return Ok(charges) };
        for (id, metered) in &mut self.metered {
            let Some(s) = customer.subscriptions.get(id) else { continue };
            while let Some(basis) = next_cycle(s, metered, day) {
                metered.charged_through = basis.billable.end;
                let start = basis.billable.start;
                let line_id = format!("{}/{id}/{start}", self.id);
                let line = cycle_line(line_id, (id, &s.offer), s.quantity, &basis, &metered.rules)?;
                let (event_id, cause) = metered.event.clone();
                let shown = Shown::of(s, metered, &line);
                let of = (event_id, cause);
                charges.push(shown.charge((&self.id, &customer.profile), line, start, of));
            }
        }
        charges.sort_by(|a, b| (a.charged_on, &a.line.id).cmp(&(b.charged_on, &b.line.id)));
        Ok(charges)
    }

    fn apply(
        &mut self,
        event_id: &str,
        cause: &Arc<Cause>,
        event: &Event,
        charges: &mut Vec<Charge>,
    ) -> Result<(), MoneyError> {
        let before = self.customer.take();
        let lines = lines(event_id, event)?;
        // What is credited is of the time before, what is charged of the time after.
        let credited: Vec<_> =
            lines.iter().map(|line| self.shown_before(before.as_ref(), line)).collect();
        self.customer = evolve(before, event);
        self.note(event_id, cause, event);
        let Some(customer) = &self.customer else { return Ok(()) };
        let (effective, recorded) =
            (cause.effective_at.date_naive(), cause.recorded_at.date_naive());
        for (line, credited) in lines.into_iter().zip(credited) {
            let after = || {
                let s = customer.subscriptions.get(&line.subscription)?;
                Some(Shown::of(s, self.metered.get(&line.subscription)?, &line))
            };
            let Some(mut shown) = credited.or_else(after) else { continue };
            if matches!(event, Event::CreditGranted(_)) {
                shown.price = Price::told(line.unit_price, event_id);
            }
            let of = (event_id.to_owned(), Arc::clone(cause));
            // What corrects a later charge cycle belongs where that was charged.
            let charged_on = line.period.start.min(recorded).max(effective);
            charges.push(shown.charge((&self.id, &customer.profile), line, charged_on, of));
        }
        Ok(())
    }

    fn shown_before(&self, before: Option<&Customer>, line: &ChargeLine) -> Option<Shown> {
        if 0 <= line.quantity {
            return None;
        }
        let s = before?.subscriptions.get(&line.subscription)?;
        Some(Shown::of(s, self.metered.get(&line.subscription)?, line))
    }

    /// Notes what an event says about further charge cycles.
    fn note(&mut self, event_id: &str, cause: &Arc<Cause>, event: &Event) {
        let of = (event_id.to_owned(), Arc::clone(cause));
        if let Some((subscription, metered)) = begun(event, &of) {
            self.metered.insert(subscription.clone(), metered);
        }
        #[expect(clippy::wildcard_enum_match_arm, reason = "all others change no charge")]
        match event {
            Event::SubscriptionUpgraded(e) => {
                self.touch(&e.subscription, &of);
                if let UpgradeTarget::Existing(grown) = &e.target {
                    self.touch(&grown.subscription, &of);
                }
            }
            Event::TrialConverted(e) => {
                if let TrialTarget::Existing(grown) = &e.into {
                    self.touch(&grown.subscription, &of);
                }
            }
            // Free, but what is said of it later is billed.
            Event::TrialStarted(e) => {
                let free = Metered {
                    charged_through: e.term.end,
                    rounding: RoundingPolicy::default(),
                    rules: e.rules.clone(),
                    event: of.clone(),
                    price: Price::told(Decimal::ZERO, event_id),
                    replaced: Vec::new(),
                };
                self.metered.insert(e.subscription.clone(), free);
            }
            Event::SubscriptionResumed(e) => self.resume(e, &of),
            Event::SeatsAdded(e) => self.touch(&e.subscription, &of),
            Event::SeatsRemoved(e) => self.touch(&e.subscription, &of),
            Event::CorrectionRecorded(e) => {
                self.touch(&e.subscription, &of);
                let Some(metered) = self.metered.get_mut(&e.subscription) else { return };
                if let Some(unit_price) = e.unit_price {
                    let price = Price::told(unit_price.amount, event_id);
                    metered.replaced.push(std::mem::replace(&mut metered.price, price));
                }
                metered.settle(&e.settled);
            }
            Event::OpeningBalanceImported(e) => {
                let state = self.customer.as_ref();
                let s = state.and_then(|customer| customer.subscriptions.get(&e.subscription));
                let Some(s) = s else { return };
                let day = cause.effective_at.date_naive().max(s.term.start);
                let cycle = charge_cycle(s.cycle_anchor, s.plan.billing, s.anchor, day);
                let Some(profile) = state.map(|customer| &customer.profile) else { return };
                let rules = e.rules.clone().unwrap_or_else(|| RuleSet {
                    programme: profile.programme.clone(),
                    catalogue: String::new(),
                });
                self.metered.insert(
                    e.subscription.clone(),
                    Metered {
                        charged_through: e
                            .charged_through
                            .unwrap_or_else(|| cycle.map_or(s.term.end, |cycle| cycle.end)),
                        rounding: e.rounding,
                        rules,
                        event: of.clone(),
                        price: Price::told(e.unit_price.amount, event_id),
                        replaced: Vec::new(),
                    },
                );
            }
            _ => {}
        }
    }

    /// Billing goes on: what had stopped was charged by the event, to the end of its cycle. An earlier
    /// version charged nothing then.
    fn resume(&mut self, e: &SubscriptionResumed, of: &(String, Arc<Cause>)) {
        self.touch(&e.subscription, of);
        let s = self.customer.as_ref().and_then(|all| all.subscriptions.get(&e.subscription));
        let (Some(s), Some(metered)) = (s, self.metered.get_mut(&e.subscription)) else { return };
        let day = of.1.effective_at.date_naive();
        if let Some(resumed) = &e.charge {
            metered.charged_through = resumed.basis.billable.end;
        } else if metered.charged_through < day {
            let cycle = charge_cycle(s.cycle_anchor, s.plan.billing, s.anchor, day);
            metered.charged_through = cycle.map_or(s.term.end, |cycle| cycle.end);
        }
    }

    /// Further charge cycles of `subscription` are as this event made them.
    fn touch(&mut self, subscription: &SubscriptionId, of: &(String, Arc<Cause>)) {
        if let Some(metered) = self.metered.get_mut(subscription) {
            metered.event = of.clone();
        }
    }
}

/// The subscription that an event begins to charge for, at a price and in a rhythm of its own.
fn begun<'a>(event: &'a Event, of: &(String, Arc<Cause>)) -> Option<(&'a SubscriptionId, Metered)> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others go on with what there is")]
    let (subscription, basis, rules, price_list, promotion) = match event {
        Event::SubscriptionPurchased(e) => {
            (&e.subscription, &e.basis, &e.rules, &e.price_list, &e.promotion)
        }
        Event::SubscriptionRenewed(e) => {
            (&e.subscription, &e.basis, &e.rules, &e.price_list, &e.promotion)
        }
        Event::ExtendedServiceTermStarted(e) => {
            (&e.subscription, &e.basis, &e.rules, &e.price_list, &None)
        }
        Event::TermChanged(e) => (&e.subscription, &e.basis, &e.rules, &e.price_list, &None),
        Event::BillingFrequencyChanged(e) => {
            (&e.subscription, &e.basis, &e.rules, &e.price_list, &None)
        }
        Event::TrialConverted(e) => match &e.into {
            TrialTarget::Itself(_) => (&e.subscription, &e.basis, &e.rules, &e.price_list, &None),
            TrialTarget::Existing(_) => return None,
        },
        Event::SubscriptionUpgraded(e) => {
            let subscription = match &e.target {
                UpgradeTarget::InPlace => &e.subscription,
                UpgradeTarget::New(new) => &new.subscription,
                UpgradeTarget::Existing(_) => return None,
            };
            (subscription, &e.charge, &e.rules, &e.price_list, &e.promotion)
        }
        _ => return None,
    };
    let (price_list, promotion) = (price_list.clone(), promotion.clone());
    let (unit_price, event_id) = (basis.unit_price.amount, of.0.clone());
    let price = Price { unit_price, event_id, price_list, promotion };
    let metered = Metered {
        charged_through: basis.billable.end,
        rounding: basis.rounding,
        rules: rules.clone(),
        event: of.clone(),
        price,
        replaced: Vec::new(),
    };
    Some((subscription, metered))
}

impl Metered {
    /// A correction may have credited days at the end, or charged some more there.
    fn settle(&mut self, settled: &[Settled]) {
        let credited = settled.iter().filter(|line| line.seats < 0);
        let credited = credited.filter_map(|line| line.basis.billable.start.pred_opt()).min();
        let charged = settled.iter().filter(|line| 0 < line.seats);
        let charged = charged.map(|line| line.basis.billable.end).max();
        self.charged_through = self.charged_through.min(credited.unwrap_or(self.charged_through));
        self.charged_through = self.charged_through.max(charged.unwrap_or(self.charged_through));
    }
}

/// The meters of all customers. Feed them all commits of a log in order.
#[derive(Clone, Debug, Default)]
pub struct Meters(BTreeMap<CustomerId, Meter>);

impl From<Meter> for Meters {
    fn from(meter: Meter) -> Self {
        Self([(meter.id.clone(), meter)].into())
    }
}

impl Meters {
    /// Adds the next commit of the log; those of no customer charge nothing.
    ///
    /// # Errors
    ///
    /// As [`Meter::add`].
    pub fn add(&mut self, recorded: &Recorded) -> Result<Vec<Charge>, MoneyError> {
        let Some(customer) = recorded.commit().stream.customer() else { return Ok(Vec::new()) };
        if let Some(meter) = self.0.get_mut(customer) {
            return meter.add(recorded);
        }
        self.0.entry(customer.clone()).or_insert(Meter::new(customer.clone())).add(recorded)
    }

    /// Lets time pass for all customers, by id.
    ///
    /// # Errors
    ///
    /// As [`Meter::advance`].
    pub fn advance(&mut self, day: NaiveDate) -> Result<Vec<Charge>, MoneyError> {
        let mut charges = Vec::new();
        for meter in self.0.values_mut() {
            charges.extend(meter.advance(day)?);
        }
        Ok(charges)
    }

    /// Lets time pass for the next customer, by id, and forgets it; `None` when none is left.
    ///
    /// # Errors
    ///
    /// As [`Meter::advance`].
    pub fn settle_next(&mut self, day: NaiveDate) -> Option<Result<Vec<Charge>, MoneyError>> {
        Some(self.take_next()?.advance(day))
    }

    /// Takes the next customer's meter, by id; `None` when none is left.
    pub fn take_next(&mut self) -> Option<Meter> {
        self.0.pop_first().map(|(_, meter)| meter)
    }
}

/// What a charge shows of its subscription.
struct Shown {
    offer_title: String,
    plan: TermPlan,
    term: Period,
    price: Price,
}

impl Shown {
    /// The price is the one that was set last of those that are as on the line.
    fn of(s: &Subscription, metered: &Metered, line: &ChargeLine) -> Self {
        let mut latest = iter::once(&metered.price).chain(metered.replaced.iter().rev());
        let same = latest.find(|price| price.unit_price == line.unit_price);
        let price = same.unwrap_or(&metered.price);
        let (offer_title, price) = (s.offer_title.clone(), price.clone());
        Self { offer_title, plan: s.plan, term: s.term, price }
    }

    fn charge(
        self,
        (customer, profile): (&CustomerId, &Profile),
        line: ChargeLine,
        charged_on: NaiveDate,
        (event_id, cause): (String, Arc<Cause>),
    ) -> Charge {
        Charge {
            line,
            customer: customer.clone(),
            customer_name: profile.name.clone(),
            market: profile.market.clone(),
            reseller: profile.reseller.clone(),
            offer_title: self.offer_title,
            plan: self.plan,
            term: self.term,
            charged_on,
            event_id,
            price_event_id: self.price.event_id,
            price_list: self.price.price_list,
            promotion: self.price.promotion,
            cause,
        }
    }
}

/// The next charge cycle of a term, if it begins on `day` or earlier and is to be charged.
fn next_cycle(s: &Subscription, metered: &Metered, day: NaiveDate) -> Option<ChargeBasis> {
    let start = metered.charged_through.checked_add_days(Days::new(1))?;
    let is_charged = s.is_living() && !s.is_trial() && !s.billing_stopped;
    // Another rhythm begins with a charge of its own, and what is to be deleted is not charged.
    let goes_on = s.next_billing.is_none_or(|next| start < next.from)
        && (s.status == Status::Active || s.delete_at.is_none_or(|at| midnight(start) < at));
    if day < start || s.term.end < start || !is_charged || !goes_on {
        return None;
    }
    let cycle = charge_cycle(s.cycle_anchor, s.plan.billing, s.anchor, start).ok()?;
    let billable = Period { start, end: cycle.end.min(s.term.end) };
    let (unit_price, rounding) = (s.unit_price, metered.rounding);
    Some(ChargeBasis { unit_price, cycle, billable, rounding, by_months: None })
}

fn command_name(request: &[u8]) -> String {
    let request: serde_json::Value = serde_json::from_slice(request).unwrap_or_default();
    request.get("command").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}
