//! What is known of people, and how it is erased.

use super::licences::partner_may;
use super::{Context, Rejection};
use crate::customer::command::{Command, NameUser};
use crate::customer::due;
use crate::customer::event::{CustomerErased, Event, UserNamed};
use crate::customer::state::{Customer, Person};
use crate::ids::Role;

/// Only what is known of a user can be kept: of one who was added, has a licence, is in a group, or may use
/// the portal.
pub(super) fn name(
    context: &Context<'_>,
    customer: &Customer,
    c: &NameUser,
) -> Result<Vec<Event>, Rejection> {
    partner_may(context, customer, std::iter::empty())?;
    if !customer.knows(&c.user) {
        return Err(Rejection::UserUnknown { user: c.user.clone() });
    }
    let nothing = Person { name: None, email: None };
    let known = customer.people.get(&c.user).unwrap_or(&nothing);
    if known.name == c.name && known.email == c.email {
        return Ok(Vec::new());
    }

    let (user, name, email) = (c.user.clone(), c.name.clone(), c.email.clone());
    Ok(vec![Event::UserNamed(UserNamed { user, name, email })])
}

/// An account is erased by the operator, once nothing in it runs any more.
pub(super) fn erase(context: &Context<'_>, customer: &Customer) -> Result<Vec<Event>, Rejection> {
    if context.actor.role != Role::Operator {
        let what = "everything about people";
        return Err(Rejection::OperatorOnly { command: "EraseCustomer", what });
    }
    let mut running: Vec<_> =
        due(customer).into_iter().filter_map(|due| due.subscription).collect();
    running.dedup();
    if !running.is_empty() {
        return Err(Rejection::SubscriptionsRunning { subscriptions: running });
    }

    Ok(vec![Event::CustomerErased(CustomerErased {})])
}

/// Nothing happens to an account that was erased.
pub(super) fn after(context: &Context<'_>, command: &Command) -> Result<Vec<Event>, Rejection> {
    if matches!(command, Command::EraseCustomer(_)) {
        return Ok(Vec::new());
    }
    Err(Rejection::CustomerErased { customer: context.customer.clone() })
}
