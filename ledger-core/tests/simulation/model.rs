//! What must be true of every answer and of every log that is found again. Knows nothing of the ledger
//! but what it promises: it keeps what was sent, sees what becomes durable, and decides again.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};
use futures::{FutureExt, TryStreamExt};
use ledger_core::catalogue::Catalogues;
use ledger_core::commit::{Commit, Hash, SealedCommit};
use ledger_core::customer::{
    Command, Context, Customer, Event, Rejection, decide, decide_catalogue, evolve, learn,
};
use ledger_core::ids::{Actor, CommandId, Reason, Role, StreamId};
use ledger_core::ledger::{ExecuteError, Outcome, Preview, Request, refusal_of};
use ledger_core::record::{Chain, Recorded, Refusal};
use ledger_core::store::{CommitLog, StoreError};

/// What was wrong, in one sentence.
pub(crate) type Checked<T = ()> = Result<T, String>;

type Decision = Result<Vec<Event>, Rejection>;

/// Everything that clients know, and everything that was durable at some time.
#[derive(Default)]
pub(crate) struct Model {
    /// Counts sends and answers, to tell what was before what.
    now: u64,
    /// Hashes of the commits of both logs, by position.
    log: Vec<Hash>,
    journal: Vec<Hash>,
    streams: BTreeMap<StreamId, Stream>,
    commands: BTreeMap<(StreamId, CommandId), Sent>,
    /// The catalogues after each version of their stream.
    catalogues: Vec<Catalogues>,
    /// The instants at which anything was asked.
    instants: BTreeSet<DateTime<Utc>>,
}

/// One stream, as it is durable.
struct Stream {
    commits: Vec<Recorded>,
    /// The customer after each version, from 0.
    states: Vec<Option<Customer>>,
    chain: Chain,
    journal: Vec<(SealedCommit, Option<Refusal>)>,
    journal_chain: Chain,
    /// The last version, and number of journal entries, that anybody was shown.
    shown: u64,
    journal_shown: usize,
}

/// Everything sent under one id.
#[derive(Default)]
struct Sent {
    bodies: Vec<Body>,
    outcome: Option<Kept>,
}

/// One command sent under an id, and how often.
struct Body {
    content: Content,
    /// Versions of the stream and of the catalogue that were shown to somebody before it was first sent.
    floor: u64,
    catalogue_floor: u64,
    expected: BTreeSet<Option<u64>>,
    sends: u64,
    /// Sends that may still have an effect.
    open: u64,
}

#[derive(Clone, PartialEq, Eq)]
struct Content {
    request_hash: Hash,
    actor: Actor,
    reason: Reason,
}

/// The one outcome of a command id.
struct Kept {
    place: Place,
    body: usize,
    /// When it was first answered.
    answered_at: Option<u64>,
    is_given_as_new: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Log(u64),
    Journal(usize),
}

/// A request on its way.
#[derive(Clone, Debug)]
pub(crate) struct Ticket {
    key: (StreamId, CommandId),
    body: usize,
    sent_at: u64,
    window: Window,
}

/// A command with all that is decided on but the state and the instant.
struct Case<'a> {
    stream: &'a StreamId,
    command: &'a Command,
    actor: &'a Actor,
    catalogue_floor: u64,
}

/// A question on its way.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    stream: StreamId,
    floor: u64,
    catalogue_floor: u64,
    journal_floor: usize,
}

/// What may go wrong now without being wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    /// Something fails or has failed, so that a log may end.
    Failing,
    /// A log has ended.
    Broken,
    /// There may be too little space.
    Full,
    /// Reads may fail.
    Unreadable,
    /// The logs are closed.
    Closed,
}

pub(crate) type Troubles = BTreeSet<Trouble>;

/// What an answer means to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Settled,
    Hit,
    Refused,
    RefusedHit,
    AlreadySo,
    Reused,
    Stale,
    Again,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            commits: Vec::new(),
            states: vec![None],
            chain: Chain::default(),
            journal: Vec::new(),
            journal_chain: Chain::default(),
            shown: 0,
            journal_shown: 0,
        }
    }
}

impl Stream {
    fn version(&self) -> u64 {
        count(self.commits.len())
    }

    fn commit(&self, version: u64) -> Option<&Recorded> {
        self.commits.get(index(version.checked_sub(1)?))
    }

    fn state(&self, version: u64) -> Option<&Customer> {
        self.states.get(index(version))?.as_ref()
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).expect("is small")
}

fn index(number: u64) -> usize {
    usize::try_from(number).expect("is small")
}

fn wrong<T>(reason: impl Into<String>) -> Checked<T> {
    Err(reason.into())
}

fn ensure(is_right: bool, reason: impl FnOnce() -> String) -> Checked {
    if is_right { Ok(()) } else { Err(reason()) }
}

/// Whether a repetition gets the answer that the first one got.
fn is_final(role: Role, refusal: Option<&Refusal>) -> bool {
    role != Role::Scheduler && !refusal.is_some_and(|refusal| refusal.is_transient)
}

fn content(commit: &Commit) -> Content {
    Content {
        request_hash: commit.request_hash,
        actor: commit.actor.clone(),
        reason: commit.reason.clone(),
    }
}

/// The version that a command found everything as it asked at.
fn already_so(commit: &Commit) -> Option<u64> {
    let entry = commit.events.iter().find(|event| event.name == "AlreadySo")?;
    serde_json::from_slice::<serde_json::Value>(&entry.bytes).ok()?.get("version")?.as_u64()
}

fn command_of(commit: &Commit) -> Checked<Command> {
    serde_json::from_slice(&commit.request).map_err(|err| err.to_string())
}

fn read<L: CommitLog>(log: &L, position: u64) -> Checked<Vec<(u64, SealedCommit)>> {
    let stored = log.read_from(position).map_ok(|s| (u64::from(s.sequence_number()), s.take()));
    let read = stored.try_collect().now_or_never().expect("a log is read in place");
    read.map_err(|err: StoreError| format!("the log cannot be read: {err}"))
}

impl Model {
    pub(crate) fn new() -> Self {
        Self { catalogues: vec![Catalogues::default()], ..Self::default() }
    }

    pub(crate) fn log_position(&self) -> u64 {
        count(self.log.len())
    }

    pub(crate) fn journal_position(&self) -> u64 {
        count(self.journal.len())
    }

    pub(crate) fn version(&self, stream: &StreamId) -> u64 {
        self.streams.get(stream).map_or(0, Stream::version)
    }

    pub(crate) fn customer(&self, stream: &StreamId) -> Option<&Customer> {
        let stream = self.streams.get(stream)?;
        stream.state(stream.version())
    }

    pub(crate) fn history(&self, stream: &StreamId) -> &[Recorded] {
        self.streams.get(stream).map_or(&[], |stream| &stream.commits)
    }

    /// A question is asked.
    pub(crate) fn asked(&self, stream: &StreamId) -> Window {
        let shown = |stream| self.streams.get(stream).map_or(0, |stream| stream.shown);
        Window {
            stream: stream.clone(),
            floor: shown(stream),
            catalogue_floor: shown(&StreamId::Catalogue),
            journal_floor: self.streams.get(stream).map_or(0, |stream| stream.journal_shown),
        }
    }

    /// A preview is asked for.
    pub(crate) fn previewing(&mut self, request: &Request) {
        self.instants.insert(request.now);
    }

    /// A command is sent.
    pub(crate) fn sent(&mut self, request: &Request) -> Ticket {
        self.now += 1;
        self.instants.insert(request.now);
        let window = self.asked(&request.stream);
        let json = serde_json::to_vec(&request.command).expect("a command is JSON");
        let content = Content {
            request_hash: Hash::of(&json),
            actor: request.actor.clone(),
            reason: request.reason.clone(),
        };
        let key = (request.stream.clone(), request.command_id.clone());
        let sent = self.commands.entry(key.clone()).or_default();
        let body = sent.bodies.iter().position(|body| body.content == content);
        let body = body.unwrap_or_else(|| {
            let (floor, catalogue_floor) = (window.floor, window.catalogue_floor);
            let expected = BTreeSet::new();
            let body = Body { content, floor, catalogue_floor, expected, sends: 0, open: 0 };
            sent.bodies.push(body);
            sent.bodies.len() - 1
        });
        if let Some(body) = sent.bodies.get_mut(body) {
            body.sends += 1;
            body.open += 1;
            body.expected.insert(request.expected_version);
        }
        Ticket { key, body, sent_at: self.now, window }
    }

    /// Compares logs that were opened again with what was durable before, and sees what they have more.
    pub(crate) fn found<L: CommitLog>(&mut self, log: &L, journal: &L) -> Checked {
        for (name, log, known) in [("log", log, &self.log), ("journal", journal, &self.journal)] {
            let found: Vec<Hash> = read(log, 1)?.iter().map(|(_, sealed)| sealed.hash()).collect();
            ensure(found.starts_with(known), || {
                let same = found.iter().zip(known).take_while(|(found, known)| found == known);
                let (same, found, known) = (same.count(), found.len(), known.len());
                format!("the {name} had {known} commits, now it has {found}; {same} are the same")
            })?;
        }
        self.observe(log, journal)
    }

    /// Sees what has become durable. Returns whether there was anything.
    pub(crate) fn observe<L: CommitLog>(&mut self, log: &L, journal: &L) -> Checked {
        for (position, sealed) in read(log, self.log_position() + 1)? {
            self.add(position, &sealed)?;
        }
        for (position, sealed) in read(journal, self.journal_position() + 1)? {
            self.add_journal(position, sealed)?;
        }
        Ok(())
    }

    fn add(&mut self, position: u64, sealed: &SealedCommit) -> Checked {
        let named = format!("position {position} of the log");
        ensure(position == self.log_position() + 1, || format!("{named} is out of order"))?;
        let commit = sealed.commit();
        let id = commit.stream.clone();
        self.streams.entry(id.clone()).or_default().chain.next(sealed)?;
        let sent = self.sent_as(commit).ok_or_else(|| format!("{named} was never sent"))?;
        let (floor, catalogue_floor) = (sent.1.floor, sent.1.catalogue_floor);
        ensure(0 < sent.1.open, || format!("{named}: all senders were told that nothing changed"))?;
        ensure(floor < commit.version, || format!("{named} is before what its sender had seen"))?;
        let before = commit.version - 1;
        let is_expected = sent.1.expected.iter().any(|e| e.is_none_or(|e| e == before));
        ensure(is_expected, || format!("{named} is not at the version its sender expected"))?;
        let body = sent.0;
        let recorded = Recorded::open(position, sealed.clone()).map_err(|err| err.to_string())?;
        let (command, now) = (command_of(commit)?, commit.recorded_at);
        let case = Case { stream: &id, command: &command, actor: &commit.actor, catalogue_floor };
        let decided = self.decide(&case, before, now);
        ensure(decided.iter().any(|decision| decision.as_ref() == Ok(&recorded.events)), || {
            format!("{named} is not what its command leads to on version {before} of {id}")
        })?;
        self.keep(commit, Place::Log(commit.version), body)?;
        if let StreamId::Catalogue = id {
            let catalogues = self.catalogues.last().cloned().unwrap_or_default();
            self.catalogues.push(recorded.events.iter().fold(catalogues, learn));
        }
        let stream = self.streams.entry(id).or_default();
        let state = stream.states.last().cloned().flatten();
        stream.states.push(recorded.events.iter().fold(state, evolve));
        stream.commits.push(recorded);
        self.log.push(sealed.hash());
        Ok(())
    }

    fn add_journal(&mut self, position: u64, sealed: SealedCommit) -> Checked {
        let named = format!("position {position} of the journal");
        ensure(position == self.journal_position() + 1, || format!("{named} is out of order"))?;
        let commit = sealed.commit();
        let stream = self.streams.entry(commit.stream.clone()).or_default();
        stream.journal_chain.next(&sealed)?;
        let (version, number) = (stream.version(), stream.journal.len());
        let refusal = refusal_of(commit).map_err(|err| err.to_string())?;
        let (body, sent) = self.sent_as(commit).ok_or_else(|| format!("{named} was not sent"))?;
        ensure(0 < sent.open, || format!("{named}: all senders were told that nothing changed"))?;
        let (floor, catalogue_floor) = (sent.floor, sent.catalogue_floor);
        let (command, now) = (command_of(commit)?, commit.recorded_at);
        let (stream, actor) = (&commit.stream, &commit.actor);
        let case = Case { stream, command: &command, actor, catalogue_floor };
        match (&refusal, already_so(commit)) {
            (Some(refusal), None) => {
                let is_refused = self.is_refused(&case, floor..=version, &[now], refusal);
                let code = &refusal.code;
                ensure(is_refused, || format!("{named}: {code} is not what the rules say"))?;
            }
            (None, Some(then)) => {
                ensure((floor..=version).contains(&then), || {
                    format!("{named} was decided on version {then}, not on {floor} to {version}")
                })?;
                ensure(self.decide(&case, then, now).contains(&Ok(Vec::new())), || {
                    format!("{named}: version {then} was not as the command asked")
                })?;
            }
            _ => return wrong(format!("{named} holds no answer")),
        }
        if is_final(commit.actor.role, refusal.as_ref()) {
            self.keep(commit, Place::Journal(number), body)?;
        }
        let stream = self.streams.entry(commit.stream.clone()).or_default();
        self.journal.push(sealed.hash());
        stream.journal.push((sealed, refusal));
        Ok(())
    }

    /// As what the command of a commit was sent.
    fn sent_as(&self, commit: &Commit) -> Option<(usize, &Body)> {
        let sent = self.commands.get(&(commit.stream.clone(), commit.command_id.clone()))?;
        let content = content(commit);
        sent.bodies.iter().enumerate().find(|(_, body)| body.content == content)
    }

    /// Notes the one outcome of a command id.
    fn keep(&mut self, commit: &Commit, place: Place, body: usize) -> Checked {
        let key = (commit.stream.clone(), commit.command_id.clone());
        let sent = self.commands.entry(key).or_default();
        if let Some(Kept { place: before, .. }) = sent.outcome {
            let id = &commit.command_id;
            return wrong(format!("{id} has two outcomes: {before:?} and {place:?}"));
        }
        let answered_at = None;
        sent.outcome = Some(Kept { place, body, answered_at, is_given_as_new: false });
        Ok(())
    }

    /// What a command leads to on one version, under every catalogue it may have met.
    fn decide(&self, case: &Case<'_>, version: u64, now: DateTime<Utc>) -> Vec<Decision> {
        let Case { stream, command, actor, catalogue_floor } = *case;
        let Some(customer) = stream.customer() else {
            let known = self.catalogues.get(index(version)).cloned().unwrap_or_default();
            return vec![decide_catalogue(&known, command)];
        };
        let state = self.streams.get(stream).and_then(|stream| stream.state(version));
        let at = command.due_at().map_or(now, |due_at| due_at.min(now));
        let catalogues = self.catalogues.iter().skip(index(catalogue_floor));
        let decide_under = |catalogues: &Catalogues| {
            let catalogue = catalogues.in_force(at).map(|catalogue| &**catalogue);
            let context = Context { customer, now, effective_at: at, actor, catalogue };
            decide(&context, state, command)
        };
        catalogues.map(decide_under).collect()
    }

    /// Whether the rules refuse a command like this on one of some versions at one of some instants.
    fn is_refused(
        &self,
        case: &Case<'_>,
        versions: RangeInclusive<u64>,
        instants: &[DateTime<Utc>],
        refusal: &Refusal,
    ) -> bool {
        let is_it = |decision: &Decision| {
            decision.as_ref().is_err_and(|rejection| Refusal::from(rejection) == *refusal)
        };
        versions.into_iter().any(|version| {
            instants.iter().any(|now| self.decide(case, version, *now).iter().any(is_it))
        })
    }

    /// Checks the answer to a command.
    pub(crate) fn answered(
        &mut self,
        ticket: &Ticket,
        request: &Request,
        answer: &Result<Outcome, ExecuteError>,
        troubles: &Troubles,
    ) -> Checked<Verdict> {
        self.now += 1;
        let verdict = match answer {
            Ok(Outcome { version, recorded: Some(recorded), hit }) => {
                let commit = self.streams.get(&ticket.key.0).and_then(|s| s.commit(*version));
                ensure(commit == Some(recorded), || {
                    format!("{} is answered as version {version}, which it is not", ticket.key.1)
                })?;
                self.give(ticket, *hit, |place, _| place == Place::Log(*version))?;
                self.show(&ticket.key.0, *version);
                if *hit { Verdict::Hit } else { Verdict::Settled }
            }
            Ok(Outcome { version, recorded: None, hit }) => {
                self.settle_in_journal(ticket, request, *hit, |commit, refusal| {
                    refusal.is_none() && already_so(commit) == Some(*version)
                })?;
                self.show(&ticket.key.0, *version);
                if *hit { Verdict::Hit } else { Verdict::AlreadySo }
            }
            Err(ExecuteError::Refused { refusal, hit }) => {
                if self.is_refused_unregistered(ticket, request, refusal) {
                    ensure(!hit, || "a refusal that was not kept is repeated".to_owned())?;
                    ensure(!self.is_answered_before(ticket), || changed(ticket))?;
                } else {
                    self.settle_in_journal(ticket, request, *hit, |_, kept| kept == Some(refusal))?;
                }
                if *hit { Verdict::RefusedHit } else { Verdict::Refused }
            }
            Err(ExecuteError::CommandIdReused { .. }) => {
                let sent = self.commands.get(&ticket.key);
                let kept = sent.and_then(|sent| sent.outcome.as_ref());
                ensure(kept.is_some_and(|kept| kept.body != ticket.body), || {
                    format!("{} is not used for anything else", ticket.key.1)
                })?;
                Verdict::Reused
            }
            Err(ExecuteError::VersionDiffers { expected, actual }) => {
                ensure(!self.is_answered_before(ticket), || changed(ticket))?;
                self.check_differs(&ticket.window, request, *expected, *actual)?;
                Verdict::Stale
            }
            Err(err) => {
                check_trouble(err, troubles)?;
                Verdict::Again
            }
        };
        // Only "unknown" leaves open whether the command will still take effect.
        if !matches!(answer, Err(ExecuteError::Store(StoreError::Unknown(_))))
            && let Some(sent) = self.commands.get_mut(&ticket.key)
            && let Some(body) = sent.bodies.get_mut(ticket.body)
        {
            body.open -= 1;
        }
        Ok(verdict)
    }

    fn is_answered_before(&self, ticket: &Ticket) -> bool {
        let kept = self.commands.get(&ticket.key).and_then(|sent| sent.outcome.as_ref());
        let answered_at = kept.filter(|kept| kept.body == ticket.body).and_then(|k| k.answered_at);
        answered_at.is_some_and(|at| at < ticket.sent_at)
    }

    /// Checks that the answer is the command id's one outcome, and new at most once.
    fn give(
        &mut self,
        ticket: &Ticket,
        hit: bool,
        is_it: impl FnOnce(Place, &Stream) -> bool,
    ) -> Checked {
        let (stream, id) = &ticket.key;
        let is_before = self.is_answered_before(ticket);
        let Some(stream) = self.streams.get(stream) else { return wrong("nothing is durable") };
        let Some(sent) = self.commands.get_mut(&ticket.key) else { return wrong("never sent") };
        let sends: u64 = sent.bodies.iter().map(|body| body.sends).sum();
        let Some(kept) = &mut sent.outcome else {
            return wrong(format!("{id} is answered, but nothing of it is durable"));
        };
        ensure(kept.body == ticket.body && is_it(kept.place, stream), || changed(ticket))?;
        if hit {
            ensure(1 < sends, || format!("{id} was sent once, and is answered as a repetition"))?;
        } else {
            ensure(!kept.is_given_as_new, || format!("{id} is carried out twice"))?;
            ensure(!is_before, || format!("{id} was answered before, and is carried out again"))?;
            kept.is_given_as_new = true;
        }
        kept.answered_at = kept.answered_at.or(Some(self.now));
        Ok(())
    }

    /// Checks an answer that the journal must hold.
    fn settle_in_journal(
        &mut self,
        ticket: &Ticket,
        request: &Request,
        hit: bool,
        is_it: impl Fn(&Commit, Option<&Refusal>) -> bool,
    ) -> Checked {
        let (stream, id) = &ticket.key;
        let Some(known) = self.streams.get_mut(stream) else { return wrong("nothing is known") };
        let is_entry = |(sealed, refusal): &(SealedCommit, Option<Refusal>)| {
            sealed.commit().command_id == *id && is_it(sealed.commit(), refusal.as_ref())
        };
        let Some(number) = known.journal.iter().rposition(is_entry) else {
            return wrong(format!("the answer to {id} is not in the journal"));
        };
        known.journal_shown = known.journal_shown.max(number + 1);
        let refusal = known.journal.get(number).and_then(|(_, refusal)| refusal.clone());
        if is_final(request.actor.role, refusal.as_ref()) {
            self.give(ticket, hit, |place, _| place == Place::Journal(number))
        } else {
            ensure(!hit, || format!("{id} is to be decided anew, but is answered as before"))?;
            ensure(!self.is_answered_before(ticket), || changed(ticket))
        }
    }

    /// Before a customer is registered, refusals are not kept.
    fn is_refused_unregistered(
        &self,
        ticket: &Ticket,
        request: &Request,
        refusal: &Refusal,
    ) -> bool {
        let Window { stream, floor, catalogue_floor, .. } = &ticket.window;
        let (command, actor) = (&request.command, &request.actor);
        let case = Case { stream, command, actor, catalogue_floor: *catalogue_floor };
        let instants = self.instants_from(request.now);
        stream.customer().is_some()
            && *floor == 0
            && self.is_refused(&case, 0..=0, &instants, refusal)
    }

    /// The instants at which a command may have been decided.
    fn instants_from(&self, now: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        self.instants.range(now..).copied().collect()
    }

    fn check_differs(
        &mut self,
        window: &Window,
        request: &Request,
        expected: u64,
        actual: u64,
    ) -> Checked {
        let is_right = request.expected_version == Some(expected) && expected != actual;
        ensure(is_right, || format!("version {expected} was expected, and is {actual}"))?;
        self.check_version(window, actual)
    }

    /// Checks that a version that is shown is durable and not older than what was shown before.
    fn check_version(&mut self, window: &Window, version: u64) -> Checked {
        let durable = self.version(&window.stream);
        let (stream, floor) = (&window.stream, window.floor);
        ensure(version <= durable, || {
            format!("{stream} is shown at version {version}, but {durable} is durable")
        })?;
        ensure(floor <= version, || {
            format!("{stream} is shown at version {version}, but it was at {floor} already")
        })?;
        self.show(&window.stream, version);
        Ok(())
    }

    fn show(&mut self, stream: &StreamId, version: u64) {
        let stream = self.streams.entry(stream.clone()).or_default();
        stream.shown = stream.shown.max(version);
    }

    /// Checks what a preview says.
    pub(crate) fn previewed(
        &mut self,
        window: &Window,
        request: &Request,
        answer: &Result<Preview, ExecuteError>,
        troubles: &Troubles,
    ) -> Checked {
        let key = (request.stream.clone(), request.command_id.clone());
        let instants = self.instants_from(request.now);
        let Window { stream, floor, catalogue_floor, .. } = window;
        let (command, actor) = (&request.command, &request.actor);
        let case = Case { stream, command, actor, catalogue_floor: *catalogue_floor };
        match answer {
            Ok(Preview { version, events, customer, .. }) => {
                self.check_version(window, *version)?;
                let state = self.streams.get(&window.stream).and_then(|s| s.state(*version));
                let after = events.iter().fold(state.cloned(), evolve);
                ensure(*customer == after, || "a preview's state is not what follows".to_owned())?;
                let is_done = self.commands.get(&key).is_some_and(|sent| sent.outcome.is_some());
                let is_decided = (events.is_empty() && is_done)
                    || instants.iter().any(|now| {
                        self.decide(&case, *version, *now).contains(&Ok(events.clone()))
                    });
                ensure(is_decided, || "a preview is not what the rules say".to_owned())
            }
            Err(ExecuteError::Refused { refusal, hit: true }) => {
                let known = self.streams.get(&window.stream);
                let mut journal = known.into_iter().flat_map(|stream| &stream.journal);
                let is_kept = journal.any(|(sealed, kept)| {
                    sealed.commit().command_id == request.command_id
                        && kept.as_ref() == Some(&**refusal)
                });
                ensure(is_kept, || "a preview repeats what was never answered".to_owned())
            }
            Err(ExecuteError::Refused { refusal, hit: false }) => {
                let versions = *floor..=self.version(stream);
                let is_justified = self.is_refused(&case, versions, &instants, refusal);
                let code = &refusal.code;
                ensure(is_justified, || format!("a preview's {code} is not what the rules say"))
            }
            Err(ExecuteError::VersionDiffers { expected, actual }) => {
                self.check_differs(window, request, *expected, *actual)
            }
            Err(ExecuteError::CommandIdReused { .. }) => {
                let sent = self.commands.get(&key);
                let is_used = sent.is_some_and(|sent| sent.outcome.is_some());
                ensure(is_used, || format!("{} is not used for anything", request.command_id))
            }
            Err(err) => check_trouble(err, troubles),
        }
    }

    /// Checks a customer that is shown.
    pub(crate) fn looked(
        &mut self,
        window: &Window,
        answer: &Result<Option<(Customer, u64)>, ExecuteError>,
        troubles: &Troubles,
    ) -> Checked {
        match answer {
            Ok(None) => self.check_version(window, 0),
            Ok(Some((customer, version))) => {
                self.check_version(window, *version)?;
                let state = self.streams.get(&window.stream).and_then(|s| s.state(*version));
                ensure(state == Some(customer), || {
                    format!("{} is not what its events make at {version}", window.stream)
                })
            }
            Err(err) => check_trouble(err, troubles),
        }
    }

    /// Checks a history that is shown.
    pub(crate) fn told(
        &mut self,
        window: &Window,
        answer: &Result<Vec<Recorded>, ExecuteError>,
        troubles: &Troubles,
    ) -> Checked {
        match answer {
            Ok(history) => {
                self.check_version(window, count(history.len()))?;
                let known = self.history(&window.stream).get(..history.len());
                ensure(known == Some(history), || "a history is not what happened".to_owned())
            }
            Err(err) => check_trouble(err, troubles),
        }
    }

    /// Checks the refusals that are shown.
    pub(crate) fn told_refusals(
        &mut self,
        window: &Window,
        answer: &Result<Vec<(SealedCommit, Option<Refusal>)>, ExecuteError>,
        troubles: &Troubles,
    ) -> Checked {
        match answer {
            Ok(entries) => {
                let floor = window.journal_floor;
                ensure(floor <= entries.len(), || "a refusal is missing".to_owned())?;
                let stream = self.streams.entry(window.stream.clone()).or_default();
                stream.journal_shown = stream.journal_shown.max(entries.len());
                let known = stream.journal.get(..entries.len());
                ensure(known == Some(entries), || "refusals are not what was refused".to_owned())
            }
            Err(err) => check_trouble(err, troubles),
        }
    }
}

fn changed(ticket: &Ticket) -> String {
    format!("{} gets another answer than it has", ticket.key.1)
}

/// Errors are right only when there is a reason for them.
fn check_trouble(err: &ExecuteError, troubles: &Troubles) -> Checked {
    let is_right = match err {
        ExecuteError::Busy => true,
        ExecuteError::Store(err) => is_right(err, troubles),
        ExecuteError::Refused { .. }
        | ExecuteError::CommandIdReused { .. }
        | ExecuteError::VersionDiffers { .. }
        | ExecuteError::Codec(_)
        | ExecuteError::Commit(_)
        | ExecuteError::Json(_)
        | ExecuteError::Amount(_) => false,
    };
    ensure(is_right, || format!("there is no reason for: {err:?}"))
}

fn is_right(err: &StoreError, troubles: &Troubles) -> bool {
    match err {
        StoreError::Overloaded => true,
        StoreError::Unknown(_) | StoreError::Poisoned => troubles.contains(&Trouble::Broken),
        StoreError::Full(_) => troubles.contains(&Trouble::Full),
        StoreError::Closed => troubles.contains(&Trouble::Closed),
        StoreError::Io { .. } => troubles.contains(&Trouble::Unreadable),
        StoreError::Conflict { .. }
        | StoreError::Exhausted(_)
        | StoreError::AppendOnly
        | StoreError::NotNext(_)
        | StoreError::Damaged { .. }
        | StoreError::Shortened { .. }
        | StoreError::Foreign { .. }
        | StoreError::Locked(_) => false,
    }
}
