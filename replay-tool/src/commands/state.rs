//! `state`: what a customer held at an instant, as known at another.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use ledger_core::customer::{Customer, EndOfTermAction, Status, Subscription, TermKind};
use ledger_core::ids::OfferId;
use ledger_core::record::{AsOf, Recorded, state_at};
use serde_json::{Value, json};

use crate::cli::StateArgs;
use crate::describe;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::source::Source;

/// Tells a customer's state.
///
/// # Errors
///
/// [`Failure`] when the source cannot be read or does not know the customer by then.
pub async fn state(args: &StateArgs, json: bool, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let history = Source::open(&args.source)?.history(&args.customer).await?;
    let as_of = AsOf { effective_at: Some(args.as_of), known_at: args.known_at };
    let state = state_at(&history, as_of);
    let Some(customer) = &state.customer else {
        return Err(Failure::NotFound(unknown(args, &history)));
    };
    if json {
        output.json(&to_json(args, state.version, customer))?;
        return Ok(Exit::Fine);
    }
    output.line(format!(
        "{} as of {}{}",
        args.customer,
        describe::instant(args.as_of),
        known(args)
    ))?;
    let profile = &customer.profile;
    let admin = if customer.delegated_admin.is_some() { "yes" } else { "no" };
    output.line(format!(
        "version {}, {}, programme {}, delegated administration {admin}",
        state.version, profile.name, profile.programme
    ))?;
    for subscription in customer.subscriptions.values() {
        show(subscription, args.as_of, output)?;
    }
    for line in people(customer) {
        output.line(line)?;
    }
    for (offer, licences) in licences(customer) {
        output.line(format!(
            "licences {offer}: valid {}, assigned {}, available {}",
            licences.valid,
            licences.assigned,
            licences.available()
        ))?;
    }
    Ok(Exit::Fine)
}

/// Why there is no state: too early, or not known yet.
fn unknown(args: &StateArgs, history: &[Recorded]) -> String {
    let id = &args.customer;
    let now_known = AsOf { effective_at: Some(args.as_of), known_at: None };
    match args.known_at {
        Some(known_at) if state_at(history, now_known).customer.is_some() => format!(
            "customer {id}: nothing was known of it by {}: ask with a later --known-at",
            describe::instant(known_at)
        ),
        Some(_) | None => format!(
            "customer {id} was not registered by {}: ask for a later instant",
            describe::instant(args.as_of)
        ),
    }
}

fn known(args: &StateArgs) -> String {
    args.known_at.map_or_else(String::new, |at| format!(", known at {}", describe::instant(at)))
}

fn show(s: &Subscription, at: DateTime<Utc>, output: &mut Output<'_>) -> Result<(), Failure> {
    let status = describe::word(&s.status);
    let name = s.name.as_ref().map(|name| format!(" {name:?}")).unwrap_or_default();
    let kind = match s.kind {
        TermKind::Paid => "",
        TermKind::Trial { .. } => ", trial",
        TermKind::Extended => ", extended",
    };
    output.line(format!(
        "{}{name} {} {status}{kind}: {} seats, {}, term {} to {}, {} a seat",
        s.id,
        s.offer,
        s.quantity,
        describe::plan(s.plan),
        s.term.start,
        s.term.end,
        s.unit_price
    ))?;
    for lot in &s.lots {
        let open = if lot.is_open(at) { "open" } else { "closed" };
        let until = describe::until(lot.reduce_until);
        output
            .line(format!("    lot {}: {} seats, removable {until}, {open}", lot.lot, lot.seats))?;
    }
    for line in state_of(s) {
        output.line(format!("    {line}"))?;
    }
    if s.is_living() {
        output.line(format!("    can be cancelled {}", describe::until(s.cancel_until)))?;
        output.line(format!("    after the term it {}", end(s)))?;
    }
    Ok(())
}

/// What the status does not tell.
fn state_of(s: &Subscription) -> Vec<String> {
    let mut lines = Vec::new();
    if s.status == Status::Suspended {
        let charges = if s.billing_stopped { "not charged" } else { "charged all the same" };
        lines.push(format!("suspended, {charges}"));
    }
    if !s.vendor_reasons.is_empty() {
        lines.push(format!("suspended by the vendor: {}", s.vendor_reasons.join(", ")));
    }
    let next = s.next_billing;
    lines.extend(
        next.map(|next| format!("charged {} from {} on", describe::word(&next.billing), next.from)),
    );
    lines.extend(s.disable_at.map(|at| format!("service stops at {}", describe::instant(at))));
    lines.extend(s.delete_at.map(|at| format!("data goes at {}", describe::instant(at))));
    lines
}

fn end(s: &Subscription) -> String {
    match (s.end_of_term, &s.scheduled) {
        (EndOfTermAction::Cancel, _) => "ends".to_owned(),
        (EndOfTermAction::ExtendedServiceTerm, _) => {
            "goes on by the month, at a premium".to_owned()
        }
        (EndOfTermAction::Lapse, _) => "is not renewed".to_owned(),
        (EndOfTermAction::Renew, None) if s.is_trial() => "becomes paid".to_owned(),
        (EndOfTermAction::Renew, None) => format!("renews with {} seats", s.quantity),
        (EndOfTermAction::Renew, Some(planned)) => {
            format!("renews with {}, as planned", describe::settings(planned))
        }
    }
}

/// Users, groups and requests, as far as there are any.
fn people(customer: &Customer) -> Vec<String> {
    let mut lines = Vec::new();
    if !customer.users.is_empty() {
        lines.push(format!("users: {}", customer.users.len()));
    }
    for (user, access) in &customer.portal {
        lines.push(format!("portal: user {user} may {}", describe::word(access)));
    }
    for (id, group) in &customer.groups {
        let offers: Vec<_> = group.offers.iter().map(OfferId::as_str).collect();
        let (members, failed) = (group.members.len(), group.failed.len());
        let gives = if offers.is_empty() { "nothing".to_owned() } else { offers.join(", ") };
        lines.push(format!("group {id}: {members} members, gives {gives}, {failed} without it"));
    }
    for (id, request) in &customer.requests {
        lines.push(format!("request {id}: {:+} seats of {}", request.seats, request.offer));
    }
    lines
}

/// Seats and licences of one offer.
struct Licences {
    valid: u32,
    assigned: u32,
}

impl Licences {
    fn available(&self) -> u32 {
        self.valid.saturating_sub(self.assigned)
    }
}

fn licences(customer: &Customer) -> Vec<(&OfferId, Licences)> {
    let all = customer.subscriptions.values().filter(|s| s.is_in_service());
    let held = all.map(|subscription| &subscription.offer);
    let offers: BTreeSet<&OfferId> = held.chain(customer.assignments.keys()).collect();
    let of = |offer| Licences { valid: customer.valid(offer), assigned: customer.assigned(offer) };
    offers.into_iter().map(|offer| (offer, of(offer))).collect()
}

fn to_json(args: &StateArgs, version: u64, customer: &Customer) -> Value {
    let licences = licences(customer).into_iter().map(|(offer, licences)| {
        json!({
            "offer": offer,
            "valid": licences.valid,
            "assigned": licences.assigned,
            "available": licences.available(),
        })
    });
    let refundable = customer
        .subscriptions
        .values()
        .map(|s| (s.id.to_string(), json!(s.refundable(args.as_of))))
        .collect::<serde_json::Map<_, _>>();
    json!({
        "customer_id": args.customer,
        "as_of": args.as_of,
        "known_at": args.known_at,
        "version": version,
        "customer": customer,
        "refundable": refundable,
        "licences": licences.collect::<Vec<_>>(),
    })
}
