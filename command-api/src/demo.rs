//! The demo: a story of two years, told to the ledger as callers would have told it.

use chrono::{DateTime, Utc};
use ledger_core::catalogue::{Catalogue, SEEDS_TOML};
use ledger_core::customer::Command;
use ledger_core::ids::{Actor, ActorId, CommandId, CustomerId, Reason, Role, StreamId};
use ledger_core::ledger::{ExecuteError, Request};
use ledger_core::store::CommitLog;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::scheduler::{SchedulerError, advance};
use crate::state::AppState;
use crate::tokens::DemoScope;

/// The customer that the start message shows.
pub const SHOWN_CUSTOMER: &str = "atelier-lumiere";

/// The subscription that the start message asks about.
pub const SHOWN_SUBSCRIPTION: &str = "proplus-studio";

const STORY: &str = include_str!("../demo/story.yaml");

/// Why the story could not be told.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The story is not YAML of the form expected.
    #[error("the story cannot be read")]
    Story(#[from] serde_norway::Error),
    /// A step is not a command.
    #[error("step {step} of the story is not a command")]
    Step {
        /// Number of the step, from 1.
        step: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The catalogue of the source documents cannot be read.
    #[error("the example catalogue cannot be read")]
    Catalogue(#[from] toml::de::Error),
    /// The clock could not be moved to a step.
    #[error("step {step} of the story: the clock cannot be moved to it")]
    Clock {
        /// Number of the step, from 1.
        step: usize,
        /// Why not.
        source: SchedulerError,
    },
    /// A step was not answered as the story says.
    #[error("step {step} of the story was not carried out")]
    Execute {
        /// Number of the step, from 1.
        step: usize,
        /// Why not.
        source: ExecuteError,
    },
    /// A step was carried out although the story says that a rule refuses it.
    #[error("step {step} of the story was carried out, but {code} was to refuse it")]
    NotRefused {
        /// Number of the step, from 1.
        step: usize,
        /// Code of the rule.
        code: String,
    },
    /// The folder has commits that are not the story's.
    #[error("the data folder holds other data: choose a new folder for --demo")]
    OtherData,
}

/// The story of the demo.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Story {
    /// Where the clock starts.
    pub start: DateTime<Utc>,
    /// Where the clock stands at the end.
    pub end: DateTime<Utc>,
    /// Whose the example tokens are.
    pub tokens: DemoScope,
    /// What was asked, in order.
    pub steps: Vec<Step>,
}

/// One command of the story.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor: ActorId,
    /// In which role.
    pub role: Role,
    /// Whose account; none for the catalogue and for billing.
    #[serde(default)]
    pub customer: Option<CustomerId>,
    /// Whether it is about bills.
    #[serde(default)]
    pub billing: bool,
    /// Why.
    pub reason: Reason,
    /// What, in the form of the API.
    pub send: Map<String, Value>,
    /// Code of the rule that refuses it; none when it is carried out.
    #[serde(default)]
    pub refused: Option<String>,
}

/// Reads the story.
///
/// # Errors
///
/// [`DemoError::Story`].
pub fn story() -> Result<Story, DemoError> {
    Ok(serde_norway::from_str(STORY)?)
}

/// Tells the story to an empty ledger, or the rest of it to one where it was interrupted.
///
/// # Errors
///
/// [`DemoError`]; telling it again goes on where it ended.
pub async fn load(state: &AppState, story: &Story) -> Result<(), DemoError> {
    if 0 < state.ledger.log().durable_position() {
        if !has_step(state, story, 0).await? {
            return Err(DemoError::OtherData);
        }
        if has_step(state, story, story.steps.len().saturating_sub(1)).await? {
            return Ok(());
        }
    }
    for (index, step) in story.steps.iter().enumerate() {
        tell(state, index, step).await?;
    }
    let step = story.steps.len();
    move_on(state, story.end).await.map_err(|source| DemoError::Clock { step, source })
}

/// Whether a step is recorded.
async fn has_step(state: &AppState, story: &Story, index: usize) -> Result<bool, DemoError> {
    let Some(step) = story.steps.get(index) else { return Ok(true) };
    let history = state.ledger.history(&stream(step)).await;
    let history =
        history.map_err(|source| DemoError::Execute { step: index.saturating_add(1), source })?;
    let id = command_id(index);
    Ok(history.iter().any(|recorded| recorded.commit().command_id == id))
}

async fn tell(state: &AppState, index: usize, told: &Step) -> Result<(), DemoError> {
    let step = index.saturating_add(1);
    move_on(state, told.at).await.map_err(|source| DemoError::Clock { step, source })?;
    let request = Request {
        stream: stream(told),
        command: command(step, told)?,
        command_id: command_id(index),
        actor: Actor { id: told.actor.clone(), role: told.role },
        reason: told.reason.clone(),
        now: state.clock.now(),
        correlation_id: None,
        causation_id: None,
        expected_version: None,
    };
    match (state.ledger.execute(request).await, &told.refused) {
        (Ok(_), None) => Ok(()),
        (Ok(_), Some(code)) => Err(DemoError::NotRefused { step, code: code.clone() }),
        (Err(ExecuteError::Refused { refusal, .. }), Some(code)) if refusal.code == *code => Ok(()),
        // Another version of the story has told something else under this id.
        (Err(ExecuteError::CommandIdReused { .. }), _) => Err(DemoError::OtherData),
        (Err(source), _) => Err(DemoError::Execute { step, source }),
    }
}

/// A story that was interrupted may find the clock later than the step.
async fn move_on(state: &AppState, at: DateTime<Utc>) -> Result<(), SchedulerError> {
    advance(state, at.max(state.clock.now())).await.map(|_| ())
}

fn stream(step: &Step) -> StreamId {
    match &step.customer {
        Some(customer) => StreamId::Customer(customer.clone()),
        None if step.billing => StreamId::Billing,
        None => StreamId::Catalogue,
    }
}

/// The command of a step; the catalogue is that of the source documents.
fn command(step: usize, told: &Step) -> Result<Command, DemoError> {
    let mut fields = told.send.clone();
    let failed = |source| DemoError::Step { step, source };
    if fields.contains_key("catalogue") {
        let catalogue: Catalogue = toml::from_str(SEEDS_TOML)?;
        let catalogue = serde_json::to_value(catalogue).map_err(failed)?;
        fields.insert("catalogue".to_owned(), catalogue);
    }
    serde_json::from_value(Value::Object(fields)).map_err(failed)
}

fn command_id(index: usize) -> CommandId {
    let id = format!("demo/{:03}", index.saturating_add(1));
    CommandId::try_new(id).expect("a word and a number make an id")
}
