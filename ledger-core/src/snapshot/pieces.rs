//! Snapshots in sled: each in pieces that sled keeps safely, written at once, checked as a whole.
//!
//! Key of a piece: `s`, fold version, stream, a zero byte, number of the piece. The pieces together are
//! the length of the snapshot, the SHA-256 of it, and the snapshot. Numbers are big-endian.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{SnapshotError, WHAT};
use crate::commit::Hash;
use crate::customer::FOLD_VERSION;
use crate::derived::{Engine, EngineError, LockError, NotOpened, Report, lock, set_aside, watched};
use crate::ids::StreamId;

/// Pages kept in memory, in bytes on disk: few, since a snapshot is read once.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;

/// Bytes of a piece. sled moves values from 4 kB on to files that a power cut can lose.
const PIECE_BYTES: usize = 3 * 1024;

/// Bytes before the snapshot: its length and its hash.
const HEAD_BYTES: usize = 8 + 32;

/// Key of the id of the log that the snapshots were made from.
const LOG_KEY: &[u8] = b"log";

/// What the keys of all pieces start with.
const PIECES: &[u8] = b"s";

/// Pieces of other fold versions removed at once.
const REMOVED_AT_ONCE: usize = 256;

/// Why a folder of snapshots is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Odd {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    NotOpened(#[from] NotOpened),
    #[error("it does not say which log it belongs to")]
    NoLog,
    #[error("it belongs to another log")]
    OtherLog,
    #[error("the pieces of {0} do not fit together")]
    Pieces(StreamId),
    #[error("a snapshot is not what this version writes")]
    Snapshot(#[from] SnapshotError),
}

impl Odd {
    /// Whether only space is missing, so that the folder may be as it should.
    pub(super) fn is_disk_full(&self) -> bool {
        matches!(self, Self::Engine(err) if err.is_disk_full())
    }
}

/// Why there is no folder of snapshots at all.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error("what was there cannot be set aside")]
    NotAside(#[source] std::io::Error),
    #[error(transparent)]
    Odd(#[from] Odd),
}

/// An open folder of snapshots.
pub(super) struct Pieces {
    engine: Engine,
    /// Counts the beginnings and the ends of writes, so that a reader knows when one came between.
    writes: AtomicU64,
    _lock: File,
}

impl Pieces {
    /// Opens or makes the folder, and sets aside what is odd.
    pub(super) async fn open(dir: &Path, log_id: [u8; 16]) -> Result<Self, Unusable> {
        let lock = lock(dir)?;
        let engine = match examine(dir, log_id).await {
            Err(odd) if !odd.is_disk_full() => {
                set_aside(dir, WHAT, &odd).map_err(Unusable::NotAside)?;
                examine(dir, log_id).await?
            }
            examined => examined?,
        };
        Ok(Self { engine, writes: AtomicU64::new(0), _lock: lock })
    }

    /// The last snapshot of `stream`; `None`, too, while any is being written.
    ///
    /// sled makes readers wait while a batch is written, and a write that hangs must hold up no one.
    pub(super) fn read(&self, stream: &StreamId) -> Result<Option<Vec<u8>>, Odd> {
        let writes = self.writes.load(Ordering::SeqCst);
        if !writes.is_multiple_of(2) {
            return Ok(None);
        }
        let (prefix, mut whole) = (prefix(stream), Vec::new());
        self.engine.scan(&prefix, &prefix, |_, piece| {
            whole.extend(piece);
            true
        })?;
        if whole.is_empty() {
            return Ok(None);
        }
        if let Some((length, hash)) = head(&whole) {
            whole.drain(..HEAD_BYTES);
            if length == size(&whole) && hash == Hash::of(&whole) {
                return Ok(Some(whole));
            }
        }
        if writes == self.writes.load(Ordering::SeqCst) {
            return Err(Odd::Pieces(stream.clone()));
        }
        Ok(None)
    }

    /// Replaces the snapshot of `stream`. Only one thread may write.
    pub(super) fn write(&self, stream: &StreamId, snapshot: &[u8]) -> Result<(), Odd> {
        let prefix = prefix(stream);
        let before = match self.engine.get(&key(&prefix, 0))? {
            Some(first) => count(head(&first).ok_or_else(|| Odd::Pieces(stream.clone()))?.0),
            None => 0,
        };
        let length = size(snapshot);
        let whole = [&length.to_be_bytes(), &Hash::of(snapshot).as_bytes()[..], snapshot].concat();
        let written = (0..).zip(whole.chunks(PIECE_BYTES).map(Some));
        let removed = (count(length)..before).map(|number| (number, None));
        let entries: Vec<(Vec<u8>, Option<&[u8]>)> =
            written.chain(removed).map(|(number, piece)| (key(&prefix, number), piece)).collect();
        self.change(entries.iter().map(|(key, piece)| (&key[..], *piece)))
    }

    /// Writes a batch, and lets readers know how long.
    fn change<'a>(
        &self,
        entries: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
    ) -> Result<(), Odd> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        let result = self.engine.write(entries);
        self.writes.fetch_add(1, Ordering::SeqCst);
        Ok(result?)
    }

    /// Removes some pieces of other fold versions, and returns whether there were any.
    pub(super) fn remove_outdated(&self) -> Result<bool, Odd> {
        let current = version_prefix(FOLD_VERSION);
        let mut outdated = Vec::new();
        for from in [PIECES.to_vec(), version_prefix(FOLD_VERSION.saturating_add(1))] {
            self.engine.scan(PIECES, &from, |key, _| {
                let is_outdated = !key.starts_with(&current);
                if is_outdated {
                    outdated.push(key.to_vec());
                }
                is_outdated && outdated.len() < REMOVED_AT_ONCE
            })?;
        }
        if outdated.is_empty() {
            return Ok(false);
        }
        self.change(outdated.iter().map(|key| (&key[..], None)))?;
        Ok(true)
    }

    /// Makes everything written durable.
    pub(super) fn flush(&self) -> Result<(), Odd> {
        Ok(self.engine.flush()?)
    }

    /// Leaves the folder alone from now on.
    pub(super) fn condemn(&self) {
        self.engine.condemn();
    }
}

async fn examine(dir: &Path, log_id: [u8; 16]) -> Result<Engine, Odd> {
    let dir = dir.to_owned();
    watched("snapshots-open", move |report| find(&dir, log_id, report)).await?
}

fn find(dir: &Path, log_id: [u8; 16], report: Report<'_>) -> Result<Engine, Odd> {
    let engine = Engine::open(dir, CACHE_BYTES)?;
    report();
    match engine.get(LOG_KEY)? {
        Some(stored) if stored == log_id => {}
        Some(_) => return Err(Odd::OtherLog),
        None => {
            let mut is_empty = true;
            engine.scan(b"", b"", |_, _| {
                is_empty = false;
                false
            })?;
            if !is_empty {
                return Err(Odd::NoLog);
            }
            engine.write([(LOG_KEY, Some(&log_id[..]))])?;
        }
    }
    Ok(engine)
}

fn version_prefix(version: u32) -> Vec<u8> {
    [PIECES, &version.to_be_bytes()].concat()
}

/// What the keys of the pieces of `stream` start with. No stream's name contains a zero byte.
fn prefix(stream: &StreamId) -> Vec<u8> {
    [&version_prefix(FOLD_VERSION), stream.to_string().as_bytes(), &[0]].concat()
}

fn key(prefix: &[u8], number: u64) -> Vec<u8> {
    [prefix, &number.to_be_bytes()].concat()
}

/// Length and hash of a snapshot, from its first piece.
fn head(first: &[u8]) -> Option<(u64, Hash)> {
    let (length, rest) = first.split_first_chunk()?;
    let (hash, _) = rest.split_first_chunk()?;
    Some((u64::from_be_bytes(*length), Hash::from_bytes(*hash)))
}

/// Pieces of a snapshot of `length` bytes.
fn count(length: u64) -> u64 {
    length.saturating_add(size(&[0; HEAD_BYTES])).div_ceil(size(&[0; PIECE_BYTES]))
}

fn size(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn snapshots_of_other_fold_versions_are_removed_and_those_of_this_one_stay() {
        let dir = tempfile::tempdir().unwrap();
        let pieces = Pieces::open(&dir.path().join("snapshots"), [7; 16]).await.unwrap();
        pieces.write(&StreamId::Catalogue, b"kept").unwrap();
        for version in [FOLD_VERSION - 1, FOLD_VERSION + 1] {
            for number in 0..300 {
                let outdated = key(&version_prefix(version), number);
                pieces.engine.write([(&outdated[..], Some(&b"outdated"[..]))]).unwrap();
            }
        }
        let mut rounds = 0;
        while pieces.remove_outdated().unwrap() {
            rounds += 1;
        }
        assert_eq!(rounds, 3);
        let mut left = Vec::new();
        let entry = |key: &[u8], _| {
            left.push(key.to_vec());
            true
        };
        pieces.engine.scan(b"", b"", entry).unwrap();
        assert_eq!(left, [LOG_KEY.to_vec(), key(&prefix(&StreamId::Catalogue), 0)]);
        assert_eq!(pieces.read(&StreamId::Catalogue).unwrap(), Some(b"kept".to_vec()));
    }

    #[tokio::test]
    async fn nobody_asks_while_a_write_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let pieces = Pieces::open(&dir.path().join("snapshots"), [7; 16]).await.unwrap();
        pieces.write(&StreamId::Catalogue, b"kept").unwrap();
        pieces.writes.fetch_add(1, Ordering::SeqCst);
        assert_eq!(pieces.read(&StreamId::Catalogue).unwrap(), None);
        pieces.writes.fetch_add(1, Ordering::SeqCst);
        assert_eq!(pieces.read(&StreamId::Catalogue).unwrap(), Some(b"kept".to_vec()));
    }

    #[tokio::test]
    async fn pieces_that_do_not_fit_together_are_no_snapshot() {
        let dir = tempfile::tempdir().unwrap();
        let pieces = Pieces::open(&dir.path().join("snapshots"), [7; 16]).await.unwrap();
        let mixed = |number: u64, from: &[u8]| {
            pieces.write(&StreamId::Catalogue, from).unwrap();
            let key = key(&prefix(&StreamId::Catalogue), number);
            let piece = pieces.engine.get(&key).unwrap();
            pieces.write(&StreamId::Catalogue, &[b'a'; 3 * PIECE_BYTES]).unwrap();
            pieces.engine.write([(&key[..], piece.as_deref())]).unwrap();
            pieces.read(&StreamId::Catalogue)
        };
        for number in 0..4 {
            let other = [b'b'; 3 * PIECE_BYTES];
            assert!(matches!(mixed(number, &other), Err(Odd::Pieces(_))), "another piece {number}");
            assert!(matches!(mixed(number, b""), Err(Odd::Pieces(_))), "no piece {number}");
        }
    }

    #[test]
    fn pieces_are_counted_as_they_are_cut() {
        for length in [0, 1, PIECE_BYTES - HEAD_BYTES, PIECE_BYTES, 100 * PIECE_BYTES] {
            let whole = vec![0; HEAD_BYTES + length];
            assert_eq!(
                count(size(&vec![0; length])),
                size(&vec![0; whole.chunks(PIECE_BYTES).len()])
            );
        }
    }
}
