//! What follows a term that is not renewed: a time of grace, the extended service term, or nothing.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::lifecycle::{deleted, disabled};
use super::limits::{shortfall_after, sum};
use super::promotions::share;
use super::purchase::first_charge;
use super::renewal::{other_action, over};
use super::seats::deadline;
use super::trials::not_on_trial;
use super::{Context, Rejection, by_scheduler, known, within_term};
use crate::calendar::{BillingCycle, TermDuration, renewal_due, term};
use crate::catalogue::{Catalogue, ExtendedTermRules, Programme};
use crate::customer::command::{EndOfTermAction, Expire};
use crate::customer::event::{Event, ExtendedServiceTermStarted, SubscriptionExpired, TermPlan};
use crate::customer::rejection::NotExtended;
use crate::customer::state::{Customer, Status, Subscription};
use crate::money::Money;

/// The extended service term is one month, charged at once. Source: domain, section 1.8.
const MONTHLY: TermPlan = TermPlan { term: TermDuration::P1M, billing: BillingCycle::Monthly };

/// Where there is no monthly term, the plans whose price counts, the first one sold, and for how many
/// months of service that price is.
const WITHOUT_MONTHLY: [(TermPlan, u32); 2] = [
    (TermPlan { term: TermDuration::P1Y, billing: BillingCycle::Annual }, 12),
    (TermPlan { term: TermDuration::P1Y, billing: BillingCycle::Monthly }, 1),
];

pub(super) fn expire(
    context: &Context<'_>,
    customer: &Customer,
    c: &Expire,
) -> Result<Vec<Event>, Rejection> {
    by_scheduler(context, "Expire")?;
    let s = known(customer, &c.subscription)?;
    let is_done = matches!(s.status, Status::Expired | Status::Disabled);
    if is_done || c.term_end < s.term.end {
        return Ok(Vec::new());
    }
    let s = within_term(customer, &c.subscription)?;
    over(context, s, c.term_end)?;
    not_on_trial(s)?;
    let programme = context.programme(customer)?;
    let event = match (s.status, s.end_of_term) {
        (Status::Active, EndOfTermAction::Renew) => return Err(other_action(s, "renew")),
        (Status::Active, action) => after_service(context, customer, programme, s, action)?,
        (Status::Suspended | Status::Expired | Status::Disabled | Status::Deleted, _) => {
            after_suspension(programme, s)?
        }
    };

    let stops = matches!(event, Event::SubscriptionDisabled(_))
        || matches!(&event, Event::SubscriptionExpired(e) if e.disable_at.is_none());
    let removed = if stops { s.seats_in_service() } else { 0 };
    let shortfall = shortfall_after(customer, &s.offer, 0, removed);
    Ok([event].into_iter().chain(shortfall).collect())
}

/// What follows a term in service. What has no price by the month is not extended. A term that could have been extended has no time of grace: the service
/// goes on at a premium, or stops. Source: domain, section 1.8.
fn after_service(
    context: &Context<'_>,
    customer: &Customer,
    programme: &Programme,
    s: &Subscription,
    action: EndOfTermAction,
) -> Result<Event, Rejection> {
    let ended_at = renewal_due(s.term.end)?;
    let ending = &programme.ending;
    match extension(context.catalogue()?, programme, s) {
        Ok(_) if action == EndOfTermAction::Cancel => {
            Ok(disabled(s, days_after(ended_at, ending.disabled_days)?))
        }
        Ok(rules) if sold_monthly(context, customer, s).is_ok() => {
            extended(context, customer, programme, s, rules)
        }
        Ok(_) | Err(_) if ending.expired_days.is_none() && ending.disabled_days.is_some() => {
            Ok(disabled(s, days_after(ended_at, ending.disabled_days)?))
        }
        Ok(_) | Err(_) => Ok(Event::SubscriptionExpired(SubscriptionExpired {
            subscription: s.id.clone(),
            offer: s.offer.clone(),
            quantity: s.quantity,
            term_end: s.term.end,
            disable_at: days_after(ended_at, ending.expired_days)?,
        })),
    }
}

/// What follows a suspended term: the data is kept for the days of both times without service. Where a
/// suspension is limited, nothing is left when its term ends before. Source: domain, section 1.3 and
/// section 11, no. 5.
fn after_suspension(programme: &Programme, s: &Subscription) -> Result<Event, Rejection> {
    if s.delete_at.is_some() {
        return Ok(deleted(s));
    }
    let ending = &programme.ending;
    let before = ending.suspended_days.unwrap_or(0);
    let days = ending.disabled_days.map(|days| days.saturating_add(before));
    Ok(disabled(s, days_after(renewal_due(s.term.end)?, days)?))
}

/// The instant that many `days` after `from`, if there are days at all.
pub(super) fn days_after(
    from: DateTime<Utc>,
    days: Option<u32>,
) -> Result<Option<DateTime<Utc>>, Rejection> {
    deadline(from, days.map(|days| days.saturating_mul(24)))
}

/// The rules under which a subscription goes on by the month after its term, or why it does not.
///
/// What is no longer in the catalogue is of no kind, and not extended.
pub(super) fn extension<'a>(
    catalogue: &Catalogue,
    programme: &'a Programme,
    s: &Subscription,
) -> Result<&'a ExtendedTermRules, NotExtended> {
    let rules = programme.ending.extended.as_ref().ok_or(NotExtended::NotOffered)?;
    let (bought_from, ends_from) = (rules.bought_from, rules.ends_from);
    if s.bought_at.is_none_or(|bought_at| bought_at < bought_from) {
        return Err(NotExtended::BoughtTooEarly { bought_from });
    }
    if s.term.end < ends_from {
        return Err(NotExtended::EndsTooEarly { ends_from });
    }
    if !catalogue.offer(&s.offer).is_some_and(|offer| rules.kinds.contains(&offer.kind)) {
        return Err(NotExtended::KindNotExtended);
    }
    Ok(rules)
}

fn extended(
    context: &Context<'_>,
    customer: &Customer,
    programme: &Programme,
    s: &Subscription,
    rules: &ExtendedTermRules,
) -> Result<Event, Rejection> {
    let sold = sold_monthly(context, customer, s)?;
    let premium_percent = if sold.plan == MONTHLY {
        rules.premium_percent
    } else {
        rules.premium_percent_without_monthly
    };
    let increased = Decimal::ONE_HUNDRED.saturating_add(premium_percent);
    let unit_price = share(sold.price, increased, Decimal::ONE_HUNDRED)?;
    let term = term(renewal_due(s.term.end)?.date_naive(), MONTHLY.term)?;

    Ok(Event::ExtendedServiceTermStarted(ExtendedServiceTermStarted {
        subscription: s.id.clone(),
        offer: s.offer.clone(),
        quantity: s.quantity,
        plan: MONTHLY,
        term,
        list_price: sold.price,
        premium_percent,
        lot: sum(s.last_lot, 1)?,
        basis: first_charge(programme, MONTHLY, term, unit_price, s.quantity)?,
        price_list: sold.price_list,
        rules: context.rules(customer)?,
    }))
}

/// A plan and what it costs by the month.
pub(super) struct SoldMonthly {
    /// The plan.
    pub(super) plan: TermPlan,
    /// Price of one seat for a month, without a premium.
    price: Money,
    price_list: Option<String>,
}

/// What a subscription costs by the month: the price of a monthly term; of an offer that has none, a
/// twelfth of the annual price. Source: domain, section 11, no. 13.
pub(super) fn sold_monthly(
    context: &Context<'_>,
    customer: &Customer,
    s: &Subscription,
) -> Result<SoldMonthly, Rejection> {
    let sold = |(plan, months)| {
        let quote = context.quote(customer, &s.offer, plan)?;
        let price = share(quote.price, Decimal::ONE, Decimal::from(months))?;
        Ok(SoldMonthly { plan, price, price_list: quote.price_list })
    };
    let without_monthly = WITHOUT_MONTHLY.into_iter();
    sold((MONTHLY, 1))
        .or_else(|not_sold| without_monthly.map(sold).find(Result::is_ok).unwrap_or(Err(not_sold)))
}
