//! The tool as a function: arguments in, exit, output and messages out.

#![allow(clippy::unwrap_used, dead_code, reason = "a test may panic, and not every test uses all")]

use replay_tool::exit::Exit;
use replay_tool::output::Output;
use serde_json::Value;

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
