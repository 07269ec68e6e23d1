//! Reading streams of a log.

use chrono::{DateTime, Utc};
use eventually::store::{EventStream, Select};
use futures::TryStreamExt;

use super::ExecuteError;
use crate::commit::SealedCommit;
use crate::ids::StreamId;
use crate::record::Recorded;
use crate::store::{CommitLog, Head, StoreError};

pub(super) async fn last_recorded_at<L: CommitLog>(
    log: &L,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    let last = log.durable_position();
    if last == 0 {
        return Ok(None);
    }
    let stored = log.read_from(last).try_next().await?;
    Ok(stored.map(|stored| stored.take().commit().recorded_at))
}

/// Whether a stream of `log` has this commit.
pub(super) async fn holds<L: CommitLog>(
    log: &L,
    stream: &StreamId,
    tip: Head,
) -> Result<bool, StoreError> {
    let head = log.head(stream);
    if tip.version == 0 || head.version <= tip.version {
        return Ok(tip == Head::EMPTY || tip == head);
    }
    let stored = read_one(log, stream, tip.version).await?;
    Ok(stored.is_some_and(|(_, sealed)| sealed.hash() == tip.hash))
}

pub(super) async fn read_stream<L: CommitLog>(
    log: &L,
    stream: &StreamId,
    version: u64,
) -> Result<Vec<Recorded>, ExecuteError> {
    let stored = read_sealed(log, stream, version).await?;
    let recorded = stored.into_iter().map(|(position, sealed)| Recorded::open(position, sealed));
    Ok(recorded.collect::<Result<_, _>>()?)
}

pub(super) async fn open_stream<'a, L: CommitLog>(
    log: &'a L,
    stream: &StreamId,
    version: u64,
) -> Result<EventStream<'a, L>, StoreError> {
    let Ok(from) = u32::try_from(version) else { return Err(StoreError::Exhausted(version)) };
    log.stream(stream.clone(), Select::From(from)).await
}

pub(super) async fn read_sealed<L: CommitLog>(
    log: &L,
    stream: &StreamId,
    version: u64,
) -> Result<Vec<(u64, SealedCommit)>, StoreError> {
    let stored = open_stream(log, stream, version).await?;
    stored.map_ok(|stored| (u64::from(stored.sequence_number()), stored.take())).try_collect().await
}

pub(super) async fn read_one<L: CommitLog>(
    log: &L,
    stream: &StreamId,
    version: u64,
) -> Result<Option<(u64, SealedCommit)>, StoreError> {
    let stored = open_stream(log, stream, version).await?.try_next().await?;
    Ok(stored.map(|stored| (u64::from(stored.sequence_number()), stored.take())))
}
