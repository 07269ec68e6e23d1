//! Charge lines: what an event costs or saves, computed from the event alone.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::calendar::Period;
use crate::customer::{
    ChargeBasis, CorrectionRecorded, Event, RuleSet, Settled, TrialTarget, UpgradeTarget,
};
use crate::ids::{OfferId, SubscriptionId};
use crate::money::{Fraction, Money, MoneyError, RoundingPolicy, prorate};

/// Why something is charged or credited, in the vendor's words. Source: domain, section 4.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ChargeType {
    /// First purchase.
    New,
    /// Renewal into a new term.
    Renew,
    /// A further charge cycle inside a term; also what was charged at a price or to an end that was wrong,
    /// credited and charged again.
    CycleCharge,
    /// Credit and charge of added seats.
    AddQuantity,
    /// Credit and charge of removed seats.
    RemoveQuantity,
    /// Upgrade into a new subscription, or in place.
    Convert,
    /// Upgrade into an existing subscription.
    MoveQuantity,
    /// Credit of a cancellation.
    CancelImmediate,
    /// Another rhythm of charging.
    ChangeBillingPlan,
    /// Credit of what no rule gives back.
    CustomerCredit,
    /// More days of a trial.
    ExtendTerm,
    /// Credit where suspending stops billing. New commerce knows no such charge; this is the word of the
    /// older programmes, which do.
    ProrateFeesWhenCancel,
    /// Charge where billing starts again after that; the older programmes' word, too.
    ProrateFeesWhenActivate,
}

/// One line of a bill, with everything it was computed from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargeLine {
    /// The causing event's id and the line's number in it, `customer/version.event/line`; of a further
    /// charge cycle, `customer/subscription/first day`.
    pub id: String,
    /// Id of the event, which lines that belong together share; of a further charge cycle, its own id.
    pub reference_id: String,
    /// Why.
    pub charge_type: ChargeType,
    /// For which subscription.
    pub subscription: SubscriptionId,
    /// Of which offer.
    pub offer: OfferId,
    /// Seats; negative for a credit.
    pub quantity: i64,
    /// Price of one seat for a whole charge cycle.
    pub unit_price: Decimal,
    /// Price of one seat for the billable days, as the rounding policy leaves it.
    pub effective_unit_price: Decimal,
    /// Days charged or credited, both included.
    pub period: Period,
    /// How many days these are.
    pub billable_days: u32,
    /// How many days the charge cycle has.
    pub cycle_days: u32,
    /// The fraction of the unit price that it was computed with: days, or months of a cycle that is charged
    /// by them.
    pub fraction: Fraction,
    /// The amount, rounded once; negative for a credit.
    pub amount: Money,
    /// How it was rounded.
    pub rounding: RoundingPolicy,
    /// The computation with its numbers.
    pub formula: String,
    /// Rules it was decided under.
    pub rules: RuleSet,
}

/// One line still to be computed.
struct Draft<'a> {
    charge_type: ChargeType,
    subscription: &'a SubscriptionId,
    offer: &'a OfferId,
    quantity: i64,
    basis: &'a ChargeBasis,
}

/// Returns the charge lines that `event` causes; empty when it costs nothing.
///
/// A change of quantity is a credit of the old and a charge of the new quantity over the remaining
/// days, never a difference. Source: domain, section 4.3.
///
/// # Errors
///
/// [`MoneyError`] when an amount cannot be computed exactly; `decide` lets no such event happen.
pub fn lines(event_id: &str, event: &Event) -> Result<Vec<ChargeLine>, MoneyError> {
    let Some((drafts, rules)) = drafts(event) else { return Ok(Vec::new()) };
    drafts
        .into_iter()
        .enumerate()
        .map(|(index, draft)| {
            let id = format!("{event_id}/{}", index.saturating_add(1));
            line(id, event_id.to_owned(), &draft, rules)
        })
        .collect()
}

/// Returns the line of a further charge cycle of a term: no event of its own, only time passing.
///
/// # Errors
///
/// As [`lines`].
pub fn cycle_line(
    id: String,
    (subscription, offer): (&SubscriptionId, &OfferId),
    quantity: u32,
    basis: &ChargeBasis,
    rules: &RuleSet,
) -> Result<ChargeLine, MoneyError> {
    let quantity = i64::from(quantity);
    let charge_type = ChargeType::CycleCharge;
    let draft = Draft { charge_type, subscription, offer, quantity, basis };
    line(id.clone(), id, &draft, rules)
}

#[expect(clippy::too_many_lines, reason = "a table, read as a whole")]
fn drafts(event: &Event) -> Option<(Vec<Draft<'_>>, &RuleSet)> {
    match event {
        Event::SubscriptionPurchased(e) => {
            let line = Draft {
                charge_type: ChargeType::New,
                subscription: &e.subscription,
                offer: &e.offer,
                quantity: i64::from(e.quantity),
                basis: &e.basis,
            };
            Some((vec![line], &e.rules))
        }
        Event::SeatsAdded(e) => {
            let quantity = (e.quantity.from, e.quantity.to);
            let kind = ChargeType::AddQuantity;
            Some((pair(kind, &e.subscription, &e.offer, quantity, &e.basis), &e.rules))
        }
        Event::SeatsRemoved(e) => {
            let quantity = (e.quantity.from, e.quantity.to);
            let kind = ChargeType::RemoveQuantity;
            Some((pair(kind, &e.subscription, &e.offer, quantity, &e.basis), &e.rules))
        }
        Event::SubscriptionCancelled(e) => {
            let kind = ChargeType::CancelImmediate;
            Some((settled(kind, &e.subscription, &e.offer, &e.credits), &e.rules))
        }
        Event::SubscriptionSuspended(e) => {
            let credit = e.credit.as_ref()?;
            let kind = ChargeType::ProrateFeesWhenCancel;
            Some((settled(kind, &e.subscription, &credit.offer, &credit.credits), &e.rules))
        }
        Event::SubscriptionResumed(e) => {
            let resumed = e.charge.as_ref()?;
            let line = Draft {
                charge_type: ChargeType::ProrateFeesWhenActivate,
                subscription: &e.subscription,
                offer: &resumed.offer,
                quantity: i64::from(resumed.quantity),
                basis: &resumed.basis,
            };
            Some((vec![line], &resumed.rules))
        }
        Event::CorrectionRecorded(e) => {
            let rules = e.rules.as_ref()?;
            Some((settled(of_correction(e), &e.subscription, &e.offer, &e.settled), rules))
        }
        Event::CreditGranted(e) => {
            let line = Draft {
                charge_type: ChargeType::CustomerCredit,
                subscription: &e.subscription,
                offer: &e.offer,
                quantity: -1,
                basis: &e.basis,
            };
            Some((vec![line], &e.rules))
        }
        Event::TrialExtended(e) => {
            let line = Draft {
                charge_type: ChargeType::ExtendTerm,
                subscription: &e.subscription,
                offer: &e.offer,
                quantity: i64::from(e.quantity),
                basis: &e.basis,
            };
            Some((vec![line], &e.rules))
        }
        Event::SubscriptionUpgraded(e) => {
            let (charge_type, target) = match &e.target {
                UpgradeTarget::InPlace => (ChargeType::Convert, &e.subscription),
                UpgradeTarget::New(new) => (ChargeType::Convert, &new.subscription),
                UpgradeTarget::Existing(grown) => (ChargeType::MoveQuantity, &grown.subscription),
            };
            let moved = i64::from(e.moved);
            let credit = Draft {
                charge_type,
                subscription: &e.subscription,
                offer: &e.offer,
                quantity: -moved,
                basis: &e.credit,
            };
            let charge = Draft {
                charge_type,
                subscription: target,
                offer: &e.target_offer,
                quantity: moved,
                basis: &e.charge,
            };
            Some((vec![credit, charge], &e.rules))
        }
        Event::SubscriptionRenewed(e) => {
            let line = Draft {
                charge_type: ChargeType::Renew,
                subscription: &e.subscription,
                offer: e.offer_renewed(),
                quantity: i64::from(e.quantity.to),
                basis: &e.basis,
            };
            Some((vec![line], &e.rules))
        }
        Event::TrialConverted(e) => {
            let (charge_type, subscription) = match &e.into {
                TrialTarget::Itself(_) => (ChargeType::Convert, &e.subscription),
                TrialTarget::Existing(grown) => (ChargeType::MoveQuantity, &grown.subscription),
            };
            let quantity = i64::from(e.quantity.to);
            let line =
                Draft { charge_type, subscription, offer: &e.offer, quantity, basis: &e.basis };
            Some((vec![line], &e.rules))
        }
        Event::TermChanged(e) => {
            let quantity = i64::from(e.quantity);
            let draft = |quantity, basis| Draft {
                charge_type: ChargeType::Convert,
                subscription: &e.subscription,
                offer: &e.offer,
                quantity,
                basis,
            };
            Some((vec![draft(-quantity, &e.credit), draft(quantity, &e.basis)], &e.rules))
        }
        Event::BillingFrequencyChanged(e) => {
            if !e.is_charged {
                return None;
            }
            let line = Draft {
                charge_type: ChargeType::ChangeBillingPlan,
                subscription: &e.subscription,
                offer: &e.offer,
                quantity: i64::from(e.quantity),
                basis: &e.basis,
            };
            Some((vec![line], &e.rules))
        }
        Event::ExtendedServiceTermStarted(e) => {
            let line = Draft {
                charge_type: ChargeType::Renew,
                subscription: &e.subscription,
                offer: &e.offer,
                quantity: i64::from(e.quantity),
                basis: &e.basis,
            };
            Some((vec![line], &e.rules))
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
        | Event::TrialStarted(_)
        | Event::RenewalQuantityScheduled(_)
        | Event::RenewalSettingsChanged(_)
        | Event::ScheduledChangeDropped(_)
        | Event::EndOfTermActionSet(_)
        | Event::BillingFrequencyChosen(_)
        | Event::SubscriptionRenamed(_)
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
        | Event::SubscriptionExpired(_)
        | Event::SubscriptionDisabled(_)
        | Event::SubscriptionDeleted(_)
        | Event::OpeningBalanceImported(_)
        | Event::CatalogueImported(_)
        | Event::PriceListImported(_)
        | Event::OfferMatrixImported(_)
        | Event::PolicySet(_)
        | Event::BillingTermsSet(_)
        | Event::ExchangeRatesImported(_)
        | Event::PeriodClosed(_)
        | Event::ReconciliationRecorded(_) => None,
    }
}

fn pair<'a>(
    charge_type: ChargeType,
    subscription: &'a SubscriptionId,
    offer: &'a OfferId,
    (from, to): (u32, u32),
    basis: &'a ChargeBasis,
) -> Vec<Draft<'a>> {
    let draft = |quantity| Draft { charge_type, subscription, offer, quantity, basis };
    vec![draft(-i64::from(from)), draft(i64::from(to))]
}

fn settled<'a>(
    charge_type: ChargeType,
    subscription: &'a SubscriptionId,
    offer: &'a OfferId,
    lines: &'a [Settled],
) -> Vec<Draft<'a>> {
    let draft = |line: &'a Settled| Draft {
        charge_type,
        subscription,
        offer,
        quantity: line.seats,
        basis: &line.basis,
    };
    lines.iter().map(draft).collect()
}

/// A wrong quantity is settled as a change of quantity. For a wrong price or end the vendor has no word:
/// the charge of the cycle is taken back and made again.
fn of_correction(e: &CorrectionRecorded) -> ChargeType {
    match e.quantity {
        Some(quantity) if quantity.from < quantity.to => ChargeType::AddQuantity,
        Some(_) => ChargeType::RemoveQuantity,
        None => ChargeType::CycleCharge,
    }
}

fn line(
    id: String,
    reference_id: String,
    draft: &Draft<'_>,
    rules: &RuleSet,
) -> Result<ChargeLine, MoneyError> {
    let basis = draft.basis;
    let fraction = basis.fraction();
    let Fraction { part, whole } = fraction;
    let prorated = prorate(basis.unit_price, draft.quantity, part, whole, basis.rounding)?;
    let formula = format!(
        "{} x {} x {} seats = {}, {}",
        basis.unit_price.amount,
        basis.in_words(),
        draft.quantity,
        prorated.total.amount,
        basis.rounding
    );
    Ok(ChargeLine {
        id,
        reference_id,
        charge_type: draft.charge_type,
        subscription: draft.subscription.clone(),
        offer: draft.offer.clone(),
        quantity: draft.quantity,
        unit_price: basis.unit_price.amount,
        effective_unit_price: prorated.effective_unit_price,
        period: basis.billable,
        billable_days: basis.billable.days(),
        cycle_days: basis.cycle.days(),
        fraction,
        amount: prorated.total,
        rounding: basis.rounding,
        formula,
        rules: rules.clone(),
    })
}
