//! Bills by URL: terms, rates, closing, statements, and who sees what.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod january;
mod support;

use january::{
    RATES, TERMS, add_seats, charges, close, go_to, january, pick, purchase, set_terms, take_over,
    terms, totals,
};
use serde_json::{Value, json};

#[tokio::test]
async fn charges_go_on_by_the_cycle_until_now() {
    let server = january().await;
    go_to(&server, "2024-03-05").await;
    add_seats(&server).await;
    go_to(&server, "2024-04-01").await;
    let all = charges(&server, "").await;
    // 5 to 30 March are 26 of 31 days: 19.70 x 26/31 = 16.5225... is cut to 16.52.
    assert_eq!(
        pick(&all["data"], &["id", "charge_type", "charged_on", "billing_period", "billed"]),
        [
            ["acme/2.1/1", "new", "2024-01-31", "2024-01", "197.00"],
            ["acme/s1/2024-02-29", "cycleCharge", "2024-02-29", "2024-02", "197.00"],
            ["acme/3.1/1", "addQuantity", "2024-03-05", "2024-03", "-165.20"],
            ["acme/3.1/2", "addQuantity", "2024-03-05", "2024-03", "198.24"],
            ["acme/s1/2024-03-31", "cycleCharge", "2024-03-31", "2024-03", "236.40"],
        ]
    );
    let cycle = &all["data"][4];
    for (field, value) in [
        ("event_id", json!("acme/3.1")),
        ("price_event_id", json!("acme/2.1")),
        ("offer_title", json!("Office 365 Enterprise E3")),
        ("term", json!("P1Y")),
        ("billing", json!("monthly")),
        ("term_end", json!("2025-01-30")),
        ("price_list", Value::Null),
        ("is_correction", json!(false)),
        ("reason", json!("two arrivals")),
    ] {
        assert_eq!(cycle[field], value, "{field}");
    }
}

#[tokio::test]
async fn a_page_of_charges_stays_what_it_was_while_lines_are_added() {
    let server = january().await;
    go_to(&server, "2024-03-05").await;
    let first = charges(&server, "?limit=1").await;
    let next = first["next"].as_str().unwrap().to_owned();
    add_seats(&server).await;
    go_to(&server, "2024-05-10").await;
    let ids = |page: &Value| pick(&page["data"], &["id"]).concat();
    assert_eq!(ids(&first), ["acme/2.1/1"]);
    let all = charges(&server, "").await;
    assert_eq!(all["data"].as_array().unwrap().len(), 6);
    // Twice: the end of the first page is remembered the first time, and read anew the second.
    for _ in 0..2 {
        let mut seen = ids(&first);
        let mut cursor = Some(next.clone());
        while let Some(at) = cursor {
            let page = charges(&server, &format!("?limit=2&cursor={at}")).await;
            seen.extend(ids(&page));
            cursor = page["next"].as_str().map(str::to_owned);
        }
        assert_eq!(seen, ids(&all));
    }
    let wrong = server.get("/v1/customers/acme/charges?cursor=5").await;
    wrong.problem(400, "QUERY_INVALID");
}

#[tokio::test]
async fn periods_are_closed_in_order_once_and_their_statements_are_numbered_through() {
    let server = january().await;
    close(&server, "2024-01").await.problem(422, "PERIOD_NOT_OVER");
    go_to(&server, "2024-03-02").await;
    close(&server, "2024-01").await.problem(422, "NO_BILLING_TERMS");
    set_terms(&server).await;
    close(&server, "2024-02").await.problem(422, "PERIOD_NOT_NEXT");
    close(&server, "2024-1").await.problem(400, "ID_INVALID");

    let path = "/v1/billing/periods/2024-01/close";
    let would = server.post(&format!("{path}?dry_run=true"), &json!({ "reason": "x" })).await.ok();
    assert_eq!(would["events"][0]["id"], "@billing/2.1");
    let ask = |reason: &str| {
        let ask = server.by("billing", "POST", path).header("idempotency-key", "jan");
        ask.json(&json!({ "reason": reason })).send_owned()
    };
    let done = ask("month end").await;
    assert_eq!((done.header("etag"), done.header("idempotency-hit")), ("\"2\"", ""));
    let again = ask("month end").await;
    assert_eq!((&again.text, again.header("idempotency-hit")), (&done.text, "true"));
    ask("another reason").await.problem(409, "COMMAND_ID_REUSED");
    assert_eq!(close(&server, "2024-01").await.ok()["unchanged"], true);

    let closed = done.ok()["events"][0].clone();
    let statements = closed["statements"].as_array().unwrap();
    assert_eq!(statements.len(), 2);
    // 20 % of 197.00; and 20 % of what is left of it without the reseller's tenth.
    assert_eq!(totals(&statements[0]), ["197.00", "0", "39.40", "236.40"]);
    assert_eq!(totals(&statements[1]), ["197.00", "19.70", "35.46", "212.76"]);
    close(&server, "2024-02").await.ok();
    go_to(&server, "2024-04-02").await;
    close(&server, "2024-03").await.ok();

    let mut numbers = Vec::new();
    for path in ["/v1/customers/acme/statements", "/v1/resellers/r/statements"] {
        let list = server.get(path).await.ok();
        numbers.extend(pick(&list["data"], &["number"]).concat());
    }
    numbers.sort();
    assert_eq!(numbers, ["000001", "000002", "000003", "000004", "000005", "000006"]);
    let periods = server.get("/v1/billing/periods").await.ok();
    assert_eq!(
        pick(&periods["data"], &["period", "is_closed", "lines"]),
        [
            ["2024-01", "true", "1"],
            ["2024-02", "true", "1"],
            ["2024-03", "true", "1"],
            ["2024-04", "false", "0"],
        ]
    );
    let march = server.get("/v1/billing/periods/2024-03").await.ok();
    assert_eq!(pick(&march["statements"], &["number"]).concat(), ["000005", "000006"]);
    let journal = server.get("/v1/journal?stream=billing").await.lines();
    assert_eq!(journal.len(), 4, "three refusals, and one closing of what was closed");
}

#[tokio::test]
async fn what_comes_to_light_after_closing_is_a_correction_in_the_next_period() {
    let server = january().await;
    set_terms(&server).await;
    go_to(&server, "2024-03-03").await;
    for period in ["2024-01", "2024-02"] {
        close(&server, period).await.ok();
    }
    let before = server.get("/v1/statements/000003").await.ok();
    take_over(&server).await;
    go_to(&server, "2024-03-05").await;
    add_seats(&server).await;
    go_to(&server, "2024-03-20").await;
    assert_eq!(server.get("/v1/statements/3").await.ok(), before, "it never changes");

    let path = "/v1/customers/acme/statements/preview?period=2024-03";
    let preview = server.get(path).await.ok()["data"][0].clone();
    assert_eq!(
        pick(&preview["lines"], &["id", "is_correction", "billed"]),
        [
            // 7 x 19.70; the cycle from 15 January was charged before the ledger.
            ["acme/s2/2024-02-15", "true", "137.90"],
            ["acme/4.1/1", "false", "-165.20"],
            ["acme/4.1/2", "false", "198.24"],
            ["acme/s2/2024-03-15", "false", "137.90"],
            ["acme/s1/2024-03-31", "false", "236.40"],
        ]
    );
    // 20 % of 545.24 is 109.048.
    assert_eq!(totals(&preview), ["545.24", "0", "109.05", "654.29"]);
    let tax =
        json!([{ "percent": "20", "base": "545.24", "amount": "109.05", "is_by_line": false }]);
    assert_eq!((&preview["taxes"], &preview["number"]), (&tax, &Value::Null));

    go_to(&server, "2024-04-01").await;
    let open = server.get("/v1/billing/periods/2024-03").await.ok();
    assert_eq!((&open["is_closed"], &open["lines"]), (&json!(false), &json!(5)));
    assert_eq!(open["totals"][0]["total"], "654.29");
    close(&server, "2024-03").await.ok();
    let drawn = server.get("/v1/statements/000005").await.ok();
    for same in ["lines", "taxes", "totals", "issuer", "terms", "party", "name"] {
        assert_eq!(drawn[same], preview[same], "{same}");
    }
    assert_eq!(drawn["verification"]["sha256"], preview["verification"]["sha256"]);
    assert_eq!((&drawn["number"], &drawn["issuer"]), (&json!("000005"), &json!("Partner SA")));
    assert_eq!(drawn["verification"]["position"], 9);
    assert_eq!(server.get(path).await.ok()["data"][0], drawn, "a closed period gives what it is");
}

#[tokio::test]
async fn a_bill_waits_for_its_exchange_rate_and_says_so() {
    let server = january().await;
    let mut in_dollars = terms("2024-01");
    in_dollars["terms"]["currencies"] = json!({ "r": "USD" });
    server.post(TERMS, &in_dollars).await.ok();
    go_to(&server, "2024-02-02").await;
    let preview = "/v1/customers/acme/statements/preview?period=2024-01";
    close(&server, "2024-01").await.problem(422, "EXCHANGE_RATE_MISSING");
    server.get(preview).await.problem(422, "EXCHANGE_RATE_MISSING");
    let line = &charges(&server, "").await["data"][0];
    assert_eq!((&line["billed"], &line["billed_currency"]), (&Value::Null, &json!("USD")));
    let explained = server.get("/v1/explain?id=acme/2.1/1").await.ok();
    assert!(explained["bill"]["problem"].as_str().unwrap().contains("EUR to USD"), "{explained}");
    let open = server.get("/v1/billing/periods").await.ok();
    assert!(open["data"][0]["problem"].as_str().unwrap().contains("EUR to USD"), "{open}");

    let rates = json!({ "reason": "fixing", "id": "fx-2023-12", "date": "2023-12-28",
        "from": "2024-01-01", "rates": [{ "from": "EUR", "to": "USD", "rate": "1.0837" }] });
    let done = server.by("billing", "POST", RATES).json(&rates).send().await.ok();
    assert_eq!(done["events"][0]["event"], "ExchangeRatesImported");
    // 19.70 x 1.0837 = 21.34889 is cut to 21.34 a seat; 20 % of 213.40 is 42.68.
    let bill = server.get(preview).await.ok()["data"][0].clone();
    assert_eq!(totals(&bill), ["213.40", "0", "42.68", "256.08"]);
    assert_eq!(bill["lines"][0]["rate"]["id"], "fx-2023-12");
    close(&server, "2024-01").await.ok();
    let explained = server.get("/v1/explain?id=acme/2.1/1").await.ok();
    assert_eq!(explained["bill"]["rate"]["date"], "2023-12-28");
    assert_eq!(explained["bill"]["statement"], "000001");
    assert_eq!(server.get(RATES).await.ok()["data"][0]["rates"][0]["rate"], "1.0837");

    let mut late = rates;
    late["id"] = json!("fx-late");
    late["from"] = json!("2024-01-15");
    server.post(RATES, &late).await.problem(422, "PERIOD_IS_CLOSED");
    late["rates"] = json!([]);
    server.post(RATES, &late).await.problem(422, "BILLING_DATA_INVALID");
    late["rates"] = json!([{ "from": "EUR", "to": "USD", "rate": 1.5 }]);
    server.post(RATES, &late).await.problem(400, "WRONG_TYPE");
}

#[tokio::test]
async fn everybody_sees_their_own_bills_and_only_whom_it_concerns_sees_margins() {
    let server = january().await;
    purchase(&server, "other").await;
    set_terms(&server).await;
    go_to(&server, "2024-02-02").await;
    close(&server, "2024-01").await.ok();
    // 1 and 2 are of the customers acme and other, 3 and 4 of the resellers q and r.
    let roles =
        ["operator", "billing", "support", "reseller-r", "reseller-q", "admin-acme", "viewer-acme"];
    let reason = json!({ "reason": "x" });
    for (method, path, body, statuses) in [
        ("GET", TERMS, None, [200, 200, 200, 403, 403, 403, 403]),
        ("GET", RATES, None, [200, 200, 200, 403, 403, 403, 403]),
        ("GET", "/v1/billing/periods", None, [200, 200, 200, 403, 403, 403, 403]),
        ("GET", "/v1/billing/periods/2024-02", None, [200, 200, 200, 403, 403, 403, 403]),
        ("GET", "/v1/billing/reconciliations", None, [200, 200, 200, 403, 403, 403, 403]),
        ("POST", TERMS, Some(terms("2024-01")), [200, 200, 403, 403, 403, 403, 403]),
        (
            "POST",
            "/v1/billing/periods/2024-01/close",
            Some(reason),
            [200, 200, 403, 403, 403, 403, 403],
        ),
        ("POST", RATES, Some(json!({})), [400, 400, 400, 400, 400, 400, 400]),
        ("GET", "/v1/statements/1", None, [200, 200, 200, 200, 404, 200, 200]),
        ("GET", "/v1/statements/2", None, [200, 200, 200, 404, 200, 404, 404]),
        ("GET", "/v1/statements/3", None, [200, 200, 200, 404, 200, 404, 404]),
        ("GET", "/v1/statements/4", None, [200, 200, 200, 200, 404, 404, 404]),
        ("GET", "/v1/statements/5", None, [404; 7]),
        ("GET", "/v1/customers/acme/statements", None, [200, 200, 200, 200, 404, 200, 200]),
        (
            "GET",
            "/v1/customers/acme/statements/preview?period=2024-02",
            None,
            [200, 200, 200, 200, 404, 200, 200],
        ),
        ("GET", "/v1/resellers/r/statements", None, [200, 200, 200, 200, 403, 403, 403]),
        ("GET", "/v1/explain?id=acme/2.1/1", None, [200, 200, 200, 200, 404, 200, 200]),
    ] {
        for (role, status) in roles.into_iter().zip(statuses) {
            let ask = server.by(role, method, path);
            let ask = match &body {
                Some(body) => ask.json(body),
                None => ask,
            };
            let answer = ask.send().await;
            assert_eq!(answer.status.as_u16(), status, "{role} {method} {path}: {}", answer.text);
            if role.ends_with("acme") {
                let has = |text: &str| answer.text.contains(text);
                assert!(
                    !has("19.70\",\"statement") && !has("\"margin\":\"19.70\""),
                    "{}",
                    answer.text
                );
            }
        }
    }
    let of_others = server.by("admin-acme", "GET", "/v1/statements/2").send().await;
    let of_nobody = server.by("admin-acme", "GET", "/v1/statements/9").send().await;
    let theirs = of_others.problem(404, "STATEMENT_UNKNOWN");
    assert_eq!(
        of_nobody.problem(404, "STATEMENT_UNKNOWN").to_string().replace("09", "02"),
        theirs.to_string()
    );

    let explain = |who: &'static str| {
        let ask = server.by(who, "GET", "/v1/explain?id=acme/2.1/1").send_owned();
        async { ask.await.ok()["bill"]["margin"].clone() }
    };
    assert_eq!(explain("reseller-r").await["amount"]["amount"], "19.70");
    assert_eq!(explain("reseller-r").await["statement"], "000004");
    assert_eq!(explain("admin-acme").await, Value::Null);
    let of_reseller = server.by("reseller-r", "GET", "/v1/statements/4").send().await.ok();
    assert_eq!(of_reseller["lines"][0]["margin"], "19.70");
    assert_eq!(totals(&of_reseller), ["197.00", "19.70", "35.46", "212.76"]);
}

#[tokio::test]
async fn an_open_period_says_that_it_lacks_terms() {
    let server = january().await;
    let path = "/v1/billing/periods/2024-01";
    let open = server.by("billing", "GET", path).send().await.ok();
    assert_eq!(open["problem"], "no billing terms hold in 2024-01: set them first");
    set_terms(&server).await;
    let open = server.by("billing", "GET", path).send().await.ok();
    assert_eq!(open["problem"], Value::Null);
}

#[tokio::test]
async fn reconciliations_are_kept_and_must_add_up() {
    let server = january().await;
    let path = "/v1/billing/reconciliations";
    let mut body = json!({ "reason": "January's invoice", "file": "jan.csv", "sha256": "a".repeat(64),
        "period": "2024-01", "through": 4, "totals": [{ "currency": "EUR", "lines": 1, "matched": 0,
        "theirs": "197.04", "ours": "197.00",
        "causes": { "rounding-policy": { "count": 1, "amount": "0.03" } } }] });
    server.post(path, &body).await.problem(422, "RECONCILIATION_UNBALANCED");
    body["totals"][0]["causes"]["rounding-policy"]["amount"] = json!("0.04");
    server.by("billing", "POST", path).json(&body).send().await.ok();
    let list = server.by("support", "GET", path).send().await.ok();
    assert_eq!(list["data"][0]["totals"], body["totals"]);
    let total = &body["totals"][0];
    let mut matched = total.clone();
    matched["matched"] = json!(2);
    for (field, wrong) in [
        ("sha256", json!("nonsense")),
        ("period", json!("2031-01")),
        ("totals", json!([])),
        ("totals", json!([total, total])),
        ("totals", json!([matched])),
    ] {
        let mut body = body.clone();
        body[field] = wrong;
        server.post(path, &body).await.problem(422, "BILLING_DATA_INVALID");
    }
}

#[tokio::test]
async fn the_coming_months_are_forecast_for_those_who_see_the_customer() {
    let server = january().await;
    let path = "/v1/customers/acme/forecast?months=12";
    let told = server.by("viewer-acme", "GET", path).send().await.ok();
    let months: Vec<&str> =
        told["months"].as_array().unwrap().iter().map(|m| m["net"].as_str().unwrap()).collect();
    // Eleven further cycles of ten seats at 19.70, and the renewal at the price of the catalogue.
    assert_eq!(months, ["197.00"; 12]);
    assert_eq!(told["renewals"][0]["term"]["start"], "2025-01-31");
    let rests = told["charges"][11]["assumptions"].as_array().unwrap();
    assert!(rests.iter().any(|a| a["assumption"] == "price-as-listed"), "{rests:?}");
    assert!(!told.to_string().contains("margin"), "{told}");
    let of_others = server.by("admin-other", "GET", path).send().await;
    of_others.problem(404, "CUSTOMER_UNKNOWN");
    for months in ["0", "121", "-1", "x"] {
        let path = format!("/v1/customers/acme/forecast?months={months}");
        server.get(&path).await.problem(400, "QUERY_INVALID");
    }
}

#[tokio::test]
async fn a_closing_that_was_too_early_is_sent_again_under_its_key() {
    let server = january().await;
    set_terms(&server).await;
    go_to(&server, "2024-03-02").await;
    let body = json!({ "reason": "month end" });
    let february = || {
        let path = "/v1/billing/periods/2024-02/close";
        server.by("billing", "POST", path).header("idempotency-key", "feb").json(&body).send()
    };
    february().await.problem(422, "PERIOD_NOT_NEXT");
    close(&server, "2024-01").await.ok();
    let closed = february().await.ok();
    assert_eq!(closed["events"][0]["period"], "2024-02");
}
