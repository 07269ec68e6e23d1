//! What a preview says besides the events: consequences a person might overlook.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use super::command::EndOfTermAction;
use super::event::{
    DropCause, EndOfTermActionSet, Event, OpeningBalanceImported, SubscriptionRenewed,
    SubscriptionResumed, SubscriptionSuspended, SubscriptionUpgraded, TermPlan, TrialTarget,
    UpgradeTarget,
};
use super::state::Status;
use crate::ids::{GroupId, OfferId, PromotionId, SubscriptionId, UserId};

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
    /// Upgraded seats begin a subscription of their own although others of the offer could take them.
    /// Source: SEED-2, IV.
    ExistingSubscriptionsCouldGrow {
        /// The offer.
        target_offer: OfferId,
        /// The subscriptions that could take the seats.
        subscriptions: Vec<SubscriptionId>,
    },
    /// What users keep in these services must be moved: the new offer does not have them. Source:
    /// SEED-3, step 4.
    ServicesWillBeLost {
        /// The services.
        services: Vec<String>,
    },
    /// These users' licences must be moved by hand.
    LicencesToMoveByHand {
        /// Who they are.
        users: Vec<UserId>,
    },
    /// The promotion asked for is for other terms: the full price is charged.
    PromotionUnused {
        /// The subscription.
        subscription: SubscriptionId,
        /// The promotion.
        promotion: PromotionId,
    },
    /// The trial becomes a paid subscription by itself.
    TrialWillConvert {
        /// The subscription.
        subscription: SubscriptionId,
        /// The last day on which that can be turned off.
        last_day: NaiveDate,
        /// Seats that will be paid for.
        quantity: u32,
        /// Length and billing of the paid term.
        plan: TermPlan,
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
    /// The subscription will not be renewed, and nothing else was chosen: the programme decides what
    /// follows its term. An extended service term costs a premium.
    RenewalOffWithoutChoice {
        /// The subscription.
        subscription: SubscriptionId,
    },
    /// The months after the term cost a premium.
    ExtendedTermCostsPremium {
        /// The subscription.
        subscription: SubscriptionId,
    },
    /// The subscription is charged although its service is stopped.
    BillingContinues {
        /// The subscription.
        subscription: SubscriptionId,
    },
    /// If it is not resumed by then, the subscription is deleted.
    WillBeDeleted {
        /// The subscription.
        subscription: SubscriptionId,
        /// When.
        at: DateTime<Utc>,
    },
    /// Its service starts again, but the subscription will still not be renewed.
    RenewalStaysOff {
        /// The subscription.
        subscription: SubscriptionId,
    },
    /// Nobody knows the status it has elsewhere: it is taken over as suspended by its vendor.
    StatusNotKnown {
        /// The subscription.
        subscription: SubscriptionId,
        /// The status.
        status: String,
    },
    /// Fields that the ledger does not know are kept as they are.
    FieldsNotKnown {
        /// The subscription.
        subscription: SubscriptionId,
        /// Their names.
        fields: Vec<String>,
    },
    /// More seats are taken over than the offer allows.
    SeatsAboveMaximum {
        /// The offer.
        offer: OfferId,
        /// Seats above its maximum.
        seats: u32,
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
        Event::SubscriptionPurchased(e) => {
            let mut warnings = closes(&e.subscription, e.cancel_until);
            warnings.extend(e.unused_promotion.iter().map(|promotion| Warning::PromotionUnused {
                subscription: e.subscription.clone(),
                promotion: promotion.clone(),
            }));
            warnings
        }
        Event::TrialStarted(e) if e.converts => vec![Warning::TrialWillConvert {
            subscription: e.subscription.clone(),
            last_day: e.term.end,
            quantity: e.quantity,
            plan: e.converts_to,
        }],
        Event::TrialStarted(e) => {
            vec![Warning::ServiceWillStop { subscription: e.subscription.clone() }]
        }
        Event::TrialConverted(e) => match &e.into {
            TrialTarget::Itself(paid) => closes(&e.subscription, paid.cancel_until),
            TrialTarget::Existing(_) => Vec::new(),
        },
        Event::TermChanged(e) => {
            let open = e.cancel_until.filter(|until| e.started_at <= *until);
            closes(&e.subscription, open)
        }
        Event::SeatsAdded(e) => closes(&e.subscription, e.reduce_until),
        Event::SubscriptionRenewed(e) => renewed(e),
        Event::ShortfallRaised(e) => vec![Warning::LicencesWillExceedSeats {
            offer: e.offer.clone(),
            valid: e.valid,
            assigned: e.assigned,
        }],
        Event::SubscriptionUpgraded(e) => of_upgrade(e),
        Event::EndOfTermActionSet(e) => after_the_term(e),
        Event::SubscriptionSuspended(e) => suspended(e),
        Event::SubscriptionResumed(e) => resumed(e),
        Event::OpeningBalanceImported(e) => of_import(e),
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
        | Event::SeatsRemoved(_)
        | Event::RenewalQuantityScheduled(_)
        | Event::RenewalSettingsChanged(_)
        | Event::BillingFrequencyChosen(_)
        | Event::BillingFrequencyChanged(_)
        | Event::SubscriptionCancelled(_)
        | Event::SubscriptionRenamed(_)
        | Event::CreditGranted(_)
        | Event::TrialExtended(_)
        | Event::QuantityRequested(_)
        | Event::QuantityRequestFulfilled(_)
        | Event::QuantityRequestDeclined(_)
        | Event::UserAdded(_)
        | Event::UserNamed(_)
        | Event::CustomerErased(_)
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
        | Event::CorrectionRecorded(_)
        | Event::CatalogueImported(_)
        | Event::PriceListImported(_)
        | Event::OfferMatrixImported(_)
        | Event::PolicySet(_)
        | Event::BillingTermsSet(_)
        | Event::ExchangeRatesImported(_)
        | Event::PeriodClosed(_)
        | Event::ReconciliationRecorded(_) => Vec::new(),
    }
}

fn renewed(e: &SubscriptionRenewed) -> Vec<Warning> {
    let upgraded = e.change.as_ref().and_then(|change| change.offer.as_ref());
    let manual = upgraded.map(|upgraded| &upgraded.manual).filter(|manual| !manual.is_empty());
    let mut warnings = closes(&e.subscription, e.cancel_until);
    warnings.extend(manual.map(|users| Warning::LicencesToMoveByHand { users: users.clone() }));
    warnings
}

fn suspended(e: &SubscriptionSuspended) -> Vec<Warning> {
    let subscription = || e.subscription.clone();
    let continues = Warning::BillingContinues { subscription: subscription() };
    let continues = (!e.billing_stops).then_some(continues);
    let deleted = e.delete_at.map(|at| Warning::WillBeDeleted { subscription: subscription(), at });
    continues.into_iter().chain(deleted).collect()
}

fn resumed(e: &SubscriptionResumed) -> Vec<Warning> {
    match e.end_of_term {
        EndOfTermAction::Renew => Vec::new(),
        EndOfTermAction::Cancel | EndOfTermAction::ExtendedServiceTerm | EndOfTermAction::Lapse => {
            vec![Warning::RenewalStaysOff { subscription: e.subscription.clone() }]
        }
    }
}

fn after_the_term(e: &EndOfTermActionSet) -> Vec<Warning> {
    let subscription = e.subscription.clone();
    match e.action {
        EndOfTermAction::Renew => Vec::new(),
        EndOfTermAction::Cancel => vec![Warning::ServiceWillStop { subscription }],
        EndOfTermAction::ExtendedServiceTerm => {
            vec![Warning::ExtendedTermCostsPremium { subscription }]
        }
        EndOfTermAction::Lapse => vec![Warning::RenewalOffWithoutChoice { subscription }],
    }
}

fn of_import(e: &OpeningBalanceImported) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if e.status == Status::Suspended && e.vendor_reasons.contains(&e.vendor_status) {
        let (subscription, status) = (e.subscription.clone(), e.vendor_status.clone());
        warnings.push(Warning::StatusNotKnown { subscription, status });
    }
    if !e.unknown.is_empty() {
        let fields = e.unknown.keys().cloned().collect();
        warnings.push(Warning::FieldsNotKnown { subscription: e.subscription.clone(), fields });
    }
    if e.above_maximum != 0 {
        let (offer, seats) = (e.offer.clone(), e.above_maximum);
        warnings.push(Warning::SeatsAboveMaximum { offer, seats });
    }
    warnings
}

fn of_upgrade(e: &SubscriptionUpgraded) -> Vec<Warning> {
    let subscription = e.subscription.clone();
    let mut warnings = vec![Warning::UpgradeCannotBeUndone { subscription }];
    if let UpgradeTarget::New(new) = &e.target {
        let today = e.charge.billable.start;
        let inherited = new.cancel_until.filter(|until| today <= until.date_naive());
        warnings.extend(closes(&new.subscription, inherited));
    }
    if !e.lost_services.is_empty() {
        let services = e.lost_services.clone();
        warnings.push(Warning::ServicesWillBeLost { services });
    }
    if !e.manual.is_empty() {
        warnings.push(Warning::LicencesToMoveByHand { users: e.manual.clone() });
    }
    warnings
}

fn closes(subscription: &SubscriptionId, until: Option<DateTime<Utc>>) -> Vec<Warning> {
    let subscription = subscription.clone();
    until.map(|until| Warning::WindowClosesAt { subscription, until }).into_iter().collect()
}
