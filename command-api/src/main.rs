//! The subscription ledger's server.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use command_api::config::Config;
use command_api::output::complain;
use command_api::start::serve;
use tokio::runtime::Builder;
use tracing_subscriber::EnvFilter;

/// A third of a command's time went into the system's allocator: what one thread makes, another frees.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Threads for what blocks. Each keeps memory of its own, and the disk serves few at a time.
const BLOCKING_THREADS_MAX: usize = 16;

fn main() -> ExitCode {
    let runtime =
        Builder::new_multi_thread().enable_all().max_blocking_threads(BLOCKING_THREADS_MAX).build();
    match runtime {
        Ok(runtime) => runtime.block_on(run()),
        Err(err) => {
            complain(&err);
            ExitCode::FAILURE
        }
    }
}

async fn run() -> ExitCode {
    let config = Config::parse();
    if let Err(err) = config.check() {
        Config::command().error(ErrorKind::ArgumentConflict, err).exit();
    }
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    match serve(&config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            complain(&err);
            ExitCode::FAILURE
        }
    }
}
