//! Where a price came from, and whether it is still there.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::event_of;
use super::subject::{Known, Price, PriceSource};
use crate::billing::meter::Charge;
use crate::catalogue::Segment;
use crate::customer::{Customer, Event, evolve};
use crate::money::{Currency, Money};
use crate::record::{EventEntry, Recorded};

/// Where the price of a charge came from.
pub(super) fn price(known: Known<'_>, charge: &Charge) -> Option<Price> {
    let (recorded, event) = event_of(known.history, &charge.price_event_id)?;
    let unit_price =
        Money { amount: charge.line.unit_price, currency: charge.line.amount.currency };
    let premium = premium(&event.event);
    let promoted = charge.promotion.as_ref().map(|promotion| promotion.list_price);
    let list_price = promoted.or(premium.map(|(list_price, _)| list_price));
    let commit = recorded.commit();
    let (source, is_found) =
        source(known, charge, &event, commit.effective_at, list_price.unwrap_or(unit_price));
    Some(Price {
        unit_price,
        recorded_at: commit.recorded_at,
        effective_at: commit.effective_at,
        position: recorded.position,
        source,
        list_price,
        promotion: charge.promotion.clone(),
        premium_percent: premium.map(|(_, percent)| percent),
        is_found,
        event,
    })
}

/// The price that an extended service term is charged at a premium of.
#[expect(clippy::wildcard_enum_match_arm, reason = "no other event has a premium")]
fn premium(event: &Event) -> Option<(Money, Decimal)> {
    match event {
        Event::ExtendedServiceTermStarted(e) => Some((e.list_price, e.premium_percent)),
        _ => None,
    }
}

/// Where a price was read, and whether it is still there.
fn source(
    known: Known<'_>,
    charge: &Charge,
    event: &EventEntry,
    at: DateTime<Utc>,
    price: Money,
) -> (PriceSource, bool) {
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others read it somewhere")]
    match &event.event {
        Event::CorrectionRecorded(_) => return (PriceSource::Correction, true),
        Event::CreditGranted(_) => return (PriceSource::Granted, true),
        Event::OpeningBalanceImported(_) => return (PriceSource::OpeningBalance, true),
        _ => {}
    }
    let catalogue = known.catalogues.in_force(at);
    let plan = (charge.plan.term, charge.plan.billing);
    let offer = &charge.line.offer;
    let Some(list) = charge.price_list.clone() else {
        let found = catalogue.and_then(|catalogue| catalogue.offer(offer));
        let found = found.and_then(|offer| offer.price(plan.0, plan.1, price.currency));
        let version = event.event.rules().map(|rules| rules.catalogue.clone());
        return (PriceSource::Catalogue { version }, found == Some(price));
    };
    let segment = segment(known.history, &event.id);
    let row = catalogue.and_then(|catalogue| {
        let buyer: (&str, Segment, Currency) = (charge.market.as_str(), segment?, price.currency);
        catalogue.prices.row(&list, offer, plan, buyer, at)
    });
    let row = row.filter(|row| row.price == price.amount);
    let is_found = row.is_some();
    (PriceSource::PriceList { list, row }, is_found)
}

/// The customer's segment when an event happened.
fn segment(history: &[Recorded], event_id: &str) -> Option<Segment> {
    let mut customer: Option<Customer> = None;
    for recorded in history {
        for (index, event) in recorded.events.iter().enumerate() {
            customer = evolve(customer, event);
            if recorded.event_id(index) == event_id {
                return customer.map(|customer| customer.profile.segment);
            }
        }
    }
    None
}
