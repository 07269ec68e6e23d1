//! The end of a term: planning it, choosing it, and the terms themselves.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::calendar::{BillingCycle, TermDuration};
use crate::ids::{OfferId, PromotionId, SubscriptionId};

/// Plans the quantity of the next term.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleRenewalQuantity {
    /// Subscription to be renewed.
    pub subscription: SubscriptionId,
    /// All its seats from the renewal on.
    pub quantity: u32,
}

/// Plans the next term; what is left out stays as planned, or as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeRenewalSettings {
    /// Subscription to be renewed.
    pub subscription: SubscriptionId,
    /// All its seats from the renewal on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<u32>,
    /// Length of the next commitment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term: Option<TermDuration>,
    /// How often it is charged then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billing: Option<BillingCycle>,
    /// Last day of the next term, if it is to end with another subscription or with a month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_date: Option<NaiveDate>,
    /// Promotion to renew under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promotion: Option<PromotionId>,
}

/// Lets the next term end with another subscription or with a month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlignEndDate {
    /// Subscription to be renewed.
    pub subscription: SubscriptionId,
    /// Last day of the next term.
    pub end_date: NaiveDate,
}

/// Plans an upgrade for the renewal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleUpgrade {
    /// Subscription to be renewed.
    pub subscription: SubscriptionId,
    /// Offer it is to have from the renewal on.
    pub target_offer: OfferId,
    /// All its seats from the renewal on; as now when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<u32>,
    /// Length of the next commitment; as now when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term: Option<TermDuration>,
    /// How often it is charged then; as now when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billing: Option<BillingCycle>,
}

/// Drops what is planned for the renewal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WithdrawScheduledChange {
    /// Subscription.
    pub subscription: SubscriptionId,
}

/// Chooses what happens at the end of the term.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetEndOfTermAction {
    /// Subscription.
    pub subscription: SubscriptionId,
    /// What is to happen.
    pub action: EndOfTermAction,
}

/// What happens at the end of the term. Source: domain, section 1.8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndOfTermAction {
    /// A new term begins; the default.
    Renew,
    /// The subscription ends.
    Cancel,
    /// The service goes on by the month, at a premium.
    ExtendedServiceTerm,
    /// Automatic renewal is off, and nothing else was chosen: the programme decides.
    Lapse,
}

/// Begins a longer term at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeTerm {
    /// Subscription.
    pub subscription: SubscriptionId,
    /// Length of the new commitment.
    pub term: TermDuration,
    /// How often it is charged.
    pub billing: BillingCycle,
}

/// Charges a subscription in another rhythm from its next charge cycle on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeBillingFrequency {
    /// Subscription.
    pub subscription: SubscriptionId,
    /// How often it is charged from then on.
    pub billing: BillingCycle,
}
