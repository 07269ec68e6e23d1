//! Asking the reseller for more or fewer seats, and the answer.

use super::{Context, Rejection};
use crate::customer::command::{DeclineRequest, FulfilRequest, RequestQuantity};
use crate::customer::event::Event;
use crate::customer::state::Customer;

pub(super) fn request(
    context: &Context<'_>,
    customer: &Customer,
    c: &RequestQuantity,
) -> Result<Vec<Event>, Rejection> {
    todo!("{context:?} {customer:?} {c:?}")
}

pub(super) fn fulfil(
    context: &Context<'_>,
    customer: &Customer,
    c: &FulfilRequest,
) -> Result<Vec<Event>, Rejection> {
    todo!("{context:?} {customer:?} {c:?}")
}

pub(super) fn decline(
    context: &Context<'_>,
    customer: &Customer,
    c: &DeclineRequest,
) -> Result<Vec<Event>, Rejection> {
    todo!("{context:?} {customer:?} {c:?}")
}
