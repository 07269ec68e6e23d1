//! Why two lines differ: each hypothesis is computed, and the first one that gives their amount to the
//! cent is the cause.

use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};

use super::lines::{OurLine, TheirLine};
use crate::customer::DifferenceCause;
use crate::money::{Currency, Money, RoundingPolicy, prorate};

/// The policies whose lines differ. `fee-then-tax` rounds a line as `line-half-up` does.
pub(super) const POLICIES: [RoundingPolicy; 3] =
    [RoundingPolicy::UnitTruncate, RoundingPolicy::LineTruncate, RoundingPolicy::LineHalfUp];

/// Lengths of cycles that others divide by: months of any length, and years of days.
const CYCLES: [u32; 7] = [28, 29, 30, 31, 360, 365, 366];

/// What an amount is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) unit_price: Decimal,
    pub(super) rate: Option<Decimal>,
    pub(super) quantity: i64,
    pub(super) days: u32,
    pub(super) cycle: u32,
    pub(super) currency: Currency,
}

impl Facts {
    pub(super) const fn of(our: &OurLine) -> Self {
        Self {
            unit_price: our.unit_price,
            rate: our.rate,
            quantity: our.quantity,
            days: our.billable_days,
            cycle: our.cycle_days,
            currency: our.currency,
        }
    }

    /// Puts other seats; false when they are no whole number.
    pub(super) fn set_quantity(&mut self, seats: Decimal) -> bool {
        let whole = seats.fract().is_zero().then(|| seats.to_i64()).flatten();
        self.quantity = whole.unwrap_or(self.quantity);
        whole.is_some()
    }

    /// The amount under a policy; `None` when it cannot be computed.
    pub(super) fn amount(&self, policy: RoundingPolicy) -> Option<Decimal> {
        let Self { quantity, days, cycle, currency, .. } = *self;
        let price = Money { amount: self.price()?, currency };
        Some(prorate(price, quantity, days, cycle, policy).ok()?.total.amount)
    }

    /// The unit price in the currency of the bill.
    fn price(&self) -> Option<Decimal> {
        self.rate.map_or(Some(self.unit_price), |rate| self.unit_price.checked_mul(rate))
    }

    /// `10.08 x 1.0837 x 28/30 days x 12 seats = 112.89 under line-truncate`.
    pub(super) fn told(&self, amount: Decimal, policy: RoundingPolicy) -> String {
        let Self { unit_price, quantity, days, cycle, .. } = self;
        let rate = self.rate.map(|rate| format!(" x {rate}")).unwrap_or_default();
        format!(
            "{unit_price}{rate} x {days}/{cycle} days x {quantity} seats = {amount} under {policy}"
        )
    }
}

/// What their line says otherwise than ours, in the order in which it is blamed.
fn stated(their: &TheirLine, our: &OurLine) -> Vec<DifferenceCause> {
    let quantity = their.quantity != Decimal::from(our.quantity);
    let rate = match (their.rate, our.rate) {
        (Some(theirs), Some(ours)) => theirs != ours,
        (Some(theirs), None) => theirs != Decimal::ONE && !theirs.is_zero(),
        (None, _) => false,
    };
    [
        (quantity, DifferenceCause::Quantity),
        (their.period != our.period, DifferenceCause::Days),
        (their.unit_price != our.unit_price, DifferenceCause::Price),
        (rate, DifferenceCause::ExchangeRate),
    ]
    .into_iter()
    .filter_map(|(differs, cause)| differs.then_some(cause))
    .collect()
}

/// Our facts, with those of theirs that `causes` name; `None` for seats that are no whole number.
fn replaced(our: &OurLine, their: &TheirLine, causes: &[DifferenceCause]) -> Option<Facts> {
    let mut facts = Facts::of(our);
    for cause in causes {
        match cause {
            DifferenceCause::Quantity => {
                if !facts.set_quantity(their.quantity) {
                    return None;
                }
            }
            DifferenceCause::Days => facts.days = their.period.days(),
            DifferenceCause::Price => facts.unit_price = their.unit_price,
            DifferenceCause::ExchangeRate => facts.rate = their.rate,
            DifferenceCause::RoundingPolicy
            | DifferenceCause::Order
            | DifferenceCause::Tax
            | DifferenceCause::OnlyTheirs
            | DifferenceCause::OnlyOurs
            | DifferenceCause::Unknown => {}
        }
    }
    Some(facts)
}

/// The cause of a difference between two lines, and the computation that shows it.
pub(super) fn explain(their: &TheirLine, our: &OurLine) -> (DifferenceCause, String) {
    let stated = stated(their, our);
    if their.subtotal == our.subtotal {
        let cause = stated.first().copied().unwrap_or(DifferenceCause::Unknown);
        return (cause, format!("{}; the amount is the same", told_facts(their, our)));
    }
    let found = alone(&stated, their, our, &[our.rounding])
        .or_else(|| rounding(their, our))
        .or_else(|| together(&stated, their, our, &[our.rounding]))
        .or_else(|| alone(&stated, their, our, &POLICIES))
        .or_else(|| together(&stated, their, our, &POLICIES))
        .or_else(|| days(&stated, their, our));
    let (cause, facts, policy) = match found {
        Some(Found::Facts(cause, facts, policy)) => (cause, facts, policy),
        Some(Found::Unrounded(facts)) => {
            let exact = their.subtotal.normalize();
            let told = format!("{exact} is not rounded; ours is {}", ours(facts, our));
            return (DifferenceCause::RoundingPolicy, told);
        }
        None => {
            let told = format!(
                "no hypothesis gives {}; ours is {}",
                their.subtotal,
                ours(Facts::of(our), our)
            );
            return (DifferenceCause::Unknown, format!("{}; {told}", told_facts(their, our)));
        }
    };
    let told = facts.told(their.subtotal, policy);
    (cause, format!("{told}; ours is {}", ours(Facts::of(our), our)))
}

fn ours(facts: Facts, our: &OurLine) -> String {
    facts.told(our.subtotal, our.rounding)
}

/// What both lines say, where it is not the same.
fn told_facts(their: &TheirLine, our: &OurLine) -> String {
    let mut told = Vec::new();
    if their.quantity != Decimal::from(our.quantity) {
        told.push(format!("{} seats, ours {}", their.quantity, our.quantity));
    }
    if their.period != our.period {
        let days = |period: crate::calendar::Period| format!("{} to {}", period.start, period.end);
        told.push(format!("{}, ours {}", days(their.period), days(our.period)));
    }
    if their.unit_price != our.unit_price {
        told.push(format!("a price of {}, ours {}", their.unit_price, our.unit_price));
    }
    if told.is_empty() { "both say the same".to_owned() } else { told.join("; ") }
}

/// What gave their amount.
enum Found {
    Facts(DifferenceCause, Facts, RoundingPolicy),
    Unrounded(Facts),
}

/// One thing that they say otherwise.
fn alone(
    stated: &[DifferenceCause],
    their: &TheirLine,
    our: &OurLine,
    policies: &[RoundingPolicy],
) -> Option<Found> {
    stated.iter().find_map(|cause| {
        let facts = replaced(our, their, &[*cause])?;
        gives(their, facts, policies).map(|policy| Found::Facts(*cause, facts, policy))
    })
}

/// Another rounding of what both say.
fn rounding(their: &TheirLine, our: &OurLine) -> Option<Found> {
    let facts = Facts::of(our);
    if let Some(policy) = gives(their, facts, &POLICIES) {
        return Some(Found::Facts(DifferenceCause::RoundingPolicy, facts, policy));
    }
    let digits = our.currency.digits();
    let is_fine = digits < their.subtotal.normalize().scale();
    let rounded = |strategy| their.subtotal.round_dp_with_strategy(digits, strategy);
    let strategies = [RoundingStrategy::ToZero, RoundingStrategy::MidpointAwayFromZero];
    let is_ours = strategies.into_iter().any(|strategy| rounded(strategy) == our.subtotal);
    (is_fine && is_ours).then_some(Found::Unrounded(facts))
}

/// All that they say otherwise; the cause is what moves the amount most by itself.
fn together(
    stated: &[DifferenceCause],
    their: &TheirLine,
    our: &OurLine,
    policies: &[RoundingPolicy],
) -> Option<Found> {
    if stated.len() < 2 {
        return None;
    }
    let facts = replaced(our, their, stated)?;
    let policy = gives(their, facts, policies)?;
    let moved = |cause: DifferenceCause| {
        let amount = replaced(our, their, &[cause])?.amount(our.rounding)?;
        amount.checked_sub(our.subtotal).map(|moved| moved.abs())
    };
    // Of equal ones, the first is blamed.
    let cause = stated.iter().rev().copied().max_by_key(|cause| moved(*cause))?;
    Some(Found::Facts(cause, facts, policy))
}

/// Days counted otherwise, which no line says: a day more or less, as another time zone gives, the whole
/// cycle, or a cycle of another length.
fn days(stated: &[DifferenceCause], their: &TheirLine, our: &OurLine) -> Option<Found> {
    let own = Facts::of(our);
    let counted = replaced(our, their, stated)?;
    let whole = |cycle| Facts { days: cycle, cycle, ..own };
    let shifted = [own.days.saturating_add(1), own.days.saturating_sub(1)];
    let shifted = shifted.into_iter().map(|days| Facts { days, ..own });
    let divided =
        CYCLES.into_iter().flat_map(|cycle| [Facts { cycle, ..own }, Facts { cycle, ..counted }]);
    let mut tries = shifted.chain([whole(own.cycle)]).chain(divided);
    tries.find_map(|facts| {
        let policy = gives(their, facts, &[our.rounding])?;
        Some(Found::Facts(DifferenceCause::Days, facts, policy))
    })
}

/// The policy under which these facts give their amount.
fn gives(their: &TheirLine, facts: Facts, policies: &[RoundingPolicy]) -> Option<RoundingPolicy> {
    policies.iter().copied().find(|policy| facts.amount(*policy) == Some(their.subtotal))
}
