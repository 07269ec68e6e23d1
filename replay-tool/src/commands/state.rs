//! `state`: what a customer held at an instant, as known at another.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use ledger_core::customer::{Customer, EndOfTermAction, Subscription};
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
    output.line(format!(
        "{} {} {status}: {} seats, {}, term {} to {}, {} a seat",
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
    output.line(format!("    can be cancelled {}", describe::until(s.cancel_until)))?;
    let end = match (s.end_of_term, &s.scheduled) {
        (EndOfTermAction::Cancel, _) => "ends".to_owned(),
        (EndOfTermAction::ExtendedServiceTerm, _) => {
            "goes on by the month, at a premium".to_owned()
        }
        (EndOfTermAction::Lapse, _) => "is not renewed".to_owned(),
        (EndOfTermAction::Renew, None) => format!("renews with {} seats", s.quantity),
        (EndOfTermAction::Renew, Some(planned)) => {
            format!("renews with {} seats, as planned", planned.quantity)
        }
    };
    output.line(format!("    after the term it {end}"))?;
    Ok(())
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
    let active = customer.active().map(|subscription| &subscription.offer);
    let offers: BTreeSet<&OfferId> = active.chain(customer.assignments.keys()).collect();
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
