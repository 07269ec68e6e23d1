//! The end of a term: choosing it, and the next term that the scheduler begins.

use chrono::NaiveDate;

use super::ending::{extension, sold_monthly};
use super::limits::{shortfall_after, shortfalls_between, sum};
use super::next_term::{NextTerm, Renewal};
use super::seats::{Windows, windows};
use super::trials::not_on_trial;
use super::{Context, Rejection, anchor_rule, by_scheduler, changeable, drop_in_any_case, living};
use crate::calendar::renewal_due;
use crate::catalogue::Programme;
use crate::customer::command::{EndOfTermAction, Renew, SetEndOfTermAction};
use crate::customer::event::{
    DropCause, EndOfTermActionSet, Event, QuantityChange, RenewalSettings, RenewalSettingsChanged,
    SubscriptionRenewed,
};
use crate::customer::evolve::unplanned;
use crate::customer::state::{Customer, Subscription, TermKind};

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
    let set = Event::EndOfTermActionSet(EndOfTermActionSet { subscription, action: c.action });
    let follows = match c.action {
        EndOfTermAction::Renew => plan_out_of_extended(context, customer, s)?,
        EndOfTermAction::ExtendedServiceTerm => {
            may_be_extended(context, customer, s)?;
            drop_in_any_case(s, DropCause::NotRenewed)
        }
        EndOfTermAction::Cancel | EndOfTermAction::Lapse => {
            drop_in_any_case(s, DropCause::NotRenewed)
        }
    };
    Ok([set].into_iter().chain(follows).collect())
}

pub(super) fn may_be_extended(
    context: &Context<'_>,
    customer: &Customer,
    s: &Subscription,
) -> Result<(), Rejection> {
    not_on_trial(s)?;
    match extension(context.catalogue()?, context.programme(customer)?, s) {
        Ok(_) => sold_monthly(context, customer, s).map(drop),
        Err(reason) => {
            let subscription = s.id.clone();
            Err(Rejection::ExtendedTermRefused { subscription, reason })
        }
    }
}

/// A renewal after an extended service term begins a monthly term; of an offer that has none, the plan
/// that the months' price was made of.
fn plan_out_of_extended(
    context: &Context<'_>,
    customer: &Customer,
    s: &Subscription,
) -> Result<Option<Event>, Rejection> {
    if s.kind != TermKind::Extended {
        return Ok(None);
    }
    let plan = sold_monthly(context, customer, s)?.plan;
    if plan == s.plan {
        return Ok(None);
    }
    let settings = RenewalSettings { plan: Some(plan), ..unplanned(s.quantity) };
    Ok(Some(settings_changed(s, settings)?))
}

/// The event that says what is planned for the next term.
pub(super) fn settings_changed(
    s: &Subscription,
    settings: RenewalSettings,
) -> Result<Event, Rejection> {
    let due = renewal_due(s.term.end)?.date_naive();
    let subscription = s.id.clone();
    Ok(Event::RenewalSettingsChanged(RenewalSettingsChanged { subscription, settings, due }))
}

/// What was planned applies as a whole, or its quantity alone if that still can be, or not at all; the
/// renewal itself is never given up for it. Source: domain, section 10, no. 35 and no. 37.
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
    not_on_trial(s)?;
    let programme = context.programme(customer)?;
    let renewal = Renewal { context, customer, programme, s };
    let as_before = || renewal.sold(&unplanned(s.quantity));
    let (next, dropped) = match s.scheduled.as_ref().map(|planned| renewal.as_planned(planned)) {
        None => (as_before()?, None),
        Some(Ok(next)) => (next, None),
        Some(Err(cause)) => {
            let quantity_alone = s.scheduled.as_ref().map(|planned| unplanned(planned.quantity));
            let kept = quantity_alone.and_then(|alone| renewal.as_planned(&alone).ok());
            (kept.map_or_else(as_before, Ok)?, drop_in_any_case(s, cause))
        }
    };
    let shortfalls = shortfalls(customer, s, &next);
    let renewed = renewed(context, customer, programme, s, next)?;
    Ok(dropped.into_iter().chain([renewed]).chain(shortfalls).collect())
}

fn renewed(
    context: &Context<'_>,
    customer: &Customer,
    programme: &Programme,
    s: &Subscription,
    next: NextTerm<'_>,
) -> Result<Event, Rejection> {
    let Windows { cancel_until, reduce_until, full_refund_before } =
        windows(context, programme, next.offer.kind)?;
    let plan = next.change.as_ref().map_or(s.plan, |change| change.plan);
    Ok(Event::SubscriptionRenewed(SubscriptionRenewed {
        subscription: s.id.clone(),
        offer: s.offer.clone(),
        quantity: QuantityChange { from: s.quantity, to: next.quantity },
        term: next.term,
        renewed_at: context.now,
        lot: sum(s.last_lot, 1)?,
        cancel_until,
        reduce_until,
        full_refund_before,
        basis: next.basis,
        rules: context.rules(customer)?,
        change: next.change,
        price_list: next.price_list,
        anchor: anchor_rule(programme, plan),
        promotion: next.promotion,
    }))
}

fn shortfalls(customer: &Customer, s: &Subscription, next: &NextTerm<'_>) -> Vec<Event> {
    let upgraded = next.change.as_ref().and_then(|change| change.offer.as_ref());
    match upgraded {
        None => Vec::from_iter(shortfall_after(customer, &s.offer, next.quantity, s.quantity)),
        Some(upgraded) => {
            let seats = QuantityChange { from: s.quantity, to: next.quantity };
            shortfalls_between(customer, (&s.offer, &upgraded.offer), seats, &upgraded.reassigned)
        }
    }
}

/// Refuses what is about a term that is not over, and a later term while an earlier one waits.
pub(super) fn over(
    context: &Context<'_>,
    s: &Subscription,
    term_end: NaiveDate,
) -> Result<(), Rejection> {
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

pub(super) fn other_action(s: &Subscription, end_of_term: &'static str) -> Rejection {
    Rejection::OtherEndOfTermAction { subscription: s.id.clone(), end_of_term }
}
