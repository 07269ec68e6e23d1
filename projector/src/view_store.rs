//! Documents and cursor on disk, in sled. All of it can be rebuilt from the log, and is when in doubt.
//!
//! One tree. A commit's changes, the cursor and a digest of all documents are written in one atomic
//! batch; at open the digest is computed again from every document and compared. Whatever is odd then
//! (an error, a panic, a stall, damage, views of another log or another version) leads to the same
//! end: the folder is set aside and empty views are made. Flushed when the pump idles and at close;
//! up to where is noted in a file of its own, because sled opens some damaged files as if empty.

mod charged;
mod digest;
mod history;
mod opening;
mod reads;
mod recent;

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use futures::TryStreamExt;
use ledger_core::codec::CodecError;
use ledger_core::commit::Hash;
use ledger_core::derived::EngineError;
use ledger_core::store::{CommitLog, StoreError};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use self::charged::Bookmarks;
use self::digest::Digest;
pub use self::history::{AuditFilter, Page, Paging};
use self::opening::{Found, Odd};
pub use self::reads::DumpEntry;
use self::recent::{Difference, Recent};
use crate::views::{Changes, ViewError, view_set};

/// Keys that begin so hold no documents.
const META_PREFIX: u8 = 0;

/// Key of the publisher's cursor.
const PUBLISHED_KEY: &[u8] = b"\0published";

/// Why the views did not do what they were asked. The log is not concerned.
#[derive(Debug, thiserror::Error)]
pub enum ViewStoreError {
    /// Another process works on the folder.
    #[error("{0}: another process is using these views; stop it, or ask it over HTTP")]
    Locked(PathBuf),
    /// The folder or a file beside it cannot be used.
    #[error("{path}: the views cannot be kept there")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The database failed; a restart checks it and rebuilds the views if need be.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Fresh views cannot be made.
    #[error("{path}: new views cannot be made: {reason}")]
    NotMade {
        /// The folder.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The log cannot be read.
    #[error("the log cannot be read")]
    Log(#[from] StoreError),
    /// A document is not what this version writes.
    #[error("the document {key} cannot be read")]
    Document {
        /// Its key.
        key: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A commit holds an event that this version cannot read.
    #[error("position {position} holds an event that cannot be read")]
    Undecodable {
        /// Position in the log.
        position: u64,
        /// The event and what is wrong with it.
        source: CodecError,
    },
    /// What a commit changed or cost cannot be told.
    #[error("what position {position} did cannot be told")]
    History {
        /// Position in the log.
        position: u64,
        /// What is wrong.
        source: ViewError,
    },
    /// The caller's pagination cursor is none that was handed out.
    #[error("{0:?} is not a cursor that was handed out: start without one")]
    NotACursor(String),
    /// The views have stopped following the log.
    #[error("the views have stopped: {0}")]
    Stopped(String),
    /// The views were closed.
    #[error("the views are closed")]
    Closed,
}

/// How far the views are, and whether they go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ViewsStatus {
    /// Position of the last commit in the views; zero when there is none.
    pub position: u64,
    /// Why they no longer follow the log; `None` while they do.
    pub failure: Option<String>,
}

/// The end of what is in the views.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Head {
    views: String,
    position: u64,
    /// Hash of the commit at `position`; zero when there is none.
    commit: Hash,
    digest: Digest,
}

/// A [`Head`] as stored.
#[derive(Serialize, Deserialize)]
struct StoredHead {
    views: String,
    position: u64,
    commit: Hash,
    digest: String,
}

impl Head {
    const KEY: &'static [u8] = b"\0head";

    fn empty() -> Self {
        Self { views: view_set(), position: 0, commit: Hash::ZERO, digest: Digest::default() }
    }

    fn read(json: &[u8]) -> Option<Self> {
        let stored: StoredHead = serde_json::from_slice(json).ok()?;
        let digest = Digest::parse(&stored.digest).ok()?;
        let StoredHead { views, position, commit, digest: _ } = stored;
        Some(Self { views, position, commit, digest })
    }

    fn write(&self) -> Result<Vec<u8>, ViewStoreError> {
        let stored = StoredHead {
            views: self.views.clone(),
            position: self.position,
            commit: self.commit,
            digest: self.digest.to_string(),
        };
        json_of("cursor", &stored)
    }
}

fn json_of<T: Serialize>(key: &str, value: &T) -> Result<Vec<u8>, ViewStoreError> {
    serde_json::to_vec(value)
        .map_err(|source| ViewStoreError::Document { key: key.to_owned(), source })
}

fn is_meta(key: &[u8]) -> bool {
    key.first() == Some(&META_PREFIX)
}

/// The views of one log. Clones share them.
///
/// Reads block on memory, rarely on the disk, and never see half a commit.
#[derive(Clone)]
pub struct ViewStore {
    shared: Arc<Shared>,
}

struct Shared {
    dir: PathBuf,
    /// `None` once closed. Written under the write lock only, so that a scan sees whole commits.
    open: RwLock<Option<Found>>,
    /// Locked before `open`, so that one commit follows the other.
    recent: Mutex<Recent>,
    /// Where pages of charges ended.
    bookmarks: Bookmarks,
    status: watch::Sender<ViewsStatus>,
    /// Released with the last handle.
    _lock: File,
}

impl ViewStore {
    /// Opens the views of `log` in `dir`, or makes empty ones.
    ///
    /// What cannot be used is renamed to `DIR.damaged-N`, with a warning. Then, as for a new folder,
    /// the views start at position zero and the pump builds them.
    ///
    /// # Errors
    ///
    /// [`ViewStoreError::Locked`], [`ViewStoreError::Io`] or [`ViewStoreError::NotMade`] when the
    /// folder cannot be used at all, [`ViewStoreError::Log`] when the log cannot be read.
    pub async fn open<L: CommitLog>(dir: &Path, log: &L) -> Result<Self, ViewStoreError> {
        let lock = opening::lock(dir)?;
        let found = match opening::examine(dir).await {
            Ok(found) => check_log(found, log).await?,
            Err(odd) => Err(odd),
        };
        let found = match found {
            Ok(found) => found,
            Err(odd) => {
                opening::set_aside(dir, &odd)?;
                opening::examine(dir).await.map_err(|odd| ViewStoreError::NotMade {
                    path: dir.to_owned(),
                    reason: odd.to_string(),
                })?
            }
        };
        let status = ViewsStatus { position: found.head.position, failure: None };
        let (status, _) = watch::channel(status);
        let shared = Shared {
            dir: dir.to_owned(),
            open: RwLock::new(Some(found)),
            recent: Mutex::new(Recent::new()),
            bookmarks: Bookmarks::default(),
            status,
            _lock: lock,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Folder of the views.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    /// Position of the last commit in the views; zero when there is none.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.shared.status.borrow().position
    }

    /// How far the views are; changes with every batch.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<ViewsStatus> {
        self.shared.status.subscribe()
    }

    /// Waits until the commit at `position` is in the views.
    ///
    /// # Errors
    ///
    /// [`ViewStoreError::Stopped`] when the views no longer follow the log.
    pub async fn wait_for(&self, position: u64) -> Result<(), ViewStoreError> {
        let mut status = self.shared.status.subscribe();
        let reached = |status: &ViewsStatus| position <= status.position;
        let seen = status.wait_for(|status| reached(status) || status.failure.is_some()).await;
        let seen = seen.map_err(|_| ViewStoreError::Closed)?;
        match &seen.failure {
            Some(failure) if !reached(&seen) => Err(ViewStoreError::Stopped(failure.clone())),
            Some(_) | None => Ok(()),
        }
    }

    /// Position of the last commit and the digest over all documents at it, in hexadecimal: equal
    /// views, equal digests.
    ///
    /// # Errors
    ///
    /// [`ViewStoreError::Closed`].
    pub fn fingerprint(&self) -> Result<(u64, String), ViewStoreError> {
        self.read(|found| Ok((found.head.position, found.head.digest.to_string())))
    }

    /// Writes what the commits up to `position` changed, and the cursor, at once or not at all.
    ///
    /// # Errors
    ///
    /// [`ViewStoreError::Engine`]; the views then keep what they had and answer no more.
    pub(crate) fn commit(
        &self,
        changes: &Changes,
        position: u64,
        commit: Hash,
    ) -> Result<(), ViewStoreError> {
        let mut recent = self.shared.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let compared = self.read(|found| recent.difference(found, changes))?;
        let Difference { documents, digest } = compared;
        let mut open = self.write_lock();
        let found = open.as_mut().ok_or(ViewStoreError::Closed)?;
        let head = Head { position, commit, digest, views: found.head.views.clone() };
        let stored = head.write()?;
        found.engine.write(documents.into_iter().chain([(Head::KEY, Some(stored.as_slice()))]))?;
        found.head = head;
        drop(open);
        self.shared.status.send_modify(|status| status.position = position);
        Ok(())
    }

    /// Says that the views no longer follow the log.
    pub(crate) fn stop(&self, failure: String) {
        self.shared.status.send_modify(|status| status.failure = Some(failure));
    }

    /// Says that the views follow the log.
    pub(crate) fn start(&self) {
        self.shared.status.send_modify(|status| status.failure = None);
    }

    /// Position of the last commit whose messages NATS has acknowledged; zero when there is none.
    ///
    /// # Errors
    ///
    /// [`ViewStoreError::Engine`] or [`ViewStoreError::Closed`].
    pub fn published(&self) -> Result<u64, ViewStoreError> {
        self.read(|found| {
            let Some(json) = found.engine.get(PUBLISHED_KEY)? else { return Ok(0) };
            serde_json::from_slice(&json)
                .map_err(|source| ViewStoreError::Document { key: "published".to_owned(), source })
        })
    }

    /// Moves the publisher's cursor.
    pub(crate) fn set_published(&self, position: u64) -> Result<(), ViewStoreError> {
        let json = json_of("published", &position)?;
        self.read(|found| Ok(found.engine.write([(PUBLISHED_KEY, Some(json.as_slice()))])?))
    }

    /// Makes durable what the views hold. Blocks.
    ///
    /// # Errors
    ///
    /// [`ViewStoreError::Engine`] or [`ViewStoreError::Closed`].
    pub fn flush(&self) -> Result<(), ViewStoreError> {
        self.read(|found| self.flush_found(found))
    }

    fn flush_found(&self, found: &Found) -> Result<(), ViewStoreError> {
        found.engine.flush()?;
        opening::write_flushed(&self.shared.dir, found.head.position)
    }

    /// Flushes and closes; every handle answers [`ViewStoreError::Closed`] from then on. Blocks.
    ///
    /// Called again, it does nothing. The folder stays locked until the last handle is gone.
    ///
    /// # Errors
    ///
    /// [`ViewStoreError::Engine`] when flushing fails; it is closed all the same.
    pub fn close(&self) -> Result<(), ViewStoreError> {
        let Some(found) = self.write_lock().take() else { return Ok(()) };
        self.flush_found(&found)
    }

    fn read<T>(
        &self,
        work: impl FnOnce(&Found) -> Result<T, ViewStoreError>,
    ) -> Result<T, ViewStoreError> {
        work(self.read_lock().as_ref().ok_or(ViewStoreError::Closed)?)
    }

    fn read_lock(&self) -> RwLockReadGuard<'_, Option<Found>> {
        self.shared.open.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_lock(&self) -> RwLockWriteGuard<'_, Option<Found>> {
        self.shared.open.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ViewStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ViewStore").field("dir", &self.shared.dir).finish_non_exhaustive()
    }
}

/// Checks that the views were made from `log`.
async fn check_log<L: CommitLog>(
    found: Found,
    log: &L,
) -> Result<Result<Found, Odd>, ViewStoreError> {
    let (position, log_end) = (found.head.position, log.durable_position());
    if log_end < position {
        return Ok(Err(Odd::BeyondLog { position, log_end }));
    }
    if position == 0 {
        return Ok(Ok(found));
    }
    match log.read_from(position).try_next().await? {
        Some(stored) if stored.hash() == found.head.commit => Ok(Ok(found)),
        Some(_) | None => Ok(Err(Odd::OtherLog(position))),
    }
}
