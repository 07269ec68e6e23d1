//! Bills of a running server: its answers and the tool's are the same, before and after it is stopped.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use ledger_tests::{Server, replay_tool};
use serde_json::{Value, json};

/// A server whose customer acme has bought ten seats by the month on 31 January 2024; January and February
/// are closed.
fn server(data: &std::path::Path) -> Server {
    let workspace = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let catalogue = workspace.join("ledger-core/catalogues/seeds.toml");
    let clock = ["--clock", "simulated", "--clock-start", "2024-01-31T09:00:00Z"];
    let server =
        Server::start(data, &[&clock[..], &["--catalogue", catalogue.to_str().unwrap()]].concat());
    for (path, body) in [
        (
            "/v1/customers",
            json!({ "reason": "signed", "customer": "acme", "name": "Acme", "market": "FR",
            "programme": "nce", "reseller": "r", "currency": "EUR" }),
        ),
        (
            "/v1/customers/acme/subscriptions",
            json!({ "reason": "order", "subscription": "s1",
            "offer": "office-365-e3", "term": "P1Y", "billing": "monthly", "quantity": 10 }),
        ),
        (
            "/v1/billing/terms",
            json!({ "reason": "contract", "version": "t", "from": "2024-01",
            "terms": { "issuer": "Partner SA", "taxes": { "FR": "20" }, "margin_percent": "10" } }),
        ),
        ("/v1/clock", json!({ "to": "2024-03-02T09:00:00Z" })),
        ("/v1/billing/periods/2024-01/close", json!({ "reason": "month end" })),
        ("/v1/billing/periods/2024-02/close", json!({ "reason": "month end" })),
    ] {
        let answer = server.post(path, &body);
        assert!(answer.status < 300, "{path}: {answer:?}");
    }
    server
}

fn told(args: &[&str], source: &[&str]) -> String {
    let ran = replay_tool(&[args, source].concat());
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{args:?}\n{}", ran.stdout);
    ran.stdout
}

#[test]
fn the_server_and_the_tool_say_the_same_of_every_bill() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = server(&data);
    let (url, tokens) = (server.url().to_owned(), server.tokens());
    let running = ["--url", &url, "--tokens", tokens.to_str().unwrap()];
    let stopped = ["--data", data.to_str().unwrap()];

    let asked: [(&[&str], &str); 5] = [
        (&["explain", "acme/s1/2024-02-29", "--json"], "/v1/explain?id=acme/s1/2024-02-29"),
        (&["explain", "acme/2.1", "--json"], "/v1/explain?id=acme/2.1"),
        (&["statement", "3", "--json"], "/v1/statements/000003"),
        (&["statement", "4", "--json"], "/v1/statements/000004"),
        (&["statement", "--reseller", "r", "--period", "2024-02", "--json"], "/v1/statements/4"),
    ];
    let mut before = Vec::new();
    for (args, path) in asked {
        let said = told(args, &running);
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(said, server.get(path), "{args:?}");
        before.push(said);
    }
    let preview = "/v1/customers/acme/statements/preview?period=2024-03";
    let args = ["statement", "--customer", "acme", "--period", "2024-03", "--json"];
    let said: Value = serde_json::from_str(&told(&args, &running)).unwrap();
    assert_eq!(said, server.get(preview)["data"][0]);
    let proved = "bills: 2 closed period(s) drawn again, 4 statements, 2 lines";
    assert!(told(&["verify"], &running).contains(proved));

    let logged = server.stop();
    assert!(!logged.contains("panicked"), "{logged}");
    for ((args, _), said) in asked.into_iter().zip(before) {
        let again: Value = serde_json::from_str(&told(args, &stopped)).unwrap();
        assert_eq!(again, said, "{args:?}");
    }
    assert!(told(&["verify"], &stopped).contains(proved));
}
