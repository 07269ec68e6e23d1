//! Signs checkpoints of the log while the ledger works, and gives proofs from them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ledger_core::commit::{Hash, SealedCommit};
use ledger_core::folder::DataFolder;
use ledger_core::proof::archive::{Archive, Signed};
use ledger_core::proof::{Proof, ProofError};
use ledger_core::store::segment::SegmentLog;
use projector::publisher::checkpoints::Checkpoint;
use tokio::runtime::Handle;
use tokio::sync::{OwnedMappedMutexGuard, OwnedMutexGuard, mpsc, watch};
use tokio::task::spawn_blocking;

use crate::problem::{Kind, Problem};
use crate::state::AppState;
use ledger_core::error::chain;

/// The checkpoints of the log, opened in the background: a large log takes a while.
#[derive(Debug)]
pub struct Proofs {
    folder: DataFolder,
    log: SegmentLog,
    archive: Arc<tokio::sync::Mutex<Opened>>,
    complaint: Mutex<Option<&'static str>>,
    publishing: Option<Publishing>,
    /// Checkpoints handed over to be published.
    handed_over: AtomicUsize,
}

/// Where checkpoints are handed over to be published.
#[derive(Debug)]
pub struct Publishing {
    /// Takes what was signed.
    pub signed: mpsc::UnboundedSender<Checkpoint>,
    /// Why it is not published.
    pub failure: watch::Receiver<Option<String>>,
}

/// Whether the checkpoints have been opened.
#[derive(Debug)]
pub enum Opened {
    /// Nobody has asked for them yet.
    NotYet,
    /// They could not be opened: tried again when the next checkpoint is due or asked for.
    Failed,
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
    pub fn published_by(self, publishing: Option<Publishing>) -> Self {
        Self { publishing, ..self }
    }

    /// A sentence when checkpoints cannot be signed, and one when they cannot be published.
    #[must_use]
    pub fn complaint(&self) -> Vec<String> {
        let signing = *self.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        let failure = self.publishing.as_ref().and_then(|to| to.failure.borrow().clone());
        let publishing =
            failure.map(|_| "Checkpoints are not published over NATS; the ledger's log says why.");
        signing.into_iter().chain(publishing).map(str::to_owned).collect()
    }

    /// What was signed so far; waits while it is being opened.
    ///
    /// # Errors
    ///
    /// [`Kind::ProofsStopped`], or what is wrong with the log.
    pub async fn archive(self: &Arc<Self>) -> Result<Guard, Problem> {
        let archive = OwnedMutexGuard::try_map(self.opened(false).await?, |opened| match opened {
            Opened::Open(archive) => Some(&mut **archive),
            Opened::NotYet | Opened::Failed | Opened::Contradicted => None,
        });
        archive.map_err(|_| stopped())
    }

    /// The checkpoints, opened if nobody has tried to yet, or if it failed and is to be tried again.
    async fn opened(
        self: &Arc<Self>,
        is_tried_again: bool,
    ) -> Result<OwnedMutexGuard<Opened>, Problem> {
        let opened = Arc::clone(&self.archive).lock_owned().await;
        match *opened {
            Opened::NotYet => self.open(opened).await,
            Opened::Failed if is_tried_again => self.open(opened).await,
            Opened::Failed | Opened::Open(_) | Opened::Contradicted => Ok(opened),
        }
    }

    /// Opens them on a thread of their own: the hashes of a large log take seconds to read. The lock is
    /// held until that is done, even if nobody waits for it any more.
    async fn open(
        self: &Arc<Self>,
        mut opened: OwnedMutexGuard<Opened>,
    ) -> Result<OwnedMutexGuard<Opened>, Problem> {
        let (proofs, runtime) = (Arc::clone(self), Handle::current());
        let opening = spawn_blocking(move || {
            let (folder, log) = (&proofs.folder, &proofs.log);
            let archive = runtime.block_on(Archive::open(folder, &log.id(), log));
            proofs.note(&archive);
            match archive {
                Ok(archive) => {
                    proofs.hand_over(&archive);
                    *opened = Opened::Open(Box::new(archive));
                    Ok(opened)
                }
                Err(err) => {
                    let is_contradicted = matches!(err, ProofError::Contradicted(_));
                    *opened = if is_contradicted { Opened::Contradicted } else { Opened::Failed };
                    Err(err.into())
                }
            }
        });
        opening.await.map_err(|err| Problem::internal(&err))?
    }

    /// Works with what was opened, on a thread of its own and to the end, even if nobody waits for it
    /// any more. A log that is not the one that was signed ends the signing.
    async fn work<T: Send + 'static>(
        self: &Arc<Self>,
        mut opened: OwnedMutexGuard<Opened>,
        work: impl AsyncFnOnce(&Self, &mut Archive) -> Result<T, ProofError> + Send + 'static,
    ) -> Result<T, Problem> {
        let (proofs, runtime) = (Arc::clone(self), Handle::current());
        let working = spawn_blocking(move || {
            let Opened::Open(archive) = &mut *opened else { return Err(stopped()) };
            let result = runtime.block_on(work(&proofs, archive));
            proofs.hand_over(archive);
            if matches!(result, Err(ProofError::Contradicted(_))) {
                *opened = Opened::Contradicted;
                proofs.note(&result);
            }
            result.map_err(Problem::from)
        });
        working.await.map_err(|err| Problem::internal(&err))?
    }

    /// Signs a checkpoint over all that is durable, unless the last one covers it.
    ///
    /// # Errors
    ///
    /// [`Kind::LogEmpty`], [`Kind::ProofsStopped`], or what is wrong with the log.
    pub async fn sign(self: &Arc<Self>) -> Result<Signed, Problem> {
        let sign = async |proofs: &Self, archive: &mut Archive| {
            let signed = match archive.follow(&proofs.log).await {
                Ok(()) => archive.sign(&proofs.log).await.cloned(),
                Err(err) => Err(err),
            };
            if !matches!(signed, Err(ProofError::Contradicted(_))) {
                proofs.note(&signed);
            }
            signed
        };
        self.work(self.opened(true).await?, sign).await
    }

    /// Hands over what was signed since the last time; the archive's lock makes it one at a time.
    fn hand_over(&self, archive: &Archive) {
        let Some(publishing) = &self.publishing else { return };
        let before = self.handed_over.swap(archive.signed().len(), Ordering::Relaxed);
        for (number, signed) in (1..).zip(archive.signed()).skip(before) {
            let (key_id, note) = (signed.key_id.clone(), signed.note.clone());
            // Without a receiver publishing has ended, and has said why.
            let _ = publishing.signed.send(Checkpoint { key_id, number, note });
        }
    }

    /// Proof of the commit at `position`, by the last checkpoint or the one of a size.
    ///
    /// # Errors
    ///
    /// [`Kind::CheckpointUnknown`], [`Kind::PositionNotCovered`] or [`Kind::ProofsStopped`].
    pub async fn prove(
        self: &Arc<Self>,
        position: u64,
        commit: SealedCommit,
        size: Option<u64>,
    ) -> Result<Proof, Problem> {
        let prove = async move |proofs: &Self, archive: &mut Archive| {
            archive.prove(&proofs.log, position, &commit, size).await
        };
        self.work(self.opened(false).await?, prove).await
    }

    /// Proof that the checkpoint over `to` commits continues the one over `from`, and both of them.
    ///
    /// # Errors
    ///
    /// [`Kind::CheckpointUnknown`], [`Kind::QueryInvalid`] or [`Kind::ProofsStopped`].
    pub async fn consistency(
        self: &Arc<Self>,
        from: u64,
        to: u64,
    ) -> Result<(Vec<Hash>, [Signed; 2]), Problem> {
        let prove = async move |proofs: &Self, archive: &mut Archive| {
            let path = archive.consistency(&proofs.log, from, to).await?;
            Ok((path, [archive.of_size(from)?.clone(), archive.of_size(to)?.clone()]))
        };
        self.work(self.opened(false).await?, prove).await
    }

    /// Signs what was recorded since the last checkpoint; failures are logged.
    pub async fn keep_up(self: &Arc<Self>) {
        // What goes wrong is noted there.
        let _ = self.sign().await;
    }

    /// Notes a failure for `/readyz` and the ledger's own log, and that it is over.
    fn note<T>(&self, result: &Result<T, ProofError>) {
        let complaint = match result {
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

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use ledger_core::folder::ClockKind;
    use ledger_core::store::segment::SegmentOptions;
    use tempfile::TempDir;

    use super::*;

    fn proofs(dir: &TempDir) -> Proofs {
        let folder = DataFolder::open_or_create(dir.path(), ClockKind::Real).unwrap();
        let log = SegmentLog::open(&folder.log(), SegmentOptions::default()).unwrap();
        Proofs::new(folder, log)
    }

    #[test]
    fn a_request_that_is_given_up_does_not_let_the_next_one_open_the_same_files() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let dir = TempDir::new().unwrap();
            let proofs = Arc::new(proofs(&dir));
            let (go_on, waiting) = std::sync::mpsc::channel::<()>();
            let busy = spawn_blocking(move || waiting.recv());
            assert!(proofs.archive().now_or_never().is_none(), "it waits for a thread");
            assert!(proofs.archive.try_lock().is_err(), "the opening goes on");
            go_on.send(()).unwrap();
            busy.await.unwrap().unwrap();
            assert_eq!(proofs.archive().await.unwrap().size(), 0);
        });
    }

    #[tokio::test]
    async fn checkpoints_that_are_not_published_are_told_until_they_are() {
        let dir = TempDir::new().unwrap();
        let ((signed, _), (status, failure)) = (mpsc::unbounded_channel(), watch::channel(None));
        let proofs = proofs(&dir).published_by(Some(Publishing { signed, failure }));
        assert!(proofs.complaint().is_empty());
        status.send_replace(Some("another past".to_owned()));
        let expected = "Checkpoints are not published over NATS; the ledger's log says why.";
        assert_eq!(proofs.complaint(), [expected]);
        status.send_replace(None);
        assert!(proofs.complaint().is_empty());
    }
}
