//! Walks a whole log and checks everything: the lock, the names, the anchor, every header and record.
//!
//! Verifying notes a problem and goes on behind it. Opening stops at the first, and does not walk
//! through sealed segments whose footers, and whose bytes if that is asked for, match their checksums:
//! a footer is written only once all before it is durable, and the next segment is made only once the
//! footer is, so nothing that a crash can do leads to a sealed segment that is not whole.

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use chrono::{DateTime, Utc};

use super::anchor;
use super::disk::{Access, Disk, NamedFile};
use super::folder::{self, Listed, failed};
use super::footer::{self, Sealed, Sums, Trailer};
use super::format::{self, Anchor, HEADER_BYTES, HEADER_LENGTH, LogId, Record, count};
use super::index::{Index, Merged};
use super::reader;
use crate::commit::{Hash, SealedCommit};
use crate::ids::StreamId;
use crate::store::{Damage, Head, StoreError, next_head};

/// Progress is reported at least this often.
const PROGRESS_BYTES: u64 = 1024 * 1024;

/// One thing that is wrong with a log.
#[derive(Debug)]
pub struct Problem {
    /// What is wrong, with file, offset and position where there are such.
    pub error: StoreError,
    /// Stream of the commit, as far as it can be read.
    pub stream: Option<StreamId>,
    /// Version of the commit in its stream, as far as it can be read.
    pub version: Option<u64>,
}

/// What a walk has found.
#[derive(Debug, Default)]
pub struct VerifyReport {
    /// Segment files.
    pub segments: u64,
    /// Intact commits.
    pub commits: u64,
    /// Size of all segment files, in bytes.
    pub bytes: u64,
    /// Streams with at least one intact commit.
    pub streams: u64,
    /// Position of the last intact commit; zero in an empty log.
    pub last_position: u64,
    /// Position that the anchor says was acknowledged; `None` when there is no readable anchor.
    pub anchored_position: Option<u64>,
    /// When the first intact commit was recorded.
    pub first_recorded_at: Option<DateTime<Utc>>,
    /// When the last intact commit was recorded.
    pub last_recorded_at: Option<DateTime<Utc>>,
    /// Bytes of an append that was never acknowledged, at the very end. Harmless.
    pub torn_tail_bytes: u64,
    /// Everything that is wrong; empty when the log is intact.
    pub problems: Vec<Problem>,
}

/// What to do about a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnProblem {
    Stop,
    Note,
}

/// Whether opening reads all bytes of sealed segments, or only their footers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checks {
    All,
    Footers,
}

/// A log, once it has been walked.
#[derive(Debug)]
pub(super) struct Walked {
    pub(super) report: VerifyReport,
    pub(super) anchor: Option<Anchor>,
    pub(super) log_id: Option<LogId>,
    pub(super) index: Index,
    /// The last segment, what its footer will say, and whether it has one already.
    pub(super) tail: Option<Arc<NamedFile>>,
    pub(super) sums: Sums,
    pub(super) is_sealed: bool,
    /// Hash of the last commit.
    pub(super) hash: Hash,
    /// In the last segment, where the acknowledged part ends and where the intact part does.
    pub(super) anchored_end: u64,
    pub(super) intact_end: u64,
}

struct Walk<'a> {
    progress: &'a mut dyn FnMut(u64, u64),
    on_problem: OnProblem,
    walked: Walked,
    heads: Heads,
    bytes_done: u64,
    bytes_shown: u64,
    /// How often commits have been lost so far. Links across a loss cannot be checked.
    losses: u64,
    /// Whether the end of what was read last is lost, so that the next position is not known.
    is_adrift: bool,
    is_anchor_noted: bool,
    /// Whether the index is what all records so far make of it, so that it tells what a footer must be.
    is_index_whole: bool,
    /// The end of the last segment, if it has no footer. Only the very last one may have none.
    unsealed: Option<(PathBuf, usize)>,
}

/// Where each stream ends, looked up for every commit.
#[allow(clippy::disallowed_types, reason = "it is never iterated")]
type Heads = std::collections::HashMap<StreamId, Known>;

struct Known {
    head: Head,
    losses: u64,
}

/// Walks the log in `dir`, which the caller has locked, to the end.
pub(super) fn walk(
    disk: &dyn Disk,
    dir: &Path,
    on_problem: OnProblem,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Walked, StoreError> {
    let (segments, foreign) = folder::list(disk, dir)?;
    let mut walk = Walk::new(on_problem, progress, Index::default());
    for err in foreign {
        walk.problem(err)?;
    }
    match anchor::read(disk, dir) {
        Ok(anchor) => walk.walked.anchor = anchor,
        Err(err) => {
            walk.is_anchor_noted = true;
            walk.problem(err)?;
        }
    }
    walk.finish(disk, dir, &segments, 0)
}

/// Loads the log in `dir`, which the caller has locked; whatever is wrong is an error.
pub(super) fn load(disk: &dyn Disk, dir: &Path, checks: Checks) -> Result<Walked, StoreError> {
    let (segments, foreign) = folder::list(disk, dir)?;
    if let (true, Ok(Some(anchor))) = (foreign.is_empty(), anchor::read(disk, dir))
        && let Some(index) = load_sealed(disk, &segments, anchor, checks)?
    {
        let sealed = index.sealed().len();
        let progress = &mut |_, _| {};
        let mut walk = Walk::new(OnProblem::Stop, progress, index);
        walk.walked.anchor = Some(anchor);
        return walk.finish(disk, dir, &segments, sealed);
    }
    walk(disk, dir, OnProblem::Stop, &mut |_, _| {})
}

/// Reads the footers of the segments that have one; `None` when only a walk can tell what is wrong.
fn load_sealed(
    disk: &dyn Disk,
    segments: &[Listed],
    anchor: Anchor,
    checks: Checks,
) -> Result<Option<Index>, StoreError> {
    let mut merged = Merged::default();
    for (number, listed) in segments.iter().enumerate() {
        let path = &listed.path;
        let file = Arc::new(disk.open(path, Access::Read).map_err(failed(path, "opened"))?);
        let mut header = [0; HEADER_LENGTH];
        let read = file.read_up_to(&mut header, 0).map_err(failed(path, "read"))?;
        let header = header.get(..read).unwrap_or_default();
        if folder::check_header(listed, header, Some(anchor.log_id)).is_err() {
            return Ok(None);
        }
        let sealed = match Sealed::open(file).map_err(failed(path, "read"))? {
            Some(sealed) => Arc::new(sealed),
            None if number + 1 == segments.len() => break,
            None => return Ok(None),
        };
        let tables = match sealed.tables().map_err(failed(path, "read"))? {
            Some(tables) => tables,
            None if number + 1 == segments.len() => break,
            None => return Ok(None),
        };
        let trailer = &sealed.trailer;
        if trailer.log_id != anchor.log_id
            || trailer.first != listed.first
            || trailer.first != merged.last() + 1
            || !is_anchored(&sealed, anchor)
        {
            return Ok(None);
        }
        if !merged.push(Arc::clone(&sealed), &tables) {
            return Ok(None);
        }
    }
    if checks == Checks::All && !are_intact(merged.sealed())? {
        return Ok(None);
    }
    Ok(merged.into_index())
}

/// Whether all bytes of sealed segments match their checksums. Every processor takes its share.
fn are_intact(sealed: &[Arc<Sealed>]) -> Result<bool, StoreError> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let share = sealed.len().div_ceil(threads).max(1);
    let is_share_intact = |share: &[Arc<Sealed>]| {
        for sealed in share {
            if !sealed.is_intact(&mut |_| {}).map_err(failed(&sealed.file.path, "read"))? {
                return Ok(false);
            }
        }
        Ok(true)
    };
    thread::scope(|scope| {
        let shares = sealed.chunks(share).map(|share| scope.spawn(move || is_share_intact(share)));
        let shares: Vec<_> = shares.collect();
        shares.into_iter().try_fold(true, |are_intact, share| {
            let is_intact = share.join().unwrap_or_else(|panic| resume_unwind(panic))?;
            Ok(are_intact && is_intact)
        })
    })
}

/// Whether the anchor's commit, if it lies in this segment, is the one that was acknowledged.
fn is_anchored(sealed: &Sealed, anchor: Anchor) -> bool {
    let trailer = &sealed.trailer;
    if anchor.position < trailer.first || trailer.last < anchor.position {
        return true;
    }
    if anchor.position == trailer.last {
        return anchor.hash == trailer.last_hash;
    }
    let mut prefix = [0; format::PREFIX_BYTES];
    let offset = reader::offset_of(sealed, anchor.position).ok();
    let read = offset.map(|offset| sealed.file.read_exact_at(&mut prefix, offset));
    matches!(read, Some(Ok(()))) && prefix.ends_with(anchor.hash.as_bytes())
}

impl<'a> Walk<'a> {
    /// A walk that goes on after what `index` holds.
    fn new(on_problem: OnProblem, progress: &'a mut dyn FnMut(u64, u64), index: Index) -> Self {
        let last = index.sealed().last().cloned();
        let heads = index.heads().map(|(source, head)| (source.clone(), Known { head, losses: 0 }));
        let heads = heads.collect();
        let report = VerifyReport { last_position: index.last(), ..VerifyReport::default() };
        let walked = Walked {
            report,
            anchor: None,
            log_id: last.as_ref().map(|sealed| sealed.trailer.log_id),
            index,
            tail: None,
            sums: Sums::default(),
            is_sealed: false,
            hash: last.as_ref().map_or(Hash::ZERO, |sealed| sealed.trailer.last_hash),
            anchored_end: HEADER_BYTES,
            intact_end: HEADER_BYTES,
        };
        Self {
            progress,
            on_problem,
            walked,
            heads,
            bytes_done: 0,
            bytes_shown: 0,
            losses: 0,
            is_adrift: false,
            is_anchor_noted: false,
            is_index_whole: true,
            unsealed: None,
        }
    }

    /// Walks through the segments but the first `done`, and looks at the log as a whole.
    fn finish(
        mut self,
        disk: &dyn Disk,
        dir: &Path,
        segments: &[Listed],
        done: usize,
    ) -> Result<Walked, StoreError> {
        self.segments(disk, segments.get(done..).unwrap_or_default())?;
        if let (None, Some(sealed)) =
            (&self.walked.tail, self.walked.index.sealed().last().cloned())
        {
            self.end_sealed(&sealed)?;
        }
        self.check_anchor(dir, segments.last())?;
        self.walked.report.streams = count(self.heads.len());
        Ok(self.walked)
    }

    /// Notes that the last segment is a sealed one.
    fn end_sealed(&mut self, sealed: &Sealed) -> Result<(), StoreError> {
        let Sealed { file, trailer } = sealed;
        let is_anchored = trailer.last <= self.acknowledged();
        self.walked.anchored_end = if is_anchored { trailer.records_end } else { HEADER_BYTES };
        self.walked.intact_end = file.size().map_err(failed(&file.path, "read"))?;
        self.walked.tail = Some(Arc::clone(file));
        self.walked.is_sealed = true;
        Ok(())
    }

    fn problem(&mut self, error: StoreError) -> Result<(), StoreError> {
        self.problem_with(error, None)
    }

    fn problem_with(
        &mut self,
        error: StoreError,
        commit: Option<&SealedCommit>,
    ) -> Result<(), StoreError> {
        match self.on_problem {
            OnProblem::Stop => Err(error),
            OnProblem::Note => {
                let stream = commit.map(|sealed| sealed.commit().stream.clone());
                let version = commit.map(|sealed| sealed.commit().version);
                self.walked.report.problems.push(Problem { error, stream, version });
                Ok(())
            }
        }
    }

    /// Position that must be in the log, at least.
    fn acknowledged(&self) -> u64 {
        self.walked.anchor.map_or(0, |anchor| anchor.position)
    }

    fn segments(&mut self, disk: &dyn Disk, segments: &[Listed]) -> Result<(), StoreError> {
        let mut files = Vec::with_capacity(segments.len());
        for Listed { path, .. } in segments {
            let file = disk.open(path, Access::Read).map_err(failed(path, "opened"))?;
            self.walked.report.bytes += file.size().map_err(failed(path, "read"))?;
            files.push(file);
        }
        let mut bytes = Vec::new();
        for (number, (segment, file)) in segments.iter().zip(files).enumerate() {
            file.read_whole(&mut bytes).map_err(failed(&segment.path, "read"))?;
            self.segment(segment, Arc::new(file), &bytes, number + 1 == segments.len())?;
            self.bytes_done += count(bytes.len());
            (self.progress)(self.bytes_done, self.walked.report.bytes);
        }
        Ok(())
    }

    fn segment(
        &mut self,
        segment: &Listed,
        file: Arc<NamedFile>,
        bytes: &[u8],
        is_last: bool,
    ) -> Result<(), StoreError> {
        self.walked.report.segments += 1;
        let next = self.walked.report.last_position + 1;
        if segment.first != next {
            if !self.is_adrift {
                let reason = Damage::Gap(segment.first);
                self.problem(damaged(&segment.path, 0, next, reason))?;
            }
            self.losses += 1;
            self.walked.report.last_position = segment.first - 1;
        }
        self.is_adrift = false;
        let log_id = self.walked.log_id.or(self.walked.anchor.map(|anchor| anchor.log_id));
        match folder::check_header(segment, bytes, log_id) {
            Ok(log_id) => self.walked.log_id = Some(log_id),
            Err(err) => self.problem(err)?,
        }
        if let Some((path, end)) = self.unsealed.take().filter(|_| segment.first == next) {
            self.problem(damaged(&path, end, next - 1, Damage::Footer))?;
            self.is_index_whole = false;
        }
        (self.walked.anchored_end, self.walked.intact_end) = (HEADER_BYTES, HEADER_BYTES);
        self.walked.sums = Sums::new(bytes.get(..HEADER_LENGTH).unwrap_or_default());
        self.walked.index.push_segment(Arc::clone(&file));
        if let Some((trailer, records_end)) = sealed_part(bytes, is_last) {
            self.walked.is_sealed = true;
            self.records(&segment.path, bytes.get(..records_end).unwrap_or_default(), false)?;
            let sealed = Arc::new(Sealed { file, trailer });
            self.footer(&sealed, bytes.get(records_end..).unwrap_or_default())?;
            self.end_sealed(&sealed)
        } else {
            self.walked.tail = Some(file);
            self.walked.is_sealed = false;
            self.records(&segment.path, bytes, is_last)
        }
    }

    /// Compares a footer with the one that the records need.
    fn footer(&mut self, sealed: &Arc<Sealed>, bytes: &[u8]) -> Result<(), StoreError> {
        self.is_index_whole &= self.losses == 0;
        let is_right = if self.is_index_whole {
            let log_id = self.walked.log_id.unwrap_or_default();
            let is_right = self.walked.index.footer(log_id, &self.walked.sums) == bytes;
            self.walked.index.seal(Arc::clone(sealed));
            is_right
        } else {
            self.walked.report.last_position = sealed.trailer.last;
            self.is_adrift = false;
            sealed.trailer.has_tables(bytes)
        };
        if is_right { Ok(()) } else { self.problem(reader::broken_footer(sealed)) }
    }

    fn records(&mut self, path: &Path, bytes: &[u8], is_last: bool) -> Result<(), StoreError> {
        let mut at = HEADER_LENGTH;
        while at < bytes.len() {
            self.show_progress(at);
            let rest = bytes.get(at..).unwrap_or_default();
            let next = self.walked.report.last_position + 1;
            at = match Record::read(rest) {
                Ok(record) => {
                    let size = record.size();
                    self.record(path, at, &record, rest.get(..size).unwrap_or_default())?;
                    at + size
                }
                Err(_) if is_last && self.is_torn(bytes, at, next) => {
                    self.walked.report.torn_tail_bytes = count(bytes.len() - at);
                    return Ok(());
                }
                Err(_) if !is_last && rest.starts_with(&footer::MAGIC) => break,
                Err(reason) => {
                    self.problem(damaged(path, at, next, reason))?;
                    match self.skip_damage(bytes, at, next) {
                        Some(at) => at,
                        None => return Ok(()),
                    }
                }
            };
        }
        self.unsealed = (!self.walked.is_sealed).then(|| (path.to_owned(), at));
        Ok(())
    }

    fn show_progress(&mut self, at: usize) {
        let done = self.bytes_done + count(at);
        if self.bytes_shown + PROGRESS_BYTES <= done {
            self.bytes_shown = done;
            (self.progress)(done, self.walked.report.bytes);
        }
    }

    /// Whether what starts at `at` is an append that was never acknowledged.
    ///
    /// A group is written only after the one before it is durable, and its records say so. So a
    /// broken record was acknowledged if the anchor or any later record says that it was durable.
    fn is_torn(&self, bytes: &[u8], at: usize, position: u64) -> bool {
        if position <= self.acknowledged() {
            return false;
        }
        let mut from = at + 1;
        while let Some((found, record)) = Record::find(bytes, from, position) {
            if position <= record.durable {
                return false;
            }
            from = found + record.size();
        }
        true
    }

    /// Goes on with the next intact record, if there is one.
    fn skip_damage(&mut self, bytes: &[u8], at: usize, position: u64) -> Option<usize> {
        self.losses += 1;
        let Some((at, record)) = Record::find(bytes, at + 1, position) else {
            self.is_adrift = true;
            return None;
        };
        self.walked.report.last_position = record.position - 1;
        Some(at)
    }

    fn record(
        &mut self,
        path: &Path,
        at: usize,
        record: &Record<'_>,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        let position = self.walked.report.last_position + 1;
        if record.position != position {
            self.losses += 1;
            let reason = Damage::Position(record.position);
            self.problem(damaged(path, at, position, reason))?;
        }
        self.walked.report.last_position = position;
        self.walked.intact_end = count(at + record.size());
        if position <= self.acknowledged() {
            self.walked.anchored_end = self.walked.intact_end;
        }
        let sealed = match reader::open(record) {
            Ok(sealed) => sealed,
            Err(reason) => {
                self.losses += 1;
                let readable = SealedCommit::open(record.commit).ok();
                return self.problem_with(damaged(path, at, position, reason), readable.as_ref());
            }
        };
        let is_anchored = self.walked.anchor.filter(|anchor| anchor.position == position);
        if is_anchored.is_some_and(|anchor| anchor.hash != record.hash) {
            self.problem_with(damaged(path, at, position, Damage::Replaced), Some(&sealed))?;
        }
        if let Err(reason) = self.link(&sealed) {
            let reason = Damage::Link(reason);
            self.problem_with(damaged(path, at, position, reason), Some(&sealed))?;
        }
        self.intact(&sealed);
        self.is_index_whole &= self.losses == 0;
        if self.is_index_whole {
            let (stream, size) = (&sealed.commit().stream, count(record.size()));
            self.walked.index.push(stream, sealed.hash(), size)?;
            let recorded_at = sealed.commit().recorded_at.timestamp_millis();
            self.walked.sums.push(bytes, sealed.hash(), recorded_at);
        }
        Ok(())
    }

    /// Moves the stream's head to the commit, and says whether it follows the one before.
    fn link(&mut self, sealed: &SealedCommit) -> Result<(), &'static str> {
        let commit = sealed.commit();
        let unknown = Known { head: Head::EMPTY, losses: 0 };
        let known = self.heads.entry(commit.stream.clone()).or_insert(unknown);
        let is_lossy = known.losses < self.losses && known.head.version + 1 < commit.version;
        let checked = if is_lossy { Ok(()) } else { next_head(known.head, sealed).map(drop) };
        let head = Head { version: commit.version, hash: sealed.hash() };
        *known = Known { head, losses: self.losses };
        checked
    }

    fn intact(&mut self, sealed: &SealedCommit) {
        let report = &mut self.walked.report;
        report.commits += 1;
        report.first_recorded_at.get_or_insert(sealed.commit().recorded_at);
        report.last_recorded_at = Some(sealed.commit().recorded_at);
        self.walked.hash = sealed.hash();
    }

    /// The log must hold all that was acknowledged, and an anchor must say how much that is.
    fn check_anchor(&mut self, dir: &Path, last: Option<&Listed>) -> Result<(), StoreError> {
        let found = self.walked.report.last_position;
        self.walked.report.anchored_position = self.walked.anchor.map(|anchor| anchor.position);
        let Some(anchor) = self.walked.anchor else {
            let is_new = found == 0 && self.walked.report.torn_tail_bytes == 0;
            return if is_new || self.is_anchor_noted {
                Ok(())
            } else {
                self.problem(no_anchor(dir))
            };
        };
        let file = last.map_or_else(|| folder::segment_path(dir, 1), |last| last.path.clone());
        if last.is_none() && anchor.position == 0 {
            let reason = "it is missing although the log has an anchor; restore it from a backup, \
                          or start a new log in an empty folder";
            return self.problem(StoreError::Foreign { file, reason: reason.to_owned() });
        }
        if found < anchor.position && !self.is_adrift {
            let acknowledged = anchor.position;
            self.problem(StoreError::Shortened { file, found, acknowledged })?;
        }
        Ok(())
    }
}

fn no_anchor(dir: &Path) -> StoreError {
    let reason = "it is missing, so nobody can tell whether the log is complete; restore it from \
                  any backup of this log";
    StoreError::Foreign { file: dir.join(anchor::NAME), reason: reason.to_owned() }
}

/// The trailer of a sealed segment and where its records end.
///
/// A crash may tear the footer of the last segment. Then it has none yet, whatever its end looks like.
fn sealed_part(bytes: &[u8], is_last: bool) -> Option<(Trailer, usize)> {
    let trailer = Trailer::at_end_of(bytes)?;
    let records_end = format::length(trailer.records_end).ok()?;
    let footer = bytes.get(records_end..)?;
    (!is_last || trailer.has_tables(footer)).then_some((trailer, records_end))
}

fn damaged(path: &Path, at: usize, position: u64, reason: Damage) -> StoreError {
    StoreError::Damaged { file: PathBuf::from(path), offset: count(at), position, reason }
}
