//! Users and groups, and the licences they have.

use serde::{Deserialize, Serialize};

use crate::ids::{GroupId, OfferId, SealedText, UserId};

/// Adds a user of the customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddUser {
    /// The user.
    pub user: UserId,
    /// Where the user works, as two capital letters (ISO 3166-1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage_location: Option<String>,
}

/// Keeps a user's name and e-mail address, sealed; what is left out is removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NameUser {
    /// The user.
    pub user: UserId,
    /// The user's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<SealedText>,
    /// The user's e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<SealedText>,
}

/// Removes a user of the customer with all licences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveUser {
    /// The user.
    pub user: UserId,
}

/// Gives a user a licence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssignLicence {
    /// Offer whose licence is assigned.
    pub offer: OfferId,
    /// User who gets it.
    pub user: UserId,
    /// Where the user works, as two capital letters (ISO 3166-1); as the user was added when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage_location: Option<String>,
}

/// Takes a user's licence away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnassignLicence {
    /// Offer whose licence is taken away.
    pub offer: OfferId,
    /// User who loses it.
    pub user: UserId,
}

/// Puts a user into a group, with the licences of the group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddGroupMember {
    /// The group.
    pub group: GroupId,
    /// The user.
    pub user: UserId,
}

/// Takes a user out of a group, with the licences that came from it alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveGroupMember {
    /// The group.
    pub group: GroupId,
    /// The user.
    pub user: UserId,
}

/// Gives a licence to every member of a group, now and later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssignGroupLicence {
    /// The group.
    pub group: GroupId,
    /// Offer whose licence is assigned.
    pub offer: OfferId,
}

/// Takes a licence away from a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnassignGroupLicence {
    /// The group.
    pub group: GroupId,
    /// Offer whose licence is taken away.
    pub offer: OfferId,
}

/// Tries again to give the members of a group what it could not give them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReprocessGroup {
    /// The group.
    pub group: GroupId,
}
