//! The tool as a function: arguments in, exit, output and messages out.

#![allow(clippy::unwrap_used, dead_code, reason = "a test may panic, and not every test uses all")]

use std::collections::BTreeMap;
use std::path::Path;

use futures::TryStreamExt;
use futures::executor::block_on;
use ledger_core::catalogue::SEEDS_TOML;
use ledger_core::commit::{Commit, Hash, SealedCommit};
use ledger_core::folder::{ClockKind, DataFolder};
use ledger_core::ids::{Actor, ActorId, CommandId, Reason, Role};
use ledger_core::ledger::{Ledger, LedgerOptions, Request};
use ledger_core::store::CommitLog;
use ledger_core::store::segment::{SegmentLog, SegmentOptions};
use replay_tool::exit::Exit;
use replay_tool::output::Output;
use serde_json::{Value, json};

/// What the tool answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) exit: Exit,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Answer {
    /// The lines of an answer to `--json`.
    pub(crate) fn json(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Runs the tool in this process.
pub(crate) fn run(args: &[&str]) -> Answer {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let args = [&["replay-tool"], args].concat();
    let exit = {
        let mut output = Output::new(&mut out, &mut err, false);
        replay_tool::run(args.into_iter().map(Into::into), &mut output)
    };
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Answer { exit, out: text(out), err: text(err) }
}

/// Opens the ledger of a stopped folder; a folder that is not there is made.
pub(crate) fn open(folder: &Path, clock: ClockKind) -> Ledger<SegmentLog> {
    let folder = DataFolder::open_or_create(folder, clock).unwrap();
    let (log, journal) = (open_log(&folder.log()), open_log(&folder.journal()));
    block_on(Ledger::open(log, journal, LedgerOptions::default())).unwrap()
}

/// Opens a log to write to.
pub(crate) fn open_log(dir: &Path) -> SegmentLog {
    SegmentLog::open(dir, SegmentOptions::default()).unwrap()
}

/// Stops a ledger.
pub(crate) fn close(ledger: &Ledger<SegmentLog>) {
    ledger.log().close().unwrap();
    ledger.journal().close().unwrap();
}

/// The request of an operator.
pub(crate) fn request(stream: &str, command: Value, id: &str, now: &str) -> Request {
    Request {
        stream: stream.parse().unwrap(),
        command: serde_json::from_value(command).unwrap(),
        command_id: CommandId::try_new(id).unwrap(),
        actor: Actor { id: ActorId::try_new("u-1").unwrap(), role: Role::Operator },
        reason: Reason::try_new("as agreed").unwrap(),
        now: now.parse().unwrap(),
        correlation_id: None,
        causation_id: None,
        expected_version: None,
    }
}

/// Records commands in a stopped folder, each on its day, to a customer, the catalogue or billing; the
/// first one's id is `c-0`.
pub(crate) fn record(folder: &Path, clock: ClockKind, commands: &[(&str, &str, Value)]) {
    let ledger = open(folder, clock);
    for (number, (day, stream, command)) in commands.iter().enumerate() {
        let (id, now) = (format!("c-{number}"), format!("{day}T09:00:00Z"));
        let told = block_on(ledger.execute(request(stream, command.clone(), &id, &now)));
        assert!(told.unwrap().recorded.is_some(), "{day} {stream}: {command} changes nothing");
    }
    close(&ledger);
}

/// The commits of a stopped log.
pub(crate) fn commits(log: &Path) -> Vec<Commit> {
    let log = open_log(log);
    let stored: Vec<_> = block_on(log.read_from(1).try_collect()).unwrap();
    log.close().unwrap();
    stored.into_iter().map(|stored| stored.take().commit().clone()).collect()
}

/// Appends commits as a careful forger does: versions, links and hashes are made to fit.
pub(crate) fn forge(log: &SegmentLog, commits: Vec<Commit>) {
    let mut heads = BTreeMap::new();
    for commit in commits {
        let head: &mut (u64, Hash) = heads.entry(commit.stream.clone()).or_insert((0, Hash::ZERO));
        let commit = Commit { version: head.0 + 1, previous: head.1, ..commit };
        let sealed = SealedCommit::seal(commit).unwrap();
        *head = (head.0 + 1, sealed.hash());
        block_on(log.append_commit(sealed)).unwrap();
    }
}

/// The catalogue of the sources, as a command.
pub(crate) fn catalogue() -> Value {
    let catalogue: toml::Value = toml::from_str(SEEDS_TOML).unwrap();
    json!({ "command": "ImportCatalogue", "catalogue": catalogue })
}

/// Registers a customer in France, under the rules of new commerce.
pub(crate) fn register() -> Value {
    json!({
        "command": "RegisterCustomer", "name": "Acme", "programme": "nce", "reseller": "r1",
        "market": "FR", "currency": "EUR",
    })
}

/// Buys seats of E3 for a year, charged by the month.
pub(crate) fn by_the_month(quantity: u32) -> Value {
    json!({
        "command": "Purchase", "subscription": "s1", "offer": "office-365-e3", "term": "P1Y",
        "billing": "monthly", "quantity": quantity,
    })
}
