//! `rebuild`: computes the views again from the log of a stopped folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use ledger_core::error::chain;
use ledger_core::store::StoreError;
use ledger_core::store::segment::SegmentLog;
use projector::pump::{self, PumpError};
use projector::view_store::ViewStoreError;
use serde::Serialize;

use crate::cli::RebuildArgs;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::source;

/// What was rebuilt.
#[derive(Debug, Serialize)]
struct Rebuilt {
    views: PathBuf,
    commits: u64,
    milliseconds: u128,
    digest: String,
}

/// Rebuilds into a new folder, or beside the old views and then in their place.
///
/// # Errors
///
/// [`Failure`] for a folder in use, a folder that exists already, or a damaged log.
pub async fn rebuild(
    args: &RebuildArgs,
    json: bool,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let folder = source::open_folder(&args.data)?;
    let log = SegmentLog::open_read_only(&folder.log()).map_err(|err| not_opened(&err))?;
    let rebuilt = match &args.into {
        Some(dir) => compute(&log, dir, output).await?,
        None => in_place(&log, &folder.views(), output).await?,
    };
    if json {
        output.json(&rebuilt)?;
        return Ok(Exit::Fine);
    }
    let Rebuilt { views, commits, milliseconds, digest } = &rebuilt;
    let (seconds, rest) = (milliseconds / 1000, milliseconds % 1000);
    output.line(format!("{commits} commits in {seconds}.{rest:03} s into {}", views.display()))?;
    output.line(format!("digest {digest}"))?;
    Ok(Exit::Fine)
}

async fn compute(
    log: &SegmentLog,
    dir: &Path,
    output: &mut Output<'_>,
) -> Result<Rebuilt, Failure> {
    let begun = Instant::now();
    let mut progress = |done, total| output.progress("rebuilding the views", done, total);
    let store = pump::rebuild(log, dir, &mut progress).await;
    output.progress_end();
    let store = store.map_err(|err| not_built(&err))?;
    let (commits, digest) = store.fingerprint().map_err(|err| unusable(&err))?;
    store.close().map_err(|err| unusable(&err))?;
    let milliseconds = begun.elapsed().as_millis();
    Ok(Rebuilt { views: dir.to_owned(), commits, milliseconds, digest })
}

/// The old views stay until the new ones are whole; run again, it takes up whatever was left.
async fn in_place(
    log: &SegmentLog,
    views: &Path,
    output: &mut Output<'_>,
) -> Result<Rebuilt, Failure> {
    let (beside, before) = (views.with_extension("rebuilt"), views.with_extension("before"));
    remove(&beside)?;
    let rebuilt = compute(log, &beside, output).await?;
    if views.exists() {
        remove(&before)?;
        fs::rename(views, &before).map_err(|err| not_moved(views, &err))?;
    }
    fs::rename(&beside, views).map_err(|err| not_moved(&beside, &err))?;
    remove(&before)?;
    remove(&views.with_extension("rebuilt.lock"))?;
    Ok(Rebuilt { views: views.to_owned(), ..rebuilt })
}

fn remove(path: &Path) -> Result<(), Failure> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(err) if err.kind() != io::ErrorKind::NotFound => Err(not_moved(path, &err)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn not_moved(path: &Path, err: &io::Error) -> Failure {
    Failure::Source(format!("{} cannot be replaced: {err}; check its owner", path.display()))
}

/// A running server cannot be asked instead.
fn not_opened(err: &StoreError) -> Failure {
    if let StoreError::Locked(dir) = err {
        let dir = dir.display();
        return Failure::Source(format!("{dir} is in use by a running server: stop it first"));
    }
    source::store(err)
}

fn unusable(err: &ViewStoreError) -> Failure {
    Failure::Source(format!("the views cannot be written: {}", chain(err)))
}

fn not_built(err: &PumpError) -> Failure {
    match err {
        PumpError::NotNew(dir) => Failure::Usage(format!(
            "{} exists already: name a new folder with --into",
            dir.display()
        )),
        PumpError::Log(err) => source::store(err),
        PumpError::Undecodable { .. }
        | PumpError::View { .. }
        | PumpError::Gap { .. }
        | PumpError::History { .. } => Failure::Damage(chain(err)),
        PumpError::Views(_) | PumpError::Worker => Failure::Source(chain(err)),
    }
}
