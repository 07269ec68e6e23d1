//! A customer's charges, page by page, as its commits and the passing of time made them.
//!
//! Charges only ever grow at the end, so a cursor is the number of charges before it. They are a fold from
//! the customer's first commit; the meter of where a page ended is kept for the next page, so that a
//! list of many pages is read once and not once per page.

use std::sync::{Mutex, PoisonError};

use chrono::NaiveDate;
use futures::TryStreamExt;
use ledger_core::billing::{Books, Charge, Meter};
use ledger_core::ids::CustomerId;
use ledger_core::money::MoneyError;
use ledger_core::store::CommitLog;

use super::history::{Page, Paging, read, stream};
use super::{ViewStore, ViewStoreError};
use crate::views::ViewError;
use crate::views::charges::{ChargeDocument, document};

/// Pages whose end is remembered.
const BOOKMARKS_MAX: usize = 16;

/// Where a page ended.
struct Bookmark {
    customer: CustomerId,
    /// Charges before it.
    count: u64,
    /// The meter, which knows the last commit that it was fed.
    meter: Meter,
    /// Charges that the meter has returned and no page has shown.
    rest: Vec<Charge>,
}

impl Bookmark {
    fn start(customer: &CustomerId) -> Self {
        let (customer, meter) = (customer.clone(), Meter::new(customer.clone()));
        Self { customer, count: 0, meter, rest: Vec::new() }
    }
}

/// The ends of the last pages, the newest last.
#[derive(Default)]
pub(super) struct Bookmarks(Mutex<Vec<Bookmark>>);

impl Bookmarks {
    /// Takes out where `count` charges of the customer end; the start if that was not kept.
    fn take(&self, customer: &CustomerId, count: u64) -> Bookmark {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |kept: &Bookmark| kept.customer == *customer && kept.count == count;
        let found = kept.iter().position(is_it);
        found.map_or_else(|| Bookmark::start(customer), |index| kept.remove(index))
    }

    fn keep(&self, bookmark: Bookmark) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == BOOKMARKS_MAX {
            kept.remove(0);
        }
        kept.push(bookmark);
    }
}

/// A page on its way.
struct Reading {
    at: Bookmark,
    /// Charges before the page.
    after: u64,
    limit: usize,
    shown: Vec<Charge>,
}

impl Reading {
    /// Takes charges into the page as far as they belong there; false when it is full and more follow.
    fn take(&mut self, charges: Vec<Charge>) -> bool {
        let mut charges = charges.into_iter();
        while self.at.count < self.after && charges.next().is_some() {
            self.at.count = self.at.count.saturating_add(1);
        }
        let room = self.limit.saturating_sub(self.shown.len());
        let before = self.shown.len();
        self.shown.extend(charges.by_ref().take(room));
        let taken = self.shown.len().saturating_sub(before);
        self.at.count = self.at.count.saturating_add(u64::try_from(taken).unwrap_or(u64::MAX));
        self.at.rest = charges.collect();
        self.at.rest.is_empty()
    }
}

impl ViewStore {
    /// The charges of a customer until `today`, as its meter returns them, billed as `books` say.
    ///
    /// # Errors
    ///
    /// As every read; [`ViewStoreError::NotACursor`] for a wrong `after`.
    pub async fn charges<L: CommitLog>(
        &self,
        log: &L,
        customer: &CustomerId,
        (books, today): (&Books, NaiveDate),
        paging: &Paging,
    ) -> Result<Page<ChargeDocument>, ViewStoreError> {
        let after = paging.after.as_deref().map_or(Ok(0), count_of)?;
        let at = self.shared.bookmarks.take(customer, after);
        let limit = paging.limit.max(1);
        let mut reading = Reading { at, after, limit, shown: Vec::new() };
        let has_more = self.read_charges(log, &mut reading, today).await?;
        let Reading { at, shown, .. } = reading;
        let failed = |source| ViewStoreError::History { position: self.position(), source };
        let items = shown.into_iter().map(|charge| document(charge, books).map_err(failed));
        let items = items.collect::<Result<_, _>>()?;
        let next = has_more.then(|| at.count.to_string());
        if has_more {
            self.shared.bookmarks.keep(at);
        }
        Ok(Page { items, next })
    }

    /// Reads until the page is full; returns whether more follow.
    async fn read_charges<L: CommitLog>(
        &self,
        log: &L,
        reading: &mut Reading,
        today: NaiveDate,
    ) -> Result<bool, ViewStoreError> {
        let rest = std::mem::take(&mut reading.at.rest);
        if !reading.take(rest) {
            return Ok(true);
        }
        let (end, mut until) = (self.position(), today);
        let first = reading.at.meter.version().saturating_add(1);
        let mut commits = stream(log, &reading.at.customer, first).await?;
        while let Some(stored) = commits.try_next().await? {
            let recorded = read(stored)?;
            if end < recorded.position {
                // What is not in the views yet comes before the charge cycles after its day.
                until = until.min(recorded.commit().recorded_at.date_naive());
                break;
            }
            let charges = reading.at.meter.add(&recorded);
            if !reading.take(charges.map_err(|err| failed(recorded.position, err))?) {
                return Ok(true);
            }
        }
        let charges = reading.at.meter.advance(until).map_err(|err| failed(end, err))?;
        Ok(!reading.take(charges))
    }
}

fn failed(position: u64, err: MoneyError) -> ViewStoreError {
    ViewStoreError::History { position, source: ViewError::from(err) }
}

/// Reads a cursor that was handed out.
fn count_of(cursor: &str) -> Result<u64, ViewStoreError> {
    let count = cursor.parse::<u64>().ok().filter(|count| count.to_string() == cursor);
    count.ok_or_else(|| ViewStoreError::NotACursor(cursor.to_owned()))
}
