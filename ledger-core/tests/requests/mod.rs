//! Requests of an operator.

#![allow(clippy::unwrap_used, dead_code, reason = "a test may panic, and not every test uses all")]

use chrono::{DateTime, Utc};
use ledger_core::customer::Command;
use ledger_core::ids::{Actor, ActorId, CommandId, Reason, Role, StreamId};
use ledger_core::ledger::Request;

/// The command of this number; no two of a test have the same one.
pub(crate) fn request(
    stream: StreamId,
    command: Command,
    number: u32,
    now: DateTime<Utc>,
) -> Request {
    Request {
        stream,
        command,
        command_id: CommandId::try_new(format!("c{number}")).unwrap(),
        actor: Actor { id: ActorId::try_new("someone").unwrap(), role: Role::Operator },
        reason: Reason::try_new("test").unwrap(),
        now,
        correlation_id: None,
        causation_id: None,
        expected_version: None,
    }
}

/// Nine o'clock on a day, UTC.
pub(crate) fn morning(day: &str) -> DateTime<Utc> {
    format!("{day}T09:00:00Z").parse().unwrap()
}
