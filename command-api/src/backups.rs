//! Makes backups of the data folder while commands go on, one at a time.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ledger_core::backup::{BackedUp, BackupError, backup};
use ledger_core::folder::DataFolder;
use ledger_core::ids::BackupName;
use ledger_core::store::StoreError;
use tokio::task::spawn_blocking;

use crate::problem::{Kind, Problem};
use crate::state::AppState;
use ledger_core::error::chain;

/// Where backups are made.
#[derive(Debug)]
pub struct Backups {
    folder: DataFolder,
    into: Option<PathBuf>,
    /// Held while a backup is made, even if nobody waits for its answer any more.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Backups {
    /// Backups of `folder` in the folder `into`; without it none is made.
    #[must_use]
    pub fn new(folder: DataFolder, into: Option<PathBuf>) -> Self {
        Self { folder, into, turn: Arc::default() }
    }

    /// Copies all that is durable now into a new folder called `name`, and returns once that is durable.
    ///
    /// # Errors
    ///
    /// [`Kind::BackupsOff`], [`Kind::BackupRunning`], [`Kind::BackupExists`], [`Kind::LogDamaged`],
    /// [`Kind::DiskFull`], [`Kind::Stopping`] or [`Kind::BackupFailed`].
    pub async fn make(&self, state: &AppState, name: &BackupName) -> Result<BackedUp, Problem> {
        let into = self.into.as_ref().ok_or_else(off)?.join(name.as_str());
        let turn = Arc::clone(&self.turn).try_lock_owned().map_err(|_| running())?;
        let (folder, ledger) = (self.folder.clone(), Arc::clone(&state.ledger));
        let (stopping, name) = (state.stopping.subscribe(), name.clone());
        let copying = spawn_blocking(move || {
            let _turn = turn;
            if into.symlink_metadata().is_ok() {
                return Err(exists(&name));
            }
            let logs = (ledger.log(), ledger.journal());
            let made = backup(&folder, logs, &into, &mut |_, _, _| {
                if *stopping.borrow() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            made.map_err(|err| failed(&err, &name, &folder))
        });
        copying.await.map_err(|err| Problem::internal(&err))?
    }
}

fn off() -> Problem {
    let detail = "This server has no folder for backups: the operator names one with --backups.";
    Problem::new(Kind::BackupsOff, detail)
}

fn running() -> Problem {
    let detail = "Another backup is being made: ask again once it is finished.";
    Problem::new(Kind::BackupRunning, detail)
}

fn exists(name: &BackupName) -> Problem {
    let detail = format!("The folder of backups holds {name} already: choose another name.");
    Problem::new(Kind::BackupExists, detail)
}

/// A backup that was not made: the ledger goes on, and what was copied is refused by every tool.
fn failed(err: &BackupError, name: &BackupName, folder: &DataFolder) -> Problem {
    let left = format!("{name} is not finished and can be removed");
    if let BackupError::Occupied(_) = err {
        return exists(name);
    }
    if let BackupError::Inside(_) = err {
        let detail = "The folder of backups lies in the data folder: the operator must choose one \
                      outside, best on another disk.";
        return Problem::new(Kind::BackupFailed, detail);
    }
    if let BackupError::Stopped = err {
        let detail = format!("The server is stopping: {left}.");
        return Problem::new(Kind::Stopping, detail);
    }
    tracing::error!(error = %chain(err), backup = %name, "a backup was not made");
    if let BackupError::Log(StoreError::Damaged { file, position, .. }) = err {
        let file = within(folder, file);
        let detail = format!(
            "{file} is damaged, in the commit at position {position} or after it: stop the ledger, \
             run replay-tool verify and restore the file; {left}."
        );
        return Problem::new(Kind::LogDamaged, detail);
    }
    if err.is_full() {
        let detail = format!("The disk of the backups is full: {left}; the ledger goes on.");
        return Problem::new(Kind::DiskFull, detail);
    }
    let detail = format!("The ledger's own log says why; it goes on, and {left}.");
    Problem::new(Kind::BackupFailed, detail)
}

/// How the file is called within the data folder.
fn within(folder: &DataFolder, file: &Path) -> String {
    file.strip_prefix(folder.root()).unwrap_or(file).display().to_string()
}

#[cfg(test)]
mod tests {
    use std::io;

    use ledger_core::folder::ClockKind;

    use super::*;

    #[test]
    fn what_the_disk_says_has_a_status_and_hides_its_text() {
        let dir = tempfile::tempdir().unwrap();
        let folder = DataFolder::open_or_create(&dir.path().join("data"), ClockKind::Real).unwrap();
        let name = BackupName::try_new("first").unwrap();
        for (kind, status, code) in [
            (io::ErrorKind::StorageFull, 507, "DISK_FULL"),
            (io::ErrorKind::QuotaExceeded, 507, "DISK_FULL"),
            (io::ErrorKind::PermissionDenied, 500, "BACKUP_FAILED"),
        ] {
            let (path, action) = (PathBuf::from("/secret/path"), "written");
            let store = StoreError::Io { path: path.clone(), action, source: kind.into() };
            let other = BackupError::Io { path, action, source: kind.into() };
            for err in [BackupError::Log(store), other] {
                let problem = failed(&err, &name, &folder);
                assert_eq!((problem.body.status, problem.body.code.as_str()), (status, code));
                assert!(!problem.body.detail.contains("secret"), "{}", problem.body.detail);
                assert!(problem.body.detail.contains("first is not finished"));
            }
        }
    }
}
