//! Customers: registration, delegated administration, holdings from elsewhere, and their state.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use ledger_core::ids::{CustomerId, OfferId, StreamId};
use ledger_core::record::{AsOf, state_at};
use projector::views::customers::CustomerDocument;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{CommandAnswers, CommandHeaders, Problems, commands, page};
use crate::auth::Principal;
use crate::command::{Envelope, etag, for_customer};
use crate::extract::{Asked, At, NoQuery, Sent};
use crate::problem::Problem;
use crate::state::AppState;
use crate::wire::{
    AgreementBody, CommandQuery, CustomerState, DeclareBody, GrantAdminBody, List, ListQuery,
    ParticularsBody, RegisterBody, RevokeAdminBody, WithdrawExternalBody, instant,
};

/// Registers a customer.
#[utoipa::path(post, path = "/v1/customers", tag = "customers", request_body = RegisterBody,
    params(CommandQuery, CommandHeaders), responses(CommandAnswers))]
pub(crate) async fn register(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    envelope: Envelope,
    Sent(body): Sent<RegisterBody>,
) -> Result<Response, Problem> {
    let (customer, reason, command) = body.into_parts();
    for_customer(&state, principal, envelope, customer, (reason, command)).await
}

commands! {
    /// Changes a customer's particulars; what is left out stays.
    change: ParticularsBody, "customers", "/v1/customers/{customer}/particulars";

    /// Records that the customer accepted the agreement that its programme asks for.
    accept_agreement: AgreementBody, "customers", "/v1/customers/{customer}/agreement";

    /// Records that the customer granted the partner delegated administration.
    grant: GrantAdminBody, "customers", "/v1/customers/{customer}/delegated-admin/grant";

    /// Records that the delegated administration has ended.
    revoke: RevokeAdminBody, "customers", "/v1/customers/{customer}/delegated-admin/revoke";

    /// Records seats that the customer holds from another partner or channel.
    declare: DeclareBody, "customers", "/v1/customers/{customer}/external-subscriptions";

    /// Records that the customer no longer holds an offer from elsewhere.
    withdraw: WithdrawExternalBody, "customers",
        "/v1/customers/{customer}/external-subscriptions/{offer}/withdraw", offer: OfferId = "offer";
}

/// Lists the customers that the caller sees, by id.
#[utoipa::path(get, path = "/v1/customers", tag = "customers", params(ListQuery),
    responses((status = 200, body = List<CustomerDocument>), Problems))]
pub(crate) async fn list(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    Asked(query): Asked<ListQuery>,
) -> Result<Json<List<CustomerDocument>>, Problem> {
    let all = state.views_at(query.min_position).await?.customers()?;
    let seen = all.into_iter().filter(|c| principal.scope.includes(&c.customer, &c.reseller));
    Ok(Json(page(seen, &query, |c| c.customer.to_string())?))
}

/// Returns a customer with everything it holds, as the ledger has it now.
#[utoipa::path(get, path = "/v1/customers/{customer}", tag = "customers",
    params(("customer" = String, Path)),
    responses((status = 200, body = CustomerState,
        headers(("ETag", description = "The stream's version, for If-Match"))), Problems))]
pub(crate) async fn show(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At(customer): At<CustomerId>,
    _: NoQuery,
) -> Result<Response, Problem> {
    principal.sees(&state, &customer).await?;
    let known = state.ledger.customer(&customer).await?;
    let (known, version) = known.ok_or_else(|| Problem::customer_unknown(&customer))?;
    let body = CustomerState { customer, version, state: Some(known) };
    Ok(([(header::ETAG, etag(version))], Json(body)).into_response())
}

/// Query of a state in the past.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StateQuery {
    /// Only what had taken effect by then, included; everything when left out.
    #[serde(default, deserialize_with = "instant")]
    pub as_of: Option<DateTime<Utc>>,
    /// Only what had been recorded by then, included; everything when left out.
    #[serde(default, deserialize_with = "instant")]
    pub known_at: Option<DateTime<Utc>>,
}

/// Returns a customer as it was at a point of both time axes: "as known then about that day".
#[utoipa::path(get, path = "/v1/customers/{customer}/state", tag = "customers",
    params(("customer" = String, Path), StateQuery),
    responses((status = 200, body = CustomerState), Problems))]
pub(crate) async fn state_in_past(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At(customer): At<CustomerId>,
    Asked(query): Asked<StateQuery>,
) -> Result<Json<CustomerState>, Problem> {
    principal.sees(&state, &customer).await?;
    let history = state.ledger.history(&StreamId::Customer(customer.clone())).await?;
    if history.is_empty() {
        return Err(Problem::customer_unknown(&customer));
    }
    let as_of = AsOf { effective_at: query.as_of, known_at: query.known_at };
    let at = state_at(&history, as_of);
    Ok(Json(CustomerState { customer, version: at.version, state: at.customer }))
}
