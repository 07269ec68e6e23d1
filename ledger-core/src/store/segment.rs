//! The embedded log: append-only segment files in one folder, one writer, many readers.
//!
//! All integers are big-endian. A segment is a header and records without padding:
//!
//! ```text
//! header, 64 bytes   "LEDGRSEG"  format u32  first position u64  log id 16  zeros 24  CRC32C u32
//! record             length u32  CRC32C u32  position u64  durable u64  SHA-256 32  commit
//! ```
//!
//! `length` counts what follows the checksum, which covers the length, too. `durable` is the last
//! position that was durable when the record was written: a later record thereby proves that an
//! earlier one was acknowledged, which tells damage from an append that a power cut has torn. The
//! file `anchor` has two slots, 512 bytes apart, that are written in turn:
//!
//! ```text
//! slot, 72 bytes     "LEDGRANC"  format u32  position u64  log id 16  SHA-256 32  CRC32C u32
//! ```
//!
//! A segment that is large enough is sealed: it gets a footer, which says where each stream's commits
//! are, and never changes again. See `footer`.
//!
//! `docs/LOG-FORMAT.md` tells auditors and operators the same, with the rules. Reading order:
//! `format` (bytes), `disk` (system calls), `simulated` and `slow` (disks for tests and benchmarks),
//! `anchor` and `folder` (files), `footer` (what seals a segment), `index` and `reader` (what readers
//! see), `queue`, `writer` and `driver` (how it grows), `walk` (how it is checked), `backup` (how it is
//! copied).

mod anchor;
mod backup;
mod disk;
mod driver;
#[cfg(test)]
mod faults;
mod folder;
mod footer;
mod format;
mod index;
mod queue;
mod reader;
#[cfg(any(test, feature = "testing"))]
pub mod simulated;
#[cfg(feature = "testing")]
pub mod slow;
mod walk;
mod writer;

use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use eventually::store::{EventStore, EventStream, Expected, Select};
use eventually::subscription::{self, EventSubscriber};
use futures::FutureExt;
use futures::future::{self, BoxFuture};
use futures::stream::BoxStream;

use self::anchor::AnchorFile;
pub use self::backup::Copied;
use self::disk::{Access, Disk, Lock, NamedFile, RealDisk};
use self::driver::{Drive, Driver};
use self::folder::failed;
use self::footer::Sums;
use self::format::{Anchor, Header, LogId};
use self::queue::{Phase, Queue};
use self::reader::Durable;
pub use self::reader::RawCommit;
use self::walk::{Checks, OnProblem, Walked};
pub use self::walk::{Problem, VerifyReport};
use self::writer::Writer;
use super::{Appended, CommitLog, Damage, Head, StoreError, StoredCommit};
use crate::commit::SealedCommit;
use crate::ids::StreamId;

/// How a log is laid out on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentOptions {
    /// Size from which a segment is closed and the next one started, in bytes.
    pub segment_bytes: u64,
}

impl Default for SegmentOptions {
    /// Segments of 64 MiB.
    fn default() -> Self {
        Self { segment_bytes: 64 * 1024 * 1024 }
    }
}

/// A log in a folder. Clones share it; it is closed with the last of them.
///
/// Reading goes on after [`close`](Self::close) and after a failed write. A power cut can leave the
/// first commits of an append of several that was not acknowledged; one commit is always whole.
#[derive(Clone)]
pub struct SegmentLog {
    shared: Arc<Shared>,
}

struct Shared {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    log_id: LogId,
    durable: Arc<Durable>,
    driver: Arc<Driver>,
    running: Mutex<Running>,
}

/// What closing ends.
#[derive(Default)]
struct Running {
    thread: Option<WriterThread>,
    lock: Option<Lock>,
}

type WriterThread = JoinHandle<Result<(), StoreError>>;

impl SegmentLog {
    /// Opens the log in `dir` to read and append, and creates it if the folder is empty or missing.
    ///
    /// Compares all bytes of sealed segments with their checksums and checks every commit of the last.
    /// Cuts off the rest of an append that was never acknowledged, with a warning; anything else that
    /// is wrong is an error, and then nothing is changed. Blocks.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`], [`StoreError::Damaged`], [`StoreError::Shortened`],
    /// [`StoreError::Foreign`] or [`StoreError::Io`]; see there.
    pub fn open(dir: &Path, options: SegmentOptions) -> Result<Self, StoreError> {
        let SegmentOptions { segment_bytes } = options;
        Self::open_on(Arc::new(RealDisk), dir, segment_bytes, Checks::All, Drive::ThreadAndCallers)
    }

    /// Opens the log as [`open`](Self::open) does, but reads only the footers of sealed segments.
    ///
    /// Damage in the records of a sealed segment is then found when they are read, and by
    /// [`check_sealed`](Self::check_sealed), which the caller runs beside its work. Blocks.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_deferring_checks(dir: &Path, options: SegmentOptions) -> Result<Self, StoreError> {
        let SegmentOptions { segment_bytes } = options;
        let drive = Drive::ThreadAndCallers;
        Self::open_on(Arc::new(RealDisk), dir, segment_bytes, Checks::Footers, drive)
    }

    /// Compares all bytes of the segments that are sealed now with their checksums. Blocks.
    ///
    /// `progress` is told the bytes done and the bytes in total.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] for the first segment that has changed; [`verify`] says which commit it
    /// is. [`StoreError::Io`] when one cannot be read.
    pub fn check_sealed(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<(), StoreError> {
        let sealed = self.shared.durable.sealed();
        let total = sealed.iter().map(|sealed| sealed.trailer.records_end).sum();
        let mut done = 0;
        for sealed in sealed {
            let path = &sealed.file.path;
            let is_intact = sealed.is_intact(&mut |read| {
                done += read;
                progress(done, total);
            });
            if !is_intact.map_err(failed(path, "read"))? {
                let (position, reason) = (sealed.trailer.first, Damage::Checksum);
                return Err(StoreError::Damaged {
                    file: path.clone(),
                    offset: 0,
                    position,
                    reason,
                });
            }
            if sealed.tables().map_err(failed(path, "read"))?.is_none() {
                return Err(reader::broken_footer(&sealed));
            }
        }
        Ok(())
    }

    fn open_on(
        disk: Arc<dyn Disk>,
        dir: &Path,
        segment_bytes: u64,
        checks: Checks,
        drive: Drive,
    ) -> Result<Self, StoreError> {
        folder::create(&*disk, dir)?;
        let lock = folder::lock(&*disk, dir)?;
        let mut walked = walk::load(&*disk, dir, checks)?;
        let tail = match walked.tail.take() {
            Some(last) => mend_tail(&*disk, dir, &last.path, &walked)?,
            None => create_log(&*disk, dir, &mut walked)?,
        };
        let index = walked.index;
        let anchor = Anchor {
            log_id: walked.log_id.unwrap_or(tail.log_id),
            position: index.last(),
            hash: walked.hash,
        };
        let anchor_file = match walked.anchor {
            Some(_) => AnchorFile::open(&*disk, dir, anchor),
            None => AnchorFile::create(&*disk, dir, anchor),
        };
        let anchor_file = anchor_file.map_err(failed(&dir.join(anchor::NAME), "written"))?;
        let (queue, durable) =
            (Arc::new(Queue::new(Phase::Open)), Arc::new(Durable::new(index, Phase::Open)));
        let writer = Writer {
            disk: Arc::clone(&disk),
            dir: dir.to_owned(),
            segment_bytes,
            queue: Arc::clone(&queue),
            durable: Arc::clone(&durable),
            anchor_file,
            anchor,
            segment: tail.file,
            length: walked.intact_end,
            sums: walked.sums,
            is_sealed: walked.is_sealed,
            last_sync: None,
        };
        let driver = Driver::new(queue, Arc::clone(&durable), Some(writer), drive);
        let driver = Arc::new(driver);
        let thread = if drive.has_thread() { Some(start_thread(dir, &driver)?) } else { None };
        let running = Mutex::new(Running { thread, lock: Some(lock) });
        let (dir, log_id) = (dir.to_owned(), anchor.log_id);
        Ok(Self { shared: Arc::new(Shared { disk, dir, log_id, durable, driver, running }) })
    }

    /// Opens the log in `dir` for a tool: appends answer [`StoreError::Closed`].
    ///
    /// Checks as much as [`open`](Self::open) and changes nothing. Takes the same lock as [`open`](Self::open). Skips the
    /// rest of an append that was never acknowledged, with a warning. Blocks.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open); a folder without a log is [`StoreError::Foreign`].
    pub fn open_read_only(dir: &Path) -> Result<Self, StoreError> {
        Self::open_read_only_on(Arc::new(RealDisk), dir)
    }

    fn open_read_only_on(disk: Arc<dyn Disk>, dir: &Path) -> Result<Self, StoreError> {
        let lock = folder::lock_existing(&*disk, dir)?;
        let walked = walk::load(&*disk, dir, Checks::All)?;
        let last = walked.tail.as_ref().ok_or_else(|| no_log(dir))?;
        warn_of_tail(last, &walked, "skipped");
        let running = Mutex::new(Running { thread: None, lock });
        let durable = Arc::new(Durable::new(walked.index, Phase::Closed));
        let queue = Arc::new(Queue::new(Phase::Closed));
        let driver = Driver::new(queue, Arc::clone(&durable), None, Drive::ThreadAndCallers);
        let driver = Arc::new(driver);
        let (dir, log_id) = (dir.to_owned(), walked.log_id.unwrap_or_default());
        Ok(Self { shared: Arc::new(Shared { disk, dir, log_id, durable, driver, running }) })
    }

    /// The log's id: random, the same in all its files.
    #[must_use]
    pub fn id(&self) -> [u8; 16] {
        self.shared.log_id
    }

    /// Copies all that is durable now into the folder `into`, while the log goes on.
    ///
    /// The folder must be empty or missing. The copy is durable once this returns; it opens and verifies
    /// like any log. One that was not finished does not open. `progress` is told the bytes done and the
    /// bytes in total; when it says to stop, the answer is `None`. Blocks.
    ///
    /// # Errors
    ///
    /// [`StoreError::Foreign`] when the folder holds something, [`StoreError::Damaged`] for what has
    /// changed since it was written, [`StoreError::Io`] when a file cannot be read or written.
    pub fn backup(
        &self,
        into: &Path,
        progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<Option<Copied>, StoreError> {
        let snapshot = self.shared.durable.snapshot();
        if let Some((_, first, _)) = snapshot.open {
            // The copy of a sealed segment is checked with its checksum; the open one has none yet.
            self.scan(first, |commit| {
                if commit.position < snapshot.last {
                    return ControlFlow::Continue(());
                }
                ControlFlow::Break(())
            })?;
        }
        backup::copy(&*self.shared.disk, &snapshot, self.shared.log_id, into, progress)
    }

    /// Writes the group that waits, in a log that was opened without a thread; false when none does.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn step(&self) -> bool {
        self.shared.driver.step_once()
    }

    /// How much was appended since the log was opened, and what waits.
    #[must_use]
    pub fn stats(&self) -> LogStats {
        let Shared { durable, driver, .. } = &*self.shared;
        LogStats {
            position: durable.position(),
            syncs: durable.syncs.load(Ordering::Relaxed),
            waiting: driver.queue.len(),
        }
    }

    /// Shows the commits from `position` (included) on to what is now the durable end, in order, until
    /// `visit` says to stop. Blocks.
    ///
    /// The fastest way to read much of a log: nothing is copied, and of each record only the checksum
    /// and the position are checked. That finds what disks do; hashes and links are recomputed by
    /// [`verify`].
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] for the first record that is not intact, or [`StoreError::Io`].
    pub fn scan(
        &self,
        position: u64,
        visit: impl FnMut(RawCommit<'_>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.shared.durable.scan(position, visit)
    }

    /// Writes what waits, syncs the anchor and unlocks the folder. Blocks.
    ///
    /// Called again, it does nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Poisoned`] when a write has failed before, [`StoreError::Io`] when the anchor
    /// cannot be synced. All that was acknowledged is durable in any case.
    pub fn close(&self) -> Result<(), StoreError> {
        self.shared.close()
    }
}

/// A log's figures since it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogStats {
    /// Position of the last durable commit.
    pub position: u64,
    /// Groups of commits that were synced.
    pub syncs: u64,
    /// Appends that wait for the disk now.
    pub waiting: usize,
}

impl Shared {
    fn close(&self) -> Result<(), StoreError> {
        self.driver.queue.close();
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Running { thread, lock } = std::mem::take(&mut *running);
        let closed = match thread {
            Some(thread) => thread.join().unwrap_or(Err(StoreError::Poisoned)),
            None => self.driver.end(),
        };
        drop(lock);
        closed
    }
}

fn start_thread(dir: &Path, driver: &Arc<Driver>) -> Result<WriterThread, StoreError> {
    let driver = Arc::clone(driver);
    let thread = thread::Builder::new().name("log-writer".to_owned());
    thread.spawn(move || driver.run()).map_err(failed(dir, "given a writer thread"))
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Err(err) = self.close() {
            tracing::warn!(dir = %self.dir.display(), %err, "the log was not closed cleanly");
        }
    }
}

impl fmt::Debug for SegmentLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentLog").field("dir", &self.shared.dir).finish_non_exhaustive()
    }
}

/// Checks everything in the log of a stopped folder and changes nothing. Blocks.
///
/// Goes on after a problem where it can. `progress` is told the bytes done and the bytes in total.
///
/// # Errors
///
/// [`StoreError::Locked`], [`StoreError::Io`], or [`StoreError::Foreign`] for a folder without a log.
/// All other problems are in the report.
pub fn verify(dir: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<VerifyReport, StoreError> {
    verify_on(&RealDisk, dir, progress)
}

fn verify_on(
    disk: &dyn Disk,
    dir: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<VerifyReport, StoreError> {
    let _lock = folder::lock_existing(disk, dir)?;
    let report = walk::walk(disk, dir, OnProblem::Note, progress)?.report;
    if report.segments == 0 && report.anchored_position.is_none() && report.problems.is_empty() {
        return Err(no_log(dir));
    }
    Ok(report)
}

fn no_log(dir: &Path) -> StoreError {
    let reason = "there is no log in this folder".to_owned();
    StoreError::Foreign { file: dir.to_owned(), reason }
}

/// The last segment.
struct Tail {
    file: Arc<NamedFile>,
    log_id: LogId,
}

fn create_log(disk: &dyn Disk, dir: &Path, walked: &mut Walked) -> Result<Tail, StoreError> {
    let mut log_id = LogId::default();
    getrandom::fill(&mut log_id)
        .map_err(|err| failed(dir, "given a random id")(std::io::Error::other(err)))?;
    let header = Header { log_id, first: 1 };
    let file = folder::create_segment(disk, dir, header);
    let file = Arc::new(file.map_err(failed(&folder::segment_path(dir, 1), "created"))?);
    walked.index.push_segment(Arc::clone(&file));
    walked.sums = Sums::new(&header.to_bytes());
    Ok(Tail { file, log_id })
}

/// Cuts off a torn tail and makes durable what a crash may have left in memory only.
fn mend_tail(
    disk: &dyn Disk,
    dir: &Path,
    path: &Path,
    walked: &Walked,
) -> Result<Tail, StoreError> {
    let file = disk.open(path, Access::ReadWrite).map_err(failed(path, "opened"))?;
    if 0 < walked.report.torn_tail_bytes {
        warn_of_tail(&file, walked, "cut off");
        file.truncate(walked.intact_end).map_err(failed(path, "cut"))?;
    }
    rewrite(&file, walked).map_err(failed(path, "synced"))?;
    disk.sync_folder(dir).map_err(failed(dir, "synced"))?;
    Ok(Tail { file: Arc::new(file), log_id: walked.log_id.unwrap_or_default() })
}

/// Writes the bytes after the anchor once more, unchanged, and syncs them.
///
/// After a failed sync the system may hold pages in memory that it takes for written although they
/// never reached the disk; only a write makes the next sync try again.
fn rewrite(file: &NamedFile, walked: &Walked) -> std::io::Result<()> {
    let mut tail = vec![0; format::length(walked.intact_end - walked.anchored_end)?];
    file.read_exact_at(&mut tail, walked.anchored_end)?;
    if !tail.is_empty() {
        file.write_all_at(&tail, walked.anchored_end)?;
    }
    file.sync_data()
}

fn warn_of_tail(file: &NamedFile, walked: &Walked, done: &str) {
    let bytes = walked.report.torn_tail_bytes;
    if 0 < bytes {
        let (file, offset) = (file.path.display(), walked.intact_end);
        tracing::warn!(%file, offset, bytes, "an append was never acknowledged; its rest is {done}");
    }
}

impl EventStore for SegmentLog {
    type SourceId = StreamId;
    type Event = SealedCommit;
    type Error = StoreError;

    fn append(
        &mut self,
        source: StreamId,
        expected: Expected,
        commits: Vec<SealedCommit>,
    ) -> BoxFuture<'_, Result<u32, StoreError>> {
        let driver = Arc::clone(&self.shared.driver);
        async move {
            let entry = driver.queue.enter(source, expected, commits).await?;
            super::numbered(driver::outcome(&driver, entry).await?.version)
        }
        .boxed()
    }

    fn stream(
        &self,
        source: StreamId,
        select: Select,
    ) -> BoxFuture<'_, Result<EventStream<'_, Self>, StoreError>> {
        let commits = self.shared.durable.read_stream(source, super::first_selected(select));
        future::ready(Ok(commits)).boxed()
    }

    fn stream_all(
        &self,
        select: Select,
    ) -> BoxFuture<'_, Result<EventStream<'_, Self>, StoreError>> {
        future::ready(Ok(self.read_from(super::first_selected(select)))).boxed()
    }

    fn remove(&mut self, _: StreamId) -> BoxFuture<'_, Result<(), StoreError>> {
        future::ready(Err(StoreError::AppendOnly)).boxed()
    }
}

impl EventSubscriber for SegmentLog {
    type SourceId = StreamId;
    type Event = SealedCommit;
    type Error = StoreError;

    fn subscribe_all(
        &self,
    ) -> BoxFuture<'_, Result<subscription::EventStream<'_, Self>, StoreError>> {
        // Holds the durable part only, so that a subscriber does not keep the log open.
        let (reader, waiter) = (Arc::clone(&self.shared.durable), Arc::clone(&self.shared.durable));
        let commits = super::follow(
            self.durable_position() + 1,
            move |position| reader.read_from(position),
            move |position| {
                let waiter = Arc::clone(&waiter);
                async move { waiter.wait_beyond(position).await }.boxed()
            },
        );
        future::ready(Ok(commits)).boxed()
    }
}

impl CommitLog for SegmentLog {
    fn append_commit(
        &self,
        commit: SealedCommit,
    ) -> BoxFuture<'static, Result<Appended, StoreError>> {
        let source = commit.commit().stream.clone();
        let driver = &self.shared.driver;
        let entered = super::expected_before(&commit)
            .and_then(|expected| driver.queue.try_enter(source, expected, vec![commit]));
        match entered {
            Ok(entry) => driver::outcome(driver, entry).boxed(),
            Err(err) => future::ready(Err(err)).boxed(),
        }
    }

    fn head(&self, stream: &StreamId) -> Head {
        self.shared.durable.index().head(stream)
    }

    fn can_grow(&self) -> Result<(), StoreError> {
        self.shared.driver.queue.can_grow()
    }

    fn durable_position(&self) -> u64 {
        self.shared.durable.position()
    }

    fn read_from(&self, position: u64) -> BoxStream<'static, Result<StoredCommit, StoreError>> {
        self.shared.durable.read_from(position)
    }

    fn wait_beyond(&self, position: u64) -> BoxFuture<'static, Result<u64, StoreError>> {
        let durable = Arc::clone(&self.shared.durable);
        async move { durable.wait_beyond(position).await }.boxed()
    }
}
