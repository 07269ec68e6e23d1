//! Backups of the whole ledger while it works.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use ledger_core::ids::BackupName;
use ledger_core::store::segment::Copied;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problems;
use crate::auth::{Action, Principal};
use crate::extract::{NoQuery, Sent};
use crate::problem::Problem;
use crate::state::AppState;

/// Which backup is to be made.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupBody {
    /// Name of the new folder in the server's folder of backups.
    #[schema(value_type = String, max_length = 64, pattern = "^[A-Za-z0-9_-]+$",
        example = "2026-11-21")]
    pub name: BackupName,
}

/// A finished backup.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BackupDocument {
    /// Its name.
    #[schema(value_type = String)]
    pub name: BackupName,
    /// How much it holds of what happened.
    pub log: CopiedDocument,
    /// How much it holds of the commands that changed nothing.
    pub journal: CopiedDocument,
}

/// How much was copied.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct CopiedDocument {
    /// Position of the last commit.
    pub position: u64,
    /// Size of the segments, in bytes.
    pub bytes: u64,
}

impl From<Copied> for CopiedDocument {
    fn from(copied: Copied) -> Self {
        let Copied { position, bytes } = copied;
        Self { position, bytes }
    }
}

/// Copies the whole ledger, without its secrets, and answers once the copy is durable.
#[utoipa::path(post, path = "/v1/backups", tag = "operation", request_body = BackupBody,
    responses((status = 201, body = BackupDocument), Problems))]
pub(crate) async fn make(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    _: NoQuery,
    Sent(BackupBody { name }): Sent<BackupBody>,
) -> Result<(StatusCode, Json<BackupDocument>), Problem> {
    principal.may(Action::BackUp)?;
    let made = state.backups.make(&state, &name).await?;
    let (log, journal) = (made.log.into(), made.journal.into());
    Ok((StatusCode::CREATED, Json(BackupDocument { name, log, journal })))
}
