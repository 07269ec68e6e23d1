//! The table of all rules: code, sentence, source, and from when on waiting helps.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::Rejection;

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
            Self::SubscriptionExists { .. } | Self::SubscriptionDiffers { .. } => (
                "SUBSCRIPTION_EXISTS",
                "every subscription of a customer has its own id",
                "SEED-1, step 5",
            ),
            Self::PriceMissing { .. } => (
                "PRICE_MISSING",
                "what is taken over is charged at a price that was told or listed",
                "domain, section 1.4",
            ),
            Self::PartnerOnly { .. } => (
                "PARTNER_ONLY",
                "what stood elsewhere is told by the operator or the reseller",
                "design, section 9",
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
            Self::BillingChangePending { .. } => (
                "BILLING_CHANGE_PENDING",
                "while another rhythm of charging is due the subscription cannot be changed",
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
            Self::AddOnsPresent { .. } => (
                "ADD_ONS_PRESENT",
                "in this programme a subscription that add-ons build on is not upgraded",
                "domain, section 3.1 (SubscriptionAddOnsPresent)",
            ),
            Self::LicenceTransferImpossible { .. } => (
                "LICENCE_TRANSFER_IMPOSSIBLE",
                "where licences must move along, every user's licence can",
                "domain, section 10, no. 75",
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
                "in this programme the partner manages neither users nor licences",
                "domain, section 6 (21Vianet, US Government)",
            ),
            Self::DelegatedAdminTooNarrow { .. } => (
                "DELEGATED_ADMIN_TOO_NARROW",
                "the partner's delegated administration covers the services concerned",
                "SEED-3, second condition; domain, section 6 and section 11, no. 14",
            ),
            Self::DelegationTooLong { .. } => (
                "DELEGATION_TOO_LONG",
                "a delegated administration lasts a limited time",
                "domain, section 6 (GDAP)",
            ),
            Self::ProhibitedLocation { .. } => (
                "PROHIBITED_LOCATION",
                "nobody has a licence where its product is not allowed",
                "domain, section 7 (ProhibitedInUsageLocationViolation)",
            ),
            Self::NotAssignable { .. } => (
                "NOT_ASSIGNABLE",
                "only licences for users are assigned to users",
                "domain, section 7 (appliesTo: User)",
            ),
            Self::LicenceFromGroup { .. } => (
                "LICENCE_FROM_GROUP",
                "what a group gives is taken away at the group",
                "domain, section 7",
            ),
            Self::GroupUnknown { .. } => {
                ("GROUP_UNKNOWN", "a group has members or licences", "domain, section 7")
            }
            Self::RequestUnknown { .. } => {
                ("REQUEST_UNKNOWN", "an answer names a request of the customer", "SEED-4")
            }
            Self::RequestExists { .. } => {
                ("REQUEST_EXISTS", "every request of a customer has its own id", "SEED-4")
            }
            Self::RequestAnswered { .. } => {
                ("REQUEST_ANSWERED", "a request is answered once", "SEED-4")
            }
            Self::RequestOfferDiffers { .. } => (
                "REQUEST_OFFER_DIFFERS",
                "a request is fulfilled with seats of the offer asked for",
                "SEED-4",
            ),
            Self::ResellerOnly { .. } => {
                ("RESELLER_ONLY", "the customer asks, and the reseller answers", "SEED-4")
            }
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
            Self::SuspensionNotOffered { .. } => (
                "SUSPENSION_NOT_OFFERED",
                "a subscription is suspended where the programme lets it be",
                "domain, sections 1.2 and 1.3",
            ),
            Self::ExtendedTermRefused { .. } => (
                "EXTENDED_TERM_REFUSED",
                "a subscription goes on by the month where its programme extends its terms",
                "domain, section 1.8 and section 10, no. 46",
            ),
            Self::ScheduledUpgradeNotOffered { .. } => (
                "SCHEDULED_UPGRADE_NOT_OFFERED",
                "an upgrade is planned for the renewal where the programme lets it be",
                "domain, section 3.3",
            ),
            Self::BillingLongerThanTerm { .. } => (
                "BILLING_LONGER_THAN_TERM",
                "a billing cycle is not longer than its term",
                "domain, section 3.3 (900270)",
            ),
            Self::PromotionForOtherTerms { .. } => (
                "PROMOTION_FOR_OTHER_TERMS",
                "a promotion is planned for a term that it is for",
                "domain, section 1.10 (Term)",
            ),
            Self::SchedulerOnly { .. } => (
                "SCHEDULER_ONLY",
                "time-driven commands come from the scheduler",
                "design, section 4",
            ),
            Self::RegistrationNumberMissing { .. } => (
                "REGISTRATION_NUMBER_MISSING",
                "some markets ask for the company's registration number",
                "domain, section 6 (600049)",
            ),
            Self::OperatorOnly { .. } => (
                "OPERATOR_ONLY",
                "some particulars are the operator's to change",
                "design, section 9",
            ),
            Self::SinglePartner { .. } => (
                "SINGLE_PARTNER",
                "in this programme a customer has one partner only",
                "domain, section 6 (US Government)",
            ),
            Self::SubscriptionSuspended { .. } => (
                "SUBSCRIPTION_SUSPENDED",
                "a suspended subscription is resumed before it is changed",
                "domain, section 10, no. 22 (2001, 800091)",
            ),
            Self::UsageLocationMissing { .. } => (
                "USAGE_LOCATION_MISSING",
                "a licence is assigned where the user's place of work is known",
                "domain, section 7",
            ),
            Self::NotDueYet { .. } => {
                ("NOT_DUE_YET", "time brings nothing about before its time", "design, section 4")
            }
            Self::UserUnknown { .. } => (
                "USER_UNKNOWN",
                "what is known of a person is kept for users only",
                "design, section 4 (personal data)",
            ),
            Self::AskForSeats { .. } => (
                "ASK_FOR_SEATS",
                "in this programme seats are bought and given back by request",
                "SEED-4",
            ),
            Self::CustomerErased { .. } => (
                "CUSTOMER_ERASED",
                "nothing happens to an account that was erased",
                "design, section 4 (personal data)",
            ),
            Self::SubscriptionsRunning { .. } => (
                "SUBSCRIPTIONS_RUNNING",
                "an account is erased when nothing in it runs any more",
                "design, section 4 (personal data)",
            ),
            Self::AgreementMissing { .. } => (
                "AGREEMENT_MISSING",
                "a customer accepts the agreement before it buys",
                "domain, section 6 (13605)",
            ),
            Self::OfferNotForSegment { .. } => (
                "OFFER_NOT_FOR_SEGMENT",
                "an offer is sold to the segments that it is for",
                "domain, section 6",
            ),
            Self::OfferNotForMarket { .. } => (
                "OFFER_NOT_FOR_MARKET",
                "an offer is sold in the markets that it is for",
                "domain, section 4.7",
            ),
            Self::AttestationMissing { .. } => (
                "ATTESTATION_MISSING",
                "some offers are sold only to buyers who attest to be entitled",
                "domain, section 2, no. 16 (900203, 10012)",
            ),
            Self::TooManyResellers { .. } => (
                "TOO_MANY_RESELLERS",
                "a purchase has as many resellers of record as its market allows",
                "domain, section 6",
            ),
            Self::ResellerRepeated { .. } => {
                ("RESELLER_REPEATED", "every reseller of record is named once", "domain, section 6")
            }
            Self::BelowBaseShare { .. } => (
                "BELOW_BASE_SHARE",
                "some add-ons are sold for a share of the seats of their base",
                "domain, section 2, no. 15 and section 10, no. 28 (10018, 10019)",
            ),
            Self::PromotionUnknown { .. } => (
                "PROMOTION_UNKNOWN",
                "a promotion of the catalogue is named",
                "domain, section 1.10 (InvalidPromotion, 10014)",
            ),
            Self::PromotionNotInForce { .. } => (
                "PROMOTION_NOT_IN_FORCE",
                "a promotion is used within its dates",
                "domain, section 1.10 (InvalidPromotion)",
            ),
            Self::PromotionForOtherOffers { .. } => (
                "PROMOTION_FOR_OTHER_OFFERS",
                "a promotion is for the offers that it names",
                "domain, section 1.10 (InvalidCatalogItemId)",
            ),
            Self::PromotionRedeemed { .. } => (
                "PROMOTION_REDEEMED",
                "a customer uses a promotion a limited number of times",
                "domain, section 1.10 (RedemptionLimit)",
            ),
            Self::PromotionSeats { .. } => (
                "PROMOTION_SEATS",
                "a promotion has fewest and most seats, over all subscriptions and partners",
                "domain, section 1.10 (SeatCount, 2002)",
            ),
            Self::PromotionForFirstPurchase { .. } => (
                "PROMOTION_FOR_FIRST_PURCHASE",
                "some promotions are for who has never had the offer",
                "domain, section 1.10 (OfferPurchasedPreviously)",
            ),
            Self::TrialUnchangeable { .. } => (
                "TRIAL_UNCHANGEABLE",
                "a trial keeps its quantity, its status and its term until it is converted or ends",
                "domain, section 1.9 and section 10, no. 27 (800107)",
            ),
            Self::TrialsNotOffered { .. } => {
                ("TRIALS_NOT_OFFERED", "only some programmes have trials", "domain, section 1.9")
            }
            Self::OfferHasNoTrial { .. } => (
                "OFFER_HAS_NO_TRIAL",
                "some offers can be tried, add-ons never",
                "domain, section 1.9",
            ),
            Self::TrialNotForSegment { .. } => (
                "TRIAL_NOT_FOR_SEGMENT",
                "some segments cannot try anything",
                "domain, section 1.9",
            ),
            Self::TrialOnlyOnce { .. } => (
                "TRIAL_ONLY_ONCE",
                "an offer is tried once, and not by who has or had it",
                "domain, section 1.9",
            ),
            Self::NotATrial { .. } => {
                ("NOT_A_TRIAL", "only a trial is converted", "domain, section 1.9")
            }
            Self::ConversionTooSmall { .. } => (
                "CONVERSION_TOO_SMALL",
                "before its end a trial is converted with a number of seats at least; fewer are planned for its end",
                "domain, section 1.9",
            ),
            Self::TermChangeNotOffered { .. } => (
                "TERM_CHANGE_NOT_OFFERED",
                "only some programmes let a longer term begin at once",
                "domain, section 2, no. 13",
            ),
            Self::TermNotLonger { .. } => (
                "TERM_NOT_LONGER",
                "a term is changed into a longer one, never into a shorter one",
                "domain, section 2, no. 13 (800122)",
            ),
            Self::InExtendedTerm { .. } => (
                "IN_EXTENDED_TERM",
                "an extended service term has neither another term nor another rhythm",
                "domain, section 1.8",
            ),
            Self::BillingChangeNotOffered { .. } => (
                "BILLING_CHANGE_NOT_OFFERED",
                "the rhythm of charging changes within some terms only",
                "domain, section 2, no. 12 (800097)",
            ),
            Self::UpfrontOnlyAtPurchase { .. } => (
                "UPFRONT_ONLY_AT_PURCHASE",
                "a whole term is charged at once only when that is chosen at the purchase",
                "domain, section 1.4 (900270)",
            ),
            Self::NoFurtherChargeCycle { .. } => (
                "NO_FURTHER_CHARGE_CYCLE",
                "another rhythm begins with a charge cycle of the same term",
                "domain, section 2, no. 12",
            ),
            Self::AlignmentNotOffered { .. } => (
                "ALIGNMENT_NOT_OFFERED",
                "only some programmes let a licence's term end with another subscription or a month",
                "domain, section 2, no. 14 (900244)",
            ),
            Self::EndDateBeforeTerm { .. } => (
                "END_DATE_BEFORE_TERM",
                "a term does not end before it begins",
                "domain, section 2, no. 14 (900242)",
            ),
            Self::EndDateBeyondTerm { .. } => (
                "END_DATE_BEYOND_TERM",
                "a chosen end lies within the whole term",
                "domain, section 2, no. 14 (900245)",
            ),
            Self::EndDateNearMonthEnd { .. } => (
                "END_DATE_NEAR_MONTH_END",
                "a monthly term does not end on the 28th, 29th or 30th of a month with more days",
                "domain, section 2, no. 14 (900245, 900291)",
            ),
            Self::EndDateNotAligned { .. } => (
                "END_DATE_NOT_ALIGNED",
                "a chosen end is that of an active paid subscription or of a month",
                "domain, section 2, no. 14 (900242, 900246)",
            ),
            Self::BillingDataInvalid { .. } => (
                "BILLING_DATA_INVALID",
                "data for bills is taken whole or not at all, and a name stands for one content",
                "design, section 8",
            ),
            Self::PeriodIsClosed { .. } => (
                "PERIOD_IS_CLOSED",
                "what was billed never changes: corrections appear in a later period",
                "design, section 8",
            ),
            Self::PeriodNotOver { .. } => (
                "PERIOD_NOT_OVER",
                "a billing period is a calendar month, UTC, and closed when it is over",
                "domain, section 4.1",
            ),
            Self::PeriodNotNext { .. } => (
                "PERIOD_NOT_NEXT",
                "billing periods are closed one after the other, and none is left out",
                "design, section 8",
            ),
            Self::NoBillingTerms { .. } => (
                "NO_BILLING_TERMS",
                "a bill says who issues it, and which tax and margin it was made out under",
                "domain, section 4.4",
            ),
            Self::ExchangeRateMissing { .. } => (
                "EXCHANGE_RATE_MISSING",
                "a charge is converted at the rate of its day, and never at a guessed one",
                "domain, section 4.4",
            ),
            Self::ReconciliationUnbalanced { .. } => (
                "RECONCILIATION_UNBALANCED",
                "the causes of all differences sum up to the difference, to the cent",
                "peers, D8",
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
        matches!(
            self,
            Self::RenewalPending { .. }
                | Self::BillingChangePending { .. }
                // A closing that is sent again under its key is decided on what there is by then.
                | Self::PeriodNotOver { .. }
                | Self::PeriodNotNext { .. }
                | Self::NoBillingTerms { .. }
                | Self::ExchangeRateMissing { .. }
        )
    }

    /// From when on the same command will succeed, as far as this rule is concerned; `None` when
    /// waiting does not help.
    #[must_use]
    pub fn succeeds_at(&self) -> Option<DateTime<Utc>> {
        if let Self::TargetInWindow { until, closes_in_term: true, .. } = self {
            return until.checked_add_signed(TimeDelta::milliseconds(1));
        }
        if let Self::TooEarly { due_at, .. } | Self::NotDueYet { due_at } = self {
            return Some(*due_at);
        }
        if let Self::PeriodNotOver { over_at, .. } = self {
            return Some(*over_at);
        }
        if let Self::PromotionNotInForce { begins_at, .. } = self {
            return *begins_at;
        }
        let (Self::SeatsNotRefundable { next_term_at, .. }
        | Self::CancelWindowClosed { next_term_at, .. }) = self
        else {
            return None;
        };
        *next_term_at
    }
}
