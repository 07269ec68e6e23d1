//! Checkpoints, proofs and keys from the command line, and logs that somebody has forged with care: every
//! checksum, hash, link and anchor in them is right.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as the tests do")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use futures::executor::block_on;
use ledger_core::catalogue::SEEDS_TOML;
use ledger_core::commit::{Commit, Hash, SealedCommit};
use ledger_core::customer::Command;
use ledger_core::folder::ClockKind;
use ledger_core::ids::{Actor, ActorId, CommandId, CustomerId, Reason, Role, StreamId};
use ledger_core::ledger::Request;
use ledger_core::proof::checkpoint::Checkpoint;
use ledger_core::proof::note::SigningKey;
use ledger_core::store::CommitLog;
use replay_tool::exit::Exit;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Answer, close, open, open_log, run};

/// A stopped data folder with the histories of two customers, by turns.
struct Data {
    dir: TempDir,
}

impl Data {
    fn new() -> Self {
        let data = Self { dir: TempDir::new().unwrap() };
        let seeds: Value = toml::from_str(SEEDS_TOML).unwrap();
        let catalogue = json!({ "command": "ImportCatalogue", "catalogue": seeds });
        let mut story = vec![("", catalogue)];
        story.extend(["acme", "bolt"].map(|customer| {
            let command = json!({ "command": "RegisterCustomer", "name": customer,
                "programme": "cloud-cockpit", "reseller": "r", "market": "FR", "currency": "EUR" });
            (customer, command)
        }));
        story.extend(["acme", "bolt"].map(|customer| {
            let command = json!({ "command": "Purchase", "subscription": "s1",
                "offer": "office-365-e3", "term": "P1Y", "billing": "annual", "quantity": 10 });
            (customer, command)
        }));
        let add = json!({ "command": "AddSeats", "subscription": "s1", "seats": 1 });
        story.extend(["acme", "bolt", "acme"].map(|customer| (customer, add.clone())));
        data.tell(&story);
        data
    }

    fn tell(&self, story: &[(&str, Value)]) {
        let ledger = open(&self.root(), ClockKind::Simulated);
        for (customer, command) in story {
            let at = ledger.log().durable_position();
            block_on(ledger.execute(request(customer, command.clone(), at))).unwrap();
        }
        close(&ledger);
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn ask(&self, verb: &[&str]) -> Answer {
        run(&[verb, &["--data", self.root().to_str().unwrap()]].concat())
    }

    /// Signs a checkpoint and keeps it elsewhere.
    fn sign(&self) -> String {
        let signed = self.ask(&["checkpoint"]);
        assert_eq!((signed.exit, signed.err.as_str()), (Exit::Fine, ""));
        fs::write(self.file("kept"), &signed.out).unwrap();
        signed.out
    }

    /// The verifier keys, as they were handed out.
    fn keys(&self) -> Vec<String> {
        let text = fs::read_to_string(self.root().join("keys/checkpoint.pub")).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// Verifies against the checkpoint that was kept, with the first key.
    fn verify(&self, flags: &[&str]) -> Answer {
        let (kept, keys) = (self.file("kept"), self.keys());
        let against = ["--checkpoint", kept.to_str().unwrap(), "--key", &keys[0]];
        self.ask(&[&["verify"], flags, &against].concat())
    }

    fn commits(&self) -> Vec<Commit> {
        support::commits(&self.root().join("log"))
    }

    /// Puts another log in the place of this one, as a careful forger does: versions and links are made
    /// to fit, and so are checksums, hashes, the log's id and the anchor.
    fn forge(&self, change: impl FnOnce(&mut Vec<Commit>)) {
        let mut commits = self.commits();
        change(&mut commits);
        let (log, made) = (self.root().join("log"), self.root().join("log.forged"));
        let name = "00000000000000000001.seg";
        let id = fs::read(log.join(name)).unwrap()[20..36].to_vec();
        let forged = open_log(&made);
        support::forge(&forged, commits);
        forged.close().unwrap();
        drop(forged);
        with_id(&made.join(name), &[0], 60, &id);
        with_id(&made.join("anchor"), &[0, 512], 68, &id);
        fs::remove_dir_all(&log).unwrap();
        fs::rename(&made, &log).unwrap();
        let plain = self.ask(&["verify"]);
        assert_eq!(plain.exit, Exit::Fine, "no other check finds it: {plain:?}");
    }
}

/// Writes a log's id into headers or slots of a file, with their checksums.
fn with_id(path: &Path, starts: &[usize], checksum: usize, id: &[u8]) {
    let mut bytes = fs::read(path).unwrap();
    for start in starts {
        let Some(part) = bytes.get_mut(*start..start + checksum + 4) else { continue };
        if part.iter().all(|byte| *byte == 0) {
            continue;
        }
        part[20..36].copy_from_slice(id);
        let sum = crc32c::crc32c(&part[..checksum]);
        part[checksum..].copy_from_slice(&sum.to_be_bytes());
    }
    fs::write(path, bytes).unwrap();
}

fn request(customer: &str, command: Value, number: u64) -> Request {
    let stream = match CustomerId::try_new(customer) {
        Ok(customer) => StreamId::Customer(customer),
        Err(_) => StreamId::Catalogue,
    };
    let command: Command = serde_json::from_value(command).unwrap();
    Request {
        stream,
        command_id: CommandId::try_new(format!("c-{number}")).unwrap(),
        command,
        actor: Actor { id: ActorId::try_new("u-1").unwrap(), role: Role::Operator },
        reason: Reason::try_new("as agreed").unwrap(),
        now: "2024-03-01T09:00:00Z".parse().unwrap(),
        correlation_id: None,
        causation_id: None,
        expected_version: None,
    }
}

fn reworded(commit: &mut Commit) {
    commit.reason = Reason::try_new("as never agreed").unwrap();
}

/// Kind, positions and what stands there now.
fn told(answer: &Answer) -> (String, u64, u64, String) {
    assert_eq!(answer.exit, Exit::Found, "{answer:?}");
    let lines = answer.json();
    let difference = &lines.last().unwrap()["difference"];
    let text = |key: &str| difference[key].as_str().unwrap_or_default().to_owned();
    let number = |key: &str| difference[key].as_u64().unwrap_or_default();
    let now = format!("{} {}", text("stream"), number("version"));
    (text("kind"), number("from"), number("to"), now)
}

#[test]
fn a_log_that_is_as_it_was_signed_agrees_and_may_have_grown() {
    let data = Data::new();
    let note = data.sign();
    assert!(note.starts_with("subscription-ledger/") && note.contains("\n8\n"), "{note}");
    assert_eq!(data.sign(), note, "signed once");
    let agrees = "checkpoint: the first 8 commits are those that ";
    assert!(data.verify(&[]).out.contains(agrees), "{:?}", data.verify(&[]));
    data.tell(&[("bolt", json!({ "command": "AddSeats", "subscription": "s1", "seats": 1 }))]);
    let answer = data.verify(&[]);
    assert_eq!(answer.exit, Exit::Fine, "{answer:?}");
    assert!(answer.out.ends_with("no damage found\n"));
    assert_eq!(data.verify(&["--json"]).json()[2]["difference"], Value::Null);
}

#[test]
fn a_forged_record_is_named() {
    type Forgery = fn(&mut Vec<Commit>);
    let cases: [(Forgery, &str, u64, u64, &str); 6] = [
        (|log| reworded(&mut log[5]), "changed", 6, 6, "customer/acme 3"),
        (|log| reworded(&mut log[7]), "changed", 8, 8, "customer/acme 4"),
        (|log| drop(log.remove(5)), "removed", 6, 6, "customer/bolt 3"),
        (|log| log.insert(4, log[3].clone()), "inserted", 5, 5, "customer/acme 3"),
        (|log| log.swap(5, 6), "reordered", 6, 7, "customer/bolt 3"),
        (|log| log.truncate(6), "truncated", 7, 8, " 0"),
    ];
    for (forgery, kind, from, to, now) in cases {
        let data = Data::new();
        data.sign();
        data.forge(forgery);
        let expected = (kind.to_owned(), from, to, now.to_owned());
        assert_eq!(told(&data.verify(&["--json"])), expected);
        let text = data.verify(&[]).out;
        assert!(text.contains(&format!("\n  {kind}: ")), "{text}");
        assert!(text.ends_with("DAMAGE FOUND: restore a backup\n"), "{text}");
    }
}

#[test]
fn a_forger_who_changes_the_hashes_too_is_found_between_two_checkpoints() {
    let data = Data::new();
    let add = || json!({ "command": "AddSeats", "subscription": "s1", "seats": 1 });
    data.sign();
    data.tell(&[("bolt", add()), ("acme", add())]);
    data.sign();
    data.tell(&[("bolt", add())]);
    data.sign();
    data.forge(|log| reworded(&mut log[8]));
    let hashes: Vec<u8> = data
        .commits()
        .into_iter()
        .flat_map(|commit| *SealedCommit::seal(commit).unwrap().hash().as_bytes())
        .collect();
    fs::write(data.root().join("proofs/hashes"), hashes).unwrap();
    let answer = data.verify(&["--json"]);
    assert_eq!(told(&answer), ("unknown".to_owned(), 9, 10, " 0".to_owned()));
}

#[test]
fn nothing_is_signed_or_proved_of_a_forged_log() {
    let data = Data::new();
    data.sign();
    data.forge(|log| log.truncate(6));
    for verb in [&["checkpoint"][..], &["rotate-key"], &["prove", "1"]] {
        let refused = data.ask(verb);
        assert_eq!((refused.exit, refused.out.as_str()), (Exit::Found, ""), "{refused:?}");
        assert!(refused.err.contains("the log is not the one that was signed"), "{refused:?}");
    }
}

#[test]
fn a_checkpoint_that_is_not_to_be_believed_proves_nothing() {
    let data = Data::new();
    let note = data.sign();
    fs::write(data.file("kept"), note.replace("\n8\n", "\n7\n")).unwrap();
    let refused = data.verify(&[]);
    assert_eq!(refused.exit, Exit::Source);
    assert!(
        refused.err.contains("its signature is forged, or its text was changed"),
        "{refused:?}"
    );
    let other = Data::new();
    other.sign();
    fs::copy(other.file("kept"), data.file("kept")).unwrap();
    assert!(data.verify(&[]).err.contains("not signed with a trusted key"));
    fs::copy(other.root().join("keys/checkpoint.pub"), data.root().join("keys/checkpoint.pub"))
        .unwrap();
    assert_eq!(told(&data.verify(&["--json"])).0, "other-log");
    assert_eq!(data.ask(&["verify", "--checkpoint", "kept"]).exit, Exit::Usage);
}

#[test]
fn a_proof_is_checked_far_from_the_ledger() {
    let data = Data::new();
    assert_eq!(data.ask(&["prove", "6"]).exit, Exit::NotFound, "nothing is signed yet");
    data.sign();
    let proof = data.ask(&["prove", "6"]);
    assert_eq!(proof.exit, Exit::Fine, "{proof:?}");
    let file = data.file("proof.json");
    fs::write(&file, &proof.out).unwrap();
    let key = data.keys().remove(0);
    let check = |flags: &[&str]| {
        let args = ["check-proof", file.to_str().unwrap(), "--key", &key];
        run(&[&args, flags].concat())
    };
    let proved = check(&[]);
    let name = key.split('+').next().unwrap();
    let expected = format!(
        "proved: customer/acme version 3, recorded at 2024-03-01T09:00:00Z, is at position 6 of the 8 \
         commits that {name} has signed\n"
    );
    assert_eq!((proved.exit, proved.out), (Exit::Fine, expected));
    assert_eq!(check(&["--json"]).json()[0]["proved"], true);

    let mut moved = proof.json().remove(0);
    moved["position"] = json!(7);
    fs::write(&file, moved.to_string()).unwrap();
    let wrong = check(&[]);
    let expected = "NOT PROVED: the commit is not at position 7 of the log that was signed\n";
    assert_eq!((wrong.exit, wrong.out.as_str()), (Exit::Found, expected));
    assert_eq!(check(&["--json"]).json()[0]["proved"], false);
    fs::write(&file, "{}").unwrap();
    assert_eq!(check(&[]).exit, Exit::Source);
    assert_eq!(data.ask(&["prove", "9"]).exit, Exit::NotFound);
    assert_eq!(data.ask(&["prove", "6", "--size", "5"]).exit, Exit::NotFound);
}

#[test]
fn a_changed_key_is_followed_from_the_old_one() {
    let data = Data::new();
    data.sign();
    let changed = data.ask(&["rotate-key"]);
    let keys = data.keys();
    assert_eq!(changed.exit, Exit::Fine, "{changed:?}");
    assert_eq!(changed.err, format!("the key is now {}\n", keys[1]));
    assert!(changed.out.contains(&format!("\nnew-key {}\n", keys[1])), "{}", changed.out);
    fs::write(data.file("kept"), &changed.out).unwrap();
    assert_eq!(data.verify(&[]).exit, Exit::Fine, "the old key has signed the change");
    let secret = data.root().join("keys/checkpoint.key");
    assert_eq!(fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
    data.tell(&[("bolt", json!({ "command": "AddSeats", "subscription": "s1", "seats": 1 }))]);
    let later = data.ask(&["checkpoint", "--json"]).json().remove(0);
    assert_eq!((&later["key"], &later["size"]), (&json!(keys[1]), &json!(9)));
    fs::write(data.file("kept"), later["note"].as_str().unwrap()).unwrap();
    assert_eq!(data.verify(&[]).exit, Exit::Fine, "the old key names the new one");
    data.forge(|log| reworded(&mut log[8]));
    assert_eq!(told(&data.verify(&["--json"])).0, "changed");
    fs::write(data.root().join("proofs/checkpoints"), "").unwrap();
    let refused = data.verify(&[]);
    assert_eq!(refused.exit, Exit::Source, "nothing vouches for the new key");
    assert!(refused.err.contains("not signed with a trusted key"), "{refused:?}");
}

#[test]
fn a_checkpoint_that_the_key_has_signed_for_another_log_proves_nothing() {
    let data = Data::new();
    data.sign();
    let secret = fs::read_to_string(data.root().join("keys/checkpoint.key")).unwrap();
    let key: SigningKey = secret.trim().parse().unwrap();
    let foreign = Checkpoint {
        origin: "subscription-ledger/another".to_owned(),
        size: 8,
        root: Hash::ZERO,
        new_key: None,
    };
    fs::write(data.file("kept"), foreign.sign(&[&key])).unwrap();
    let refused = data.verify(&[]);
    assert_eq!(refused.exit, Exit::Source);
    let expected = "the checkpoint is one of subscription-ledger/another, but the key is that of ";
    assert!(refused.err.contains(expected), "{refused:?}");
}

#[test]
fn a_key_that_others_can_read_signs_nothing() {
    let data = Data::new();
    data.sign();
    data.tell(&[("bolt", json!({ "command": "AddSeats", "subscription": "s1", "seats": 1 }))]);
    let key = data.root().join("keys/checkpoint.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = data.ask(&["checkpoint"]);
    assert_eq!(refused.exit, Exit::Source);
    let expected = format!("(mode 644): run chmod 600 {}\n", key.display());
    assert!(refused.err.ends_with(&expected), "{refused:?}");
}
