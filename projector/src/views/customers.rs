//! Customers: one document each. Key: `customers@2/CUSTOMER`.

use chrono::{DateTime, Utc};
use ledger_core::catalogue::Segment;
use ledger_core::customer::{Customer, Status};
use ledger_core::ids::{CustomerId, ProgrammeId, ResellerId};
use ledger_core::money::Currency;
use ledger_core::record::Recorded;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Changes, View, ViewError, customer_of, key};

pub(crate) const NAME: &str = "customers@2";

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
    /// Segment it belongs to: `commercial`, `education`, `government` or `non-profit`.
    #[schema(value_type = String)]
    pub segment: Segment,
    /// Its registration number, where it has told one.
    pub registration_number: Option<String>,
    /// Version of the agreement that it accepted last.
    pub agreement: Option<String>,
    /// Whether the partner has delegated administration.
    pub delegated_admin: bool,
    /// When the delegated administration ends by itself; absent: only when revoked.
    pub delegated_admin_until: Option<DateTime<Utc>>,
    /// Active subscriptions, trials included.
    pub active_subscriptions: u64,
    /// Active subscriptions that are trials.
    pub trials: u64,
    /// Suspended subscriptions.
    pub suspended_subscriptions: u64,
    /// Requests for more or fewer seats that wait for an answer.
    pub requests_open: u64,
    /// Users that were added.
    pub users: u64,
    /// Seats of all subscriptions in service: active, or expired and in their time of grace.
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
    let all = || customer.subscriptions.values();
    let suspended = all().filter(|s| s.status == Status::Suspended);
    let in_service = all().filter(|s| s.is_in_service());
    let assigned = customer.assignments.keys();
    let admin = customer.delegated_admin.as_ref();
    CustomerDocument {
        customer: id.clone(),
        name: profile.name,
        programme: profile.programme,
        reseller: profile.reseller,
        market: profile.market,
        currency: profile.currency,
        segment: profile.segment,
        registration_number: profile.registration_number,
        agreement: customer.agreement.clone(),
        delegated_admin: admin.is_some(),
        delegated_admin_until: admin.and_then(|admin| admin.until),
        active_subscriptions: count(customer.active()),
        trials: count(customer.active().filter(|s| s.is_trial())),
        suspended_subscriptions: count(suspended),
        requests_open: count(customer.requests.keys()),
        users: count(customer.users.keys()),
        seats: in_service.map(|subscription| u64::from(subscription.quantity)).sum(),
        assigned: assigned.map(|offer| u64::from(customer.assigned(offer))).sum(),
        version: recorded.commit().version,
        position: recorded.position,
        changed_at: recorded.commit().recorded_at,
    }
}

fn count<T>(all: impl Iterator<Item = T>) -> u64 {
    all.fold(0, |sum: u64, _| sum.saturating_add(1))
}
