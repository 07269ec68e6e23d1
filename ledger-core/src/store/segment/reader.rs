//! Reading durable commits, each verified again against its checksum and hash; a scan, against its
//! checksum only.

use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError, RwLock};
use std::vec;

use futures::stream::{self, StreamExt};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};

use super::disk::NamedFile;
use super::footer::{Place, Row, Sealed};
use super::format::{self, Record, count};
use super::index::{Found, FoundVersion, Index, Slot, Snapshot};
use super::queue::Phase;
use crate::commit::{CommitError, CommitRef, Hash, SealedCommit};
use crate::ids::StreamId;
use crate::store::{CommitStream, Damage, StoreError, StoredCommit, stored};

/// Most bytes read at once, beyond the first record. They stay in the processor's cache.
const BATCH_BYTES: u64 = 256 * 1024;

/// Most records of one stream read at once.
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

/// A stored commit as it stands in its segment. Its checksum is right.
///
/// Its hash is the one stored with it: whether it is that of the bytes was not computed.
#[derive(Clone, Copy, Debug)]
pub struct RawCommit<'a> {
    /// Position in the log, from 1.
    pub position: u64,
    /// SHA-256 of the canonical bytes, as it was stored.
    pub hash: Hash,
    /// The canonical bytes.
    pub bytes: &'a [u8],
}

impl<'a> RawCommit<'a> {
    /// Reads the commit's fields.
    ///
    /// # Errors
    ///
    /// [`CommitError`] when the bytes are not exactly one commit.
    pub fn read(&self) -> Result<CommitRef<'a>, CommitError> {
        CommitRef::read(self.bytes)
    }
}

/// Which commits a reader has yet to read.
#[derive(Debug)]
enum Rest {
    All {
        next: u64,
        end: u64,
        /// Where the next commits are, if that is known.
        run: Option<Run>,
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
    /// Records of a stream in the open segment.
    Slots(Vec<Slot>),
    /// Records that follow each other.
    Run(Run),
    /// The same, in a sealed segment where they must be found first.
    Seek(Arc<Sealed>),
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
        let rest = Rest::All { next: next.max(1), end: self.position(), run: None };
        read(Arc::clone(self), rest)
    }

    /// Commits of one stream from version `next` to its durable end.
    pub(super) fn read_stream(self: &Arc<Self>, source: StreamId, next: u64) -> CommitStream {
        let end = self.index().head(&source).version;
        read(Arc::clone(self), Rest::Stream { source, next, end, rows: Vec::new() })
    }

    /// Shows the commits from `next` to what is now the durable end.
    pub(super) fn scan(
        &self,
        next: u64,
        mut visit: impl FnMut(RawCommit<'_>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let (mut next, end) = (next.max(1), self.position());
        let mut buffer = Vec::new();
        loop {
            let mut run = match self.plan(&Rest::All { next, end, run: None }) {
                Some(Fetch::Run(run)) => run,
                Some(Fetch::Seek(sealed)) => Run::in_sealed(&sealed, next, end)?,
                Some(Fetch::Slots(_) | Fetch::Picks(_) | Fetch::MorePicks) | None => return Ok(()),
            };
            while run.next <= run.last {
                let flow = run.read(&mut buffer, |_, record| {
                    let Record { position, hash, commit: bytes, .. } = *record;
                    Ok(visit(RawCommit { position, hash, bytes }))
                })?;
                if flow.is_break() {
                    return Ok(());
                }
            }
            next = run.next;
        }
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
            Rest::All { run: Some(run), .. } => Some(Fetch::Run(run.clone())),
            Rest::All { next, end, run: None } if next <= end => Some(match index.find(*next)? {
                Found::Open(first) => Fetch::Run(Run::in_open(&index, first, *end)),
                Found::Sealed(sealed) => Fetch::Seek(sealed),
            }),
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

/// Commits as they were read: their checksums and hashes are right, but they are not opened yet.
///
/// The thread that asks for a commit opens it, so that what it frees later is its own.
#[derive(Debug, Default)]
struct Batch {
    commits: Vec<Hashed>,
    /// The commits' canonical bytes, one after the other.
    bytes: Vec<u8>,
    files: Vec<Arc<NamedFile>>,
    /// Why there are no more.
    failed: Option<StoreError>,
}

/// Where a commit of a batch comes from.
#[derive(Clone, Copy, Debug)]
struct Hashed {
    position: u64,
    hash: Hash,
    size: usize,
    /// Number of its file in the batch, and where in it the record starts.
    file: usize,
    offset: u64,
}

impl Batch {
    /// Adds a commit whose hash was checked.
    fn push(&mut self, file: &Arc<NamedFile>, offset: u64, record: &Record<'_>) {
        let Record { position, hash, commit, .. } = *record;
        if self.files.last().is_none_or(|last| !Arc::ptr_eq(last, file)) {
            self.files.push(Arc::clone(file));
        }
        let file = self.files.len() - 1;
        self.bytes.extend(commit);
        self.commits.push(Hashed { position, hash, size: commit.len(), file, offset });
    }

    /// Adds the next records of a run.
    fn push_some(&mut self, run: &mut Run, buffer: &mut Vec<u8>) -> Result<(), StoreError> {
        let file = Arc::clone(&run.file);
        let read = run.read(buffer, |offset, record| {
            check_hash(record)?;
            self.push(&file, offset, record);
            Ok(ControlFlow::Continue(()))
        });
        read.map(drop)
    }

    fn into_commits(self) -> Commits {
        let Self { commits, bytes, files, failed } = self;
        Commits { unopened: commits.into_iter(), bytes, at: 0, files, failed }
    }
}

/// The commits of a batch, each opened when it is asked for.
#[derive(Debug, Default)]
struct Commits {
    unopened: vec::IntoIter<Hashed>,
    bytes: Vec<u8>,
    at: usize,
    files: Vec<Arc<NamedFile>>,
    failed: Option<StoreError>,
}

impl Commits {
    fn open(&mut self, commit: Hashed) -> Result<StoredCommit, StoreError> {
        let Hashed { position, hash, size, file, offset } = commit;
        let bytes = self.bytes.get(self.at..self.at + size).unwrap_or_default();
        self.at += size;
        let file = self.files.get(file).expect("a batch has the files of its commits");
        let opened = SealedCommit::open_hashed(bytes, hash);
        stored(opened.map_err(|err| damaged(file, offset, position, err.into()))?, position)
    }
}

impl Iterator for Commits {
    type Item = Result<StoredCommit, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.unopened.next() {
            Some(commit) => Some(self.open(commit)),
            None => self.failed.take().map(Err),
        }
    }
}

/// What a reader of commits has to do.
#[derive(Debug)]
struct Reader {
    commits: Commits,
    next: Option<Next>,
    /// Whether a batch was read already. Many want no more than one.
    is_under_way: bool,
}

/// The batch after the one that is used now.
#[derive(Debug)]
enum Next {
    Unread(Source),
    Reading(JoinHandle<(Source, Batch)>),
}

/// Where the batches come from.
#[derive(Debug)]
struct Source {
    durable: Arc<Durable>,
    rest: Rest,
    buffer: Vec<u8>,
}

fn read(durable: Arc<Durable>, rest: Rest) -> CommitStream {
    let source = Source { durable, rest, buffer: Vec::new() };
    let next = Some(Next::Unread(source));
    let reader = Box::new(Reader { commits: Commits::default(), next, is_under_way: false });
    stream::try_unfold(reader, |mut reader| async move {
        loop {
            if let Some(commit) = reader.commits.next() {
                return Ok(Some((commit?, reader)));
            }
            if !reader.next_batch().await? {
                return Ok(None);
            }
        }
    })
    .boxed()
}

impl Reader {
    /// Gets the next batch; false when all is read. From the second one on, another is then read
    /// while this one is used.
    async fn next_batch(&mut self) -> Result<bool, StoreError> {
        let (source, batch) = match self.next.take() {
            Some(Next::Reading(reading)) => reading.await.map_err(ended)?,
            Some(Next::Unread(mut source)) => {
                let Some(fetch) = source.plan() else { return Ok(false) };
                if let Some(runtime) = fetch.runtime() {
                    let reading = source.read_aside(fetch, &runtime);
                    reading.await.map_err(ended)?
                } else {
                    let batch = source.read(fetch);
                    (source, batch)
                }
            }
            None => return Ok(false),
        };
        if batch.failed.is_none() {
            let ahead = source.plan().filter(|_| self.is_under_way);
            let ahead = ahead.and_then(|fetch| Some((fetch.runtime()?, fetch)));
            self.next = Some(match ahead {
                Some((runtime, fetch)) => Next::Reading(source.read_aside(fetch, &runtime)),
                None => Next::Unread(source),
            });
        }
        self.commits = batch.into_commits();
        self.is_under_way = true;
        Ok(true)
    }
}

/// What it means that a read aside did not end: the runtime stops, or there is a defect.
fn ended(err: JoinError) -> StoreError {
    match err.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => StoreError::Closed,
    }
}

impl Fetch {
    /// Where to read it without holding up other tasks; `None` to read it in place.
    fn runtime(&self) -> Option<Handle> {
        let is_small = match self {
            Self::Slots(slots) => slots.iter().map(|slot| slot.size).sum::<u64>() <= INLINE_BYTES,
            Self::Run(run) => run.end.saturating_sub(run.offset) <= INLINE_BYTES,
            Self::Seek(_) | Self::Picks(_) | Self::MorePicks => false,
        };
        if is_small { None } else { Handle::try_current().ok() }
    }
}

impl Source {
    fn plan(&self) -> Option<Fetch> {
        self.durable.plan(&self.rest)
    }

    fn read_aside(mut self, fetch: Fetch, runtime: &Handle) -> JoinHandle<(Self, Batch)> {
        runtime.spawn_blocking(move || {
            let batch = self.read(fetch);
            (self, batch)
        })
    }

    /// Reads a batch and takes it off the rest. Stops after the first record that cannot be read.
    fn read(&mut self, fetch: Fetch) -> Batch {
        let mut batch = Batch::default();
        let Self { durable, rest, buffer } = self;
        let read = match (fetch, rest) {
            (Fetch::Slots(slots), Rest::Stream { next, .. }) => {
                *next += count(slots.len());
                read_slots(&slots, buffer, &mut batch)
            }
            (Fetch::Run(run), Rest::All { next, run: known, .. }) => {
                read_run(run, next, known, buffer, &mut batch)
            }
            (Fetch::Seek(sealed), Rest::All { next, end, run: known }) => {
                Run::in_sealed(&sealed, *next, *end)
                    .and_then(|run| read_run(run, next, known, buffer, &mut batch))
            }
            (Fetch::Picks(place), Rest::Stream { source, next, end, rows }) => {
                durable.rows_back_to(*next, place).and_then(|found| {
                    *rows = found;
                    read_picks(source, next, *end, rows, buffer, &mut batch)
                })
            }
            (Fetch::MorePicks, Rest::Stream { source, next, end, rows }) => {
                read_picks(source, next, *end, rows, buffer, &mut batch)
            }
            (Fetch::Run(_) | Fetch::Seek(_), Rest::Stream { .. })
            | (Fetch::Slots(_) | Fetch::Picks(_) | Fetch::MorePicks, Rest::All { .. }) => {
                unreachable!("a plan is made for its reader")
            }
        };
        batch.failed = read.err();
        batch
    }
}

/// Records of one segment that follow each other.
#[derive(Clone, Debug)]
struct Run {
    file: Arc<NamedFile>,
    /// Where the next record starts, and where the last one ends at most.
    offset: u64,
    end: u64,
    /// Position of the next record and of the last.
    next: u64,
    last: u64,
}

impl Run {
    fn in_sealed(sealed: &Sealed, next: u64, last: u64) -> Result<Self, StoreError> {
        let offset = offset_of(sealed, next)?;
        let (file, end) = (Arc::clone(&sealed.file), sealed.trailer.records_end);
        Ok(Self { file, offset, end, next, last: last.min(sealed.trailer.last) })
    }

    /// The records from `first`, which is in the open segment, to position `last`.
    fn in_open(index: &Index, first: Slot, last: u64) -> Self {
        let Slot { file, offset, size, position: next } = first;
        let (end, last) = match index.find(last) {
            Some(Found::Open(slot)) => (slot.offset + slot.size, last),
            Some(Found::Sealed(_)) | None => (offset + size, next),
        };
        Self { file, offset, end, next, last }
    }

    /// Reads some records, at least one if there is one, and shows each with its offset in the file.
    fn read(
        &mut self,
        buffer: &mut Vec<u8>,
        mut visit: impl FnMut(u64, &Record<'_>) -> Result<ControlFlow<()>, Damage>,
    ) -> Result<ControlFlow<()>, StoreError> {
        let first = self.next;
        let mut wanted = BATCH_BYTES;
        while self.next == first && self.next <= self.last {
            let left = self.end.saturating_sub(self.offset);
            fill(buffer, &self.file, self.offset, left.min(wanted))
                .map_err(|err| torn(&self.file, (self.offset, self.next), err))?;
            let mut rest = buffer.as_slice();
            while self.next <= self.last {
                match Record::size_of(rest) {
                    Some(size) if rest.len() < size && count(buffer.len()) < left => {
                        wanted = count(size);
                        break;
                    }
                    Some(_) | None => {}
                }
                if rest.len() < format::PREFIX_BYTES && first < self.next {
                    break;
                }
                let visited = Record::read(rest).and_then(|record| {
                    if record.position != self.next {
                        return Err(Damage::Position(record.position));
                    }
                    Ok((visit(self.offset, &record)?, record.size()))
                });
                let (flow, size) = visited
                    .map_err(|reason| damaged(&self.file, self.offset, self.next, reason))?;
                rest = rest.get(size..).unwrap_or_default();
                self.offset += count(size);
                self.next += 1;
                if flow.is_break() {
                    return Ok(flow);
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Reads the next records of a run.
fn read_run(
    mut run: Run,
    next: &mut u64,
    known: &mut Option<Run>,
    buffer: &mut Vec<u8>,
    batch: &mut Batch,
) -> Result<(), StoreError> {
    let read = batch.push_some(&mut run, buffer);
    *next = run.next;
    *known = (run.next <= run.last).then_some(run);
    read
}

/// Reads records of the open segment; neighbours in one go.
fn read_slots(slots: &[Slot], buffer: &mut Vec<u8>, batch: &mut Batch) -> Result<(), StoreError> {
    let neighbours = |before: &Slot, after: &Slot| {
        before.offset + before.size == after.offset && before.position + 1 == after.position
    };
    for run in slots.chunk_by(neighbours) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
        let Slot { file, offset, position, .. } = first;
        let (end, last) = (last.offset + last.size, last.position);
        let mut run = Run { file: Arc::clone(file), offset: *offset, end, next: *position, last };
        while run.next <= run.last {
            batch.push_some(&mut run, buffer)?;
        }
    }
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
    buffer: &mut Vec<u8>,
    batch: &mut Batch,
) -> Result<(), StoreError> {
    while let Some((sealed, row)) = rows.last() {
        let offsets = sealed.offsets(row, *next, BATCH_RECORDS);
        for offset in offsets.map_err(|err| unread(&sealed.file, err))? {
            if end < *next
                || BATCH_BYTES < count(batch.bytes.len())
                || BATCH_RECORDS <= batch.commits.len()
            {
                return Ok(());
            }
            pick(source, *next, (sealed, offset), buffer, batch)?;
            *next += 1;
        }
        if row.last_version() < *next {
            rows.pop();
        }
    }
    Ok(())
}

/// Reads the record at an offset of a sealed segment, where a version of `source` must be.
fn pick(
    source: &StreamId,
    version: u64,
    (sealed, offset): (&Sealed, u64),
    buffer: &mut Vec<u8>,
    batch: &mut Batch,
) -> Result<(), StoreError> {
    let Sealed { file, trailer } = sealed;
    let failed = |err| torn(file, (offset, position_at(sealed, offset)), err);
    let left = trailer.records_end.saturating_sub(offset);
    fill(buffer, file, offset, left.min(count(RECORD_BYTES))).map_err(failed)?;
    if let Some(size) = Record::size_of(buffer).filter(|size| buffer.len() < *size) {
        fill(buffer, file, offset, left.min(count(size))).map_err(failed)?;
    }
    let damaged = |reason| damaged(file, offset, position_at(sealed, offset), reason);
    let record = Record::read(buffer).map_err(damaged)?;
    check_hash(&record).map_err(damaged)?;
    let commit = CommitRef::read(record.commit).map_err(|err| damaged(err.into()))?;
    if record.position < trailer.first || trailer.last < record.position {
        return Err(damaged(Damage::Position(record.position)));
    }
    if commit.stream().as_ref() != Ok(source) || commit.version != version {
        return Err(broken_footer(sealed));
    }
    batch.push(file, offset, &record);
    Ok(())
}

/// Position of the record at an offset of a sealed segment, as far as the records before it tell.
fn position_at(sealed: &Sealed, offset: u64) -> u64 {
    let (mut before, mut after) = (sealed.trailer.first, sealed.trailer.last);
    while before < after {
        let middle = after - (after - before) / 2;
        match offset_of(sealed, middle) {
            Ok(found) if found <= offset => before = middle,
            Ok(_) | Err(_) => after = middle - 1,
        }
    }
    before
}

fn check_hash(record: &Record<'_>) -> Result<(), Damage> {
    if Hash::of(record.commit) == record.hash { Ok(()) } else { Err(Damage::Hash) }
}

fn fill(buffer: &mut Vec<u8>, file: &NamedFile, offset: u64, size: u64) -> io::Result<()> {
    buffer.resize(format::length(size)?, 0);
    file.read_exact_at(buffer, offset)
}

/// Reads the commit of a record, whose bytes must hash to the record's hash.
pub(super) fn open(record: &Record<'_>) -> Result<SealedCommit, Damage> {
    check_hash(record)?;
    Ok(SealedCommit::open_hashed(record.commit, record.hash)?)
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
