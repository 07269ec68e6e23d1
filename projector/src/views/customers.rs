//! Customers: one document each. Key: `customers@1/CUSTOMER`.

use chrono::{DateTime, Utc};
use ledger_core::customer::Customer;
use ledger_core::ids::{CustomerId, ProgrammeId, ResellerId};
use ledger_core::money::Currency;
use ledger_core::record::Recorded;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Changes, View, ViewError, customer_of, key};

pub(crate) const NAME: &str = "customers@1";

/// A customer in numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CustomerDocument {
    /// Its id.
    #[schema(value_type = String)]
    pub customer: CustomerId,
    /// The company's name.
    pub name: String,
    /// Programme whose rules hold for it.
    #[schema(value_type = String)]
    pub programme: ProgrammeId,
    /// Reseller who serves it.
    #[schema(value_type = String)]
    pub reseller: ResellerId,
    /// Market (ISO 3166-1 alpha-2).
    pub market: String,
    /// Currency of all its prices (ISO 4217).
    #[schema(value_type = String)]
    pub currency: Currency,
    /// Whether the partner has delegated administration.
    pub delegated_admin: bool,
    /// Living subscriptions.
    pub active_subscriptions: u64,
    /// Seats of all living subscriptions.
    pub seats: u64,
    /// Licences in use, over all offers.
    pub assigned: u64,
    /// Version of its stream.
    pub version: u64,
    /// Position in the log of its last commit.
    pub position: u64,
    /// When that commit was recorded.
    pub changed_at: DateTime<Utc>,
}

/// The view of customers.
#[derive(Clone, Copy, Debug)]
pub struct Customers;

impl View for Customers {
    fn name(&self) -> &'static str {
        NAME
    }

    fn apply(
        &self,
        changes: &mut Changes,
        recorded: &Recorded,
        _: Option<&Customer>,
        after: Option<&Customer>,
    ) -> Result<(), ViewError> {
        let (Some(id), Some(after)) = (customer_of(recorded), after) else { return Ok(()) };
        changes.put(key(NAME, &[id.as_str()]), &document(recorded, id, after))
    }
}

fn document(recorded: &Recorded, id: &CustomerId, customer: &Customer) -> CustomerDocument {
    let profile = customer.profile.clone();
    CustomerDocument {
        customer: id.clone(),
        name: profile.name,
        programme: profile.programme,
        reseller: profile.reseller,
        market: profile.market,
        currency: profile.currency,
        delegated_admin: customer.delegated_admin.is_some(),
        active_subscriptions: customer.active().fold(0, |sum: u64, _| sum.saturating_add(1)),
        seats: customer.active().map(|subscription| u64::from(subscription.quantity)).sum(),
        assigned: customer
            .assignments
            .keys()
            .map(|offer| u64::from(customer.assigned(offer)))
            .sum(),
        version: recorded.commit().version,
        position: recorded.position,
        changed_at: recorded.commit().recorded_at,
    }
}
