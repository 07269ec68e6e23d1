//! What may be asked of a customer's account, of the catalogue, and of billing.

mod account;
mod billing;
mod catalogue;
mod licences;
mod opening;
mod renewals;
mod scheduler;
mod subscriptions;
mod trials;
mod upgrades;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use self::account::*;
pub use self::billing::*;
pub use self::catalogue::*;
pub use self::licences::*;
pub use self::opening::*;
pub use self::renewals::*;
pub use self::scheduler::*;
pub use self::subscriptions::*;
pub use self::trials::*;
pub use self::upgrades::*;
use crate::calendar::{midnight, renewal_due, to_millis};

macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// A command. Its JSON form, `{"command": "AddSeats", ...}`, is the wire form of bulk requests
        /// and scenarios, and is stored with the commit that it led to.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "command")]
        pub enum Command {
            $($(#[$doc])* $name($name)),*
        }

        impl Command {
            /// The names of all commands.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];

            /// The command's name, for example `AddSeats`.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => stringify!($name)),*
                }
            }
        }
    };
}

commands! {
    /// Opens a customer's account.
    RegisterCustomer,
    /// Changes a customer's particulars.
    ChangeCustomer,
    /// Records that the customer accepted the agreement.
    AcceptAgreement,
    /// Records that the customer granted the partner delegated administration.
    GrantDelegatedAdmin,
    /// Records that the delegated administration was revoked.
    RevokeDelegatedAdmin,
    /// Records seats that the customer holds from another partner or channel.
    DeclareExternalSubscription,
    /// Records that the customer no longer holds them.
    WithdrawExternalSubscription,
    /// Lets a user into the portal.
    GrantPortalAccess,
    /// Shuts a user out of the portal.
    RevokePortalAccess,
    /// Closes the account for good.
    EraseCustomer,
    /// Buys a subscription.
    Purchase,
    /// Starts a trial.
    StartTrial,
    /// Makes a paid subscription of a trial.
    ConvertTrial,
    /// Gives a trial more days.
    ExtendTrial,
    /// Adds seats to a subscription.
    AddSeats,
    /// Gives seats back.
    RemoveSeats,
    /// Plans the quantity of the next term.
    ScheduleRenewalQuantity,
    /// Plans the next term.
    ChangeRenewalSettings,
    /// Lets the next term end on a chosen day.
    AlignEndDate,
    /// Plans an upgrade for the renewal.
    ScheduleUpgrade,
    /// Drops what is planned for the renewal.
    WithdrawScheduledChange,
    /// Chooses what happens at the end of the term.
    SetEndOfTermAction,
    /// Begins a longer term at once.
    ChangeTerm,
    /// Charges in another rhythm from the next charge cycle on.
    ChangeBillingFrequency,
    /// Cancels a subscription at once.
    Cancel,
    /// Stops the service of a subscription.
    Suspend,
    /// Starts the service again.
    Resume,
    /// Gives a subscription a name of its own.
    Rename,
    /// Gives money back that no rule gives back.
    GrantCredit,
    /// Moves seats to a higher offer.
    Upgrade,
    /// Asks the reseller for more or fewer seats.
    RequestQuantity,
    /// Answers such a request by changing a subscription.
    FulfilRequest,
    /// Answers such a request with no.
    DeclineRequest,
    /// Adds a user of the customer.
    AddUser,
    /// Keeps a user's name and e-mail address, sealed.
    NameUser,
    /// Removes a user of the customer.
    RemoveUser,
    /// Gives a user a licence.
    AssignLicence,
    /// Takes a user's licence away.
    UnassignLicence,
    /// Puts a user into a group.
    AddGroupMember,
    /// Takes a user out of a group.
    RemoveGroupMember,
    /// Gives a licence to every member of a group.
    AssignGroupLicence,
    /// Takes a licence away from a group.
    UnassignGroupLicence,
    /// Tries again what a group could not give.
    ReprocessGroup,
    /// Takes over a subscription as it stands elsewhere.
    ImportOpeningBalance,
    /// Puts right what the ledger has wrong.
    RecordCorrection,
    /// Begins the next term. Issued by the scheduler.
    Renew,
    /// Ends a term that is not to be renewed. Issued by the scheduler.
    Expire,
    /// Ends a trial. Issued by the scheduler.
    EndTrial,
    /// Charges in the rhythm that was chosen. Issued by the scheduler.
    ApplyBillingFrequency,
    /// Stops the service of an expired subscription. Issued by the scheduler.
    Disable,
    /// Deletes what a subscription has left. Issued by the scheduler.
    Delete,
    /// Ends a delegated administration. Issued by the scheduler.
    EndDelegatedAdmin,
    /// Imports a version of the catalogue. Goes to the catalogue's stream.
    ImportCatalogue,
    /// Imports a list of prices. Goes to the catalogue's stream.
    ImportPriceList,
    /// Imports what a vendor says about its offers. Goes to the catalogue's stream.
    ImportOfferMatrix,
    /// Sets the rules of one programme. Goes to the catalogue's stream.
    SetPolicy,
    /// Sets how bills are made out. Goes to the stream of billing.
    SetBillingTerms,
    /// Imports exchange rates. Goes to the stream of billing.
    ImportExchangeRates,
    /// Closes a billing period. Goes to the stream of billing.
    ClosePeriod,
    /// Records what came of comparing a vendor's invoice. Goes to the stream of billing.
    RecordReconciliation,
}

impl Command {
    /// When the command takes effect if it is not the instant it is decided: what the scheduler issues,
    /// however late it comes, at the instant it was due; what is told about the past, when it was so.
    #[must_use]
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "all others take effect when they are decided"
    )]
    pub fn due_at(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Renew(c) => renewal_due(c.term_end).ok(),
            Self::Expire(c) => renewal_due(c.term_end).ok(),
            Self::EndTrial(c) => renewal_due(c.term_end).ok(),
            Self::ApplyBillingFrequency(c) => Some(midnight(c.from)),
            Self::Disable(c) => Some(c.due_at),
            Self::Delete(c) => Some(c.due_at),
            Self::EndDelegatedAdmin(c) => Some(c.due_at),
            Self::ImportOpeningBalance(c) => Some(to_millis(c.effective_at)),
            Self::RecordCorrection(c) => Some(to_millis(c.effective_at)),
            _ => None,
        }
    }
}
