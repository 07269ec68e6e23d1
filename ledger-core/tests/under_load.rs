//! Readers and backups beside writers at full speed. `LEDGER_ROUNDS=100000` runs for a long time.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::ops::ControlFlow;
use std::path::Path;

use eventually::store::{EventStore, Select};
use eventually::subscription::EventSubscriber;
use futures::{StreamExt, TryStreamExt, future};
use ledger_core::commit::Hash;
use ledger_core::store::contract::{customer, next_commit};
use ledger_core::store::segment::{SegmentLog, SegmentOptions, verify};
use ledger_core::store::{CommitLog, StoredCommit};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const WRITERS: u64 = 8;

/// Commits of each writer, unless the environment says otherwise.
const ROUNDS: u64 = 1500;

/// So small that readers meet many segments while they are sealed.
const SMALL: SegmentOptions = SegmentOptions { segment_bytes: 128 * 1024 };

/// Appends of one writer that are on their way at the same time.
const AHEAD: usize = 16;

fn rounds() -> u64 {
    let rounds = std::env::var("LEDGER_ROUNDS").ok();
    rounds.map_or(ROUNDS, |rounds| rounds.parse().expect("the variable holds a number"))
}

/// Appends at full speed, and returns where each commit is.
fn write(log: &SegmentLog, writer: u64) -> JoinHandle<Vec<(u64, Hash)>> {
    let log = log.clone();
    let lanes = (0..AHEAD).map(move |lane| {
        let log = log.clone();
        async move {
            let stream = customer(&format!("customer-{writer}-{lane}"));
            let (mut before, mut acknowledged) = (None, Vec::new());
            for _ in (0..rounds()).skip(lane).step_by(AHEAD) {
                let commit = next_commit(&stream, before.as_ref(), [b'x'; 100]);
                let appended = log.append_commit(commit.clone()).await.expect("the disk works");
                assert!(appended.position <= log.durable_position());
                acknowledged.push((appended.position, commit.hash()));
                before = Some(commit);
            }
            acknowledged
        }
    });
    let lanes: Vec<_> = lanes.collect();
    tokio::spawn(async { future::join_all(lanes).await.concat() })
}

async fn written(writers: Vec<JoinHandle<Vec<(u64, Hash)>>>) -> Vec<(u64, Hash)> {
    let written = future::join_all(writers).await;
    let mut written: Vec<_> =
        written.into_iter().flat_map(|commits| commits.expect("no writer panics")).collect();
    written.sort_unstable();
    written
}

fn seen(commit: &StoredCommit) -> (u64, Hash) {
    (u64::from(commit.sequence_number()), commit.hash())
}

/// Sees what comes after its subscription, and says when it has subscribed.
async fn live(log: SegmentLog, total: u64, subscribed: oneshot::Sender<()>) -> Vec<(u64, Hash)> {
    let commits = log.subscribe_all().await.expect("can be subscribed to");
    subscribed.send(()).expect("somebody waits");
    let commits = commits.take(usize::try_from(total).expect("is small"));
    commits.map_ok(|commit| seen(&commit)).try_collect().await.expect("can be read")
}

/// Starts from the beginning again and again, and goes live each time it has caught up.
async fn catching_up(log: SegmentLog, total: u64) -> Vec<(u64, Hash)> {
    let mut all = Vec::new();
    while all.len() < usize::try_from(total).expect("is small") {
        all.clear();
        let mut live = log.subscribe_all().await.expect("can be subscribed to");
        let past = log.stream_all(Select::All).await.expect("can be read");
        let past: Vec<_> = past.map_ok(|commit| seen(&commit)).try_collect().await.expect("read");
        all.extend(past);
        for _ in 0..200 {
            if u64::try_from(all.len()).expect("is small") == total {
                break;
            }
            let commit = live.try_next().await.expect("can be read").expect("never ends");
            let (position, hash) = seen(&commit);
            if all.last().is_none_or(|(last, _)| *last < position) {
                all.push((position, hash));
            }
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_reader_skips_a_commit_while_eight_writers_append() {
    let dir = tempfile::tempdir().unwrap();
    let log = SegmentLog::open(dir.path(), SMALL).unwrap();
    let total = WRITERS * rounds();
    let (subscribed, is_subscribed) = oneshot::channel();
    let live = tokio::spawn(live(log.clone(), total, subscribed));
    is_subscribed.await.unwrap();
    let readers = [live, tokio::spawn(catching_up(log.clone(), total))];
    let writers = (0..WRITERS).map(|writer| write(&log, writer)).collect();
    let written = written(writers).await;
    assert!(written.iter().map(|(position, _)| *position).eq(1..=total), "no gap, nothing twice");
    for reader in readers {
        assert!(reader.await.unwrap() == written, "a reader has seen something else");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_backup_made_while_writers_append_is_a_log_of_its_own() {
    let root = tempfile::tempdir().unwrap();
    let log = SegmentLog::open(&root.path().join("log"), SMALL).unwrap();
    let writers: Vec<_> = (0..WRITERS).map(|writer| write(&log, writer)).collect();
    let total = WRITERS * rounds();
    let mut copies = Vec::new();
    for share in [0, total / 7, total / 3, total / 2] {
        if 0 < share {
            log.wait_beyond(share).await.unwrap();
        }
        let (source, into) = (log.clone(), root.path().join(format!("copy-{share}")));
        let before = log.durable_position();
        let reached = {
            let into = into.clone();
            let copy = move || source.backup(&into, &mut |_, _| ControlFlow::Continue(()));
            tokio::task::spawn_blocking(copy).await.unwrap().unwrap().unwrap().position
        };
        assert!(before <= reached);
        copies.push((into, reached));
    }
    let written = written(writers).await;
    for (copy, reached) in copies {
        check_copy(&copy, &written[..usize::try_from(reached).unwrap()]).await;
    }
}

async fn check_copy(copy: &Path, written: &[(u64, Hash)]) {
    let report = verify(copy, &mut |_, _| {}).unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    assert_eq!((report.last_position, report.torn_tail_bytes), (count(written), 0));
    assert_eq!(report.anchored_position, Some(count(written)));
    let log = SegmentLog::open(copy, SMALL).unwrap();
    let read: Vec<_> = log.read_from(1).map_ok(|commit| seen(&commit)).try_collect().await.unwrap();
    assert!(read == written, "the copy holds something else");
    let more = next_commit(&customer("restored"), None, "goes on");
    assert_eq!(log.append_commit(more).await.unwrap().position, count(written) + 1);
}

fn count(written: &[(u64, Hash)]) -> u64 {
    u64::try_from(written.len()).expect("is small")
}
