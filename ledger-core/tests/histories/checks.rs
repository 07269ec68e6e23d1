//! What must hold for every decision, and for every customer that decisions make.

use chrono::{DateTime, Utc};
use ledger_core::catalogue::OnImmediateChange;
use ledger_core::charges::lines;
use ledger_core::codec::{CODEC, decode, encode};
use ledger_core::customer::{
    Customer, Event, TermKind, TrialTarget, UpgradeTarget, evolve, faults,
};

/// A law that was broken.
pub(crate) type Broken = String;

pub(crate) fn ensure(holds: bool, broken: impl FnOnce() -> String) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err(broken()) }
}

/// Checks `events` one by one, from the customer as it was before; returns the one that they make.
pub(crate) fn decision(
    before: &Customer,
    events: &[Event],
    immediate: Option<OnImmediateChange>,
    now: DateTime<Utc>,
) -> Result<Customer, Broken> {
    let mut customer = before.clone();
    for event in events {
        is_stored_and_charged(event)?;
        let after = evolve(Some(customer.clone()), event).ok_or("the customer is gone")?;
        keeps_seats(&customer, event, &after)?;
        takes_from_open_lots(&customer, event, now)?;
        customer = after;
    }
    if immediate == Some(OnImmediateChange::Invalidate) {
        let changed = events.iter().flat_map(changed_at_once);
        for id in changed {
            let planned = customer.subscriptions.get(id).and_then(|s| s.scheduled.as_ref());
            ensure(planned.is_none(), || {
                format!("{id} was changed at once and keeps {planned:?}")
            })?;
        }
    }
    is_sound(&customer)?;
    Ok(customer)
}

pub(crate) fn is_sound(customer: &Customer) -> Result<(), Broken> {
    let faults = faults(customer);
    ensure(faults.is_empty(), || faults.join("; "))
}

fn is_stored_and_charged(event: &Event) -> Result<(), Broken> {
    let stored = encode(event).map_err(|err| err.to_string())?;
    let read = decode(CODEC, &stored).map_err(|err| err.to_string())?;
    ensure(&read == event, || "what is stored does not read back".to_owned())?;
    lines("acme/1.1", event).map(|_| ()).map_err(|err| format!("it cannot be charged: {err}"))
}

fn seats(customer: &Customer) -> u64 {
    customer.living().map(|s| u64::from(s.quantity)).sum()
}

/// Only what says so changes the number of seats; an upgrade never does.
fn keeps_seats(before: &Customer, event: &Event, after: &Customer) -> Result<(), Broken> {
    let (was, is) = (seats(before), seats(after));
    let changed = i128::from(is) - i128::from(was);
    let expected = match event {
        Event::SubscriptionUpgraded(e) => {
            let taken: u32 = e.lots.iter().map(|used| used.seats).sum();
            ensure(taken == e.moved, || format!("{taken} of {} seats come from lots", e.moved))?;
            if let UpgradeTarget::Existing(grown) = &e.target {
                let grown = grown.quantity.to - grown.quantity.from;
                ensure(grown == e.moved, || format!("{} moved, {grown} arrived", e.moved))?;
            }
            0
        }
        Event::SubscriptionRenewed(e) => i128::from(e.quantity.to) - i128::from(e.quantity.from),
        Event::SeatsAdded(e) => i128::from(e.quantity.to) - i128::from(e.quantity.from),
        Event::SeatsRemoved(e) => i128::from(e.quantity.to) - i128::from(e.quantity.from),
        Event::TrialConverted(e) => {
            if let TrialTarget::Existing(grown) = &e.into {
                let grown = grown.quantity.to - grown.quantity.from;
                ensure(grown == e.quantity.to, || format!("{grown} seats of a trial arrived"))?;
            }
            i128::from(e.quantity.to) - i128::from(e.quantity.from)
        }
        Event::SubscriptionPurchased(e) => i128::from(e.quantity),
        Event::TrialStarted(e) => i128::from(e.quantity),
        Event::SubscriptionCancelled(e) => -i128::from(e.quantity),
        // The rest of what ends or is told from elsewhere is checked by the state that it makes.
        Event::SubscriptionExpired(_)
        | Event::SubscriptionDisabled(_)
        | Event::SubscriptionDeleted(_)
        | Event::OpeningBalanceImported(_)
        | Event::CorrectionRecorded(_) => return Ok(()),
        _ => 0,
    };
    ensure(changed == expected, || format!("{changed} seats more, not {expected}: {event:?}"))
}

/// What is refundable is what is in open lots: nothing else is ever given back, but in an extended service
/// term, which has no windows.
fn takes_from_open_lots(
    before: &Customer,
    event: &Event,
    now: DateTime<Utc>,
) -> Result<(), Broken> {
    let Event::SeatsRemoved(e) = event else { return Ok(()) };
    let s = before.subscriptions.get(&e.subscription).ok_or("it is not there")?;
    if s.kind == TermKind::Extended {
        return Ok(());
    }
    for used in &e.lots {
        let lot = s.lots.iter().find(|lot| lot.lot == used.lot).ok_or("there is no such lot")?;
        ensure(lot.is_open(now) && used.seats <= lot.seats, || format!("{used:?} of {lot:?}"))?;
    }
    let taken: u32 = e.lots.iter().map(|used| used.seats).sum();
    ensure(taken == e.quantity.from - e.quantity.to, || format!("{taken} seats come from lots"))?;
    ensure(taken <= s.refundable(now), || "more than is refundable".to_owned())
}

/// The subscriptions whose planned renewal an immediate change drops.
fn changed_at_once(event: &Event) -> Vec<&ledger_core::ids::SubscriptionId> {
    match event {
        Event::SeatsAdded(e) => vec![&e.subscription],
        Event::SeatsRemoved(e) => vec![&e.subscription],
        Event::TermChanged(e) => vec![&e.subscription],
        Event::SubscriptionUpgraded(e) => match &e.target {
            UpgradeTarget::Existing(grown) => vec![&e.subscription, &grown.subscription],
            UpgradeTarget::InPlace | UpgradeTarget::New(_) => vec![&e.subscription],
        },
        _ => Vec::new(),
    }
}
