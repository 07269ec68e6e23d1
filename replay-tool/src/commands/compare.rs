//! The log against a checkpoint that was kept elsewhere: whether it is the one that was signed, and if
//! not, which record is not.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::TryStreamExt;
use ledger_core::commit::Hash;
use ledger_core::folder::DataFolder;
use ledger_core::ids::StreamId;
use ledger_core::merkle::Tree;
use ledger_core::proof::NotProved;
use ledger_core::proof::archive::{checkpoints, commit_at, recorded_hashes};
use ledger_core::proof::checkpoint::{Checkpoint, follow_keys, origin};
use ledger_core::proof::note::{NoteError, VerifierKey};
use ledger_core::store::CommitLog;
use ledger_core::store::segment::SegmentLog;
use serde::Serialize;

use crate::cli::VerifyArgs;
use crate::exit::Failure;
use crate::output::Output;
use crate::source::{self, Book, Source};

/// A checkpoint that was kept elsewhere, and the key that vouches for it, or for the key that does.
pub(super) struct Trusted {
    checkpoint: Checkpoint,
    key: VerifierKey,
}

/// Reads the checkpoint to compare with, if one was given. A changed key is followed through the
/// checkpoints of a folder.
///
/// # Errors
///
/// [`Failure::Source`] when it cannot be read or is not to be believed.
pub(super) fn trusted(args: &VerifyArgs, source: &Source) -> Result<Option<Trusted>, Failure> {
    let (Some(file), Some(key)) = (&args.checkpoint, &args.key) else { return Ok(None) };
    let wrong = |why: &dyn fmt::Display| {
        Failure::Source(format!("{}: {why}; check --checkpoint and --key", file.display()))
    };
    let note = source::read(file)?;
    let mut checkpoint = Checkpoint::open(&note, std::slice::from_ref(key));
    if let (Err(NoteError::Unsigned), Source::Folder(folder)) = (&checkpoint, source) {
        // What cannot be read vouches for no key.
        let signed = checkpoints(folder, key.name()).unwrap_or_default();
        let keys = follow_keys(key.clone(), signed.iter().map(|signed| signed.note.as_str()));
        checkpoint = Checkpoint::open(&note, &keys);
    }
    let checkpoint = checkpoint.map_err(|err| wrong(&err))?;
    if checkpoint.origin != key.name() {
        let (found, trusted) = (checkpoint.origin, key.name().to_owned());
        return Err(wrong(&NotProved::Origin { found, trusted }));
    }
    Ok(Some(Trusted { checkpoint, key: key.clone() }))
}

/// What came of the comparison.
#[derive(Debug, Serialize)]
pub(super) struct Compared {
    book: &'static str,
    origin: String,
    size: u64,
    root: String,
    difference: Option<Difference>,
}

/// What became of the first commit that is not as it was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Changed,
    Removed,
    Inserted,
    Reordered,
    Truncated,
    OtherLog,
    Unreadable,
    Unknown,
}

/// The first difference between the log and what was signed.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Difference {
    kind: Kind,
    /// Position of the first commit concerned.
    from: u64,
    /// Position of the last one.
    to: u64,
    /// Stream of the commit that stands at the first position now.
    stream: Option<StreamId>,
    /// Its version.
    version: Option<u64>,
    what: String,
}

impl Compared {
    pub(super) const fn agrees(&self) -> bool {
        self.difference.is_none()
    }
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, size, .. } = self;
        match &self.difference {
            None => {
                write!(f, "checkpoint: the first {size} commits are those that {origin} signed")
            }
            Some(Difference { what, stream, version, .. }) => {
                write!(f, "checkpoint: NOT the {size} commits that {origin} signed\n  {what}")?;
                match (stream, version) {
                    (Some(stream), Some(version)) => {
                        write!(f, "; {stream} version {version} stands there now")
                    }
                    _ => Ok(()),
                }
            }
        }
    }
}

/// Compares the log with a checkpoint. All hashes are computed from the commits' bytes.
///
/// # Errors
///
/// [`Failure`] when the source cannot be read.
pub(super) async fn compare(
    source: &Source,
    trusted: &Trusted,
    output: &mut Output<'_>,
) -> Result<Compared, Failure> {
    let Checkpoint { origin, size, root, .. } = &trusted.checkpoint;
    let difference = match find(source, trusted, output).await {
        Ok(difference) => difference,
        Err(Failure::Damage(what)) => {
            Some(nowhere(Kind::Unreadable, format!("it cannot be compared: {what}")))
        }
        Err(err) => return Err(err),
    };
    let root = STANDARD.encode(root.as_bytes());
    Ok(Compared { book: "checkpoint", origin: origin.clone(), size: *size, root, difference })
}

async fn find(
    source: &Source,
    trusted: &Trusted,
    output: &mut Output<'_>,
) -> Result<Option<Difference>, Failure> {
    let Checkpoint { size, root, .. } = &trusted.checkpoint;
    let (mut tree, mut read) = (Tree::default(), 0);
    let visit = &mut |position: u64, sealed: ledger_core::commit::SealedCommit| {
        output.progress("comparing with the checkpoint", position, *size);
        if read < *size {
            tree.push(sealed.hash());
            read += 1;
        }
        Ok(())
    };
    let result = source.each(Book::Log, visit).await;
    output.progress_end();
    result?;
    let is_signed = read == *size && tree.root() == *root;
    match source {
        Source::Folder(folder) => {
            let log = source::open_log(&folder.log())?;
            let found = origin(&log.id());
            if found != trusted.checkpoint.origin {
                let what = format!("this log is {found}");
                return Ok(Some(nowhere(Kind::OtherLog, what)));
            }
            if is_signed { Ok(None) } else { name(folder, &log, trusted).await.map(Some) }
        }
        Source::Server(_) if is_signed => Ok(None),
        Source::Server(_) => {
            let what = "stop the server, and verify its folder to learn which commit it is";
            Ok(Some(nowhere(Kind::Unknown, what.to_owned())))
        }
    }
}

fn nowhere(kind: Kind, what: String) -> Difference {
    Difference { kind, from: 0, to: 0, stream: None, version: None, what }
}

/// Names the first difference, by the hashes of the folder if they are those that were signed, else by
/// its checkpoints.
async fn name(
    folder: &DataFolder,
    log: &SegmentLog,
    trusted: &Trusted,
) -> Result<Difference, Failure> {
    let Checkpoint { size, root, .. } = &trusted.checkpoint;
    let mut found = Vec::new();
    let mut commits = log.read_from(1);
    while let Some(stored) = commits.try_next().await.map_err(|err| source::store(&err))? {
        found.push(stored.hash());
    }
    let recorded = recorded_hashes(folder, *size).map_err(|err| source::proofs(&err))?;
    let recorded = recorded.filter(|recorded| recorded.root_of(*size).is_ok_and(|it| it == *root));
    let Some(recorded) = recorded else { return between(folder, log, trusted, &found) };
    let signed = recorded.get(0, *size).map_err(|err| {
        Failure::Source(format!("{} cannot be read: {err}", recorded.path().display()))
    })?;
    let (kind, from, to, what) = classify(&signed, &found);
    let now = commit_at(log, from).await.map_err(|err| source::store(&err))?;
    let now = now.filter(|_| kind != Kind::Truncated);
    let stream = now.as_ref().map(|now| now.commit().stream.clone());
    let version = now.map(|now| now.commit().version);
    Ok(Difference { kind, from, to, stream, version, what })
}

/// What became of the first commit of `signed` that is not where it was, its position, and the last
/// one's that has the same fate.
fn classify(signed: &[Hash], found: &[Hash]) -> (Kind, u64, u64, String) {
    let pairs = signed.iter().zip(found);
    let same = pairs.take_while(|(signed, found)| signed == found).count();
    let (signed_end, from) = (number(signed.len()), number(same) + 1);
    let (Some(expected), Some(there)) = (signed.get(same), found.get(same)) else {
        let what = format!("truncated: positions {from} to {signed_end} are missing at the end");
        return (Kind::Truncated, from, signed_end, what);
    };
    let index = |hashes: &[Hash]| -> BTreeMap<Hash, usize> {
        hashes.iter().enumerate().skip(same).map(|(index, hash)| (*hash, index)).collect()
    };
    let (in_signed, in_found) = (index(signed), index(found));
    if let (Some(moved), true) = (in_found.get(expected), in_signed.contains_key(there)) {
        let to = number(*moved) + 1;
        let what =
            format!("reordered: the commit signed at position {from} is at position {to} now");
        return (Kind::Reordered, from, to, what);
    }
    // Where both agree again: the first commit from there on that was signed, and where it was.
    let mut rest = found.iter().enumerate().skip(same);
    let again = rest.find_map(|(at, hash)| Some((at, *in_signed.get(hash)?)));
    let (found_end, signed_end) = again.unwrap_or((found.len(), signed.len()));
    let (more, fewer) =
        (found_end.saturating_sub(signed_end), signed_end.saturating_sub(found_end));
    let last = |count: usize| from + number(count) - 1;
    if 0 < fewer {
        let to = last(fewer);
        let what = format!("removed: {} from position {from} on", commits(fewer));
        return (Kind::Removed, from, to, what);
    }
    if 0 < more && again.is_some() {
        let to = last(more);
        let what = format!("inserted: {} from position {from} on", commits(more));
        return (Kind::Inserted, from, to, what);
    }
    let to = number(signed_end);
    let what = if from == to {
        format!("changed: the commit at position {from}")
    } else {
        format!("changed: the commits at positions {from} to {to}")
    };
    (Kind::Changed, from, to, what)
}

fn commits(count: usize) -> String {
    if count == 1 { "1 commit".to_owned() } else { format!("{count} commits") }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Between which checkpoints of the folder the first difference is, by those that the trusted key
/// vouches for.
fn between(
    folder: &DataFolder,
    log: &SegmentLog,
    trusted: &Trusted,
    found: &[Hash],
) -> Result<Difference, Failure> {
    let size = trusted.checkpoint.size;
    let signed = checkpoints(folder, &origin(&log.id())).map_err(|err| source::proofs(&err))?;
    let keys = follow_keys(trusted.key.clone(), signed.iter().map(|signed| signed.note.as_str()));
    let (mut tree, mut agreed, mut differs) = (Tree::default(), 0, size);
    let mut rest = (1..).zip(found).peekable();
    for known in signed.iter().filter(|known| known.size < size) {
        if Checkpoint::open(&known.note, &keys).is_err() {
            continue;
        }
        while let Some((_, hash)) = rest.next_if(|(position, _)| *position <= known.size) {
            tree.push(*hash);
        }
        if tree.root() != known.root {
            differs = known.size;
            break;
        }
        agreed = known.size;
    }
    let from = agreed + 1;
    let what = format!(
        "the first difference lies at a position from {from} to {differs}; the folder's own hashes are \
         not those that were signed, so nothing says which"
    );
    Ok(Difference { from, to: differs, ..nowhere(Kind::Unknown, what) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(signed: &[&str], found: &[&str]) -> (Kind, u64, u64) {
        let hashes = |texts: &[&str]| -> Vec<Hash> {
            texts.iter().map(|text| Hash::of(text.as_bytes())).collect()
        };
        let (kind, from, to, _) = classify(&hashes(signed), &hashes(found));
        (kind, from, to)
    }

    /// Two streams, `a` and `b`. A commit that follows a changed one of its stream links to it, and so
    /// has another hash, here in capitals.
    #[test]
    fn the_first_difference_is_told_for_what_it_is() {
        let signed = ["a1", "b1", "a2", "b2", "a3"];
        let told = |found: &[&str]| told(&signed, found);
        assert_eq!(told(&["a1", "b1", "A2", "b2", "A3"]), (Kind::Changed, 3, 3));
        assert_eq!(told(&["a1", "b1", "a2", "b2", "X"]), (Kind::Changed, 5, 5));
        assert_eq!(told(&["X", "X1", "X2", "X3", "X4"]), (Kind::Changed, 1, 5));
        assert_eq!(told(&["b1", "A2", "b2", "A3"]), (Kind::Removed, 1, 1));
        assert_eq!(told(&["a1", "b1", "b2", "A3"]), (Kind::Removed, 3, 3));
        assert_eq!(told(&["a1", "b2", "a3"]), (Kind::Removed, 2, 3));
        assert_eq!(told(&["a1", "b1", "c1", "a2", "b2", "a3"]), (Kind::Inserted, 3, 3));
        assert_eq!(told(&["b1", "a1", "a2", "b2", "a3"]), (Kind::Reordered, 1, 2));
        assert_eq!(told(&["a1", "a2", "b2", "b1", "a3"]), (Kind::Reordered, 2, 4));
        assert_eq!(told(&["a1", "b1", "a2"]), (Kind::Truncated, 4, 5));
        assert_eq!(told(&[]), (Kind::Truncated, 1, 5));
    }
}
