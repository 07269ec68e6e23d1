//! The dashboard as a browser gets it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use serde_json::json;
use support::{Answer, Server, token};

async fn sign_in(server: &Server, who: &str) -> String {
    let body = format!("token={}", token(who));
    let ask = server.ask("POST", "/sign-in").raw("application/x-www-form-urlencoded", body);
    let answer = ask.send().await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/"));
    let cookie = answer.header("set-cookie");
    assert!(cookie.contains("; HttpOnly; SameSite=Strict; Path=/"), "{cookie}");
    assert!(!cookie.contains(&token(who)), "the cookie is not the token");
    cookie.split(';').next().unwrap().to_owned()
}

async fn open(server: &Server, cookie: &str, path: &str) -> Answer {
    server.ask("GET", path).header("cookie", cookie).send().await
}

#[tokio::test]
async fn there_is_no_page_without_signing_in() {
    let server = Server::with_acme().await;
    for path in ["/", "/customers/acme", "/customers/a%2Fb"] {
        for cookie in ["", "ledger_session=", "ledger_session=guess", "other=1"] {
            let answer = open(&server, cookie, path).await;
            assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/sign-in"));
            assert_eq!(answer.text, "");
        }
    }
    let form = open(&server, "", "/sign-in").await;
    assert!(form.text.contains("<form method=\"post\" action=\"/sign-in\">"));
    for body in ["token=wrong", "token=", "other=1", "\u{0}"] {
        let ask = server.ask("POST", "/sign-in").raw("application/x-www-form-urlencoded", body);
        let answer = ask.send().await;
        assert!(answer.status.is_client_error() && answer.header("set-cookie").is_empty());
    }
}

#[tokio::test]
async fn a_page_runs_nothing_and_escapes_everything() {
    let server = Server::with_acme().await;
    let body = json!({ "reason": "<script>alert(1)</script> & \"quotes\"", "seats": 2 });
    server.post("/v1/customers/acme/subscriptions/s1/add-seats", &body).await.ok();
    let cookie = sign_in(&server, "operator").await;
    for path in ["/", "/customers/acme"] {
        let answer = open(&server, &cookie, path).await;
        assert_eq!(answer.status, 200);
        assert!(!answer.text.contains("<script") && !answer.text.contains("Sons <b>"));
        assert!(answer.text.contains("Acme &#38; Sons &#60;b&#62;"), "{}", answer.text);
        assert!(answer.text.contains("&#60;script&#62;alert(1)"));
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"));
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
}

#[tokio::test]
async fn a_customer_s_page_tells_seats_deadlines_and_plans() {
    let server = Server::with_acme().await;
    let s1 = "/v1/customers/acme/subscriptions/s1";
    server.post("/v1/clock", &json!({ "advance": "P1D" })).await.ok();
    server
        .post(&format!("{s1}/renewal-quantity"), &json!({ "reason": "budget", "quantity": 8 }))
        .await
        .ok();
    let user = json!({ "reason": "arrival", "user": "u1", "usage_location": "FR" });
    server.post("/v1/customers/acme/licences/office-365-e1/assign", &user).await.ok();
    let cookie = sign_in(&server, "viewer-acme").await;
    let page = open(&server, &cookie, "/customers/acme").await.text;
    for expected in [
        "Office 365 Enterprise E1",
        "80.40 EUR per seat and year",
        "1 Mar 2026 to 28 Feb 2027",
        "4 Mar 2026, 09:00",
        "in 2 days",
        "<dd>8 seats</dd>",
        "renews",
        "1 of 10 in use",
        "Schedule renewal quantity",
        "“budget”",
    ] {
        assert!(page.contains(expected), "{expected} is missing in {page}");
    }
    server
        .post(&format!("{s1}/end-of-term"), &json!({ "reason": "leaving", "action": "cancel" }))
        .await
        .ok();
    let page = open(&server, &cookie, "/customers/acme").await.text;
    assert!(page.contains("<span class=\"badge bad\">ends</span>"));
}

#[tokio::test]
async fn a_page_shows_what_a_subscription_is_in_and_who_waits_for_an_answer() {
    let server = Server::with_acme().await;
    let acme = "/v1/customers/acme";
    let with = |more: serde_json::Value| {
        let mut body = json!({ "reason": "as agreed" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (path, more) in [
        ("/trials", json!({ "subscription": "t1", "offer": "office-365-e3" })),
        ("/subscriptions/s1/rename", json!({ "name": "Head office" })),
        ("/subscriptions/s1/suspend", json!({ "vendor_reasons": ["non-payment"] })),
        ("/requests", json!({ "request": "q1", "offer": "office-365-e1", "seats": -3 })),
        ("/delegated-admin/grant", json!({ "days": 30 })),
    ] {
        server.post(&format!("{acme}{path}"), &with(more)).await.ok();
    }
    let cookie = sign_in(&server, "reseller-r").await;
    let page = open(&server, &cookie, "/customers/acme").await.text;
    for expected in [
        "<h3>Head office</h3><span class=\"badge bad\">suspended</span>",
        "Suspended by the vendor: non-payment.",
        "<span class=\"badge near\">trial</span>",
        "becomes paid",
        "<h2>Requests waiting</h2>",
        "3 fewer",
        "+ 10 suspended",
        "administration ends",
        "trial ends",
    ] {
        assert!(page.contains(expected), "{expected} is missing in {page}");
    }
    let home = open(&server, &cookie, "/").await.text;
    assert!(home.contains("<dt>Requests waiting</dt><dd>1</dd>"), "{home}");
    assert!(home.contains("+ 1 suspended") && home.contains("3 fewer"));
    let other = open(&server, &sign_in(&server, "reseller-q").await, "/").await.text;
    assert!(!other.contains("3 fewer"), "requests of others are not shown");
}

#[tokio::test]
async fn one_sees_one_s_own_customers_only() {
    let server = Server::with_acme().await;
    server.register("other", "q").await.ok();
    for (who, own, foreign) in [
        ("reseller-q", "other", "acme"),
        ("viewer-acme", "acme", "other"),
        ("reseller-r", "acme", "other"),
    ] {
        let cookie = sign_in(&server, who).await;
        let home = open(&server, &cookie, "/").await.text;
        assert!(home.contains(&format!("/customers/{own}\"")), "{who}");
        assert!(!home.contains(&format!("/customers/{foreign}")), "{who}");
        assert_eq!(open(&server, &cookie, &format!("/customers/{own}")).await.status, 200);
        let answer = open(&server, &cookie, &format!("/customers/{foreign}")).await;
        let nobody = open(&server, &cookie, "/customers/nobody").await;
        assert_eq!((answer.status.as_u16(), nobody.status.as_u16()), (404, 404));
        assert_eq!(answer.text.replace(foreign, "nobody"), nobody.text);
    }
}

#[tokio::test]
async fn signing_out_ends_the_session_and_a_session_opens_pages_only() {
    let server = Server::with_acme().await;
    let cookie = sign_in(&server, "operator").await;
    let api = server.ask("GET", "/v1/customers").header("cookie", &cookie).send().await;
    api.problem(401, "TOKEN_MISSING");
    let out = server.ask("POST", "/sign-out").header("cookie", &cookie).send().await;
    assert_eq!((out.status.as_u16(), out.header("location")), (303, "/sign-in"));
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(open(&server, &cookie, "/").await.status, 303);
}

#[tokio::test]
async fn a_page_that_is_not_there_is_a_page() {
    let server = Server::with_acme().await;
    let cookie = sign_in(&server, "operator").await;
    let answer = open(&server, &cookie, "/customers/a.b").await;
    assert_eq!(answer.status, 400);
    assert!(answer.header("content-type").starts_with("text/html"));
}

#[tokio::test]
async fn a_change_tells_its_quantities_and_a_simulated_clock_is_named() {
    let server = Server::with_acme().await;
    let add = json!({ "reason": "arrivals", "seats": 2 });
    server.post("/v1/customers/acme/subscriptions/s1/add-seats", &add).await.ok();
    let cookie = sign_in(&server, "operator").await;
    for path in ["/", "/customers/acme"] {
        let page = open(&server, &cookie, path).await.text;
        assert!(page.contains("s1 10 → 12"), "{page}");
        assert!(page.contains("simulated clock"), "{page}");
    }
    assert!(!open(&server, "", "/sign-in").await.text.contains("simulated clock"));
    let nobody = open(&server, &cookie, "/customers/nobody").await;
    assert!(nobody.text.contains("<h1>There is no such customer</h1>"), "{}", nobody.text);
}
