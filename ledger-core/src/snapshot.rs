//! Snapshots: what the command path keeps of a customer, so that not all of its history is folded again.
//!
//! A cache. Nothing depends on it but time: what is odd is set aside, what does not fit into the queue
//! is dropped, and whoever loads a snapshot checks its tips against the logs and folds what came after.

mod pieces;
mod queue;
#[cfg(test)]
mod tests;

use std::borrow::Borrow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use self::pieces::{Odd, Pieces};
use self::queue::{Next, Queue};
use crate::codec::layout;
use crate::commit::Hash;
use crate::customer::Customer;
use crate::derived::set_aside;
use crate::error::chain;
use crate::ids::StreamId;

/// How long closing waits until what was handed over is written.
const CLOSE_LIMIT: Duration = Duration::from_secs(10);

/// How long a command waits for a snapshot.
const LOAD_LIMIT: Duration = Duration::from_millis(50);

/// What the folder holds, for messages.
const WHAT: &str = "snapshots";

/// Everything the command path keeps of one stream, at one version of it.
///
/// `C` is [`Customer`], or `&Customer` to store one without a copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot<C = Customer> {
    /// Version of the stream in the log.
    pub version: u64,
    /// Hash of the commit with that version.
    #[serde(with = "raw")]
    pub hash: Hash,
    /// Version of the stream in the journal.
    pub journal_version: u64,
    /// Hash of the journal's commit with that version.
    #[serde(with = "raw")]
    pub journal_hash: Hash,
    /// When the last commit was recorded.
    pub last_recorded_at: Option<DateTime<Utc>>,
    /// The customer; `None` before its registration, and for the catalogue.
    pub customer: Option<C>,
    /// Fingerprint of each command id, and where its answer is kept.
    pub answers: Vec<(u64, u64)>,
}

/// Hashes as 32 bytes instead of text.
mod raw {
    use super::{Deserialize, Hash, Serialize};

    pub(super) fn serialize<S: serde::Serializer>(hash: &Hash, to: S) -> Result<S::Ok, S::Error> {
        hash.as_bytes().serialize(to)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Hash, D::Error> {
        <[u8; 32]>::deserialize(from).map(Hash::from_bytes)
    }
}

/// Why a snapshot is no bytes, or bytes are no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The encoder refuses.
    #[error("it cannot be encoded")]
    Encode(#[from] bincode::error::EncodeError),
    /// The bytes cannot be decoded.
    #[error("it cannot be decoded")]
    Decode(#[from] bincode::error::DecodeError),
    /// Bytes follow the end.
    #[error("{0} bytes follow its end")]
    Trailing(usize),
}

impl<C: Borrow<Customer> + Serialize> Snapshot<C> {
    /// The bytes in which it is kept. They change only together with
    /// [`FOLD_VERSION`](crate::customer::FOLD_VERSION).
    ///
    /// # Errors
    ///
    /// [`SnapshotError::Encode`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, SnapshotError> {
        Ok(bincode::serde::encode_to_vec(self, layout())?)
    }
}

impl Snapshot {
    /// Reads what [`to_bytes`](Self::to_bytes) has written.
    ///
    /// # Errors
    ///
    /// [`SnapshotError::Decode`] or [`SnapshotError::Trailing`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let (snapshot, length) = bincode::serde::decode_from_slice(bytes, layout())?;
        match bytes.len().saturating_sub(length) {
            0 => Ok(snapshot),
            trailing => Err(SnapshotError::Trailing(trailing)),
        }
    }
}

/// What became of loads and stores since the snapshots were opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotStats {
    /// Loads that found a snapshot.
    pub hits: u64,
    /// Loads that found none.
    pub misses: u64,
    /// Snapshots written.
    pub stored: u64,
    /// Snapshots that were not kept: too many were waiting, or the folder cannot be used.
    pub dropped: u64,
    /// Whether snapshots are kept at all.
    pub is_usable: bool,
}

/// The snapshots of one log, the last one of every stream. To be shared in an [`Arc`].
pub struct Snapshots {
    shared: Arc<Shared>,
}

struct Shared {
    dir: PathBuf,
    /// `None` once closed or after a failure.
    pieces: Mutex<Option<Arc<Pieces>>>,
    queue: Queue,
    hits: AtomicU64,
    misses: AtomicU64,
    stored: AtomicU64,
    dropped: AtomicU64,
}

impl Snapshots {
    /// Opens the snapshots in `dir` that belong to the log with this id, or starts with none.
    ///
    /// Never fails: what cannot be used is renamed to `DIR.damaged-N`, with a warning; if there cannot
    /// be a new folder, or another process uses it, nothing is kept until the next start.
    pub async fn open(dir: &Path, log_id: [u8; 16]) -> Self {
        let pieces = match Pieces::open(dir, log_id).await {
            Ok(pieces) => Some(Arc::new(pieces)),
            Err(reason) => {
                say_unusable(dir, &reason);
                None
            }
        };
        let snapshots = Self { shared: Arc::new(Shared::new(dir, pieces.clone())) };
        if let Some(pieces) = pieces {
            snapshots.start(pieces);
        }
        snapshots
    }

    fn start(&self, pieces: Arc<Pieces>) {
        let shared = Arc::clone(&self.shared);
        let work = move || shared.work(pieces);
        if let Err(err) = thread::Builder::new().name("snapshots".to_owned()).spawn(work) {
            self.shared.pieces().take();
            self.shared.queue.finish();
            say_unusable(&self.shared.dir, &err);
        }
    }

    /// The last snapshot of `stream` that was written, if there is one. Blocks on memory and the disk.
    #[must_use]
    pub fn load(&self, stream: &StreamId) -> Option<Snapshot> {
        let loaded = self.shared.load(stream);
        let counted = if loaded.is_some() { &self.shared.hits } else { &self.shared.misses };
        counted.fetch_add(1, Ordering::Relaxed);
        loaded
    }

    /// As [`load`](Self::load), on a thread of its own and not for long: sled makes readers wait for
    /// writers, and a history is folded in some milliseconds.
    pub async fn load_soon(self: &Arc<Self>, stream: &StreamId) -> Option<Snapshot> {
        let (snapshots, stream) = (Arc::clone(self), stream.clone());
        let loading = spawn_blocking(move || snapshots.load(&stream));
        timeout(LOAD_LIMIT, loading).await.ok()?.ok()?
    }

    /// Hands a snapshot over to be written in the background; drops it when too many are waiting.
    pub fn store<C>(&self, stream: &StreamId, snapshot: &Snapshot<C>)
    where
        C: Borrow<Customer> + Serialize,
    {
        let queue = &self.shared.queue;
        let is_taken = queue.has_room()
            && match snapshot.to_bytes() {
                Ok(bytes) => queue.push(stream.clone(), bytes),
                Err(err) => {
                    tracing::warn!(%stream, %err, "a snapshot was not kept");
                    false
                }
            };
        if !is_taken {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What became of loads and stores so far.
    #[must_use]
    pub fn stats(&self) -> SnapshotStats {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        SnapshotStats {
            hits: count(&self.shared.hits),
            misses: count(&self.shared.misses),
            stored: count(&self.shared.stored),
            dropped: count(&self.shared.dropped),
            is_usable: self.shared.pieces().is_some(),
        }
    }

    /// Writes and flushes what was handed over, and closes. Blocks, at most some seconds.
    ///
    /// Called again, it does nothing. Loads find nothing from then on, and stores are dropped.
    pub fn close(&self) {
        self.shared.queue.close();
        if self.shared.queue.wait_until_finished(CLOSE_LIMIT) {
            return;
        }
        if let Some(pieces) = self.shared.pieces().take() {
            pieces.condemn();
            tracing::warn!(dir = %self.shared.dir.display(), "the snapshots were not closed cleanly");
        }
    }
}

impl Drop for Snapshots {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Snapshots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshots").field("dir", &self.shared.dir).finish_non_exhaustive()
    }
}

impl Shared {
    fn new(dir: &Path, pieces: Option<Arc<Pieces>>) -> Self {
        let queue = Queue::default();
        if pieces.is_none() {
            queue.finish();
        }
        Self {
            dir: dir.to_owned(),
            pieces: Mutex::new(pieces),
            queue,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            stored: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        }
    }

    fn pieces(&self) -> MutexGuard<'_, Option<Arc<Pieces>>> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn load(&self, stream: &StreamId) -> Option<Snapshot> {
        let pieces = self.pieces().clone()?;
        let read = pieces.read(stream).and_then(|bytes| match bytes {
            Some(bytes) => Ok(Some(Snapshot::from_bytes(&bytes)?)),
            None => Ok(None),
        });
        read.unwrap_or_else(|odd| {
            self.fail(&odd);
            None
        })
    }

    /// What the background thread does until the snapshots are closed or fail.
    fn work(&self, pieces: Arc<Pieces>) {
        if let Err(odd) = self.write_all(&pieces) {
            self.fail(&odd);
        }
        self.pieces().take();
        drop(pieces);
        self.queue.finish();
    }

    fn write_all(&self, pieces: &Pieces) -> Result<(), Odd> {
        while !self.queue.is_closed() && pieces.remove_outdated()? {}
        let mut is_flushed = true;
        loop {
            match self.queue.next(is_flushed) {
                Next::Write(stream, bytes) => {
                    pieces.write(&stream, &bytes)?;
                    self.stored.fetch_add(1, Ordering::Relaxed);
                    is_flushed = false;
                }
                Next::Flush => {
                    pieces.flush()?;
                    is_flushed = true;
                }
                Next::End => return pieces.flush(),
            }
        }
    }

    /// Keeps nothing any more, says so once, and makes room for a fresh start.
    fn fail(&self, odd: &Odd) {
        self.queue.close();
        let Some(pieces) = self.pieces().take() else { return };
        pieces.condemn();
        if odd.is_disk_full() {
            say_unusable(&self.dir, odd);
        } else if let Err(err) = set_aside(&self.dir, WHAT, odd) {
            say_unusable(&self.dir, &err);
        }
    }
}

fn say_unusable(dir: &Path, reason: &dyn std::error::Error) {
    tracing::warn!(
        dir = %dir.display(),
        reason = %chain(reason),
        "no snapshots are kept until the next start; customers are read from the log"
    );
}
