//! Licences: who may use what.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use ledger_core::ids::{CustomerId, OfferId};
use projector::views::licences::LicenceDocument;

use super::{CommandAnswers, CommandHeaders, Problems, page};
use crate::auth::Principal;
use crate::command::{Envelope, for_customer};
use crate::extract::{Asked, At, Sent};
use crate::problem::Problem;
use crate::state::AppState;
use crate::wire::{AssignBody, CommandQuery, List, ListQuery, UnassignBody};

/// Gives a user a licence.
#[utoipa::path(post, path = "/v1/customers/{customer}/licences/{offer}/assign", tag = "licences",
    request_body = AssignBody, responses(CommandAnswers),
    params(("customer" = String, Path), ("offer" = String, Path), CommandQuery, CommandHeaders))]
pub(crate) async fn assign(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At((customer, offer)): At<(CustomerId, OfferId)>,
    envelope: Envelope,
    Sent(body): Sent<AssignBody>,
) -> Result<Response, Problem> {
    for_customer(&state, principal, envelope, customer, body.into_parts(offer)).await
}

/// Takes a user's licence away.
#[utoipa::path(post, path = "/v1/customers/{customer}/licences/{offer}/unassign",
    tag = "licences", request_body = UnassignBody, responses(CommandAnswers),
    params(("customer" = String, Path), ("offer" = String, Path), CommandQuery, CommandHeaders))]
pub(crate) async fn unassign(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At((customer, offer)): At<(CustomerId, OfferId)>,
    envelope: Envelope,
    Sent(body): Sent<UnassignBody>,
) -> Result<Response, Problem> {
    for_customer(&state, principal, envelope, customer, body.into_parts(offer)).await
}

/// Lists a customer's licences, by offer.
#[utoipa::path(get, path = "/v1/customers/{customer}/licences", tag = "licences",
    params(("customer" = String, Path), ListQuery),
    responses((status = 200, body = List<LicenceDocument>), Problems))]
pub(crate) async fn list(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At(customer): At<CustomerId>,
    Asked(query): Asked<ListQuery>,
) -> Result<Json<List<LicenceDocument>>, Problem> {
    principal.sees(&state, &customer).await?;
    let views = state.views_at(query.min_position).await?;
    views.customer(&customer)?.ok_or_else(|| Problem::customer_unknown(&customer))?;
    Ok(Json(page(views.licences(&customer)?, &query, |licence| licence.offer.to_string())?))
}
