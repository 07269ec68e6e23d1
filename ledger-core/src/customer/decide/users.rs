//! The users of a customer.

use super::{Context, Rejection};
use crate::customer::command::{AddUser, RemoveUser};
use crate::customer::event::Event;
use crate::customer::state::Customer;

pub(super) fn add(
    context: &Context<'_>,
    customer: &Customer,
    c: &AddUser,
) -> Result<Vec<Event>, Rejection> {
    todo!("{context:?} {customer:?} {c:?}")
}

pub(super) fn remove(
    context: &Context<'_>,
    customer: &Customer,
    c: &RemoveUser,
) -> Result<Vec<Event>, Rejection> {
    todo!("{context:?} {customer:?} {c:?}")
}
