//! Upgrades: seats move to a higher offer.

use serde::{Deserialize, Serialize};

use crate::calendar::{BillingCycle, TermDuration};
use crate::ids::{OfferId, PromotionId, SubscriptionId};

/// Moves seats to a higher offer; cannot be undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upgrade {
    /// Subscription whose seats move.
    pub subscription: SubscriptionId,
    /// Seats that move; all of them when left out. Source: SEED-1, step 6.
    #[serde(default)]
    pub quantity: Option<u32>,
    /// Offer they move to.
    pub target_offer: OfferId,
    /// Where they go.
    pub into: UpgradeInto,
    /// Whether licences move along where they can. Source: domain, section 3.3.
    #[serde(default, skip_serializing_if = "Transfer::is_automatic")]
    pub transfer: Transfer,
}

/// Whether users' licences move along with upgraded seats. Source: domain, section 3.3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transfer {
    /// Where every seat of the offer moves; the others are listed for moving by hand.
    #[default]
    Automatic,
    /// They must: refused when a user's licence cannot move along.
    Required,
}

impl Transfer {
    /// Whether it is what is done when nothing is said.
    #[must_use]
    pub const fn is_automatic(&self) -> bool {
        matches!(self, Self::Automatic)
    }
}

/// Where upgraded seats go. Source: SEED-1, step 5.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum UpgradeInto {
    /// A new subscription.
    New(NewTarget),
    /// A subscription the customer has; its term and billing cycle stay as they are.
    Existing(ExistingTarget),
}

/// A new subscription that upgraded seats go into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewTarget {
    /// Its id.
    pub subscription: SubscriptionId,
    /// When its term ends.
    pub end_date: EndDate,
    /// Length of its commitment; the source's when left out.
    #[serde(default)]
    pub term: Option<TermDuration>,
    /// How often it is charged; as the source when left out.
    #[serde(default)]
    pub billing: Option<BillingCycle>,
    /// Promotion to buy the target under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promotion: Option<PromotionId>,
}

/// A subscription the customer has, into which upgraded seats go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExistingTarget {
    /// Its id.
    pub subscription: SubscriptionId,
}

/// When the term of a subscription made by an upgrade ends. Source: domain, section 11, no. 12.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndDate {
    /// With the source's term.
    Coterminous,
    /// After a whole new term that begins today.
    NewTerm,
}
