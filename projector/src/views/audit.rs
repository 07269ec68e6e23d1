//! Quantity audit: one document per change of a quantity. Made of the commit when asked for, not stored.

use chrono::{DateTime, Utc};
use ledger_core::customer::{
    Event, QuantityChange, RuleSet, SubscriptionRenewed, SubscriptionUpgraded, TrialConverted,
    TrialTarget, UpgradeTarget,
};
use ledger_core::ids::{
    ActorId, CommandId, CustomerId, OfferId, ProgrammeId, Reason, ResellerId, Role, SubscriptionId,
};
use ledger_core::record::Recorded;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::customer_of;

/// A change of one quantity: who, when, why, under which rules, by which command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditDocument {
    /// Id of the event: `customer/version.ordinal`.
    pub event_id: String,
    /// Whose subscription it is.
    #[schema(value_type = String)]
    pub customer: CustomerId,
    /// Reseller who serves the customer now.
    #[schema(value_type = String)]
    pub reseller: ResellerId,
    /// Which subscription.
    #[schema(value_type = String)]
    pub subscription: SubscriptionId,
    /// Of which offer. An upgrade in place leaves one offer and enters another.
    #[schema(value_type = String)]
    pub offer: OfferId,
    /// Seats before.
    pub from: u32,
    /// Seats after.
    pub to: u32,
    /// The difference.
    pub delta: i64,
    /// Name of the event, for example `SeatsAdded`.
    pub cause: String,
    /// Who: opaque id.
    #[schema(value_type = String)]
    pub actor: ActorId,
    /// In which role.
    #[schema(value_type = String)]
    pub role: Role,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// When it took effect.
    pub effective_at: DateTime<Utc>,
    /// Why.
    #[schema(value_type = String)]
    pub reason: Reason,
    /// Programme whose rules were applied.
    #[schema(value_type = Option<String>)]
    pub programme: Option<ProgrammeId>,
    /// Version of the catalogue in force; absent where no rule of it was needed.
    pub catalogue: Option<String>,
    /// Id of the command.
    #[schema(value_type = String)]
    pub command_id: CommandId,
    /// Version of the customer's stream.
    pub version: u64,
    /// Position in the log.
    pub position: u64,
}

/// A change of one quantity, as an event tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed<'a> {
    /// Which subscription.
    pub subscription: &'a SubscriptionId,
    /// Of which offer.
    pub offer: &'a OfferId,
    /// Seats before and after.
    pub quantity: QuantityChange,
    /// The rules applied; none when a term ran out.
    pub rules: Option<&'a RuleSet>,
}

/// The changes of quantities in a commit of a customer whom `reseller` serves now, in order.
pub(crate) fn documents(recorded: &Recorded, reseller: &ResellerId) -> Vec<AuditDocument> {
    let Some(id) = customer_of(recorded) else { return Vec::new() };
    let events = recorded.events.iter().enumerate();
    let changed = events.flat_map(|(index, event)| {
        quantity_changes(event).into_iter().map(move |changed| (index, changed))
    });
    changed.map(|(index, changed)| document(recorded, id, index, &changed, reseller)).collect()
}

/// The changes of quantity in `event`: none, one, or source and target of an upgrade.
#[must_use]
pub fn quantity_changes(event: &Event) -> Vec<Changed<'_>> {
    match event {
        Event::SubscriptionPurchased(e) => {
            vec![change(&e.subscription, &e.offer, (0, e.quantity), Some(&e.rules))]
        }
        Event::SeatsAdded(e) => {
            vec![change(&e.subscription, &e.offer, ends(e.quantity), Some(&e.rules))]
        }
        Event::SeatsRemoved(e) => {
            vec![change(&e.subscription, &e.offer, ends(e.quantity), Some(&e.rules))]
        }
        Event::SubscriptionCancelled(e) => {
            vec![change(&e.subscription, &e.offer, (e.quantity, 0), Some(&e.rules))]
        }
        Event::SubscriptionRenewed(e) => renewed(e),
        Event::SubscriptionExpired(e) => {
            vec![change(&e.subscription, &e.offer, (e.quantity, 0), None)]
        }
        Event::SubscriptionUpgraded(e) => upgraded(e),
        Event::TrialStarted(e) => {
            vec![change(&e.subscription, &e.offer, (0, e.quantity), Some(&e.rules))]
        }
        Event::TrialConverted(e) => converted(e),
        Event::SubscriptionDisabled(e) if e.quantity != 0 => {
            vec![change(&e.subscription, &e.offer, (e.quantity, 0), None)]
        }
        Event::SubscriptionDeleted(e) if e.quantity != 0 => {
            vec![change(&e.subscription, &e.offer, (e.quantity, 0), None)]
        }
        Event::OpeningBalanceImported(e) => {
            vec![change(&e.subscription, &e.offer, (0, e.quantity), e.rules.as_ref())]
        }
        Event::CorrectionRecorded(e) => {
            let rules = e.rules.as_ref();
            let changed = |quantity| change(&e.subscription, &e.offer, ends(quantity), rules);
            e.quantity.map(changed).into_iter().collect()
        }
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
        | Event::RenewalQuantityScheduled(_)
        | Event::RenewalSettingsChanged(_)
        | Event::ScheduledChangeDropped(_)
        | Event::EndOfTermActionSet(_)
        | Event::TermChanged(_)
        | Event::BillingFrequencyChosen(_)
        | Event::BillingFrequencyChanged(_)
        | Event::SubscriptionSuspended(_)
        | Event::SubscriptionResumed(_)
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
        | Event::ShortfallRaised(_)
        | Event::ShortfallCleared(_)
        | Event::ExtendedServiceTermStarted(_)
        | Event::SubscriptionDisabled(_)
        | Event::SubscriptionDeleted(_)
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

fn renewed(e: &SubscriptionRenewed) -> Vec<Changed<'_>> {
    let rules = Some(&e.rules);
    match e.change.as_ref().and_then(|changed| changed.offer.as_ref()) {
        Some(target) => vec![
            change(&e.subscription, &e.offer, (e.quantity.from, 0), rules),
            change(&e.subscription, &target.offer, (0, e.quantity.to), rules),
        ],
        None if e.quantity.from == e.quantity.to => Vec::new(),
        None => vec![change(&e.subscription, &e.offer, ends(e.quantity), rules)],
    }
}

/// A trial that goes into another subscription leaves none of its own.
fn converted(e: &TrialConverted) -> Vec<Changed<'_>> {
    let rules = Some(&e.rules);
    match &e.into {
        TrialTarget::Itself(_) if e.quantity.from == e.quantity.to => Vec::new(),
        TrialTarget::Itself(_) => {
            vec![change(&e.subscription, &e.offer, ends(e.quantity), rules)]
        }
        TrialTarget::Existing(grown) => vec![
            change(&e.subscription, &e.offer, (e.quantity.from, 0), rules),
            change(&grown.subscription, &e.offer, ends(grown.quantity), rules),
        ],
    }
}

fn upgraded(e: &SubscriptionUpgraded) -> Vec<Changed<'_>> {
    let rules = Some(&e.rules);
    match &e.target {
        UpgradeTarget::InPlace => vec![
            change(&e.subscription, &e.offer, (e.moved, 0), rules),
            change(&e.subscription, &e.target_offer, (0, e.moved), rules),
        ],
        UpgradeTarget::New(new) => vec![
            change(&e.subscription, &e.offer, ends(e.quantity), rules),
            change(&new.subscription, &e.target_offer, (0, e.moved), rules),
        ],
        UpgradeTarget::Existing(grown) => vec![
            change(&e.subscription, &e.offer, ends(e.quantity), rules),
            change(&grown.subscription, &e.target_offer, ends(grown.quantity), rules),
        ],
    }
}

const fn ends(quantity: QuantityChange) -> (u32, u32) {
    (quantity.from, quantity.to)
}

const fn change<'a>(
    subscription: &'a SubscriptionId,
    offer: &'a OfferId,
    (from, to): (u32, u32),
    rules: Option<&'a RuleSet>,
) -> Changed<'a> {
    Changed { subscription, offer, quantity: QuantityChange { from, to }, rules }
}

fn document(
    recorded: &Recorded,
    customer: &CustomerId,
    index: usize,
    changed: &Changed<'_>,
    reseller: &ResellerId,
) -> AuditDocument {
    let commit = recorded.commit();
    let (from, to) = ends(changed.quantity);
    AuditDocument {
        event_id: recorded.event_id(index),
        customer: customer.clone(),
        reseller: reseller.clone(),
        subscription: changed.subscription.clone(),
        offer: changed.offer.clone(),
        from,
        to,
        delta: i64::from(to) - i64::from(from),
        cause: recorded.events.get(index).map_or("", Event::name).to_owned(),
        actor: commit.actor.id.clone(),
        role: commit.actor.role,
        recorded_at: commit.recorded_at,
        effective_at: commit.effective_at,
        reason: commit.reason.clone(),
        programme: changed.rules.map(|rules| rules.programme.clone()),
        catalogue: changed.rules.map(|rules| rules.catalogue.clone()),
        command_id: commit.command_id.clone(),
        version: commit.version,
        position: recorded.position,
    }
}
