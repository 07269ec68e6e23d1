//! The clock: where it stands, and moving a simulated one.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Datelike, Utc};
use ledger_core::folder::ClockKind;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problems;
use crate::auth::{Action, Principal};
use crate::clock::Span;
use crate::extract::{NoQuery, Sent};
use crate::problem::{Kind, Problem};
use crate::scheduler::{Moved, advance};
use crate::state::AppState;
use crate::wire::instant;

/// Where the clock stands.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ClockState {
    /// The instant now.
    pub now: DateTime<Utc>,
    /// `real` or `simulated`.
    #[schema(value_type = String)]
    pub clock: ClockKind,
}

/// Returns where the clock stands.
#[utoipa::path(get, path = "/v1/clock", tag = "operation",
    responses((status = 200, body = ClockState), Problems))]
pub(crate) async fn show(
    State(state): State<Arc<AppState>>,
    _: Principal,
    _: NoQuery,
) -> Json<ClockState> {
    Json(ClockState { now: state.clock.now(), clock: state.clock.kind() })
}

/// Where a simulated clock is to go: `to` or `advance`, one of them.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockBody {
    /// The instant.
    #[serde(default, deserialize_with = "instant")]
    pub to: Option<DateTime<Utc>>,
    /// A span of time (ISO 8601), such as `P30D`, `P1Y` or `PT2H`.
    #[serde(default)]
    #[schema(example = "P30D")]
    pub advance: Option<String>,
}

/// Moves a simulated clock; what becomes due on the way is carried out at its instant, in order.
#[utoipa::path(post, path = "/v1/clock", tag = "operation", request_body = ClockBody,
    responses((status = 200, body = Moved), Problems))]
pub(crate) async fn set(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    _: NoQuery,
    Sent(body): Sent<ClockBody>,
) -> Result<Json<Moved>, Problem> {
    principal.may(Action::MoveClock)?;
    let to = target(&body, state.clock.now())?;
    Ok(Json(advance(&state, to).await?))
}

const BEYOND: &str = "The clock cannot go beyond the year 9999.";

fn target(body: &ClockBody, now: DateTime<Utc>) -> Result<DateTime<Utc>, Problem> {
    let invalid = |detail: &str| Problem::new(Kind::ValueInvalid, detail);
    match (body.to, &body.advance) {
        (Some(to), None) if 9999 < to.year() => Err(invalid(BEYOND)),
        (Some(to), None) => Ok(to),
        (None, Some(advance)) => {
            let span: Span = advance
                .parse()
                .map_err(|err| invalid(&format!("The field advance is not valid: {err}.")))?;
            span.after(now).ok_or_else(|| invalid(BEYOND))
        }
        (None, None) => Err(Problem::new(
            Kind::MissingField,
            "Say where the clock is to go: in the field to or in the field advance.",
        )),
        (Some(_), Some(_)) => Err(invalid("Send the field to or the field advance, not both.")),
    }
}
