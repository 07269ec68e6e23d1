//! Trials.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::{ChargeBasis, GrownSubscription, QuantityChange, RuleSet, TermPlan};
use crate::calendar::{AnchorRule, Period};
use crate::ids::{OfferId, SubscriptionId};

/// A trial began. It costs nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialStarted {
    /// The new subscription.
    pub subscription: SubscriptionId,
    /// What is tried.
    pub offer: OfferId,
    /// The offer's name at that time.
    pub offer_title: String,
    /// Services the offer includes at that time.
    pub services: Vec<String>,
    /// Seats; they form lot 1.
    pub quantity: u32,
    /// First and last day.
    pub term: Period,
    /// Length and billing of the paid subscription that it becomes.
    pub converts_to: TermPlan,
    /// Whether it becomes one by itself.
    pub converts: bool,
    /// Rules it was decided under.
    pub rules: RuleSet,
}

/// A trial became a paid subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialConverted {
    /// The trial.
    pub subscription: SubscriptionId,
    /// Its offer.
    pub offer: OfferId,
    /// Seats of the trial, and seats paid for.
    pub quantity: QuantityChange,
    /// Where the seats went.
    pub into: TrialTarget,
    /// What is charged.
    pub basis: ChargeBasis,
    /// The price list that the price was read from; `None`: a plan of the catalogue.
    pub price_list: Option<String>,
    /// Rules it was decided under.
    pub rules: RuleSet,
}

/// A trial was given more days. They cost nothing, and a bill shows that they do. Source: domain, sections
/// 1.9 and 4.5.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialExtended {
    /// The trial.
    pub subscription: SubscriptionId,
    /// Its offer.
    pub offer: OfferId,
    /// Its seats.
    pub quantity: u32,
    /// Last day before and after.
    pub term_end: TermEndChange,
    /// The days more, free of charge.
    pub basis: ChargeBasis,
    /// Rules in force then.
    pub rules: RuleSet,
}

/// The last day of a term before and after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TermEndChange {
    /// Last day before.
    pub from: NaiveDate,
    /// Last day after.
    pub to: NaiveDate,
}

/// Where the seats of a trial went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrialTarget {
    /// The trial itself is paid now.
    Itself(PaidTerm),
    /// Another subscription of the offer; the trial has ended.
    Existing(GrownSubscription),
}

/// The first paid term of what was a trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaidTerm {
    /// Length and billing.
    pub plan: TermPlan,
    /// First and last day.
    pub term: Period,
    /// When the windows opened.
    pub started_at: DateTime<Utc>,
    /// Number of the lot that all seats form now.
    pub lot: u32,
    /// Until when, included, the subscription can be cancelled; `None`: it cannot.
    pub cancel_until: Option<DateTime<Utc>>,
    /// Until when, included, its seats can be removed; `None`: they cannot.
    pub reduce_until: Option<DateTime<Utc>>,
    /// Before when a cancellation is refunded in full; `None`: by the day from the start.
    pub full_refund_before: Option<DateTime<Utc>>,
    /// How its charge cycles treat month ends.
    pub anchor: AnchorRule,
}
