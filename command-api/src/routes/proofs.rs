//! Signed checkpoints of the log, and proofs that a commit is in it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ledger_core::proof::Proof;
use ledger_core::proof::archive::{Signed, commit_at};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Problems, page};
use crate::auth::{Action, Principal, Scope};
use crate::extract::{Asked, At, NoQuery};
use crate::problem::{Kind, Problem};
use crate::state::AppState;
use crate::wire::{List, ListQuery};

/// A signed checkpoint.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CheckpointDocument {
    /// Number of the checkpoint, from 1.
    pub number: u64,
    /// Commits that it covers.
    pub size: u64,
    /// Root of the Merkle tree over them, in hexadecimal digits.
    pub root: String,
    /// The signed note.
    pub note: String,
}

/// Proof that a commit is in the log.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ProofDocument {
    /// Position of the commit, from 1; its leaf has the index before it.
    pub position: u64,
    /// Commits that the checkpoint covers.
    pub size: u64,
    /// SHA-256 of the commit, in hexadecimal digits: the leaf's data.
    pub commit_hash: String,
    /// The commit's canonical bytes, in base64.
    pub commit: String,
    /// Siblings on the way from the leaf to the root, in hexadecimal digits.
    pub path: Vec<String>,
    /// The signed checkpoint.
    pub checkpoint: String,
}

/// Proof that a checkpoint continues an earlier one.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ConsistencyDocument {
    /// Commits that the earlier checkpoint covers.
    pub from: u64,
    /// Commits that the later one covers.
    pub to: u64,
    /// Nodes that lead to both roots, in hexadecimal digits.
    pub path: Vec<String>,
    /// The earlier checkpoint.
    pub from_checkpoint: String,
    /// The later checkpoint.
    pub to_checkpoint: String,
}

/// Query of the list of checkpoints.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CheckpointsQuery {
    /// Most entries; 50 when left out, at most 500.
    #[serde(default)]
    pub limit: Option<u32>,
    /// `next` of the page before.
    #[serde(default)]
    pub cursor: Option<String>,
}

/// Query of a proof.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ProofQuery {
    /// Prove it by the checkpoint over so many commits; by the last one when left out.
    #[serde(default)]
    pub size: Option<u64>,
}

/// Query of a consistency proof.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ConsistencyQuery {
    /// Commits that the earlier checkpoint covers.
    pub from: u64,
    /// Commits that the later one covers.
    pub to: u64,
}

/// Signs a checkpoint over all commits, unless the last one covers them.
#[utoipa::path(post, path = "/v1/checkpoints", tag = "proof",
    responses((status = 200, body = String, content_type = "text/plain"), Problems))]
pub(crate) async fn sign(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    _: NoQuery,
) -> Result<Response, Problem> {
    principal.may(Action::SignCheckpoint)?;
    Ok(note(&state.proofs.sign().await?))
}

/// The last checkpoint.
#[utoipa::path(get, path = "/v1/checkpoints/latest", tag = "proof",
    responses((status = 200, body = String, content_type = "text/plain"), Problems))]
pub(crate) async fn latest(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    _: NoQuery,
) -> Result<Response, Problem> {
    principal.may(Action::ReadLog)?;
    let archive = state.proofs.archive().await?;
    Ok(note(archive.latest()?))
}

fn note(signed: &Signed) -> Response {
    let media_type = HeaderValue::from_static("text/plain; charset=utf-8");
    ([(header::CONTENT_TYPE, media_type)], signed.note.clone()).into_response()
}

/// Lists every checkpoint that was signed, the oldest first.
#[utoipa::path(get, path = "/v1/checkpoints", tag = "proof", params(CheckpointsQuery),
    responses((status = 200, body = List<CheckpointDocument>), Problems))]
pub(crate) async fn list(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    Asked(query): Asked<CheckpointsQuery>,
) -> Result<Json<List<CheckpointDocument>>, Problem> {
    principal.may(Action::ReadLog)?;
    let CheckpointsQuery { limit, cursor } = query;
    let query = ListQuery { limit, cursor, min_position: None };
    let archive = state.proofs.archive().await?;
    let signed = (1..).zip(archive.signed());
    let List { data, has_more, next } =
        page(signed, &query, |(number, _): &(u64, _)| format!("{number:020}"))?;
    let document = |(number, signed): (u64, &Signed)| CheckpointDocument {
        number,
        size: signed.size,
        root: signed.root.to_string(),
        note: signed.note.clone(),
    };
    Ok(Json(List { data: data.into_iter().map(document).collect(), has_more, next }))
}

/// Proves that a checkpoint continues an earlier one.
#[utoipa::path(get, path = "/v1/checkpoints/consistency", tag = "proof", params(ConsistencyQuery),
    responses((status = 200, body = ConsistencyDocument), Problems))]
pub(crate) async fn consistency(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    Asked(query): Asked<ConsistencyQuery>,
) -> Result<Json<ConsistencyDocument>, Problem> {
    principal.may(Action::ReadLog)?;
    let ConsistencyQuery { from, to } = query;
    let (path, [earlier, later]) = state.proofs.consistency(from, to).await?;
    let path = path.iter().map(ToString::to_string).collect();
    let (from_checkpoint, to_checkpoint) = (earlier.note, later.note);
    Ok(Json(ConsistencyDocument { from, to, path, from_checkpoint, to_checkpoint }))
}

/// Proves that a commit is in the log. Everybody gets proofs of what they may read.
#[utoipa::path(get, path = "/v1/log/{position}/proof", tag = "proof",
    params(("position" = u64, Path), ProofQuery),
    responses((status = 200, body = ProofDocument), Problems))]
pub(crate) async fn prove(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At(position): At<u64>,
    Asked(query): Asked<ProofQuery>,
) -> Result<Json<ProofDocument>, Problem> {
    let unknown = || {
        let detail = format!("There is no commit that you may read at position {position}.");
        Problem::new(Kind::PositionUnknown, detail)
    };
    let commit = commit_at(state.ledger.log(), position).await?.ok_or_else(unknown)?;
    match commit.commit().stream.customer() {
        Some(customer) => principal.sees(&state, customer).await.map_err(|problem| {
            // The customer's id would tell whose commit it is.
            if problem.status() == StatusCode::NOT_FOUND { unknown() } else { problem }
        })?,
        None if principal.scope == Scope::All => {}
        None => return Err(unknown()),
    }
    let proof = state.proofs.prove(position, commit, query.size).await?;
    let Proof { position, size, commit_hash, commit, path, checkpoint } = proof;
    let path = path.iter().map(ToString::to_string).collect();
    let commit_hash = commit_hash.to_string();
    Ok(Json(ProofDocument { position, size, commit_hash, commit, path, checkpoint }))
}
