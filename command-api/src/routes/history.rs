//! What happened to a customer, what it cost, and what was refused.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use ledger_core::commit::SealedCommit;
use ledger_core::ids::{Actor, CommandId, CustomerId, Reason, StreamId, SubscriptionId};
use ledger_core::record::{Entry, Refusal};
use projector::view_store::{AuditFilter, Page, Paging};
use projector::views::audit::AuditDocument;
use projector::views::charges::ChargeDocument;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::{Problems, after, cursor, history_of, limit, page};
use crate::auth::Principal;
use crate::extract::{Asked, At};
use crate::problem::{Problem, ProblemBody};
use crate::state::AppState;
use crate::wire::{List, ListQuery};

/// Query of the audit.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Only changes of this subscription.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    pub subscription: Option<SubscriptionId>,
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

/// Lists every change of a quantity: who, when, why, under which rules.
#[utoipa::path(get, path = "/v1/customers/{customer}/audit", tag = "history",
    params(("customer" = String, Path), AuditQuery),
    responses((status = 200, body = List<AuditDocument>), Problems))]
pub(crate) async fn audit(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At(customer): At<CustomerId>,
    Asked(query): Asked<AuditQuery>,
) -> Result<Json<List<AuditDocument>>, Problem> {
    principal.sees(&state, &customer).await?;
    let AuditQuery { subscription, limit, cursor, min_position } = query;
    let filter = AuditFilter { subscription };
    let query = ListQuery { limit, cursor, min_position };
    let views = state.views_at(min_position).await?;
    views.customer(&customer)?.ok_or_else(|| Problem::customer_unknown(&customer))?;
    let log = state.ledger.log();
    Ok(Json(list_of(views.audit(log, &customer, &filter, &paging(&query)?).await?)))
}

/// Lists every charge and credit up to now, with everything it was computed from.
///
/// The charges of events, and the further charge cycles that have begun. New lines come at the end.
#[utoipa::path(get, path = "/v1/customers/{customer}/charges", tag = "history",
    params(("customer" = String, Path), ListQuery),
    responses((status = 200, body = List<ChargeDocument>), Problems))]
pub(crate) async fn charges(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At(customer): At<CustomerId>,
    Asked(query): Asked<ListQuery>,
) -> Result<Json<List<ChargeDocument>>, Problem> {
    principal.sees(&state, &customer).await?;
    let views = state.views_at(query.min_position).await?;
    views.customer(&customer)?.ok_or_else(|| Problem::customer_unknown(&customer))?;
    let (books, today) = (state.ledger.books(), state.now().date_naive());
    let (log, billed) = (state.ledger.log(), (&*books, today));
    Ok(Json(list_of(views.charges(log, &customer, billed, &paging(&query)?).await?)))
}

fn paging(query: &ListQuery) -> Result<Paging, Problem> {
    Ok(Paging { limit: limit(query)?, after: after(query)? })
}

fn list_of<T>(page: Page<T>) -> List<T> {
    let next = page.next.map(|key| cursor(&key));
    List { data: page.items, has_more: next.is_some(), next }
}

/// Lists every commit of the customer's stream, from the log itself.
#[utoipa::path(get, path = "/v1/customers/{customer}/history", tag = "history",
    params(("customer" = String, Path), ListQuery),
    responses((status = 200, description = "Commits with events and charge lines", body = Object),
        Problems))]
pub(crate) async fn history(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At(customer): At<CustomerId>,
    Asked(query): Asked<ListQuery>,
) -> Result<Json<List<Entry>>, Problem> {
    principal.sees(&state, &customer).await?;
    state.check_position(query.min_position)?;
    let all = history_of(&state, &customer).await?;
    let List { data, has_more, next } = page(&all, &query, |r| padded(r.commit().version))?;
    let data = data.into_iter().map(Entry::of).collect::<Result<_, _>>();
    Ok(Json(List { data: data.map_err(|err| Problem::internal(&err))?, has_more, next }))
}

/// A command that changed nothing.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RefusalEntry {
    /// Number in the customer's journal, from 1.
    pub number: u64,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// Who issued the command.
    #[schema(value_type = Object)]
    pub actor: Actor,
    /// Why.
    #[schema(value_type = String)]
    pub reason: Reason,
    /// Id of the command.
    #[schema(value_type = String)]
    pub command_id: CommandId,
    /// The command.
    #[schema(value_type = Object)]
    pub command: Value,
    /// The answer that it got; null when everything was already as asked.
    #[schema(value_type = Option<ProblemBody>)]
    pub problem: Option<Problem>,
}

impl RefusalEntry {
    fn of((sealed, refusal): (SealedCommit, Option<Refusal>)) -> Self {
        let commit = sealed.commit();
        Self {
            number: commit.version,
            recorded_at: commit.recorded_at,
            actor: commit.actor.clone(),
            reason: commit.reason.clone(),
            command_id: commit.command_id.clone(),
            command: serde_json::from_slice(&commit.request).unwrap_or_default(),
            problem: refusal.as_ref().map(Problem::refused),
        }
    }
}

/// Lists the commands that changed nothing: refused by a rule, or already as asked.
#[utoipa::path(get, path = "/v1/customers/{customer}/refusals", tag = "history",
    params(("customer" = String, Path), ListQuery),
    responses((status = 200, body = List<RefusalEntry>), Problems))]
pub(crate) async fn refusals(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At(customer): At<CustomerId>,
    Asked(query): Asked<ListQuery>,
) -> Result<Json<List<RefusalEntry>>, Problem> {
    principal.sees(&state, &customer).await?;
    state.check_position(query.min_position)?;
    let all = state.ledger.refusals(&StreamId::Customer(customer)).await?;
    let all = all.into_iter().map(RefusalEntry::of);
    Ok(Json(page(all, &query, |entry| padded(entry.number))?))
}

/// A number whose text sorts like it.
fn padded(number: u64) -> String {
    format!("{number:020}")
}
