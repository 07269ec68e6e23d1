//! What time will bring about: one document per command that the scheduler is to issue, the first
//! first. Key: `due@2/INSTANT/CUSTOMER/SUBSCRIPTION/WORD`, with `=` for the customer as a whole. The
//! scheduler works from it; it is also the renewal calendar.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use ledger_core::customer::{
    Command, Customer, Due as DueCommand, Subscription, due_of, due_of_account,
};
use ledger_core::ids::{CommandId, CustomerId, OfferId, ResellerId, SubscriptionId};
use ledger_core::record::Recorded;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Changes, View, ViewError, customer_of, is_moved, key};

pub(crate) const NAME: &str = "due@2";

/// A command that time will bring about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DueDocument {
    /// When it is due.
    pub due_at: DateTime<Utc>,
    /// Whose it is.
    #[schema(value_type = String)]
    pub customer: CustomerId,
    /// Reseller who serves the customer.
    #[schema(value_type = String)]
    pub reseller: ResellerId,
    /// What is to be done, in one word: `renew`, `expire`, `end-trial`, `bill`, `disable`, `delete` or
    /// `end-delegated-admin`.
    pub action: String,
    /// The command that will be issued.
    #[schema(value_type = Object)]
    pub command: Command,
    /// The id it will be issued under, whoever issues it.
    #[schema(value_type = String)]
    pub command_id: CommandId,
    /// The subscription it is about; absent: the customer as a whole.
    pub subscription: Option<DueSubscription>,
}

/// The subscription that something is due for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DueSubscription {
    /// Its id.
    #[schema(value_type = String)]
    pub subscription: SubscriptionId,
    /// Of which offer.
    #[schema(value_type = String)]
    pub offer: OfferId,
    /// The offer's name.
    pub offer_title: String,
    /// Seats now.
    pub quantity: u32,
    /// Seats from the renewal on: planned, or as now. Without a meaning when it is not renewed.
    pub next_quantity: u32,
}

/// The view of what is due.
#[derive(Clone, Copy, Debug)]
pub struct Due;

impl View for Due {
    fn name(&self) -> &'static str {
        NAME
    }

    fn apply(
        &self,
        changes: &mut Changes,
        recorded: &Recorded,
        before: Option<&Customer>,
        after: Option<&Customer>,
    ) -> Result<(), ViewError> {
        let Some(id) = customer_of(recorded) else { return Ok(()) };
        let is_moved = is_moved(before, after);
        let listed = documents(id, before, after.filter(|_| !is_moved));
        let wanted = documents(id, after, before.filter(|_| !is_moved));
        for key in listed.into_keys().filter(|key| !wanted.contains_key(key)) {
            changes.delete(key);
        }
        for (key, document) in wanted {
            changes.put(key, &document)?;
        }
        Ok(())
    }
}

/// What is due for `customer`, without the subscriptions that `other` has the very same.
fn documents(
    id: &CustomerId,
    customer: Option<&Customer>,
    other: Option<&Customer>,
) -> BTreeMap<String, DueDocument> {
    let Some(customer) = customer else { return BTreeMap::new() };
    let is_changed = |s: &&Subscription| {
        let known = other.and_then(|other| other.subscriptions.get(&s.id));
        known.map(|known| &**known) != Some(*s)
    };
    let subscriptions = customer.subscriptions.values().map(|s| &**s).filter(is_changed);
    let of_subscriptions =
        subscriptions.flat_map(|s| due_of(s).into_iter().map(move |due| (due, Some(s))));
    let account = due_of_account(customer);
    let is_known = account == other.and_then(due_of_account);
    let of_account = account.filter(|_| !is_known).map(|due| (due, None));
    let all = of_subscriptions.chain(of_account);
    all.map(|(due, subscription)| (due_key(id, &due), document(id, customer, due, subscription)))
        .collect()
}

fn due_key(customer: &CustomerId, due: &DueCommand) -> String {
    let subscription = due.subscription.as_ref().map_or("=", SubscriptionId::as_str);
    key(NAME, &[&sortable(due.at), customer.as_str(), subscription, due.word()])
}

fn document(
    id: &CustomerId,
    customer: &Customer,
    due: DueCommand,
    subscription: Option<&Subscription>,
) -> DueDocument {
    DueDocument {
        due_at: due.at,
        customer: id.clone(),
        reseller: customer.profile.reseller.clone(),
        action: due.word().to_owned(),
        command_id: due.command_id(),
        command: due.command,
        subscription: subscription.map(|s| DueSubscription {
            subscription: s.id.clone(),
            offer: s.offer.clone(),
            offer_title: s.offer_title.clone(),
            quantity: s.quantity,
            next_quantity: s.scheduled.as_ref().map_or(s.quantity, |next| next.quantity),
        }),
    }
}

/// Text of an instant that sorts like the instant, from year 1 to 9999.
pub(crate) fn sortable(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_sort_as_text() {
        let texts = ["0001-01-02T00:00:00Z", "1969-12-31T00:00:00Z", "2026-01-01T00:00:00.001Z"];
        let sortables = texts.map(|text| sortable(text.parse().unwrap()));
        assert!(sortables.is_sorted(), "{sortables:?}");
    }
}
