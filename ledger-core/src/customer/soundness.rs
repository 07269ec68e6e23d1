//! What every customer is, whatever its history: the states that the rules describe. Random histories and
//! scenarios are checked against it after every step.

use std::collections::BTreeSet;

use super::command::EndOfTermAction;
use super::state::{Customer, Status, Subscription};

/// Returns what no rule describes, one sentence each; empty for every customer there can be.
#[must_use]
pub fn faults(customer: &Customer) -> Vec<String> {
    let mut faults = Vec::new();
    for s in customer.subscriptions.values() {
        let of_it = [seats(s), dates(s), plans(customer, s)].into_iter().flatten();
        faults.extend(of_it.map(|fault| format!("{}: {fault}", s.id)));
    }
    faults.extend(licences(customer));
    faults.extend(groups(customer));
    let waiting = customer.requests.keys();
    for request in waiting.filter(|id| !customer.request_ids.contains(*id)) {
        faults.push(format!("request {request} waits, but its id could be used again"));
    }
    faults
}

fn seats(s: &Subscription) -> Vec<String> {
    let mut faults = Vec::new();
    if !s.is_living() {
        return faults;
    }
    let in_lots = s.lots.iter().fold(0_u32, |sum, lot| sum.saturating_add(lot.seats));
    if in_lots != s.quantity {
        faults.push(format!("its lots hold {in_lots} seats, not {}", s.quantity));
    }
    if s.quantity == 0 {
        faults.push("it lives without seats".to_owned());
    }
    let numbers: BTreeSet<u32> = s.lots.iter().map(|lot| lot.lot).collect();
    if numbers.len() != s.lots.len() || numbers.last().is_some_and(|last| s.last_lot < *last) {
        faults.push(format!("its lots are numbered {numbers:?}, the last one {}", s.last_lot));
    }
    if s.lots.iter().any(|lot| lot.seats == 0) {
        faults.push("one of its lots is empty".to_owned());
    }
    let is_charged = if s.billing_stopped { 0 } else { s.quantity };
    if s.charged.last().is_some_and(|last| last.quantity != is_charged) {
        faults.push(format!("it has {} seats, but {:?} is charged", s.quantity, s.charged.last()));
    }
    if !s.charged.is_sorted_by(|a, b| a.from < b.from) {
        faults.push(format!("what is charged is out of order: {:?}", s.charged));
    }
    faults
}

fn dates(s: &Subscription) -> Vec<String> {
    let mut faults = Vec::new();
    if s.term.end < s.term.start {
        faults.push(format!("its term ends on {}, before it begins", s.term.end));
    }
    let has = (s.disable_at.is_some(), s.delete_at.is_some());
    let fits = match s.status {
        Status::Active | Status::Deleted => has == (false, false),
        Status::Suspended | Status::Disabled => !has.0,
        Status::Expired => !has.1,
    };
    if !fits {
        let (disable_at, delete_at) = (s.disable_at, s.delete_at);
        faults.push(format!(
            "it is {:?}, but is to be disabled at {disable_at:?} and deleted at {delete_at:?}",
            s.status
        ));
    }
    if s.status == Status::Active && (!s.vendor_reasons.is_empty() || s.billing_stopped) {
        faults.push("it is active, but has what only a suspended one has".to_owned());
    }
    faults
}

fn plans(customer: &Customer, s: &Subscription) -> Vec<String> {
    let mut faults = Vec::new();
    let renews = s.is_living() && s.end_of_term == EndOfTermAction::Renew;
    if s.scheduled.is_some() && !renews {
        faults.push("a renewal is planned that cannot come".to_owned());
    }
    if s.scheduled.as_ref().is_some_and(|planned| planned.quantity == 0) {
        faults.push("a renewal without seats is planned".to_owned());
    }
    let planned = s.scheduled.as_ref().and_then(|planned| planned.plan);
    for plan in [Some(s.plan), planned].into_iter().flatten() {
        if plan.term.months() < plan.billing.months() {
            faults.push(format!("it is charged for longer than it lasts: {plan:?}"));
        }
    }
    if let Some(next) = s.next_billing
        && !(s.is_living() && s.term.start < next.from && next.from <= s.term.end)
    {
        faults.push(format!("another rhythm of charging is to begin on {}", next.from));
    }
    if s.unit_price.currency != customer.profile.currency {
        faults.push(format!("its price is in {}", s.unit_price.currency));
    }
    if s.is_trial() && s.is_living() && !s.unit_price.amount.is_zero() {
        faults.push("a trial costs something".to_owned());
    }
    faults
}

fn licences(customer: &Customer) -> Vec<String> {
    let mut faults = Vec::new();
    for offer in customer.assignments.keys().chain(&customer.shortfalls) {
        let (valid, assigned) = (customer.valid(offer), customer.assigned(offer));
        let is_raised = customer.shortfalls.contains(offer);
        if (valid < assigned) != is_raised {
            faults.push(format!(
                "{offer}: {assigned} of {valid} licences are assigned, but shortfall is {is_raised}"
            ));
        }
    }
    for (offer, users) in &customer.assignments {
        if users.is_empty() {
            faults.push(format!("{offer}: nobody has a licence, but it is listed"));
        }
        for (user, assignment) in users {
            if !assignment.direct && assignment.groups.is_empty() {
                faults.push(format!("{offer}: {user} has a licence from nowhere"));
            }
            for id in &assignment.groups {
                let group = customer.groups.get(id);
                let gives =
                    group.is_some_and(|g| g.members.contains(user) && g.offers.contains(offer));
                if !gives {
                    faults.push(format!("{offer}: {id} does not give {user} a licence"));
                }
            }
        }
    }
    faults
}

fn groups(customer: &Customer) -> Vec<String> {
    let mut faults = Vec::new();
    for (id, group) in &customer.groups {
        if group.members.is_empty() && group.offers.is_empty() {
            faults.push(format!("group {id} is empty"));
        }
        for (user, (offer, _)) in &group.failed {
            if !group.members.contains(user) {
                faults.push(format!("group {id} failed for {user}, who is no member"));
            }
            if !group.offers.contains(offer) {
                faults.push(format!("group {id} failed with {offer}, which it does not give"));
            }
            let held = customer.assignments.get(offer).and_then(|users| users.get(user));
            if held.is_some_and(|assignment| assignment.groups.contains(id)) {
                faults.push(format!("group {id} failed to give {user} {offer}, and gives it"));
            }
        }
    }
    faults
}
