//! A ledger made for one run, in a folder of its own.

use std::fs;
use std::io;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use chrono::{DateTime, Utc};
use ledger_core::catalogue::SEEDS_TOML;
use ledger_core::customer::{Command, ImportCatalogue};
use ledger_core::error::chain;
use ledger_core::ids::{Actor, ActorId, CommandId, IdError, Reason, Role, StreamId};
use ledger_core::ledger::{ExecuteError, Ledger, LedgerOptions, Request};
use ledger_core::store::segment::{SegmentLog, SegmentOptions};
use tempfile::TempDir;

use super::load::{self, Load, REASON};
use super::measure::{self, Amount, Caller, Measured, Tally, bytes_in};
use crate::exit::Failure;
use crate::output::Output;
use crate::source::store;

/// Callers that prepare the customers and fill a log.
const FILLERS: usize = 1024;

/// Where the run's files lie; a temporary folder goes with it.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _temporary: Option<TempDir>,
}

impl Folder {
    /// The folder given, which must be empty or missing, or a temporary one.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] for a folder that holds something.
    pub fn open(given: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = given else {
            let made = tempfile::Builder::new().prefix("replay-tool-bench-").tempdir();
            let made = made.map_err(|err| unusable(&std::env::temp_dir(), &err))?;
            return Ok(Self { path: made.path().to_owned(), _temporary: Some(made) });
        };
        fs::create_dir_all(path).map_err(|err| unusable(path, &err))?;
        if fs::read_dir(path).map_err(|err| unusable(path, &err))?.next().is_some() {
            let path = path.display();
            let message = format!("{path} is not empty: name a new folder with --folder");
            return Err(Failure::Usage(message));
        }
        Ok(Self { path: path.to_owned(), _temporary: None })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

pub(crate) fn unusable(path: &Path, err: &io::Error) -> Failure {
    Failure::Source(format!("{} cannot be used: {err}", path.display()))
}

/// A ledger with the load's customers.
#[derive(Debug)]
pub struct World {
    /// The ledger.
    pub ledger: Arc<Ledger<SegmentLog>>,
    load: Arc<Load>,
    next: Arc<AtomicU64>,
    dirs: [PathBuf; 2],
}

impl World {
    /// Opens a new ledger in `folder` and prepares its customers.
    ///
    /// # Errors
    ///
    /// [`Failure`] when the disk does not do its part.
    pub async fn open(
        folder: &Folder,
        customers: NonZeroU32,
        output: &mut Output<'_>,
    ) -> Result<Self, Failure> {
        let dirs = ["log", "journal"].map(|name| folder.path().join(name));
        let [log, journal] = &dirs;
        let log = open_log(log).await?;
        let journal = open_log(journal).await?;
        let ledger = Ledger::open(log, journal, LedgerOptions::default())
            .await
            .map_err(|err| failed(&err))?;
        let world = Self {
            ledger: Arc::new(ledger),
            load: Arc::new(Load::new(customers)),
            next: Arc::new(AtomicU64::new(0)),
            dirs,
        };
        world.prepare(output).await?;
        Ok(world)
    }

    async fn prepare(&self, output: &mut Output<'_>) -> Result<(), Failure> {
        let catalogue = toml::from_str(SEEDS_TOML)
            .map_err(|err| Failure::Source(format!("the catalogue cannot be read: {err}")))?;
        let import = Command::ImportCatalogue(ImportCatalogue { catalogue });
        let import = request(StreamId::Catalogue, import, "bench-import".to_owned());
        execute(&self.ledger, import?).await?;
        let ledger = &self.ledger;
        let preparer = || Preparer { ledger: Arc::clone(ledger) };
        let callers: Vec<_> = std::iter::repeat_with(preparer).take(FILLERS).collect();
        let customers = u64::try_from(self.load.customers()).unwrap_or(u64::MAX);
        let amount = Amount::Commands(customers);
        let next = Arc::new(AtomicU64::new(0));
        measure::run(callers, amount, next, "preparing customers", output).await?;
        Ok(())
    }

    /// Lets so many callers ask, each one thing after the other.
    ///
    /// # Errors
    ///
    /// [`Failure`] when a command fails for another reason than a rule.
    pub async fn run(
        &self,
        callers: usize,
        amount: Amount,
        output: &mut Output<'_>,
    ) -> Result<Measured, Failure> {
        let asker = || Asker { ledger: Arc::clone(&self.ledger), load: Arc::clone(&self.load) };
        let askers: Vec<_> = std::iter::repeat_with(asker).take(callers).collect();
        let what = format!("{callers} callers");
        measure::run(askers, amount, Arc::clone(&self.next), &what, output).await
    }

    /// Asks until the log holds so many commits.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub async fn fill(&self, commits: u64, output: &mut Output<'_>) -> Result<(), Failure> {
        loop {
            let missing = commits.saturating_sub(self.commits().0);
            if missing == 0 {
                return Ok(());
            }
            self.run(FILLERS, Amount::Commands(missing), output).await?;
        }
    }

    /// Commits in the log and in the journal.
    #[must_use]
    pub fn commits(&self) -> (u64, u64) {
        use ledger_core::store::CommitLog;
        (self.ledger.log().durable_position(), self.ledger.journal().durable_position())
    }

    /// Groups of commits synced so far, in log and journal.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.ledger.log().stats().syncs + self.ledger.journal().stats().syncs
    }

    /// Bytes of log and journal on disk.
    ///
    /// # Errors
    ///
    /// [`Failure::Source`] when the folder cannot be read.
    pub fn bytes(&self) -> Result<u64, Failure> {
        let sizes = self.dirs.iter().map(|dir| bytes_in(dir).map_err(|err| unusable(dir, &err)));
        sizes.sum()
    }

    /// Closes log and journal.
    ///
    /// # Errors
    ///
    /// [`Failure`] when they cannot be closed.
    pub fn close(&self) -> Result<(), Failure> {
        self.ledger.log().close().map_err(|err| store(&err))?;
        self.ledger.journal().close().map_err(|err| store(&err))
    }
}

pub(super) async fn open_log(dir: &Path) -> Result<SegmentLog, Failure> {
    let dir = dir.to_owned();
    let open = move || SegmentLog::open(&dir, SegmentOptions::default());
    let opened = tokio::task::spawn_blocking(open).await;
    opened.map_err(|err| Failure::Source(err.to_string()))?.map_err(|err| store(&err))
}

/// Registers customers and buys their first subscription.
struct Preparer {
    ledger: Arc<Ledger<SegmentLog>>,
}

impl Caller for Preparer {
    async fn ask(&mut self, first: u64) -> Result<Tally, Failure> {
        let index = usize::try_from(first).map_err(|err| Failure::Source(err.to_string()))?;
        let customer = load::customer(index)?;
        let mut tally = Tally::default();
        for (id, command) in load::preparation()? {
            let stream = StreamId::Customer(customer.clone());
            let asked = request(stream, command, id.to_owned())?;
            tally.done += execute(&self.ledger, asked).await?.done;
        }
        Ok(tally)
    }

    fn step(&self) -> u64 {
        1
    }
}

/// Asks for what the load says.
struct Asker {
    ledger: Arc<Ledger<SegmentLog>>,
    load: Arc<Load>,
}

impl Caller for Asker {
    async fn ask(&mut self, first: u64) -> Result<Tally, Failure> {
        let asked = self.load.nth(first)?;
        let stream = StreamId::Customer(asked.customer);
        execute(&self.ledger, request(stream, asked.command, format!("bench-{first}"))?).await
    }

    fn step(&self) -> u64 {
        1
    }
}

pub(super) async fn execute(
    ledger: &Ledger<SegmentLog>,
    request: Request,
) -> Result<Tally, Failure> {
    match ledger.execute(request).await {
        Ok(outcome) if outcome.recorded.is_some() => Ok(Tally { done: 1, ..Tally::default() }),
        Ok(_) => Ok(Tally { unchanged: 1, ..Tally::default() }),
        Err(ExecuteError::Refused { .. }) => Ok(Tally { refused: 1, ..Tally::default() }),
        Err(err) => Err(failed(&err)),
    }
}

fn request(stream: StreamId, command: Command, id: String) -> Result<Request, Failure> {
    let now = DateTime::<Utc>::UNIX_EPOCH + chrono::TimeDelta::days(20_454);
    request_at(stream, command, id, now)
}

pub(super) fn request_at(
    stream: StreamId,
    command: Command,
    id: String,
    now: DateTime<Utc>,
) -> Result<Request, Failure> {
    envelope(stream, command, id, now)
        .map_err(|err| Failure::Source(format!("the load cannot be made: {err}")))
}

fn envelope(
    stream: StreamId,
    command: Command,
    id: String,
    now: DateTime<Utc>,
) -> Result<Request, IdError> {
    Ok(Request {
        stream,
        command,
        command_id: CommandId::try_new(id)?,
        actor: Actor { id: ActorId::try_new("bench")?, role: Role::Operator },
        reason: Reason::try_new(REASON)?,
        now,
        correlation_id: None,
        causation_id: None,
        expected_version: None,
    })
}

pub(super) fn failed(err: &ExecuteError) -> Failure {
    Failure::Source(format!("a command failed: {}", chain(err)))
}
