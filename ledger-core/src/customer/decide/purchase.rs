//! Buying.

use std::collections::BTreeSet;

use super::alignment::{alignable, aligned};
use super::limits::{not_above_maximum, not_below_minimum, not_zero, shortfall_after};
pub(super) use super::promotions::promoted;
use super::seats::{Windows, windows};
use super::{Context, Rejection, anchor_rule, exact};
use crate::calendar::{Period, charge_cycle, term};
use crate::catalogue::{Offer, Programme};
use crate::customer::command::Purchase;
use crate::customer::event::{ChargeBasis, Event, SubscriptionPurchased, TermPlan};
use crate::customer::state::Customer;
use crate::ids::{OfferId, ResellerId};
use crate::money::Money;

pub(super) fn purchase(
    context: &Context<'_>,
    customer: &Customer,
    c: &Purchase,
) -> Result<Vec<Event>, Rejection> {
    if customer.subscriptions.contains_key(&c.subscription) {
        return Err(Rejection::SubscriptionExists { subscription: c.subscription.clone() });
    }
    not_zero(c.quantity)?;
    let programme = context.programme(customer)?;
    let offer = context.offer(&c.offer)?;
    may_be_sold(customer, programme, &c.offer, offer, c.attested)?;
    let resellers = resellers_of_record(customer, programme, &c.resellers)?;
    let plan = TermPlan { term: c.term, billing: c.billing };
    let quote = context.quote(customer, &c.offer, plan)?;
    not_below_minimum(&c.offer, offer.seats_min, c.quantity)?;
    not_above_maximum(customer, &c.offer, offer, c.quantity)?;
    has_base(customer, &c.offer, offer)?;
    enough_for_base(customer, &c.offer, offer, c.quantity)?;
    let all_seats = customer.seats(&c.offer).saturating_add(c.quantity);
    let promotion = c.promotion.as_ref();
    let promoted = promoted(context, customer, promotion, &c.offer, plan.term, all_seats, &quote)?;
    let term = first_term(context, customer, programme, offer, c)?;
    let basis = first_charge(programme, plan, term, promoted.price, c.quantity)?;
    let Windows { cancel_until, reduce_until, full_refund_before } =
        windows(context, programme, offer.kind)?;
    let rules = context.rules(customer)?;

    let mut events = vec![Event::SubscriptionPurchased(SubscriptionPurchased {
        subscription: c.subscription.clone(),
        offer: c.offer.clone(),
        offer_title: offer.title.clone(),
        services: offer.services.iter().cloned().collect(),
        plan,
        quantity: c.quantity,
        term,
        started_at: context.now,
        cancel_until,
        reduce_until,
        full_refund_before,
        basis,
        rules,
        price_list: quote.price_list,
        promotion: promoted.applied,
        unused_promotion: promoted.unused,
        attested: c.attested,
        anchor: anchor_rule(programme, plan),
        resellers,
    })];
    events.extend(shortfall_after(customer, &c.offer, c.quantity, 0));
    Ok(events)
}

/// Refuses what the customer may not have at all: without the agreement, in another segment or market,
/// or not attested.
pub(super) fn may_be_sold(
    customer: &Customer,
    programme: &Programme,
    id: &OfferId,
    offer: &Offer,
    attested: bool,
) -> Result<(), Rejection> {
    let profile = &customer.profile;
    if programme.needs_agreement && customer.agreement.is_none() {
        return Err(Rejection::AgreementMissing { programme: profile.programme.clone() });
    }
    if !offer.segments.is_empty() && !offer.segments.contains(&profile.segment) {
        return Err(Rejection::OfferNotForSegment {
            offer: id.clone(),
            segment: profile.segment,
            segments: offer.segments.iter().copied().collect(),
        });
    }
    if !offer.markets.is_empty() && !offer.markets.contains(&profile.market) {
        let market = profile.market.clone();
        return Err(Rejection::OfferNotForMarket { offer: id.clone(), market });
    }
    if offer.needs_attestation && !attested {
        return Err(Rejection::AttestationMissing { offer: id.clone() });
    }
    Ok(())
}

/// The resellers of record: those named, or the customer's own. Source: domain, section 6.
fn resellers_of_record(
    customer: &Customer,
    programme: &Programme,
    named: &[ResellerId],
) -> Result<Vec<ResellerId>, Rejection> {
    if named.is_empty() {
        return Ok(vec![customer.profile.reseller.clone()]);
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = named.iter().find(|reseller| !seen.insert(*reseller)) {
        return Err(Rejection::ResellerRepeated { reseller: twice.clone() });
    }
    let market = &customer.profile.market;
    let resellers_max = programme.resellers_max.get(market).copied().unwrap_or(1);
    if u32::try_from(named.len()).is_ok_and(|count| count <= resellers_max) {
        return Ok(named.to_vec());
    }
    Err(Rejection::TooManyResellers { market: market.clone(), resellers_max })
}

fn has_base(customer: &Customer, id: &OfferId, offer: &Offer) -> Result<(), Rejection> {
    let has_base = offer.prerequisites.iter().any(|base| customer.holds(base));
    if offer.prerequisites.is_empty() || has_base {
        return Ok(());
    }
    let needs_one_of = offer.prerequisites.iter().cloned().collect();
    Err(Rejection::PrerequisiteMissing { offer: id.clone(), needs_one_of })
}

/// Refuses an add-on whose seats, from whomever, would be too few for those of the offers that it
/// builds on. Source: domain, section 2, no. 15 and section 10, no. 28 (rounded up).
pub(super) fn enough_for_base(
    customer: &Customer,
    id: &OfferId,
    offer: &Offer,
    added: u32,
) -> Result<(), Rejection> {
    keeps_share(customer, id, offer, |held| held.saturating_add(added))
}

/// Refuses fewer seats of an add-on than its share of its base. Source: domain, section 2, no. 15.
pub(super) fn keeps_share(
    customer: &Customer,
    id: &OfferId,
    offer: &Offer,
    change: impl FnOnce(u32) -> u32,
) -> Result<(), Rejection> {
    let Some(base_percent) = offer.base_percent else { return Ok(()) };
    let held = |offer: &OfferId| {
        let elsewhere = customer.external.get(offer).map_or(0, |holding| holding.seats);
        customer.seats(offer).saturating_add(elsewhere)
    };
    let bases = offer.prerequisites.iter().map(held);
    let base_seats = bases.fold(0, u32::saturating_add);
    let share = u64::from(base_seats).saturating_mul(u64::from(base_percent)).div_ceil(100);
    let seats_min = u32::try_from(share).unwrap_or(u32::MAX);
    let quantity = change(held(id));
    if quantity < seats_min {
        let offer = id.clone();
        return Err(Rejection::BelowBaseShare { offer, quantity, seats_min, base_seats });
    }
    Ok(())
}

fn first_term(
    context: &Context<'_>,
    customer: &Customer,
    programme: &Programme,
    offer: &Offer,
    c: &Purchase,
) -> Result<Period, Rejection> {
    let Some(end_date) = c.end_date else { return Ok(term(context.today(), c.term)?) };
    alignable(customer, offer.kind)?;
    aligned(programme, customer, None, context.today(), c.term, end_date)
}

/// What the first charge cycle of a term costs: all its days, or those until the term ends.
pub(super) fn first_charge(
    programme: &Programme,
    plan: TermPlan,
    term: Period,
    unit_price: Money,
    quantity: u32,
) -> Result<ChargeBasis, Rejection> {
    let anchor_rule = anchor_rule(programme, plan);
    let cycle = charge_cycle(term.start, plan.billing, anchor_rule, term.start)?;
    let billable = Period { start: term.start, end: cycle.end.min(term.end) };
    let rounding = programme.rounding;
    exact(ChargeBasis { unit_price, cycle, billable, rounding, by_months: None }, quantity)
}
