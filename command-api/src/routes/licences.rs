//! Licences: who may use what.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use ledger_core::ids::{CustomerId, OfferId};
use projector::views::licences::LicenceDocument;

use super::{Problems, commands, page};
use crate::auth::Principal;
use crate::extract::{Asked, At};
use crate::problem::Problem;
use crate::state::AppState;
use crate::wire::{AssignBody, List, ListQuery, UnassignBody};

commands! {
    /// Gives a user a licence.
    assign: AssignBody, "licences", "/v1/customers/{customer}/licences/{offer}/assign",
        offer: OfferId = "offer";

    /// Takes a user's licence away.
    unassign: UnassignBody, "licences", "/v1/customers/{customer}/licences/{offer}/unassign",
        offer: OfferId = "offer";
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
