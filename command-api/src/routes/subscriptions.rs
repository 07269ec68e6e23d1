//! Subscriptions: buying, changing, renewing, cancelling and upgrading them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use ledger_core::ids::{CustomerId, SubscriptionId};
use projector::views::subscriptions::SubscriptionDocument;

use super::{CommandAnswers, CommandHeaders, Problems, page};
use crate::auth::Principal;
use crate::command::{Envelope, for_customer};
use crate::extract::{Asked, At, Sent};
use crate::problem::Problem;
use crate::state::AppState;
use crate::wire::{
    CommandQuery, EndOfTermBody, List, ListQuery, PurchaseBody, ReadQuery, ReasonBody,
    RenewalQuantityBody, SeatsBody, UpgradeBody,
};

/// Buys a subscription.
#[utoipa::path(post, path = "/v1/customers/{customer}/subscriptions", tag = "subscriptions",
    request_body = PurchaseBody, params(("customer" = String, Path), CommandQuery, CommandHeaders),
    responses(CommandAnswers))]
pub(crate) async fn purchase(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At(customer): At<CustomerId>,
    envelope: Envelope,
    Sent(body): Sent<PurchaseBody>,
) -> Result<Response, Problem> {
    let asked = body.into_parts(&envelope.command_id);
    for_customer(&state, principal, envelope, customer, asked).await
}

/// Adds seats.
#[utoipa::path(post, path = "/v1/customers/{customer}/subscriptions/{subscription}/add-seats",
    tag = "subscriptions", request_body = SeatsBody, responses(CommandAnswers),
    params(("customer" = String, Path), ("subscription" = String, Path), CommandQuery,
        CommandHeaders))]
pub(crate) async fn add_seats(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At((customer, subscription)): At<(CustomerId, SubscriptionId)>,
    envelope: Envelope,
    Sent(body): Sent<SeatsBody>,
) -> Result<Response, Problem> {
    for_customer(&state, principal, envelope, customer, body.added_to(subscription)).await
}

/// Gives seats back, as long as their window is open.
#[utoipa::path(post, path = "/v1/customers/{customer}/subscriptions/{subscription}/remove-seats",
    tag = "subscriptions", request_body = SeatsBody, responses(CommandAnswers),
    params(("customer" = String, Path), ("subscription" = String, Path), CommandQuery,
        CommandHeaders))]
pub(crate) async fn remove_seats(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At((customer, subscription)): At<(CustomerId, SubscriptionId)>,
    envelope: Envelope,
    Sent(body): Sent<SeatsBody>,
) -> Result<Response, Problem> {
    for_customer(&state, principal, envelope, customer, body.taken_from(subscription)).await
}

/// Plans the quantity of the next term.
#[utoipa::path(post,
    path = "/v1/customers/{customer}/subscriptions/{subscription}/renewal-quantity",
    tag = "subscriptions", request_body = RenewalQuantityBody, responses(CommandAnswers),
    params(("customer" = String, Path), ("subscription" = String, Path), CommandQuery,
        CommandHeaders))]
pub(crate) async fn renewal_quantity(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At((customer, subscription)): At<(CustomerId, SubscriptionId)>,
    envelope: Envelope,
    Sent(body): Sent<RenewalQuantityBody>,
) -> Result<Response, Problem> {
    for_customer(&state, principal, envelope, customer, body.into_parts(subscription)).await
}

/// Chooses what happens at the end of the term.
#[utoipa::path(post, path = "/v1/customers/{customer}/subscriptions/{subscription}/end-of-term",
    tag = "subscriptions", request_body = EndOfTermBody, responses(CommandAnswers),
    params(("customer" = String, Path), ("subscription" = String, Path), CommandQuery,
        CommandHeaders))]
pub(crate) async fn end_of_term(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At((customer, subscription)): At<(CustomerId, SubscriptionId)>,
    envelope: Envelope,
    Sent(body): Sent<EndOfTermBody>,
) -> Result<Response, Problem> {
    for_customer(&state, principal, envelope, customer, body.into_parts(subscription)).await
}

/// Cancels a subscription at once, as long as its window is open.
#[utoipa::path(post, path = "/v1/customers/{customer}/subscriptions/{subscription}/cancel",
    tag = "subscriptions", request_body = ReasonBody, responses(CommandAnswers),
    params(("customer" = String, Path), ("subscription" = String, Path), CommandQuery,
        CommandHeaders))]
pub(crate) async fn cancel(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At((customer, subscription)): At<(CustomerId, SubscriptionId)>,
    envelope: Envelope,
    Sent(body): Sent<ReasonBody>,
) -> Result<Response, Problem> {
    for_customer(&state, principal, envelope, customer, body.cancel(subscription)).await
}

/// Moves seats to a higher offer; cannot be undone.
#[utoipa::path(post, path = "/v1/customers/{customer}/subscriptions/{subscription}/upgrade",
    tag = "subscriptions", request_body = UpgradeBody, responses(CommandAnswers),
    params(("customer" = String, Path), ("subscription" = String, Path), CommandQuery,
        CommandHeaders))]
pub(crate) async fn upgrade(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At((customer, subscription)): At<(CustomerId, SubscriptionId)>,
    envelope: Envelope,
    Sent(body): Sent<UpgradeBody>,
) -> Result<Response, Problem> {
    let asked = body.into_parts(subscription, &envelope.command_id);
    for_customer(&state, principal, envelope, customer, asked).await
}

/// Lists a customer's subscriptions, the ended ones included, by id.
#[utoipa::path(get, path = "/v1/customers/{customer}/subscriptions", tag = "subscriptions",
    params(("customer" = String, Path), ListQuery),
    responses((status = 200, body = List<SubscriptionDocument>), Problems))]
pub(crate) async fn list(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At(customer): At<CustomerId>,
    Asked(query): Asked<ListQuery>,
) -> Result<Json<List<SubscriptionDocument>>, Problem> {
    principal.sees(&state, &customer).await?;
    let views = state.views_at(query.min_position).await?;
    views.customer(&customer)?.ok_or_else(|| Problem::customer_unknown(&customer))?;
    let all = views.subscriptions(&customer)?;
    Ok(Json(page(all, &query, |s| s.subscription.to_string())?))
}

/// Returns one subscription.
#[utoipa::path(get, path = "/v1/customers/{customer}/subscriptions/{subscription}",
    tag = "subscriptions",
    params(("customer" = String, Path), ("subscription" = String, Path), ReadQuery),
    responses((status = 200, body = SubscriptionDocument), Problems))]
pub(crate) async fn show(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At((customer, subscription)): At<(CustomerId, SubscriptionId)>,
    Asked(query): Asked<ReadQuery>,
) -> Result<Json<SubscriptionDocument>, Problem> {
    principal.sees(&state, &customer).await?;
    let views = state.views_at(query.min_position).await?;
    views.customer(&customer)?.ok_or_else(|| Problem::customer_unknown(&customer))?;
    let found = views.subscription(&customer, &subscription)?;
    found.map(Json).ok_or_else(|| Problem::subscription_unknown(subscription))
}
