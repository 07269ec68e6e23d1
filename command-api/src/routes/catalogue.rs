//! The catalogue: importing a version, and reading the one in force.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Request, State};
use axum::response::Response;
use ledger_core::catalogue::Catalogue;
use ledger_core::customer::Rejection;
use ledger_core::ids::{Reason, StreamId};
use ledger_core::record::Refusal;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{CommandAnswers, CommandHeaders, Problems};
use crate::auth::{Action, Principal};
use crate::command::{Ask, Envelope, run};
use crate::config::CATALOGUE_BYTES_MAX;
use crate::extract::{
    Asked, NoQuery, empty_body, is_json, media_type, read_body, read_json, without_types,
};
use crate::problem::{Kind, Problem};
use crate::state::AppState;
use crate::wire::CatalogueBody;

/// Query of an import.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ImportQuery {
    /// Says what would happen and records nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Why; for a TOML body, which is the catalogue alone.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    pub reason: Option<Reason>,
}

/// Imports a version of the catalogue, whole or not at all.
#[utoipa::path(post, path = "/v1/catalogue", tag = "catalogue",
    request_body(content((CatalogueBody = "application/json"), (String = "application/toml"))),
    params(ImportQuery, CommandHeaders), responses(CommandAnswers))]
pub(crate) async fn import(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    request: Request,
) -> Result<Response, Problem> {
    principal.may(Action::ImportCatalogue)?;
    let (mut parts, body) = request.into_parts();
    let Asked(query) = Asked::<ImportQuery>::from_request_parts(&mut parts, &state).await?;
    let envelope = Envelope::read(&parts.headers, query.dry_run)?;
    let media_type = media_type(&parts.headers);
    if !is_json(&media_type) && media_type != "application/toml" {
        let detail = format!(
            "The body must be application/json or application/toml, and this one is said to be \
             {media_type}."
        );
        return Err(Problem::new(Kind::MediaTypeUnsupported, detail));
    }
    let bytes = read_body(body, CATALOGUE_BYTES_MAX).await?;
    let body = if is_json(&media_type) { read_json(&bytes)? } else { toml(&bytes, query)? };
    let (reason, command) = body.into_parts();
    let ask = Ask { stream: StreamId::Catalogue, command, reason, actor: principal.actor };
    Ok(run(&state, envelope, ask).await)
}

fn toml(bytes: &[u8], query: ImportQuery) -> Result<CatalogueBody, Problem> {
    let reason = query.reason.ok_or_else(|| {
        let detail = "A catalogue in TOML needs its reason in the query: ?reason=...";
        Problem::new(Kind::MissingField, detail)
    })?;
    Ok(CatalogueBody { reason, catalogue: read_toml(bytes)? })
}

fn read_toml(bytes: &[u8]) -> Result<Catalogue, Problem> {
    let malformed = |reason: String| {
        let detail = format!("The catalogue cannot be read: {reason}.");
        Problem::new(Kind::BodyMalformed, detail)
    };
    if bytes.trim_ascii().is_empty() {
        return Err(empty_body());
    }
    let text = std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8".to_owned()))?;
    toml::from_str(text).map_err(|err: toml::de::Error| {
        let line = err.span().map_or(0, |span| {
            text.bytes().take(span.start).filter(|byte| *byte == b'\n').fold(1_u32, |n, _| n + 1)
        });
        malformed(format!("line {line}: {}", without_types(err.message())))
    })
}

/// Returns the catalogue in force now.
#[utoipa::path(get, path = "/v1/catalogue", tag = "catalogue",
    responses((status = 200, description = "The whole version", body = Object), Problems))]
pub(crate) async fn show(
    State(state): State<Arc<AppState>>,
    _: Principal,
    _: NoQuery,
) -> Result<Json<Catalogue>, Problem> {
    let at = state.now();
    let catalogues = state.ledger.catalogues();
    let in_force = catalogues
        .in_force(at)
        .ok_or_else(|| Problem::refused(&Refusal::from(&Rejection::NoCatalogue { at })))?;
    Ok(Json(Catalogue::clone(in_force)))
}
