//! What time brings about. Only the scheduler issues these.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::ids::SubscriptionId;

/// Begins the next term.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Renew {
    /// Subscription whose term is over.
    pub subscription: SubscriptionId,
    /// Last day of the term that is over.
    pub term_end: chrono::NaiveDate,
}

/// Ends a subscription whose term is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expire {
    /// Subscription whose term is over.
    pub subscription: SubscriptionId,
    /// Last day of the term that is over.
    pub term_end: chrono::NaiveDate,
}

/// Ends a trial: a paid term begins, or the subscription ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndTrial {
    /// The trial.
    pub subscription: SubscriptionId,
    /// Last day of the trial.
    pub term_end: NaiveDate,
}

/// Charges a subscription in the rhythm that was chosen for its next charge cycle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplyBillingFrequency {
    /// Subscription.
    pub subscription: SubscriptionId,
    /// First day of that charge cycle.
    pub from: NaiveDate,
}

/// Stops the service of an expired subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disable {
    /// Subscription.
    pub subscription: SubscriptionId,
    /// When its time of grace is over.
    pub due_at: DateTime<Utc>,
}

/// Deletes what a subscription has left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delete {
    /// Subscription.
    pub subscription: SubscriptionId,
    /// When its data is to go.
    pub due_at: DateTime<Utc>,
}

/// Ends a delegated administration whose time is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndDelegatedAdmin {
    /// When its time is over.
    pub due_at: DateTime<Utc>,
}
