//! What the README promises: the first command starts a ledger and names three things to try.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::Command;

use ledger_tests::{Server, replay_tool, run};
use serde_json::json;

#[test]
fn each_of_the_three_things_to_try_works_when_pasted() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"), &["--demo"]);
    let pasted: Vec<&String> = server.banner.iter().filter(|line| line.starts_with("  ")).collect();
    assert_eq!(pasted.len(), 3, "{:?}", server.banner);
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for line in pasted {
        // The test has built the programs without optimisation already.
        let line = line.replace(" --release", "");
        let ran = run(Command::new("bash").args(["-c", &line]).current_dir(workspace));
        assert_eq!(ran.code, Some(0), "{line}\n{}\n{}", ran.stdout, ran.stderr);
        assert!(!ran.stdout.trim().is_empty(), "{line} prints something");
        assert!(!ran.stdout.contains("/problems/"), "{line}\n{}", ran.stdout);
    }
}

#[test]
fn the_tool_answers_the_same_from_a_running_server_and_from_its_stopped_folder() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data, &["--demo"]);
    let customers = server.get("/v1/customers");
    let customer = customers["data"][0]["customer"].as_str().unwrap().to_owned();
    let (url, tokens) = (server.url().to_owned(), server.tokens());
    let running = ["--url", &url, "--tokens", tokens.to_str().unwrap(), "--json"];
    let questions: [&[&str]; 3] = [
        &["history", &customer],
        &["state", &customer, "--as-of", "2025-01-15"],
        &["state", &customer, "--as-of", "2025-01-15", "--known-at", "2024-12-01T00:00:00Z"],
    ];
    let ask = |source: &[&str]| -> Vec<String> {
        let answers = questions.iter().map(|question| replay_tool(&[question, source].concat()));
        answers
            .map(|ran| {
                assert_eq!(ran.code, Some(0), "{}\n{}", ran.stdout, ran.stderr);
                ran.stdout
            })
            .collect()
    };
    let from_server = ask(&running);
    let verified = replay_tool(&[&["verify"], &running[..]].concat());
    assert_eq!(verified.code, Some(0), "{}\n{}", verified.stdout, verified.stderr);

    let locked = replay_tool(&["verify", "--data", data.to_str().unwrap()]);
    assert_eq!(locked.code, Some(3), "{}\n{}", locked.stdout, locked.stderr);
    assert!(locked.stderr.contains("--url"), "{}", locked.stderr);

    let _ = server.stop();
    let stopped = ["--data", data.to_str().unwrap(), "--json"];
    assert_eq!(ask(&stopped), from_server);
    let verified = replay_tool(&[&["verify"], &stopped[..]].concat());
    assert_eq!(verified.code, Some(0), "{}\n{}", verified.stdout, verified.stderr);
}

#[test]
fn a_year_passes_in_seconds_and_every_term_is_renewed_once() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"), &["--demo"]);
    let before = server.get("/v1/due");
    assert!(!before["data"].as_array().unwrap().is_empty());
    let moved = server.post("/v1/clock", &json!({ "advance": "P366D" }));
    assert_eq!(moved.status, 200, "{moved:?}");
    let now = server.get("/v1/clock");
    let now = now["now"].as_str().unwrap();
    for due in server.get("/v1/due")["data"].as_array().unwrap() {
        assert!(now < due["due_at"].as_str().unwrap(), "{due} was carried out by {now}");
    }
}
