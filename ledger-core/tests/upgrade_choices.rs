//! What a subscription could be upgraded to agrees with what is decided, for every customer.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use ledger_core::calendar::{BillingCycle, TermDuration};
use ledger_core::catalogue::{Catalogue, OnImmediateChange, SEEDS_TOML};
use ledger_core::customer::{
    AssignLicence, Cancel, Command, Context, Customer, DeclareExternalSubscription, EndDate, Event,
    ExistingTarget, GrantDelegatedAdmin, NewTarget, Obstacle, Purchase, RegisterCustomer,
    Rejection, ScheduleRenewalQuantity, ScheduleUpgrade, StartTrial, Suspend, Transfer, Upgrade,
    UpgradeChoice, UpgradeInto, decide, evolve, upgrade_choices,
};
use ledger_core::ids::{
    Actor, ActorId, CustomerId, OfferId, ProgrammeId, ResellerId, Role, SubscriptionId, UserId,
};
use ledger_core::money::Currency;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

const PROGRAMMES: [&str; 6] =
    ["cloud-cockpit", "partner-center-2019", "21vianet-2018", "nce", "proximus", "us-government"];

const OFFERS: [&str; 8] = [
    "office-365-business-essentials",
    "office-365-business",
    "office-365-business-premium",
    "office-365-e1",
    "office-365-e3",
    "office-365-e5",
    "audio-conferencing",
    "exchange-online-plan-1",
];

/// Something that happens to a customer; small numbers stand for what there is.
#[derive(Clone, Debug)]
enum Move {
    Buy { offer: usize, plan: usize, quantity: u32 },
    Try { offer: usize },
    Suspend { subscription: usize },
    Cancel { subscription: usize },
    Plan { subscription: usize, quantity: u32 },
    Assign { subscription: usize, user: u8 },
    Delegate { everything: bool },
    HoldElsewhere { offer: usize, seats: u32 },
    UpgradeOne { subscription: usize, offer: usize },
}

#[derive(Clone, Debug)]
struct Story {
    programme: usize,
    blocks: bool,
    updates_max: u32,
    moves: Vec<(i64, Move)>,
    hours_later: i64,
}

fn story() -> impl Strategy<Value = Story> {
    let moves = prop::collection::vec((0..24 * 20_i64, a_move()), 1..14);
    let hours_later = prop_oneof![4 => 0..72_i64, 1 => 0..24 * 400_i64];
    (0..PROGRAMMES.len(), any::<bool>(), 1..6_u32, moves, hours_later).prop_map(
        |(programme, blocks, updates_max, moves, hours_later)| Story {
            programme,
            blocks,
            updates_max,
            moves,
            hours_later,
        },
    )
}

fn a_move() -> impl Strategy<Value = Move> {
    let (offer, subscription) = (0..OFFERS.len(), 0..6_usize);
    prop_oneof![
        6 => (offer.clone(), 0..5_usize, 1..200_u32)
            .prop_map(|(offer, plan, quantity)| Move::Buy { offer, plan, quantity }),
        1 => offer.clone().prop_map(|offer| Move::Try { offer }),
        1 => subscription.clone().prop_map(|subscription| Move::Suspend { subscription }),
        1 => subscription.clone().prop_map(|subscription| Move::Cancel { subscription }),
        1 => (subscription.clone(), 1..9_u32)
            .prop_map(|(subscription, quantity)| Move::Plan { subscription, quantity }),
        5 => (subscription.clone(), 0..3_u8)
            .prop_map(|(subscription, user)| Move::Assign { subscription, user }),
        4 => any::<bool>().prop_map(|everything| Move::Delegate { everything }),
        1 => (offer.clone(), 1..200_u32)
            .prop_map(|(offer, seats)| Move::HoldElsewhere { offer, seats }),
        3 => (subscription, offer)
            .prop_map(|(subscription, offer)| Move::UpgradeOne { subscription, offer }),
    ]
}

fn offer(index: usize) -> OfferId {
    OfferId::try_new(OFFERS[index]).unwrap()
}

fn fresh(number: usize) -> SubscriptionId {
    SubscriptionId::try_new(format!("s{number}")).unwrap()
}

/// One of the customer's subscriptions, if there is any.
fn pick(customer: &Customer, index: usize) -> SubscriptionId {
    let ids: Vec<&SubscriptionId> = customer.subscriptions.keys().collect();
    ids.get(index % ids.len().max(1)).map_or_else(|| fresh(0), |id| (*id).clone())
}

fn command(customer: &Customer, number: usize, a_move: &Move) -> Command {
    match *a_move {
        Move::Buy { offer: index, plan, quantity } => {
            let (term, billing) = [
                (TermDuration::P1M, BillingCycle::Monthly),
                (TermDuration::P1Y, BillingCycle::Monthly),
                (TermDuration::P1Y, BillingCycle::Annual),
                (TermDuration::P3Y, BillingCycle::Annual),
                (TermDuration::P3Y, BillingCycle::Triennial),
            ][plan];
            Command::Purchase(Purchase::new(fresh(number), offer(index), term, billing, quantity))
        }
        Move::Try { offer: index } => {
            Command::StartTrial(StartTrial { subscription: fresh(number), offer: offer(index) })
        }
        Move::Suspend { subscription } => {
            let subscription = pick(customer, subscription);
            Command::Suspend(Suspend { subscription, vendor_reasons: Vec::new() })
        }
        Move::Cancel { subscription } => {
            Command::Cancel(Cancel { subscription: pick(customer, subscription) })
        }
        Move::Plan { subscription, quantity } => {
            let subscription = pick(customer, subscription);
            Command::ScheduleRenewalQuantity(ScheduleRenewalQuantity { subscription, quantity })
        }
        Move::Assign { subscription, user } => {
            let held = customer.subscriptions.get(&pick(customer, subscription));
            Command::AssignLicence(AssignLicence {
                offer: held.map_or_else(|| offer(0), |held| held.offer.clone()),
                user: UserId::try_new(format!("u{user}")).unwrap(),
                usage_location: Some("FR".to_owned()),
            })
        }
        Move::Delegate { everything } => {
            let some = BTreeSet::from(["desktop-apps".to_owned(), "exchange".to_owned()]);
            let services = Some(some).filter(|_| !everything);
            Command::GrantDelegatedAdmin(GrantDelegatedAdmin { services, days: Some(365) })
        }
        Move::HoldElsewhere { offer: index, seats } => {
            let offer = offer(index);
            Command::DeclareExternalSubscription(DeclareExternalSubscription { offer, seats })
        }
        Move::UpgradeOne { subscription, offer: index } => Command::Upgrade(Upgrade {
            subscription: pick(customer, subscription),
            quantity: Some(1),
            target_offer: offer(index),
            into: into_new(fresh(number)),
            transfer: Transfer::Automatic,
        }),
    }
}

fn into_new(subscription: SubscriptionId) -> UpgradeInto {
    UpgradeInto::New(NewTarget {
        subscription,
        end_date: EndDate::Coterminous,
        term: None,
        billing: None,
        promotion: None,
    })
}

/// A customer at an instant, with whom nothing is recorded.
struct World {
    catalogue: Catalogue,
    customer_id: CustomerId,
    actor: Actor,
    now: DateTime<Utc>,
    customer: Option<Customer>,
}

impl World {
    fn new(story: &Story) -> Self {
        let mut catalogue: Catalogue = toml::from_str(SEEDS_TOML).unwrap();
        let id = ProgrammeId::try_new(PROGRAMMES[story.programme]).unwrap();
        let programme = catalogue.programmes.get_mut(&id).unwrap();
        programme.updates_max = story.updates_max;
        if story.blocks {
            programme.on_immediate_change = OnImmediateChange::Block;
        }
        let e1 = catalogue.offers.get_mut(&offer(3)).unwrap();
        e1.seats_max = Some(300);
        let audio = catalogue.offers.get_mut(&offer(6)).unwrap();
        audio.prerequisites = BTreeSet::from([offer(1), offer(3)]);
        let exchange = catalogue.offers.get_mut(&offer(7)).unwrap();
        exchange.conflicts = OFFERS[4..6].iter().map(|id| OfferId::try_new(*id).unwrap()).collect();
        let mut world = Self {
            catalogue,
            customer_id: CustomerId::try_new("acme").unwrap(),
            actor: Actor { id: ActorId::try_new("someone").unwrap(), role: Role::Operator },
            now: "2024-01-31T08:00:00Z".parse().unwrap(),
            customer: None,
        };
        let register = Command::RegisterCustomer(RegisterCustomer::new(
            "Acme".to_owned(),
            id,
            ResellerId::try_new("r1").unwrap(),
            "FR".to_owned(),
            Currency::EUR,
        ));
        let events = world.decide(&register).unwrap();
        world.customer = events.iter().fold(None, evolve);
        for (number, (hours, a_move)) in story.moves.iter().enumerate() {
            world.now += TimeDelta::hours(*hours);
            let asked = command(world.customer.as_ref().unwrap(), number + 1, a_move);
            let events = world.decide(&asked).unwrap_or_default();
            world.customer = events.iter().fold(world.customer.take(), evolve);
        }
        world.now += TimeDelta::hours(story.hours_later);
        world
    }

    fn context(&self) -> Context<'_> {
        Context {
            customer: &self.customer_id,
            now: self.now,
            effective_at: self.now,
            actor: &self.actor,
            catalogue: Some(&self.catalogue),
        }
    }

    fn decide(&self, command: &Command) -> Result<Vec<Event>, Rejection> {
        decide(&self.context(), self.customer.as_ref(), command)
    }

    fn upgrade(
        &self,
        source: &SubscriptionId,
        target_offer: &OfferId,
        into: UpgradeInto,
    ) -> Result<Vec<Event>, Rejection> {
        self.decide(&Command::Upgrade(Upgrade {
            subscription: source.clone(),
            quantity: None,
            target_offer: target_offer.clone(),
            into,
            transfer: Transfer::Automatic,
        }))
    }
}

/// How often each first obstacle was met; accepted choices under "".
type Met = BTreeMap<String, usize>;

fn agrees(
    obstacles: &[Obstacle],
    decided: &Result<Vec<Event>, Rejection>,
    met: &RefCell<Met>,
) -> Result<(), TestCaseError> {
    let expected = obstacles.first().map_or("", |obstacle| obstacle.code);
    let found = decided.as_ref().err().map_or("", |rejection| rejection.rule().code);
    prop_assert_eq!(expected, found);
    *met.borrow_mut().entry(expected.to_owned()).or_default() += 1;
    Ok(())
}

fn choice_agrees(
    world: &World,
    source: &SubscriptionId,
    choice: &UpgradeChoice,
    met: &RefCell<Met>,
) -> Result<(), TestCaseError> {
    let target = &choice.target_offer;
    let decided = world.upgrade(source, target, into_new(fresh(99)));
    agrees(&choice.into_new, &decided, met)?;
    if let Some(Event::SubscriptionUpgraded(e)) = decided.ok().as_ref().and_then(|e| e.first()) {
        let manual: Vec<&UserId> = choice.manual.iter().map(|by_hand| &by_hand.user).collect();
        prop_assert_eq!(e.manual.iter().collect::<Vec<_>>(), manual);
        prop_assert_eq!(e.moved, choice.quantity);
        prop_assert_eq!(&e.lost_services, &choice.lost_services);
    }
    let into =
        |id: &SubscriptionId| UpgradeInto::Existing(ExistingTarget { subscription: id.clone() });
    for existing in &choice.into_existing {
        let id = &existing.subscription;
        agrees(&existing.obstacles, &world.upgrade(source, target, into(id)), met)?;
    }
    let listed = |id: &&SubscriptionId| choice.into_existing.iter().any(|e| e.subscription == **id);
    for id in world.customer.iter().flat_map(|customer| customer.subscriptions.keys()) {
        prop_assert!(listed(&id) || world.upgrade(source, target, into(id)).is_err());
    }
    let planned = world.decide(&Command::ScheduleUpgrade(ScheduleUpgrade {
        subscription: source.clone(),
        target_offer: target.clone(),
        quantity: None,
        term: None,
        billing: None,
    }));
    agrees(&choice.at_renewal, &planned, met)
}

fn choices_agree(world: &World, met: &RefCell<Met>) -> Result<(), TestCaseError> {
    let customer = world.customer.as_ref().unwrap();
    for source in customer.subscriptions.keys() {
        let choices = upgrade_choices(&world.context(), customer, source).unwrap();
        for choice in &choices {
            choice_agrees(world, source, choice, met)?;
        }
        let offers: BTreeSet<&OfferId> =
            choices.iter().map(|choice| &choice.target_offer).collect();
        for other in world.catalogue.offers.keys().filter(|id| !offers.contains(id)) {
            prop_assert!(world.upgrade(source, other, into_new(fresh(99))).is_err());
        }
    }
    Ok(())
}

#[test]
fn a_choice_is_accepted_or_refused_as_it_was_listed() {
    let config = Config { cases: 1200, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let met = RefCell::new(Met::new());
    let mut runner = TestRunner::new_with_rng(config, rng);
    runner.run(&story(), |story| choices_agree(&World::new(&story), &met)).unwrap();

    let met = met.into_inner();
    for code in [
        "",
        "SUBSCRIPTION_SUSPENDED",
        "SUBSCRIPTION_ENDED",
        "RENEWAL_PENDING",
        "TRIAL_UNCHANGEABLE",
        "DELEGATED_ADMIN_MISSING",
        "DELEGATED_ADMIN_TOO_NARROW",
        "TARGET_HELD",
        "SERVICES_HELD",
        "TOO_MANY_UPDATES",
        "CHANGE_SCHEDULED",
        "ABOVE_MAXIMUM",
        "LICENCES_ASSIGNED",
        "TARGET_TERM_SHORTER",
        "TARGET_ENDS_EARLIER",
        "TARGET_IN_WINDOW",
    ] {
        assert!(met.contains_key(code), "{code:?} was never met: {met:?}");
    }
}
