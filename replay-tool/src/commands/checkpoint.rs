//! `checkpoint` and `rotate-key`: sign what a stopped folder holds, and change the key it is signed with.

use ledger_core::folder::DataFolder;
use ledger_core::proof::archive::{Archive, Signed};
use ledger_core::proof::checkpoint::origin;
use ledger_core::proof::note::VerifierKey;
use ledger_core::store::segment::{SegmentLog, SegmentOptions};
use serde::Serialize;

use crate::cli::FolderArgs;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::source;

/// A signed checkpoint.
#[derive(Debug, Serialize)]
struct Printed<'a> {
    origin: String,
    size: u64,
    root: String,
    key: String,
    note: &'a str,
}

/// Signs a checkpoint, unless the last one covers everything, and prints it.
///
/// # Errors
///
/// [`Failure`] for a folder in use, a log that is not the one that was signed, or an unusable key.
pub async fn checkpoint(
    args: &FolderArgs,
    json: bool,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let (log, mut archive) = open(args).await?;
    let signed = archive.sign(&log).await.map_err(|err| source::proofs(&err))?.clone();
    let keys = archive.verifiers().map_err(|err| source::proofs(&err))?;
    print(&log, &signed, keys.last(), json, output)?;
    close(&log)
}

/// Changes the key, and prints the checkpoint in which the old key names the new one.
///
/// # Errors
///
/// As [`checkpoint`].
pub async fn rotate_key(
    args: &FolderArgs,
    json: bool,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let (log, mut archive) = open(args).await?;
    let (key, signed) = archive.rotate(&log).await.map_err(|err| source::proofs(&err))?;
    let signed = signed.clone();
    output.message(format!("the key is now {key}"));
    print(&log, &signed, Some(&key), json, output)?;
    close(&log)
}

/// Opens the log as the ledger does, so that all that is signed is durable.
async fn open(args: &FolderArgs) -> Result<(SegmentLog, Archive), Failure> {
    let folder: DataFolder = source::open_folder(&args.data)?;
    let log = SegmentLog::open(&folder.log(), SegmentOptions::default());
    let log = log.map_err(|err| source::store(&err))?;
    let archive = Archive::open(&folder, &log.id(), &log).await;
    Ok((log, archive.map_err(|err| source::proofs(&err))?))
}

fn close(log: &SegmentLog) -> Result<Exit, Failure> {
    log.close().map_err(|err| source::store(&err))?;
    Ok(Exit::Fine)
}

fn print(
    log: &SegmentLog,
    signed: &Signed,
    key: Option<&VerifierKey>,
    json: bool,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let Signed { size, root, note, .. } = signed;
    if json {
        let key = key.map(ToString::to_string).unwrap_or_default();
        let (origin, root) = (origin(&log.id()), root.to_string());
        output.json(&Printed { origin, size: *size, root, key, note })?;
    } else {
        output.line(note.trim_end())?;
    }
    Ok(())
}
