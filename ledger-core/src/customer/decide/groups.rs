//! Groups of users, and the licences they give.

use super::{Context, Rejection};
use crate::customer::command::{
    AddGroupMember, AssignGroupLicence, RemoveGroupMember, ReprocessGroup, UnassignGroupLicence,
};
use crate::customer::event::Event;
use crate::customer::state::Customer;

pub(super) fn add_member(
    context: &Context<'_>,
    customer: &Customer,
    c: &AddGroupMember,
) -> Result<Vec<Event>, Rejection> {
    todo!("{context:?} {customer:?} {c:?}")
}

pub(super) fn remove_member(
    context: &Context<'_>,
    customer: &Customer,
    c: &RemoveGroupMember,
) -> Result<Vec<Event>, Rejection> {
    todo!("{context:?} {customer:?} {c:?}")
}

pub(super) fn assign(
    context: &Context<'_>,
    customer: &Customer,
    c: &AssignGroupLicence,
) -> Result<Vec<Event>, Rejection> {
    todo!("{context:?} {customer:?} {c:?}")
}

pub(super) fn unassign(
    context: &Context<'_>,
    customer: &Customer,
    c: &UnassignGroupLicence,
) -> Result<Vec<Event>, Rejection> {
    todo!("{context:?} {customer:?} {c:?}")
}

pub(super) fn reprocess(
    context: &Context<'_>,
    customer: &Customer,
    c: &ReprocessGroup,
) -> Result<Vec<Event>, Rejection> {
    todo!("{context:?} {customer:?} {c:?}")
}
