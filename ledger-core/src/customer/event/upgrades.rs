//! Upgrades.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::{AppliedPromotion, ChargeBasis, LotUse, QuantityChange, RuleSet, TermPlan};
use crate::calendar::{AnchorRule, Period};
use crate::ids::{OfferId, SubscriptionId, UserId};

/// Seats moved to a higher offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionUpgraded {
    /// Subscription whose seats moved.
    pub subscription: SubscriptionId,
    /// Offer they moved from.
    pub offer: OfferId,
    /// Seats that moved.
    pub moved: u32,
    /// The source's seats before and after.
    pub quantity: QuantityChange,
    /// Lots of the source that the seats were taken from, the first to close first.
    pub lots: Vec<LotUse>,
    /// Offer they moved to.
    pub target_offer: OfferId,
    /// That offer's name at that time.
    pub target_title: String,
    /// Services that offer includes at that time.
    pub target_services: Vec<String>,
    /// Where they went.
    pub target: UpgradeTarget,
    /// What is credited for the seats that moved away.
    pub credit: ChargeBasis,
    /// What is charged for the seats that arrived.
    pub charge: ChargeBasis,
    /// Users whose licence moved along.
    pub reassigned: Vec<UserId>,
    /// Users whose licence must be moved by hand.
    pub manual: Vec<UserId>,
    /// Rules it was decided under.
    pub rules: RuleSet,
    /// Services that the source offer has and the target has not: what users keep there must be moved.
    pub lost_services: Vec<String>,
    /// The price list that the price was read from; `None`: a plan of the catalogue.
    pub price_list: Option<String>,
    /// The promotion that lowered the price, if any did.
    pub promotion: Option<AppliedPromotion>,
    /// How the charge cycles of a new target treat month ends.
    pub anchor: AnchorRule,
}

/// Where upgraded seats went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpgradeTarget {
    /// The subscription itself now has the target offer; its id and term stay.
    InPlace,
    /// A new subscription.
    New(NewSubscription),
    /// An existing one.
    Existing(GrownSubscription),
}

/// A subscription made by an upgrade.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewSubscription {
    /// Its id.
    pub subscription: SubscriptionId,
    /// Length and billing.
    pub plan: TermPlan,
    /// First and last day of its first term.
    pub term: Period,
    /// Day its charge cycles are counted from.
    pub cycle_anchor: NaiveDate,
    /// Until when it can be cancelled: as its source.
    pub cancel_until: Option<DateTime<Utc>>,
    /// Until when its seats can be removed: as its source could be cancelled.
    pub reduce_until: Option<DateTime<Utc>>,
    /// Before when a cancellation is refunded in full: as its source.
    pub full_refund_before: Option<DateTime<Utc>>,
}

/// An existing subscription that received upgraded seats; they cannot be removed before its renewal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrownSubscription {
    /// Its id.
    pub subscription: SubscriptionId,
    /// Seats before and after.
    pub quantity: QuantityChange,
    /// Number of the lot that the seats form.
    pub lot: u32,
}
