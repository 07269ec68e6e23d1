//! The SHA-256 of every commit in one file, 32 bytes each in order of position, and the Merkle tree
//! over them. It follows from the log: what is missing or does not fit is made again from there.
//!
//! Subtrees of 256 leaves and more are kept in memory, some 250 bytes per thousand commits; what is
//! below them is computed from the file when a proof needs it, from 16 KiB at most.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read};
use std::mem;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::commit::Hash;
use crate::folder::make_private_folder;
use crate::merkle::{self, Tree};

/// Height of the smallest subtrees that are kept in memory.
const HEIGHT: u32 = 8;

/// Leaves of such a subtree.
const GROUP: u64 = 1 << HEIGHT;

/// Size of a hash.
const BYTES: u64 = 32;

/// Hashes that are gathered in memory before they are written.
const PENDING_MAX: usize = 1 << 16;

/// The hashes of a log's commits, from the first on.
#[derive(Debug)]
pub struct Hashes {
    path: PathBuf,
    /// Hashes in the file; what it holds beyond them is written over.
    stored: u64,
    /// Hashes that follow.
    pending: Vec<Hash>,
    /// The last subtree of 256 leaves, as far as it is there.
    group: Tree,
    /// Roots of the complete subtrees of height 8, 9, ..., from left to right.
    levels: Vec<Vec<Hash>>,
}

impl Hashes {
    /// No hashes; the file at `path` is made or written over later.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        let (pending, group, levels) = (Vec::new(), Tree::default(), Vec::new());
        Self { path, stored: 0, pending, group, levels }
    }

    /// The first `size` hashes of the file at `path`; `None` when it does not hold as many.
    ///
    /// # Errors
    ///
    /// The system's answer.
    pub fn load(path: PathBuf, size: u64) -> io::Result<Option<Self>> {
        let mut file = match File::open(&path) {
            Ok(file) => BufReader::new(file),
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(err) => return Err(err),
        };
        let mut hashes = Self::new(path);
        let mut bytes = [0; 32];
        for _ in 0..size {
            match file.read_exact(&mut bytes) {
                Ok(()) => hashes.grow(Hash::from_bytes(bytes)),
                Err(err) if err.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                Err(err) => return Err(err),
            }
            hashes.stored += 1;
        }
        Ok(Some(hashes))
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Number of hashes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.stored + count(&self.pending)
    }

    /// Adds the hash of the next commit. Now and then writes to the file.
    ///
    /// # Errors
    ///
    /// The system's answer.
    pub fn push(&mut self, commit: Hash) -> io::Result<()> {
        if PENDING_MAX <= self.pending.len() {
            self.write()?;
        }
        self.grow(commit);
        self.pending.push(commit);
        Ok(())
    }

    /// Adds a leaf to the tree.
    fn grow(&mut self, commit: Hash) {
        self.group.push(commit);
        if (self.size() + 1).is_multiple_of(GROUP) {
            let mut added = mem::take(&mut self.group).root();
            for level in 0.. {
                if self.levels.len() == level {
                    self.levels.push(Vec::new());
                }
                let Some(level) = self.levels.get_mut(level) else { return };
                let left = level.last().copied();
                level.push(added);
                match left {
                    Some(left) if level.len().is_multiple_of(2) => {
                        added = merkle::node(left, added);
                    }
                    Some(_) | None => return,
                }
            }
        }
    }

    /// Writes what is not in the file yet, and syncs it.
    ///
    /// # Errors
    ///
    /// The system's answer; called again, it tries again.
    pub fn sync(&mut self) -> io::Result<()> {
        self.write()?.sync_all()?;
        let folder = self.path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        File::open(folder)?.sync_all()
    }

    /// Writes what is not in the file yet, in place of what a crash may have left there.
    fn write(&mut self) -> io::Result<File> {
        let folder = self.path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        make_private_folder(folder)?;
        let open = OpenOptions::new().write(true).create(true).truncate(false).open(&self.path);
        let file = open?;
        file.set_len(self.stored * BYTES)?;
        let bytes: Vec<u8> = self.pending.iter().flat_map(|hash| *hash.as_bytes()).collect();
        file.write_all_at(&bytes, self.stored * BYTES)?;
        self.stored = self.size();
        self.pending.clear();
        Ok(file)
    }

    /// Gives the file another name, in place of the one that had it.
    ///
    /// # Errors
    ///
    /// The system's answer.
    pub fn rename(&mut self, path: PathBuf) -> io::Result<()> {
        fs::rename(&self.path, &path)?;
        self.path = path;
        Ok(())
    }

    /// The hashes from index `first`, counted from 0, to before `end`.
    ///
    /// # Errors
    ///
    /// The system's answer.
    pub fn get(&self, first: u64, end: u64) -> io::Result<Vec<Hash>> {
        let in_file = first.min(self.stored)..end.min(self.stored);
        let mut all = Vec::new();
        if !in_file.is_empty() {
            let mut bytes = vec![0; length((in_file.end - in_file.start) * BYTES)?];
            File::open(&self.path)?.read_exact_at(&mut bytes, in_file.start * BYTES)?;
            let (hashes, _) = bytes.as_chunks();
            all.extend(hashes.iter().copied().map(Hash::from_bytes));
        }
        let skipped = length(first.saturating_sub(self.stored))?;
        let taken = length(end.saturating_sub(self.stored.max(first)))?;
        all.extend(self.pending.iter().skip(skipped).take(taken));
        Ok(all)
    }

    /// The root over all hashes, by what was added, whatever has become of the file since.
    #[must_use]
    pub fn root(&self) -> Hash {
        let size = self.size();
        let group = (!size.is_multiple_of(GROUP)).then(|| self.group.root());
        let whole = self.levels.iter().zip(HEIGHT..).filter(|(_, height)| size >> height & 1 == 1);
        let roots = group.into_iter().chain(whole.filter_map(|(level, _)| level.last().copied()));
        let root = roots.reduce(|right, left| merkle::node(left, right));
        root.unwrap_or_else(|| Tree::default().root())
    }

    /// The root over the first `size` hashes.
    ///
    /// # Errors
    ///
    /// The system's answer.
    pub fn root_of(&self, size: u64) -> io::Result<Hash> {
        merkle::root_of(size, &mut |height, first| self.subtree(height, first))
    }

    /// The path that proves the hash with `index` among the first `size`.
    ///
    /// # Errors
    ///
    /// The system's answer.
    pub fn inclusion_path(&self, index: u64, size: u64) -> io::Result<Vec<Hash>> {
        merkle::inclusion_path(index, size, &mut |height, first| self.subtree(height, first))
    }

    /// The path that proves that the first `size` hashes continue the first `before`.
    ///
    /// # Errors
    ///
    /// The system's answer.
    pub fn consistency_path(&self, before: u64, size: u64) -> io::Result<Vec<Hash>> {
        merkle::consistency_path(before, size, &mut |height, first| self.subtree(height, first))
    }

    fn subtree(&self, height: u32, first: u64) -> io::Result<Hash> {
        if let Some(level) = height.checked_sub(HEIGHT) {
            let level = self.levels.get(length(level.into())?);
            let index = length(first >> height)?;
            let root = level.and_then(|level| level.get(index));
            return root.copied().ok_or_else(|| io::ErrorKind::InvalidInput.into());
        }
        let mut tree = Tree::default();
        self.get(first, first + (1 << height))?.into_iter().for_each(|hash| tree.push(hash));
        Ok(tree.root())
    }
}

fn count<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}

fn length(count: u64) -> io::Result<usize> {
    usize::try_from(count).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn hash(number: u64) -> Hash {
        Hash::of(&number.to_be_bytes())
    }

    fn filled(path: PathBuf, size: u64) -> Hashes {
        let mut hashes = Hashes::new(path);
        (0..size).for_each(|number| hashes.push(hash(number)).unwrap());
        hashes
    }

    fn root(size: u64) -> Hash {
        let mut tree = Tree::default();
        (0..size).for_each(|number| tree.push(hash(number)));
        tree.root()
    }

    #[test]
    fn the_tree_is_the_same_in_memory_on_disk_and_across_both() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("hashes");
        let mut hashes = filled(path.clone(), 700);
        hashes.sync().unwrap();
        (700..1300).for_each(|number| hashes.push(hash(number)).unwrap());
        assert_eq!(hashes.root(), root(1300));
        for size in [0, 1, 2, 255, 256, 257, 511, 512, 699, 700, 701, 1024, 1299, 1300] {
            assert_eq!(hashes.root_of(size).unwrap(), root(size), "{size}");
        }
        for (index, size) in [(0, 1), (0, 1300), (255, 1300), (256, 700), (699, 701), (1299, 1300)]
        {
            let path = hashes.inclusion_path(index, size).unwrap();
            let by_path = merkle::root_by_path(hash(index), index, size, &path);
            assert_eq!(by_path, Some(root(size)), "{index} of {size}");
        }
        let steps = hashes.consistency_path(700, 1300).unwrap();
        assert!(merkle::is_consistent((700, root(700)), (1300, root(1300)), &steps));
        hashes.sync().unwrap();
        let read = Hashes::load(path, 1300).unwrap().unwrap();
        assert_eq!((read.size(), read.root_of(1300).unwrap()), (1300, root(1300)));
        assert_eq!(read.get(698, 702).unwrap(), [698, 699, 700, 701].map(hash));
    }

    #[test]
    fn what_was_added_decides_the_root_and_not_what_became_of_the_file() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("hashes");
        for size in [0, 1, 3, 255, 256, 257, 511, 512, 769, 1024, 1027] {
            let mut hashes = filled(path.clone(), size);
            hashes.sync().unwrap();
            fs::write(&path, "").unwrap();
            assert_eq!(hashes.root(), root(size), "{size}");
        }
    }

    #[test]
    fn what_a_crash_left_behind_the_known_end_is_written_over() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("hashes");
        filled(path.clone(), 10).sync().unwrap();
        let torn = OpenOptions::new().write(true).open(&path).unwrap();
        torn.write_all_at(&[0; 77], 320).unwrap();
        let mut hashes = Hashes::load(path.clone(), 10).unwrap().unwrap();
        hashes.push(hash(10)).unwrap();
        hashes.sync().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), 11 * BYTES);
        assert_eq!(Hashes::load(path, 11).unwrap().unwrap().root_of(11).unwrap(), root(11));
    }

    #[test]
    fn a_file_that_is_too_short_is_not_loaded() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("hashes");
        assert!(Hashes::load(path.clone(), 0).unwrap().is_none());
        filled(path.clone(), 3).sync().unwrap();
        assert!(Hashes::load(path.clone(), 4).unwrap().is_none());
        assert!(Hashes::load(path, 3).unwrap().is_some());
    }

    #[test]
    fn many_hashes_are_not_gathered_in_memory() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("hashes");
        let size = u64::try_from(PENDING_MAX).unwrap() + 1;
        let hashes = filled(path.clone(), size);
        assert_eq!(fs::metadata(&path).unwrap().len(), (size - 1) * BYTES);
        assert_eq!(hashes.get(size - 2, size).unwrap(), [size - 2, size - 1].map(hash));
    }
}
