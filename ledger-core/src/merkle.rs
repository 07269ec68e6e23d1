//! Merkle trees over commits, hashed as in RFC 6962, section 2.1, and what can be proved with them.
//!
//! A leaf's data is the SHA-256 of the commit, so a tree costs the same for commits of any size and
//! needs none of their bytes: `leaf = SHA-256(0 | commit hash)`, `node = SHA-256(1 | left | right)`.
//!
//! Proofs are made from complete subtrees, which the caller has: the one of height `h` that starts at
//! leaf `first` covers the leaves `first` to `first + 2^h - 1`, and `first` is a multiple of `2^h`.

use crate::commit::Hash;

/// A tree that grows leaf by leaf and remembers only its complete subtrees.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// Height and root of each complete subtree, from left to right, ever lower.
    subtrees: Vec<(u32, Hash)>,
}

impl Tree {
    /// Adds a commit.
    pub fn push(&mut self, commit: Hash) {
        let mut added = (0, leaf(commit));
        while let Some((height, left)) = self.subtrees.pop_if(|(height, _)| *height == added.0) {
            added = (height + 1, node(left, added.1));
        }
        self.subtrees.push(added);
    }

    /// The root over all commits added so far.
    #[must_use]
    pub fn root(&self) -> Hash {
        let roots = self.subtrees.iter().rev().map(|(_, root)| *root);
        roots.reduce(|right, left| node(left, right)).unwrap_or_else(empty)
    }
}

/// The leaf of a commit.
#[must_use]
pub fn leaf(commit: Hash) -> Hash {
    let mut bytes = [0; 33];
    bytes[1..].copy_from_slice(commit.as_bytes());
    Hash::of(&bytes)
}

/// The node above two others.
#[must_use]
pub fn node(left: Hash, right: Hash) -> Hash {
    let mut bytes = [1; 65];
    bytes[1..33].copy_from_slice(left.as_bytes());
    bytes[33..].copy_from_slice(right.as_bytes());
    Hash::of(&bytes)
}

fn empty() -> Hash {
    Hash::of(&[])
}

/// The root of a tree of `size` leaves; `subtree` gives the root of the subtree of a height that starts
/// at a leaf.
///
/// # Errors
///
/// Whatever `subtree` answers.
pub fn root_of<E>(
    size: u64,
    subtree: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Hash, E> {
    if size == 0 { Ok(empty()) } else { range(0, size, subtree) }
}

/// The path that proves the leaf `index`, counted from 0, in a tree of `size` leaves: RFC 6962,
/// section 2.1.1.
///
/// # Errors
///
/// Whatever `subtree` answers.
pub fn inclusion_path<E>(
    index: u64,
    size: u64,
    subtree: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    let mut path = Vec::new();
    let (mut first, mut end) = (0, size);
    while first + 1 < end {
        let middle = first + split(end - first);
        if index < middle {
            path.push(range(middle, end, subtree)?);
            end = middle;
        } else {
            path.push(range(first, middle, subtree)?);
            first = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The path that proves that a tree of `size` leaves continues the one of its first `before` leaves,
/// at least one: RFC 6962, section 2.1.2.
///
/// # Errors
///
/// Whatever `subtree` answers.
pub fn consistency_path<E>(
    before: u64,
    size: u64,
    subtree: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    let mut path = Vec::new();
    let (mut first, mut end, mut is_known) = (0, size, true);
    while before < end {
        let middle = first + split(end - first);
        if before <= middle {
            path.push(range(middle, end, subtree)?);
            end = middle;
        } else {
            path.push(range(first, middle, subtree)?);
            (first, is_known) = (middle, false);
        }
    }
    if !is_known {
        path.push(range(first, end, subtree)?);
    }
    path.reverse();
    Ok(path)
}

/// The root that `path` leads to from the commit with `index`, counted from 0, in a tree of `size`
/// leaves; `None` when the path is not as long as it must be.
#[must_use]
pub fn root_by_path(commit: Hash, index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    if size <= index {
        return None;
    }
    let (mut at, mut last, mut root) = (index, size - 1, leaf(commit));
    for sibling in path {
        if last == 0 {
            return None;
        }
        if at % 2 == 1 || at == last {
            root = node(*sibling, root);
            while at % 2 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            root = node(root, *sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    (last == 0).then_some(root)
}

/// Whether `path` proves that the tree of `size` leaves continues the one of `before` leaves.
#[must_use]
pub fn is_consistent(
    (before, root_before): (u64, Hash),
    (size, root): (u64, Hash),
    path: &[Hash],
) -> bool {
    if before == 0 || size < before {
        return false;
    }
    if before == size {
        return path.is_empty() && root_before == root;
    }
    let levels = (before - 1).trailing_ones();
    let (mut at, mut last) = ((before - 1) >> levels, (size - 1) >> levels);
    let mut path = path.iter();
    let start = if before.is_power_of_two() { Some(&root_before) } else { path.next() };
    let Some(start) = start else { return false };
    let (mut old, mut new) = (*start, *start);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if at % 2 == 1 || at == last {
            (old, new) = (node(*sibling, old), node(*sibling, new));
            while at % 2 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            new = node(new, *sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && old == root_before && new == root
}

/// The root over the leaves from `first` to before `end`, a range that a tree splits into.
fn range<E>(
    first: u64,
    end: u64,
    subtree: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Hash, E> {
    let length = end - first;
    if length.is_power_of_two() {
        return subtree(length.trailing_zeros(), first);
    }
    let middle = first + split(length);
    Ok(node(range(first, middle, subtree)?, range(middle, end, subtree)?))
}

/// The largest power of two below `length`, which is at least 2.
fn split(length: u64) -> u64 {
    length.next_power_of_two() / 2
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    /// `MTH` of RFC 6962, word for word.
    fn mth(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Hash::of(&[]),
            [leaf] => Hash::of(&[&[0], leaf.as_bytes().as_slice()].concat()),
            _ => {
                let (left, right) = leaves.split_at(k(leaves.len()));
                let (left, right) = (mth(left), mth(right));
                Hash::of(&[&[1], left.as_bytes().as_slice(), right.as_bytes()].concat())
            }
        }
    }

    /// The largest power of two smaller than `n`.
    fn k(n: usize) -> usize {
        (0..usize::BITS).map(|power| 1 << power).take_while(|k| *k < n).last().unwrap()
    }

    /// `PATH` of RFC 6962, word for word.
    fn path(m: usize, leaves: &[Hash]) -> Vec<Hash> {
        let n = leaves.len();
        if n == 1 {
            return Vec::new();
        }
        let k = k(n);
        if m < k {
            [path(m, &leaves[..k]), vec![mth(&leaves[k..])]].concat()
        } else {
            [path(m - k, &leaves[k..]), vec![mth(&leaves[..k])]].concat()
        }
    }

    /// `SUBPROOF` of RFC 6962, word for word.
    fn subproof(m: usize, leaves: &[Hash], b: bool) -> Vec<Hash> {
        let n = leaves.len();
        if m == n {
            return if b { Vec::new() } else { vec![mth(leaves)] };
        }
        let k = k(n);
        if m <= k {
            [subproof(m, &leaves[..k], b), vec![mth(&leaves[k..])]].concat()
        } else {
            [subproof(m - k, &leaves[k..], false), vec![mth(&leaves[..k])]].concat()
        }
    }

    fn leaves(count: usize) -> Vec<Hash> {
        (0..count).map(|number| Hash::of(number.to_string().as_bytes())).collect()
    }

    fn number(count: usize) -> u64 {
        u64::try_from(count).unwrap()
    }

    /// Subtrees straight from the definition.
    fn subtrees(leaves: &[Hash]) -> impl FnMut(u32, u64) -> Result<Hash, Infallible> + '_ {
        |height, first| {
            let first = usize::try_from(first).unwrap();
            Ok(mth(&leaves[first..first + (1 << height)]))
        }
    }

    fn included(index: usize, leaves: &[Hash]) -> Vec<Hash> {
        inclusion_path(number(index), number(leaves.len()), &mut subtrees(leaves)).unwrap()
    }

    fn consistent(before: usize, leaves: &[Hash]) -> Vec<Hash> {
        consistency_path(number(before), number(leaves.len()), &mut subtrees(leaves)).unwrap()
    }

    proptest! {
        #[test]
        fn roots_and_paths_are_those_of_the_definition(size in 1_usize..130, at in any::<prop::sample::Index>()) {
            let leaves = leaves(size);
            let mut tree = Tree::default();
            for leaf in &leaves {
                tree.push(*leaf);
            }
            prop_assert_eq!(tree.root(), mth(&leaves));
            prop_assert_eq!(root_of(number(size), &mut subtrees(&leaves)), Ok(mth(&leaves)));
            let index = at.index(size);
            prop_assert_eq!(included(index, &leaves), path(index, &leaves));
            prop_assert_eq!(consistent(index + 1, &leaves), subproof(index + 1, &leaves, true));
        }

        #[test]
        fn a_proof_holds_for_its_own_leaf_and_tree_only(
            size in 1_usize..130,
            at in any::<prop::sample::Index>(),
            other in any::<prop::sample::Index>(),
            spoiled in any::<prop::sample::Index>(),
        ) {
            let leaves = leaves(size);
            let (index, other) = (at.index(size), other.index(size));
            let (root, path) = (mth(&leaves), included(index, &leaves));
            let lead = |leaf, index, size, path: &[Hash]| root_by_path(leaf, number(index), number(size), path);
            prop_assert_eq!(lead(leaves[index], index, size, &path), Some(root));
            if other != index {
                prop_assert_ne!(lead(leaves[other], index, size, &path), Some(root));
                prop_assert_ne!(lead(leaves[index], other, size, &path), Some(root));
            }
            prop_assert_eq!(lead(leaves[index], size, size, &path), None);
            prop_assert_ne!(lead(leaves[index], index, size, &[&path[..], &[root]].concat()), Some(root));
            if !path.is_empty() {
                prop_assert_ne!(lead(leaves[index], index, size, &path[1..]), Some(root));
                let mut wrong = path.clone();
                wrong[spoiled.index(path.len())] = Hash::ZERO;
                prop_assert_ne!(lead(leaves[index], index, size, &wrong), Some(root));
            }
        }

        #[test]
        fn a_tree_is_consistent_with_its_own_beginning_only(
            size in 1_usize..130,
            at in any::<prop::sample::Index>(),
            spoiled in any::<prop::sample::Index>(),
        ) {
            let leaves = leaves(size);
            let before = at.index(size) + 1;
            let (old, new) = ((number(before), mth(&leaves[..before])), (number(size), mth(&leaves)));
            let path = consistent(before, &leaves);
            prop_assert!(is_consistent(old, new, &path));
            prop_assert!(!is_consistent((old.0, Hash::ZERO), new, &path));
            prop_assert!(!is_consistent(old, (new.0, Hash::ZERO), &path));
            prop_assert!(!is_consistent(old, new, &[&path[..], &[old.1]].concat()));
            if !path.is_empty() {
                prop_assert!(!is_consistent(old, new, &path[1..]));
                let mut wrong = path.clone();
                wrong[spoiled.index(path.len())] = Hash::ZERO;
                prop_assert!(!is_consistent(old, new, &wrong));
            }
        }
    }

    #[test]
    fn a_larger_tree_before_a_smaller_one_and_an_empty_one_prove_nothing() {
        let leaves = leaves(3);
        let (two, three) = ((2, mth(&leaves[..2])), (3, mth(&leaves)));
        assert!(!is_consistent(three, two, &[]));
        assert!(!is_consistent((0, mth(&[])), three, &[]));
        assert_eq!(root_by_path(leaves[0], 0, 0, &[]), None);
    }

    fn hash(text: &str) -> Hash {
        Hash::try_from(text.to_owned()).unwrap()
    }

    /// Nodes that the tests of Certificate Transparency have published, over eight leaves there.
    #[test]
    fn nodes_are_hashed_as_in_certificate_transparency() {
        assert_eq!(
            empty(),
            hash("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        );
        let four = hash("d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7");
        let right = hash("6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4");
        let eight = hash("5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
        assert_eq!(node(four, right), eight);
        let six = hash("76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef");
        let path = [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ]
        .map(hash);
        assert!(is_consistent((6, six), (8, eight), &path));
        let (two, path) = (
            hash("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
            [hash("5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"), right],
        );
        assert!(is_consistent((2, two), (8, eight), &path));
    }
}
