//! What must hold for every charge over time: cycles fill their term, and what is taken back at once is
//! free.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use chrono::{DateTime, Days, NaiveDate, Utc};
use ledger_core::billing::{Cause, Charge, Meter};
use ledger_core::calendar::{AnchorRule, BillingCycle, TermDuration, midnight};
use ledger_core::catalogue::{Catalogue, SEEDS_TOML};
use ledger_core::charges::ChargeType;
use ledger_core::customer::{
    AddSeats, Command, Context, Customer, Purchase, RegisterCustomer, RemoveSeats, decide, evolve,
};
use ledger_core::ids::{
    Actor, ActorId, CommandId, CustomerId, OfferId, ProgrammeId, Reason, ResellerId, Role,
    SubscriptionId,
};
use ledger_core::money::{Currency, RoundingPolicy};
use ledger_core::store::segment::simulated::Random;
use rust_decimal::Decimal;

const CASES: u64 = 400;

const PLANS: [(TermDuration, BillingCycle); 5] = [
    (TermDuration::P1M, BillingCycle::Monthly),
    (TermDuration::P1Y, BillingCycle::Monthly),
    (TermDuration::P1Y, BillingCycle::Annual),
    (TermDuration::P3Y, BillingCycle::Monthly),
    (TermDuration::P3Y, BillingCycle::Annual),
];

/// A customer that nobody but this test knows.
struct World {
    id: CustomerId,
    catalogue: Catalogue,
    customer: Option<Customer>,
    meter: Meter,
    version: u64,
}

impl World {
    fn new(rounding: RoundingPolicy, anchor: AnchorRule, price: Decimal) -> Self {
        let mut catalogue: Catalogue = toml::from_str(SEEDS_TOML).unwrap();
        let programme = catalogue.programmes.get_mut(&nce()).unwrap();
        programme.rounding = rounding;
        programme.anchor = anchor;
        let offer = catalogue.offers.get_mut(&e3()).unwrap();
        let three_years = offer.plans[1].clone();
        offer.plans.push(three_years);
        offer.plans.last_mut().unwrap().term = TermDuration::P3Y;
        for plan in &mut offer.plans {
            plan.prices.insert(Currency::EUR, price);
        }
        let id = CustomerId::try_new("acme").unwrap();
        let meter = Meter::new(id.clone());
        let mut world = Self { id, catalogue, customer: None, meter, version: 0 };
        let (name, market) = ("Acme".to_owned(), "FR".to_owned());
        let reseller = ResellerId::try_new("r1").unwrap();
        let register = RegisterCustomer::new(name, nce(), reseller, market, Currency::EUR);
        world.does("2022-05-01T00:00:00Z".parse().unwrap(), &Command::RegisterCustomer(register));
        world
    }

    fn does(&mut self, now: DateTime<Utc>, command: &Command) -> Vec<Charge> {
        let actor = Actor { id: ActorId::try_new("someone").unwrap(), role: Role::Operator };
        let (customer, catalogue) = (&self.id, Some(&self.catalogue));
        let context = Context { customer, now, effective_at: now, actor: &actor, catalogue };
        let events = decide(&context, self.customer.as_ref(), command).unwrap();
        self.customer = events.iter().fold(self.customer.take(), evolve);
        self.version += 1;
        let cause = Cause {
            position: self.version,
            version: self.version,
            recorded_at: now,
            effective_at: now,
            command: command.name().to_owned(),
            command_id: CommandId::try_new(format!("c{}", self.version)).unwrap(),
            actor,
            reason: Reason::try_new("law").unwrap(),
        };
        self.meter.happen(cause, &events).unwrap()
    }
}

fn nce() -> ProgrammeId {
    ProgrammeId::try_new("nce").unwrap()
}

fn e3() -> OfferId {
    OfferId::try_new("office-365-e3").unwrap()
}

fn s1() -> SubscriptionId {
    SubscriptionId::try_new("s1").unwrap()
}

fn purchase((term, billing): (TermDuration, BillingCycle), quantity: u32) -> Command {
    Command::Purchase(Purchase::new(s1(), e3(), term, billing, quantity))
}

fn one<T: Copy>(random: &mut Random, from: &[T]) -> T {
    let length = u64::try_from(from.len()).unwrap();
    from[usize::try_from(random.below(length)).unwrap()]
}

fn day(random: &mut Random) -> NaiveDate {
    let first = NaiveDate::from_ymd_opt(2022, 6, 1).unwrap();
    first + Days::new(random.below(1_500))
}

fn rounding(random: &mut Random) -> RoundingPolicy {
    one(
        random,
        &[
            RoundingPolicy::UnitTruncate,
            RoundingPolicy::LineTruncate,
            RoundingPolicy::LineHalfUp,
            RoundingPolicy::FeeThenTax,
        ],
    )
}

fn price(random: &mut Random) -> Decimal {
    let decimals = u32::try_from(random.below(7)).unwrap();
    Decimal::new(i64::try_from(1 + random.below(1_000_000)).unwrap(), decimals)
}

fn anchor(random: &mut Random) -> AnchorRule {
    one(random, &[AnchorRule::Clamp, AnchorRule::EndOfMonthOffset])
}

#[test]
fn the_cycles_of_a_term_follow_each_other_and_fill_it() {
    for seed in 0..CASES {
        let mut random = Random::new(seed);
        let (rounding, anchor) = (rounding(&mut random), anchor(&mut random));
        let price = Decimal::new(1_200, 2);
        let plan = one(&mut random, &PLANS);
        let bought = day(&mut random);
        let mut world = World::new(rounding, anchor, price);
        let mut charges = world.does(midnight(bought), &purchase(plan, 3));
        let term = charges[0].term;
        charges.extend(world.meter.advance(term.end + Days::new(900)).unwrap());

        let told = format!("seed {seed}: {plan:?} from {bought}, {anchor:?}");
        let cycles = plan.0.months() / plan.1.months();
        assert_eq!(charges.len(), usize::try_from(cycles).unwrap(), "{told}");
        let mut next = term.start;
        for charge in &charges {
            let line = &charge.line;
            assert_eq!((line.period.start, charge.charged_on), (next, next), "{told}");
            assert_eq!(line.amount.amount, Decimal::new(3_600, 2), "whole cycles: {told}");
            next = line.period.end.succ_opt().unwrap();
        }
        assert_eq!(next, term.end.succ_opt().unwrap(), "{told}");
        let is_further = |c: &Charge| c.line.charge_type == ChargeType::CycleCharge;
        assert!(!is_further(&charges[0]) && charges[1..].iter().all(is_further), "{told}");
    }
}

#[test]
fn seats_added_and_given_back_at_the_same_instant_cost_nothing() {
    for seed in 0..CASES {
        let mut random = Random::new(seed);
        let (rounding, anchor) = (rounding(&mut random), anchor(&mut random));
        let mut world = World::new(rounding, anchor, price(&mut random));
        let plan = one(&mut random, &PLANS);
        let bought = day(&mut random);
        let quantity = 1 + u32::try_from(random.below(100)).unwrap();
        let term = world.does(midnight(bought), &purchase(plan, quantity))[0].term;
        let then = midnight(bought + Days::new(random.below(u64::from(term.days()))));
        world.meter.advance(then.date_naive()).unwrap();

        let (subscription, seats) = (s1(), 1 + u32::try_from(random.below(50)).unwrap());
        let add = Command::AddSeats(AddSeats { subscription: subscription.clone(), seats });
        let mut legs = world.does(then, &add);
        legs.extend(world.does(then, &Command::RemoveSeats(RemoveSeats { subscription, seats })));
        assert_eq!(legs.len(), 4, "seed {seed}");
        let net: Decimal = legs.iter().map(|charge| charge.line.amount.amount).sum();
        assert_eq!(net, Decimal::ZERO, "seed {seed}: {rounding} {plan:?} {legs:#?}");
        let seats: i64 = legs.iter().map(|charge| charge.line.quantity).sum();
        assert_eq!(seats, 0, "seed {seed}");
    }
}
