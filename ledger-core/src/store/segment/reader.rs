//! Reading durable commits, each verified again against its checksum and hash.

use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use futures::stream::{self, StreamExt};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::format::{self, Record};
use super::index::{Index, Slot};
use super::queue::Phase;
use crate::commit::{Hash, SealedCommit};
use crate::ids::StreamId;
use crate::store::{CommitStream, Damage, StoreError, StoredCommit, stored};

/// Most bytes read at once, beyond the first record.
const BATCH_BYTES: u64 = 256 * 1024;

/// Most records read at once.
const BATCH_RECORDS: usize = 1024;

/// Batches up to this size are read in place; larger ones would hold up other tasks.
const INLINE_BYTES: u64 = 16 * 1024;

/// How far the log has grown, and whether it still does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tip {
    pub(super) position: u64,
    pub(super) phase: Phase,
}

/// The durable part of a log. Readers see nothing else.
#[derive(Debug)]
pub(super) struct Durable {
    pub(super) index: RwLock<Index>,
    pub(super) tip: watch::Sender<Tip>,
}

/// Which commits a reader has yet to read.
#[derive(Clone, Debug)]
enum Rest {
    All { next: u64, end: u64 },
    Stream { source: StreamId, next: u64, end: u64 },
}

impl Durable {
    pub(super) fn new(index: Index, phase: Phase) -> Self {
        let position = index.last();
        Self { index: RwLock::new(index), tip: watch::Sender::new(Tip { position, phase }) }
    }

    pub(super) fn position(&self) -> u64 {
        self.tip.borrow().position
    }

    /// The log will not grow any more.
    pub(super) fn end(&self, phase: Phase) {
        self.tip.send_modify(|tip| tip.phase = phase);
    }

    /// Waits until the log has grown beyond `position`.
    pub(super) async fn wait_beyond(&self, position: u64) -> Result<u64, StoreError> {
        let mut tip = self.tip.subscribe();
        let grown = tip.wait_for(|tip| position < tip.position || tip.phase != Phase::Open).await;
        let tip = *grown.map_err(|_| StoreError::Closed)?;
        if tip.position <= position {
            tip.phase.refusal()?;
        }
        Ok(tip.position)
    }

    /// Commits from `next` to what is now the durable end.
    pub(super) fn read_from(self: &Arc<Self>, next: u64) -> CommitStream {
        let rest = Rest::All { next: next.max(1), end: self.position() };
        read(Arc::clone(self), rest)
    }

    /// Commits of one stream from version `next` to its durable end.
    pub(super) fn read_stream(self: &Arc<Self>, source: StreamId, next: u64) -> CommitStream {
        let end = self.index().head(&source).version;
        read(Arc::clone(self), Rest::Stream { source, next, end })
    }

    fn index(&self) -> std::sync::RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the next batch off `rest`.
    fn next_batch(&self, rest: &mut Rest) -> Vec<Slot> {
        let index = self.index();
        let mut batch: Vec<Slot> = Vec::new();
        let mut bytes = 0;
        while let Some(slot) = rest.slot(&index) {
            if !batch.is_empty()
                && (BATCH_BYTES < bytes + slot.size || BATCH_RECORDS <= batch.len())
            {
                break;
            }
            bytes += slot.size;
            batch.push(slot);
            rest.advance();
        }
        batch
    }
}

impl Rest {
    fn slot(&self, index: &Index) -> Option<Slot> {
        match self {
            Self::All { next, end } if next <= end => index.slot(*next),
            Self::Stream { source, next, end } if next <= end => {
                index.slot(index.position_of(source, *next)?)
            }
            Self::All { .. } | Self::Stream { .. } => None,
        }
    }

    fn advance(&mut self) {
        match self {
            Self::All { next, .. } | Self::Stream { next, .. } => *next += 1,
        }
    }
}

type Batch = Vec<Result<StoredCommit, StoreError>>;

fn read(durable: Arc<Durable>, rest: Rest) -> CommitStream {
    let start = (durable, rest, Batch::new().into_iter());
    stream::try_unfold(start, |(durable, mut rest, mut batch)| async move {
        if let Some(commit) = batch.next() {
            return Ok(Some((commit?, (durable, rest, batch))));
        }
        let slots = durable.next_batch(&mut rest);
        let mut batch = read_aside(slots).await?.into_iter();
        let commit = batch.next().transpose()?;
        Ok(commit.map(|commit| (commit, (durable, rest, batch))))
    })
    .boxed()
}

/// Reads a batch without holding up other tasks of the runtime, if there is one.
async fn read_aside(slots: Vec<Slot>) -> Result<Batch, StoreError> {
    let bytes: u64 = slots.iter().map(|slot| slot.size).sum();
    match Handle::try_current() {
        Ok(runtime) if INLINE_BYTES < bytes => {
            let batch = runtime.spawn_blocking(move || read_batch(&slots)).await;
            batch.map_err(|_| StoreError::Closed)
        }
        Ok(_) | Err(_) => Ok(read_batch(&slots)),
    }
}

/// Reads records; neighbours in one file in one go. Stops after the first that cannot be read.
fn read_batch(slots: &[Slot]) -> Batch {
    let mut batch = Vec::with_capacity(slots.len());
    let mut buffer = Vec::new();
    let neighbours = |before: &Slot, after: &Slot| {
        Arc::ptr_eq(&before.file, &after.file) && before.offset + before.size == after.offset
    };
    for run in slots.chunk_by(neighbours) {
        if let Err(err) = read_run(run, &mut buffer, &mut batch) {
            batch.push(Err(err));
            break;
        }
    }
    batch
}

fn read_run(run: &[Slot], buffer: &mut Vec<u8>, batch: &mut Batch) -> Result<(), StoreError> {
    let Some(first) = run.first() else { return Ok(()) };
    let size = run.iter().map(|slot| slot.size).sum();
    let size = format::length(size).map_err(|err| unread(first, err))?;
    buffer.resize(size, 0);
    first.file.read_exact_at(buffer, first.offset).map_err(|err| unread(first, err))?;
    let mut rest = buffer.as_slice();
    for slot in run {
        let (commit, size) = decode(rest, slot.position).map_err(|reason| damaged(slot, reason))?;
        batch.push(stored(commit, slot.position));
        rest = rest.get(size..).unwrap_or_default();
    }
    Ok(())
}

/// Reads the commit that `bytes` start with, and the size of its record.
fn decode(bytes: &[u8], position: u64) -> Result<(SealedCommit, usize), Damage> {
    let record = Record::read(bytes)?;
    if record.position != position {
        return Err(Damage::Position(record.position));
    }
    Ok((open(&record)?, record.size()))
}

/// Reads the commit of a record, whose bytes must hash to the record's hash.
pub(super) fn open(record: &Record<'_>) -> Result<SealedCommit, Damage> {
    match SealedCommit::open(record.commit) {
        Ok(sealed) if sealed.hash() == record.hash => Ok(sealed),
        Err(err) if Hash::of(record.commit) == record.hash => Err(err.into()),
        Ok(_) | Err(_) => Err(Damage::Hash),
    }
}

fn unread(slot: &Slot, err: io::Error) -> StoreError {
    if err.kind() == io::ErrorKind::UnexpectedEof {
        return damaged(slot, Damage::Incomplete);
    }
    StoreError::Io { path: slot.file.path.clone(), action: "read", source: err }
}

fn damaged(slot: &Slot, reason: Damage) -> StoreError {
    StoreError::Damaged {
        file: slot.file.path.clone(),
        offset: slot.offset,
        position: slot.position,
        reason,
    }
}
