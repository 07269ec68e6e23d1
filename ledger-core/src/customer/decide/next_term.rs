//! The next term with everything planned for it: checked when it is planned, and again when it begins.

use chrono::{DateTime, NaiveDate, Utc};

use super::alignment::{alignable, aligned};
use super::ending::sold_monthly;
use super::limits::{not_above_maximum, not_below_assigned, not_below_minimum};
use super::promotions::{Promoted, promoted};
use super::purchase::{enough_for_base, first_charge, may_be_sold};
use super::upgrade::{UsersMoved, possible, users_moved};
use super::{Context, Rejection};
use crate::calendar::{Period, TermDuration, renewal_due, term};
use crate::catalogue::{Offer, Programme, Quote};
use crate::customer::event::{
    AppliedPromotion, ChargeBasis, DropCause, OfferChange, RenewalChange, RenewalSettings, TermPlan,
};
use crate::customer::state::{Customer, Subscription, TermKind};
use crate::ids::OfferId;

/// A term as it would begin.
pub(super) struct NextTerm<'a> {
    /// Its offer.
    pub(super) offer: &'a Offer,
    /// All seats.
    pub(super) quantity: u32,
    /// First and last day.
    pub(super) term: Period,
    /// What is charged.
    pub(super) basis: ChargeBasis,
    /// The price list that the price was read from; `None`: a plan of the catalogue.
    pub(super) price_list: Option<String>,
    /// The promotion that lowers the price, if any does.
    pub(super) promotion: Option<AppliedPromotion>,
    /// What else is different from the present term; `None`: nothing.
    pub(super) change: Option<RenewalChange>,
}

/// What every question about a next term looks at.
pub(super) struct Renewal<'a> {
    /// The decision.
    pub(super) context: &'a Context<'a>,
    /// The customer.
    pub(super) customer: &'a Customer,
    /// The customer's programme.
    pub(super) programme: &'a Programme,
    /// The subscription to be renewed.
    pub(super) s: &'a Subscription,
}

impl<'a> Renewal<'a> {
    /// The next term as `settings` have it. Its promotion is one that is in force when it begins, and that
    /// lowers its price.
    pub(super) fn sold(&self, settings: &RenewalSettings) -> Result<NextTerm<'a>, Rejection> {
        let Self { context, customer, programme, s } = *self;
        let plan = match settings.plan {
            Some(plan) => plan,
            None if s.kind == TermKind::Extended => sold_monthly(context, customer, s)?.plan,
            None => s.plan,
        };
        let offer_id = settings.offer.as_ref().unwrap_or(&s.offer);
        if let Some(target) = &settings.offer {
            self.reachable(target)?;
            may_be_sold(customer, programme, target, context.offer(target)?, false)?;
        }
        let offer = context.offer(offer_id)?;
        let quote = context.quote(customer, offer_id, plan)?;
        let begins_at = renewal_due(s.term.end)?;
        let promoted = self.promoted(settings, begins_at, (offer_id, plan.term), &quote)?;
        let term = self.term(settings, begins_at.date_naive(), plan, offer)?;
        let quantity = settings.quantity;
        let basis = first_charge(programme, plan, term, promoted.price, quantity)?;
        Ok(NextTerm {
            offer,
            quantity,
            term,
            basis,
            price_list: quote.price_list,
            promotion: promoted.applied,
            change: self.change(settings, plan, offer)?,
        })
    }

    /// The next term as planned, or why it cannot be so.
    pub(super) fn as_planned(&self, settings: &RenewalSettings) -> Result<NextTerm<'a>, DropCause> {
        let next = self.sold(settings).map_err(|_| DropCause::NotSold)?;
        self.keeps_limits(settings)
            .and_then(|()| self.keeps_licences(settings, &next))
            .map_err(|_| DropCause::OutsideLimits)?;
        Ok(next)
    }

    /// Refuses quantities outside the limits of the offer of the next term.
    pub(super) fn keeps_limits(&self, settings: &RenewalSettings) -> Result<(), Rejection> {
        let Self { context, customer, s, .. } = *self;
        let Some(target) = &settings.offer else {
            return keeps_limits(customer, s, context.offer(&s.offer)?, settings.quantity);
        };
        let offer = context.offer(target)?;
        not_below_minimum(target, offer.seats_min, settings.quantity)?;
        not_above_maximum(customer, target, offer, settings.quantity)?;
        enough_for_base(customer, target, offer, settings.quantity)
    }

    /// Refuses fewer seats than assigned licences, where the programme does.
    fn keeps_licences(
        &self,
        settings: &RenewalSettings,
        next: &NextTerm<'_>,
    ) -> Result<(), Rejection> {
        let Self { customer, programme, s, .. } = *self;
        let upgraded = next.change.as_ref().and_then(|change| change.offer.as_ref());
        let removed = match upgraded {
            None => s.quantity.saturating_sub(settings.quantity),
            Some(upgraded) if upgraded.manual.is_empty() => 0,
            Some(_) => s.quantity,
        };
        not_below_assigned(programme, customer, &s.offer, removed)
    }

    fn reachable(&self, target: &OfferId) -> Result<(), Rejection> {
        let Self { context, customer, programme, s } = *self;
        if !programme.upgrades.scheduled {
            let programme = customer.profile.programme.clone();
            return Err(Rejection::ScheduledUpgradeNotOffered { programme });
        }
        let possible = possible(context, programme, &s.offer)?;
        if !possible.contains(target) {
            return Err(Rejection::NoUpgradePath {
                programme: customer.profile.programme.clone(),
                offer: s.offer.clone(),
                target_offer: target.clone(),
                possible: possible.into_iter().collect(),
            });
        }
        Ok(())
    }

    /// The price under the promotion that is planned. Waiting does not help: the renewal comes when it
    /// comes.
    fn promoted(
        &self,
        settings: &RenewalSettings,
        begins_at: DateTime<Utc>,
        (offer, term): (&OfferId, TermDuration),
        quote: &Quote,
    ) -> Result<Promoted, Rejection> {
        let Self { context, customer, .. } = *self;
        let at_renewal = Context { effective_at: begins_at, ..*context };
        let (promotion, seats) = (settings.promotion.as_ref(), self.all_seats(settings));
        let promoted = promoted(&at_renewal, customer, promotion, offer, term, seats, quote);
        let promoted = promoted.map_err(|mut rejection| {
            if let Rejection::PromotionNotInForce { begins_at, .. } = &mut rejection {
                *begins_at = None;
            }
            rejection
        })?;
        match promoted.unused {
            Some(promotion) => Err(Rejection::PromotionForOtherTerms { promotion, term }),
            None => Ok(promoted),
        }
    }

    /// All seats of the offer that the customer will have from us.
    fn all_seats(&self, settings: &RenewalSettings) -> u32 {
        let Self { customer, s, .. } = *self;
        let held = match &settings.offer {
            Some(target) => customer.seats(target),
            None => customer.seats(&s.offer).saturating_sub(s.quantity),
        };
        held.saturating_add(settings.quantity)
    }

    fn term(
        &self,
        settings: &RenewalSettings,
        start: NaiveDate,
        plan: TermPlan,
        offer: &Offer,
    ) -> Result<Period, Rejection> {
        let Self { customer, programme, s, .. } = *self;
        let Some(end_date) = settings.end_date else { return Ok(term(start, plan.term)?) };
        alignable(customer, offer.kind)?;
        aligned(programme, customer, Some(&s.id), start, plan.term, end_date)
    }

    fn change(
        &self,
        settings: &RenewalSettings,
        plan: TermPlan,
        offer: &Offer,
    ) -> Result<Option<RenewalChange>, Rejection> {
        let Self { context, customer, s, .. } = *self;
        let Some(target) = &settings.offer else {
            return Ok((plan != s.plan).then_some(RenewalChange { plan, offer: None }));
        };
        let catalogue = context.catalogue()?;
        let UsersMoved { reassigned, manual } =
            users_moved(catalogue, customer, s, target, settings.quantity);
        let change = OfferChange {
            offer: target.clone(),
            title: offer.title.clone(),
            services: offer.services.iter().cloned().collect(),
            reassigned,
            manual: manual.into_iter().map(|by_hand| by_hand.user).collect(),
        };
        Ok(Some(RenewalChange { plan, offer: Some(change) }))
    }
}

/// Refuses quantities of the next term outside the offer's limits.
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
