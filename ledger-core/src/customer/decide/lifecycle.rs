//! Suspending, resuming, and what follows the end.

use super::{Context, Rejection};
use crate::customer::command::{Delete, Disable, Rename, Resume, Suspend};
use crate::customer::event::Event;
use crate::customer::state::Customer;

pub(super) fn suspend(
    context: &Context<'_>,
    customer: &Customer,
    c: &Suspend,
) -> Result<Vec<Event>, Rejection> {
    todo!("{context:?} {customer:?} {c:?}")
}

pub(super) fn resume(
    context: &Context<'_>,
    customer: &Customer,
    c: &Resume,
) -> Result<Vec<Event>, Rejection> {
    todo!("{context:?} {customer:?} {c:?}")
}

pub(super) fn disable(
    context: &Context<'_>,
    customer: &Customer,
    c: &Disable,
) -> Result<Vec<Event>, Rejection> {
    todo!("{context:?} {customer:?} {c:?}")
}

pub(super) fn delete(
    context: &Context<'_>,
    customer: &Customer,
    c: &Delete,
) -> Result<Vec<Event>, Rejection> {
    todo!("{context:?} {customer:?} {c:?}")
}

pub(super) fn rename(customer: &Customer, c: &Rename) -> Result<Vec<Event>, Rejection> {
    todo!("{customer:?} {c:?}")
}
