//! Where the durable commits are, in memory: eight bytes per commit, and four per commit of a stream.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::disk::NamedFile;
use crate::commit::Hash;
use crate::ids::StreamId;
use crate::store::{Head, StoreError, numbered};

use super::format::{HEADER_BYTES, count};

#[derive(Debug, Default)]
pub(super) struct Index {
    segments: Vec<Segment>,
    streams: BTreeMap<StreamId, Stream>,
    last: u64,
}

#[derive(Debug)]
struct Segment {
    file: Arc<NamedFile>,
    first: u64,
    /// Offset of each record, in order of position.
    offsets: Vec<u64>,
    end: u64,
}

#[derive(Debug)]
struct Stream {
    /// In order of version; the first is 1.
    positions: Vec<u32>,
    hash: Hash,
}

/// Where one record is.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) file: Arc<NamedFile>,
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) position: u64,
}

impl Index {
    /// Last position; zero in an empty log.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    pub(super) fn head(&self, source: &StreamId) -> Head {
        self.streams.get(source).map_or(Head::EMPTY, |stream| Head {
            version: count(stream.positions.len()),
            hash: stream.hash,
        })
    }

    /// Starts a segment for the positions after the last.
    pub(super) fn push_segment(&mut self, file: Arc<NamedFile>) {
        let first = self.last + 1;
        self.segments.push(Segment { file, first, offsets: Vec::new(), end: HEADER_BYTES });
    }

    /// Adds the next commit, whose record ends the open segment with `size` bytes.
    pub(super) fn push(
        &mut self,
        source: &StreamId,
        hash: Hash,
        size: u64,
    ) -> Result<(), StoreError> {
        let position = numbered(self.last + 1)?;
        let segment = self.segments.last_mut().expect("a segment is open before its first record");
        if let Some(stream) = self.streams.get_mut(source) {
            stream.positions.push(position);
            stream.hash = hash;
        } else {
            let stream = Stream { positions: vec![position], hash };
            self.streams.insert(source.clone(), stream);
        }
        segment.offsets.push(segment.end);
        segment.end += size;
        self.last = position.into();
        Ok(())
    }

    pub(super) fn slot(&self, position: u64) -> Option<Slot> {
        let after = self.segments.partition_point(|segment| segment.first <= position);
        let segment = self.segments.get(after.checked_sub(1)?)?;
        let index = usize::try_from(position - segment.first).ok()?;
        let offset = *segment.offsets.get(index)?;
        let end = segment.offsets.get(index + 1).copied().unwrap_or(segment.end);
        Some(Slot { file: Arc::clone(&segment.file), offset, size: end - offset, position })
    }

    /// Position of a stream's commit.
    pub(super) fn position_of(&self, source: &StreamId, version: u64) -> Option<u64> {
        let index = usize::try_from(version.checked_sub(1)?).ok()?;
        self.streams.get(source)?.positions.get(index).copied().map(u64::from)
    }
}
