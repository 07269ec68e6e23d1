//! Buying.

use super::limits::{not_above_maximum, not_below_minimum, not_zero, shortfall_after};
use super::seats::deadline;
use super::{Context, Rejection, anchor_rule, exact};
use crate::calendar::{charge_cycle, term};
use crate::customer::command::Purchase;
use crate::customer::event::{ChargeBasis, Event, SubscriptionPurchased, TermPlan};
use crate::customer::state::Customer;

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
    let plan = TermPlan { term: c.term, billing: c.billing };
    let quote = context.quote(customer, &c.offer, plan)?;
    not_below_minimum(&c.offer, offer.seats_min, c.quantity)?;
    not_above_maximum(customer, &c.offer, offer, c.quantity)?;
    let has_base = offer.prerequisites.iter().any(|base| customer.holds(base));
    if !offer.prerequisites.is_empty() && !has_base {
        let needs_one_of = offer.prerequisites.iter().cloned().collect();
        return Err(Rejection::PrerequisiteMissing { offer: c.offer.clone(), needs_one_of });
    }
    let window = programme.window(offer.kind, context.now);
    let term = term(context.today(), plan.term)?;
    let anchor_rule = anchor_rule(programme, plan);
    let cycle = charge_cycle(term.start, plan.billing, anchor_rule, term.start)?;
    let rounding = programme.rounding;
    let basis = exact(
        ChargeBasis { unit_price: quote.price, cycle, billable: cycle, rounding },
        c.quantity,
    )?;
    let cancel_until = deadline(context.now, window.and_then(|w| w.cancel_hours))?;
    let reduce_until = deadline(context.now, window.and_then(|w| w.reduce_hours))?;
    let full_refund_before = deadline(context.now, window.and_then(|w| w.full_refund_hours))?;
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
        promotion: None,
        unused_promotion: None,
        attested: c.attested,
        resellers: c.resellers.clone(),
    })];
    events.extend(shortfall_after(customer, &c.offer, c.quantity, 0));
    Ok(events)
}
