//! Opening balances and corrections by URL: who may send them, and what they answer.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use serde_json::{Value, json};
use support::Server;

const BALANCES: &str = "/v1/customers/acme/opening-balances";
const CORRECTIONS: &str = "/v1/customers/acme/subscriptions/s1/corrections";

fn balance() -> Value {
    json!({
        "reason": "Moved from the other portal", "subscription": "old-1", "offer": "office-365-e3",
        "status": "Active", "term": "P1Y", "billing": "annual", "quantity": 7,
        "term_start": "2025-09-01", "term_end": "2026-08-31", "end_of_term": "lapse",
        "refundable": [{ "quantity": 2, "until": "2026-03-05T00:00:00Z" }],
        "unknown": { "publisherName": "Contoso" },
        "effective_at": "2026-02-01T00:00:00.1234567Z"
    })
}

#[tokio::test]
async fn a_subscription_is_taken_over_once() {
    let server = Server::with_acme().await;
    let dry = server.post(&format!("{BALANCES}?dry_run=true"), &balance()).await.ok();
    assert_eq!(dry["state"]["subscriptions"]["old-1"]["quantity"], 7);
    let answer = server.post(BALANCES, &balance()).await;
    assert_eq!(answer.status, 201);
    let done = answer.ok();
    assert_eq!(done["events"][0]["event"], "OpeningBalanceImported");
    assert_eq!(done["events"][0]["lots"][1]["seats"], 2);
    assert_eq!(done["warnings"][0]["warning"], "fields-not-known");
    assert_eq!(done["charge_lines"], json!([]));
    let again = server.post(BALANCES, &balance()).await;
    assert_eq!((again.status.as_u16(), &again.ok()["unchanged"]), (200, &json!(true)));
    let mut other = balance();
    other["quantity"] = json!(8);
    let problem = server.post(BALANCES, &other).await.problem(409, "SUBSCRIPTION_EXISTS");
    assert_eq!(problem["facts"]["differs"], json!(["quantity", "refundable"]));
}

#[tokio::test]
async fn what_was_told_about_the_past_was_so_in_the_past() {
    let server = Server::with_acme().await;
    server.post(BALANCES, &balance()).await.ok();
    let history = server.get("/v1/customers/acme/history").await.ok().to_string();
    assert!(history.contains("\"effective_at\":\"2026-02-01T00:00:00.123Z\""), "{history}");
}

#[tokio::test]
async fn the_reseller_takes_over_and_the_operator_puts_right() {
    let server = Server::with_acme().await;
    let correction =
        json!({ "reason": "Miscounted", "quantity": 9, "effective_at": "2026-03-01T09:00:00Z" });
    for (who, path, body, refusal) in [
        ("admin-acme", BALANCES, balance(), Some((403, "PARTNER_ONLY"))),
        ("admin-acme", CORRECTIONS, correction.clone(), Some((403, "OPERATOR_ONLY"))),
        ("reseller-r", CORRECTIONS, correction.clone(), Some((403, "OPERATOR_ONLY"))),
        ("reseller-q", BALANCES, balance(), Some((404, "CUSTOMER_UNKNOWN"))),
        ("support", BALANCES, balance(), Some((403, "ROLE_NOT_ALLOWED"))),
        ("reseller-r", BALANCES, balance(), None),
        ("operator", CORRECTIONS, correction, None),
    ] {
        let answer = server.by(who, "POST", path).json(&body).send().await;
        match refusal {
            Some((status, code)) => {
                answer.problem(status, code);
            }
            None => {
                answer.ok();
            }
        }
    }
    let s1 = server.get("/v1/customers/acme").await.ok();
    assert_eq!(s1["state"]["subscriptions"]["s1"]["quantity"], 9);
}

#[tokio::test]
async fn balances_come_in_bulk_too() {
    let server = Server::with_acme().await;
    let mut line = balance();
    line["customer"] = json!("acme");
    line["command"] = json!("ImportOpeningBalance");
    let lines = format!("{line}\n{line}\n");
    let ask = server.by("reseller-r", "POST", "/v1/bulk").raw("application/x-ndjson", lines);
    let answer = ask.send().await;
    let results = answer.lines();
    assert_eq!(results[0]["done"]["events"][0]["event"], "OpeningBalanceImported");
    assert_eq!((&results[0]["status"], &results[1]["status"]), (&json!(201), &json!(200)));
    assert_eq!(results[1]["done"]["unchanged"], true);
}
