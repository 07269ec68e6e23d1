//! Reads of what only ever grows: audit and last changes. The log holds all of it, indexed by
//! customer, so it is not stored a second time. They end where the views end.

use std::fmt;

use eventually::store::Select;
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use ledger_core::ids::{CustomerId, StreamId, SubscriptionId};
use ledger_core::record::Recorded;
use ledger_core::store::{CommitLog, StoreError, StoredCommit};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ViewStore, ViewStoreError};
use crate::views::ViewError;
use crate::views::audit::{self, AuditDocument};
use crate::views::changes::{self, ChangeDocument};

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The documents, in the order of the log.
    pub items: Vec<T>,
    /// What to ask for next; absent when this is the end. Has no meaning of its own.
    pub next: Option<String>,
}

/// Which part of a list is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paging {
    /// `next` of the page before; from the start when `None`.
    pub after: Option<String>,
    /// Most documents in the page; a page has at least one if there is one.
    pub limit: usize,
}

/// Which changes of quantity are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only of this subscription.
    pub subscription: Option<SubscriptionId>,
}

pub(super) type Commits<'a> = BoxStream<'a, Result<StoredCommit, StoreError>>;

/// A document of a customer's history: which commit, and its number in it, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    version: u64,
    number: u64,
}

impl Place {
    const START: Self = Self { version: 1, number: 0 };

    /// Reads a cursor that was handed out.
    fn read(cursor: &str) -> Result<Self, ViewStoreError> {
        let parsed = cursor.split_once('.').and_then(|(version, number)| {
            let place = Self { version: version.parse().ok()?, number: number.parse().ok()? };
            (place.to_string() == cursor).then_some(place)
        });
        parsed.ok_or_else(|| ViewStoreError::NotACursor(cursor.to_owned()))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.version, self.number)
    }
}

/// Reads of history from the views' log.
///
/// They fail with [`ViewStoreError::Log`] when the log cannot be read, and otherwise as other reads.
impl ViewStore {
    /// The changes of quantities of a customer, in the order of the log.
    ///
    /// # Errors
    ///
    /// As every read; [`ViewStoreError::NotACursor`] for a wrong `after`.
    pub async fn audit<L: CommitLog>(
        &self,
        log: &L,
        customer: &CustomerId,
        filter: &AuditFilter,
        paging: &Paging,
    ) -> Result<Page<AuditDocument>, ViewStoreError> {
        let reseller = self.customer(customer)?.map(|customer| customer.reseller);
        let documents = |recorded: &Recorded| {
            Ok(reseller.iter().flat_map(|of| audit::documents(recorded, of)).collect())
        };
        let is_wanted = |document: &AuditDocument| {
            filter.subscription.as_ref().is_none_or(|wanted| *wanted == document.subscription)
        };
        self.page(log, customer, paging, documents, is_wanted).await
    }

    /// The last commits of one customer or of all, the newest first.
    ///
    /// # Errors
    ///
    /// As every read.
    pub async fn last_changes<L: CommitLog>(
        &self,
        log: &L,
        customer: Option<&CustomerId>,
        limit: usize,
    ) -> Result<Vec<ChangeDocument>, ViewStoreError> {
        let Some(customer) = customer else { return self.last_changes_of_all(log, limit).await };
        let Some(of) = self.customer(customer)? else { return Ok(Vec::new()) };
        let first = first_of(of.version, limit);
        let commits = stream(log, customer, first).await?;
        let mut changes = changes_in(commits, first, of.version).await?;
        changes.reverse();
        Ok(changes)
    }

    async fn last_changes_of_all<L: CommitLog>(
        &self,
        log: &L,
        limit: usize,
    ) -> Result<Vec<ChangeDocument>, ViewStoreError> {
        let (mut newest, mut last) = (Vec::new(), self.position());
        while 0 < last && newest.len() < limit {
            let first = first_of(last, limit.saturating_sub(newest.len()));
            let changes = changes_in(log.read_from(first), first, last).await?;
            newest.extend(changes.into_iter().rev());
            last = first.saturating_sub(1);
        }
        Ok(newest)
    }

    /// A page of those documents of a customer's commits that are wanted.
    async fn page<L: CommitLog, T>(
        &self,
        log: &L,
        customer: &CustomerId,
        paging: &Paging,
        documents: impl Fn(&Recorded) -> Result<Vec<T>, ViewError>,
        is_wanted: impl Fn(&T) -> bool,
    ) -> Result<Page<T>, ViewStoreError> {
        let after = paging.after.as_deref().map_or(Ok(Place::START), Place::read)?;
        let (limit, end) = (paging.limit.max(1), self.position());
        let (mut items, mut last) = (Vec::new(), after);
        let mut commits = stream(log, customer, after.version).await?;
        while let Some(stored) = commits.try_next().await? {
            let recorded = read(stored)?;
            if end < recorded.position {
                break;
            }
            let version = recorded.commit().version;
            for (number, document) in (1..).zip(made(&recorded, &documents)?) {
                let place = Place { version, number };
                if place <= after || !is_wanted(&document) {
                    continue;
                }
                if items.len() == limit {
                    return Ok(Page { items, next: Some(last.to_string()) });
                }
                items.push(document);
                last = place;
            }
        }
        Ok(Page { items, next: None })
    }
}

/// Number of the first of the last `limit` when the last one has number `last`.
fn first_of(last: u64, limit: usize) -> u64 {
    last.saturating_sub(u64::try_from(limit).unwrap_or(u64::MAX)).saturating_add(1)
}

/// Commits of a customer from version `first` on.
pub(super) async fn stream<'a, L: CommitLog>(
    log: &'a L,
    customer: &CustomerId,
    first: u64,
) -> Result<Commits<'a>, StoreError> {
    let first = u32::try_from(first).unwrap_or(u32::MAX);
    log.stream(StreamId::Customer(customer.clone()), Select::From(first)).await
}

/// What each of the commits `first` to `last` changed, of which `commits` begins with `first`.
async fn changes_in(
    commits: Commits<'_>,
    first: u64,
    last: u64,
) -> Result<Vec<ChangeDocument>, ViewStoreError> {
    let count = last.saturating_sub(first).saturating_add(1);
    let mut commits = commits.take(usize::try_from(count).unwrap_or(usize::MAX));
    let mut changes = Vec::new();
    while let Some(stored) = commits.try_next().await? {
        let recorded = read(stored)?;
        changes.extend(made(&recorded, changes::document)?);
    }
    Ok(changes)
}

pub(super) fn read(stored: StoredCommit) -> Result<Recorded, ViewStoreError> {
    let position = u64::from(stored.sequence_number());
    Recorded::read(stored).map_err(|source| ViewStoreError::Undecodable { position, source })
}

fn made<T>(
    recorded: &Recorded,
    documents: impl Fn(&Recorded) -> Result<T, ViewError>,
) -> Result<T, ViewStoreError> {
    let position = recorded.position;
    documents(recorded).map_err(|source| ViewStoreError::History { position, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_cursors_that_were_handed_out_are_read() {
        let place = Place { version: 12, number: 3 };
        assert_eq!(Place::read(&place.to_string()).unwrap(), place);
        for wrong in
            ["", "12", "12.", ".3", "12.3.1", "012.3", "12.+3", "a.b", "00000000000000000012.00001"]
        {
            let read = Place::read(wrong);
            assert!(matches!(read, Err(ViewStoreError::NotACursor(_))), "{wrong}: {read:?}");
        }
    }
}
