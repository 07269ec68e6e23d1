//! What time will bring about: one document per living subscription, in the order of its term's end.
//! Key: `due@1/INSTANT/CUSTOMER/SUBSCRIPTION`. The scheduler works from it; it is also the renewal
//! calendar.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use ledger_core::calendar::renewal_due;
use ledger_core::customer::{Customer, EndOfTermAction, Subscription};
use ledger_core::ids::{CustomerId, OfferId, ResellerId, SubscriptionId};
use ledger_core::record::Recorded;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Changes, View, ViewError, customer_of, key};

pub(crate) const NAME: &str = "due@1";

/// The end of a term and what is to happen then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DueDocument {
    /// When the term is over.
    pub due_at: DateTime<Utc>,
    /// Whose subscription it is.
    #[schema(value_type = String)]
    pub customer: CustomerId,
    /// Which subscription.
    #[schema(value_type = String)]
    pub subscription: SubscriptionId,
    /// Reseller who serves the customer.
    #[schema(value_type = String)]
    pub reseller: ResellerId,
    /// Of which offer.
    #[schema(value_type = String)]
    pub offer: OfferId,
    /// The offer's name.
    pub offer_title: String,
    /// Last day of the term, included.
    pub term_end: NaiveDate,
    /// What is to happen: `renew` or `cancel`.
    #[schema(value_type = String)]
    pub action: EndOfTermAction,
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
        for subscription in before.into_iter().flat_map(Customer::active) {
            if !is_known(after, subscription) {
                changes.delete(due_key(id, subscription)?);
            }
        }
        let Some(after) = after else { return Ok(()) };
        for subscription in after.active() {
            if !is_known(before, subscription) {
                let document = document(id, after, subscription)?;
                changes.put(due_key(id, subscription)?, &document)?;
            }
        }
        Ok(())
    }
}

/// Text of an instant that sorts like the instant, from year 1 to 9999.
pub(crate) fn sortable(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn due_key(customer: &CustomerId, subscription: &Subscription) -> Result<String, ViewError> {
    let due_at = sortable(renewal_due(subscription.term.end)?);
    Ok(key(NAME, &[&due_at, customer.as_str(), subscription.id.as_str()]))
}

/// Whether `customer` has the very same subscription, alive.
fn is_known(customer: Option<&Customer>, subscription: &Subscription) -> bool {
    let known = customer.and_then(|customer| customer.subscriptions.get(&subscription.id));
    known.is_some_and(|known| **known == *subscription)
}

fn document(
    id: &CustomerId,
    customer: &Customer,
    subscription: &Subscription,
) -> Result<DueDocument, ViewError> {
    Ok(DueDocument {
        due_at: renewal_due(subscription.term.end)?,
        customer: id.clone(),
        subscription: subscription.id.clone(),
        reseller: customer.profile.reseller.clone(),
        offer: subscription.offer.clone(),
        offer_title: subscription.offer_title.clone(),
        term_end: subscription.term.end,
        action: subscription.end_of_term,
        quantity: subscription.quantity,
        next_quantity: subscription.scheduled.map_or(subscription.quantity, |next| next.quantity),
    })
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
