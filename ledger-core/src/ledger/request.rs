//! What is asked of the ledger, and the commit that comes of it.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::ExecuteError;
use crate::codec::{CODEC, CodecError, encode};
use crate::commit::{Commit, CommitError, EncodedEvent, Hash, SealedCommit};
use crate::customer::{Command, Event};
use crate::ids::{Actor, CommandId, Reason, StreamId};
use crate::store::Head;

/// A command with everything that is recorded about it.
#[derive(Clone, Debug)]
pub struct Request {
    /// The customer's stream, or the catalogue's.
    pub stream: StreamId,
    /// What is asked.
    pub command: Command,
    /// The caller's id of this command, kept across retries.
    pub command_id: CommandId,
    /// Who asks.
    pub actor: Actor,
    /// Why.
    pub reason: Reason,
    /// The instant it is asked; cut to milliseconds.
    pub now: DateTime<Utc>,
    /// Ties together what one business transaction causes.
    pub correlation_id: Option<CommandId>,
    /// What caused this command.
    pub causation_id: Option<CommandId>,
    /// The stream's version that the caller has seen; any when `None`.
    pub expected_version: Option<u64>,
}

/// A request with what is derived from it once.
pub(super) struct Asked {
    pub(super) request: Request,
    /// The command as it is stored.
    pub(super) json: Vec<u8>,
    pub(super) hash: Hash,
}

impl Asked {
    pub(super) fn new(request: Request) -> Result<Self, ExecuteError> {
        let json = serde_json::to_vec(&request.command)?;
        let hash = Hash::of(&json);
        Ok(Self { request, json, hash })
    }

    /// Checks that `commit`, which has the same command id, is of the same command.
    pub(super) fn expect_same(&self, commit: &Commit) -> Result<(), ExecuteError> {
        let field = if commit.actor != self.request.actor {
            "actor".to_owned()
        } else if commit.reason != self.request.reason {
            "reason".to_owned()
        } else if commit.request_hash != self.hash {
            differing_field(&commit.request, &self.json)
        } else {
            return Ok(());
        };
        Err(ExecuteError::CommandIdReused { field })
    }
}

/// When a command takes effect: what was due, however late it comes, and what is told about the past,
/// when it was so; all others at once.
pub(super) fn effective_at(command: &Command, now: DateTime<Utc>) -> DateTime<Utc> {
    command.due_at().map_or(now, |due_at| due_at.min(now))
}

pub(super) fn encode_all(events: &[Event]) -> Result<Vec<EncodedEvent>, CodecError> {
    events.iter().map(encode).collect()
}

pub(super) fn seal(
    asked: &Asked,
    head: Head,
    now: DateTime<Utc>,
    events: Vec<EncodedEvent>,
) -> Result<SealedCommit, CommitError> {
    let request = &asked.request;
    SealedCommit::seal(Commit {
        stream: request.stream.clone(),
        version: head.version.saturating_add(1),
        previous: head.hash,
        recorded_at: now,
        effective_at: effective_at(&request.command, now),
        actor: request.actor.clone(),
        command_id: request.command_id.clone(),
        request_hash: asked.hash,
        request: asked.json.clone(),
        reason: request.reason.clone(),
        correlation_id: request.correlation_id.clone(),
        causation_id: request.causation_id.clone(),
        codec: CODEC.to_owned(),
        events,
    })
}

/// The first field in which two commands differ.
fn differing_field(before: &[u8], now: &[u8]) -> String {
    let (Ok(before), Ok(now)) =
        (serde_json::from_slice::<Value>(before), serde_json::from_slice::<Value>(now))
    else {
        return "content".to_owned();
    };
    let fields = |value: &Value| value.as_object().cloned().unwrap_or_default();
    let (before, now) = (fields(&before), fields(&now));
    let mut names = before.keys().chain(now.keys());
    let differs = |name: &&String| before.get(*name) != now.get(*name);
    let command = "command".to_owned();
    if differs(&&command) {
        return command;
    }
    names.find(differs).cloned().unwrap_or_else(|| "content".to_owned())
}
