//! From what was typed to an exit code.

use std::ffi::OsString;
use std::io;

use clap::Parser;
use tokio::runtime::{Builder, Runtime};

use crate::cli::{Cli, Verb};
use crate::commands::{
    backup, bench, checkpoint, conformance, explain, export, forecast, history, import, prove,
    rebuild, reconcile, scenario, state, statement, verify, what_if,
};
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// Runs the tool with `args`, the program's name first.
pub fn run(args: impl IntoIterator<Item = OsString>, output: &mut Output<'_>) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(err) => return usage(&err, output),
    };
    let result = runtime(&cli.verb)
        .map_err(|err| Failure::Source(format!("no runtime could be started: {err}")))
        .and_then(|runtime| runtime.block_on(obey(&cli, output)));
    match result {
        Ok(exit) => exit,
        Err(failure) => {
            if failure.exit() != Exit::Fine {
                output.message(format!("replay-tool: {failure}"));
            }
            failure.exit()
        }
    }
}

/// Only what measures the ledger at work needs more than one thread.
fn runtime(verb: &Verb) -> io::Result<Runtime> {
    let mut builder = match verb {
        Verb::Bench(_) => Builder::new_multi_thread(),
        Verb::Verify(_)
        | Verb::History(_)
        | Verb::State(_)
        | Verb::Explain(_)
        | Verb::Statement(_)
        | Verb::Scenario(_)
        | Verb::Conformance(_)
        | Verb::Rebuild(_)
        | Verb::Backup(_)
        | Verb::Checkpoint(_)
        | Verb::Prove(_)
        | Verb::CheckProof(_)
        | Verb::RotateKey(_)
        | Verb::Import(_)
        | Verb::WhatIf(_)
        | Verb::Forecast(_)
        | Verb::Export(_)
        | Verb::Reconcile(_) => Builder::new_current_thread(),
    };
    builder.enable_all().build()
}

async fn obey(cli: &Cli, output: &mut Output<'_>) -> Result<Exit, Failure> {
    match &cli.verb {
        Verb::Verify(args) => verify::verify(args, cli.json, output).await,
        Verb::History(args) => history::history(args, cli.json, output).await,
        Verb::State(args) => state::state(args, cli.json, output).await,
        Verb::Explain(args) => explain::explain(args, cli.json, output).await,
        Verb::Statement(args) => statement::statement(args, cli.json, output).await,
        Verb::Scenario(args) => scenario::scenario(args, cli.json, output),
        Verb::Conformance(verb) => conformance::conformance(verb, cli.json, output),
        Verb::Rebuild(args) => rebuild::rebuild(args, cli.json, output).await,
        Verb::Backup(args) => backup::backup(args, cli.json, output),
        Verb::Checkpoint(args) => checkpoint::checkpoint(args, cli.json, output).await,
        Verb::Prove(args) => prove::prove(args, output).await,
        Verb::CheckProof(args) => prove::check(args, cli.json, output),
        Verb::RotateKey(args) => checkpoint::rotate_key(args, cli.json, output).await,
        Verb::Import(verb) => import::import(verb, cli.json, output).await,
        Verb::Reconcile(args) => reconcile::reconcile(args, cli.json, output).await,
        Verb::WhatIf(args) => what_if::what_if(args, cli.json, output).await,
        Verb::Forecast(args) => forecast::forecast(args, cli.json, output).await,
        Verb::Bench(verb) => bench::bench(verb, cli.json, output).await,
        Verb::Export(args) => export::export(args, cli.json, output).await,
    }
}

/// Help and version were asked for; anything else is a mistake.
fn usage(err: &clap::Error, output: &mut Output<'_>) -> Exit {
    let text = err.render().to_string();
    if err.use_stderr() {
        output.message(text.trim_end());
        return Exit::Usage;
    }
    match output.line(text.trim_end()) {
        Ok(()) => Exit::Fine,
        Err(err) => Failure::from(err).exit(),
    }
}
