//! Planning the next term.

use super::limits::not_zero;
use super::renewal::keeps_limits;
use super::{Context, Rejection, changeable};
use crate::calendar::renewal_due;
use crate::customer::command::{
    AlignEndDate, ChangeRenewalSettings, EndOfTermAction, ScheduleRenewalQuantity, ScheduleUpgrade,
    WithdrawScheduledChange,
};
use crate::customer::event::{Event, RenewalQuantityScheduled};
use crate::customer::state::Customer;

pub(super) fn quantity(
    context: &Context<'_>,
    customer: &Customer,
    c: &ScheduleRenewalQuantity,
) -> Result<Vec<Event>, Rejection> {
    let s = changeable(context, customer, &c.subscription)?;
    let planned = s.scheduled.as_ref().map_or(s.quantity, |scheduled| scheduled.quantity);
    not_zero(c.quantity)?;
    match s.end_of_term {
        EndOfTermAction::Renew => {}
        EndOfTermAction::Cancel | EndOfTermAction::ExtendedServiceTerm | EndOfTermAction::Lapse => {
            return Err(Rejection::NotRenewing { subscription: s.id.clone() });
        }
    }
    if planned == c.quantity {
        return Ok(Vec::new());
    }
    keeps_limits(customer, s, context.offer(&s.offer)?, c.quantity)?;
    let due = renewal_due(s.term.end)?.date_naive();

    Ok(vec![Event::RenewalQuantityScheduled(RenewalQuantityScheduled {
        subscription: s.id.clone(),
        quantity: c.quantity,
        due,
    })])
}

pub(super) fn settings(
    context: &Context<'_>,
    customer: &Customer,
    c: &ChangeRenewalSettings,
) -> Result<Vec<Event>, Rejection> {
    todo!("{context:?} {customer:?} {c:?}")
}

pub(super) fn align(
    context: &Context<'_>,
    customer: &Customer,
    c: &AlignEndDate,
) -> Result<Vec<Event>, Rejection> {
    todo!("{context:?} {customer:?} {c:?}")
}

pub(super) fn upgrade(
    context: &Context<'_>,
    customer: &Customer,
    c: &ScheduleUpgrade,
) -> Result<Vec<Event>, Rejection> {
    todo!("{context:?} {customer:?} {c:?}")
}

pub(super) fn withdraw(
    context: &Context<'_>,
    customer: &Customer,
    c: &WithdrawScheduledChange,
) -> Result<Vec<Event>, Rejection> {
    todo!("{context:?} {customer:?} {c:?}")
}
