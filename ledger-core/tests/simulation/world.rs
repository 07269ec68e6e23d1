//! One history: clients, a clock, a ledger and a disk that fails, in an order that the seed decides.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use chrono::{DateTime, TimeDelta, Utc};
use futures::FutureExt;
use ledger_core::catalogue::Catalogue;
use ledger_core::commit::SealedCommit;
use ledger_core::customer::Customer;
use ledger_core::ledger::{ExecuteError, Ledger, LedgerOptions, Outcome, Preview, Request};
use ledger_core::record::{Recorded, Refusal};
use ledger_core::store::segment::simulated::{Ending, Faults, Lie, Random, SimulatedDisk};
use ledger_core::store::segment::{SegmentLog, SegmentOptions};
use ledger_core::store::{CommitLog, StoreError};

use super::clients::{Clients, below, one_in, pick};
use super::executor::Calls;
use super::model::{Checked, Model, Ticket, Trouble, Troubles, Verdict, Window};
use super::planted::{Bug, PlantedLog};

/// Actions until everybody must have an answer once nothing fails any more.
const ACTIONS_TO_SETTLE: u64 = 20_000;

/// Events that a failure shows.
const EVENTS_SHOWN: usize = 30;

/// What is planted to see it found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Planted {
    /// The disk says that it has done what it has not.
    OnDisk(Lie),
    /// The log has a bug.
    InLog(Bug),
    /// The journal has a bug.
    InJournal(Bug),
}

/// How often things happened.
pub(crate) type Counts = BTreeMap<&'static str, u64>;

/// A history that was lived to its end without a violation.
pub(crate) struct Lived {
    pub(crate) counts: Counts,
    pub(crate) trace: Vec<String>,
}

/// A history that went wrong.
#[derive(Debug)]
pub(crate) struct Violation {
    pub(crate) reason: String,
    pub(crate) last: Vec<String>,
}

/// Lives the history of a seed.
pub(crate) fn live(
    seed: u64,
    catalogue: &Catalogue,
    planted: Option<Planted>,
) -> Result<Lived, Box<Violation>> {
    let mut world = World::new(seed, catalogue, planted);
    let lived = world.live();
    world.abandon();
    let World { trace, counts, .. } = world;
    match lived {
        Ok(()) => Ok(Lived { counts, trace }),
        Err(reason) => {
            let last = trace.len().saturating_sub(EVENTS_SHOWN);
            Err(Box::new(Violation { reason, last: trace.into_iter().skip(last).collect() }))
        }
    }
}

struct World {
    random: Random,
    disk: SimulatedDisk,
    faults: Faults,
    planted: Option<Planted>,
    options: SegmentOptions,
    ledger_options: LedgerOptions,
    ledgers: usize,
    model: Model,
    clients: Clients,
    clock: DateTime<Utc>,
    life: Option<Life>,
    troubles: Troubles,
    counts: Counts,
    trace: Vec<String>,
}

/// What ends with the process.
struct Life {
    log: PlantedLog,
    journal: PlantedLog,
    ledgers: Vec<Arc<Ledger<PlantedLog>>>,
    calls: Calls<About, Answer>,
    /// Where the logs ended when they failed.
    failed_at: BTreeMap<Which, u64>,
}

/// What is known of a call under way.
enum About {
    Execute { client: usize, request: Request, ticket: Ticket },
    Preview { request: Request, window: Window },
    Customer(Window),
    History(Window),
    Refusals(Window),
}

enum Answer {
    Execute(Result<Outcome, ExecuteError>),
    Preview(Result<Preview, ExecuteError>),
    Customer(Result<Option<(Customer, u64)>, ExecuteError>),
    History(Result<Vec<Recorded>, ExecuteError>),
    Refusals(Result<Vec<(SealedCommit, Option<Refusal>)>, ExecuteError>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Which {
    Log,
    Journal,
}

fn log_dir() -> &'static Path {
    Path::new("/data/log")
}

fn journal_dir() -> &'static Path {
    Path::new("/data/journal")
}

impl Which {
    fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Journal => "journal",
        }
    }
}

impl World {
    fn new(seed: u64, catalogue: &Catalogue, planted: Option<Planted>) -> Self {
        let mut random = Random::new(seed);
        let disk = SimulatedDisk::new(random.number());
        if let Some(Planted::OnDisk(lie)) = planted {
            disk.plant(lie);
        }
        let options = SegmentOptions { segment_bytes: 2048 << random.below(4) };
        let cache_bytes = pick(&mut random, &[0, 4096, 16 * 1024, 1024 * 1024]);
        let in_flight_max = pick(&mut random, &[2, 8, 64, 64]);
        let ledgers = if one_in(&mut random, 4) { 2 } else { 1 };
        let clients = Clients::new(&mut random, catalogue.clone(), ledgers);
        Self {
            random,
            disk,
            faults: Faults::default(),
            planted,
            options,
            ledger_options: LedgerOptions { cache_bytes, in_flight_max, snapshots: None },
            ledgers,
            model: Model::new(),
            clients,
            clock: "2024-01-31T08:00:00Z".parse().expect("it is an instant"),
            life: None,
            troubles: Troubles::new(),
            counts: Counts::new(),
            trace: Vec::new(),
        }
    }

    fn live(&mut self) -> Checked {
        for _ in 0..2 + self.random.below(4) {
            self.open()?;
            self.work()?;
            self.end()?;
        }
        self.open()?;
        self.settle()?;
        self.close()?;
        self.verify()
    }

    fn note(&mut self, event: String) {
        self.trace.push(event);
    }

    fn count(&mut self, what: &'static str) {
        self.count_many(what, 1);
    }

    fn count_many(&mut self, what: &'static str, times: u64) {
        *self.counts.entry(what).or_default() += times;
    }

    fn life(&mut self) -> &mut Life {
        self.life.as_mut().expect("it is open")
    }

    /// Opens what is on the disk, now and then with a power cut or a failing read in the middle of it.
    fn open(&mut self) -> Checked {
        self.troubles.clear();
        self.verify()?;
        loop {
            let mut is_unreadable = false;
            if one_in(&mut self.random, 5) {
                let cut_at = self.disk.changes() + 1 + self.random.below(24);
                self.disk.cut_power_at(cut_at);
            } else if one_in(&mut self.random, 20) {
                is_unreadable = true;
                self.fail(Faults { read: Some(io::ErrorKind::Other), ..Faults::default() });
            }
            let opened = self.try_open();
            self.disk.fail(Faults::default());
            self.faults = Faults::default();
            match opened {
                Ok(life) if !self.disk.is_off() => {
                    self.disk.cut_power_at(u64::MAX);
                    self.life = Some(life);
                    break;
                }
                Ok(_) | Err(_) if self.disk.is_off() => {
                    self.count("power cuts during recovery");
                    self.note("the power is cut during recovery".to_owned());
                    self.disk.restart(Ending::PowerCut);
                }
                Err(_) if is_unreadable => {
                    self.count("failed recoveries");
                    self.note("nothing can be read during recovery".to_owned());
                    self.disk.restart(Ending::Kill);
                }
                Ok(_) => {}
                Err(err) => return Err(format!("it does not open: {err}")),
            }
        }
        let Some(life) = &self.life else { return Ok(()) };
        self.model.found(&life.log, &life.journal)?;
        let (log, journal) = (self.model.log_position(), self.model.journal_position());
        self.note(format!("open at {log} and {journal}"));
        self.look_at_all()
    }

    fn try_open(&self) -> Result<Life, ExecuteError> {
        let (mut log_bug, mut journal_bug) = (None, None);
        match self.planted {
            Some(Planted::InLog(bug)) => log_bug = Some(bug),
            Some(Planted::InJournal(bug)) => journal_bug = Some(bug),
            Some(Planted::OnDisk(_)) | None => {}
        }
        let log = self.disk.open_stepped_log(log_dir(), self.options)?;
        let journal = self.disk.open_stepped_log(journal_dir(), self.options)?;
        let (log, journal) = (PlantedLog::new(log, log_bug), PlantedLog::new(journal, journal_bug));
        let open = |_| {
            let opening = Ledger::open(log.clone(), journal.clone(), self.ledger_options.clone());
            let opened = opening.now_or_never().expect("a ledger opens in place");
            opened.map(Arc::new)
        };
        let ledgers = (0..self.ledgers).map(open).collect::<Result<_, _>>()?;
        Ok(Life { log, journal, ledgers, calls: Calls::new(), failed_at: BTreeMap::new() })
    }

    /// The state, the history and the refusals of all customers are what the model has seen.
    fn look_at_all(&mut self) -> Checked {
        let ledgers = self.life().ledgers.clone();
        for ledger in ledgers {
            for stream in self.clients.streams() {
                let window = self.model.asked(&stream);
                if let Some(id) = stream.customer() {
                    let customer = ledger.customer(id).now_or_never();
                    let customer = customer.ok_or("a customer cannot be read in place")?;
                    self.model.looked(&window, &customer, &self.troubles)?;
                }
                let history = ledger.history(&stream).now_or_never();
                let history = history.ok_or("a history cannot be read in place")?;
                self.model.told(&window, &history, &self.troubles)?;
                let refusals = ledger.refusals(&stream).now_or_never();
                let refusals = refusals.ok_or("refusals cannot be read in place")?;
                self.model.told_refusals(&window, &refusals, &self.troubles)?;
            }
        }
        Ok(())
    }

    /// Works until it has had enough or the power is cut.
    fn work(&mut self) -> Checked {
        if self.random.flip() {
            let cut_at = self.disk.changes() + 1 + self.random.below(120);
            self.disk.cut_power_at(cut_at);
        }
        for _ in 0..20 + self.random.below(280) {
            self.act()?;
            let is_broken = self.troubles.contains(&Trouble::Broken);
            if self.disk.is_off() || (is_broken && one_in(&mut self.random, 60)) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn act(&mut self) -> Checked {
        match self.random.below(100) {
            0..46 => self.poll_one(),
            46..64 => {
                self.send();
                Ok(())
            }
            64..77 => self.step(Which::Log),
            77..84 => self.step(Which::Journal),
            84..91 => {
                self.ask();
                Ok(())
            }
            91..93 => {
                self.drop_call();
                Ok(())
            }
            93..95 => {
                self.move_clock();
                Ok(())
            }
            95 => {
                self.change_faults();
                Ok(())
            }
            96 | 97 => {
                self.fail(Faults::default());
                Ok(())
            }
            _ => self.check_progress(),
        }
    }

    /// Something can always go on: a call, or a log that has something to write.
    fn check_progress(&mut self) -> Checked {
        let life = self.life();
        let is_waiting = 0 < life.log.log.stats().waiting + life.journal.log.stats().waiting;
        let is_stuck = life.calls.ready().is_empty() && !is_waiting;
        match life.calls.running().len() {
            stuck if 0 < stuck && is_stuck => {
                Err(format!("{stuck} calls wait for nothing: they would never be answered"))
            }
            _ => Ok(()),
        }
    }

    fn poll_one(&mut self) -> Checked {
        let ready = self.life().calls.ready();
        if ready.is_empty() {
            return Ok(());
        }
        let number = pick(&mut self.random, &ready);
        self.poll(number)
    }

    fn poll(&mut self, number: u64) -> Checked {
        let Some((about, answer)) = self.life().calls.poll(number) else {
            self.note(format!("#{number} goes on"));
            return Ok(());
        };
        if self.disk.is_off() {
            return Ok(());
        }
        match (&about, &answer) {
            (About::Execute { client, request, ticket }, Answer::Execute(answer)) => {
                self.note(format!("#{number} is answered: {}", told(answer)));
                let verdict = self.model.answered(ticket, request, answer, &self.troubles)?;
                self.count(counted(verdict, answer));
                self.clients.answered(&mut self.random, *client, request, verdict);
                Ok(())
            }
            (About::Preview { request, window }, Answer::Preview(answer)) => {
                self.note(format!("#{number} is shown a preview"));
                self.count("previews");
                self.model.previewed(window, request, answer, &self.troubles)
            }
            (About::Customer(window), Answer::Customer(answer)) => {
                self.note(format!("#{number} is shown a customer"));
                self.count("reads");
                self.model.looked(window, answer, &self.troubles)
            }
            (About::History(window), Answer::History(answer)) => {
                self.note(format!("#{number} is shown a history"));
                self.model.told(window, answer, &self.troubles)
            }
            (About::Refusals(window), Answer::Refusals(answer)) => {
                self.note(format!("#{number} is shown refusals"));
                self.model.told_refusals(window, answer, &self.troubles)
            }
            _ => Err("the answer is to another question".to_owned()),
        }
    }

    /// The clients that wait for an answer.
    fn busy(&mut self) -> Vec<usize> {
        let client = |about: &About| match about {
            About::Execute { client, .. } => Some(*client),
            About::Preview { .. } | About::Customer(_) | About::History(_) | About::Refusals(_) => {
                None
            }
        };
        self.life().calls.about().filter_map(client).collect()
    }

    /// A client sends something new, or what it has no answer to yet.
    fn send(&mut self) {
        let busy = self.busy();
        let (model, now) = (&self.model, self.clock);
        let Some(sending) = self.clients.send(&mut self.random, model, now, &busy) else { return };
        if sending.is_again {
            self.count("retries");
        }
        self.start(sending.client, sending.request);
    }

    fn start(&mut self, client: usize, request: Request) {
        let ticket = self.model.sent(&request);
        let ledger = self.ledger_of(client);
        let waits_its_turn = one_in(&mut self.random, 4);
        let call = {
            let request = request.clone();
            async move {
                Answer::Execute(if waits_its_turn {
                    ledger.execute_in_turn(request, ()).await
                } else {
                    ledger.execute(request).await
                })
            }
        };
        let event = format!(
            "client {client} sends {} {} to {}{}",
            request.command_id,
            request.command.name(),
            request.stream,
            request.expected_version.map_or_else(String::new, |v| format!(" at version {v}")),
        );
        let number = self.life().calls.start(About::Execute { client, request, ticket }, call);
        self.note(format!("#{number}: {event}"));
    }

    fn ledger_of(&mut self, client: usize) -> Arc<Ledger<PlantedLog>> {
        let ledgers = &self.life().ledgers;
        Arc::clone(ledgers.get(client % ledgers.len()).expect("every client has a ledger"))
    }

    /// Somebody looks at something.
    fn ask(&mut self) {
        let stream = pick(&mut self.random, &self.clients.streams());
        let window = self.model.asked(&stream);
        let client = below(&mut self.random, self.clients.len());
        let ledger = self.ledger_of(client);
        let kind = self.random.below(8);
        let number = match (kind, stream.customer().cloned()) {
            (0..3, _) => {
                let Some(request) = self.clients.current(client, self.clock) else { return };
                let window = self.model.asked(&request.stream);
                self.model.previewing(&request);
                let about = About::Preview { request: request.clone(), window };
                let preview = async move { Answer::Preview(ledger.preview(request).await) };
                self.life().calls.start(about, preview)
            }
            (3..6, Some(id)) => {
                let customer = async move { Answer::Customer(ledger.customer(&id).await) };
                self.life().calls.start(About::Customer(window), customer)
            }
            (6, _) => {
                let history = async move { Answer::History(ledger.history(&stream).await) };
                self.life().calls.start(About::History(window), history)
            }
            _ => {
                let refusals = async move { Answer::Refusals(ledger.refusals(&stream).await) };
                self.life().calls.start(About::Refusals(window), refusals)
            }
        };
        self.note(format!("#{number} asks"));
    }

    /// A caller goes away.
    fn drop_call(&mut self) {
        let running = self.life().calls.running();
        if running.is_empty() {
            return;
        }
        let number = pick(&mut self.random, &running);
        self.life().calls.forget(number);
        self.count("dropped calls");
        self.note(format!("#{number} is dropped"));
    }

    fn move_clock(&mut self) {
        let minutes = match self.random.below(4) {
            0 => self.random.below(60 * 24 * 40),
            _ => self.random.below(180),
        };
        self.clock += TimeDelta::minutes(i64::try_from(minutes).expect("is small"));
        let now = self.clock;
        self.note(format!("it is {now}"));
    }

    /// Writes the group that waits, and sees what has become durable.
    fn step(&mut self, which: Which) -> Checked {
        let log = self.raw(which);
        let waiting = log.stats().waiting;
        if waiting == 0 {
            return Ok(());
        }
        let begun = self.disk.syncs_begun();
        let was_written = log.step();
        let begun_now = self.disk.syncs_begun();
        let fails_from = self.faults.syncs_fail_from.filter(|_| self.faults.names == ".seg");
        let has_failed = begun < begun_now && fails_from.is_some_and(|from| from <= begun_now);
        self.note(format!("the {} writes {waiting}: {was_written}", which.name()));
        if self.disk.is_off() {
            return Ok(());
        }
        let position = log.stats().position;
        match (log.can_grow().is_err(), self.troubles.contains(&Trouble::Failing)) {
            (false, _) if has_failed => {
                return Err(format!("the {} goes on after a failed sync", which.name()));
            }
            (false, _) => {}
            (true, false) => {
                return Err(format!("the {} breaks although nothing has failed", which.name()));
            }
            (true, true) => self.note_failure(which, position)?,
        }
        if 1 < waiting {
            self.count("groups of several");
        }
        self.observe()
    }

    /// A log that has failed never grows again.
    fn note_failure(&mut self, which: Which, position: u64) -> Checked {
        let failed_at = &mut self.life().failed_at;
        if *failed_at.entry(which).or_insert(position) != position {
            return Err(format!("the {} has grown after a failure", which.name()));
        }
        self.troubles.insert(Trouble::Broken);
        self.count(match which {
            Which::Log => "failures of the log",
            Which::Journal => "failures of the journal",
        });
        self.note(format!("the {} has failed at {position}", which.name()));
        Ok(())
    }

    fn raw(&mut self, which: Which) -> SegmentLog {
        match which {
            Which::Log => self.life().log.log.clone(),
            Which::Journal => self.life().journal.log.clone(),
        }
    }

    fn observe(&mut self) -> Checked {
        let Some(life) = &self.life else { return Ok(()) };
        self.disk.fail(Faults::default());
        let observed = self.model.observe(&life.log, &life.journal);
        self.disk.fail(self.faults);
        observed
    }

    fn fail(&mut self, faults: Faults) {
        self.disk.fail(faults);
        self.faults = faults;
    }

    fn change_faults(&mut self) {
        let names = pick(&mut self.random, &[".seg", ".seg", ".seg", "anchor", ""]);
        let works = Faults { names, ..Faults::default() };
        let through = below(&mut self.random, 3000);
        let begun = self.disk.syncs_begun();
        self.troubles.insert(Trouble::Failing);
        let (event, faults) = match self.random.below(8) {
            0 | 1 => {
                let first = begun + 1 + self.random.below(3);
                ("syncs fail", Faults { syncs_fail_from: Some(first), ..works })
            }
            2 => ("writes fail", Faults { write: Some((through, io::ErrorKind::Other)), ..works }),
            3 | 4 => {
                self.troubles.insert(Trouble::Full);
                let free = self.random.below(3000);
                let capacity_bytes = Some(self.used_bytes() + free);
                ("the disk is nearly full", Faults { capacity_bytes, ..works })
            }
            5 => {
                self.troubles.insert(Trouble::Unreadable);
                ("reads fail", Faults { read: Some(io::ErrorKind::Other), ..works })
            }
            6 => ("no file can be made", Faults { create: Some(io::ErrorKind::Other), ..works }),
            // A slot of the anchor is smaller than a sector, which no disk writes in two parts.
            _ => {
                let names = ".seg";
                ("writes are short", Faults { names, is_short_of_writes: true, ..works })
            }
        };
        self.count(event);
        self.note(format!("from now on {event} ({names})"));
        self.fail(faults);
    }

    fn used_bytes(&self) -> u64 {
        let folders = [log_dir(), journal_dir()].into_iter();
        let files = folders.flat_map(|folder| self.disk.files(folder));
        let bytes = files.filter_map(|file| self.disk.contents(&file)).map(|bytes| bytes.len());
        u64::try_from(bytes.sum::<usize>()).expect("is small")
    }

    /// Ends this life in one of three ways.
    fn end(&mut self) -> Checked {
        let ending = match self.random.below(4) {
            _ if self.disk.is_off() => Some(Ending::PowerCut),
            0 => None,
            1 => Some(Ending::Kill),
            _ => Some(Ending::PowerCut),
        };
        match ending {
            Some(ending) => self.crash(ending),
            None => self.close()?,
        }
        if self.disk.is_off() {
            self.crash(Ending::PowerCut);
        }
        if one_in(&mut self.random, 3) {
            let hours = i64::try_from(self.random.below(72)).expect("is small");
            self.clock -= TimeDelta::hours(hours);
            self.count("clocks set back");
        } else {
            self.move_clock();
        }
        Ok(())
    }

    fn crash(&mut self, ending: Ending) {
        self.disk.restart(ending);
        self.faults = Faults::default();
        let running = self.life.as_ref().map_or(0, |life| life.calls.running().len());
        self.abandon();
        self.count(match ending {
            Ending::Kill => "kills",
            Ending::PowerCut => "power cuts",
        });
        if 0 < running {
            self.count("crashes with calls under way");
        }
        self.note(format!("{ending:?} with {running} calls under way"));
    }

    /// Lets go of the process.
    fn abandon(&mut self) {
        let Some(life) = self.life.take() else { return };
        for log in [&life.log, &life.journal] {
            self.count_many("conflicts", log.conflicts.load(Ordering::Relaxed));
        }
        for ledger in &life.ledgers {
            self.count_many("evictions", ledger.cache_stats().evictions);
        }
    }

    /// Closes both logs; what waited is written and answered.
    fn close(&mut self) -> Checked {
        self.fail(Faults::default());
        self.troubles.insert(Trouble::Closed);
        for which in [Which::Log, Which::Journal] {
            let closed = self.raw(which).close();
            if let (Err(err), false, false) =
                (closed, self.troubles.contains(&Trouble::Broken), self.disk.is_off())
            {
                return Err(format!("the {} does not close: {err}", which.name()));
            }
        }
        if self.disk.is_off() {
            return Ok(());
        }
        self.observe()?;
        self.note("closed".to_owned());
        while let Some(number) = self.life().calls.ready().first().copied() {
            self.poll(number)?;
        }
        let unanswered = self.life().calls.running().len();
        self.abandon();
        self.count("clean closes");
        if unanswered == 0 { Ok(()) } else { Err(format!("{unanswered} calls outlive the log")) }
    }

    /// Nothing fails any more: everybody gets an answer in the end.
    fn settle(&mut self) -> Checked {
        for _ in 0..ACTIONS_TO_SETTLE {
            let open = self.clients.open();
            let running = self.life().calls.running();
            if open.is_empty() && running.is_empty() {
                return self.look_at_all();
            }
            let busy = self.busy();
            let idle: Vec<usize> = open.into_iter().filter(|c| !busy.contains(c)).collect();
            match self.random.below(8) {
                0 if !idle.is_empty() => {
                    let client = pick(&mut self.random, &idle);
                    let request = self.clients.current(client, self.clock);
                    self.start(client, request.expect("it has no answer yet"));
                }
                1 => self.step(Which::Log)?,
                2 => self.step(Which::Journal)?,
                3 => self.check_progress()?,
                _ => self.poll_one()?,
            }
        }
        Err(format!("after {ACTIONS_TO_SETTLE} actions not everybody has an answer"))
    }

    /// Nothing is wrong with the logs.
    fn verify(&mut self) -> Checked {
        for dir in [log_dir(), journal_dir()] {
            let Ok(report) = self.disk.verify_log(dir) else { continue };
            if let Some(problem) = report.problems.first() {
                return Err(format!("{}: {}", dir.display(), problem.error));
            }
            if 0 < report.torn_tail_bytes {
                self.count("torn tails");
            }
            if 1 < report.segments {
                self.count("logs with sealed segments");
            }
        }
        Ok(())
    }
}

fn counted(verdict: Verdict, answer: &Result<Outcome, ExecuteError>) -> &'static str {
    match (verdict, answer) {
        (Verdict::Settled, _) => "commits",
        (Verdict::Hit, _) => "hits",
        (Verdict::Refused, _) => "refusals",
        (Verdict::RefusedHit, _) => "repeated refusals",
        (Verdict::AlreadySo, _) => "commands without effect",
        (Verdict::Reused, _) => "reused ids",
        (Verdict::Stale, _) => "stale versions",
        (Verdict::Again, Err(ExecuteError::Busy)) => "busy",
        (Verdict::Again, Err(ExecuteError::Store(StoreError::Unknown(_)))) => "unknown outcomes",
        (Verdict::Again, Err(ExecuteError::Store(StoreError::Poisoned))) => "refused after failure",
        (Verdict::Again, Err(ExecuteError::Store(StoreError::Full(_)))) => "refused for space",
        (Verdict::Again, Err(ExecuteError::Store(StoreError::Overloaded))) => "overloaded",
        (Verdict::Again, Err(ExecuteError::Store(StoreError::Closed))) => "refused when closed",
        (Verdict::Again, _) => "refused unread",
    }
}

fn told(answer: &Result<Outcome, ExecuteError>) -> String {
    match answer {
        Ok(Outcome { version, recorded, hit }) => {
            let what = if recorded.is_some() { "committed" } else { "already so" };
            format!("{what} at version {version}{}", if *hit { " before" } else { "" })
        }
        Err(ExecuteError::Refused { refusal, hit }) => {
            format!("{}{}", refusal.code, if *hit { " before" } else { "" })
        }
        Err(err) => err.to_string(),
    }
}
