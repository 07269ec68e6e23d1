//! Trials: starting, converting and ending them.

use super::{Context, Rejection};
use crate::customer::command::{ConvertTrial, EndTrial, StartTrial};
use crate::customer::event::Event;
use crate::customer::state::Customer;

pub(super) fn start(
    context: &Context<'_>,
    customer: &Customer,
    c: &StartTrial,
) -> Result<Vec<Event>, Rejection> {
    todo!("{context:?} {customer:?} {c:?}")
}

pub(super) fn convert(
    context: &Context<'_>,
    customer: &Customer,
    c: &ConvertTrial,
) -> Result<Vec<Event>, Rejection> {
    todo!("{context:?} {customer:?} {c:?}")
}

pub(super) fn end(
    context: &Context<'_>,
    customer: &Customer,
    c: &EndTrial,
) -> Result<Vec<Event>, Rejection> {
    todo!("{context:?} {customer:?} {c:?}")
}
