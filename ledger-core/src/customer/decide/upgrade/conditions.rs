//! What every upgrade must fulfil, wherever the seats go; the first that fails is answered.

use std::collections::BTreeSet;
use std::iter;

use super::super::limits::{not_above_maximum, not_below_minimum, not_too_many_updates, not_zero};
use super::super::purchase::may_be_sold;
use super::super::trials::not_on_trial;
use super::super::{Rejection, changeable, drop_scheduled};
use super::{Asked, possible};
use crate::catalogue::BelowAssigned;
use crate::customer::command::Transfer;
use crate::customer::event::DropCause;
use crate::customer::state::Subscription;

/// One condition.
pub(super) type Condition = fn(&Asked<'_>) -> Result<(), Rejection>;

/// All of them, in the order in which they are checked.
pub(super) const CONDITIONS: [Condition; 17] = [
    active,
    paid,
    one_seat,
    enough_seats,
    all_or_some,
    reachable,
    sold_to_the_customer,
    administered,
    target_not_held,
    services_not_held,
    no_add_ons,
    not_too_often,
    schedule_gives_way,
    within_the_maximum,
    licences_move_along,
    licences_keep_seats,
    credit_is_exact,
];

fn active(asked: &Asked<'_>) -> Result<(), Rejection> {
    changeable(asked.context, asked.customer, &asked.source.id)?;
    Ok(())
}

fn paid(asked: &Asked<'_>) -> Result<(), Rejection> {
    not_on_trial(asked.source)
}

fn one_seat(asked: &Asked<'_>) -> Result<(), Rejection> {
    not_zero(asked.moved)
}

fn enough_seats(asked: &Asked<'_>) -> Result<(), Rejection> {
    let (source, available) = (asked.source, asked.source.quantity);
    if available < asked.moved {
        return Err(Rejection::UpgradeTooLarge {
            subscription: source.id.clone(),
            quantity: asked.moved,
            available,
        });
    }
    Ok(())
}

fn all_or_some(asked: &Asked<'_>) -> Result<(), Rejection> {
    if asked.is_full() {
        return Ok(());
    }
    let (source, available) = (asked.source, asked.source.quantity);
    if !asked.programme.upgrades.partial {
        let programme = asked.customer.profile.programme.clone();
        return Err(Rejection::PartialUpgradeRefused { programme, available });
    }
    let left = available.saturating_sub(asked.moved);
    let seats_min = asked.catalogue.offer(&source.offer).map_or(1, |offer| offer.seats_min);
    not_below_minimum(&source.offer, seats_min, left)
}

fn reachable(asked: &Asked<'_>) -> Result<(), Rejection> {
    let possible = possible(asked.context, asked.programme, &asked.source.offer)?;
    if possible.contains(asked.target_offer) {
        return Ok(());
    }
    Err(Rejection::NoUpgradePath {
        programme: asked.customer.profile.programme.clone(),
        offer: asked.source.offer.clone(),
        target_offer: asked.target_offer.clone(),
        possible: possible.into_iter().collect(),
    })
}

/// What is not sold to the customer is not reached by an upgrade either; an upgrade attests nothing.
fn sold_to_the_customer(asked: &Asked<'_>) -> Result<(), Rejection> {
    may_be_sold(asked.customer, asked.programme, asked.target_offer, asked.offer, false)
}

/// Source: SEED-3 and SEED-5, second condition.
fn administered(asked: &Asked<'_>) -> Result<(), Rejection> {
    if !asked.programme.upgrades.needs_delegated_admin {
        return Ok(());
    }
    let (customer, now) = (asked.customer, asked.context.now);
    if !customer.is_administered(iter::empty(), now) {
        return Err(Rejection::DelegatedAdminMissing);
    }
    let needed = asked.source.services.union(&asked.offer.services);
    let not_covered = |service: &&String| !customer.is_administered(iter::once(*service), now);
    let services: Vec<String> = needed.filter(not_covered).cloned().collect();
    if services.is_empty() {
        return Ok(());
    }
    Err(Rejection::DelegatedAdminTooNarrow { services })
}

/// Source: SEED-3 and SEED-5, fourth condition.
fn target_not_held(asked: &Asked<'_>) -> Result<(), Rejection> {
    if asked.programme.upgrades.refuses_held_target && asked.customer.holds(asked.target_offer) {
        return Err(Rejection::TargetHeld { target_offer: asked.target_offer.clone() });
    }
    Ok(())
}

/// Source: SEED-3 and SEED-5, third condition.
fn services_not_held(asked: &Asked<'_>) -> Result<(), Rejection> {
    if !asked.programme.upgrades.refuses_held_services {
        return Ok(());
    }
    let others = asked.customer.living().filter(|s| s.id != asked.source.id);
    let held: BTreeSet<&String> = others
        .flat_map(|s| &s.services)
        .chain(asked.customer.external.values().flat_map(|holding| &holding.services))
        .collect();
    let added = asked.offer.services.difference(&asked.source.services);
    let services: Vec<String> = added.filter(|service| held.contains(service)).cloned().collect();
    if services.is_empty() {
        return Ok(());
    }
    Err(Rejection::ServicesHeld { services })
}

fn no_add_ons(asked: &Asked<'_>) -> Result<(), Rejection> {
    if !asked.programme.upgrades.refuses_add_ons {
        return Ok(());
    }
    let dependent = asked.customer.living().filter(|s| builds_on_source_alone(asked, s));
    let add_ons: Vec<_> = dependent.map(|s| s.id.clone()).collect();
    if add_ons.is_empty() {
        return Ok(());
    }
    Err(Rejection::AddOnsPresent { subscription: asked.source.id.clone(), add_ons })
}

fn builds_on_source_alone(asked: &Asked<'_>, add_on: &Subscription) -> bool {
    let (customer, source) = (asked.customer, asked.source);
    let Some(offer) = asked.catalogue.offer(&add_on.offer) else { return false };
    let is_base = |s: &Subscription| s.id != source.id && offer.prerequisites.contains(&s.offer);
    let mut elsewhere = customer.external.keys();
    offer.prerequisites.contains(&source.offer)
        && !customer.living().any(is_base)
        && !elsewhere.any(|held| offer.prerequisites.contains(held))
}

fn not_too_often(asked: &Asked<'_>) -> Result<(), Rejection> {
    not_too_many_updates(asked.programme, asked.source)
}

fn schedule_gives_way(asked: &Asked<'_>) -> Result<(), Rejection> {
    drop_scheduled(asked.programme, asked.source, DropCause::Upgraded)?;
    Ok(())
}

fn within_the_maximum(asked: &Asked<'_>) -> Result<(), Rejection> {
    not_above_maximum(asked.customer, asked.target_offer, asked.offer, asked.moved)
}

/// Source: domain, section 10, no. 75.
fn licences_move_along(asked: &Asked<'_>) -> Result<(), Rejection> {
    match asked.transfer {
        Transfer::Required if !asked.users.manual.is_empty() => {
            Err(Rejection::LicenceTransferImpossible { users: asked.users.manual.clone() })
        }
        Transfer::Required | Transfer::Automatic => Ok(()),
    }
}

fn licences_keep_seats(asked: &Asked<'_>) -> Result<(), Rejection> {
    match asked.programme.below_assigned {
        BelowAssigned::Shortfall => Ok(()),
        BelowAssigned::Refuse => {
            let (valid, assigned) = asked.left_behind();
            match assigned.saturating_sub(valid) {
                0 => Ok(()),
                excess => {
                    let offer = asked.source.offer.clone();
                    Err(Rejection::LicencesAssigned { offer, assigned, excess })
                }
            }
        }
    }
}

fn credit_is_exact(asked: &Asked<'_>) -> Result<(), Rejection> {
    asked.credit()?;
    Ok(())
}
