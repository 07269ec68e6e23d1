//! The accounts kept in memory: those used last, up to a number of bytes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use super::account::Account;
use crate::ids::StreamId;

/// An account that one at a time works with.
pub(super) type Slot = Arc<tokio::sync::Mutex<Account>>;

#[derive(Debug)]
pub(super) struct Accounts {
    kept: Mutex<Keeping>,
    bytes_max: usize,
    hits: AtomicU64,
    misses: AtomicU64,
    evictions: AtomicU64,
}

#[derive(Debug)]
struct Keeping {
    accounts: LruCache<StreamId, Weighed>,
    bytes: usize,
}

#[derive(Debug)]
struct Weighed {
    slot: Slot,
    bytes: usize,
}

/// How well the accounts in memory serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheStats {
    /// Commands and reads whose account was in memory.
    pub hits: u64,
    /// Commands and reads that had to load it.
    pub misses: u64,
    /// Accounts that had to go.
    pub evictions: u64,
    /// Accounts in memory now.
    pub accounts: usize,
    /// What they take up, roughly, in bytes.
    pub bytes: usize,
}

impl Accounts {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            kept: Mutex::new(Keeping { accounts: LruCache::unbounded(), bytes: 0 }),
            bytes_max,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            evictions: AtomicU64::new(0),
        }
    }

    /// The account of `stream`, loaded or not.
    pub(super) fn slot(&self, stream: &StreamId) -> Slot {
        let mut kept = self.kept();
        if let Some(weighed) = kept.accounts.get(stream) {
            return Arc::clone(&weighed.slot);
        }
        let slot = Slot::new(tokio::sync::Mutex::new(Account::new()));
        kept.accounts.put(stream.clone(), Weighed { slot: Arc::clone(&slot), bytes: 0 });
        slot
    }

    /// Counts a use of an account.
    pub(super) fn count(&self, was_loaded: bool) {
        let counter = if was_loaded { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes what the account of `stream` takes up, and lets go of those used longest ago while all
    /// take up too much.
    pub(super) fn weigh(&self, stream: &StreamId, bytes: usize) -> Vec<(StreamId, Slot)> {
        let mut kept = self.kept();
        let Keeping { accounts, bytes: total } = &mut *kept;
        let Some(weighed) = accounts.peek_mut(stream) else { return Vec::new() };
        *total = total.saturating_sub(weighed.bytes).saturating_add(bytes);
        weighed.bytes = bytes;
        let mut gone = Vec::new();
        for _ in 0..accounts.len() {
            if *total <= self.bytes_max {
                break;
            }
            let Some((stream, weighed)) = accounts.pop_lru() else { break };
            if must_stay(&weighed.slot) {
                accounts.put(stream, weighed);
            } else {
                *total = total.saturating_sub(weighed.bytes);
                gone.push((stream, weighed.slot));
            }
        }
        self.evictions.fetch_add(u64::try_from(gone.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
        gone
    }

    pub(super) fn stats(&self) -> CacheStats {
        let kept = self.kept();
        CacheStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            evictions: self.evictions.load(Ordering::Relaxed),
            accounts: kept.accounts.len(),
            bytes: kept.bytes,
        }
    }

    fn kept(&self) -> MutexGuard<'_, Keeping> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an account is in use, so that a second one of its stream would get in its way, or may still
/// get something written that its caller did not wait for, which a new one would not know.
fn must_stay(slot: &Slot) -> bool {
    1 < Arc::strong_count(slot)
        || slot.try_lock().map_or(true, |account| account.pipeline.is_broken())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::CustomerId;

    fn stream(name: &str) -> StreamId {
        StreamId::Customer(CustomerId::try_new(name).unwrap())
    }

    #[test]
    fn the_accounts_used_longest_ago_go_first_and_none_in_use() {
        let accounts = Accounts::new(100);
        for name in ["a", "b", "c"] {
            drop(accounts.slot(&stream(name)));
            assert!(accounts.weigh(&stream(name), 30).is_empty());
        }
        let in_use = accounts.slot(&stream("a"));
        drop(accounts.slot(&stream("d")));
        let names = |gone: Vec<(StreamId, Slot)>| {
            gone.into_iter().map(|(stream, _)| stream).collect::<Vec<_>>()
        };
        assert_eq!(
            names(accounts.weigh(&stream("d"), 90)),
            [stream("b"), stream("c"), stream("d")]
        );
        let stats = accounts.stats();
        assert_eq!((stats.accounts, stats.bytes, stats.evictions), (1, 30, 3));
        drop(in_use);
    }

    #[test]
    fn an_account_whose_caller_went_away_stays() {
        let accounts = Accounts::new(0);
        let slot = accounts.slot(&stream("a"));
        drop(slot.try_lock().unwrap().pipeline.enter(None));
        drop(slot);
        assert!(accounts.weigh(&stream("a"), 30).is_empty());
        assert_eq!(accounts.stats().accounts, 1);
    }
}
