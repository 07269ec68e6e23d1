//! Reading much of a log: by scanning it, and through the readers that read ahead.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::ops::ControlFlow;

use futures::TryStreamExt;
use futures::executor::block_on;
use ledger_core::commit::{Hash, SealedCommit};
use ledger_core::store::CommitLog;
use ledger_core::store::contract::{customer, next_commit};
use ledger_core::store::segment::{SegmentLog, SegmentOptions};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A commit of this size is larger than what is read at once.
const LARGE: usize = 700_000;

struct Filled {
    dir: TempDir,
    log: SegmentLog,
    commits: Vec<SealedCommit>,
}

impl Filled {
    fn new(segment_bytes: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = SegmentLog::open(dir.path(), SegmentOptions { segment_bytes }).unwrap();
        Self { dir, log, commits: Vec::new() }
    }

    /// Appends a commit for each payload, to three customers in turn.
    fn with(segment_bytes: u64, payload_bytes: impl IntoIterator<Item = usize>) -> Self {
        let mut filled = Self::new(segment_bytes);
        for (number, bytes) in payload_bytes.into_iter().enumerate() {
            let before = number.checked_sub(3).and_then(|before| filled.commits.get(before));
            let stream = customer(&format!("customer-{}", number % 3));
            filled.append(next_commit(&stream, before, vec![b'x'; bytes]));
        }
        filled
    }

    fn append(&mut self, commit: SealedCommit) {
        block_on(self.log.append_commit(commit.clone())).unwrap();
        self.commits.push(commit);
    }

    fn segments(&self) -> usize {
        let files = self.dir.path().read_dir().unwrap().map(|file| file.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|end| end == "seg")).count()
    }

    /// What a scan shows from `position` on, at most `most` commits.
    fn scanned(&self, position: u64, most: usize) -> Vec<(u64, Hash)> {
        let mut shown = Vec::new();
        let scanned = self.log.scan(position, |commit| {
            assert_eq!(Hash::of(commit.bytes), commit.hash);
            let fields = commit.read().unwrap();
            let sealed = SealedCommit::open(commit.bytes).unwrap();
            assert_eq!(fields.to_commit().unwrap(), *sealed.commit());
            shown.push((commit.position, commit.hash));
            if shown.len() == most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        scanned.unwrap();
        shown
    }

    fn expected(&self, position: u64) -> Vec<(u64, Hash)> {
        let all = (1..).zip(self.commits.iter().map(SealedCommit::hash));
        all.skip_while(|(at, _)| *at < position).collect()
    }

    async fn read(&self, position: u64) -> Vec<(u64, Hash)> {
        let read: Vec<_> = self.log.read_from(position).try_collect().await.unwrap();
        read.iter().map(|stored| (stored.sequence_number().into(), stored.hash())).collect()
    }
}

#[test]
fn an_empty_log_shows_nothing() {
    let filled = Filled::new(4096);
    assert_eq!(filled.scanned(0, usize::MAX), []);
    assert_eq!(filled.scanned(1, usize::MAX), []);
}

#[test]
fn a_scan_shows_every_commit_from_any_position_on() {
    let filled = Filled::with(4096, 0..70);
    assert!(3 < filled.segments(), "the log is meant to have rolled");
    assert_eq!(filled.scanned(0, usize::MAX), filled.expected(1));
    for position in 1..=72 {
        assert_eq!(filled.scanned(position, usize::MAX), filled.expected(position));
    }
}

#[test]
fn a_scan_stops_when_it_is_told() {
    let filled = Filled::with(4096, 0..70);
    for most in [1, 20, 69] {
        assert_eq!(filled.scanned(1, most), filled.expected(1)[..most]);
    }
}

#[test]
fn a_scan_goes_on_with_what_was_appended_since() {
    let mut filled = Filled::with(1 << 20, 0..3);
    assert_eq!(filled.scanned(1, usize::MAX), filled.expected(1));
    let commit = next_commit(&customer("customer-0"), filled.commits.first(), "later");
    filled.append(commit);
    assert_eq!(filled.scanned(4, usize::MAX), filled.expected(4));
}

#[test]
fn commits_larger_than_what_is_read_at_once_are_shown_whole() {
    for segment_bytes in [1 << 20, 1 << 30] {
        let filled = Filled::with(segment_bytes, [10, LARGE, 20, 30, LARGE, LARGE, 40]);
        for position in 1..=7 {
            assert_eq!(filled.scanned(position, usize::MAX), filled.expected(position));
            assert_eq!(block_on(filled.read(position)), filled.expected(position));
        }
    }
}

#[test]
fn reading_ahead_changes_nothing_of_what_is_read() {
    let runtime = Runtime::new().unwrap();
    for segment_bytes in [1 << 20, 1 << 30] {
        let filled = Filled::with(segment_bytes, 0..1500);
        for position in [1, 2, 700, 1499, 1500, 1501] {
            let expected = filled.expected(position);
            assert_eq!(block_on(filled.read(position)), expected);
            assert_eq!(runtime.block_on(filled.read(position)), expected);
        }
    }
}
