//! Views: pure folds from commits to documents. Same commits, same bytes.
//!
//! A key is the view's name and parts joined by `/`, which no id can contain, so a scan of one
//! customer never meets another. To change a view's documents, raise the version in its name: the views
//! are then rebuilt.
//!
//! Stored is what a commit can replace. What only ever grows ([`audit`], [`charges`], [`changes`]) is in
//! the log already; its documents are made of the commits when they are asked for.

pub mod audit;
pub mod changes;
pub mod charges;
pub mod customers;
pub mod due;
pub mod licences;
pub mod requests;
pub mod subscriptions;

use std::collections::BTreeMap;

use ledger_core::calendar::DateOutOfRange;
use ledger_core::customer::Customer;
use ledger_core::ids::CustomerId;
use ledger_core::money::MoneyError;
use ledger_core::record::Recorded;
use serde::Serialize;

/// A fold from commits to documents.
pub trait View: Sync {
    /// Name and version of the documents, for example `subscriptions@2`.
    fn name(&self) -> &'static str;

    /// Adds to `changes` what a commit changes.
    ///
    /// `before` and `after` are the commit's customer before its first and after its last event; both
    /// are `None` for a commit of the catalogue.
    ///
    /// # Errors
    ///
    /// [`ViewError`] when a document cannot be computed; no decided event leads there.
    fn apply(
        &self,
        changes: &mut Changes,
        recorded: &Recorded,
        before: Option<&Customer>,
        after: Option<&Customer>,
    ) -> Result<(), ViewError>;
}

/// Every view, in the order in which they are applied.
pub const VIEWS: [&dyn View; 5] = [
    &customers::Customers,
    &subscriptions::Subscriptions,
    &licences::Licences,
    &requests::Requests,
    &due::Due,
];

/// Names of all views: what a stored set of views was made by.
#[must_use]
pub fn view_set() -> String {
    VIEWS.map(View::name).join(" ")
}

/// Why a document could not be computed.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// A charge line cannot be computed.
    #[error(transparent)]
    Amount(#[from] MoneyError),
    /// A term ends outside the calendar.
    #[error(transparent)]
    Date(#[from] DateOutOfRange),
    /// A document cannot be written as JSON, or the commit's request is not JSON.
    #[error("the commit's request or a document of it is not JSON")]
    Json(#[from] serde_json::Error),
}

/// What commits change in the views: per key a new document, or `None` for its removal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    entries: BTreeMap<String, Option<Vec<u8>>>,
}

impl Changes {
    /// No changes.
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: BTreeMap::new() }
    }

    /// Stores a document; it replaces what the key had.
    ///
    /// # Errors
    ///
    /// [`ViewError::Json`] when the document cannot be written.
    pub fn put<D: Serialize>(&mut self, key: String, document: &D) -> Result<(), ViewError> {
        self.entries.insert(key, Some(serde_json::to_vec(document)?));
        Ok(())
    }

    /// Removes a document.
    pub fn delete(&mut self, key: String) {
        self.entries.insert(key, None);
    }

    /// Adds what later commits change.
    pub fn extend(&mut self, later: Self) {
        self.entries.extend(later.entries);
    }

    /// How many documents they change.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Keys in order, each with its new document as JSON or `None`.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value.as_deref()))
    }
}

/// Joins a key from the name of a view and the parts below it.
pub(crate) fn key(view: &str, parts: &[&str]) -> String {
    parts.iter().fold(view.to_owned(), |key, part| key + "/" + part)
}

/// What the keys below these parts begin with.
pub(crate) fn prefix(view: &str, parts: &[&str]) -> String {
    key(view, parts) + "/"
}

/// Whether another reseller serves the customer now, so that every document that names the reseller is
/// to be written anew.
fn is_moved(before: Option<&Customer>, after: Option<&Customer>) -> bool {
    let reseller = |customer: Option<&'_ Customer>| customer.map(|c| c.profile.reseller.clone());
    reseller(before) != reseller(after)
}

fn customer_of(recorded: &Recorded) -> Option<&CustomerId> {
    recorded.commit().stream.customer()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_whose_id_begins_like_another_is_not_scanned_with_it() {
        let (a, a_b) = (key("v@1", &["a", "s"]), key("v@1", &["a-b", "s"]));
        assert!(a.starts_with(&prefix("v@1", &["a"])));
        assert!(!a_b.starts_with(&prefix("v@1", &["a"])));
    }

    #[test]
    fn every_view_has_a_name_of_its_own_with_a_version() {
        let names = VIEWS.map(View::name);
        let distinct: std::collections::BTreeSet<_> = names.into_iter().collect();
        assert_eq!(distinct.len(), VIEWS.len());
        assert!(names.iter().all(|name| name.contains('@') && !name.contains(['/', ' '])));
    }
}
