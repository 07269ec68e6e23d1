//! A digest of a set of entries that is updated entry by entry, in any order.

use std::fmt;

use ledger_core::commit::{Hash, NotAHash};

/// SHA-256 of one entry: its key and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry(Hash);

impl Entry {
    pub(super) fn of(key: &[u8], value: &[u8]) -> Self {
        let length = u64::try_from(key.len()).unwrap_or(u64::MAX).to_be_bytes();
        Self(Hash::of(&[&length, key, value].concat()))
    }
}

/// Exclusive or of all entries.
///
/// Finds damage, not forgery: whoever can write the views can write their digest, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Digest([u8; 32]);

impl Digest {
    /// Adds an entry that is not in the set, or removes one that is.
    pub(super) fn toggle(&mut self, entry: Entry) {
        for (byte, toggled) in self.0.iter_mut().zip(entry.0.as_bytes()) {
            *byte ^= toggled;
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, NotAHash> {
        Ok(Self(*Hash::try_from(text.to_owned())?.as_bytes()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hash::from_bytes(self.0).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_depends_on_the_set_only() {
        let (mut one, mut other) = (Digest::default(), Digest::default());
        one.toggle(Entry::of(b"a", b"1"));
        one.toggle(Entry::of(b"b", b"2"));
        other.toggle(Entry::of(b"b", b"2"));
        other.toggle(Entry::of(b"x", b"9"));
        other.toggle(Entry::of(b"a", b"1"));
        assert_ne!(one, other);
        other.toggle(Entry::of(b"x", b"9"));
        assert_eq!(one, other);
        assert_eq!(Digest::parse(&one.to_string()), Ok(one));
    }

    #[test]
    fn where_the_key_ends_matters() {
        let (mut one, mut other) = (Digest::default(), Digest::default());
        one.toggle(Entry::of(b"ab", b"c"));
        other.toggle(Entry::of(b"a", b"bc"));
        assert_ne!(one, other);
    }
}
