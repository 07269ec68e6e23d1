//! Licences: one document per customer and offer, as long as there are seats or assignments.
//! Key: `licences@1/CUSTOMER/OFFER`.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use ledger_core::customer::Customer;
use ledger_core::ids::{CustomerId, OfferId};
use ledger_core::record::Recorded;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Changes, View, ViewError, customer_of, key};

pub(crate) const NAME: &str = "licences@1";

/// Licences of one offer that a customer has and uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LicenceDocument {
    /// Whose they are.
    #[schema(value_type = String)]
    pub customer: CustomerId,
    /// Of which offer.
    #[schema(value_type = String)]
    pub offer: OfferId,
    /// The offer's name; its id when no subscription names it any more.
    pub offer_title: String,
    /// Seats of all living subscriptions.
    pub valid: u32,
    /// Licences in use.
    pub assigned: u32,
    /// Licences that can still be assigned.
    pub available: u32,
    /// Licences in use for which there is no seat.
    pub shortfall: u32,
    /// Version of the customer's stream that changed them last.
    pub version: u64,
    /// Position in the log of that commit.
    pub position: u64,
    /// When that commit was recorded.
    pub changed_at: DateTime<Utc>,
}

/// The view of licences.
#[derive(Clone, Copy, Debug)]
pub struct Licences;

impl View for Licences {
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
        let offers: BTreeSet<&OfferId> = offers(before).chain(offers(after)).collect();
        for offer in offers {
            let (was, is) = (count(before, offer), count(after, offer));
            let key = key(NAME, &[id.as_str(), offer.as_str()]);
            match is {
                _ if was == is => {}
                None => changes.delete(key),
                Some(is) => changes.put(key, &document(recorded, id, offer, is))?,
            }
        }
        Ok(())
    }
}

/// What a document says about one offer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Count {
    title: String,
    valid: u32,
    assigned: u32,
}

fn offers(customer: Option<&Customer>) -> impl Iterator<Item = &OfferId> {
    customer.into_iter().flat_map(|customer| {
        customer.active().map(|subscription| &subscription.offer).chain(customer.assignments.keys())
    })
}

fn count(customer: Option<&Customer>, offer: &OfferId) -> Option<Count> {
    let customer = customer?;
    let is_held = customer.active().any(|subscription| subscription.offer == *offer);
    if !is_held && !customer.assignments.contains_key(offer) {
        return None;
    }
    let named = customer.active().chain(customer.subscriptions.values().map(|s| &**s));
    let named = named.filter(|subscription| subscription.offer == *offer);
    let title = named.map(|subscription| subscription.offer_title.clone()).next();
    Some(Count {
        title: title.unwrap_or_else(|| offer.to_string()),
        valid: customer.valid(offer),
        assigned: customer.assigned(offer),
    })
}

fn document(
    recorded: &Recorded,
    customer: &CustomerId,
    offer: &OfferId,
    count: Count,
) -> LicenceDocument {
    LicenceDocument {
        customer: customer.clone(),
        offer: offer.clone(),
        offer_title: count.title,
        valid: count.valid,
        assigned: count.assigned,
        available: count.valid.saturating_sub(count.assigned),
        shortfall: count.assigned.saturating_sub(count.valid),
        version: recorded.commit().version,
        position: recorded.position,
        changed_at: recorded.commit().recorded_at,
    }
}
