//! Brings the views of a stopped ledger up to date and publishes what waits. Run `projector --help`.

mod cli;

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    let is_terminal = io::stderr().is_terminal();
    tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(is_terminal).init();
    cli::run(&arguments).await
}
