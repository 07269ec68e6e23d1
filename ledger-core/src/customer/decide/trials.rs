//! Trials: starting, converting and ending them.
//!
//! A trial has one term. At its end it becomes a paid subscription, or it is over at once: nothing of it
//! is kept for a time of grace. Source: domain, section 1.9.

use chrono::Days;

use super::lifecycle::{by_operator, deleted};
use super::limits::{
    not_above_maximum, not_below_assigned, not_below_minimum, not_too_many_updates, not_zero,
    shortfall_after, sum,
};
use super::next_term::keeps_limits;
use super::promotions::within_promotion;
use super::purchase::{first_charge, may_be_sold};
use super::seats::{Windows, windows};
use super::{
    Context, Rejection, anchor_rule, basis, by_scheduler, changeable, drop_in_any_case,
    drop_scheduled, known, not_before,
};
use crate::calendar::{DateOutOfRange, Period, renewal_due, term};
use crate::catalogue::{Offer, Programme, Quote, TrialRules};
use crate::customer::command::{ConvertTrial, EndOfTermAction, EndTrial, ExtendTrial, StartTrial};
use crate::customer::event::{
    ChargeBasis, DropCause, Event, GrownSubscription, PaidTerm, QuantityChange,
    SubscriptionExpired, TermEndChange, TermPlan, TrialConverted, TrialExtended, TrialStarted,
    TrialTarget,
};
use crate::customer::state::{Customer, Status, Subscription, TermKind};
use crate::ids::{OfferId, SubscriptionId};

/// Refuses to change a trial.
pub(super) fn not_on_trial(s: &Subscription) -> Result<(), Rejection> {
    if s.is_trial() {
        return Err(Rejection::TrialUnchangeable { subscription: s.id.clone() });
    }
    Ok(())
}

pub(super) fn start(
    context: &Context<'_>,
    customer: &Customer,
    c: &StartTrial,
) -> Result<Vec<Event>, Rejection> {
    if customer.subscriptions.contains_key(&c.subscription) {
        return Err(Rejection::SubscriptionExists { subscription: c.subscription.clone() });
    }
    let programme = context.programme(customer)?;
    let trials = rules_of_trials(customer, programme)?;
    let offer = context.offer(&c.offer)?;
    may_be_tried(customer, programme, trials, &c.offer, offer)?;
    not_above_maximum(customer, &c.offer, offer, trials.seats)?;
    let converts_to = TermPlan { term: trials.term, billing: trials.billing };
    if trials.converts {
        context.quote(customer, &c.offer, converts_to)?;
    }
    let start = context.today();
    let last = Days::new(u64::from(trials.days.saturating_sub(1)));
    let term = Period { start, end: start.checked_add_days(last).ok_or(DateOutOfRange)? };
    let rules = context.rules(customer)?;

    let mut events = vec![Event::TrialStarted(TrialStarted {
        subscription: c.subscription.clone(),
        offer: c.offer.clone(),
        offer_title: offer.title.clone(),
        services: offer.services.iter().cloned().collect(),
        quantity: trials.seats,
        term,
        converts_to,
        converts: trials.converts,
        rules,
    })];
    events.extend(shortfall_after(customer, &c.offer, trials.seats, 0));
    Ok(events)
}

fn rules_of_trials<'a>(
    customer: &Customer,
    programme: &'a Programme,
) -> Result<&'a TrialRules, Rejection> {
    programme.trials.as_ref().ok_or_else(|| Rejection::TrialsNotOffered {
        programme: customer.profile.programme.clone(),
    })
}

fn may_be_tried(
    customer: &Customer,
    programme: &Programme,
    trials: &TrialRules,
    id: &OfferId,
    offer: &Offer,
) -> Result<(), Rejection> {
    if !offer.has_trial || !offer.prerequisites.is_empty() {
        return Err(Rejection::OfferHasNoTrial { offer: id.clone() });
    }
    let segment = customer.profile.segment;
    if trials.refused_segments.contains(&segment) {
        return Err(Rejection::TrialNotForSegment { segment });
    }
    may_be_sold(customer, programme, id, offer, false)?;
    let has_had = customer.tried.contains(id) || customer.bought.contains(id);
    if has_had || customer.external.contains_key(id) {
        return Err(Rejection::TrialOnlyOnce { offer: id.clone() });
    }
    Ok(())
}

pub(super) fn convert(
    context: &Context<'_>,
    customer: &Customer,
    c: &ConvertTrial,
) -> Result<Vec<Event>, Rejection> {
    let s = changeable(context, customer, &c.subscription)?;
    if !s.is_trial() {
        return Err(Rejection::NotATrial { subscription: s.id.clone() });
    }
    let programme = context.programme(customer)?;
    let seats_min = rules_of_trials(customer, programme)?.conversion_seats_min;
    let quantity = c.quantity.unwrap_or(s.quantity);
    not_zero(quantity)?;
    if quantity < seats_min {
        return Err(Rejection::ConversionTooSmall { quantity, seats_min });
    }
    let offer = context.offer(&s.offer)?;
    may_be_sold(customer, programme, &s.offer, offer, false)?;
    not_below_minimum(&s.offer, offer.seats_min, quantity)?;
    not_above_maximum(customer, &s.offer, offer, quantity.saturating_sub(s.quantity))?;
    let (converted, target_dropped) = match &c.into {
        None => {
            let plan = TermPlan {
                term: c.term.unwrap_or(s.plan.term),
                billing: c.billing.unwrap_or(s.plan.billing),
            };
            let quote = context.quote(customer, &s.offer, plan)?;
            let term = term(context.today(), plan.term)?;
            let begun = Begun { offer, plan, quote, term, quantity };
            (into_itself(context, customer, programme, s, begun)?, None)
        }
        Some(_) if c.term.is_some() || c.billing.is_some() => {
            let expected = "none: the subscription that the seats go to keeps its term and billing";
            return Err(Rejection::FieldInvalid { field: "term", expected });
        }
        Some(target) => into_existing(context, customer, programme, s, (target, quantity))?,
    };

    let mut events = vec![converted];
    events.extend(drop_in_any_case(s, DropCause::TrialConverted));
    events.extend(target_dropped);
    events.extend(shortfall_after(customer, &s.offer, quantity, s.quantity));
    Ok(events)
}

/// The paid term that a trial becomes.
struct Begun<'a> {
    offer: &'a Offer,
    plan: TermPlan,
    quote: Quote,
    term: Period,
    quantity: u32,
}

/// The trial becomes paid.
fn into_itself(
    context: &Context<'_>,
    customer: &Customer,
    programme: &Programme,
    s: &Subscription,
    begun: Begun<'_>,
) -> Result<Event, Rejection> {
    let Begun { offer, plan, quote, term, quantity } = begun;
    let basis = first_charge(programme, plan, term, quote.price, quantity)?;
    let Windows { cancel_until, reduce_until, full_refund_before } =
        windows(context, programme, offer.kind)?;
    let paid = PaidTerm {
        plan,
        term,
        started_at: context.now,
        lot: sum(s.last_lot, 1)?,
        cancel_until,
        reduce_until,
        full_refund_before,
        anchor: anchor_rule(programme, plan),
    };

    Ok(Event::TrialConverted(TrialConverted {
        subscription: s.id.clone(),
        offer: s.offer.clone(),
        quantity: QuantityChange { from: s.quantity, to: quantity },
        into: TrialTarget::Itself(paid),
        basis,
        price_list: quote.price_list,
        rules: context.rules(customer)?,
    }))
}

/// The seats go to another subscription, and what that drops there. They have no window: they are not
/// bought anew, they were tried. Source: domain, section 1.9.
fn into_existing(
    context: &Context<'_>,
    customer: &Customer,
    programme: &Programme,
    s: &Subscription,
    (target, quantity): (&SubscriptionId, u32),
) -> Result<(Event, Option<Event>), Rejection> {
    if *target == s.id {
        return Err(Rejection::TargetIsSource { subscription: s.id.clone() });
    }
    let t = changeable(context, customer, target)?;
    fits(s, t)?;
    not_too_many_updates(programme, t)?;
    within_promotion(context, customer, t, quantity.saturating_sub(s.quantity))?;
    let dropped = drop_scheduled(programme, t, DropCause::SeatsAdded)?;
    let to = sum(t.quantity, quantity)?;
    let basis = basis(t, context.today(), quantity)?;
    let grown = GrownSubscription {
        subscription: t.id.clone(),
        quantity: QuantityChange { from: t.quantity, to },
        lot: sum(t.last_lot, 1)?,
    };

    let converted = Event::TrialConverted(TrialConverted {
        subscription: s.id.clone(),
        offer: s.offer.clone(),
        quantity: QuantityChange { from: s.quantity, to: quantity },
        into: TrialTarget::Existing(grown),
        basis,
        price_list: None,
        rules: context.rules(customer)?,
    });
    Ok((converted, dropped))
}

/// Refuses a target that is a trial itself, of another offer, or over before the trial.
fn fits(s: &Subscription, t: &Subscription) -> Result<(), Rejection> {
    not_on_trial(t)?;
    if t.offer != s.offer {
        return Err(Rejection::TargetOfferDiffers {
            subscription: t.id.clone(),
            offer: t.offer.clone(),
            target_offer: s.offer.clone(),
        });
    }
    if t.term.end < s.term.end {
        let (source_end, target_end) = (s.term.end, t.term.end);
        return Err(Rejection::TargetEndsEarlier { source_end, target_end });
    }
    Ok(())
}

/// The vendor gives more days, and the operator tells. Source: domain, sections 1.9 and 4.5.
pub(super) fn extend(
    context: &Context<'_>,
    customer: &Customer,
    c: &ExtendTrial,
) -> Result<Vec<Event>, Rejection> {
    by_operator(context, "ExtendTrial", "the end of a trial")?;
    let s = changeable(context, customer, &c.subscription)?;
    if !s.is_trial() {
        return Err(Rejection::NotATrial { subscription: s.id.clone() });
    }
    let from = s.term.end;
    if c.term_end == from {
        return Ok(Vec::new());
    }
    if c.term_end < from {
        let expected = "a day after the trial's last one";
        return Err(Rejection::FieldInvalid { field: "term_end", expected });
    }
    renewal_due(c.term_end)?;
    let start = renewal_due(from)?.date_naive();
    let days = Period { start, end: c.term_end };
    let (unit_price, rounding) = (s.unit_price, s.rounding);
    let basis = ChargeBasis { unit_price, cycle: days, billable: days, rounding, by_months: None };

    Ok(vec![Event::TrialExtended(TrialExtended {
        subscription: s.id.clone(),
        offer: s.offer.clone(),
        quantity: s.quantity,
        term_end: TermEndChange { from, to: c.term_end },
        basis,
        rules: context.rules_if_any(customer),
    })])
}

pub(super) fn end(
    context: &Context<'_>,
    customer: &Customer,
    c: &EndTrial,
) -> Result<Vec<Event>, Rejection> {
    by_scheduler(context, "EndTrial")?;
    let s = known(customer, &c.subscription)?;
    if !s.is_living() || !s.is_trial() || s.term.end != c.term_end {
        return Ok(Vec::new());
    }
    not_before(context, renewal_due(c.term_end)?)?;
    let renews = s.status == Status::Active && s.end_of_term == EndOfTermAction::Renew;
    if s.kind == (TermKind::Trial { converts: true }) && renews {
        return begin_or_end(context, customer, s);
    }
    Ok(over(customer, s))
}

/// The paid term that was promised begins, with what was planned for it as far as that still can be; the
/// trial is over if it cannot.
fn begin_or_end(
    context: &Context<'_>,
    customer: &Customer,
    s: &Subscription,
) -> Result<Vec<Event>, Rejection> {
    let programme = context.programme(customer)?;
    let Some(offer) = context.catalogue()?.offer(&s.offer) else { return Ok(over(customer, s)) };
    let planned = s.scheduled.as_ref().map(|planned| {
        let plan = planned.plan.unwrap_or(s.plan);
        let removed = s.quantity.saturating_sub(planned.quantity);
        if context.quote(customer, &s.offer, plan).is_err() {
            return Err(DropCause::NotSold);
        }
        keeps_limits(customer, s, offer, planned.quantity)
            .and_then(|()| not_below_assigned(programme, customer, &s.offer, removed))
            .map_err(|_| DropCause::OutsideLimits)?;
        Ok((planned.quantity, plan))
    });
    let (quantity, plan) = match planned {
        Some(Ok(planned)) => planned,
        Some(Err(_)) | None => (s.quantity, s.plan),
    };
    let Ok(quote) = context.quote(customer, &s.offer, plan) else { return Ok(over(customer, s)) };
    let term = term(renewal_due(s.term.end)?.date_naive(), plan.term)?;
    let begun = Begun { offer, plan, quote, term, quantity };
    let converted = into_itself(context, customer, programme, s, begun)?;

    let dropped = planned.and_then(Result::err).and_then(|cause| drop_in_any_case(s, cause));
    let mut events = Vec::from_iter(dropped);
    events.push(converted);
    events.extend(shortfall_after(customer, &s.offer, quantity, s.quantity));
    Ok(events)
}

/// The trial is over. One that was suspended for a limited time leaves nothing, like a paid term that
/// ends during such a suspension.
fn over(customer: &Customer, s: &Subscription) -> Vec<Event> {
    let over = if s.delete_at.is_some() {
        deleted(s)
    } else {
        Event::SubscriptionExpired(SubscriptionExpired {
            subscription: s.id.clone(),
            offer: s.offer.clone(),
            quantity: s.quantity,
            term_end: s.term.end,
            disable_at: None,
        })
    };
    let mut events = vec![over];
    events.extend(drop_in_any_case(s, DropCause::NotRenewed));
    events.extend(shortfall_after(customer, &s.offer, 0, s.seats_in_service()));
    events
}
