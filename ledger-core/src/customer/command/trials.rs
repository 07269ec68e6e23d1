//! Trials: starting one, and making a paid subscription of it.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::calendar::{BillingCycle, TermDuration};
use crate::ids::{OfferId, SubscriptionId};

/// Starts a trial. Its seats, its days and what it becomes are the programme's rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartTrial {
    /// Id of the new subscription.
    pub subscription: SubscriptionId,
    /// What is tried.
    pub offer: OfferId,
}

/// Makes a paid subscription of a trial, before its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvertTrial {
    /// The trial.
    pub subscription: SubscriptionId,
    /// Seats bought; those of the trial when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<u32>,
    /// Length of the commitment; as the programme has it when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term: Option<TermDuration>,
    /// How often it is charged; as the programme has it when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billing: Option<BillingCycle>,
    /// Subscription of the same offer that the seats go to; the trial itself becomes paid when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub into: Option<SubscriptionId>,
}

/// Gives a trial more days, as the vendor did. Issued by the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtendTrial {
    /// The trial.
    pub subscription: SubscriptionId,
    /// Its new last day, included.
    pub term_end: NaiveDate,
}
