//! The figures for Prometheus.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use serde_json::json;
use support::{Server, seats};

const ADD: &str = "/v1/customers/acme/subscriptions/s1/add-seats";

/// The value of a sample, by its name and labels as they are written; zero when it is not there yet.
async fn figure(server: &Server, sample: &str) -> u64 {
    let answer = server.by("support", "GET", "/metrics").send().await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let line = answer.text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse().unwrap())
}

#[tokio::test]
async fn a_command_is_counted_by_what_became_of_it() {
    let server = Server::with_acme().await;
    let count = |outcome: &str| format!("ledger_commands_total{{outcome=\"{outcome}\"}}");
    let done = figure(&server, &count("done")).await;
    let add = || server.by("operator", "POST", ADD).header("idempotency-key", "k");
    add().json(&seats(1)).send().await.ok();
    assert_eq!(figure(&server, &count("done")).await, done + 1);
    add().json(&seats(1)).send().await.ok();
    assert_eq!(figure(&server, &count("hit")).await, 1);
    add().json(&seats(2)).send().await.problem(409, "COMMAND_ID_REUSED");
    assert_eq!(figure(&server, &count("COMMAND_ID_REUSED")).await, 1);
    let none = json!({ "reason": "r", "seats": 0 });
    server.by("operator", "POST", ADD).json(&none).send().await.problem(422, "QUANTITY_ZERO");
    assert_eq!(figure(&server, &count("refused")).await, 1);
    let renew = json!({ "reason": "r", "action": "renew" });
    let end_of_term = "/v1/customers/acme/subscriptions/s1/end-of-term";
    server.by("operator", "POST", end_of_term).json(&renew).send().await.ok();
    assert_eq!(figure(&server, &count("unchanged")).await, 1);
    let all = figure(&server, "ledger_command_duration_seconds_count").await;
    assert_eq!(all, done + 5);
}

#[tokio::test]
async fn a_request_is_counted_by_its_template_and_names_no_customer() {
    let server = Server::with_acme().await;
    let route = "/v1/customers/{customer}/subscriptions/{subscription}/add-seats";
    let count = format!("ledger_http_requests_total{{route=\"{route}\",status=\"200\"}}");
    assert_eq!(figure(&server, &count).await, 0);
    server.by("operator", "POST", ADD).json(&seats(1)).send().await.ok();
    assert_eq!(figure(&server, &count).await, 1);
    server.by("operator", "GET", "/acme/of/others").send().await.problem(404, "ROUTE_UNKNOWN");
    let unknown = "ledger_http_requests_total{route=\"none\",status=\"404\"}";
    assert_eq!(figure(&server, unknown).await, 1);
    let answer = server.by("operator", "GET", "/metrics").send().await;
    assert!(!answer.text.contains("acme") && !answer.text.contains("s1"), "{}", answer.text);
}

#[tokio::test]
async fn the_figures_tell_how_far_log_and_views_are() {
    let server = Server::with_acme().await;
    let done = server.by("operator", "POST", ADD).json(&seats(1)).send().await.ok();
    let position = done["position"].as_u64().unwrap();
    let seen = format!("/v1/customers?min_position={position}");
    server.by("operator", "GET", &seen).send().await.ok();
    assert_eq!(figure(&server, "ledger_log_position").await, position);
    assert_eq!(figure(&server, "ledger_views_position").await, position);
    assert_eq!(figure(&server, "ledger_views_lag_commits").await, 0);
    assert!(0 < figure(&server, "process_resident_memory_bytes").await);
}

#[tokio::test]
async fn the_figures_are_for_operators_and_support() {
    let server = Server::with_acme().await;
    server.ask("GET", "/metrics").send().await.problem(401, "TOKEN_MISSING");
    for role in ["billing", "reseller-r", "admin-acme", "viewer-acme"] {
        let answer = server.by(role, "GET", "/metrics").send().await;
        answer.problem(403, "ROLE_NOT_ALLOWED");
    }
    let answer = server.by("operator", "GET", "/metrics").send().await;
    assert_eq!(answer.status, 200);
    let media_type = answer.header("content-type");
    assert!(media_type.starts_with("application/openmetrics-text"), "{media_type}");
}
