//! Exact amounts. Decimals only, rounded once, by a policy that has a name.

use std::fmt;
use std::str::FromStr;

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

/// Why an amount could not be computed. Nothing is rounded, guessed or defaulted instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The result has more digits than an exact decimal holds.
    #[error("the amount is too large to be computed exactly")]
    Overflow,
    /// A share of a cycle without days was asked for.
    #[error("a charge cycle without days has no daily price")]
    EmptyCycle,
    /// Two currencies met.
    #[error("amounts in {0} and {1} cannot be added")]
    CurrencyMismatch(Currency, Currency),
}

/// A currency of ISO 4217 in which offers are sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Currency {
    /// Swiss franc.
    CHF,
    /// Renminbi.
    CNY,
    /// Euro.
    EUR,
    /// Pound sterling.
    GBP,
    /// Indian rupee.
    INR,
    /// Yen.
    JPY,
    /// United States dollar.
    USD,
}

impl Currency {
    /// Digits after the decimal point of an invoiced amount.
    #[must_use]
    pub const fn digits(self) -> u32 {
        match self {
            Self::JPY => 0,
            Self::CHF | Self::CNY | Self::EUR | Self::GBP | Self::INR | Self::USD => 2,
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The text names no currency in which offers are sold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is none of CHF, CNY, EUR, GBP, INR, JPY, USD")]
pub struct UnknownCurrency(String);

impl FromStr for Currency {
    type Err = UnknownCurrency;

    fn from_str(text: &str) -> Result<Self, UnknownCurrency> {
        [Self::CHF, Self::CNY, Self::EUR, Self::GBP, Self::INR, Self::JPY, Self::USD]
            .into_iter()
            .find(|currency| currency.to_string() == text)
            .ok_or_else(|| UnknownCurrency(text.to_owned()))
    }
}

/// An exact amount in one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// Decimal amount, not rounded.
    pub amount: Decimal,
    /// Its currency.
    pub currency: Currency,
}

impl Money {
    /// Returns the sum.
    ///
    /// # Errors
    ///
    /// [`MoneyError`] when the currencies differ or the sum is too large.
    pub fn try_add(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::CurrencyMismatch(self.currency, other.currency));
        }
        let amount = self.amount.checked_add(other.amount).ok_or(MoneyError::Overflow)?;
        Ok(Self { amount, currency: self.currency })
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount, self.currency)
    }
}

/// When and how a charge is rounded. Source: domain, section 4.3 and section 11, no. 4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RoundingPolicy {
    /// The price of one seat is cut towards zero, then multiplied.
    #[default]
    UnitTruncate,
    /// The whole line is cut towards zero.
    LineTruncate,
    /// The whole line is rounded to the nearest, halves away from zero.
    LineHalfUp,
    /// The same, and then its tax, on its own: the tax of a bill is the sum of its lines' taxes.
    FeeThenTax,
}

impl fmt::Display for RoundingPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnitTruncate => "unit-truncate",
            Self::LineTruncate => "line-truncate",
            Self::LineHalfUp => "line-half-up",
            Self::FeeThenTax => "fee-then-tax",
        })
    }
}

/// The part of a charge cycle that is charged: of so many days or months so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fraction {
    /// How many.
    pub part: u32,
    /// Of how many.
    pub whole: u32,
}

/// A price for part of a charge cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prorated {
    /// Price of one seat for the billable days; cut to cents under [`RoundingPolicy::UnitTruncate`].
    pub effective_unit_price: Decimal,
    /// The line: rounded once, negative when the quantity is.
    pub total: Money,
}

/// Returns what `quantity` seats cost for `part` of a cycle of `whole` days or months.
///
/// `unit_price` is the price of one seat for a whole cycle. Multiplied first and divided once, so
/// that nothing is lost before the one rounding. Source: domain, sections 4.2 and 4.3.
///
/// # Errors
///
/// [`MoneyError`] when the cycle has no days or the amount is too large.
pub fn prorate(
    unit_price: Money,
    quantity: i64,
    part: u32,
    whole: u32,
    policy: RoundingPolicy,
) -> Result<Prorated, MoneyError> {
    if whole == 0 {
        return Err(MoneyError::EmptyCycle);
    }
    let digits = unit_price.currency.digits();
    let quantity = Decimal::from(quantity);
    let shared =
        |amount: Decimal| amount.checked_div(Decimal::from(whole)).ok_or(MoneyError::Overflow);
    let times = |a: Decimal, b: Decimal| a.checked_mul(b).ok_or(MoneyError::Overflow);

    let all_of_part = times(unit_price.amount, Decimal::from(part))?;
    let unit = shared(all_of_part)?;
    let (effective_unit_price, amount) = match policy {
        RoundingPolicy::UnitTruncate => {
            let unit = unit.round_dp_with_strategy(digits, RoundingStrategy::ToZero);
            (unit, times(unit, quantity)?)
        }
        RoundingPolicy::LineTruncate => {
            let line = shared(times(all_of_part, quantity)?)?;
            (unit, line.round_dp_with_strategy(digits, RoundingStrategy::ToZero))
        }
        RoundingPolicy::LineHalfUp | RoundingPolicy::FeeThenTax => {
            let line = shared(times(all_of_part, quantity)?)?;
            (unit, line.round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero))
        }
    };
    let mut amount = amount;
    amount.rescale(digits);
    Ok(Prorated { effective_unit_price, total: Money { amount, currency: unit_price.currency } })
}

/// Returns `percent` hundredths of `amount`, rounded to the nearest, halves away from zero: a tax or a
/// margin.
///
/// # Errors
///
/// [`MoneyError`] when the result is too large.
pub fn share(amount: Money, percent: Decimal) -> Result<Money, MoneyError> {
    let exact = amount.amount.checked_mul(percent).ok_or(MoneyError::Overflow)?;
    let exact = exact.checked_div(Decimal::ONE_HUNDRED).ok_or(MoneyError::Overflow)?;
    let digits = amount.currency.digits();
    let mut rounded = exact.round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero);
    rounded.rescale(digits);
    Ok(Money { amount: rounded, currency: amount.currency })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eur(amount: &str) -> Money {
        Money { amount: amount.parse().unwrap(), currency: Currency::EUR }
    }

    fn line(price: &str, quantity: i64, days: u32, of: u32, policy: RoundingPolicy) -> String {
        prorate(eur(price), quantity, days, of, policy).unwrap().total.amount.to_string()
    }

    #[test]
    fn adding_two_seats_to_ten_gives_the_published_cents() {
        use RoundingPolicy::{LineHalfUp, LineTruncate, UnitTruncate};
        assert_eq!(line("10.08", -10, 28, 30, LineTruncate), "-94.08");
        assert_eq!(line("10.08", 12, 28, 30, LineTruncate), "112.89");
        assert_eq!(line("10.08", 12, 28, 30, UnitTruncate), "112.80");
        assert_eq!(line("10.08", 12, 28, 30, LineHalfUp), "112.90");
    }

    #[test]
    fn cancelling_and_upgrading_give_the_published_cents() {
        use RoundingPolicy::UnitTruncate;
        assert_eq!(line("10.08", -10, 29, 31, UnitTruncate), "-94.20");
        assert_eq!(line("10.08", -300, 23, 30, UnitTruncate), "-2316.00");
        assert_eq!(line("6.43", 300, 23, 30, UnitTruncate), "1476.00");
    }

    #[test]
    fn a_currency_without_cents_is_rounded_to_whole_units() {
        let yen = Money { amount: Decimal::from(1000), currency: Currency::JPY };
        let line = prorate(yen, 3, 10, 30, RoundingPolicy::LineTruncate).unwrap();
        assert_eq!(line.total.amount.to_string(), "1000");
        let unit = prorate(yen, 3, 10, 30, RoundingPolicy::UnitTruncate).unwrap();
        assert_eq!(unit.total.amount.to_string(), "999");
    }

    #[test]
    fn what_cannot_be_computed_is_an_error() {
        let huge = Money { amount: Decimal::MAX, currency: Currency::EUR };
        let policy = RoundingPolicy::LineTruncate;
        assert_eq!(prorate(huge, 2, 30, 30, policy), Err(MoneyError::Overflow));
        assert_eq!(prorate(eur("1"), 2, 30, 0, policy), Err(MoneyError::EmptyCycle));
        let yen = Money { amount: Decimal::ONE, currency: Currency::JPY };
        let mismatch = MoneyError::CurrencyMismatch(Currency::EUR, Currency::JPY);
        assert_eq!(eur("1").try_add(yen), Err(mismatch));
    }
}
