//! Laws that hold for every history: random commands over years, under random rules.
//!
//! `LEDGER_COMMANDS=1000000 cargo test --release -p ledger-core --test laws million -- --nocapture` lives
//! longer, `LEDGER_FIRST_SEED=4711` other lives; what breaks a law is told with its seed.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a law is about some events")]
#![allow(clippy::print_stderr, reason = "a failing seed is told")]

mod drafts;
mod histories;

use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use ledger_core::billing::{Cause, Meter};
use ledger_core::charges::ChargeLine;
use ledger_core::codec::EVENTS;
use ledger_core::commit::Hash;
use ledger_core::customer::{
    Command, Customer, Due, Event, ImportCatalogue, RegisterCustomer, due, fold,
};
use ledger_core::ids::{
    Actor, ActorId, CommandId, CustomerId, ProgrammeId, Reason, ResellerId, Role, StreamId,
};
use ledger_core::ledger::{ExecuteError, Ledger, LedgerOptions, Request};
use ledger_core::money::{Currency, Money};
use ledger_core::record::Recorded;
use ledger_core::snapshot::Snapshot;
use ledger_core::store::memory::MemoryLog;
use ledger_core::store::segment::simulated::Random;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rust_decimal::Decimal;

use crate::drafts::{Draft, KINDS, PROGRAMMES, command};
use crate::histories::checks::decision;
use crate::histories::life::{COMMANDS, Life, Tally};
use crate::histories::worlds;

/// Commands of every run.
const COMMANDS_DEFAULT: u64 = 20_000;

#[derive(Clone, Debug)]
struct Step {
    minutes_later: i64,
    by_customer: bool,
    draft: Draft,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let minutes_later = prop_oneof![
        4 => 0..180_i64,
        4 => 0..(10 * 24 * 60_i64),
        2 => 0..(120 * 24 * 60_i64),
    ];
    let draft = (0..KINDS, any::<[u16; 8]>()).prop_map(|(kind, numbers)| Draft { kind, numbers });
    let step = (minutes_later, any::<bool>(), draft)
        .prop_map(|(minutes_later, by_customer, draft)| Step { minutes_later, by_customer, draft });
    prop::collection::vec(step, 1..60)
}

struct World {
    ledger: Ledger<MemoryLog>,
    stream: StreamId,
    now: DateTime<Utc>,
    commands: usize,
    meter: Meter,
}

impl World {
    /// A ledger with one customer, under the rules of the sources or, for a seed, under other ones.
    async fn new(programme: &str, rules: Option<u64>) -> Self {
        let options = LedgerOptions { cache_bytes: 4096, ..LedgerOptions::default() };
        let ledger =
            Ledger::open(MemoryLog::default(), MemoryLog::default(), options).await.unwrap();
        let stream = StreamId::Customer(CustomerId::try_new("acme").unwrap());
        let now: DateTime<Utc> = "2024-01-31T08:00:00Z".parse().unwrap();
        let meter = Meter::new(stream.customer().unwrap().clone());
        let mut world = Self { ledger, stream, now, commands: 0, meter };
        let catalogue = match rules {
            None => worlds::seeds(),
            Some(seed) => worlds::catalogue(&mut Random::new(seed), 0, now - TimeDelta::days(365)),
        };
        let import = Command::ImportCatalogue(ImportCatalogue { catalogue });
        let import =
            Request { stream: StreamId::Catalogue, ..world.request(Role::Operator, import) };
        world.ledger.execute(import).await.unwrap();
        let register = Command::RegisterCustomer(RegisterCustomer::new(
            "Acme".to_owned(),
            ProgrammeId::try_new(programme).unwrap(),
            ResellerId::try_new("r1").unwrap(),
            "FR".to_owned(),
            Currency::EUR,
        ));
        let register = world.request(Role::Operator, register);
        let registered = world.ledger.execute(register).await.unwrap().recorded.unwrap();
        world.meter.add(&registered).unwrap();
        world
    }

    fn request(&mut self, role: Role, command: Command) -> Request {
        self.commands += 1;
        Request {
            stream: self.stream.clone(),
            command,
            command_id: CommandId::try_new(format!("c{}", self.commands)).unwrap(),
            actor: Actor { id: ActorId::try_new("someone").unwrap(), role },
            reason: Reason::try_new("law").unwrap(),
            now: self.now,
            correlation_id: None,
            causation_id: None,
            expected_version: None,
        }
    }

    async fn customer(&self) -> Customer {
        self.ledger.customer(self.stream.customer().unwrap()).await.unwrap().unwrap().0
    }

    /// Brings about what time has brought about, in order. Only the renewal of what is not sold waits.
    async fn catch_up(&mut self) {
        let mut waiting = BTreeSet::new();
        loop {
            let customer = self.customer().await;
            let is_open = |due: &Due| due.at <= self.now && !waiting.contains(&due.command_id());
            let Some(due) = due(&customer).into_iter().find(is_open) else { return };
            let request = self.request(Role::Scheduler, due.command.clone());
            self.check(Request { command_id: due.command_id(), ..request }).await;
            if self.customer().await == customer {
                assert!(matches!(due.command, Command::Renew(_)), "nothing comes of {due:?}");
                waiting.insert(due.command_id());
            }
        }
    }

    /// Previews and executes; everything that must hold for one command is checked here.
    async fn check(&mut self, request: Request) {
        let before = self.customer().await;
        let preview = self.ledger.preview(request.clone()).await;
        let outcome = self.ledger.execute(request.clone()).await;
        let after = self.customer().await;
        match (preview, outcome) {
            (Ok(preview), Ok(outcome)) => {
                assert_eq!(preview.customer, Some(after.clone()), "preview = commit");
                let Some(recorded) = &outcome.recorded else {
                    assert_eq!(preview.events, []);
                    assert_eq!(before, after, "a command without events changes nothing");
                    return;
                };
                assert_eq!(preview.events, recorded.events, "preview = commit");
                assert_eq!(preview.charge_lines, recorded.charge_lines().unwrap());
                self.is_charged(&preview.charge_lines, &preview.events, recorded);
                let decided = decision(&before, &recorded.events, None, request.now);
                assert_eq!(decided.as_ref(), Ok(&after), "{:?}", recorded.events);
                let again = self.ledger.execute(request).await.unwrap();
                assert!(again.hit, "the same id gets the same answer");
                assert_eq!(again.recorded.as_ref(), Some(recorded));
            }
            (
                Err(ExecuteError::Refused { refusal: previewed, .. }),
                Err(ExecuteError::Refused { refusal, .. }),
            ) => {
                assert_eq!(previewed, refusal, "preview = commit");
                assert_eq!(before, after, "a refused command changes nothing");
                assert_ne!(refusal.code, "AMOUNT_NOT_EXACT");
            }
            (preview, outcome) => panic!("preview {preview:?}, commit {outcome:?}"),
        }
        a_snapshot_keeps_all_of_it(&after);
    }

    /// What a preview says is charged: its lines, and no others but charge cycles that have begun.
    fn is_charged(&mut self, lines: &[ChargeLine], previewed: &[Event], recorded: &Recorded) {
        let forecast = self.meter.clone().happen(cause(recorded), previewed).unwrap();
        let charged = self.meter.add(recorded).unwrap();
        assert_eq!(forecast, charged, "forecast = charged");
        let is_cycle = |line: &&ChargeLine| line.id == line.reference_id;
        let of_events = charged.iter().map(|charge| &charge.line).filter(|line| !is_cycle(line));
        assert_eq!(of_events.collect::<Vec<_>>(), lines.iter().collect::<Vec<_>>());
    }
}

/// The commit as the meter is told of it.
fn cause(recorded: &Recorded) -> Cause {
    let commit = recorded.commit();
    let command: serde_json::Value = serde_json::from_slice(&commit.request).unwrap();
    Cause {
        position: recorded.position,
        version: commit.version,
        recorded_at: commit.recorded_at,
        effective_at: commit.effective_at,
        command: command["command"].as_str().unwrap().to_owned(),
        command_id: commit.command_id.clone(),
        actor: commit.actor.clone(),
        reason: commit.reason.clone(),
    }
}

fn a_snapshot_keeps_all_of_it(customer: &Customer) {
    let snapshot = Snapshot {
        version: 2,
        hash: Hash::of(b"log"),
        journal_version: 1,
        journal_hash: Hash::of(b"journal"),
        last_recorded_at: Some(DateTime::UNIX_EPOCH),
        customer: Some(customer.clone()),
        answers: vec![(u64::MAX, 1), (2, 2)],
    };
    let bytes = snapshot.to_bytes().unwrap();
    assert_eq!(Snapshot::from_bytes(&bytes).unwrap(), snapshot);
}

/// Whether its charges are all of its customer's: what begins elsewhere, or is charged again in every cycle
/// of its term, is credited for days that no event has charged.
fn is_charged_elsewhere(event: &Event) -> bool {
    let several_cycles =
        |plan: &ledger_core::customer::TermPlan| plan.billing.months() < plan.term.months();
    match event {
        Event::OpeningBalanceImported(_)
        | Event::CorrectionRecorded(_)
        | Event::CreditGranted(_)
        | Event::BillingFrequencyChanged(_)
        | Event::TrialConverted(_) => true,
        Event::SubscriptionPurchased(e) => several_cycles(&e.plan),
        Event::TermChanged(e) => several_cycles(&e.plan),
        Event::SubscriptionRenewed(e) => e.change.as_ref().is_some_and(|c| several_cycles(&c.plan)),
        Event::SubscriptionUpgraded(e) => match &e.target {
            ledger_core::customer::UpgradeTarget::New(new) => several_cycles(&new.plan),
            _ => false,
        },
        _ => false,
    }
}

fn nobody_gets_back_more_than_was_charged(history: &[Recorded]) {
    let mut balance = Money { amount: Decimal::ZERO, currency: Currency::EUR };
    for recorded in history {
        if recorded.events.iter().any(is_charged_elsewhere) {
            return;
        }
        for line in recorded.charge_lines().unwrap() {
            balance = balance.try_add(line.amount).unwrap();
        }
        assert!(!balance.amount.is_sign_negative(), "{balance} after {:?}", recorded.events);
    }
}

/// Lives one history on a ledger.
fn live(programme: usize, rules: Option<u64>, steps: &[Step]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut world = World::new(PROGRAMMES[programme], rules).await;
        for (number, step) in steps.iter().enumerate() {
            world.now += TimeDelta::minutes(step.minutes_later);
            world.catch_up().await;
            let command = command(&world.customer().await, &step.draft, number, world.now);
            let role = if step.by_customer { Role::CustomerAdmin } else { Role::ResellerAdmin };
            let request = world.request(role, command);
            world.check(request).await;
        }
        let history = world.ledger.history(&world.stream).await.unwrap();
        if rules.is_none() {
            nobody_gets_back_more_than_was_charged(&history);
        }
        let replayed = fold(history.iter().flat_map(|recorded| &recorded.events));
        assert_eq!(replayed, Some(world.customer().await), "replay = live");
    });
}

#[test]
fn every_history_keeps_the_laws() {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let histories = (0..PROGRAMMES.len(), prop::option::of(any::<u64>()), steps());
    TestRunner::new(config)
        .run(&histories, |(programme, rules, steps)| {
            live(programme, rules, &steps);
            Ok(())
        })
        .unwrap();
}

fn setting<T: FromStr>(name: &str, otherwise: T) -> T {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Tells the seed when a life ends in a panic.
struct Told(u64);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}: LEDGER_FIRST_SEED={} LEDGER_COMMANDS=1", self.0, self.0);
        }
    }
}

/// Lives from every `step`th seed on until enough commands are decided.
fn live_many(first: u64, step: u64, commands: u64) -> Tally {
    let mut tally = Tally::default();
    let mut seed = first;
    while tally.commands() < commands {
        let told = Told(seed);
        if let Err(broken) = Life::live(seed, &mut tally) {
            panic!("a law is broken: {broken}");
        }
        drop(told);
        seed = seed.wrapping_add(step);
    }
    tally
}

#[test]
fn a_million_random_commands_keep_the_laws_and_reach_every_event() {
    let commands = setting("LEDGER_COMMANDS", COMMANDS_DEFAULT);
    let first = setting("LEDGER_FIRST_SEED", 0_u64);
    let threads = if commands <= u64::from(COMMANDS) { 1 } else { 2 };
    let started = Instant::now();
    let tally = std::thread::scope(|scope| {
        let lives: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || live_many(first + thread, threads, commands / threads))
            })
            .collect();
        lives.into_iter().fold(Tally::default(), |mut all, life| {
            all.add(&life.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            all
        })
    });
    println!("{} commands from seed {first}, {:.1?}", tally.commands(), started.elapsed());
    println!("accepted {:#?}", tally.accepted);
    println!("already as asked {:#?}", tally.unchanged);
    println!("refused {:#?}", tally.refused);
    println!("events {:#?}", tally.events);
    if commands < COMMANDS_DEFAULT {
        return;
    }
    let elsewhere = [
        "CustomerRegistered",
        "CatalogueImported",
        "PriceListImported",
        "OfferMatrixImported",
        "PolicySet",
        "BillingTermsSet",
        "ExchangeRatesImported",
        "PeriodClosed",
        "ReconciliationRecorded",
    ];
    let of_customers = EVENTS.iter().map(|(name, _)| *name).filter(|n| !elsewhere.contains(n));
    let missed: Vec<&str> = of_customers.filter(|name| !tally.events.contains_key(name)).collect();
    assert_eq!(missed, Vec::<&str>::new(), "no life reached them");
}
