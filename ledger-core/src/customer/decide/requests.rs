//! Asking the reseller for more or fewer seats, and the answer. Source: SEED-4.

use super::seats;
use super::{Context, Rejection};
use crate::customer::command::{
    AddSeats, DeclineRequest, FulfilRequest, RemoveSeats, RequestQuantity,
};
use crate::customer::event::{
    Event, QuantityRequestDeclined, QuantityRequestFulfilled, QuantityRequested,
};
use crate::customer::state::{Customer, QuantityRequest};
use crate::ids::{QuantityRequestId, Role};

pub(super) fn request(
    context: &Context<'_>,
    customer: &Customer,
    c: &RequestQuantity,
) -> Result<Vec<Event>, Rejection> {
    let asked = QuantityRequest { offer: c.offer.clone(), seats: c.seats };
    if customer.requests.get(&c.request) == Some(&asked) {
        return Ok(Vec::new());
    }
    if customer.request_ids.contains(&c.request) {
        return Err(Rejection::RequestExists { request: c.request.clone() });
    }
    if c.seats == 0 {
        return Err(Rejection::QuantityZero);
    }
    seats_of(c.seats)?;
    // Paid seats can be given back although their offer is no longer sold.
    if customer.seats(&c.offer) == 0 {
        context.offer(&c.offer)?;
    }

    Ok(vec![Event::QuantityRequested(QuantityRequested {
        request: c.request.clone(),
        offer: c.offer.clone(),
        seats: c.seats,
    })])
}

/// How many seats a request is about, whichever way.
fn seats_of(seats: i64) -> Result<u32, Rejection> {
    let expected = "fewer than 4294967296 seats, to be added or given back";
    u32::try_from(seats.unsigned_abs())
        .map_err(|_| Rejection::FieldInvalid { field: "seats", expected })
}

pub(super) fn fulfil(
    context: &Context<'_>,
    customer: &Customer,
    c: &FulfilRequest,
) -> Result<Vec<Event>, Rejection> {
    match context.actor.role {
        Role::Operator | Role::ResellerAdmin => {}
        Role::Billing
        | Role::Support
        | Role::CustomerAdmin
        | Role::CustomerViewer
        | Role::Scheduler => return Err(Rejection::ResellerOnly { command: "FulfilRequest" }),
    }
    let request = open(customer, &c.request)?;
    let subscription = c.subscription.clone();
    let known = customer.subscriptions.get(&c.subscription);
    if let Some(known) = known.filter(|known| known.offer != request.offer) {
        let (offer, requested) = (known.offer.clone(), request.offer.clone());
        return Err(Rejection::RequestOfferDiffers { subscription, offer, requested });
    }
    let seats = seats_of(request.seats)?;
    let mut events = if request.seats.is_positive() {
        seats::add(context, customer, &AddSeats { subscription, seats })?
    } else {
        seats::remove(context, customer, &RemoveSeats { subscription, seats })?
    };

    let (request, subscription) = (c.request.clone(), c.subscription.clone());
    let fulfilled = QuantityRequestFulfilled { request, subscription };
    events.push(Event::QuantityRequestFulfilled(fulfilled));
    Ok(events)
}

/// The reseller says no, or the customer no longer wants it.
pub(super) fn decline(customer: &Customer, c: &DeclineRequest) -> Result<Vec<Event>, Rejection> {
    open(customer, &c.request)?;

    let request = c.request.clone();
    Ok(vec![Event::QuantityRequestDeclined(QuantityRequestDeclined { request })])
}

/// The request, if it waits for an answer.
fn open<'a>(
    customer: &'a Customer,
    id: &QuantityRequestId,
) -> Result<&'a QuantityRequest, Rejection> {
    let request = id.clone();
    match customer.requests.get(id) {
        Some(open) => Ok(open),
        None if customer.request_ids.contains(id) => Err(Rejection::RequestAnswered { request }),
        None => Err(Rejection::RequestUnknown { request }),
    }
}
