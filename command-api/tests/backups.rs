//! Backups by URL: while commands go on, and whatever can be wrong with them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ledger_core::folder::DataFolder;
use ledger_core::ids::{Actor, ActorId, CommandId, CustomerId, Reason, Role, StreamId};
use ledger_core::ledger::{Ledger, LedgerOptions, Request};
use ledger_core::store::CommitLog;
use ledger_core::store::segment::{SegmentLog, SegmentOptions, verify};
use serde_json::{Value, json};
use support::{Answer, Server, seats};
use tempfile::TempDir;

const ADD: &str = "/v1/customers/acme/subscriptions/s1/add-seats";

fn backups(dir: &TempDir) -> PathBuf {
    dir.path().join("backups")
}

async fn start(dir: TempDir, more: &[&str]) -> Server {
    let backups = backups(&dir);
    let args = [&["--backups", backups.to_str().unwrap()], more].concat();
    Server::start(dir, &args).await
}

/// A ledger with the customer `acme`, and a folder for backups.
async fn with_acme() -> Server {
    let server = start(TempDir::new().unwrap(), &["--clock-start", "2026-03-01T09:00:00Z"]).await;
    server.import().await.ok();
    server.register("acme", "r").await.ok();
    server.purchase("acme", "s1").await.ok();
    server
}

async fn back_up(server: &Server, name: &str) -> Answer {
    server.post("/v1/backups", &json!({ "name": name })).await
}

/// Starts another ledger on a backup, with the tokens of the test.
async fn restored(server: &Server, name: &str) -> Server {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    fs::rename(backups(&server.dir).join(name), &data).unwrap();
    support::write_tokens(&data);
    Server::start(dir, &[]).await
}

/// The backup's answer is that of a copy that verifies.
fn check_copy(copy: &Path, made: &Value) {
    let folder = DataFolder::open(copy).unwrap();
    for (dir, told) in [(folder.log(), &made["log"]), (folder.journal(), &made["journal"])] {
        let report = verify(&dir, &mut |_, _| {}).unwrap();
        assert!(report.problems.is_empty(), "{:?}", report.problems);
        assert_eq!(told["position"], report.last_position);
        assert_eq!(told["bytes"], report.bytes);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_backup_under_load_holds_all_that_was_answered_before_it_began() {
    let server = Arc::new(with_acme().await);
    let too_few = || {
        let ask = server.by("operator", "POST", ADD).header("idempotency-key", "too-few");
        ask.json(&seats(0)).send_owned()
    };
    let refusal = too_few().await;
    refusal.problem(422, "QUANTITY_ZERO");
    assert_eq!(server.by("operator", "POST", "/v1/checkpoints").send().await.status, 200);
    let (is_over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writers = (0..8).map(|writer| {
        let (server, is_over) = (Arc::clone(&server), Arc::clone(&is_over));
        let answered = Arc::clone(&answered);
        tokio::spawn(async move {
            let customer = format!("customer-{writer}");
            server.register(&customer, "r").await.ok();
            server.purchase(&customer, "s1").await.ok();
            let add = format!("/v1/customers/{customer}/subscriptions/s1/add-seats");
            while !is_over.load(Ordering::Relaxed) {
                let done = server.post(&add, &seats(1)).await.ok();
                answered.fetch_max(done["position"].as_u64().unwrap(), Ordering::Relaxed);
            }
        })
    });
    let mut writers: Vec<_> = writers.collect();
    writers.push(tokio::spawn({
        let (server, is_over) = (Arc::clone(&server), Arc::clone(&is_over));
        async move {
            while !is_over.load(Ordering::Relaxed) {
                let signed = server.by("operator", "POST", "/v1/checkpoints").send().await;
                assert_eq!(signed.status, 200, "{}", signed.text);
            }
        }
    }));
    let mut copies = Vec::new();
    for (name, beyond) in [("early", 40), ("late", 200)] {
        server.state().ledger.log().wait_beyond(beyond).await.unwrap();
        let before = answered.load(Ordering::Relaxed);
        let made = back_up(&server, name).await;
        assert_eq!(made.status, 201);
        copies.push((name, before, made.ok()));
    }
    is_over.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    let log = server.log().await;
    for (name, before, made) in copies {
        check_copy(&backups(&server.dir).join(name), &made);
        let copy = restored(&server, name).await;
        let held = copy.log().await;
        let position = made["log"]["position"].as_u64().unwrap();
        assert_eq!(held.last().unwrap()["position"], position);
        assert!(0 < before && before <= position, "{before} was answered, {position} copied");
        assert!(log.starts_with(&held), "the copy holds something else");
        let again = copy.by("operator", "POST", ADD).header("idempotency-key", "too-few");
        let again = again.json(&seats(0)).send().await;
        assert_eq!((again.header("idempotency-hit"), &again.text), ("true", &refusal.text));
        assert_eq!(copy.get("/v1/checkpoints/latest").await.status, 200, "none is beyond the log");
        copy.post(ADD, &seats(1)).await.ok();
        assert_eq!(copy.get("/v1/clock").await.ok(), server.get("/v1/clock").await.ok());
    }
}

#[tokio::test]
async fn a_restored_ledger_signs_again_once_it_has_its_key() {
    let server = with_acme().await;
    let signed = server.by("operator", "POST", "/v1/checkpoints").send().await;
    assert_eq!(back_up(&server, "signed").await.status, 201);
    let copy = restored(&server, "signed").await;
    assert_eq!(copy.get("/v1/checkpoints/latest").await.text, signed.text);
    copy.get("/v1/log/3/proof").await.ok();
    copy.post(ADD, &seats(1)).await.ok();
    let sign = || copy.by("operator", "POST", "/v1/checkpoints").send();
    sign().await.problem(503, "PROOFS_STOPPED");
    let key = "data/keys/checkpoint.key";
    fs::copy(server.dir.path().join(key), copy.dir.path().join(key)).unwrap();
    assert_eq!(sign().await.status, 200);
    copy.get("/v1/log/4/proof").await.ok();
}

#[tokio::test]
async fn a_server_without_a_folder_for_backups_says_so() {
    let server = Server::empty().await;
    let off = back_up(&server, "first").await.problem(409, "BACKUPS_OFF");
    assert!(off["detail"].as_str().unwrap().contains("--backups"), "{off}");
}

#[tokio::test]
async fn a_folder_for_backups_within_the_data_folder_is_refused() {
    let dir = TempDir::new().unwrap();
    let within = dir.path().join("data/log");
    let args = ["--backups", within.to_str().unwrap()];
    let server = Server::start(dir, &args).await;
    back_up(&server, "first").await.problem(500, "BACKUP_FAILED");
    assert!(!within.join("first").exists());
}

#[tokio::test]
async fn only_an_operator_makes_backups() {
    let server = with_acme().await;
    for who in ["billing", "support", "reseller-r", "admin-acme", "viewer-acme"] {
        let ask = server.by(who, "POST", "/v1/backups").json(&json!({ "name": "first" }));
        ask.send().await.problem(403, "ROLE_NOT_ALLOWED");
    }
    let ask = server.ask("POST", "/v1/backups").json(&json!({ "name": "first" }));
    ask.send().await.problem(401, "TOKEN_MISSING");
    assert!(!backups(&server.dir).exists());
}

#[tokio::test]
async fn a_name_that_is_none_never_reaches_the_disk() {
    let server = with_acme().await;
    let long = "x".repeat(65);
    for name in ["", ".", "..", "/etc", "../data", "a/b", "a\\b", "a b", "a.b", "a\0", "é", &long]
    {
        back_up(&server, name).await.problem(400, "VALUE_INVALID");
    }
    server.post("/v1/backups", &json!({})).await.problem(400, "MISSING_FIELD");
    server.post("/v1/backups", &json!({ "name": 1 })).await.problem(400, "WRONG_TYPE");
    let more = json!({ "name": "first", "into": "/tmp" });
    server.post("/v1/backups", &more).await.problem(400, "UNKNOWN_FIELD");
    assert!(!backups(&server.dir).exists());
    assert_eq!(back_up(&server, &long[1..]).await.status, 201);
}

#[tokio::test]
async fn a_name_that_is_taken_is_refused_and_left_alone() {
    let server = with_acme().await;
    let made = back_up(&server, "first").await.ok();
    server.post(ADD, &seats(1)).await.ok();
    back_up(&server, "first").await.problem(409, "BACKUP_EXISTS");
    let backups = backups(&server.dir);
    check_copy(&backups.join("first"), &made);
    fs::create_dir(backups.join("empty")).unwrap();
    fs::write(backups.join("file"), "").unwrap();
    let elsewhere = server.dir.path().join("elsewhere");
    std::os::unix::fs::symlink(&elsewhere, backups.join("link")).unwrap();
    for name in ["empty", "file", "link"] {
        back_up(&server, name).await.problem(409, "BACKUP_EXISTS");
    }
    assert!(!elsewhere.exists());
}

/// A backup that has begun and waits for the clock's file, which is a pipe meanwhile.
struct Held {
    clock: PathBuf,
    content: Vec<u8>,
    pipe: fs::File,
    backup: tokio::task::JoinHandle<Answer>,
}

impl Held {
    async fn begin(server: &Server, name: &str) -> Self {
        let clock = server.dir.path().join("data/clock.json");
        let content = fs::read(&clock).unwrap();
        fs::remove_file(&clock).unwrap();
        assert!(Process::new("mkfifo").arg(&clock).status().unwrap().success());
        let ask = server.by("operator", "POST", "/v1/backups").json(&json!({ "name": name }));
        let backup = tokio::spawn(ask.send_owned());
        // A pipe opens once somebody wants to read from it.
        let pipe = clock.clone();
        let open = move || OpenOptions::new().write(true).open(pipe).unwrap();
        let pipe = tokio::task::spawn_blocking(open).await.unwrap();
        Self { clock, content, pipe, backup }
    }

    async fn go_on(mut self) -> Answer {
        fs::remove_file(&self.clock).unwrap();
        fs::write(&self.clock, &self.content).unwrap();
        self.pipe.write_all(&self.content).unwrap();
        drop(self.pipe);
        self.backup.await.unwrap()
    }
}

#[tokio::test]
async fn one_backup_is_made_at_a_time_and_commands_go_on_beside_it() {
    let server = with_acme().await;
    let held = Held::begin(&server, "first").await;
    let second = back_up(&server, "second").await;
    second.problem(409, "BACKUP_RUNNING");
    assert_eq!(second.header("retry-after"), "60");
    server.post(ADD, &seats(1)).await.ok();
    let made = held.go_on().await;
    assert_eq!(made.status, 201);
    check_copy(&backups(&server.dir).join("first"), &made.ok());
    assert_eq!(back_up(&server, "second").await.status, 201);
}

#[tokio::test]
async fn a_server_that_stops_does_not_wait_for_a_backup() {
    let server = with_acme().await;
    let held = Held::begin(&server, "first").await;
    server.state().stopping.send_replace(true);
    held.go_on().await.problem(503, "STOPPING");
    assert!(DataFolder::open(&backups(&server.dir).join("first")).is_err());
}

#[tokio::test]
async fn a_damaged_segment_is_named_and_leaves_no_finished_copy() {
    let server = with_acme().await;
    let Server { running, dir } = server;
    running.stop().await.unwrap();
    let data = DataFolder::open(&dir.path().join("data")).unwrap();
    let log = data.log();
    seal(&data).await;
    let server = start(dir, &[]).await;
    let name = "00000000000000000001.seg";
    let mut bytes = fs::read(log.join(name)).unwrap();
    bytes[300] ^= 1;
    fs::write(log.join(name), bytes).unwrap();
    let problem = back_up(&server, "first").await.problem(500, "LOG_DAMAGED");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.starts_with(&format!("log/{name} is damaged")), "{detail}");
    assert!(DataFolder::open(&backups(&server.dir).join("first")).is_err());
    server.register("other", "q").await.ok();
}

/// Has the log's first segment sealed, as a large one is before the next commit.
async fn seal(data: &DataFolder) {
    let open = |dir: &Path| SegmentLog::open(dir, SegmentOptions { segment_bytes: 1 }).unwrap();
    let ledger = Ledger::open(open(&data.log()), open(&data.journal()), LedgerOptions::default());
    let ledger = ledger.await.unwrap();
    let add = json!({ "command": "AddSeats", "subscription": "s1", "seats": 1 });
    let request = Request {
        stream: StreamId::Customer(CustomerId::try_new("acme").unwrap()),
        command: serde_json::from_value(add).unwrap(),
        command_id: CommandId::try_new("sealing").unwrap(),
        actor: Actor { id: ActorId::try_new("ann").unwrap(), role: Role::Operator },
        reason: Reason::try_new("Order").unwrap(),
        now: "2026-03-01T09:00:00Z".parse().unwrap(),
        correlation_id: None,
        causation_id: None,
        expected_version: None,
    };
    ledger.execute(request).await.unwrap();
    ledger.log().close().unwrap();
    ledger.journal().close().unwrap();
}
