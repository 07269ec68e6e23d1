//! What one can choose from before a command is sent: days on which a term may end, and upgrades.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::NaiveDate;
use ledger_core::calendar::TermDuration;
use ledger_core::customer::{Context, EndDateChoice, UpgradeChoice, end_dates, upgrade_choices};
use ledger_core::ids::{CustomerId, OfferId, SubscriptionId};
use ledger_core::record::Refusal;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Problems, seen};
use crate::auth::Principal;
use crate::extract::{Asked, At, NoQuery};
use crate::problem::Problem;
use crate::state::AppState;
use crate::wire::TermName;

/// Query of the days on which a term may end.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EndDatesQuery {
    /// Length of the commitment.
    #[param(value_type = TermName)]
    pub term: TermDuration,
    /// First day of the term; today when left out.
    pub start: Option<NaiveDate>,
}

/// All that one can choose from.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Choices<T> {
    /// The choices.
    pub data: Vec<T>,
}

/// A day on which a term may end.
#[derive(Clone, Debug, ToSchema)]
#[expect(dead_code, reason = "only described, for the OpenAPI document")]
pub struct EndDateDocument {
    /// Last day of the term.
    end_date: NaiveDate,
    /// What else ends then: `calendar-month` or `subscription`.
    kind: String,
    /// Subscriptions that end on this day of the year; none for the end of a month.
    subscriptions: Vec<String>,
}

/// Lists the days, besides the regular one, on which a term that begins on a day may end, for `end_date`
/// of a purchase.
#[utoipa::path(get, path = "/v1/customers/{customer}/end-dates", tag = "subscriptions",
    params(("customer" = String, Path), EndDatesQuery),
    responses((status = 200, body = Choices<EndDateDocument>), Problems))]
pub(crate) async fn of_end_dates(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At(customer): At<CustomerId>,
    Asked(query): Asked<EndDatesQuery>,
) -> Result<Json<Choices<EndDateChoice>>, Problem> {
    let customer = seen(&state, &principal, &customer).await?;
    let start = query.start.unwrap_or_else(|| state.now().date_naive());
    Ok(Json(Choices { data: end_dates(&customer, start, query.term) }))
}

/// An offer that a subscription could be upgraded to.
#[derive(Clone, Debug, ToSchema)]
#[expect(dead_code, reason = "only described, for the OpenAPI document")]
pub struct UpgradeChoiceDocument {
    /// The offer.
    #[schema(value_type = String)]
    target_offer: OfferId,
    /// Its name.
    title: String,
    /// Seats that are upgraded when nothing else is said: all.
    quantity: u32,
    /// Services that users get.
    added_services: Vec<String>,
    /// Services that users lose, so that what they keep there must be moved.
    lost_services: Vec<String>,
    /// What stands against a new subscription that ends with this one, each with `code`, `message` and
    /// `succeeds_at`; empty: it is possible now.
    into_new: Vec<serde_json::Value>,
    /// The customer's subscriptions of the offer that the seats could go into, each with its
    /// `obstacles`.
    into_existing: Vec<serde_json::Value>,
    /// What stands against it at the next renewal; empty: it can be planned.
    at_renewal: Vec<serde_json::Value>,
    /// Users whose licence would have to be moved by hand, each with the reason.
    manual: Vec<serde_json::Value>,
}

/// Lists what a subscription could be upgraded to now, and what stands against each.
#[utoipa::path(get,
    path = "/v1/customers/{customer}/subscriptions/{subscription}/upgrade-choices",
    tag = "subscriptions", params(("customer" = String, Path), ("subscription" = String, Path)),
    responses((status = 200, body = Choices<UpgradeChoiceDocument>), Problems))]
pub(crate) async fn of_upgrades(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At((customer, subscription)): At<(CustomerId, SubscriptionId)>,
    _: NoQuery,
) -> Result<Json<Choices<UpgradeChoice>>, Problem> {
    let known = seen(&state, &principal, &customer).await?;
    let now = state.now();
    let catalogues = state.ledger.catalogues();
    let context = Context {
        customer: &customer,
        now,
        effective_at: now,
        actor: &principal.actor,
        catalogue: catalogues.in_force(now).map(|catalogue| &**catalogue),
    };
    let choices = upgrade_choices(&context, &known, &subscription);
    let data = choices.map_err(|rejection| Problem::refused(&Refusal::from(&rejection)))?;
    Ok(Json(Choices { data }))
}
