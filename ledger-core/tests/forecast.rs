//! A forecast is what comes of it when nobody does anything.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod drafts;
mod fixtures;
mod requests;

use std::collections::BTreeSet;

use chrono::{DateTime, Days, TimeDelta, Utc};
use ledger_core::billing::{Assumption, Charge, Forecast, Meter, Outlook, forecast};
use ledger_core::calendar::{BillingCycle, TermDuration, midnight};
use ledger_core::customer::{
    Command, Customer, Due, EndOfTermAction, Purchase, ScheduleRenewalQuantity, SetEndOfTermAction,
    due,
};
use ledger_core::ids::{Actor, ActorId, CustomerId, OfferId, Role, StreamId, SubscriptionId};
use ledger_core::ledger::{ExecuteError, Ledger, LedgerOptions, Outcome, Request};
use ledger_core::store::CommitLog;
use ledger_core::store::memory::MemoryLog;
use ledger_core::store::segment::simulated::Random;

use crate::drafts::{Draft, KINDS, command};
use crate::fixtures::{import, register, s1};
use crate::requests::request;

/// Customers whose years are forecast.
const LIVES: u64 = 60;

/// A customer, and a clock that is moved by hand.
struct World {
    ledger: Ledger<MemoryLog>,
    now: DateTime<Utc>,
    commands: u32,
}

impl World {
    async fn new() -> Self {
        let (log, journal) = (MemoryLog::default(), MemoryLog::default());
        let ledger = Ledger::open(log, journal, LedgerOptions::default()).await.unwrap();
        let mut world = Self { ledger, now: "2024-01-31T08:00:00Z".parse().unwrap(), commands: 0 };
        let import = Request { stream: StreamId::Catalogue, ..world.request(import()) };
        world.ledger.execute(import).await.unwrap();
        world.does(register()).await.unwrap();
        world
    }

    fn request(&mut self, command: Command) -> Request {
        self.commands += 1;
        request(acme(), command, self.commands, self.now)
    }

    async fn does(&mut self, command: Command) -> Result<Outcome, ExecuteError> {
        let request = self.request(command);
        self.ledger.execute(request).await
    }

    async fn customer(&self) -> Customer {
        self.ledger.customer(acme().customer().unwrap()).await.unwrap().unwrap().0
    }

    /// The scheduler is in time, until an instant.
    async fn let_time_pass(&mut self, until: DateTime<Utc>) {
        let mut refused = BTreeSet::new();
        loop {
            let is_open = |due: &Due| due.at < until && !refused.contains(&due.command_id());
            let Some(due) = due(&self.customer().await).into_iter().find(is_open) else { break };
            self.now = self.now.max(due.at);
            let actor = Actor { id: ActorId::try_new("scheduler").unwrap(), role: Role::Scheduler };
            let request = self.request(due.command.clone());
            let request = Request { actor, command_id: due.command_id(), ..request };
            let done = self.ledger.execute(request).await;
            if done.is_err() || done.unwrap().recorded.is_none() {
                refused.insert(due.command_id());
            }
        }
        self.now = until;
    }

    /// The customer's meter, and all its charges so far.
    async fn metered(&self) -> (Meter, Vec<Charge>) {
        let mut meter = Meter::new(acme().customer().unwrap().clone());
        let mut charges = Vec::new();
        for recorded in self.ledger.history(&acme()).await.unwrap() {
            charges.extend(meter.add(&recorded).unwrap());
        }
        (meter, charges)
    }

    async fn forecast(&self, days: u64) -> Forecast {
        let (meter, _) = self.metered().await;
        let (catalogues, books) = (self.ledger.catalogues(), self.ledger.books());
        let outlook = Outlook {
            catalogues: &catalogues,
            books: &books,
            now: self.now,
            until: self.now.date_naive() + Days::new(days),
            position: self.ledger.log().durable_position(),
        };
        forecast(meter, &outlook).unwrap()
    }

    /// Lets `days` pass, and returns what was charged after the present day, or by what was due.
    async fn charged_in(&mut self, days: u64) -> BTreeSet<String> {
        let (mut meter, known) = self.metered().await;
        let begun = meter.advance(self.now.date_naive()).unwrap();
        let known: BTreeSet<String> = known.iter().chain(&begun).map(told).collect();
        let last = self.now.date_naive() + Days::new(days);
        self.let_time_pass(midnight(last + Days::new(1))).await;
        let (mut meter, mut charges) = self.metered().await;
        charges.extend(meter.advance(last).unwrap());
        let charges = charges.iter().filter(|charge| charge.charged_on <= last);
        charges.map(told).filter(|told| !known.contains(told)).collect()
    }
}

fn acme() -> StreamId {
    StreamId::Customer(CustomerId::try_new("acme").unwrap())
}

fn told(charge: &Charge) -> String {
    let line = &charge.line;
    format!("{} {:?} {} {}", line.id, line.charge_type, charge.charged_on, line.amount)
}

fn told_by(forecast: &Forecast) -> BTreeSet<String> {
    forecast.lines.iter().map(|line| told(&line.line.charge)).collect()
}

fn e3(billing: BillingCycle) -> Command {
    let offer = OfferId::try_new("office-365-e3").unwrap();
    Command::Purchase(Purchase::new(s1(), offer, TermDuration::P1Y, billing, 10))
}

#[tokio::test]
async fn a_year_is_forecast_with_its_renewal_and_what_each_charge_rests_on() {
    let mut world = World::new().await;
    world.does(e3(BillingCycle::Monthly)).await.unwrap();
    let plan = ScheduleRenewalQuantity { subscription: s1(), quantity: 8 };
    world.does(Command::ScheduleRenewalQuantity(plan)).await.unwrap();

    let forecast = world.forecast(366).await;
    let lines: Vec<String> = forecast
        .lines
        .iter()
        .map(|line| format!("{} {}", line.line.charge.charged_on, line.line.billed.amount))
        .collect();
    // Ten seats at 19.70 from 29 February to 31 December, and eight from the renewal on.
    assert_eq!(lines.len(), 12);
    assert_eq!(lines.first().unwrap(), "2024-02-29 197.00");
    assert_eq!(lines.last().unwrap(), "2025-01-31 157.60");
    let locked = Assumption::PriceLocked { until: "2025-01-30".parse().unwrap() };
    assert!(forecast.lines[0].assumptions.contains(&locked));
    assert!(forecast.lines[11].assumptions.contains(&Assumption::AsPlanned { quantity: 8 }));
    let catalogue = "seeds-2".to_owned();
    let listed = Assumption::PriceAsListed { catalogue, price_list: None };
    assert!(forecast.lines[11].assumptions.contains(&listed));
    assert_eq!(forecast.renewals.len(), 1);
    assert_eq!((forecast.renewals[0].quantity.from, forecast.renewals[0].quantity.to), (10, 8));
    assert_eq!(told_by(&forecast), world.charged_in(366).await);
}

#[tokio::test]
async fn what_ends_is_charged_no_more() {
    let mut world = World::new().await;
    world.does(e3(BillingCycle::Annual)).await.unwrap();
    let action = EndOfTermAction::Cancel;
    let end = SetEndOfTermAction { subscription: s1(), action };
    world.does(Command::SetEndOfTermAction(end)).await.unwrap();
    let forecast = world.forecast(800).await;
    assert_eq!((forecast.lines.len(), forecast.renewals.len()), (0, 0));
}

#[tokio::test]
async fn ten_years_of_many_monthly_terms_are_forecast_to_their_last_month() {
    let mut world = World::new().await;
    let subscriptions = 90;
    for number in 0..subscriptions {
        let offer = OfferId::try_new("office-365-e3").unwrap();
        let id = SubscriptionId::try_new(format!("s{number}")).unwrap();
        let (term, billing) = (TermDuration::P1M, BillingCycle::Monthly);
        let purchase = Purchase::new(id, offer, term, billing, 1);
        world.does(Command::Purchase(purchase)).await.unwrap();
    }
    // 31 January 2024 and 3652 days: to 30 January 2034. The terms begin on 29 February, and then on each
    // 29th, on 28 February 2025 and from then on on each 28th: 11 in 2024, 12 in each of nine years, and one.
    let forecast = world.forecast(3652).await;
    assert_eq!(forecast.renewals.len(), subscriptions * (11 + 9 * 12 + 1));
}

#[tokio::test]
async fn whatever_a_customer_has_done_its_forecast_comes_true() {
    let mut charges = 0;
    for seed in 0..LIVES {
        let mut random = Random::new(seed);
        let mut number = move |below: u64| random.below(below);
        let mut world = World::new().await;
        for step in 0..12 {
            let minutes = i64::try_from(number(40 * 24 * 60)).unwrap();
            world.let_time_pass(world.now + TimeDelta::minutes(minutes)).await;
            let kind = u16::try_from(number(u64::from(KINDS))).unwrap();
            let numbers = std::array::from_fn(|_| u16::try_from(number(1 << 16)).unwrap());
            let asked = command(&world.customer().await, &Draft { kind, numbers }, step, world.now);
            // What a rule refuses changes nothing.
            let _ = world.does(asked).await;
        }
        let forecast = world.forecast(500).await;
        charges += forecast.lines.len();
        assert_eq!(told_by(&forecast), world.charged_in(500).await, "seed {seed}");
    }
    assert!(100 < charges, "{charges} charges were forecast");
}
