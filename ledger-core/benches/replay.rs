//! Reading all of a log: the bytes alone, the bytes with their checksum, every commit, and every
//! customer folded from its events.
//!
//! `LEDGER_COMMITS=10000000 cargo bench -p ledger-core --bench replay`. The first run makes the log and
//! keeps it below `target/tmp`. Every commit holds one event, so events are as many as commits.

#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]
#![allow(clippy::print_stdout, reason = "a benchmark prints")]

#[path = "../tests/fixtures/mod.rs"]
mod fixtures;

use std::fs::{self, File};
use std::hint::black_box;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use futures::TryStreamExt;
use futures::future::try_join_all;
use ledger_core::catalogue::{Catalogue, SEEDS_TOML};
use ledger_core::codec::{CODEC, decode, encode};
use ledger_core::commit::{Commit, EncodedEvent, Hash, SealedCommit};
use ledger_core::customer::{Command, Context, Customer, ScheduleRenewalQuantity, decide, evolve};
use ledger_core::ids::{Actor, ActorId, CommandId, CustomerId, Reason, Role, StreamId};
use ledger_core::record::Recorded;
use ledger_core::store::CommitLog;
use ledger_core::store::segment::{SegmentLog, SegmentOptions};
use tokio::runtime::Runtime;

use crate::fixtures::{add_seats, purchase, register, s1};

/// Commits of one customer.
const HISTORY: u32 = 20;

/// Appends that are on their way at the same time.
const APPENDS: usize = 4000;

/// Most bytes read at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Runs of each; the fastest and the slowest are shown.
const RUNS: usize = 3;

fn main() {
    let commits = std::env::var("LEDGER_COMMITS").ok().map_or(200_000, |n| n.parse().unwrap());
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("replay-{commits}"));
    let runtime = Runtime::new().unwrap();
    if !dir.exists() {
        runtime.block_on(fill(&dir, commits));
    }
    let log = SegmentLog::open_deferring_checks(&dir, SegmentOptions::default()).unwrap();
    let commits = log.durable_position();
    let bytes: u64 = segments(&dir).iter().map(|path| path.metadata().unwrap().len()).sum();
    println!(
        "{commits} commits of {} customers, {} MiB",
        commits / u64::from(HISTORY),
        bytes >> 20
    );
    timed("the bytes read", commits, || read_bytes(&dir, |_| {}));
    timed("the bytes read, CRC32C of them", commits, || {
        let mut crc = 0;
        read_bytes(&dir, |bytes| crc = crc32c::crc32c_append(crc, bytes));
        black_box(crc);
    });
    timed("every commit scanned", commits, || {
        let mut read = 0;
        log.scan(1, |_| {
            read += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(read, commits);
    });
    timed("every commit scanned, its fields read", commits, || {
        let mut versions = 0;
        log.scan(1, |commit| {
            versions += commit.read().unwrap().version;
            ControlFlow::Continue(())
        })
        .unwrap();
        black_box(versions);
    });
    timed("every commit scanned, its events decoded", commits, || {
        log.scan(1, |commit| {
            let commit = commit.read().unwrap();
            for event in commit.events() {
                black_box(decode(commit.codec, event).unwrap());
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    });
    timed("every customer folded from commits scanned", commits, || {
        assert_eq!(fold_scanned(&log, (0, 1)).len(), customers(commits));
    });
    let threads = thread::available_parallelism().unwrap().get();
    timed(&format!("the same, on {threads} threads with a share each"), commits, || {
        let folded = thread::scope(|scope| {
            let share = |number| {
                let log = &log;
                scope.spawn(move || fold_scanned(log, (number, threads)).len())
            };
            let shares: Vec<_> = (0..threads).map(share).collect();
            shares.into_iter().map(|share| share.join().unwrap()).sum::<usize>()
        });
        assert_eq!(folded, customers(commits));
    });
    timed("every commit read", commits, || {
        let read = log.read_from(1).try_fold(0, |n, _| async move { Ok(n + 1) });
        assert_eq!(runtime.block_on(read).unwrap(), commits);
    });
    timed("every customer folded from commits read", commits, || {
        assert_eq!(runtime.block_on(fold_read(&log)).len(), customers(commits));
    });
}

fn customers(commits: u64) -> usize {
    usize::try_from(commits / u64::from(HISTORY)).unwrap()
}

fn timed(what: &str, commits: u64, mut work: impl FnMut()) {
    let mut times: Vec<_> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    times.sort();
    let per_second = |index: usize| {
        let micros = times.get(index).unwrap().as_micros().max(1);
        u128::from(commits) * 1_000_000 / micros
    };
    println!("{what}: {} to {} commits/s", per_second(RUNS - 1), per_second(0));
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut segments: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|ext| ext == "seg")).collect();
    segments.sort();
    segments
}

fn read_bytes(dir: &Path, mut visit: impl FnMut(&[u8])) {
    let mut chunk = vec![0; CHUNK_BYTES];
    for path in segments(dir) {
        let (file, mut at) = (File::open(path).unwrap(), 0);
        loop {
            let read = file.read_at(&mut chunk, at).unwrap();
            if read == 0 {
                break;
            }
            visit(chunk.get(..read).unwrap());
            at += u64::try_from(read).unwrap();
        }
    }
}

#[allow(clippy::disallowed_types, reason = "it is never iterated")]
type Customers = std::collections::HashMap<StreamId, Option<Customer>>;

/// Folds the customers of one of several shares.
fn fold_scanned(log: &SegmentLog, (share, shares): (usize, usize)) -> Customers {
    let mut customers = Customers::new();
    log.scan(1, |commit| {
        let commit = commit.read().unwrap();
        let stream = commit.stream().unwrap();
        if share_of(&stream, shares) == share {
            let customer = customers.entry(stream).or_default();
            for event in commit.events() {
                *customer = evolve(customer.take(), &decode(commit.codec, event).unwrap());
            }
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    customers
}

fn share_of(stream: &StreamId, shares: usize) -> usize {
    let name = stream.customer().map_or("", |customer| customer.as_str());
    name.bytes().map(usize::from).sum::<usize>() % shares
}

async fn fold_read(log: &SegmentLog) -> Customers {
    let mut customers = Customers::new();
    let mut commits = log.read_from(1);
    while let Some(stored) = commits.try_next().await.unwrap() {
        let recorded = Recorded::read(stored).unwrap();
        let stream = &recorded.commit().stream;
        if let Some(customer) = customers.get_mut(stream) {
            *customer = recorded.events.iter().fold(customer.take(), evolve);
        } else {
            customers.insert(stream.clone(), recorded.events.iter().fold(None, evolve));
        }
    }
    customers
}

/// What every customer does: it registers, buys, grows, and plans its renewal.
fn history() -> Vec<(Vec<u8>, EncodedEvent)> {
    let catalogue: Catalogue = toml::from_str(SEEDS_TOML).unwrap();
    let id = CustomerId::try_new("acme").unwrap();
    let mut commands = vec![register(), purchase(10)];
    commands.extend((2..HISTORY).map(|round| {
        if round < HISTORY / 2 {
            add_seats(1)
        } else {
            let (subscription, quantity) = (s1(), 100 + round);
            Command::ScheduleRenewalQuantity(ScheduleRenewalQuantity { subscription, quantity })
        }
    }));
    let at = "2024-03-01T09:00:00Z".parse().unwrap();
    let context = Context {
        customer: &id,
        now: at,
        effective_at: at,
        actor: &actor(),
        catalogue: Some(&catalogue),
    };
    let mut state = None;
    let encoded = commands.iter().map(|command| {
        let events = decide(&context, state.as_ref(), command).unwrap();
        let [event] = events.as_slice() else { panic!("{command:?} led to {events:?}") };
        state = evolve(state.take(), event);
        (serde_json::to_vec(command).unwrap(), encode(event).unwrap())
    });
    encoded.collect()
}

fn actor() -> Actor {
    Actor { id: ActorId::try_new("u-4711").unwrap(), role: Role::ResellerAdmin }
}

/// Every customer in turn, in an order that has nothing to do with that of their names.
async fn fill(dir: &Path, commits: u64) {
    let log = SegmentLog::open(dir, SegmentOptions::default()).unwrap();
    let customers = customers(commits);
    let mut last = vec![Hash::ZERO; customers];
    for (version, (request, event)) in (1..).zip(history()) {
        let numbers: Vec<_> = (0..customers).map(|number| number * 7919 % customers).collect();
        for group in numbers.chunks(APPENDS) {
            let appends = group.iter().map(|number| {
                let previous = last.get_mut(*number).unwrap();
                let sealed = commit(*number, version, *previous, &request, &event);
                *previous = sealed.hash();
                log.append_commit(sealed)
            });
            try_join_all(appends.collect::<Vec<_>>()).await.unwrap();
        }
    }
    log.close().unwrap();
}

fn commit(
    number: usize,
    version: u64,
    previous: Hash,
    request: &[u8],
    event: &EncodedEvent,
) -> SealedCommit {
    let now = "2024-03-01T09:00:00Z".parse().unwrap();
    let commit = Commit {
        stream: StreamId::Customer(CustomerId::try_new(format!("customer-{number}")).unwrap()),
        version,
        previous,
        recorded_at: now,
        effective_at: now,
        actor: actor(),
        command_id: CommandId::try_new(format!("018e2f0a-7c5e-7a91-b2aa-{number:08}{version:04}"))
            .unwrap(),
        request_hash: Hash::of(request),
        request: request.to_vec(),
        reason: Reason::try_new("New hires in Lyon").unwrap(),
        correlation_id: None,
        causation_id: None,
        codec: CODEC.to_owned(),
        events: vec![event.clone()],
    };
    SealedCommit::seal(commit).unwrap()
}
