//! Last changes: one document per commit of a customer, never changed afterwards.
//! Keys: `changes@2/of/CUSTOMER/POSITION` for the document, `changes@2/at/POSITION` for its customer.

use chrono::{DateTime, Utc};
use ledger_core::customer::{Customer, Event};
use ledger_core::ids::{ActorId, CommandId, CustomerId, OfferId, Reason, Role, SubscriptionId};
use ledger_core::record::Recorded;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::audit::{Changed, quantity_changes};
use super::{Changes, View, ViewError, customer_of, key, padded};

pub(crate) const NAME: &str = "changes@2";

/// Part of the key under which the documents of one customer are.
pub(crate) const OF: &str = "of";

/// Part of the key under which the customers of all commits are.
pub(crate) const AT: &str = "at";

/// What one command changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangeDocument {
    /// Position in the log.
    pub position: u64,
    /// Whose commit it is.
    #[schema(value_type = String)]
    pub customer: CustomerId,
    /// Version of the customer's stream.
    pub version: u64,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// When it took effect.
    pub effective_at: DateTime<Utc>,
    /// Who: opaque id.
    #[schema(value_type = String)]
    pub actor: ActorId,
    /// In which role.
    #[schema(value_type = String)]
    pub role: Role,
    /// Why.
    #[schema(value_type = String)]
    pub reason: Reason,
    /// Id of the command.
    #[schema(value_type = String)]
    pub command_id: CommandId,
    /// Name of the command, for example `AddSeats`.
    pub command: String,
    /// Names of the events, in order.
    pub events: Vec<String>,
    /// The changes of quantities, in the order of the events.
    pub quantities: Vec<QuantityDocument>,
}

/// A change of one quantity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuantityDocument {
    /// Which subscription.
    #[schema(value_type = String)]
    pub subscription: SubscriptionId,
    /// Of which offer. An upgrade in place leaves one offer and enters another.
    #[schema(value_type = String)]
    pub offer: OfferId,
    /// Seats before.
    pub from: u32,
    /// Seats after.
    pub to: u32,
}

/// The view of the last changes.
#[derive(Clone, Copy, Debug)]
pub struct LastChanges;

impl View for LastChanges {
    fn name(&self) -> &'static str {
        NAME
    }

    fn apply(
        &self,
        changes: &mut Changes,
        recorded: &Recorded,
        _: Option<&Customer>,
        _: Option<&Customer>,
    ) -> Result<(), ViewError> {
        let Some(id) = customer_of(recorded) else { return Ok(()) };
        let position = padded(recorded.position);
        changes.put(key(NAME, &[AT, &position]), id)?;
        changes.put(key(NAME, &[OF, id.as_str(), &position]), &document(recorded, id)?)
    }
}

/// The part of a stored request that names the command.
#[derive(Deserialize)]
struct Asked {
    command: String,
}

fn document(recorded: &Recorded, customer: &CustomerId) -> Result<ChangeDocument, ViewError> {
    let commit = recorded.commit();
    let changed = recorded.events.iter().flat_map(quantity_changes);
    let Asked { command } = serde_json::from_slice(&commit.request)?;
    Ok(ChangeDocument {
        position: recorded.position,
        customer: customer.clone(),
        version: commit.version,
        recorded_at: commit.recorded_at,
        effective_at: commit.effective_at,
        actor: commit.actor.id.clone(),
        role: commit.actor.role,
        reason: commit.reason.clone(),
        command_id: commit.command_id.clone(),
        command,
        events: recorded.events.iter().map(Event::name).map(ToOwned::to_owned).collect(),
        quantities: changed.map(|changed| quantity(&changed)).collect(),
    })
}

fn quantity(changed: &Changed<'_>) -> QuantityDocument {
    QuantityDocument {
        subscription: changed.subscription.clone(),
        offer: changed.offer.clone(),
        from: changed.quantity.from,
        to: changed.quantity.to,
    }
}
