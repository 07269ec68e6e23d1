//! Many callers at once, over HTTP.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::thread;

use ledger_tests::{Answer, Server};
use serde_json::{Value, json};

fn with_ten_seats(server: &Server) {
    let customer = json!({
        "customer": "acme", "name": "Acme", "programme": "nce", "reseller": "r1", "market": "FR",
        "currency": "EUR", "reason": "test",
    });
    assert_eq!(server.post("/v1/customers", &customer).status, 201);
    let purchase = json!({
        "subscription": "s1", "offer": "office-365-e3", "term": "P1Y", "billing": "annual",
        "quantity": 10, "reason": "test",
    });
    assert_eq!(server.post("/v1/customers/acme/subscriptions", &purchase).status, 201);
}

fn add_seats(server: &Server, key: &str) -> Answer {
    let body = json!({ "seats": 1, "reason": "test" }).to_string();
    let path = "/v1/customers/acme/subscriptions/s1/add-seats";
    server.send("POST", path, &[("idempotency-key", key)], &body)
}

fn at_once(server: &Server, keys: &[String]) -> Vec<Answer> {
    thread::scope(|scope| {
        let callers: Vec<_> =
            keys.iter().map(|key| scope.spawn(move || add_seats(server, key))).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    })
}

#[test]
fn the_same_command_twice_at_once_is_carried_out_once() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_with_offers(&dir.path().join("data"));
    with_ten_seats(&server);
    let answers = at_once(&server, &["once".to_owned(), "once".to_owned()]);
    let hits = answers.iter().filter(|a| a.header("idempotency-hit") == Some("true")).count();
    assert_eq!(hits, 1, "{answers:?}");
    assert_eq!(answers[0].text, answers[1].text, "both get the same answer");
    let customer = server.get("/v1/customers/acme");
    assert_eq!(customer["version"], json!(3), "{customer}");
}

#[test]
fn sixty_four_additions_at_once_add_up() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_with_offers(&dir.path().join("data"));
    with_ten_seats(&server);
    let keys: Vec<String> = (0..64).map(|number| format!("add-{number}")).collect();
    let answers = at_once(&server, &keys);
    let mut versions: Vec<u64> =
        answers.iter().map(|answer| answer.json()["version"].as_u64().unwrap()).collect();
    versions.sort_unstable();
    assert_eq!(versions, (3..67).collect::<Vec<u64>>(), "one version each, without a gap");

    let last = answers.iter().map(|answer| answer.json()["position"].as_u64().unwrap()).max();
    let path = format!("/v1/customers/acme/subscriptions/s1?min_position={}", last.unwrap());
    let subscription = server.get(&path);
    assert_eq!(subscription["quantity"], json!(74), "{subscription}");
    let lots: u64 = subscription["lots"]
        .as_array()
        .unwrap()
        .iter()
        .map(|lot| lot["seats"].as_u64().unwrap())
        .sum();
    assert_eq!(lots, 74);

    let audit = server.get("/v1/customers/acme/audit?limit=500");
    let deltas: Vec<i64> = audit["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry: &Value| entry["delta"].as_i64().unwrap())
        .collect();
    assert_eq!(deltas.iter().sum::<i64>(), 74, "the audit adds up");
    assert_eq!(deltas.len(), 65);
}
