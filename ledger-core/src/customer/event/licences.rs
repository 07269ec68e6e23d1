//! Users and groups, their licences, and shortfalls of seats.

use serde::{Deserialize, Serialize};

use crate::ids::{GroupId, OfferId, UserId};

/// A user was added, or works elsewhere now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserAdded {
    /// The user.
    pub user: UserId,
    /// Where the user works (ISO 3166-1 alpha-2).
    pub usage_location: Option<String>,
}

/// A user was removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRemoved {
    /// The user.
    pub user: UserId,
}

/// A user got a licence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LicenceAssigned {
    /// Offer whose licence was assigned.
    pub offer: OfferId,
    /// User who has it now.
    pub user: UserId,
    /// Where the user works (ISO 3166-1 alpha-2).
    pub usage_location: String,
    /// The group that it came through; `None`: directly.
    pub through: Option<GroupId>,
}

/// A user lost a licence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LicenceUnassigned {
    /// Offer whose licence was taken away.
    pub offer: OfferId,
    /// User who had it.
    pub user: UserId,
    /// The group that it came through; `None`: directly.
    pub through: Option<GroupId>,
}

/// A user came into a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupMemberAdded {
    /// The group.
    pub group: GroupId,
    /// The user.
    pub user: UserId,
}

/// A user left a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupMemberRemoved {
    /// The group.
    pub group: GroupId,
    /// The user.
    pub user: UserId,
}

/// A group gives a licence to its members now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupLicenceAssigned {
    /// The group.
    pub group: GroupId,
    /// Offer whose licence it gives.
    pub offer: OfferId,
}

/// A group no longer gives a licence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupLicenceUnassigned {
    /// The group.
    pub group: GroupId,
    /// Offer whose licence it gave.
    pub offer: OfferId,
}

/// A member got nothing of what it lacked of a group's licences, because one of them was not possible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupLicencesFailed {
    /// The group.
    pub group: GroupId,
    /// The member.
    pub user: UserId,
    /// The offer that was not possible.
    pub offer: OfferId,
    /// Code of the rule that said no.
    pub code: String,
}

/// What a member could not get from a group is settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupLicencesSettled {
    /// The group.
    pub group: GroupId,
    /// The member.
    pub user: UserId,
}

/// More licences are assigned than there are seats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShortfallRaised {
    /// Offer.
    pub offer: OfferId,
    /// Seats there are.
    pub valid: u32,
    /// Licences assigned.
    pub assigned: u32,
}

/// There are again as many seats as assigned licences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShortfallCleared {
    /// Offer.
    pub offer: OfferId,
}
