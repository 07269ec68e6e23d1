//! Subscriptions: buying, trying, changing, suspending, cancelling and upgrading them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use ledger_core::ids::{CustomerId, SubscriptionId};
use projector::views::subscriptions::SubscriptionDocument;

use super::{Problems, commands, page};
use crate::auth::Principal;
use crate::extract::{Asked, At};
use crate::problem::Problem;
use crate::state::AppState;
use crate::wire::{
    AddSeatsBody, CancelBody, ConvertTrialBody, CreditBody, ExtendTrialBody, List, ListQuery,
    PurchaseBody, ReadQuery, RemoveSeatsBody, RenameBody, ResumeBody, SuspendBody, TrialBody,
    UpgradeBody,
};

commands! {
    /// Buys a subscription.
    purchase: PurchaseBody, "subscriptions", "/v1/customers/{customer}/subscriptions";

    /// Starts a trial.
    start_trial: TrialBody, "subscriptions", "/v1/customers/{customer}/trials";

    /// Makes a paid subscription of a trial, before its end.
    convert_trial: ConvertTrialBody, "subscriptions",
        "/v1/customers/{customer}/subscriptions/{subscription}/convert-trial",
        subscription: SubscriptionId = "subscription";

    /// Gives a trial more days: for the operator.
    extend_trial: ExtendTrialBody, "subscriptions",
        "/v1/customers/{customer}/subscriptions/{subscription}/extend-trial",
        subscription: SubscriptionId = "subscription";

    /// Gives money back that no rule gives back, as one line of credit: for the operator.
    grant_credit: CreditBody, "subscriptions",
        "/v1/customers/{customer}/subscriptions/{subscription}/credits",
        subscription: SubscriptionId = "subscription";

    /// Adds seats.
    add_seats: AddSeatsBody, "subscriptions",
        "/v1/customers/{customer}/subscriptions/{subscription}/add-seats",
        subscription: SubscriptionId = "subscription";

    /// Gives seats back, as long as their window is open.
    remove_seats: RemoveSeatsBody, "subscriptions",
        "/v1/customers/{customer}/subscriptions/{subscription}/remove-seats",
        subscription: SubscriptionId = "subscription";

    /// Cancels a subscription at once, as long as its window is open.
    cancel: CancelBody, "subscriptions",
        "/v1/customers/{customer}/subscriptions/{subscription}/cancel",
        subscription: SubscriptionId = "subscription";

    /// Stops the service of a subscription; whether billing stops is the programme's rule.
    suspend: SuspendBody, "subscriptions",
        "/v1/customers/{customer}/subscriptions/{subscription}/suspend",
        subscription: SubscriptionId = "subscription";

    /// Starts the service of a suspended subscription again.
    resume: ResumeBody, "subscriptions",
        "/v1/customers/{customer}/subscriptions/{subscription}/resume",
        subscription: SubscriptionId = "subscription";

    /// Gives a subscription a name of its own.
    rename: RenameBody, "subscriptions",
        "/v1/customers/{customer}/subscriptions/{subscription}/rename",
        subscription: SubscriptionId = "subscription";

    /// Moves seats to a higher offer; cannot be undone.
    upgrade: UpgradeBody, "subscriptions",
        "/v1/customers/{customer}/subscriptions/{subscription}/upgrade",
        subscription: SubscriptionId = "subscription";
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
