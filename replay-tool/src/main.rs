//! The command line tool; everything it does is in the library.

use std::io::{IsTerminal, stderr, stdout};
use std::process::ExitCode;

use replay_tool::output::Output;

fn main() -> ExitCode {
    let is_terminal = stderr().is_terminal();
    let (mut out, mut err) = (stdout(), stderr());
    let mut output = Output::new(&mut out, &mut err, is_terminal);
    replay_tool::run(std::env::args_os(), &mut output).into()
}
