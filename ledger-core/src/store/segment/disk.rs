//! What the log asks of the file system when it writes; the seam where tests let it fail.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// An open file and what errors call it.
#[derive(Debug)]
pub(super) struct NamedFile {
    pub(super) path: PathBuf,
    pub(super) file: File,
}

/// Every change the log makes to its folder. The defaults are the real thing.
pub(super) trait Disk: fmt::Debug + Send + Sync {
    /// Creates a file, or empties it.
    fn create(&self, path: &Path) -> io::Result<NamedFile> {
        let file = File::options().read(true).write(true).create(true).truncate(true).open(path)?;
        Ok(NamedFile { path: path.to_owned(), file })
    }

    /// Gives a file its final name.
    fn rename(&self, file: &mut NamedFile, to: &Path) -> io::Result<()> {
        std::fs::rename(&file.path, to)?;
        to.clone_into(&mut file.path);
        Ok(())
    }

    /// Writes all of `bytes`.
    fn write_at(&self, file: &NamedFile, bytes: &[u8], offset: u64) -> io::Result<()> {
        file.file.write_all_at(bytes, offset)
    }

    /// Makes the file's bytes and length durable.
    fn sync(&self, file: &NamedFile) -> io::Result<()> {
        file.file.sync_data()
    }

    /// Cuts the file to `length` bytes.
    fn cut(&self, file: &NamedFile, length: u64) -> io::Result<()> {
        file.file.set_len(length)
    }

    /// Makes the names in a folder durable.
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }
}

/// The file system of this machine.
#[derive(Debug)]
pub(super) struct RealDisk;

impl Disk for RealDisk {}
