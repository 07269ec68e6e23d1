//! What changes really change, told mostly without reading what was there before.

use std::num::NonZeroUsize;

use lru::LruCache;

use super::ViewStoreError;
use super::digest::{Digest, Entry};
use super::opening::Found;
use crate::views::Changes;

/// Documents whose hash is kept; they take up about 200 bytes each.
const KEPT: NonZeroUsize = NonZeroUsize::new(65_536).expect("65,536 is not zero");

/// Hashes of the documents written last.
pub(super) struct Recent(LruCache<Box<str>, Entry>);

/// What is to be written.
pub(super) struct Difference<'a> {
    /// Keys with their new documents, or `None`; without those that have that document already.
    pub(super) documents: Vec<(&'a [u8], Option<&'a [u8]>)>,
    /// The digest over all documents afterwards.
    pub(super) digest: Digest,
}

impl Recent {
    pub(super) fn new() -> Self {
        Self(LruCache::new(KEPT))
    }

    /// Compares `changes` with what is stored. They must be written then, or nothing ever again.
    pub(super) fn difference<'a>(
        &mut self,
        found: &Found,
        changes: &'a Changes,
    ) -> Result<Difference<'a>, ViewStoreError> {
        let (mut documents, mut digest) = (Vec::new(), found.head.digest);
        for (name, new) in changes.iter() {
            let key = name.as_bytes();
            let old = match self.0.pop(name) {
                Some(kept) => Some(kept),
                None => found.engine.get(key)?.map(|old| Entry::of(key, &old)),
            };
            let is = new.map(|new| Entry::of(key, new));
            if let Some(is) = is {
                self.0.put(name.into(), is);
            }
            if old != is {
                old.into_iter().chain(is).for_each(|entry| digest.toggle(entry));
                documents.push((key, new));
            }
        }
        Ok(Difference { documents, digest })
    }
}
