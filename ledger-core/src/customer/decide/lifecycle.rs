//! Suspending, resuming and renaming, and what time brings after the last term.

use chrono::{DateTime, Utc};

use super::account::text;
use super::ending::days_after;
use super::limits::shortfall_after;
use super::seats::credits;
use super::trials::not_on_trial;
use super::{
    Context, Rejection, basis, by_scheduler, changeable_or_suspended, drop_in_any_case,
    drop_scheduled, known, not_before, within_term,
};
use crate::calendar::midnight;
use crate::catalogue::SuspensionRules;
use crate::customer::command::{Delete, Disable, EndOfTermAction, Rename, Resume, Suspend};
use crate::customer::event::{
    DropCause, EndOfTermActionSet, Event, Refund, ResumedCharge, SubscriptionDeleted,
    SubscriptionDisabled, SubscriptionRenamed, SubscriptionResumed, SubscriptionSuspended,
    SuspensionCredit,
};
use crate::customer::state::{Customer, Status, Subscription};
use crate::ids::Role;

/// What a vendor's suspension does where the programme knows none: it stops the service, and no more.
const UNRULED: SuspensionRules = SuspensionRules {
    billing_stops: false,
    turns_renewal_off: false,
    days_max: None,
    full_credit_days: None,
};

/// What is planned for the renewal goes, whatever the programme keeps: planning needs an active
/// subscription. Source: domain, section 1.2 and section 2, no. 10.
pub(super) fn suspend(
    context: &Context<'_>,
    customer: &Customer,
    c: &Suspend,
) -> Result<Vec<Event>, Rejection> {
    let s = changeable_or_suspended(context, customer, &c.subscription)?;
    let by_vendor = !c.vendor_reasons.is_empty();
    if by_vendor {
        by_operator(context, "Suspend", "what the vendor suspends")?;
    }
    for reason in &c.vendor_reasons {
        text(reason, "vendor_reasons")?;
    }
    if !by_vendor {
        not_on_trial(s)?;
    }
    let is_suspended = s.status == Status::Suspended;
    if is_suspended && (!by_vendor || s.vendor_reasons == c.vendor_reasons) {
        return Ok(Vec::new());
    }
    let programme = context.programme(customer)?;
    let rules = match &programme.suspension {
        Some(rules) => rules,
        None if by_vendor => &UNRULED,
        None => {
            let programme = customer.profile.programme.clone();
            return Err(Rejection::SuspensionNotOffered { programme });
        }
    };
    // What the vendor has done is not to be blocked.
    if !by_vendor {
        drop_scheduled(programme, s, DropCause::Suspended)?;
    }
    // Another reason changes neither how long it is suspended nor what is charged.
    let (delete_at, billing_stops, credit) = if is_suspended {
        (s.delete_at, s.billing_stopped, None)
    } else {
        let delete_at = days_after(context.now, rules.days_max)?;
        (delete_at, rules.billing_stops, suspension_credit(context, s, rules)?)
    };

    let mut events = vec![Event::SubscriptionSuspended(SubscriptionSuspended {
        subscription: s.id.clone(),
        vendor_reasons: c.vendor_reasons.clone(),
        billing_stops,
        delete_at,
        rules: context.rules(customer)?,
        credit,
    })];
    if rules.turns_renewal_off && s.end_of_term == EndOfTermAction::Renew {
        let (subscription, action) = (s.id.clone(), EndOfTermAction::Lapse);
        events.push(Event::EndOfTermActionSet(EndOfTermActionSet { subscription, action }));
    }
    events.extend(drop_in_any_case(s, DropCause::Suspended));
    events.extend(shortfall_after(customer, &s.offer, 0, s.seats_in_service()));
    Ok(events)
}

/// What is credited when billing stops: in the first days of a term all of it, later the remaining days.
/// Source: domain, section 1.3 and section 4.4.
fn suspension_credit(
    context: &Context<'_>,
    s: &Subscription,
    rules: &SuspensionRules,
) -> Result<Option<SuspensionCredit>, Rejection> {
    if !rules.billing_stops || s.is_trial() {
        return Ok(None);
    }
    let full_before = days_after(midnight(s.term.start), rules.full_credit_days)?;
    let is_charged_here = s.charged.first().is_some_and(|first| first.from <= context.today());
    let refund = match full_before {
        Some(before) if context.now < before && is_charged_here => Refund::Full,
        Some(_) | None => Refund::Prorated,
    };
    let credits = credits(context, s, refund)?;
    Ok(Some(SuspensionCredit { offer: s.offer.clone(), refund, credits }))
}

/// The days from today to the end of the charge cycle, where billing had stopped.
fn resumed_charge(
    context: &Context<'_>,
    customer: &Customer,
    s: &Subscription,
) -> Result<Option<ResumedCharge>, Rejection> {
    if !s.billing_stopped || s.is_trial() {
        return Ok(None);
    }
    Ok(Some(ResumedCharge {
        offer: s.offer.clone(),
        quantity: s.quantity,
        basis: basis(s, context.today(), s.quantity)?,
        rules: context.rules_if_any(customer),
    }))
}

pub(super) fn resume(
    context: &Context<'_>,
    customer: &Customer,
    c: &Resume,
) -> Result<Vec<Event>, Rejection> {
    let s = changeable_or_suspended(context, customer, &c.subscription)?;
    if s.status != Status::Suspended {
        return Ok(Vec::new());
    }
    if !s.vendor_reasons.is_empty() {
        by_operator(context, "Resume", "what the vendor suspended")?;
    }

    let mut events = vec![Event::SubscriptionResumed(SubscriptionResumed {
        subscription: s.id.clone(),
        end_of_term: s.end_of_term,
        charge: resumed_charge(context, customer, s)?,
    })];
    events.extend(shortfall_after(customer, &s.offer, s.quantity, 0));
    Ok(events)
}

/// Refuses what only the operator hears from the vendor.
pub(super) fn by_operator(
    context: &Context<'_>,
    command: &'static str,
    what: &'static str,
) -> Result<(), Rejection> {
    if context.actor.role == Role::Operator {
        return Ok(());
    }
    Err(Rejection::OperatorOnly { command, what })
}

pub(super) fn disable(
    context: &Context<'_>,
    customer: &Customer,
    c: &Disable,
) -> Result<Vec<Event>, Rejection> {
    by_scheduler(context, "Disable")?;
    let s = known(customer, &c.subscription)?;
    if s.status != Status::Expired || s.disable_at != Some(c.due_at) {
        return Ok(Vec::new());
    }
    not_before(context, c.due_at)?;
    let disabled_days = context.programme(customer)?.ending.disabled_days;
    let delete_at = days_after(c.due_at, disabled_days)?;

    let mut events = vec![disabled(s, delete_at)];
    events.extend(shortfall_after(customer, &s.offer, 0, s.quantity));
    Ok(events)
}

/// Seats that were paid for until now.
const fn ending_seats(s: &Subscription) -> u32 {
    if s.is_living() { s.quantity } else { 0 }
}

/// The service stops, and the data is kept until `delete_at`; for ever when there is none.
pub(super) fn disabled(s: &Subscription, delete_at: Option<DateTime<Utc>>) -> Event {
    let (subscription, offer, quantity) = (s.id.clone(), s.offer.clone(), ending_seats(s));
    Event::SubscriptionDisabled(SubscriptionDisabled { subscription, offer, quantity, delete_at })
}

pub(super) fn delete(
    context: &Context<'_>,
    customer: &Customer,
    c: &Delete,
) -> Result<Vec<Event>, Rejection> {
    by_scheduler(context, "Delete")?;
    let s = known(customer, &c.subscription)?;
    let waits = matches!(s.status, Status::Suspended | Status::Disabled);
    if !waits || s.delete_at != Some(c.due_at) {
        return Ok(Vec::new());
    }
    not_before(context, c.due_at)?;

    Ok(vec![deleted(s)])
}

pub(super) fn deleted(s: &Subscription) -> Event {
    let (subscription, offer, quantity) = (s.id.clone(), s.offer.clone(), ending_seats(s));
    Event::SubscriptionDeleted(SubscriptionDeleted { subscription, offer, quantity })
}

pub(super) fn rename(customer: &Customer, c: &Rename) -> Result<Vec<Event>, Rejection> {
    let s = within_term(customer, &c.subscription)?;
    if let Some(name) = &c.name {
        text(name, "name")?;
    }
    if s.name == c.name {
        return Ok(Vec::new());
    }

    let (subscription, name) = (s.id.clone(), c.name.clone());
    Ok(vec![Event::SubscriptionRenamed(SubscriptionRenamed { subscription, name })])
}
