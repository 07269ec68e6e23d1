//! What the log does when the disk fails.

use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use futures::future::{self, BoxFuture};
use futures::{FutureExt, TryStreamExt};

use super::simulated::{Ending, Faults, SimulatedDisk};
use super::{SegmentLog, SegmentOptions};
use crate::commit::SealedCommit;
use crate::store::contract::{customer, history, next_commit};
use crate::store::{Appended, CommitLog, StoreError};

/// Faults that hit segments only, so that the anchor's calls pass.
const SEGMENTS: Faults = Faults {
    names: ".seg",
    write: None,
    read: None,
    create: None,
    truncate: None,
    syncs_fail_from: None,
    is_sync_held: false,
    is_short_of_writes: false,
    capacity_bytes: None,
};

struct Fixture {
    disk: SimulatedDisk,
    log: SegmentLog,
}

impl Fixture {
    fn new(segment_bytes: u64) -> Self {
        let disk = SimulatedDisk::new(segment_bytes);
        disk.fail(SEGMENTS);
        let log = disk.open_log(dir(), SegmentOptions { segment_bytes }).unwrap();
        Self { disk, log }
    }

    fn bytes(&self) -> usize {
        let files = self.disk.files(dir()).into_iter();
        let segments = files.filter(|path| path.extension().is_some_and(|end| end == "seg"));
        segments.filter_map(|path| self.disk.contents(&path)).map(|bytes| bytes.len()).sum()
    }

    async fn append(&self, commit: &SealedCommit) -> Result<Appended, StoreError> {
        self.log.append_commit(commit.clone()).await
    }

    /// How many commits can be read.
    async fn readable(&self) -> usize {
        let readable = self.log.read_from(1).try_collect::<Vec<_>>().await.unwrap().len();
        assert_eq!(self.scanned(), readable);
        readable
    }

    /// How many commits a scan shows.
    fn scanned(&self) -> usize {
        let mut scanned = 0;
        let shown = self.log.scan(1, |_| {
            scanned += 1;
            ControlFlow::Continue(())
        });
        shown.unwrap();
        scanned
    }

    /// Closes the log and counts what a healthy disk holds.
    fn reopened(self) -> u64 {
        self.disk.fail(SEGMENTS);
        drop(self.log);
        self.disk.restart(Ending::Kill);
        self.disk.open_log(dir(), SegmentOptions::default()).unwrap().durable_position()
    }

    /// Queues `commits` while the sync of `first` is held, so that they form the next group.
    fn queue_behind(
        &self,
        first: &SealedCommit,
        commits: &[SealedCommit],
    ) -> Vec<BoxFuture<'static, Result<Appended, StoreError>>> {
        let syncs_begun = self.disk.syncs_begun();
        self.disk.fail(Faults { is_sync_held: true, ..SEGMENTS });
        let mut first = self.log.append_commit(first.clone());
        assert!((&mut first).now_or_never().is_none(), "its sync is held");
        self.disk.wait_for_sync(syncs_begun + 1);
        let mut appends = vec![first];
        for commit in commits {
            let mut append = self.log.append_commit(commit.clone());
            assert!((&mut append).now_or_never().is_none(), "the writer is held");
            appends.push(append);
        }
        appends
    }
}

fn dir() -> &'static Path {
    Path::new("/log")
}

#[tokio::test]
async fn a_full_disk_refuses_until_it_has_space_again() {
    for (through, kind) in [
        (0, io::ErrorKind::StorageFull),
        (3, io::ErrorKind::StorageFull),
        (70, io::ErrorKind::WriteZero),
        (70, io::ErrorKind::QuotaExceeded),
    ] {
        let fixture = Fixture::new(1 << 20);
        let commits = history(&customer("acme"), 3);
        fixture.append(&commits[0]).await.unwrap();
        let bytes = fixture.bytes();

        fixture.disk.fail(Faults { write: Some((through, kind)), ..SEGMENTS });
        for _ in 0..2 {
            let refused = fixture.append(&commits[1]).await;
            assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
            assert_eq!(fixture.bytes(), bytes, "what was written is cut off again");
            assert_eq!(fixture.readable().await, 1);
        }
        fixture.disk.fail(SEGMENTS);
        for commit in &commits[1..] {
            assert_eq!(fixture.append(commit).await.unwrap().version, commit.commit().version);
        }
        assert_eq!(fixture.readable().await, 3);
        assert_eq!(fixture.reopened(), 3);
    }
}

#[tokio::test]
async fn a_disk_too_full_for_the_next_segment_refuses_until_it_has_space_again() {
    let fixture = Fixture::new(1);
    let commits = history(&customer("acme"), 2);
    fixture.append(&commits[0]).await.unwrap();
    let full = Some(io::ErrorKind::StorageFull);
    fixture.disk.fail(Faults { create: full, ..SEGMENTS });
    let refused = fixture.append(&commits[1]).await;
    assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
    fixture.disk.fail(SEGMENTS);
    assert_eq!(fixture.append(&commits[1]).await.unwrap().position, 2);
    assert_eq!(fixture.reopened(), 2);
}

#[tokio::test]
async fn a_group_on_a_full_disk_is_refused_as_a_whole() {
    let fixture = Fixture::new(1 << 20);
    let commits = history(&customer("acme"), 3);
    let rival = next_commit(&customer("acme"), Some(&commits[0]), "rival");
    let mut queued = commits[1..].to_vec();
    queued.push(rival);
    let mut appends = fixture.queue_behind(&commits[0], &queued);
    let write = Some((100, io::ErrorKind::StorageFull));
    fixture.disk.fail(Faults { write, ..SEGMENTS });
    appends.remove(0).await.unwrap();
    for refused in future::join_all(appends).await {
        assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
    }
    assert_eq!(fixture.reopened(), 1);
}

#[tokio::test]
async fn nothing_is_shown_before_it_is_durable() {
    let fixture = Fixture::new(1 << 20);
    let commits = history(&customer("acme"), 2);
    fixture.append(&commits[0]).await.unwrap();
    let bytes = fixture.bytes();
    let mut appends = fixture.queue_behind(&commits[1], &[]);
    assert!(bytes < fixture.bytes(), "the record is written, and its sync is held");
    assert_eq!(fixture.readable().await, 1);
    fixture.disk.fail(SEGMENTS);
    appends.remove(0).await.unwrap();
    assert_eq!(fixture.readable().await, 2);
}

#[tokio::test]
async fn a_failed_sync_ends_writing_but_not_reading() {
    let fixture = Fixture::new(1 << 20);
    let commits = history(&customer("acme"), 4);
    let rival = next_commit(&customer("acme"), Some(&commits[0]), "rival");
    let queued = [commits[1].clone(), commits[2].clone(), rival];
    let mut appends = fixture.queue_behind(&commits[0], &queued);
    let waiting = fixture.log.wait_beyond(1);
    let failing = fixture.disk.syncs_begun() + 1;
    fixture.disk.fail(Faults { syncs_fail_from: Some(failing), ..SEGMENTS });

    appends.remove(0).await.expect("its own sync has passed");
    let outcomes = future::join_all(appends).await;
    assert!(matches!(outcomes[0], Err(StoreError::Unknown(_))), "{outcomes:?}");
    assert!(matches!(outcomes[1], Err(StoreError::Unknown(_))), "{outcomes:?}");
    assert!(matches!(outcomes[2], Err(StoreError::Poisoned)), "a refusal wrote nothing");
    assert!(matches!(waiting.await, Err(StoreError::Poisoned)));
    fixture.disk.fail(SEGMENTS);
    let later = fixture.append(&commits[3]).await;
    assert!(matches!(later, Err(StoreError::Poisoned)), "{later:?}");
    assert_eq!((fixture.log.durable_position(), fixture.readable().await), (1, 1));
    assert!(matches!(fixture.log.close(), Err(StoreError::Poisoned)));
    assert!(1 <= fixture.reopened(), "what was acknowledged is there");
}

#[tokio::test]
async fn a_failed_write_ends_writing() {
    let fixture = Fixture::new(1 << 20);
    let commits = history(&customer("acme"), 2);
    let write = Some((5, io::ErrorKind::Other));
    fixture.disk.fail(Faults { write, ..SEGMENTS });
    let unknown = fixture.append(&commits[0]).await;
    assert!(matches!(unknown, Err(StoreError::Unknown(_))), "{unknown:?}");
    assert!(matches!(fixture.append(&commits[0]).await, Err(StoreError::Poisoned)));
    assert_eq!(fixture.reopened(), 0);
}

#[tokio::test]
async fn a_full_disk_that_cannot_be_cut_back_ends_writing() {
    let fixture = Fixture::new(1 << 20);
    let commits = history(&customer("acme"), 2);
    fixture.append(&commits[0]).await.unwrap();
    let write = Some((5, io::ErrorKind::StorageFull));
    let truncate = Some(io::ErrorKind::Other);
    fixture.disk.fail(Faults { write, truncate, ..SEGMENTS });
    let unknown = fixture.append(&commits[1]).await;
    assert!(matches!(unknown, Err(StoreError::Unknown(_))), "{unknown:?}");
    assert!(matches!(fixture.append(&commits[1]).await, Err(StoreError::Poisoned)));
    assert_eq!(fixture.reopened(), 1);
}

#[tokio::test]
async fn what_arrives_during_a_sync_shares_the_next_one() {
    let fixture = Fixture::new(1 << 20);
    let commits = history(&customer("acme"), 101);
    let before = fixture.disk.syncs_begun();
    let appends = fixture.queue_behind(&commits[0], &commits[1..]);
    assert_eq!(fixture.log.durable_position(), 0, "nothing is durable yet");
    assert_eq!(fixture.readable().await, 0, "readers see durable commits only");
    fixture.disk.fail(SEGMENTS);
    for (append, position) in appends.into_iter().zip(1..) {
        assert_eq!(append.await.unwrap().position, position);
    }
    assert_eq!(fixture.disk.syncs_begun() - before, 2);
    assert_eq!(fixture.readable().await, 101);
}

#[tokio::test]
async fn a_conflict_within_a_group_is_answered_once_its_cause_is_durable() {
    let fixture = Fixture::new(1 << 20);
    let first = next_commit(&customer("acme"), None, "first");
    let rival = next_commit(&customer("acme"), None, "rival");
    let other = next_commit(&customer("apex"), None, "other");
    let mut appends = fixture.queue_behind(&other, &[first, rival]);
    fixture.disk.fail(SEGMENTS);
    let conflict = appends.pop().unwrap().await;
    assert!(matches!(conflict, Err(StoreError::Conflict { expected: 0, actual: 1 })));
    assert_eq!(fixture.log.durable_position(), 2);
    assert_eq!(future::try_join_all(appends).await.unwrap().len(), 2);
}

#[tokio::test]
async fn more_appends_than_the_queue_holds_wait_for_a_place() {
    let fixture = Fixture::new(1 << 20);
    let streams = (0..5000).map(|number| customer(&format!("customer-{number}")));
    let commits: Vec<_> = streams.map(|stream| next_commit(&stream, None, "")).collect();
    let appends = fixture.queue_behind(&commits[0], &commits[1..]);
    fixture.disk.fail(SEGMENTS);
    let appended = future::try_join_all(appends).await.unwrap();
    let positions: BTreeSet<_> = appended.iter().map(|appended| appended.position).collect();
    assert!(positions.into_iter().eq(1..=5000));
    assert_eq!(fixture.reopened(), 5000);
}

#[tokio::test]
async fn a_disk_too_full_for_a_footer_refuses_until_it_has_space_again() {
    let fixture = Fixture::new(1);
    let commits = history(&customer("acme"), 3);
    fixture.append(&commits[0]).await.unwrap();
    let bytes = fixture.bytes();
    fixture.disk.fail(Faults { write: Some((30, io::ErrorKind::StorageFull)), ..SEGMENTS });
    for _ in 0..2 {
        let refused = fixture.append(&commits[1]).await;
        assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
        assert_eq!(fixture.bytes(), bytes, "what was written is cut off again");
        assert_eq!(fixture.readable().await, 1);
    }
    fixture.disk.fail(SEGMENTS);
    for commit in &commits[1..] {
        fixture.append(commit).await.unwrap();
    }
    assert_eq!(fixture.readable().await, 3);
    assert_eq!(fixture.reopened(), 3);
}

#[tokio::test]
async fn a_failed_sync_of_a_footer_ends_writing() {
    let fixture = Fixture::new(1);
    let commits = history(&customer("acme"), 2);
    fixture.append(&commits[0]).await.unwrap();
    let failing = fixture.disk.syncs_begun() + 1;
    fixture.disk.fail(Faults { syncs_fail_from: Some(failing), ..SEGMENTS });
    let unknown = fixture.append(&commits[1]).await;
    assert!(matches!(unknown, Err(StoreError::Unknown(_))), "{unknown:?}");
    fixture.disk.fail(SEGMENTS);
    assert!(matches!(fixture.append(&commits[1]).await, Err(StoreError::Poisoned)));
    assert_eq!(fixture.readable().await, 1);
    assert_eq!(fixture.reopened(), 1);
}

#[tokio::test]
async fn writes_that_are_cut_short_are_completed() {
    let fixture = Fixture::new(2048);
    fixture.disk.fail(Faults { is_short_of_writes: true, ..SEGMENTS });
    for commit in &history(&customer("acme"), 30) {
        fixture.append(commit).await.unwrap();
    }
    assert_eq!(fixture.readable().await, 30);
    assert_eq!(fixture.reopened(), 30);
}

#[tokio::test]
async fn a_disk_that_fills_up_anywhere_loses_nothing_and_goes_on_when_it_grows() {
    for capacity in (3000..9000).step_by(131) {
        let fixture = Fixture::new(2048);
        let commits = history(&customer("acme"), 30);
        fixture.disk.fail(Faults { capacity_bytes: Some(capacity), ..SEGMENTS });
        let mut next = 0;
        while let Ok(appended) = fixture.append(&commits[next]).await {
            next += 1;
            assert_eq!(usize::try_from(appended.position).unwrap(), next);
        }
        let refused = fixture.append(&commits[next]).await;
        assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
        assert_eq!(fixture.readable().await, next);
        fixture.disk.fail(SEGMENTS);
        for commit in &commits[next..] {
            fixture.append(commit).await.unwrap();
        }
        drop(fixture.log);
        fixture.disk.restart(Ending::PowerCut);
        let options = SegmentOptions { segment_bytes: 2048 };
        assert_eq!(fixture.disk.open_log(dir(), options).unwrap().durable_position(), 30);
    }
}

#[tokio::test]
async fn what_cannot_be_read_now_can_be_read_later() {
    let fixture = Fixture::new(2048);
    for commit in &history(&customer("acme"), 20) {
        fixture.append(commit).await.unwrap();
    }
    fixture.disk.fail(Faults { read: Some(io::ErrorKind::Other), ..SEGMENTS });
    let unread = fixture.log.read_from(1).try_collect::<Vec<_>>().await;
    assert!(matches!(unread, Err(StoreError::Io { action: "read", .. })), "{unread:?}");
    assert!(matches!(fixture.log.check_sealed(&mut |_, _| {}), Err(StoreError::Io { .. })));
    fixture.disk.fail(SEGMENTS);
    assert_eq!(fixture.readable().await, 20);
}

/// The system may take pages for written that a failed sync has lost. A restart must not trust them.
#[tokio::test]
async fn what_a_restart_after_a_failed_sync_shows_survives_a_power_cut() {
    let options = SegmentOptions { segment_bytes: 1500 };
    for seed in 0..150 {
        let disk = SimulatedDisk::new(seed);
        let log = disk.open_log(dir(), options).unwrap();
        let failing = disk.syncs_begun() + 1 + seed % 30;
        disk.fail(Faults { syncs_fail_from: Some(failing), ..Faults::default() });
        let mut acknowledged = 0;
        for commit in history(&customer("acme"), 20) {
            match log.append_commit(commit).await {
                Ok(appended) => acknowledged = appended.position,
                Err(_) => break,
            }
        }
        drop(log);
        disk.restart(Ending::Kill);
        let shown = disk.open_log(dir(), options).unwrap().durable_position();
        assert!(acknowledged <= shown, "seed {seed}: {acknowledged} acknowledged, {shown} shown");
        disk.restart(Ending::PowerCut);
        let left = disk.open_log(dir(), options).unwrap().durable_position();
        assert_eq!(left, shown, "seed {seed}");
    }
}

/// Copies the log, and returns how far the copy reaches.
fn backup(fixture: &Fixture, into: &str) -> Result<Option<u64>, StoreError> {
    let copied = fixture.log.backup(Path::new(into), &mut |_, _| ControlFlow::Continue(()))?;
    Ok(copied.map(|copied| copied.position))
}

#[tokio::test]
async fn a_backup_is_whole_or_does_not_open() {
    let fixture = Fixture::new(1500);
    for commit in &history(&customer("acme"), 20) {
        fixture.append(commit).await.unwrap();
    }
    let before = fixture.disk.changes();
    assert_eq!(backup(&fixture, "/first").unwrap(), Some(20));
    let changes = fixture.disk.changes() - before;
    for cut in 1..=changes {
        let fixture = Fixture::new(1500);
        for commit in &history(&customer("acme"), 20) {
            fixture.append(commit).await.unwrap();
        }
        fixture.disk.cut_power_at(fixture.disk.changes() + cut);
        assert!(backup(&fixture, "/copy").is_err(), "cut {cut}");
        drop(fixture.log);
        fixture.disk.restart(Ending::PowerCut);
        if let Ok(log) = fixture.disk.open_log_read_only(Path::new("/copy")) {
            assert_eq!(log.durable_position(), 20, "cut {cut}");
        }
    }
}

#[tokio::test]
async fn a_backup_of_a_damaged_segment_is_refused() {
    let fixture = Fixture::new(1500);
    for commit in &history(&customer("acme"), 20) {
        fixture.append(commit).await.unwrap();
    }
    let files = fixture.disk.files(dir());
    let segment = files.iter().find(|path| path.extension().is_some()).unwrap();
    fixture.disk.flip_bit(segment, 2000);
    let refused = backup(&fixture, "/copy");
    assert!(matches!(&refused, Err(StoreError::Damaged { file, .. }) if file == segment));
    let occupied = backup(&fixture, "/copy");
    assert!(matches!(occupied, Err(StoreError::Foreign { .. })), "{occupied:?}");
}

#[tokio::test]
async fn a_backup_of_a_damaged_footer_or_open_segment_is_refused() {
    for is_sealed in [true, false] {
        let fixture = Fixture::new(1500);
        for commit in &history(&customer("acme"), 20) {
            fixture.append(commit).await.unwrap();
        }
        let mut segments = fixture.disk.files(dir());
        segments.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
        segments.sort();
        let segment = if is_sealed { segments.first() } else { segments.last() }.unwrap();
        let size = fixture.disk.contents(segment).unwrap().len();
        // Of the sealed one a bit before the trailer, of the open one a bit of its last record.
        fixture.disk.flip_bit(segment, 8 * if is_sealed { size - 160 } else { size - 1 });
        let refused = backup(&fixture, "/copy");
        assert!(matches!(&refused, Err(StoreError::Damaged { file, .. }) if file == segment));
        assert!(fixture.disk.open_log_read_only(Path::new("/copy")).is_err());
    }
}

#[tokio::test]
async fn a_backup_that_is_stopped_does_not_open_and_one_that_is_not_tells_its_size() {
    let fixture = Fixture::new(1500);
    for commit in &history(&customer("acme"), 20) {
        fixture.append(commit).await.unwrap();
    }
    let mut seen = Vec::new();
    let into = Path::new("/whole");
    let copied = fixture.log.backup(into, &mut |done, total| {
        seen.push((done, total));
        ControlFlow::Continue(())
    });
    let copied = copied.unwrap().unwrap();
    assert!(2 < seen.len() && seen.is_sorted());
    assert_eq!(seen.last(), Some(&(copied.bytes, copied.bytes)));
    let stopped = fixture.log.backup(Path::new("/half"), &mut |done, total| {
        if done < total / 2 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    assert_eq!(stopped.unwrap(), None);
    assert!(fixture.disk.open_log_read_only(Path::new("/half")).is_err());
}

#[tokio::test]
async fn a_full_disk_ends_the_backup_and_not_the_ledger() {
    let fixture = Fixture::new(1500);
    let mut commits = history(&customer("acme"), 21);
    let more = commits.pop().unwrap();
    for commit in &commits {
        fixture.append(commit).await.unwrap();
    }
    let write = Some((2000, io::ErrorKind::StorageFull));
    fixture.disk.fail(Faults { write, ..SEGMENTS });
    let full = backup(&fixture, "/copy");
    let is_full = |err: &io::Error| err.kind() == io::ErrorKind::StorageFull;
    assert!(matches!(&full, Err(StoreError::Io { source, .. }) if is_full(source)), "{full:?}");
    assert!(fixture.disk.open_log_read_only(Path::new("/copy")).is_err());
    fixture.disk.fail(SEGMENTS);
    fixture.append(&more).await.unwrap();
    assert_eq!(fixture.readable().await, 21);
    assert_eq!(backup(&fixture, "/another").unwrap(), Some(21));
}
