//! Whose licences move along with upgraded seats, and whose must be moved by hand.

use crate::catalogue::{Catalogue, Offer};
use crate::customer::by_hand::{ByHandReason, MoveByHand};
use crate::customer::state::{Assignment, Customer, Subscription};
use crate::ids::{OfferId, UserId};

/// What becomes of the licences of upgraded seats.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct UsersMoved {
    /// Users whose licence moves along.
    pub(in super::super) reassigned: Vec<UserId>,
    /// Users whose licence must be moved by hand, and why.
    pub(in super::super) manual: Vec<MoveByHand>,
}

/// Whose licences move along when `moved` seats of `source` become seats of `target_offer`, and whose
/// must be moved by hand.
///
/// They move along only when every seat of the old offer is upgraded, so that nobody has to be picked.
/// Source: domain, sections 3.3 and 7, and section 10, no. 77 and no. 78.
pub(in super::super) fn users_moved(
    catalogue: &Catalogue,
    customer: &Customer,
    source: &Subscription,
    target_offer: &OfferId,
    moved: u32,
) -> UsersMoved {
    let is_all = source.quantity == moved && customer.valid(&source.offer) == moved;
    let mut users = UsersMoved::default();
    let Some(target) = catalogue.offer(target_offer) else { return users };
    let change = Change { catalogue, customer, from: &source.offer, to: target_offer, target };
    for (user, assignment) in customer.assignments.get(&source.offer).into_iter().flatten() {
        let stays = if is_all {
            change.obstacle(user, assignment)
        } else {
            Some(ByHandReason::SeatsRemain)
        };
        match stays {
            None => users.reassigned.push(user.clone()),
            Some(reason) => users.manual.push(MoveByHand { user: user.clone(), reason }),
        }
    }
    users
}

/// One offer in the place of another.
struct Change<'a> {
    catalogue: &'a Catalogue,
    customer: &'a Customer,
    from: &'a OfferId,
    to: &'a OfferId,
    target: &'a Offer,
}

impl Change<'_> {
    fn obstacle(&self, user: &UserId, assignment: &Assignment) -> Option<ByHandReason> {
        if !assignment.groups.is_empty() {
            let groups = assignment.groups.iter().cloned().collect();
            return Some(ByHandReason::ThroughGroups { groups });
        }
        if self.target.is_for_company {
            return Some(ByHandReason::CompanyLicence);
        }
        let works_in = self.customer.users.get(user).and_then(Option::as_ref);
        let usage_location = works_in.unwrap_or(&assignment.usage_location);
        if self.target.prohibited_locations.contains(usage_location) {
            let usage_location = usage_location.clone();
            return Some(ByHandReason::ProhibitedLocation { usage_location });
        }
        let prerequisites = &self.target.prerequisites;
        if !prerequisites.is_empty() && !prerequisites.iter().any(|base| self.keeps(user, base)) {
            let needs_one_of = prerequisites.iter().cloned().collect();
            return Some(ByHandReason::NeedsOneOf { needs_one_of });
        }
        self.customer.assignments.keys().find_map(|other| self.between(user, other))
    }

    /// What stands between the user's licence of `other` and the change.
    fn between(&self, user: &UserId, other: &OfferId) -> Option<ByHandReason> {
        if other == self.from || other == self.to || !self.customer.has_licence(other, user) {
            return None;
        }
        if self.target.conflicts.contains(other) {
            return Some(ByHandReason::Excludes { conflicting: other.clone() });
        }
        let held = self.catalogue.offer(other)?;
        if held.conflicts.contains(self.to) {
            return Some(ByHandReason::Excludes { conflicting: other.clone() });
        }
        let stays = |base: &OfferId| base == self.to || self.keeps(user, base);
        let loses_base =
            held.prerequisites.contains(self.from) && !held.prerequisites.iter().any(stays);
        loses_base.then(|| ByHandReason::NeededBy { dependent: other.clone() })
    }

    /// Whether the user has a licence of `offer` afterwards that is not the new one.
    fn keeps(&self, user: &UserId, offer: &OfferId) -> bool {
        offer != self.from && self.customer.has_licence(offer, user)
    }
}
