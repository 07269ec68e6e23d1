//! What may be asked of a customer's account, and of the catalogue.

use serde::{Deserialize, Serialize};

use crate::calendar::{BillingCycle, TermDuration};
use crate::catalogue::Catalogue;
use crate::ids::{OfferId, ProgrammeId, ResellerId, SubscriptionId, UserId};
use crate::money::Currency;

/// A command. Its JSON form, `{"command": "AddSeats", ...}`, is the wire form of bulk requests and
/// scenarios, and is stored with the commit that it led to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command")]
pub enum Command {
    /// Opens a customer's account.
    RegisterCustomer(RegisterCustomer),
    /// Records that the customer granted the partner delegated administration.
    GrantDelegatedAdmin(GrantDelegatedAdmin),
    /// Records that the delegated administration has ended.
    RevokeDelegatedAdmin(RevokeDelegatedAdmin),
    /// Records seats that the customer holds from another partner or channel.
    DeclareExternalSubscription(DeclareExternalSubscription),
    /// Records that the customer no longer holds them.
    WithdrawExternalSubscription(WithdrawExternalSubscription),
    /// Buys a subscription.
    Purchase(Purchase),
    /// Adds seats to a subscription.
    AddSeats(AddSeats),
    /// Gives seats back.
    RemoveSeats(RemoveSeats),
    /// Plans the quantity of the next term.
    ScheduleRenewalQuantity(ScheduleRenewalQuantity),
    /// Chooses what happens at the end of the term.
    SetEndOfTermAction(SetEndOfTermAction),
    /// Cancels a subscription at once.
    Cancel(Cancel),
    /// Moves seats to a higher offer.
    Upgrade(Upgrade),
    /// Gives a user a licence.
    AssignLicence(AssignLicence),
    /// Takes a user's licence away.
    UnassignLicence(UnassignLicence),
    /// Begins the next term. Issued by the scheduler.
    Renew(Renew),
    /// Ends a subscription whose term is over and is not to be renewed. Issued by the scheduler.
    Expire(Expire),
    /// Imports a version of the catalogue. Goes to the catalogue's stream.
    ImportCatalogue(ImportCatalogue),
}

impl Command {
    /// The command's name, for example `AddSeats`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::RegisterCustomer(_) => "RegisterCustomer",
            Self::GrantDelegatedAdmin(_) => "GrantDelegatedAdmin",
            Self::RevokeDelegatedAdmin(_) => "RevokeDelegatedAdmin",
            Self::DeclareExternalSubscription(_) => "DeclareExternalSubscription",
            Self::WithdrawExternalSubscription(_) => "WithdrawExternalSubscription",
            Self::Purchase(_) => "Purchase",
            Self::AddSeats(_) => "AddSeats",
            Self::RemoveSeats(_) => "RemoveSeats",
            Self::ScheduleRenewalQuantity(_) => "ScheduleRenewalQuantity",
            Self::SetEndOfTermAction(_) => "SetEndOfTermAction",
            Self::Cancel(_) => "Cancel",
            Self::Upgrade(_) => "Upgrade",
            Self::AssignLicence(_) => "AssignLicence",
            Self::UnassignLicence(_) => "UnassignLicence",
            Self::Renew(_) => "Renew",
            Self::Expire(_) => "Expire",
            Self::ImportCatalogue(_) => "ImportCatalogue",
        }
    }

    /// When the command takes effect if it is not the instant it is decided: the end of the term for
    /// what the scheduler issues, however late it comes.
    #[must_use]
    pub fn due_at(&self) -> Option<chrono::DateTime<chrono::Utc>> {
        match self {
            Self::Renew(Renew { term_end, .. }) | Self::Expire(Expire { term_end, .. }) => {
                crate::calendar::renewal_due(*term_end).ok()
            }
            Self::RegisterCustomer(_)
            | Self::GrantDelegatedAdmin(_)
            | Self::RevokeDelegatedAdmin(_)
            | Self::DeclareExternalSubscription(_)
            | Self::WithdrawExternalSubscription(_)
            | Self::Purchase(_)
            | Self::AddSeats(_)
            | Self::RemoveSeats(_)
            | Self::ScheduleRenewalQuantity(_)
            | Self::SetEndOfTermAction(_)
            | Self::Cancel(_)
            | Self::Upgrade(_)
            | Self::AssignLicence(_)
            | Self::UnassignLicence(_)
            | Self::ImportCatalogue(_) => None,
        }
    }
}

/// Opens a customer's account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterCustomer {
    /// The company's name.
    pub name: String,
    /// Programme whose rules hold for the customer.
    pub programme: ProgrammeId,
    /// Reseller who serves the customer.
    pub reseller: ResellerId,
    /// Market, as two capital letters (ISO 3166-1).
    pub market: String,
    /// Currency of all the customer's prices.
    pub currency: Currency,
}

/// Records that the customer granted the partner delegated administration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantDelegatedAdmin {}

/// Records that the delegated administration has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeDelegatedAdmin {}

/// Records seats that the customer holds from another partner or channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclareExternalSubscription {
    /// What is held.
    pub offer: OfferId,
    /// All seats held elsewhere; replaces what was declared before.
    pub seats: u32,
}

/// Records that the customer no longer holds an offer from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WithdrawExternalSubscription {
    /// What is no longer held.
    pub offer: OfferId,
}

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

/// Plans the quantity of the next term.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleRenewalQuantity {
    /// Subscription to be renewed.
    pub subscription: SubscriptionId,
    /// All its seats from the renewal on.
    pub quantity: u32,
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
    /// The subscription ends and its service stops.
    Cancel,
}

/// Cancels a subscription at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// Subscription to be cancelled.
    pub subscription: SubscriptionId,
}

/// Moves seats to a higher offer; cannot be undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upgrade {
    /// Subscription whose seats move.
    pub subscription: SubscriptionId,
    /// Seats that move; all of them when left out. Source: SEED-1, step 6.
    #[serde(default)]
    pub quantity: Option<u32>,
    /// Offer they move to.
    pub target_offer: OfferId,
    /// Where they go.
    pub into: UpgradeInto,
}

/// Where upgraded seats go. Source: SEED-1, step 5.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum UpgradeInto {
    /// A new subscription.
    New(NewTarget),
    /// A subscription the customer has; its term and billing cycle stay as they are.
    Existing(ExistingTarget),
}

/// A new subscription that upgraded seats go into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewTarget {
    /// Its id.
    pub subscription: SubscriptionId,
    /// When its term ends.
    pub end_date: EndDate,
    /// Length of its commitment; the source's when left out.
    #[serde(default)]
    pub term: Option<TermDuration>,
    /// How often it is charged; as the source when left out.
    #[serde(default)]
    pub billing: Option<BillingCycle>,
}

/// A subscription the customer has, into which upgraded seats go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExistingTarget {
    /// Its id.
    pub subscription: SubscriptionId,
}

/// When the term of a subscription made by an upgrade ends. Source: domain, section 11, no. 12.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndDate {
    /// With the source's term.
    Coterminous,
    /// After a whole new term that begins today.
    NewTerm,
}

/// Gives a user a licence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssignLicence {
    /// Offer whose licence is assigned.
    pub offer: OfferId,
    /// User who gets it.
    pub user: UserId,
    /// Where the user works, as two capital letters (ISO 3166-1).
    pub usage_location: String,
}

/// Takes a user's licence away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnassignLicence {
    /// Offer whose licence is taken away.
    pub offer: OfferId,
    /// User who loses it.
    pub user: UserId,
}

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

/// Imports a version of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportCatalogue {
    /// The whole version.
    pub catalogue: Catalogue,
}
