//! All that the log asks of the file system: the seam between the log and a real or simulated disk.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::format;

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    ReadWrite,
}

/// Whether a lock makes the file that it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LockFile {
    Create,
    Existing,
}

/// A lock on a folder, until it is dropped.
pub(super) type Lock = Box<dyn fmt::Debug + Send + Sync>;

/// An open file, as a disk keeps it.
pub(super) trait DiskFile: fmt::Debug + Send + Sync {
    /// Reads some bytes; none at the end of the file.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes some of `bytes`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Makes the file's bytes and length durable, but not its name.
    fn sync_data(&self) -> io::Result<()>;

    /// Sets the file's length.
    fn truncate(&self, length: u64) -> io::Result<()>;

    /// The file's length.
    fn size(&self) -> io::Result<u64>;
}

/// A file system.
pub(super) trait Disk: fmt::Debug + Send + Sync {
    /// Creates a file, or empties it.
    fn create(&self, path: &Path) -> io::Result<NamedFile>;

    /// Opens a file that exists.
    fn open(&self, path: &Path, access: Access) -> io::Result<NamedFile>;

    /// Gives a file another name, in place of any other file of that name.
    fn rename(&self, file: &mut NamedFile, to: &Path) -> io::Result<()>;

    /// What is in a folder, in any order.
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>>;

    /// Whether there is a folder of this name.
    fn is_folder(&self, path: &Path) -> bool;

    /// Creates a folder in a folder that exists.
    fn create_folder(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;

    /// Takes the lock that goes with a file, without waiting.
    fn lock(&self, path: &Path, file: LockFile) -> Result<Lock, TryLockError>;
}

/// An open file and what errors call it.
#[derive(Debug)]
pub(super) struct NamedFile {
    pub(super) path: PathBuf,
    file: Box<dyn DiskFile>,
}

impl NamedFile {
    pub(super) fn new(path: &Path, file: impl DiskFile + 'static) -> Self {
        Self { path: path.to_owned(), file: Box::new(file) }
    }

    /// Reads until `bytes` is full.
    pub(super) fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        if self.read_up_to(bytes, offset)? < bytes.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    /// Reads until `bytes` is full or the file ends.
    pub(super) fn read_up_to(&self, bytes: &mut [u8], mut offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, offset) {
                Ok(0) => break,
                Ok(read) => {
                    done += read;
                    offset += format::count(read);
                }
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                Err(err) => return Err(err),
            }
        }
        Ok(done)
    }

    /// Reads the whole file.
    pub(super) fn read_whole(&self, bytes: &mut Vec<u8>) -> io::Result<()> {
        bytes.clear();
        bytes.resize(format::length(self.size()?)?, 0);
        let read = self.read_up_to(bytes, 0)?;
        bytes.truncate(read);
        Ok(())
    }

    /// Writes all of `bytes`.
    pub(super) fn write_all_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.file.write_at(bytes, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    bytes = bytes.get(written..).unwrap_or_default();
                    offset += format::count(written);
                }
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                Err(err) => return Err(err),
            }
        }
        Ok(())
    }

    /// Makes the file's bytes and length durable.
    pub(super) fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Cuts the file to `length` bytes, or fills it up with zeros.
    pub(super) fn truncate(&self, length: u64) -> io::Result<()> {
        self.file.truncate(length)
    }

    /// The file's length.
    pub(super) fn size(&self) -> io::Result<u64> {
        self.file.size()
    }
}

/// The file system of this machine.
#[derive(Debug)]
pub(super) struct RealDisk;

impl DiskFile for File {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

pub(super) fn create(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(true).open(path)
}

pub(super) fn open(path: &Path, access: Access) -> io::Result<File> {
    File::options().read(true).write(access == Access::ReadWrite).open(path)
}

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<NamedFile> {
        Ok(NamedFile::new(path, create(path)?))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<NamedFile> {
        Ok(NamedFile::new(path, open(path, access)?))
    }

    fn rename(&self, file: &mut NamedFile, to: &Path) -> io::Result<()> {
        fs::rename(&file.path, to)?;
        to.clone_into(&mut file.path);
        Ok(())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
    }

    fn is_folder(&self, path: &Path) -> bool {
        path.is_dir()
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    fn lock(&self, path: &Path, file: LockFile) -> Result<Lock, TryLockError> {
        let mut options = File::options();
        match file {
            LockFile::Create => options.create(true).truncate(false).write(true),
            LockFile::Existing => options.read(true),
        };
        let file = options.open(path).map_err(TryLockError::Error)?;
        file.try_lock()?;
        Ok(Box::new(file))
    }
}
