//! What a preview says besides the events: consequences a person might overlook.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::event::{DropCause, Event, UpgradeTarget};
use crate::ids::{GroupId, OfferId, SubscriptionId, UserId};

/// A consequence worth saying before it happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "warning", rename_all = "kebab-case")]
pub enum Warning {
    /// A planned quantity will no longer stand.
    ScheduledChangeWillBeDropped {
        /// The subscription.
        subscription: SubscriptionId,
        /// What was planned.
        quantity: u32,
        /// Why it goes.
        cause: DropCause,
    },
    /// Seats can be given back only until this instant, included.
    WindowClosesAt {
        /// The subscription.
        subscription: SubscriptionId,
        /// The last instant.
        until: DateTime<Utc>,
    },
    /// More licences will be assigned than there are seats; nobody is picked.
    LicencesWillExceedSeats {
        /// The offer.
        offer: OfferId,
        /// Seats there will be.
        valid: u32,
        /// Licences assigned.
        assigned: u32,
    },
    /// The upgrade cannot be undone.
    UpgradeCannotBeUndone {
        /// The subscription whose seats move.
        subscription: SubscriptionId,
    },
    /// These users' licences must be moved by hand.
    LicencesToMoveByHand {
        /// Who they are.
        users: Vec<UserId>,
    },
    /// These members will not get from a group what they lack of it; the group goes on to mean it.
    MembersWillGetNothing {
        /// The group.
        group: GroupId,
        /// The offer that is not possible.
        offer: OfferId,
        /// Code of the rule that says no.
        code: String,
        /// Who they are.
        users: Vec<UserId>,
    },
    /// Service stops at the end of the term.
    ServiceWillStop {
        /// The subscription.
        subscription: SubscriptionId,
    },
}

/// Returns what should be said about `events` before they happen.
#[must_use]
pub fn warnings(events: &[Event]) -> Vec<Warning> {
    events.iter().flat_map(of_event).chain(of_members(events)).collect()
}

/// One warning for all members whom the same rule leaves without the same group's licences.
fn of_members(events: &[Event]) -> impl Iterator<Item = Warning> {
    let mut alike: BTreeMap<_, Vec<UserId>> = BTreeMap::new();
    for event in events {
        let Event::GroupLicencesFailed(e) = event else { continue };
        let users = alike.entry((&e.group, &e.offer, &e.code)).or_default();
        users.push(e.user.clone());
    }
    alike.into_iter().map(|((group, offer, code), users)| {
        let (group, offer, code) = (group.clone(), offer.clone(), code.clone());
        Warning::MembersWillGetNothing { group, offer, code, users }
    })
}

fn of_event(event: &Event) -> Vec<Warning> {
    match event {
        Event::ScheduledChangeDropped(e) => vec![Warning::ScheduledChangeWillBeDropped {
            subscription: e.subscription.clone(),
            quantity: e.quantity,
            cause: e.cause,
        }],
        Event::SubscriptionPurchased(e) => closes(&e.subscription, e.cancel_until),
        Event::SeatsAdded(e) => closes(&e.subscription, e.reduce_until),
        Event::SubscriptionRenewed(e) => closes(&e.subscription, e.cancel_until),
        Event::ShortfallRaised(e) => vec![Warning::LicencesWillExceedSeats {
            offer: e.offer.clone(),
            valid: e.valid,
            assigned: e.assigned,
        }],
        Event::SubscriptionUpgraded(e) => {
            let subscription = e.subscription.clone();
            let mut warnings = vec![Warning::UpgradeCannotBeUndone { subscription }];
            if let UpgradeTarget::New(new) = &e.target {
                warnings.extend(closes(&new.subscription, new.cancel_until));
            }
            if !e.manual.is_empty() {
                warnings.push(Warning::LicencesToMoveByHand { users: e.manual.clone() });
            }
            warnings
        }
        Event::EndOfTermActionSet(e) => match e.action {
            super::EndOfTermAction::Renew
            | super::EndOfTermAction::ExtendedServiceTerm
            | super::EndOfTermAction::Lapse => Vec::new(),
            super::EndOfTermAction::Cancel => {
                vec![Warning::ServiceWillStop { subscription: e.subscription.clone() }]
            }
        },
        Event::CustomerRegistered(_)
        | Event::CustomerChanged(_)
        | Event::AgreementAccepted(_)
        | Event::DelegatedAdminGranted(_)
        | Event::DelegatedAdminRevoked(_)
        | Event::DelegatedAdminEnded(_)
        | Event::ExternalSubscriptionDeclared(_)
        | Event::ExternalSubscriptionWithdrawn(_)
        | Event::PortalAccessGranted(_)
        | Event::PortalAccessRevoked(_)
        | Event::TrialStarted(_)
        | Event::TrialConverted(_)
        | Event::SeatsRemoved(_)
        | Event::RenewalQuantityScheduled(_)
        | Event::RenewalSettingsChanged(_)
        | Event::TermChanged(_)
        | Event::BillingFrequencyChosen(_)
        | Event::BillingFrequencyChanged(_)
        | Event::SubscriptionCancelled(_)
        | Event::SubscriptionSuspended(_)
        | Event::SubscriptionResumed(_)
        | Event::SubscriptionRenamed(_)
        | Event::QuantityRequested(_)
        | Event::QuantityRequestFulfilled(_)
        | Event::QuantityRequestDeclined(_)
        | Event::UserAdded(_)
        | Event::UserRemoved(_)
        | Event::LicenceAssigned(_)
        | Event::LicenceUnassigned(_)
        | Event::GroupMemberAdded(_)
        | Event::GroupMemberRemoved(_)
        | Event::GroupLicenceAssigned(_)
        | Event::GroupLicenceUnassigned(_)
        | Event::GroupLicencesFailed(_)
        | Event::GroupLicencesSettled(_)
        | Event::ShortfallCleared(_)
        | Event::SubscriptionExpired(_)
        | Event::ExtendedServiceTermStarted(_)
        | Event::SubscriptionDisabled(_)
        | Event::SubscriptionDeleted(_)
        | Event::OpeningBalanceImported(_)
        | Event::CorrectionRecorded(_)
        | Event::CatalogueImported(_)
        | Event::PriceListImported(_)
        | Event::OfferMatrixImported(_)
        | Event::PolicySet(_) => Vec::new(),
    }
}

fn closes(subscription: &SubscriptionId, until: Option<DateTime<Utc>>) -> Vec<Warning> {
    let subscription = subscription.clone();
    until.map(|until| Warning::WindowClosesAt { subscription, until }).into_iter().collect()
}
