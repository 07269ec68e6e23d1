//! Longer terms and other rhythms of charging, in the middle of a term.
//!
//! Source: domain, section 2, no. 12 and 13.

use super::limits::{not_too_many_updates, sum};
use super::purchase::first_charge;
use super::seats::windows;
use super::trials::not_on_trial;
use super::{
    Context, Rejection, anchor_rule, basis, by_scheduler, changeable, drop_in_any_case,
    drop_scheduled, exact, known, not_before,
};
use crate::calendar::{BillingCycle, Period, charge_cycle, midnight, renewal_due, term};
use crate::catalogue::{Programme, ProrationUnit};
use crate::customer::command::{ApplyBillingFrequency, ChangeBillingFrequency, ChangeTerm};
use crate::customer::event::{
    BillingFrequencyChanged, BillingFrequencyChosen, ByMonths, ChargeBasis, DropCause, Event,
    TermChanged, TermPlan,
};
use crate::customer::state::{Customer, Subscription, TermKind};

/// A rhythm of charging that was chosen goes with the old term.
pub(super) fn change(
    context: &Context<'_>,
    customer: &Customer,
    c: &ChangeTerm,
) -> Result<Vec<Event>, Rejection> {
    let s = changeable(context, customer, &c.subscription)?;
    in_regular_term(s)?;
    let programme = context.programme(customer)?;
    if !programme.terms.longer_at_once {
        let programme = customer.profile.programme.clone();
        return Err(Rejection::TermChangeNotOffered { programme });
    }
    if c.term <= s.plan.term {
        return Err(Rejection::TermNotLonger { term: c.term, current: s.plan.term });
    }
    not_too_many_updates(programme, s)?;
    drop_scheduled(programme, s, DropCause::TermChanged)?;
    let offer = context.offer(&s.offer)?;
    let plan = TermPlan { term: c.term, billing: c.billing };
    let quote = context.quote(customer, &s.offer, plan)?;
    let credit = basis(s, context.today(), s.quantity)?;
    let term = term(context.today(), plan.term)?;
    let basis = first_charge(programme, plan, term, quote.price, s.quantity)?;
    let reducible = windows(context, programme, offer.kind)?.reduce_until.is_some();

    let mut events = vec![Event::TermChanged(TermChanged {
        subscription: s.id.clone(),
        offer: s.offer.clone(),
        quantity: s.quantity,
        plan,
        term,
        started_at: context.now,
        lot: sum(s.last_lot, 1)?,
        cancel_until: s.cancel_until,
        reduce_until: s.cancel_until.filter(|_| reducible),
        full_refund_before: None,
        credit,
        basis,
        price_list: quote.price_list,
        anchor: anchor_rule(programme, plan),
        rules: context.rules(customer)?,
    })];
    // Nothing is left of the old term to plan for, whatever the programme keeps.
    events.extend(drop_in_any_case(s, DropCause::TermChanged));
    Ok(events)
}

/// Choosing the present rhythm withdraws what was chosen before.
pub(super) fn choose_billing(
    context: &Context<'_>,
    customer: &Customer,
    c: &ChangeBillingFrequency,
) -> Result<Vec<Event>, Rejection> {
    let s = changeable(context, customer, &c.subscription)?;
    in_regular_term(s)?;
    let chosen = s.next_billing.map_or(s.plan.billing, |next| next.billing);
    if chosen == c.billing {
        return Ok(Vec::new());
    }
    let programme = context.programme(customer)?;
    let from = next_cycle(context, s)?;
    if c.billing != s.plan.billing {
        may_change_to(context, customer, programme, s, c)?;
        if s.term.end < from {
            let (subscription, term_end) = (s.id.clone(), s.term.end);
            return Err(Rejection::NoFurtherChargeCycle { subscription, term_end });
        }
    }

    let (subscription, billing) = (s.id.clone(), c.billing);
    Ok(vec![Event::BillingFrequencyChosen(BillingFrequencyChosen { subscription, billing, from })])
}

fn may_change_to(
    context: &Context<'_>,
    customer: &Customer,
    programme: &Programme,
    s: &Subscription,
    c: &ChangeBillingFrequency,
) -> Result<(), Rejection> {
    let term = s.plan.term;
    if !programme.terms.billing_changes.contains(&term) {
        let programme = customer.profile.programme.clone();
        return Err(Rejection::BillingChangeNotOffered { programme, term });
    }
    if term.months() <= c.billing.months() {
        return Err(Rejection::UpfrontOnlyAtPurchase { billing: c.billing });
    }
    context.quote(customer, &s.offer, TermPlan { term, billing: c.billing })?;
    Ok(())
}

/// First day of the charge cycle after the present one.
fn next_cycle(context: &Context<'_>, s: &Subscription) -> Result<chrono::NaiveDate, Rejection> {
    let cycle = charge_cycle(s.cycle_anchor, s.plan.billing, s.anchor, context.today())?;
    Ok(renewal_due(cycle.end)?.date_naive())
}

/// The price is that of the list in force on the day of the change: what the other rhythm cost when the
/// term began is not known. Charge cycles are counted from the first day of the term as before, so that
/// of the first one only what is left of it may be charged, by months where these are whole. Source:
/// domain, sections 1.4 and 4.3.
///
/// What is no longer sold in that rhythm keeps the present one. A suspended subscription changes, too:
/// suspending keeps what was chosen (domain, section 1.2).
pub(super) fn apply_billing(
    context: &Context<'_>,
    customer: &Customer,
    c: &ApplyBillingFrequency,
) -> Result<Vec<Event>, Rejection> {
    by_scheduler(context, "ApplyBillingFrequency")?;
    let s = known(customer, &c.subscription)?;
    let Some(next) = s.next_billing.filter(|next| s.is_living() && next.from == c.from) else {
        return Ok(Vec::new());
    };
    not_before(context, midnight(next.from))?;
    let programme = context.programme(customer)?;
    let plan = TermPlan { term: s.plan.term, billing: next.billing };
    let Ok(quote) = context.quote(customer, &s.offer, plan) else {
        return Ok(vec![Event::BillingFrequencyChosen(BillingFrequencyChosen {
            subscription: s.id.clone(),
            billing: s.plan.billing,
            from: next.from,
        })]);
    };
    let cycle = charge_cycle(s.cycle_anchor, plan.billing, s.anchor, next.from)?;
    let billable = Period { start: next.from, end: cycle.end.min(s.term.end) };
    let (unit_price, rounding) = (quote.price, programme.rounding);
    let by_months = match programme.terms.billing_change_by {
        ProrationUnit::Months => by_months(s, plan.billing, cycle, billable)?,
        ProrationUnit::Days => None,
    };
    let basis = ChargeBasis { unit_price, cycle, billable, rounding, by_months };
    let basis = exact(basis, s.quantity)?;

    Ok(vec![Event::BillingFrequencyChanged(BillingFrequencyChanged {
        subscription: s.id.clone(),
        offer: s.offer.clone(),
        quantity: s.quantity,
        plan,
        from: next.from,
        basis,
        price_list: quote.price_list,
        rules: context.rules(customer)?,
        is_charged: !s.billing_stopped,
    })])
}

/// The whole months that are left of a charge cycle; `None` when all of it is left, or no whole months.
/// Source: domain, section 4.3, last row.
fn by_months(
    s: &Subscription,
    billing: BillingCycle,
    cycle: Period,
    left: Period,
) -> Result<Option<ByMonths>, Rejection> {
    let (mut months, mut day) = (0_u32, left.start);
    while day <= left.end {
        let month = charge_cycle(s.cycle_anchor, BillingCycle::Monthly, s.anchor, day)?;
        if month.start != day || left.end < month.end {
            return Ok(None);
        }
        months = months.saturating_add(1);
        day = renewal_due(month.end)?.date_naive();
    }
    let part = ByMonths { months, of: billing.months(), days: left };
    Ok((left != cycle).then_some(part))
}

/// Refuses trials and extended service terms.
fn in_regular_term(s: &Subscription) -> Result<(), Rejection> {
    not_on_trial(s)?;
    if s.kind == TermKind::Extended {
        return Err(Rejection::InExtendedTerm { subscription: s.id.clone() });
    }
    Ok(())
}
