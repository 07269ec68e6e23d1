//! The data folder: what lies where, and the mark that keeps real and simulated time apart.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Layout of the folder that this version makes and reads.
const FORMAT: u32 = 1;

/// File that marks a data folder.
const MARK: &str = "ledger.json";

/// File in the data folder that keeps where a simulated clock stands.
pub const CLOCK: &str = "clock.json";

/// Which clock a folder's commits are dated by. A folder never changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClockKind {
    /// The machine's clock.
    Real,
    /// A clock that moves only when told to.
    Simulated,
}

#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    format: u32,
    clock: ClockKind,
}

/// Why a folder cannot be used. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// There is no data folder.
    #[error("{0} has no {MARK}: it is no ledger's data folder, or a backup that was not finished")]
    NotAFolder(PathBuf),
    /// The folder holds other files.
    #[error(
        "{0} holds files but no {MARK}: choose an empty or a new folder (a backup without one was not \
         finished)"
    )]
    NotEmpty(PathBuf),
    /// The mark cannot be read.
    #[error("{0} is damaged: restore it from a backup")]
    Damaged(PathBuf),
    /// The log of a folder that had one is gone.
    #[error(
        "{0} is empty, but this ledger had a log there: restore it from a backup (a folder in which \
         nothing was ever recorded can be deleted)"
    )]
    LogMissing(PathBuf),
    /// The folder was made by a newer version.
    #[error("{root} has format {found}, and this version knows {FORMAT}: use a newer version")]
    Newer {
        /// The folder.
        root: PathBuf,
        /// Its format.
        found: u32,
    },
    /// The folder keeps the other kind of time.
    #[error("{root} keeps {} time: start with --clock {}", kind_name(*found), kind_name(*found))]
    OtherClock {
        /// The folder.
        root: PathBuf,
        /// The clock it was made with.
        found: ClockKind,
    },
    /// The system refused.
    #[error("{path} cannot be used")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

const fn kind_name(kind: ClockKind) -> &'static str {
    match kind {
        ClockKind::Real => "real",
        ClockKind::Simulated => "simulated",
    }
}

/// A ledger's data folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFolder {
    root: PathBuf,
    clock: ClockKind,
}

impl DataFolder {
    /// Opens a folder that exists.
    ///
    /// # Errors
    ///
    /// [`FolderError`] when it is not a data folder, or not one that this version reads.
    pub fn open(root: &Path) -> Result<Self, FolderError> {
        let path = root.join(MARK);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(err) if err.kind() == io::ErrorKind::NotFound => {
                return Err(FolderError::NotAFolder(root.to_owned()));
            }
            Err(source) => return Err(FolderError::Io { path, source }),
        };
        let mark: Mark = serde_json::from_slice(&text).map_err(|_| FolderError::Damaged(path))?;
        if FORMAT < mark.format {
            return Err(FolderError::Newer { root: root.to_owned(), found: mark.format });
        }
        let folder = Self { root: root.to_owned(), clock: mark.clock };
        for dir in [folder.log(), folder.journal()] {
            if !holds_a_log(&dir) {
                return Err(FolderError::LogMissing(dir));
            }
        }
        Ok(folder)
    }

    /// Opens a folder, or makes it when there is none or an empty one.
    ///
    /// # Errors
    ///
    /// [`FolderError`] when it holds something else or keeps another kind of time.
    pub fn open_or_create(root: &Path, clock: ClockKind) -> Result<Self, FolderError> {
        match Self::open(root) {
            Ok(folder) if folder.clock == clock => Ok(folder),
            Ok(folder) => {
                Err(FolderError::OtherClock { root: root.to_owned(), found: folder.clock })
            }
            Err(FolderError::NotAFolder(_)) => Self::create(root, clock),
            Err(err) => Err(err),
        }
    }

    fn create(root: &Path, clock: ClockKind) -> Result<Self, FolderError> {
        let folder = Self::unmarked(root, clock)?;
        folder.mark()?;
        Ok(folder)
    }

    /// Makes a folder that is refused until it is marked.
    pub(crate) fn unmarked(root: &Path, clock: ClockKind) -> Result<Self, FolderError> {
        let failed = |source| FolderError::Io { path: root.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(root).map_err(failed)?;
        if fs::read_dir(root).map_err(failed)?.next().is_some() {
            return Err(FolderError::NotEmpty(root.to_owned()));
        }
        Ok(Self { root: root.to_owned(), clock })
    }

    /// Marks the folder as a ledger's, durably.
    pub(crate) fn mark(&self) -> Result<(), FolderError> {
        let failed = |source| FolderError::Io { path: self.root.clone(), source };
        write_durably(&self.root.join(MARK), &mark(self.clock)).map_err(failed)
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Which clock dates its commits.
    #[must_use]
    pub const fn clock(&self) -> ClockKind {
        self.clock
    }

    /// Where the log of what happened lies.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    /// Where the journal of the commands that changed nothing lies.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }

    /// Where the keys of everything about people lie.
    #[must_use]
    pub fn people(&self) -> PathBuf {
        self.keys().join("people")
    }

    /// Where the keys lie that checkpoints of the log are signed with.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// Where the signed checkpoints of the log lie, and the hashes that proofs are made of.
    #[must_use]
    pub fn proofs(&self) -> PathBuf {
        self.root.join("proofs")
    }

    /// Where the views lie; they can be deleted while the ledger is stopped.
    #[must_use]
    pub fn views(&self) -> PathBuf {
        self.root.join("views")
    }

    /// Where the snapshots of customers lie; they can be deleted while the ledger is stopped.
    #[must_use]
    pub fn snapshots(&self) -> PathBuf {
        self.root.join("snapshots")
    }
}

/// Whether a log was ever opened in `dir`: it leaves more than its lock.
fn holds_a_log(dir: &Path) -> bool {
    let Ok(entries) = fs::read_dir(dir) else { return false };
    entries.flatten().any(|entry| entry.file_name() != "lock")
}

fn mark(clock: ClockKind) -> Vec<u8> {
    format!("{{\"format\":{FORMAT},\"clock\":\"{}\"}}\n", kind_name(clock)).into_bytes()
}

/// Replaces a small file so that a power cut leaves the old or the new one, whole.
///
/// # Errors
///
/// The system's answer; the old file is still there then.
pub fn write_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    replace(path, content, 0o666)
}

/// The same for a file that nobody but its owner may read, not even while it is made.
///
/// # Errors
///
/// The system's answer; the old file is still there then.
pub fn write_secret_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    replace(path, content, 0o600)
}

/// Makes a folder that nobody but its owner may use, unless it is there; a power cut does not undo it.
///
/// # Errors
///
/// The system's answer.
pub fn make_private_folder(path: &Path) -> io::Result<()> {
    let parent = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    // Whoever made it may have been killed before this.
    File::open(parent)?.sync_all()
}

fn replace(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let parent = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let beside = path.with_extension("new");
    // A leftover would keep its own mode.
    match fs::remove_file(&beside) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    File::open(parent)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_keeps_its_kind_of_time() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("data");
        let made = DataFolder::open_or_create(&root, ClockKind::Simulated).unwrap();
        make_logs(&made);
        assert_eq!(DataFolder::open_or_create(&root, ClockKind::Simulated).unwrap(), made);
        let other = DataFolder::open_or_create(&root, ClockKind::Real).unwrap_err();
        assert!(other.to_string().ends_with("keeps simulated time: start with --clock simulated"));
    }

    /// What the logs leave when they are opened.
    fn make_logs(folder: &DataFolder) {
        for dir in [folder.log(), folder.journal()] {
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join("anchor"), "").unwrap();
        }
    }

    #[test]
    fn a_folder_that_has_lost_its_log_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("data");
        let made = DataFolder::open_or_create(&root, ClockKind::Real).unwrap();
        make_logs(&made);
        for lost in [made.log(), made.journal()] {
            fs::remove_file(lost.join("anchor")).unwrap();
            fs::write(lost.join("lock"), "").unwrap();
            let refused = DataFolder::open_or_create(&root, ClockKind::Real);
            assert!(matches!(&refused, Err(FolderError::LogMissing(dir)) if *dir == lost));
            fs::remove_dir_all(&lost).unwrap();
            assert!(matches!(DataFolder::open(&root), Err(FolderError::LogMissing(_))));
            make_logs(&made);
        }
    }

    #[test]
    fn what_is_not_a_data_folder_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("letter.txt"), "dear").unwrap();
        let refused = DataFolder::open_or_create(dir.path(), ClockKind::Real);
        assert!(matches!(refused, Err(FolderError::NotEmpty(_))), "{refused:?}");
        assert!(matches!(DataFolder::open(dir.path()), Err(FolderError::NotAFolder(_))));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_newer_or_damaged_folder_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(MARK), r#"{"format":2,"clock":"real"}"#).unwrap();
        assert!(matches!(DataFolder::open(dir.path()), Err(FolderError::Newer { found: 2, .. })));
        fs::write(dir.path().join(MARK), "{").unwrap();
        assert!(matches!(DataFolder::open(dir.path()), Err(FolderError::Damaged(_))));
    }
}
