//! The end of a sealed segment: where each stream's commits are, and what proves that all is there.
//!
//! ```text
//! "LEDGRFTR"  streams, 72 bytes each, in order of their names  offsets u64, stream by stream
//! offset u64 of every 64th record  names  trailer
//! ```
//!
//! A stream's row names its row in the segment where it last occurred before, so that a history is
//! found backwards without looking at segments that have none of it.

use std::io;
use std::sync::Arc;

use super::disk::NamedFile;
use super::format::{self, Input, LogId, Unreadable, count};
use crate::commit::Hash;
use crate::merkle::Tree;

/// What the tables start with. As a record it would be longer than any, so it is never taken for one.
pub(super) const MAGIC: [u8; 8] = *b"LEDGRFTR";

const END_MAGIC: [u8; 8] = *b"LEDGREND";

/// Size of the trailer.
pub(super) const TRAILER_BYTES: usize = TRAILER_SEALED + 4;

const TRAILER_SEALED: usize = 152;

/// Size of a stream's row.
const ROW_BYTES: u64 = 72;

const OFFSET_BYTES: u64 = 8;

/// The offset of every record with this distance is in the footer.
const STRIDE: usize = 64;

/// Most bytes of a segment that are checked at once.
const CHUNK_BYTES: usize = 1024 * 1024;

/// What a segment that grows will say of itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Sums {
    crc: u32,
    tree: Tree,
    /// The earliest and the latest `recorded_at`, in milliseconds since 1970 UTC.
    recorded: Option<(i64, i64)>,
    last_hash: Option<Hash>,
}

impl Sums {
    /// The sums of a segment that has only its header.
    pub(super) fn new(header: &[u8]) -> Self {
        Self { crc: crc32c::crc32c(header), ..Self::default() }
    }

    /// Adds the next record.
    pub(super) fn push(&mut self, record: &[u8], hash: Hash, recorded_at: i64) {
        self.crc = crc32c::crc32c_append(self.crc, record);
        self.tree.push(hash);
        let (earliest, latest) = self.recorded.unwrap_or((recorded_at, recorded_at));
        self.recorded = Some((earliest.min(recorded_at), latest.max(recorded_at)));
        self.last_hash = Some(hash);
    }
}

/// A stream's row in a sealed segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// First position of the segment.
    pub(super) segment: u64,
    /// Number of the row, from 0.
    pub(super) row: u32,
}

/// What a segment knows of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Hash of the stream's last commit here.
    pub(super) hash: Hash,
    /// Version of the stream's first commit here.
    pub(super) first_version: u64,
    /// Number of the stream's commits here.
    pub(super) commits: u32,
    /// Where the stream last occurred before; `None` if this is its first segment.
    pub(super) previous: Option<Place>,
    /// Number of the first of its offsets.
    offsets_from: u32,
    name_from: u64,
    name_length: u32,
}

impl Row {
    /// Version of the stream's last commit here.
    pub(super) fn last_version(&self) -> u64 {
        self.first_version + u64::from(self.commits) - 1
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.hash.as_bytes());
        out.extend(self.first_version.to_be_bytes());
        out.extend(self.commits.to_be_bytes());
        let (segment, row) = self.previous.map_or((0, 0), |place| (place.segment, place.row));
        out.extend(segment.to_be_bytes());
        out.extend(row.to_be_bytes());
        out.extend(self.offsets_from.to_be_bytes());
        out.extend(self.name_from.to_be_bytes());
        out.extend(self.name_length.to_be_bytes());
    }

    /// Reads the row that `bytes` start with.
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut input = Input(bytes.get(..format::length(ROW_BYTES).ok()?)?);
        let hash = Hash::from_bytes(input.take());
        let first_version = u64::from_be_bytes(input.take());
        let commits = u32::from_be_bytes(input.take());
        let segment = u64::from_be_bytes(input.take());
        let row = u32::from_be_bytes(input.take());
        let previous = (0 < segment).then_some(Place { segment, row });
        let offsets_from = u32::from_be_bytes(input.take());
        let name_from = u64::from_be_bytes(input.take());
        let name_length = u32::from_be_bytes(input.take());
        let row =
            Self { hash, first_version, commits, previous, offsets_from, name_from, name_length };
        let versions = 1..=u64::from(u32::MAX);
        (0 < commits && versions.contains(&first_version)).then_some(row)
    }
}

/// What a footer says of its segment as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trailer {
    pub(super) log_id: LogId,
    pub(super) first: u64,
    pub(super) last: u64,
    /// Where the records end and the footer starts.
    pub(super) records_end: u64,
    pub(super) streams: u32,
    /// Hash of the last commit.
    pub(super) last_hash: Hash,
    names_bytes: u64,
    recorded: (i64, i64),
    root: Hash,
    /// Checksum of header and records.
    pub(super) records_crc: u32,
    tables_crc: u32,
}

impl Trailer {
    fn to_bytes(self) -> Vec<u8> {
        let mut bytes = END_MAGIC.to_vec();
        bytes.extend(format::FORMAT.to_be_bytes());
        bytes.extend(self.first.to_be_bytes());
        bytes.extend(self.log_id);
        bytes.extend(self.last.to_be_bytes());
        bytes.extend(self.records_end.to_be_bytes());
        bytes.extend(self.streams.to_be_bytes());
        bytes.extend(self.names_bytes.to_be_bytes());
        bytes.extend(self.recorded.0.to_be_bytes());
        bytes.extend(self.recorded.1.to_be_bytes());
        bytes.extend(self.root.as_bytes());
        bytes.extend(self.last_hash.as_bytes());
        bytes.extend(self.records_crc.to_be_bytes());
        bytes.extend(self.tables_crc.to_be_bytes());
        bytes.extend(crc32c::crc32c(&bytes).to_be_bytes());
        bytes
    }

    /// Reads the trailer of a file of `size` bytes, which must be as long as the trailer says.
    pub(super) fn read(bytes: &[u8], size: u64) -> Result<Self, Unreadable> {
        let mut input = format::sealed(bytes, END_MAGIC, TRAILER_SEALED)?;
        let trailer = Self {
            first: u64::from_be_bytes(input.take()),
            log_id: input.take(),
            last: u64::from_be_bytes(input.take()),
            records_end: u64::from_be_bytes(input.take()),
            streams: u32::from_be_bytes(input.take()),
            names_bytes: u64::from_be_bytes(input.take()),
            recorded: (i64::from_be_bytes(input.take()), i64::from_be_bytes(input.take())),
            root: Hash::from_bytes(input.take()),
            last_hash: Hash::from_bytes(input.take()),
            records_crc: u32::from_be_bytes(input.take()),
            tables_crc: u32::from_be_bytes(input.take()),
        };
        let is_possible = 0 < trailer.first
            && trailer.first <= trailer.last
            && u32::try_from(trailer.last).is_ok()
            && format::HEADER_BYTES <= trailer.records_end
            && trailer.records_end < size;
        if !is_possible || trailer.size() != Some(size) {
            return Err(Unreadable::Cut);
        }
        Ok(trailer)
    }

    /// The trailer at the end of a whole file, if there is one.
    pub(super) fn at_end_of(bytes: &[u8]) -> Option<Self> {
        let start = bytes.len().checked_sub(TRAILER_BYTES)?;
        Self::read(bytes.get(start..)?, count(bytes.len())).ok()
    }

    /// Whether the tables in a footer match their checksum. A crash may tear a footer anywhere.
    pub(super) fn has_tables(&self, footer: &[u8]) -> bool {
        let tables = footer.split_last_chunk::<TRAILER_BYTES>();
        tables.is_some_and(|(tables, _)| crc32c::crc32c(tables) == self.tables_crc)
    }

    fn rows_start(&self) -> u64 {
        self.records_end + count(MAGIC.len())
    }

    fn offsets_start(&self) -> u64 {
        self.rows_start() + u64::from(self.streams) * ROW_BYTES
    }

    fn stride_start(&self) -> u64 {
        self.offsets_start() + self.commits() * OFFSET_BYTES
    }

    fn names_start(&self) -> u64 {
        self.stride_start() + self.commits().div_ceil(count(STRIDE)) * OFFSET_BYTES
    }

    fn commits(&self) -> u64 {
        self.last - self.first + 1
    }

    fn size(&self) -> Option<u64> {
        self.names_start().checked_add(self.names_bytes)?.checked_add(count(TRAILER_BYTES))
    }
}

/// Collects the streams of a segment, in order of their names, and writes its footer.
#[derive(Debug, Default)]
pub(super) struct Tables {
    rows: Vec<u8>,
    streams: u32,
    offsets: Vec<u8>,
    commits: u32,
    names: Vec<u8>,
}

impl Tables {
    /// Adds the next stream with the offsets of its commits, in order of version.
    pub(super) fn push(
        &mut self,
        name: &str,
        (first_version, hash): (u64, Hash),
        previous: Option<Place>,
        offsets: impl Iterator<Item = u64>,
    ) {
        let offsets_from = self.commits;
        for offset in offsets {
            self.offsets.extend(offset.to_be_bytes());
            self.commits += 1;
        }
        let name_length = u32::try_from(name.len()).expect("an id is short");
        let row = Row {
            hash,
            first_version,
            commits: self.commits - offsets_from,
            previous,
            offsets_from,
            name_from: count(self.names.len()),
            name_length,
        };
        row.write(&mut self.rows);
        self.names.extend(name.as_bytes());
        self.streams += 1;
    }

    /// The footer of the segment that starts at `first` and has its records at `offsets`.
    pub(super) fn into_footer(
        self,
        log_id: LogId,
        (first, records_end): (u64, u64),
        offsets: &[u64],
        sums: &Sums,
    ) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(&self.rows);
        bytes.extend(&self.offsets);
        bytes.extend(offsets.iter().step_by(STRIDE).flat_map(|offset| offset.to_be_bytes()));
        bytes.extend(&self.names);
        let trailer = Trailer {
            log_id,
            first,
            last: first + count(offsets.len()) - 1,
            records_end,
            streams: self.streams,
            last_hash: sums.last_hash.unwrap_or(Hash::ZERO),
            names_bytes: count(self.names.len()),
            recorded: sums.recorded.unwrap_or_default(),
            root: sums.tree.root(),
            records_crc: sums.crc,
            tables_crc: crc32c::crc32c(&bytes),
        };
        bytes.extend(trailer.to_bytes());
        bytes
    }
}

/// A segment that never changes again.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) file: Arc<NamedFile>,
    pub(super) trailer: Trailer,
}

/// The tables of a footer in memory, and their checksum was right.
pub(super) struct ReadTables {
    trailer: Trailer,
    bytes: Vec<u8>,
}

impl Sealed {
    /// Reads the trailer; `None` when the file does not end with one.
    pub(super) fn open(file: Arc<NamedFile>) -> io::Result<Option<Self>> {
        let size = file.size()?;
        let Some(start) = size.checked_sub(count(TRAILER_BYTES)) else { return Ok(None) };
        let mut bytes = [0; TRAILER_BYTES];
        file.read_exact_at(&mut bytes, start)?;
        Ok(Trailer::read(&bytes, size).ok().map(|trailer| Self { file, trailer }))
    }

    /// Reads the tables; `None` when they do not match their checksum.
    pub(super) fn tables(&self) -> io::Result<Option<ReadTables>> {
        let trailer = self.trailer;
        let end = trailer.names_start() + trailer.names_bytes;
        let mut bytes = vec![0; format::length(end - trailer.records_end)?];
        self.file.read_exact_at(&mut bytes, trailer.records_end)?;
        let is_intact = crc32c::crc32c(&bytes) == trailer.tables_crc;
        Ok(is_intact.then_some(ReadTables { trailer, bytes }))
    }

    /// Whether header and records match the checksum that was written when the segment was sealed.
    pub(super) fn is_intact(&self, progress: &mut dyn FnMut(u64)) -> io::Result<bool> {
        let mut buffer = vec![0; CHUNK_BYTES];
        let (mut at, mut crc) = (0, 0);
        while at < self.trailer.records_end {
            let size = format::length(self.trailer.records_end - at)?.min(CHUNK_BYTES);
            let chunk = buffer.get_mut(..size).unwrap_or_default();
            self.file.read_exact_at(chunk, at)?;
            crc = crc32c::crc32c_append(crc, chunk);
            at += count(size);
            progress(count(size));
        }
        Ok(crc == self.trailer.records_crc)
    }

    /// Reads one stream's row; `None` when there is no such row.
    pub(super) fn row(&self, number: u32) -> io::Result<Option<Row>> {
        if self.trailer.streams <= number {
            return Ok(None);
        }
        let mut bytes = vec![0; format::length(ROW_BYTES)?];
        self.file
            .read_exact_at(&mut bytes, self.trailer.rows_start() + u64::from(number) * ROW_BYTES)?;
        Ok(Row::read(&bytes))
    }

    /// Offsets of at most `most` of a stream's commits, from `version` on.
    pub(super) fn offsets(&self, row: &Row, version: u64, most: usize) -> io::Result<Vec<u64>> {
        let skipped = version - row.first_version;
        let wanted = (u64::from(row.commits) - skipped).min(count(most));
        let from = u64::from(row.offsets_from) + skipped;
        let mut bytes = vec![0; format::length(wanted * OFFSET_BYTES)?];
        self.file.read_exact_at(&mut bytes, self.trailer.offsets_start() + from * OFFSET_BYTES)?;
        let (offsets, _) = bytes.as_chunks();
        Ok(offsets.iter().map(|offset| u64::from_be_bytes(*offset)).collect())
    }

    /// A position at or a little before `position`, and the offset of its record.
    pub(super) fn near(&self, position: u64) -> io::Result<(u64, u64)> {
        let number = (position - self.trailer.first) / count(STRIDE);
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, self.trailer.stride_start() + number * OFFSET_BYTES)?;
        Ok((self.trailer.first + number * count(STRIDE), u64::from_be_bytes(bytes)))
    }
}

impl ReadTables {
    /// The streams with their names, in order of their names; `None` for a row that makes no sense.
    pub(super) fn rows(&self) -> impl Iterator<Item = Option<(&str, Row)>> {
        let start = self.trailer.records_end;
        let part = move |from: u64, to: u64| {
            let (from, to) = (format::length(from - start), format::length(to - start));
            self.bytes.get(from.ok()?..to.ok()?)
        };
        let rows = part(self.trailer.rows_start(), self.trailer.offsets_start());
        let names = part(self.trailer.names_start(), start + count(self.bytes.len()));
        let rows = rows.unwrap_or_default().chunks(format::length(ROW_BYTES).unwrap_or(1));
        rows.map(move |bytes| {
            let row = Row::read(bytes)?;
            let from = format::length(row.name_from).ok()?;
            let to = from.checked_add(format::length(row.name_length.into()).ok()?)?;
            Some((std::str::from_utf8(names?.get(from..to)?).ok()?, row))
        })
    }
}
