//! Checkpoints and proofs by URL: when something is signed, what is proved, and what a forged log gets.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use ledger_core::commit::Hash;
use ledger_core::merkle::is_consistent;
use ledger_core::proof::Proof;
use ledger_core::proof::checkpoint::Checkpoint;
use ledger_core::proof::note::VerifierKey;
use serde_json::{Value, json};
use support::{Server, seats};

const ADD: &str = "/v1/customers/acme/subscriptions/s1/add-seats";

async fn sign(server: &Server) -> String {
    let signed = server.by("operator", "POST", "/v1/checkpoints").send().await;
    assert_eq!(
        (signed.status.as_u16(), signed.header("content-type")),
        (200, "text/plain; charset=utf-8")
    );
    signed.text
}

fn key(server: &Server) -> VerifierKey {
    let path = server.dir.path().join("data/keys/checkpoint.pub");
    fs::read_to_string(path).unwrap().trim().parse().unwrap()
}

fn hashes(list: &Value) -> Vec<Hash> {
    serde_json::from_value(list.clone()).unwrap()
}

#[tokio::test]
async fn a_checkpoint_is_signed_on_demand_and_when_the_ledger_stops() {
    let server = Server::empty().await;
    server.get("/v1/checkpoints/latest").await.problem(404, "CHECKPOINT_UNKNOWN");
    server.by("operator", "POST", "/v1/checkpoints").send().await.problem(409, "LOG_EMPTY");
    assert_eq!(server.get("/readyz").await.ok()["reasons"], json!([]));
    server.import().await;
    server.register("acme", "r").await.ok();
    let note = sign(&server).await;
    assert_eq!(Checkpoint::open(&note, &[key(&server)]).unwrap().size, 2);
    assert_eq!(server.get("/v1/checkpoints/latest").await.text, note);
    assert_eq!(sign(&server).await, note, "nothing was recorded since");
    server.purchase("acme", "s1").await.ok();
    let server = server.restart().await;
    let list = server.get("/v1/checkpoints?limit=1").await.ok();
    assert_eq!((&list["data"][0]["size"], &list["data"][0]["note"]), (&json!(2), &json!(note)));
    let next = list["next"].as_str().unwrap();
    let rest = server.get(&format!("/v1/checkpoints?cursor={next}")).await.ok();
    assert_eq!((&rest["data"][0]["size"], &rest["has_more"]), (&json!(3), &json!(false)));
}

#[tokio::test]
async fn a_proof_is_checked_with_nothing_but_the_key() {
    let server = Server::with_acme().await;
    sign(&server).await;
    server.post(ADD, &seats(1)).await.ok();
    server.get("/v1/log/4/proof").await.problem(404, "POSITION_NOT_COVERED");
    sign(&server).await;
    for (position, size) in [(1, 3), (2, 3), (3, 4), (4, 4)] {
        let answer = server.get(&format!("/v1/log/{position}/proof?size={size}")).await;
        let proof: Proof = serde_json::from_str(&answer.text).unwrap();
        assert_eq!((proof.position, proof.size), (position, size));
        let commit = proof.check(&key(&server)).unwrap();
        let line = &server.get(&format!("/v1/log?after={}&limit=1", position - 1)).await.lines()[0];
        assert_eq!(line["commit"], proof.commit);
        assert_eq!(commit.hash(), proof.commit_hash);
    }
    server.get("/v1/log/3/proof?size=2").await.problem(404, "CHECKPOINT_UNKNOWN");
    server.get("/v1/log/3/proof?size=x").await.problem(400, "QUERY_INVALID");
    server.get("/v1/log/x/proof").await.problem(400, "ID_INVALID");
    for nowhere in [0, 5] {
        let path = format!("/v1/log/{nowhere}/proof");
        server.get(&path).await.problem(404, "POSITION_UNKNOWN");
    }
}

#[tokio::test]
async fn a_position_of_others_looks_like_none_at_all() {
    let server = Server::with_acme().await;
    server.register("other", "q").await.ok();
    sign(&server).await;
    for who in ["reseller-r", "admin-acme", "viewer-acme"] {
        let ask =
            |position| server.by(who, "GET", &format!("/v1/log/{position}/proof")).send_owned();
        let (theirs, nobodys) = (ask("4").await, ask("9").await);
        theirs.problem(404, "POSITION_UNKNOWN");
        assert_eq!(theirs.text.replace('4', "9"), nobodys.text.replace('4', "9"));
        ask("3").await.ok();
    }
}

#[tokio::test]
async fn a_later_checkpoint_is_proved_to_continue_an_earlier_one() {
    let server = Server::with_acme().await;
    sign(&server).await;
    for _ in 0..3 {
        server.post(ADD, &seats(1)).await.ok();
    }
    sign(&server).await;
    let proof = server.get("/v1/checkpoints/consistency?from=3&to=6").await.ok();
    let of = |name: &str| {
        let note = proof[name].as_str().unwrap();
        let checkpoint = Checkpoint::open(note, &[key(&server)]).unwrap();
        (checkpoint.size, checkpoint.root)
    };
    let path = hashes(&proof["path"]);
    assert!(is_consistent(of("from_checkpoint"), of("to_checkpoint"), &path));
    server.get("/v1/checkpoints/consistency?from=6&to=3").await.problem(400, "QUERY_INVALID");
    server.get("/v1/checkpoints/consistency?from=1&to=6").await.problem(404, "CHECKPOINT_UNKNOWN");
    server.get("/v1/checkpoints/consistency?from=3").await.problem(400, "QUERY_INVALID");
}

#[tokio::test]
async fn a_log_that_is_not_the_one_that_was_signed_still_serves_but_says_so() {
    let server = Server::with_acme().await;
    let Server { running, dir } = server;
    running.stop().await.unwrap();
    let data = dir.path().join("data");
    let (log, kept) = (data.join("log"), dir.path().join("log.kept"));
    fs::rename(&log, &kept).unwrap();
    fs::create_dir(&log).unwrap();
    for entry in fs::read_dir(&kept).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), log.join(entry.file_name())).unwrap();
    }
    // The log goes on, is signed, and is then put back to what it was before.
    let server = Server::start(dir, &[]).await;
    server.post(ADD, &seats(1)).await.ok();
    let Server { running, dir } = server;
    running.stop().await.unwrap();
    fs::remove_dir_all(&log).unwrap();
    fs::rename(&kept, &log).unwrap();
    let before = fs::read(data.join("proofs/checkpoints")).unwrap();

    let server = Server::start(dir, &[]).await;
    server.get("/v1/checkpoints/latest").await.problem(503, "PROOFS_STOPPED");
    server.post(ADD, &seats(1)).await.ok();
    server.by("operator", "POST", "/v1/checkpoints").send().await.problem(503, "PROOFS_STOPPED");
    let ready = server.get("/readyz").await.ok();
    assert_eq!(ready["ready"], true);
    let reason = "The log is not the one that was signed: no checkpoint is signed any more.";
    assert_eq!(ready["reasons"], json!([reason]));
    let server = server.restart().await;
    server.get("/v1/checkpoints").await.problem(503, "PROOFS_STOPPED");
    assert_eq!(fs::read(data.join("proofs/checkpoints")).unwrap(), before);
}

#[tokio::test]
async fn a_key_that_others_can_read_is_told_until_it_is_mended() {
    let server = Server::with_acme().await;
    sign(&server).await;
    server.post(ADD, &seats(1)).await.ok();
    let path = server.dir.path().join("data/keys/checkpoint.key");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    server.by("operator", "POST", "/v1/checkpoints").send().await.problem(503, "PROOFS_STOPPED");
    let reason = "No checkpoint is signed at the moment; the ledger's log says why.";
    assert_eq!(server.get("/readyz").await.ok()["reasons"], json!([reason]));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    sign(&server).await;
    assert_eq!(server.get("/readyz").await.ok()["reasons"], json!([]));
}

#[tokio::test]
async fn checkpoints_that_cannot_be_opened_are_not_read_again_for_every_request() {
    let server = Server::with_acme().await;
    let note = sign(&server).await;
    let Server { running, dir } = server;
    running.stop().await.unwrap();
    let path = dir.path().join("data/proofs/checkpoints");
    let kept = dir.path().join("kept");
    fs::rename(&path, &kept).unwrap();
    let server = Server::start(dir, &[]).await;
    server.get("/v1/checkpoints/latest").await.problem(503, "PROOFS_STOPPED");
    let reason = "No checkpoint is signed at the moment; the ledger's log says why.";
    assert_eq!(server.get("/readyz").await.ok()["reasons"], json!([reason]));
    server.by("operator", "POST", "/v1/checkpoints").send().await.problem(503, "PROOFS_STOPPED");
    fs::rename(&kept, &path).unwrap();
    server.get("/v1/checkpoints/latest").await.problem(503, "PROOFS_STOPPED");
    server.get("/v1/log/1/proof").await.problem(503, "PROOFS_STOPPED");
    assert_eq!(sign(&server).await, note);
    assert_eq!(server.get("/v1/checkpoints/latest").await.text, note);
    assert_eq!(server.get("/readyz").await.ok()["reasons"], json!([]));
}

#[tokio::test]
async fn damaged_hashes_stop_neither_proofs_nor_the_signing() {
    let server = Server::with_acme().await;
    sign(&server).await;
    let path = server.dir.path().join("data/proofs/hashes");
    let mut bytes = fs::read(&path).unwrap();
    bytes[32] ^= 1;
    fs::write(&path, bytes).unwrap();
    for position in 1..4 {
        let answer = server.get(&format!("/v1/log/{position}/proof")).await;
        let proof: Proof = serde_json::from_str(&answer.text).unwrap();
        proof.check(&key(&server)).unwrap();
    }
    server.post(ADD, &seats(1)).await.ok();
    sign(&server).await;
    assert_eq!(server.get("/readyz").await.ok()["reasons"], json!([]));
}

#[tokio::test]
async fn a_checkpoint_is_signed_every_so_many_minutes_while_the_log_grows() {
    let server = Server::with_acme().await;
    server.settle().await;
    // From here on time passes as soon as there is nothing else to do.
    tokio::time::pause();
    let sizes = async || {
        let list = server.get("/v1/checkpoints").await.ok();
        let data = list["data"].as_array().unwrap().clone();
        data.iter().map(|signed| signed["size"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    tokio::time::sleep(std::time::Duration::from_mins(11)).await;
    assert_eq!(sizes().await, [3]);
    tokio::time::sleep(std::time::Duration::from_mins(11)).await;
    assert_eq!(sizes().await, [3], "nothing was recorded since");
    server.post(ADD, &seats(1)).await.ok();
    tokio::time::sleep(std::time::Duration::from_mins(11)).await;
    assert_eq!(sizes().await, [3, 4]);
}
