//! The end of a term: planning it, choosing it, and what the scheduler brings about.

use chrono::NaiveDate;

use super::limits::{
    not_above_maximum, not_below_assigned, not_below_minimum, shortfall_after, sum,
};
use super::seats::deadline;
use super::{
    Context, Rejection, anchor_rule, by_scheduler, changeable, drop_in_any_case, exact, living,
};
use crate::calendar::{charge_cycle, renewal_due, term};
use crate::catalogue::Offer;
use crate::customer::command::{EndOfTermAction, Expire, Renew, SetEndOfTermAction};
use crate::customer::event::{
    ChargeBasis, DropCause, EndOfTermActionSet, Event, QuantityChange, SubscriptionExpired,
    SubscriptionRenewed,
};
use crate::customer::state::{Customer, Subscription};

pub(super) fn keeps_limits(
    customer: &Customer,
    s: &Subscription,
    offer: &Offer,
    quantity: u32,
) -> Result<(), Rejection> {
    not_below_minimum(&s.offer, offer.seats_min, quantity)?;
    match quantity.saturating_sub(s.quantity) {
        0 => Ok(()),
        added => not_above_maximum(customer, &s.offer, offer, added),
    }
}

pub(super) fn set_action(
    context: &Context<'_>,
    customer: &Customer,
    c: &SetEndOfTermAction,
) -> Result<Vec<Event>, Rejection> {
    let s = changeable(context, customer, &c.subscription)?;
    if s.end_of_term == c.action {
        return Ok(Vec::new());
    }

    let subscription = s.id.clone();
    let mut events =
        vec![Event::EndOfTermActionSet(EndOfTermActionSet { subscription, action: c.action })];
    match c.action {
        EndOfTermAction::Renew => {}
        EndOfTermAction::Cancel | EndOfTermAction::ExtendedServiceTerm | EndOfTermAction::Lapse => {
            events.extend(drop_in_any_case(s, DropCause::NotRenewed))
        }
    }
    Ok(events)
}

pub(super) fn renew(
    context: &Context<'_>,
    customer: &Customer,
    c: &Renew,
) -> Result<Vec<Event>, Rejection> {
    by_scheduler(context, "Renew")?;
    let s = living(customer, &c.subscription)?;
    if c.term_end < s.term.end {
        return Ok(Vec::new());
    }
    over(context, s, c.term_end)?;
    match s.end_of_term {
        EndOfTermAction::Renew => {}
        EndOfTermAction::Cancel | EndOfTermAction::ExtendedServiceTerm | EndOfTermAction::Lapse => {
            return Err(other_action(s, "cancel"));
        }
    }
    let programme = context.programme(customer)?;
    let offer = context.offer(&s.offer)?;
    let plan = s.plan;
    let quote = context.quote(customer, &s.offer, plan)?;
    let planned = s.scheduled.as_ref().map(|scheduled| scheduled.quantity);
    let kept = planned.filter(|quantity| {
        let removed = s.quantity.saturating_sub(*quantity);
        keeps_limits(customer, s, offer, *quantity).is_ok()
            && not_below_assigned(programme, customer, &s.offer, removed).is_ok()
    });
    let to = kept.unwrap_or(s.quantity);
    let term = term(renewal_due(s.term.end)?.date_naive(), plan.term)?;
    let anchor_rule = anchor_rule(programme, plan);
    let cycle = charge_cycle(term.start, plan.billing, anchor_rule, term.start)?;
    let rounding = programme.rounding;
    let basis =
        exact(ChargeBasis { unit_price: quote.price, cycle, billable: cycle, rounding }, to)?;
    let window = programme.window(offer.kind, context.now);
    let cancel_until = deadline(context.now, window.and_then(|w| w.cancel_hours))?;
    let reduce_until = deadline(context.now, window.and_then(|w| w.reduce_hours))?;
    let full_refund_before = deadline(context.now, window.and_then(|w| w.full_refund_hours))?;
    let lot = sum(s.last_lot, 1)?;
    let rules = context.rules(customer)?;

    let mut events = Vec::new();
    if planned.is_some() && kept.is_none() {
        events.extend(drop_in_any_case(s, DropCause::OutsideLimits));
    }
    events.push(Event::SubscriptionRenewed(SubscriptionRenewed {
        subscription: s.id.clone(),
        offer: s.offer.clone(),
        quantity: QuantityChange { from: s.quantity, to },
        term,
        renewed_at: context.now,
        lot,
        cancel_until,
        reduce_until,
        full_refund_before,
        basis,
        rules,
        change: None,
        price_list: quote.price_list,
        promotion: None,
    }));
    events.extend(shortfall_after(customer, &s.offer, to, s.quantity));
    Ok(events)
}

pub(super) fn expire(
    context: &Context<'_>,
    customer: &Customer,
    c: &Expire,
) -> Result<Vec<Event>, Rejection> {
    by_scheduler(context, "Expire")?;
    let s = living(customer, &c.subscription)?;
    if c.term_end < s.term.end {
        return Ok(Vec::new());
    }
    over(context, s, c.term_end)?;
    match s.end_of_term {
        EndOfTermAction::Cancel | EndOfTermAction::ExtendedServiceTerm | EndOfTermAction::Lapse => {
        }
        EndOfTermAction::Renew => return Err(other_action(s, "renew")),
    }

    let mut events = vec![Event::SubscriptionExpired(SubscriptionExpired {
        subscription: s.id.clone(),
        offer: s.offer.clone(),
        quantity: s.quantity,
        term_end: s.term.end,
        disable_at: None,
    })];
    events.extend(shortfall_after(customer, &s.offer, 0, s.quantity));
    Ok(events)
}

/// Refuses what is about a term that is not over, and a later term while an earlier one waits.
fn over(context: &Context<'_>, s: &Subscription, term_end: NaiveDate) -> Result<(), Rejection> {
    let due_at = renewal_due(term_end)?;
    if context.now < due_at {
        return Err(Rejection::TooEarly { subscription: s.id.clone(), due_at });
    }
    if s.term.end < term_end {
        let term_end = s.term.end;
        return Err(Rejection::RenewalPending { subscription: s.id.clone(), term_end });
    }
    Ok(())
}

fn other_action(s: &Subscription, end_of_term: &'static str) -> Rejection {
    Rejection::OtherEndOfTermAction { subscription: s.id.clone(), end_of_term }
}
