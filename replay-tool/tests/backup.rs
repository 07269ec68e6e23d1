//! Backups of a stopped folder: what a copy answers, and what is refused.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as the tests do")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use futures::executor::block_on;
use ledger_core::catalogue::SEEDS_TOML;
use ledger_core::customer::Command;
use ledger_core::folder::{ClockKind, DataFolder};
use ledger_core::ids::{Actor, ActorId, CommandId, CustomerId, Reason, Role, StreamId};
use ledger_core::ledger::{Ledger, LedgerOptions, Request};
use ledger_core::store::segment::{SegmentLog, SegmentOptions};
use replay_tool::exit::Exit;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Answer, run};

/// So small that the story fills several segments.
const SMALL: SegmentOptions = SegmentOptions { segment_bytes: 16 * 1024 };

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A stopped ledger, and room for backups beside it.
struct Data {
    dir: TempDir,
}

impl Data {
    /// A ledger in which `acme` has bought something, changed it 40 times, and was refused once.
    fn new() -> Self {
        let data = Self::unused();
        let seeds: Value = toml::from_str(SEEDS_TOML).unwrap();
        let add = json!({ "command": "AddSeats", "subscription": "s1", "seats": 1 });
        let mut story = vec![
            ("", json!({ "command": "ImportCatalogue", "catalogue": seeds })),
            (
                "acme",
                json!({ "command": "RegisterCustomer", "name": "Acme", "reseller": "r",
                    "programme": "cloud-cockpit", "market": "FR", "currency": "EUR" }),
            ),
            (
                "acme",
                json!({ "command": "Purchase", "subscription": "s1", "offer": "office-365-e3",
                    "term": "P1Y", "billing": "annual", "quantity": 10 }),
            ),
        ];
        story.extend((0..40).map(|_| ("acme", add.clone())));
        story.push(("acme", json!({ "command": "AddSeats", "subscription": "none", "seats": 1 })));
        data.tell(&story);
        fs::write(data.root().join("clock.json"), r#"{"now":"2024-03-02T00:00:00Z"}"#).unwrap();
        fs::write(data.root().join("tokens.toml"), "secret").unwrap();
        data
    }

    /// A ledger in which nothing was ever recorded.
    fn unused() -> Self {
        let data = Self { dir: TempDir::new().unwrap() };
        data.tell(&[]);
        data
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn copy(&self) -> PathBuf {
        self.dir.path().join("backups/first")
    }

    fn tell(&self, story: &[(&str, Value)]) {
        let folder = DataFolder::open_or_create(&self.root(), ClockKind::Simulated).unwrap();
        let open = |dir: &Path| SegmentLog::open(dir, SMALL).unwrap();
        let ledger =
            Ledger::open(open(&folder.log()), open(&folder.journal()), LedgerOptions::default());
        let ledger = block_on(ledger).unwrap();
        for (number, (customer, command)) in story.iter().enumerate() {
            let done = block_on(ledger.execute(request(number, customer, command)));
            assert_eq!(done.is_err(), command["subscription"] == "none", "{done:?}");
        }
        ledger.log().close().unwrap();
        ledger.journal().close().unwrap();
    }

    fn segments(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.root().join("log")).unwrap();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
        paths.sort();
        paths
    }

    fn back_up(&self, into: &Path) -> Answer {
        run(&["backup", "--data", text(&self.root()), "--into", text(into)])
    }
}

fn request(number: usize, customer: &str, command: &Value) -> Request {
    let command: Command = serde_json::from_value(command.clone()).unwrap();
    let stream = match CustomerId::try_new(customer) {
        Ok(customer) => StreamId::Customer(customer),
        Err(_) => StreamId::Catalogue,
    };
    Request {
        stream,
        command,
        command_id: CommandId::try_new(format!("c-{number}")).unwrap(),
        actor: Actor { id: ActorId::try_new("ann").unwrap(), role: Role::Operator },
        reason: Reason::try_new("Order").unwrap(),
        now: "2024-03-01T09:00:00Z".parse().unwrap(),
        correlation_id: None,
        causation_id: None,
        expected_version: None,
    }
}

/// What the reading verbs say of a folder.
fn told(data: &Path) -> Vec<Answer> {
    let ask = |verb: &[&str]| run(&[verb, &["--data", text(data)]].concat());
    vec![
        ask(&["verify"]),
        ask(&["history", "acme", "--refused"]),
        ask(&["state", "acme", "--as-of", "2024-03-04"]),
    ]
}

#[test]
fn a_backup_answers_every_question_as_the_ledger_does() {
    let data = Data::new();
    assert!(2 < data.segments().len(), "the log has sealed segments");
    let Answer { exit, out, err } = data.back_up(&data.copy());
    assert_eq!((exit, err.as_str()), (Exit::Fine, ""));
    let size = |path: PathBuf| fs::metadata(path).unwrap().len();
    let log: u64 = data.segments().into_iter().map(size).sum();
    let journal = size(data.root().join("journal/00000000000000000001.seg"));
    let copy = data.copy();
    let expected = format!(
        "log: 43 commits, {log} bytes\njournal: 1 commits, {journal} bytes\n\
         backup {} is finished\n",
        copy.display()
    );
    assert_eq!(out, expected);
    let answers = told(&data.root());
    assert!(answers.iter().all(|answer| answer.exit == Exit::Fine), "{answers:?}");
    assert_eq!(told(&copy), answers);
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_backup_holds_the_clock_and_the_checkpoints_but_no_secret() {
    let data = Data::new();
    assert_eq!(run(&["checkpoint", "--data", text(&data.root())]).exit, Exit::Fine);
    assert_eq!(data.back_up(&data.copy()).exit, Exit::Fine);
    let copy = data.copy();
    for kept in ["clock.json", "keys/checkpoint.pub", "proofs/checkpoints", "ledger.json"] {
        assert_eq!(fs::read(copy.join(kept)).unwrap(), fs::read(data.root().join(kept)).unwrap());
    }
    for left in ["keys/checkpoint.key", "tokens.toml"] {
        assert!(data.root().join(left).exists() && !copy.join(left).exists(), "{left}");
    }
    // Without its key the copy proves what was signed, but signs nothing, until it gets the key back.
    assert_eq!(run(&["prove", "3", "--data", text(&copy)]).exit, Exit::Fine);
    data_goes_on(&copy);
    let lost = run(&["checkpoint", "--data", text(&copy)]);
    assert_eq!(lost.exit, Exit::Source);
    assert!(lost.err.contains("keys/checkpoint.key"), "{}", lost.err);
    assert_eq!(run(&["rotate-key", "--data", text(&copy)]).exit, Exit::Source);
    let key = "keys/checkpoint.key";
    fs::copy(data.root().join(key), copy.join(key)).unwrap();
    assert_eq!(run(&["checkpoint", "--data", text(&copy)]).exit, Exit::Fine);
}

/// Records one more command in a restored folder.
fn data_goes_on(copy: &Path) {
    let folder = DataFolder::open(copy).unwrap();
    let open = |dir: &Path| SegmentLog::open(dir, SMALL).unwrap();
    let ledger =
        Ledger::open(open(&folder.log()), open(&folder.journal()), LedgerOptions::default());
    let ledger = block_on(ledger).unwrap();
    let add = json!({ "command": "AddSeats", "subscription": "s1", "seats": 1 });
    let done = block_on(ledger.execute(request(99, "acme", &add))).unwrap();
    assert_eq!(done.version, 43);
    ledger.log().close().unwrap();
    ledger.journal().close().unwrap();
}

#[test]
fn a_backup_of_a_ledger_without_commits_is_one() {
    let data = Data::unused();
    let args = ["backup", "--data", text(&data.root()), "--into", text(&data.copy()), "--json"]
        .map(ToOwned::to_owned);
    let answer = run(&args.each_ref().map(String::as_str));
    let told: Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!((answer.exit, &told["log"]["position"]), (Exit::Fine, &json!(0)));
    assert_eq!(told["journal"]["position"], 0);
    assert_eq!(told["backup"], text(&data.copy()));
    assert_eq!(run(&["verify", "--data", text(&data.copy())]).exit, Exit::Fine);
}

#[test]
fn a_target_that_holds_something_is_refused_and_left_alone() {
    let data = Data::new();
    fs::create_dir_all(data.copy()).unwrap();
    assert_eq!(data.back_up(&data.copy()).exit, Exit::Fine, "an empty folder will do");
    let before = told(&data.copy());
    let again = data.back_up(&data.copy());
    let said = format!(
        "replay-tool: {} is not empty: a backup needs a new folder\n",
        data.copy().display()
    );
    assert_eq!(again, Answer { exit: Exit::Usage, out: String::new(), err: said });
    assert_eq!(told(&data.copy()), before);
    for inside in ["", "log", "log/copy", "backups/first"] {
        let refused = data.back_up(&data.root().join(inside));
        assert_eq!(refused.exit, Exit::Usage, "{inside}: {}", refused.err);
        assert!(refused.err.contains("lies in the data folder"), "{}", refused.err);
    }
    assert_eq!(run(&["verify", "--data", text(&data.root())]).exit, Exit::Fine);
}

#[test]
fn a_backup_that_was_not_finished_is_refused() {
    let data = Data::new();
    assert_eq!(data.back_up(&data.copy()).exit, Exit::Fine);
    let copy = data.copy();
    let (mark, anchor) = (copy.join("ledger.json"), copy.join("log/anchor"));
    fs::rename(&mark, copy.join("kept")).unwrap();
    for answer in told(&copy) {
        assert_eq!(answer.exit, Exit::Source);
        assert!(answer.err.contains("a backup that was not finished"), "{}", answer.err);
    }
    let started = DataFolder::open_or_create(&copy, ClockKind::Simulated).unwrap_err().to_string();
    assert!(started.contains("was not finished"), "{started}");
    fs::rename(copy.join("kept"), &mark).unwrap();
    fs::remove_file(anchor).unwrap();
    for answer in told(&copy) {
        assert_ne!(answer.exit, Exit::Fine, "{answer:?}");
    }
}

#[test]
fn damage_is_named_and_leaves_no_finished_copy() {
    let data = Data::new();
    let segment = &data.segments()[1];
    let mut bytes = fs::read(segment).unwrap();
    bytes[200] ^= 1;
    fs::write(segment, bytes).unwrap();
    let refused = data.back_up(&data.copy());
    assert_eq!(refused.exit, Exit::Found);
    assert!(refused.err.contains(text(segment)), "{}", refused.err);
    assert!(DataFolder::open(&data.copy()).is_err());
}

#[test]
fn a_folder_in_use_is_not_copied_beside_its_ledger() {
    let data = Data::new();
    let folder = DataFolder::open(&data.root()).unwrap();
    let log = SegmentLog::open(&folder.log(), SMALL).unwrap();
    let refused = data.back_up(&data.copy());
    assert_eq!(refused.exit, Exit::Source);
    assert!(refused.err.contains("is in use by a running server"), "{}", refused.err);
    assert!(!data.copy().exists());
    log.close().unwrap();
}

#[test]
fn a_wrong_command_line_says_what_is_missing() {
    let said = |args: &[&str]| {
        let answer = run(&[&["backup"], args].concat());
        assert_eq!(answer.exit, Exit::Usage, "{args:?}");
        answer.err
    };
    assert!(said(&[]).contains("--into <DIR>"));
    assert!(said(&["--into", "x", "--url", "http://localhost"]).contains("cannot be used with"));
    assert!(said(&["--url", "http://localhost", "--name", "../x"]).contains("--name"));
    assert!(said(&["--name", "x"]).contains("--url"));
}
