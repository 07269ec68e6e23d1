//! What the ledger is told about the time before it, and what it is told to put right.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::EndOfTermAction;
use crate::calendar::{BillingCycle, TermDuration};
use crate::ids::{OfferId, SubscriptionId};
use rust_decimal::Decimal;

/// Takes over a subscription as it stands elsewhere. Source: domain, section 5.2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportOpeningBalance {
    /// Id of the subscription, as it has it elsewhere.
    pub subscription: SubscriptionId,
    /// Its offer; it need not be in the catalogue.
    pub offer: OfferId,
    /// The offer's name, where the catalogue has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer_title: Option<String>,
    /// Status there, such as `active` or `suspended`; one that the ledger does not know is kept as it is.
    pub status: String,
    /// The vendor's reasons, where the vendor suspended it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suspension_reasons: Vec<String>,
    /// Length of the commitment.
    pub term: TermDuration,
    /// How often it is charged.
    pub billing: BillingCycle,
    /// Seats.
    pub quantity: u32,
    /// Price of one seat for one billing cycle, locked for the term; as listed when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_price: Option<Decimal>,
    /// First day of the current term.
    pub term_start: NaiveDate,
    /// Last day of the current term, included.
    pub term_end: NaiveDate,
    /// What happens at the end of the term.
    pub end_of_term: EndOfTermAction,
    /// When it was bought; not known when left out, and then it is never extended at a premium.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bought_at: Option<DateTime<Utc>>,
    /// Until when, included, it can be cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_until: Option<DateTime<Utc>>,
    /// Seats that can still be removed, and until when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refundable: Vec<RefundableSeats>,
    /// Whether it is a trial.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trial: bool,
    /// Fields that the ledger does not know, as they were found, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unknown: BTreeMap<String, String>,
    /// The instant as of which all this is told.
    pub effective_at: DateTime<Utc>,
}

/// Seats that can be removed until one instant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefundableSeats {
    /// How many.
    pub quantity: u32,
    /// Until when, included.
    pub until: DateTime<Utc>,
}

/// Puts right what the ledger has wrong about a subscription; what is left out stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordCorrection {
    /// Subscription.
    pub subscription: SubscriptionId,
    /// All its seats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<u32>,
    /// Last day of its term.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term_end: Option<NaiveDate>,
    /// Price of one seat for one billing cycle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_price: Option<Decimal>,
    /// What happens at the end of its term.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_of_term: Option<EndOfTermAction>,
    /// From when on it is right.
    pub effective_at: DateTime<Utc>,
}
