//! The command path: load, decide, append, and again when another writer was faster.
//!
//! Commands of one customer are decided one after the other, each on the state that those before it
//! will have made, while these are still on their way to the disk. Nothing is answered before it is
//! durable, with everything it was decided on: neither a commit nor a refusal nor a read.

mod account;
mod accounts;
mod journal;
mod outcome;
mod request;
mod streams;

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use chrono::{DateTime, Utc};
use eventually::store::Expected;
use futures::TryStreamExt;
use tokio::sync::{MutexGuard, Semaphore, TryAcquireError};

use self::account::{Account, Kept};
pub use self::accounts::CacheStats;
use self::accounts::{Accounts, Slot};
pub use self::journal::refusal_of;
pub use self::outcome::{ExecuteError, Outcome, Preview};
pub use self::request::Request;
use self::request::{Asked, effective_at, encode_all, seal};
use self::streams::{holds, last_recorded_at, open_stream, read_one, read_sealed, read_stream};
use crate::billing::{Books, Draw, Drawn, decide_billing, learn_billing};
use crate::calendar::to_millis;
use crate::catalogue::Catalogues;
use crate::commit::{EncodedEvent, SealedCommit};
use crate::customer::{
    Command, Context, Customer, Event, Profile, Warning, advice, decide, decide_catalogue, evolve,
    learn, warnings,
};
use crate::ids::{CustomerId, StreamId};
use crate::record::{Recorded, Refusal, charge_lines};
use crate::snapshot::{Snapshot, Snapshots};
use crate::store::{CommitLog, Head, StoreError};

/// Decisions made before a busy stream is reported to the caller. Commands of one customer queue up
/// within a process, so more than one attempt means that another process writes, or that a commit
/// before this one was not stored.
pub const ATTEMPTS_MAX: u32 = 3;

/// Commits after which a customer is worth a snapshot: it is folded in less than a millisecond without.
const SNAPSHOT_COMMITS: u64 = 500;

/// What a ledger may use.
#[derive(Clone, Debug)]
pub struct LedgerOptions {
    /// What the customers kept in memory may take up, in bytes.
    pub cache_bytes: usize,
    /// Commands that may be under way; more are refused with [`StoreError::Overloaded`]. As many again
    /// may be under way of those that wait their turn.
    pub in_flight_max: usize,
    /// Where customers with long histories are kept for the next time.
    pub snapshots: Option<Arc<Snapshots>>,
}

impl Default for LedgerOptions {
    /// 128 MiB of customers, 4,096 commands under way, and no snapshots.
    fn default() -> Self {
        Self { cache_bytes: 128 * 1024 * 1024, in_flight_max: 4096, snapshots: None }
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
        self.catalogues = recorded.events.iter().fold(catalogues, learn);
    }
}

/// What was recorded about bills so far, and the version of its stream.
#[derive(Debug, Default)]
struct Billed {
    version: u64,
    books: Arc<Books>,
}

impl Billed {
    /// Adds what a commit of the stream of billing brought, once and in order.
    fn add(&mut self, recorded: &Recorded) {
        let commit = recorded.commit();
        if commit.version != self.version.saturating_add(1) {
            return;
        }
        self.version = commit.version;
        let learn = |books, event| learn_billing(books, commit.recorded_at, event);
        self.books = Arc::new(recorded.events.iter().fold((*self.books).clone(), learn));
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
    billed: RwLock<Billed>,
    /// The last instant at which anything was recorded; time never runs behind it.
    latest: Mutex<Option<DateTime<Utc>>>,
    accounts: Accounts,
    snapshots: Option<Arc<Snapshots>>,
    /// For the commands under way that are refused when there are too many, and for those that wait:
    /// apart, so that bulk does not crowd others out.
    places: Semaphore,
    turns: Semaphore,
}

/// What a command leads to.
enum Decision {
    Events(Vec<Event>),
    AlreadySo,
    Refused(Box<Refusal>),
}

impl<L: CommitLog> Ledger<L> {
    /// Opens the ledger on a log and a journal.
    ///
    /// # Errors
    ///
    /// [`ExecuteError`] when the catalogue's stream cannot be read.
    pub async fn open(log: L, journal: L, options: LedgerOptions) -> Result<Self, ExecuteError> {
        let latest = last_recorded_at(&log).await?.max(last_recorded_at(&journal).await?);
        let ledger = Self {
            log,
            journal,
            imported: RwLock::default(),
            billed: RwLock::default(),
            latest: Mutex::new(latest),
            accounts: Accounts::new(options.cache_bytes),
            snapshots: options.snapshots,
            places: Semaphore::new(options.in_flight_max),
            turns: Semaphore::new(options.in_flight_max),
        };
        ledger.load_data().await?;
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

    /// Everything that was recorded about bills so far.
    #[must_use]
    pub fn books(&self) -> Arc<Books> {
        Arc::clone(&self.billed.read().unwrap_or_else(PoisonError::into_inner).books)
    }

    /// The catalogues imported so far.
    #[must_use]
    pub fn catalogues(&self) -> Catalogues {
        self.imported.read().unwrap_or_else(PoisonError::into_inner).catalogues.clone()
    }

    /// How well the customers in memory serve.
    #[must_use]
    pub fn cache_stats(&self) -> CacheStats {
        self.accounts.stats()
    }

    /// Carries a command out, once, whatever happens: the same id with the same command gets the
    /// first answer again. Refuses when too many commands are under way.
    ///
    /// The future is to be polled until it ends, or dropped: others of the same customer wait for it.
    ///
    /// # Errors
    ///
    /// See [`ExecuteError`]. Only [`StoreError::Unknown`] leaves open whether it was carried out;
    /// send the same command with the same id again to find out.
    pub async fn execute(&self, request: Request) -> Result<Outcome, ExecuteError> {
        let _place = self.places.try_acquire().map_err(|err| match err {
            TryAcquireError::NoPermits => StoreError::Overloaded,
            TryAcquireError::Closed => StoreError::Closed,
        })?;
        self.carry_out(Asked::new(request)?, ()).await
    }

    /// Carries a command out as [`execute`](Self::execute) does, but waits while too many are under way.
    ///
    /// Drops `turn` as soon as the customer's next command may follow, which is before the disk has this
    /// one.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute).
    pub async fn execute_in_turn<T: Send>(
        &self,
        request: Request,
        turn: T,
    ) -> Result<Outcome, ExecuteError> {
        let _place = self.turns.acquire().await.map_err(|_| StoreError::Closed)?;
        self.carry_out(Asked::new(request)?, turn).await
    }

    async fn carry_out<T: Send>(&self, asked: Asked, turn: T) -> Result<Outcome, ExecuteError> {
        let mut turn = Some(turn);
        let stream = &asked.request.stream;
        let slot = self.accounts.slot(stream);
        for _ in 0..ATTEMPTS_MAX {
            let mut account = self.loaded(stream, &slot).await?;
            let kept = account.answers.find(&asked.request.command_id);
            if !kept.is_empty() {
                if !account.settled().await {
                    continue;
                }
                if let Some(outcome) = self.answer_again(&asked, &account, &kept).await? {
                    return Ok(outcome);
                }
            }
            self.can_grow()?;
            let differs = expect_version(&asked.request, &account);
            if differs.is_err() && !account.settled().await {
                continue;
            }
            differs?;
            // A catalogue, or a bill, is decided on what all can see already.
            if stream.customer().is_none() && !account.settled().await {
                continue;
            }
            let drawn = self.draw(&asked.request).await?;
            let now = account.now(self.now(asked.request.now));
            let done = match self.decide(&asked.request, &account, now, drawn.as_ref()) {
                Decision::Events(events) => {
                    self.append(&asked, account, turn.take(), now, events).await
                }
                Decision::AlreadySo | Decision::Refused(_) if !account.settled().await => continue,
                Decision::AlreadySo => {
                    let version = account.head.version;
                    let entry = journal::already_so(version)?;
                    let kept = self.keep(&asked, &mut account, now, entry).await;
                    kept.map(|()| Outcome { version, recorded: None, hit: false })
                }
                Decision::Refused(refusal) => {
                    let entry = journal::refused(&refusal)?;
                    let kept = self.keep(&asked, &mut account, now, entry).await;
                    kept.and(Err(ExecuteError::Refused { refusal, hit: false }))
                }
            };
            match done {
                // Another process may have taken the place of a commit on which this one was decided.
                Err(ExecuteError::Store(StoreError::Conflict { .. } | StoreError::NotNext(_))) => {}
                done => return done,
            }
        }
        Err(ExecuteError::Busy)
    }

    /// Appends what a command leads to. The next command of the stream need not wait for the disk.
    async fn append<T: Send>(
        &self,
        asked: &Asked,
        mut account: MutexGuard<'_, Account>,
        turn: Option<T>,
        now: DateTime<Utc>,
        events: Vec<Event>,
    ) -> Result<Outcome, ExecuteError> {
        let sealed = seal(asked, account.head, now, encode_all(&events)?)?;
        let appending = self.log.append_commit(sealed.clone());
        let ticket = account.add_pending(&sealed, &events);
        self.weigh(&asked.request.stream, &mut account);
        drop((account, turn));
        let appended = appending.await?;
        let recorded = Recorded { position: appended.position, sealed, events };
        self.learn(&recorded);
        ticket.settle();
        Ok(Outcome { version: appended.version, recorded: Some(recorded), hit: false })
    }

    /// Returns what a command would do, and records nothing.
    ///
    /// # Errors
    ///
    /// See [`ExecuteError`]; nothing has changed in any case.
    pub async fn preview(&self, request: Request) -> Result<Preview, ExecuteError> {
        let asked = Asked::new(request)?;
        let slot = self.accounts.slot(&asked.request.stream);
        let account = self.settled(&asked.request.stream, &slot).await?;
        let now = account.now(self.now(asked.request.now));
        let kept = account.answers.find(&asked.request.command_id);
        // What was done under this id is not done again.
        let events = if self.answer_again(&asked, &account, &kept).await?.is_some() {
            Vec::new()
        } else {
            expect_version(&asked.request, &account)?;
            let drawn = self.draw(&asked.request).await?;
            match self.decide(&asked.request, &account, now, drawn.as_ref()) {
                Decision::Events(events) => events,
                Decision::AlreadySo => Vec::new(),
                Decision::Refused(refusal) => {
                    return Err(ExecuteError::Refused { refusal, hit: false });
                }
            }
        };
        let sealed = seal(&asked, account.head, now, encode_all(&events)?)?;
        Ok(Preview {
            version: account.head.version,
            charge_lines: charge_lines(sealed.commit(), &events)?,
            customer: events.iter().fold(account.customer.clone(), evolve),
            warnings: self.warnings(&asked.request, &account, now, &events),
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
        let slot = self.accounts.slot(&stream);
        let account = self.settled(&stream, &slot).await?;
        Ok(account.customer.clone().map(|customer| (customer, account.head.version)))
    }

    /// Returns who a customer is; `None` when it was never registered.
    ///
    /// For what is done before a command: its registration may still be on its way to the disk.
    ///
    /// # Errors
    ///
    /// [`ExecuteError`] when its stream cannot be read.
    pub async fn profile(&self, id: &CustomerId) -> Result<Option<Profile>, ExecuteError> {
        let stream = StreamId::Customer(id.clone());
        let slot = self.accounts.slot(&stream);
        let account = self.loaded(&stream, &slot).await?;
        Ok(account.customer.as_ref().map(|customer| customer.profile.clone()))
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

    /// Whether both logs can grow.
    ///
    /// While one cannot, nobody knows what it will hold after a restart: perhaps the outcome of a command
    /// that would be decided once more now, and answered from the other log.
    fn can_grow(&self) -> Result<(), StoreError> {
        self.log.can_grow()?;
        self.journal.can_grow()
    }

    /// Locks an account whose state includes all that is durable.
    async fn loaded<'a>(
        &self,
        stream: &StreamId,
        slot: &'a Slot,
    ) -> Result<MutexGuard<'a, Account>, ExecuteError> {
        let mut account = slot.lock().await;
        self.accounts.count(account.is_loaded);
        if account.pipeline.is_broken() || !self.load(stream, &mut account).await? {
            self.await_queued(stream).await?;
            *account = Account::new();
            if !self.load(stream, &mut account).await? {
                return Err(StoreError::NotNext("it does not link to the commit before it").into());
            }
        }
        Ok(account)
    }

    /// Locks an account whose state is durable.
    async fn settled<'a>(
        &self,
        stream: &StreamId,
        slot: &'a Slot,
    ) -> Result<MutexGuard<'a, Account>, ExecuteError> {
        for _ in 0..ATTEMPTS_MAX {
            let account = self.loaded(stream, slot).await?;
            if account.settled().await {
                return Ok(account);
            }
        }
        Err(ExecuteError::Busy)
    }

    /// Waits until what was appended to a stream is durable or refused, also when its caller went away:
    /// an append of nothing is answered, or refused, after all that came before it.
    async fn await_queued(&self, stream: &StreamId) -> Result<(), StoreError> {
        for log in [&self.log, &self.journal] {
            match log.clone().append(stream.clone(), Expected::Any, Vec::new()).await {
                Ok(_)
                | Err(
                    StoreError::Full(_)
                    | StoreError::Poisoned
                    | StoreError::Closed
                    | StoreError::Unknown(_),
                ) => {}
                Err(err) => return Err(err),
            }
        }
        Ok(())
    }

    /// Adds to `account` what has been appended without it; false when another process has taken the
    /// place of what was decided here.
    async fn load(&self, stream: &StreamId, account: &mut Account) -> Result<bool, ExecuteError> {
        if !account.is_loaded
            && let Some(snapshot) = self.snapshot(stream).await?
        {
            account.restore(snapshot);
        }
        let head = self.log.head(stream);
        if account.has_lost(head) {
            return Ok(false);
        }
        if account.head.version < head.version {
            let next = account.head.version.saturating_add(1);
            let mut stored = open_stream(&self.log, stream, next).await?;
            while let Some(stored) = stored.try_next().await? {
                let recorded = Recorded::read(stored)?;
                if recorded.commit().previous != account.head.hash {
                    return Ok(false);
                }
                self.learn(&recorded);
                account.add(&recorded.sealed, &recorded.events);
            }
        }
        if account.journal_head.version < self.journal.head(stream).version {
            let next = account.journal_head.version.saturating_add(1);
            let mut stored = open_stream(&self.journal, stream, next).await?;
            while let Some(stored) = stored.try_next().await? {
                account.add_journal(&stored.take())?;
            }
        }
        account.is_loaded = true;
        self.weigh(stream, account);
        self.keep_snapshot(stream, account);
        self.load_data().await?;
        Ok(true)
    }

    /// The snapshot of a customer, if there is one and both logs have what it was made of.
    async fn snapshot(&self, stream: &StreamId) -> Result<Option<Snapshot>, ExecuteError> {
        let (Some(snapshots), Some(_)) = (&self.snapshots, stream.customer()) else {
            return Ok(None);
        };
        if self.log.head(stream).version < SNAPSHOT_COMMITS {
            return Ok(None);
        }
        let Some(snapshot) = snapshots.load_soon(stream).await else { return Ok(None) };
        let tips = [
            (&self.log, Head { version: snapshot.version, hash: snapshot.hash }),
            (
                &self.journal,
                Head { version: snapshot.journal_version, hash: snapshot.journal_hash },
            ),
        ];
        for (log, tip) in tips {
            if !holds(log, stream, tip).await? {
                tracing::warn!(%stream, version = tip.version, "a snapshot is of another history");
                return Ok(None);
            }
        }
        Ok(Some(snapshot))
    }

    /// Keeps a customer for the next time, now and then, when all that is known of it is durable.
    fn keep_snapshot(&self, stream: &StreamId, account: &mut Account) {
        if let (Some(snapshots), Some(_)) = (&self.snapshots, stream.customer())
            && account.is_worth_a_snapshot(SNAPSHOT_COMMITS)
            && account.is_settled()
        {
            snapshots.store(stream, &account.take_snapshot());
        }
    }

    /// Notes what an account takes up; others may have to go.
    fn weigh(&self, stream: &StreamId, account: &mut Account) {
        if let Some(bytes) = account.estimate() {
            self.accounts.weigh(stream, bytes);
        }
    }

    /// Learns what was imported without us seeing it: by another process, or by a caller who went away
    /// before the answer.
    async fn load_data(&self) -> Result<(), ExecuteError> {
        let catalogue = self.imported.read().unwrap_or_else(PoisonError::into_inner).version;
        let billing = self.billed.read().unwrap_or_else(PoisonError::into_inner).version;
        for (stream, known) in [(StreamId::Catalogue, catalogue), (StreamId::Billing, billing)] {
            if self.log.head(&stream).version <= known {
                continue;
            }
            let next = known.saturating_add(1);
            // One by one: a price list is large.
            let mut stored = open_stream(&self.log, &stream, next).await?;
            while let Some(stored) = stored.try_next().await? {
                self.learn(&Recorded::read(stored)?);
            }
        }
        Ok(())
    }

    /// The answer that an earlier command with the same id got, if it is at one of the places `kept`.
    async fn answer_again(
        &self,
        asked: &Asked,
        account: &Account,
        kept: &[Kept],
    ) -> Result<Option<Outcome>, ExecuteError> {
        for kept in kept {
            let (log, version) = match *kept {
                Kept::Log(version) => (&self.log, version),
                Kept::Journal(version) => (&self.journal, version),
            };
            let stored = read_one(log, &asked.request.stream, version).await?;
            let is_it =
                |sealed: &SealedCommit| sealed.commit().command_id == asked.request.command_id;
            let Some((position, sealed)) = stored.filter(|(_, sealed)| is_it(sealed)) else {
                continue;
            };
            asked.expect_same(sealed.commit())?;
            let (version, recorded) = match kept {
                Kept::Log(version) => (*version, Some(Recorded::open(position, sealed)?)),
                Kept::Journal(_) => {
                    let commit = sealed.commit();
                    if let Some(refusal) = refusal_of(commit)? {
                        return Err(ExecuteError::Refused {
                            refusal: Box::new(refusal),
                            hit: true,
                        });
                    }
                    let then = journal::version_of(commit)?;
                    (then.unwrap_or(account.head.version), None)
                }
            };
            return Ok(Some(Outcome { version, recorded, hit: true }));
        }
        Ok(None)
    }

    /// What should be said about `events` before they happen.
    fn warnings(
        &self,
        request: &Request,
        account: &Account,
        now: DateTime<Utc>,
        events: &[Event],
    ) -> Vec<Warning> {
        let mut all = warnings(events);
        if let StreamId::Customer(customer) = &request.stream {
            let before = account.customer.as_ref();
            all.extend(
                self.in_context(request, customer, now, |context| advice(context, before, events)),
            );
        }
        all
    }

    fn in_context<T>(
        &self,
        request: &Request,
        customer: &CustomerId,
        now: DateTime<Utc>,
        ask: impl FnOnce(&Context<'_>) -> T,
    ) -> T {
        let imported = self.imported.read().unwrap_or_else(PoisonError::into_inner);
        let effective_at = effective_at(&request.command, now);
        let catalogue = imported.catalogues.in_force(effective_at).map(|c| &**c);
        let actor = &request.actor;
        ask(&Context { customer, now, effective_at, actor, catalogue })
    }

    /// What there is to bill in the period that is to be closed: read from the whole log, unless it was
    /// closed before.
    async fn draw(&self, request: &Request) -> Result<Option<Drawn>, ExecuteError> {
        let Command::ClosePeriod(close) = &request.command else { return Ok(None) };
        let books = self.books();
        if books.closed_period(close.period).is_some() {
            return Ok(None);
        }
        let mut draw = Draw::new(&books, close.period);
        let mut stored = self.log.read_from(1);
        while let Some(stored) = stored.try_next().await? {
            draw.add(&Recorded::read(stored)?)?;
        }
        Ok(Some(draw.finish()?))
    }

    fn decide(
        &self,
        request: &Request,
        account: &Account,
        now: DateTime<Utc>,
        drawn: Option<&Drawn>,
    ) -> Decision {
        let decided = match &request.stream {
            StreamId::Catalogue => {
                let imported = self.imported.read().unwrap_or_else(PoisonError::into_inner);
                decide_catalogue(&imported.catalogues, &request.command)
            }
            StreamId::Billing => decide_billing(&self.books(), drawn, now, &request.command),
            StreamId::Customer(customer) => self.in_context(request, customer, now, |context| {
                decide(context, account.customer.as_ref(), &request.command)
            }),
        };
        match decided {
            Ok(events) if events.is_empty() => Decision::AlreadySo,
            Ok(events) => Decision::Events(events),
            Err(rejection) => Decision::Refused(Box::new(Refusal::from(&rejection))),
        }
    }

    /// Keeps in the journal that a command changed nothing.
    ///
    /// Before a customer is registered nobody may read its journal, so nothing is kept there.
    async fn keep(
        &self,
        asked: &Asked,
        account: &mut Account,
        now: DateTime<Utc>,
        entry: EncodedEvent,
    ) -> Result<(), ExecuteError> {
        if asked.request.stream.customer().is_some() && account.customer.is_none() {
            return Ok(());
        }
        let sealed = seal(asked, account.journal_head, now, vec![entry])?;
        let ticket = account.pipeline.enter(None);
        self.journal.append_commit(sealed.clone()).await?;
        ticket.settle();
        self.recorded(now);
        account.add_journal(&sealed)?;
        self.weigh(&asked.request.stream, account);
        Ok(())
    }

    fn learn(&self, recorded: &Recorded) {
        self.recorded(recorded.commit().recorded_at);
        match &recorded.commit().stream {
            StreamId::Catalogue => {
                self.imported.write().unwrap_or_else(PoisonError::into_inner).add(recorded);
            }
            StreamId::Billing => {
                self.billed.write().unwrap_or_else(PoisonError::into_inner).add(recorded);
            }
            StreamId::Customer(_) => {}
        }
    }
}

fn expect_version(request: &Request, account: &Account) -> Result<(), ExecuteError> {
    let actual = account.head.version;
    match request.expected_version {
        Some(expected) if expected != actual => {
            Err(ExecuteError::VersionDiffers { expected, actual })
        }
        Some(_) | None => Ok(()),
    }
}
