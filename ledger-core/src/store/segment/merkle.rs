//! The Merkle tree over a segment's commits, hashed as in RFC 6962, section 2.1.
//!
//! A leaf's data is the SHA-256 of the commit, so the tree costs the same for commits of any size and
//! needs none of their bytes: `leaf = SHA-256(0 | commit hash)`, `node = SHA-256(1 | left | right)`.

use crate::commit::Hash;

/// A tree that grows leaf by leaf and remembers only its complete subtrees.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    /// Height and root of each complete subtree, from left to right, ever lower.
    subtrees: Vec<(u32, Hash)>,
}

impl Tree {
    pub(super) fn push(&mut self, commit: Hash) {
        let mut bytes = [0; 33];
        bytes[1..].copy_from_slice(commit.as_bytes());
        let mut added = (0, Hash::of(&bytes));
        while let Some((height, left)) = self.subtrees.pop_if(|(height, _)| *height == added.0) {
            added = (height + 1, node(left, added.1));
        }
        self.subtrees.push(added);
    }

    pub(super) fn root(&self) -> Hash {
        let roots = self.subtrees.iter().rev().map(|(_, root)| *root);
        roots.reduce(|right, left| node(left, right)).unwrap_or_else(|| Hash::of(&[]))
    }
}

fn node(left: Hash, right: Hash) -> Hash {
    let mut bytes = [1; 65];
    bytes[1..33].copy_from_slice(left.as_bytes());
    bytes[33..].copy_from_slice(right.as_bytes());
    Hash::of(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition of RFC 6962, word for word.
    fn root_of(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Hash::of(&[]),
            [leaf] => Hash::of(&[&[0], leaf.as_bytes().as_slice()].concat()),
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node(root_of(left), root_of(right))
            }
        }
    }

    #[test]
    fn a_tree_of_any_size_has_the_root_of_the_definition() {
        let leaves: Vec<_> = (0..70_u8).map(|number| Hash::of(&[number])).collect();
        let mut tree = Tree::default();
        for size in 0..leaves.len() {
            assert_eq!(tree.root(), root_of(&leaves[..size]), "{size} leaves");
            tree.push(leaves[size]);
        }
    }
}
