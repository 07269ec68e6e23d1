//! Users: adding and removing them, and what they have.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use ledger_core::customer::{Customer, PortalAccess};
use ledger_core::ids::{CustomerId, GroupId, OfferId, UserId};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Problems, commands, page, seen};
use crate::auth::Principal;
use crate::extract::{Asked, At};
use crate::problem::Problem;
use crate::state::AppState;
use crate::wire::{AddUserBody, List, ListQuery, RemoveUserBody};

commands! {
    /// Adds a user of the customer, or says where a user works.
    add: AddUserBody, "people", "/v1/customers/{customer}/users";

    /// Removes a user of the customer with all licences.
    remove: RemoveUserBody, "people", "/v1/customers/{customer}/users/{user}/remove",
        user: UserId = "user";
}

/// A user of a customer, with everything the user has.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct UserDocument {
    /// The user, as an opaque id.
    #[schema(value_type = String)]
    pub user: UserId,
    /// Where the user works (ISO 3166-1 alpha-2), if that was told when the user was added.
    pub usage_location: Option<String>,
    /// Licences that the user has.
    pub licences: Vec<UserLicence>,
    /// Groups that the user is in.
    #[schema(value_type = Vec<String>)]
    pub groups: Vec<GroupId>,
    /// What the user may do in the portal, `view` or `manage`; null: nothing.
    #[schema(value_type = Option<String>)]
    pub portal_access: Option<PortalAccess>,
}

/// A licence of a user.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct UserLicence {
    /// Of which offer.
    #[schema(value_type = String)]
    pub offer: OfferId,
    /// Where the user works, as said when it was assigned (ISO 3166-1 alpha-2).
    pub usage_location: String,
    /// Whether it was assigned to the user directly.
    pub direct: bool,
    /// Groups that it came through.
    #[schema(value_type = Vec<String>)]
    pub groups: Vec<GroupId>,
}

/// Lists a customer's users, by id: those who were added, have a licence, are in a group or may use the
/// portal.
#[utoipa::path(get, path = "/v1/customers/{customer}/users", tag = "people",
    params(("customer" = String, Path), ListQuery),
    responses((status = 200, body = List<UserDocument>), Problems))]
pub(crate) async fn list(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At(customer): At<CustomerId>,
    Asked(query): Asked<ListQuery>,
) -> Result<Json<List<UserDocument>>, Problem> {
    state.check_position(query.min_position)?;
    let customer = seen(&state, &principal, &customer).await?;
    Ok(Json(page(documents(&customer), &query, |user| user.user.to_string())?))
}

fn documents(customer: &Customer) -> Vec<UserDocument> {
    let assigned = customer.assignments.values().flat_map(|users| users.keys());
    let members = customer.groups.values().flat_map(|group| &group.members);
    let all = customer.users.keys().chain(assigned).chain(members).chain(customer.portal.keys());
    let all: BTreeSet<&UserId> = all.collect();
    all.into_iter().map(|user| document(customer, user)).collect()
}

fn document(customer: &Customer, user: &UserId) -> UserDocument {
    let held = customer.assignments.iter();
    let held = held.filter_map(|(offer, users)| Some((offer, users.get(user)?)));
    let groups = customer.groups.iter().filter(|(_, group)| group.members.contains(user));
    UserDocument {
        user: user.clone(),
        usage_location: customer.users.get(user).cloned().flatten(),
        licences: held
            .map(|(offer, held)| UserLicence {
                offer: offer.clone(),
                usage_location: held.usage_location.clone(),
                direct: held.direct,
                groups: held.groups.iter().cloned().collect(),
            })
            .collect(),
        groups: groups.map(|(id, _)| id.clone()).collect(),
        portal_access: customer.portal.get(user).copied(),
    }
}
