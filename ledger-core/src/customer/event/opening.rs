//! What was told about the time before the ledger, and what was put right.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::{QuantityChange, RuleSet, Settled, TermPlan};
use crate::calendar::{AnchorRule, Period};
use crate::customer::command::EndOfTermAction;
use crate::customer::state::{Lot, Status};
use crate::ids::{OfferId, SubscriptionId};
use crate::money::{Money, RoundingPolicy};

/// A subscription was taken over as it stood elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpeningBalanceImported {
    /// Subscription.
    pub subscription: SubscriptionId,
    /// Its offer.
    pub offer: OfferId,
    /// The offer's name.
    pub offer_title: String,
    /// Services the offer includes.
    pub services: Vec<String>,
    /// What its status means here.
    pub status: Status,
    /// Its status in the words of where it came from.
    pub vendor_status: String,
    /// The vendor's reasons for its suspension; a status that nobody knows is one, too.
    pub vendor_reasons: Vec<String>,
    /// Length and billing.
    pub plan: TermPlan,
    /// Seats.
    pub quantity: u32,
    /// Price of one seat for one billing cycle, locked for the term.
    pub unit_price: Money,
    /// First and last day of the current term.
    pub term: Period,
    /// When it was bought; `None`: not known.
    pub bought_at: Option<DateTime<Utc>>,
    /// What happens at the end of the term.
    pub end_of_term: EndOfTermAction,
    /// Until when, included, it can be cancelled; `None`: it cannot.
    pub cancel_until: Option<DateTime<Utc>>,
    /// Its seats, by the window in which they can be removed.
    pub lots: Vec<Lot>,
    /// Whether it is a trial.
    pub trial: bool,
    /// Seats of it above the most that the offer allows, over all subscriptions and partners.
    pub above_maximum: u32,
    /// Fields that the ledger does not know, as they were found, by name.
    pub unknown: BTreeMap<String, String>,
    /// Rules it was decided under; `None`: no catalogue was needed.
    pub rules: Option<RuleSet>,
    /// How its charge cycles treat month ends.
    pub anchor: AnchorRule,
    /// How its charges are rounded.
    pub rounding: RoundingPolicy,
    /// Last day charged elsewhere: that of the charge cycle in which it was taken over; `None`: not told.
    pub charged_through: Option<NaiveDate>,
    /// Whether it is suspended and not charged while it is.
    pub billing_stopped: bool,
}

/// Something that the ledger had wrong about a subscription was put right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorrectionRecorded {
    /// Subscription.
    pub subscription: SubscriptionId,
    /// Its offer.
    pub offer: OfferId,
    /// Seats before and after, if they were wrong.
    pub quantity: Option<QuantityChange>,
    /// Last day of the term, if it was wrong.
    pub term_end: Option<NaiveDate>,
    /// Price of one seat for one billing cycle, if it was wrong.
    pub unit_price: Option<Money>,
    /// What happens at the end of the term, if it was wrong.
    pub end_of_term: Option<EndOfTermAction>,
    /// Rules in force then; `None`: there was no catalogue.
    pub rules: Option<RuleSet>,
    /// From which day on it is right; `None`: not told, and nothing is settled.
    pub from: Option<NaiveDate>,
    /// What is credited and charged for the days that were charged wrongly.
    pub settled: Vec<Settled>,
}
