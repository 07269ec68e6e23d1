//! A copy of a whole data folder, made while the ledger works, that is a data folder itself.
//!
//! The order makes the parts fit. A simulated clock stands where the copied commits end or before. No
//! checkpoint covers more commits than the log's copy, and every refusal's customer is in it, since
//! checkpoints and journal are copied before the log. The mark comes last: a copy that was not finished
//! has none, and every tool refuses it. Secrets are left out (tokens, the key that checkpoints are
//! signed with), and so is what is made again (views, snapshots, hashes).

use std::fs::{self, DirBuilder, File};
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::folder::{self, DataFolder, FolderError, write_durably};
use crate::proof::archive::CHECKPOINTS;
use crate::proof::keys::PUBLIC;
use crate::store::StoreError;
use crate::store::segment::{Copied, SegmentLog};

/// What a finished backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackedUp {
    /// Of what happened.
    pub log: Copied,
    /// Of the commands that changed nothing.
    pub journal: Copied,
}

/// What is being copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The journal; it comes first.
    Journal,
    /// The log.
    Log,
}

/// Why a backup was not made. The ledger itself is as it was; what was copied is refused by every tool.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The target holds something.
    #[error("{0} is not empty: a backup needs a new folder")]
    Occupied(PathBuf),
    /// The target is part of what is to be copied.
    #[error("{0} lies in the data folder: choose a folder outside, best on another disk")]
    Inside(PathBuf),
    /// The target cannot be made or marked.
    #[error("the backup's folder cannot be used")]
    Folder(#[source] FolderError),
    /// The log or the journal cannot be copied.
    #[error("the log or the journal cannot be copied")]
    Log(#[from] StoreError),
    /// Another file cannot be copied.
    #[error("{path} cannot be {action}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried, in the past participle.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// Whoever watched it has stopped it.
    #[error("the backup was stopped before it was finished")]
    Stopped,
}

impl BackupError {
    /// Whether there is no space left for the backup.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let source = match self {
            Self::Log(StoreError::Io { source, .. })
            | Self::Folder(FolderError::Io { source, .. })
            | Self::Io { source, .. } => source,
            Self::Occupied(_)
            | Self::Inside(_)
            | Self::Folder(_)
            | Self::Log(_)
            | Self::Stopped => {
                return false;
            }
        };
        matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

/// Copies all of `folder` that is durable now into `into`, an empty or a new folder. Blocks.
///
/// `log` and `journal` are the open logs of `folder`. `progress` is told the part, the bytes done and
/// the bytes in total; when it says to stop, the backup ends unfinished.
///
/// # Errors
///
/// See [`BackupError`].
pub fn backup(
    folder: &DataFolder,
    (log, journal): (&SegmentLog, &SegmentLog),
    into: &Path,
    progress: &mut dyn FnMut(Part, u64, u64) -> ControlFlow<()>,
) -> Result<BackedUp, BackupError> {
    let copy = make_folder(folder, into)?;
    copy_file(folder.root(), copy.root(), folder::CLOCK)?;
    copy_file(&folder.proofs(), &copy.proofs(), CHECKPOINTS)?;
    copy_file(&folder.keys(), &copy.keys(), PUBLIC)?;
    let mut copy_log = |part, log: &SegmentLog, into: &Path| {
        let copied = log.backup(into, &mut |done, total| progress(part, done, total))?;
        copied.ok_or(BackupError::Stopped)
    };
    let journal = copy_log(Part::Journal, journal, &copy.journal())?;
    let log = copy_log(Part::Log, log, &copy.log())?;
    copy.mark().map_err(BackupError::Folder)?;
    Ok(BackedUp { log, journal })
}

/// Makes the target, with its name in its parents durable.
fn make_folder(folder: &DataFolder, into: &Path) -> Result<DataFolder, BackupError> {
    let failed = |path: &Path, source| {
        let path = path.to_owned();
        BackupError::Io { path, action: "used for a backup", source }
    };
    let into = std::path::absolute(into).map_err(|err| failed(into, err))?;
    let known = into.ancestors().find_map(|path| Some((path, path.canonicalize().ok()?)));
    let (existing, real) = known.ok_or_else(|| failed(&into, io::ErrorKind::NotFound.into()))?;
    let root = folder.root().canonicalize().map_err(|err| failed(folder.root(), err))?;
    if real.starts_with(root) {
        return Err(BackupError::Inside(into));
    }
    let copy = DataFolder::unmarked(&into, folder.clock()).map_err(|err| {
        if let FolderError::NotEmpty(path) = err {
            return BackupError::Occupied(path);
        }
        BackupError::Folder(err)
    })?;
    for made in into.ancestors().take_while(|path| *path != existing).filter_map(Path::parent) {
        File::open(made).and_then(|dir| dir.sync_all()).map_err(|err| failed(made, err))?;
    }
    Ok(copy)
}

/// Copies a small file, if there is one, durably.
fn copy_file(from: &Path, to: &Path, name: &str) -> Result<(), BackupError> {
    let failed = |path: &Path, action| {
        let path = path.to_owned();
        move |source| BackupError::Io { path, action, source }
    };
    let (from, copy) = (from.join(name), to.join(name));
    let content = match fs::read(&from) {
        Ok(content) => content,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(err) => return Err(failed(&from, "read")(err)),
    };
    let made = DirBuilder::new().recursive(true).mode(0o700).create(to);
    made.map_err(failed(to, "made"))?;
    write_durably(&copy, &content).map_err(failed(&copy, "written"))
}
