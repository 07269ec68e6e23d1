//! Prices, offer matrices and policies: importing them beside the catalogue.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use ledger_core::catalogue::Programme;
use ledger_core::customer::{Command, SetPolicy};
use ledger_core::ids::{ProgrammeId, Reason, StreamId};
use ledger_core::price_list::{self, Report, UnknownReason, Unreadable};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::task::spawn_blocking;
use utoipa::{IntoParams, IntoResponses, ToSchema};

use super::{CommandAnswers, CommandHeaders};
use crate::auth::{Action, Principal};
use crate::command::{Ask, Envelope, IDEMPOTENCY_KEY, etag, request, run};
use crate::config::PRICE_LIST_BYTES_MAX;
use crate::extract::{Asked, At, Sent, media_type, read_body};
use crate::problem::{IDEMPOTENCY_HIT, Kind, Problem, ProblemBody};
use crate::state::AppState;

/// Most notes of a report in one answer.
const NOTES_MAX: usize = 1_000;

/// Query of an import of a price list.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PriceListQuery {
    /// Name of the list; it stands for one content.
    pub name: String,
    /// Why.
    #[param(value_type = String)]
    pub reason: Reason,
    /// Reasons for which rows may be left out, divided by commas: docs/PRICE-LISTS.md lists them.
    #[serde(default)]
    pub skip: Option<String>,
    /// Says what would happen and records nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// Query of an import of an offer matrix.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OfferMatrixQuery {
    /// Name of the matrix; it stands for one content.
    pub name: String,
    /// From when on it holds.
    pub effective_from: DateTime<Utc>,
    /// Why.
    #[param(value_type = String)]
    pub reason: Reason,
    /// Reasons for which rows may be left out, divided by commas: docs/PRICE-LISTS.md lists them.
    #[serde(default)]
    pub skip: Option<String>,
    /// Says what would happen and records nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// Sets the rules of a programme.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyBody {
    /// Why.
    #[schema(value_type = String, max_length = 500)]
    pub reason: Reason,
    /// Name of this set of rules; it stands for one content.
    pub version: String,
    /// From when on it holds.
    pub effective_from: DateTime<Utc>,
    /// The rules, as a programme of the catalogue has them.
    #[schema(value_type = Object)]
    pub policy: Box<Programme>,
}

/// What became of a file.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FileImported {
    /// Its name.
    pub name: String,
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
    /// Offers in it.
    pub offers: usize,
    /// Prices in it; null for an offer matrix.
    pub prices: Option<usize>,
    /// The stream's version after the import.
    pub version: u64,
    /// Position in the log; null when nothing was recorded.
    pub position: Option<u64>,
    /// Whether it was imported before, so that nothing was recorded.
    pub unchanged: bool,
    /// Whether nothing was to be recorded.
    pub dry_run: bool,
    /// What was mended and left out, with the first 1,000 notes.
    #[schema(value_type = Object)]
    pub report: Report,
    /// Notes that the report has besides.
    pub more_notes: usize,
}

/// Answers of an import of a file.
#[derive(Debug, IntoResponses)]
pub enum ImportAnswers {
    /// It is imported, was imported before, or with `dry_run=true` would be.
    #[response(
        status = 200,
        headers(
            ("ETag", description = "The stream's version"),
            ("Idempotency-Key", description = "The command's id"),
            ("Idempotency-Hit", description = "true when this is the answer of an earlier request")
        )
    )]
    Imported(#[to_schema] FileImported),
    /// Nothing of it is imported; the code says why, and `facts` of `ROWS_NOT_UNDERSTOOD` are the report.
    #[response(status = "default", content_type = "application/problem+json")]
    Problem(#[to_schema] ProblemBody),
}

/// Imports a vendor's licence price list, whole or not at all.
///
/// A row that is not understood refuses the whole file, unless `skip` names the reason.
#[utoipa::path(post, path = "/v1/price-lists", tag = "catalogue",
    request_body(content = String, content_type = "text/csv"),
    params(PriceListQuery, CommandHeaders), responses(ImportAnswers))]
pub(crate) async fn import_prices(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    request: Request,
) -> Result<Response, Problem> {
    principal.may(Action::ImportCatalogue)?;
    let (parts, query, bytes) = file::<PriceListQuery>(&state, request).await?;
    let envelope = Envelope::read(&parts, query.dry_run)?;
    let list = spawn_blocking(move || price_list::parse(&bytes, &mut |_, _| {}));
    let list =
        list.await.map_err(|err| Problem::internal(&err))?.map_err(|err| unreadable(&err))?;
    let about = About::new(
        (&query.name, &list.sha256),
        (list.offers.len(), Some(list.rows.len())),
        list.report.clone(),
        query.skip.as_deref(),
    )?;
    let command = Command::ImportPriceList(list.into_command(query.name));
    let (stream, reason) = (StreamId::Catalogue, query.reason);
    let ask = Ask { stream, command, reason, actor: principal.actor };
    answer(&state, envelope, ask, about).await
}

/// Imports a vendor's offer matrix, whole or not at all.
///
/// A row that is not understood refuses the whole file, unless `skip` names the reason.
#[utoipa::path(post, path = "/v1/offer-matrices", tag = "catalogue",
    request_body(content = String, content_type = "text/csv"),
    params(OfferMatrixQuery, CommandHeaders), responses(ImportAnswers))]
pub(crate) async fn import_matrix(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    request: Request,
) -> Result<Response, Problem> {
    principal.may(Action::ImportCatalogue)?;
    let (parts, query, bytes) = file::<OfferMatrixQuery>(&state, request).await?;
    let envelope = Envelope::read(&parts, query.dry_run)?;
    let matrix = spawn_blocking(move || price_list::parse_matrix(&bytes, &mut |_, _| {}));
    let matrix =
        matrix.await.map_err(|err| Problem::internal(&err))?.map_err(|err| unreadable(&err))?;
    let about = About::new(
        (&query.name, &matrix.sha256),
        (matrix.offers.len(), None),
        matrix.report.clone(),
        query.skip.as_deref(),
    )?;
    let command = matrix.into_command(query.name, query.effective_from);
    let command = Command::ImportOfferMatrix(command);
    let (stream, reason) = (StreamId::Catalogue, query.reason);
    let ask = Ask { stream, command, reason, actor: principal.actor };
    answer(&state, envelope, ask, about).await
}

/// Sets the rules of a programme from an instant on; a programme that is not there is made.
#[utoipa::path(post, path = "/v1/programmes/{programme}/policies", tag = "catalogue",
    request_body = PolicyBody,
    params(("programme" = String, Path), crate::wire::CommandQuery, CommandHeaders),
    responses(CommandAnswers))]
pub(crate) async fn set_policy(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At(programme): At<ProgrammeId>,
    envelope: Envelope,
    Sent(body): Sent<PolicyBody>,
) -> Result<Response, Problem> {
    principal.may(Action::ImportCatalogue)?;
    let PolicyBody { reason, version, effective_from, policy } = body;
    let command = Command::SetPolicy(SetPolicy { version, effective_from, programme, policy });
    let stream = StreamId::Catalogue;
    Ok(run(&state, envelope, Ask { stream, command, reason, actor: principal.actor }).await)
}

/// The headers, the query and the body of a request that brings a CSV file.
async fn file<Q: serde::de::DeserializeOwned>(
    state: &Arc<AppState>,
    request: Request,
) -> Result<(HeaderMap, Q, Vec<u8>), Problem> {
    let (mut parts, body) = request.into_parts();
    let Asked(query) = Asked::<Q>::from_request_parts(&mut parts, state).await?;
    let media_type = media_type(&parts.headers);
    if media_type != "text/csv" {
        let detail = format!("The body must be text/csv, and this one is said to be {media_type}.");
        return Err(Problem::new(Kind::MediaTypeUnsupported, detail));
    }
    Ok((parts.headers, query, read_body(body, PRICE_LIST_BYTES_MAX).await?))
}

fn unreadable(err: &Unreadable) -> Problem {
    Problem::new(Kind::FileUnreadable, format!("Nothing is imported: {err}."))
}

/// What is said of a file whatever becomes of its import.
struct About {
    name: String,
    sha256: String,
    offers: usize,
    prices: Option<usize>,
    report: Report,
    more_notes: usize,
}

impl About {
    /// Refuses a file of which rows would be lost for reasons that `skip` does not name.
    fn new(
        (name, sha256): (&str, &str),
        (offers, prices): (usize, Option<usize>),
        mut report: Report,
        skip: Option<&str>,
    ) -> Result<Self, Problem> {
        let skip = skip.unwrap_or_default().split(',').filter(|word| !word.is_empty());
        let skip: Result<BTreeSet<_>, UnknownReason> = skip.map(str::parse).collect();
        let skip = skip.map_err(|err| {
            Problem::new(Kind::QueryInvalid, format!("The query is not valid: {err}."))
        })?;
        let is_accepted = report.is_accepted(&skip);
        let loss = report.loss();
        let more_notes = report.notes.len().saturating_sub(NOTES_MAX);
        report.notes.truncate(NOTES_MAX);
        if !is_accepted {
            let detail = format!("Nothing is imported: {loss}.");
            let mut problem = Problem::new(Kind::RowsNotUnderstood, detail);
            let mut facts = json!(report);
            facts["more_notes"] = json!(more_notes);
            problem.body.facts = Some(facts);
            return Err(problem);
        }
        let (name, sha256) = (name.to_owned(), sha256.to_owned());
        Ok(Self { name, sha256, offers, prices, report, more_notes })
    }
}

/// Carries the import out, or says what it would do; the file itself is not in the answer.
async fn answer(
    state: &AppState,
    envelope: Envelope,
    ask: Ask,
    about: About,
) -> Result<Response, Problem> {
    let key = HeaderValue::try_from(envelope.command_id.as_str());
    let dry_run = envelope.dry_run;
    let asked = request(state, envelope, ask);
    let (version, position, unchanged, hit) = if dry_run {
        let preview = state.ledger.preview(asked).await?;
        (preview.version, None, preview.events.is_empty(), false)
    } else {
        let outcome = state.execute(asked).await?;
        let position = outcome.recorded.as_ref().map(|recorded| recorded.position);
        (outcome.version, position, position.is_none(), outcome.hit)
    };
    let About { name, sha256, offers, prices, report, more_notes } = about;
    let body = FileImported {
        name,
        sha256,
        offers,
        prices,
        version,
        position,
        unchanged,
        dry_run,
        report,
        more_notes,
    };
    let mut answer = (StatusCode::OK, Json(body)).into_response();
    let headers = answer.headers_mut();
    headers.insert(header::ETAG, etag(version));
    if let Ok(key) = key {
        headers.insert(IDEMPOTENCY_KEY, key);
    }
    if hit {
        headers.insert(IDEMPOTENCY_HIT, HeaderValue::from_static("true"));
    }
    Ok(answer)
}
