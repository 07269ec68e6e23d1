//! The anchor file: how far the log was durable, kept outside the segments.
//!
//! Two slots written in turn, so that a torn write leaves the other. Each is the last word only with
//! the log's own id and its checksum; the higher position counts.

use std::io;
use std::path::{Path, PathBuf};

use super::disk::{Access, Disk, NamedFile};
use super::format::{Anchor, SLOT_BYTES, Unreadable};
use crate::store::StoreError;

/// Name of the anchor file in the folder.
pub(super) const NAME: &str = "anchor";

/// Name under which the anchor file is made.
pub(super) const NAME_MADE: &str = "anchor.tmp";

/// The anchor file, open for writing.
#[derive(Debug)]
pub(super) struct AnchorFile {
    file: NamedFile,
    is_second_next: bool,
}

impl AnchorFile {
    /// Creates the anchor file of a new log, durably.
    pub(super) fn create(disk: &dyn Disk, dir: &Path, anchor: Anchor) -> io::Result<Self> {
        let file = disk.create(&dir.join(NAME_MADE))?;
        file.truncate(2 * SLOT_BYTES)?;
        let mut made = Self { file, is_second_next: false };
        made.settle(anchor)?;
        disk.rename(&mut made.file, &dir.join(NAME))?;
        disk.sync_folder(dir)?;
        Ok(made)
    }

    /// Opens the anchor file and sets both slots, which also mends a damaged one.
    pub(super) fn open(disk: &dyn Disk, dir: &Path, anchor: Anchor) -> io::Result<Self> {
        let file = disk.open(&dir.join(NAME), Access::ReadWrite)?;
        let mut opened = Self { file, is_second_next: false };
        opened.settle(anchor)?;
        Ok(opened)
    }

    pub(super) fn path(&self) -> &Path {
        &self.file.path
    }

    /// Writes the anchor to the slot whose turn it is, without waiting for the disk.
    pub(super) fn write(&mut self, anchor: Anchor) -> io::Result<()> {
        let offset = if self.is_second_next { SLOT_BYTES } else { 0 };
        self.file.write_all_at(&anchor.to_bytes(), offset)?;
        self.is_second_next = !self.is_second_next;
        Ok(())
    }

    /// Writes the anchor to both slots and makes it durable.
    pub(super) fn settle(&mut self, anchor: Anchor) -> io::Result<()> {
        self.write(anchor)?;
        self.file.sync_data()?;
        self.write(anchor)?;
        self.file.sync_data()
    }
}

/// Reads the anchor of the log in `dir`; `None` when there is no such file.
pub(super) fn read(disk: &dyn Disk, dir: &Path) -> Result<Option<Anchor>, StoreError> {
    let path = dir.join(NAME);
    let mut bytes = Vec::new();
    let read = disk.open(&path, Access::Read).and_then(|file| file.read_whole(&mut bytes));
    match read {
        Ok(()) => {}
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(StoreError::Io { path, action: "read", source }),
    }
    let second = usize::try_from(SLOT_BYTES).ok().and_then(|second| bytes.get(second..));
    let slots = [Anchor::read(&bytes), Anchor::read(second.unwrap_or_default())];
    let newest = slots.iter().flatten().max_by_key(|anchor| anchor.position);
    if let Some(newest) = newest {
        if slots.iter().any(Result::is_err) {
            tracing::warn!(file = %path.display(), "one of the two slots of the anchor is damaged");
        }
        return one_log(&path, &slots).map(|()| Some(*newest));
    }
    Err(unreadable(path, slots))
}

fn one_log(path: &Path, slots: &[Result<Anchor, Unreadable>; 2]) -> Result<(), StoreError> {
    match slots {
        [Ok(first), Ok(second)] if first.log_id != second.log_id => Err(StoreError::Foreign {
            file: path.to_owned(),
            reason: "its two slots belong to different logs".to_owned(),
        }),
        [Err(Unreadable::Newer(format)), _] | [_, Err(Unreadable::Newer(format))] => {
            Err(newer(path.to_owned(), *format))
        }
        _ => Ok(()),
    }
}

fn unreadable(path: PathBuf, slots: [Result<Anchor, Unreadable>; 2]) -> StoreError {
    if let Some(Unreadable::Newer(format)) =
        slots.into_iter().filter_map(Result::err).find(|err| matches!(err, Unreadable::Newer(_)))
    {
        return newer(path, format);
    }
    let reason = "both slots of the anchor, at offsets 0 and 512, are damaged; restore the file \
                  from any backup of this log";
    StoreError::Foreign { file: path, reason: reason.to_owned() }
}

/// The error for a file of a later format.
pub(super) fn newer(file: PathBuf, format: u32) -> StoreError {
    let reason = format!(
        "it is in format {format}, this program reads format {}; use the newer program that wrote it",
        super::format::FORMAT
    );
    StoreError::Foreign { file, reason }
}
