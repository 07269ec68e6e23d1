//! A file that is there as a whole or not at all.

use std::fs::Permissions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use ledger_core::commit::Hash;
use sha2::{Digest, Sha256};
use tempfile::{Builder, NamedTempFile};

/// Counts and hashes what is written.
#[derive(Debug)]
pub struct Counted<W> {
    target: W,
    hash: Sha256,
    bytes: u64,
}

impl<W: Write> Counted<W> {
    /// Counts what goes to `target`.
    pub fn new(target: W) -> Self {
        Self { target, hash: Sha256::new(), bytes: 0 }
    }

    /// SHA-256 in hexadecimal digits, and the number of bytes.
    #[must_use]
    pub fn so_far(&self) -> (String, u64) {
        (Hash::from(self.hash.clone()).to_string(), self.bytes)
    }

    /// The target.
    pub fn into_inner(self) -> W {
        self.target
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.target.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or(bytes));
        self.bytes = self.bytes.saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.target.flush()
    }
}

/// Begins a file beside `path`; it is removed unless it is [`finish`]ed.
///
/// # Errors
///
/// The system's answer.
pub fn begin(path: &Path) -> io::Result<BufWriter<NamedTempFile>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| Path::new("."));
    let mut builder = Builder::new();
    // As any file that a program makes: the process's mask takes its part away.
    builder.prefix(".unfinished-").permissions(Permissions::from_mode(0o666));
    builder.tempfile_in(folder).map(BufWriter::new)
}

/// Makes a file that was begun durable and gives it its name; replaces another one only when told to.
///
/// # Errors
///
/// The system's answer; the file is removed then.
pub fn finish(file: BufWriter<NamedTempFile>, path: &Path, replace: bool) -> io::Result<()> {
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.as_file().sync_all()?;
    let named = if replace { file.persist(path) } else { file.persist_noclobber(path) };
    named.map(|_| ()).map_err(|err| err.error)
}
