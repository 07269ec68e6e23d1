//! The log as it is, or with a bug planted to see it found.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use eventually::store::{EventStore, EventStream, Expected, Select};
use eventually::subscription::{self, EventSubscriber};
use futures::FutureExt;
use futures::future::{self, BoxFuture};
use futures::stream::BoxStream;
use ledger_core::commit::{Commit, SealedCommit};
use ledger_core::ids::StreamId;
use ledger_core::store::segment::SegmentLog;
use ledger_core::store::{Appended, CommitLog, Head, StoreError, StoredCommit};

/// A mistake that a log could make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// The version is checked when the append is asked for; later the commit is made to fit.
    ChecksOutside,
    /// The answer comes before the commit is durable.
    AnswersAtOnce,
    /// The commit is never written.
    KeepsInMemory,
}

/// A log with or without a bug. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct PlantedLog {
    pub(crate) log: SegmentLog,
    bug: Option<Bug>,
    /// Appends refused because another one was faster.
    pub(crate) conflicts: Arc<AtomicU64>,
}

type Append = BoxFuture<'static, Result<Appended, StoreError>>;

impl PlantedLog {
    pub(crate) fn new(log: SegmentLog, bug: Option<Bug>) -> Self {
        Self { log, bug, conflicts: Arc::default() }
    }

    fn append_correctly(&self, commit: SealedCommit) -> Append {
        let (append, conflicts) = (self.log.append_commit(commit), Arc::clone(&self.conflicts));
        let count = move |outcome: &Result<Appended, StoreError>| {
            if matches!(outcome, Err(StoreError::Conflict { .. })) {
                conflicts.fetch_add(1, Ordering::Relaxed);
            }
        };
        append.inspect(count).boxed()
    }

    fn append_unchecked(&self, mut commit: SealedCommit) -> Append {
        let actual = self.log.head(&commit.commit().stream).version;
        if commit.commit().version <= actual {
            return self.append_correctly(commit);
        }
        let (log, mut append) = (self.log.clone(), self.log.append_commit(commit.clone()));
        async move {
            loop {
                match append.await {
                    Err(StoreError::Conflict { .. }) => {
                        commit = moved(&commit, log.head(&commit.commit().stream));
                        append = log.append_commit(commit.clone());
                    }
                    outcome => return outcome,
                }
            }
        }
        .boxed()
    }

    fn appended(&self, commit: &SealedCommit) -> Append {
        let stats = self.log.stats();
        let waiting = u64::try_from(stats.waiting).expect("is small");
        let position = stats.position + waiting + 1;
        future::ready(Ok(Appended { position, version: commit.commit().version })).boxed()
    }
}

/// The same commit at the end of its stream.
fn moved(commit: &SealedCommit, head: Head) -> SealedCommit {
    let (version, previous) = (head.version + 1, head.hash);
    let commit = Commit { version, previous, ..commit.commit().clone() };
    SealedCommit::seal(commit).expect("it was sealed before")
}

impl CommitLog for PlantedLog {
    fn append_commit(&self, commit: SealedCommit) -> Append {
        match self.bug {
            None => self.append_correctly(commit),
            Some(Bug::ChecksOutside) => self.append_unchecked(commit),
            Some(Bug::AnswersAtOnce) => {
                let appended = self.appended(&commit);
                drop(self.log.append_commit(commit));
                appended
            }
            Some(Bug::KeepsInMemory) => self.appended(&commit),
        }
    }

    fn head(&self, stream: &StreamId) -> Head {
        self.log.head(stream)
    }

    fn can_grow(&self) -> Result<(), StoreError> {
        self.log.can_grow()
    }

    fn durable_position(&self) -> u64 {
        self.log.durable_position()
    }

    fn read_from(&self, position: u64) -> BoxStream<'static, Result<StoredCommit, StoreError>> {
        self.log.read_from(position)
    }

    fn wait_beyond(&self, position: u64) -> BoxFuture<'static, Result<u64, StoreError>> {
        self.log.wait_beyond(position)
    }
}

impl EventStore for PlantedLog {
    type SourceId = StreamId;
    type Event = SealedCommit;
    type Error = StoreError;

    fn append(
        &mut self,
        source: StreamId,
        expected: Expected,
        commits: Vec<SealedCommit>,
    ) -> BoxFuture<'_, Result<u32, StoreError>> {
        self.log.append(source, expected, commits)
    }

    fn stream(
        &self,
        source: StreamId,
        select: Select,
    ) -> BoxFuture<'_, Result<EventStream<'_, Self>, StoreError>> {
        self.log.stream(source, select)
    }

    fn stream_all(
        &self,
        select: Select,
    ) -> BoxFuture<'_, Result<EventStream<'_, Self>, StoreError>> {
        self.log.stream_all(select)
    }

    fn remove(&mut self, source: StreamId) -> BoxFuture<'_, Result<(), StoreError>> {
        self.log.remove(source)
    }
}

impl EventSubscriber for PlantedLog {
    type SourceId = StreamId;
    type Event = SealedCommit;
    type Error = StoreError;

    fn subscribe_all(
        &self,
    ) -> BoxFuture<'_, Result<subscription::EventStream<'_, Self>, StoreError>> {
        self.log.subscribe_all()
    }
}
