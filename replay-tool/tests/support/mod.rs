//! The tool as a function: arguments in, exit, output and messages out.

#![allow(clippy::unwrap_used, dead_code, reason = "a test may panic, and not every test uses all")]

use std::path::Path;

use ledger_core::catalogue::SEEDS_TOML;
use ledger_core::folder::{ClockKind, DataFolder};
use ledger_core::ids::{Actor, ActorId, CommandId, Reason, Role};
use ledger_core::ledger::{Ledger, LedgerOptions, Request};
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

/// Records commands in a stopped folder, each at its instant, to a customer, the catalogue or billing.
pub(crate) fn record(folder: &Path, commands: &[(&str, &str, Value)]) {
    let folder = DataFolder::open_or_create(folder, ClockKind::Simulated).unwrap();
    let open = |dir: &Path| SegmentLog::open(dir, SegmentOptions::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (log, journal) = (open(&folder.log()), open(&folder.journal()));
    let ledger = runtime.block_on(Ledger::open(log, journal, LedgerOptions::default())).unwrap();
    for (index, (at, stream, command)) in commands.iter().enumerate() {
        let request = Request {
            stream: stream.parse().unwrap(),
            command: serde_json::from_value(command.clone()).unwrap(),
            command_id: CommandId::try_new(format!("c{index}")).unwrap(),
            actor: Actor { id: ActorId::try_new("someone").unwrap(), role: Role::Operator },
            reason: Reason::try_new("test").unwrap(),
            now: at.parse().unwrap(),
            correlation_id: None,
            causation_id: None,
            expected_version: None,
        };
        let outcome = runtime.block_on(ledger.execute(request)).unwrap();
        assert!(outcome.recorded.is_some(), "{command} changes nothing");
    }
    ledger.log().close().unwrap();
    ledger.journal().close().unwrap();
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
