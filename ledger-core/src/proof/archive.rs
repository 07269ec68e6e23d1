//! The signed checkpoints of a data folder, the hashes that they were made of, and the proofs that
//! follow from both.
//!
//! In `proofs/`, `checkpoints` holds every note that was signed, each followed by an empty line, and
//! `hashes` the hash of every commit. The order is: hashes synced, note signed and synced, note given
//! away. So the hashes up to the last checkpoint are durable, and what a crash leaves behind them is
//! written over. Opening writes nothing but hashes that have to be made again.
//!
//! The file of checkpoints is there before the first key is. So a key without it tells that it was lost,
//! and nothing is signed that might not continue what was in it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::TryStreamExt;

use super::checkpoint::{Checkpoint, origin};
use super::hashes::Hashes;
use super::keys::KeyFiles;
use super::note::{self, SigningKey, VerifierKey};
use super::{Proof, ProofError, failed};
use crate::commit::{Hash, SealedCommit};
use crate::folder::{DataFolder, make_private_folder};
use crate::merkle;
use crate::store::{CommitLog, StoreError};

pub(crate) const CHECKPOINTS: &str = "checkpoints";

const HASHES: &str = "hashes";

/// Everything of a data folder that proves something.
#[derive(Debug)]
pub struct Archive {
    dir: PathBuf,
    origin: String,
    keys: KeyFiles,
    hashes: Hashes,
    signed: Vec<Signed>,
    /// Where the last whole note ends in the file of checkpoints, in bytes.
    end: u64,
}

/// A checkpoint that was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Commits that it covers.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// Id of the key that has signed it, or of the old one when it changes the key: 8 hexadecimal digits.
    pub key_id: String,
    /// The note with its signatures.
    pub note: String,
}

impl Archive {
    /// Opens what `folder` has of the log with `log_id`, and takes in all that is durable in it.
    ///
    /// # Errors
    ///
    /// [`ProofError::Contradicted`] when the log is not the one of the last checkpoint;
    /// [`ProofError::Damaged`], [`ProofError::Io`], or what is wrong with the log or the keys.
    pub async fn open<L: CommitLog>(
        folder: &DataFolder,
        log_id: &[u8; 16],
        log: &L,
    ) -> Result<Self, ProofError> {
        let (dir, origin) = (folder.proofs(), origin(log_id));
        let keys = KeyFiles::new(folder.keys(), origin.clone());
        let path = dir.join(CHECKPOINTS);
        let found = read_checkpoints(&path, &origin)?;
        if found.is_none() && keys.has_any()? {
            let keys = folder.keys();
            let (keys, proofs) = (keys.display(), dir.display());
            let reason = format!(
                "it is missing, although there is a key: restore it from a backup; if it is lost for good, \
                 move {keys} and {proofs} away together, and a new key begins"
            );
            return Err(ProofError::Damaged { path, reason });
        }
        let (signed, end) = found.unwrap_or_default();
        if let Some(last) = signed.last() {
            let known = Checkpoint::open(&last.note, &keys.verifiers()?);
            known.map_err(|err| damaged(&path, signed.len(), &err.to_string()))?;
        }
        let hashes = open_hashes(&dir, &signed, log).await?;
        let mut archive = Self { dir, origin, keys, hashes, signed, end };
        archive.follow(log).await?;
        Ok(archive)
    }

    /// Takes in the commits that have become durable since.
    ///
    /// # Errors
    ///
    /// [`ProofError::Log`] or [`ProofError::Io`].
    pub async fn follow<L: CommitLog>(&mut self, log: &L) -> Result<(), ProofError> {
        extend(&mut self.hashes, log, u64::MAX).await
    }

    /// Commits taken in so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.hashes.size()
    }

    /// Every checkpoint that was signed, in order.
    #[must_use]
    pub fn signed(&self) -> &[Signed] {
        &self.signed
    }

    /// The last checkpoint.
    ///
    /// # Errors
    ///
    /// [`ProofError::NoCheckpoint`].
    pub fn latest(&self) -> Result<&Signed, ProofError> {
        self.signed.last().ok_or(ProofError::NoCheckpoint)
    }

    /// The verifier keys, the oldest first.
    ///
    /// # Errors
    ///
    /// [`ProofError`] when they cannot be read.
    pub fn verifiers(&self) -> Result<Vec<VerifierKey>, ProofError> {
        self.keys.verifiers()
    }

    /// Signs a checkpoint over all commits taken in, unless the last one covers them. Blocks.
    /// Reads `log` only when the hashes were damaged since they were opened.
    ///
    /// # Errors
    ///
    /// [`ProofError::Contradicted`] when the log does not continue the last one; [`ProofError::Empty`], or
    /// what is wrong with the key or the disk. Nothing is signed then.
    pub async fn sign<L: CommitLog>(&mut self, log: &L) -> Result<&Signed, ProofError> {
        if self.signed.last().is_none_or(|last| last.size < self.hashes.size()) {
            let key = self.key()?;
            self.append(log, None, &[&key]).await?;
        }
        self.latest()
    }

    /// Changes the key: signs a checkpoint that names the new key with both, then forgets the old
    /// one. Blocks. Interrupted at any step, it can be asked for again, and goes on with the same new
    /// key.
    ///
    /// # Errors
    ///
    /// As [`sign`](Self::sign); the old key is still in use then.
    pub async fn rotate<L: CommitLog>(
        &mut self,
        log: &L,
    ) -> Result<(VerifierKey, &Signed), ProofError> {
        let old = self.key()?;
        let new = self.keys.next()?;
        self.append(log, Some(new.verifier().clone()), &[&old, &new]).await?;
        self.keys.adopt(&new)?;
        Ok((new.verifier().clone(), self.latest()?))
    }

    /// The secret key, for a log that has something to be signed.
    fn key(&self) -> Result<SigningKey, ProofError> {
        if self.hashes.size() == 0 {
            return Err(ProofError::Empty);
        }
        if self.signed.is_empty() {
            let made = make_private_folder(&self.dir).map_err(failed(&self.dir, "made"));
            let path = self.dir.join(CHECKPOINTS);
            made.and_then(|()| write_at(&path, 0, "").map_err(failed(&path, "written")))?;
        }
        self.keys.signing()
    }

    async fn append<L: CommitLog>(
        &mut self,
        log: &L,
        new_key: Option<VerifierKey>,
        keys: &[&SigningKey],
    ) -> Result<(), ProofError> {
        if let Some(Signed { size, root, .. }) = self.signed.last() {
            let (size, root) = (*size, *root);
            let is_signed = |hashes: &Hashes| hashes.root_of(size).ok().filter(|it| *it == root);
            self.fitting(log, is_signed).await?;
        }
        self.hashes.sync().map_err(failed(self.hashes.path(), "written"))?;
        let (size, root) = (self.hashes.size(), self.hashes.root());
        let checkpoint = Checkpoint { origin: self.origin.clone(), size, root, new_key };
        let note = checkpoint.sign(keys);
        let path = self.dir.join(CHECKPOINTS);
        let entry = format!("{note}\n");
        let key_id = note::first_signer(&note);
        let key_id =
            key_id.map_err(|err| damaged(&path, self.signed.len() + 1, &err.to_string()))?;
        write_at(&path, self.end, &entry).map_err(failed(&path, "written"))?;
        self.end += u64::try_from(entry.len()).unwrap_or(u64::MAX);
        self.signed.push(Signed { size, root, key_id, note });
        Ok(())
    }

    /// What `find` makes of the hashes. When it is nothing, they do not fit what was signed: they are
    /// made again from `log`, which decides.
    async fn fitting<L: CommitLog, T>(
        &mut self,
        log: &L,
        find: impl Fn(&Hashes) -> Option<T>,
    ) -> Result<T, ProofError> {
        if let Some(found) = find(&self.hashes) {
            return Ok(found);
        }
        let path = self.hashes.path();
        tracing::warn!(path = %path.display(), "the hashes have changed while in use: made again");
        let signed = self.latest()?.size;
        self.hashes = make_again(path.to_owned(), &self.signed, signed, log).await?;
        self.follow(log).await?;
        find(&self.hashes).ok_or_else(|| {
            ProofError::Contradicted("it has changed while it was in use".to_owned())
        })
    }

    /// Proves that `commit` is the one at `position`, by the last checkpoint or the one of a size. The
    /// proof has been checked. Blocks, and reads `log` when the hashes do not fit what was signed.
    ///
    /// # Errors
    ///
    /// [`ProofError::NoCheckpoint`], [`ProofError::NoSuchCheckpoint`], [`ProofError::NotCovered`];
    /// [`ProofError::Contradicted`] when `log` is not the one that was signed.
    pub async fn prove<L: CommitLog>(
        &mut self,
        log: &L,
        position: u64,
        commit: &SealedCommit,
        size: Option<u64>,
    ) -> Result<Proof, ProofError> {
        let signed = match size {
            Some(size) => self.of_size(size)?,
            None => self.latest()?,
        };
        let Signed { size, root, note: checkpoint, .. } = signed.clone();
        let index = position.checked_sub(1).filter(|index| *index < size);
        let index = index.ok_or(ProofError::NotCovered { position, size })?;
        let commit_hash = commit.hash();
        let path = |hashes: &Hashes| {
            let path = hashes.inclusion_path(index, size).ok()?;
            let found = merkle::root_by_path(commit_hash, index, size, &path);
            (found == Some(root)).then_some(path)
        };
        let path = self.fitting(log, path).await?;
        let commit = STANDARD.encode(commit.bytes());
        Ok(Proof { position, size, commit_hash, commit, path, checkpoint })
    }

    /// The path that proves that the checkpoint over `to` commits continues the one over `from`. It has
    /// been checked. Blocks, and reads `log` when the hashes do not fit what was signed.
    ///
    /// # Errors
    ///
    /// [`ProofError::NoSuchCheckpoint`], [`ProofError::Order`], or [`ProofError::Contradicted`] when
    /// `log` is not the one that was signed.
    pub async fn consistency<L: CommitLog>(
        &mut self,
        log: &L,
        from: u64,
        to: u64,
    ) -> Result<Vec<Hash>, ProofError> {
        let (before, after) = (self.of_size(from)?.root, self.of_size(to)?.root);
        if to < from {
            return Err(ProofError::Order { from, to });
        }
        let path = |hashes: &Hashes| {
            let path = hashes.consistency_path(from, to).ok()?;
            merkle::is_consistent((from, before), (to, after), &path).then_some(path)
        };
        self.fitting(log, path).await
    }

    /// The first checkpoint over `size` commits.
    ///
    /// # Errors
    ///
    /// [`ProofError::NoSuchCheckpoint`].
    pub fn of_size(&self, size: u64) -> Result<&Signed, ProofError> {
        let index = self.signed.partition_point(|signed| signed.size < size);
        let found = self.signed.get(index).filter(|signed| signed.size == size);
        found.ok_or(ProofError::NoSuchCheckpoint(size))
    }
}

/// The checkpoints that `folder` has of the log that is called `origin` in them, in order; their signatures are not
/// looked at.
///
/// # Errors
///
/// [`ProofError::Damaged`] or [`ProofError::Io`].
pub fn checkpoints(folder: &DataFolder, origin: &str) -> Result<Vec<Signed>, ProofError> {
    let found = read_checkpoints(&folder.proofs().join(CHECKPOINTS), origin)?;
    Ok(found.unwrap_or_default().0)
}

/// The first `size` hashes that `folder` has, if it has as many.
///
/// # Errors
///
/// [`ProofError::Io`].
pub fn recorded_hashes(folder: &DataFolder, size: u64) -> Result<Option<Hashes>, ProofError> {
    let path = folder.proofs().join(HASHES);
    Hashes::load(path.clone(), size).map_err(failed(&path, "read"))
}

/// The commit at `position`, if the log has it.
///
/// # Errors
///
/// See [`StoreError`].
pub async fn commit_at<L: CommitLog>(
    log: &L,
    position: u64,
) -> Result<Option<SealedCommit>, StoreError> {
    if position == 0 || log.durable_position() < position {
        return Ok(None);
    }
    Ok(log.read_from(position).try_next().await?.map(crate::store::StoredCommit::take))
}

fn damaged(path: &Path, number: usize, what: &str) -> ProofError {
    let reason = format!(
        "checkpoint {number}: {what}; restore the file, or keys/checkpoint.pub, from a backup"
    );
    ProofError::Damaged { path: path.to_owned(), reason }
}

/// The checkpoints in a file, and where the last whole one ends; `None` when there is no file. What a
/// crash has left behind the last one was never given away.
fn read_checkpoints(path: &Path, origin: &str) -> Result<Option<(Vec<Signed>, u64)>, ProofError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(failed(path, "read")(err)),
    };
    let (mut signed, mut start): (Vec<Signed>, usize) = (Vec::new(), 0);
    while let Some(note) = text.get(start..).and_then(first_note) {
        let number = signed.len() + 1;
        let wrong = |what: &str| damaged(path, number, what);
        let note = str::from_utf8(note).map_err(|_| wrong("it is no text"))?;
        let (text, _) = note.split_once("\n\n").ok_or_else(|| wrong("it is no signed note"))?;
        let checkpoint = Checkpoint::read(&format!("{text}\n"));
        let checkpoint = checkpoint.ok_or_else(|| wrong("it cannot be read"))?;
        if checkpoint.origin != origin {
            return Err(wrong(&format!("it is one of {}", checkpoint.origin)));
        }
        if signed.last().is_some_and(|last| checkpoint.size < last.size) {
            return Err(wrong("it covers fewer commits than the one before"));
        }
        let key_id = note::first_signer(note).map_err(|err| wrong(&err.to_string()))?;
        let Checkpoint { size, root, .. } = checkpoint;
        signed.push(Signed { size, root, key_id, note: note.to_owned() });
        start += note.len() + 1;
    }
    Ok(Some((signed, u64::try_from(start).unwrap_or(u64::MAX))))
}

/// The note that `bytes` start with, if it is whole: text, empty line, signatures, empty line.
fn first_note(bytes: &[u8]) -> Option<&[u8]> {
    let mut ends = bytes.windows(2).enumerate().filter(|(_, pair)| pair == b"\n\n");
    let (end, _) = ends.nth(1)?;
    bytes.get(..=end)
}

fn write_at(path: &Path, offset: u64, text: &str) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    file.set_len(offset)?;
    file.write_all_at(text.as_bytes(), offset)?;
    file.sync_all()?;
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    File::open(folder)?.sync_all()
}

/// The hashes up to the last checkpoint, from their file if its root is the one that was signed, else
/// from the log.
async fn open_hashes<L: CommitLog>(
    dir: &Path,
    signed: &[Signed],
    log: &L,
) -> Result<Hashes, ProofError> {
    let path = dir.join(HASHES);
    let Some(last) = signed.last() else { return Ok(Hashes::new(path)) };
    let end = log.durable_position();
    if end < last.size {
        let what = format!("it ends at position {end}, but {} commits were signed", last.size);
        return Err(ProofError::Contradicted(what));
    }
    let stored = Hashes::load(path.clone(), last.size).map_err(failed(&path, "read"))?;
    let is_signed = |hashes: &Hashes| hashes.root_of(last.size).is_ok_and(|root| root == last.root);
    if let Some(hashes) = stored.filter(is_signed) {
        let known = hashes.get(last.size - 1, last.size).map_err(failed(&path, "read"))?;
        let found = commit_at(log, last.size).await?;
        if known.first().copied() != found.map(|commit| commit.hash()) {
            let what = format!("another commit was signed at position {}", last.size);
            return Err(ProofError::Contradicted(what));
        }
        return Ok(hashes);
    }
    tracing::warn!(path = %path.display(), "the hashes do not fit the last checkpoint: made again");
    make_again(path, signed, last.size, log).await
}

/// Makes the file of hashes again from the log, beside the old one until it is the one that was signed.
async fn make_again<L: CommitLog>(
    path: PathBuf,
    signed: &[Signed],
    size: u64,
    log: &L,
) -> Result<Hashes, ProofError> {
    let mut made = Hashes::new(path.with_extension("new"));
    extend(&mut made, log, size).await?;
    made.sync().map_err(failed(made.path(), "written"))?;
    let mut agreed = 0;
    for Signed { size, root, .. } in signed {
        if made.root_of(*size).map_err(failed(made.path(), "read"))? != *root {
            fs::remove_file(made.path()).map_err(failed(made.path(), "removed"))?;
            let what = format!("a commit from position {} to {size} was changed", agreed + 1);
            return Err(ProofError::Contradicted(what));
        }
        agreed = *size;
    }
    made.rename(path.clone()).map_err(failed(&path, "replaced"))?;
    Ok(made)
}

/// Adds the hashes of the commits that follow, up to position `until`.
async fn extend<L: CommitLog>(hashes: &mut Hashes, log: &L, until: u64) -> Result<(), ProofError> {
    let until = until.min(log.durable_position());
    if until <= hashes.size() {
        return Ok(());
    }
    let mut commits = log.read_from(hashes.size() + 1);
    while hashes.size() < until {
        let Some(stored) = commits.try_next().await? else { return Ok(()) };
        let pushed = hashes.push(stored.hash());
        pushed.map_err(failed(hashes.path(), "written"))?;
    }
    Ok(())
}
