//! From the log to the views: read after the cursor, fold, apply, commit. A crash anywhere repeats
//! what was not committed and skips nothing. An event that cannot be applied stops the views.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use eventually::store::Select;
use futures::TryStreamExt;
use futures::future::{self, BoxFuture, Either};
use futures::stream::BoxStream;
use ledger_core::codec::CodecError;
use ledger_core::commit::Hash;
use ledger_core::customer::{Customer, Event, evolve};
use ledger_core::error::chain;
use ledger_core::ids::{CustomerId, StreamId};
use ledger_core::record::Recorded;
use ledger_core::store::{CommitLog, StoreError, StoredCommit};
use lru::LruCache;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::view_store::{ViewStore, ViewStoreError};
use crate::views::{Changes, VIEWS, ViewError};

/// Commits applied in one batch when behind: what several of them change is written once.
const BATCH_COMMITS_MAX: u64 = 8192;

/// Documents changed in one batch, give or take a commit. While it is written, readers of every sled
/// database in the process wait, the ledger's snapshots among them.
const BATCH_DOCUMENTS_MAX: usize = 2048;

/// Customers kept folded, in bytes, roughly. Every other one costs a read of its whole stream.
const CUSTOMERS_BYTES_MAX: usize = 32 * 1024 * 1024;

/// What a kept customer takes up besides itself, in bytes, roughly.
const KEPT_BYTES: usize = 1024;

/// How long nothing must happen before the views are flushed to the disk.
const IDLE_AFTER: Duration = Duration::from_secs(1);

/// Why the views stopped. They keep what they had; the log is not concerned.
#[derive(Debug, thiserror::Error)]
pub enum PumpError {
    /// The log cannot be read.
    #[error("the log cannot be read")]
    Log(#[from] StoreError),
    /// A commit holds an event that this version cannot read. Never skipped: an operator looks.
    #[error("position {position} ({commit}) holds an event that cannot be read")]
    Undecodable {
        /// Position in the log.
        position: u64,
        /// Stream and version.
        commit: String,
        /// The event and what is wrong with it.
        source: CodecError,
    },
    /// A view cannot apply a commit. Never skipped: an operator looks.
    #[error("position {position} ({commit}: {events}) cannot be applied to the view {view}")]
    View {
        /// Position in the log.
        position: u64,
        /// Stream and version.
        commit: String,
        /// Names of its events.
        events: String,
        /// The view.
        view: &'static str,
        /// What is wrong.
        source: ViewError,
    },
    /// The log skipped a position.
    #[error("the log answered position {found} where {expected} was to follow")]
    Gap {
        /// The position that was to follow.
        expected: u64,
        /// The position that came.
        found: u64,
    },
    /// A customer's stream is not complete up to a commit of it.
    #[error("position {position} ({commit}) follows version {found} of its stream")]
    History {
        /// Position in the log.
        position: u64,
        /// Stream and version.
        commit: String,
        /// The version that its stream ends at before it.
        found: u64,
    },
    /// The views cannot be read or written.
    #[error(transparent)]
    Views(#[from] ViewStoreError),
    /// A thread for blocking work ended without a result.
    #[error("a worker thread was lost")]
    Worker,
    /// The folder for a rebuild holds something already.
    #[error("{0}: the views are rebuilt into a new folder, but this one exists")]
    NotNew(std::path::PathBuf),
}

/// A commit with its customer before and after; both `None` for the catalogue.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) recorded: Recorded,
    pub(crate) before: Option<Arc<Customer>>,
    pub(crate) after: Option<Arc<Customer>>,
}

/// Reads a log commit by commit with the customers' states, in order and without gaps.
pub(crate) struct Steps<L> {
    log: L,
    position: u64,
    commits: BoxStream<'static, Result<StoredCommit, StoreError>>,
    customers: Customers,
}

/// A customer at a version.
struct Folded {
    version: u64,
    customer: Option<Arc<Customer>>,
}

impl Folded {
    /// The memory it takes up, roughly, in bytes.
    fn bytes(&self) -> usize {
        let customer = self.customer.as_ref().map_or(0, |customer| customer.memory_bytes());
        customer.saturating_add(KEPT_BYTES)
    }
}

/// The customers used last, each with its bytes.
struct Customers {
    kept: LruCache<CustomerId, (Folded, usize)>,
    bytes: usize,
}

impl Customers {
    fn new() -> Self {
        Self { kept: LruCache::unbounded(), bytes: 0 }
    }

    fn take(&mut self, id: &CustomerId) -> Option<Folded> {
        let (folded, bytes) = self.kept.pop(id)?;
        self.bytes = self.bytes.saturating_sub(bytes);
        Some(folded)
    }

    /// Keeps a customer that was taken, or is new, and lets go of those not used for longest.
    fn put(&mut self, id: CustomerId, folded: Folded) {
        let bytes = folded.bytes();
        self.bytes = self.bytes.saturating_add(bytes);
        self.kept.put(id, (folded, bytes));
        while CUSTOMERS_BYTES_MAX < self.bytes {
            let Some((_, (_, bytes))) = self.kept.pop_lru() else { break };
            self.bytes = self.bytes.saturating_sub(bytes);
        }
    }
}

impl<L: CommitLog> Steps<L> {
    /// Starts after `position`.
    pub(crate) fn after(log: L, position: u64) -> Self {
        let commits = log.read_from(position.saturating_add(1));
        Self { log, position, commits, customers: Customers::new() }
    }

    /// Position of the last step.
    pub(crate) const fn position(&self) -> u64 {
        self.position
    }

    /// The next steps that are durable already, up to `count` and to position `until`.
    ///
    /// An error comes after the steps before it: first they are returned, then, asked again, the error.
    pub(crate) async fn batch(&mut self, count: usize, until: u64) -> Result<Vec<Step>, PumpError> {
        let mut steps = Vec::new();
        while steps.len() < count && self.position < until {
            match self.next().await {
                Ok(Some(step)) => steps.push(step),
                Ok(None) => break,
                Err(err) if steps.is_empty() => return Err(err),
                Err(_) => {
                    self.commits = self.log.read_from(self.position.saturating_add(1));
                    break;
                }
            }
        }
        Ok(steps)
    }

    /// Waits until there is a step after the last one.
    pub(crate) fn wait(&self) -> BoxFuture<'static, Result<u64, StoreError>> {
        self.log.wait_beyond(self.position)
    }

    async fn next(&mut self) -> Result<Option<Step>, PumpError> {
        let expected = self.position.saturating_add(1);
        let Some(stored) = self.next_stored(expected).await? else { return Ok(None) };
        let found = u64::from(stored.sequence_number());
        if found != expected {
            return Err(PumpError::Gap { expected, found });
        }
        let recorded = read(stored)?;
        let step = self.step(recorded).await?;
        self.position = found;
        Ok(Some(step))
    }

    /// The stream ends where the log ended when it was asked for.
    async fn next_stored(&mut self, expected: u64) -> Result<Option<StoredCommit>, StoreError> {
        if let Some(stored) = self.commits.try_next().await? {
            return Ok(Some(stored));
        }
        if self.log.durable_position() < expected {
            return Ok(None);
        }
        self.commits = self.log.read_from(expected);
        self.commits.try_next().await
    }

    async fn step(&mut self, recorded: Recorded) -> Result<Step, PumpError> {
        let StreamId::Customer(id) = recorded.commit().stream.clone() else {
            return Ok(Step { recorded, before: None, after: None });
        };
        let before = self.before(&id, &recorded).await?;
        let unchanged = before.as_deref().cloned();
        let after = recorded.events.iter().fold(unchanged, evolve).map(Arc::new);
        let folded = Folded { version: recorded.commit().version, customer: after.clone() };
        self.customers.put(id, folded);
        Ok(Step { recorded, before, after })
    }

    /// The customer before a commit: as kept, or folded from its stream.
    async fn before(
        &mut self,
        id: &CustomerId,
        recorded: &Recorded,
    ) -> Result<Option<Arc<Customer>>, PumpError> {
        let last = recorded.commit().version.saturating_sub(1);
        let kept = self.customers.take(id);
        if last == 0 {
            return Ok(None);
        }
        if let Some(folded) = kept.filter(|folded| folded.version == last) {
            return Ok(folded.customer);
        }
        let folded = fold(&self.log, id, last).await?;
        if folded.version != last {
            let (position, commit) = (recorded.position, named(recorded));
            return Err(PumpError::History { position, commit, found: folded.version });
        }
        Ok(folded.customer)
    }
}

/// Folds a customer's stream up to version `last`.
async fn fold<L: CommitLog>(log: &L, id: &CustomerId, last: u64) -> Result<Folded, PumpError> {
    let mut commits = log.stream(StreamId::Customer(id.clone()), Select::All).await?;
    let (mut version, mut customer) = (0, None);
    while version < last {
        let Some(stored) = commits.try_next().await? else { break };
        let recorded = read(stored)?;
        version = recorded.commit().version;
        customer = recorded.events.iter().fold(customer, evolve);
    }
    Ok(Folded { version, customer: customer.map(Arc::new) })
}

fn read(stored: StoredCommit) -> Result<Recorded, PumpError> {
    let position = u64::from(stored.sequence_number());
    let commit = format!("{} version {}", stored.commit().stream, stored.commit().version);
    Recorded::read(stored).map_err(|source| PumpError::Undecodable { position, commit, source })
}

fn named(recorded: &Recorded) -> String {
    format!("{} version {}", recorded.commit().stream, recorded.commit().version)
}

/// Applies the next batch, up to position `until`; false when there is none.
///
/// It ends where the log ends now: what comes meanwhile does not keep the views from being written.
/// What comes before a commit that cannot be applied is still committed.
async fn advance<L: CommitLog>(
    steps: &mut Steps<L>,
    store: &ViewStore,
    until: u64,
) -> Result<bool, PumpError> {
    let until = until
        .min(steps.log.durable_position())
        .min(steps.position().saturating_add(BATCH_COMMITS_MAX));
    let mut changes = Changes::new();
    let mut last = None;
    let mut failure = None;
    while steps.position() < until && changes.len() < BATCH_DOCUMENTS_MAX {
        match next_changes(steps).await {
            Ok(Some((of_step, position, commit))) => {
                changes.extend(of_step);
                last = Some((position, commit));
            }
            Ok(None) => break,
            Err(err) => {
                failure = Some(err);
                break;
            }
        }
        tokio::task::consume_budget().await;
    }
    if let Some((position, commit)) = last {
        let store = store.clone();
        blocking(move || store.commit(&changes, position, commit)).await?;
    }
    failure.map_or(Ok(last.is_some()), Err)
}

/// What the next commit changes, with its position and hash.
async fn next_changes<L: CommitLog>(
    steps: &mut Steps<L>,
) -> Result<Option<(Changes, u64, Hash)>, PumpError> {
    let Some(step) = steps.next().await? else { return Ok(None) };
    Ok(Some((applied(&step)?, step.recorded.position, step.recorded.sealed.hash())))
}

/// What a step changes in all views.
fn applied(step: &Step) -> Result<Changes, PumpError> {
    let Step { recorded, before, after } = step;
    let mut changes = Changes::new();
    for view in VIEWS {
        let applied = view.apply(&mut changes, recorded, before.as_deref(), after.as_deref());
        applied.map_err(|source| PumpError::View {
            position: recorded.position,
            commit: named(recorded),
            events: recorded.events.iter().map(Event::name).collect::<Vec<_>>().join(", "),
            view: view.name(),
            source,
        })?;
    }
    Ok(changes)
}

async fn blocking(
    work: impl FnOnce() -> Result<(), ViewStoreError> + Send + 'static,
) -> Result<(), PumpError> {
    Ok(spawn_blocking(work).await.map_err(|_| PumpError::Worker)??)
}

/// Brings the views to position `until`, or to the log's durable end if that comes first.
///
/// `progress` is told the position reached and the position to reach. Returns the position reached,
/// which is flushed to the disk.
///
/// # Errors
///
/// See [`PumpError`]; the views keep the batches before.
pub async fn catch_up<L: CommitLog>(
    log: &L,
    store: &ViewStore,
    until: u64,
    progress: &mut (dyn FnMut(u64, u64) + Send),
) -> Result<u64, PumpError> {
    let until = until.min(log.durable_position());
    let mut steps = Steps::after(log.clone(), store.position());
    while advance(&mut steps, store, until).await? {
        progress(steps.position(), until);
    }
    let flushed = store.clone();
    blocking(move || flushed.flush()).await?;
    Ok(store.position())
}

/// Builds the views of `log` from zero in the new folder `dir`.
///
/// `progress` is told the position reached and the position to reach.
///
/// # Errors
///
/// [`PumpError::NotNew`] when the folder exists; otherwise as [`catch_up`].
pub async fn rebuild<L: CommitLog>(
    log: &L,
    dir: &Path,
    progress: &mut (dyn FnMut(u64, u64) + Send),
) -> Result<ViewStore, PumpError> {
    if dir.exists() {
        return Err(PumpError::NotNew(dir.to_owned()));
    }
    let store = ViewStore::open(dir, log).await?;
    catch_up(log, &store, log.durable_position(), progress).await?;
    Ok(store)
}

/// Keeps the views up to date until `shutdown` becomes true, its sender is gone, or the log is closed.
///
/// While it runs, [`ViewStore::status`] tells how far it is; when it fails, that says why.
///
/// # Errors
///
/// See [`PumpError`]; the views keep what they had, and a new run goes on from there.
pub async fn run_views<L: CommitLog>(
    log: L,
    store: ViewStore,
    mut shutdown: watch::Receiver<bool>,
) -> Result<(), PumpError> {
    store.start();
    let followed = follow(log, &store, &mut shutdown).await;
    match &followed {
        Ok(()) => store.stop("the ledger is stopping".to_owned()),
        Err(err) => {
            let failure = chain(err);
            tracing::error!(position = store.position(), %failure, "the views have stopped");
            store.stop(failure);
        }
    }
    followed
}

async fn follow<L: CommitLog>(
    log: L,
    store: &ViewStore,
    shutdown: &mut watch::Receiver<bool>,
) -> Result<(), PumpError> {
    let mut steps = Steps::after(log, store.position());
    let mut is_flushed = false;
    loop {
        if *shutdown.borrow() {
            break;
        }
        if advance(&mut steps, store, u64::MAX).await? {
            is_flushed = false;
            continue;
        }
        match wait(steps.wait(), is_flushed, shutdown).await? {
            Woken::Commit => {}
            Woken::Idle => {
                let flushed = store.clone();
                blocking(move || flushed.flush()).await?;
                is_flushed = true;
            }
            Woken::Stop => break,
        }
    }
    let flushed = store.clone();
    blocking(move || flushed.flush()).await
}

/// Why waiting ended.
enum Woken {
    Commit,
    Idle,
    Stop,
}

/// Waits for a commit, for the shutdown, or, unless `is_flushed`, until nothing happens for a while.
async fn wait(
    beyond: BoxFuture<'static, Result<u64, StoreError>>,
    is_flushed: bool,
    shutdown: &mut watch::Receiver<bool>,
) -> Result<Woken, PumpError> {
    let idle = if is_flushed {
        Either::Left(future::pending())
    } else {
        Either::Right(tokio::time::sleep(IDLE_AFTER))
    };
    tokio::select! {
        beyond = beyond => match beyond {
            Ok(_) => Ok(Woken::Commit),
            Err(StoreError::Closed) => Ok(Woken::Stop),
            Err(err) => Err(err.into()),
        },
        () = idle => Ok(Woken::Idle),
        () = stopped(shutdown) => Ok(Woken::Stop),
    }
}

/// Waits until `shutdown` is true or its sender is gone.
pub(crate) async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, which is the end, too.
    let _ = shutdown.wait_for(|is_stopping| *is_stopping).await;
}
