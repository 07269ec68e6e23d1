//! What a damaged, cut, mixed-up or foreign folder does to a segment log: never silent loss.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use eventually::store::{EventStore, Expected, Select};
use futures::executor::block_on;
use futures::{StreamExt, TryStreamExt};
use ledger_core::commit::{Hash, SealedCommit};
use ledger_core::store::contract::{customer, history, next_commit};
use ledger_core::store::segment::{SegmentLog, SegmentOptions, VerifyReport, verify};
use ledger_core::store::{CommitLog, Damage, StoreError};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const HEADER_BYTES: usize = 64;
const SLOT_BYTES: usize = 512;
const SLOT_USED_BYTES: usize = 72;
const PREFIX_BYTES: usize = 56;

/// Numbers that look random and are the same in every run.
struct Xorshift(u64);

impl Xorshift {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).expect("fits");
        usize::try_from(self.next() % limit).expect("fits")
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next().to_be_bytes()[0]).collect()
    }
}

/// A log in a folder of its own, closed.
struct Closed {
    dir: TempDir,
    segment_bytes: u64,
    commits: Vec<SealedCommit>,
}

impl Closed {
    /// A log of `count` commits in three streams and segments of about `segment_bytes`.
    fn with(count: usize, segment_bytes: u64) -> Self {
        let dir = tempfile::tempdir().expect("there is a temporary folder");
        let mut closed = Self { dir, segment_bytes, commits: Vec::new() };
        closed.grow(count);
        closed
    }

    fn grow(&mut self, count: usize) {
        let log = self.open().expect("the log is intact");
        for _ in 0..count {
            let commit = self.next();
            block_on(log.append_commit(commit.clone())).expect("it is the next one");
            self.commits.push(commit);
        }
        log.close().expect("the disk works");
    }

    fn next(&self) -> SealedCommit {
        let number = self.commits.len();
        let before = number.checked_sub(3).and_then(|before| self.commits.get(before));
        next_commit(&customer(&format!("customer-{}", number % 3)), before, vec![b'x'; number])
    }

    fn options(&self) -> SegmentOptions {
        SegmentOptions { segment_bytes: self.segment_bytes }
    }

    fn open(&self) -> Result<SegmentLog, StoreError> {
        SegmentLog::open(self.dir.path(), self.options())
    }

    fn verify(&self) -> VerifyReport {
        verify(self.dir.path(), &mut |_, _| {}).expect("the folder can be read")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn segments(&self) -> Vec<PathBuf> {
        let files = contents(self.dir.path()).into_keys();
        files.filter(|path| path.extension().is_some_and(|extension| extension == "seg")).collect()
    }

    fn last_segment(&self) -> PathBuf {
        self.segments().pop().expect("a log has a segment")
    }

    /// Opens in both ways, which must fail and change nothing.
    fn refused(&self) -> StoreError {
        let before = contents(self.dir.path());
        let read_only = SegmentLog::open_read_only(self.dir.path()).expect_err("it is damaged");
        let err = self.open().expect_err("it is damaged");
        assert_eq!(read_only.to_string(), err.to_string());
        assert!(before == contents(self.dir.path()), "a refused folder has changed");
        err
    }

    /// Opens, and everything acknowledged is there and nothing else.
    fn holds(&self, acknowledged: usize) {
        for open in [|closed: &Self| SegmentLog::open_read_only(closed.dir.path()), Self::open] {
            let log = open(self).expect("the log can be opened");
            let read: Vec<_> = block_on(log.read_from(1).try_collect()).expect("it can be read");
            let read: Vec<_> = read.iter().map(|stored| stored.hash()).collect();
            let commits: Vec<_> = self.commits.iter().map(SealedCommit::hash).collect();
            assert_eq!(read, commits[..acknowledged]);
        }
    }
}

fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(dir).expect("the folder exists");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    paths.map(|path| (path.clone(), fs::read(&path).expect("it can be read"))).collect()
}

/// Where the header, the records and the footer of a segment start, or where its records end.
fn boundaries(segment: &[u8]) -> Vec<usize> {
    let mut starts = vec![0, HEADER_BYTES];
    let mut at = HEADER_BYTES;
    while let Some(length) = segment.get(at..at + 4).filter(|length| *length != b"LEDG") {
        let length = u32::from_be_bytes(length.try_into().expect("four bytes"));
        at += 8 + usize::try_from(length).expect("fits");
        starts.push(at);
    }
    starts
}

fn number(count: usize) -> u64 {
    u64::try_from(count).expect("fits")
}

fn flip(path: &Path, bit: usize) {
    let mut bytes = fs::read(path).expect("the file exists");
    bytes[bit / 8] ^= 1 << (bit % 8);
    fs::write(path, bytes).expect("the file can be written");
}

/// Whether `err` names the file and the record, or the header, that holds `at`.
fn names(err: &StoreError, path: &Path, segment: &[u8], at: usize) -> bool {
    let start = boundaries(segment).into_iter().rfind(|start| *start <= at);
    match err {
        StoreError::Damaged { file, offset, .. } => {
            file == path && Some(*offset) == start.map(number)
        }
        StoreError::Foreign { file, reason } => {
            file == path && at < HEADER_BYTES && reason.contains("offset 0")
        }
        StoreError::Conflict { .. }
        | StoreError::Unknown(_)
        | StoreError::Full(_)
        | StoreError::Overloaded
        | StoreError::Poisoned
        | StoreError::Closed
        | StoreError::Exhausted(_)
        | StoreError::AppendOnly
        | StoreError::NotNext(_)
        | StoreError::Shortened { .. }
        | StoreError::Locked(_)
        | StoreError::Io { .. } => false,
    }
}

#[test]
fn a_flipped_bit_anywhere_is_found() {
    let closed = Closed::with(60, 4096);
    let segments = closed.segments();
    assert!(3 < segments.len(), "the log is meant to have rolled");
    let mut random = Xorshift(0x5EED_1E06);
    for _ in 0..200 {
        let path = &segments[random.below(segments.len())];
        let segment = fs::read(path).unwrap();
        let bit = random.below(segment.len() * 8);
        flip(path, bit);
        let err = closed.refused();
        assert!(names(&err, path, &segment, bit / 8), "byte {}: {err}", bit / 8);
        let report = closed.verify();
        let first = &report.problems[0].error;
        assert_eq!(first.to_string(), err.to_string());
        assert!(58 < report.commits, "one flipped bit hides {} commits", 60 - report.commits);
        fs::write(path, segment).unwrap();
    }
    closed.holds(60);
}

#[test]
fn no_bit_of_a_sealed_segment_can_flip_unnoticed() {
    let closed = Closed::with(4, 512);
    let path = &closed.segments()[0];
    let segment = fs::read(path).unwrap();
    for bit in (0..segment.len() * 8).step_by(23) {
        flip(path, bit);
        let err = closed.open().expect_err("a bit has flipped");
        assert!(names(&err, path, &segment, bit / 8), "bit {bit}: {err}");
        assert_eq!(closed.verify().problems[0].error.to_string(), err.to_string());
        fs::write(path, &segment).unwrap();
    }
    closed.holds(4);
}

#[test]
fn deferred_checks_find_what_opening_has_not_looked_at() {
    let closed = Closed::with(60, 4096);
    let path = &closed.segments()[1];
    let segment = fs::read(path).unwrap();
    let start = boundaries(&segment)[3];
    flip(path, (start + PREFIX_BYTES + 9) * 8);
    let position = first_of(path) + 2;
    let log = SegmentLog::open_deferring_checks(closed.dir.path(), closed.options()).unwrap();
    let is_named = |err: &StoreError| names(err, path, &segment, start);
    let read: Vec<_> = block_on(log.read_from(position - 1).collect());
    assert_eq!(read.len(), 2);
    assert!(read[1].as_ref().is_err_and(is_named), "{:?}", read[1]);
    let number = usize::try_from(position - 1).expect("fits");
    let stream = closed.commits[number].commit().stream.clone();
    let read: Vec<_> = block_on(block_on(log.stream(stream, Select::All)).unwrap().collect());
    let last = read.last().unwrap().as_ref();
    assert!(last.is_err_and(is_named), "{last:?}");
    let is_placed = |err: &StoreError| matches!(err, StoreError::Damaged { position: at, .. } if *at == position);
    assert!(last.is_err_and(is_placed), "found through a footer at {position}: {last:?}");
    let err = log.check_sealed(&mut |_, _| {}).unwrap_err();
    assert!(matches!(err, StoreError::Damaged { file, .. } if file == *path));
    drop(log);
    fs::write(path, segment).unwrap();
    let log = SegmentLog::open_deferring_checks(closed.dir.path(), closed.options()).unwrap();
    log.check_sealed(&mut |_, _| {}).unwrap();
    drop(log);
    closed.holds(60);
}

#[test]
fn a_footer_torn_at_any_byte_is_cut_off_and_written_again() {
    let mut closed = Closed::with(2, 512);
    let path = closed.last_segment();
    let open = fs::read(&path).unwrap();
    let anchor = fs::read(closed.path("anchor")).unwrap();
    closed.grow(1);
    let sealed = fs::read(&path).unwrap();
    assert!(open.len() < sealed.len(), "the segment is meant to be sealed");
    fs::remove_file(closed.last_segment()).unwrap();
    fs::write(closed.path("anchor"), anchor).unwrap();
    let lengths = (open.len()..sealed.len()).step_by(29).chain([sealed.len() - 1, sealed.len()]);
    for length in lengths {
        fs::write(&path, &sealed[..length]).unwrap();
        closed.holds(2);
        let is_whole = length == sealed.len();
        assert_eq!(fs::read(&path).unwrap(), if is_whole { &sealed[..] } else { &open[..] });
    }
    closed.commits.pop();
    closed.grow(1);
    assert_eq!(fs::read(&path).unwrap(), sealed);
    closed.holds(3);
}

/// The big-endian number of `size` bytes at `at`.
fn field(bytes: &[u8], at: usize, size: usize) -> usize {
    let number = bytes[at..at + size].iter().fold(0_u64, |n, byte| n << 8 | u64::from(*byte));
    usize::try_from(number).expect("fits")
}

/// RFC 6962, section 2.1, over the hashes of commits.
fn merkle_root(commits: &[Hash]) -> Hash {
    if let [commit] = commits {
        return Hash::of(&[&[0], commit.as_bytes().as_slice()].concat());
    }
    let (left, right) = commits.split_at(commits.len().next_power_of_two() / 2);
    let (left, right) = (merkle_root(left), merkle_root(right));
    Hash::of(&[&[1], left.as_bytes().as_slice(), right.as_bytes()].concat())
}

/// Reads a footer with nothing but `docs/LOG-FORMAT.md` at hand.
#[test]
fn a_footer_is_as_documented() {
    let closed = Closed::with(200, 32 * 1024);
    let path = &closed.segments()[1];
    let segment = fs::read(path).unwrap();
    let (starts, trailer) = (boundaries(&segment), &segment[segment.len() - 156..]);
    let (first, last) = (field(trailer, 12, 8), field(trailer, 36, 8));
    let (commits, records_end) = (last - first + 1, field(trailer, 44, 8));
    assert!(64 < commits, "the segment is meant to have a second position");
    assert_eq!((&trailer[..8], field(trailer, 8, 4)), (b"LEDGREND".as_slice(), 1));
    assert_eq!((number(first), &trailer[20..36]), (first_of(path), &segment[20..36]));
    assert_eq!((starts.len() - 2, starts.last()), (commits, Some(&records_end)));
    let held = &closed.commits[first - 1..last];
    let recorded = held.iter().map(|sealed| sealed.commit().recorded_at.timestamp_millis());
    let (earliest, latest) = (recorded.clone().min().unwrap(), recorded.max().unwrap());
    assert_eq!(trailer[64..80], [earliest.to_be_bytes(), latest.to_be_bytes()].concat());
    let hashes: Vec<_> = held.iter().map(SealedCommit::hash).collect();
    assert_eq!(trailer[80..112], *merkle_root(&hashes).as_bytes());
    assert_eq!(trailer[112..144], *hashes[commits - 1].as_bytes());
    let tables = &segment[records_end..segment.len() - 156];
    for (at, part) in [(144, &segment[..records_end]), (148, tables), (152, &trailer[..152])] {
        assert_eq!(trailer[at..at + 4], crc32c::crc32c(part).to_be_bytes());
    }
    let (streams, names_length) = (field(trailer, 52, 4), field(trailer, 56, 8));
    let (rows, offsets) = (8, 8 + streams * 72);
    let positions = offsets + commits * 8;
    let names = positions + commits.div_ceil(64) * 8;
    assert_eq!((&tables[..8], names + names_length), (b"LEDGRFTR".as_slice(), tables.len()));
    for (index, start) in starts[1..].iter().take(commits).step_by(64).enumerate() {
        assert_eq!(field(tables, positions + index * 8, 8), *start);
    }
    for (index, name) in ["customer-0", "customer-1", "customer-2"].iter().enumerate() {
        let row = &tables[rows + index * 72..][..72];
        let own: Vec<_> =
            (0..commits).filter(|n| held[*n].commit().stream == customer(name)).collect();
        let (from, to) = (own[0], own[own.len() - 1]);
        assert_eq!(row[..32], *hashes[to].as_bytes());
        assert_eq!(number(field(row, 32, 8)), held[from].commit().version);
        assert_eq!(field(row, 40, 4), own.len());
        assert_eq!(
            (field(row, 44, 8), field(row, 52, 4)),
            (1, index),
            "its row in the first segment"
        );
        let from = offsets + field(row, 56, 4) * 8;
        for (place, commit) in own.iter().enumerate() {
            assert_eq!(field(tables, from + place * 8, 8), starts[1 + commit]);
        }
        let name_from = names + field(row, 60, 8);
        let text = &tables[name_from..name_from + field(row, 68, 4)];
        assert_eq!(text, format!("customer/{name}").as_bytes());
    }
}

#[test]
fn a_missing_footer_is_noticed() {
    let closed = Closed::with(60, 4096);
    let path = &closed.segments()[1];
    let segment = fs::read(path).unwrap();
    let records_end = boundaries(&segment).pop().unwrap();
    for length in [records_end, segment.len() - 1] {
        fs::write(path, &segment[..length]).unwrap();
        let err = closed.refused();
        assert!(
            matches!(err, StoreError::Damaged { offset, reason: Damage::Footer, .. }
                if offset == number(records_end)),
            "{err}"
        );
        assert_eq!(closed.verify().problems.len(), 1);
    }
}

#[test]
fn no_bit_of_a_small_log_can_flip_unnoticed() {
    let closed = Closed::with(2, 4096);
    let path = closed.last_segment();
    let segment = fs::read(&path).unwrap();
    for bit in 0..segment.len() * 8 {
        flip(&path, bit);
        let err = closed.open().expect_err("a bit has flipped");
        assert!(names(&err, &path, &segment, bit / 8), "bit {bit}: {err}");
        fs::write(&path, &segment).unwrap();
    }
    closed.holds(2);
}

#[test]
fn a_flipped_bit_of_the_anchor_is_survived() {
    let closed = Closed::with(3, 4096);
    let path = closed.path("anchor");
    let anchor = fs::read(&path).unwrap();
    assert_eq!(anchor[..SLOT_USED_BYTES], anchor[SLOT_BYTES..][..SLOT_USED_BYTES]);
    for slot in [0, SLOT_BYTES] {
        for bit in (slot * 8..(slot + SLOT_USED_BYTES) * 8).step_by(7) {
            flip(&path, bit);
            assert_eq!(closed.open().unwrap().durable_position(), 3, "bit {bit}");
            assert_eq!(fs::read(&path).unwrap(), anchor, "opening mends it");
        }
    }
    flip(&path, 100);
    flip(&path, SLOT_BYTES * 8 + 100);
    assert!(matches!(closed.refused(), StoreError::Foreign { file, .. } if file == path));
}

/// A log of `count` commits, and the bytes of its one segment with one append more.
fn with_unacknowledged(count: usize) -> (Closed, PathBuf, Vec<u8>, usize) {
    let mut closed = Closed::with(count, 1 << 20);
    let path = closed.last_segment();
    let acknowledged = fs::read(&path).unwrap_or_default().len();
    let anchor = fs::read(closed.path("anchor")).unwrap_or_default();
    closed.grow(1);
    fs::write(closed.path("anchor"), anchor).expect("it can be written");
    let whole = fs::read(&path).expect("it can be read");
    (closed, path, whole, acknowledged)
}

#[test]
fn an_append_torn_at_any_byte_is_cut_off() {
    let (closed, path, whole, acknowledged) = with_unacknowledged(3);
    for length in acknowledged..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let report = closed.verify();
        assert_eq!(report.torn_tail_bytes, number(length - acknowledged));
        assert!(report.problems.is_empty(), "{:?}", report.problems);
        closed.holds(3);
        assert_eq!(fs::read(&path).unwrap(), whole[..acknowledged]);
    }
}

#[test]
fn a_whole_append_behind_the_anchor_is_kept() {
    let (closed, path, whole, _) = with_unacknowledged(3);
    closed.holds(4);
    assert_eq!(fs::read(path).unwrap(), whole);
    assert_eq!(closed.verify().anchored_position, Some(4));
}

#[test]
fn garbage_behind_the_anchor_is_cut_off() {
    let (closed, path, whole, acknowledged) = with_unacknowledged(3);
    let mut random = Xorshift(0xBAD_7A11);
    for length in 1..=whole.len() - acknowledged {
        for garbage in [random.bytes(length), vec![0; length]] {
            fs::write(&path, [&whole[..acknowledged], &garbage].concat()).unwrap();
            closed.holds(3);
            assert_eq!(fs::read(&path).unwrap(), whole[..acknowledged]);
        }
    }
    for at in acknowledged..whole.len() {
        fs::write(&path, &whole).unwrap();
        flip(&path, at * 8 + at % 8);
        closed.holds(3);
    }
}

#[test]
fn a_log_goes_on_after_a_torn_tail() {
    let (mut closed, path, whole, _) = with_unacknowledged(3);
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    closed.commits.pop();
    closed.grow(2);
    closed.holds(5);
    assert!(closed.verify().problems.is_empty());
}

#[test]
fn a_hole_in_a_group_that_was_never_durable_is_a_torn_tail() {
    let closed = Closed::with(1, 1 << 20);
    let path = closed.last_segment();
    let (acknowledged, anchor) =
        (fs::read(&path).unwrap().len(), fs::read(closed.path("anchor")).unwrap());
    let stream = customer("group");
    let mut log = closed.open().unwrap();
    block_on(log.append(stream.clone(), Expected::Any, history(&stream, 3))).unwrap();
    drop(log);
    fs::write(closed.path("anchor"), anchor).unwrap();
    // A power cut may keep the later sectors of one write and lose the earlier ones.
    flip(&path, (acknowledged + PREFIX_BYTES) * 8);
    closed.holds(1);
}

#[test]
fn damage_behind_a_lagging_anchor_is_found_when_a_later_commit_proves_it() {
    let mut closed = Closed::with(1, 1 << 20);
    let path = closed.last_segment();
    let (acknowledged, anchor) =
        (fs::read(&path).unwrap().len(), fs::read(closed.path("anchor")).unwrap());
    closed.grow(2);
    fs::write(closed.path("anchor"), anchor).unwrap();
    for at in [0, 4, 20, PREFIX_BYTES] {
        let segment = fs::read(&path).unwrap();
        flip(&path, (acknowledged + at) * 8);
        let err = closed.refused();
        assert!(names(&err, &path, &segment, acknowledged + at), "{err}");
        fs::write(&path, segment).unwrap();
    }
}

#[test]
fn a_log_cut_below_its_anchor_is_refused() {
    let closed = Closed::with(4, 1 << 20);
    let path = closed.last_segment();
    let segment = fs::read(&path).unwrap();
    let boundaries = boundaries(&segment);
    for length in 0..segment.len() {
        fs::write(&path, &segment[..length]).unwrap();
        let err = closed.refused();
        let at_boundary = boundaries[1..].iter().position(|boundary| *boundary == length);
        let is_shortened = matches!(
            &err,
            StoreError::Shortened { file, found, acknowledged: 4 }
                if *file == path && at_boundary.map(number) == Some(*found)
        );
        let is_incomplete = at_boundary.is_none()
            && names(&err, &path, &segment, length)
            && matches!(err, StoreError::Damaged { reason: Damage::Incomplete, .. });
        assert!(is_shortened || is_incomplete, "{length}: {err}");
    }
}

#[test]
fn a_missing_segment_is_noticed() {
    let closed = Closed::with(60, 4096);
    let segments = closed.segments();
    let firsts: Vec<u64> = segments.iter().map(|path| first_of(path)).collect();
    for missing in 0..segments.len() {
        let bytes = fs::read(&segments[missing]).unwrap();
        fs::remove_file(&segments[missing]).unwrap();
        let err = closed.refused();
        match segments.get(missing + 1) {
            Some(next) => assert!(
                matches!(
                    &err,
                    StoreError::Damaged { file, position, reason: Damage::Gap(first), .. }
                        if file == next && *position == firsts[missing] && *first == firsts[missing + 1]
                ),
                "{err}"
            ),
            None => assert!(
                matches!(err, StoreError::Shortened { found, acknowledged: 60, .. }
                    if found == firsts[missing] - 1),
                "{err}"
            ),
        }
        assert_eq!(closed.verify().problems.len(), 1);
        fs::write(&segments[missing], bytes).unwrap();
    }
    for path in &segments {
        fs::remove_file(path).unwrap();
    }
    assert!(matches!(closed.refused(), StoreError::Shortened { found: 0, acknowledged: 60, .. }));
}

fn first_of(path: &Path) -> u64 {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    stem.and_then(|stem| stem.parse().ok()).expect("a segment is named by its first position")
}

fn foreign(err: &StoreError, path: &Path, says: &str) {
    assert!(
        matches!(err, StoreError::Foreign { file, reason } if file == path && reason.contains(says)),
        "{err}"
    );
}

#[test]
fn a_forged_record_with_a_right_checksum_is_noticed() {
    let closed = Closed::with(3, 1 << 20);
    let path = closed.last_segment();
    let mut segment = fs::read(&path).unwrap();
    let (start, end) = (boundaries(&segment)[2], boundaries(&segment)[3]);
    segment[end - 1] ^= 1;
    let crc = crc32c::crc32c(&segment[start..start + 4]);
    let crc = crc32c::crc32c_append(crc, &segment[start + 8..end]);
    segment[start + 4..start + 8].copy_from_slice(&crc.to_be_bytes());
    fs::write(&path, segment).unwrap();
    let err = closed.refused();
    let is_named = matches!(
        err,
        StoreError::Damaged { offset, position: 2, reason: Damage::Hash, .. }
            if offset == number(start)
    );
    assert!(is_named, "{err}");
    let problem = &closed.verify().problems[0];
    assert_eq!(problem.stream, Some(customer("customer-1")));
    assert_eq!(problem.version, Some(1));
}

#[test]
fn swapped_segments_are_noticed() {
    let closed = Closed::with(60, 4096);
    let segments = closed.segments();
    let (one, other) = (fs::read(&segments[1]).unwrap(), fs::read(&segments[2]).unwrap());
    fs::write(&segments[1], other).unwrap();
    fs::write(&segments[2], one).unwrap();
    let says = format!("starts at {}", first_of(&segments[2]));
    foreign(&closed.refused(), &segments[1], &says);
}

#[test]
fn files_of_another_log_are_noticed() {
    let (closed, other) = (Closed::with(60, 4096), Closed::with(60, 4096));
    let (segments, others) = (closed.segments(), other.segments());
    let anchor = fs::read(closed.path("anchor")).unwrap();
    fs::copy(other.path("anchor"), closed.path("anchor")).unwrap();
    foreign(&closed.refused(), &segments[0], "another log");
    fs::write(closed.path("anchor"), anchor).unwrap();
    fs::copy(&others[2], &segments[2]).unwrap();
    foreign(&closed.refused(), &segments[2], "another log");
}

#[test]
fn a_rewritten_end_is_noticed() {
    let mut closed = Closed::with(3, 1 << 20);
    let before = contents(closed.dir.path());
    closed.grow(1);
    let anchor = fs::read(closed.path("anchor")).unwrap();
    for (path, bytes) in before {
        fs::write(path, bytes).unwrap();
    }
    let log = closed.open().unwrap();
    let rewritten = next_commit(&customer("customer-0"), Some(&closed.commits[0]), "rewritten");
    block_on(log.append_commit(rewritten)).unwrap();
    drop(log);
    fs::write(closed.path("anchor"), anchor).unwrap();
    let err = closed.refused();
    assert!(
        matches!(err, StoreError::Damaged { position: 4, reason: Damage::Replaced, .. }),
        "{err}"
    );
}

#[test]
fn a_folder_in_use_is_refused() {
    let closed = Closed::with(1, 4096);
    let dir = closed.dir.path();
    let is_locked = |err: &StoreError| matches!(err, StoreError::Locked(folder) if folder == dir);
    let log = closed.open().unwrap();
    assert!(is_locked(&closed.open().unwrap_err()));
    assert!(is_locked(&SegmentLog::open_read_only(dir).unwrap_err()));
    assert!(is_locked(&verify(dir, &mut |_, _| {}).unwrap_err()));
    log.close().unwrap();
    let reader = SegmentLog::open_read_only(dir).unwrap();
    assert!(is_locked(&closed.open().unwrap_err()));
    drop(reader);
    closed.holds(1);
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let closed = Closed::with(1, 4096);
    for (path, sealed) in [(closed.last_segment(), 60), (closed.path("anchor"), 68)] {
        let bytes = fs::read(&path).unwrap();
        let mut newer = bytes.clone();
        newer[11] = 2;
        let crc = crc32c::crc32c(&newer[..sealed]).to_be_bytes();
        newer[sealed..sealed + 4].copy_from_slice(&crc);
        fs::write(&path, newer).unwrap();
        foreign(&closed.refused(), &path, "format 2");
        fs::write(&path, bytes).unwrap();
    }
}

#[test]
fn a_file_that_does_not_belong_is_named() {
    let closed = Closed::with(1, 4096);
    for name in ["notes.txt", "1.seg", "00000000000000000000.seg", "copy of 1.seg"] {
        let path = closed.path(name);
        fs::write(&path, "hello").unwrap();
        foreign(&closed.refused(), &path, "does not belong");
        assert_eq!(closed.verify().problems.len(), 1);
        fs::remove_file(path).unwrap();
    }
    let path = closed.path("00000000000000000002.seg");
    fs::write(&path, vec![b'z'; 100]).unwrap();
    foreign(&closed.refused(), &path, "not a segment");
}

#[test]
fn leftovers_of_our_own_do_not_matter() {
    let closed = Closed::with(1, 4096);
    for name in ["segment.tmp", "anchor.tmp"] {
        fs::write(closed.path(name), "half").unwrap();
    }
    closed.holds(1);
}

#[test]
fn an_empty_folder_becomes_a_log_only_for_a_writer() {
    let root = tempfile::tempdir().unwrap();
    foreign(&SegmentLog::open_read_only(root.path()).unwrap_err(), root.path(), "no log");
    foreign(&verify(root.path(), &mut |_, _| {}).unwrap_err(), root.path(), "no log");
    assert!(contents(root.path()).is_empty());
    let dir = root.path().join("new").join("log");
    for _ in 0..2 {
        let log = SegmentLog::open(&dir, SegmentOptions::default()).unwrap();
        assert_eq!(log.durable_position(), 0);
    }
    let log = SegmentLog::open_read_only(&dir).unwrap();
    assert_eq!(log.durable_position(), 0);
}

#[test]
fn a_path_that_is_a_file_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("file");
    fs::write(&path, "hello").unwrap();
    let options = SegmentOptions::default();
    for err in [
        SegmentLog::open(&path, options).unwrap_err(),
        SegmentLog::open_read_only(&path).unwrap_err(),
    ] {
        assert!(matches!(err, StoreError::Io { .. }), "{err}");
    }
    assert_eq!(fs::read(&path).unwrap(), b"hello");
}

#[test]
fn a_lost_anchor_is_refused_and_an_older_one_accepted() {
    let mut closed = Closed::with(3, 4096);
    let path = closed.path("anchor");
    let older = fs::read(&path).unwrap();
    closed.grow(40);
    fs::remove_file(&path).unwrap();
    foreign(&closed.refused(), &path, "restore it from any backup");
    let report = closed.verify();
    assert_eq!((report.commits, report.anchored_position, report.problems.len()), (43, None, 1));
    fs::write(&path, older).unwrap();
    closed.holds(43);
}

#[test]
fn verifying_goes_on_behind_damage() {
    let closed = Closed::with(60, 4096);
    let segments = closed.segments();
    let mut expected = Vec::new();
    for segment in &segments[1..4] {
        let bytes = fs::read(segment).unwrap();
        let start = boundaries(&bytes)[3];
        flip(segment, (start + PREFIX_BYTES + 40) * 8);
        expected.push((segment.clone(), number(start), first_of(segment) + 2));
    }
    let before = contents(closed.dir.path());
    let report = closed.verify();
    let found = report.problems.into_iter().filter_map(|problem| {
        let StoreError::Damaged { file, offset, position, reason } = problem.error else {
            return None;
        };
        (reason == Damage::Checksum).then_some((file, offset, position))
    });
    assert_eq!(found.collect::<Vec<_>>(), expected);
    assert_eq!((report.commits, report.streams, report.last_position), (57, 3, 60));
    assert_eq!(report.segments, number(segments.len()));
    assert!(before == contents(closed.dir.path()), "verifying has changed the folder");
}

#[test]
fn damage_that_happens_later_is_found_when_reading() {
    let closed = Closed::with(5, 1 << 20);
    let path = closed.last_segment();
    let log = closed.open().unwrap();
    let segment = fs::read(&path).unwrap();
    let start = boundaries(&segment)[3];
    flip(&path, (start + PREFIX_BYTES) * 8);
    let read: Vec<_> = block_on(log.read_from(1).collect());
    assert_eq!(read.len(), 3);
    let err = read.into_iter().find_map(Result::err).unwrap();
    assert!(
        matches!(
            err,
            StoreError::Damaged { offset, position: 3, reason: Damage::Checksum, .. }
                if offset == number(start)
        ),
        "{err}"
    );
}

#[test]
fn a_scan_names_what_is_damaged_and_shows_all_before() {
    let closed = Closed::with(60, 4096);
    let log = closed.open().unwrap();
    for path in closed.segments() {
        let segment = fs::read(&path).unwrap();
        let record = boundaries(&segment)[2];
        flip(&path, (record + PREFIX_BYTES + 9) * 8);
        let mut shown = 0;
        let scanned = log.scan(1, |commit| {
            shown = commit.position;
            ControlFlow::Continue(())
        });
        let damaged = first_of(&path) + 1;
        let err = scanned.unwrap_err();
        assert!(
            matches!(
                &err,
                StoreError::Damaged { file, offset, position, reason: Damage::Checksum }
                    if (file, *offset, *position) == (&path, number(record), damaged)
            ),
            "{err}"
        );
        assert_eq!(shown, damaged - 1);
        log.scan(damaged + 1, |_| ControlFlow::Continue(())).expect("it starts behind the damage");
        fs::write(&path, segment).unwrap();
    }
}

#[test]
fn damage_far_ahead_is_reported_after_all_before_it() {
    let closed = Closed::with(1200, 1 << 30);
    let path = closed.last_segment();
    let log = closed.open().unwrap();
    let segment = fs::read(&path).unwrap();
    let record = boundaries(&segment)[1101];
    flip(&path, (record + PREFIX_BYTES) * 8);
    let read: Vec<_> = Runtime::new().unwrap().block_on(log.read_from(1).collect());
    assert_eq!(read.len(), 1101);
    assert!(read[..1100].iter().all(Result::is_ok));
    let err = read[1100].as_ref().unwrap_err();
    assert!(names(err, &path, &segment, record), "{err}");
}
