//! Licences: one document per customer and offer, as long as there are seats or assignments.
//! Key: `licences@2/CUSTOMER/OFFER`.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use ledger_core::customer::{Customer, Status, Subscription};
use ledger_core::ids::{CustomerId, OfferId};
use ledger_core::record::Recorded;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Changes, View, ViewError, customer_of, key};

pub(crate) const NAME: &str = "licences@2";

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
    /// Seats of all subscriptions in service: active, or expired and in their time of grace.
    pub valid: u32,
    /// Of these, seats in their time of grace.
    pub in_grace: u32,
    /// Seats of suspended subscriptions, which nobody can use; not in `valid`.
    pub suspended: u32,
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
    in_grace: u32,
    suspended: u32,
    assigned: u32,
}

/// The subscriptions whose seats are counted: in service, or suspended.
fn counted(customer: &Customer) -> impl Iterator<Item = &Subscription> {
    let all = customer.subscriptions.values().map(|subscription| &**subscription);
    all.filter(|s| s.is_in_service() || s.status == Status::Suspended)
}

fn offers(customer: Option<&Customer>) -> impl Iterator<Item = &OfferId> {
    customer
        .into_iter()
        .flat_map(|customer| counted(customer).map(|s| &s.offer).chain(customer.assignments.keys()))
}

fn count(customer: Option<&Customer>, offer: &OfferId) -> Option<Count> {
    let customer = customer?;
    let held = || counted(customer).filter(|s| s.offer == *offer);
    if held().next().is_none() && !customer.assignments.contains_key(offer) {
        return None;
    }
    let seats = |status| {
        let all = held().filter(|s| s.status == status).map(|s| s.quantity);
        all.fold(0, u32::saturating_add)
    };
    let ever = customer.subscriptions.values().map(|s| &**s).filter(|s| s.offer == *offer);
    let title = held().chain(ever).map(|s| s.offer_title.clone()).next();
    Some(Count {
        title: title.unwrap_or_else(|| offer.to_string()),
        valid: customer.valid(offer),
        in_grace: seats(Status::Expired),
        suspended: seats(Status::Suspended),
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
        in_grace: count.in_grace,
        suspended: count.suspended,
        assigned: count.assigned,
        available: count.valid.saturating_sub(count.assigned),
        shortfall: count.assigned.saturating_sub(count.valid),
        version: recorded.commit().version,
        position: recorded.position,
        changed_at: recorded.commit().recorded_at,
    }
}
