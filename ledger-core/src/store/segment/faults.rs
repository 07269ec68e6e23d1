//! What the log does when the disk fails. A real folder, with errors on demand.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use futures::future::{self, BoxFuture};
use futures::{FutureExt, TryStreamExt};
use tempfile::TempDir;

use super::disk::{Disk, NamedFile, RealDisk};
use super::{SegmentLog, SegmentOptions};
use crate::commit::SealedCommit;
use crate::store::contract::{customer, history, next_commit};
use crate::store::{Appended, CommitLog, StoreError};

/// A disk whose segments fail as told. The anchor's calls always pass.
#[derive(Debug, Default)]
struct FaultyDisk {
    faults: Mutex<Faults>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default)]
struct Faults {
    /// How many bytes of a write get through before this error.
    write: Option<(usize, io::ErrorKind)>,
    create: Option<io::ErrorKind>,
    /// Number of the first sync that fails.
    syncs_fail_from: Option<usize>,
    cut: Option<io::ErrorKind>,
    /// Whether syncs wait until this is false again.
    is_sync_held: bool,
    syncs_begun: usize,
}

impl FaultyDisk {
    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap()
    }

    /// Sets the faults; none when `Faults::default()`.
    fn set(&self, faults: Faults) {
        let syncs_begun = self.faults().syncs_begun;
        *self.faults() = Faults { syncs_begun, ..faults };
        self.changed.notify_all();
    }

    fn wait_for_sync(&self, number: usize) {
        drop(self.changed.wait_while(self.faults(), |faults| faults.syncs_begun < number).unwrap());
    }
}

fn outcome(error: Option<io::ErrorKind>) -> io::Result<()> {
    error.map_or(Ok(()), |kind| Err(kind.into()))
}

fn is_segment(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "seg")
}

impl Disk for FaultyDisk {
    fn create(&self, path: &Path) -> io::Result<NamedFile> {
        outcome(self.faults().create)?;
        RealDisk.create(path)
    }

    fn write_at(&self, file: &NamedFile, bytes: &[u8], offset: u64) -> io::Result<()> {
        match self.faults().write.filter(|_| is_segment(&file.path)) {
            None => RealDisk.write_at(file, bytes, offset),
            Some((through, kind)) => {
                RealDisk.write_at(file, &bytes[..through], offset)?;
                Err(kind.into())
            }
        }
    }

    fn sync(&self, file: &NamedFile) -> io::Result<()> {
        if !is_segment(&file.path) {
            return RealDisk.sync(file);
        }
        let mut faults = self.faults();
        faults.syncs_begun += 1;
        let number = faults.syncs_begun;
        self.changed.notify_all();
        let faults = self.changed.wait_while(faults, |faults| faults.is_sync_held).unwrap();
        if faults.syncs_fail_from.is_some_and(|from| from <= number) {
            return Err(io::Error::other("the sync fails"));
        }
        RealDisk.sync(file)
    }

    fn cut(&self, file: &NamedFile, length: u64) -> io::Result<()> {
        outcome(self.faults().cut.filter(|_| is_segment(&file.path)))?;
        RealDisk.cut(file, length)
    }
}

struct Fixture {
    disk: Arc<FaultyDisk>,
    log: SegmentLog,
    dir: TempDir,
}

impl Fixture {
    fn new(segment_bytes: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let disk = Arc::new(FaultyDisk::default());
        let seam: Arc<dyn Disk> = disk.clone();
        let log = SegmentLog::open_on(seam, dir.path(), segment_bytes).unwrap();
        Self { disk, log, dir }
    }

    fn bytes(&self) -> u64 {
        let sizes = fs::read_dir(&self.dir).unwrap().map(|entry| entry.unwrap());
        let segments = sizes.filter(|entry| is_segment(&entry.path()));
        segments.map(|entry| entry.metadata().unwrap().len()).sum()
    }

    async fn append(&self, commit: &SealedCommit) -> Result<Appended, StoreError> {
        self.log.append_commit(commit.clone()).await
    }

    /// How many commits can be read.
    async fn readable(&self) -> usize {
        self.log.read_from(1).try_collect::<Vec<_>>().await.unwrap().len()
    }

    /// Closes the log and counts what a healthy disk holds.
    fn reopened(self) -> u64 {
        self.disk.set(Faults::default());
        drop(self.log);
        let options = SegmentOptions::default();
        SegmentLog::open(self.dir.path(), options).unwrap().durable_position()
    }

    /// Queues `commits` while the sync of `first` is held, so that they form the next group.
    fn queue_behind(
        &self,
        first: &SealedCommit,
        commits: &[SealedCommit],
    ) -> Vec<BoxFuture<'static, Result<Appended, StoreError>>> {
        let syncs_begun = self.disk.faults().syncs_begun;
        self.disk.set(Faults { is_sync_held: true, ..Faults::default() });
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

        fixture.disk.set(Faults { write: Some((through, kind)), ..Faults::default() });
        for _ in 0..2 {
            let refused = fixture.append(&commits[1]).await;
            assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
            assert_eq!(fixture.bytes(), bytes, "what was written is cut off again");
            assert_eq!(fixture.readable().await, 1);
        }
        fixture.disk.set(Faults::default());
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
    fixture.disk.set(Faults { create: full, ..Faults::default() });
    let refused = fixture.append(&commits[1]).await;
    assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
    fixture.disk.set(Faults::default());
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
    fixture.disk.set(Faults { write, ..Faults::default() });
    appends.remove(0).await.unwrap();
    for refused in future::join_all(appends).await {
        assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
    }
    assert_eq!(fixture.reopened(), 1);
}

#[tokio::test]
async fn a_failed_sync_ends_writing_but_not_reading() {
    let fixture = Fixture::new(1 << 20);
    let commits = history(&customer("acme"), 4);
    let rival = next_commit(&customer("acme"), Some(&commits[0]), "rival");
    let queued = [commits[1].clone(), commits[2].clone(), rival];
    let mut appends = fixture.queue_behind(&commits[0], &queued);
    let waiting = fixture.log.wait_beyond(1);
    let failing = fixture.disk.faults().syncs_begun + 1;
    fixture.disk.set(Faults { syncs_fail_from: Some(failing), ..Faults::default() });

    appends.remove(0).await.expect("its own sync has passed");
    let outcomes = future::join_all(appends).await;
    assert!(matches!(outcomes[0], Err(StoreError::Unknown(_))), "{outcomes:?}");
    assert!(matches!(outcomes[1], Err(StoreError::Unknown(_))), "{outcomes:?}");
    assert!(matches!(outcomes[2], Err(StoreError::Poisoned)), "a refusal wrote nothing");
    assert!(matches!(waiting.await, Err(StoreError::Poisoned)));
    fixture.disk.set(Faults::default());
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
    fixture.disk.set(Faults { write, ..Faults::default() });
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
    let cut = Some(io::ErrorKind::Other);
    fixture.disk.set(Faults { write, cut, ..Faults::default() });
    let unknown = fixture.append(&commits[1]).await;
    assert!(matches!(unknown, Err(StoreError::Unknown(_))), "{unknown:?}");
    assert!(matches!(fixture.append(&commits[1]).await, Err(StoreError::Poisoned)));
    assert_eq!(fixture.reopened(), 1);
}

#[tokio::test]
async fn what_arrives_during_a_sync_shares_the_next_one() {
    let fixture = Fixture::new(1 << 20);
    let commits = history(&customer("acme"), 101);
    let before = fixture.disk.faults().syncs_begun;
    let appends = fixture.queue_behind(&commits[0], &commits[1..]);
    assert_eq!(fixture.log.durable_position(), 0, "nothing is durable yet");
    assert_eq!(fixture.readable().await, 0, "readers see durable commits only");
    fixture.disk.set(Faults::default());
    for (append, position) in appends.into_iter().zip(1..) {
        assert_eq!(append.await.unwrap().position, position);
    }
    assert_eq!(fixture.disk.faults().syncs_begun - before, 2);
    assert_eq!(fixture.readable().await, 101);
}

#[tokio::test]
async fn a_conflict_within_a_group_is_answered_once_its_cause_is_durable() {
    let fixture = Fixture::new(1 << 20);
    let first = next_commit(&customer("acme"), None, "first");
    let rival = next_commit(&customer("acme"), None, "rival");
    let other = next_commit(&customer("apex"), None, "other");
    let mut appends = fixture.queue_behind(&other, &[first, rival]);
    fixture.disk.set(Faults::default());
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
    fixture.disk.set(Faults::default());
    let appended = future::try_join_all(appends).await.unwrap();
    let positions: BTreeSet<_> = appended.iter().map(|appended| appended.position).collect();
    assert!(positions.into_iter().eq(1..=5000));
    assert_eq!(fixture.reopened(), 5000);
}
