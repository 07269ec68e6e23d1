//! Who may use what: assigning and unassigning licences.

use super::account::country;
use super::limits::shortfall;
use super::{Context, Rejection};
use crate::customer::command::{AssignLicence, UnassignLicence};
use crate::customer::event::{Event, LicenceAssigned, LicenceUnassigned};
use crate::customer::state::Customer;
use crate::ids::{OfferId, Role, UserId};

pub(super) fn assign(
    context: &Context<'_>,
    customer: &Customer,
    c: &AssignLicence,
) -> Result<Vec<Event>, Rejection> {
    allowed(context, customer)?;
    if customer.has_licence(&c.offer, &c.user) {
        return Ok(Vec::new());
    }
    let known = customer.users.get(&c.user).and_then(Option::as_ref);
    let usage_location = c.usage_location.as_ref().or(known);
    let usage_location =
        usage_location.ok_or_else(|| Rejection::UsageLocationMissing { user: c.user.clone() })?;
    country(usage_location, "usage_location")?;
    let (valid, assigned) = (customer.valid(&c.offer), customer.assigned(&c.offer));
    // Paid seats can be used although their offer is no longer sold.
    let offer = context.catalogue()?.offer(&c.offer);
    if offer.is_none() && valid == 0 {
        return Err(Rejection::OfferUnknown { offer: c.offer.clone() });
    }
    if let Some(conflicting) = conflicting(context, customer, c)? {
        return Err(Rejection::LicenceConflict {
            user: c.user.clone(),
            offer: c.offer.clone(),
            conflicting,
        });
    }
    let needs_one_of: Vec<OfferId> =
        offer.into_iter().flat_map(|offer| offer.prerequisites.iter().cloned()).collect();
    let has_base = needs_one_of.iter().any(|base| customer.has_licence(base, &c.user));
    if !needs_one_of.is_empty() && !has_base {
        return Err(Rejection::LicencePrerequisiteMissing { user: c.user.clone(), needs_one_of });
    }
    if valid <= assigned {
        return Err(Rejection::NoLicenceFree { offer: c.offer.clone(), valid, assigned });
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
    allowed(context, customer)?;
    if !customer.has_licence(&c.offer, &c.user) {
        return Ok(Vec::new());
    }
    if let Some(dependent) = dependent(context, customer, &c.offer, &c.user)? {
        let (user, offer) = (c.user.clone(), c.offer.clone());
        return Err(Rejection::LicenceNeeded { user, offer, dependent });
    }
    let assigned = customer.assigned(&c.offer).saturating_sub(1);

    let (offer, user) = (c.offer.clone(), c.user.clone());
    let mut events =
        vec![Event::LicenceUnassigned(LicenceUnassigned { offer, user, through: None })];
    events.extend(shortfall(customer, &c.offer, customer.valid(&c.offer), assigned));
    Ok(events)
}

/// The partner assigns only where its programme and the customer let it; customers assign their own.
fn allowed(context: &Context<'_>, customer: &Customer) -> Result<(), Rejection> {
    if context.actor.role != Role::ResellerAdmin {
        return Ok(());
    }
    if !context.programme(customer)?.partner_assigns {
        let programme = customer.profile.programme.clone();
        return Err(Rejection::PartnerAssignmentRefused { programme });
    }
    if customer.delegated_admin.is_none() {
        return Err(Rejection::DelegatedAdminMissing);
    }
    Ok(())
}

/// An offer the user has that excludes the one asked for, in either direction.
fn conflicting(
    context: &Context<'_>,
    customer: &Customer,
    c: &AssignLicence,
) -> Result<Option<OfferId>, Rejection> {
    let catalogue = context.catalogue()?;
    let excludes = |a: &OfferId, b: &OfferId| {
        catalogue.offer(a).is_some_and(|offer| offer.conflicts.contains(b))
    };
    let held = customer.assignments.keys().filter(|held| customer.has_licence(held, &c.user));
    let mut held = held.filter(|held| excludes(held, &c.offer) || excludes(&c.offer, held));
    Ok(held.next().cloned())
}

/// An add-on the user has that would be left without any of its bases.
fn dependent(
    context: &Context<'_>,
    customer: &Customer,
    removed: &OfferId,
    user: &UserId,
) -> Result<Option<OfferId>, Rejection> {
    let catalogue = context.catalogue()?;
    let needs_removed = |held: &&OfferId| {
        let Some(offer) = catalogue.offer(held) else { return false };
        let other_base = offer
            .prerequisites
            .iter()
            .any(|base| base != removed && customer.has_licence(base, user));
        offer.prerequisites.contains(removed) && !other_base
    };
    let held = customer.assignments.keys().filter(|held| customer.has_licence(held, user));
    Ok(held.filter(|held| *held != removed).find(needs_removed).cloned())
}
