//! What has happened: the stored vocabulary. An event is complete; replaying needs no catalogue.
//!
//! Fields are only ever added as a new schema version with a decoder for the old one (`codec`).

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::command::EndOfTermAction;
use crate::calendar::{BillingCycle, Period, TermDuration};
use crate::catalogue::Catalogue;
use crate::ids::{OfferId, ProgrammeId, ResellerId, SubscriptionId, UserId};
use crate::money::{Currency, Money, RoundingPolicy};

/// Something that happened to a customer, or to the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum Event {
    /// A customer's account was opened.
    CustomerRegistered(CustomerRegistered),
    /// The partner was granted delegated administration.
    DelegatedAdminGranted(DelegatedAdminGranted),
    /// The delegated administration ended.
    DelegatedAdminRevoked(DelegatedAdminRevoked),
    /// Seats held from elsewhere became known.
    ExternalSubscriptionDeclared(ExternalSubscriptionDeclared),
    /// They are no longer held.
    ExternalSubscriptionWithdrawn(ExternalSubscriptionWithdrawn),
    /// A subscription began.
    SubscriptionPurchased(SubscriptionPurchased),
    /// Seats were added.
    SeatsAdded(SeatsAdded),
    /// Seats were given back.
    SeatsRemoved(SeatsRemoved),
    /// The quantity of the next term was planned.
    RenewalQuantityScheduled(RenewalQuantityScheduled),
    /// A planned quantity no longer stands.
    ScheduledChangeDropped(ScheduledChangeDropped),
    /// What happens at the end of the term was chosen.
    EndOfTermActionSet(EndOfTermActionSet),
    /// A subscription was cancelled.
    SubscriptionCancelled(SubscriptionCancelled),
    /// Seats moved to a higher offer.
    SubscriptionUpgraded(SubscriptionUpgraded),
    /// A user got a licence.
    LicenceAssigned(LicenceAssigned),
    /// A user lost a licence.
    LicenceUnassigned(LicenceUnassigned),
    /// More licences are assigned than there are seats.
    ShortfallRaised(ShortfallRaised),
    /// There are again as many seats as assigned licences.
    ShortfallCleared(ShortfallCleared),
    /// The next term began.
    SubscriptionRenewed(SubscriptionRenewed),
    /// A term ended and the subscription with it.
    SubscriptionExpired(SubscriptionExpired),
    /// A version of the catalogue was imported.
    CatalogueImported(CatalogueImported),
}

impl Event {
    /// The event's name, for example `SeatsAdded`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::CustomerRegistered(_) => "CustomerRegistered",
            Self::DelegatedAdminGranted(_) => "DelegatedAdminGranted",
            Self::DelegatedAdminRevoked(_) => "DelegatedAdminRevoked",
            Self::ExternalSubscriptionDeclared(_) => "ExternalSubscriptionDeclared",
            Self::ExternalSubscriptionWithdrawn(_) => "ExternalSubscriptionWithdrawn",
            Self::SubscriptionPurchased(_) => "SubscriptionPurchased",
            Self::SeatsAdded(_) => "SeatsAdded",
            Self::SeatsRemoved(_) => "SeatsRemoved",
            Self::RenewalQuantityScheduled(_) => "RenewalQuantityScheduled",
            Self::ScheduledChangeDropped(_) => "ScheduledChangeDropped",
            Self::EndOfTermActionSet(_) => "EndOfTermActionSet",
            Self::SubscriptionCancelled(_) => "SubscriptionCancelled",
            Self::SubscriptionUpgraded(_) => "SubscriptionUpgraded",
            Self::LicenceAssigned(_) => "LicenceAssigned",
            Self::LicenceUnassigned(_) => "LicenceUnassigned",
            Self::ShortfallRaised(_) => "ShortfallRaised",
            Self::ShortfallCleared(_) => "ShortfallCleared",
            Self::SubscriptionRenewed(_) => "SubscriptionRenewed",
            Self::SubscriptionExpired(_) => "SubscriptionExpired",
            Self::CatalogueImported(_) => "CatalogueImported",
        }
    }

    /// The subscription it is about; for an upgrade, the one whose seats moved.
    #[must_use]
    pub fn subscription(&self) -> Option<&SubscriptionId> {
        match self {
            Self::SubscriptionPurchased(e) => Some(&e.subscription),
            Self::SeatsAdded(e) => Some(&e.subscription),
            Self::SeatsRemoved(e) => Some(&e.subscription),
            Self::RenewalQuantityScheduled(e) => Some(&e.subscription),
            Self::ScheduledChangeDropped(e) => Some(&e.subscription),
            Self::EndOfTermActionSet(e) => Some(&e.subscription),
            Self::SubscriptionCancelled(e) => Some(&e.subscription),
            Self::SubscriptionUpgraded(e) => Some(&e.subscription),
            Self::SubscriptionRenewed(e) => Some(&e.subscription),
            Self::SubscriptionExpired(e) => Some(&e.subscription),
            Self::CustomerRegistered(_)
            | Self::DelegatedAdminGranted(_)
            | Self::DelegatedAdminRevoked(_)
            | Self::ExternalSubscriptionDeclared(_)
            | Self::ExternalSubscriptionWithdrawn(_)
            | Self::LicenceAssigned(_)
            | Self::LicenceUnassigned(_)
            | Self::ShortfallRaised(_)
            | Self::ShortfallCleared(_)
            | Self::CatalogueImported(_) => None,
        }
    }
}

/// Under which rules a decision was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleSet {
    /// Programme of the customer.
    pub programme: ProgrammeId,
    /// Version of the catalogue in force.
    pub catalogue: String,
}

/// The numbers that a charge or credit is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargeBasis {
    /// Price of one seat for the whole cycle.
    pub unit_price: Money,
    /// The charge cycle; its days are the denominator.
    pub cycle: Period,
    /// The days charged or credited.
    pub billable: Period,
    /// How the line is rounded.
    pub rounding: RoundingPolicy,
}

/// How long and how often charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TermPlan {
    /// Length of the commitment.
    pub term: TermDuration,
    /// How often it is charged.
    pub billing: BillingCycle,
}

/// A quantity before and after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuantityChange {
    /// Seats before.
    pub from: u32,
    /// Seats after.
    pub to: u32,
}

/// Seats taken from a lot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LotUse {
    /// Number of the lot in its subscription.
    pub lot: u32,
    /// Seats taken from it.
    pub seats: u32,
}

/// A customer's account was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerRegistered {
    /// The company's name.
    pub name: String,
    /// Programme whose rules hold for the customer.
    pub programme: ProgrammeId,
    /// Reseller who serves the customer.
    pub reseller: ResellerId,
    /// Market (ISO 3166-1 alpha-2).
    pub market: String,
    /// Currency of all the customer's prices.
    pub currency: Currency,
}

/// The partner was granted delegated administration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelegatedAdminGranted {}

/// The delegated administration ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelegatedAdminRevoked {}

/// Seats held from elsewhere became known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalSubscriptionDeclared {
    /// What is held.
    pub offer: OfferId,
    /// All seats held elsewhere.
    pub seats: u32,
    /// The services that come with it.
    pub services: Vec<String>,
}

/// Seats are no longer held from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalSubscriptionWithdrawn {
    /// What is no longer held.
    pub offer: OfferId,
}

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
}

/// What happens at the end of the term was chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndOfTermActionSet {
    /// Subscription.
    pub subscription: SubscriptionId,
    /// What will happen.
    pub action: EndOfTermAction,
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
    /// What is credited.
    pub credits: Vec<Credit>,
    /// Rules it was decided under.
    pub rules: RuleSet,
}

/// Seats credited alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credit {
    /// How many.
    pub seats: u32,
    /// The days credited, and at which price.
    pub basis: ChargeBasis,
}

/// How a cancellation is credited. Source: domain, section 11, no. 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refund {
    /// All days charged for each seat.
    Full,
    /// The remaining days.
    Prorated,
}

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

/// A user got a licence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LicenceAssigned {
    /// Offer whose licence was assigned.
    pub offer: OfferId,
    /// User who has it now.
    pub user: UserId,
    /// Where the user works (ISO 3166-1 alpha-2).
    pub usage_location: String,
}

/// A user lost a licence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LicenceUnassigned {
    /// Offer whose licence was taken away.
    pub offer: OfferId,
    /// User who had it.
    pub user: UserId,
}

/// More licences are assigned than there are seats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShortfallRaised {
    /// Offer.
    pub offer: OfferId,
    /// Seats there are.
    pub valid: u32,
    /// Licences assigned.
    pub assigned: u32,
}

/// There are again as many seats as assigned licences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShortfallCleared {
    /// Offer.
    pub offer: OfferId,
}

/// The next term began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionRenewed {
    /// Subscription.
    pub subscription: SubscriptionId,
    /// Its offer.
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
}

/// A version of the catalogue was imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogueImported {
    /// The whole version.
    pub catalogue: Catalogue,
}
