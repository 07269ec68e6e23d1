//! The users of a customer.

use super::account::country;
use super::licences::{freed, held, partner_may, unassigned};
use super::{Context, Rejection};
use crate::customer::command::{AddUser, RemoveUser};
use crate::customer::event::{
    Event, GroupMemberRemoved, PortalAccessRevoked, UserAdded, UserRemoved,
};
use crate::customer::state::Customer;
use crate::ids::{OfferId, UserId};

pub(super) fn add(
    context: &Context<'_>,
    customer: &Customer,
    c: &AddUser,
) -> Result<Vec<Event>, Rejection> {
    partner_may(context, customer, std::iter::empty())?;
    if let Some(location) = &c.usage_location {
        country(location, "usage_location")?;
    }
    // Adding a user again without a location leaves the one that is known.
    let known = customer.users.get(&c.user);
    if known.is_some_and(|known| c.usage_location.is_none() || *known == c.usage_location) {
        return Ok(Vec::new());
    }
    if let Some(location) = &c.usage_location {
        may_have_licences_at(context, customer, &c.user, location)?;
    }

    let (user, usage_location) = (c.user.clone(), c.usage_location.clone());
    Ok(vec![Event::UserAdded(UserAdded { user, usage_location })])
}

/// Refuses a place of work where the user may not have the licences it has. Source: domain, section 7.
fn may_have_licences_at(
    context: &Context<'_>,
    customer: &Customer,
    user: &UserId,
    location: &str,
) -> Result<(), Rejection> {
    let catalogue = context.catalogue()?;
    let prohibited = |id: &&OfferId| {
        catalogue.offer(id).is_some_and(|offer| offer.prohibited_locations.contains(location))
    };
    let offers: Vec<OfferId> =
        held(customer, user).into_iter().filter(prohibited).cloned().collect();
    if offers.is_empty() {
        return Ok(());
    }
    let (user, usage_location) = (user.clone(), location.to_owned());
    Err(Rejection::ProhibitedLocation { user, usage_location, offers })
}

pub(super) fn remove(
    context: &Context<'_>,
    customer: &Customer,
    c: &RemoveUser,
) -> Result<Vec<Event>, Rejection> {
    let held = held(customer, &c.user);
    partner_may(context, customer, held.iter().copied())?;
    let mut events = licences_lost(customer, &c.user);
    events.extend(groups_left(customer, &c.user));
    if customer.portal.contains_key(&c.user) {
        events.push(Event::PortalAccessRevoked(PortalAccessRevoked { user: c.user.clone() }));
    }
    if events.is_empty() && !customer.users.contains_key(&c.user) {
        return Ok(Vec::new());
    }

    events.push(Event::UserRemoved(UserRemoved { user: c.user.clone() }));
    events.extend(held.into_iter().filter_map(|offer| freed(customer, offer, 1)));
    Ok(events)
}

/// Every way in which `user` had a licence comes to its end.
fn licences_lost(customer: &Customer, user: &UserId) -> Vec<Event> {
    let mut events = Vec::new();
    for (offer, users) in &customer.assignments {
        let Some(assignment) = users.get(user) else { continue };
        let direct = assignment.direct.then(|| unassigned(offer, user, None));
        events.extend(direct);
        let through = assignment.groups.iter();
        events.extend(through.map(|group| unassigned(offer, user, Some(group))));
    }
    events
}

fn groups_left(customer: &Customer, user: &UserId) -> impl Iterator<Item = Event> {
    let groups = customer.groups.iter().filter(|(_, group)| group.members.contains(user));
    groups.map(|(group, _)| {
        let (group, user) = (group.clone(), user.clone());
        Event::GroupMemberRemoved(GroupMemberRemoved { group, user })
    })
}
