//! Each cause by itself, with amounts computed by hand.

use chrono::{Days, NaiveDate};
use rust_decimal::Decimal;

use super::{OurLine, Reconciler, TheirLine};
use crate::calendar::Period;
use crate::charges::ChargeType;
use crate::customer::DifferenceCause;
use crate::ids::{CustomerId, SubscriptionId};
use crate::money::{Currency, RoundingPolicy};

fn number(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn first() -> NaiveDate {
    NaiveDate::from_ymd_opt(2024, 6, 20).unwrap()
}

/// So many days, the first being 20 June.
fn days(days: u64) -> Period {
    Period { start: first(), end: first() + Days::new(days - 1) }
}

fn ours(id: &str, price: &str, seats: i64, amount: &str, rounding: RoundingPolicy) -> OurLine {
    OurLine {
        id: id.into(),
        reference: "change".into(),
        customer: CustomerId::try_new("acme").unwrap(),
        subscription: SubscriptionId::try_new("s1").unwrap(),
        offer: "e3".into(),
        charge_type: ChargeType::AddQuantity,
        period: days(28),
        quantity: seats,
        unit_price: number(price),
        rate: None,
        billable_days: 28,
        cycle_days: 30,
        rounding,
        subtotal: number(amount),
        tax: Decimal::ZERO,
        tax_percent: Decimal::ZERO,
        currency: Currency::EUR,
    }
}

fn theirs(line: u64, price: &str, seats: i64, amount: &str) -> TheirLine {
    TheirLine {
        line,
        customer: "acme".into(),
        subscription: "s1".into(),
        offer: None,
        charge_type: "AddQuantity".into(),
        reference: None,
        period: days(28),
        quantity: Decimal::from(seats),
        unit_price: number(price),
        rate: None,
        subtotal: number(amount),
        tax: Decimal::ZERO,
        currency: Currency::EUR,
        other: [].into(),
    }
}

fn found(theirs: Vec<TheirLine>, ours: Vec<OurLine>) -> Vec<(DifferenceCause, String)> {
    let mut reconciler = Reconciler::new(ours).unwrap();
    for their in theirs {
        reconciler.add(their).unwrap();
    }
    let differences = reconciler.finish().unwrap().differences;
    let told = |found: super::Difference| (found.cause, found.amount.normalize().to_string());
    differences.into_iter().map(told).collect()
}

/// The cause of a single difference from 12 seats at 10.08 for 28 of 30 days, cut by the seat: 9.408 is
/// cut to 9.40, and 12 of them are 112.80.
fn cause(their: TheirLine) -> DifferenceCause {
    let our = ours("1", "10.08", 12, "112.80", RoundingPolicy::UnitTruncate);
    let found = found(vec![their], vec![our]);
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].0
}

#[test]
fn the_first_hypothesis_that_gives_their_amount_is_the_cause() {
    use DifferenceCause::{Days, Price, Quantity, RoundingPolicy, Unknown};
    // 10.08 x 28 / 30 x 12 = 112.896, cut; rounded; and as it is.
    assert_eq!(cause(theirs(2, "10.08", 12, "112.89")), RoundingPolicy);
    assert_eq!(cause(theirs(2, "10.08", 12, "112.90")), RoundingPolicy);
    // 11 x 28 / 30 = 10.2666... is cut to 10.26; 12 of them are 123.12.
    assert_eq!(cause(theirs(2, "11", 12, "123.12")), Price);
    // The same, cut as a line: 123.20. Their price is another, so it is blamed, not the rounding.
    assert_eq!(cause(theirs(2, "11", 12, "123.20")), Price);
    // 15 of 9.40.
    assert_eq!(cause(theirs(2, "10.08", 15, "141.00")), Quantity);
    // 29 days of 30: 9.744 is cut to 9.74; 27: 9.072 to 9.07; 30: the whole price; of 31: 9.104 to 9.10.
    for amount in ["116.88", "108.84", "120.96", "109.20"] {
        assert_eq!(cause(theirs(2, "10.08", 12, amount)), Days, "{amount}");
    }
    let longer = TheirLine { period: days(29), ..theirs(2, "10.08", 12, "116.88") };
    assert_eq!(cause(longer), Days);
    // 29 days and 15 seats: 146.10. Three seats move it by 28.20, a day by 4.08.
    let both = TheirLine { period: days(29), ..theirs(2, "10.08", 15, "146.10") };
    assert_eq!(cause(both), Quantity);
    assert_eq!(cause(theirs(2, "10.08", 12, "112.00")), Unknown);
}

#[test]
fn what_they_do_not_round_is_a_matter_of_rounding() {
    let our = ours("1", "10.08", 12, "112.89", RoundingPolicy::LineTruncate);
    let found = found(vec![theirs(2, "10.08", 12, "112.896")], vec![our]);
    assert_eq!(found, [(DifferenceCause::RoundingPolicy, "0.006".to_owned())]);
}

#[test]
fn other_days_with_the_same_amount_are_told_without_a_cent() {
    let our = ours("1", "10.08", 12, "112.80", RoundingPolicy::UnitTruncate);
    let earlier = Period { start: first() - Days::new(1), end: days(28).end - Days::new(1) };
    let their = TheirLine { period: earlier, ..theirs(2, "10.08", 12, "112.80") };
    assert_eq!(found(vec![their], vec![our]), [(DifferenceCause::Days, "0".to_owned())]);
}

/// Ten seats become twelve: -94.00 and 112.80.
fn pair() -> Vec<OurLine> {
    vec![
        ours("1", "10.08", -10, "-94.00", RoundingPolicy::UnitTruncate),
        ours("2", "10.08", 12, "112.80", RoundingPolicy::UnitTruncate),
    ]
}

#[test]
fn a_net_line_agrees_or_differs_as_a_whole() {
    assert_eq!(found(vec![theirs(2, "10.08", 2, "18.80")], pair()), []);
    // By the line, the legs are -94.08 and 112.89: 18.81.
    let rounded = found(vec![theirs(2, "10.08", 2, "18.81")], pair());
    assert_eq!(rounded, [(DifferenceCause::RoundingPolicy, "0.01".to_owned())]);
    // 11 x 28 / 30 is cut to 10.26, twice.
    let dearer = found(vec![theirs(2, "11", 2, "20.52")], pair());
    assert_eq!(dearer, [(DifferenceCause::Price, "1.72".to_owned())]);
}

#[test]
fn two_changes_of_a_day_in_one_are_another_order_of_the_same() {
    let mut lines = pair();
    // And twelve become fifteen.
    lines.push(ours("3", "10.08", -12, "-112.80", RoundingPolicy::UnitTruncate));
    lines.push(ours("4", "10.08", 15, "141.00", RoundingPolicy::UnitTruncate));
    let at_once = vec![theirs(2, "10.08", -10, "-94.00"), theirs(3, "10.08", 15, "141.00")];
    assert_eq!(found(at_once, lines.clone()), [(DifferenceCause::Order, "0".to_owned())]);
    // To sixteen is no other order.
    let more = vec![theirs(2, "10.08", -10, "-94.00"), theirs(3, "10.08", 16, "150.40")];
    let found = found(more, lines);
    assert!(found.iter().all(|(cause, _)| *cause == DifferenceCause::Quantity), "{found:?}");
}

#[test]
fn a_tax_that_follows_from_the_amount_is_no_difference_of_its_own() {
    let taxed = |their: TheirLine, tax: &str| TheirLine { tax: number(tax), ..their };
    let our = OurLine {
        tax: number("22.56"),
        tax_percent: number("20"),
        ..ours("1", "10.08", 12, "112.80", RoundingPolicy::UnitTruncate)
    };
    let one = |their| found(vec![their], vec![our.clone()]);
    // 20 % of 112.89 is 22.578.
    let follows = one(taxed(theirs(2, "10.08", 12, "112.89"), "22.58"));
    assert_eq!(follows, [(DifferenceCause::RoundingPolicy, "0.11".to_owned())]);
    let both = one(taxed(theirs(2, "10.08", 12, "112.89"), "22.60"));
    let tax = (DifferenceCause::Tax, "0.02".to_owned());
    assert_eq!(both, [(DifferenceCause::RoundingPolicy, "0.11".to_owned()), tax]);
    // A line that shows none says nothing about it.
    assert_eq!(one(theirs(2, "10.08", 12, "112.80")), []);
}

#[test]
fn a_customer_with_another_name_is_known_by_the_subscription() {
    let our = ours("1", "10.08", 12, "112.80", RoundingPolicy::UnitTruncate);
    let their = TheirLine { customer: "0f1e".into(), ..theirs(2, "10.08", 12, "112.80") };
    assert_eq!(found(vec![their.clone()], vec![our.clone()]), []);
    // Two customers have such a one: nobody is guessed.
    let other = OurLine { customer: CustomerId::try_new("beta").unwrap(), ..our.clone() };
    let found = found(vec![their], vec![our, other]);
    let causes: Vec<_> = found.into_iter().map(|(cause, _)| cause).collect();
    assert_eq!(
        causes,
        [DifferenceCause::OnlyTheirs, DifferenceCause::OnlyOurs, DifferenceCause::OnlyOurs]
    );
}
