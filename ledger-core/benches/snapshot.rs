//! Loading a customer: its whole history folded, or its snapshot.
//!
//! `cargo bench -p ledger-core --bench snapshot`. Both with the files in the page cache. The customer has
//! up to a hundred licences however long its history is; a snapshot grows by 16 bytes with each command.

#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]
#![allow(missing_docs, reason = "the macro that collects benchmarks makes public items")]

#[path = "../tests/fixtures/mod.rs"]
mod fixtures;

use std::collections::{BTreeMap, BTreeSet};

use divan::{Bencher, black_box};
use eventually::store::{EventStore, Select};
use futures::TryStreamExt;
use ledger_core::commit::Hash;
use ledger_core::customer::{
    AssignLicence, Command, Customer, ScheduleRenewalQuantity, UnassignLicence, evolve,
};
use ledger_core::ids::{
    Actor, ActorId, CommandId, CustomerId, OfferId, Reason, Role, StreamId, UserId,
};
use ledger_core::ledger::{Ledger, LedgerOptions, Request};
use ledger_core::record::Recorded;
use ledger_core::snapshot::{Snapshot, Snapshots};
use ledger_core::store::segment::{SegmentLog, SegmentOptions};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::fixtures::{import, purchase, register, s1};

/// Commits of the customer.
const COMMITS: [u64; 4] = [10, 100, 1_000, 10_000];

const OFFER: &str = "office-365-e3";

fn main() {
    divan::main();
}

fn acme() -> StreamId {
    StreamId::Customer(CustomerId::try_new("acme").unwrap())
}

/// What the command path needs of a customer.
struct Folded {
    customer: Option<Customer>,
    hash: Hash,
    answers: BTreeMap<CommandId, u64>,
}

struct World {
    runtime: Runtime,
    ledger: Ledger<SegmentLog>,
    snapshots: Snapshots,
    // Last, so that the files go after all others have closed them.
    _dir: TempDir,
}

impl World {
    /// A ledger with a customer of as many commits, and its snapshot.
    fn new(commits: u64) -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let open = |name| SegmentLog::open(&dir.path().join(name), SegmentOptions::default());
        let (log, journal) = (open("log").unwrap(), open("journal").unwrap());
        let runtime = Runtime::new().unwrap();
        let ledger =
            runtime.block_on(Ledger::open(log, journal, LedgerOptions::default())).unwrap();
        runtime.block_on(fill(&ledger, commits));
        let folder = dir.path().join("snapshots");
        let open = || runtime.block_on(Snapshots::open(&folder, [1; 16]));
        let snapshots = open();
        let Folded { customer, hash, answers } = runtime.block_on(fold(&ledger));
        let snapshot = Snapshot {
            version: commits,
            hash,
            journal_version: 0,
            journal_hash: Hash::ZERO,
            last_recorded_at: None,
            customer,
            answers: answers.into_values().map(|version| (version << 32, version)).collect(),
        };
        snapshots.store(&acme(), &snapshot);
        snapshots.close();
        let snapshots = open();
        assert_eq!(snapshots.load(&acme()), Some(snapshot));
        Self { runtime, ledger, snapshots, _dir: dir }
    }
}

async fn fill(ledger: &Ledger<SegmentLog>, commits: u64) {
    ledger.execute(request(0, StreamId::Catalogue, import())).await.unwrap();
    let subscription = s1();
    let offer = OfferId::try_new(OFFER).unwrap();
    ledger.execute(request(1, acme(), register())).await.unwrap();
    ledger.execute(request(2, acme(), purchase(150))).await.unwrap();
    let mut assigned = BTreeSet::new();
    for number in 3..=commits {
        let command = if number % 3 == 0 {
            let quantity = 100 + u32::try_from(number % 10).unwrap();
            let subscription = subscription.clone();
            Command::ScheduleRenewalQuantity(ScheduleRenewalQuantity { subscription, quantity })
        } else {
            let user = UserId::try_new(format!("user-{}", number % 100)).unwrap();
            let offer = offer.clone();
            if assigned.insert(user.clone()) {
                let usage_location = Some("FR".to_owned());
                Command::AssignLicence(AssignLicence { offer, user, usage_location })
            } else {
                assigned.remove(&user);
                Command::UnassignLicence(UnassignLicence { offer, user })
            }
        };
        let outcome = ledger.execute(request(number, acme(), command)).await.unwrap();
        assert_eq!(outcome.version, number, "every command is a commit");
    }
}

fn request(number: u64, stream: StreamId, command: Command) -> Request {
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

async fn fold(ledger: &Ledger<SegmentLog>) -> Folded {
    let mut folded = Folded { customer: None, hash: Hash::ZERO, answers: BTreeMap::new() };
    let mut stored = ledger.log().stream(acme(), Select::All).await.unwrap();
    while let Some(stored) = stored.try_next().await.unwrap() {
        let recorded = Recorded::read(stored).unwrap();
        let commit = recorded.commit();
        folded.customer = recorded.events.iter().fold(folded.customer.take(), evolve);
        folded.hash = recorded.sealed.hash();
        folded.answers.insert(commit.command_id.clone(), commit.version);
    }
    folded
}

#[divan::bench(args = COMMITS, sample_count = 20, sample_size = 1)]
fn fold_history(bencher: Bencher, commits: u64) {
    let world = World::new(commits);
    bencher.bench_local(|| black_box(world.runtime.block_on(fold(&world.ledger))).answers.len());
}

#[divan::bench(args = COMMITS, sample_count = 100, sample_size = 1)]
fn load_snapshot(bencher: Bencher, commits: u64) {
    let world = World::new(commits);
    bencher.bench_local(|| black_box(world.snapshots.load(&acme())).is_some());
}

#[divan::bench(args = COMMITS, sample_count = 100, sample_size = 1)]
fn hand_over_snapshot(bencher: Bencher, commits: u64) {
    let world = World::new(commits);
    let snapshot = world.snapshots.load(&acme()).unwrap();
    bencher.bench_local(|| world.snapshots.store(&acme(), black_box(&snapshot)));
}
