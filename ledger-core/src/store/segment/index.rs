//! Where the durable commits are, in memory: some bytes per stream, and per commit of the open segment.
//!
//! Of a sealed segment nothing is kept but its trailer; where its commits are stands in its footer.

use std::sync::Arc;

use smol_str::SmolStr;

use super::disk::NamedFile;
use super::footer::{Place, ReadTables, Sealed, Sums, Tables};
use super::format::{HEADER_BYTES, LogId, count};
use crate::commit::Hash;
use crate::ids::StreamId;
use crate::store::{Head, StoreError, numbered};

#[allow(clippy::disallowed_types, reason = "asked for every commit; sorted before it is written")]
type Streams = std::collections::HashMap<StreamId, Stream>;

#[derive(Debug, Default)]
pub(super) struct Index {
    sealed: Vec<Arc<Sealed>>,
    open: Option<Open>,
    streams: Streams,
    last: u64,
    last_hash: Option<Hash>,
}

/// What is durable at one moment.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) sealed: Vec<Arc<Sealed>>,
    /// The open segment, its first position, and where its durable part ends.
    pub(super) open: Option<(Arc<NamedFile>, u64, u64)>,
    pub(super) last: u64,
    pub(super) last_hash: Hash,
}

/// The segment that grows.
#[derive(Debug)]
struct Open {
    file: Arc<NamedFile>,
    first: u64,
    /// Offset of each record, in order of position.
    offsets: Vec<u64>,
    end: u64,
}

#[derive(Debug)]
struct Stream {
    head: Head,
    /// The last sealed segment with commits of the stream.
    sealed: Option<Place>,
    /// Which records of the open segment are the stream's, in order of version.
    open: Vec<u32>,
}

impl Stream {
    fn first_open_version(&self) -> u64 {
        self.head.version + 1 - count(self.open.len())
    }
}

/// Where one record is.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) file: Arc<NamedFile>,
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) position: u64,
}

/// Where to look for a commit.
#[derive(Debug)]
pub(super) enum Found {
    Open(Slot),
    Sealed(Arc<Sealed>),
}

/// Where to look for a version of a stream.
#[derive(Debug)]
pub(super) enum FoundVersion {
    Open(Slot),
    /// In this segment or one before it.
    Sealed(Place),
}

impl Index {
    /// Last position; zero in an empty log.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    pub(super) fn head(&self, source: &StreamId) -> Head {
        self.streams.get(source).map_or(Head::EMPTY, |stream| stream.head)
    }

    /// All streams and where they end.
    pub(super) fn heads(&self) -> impl Iterator<Item = (&StreamId, Head)> {
        self.streams.iter().map(|(source, stream)| (source, stream.head))
    }

    /// Starts a segment for the positions after the last.
    pub(super) fn push_segment(&mut self, file: Arc<NamedFile>) {
        let first = self.last + 1;
        self.open = Some(Open { file, first, offsets: Vec::new(), end: HEADER_BYTES });
    }

    /// Adds the next commit, whose record ends the open segment with `size` bytes.
    pub(super) fn push(
        &mut self,
        source: &StreamId,
        hash: Hash,
        size: u64,
    ) -> Result<(), StoreError> {
        let position = numbered(self.last + 1)?;
        let open = self.open.as_mut().expect("a segment is open before its first record");
        let number = u32::try_from(open.offsets.len()).expect("positions have 32 bits");
        if let Some(stream) = self.streams.get_mut(source) {
            stream.head = Head { version: stream.head.version + 1, hash };
            stream.open.push(number);
        } else {
            let stream =
                Stream { head: Head { version: 1, hash }, sealed: None, open: vec![number] };
            self.streams.insert(source.clone(), stream);
        }
        open.offsets.push(open.end);
        open.end += size;
        self.last = position.into();
        self.last_hash = Some(hash);
        Ok(())
    }

    /// The footer of the open segment, which must have a record.
    pub(super) fn footer(&self, log_id: LogId, sums: &Sums) -> Vec<u8> {
        let open = self.open.as_ref().expect("only an open segment gets a footer");
        let mut tables = Tables::default();
        let mut streams: Vec<_> =
            self.streams.iter().filter(|(_, stream)| !stream.open.is_empty()).collect();
        streams.sort_unstable_by_key(|(source, _)| *source);
        for (source, stream) in streams {
            let first = (stream.first_open_version(), stream.head.hash);
            let numbers = stream.open.iter().filter_map(|number| usize::try_from(*number).ok());
            let offsets = numbers.filter_map(|number| open.offsets.get(number).copied());
            tables.push(&source.to_string(), first, stream.sealed, offsets);
        }
        tables.into_footer(log_id, (open.first, open.end), &open.offsets, sums)
    }

    /// Takes the open segment as sealed.
    pub(super) fn seal(&mut self, sealed: Arc<Sealed>) {
        let segment = sealed.trailer.first;
        let mut streams: Vec<_> =
            self.streams.iter_mut().filter(|(_, stream)| !stream.open.is_empty()).collect();
        streams.sort_unstable_by_key(|(source, _)| *source);
        for (row, (_, stream)) in (0..).zip(streams) {
            stream.sealed = Some(Place { segment, row });
            stream.open = Vec::new();
        }
        self.open = None;
        self.sealed.push(sealed);
    }

    /// The sealed segments, in order.
    pub(super) fn sealed(&self) -> &[Arc<Sealed>] {
        &self.sealed
    }

    /// All that is durable now.
    pub(super) fn snapshot(&self) -> Snapshot {
        let open = self.open.as_ref();
        Snapshot {
            sealed: self.sealed.clone(),
            open: open.map(|open| (Arc::clone(&open.file), open.first, open.end)),
            last: self.last,
            last_hash: self.last_hash.unwrap_or(Hash::ZERO),
        }
    }

    /// The sealed segment that holds `position`.
    pub(super) fn sealed_with(&self, position: u64) -> Option<&Arc<Sealed>> {
        let after = self.sealed.partition_point(|sealed| sealed.trailer.first <= position);
        let sealed = self.sealed.get(after.checked_sub(1)?)?;
        (position <= sealed.trailer.last).then_some(sealed)
    }

    pub(super) fn find(&self, position: u64) -> Option<Found> {
        match self.sealed_with(position) {
            Some(sealed) => Some(Found::Sealed(Arc::clone(sealed))),
            None => self.slot(position).map(Found::Open),
        }
    }

    /// Where a record of the open segment is.
    fn slot(&self, position: u64) -> Option<Slot> {
        let open = self.open.as_ref()?;
        let number = usize::try_from(position.checked_sub(open.first)?).ok()?;
        let offset = *open.offsets.get(number)?;
        let end = open.offsets.get(number + 1).copied().unwrap_or(open.end);
        Some(Slot { file: Arc::clone(&open.file), offset, size: end - offset, position })
    }

    pub(super) fn find_version(&self, source: &StreamId, version: u64) -> Option<FoundVersion> {
        let stream = self.streams.get(source)?;
        match version.checked_sub(stream.first_open_version()) {
            None => stream.sealed.map(FoundVersion::Sealed),
            Some(number) => {
                let number = *stream.open.get(usize::try_from(number).ok()?)?;
                let first = self.open.as_ref()?.first;
                self.slot(first + u64::from(number)).map(FoundVersion::Open)
            }
        }
    }
}

/// The index of sealed segments, while footers are read one after the other.
///
/// Both the streams known so far and those of a footer are in order of their names, so they are merged
/// as sorted lists: a look-up for every row would cost several times as much.
#[derive(Debug, Default)]
pub(super) struct Merged {
    sealed: Vec<Arc<Sealed>>,
    streams: Vec<(SmolStr, Head, Place)>,
}

impl Merged {
    /// Adds the next sealed segment; false when its footer does not continue those before.
    pub(super) fn push(&mut self, sealed: Arc<Sealed>, tables: &ReadTables) -> bool {
        let segment = sealed.trailer.first;
        let mut new = Vec::new();
        let mut known = self.streams.iter_mut().peekable();
        for (number, row) in (0..).zip(tables.rows()) {
            let Some((name, row)) = row else { return false };
            while known.next_if(|(known, _, _)| known.as_str() < name).is_some() {}
            let place = Place { segment, row: number };
            let head = Head { version: row.last_version(), hash: row.hash };
            let before = known.next_if(|(known, _, _)| known == name);
            let (version, previous) =
                before.as_ref().map_or((0, None), |(_, head, place)| (head.version, Some(*place)));
            if row.first_version != version + 1 || row.previous != previous {
                return false;
            }
            match before {
                Some((_, last_head, last_place)) => (*last_head, *last_place) = (head, place),
                None => new.push((SmolStr::new(name), head, place)),
            }
        }
        if !new.is_empty() {
            self.streams.append(&mut new);
            self.streams.sort_by(|(one, _, _), (other, _, _)| one.cmp(other));
        }
        self.sealed.push(sealed);
        true
    }

    /// The segments so far.
    pub(super) fn sealed(&self) -> &[Arc<Sealed>] {
        &self.sealed
    }

    /// Position of the last commit.
    pub(super) fn last(&self) -> u64 {
        self.sealed.last().map_or(0, |sealed| sealed.trailer.last)
    }

    /// The index; `None` when a stream has no valid name.
    pub(super) fn into_index(self) -> Option<Index> {
        let last = self.last();
        let last_hash = self.sealed.last().map(|sealed| sealed.trailer.last_hash);
        let streams = self.streams.into_iter().map(|(name, head, place)| {
            let stream = Stream { head, sealed: Some(place), open: Vec::new() };
            Some((name.parse().ok()?, stream))
        });
        let streams = streams.collect::<Option<Streams>>()?;
        Some(Index { sealed: self.sealed, open: None, streams, last, last_hash })
    }
}
