//! What a life is charged: every day once, for the seats that it had.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days, NaiveDate, Utc};
use ledger_core::billing::{Cause, Charge, Meter};
use ledger_core::calendar::charge_cycle;
use ledger_core::charges::{ChargeType, lines};
use ledger_core::customer::{
    Command, Customer, Event, Refund, Settled, Subscription, TrialTarget, UpgradeTarget,
};
use ledger_core::ids::{Actor, ActorId, CommandId, CustomerId, Reason, Role, SubscriptionId};
use ledger_core::store::segment::simulated::Random;
use rust_decimal::Decimal;

use super::checks::{Broken, ensure};

/// The charges of a life so far, computed twice: commit by commit, and with days that pass in between.
pub(crate) struct Charged {
    id: CustomerId,
    meter: Meter,
    charges: Vec<Charge>,
    often: Meter,
    charges_often: Vec<Charge>,
    version: u64,
    seats: BTreeMap<SubscriptionId, Seats>,
    /// What was charged since the term, the offer or the rhythm began.
    paid: BTreeMap<SubscriptionId, Decimal>,
    last: NaiveDate,
}

/// What is known about the seats of a subscription without looking at its charges.
#[derive(Default)]
struct Seats {
    /// What holds from a day on.
    from: BTreeMap<NaiveDate, Held>,
    /// Charged elsewhere, or refunded for days that are over: seats more or fewer from a day on.
    besides: BTreeMap<NaiveDate, i64>,
    /// The last day that was refunded after it was over: nothing is charged for it, whatever it had.
    refunded_until: Option<NaiveDate>,
    /// Whether it was taken over from elsewhere.
    is_taken_over: bool,
    /// Whether it was charged elsewhere until an end that was wrong: nobody knows how that was settled.
    is_unknown: bool,
}

/// How many seats are charged on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    /// So many until the last day of the term.
    Exactly(u32, NaiveDate),
    /// What was charged before it ended stays charged; nothing else is.
    AtMost(u32),
}

impl Charged {
    pub(crate) fn new(id: CustomerId) -> Self {
        Self {
            meter: Meter::new(id.clone()),
            often: Meter::new(id.clone()),
            id,
            charges: Vec::new(),
            charges_often: Vec::new(),
            version: 0,
            seats: BTreeMap::new(),
            paid: BTreeMap::new(),
            last: NaiveDate::MIN,
        }
    }

    /// Adds what `command` has led to at `now`.
    pub(crate) fn happen(
        &mut self,
        random: &mut Random,
        (now, command): (DateTime<Utc>, &Command),
        events: &[Event],
    ) -> Result<(), Broken> {
        self.version += 1;
        let effective_at = command.due_at().map_or(now, |due_at| due_at.min(now));
        let cause = Cause {
            position: self.version,
            version: self.version,
            recorded_at: now,
            effective_at,
            command: command.name().to_owned(),
            command_id: CommandId::try_new(format!("c{}", self.version)).unwrap(),
            actor: Actor { id: ActorId::try_new("someone").unwrap(), role: Role::Operator },
            reason: Reason::try_new("law").unwrap(),
        };
        let today = now.date_naive();
        self.pass_often(random, today)?;
        let said = |err| format!("it cannot be charged: {err}");
        let often = self.often.happen(cause.clone(), events).map_err(said)?;
        self.charges_often.extend(often);
        let charges = self.meter.happen(cause, events).map_err(said)?;
        self.are_those_of(events, &charges)?;
        self.pay(events, &charges)?;
        self.charges.extend(charges);
        self.note((effective_at.date_naive(), today), events);
        self.last = today;
        Ok(())
    }

    /// Lets time pass for one of the two meters, in steps.
    fn pass_often(&mut self, random: &mut Random, today: NaiveDate) -> Result<(), Broken> {
        let mut day = self.last;
        while NaiveDate::MIN < day && random.below(3) != 0 {
            day = day.checked_add_days(Days::new(random.below(40))).unwrap().min(today);
            let passed = self.often.advance(day).map_err(|err| err.to_string())?;
            self.charges_often.extend(passed);
            if day == today {
                break;
            }
        }
        Ok(())
    }

    /// A commit charges what its events say, and charge cycles; nothing else.
    fn are_those_of(&self, events: &[Event], charges: &[Charge]) -> Result<(), Broken> {
        let mut expected = Vec::new();
        for (event, number) in events.iter().zip(1_u32..) {
            let event_id = format!("{}/{}.{number}", self.id, self.version);
            expected.extend(lines(&event_id, event).map_err(|err| err.to_string())?);
        }
        let found: Vec<_> = charges.iter().filter(|c| !is_cycle(c)).map(|c| &c.line).collect();
        ensure(found == expected.iter().collect::<Vec<_>>(), || {
            format!("{found:?} is charged, not {expected:?}")
        })
    }

    /// What is refunded in full is what was charged, to the cent.
    fn pay(&mut self, events: &[Event], charges: &[Charge]) -> Result<(), Broken> {
        let begun: BTreeSet<&SubscriptionId> = events.iter().filter_map(begun).collect();
        let pays = |id: &SubscriptionId, charge: &Charge| {
            charge.line.subscription == *id && is_for_seats(charge.line.charge_type)
        };
        for id in &begun {
            // Charge cycles of the time before come first; what is credited is of that time, too.
            let lines = charges.iter().filter(|charge| pays(id, charge));
            let first = lines.clone().find(|charge| !is_cycle(charge) && 0 < charge.line.quantity);
            let since = lines.skip_while(|charge| Some(*charge) != first);
            let paid = since.map(|charge| charge.line.amount.amount).sum();
            self.paid.insert((*id).clone(), paid);
        }
        for charge in charges.iter().filter(|charge| !begun.contains(&charge.line.subscription)) {
            if is_for_seats(charge.line.charge_type)
                && let Some(paid) = self.paid.get_mut(&charge.line.subscription)
            {
                *paid += charge.line.amount.amount;
            }
        }
        for id in events.iter().filter_map(refunded) {
            let left = self.paid.get(id).copied().unwrap_or_default();
            ensure(left.is_zero(), || {
                let of = self.charges.iter().chain(charges).filter(|charge| pays(id, charge));
                let lines: Vec<String> = of.map(shown).collect();
                format!("{left} is left of {id} after a full refund; {}", lines.join("\n"))
            })?;
        }
        Ok(())
    }

    fn note(&mut self, (day, today): (NaiveDate, NaiveDate), events: &[Event]) {
        let customer = self.meter.customer().cloned().unwrap();
        let mut corrected = BTreeSet::new();
        for event in events {
            match event {
                Event::SubscriptionCancelled(e) => {
                    self.seats_of(&e.subscription).refund(day, &e.credits);
                }
                Event::SubscriptionSuspended(e) => {
                    let credits = e.credit.iter().flat_map(|credit| credit.credits.iter().copied());
                    self.seats_of(&e.subscription).refund(day, &credits.collect::<Vec<_>>());
                }
                Event::OpeningBalanceImported(e) => {
                    let s = &customer.subscriptions[&e.subscription];
                    let from = day.max(s.term.start);
                    let cycle = charge_cycle(s.cycle_anchor, s.plan.billing, s.anchor, from);
                    let until = cycle.unwrap().end.min(s.term.end);
                    let is_charged = !s.is_trial() && !s.billing_stopped && day <= until;
                    let seats = if is_charged { i64::from(e.quantity) } else { 0 };
                    let taken_over = self.seats_of(&e.subscription);
                    taken_over.elsewhere(seats, day, until);
                    taken_over.is_taken_over = true;
                }
                Event::CorrectionRecorded(e) => {
                    // Only what was charged here, since the term began, is put right.
                    let first = customer.subscriptions[&e.subscription].charged.first();
                    let first = first.map_or(day, |charged| charged.from);
                    let seats = e.quantity.map(|quantity| quantity.to);
                    let day = day.max(first).min(today);
                    self.seats_of(&e.subscription).correct(day, seats, e.term_end);
                    corrected.insert(&e.subscription);
                    if let (Some(quantity), true) = (e.quantity, today < first) {
                        let more = i64::from(quantity.to) - i64::from(quantity.from);
                        let until = first.pred_opt().unwrap();
                        self.seats_of(&e.subscription).elsewhere(more, today, until);
                    }
                }
                _ => {}
            }
        }
        let gone: BTreeSet<&SubscriptionId> = events.iter().filter_map(given_back).collect();
        let others = customer.subscriptions.iter().filter(|(id, _)| !corrected.contains(id));
        for (id, s) in others {
            self.seats_of(id).hold(day, s, gone.contains(id));
        }
    }

    fn seats_of(&mut self, id: &SubscriptionId) -> &mut Seats {
        self.seats.entry(id.clone()).or_default()
    }

    /// Checks everything up to the last commit.
    pub(crate) fn check(&self, customer: &Customer) -> Result<(), Broken> {
        ensure(self.meter.customer() == Some(customer), || "another state is charged".into())?;
        ensure(self.charges == self.charges_often, || {
            let mut pairs = self.charges.iter().zip(&self.charges_often);
            let first = pairs.find(|(once, often)| once != often);
            format!("as time passes other lines come: {first:?}")
        })?;
        let mut ids = BTreeSet::new();
        for charge in &self.charges {
            let line = &charge.line;
            ensure(ids.insert(&line.id), || format!("{} is charged twice", line.id))?;
            ensure(line.billable_days == line.period.days(), || format!("{line:?}"))?;
            ensure(line.period.start <= line.period.end, || format!("no day: {line:?}"))?;
        }
        for (id, seats) in self.seats.iter().filter(|(_, seats)| !seats.is_unknown) {
            let is_of =
                |c: &&Charge| c.line.subscription == *id && is_for_seats(c.line.charge_type);
            let of: Vec<&Charge> = self.charges.iter().filter(is_of).collect();
            seats.are_charged(&of, self.last).map_err(|broken| {
                let lines: Vec<String> = of.iter().map(|charge| shown(charge)).collect();
                format!("{id}: {broken}; {:?}; {}", seats.from, lines.join("\n"))
            })?;
        }
        Ok(())
    }
}

impl Seats {
    /// Days that are over are refunded, too: they were charged nevertheless.
    fn refund(&mut self, day: NaiveDate, credits: &[Settled]) {
        for credit in credits.iter().filter(|credit| credit.basis.billable.start < day) {
            let until = credit.basis.billable.end.min(day.pred_opt().unwrap());
            self.elsewhere(-credit.seats, credit.basis.billable.start, until);
            self.refunded_until = self.refunded_until.max(Some(until));
        }
    }

    /// From `day` on it was wrong: of the seats, those that were charged; or of the end.
    fn correct(&mut self, day: NaiveDate, seats: Option<u32>, end: Option<NaiveDate>) {
        self.is_unknown |= self.is_taken_over && end.is_some();
        let day = self.refunded_until.map_or(day, |until| day.max(next(until)));
        let first = self.held(day);
        let mut later = self.from.split_off(&day);
        if let Some(first) = first {
            later.entry(day).or_insert(first);
        }
        // A later end leaves no hole before the day from which it is told.
        if let (Some(Held::Exactly(_, was)), Some(end)) = (first, end) {
            for held in self.from.values_mut() {
                *held = match *held {
                    Held::Exactly(seats, until) if until == was => {
                        Held::Exactly(seats, until.max(end))
                    }
                    held => held,
                };
            }
        }
        for held in later.values_mut() {
            *held = match *held {
                Held::Exactly(was, until) => {
                    let is = if was == 0 { 0 } else { seats.unwrap_or(was) };
                    Held::Exactly(is, end.unwrap_or(until))
                }
                Held::AtMost(was) => Held::AtMost(seats.unwrap_or(was).max(was)),
            };
        }
        self.from.extend(later);
    }

    /// So many more seats are charged elsewhere.
    fn elsewhere(&mut self, seats: i64, from: NaiveDate, until: NaiveDate) {
        *self.besides.entry(from).or_default() += seats;
        *self.besides.entry(next(until)).or_default() -= seats;
    }

    fn hold(&mut self, day: NaiveDate, s: &Subscription, is_gone: bool) {
        let before = self.from.values().next_back().copied();
        let held = match before {
            _ if s.is_living() && s.is_trial() => Held::Exactly(0, s.term.end),
            _ if s.is_living() && !s.billing_stopped => Held::Exactly(s.quantity, s.term.end),
            _ if s.is_living() => Held::Exactly(0, s.term.end),
            _ if is_gone => Held::Exactly(0, NaiveDate::MAX),
            Some(Held::Exactly(0, NaiveDate::MAX)) => return,
            Some(Held::Exactly(seats, _) | Held::AtMost(seats)) => Held::AtMost(seats),
            None => Held::AtMost(s.quantity),
        };
        if before != Some(held) {
            self.from.split_off(&day);
            self.from.insert(day, held);
        }
    }

    fn held(&self, day: NaiveDate) -> Option<Held> {
        self.from.range(..=day).next_back().map(|(_, held)| *held)
    }

    /// Every day is charged once: for its seats, or not at all.
    fn are_charged(&self, lines: &[&Charge], last: NaiveDate) -> Result<(), Broken> {
        for charge in lines.iter().filter(|charge| is_cycle(charge)) {
            let start = charge.line.period.start;
            let held = |day| self.held(day);
            // What is changed on that day is changed after the cycle was charged.
            let is_held = [Some(start), start.pred_opt()]
                .into_iter()
                .flatten()
                .any(|day| matches!(held(day), Some(Held::Exactly(_, end)) if start <= end));
            ensure(is_held, || format!("a cycle begins on {start}, with {:?}", held(start)))?;
        }
        let mut changes = self.besides.clone();
        // What is credited is what was charged, at its price.
        let mut by_price: BTreeMap<(&str, Decimal), BTreeMap<NaiveDate, i64>> = BTreeMap::new();
        for charge in lines {
            let line = &charge.line;
            let of_price = by_price.entry((line.offer.as_str(), line.unit_price)).or_default();
            for days in [&mut changes, of_price] {
                *days.entry(line.period.start).or_default() += line.quantity;
                *days.entry(next(line.period.end)).or_default() -= line.quantity;
            }
        }
        let days: BTreeSet<NaiveDate> =
            changes.keys().chain(self.from.keys()).copied().filter(|day| *day <= last).collect();
        let until = |day: &NaiveDate| days.range(next(*day)..).next().copied().unwrap_or(last);
        for day in &days {
            let sum: i64 = changes.range(..=*day).map(|(_, seats)| seats).sum();
            let held = self.held(*day);
            let is_right = match held {
                Some(Held::Exactly(seats, end)) if *day <= end => sum == i64::from(seats),
                Some(Held::AtMost(seats)) => (0..=i64::from(seats)).contains(&sum),
                // It was not bought yet, or its renewal is still to come.
                Some(Held::Exactly(..)) | None => sum == 0,
            };
            ensure(is_right, || {
                format!("{sum} seats are charged from {day} until {}, not {held:?}", until(day))
            })?;
        }
        if self.besides.is_empty() {
            for ((offer, price), changes) in &by_price {
                let mut sum = 0;
                for (day, seats) in changes {
                    sum += seats;
                    ensure(0 <= sum, || format!("{sum} of {offer} at {price} on {day}"))?;
                }
            }
        }
        Ok(())
    }
}

/// The subscription whose charges begin anew, if there is one.
fn begun(event: &Event) -> Option<&SubscriptionId> {
    match event {
        Event::SubscriptionPurchased(e) => Some(&e.subscription),
        Event::SubscriptionRenewed(e) => Some(&e.subscription),
        Event::ExtendedServiceTermStarted(e) => Some(&e.subscription),
        Event::TermChanged(e) => Some(&e.subscription),
        Event::BillingFrequencyChanged(e) => Some(&e.subscription),
        Event::TrialConverted(e) => {
            matches!(e.into, TrialTarget::Itself(_)).then_some(&e.subscription)
        }
        Event::SubscriptionUpgraded(e) => match &e.target {
            UpgradeTarget::InPlace => Some(&e.subscription),
            UpgradeTarget::New(new) => Some(&new.subscription),
            UpgradeTarget::Existing(_) => None,
        },
        _ => None,
    }
}

/// The subscription that is refunded in full, if there is one.
fn refunded(event: &Event) -> Option<&SubscriptionId> {
    let (id, refund) = match event {
        Event::SubscriptionCancelled(e) => (&e.subscription, e.refund),
        Event::SubscriptionSuspended(e) => (&e.subscription, e.credit.as_ref()?.refund),
        _ => return None,
    };
    (refund == Refund::Full).then_some(id)
}

/// The subscription of which nothing is left, if there is one.
fn given_back(event: &Event) -> Option<&SubscriptionId> {
    match event {
        Event::SubscriptionCancelled(e) => Some(&e.subscription),
        Event::SubscriptionUpgraded(e) => Some(&e.subscription),
        Event::TrialConverted(e) => Some(&e.subscription),
        _ => None,
    }
}

/// Whether a line is that of a further charge cycle: no event caused it.
fn is_cycle(charge: &Charge) -> bool {
    charge.line.id == charge.line.reference_id
}

/// What is given back by way of courtesy, and what is free, is not about seats.
fn is_for_seats(charge_type: ChargeType) -> bool {
    !matches!(charge_type, ChargeType::CustomerCredit | ChargeType::ExtendTerm)
}

fn next(day: NaiveDate) -> NaiveDate {
    day.succ_opt().unwrap()
}

fn shown(charge: &Charge) -> String {
    let line = &charge.line;
    let (start, end) = (line.period.start, line.period.end);
    format!("{} {:?} {} {start} to {end}", line.id, line.charge_type, line.quantity)
}
