//! Upgrades: seats move to a higher offer, and never back.

mod paths;
mod users;

use std::collections::BTreeSet;

pub(super) use self::paths::possible;
pub use self::users::{ByHandReason, MoveByHand};
pub(super) use self::users::{UsersMoved, users_moved};
use super::limits::{
    not_above_maximum, not_below_assigned, not_below_minimum, not_too_many_updates, not_zero,
    shortfall, sum, take,
};
use super::{
    Context, Rejection, anchor_rule, basis, changeable, drop_in_any_case, drop_scheduled, exact,
};
use crate::calendar::{Period, charge_cycle, term};
use crate::catalogue::{Offer, Programme};
use crate::customer::command::{EndDate, ExistingTarget, NewTarget, Upgrade, UpgradeInto};
use crate::customer::event::{
    ChargeBasis, DropCause, Event, GrownSubscription, NewSubscription, QuantityChange,
    SubscriptionUpgraded, TermPlan, UpgradeTarget,
};
use crate::customer::state::{Customer, Subscription};
use crate::ids::{OfferId, UserId};
use crate::money::Money;

/// What all parts of one upgrade look at.
struct Asked<'a> {
    customer: &'a Customer,
    programme: &'a Programme,
    source: &'a Subscription,
    target_offer: &'a OfferId,
    offer: &'a Offer,
    moved: u32,
}

impl Asked<'_> {
    fn is_full(&self) -> bool {
        self.moved == self.source.quantity
    }
}

/// Where the seats go, what they cost there, and which schedule that drops.
struct Landing {
    target: UpgradeTarget,
    charge: ChargeBasis,
    dropped: Option<Event>,
}

pub(super) fn upgrade(
    context: &Context<'_>,
    customer: &Customer,
    c: &Upgrade,
) -> Result<Vec<Event>, Rejection> {
    let source = changeable(context, customer, &c.subscription)?;
    let moved = c.quantity.unwrap_or(source.quantity);
    not_zero(moved)?;
    let programme = context.programme(customer)?;
    let offer = context.offer(&c.target_offer)?;
    let target_offer = &c.target_offer;
    let asked = Asked { customer, programme, source, target_offer, offer, moved };
    right_amount(context, &asked)?;
    reachable(context, &asked)?;
    conditions(&asked)?;
    not_too_many_updates(programme, source)?;
    let dropped = source_schedule(&asked)?;
    let landing = match &c.into {
        UpgradeInto::New(target) => into_new(context, &asked, target)?,
        UpgradeInto::Existing(target) => into_existing(context, &asked, target)?,
    };
    not_above_maximum(customer, target_offer, offer, moved)?;
    let credit = basis(programme, source, context.today(), moved)?;
    let rules = context.rules(customer)?;
    let users = users_moved(context.catalogue()?, customer, source, target_offer, moved);
    let reassigned = users.reassigned;
    let manual: Vec<UserId> = users.manual.into_iter().map(|by_hand| by_hand.user).collect();
    if !manual.is_empty() {
        not_below_assigned(programme, customer, &source.offer, moved)?;
    }

    let left = match landing.target {
        UpgradeTarget::InPlace => source.quantity,
        UpgradeTarget::New(_) | UpgradeTarget::Existing(_) => source.quantity.saturating_sub(moved),
    };
    let shortfalls = shortfalls(&asked, &reassigned);
    let mut events = vec![Event::SubscriptionUpgraded(SubscriptionUpgraded {
        subscription: source.id.clone(),
        offer: source.offer.clone(),
        moved,
        quantity: QuantityChange { from: source.quantity, to: left },
        lots: take(source.lots.iter(), moved),
        target_offer: target_offer.clone(),
        target_title: offer.title.clone(),
        target_services: offer.services.iter().cloned().collect(),
        target: landing.target,
        credit,
        charge: landing.charge,
        reassigned,
        manual,
        rules,
        lost_services: source.services.difference(&offer.services).cloned().collect(),
        price_list: None,
        promotion: None,
    })];
    events.extend(dropped);
    events.extend(landing.dropped);
    events.extend(shortfalls);
    Ok(events)
}

fn right_amount(context: &Context<'_>, asked: &Asked<'_>) -> Result<(), Rejection> {
    let (source, available) = (asked.source, asked.source.quantity);
    if available < asked.moved {
        return Err(Rejection::UpgradeTooLarge {
            subscription: source.id.clone(),
            quantity: asked.moved,
            available,
        });
    }
    if asked.is_full() {
        return Ok(());
    }
    if !asked.programme.upgrades.partial {
        let programme = asked.customer.profile.programme.clone();
        return Err(Rejection::PartialUpgradeRefused { programme, available });
    }
    let left = available.saturating_sub(asked.moved);
    let seats_min = context.catalogue()?.offer(&source.offer).map_or(1, |offer| offer.seats_min);
    not_below_minimum(&source.offer, seats_min, left)
}

fn reachable(context: &Context<'_>, asked: &Asked<'_>) -> Result<(), Rejection> {
    let possible = possible(context, asked.programme, &asked.source.offer)?;
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

/// The four conditions of Partner Center. Source: SEED-3, SEED-5.
fn conditions(asked: &Asked<'_>) -> Result<(), Rejection> {
    let rules = &asked.programme.upgrades;
    if rules.needs_delegated_admin && asked.customer.delegated_admin.is_none() {
        return Err(Rejection::DelegatedAdminMissing);
    }
    if rules.refuses_held_target && asked.customer.holds(asked.target_offer) {
        return Err(Rejection::TargetHeld { target_offer: asked.target_offer.clone() });
    }
    let services = added_services_held(asked);
    if rules.refuses_held_services && !services.is_empty() {
        return Err(Rejection::ServicesHeld { services });
    }
    Ok(())
}

fn added_services_held(asked: &Asked<'_>) -> Vec<String> {
    let others = asked.customer.active().filter(|s| s.id != asked.source.id);
    let held: BTreeSet<&String> = others
        .flat_map(|s| &s.services)
        .chain(asked.customer.external.values().flat_map(|holding| &holding.services))
        .collect();
    let added = asked.offer.services.difference(&asked.source.services);
    added.filter(|service| held.contains(service)).cloned().collect()
}

fn source_schedule(asked: &Asked<'_>) -> Result<Option<Event>, Rejection> {
    let by_policy = drop_scheduled(asked.programme, asked.source, DropCause::Upgraded)?;
    if asked.is_full() {
        return Ok(drop_in_any_case(asked.source, DropCause::Upgraded));
    }
    Ok(by_policy)
}

fn into_new(
    context: &Context<'_>,
    asked: &Asked<'_>,
    target: &NewTarget,
) -> Result<Landing, Rejection> {
    let (customer, source) = (asked.customer, asked.source);
    let plan = TermPlan {
        term: target.term.unwrap_or(source.plan.term),
        billing: target.billing.unwrap_or(source.plan.billing),
    };
    let coterminous = target.end_date == EndDate::Coterminous;
    let keeps_id = asked.programme.upgrades.full_keeps_id;
    let in_place = keeps_id && asked.is_full() && coterminous && plan == source.plan;
    if !in_place && customer.subscriptions.contains_key(&target.subscription) {
        return Err(Rejection::SubscriptionExists { subscription: target.subscription.clone() });
    }
    not_shorter(source, plan)?;
    let term = match target.end_date {
        EndDate::Coterminous => Period { start: context.today(), end: source.term.end },
        EndDate::NewTerm => term(context.today(), plan.term)?,
    };
    not_earlier(source, term)?;
    let currency = customer.profile.currency;
    let unit_price = asked.offer.price(plan.term, plan.billing, currency).ok_or_else(|| {
        let (term, billing) = (plan.term, plan.billing);
        Rejection::PlanUnknown { offer: asked.target_offer.clone(), term, billing, currency }
    })?;
    not_below_minimum(asked.target_offer, asked.offer.seats_min, asked.moved)?;
    let cycle_anchor = if coterminous { source.cycle_anchor } else { term.start };
    let charge = charge(context, asked, plan, cycle_anchor, term, unit_price)?;
    let window = asked.programme.window(asked.offer.kind, context.now);
    let reducible = window.is_some_and(|window| window.reduce_hours.is_some());

    if in_place {
        return Ok(Landing { target: UpgradeTarget::InPlace, charge, dropped: None });
    }
    let target = UpgradeTarget::New(NewSubscription {
        subscription: target.subscription.clone(),
        plan,
        term,
        cycle_anchor,
        cancel_until: source.cancel_until,
        reduce_until: source.cancel_until.filter(|_| reducible),
        full_refund_before: source.full_refund_before,
    });
    Ok(Landing { target, charge, dropped: None })
}

fn charge(
    context: &Context<'_>,
    asked: &Asked<'_>,
    plan: TermPlan,
    anchor: chrono::NaiveDate,
    term: Period,
    unit_price: Money,
) -> Result<ChargeBasis, Rejection> {
    let programme = asked.programme;
    let anchor_rule = anchor_rule(programme, plan);
    let cycle = charge_cycle(anchor, plan.billing, anchor_rule, context.today())?;
    let billable = Period { start: context.today(), end: cycle.end.min(term.end) };
    let rounding = programme.rounding;
    exact(ChargeBasis { unit_price, cycle, billable, rounding }, asked.moved)
}

fn into_existing(
    context: &Context<'_>,
    asked: &Asked<'_>,
    target: &ExistingTarget,
) -> Result<Landing, Rejection> {
    let rules = &asked.programme.upgrades;
    if !rules.into_existing {
        let programme = asked.customer.profile.programme.clone();
        return Err(Rejection::ExistingTargetRefused { programme });
    }
    if target.subscription == asked.source.id {
        return Err(Rejection::TargetIsSource { subscription: target.subscription.clone() });
    }
    let t = changeable(context, asked.customer, &target.subscription)?;
    if t.offer != *asked.target_offer {
        return Err(Rejection::TargetOfferDiffers {
            subscription: t.id.clone(),
            offer: t.offer.clone(),
            target_offer: asked.target_offer.clone(),
        });
    }
    if let Some(until) = t.cancel_until.filter(|until| context.now <= *until)
        && rules.refuses_target_in_window
    {
        return Err(Rejection::TargetInWindow { subscription: t.id.clone(), until });
    }
    not_shorter(asked.source, t.plan)?;
    not_earlier(asked.source, t.term)?;
    not_too_many_updates(asked.programme, t)?;
    let dropped = drop_scheduled(asked.programme, t, DropCause::Upgraded)?;
    let to = sum(t.quantity, asked.moved)?;
    let lot = sum(t.last_lot, 1)?;
    let charge = basis(asked.programme, t, context.today(), asked.moved)?;

    let target = UpgradeTarget::Existing(GrownSubscription {
        subscription: t.id.clone(),
        quantity: QuantityChange { from: t.quantity, to },
        lot,
    });
    Ok(Landing { target, charge, dropped })
}

fn not_shorter(source: &Subscription, target: TermPlan) -> Result<(), Rejection> {
    if source.plan.term <= target.term {
        return Ok(());
    }
    let (source_term, target_term) = (source.plan.term, target.term);
    Err(Rejection::TargetTermShorter { source_term, target_term })
}

fn not_earlier(source: &Subscription, target: Period) -> Result<(), Rejection> {
    if source.term.end <= target.end {
        return Ok(());
    }
    let (source_end, target_end) = (source.term.end, target.end);
    Err(Rejection::TargetEndsEarlier { source_end, target_end })
}

fn shortfalls(asked: &Asked<'_>, reassigned: &[UserId]) -> Vec<Event> {
    let (customer, offer) = (asked.customer, &asked.source.offer);
    let count = |users: usize| u32::try_from(users).unwrap_or(u32::MAX);
    let valid = customer.valid(offer).saturating_sub(asked.moved);
    let assigned = customer.assigned(offer).saturating_sub(count(reassigned.len()));
    let source = shortfall(customer, offer, valid, assigned);

    let target = asked.target_offer;
    let arriving = reassigned.iter().filter(|user| !customer.has_licence(target, user)).count();
    let valid = customer.valid(target).saturating_add(asked.moved);
    let assigned = customer.assigned(target).saturating_add(count(arriving));
    source.into_iter().chain(shortfall(customer, target, valid, assigned)).collect()
}
