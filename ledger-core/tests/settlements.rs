//! Corrections, suspensions and full refunds leave what would have been charged, to the cent.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod fixtures;
mod requests;

use std::collections::BTreeSet;

use ledger_core::billing::{Charge, Meter};
use ledger_core::calendar::{BillingCycle, TermDuration};
use ledger_core::catalogue::{Catalogue, Programme, SEEDS_TOML};
use ledger_core::customer::{
    Cancel, Command, EndDate, EndOfTermAction, ExistingTarget, ExtendTrial, GrantCredit,
    ImportCatalogue, ImportOpeningBalance, NewTarget, Purchase, RecordCorrection, RemoveSeats,
    Resume, StartTrial, Suspend, Transfer, Upgrade, UpgradeInto,
};
use ledger_core::ids::{CustomerId, OfferId, ProgrammeId, StreamId, SubscriptionId};
use ledger_core::ledger::{Ledger, LedgerOptions};
use ledger_core::money::{MoneyError, RoundingPolicy};
use ledger_core::store::memory::MemoryLog;
use ledger_core::store::segment::simulated::Random;
use rust_decimal::Decimal;

use crate::fixtures::{add_seats, register, s1};
use crate::requests::{morning, request};

const POLICIES: [RoundingPolicy; 4] = [
    RoundingPolicy::UnitTruncate,
    RoundingPolicy::LineTruncate,
    RoundingPolicy::LineHalfUp,
    RoundingPolicy::FeeThenTax,
];

/// Lives a customer's commands, each at nine o'clock of its day, under a rounding policy.
struct Life {
    ledger: Ledger<MemoryLog>,
    stream: StreamId,
    commands: u32,
}

impl Life {
    async fn under(rounding: RoundingPolicy, stops: bool) -> Self {
        Self::ruled(|rules| {
            rules.rounding = rounding;
            rules.suspension.as_mut().unwrap().billing_stops = stops;
        })
        .await
    }

    async fn ruled(change: impl FnOnce(&mut Programme)) -> Self {
        let (log, journal) = (MemoryLog::default(), MemoryLog::default());
        let ledger = Ledger::open(log, journal, LedgerOptions::default()).await.unwrap();
        let stream = StreamId::Customer(CustomerId::try_new("acme").unwrap());
        let mut life = Self { ledger, stream, commands: 0 };
        let mut catalogue: Catalogue = toml::from_str(SEEDS_TOML).unwrap();
        let nce = ProgrammeId::try_new("nce").unwrap();
        change(catalogue.programmes.get_mut(&nce).unwrap());
        let import = Command::ImportCatalogue(ImportCatalogue { catalogue });
        life.send("2024-01-01", StreamId::Catalogue, import).await;
        life.does("2024-01-01", register()).await;
        life
    }

    async fn does(&mut self, day: &str, command: Command) {
        self.send(day, self.stream.clone(), command).await;
    }

    async fn send(&mut self, day: &str, stream: StreamId, command: Command) {
        self.commands += 1;
        let request = request(stream, command, self.commands, morning(day));
        self.ledger.execute(request).await.unwrap();
    }

    /// Every charge until a day.
    async fn charges(&self, until: &str) -> Vec<Charge> {
        let mut meter = Meter::new(self.stream.customer().unwrap().clone());
        let metered = async {
            let mut charges = Vec::new();
            for recorded in self.ledger.history(&self.stream).await.unwrap() {
                charges.extend(meter.add(&recorded)?);
            }
            charges.extend(meter.advance(until.parse().unwrap())?);
            Ok::<_, MoneyError>(charges)
        };
        let charges = metered.await.unwrap();
        let ids: BTreeSet<&str> = charges.iter().map(|charge| charge.line.id.as_str()).collect();
        assert_eq!(ids.len(), charges.len(), "every line has an id of its own");
        charges
    }

    /// What one subscription was charged until a day.
    async fn total_of(&self, id: &SubscriptionId, until: &str) -> Decimal {
        let charges = self.charges(until).await;
        let of = charges.iter().filter(|charge| charge.line.subscription == *id);
        of.map(|charge| charge.line.amount.amount).sum()
    }

    async fn total(&self, until: &str) -> Decimal {
        self.charges(until).await.iter().map(|charge| charge.line.amount.amount).sum()
    }
}

fn by_the_month(seats: u32) -> Command {
    let offer = OfferId::try_new("office-365-e3").unwrap();
    Command::Purchase(Purchase::new(s1(), offer, TermDuration::P1Y, BillingCycle::Monthly, seats))
}

fn correction(from: &str) -> RecordCorrection {
    RecordCorrection {
        subscription: s1(),
        quantity: None,
        term_end: None,
        unit_price: None,
        end_of_term: None,
        effective_at: format!("{from}T09:00:00Z").parse().unwrap(),
    }
}

fn suspend() -> Command {
    Command::Suspend(Suspend { subscription: s1(), vendor_reasons: Vec::new() })
}

fn resume() -> Command {
    Command::Resume(Resume { subscription: s1() })
}

#[tokio::test]
async fn a_purchase_that_is_corrected_costs_what_the_right_one_would_have_cost() {
    for rounding in POLICIES {
        let mut wrong = Life::under(rounding, true).await;
        let mut right = Life::under(rounding, true).await;
        wrong.does("2024-01-31", by_the_month(13)).await;
        right.does("2024-01-31", by_the_month(7)).await;
        for life in [&mut wrong, &mut right] {
            life.does("2024-03-12", suspend()).await;
            life.does("2024-05-20", resume()).await;
        }
        let quantity = Some(7);
        let corrected = RecordCorrection { quantity, ..correction("2024-01-31") };
        wrong.does("2024-06-05", Command::RecordCorrection(corrected)).await;
        for life in [&mut wrong, &mut right] {
            life.does("2024-06-17", add_seats(3)).await;
        }
        assert_eq!(wrong.total("2024-09-01").await, right.total("2024-09-01").await, "{rounding}");
    }
}

#[tokio::test]
async fn seats_that_were_added_meanwhile_are_part_of_what_is_corrected() {
    for rounding in POLICIES {
        let mut wrong = Life::under(rounding, false).await;
        let mut right = Life::under(rounding, false).await;
        for life in [&mut wrong, &mut right] {
            life.does("2024-01-31", by_the_month(9)).await;
        }
        wrong.does("2024-02-11", add_seats(4)).await;
        let quantity = Some(11);
        let corrected = RecordCorrection { quantity, ..correction("2024-02-07") };
        wrong.does("2024-04-02", Command::RecordCorrection(corrected)).await;
        right.does("2024-02-07", add_seats(2)).await;
        assert_eq!(wrong.total("2024-07-01").await, right.total("2024-07-01").await, "{rounding}");
    }
}

#[tokio::test]
async fn a_refund_in_full_leaves_nothing_under_any_rounding() {
    for rounding in POLICIES {
        let mut life = Life::under(rounding, true).await;
        life.does("2024-01-31", by_the_month(10)).await;
        life.does("2024-01-31", add_seats(2)).await;
        life.does("2024-01-31", Command::Cancel(Cancel { subscription: s1() })).await;
        assert_eq!(life.total("2024-09-01").await, Decimal::ZERO, "{rounding}");
    }
}

#[tokio::test]
async fn no_cycle_is_charged_that_begins_while_billing_is_stopped() {
    let mut life = Life::under(RoundingPolicy::UnitTruncate, true).await;
    life.does("2024-03-01", by_the_month(10)).await;
    life.does("2024-03-11", suspend()).await;
    life.does("2024-05-16", resume()).await;
    let charges = life.charges("2024-06-30").await;
    let told: Vec<_> = charges
        .iter()
        .map(|charge| (charge.line.period.start.to_string(), charge.line.amount.to_string()))
        .collect();
    // 21 of 31 days at 13.34; 16 of 31 days: 19.70 x 16 / 31 = 10.1677..., cut to 10.16
    let expected = [
        ("2024-03-01", "197.00 EUR"),
        ("2024-03-11", "-133.40 EUR"),
        ("2024-05-16", "101.60 EUR"),
        ("2024-06-01", "197.00 EUR"),
    ];
    assert_eq!(told, expected.map(|(day, amount)| (day.to_owned(), amount.to_owned())));
}

#[tokio::test]
async fn days_credited_beyond_a_corrected_end_are_not_charged_by_a_later_cycle() {
    let mut life = Life::under(RoundingPolicy::UnitTruncate, true).await;
    life.does("2024-03-01", by_the_month(10)).await;
    let ends = |day: &str| {
        let term_end = Some(day.parse().unwrap());
        Command::RecordCorrection(RecordCorrection { term_end, ..correction("2024-03-01") })
    };
    life.does("2024-04-10", ends("2024-04-20")).await;
    // April: 197.00, less 10 of 30 days at 6.56
    let until_the_end = life.total("2024-09-01").await;
    assert_eq!(until_the_end.to_string(), "328.40");
    life.does("2024-04-12", ends("2025-02-28")).await;
    // these days again, and May
    assert_eq!(life.total("2024-05-31").await.to_string(), "591.00");
}

#[tokio::test]
async fn a_credit_and_the_free_days_of_a_trial_are_on_the_bill() {
    let mut life = Life::under(RoundingPolicy::UnitTruncate, true).await;
    let offer = OfferId::try_new("office-365-e3").unwrap();
    let trial = Command::StartTrial(StartTrial { subscription: s1(), offer });
    life.does("2024-03-01", trial).await;
    let term_end = "2024-04-14".parse().unwrap();
    let extend = Command::ExtendTrial(ExtendTrial { subscription: s1(), term_end });
    life.does("2024-03-20", extend).await;
    let amount = "2.5".parse().unwrap();
    let credit = Command::GrantCredit(GrantCredit { subscription: s1(), amount });
    life.does("2024-03-21", credit).await;
    let charges = life.charges("2024-04-14").await;
    let told: Vec<_> = charges
        .iter()
        .map(|charge| {
            let word = serde_json::to_value(charge.line.charge_type).unwrap();
            (word, charge.line.amount.to_string(), charge.charged_on.to_string())
        })
        .collect();
    let expected =
        [("extendTerm", "0.00 EUR", "2024-03-20"), ("customerCredit", "-2.50 EUR", "2024-03-21")];
    let expected =
        expected.map(|(word, amount, day)| (word.into(), amount.to_owned(), day.to_owned()));
    assert_eq!(told, expected);
}

#[tokio::test]
async fn what_is_taken_over_is_rounded_by_the_rules_that_it_came_under() {
    let mut life = Life::under(RoundingPolicy::LineHalfUp, true).await;
    let import = ImportOpeningBalance {
        subscription: s1(),
        offer: OfferId::try_new("office-365-e3").unwrap(),
        offer_title: None,
        status: "active".to_owned(),
        suspension_reasons: Vec::new(),
        term: TermDuration::P1Y,
        billing: BillingCycle::Monthly,
        quantity: 3,
        unit_price: Some("1.005".parse().unwrap()),
        term_start: "2024-01-01".parse().unwrap(),
        term_end: "2024-12-31".parse().unwrap(),
        end_of_term: EndOfTermAction::Renew,
        bought_at: None,
        cancel_until: None,
        refundable: Vec::new(),
        trial: false,
        unknown: [].into(),
        effective_at: "2024-03-10T00:00:00Z".parse().unwrap(),
    };
    life.does("2024-03-12", Command::ImportOpeningBalance(import)).await;
    let charges = life.charges("2024-04-30").await;
    // April alone: 1.005 x 3 = 3.015, to the nearest 3.02. March was charged elsewhere.
    let told: Vec<_> = charges.iter().map(|charge| charge.line.formula.clone()).collect();
    assert_eq!(told, ["1.005 x 30/30 days x 3 seats = 3.02, line-half-up"]);
}

fn id(text: &str) -> SubscriptionId {
    SubscriptionId::try_new(text).unwrap()
}

fn bought(subscription: SubscriptionId, offer: &str, seats: u32) -> Command {
    let offer = OfferId::try_new(offer).unwrap();
    let (term, billing) = (TermDuration::P1Y, BillingCycle::Monthly);
    Command::Purchase(Purchase::new(subscription, offer, term, billing, seats))
}

fn upgrade(subscription: SubscriptionId, offer: &str, seats: u32, into: UpgradeInto) -> Command {
    let target_offer = OfferId::try_new(offer).unwrap();
    let (quantity, transfer) = (Some(seats), Transfer::default());
    Command::Upgrade(Upgrade { subscription, quantity, target_offer, into, transfer })
}

/// Seats of `s1` come and go in the first forty days: bought, given back, moved from `low`, and moved away.
async fn moving(seed: u64) -> Life {
    let rounding = POLICIES[usize::try_from(seed % 4).unwrap()];
    let mut life = Life::ruled(|rules| {
        rules.rounding = rounding;
        rules.upgrades.refuses_target_in_window = false;
        for window in &mut rules.windows {
            (window.cancel_hours, window.reduce_hours) = (Some(1_200), Some(1_200));
            window.full_refund_hours = Some(1_200);
        }
    })
    .await;
    let mut random = Random::new(seed);
    let mut seats = |most: u64| u32::try_from(1 + random.below(most)).unwrap();
    life.does("2024-03-05", bought(id("low"), "office-365-e1", 1_000)).await;
    life.does("2024-03-05", bought(id("high"), "office-365-e5", 1)).await;
    life.does("2024-03-05", bought(s1(), "office-365-e3", 100 + seats(20))).await;
    let mut day = 5;
    for step in 0..8 {
        day += seats(5) - 1;
        let on = if day <= 31 {
            format!("2024-03-{day:02}")
        } else {
            format!("2024-04-{:02}", day - 31)
        };
        let existing = |text| UpgradeInto::Existing(ExistingTarget { subscription: id(text) });
        let command = match seats(5) {
            1 => add_seats(seats(9)),
            2 => Command::RemoveSeats(RemoveSeats { subscription: s1(), seats: seats(9) }),
            3 => upgrade(id("low"), "office-365-e3", seats(9), existing("s1")),
            4 => upgrade(s1(), "office-365-e5", seats(9), existing("high")),
            _ => {
                let (subscription, end_date) = (id(&format!("new{step}")), EndDate::Coterminous);
                let (term, billing, promotion) = (None, None, None);
                let target = NewTarget { subscription, end_date, term, billing, promotion };
                upgrade(s1(), "office-365-e5", seats(9), UpgradeInto::New(target))
            }
        };
        life.does(&on, command).await;
    }
    life
}

#[tokio::test]
async fn a_full_refund_leaves_nothing_however_many_seats_moved_under_any_rounding() {
    for seed in 0..200 {
        let mut life = moving(seed).await;
        life.does("2024-04-20", Command::Cancel(Cancel { subscription: s1() })).await;
        let left = life.total_of(&s1(), "2024-04-20").await;
        assert!(left.is_zero(), "{left} is left under seed {seed}");
    }
}

#[tokio::test]
async fn a_corrected_quantity_costs_what_it_would_have_cost_however_many_seats_moved() {
    for seed in 0..200 {
        let mut life = moving(seed).await;
        let right = RecordCorrection { quantity: Some(7), ..correction("2024-03-05") };
        life.does("2024-04-20", Command::RecordCorrection(right)).await;
        // 19.70 x 7 from 5 March on and from 5 April on.
        let total = life.total_of(&s1(), "2024-04-20").await;
        assert_eq!(total.to_string(), "275.80", "seed {seed}");
    }
}
