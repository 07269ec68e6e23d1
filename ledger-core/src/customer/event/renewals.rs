//! Terms: what is planned for the next one, and how one ends.

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{AppliedPromotion, ChargeBasis, QuantityChange, RuleSet, TermPlan};
use crate::calendar::{AnchorRule, BillingCycle, Period};
use crate::customer::command::EndOfTermAction;
use crate::ids::{OfferId, PromotionId, SubscriptionId, UserId};
use crate::money::Money;

/// The quantity of the next term was planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenewalQuantityScheduled {
    /// Subscription to be renewed.
    pub subscription: SubscriptionId,
    /// All its seats from the renewal on.
    pub quantity: u32,
    /// First day of the next term.
    pub due: NaiveDate,
}

/// The next term was planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenewalSettingsChanged {
    /// Subscription to be renewed.
    pub subscription: SubscriptionId,
    /// All that is planned now.
    pub settings: RenewalSettings,
    /// First day of the next term.
    pub due: NaiveDate,
}

/// What is planned for the next term.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenewalSettings {
    /// All seats from the renewal on.
    pub quantity: u32,
    /// Length and billing; `None`: as now.
    pub plan: Option<TermPlan>,
    /// Offer that the seats are upgraded to; `None`: as now.
    pub offer: Option<OfferId>,
    /// Last day; `None`: after a whole term.
    pub end_date: Option<NaiveDate>,
    /// Promotion to renew under.
    pub promotion: Option<PromotionId>,
}

/// A planned quantity no longer stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduledChangeDropped {
    /// Subscription it was planned for.
    pub subscription: SubscriptionId,
    /// What had been planned.
    pub quantity: u32,
    /// Why it no longer stands.
    pub cause: DropCause,
}

/// Why a planned quantity no longer stands. Source: domain, section 2, no. 11.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DropCause {
    /// Seats were added.
    SeatsAdded,
    /// Seats were removed.
    SeatsRemoved,
    /// The subscription was upgraded, or received upgraded seats.
    Upgraded,
    /// The subscription will not be renewed.
    NotRenewed,
    /// The subscription was cancelled.
    Cancelled,
    /// The quantity no longer keeps the offer's limits at the renewal.
    OutsideLimits,
    /// It was withdrawn by command.
    Withdrawn,
    /// The subscription was suspended.
    Suspended,
    /// A longer term began.
    TermChanged,
    /// The trial became a paid subscription.
    TrialConverted,
    /// The offer is no longer sold as planned.
    NotSold,
}

/// What happens at the end of the term was chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndOfTermActionSet {
    /// Subscription.
    pub subscription: SubscriptionId,
    /// What will happen.
    pub action: EndOfTermAction,
}

/// The next term began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionRenewed {
    /// Subscription.
    pub subscription: SubscriptionId,
    /// Its offer in the term that is over.
    pub offer: OfferId,
    /// Seats before and after.
    pub quantity: QuantityChange,
    /// First and last day of the new term.
    pub term: Period,
    /// When the renewal was done; the new window opened then.
    pub renewed_at: DateTime<Utc>,
    /// Number of the lot that all seats form now.
    pub lot: u32,
    /// Until when, included, the subscription can be cancelled; `None`: it cannot.
    pub cancel_until: Option<DateTime<Utc>>,
    /// Until when, included, its seats can be removed; `None`: they cannot.
    pub reduce_until: Option<DateTime<Utc>>,
    /// Before when a cancellation is refunded in full; `None`: by the day from the start.
    pub full_refund_before: Option<DateTime<Utc>>,
    /// What is charged.
    pub basis: ChargeBasis,
    /// Rules it was decided under.
    pub rules: RuleSet,
    /// What else changed with the new term; `None`: nothing.
    pub change: Option<RenewalChange>,
    /// The price list that the price was read from; `None`: a plan of the catalogue.
    pub price_list: Option<String>,
    /// The promotion that lowered the price, if any did.
    pub promotion: Option<AppliedPromotion>,
    /// How its charge cycles treat month ends.
    pub anchor: AnchorRule,
}

impl SubscriptionRenewed {
    /// The offer of the new term.
    #[must_use]
    pub fn offer_renewed(&self) -> &OfferId {
        let upgraded = self.change.as_ref().and_then(|change| change.offer.as_ref());
        upgraded.map_or(&self.offer, |upgraded| &upgraded.offer)
    }
}

/// What changed with a new term, besides quantity and price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenewalChange {
    /// Length and billing from now on.
    pub plan: TermPlan,
    /// The offer that the seats were upgraded to, if they were.
    pub offer: Option<OfferChange>,
}

/// The offer that all seats of a subscription were upgraded to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferChange {
    /// The offer.
    pub offer: OfferId,
    /// The offer's name at that time.
    pub title: String,
    /// Services it includes at that time.
    pub services: Vec<String>,
    /// Users whose licence moved along.
    pub reassigned: Vec<UserId>,
    /// Users whose licence must be moved by hand.
    pub manual: Vec<UserId>,
}

/// A term ended and the subscription with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionExpired {
    /// Subscription that ended.
    pub subscription: SubscriptionId,
    /// Its offer.
    pub offer: OfferId,
    /// Seats it had.
    pub quantity: u32,
    /// Last day of its last term.
    pub term_end: NaiveDate,
    /// When its service stops; `None`: with the term.
    pub disable_at: Option<DateTime<Utc>>,
}

/// A subscription lost its service with its term, or after its time of grace; its data is kept.
///
/// After a suspended term both times without service that follow are in it. Source: domain, section 11,
/// no. 5.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionDisabled {
    /// Subscription.
    pub subscription: SubscriptionId,
    /// Its offer.
    pub offer: OfferId,
    /// Seats that ended with it; 0 when they had ended before, with the term.
    pub quantity: u32,
    /// When its data goes; `None`: it stays.
    pub delete_at: Option<DateTime<Utc>>,
}

/// What a subscription had left was deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionDeleted {
    /// Subscription.
    pub subscription: SubscriptionId,
    /// Its offer.
    pub offer: OfferId,
    /// Seats that ended with it; 0 when they had ended before, with the term.
    pub quantity: u32,
}

/// The service goes on by the month, at a premium, instead of ending.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtendedServiceTermStarted {
    /// Subscription.
    pub subscription: SubscriptionId,
    /// Its offer.
    pub offer: OfferId,
    /// Seats.
    pub quantity: u32,
    /// Length and billing.
    pub plan: TermPlan,
    /// First and last day.
    pub term: Period,
    /// The price without the premium.
    pub list_price: Money,
    /// The premium, in hundredths.
    pub premium_percent: Decimal,
    /// Number of the lot that all seats form now.
    pub lot: u32,
    /// What is charged.
    pub basis: ChargeBasis,
    /// The price list that the price was read from; `None`: a plan of the catalogue.
    pub price_list: Option<String>,
    /// Rules it was decided under.
    pub rules: RuleSet,
}

/// A longer term began at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TermChanged {
    /// Subscription.
    pub subscription: SubscriptionId,
    /// Its offer.
    pub offer: OfferId,
    /// Seats.
    pub quantity: u32,
    /// Length and billing from now on.
    pub plan: TermPlan,
    /// First and last day of the new term.
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
    /// What is credited of the old term.
    pub credit: ChargeBasis,
    /// What is charged for the new one.
    pub basis: ChargeBasis,
    /// The price list that the price was read from; `None`: a plan of the catalogue.
    pub price_list: Option<String>,
    /// Rules it was decided under.
    pub rules: RuleSet,
    /// How its charge cycles treat month ends.
    pub anchor: AnchorRule,
}

/// Another rhythm of charging was chosen for the next charge cycle; the present one: what was chosen
/// before is withdrawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillingFrequencyChosen {
    /// Subscription.
    pub subscription: SubscriptionId,
    /// How often it is charged from then on.
    pub billing: BillingCycle,
    /// First day of the next charge cycle.
    pub from: NaiveDate,
}

/// A subscription is charged in another rhythm from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillingFrequencyChanged {
    /// Subscription.
    pub subscription: SubscriptionId,
    /// Its offer.
    pub offer: OfferId,
    /// Seats.
    pub quantity: u32,
    /// Length and billing from now on.
    pub plan: TermPlan,
    /// First day of the first charge cycle.
    pub from: NaiveDate,
    /// What is charged.
    pub basis: ChargeBasis,
    /// The price list that the price was read from; `None`: a plan of the catalogue.
    pub price_list: Option<String>,
    /// Rules it was decided under.
    pub rules: RuleSet,
    /// Whether it is charged; not while billing is stopped.
    pub is_charged: bool,
}
