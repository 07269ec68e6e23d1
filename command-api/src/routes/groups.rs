//! Groups of users, and the licences they give.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use ledger_core::customer::Group;
use ledger_core::ids::{CustomerId, GroupId, OfferId, UserId};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Problems, commands, page, seen};
use crate::auth::Principal;
use crate::extract::{Asked, At};
use crate::problem::Problem;
use crate::state::AppState;
use crate::wire::{
    AddMemberBody, AssignGroupBody, List, ListQuery, RemoveMemberBody, ReprocessBody,
    UnassignGroupBody,
};

commands! {
    /// Puts a user into a group, with the licences of the group.
    add_member: AddMemberBody, "people", "/v1/customers/{customer}/groups/{group}/add-member",
        group: GroupId = "group";

    /// Takes a user out of a group, with the licences that came from it alone.
    remove_member: RemoveMemberBody, "people",
        "/v1/customers/{customer}/groups/{group}/remove-member", group: GroupId = "group";

    /// Gives a licence to every member of a group, now and later.
    assign_to_group: AssignGroupBody, "people", "/v1/customers/{customer}/groups/{group}/assign",
        group: GroupId = "group";

    /// Takes a licence away from a group.
    unassign_from_group: UnassignGroupBody, "people",
        "/v1/customers/{customer}/groups/{group}/unassign", group: GroupId = "group";

    /// Tries again to give the members of a group what it could not give them.
    reprocess: ReprocessBody, "people", "/v1/customers/{customer}/groups/{group}/reprocess",
        group: GroupId = "group";
}

/// A group of users.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct GroupDocument {
    /// The group.
    #[schema(value_type = String)]
    pub group: GroupId,
    /// Its members.
    #[schema(value_type = Vec<String>)]
    pub members: Vec<UserId>,
    /// Offers whose licences it gives.
    #[schema(value_type = Vec<String>)]
    pub offers: Vec<OfferId>,
    /// Members that got none of them.
    pub failed: Vec<FailedMember>,
}

/// A member that got none of the licences of a group.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FailedMember {
    /// The member.
    #[schema(value_type = String)]
    pub user: UserId,
    /// The offer that was not possible.
    #[schema(value_type = String)]
    pub offer: OfferId,
    /// Code of the rule that said no.
    pub code: String,
}

/// Lists a customer's groups, by id.
#[utoipa::path(get, path = "/v1/customers/{customer}/groups", tag = "people",
    params(("customer" = String, Path), ListQuery),
    responses((status = 200, body = List<GroupDocument>), Problems))]
pub(crate) async fn list(
    State(state): State<Arc<AppState>>,
    principal: Principal,
    At(customer): At<CustomerId>,
    Asked(query): Asked<ListQuery>,
) -> Result<Json<List<GroupDocument>>, Problem> {
    state.check_position(query.min_position)?;
    let customer = seen(&state, &principal, &customer).await?;
    let all = customer.groups.into_iter().map(|(group, of)| document(group, of));
    Ok(Json(page(all, &query, |group| group.group.to_string())?))
}

fn document(group: GroupId, of: Group) -> GroupDocument {
    let failed = of.failed.into_iter();
    GroupDocument {
        group,
        members: of.members.into_iter().collect(),
        offers: of.offers.into_iter().collect(),
        failed: failed.map(|(user, (offer, code))| FailedMember { user, offer, code }).collect(),
    }
}
