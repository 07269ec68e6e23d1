//! One command of a customer with 500 subscriptions and 20,000 users who have licences.
//!
//! `cargo bench -p ledger-core --bench large_customer`. `decided` is `decide` and `evolve` alone; `executed`
//! is `Ledger::execute` on the log in memory: loading, deciding, sealing, hashing, appending and folding.

#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]
#![allow(missing_docs, reason = "the macro that collects benchmarks makes public items")]

#[path = "../tests/fixtures/mod.rs"]
mod fixtures;

use std::sync::atomic::{AtomicU32, Ordering};

use chrono::{DateTime, Utc};
use divan::{Bencher, black_box};
use ledger_core::calendar::{BillingCycle, TermDuration};
use ledger_core::catalogue::{Catalogue, SEEDS_TOML};
use ledger_core::customer::{
    AddSeats, AssignLicence, Command, Context, Customer, EndDate, NewTarget, Purchase, RemoveSeats,
    ScheduleRenewalQuantity, Transfer, UnassignLicence, Upgrade, UpgradeInto, decide, evolve,
};
use ledger_core::ids::{
    Actor, ActorId, CommandId, CustomerId, OfferId, Reason, Role, StreamId, SubscriptionId, UserId,
};
use ledger_core::ledger::{Ledger, LedgerOptions, Request};
use ledger_core::store::memory::MemoryLog;
use tokio::runtime::Runtime;

use crate::fixtures::{import, register};

const SUBSCRIPTIONS: u32 = 500;
const USERS: u32 = 20_000;

/// What the subscriptions are of, one after the other; users have licences of all of them in turn.
const OFFERS: [&str; 4] =
    ["office-365-e1", "office-365-e3", "office-365-e5", "exchange-online-plan-2"];

/// The commands that are measured.
const COMMANDS: [&str; 7] = [
    "AddSeats",
    "RemoveSeats",
    "AssignLicence",
    "UnassignLicence",
    "Purchase",
    "Upgrade",
    "ScheduleRenewalQuantity",
];

fn main() {
    divan::main();
}

fn now() -> DateTime<Utc> {
    "2024-06-18T09:00:00Z".parse().unwrap()
}

fn offer(number: u32) -> OfferId {
    let index = usize::try_from(number).unwrap() % OFFERS.len();
    OfferId::try_new(OFFERS[index]).unwrap()
}

fn subscription(number: u32) -> SubscriptionId {
    SubscriptionId::try_new(format!("s{number}")).unwrap()
}

fn user(number: u32) -> UserId {
    UserId::try_new(format!("user-{number}")).unwrap()
}

fn assign(number: u32) -> Command {
    let (offer, usage_location) = (offer(number), Some("FR".to_owned()));
    Command::AssignLicence(AssignLicence { offer, user: user(number), usage_location })
}

fn purchase(number: u32) -> Command {
    let (term, billing) = (TermDuration::P1Y, BillingCycle::Annual);
    let (id, seats) = (subscription(number), 2 * USERS / SUBSCRIPTIONS);
    Command::Purchase(Purchase::new(id, offer(number), term, billing, seats))
}

/// Everything that makes the customer what it is.
fn history() -> impl Iterator<Item = Command> {
    [register()].into_iter().chain((0..SUBSCRIPTIONS).map(purchase)).chain((0..USERS).map(assign))
}

/// One of the measured commands; `number` makes it another one every time.
fn command(name: &str, number: u32) -> Command {
    // Never the last subscriptions, so that all have seats left however often they are upgraded.
    let subscription_of = |step: u32| subscription((number * 4 + step) % (SUBSCRIPTIONS - 100));
    match name {
        "AddSeats" => Command::AddSeats(AddSeats { subscription: subscription_of(1), seats: 1 }),
        "RemoveSeats" => {
            Command::RemoveSeats(RemoveSeats { subscription: subscription_of(1), seats: 1 })
        }
        "AssignLicence" => assign(USERS + number),
        "UnassignLicence" => {
            let number = number % USERS;
            let (offer, user) = (offer(number), user(number));
            Command::UnassignLicence(UnassignLicence { offer, user })
        }
        "Purchase" => purchase(SUBSCRIPTIONS + number),
        "Upgrade" => Command::Upgrade(Upgrade {
            // Of E1, one seat to E3.
            subscription: subscription_of(0),
            quantity: Some(1),
            target_offer: offer(1),
            into: UpgradeInto::New(NewTarget {
                subscription: SubscriptionId::try_new(format!("u{number}")).unwrap(),
                end_date: EndDate::Coterminous,
                term: None,
                billing: None,
                promotion: None,
            }),
            transfer: Transfer::Automatic,
        }),
        _ => {
            let (subscription, quantity) = (subscription_of(1), 30 + number % 50);
            Command::ScheduleRenewalQuantity(ScheduleRenewalQuantity { subscription, quantity })
        }
    }
}

struct Rules {
    catalogue: Catalogue,
    customer: CustomerId,
    actor: Actor,
}

impl Rules {
    fn new() -> Self {
        Self {
            catalogue: toml::from_str(SEEDS_TOML).unwrap(),
            customer: CustomerId::try_new("acme").unwrap(),
            actor: Actor { id: ActorId::try_new("bench").unwrap(), role: Role::CustomerAdmin },
        }
    }

    fn decided(&self, state: Option<Customer>, command: &Command) -> Option<Customer> {
        let context = Context {
            customer: &self.customer,
            now: now(),
            effective_at: now(),
            actor: &self.actor,
            catalogue: Some(&self.catalogue),
        };
        let events = decide(&context, state.as_ref(), command).unwrap();
        assert!(!events.is_empty(), "{command:?} changes nothing");
        events.iter().fold(state, evolve)
    }
}

#[divan::bench(args = COMMANDS, sample_size = 1)]
fn decided(bencher: Bencher<'_, '_>, name: &str) {
    let rules = Rules::new();
    let customer = history().fold(None, |state, command| rules.decided(state, &command));
    let numbers = AtomicU32::new(0);
    let next = || (customer.clone(), command(name, numbers.fetch_add(1, Ordering::Relaxed)));
    bencher
        .with_inputs(next)
        .bench_values(|(state, command)| black_box(rules.decided(state, &command)));
}

struct World {
    runtime: Runtime,
    ledger: Ledger<MemoryLog>,
    commands: AtomicU32,
}

impl World {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let (log, journal) = (MemoryLog::default(), MemoryLog::default());
        let opened = Ledger::open(log, journal, LedgerOptions::default());
        let ledger = runtime.block_on(opened).unwrap();
        let world = Self { runtime, ledger, commands: AtomicU32::new(0) };
        world.execute(world.request(StreamId::Catalogue, Role::Operator, import()));
        for command in history() {
            world.execute(world.customers(command));
        }
        world
    }

    fn customers(&self, command: Command) -> Request {
        let acme = StreamId::Customer(CustomerId::try_new("acme").unwrap());
        self.request(acme, Role::CustomerAdmin, command)
    }

    fn request(&self, stream: StreamId, role: Role, command: Command) -> Request {
        let number = self.commands.fetch_add(1, Ordering::Relaxed);
        Request {
            stream,
            command,
            command_id: CommandId::try_new(format!("c{number}")).unwrap(),
            actor: Actor { id: ActorId::try_new("bench").unwrap(), role },
            reason: Reason::try_new("bench").unwrap(),
            now: now(),
            correlation_id: None,
            causation_id: None,
            expected_version: None,
        }
    }

    fn execute(&self, request: Request) {
        let outcome = self.runtime.block_on(self.ledger.execute(request)).unwrap();
        assert!(outcome.recorded.is_some(), "it changes something");
    }
}

#[divan::bench(args = COMMANDS, sample_size = 1)]
fn executed(bencher: Bencher<'_, '_>, name: &str) {
    let world = World::new();
    let numbers = AtomicU32::new(0);
    let next = || world.customers(command(name, numbers.fetch_add(1, Ordering::Relaxed)));
    bencher.with_inputs(next).bench_values(|request| world.execute(request));
}
