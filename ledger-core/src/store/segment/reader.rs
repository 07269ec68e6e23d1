//! Reading durable commits, each verified again against its checksum and hash.

use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError, RwLock};

use futures::stream::{self, StreamExt};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::disk::NamedFile;
use super::footer::{Place, Row, Sealed};
use super::format::{self, Record, count};
use super::index::{Found, FoundVersion, Index, Slot, Snapshot};
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

/// What is read of a sealed segment to get one record of a stream. Nearly every record is smaller.
const RECORD_BYTES: usize = 4096;

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
    /// Groups that were synced since the log was opened.
    pub(super) syncs: AtomicU64,
}

/// Which commits a reader has yet to read.
#[derive(Clone, Debug)]
enum Rest {
    All {
        next: u64,
        end: u64,
        /// Where the record of `next` starts in its sealed segment, if that is known.
        offset: Option<u64>,
    },
    Stream {
        source: StreamId,
        next: u64,
        end: u64,
        /// The sealed segments with the stream's next commits, the nearest last.
        rows: Vec<(Arc<Sealed>, Row)>,
    },
}

/// What to read next.
enum Fetch {
    /// Records of the open segment.
    Slots(Vec<Slot>),
    /// The next records of a sealed segment.
    Run(Arc<Sealed>),
    /// The next records of a stream, the last of which is in the segment of this row.
    Picks(Place),
    /// The next records of a stream, in the segments that are known already.
    MorePicks,
}

impl Durable {
    pub(super) fn new(index: Index, phase: Phase) -> Self {
        let position = index.last();
        let tip = watch::Sender::new(Tip { position, phase });
        Self { index: RwLock::new(index), tip, syncs: AtomicU64::new(0) }
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
        let rest = Rest::All { next: next.max(1), end: self.position(), offset: None };
        read(Arc::clone(self), rest)
    }

    /// Commits of one stream from version `next` to its durable end.
    pub(super) fn read_stream(self: &Arc<Self>, source: StreamId, next: u64) -> CommitStream {
        let end = self.index().head(&source).version;
        read(Arc::clone(self), Rest::Stream { source, next, end, rows: Vec::new() })
    }

    /// The segments that are sealed now.
    pub(super) fn sealed(&self) -> Vec<Arc<Sealed>> {
        self.index().sealed().to_vec()
    }

    /// All that is durable now.
    pub(super) fn snapshot(&self) -> Snapshot {
        self.index().snapshot()
    }

    pub(super) fn index(&self) -> std::sync::RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// What to read next; `None` when all is read. Looks into memory only.
    fn plan(&self, rest: &Rest) -> Option<Fetch> {
        let index = self.index();
        match rest {
            Rest::All { next, end, .. } if next <= end => match index.find(*next)? {
                Found::Open(first) => {
                    let more = (*next + 1..=*end).map_while(|next| match index.find(next)? {
                        Found::Open(slot) => Some(slot),
                        Found::Sealed(_) => None,
                    });
                    Some(Fetch::Slots(batch(first, more)))
                }
                Found::Sealed(sealed) => Some(Fetch::Run(sealed)),
            },
            Rest::Stream { rows, .. } if !rows.is_empty() => Some(Fetch::MorePicks),
            Rest::Stream { source, next, end, .. } if next <= end => {
                match index.find_version(source, *next)? {
                    FoundVersion::Open(first) => {
                        let more = (*next + 1..=*end).map_while(|next| {
                            match index.find_version(source, next)? {
                                FoundVersion::Open(slot) => Some(slot),
                                FoundVersion::Sealed(_) => None,
                            }
                        });
                        Some(Fetch::Slots(batch(first, more)))
                    }
                    FoundVersion::Sealed(place) => Some(Fetch::Picks(place)),
                }
            }
            Rest::All { .. } | Rest::Stream { .. } => None,
        }
    }

    /// Finds the rows of a stream from `place` back to the segment with version `next`.
    fn rows_back_to(
        &self,
        next: u64,
        mut place: Place,
    ) -> Result<Vec<(Arc<Sealed>, Row)>, StoreError> {
        let mut rows: Vec<(Arc<Sealed>, Row)> = Vec::new();
        loop {
            let sealed = self.index().sealed_with(place.segment).map(Arc::clone);
            let sealed = sealed.expect("a stream's rows are in segments of its log");
            let row = sealed.row(place.row);
            let row = row.map_err(|err| unread(&sealed.file, err))?;
            let row = row.ok_or_else(|| broken_footer(&sealed))?;
            let after =
                rows.last().map_or(row.last_version(), |(_, after)| after.first_version - 1);
            if row.last_version() != after || after < next {
                return Err(broken_footer(&sealed));
            }
            let is_reached = row.first_version <= next;
            rows.push((Arc::clone(&sealed), row));
            match row.previous {
                _ if is_reached => return Ok(rows),
                Some(previous) if previous.segment < place.segment => place = previous,
                Some(_) | None => return Err(broken_footer(&sealed)),
            }
        }
    }
}

/// As many slots as are read at once.
fn batch(first: Slot, more: impl Iterator<Item = Slot>) -> Vec<Slot> {
    let mut bytes = first.size;
    let mut batch = vec![first];
    let more = more.take(BATCH_RECORDS - 1).take_while(|slot| {
        bytes += slot.size;
        bytes <= BATCH_BYTES
    });
    batch.extend(more);
    batch
}

type Batch = Vec<Result<StoredCommit, StoreError>>;

fn read(durable: Arc<Durable>, rest: Rest) -> CommitStream {
    let start = (durable, rest, Batch::new().into_iter());
    stream::try_unfold(start, |(durable, mut rest, mut batch)| async move {
        if let Some(commit) = batch.next() {
            return Ok(Some((commit?, (durable, rest, batch))));
        }
        let Some(fetch) = durable.plan(&rest) else { return Ok(None) };
        let batch;
        (rest, batch) = read_aside(Arc::clone(&durable), fetch, rest).await?;
        let mut batch = batch.into_iter();
        let commit = batch.next().transpose()?;
        Ok(commit.map(|commit| (commit, (durable, rest, batch))))
    })
    .boxed()
}

/// Reads a batch without holding up other tasks of the runtime, if there is one.
async fn read_aside(
    durable: Arc<Durable>,
    fetch: Fetch,
    mut rest: Rest,
) -> Result<(Rest, Batch), StoreError> {
    let is_small = match &fetch {
        Fetch::Slots(slots) => slots.iter().map(|slot| slot.size).sum::<u64>() <= INLINE_BYTES,
        Fetch::Run(_) | Fetch::Picks(_) | Fetch::MorePicks => false,
    };
    match Handle::try_current() {
        Ok(runtime) if !is_small => {
            let read = runtime.spawn_blocking(move || {
                let batch = fetch.read(&durable, &mut rest);
                (rest, batch)
            });
            read.await.map_err(|_| StoreError::Closed)
        }
        Ok(_) | Err(_) => {
            let batch = fetch.read(&durable, &mut rest);
            Ok((rest, batch))
        }
    }
}

impl Fetch {
    /// Reads a batch and takes it off `rest`. Stops after the first record that cannot be read.
    fn read(self, durable: &Durable, rest: &mut Rest) -> Batch {
        let mut batch = Batch::new();
        let read = match (self, rest) {
            (Self::Slots(slots), Rest::All { next, .. } | Rest::Stream { next, .. }) => {
                *next += count(slots.len());
                read_slots(&slots, &mut batch)
            }
            (Self::Run(sealed), Rest::All { next, end, offset }) => {
                read_sealed(&sealed, next, *end, offset, &mut batch)
            }
            (Self::Picks(place), Rest::Stream { source, next, end, rows }) => {
                durable.rows_back_to(*next, place).and_then(|found| {
                    *rows = found;
                    read_picks(source, next, *end, rows, &mut batch)
                })
            }
            (Self::MorePicks, Rest::Stream { source, next, end, rows }) => {
                read_picks(source, next, *end, rows, &mut batch)
            }
            (Self::Run(_), Rest::Stream { .. })
            | (Self::Picks(_) | Self::MorePicks, Rest::All { .. }) => {
                unreachable!("a plan is made for its reader")
            }
        };
        batch.extend(read.err().map(Err));
        batch
    }
}

/// Reads records of the open segment; neighbours in one go.
fn read_slots(slots: &[Slot], batch: &mut Batch) -> Result<(), StoreError> {
    let mut buffer = Vec::new();
    let neighbours = |before: &Slot, after: &Slot| before.offset + before.size == after.offset;
    slots.chunk_by(neighbours).try_for_each(|run| read_run(run, &mut buffer, batch))
}

fn read_run(run: &[Slot], buffer: &mut Vec<u8>, batch: &mut Batch) -> Result<(), StoreError> {
    let Some(first) = run.first() else { return Ok(()) };
    let size = run.iter().map(|slot| slot.size).sum();
    fill(buffer, &first.file, first.offset, size)
        .map_err(|err| torn(&first.file, (first.offset, first.position), err))?;
    let mut rest = buffer.as_slice();
    for slot in run {
        let (commit, size) = decode(rest, slot.position)
            .map_err(|reason| damaged(&slot.file, slot.offset, slot.position, reason))?;
        batch.push(stored(commit, slot.position));
        rest = rest.get(size..).unwrap_or_default();
    }
    Ok(())
}

/// Reads records of a sealed segment one after the other.
fn read_sealed(
    sealed: &Sealed,
    next: &mut u64,
    end: u64,
    known_offset: &mut Option<u64>,
    batch: &mut Batch,
) -> Result<(), StoreError> {
    let end = end.min(sealed.trailer.last);
    let mut offset = match known_offset.take() {
        Some(offset) => offset,
        None => offset_of(sealed, *next)?,
    };
    let mut buffer = Vec::new();
    let mut wanted = BATCH_BYTES;
    while batch.is_empty() && *next <= end {
        let left = sealed.trailer.records_end.saturating_sub(offset);
        fill(&mut buffer, &sealed.file, offset, left.min(wanted))
            .map_err(|err| torn(&sealed.file, (offset, *next), err))?;
        let mut rest = buffer.as_slice();
        while *next <= end {
            match Record::size_of(rest) {
                Some(size) if rest.len() < size && count(buffer.len()) < left => {
                    wanted = count(size);
                    break;
                }
                Some(_) | None => {}
            }
            if rest.len() < format::PREFIX_BYTES && !batch.is_empty() {
                break;
            }
            let (commit, size) = decode(rest, *next)
                .map_err(|reason| damaged(&sealed.file, offset, *next, reason))?;
            batch.push(stored(commit, *next));
            rest = rest.get(size..).unwrap_or_default();
            offset += count(size);
            *next += 1;
        }
    }
    *known_offset = (*next <= sealed.trailer.last).then_some(offset);
    Ok(())
}

/// Where the record of a position starts in its sealed segment.
pub(super) fn offset_of(sealed: &Sealed, position: u64) -> Result<u64, StoreError> {
    let failed = |err| unread(&sealed.file, err);
    let (mut at, mut offset) = sealed.near(position).map_err(failed)?;
    let mut prefix = [0; 4];
    while at < position {
        sealed.file.read_exact_at(&mut prefix, offset).map_err(failed)?;
        let size = Record::size_of(&prefix);
        offset += count(size.ok_or_else(|| damaged(&sealed.file, offset, at, Damage::Length))?);
        at += 1;
    }
    Ok(offset)
}

/// Reads a stream's records in the sealed segments of `rows`.
fn read_picks(
    source: &StreamId,
    next: &mut u64,
    end: u64,
    rows: &mut Vec<(Arc<Sealed>, Row)>,
    batch: &mut Batch,
) -> Result<(), StoreError> {
    let (mut buffer, mut bytes) = (Vec::new(), 0);
    while let Some((sealed, row)) = rows.last() {
        let offsets = sealed.offsets(row, *next, BATCH_RECORDS);
        for offset in offsets.map_err(|err| unread(&sealed.file, err))? {
            if end < *next || BATCH_BYTES < bytes || BATCH_RECORDS <= batch.len() {
                return Ok(());
            }
            let (commit, position) = pick(sealed, offset, &mut buffer)?;
            if commit.commit().stream != *source || commit.commit().version != *next {
                return Err(broken_footer(sealed));
            }
            bytes += count(commit.bytes().len());
            batch.push(stored(commit, position));
            *next += 1;
        }
        if row.last_version() < *next {
            rows.pop();
        }
    }
    Ok(())
}

/// Reads the record at an offset of a sealed segment.
fn pick(
    sealed: &Sealed,
    offset: u64,
    buffer: &mut Vec<u8>,
) -> Result<(SealedCommit, u64), StoreError> {
    let first = sealed.trailer.first;
    let failed = |err| torn(&sealed.file, (offset, first), err);
    let left = sealed.trailer.records_end.saturating_sub(offset);
    fill(buffer, &sealed.file, offset, left.min(count(RECORD_BYTES))).map_err(failed)?;
    if let Some(size) = Record::size_of(buffer).filter(|size| buffer.len() < *size) {
        fill(buffer, &sealed.file, offset, left.min(count(size))).map_err(failed)?;
    }
    let record = Record::read(buffer).and_then(|record| Ok((open(&record)?, record.position)));
    let (commit, position) =
        record.map_err(|reason| damaged(&sealed.file, offset, first, reason))?;
    if position < first || sealed.trailer.last < position {
        return Err(damaged(&sealed.file, offset, first, Damage::Position(position)));
    }
    Ok((commit, position))
}

fn fill(buffer: &mut Vec<u8>, file: &NamedFile, offset: u64, size: u64) -> io::Result<()> {
    buffer.resize(format::length(size)?, 0);
    file.read_exact_at(buffer, offset)
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

fn unread(file: &NamedFile, source: io::Error) -> StoreError {
    StoreError::Io { path: file.path.clone(), action: "read", source }
}

/// What it means that a record could not be read from where it must be.
fn torn(file: &NamedFile, (offset, position): (u64, u64), err: io::Error) -> StoreError {
    if err.kind() == io::ErrorKind::UnexpectedEof {
        return damaged(file, offset, position, Damage::Incomplete);
    }
    unread(file, err)
}

fn damaged(file: &NamedFile, offset: u64, position: u64, reason: Damage) -> StoreError {
    StoreError::Damaged { file: file.path.clone(), offset, position, reason }
}

pub(super) fn broken_footer(sealed: &Sealed) -> StoreError {
    let Sealed { file, trailer } = sealed;
    damaged(file, trailer.records_end, trailer.last, Damage::Footer)
}
