//! A second computation of every amount, with exact fractions: it knows nothing of decimals.
//!
//! `LEDGER_CASES=10000000 cargo test --release -p ledger-core --test oracle -- --nocapture` draws more cases,
//! `LEDGER_FIRST_SEED=4711` others.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stdout, reason = "how many cases were drawn is told")]

use std::path::Path;
use std::str::FromStr;

use ledger_core::billing::vectors::proration;
use ledger_core::money::{Currency, Money, RoundingPolicy, prorate, share};
use ledger_core::store::segment::simulated::Random;
use rust_decimal::Decimal;

/// Cases of every run: of the amounts themselves, and of what follows from them.
const CASES: u64 = 1_000_000;
const CASES_OF_OTHERS: u64 = 100_000;

const POLICIES: [RoundingPolicy; 4] = [
    RoundingPolicy::UnitTruncate,
    RoundingPolicy::LineTruncate,
    RoundingPolicy::LineHalfUp,
    RoundingPolicy::FeeThenTax,
];

/// An exact fraction; the denominator is positive.
#[derive(Clone, Copy, Debug)]
struct Fraction(i128, i128);

impl Fraction {
    fn of(decimal: Decimal) -> Self {
        Self(decimal.mantissa(), 10_i128.pow(decimal.scale()))
    }

    fn times(self, part: i128, whole: i128) -> Self {
        Self(self.0 * part, self.1 * whole)
    }

    fn plus(self, other: Self) -> Self {
        Self(self.0 * other.1 + other.0 * self.1, self.1 * other.1)
    }

    fn is(self, other: Self) -> bool {
        self.0 * other.1 == other.0 * self.1
    }

    /// Whole parts of `10^-digits`, cut towards zero.
    fn cut(self, digits: u32) -> i128 {
        self.0 * 10_i128.pow(digits) / self.1
    }

    /// The nearest number of them: the sign is put aside, and twice the value plus one is halved.
    fn nearest(self, digits: u32) -> i128 {
        let twice = 2 * self.0.abs() * 10_i128.pow(digits) + self.1;
        self.0.signum() * (twice / (2 * self.1))
    }
}

/// One case.
#[derive(Clone, Copy, Debug)]
struct Case {
    price: Decimal,
    seats: i64,
    days: u32,
    of: u32,
    currency: Currency,
    policy: RoundingPolicy,
}

impl Case {
    fn drawn(random: &mut Random) -> Self {
        let decimals = u32::try_from(random.below(7)).unwrap();
        let range = 10_u64.pow(u32::try_from(random.below(10)).unwrap());
        let price = Decimal::new(i64::try_from(random.below(range + 1)).unwrap(), decimals);
        let most = [1, 3, 30, 1_000, 100_000][usize::try_from(random.below(5)).unwrap()];
        let seats =
            i64::try_from(random.below(2 * most + 1)).unwrap() - i64::try_from(most).unwrap();
        let of = 1 + u32::try_from(random.below(1_096)).unwrap();
        let days = u32::try_from(random.below(u64::from(of) + 1)).unwrap();
        let currency = if random.flip() { Currency::EUR } else { Currency::JPY };
        let policy = POLICIES[usize::try_from(random.below(4)).unwrap()];
        Self { price, seats, days, of, currency, policy }
    }

    /// Seats first, then days: the other way round than the ledger.
    fn exact(self) -> Fraction {
        let seats = Fraction::of(self.price).times(self.seats.into(), 1);
        seats.times(self.days.into(), self.of.into())
    }

    /// The amount in the smallest units of the currency.
    fn expected(self) -> i128 {
        let digits = self.currency.digits();
        match self.policy {
            RoundingPolicy::UnitTruncate => {
                let unit = Fraction::of(self.price).times(self.days.into(), self.of.into());
                unit.cut(digits) * i128::from(self.seats)
            }
            RoundingPolicy::LineTruncate => self.exact().cut(digits),
            RoundingPolicy::LineHalfUp | RoundingPolicy::FeeThenTax => self.exact().nearest(digits),
        }
    }

    fn found(self) -> Money {
        let price = Money { amount: self.price, currency: self.currency };
        prorate(price, self.seats, self.days, self.of, self.policy).unwrap().total
    }
}

fn in_units(money: Money) -> i128 {
    assert_eq!(money.amount.scale(), money.currency.digits(), "{money}");
    money.amount.mantissa()
}

fn setting<T: FromStr>(name: &str, otherwise: T) -> T {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Draws cases, each from a seed of its own that is told when one fails.
fn for_each_case(otherwise: u64, check: impl Fn(&mut Random, Case)) {
    let first = setting("LEDGER_FIRST_SEED", 0_u64);
    let cases = setting("LEDGER_CASES", otherwise);
    for seed in first..first + cases {
        let mut random = Random::new(seed);
        let case = Case::drawn(&mut random);
        check(&mut random, case);
    }
    println!("{cases} cases from seed {first}");
}

#[test]
fn amounts_are_those_of_exact_fractions() {
    for_each_case(CASES, |_, case| assert_eq!(in_units(case.found()), case.expected(), "{case:?}"));
}

#[test]
fn a_tax_or_margin_is_that_of_an_exact_fraction() {
    for_each_case(CASES_OF_OTHERS, |random, case| {
        let percent = Decimal::new(i64::try_from(random.below(1_000_001)).unwrap(), 4);
        let Fraction(part, whole) = Fraction::of(percent);
        let total = case.found();
        let expected = Fraction::of(total.amount).times(part, whole * 100);
        let found = in_units(share(total, percent).unwrap());
        assert_eq!(found, expected.nearest(case.currency.digits()), "{percent} % of {case:?}");
    });
}

#[test]
fn what_is_cut_off_a_line_is_less_than_a_cent_of_it_or_of_each_of_its_seats() {
    for_each_case(CASES_OF_OTHERS, |_, case| {
        let scale = 10_i128.pow(case.currency.digits());
        let Fraction(exact, whole) = case.exact();
        // In parts of `whole` of a cent.
        let off = exact * scale - in_units(case.found()) * whole;
        let most = match case.policy {
            RoundingPolicy::UnitTruncate => i128::from(case.seats.abs().max(1)) * whole,
            RoundingPolicy::LineTruncate => whole,
            RoundingPolicy::LineHalfUp | RoundingPolicy::FeeThenTax => whole / 2 + 1,
        };
        assert!(off.abs() < most, "{off} of {most}: {case:?}");
        let is_towards_zero = off == 0 || (off < 0) == (exact < 0);
        let cuts =
            matches!(case.policy, RoundingPolicy::UnitTruncate | RoundingPolicy::LineTruncate);
        assert!(!cuts || is_towards_zero, "{case:?}");
    });
}

#[test]
fn a_credit_is_its_charge_with_the_other_sign() {
    for_each_case(CASES_OF_OTHERS, |_, case| {
        let credit = Case { seats: -case.seats, ..case };
        assert_eq!(in_units(credit.found()), -in_units(case.found()), "{case:?}");
    });
}

#[test]
fn splitting_a_period_loses_nothing_before_rounding() {
    for_each_case(CASES_OF_OTHERS, |random, case| {
        let first = u32::try_from(random.below(u64::from(case.days) + 1)).unwrap();
        let before = Case { days: first, ..case };
        let after = Case { days: case.days - first, ..case };
        assert!(before.exact().plus(after.exact()).is(case.exact()), "{case:?}");
        // And after it at most what rounding two lines and one can differ by.
        let apart = in_units(before.found()) + in_units(after.found()) - in_units(case.found());
        let most = match case.policy {
            RoundingPolicy::UnitTruncate => i128::from(case.seats.abs()),
            RoundingPolicy::LineTruncate
            | RoundingPolicy::LineHalfUp
            | RoundingPolicy::FeeThenTax => 1,
        };
        assert!(apart.abs() <= most, "{apart}: {case:?}");
    });
}

#[test]
fn every_published_case_comes_out_of_the_fractions_too() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/vectors/proration.csv");
    let text = std::fs::read_to_string(path).unwrap();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().unwrap().clone();
    let mut cases = 0;
    for row in reader.records() {
        let row = row.unwrap();
        let cell = |name: &str| &row[header.iter().position(|column| column == name).unwrap()];
        let expected: Decimal = cell("expected").parse().unwrap();
        let tax = cell("rounding").strip_prefix("fee_then_tax");
        let policy = match cell("rounding") {
            "unit:trunc" | "unit-truncate" => RoundingPolicy::UnitTruncate,
            "line:trunc" | "line-truncate" => RoundingPolicy::LineTruncate,
            _ => RoundingPolicy::LineHalfUp,
        };
        let seats: i64 = cell("qty").parse().unwrap();
        let case = Case {
            price: cell("price").parse().unwrap(),
            seats: if expected.is_sign_negative() { -seats } else { seats },
            days: cell("days").parse().unwrap(),
            of: cell("denom").parse().unwrap(),
            currency: cell("currency").parse().unwrap(),
            policy,
        };
        let fee = case.expected();
        let percent: i128 =
            tax.map_or(0, |tax| tax.strip_suffix(":half_up").unwrap().parse().unwrap());
        let found = fee + Fraction(fee * percent, 100).nearest(0);
        assert_eq!(found, in_units(Money { amount: expected, currency: case.currency }), "{row:?}");
        cases += 1;
    }
    assert_eq!(cases, proration(&text, None).unwrap().len());
    assert!(proration(&text, None).unwrap().iter().all(|verdict| verdict.ok));
}
