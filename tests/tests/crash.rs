//! `kill -9` under load, again and again: nothing acknowledged is lost, and the views follow.
//!
//! `LEDGER_KILLS=1000` kills more often, `LEDGER_FIRST_SEED=4711` at other moments.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ledger_tests::{Numbers, Server, replay_tool};
use serde_json::{Value, json};

/// How often every run kills.
const KILLS: u32 = 50;
const CUSTOMERS: u64 = 4;
const CALLERS: u64 = 8;

/// What was acknowledged: command id -> customer and version.
type Acknowledged = BTreeMap<String, (String, u64)>;

fn prepare(server: &Server) {
    for number in 0..CUSTOMERS {
        let customer = json!({
            "customer": format!("c{number}"), "name": "Acme", "programme": "nce", "reseller": "r1",
            "market": "FR", "currency": "EUR", "reason": "test",
        });
        assert_eq!(server.post("/v1/customers", &customer).status, 201);
        let purchase = json!({
            "subscription": "s1", "offer": "office-365-e3", "term": "P1Y", "billing": "annual",
            "quantity": 10, "reason": "test",
        });
        let path = format!("/v1/customers/c{number}/subscriptions");
        assert_eq!(server.post(&path, &purchase).status, 201);
    }
}

/// Sends commands from several threads until the server is gone; kills it after `acks` answers.
fn load_and_kill(server: Server, round: u32, acks: u64, all: &mut Acknowledged) {
    let acknowledged = Mutex::new(Acknowledged::new());
    let (count, gone) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (server, acknowledged, count, gone) = (&server, &acknowledged, &count, &gone);
            scope.spawn(move || {
                let customer = format!("c{}", caller % CUSTOMERS);
                let path = format!("/v1/customers/{customer}/subscriptions/s1/renewal-quantity");
                for number in 0_u64.. {
                    let id = format!("r{round}-{caller}-{number}");
                    let quantity = 11 + (u64::from(round) + caller * 7 + number) % 200;
                    let body = json!({ "quantity": quantity, "reason": "load" }).to_string();
                    let headers = [("idempotency-key", id.as_str())];
                    let Ok(answer) = server.try_send("POST", &path, &headers, &body) else {
                        return;
                    };
                    assert_eq!(answer.status, 200, "{answer:?}");
                    let answer = answer.json();
                    if answer["unchanged"] == json!(false) {
                        let version = answer["version"].as_u64().unwrap();
                        acknowledged.lock().unwrap().insert(id, (customer.clone(), version));
                    }
                    count.fetch_add(1, Ordering::SeqCst);
                    if gone.load(Ordering::SeqCst) {
                        return;
                    }
                }
            });
        }
        while count.load(Ordering::SeqCst) < acks {
            std::thread::yield_now();
        }
        server.signal("KILL");
        gone.store(true, Ordering::SeqCst);
    });
    server.kill();
    all.append(&mut acknowledged.into_inner().unwrap());
}

fn everything_is_there(server: &Server, acknowledged: &Acknowledged) {
    let mut found = BTreeMap::new();
    for number in 0..CUSTOMERS {
        let customer = format!("c{number}");
        let mut path = format!("/v1/customers/{customer}/history?limit=500");
        let mut next_version = 1;
        loop {
            let page = server.get(&path);
            for commit in page["data"].as_array().unwrap() {
                assert_eq!(commit["version"], json!(next_version), "versions have no gap");
                next_version += 1;
                let id = commit["command_id"].as_str().unwrap().to_owned();
                let twice = found.insert(id, (customer.clone(), next_version - 1));
                assert_eq!(twice, None, "a command is carried out once");
            }
            if page["has_more"] != json!(true) {
                break;
            }
            let next = page["next"].as_str().unwrap();
            path = format!("/v1/customers/{customer}/history?limit=500&cursor={next}");
        }
    }
    for (id, place) in acknowledged {
        assert_eq!(found.get(id), Some(place), "{id} was acknowledged");
    }
}

fn verify(data: &Path) {
    let verified = replay_tool(&["verify", "--data", data.to_str().unwrap()]);
    assert_eq!(verified.code, Some(0), "{}\n{}", verified.stdout, verified.stderr);
}

#[test]
fn nothing_acknowledged_is_lost_however_often_it_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut numbers = Numbers::new(variable("LEDGER_FIRST_SEED", 0x5eed_0001));
    let kills = variable("LEDGER_KILLS", KILLS);
    let mut acknowledged = Acknowledged::new();
    let server = Server::start_with_offers(&data);
    prepare(&server);
    let _ = server.stop();
    for round in 0..kills {
        let server = Server::start_with_offers(&data);
        load_and_kill(server, round, 5 + numbers.below(60), &mut acknowledged);
        verify(&data);
    }
    assert!(u64::from(kills) * 5 < u64::try_from(acknowledged.len()).unwrap());

    let server = Server::start_with_offers(&data);
    everything_is_there(&server, &acknowledged);
    let kept = server.get("/v1/views");
    let stderr = server.stop();
    assert!(!stderr.contains("set aside"), "the views were kept: {stderr}");
    views_equal_a_rebuild(&data, &kept);
}

fn variable<T: FromStr>(name: &str, otherwise: T) -> T {
    let value = std::env::var(name).ok();
    value.map_or(otherwise, |value| value.parse().ok().expect("the variable holds a number"))
}

/// Compares digests over all bytes of the views: kept through all kills, and made from the log alone.
fn views_equal_a_rebuild(data: &Path, kept: &Value) {
    let (data, into) = (data.to_str().unwrap(), data.with_extension("rebuilt"));
    let rebuilt = ["rebuild", "--json", "--data", data, "--into", into.to_str().unwrap()];
    let rebuilt = replay_tool(&rebuilt);
    assert_eq!(rebuilt.code, Some(0), "{}\n{}", rebuilt.stdout, rebuilt.stderr);
    let rebuilt: Value = serde_json::from_str(&rebuilt.stdout).unwrap();
    assert_eq!(rebuilt["digest"], kept["digest"]);
    assert_eq!(rebuilt["commits"], kept["position"]);
}
