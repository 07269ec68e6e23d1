//! Proof that the log is what it was: signed checkpoints of the Merkle tree over all its commits, and
//! proofs that a commit is in it and that a later checkpoint continues an earlier one.
//!
//! Reading order: [`note`] (signed texts and keys), [`checkpoint`] (what is signed), [`keys`] (the key
//! files), [`hashes`] (the tree on disk), [`archive`] (all of a data folder). `docs/PROOFS.md` tells
//! auditors the same, with the formats.

pub mod archive;
pub mod checkpoint;
pub mod hashes;
pub mod keys;
pub mod note;

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use self::checkpoint::Checkpoint;
use self::note::{KeyError, NoteError, VerifierKey};
use crate::commit::{CommitError, Hash, SealedCommit};
use crate::merkle;
use crate::store::StoreError;

/// Why no checkpoint or no proof can be given.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// A file or folder cannot be used.
    #[error("{path}: cannot be {action}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried, in the past participle.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// Others could sign in the ledger's name.
    #[error("{path} can be read by others (mode {mode:03o}): run chmod 600 {path}")]
    KeyReadable {
        /// The key file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A key file is damaged.
    #[error("{path} is damaged, {reason}: restore it from a backup")]
    KeyDamaged {
        /// The key file.
        path: PathBuf,
        /// What is wrong with it.
        reason: KeyError,
    },
    /// A key file belongs to another log.
    #[error("{path} is the key of {found}, not of {expected}: restore the right one from a backup")]
    KeyForeign {
        /// The key file.
        path: PathBuf,
        /// Whose key it is.
        found: String,
        /// Whose it should be.
        expected: String,
    },
    /// The key with which checkpoints were signed is gone.
    #[error("{0} is missing, although checkpoints were signed with it: restore it from a backup")]
    KeyMissing(PathBuf),
    /// The system gives no random numbers.
    #[error("no random key can be made: {0}")]
    Random(getrandom::Error),
    /// The file of signed checkpoints is not as it was written.
    #[error("{path}: {reason}")]
    Damaged {
        /// The file of checkpoints.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// The log is not the one that was signed. Nothing more is signed.
    #[error(
        "the log is not the one that was signed: {0}; nothing more is signed; compare it with a \
         backup and with checkpoints kept elsewhere (replay-tool verify --checkpoint)"
    )]
    Contradicted(String),
    /// There is nothing to sign.
    #[error("the log is empty: there is nothing to sign")]
    Empty,
    /// Nothing was signed yet.
    #[error("no checkpoint has been signed yet: sign one first")]
    NoCheckpoint,
    /// No checkpoint has that size.
    #[error("no checkpoint over {0} commits was signed: choose one of the list of checkpoints")]
    NoSuchCheckpoint(u64),
    /// The checkpoint does not cover the commit.
    #[error(
        "position {position} is not among the {size} commits of the checkpoint: sign a newer one, or \
         choose a larger one"
    )]
    NotCovered {
        /// Position of the commit.
        position: u64,
        /// Commits that the checkpoint covers.
        size: u64,
    },
    /// The sizes are not those of an earlier and a later checkpoint.
    #[error("a checkpoint over {from} commits does not come before one over {to}")]
    Order {
        /// Size of the earlier one.
        from: u64,
        /// Size of the later one.
        to: u64,
    },
    /// The log cannot be read.
    #[error("the log cannot be read")]
    Log(#[from] StoreError),
}

/// Turns a system error into ours.
fn failed(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> ProofError {
    let path = path.to_owned();
    move |source| ProofError::Io { path, action, source }
}

/// Proof that a commit is in the log: all that is needed but a trusted key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// Position of the commit, from 1; its leaf has the index before it.
    pub position: u64,
    /// Commits that the checkpoint covers.
    pub size: u64,
    /// SHA-256 of the commit: the leaf's data.
    pub commit_hash: Hash,
    /// The commit's canonical bytes, in base64.
    pub commit: String,
    /// Siblings on the way from the leaf to the root.
    pub path: Vec<Hash>,
    /// The signed checkpoint.
    pub checkpoint: String,
}

/// Why a proof proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotProved {
    /// The checkpoint is not to be believed.
    #[error("the checkpoint is not to be believed: {0}")]
    Checkpoint(#[from] NoteError),
    /// The checkpoint is that of another log than the key's.
    #[error("the checkpoint is one of {found}, but the key is that of {trusted}")]
    Origin {
        /// What the checkpoint says.
        found: String,
        /// What the key says.
        trusted: String,
    },
    /// The proof was made for a checkpoint of another size.
    #[error("the proof is for {proof} commits, but the checkpoint covers {checkpoint}")]
    Size {
        /// Size in the proof.
        proof: u64,
        /// Size in the checkpoint.
        checkpoint: u64,
    },
    /// The bytes are no commit.
    #[error("its bytes are no commit: {0}")]
    Commit(CommitError),
    /// The bytes are not in base64.
    #[error("its bytes are not in base64")]
    Base64,
    /// The commit has another hash.
    #[error("the commit was changed: its SHA-256 is {0}")]
    Hash(Hash),
    /// The path leads to another root.
    #[error("the commit is not at position {0} of the log that was signed")]
    Path(u64),
}

impl Proof {
    /// The commit, if `key` vouches for it.
    ///
    /// # Errors
    ///
    /// [`NotProved`] says what does not fit.
    pub fn check(&self, key: &VerifierKey) -> Result<SealedCommit, NotProved> {
        let checkpoint = Checkpoint::open(&self.checkpoint, std::slice::from_ref(key))?;
        if checkpoint.origin != key.name() {
            let trusted = key.name().to_owned();
            return Err(NotProved::Origin { found: checkpoint.origin, trusted });
        }
        if checkpoint.size != self.size {
            return Err(NotProved::Size { proof: self.size, checkpoint: checkpoint.size });
        }
        let bytes = STANDARD.decode(&self.commit).map_err(|_| NotProved::Base64)?;
        let commit = SealedCommit::open(&bytes).map_err(NotProved::Commit)?;
        if commit.hash() != self.commit_hash {
            return Err(NotProved::Hash(commit.hash()));
        }
        let index = self.position.checked_sub(1).ok_or(NotProved::Path(0))?;
        let root = merkle::root_by_path(self.commit_hash, index, self.size, &self.path);
        if root != Some(checkpoint.root) {
            return Err(NotProved::Path(self.position));
        }
        Ok(commit)
    }
}
