//! Figures of the running server, read by the official Prometheus client.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::Command;

use ledger_tests::{Server, python, run};
use serde_json::{Value, json};

fn scrape(server: &Server, dir: &Path) -> Vec<Value> {
    let answer = server.send("GET", "/metrics", &[], "");
    assert_eq!(answer.status, 200, "{answer:?}");
    let scraped = dir.join("scraped");
    std::fs::write(&scraped, &answer.text).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/metrics/parse.py");
    let ran = run(Command::new(python()).arg(script).arg(&scraped));
    assert_eq!(ran.code, Some(0), "{}\n{}", answer.text, ran.stderr);
    ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn value(samples: &[Value], name: &str, labels: &Value) -> u64 {
    let found = samples.iter().find(|s| s["name"] == name && s["labels"] == *labels);
    found.map_or(0, |sample| sample["value"].as_u64().unwrap())
}

#[test]
fn prometheus_reads_the_figures_and_sees_commands_come() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"), &["--demo"]);
    let before = scrape(&server, dir.path());
    let customers = server.get("/v1/customers");
    let customers = customers["data"].as_array().unwrap();
    let customer = customers[0]["customer"].as_str().unwrap();
    let asked = json!({ "reason": "looked after" });
    let path = format!("/v1/customers/{customer}/delegated-admin/grant");
    for _ in 0..2 {
        let answer = server.post(&path, &asked);
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    let after = scrape(&server, dir.path());
    let commands = |samples: &[Value]| {
        let of = |outcome| value(samples, "ledger_commands_total", &json!({ "outcome": outcome }));
        of("done") + of("unchanged")
    };
    assert_eq!(commands(&after), commands(&before) + 2);
    let route =
        json!({ "route": "/v1/customers/{customer}/delegated-admin/grant", "status": "200" });
    assert_eq!(value(&after, "ledger_http_requests_total", &route), 2);
    let answered = value(&after, "ledger_command_duration_seconds_count", &json!({}));
    assert_eq!(answered, value(&before, "ledger_command_duration_seconds_count", &json!({})) + 2);
    let position = value(&after, "ledger_log_position", &json!({}));
    assert!(value(&after, "ledger_views_position", &json!({})) <= position);
    assert!(0 < value(&after, "process_resident_memory_bytes", &json!({})));
    for sample in &after {
        let labels = sample["labels"].to_string();
        for customer in customers {
            let id = customer["customer"].as_str().unwrap();
            assert!(!labels.contains(id), "{sample} names a customer");
        }
    }
}
