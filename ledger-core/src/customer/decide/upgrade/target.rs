//! Where upgraded seats go: into a new subscription, or onto an existing one.

use chrono::NaiveDate;

use super::super::limits::{not_below_minimum, not_too_many_updates, sum};
use super::super::promotions::{promoted, within_promotion};
use super::super::trials::not_on_trial;
use super::super::{Rejection, anchor_rule, basis, changeable, drop_scheduled, exact, known};
use super::Asked;
use crate::calendar::{
    AnchorRule, BillingCycle, Period, TermDuration, charge_cycle, renewal_due, term,
};
use crate::customer::command::{EndDate, NewTarget};
use crate::customer::event::{
    AppliedPromotion, ChargeBasis, DropCause, Event, GrownSubscription, NewSubscription,
    QuantityChange, TermPlan, UpgradeTarget,
};
use crate::customer::state::{Subscription, TermKind};
use crate::ids::{PromotionId, SubscriptionId};

/// Where the seats go, what they cost there, and which schedule that drops.
pub(super) struct Landing {
    pub(super) target: UpgradeTarget,
    pub(super) charge: ChargeBasis,
    pub(super) dropped: Option<Event>,
    pub(super) anchor: AnchorRule,
    pub(super) price_list: Option<String>,
    pub(super) promotion: Option<AppliedPromotion>,
}

/// The term that seats begin in a new subscription, or have in place.
pub(super) struct NewTerm<'a> {
    plan: TermPlan,
    period: Period,
    is_coterminous: bool,
    promotion: Option<&'a PromotionId>,
}

impl<'a> NewTerm<'a> {
    /// What is left out is as in the source.
    pub(super) fn new(
        asked: &Asked<'_>,
        end_date: EndDate,
        duration: Option<TermDuration>,
        billing: Option<BillingCycle>,
        promotion: Option<&'a PromotionId>,
    ) -> Result<Self, Rejection> {
        let source = asked.source;
        let plan = TermPlan {
            term: duration.unwrap_or(source.plan.term),
            billing: billing.unwrap_or(source.plan.billing),
        };
        let start = asked.context.today();
        let period = match end_date {
            EndDate::Coterminous => Period { start, end: source.term.end },
            EndDate::NewTerm => term(start, plan.term)?,
        };
        Ok(Self { plan, period, is_coterminous: end_date == EndDate::Coterminous, promotion })
    }

    /// Whether the subscription itself gets the target offer. An extended term is not carried on under
    /// another offer.
    fn is_in_place(&self, asked: &Asked<'_>) -> bool {
        asked.programme.upgrades.full_keeps_id
            && asked.is_full()
            && self.is_coterminous
            && self.plan == asked.source.plan
            && asked.source.kind == TermKind::Paid
    }

    /// Cycles that go on as the source's treat month ends as the source's do.
    fn anchor(&self, asked: &Asked<'_>) -> AnchorRule {
        if self.is_coterminous && self.plan.term == asked.source.plan.term {
            return asked.source.anchor;
        }
        anchor_rule(asked.programme, self.plan)
    }

    const fn cycle_anchor(&self, source: &Subscription) -> NaiveDate {
        if self.is_coterminous { source.cycle_anchor } else { self.period.start }
    }
}

/// One condition on a new subscription.
type OnNew = fn(&Asked<'_>, &NewTerm<'_>) -> Result<(), Rejection>;

/// One condition on an existing subscription.
type OnExisting = fn(&Asked<'_>, &Subscription) -> Result<(), Rejection>;

/// What a new subscription must fulfil, in the order in which it is checked.
pub(super) const NEW: [OnNew; 5] = [
    |asked, new| not_shorter(asked.source, new.plan),
    |_, new| billing_fits(new.plan),
    |asked, new| not_earlier(asked.source, new.period),
    |asked, _| not_below_minimum(asked.target_offer, asked.offer.seats_min, asked.moved),
    |asked, new| charged_new(asked, new).map(drop),
];

pub(super) fn into_new(asked: &Asked<'_>, target: &NewTarget) -> Result<Landing, Rejection> {
    let NewTarget { end_date, term, billing, ref promotion, .. } = *target;
    let new = NewTerm::new(asked, end_date, term, billing, promotion.as_ref())?;
    id_is_free(asked, &new, &target.subscription)?;
    for check in NEW {
        check(asked, &new)?;
    }
    let Charged { basis, price_list, promotion } = charged_new(asked, &new)?;
    let source = asked.source;
    let target = if new.is_in_place(asked) {
        UpgradeTarget::InPlace
    } else {
        let window = asked.programme.window(asked.offer.kind, asked.context.now);
        let reducible = window.is_some_and(|window| window.reduce_hours.is_some());
        UpgradeTarget::New(NewSubscription {
            subscription: target.subscription.clone(),
            plan: new.plan,
            term: new.period,
            cycle_anchor: new.cycle_anchor(source),
            cancel_until: source.cancel_until,
            reduce_until: source.cancel_until.filter(|_| reducible),
            full_refund_before: source.full_refund_before,
        })
    };
    let anchor = new.anchor(asked);
    Ok(Landing { target, charge: basis, dropped: None, anchor, price_list, promotion })
}

/// What the seats cost at the price of the day, the list that it was read from, and the promotion that
/// lowered it.
fn charged_new(asked: &Asked<'_>, new: &NewTerm<'_>) -> Result<Charged, Rejection> {
    let (context, customer, offer) = (asked.context, asked.customer, asked.target_offer);
    let quote = context.quote(customer, offer, new.plan)?;
    let seats = customer.seats(offer).saturating_add(asked.moved);
    let term = new.plan.term;
    let promoted = promoted(context, customer, new.promotion, offer, term, seats, &quote)?;
    if let Some(promotion) = promoted.unused {
        return Err(Rejection::PromotionForOtherTerms { promotion, term });
    }
    let today = context.today();
    let start = new.cycle_anchor(asked.source);
    let cycle = charge_cycle(start, new.plan.billing, new.anchor(asked), today)?;
    let billable = Period { start: today, end: cycle.end.min(new.period.end) };
    let rounding = asked.programme.rounding;
    let unit_price = promoted.price;
    let basis = ChargeBasis { unit_price, cycle, billable, rounding, by_months: None };
    let (price_list, promotion) = (quote.price_list, promoted.applied);
    Ok(Charged { basis: exact(basis, asked.moved)?, price_list, promotion })
}

/// What the seats of a new subscription cost, and why.
struct Charged {
    basis: ChargeBasis,
    price_list: Option<String>,
    promotion: Option<AppliedPromotion>,
}

/// An upgrade in place may name the subscription itself; everything else needs an id of its own.
fn id_is_free(asked: &Asked<'_>, new: &NewTerm<'_>, id: &SubscriptionId) -> Result<(), Rejection> {
    let is_itself = *id == asked.source.id && new.is_in_place(asked);
    if !is_itself && asked.customer.subscriptions.contains_key(id) {
        return Err(Rejection::SubscriptionExists { subscription: id.clone() });
    }
    Ok(())
}

/// What an existing target must fulfil, in the order in which it is checked.
pub(super) const EXISTING: [OnExisting; 12] = [
    |asked, _| existing_is_welcome(asked),
    another_one,
    |asked, target| {
        changeable(asked.context, asked.customer, &target.id)?;
        Ok(())
    },
    same_offer,
    |_, target| not_on_trial(target),
    past_its_window,
    |asked, target| not_shorter(asked.source, target.plan),
    |asked, target| not_earlier(asked.source, target.term),
    |asked, target| not_too_many_updates(asked.programme, target),
    |asked, target| within_promotion(asked.context, asked.customer, target, asked.moved),
    |asked, target| {
        drop_scheduled(asked.programme, target, DropCause::Upgraded)?;
        Ok(())
    },
    |asked, target| grown(asked, target).map(drop),
];

pub(super) fn into_existing(asked: &Asked<'_>, id: &SubscriptionId) -> Result<Landing, Rejection> {
    existing_is_welcome(asked)?;
    let target = known(asked.customer, id)?;
    for check in EXISTING {
        check(asked, target)?;
    }
    let dropped = drop_scheduled(asked.programme, target, DropCause::Upgraded)?;
    let anchor = target.anchor;
    let (grown, charge) = grown(asked, target)?;
    let target = UpgradeTarget::Existing(grown);
    Ok(Landing { target, charge, dropped, anchor, price_list: None, promotion: None })
}

/// The existing subscription with the seats, and what they cost there.
fn grown(
    asked: &Asked<'_>,
    target: &Subscription,
) -> Result<(GrownSubscription, ChargeBasis), Rejection> {
    let to = sum(target.quantity, asked.moved)?;
    let lot = sum(target.last_lot, 1)?;
    let charge = basis(target, asked.context.today(), asked.moved)?;
    let quantity = QuantityChange { from: target.quantity, to };
    Ok((GrownSubscription { subscription: target.id.clone(), quantity, lot }, charge))
}

fn existing_is_welcome(asked: &Asked<'_>) -> Result<(), Rejection> {
    if asked.programme.upgrades.into_existing {
        return Ok(());
    }
    let programme = asked.customer.profile.programme.clone();
    Err(Rejection::ExistingTargetRefused { programme })
}

fn another_one(asked: &Asked<'_>, target: &Subscription) -> Result<(), Rejection> {
    if target.id == asked.source.id {
        return Err(Rejection::TargetIsSource { subscription: target.id.clone() });
    }
    Ok(())
}

fn same_offer(asked: &Asked<'_>, target: &Subscription) -> Result<(), Rejection> {
    if target.offer == *asked.target_offer {
        return Ok(());
    }
    Err(Rejection::TargetOfferDiffers {
        subscription: target.id.clone(),
        offer: target.offer.clone(),
        target_offer: asked.target_offer.clone(),
    })
}

fn past_its_window(asked: &Asked<'_>, target: &Subscription) -> Result<(), Rejection> {
    match target.cancel_until {
        Some(until)
            if asked.programme.upgrades.refuses_target_in_window && asked.context.now <= until =>
        {
            let closes_in_term = until < renewal_due(target.term.end)?;
            Err(Rejection::TargetInWindow {
                subscription: target.id.clone(),
                until,
                closes_in_term,
            })
        }
        Some(_) | None => Ok(()),
    }
}

fn not_shorter(source: &Subscription, target: TermPlan) -> Result<(), Rejection> {
    if source.plan.term <= target.term {
        return Ok(());
    }
    let (source_term, target_term) = (source.plan.term, target.term);
    Err(Rejection::TargetTermShorter { source_term, target_term })
}

const fn billing_fits(plan: TermPlan) -> Result<(), Rejection> {
    let (term, billing) = (plan.term, plan.billing);
    if term.months() < billing.months() {
        return Err(Rejection::BillingLongerThanTerm { term, billing });
    }
    Ok(())
}

/// Compared by day; the same day is accepted. Source: domain, section 11, no. 6.
fn not_earlier(source: &Subscription, target: Period) -> Result<(), Rejection> {
    if source.term.end <= target.end {
        return Ok(());
    }
    let (source_end, target_end) = (source.term.end, target.end);
    Err(Rejection::TargetEndsEarlier { source_end, target_end })
}
