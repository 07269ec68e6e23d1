//! Opens a folder of views, checks all of it, and says what is odd.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;

use ledger_core::derived::{self, Engine, EngineError, LockError, NotOpened, Report};

use super::digest::{Digest, Entry};
use super::{Head, ViewStoreError, is_meta};
use crate::views::view_set;

/// Pages kept in memory, in bytes on disk; in memory they take many times as much.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;

/// File that tells up to which position the views were flushed.
const FLUSHED: &str = "flushed";

/// Entries after which the check reports that it goes on.
const ENTRIES_PER_REPORT: u64 = 10_000;

/// Why a folder of views is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Odd {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    NotOpened(#[from] NotOpened),
    #[error("there are documents but no cursor")]
    NoCursor,
    #[error("the cursor cannot be read")]
    Cursor,
    #[error("made by another set of views: {0}")]
    OtherViews(String),
    #[error("the digest over all documents is not the stored one")]
    Digest,
    #[error("the note of what was flushed cannot be read")]
    Flushed,
    #[error("they end at position {position}, but {flushed} was flushed")]
    Lost { position: u64, flushed: u64 },
    #[error("they end at position {position}, beyond the log's end {log_end}")]
    BeyondLog { position: u64, log_end: u64 },
    #[error("they follow another log: its commit at position {0} is not this log's")]
    OtherLog(u64),
}

/// What was found in a folder.
pub(super) struct Found {
    pub(super) engine: Engine,
    pub(super) head: Head,
}

/// Takes the lock that lets one process at a time use the views in `dir`.
pub(super) fn lock(dir: &Path) -> Result<File, ViewStoreError> {
    derived::lock(dir).map_err(|err| match err {
        LockError::Held(dir) => ViewStoreError::Locked(dir),
        LockError::Io { path, source } => ViewStoreError::Io { path, source },
    })
}

/// Opens and checks the views in `dir`; an empty or missing folder is an empty set of views.
pub(super) async fn examine(dir: &Path) -> Result<Found, Odd> {
    let dir = dir.to_owned();
    derived::watched("views-open", move |report| find(&dir, report)).await?
}

fn find(dir: &Path, report: Report<'_>) -> Result<Found, Odd> {
    let flushed = read_flushed(dir)?;
    let engine = Engine::open(dir, CACHE_BYTES)?;
    report();
    let stored = match engine.get(Head::KEY)? {
        Some(json) => Some(Head::read(&json).ok_or(Odd::Cursor)?),
        None => None,
    };
    let (mut digest, mut entries) = (Digest::default(), 0_u64);
    engine.scan(b"", b"", |key, value| {
        if is_meta(key) {
            return true;
        }
        digest.toggle(Entry::of(key, &value));
        entries = entries.saturating_add(1);
        entries % ENTRIES_PER_REPORT != 0 || report()
    })?;
    let head = match stored {
        None if entries == 0 => Head::empty(),
        None => return Err(Odd::NoCursor),
        Some(head) => head,
    };
    if head.views != view_set() {
        return Err(Odd::OtherViews(head.views));
    }
    if head.digest != digest {
        return Err(Odd::Digest);
    }
    if head.position < flushed {
        return Err(Odd::Lost { position: head.position, flushed });
    }
    Ok(Found { engine, head })
}

/// The last position that was flushed; zero when none was.
fn read_flushed(dir: &Path) -> Result<u64, Odd> {
    match fs::read_to_string(dir.join(FLUSHED)) {
        Ok(text) => text.trim_end().parse().map_err(|_| Odd::Flushed),
        Err(err) if err.kind() == ErrorKind::NotFound => Ok(0),
        Err(_) => Err(Odd::Flushed),
    }
}

/// Notes outside the database up to where it is flushed: damaged files may make it look empty.
pub(super) fn write_flushed(dir: &Path, position: u64) -> Result<(), ViewStoreError> {
    let (path, new) = (dir.join(FLUSHED), dir.join(FLUSHED).with_extension("new"));
    let written = File::create(&new).and_then(|mut file| {
        writeln!(file, "{position}")?;
        file.sync_data()?;
        fs::rename(&new, &path)
    });
    written.map_err(|source| ViewStoreError::Io { path, source })
}

/// Moves `dir` out of the way and says so.
pub(super) fn set_aside(dir: &Path, odd: &Odd) -> Result<(), ViewStoreError> {
    derived::set_aside(dir, "views", odd)
        .map_err(|source| ViewStoreError::Io { path: dir.to_owned(), source })
}
