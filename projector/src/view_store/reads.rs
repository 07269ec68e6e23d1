//! Typed reads.

use chrono::{DateTime, Utc};
use ledger_core::ids::{CustomerId, SubscriptionId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ViewStore, ViewStoreError, is_meta};
use crate::views::audit::{self, AuditDocument};
use crate::views::changes::{self, ChangeDocument};
use crate::views::charges::{self, ChargeDocument};
use crate::views::customers::{self, CustomerDocument};
use crate::views::due::{self, DueDocument};
use crate::views::licences::{self, LicenceDocument};
use crate::views::subscriptions::{self, SubscriptionDocument};
use crate::views::{key, prefix};

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

    /// The changes of quantities of a customer, in the order of the log.
    ///
    /// # Errors
    ///
    /// As every read; [`ViewStoreError::NotACursor`] for a wrong `after`.
    pub fn audit(
        &self,
        customer: &CustomerId,
        filter: &AuditFilter,
        paging: &Paging,
    ) -> Result<Page<AuditDocument>, ViewStoreError> {
        let prefix = prefix(audit::NAME, &[customer.as_str()]);
        self.page(&prefix, paging, |document: &AuditDocument| {
            filter.subscription.as_ref().is_none_or(|wanted| *wanted == document.subscription)
        })
    }

    /// The charge lines of a customer, in the order of the log.
    ///
    /// # Errors
    ///
    /// As every read; [`ViewStoreError::NotACursor`] for a wrong `after`.
    pub fn charges(
        &self,
        customer: &CustomerId,
        paging: &Paging,
    ) -> Result<Page<ChargeDocument>, ViewStoreError> {
        self.page(&prefix(charges::NAME, &[customer.as_str()]), paging, |_| true)
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

    /// The last commits of one customer or of all, the newest first.
    ///
    /// # Errors
    ///
    /// As every read.
    pub fn last_changes(
        &self,
        customer: Option<&CustomerId>,
        limit: usize,
    ) -> Result<Vec<ChangeDocument>, ViewStoreError> {
        let Some(customer) = customer else { return self.last_changes_of_all(limit) };
        let prefix = prefix(changes::NAME, &[changes::OF, customer.as_str()]);
        let newest = self.newest(&prefix, limit)?;
        newest.iter().map(|entry| parsed(&entry.key, &entry.json)).collect()
    }

    fn last_changes_of_all(&self, limit: usize) -> Result<Vec<ChangeDocument>, ViewStoreError> {
        let prefix = prefix(changes::NAME, &[changes::AT]);
        let mut documents = Vec::new();
        for entry in self.newest(&prefix, limit)? {
            let customer: CustomerId = parsed(&entry.key, &entry.json)?;
            let position = entry.key.get(prefix.len()..).unwrap_or_default();
            let key = key(changes::NAME, &[changes::OF, customer.as_str(), position]);
            documents.extend(self.one::<ChangeDocument>(&key)?);
        }
        Ok(documents)
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

    /// A page of those documents below `prefix` that are wanted.
    fn page<T: DeserializeOwned>(
        &self,
        prefix: &str,
        paging: &Paging,
        is_wanted: impl Fn(&T) -> bool,
    ) -> Result<Page<T>, ViewStoreError> {
        let from = first_after(prefix, paging.after.as_deref())?;
        let limit = paging.limit.max(1);
        let (mut items, mut last, mut next) = (Vec::new(), String::new(), None);
        let mut failure = None;
        self.read(|found| {
            Ok(found.engine.scan(prefix.as_bytes(), &from, |key, json| {
                match parsed(&text(key), &json) {
                    Ok(item) if is_wanted(&item) => {
                        if items.len() == limit {
                            next = Some(std::mem::take(&mut last));
                            return false;
                        }
                        items.push(item);
                        last = text(key.get(prefix.len()..).unwrap_or_default());
                    }
                    Ok(_) => {}
                    Err(err) => failure = Some(err),
                }
                failure.is_none()
            })?)
        })?;
        failure.map_or(Ok(Page { items, next }), Err)
    }

    fn newest(&self, prefix: &str, limit: usize) -> Result<Vec<DumpEntry>, ViewStoreError> {
        let mut entries = Vec::new();
        self.read(|found| {
            Ok(found.engine.scan_back(prefix.as_bytes(), |key, json| {
                if limit <= entries.len() {
                    return false;
                }
                entries.push(DumpEntry { key: text(key), json });
                true
            })?)
        })?;
        Ok(entries)
    }
}

/// The smallest key after the one that the cursor stands for.
fn first_after(prefix: &str, cursor: Option<&str>) -> Result<Vec<u8>, ViewStoreError> {
    let Some(cursor) = cursor else { return Ok(Vec::new()) };
    if cursor.is_empty() || !cursor.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return Err(ViewStoreError::NotACursor(cursor.to_owned()));
    }
    Ok([prefix.as_bytes(), cursor.as_bytes(), &[0]].concat())
}

fn parsed<T: DeserializeOwned>(key: &str, json: &[u8]) -> Result<T, ViewStoreError> {
    serde_json::from_slice(json)
        .map_err(|source| ViewStoreError::Document { key: key.to_owned(), source })
}

fn text(key: &[u8]) -> String {
    String::from_utf8_lossy(key).into_owned()
}
