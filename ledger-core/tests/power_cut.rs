//! Power cuts at every kind of moment, on a simulated disk: nothing acknowledged is ever lost.
//!
//! Every seed is one history of a machine: bursts of work, each ended by a power cut, a killed process
//! or a clean close, and some power cuts during recovery. `LEDGER_SEEDS=100000` runs more of them,
//! `LEDGER_FIRST_SEED=4711 LEDGER_SEEDS=1` repeats a failing one.

use std::path::Path;
use std::pin::Pin;

use eventually::store::{EventStore, Expected, Select};
use futures::executor::block_on;
use futures::future::{self, BoxFuture, MaybeDone};
use futures::{FutureExt, TryStreamExt};
use ledger_core::commit::{Hash, SealedCommit};
use ledger_core::ids::StreamId;
use ledger_core::store::contract::{customer, next_commit};
use ledger_core::store::segment::simulated::{Ending, Faults, Lie, Random, SimulatedDisk};
use ledger_core::store::segment::{SegmentLog, SegmentOptions};
use ledger_core::store::{Appended, CommitLog, StoreError};

/// Seeds that every run tries.
const SEEDS: u64 = 200;

/// Seeds that may pass before a planted bug must have been found.
const SEEDS_PER_LIE: u64 = 400;

const STREAMS: u64 = 3;

fn dir() -> &'static Path {
    Path::new("/data/log")
}

/// A machine, and what it was asked to remember.
struct Machine {
    disk: SimulatedDisk,
    random: Random,
    options: SegmentOptions,
    /// All commits that were sent since the last look at the disk, in order of position.
    sent: Vec<SealedCommit>,
    acknowledged: usize,
    /// Why an append was refused although the disk worked.
    refused: Option<StoreError>,
}

type Checked = Result<(), String>;

impl Machine {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let options = SegmentOptions { segment_bytes: 1024 << random.below(4) };
        let disk = SimulatedDisk::new(random.number());
        Self { disk, random, options, sent: Vec::new(), acknowledged: 0, refused: None }
    }

    /// Lives through some crashes, and checks after each that nothing acknowledged is lost.
    fn live(mut self) -> Checked {
        for _ in 0..2 + self.random.below(5) {
            let cut_at = self.disk.changes() + 1 + self.random.below(60);
            self.disk.cut_power_at(cut_at);
            self.work();
            if let Some(err) = self.refused.take() {
                return Err(format!("an append is refused: {err}"));
            }
            let ending = if self.disk.is_off() { Ending::PowerCut } else { self.ending() };
            self.disk.restart(ending);
            self.recover()?;
        }
        Ok(())
    }

    fn ending(&mut self) -> Ending {
        if self.random.flip() { Ending::PowerCut } else { Ending::Kill }
    }

    /// Works until it has had enough or the power is cut.
    fn work(&mut self) {
        for _ in 0..=self.random.below(3) {
            let Ok(mut log) = self.disk.open_log(dir(), self.options) else { return };
            for _ in 0..self.random.below(12) {
                match self.random.below(4) {
                    0 | 1 => self.append_one(&log),
                    2 => self.append_several(&mut log),
                    _ => self.append_while_syncing(&log),
                }
                if self.disk.is_off() {
                    return;
                }
            }
            if self.random.flip() {
                // Closed, or only dropped with what it had not yet synced.
                drop(log.close());
            } else {
                self.disk.restart(Ending::Kill);
            }
        }
    }

    /// A commit of any size in any stream. It is sent next, so it gets the next position.
    fn next(&mut self) -> SealedCommit {
        let stream = customer(&format!("customer-{}", self.random.below(STREAMS)));
        self.next_of(&stream)
    }

    fn next_of(&mut self, stream: &StreamId) -> SealedCommit {
        let before = self.sent.iter().rfind(|sent| sent.commit().stream == *stream);
        // Few sizes, so that what is left of an old append can fit exactly behind a new one.
        let size = [30, 30, 30, 700, 2500]
            .into_iter()
            .nth(usize::try_from(self.random.below(5)).expect("is small"))
            .unwrap_or(0);
        let label: Vec<u8> = (0..size).map(|_| self.random.number().to_be_bytes()[0]).collect();
        let commit = next_commit(stream, before, label);
        self.sent.push(commit.clone());
        commit
    }

    fn append_one(&mut self, log: &SegmentLog) {
        let commit = self.next();
        let outcome = block_on(log.append_commit(commit));
        self.note(outcome.map(|appended| appended.position));
    }

    fn append_several(&mut self, log: &mut SegmentLog) {
        let stream = customer("customer-0");
        let count = 1 + self.random.below(6);
        let commits = (0..count).map(|_| self.next_of(&stream)).collect();
        let outcome = block_on(log.append(stream, Expected::Any, commits));
        self.note(outcome.map(|_| log.durable_position()));
    }

    /// What arrives while a sync runs forms one group.
    fn append_while_syncing(&mut self, log: &SegmentLog) {
        let syncs_begun = self.disk.syncs_begun();
        self.disk.fail(Faults { names: ".seg", is_sync_held: true, ..Faults::default() });
        let mut appends = vec![poll_once(log.append_commit(self.next()))];
        while self.disk.syncs_begun() == syncs_begun && (&mut appends[0]).now_or_never().is_none() {
            std::thread::yield_now();
        }
        for _ in 0..self.random.below(8) {
            appends.push(poll_once(log.append_commit(self.next())));
        }
        self.disk.fail(Faults::default());
        for append in appends {
            self.note(settled(append).map(|appended| appended.position));
        }
    }

    fn note(&mut self, outcome: Result<u64, StoreError>) {
        match outcome {
            Ok(position) => self.acknowledged = usize::try_from(position).expect("is small"),
            Err(err) if !self.disk.is_off() => self.refused = Some(err),
            Err(_) => {}
        }
    }

    /// Starts again, now and then with a power cut in the middle of it, and looks at what is left.
    fn recover(&mut self) -> Checked {
        self.check_anchor()?;
        while self.random.below(3) == 0 {
            let cut_at = self.disk.changes() + 1 + self.random.below(12);
            self.disk.cut_power_at(cut_at);
            let opened = self.disk.open_log(dir(), self.options);
            if let (Err(err), false) = (&opened, self.disk.is_off()) {
                return Err(format!("it does not open: {err}"));
            }
            drop(opened);
            self.disk.restart(Ending::PowerCut);
        }
        let log = self.disk.open_log(dir(), self.options);
        let log = log.map_err(|err| format!("it does not open: {err}"))?;
        self.check(&log)?;
        log.close().map_err(|err| format!("it does not close: {err}"))?;
        drop(log);
        self.verify()
    }

    /// The anchor proves at least all segments but the last, and nothing is wrong with the rest.
    fn check_anchor(&self) -> Checked {
        let last = self
            .disk
            .files(dir())
            .into_iter()
            .rfind(|path| path.extension().is_some_and(|end| end == "seg"));
        let Some(first) = last.and_then(|path| path.file_stem()?.to_str()?.parse::<u64>().ok())
        else {
            return Ok(());
        };
        self.verify()?;
        let report = self.disk.verify_log(dir()).map_err(|err| err.to_string())?;
        match report.anchored_position {
            Some(anchored) if anchored + 1 < first => {
                Err(format!("the anchor is at {anchored}, the last segment starts at {first}"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Everything acknowledged is there, in order, and nothing that was never sent.
    fn check(&mut self, log: &SegmentLog) -> Checked {
        let found: Vec<_> = block_on(log.read_from(1).try_collect())
            .map_err(|err| format!("it cannot be read: {err}"))?;
        let found: Vec<Hash> = found.iter().map(|stored| stored.hash()).collect();
        if found.len() < self.acknowledged {
            return Err(format!("{} of {} acknowledged are left", found.len(), self.acknowledged));
        }
        let sent: Vec<Hash> = self.sent.iter().map(SealedCommit::hash).collect();
        if sent.get(..found.len()) != Some(&found) {
            return Err("what is there is not what was sent".to_owned());
        }
        self.sent.truncate(found.len());
        self.acknowledged = found.len();
        (0..STREAMS).try_for_each(|number| self.check_stream(log, number))
    }

    fn check_stream(&self, log: &SegmentLog, number: u64) -> Checked {
        let stream = customer(&format!("customer-{number}"));
        let found: Vec<_> =
            block_on(async { log.stream(stream.clone(), Select::All).await?.try_collect().await })
                .map_err(|err: StoreError| format!("{stream} cannot be read: {err}"))?;
        let sent = self.sent.iter().filter(|sent| sent.commit().stream == stream);
        if found.iter().map(|stored| stored.hash()).eq(sent.map(SealedCommit::hash)) {
            Ok(())
        } else {
            Err(format!("{stream} is not what was sent"))
        }
    }

    /// Nothing is wrong with the log.
    fn verify(&self) -> Checked {
        let report = self.disk.verify_log(dir()).map_err(|err| err.to_string())?;
        match report.problems.first() {
            Some(problem) => Err(problem.error.to_string()),
            None => Ok(()),
        }
    }
}

type Append = MaybeDone<BoxFuture<'static, Result<Appended, StoreError>>>;

/// Puts an append in the queue.
fn poll_once(append: BoxFuture<'static, Result<Appended, StoreError>>) -> Append {
    let mut append = future::maybe_done(append);
    let _ = (&mut append).now_or_never();
    append
}

/// Waits for what became of an append.
fn settled(mut append: Append) -> Result<Appended, StoreError> {
    block_on(&mut append);
    Pin::new(&mut append).take_output().expect("it is done")
}

/// Lives a life on a disk that may lie; the answer is what went wrong.
fn failure(seed: u64, lie: Option<Lie>) -> Option<(u64, String)> {
    let machine = Machine::new(seed);
    if let Some(lie) = lie {
        machine.disk.plant(lie);
    }
    machine.live().err().map(|reason| (seed, reason))
}

fn variable(name: &str, otherwise: u64) -> u64 {
    let value = std::env::var(name).ok();
    value.map_or(otherwise, |value| value.parse().expect("the variable holds a number"))
}

#[test]
fn nothing_acknowledged_is_lost_whenever_the_power_is_cut() {
    let first = variable("LEDGER_FIRST_SEED", 0);
    let seeds = first..first + variable("LEDGER_SEEDS", SEEDS);
    let failures: Vec<_> = seeds.filter_map(|seed| failure(seed, None)).collect();
    assert!(failures.is_empty(), "seeds and what went wrong: {failures:#?}");
}

#[test]
fn planted_bugs_are_found() {
    for lie in [Lie::Sync(".seg"), Lie::Sync("anchor"), Lie::SyncFolder, Lie::Truncate] {
        let found = (0..SEEDS_PER_LIE).find_map(|seed| failure(seed, Some(lie)));
        let (seed, reason) = found.unwrap_or_else(|| panic!("{lie:?} is not found"));
        println!("{lie:?} is found by seed {seed}: {reason}");
    }
}
