//! The bytes of segments and anchors. All integers are big-endian.

use std::io;

use crate::commit::{COMMIT_BYTES_MAX, Hash};
use crate::store::Damage;

/// Version of the layout of segments and anchors.
pub(super) const FORMAT: u32 = 1;

/// Size of a segment's header. Records follow it at once.
pub(super) const HEADER_BYTES: u64 = 64;

/// The same, in memory.
pub(super) const HEADER_LENGTH: usize = 64;

/// Size of what precedes the commit in a record: length, checksum, position, durable, hash.
pub(super) const PREFIX_BYTES: usize = 4 + 4 + 8 + 8 + 32;

/// Distance between the two slots of an anchor: one disk sector each.
pub(super) const SLOT_BYTES: u64 = 512;

const SEGMENT_MAGIC: [u8; 8] = *b"LEDGRSEG";
const ANCHOR_MAGIC: [u8; 8] = *b"LEDGRANC";
const BODY_BYTES_MIN: usize = PREFIX_BYTES - 8;
const BODY_BYTES_MAX: usize = BODY_BYTES_MIN + COMMIT_BYTES_MAX;
const HEADER_SEALED: usize = HEADER_LENGTH - 4;
const SLOT_SEALED: usize = 68;

/// Random bytes that all files of one log carry.
pub(super) type LogId = [u8; 16];

/// What a segment says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) log_id: LogId,
    pub(super) first: u64,
}

/// Why a header or an anchor cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It is something else.
    Magic,
    /// It was written in a later format.
    Newer(u32),
    /// It ends too early.
    Cut,
    /// It does not match its checksum.
    Checksum,
}

impl Header {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = SEGMENT_MAGIC.to_vec();
        bytes.extend(FORMAT.to_be_bytes());
        bytes.extend(self.first.to_be_bytes());
        bytes.extend(self.log_id);
        bytes.resize(HEADER_SEALED, 0);
        bytes.extend(crc32c::crc32c(&bytes).to_be_bytes());
        bytes
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut input = sealed(bytes, SEGMENT_MAGIC, HEADER_SEALED)?;
        let first = u64::from_be_bytes(input.take());
        Ok(Self { first, log_id: input.take() })
    }
}

/// The last commit known to be durable when the anchor was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Anchor {
    pub(super) log_id: LogId,
    pub(super) position: u64,
    pub(super) hash: Hash,
}

impl Anchor {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = ANCHOR_MAGIC.to_vec();
        bytes.extend(FORMAT.to_be_bytes());
        bytes.extend(self.position.to_be_bytes());
        bytes.extend(self.log_id);
        bytes.extend(self.hash.as_bytes());
        bytes.extend(crc32c::crc32c(&bytes).to_be_bytes());
        bytes
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut input = sealed(bytes, ANCHOR_MAGIC, SLOT_SEALED)?;
        let position = u64::from_be_bytes(input.take());
        let log_id = input.take();
        Ok(Self { log_id, position, hash: Hash::from_bytes(input.take()) })
    }
}

/// The fields of `bytes` after magic and format, once the checksum at `end` has proved them right.
pub(super) fn sealed(bytes: &[u8], magic: [u8; 8], end: usize) -> Result<Input<'_>, Unreadable> {
    let fields = bytes.get(..end).ok_or(Unreadable::Cut)?;
    let crc = bytes.get(end..end + 4).ok_or(Unreadable::Cut)?;
    let mut input = Input(fields);
    if input.take() != magic {
        return Err(Unreadable::Magic);
    }
    if crc32c::crc32c(fields).to_be_bytes() != crc {
        return Err(Unreadable::Checksum);
    }
    match u32::from_be_bytes(input.take()) {
        FORMAT => Ok(input),
        other => Err(Unreadable::Newer(other)),
    }
}

/// A record whose checksum is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// Position of the commit.
    pub(super) position: u64,
    /// Last position that was durable when the record was written.
    pub(super) durable: u64,
    /// Hash of the commit.
    pub(super) hash: Hash,
    /// Canonical bytes of the commit.
    pub(super) commit: &'a [u8],
}

impl<'a> Record<'a> {
    /// Appends the record to `out`.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let length = u32::try_from(BODY_BYTES_MIN + self.commit.len());
        let length = length.expect("a sealed commit has at most COMMIT_BYTES_MAX bytes");
        let length = length.to_be_bytes();
        let start = out.len() + 8;
        out.extend(length);
        out.extend([0; 4]);
        out.extend(self.position.to_be_bytes());
        out.extend(self.durable.to_be_bytes());
        out.extend(self.hash.as_bytes());
        out.extend(self.commit);
        let crc = crc32c::crc32c_append(crc32c::crc32c(&length), &out[start..]);
        out[start - 4..start].copy_from_slice(&crc.to_be_bytes());
    }

    /// Reads the record that `bytes` start with.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Damage> {
        let (prefix, body) = bytes.split_at_checked(8).ok_or(Damage::Incomplete)?;
        let mut input = Input(prefix);
        let length_bytes: [u8; 4] = input.take();
        let crc = u32::from_be_bytes(input.take());
        let length = u32::from_be_bytes(length_bytes);
        let length = usize::try_from(length).map_err(|_| Damage::Length)?;
        if !(BODY_BYTES_MIN..=BODY_BYTES_MAX).contains(&length) {
            return Err(Damage::Length);
        }
        let body = body.get(..length).ok_or(Damage::Incomplete)?;
        if crc32c::crc32c_append(crc32c::crc32c(&length_bytes), body) != crc {
            return Err(Damage::Checksum);
        }
        let mut input = Input(body);
        let position = u64::from_be_bytes(input.take());
        let durable = u64::from_be_bytes(input.take());
        let hash = Hash::from_bytes(input.take());
        Ok(Self { position, durable, hash, commit: input.0 })
    }

    /// Size of the record that `bytes` start with, as it says itself.
    pub(super) fn size_of(bytes: &[u8]) -> Option<usize> {
        let length = u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?);
        let length = usize::try_from(length).ok()?;
        (BODY_BYTES_MIN..=BODY_BYTES_MAX).contains(&length).then_some(8 + length)
    }

    /// Size of the record in the file.
    pub(super) fn size(&self) -> usize {
        PREFIX_BYTES + self.commit.len()
    }

    /// Finds the first intact record at or after `from` with a position after `after`.
    pub(super) fn find(bytes: &'a [u8], from: usize, after: u64) -> Option<(usize, Self)> {
        // Positions that the rest can hold. Nearly all bytes fail this test, which costs little.
        let most = after.saturating_add(count(bytes.len() / PREFIX_BYTES + 1));
        (from..bytes.len().saturating_sub(PREFIX_BYTES)).find_map(|at| {
            let rest = bytes.get(at..)?;
            let position = rest.get(8..16)?.try_into().ok().map(u64::from_be_bytes)?;
            if position <= after || most < position {
                return None;
            }
            Self::read(rest).ok().map(|record| (at, record))
        })
    }
}

/// Fields that are read one after the other.
pub(super) struct Input<'a>(pub(super) &'a [u8]);

impl Input<'_> {
    pub(super) fn take<const N: usize>(&mut self) -> [u8; N] {
        let (taken, rest) = self.0.split_first_chunk().expect("the length was checked before");
        self.0 = rest;
        *taken
    }
}

/// A length in memory as a count of bytes in a file.
pub(super) fn count(length: usize) -> u64 {
    u64::try_from(length).expect("a usize fits 64 bits")
}

/// A count of bytes in a file as a length in memory.
pub(super) fn length(count: u64) -> io::Result<usize> {
    usize::try_from(count).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(position: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        let commit = b"canonical bytes";
        let record = Record { position, durable: position - 1, hash: Hash::of(commit), commit };
        record.write(&mut bytes);
        bytes
    }

    #[test]
    fn a_record_reads_back_and_no_flipped_bit_passes() {
        let bytes = record(7);
        let read = Record::read(&bytes).unwrap();
        assert_eq!((read.position, read.durable, read.size()), (7, 6, bytes.len()));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Record::read(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_header_reads_back_and_no_flipped_bit_passes() {
        let header = Header { log_id: [7; 16], first: 9 };
        let bytes = header.to_bytes();
        assert_eq!((bytes.len(), count(bytes.len())), (HEADER_LENGTH, HEADER_BYTES));
        assert_eq!(Header::read(&bytes), Ok(header));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::read(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn an_anchor_reads_back_and_no_flipped_bit_passes() {
        let anchor = Anchor { log_id: [7; 16], position: 9, hash: Hash::of(b"last") };
        let bytes = anchor.to_bytes();
        assert_eq!(Anchor::read(&bytes), Ok(anchor));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Anchor::read(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn an_intact_record_is_found_behind_a_broken_one() {
        let mut bytes = [record(1), record(2), record(3)].concat();
        let size = record(1).len();
        bytes[size + 20] ^= 1;
        let (at, found) = Record::find(&bytes, size + 1, 1).unwrap();
        assert_eq!((at, found.position), (2 * size, 3));
        assert_eq!(Record::find(&bytes, size + 1, 3), None);
    }
}
