//! Typed reads of stored documents.

use chrono::{DateTime, Utc};
use ledger_core::ids::{CustomerId, SubscriptionId};
use serde::de::DeserializeOwned;

use super::{ViewStore, ViewStoreError, is_meta};
use crate::views::customers::{self, CustomerDocument};
use crate::views::due::{self, DueDocument};
use crate::views::licences::{self, LicenceDocument};
use crate::views::requests::{self, RequestDocument};
use crate::views::subscriptions::{self, SubscriptionDocument};
use crate::views::{key, prefix};

/// A document with its key, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpEntry {
    /// Its key.
    pub key: String,
    /// The document as JSON.
    pub json: Vec<u8>,
}

/// Reads of views.
///
/// All of them fail with [`ViewStoreError::Engine`] when the database does, with
/// [`ViewStoreError::Document`] when a document is not what this version writes, and with
/// [`ViewStoreError::Closed`] after [`close`](Self::close).
impl ViewStore {
    /// All customers, by id.
    ///
    /// # Errors
    ///
    /// As every read.
    pub fn customers(&self) -> Result<Vec<CustomerDocument>, ViewStoreError> {
        self.list(&prefix(customers::NAME, &[]), usize::MAX, |_| true)
    }

    /// One customer.
    ///
    /// # Errors
    ///
    /// As every read.
    pub fn customer(
        &self,
        customer: &CustomerId,
    ) -> Result<Option<CustomerDocument>, ViewStoreError> {
        self.one(&key(customers::NAME, &[customer.as_str()]))
    }

    /// All subscriptions of a customer, the ended ones included, by id.
    ///
    /// # Errors
    ///
    /// As every read.
    pub fn subscriptions(
        &self,
        customer: &CustomerId,
    ) -> Result<Vec<SubscriptionDocument>, ViewStoreError> {
        let prefix = prefix(subscriptions::NAME, &[customer.as_str()]);
        self.list(&prefix, usize::MAX, |_| true)
    }

    /// One subscription.
    ///
    /// # Errors
    ///
    /// As every read.
    pub fn subscription(
        &self,
        customer: &CustomerId,
        subscription: &SubscriptionId,
    ) -> Result<Option<SubscriptionDocument>, ViewStoreError> {
        self.one(&key(subscriptions::NAME, &[customer.as_str(), subscription.as_str()]))
    }

    /// The licences of a customer, by offer.
    ///
    /// # Errors
    ///
    /// As every read.
    pub fn licences(&self, customer: &CustomerId) -> Result<Vec<LicenceDocument>, ViewStoreError> {
        self.list(&prefix(licences::NAME, &[customer.as_str()]), usize::MAX, |_| true)
    }

    /// The requests of a customer that wait for an answer, by id.
    ///
    /// # Errors
    ///
    /// As every read.
    pub fn requests(&self, customer: &CustomerId) -> Result<Vec<RequestDocument>, ViewStoreError> {
        self.list(&prefix(requests::NAME, &[customer.as_str()]), usize::MAX, |_| true)
    }

    /// What is due at `until` or before, the earliest first.
    ///
    /// # Errors
    ///
    /// As every read.
    pub fn due(&self, until: DateTime<Utc>) -> Result<Vec<DueDocument>, ViewStoreError> {
        self.list(&prefix(due::NAME, &[]), usize::MAX, |document: &DueDocument| {
            document.due_at <= until
        })
    }

    /// What will be due, the earliest first: the renewal calendar.
    ///
    /// # Errors
    ///
    /// As every read.
    pub fn all_due(&self, limit: usize) -> Result<Vec<DueDocument>, ViewStoreError> {
        self.list(&prefix(due::NAME, &[]), limit, |_| true)
    }

    /// Every document with its key, in the order of keys: equal for views of the same commits.
    ///
    /// # Errors
    ///
    /// As every read.
    pub fn dump(&self) -> Result<Vec<DumpEntry>, ViewStoreError> {
        let mut all = Vec::new();
        self.read(|found| {
            Ok(found.engine.scan(b"", b"", |key, json| {
                if !is_meta(key) {
                    all.push(DumpEntry { key: text(key), json });
                }
                true
            })?)
        })?;
        Ok(all)
    }

    fn one<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, ViewStoreError> {
        let json = self.read(|found| Ok(found.engine.get(key.as_bytes())?))?;
        json.map(|json| parsed(key, &json)).transpose()
    }

    /// The documents below `prefix` as long as `is_wanted`, in order.
    fn list<T: DeserializeOwned>(
        &self,
        prefix: &str,
        limit: usize,
        is_wanted: impl Fn(&T) -> bool,
    ) -> Result<Vec<T>, ViewStoreError> {
        let (mut items, mut failure) = (Vec::new(), None);
        self.read(|found| {
            Ok(found.engine.scan(prefix.as_bytes(), b"", |key, json| {
                if limit <= items.len() {
                    return false;
                }
                match parsed(&text(key), &json) {
                    Ok(item) if is_wanted(&item) => items.push(item),
                    Ok(_) => return false,
                    Err(err) => failure = Some(err),
                }
                failure.is_none()
            })?)
        })?;
        failure.map_or(Ok(items), Err)
    }
}

fn parsed<T: DeserializeOwned>(key: &str, json: &[u8]) -> Result<T, ViewStoreError> {
    serde_json::from_slice(json)
        .map_err(|source| ViewStoreError::Document { key: key.to_owned(), source })
}

fn text(key: &[u8]) -> String {
    String::from_utf8_lossy(key).into_owned()
}
