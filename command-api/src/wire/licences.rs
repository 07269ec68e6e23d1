//! Bodies about users and groups, and the licences they have.

use ledger_core::ids::{GroupId, OfferId, UserId};

use super::bodies;

bodies! {
    /// Adds a user of the customer, or says where a user works.
    AddUserBody() -> AddUser {
        /// The user, as an opaque id.
        #[schema(value_type = String)]
        user: UserId,
        /// Where the user works, as two capital letters (ISO 3166-1).
        #[schema(example = "FR")]
        usage_location: Option<String>,
    }

    /// Removes a user of the customer with all licences.
    RemoveUserBody(user: UserId) -> RemoveUser {}

    /// Gives a user a licence.
    AssignBody(offer: OfferId) -> AssignLicence {
        /// User who gets it, as an opaque id.
        #[schema(value_type = String)]
        user: UserId,
        /// Where the user works, as two capital letters (ISO 3166-1); as the user was added when left
        /// out.
        #[schema(example = "FR")]
        usage_location: Option<String>,
    }

    /// Takes a user's licence away.
    UnassignBody(offer: OfferId) -> UnassignLicence {
        /// User who loses it.
        #[schema(value_type = String)]
        user: UserId,
    }

    /// Puts a user into a group, with the licences of the group.
    AddMemberBody(group: GroupId) -> AddGroupMember {
        /// The user.
        #[schema(value_type = String)]
        user: UserId,
    }

    /// Takes a user out of a group, with the licences that came from it alone.
    RemoveMemberBody(group: GroupId) -> RemoveGroupMember {
        /// The user.
        #[schema(value_type = String)]
        user: UserId,
    }

    /// Gives a licence to every member of a group, now and later.
    AssignGroupBody(group: GroupId) -> AssignGroupLicence {
        /// Offer whose licence is assigned.
        #[schema(value_type = String)]
        offer: OfferId,
    }

    /// Takes a licence away from a group.
    UnassignGroupBody(group: GroupId) -> UnassignGroupLicence {
        /// Offer whose licence is taken away.
        #[schema(value_type = String)]
        offer: OfferId,
    }

    /// Tries again to give the members of a group what it could not give them.
    ReprocessBody(group: GroupId) -> ReprocessGroup {}
}
