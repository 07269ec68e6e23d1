//! What comes back.

use chrono::{DateTime, Utc};
use ledger_core::charges::ChargeLine;
use ledger_core::customer::{Customer, Warning};
use ledger_core::ids::CustomerId;
use ledger_core::ledger::Outcome;
use ledger_core::money::MoneyError;
use ledger_core::record::EventEntry;
use serde::Serialize;
use utoipa::ToSchema;

/// A part of a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct List<T> {
    /// The entries.
    pub data: Vec<T>,
    /// Whether more follow.
    pub has_more: bool,
    /// What to send as `cursor` to get them.
    pub next: Option<String>,
}

/// What became of a command.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Done {
    /// Whose stream it is; null for the catalogue and for billing.
    #[schema(value_type = Option<String>)]
    pub customer: Option<CustomerId>,
    /// The stream's version after the command.
    pub version: u64,
    /// Position in the log, for `min_position`; null when everything was already as asked.
    pub position: Option<u64>,
    /// When it was recorded.
    pub recorded_at: Option<DateTime<Utc>>,
    /// What happened, in order; each with its `id`, its `event` and its fields.
    #[schema(value_type = Vec<Object>)]
    pub events: Vec<EventEntry>,
    /// What it cost or saved.
    #[schema(value_type = Vec<Object>)]
    pub charge_lines: Vec<ChargeLine>,
    /// What a person might overlook.
    #[schema(value_type = Vec<Object>)]
    pub warnings: Vec<Warning>,
    /// Whether everything was already as asked, so that nothing was recorded.
    pub unchanged: bool,
}

impl Done {
    /// What was recorded, or that nothing had to be.
    ///
    /// # Errors
    ///
    /// [`MoneyError`] when a charge cannot be computed; no recorded event has such a charge.
    pub fn of(customer: Option<CustomerId>, outcome: Outcome) -> Result<Self, MoneyError> {
        let version = outcome.version;
        let Some(recorded) = outcome.recorded else {
            return Ok(Self {
                customer,
                version,
                position: None,
                recorded_at: None,
                events: Vec::new(),
                charge_lines: Vec::new(),
                warnings: Vec::new(),
                unchanged: true,
            });
        };
        let charge_lines = recorded.charge_lines()?;
        let warnings = ledger_core::customer::warnings(&recorded.events);
        let ids: Vec<_> = (0..recorded.events.len()).map(|at| recorded.event_id(at)).collect();
        Ok(Self {
            customer,
            version,
            position: Some(recorded.position),
            recorded_at: Some(recorded.commit().recorded_at),
            events: ids
                .into_iter()
                .zip(recorded.events)
                .map(|(id, event)| EventEntry { id, event })
                .collect(),
            charge_lines,
            warnings,
            unchanged: false,
        })
    }
}

/// What a command would do.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Previewed {
    /// Always true.
    pub dry_run: bool,
    /// Whose stream it is; null for the catalogue and for billing.
    #[schema(value_type = Option<String>)]
    pub customer: Option<CustomerId>,
    /// The stream's version before the command; send it back in If-Match to get exactly this.
    pub version: u64,
    /// What would happen, in order, with the ids it would get.
    #[schema(value_type = Vec<Object>)]
    pub events: Vec<EventEntry>,
    /// What it would cost or save.
    #[schema(value_type = Vec<Object>)]
    pub charge_lines: Vec<ChargeLine>,
    /// What a person might overlook.
    #[schema(value_type = Vec<Object>)]
    pub warnings: Vec<Warning>,
    /// The customer afterwards; null for the catalogue and for billing.
    #[schema(value_type = Option<Object>)]
    pub state: Option<Box<Customer>>,
    /// Whether everything is already as asked.
    pub unchanged: bool,
}

/// A customer as the ledger has it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CustomerState {
    /// Who it is.
    #[schema(value_type = String)]
    pub customer: CustomerId,
    /// Version of its stream; also the `ETag`.
    pub version: u64,
    /// Everything it holds; null before its registration.
    #[schema(value_type = Option<Object>)]
    pub state: Option<Customer>,
}
