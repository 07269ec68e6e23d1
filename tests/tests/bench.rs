//! Measuring a running server.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use ledger_tests::{Server, replay_tool};
use serde_json::Value;

#[test]
fn a_server_is_measured_by_commands_to_customers_of_the_measurement_only() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_with_offers(&dir.path().join("data"));
    let token = dir.path().join("token");
    std::fs::write(&token, server.token("operator")).unwrap();
    let asked = [
        &["bench", "http", "--server", server.url(), "--token-file", token.to_str().unwrap()][..],
        &["--customers", "3", "--connections", "2", "--commands", "1000", "--json"],
    ];
    let asked = asked.concat();
    for (more, is_bulk) in [(&[][..], false), (&["--bulk"][..], true)] {
        let ran = replay_tool(&[&asked[..], more].concat());
        assert_eq!(ran.code, Some(0), "{}\n{}", ran.stdout, ran.stderr);
        let measured: Value = serde_json::from_str(&ran.stdout).unwrap();
        let count = |name: &str| measured[name].as_u64().unwrap();
        assert_eq!(count("done") + count("unchanged") + count("refused"), 1000, "{measured}");
        assert!(0 < count("refused") && count("p50_us") <= count("p999_us"), "{measured}");
        assert_eq!((&measured["bulk"], count("connections")), (&Value::from(is_bulk), 2));
    }
    let position = server.get("/v1/customers/bench-00000/history?limit=1");
    assert_eq!(position["has_more"], true, "{position}");
    let customers = server.get("/v1/customers?min_position=1");
    let customers = customers["data"].as_array().unwrap();
    let ids = customers.iter().map(|customer| customer["customer"].as_str().unwrap());
    assert_eq!(ids.collect::<Vec<_>>(), ["bench-00000", "bench-00001", "bench-00002"]);
}

#[test]
fn a_server_without_the_offers_is_not_measured() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"), &[]);
    let token = dir.path().join("token");
    std::fs::write(&token, server.token("operator")).unwrap();
    let token = token.to_str().unwrap();
    let ran = replay_tool(&["bench", "http", "--server", server.url(), "--token-file", token]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(3), ""), "{}", ran.stderr);
    assert!(ran.stderr.contains("needs the catalogue"), "{}", ran.stderr);
}
