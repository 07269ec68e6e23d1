//! Last changes: one document per commit of a customer. Made of the commit when asked for, not stored.

use chrono::{DateTime, Utc};
use ledger_core::customer::Event;
use ledger_core::ids::{ActorId, CommandId, CustomerId, OfferId, Reason, Role, SubscriptionId};
use ledger_core::record::Recorded;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::audit::{Changed, quantity_changes};
use super::{ViewError, customer_of};

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

/// The part of a stored request that names the command.
#[derive(Deserialize)]
struct Asked {
    command: String,
}

/// What a commit changed; `None` for a commit of the catalogue.
pub(crate) fn document(recorded: &Recorded) -> Result<Option<ChangeDocument>, ViewError> {
    let Some(customer) = customer_of(recorded) else { return Ok(None) };
    let commit = recorded.commit();
    let changed = recorded.events.iter().flat_map(quantity_changes);
    let Asked { command } = serde_json::from_slice(&commit.request)?;
    Ok(Some(ChangeDocument {
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
    }))
}

fn quantity(changed: &Changed<'_>) -> QuantityDocument {
    QuantityDocument {
        subscription: changed.subscription.clone(),
        offer: changed.offer.clone(),
        from: changed.quantity.from,
        to: changed.quantity.to,
    }
}
