//! The log's folder: its lock, and which files belong to it.

use std::fs::TryLockError;
use std::io;
use std::path::{Path, PathBuf};

use super::anchor;
use super::disk::{Disk, Lock, LockFile, NamedFile};
use super::format::{Header, LogId, Unreadable};
use crate::store::{Damage, StoreError};

const LOCK: &str = "lock";

/// Name under which a segment is made before it gets its own.
const SEGMENT_MADE: &str = "segment.tmp";

/// A segment file by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) first: u64,
    pub(super) path: PathBuf,
}

/// Turns a system error into ours.
pub(super) fn failed(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { path, action, source }
}

/// Creates the folder, durably, unless it exists.
pub(super) fn create(disk: &dyn Disk, dir: &Path) -> Result<(), StoreError> {
    let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !disk.is_folder(folder);
    let missing: Vec<_> = dir.ancestors().take_while(is_missing).collect();
    for folder in missing.into_iter().rev() {
        disk.create_folder(folder).map_err(failed(dir, "used as a folder"))?;
        let parent = match folder.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            Some(_) | None => Path::new("."),
        };
        disk.sync_folder(parent).map_err(failed(parent, "synced"))?;
    }
    Ok(())
}

/// Locks the folder for a writer, until the lock is dropped.
pub(super) fn lock(disk: &dyn Disk, dir: &Path) -> Result<Lock, StoreError> {
    disk.lock(&dir.join(LOCK), LockFile::Create).map_err(|err| not_locked(dir, err))
}

/// Locks the folder for a reader. Changes nothing: without a lock file, no writer was ever here.
pub(super) fn lock_existing(disk: &dyn Disk, dir: &Path) -> Result<Option<Lock>, StoreError> {
    match disk.lock(&dir.join(LOCK), LockFile::Existing) {
        Ok(lock) => Ok(Some(lock)),
        Err(TryLockError::Error(err)) if err.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(err) => Err(not_locked(dir, err)),
    }
}

fn not_locked(dir: &Path, err: TryLockError) -> StoreError {
    match err {
        TryLockError::WouldBlock => StoreError::Locked(dir.to_owned()),
        TryLockError::Error(err) => failed(&dir.join(LOCK), "locked")(err),
    }
}

/// The folder's segments in order, and an error for every file that does not belong.
pub(super) fn list(
    disk: &dyn Disk,
    dir: &Path,
) -> Result<(Vec<Listed>, Vec<StoreError>), StoreError> {
    let (mut segments, mut foreign) = (Vec::new(), Vec::new());
    for path in disk.list(dir).map_err(failed(dir, "read"))? {
        let name = path.file_name().and_then(|name| name.to_str());
        match name.map(|name| (name, position_of(name))) {
            Some((_, Some(first))) => segments.push(Listed { first, path }),
            Some((LOCK | SEGMENT_MADE | anchor::NAME | anchor::NAME_MADE | "lost+found", None)) => {
            }
            Some((_, None)) | None => foreign.push(StoreError::Foreign {
                file: path,
                reason: "it does not belong to a log; move it out of this folder".to_owned(),
            }),
        }
    }
    segments.sort_by_key(|segment| segment.first);
    Ok((segments, foreign))
}

fn position_of(name: &str) -> Option<u64> {
    let first = name.strip_suffix(".seg")?.parse().ok()?;
    (0 < first && name == name_of(first)).then_some(first)
}

fn name_of(first: u64) -> String {
    format!("{first:020}.seg")
}

/// Where the segment that starts at `first` is.
pub(super) fn segment_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(name_of(first))
}

/// Creates a segment, durably. It gets its name last, so that no segment ever has half a header.
pub(super) fn create_segment(disk: &dyn Disk, dir: &Path, header: Header) -> io::Result<NamedFile> {
    let mut file = disk.create(&dir.join(SEGMENT_MADE))?;
    file.write_all_at(&header.to_bytes(), 0)?;
    file.sync_data()?;
    disk.rename(&mut file, &segment_path(dir, header.first))?;
    disk.sync_folder(dir)?;
    Ok(file)
}

/// Checks that `bytes` start with the header of `segment`; `log_id` is the log's if known already.
pub(super) fn check_header(
    segment: &Listed,
    bytes: &[u8],
    log_id: Option<LogId>,
) -> Result<LogId, StoreError> {
    let foreign = |reason: &str| StoreError::Foreign {
        file: segment.path.clone(),
        reason: format!("{reason} (header at offset 0)"),
    };
    let damaged = |reason| StoreError::Damaged {
        file: segment.path.clone(),
        offset: 0,
        position: segment.first,
        reason,
    };
    let header = Header::read(bytes).map_err(|err| match err {
        Unreadable::Magic => foreign("it is not a segment of a ledger log"),
        Unreadable::Newer(format) => anchor::newer(segment.path.clone(), format),
        Unreadable::Cut => damaged(Damage::Incomplete),
        Unreadable::Checksum => damaged(Damage::Checksum),
    })?;
    if header.first != segment.first {
        return Err(foreign(&format!("it holds the segment that starts at {}", header.first)));
    }
    match log_id {
        Some(log_id) if log_id != header.log_id => Err(foreign("it belongs to another log")),
        Some(_) | None => Ok(header.log_id),
    }
}
