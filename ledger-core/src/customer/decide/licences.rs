//! Who may use what: assigning and unassigning licences, and what a user may have at all.

use std::collections::BTreeSet;
use std::iter::{empty, once};

use super::account::country;
use super::limits::shortfall;
use super::{Context, Rejection};
use crate::catalogue::Catalogue;
use crate::customer::command::{AssignLicence, UnassignLicence};
use crate::customer::event::{Event, LicenceAssigned, LicenceUnassigned};
use crate::customer::state::{Assignment, Customer};
use crate::ids::{GroupId, OfferId, Role, UserId};

pub(super) fn assign(
    context: &Context<'_>,
    customer: &Customer,
    c: &AssignLicence,
) -> Result<Vec<Event>, Rejection> {
    partner_may(context, customer, once(&c.offer))?;
    let had = assignment(customer, &c.offer, &c.user);
    if had.is_some_and(|had| had.direct) {
        return Ok(Vec::new());
    }
    // What is said now is the better knowledge, for this licence.
    let known = customer.users.get(&c.user).and_then(Option::as_ref);
    let usage_location = c.usage_location.as_ref().or(known);
    let usage_location =
        usage_location.ok_or_else(|| Rejection::UsageLocationMissing { user: c.user.clone() })?;
    country(usage_location, "usage_location")?;
    is_for_users(context, customer, &c.offer)?;
    let beside = held(customer, &c.user);
    fits(context.catalogue()?, &c.offer, &c.user, usage_location, &beside)?;
    if had.is_none() {
        Seats::of(customer, &c.offer).one_is_free(&c.offer)?;
    }

    Ok(vec![Event::LicenceAssigned(LicenceAssigned {
        offer: c.offer.clone(),
        user: c.user.clone(),
        usage_location: usage_location.clone(),
        through: None,
    })])
}

pub(super) fn unassign(
    context: &Context<'_>,
    customer: &Customer,
    c: &UnassignLicence,
) -> Result<Vec<Event>, Rejection> {
    partner_may(context, customer, once(&c.offer))?;
    let Some(had) = assignment(customer, &c.offer, &c.user) else { return Ok(Vec::new()) };
    if !had.direct {
        return Err(Rejection::LicenceFromGroup {
            user: c.user.clone(),
            offer: c.offer.clone(),
            groups: had.groups.iter().cloned().collect(),
        });
    }
    let goes = had.groups.is_empty();
    if goes {
        not_needed(context, customer, &c.user, &BTreeSet::from([&c.offer]))?;
    }

    let mut events = vec![unassigned(&c.offer, &c.user, None)];
    if goes {
        events.extend(freed(customer, &c.offer, 1));
    }
    Ok(events)
}

/// The licence of `offer` that `user` has, if there is one.
pub(super) fn assignment<'a>(
    customer: &'a Customer,
    offer: &OfferId,
    user: &UserId,
) -> Option<&'a Assignment> {
    customer.assignments.get(offer)?.get(user)
}

/// The offers of which `user` has a licence.
pub(super) fn held<'a>(customer: &'a Customer, user: &UserId) -> BTreeSet<&'a OfferId> {
    let with_user = customer.assignments.iter().filter(|(_, users)| users.contains_key(user));
    with_user.map(|(offer, _)| offer).collect()
}

/// A licence that `user` loses, directly or through a group.
pub(super) fn unassigned(offer: &OfferId, user: &UserId, through: Option<&GroupId>) -> Event {
    let (offer, user, through) = (offer.clone(), user.clone(), through.cloned());
    Event::LicenceUnassigned(LicenceUnassigned { offer, user, through })
}

/// The event that clears or restates a shortfall when `users` licences of `offer` become free.
pub(super) fn freed(customer: &Customer, offer: &OfferId, users: u32) -> Option<Event> {
    let assigned = customer.assigned(offer).saturating_sub(users);
    shortfall(customer, offer, customer.valid(offer), assigned)
}

/// Refuses the partner where its programme or the customer does not let it manage users and the
/// licences of `offers`; customers manage their own. Source: domain, section 6 and section 11, no. 14.
pub(super) fn partner_may<'a>(
    context: &Context<'_>,
    customer: &Customer,
    offers: impl Iterator<Item = &'a OfferId>,
) -> Result<(), Rejection> {
    if context.actor.role != Role::ResellerAdmin {
        return Ok(());
    }
    if !context.programme(customer)?.partner_assigns {
        let programme = customer.profile.programme.clone();
        return Err(Rejection::PartnerAssignmentRefused { programme });
    }
    if !customer.is_administered(empty(), context.now) {
        return Err(Rejection::DelegatedAdminMissing);
    }
    let needed: BTreeSet<&String> =
        offers.filter_map(|offer| services(context, customer, offer)).flatten().collect();
    let uncovered = needed.into_iter().filter(|s| !customer.is_administered(once(*s), context.now));
    let services: Vec<String> = uncovered.cloned().collect();
    if services.is_empty() {
        return Ok(());
    }
    Err(Rejection::DelegatedAdminTooNarrow { services })
}

/// What an offer includes; if it is no longer sold, what the customer has of it.
fn services<'a>(
    context: &Context<'a>,
    customer: &'a Customer,
    id: &OfferId,
) -> Option<&'a BTreeSet<String>> {
    let sold = context.catalogue.and_then(|catalogue| catalogue.offer(id));
    let bought = || customer.subscriptions.values().find(|s| s.offer == *id).map(|s| &s.services);
    sold.map(|offer| &offer.services).or_else(bought)
}

/// Refuses an offer that is unknown, or whose licences no user is assigned. Paid seats can be used
/// although their offer is no longer sold.
pub(super) fn is_for_users(
    context: &Context<'_>,
    customer: &Customer,
    id: &OfferId,
) -> Result<(), Rejection> {
    match context.catalogue()?.offer(id) {
        None if customer.valid(id) == 0 => Err(Rejection::OfferUnknown { offer: id.clone() }),
        Some(offer) if offer.is_for_company => Err(Rejection::NotAssignable { offer: id.clone() }),
        None | Some(_) => Ok(()),
    }
}

/// Refuses a licence that `user` may not have at `location`, or not `beside` the others.
pub(super) fn fits(
    catalogue: &Catalogue,
    id: &OfferId,
    user: &UserId,
    location: &str,
    beside: &BTreeSet<&OfferId>,
) -> Result<(), Rejection> {
    let offer = catalogue.offer(id);
    if offer.is_some_and(|offer| offer.prohibited_locations.contains(location)) {
        let (user, usage_location) = (user.clone(), location.to_owned());
        let offers = vec![id.clone()];
        return Err(Rejection::ProhibitedLocation { user, usage_location, offers });
    }
    let excludes = |a: &OfferId, b: &OfferId| {
        catalogue.offer(a).is_some_and(|offer| offer.conflicts.contains(b))
    };
    if let Some(other) = beside.iter().find(|other| excludes(other, id) || excludes(id, other)) {
        return Err(Rejection::LicenceConflict {
            user: user.clone(),
            offer: id.clone(),
            conflicting: (*other).clone(),
        });
    }
    let Some(offer) = offer.filter(|offer| !offer.prerequisites.is_empty()) else { return Ok(()) };
    if offer.prerequisites.iter().any(|base| beside.contains(base)) {
        return Ok(());
    }
    let needs_one_of = offer.prerequisites.iter().cloned().collect();
    Err(Rejection::LicencePrerequisiteMissing { user: user.clone(), needs_one_of })
}

/// The seats of an offer, and how many of them are in use.
pub(super) struct Seats {
    valid: u32,
    assigned: u32,
}

impl Seats {
    pub(super) fn of(customer: &Customer, offer: &OfferId) -> Self {
        Self { valid: customer.valid(offer), assigned: customer.assigned(offer) }
    }

    /// Refuses one more licence of `offer` than there are seats.
    pub(super) fn one_is_free(&self, offer: &OfferId) -> Result<(), Rejection> {
        let Self { valid, assigned } = *self;
        if valid <= assigned {
            return Err(Rejection::NoLicenceFree { offer: offer.clone(), valid, assigned });
        }
        Ok(())
    }

    pub(super) const fn take_one(&mut self) {
        self.assigned = self.assigned.saturating_add(1);
    }
}

/// Refuses that `user` loses the licences `going` while an add-on that stays would be left without any
/// of its bases.
pub(super) fn not_needed(
    context: &Context<'_>,
    customer: &Customer,
    user: &UserId,
    going: &BTreeSet<&OfferId>,
) -> Result<(), Rejection> {
    let catalogue = context.catalogue()?;
    let held = held(customer, user);
    let staying: BTreeSet<&OfferId> = held.difference(going).copied().collect();
    for dependent in &staying {
        let Some(addon) = catalogue.offer(dependent) else { continue };
        let base = addon.prerequisites.iter().find(|base| going.contains(base));
        let other_base = addon.prerequisites.iter().any(|base| staying.contains(base));
        if let (Some(base), false) = (base, other_base) {
            let (user, dependent) = (user.clone(), (*dependent).clone());
            return Err(Rejection::LicenceNeeded { user, offer: base.clone(), dependent });
        }
    }
    Ok(())
}
