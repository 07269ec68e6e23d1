//! Copies a log while it runs: sealed segments, the durable part of the open one, then an anchor.
//!
//! The anchor comes last. A copy that was not finished has none, and nothing opens it.

use std::path::Path;

use super::anchor::AnchorFile;
use super::disk::{Disk, NamedFile};
use super::folder::{self, failed};
use super::format::{Anchor, LogId, count, length};
use super::index::Snapshot;
use crate::store::{Damage, StoreError};

/// Bytes copied at once.
const CHUNK_BYTES: usize = 1024 * 1024;

/// Copies what `snapshot` holds into the folder `into`, durably.
pub(super) fn copy(
    disk: &dyn Disk,
    snapshot: &Snapshot,
    log_id: LogId,
    into: &Path,
) -> Result<(), StoreError> {
    folder::create(disk, into)?;
    if !disk.list(into).map_err(failed(into, "read"))?.is_empty() {
        let reason = "it is not empty; a backup needs a folder of its own".to_owned();
        return Err(StoreError::Foreign { file: into.to_owned(), reason });
    }
    for sealed in &snapshot.sealed {
        let (file, trailer) = (&sealed.file, &sealed.trailer);
        let size = file.size().map_err(failed(&file.path, "read"))?;
        let copied = folder::segment_path(into, trailer.first);
        let crc = copy_file(disk, (file, size), trailer.records_end, &copied)?;
        if crc != trailer.records_crc {
            let (position, reason) = (trailer.first, Damage::Checksum);
            return Err(StoreError::Damaged {
                file: file.path.clone(),
                offset: 0,
                position,
                reason,
            });
        }
    }
    if let Some((file, first, end)) = &snapshot.open {
        copy_file(disk, (file, *end), *end, &folder::segment_path(into, *first))?;
    }
    disk.sync_folder(into).map_err(failed(into, "synced"))?;
    let anchor = Anchor { log_id, position: snapshot.last, hash: snapshot.last_hash };
    AnchorFile::create(disk, into, anchor).map_err(failed(into, "given an anchor"))?;
    Ok(())
}

/// Copies the first `size` bytes of a file, durably, and returns the checksum of those before `end`.
fn copy_file(
    disk: &dyn Disk,
    (file, size): (&NamedFile, u64),
    end: u64,
    to: &Path,
) -> Result<u32, StoreError> {
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
    }
    copy.sync_data().map_err(failed(to, "synced"))?;
    Ok(crc)
}
