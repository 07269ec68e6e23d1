//! What customers ask their reseller for, and the answers.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use ledger_core::ids::{CustomerId, QuantityRequestId};
use projector::views::requests::RequestDocument;

use super::{Problems, commands, page};
use crate::auth::Principal;
use crate::extract::{Asked, At};
use crate::problem::Problem;
use crate::state::AppState;
use crate::wire::{DeclineBody, FulfilBody, List, ListQuery, RequestBody};

commands! {
    /// Asks the reseller for more or fewer seats of an offer.
    ask: RequestBody, "requests", "/v1/customers/{customer}/requests";

    /// Answers a request by changing a subscription by what was asked.
    fulfil: FulfilBody, "requests", "/v1/customers/{customer}/requests/{request}/fulfil",
        request: QuantityRequestId = "request";

    /// Answers a request with no.
    decline: DeclineBody, "requests", "/v1/customers/{customer}/requests/{request}/decline",
        request: QuantityRequestId = "request";
}

/// Lists the requests of a customer that wait for an answer, by id.
#[utoipa::path(get, path = "/v1/customers/{customer}/requests", tag = "requests",
    params(("customer" = String, Path), ListQuery),
    responses((status = 200, body = List<RequestDocument>), Problems))]
pub(crate) async fn list(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At(customer): At<CustomerId>,
    Asked(query): Asked<ListQuery>,
) -> Result<Json<List<RequestDocument>>, Problem> {
    principal.sees(&state, &customer).await?;
    let views = state.views_at(query.min_position).await?;
    views.customer(&customer)?.ok_or_else(|| Problem::customer_unknown(&customer))?;
    Ok(Json(page(views.requests(&customer)?, &query, |one| one.request.to_string())?))
}

/// Lists the requests of all customers that the caller sees, by customer and id.
#[utoipa::path(get, path = "/v1/requests", tag = "requests", params(ListQuery),
    responses((status = 200, body = List<RequestDocument>), Problems))]
pub(crate) async fn list_all(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    Asked(query): Asked<ListQuery>,
) -> Result<Json<List<RequestDocument>>, Problem> {
    let views = state.views_at(query.min_position).await?;
    let waiting = views.customers()?.into_iter().filter(|customer| {
        0 < customer.requests_open
            && principal.scope.includes(&customer.customer, &customer.reseller)
    });
    let mut all = Vec::new();
    for customer in waiting {
        all.extend(views.requests(&customer.customer)?);
    }
    Ok(Json(page(all, &query, |one| format!("{}/{}", one.customer, one.request))?))
}
