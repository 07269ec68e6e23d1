//! A folder of derived state: locked for one process, opened on a thread of its own, set aside when odd.

use std::error::Error;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::error::chain;

/// How long opening may show no progress. Only damaged files take so long.
const STALLED_AFTER: Duration = Duration::from_mins(1);

/// Why a folder cannot be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process works on it.
    #[error("{0}: another process is using this folder")]
    Held(PathBuf),
    /// The lock's file cannot be used.
    #[error("{path} cannot be locked")]
    Io {
        /// The lock's file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// Why opening came to no end.
#[derive(Debug, thiserror::Error)]
pub enum NotOpened {
    /// There is no thread for it.
    #[error("no thread can be started")]
    Thread(#[source] io::Error),
    /// It shows no progress.
    #[error("opening stalled for {} s", STALLED_AFTER.as_secs())]
    Stalled,
    /// Its thread has ended without an answer.
    #[error("opening ended without a result")]
    Vanished,
}

/// Reports that opening goes on; false when nobody waits for it any more.
pub type Report<'a> = &'a mut dyn FnMut() -> bool;

enum Message<T> {
    Progress,
    Done(T),
}

/// Takes the lock beside `dir` that lets one process at a time use it; released when dropped.
///
/// # Errors
///
/// See [`LockError`].
pub fn lock(dir: &Path) -> Result<File, LockError> {
    let path = beside(dir, "lock");
    let io = |source| LockError::Io { path: path.clone(), source };
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent).map_err(io)?;
    }
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LockError::Held(dir.to_owned())),
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

/// Does the work of opening on a thread named `thread`, and gives up when it no longer reports.
///
/// # Errors
///
/// See [`NotOpened`]; a thread that has stalled is left behind.
pub async fn watched<T: Send + 'static>(
    thread: &str,
    work: impl FnOnce(Report<'_>) -> T + Send + 'static,
) -> Result<T, NotOpened> {
    let (sender, mut messages) = mpsc::unbounded_channel();
    let work = move || {
        let done = work(&mut || sender.send(Message::Progress).is_ok());
        // Nobody listens any more when it has stalled before.
        let _ = sender.send(Message::Done(done));
    };
    thread::Builder::new().name(thread.to_owned()).spawn(work).map_err(NotOpened::Thread)?;
    loop {
        match tokio::time::timeout(STALLED_AFTER, messages.recv()).await {
            Ok(Some(Message::Progress)) => {}
            Ok(Some(Message::Done(done))) => return Ok(done),
            Ok(None) => return Err(NotOpened::Vanished),
            Err(_) => return Err(NotOpened::Stalled),
        }
    }
}

/// Moves `dir` out of the way, to the next free `NAME.damaged-N`, and says so; `what` is the plural of
/// what it holds.
///
/// # Errors
///
/// The system's answer when it cannot be moved.
pub fn set_aside(dir: &Path, what: &str, reason: &dyn Error) -> io::Result<()> {
    if !dir.exists() {
        return Ok(());
    }
    let mut kept = (1_u64..).map(|number| beside(dir, &format!("damaged-{number}")));
    let Some(kept) = kept.find(|path| !path.exists()) else { return Ok(()) };
    fs::rename(dir, &kept)?;
    tracing::warn!(
        reason = %chain(reason),
        kept = %kept.display(),
        "the {what} cannot be used; they were set aside and are rebuilt from the log"
    );
    Ok(())
}

fn beside(dir: &Path, suffix: &str) -> PathBuf {
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(suffix);
    dir.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_thread_that_ends_without_an_answer_is_noticed() {
        let opened = watched("ends", |_| -> u32 { panic!("on purpose") }).await;
        assert!(matches!(opened, Err(NotOpened::Vanished)), "{opened:?}");
    }

    #[test]
    fn a_folder_is_locked_for_one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let views = dir.path().join("views");
        let first = lock(&views).unwrap();
        assert!(matches!(lock(&views), Err(LockError::Held(held)) if held == views));
        drop(first);
        lock(&views).unwrap();
    }
}
