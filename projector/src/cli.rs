//! Arguments and outcome of the program.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use ledger_core::error::chain;
use ledger_core::store::segment::SegmentLog;
use ledger_core::store::{CommitLog, StoreError};
use projector::publisher::{
    PublishError, PublisherOptions, check_address, check_name, publish_backlog,
};
use projector::pump::{PumpError, catch_up};
use projector::view_store::{ViewStore, ViewStoreError};

/// Exit code when something failed. What was done stays done; run it again.
const FAILED: u8 = 1;

/// Commits between two reports of progress.
const COMMITS_PER_REPORT: u64 = 10_000;

/// Brings the views of a stopped ledger up to date, and publishes over NATS what waits.
///
/// A running server does both by itself: this program is for a folder that no server uses, for
/// example a restored backup. Views that cannot be used are set aside and rebuilt from the log.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:
  projector --data ./ledger-data
  projector --data ./ledger-data --nats nats://localhost:4222 --nats-name production
  projector --data ./restored --views ./rebuilt-views

Exit codes:
  0  the views, and what was to be published, are at the log's end
  1  something failed; the reason is on stderr, and it can be run again
  2  the arguments are wrong"
)]
pub(crate) struct Arguments {
    /// The data folder; the log is in its folder `log`.
    #[arg(long, env = "LEDGER_DATA", value_name = "DIR")]
    data: PathBuf,
    /// Folder of the views; `views` in the data folder if left out.
    #[arg(long, value_name = "DIR")]
    views: Option<PathBuf>,
    /// NATS server to publish to; without it nothing is published. User and password do not belong here.
    #[arg(long, env = "LEDGER_NATS", value_name = "URL", value_parser = nats_url)]
    nats: Option<String>,
    /// Name of this ledger in published events: letters, digits, '-', '_' and '.'.
    #[arg(
        long,
        env = "LEDGER_NATS_NAME",
        value_name = "NAME",
        default_value = "ledger",
        value_parser = nats_name
    )]
    nats_name: String,
    /// File with the credentials of a NATS user.
    #[arg(long, env = "LEDGER_NATS_CREDENTIALS", value_name = "FILE", requires = "nats")]
    nats_credentials: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(transparent)]
    Log(#[from] StoreError),
    #[error(transparent)]
    Open(#[from] ViewStoreError),
    #[error(transparent)]
    Views(#[from] PumpError),
    #[error(transparent)]
    Publish(#[from] PublishError),
}

pub(crate) async fn run(arguments: &Arguments) -> ExitCode {
    match work(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            say(&format!("error: {}", chain(&err)));
            ExitCode::from(FAILED)
        }
    }
}

async fn work(arguments: &Arguments) -> Result<(), RunError> {
    let log = SegmentLog::open_read_only(&arguments.data.join("log"))?;
    let end = log.durable_position();
    let dir = arguments.views.clone().unwrap_or_else(|| arguments.data.join("views"));
    let store = ViewStore::open(&dir, &log).await?;
    let start = store.position();
    let mut reported = start;
    let mut progress = |position: u64, end: u64| {
        if COMMITS_PER_REPORT <= position.saturating_sub(reported) {
            reported = position;
            say(&format!("views: {position} of {end}"));
        }
    };
    let position = catch_up(&log, &store, end, &mut progress).await?;
    say_done("views", &dir, start, position);
    publish(arguments, &log, &store, end).await?;
    store.close()?;
    Ok(log.close()?)
}

async fn publish(
    arguments: &Arguments,
    log: &SegmentLog,
    store: &ViewStore,
    end: u64,
) -> Result<(), RunError> {
    let Some(url) = arguments.nats.clone() else { return Ok(()) };
    let credentials = arguments.nats_credentials.clone();
    let options = PublisherOptions::new(url, arguments.nats_name.clone());
    let position =
        publish_backlog(log, store, PublisherOptions { credentials, ..options }, end).await?;
    say(&format!("published: all commits up to position {position}"));
    Ok(())
}

/// Accepts addresses without user and password: flags show up in process lists.
fn nats_url(text: &str) -> Result<String, String> {
    if text.contains('@') {
        return Err("leave user and password out, and use --nats-credentials".to_owned());
    }
    if text.trim().is_empty() {
        return Err("the address is empty".to_owned());
    }
    check_address(text).map_err(|err| chain(&err))?;
    Ok(text.to_owned())
}

fn nats_name(text: &str) -> Result<String, String> {
    check_name(text).map_err(|err| chain(&err))?;
    Ok(text.to_owned())
}

fn say_done(what: &str, dir: &Path, start: u64, end: u64) {
    let dir = dir.display();
    let commits = end.saturating_sub(start);
    say(&format!("{what}: {commits} commits applied, at position {end} in {dir}"));
}

fn say(line: &str) {
    // Nobody is left to tell when stderr is gone.
    let _ = writeln!(io::stderr(), "{line}");
}
