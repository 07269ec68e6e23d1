//! Subscriptions and their seats.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{ChargeBasis, LotUse, QuantityChange, RuleSet, Settled, TermPlan};
use crate::calendar::{AnchorRule, Period};
use crate::customer::command::EndOfTermAction;
use crate::ids::{OfferId, PromotionId, QuantityRequestId, ResellerId, SubscriptionId};
use crate::money::Money;

/// A subscription began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionPurchased {
    /// The new subscription.
    pub subscription: SubscriptionId,
    /// What was bought.
    pub offer: OfferId,
    /// The offer's name at that time.
    pub offer_title: String,
    /// Services the offer includes at that time.
    pub services: Vec<String>,
    /// Length and billing.
    pub plan: TermPlan,
    /// Seats bought; they form lot 1.
    pub quantity: u32,
    /// First and last day of the first term.
    pub term: Period,
    /// When the windows opened.
    pub started_at: DateTime<Utc>,
    /// Until when, included, the subscription can be cancelled; `None`: it cannot.
    pub cancel_until: Option<DateTime<Utc>>,
    /// Until when, included, the lot's seats can be removed; `None`: they cannot.
    pub reduce_until: Option<DateTime<Utc>>,
    /// Before when a cancellation is refunded in full; `None`: by the day from the start.
    pub full_refund_before: Option<DateTime<Utc>>,
    /// What is charged.
    pub basis: ChargeBasis,
    /// Rules it was decided under.
    pub rules: RuleSet,
    /// The price list that the price was read from; `None`: a plan of the catalogue.
    pub price_list: Option<String>,
    /// The promotion that lowered the price, if any did.
    pub promotion: Option<AppliedPromotion>,
    /// A promotion that was asked for but is not for this term: the full price is charged.
    pub unused_promotion: Option<PromotionId>,
    /// Whether the buyer attested what the offer asks to be attested.
    pub attested: bool,
    /// Resellers of record, the first one chosen first.
    pub resellers: Vec<ResellerId>,
    /// How its charge cycles treat month ends.
    pub anchor: AnchorRule,
}

/// A promotion that lowered a price for one term.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedPromotion {
    /// The promotion.
    pub promotion: PromotionId,
    /// The price without it.
    pub list_price: Money,
    /// By how much it was lowered, in hundredths.
    pub percent: Decimal,
}

/// Seats were added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatsAdded {
    /// Subscription that grew.
    pub subscription: SubscriptionId,
    /// Its offer.
    pub offer: OfferId,
    /// Seats before and after.
    pub quantity: QuantityChange,
    /// Number of the new lot.
    pub lot: u32,
    /// Until when, included, the lot's seats can be removed; `None`: they cannot.
    pub reduce_until: Option<DateTime<Utc>>,
    /// What is credited for the old quantity and charged for the new one.
    pub basis: ChargeBasis,
    /// Rules it was decided under.
    pub rules: RuleSet,
}

/// Seats were given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatsRemoved {
    /// Subscription that shrank.
    pub subscription: SubscriptionId,
    /// Its offer.
    pub offer: OfferId,
    /// Seats before and after.
    pub quantity: QuantityChange,
    /// Lots the seats were taken from, the first to close first.
    pub lots: Vec<LotUse>,
    /// What is credited for the old quantity and charged for the new one.
    pub basis: ChargeBasis,
    /// Rules it was decided under.
    pub rules: RuleSet,
}

/// A subscription was cancelled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionCancelled {
    /// Subscription that ended.
    pub subscription: SubscriptionId,
    /// Its offer.
    pub offer: OfferId,
    /// Seats it had.
    pub quantity: u32,
    /// How the credits were determined.
    pub refund: Refund,
    /// What is credited: the remaining days, or every line charged in the term, taken back.
    pub credits: Vec<Settled>,
    /// Rules it was decided under.
    pub rules: RuleSet,
}

/// How an end of charging is credited. Source: domain, section 11, no. 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refund {
    /// All that was charged in the term.
    Full,
    /// The remaining days.
    Prorated,
}

/// The service of a subscription was stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionSuspended {
    /// Subscription.
    pub subscription: SubscriptionId,
    /// The vendor's reasons; empty when the vendor did not do it.
    pub vendor_reasons: Vec<String>,
    /// Whether billing stops, too.
    pub billing_stops: bool,
    /// When it is deleted if it is not resumed by then.
    pub delete_at: Option<DateTime<Utc>>,
    /// Rules it was decided under.
    pub rules: RuleSet,
    /// What is credited; `None`: billing goes on, had stopped before, or it is a trial.
    pub credit: Option<SuspensionCredit>,
}

/// What is credited when billing stops.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuspensionCredit {
    /// Its offer.
    pub offer: OfferId,
    /// How the credits were determined.
    pub refund: Refund,
    /// The remaining days, or every line charged in the term, taken back.
    pub credits: Vec<Settled>,
}

/// The service of a subscription was started again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionResumed {
    /// Subscription.
    pub subscription: SubscriptionId,
    /// What happens at the end of the term: suspending may have changed it, and resuming does not.
    pub end_of_term: EndOfTermAction,
    /// What is charged; `None`: billing went on all the time, or it is a trial.
    pub charge: Option<ResumedCharge>,
}

/// What is charged when billing starts again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumedCharge {
    /// Its offer.
    pub offer: OfferId,
    /// All its seats.
    pub quantity: u32,
    /// The days from that day to the end of the charge cycle.
    pub basis: ChargeBasis,
    /// Rules it was decided under.
    pub rules: RuleSet,
}

/// Money was given back that no rule gives back: for an outage, out of courtesy. The reason is the
/// commit's. Source: domain, section 4.5.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreditGranted {
    /// Subscription that it is for.
    pub subscription: SubscriptionId,
    /// Its offer.
    pub offer: OfferId,
    /// The amount, as the price of one unit for that day.
    pub basis: ChargeBasis,
    /// Rules in force then.
    pub rules: RuleSet,
}

/// A subscription was given a name of its own, or lost it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionRenamed {
    /// Subscription.
    pub subscription: SubscriptionId,
    /// The name; `None`: the offer's title.
    pub name: Option<String>,
}

/// More or fewer seats of an offer were asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuantityRequested {
    /// The request.
    pub request: QuantityRequestId,
    /// Offer whose seats were asked for.
    pub offer: OfferId,
    /// Seats to be added, or given back when negative.
    pub seats: i64,
}

/// A request was answered by changing a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuantityRequestFulfilled {
    /// The request.
    pub request: QuantityRequestId,
    /// Subscription that changed.
    pub subscription: SubscriptionId,
}

/// A request was answered with no.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuantityRequestDeclined {
    /// The request.
    pub request: QuantityRequestId,
}
