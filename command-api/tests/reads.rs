//! Reads by URL: lists in pages, one's own writes, the past, the log for tools, bulk.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::{StreamExt, TryStreamExt};
use ledger_core::commit::SealedCommit;
use ledger_core::record::Chain;
use serde_json::{Value, json};
use support::{Server, seats};

const S1: &str = "/v1/customers/acme/subscriptions/s1";

#[tokio::test]
async fn one_reads_ones_own_writes() {
    let server = Server::with_acme().await;
    let done = server.post(&format!("{S1}/add-seats"), &seats(3)).await.ok();
    let position = done["position"].as_u64().unwrap();
    let shown = server.get(&format!("{S1}?min_position={position}")).await.ok();
    assert_eq!((&shown["quantity"], &shown["status"]), (&json!(13), &json!("active")));
    let c = "/v1/customers/acme";
    let licences = server.get(&format!("{c}/licences?min_position={position}")).await.ok();
    assert_eq!(licences["data"][0]["valid"], 13);
    let audit = server.get(&format!("{c}/audit?subscription=s1")).await.ok();
    assert_eq!(audit["data"][1]["reason"], "three arrivals in Lyon");
    assert_eq!((&audit["data"][1]["from"], &audit["data"][1]["to"]), (&json!(10), &json!(13)));
    let due = server.get("/v1/due?until=2027-03-01T00:00:00Z").await.ok();
    assert_eq!(due["data"][0]["due_at"], "2027-03-01T00:00:00Z");
    assert_eq!(server.get("/v1/due?until=2027-02-28T23:59:59Z").await.ok()["data"], json!([]));
}

#[tokio::test]
async fn lists_come_in_pages_without_gaps() {
    let server = Server::with_acme().await;
    for _ in 0..4 {
        server.post(&format!("{S1}/add-seats"), &seats(1)).await.ok();
    }
    server.settle().await;
    for path in
        ["/v1/customers/acme/history", "/v1/customers/acme/audit", "/v1/customers/acme/charges"]
    {
        let all = server.get(&format!("{path}?limit=500")).await.ok();
        assert_eq!((&all["has_more"], &all["next"]), (&json!(false), &Value::Null));
        let mut pages = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = server.get(&format!("{path}?limit=2{cursor}")).await.ok();
            pages.extend(page["data"].as_array().unwrap().clone());
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(json!(pages), all["data"], "{path}");
    }
}

#[tokio::test]
async fn the_past_is_told_as_it_was() {
    let server = Server::with_acme().await;
    server.post("/v1/clock", &json!({ "advance": "P1D" })).await.ok();
    server.post(&format!("{S1}/add-seats"), &seats(3)).await.ok();
    let state = "/v1/customers/acme/state";
    let quantity = |answer: &Value| answer["state"]["subscriptions"]["s1"]["quantity"].clone();
    let then = server.get(&format!("{state}?as_of=2026-03-01T10:00:00Z")).await.ok();
    assert_eq!((quantity(&then), &then["version"]), (json!(10), &json!(2)));
    let known = server.get(&format!("{state}?known_at=2026-03-01T10:00:00Z")).await.ok();
    assert_eq!(quantity(&known), 10);
    let now = server.get(state).await.ok();
    assert_eq!((quantity(&now), &now["version"]), (json!(13), &json!(3)));
    let before = server.get(&format!("{state}?as_of=2020-01-01T00:00:00Z")).await.ok();
    assert_eq!((&before["state"], &before["version"]), (&Value::Null, &json!(0)));
}

fn commits(lines: &[Value]) -> Vec<SealedCommit> {
    let bytes = |line: &Value| STANDARD.decode(line["commit"].as_str().unwrap()).unwrap();
    lines.iter().map(|line| SealedCommit::open(&bytes(line)).unwrap()).collect()
}

#[tokio::test]
async fn tools_get_the_very_bytes_of_the_log() {
    let server = Server::with_acme().await;
    server
        .post(&format!("{S1}/remove-seats"), &seats(99))
        .await
        .problem(422, "SEATS_NOT_REFUNDABLE");
    let log = server.log().await;
    let positions: Vec<_> = log.iter().map(|line| line["position"].as_u64().unwrap()).collect();
    assert_eq!(positions, [1, 2, 3]);
    let stream = server.get("/v1/log?stream=customer/acme").await.lines();
    let mut chain = Chain::default();
    for sealed in commits(&stream) {
        chain.next(&sealed).unwrap();
    }
    assert_eq!(stream, log[1..], "the stream is a part of the log");
    assert_eq!(server.get("/v1/log?after=1&limit=1").await.lines(), log[1..2]);
    assert_eq!(server.get("/v1/log?after=1&limit=1&stream=customer/acme").await.lines(), log[1..2]);
    assert_eq!(server.get("/v1/log?after=3").await.text, "");
    let journal = server.get("/v1/journal").await.lines();
    assert_eq!(commits(&journal)[0].commit().stream.to_string(), "customer/acme");
}

#[tokio::test]
async fn a_caller_who_does_not_read_the_answers_of_bulk_holds_nobody_up() {
    let server = Server::with_acme().await;
    let lines = (0..400).map(|number| {
        let command = if number % 3 == 0 { "ScheduleRenewalQuantity" } else { "AddSeats" };
        let mut line = json!({
            "customer": "acme", "command": command, "subscription": "s1", "reason": "bulk",
        });
        // Every third is refused.
        line[if number % 3 == 0 { "quantity" } else { "seats" }] = json!(number % 3);
        line.to_string()
    });
    let lines = lines.collect::<Vec<_>>().join("\n");
    let ask = server.by("operator", "POST", "/v1/bulk").raw("application/x-ndjson", lines);
    let mut results = ask.send_unread().await.into_data_stream();
    let first = results.next().await.unwrap().unwrap();
    assert!(!first.is_empty());
    // The rest stays unread while others come.
    server.get("/v1/customers/acme").await.ok();
    server
        .post(
            "/v1/customers/acme/subscriptions/s1/add-seats",
            &json!({ "seats": 1, "reason": "x" }),
        )
        .await
        .ok();
    let rest: Vec<_> = results.try_collect().await.unwrap();
    let bytes = [vec![first], rest].concat().concat();
    assert_eq!(bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count(), 400);
}

async fn bulk(server: &Server, who: &str, lines: String) -> Vec<Value> {
    let ask = server.by(who, "POST", "/v1/bulk").raw("application/x-ndjson", lines);
    let answer = ask.send().await;
    assert_eq!(answer.status, 200);
    answer.lines()
}

#[tokio::test]
async fn a_bad_line_gets_a_problem_in_its_place_and_the_rest_goes_on() {
    let server = Server::with_acme().await;
    let add = |more: Value| {
        let mut line = json!({
            "customer": "acme", "reason": "import", "command": "AddSeats", "subscription": "s1", "seats": 1
        });
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        line.to_string()
    };
    let lines = [
        add(json!({ "command_id": "b-1" })),
        "{ no json".to_owned(),
        String::new(),
        add(json!({ "command_id": "b-1" })),
        add(json!({ "seats": 0 })),
        add(json!({ "surprise": 1 })),
        add(json!({ "command": "Explode" })),
        add(json!({ "customer": "a/b" })),
        add(json!({ "customer": "nobody" })),
        add(json!({ "expected_version": 1 })),
        add(json!({ "command_id": "renew/s1/2027-02-28" })),
        "{\"customer\":\"acme\",\"customer\":\"other\",\"reason\":\"r\",\"command\":\"Cancel\"}"
            .to_owned(),
        format!("{{\"customer\":\"{}\"}}", "x".repeat(70_000)),
        "\"text\"".to_owned(),
        add(json!({ "command_id": "b-2", "expected_version": 3 })),
    ];
    let results = bulk(&server, "operator", lines.join("\n")).await;
    let codes: Vec<_> = results
        .iter()
        .map(|r| {
            (
                r["line"].as_u64().unwrap(),
                r["status"].as_u64().unwrap(),
                r["problem"]["code"].as_str().unwrap_or(""),
            )
        })
        .collect();
    assert_eq!(
        codes,
        [
            (1, 200, ""),
            (2, 400, "BODY_MALFORMED"),
            (4, 200, ""),
            (5, 422, "QUANTITY_ZERO"),
            (6, 400, "UNKNOWN_FIELD"),
            (7, 400, "VALUE_INVALID"),
            (8, 400, "VALUE_INVALID"),
            (9, 404, "CUSTOMER_UNKNOWN"),
            (10, 412, "VERSION_DIFFERS"),
            (11, 400, "HEADER_INVALID"),
            (12, 400, "DUPLICATE_FIELD"),
            (13, 413, "LINE_TOO_LONG"),
            (14, 400, "WRONG_TYPE"),
            (15, 200, ""),
        ]
    );
    assert_eq!((&results[2]["hit"], &results[2]["done"]), (&json!(true), &results[0]["done"]));
    let quantity =
        &server.get("/v1/customers/acme").await.ok()["state"]["subscriptions"]["s1"]["quantity"];
    assert_eq!(*quantity, 12);
}

#[tokio::test]
async fn a_customers_lines_follow_each_other_however_many_others_are_under_way() {
    let server = Server::with_acme().await;
    server.register("other", "q").await.ok();
    server.purchase("other", "s1").await.ok();
    let line = |customer: &str, version: u64| {
        json!({
            "customer": customer, "reason": "import", "command": "AddSeats", "subscription": "s1",
            "seats": 1, "expected_version": version
        })
        .to_string()
    };
    let lines = (0..600_u64).flat_map(|number| {
        let nobody = format!("nobody-{number}");
        [line("acme", number + 2), line(&nobody, 0), line("other", number + 2)]
    });
    let results = bulk(&server, "operator", lines.collect::<Vec<_>>().join("\n")).await;
    assert_eq!(results.len(), 1800);
    for (index, result) in (0_u64..).zip(&results) {
        let version = &result["done"]["version"];
        assert_eq!(result["line"], json!(index + 1));
        match index % 3 {
            1 => assert_eq!(result["problem"]["code"], "CUSTOMER_UNKNOWN", "{result}"),
            _ => assert_eq!(*version, json!(index / 3 + 3), "{result}"),
        }
    }
}

#[tokio::test]
async fn bulk_lets_nobody_do_more_than_line_by_line() {
    let server = Server::with_acme().await;
    server.register("other", "q").await.ok();
    let line = |customer: &str| {
        json!({ "customer": customer, "reason": "import", "command": "GrantDelegatedAdmin" })
            .to_string()
    };
    let lines = [line("acme"), line("other")].join("\n");
    let statuses = |results: Vec<Value>| -> Vec<u64> {
        results.iter().map(|result| result["status"].as_u64().unwrap()).collect()
    };
    let viewer = server.by("viewer-acme", "POST", "/v1/bulk");
    let viewer = viewer.raw("application/x-ndjson", lines.clone()).send().await;
    viewer.problem(403, "ROLE_NOT_ALLOWED");
    assert_eq!(statuses(bulk(&server, "reseller-q", lines.clone()).await), [404, 200]);
    assert_eq!(statuses(bulk(&server, "admin-acme", lines).await), [200, 404]);
    assert_eq!(bulk(&server, "operator", "\n\n".to_owned()).await, Vec::<Value>::new());
    let purchase = json!({
        "customer": "acme", "reason": "import", "command": "Purchase", "subscription": "s9",
        "offer": "office-365-e3", "term": "P1Y", "billing": "annual", "quantity": 1,
    });
    assert_eq!(statuses(bulk(&server, "operator", purchase.to_string()).await), [201]);
}

#[tokio::test]
async fn a_cursor_that_was_never_handed_out_is_refused_by_every_list() {
    let server = Server::with_acme().await;
    server.post(&format!("{S1}/remove-seats"), &seats(99)).await;
    server.purchase("acme", "s2").await.ok();
    server.settle().await;
    let c = "/v1/customers/acme";
    let lists = [
        "/subscriptions",
        "/licences",
        "/audit",
        "/charges",
        "/history",
        "/refusals",
        "/users",
        "/groups",
        "/requests",
        "/portal-access",
    ];
    let lists = lists.map(|list| format!("{c}{list}"));
    let of_all = ["/v1/customers", "/v1/due", "/v1/requests"];
    for list in lists.iter().map(String::as_str).chain(of_all) {
        server.get(&format!("{list}?limit=1")).await.ok();
        for garbage in ["zzz", "", "1", "00000000000000000002", "acme", "00000000-YWNtZQ"] {
            let answer = server.get(&format!("{list}?cursor={garbage}")).await;
            answer.problem(400, "QUERY_INVALID");
        }
    }
    for list in ["/v1/due".to_owned(), format!("{c}/subscriptions")] {
        let first = server.get(&format!("{list}?limit=1")).await.ok();
        let next = first["next"].as_str().unwrap();
        assert!(next.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)), "{next}");
        let second = server.get(&format!("{list}?cursor={next}")).await.ok();
        let found = &second["data"][0]["subscription"];
        assert!(found == "s2" || found["subscription"] == "s2", "{list}: {found}");
        assert_eq!(second["has_more"], false);
    }
}

#[tokio::test]
async fn a_limit_of_nothing_and_a_position_beyond_the_log_are_refused_everywhere() {
    let server = Server::with_acme().await;
    for path in ["/v1/log", "/v1/journal"] {
        server.get(&format!("{path}?limit=0")).await.problem(400, "QUERY_INVALID");
    }
    for list in ["history", "refusals", "users", "groups", "portal-access"] {
        let path = format!("/v1/customers/acme/{list}");
        server.get(&format!("{path}?min_position=3")).await.ok();
        server.get(&format!("{path}?min_position=4")).await.problem(400, "QUERY_INVALID");
    }
}
