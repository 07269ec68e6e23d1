//! Price lists, offer matrices and policies over HTTP: whole or not at all, and small answers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fmt::Write;

use ledger_core::catalogue::SEEDS_TOML;
use serde_json::{Value, json};
use support::{Answer, Server};

const HEADER: &str = "ProductTitle,ProductId,SkuId,TermDuration,BillingPlan,Market,Currency,UnitPrice,\
    EffectiveStartDate,EffectiveEndDate,Segment\n";

const E3: &str = "Microsoft 365 E3,CFQ7TTC0LFLX,0001,P1Y,Annual,FR,EUR,240.00,\
    2026-03-01T00:00:00Z,9999-12-31T00:00:00Z,Commercial\n";

async fn send(server: &Server, who: &str, path: &str, body: String) -> Answer {
    server.by(who, "POST", path).raw("text/csv; charset=utf-8", body).send().await
}

async fn import(server: &Server, query: &str, rows: &str) -> Answer {
    let path = format!("/v1/price-lists?name=march&reason=March{query}");
    send(server, "operator", &path, format!("{HEADER}{rows}")).await
}

#[tokio::test]
async fn an_imported_price_is_charged_and_the_same_file_again_changes_nothing() {
    let server = Server::with_acme().await;
    let commits = server.log().await.len();
    let would = import(&server, "&dry_run=true", E3).await.ok();
    assert_eq!((&would["dry_run"], &would["unchanged"]), (&json!(true), &json!(false)));
    assert_eq!(server.log().await.len(), commits, "nothing is recorded");

    let done = import(&server, "", E3).await;
    assert_eq!(done.header("etag"), "\"2\"");
    let done = done.ok();
    assert_eq!(
        (&done["prices"], &done["offers"], &done["version"]),
        (&json!(1), &json!(1), &json!(2))
    );
    assert_eq!(done["report"]["understood"], 1);
    assert!(done.get("events").is_none(), "the list itself is not sent back");
    let body = json!({ "reason": "order", "subscription": "s2", "offer": "CFQ7TTC0LFLX-0001",
        "term": "P1Y", "billing": "annual", "quantity": 2 });
    let bought = server.post("/v1/customers/acme/subscriptions", &body).await.ok();
    assert_eq!(bought["events"][0]["price_list"], "march");
    assert_eq!(bought["charge_lines"][0]["amount"]["amount"], "480.00");
    assert_eq!(server.get("/v1/catalogue").await.ok()["version"], "seeds-2 + march");

    assert_eq!(import(&server, "", E3).await.ok()["unchanged"], true);
    let other = import(&server, "", &E3.replace("240.00", "250.00")).await;
    let problem = other.problem(422, "CATALOGUE_INVALID");
    assert!(problem["detail"].as_str().unwrap().contains("as something else"), "{problem}");
}

#[tokio::test]
async fn a_file_of_which_rows_would_be_lost_is_refused_with_its_report() {
    let server = Server::with_acme().await;
    let rows = E3.to_owned() + &E3.replace("0001", "2").replace("EUR", "XYZ");
    let problem = import(&server, "", &rows).await.problem(422, "ROWS_NOT_UNDERSTOOD");
    assert_eq!(problem["facts"]["left_out"], 1);
    let note = problem["facts"]["notes"].as_array().unwrap().last().unwrap();
    assert_eq!((&note["line"], &note["reason"]), (&json!(3), &json!("currency")));
    assert_eq!(server.get("/v1/catalogue").await.ok()["version"], "seeds-2", "no halves");

    import(&server, "&skip=currency,colour", &rows).await.problem(400, "QUERY_INVALID");
    let done = import(&server, "&skip=currency", &rows).await.ok();
    assert_eq!((&done["prices"], &done["report"]["left_out"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn what_is_no_price_list_is_refused_before_it_is_looked_at() {
    let server = Server::with_acme().await;
    let path = "/v1/price-lists?name=march&reason=March";
    for wrong in ["", "Colour,Size\nred,3\n"] {
        send(&server, "operator", path, wrong.to_owned()).await.problem(422, "FILE_UNREADABLE");
    }
    let file = || format!("{HEADER}{E3}");
    send(&server, "operator", "/v1/price-lists?name=x", file()).await.problem(400, "QUERY_INVALID");
    server.post(path, &json!({})).await.problem(415, "MEDIA_TYPE_UNSUPPORTED");
    for who in ["billing", "support", "reseller-r", "admin-acme"] {
        send(&server, who, path, file()).await.problem(403, "ROLE_NOT_ALLOWED");
    }
}

#[tokio::test]
async fn a_matrix_limits_what_is_sold_and_a_policy_sets_rules_from_its_day_on() {
    let server = Server::with_acme().await;
    let matrix = "ProductId,SkuId,MinLicenses,MaxLicenses\nCFQ7TTC0LFLX,1,3,300\n";
    let path = "/v1/offer-matrices?name=matrix&reason=r&effective_from=2026-03-01T00:00:00Z";
    let done = send(&server, "operator", path, matrix.to_owned()).await.ok();
    assert_eq!((&done["offers"], &done["prices"]), (&json!(1), &Value::Null));
    assert_eq!(done["report"]["mended"], 1);
    import(&server, "", E3).await.ok();
    let body = json!({ "reason": "order", "subscription": "s2", "offer": "CFQ7TTC0LFLX-0001",
        "term": "P1Y", "billing": "annual", "quantity": 2 });
    let refused = server.post("/v1/customers/acme/subscriptions", &body).await;
    refused.problem(422, "BELOW_MINIMUM");

    let seeds: Value = toml::from_str(SEEDS_TOML).unwrap();
    let mut policy = seeds["programmes"]["cloud-cockpit"].clone();
    policy["updates_max"] = json!(1);
    let body = json!({ "reason": "r", "version": "strict", "policy": policy,
        "effective_from": "2026-03-01T00:00:00Z" });
    let path = "/v1/programmes/cloud-cockpit/policies";
    server.by("billing", "POST", path).json(&body).send().await.problem(403, "ROLE_NOT_ALLOWED");
    assert_eq!(server.post(path, &body).await.ok()["events"][0]["event"], "PolicySet");
    assert_eq!(server.post(path, &body).await.ok()["unchanged"], true);
    let add = "/v1/customers/acme/subscriptions/s1/add-seats";
    server.post(add, &support::seats(1)).await.ok();
    server.post(add, &support::seats(1)).await.problem(422, "TOO_MANY_UPDATES");
}

#[tokio::test]
async fn a_page_of_the_log_ends_after_a_large_commit() {
    let server = Server::with_acme().await;
    for list in 0..3 {
        let mut rows = String::new();
        for number in 0..20_000 {
            writeln!(
                rows,
                "Product,P{list}{number:05},0001,P1Y,Annual,FR,EUR,{number},2026-03-01,,Commercial"
            )
            .unwrap();
        }
        let path = format!("/v1/price-lists?name=list-{list}&reason=r");
        send(&server, "operator", &path, format!("{HEADER}{rows}")).await.ok();
    }
    let all = server.log().await;
    let mut read = Vec::new();
    let mut pages = 0;
    loop {
        let after = read.last().map_or(0, |line: &Value| line["position"].as_u64().unwrap());
        let page = server.get(&format!("/v1/log?after={after}&limit=500")).await.lines();
        if page.is_empty() {
            break;
        }
        pages += 1;
        read.extend(page);
    }
    assert_eq!(read, all);
    assert!(1 < pages, "{pages}");
}
