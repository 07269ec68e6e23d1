//! Licences that do not move along with upgraded seats.

use serde::Serialize;

use crate::ids::{GroupId, OfferId, UserId};

/// A user whose licence does not move along with upgraded seats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MoveByHand {
    /// The user.
    pub user: UserId,
    /// Why the licence does not move along.
    #[serde(flatten)]
    pub reason: ByHandReason,
}

/// Why a licence does not move along with upgraded seats. Source: domain, sections 3.3 and 7, and
/// section 10, no. 75, 77 and 94.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum ByHandReason {
    /// Seats of the old offer remain: somebody must say who gets the new ones.
    SeatsRemain,
    /// The licence comes through groups, which would give it again.
    ThroughGroups {
        /// The groups.
        groups: Vec<GroupId>,
    },
    /// The new licence is the whole company's.
    CompanyLicence,
    /// Another licence of the user needs the old offer, and the new one does not do.
    NeededBy {
        /// Offer of that licence.
        dependent: OfferId,
    },
    /// Another licence of the user and the new one exclude each other.
    Excludes {
        /// Offer of that licence.
        conflicting: OfferId,
    },
    /// The user lacks what the new licence builds on.
    NeedsOneOf {
        /// Offers it builds on.
        needs_one_of: Vec<OfferId>,
    },
    /// The new offer may not be used where the user works.
    ProhibitedLocation {
        /// Where that is (ISO 3166-1 alpha-2).
        usage_location: String,
    },
}
