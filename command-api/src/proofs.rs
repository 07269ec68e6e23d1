//! Signs checkpoints of the log while the ledger works, and gives proofs from them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ledger_core::commit::SealedCommit;
use ledger_core::folder::DataFolder;
use ledger_core::proof::archive::{Archive, Signed};
use ledger_core::proof::{Proof, ProofError};
use ledger_core::store::segment::SegmentLog;
use projector::publisher::checkpoints::Checkpoint;
use tokio::runtime::Handle;
use tokio::sync::{OwnedMappedMutexGuard, OwnedMutexGuard, mpsc, watch};
use tokio::task::spawn_blocking;

use crate::output::chain;
use crate::problem::{Kind, Problem};
use crate::state::AppState;

/// The checkpoints of the log, opened in the background: a large log takes a while.
#[derive(Debug)]
pub struct Proofs {
    folder: DataFolder,
    log: SegmentLog,
    archive: Arc<tokio::sync::Mutex<Opened>>,
    complaint: Mutex<Option<&'static str>>,
    publishing: Option<mpsc::UnboundedSender<Checkpoint>>,
    /// Checkpoints handed over to be published.
    handed_over: AtomicUsize,
}

/// Whether the checkpoints have been opened.
#[derive(Debug)]
pub enum Opened {
    /// Nobody has asked for them, or it failed and is tried again.
    NotYet,
    /// They can be used.
    Open(Box<Archive>),
    /// The log is not the one that was signed: nothing is signed until a restart has looked again.
    Contradicted,
}

/// The opened checkpoints, to one user at a time.
pub type Guard = OwnedMappedMutexGuard<Opened, Archive>;

impl Proofs {
    /// The checkpoints of `folder`, whose log is `log`; opens nothing yet.
    #[must_use]
    pub fn new(folder: DataFolder, log: SegmentLog) -> Self {
        let archive = Arc::new(tokio::sync::Mutex::new(Opened::NotYet));
        let (complaint, handed_over) = (Mutex::default(), AtomicUsize::new(0));
        Self { folder, log, archive, complaint, publishing: None, handed_over }
    }

    /// The same, but hands every checkpoint over to be published, those of earlier runs included.
    #[must_use]
    pub fn published_by(self, publisher: Option<mpsc::UnboundedSender<Checkpoint>>) -> Self {
        Self { publishing: publisher, ..self }
    }

    /// A sentence when checkpoints cannot be signed.
    #[must_use]
    pub fn complaint(&self) -> Option<String> {
        let complaint = self.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        complaint.map(str::to_owned)
    }

    /// What was signed so far; waits while it is being opened.
    ///
    /// # Errors
    ///
    /// [`Kind::ProofsStopped`], or what is wrong with the log.
    pub async fn archive(&self) -> Result<Guard, Problem> {
        let mut opened = Arc::clone(&self.archive).lock_owned().await;
        if matches!(*opened, Opened::NotYet) {
            match self.noted(self.open().await?) {
                Ok(archive) => {
                    self.hand_over(&archive);
                    *opened = Opened::Open(Box::new(archive));
                }
                Err(err) => {
                    if matches!(err, ProofError::Contradicted(_)) {
                        *opened = Opened::Contradicted;
                    }
                    return Err(err.into());
                }
            }
        }
        let archive = OwnedMutexGuard::try_map(opened, |opened| match opened {
            Opened::Open(archive) => Some(&mut **archive),
            Opened::NotYet | Opened::Contradicted => None,
        });
        archive.map_err(|_| stopped())
    }

    /// Opens them on a thread of their own: the hashes of a large log take seconds to read.
    async fn open(&self) -> Result<Result<Archive, ProofError>, Problem> {
        let (folder, log, runtime) = (self.folder.clone(), self.log.clone(), Handle::current());
        let opening = spawn_blocking(move || {
            runtime.block_on(async { Archive::open(&folder, &log.id(), &log).await })
        });
        opening.await.map_err(|err| Problem::internal(&err))
    }

    /// Signs a checkpoint over all that is durable, unless the last one covers it.
    ///
    /// # Errors
    ///
    /// [`Kind::LogEmpty`], [`Kind::ProofsStopped`], or what is wrong with the log.
    pub async fn sign(&self) -> Result<Signed, Problem> {
        let mut archive = self.archive().await?;
        self.noted(archive.follow(&self.log).await)?;
        let signing = spawn_blocking(move || {
            let signed = archive.sign().cloned();
            (archive, signed)
        });
        let (archive, signed) = signing.await.map_err(|err| Problem::internal(&err))?;
        self.hand_over(&archive);
        drop(archive);
        self.settled(signed).await
    }

    /// Hands over what was signed since the last time; the archive's lock makes it one at a time.
    fn hand_over(&self, archive: &Archive) {
        let Some(publisher) = &self.publishing else { return };
        let before = self.handed_over.swap(archive.signed().len(), Ordering::Relaxed);
        for (number, signed) in (1..).zip(archive.signed()).skip(before) {
            // Without a receiver publishing has ended, and has said why.
            let _ = publisher.send(Checkpoint { number, note: signed.note.clone() });
        }
    }

    /// Proof of the commit at `position`, by the last checkpoint or the one of a size.
    ///
    /// # Errors
    ///
    /// [`Kind::CheckpointUnknown`], [`Kind::PositionNotCovered`] or [`Kind::ProofsStopped`].
    pub async fn prove(
        &self,
        position: u64,
        commit: &SealedCommit,
        size: Option<u64>,
    ) -> Result<Proof, Problem> {
        let proof = self.archive().await?.prove(position, commit, size);
        match proof {
            Err(ProofError::Contradicted(_)) => self.settled(proof).await,
            proof => Ok(proof?),
        }
    }

    /// Notes a failure, and ends the signing when the log is not the one that was signed.
    async fn settled<T>(&self, result: Result<T, ProofError>) -> Result<T, Problem> {
        if matches!(result, Err(ProofError::Contradicted(_))) {
            *self.archive.lock().await = Opened::Contradicted;
        }
        Ok(self.noted(result)?)
    }

    /// Signs what was recorded since the last checkpoint; failures are logged.
    pub async fn keep_up(&self) {
        // What goes wrong is noted there.
        let _ = self.sign().await;
    }

    /// Notes a failure for `/readyz` and the ledger's own log, and that it is over.
    fn noted<T>(&self, result: Result<T, ProofError>) -> Result<T, ProofError> {
        let complaint = match &result {
            Ok(_) | Err(ProofError::Empty) => None,
            Err(err) => {
                tracing::error!(error = %chain(err), "no checkpoint is signed");
                Some(if matches!(err, ProofError::Contradicted(_)) {
                    "The log is not the one that was signed: no checkpoint is signed any more."
                } else {
                    "No checkpoint is signed at the moment; the ledger's log says why."
                })
            }
        };
        *self.complaint.lock().unwrap_or_else(PoisonError::into_inner) = complaint;
        result
    }
}

/// Signs a checkpoint whenever `every` has passed and the log has grown, until `shutdown` becomes true.
pub async fn run(state: Arc<AppState>, every: Duration, mut shutdown: watch::Receiver<bool>) {
    // What goes wrong is noted there, and tried again.
    let _ = state.proofs.archive().await;
    loop {
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            _ = shutdown.wait_for(|stop| *stop) => return,
        }
        state.proofs.keep_up().await;
    }
}

fn stopped() -> Problem {
    let detail = "No checkpoints are signed and no proofs given; the ledger's own log says why.";
    Problem::new(Kind::ProofsStopped, detail)
}

impl From<ProofError> for Problem {
    fn from(err: ProofError) -> Self {
        let sentence = |err: &ProofError| crate::problem::capitalised(&format!("{err}."));
        match err {
            ProofError::Empty => Self::new(Kind::LogEmpty, sentence(&err)),
            ProofError::NoCheckpoint | ProofError::NoSuchCheckpoint(_) => {
                Self::new(Kind::CheckpointUnknown, sentence(&err))
            }
            ProofError::NotCovered { .. } => Self::new(Kind::PositionNotCovered, sentence(&err)),
            ProofError::Order { .. } => Self::new(Kind::QueryInvalid, sentence(&err)),
            ProofError::Log(err) => err.into(),
            ProofError::Io { .. }
            | ProofError::KeyReadable { .. }
            | ProofError::KeyDamaged { .. }
            | ProofError::KeyForeign { .. }
            | ProofError::KeyMissing(_)
            | ProofError::Random(_)
            | ProofError::Damaged { .. }
            | ProofError::Contradicted(_) => stopped(),
        }
    }
}
