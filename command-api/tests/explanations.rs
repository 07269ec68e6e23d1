//! Why a line is on the bill, by URL: to the price and the person behind it, and back.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod january;
mod support;

use january::{add_seats, go_to, january, pick, set_terms};
use serde_json::{Value, json};

#[tokio::test]
async fn a_line_is_explained_to_the_price_and_the_person_behind_it() {
    let server = january().await;
    set_terms(&server).await;
    go_to(&server, "2024-03-05").await;
    add_seats(&server).await;
    let line = server.get("/v1/explain?id=acme/3.1/2").await.ok();
    // 19.70 x 12 x 26 / 31 is 198.27...; by the seat, 16.52 x 12 = 198.24.
    assert!(line["exact"].as_str().unwrap().starts_with("198.2709677"), "{line}");
    assert!(line["how_rounded"].as_str().unwrap().starts_with("the price of one seat"));
    assert_eq!(line["formula"], "19.70 x 26/31 days x 12 seats = 198.24, unit-truncate");
    for (pointer, value) in [
        ("/explains", json!("line")),
        ("/event/event", json!("SeatsAdded")),
        ("/asked/command", json!("AddSeats")),
        ("/asked/seats", json!(2)),
        ("/cause/command_id", json!("ticket-7")),
        ("/cause/reason", json!("two arrivals")),
        ("/cause/actor/role", json!("operator")),
        ("/cause/position", json!(6)),
        ("/rules/catalogue", json!("seeds-2")),
        ("/price/source", json!("catalogue")),
        ("/price/version", json!("seeds-2")),
        ("/price/is_found", json!(true)),
        ("/price/event/id", json!("acme/2.1")),
        ("/siblings/0/id", json!("acme/3.1/1")),
        ("/siblings/0/amount/amount", json!("-165.20")),
        ("/bill/period", json!("2024-03")),
        ("/bill/statement", Value::Null),
        ("/bill/tax_percent", json!("20")),
    ] {
        assert_eq!(line.pointer(pointer), Some(&value), "{pointer}: {line}");
    }
    let cycle = server.get("/v1/explain?id=acme/s1/2024-02-29").await.ok();
    assert_eq!((&cycle["is_cycle"], &cycle["event"]["id"]), (&json!(true), &json!("acme/2.1")));
    server.get("/v1/explain?id=acme/s1/2024-03-31").await.problem(404, "SUBJECT_UNKNOWN");
}

#[tokio::test]
async fn an_event_and_a_command_tell_all_that_they_have_cost() {
    let server = january().await;
    go_to(&server, "2024-03-05").await;
    add_seats(&server).await;
    go_to(&server, "2024-04-01").await;
    let bought = server.get("/v1/explain?id=acme/2.1").await.ok();
    assert_eq!(pick(&bought["lines"], &["id"]).concat(), ["acme/2.1/1", "acme/s1/2024-02-29"]);
    assert_eq!(bought["totals"], json!([{ "amount": "394.00", "currency": "EUR" }]));
    let priced = pick(&bought["priced"], &["id"]).concat();
    assert_eq!(priced, ["acme/3.1/1", "acme/3.1/2", "acme/s1/2024-03-31"]);
    let by_command = server.get("/v1/explain?customer=acme&id=ticket-7").await.ok();
    assert_eq!(
        pick(&by_command["lines"], &["id"]).concat(),
        ["acme/3.1/1", "acme/3.1/2", "acme/s1/2024-03-31"]
    );
    assert_eq!(by_command["events"][0]["id"], "acme/3.1");
    let free = server.get("/v1/explain?id=acme/1.1").await.ok();
    assert_eq!((&free["lines"], &free["totals"]), (&json!([]), &json!([])));
}

#[tokio::test]
async fn odd_ids_are_answered_with_what_one_looks_like() {
    let server = january().await;
    let long = "x".repeat(4000);
    for id in [
        "",
        "acme",
        "acme/",
        "acme/1",
        "acme/01.1",
        "acme/1.1/0",
        "acme/1.1/1/1",
        "a%20b/1.1",
        "acme/0.1",
        "acme/s1/2024-02-30",
        "acme/s1/24-2-1",
        "@catalogue/1.1",
        "acme/99999999999999999999.1",
        "%00/1.1",
        &long,
        &format!("acme/{long}/2024-01-01"),
        "acme%2F1.1%2F%C3%A9",
    ] {
        let problem =
            server.get(&format!("/v1/explain?id={id}")).await.problem(400, "QUERY_INVALID");
        assert!(problem["detail"].as_str().unwrap().len() < 400, "{problem}");
    }
    for id in [
        "acme/1.2",
        "acme/9.1",
        "acme/18446744073709551615.18446744073709551615",
        "acme/2.1/2",
        "acme/s9/2024-02-29",
    ] {
        server.get(&format!("/v1/explain?id={id}")).await.problem(404, "SUBJECT_UNKNOWN");
    }
    server.get("/v1/explain?id=nobody/1.1").await.problem(404, "CUSTOMER_UNKNOWN");
    server.get("/v1/explain").await.problem(400, "QUERY_INVALID");
    for number in ["0x1", "-1", "1.0", "99999999999999999999999"] {
        server.get(&format!("/v1/statements/{number}")).await.problem(400, "ID_INVALID");
    }
    for path in
        ["/v1/billing/periods/2031-01", "/v1/customers/acme/statements/preview?period=2031-01"]
    {
        server.get(path).await.problem(404, "PERIOD_UNKNOWN");
    }
    server
        .get("/v1/customers/acme/statements/preview?period=March")
        .await
        .problem(400, "QUERY_INVALID");
}

#[tokio::test]
async fn a_price_is_traced_to_its_row_of_the_list() {
    let server = january().await;
    let list = "ProductTitle,ProductId,SkuId,TermDuration,BillingPlan,Market,Currency,UnitPrice,\
        EffectiveStartDate,EffectiveEndDate,Segment\n\
        Microsoft 365 E3,CFQ7TTC0LFLX,0001,P1Y,Monthly,FR,EUR,20.00,2024-01-01T00:00:00Z,\
        2024-12-31T00:00:00Z,Commercial\n";
    let path = "/v1/price-lists?name=january&reason=January";
    server.by("operator", "POST", path).raw("text/csv", list).send().await.ok();
    let body = json!({ "reason": "order", "subscription": "s2", "offer": "CFQ7TTC0LFLX-0001",
        "term": "P1Y", "billing": "monthly", "quantity": 3 });
    server.post("/v1/customers/acme/subscriptions", &body).await.ok();
    let line = server.get("/v1/explain?id=acme/3.1/1").await.ok();
    let price = &line["price"];
    assert_eq!((&price["source"], &price["list"]), (&json!("price-list"), &json!("january")));
    let row = &price["row"];
    for (field, value) in [
        ("market", "FR"),
        ("segment", "commercial"),
        ("currency", "EUR"),
        ("price", "20.00"),
        ("from", "2024-01-01T00:00:00Z"),
    ] {
        assert_eq!(row[field], value, "{field}: {row}");
    }
}
