//! Whole histories of a ledger in one thread: many clients, retries, crashes, a disk that fails.
//!
//! Every seed is one history. Everything that happens in it follows from the seed: who goes on when,
//! what is sent, what the clock says, what the disk loses. After every step the model is asked whether
//! what clients were told and what is on the disk can be true.
//!
//! `LEDGER_SEEDS=10000` lives more histories, `LEDGER_SECONDS=3600` goes on with new seeds for an hour,
//! and `LEDGER_FIRST_SEED=4711 LEDGER_SEEDS=1` repeats a failing one.

mod drafts;
mod simulation {
    pub(crate) mod clients;
    pub(crate) mod executor;
    pub(crate) mod model;
    pub(crate) mod planted;
    pub(crate) mod world;
}

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ledger_core::catalogue::{Catalogue, SEEDS_TOML};
use ledger_core::store::segment::simulated::Lie;

use crate::simulation::planted::Bug;
use crate::simulation::world::{Counts, Lived, Planted, Violation, live};

/// Histories that every run lives.
const SEEDS: u64 = 300;

/// Histories that may pass before a planted bug must have been found.
const SEEDS_PER_BUG: u64 = 2000;

/// Histories after which progress is printed.
const SEEDS_PER_LINE: u64 = 1000;

/// What must happen in the histories that every run lives.
const EXPECTED: [&str; 37] = [
    "clean closes",
    "clocks set back",
    "commands without effect",
    "commits",
    "conflicts",
    "crashes with calls under way",
    "dropped calls",
    "evictions",
    "failed recoveries",
    "failures of the journal",
    "failures of the log",
    "groups of several",
    "hits",
    "kills",
    "logs with sealed segments",
    "no file can be made",
    "overloaded",
    "power cuts",
    "power cuts during recovery",
    "previews",
    "reads",
    "reads fail",
    "refusals",
    "refused after failure",
    "refused unread",
    "refused when closed",
    "refused for space",
    "repeated refusals",
    "retries",
    "reused ids",
    "stale versions",
    "syncs fail",
    "the disk is nearly full",
    "torn tails",
    "unknown outcomes",
    "writes are short",
    "writes fail",
];

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().expect("the variable holds a number"))
}

fn catalogue() -> Catalogue {
    toml::from_str(SEEDS_TOML).expect("the seeds are a catalogue")
}

/// What a failing history tells whoever has to find out why.
fn report(seed: u64, violation: &Violation) -> String {
    let Violation { reason, last } = violation;
    format!(
        "seed {seed}: {reason}\n\nwhat happened last:\n  {}\n\nagain: LEDGER_FIRST_SEED={seed} \
         LEDGER_SEEDS=1 cargo test -p ledger-core --test simulation histories -- --nocapture\n",
        last.join("\n  ")
    )
}

fn add(to: &mut Counts, counts: &Counts) {
    for (what, times) in counts {
        *to.entry(what).or_default() += times;
    }
}

/// Lives one history after the other, on all processors, until there are enough or time is over.
#[allow(clippy::print_stdout, reason = "a long run tells how far it is")]
fn live_all(first: u64, seeds: u64, seconds: Option<u64>) -> (u64, Counts) {
    let (catalogue, began) = (catalogue(), Instant::now());
    let until = seconds.map(|seconds| began + Duration::from_secs(seconds));
    let (next, lived) = (AtomicU64::new(first), AtomicU64::new(0));
    let (counts, failed) = (Mutex::default(), Mutex::new(BTreeMap::new()));
    let is_over = |seed: u64| match until {
        Some(until) => until <= Instant::now(),
        None => first + seeds <= seed,
    };
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if is_over(seed) {
                return;
            }
            lived.fetch_add(1, Ordering::Relaxed);
            match live(seed, &catalogue, None) {
                Ok(Lived { counts: found, .. }) => {
                    add(&mut counts.lock().expect("nobody panics"), &found);
                }
                Err(violation) => {
                    println!("seed {seed}: {}", violation.reason);
                    failed.lock().expect("nobody panics").insert(seed, violation);
                }
            }
            let done = seed - first + 1;
            if done.is_multiple_of(SEEDS_PER_LINE) {
                println!("{done} histories in {} s", began.elapsed().as_secs());
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let failed = failed.into_inner().expect("nobody panics");
    if let Some((seed, violation)) = failed.first_key_value() {
        panic!("{}", report(*seed, violation));
    }
    (lived.into_inner(), counts.into_inner().expect("nobody panics"))
}

#[test]
fn all_histories_keep_what_was_promised() {
    let first = variable("LEDGER_FIRST_SEED").unwrap_or(0);
    let (seeds, seconds) = (variable("LEDGER_SEEDS"), variable("LEDGER_SECONDS"));
    let (lived, counts) = live_all(first, seeds.unwrap_or(SEEDS), seconds);
    println!("{lived} histories: {counts:#?}");
    if seeds.is_none() {
        let missing: Vec<_> = EXPECTED.iter().filter(|what| !counts.contains_key(*what)).collect();
        assert!(missing.is_empty(), "this never happened: {missing:?}");
    }
}

#[test]
fn the_same_seed_is_the_same_history() {
    let catalogue = catalogue();
    for seed in 0..20 {
        let trace = || live(seed, &catalogue, None).map(|lived| lived.trace).expect("it goes well");
        assert_eq!(trace(), trace(), "seed {seed}");
    }
}

#[test]
fn planted_bugs_are_found() {
    let catalogue = catalogue();
    let planted = [
        Planted::OnDisk(Lie::Sync(".seg")),
        Planted::OnDisk(Lie::SyncFolder),
        Planted::OnDisk(Lie::Truncate),
        Planted::InLog(Bug::ChecksOutside),
        Planted::InLog(Bug::AnswersAtOnce),
        Planted::InLog(Bug::KeepsInMemory),
        Planted::InJournal(Bug::AnswersAtOnce),
        Planted::InJournal(Bug::KeepsInMemory),
    ];
    for bug in planted {
        let failure = |seed| live(seed, &catalogue, Some(bug)).err().map(|found| (seed, found));
        let found = (0..SEEDS_PER_BUG).find_map(failure);
        let (seed, violation) = found.unwrap_or_else(|| panic!("{bug:?} is not found"));
        println!("{bug:?} is found by seed {seed}: {}", violation.reason);
    }
}
