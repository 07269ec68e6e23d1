//! Buying, adding, giving back and cancelling.

use chrono::{DateTime, Utc};

use super::limits::{
    not_above_maximum, not_below_assigned, not_below_minimum, not_too_many_updates, not_zero,
    shortfall_after, sum, take,
};
use super::promotions::within_promotion;
use super::purchase::{enough_for_base, keeps_share};
use super::settlement::taken_back;
use super::trials::not_on_trial;
use super::{
    Context, Rejection, basis, changeable, changeable_or_suspended, drop_in_any_case,
    drop_scheduled, reopens_at,
};
use crate::calendar::add_hours;
use crate::catalogue::{ProductKind, Programme};
use crate::customer::command::{AddSeats, Cancel, RemoveSeats};
use crate::customer::event::{
    DropCause, Event, QuantityChange, Refund, SeatsAdded, SeatsRemoved, Settled,
    SubscriptionCancelled,
};
use crate::customer::state::{Customer, Subscription, TermKind};

/// The instant `hours` after `from`, if there are hours at all.
pub(super) fn deadline(
    from: DateTime<Utc>,
    hours: Option<u32>,
) -> Result<Option<DateTime<Utc>>, Rejection> {
    Ok(hours.map(|hours| add_hours(from, hours)).transpose()?)
}

/// Until when something that starts now can be given back.
pub(super) struct Windows {
    /// The whole subscription; `None`: never.
    pub(super) cancel_until: Option<DateTime<Utc>>,
    /// Its seats; `None`: never.
    pub(super) reduce_until: Option<DateTime<Utc>>,
    /// Before when a cancellation is refunded in full; `None`: by the day from the start.
    pub(super) full_refund_before: Option<DateTime<Utc>>,
}

/// The windows that open now for a product of `kind`.
pub(super) fn windows(
    context: &Context<'_>,
    programme: &Programme,
    kind: ProductKind,
) -> Result<Windows, Rejection> {
    let window = programme.window(kind, context.now);
    Ok(Windows {
        cancel_until: deadline(context.now, window.and_then(|w| w.cancel_hours))?,
        reduce_until: deadline(context.now, window.and_then(|w| w.reduce_hours))?,
        full_refund_before: deadline(context.now, window.and_then(|w| w.full_refund_hours))?,
    })
}

pub(super) fn add(
    context: &Context<'_>,
    customer: &Customer,
    c: &AddSeats,
) -> Result<Vec<Event>, Rejection> {
    let s = changeable(context, customer, &c.subscription)?;
    not_on_trial(s)?;
    not_zero(c.seats)?;
    let programme = context.programme(customer)?;
    not_too_many_updates(programme, s)?;
    let dropped = drop_scheduled(programme, s, DropCause::SeatsAdded)?;
    let offer = context.offer(&s.offer)?;
    let to = sum(s.quantity, c.seats)?;
    not_above_maximum(customer, &s.offer, offer, c.seats)?;
    enough_for_base(customer, &s.offer, offer, c.seats)?;
    within_promotion(context, customer, s, c.seats)?;
    let lot = sum(s.last_lot, 1)?;
    let reduce_until = match s.kind {
        TermKind::Extended => None,
        TermKind::Paid | TermKind::Trial { .. } => {
            windows(context, programme, offer.kind)?.reduce_until
        }
    };
    let basis = basis(s, context.today(), to)?;
    let rules = context.rules(customer)?;

    let mut events = vec![Event::SeatsAdded(SeatsAdded {
        subscription: s.id.clone(),
        offer: s.offer.clone(),
        quantity: QuantityChange { from: s.quantity, to },
        lot,
        reduce_until,
        basis,
        rules,
    })];
    events.extend(dropped);
    events.extend(shortfall_after(customer, &s.offer, c.seats, 0));
    Ok(events)
}

pub(super) fn remove(
    context: &Context<'_>,
    customer: &Customer,
    c: &RemoveSeats,
) -> Result<Vec<Event>, Rejection> {
    let s = changeable(context, customer, &c.subscription)?;
    not_on_trial(s)?;
    not_zero(c.seats)?;
    let programme = context.programme(customer)?;
    not_too_many_updates(programme, s)?;
    let dropped = drop_scheduled(programme, s, DropCause::SeatsRemoved)?;
    // Seats in an open window can be given back although their offer is no longer sold.
    let offer = context.catalogue()?.offer(&s.offer);
    let refundable = s.refundable(context.now);
    let is_extended = s.kind == TermKind::Extended;
    if !is_extended && refundable < c.seats {
        return Err(Rejection::SeatsNotRefundable {
            subscription: s.id.clone(),
            seats: c.seats,
            refundable,
            next_term_at: offer.filter(|_| c.seats <= renewed_seats(s)).and_then(|offer| {
                reopens_at(s, programme, offer.kind, |window| window.reduce_hours)
            }),
        });
    }
    let to = s.quantity.saturating_sub(c.seats);
    let seats_min = offer.map_or(1, |offer| offer.seats_min);
    not_below_minimum(&s.offer, seats_min, to)?;
    if let Some(offer) = offer {
        keeps_share(customer, &s.offer, offer, |held| held.saturating_sub(c.seats))?;
    }
    not_below_assigned(programme, customer, &s.offer, c.seats)?;
    let basis = basis(s, context.today(), s.quantity)?;
    let rules = context.rules(customer)?;

    let open_lots = s.lots.iter().filter(|lot| is_extended || lot.is_open(context.now));
    let mut events = vec![Event::SeatsRemoved(SeatsRemoved {
        subscription: s.id.clone(),
        offer: s.offer.clone(),
        quantity: QuantityChange { from: s.quantity, to },
        lots: take(open_lots, c.seats),
        basis,
        rules,
    })];
    events.extend(dropped);
    events.extend(shortfall_after(customer, &s.offer, 0, c.seats));
    Ok(events)
}

/// Seats that the next term will have at least: what is planned may be dropped at the renewal.
fn renewed_seats(s: &Subscription) -> u32 {
    s.scheduled.as_ref().map_or(s.quantity, |planned| planned.quantity.min(s.quantity))
}

/// An extended service term is cancelled at any time; it has no window. Source: domain, section 1.8 and
/// section 10, no. 47.
pub(super) fn cancel(
    context: &Context<'_>,
    customer: &Customer,
    c: &Cancel,
) -> Result<Vec<Event>, Rejection> {
    let s = changeable_or_suspended(context, customer, &c.subscription)?;
    let programme = context.programme(customer)?;
    if s.kind != TermKind::Extended && !s.is_cancellable(context.now) {
        let offer = context.catalogue()?.offer(&s.offer);
        return Err(Rejection::CancelWindowClosed {
            subscription: s.id.clone(),
            closed_at: s.cancel_until,
            next_term_at: offer.and_then(|offer| {
                reopens_at(s, programme, offer.kind, |window| window.cancel_hours)
            }),
        });
    }
    not_below_assigned(programme, customer, &s.offer, s.seats_in_service())?;
    let refund = match s.full_refund_before {
        Some(before) if context.now < before => Refund::Full,
        Some(_) | None => Refund::Prorated,
    };
    let credits = credits(context, s, refund)?;
    let rules = context.rules(customer)?;

    let mut events = vec![Event::SubscriptionCancelled(SubscriptionCancelled {
        subscription: s.id.clone(),
        offer: s.offer.clone(),
        quantity: s.quantity,
        refund,
        credits,
        rules,
    })];
    events.extend(drop_in_any_case(s, DropCause::Cancelled));
    events.extend(shortfall_after(customer, &s.offer, 0, s.seats_in_service()));
    Ok(events)
}

/// What an end of charging credits: the remaining days of all seats, or everything charged in the term.
/// Nothing remains where billing has stopped before. Source: domain, section 11, no. 2.
pub(super) fn credits(
    context: &Context<'_>,
    s: &Subscription,
    refund: Refund,
) -> Result<Vec<Settled>, Rejection> {
    match refund {
        Refund::Full => taken_back(s, context.today()),
        Refund::Prorated if s.billing_stopped => Ok(Vec::new()),
        Refund::Prorated => {
            let basis = basis(s, context.today(), s.quantity)?;
            Ok(vec![Settled { seats: i64::from(s.quantity).saturating_neg(), basis }])
        }
    }
}
