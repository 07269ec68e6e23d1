//! Who of a customer may use the portal.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use ledger_core::customer::PortalAccess;
use ledger_core::ids::{CustomerId, UserId};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Problems, commands, page, seen};
use crate::auth::Principal;
use crate::extract::{Asked, At};
use crate::problem::Problem;
use crate::state::AppState;
use crate::wire::{List, ListQuery, PortalAccessBody, RevokePortalAccessBody};

commands! {
    /// Lets a user of the customer into the portal, or changes what the user may do there.
    grant_access: PortalAccessBody, "people", "/v1/customers/{customer}/portal-access";

    /// Shuts a user out of the portal.
    revoke_access: RevokePortalAccessBody, "people",
        "/v1/customers/{customer}/portal-access/{user}/revoke", user: UserId = "user";
}

/// What a user may do in the portal.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PortalDocument {
    /// The user.
    #[schema(value_type = String)]
    pub user: UserId,
    /// `view` or `manage`.
    #[schema(value_type = String)]
    pub access: PortalAccess,
}

/// Lists who of a customer may use the portal, by user.
#[utoipa::path(get, path = "/v1/customers/{customer}/portal-access", tag = "people",
    params(("customer" = String, Path), ListQuery),
    responses((status = 200, body = List<PortalDocument>), Problems))]
pub(crate) async fn list(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At(customer): At<CustomerId>,
    Asked(query): Asked<ListQuery>,
) -> Result<Json<List<PortalDocument>>, Problem> {
    state.check_position(query.min_position)?;
    let customer = seen(&state, &principal, &customer).await?;
    let all = customer.portal.into_iter().map(|(user, access)| PortalDocument { user, access });
    Ok(Json(page(all, &query, |one| one.user.to_string())?))
}
