//! `backup`: copies a whole ledger into a folder that is a ledger itself.

use std::ops::ControlFlow;
use std::path::Path;

use ledger_core::backup::{self, BackupError, Part};
use ledger_core::error::chain;
use ledger_core::folder::DataFolder;
use ledger_core::store::{StoreError, segment};
use serde::Serialize;

use crate::cli::BackupArgs;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::source::{self, BackedUp, Book, Copied, Source};

/// A finished backup.
#[derive(Debug, Serialize)]
struct Finished {
    backup: String,
    #[serde(flatten)]
    holds: BackedUp,
}

/// Copies a stopped folder, or has a running server copy its own.
///
/// # Errors
///
/// [`Failure`] for a folder in use, a target that holds something, damage, or a full disk.
pub fn backup(args: &BackupArgs, json: bool, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let source = Source::open_as(&args.source, &["operator"])?;
    let finished = match (&source, &args.into, &args.name) {
        (Source::Folder(folder), Some(into), _) => {
            let holds = copy(folder, into, output)?;
            Finished { backup: into.display().to_string(), holds }
        }
        (Source::Server(server), _, Some(name)) => {
            Finished { backup: name.to_string(), holds: server.backup(name)? }
        }
        (Source::Folder(_), None, _) => {
            return Err(Failure::Usage("name a new folder with --into".to_owned()));
        }
        (Source::Server(_), _, None) => {
            return Err(Failure::Usage("name the backup with --name".to_owned()));
        }
    };
    if json {
        output.json(&finished)?;
        return Ok(Exit::Fine);
    }
    let Finished { backup, holds: BackedUp { log, journal } } = &finished;
    for (book, Copied { position, bytes }) in [(Book::Log, log), (Book::Journal, journal)] {
        output.line(format!("{}: {position} commits, {bytes} bytes", book.name()))?;
    }
    output.line(format!("backup {backup} is finished"))?;
    Ok(Exit::Fine)
}

fn copy(folder: &DataFolder, into: &Path, output: &mut Output<'_>) -> Result<BackedUp, Failure> {
    let (log, journal) = (source::open_log(&folder.log())?, source::open_log(&folder.journal())?);
    let done = backup::backup(folder, (&log, &journal), into, &mut |part, done, total| {
        let what = match part {
            Part::Journal => "copying the journal",
            Part::Log => "copying the log",
        };
        output.progress(what, done, total);
        if done == total {
            output.progress_end();
        }
        ControlFlow::Continue(())
    });
    output.progress_end();
    let backup::BackedUp { log, journal } = done.map_err(|err| not_copied(&err, into))?;
    Ok(BackedUp { log: copied(log), journal: copied(journal) })
}

fn copied(copied: segment::Copied) -> Copied {
    let segment::Copied { position, bytes } = copied;
    Copied { position, bytes }
}

fn not_copied(err: &BackupError, into: &Path) -> Failure {
    match err {
        BackupError::Occupied(_) | BackupError::Inside(_) => Failure::Usage(err.to_string()),
        BackupError::Log(err @ StoreError::Damaged { .. }) => source::store(err),
        BackupError::Folder(_) => Failure::Source(chain(err)),
        BackupError::Log(_) | BackupError::Io { .. } | BackupError::Stopped => Failure::Source(
            format!("{}; {} is not finished: remove it", chain(err), into.display()),
        ),
    }
}
