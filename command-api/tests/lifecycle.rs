//! The life of subscriptions by URL: every command has its address, and reads tell what it did.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use serde_json::{Value, json};
use support::Server;

const ACME: &str = "/v1/customers/acme";
const S1: &str = "/v1/customers/acme/subscriptions/s1";

fn because(more: Value) -> Value {
    let mut body = json!({ "reason": "as agreed" });
    let Value::Object(more) = more else { panic!("fields") };
    body.as_object_mut().unwrap().extend(more);
    body
}

async fn done(server: &Server, path: &str, more: Value) -> Value {
    let answer = server.post(path, &because(more)).await.ok();
    server.settle().await;
    answer
}

async fn subscription(server: &Server, path: &str) -> Value {
    server.get(path).await.ok()
}

async fn names(server: &Server, path: &str, more: Value) -> Vec<String> {
    let events = done(server, path, more).await["events"].clone();
    let events = events.as_array().unwrap().iter();
    events.map(|event| event["event"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_suspension_is_seen_everywhere_and_ends() {
    let server = Server::with_acme().await;
    let suspended = names(&server, &format!("{S1}/suspend"), json!({})).await;
    assert!(suspended.contains(&"SubscriptionSuspended".to_owned()), "{suspended:?}");
    let s1 = subscription(&server, S1).await;
    assert_eq!((&s1["status"], &s1["in_service"]), (&json!("suspended"), &json!(false)));
    assert_eq!(s1["end_of_term"], "lapse");
    let licences = server.get(&format!("{ACME}/licences")).await.ok();
    let licences = &licences["data"][0];
    assert_eq!((&licences["valid"], &licences["suspended"]), (&json!(0), &json!(10)));
    let customers = server.get("/v1/customers").await.ok();
    let acme = &customers["data"][0];
    assert_eq!(
        (&acme["active_subscriptions"], &acme["suspended_subscriptions"]),
        (&json!(0), &json!(1))
    );
    server
        .post(&format!("{S1}/add-seats"), &because(json!({ "seats": 1 })))
        .await
        .problem(422, "SUBSCRIPTION_SUSPENDED");
    done(&server, &format!("{S1}/resume"), json!({})).await;
    let s1 = subscription(&server, S1).await;
    assert_eq!((&s1["status"], &s1["in_service"]), (&json!("active"), &json!(true)));
}

#[tokio::test]
async fn a_name_and_a_plan_are_in_the_subscription_s_document() {
    let server = Server::with_acme().await;
    done(&server, &format!("{S1}/rename"), json!({ "name": "Head office" })).await;
    let plan = json!({ "quantity": 12, "term": "P3Y", "billing": "annual" });
    done(&server, &format!("{S1}/renewal-settings"), plan).await;
    let s1 = subscription(&server, S1).await;
    assert_eq!(s1["name"], "Head office");
    let scheduled = json!({
        "quantity": 12, "offer": null, "term": "P3Y", "billing": "annual", "end_date": null,
        "promotion": null
    });
    assert_eq!(s1["scheduled"], scheduled);
    done(&server, &format!("{S1}/withdraw-scheduled-change"), json!({})).await;
    done(&server, &format!("{S1}/rename"), json!({})).await;
    let s1 = subscription(&server, S1).await;
    assert_eq!((&s1["name"], &s1["scheduled"]), (&Value::Null, &Value::Null));
    done(&server, &format!("{S1}/schedule-upgrade"), json!({ "target_offer": "office-365-e3" }))
        .await;
    assert_eq!(subscription(&server, S1).await["scheduled"]["offer"], "office-365-e3");
    done(&server, &format!("{S1}/withdraw-scheduled-change"), json!({})).await;
    done(&server, &format!("{S1}/align-end-date"), json!({ "end_date": "2027-12-31" })).await;
    assert_eq!(subscription(&server, S1).await["scheduled"]["end_date"], "2027-12-31");
}

#[tokio::test]
async fn a_longer_term_begins_at_once_and_its_rhythm_changes_with_the_next_cycle() {
    let server = Server::with_acme().await;
    let mut catalogue: Value = toml::from_str(ledger_core::catalogue::SEEDS_TOML).unwrap();
    catalogue["version"] = json!("with-three-years-by-the-month");
    let plan = json!({ "term": "P3Y", "billing": "monthly", "prices": { "EUR": "7.00" } });
    catalogue["offers"]["office-365-e1"]["plans"].as_array_mut().unwrap().push(plan);
    done(&server, "/v1/catalogue", json!({ "catalogue": catalogue })).await;
    done(&server, &format!("{S1}/change-term"), json!({ "term": "P3Y", "billing": "annual" }))
        .await;
    let s1 = subscription(&server, S1).await;
    assert_eq!((&s1["term"], &s1["term_end"]), (&json!("P3Y"), &json!("2029-02-28")));
    done(&server, &format!("{S1}/billing-frequency"), json!({ "billing": "monthly" })).await;
    let s1 = subscription(&server, S1).await;
    assert_eq!(s1["next_billing"], json!({ "billing": "monthly", "from": "2027-03-01" }));
    let due = server.get("/v1/due").await.ok();
    assert_eq!(due["data"][0]["action"], "bill");
    let moved = server.post("/v1/clock", &json!({ "advance": "P1Y" })).await.ok();
    assert_eq!(moved["commands"][0]["command"], "ApplyBillingFrequency");
    server.settle().await;
    let s1 = subscription(&server, S1).await;
    assert_eq!((&s1["billing"], &s1["next_billing"]), (&json!("monthly"), &Value::Null));
}

#[tokio::test]
async fn a_trial_gets_an_id_of_its_key_and_becomes_paid() {
    let server = Server::with_acme().await;
    let body = because(json!({ "offer": "office-365-e3" }));
    let ask = server.by("operator", "POST", &format!("{ACME}/trials"));
    let answer = ask.header("idempotency-key", "trial-1").json(&body).send().await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    server.settle().await;
    let id = answer.json()["events"][0]["subscription"].as_str().unwrap().to_owned();
    assert!(id.starts_with("sub-") && id.len() == 20, "{id}");
    let path = format!("{ACME}/subscriptions/{id}");
    let trial = subscription(&server, &path).await;
    assert_eq!((&trial["kind"], &trial["trial_converts"]), (&json!("trial"), &json!(true)));
    let customers = server.get("/v1/customers").await.ok();
    assert_eq!(customers["data"][0]["trials"], 1);
    let due = server.get("/v1/due").await.ok();
    assert_eq!(due["data"][0]["action"], "end-trial");
    done(&server, &format!("{path}/convert-trial"), json!({ "quantity": 30 })).await;
    let paid = subscription(&server, &path).await;
    assert_eq!((&paid["kind"], &paid["quantity"]), (&json!("paid"), &json!(30)));
    assert_eq!(paid["trial_converts"], Value::Null);
}

#[tokio::test]
async fn a_purchase_can_end_on_a_day_that_was_offered() {
    let server = Server::with_acme().await;
    let path = format!("{ACME}/end-dates?term=P1Y&start=2026-03-15");
    let choices = server.get(&path).await.ok();
    let choices = choices["data"].as_array().unwrap();
    let days: Vec<_> =
        choices.iter().map(|c| (c["end_date"].as_str().unwrap(), &c["kind"])).collect();
    let expected =
        [("2027-02-28", &json!("calendar-month")), ("2027-02-28", &json!("subscription"))];
    assert_eq!(days, expected);
    server.get(&format!("{ACME}/end-dates")).await.problem(400, "QUERY_INVALID");
    server.get(&format!("{ACME}/end-dates?term=P2Y")).await.problem(400, "QUERY_INVALID");
    server.post("/v1/clock", &json!({ "to": "2026-03-15T10:00:00Z" })).await.ok();
    let purchase = json!({
        "subscription": "s2", "offer": "exchange-online-plan-1", "term": "P1Y",
        "billing": "monthly", "quantity": 3, "end_date": "2027-02-28"
    });
    done(&server, &format!("{ACME}/subscriptions"), purchase).await;
    let s2 = subscription(&server, &format!("{ACME}/subscriptions/s2")).await;
    assert_eq!(s2["term_end"], "2027-02-28");
}

#[tokio::test]
async fn what_a_subscription_could_become_is_listed_with_what_stands_against_it() {
    let server = Server::with_acme().await;
    let choices = server.get(&format!("{S1}/upgrade-choices")).await.ok();
    let choices = choices["data"].as_array().unwrap();
    assert!(choices.iter().any(|choice| choice["target_offer"] == "office-365-e3"), "{choices:?}");
    assert!(choices.iter().all(|choice| choice["into_new"].is_array()));
    let unknown = server.get(&format!("{ACME}/subscriptions/s9/upgrade-choices")).await;
    unknown.problem(404, "SUBSCRIPTION_UNKNOWN");
    let other = server.by("admin-other", "GET", &format!("{S1}/upgrade-choices")).send().await;
    other.problem(404, "CUSTOMER_UNKNOWN");
}

#[tokio::test]
async fn a_request_waits_until_the_reseller_answers_it() {
    let server = Server::with_acme().await;
    let path = format!("{ACME}/requests");
    let body = because(json!({ "request": "q1", "offer": "office-365-e1", "seats": 5 }));
    let asked = server.by("admin-acme", "POST", &path).json(&body).send().await;
    assert_eq!(asked.status, 201, "{}", asked.text);
    server.settle().await;
    for list in [path.clone(), "/v1/requests".to_owned()] {
        for (who, count) in [("reseller-r", 1), ("admin-acme", 1), ("operator", 1)] {
            let waiting = server.by(who, "GET", &list).send().await.ok();
            assert_eq!(waiting["data"].as_array().unwrap().len(), count, "{who} {list}");
            assert_eq!(waiting["data"][0]["seats"], 5);
            assert_eq!(waiting["data"][0]["actor"], "admin-acme");
        }
    }
    let others = server.by("reseller-q", "GET", "/v1/requests").send().await.ok();
    assert_eq!(others["data"], json!([]));
    let fulfil = because(json!({ "subscription": "s1" }));
    let answer = format!("{path}/q1/fulfil");
    let own = server.by("admin-acme", "POST", &answer).json(&fulfil).send().await;
    own.problem(403, "RESELLER_ONLY");
    server.by("reseller-r", "POST", &answer).json(&fulfil).send().await.ok();
    server.settle().await;
    assert_eq!(server.get("/v1/requests").await.ok()["data"], json!([]));
    assert_eq!(subscription(&server, S1).await["quantity"], 15);
    let unknown = server.post(&format!("{path}/q9/decline"), &because(json!({}))).await;
    unknown.problem(404, "REQUEST_UNKNOWN");
}

#[tokio::test]
async fn users_groups_and_portal_access_are_listed_as_they_are() {
    let server = Server::with_acme().await;
    let e1 = json!({ "offer": "office-365-e1" });
    done(&server, &format!("{ACME}/users"), json!({ "user": "u1", "usage_location": "FR" })).await;
    done(&server, &format!("{ACME}/users"), json!({ "user": "u2", "usage_location": "FR" })).await;
    done(&server, &format!("{ACME}/licences/office-365-e1/assign"), json!({ "user": "u1" })).await;
    done(&server, &format!("{ACME}/groups/g1/add-member"), json!({ "user": "u2" })).await;
    done(&server, &format!("{ACME}/groups/g1/assign"), e1.clone()).await;
    done(&server, &format!("{ACME}/portal-access"), json!({ "user": "u1", "access": "manage" }))
        .await;
    let users = server.get(&format!("{ACME}/users")).await.ok();
    assert_eq!(
        users["data"],
        json!([
            {
                "user": "u1", "usage_location": "FR", "groups": [], "portal_access": "manage",
                "licences": [{
                    "offer": "office-365-e1", "usage_location": "FR", "direct": true, "groups": []
                }]
            },
            {
                "user": "u2", "usage_location": "FR", "groups": ["g1"], "portal_access": null,
                "licences": [{
                    "offer": "office-365-e1", "usage_location": "FR", "direct": false,
                    "groups": ["g1"]
                }]
            }
        ])
    );
    let groups = server.get(&format!("{ACME}/groups")).await.ok();
    let g1 = json!({ "group": "g1", "members": ["u2"], "offers": ["office-365-e1"], "failed": [] });
    assert_eq!(groups["data"], json!([g1]));
    let portal = server.get(&format!("{ACME}/portal-access")).await.ok();
    assert_eq!(portal["data"], json!([{ "user": "u1", "access": "manage" }]));
    done(&server, &format!("{ACME}/groups/g1/unassign"), e1).await;
    done(&server, &format!("{ACME}/groups/g1/remove-member"), json!({ "user": "u2" })).await;
    done(&server, &format!("{ACME}/portal-access/u1/revoke"), json!({})).await;
    done(&server, &format!("{ACME}/users/u1/remove"), json!({})).await;
    let users = server.get(&format!("{ACME}/users")).await.ok();
    assert_eq!(users["data"].as_array().unwrap().len(), 1);
    assert_eq!(server.get(&format!("{ACME}/groups")).await.ok()["data"], json!([]));
}

#[tokio::test]
async fn a_customer_that_moves_is_seen_by_its_new_reseller_only() {
    let server = Server::with_acme().await;
    let request = json!({ "request": "q1", "offer": "office-365-e1", "seats": 5 });
    done(&server, &format!("{ACME}/requests"), request).await;
    let moved = because(json!({ "reseller": "q" }));
    for (who, code) in [("reseller-r", "OPERATOR_ONLY"), ("admin-acme", "OPERATOR_ONLY")] {
        let ask = server.by(who, "POST", &format!("{ACME}/particulars")).json(&moved);
        ask.send().await.problem(403, code);
    }
    done(&server, &format!("{ACME}/particulars"), json!({ "reseller": "q" })).await;
    for (who, count) in [("reseller-r", 0), ("reseller-q", 1)] {
        for list in ["/v1/customers", "/v1/due", "/v1/requests"] {
            let seen = server.by(who, "GET", list).send().await.ok();
            assert_eq!(seen["data"].as_array().unwrap().len(), count, "{who} {list}");
        }
    }
    assert_eq!(subscription(&server, S1).await["reseller"], "q");
}

#[tokio::test]
async fn particulars_agreement_and_administration_for_a_time_are_in_the_customer_s_document() {
    let server = Server::with_acme().await;
    done(
        &server,
        &format!("{ACME}/particulars"),
        json!({ "name": "Acme", "segment": "education" }),
    )
    .await;
    done(&server, &format!("{ACME}/agreement"), json!({ "agreement": "MCA 2026-01" })).await;
    let grant = json!({ "days": 30 });
    done(&server, &format!("{ACME}/delegated-admin/grant"), grant).await;
    let customers = server.get("/v1/customers").await.ok();
    let acme = &customers["data"][0];
    assert_eq!((&acme["name"], &acme["segment"]), (&json!("Acme"), &json!("education")));
    assert_eq!(acme["agreement"], "MCA 2026-01");
    assert_eq!(acme["delegated_admin_until"], "2026-03-31T09:00:00Z");
    let moved = server.post("/v1/clock", &json!({ "advance": "P31D" })).await.ok();
    assert_eq!(moved["commands"][0]["command"], "EndDelegatedAdmin");
    assert_eq!(moved["commands"][0]["subscription"], Value::Null);
    server.settle().await;
    let customers = server.get("/v1/customers").await.ok();
    assert_eq!(customers["data"][0]["delegated_admin"], false);
}

#[tokio::test]
async fn a_term_that_lapses_has_its_time_of_grace_and_the_data_goes_last() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir, &["--clock-start", "2024-03-01T09:00:00Z"]).await;
    server.import().await.ok();
    server.register("acme", "r").await.ok();
    server.purchase("acme", "s1").await.ok();
    done(&server, &format!("{S1}/end-of-term"), json!({ "action": "lapse" })).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let due = server.get("/v1/due").await.ok()["data"][0].clone();
        let at = due["due_at"].clone();
        server.post("/v1/clock", &json!({ "to": at })).await.ok();
        server.settle().await;
        let s1 = subscription(&server, S1).await;
        let licences = server.get(&format!("{ACME}/licences")).await.ok();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        seen.push((
            format!("{} at {}", text(&due["action"]), text(&at)),
            format!("{}, in service: {}", text(&s1["status"]), s1["in_service"]),
            licences["data"][0]["in_grace"].clone(),
        ));
    }
    let step = |due: &str, status: &str, grace| (due.to_owned(), status.to_owned(), grace);
    assert_eq!(
        seen,
        [
            step("expire at 2025-03-01T00:00:00Z", "expired, in service: true", json!(10)),
            step("disable at 2025-03-31T00:00:00Z", "disabled, in service: false", Value::Null),
            step("delete at 2025-06-29T00:00:00Z", "deleted, in service: false", Value::Null),
        ]
    );
    assert_eq!(server.get("/v1/due").await.ok()["data"], json!([]));
}

#[tokio::test]
async fn what_only_the_scheduler_issues_is_refused_from_everyone_else() {
    let server = Server::with_acme().await;
    let (s1, day, at) = ("s1", "2027-02-28", "2027-03-01T00:00:00Z");
    let lines = [
        json!({ "command": "Renew", "subscription": s1, "term_end": day }),
        json!({ "command": "Expire", "subscription": s1, "term_end": day }),
        json!({ "command": "EndTrial", "subscription": s1, "term_end": day }),
        json!({ "command": "ApplyBillingFrequency", "subscription": s1, "from": day }),
        json!({ "command": "Disable", "subscription": s1, "due_at": at }),
        json!({ "command": "Delete", "subscription": s1, "due_at": at }),
        json!({ "command": "EndDelegatedAdmin", "due_at": at }),
    ];
    assert_eq!(lines.len(), ledger_core::customer::SCHEDULED.len());
    for who in ["operator", "reseller-r", "admin-acme"] {
        let body: String = lines
            .iter()
            .map(|line| {
                let mut line = because(line.clone());
                line["customer"] = json!("acme");
                line.to_string() + "\n"
            })
            .collect();
        let ask = server.by(who, "POST", "/v1/bulk").raw("application/x-ndjson", body);
        for line in ask.send().await.lines() {
            assert_eq!(line["problem"]["code"], "SCHEDULER_ONLY", "{who}: {line}");
            assert_eq!(line["status"], 403);
        }
    }
}

#[tokio::test]
async fn what_the_vendor_does_and_what_was_wrong_is_told_by_those_who_may() {
    let server = Server::with_acme().await;
    let vendor = because(json!({ "vendor_reasons": ["non-payment"] }));
    let correction = because(json!({ "quantity": 9, "effective_at": "2026-03-01T09:00:00Z" }));
    for (path, body) in [("suspend", &vendor), ("corrections", &correction)] {
        for who in ["reseller-r", "admin-acme"] {
            let ask = server.by(who, "POST", &format!("{S1}/{path}")).json(body);
            ask.send().await.problem(403, "OPERATOR_ONLY");
        }
        server.post(&format!("{S1}/{path}"), body).await.ok();
    }
    server.settle().await;
    let s1 = subscription(&server, S1).await;
    assert_eq!(s1["vendor_reasons"], json!(["non-payment"]));
    assert_eq!(s1["quantity"], 9);
}
