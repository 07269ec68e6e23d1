//! What a scenario can look at: the state, and the charge lines of events.

use chrono::{DateTime, Utc};
use ledger_core::billing::{BilledLine, Books};
use ledger_core::calendar::TermDuration;
use ledger_core::catalogue::Catalogues;
use ledger_core::charges::{ChargeLine, lines};
use ledger_core::customer::{
    Context, Customer, Event, Subscription, due, end_dates, upgrade_choices,
};
use ledger_core::ids::OfferId;
use serde_json::{Map, Value, json};

/// Everything about the customer, the catalogue in force and what is said about bills, at the instant of `context`.
#[must_use]
pub fn view(
    context: &Context<'_>,
    customer: Option<&Customer>,
    catalogues: &Catalogues,
    books: &Books,
) -> Value {
    let now = context.now;
    let mut view = json!({ "catalogue": context.catalogue, "billing": billing(books) });
    let Some(customer) = customer else { return view };
    let offers = catalogues.iter().flat_map(|catalogue| catalogue.offers.keys());
    let licences: Map<String, Value> = offers
        .chain(customer.assignments.keys())
        .map(|offer| (offer.to_string(), licences(customer, offer)))
        .collect();
    let subscriptions: Map<String, Value> =
        customer.subscriptions.values().map(|s| (s.id.to_string(), subscription(s, now))).collect();
    let upgrades: Map<String, Value> = customer
        .subscriptions
        .keys()
        .map(|id| {
            let choices = upgrade_choices(context, customer, id).unwrap_or_default();
            (id.to_string(), json!(choices))
        })
        .collect();
    let terms = [TermDuration::P1M, TermDuration::P1Y, TermDuration::P3Y];
    let ends: Map<String, Value> = terms
        .into_iter()
        .map(|term| (format!("{term:?}"), json!(end_dates(customer, now.date_naive(), term))))
        .collect();
    let due: Vec<Value> = due(customer)
        .iter()
        .map(|due| {
            json!({
                "at": due.at, "subscription": due.subscription, "command": due.command.name(),
            })
        })
        .collect();
    view["profile"] = json!(customer.profile);
    view["agreement"] = json!(customer.agreement);
    view["delegated_admin"] = json!(customer.delegated_admin.is_some());
    view["delegation"] = json!(customer.delegated_admin);
    view["external"] = json!(customer.external);
    view["subscriptions"] = json!(subscriptions);
    view["licences"] = json!(licences);
    view["assignments"] = json!(customer.assignments);
    view["shortfalls"] = json!(customer.shortfalls);
    view["users"] = json!(customer.users);
    view["groups"] = json!(customer.groups);
    view["portal"] = json!(customer.portal);
    view["requests"] = json!(customer.requests);
    view["redemptions"] = json!(customer.redemptions);
    view["people"] = json!(customer.people);
    view["is_erased"] = json!(customer.is_erased);
    view["upgrade_choices"] = json!(upgrades);
    view["end_dates"] = json!(ends);
    view["due"] = json!(due);
    view
}

fn subscription(s: &Subscription, now: DateTime<Utc>) -> Value {
    let mut value = json!(s);
    value["refundable"] = json!(s.refundable(now));
    value["cancellable"] = json!(s.is_cancellable(now));
    value["in_service"] = json!(s.is_in_service());
    value
}

fn licences(customer: &Customer, offer: &OfferId) -> Value {
    let (valid, assigned) = (customer.valid(offer), customer.assigned(offer));
    json!({ "valid": valid, "assigned": assigned, "available": valid.saturating_sub(assigned) })
}

/// Charge lines with their amount and currency side by side.
#[must_use]
pub fn charges(events: &[Event]) -> Vec<Value> {
    let lines = events.iter().flat_map(|event| lines("acme/1.1", event).unwrap_or_default());
    lines.map(|line| charge(&line)).collect()
}

fn charge(line: &ChargeLine) -> Value {
    let mut value = json!(line);
    value["currency"] = json!(line.amount.currency);
    value["amount"] = json!(line.amount.amount);
    value
}

/// A line as it is billed: the charge line, and what the bill adds.
#[must_use]
pub fn billed(line: &BilledLine) -> Value {
    let BilledLine { charge: of, .. } = line;
    let mut value = charge(&of.line);
    value["charged_on"] = json!(of.charged_on);
    value["event_id"] = json!(of.event_id);
    value["price_event_id"] = json!(of.price_event_id);
    value["price_list"] = json!(of.price_list);
    value["promotion"] = json!(of.promotion);
    value["reseller"] = json!(of.reseller);
    value["term"] = json!(of.term);
    value["billing_period"] = json!(line.period);
    value["is_correction"] = json!(line.is_correction);
    value["rate"] = json!(line.rate);
    value["billed"] = json!(line.billed.amount);
    value["billed_currency"] = json!(line.billed.currency);
    value["tax_percent"] = json!(line.tax_percent);
    value["tax"] = json!(line.tax.map(|tax| tax.amount));
    value["margin_percent"] = json!(line.margin_percent);
    value["margin"] = json!(line.margin.amount);
    value
}

fn billing(books: &Books) -> Value {
    let closed = books.closed().map(|closed| (closed.what.period.to_string(), json!(closed)));
    json!({
        "terms": books.all_terms().collect::<Vec<_>>(),
        "rates": books.all_rates().collect::<Vec<_>>(),
        "closed": closed.collect::<Map<_, _>>(),
        "reconciliations": books.reconciliations(),
    })
}
