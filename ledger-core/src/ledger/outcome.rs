//! What comes of a command.

use crate::charges::ChargeLine;
use crate::codec::CodecError;
use crate::commit::CommitError;
use crate::customer::{Customer, Event, Rejection, Warning};
use crate::money::MoneyError;
use crate::record::{Recorded, Refusal};
use crate::store::StoreError;

/// What became of a command that no rule refused.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The stream's version after the command; after the first one if this is a repetition.
    pub version: u64,
    /// What was recorded; `None` when everything was already as asked.
    pub recorded: Option<Recorded>,
    /// Whether this is the answer that an earlier command with the same id got.
    pub hit: bool,
}

/// What a command would do.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The stream's version before the command.
    pub version: u64,
    /// What would happen, in order; empty when everything is already as asked.
    pub events: Vec<Event>,
    /// What it would cost or save.
    pub charge_lines: Vec<ChargeLine>,
    /// The customer afterwards; `None` for the catalogue.
    pub customer: Option<Customer>,
    /// What should be said before it happens.
    pub warnings: Vec<Warning>,
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// A rule said no. Nothing changed; the caller must change the request or wait.
    #[error("{}", refusal.message)]
    Refused {
        /// The rule and the facts.
        refusal: Box<Refusal>,
        /// Whether this is the answer that an earlier command with the same id got.
        hit: bool,
    },
    /// The command id was used for another command. Nothing changed.
    #[error("this command id was used before for a command with another {field}: use a new id")]
    CommandIdReused {
        /// The first field that differs.
        field: String,
    },
    /// The stream is not at the version the caller has seen. Nothing changed.
    #[error("the version is {actual}, not {expected}: read again, then decide again")]
    VersionDiffers {
        /// The caller's version.
        expected: u64,
        /// The stream's version.
        actual: u64,
    },
    /// Other writers kept winning. Nothing changed; the caller may repeat the same request.
    #[error("the customer is busy: send the same command again")]
    Busy,
    /// The store could not do it; [`StoreError::Unknown`] leaves open whether it did.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored commit cannot be read, or a new one cannot be written.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The commit cannot be sealed. Nothing changed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The command or a refusal cannot be written as JSON. Nothing changed.
    #[error("the command cannot be written as JSON")]
    Json(#[from] serde_json::Error),
    /// A charge cannot be computed. Nothing changed.
    #[error(transparent)]
    Amount(#[from] MoneyError),
}

impl From<&Rejection> for Refusal {
    fn from(rejection: &Rejection) -> Self {
        let rule = rejection.rule();
        Self {
            code: rule.code.to_owned(),
            rule: rule.rule.to_owned(),
            source: rule.source.to_owned(),
            message: rejection.to_string(),
            facts: serde_json::to_string(rejection)
                .ok()
                .filter(|facts| facts.starts_with('{'))
                .unwrap_or_else(|| "{}".to_owned()),
            succeeds_at: rejection.succeeds_at(),
            is_transient: rejection.is_transient(),
        }
    }
}
