//! Why not: data with a stable code, the rule, its source and the facts that failed.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::Serialize;

use crate::calendar::{BillingCycle, DateOutOfRange, TermDuration};
use crate::ids::{CustomerId, OfferId, ProgrammeId, SubscriptionId, UserId};
use crate::money::{Currency, MoneyError};

/// A rule: its stable code, what it says and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Stable code; programs may depend on it.
    pub code: &'static str,
    /// The rule in one sentence.
    pub rule: &'static str,
    /// Where the rule comes from.
    pub source: &'static str,
}

/// A rule said no. Nothing happened; the caller must change the request or wait.
///
/// Serialised, it is the facts alone: one object, named as the variant's fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(untagged)]
pub enum Rejection {
    /// The customer has no account.
    #[error("customer {customer} is not registered: register it first")]
    CustomerUnknown {
        /// Who was asked for.
        customer: CustomerId,
    },
    /// The account exists already.
    #[error("customer {customer} is registered already, with other particulars")]
    CustomerExists {
        /// Who was asked for.
        customer: CustomerId,
    },
    /// A catalogue command came to a customer, or the other way round.
    #[error("{command} does not belong to this stream: send it to {belongs_to}")]
    WrongStream {
        /// The command.
        command: &'static str,
        /// Where it belongs.
        belongs_to: &'static str,
    },
    /// No catalogue is in force.
    #[error("no catalogue is in force at {at}: import one first")]
    NoCatalogue {
        /// The instant asked for.
        at: DateTime<Utc>,
    },
    /// The catalogue's data contradicts itself.
    #[error("the catalogue has {} problem(s): {}", problems.len(), problems.join("; "))]
    CatalogueInvalid {
        /// One sentence each.
        problems: Vec<String>,
    },
    /// The programme is not in the catalogue.
    #[error("programme {programme} is not in the catalogue in force")]
    ProgrammeUnknown {
        /// The programme.
        programme: ProgrammeId,
    },
    /// A text field is empty, too long or of the wrong form.
    #[error("{field} is not valid: {expected}")]
    FieldInvalid {
        /// The field.
        field: &'static str,
        /// What is expected.
        expected: &'static str,
    },
    /// The offer is not in the catalogue.
    #[error("offer {offer} is not in the catalogue in force")]
    OfferUnknown {
        /// The offer.
        offer: OfferId,
    },
    /// The offer is not sold with this term, billing and currency.
    #[error("offer {offer} is not sold with term {term:?}, billing {billing:?}, in {currency}")]
    PlanUnknown {
        /// The offer.
        offer: OfferId,
        /// Term asked for.
        term: TermDuration,
        /// Billing cycle asked for.
        billing: BillingCycle,
        /// The customer's currency.
        currency: Currency,
    },
    /// The customer has no such subscription.
    #[error("the customer has no subscription {subscription}")]
    SubscriptionUnknown {
        /// The subscription.
        subscription: SubscriptionId,
    },
    /// The id is taken.
    #[error("the customer has a subscription {subscription} already: choose another id")]
    SubscriptionExists {
        /// The subscription.
        subscription: SubscriptionId,
    },
    /// The subscription has ended.
    #[error("subscription {subscription} has ended; only its history can be read")]
    SubscriptionEnded {
        /// The subscription.
        subscription: SubscriptionId,
    },
    /// The term is over and the renewal not yet done.
    #[error(
        "subscription {subscription} is being renewed: send the same command again in 2 minutes"
    )]
    RenewalPending {
        /// The subscription.
        subscription: SubscriptionId,
        /// Last day of the term that is over.
        term_end: NaiveDate,
    },
    /// A quantity of zero.
    #[error("the quantity must be at least 1; to give back all seats, cancel the subscription")]
    QuantityZero,
    /// Fewer seats than the offer's minimum.
    #[error("{quantity} seats would be fewer than the {seats_min} that {offer} needs")]
    BelowMinimum {
        /// The offer.
        offer: OfferId,
        /// Seats there would be.
        quantity: u32,
        /// Fewest seats allowed.
        seats_min: u32,
    },
    /// More seats than the offer's maximum, over all subscriptions and partners.
    #[error("{offer} is limited to {seats_max} seats in all; {remaining} remain")]
    AboveMaximum {
        /// The offer.
        offer: OfferId,
        /// Most seats allowed.
        seats_max: u32,
        /// Seats that could still be added.
        remaining: u32,
    },
    /// The customer lacks what the add-on builds on.
    #[error("{offer} is an add-on: the customer needs one of {needs_one_of:?} first")]
    PrerequisiteMissing {
        /// The add-on.
        offer: OfferId,
        /// What it builds on.
        needs_one_of: Vec<OfferId>,
    },
    /// The subscription was changed too many times.
    #[error(
        "subscription {subscription} was changed {updates_max} times, the most allowed; buy another one"
    )]
    TooManyUpdates {
        /// The subscription.
        subscription: SubscriptionId,
        /// Changes allowed.
        updates_max: u32,
    },
    /// A change is scheduled, and the programme lets it block immediate ones.
    #[error(
        "a renewal quantity of {quantity} is scheduled for {subscription}, and until then nothing else may change"
    )]
    ChangeScheduled {
        /// The subscription.
        subscription: SubscriptionId,
        /// Quantity scheduled.
        quantity: u32,
    },
    /// More seats than are still in their window.
    #[error(
        "of subscription {subscription} only {refundable} seats can still be removed; plan fewer seats for its renewal"
    )]
    SeatsNotRefundable {
        /// The subscription.
        subscription: SubscriptionId,
        /// Seats asked for.
        seats: u32,
        /// Seats still in their window.
        refundable: u32,
        /// When the next term begins.
        next_term_at: Option<DateTime<Utc>>,
    },
    /// Fewer seats than assigned licences, where the programme refuses that.
    #[error("{assigned} licences of {offer} are assigned: unassign {excess} first")]
    LicencesAssigned {
        /// The offer.
        offer: OfferId,
        /// Licences in use.
        assigned: u32,
        /// Licences too many.
        excess: u32,
    },
    /// The window for cancelling is closed, or there never was one.
    #[error(
        "subscription {subscription} can no longer be cancelled at once; cancel it at the end of its term"
    )]
    CancelWindowClosed {
        /// The subscription.
        subscription: SubscriptionId,
        /// When the window closed.
        closed_at: Option<DateTime<Utc>>,
        /// When the next term begins.
        next_term_at: Option<DateTime<Utc>>,
    },
    /// The subscription is not going to be renewed.
    #[error(
        "subscription {subscription} will not be renewed: set its end-of-term action to renew first"
    )]
    NotRenewing {
        /// The subscription.
        subscription: SubscriptionId,
    },
    /// The programme has no such path.
    #[error(
        "programme {programme} has no upgrade from {offer} to {target_offer}; possible are {possible:?}"
    )]
    NoUpgradePath {
        /// The programme.
        programme: ProgrammeId,
        /// Offer the seats have.
        offer: OfferId,
        /// Offer asked for.
        target_offer: OfferId,
        /// Offers that can be reached.
        possible: Vec<OfferId>,
    },
    /// More seats than the source has.
    #[error("subscription {subscription} has {available} seats, {quantity} cannot be upgraded")]
    UpgradeTooLarge {
        /// The subscription.
        subscription: SubscriptionId,
        /// Seats asked for.
        quantity: u32,
        /// Seats it has.
        available: u32,
    },
    /// The programme upgrades all seats or none.
    #[error("programme {programme} upgrades all {available} seats or none")]
    PartialUpgradeRefused {
        /// The programme.
        programme: ProgrammeId,
        /// Seats the source has.
        available: u32,
    },
    /// The programme does not upgrade onto existing subscriptions.
    #[error("programme {programme} upgrades into a new subscription only")]
    ExistingTargetRefused {
        /// The programme.
        programme: ProgrammeId,
    },
    /// The partner lacks delegated administration.
    #[error(
        "the partner has no delegated administration for this customer: ask the customer to grant it"
    )]
    DelegatedAdminMissing,
    /// The customer holds the target already.
    #[error(
        "the customer holds {target_offer} already; it must be cancelled first, wherever it was bought"
    )]
    TargetHeld {
        /// Offer asked for.
        target_offer: OfferId,
    },
    /// The customer holds a service that the upgrade would add.
    #[error(
        "the customer holds {services:?} already through another subscription; it must be cancelled first"
    )]
    ServicesHeld {
        /// Services held.
        services: Vec<String>,
    },
    /// Source and target are the same.
    #[error("subscription {subscription} cannot be upgraded into itself")]
    TargetIsSource {
        /// The subscription.
        subscription: SubscriptionId,
    },
    /// The existing target is of another offer.
    #[error("subscription {subscription} is of {offer}, not of {target_offer}")]
    TargetOfferDiffers {
        /// The target.
        subscription: SubscriptionId,
        /// What it is of.
        offer: OfferId,
        /// What was asked for.
        target_offer: OfferId,
    },
    /// The existing target is in its cancellation window.
    #[error(
        "subscription {subscription} can still be cancelled until {until}: upgrade into it after that"
    )]
    TargetInWindow {
        /// The target.
        subscription: SubscriptionId,
        /// Until when its window is open.
        until: DateTime<Utc>,
    },
    /// The target's term ends before the source's.
    #[error("the target's term ends on {target_end}, before the source's on {source_end}")]
    TargetEndsEarlier {
        /// Last day of the source's term.
        source_end: NaiveDate,
        /// Last day of the target's term.
        target_end: NaiveDate,
    },
    /// The target's term is shorter than the source's.
    #[error("a term of {target_term:?} is shorter than the source's {source_term:?}")]
    TargetTermShorter {
        /// The source's term.
        source_term: TermDuration,
        /// The target's term.
        target_term: TermDuration,
    },
    /// No licence is free.
    #[error(
        "no licence of {offer} is free: {assigned} of {valid} are assigned; add seats or unassign one"
    )]
    NoLicenceFree {
        /// The offer.
        offer: OfferId,
        /// Seats there are.
        valid: u32,
        /// Licences in use.
        assigned: u32,
    },
    /// The user has a licence that excludes this one.
    #[error("user {user} has {conflicting}, which excludes {offer}; unassign it first")]
    LicenceConflict {
        /// The user.
        user: UserId,
        /// Offer asked for.
        offer: OfferId,
        /// Offer that excludes it.
        conflicting: OfferId,
    },
    /// The user lacks the licence this add-on builds on.
    #[error("user {user} needs a licence of one of {needs_one_of:?} first")]
    LicencePrerequisiteMissing {
        /// The user.
        user: UserId,
        /// Offers it builds on.
        needs_one_of: Vec<OfferId>,
    },
    /// An add-on of the user builds on this licence.
    #[error("user {user} has {dependent}, which needs {offer}; unassign that first")]
    LicenceNeeded {
        /// The user.
        user: UserId,
        /// Offer asked for.
        offer: OfferId,
        /// Add-on that builds on it.
        dependent: OfferId,
    },
    /// The partner may not assign licences in this programme.
    #[error("in programme {programme} only the customer assigns licences, in its own admin centre")]
    PartnerAssignmentRefused {
        /// The programme.
        programme: ProgrammeId,
    },
    /// The end of the term has not come.
    #[error("the term of subscription {subscription} is over only at {due_at}")]
    TooEarly {
        /// The subscription.
        subscription: SubscriptionId,
        /// When the term is over.
        due_at: DateTime<Utc>,
    },
    /// The other end-of-term action was chosen.
    #[error("subscription {subscription} is to {end_of_term} at the end of its term")]
    OtherEndOfTermAction {
        /// The subscription.
        subscription: SubscriptionId,
        /// What was chosen, `renew` or `cancel`.
        end_of_term: &'static str,
    },
    /// Only the scheduler issues this command.
    #[error("{command} is issued by the ledger's scheduler only")]
    SchedulerOnly {
        /// The command.
        command: &'static str,
    },
    /// A date left the calendar.
    #[error("{0}")]
    #[serde(serialize_with = "no_facts")]
    Date(#[from] DateOutOfRange),
    /// An amount cannot be computed exactly.
    #[error("{0}")]
    #[serde(serialize_with = "no_facts")]
    Amount(#[from] MoneyError),
}

fn no_facts<T, S: serde::Serializer>(_: &T, serializer: S) -> Result<S::Ok, S::Error> {
    use serde::ser::SerializeMap;
    serializer.serialize_map(Some(0))?.end()
}

impl Rejection {
    /// The rule that said no.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "a table, read as a whole")]
    pub const fn rule(&self) -> Rule {
        let (code, rule, source) = match self {
            Self::CustomerUnknown { .. } => (
                "CUSTOMER_UNKNOWN",
                "only a registered customer can be changed",
                "design, section 4",
            ),
            Self::CustomerExists { .. } => {
                ("CUSTOMER_EXISTS", "a customer is registered once", "design, section 4")
            }
            Self::WrongStream { .. } => (
                "WRONG_STREAM",
                "catalogue commands go to the catalogue, all others to a customer",
                "design, section 4",
            ),
            Self::NoCatalogue { .. } => (
                "NO_CATALOGUE",
                "a decision needs the catalogue in force at its instant",
                "design, section 4",
            ),
            Self::CatalogueInvalid { .. } => (
                "CATALOGUE_INVALID",
                "a catalogue is imported whole or not at all",
                "design, section 4",
            ),
            Self::ProgrammeUnknown { .. } => (
                "PROGRAMME_UNKNOWN",
                "a customer is sold under a programme of the catalogue",
                "design, section 4",
            ),
            Self::FieldInvalid { .. } => (
                "FIELD_INVALID",
                "every field has the form that is documented",
                "design, section 6",
            ),
            Self::OfferUnknown { .. } => {
                ("OFFER_UNKNOWN", "only offers of the catalogue are sold", "design, section 4")
            }
            Self::PlanUnknown { .. } => (
                "PLAN_UNKNOWN",
                "an offer is sold in the plans and currencies listed",
                "domain, section 1.4",
            ),
            Self::SubscriptionUnknown { .. } => (
                "SUBSCRIPTION_UNKNOWN",
                "a command names a subscription of the customer",
                "domain, section 5.4 (20003)",
            ),
            Self::SubscriptionExists { .. } => (
                "SUBSCRIPTION_EXISTS",
                "every subscription of a customer has its own id",
                "SEED-1, step 5",
            ),
            Self::SubscriptionEnded { .. } => (
                "SUBSCRIPTION_ENDED",
                "a subscription that has ended cannot be changed",
                "domain, section 10, no. 23 (2011)",
            ),
            Self::RenewalPending { .. } => (
                "RENEWAL_PENDING",
                "while a renewal is queued the subscription cannot be changed",
                "domain, section 1.6",
            ),
            Self::QuantityZero => (
                "QUANTITY_ZERO",
                "a quantity is at least one; zero is not a cancellation",
                "domain, section 10, no. 19",
            ),
            Self::BelowMinimum { .. } => (
                "BELOW_MINIMUM",
                "a subscription keeps the offer's fewest seats",
                "domain, section 2, no. 1 (2002)",
            ),
            Self::AboveMaximum { .. } => (
                "ABOVE_MAXIMUM",
                "the offer's most seats hold over all subscriptions and partners",
                "domain, section 2, no. 2 (800088)",
            ),
            Self::PrerequisiteMissing { .. } => (
                "PREREQUISITE_MISSING",
                "an add-on needs one of its prerequisites at the customer",
                "domain, section 2, no. 15 (400041)",
            ),
            Self::TooManyUpdates { .. } => (
                "TOO_MANY_UPDATES",
                "a subscription's quantity is changed a limited number of times",
                "domain, section 2, no. 8 (900311)",
            ),
            Self::ChangeScheduled { .. } => (
                "CHANGE_SCHEDULED",
                "in this programme a scheduled change blocks immediate ones",
                "domain, section 11, no. 17",
            ),
            Self::SeatsNotRefundable { .. } => (
                "SEATS_NOT_REFUNDABLE",
                "seats can be removed only within the window of their lot",
                "SEED-2, II.2; domain, section 1.7 (800090)",
            ),
            Self::LicencesAssigned { .. } => (
                "LICENCES_ASSIGNED",
                "in this programme seats are not reduced below the assigned licences",
                "domain, section 11, no. 16",
            ),
            Self::CancelWindowClosed { .. } => (
                "CANCEL_WINDOW_CLOSED",
                "a subscription can be cancelled only within its own window",
                "SEED-2, III; domain, section 1.7 (900117, 900213)",
            ),
            Self::NotRenewing { .. } => (
                "NOT_RENEWING",
                "a renewal can be planned only for a subscription that renews",
                "domain, section 2, no. 10",
            ),
            Self::NoUpgradePath { .. } => (
                "NO_UPGRADE_PATH",
                "upgrades follow the programme's paths",
                "SEED-2, IV; SEED-3; SEED-5",
            ),
            Self::UpgradeTooLarge { .. } => (
                "UPGRADE_TOO_LARGE",
                "an upgrade moves at most the seats there are",
                "domain, section 10, no. 71",
            ),
            Self::PartialUpgradeRefused { .. } => (
                "PARTIAL_UPGRADE_REFUSED",
                "in this programme all seats are upgraded or none",
                "domain, section 3.1",
            ),
            Self::ExistingTargetRefused { .. } => (
                "EXISTING_TARGET_REFUSED",
                "in this programme seats are upgraded into a new subscription only",
                "SEED-3; SEED-5",
            ),
            Self::DelegatedAdminMissing => (
                "DELEGATED_ADMIN_MISSING",
                "the partner needs delegated administration",
                "SEED-3, second condition; SEED-5",
            ),
            Self::TargetHeld { .. } => (
                "TARGET_HELD",
                "the customer does not hold the target already, from whomever",
                "SEED-3, fourth condition; SEED-5",
            ),
            Self::ServicesHeld { .. } => (
                "SERVICES_HELD",
                "the customer does not hold the added services already, from whomever",
                "SEED-3, third condition; SEED-5",
            ),
            Self::TargetIsSource { .. } => (
                "TARGET_IS_SOURCE",
                "an upgrade goes into another subscription",
                "domain, section 3.3 (900259)",
            ),
            Self::TargetOfferDiffers { .. } => (
                "TARGET_OFFER_DIFFERS",
                "an existing target is of the offer asked for",
                "domain, section 3.3 (900260)",
            ),
            Self::TargetInWindow { .. } => (
                "TARGET_IN_WINDOW",
                "an existing target is past its cancellation window",
                "domain, section 10, no. 66",
            ),
            Self::TargetEndsEarlier { .. } => (
                "TARGET_ENDS_EARLIER",
                "the target's term ends on the source's last day or later",
                "SEED-2, IV; domain, section 11, no. 6 (900236)",
            ),
            Self::TargetTermShorter { .. } => (
                "TARGET_TERM_SHORTER",
                "the target's term is not shorter than the source's",
                "domain, section 3.3 (900267)",
            ),
            Self::NoLicenceFree { .. } => (
                "NO_LICENCE_FREE",
                "assigned licences never exceed the seats there are",
                "SEED-4; domain, section 7 (CountViolation)",
            ),
            Self::LicenceConflict { .. } => (
                "LICENCE_CONFLICT",
                "a user does not have two licences that exclude each other",
                "domain, section 7 (MutuallyExclusiveViolation)",
            ),
            Self::LicencePrerequisiteMissing { .. } => (
                "LICENCE_PREREQUISITE_MISSING",
                "an add-on licence needs its base at the same user",
                "domain, section 7 (DependencyViolation)",
            ),
            Self::LicenceNeeded { .. } => (
                "LICENCE_NEEDED",
                "a base licence stays while an add-on of the user needs it",
                "domain, section 10, no. 94 (DependencyViolation)",
            ),
            Self::PartnerAssignmentRefused { .. } => (
                "PARTNER_ASSIGNMENT_REFUSED",
                "in this programme the partner cannot assign licences",
                "domain, section 6 (21Vianet)",
            ),
            Self::TooEarly { .. } => (
                "TOO_EARLY",
                "a term ends at the end of its last day",
                "domain, section 10, no. 36",
            ),
            Self::OtherEndOfTermAction { .. } => (
                "OTHER_END_OF_TERM_ACTION",
                "the end of the term brings what was chosen",
                "domain, section 1.8",
            ),
            Self::SchedulerOnly { .. } => (
                "SCHEDULER_ONLY",
                "time-driven commands come from the scheduler",
                "design, section 4",
            ),
            Self::Date(_) => {
                ("DATE_OUT_OF_RANGE", "dates lie in the years 1 to 9999", "design, section 5")
            }
            Self::Amount(_) => {
                ("AMOUNT_NOT_EXACT", "an amount is exact or refused", "design, section 8")
            }
        };
        Rule { code, rule, source }
    }

    /// Whether the same command, sent again with the same id, is to be decided anew. Source: domain,
    /// section 10, no. 11.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::RenewalPending { .. })
    }

    /// From when on the same command will succeed, as far as this rule is concerned; `None` when
    /// waiting does not help.
    #[must_use]
    pub fn succeeds_at(&self) -> Option<DateTime<Utc>> {
        if let Self::TargetInWindow { until, .. } = self {
            return until.checked_add_signed(TimeDelta::milliseconds(1));
        }
        if let Self::TooEarly { due_at, .. } = self {
            return Some(*due_at);
        }
        let (Self::SeatsNotRefundable { next_term_at, .. }
        | Self::CancelWindowClosed { next_term_at, .. }) = self
        else {
            return None;
        };
        *next_term_at
    }
}
