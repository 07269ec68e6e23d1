//! Buying, adding, giving back and cancelling.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::limits::{
    not_above_maximum, not_below_assigned, not_below_minimum, not_too_many_updates, not_zero,
    shortfall_after, sum, take,
};
use super::{Context, Rejection, basis, changeable, drop_in_any_case, drop_scheduled, reopens_at};
use crate::calendar::add_hours;
use crate::catalogue::Programme;
use crate::customer::command::{AddSeats, Cancel, RemoveSeats};
use crate::customer::event::{
    Credit, DropCause, Event, QuantityChange, Refund, SeatsAdded, SeatsRemoved,
    SubscriptionCancelled,
};
use crate::customer::state::{Customer, Subscription};

/// The instant `hours` after `from`, if there are hours at all.
pub(super) fn deadline(
    from: DateTime<Utc>,
    hours: Option<u32>,
) -> Result<Option<DateTime<Utc>>, Rejection> {
    Ok(hours.map(|hours| add_hours(from, hours)).transpose()?)
}

pub(super) fn add(
    context: &Context<'_>,
    customer: &Customer,
    c: &AddSeats,
) -> Result<Vec<Event>, Rejection> {
    let s = changeable(context, customer, &c.subscription)?;
    not_zero(c.seats)?;
    let programme = context.programme(customer)?;
    not_too_many_updates(programme, s)?;
    let dropped = drop_scheduled(programme, s, DropCause::SeatsAdded)?;
    let offer = context.offer(&s.offer)?;
    let to = sum(s.quantity, c.seats)?;
    not_above_maximum(customer, &s.offer, offer, c.seats)?;
    let lot = sum(s.last_lot, 1)?;
    let window = programme.window(offer.kind, context.now);
    let reduce_until = deadline(context.now, window.and_then(|w| w.reduce_hours))?;
    let basis = basis(programme, s, context.today(), to)?;
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
    not_zero(c.seats)?;
    let programme = context.programme(customer)?;
    not_too_many_updates(programme, s)?;
    let dropped = drop_scheduled(programme, s, DropCause::SeatsRemoved)?;
    // Seats in an open window can be given back although their offer is no longer sold.
    let offer = context.catalogue()?.offer(&s.offer);
    let refundable = s.refundable(context.now);
    if refundable < c.seats {
        return Err(Rejection::SeatsNotRefundable {
            subscription: s.id.clone(),
            seats: c.seats,
            refundable,
            next_term_at: offer.and_then(|offer| {
                reopens_at(s, programme, offer.kind, |window| window.reduce_hours)
            }),
        });
    }
    let to = s.quantity.saturating_sub(c.seats);
    let seats_min = offer.map_or(1, |offer| offer.seats_min);
    not_below_minimum(&s.offer, seats_min, to)?;
    not_below_assigned(programme, customer, &s.offer, c.seats)?;
    let basis = basis(programme, s, context.today(), s.quantity)?;
    let rules = context.rules(customer)?;

    let open_lots = s.lots.iter().filter(|lot| lot.is_open(context.now));
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

pub(super) fn cancel(
    context: &Context<'_>,
    customer: &Customer,
    c: &Cancel,
) -> Result<Vec<Event>, Rejection> {
    let s = changeable(context, customer, &c.subscription)?;
    let programme = context.programme(customer)?;
    if !s.is_cancellable(context.now) {
        let offer = context.catalogue()?.offer(&s.offer);
        return Err(Rejection::CancelWindowClosed {
            subscription: s.id.clone(),
            closed_at: s.cancel_until,
            next_term_at: offer.and_then(|offer| {
                reopens_at(s, programme, offer.kind, |window| window.cancel_hours)
            }),
        });
    }
    not_below_assigned(programme, customer, &s.offer, s.quantity)?;
    let refund = match s.full_refund_before {
        Some(before) if context.now < before => Refund::Full,
        Some(_) | None => Refund::Prorated,
    };
    let credits = credits(context, programme, s, refund)?;
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
    events.extend(shortfall_after(customer, &s.offer, 0, s.quantity));
    Ok(events)
}

/// What a cancellation credits: the remaining days of all seats, or for each lot the days that were
/// charged for it.
fn credits(
    context: &Context<'_>,
    programme: &Programme,
    s: &Subscription,
    refund: Refund,
) -> Result<Vec<Credit>, Rejection> {
    let mut seats_from = BTreeMap::new();
    match refund {
        Refund::Prorated => {
            seats_from.insert(context.today(), s.quantity);
        }
        Refund::Full => {
            for lot in &s.lots {
                let seats: &mut u32 = seats_from.entry(lot.charged_from).or_default();
                *seats = seats.saturating_add(lot.seats);
            }
        }
    }
    let credit = |(from, seats)| Ok(Credit { seats, basis: basis(programme, s, from, seats)? });
    seats_from.into_iter().map(credit).collect()
}
