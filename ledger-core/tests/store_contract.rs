//! Every store passes the one contract.

use std::path::Path;

use futures::{TryStreamExt, future};
use ledger_core::commit::SealedCommit;
use ledger_core::store::contract::{self, customer, history, next_commit};
use ledger_core::store::memory::MemoryLog;
use ledger_core::store::segment::{SegmentLog, SegmentOptions, verify};
use ledger_core::store::{CommitLog, StoreError};

const TINY: SegmentOptions = SegmentOptions { segment_bytes: 4096 };

fn segment_files(dir: &Path) -> usize {
    let entries = std::fs::read_dir(dir).expect("the folder exists");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "seg")).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_memory_log_passes_the_contract() {
    contract::suite(MemoryLog::new).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_segment_log_passes_the_contract() {
    let root = tempfile::tempdir().unwrap();
    let make = || {
        let dir = tempfile::tempdir_in(&root).unwrap().keep();
        SegmentLog::open(&dir, SegmentOptions::default()).unwrap()
    };
    contract::suite(make).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_segment_log_passes_the_contract_with_tiny_segments() {
    let root = tempfile::tempdir().unwrap();
    let make = || SegmentLog::open(&tempfile::tempdir_in(&root).unwrap().keep(), TINY).unwrap();
    contract::suite(make).await;
}

#[tokio::test]
async fn a_current_thread_runtime_is_enough() {
    let root = tempfile::tempdir().unwrap();
    let make = || SegmentLog::open(&tempfile::tempdir_in(&root).unwrap().keep(), TINY).unwrap();
    contract::suite(make).await;
}

#[tokio::test]
async fn a_reopened_log_holds_the_same_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (acme, apex) = (customer("acme"), customer("apex"));
    let (one, other) = (history(&acme, 60), history(&apex, 20));
    for reopened in 0..4 {
        let log = SegmentLog::open(dir.path(), TINY).unwrap();
        assert_eq!(log.durable_position(), reopened * 20);
        let before = usize::try_from(reopened).unwrap() * 15;
        for commit in &one[before..before + 15] {
            log.append_commit(commit.clone()).await.unwrap();
        }
        for commit in &other[before / 3..before / 3 + 5] {
            log.append_commit(commit.clone()).await.unwrap();
        }
        log.close().unwrap();
    }
    assert!(3 < segment_files(dir.path()), "the log is meant to have rolled");

    let log = SegmentLog::open_read_only(dir.path()).unwrap();
    let read: Vec<_> = log.read_from(1).try_collect().await.unwrap();
    let hashes: Vec<_> = read.iter().map(|stored| stored.hash()).collect();
    let appended = (0..4).flat_map(|n| one[n * 15..][..15].iter().chain(&other[n * 5..][..5]));
    assert_eq!(hashes, appended.map(SealedCommit::hash).collect::<Vec<_>>());
    drop(log);

    let mut shown = Vec::new();
    let report = verify(dir.path(), &mut |done, total| shown.push((done, total))).unwrap();
    assert_eq!((report.commits, report.streams, report.last_position), (80, 2, 80));
    assert_eq!((report.anchored_position, report.torn_tail_bytes), (Some(80), 0));
    assert_eq!(report.first_recorded_at, Some(one[0].commit().recorded_at));
    assert_eq!(report.last_recorded_at, Some(other[19].commit().recorded_at));
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    assert_eq!(shown.last(), Some(&(report.bytes, report.bytes)));
}

#[tokio::test]
async fn a_log_closes_with_its_last_handle() {
    let dir = tempfile::tempdir().unwrap();
    let log = SegmentLog::open(dir.path(), TINY).unwrap();
    let other = log.clone();
    log.append_commit(next_commit(&customer("acme"), None, "")).await.unwrap();
    let (reader, waiter) = (log.read_from(1), log.wait_beyond(1));
    drop(log);
    assert!(matches!(SegmentLog::open(dir.path(), TINY), Err(StoreError::Locked(_))));
    drop(other);
    assert_eq!(SegmentLog::open(dir.path(), TINY).unwrap().durable_position(), 1);
    assert!(matches!(waiter.await, Err(StoreError::Closed)));
    assert_eq!(reader.try_collect::<Vec<_>>().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_closed_log_can_be_read_but_does_not_grow() {
    let dir = tempfile::tempdir().unwrap();
    let log = SegmentLog::open(dir.path(), TINY).unwrap();
    let commits = history(&customer("acme"), 2);
    let waiting = log.wait_beyond(1);
    log.append_commit(commits[0].clone()).await.unwrap();
    log.close().unwrap();
    log.close().unwrap();
    assert!(matches!(waiting.await, Err(StoreError::Closed)));
    let refused = log.append_commit(commits[1].clone()).await;
    assert!(matches!(refused, Err(StoreError::Closed)), "{refused:?}");
    let read: Vec<_> = log.read_from(1).try_collect().await.unwrap();
    assert_eq!(read.len(), 1);
}

#[tokio::test]
async fn a_log_opened_to_read_does_not_grow() {
    let dir = tempfile::tempdir().unwrap();
    let log = SegmentLog::open(dir.path(), TINY).unwrap();
    let commits = history(&customer("acme"), 2);
    log.append_commit(commits[0].clone()).await.unwrap();
    drop(log);
    let log = SegmentLog::open_read_only(dir.path()).unwrap();
    assert!(matches!(log.append_commit(commits[1].clone()).await, Err(StoreError::Closed)));
    assert!(matches!(log.wait_beyond(1).await, Err(StoreError::Closed)));
}

#[tokio::test]
async fn what_was_queued_before_closing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let log = SegmentLog::open(dir.path(), TINY).unwrap();
    let mut appends: Vec<_> = history(&customer("acme"), 100)
        .into_iter()
        .map(|commit| Box::pin(future::maybe_done(log.append_commit(commit))))
        .collect();
    // Polled once, an append is in the queue, or done.
    for append in &mut appends {
        let _ = futures::poll!(append.as_mut());
    }
    log.close().unwrap();
    for (mut append, position) in appends.into_iter().zip(1..) {
        append.as_mut().await;
        let appended = append.as_mut().take_output().unwrap().unwrap();
        assert_eq!(appended.position, position);
    }
}
