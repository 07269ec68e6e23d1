//! Charge lines: one document each. Made of the commit when asked for, not stored.

use chrono::{DateTime, NaiveDate, Utc};
use ledger_core::charges::{ChargeLine, ChargeType};
use ledger_core::ids::{
    ActorId, CommandId, CustomerId, OfferId, ProgrammeId, Reason, Role, SubscriptionId,
};
use ledger_core::money::{Currency, RoundingPolicy};
use ledger_core::record::Recorded;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ViewError, customer_of};

/// One line of a bill, with everything it was computed from and who caused it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChargeDocument {
    /// The causing event's id and the line's number in it: `customer/version.event/line`.
    pub id: String,
    /// Id of the event; lines that belong together share it.
    pub reference_id: String,
    /// Who is charged.
    #[schema(value_type = String)]
    pub customer: CustomerId,
    /// For which subscription.
    #[schema(value_type = String)]
    pub subscription: SubscriptionId,
    /// Of which offer.
    #[schema(value_type = String)]
    pub offer: OfferId,
    /// Why, in the vendor's words, for example `addQuantity`.
    #[schema(value_type = String)]
    pub charge_type: ChargeType,
    /// Seats; negative for a credit.
    pub quantity: i64,
    /// Price of one seat for a whole charge cycle.
    #[schema(value_type = String)]
    pub unit_price: Decimal,
    /// Price of one seat for the billable days, as the rounding policy leaves it.
    #[schema(value_type = String)]
    pub effective_unit_price: Decimal,
    /// First day charged or credited.
    pub period_start: NaiveDate,
    /// Last day charged or credited, included.
    pub period_end: NaiveDate,
    /// How many days these are.
    pub billable_days: u32,
    /// How many days the charge cycle has.
    pub cycle_days: u32,
    /// The amount, rounded once; negative for a credit.
    #[schema(value_type = String)]
    pub amount: Decimal,
    /// Currency of all prices and the amount (ISO 4217).
    #[schema(value_type = String)]
    pub currency: Currency,
    /// How it was rounded.
    #[schema(value_type = String)]
    pub rounding: RoundingPolicy,
    /// The computation with its numbers.
    pub formula: String,
    /// Programme whose rules were applied.
    #[schema(value_type = String)]
    pub programme: ProgrammeId,
    /// Version of the catalogue in force.
    pub catalogue: String,
    /// Id of the command.
    #[schema(value_type = String)]
    pub command_id: CommandId,
    /// Who: opaque id.
    #[schema(value_type = String)]
    pub actor: ActorId,
    /// In which role.
    #[schema(value_type = String)]
    pub role: Role,
    /// Why.
    #[schema(value_type = String)]
    pub reason: Reason,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// When it took effect.
    pub effective_at: DateTime<Utc>,
    /// Position in the log.
    pub position: u64,
}

/// The charge lines of a commit, in order.
pub(crate) fn documents(recorded: &Recorded) -> Result<Vec<ChargeDocument>, ViewError> {
    let Some(id) = customer_of(recorded) else { return Ok(Vec::new()) };
    let lines = recorded.charge_lines()?.into_iter();
    Ok(lines.map(|line| document(recorded, id, line)).collect())
}

fn document(recorded: &Recorded, customer: &CustomerId, line: ChargeLine) -> ChargeDocument {
    let commit = recorded.commit();
    ChargeDocument {
        id: line.id,
        reference_id: line.reference_id,
        customer: customer.clone(),
        subscription: line.subscription,
        offer: line.offer,
        charge_type: line.charge_type,
        quantity: line.quantity,
        unit_price: line.unit_price,
        effective_unit_price: line.effective_unit_price,
        period_start: line.period.start,
        period_end: line.period.end,
        billable_days: line.billable_days,
        cycle_days: line.cycle_days,
        amount: line.amount.amount,
        currency: line.amount.currency,
        rounding: line.rounding,
        formula: line.formula,
        programme: line.rules.programme,
        catalogue: line.rules.catalogue,
        command_id: commit.command_id.clone(),
        actor: commit.actor.id.clone(),
        role: commit.actor.role,
        reason: commit.reason.clone(),
        recorded_at: commit.recorded_at,
        effective_at: commit.effective_at,
        position: recorded.position,
    }
}
