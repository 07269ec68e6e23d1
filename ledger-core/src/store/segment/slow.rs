//! This machine's disk with slower syncs: what a benchmark shows on the disks of others.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::disk::{self, Access, Disk, DiskFile, Lock, LockFile, NamedFile, RealDisk};
use super::driver::Drive;
use super::walk::Checks;
use super::{SegmentLog, SegmentOptions};
use crate::store::StoreError;

/// Opens the log in `dir` as [`SegmentLog::open`] does; every sync of a file takes `pause` longer.
///
/// # Errors
///
/// As [`SegmentLog::open`].
pub fn open_log(
    dir: &Path,
    options: SegmentOptions,
    pause: Duration,
) -> Result<SegmentLog, StoreError> {
    let disk = Arc::new(SlowDisk { pause });
    SegmentLog::open_on(disk, dir, options.segment_bytes, Checks::All, Drive::ThreadAndCallers)
}

#[derive(Debug)]
struct SlowDisk {
    pause: Duration,
}

#[derive(Debug)]
struct SlowFile {
    file: File,
    pause: Duration,
}

impl SlowDisk {
    fn named(&self, path: &Path, file: File) -> NamedFile {
        NamedFile::new(path, SlowFile { file, pause: self.pause })
    }
}

impl DiskFile for SlowFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        DiskFile::read_at(&self.file, bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        DiskFile::write_at(&self.file, bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        thread::sleep(self.pause);
        self.file.sync_data()
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.file.truncate(length)
    }

    fn size(&self) -> io::Result<u64> {
        DiskFile::size(&self.file)
    }
}

impl Disk for SlowDisk {
    fn create(&self, path: &Path) -> io::Result<NamedFile> {
        Ok(self.named(path, disk::create(path)?))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<NamedFile> {
        Ok(self.named(path, disk::open(path, access)?))
    }

    fn rename(&self, file: &mut NamedFile, to: &Path) -> io::Result<()> {
        RealDisk.rename(file, to)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        RealDisk.list(folder)
    }

    fn is_folder(&self, path: &Path) -> bool {
        RealDisk.is_folder(path)
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_folder(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        RealDisk.sync_folder(folder)
    }

    fn lock(&self, path: &Path, file: LockFile) -> Result<Lock, TryLockError> {
        RealDisk.lock(path, file)
    }
}
