//! The log and the journal, commit by commit, for tools that check and replay them.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use eventually::store::{EventStore, Select};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use ledger_core::ids::StreamId;
use ledger_core::store::segment::SegmentLog;
use ledger_core::store::{CommitLog, StoreError, StoredCommit};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Problems;
use crate::auth::{Action, Principal};
use crate::extract::Asked;
use crate::problem::{Kind, Problem};
use crate::state::AppState;
use ledger_core::error::chain;

/// Bytes of commits after which a page with a limit ends.
const PAGE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Query of the log.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LogQuery {
    /// Only commits after this position.
    #[serde(default)]
    pub after: u64,
    /// Most commits, at least 1; all when left out. Large commits make a page shorter.
    #[serde(default)]
    pub limit: Option<u32>,
    /// Only commits of this stream: `catalogue`, `billing` or `customer/ID`.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    pub stream: Option<StreamId>,
}

/// One line of the log.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LogLine {
    /// Position in the log, from 1.
    pub position: u64,
    /// The commit's canonical bytes, in base64.
    pub commit: String,
}

/// Streams the commits of the log, one JSON object per line.
#[utoipa::path(get, path = "/v1/log", tag = "operation", params(LogQuery),
    responses((status = 200, body = LogLine, content_type = "application/x-ndjson"), Problems))]
pub(crate) async fn log(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    Asked(query): Asked<LogQuery>,
) -> Result<Response, Problem> {
    principal.may(Action::ReadLog)?;
    lines(state.ledger.log(), query).await
}

/// Streams the commands that changed nothing, one JSON object per line.
#[utoipa::path(get, path = "/v1/journal", tag = "operation", params(LogQuery),
    responses((status = 200, body = LogLine, content_type = "application/x-ndjson"), Problems))]
pub(crate) async fn journal(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    Asked(query): Asked<LogQuery>,
) -> Result<Response, Problem> {
    principal.may(Action::ReadLog)?;
    lines(state.ledger.journal(), query).await
}

async fn lines(log: &SegmentLog, query: LogQuery) -> Result<Response, Problem> {
    if query.limit == Some(0) {
        return Err(Problem::new(Kind::QueryInvalid, "The limit must be at least 1."));
    }
    let commits = commits(log, &query).await?;
    let limit =
        query.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    // A page is read as a whole, and a price list takes up megabytes.
    let bytes_max = query.limit.map_or(usize::MAX, |_| PAGE_BYTES_MAX);
    let mut bytes: usize = 0;
    let page = commits.take(limit).take_while(move |stored| {
        let has_room = bytes < bytes_max;
        let stored = stored.as_ref().map_or(0, |stored| stored.bytes().len());
        bytes = bytes.saturating_add(stored);
        std::future::ready(has_room)
    });
    let lines = page.map(|stored| {
        let line = stored.map_err(std::io::Error::other).and_then(|stored| line(&stored));
        // The connection breaks then: a reader must not take half a log for a whole one.
        line.inspect_err(|err| tracing::error!(error = %chain(err), "the log cannot be read"))
    });
    let media_type = HeaderValue::from_static("application/x-ndjson");
    Ok(([(header::CONTENT_TYPE, media_type)], Body::from_stream(lines)).into_response())
}

async fn commits(
    log: &SegmentLog,
    query: &LogQuery,
) -> Result<BoxStream<'static, Result<StoredCommit, StoreError>>, Problem> {
    let after = query.after;
    let Some(stream) = &query.stream else {
        return Ok(log.read_from(after.saturating_add(1)));
    };
    let stored: Vec<StoredCommit> =
        log.stream(stream.clone(), Select::All).await?.try_collect().await?;
    let later = stored.into_iter().filter(move |c| after < u64::from(c.sequence_number()));
    Ok(futures::stream::iter(later.map(Ok)).boxed())
}

fn line(stored: &StoredCommit) -> Result<String, std::io::Error> {
    let position = u64::from(stored.sequence_number());
    let line = LogLine { position, commit: STANDARD.encode(stored.bytes()) };
    let json = serde_json::to_string(&line)?;
    Ok(json + "\n")
}
