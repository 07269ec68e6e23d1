//! The built programs: a running server is backed up, killed, and another one goes on with the copy.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;

use ledger_tests::{Server, replay_tool};
use serde_json::{Value, json};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_backup_of_a_running_server_is_restored_on_another_machine() {
    let dir = tempfile::tempdir().unwrap();
    let (data, backups) = (dir.path().join("data"), dir.path().join("backups"));
    let server = Server::start(&data, &["--demo", "--backups", text(&backups)]);
    let add = "/v1/customers/atelier-lumiere/subscriptions/apps-studio/add-seats";
    let body = json!({ "reason": "Two arrivals", "seats": 2 });
    let done = server.post(add, &body);
    assert_eq!(done.status, 200, "{done:?}");
    assert_eq!(server.send("POST", "/v1/checkpoints", &[], "").status, 200);

    let tokens = server.tokens();
    let back_up = ["backup", "--url", server.url(), "--name", "first", "--json"];
    let back_up = [&back_up[..], &["--tokens", text(&tokens)]].concat();
    let made = replay_tool(&back_up);
    assert_eq!(made.code, Some(0), "{made:?}");
    let told: Value = serde_json::from_str(&made.stdout).unwrap();
    assert_eq!(told["backup"], "first");
    assert_eq!(told["log"]["position"], done.json()["position"]);
    let again = replay_tool(&back_up);
    assert_eq!(again.code, Some(2), "{again:?}");
    assert!(again.stderr.contains("first already: choose another name"), "{again:?}");
    let support = dir.path().join("support.token");
    fs::write(&support, server.token("support")).unwrap();
    let refused = replay_tool(&[
        "backup",
        "--url",
        server.url(),
        "--name",
        "second",
        "--token-file",
        text(&support),
    ]);
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.stderr.contains("use an operator token"), "{refused:?}");
    let customer = server.send("GET", "/v1/customers/atelier-lumiere", &[], "");
    drop(server);

    let copy = backups.join("first");
    let verified = replay_tool(&["verify", "--data", text(&copy)]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let restored = dir.path().join("restored");
    fs::rename(&copy, &restored).unwrap();
    fs::copy(data.join("tokens.toml"), restored.join("tokens.toml")).unwrap();
    fs::copy(data.join("keys/checkpoint.key"), restored.join("keys/checkpoint.key")).unwrap();
    let server = Server::start(&restored, &[]);
    assert_eq!(server.send("GET", "/v1/customers/atelier-lumiere", &[], "").text, customer.text);
    assert_eq!(server.post(add, &body).status, 200);
    let signed = server.send("POST", "/v1/checkpoints", &[], "");
    assert_eq!(signed.status, 200, "{signed:?}");
}
