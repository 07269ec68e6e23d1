//! Copies a log while it runs: sealed segments, the durable part of the open one, then an anchor.
//!
//! The anchor comes last. A copy that was not finished has none, and nothing opens it.

use std::ops::ControlFlow;
use std::path::Path;

use super::anchor::AnchorFile;
use super::disk::{Disk, NamedFile};
use super::folder::{self, failed};
use super::footer::Sealed;
use super::format::{Anchor, LogId, count, length};
use super::index::Snapshot;
use super::reader;
use crate::store::{Damage, StoreError};

/// Bytes copied at once.
const CHUNK_BYTES: usize = 1024 * 1024;

/// What a finished backup of a log holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Position of the last commit.
    pub position: u64,
    /// Size of the segments, in bytes.
    pub bytes: u64,
}

/// Copies what `snapshot` holds into the folder `into`, durably; `None` when `progress` says to stop.
pub(super) fn copy(
    disk: &dyn Disk,
    snapshot: &Snapshot,
    log_id: LogId,
    into: &Path,
    progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<Option<Copied>, StoreError> {
    folder::create(disk, into)?;
    if !disk.list(into).map_err(failed(into, "read"))?.is_empty() {
        let reason = "it is not empty; a backup needs a folder of its own".to_owned();
        return Err(StoreError::Foreign { file: into.to_owned(), reason });
    }
    let mut parts = Vec::new();
    for sealed in &snapshot.sealed {
        let file = &sealed.file;
        let size = file.size().map_err(failed(&file.path, "read"))?;
        parts.push(Part { file, first: sealed.trailer.first, size, sealed: Some(sealed) });
    }
    let open = snapshot.open.as_ref();
    parts.extend(open.map(|(file, first, end)| Part {
        file,
        first: *first,
        size: *end,
        sealed: None,
    }));
    let bytes = parts.iter().map(|part| part.size).sum();
    let mut done = 0;
    for part in &parts {
        let mut told = |copied| {
            done += copied;
            progress(done, bytes)
        };
        if copy_part(disk, part, &folder::segment_path(into, part.first), &mut told)?.is_break() {
            return Ok(None);
        }
    }
    disk.sync_folder(into).map_err(failed(into, "synced"))?;
    let anchor = Anchor { log_id, position: snapshot.last, hash: snapshot.last_hash };
    AnchorFile::create(disk, into, anchor).map_err(failed(into, "given an anchor"))?;
    Ok(Some(Copied { position: snapshot.last, bytes }))
}

/// A segment, or the durable part of the open one.
struct Part<'a> {
    file: &'a NamedFile,
    first: u64,
    size: u64,
    sealed: Option<&'a Sealed>,
}

/// Copies a part, durably, and checks it on the way if it is sealed.
fn copy_part(
    disk: &dyn Disk,
    part: &Part<'_>,
    to: &Path,
    told: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, StoreError> {
    let Part { file, first, size, sealed } = *part;
    let end = sealed.map_or(0, |sealed| sealed.trailer.records_end);
    let copy = disk.create(to).map_err(failed(to, "created"))?;
    let mut buffer = vec![0; CHUNK_BYTES];
    let (mut at, mut crc) = (0, 0);
    while at < size {
        let wanted = length(size - at).map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES));
        let chunk = buffer.get_mut(..wanted).unwrap_or_default();
        file.read_exact_at(chunk, at).map_err(failed(&file.path, "read"))?;
        copy.write_all_at(chunk, at).map_err(failed(to, "written"))?;
        let counted = length(end.saturating_sub(at)).map_or(wanted, |left| left.min(wanted));
        crc = crc32c::crc32c_append(crc, chunk.get(..counted).unwrap_or_default());
        at += count(wanted);
        if told(count(wanted)).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    copy.sync_data().map_err(failed(to, "synced"))?;
    let Some(sealed) = sealed else { return Ok(ControlFlow::Continue(())) };
    if crc != sealed.trailer.records_crc {
        let (file, position, reason) = (file.path.clone(), first, Damage::Checksum);
        return Err(StoreError::Damaged { file, offset: 0, position, reason });
    }
    if sealed.tables().map_err(failed(&file.path, "read"))?.is_none() {
        return Err(reader::broken_footer(sealed));
    }
    Ok(ControlFlow::Continue(()))
}
