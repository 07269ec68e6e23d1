//! Planning the next term. What is planned needs an active subscription that renews. Source: domain,
//! section 2, no. 10.

use super::limits::not_zero;
use super::next_term::Renewal;
use super::renewal::settings_changed;
use super::trials::not_on_trial;
use super::{Context, Rejection, changeable, drop_in_any_case};
use crate::calendar::{BillingCycle, TermDuration, renewal_due};
use crate::customer::command::{
    AlignEndDate, ChangeRenewalSettings, EndOfTermAction, ScheduleRenewalQuantity, ScheduleUpgrade,
    WithdrawScheduledChange,
};
use crate::customer::event::{
    DropCause, Event, RenewalQuantityScheduled, RenewalSettings, TermPlan,
};
use crate::customer::evolve::unplanned;
use crate::customer::state::{Customer, Subscription, TermKind};
use crate::ids::SubscriptionId;

pub(super) fn quantity(
    context: &Context<'_>,
    customer: &Customer,
    c: &ScheduleRenewalQuantity,
) -> Result<Vec<Event>, Rejection> {
    let s = renewing(context, customer, &c.subscription)?;
    not_zero(c.quantity)?;
    let planned = planned(s);
    if planned.quantity == c.quantity {
        return Ok(Vec::new());
    }
    let programme = context.programme(customer)?;
    let settings = RenewalSettings { quantity: c.quantity, ..planned };
    let renewal = Renewal { context, customer, programme, s };
    renewal.keeps_limits(&settings)?;
    if s.scheduled.is_some() {
        renewal.sold(&settings)?;
    }
    let due = renewal_due(s.term.end)?.date_naive();

    Ok(vec![Event::RenewalQuantityScheduled(RenewalQuantityScheduled {
        subscription: s.id.clone(),
        quantity: c.quantity,
        due,
    })])
}

/// A trial's settings are those of its conversion, which has neither a chosen end nor a promotion. Source:
/// domain, section 1.9.
pub(super) fn settings(
    context: &Context<'_>,
    customer: &Customer,
    c: &ChangeRenewalSettings,
) -> Result<Vec<Event>, Rejection> {
    let s = renewing(context, customer, &c.subscription)?;
    if c.end_date.is_some() || c.promotion.is_some() {
        not_on_trial(s)?;
    }
    let planned = planned(s);
    let settings = RenewalSettings {
        quantity: c.quantity.unwrap_or(planned.quantity),
        plan: changed(s, c.term, c.billing, planned.plan.unwrap_or(s.plan)),
        offer: planned.offer,
        end_date: c.end_date.or(planned.end_date),
        promotion: c.promotion.clone().or(planned.promotion),
    };
    plan(context, customer, s, settings)
}

pub(super) fn align(
    context: &Context<'_>,
    customer: &Customer,
    c: &AlignEndDate,
) -> Result<Vec<Event>, Rejection> {
    let s = renewing(context, customer, &c.subscription)?;
    not_on_trial(s)?;
    plan(context, customer, s, RenewalSettings { end_date: Some(c.end_date), ..planned(s) })
}

/// Quantity and plan are as the command says or as now, whatever was planned for the old offer; the last
/// day that was planned stays.
pub(super) fn upgrade(
    context: &Context<'_>,
    customer: &Customer,
    c: &ScheduleUpgrade,
) -> Result<Vec<Event>, Rejection> {
    let s = renewing(context, customer, &c.subscription)?;
    not_on_trial(s)?;
    let settings = RenewalSettings {
        quantity: c.quantity.unwrap_or(s.quantity),
        plan: changed(s, c.term, c.billing, s.plan),
        offer: Some(c.target_offer.clone()),
        end_date: planned(s).end_date,
        promotion: None,
    };
    plan(context, customer, s, settings)
}

pub(super) fn withdraw(
    context: &Context<'_>,
    customer: &Customer,
    c: &WithdrawScheduledChange,
) -> Result<Vec<Event>, Rejection> {
    let s = renewing(context, customer, &c.subscription)?;
    Ok(drop_in_any_case(s, DropCause::Withdrawn).into_iter().collect())
}

/// The subscription, if it is active and is to be renewed, or converted in the case of a trial.
fn renewing<'a>(
    context: &Context<'_>,
    customer: &'a Customer,
    id: &SubscriptionId,
) -> Result<&'a Subscription, Rejection> {
    let s = changeable(context, customer, id)?;
    let ends = s.kind == TermKind::Trial { converts: false };
    if ends || s.end_of_term != EndOfTermAction::Renew {
        return Err(Rejection::NotRenewing { subscription: s.id.clone() });
    }
    Ok(s)
}

fn planned(s: &Subscription) -> RenewalSettings {
    s.scheduled.clone().unwrap_or_else(|| unplanned(s.quantity))
}

/// `plan` with the term and billing asked for; `None` where that is the present plan.
fn changed(
    s: &Subscription,
    term: Option<TermDuration>,
    billing: Option<BillingCycle>,
    plan: TermPlan,
) -> Option<TermPlan> {
    let plan =
        TermPlan { term: term.unwrap_or(plan.term), billing: billing.unwrap_or(plan.billing) };
    (plan != s.plan).then_some(plan)
}

fn plan(
    context: &Context<'_>,
    customer: &Customer,
    s: &Subscription,
    settings: RenewalSettings,
) -> Result<Vec<Event>, Rejection> {
    not_zero(settings.quantity)?;
    if planned(s) == settings {
        return Ok(Vec::new());
    }
    let TermPlan { term, billing } = settings.plan.unwrap_or(s.plan);
    if term.months() < billing.months() {
        return Err(Rejection::BillingLongerThanTerm { term, billing });
    }
    let programme = context.programme(customer)?;
    let renewal = Renewal { context, customer, programme, s };
    renewal.sold(&settings)?;
    renewal.keeps_limits(&settings)?;
    Ok(vec![settings_changed(s, settings)?])
}
