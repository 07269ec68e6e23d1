//! Figures for Prometheus.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::Problems;
use crate::auth::{Action, Principal};
use crate::extract::NoQuery;
use crate::metrics::MEDIA_TYPE;
use crate::problem::Problem;
use crate::state::AppState;

/// Figures about commands, requests, log, views, publishing and memory, for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "operation",
    responses((status = 200, body = String, content_type = "application/openmetrics-text"), Problems))]
pub(crate) async fn show(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    _: NoQuery,
) -> Result<Response, Problem> {
    principal.may(Action::ReadMetrics)?;
    let text = state.metrics.text(&state).map_err(|err| Problem::internal(&err))?;
    let media_type = HeaderValue::from_static(MEDIA_TYPE);
    Ok(([(header::CONTENT_TYPE, media_type)], text).into_response())
}
