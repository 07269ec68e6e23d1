//! Whether the process lives, and whether it can do its work. No token needed.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use ledger_core::store::{CommitLog, StoreError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::extract::NoQuery;
use crate::state::AppState;

/// The process lives.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Alive {
    /// Always `alive`.
    pub status: String,
}

/// Says that the process lives.
#[utoipa::path(get, path = "/healthz", tag = "operation", security(()),
    responses((status = 200, body = Alive)))]
pub(crate) async fn alive(_: NoQuery) -> Json<Alive> {
    Json(Alive { status: "alive".to_owned() })
}

/// Whether the ledger can do its work.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Readiness {
    /// Whether commands and reads work.
    pub ready: bool,
    /// What does not work, one sentence each; publishing and signing checkpoints may be missing although
    /// it is ready.
    pub reasons: Vec<String>,
}

/// Says whether the ledger can do its work.
#[utoipa::path(get, path = "/readyz", tag = "operation", security(()),
    responses((status = 200, body = Readiness), (status = 503, body = Readiness)))]
pub(crate) async fn ready(State(state): State<Arc<AppState>>, _: NoQuery) -> Response {
    let failures = failures(&state);
    let ready = failures.is_empty();
    let reasons = failures
        .into_iter()
        .chain(state.publishing.complaint())
        .chain(state.proofs.complaint())
        .collect();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, reasons })).into_response()
}

fn failures(state: &AppState) -> Vec<String> {
    let logs = [("log", state.ledger.log()), ("journal", state.ledger.journal())];
    let logs = logs.into_iter().filter_map(|(name, log)| {
        match log.wait_beyond(log.durable_position()).now_or_never()? {
            Ok(_) => None,
            Err(StoreError::Closed) => Some(format!("The {name} is closed.")),
            Err(_) => Some(format!("The {name} takes no more writes until a restart.")),
        }
    });
    let is_stopped = state.views.status().borrow().failure.is_some();
    let views = is_stopped.then(|| "The views no longer follow the log.".to_owned());
    logs.chain(views).collect()
}
