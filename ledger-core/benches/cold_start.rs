//! Opening a large log, finding one customer in it, and reading all of it.
//!
//! `LEDGER_COMMITS=10000000 cargo bench -p ledger-core --bench cold_start`. The first run makes the log
//! and keeps it below `target/tmp`; only a run that finds it there says how much memory serving needs.

#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]
#![allow(clippy::print_stdout, reason = "a benchmark prints")]

use std::fs;
use std::path::Path;
use std::time::Instant;

use eventually::store::{EventStore, Select};
use futures::TryStreamExt;
use futures::future::try_join_all;
use ledger_core::commit::SealedCommit;
use ledger_core::ids::StreamId;
use ledger_core::store::CommitLog;
use ledger_core::store::contract::{customer, next_commit};
use ledger_core::store::segment::{SegmentLog, SegmentOptions, verify};
use tokio::runtime::Runtime;

const CUSTOMERS: u64 = 100_000;

/// Appends that are on their way at the same time.
const APPENDS: u64 = 4000;

fn main() {
    let commits = std::env::var("LEDGER_COMMITS").ok().map_or(200_000, |n| n.parse().unwrap());
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cold-start-{commits}"));
    let runtime = Runtime::new().unwrap();
    if !dir.exists() {
        timed("appended", commits, || runtime.block_on(fill(&dir, commits)));
    }
    println!("{} MiB on disk", size(&dir) >> 20);
    show_memory("before opening");
    for _ in 0..2 {
        let log = timed("opened, footers only", commits, || {
            SegmentLog::open_deferring_checks(&dir, SegmentOptions::default()).unwrap()
        });
        show_memory("opened");
        for _ in 0..3 {
            let read = timed("one customer's history", 1, || {
                runtime.block_on(history(&log, &stream(4711)))
            });
            println!("  {read} commits of this customer");
        }
        timed("sealed segments checked", commits, || log.check_sealed(&mut |_, _| {}).unwrap());
        log.close().unwrap();
        drop(log);
        drop(timed("opened, all bytes checked", commits, || {
            SegmentLog::open(&dir, SegmentOptions::default()).unwrap()
        }));
    }
    let log = SegmentLog::open_deferring_checks(&dir, SegmentOptions::default()).unwrap();
    let read = timed("read from the first to the last", commits, || {
        runtime.block_on(log.read_from(1).try_fold(0, |n, _| async move { Ok(n + 1) })).unwrap()
    });
    assert_eq!(read, log.durable_position());
    show_memory("read");
    drop(log);
    timed("verified, every commit", commits, || {
        assert!(verify(&dir, &mut |_, _| {}).unwrap().problems.is_empty());
    });
    show_memory("verified");
}

fn timed<T>(what: &str, commits: u64, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    let elapsed = start.elapsed();
    let per_second = u128::from(commits) * 1_000_000 / elapsed.as_micros().max(1);
    println!("{what}: {elapsed:.2?} ({per_second} commits/s)");
    result
}

fn stream(number: u64) -> StreamId {
    customer(&format!("customer-{number}"))
}

/// Every customer in turn, in an order that has nothing to do with that of their names.
async fn fill(dir: &Path, commits: u64) {
    let log = SegmentLog::open(dir, SegmentOptions::default()).unwrap();
    let mut last: Vec<Option<SealedCommit>> = Vec::new();
    last.resize(usize::try_from(CUSTOMERS).unwrap(), None);
    for group in (0..commits).step_by(usize::try_from(APPENDS).unwrap()) {
        let mut appends = Vec::new();
        for number in group..commits.min(group + APPENDS) {
            let customer = number * 7919 % CUSTOMERS;
            let before = last.get_mut(usize::try_from(customer).unwrap()).unwrap();
            let commit = next_commit(&stream(customer), before.as_ref(), [b'x'; 100]);
            appends.push(log.append_commit(commit.clone()));
            *before = Some(commit);
        }
        try_join_all(appends).await.unwrap();
    }
    log.close().unwrap();
}

async fn history(log: &SegmentLog, source: &StreamId) -> usize {
    let commits = log.stream(source.clone(), Select::All).await.unwrap();
    commits.try_collect::<Vec<_>>().await.unwrap().len()
}

fn size(dir: &Path) -> u64 {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

fn show_memory(when: &str) {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let resident =
        status.lines().filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"));
    println!("  memory, {when}: {}", resident.collect::<Vec<_>>().join(", ").replace('\t', " "));
}
