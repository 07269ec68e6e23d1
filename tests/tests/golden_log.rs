//! A data folder that the first version wrote: the present programs verify it, fold it to the same states, and
//! carry on with a copy of it. `tests/golden/README.md` tells how it was made.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

use ledger_tests::{Answer, Server, replay_tool};
use serde_json::{Value, json};

const STUDIO: &str = "/v1/customers/atelier-lumiere/subscriptions/proplus-studio";
const WRITTEN_UNTIL: &str = "2026-01-14T09:00:00Z";

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// A copy of the old folder, to be written to.
fn old_folder() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    copy(&golden("data-folder-v1"), &data);
    (dir, data)
}

/// Fails unless all that the old version said holds still; the present one may say more.
fn still_holds(path: &str, old: &Value, now: &Value) {
    match (old, now) {
        (Value::Object(old), Value::Object(now)) => {
            for (key, value) in old {
                still_holds(&format!("{path}.{key}"), value, now.get(key).unwrap_or(&Value::Null));
            }
        }
        (Value::Array(old), Value::Array(now)) => {
            assert_eq!(old.len(), now.len(), "{path}: {old:?} became {now:?}");
            for (old, now) in old.iter().zip(now) {
                still_holds(path, old, now);
            }
        }
        // A planned quantity was a number; now it is one of several things that can be planned.
        (Value::Number(_), Value::Object(planned)) => {
            assert_eq!(Some(old), planned.get("quantity"), "{path}");
        }
        // Delegated administration was there or not; now it has services and an end.
        (Value::Bool(false), Value::Null) => {}
        _ => assert_eq!(old, now, "{path}"),
    }
}

fn send(server: &Server, path: &str, key: &str, body: &Value) -> Answer {
    server.send("POST", path, &[("idempotency-key", key)], &body.to_string())
}

#[test]
fn a_folder_of_the_first_version_verifies_and_folds_to_what_it_said_then() {
    let (_dir, data) = old_folder();
    let data = data.to_str().unwrap();
    let verified = replay_tool(&["verify", "--data", data]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
    assert!(verified.stdout.contains("87 commits in 4 streams, 94 events"), "{verified:?}");

    let states = fs::read_to_string(golden("data-folder-v1.states.json")).unwrap();
    let states: Value = serde_json::from_str(&states).unwrap();
    assert_eq!(states.as_object().unwrap().len(), 3);
    for (customer, old) in states.as_object().unwrap() {
        let arguments = ["state", customer, "--as-of", WRITTEN_UNTIL, "--json", "--data", data];
        let told = replay_tool(&arguments);
        assert_eq!(told.code, Some(0), "{told:?}");
        let now: Value = serde_json::from_str(&told.stdout).unwrap();
        still_holds(customer, old, &now["customer"]);
    }
}

#[test]
fn the_present_server_carries_on_where_the_first_version_stopped() {
    let (_dir, data) = old_folder();
    let server = Server::start(&data, &[]);
    let customers = server.get("/v1/customers");
    assert_eq!(customers["data"].as_array().unwrap().len(), 3, "{customers}");
    let studio = server.get(STUDIO);
    assert_eq!(studio["quantity"], 14, "the views are made anew: {studio}");

    let add = json!({ "seats": 2, "reason": "Two arrivals" });
    let again = send(&server, &format!("{STUDIO}/add-seats"), "golden-add", &add);
    assert_eq!((again.status, again.json()["version"].as_u64()), (200, Some(39)), "{again:?}");
    assert_eq!(again.header("idempotency-hit"), Some("true"));
    let remove = json!({ "seats": 5, "reason": "Too late" });
    let refused = send(&server, &format!("{STUDIO}/remove-seats"), "golden-refused", &remove);
    assert_eq!((refused.status, &refused.json()["code"]), (422, &json!("SEATS_NOT_REFUNDABLE")));
    assert_eq!(refused.header("idempotency-hit"), Some("true"));

    let under_old_rules = send(&server, &format!("{STUDIO}/add-seats"), "next", &add);
    assert_eq!(under_old_rules.status, 200, "{under_old_rules:?}");
    let answer = under_old_rules.json();
    assert_eq!(answer["version"], 41, "{answer}");
    let dropped =
        json!({ "event": "ScheduledChangeDropped", "cause": "seats-added", "quantity": 20 });
    still_holds("what was planned then", &dropped, &answer["events"][1]);
    assert_eq!(answer["events"][0]["rules"]["catalogue"], "seeds-1", "{answer}");

    let data = server.data().to_owned();
    drop(server);
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ledger-core/catalogues/seeds.toml");
    let server = Server::start(&data, &["--catalogue", seeds.to_str().unwrap()]);
    let under_new_rules = send(&server, &format!("{STUDIO}/add-seats"), "after", &add).json();
    assert_eq!(under_new_rules["events"][0]["rules"]["catalogue"], "seeds-2", "{under_new_rules}");
    assert_eq!(under_new_rules["events"][0]["quantity"], json!({ "from": 16, "to": 18 }));

    let clock = server.post("/v1/clock", &json!({ "to": "2027-02-01T09:00:00Z" }));
    assert_eq!(clock.status, 200, "{clock:?}");
    let renewed = server.get(STUDIO);
    assert_eq!(renewed["term_end"], "2028-01-07", "old terms are renewed: {renewed}");
    assert_eq!(renewed["quantity"], 18);
    let said = server.stop();
    assert!(!said.contains("ERROR"), "{said}");
    let verified = replay_tool(&["verify", "--data", data.to_str().unwrap()]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
}
