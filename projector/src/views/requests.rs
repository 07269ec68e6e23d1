//! Requests for more or fewer seats that wait for an answer: one document each.
//! Key: `requests@1/CUSTOMER/REQUEST`.

use chrono::{DateTime, Utc};
use ledger_core::customer::{Customer, QuantityRequest};
use ledger_core::ids::{ActorId, CustomerId, OfferId, QuantityRequestId, Reason, Role};
use ledger_core::record::Recorded;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Changes, View, ViewError, customer_of, key};

pub(crate) const NAME: &str = "requests@1";

/// What a customer asks its reseller for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RequestDocument {
    /// Whose it is.
    #[schema(value_type = String)]
    pub customer: CustomerId,
    /// Its id, unique within the customer.
    #[schema(value_type = String)]
    pub request: QuantityRequestId,
    /// Offer whose seats are asked for.
    #[schema(value_type = String)]
    pub offer: OfferId,
    /// Seats to be added, or given back when negative.
    pub seats: i64,
    /// Who asks: opaque id.
    #[schema(value_type = String)]
    pub actor: ActorId,
    /// In which role.
    #[schema(value_type = String)]
    pub role: Role,
    /// Why.
    #[schema(value_type = String)]
    pub reason: Reason,
    /// When it was asked.
    pub asked_at: DateTime<Utc>,
    /// Version of the customer's stream at which it was asked.
    pub version: u64,
    /// Position in the log of that commit.
    pub position: u64,
}

/// The view of requests.
#[derive(Clone, Copy, Debug)]
pub struct Requests;

impl View for Requests {
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
        let (Some(id), Some(after)) = (customer_of(recorded), after) else { return Ok(()) };
        let key = |request: &QuantityRequestId| key(NAME, &[id.as_str(), request.as_str()]);
        let known = before.map(|before| &before.requests);
        let answered = known.into_iter().flat_map(|known| known.keys());
        for request in answered.filter(|request| !after.requests.contains_key(request)) {
            changes.delete(key(request));
        }
        let is_new =
            |request: &QuantityRequestId| known.is_none_or(|all| !all.contains_key(request));
        for (request, asked) in after.requests.iter().filter(|(request, _)| is_new(request)) {
            changes.put(key(request), &document(recorded, id, request, asked))?;
        }
        Ok(())
    }
}

fn document(
    recorded: &Recorded,
    customer: &CustomerId,
    request: &QuantityRequestId,
    asked: &QuantityRequest,
) -> RequestDocument {
    let commit = recorded.commit();
    RequestDocument {
        customer: customer.clone(),
        request: request.clone(),
        offer: asked.offer.clone(),
        seats: asked.seats,
        actor: commit.actor.id.clone(),
        role: commit.actor.role,
        reason: commit.reason.clone(),
        asked_at: commit.recorded_at,
        version: commit.version,
        position: recorded.position,
    }
}
