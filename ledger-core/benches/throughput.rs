//! Commands per second through `Ledger::execute` on the segment log, beside plain `write` and
//! `fdatasync` of as many bytes in the same grouping.
//!
//! `cargo bench -p ledger-core --bench throughput`. Read the ratios within one run; the disk's speed
//! drifts between runs. `LEDGER_SYNC_MICROS=400` makes every sync take so much longer, in both.

#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]
#![allow(missing_docs, reason = "the macro that collects benchmarks makes public items")]

#[path = "../tests/fixtures/mod.rs"]
mod fixtures;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use divan::Bencher;
use divan::counter::ItemsCount;
use futures::future::join_all;
use ledger_core::customer::{Command, ScheduleRenewalQuantity};
use ledger_core::ids::{
    Actor, ActorId, CommandId, CustomerId, Reason, Role, StreamId, SubscriptionId,
};
use ledger_core::ledger::{Ledger, LedgerOptions, Request};
use ledger_core::store::segment::{SegmentLog, SegmentOptions, slow};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::fixtures::{import, purchase, register};

/// Callers at the same time, each with a customer of its own.
const CALLERS: [usize; 3] = [1, 64, 256];

/// Commands that each caller sends, one after the other, in one sample.
const ROUNDS: u32 = 16;

fn main() {
    divan::main();
}

struct World {
    runtime: Runtime,
    ledger: Ledger<SegmentLog>,
    commands: AtomicU64,
    // Last, so that the files go after the ledger has closed them.
    _dir: TempDir,
}

impl World {
    fn new(customers: usize) -> Arc<Self> {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let options = SegmentOptions::default();
        let open = |name| slow::open_log(&dir.path().join(name), options, sync_pause());
        let (log, journal) = (open("log").unwrap(), open("journal").unwrap());
        let runtime = Runtime::new().unwrap();
        let ledger =
            runtime.block_on(Ledger::open(log, journal, LedgerOptions::default())).unwrap();
        let world = Self { runtime, ledger, commands: AtomicU64::new(0), _dir: dir };
        world.runtime.block_on(world.fill(customers));
        Arc::new(world)
    }

    async fn fill(&self, customers: usize) {
        self.ledger.execute(self.request(StreamId::Catalogue, import())).await.unwrap();
        join_all((0..customers).map(|number| self.customer(number))).await;
    }

    async fn customer(&self, number: usize) {
        self.ledger.execute(self.request(stream(number), register())).await.unwrap();
        self.ledger.execute(self.request(stream(number), purchase(10))).await.unwrap();
    }

    fn request(&self, stream: StreamId, command: Command) -> Request {
        let number = self.commands.fetch_add(1, Ordering::Relaxed);
        Request {
            stream,
            command,
            command_id: CommandId::try_new(format!("bench-{number}")).unwrap(),
            actor: Actor { id: ActorId::try_new("bench").unwrap(), role: Role::Operator },
            reason: Reason::try_new("benchmark").unwrap(),
            now: "2024-03-01T09:00:00Z".parse().unwrap(),
            correlation_id: None,
            causation_id: None,
            expected_version: None,
        }
    }

    /// Every caller plans the renewal of its customer's subscription, `ROUNDS` times.
    fn run(self: &Arc<Self>, callers: usize) {
        let callers: Vec<_> = (0..callers)
            .map(|caller| {
                let world = Arc::clone(self);
                self.runtime.spawn(async move { world.caller(caller).await })
            })
            .collect();
        self.runtime.block_on(async {
            join_all(callers).await.into_iter().for_each(Result::unwrap);
        });
    }

    async fn caller(&self, caller: usize) {
        for round in 0..ROUNDS {
            let command = Command::ScheduleRenewalQuantity(ScheduleRenewalQuantity {
                subscription: SubscriptionId::try_new("s1").unwrap(),
                quantity: 11 + round,
            });
            self.ledger.execute(self.request(stream(caller), command)).await.unwrap();
        }
    }

    /// Bytes of one commit of [`World::run`].
    fn commit_bytes(self: &Arc<Self>) -> usize {
        self.run(1);
        let history = self.runtime.block_on(self.ledger.history(&stream(0))).unwrap();
        history.last().unwrap().sealed.bytes().len()
    }
}

/// What a sync takes beyond what this machine's disk needs.
fn sync_pause() -> Duration {
    let micros = std::env::var("LEDGER_SYNC_MICROS").ok();
    Duration::from_micros(micros.map_or(0, |micros| micros.parse().unwrap()))
}

fn stream(number: usize) -> StreamId {
    StreamId::Customer(CustomerId::try_new(format!("customer-{number}")).unwrap())
}

fn commands(callers: usize) -> ItemsCount {
    ItemsCount::new(callers * usize::try_from(ROUNDS).unwrap())
}

#[divan::bench(args = CALLERS, sample_count = 20, sample_size = 1)]
fn execute(bencher: Bencher, callers: usize) {
    let world = World::new(callers);
    bencher.counter(commands(callers)).bench_local(|| world.run(callers));
}

#[divan::bench(args = CALLERS, sample_count = 20, sample_size = 1)]
fn plain_write_and_fdatasync(bencher: Bencher, callers: usize) {
    let group = vec![0x5a_u8; World::new(1).commit_bytes() * callers];
    let dir = tempfile::tempdir_in(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    let mut file = File::create(dir.path().join("plain")).unwrap();
    bencher.counter(commands(callers)).bench_local(|| {
        for _ in 0..ROUNDS {
            file.write_all(&group).unwrap();
            thread::sleep(sync_pause());
            file.sync_data().unwrap();
        }
    });
}
