//! What went wrong, in one table: error to status, stable code and public text. The internal text
//! goes to the log and never to the caller.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use ledger_core::customer::Rejection;
use ledger_core::ids::{CustomerId, SubscriptionId};
use ledger_core::ledger::ExecuteError;
use ledger_core::record::Refusal;
use ledger_core::store::StoreError;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::clock::ClockError;
use ledger_core::error::chain;

/// Answer header that says that this is the answer an earlier request with the same key got.
pub const IDEMPOTENCY_HIT: HeaderName = HeaderName::from_static("idempotency-hit");

/// Everything but a rule that can make a request fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The body is not JSON, TOML or UTF-8 at all.
    BodyMalformed,
    /// The body has a field that does not exist.
    UnknownField,
    /// The body lacks a field.
    MissingField,
    /// The body has a field twice.
    DuplicateField,
    /// A field is of the wrong type.
    WrongType,
    /// A field has the right type but not a value that it may have.
    ValueInvalid,
    /// An id in the address is not one.
    IdInvalid,
    /// A query parameter is unknown or not valid.
    QueryInvalid,
    /// A header is not valid.
    HeaderInvalid,
    /// There is no token.
    TokenMissing,
    /// The token is not one of this ledger's.
    TokenUnknown,
    /// The role may not do this.
    RoleNotAllowed,
    /// There is no such checkpoint.
    CheckpointUnknown,
    /// There is no such commit, or it is not theirs.
    PositionUnknown,
    /// There is no such billing period yet.
    PeriodUnknown,
    /// There is no such statement, or it is not theirs.
    StatementUnknown,
    /// There is no such line, event or command.
    SubjectUnknown,
    /// The checkpoint does not cover the commit.
    PositionNotCovered,
    /// There is nothing at this address.
    RouteUnknown,
    /// The address does not know this method.
    MethodNotAllowed,
    /// The same key was used for another command.
    CommandIdReused,
    /// Other writers kept winning.
    Busy,
    /// The clock cannot be moved.
    ClockIsReal,
    /// The clock does not go back.
    ClockBackwards,
    /// There is nothing to sign.
    LogEmpty,
    /// The server has no folder for backups.
    BackupsOff,
    /// There is a backup of that name.
    BackupExists,
    /// Another backup is being made.
    BackupRunning,
    /// The customer changed in between.
    VersionDiffers,
    /// The body is too large.
    BodyTooLarge,
    /// A line of a bulk request is too long.
    LineTooLong,
    /// The body is of another media type.
    MediaTypeUnsupported,
    /// The file as a whole is no price list or offer matrix.
    FileUnreadable,
    /// Rows of the file would be lost.
    RowsNotUnderstood,
    /// A defect of the ledger.
    Internal,
    /// What is stored is damaged.
    LogDamaged,
    /// A statement is not what was recorded when its period was closed.
    StatementDiffers,
    /// The key of what is known of a customer's people is lost.
    PersonalKeyLost,
    /// The folder of backups cannot be used.
    BackupFailed,
    /// It is not known whether the command was carried out.
    OutcomeUnknown,
    /// The log takes no more writes until a restart.
    LogStopped,
    /// Too many commands wait.
    Overloaded,
    /// The server is stopping.
    Stopping,
    /// The views have not got that far.
    ViewsBehind,
    /// The views stopped.
    ViewsStopped,
    /// No checkpoints are signed.
    ProofsStopped,
    /// The log has no position left.
    LogUsedUp,
    /// The disk is full.
    DiskFull,
}

/// A row of the table of problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// What went wrong.
    pub kind: Kind,
    /// HTTP status.
    pub status: u16,
    /// Stable code; programs may depend on it.
    pub code: &'static str,
    /// The problem in a few words, the same for all its occurrences.
    pub title: &'static str,
}

const fn row(kind: Kind, status: u16, code: &'static str, title: &'static str) -> Row {
    Row { kind, status, code, title }
}

/// Every problem but the rules' refusals.
pub const TABLE: [Row; 48] = [
    row(Kind::BodyMalformed, 400, "BODY_MALFORMED", "The body cannot be read"),
    row(Kind::UnknownField, 400, "UNKNOWN_FIELD", "The body has an unknown field"),
    row(Kind::MissingField, 400, "MISSING_FIELD", "The body lacks a field"),
    row(Kind::DuplicateField, 400, "DUPLICATE_FIELD", "The body has a field twice"),
    row(Kind::WrongType, 400, "WRONG_TYPE", "A field is of the wrong type"),
    row(Kind::ValueInvalid, 400, "VALUE_INVALID", "A field has a value that it cannot have"),
    row(Kind::IdInvalid, 400, "ID_INVALID", "The address contains something that is not an id"),
    row(Kind::QueryInvalid, 400, "QUERY_INVALID", "A query parameter is unknown or not valid"),
    row(Kind::HeaderInvalid, 400, "HEADER_INVALID", "A header is not valid"),
    row(Kind::TokenMissing, 401, "TOKEN_MISSING", "A token is needed"),
    row(Kind::TokenUnknown, 401, "TOKEN_UNKNOWN", "The token is not known"),
    row(Kind::RoleNotAllowed, 403, "ROLE_NOT_ALLOWED", "The role may not do this"),
    row(Kind::RouteUnknown, 404, "ROUTE_UNKNOWN", "There is nothing at this address"),
    row(Kind::CheckpointUnknown, 404, "CHECKPOINT_UNKNOWN", "There is no such checkpoint"),
    row(
        Kind::PositionUnknown,
        404,
        "POSITION_UNKNOWN",
        "There is no such commit, or it is not yours",
    ),
    row(Kind::PeriodUnknown, 404, "PERIOD_UNKNOWN", "The billing period has not begun"),
    row(
        Kind::StatementUnknown,
        404,
        "STATEMENT_UNKNOWN",
        "There is no such statement, or it is not yours",
    ),
    row(
        Kind::SubjectUnknown,
        404,
        "SUBJECT_UNKNOWN",
        "There is no such charge line, event or command",
    ),
    row(Kind::PositionNotCovered, 404, "POSITION_NOT_COVERED", "The checkpoint does not cover it"),
    row(Kind::MethodNotAllowed, 405, "METHOD_NOT_ALLOWED", "The address does not know this method"),
    row(Kind::CommandIdReused, 409, "COMMAND_ID_REUSED", "The key was used for another command"),
    row(Kind::Busy, 409, "BUSY", "Others are changing the same customer"),
    row(Kind::ClockIsReal, 409, "CLOCK_IS_REAL", "A real clock cannot be moved"),
    row(Kind::ClockBackwards, 409, "CLOCK_BACKWARDS", "The clock cannot go back"),
    row(Kind::LogEmpty, 409, "LOG_EMPTY", "There is nothing to sign"),
    row(Kind::BackupsOff, 409, "BACKUPS_OFF", "The server has no folder for backups"),
    row(Kind::BackupExists, 409, "BACKUP_EXISTS", "There is a backup of that name"),
    row(Kind::BackupRunning, 409, "BACKUP_RUNNING", "Another backup is being made"),
    row(Kind::VersionDiffers, 412, "VERSION_DIFFERS", "The customer has changed in between"),
    row(Kind::BodyTooLarge, 413, "BODY_TOO_LARGE", "The body is too large"),
    row(Kind::LineTooLong, 413, "LINE_TOO_LONG", "A line of the bulk request is too long"),
    row(
        Kind::MediaTypeUnsupported,
        415,
        "MEDIA_TYPE_UNSUPPORTED",
        "The body has another media type",
    ),
    row(Kind::FileUnreadable, 422, "FILE_UNREADABLE", "The file cannot be read"),
    row(Kind::RowsNotUnderstood, 422, "ROWS_NOT_UNDERSTOOD", "Rows of the file would be lost"),
    row(Kind::Internal, 500, "INTERNAL", "The ledger has a defect"),
    row(Kind::LogDamaged, 500, "LOG_DAMAGED", "What is stored is damaged"),
    row(
        Kind::StatementDiffers,
        500,
        "STATEMENT_DIFFERS",
        "A statement is not what was recorded at closing",
    ),
    row(
        Kind::PersonalKeyLost,
        500,
        "PERSONAL_KEY_LOST",
        "The key of what is known of people is not there",
    ),
    row(Kind::BackupFailed, 500, "BACKUP_FAILED", "The backup cannot be made"),
    row(Kind::OutcomeUnknown, 503, "OUTCOME_UNKNOWN", "It is not known whether it was done"),
    row(Kind::LogStopped, 503, "LOG_STOPPED", "The log takes no more writes"),
    row(Kind::Overloaded, 503, "OVERLOADED", "Too many commands wait"),
    row(Kind::Stopping, 503, "STOPPING", "The server is stopping"),
    row(Kind::ViewsBehind, 503, "VIEWS_BEHIND", "The views have not got that far yet"),
    row(Kind::ViewsStopped, 503, "VIEWS_STOPPED", "The views have stopped"),
    row(Kind::ProofsStopped, 503, "PROOFS_STOPPED", "No checkpoints are signed"),
    row(Kind::LogUsedUp, 507, "LOG_USED_UP", "The log is used up"),
    row(Kind::DiskFull, 507, "DISK_FULL", "The disk is full"),
];

impl Kind {
    pub(crate) fn row(self) -> Row {
        let found = TABLE.into_iter().find(|row| row.kind == self);
        found.unwrap_or(row(self, 500, "INTERNAL", "The ledger has a defect"))
    }

    /// The kind of a command that was not carried out for another reason than a rule.
    pub(crate) const fn of(err: &ExecuteError) -> Self {
        match err {
            ExecuteError::CommandIdReused { .. } => Self::CommandIdReused,
            ExecuteError::VersionDiffers { .. } => Self::VersionDiffers,
            ExecuteError::Busy => Self::Busy,
            ExecuteError::Store(err) => match told(err) {
                Some((kind, _)) => kind,
                None => Self::Internal,
            },
            ExecuteError::Refused { .. }
            | ExecuteError::Codec(_)
            | ExecuteError::Commit(_)
            | ExecuteError::Json(_)
            | ExecuteError::Amount(_) => Self::Internal,
        }
    }

    /// Seconds after which the same request may succeed.
    const fn retry_after(self) -> Option<u32> {
        match self {
            Self::Busy | Self::Overloaded | Self::ViewsBehind | Self::OutcomeUnknown => Some(1),
            Self::Stopping => Some(10),
            Self::DiskFull | Self::BackupRunning => Some(60),
            Self::BodyMalformed
            | Self::UnknownField
            | Self::MissingField
            | Self::DuplicateField
            | Self::WrongType
            | Self::ValueInvalid
            | Self::IdInvalid
            | Self::QueryInvalid
            | Self::HeaderInvalid
            | Self::TokenMissing
            | Self::TokenUnknown
            | Self::RoleNotAllowed
            | Self::RouteUnknown
            | Self::CheckpointUnknown
            | Self::PositionUnknown
            | Self::PositionNotCovered
            | Self::PeriodUnknown
            | Self::StatementUnknown
            | Self::SubjectUnknown
            | Self::StatementDiffers
            | Self::LogEmpty
            | Self::BackupsOff
            | Self::BackupExists
            | Self::LogDamaged
            | Self::PersonalKeyLost
            | Self::BackupFailed
            | Self::ProofsStopped
            | Self::MethodNotAllowed
            | Self::CommandIdReused
            | Self::ClockIsReal
            | Self::ClockBackwards
            | Self::VersionDiffers
            | Self::BodyTooLarge
            | Self::LineTooLong
            | Self::MediaTypeUnsupported
            | Self::FileUnreadable
            | Self::RowsNotUnderstood
            | Self::Internal
            | Self::LogStopped
            | Self::ViewsStopped
            | Self::LogUsedUp => None,
        }
    }
}

/// The HTTP status of a refusal, by the code of its rule. A rule that is not named here is 422.
#[must_use]
pub fn rule_status(code: &str) -> u16 {
    match code {
        "CUSTOMER_UNKNOWN"
        | "SUBSCRIPTION_UNKNOWN"
        | "REQUEST_UNKNOWN"
        | "USER_UNKNOWN"
        | "GROUP_UNKNOWN" => 404,
        "CUSTOMER_EXISTS"
        | "SUBSCRIPTION_EXISTS"
        | "REQUEST_EXISTS"
        | "RENEWAL_PENDING"
        | "BILLING_CHANGE_PENDING" => 409,
        "SCHEDULER_ONLY" | "OPERATOR_ONLY" | "RESELLER_ONLY" | "PARTNER_ONLY" => 403,
        _ => 422,
    }
}

/// A request that was not carried out, as the caller reads it: `application/problem+json` (RFC 9457).
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// A reference that stands for the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The problem in a few words; for a refusal, the rule.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// This occurrence, in one sentence.
    pub detail: String,
    /// Stable code; programs may depend on it.
    pub code: String,
    /// For a refusal: the rule in one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// For a refusal: where the rule comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// For a refusal: the facts that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub facts: Option<Value>,
    /// For a refusal: from when on the same command will succeed, if waiting helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub succeeds_at: Option<DateTime<Utc>>,
    /// For a reused key: the first field that differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

/// A request that was not carried out, with what its answer's headers say.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Problem {
    /// What the caller reads.
    pub body: Box<ProblemBody>,
    #[serde(skip)]
    retry_after: Option<u32>,
    #[serde(skip)]
    is_hit: bool,
}

impl Problem {
    /// A problem with a sentence about this occurrence.
    #[must_use]
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let row = kind.row();
        let body = ProblemBody {
            kind: format!("/problems/{}", row.code),
            title: row.title.to_owned(),
            status: row.status,
            detail: detail.into(),
            code: row.code.to_owned(),
            rule: None,
            source: None,
            facts: None,
            succeeds_at: None,
            field: None,
        };
        Self { body: Box::new(body), retry_after: kind.retry_after(), is_hit: false }
    }

    /// A defect: the text goes to the log, the caller only learns that there is one.
    #[must_use]
    pub fn internal(err: &dyn std::error::Error) -> Self {
        tracing::error!(error = %chain(err), "a request failed by a defect");
        Self::new(
            Kind::Internal,
            "The ledger could not do this because of a defect of its own; its log says more.",
        )
    }

    /// A rule said no.
    #[must_use]
    pub fn refused(refusal: &Refusal) -> Self {
        let facts: Value = serde_json::from_str(&refusal.facts).unwrap_or_default();
        let status = rule_status(&refusal.code);
        let body = ProblemBody {
            kind: format!("/problems/{}", refusal.code),
            title: capitalised(&refusal.rule),
            status,
            detail: sentence(&refusal.message, &facts),
            code: refusal.code.clone(),
            rule: Some(refusal.rule.clone()),
            source: Some(refusal.source.clone()),
            facts: Some(facts),
            succeeds_at: refusal.succeeds_at,
            field: None,
        };
        let is_pending =
            ["RENEWAL_PENDING", "BILLING_CHANGE_PENDING"].contains(&refusal.code.as_str());
        let retry_after = is_pending.then_some(120);
        Self { body: Box::new(body), retry_after, is_hit: false }
    }

    /// The customer does not exist, or the caller must not know that it does.
    #[must_use]
    pub fn customer_unknown(customer: &CustomerId) -> Self {
        let rejection = Rejection::CustomerUnknown { customer: customer.clone() };
        Self::refused(&Refusal::from(&rejection)).titled("There is no such customer")
    }

    /// The customer has no such subscription.
    #[must_use]
    pub fn subscription_unknown(subscription: SubscriptionId) -> Self {
        let rejection = Rejection::SubscriptionUnknown { subscription };
        Self::refused(&Refusal::from(&rejection)).titled("There is no such subscription")
    }

    /// A read is no command, so that the rule's words would not fit it.
    fn titled(mut self, title: &str) -> Self {
        title.clone_into(&mut self.body.title);
        self
    }

    /// HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.body.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Whether this is the answer that an earlier request with the same key got.
    #[must_use]
    pub const fn is_hit(&self) -> bool {
        self.is_hit
    }
}

/// What a caller is told of a store's error; `None` when it is a defect or damage.
const fn told(err: &StoreError) -> Option<(Kind, &'static str)> {
    Some(match err {
        StoreError::Unknown(_) => (
            Kind::OutcomeUnknown,
            "It is not known whether the command was carried out: send the same request with the \
             same Idempotency-Key again to find out.",
        ),
        StoreError::Full(_) => (
            Kind::DiskFull,
            "Nothing was recorded because the disk is full; send the same request again once the \
             operator has freed some space.",
        ),
        StoreError::Poisoned => (
            Kind::LogStopped,
            "Nothing was recorded because an earlier write failed; the operator must restart the \
             ledger so that it verifies the end of its log.",
        ),
        StoreError::Overloaded => (
            Kind::Overloaded,
            "Nothing was recorded because too many commands wait; send the same request again in a \
             moment.",
        ),
        StoreError::Closed => (
            Kind::Stopping,
            "Nothing was recorded because the server is stopping; send the same request again once \
             it is back.",
        ),
        StoreError::Exhausted(_) => (
            Kind::LogUsedUp,
            "Nothing was recorded because the log has used up its positions; a new data folder is \
             needed.",
        ),
        StoreError::Conflict { .. }
        | StoreError::AppendOnly
        | StoreError::NotNext(_)
        | StoreError::Damaged { .. }
        | StoreError::Shortened { .. }
        | StoreError::Foreign { .. }
        | StoreError::Locked(_)
        | StoreError::Io { .. } => return None,
    })
}

impl From<ExecuteError> for Problem {
    fn from(err: ExecuteError) -> Self {
        match err {
            ExecuteError::Refused { refusal, hit } => {
                Self { is_hit: hit, ..Self::refused(&refusal) }
            }
            ExecuteError::CommandIdReused { field } => {
                let detail = format!(
                    "This Idempotency-Key was used before for a command with another {field}: send \
                     the request with a new key."
                );
                let mut problem = Self::new(Kind::CommandIdReused, detail);
                problem.body.field = Some(field);
                problem
            }
            ExecuteError::VersionDiffers { expected, actual } => Self::new(
                Kind::VersionDiffers,
                format!("The version is {actual}, not {expected}: read again, then decide again."),
            ),
            ExecuteError::Busy => Self::new(
                Kind::Busy,
                "Nothing was recorded because others kept changing the same customer: send the same \
                 request again.",
            ),
            ExecuteError::Store(err) => err.into(),
            ExecuteError::Codec(_)
            | ExecuteError::Commit(_)
            | ExecuteError::Json(_)
            | ExecuteError::Amount(_) => Self::internal(&err),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(err: StoreError) -> Self {
        let Some((kind, detail)) = told(&err) else { return Self::internal(&err) };
        if kind == Kind::OutcomeUnknown {
            tracing::error!(error = %chain(&err), "the outcome of an append is unknown");
        }
        Self::new(kind, detail)
    }
}

impl From<ClockError> for Problem {
    fn from(err: ClockError) -> Self {
        match err {
            ClockError::Backwards { now, asked } => Self::new(
                Kind::ClockBackwards,
                format!("The clock stands at {now} and cannot go back to {asked}."),
            ),
            ClockError::StartedBefore | ClockError::Damaged(_) | ClockError::Io { .. } => {
                Self::internal(&err)
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let (retry_after, is_hit) = (self.retry_after, self.is_hit);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let media_type = HeaderValue::from_static("application/problem+json");
        let mut answer = (status, [(header::CONTENT_TYPE, media_type)], body).into_response();
        let headers = answer.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if is_hit {
            headers.insert(IDEMPOTENCY_HIT, HeaderValue::from_static("true"));
        }
        answer
    }
}

/// A refusal's message as a sentence. One that begins with an id from the facts keeps its first letter.
fn sentence(message: &str, facts: &Value) -> String {
    let fact = |fact: &Value| fact.as_str().is_some_and(|fact| message.starts_with(fact));
    if facts.as_object().is_some_and(|facts| facts.values().any(fact)) {
        return format!("{message}.");
    }
    format!("{}.", capitalised(message))
}

/// The text with a capital at its start.
pub(crate) fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_one_row_and_one_code() {
        let codes: BTreeSet<_> = TABLE.iter().map(|row| row.code).collect();
        assert_eq!(codes.len(), TABLE.len());
        for row in TABLE {
            assert_eq!(row.kind.row(), row);
        }
        assert!(TABLE.iter().map(|row| row.status).is_sorted());
    }

    #[test]
    fn a_refusal_is_told_in_a_sentence_that_leaves_ids_alone() {
        let facts = serde_json::json!({ "offer": "teams" });
        assert_eq!(sentence("teams is limited", &facts), "teams is limited.");
        assert_eq!(sentence("no licence is free", &facts), "No licence is free.");
    }
}
