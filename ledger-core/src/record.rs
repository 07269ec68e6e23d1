//! A commit read back with its events, and the state of a customer at an instant.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::charges::{ChargeLine, lines};
use crate::codec::{CodecError, decode};
use crate::commit::{Commit, Hash, SealedCommit};
use crate::customer::{Customer, Event, evolve};
use crate::ids::{Actor, CommandId, Reason, StreamId};
use crate::money::MoneyError;
use crate::store::StoredCommit;

/// A stored commit with its events decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Position in the log, from 1.
    pub position: u64,
    /// The commit as sealed.
    pub sealed: SealedCommit,
    /// What happened, in order.
    pub events: Vec<Event>,
}

impl Recorded {
    /// Decodes a stored commit.
    ///
    /// # Errors
    ///
    /// [`CodecError`] when an event is unknown to this version or damaged.
    pub fn read(stored: StoredCommit) -> Result<Self, CodecError> {
        let position = u64::from(stored.sequence_number());
        Self::open(position, stored.take())
    }

    /// Decodes a sealed commit that has `position` in its log.
    ///
    /// # Errors
    ///
    /// [`CodecError`] when an event is unknown to this version or damaged.
    pub fn open(position: u64, sealed: SealedCommit) -> Result<Self, CodecError> {
        let commit = sealed.commit();
        let events = commit.events.iter().map(|event| decode(&commit.codec, event));
        let events = events.collect::<Result<_, _>>()?;
        Ok(Self { position, sealed, events })
    }

    /// The commit's fields.
    #[must_use]
    pub fn commit(&self) -> &Commit {
        self.sealed.commit()
    }

    /// Id of the event with this index: `customer/version.ordinal`, or `@catalogue/...` and
    /// `@billing/...`; the first ordinal is 1.
    #[must_use]
    pub fn event_id(&self, index: usize) -> String {
        event_id(self.commit(), index)
    }

    /// The charge lines that the commit's events cause.
    ///
    /// # Errors
    ///
    /// [`MoneyError`] when an amount cannot be computed; no decided event has such an amount.
    pub fn charge_lines(&self) -> Result<Vec<ChargeLine>, MoneyError> {
        charge_lines(self.commit(), &self.events)
    }
}

fn event_id(commit: &Commit, index: usize) -> String {
    format!("{}/{}.{}", commit.stream.owner(), commit.version, index.saturating_add(1))
}

/// The charge lines that `events`, recorded as `commit`, cause.
///
/// # Errors
///
/// [`MoneyError`] when an amount cannot be computed; no decided event has such an amount.
pub fn charge_lines(commit: &Commit, events: &[Event]) -> Result<Vec<ChargeLine>, MoneyError> {
    let mut all = Vec::new();
    for (index, event) in events.iter().enumerate() {
        all.extend(lines(&event_id(commit, index), event)?);
    }
    Ok(all)
}

/// A commit as people and programs read it: the JSON of histories, answers and exports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Position in the log, from 1.
    pub position: u64,
    /// Stream the commit belongs to.
    pub stream: StreamId,
    /// Number in the stream, from 1.
    pub version: u64,
    /// When the ledger recorded it.
    pub recorded_at: DateTime<Utc>,
    /// When it took effect.
    pub effective_at: DateTime<Utc>,
    /// Who issued the command.
    pub actor: Actor,
    /// Why.
    pub reason: Reason,
    /// Id of the command.
    pub command_id: CommandId,
    /// The command as it was decided.
    pub command: serde_json::Value,
    /// Ties together what one business transaction caused.
    pub correlation_id: Option<CommandId>,
    /// What caused the command.
    pub causation_id: Option<CommandId>,
    /// What happened, in order.
    pub events: Vec<EventEntry>,
    /// What it cost or saved.
    pub charge_lines: Vec<ChargeLine>,
    /// SHA-256 of the commit's canonical bytes.
    pub hash: Hash,
    /// Hash of the stream's previous commit.
    pub previous: Hash,
}

/// An event with its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EventEntry {
    /// `customer/version.ordinal`; the id under which it is published.
    pub id: String,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

impl Entry {
    /// Writes `recorded` down for readers.
    ///
    /// # Errors
    ///
    /// [`MoneyError`] when an amount cannot be computed; no decided event has such an amount.
    pub fn of(recorded: &Recorded) -> Result<Self, MoneyError> {
        let commit = recorded.commit();
        let events = recorded.events.iter().enumerate().map(|(index, event)| EventEntry {
            id: recorded.event_id(index),
            event: event.clone(),
        });
        Ok(Self {
            position: recorded.position,
            stream: commit.stream.clone(),
            version: commit.version,
            recorded_at: commit.recorded_at,
            effective_at: commit.effective_at,
            actor: commit.actor.clone(),
            reason: commit.reason.clone(),
            command_id: commit.command_id.clone(),
            command: serde_json::from_slice(&commit.request).unwrap_or_default(),
            correlation_id: commit.correlation_id.clone(),
            causation_id: commit.causation_id.clone(),
            events: events.collect(),
            charge_lines: recorded.charge_lines()?,
            hash: recorded.sealed.hash(),
            previous: commit.previous,
        })
    }
}

/// A question about the past on both time axes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AsOf {
    /// Only what had taken effect by then, included; everything when `None`.
    pub effective_at: Option<DateTime<Utc>>,
    /// Only what had been recorded by then, included; everything when `None`.
    pub known_at: Option<DateTime<Utc>>,
}

impl AsOf {
    /// Whether `commit` counts.
    #[must_use]
    pub fn includes(&self, commit: &Commit) -> bool {
        self.effective_at.is_none_or(|at| commit.effective_at <= at)
            && self.known_at.is_none_or(|at| commit.recorded_at <= at)
    }
}

/// What a customer was at a point of both time axes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StateAt {
    /// Version of the last commit that counts; zero when none does.
    pub version: u64,
    /// The customer; `None` before its registration.
    pub customer: Option<Customer>,
}

/// Folds the commits of one customer that `as_of` includes.
pub fn state_at<'a>(history: impl IntoIterator<Item = &'a Recorded>, as_of: AsOf) -> StateAt {
    let start = StateAt { version: 0, customer: None };
    history.into_iter().filter(|recorded| as_of.includes(recorded.commit())).fold(
        start,
        |state, recorded| StateAt {
            version: recorded.commit().version,
            customer: recorded.events.iter().fold(state.customer, evolve),
        },
    )
}

/// A command that changed nothing: refused by a rule, or already as asked. Kept in the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Stable code of the rule.
    pub code: String,
    /// The rule in one sentence.
    pub rule: String,
    /// Where the rule comes from.
    pub source: String,
    /// What the caller is told.
    pub message: String,
    /// The facts that failed, as a JSON object.
    pub facts: String,
    /// From when on the same command will succeed, if waiting helps.
    pub succeeds_at: Option<DateTime<Utc>>,
    /// Whether the same command with the same id is decided anew when it is sent again; the first version
    /// did not say, and never did so.
    #[serde(default)]
    pub is_transient: bool,
}

/// Checks that commits, given in the order of their versions, form one unbroken chain.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    version: u64,
    hash: Option<Hash>,
}

impl Chain {
    /// Accepts the next commit of the stream.
    ///
    /// # Errors
    ///
    /// What is wrong, in one sentence.
    pub fn next(&mut self, sealed: &SealedCommit) -> Result<(), String> {
        let commit = sealed.commit();
        let expected = self.version.saturating_add(1);
        if commit.version != expected {
            return Err(format!("version {} follows version {}", commit.version, self.version));
        }
        if commit.previous != self.hash.unwrap_or(Hash::ZERO) {
            return Err(format!("version {} does not link to the commit before", commit.version));
        }
        self.version = commit.version;
        self.hash = Some(sealed.hash());
        Ok(())
    }
}
