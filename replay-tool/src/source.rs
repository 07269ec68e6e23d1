//! Where commits come from: a stopped folder, or a running server that is not trusted.

mod lines;
mod server;

use std::fs;
use std::path::{Path, PathBuf};

use futures::TryStreamExt;
use ledger_core::catalogue::Catalogues;
use ledger_core::commit::SealedCommit;
use ledger_core::customer::learn;
use ledger_core::error::chain;
use ledger_core::folder::{DataFolder, FolderError};
use ledger_core::ids::{CustomerId, StreamId};
use ledger_core::ledger::{ExecuteError, Ledger, LedgerOptions, refusal_of};
use ledger_core::proof::ProofError;
use ledger_core::proof::archive::checkpoints;
use ledger_core::proof::checkpoint::origin;
use ledger_core::record::{Chain, Recorded, Refusal};
use ledger_core::store::segment::SegmentLog;
use ledger_core::store::{CommitLog, StoreError};

pub use self::lines::Read;
pub(crate) use self::lines::unbilled;
pub use self::server::{BackedUp, Copied, Server};
pub(crate) use self::server::{bare_token, garbled, unexpected};
use crate::cli::SourceArgs;
use crate::exit::Failure;

/// A log, or the journal of the commands that changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Book {
    /// What happened.
    Log,
    /// What changed nothing.
    Journal,
}

impl Book {
    /// Its name for people, in paths and in addresses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Journal => "journal",
        }
    }
}

/// A command of the journal: who asked for what, and the rule that said no, if one did.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The entry as sealed.
    pub sealed: SealedCommit,
    /// The refusal; `None` when everything was already as asked.
    pub refusal: Option<Refusal>,
}

/// What was meant by the source flags.
#[derive(Debug)]
pub enum Source {
    /// A stopped folder.
    Folder(DataFolder),
    /// A running server.
    Server(Server),
}

impl Source {
    /// Finds out what was meant; opens no log yet.
    ///
    /// # Errors
    ///
    /// [`Failure`] when there is no such folder or no token can be read.
    pub fn open(args: &SourceArgs) -> Result<Self, Failure> {
        Self::open_as(args, &["support", "operator", "billing"])
    }

    /// The same, but asks a server in one of `roles` only, the first preferred.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_as(args: &SourceArgs, roles: &'static [&'static str]) -> Result<Self, Failure> {
        match &args.url {
            Some(url) => Ok(Self::Server(Server::new(url, args, roles)?)),
            None => Ok(Self::Folder(open_folder(&args.data)?)),
        }
    }

    /// Everything that happened to a customer, in order, its chain checked.
    ///
    /// # Errors
    ///
    /// [`Failure::NotFound`] when the customer is unknown; else what is wrong with the source.
    pub async fn history(&self, customer: &CustomerId) -> Result<Vec<Recorded>, Failure> {
        let stream = StreamId::Customer(customer.clone());
        let history = match self {
            Self::Folder(folder) => {
                open_ledger(folder).await?.history(&stream).await.map_err(|err| unloaded(&err))?
            }
            Self::Server(server) => server.history(&stream)?,
        };
        if history.is_empty() {
            let message =
                format!("customer {customer} is unknown here: check the id and the source");
            return Err(Failure::NotFound(message));
        }
        let mut chain = Chain::default();
        for recorded in &history {
            let linked = chain.next(&recorded.sealed);
            linked.map_err(|err| {
                Failure::Damage(format!("{stream} is damaged: {err}; run verify"))
            })?;
        }
        Ok(history)
    }

    /// The commands of a customer that changed nothing, in order.
    ///
    /// # Errors
    ///
    /// [`Failure`] when the journal cannot be read.
    pub async fn kept(&self, customer: &CustomerId) -> Result<Vec<Kept>, Failure> {
        let stream = StreamId::Customer(customer.clone());
        match self {
            Self::Folder(folder) => {
                let kept = open_ledger(folder)
                    .await?
                    .refusals(&stream)
                    .await
                    .map_err(|err| unloaded(&err))?;
                Ok(kept.into_iter().map(|(sealed, refusal)| Kept { sealed, refusal }).collect())
            }
            Self::Server(server) => {
                let mut all = Vec::new();
                server.each(Book::Journal, Some(&stream), &mut |_, sealed| {
                    let refusal = refusal_of(sealed.commit()).map_err(|err| garbled(&err))?;
                    all.push(Kept { sealed, refusal });
                    Ok(())
                })?;
                Ok(all)
            }
        }
    }

    /// Everything that was ever imported into the catalogue.
    ///
    /// # Errors
    ///
    /// [`Failure`] when it cannot be read.
    pub async fn catalogues(&self) -> Result<Catalogues, Failure> {
        match self {
            Self::Folder(folder) => Ok(open_ledger(folder).await?.catalogues()),
            Self::Server(server) => {
                let imported = server.history(&StreamId::Catalogue)?;
                let events = imported.iter().flat_map(|recorded| &recorded.events);
                Ok(events.fold(Catalogues::default(), learn))
            }
        }
    }

    /// The last signed checkpoint; its signature is not looked at.
    ///
    /// # Errors
    ///
    /// [`Failure`] when it cannot be read.
    pub fn checkpoint(&self) -> Result<Option<String>, Failure> {
        match self {
            Self::Folder(folder) => {
                let origin = origin(&open_log(&folder.log())?.id());
                let signed = checkpoints(folder, &origin).map_err(|err| proofs(&err))?;
                Ok(signed.last().map(|signed| signed.note.clone()))
            }
            Self::Server(server) => match server.get("/v1/checkpoints/latest", []) {
                Ok(note) => Ok(Some(note)),
                Err(Failure::NotFound(_)) => Ok(None),
                Err(err) => Err(err),
            },
        }
    }

    /// Hands every commit of a book to `visit`, in order of position.
    ///
    /// # Errors
    ///
    /// [`Failure`] when a commit cannot be read, and whatever `visit` answers.
    pub async fn each(
        &self,
        book: Book,
        visit: &mut dyn FnMut(u64, SealedCommit) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        match self {
            Self::Folder(folder) => {
                let log = open_log(&dir(folder, book))?;
                let mut commits = log.read_from(1);
                while let Some(stored) = commits.try_next().await.map_err(|err| store(&err))? {
                    visit(u64::from(stored.sequence_number()), stored.take())?;
                }
                Ok(())
            }
            Self::Server(server) => server.each(book, None, visit),
        }
    }

    /// Hands every commit of the log to `visit`, in order, with its events.
    ///
    /// # Errors
    ///
    /// As [`each`](Self::each).
    pub async fn each_recorded(
        &self,
        visit: &mut dyn FnMut(Recorded) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.each(Book::Log, &mut |position, sealed| {
            let recorded = Recorded::open(position, sealed).map_err(|err| match self {
                Self::Folder(_) => unread(&err),
                Self::Server(_) => garbled(&err),
            });
            visit(recorded?)
        })
        .await
    }
}

/// Opens the data folder of a stopped ledger; opens no log yet.
///
/// # Errors
///
/// [`Failure`] when there is no such folder.
pub fn open_folder(dir: &Path) -> Result<DataFolder, Failure> {
    DataFolder::open(dir).map_err(|err| no_folder(&err))
}

/// Where a book lies in a folder.
#[must_use]
pub fn dir(folder: &DataFolder, book: Book) -> PathBuf {
    match book {
        Book::Log => folder.log(),
        Book::Journal => folder.journal(),
    }
}

pub(crate) fn open_log(dir: &Path) -> Result<SegmentLog, Failure> {
    SegmentLog::open_read_only(dir).map_err(|err| store(&err))
}

async fn open_ledger(folder: &DataFolder) -> Result<Ledger<SegmentLog>, Failure> {
    let (log, journal) = (open_log(&folder.log())?, open_log(&folder.journal())?);
    Ledger::open(log, journal, LedgerOptions::default()).await.map_err(|err| unloaded(&err))
}

fn no_folder(err: &FolderError) -> Failure {
    match err {
        FolderError::NotAFolder(_) => Failure::Source(format!("{err}; name one with --data DIR")),
        FolderError::Damaged(_) | FolderError::LogMissing(_) => Failure::Damage(err.to_string()),
        FolderError::NotEmpty(_)
        | FolderError::Newer { .. }
        | FolderError::OtherClock { .. }
        | FolderError::Io { .. } => Failure::Source(chain(err)),
    }
}

/// What a store's error means for a run.
#[must_use]
pub fn store(err: &StoreError) -> Failure {
    match err {
        StoreError::Locked(dir) => Failure::Source(format!(
            "{} is in use by a running server: ask it with --url, or stop it first",
            dir.display()
        )),
        StoreError::Damaged { .. } | StoreError::Shortened { .. } => {
            Failure::Damage(format!("{err}; run replay-tool verify to see all damage"))
        }
        StoreError::Conflict { .. }
        | StoreError::Unknown(_)
        | StoreError::Full(_)
        | StoreError::Overloaded
        | StoreError::Poisoned
        | StoreError::Closed
        | StoreError::Exhausted(_)
        | StoreError::AppendOnly
        | StoreError::NotNext(_)
        | StoreError::Foreign { .. }
        | StoreError::Io { .. } => Failure::Source(chain(err)),
    }
}

/// What an error about proofs means for a run.
#[must_use]
pub fn proofs(err: &ProofError) -> Failure {
    match err {
        ProofError::Log(err) => store(err),
        ProofError::Contradicted(_)
        | ProofError::Damaged { .. }
        | ProofError::KeyDamaged { .. }
        | ProofError::KeyForeign { .. } => Failure::Damage(err.to_string()),
        ProofError::Empty
        | ProofError::NoCheckpoint
        | ProofError::NoSuchCheckpoint(_)
        | ProofError::NotCovered { .. }
        | ProofError::Order { .. } => Failure::NotFound(err.to_string()),
        ProofError::Io { .. }
        | ProofError::KeyReadable { .. }
        | ProofError::KeyMissing(_)
        | ProofError::Random(_) => Failure::Source(chain(err)),
    }
}

fn unloaded(err: &ExecuteError) -> Failure {
    if let ExecuteError::Store(err) = err { store(err) } else { unread(err) }
}

fn unread(err: &dyn std::error::Error) -> Failure {
    Failure::Damage(format!("a stored commit cannot be read: {}", chain(err)))
}

/// The text of a file.
///
/// # Errors
///
/// [`Failure::Source`].
pub(crate) fn read(file: &Path) -> Result<String, Failure> {
    fs::read_to_string(file)
        .map_err(|err| Failure::Source(format!("{} cannot be read: {err}", file.display())))
}
