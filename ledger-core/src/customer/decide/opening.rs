//! What is told about the time before the ledger, and what is put right.

use super::{Context, Rejection};
use crate::customer::command::{ImportOpeningBalance, RecordCorrection};
use crate::customer::event::Event;
use crate::customer::state::Customer;

pub(super) fn import(
    context: &Context<'_>,
    customer: &Customer,
    c: &ImportOpeningBalance,
) -> Result<Vec<Event>, Rejection> {
    todo!("{context:?} {customer:?} {c:?}")
}

pub(super) fn correct(
    context: &Context<'_>,
    customer: &Customer,
    c: &RecordCorrection,
) -> Result<Vec<Event>, Rejection> {
    todo!("{context:?} {customer:?} {c:?}")
}
