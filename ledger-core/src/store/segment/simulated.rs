//! A disk in memory that forgets, tears, fails and lies as told: the same for the same seed.
//!
//! What was written is seen by readers at once and survives the end of a process, but a power cut
//! keeps of what was not synced only what chance keeps: any subset of the writes, each torn at
//! sectors of 512 bytes, and any subset of the created and changed names. A failed sync loses at once
//! what it was to make durable, although readers go on seeing it, as on Linux.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::TryLockError;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::disk::{Access, Disk, DiskFile, Lock, LockFile, NamedFile};
use super::driver::Drive;
use super::format::{count, length};
use super::walk::Checks;
use super::{SegmentLog, SegmentOptions, VerifyReport};
use crate::store::StoreError;

/// What a disk writes whole or not at all, in bytes.
const SECTOR_BYTES: usize = 512;

/// Numbers that look random, the same for the same seed (`splitmix64`).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Starts from `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which must not be zero.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.number() % limit
    }

    /// Heads or tails.
    pub fn flip(&mut self) -> bool {
        self.below(2) == 0
    }
}

/// What fails from now on. `Faults::default()` is a disk that works.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// How files are called whose writes, syncs and cuts fail: the end of their names.
    pub names: &'static str,
    /// How many bytes are still written before every write answers this error.
    pub write: Option<(usize, io::ErrorKind)>,
    /// Answer of every read.
    pub read: Option<io::ErrorKind>,
    /// Answer when a file is to be created, whatever its name.
    pub create: Option<io::ErrorKind>,
    /// Answer when a file is to be cut.
    pub truncate: Option<io::ErrorKind>,
    /// Number of the first sync that fails.
    pub syncs_fail_from: Option<u64>,
    /// Whether syncs wait until this is false again.
    pub is_sync_held: bool,
    /// Whether writes write only a part of what they could.
    pub is_short_of_writes: bool,
    /// Bytes that all files together may have.
    pub capacity_bytes: Option<u64>,
}

/// A call that does nothing and says that it has worked: a bug, planted to see it found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lie {
    /// Syncing a file whose name ends like this.
    Sync(&'static str),
    /// Syncing a folder.
    SyncFolder,
    /// Cutting a file.
    Truncate,
}

/// How a machine or a process stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The process ends; the system keeps all that it was given.
    Kill,
    /// The machine ends; what was not synced is kept, torn or lost by chance.
    PowerCut,
}

/// A disk in memory. Clones share it.
#[derive(Clone, Debug)]
pub struct SimulatedDisk {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    random: Random,
    /// Counts the starts of the machine. Files opened before the last one are gone.
    start: u64,
    files: BTreeMap<u64, Contents>,
    names: Names,
    durable_names: Names,
    unsynced_names: Vec<NameChange>,
    locked: BTreeSet<PathBuf>,
    changes: u64,
    power_cut_at: Option<u64>,
    faults: Faults,
    lies: BTreeSet<Lie>,
    syncs_begun: u64,
}

type Names = BTreeMap<PathBuf, Node>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Folder,
    File(u64),
}

#[derive(Clone, Debug)]
struct NameChange {
    removed: Option<PathBuf>,
    added: PathBuf,
    node: Node,
}

#[derive(Debug, Default)]
struct Contents {
    /// What readers see.
    current: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate { length: usize },
}

/// How much of what was not synced survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Luck {
    None,
    Some,
    All,
}

impl SimulatedDisk {
    /// An empty disk; `seed` decides what it loses.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let state = State {
            random: Random::new(seed),
            start: 0,
            files: BTreeMap::new(),
            names: Names::from([(PathBuf::from("/"), Node::Folder)]),
            durable_names: Names::from([(PathBuf::from("/"), Node::Folder)]),
            unsynced_names: Vec::new(),
            locked: BTreeSet::new(),
            changes: 0,
            power_cut_at: None,
            faults: Faults::default(),
            lies: BTreeSet::new(),
            syncs_begun: 0,
        };
        let shared = Shared { state: Mutex::new(state), changed: Condvar::new() };
        Self { shared: Arc::new(shared) }
    }

    /// Opens the log in `dir` of this disk, as [`SegmentLog::open`] does.
    ///
    /// # Errors
    ///
    /// As [`SegmentLog::open`].
    pub fn open_log(&self, dir: &Path, options: SegmentOptions) -> Result<SegmentLog, StoreError> {
        self.open_driven(dir, options, Drive::Thread)
    }

    /// Opens the log in `dir` of this disk without a thread: only [`SegmentLog::step`] writes.
    ///
    /// # Errors
    ///
    /// As [`SegmentLog::open`].
    pub fn open_stepped_log(
        &self,
        dir: &Path,
        options: SegmentOptions,
    ) -> Result<SegmentLog, StoreError> {
        self.open_driven(dir, options, Drive::Steps)
    }

    fn open_driven(
        &self,
        dir: &Path,
        options: SegmentOptions,
        drive: Drive,
    ) -> Result<SegmentLog, StoreError> {
        let disk = Arc::new(self.clone());
        SegmentLog::open_on(disk, dir, options.segment_bytes, Checks::All, drive)
    }

    /// Opens the log in `dir` of this disk, as [`SegmentLog::open_read_only`] does.
    ///
    /// # Errors
    ///
    /// As [`SegmentLog::open_read_only`].
    pub fn open_log_read_only(&self, dir: &Path) -> Result<SegmentLog, StoreError> {
        SegmentLog::open_read_only_on(Arc::new(self.clone()), dir)
    }

    /// Checks the log in `dir` of this disk, as [`verify`](super::verify) does.
    ///
    /// # Errors
    ///
    /// As [`verify`](super::verify).
    pub fn verify_log(&self, dir: &Path) -> Result<VerifyReport, StoreError> {
        super::verify_on(self, dir, &mut |_, _| {})
    }

    /// Sets what fails from now on.
    pub fn fail(&self, faults: Faults) {
        self.state().faults = faults;
        self.shared.changed.notify_all();
    }

    /// Makes calls lie from now on.
    pub fn plant(&self, lie: Lie) {
        self.state().lies.insert(lie);
    }

    /// Calls so far that were to change or sync something.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.state().changes
    }

    /// Syncs of files that have begun so far.
    #[must_use]
    pub fn syncs_begun(&self) -> u64 {
        self.state().syncs_begun
    }

    /// Waits until as many syncs of files have begun.
    pub fn wait_for_sync(&self, number: u64) {
        let is_early = |state: &mut State| state.syncs_begun < number;
        drop(self.shared.changed.wait_while(self.state(), is_early));
    }

    /// Cuts the power during the change with this number. Everything fails until [`Self::restart`].
    pub fn cut_power_at(&self, change: u64) {
        self.state().power_cut_at = Some(change);
    }

    /// Whether the power is cut.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.state().is_off()
    }

    /// Ends everything that uses the disk, and starts again with what is left. Nothing fails any more.
    pub fn restart(&self, ending: Ending) {
        let mut state = self.state();
        state.start += 1;
        state.locked.clear();
        state.power_cut_at = None;
        state.faults = Faults::default();
        if ending == Ending::PowerCut {
            state.forget();
        }
    }

    /// What readers see of a file; `None` if there is no such file.
    #[must_use]
    pub fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        let Node::File(file) = state.names.get(path)? else { return None };
        state.files.get(file).map(|contents| contents.current.clone())
    }

    /// The files in a folder, in order of their names.
    #[must_use]
    pub fn files(&self, folder: &Path) -> Vec<PathBuf> {
        let state = self.state();
        let names = state.names.keys().filter(|path| path.parent() == Some(folder));
        names.cloned().collect()
    }

    /// Flips one bit of a file, durably. Nothing happens if the file is not that long.
    pub fn flip_bit(&self, path: &Path, bit: usize) {
        let mut state = self.state();
        let Some(Node::File(file)) = state.names.get(path).copied() else { return };
        let Some(contents) = state.files.get_mut(&file) else { return };
        for bytes in [&mut contents.current, &mut contents.durable] {
            if let Some(byte) = bytes.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, path: &Path, number: u64, start: u64) -> NamedFile {
        let file = OpenFile { disk: self.clone(), number, start };
        NamedFile::new(path, file)
    }
}

impl State {
    fn is_off(&self) -> bool {
        self.power_cut_at.is_some_and(|at| at <= self.changes)
    }

    fn power(&self) -> io::Result<()> {
        if self.is_off() { Err(io::Error::other("there is no power")) } else { Ok(()) }
    }

    /// Counts a change. The one during which the power is cut is begun, but not finished.
    fn begin(&mut self) -> io::Result<()> {
        self.power()?;
        self.changes += 1;
        Ok(())
    }

    fn change_name(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.unsynced_names.push(change);
    }

    /// Loses what was not synced, or a part of it.
    fn forget(&mut self) {
        let luck = self.luck();
        for change in std::mem::take(&mut self.unsynced_names) {
            if self.random.survives(luck) {
                change.apply(&mut self.durable_names);
            }
        }
        let kept = self.durable_names.clone();
        self.durable_names.retain(|path, _| {
            path.ancestors().skip(1).all(|folder| kept.get(folder) == Some(&Node::Folder))
        });
        self.names = self.durable_names.clone();
        let luck = self.luck();
        for contents in self.files.values_mut() {
            contents.forget(&mut self.random, luck);
            contents.current.clone_from(&contents.durable);
        }
    }

    fn luck(&mut self) -> Luck {
        match self.random.below(4) {
            0 => Luck::None,
            1 => Luck::All,
            _ => Luck::Some,
        }
    }

    fn free_bytes(&self) -> u64 {
        let used: usize = self.files.values().map(|contents| contents.current.len()).sum();
        let capacity = self.faults.capacity_bytes.unwrap_or(u64::MAX);
        capacity.saturating_sub(count(used))
    }

    /// Whether the name that the file has now ends like this.
    fn is_called(&self, number: u64, end: &str) -> bool {
        let mut names = self.names.iter().filter(|(_, node)| **node == Node::File(number));
        names.any(|(path, _)| path.to_str().is_some_and(|path| path.ends_with(end)))
    }

    fn is_faulty(&self, number: u64) -> bool {
        self.is_called(number, self.faults.names)
    }
}

impl Random {
    fn survives(&mut self, luck: Luck) -> bool {
        match luck {
            Luck::None => false,
            Luck::All => true,
            Luck::Some => self.flip(),
        }
    }
}

impl NameChange {
    fn apply(&self, names: &mut Names) {
        if let Some(removed) = &self.removed {
            names.remove(removed);
        }
        names.insert(self.added.clone(), self.node);
    }
}

impl Contents {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.current);
        self.unsynced.push(change);
    }

    fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    /// Ends all hope for what was not synced: chance decides now what of it is on the disk.
    fn forget(&mut self, random: &mut Random, luck: Luck) {
        for change in self.unsynced.drain(..) {
            match luck {
                Luck::None => {}
                Luck::All => change.apply(&mut self.durable),
                Luck::Some => change.apply_in_part(&mut self.durable, random),
            }
        }
    }
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => put(to, *offset, bytes),
            Self::Truncate { length } => to.resize(*length, 0),
        }
    }

    fn apply_in_part(&self, to: &mut Vec<u8>, random: &mut Random) {
        match (self, random.below(4)) {
            (_, 0) => {}
            (_, 1) => self.apply(to),
            (Self::Truncate { .. }, _) => {
                if random.flip() {
                    self.apply(to);
                }
            }
            (Self::Write { offset, bytes }, _) => {
                // The new length may be on the disk although the bytes are not.
                if random.flip() && to.len() < offset + bytes.len() {
                    to.resize(offset + bytes.len(), 0);
                }
                for (at, sector) in sectors(*offset, bytes) {
                    if random.flip() {
                        put(to, at, sector);
                    }
                }
            }
        }
    }
}

/// The parts of `bytes` that lie in different sectors of the file, and where.
fn sectors(offset: usize, bytes: &[u8]) -> Vec<(usize, &[u8])> {
    let mut parts = Vec::new();
    let (mut at, mut rest) = (offset, bytes);
    while !rest.is_empty() {
        let (part, after) = rest.split_at(rest.len().min(SECTOR_BYTES - at % SECTOR_BYTES));
        parts.push((at, part));
        at += part.len();
        rest = after;
    }
    parts
}

fn put(to: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if to.len() < end {
        to.resize(end, 0);
    }
    if let Some(place) = to.get_mut(offset..end) {
        place.copy_from_slice(bytes);
    }
}

fn outcome(error: Option<io::ErrorKind>) -> io::Result<()> {
    error.map_or(Ok(()), |kind| Err(kind.into()))
}

struct OpenFile {
    disk: SimulatedDisk,
    number: u64,
    start: u64,
}

impl fmt::Debug for OpenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenFile").field("number", &self.number).finish_non_exhaustive()
    }
}

impl OpenFile {
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.state();
        state.power()?;
        if state.start != self.start {
            return Err(io::Error::other("the file was opened before the machine started"));
        }
        Ok(state)
    }
}

impl State {
    fn contents(&mut self, number: u64) -> io::Result<&mut Contents> {
        self.files.get_mut(&number).ok_or(io::ErrorKind::NotFound.into())
    }

    /// How much of a write of `wanted` bytes up to `end` is done.
    fn written(&mut self, number: u64, wanted: usize, end: usize) -> io::Result<usize> {
        let mut written = wanted;
        if self.is_faulty(number) {
            if let Some((through, kind)) = &mut self.faults.write {
                if *through == 0 {
                    return Err((*kind).into());
                }
                written = written.min(*through);
                *through -= written;
            }
            if self.faults.is_short_of_writes && 1 < written {
                written = 1 + length(self.random.below(count(written)))?;
            }
        }
        let growth = end.saturating_sub(self.contents(number)?.current.len());
        let missing = count(growth).saturating_sub(self.free_bytes());
        match written.checked_sub(length(missing)?) {
            None | Some(0) if 0 < missing => Err(io::ErrorKind::StorageFull.into()),
            Some(written) => Ok(written),
            None => Ok(0),
        }
    }
}

impl DiskFile for OpenFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.state()?;
        if state.is_faulty(self.number) {
            outcome(state.faults.read)?;
        }
        let contents = state.contents(self.number)?;
        let rest = contents.current.get(length(offset)?..).unwrap_or_default();
        let read = rest.len().min(bytes.len());
        if let (Some(to), Some(from)) = (bytes.get_mut(..read), rest.get(..read)) {
            to.copy_from_slice(from);
        }
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut state = self.state()?;
        state.begin()?;
        let offset = length(offset)?;
        let end = offset + bytes.len();
        let written = state.written(self.number, bytes.len(), end)?;
        let bytes = bytes.get(..written).unwrap_or_default().to_vec();
        state.contents(self.number)?.change(Change::Write { offset, bytes });
        state.power().map(|()| written)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state()?;
        let is_faulty = state.is_faulty(self.number);
        if is_faulty {
            state.syncs_begun += 1;
            let number = state.syncs_begun;
            self.disk.shared.changed.notify_all();
            let waited =
                self.disk.shared.changed.wait_while(state, |state| state.faults.is_sync_held);
            state = waited.unwrap_or_else(PoisonError::into_inner);
            if state.faults.syncs_fail_from.is_some_and(|from| from <= number) {
                let luck = state.luck();
                let mut random = state.random.clone();
                state.contents(self.number)?.forget(&mut random, luck);
                state.random = random;
                return Err(io::Error::other("the sync fails"));
            }
        }
        state.begin()?;
        state.power()?;
        let number = self.number;
        let is_lie = |lie: &Lie| matches!(lie, Lie::Sync(end) if state.is_called(number, end));
        if !state.lies.iter().any(is_lie) {
            state.contents(self.number)?.sync();
        }
        Ok(())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let mut state = self.state()?;
        state.begin()?;
        if state.is_faulty(self.number) {
            outcome(state.faults.truncate)?;
        }
        if !state.lies.contains(&Lie::Truncate) {
            let length = super::format::length(length)?;
            state.contents(self.number)?.change(Change::Truncate { length });
        }
        state.power()
    }

    fn size(&self) -> io::Result<u64> {
        Ok(count(self.state()?.contents(self.number)?.current.len()))
    }
}

/// A lock of a simulated disk.
#[derive(Debug)]
struct Held {
    disk: SimulatedDisk,
    path: PathBuf,
    start: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.start == self.start {
            state.locked.remove(&self.path);
        }
    }
}

impl Disk for SimulatedDisk {
    fn create(&self, path: &Path) -> io::Result<NamedFile> {
        let mut state = self.state();
        state.begin()?;
        outcome(state.faults.create)?;
        let number = match state.names.get(path) {
            Some(Node::Folder) => return Err(io::ErrorKind::IsADirectory.into()),
            Some(Node::File(number)) => {
                let number = *number;
                state.contents(number)?.change(Change::Truncate { length: 0 });
                number
            }
            None => {
                let number = count(state.files.len());
                state.files.insert(number, Contents::default());
                let added = path.to_owned();
                state.change_name(NameChange { removed: None, added, node: Node::File(number) });
                number
            }
        };
        state.power()?;
        Ok(self.file(path, number, state.start))
    }

    fn open(&self, path: &Path, _: Access) -> io::Result<NamedFile> {
        let state = self.state();
        state.power()?;
        match state.names.get(path) {
            Some(Node::File(number)) => Ok(self.file(path, *number, state.start)),
            Some(Node::Folder) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn rename(&self, file: &mut NamedFile, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin()?;
        let node = *state.names.get(&file.path).ok_or(io::ErrorKind::NotFound)?;
        let removed = Some(file.path.clone());
        state.change_name(NameChange { removed, added: to.to_owned(), node });
        to.clone_into(&mut file.path);
        state.power()
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        self.state().power()?;
        if !self.is_folder(folder) {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(self.files(folder))
    }

    fn is_folder(&self, path: &Path) -> bool {
        self.state().names.get(path) == Some(&Node::Folder)
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin()?;
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let added = path.to_owned();
        state.change_name(NameChange { removed: None, added, node: Node::Folder });
        state.power()
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin()?;
        state.power()?;
        if state.lies.contains(&Lie::SyncFolder) {
            return Ok(());
        }
        let changes = std::mem::take(&mut state.unsynced_names);
        for change in changes {
            if change.added.parent() == Some(folder) {
                change.apply(&mut state.durable_names);
            } else {
                state.unsynced_names.push(change);
            }
        }
        Ok(())
    }

    fn lock(&self, path: &Path, file: LockFile) -> Result<Lock, TryLockError> {
        if self.open(path, Access::Read).is_err() {
            match file {
                LockFile::Create => drop(self.create(path).map_err(TryLockError::Error)?),
                LockFile::Existing => {
                    return Err(TryLockError::Error(io::ErrorKind::NotFound.into()));
                }
            }
        }
        let mut state = self.state();
        if !state.locked.insert(path.to_owned()) {
            return Err(TryLockError::WouldBlock);
        }
        Ok(Box::new(Held { disk: self.clone(), path: path.to_owned(), start: state.start }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/file";

    /// What is left of a file that was synced with three sectors of ones, then overwritten with twos.
    fn left(seed: u64) -> Vec<u8> {
        let disk = SimulatedDisk::new(seed);
        let file = disk.create(Path::new(PATH)).unwrap();
        file.write_all_at(&[1; 3 * SECTOR_BYTES], 0).unwrap();
        file.sync_data().unwrap();
        disk.sync_folder(Path::new("/")).unwrap();
        file.write_all_at(&[2; 3 * SECTOR_BYTES], 0).unwrap();
        disk.restart(Ending::PowerCut);
        assert!(file.size().is_err(), "the file was opened before");
        disk.contents(Path::new(PATH)).unwrap()
    }

    #[test]
    fn a_power_cut_tears_only_what_was_not_synced_and_only_at_sectors() {
        let outcomes: BTreeSet<_> = (0..200).map(left).collect();
        assert_eq!(outcomes.len(), 8, "each sector is old or new");
        for sector in outcomes.iter().flat_map(|bytes| bytes.chunks(SECTOR_BYTES)) {
            assert!(sector.iter().all(|byte| *byte == sector[0]));
        }
        assert!((0..20).all(|seed| left(seed) == left(seed)), "the same seed, the same loss");
    }

    #[test]
    fn a_name_that_was_not_synced_can_be_lost_and_a_synced_one_cannot() {
        let is_left = |seed, is_synced: bool| {
            let disk = SimulatedDisk::new(seed);
            let file = disk.create(Path::new(PATH)).unwrap();
            file.sync_data().unwrap();
            if is_synced {
                disk.sync_folder(Path::new("/")).unwrap();
            }
            disk.restart(Ending::PowerCut);
            disk.contents(Path::new(PATH)).is_some()
        };
        let kept = (0..100).filter(|seed| is_left(*seed, false)).count();
        assert!(0 < kept && kept < 100);
        assert!((0..100).all(|seed| is_left(seed, true)));
    }

    #[test]
    fn a_failed_sync_loses_what_a_later_one_does_not_bring_back() {
        let is_lost = |seed| {
            let disk = SimulatedDisk::new(seed);
            let file = disk.create(Path::new(PATH)).unwrap();
            disk.sync_folder(Path::new("/")).unwrap();
            file.write_all_at(b"text", 0).unwrap();
            disk.fail(Faults { syncs_fail_from: Some(1), ..Faults::default() });
            file.sync_data().unwrap_err();
            disk.fail(Faults::default());
            file.sync_data().unwrap();
            assert_eq!(disk.contents(Path::new(PATH)).unwrap(), b"text", "readers still see it");
            disk.restart(Ending::PowerCut);
            disk.contents(Path::new(PATH)).unwrap() != b"text"
        };
        assert!((0..100).any(is_lost));
    }

    #[test]
    fn a_full_disk_writes_what_fits() {
        let disk = SimulatedDisk::new(0);
        let file = disk.create(Path::new(PATH)).unwrap();
        disk.fail(Faults { capacity_bytes: Some(3), ..Faults::default() });
        let full = file.write_all_at(b"text", 0).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        assert_eq!(disk.contents(Path::new(PATH)).unwrap(), b"tex");
    }

    #[test]
    fn a_lock_ends_with_its_holder_or_with_the_machine() {
        let disk = SimulatedDisk::new(0);
        let lock = || disk.lock(Path::new(PATH), LockFile::Create);
        let held = lock().unwrap();
        assert!(matches!(lock(), Err(TryLockError::WouldBlock)));
        disk.restart(Ending::Kill);
        let other = lock().unwrap();
        drop(held);
        assert!(matches!(lock(), Err(TryLockError::WouldBlock)), "an old lock ends nothing new");
        drop(other);
        lock().unwrap();
    }
}
