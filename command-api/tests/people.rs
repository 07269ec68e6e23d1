//! What is known of people: sealed everywhere, readable with the key, and gone without it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::support::Server;

const NAME: &str = "/v1/customers/acme/users/u-1/name";

/// Whether any file of a data folder but the keys holds `text`.
fn holds(dir: &Path, text: &str) -> bool {
    fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, text);
        }
        let bytes = fs::read(&path).unwrap();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

async fn with_user() -> Server {
    let server = Server::with_acme().await;
    let user = json!({ "reason": "New hire", "user": "u-1" });
    server.post("/v1/customers/acme/users", &user).await.ok();
    server
}

fn named() -> serde_json::Value {
    json!({ "reason": "New hire", "name": "Odile Quatresous", "email": "odile@example.org" })
}

#[tokio::test]
async fn a_name_is_read_with_the_customers_key_and_stands_nowhere_on_the_disk() {
    let server = with_user().await;
    let done = server.post(NAME, &named()).await.ok();
    assert_eq!(done["events"][0]["event"], "UserNamed");
    assert!(!done.to_string().contains("Odile"), "{done}");
    let known = server.get(NAME).await.ok();
    let expected =
        json!({ "user": "u-1", "name": "Odile Quatresous", "email": "odile@example.org" });
    assert_eq!(known, expected);
    server.settle().await;
    assert!(!holds(server.dir.path(), "Odile") && !holds(server.dir.path(), "odile@"));
    let again = server.post(NAME, &named()).await.ok();
    assert_eq!(again["unchanged"], true);
}

#[tokio::test]
async fn a_repeated_command_is_recognised_although_its_text_is_sealed() {
    let server = with_user().await;
    let send = async || {
        let ask = server.by("operator", "POST", NAME).header("Idempotency-Key", "name-1");
        ask.json(&named()).send().await
    };
    let (first, again) = (send().await, send().await);
    assert_eq!(first.ok(), again.ok());
    assert_eq!(again.header("idempotency-hit"), "true");
}

#[tokio::test]
async fn who_may_not_see_the_customer_learns_no_name() {
    let server = with_user().await;
    server.post(NAME, &named()).await.ok();
    server.by("admin-other", "GET", NAME).send().await.problem(404, "CUSTOMER_UNKNOWN");
}

#[tokio::test]
async fn an_erased_customers_names_can_never_be_read_again_and_the_history_stays() {
    let server = with_user().await;
    server.post(NAME, &named()).await.ok();
    let erase = "/v1/customers/acme/erase";
    let reason = json!({ "reason": "Contract over" });
    let refused = server.post(erase, &reason).await;
    let problem = refused.problem(422, "SUBSCRIPTIONS_RUNNING");
    assert_eq!(problem["facts"]["subscriptions"], json!(["s1"]));
    assert_eq!(server.get(NAME).await.ok()["name"], "Odile Quatresous", "the key is still there");

    server.post("/v1/customers/acme/subscriptions/s1/cancel", &reason).await.ok();
    let erased = server.post(erase, &reason).await.ok();
    assert_eq!(erased["events"][0]["event"], "CustomerErased");
    assert_eq!(server.post(erase, &reason).await.ok()["unchanged"], true);
    let keys = server.dir.path().join("data/keys/people");
    assert_eq!(fs::read_dir(keys).unwrap().count(), 0);
    let known = server.get(NAME).await.ok();
    assert_eq!(known, json!({ "user": "u-1", "name": null, "email": null }));
    server.post(NAME, &named()).await.problem(422, "CUSTOMER_ERASED");
    let history = server.get("/v1/customers/acme/history").await.ok().to_string();
    assert!(history.contains("UserNamed") && !history.contains("Odile"));
}

#[tokio::test]
async fn only_the_operator_erases_and_bulk_does_neither() {
    let server = Server::with_acme().await;
    let reason = json!({ "reason": "Contract over" });
    server.post("/v1/customers/acme/subscriptions/s1/cancel", &reason).await.ok();
    let partner = server.by("reseller-r", "POST", "/v1/customers/acme/erase");
    partner.json(&reason).send().await.problem(403, "OPERATOR_ONLY");
    let line = json!({ "customer": "acme", "reason": "x", "command": "EraseCustomer" });
    let ask = server.by("operator", "POST", "/v1/bulk");
    let ask = ask.raw("application/x-ndjson", format!("{line}\n"));
    let answer = ask.send().await;
    assert_eq!(answer.lines()[0]["problem"]["code"], "VALUE_INVALID", "{}", answer.text);
}

#[tokio::test]
async fn a_lost_key_is_told_and_not_replaced() {
    let server = with_user().await;
    server.post(NAME, &named()).await.ok();
    let people = server.dir.path().join("data/keys/people");
    let key = fs::read(people.join("acme.key")).unwrap();
    fs::remove_file(people.join("acme.key")).unwrap();
    server.get(NAME).await.problem(500, "PERSONAL_KEY_LOST");
    server.post(NAME, &named()).await.problem(500, "PERSONAL_KEY_LOST");
    assert_eq!(fs::read_dir(&people).unwrap().count(), 0);
    fs::write(people.join("acme.key"), key).unwrap();
    assert_eq!(server.get(NAME).await.ok()["name"], "Odile Quatresous");
}

#[tokio::test]
async fn an_erasure_that_a_crash_interrupted_is_finished_by_the_next_start() {
    let server = with_user().await;
    server.post(NAME, &named()).await.ok();
    let people = server.dir.path().join("data/keys/people");
    let key = fs::read(people.join("acme.key")).unwrap();
    let reason = json!({ "reason": "Contract over" });
    server.post("/v1/customers/acme/subscriptions/s1/cancel", &reason).await.ok();
    server.post("/v1/customers/acme/erase", &reason).await.ok();
    // As if the power had gone after the commit: the key and the note are still there.
    fs::write(people.join("acme.key"), key).unwrap();
    fs::write(people.join("acme.erase"), "").unwrap();
    let server = server.restart().await;
    assert_eq!(fs::read_dir(&people).unwrap().count(), 0);
    assert_eq!(server.get(NAME).await.ok()["name"], serde_json::Value::Null);
}
