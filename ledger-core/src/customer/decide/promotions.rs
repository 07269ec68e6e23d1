//! Promotions: who may buy at a lower price, and what it is then.
//!
//! Source: domain, section 1.10.

use rust_decimal::{Decimal, RoundingStrategy};

use super::{Context, Rejection};
use crate::calendar::TermDuration;
use crate::catalogue::{PRICE_SCALE_MAX, Promotion, Quote};
use crate::customer::event::AppliedPromotion;
use crate::customer::state::{Customer, Subscription};
use crate::ids::{OfferId, PromotionId};
use crate::money::{Money, MoneyError};

/// What a promotion makes of a price.
pub(super) struct Promoted {
    /// Price of one seat for one billing cycle.
    pub(super) price: Money,
    /// The promotion, if it lowered the price.
    pub(super) applied: Option<AppliedPromotion>,
    /// The promotion, if it is for other terms: the full price is charged.
    pub(super) unused: Option<PromotionId>,
}

/// The price that `quote` becomes under `promotion`, for a term of `term`.
///
/// `seats` are all seats of the offer that the customer will have from us, those it has included; what it
/// has from others is added here.
pub(super) fn promoted(
    context: &Context<'_>,
    customer: &Customer,
    promotion: Option<&PromotionId>,
    offer: &OfferId,
    term: TermDuration,
    seats: u32,
    quote: &Quote,
) -> Result<Promoted, Rejection> {
    let Some(id) = promotion else {
        return Ok(Promoted { price: quote.price, applied: None, unused: None });
    };
    let found = context.catalogue()?.promotions.get(id);
    let promotion = found.ok_or_else(|| Rejection::PromotionUnknown { promotion: id.clone() })?;
    in_force(context, id, promotion)?;
    if !promotion.offers.contains(offer) {
        let (promotion, offer) = (id.clone(), offer.clone());
        return Err(Rejection::PromotionForOtherOffers { promotion, offer });
    }
    if !promotion.terms.contains(&term) {
        return Ok(Promoted { price: quote.price, applied: None, unused: Some(id.clone()) });
    }
    open_to(customer, id, promotion, offer)?;
    right_seats(customer, id, promotion, offer, seats)?;
    let price = lowered(quote.price, promotion.percent)?;
    let applied = AppliedPromotion {
        promotion: id.clone(),
        list_price: quote.price,
        percent: promotion.percent,
    };
    Ok(Promoted { price, applied: Some(applied), unused: None })
}

/// Refuses seats added to `s` beyond the most that the promotion of its term is for: they would have its
/// price, too.
pub(super) fn within_promotion(
    context: &Context<'_>,
    customer: &Customer,
    s: &Subscription,
    added: u32,
) -> Result<(), Rejection> {
    let Some(id) = &s.promotion else { return Ok(()) };
    let Some(promotion) = context.catalogue()?.promotions.get(id) else { return Ok(()) };
    let seats = customer.seats(&s.offer).saturating_add(added);
    let seats = all_seats(customer, &s.offer, seats);
    if promotion.seats_max.is_some_and(|seats_max| seats_max < seats) {
        return Err(wrong_seats(id, promotion, seats));
    }
    Ok(())
}

fn in_force(
    context: &Context<'_>,
    id: &PromotionId,
    promotion: &Promotion,
) -> Result<(), Rejection> {
    let (at, from, until) = (context.effective_at, promotion.from, promotion.until);
    if from <= at && at <= until {
        return Ok(());
    }
    let begins_at = Some(from).filter(|from| at < *from);
    Err(Rejection::PromotionNotInForce { promotion: id.clone(), from, until, begins_at })
}

fn open_to(
    customer: &Customer,
    id: &PromotionId,
    promotion: &Promotion,
    offer: &OfferId,
) -> Result<(), Rejection> {
    let redeemed = customer.redemptions.get(id).copied().unwrap_or_default();
    if let Some(redemptions_max) = promotion.redemptions_max.filter(|max| *max <= redeemed) {
        return Err(Rejection::PromotionRedeemed { promotion: id.clone(), redemptions_max });
    }
    let has_had = customer.bought.contains(offer) || customer.external.contains_key(offer);
    if promotion.first_purchase_only && has_had {
        let (promotion, offer) = (id.clone(), offer.clone());
        return Err(Rejection::PromotionForFirstPurchase { promotion, offer });
    }
    Ok(())
}

fn right_seats(
    customer: &Customer,
    id: &PromotionId,
    promotion: &Promotion,
    offer: &OfferId,
    seats: u32,
) -> Result<(), Rejection> {
    let seats = all_seats(customer, offer, seats);
    let too_few = promotion.seats_min.is_some_and(|seats_min| seats < seats_min);
    let too_many = promotion.seats_max.is_some_and(|seats_max| seats_max < seats);
    if too_few || too_many {
        return Err(wrong_seats(id, promotion, seats));
    }
    Ok(())
}

/// `seats` of ours and those of other partners.
fn all_seats(customer: &Customer, offer: &OfferId, seats: u32) -> u32 {
    let elsewhere = customer.external.get(offer).map_or(0, |holding| holding.seats);
    seats.saturating_add(elsewhere)
}

fn wrong_seats(id: &PromotionId, promotion: &Promotion, seats: u32) -> Rejection {
    Rejection::PromotionSeats {
        promotion: id.clone(),
        seats,
        seats_min: promotion.seats_min,
        seats_max: promotion.seats_max,
    }
}

/// `price` less `percent` hundredths of it.
fn lowered(price: Money, percent: Decimal) -> Result<Money, MoneyError> {
    let left = Decimal::ONE_HUNDRED.checked_sub(percent).ok_or(MoneyError::Overflow)?;
    share(price, left, Decimal::ONE_HUNDRED)
}

/// So many parts of so many of `price`: exact, or, where that has more digits after the point than a
/// price may have, cut towards zero.
pub(super) fn share(price: Money, parts: Decimal, of: Decimal) -> Result<Money, MoneyError> {
    let amount = price.amount.checked_mul(parts).ok_or(MoneyError::Overflow)?;
    let amount = amount.checked_div(of).ok_or(MoneyError::Overflow)?;
    let amount = amount.round_dp_with_strategy(PRICE_SCALE_MAX, RoundingStrategy::ToZero);
    Ok(Money { amount: amount.normalize(), currency: price.currency })
}
