//! A ledger at the end of January, and what happens in it afterwards.

#![allow(clippy::unwrap_used, dead_code, reason = "a test may panic, and not every test uses all")]

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Answer, Server};

pub(crate) const TERMS: &str = "/v1/billing/terms";
pub(crate) const RATES: &str = "/v1/billing/exchange-rates";

/// A ledger at the end of January 2024, with `acme` of reseller `r` and `other` of reseller `q`; `acme`
/// has just bought ten seats of E3 for a year, paid by the month. A seat costs 19.70 a month.
pub(crate) async fn january() -> Server {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir, &["--clock-start", "2024-01-31T09:00:00Z"]).await;
    server.import().await.ok();
    for (customer, reseller) in [("acme", "r"), ("other", "q")] {
        let body = json!({ "reason": "signed", "customer": customer, "name": "Acme", "market": "FR",
            "programme": "nce", "reseller": reseller, "currency": "EUR" });
        server.post("/v1/customers", &body).await.ok();
    }
    purchase(&server, "acme").await;
    server
}

pub(crate) async fn purchase(server: &Server, customer: &str) -> Value {
    let body = json!({ "reason": "first order", "subscription": "s1", "offer": "office-365-e3",
        "term": "P1Y", "billing": "monthly", "quantity": 10 });
    server.post(&format!("/v1/customers/{customer}/subscriptions"), &body).await.ok()
}

pub(crate) fn terms(from: &str) -> Value {
    json!({ "reason": "Contract 2024", "version": format!("terms-{from}"), "from": from, "terms": {
        "issuer": "Partner SA", "taxes": { "FR": "20" }, "margin_percent": "10" } })
}

pub(crate) async fn set_terms(server: &Server) {
    server.by("billing", "POST", TERMS).json(&terms("2024-01")).send().await.ok();
}

pub(crate) async fn go_to(server: &Server, day: &str) {
    server.post("/v1/clock", &json!({ "to": format!("{day}T09:00:00Z") })).await.ok();
}

pub(crate) async fn close(server: &Server, period: &str) -> Answer {
    let path = format!("/v1/billing/periods/{period}/close");
    server.by("billing", "POST", &path).json(&json!({ "reason": "month end" })).send().await
}

/// Two seats more on 5 March.
pub(crate) async fn add_seats(server: &Server) -> Value {
    let path = "/v1/customers/acme/subscriptions/s1/add-seats";
    let ask = server.by("operator", "POST", path).header("idempotency-key", "ticket-7");
    ask.json(&json!({ "reason": "two arrivals", "seats": 2 })).send().await.ok()
}

/// Seven seats told on the day of the clock, as of 10 February.
pub(crate) async fn take_over(server: &Server) {
    let body = json!({ "reason": "Moved here", "subscription": "s2", "offer": "office-365-e3",
        "status": "Active", "term": "P1Y", "billing": "monthly", "quantity": 7,
        "term_start": "2024-01-15", "term_end": "2025-01-14", "end_of_term": "lapse",
        "effective_at": "2024-02-10T00:00:00Z" });
    server.post("/v1/customers/acme/opening-balances", &body).await.ok();
}

pub(crate) async fn charges(server: &Server, query: &str) -> Value {
    server.settle().await;
    server.get(&format!("/v1/customers/acme/charges{query}")).await.ok()
}

pub(crate) fn pick(items: &Value, fields: &[&str]) -> Vec<Vec<String>> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let row = |item: &Value| fields.iter().map(|field| text(&item[*field])).collect();
    items.as_array().unwrap().iter().map(row).collect()
}

pub(crate) fn totals(of: &Value) -> [&str; 4] {
    ["net", "margin", "tax", "total"].map(|name| of["totals"][name].as_str().unwrap())
}
