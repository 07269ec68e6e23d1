//! How far the views are, for operators and tools.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::Problems;
use crate::auth::{Action, Principal};
use crate::extract::Asked;
use crate::problem::Problem;
use crate::state::AppState;
use crate::wire::ReadQuery;

/// How far the views are.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ViewsState {
    /// Position of the last commit in them.
    pub position: u64,
    /// Digest over all their bytes; a rebuild of the same log gives the same.
    pub digest: String,
}

/// Says how far the views are, with a digest over all their bytes.
#[utoipa::path(get, path = "/v1/views", tag = "operation", params(ReadQuery),
    responses((status = 200, body = ViewsState), Problems))]
pub(crate) async fn show(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    Asked(query): Asked<ReadQuery>,
) -> Result<Json<ViewsState>, Problem> {
    principal.may(Action::ReadLog)?;
    let (position, digest) = state.views_at(query.min_position).await?.fingerprint()?;
    Ok(Json(ViewsState { position, digest }))
}
