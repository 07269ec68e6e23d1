//! Laws that hold for every history: random commands over two years, under every programme.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod drafts;

use std::collections::BTreeSet;
use std::sync::Mutex;

use chrono::{DateTime, TimeDelta, Utc};
use ledger_core::catalogue::{Catalogue, SEEDS_TOML};
use ledger_core::codec::{CODEC, EVENTS, decode, encode};
use ledger_core::commit::Hash;
use ledger_core::customer::{
    Command, Customer, EndOfTermAction, Event, ImportCatalogue, RegisterCustomer, Status,
    UpgradeTarget, due, evolve, fold,
};
use ledger_core::ids::{
    Actor, ActorId, CommandId, CustomerId, ProgrammeId, Reason, ResellerId, Role, StreamId,
};
use ledger_core::ledger::{ExecuteError, Ledger, LedgerOptions, Request};
use ledger_core::money::{Currency, Money};
use ledger_core::record::Recorded;
use ledger_core::snapshot::Snapshot;
use ledger_core::store::memory::MemoryLog;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use rust_decimal::Decimal;

use crate::drafts::{Draft, OFFERS, PROGRAMMES, command};

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
    let step = (minutes_later, any::<bool>(), draft())
        .prop_map(|(minutes_later, by_customer, draft)| Step { minutes_later, by_customer, draft });
    prop::collection::vec(step, 1..60)
}

fn draft() -> impl Strategy<Value = Draft> {
    let offer = 0..OFFERS.len();
    let subscription = 0..6_usize;
    let seats = 0..8_u32;
    let quantity = prop::option::of(0..12_u32);
    prop_oneof![
        4 => (offer.clone(), any::<bool>(), 0..160_u32)
            .prop_map(|(offer, monthly, quantity)| Draft::Purchase { offer, monthly, quantity }),
        3 => (subscription.clone(), seats.clone())
            .prop_map(|(subscription, seats)| Draft::Add { subscription, seats }),
        3 => (subscription.clone(), seats)
            .prop_map(|(subscription, seats)| Draft::Remove { subscription, seats }),
        2 => (subscription.clone(), 0..12_u32)
            .prop_map(|(subscription, quantity)| Draft::Schedule { subscription, quantity }),
        2 => (subscription.clone(), any::<bool>())
            .prop_map(|(subscription, renew)| Draft::EndOfTerm { subscription, renew }),
        1 => subscription.clone().prop_map(|subscription| Draft::Cancel { subscription }),
        3 => (subscription.clone(), quantity.clone(), offer.clone(), any::<bool>()).prop_map(
            |(subscription, quantity, offer, new_term)| {
                Draft::UpgradeNew { subscription, quantity, offer, new_term }
            }
        ),
        3 => (subscription.clone(), quantity, offer.clone(), subscription).prop_map(
            |(subscription, quantity, offer, target)| {
                Draft::UpgradeExisting { subscription, quantity, offer, target }
            }
        ),
        6 => (offer.clone(), 0..4_u8).prop_map(|(offer, user)| Draft::Assign { offer, user }),
        3 => (offer.clone(), 0..4_u8).prop_map(|(offer, user)| Draft::Unassign { offer, user }),
        1 => any::<bool>().prop_map(|granted| Draft::DelegatedAdmin { granted }),
        1 => (offer, 0..3_u32).prop_map(|(offer, seats)| Draft::External { offer, seats }),
    ]
}

struct World {
    ledger: Ledger<MemoryLog>,
    stream: StreamId,
    now: DateTime<Utc>,
    commands: usize,
}

impl World {
    async fn new(programme: &str) -> Self {
        let options = LedgerOptions { cache_bytes: 4096, ..LedgerOptions::default() };
        let ledger =
            Ledger::open(MemoryLog::default(), MemoryLog::default(), options).await.unwrap();
        let stream = StreamId::Customer(CustomerId::try_new("acme").unwrap());
        let now = "2024-01-31T08:00:00Z".parse().unwrap();
        let mut world = Self { ledger, stream, now, commands: 0 };
        let catalogue: Catalogue = toml::from_str(SEEDS_TOML).unwrap();
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
        world.ledger.execute(register).await.unwrap();
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

    /// Brings about what time has brought about, in order.
    async fn catch_up(&mut self) {
        loop {
            let customer = self.customer().await;
            let first = due(&customer).into_iter().next().filter(|due| due.at <= self.now);
            let Some(command) = first.map(|due| due.command) else { return };
            let request = self.request(Role::Scheduler, command);
            self.check(request).await;
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
                events_are_sound(&before, &recorded.events);
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
        customer_is_sound(&after);
        a_snapshot_keeps_all_of_it(&after);
    }
}

fn seats(customer: &Customer) -> u64 {
    customer.active().map(|s| u64::from(s.quantity)).sum()
}

fn events_are_sound(before: &Customer, events: &[Event]) {
    let mut state = Some(before.clone());
    for event in events {
        let stored = encode(event).unwrap();
        assert_eq!(&decode(CODEC, &stored).unwrap(), event, "what is stored reads back");
        let seats_before = state.as_ref().map(seats);
        state = evolve(state, event);
        if let Event::SubscriptionUpgraded(e) = event {
            assert_eq!(state.as_ref().map(seats), seats_before, "an upgrade keeps all seats");
            let taken: u32 = e.lots.iter().map(|used| used.seats).sum();
            assert_eq!(taken, e.moved, "the seats come from lots");
            if let UpgradeTarget::Existing(grown) = &e.target {
                assert_eq!(grown.quantity.to - grown.quantity.from, e.moved);
            }
        }
    }
}

fn customer_is_sound(customer: &Customer) {
    for s in customer.active() {
        let in_lots: u32 = s.lots.iter().map(|lot| lot.seats).sum();
        assert_eq!(in_lots, s.quantity, "every seat is in one lot");
        assert!(0 < s.quantity, "a living subscription has seats");
        assert!(s.term.start <= s.term.end);
    }
    for s in customer.subscriptions.values() {
        let ends = s.status != Status::Active || s.end_of_term == EndOfTermAction::Cancel;
        assert!(!(ends && s.scheduled.is_some()), "nothing is scheduled that cannot come: {s:?}");
    }
    let assigned = customer.assignments.keys();
    for offer in assigned.filter(|offer| customer.valid(offer) < customer.assigned(offer)) {
        assert!(customer.shortfalls.contains(offer), "a shortfall of {offer} is raised");
    }
    for offer in &customer.shortfalls {
        assert!(
            customer.valid(offer) < customer.assigned(offer),
            "no shortfall of {offer} is left"
        );
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

fn nobody_gets_back_more_than_was_charged(history: &[Recorded]) {
    let mut balance = Money { amount: Decimal::ZERO, currency: Currency::EUR };
    for recorded in history {
        for line in recorded.charge_lines().unwrap() {
            balance = balance.try_add(line.amount).unwrap();
        }
        assert!(!balance.amount.is_sign_negative(), "{balance} after {:?}", recorded.events);
    }
}

/// Lives one history, and returns the names of the events that happened in it.
fn live(programme: usize, steps: &[Step]) -> BTreeSet<&'static str> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut world = World::new(PROGRAMMES[programme]).await;
        for (number, step) in steps.iter().enumerate() {
            world.now += TimeDelta::minutes(step.minutes_later);
            world.catch_up().await;
            let command = command(&world.customer().await, &step.draft, number);
            let role = if step.by_customer { Role::CustomerAdmin } else { Role::ResellerAdmin };
            let request = world.request(role, command);
            world.check(request).await;
        }
        let history = world.ledger.history(&world.stream).await.unwrap();
        nobody_gets_back_more_than_was_charged(&history);
        let replayed = fold(history.iter().flat_map(|recorded| &recorded.events));
        assert_eq!(replayed, Some(world.customer().await), "replay = live");
        history.iter().flat_map(|recorded| &recorded.events).map(Event::name).collect()
    })
}

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

#[test]
fn every_history_keeps_the_laws() {
    TestRunner::new(config())
        .run(&(0..PROGRAMMES.len(), steps()), |(programme, steps)| {
            live(programme, &steps);
            Ok(())
        })
        .unwrap();
}

#[test]
fn the_random_histories_reach_every_event() {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let seen = Mutex::new(BTreeSet::new());
    TestRunner::new_with_rng(ProptestConfig { cases: 300, ..config() }, rng)
        .run(&(0..PROGRAMMES.len(), steps()), |(programme, steps)| {
            seen.lock().unwrap().extend(live(programme, &steps));
            Ok(())
        })
        .unwrap();
    let seen = seen.into_inner().unwrap();
    let of_customers = EVENTS.iter().map(|(name, _)| *name).filter(|n| *n != "CatalogueImported");
    let missed: Vec<&str> = of_customers.filter(|name| !seen.contains(name)).collect();
    assert_eq!(missed, Vec::<&str>::new());
}
