//! The command path: load, decide, append, and again when another writer was faster.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use chrono::{DateTime, Utc};
use eventually::store::{EventStream, Select};
use futures::TryStreamExt;
use lru::LruCache;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::calendar::to_millis;
use crate::catalogue::Catalogues;
use crate::charges::ChargeLine;
use crate::codec::{CODEC, CodecError, encode};
use crate::commit::{Commit, CommitError, EncodedEvent, Hash, SealedCommit};
use crate::customer::{
    Command, Context, Customer, Event, Rejection, Warning, decide, decide_catalogue, evolve,
    warnings,
};
use crate::ids::{Actor, CommandId, CustomerId, Reason, Role, StreamId};
use crate::money::MoneyError;
use crate::record::{Recorded, Refusal, charge_lines};
use crate::store::{Appended, CommitLog, StoreError};

/// Appends tried before a busy stream is reported to the caller. Commands of one customer queue up
/// within a process, so more than one attempt means that another process writes.
pub const ATTEMPTS_MAX: u32 = 3;

/// Name under which a refusal is stored in the journal.
const REFUSED: &str = "CommandRefused";

/// Name under which it is stored that everything was already as asked.
const ALREADY_SO: &str = "AlreadySo";

/// A command with everything that is recorded about it.
#[derive(Clone, Debug)]
pub struct Request {
    /// The customer's stream, or the catalogue's.
    pub stream: StreamId,
    /// What is asked.
    pub command: Command,
    /// The caller's id of this command, kept across retries.
    pub command_id: CommandId,
    /// Who asks.
    pub actor: Actor,
    /// Why.
    pub reason: Reason,
    /// The instant it is asked; cut to milliseconds.
    pub now: DateTime<Utc>,
    /// Ties together what one business transaction causes.
    pub correlation_id: Option<CommandId>,
    /// What caused this command.
    pub causation_id: Option<CommandId>,
    /// The stream's version that the caller has seen; any when `None`.
    pub expected_version: Option<u64>,
}

/// What became of a command that no rule refused.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The stream's version after the command; after the first one if this is a repetition.
    pub version: u64,
    /// What was recorded; `None` when everything was already as asked.
    pub recorded: Option<Recorded>,
    /// Whether this is the answer that an earlier command with the same id got.
    pub hit: bool,
}

/// What a command would do.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The stream's version before the command.
    pub version: u64,
    /// What would happen, in order; empty when everything is already as asked.
    pub events: Vec<Event>,
    /// What it would cost or save.
    pub charge_lines: Vec<ChargeLine>,
    /// The customer afterwards; `None` for the catalogue.
    pub customer: Option<Customer>,
    /// What should be said before it happens.
    pub warnings: Vec<Warning>,
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// A rule said no. Nothing changed; the caller must change the request or wait.
    #[error("{}", refusal.message)]
    Refused {
        /// The rule and the facts.
        refusal: Box<Refusal>,
        /// Whether this is the answer that an earlier command with the same id got.
        hit: bool,
    },
    /// The command id was used for another command. Nothing changed.
    #[error("this command id was used before for a command with another {field}: use a new id")]
    CommandIdReused {
        /// The first field that differs.
        field: String,
    },
    /// The stream is not at the version the caller has seen. Nothing changed.
    #[error("the version is {actual}, not {expected}: read again, then decide again")]
    VersionDiffers {
        /// The caller's version.
        expected: u64,
        /// The stream's version.
        actual: u64,
    },
    /// Other writers kept winning. Nothing changed; the caller may repeat the same request.
    #[error("the customer is busy: send the same command again")]
    Busy,
    /// The store could not do it; [`StoreError::Unknown`] leaves open whether it did.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored commit cannot be read, or a new one cannot be written.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The commit cannot be sealed. Nothing changed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The command or a refusal cannot be written as JSON. Nothing changed.
    #[error("the command cannot be written as JSON")]
    Json(#[from] serde_json::Error),
    /// A charge cannot be computed. Nothing changed.
    #[error(transparent)]
    Amount(#[from] MoneyError),
}

impl From<&Rejection> for Refusal {
    fn from(rejection: &Rejection) -> Self {
        let rule = rejection.rule();
        Self {
            code: rule.code.to_owned(),
            rule: rule.rule.to_owned(),
            source: rule.source.to_owned(),
            message: rejection.to_string(),
            facts: serde_json::to_string(rejection)
                .ok()
                .filter(|facts| facts.starts_with('{'))
                .unwrap_or_else(|| "{}".to_owned()),
            succeeds_at: rejection.succeeds_at(),
            is_transient: rejection.is_transient(),
        }
    }
}

/// What the journal keeps of a command that found everything as it asked.
#[derive(Serialize, Deserialize)]
struct AlreadySo {
    /// The stream's version then.
    version: u64,
}

/// Where the answer to a command id is kept.
#[derive(Clone, Copy, Debug)]
enum Kept {
    Log(u64),
    Journal(u64),
}

/// The end of a stream as it was read.
#[derive(Clone, Copy, Debug)]
struct Tip {
    version: u64,
    hash: Hash,
}

impl Tip {
    const START: Self = Self { version: 0, hash: Hash::ZERO };
}

/// One stream as loaded: its state and the answers already given.
#[derive(Debug)]
struct Account {
    tip: Tip,
    journal_tip: Tip,
    last_recorded_at: Option<DateTime<Utc>>,
    customer: Option<Customer>,
    answers: BTreeMap<CommandId, (Hash, Kept)>,
}

impl Account {
    const fn new() -> Self {
        Self {
            tip: Tip::START,
            journal_tip: Tip::START,
            last_recorded_at: None,
            customer: None,
            answers: BTreeMap::new(),
        }
    }

    fn add(&mut self, recorded: &Recorded) {
        let commit = recorded.commit();
        self.customer = recorded.events.iter().fold(self.customer.take(), evolve);
        self.tip = Tip { version: commit.version, hash: recorded.sealed.hash() };
        self.last_recorded_at = self.last_recorded_at.max(Some(commit.recorded_at));
        let kept = Kept::Log(commit.version);
        self.answers.insert(commit.command_id.clone(), (commit.request_hash, kept));
    }

    /// What time brings about is decided anew until it succeeds: its id is the same every time, and
    /// nobody is there to send it with another one.
    ///
    /// Nor is a refusal final whose rule tells the caller to send the same command again.
    fn add_journal(&mut self, sealed: &SealedCommit) -> Result<(), ExecuteError> {
        let commit = sealed.commit();
        self.journal_tip = Tip { version: commit.version, hash: sealed.hash() };
        let refusal = refusal_of(commit)?;
        if commit.actor.role == Role::Scheduler || refusal.is_some_and(|r| r.is_transient) {
            return Ok(());
        }
        let kept = Kept::Journal(commit.version);
        self.answers.insert(commit.command_id.clone(), (commit.request_hash, kept));
        Ok(())
    }

    /// The instant of a decision: never before what another process recorded last in this stream.
    fn now(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.last_recorded_at.map_or(now, |last| last.max(now))
    }
}

/// The catalogues imported so far, and the version of their stream that they are from.
#[derive(Debug, Default)]
struct Imported {
    version: u64,
    catalogues: Catalogues,
}

impl Imported {
    /// Adds what a commit of the catalogue's stream brought, once and in order.
    fn add(&mut self, recorded: &Recorded) {
        let version = recorded.commit().version;
        if version != self.version.saturating_add(1) {
            return;
        }
        self.version = version;
        let catalogues = std::mem::take(&mut self.catalogues);
        self.catalogues = recorded.events.iter().fold(catalogues, add_catalogue);
    }
}

/// The ledger: validates commands against what their customer's events made, and appends.
///
/// `log` holds what happened; `journal` holds the commands that changed nothing, so that they are
/// answered the same way again and support can see them.
#[derive(Debug)]
pub struct Ledger<L> {
    log: L,
    journal: L,
    imported: RwLock<Imported>,
    /// The last instant at which anything was recorded; time never runs behind it.
    latest: Mutex<Option<DateTime<Utc>>>,
    accounts: Mutex<LruCache<StreamId, Arc<tokio::sync::Mutex<Account>>>>,
}

impl<L: CommitLog> Ledger<L> {
    /// Opens the ledger on a log and a journal, and keeps up to `accounts_max` customers in memory.
    ///
    /// # Errors
    ///
    /// [`ExecuteError`] when the catalogue's stream cannot be read.
    pub async fn open(
        log: L,
        journal: L,
        accounts_max: NonZeroUsize,
    ) -> Result<Self, ExecuteError> {
        let latest = last_recorded_at(&log).await?.max(last_recorded_at(&journal).await?);
        let ledger = Self {
            log,
            journal,
            imported: RwLock::default(),
            latest: Mutex::new(latest),
            accounts: Mutex::new(LruCache::new(accounts_max)),
        };
        ledger.load_catalogues().await?;
        Ok(ledger)
    }

    /// The log of what happened.
    pub const fn log(&self) -> &L {
        &self.log
    }

    /// The journal of the commands that changed nothing.
    pub const fn journal(&self) -> &L {
        &self.journal
    }

    /// The last instant at which anything was recorded; `None` in an empty ledger.
    #[must_use]
    pub fn latest(&self) -> Option<DateTime<Utc>> {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The instant of a decision: never before anything that was recorded.
    fn now(&self, asked_at: DateTime<Utc>) -> DateTime<Utc> {
        let now = to_millis(asked_at);
        self.latest().map_or(now, |latest| latest.max(now))
    }

    fn recorded(&self, at: DateTime<Utc>) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        *latest = (*latest).max(Some(at));
    }

    /// The catalogues imported so far.
    #[must_use]
    pub fn catalogues(&self) -> Catalogues {
        self.imported.read().unwrap_or_else(PoisonError::into_inner).catalogues.clone()
    }

    /// Carries a command out, once, whatever happens: the same id with the same command gets the
    /// first answer again.
    ///
    /// # Errors
    ///
    /// See [`ExecuteError`]. Only [`StoreError::Unknown`] leaves open whether it was carried out;
    /// send the same command with the same id again to find out.
    pub async fn execute(&self, request: Request) -> Result<Outcome, ExecuteError> {
        let slot = self.slot(&request.stream);
        let mut account = slot.lock().await;
        let json = serde_json::to_vec(&request.command)?;
        for _ in 0..ATTEMPTS_MAX {
            self.load(&request.stream, &mut account).await?;
            if let Some(outcome) = self.answered_before(&request, &json, &account).await? {
                return Ok(outcome);
            }
            expect_version(&request, &account)?;
            let now = account.now(self.now(request.now));
            let events = match self.decide(&request, &account, now) {
                Ok(events) => events,
                Err(rejection) => {
                    let refusal = Refusal::from(&rejection);
                    let entry = journal_event(REFUSED, &refusal)?;
                    match self.keep(&request, &json, &mut account, now, entry).await {
                        Ok(()) => {
                            let refusal = Box::new(refusal);
                            return Err(ExecuteError::Refused { refusal, hit: false });
                        }
                        Err(err) if is_conflict(&err) => continue,
                        Err(err) => return Err(err),
                    }
                }
            };
            if events.is_empty() {
                let version = account.tip.version;
                let entry = journal_event(ALREADY_SO, &AlreadySo { version })?;
                match self.keep(&request, &json, &mut account, now, entry).await {
                    Ok(()) => return Ok(Outcome { version, recorded: None, hit: false }),
                    Err(err) if is_conflict(&err) => continue,
                    Err(err) => return Err(err),
                }
            }
            let sealed = seal(&request, &json, account.tip, now, encode_all(&events)?)?;
            match self.log.append_commit(sealed.clone()).await {
                Ok(Appended { position, .. }) => {
                    let recorded = Recorded { position, sealed, events };
                    self.learn(&recorded);
                    account.add(&recorded);
                    let version = account.tip.version;
                    return Ok(Outcome { version, recorded: Some(recorded), hit: false });
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(err) => return Err(err.into()),
            }
        }
        Err(ExecuteError::Busy)
    }

    /// Returns what a command would do, and records nothing.
    ///
    /// # Errors
    ///
    /// See [`ExecuteError`]; nothing has changed in any case.
    pub async fn preview(&self, request: Request) -> Result<Preview, ExecuteError> {
        let slot = self.slot(&request.stream);
        let mut account = slot.lock().await;
        self.load(&request.stream, &mut account).await?;
        let json = serde_json::to_vec(&request.command)?;
        let now = account.now(self.now(request.now));
        // What was done under this id is not done again.
        let events = if self.answered_before(&request, &json, &account).await?.is_some() {
            Vec::new()
        } else {
            expect_version(&request, &account)?;
            self.decide(&request, &account, now).map_err(|rejection| {
                let refusal = Box::new(Refusal::from(&rejection));
                ExecuteError::Refused { refusal, hit: false }
            })?
        };
        let sealed = seal(&request, &json, account.tip, now, encode_all(&events)?)?;
        Ok(Preview {
            version: account.tip.version,
            charge_lines: charge_lines(sealed.commit(), &events)?,
            customer: events.iter().fold(account.customer.clone(), evolve),
            warnings: warnings(&events),
            events,
        })
    }

    /// Returns a customer as it is now and its version; `None` when it was never registered.
    ///
    /// # Errors
    ///
    /// [`ExecuteError`] when its stream cannot be read.
    pub async fn customer(&self, id: &CustomerId) -> Result<Option<(Customer, u64)>, ExecuteError> {
        let stream = StreamId::Customer(id.clone());
        let slot = self.slot(&stream);
        let mut account = slot.lock().await;
        self.load(&stream, &mut account).await?;
        Ok(account.customer.clone().map(|customer| (customer, account.tip.version)))
    }

    /// Returns everything that happened in a stream, in order.
    ///
    /// # Errors
    ///
    /// [`ExecuteError`] when it cannot be read.
    pub async fn history(&self, stream: &StreamId) -> Result<Vec<Recorded>, ExecuteError> {
        read_stream(&self.log, stream, 1).await
    }

    /// Returns the commands of a stream that changed nothing, in order, each with its refusal;
    /// `None` when everything was already as asked.
    ///
    /// # Errors
    ///
    /// [`ExecuteError`] when the journal cannot be read.
    pub async fn refusals(
        &self,
        stream: &StreamId,
    ) -> Result<Vec<(SealedCommit, Option<Refusal>)>, ExecuteError> {
        let entries = read_sealed(&self.journal, stream, 1).await?;
        entries
            .into_iter()
            .map(|(_, sealed)| Ok((sealed.clone(), refusal_of(sealed.commit())?)))
            .collect()
    }

    fn slot(&self, stream: &StreamId) -> Arc<tokio::sync::Mutex<Account>> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = accounts
            .get_or_insert(stream.clone(), || Arc::new(tokio::sync::Mutex::new(Account::new())));
        Arc::clone(slot)
    }

    /// Adds to `account` what has been appended since it was loaded.
    async fn load(&self, stream: &StreamId, account: &mut Account) -> Result<(), ExecuteError> {
        let next = account.tip.version.saturating_add(1);
        let mut stored = open_stream(&self.log, stream, next).await?;
        while let Some(stored) = stored.try_next().await? {
            let recorded = Recorded::read(stored)?;
            self.learn(&recorded);
            account.add(&recorded);
        }
        let next = account.journal_tip.version.saturating_add(1);
        let mut stored = open_stream(&self.journal, stream, next).await?;
        while let Some(stored) = stored.try_next().await? {
            account.add_journal(&stored.take())?;
        }
        self.load_catalogues().await
    }

    /// Learns what was imported without us seeing it: by another process, or by a caller who went away
    /// before the answer.
    async fn load_catalogues(&self) -> Result<(), ExecuteError> {
        let known = self.imported.read().unwrap_or_else(PoisonError::into_inner).version;
        let next = known.saturating_add(1);
        for recorded in read_stream(&self.log, &StreamId::Catalogue, next).await? {
            self.learn(&recorded);
        }
        Ok(())
    }

    async fn answered_before(
        &self,
        request: &Request,
        json: &[u8],
        account: &Account,
    ) -> Result<Option<Outcome>, ExecuteError> {
        let Some((request_hash, kept)) = account.answers.get(&request.command_id) else {
            return Ok(None);
        };
        let (log, version) = match *kept {
            Kept::Log(version) => (&self.log, version),
            Kept::Journal(version) => (&self.journal, version),
        };
        let Some((position, sealed)) = read_one(log, &request.stream, version).await? else {
            return Ok(None);
        };
        if sealed.commit().actor != request.actor {
            return Err(ExecuteError::CommandIdReused { field: "actor".to_owned() });
        }
        if sealed.commit().reason != request.reason {
            return Err(ExecuteError::CommandIdReused { field: "reason".to_owned() });
        }
        if *request_hash != Hash::of(json) {
            let field = differing_field(&sealed.commit().request, json);
            return Err(ExecuteError::CommandIdReused { field });
        }
        let (version, recorded) = match kept {
            Kept::Log(version) => (*version, Some(Recorded::open(position, sealed)?)),
            Kept::Journal(_) => {
                let commit = sealed.commit();
                if let Some(refusal) = refusal_of(commit)? {
                    return Err(ExecuteError::Refused { refusal: Box::new(refusal), hit: true });
                }
                let then = journal_entry::<AlreadySo>(commit, ALREADY_SO)?;
                (then.map_or(account.tip.version, |then| then.version), None)
            }
        };
        Ok(Some(Outcome { version, recorded, hit: true }))
    }

    fn decide(
        &self,
        request: &Request,
        account: &Account,
        now: DateTime<Utc>,
    ) -> Result<Vec<Event>, Rejection> {
        let imported = self.imported.read().unwrap_or_else(PoisonError::into_inner);
        let StreamId::Customer(customer) = &request.stream else {
            return decide_catalogue(&imported.catalogues, &request.command);
        };
        let catalogue = imported.catalogues.in_force(effective_at(&request.command, now));
        let context =
            Context { customer, now, actor: &request.actor, catalogue: catalogue.map(|c| &**c) };
        decide(&context, account.customer.as_ref(), &request.command)
    }

    /// Keeps in the journal that a command changed nothing.
    ///
    /// Before a customer is registered nobody may read its journal, so nothing is kept there.
    async fn keep(
        &self,
        request: &Request,
        json: &[u8],
        account: &mut Account,
        now: DateTime<Utc>,
        entry: EncodedEvent,
    ) -> Result<(), ExecuteError> {
        if request.stream.customer().is_some() && account.customer.is_none() {
            return Ok(());
        }
        let sealed = seal(request, json, account.journal_tip, now, vec![entry])?;
        self.journal.append_commit(sealed.clone()).await?;
        self.recorded(now);
        account.add_journal(&sealed)
    }

    fn learn(&self, recorded: &Recorded) {
        self.recorded(recorded.commit().recorded_at);
        if recorded.commit().stream == StreamId::Catalogue {
            self.imported.write().unwrap_or_else(PoisonError::into_inner).add(recorded);
        }
    }
}

fn is_conflict(err: &ExecuteError) -> bool {
    matches!(err, ExecuteError::Store(StoreError::Conflict { .. }))
}

fn add_catalogue(catalogues: Catalogues, event: &Event) -> Catalogues {
    let Event::CatalogueImported(e) = event else { return catalogues };
    catalogues.with(e.catalogue.clone())
}

fn expect_version(request: &Request, account: &Account) -> Result<(), ExecuteError> {
    let actual = account.tip.version;
    match request.expected_version {
        Some(expected) if expected != actual => {
            Err(ExecuteError::VersionDiffers { expected, actual })
        }
        Some(_) | None => Ok(()),
    }
}

/// When a command takes effect: time-driven ones at the end of the term they are about, however late
/// they come; all others at once.
fn effective_at(command: &Command, now: DateTime<Utc>) -> DateTime<Utc> {
    command.due_at().map_or(now, |due_at| due_at.min(now))
}

fn encode_all(events: &[Event]) -> Result<Vec<EncodedEvent>, CodecError> {
    events.iter().map(encode).collect()
}

fn seal(
    request: &Request,
    json: &[u8],
    tip: Tip,
    now: DateTime<Utc>,
    events: Vec<EncodedEvent>,
) -> Result<SealedCommit, CommitError> {
    SealedCommit::seal(Commit {
        stream: request.stream.clone(),
        version: tip.version.saturating_add(1),
        previous: tip.hash,
        recorded_at: now,
        effective_at: effective_at(&request.command, now),
        actor: request.actor.clone(),
        command_id: request.command_id.clone(),
        request_hash: Hash::of(json),
        request: json.to_vec(),
        reason: request.reason.clone(),
        correlation_id: request.correlation_id.clone(),
        causation_id: request.causation_id.clone(),
        codec: CODEC.to_owned(),
        events,
    })
}

/// An entry of the journal is JSON: it is read by people, and no state depends on it.
fn journal_event(name: &str, entry: &impl Serialize) -> Result<EncodedEvent, serde_json::Error> {
    Ok(EncodedEvent { name: name.to_owned(), schema: 1, bytes: serde_json::to_vec(entry)? })
}

fn journal_entry<T: DeserializeOwned>(
    commit: &Commit,
    name: &str,
) -> Result<Option<T>, serde_json::Error> {
    let entry = commit.events.iter().find(|event| event.name == name);
    entry.map(|event| serde_json::from_slice(&event.bytes)).transpose()
}

/// The refusal that a commit of the journal holds; `None` when everything was already as asked.
///
/// # Errors
///
/// When the entry is not JSON.
pub fn refusal_of(commit: &Commit) -> Result<Option<Refusal>, serde_json::Error> {
    journal_entry(commit, REFUSED)
}

/// The first field in which two commands differ.
fn differing_field(before: &[u8], now: &[u8]) -> String {
    let (Ok(before), Ok(now)) =
        (serde_json::from_slice::<Value>(before), serde_json::from_slice::<Value>(now))
    else {
        return "content".to_owned();
    };
    let fields = |value: &Value| value.as_object().cloned().unwrap_or_default();
    let (before, now) = (fields(&before), fields(&now));
    let mut names = before.keys().chain(now.keys());
    let differs = |name: &&String| before.get(*name) != now.get(*name);
    let command = "command".to_owned();
    if differs(&&command) {
        return command;
    }
    names.find(differs).cloned().unwrap_or_else(|| "content".to_owned())
}

async fn last_recorded_at<L: CommitLog>(log: &L) -> Result<Option<DateTime<Utc>>, StoreError> {
    let last = log.durable_position();
    if last == 0 {
        return Ok(None);
    }
    let stored = log.read_from(last).try_next().await?;
    Ok(stored.map(|stored| stored.take().commit().recorded_at))
}

async fn read_stream<L: CommitLog>(
    log: &L,
    stream: &StreamId,
    version: u64,
) -> Result<Vec<Recorded>, ExecuteError> {
    let stored = read_sealed(log, stream, version).await?;
    let recorded = stored.into_iter().map(|(position, sealed)| Recorded::open(position, sealed));
    Ok(recorded.collect::<Result<_, _>>()?)
}

async fn open_stream<'a, L: CommitLog>(
    log: &'a L,
    stream: &StreamId,
    version: u64,
) -> Result<EventStream<'a, L>, StoreError> {
    let Ok(from) = u32::try_from(version) else { return Err(StoreError::Exhausted(version)) };
    log.stream(stream.clone(), Select::From(from)).await
}

async fn read_sealed<L: CommitLog>(
    log: &L,
    stream: &StreamId,
    version: u64,
) -> Result<Vec<(u64, SealedCommit)>, StoreError> {
    let stored = open_stream(log, stream, version).await?;
    stored.map_ok(|stored| (u64::from(stored.sequence_number()), stored.take())).try_collect().await
}

async fn read_one<L: CommitLog>(
    log: &L,
    stream: &StreamId,
    version: u64,
) -> Result<Option<(u64, SealedCommit)>, StoreError> {
    let stored = open_stream(log, stream, version).await?.try_next().await?;
    Ok(stored.map(|stored| (u64::from(stored.sequence_number()), stored.take())))
}
