//! Opening a large log after it was closed and after a crash, finding one customer in it, and reading
//! all of it.
//!
//! `LEDGER_COMMITS=10000000 cargo bench -p ledger-core --bench cold_start`. The first run makes the log
//! and keeps it below `target/tmp`; only a run that finds it there says how much memory serving needs.

#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]
#![allow(clippy::print_stdout, reason = "a benchmark prints")]

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
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

/// The customer whose history is read. It has the turns of another one, too: 200 commits in 10 million.
const READ: u64 = 4711;

const ABSENT: u64 = 4712;

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
                runtime.block_on(history(&log, &stream(READ)))
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
    log.close().unwrap();
    drop(log);
    for _ in 0..2 {
        let Some(crashed) = crashed(&dir) else {
            println!("too few commits for two sealed segments: a crash is not measured");
            break;
        };
        timed("opened after a crash, footers only", commits, || {
            SegmentLog::open_deferring_checks(&crashed, SegmentOptions::default()).unwrap()
        });
        fs::remove_dir_all(crashed).unwrap();
    }
    timed("verified, every commit", commits, || {
        assert!(verify(&dir, &mut |_, _| {}).unwrap().problems.is_empty());
    });
    show_memory("verified");
}

/// The log as a power cut may leave it just before a segment is sealed: the last segment is full and
/// ends with a torn record, and the anchor is the one that was synced a whole segment before.
fn crashed(dir: &Path) -> Option<PathBuf> {
    let crashed = dir.with_extension("crashed");
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut sealed: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|end| end == "seg")).collect();
    sealed.sort();
    sealed.pop_if(|last| trailer(last).is_none());
    let full = sealed.pop()?;
    let anchored = trailer(sealed.last()?)?;
    fs::create_dir_all(&crashed).unwrap();
    for path in &sealed {
        fs::hard_link(path, crashed.join(path.file_name().unwrap())).unwrap();
    }
    let records_end = u64::from_be_bytes(trailer(&full)?[44..52].try_into().unwrap());
    let mut bytes = fs::read(&full).unwrap();
    bytes.truncate(usize::try_from(records_end).unwrap());
    bytes.extend_from_within(64..164);
    fs::write(crashed.join(full.file_name().unwrap()), bytes).unwrap();
    let mut anchor = b"LEDGRANC\0\0\0\x01".to_vec();
    for part in [&anchored[36..44], &anchored[20..36], &anchored[112..144]] {
        anchor.extend(part);
    }
    anchor.extend(crc32c::crc32c(&anchor).to_be_bytes());
    fs::write(crashed.join("anchor"), anchor).unwrap();
    Some(crashed)
}

/// The last bytes of a sealed segment, see `docs/LOG-FORMAT.md`.
fn trailer(path: &Path) -> Option<[u8; 156]> {
    let mut trailer = [0; 156];
    let file = File::open(path).unwrap();
    let size = file.metadata().unwrap().len();
    file.read_exact_at(&mut trailer, size.checked_sub(156)?).ok()?;
    trailer.starts_with(b"LEDGREND").then_some(trailer)
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
            let customer = match number * 7919 % CUSTOMERS {
                ABSENT => READ,
                customer => customer,
            };
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
