//! Commands by URL: what they answer, twice, conditionally, and before they are carried out.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use serde_json::{Value, json};
use support::{Server, seats};

const S1: &str = "/v1/customers/acme/subscriptions/s1";

#[tokio::test]
async fn a_command_answers_with_what_it_did() {
    let server = Server::with_acme().await;
    let answer = server.post(&format!("{S1}/add-seats"), &seats(3)).await;
    let done = answer.ok();
    assert_eq!(answer.header("etag"), "\"3\"");
    assert_eq!(answer.header("idempotency-key").len(), 64, "a random key was made");
    assert_eq!(done["customer"], "acme");
    assert_eq!((&done["version"], &done["position"]), (&json!(3), &json!(4)));
    assert_eq!(done["recorded_at"], "2026-03-01T09:00:00Z");
    assert_eq!(done["events"][0]["id"], "acme/3.1");
    assert_eq!(done["events"][0]["event"], "SeatsAdded");
    assert_eq!(done["events"][0]["quantity"], json!({ "from": 10, "to": 13 }));
    assert_eq!(done["charge_lines"][0]["charge_type"], "addQuantity");
    assert_eq!(done["warnings"][0]["warning"], "window-closes-at");
    assert_eq!(done["unchanged"], false);
}

#[tokio::test]
async fn something_new_is_created_and_the_same_again_changes_nothing() {
    let server = Server::empty().await;
    server.import().await.ok();
    assert_eq!(server.register("acme", "r").await.status, 201);
    let again = server.register("acme", "r").await;
    assert_eq!((again.status.as_u16(), &again.ok()["unchanged"]), (200, &json!(true)));
    assert_eq!(server.log().await.len(), 2);
}

#[tokio::test]
async fn the_same_key_gets_the_first_answer_byte_for_byte() {
    let server = Server::with_acme().await;
    let path = format!("{S1}/add-seats");
    let send = |count| {
        server
            .by("operator", "POST", &path)
            .header("idempotency-key", "k-1")
            .json(&seats(count))
            .send()
    };
    let first = send(3).await;
    assert_eq!(first.header("idempotency-hit"), "");
    server.post(&path, &seats(1)).await.ok();
    let second = send(3).await;
    assert_eq!((first.status, &first.text), (second.status, &second.text));
    assert_eq!(second.header("idempotency-hit"), "true");
    assert_eq!(second.header("idempotency-key"), "k-1");
    let other = send(4).await.problem(409, "COMMAND_ID_REUSED");
    assert_eq!(other["field"], "seats");
    assert_eq!(server.log().await.len(), 5, "nothing happened twice");
}

#[tokio::test]
async fn a_refusal_is_repeated_byte_for_byte_and_after_a_restart() {
    let server = Server::with_acme().await;
    let path = format!("{S1}/remove-seats");
    let ask = |server: &Server| {
        server
            .by("operator", "POST", &path)
            .header("idempotency-key", "k-1")
            .json(&seats(11))
            .send_owned()
    };
    let first = ask(&server).await;
    first.problem(422, "SEATS_NOT_REFUNDABLE");
    let second = ask(&server).await;
    assert_eq!((&first.text, second.header("idempotency-hit")), (&second.text, "true"));
    let server = server.restart().await;
    let third = ask(&server).await;
    assert_eq!((&first.text, third.header("idempotency-hit")), (&third.text, "true"));
}

#[tokio::test]
async fn what_changes_nothing_is_repeated_byte_for_byte() {
    let server = Server::with_acme().await;
    let body = json!({ "reason": "as before", "action": "renew" });
    let path = format!("{S1}/end-of-term");
    let send =
        || server.by("operator", "POST", &path).header("idempotency-key", "k").json(&body).send();
    let first = send().await;
    assert_eq!(first.ok()["unchanged"], true);
    server.post(&format!("{S1}/add-seats"), &seats(1)).await.ok();
    let second = send().await;
    assert_eq!((&first.text, second.header("idempotency-hit")), (&second.text, "true"));
}

#[tokio::test]
async fn a_command_is_carried_out_only_on_the_version_the_caller_has_seen() {
    let server = Server::with_acme().await;
    let path = format!("{S1}/add-seats");
    let shown = server.get("/v1/customers/acme").await;
    let etag = shown.header("etag").to_owned();
    assert_eq!((etag.as_str(), &shown.ok()["version"]), ("\"2\"", &json!(2)));
    let send = |etag: String| {
        server.by("operator", "POST", &path).header("if-match", &etag).json(&seats(1)).send()
    };
    send(etag.clone()).await.ok();
    let differs = send(etag).await.problem(412, "VERSION_DIFFERS");
    assert_eq!(differs["detail"], "The version is 3, not 2: read again, then decide again.");
    for wrong in ["2", "W/\"2\"", "*", "\"\"", "\"x\"", "\"99999999999999999999\""] {
        send(wrong.to_owned()).await.problem(400, "HEADER_INVALID");
    }
}

/// What a preview and a commit must say alike.
fn alike(answer: &Value) -> [&Value; 4] {
    ["events", "charge_lines", "warnings", "unchanged"].map(|field| &answer[field])
}

#[tokio::test]
async fn a_preview_is_the_commit_that_follows() {
    let server = Server::with_acme().await;
    let upgrade = json!({
        "reason": "audit", "quantity": 4, "target_offer": "office-365-e3",
        "into": { "new": { "end_date": "coterminous" } }
    });
    for (path, body) in [
        (format!("{S1}/add-seats"), seats(3)),
        (format!("{S1}/remove-seats"), seats(2)),
        (format!("{S1}/renewal-quantity"), json!({ "reason": "budget", "quantity": 8 })),
        (format!("{S1}/upgrade"), upgrade),
        (format!("{S1}/end-of-term"), json!({ "reason": "moving on", "action": "cancel" })),
        (
            "/v1/customers/acme/licences/office-365-e1/assign".to_owned(),
            json!({ "reason": "arrival", "user": "u1", "usage_location": "FR" }),
        ),
        (format!("{S1}/cancel"), json!({ "reason": "closing down" })),
    ] {
        let commits = server.log().await.len();
        let key = format!("key{}", path.replace('/', "-"));
        let send = |path: String| {
            server
                .by("operator", "POST", &path)
                .header("idempotency-key", &key)
                .json(&body)
                .send_owned()
        };
        let preview = send(format!("{path}?dry_run=true")).await;
        assert_eq!(server.log().await.len(), commits, "{path}: a preview records nothing");
        let (preview_etag, preview) = (preview.header("etag").to_owned(), preview.ok());
        assert_eq!(preview["dry_run"], true);
        let commit = send(path.clone()).await.ok();
        assert_eq!(alike(&preview), alike(&commit), "{path}");
        let shown = server.get("/v1/customers/acme").await.ok();
        assert_eq!(preview["state"], shown["state"], "{path}");
        assert_eq!(preview_etag, format!("\"{}\"", preview["version"]));
        assert_eq!(preview["version"].as_u64().unwrap() + 1, commit["version"].as_u64().unwrap());
    }
}

#[tokio::test]
async fn a_refused_preview_leaves_no_trace() {
    let server = Server::with_acme().await;
    let answer = server.post(&format!("{S1}/remove-seats?dry_run=true"), &seats(11)).await;
    answer.problem(422, "SEATS_NOT_REFUNDABLE");
    let refusals = server.get("/v1/customers/acme/refusals").await.ok();
    assert_eq!(refusals["data"], json!([]));
}

#[tokio::test]
async fn a_purchase_without_an_id_is_named_after_its_key() {
    let server = Server::with_acme().await;
    let body = json!({
        "reason": "order 7", "offer": "office-365-e1", "term": "P1Y", "billing": "annual", "quantity": 1
    });
    let path = "/v1/customers/acme/subscriptions";
    let send = |key: &'static str| {
        server.by("operator", "POST", path).header("idempotency-key", key).json(&body).send()
    };
    let first = send("k-1").await;
    assert_eq!(first.status, 201);
    assert_eq!(send("k-1").await.text, first.text);
    let (first, other) = (first.json(), send("k-2").await.ok());
    assert_ne!(first["events"][0]["subscription"], other["events"][0]["subscription"]);
}

#[tokio::test]
async fn every_command_has_an_address() {
    let server = Server::with_acme().await;
    let c = "/v1/customers/acme";
    let reason = json!({ "reason": "as agreed" });
    let user = json!({ "reason": "arrival", "user": "u1", "usage_location": "FR" });
    let external = json!({ "reason": "framework contract", "offer": "office-365-e3", "seats": 5 });
    for (path, body, event) in [
        ("/delegated-admin/grant", &reason, "DelegatedAdminGranted"),
        ("/delegated-admin/revoke", &reason, "DelegatedAdminRevoked"),
        ("/external-subscriptions", &external, "ExternalSubscriptionDeclared"),
        (
            "/external-subscriptions/office-365-e3/withdraw",
            &reason,
            "ExternalSubscriptionWithdrawn",
        ),
        ("/licences/office-365-e1/assign", &user, "LicenceAssigned"),
        (
            "/licences/office-365-e1/unassign",
            &json!({ "reason": "left", "user": "u1" }),
            "LicenceUnassigned",
        ),
        ("/subscriptions/s1/remove-seats", &seats(1), "SeatsRemoved"),
        ("/subscriptions/s1/cancel", &reason, "SubscriptionCancelled"),
    ] {
        let done = server.post(&format!("{c}{path}"), body).await.ok();
        assert_eq!(done["events"][0]["event"], event);
    }
}

#[tokio::test]
async fn the_refusal_tells_rule_source_and_facts_and_support_can_read_it() {
    let server = Server::with_acme().await;
    let answer = server.post(&format!("{S1}/remove-seats"), &seats(11)).await;
    let problem = answer.problem(422, "SEATS_NOT_REFUNDABLE");
    assert_eq!(problem["facts"]["refundable"], 10);
    assert_eq!(problem["source"], "SEED-2, II.2; domain, section 1.7 (800090)");
    assert_eq!(problem["succeeds_at"], Value::Null, "there will never be eleven seats to remove");
    let kept = server.by("support", "GET", "/v1/customers/acme/refusals").send().await.ok();
    assert_eq!(kept["data"][0]["problem"], problem);
    assert_eq!(kept["data"][0]["command"]["seats"], 11);
    assert_eq!(kept["data"][0]["reason"], "three arrivals in Lyon");
}

#[tokio::test]
async fn a_key_is_not_used_again_for_another_reason() {
    let server = Server::with_acme().await;
    let path = "/v1/customers/acme/subscriptions/s1/add-seats";
    let send = |reason: &str| {
        let ask = server.by("operator", "POST", path).header("idempotency-key", "ticket-1");
        ask.json(&json!({ "reason": reason, "seats": 1 })).send_owned()
    };
    send("arrivals").await.ok();
    assert_eq!(send("arrivals").await.header("idempotency-hit"), "true");
    let reused = send("a typing error").await.problem(409, "COMMAND_ID_REUSED");
    assert_eq!(reused["field"], "reason");
}
