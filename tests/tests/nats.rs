//! Publishing to a real NATS server, read by a client that shares no code with the ledger.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::Command;

use ledger_tests::{Nats, Ran, Server, python, run};
use serde_json::{Value, json};

fn subscriber(args: &[&str]) -> Ran {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("nats/subscriber.py");
    let ran = run(Command::new(python()).arg(script).args(args));
    assert_eq!(ran.code, Some(0), "{args:?}: {}\n{}", ran.stdout, ran.stderr);
    ran
}

fn events(nats: &Nats, durable: &str, last_id: &str, count: Option<&str>) -> Vec<Value> {
    let url = nats.url();
    let mut args = vec!["events", &url, durable, last_id];
    args.extend(count);
    let ran = subscriber(&args);
    ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn ids(events: &[Value]) -> Vec<String> {
    events.iter().map(|event| event["event"]["id"].as_str().unwrap().to_owned()).collect()
}

fn customers(server: &Server) -> Vec<String> {
    let customers = server.get("/v1/customers");
    let customers = customers["data"].as_array().unwrap();
    customers.iter().map(|customer| customer["customer"].as_str().unwrap().to_owned()).collect()
}

/// Ids of all events of all customers, in the order of the log.
fn recorded(server: &Server) -> Vec<String> {
    let mut commits = Vec::new();
    for customer in customers(server) {
        let history = server.get(&format!("/v1/customers/{customer}/history?limit=500"));
        assert_eq!(history["has_more"], json!(false));
        commits.extend(history["data"].as_array().unwrap().clone());
    }
    commits.sort_by_key(|commit| commit["position"].as_u64());
    let events = commits.iter().flat_map(|commit| commit["events"].as_array().unwrap());
    events.map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

fn of_customers(events: &[Value]) -> Vec<String> {
    ids(events).into_iter().filter(|id| !id.starts_with('@')).collect()
}

#[test]
fn a_foreign_client_reads_every_event_once_and_resumes_where_it_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let nats = Nats::start(&dir.path().join("nats"));
    let data = dir.path().join("data");
    let server = Server::start(&data, &["--demo", "--nats", &nats.url()]);
    let recorded = recorded(&server);
    let last = recorded.last().unwrap();

    let first = events(&nats, "audit", last, Some("10"));
    assert_eq!(first.len(), 10);
    let rest = events(&nats, "audit", last, None);
    let all = [first, rest].concat();
    assert_eq!(of_customers(&all), recorded, "every event once, in order, over a stop");

    let added = all.iter().find(|e| e["event"]["type"].as_str().unwrap().contains("seats-added"));
    let added = added.unwrap();
    assert!(added["subject"].as_str().unwrap().ends_with(".seats-added"), "{added}");
    assert_eq!(added["event"]["specversion"], "1.0");
    let position = added["event"]["ledgerposition"].as_str().unwrap();
    assert!(position.len() == 20 && position.parse::<u64>().is_ok(), "{added}");
    assert!(added["event"]["data"]["quantity"]["from"].is_u64(), "{added}");

    server.kill();
    let server = Server::start(&data, &["--demo", "--nats", &nats.url()]);
    let customer = &customers(&server)[0];
    let grant = server.post(
        &format!("/v1/customers/{customer}/delegated-admin/revoke"),
        &json!({ "reason": "test" }),
    );
    assert_eq!(grant.status, 200, "{grant:?}");
    let after_kill = if grant.json()["unchanged"] == json!(true) {
        server.post(
            &format!("/v1/customers/{customer}/delegated-admin/grant"),
            &json!({ "reason": "test" }),
        )
    } else {
        grant
    };
    let last = after_kill.json()["events"][0]["id"].as_str().unwrap().to_owned();
    let more = events(&nats, "audit", &last, None);
    assert_eq!(ids(&more), [last], "nothing is published twice after a kill");
}

#[test]
fn the_key_value_buckets_hold_what_the_views_hold() {
    let dir = tempfile::tempdir().unwrap();
    let nats = Nats::start(&dir.path().join("nats"));
    let server = Server::start(&dir.path().join("data"), &["--demo", "--nats", &nats.url()]);
    let customer = customers(&server)[0].clone();
    let path = format!("/v1/customers/{customer}/subscriptions");
    let subscriptions = server.get(&path)["data"].as_array().unwrap().clone();
    assert!(!subscriptions.is_empty());
    let newest = subscriptions.iter().max_by_key(|doc| doc["position"].as_u64()).unwrap();
    let key = format!("{customer}.{}", newest["subscription"].as_str().unwrap());
    let position = newest["position"].to_string();
    let bucket = subscriber(&["bucket", &nats.url(), "rm_subscriptions", &key, &position]);
    let bucket: Value = serde_json::from_str(&bucket.stdout).unwrap();
    for doc in &subscriptions {
        let key = format!("{customer}.{}", doc["subscription"].as_str().unwrap());
        assert_eq!(&bucket[&key], doc, "{key}");
    }
}

/// Id of the key that signs the checkpoints of a data folder.
fn key_id(data: &Path) -> String {
    let key = std::fs::read_to_string(data.join("keys/checkpoint.pub")).unwrap();
    key.split('+').nth(1).unwrap().to_owned()
}

#[test]
fn every_checkpoint_is_published_once_and_those_of_earlier_runs_are_made_up_for() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let sign = |server: &Server| server.send("POST", "/v1/checkpoints", &[], "").text;
    let nats = Nats::start(&dir.path().join("nats"));
    let server = Server::start(&data, &["--demo"]);
    let first = sign(&server);
    let path = format!("/v1/customers/{}/delegated-admin", customers(&server)[0]);
    let _ = server.post(&format!("{path}/grant"), &json!({ "reason": "test" }));
    let _ = server.post(&format!("{path}/revoke"), &json!({ "reason": "test" }));
    let second = sign(&server);
    assert_ne!(first, second);
    let _ = server.stop();

    let key_id = key_id(&data);
    let key = |number: u64| format!("{key_id}.{number:020}");
    let notes = |number: u64| -> Value {
        let key = key(number);
        let ran = subscriber(&["notes", &nats.url(), "checkpoints", &key]);
        serde_json::from_str(&ran.stdout).unwrap()
    };
    let published = ["--demo", "--nats", &nats.url()];
    let server = Server::start(&data, &published);
    let expected = json!({ key(1): first, key(2): second });
    assert_eq!(notes(2), expected);
    server.kill();
    let server = Server::start(&data, &published);
    let _ = server.post(&format!("{path}/grant"), &json!({ "reason": "test" }));
    let third = sign(&server);
    assert_eq!(notes(3)[key(3)], third);
    assert_eq!(notes(1)[key(1)], first);
}

#[test]
fn a_ledger_that_has_signed_another_past_publishes_none_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let nats = Nats::start(&dir.path().join("nats"));
    let published = ["--demo", "--nats", &nats.url()];
    let sign = |server: &Server| server.send("POST", "/v1/checkpoints", &[], "").text;
    let server = Server::start(&data, &published);
    let _ = sign(&server);
    let key = format!("{}.{:020}", key_id(&data), 1);
    let note = || subscriber(&["notes", &nats.url(), "checkpoints", &key]).stdout;
    let kept = note();
    let path = format!("/v1/customers/{}/delegated-admin", customers(&server)[0]);
    let _ = server.post(&format!("{path}/grant"), &json!({ "reason": "test" }));
    let _ = server.post(&format!("{path}/revoke"), &json!({ "reason": "test" }));
    server.kill();
    // Who has the key can begin again with another first checkpoint.
    std::fs::write(data.join("proofs/checkpoints"), "").unwrap();
    let server = Server::start(&data, &published);
    let _ = sign(&server);
    server.wait_for_stderr(&format!(
        "checkpoint {key} in the bucket checkpoints is not the one of this ledger"
    ));
    assert_eq!(note(), kept);
    let reason = "Checkpoints are not published over NATS; the ledger's log says why.";
    let ready = server.send("GET", "/readyz", &[], "");
    assert_eq!(ready.json()["reasons"], json!([reason]), "{}", server.stop());
    assert_eq!(ready.status, 200);
}

#[test]
fn a_ledger_that_had_to_begin_with_a_new_key_publishes_its_checkpoints_beside_the_old_ones() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let nats = Nats::start(&dir.path().join("nats"));
    let published = ["--demo", "--nats", &nats.url()];
    let sign = |server: &Server| server.send("POST", "/v1/checkpoints", &[], "").text;
    let notes = |key: &str| -> Value {
        let ran = subscriber(&["notes", &nats.url(), "checkpoints", key]);
        serde_json::from_str(&ran.stdout).unwrap()
    };
    let server = Server::start(&data, &published);
    let old = sign(&server);
    let old_key = format!("{}.{:020}", key_id(&data), 1);
    assert_eq!(notes(&old_key)[&old_key], old);
    server.kill();
    for folder in ["proofs", "keys"] {
        std::fs::rename(data.join(folder), dir.path().join(folder)).unwrap();
    }
    let server = Server::start(&data, &published);
    let new = sign(&server);
    let new_key = format!("{}.{:020}", key_id(&data), 1);
    assert_eq!(notes(&new_key), json!({ old_key: old, new_key: new }));
}

#[test]
fn the_ledger_goes_on_without_nats_and_publishes_the_backlog_later() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("nats");
    let nats = Nats::start(&store);
    let (url, port) = (nats.url(), nats.port());
    let server = Server::start(&dir.path().join("data"), &["--demo", "--nats", &url]);
    let customer = customers(&server)[0].clone();
    nats.kill();

    let path = format!("/v1/customers/{customer}/delegated-admin");
    let mut last = None;
    for verb in ["grant", "revoke", "grant", "revoke"] {
        let answer = server.post(&format!("{path}/{verb}"), &json!({ "reason": "test" }));
        assert_eq!(answer.status, 200, "{answer:?}");
        if let Some(id) = answer.json()["events"][0]["id"].as_str() {
            last = Some(id.to_owned());
        }
    }
    let last = last.unwrap();
    let nats = Nats::start_on(&store, port);
    let recorded = recorded(&server);
    assert_eq!(recorded.last(), Some(&last));
    assert_eq!(of_customers(&events(&nats, "late", &last, None)), recorded);
}

#[test]
fn without_nats_the_ledger_says_that_publishing_is_off() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"), &[]);
    let banner = server.banner.join("\n");
    assert!(banner.contains("publishing  off"), "{banner}");
}
