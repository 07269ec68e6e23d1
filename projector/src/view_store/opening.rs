//! Opens a folder of views on a thread of its own, checks all of it, and sets aside what is odd.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;

use super::digest::Digest;
use super::engine::{Engine, EngineError};
use super::{Head, ViewStoreError, is_meta};
use crate::views::view_set;

/// How long opening may show no progress. Only damaged files take so long.
const STALLED_AFTER: Duration = Duration::from_mins(1);

/// File that tells up to which position the views were flushed.
const FLUSHED: &str = "flushed";

/// Entries after which the check reports that it goes on.
const ENTRIES_PER_REPORT: u64 = 10_000;

/// Why a folder of views is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Odd {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("opening stalled for {} s", STALLED_AFTER.as_secs())]
    Stalled,
    #[error("opening ended without a result")]
    Vanished,
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

enum Report {
    Progress,
    Done(Box<Result<Found, Odd>>),
}

/// Takes the lock beside `dir` that lets one process at a time use it.
pub(super) fn lock(dir: &Path) -> Result<File, ViewStoreError> {
    let path = beside(dir, "lock");
    let io = |source| ViewStoreError::Io { path: path.clone(), source };
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent).map_err(io)?;
    }
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ViewStoreError::Locked(dir.to_owned())),
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

/// Opens and checks the views in `dir`; an empty or missing folder is an empty set of views.
pub(super) async fn examine(dir: &Path) -> Result<Found, Odd> {
    let (sender, mut reports) = mpsc::unbounded_channel();
    let dir = dir.to_owned();
    let work = move || {
        let examined = find(&dir, &mut || sender.send(Report::Progress).is_ok());
        // Nobody listens any more when it has stalled before.
        let _ = sender.send(Report::Done(Box::new(examined)));
    };
    let thread = thread::Builder::new().name("views-open".to_owned()).spawn(work);
    thread.map_err(EngineError::Sync)?;
    loop {
        match tokio::time::timeout(STALLED_AFTER, reports.recv()).await {
            Ok(Some(Report::Progress)) => {}
            Ok(Some(Report::Done(examined))) => return *examined,
            Ok(None) => return Err(Odd::Vanished),
            Err(_) => return Err(Odd::Stalled),
        }
    }
}

fn find(dir: &Path, report: &mut dyn FnMut() -> bool) -> Result<Found, Odd> {
    let flushed = read_flushed(dir)?;
    let engine = Engine::open(dir)?;
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
        digest.toggle(key, &value);
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

/// Moves `dir` out of the way, to the next free `NAME.damaged-N`, and says so.
pub(super) fn set_aside(dir: &Path, odd: &Odd) -> Result<(), ViewStoreError> {
    if !dir.exists() {
        return Ok(());
    }
    let mut kept = (1_u64..).map(|number| beside(dir, &format!("damaged-{number}")));
    let Some(kept) = kept.find(|path| !path.exists()) else { return Ok(()) };
    fs::rename(dir, &kept).map_err(|source| ViewStoreError::Io { path: dir.to_owned(), source })?;
    tracing::warn!(
        reason = %chain(odd),
        kept = %kept.display(),
        "the views cannot be used; they were set aside and are rebuilt from the log"
    );
    Ok(())
}

fn beside(dir: &Path, suffix: &str) -> PathBuf {
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(suffix);
    dir.with_file_name(name)
}

fn chain(err: &dyn std::error::Error) -> String {
    let mut text = err.to_string();
    let mut source = err.source();
    while let Some(err) = source {
        text = format!("{text}: {err}");
        source = err.source();
    }
    text
}
