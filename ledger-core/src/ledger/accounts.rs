//! The accounts kept in memory: those used last, up to a number of bytes.

use std::collections::BTreeSet;
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
    /// Streams whose account is gone although something may still get written that its caller did not
    /// wait for; the next account must wait for it.
    in_doubt: BTreeSet<StreamId>,
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
            kept: Mutex::new(Keeping {
                accounts: LruCache::unbounded(),
                bytes: 0,
                in_doubt: BTreeSet::new(),
            }),
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
        let is_in_doubt = kept.in_doubt.remove(stream);
        let account = if is_in_doubt { Account::in_doubt() } else { Account::new() };
        let slot = Slot::new(tokio::sync::Mutex::new(account));
        kept.accounts.put(stream.clone(), Weighed { slot: Arc::clone(&slot), bytes: 0 });
        slot
    }

    /// Counts a use of an account.
    pub(super) fn count(&self, was_loaded: bool) {
        let counter = if was_loaded { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes what the account of `stream` takes up, and lets go of those used longest ago while all
    /// take up too much. Accounts in use stay: two of one stream would get in each other's way.
    pub(super) fn weigh(&self, stream: &StreamId, bytes: usize) {
        let mut kept = self.kept();
        let Keeping { accounts, bytes: total, in_doubt } = &mut *kept;
        let Some(weighed) = accounts.peek_mut(stream) else { return };
        *total = total.saturating_sub(weighed.bytes).saturating_add(bytes);
        weighed.bytes = bytes;
        for _ in 0..accounts.len() {
            if *total <= self.bytes_max {
                break;
            }
            let Some((stream, weighed)) = accounts.pop_lru() else { break };
            match Arc::try_unwrap(weighed.slot) {
                Ok(account) => {
                    *total = total.saturating_sub(weighed.bytes);
                    self.evictions.fetch_add(1, Ordering::Relaxed);
                    if account.into_inner().pipeline.is_broken() {
                        in_doubt.insert(stream);
                    }
                }
                Err(slot) => {
                    accounts.put(stream, Weighed { slot, bytes: weighed.bytes });
                }
            }
        }
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
            accounts.weigh(&stream(name), 30);
        }
        assert_eq!(accounts.stats().evictions, 0);
        let in_use = accounts.slot(&stream("a"));
        drop(accounts.slot(&stream("d")));
        accounts.weigh(&stream("d"), 60);
        let kept = accounts.kept();
        let names: Vec<_> = kept.accounts.iter().map(|(stream, _)| stream.clone()).collect();
        assert_eq!((names, kept.bytes), (vec![stream("d"), stream("a")], 90));
        drop((kept, in_use));
        assert_eq!(accounts.stats().evictions, 2);
    }

    #[test]
    fn an_account_that_comes_back_still_waits_for_what_a_caller_left_behind() {
        let accounts = Accounts::new(0);
        let slot = accounts.slot(&stream("a"));
        drop(slot.try_lock().unwrap().pipeline.enter(None));
        drop(slot);
        accounts.weigh(&stream("a"), 30);
        assert_eq!(accounts.stats().accounts, 0);
        assert!(accounts.slot(&stream("a")).try_lock().unwrap().pipeline.is_broken());
    }
}
