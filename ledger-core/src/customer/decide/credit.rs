//! Credits that no rule gives.

use rust_decimal::Decimal;

use super::lifecycle::by_operator;
use super::{Context, Rejection, known};
use crate::calendar::Period;
use crate::customer::command::GrantCredit;
use crate::customer::event::{ChargeBasis, CreditGranted, Event};
use crate::customer::state::Customer;
use crate::money::{Currency, Money};

/// No credit is as much as this: sums of credits stay exact.
const AMOUNT_END: i64 = 1_000_000_000_000;

/// A credit is for one subscription, which may have ended: whoever asks what it was for finds it there.
/// Source: domain, section 4.5.
pub(super) fn grant(
    context: &Context<'_>,
    customer: &Customer,
    c: &GrantCredit,
) -> Result<Vec<Event>, Rejection> {
    by_operator(context, "GrantCredit", "credits that no rule gives")?;
    let s = known(customer, &c.subscription)?;
    let unit_price = amount(c.amount, customer.profile.currency)?;
    let today = context.today();
    let day = Period { start: today, end: today };
    let rounding = s.rounding;
    let basis = ChargeBasis { unit_price, cycle: day, billable: day, rounding, by_months: None };

    Ok(vec![Event::CreditGranted(CreditGranted {
        subscription: s.id.clone(),
        offer: s.offer.clone(),
        basis,
        rules: context.rules_if_any(customer),
    })])
}

fn amount(asked: Decimal, currency: Currency) -> Result<Money, Rejection> {
    let mut amount = asked.normalize();
    let fits = Decimal::ZERO < amount && amount < Decimal::from(AMOUNT_END);
    if !fits || currency.digits() < amount.scale() {
        let expected = "an amount above 0 and below 1000000000000, with no more digits after the \
                        point than its currency has";
        return Err(Rejection::FieldInvalid { field: "amount", expected });
    }
    amount.rescale(currency.digits());
    Ok(Money { amount, currency })
}
