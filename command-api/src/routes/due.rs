//! The renewal calendar.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, SecondsFormat, Utc};
use projector::views::due::DueDocument;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Problems, page};
use crate::auth::Principal;
use crate::extract::Asked;
use crate::problem::Problem;
use crate::state::AppState;
use crate::wire::{List, ListQuery, instant};

/// Query of the renewal calendar.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DueQuery {
    /// Only what is due by then, included.
    #[serde(default, deserialize_with = "instant")]
    pub until: Option<DateTime<Utc>>,
    /// Most entries; 50 when left out, at most 500.
    #[serde(default)]
    pub limit: Option<u32>,
    /// `next` of the page before.
    #[serde(default)]
    pub cursor: Option<String>,
    /// Waits until the views have reached this position, as a command's answer gave it.
    #[serde(default)]
    pub min_position: Option<u64>,
}

/// Lists what time will bring about, the earliest first: renewals, ends of terms and trials, and more.
#[utoipa::path(get, path = "/v1/due", tag = "history", params(DueQuery),
    responses((status = 200, body = List<DueDocument>), Problems))]
pub(crate) async fn list(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    Asked(query): Asked<DueQuery>,
) -> Result<Json<List<DueDocument>>, Problem> {
    let DueQuery { until, limit, cursor, min_position } = query;
    let views = state.views_at(min_position).await?;
    let all = match until {
        Some(until) => views.due(until)?,
        None => views.all_due(usize::MAX)?,
    };
    let seen = all.into_iter().filter(|due| principal.scope.includes(&due.customer, &due.reseller));
    let query = ListQuery { limit, cursor, min_position };
    Ok(Json(page(seen, &query, key)?))
}

/// The order of the calendar.
fn key(due: &DueDocument) -> String {
    let due_at = due.due_at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let subscription = due.subscription.as_ref().map_or("=", |of| of.subscription.as_str());
    format!("{due_at}/{}/{subscription}/{}", due.customer, due.action)
}
