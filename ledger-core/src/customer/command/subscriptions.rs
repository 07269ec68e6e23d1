//! Subscriptions: buying, adding, giving back, suspending, cancelling.

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::calendar::{BillingCycle, TermDuration};
use crate::ids::{OfferId, PromotionId, QuantityRequestId, ResellerId, SubscriptionId};

/// Buys a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Purchase {
    /// Id of the new subscription.
    pub subscription: SubscriptionId,
    /// What is bought.
    pub offer: OfferId,
    /// Length of the commitment.
    pub term: TermDuration,
    /// How often it is charged.
    pub billing: BillingCycle,
    /// Seats bought.
    pub quantity: u32,
    /// Last day of the first term, if it is to end with another subscription or with a month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_date: Option<NaiveDate>,
    /// Promotion to buy under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promotion: Option<PromotionId>,
    /// Whether the buyer attests what the offer asks to be attested.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub attested: bool,
    /// Resellers of record, the first one chosen first; the customer's reseller when left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resellers: Vec<ResellerId>,
}

impl Purchase {
    /// A purchase without anything that may be left out.
    #[must_use]
    pub const fn new(
        subscription: SubscriptionId,
        offer: OfferId,
        term: TermDuration,
        billing: BillingCycle,
        quantity: u32,
    ) -> Self {
        Self {
            subscription,
            offer,
            term,
            billing,
            quantity,
            end_date: None,
            promotion: None,
            attested: false,
            resellers: Vec::new(),
        }
    }
}

/// Adds seats to a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddSeats {
    /// Subscription that grows.
    pub subscription: SubscriptionId,
    /// Seats added to those there are.
    pub seats: u32,
}

/// Gives seats back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveSeats {
    /// Subscription that shrinks.
    pub subscription: SubscriptionId,
    /// Seats taken from those there are.
    pub seats: u32,
}

/// Cancels a subscription at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// Subscription to be cancelled.
    pub subscription: SubscriptionId,
}

/// Stops the service of a subscription; whether billing stops is the programme's rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suspend {
    /// Subscription to be suspended.
    pub subscription: SubscriptionId,
    /// The vendor's reasons, where the vendor suspends: only the operator may tell, and lift them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vendor_reasons: Vec<String>,
}

/// Starts the service of a suspended subscription again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resume {
    /// Suspended subscription.
    pub subscription: SubscriptionId,
}

/// Gives a subscription a name of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rename {
    /// Subscription.
    pub subscription: SubscriptionId,
    /// The name; the offer's title when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Gives money back that no rule gives back; why is the request's reason. Issued by the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantCredit {
    /// Subscription that it is for.
    pub subscription: SubscriptionId,
    /// The amount, above zero, in the customer's currency.
    pub amount: Decimal,
}

/// Asks the reseller for more or fewer seats of an offer. Source: SEED-4.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestQuantity {
    /// Id of the request, chosen by the caller.
    pub request: QuantityRequestId,
    /// Offer whose seats are asked for.
    pub offer: OfferId,
    /// Seats to be added, or given back when negative.
    pub seats: i64,
}

/// Answers a request by changing a subscription by what was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FulfilRequest {
    /// The request.
    pub request: QuantityRequestId,
    /// Subscription of the offer that grows or shrinks.
    pub subscription: SubscriptionId,
}

/// Answers a request with no.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclineRequest {
    /// The request.
    pub request: QuantityRequestId,
}
