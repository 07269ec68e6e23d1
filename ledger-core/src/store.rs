//! The store seam: `eventually`'s `EventStore` and `EventSubscriber` over sealed commits.
//!
//! A store moves sealed bytes and knows nothing of the domain. What every store must do is written
//! down, executable, in `store::contract`.

#[cfg(any(test, feature = "testing"))]
pub mod contract;
pub mod memory;
pub mod segment;

use std::path::PathBuf;

use eventually::store::{AppendError, EventStore, Expected, Persisted, Select};
use eventually::subscription::EventSubscriber;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};

use crate::commit::{CommitError, Hash, SealedCommit};
use crate::ids::StreamId;

/// A commit as stored: `version` in its stream, `sequence_number` is its position in the log.
pub type StoredCommit = Persisted<StreamId, SealedCommit>;

/// Where an append ended up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Position in the log of the last commit, from 1, without gaps.
    pub position: u64,
    /// Version in the stream of the last commit, from 1, without gaps.
    pub version: u64,
}

/// Why a store did not do what it was asked. Only [`StoreError::Unknown`] leaves open whether it did.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The stream is at another version than expected. Nothing was written: read and decide again.
    #[error("the stream is at version {actual}, not at {expected}")]
    Conflict {
        /// Version the caller expected.
        expected: u64,
        /// Version found.
        actual: u64,
    },
    /// The append may or may not be durable. Read before trying again.
    #[error("the outcome of the append is unknown")]
    Unknown(#[source] std::io::Error),
    /// The disk is full. Nothing was written; reading goes on, and appending when space returns.
    #[error("the disk is full: free some space, then send the command again")]
    Full(#[source] std::io::Error),
    /// Too many appends wait for the disk. Nothing was written.
    #[error("too many commands wait for the disk: send the command again in a moment")]
    Overloaded,
    /// An earlier write or sync failed. Nothing was written; restart to verify the tail.
    #[error("an earlier write failed: restart the ledger so that it verifies the end of its log")]
    Poisoned,
    /// The store was closed. Nothing was written.
    #[error("the log is closed")]
    Closed,
    /// `eventually` counts in 32 bits, and this log has come to the end of them. Nothing was written.
    #[error("the log is used up: it holds the {0} commits that 32-bit positions can number")]
    Exhausted(u64),
    /// The log only grows; nothing can be removed.
    #[error("the log is append-only: nothing can be removed")]
    AppendOnly,
    /// A commit does not fit where it was to be appended: wrong stream, version or link. A bug.
    #[error("the commit does not continue its stream: {0}")]
    NotNext(&'static str),
    /// A stored record is damaged. Nothing was changed.
    #[error("{file}: damaged record at offset {offset}, position {position}: {reason}")]
    Damaged {
        /// The segment file.
        file: PathBuf,
        /// Where in the file the record starts, in bytes.
        offset: u64,
        /// Position the record has or should have.
        position: u64,
        /// What is wrong with it.
        reason: Damage,
    },
    /// The log ends before a commit that was acknowledged. Nothing was changed.
    #[error(
        "{file}: the log ends at position {found}, but {acknowledged} was acknowledged; \
         restore the missing end from a backup"
    )]
    Shortened {
        /// The last segment file.
        file: PathBuf,
        /// Last position found.
        found: u64,
        /// Last position that the anchor says is durable.
        acknowledged: u64,
    },
    /// A file in the folder does not belong to this log, or was made by a newer version.
    #[error("{file}: {reason}")]
    Foreign {
        /// The file.
        file: PathBuf,
        /// Why it cannot be used.
        reason: String,
    },
    /// Another process works on the folder.
    #[error("{0}: another process is using this folder; stop it, or ask it over HTTP")]
    Locked(PathBuf),
    /// The folder or a file cannot be used.
    #[error("{path}: cannot be {action}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried, in the past participle, for example "read".
        action: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
}

/// What is wrong with a stored record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The record's checksum does not fit its bytes.
    #[error("its checksum does not match")]
    Checksum,
    /// The record's length makes no sense.
    #[error("its length is not possible")]
    Length,
    /// The file ends within the record although more of the log follows.
    #[error("the file ends within it")]
    Incomplete,
    /// The record carries another position than its place says.
    #[error("it carries position {0}")]
    Position(u64),
    /// The record's bytes do not hash to the hash stored with it.
    #[error("its hash does not match its bytes")]
    Hash,
    /// The commit does not link to the one before it in its stream.
    #[error("it does not continue its stream: {0}")]
    Link(&'static str),
    /// Another commit was acknowledged at this position.
    #[error("it is not the commit that was acknowledged here")]
    Replaced,
    /// Commits are missing before the next segment.
    #[error("the next segment starts at {0}; restore the missing segment file from a backup")]
    Gap(u64),
    /// The footer of a sealed segment is missing or does not match the segment's records.
    #[error("the segment's footer does not match its records; restore the file from a backup")]
    Footer,
    /// The bytes are not a commit.
    #[error("{0}")]
    Commit(#[from] CommitError),
}

impl AppendError for StoreError {
    fn is_conflict_error(&self) -> bool {
        matches!(self, Self::Conflict { .. })
    }
}

/// An append-only log of sealed commits, one stream per customer and one for the catalogue.
///
/// The vocabulary is `eventually`'s: `append` with [`Expected`], `stream` and `stream_all` with
/// [`Select`] (from a version or position, included), `subscribe_all` for commits from now on, without
/// a gap to what `stream_all` has given. All commits of one `append` fit and are appended, at
/// consecutive positions, or none is. [`Expected::Any`] does not renumber: the first commit must carry
/// the next version all the same. Once polled, an append may happen even if its future is dropped.
///
/// What `eventually` numbers in 32 bits is converted with a check. This trait adds what its answers
/// cannot carry. The executable contract is `store::contract`.
pub trait CommitLog:
    EventStore<SourceId = StreamId, Event = SealedCommit, Error = StoreError>
    + EventSubscriber<SourceId = StreamId, Event = SealedCommit, Error = StoreError>
    + Clone
    + Send
    + Sync
    + 'static
{
    /// Appends one commit if its stream is at the version before it.
    ///
    /// The same as `EventStore::append` of one commit with `Expected::Exact`, but the answer carries
    /// the position, too, and the commit takes its place before this returns: commits are checked and
    /// stored in the order of the calls, so that the next one of a stream can follow at once. The
    /// future ends when the commit is durable; dropping it does not take the commit back.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; [`StoreError::Overloaded`] instead of waiting for a place.
    fn append_commit(
        &self,
        commit: SealedCommit,
    ) -> BoxFuture<'static, Result<Appended, StoreError>>;

    /// Whether commits can still be appended.
    ///
    /// # Errors
    ///
    /// When the log will not grow any more: [`StoreError::Closed`], or [`StoreError::Poisoned`] after
    /// a failed write.
    fn can_grow(&self) -> Result<(), StoreError>;

    /// Position of the last durable commit; zero in an empty log.
    fn durable_position(&self) -> u64;

    /// Where a stream ends, as far as it is durable. Answers from memory.
    fn head(&self, stream: &StreamId) -> Head;

    /// Commits of the whole log from `position` (included) on to the durable end, in order.
    ///
    /// The same as `stream_all` with an owned stream, so that tasks can hold it.
    fn read_from(&self, position: u64) -> BoxStream<'static, Result<StoredCommit, StoreError>>;

    /// Waits until a commit after `position` is durable, and returns the durable end.
    ///
    /// # Errors
    ///
    /// When the log will not grow any more: [`StoreError::Closed`], or [`StoreError::Poisoned`] after
    /// a failed write.
    fn wait_beyond(&self, position: u64) -> BoxFuture<'static, Result<u64, StoreError>>;
}

/// Where a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Version of its last commit; zero when it has none.
    pub version: u64,
    /// Hash of its last commit; [`Hash::ZERO`] when it has none.
    pub hash: Hash,
}

impl Head {
    /// The end of a stream without commits.
    pub const EMPTY: Self = Self { version: 0, hash: Hash::ZERO };
}

/// Checks that `commits` continue `source` at `head`, and returns its head after them.
fn head_after(
    head: Head,
    source: &StreamId,
    expected: Expected,
    commits: &[SealedCommit],
) -> Result<Head, StoreError> {
    if let Expected::Exact(version) = expected
        && u64::from(version) != head.version
    {
        return Err(StoreError::Conflict { expected: version.into(), actual: head.version });
    }
    if let (Expected::Any, Some(first)) = (expected, commits.first())
        && first.commit().version.checked_sub(1).is_some_and(|before| before != head.version)
    {
        let expected = first.commit().version - 1;
        return Err(StoreError::Conflict { expected, actual: head.version });
    }
    commits.iter().try_fold(head, |head, sealed| {
        if sealed.commit().stream != *source {
            return Err(StoreError::NotNext("it belongs to another stream"));
        }
        next_head(head, sealed).map_err(StoreError::NotNext)
    })
}

fn next_head(head: Head, sealed: &SealedCommit) -> Result<Head, &'static str> {
    let commit = sealed.commit();
    if commit.version.checked_sub(1) != Some(head.version) {
        return Err("its version is not the next one");
    }
    if commit.previous != head.hash {
        return Err("it does not link to the commit before it");
    }
    Ok(Head { version: commit.version, hash: sealed.hash() })
}

/// The version a single commit expects its stream to be at.
fn expected_before(sealed: &SealedCommit) -> Result<Expected, StoreError> {
    let before = sealed.commit().version.checked_sub(1);
    let before = before.ok_or(StoreError::NotNext("versions are counted from 1"))?;
    Ok(Expected::Exact(numbered(before)?))
}

/// A version or position as `eventually` counts it.
fn numbered(count: u64) -> Result<u32, StoreError> {
    u32::try_from(count).map_err(|_| StoreError::Exhausted(u32::MAX.into()))
}

/// The first version or position that `select` includes.
fn first_selected(select: Select) -> u64 {
    match select {
        Select::All => 1,
        Select::From(first) => u64::from(first).max(1),
    }
}

fn stored(sealed: SealedCommit, position: u64) -> Result<StoredCommit, StoreError> {
    let version = numbered(sealed.commit().version)?;
    let stream = sealed.commit().stream.clone();
    Ok(Persisted::from(stream, sealed).version(version).sequence_number(numbered(position)?))
}

/// Follows a log from `next` on, for ever: reads to the durable end, then waits for more.
///
/// It reads by position, so a slow reader falls behind but never skips. Ends when the log is closed.
fn follow(
    next: u64,
    read_from: impl Fn(u64) -> CommitStream + Send + 'static,
    wait_beyond: impl Fn(u64) -> BoxFuture<'static, Result<u64, StoreError>> + Send + 'static,
) -> CommitStream {
    let start = (next, read_from(next), read_from, wait_beyond);
    stream::try_unfold(start, |(mut next, mut commits, read_from, wait_beyond)| async move {
        loop {
            if let Some(commit) = commits.next().await.transpose()? {
                next = u64::from(commit.sequence_number()) + 1;
                return Ok(Some((commit, (next, commits, read_from, wait_beyond))));
            }
            match wait_beyond(next - 1).await {
                Ok(_) => commits = read_from(next),
                Err(StoreError::Closed) => return Ok(None),
                Err(err) => return Err(err),
            }
        }
    })
    .boxed()
}

type CommitStream = BoxStream<'static, Result<StoredCommit, StoreError>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_end_where_32_bits_end() {
        let last = u64::from(u32::MAX);
        assert_eq!(numbered(last).unwrap(), u32::MAX);
        assert!(matches!(numbered(last + 1), Err(StoreError::Exhausted(most)) if most == last));
    }

    #[test]
    fn a_selection_starts_at_one() {
        let firsts = [Select::All, Select::From(0), Select::From(1), Select::From(7)];
        assert_eq!(firsts.map(first_selected), [1, 1, 1, 7]);
    }
}
