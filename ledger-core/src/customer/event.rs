//! What has happened: the stored vocabulary. An event is complete; replaying needs no catalogue.
//!
//! Fields are only ever added as a new schema version with a decoder for the old one (`codec`); new
//! variants of an enum go behind the ones there are.

mod account;
mod billing;
mod catalogue;
mod licences;
mod opening;
mod renewals;
mod subscriptions;
mod trials;
mod upgrades;

use serde::{Deserialize, Serialize};

pub use self::account::*;
pub use self::billing::*;
pub use self::catalogue::*;
pub use self::licences::*;
pub use self::opening::*;
pub use self::renewals::*;
pub use self::subscriptions::*;
pub use self::trials::*;
pub use self::upgrades::*;
use crate::calendar::{BillingCycle, Period, TermDuration};
use crate::ids::{ProgrammeId, SubscriptionId};
use crate::money::{Fraction, Money, RoundingPolicy};

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Something that happened to a customer, or to the catalogue.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "event")]
        pub enum Event {
            $($(#[$doc])* $name($name)),*
        }

        impl Event {
            /// The event's name, for example `SeatsAdded`.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => stringify!($name)),*
                }
            }
        }
    };
}

events! {
    /// A customer's account was opened.
    CustomerRegistered,
    /// A customer's particulars changed.
    CustomerChanged,
    /// The customer accepted the agreement.
    AgreementAccepted,
    /// The partner was granted delegated administration.
    DelegatedAdminGranted,
    /// The delegated administration was revoked.
    DelegatedAdminRevoked,
    /// The time of the delegated administration was over.
    DelegatedAdminEnded,
    /// Seats held from elsewhere became known.
    ExternalSubscriptionDeclared,
    /// They are no longer held.
    ExternalSubscriptionWithdrawn,
    /// A user was let into the portal.
    PortalAccessGranted,
    /// A user was shut out of the portal.
    PortalAccessRevoked,
    /// The account was closed for good.
    CustomerErased,
    /// A subscription began.
    SubscriptionPurchased,
    /// A trial began.
    TrialStarted,
    /// A trial became a paid subscription.
    TrialConverted,
    /// A trial was given more days.
    TrialExtended,
    /// Seats were added.
    SeatsAdded,
    /// Seats were given back.
    SeatsRemoved,
    /// The quantity of the next term was planned.
    RenewalQuantityScheduled,
    /// The next term was planned.
    RenewalSettingsChanged,
    /// What was planned no longer stands.
    ScheduledChangeDropped,
    /// What happens at the end of the term was chosen.
    EndOfTermActionSet,
    /// A longer term began at once.
    TermChanged,
    /// Another rhythm of charging was chosen.
    BillingFrequencyChosen,
    /// Another rhythm of charging began.
    BillingFrequencyChanged,
    /// A subscription was cancelled.
    SubscriptionCancelled,
    /// The service of a subscription was stopped.
    SubscriptionSuspended,
    /// The service was started again.
    SubscriptionResumed,
    /// A subscription got a name of its own.
    SubscriptionRenamed,
    /// Money was given back that no rule gives back.
    CreditGranted,
    /// Seats moved to a higher offer.
    SubscriptionUpgraded,
    /// More or fewer seats were asked for.
    QuantityRequested,
    /// A request was answered by changing a subscription.
    QuantityRequestFulfilled,
    /// A request was answered with no.
    QuantityRequestDeclined,
    /// A user was added.
    UserAdded,
    /// A user's name became known, sealed.
    UserNamed,
    /// A user was removed.
    UserRemoved,
    /// A user got a licence.
    LicenceAssigned,
    /// A user lost a licence.
    LicenceUnassigned,
    /// A user came into a group.
    GroupMemberAdded,
    /// A user left a group.
    GroupMemberRemoved,
    /// A group gives a licence now.
    GroupLicenceAssigned,
    /// A group no longer gives a licence.
    GroupLicenceUnassigned,
    /// A member got none of the licences of a group.
    GroupLicencesFailed,
    /// What a member could not get is settled.
    GroupLicencesSettled,
    /// More licences are assigned than there are seats.
    ShortfallRaised,
    /// There are again as many seats as assigned licences.
    ShortfallCleared,
    /// The next term began.
    SubscriptionRenewed,
    /// A term ended, and no other began.
    SubscriptionExpired,
    /// The service goes on by the month, at a premium.
    ExtendedServiceTermStarted,
    /// A subscription lost its service.
    SubscriptionDisabled,
    /// What a subscription had left was deleted.
    SubscriptionDeleted,
    /// A subscription was taken over as it stood elsewhere.
    OpeningBalanceImported,
    /// Something was put right.
    CorrectionRecorded,
    /// A version of the catalogue was imported.
    CatalogueImported,
    /// A list of prices was imported.
    PriceListImported,
    /// What a vendor says about its offers was imported.
    OfferMatrixImported,
    /// The rules of one programme were set.
    PolicySet,
    /// How bills are made out was set.
    BillingTermsSet,
    /// Exchange rates were imported.
    ExchangeRatesImported,
    /// A billing period was closed.
    PeriodClosed,
    /// A vendor's invoice was compared with the ledger.
    ReconciliationRecorded,
}

impl Event {
    /// The subscription it is about; for an upgrade, the one whose seats moved.
    #[must_use]
    pub const fn subscription(&self) -> Option<&SubscriptionId> {
        match self {
            Self::SubscriptionPurchased(e) => Some(&e.subscription),
            Self::TrialStarted(e) => Some(&e.subscription),
            Self::TrialConverted(e) => Some(&e.subscription),
            Self::TrialExtended(e) => Some(&e.subscription),
            Self::SeatsAdded(e) => Some(&e.subscription),
            Self::SeatsRemoved(e) => Some(&e.subscription),
            Self::RenewalQuantityScheduled(e) => Some(&e.subscription),
            Self::RenewalSettingsChanged(e) => Some(&e.subscription),
            Self::ScheduledChangeDropped(e) => Some(&e.subscription),
            Self::EndOfTermActionSet(e) => Some(&e.subscription),
            Self::TermChanged(e) => Some(&e.subscription),
            Self::BillingFrequencyChosen(e) => Some(&e.subscription),
            Self::BillingFrequencyChanged(e) => Some(&e.subscription),
            Self::SubscriptionCancelled(e) => Some(&e.subscription),
            Self::SubscriptionSuspended(e) => Some(&e.subscription),
            Self::SubscriptionResumed(e) => Some(&e.subscription),
            Self::SubscriptionRenamed(e) => Some(&e.subscription),
            Self::CreditGranted(e) => Some(&e.subscription),
            Self::SubscriptionUpgraded(e) => Some(&e.subscription),
            Self::QuantityRequestFulfilled(e) => Some(&e.subscription),
            Self::SubscriptionRenewed(e) => Some(&e.subscription),
            Self::SubscriptionExpired(e) => Some(&e.subscription),
            Self::ExtendedServiceTermStarted(e) => Some(&e.subscription),
            Self::SubscriptionDisabled(e) => Some(&e.subscription),
            Self::SubscriptionDeleted(e) => Some(&e.subscription),
            Self::OpeningBalanceImported(e) => Some(&e.subscription),
            Self::CorrectionRecorded(e) => Some(&e.subscription),
            Self::CustomerRegistered(_)
            | Self::CustomerChanged(_)
            | Self::AgreementAccepted(_)
            | Self::DelegatedAdminGranted(_)
            | Self::DelegatedAdminRevoked(_)
            | Self::DelegatedAdminEnded(_)
            | Self::ExternalSubscriptionDeclared(_)
            | Self::ExternalSubscriptionWithdrawn(_)
            | Self::PortalAccessGranted(_)
            | Self::PortalAccessRevoked(_)
            | Self::QuantityRequested(_)
            | Self::QuantityRequestDeclined(_)
            | Self::UserAdded(_)
            | Self::UserNamed(_)
            | Self::CustomerErased(_)
            | Self::UserRemoved(_)
            | Self::LicenceAssigned(_)
            | Self::LicenceUnassigned(_)
            | Self::GroupMemberAdded(_)
            | Self::GroupMemberRemoved(_)
            | Self::GroupLicenceAssigned(_)
            | Self::GroupLicenceUnassigned(_)
            | Self::GroupLicencesFailed(_)
            | Self::GroupLicencesSettled(_)
            | Self::ShortfallRaised(_)
            | Self::ShortfallCleared(_)
            | Self::CatalogueImported(_)
            | Self::PriceListImported(_)
            | Self::OfferMatrixImported(_)
            | Self::PolicySet(_)
            | Self::BillingTermsSet(_)
            | Self::ExchangeRatesImported(_)
            | Self::PeriodClosed(_)
            | Self::ReconciliationRecorded(_) => None,
        }
    }

    /// The rules it was decided under, where they decide what it is.
    #[must_use]
    pub const fn rules(&self) -> Option<&RuleSet> {
        match self {
            Self::SubscriptionPurchased(e) => Some(&e.rules),
            Self::TrialStarted(e) => Some(&e.rules),
            Self::TrialConverted(e) => Some(&e.rules),
            Self::TrialExtended(e) => Some(&e.rules),
            Self::SeatsAdded(e) => Some(&e.rules),
            Self::SeatsRemoved(e) => Some(&e.rules),
            Self::TermChanged(e) => Some(&e.rules),
            Self::BillingFrequencyChanged(e) => Some(&e.rules),
            Self::SubscriptionCancelled(e) => Some(&e.rules),
            Self::SubscriptionSuspended(e) => Some(&e.rules),
            Self::SubscriptionResumed(e) => match &e.charge {
                Some(resumed) => Some(&resumed.rules),
                None => None,
            },
            Self::CreditGranted(e) => Some(&e.rules),
            Self::SubscriptionUpgraded(e) => Some(&e.rules),
            Self::SubscriptionRenewed(e) => Some(&e.rules),
            Self::ExtendedServiceTermStarted(e) => Some(&e.rules),
            Self::OpeningBalanceImported(e) => e.rules.as_ref(),
            Self::CorrectionRecorded(e) => e.rules.as_ref(),
            Self::CustomerRegistered(_)
            | Self::CustomerChanged(_)
            | Self::AgreementAccepted(_)
            | Self::DelegatedAdminGranted(_)
            | Self::DelegatedAdminRevoked(_)
            | Self::DelegatedAdminEnded(_)
            | Self::ExternalSubscriptionDeclared(_)
            | Self::ExternalSubscriptionWithdrawn(_)
            | Self::PortalAccessGranted(_)
            | Self::PortalAccessRevoked(_)
            | Self::RenewalQuantityScheduled(_)
            | Self::RenewalSettingsChanged(_)
            | Self::ScheduledChangeDropped(_)
            | Self::EndOfTermActionSet(_)
            | Self::BillingFrequencyChosen(_)
            | Self::SubscriptionRenamed(_)
            | Self::QuantityRequested(_)
            | Self::QuantityRequestFulfilled(_)
            | Self::QuantityRequestDeclined(_)
            | Self::UserAdded(_)
            | Self::UserNamed(_)
            | Self::CustomerErased(_)
            | Self::UserRemoved(_)
            | Self::LicenceAssigned(_)
            | Self::LicenceUnassigned(_)
            | Self::GroupMemberAdded(_)
            | Self::GroupMemberRemoved(_)
            | Self::GroupLicenceAssigned(_)
            | Self::GroupLicenceUnassigned(_)
            | Self::GroupLicencesFailed(_)
            | Self::GroupLicencesSettled(_)
            | Self::ShortfallRaised(_)
            | Self::ShortfallCleared(_)
            | Self::SubscriptionExpired(_)
            | Self::SubscriptionDisabled(_)
            | Self::SubscriptionDeleted(_)
            | Self::CatalogueImported(_)
            | Self::PriceListImported(_)
            | Self::OfferMatrixImported(_)
            | Self::PolicySet(_)
            | Self::BillingTermsSet(_)
            | Self::ExchangeRatesImported(_)
            | Self::PeriodClosed(_)
            | Self::ReconciliationRecorded(_) => None,
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
    /// The months that a part of the cycle is charged for; `None`: it is charged by days.
    pub by_months: Option<ByMonths>,
}

/// A part of a charge cycle that costs its share of whole months. Source: domain, section 4.3, last row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByMonths {
    /// Months of the part.
    pub months: u32,
    /// Months of the whole cycle.
    pub of: u32,
    /// First and last day of the part.
    pub days: Period,
}

impl ChargeBasis {
    /// The fraction of the unit price that one seat costs. Days out of a part that is charged by months are
    /// a share of that part, so that never more is credited than was charged.
    #[must_use]
    pub fn fraction(&self) -> Fraction {
        let days = self.billable.days();
        match self.by_months {
            None => Fraction { part: days, whole: self.cycle.days() },
            Some(by) if by.days == self.billable => Fraction { part: by.months, whole: by.of },
            Some(by) => Fraction {
                part: by.months.saturating_mul(days),
                whole: by.of.saturating_mul(by.days.days()),
            },
        }
    }

    /// The same in words, such as `28/30 days`.
    #[must_use]
    pub fn in_words(&self) -> String {
        let days = self.billable.days();
        match self.by_months {
            None => format!("{days}/{} days", self.cycle.days()),
            Some(by) if by.days == self.billable => format!("{}/{} months", by.months, by.of),
            Some(by) => format!("{}/{} months x {days}/{} days", by.months, by.of, by.days.days()),
        }
    }
}

/// Seats that are credited or charged alike, in one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// How many: negative when credited, positive when charged.
    pub seats: i64,
    /// For which days, and at which price.
    pub basis: ChargeBasis,
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
