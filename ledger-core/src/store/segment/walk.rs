//! Walks a whole log and checks everything: the lock, the names, the anchor, every header and record.
//!
//! Opening and verifying are the same walk. Opening stops at the first problem; verifying notes it
//! and goes on behind it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::anchor;
use super::disk::{Access, Disk, NamedFile};
use super::folder::{self, Listed, failed};
use super::format::{Anchor, HEADER_BYTES, HEADER_LENGTH, LogId, Record, count};
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

/// Receives what a walk reads.
pub(super) trait Visitor {
    fn segment(&mut self, _file: NamedFile) -> Result<(), StoreError> {
        Ok(())
    }

    fn commit(&mut self, _sealed: &SealedCommit, _size: u64) -> Result<(), StoreError> {
        Ok(())
    }

    fn progress(&mut self, _bytes_done: u64, _bytes_total: u64) {}
}

/// The end of a log, once it has been walked.
#[derive(Debug)]
pub(super) struct Walked {
    pub(super) report: VerifyReport,
    pub(super) anchor: Option<Anchor>,
    pub(super) log_id: Option<LogId>,
    /// Hash of the last commit.
    pub(super) hash: Hash,
    /// In the last segment, where the acknowledged part ends and where the intact part does.
    pub(super) anchored_end: u64,
    pub(super) intact_end: u64,
}

struct Walk<'a, V> {
    visitor: &'a mut V,
    on_problem: OnProblem,
    walked: Walked,
    heads: BTreeMap<StreamId, Known>,
    bytes_done: u64,
    bytes_shown: u64,
    /// How often commits have been lost so far. Links across a loss cannot be checked.
    losses: u64,
    /// Whether the end of what was read last is lost, so that the next position is not known.
    is_adrift: bool,
    is_anchor_noted: bool,
}

struct Known {
    head: Head,
    losses: u64,
}

/// Walks the log in `dir`, which the caller has locked.
pub(super) fn walk<V: Visitor>(
    disk: &dyn Disk,
    dir: &Path,
    on_problem: OnProblem,
    visitor: &mut V,
) -> Result<Walked, StoreError> {
    let (segments, foreign) = folder::list(disk, dir)?;
    let walked = Walked {
        report: VerifyReport::default(),
        anchor: None,
        log_id: None,
        hash: Hash::ZERO,
        anchored_end: HEADER_BYTES,
        intact_end: HEADER_BYTES,
    };
    let heads = BTreeMap::new();
    let mut walk = Walk {
        visitor,
        on_problem,
        walked,
        heads,
        bytes_done: 0,
        bytes_shown: 0,
        losses: 0,
        is_adrift: false,
        is_anchor_noted: false,
    };
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
    walk.segments(disk, &segments)?;
    walk.check_anchor(dir, segments.last())?;
    walk.walked.report.streams = count(walk.heads.len());
    Ok(walk.walked)
}

impl<V: Visitor> Walk<'_, V> {
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
            self.segment(segment, file, &bytes, number + 1 == segments.len())?;
            self.bytes_done += count(bytes.len());
            self.visitor.progress(self.bytes_done, self.walked.report.bytes);
        }
        Ok(())
    }

    fn segment(
        &mut self,
        segment: &Listed,
        file: NamedFile,
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
        self.visitor.segment(file)?;
        (self.walked.anchored_end, self.walked.intact_end) = (HEADER_BYTES, HEADER_BYTES);
        self.records(&segment.path, bytes, is_last)
    }

    fn records(&mut self, path: &Path, bytes: &[u8], is_last: bool) -> Result<(), StoreError> {
        let mut at = HEADER_LENGTH;
        while at < bytes.len() {
            self.show_progress(at);
            let rest = bytes.get(at..).unwrap_or_default();
            let next = self.walked.report.last_position + 1;
            at = match Record::read(rest) {
                Ok(record) => {
                    self.record(path, at, &record)?;
                    at + record.size()
                }
                Err(_) if is_last && self.is_torn(bytes, at, next) => {
                    self.walked.report.torn_tail_bytes = count(bytes.len() - at);
                    return Ok(());
                }
                Err(reason) => {
                    self.problem(damaged(path, at, next, reason))?;
                    match self.skip_damage(bytes, at, next) {
                        Some(at) => at,
                        None => return Ok(()),
                    }
                }
            };
        }
        Ok(())
    }

    fn show_progress(&mut self, at: usize) {
        let done = self.bytes_done + count(at);
        if self.bytes_shown + PROGRESS_BYTES <= done {
            self.bytes_shown = done;
            self.visitor.progress(done, self.walked.report.bytes);
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

    fn record(&mut self, path: &Path, at: usize, record: &Record<'_>) -> Result<(), StoreError> {
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
        self.visitor.commit(&sealed, count(record.size()))
    }

    /// Moves the stream's head to the commit, and says whether it follows the one before.
    fn link(&mut self, sealed: &SealedCommit) -> Result<(), &'static str> {
        let commit = sealed.commit();
        let unknown = Known { head: Head::EMPTY, losses: 0 };
        let before = self.heads.get(&commit.stream).unwrap_or(&unknown);
        let is_lossy = before.losses < self.losses && before.head.version + 1 < commit.version;
        let checked = if is_lossy { Ok(()) } else { next_head(before.head, sealed).map(drop) };
        let head = Head { version: commit.version, hash: sealed.hash() };
        let known = Known { head, losses: self.losses };
        match self.heads.get_mut(&commit.stream) {
            Some(before) => *before = known,
            None => drop(self.heads.insert(commit.stream.clone(), known)),
        }
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

fn damaged(path: &Path, at: usize, position: u64, reason: Damage) -> StoreError {
    StoreError::Damaged { file: PathBuf::from(path), offset: count(at), position, reason }
}
