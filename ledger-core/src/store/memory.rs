//! A log in memory, for tests. Nothing outlives the last handle.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eventually::store::{EventStore, EventStream, Expected, Select};
use eventually::subscription::{self, EventSubscriber};
use futures::FutureExt;
use futures::future::{self, BoxFuture};
use futures::stream::{self, BoxStream, StreamExt};
use tokio::sync::watch;

use super::{Appended, CommitLog, Head, StoreError, StoredCommit};
use crate::commit::SealedCommit;
use crate::ids::StreamId;

/// A log in memory. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryLog {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    contents: Mutex<Contents>,
    durable: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Contents {
    /// In order of position; the first is 1.
    commits: Vec<StoredCommit>,
    /// Indexes into `commits`, in order of version.
    streams: BTreeMap<StreamId, Vec<usize>>,
}

impl Contents {
    fn head(&self, source: &StreamId) -> Head {
        let last = self.streams.get(source).and_then(|indexes| indexes.last());
        last.and_then(|index| self.commits.get(*index))
            .map_or(Head::EMPTY, |last| Head { version: last.commit().version, hash: last.hash() })
    }
}

impl MemoryLog {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.shared.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks and appends in one critical section.
    fn append_all(
        &self,
        source: &StreamId,
        expected: Expected,
        commits: Vec<SealedCommit>,
    ) -> Result<Appended, StoreError> {
        let mut contents = self.contents();
        let head = super::head_after(contents.head(source), source, expected, &commits)?;
        let before = contents.commits.len();
        let added = (before + 1..).zip(commits).map(|(position, commit)| {
            super::stored(commit, u64::try_from(position).expect("a usize fits 64 bits"))
        });
        let added = added.collect::<Result<Vec<_>, _>>()?;

        contents.commits.extend(added);
        let after = contents.commits.len();
        contents.streams.entry(source.clone()).or_default().extend(before..after);
        let position = u64::try_from(after).expect("a usize fits 64 bits");
        self.shared.durable.send_replace(position);
        Ok(Appended { position, version: head.version })
    }

    fn read_stream(&self, source: &StreamId, select: Select) -> Vec<StoredCommit> {
        let contents = self.contents();
        let indexes = contents.streams.get(source).map_or(&[][..], Vec::as_slice);
        let selected = indexes.iter().filter_map(|index| contents.commits.get(*index));
        let first = super::first_selected(select);
        selected.filter(|commit| first <= commit.commit().version).cloned().collect()
    }
}

impl EventStore for MemoryLog {
    type SourceId = StreamId;
    type Event = SealedCommit;
    type Error = StoreError;

    fn append(
        &mut self,
        source: StreamId,
        expected: Expected,
        commits: Vec<SealedCommit>,
    ) -> BoxFuture<'_, Result<u32, StoreError>> {
        async move { super::numbered(self.append_all(&source, expected, commits)?.version) }.boxed()
    }

    fn stream(
        &self,
        source: StreamId,
        select: Select,
    ) -> BoxFuture<'_, Result<EventStream<'_, Self>, StoreError>> {
        let commits = self.read_stream(&source, select);
        future::ready(Ok(stream::iter(commits).map(Ok).boxed())).boxed()
    }

    fn stream_all(
        &self,
        select: Select,
    ) -> BoxFuture<'_, Result<EventStream<'_, Self>, StoreError>> {
        future::ready(Ok(self.read_from(super::first_selected(select)))).boxed()
    }

    fn remove(&mut self, _: StreamId) -> BoxFuture<'_, Result<(), StoreError>> {
        future::ready(Err(StoreError::AppendOnly)).boxed()
    }
}

impl EventSubscriber for MemoryLog {
    type SourceId = StreamId;
    type Event = SealedCommit;
    type Error = StoreError;

    fn subscribe_all(
        &self,
    ) -> BoxFuture<'_, Result<subscription::EventStream<'_, Self>, StoreError>> {
        let (reader, waiter) = (self.clone(), self.clone());
        let commits = super::follow(
            self.durable_position() + 1,
            move |position| reader.read_from(position),
            move |position| waiter.wait_beyond(position),
        );
        future::ready(Ok(commits)).boxed()
    }
}

impl CommitLog for MemoryLog {
    fn append_commit(
        &self,
        commit: SealedCommit,
    ) -> BoxFuture<'static, Result<Appended, StoreError>> {
        let source = commit.commit().stream.clone();
        let appended = super::expected_before(&commit)
            .and_then(|expected| self.append_all(&source, expected, vec![commit]));
        future::ready(appended).boxed()
    }

    fn head(&self, stream: &StreamId) -> Head {
        self.contents().head(stream)
    }

    fn can_grow(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn durable_position(&self) -> u64 {
        *self.shared.durable.borrow()
    }

    fn read_from(&self, position: u64) -> BoxStream<'static, Result<StoredCommit, StoreError>> {
        let before = usize::try_from(position.max(1) - 1).unwrap_or(usize::MAX);
        let commits = self.contents().commits.get(before..).map_or_else(Vec::new, <[_]>::to_vec);
        stream::iter(commits).map(Ok).boxed()
    }

    fn wait_beyond(&self, position: u64) -> BoxFuture<'static, Result<u64, StoreError>> {
        let mut durable = self.shared.durable.subscribe();
        async move {
            let durable = durable.wait_for(|durable| position < *durable).await;
            durable.map(|durable| *durable).map_err(|_| StoreError::Closed)
        }
        .boxed()
    }
}
