//! Who may do what, and that nobody learns of what is not theirs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use serde_json::json;
use support::{Server, registration, seats, token};

const ADD: &str = "/v1/customers/acme/subscriptions/s1/add-seats";

async fn server() -> Server {
    let server = Server::with_acme().await;
    server.register("other", "q").await.ok();
    server.purchase("other", "s1").await.ok();
    server
}

#[tokio::test]
async fn nothing_but_health_is_reached_without_a_token() {
    let server = server().await;
    for path in ["/v1/customers", "/v1/customers/acme", "/v1/log", "/v1/clock", "/v1/openapi.json"]
    {
        let answer = server.ask("GET", path).send().await;
        answer.problem(401, "TOKEN_MISSING");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    server.ask("POST", ADD).json(&seats(1)).send().await.problem(401, "TOKEN_MISSING");
    let basic = format!("Basic {}", token("operator"));
    for wrong in ["Bearer nonsense", "Bearer", "Bearer ", "", basic.as_str(), "bearer\u{e9}"] {
        let ask = server.ask("GET", "/v1/customers").header("authorization", wrong);
        ask.send().await.problem(401, "TOKEN_UNKNOWN");
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(server.ask("GET", path).send().await.status, 200);
    }
}

#[tokio::test]
async fn every_role_may_do_what_is_its_own_and_no_more() {
    let server = server().await;
    let roles =
        ["operator", "billing", "support", "reseller-r", "reseller-q", "admin-acme", "viewer-acme"];
    let clock = json!({ "advance": "PT0S" });
    for (method, path, body, statuses) in [
        ("GET", "/v1/customers/acme", None, [200, 200, 200, 200, 404, 200, 200]),
        ("GET", "/v1/customers/acme/history", None, [200, 200, 200, 200, 404, 200, 200]),
        ("GET", "/v1/customers/other", None, [200, 200, 200, 404, 200, 404, 404]),
        ("GET", "/v1/customers/other/refusals", None, [200, 200, 200, 404, 200, 404, 404]),
        ("GET", "/v1/log", None, [200, 200, 200, 403, 403, 403, 403]),
        ("GET", "/v1/journal", None, [200, 200, 200, 403, 403, 403, 403]),
        ("POST", "/v1/checkpoints", None, [200, 403, 403, 403, 403, 403, 403]),
        ("GET", "/v1/checkpoints", None, [200, 200, 200, 403, 403, 403, 403]),
        ("GET", "/v1/checkpoints/latest", None, [200, 200, 200, 403, 403, 403, 403]),
        ("GET", "/v1/log/1/proof", None, [200, 200, 200, 404, 404, 404, 404]),
        ("GET", "/v1/log/2/proof", None, [200, 200, 200, 200, 404, 200, 200]),
        ("GET", "/v1/log/4/proof", None, [200, 200, 200, 404, 200, 404, 404]),
        ("GET", "/v1/clock", None, [200; 7]),
        ("GET", "/v1/catalogue", None, [200; 7]),
        ("POST", ADD, Some(seats(1)), [200, 403, 403, 200, 404, 200, 403]),
        ("POST", "/v1/clock", Some(clock), [200, 403, 403, 403, 403, 403, 403]),
        ("POST", "/v1/catalogue", Some(json!({})), [400, 403, 403, 403, 403, 403, 403]),
    ] {
        for (role, status) in roles.into_iter().zip(statuses) {
            let ask = server.by(role, method, path);
            let ask = match &body {
                Some(body) => ask.json(body),
                None => ask,
            };
            let answer = ask.send().await;
            assert_eq!(answer.status.as_u16(), status, "{role} {method} {path}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn a_customer_of_others_looks_like_none_at_all() {
    let server = server().await;
    for who in ["reseller-r", "admin-acme"] {
        for path in ["", "/subscriptions", "/subscriptions/s1", "/state", "/charges", "/refusals"] {
            let ask =
                |id: &str| server.by(who, "GET", &format!("/v1/customers/{id}{path}")).send_owned();
            let (theirs, nobodys) = (ask("other").await, ask("nobody").await);
            theirs.problem(404, "CUSTOMER_UNKNOWN");
            assert_eq!(theirs.text.replace("other", "nobody"), nobodys.text, "{who} {path}");
        }
        let path = |id: &str| format!("/v1/customers/{id}/subscriptions/s1/add-seats");
        let ask = |id: &str| {
            let ask = server.by(who, "POST", &path(id)).header("idempotency-key", "k");
            ask.json(&seats(1)).send_owned()
        };
        let (theirs, nobodys) = (ask("other").await, ask("nobody").await);
        theirs.problem(404, "CUSTOMER_UNKNOWN");
        assert_eq!(theirs.text.replace("other", "nobody"), nobodys.text);
    }
    let kept = server.get("/v1/customers/other/refusals").await.ok();
    assert_eq!(kept["data"], json!([]), "an intruder leaves nothing in the customer's journal");
}

#[tokio::test]
async fn lists_hold_only_what_one_may_see() {
    let server = server().await;
    server.settle().await;
    for (who, expected) in [
        ("operator", vec!["acme", "other"]),
        ("reseller-r", vec!["acme"]),
        ("reseller-q", vec!["other"]),
        ("viewer-acme", vec!["acme"]),
    ] {
        for path in ["/v1/customers", "/v1/due"] {
            let list = server.by(who, "GET", path).send().await.ok();
            let data = list["data"].as_array().unwrap();
            let seen: Vec<_> = data.iter().map(|item| item["customer"].as_str().unwrap()).collect();
            assert_eq!(seen, expected, "{who} {path}");
        }
    }
}

#[tokio::test]
async fn a_reseller_registers_under_its_own_name_only() {
    let server = server().await;
    let send = |who: &str, customer: &str, reseller: &str| {
        server.by(who, "POST", "/v1/customers").json(&registration(customer, reseller)).send_owned()
    };
    assert_eq!(send("reseller-r", "new", "r").await.status, 201);
    send("reseller-r", "new2", "q").await.problem(403, "ROLE_NOT_ALLOWED");
    send("reseller-r", "other", "r").await.problem(409, "CUSTOMER_EXISTS");
    send("admin-acme", "new3", "r").await.problem(403, "ROLE_NOT_ALLOWED");
    let kept = server.get("/v1/customers/other/refusals").await.ok();
    assert_eq!(kept["data"], json!([]), "others do not learn who asked");
}

#[tokio::test]
async fn only_the_scheduler_renews() {
    let server = server().await;
    let line = json!({
        "customer": "acme", "reason": "now", "command": "Renew", "subscription": "s1",
        "term_end": "2027-02-28"
    });
    let ask = server.by("operator", "POST", "/v1/bulk");
    let answer = ask.raw("application/x-ndjson", line.to_string()).send().await;
    assert_eq!(answer.lines()[0]["problem"]["code"], "SCHEDULER_ONLY");
    assert_eq!(answer.lines()[0]["status"], 403);
}
