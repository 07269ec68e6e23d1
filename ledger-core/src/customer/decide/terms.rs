//! Longer terms and other rhythms of charging, in the middle of a term.

use super::{Context, Rejection};
use crate::customer::command::{ApplyBillingFrequency, ChangeBillingFrequency, ChangeTerm};
use crate::customer::event::Event;
use crate::customer::state::Customer;

pub(super) fn change(
    context: &Context<'_>,
    customer: &Customer,
    c: &ChangeTerm,
) -> Result<Vec<Event>, Rejection> {
    todo!("{context:?} {customer:?} {c:?}")
}

pub(super) fn choose_billing(
    context: &Context<'_>,
    customer: &Customer,
    c: &ChangeBillingFrequency,
) -> Result<Vec<Event>, Rejection> {
    todo!("{context:?} {customer:?} {c:?}")
}

pub(super) fn apply_billing(
    context: &Context<'_>,
    customer: &Customer,
    c: &ApplyBillingFrequency,
) -> Result<Vec<Event>, Rejection> {
    todo!("{context:?} {customer:?} {c:?}")
}
