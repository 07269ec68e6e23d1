//! Why not: data with a stable code, the rule, its source and the facts that failed.

mod rule;

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::Serialize;

pub use self::rule::Rule;
use super::by_hand::MoveByHand;
use crate::calendar::{BillingCycle, DateOutOfRange, Month, TermDuration};
use crate::catalogue::Segment;
use crate::ids::{
    CustomerId, GroupId, OfferId, ProgrammeId, PromotionId, QuantityRequestId, ResellerId,
    SubscriptionId, UserId,
};
use crate::money::{Currency, MoneyError};

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
    #[error("offer {offer} is not sold with term {term:?}, billing {billing}, in {currency}")]
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
    /// The id is taken by a subscription that is not as told.
    #[error(
        "the customer has a subscription {subscription} already, which differs in {}: record a correction if the ledger has it wrong",
        differs.join(", ")
    )]
    SubscriptionDiffers {
        /// The subscription.
        subscription: SubscriptionId,
        /// The fields that differ.
        differs: Vec<&'static str>,
    },
    /// Nobody has said what it costs.
    #[error(
        "offer {offer} with term {term:?}, billing {billing} has no price in {currency} in the catalogue: name the unit_price"
    )]
    PriceMissing {
        /// The offer.
        offer: OfferId,
        /// Its term.
        term: TermDuration,
        /// Its billing cycle.
        billing: BillingCycle,
        /// The customer's currency.
        currency: Currency,
    },
    /// Only the operator and the reseller may do it.
    #[error("{command} is for the operator and the reseller only")]
    PartnerOnly {
        /// The command.
        command: &'static str,
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
    /// Another rhythm of charging is due and not yet begun.
    #[error(
        "subscription {subscription} is about to be charged in another rhythm: send the same command again in 2 minutes"
    )]
    BillingChangePending {
        /// The subscription.
        subscription: SubscriptionId,
        /// First day of that rhythm.
        from: NaiveDate,
    },
    /// A quantity of zero.
    #[error("a quantity of zero changes nothing: name at least one seat")]
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
    /// Add-ons build on the subscription.
    #[error("the add-ons {add_ons:?} build on subscription {subscription} alone; end them first")]
    AddOnsPresent {
        /// Subscription asked for.
        subscription: SubscriptionId,
        /// Subscriptions that build on it.
        add_ons: Vec<SubscriptionId>,
    },
    /// Licences must move along, and cannot.
    #[error(
        "{} licence(s) cannot move along; upgrade without them and move them by hand",
        users.len()
    )]
    LicenceTransferImpossible {
        /// Whose, and why.
        users: Vec<MoveByHand>,
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
        /// Whether it closes before the next term begins, which opens another.
        closes_in_term: bool,
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
    /// The partner may not manage users and their licences in this programme.
    #[error(
        "in programme {programme} only the customer manages users and their licences, in its own admin centre"
    )]
    PartnerAssignmentRefused {
        /// The programme.
        programme: ProgrammeId,
    },
    /// The partner's delegated administration does not cover all services.
    #[error(
        "the partner's delegated administration does not cover {services:?}: ask the customer to grant it for them, too"
    )]
    DelegatedAdminTooNarrow {
        /// Services it does not cover.
        services: Vec<String>,
    },
    /// The delegated administration would last too long.
    #[error("a delegated administration lasts at most {days_max} days, not {days}")]
    DelegationTooLong {
        /// Days asked for.
        days: u32,
        /// Most days.
        days_max: u32,
    },
    /// The licence may not be had where the user works.
    #[error("user {user} cannot have {offers:?} in {usage_location}")]
    ProhibitedLocation {
        /// The user.
        user: UserId,
        /// Where the user works.
        usage_location: String,
        /// Offers that nobody there may have.
        offers: Vec<OfferId>,
    },
    /// The licences of the offer are the whole company's.
    #[error("{offer} is for the whole company: no user is assigned a licence of it")]
    NotAssignable {
        /// The offer.
        offer: OfferId,
    },
    /// The user has the licence through groups only.
    #[error(
        "user {user} has {offer} through {groups:?}: take the user out of them, or the licence away from them"
    )]
    LicenceFromGroup {
        /// The user.
        user: UserId,
        /// Offer asked for.
        offer: OfferId,
        /// Groups that give it.
        groups: Vec<GroupId>,
    },
    /// There is no such group.
    #[error("there is no group {group}: it begins with its first member or licence")]
    GroupUnknown {
        /// The group.
        group: GroupId,
    },
    /// Nobody made this request.
    #[error("there is no request {request}")]
    RequestUnknown {
        /// The request.
        request: QuantityRequestId,
    },
    /// The id of the request is taken.
    #[error("there has been a request {request} already: choose another id")]
    RequestExists {
        /// The request.
        request: QuantityRequestId,
    },
    /// The request was fulfilled or declined before.
    #[error("request {request} has its answer: its history tells which")]
    RequestAnswered {
        /// The request.
        request: QuantityRequestId,
    },
    /// The request is about another offer.
    #[error("subscription {subscription} is of {offer}, but seats of {requested} were asked for")]
    RequestOfferDiffers {
        /// The subscription.
        subscription: SubscriptionId,
        /// What it is of.
        offer: OfferId,
        /// What was asked for.
        requested: OfferId,
    },
    /// The customer asks, and the reseller answers.
    #[error("{command} is the reseller's answer: the customer can only withdraw the request")]
    ResellerOnly {
        /// The command.
        command: &'static str,
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
    /// Nothing can be suspended in the programme.
    #[error("in programme {programme} a subscription cannot be suspended")]
    SuspensionNotOffered {
        /// The programme.
        programme: ProgrammeId,
    },
    /// The subscription cannot go on by the month after its term.
    #[error("subscription {subscription} cannot go on by the month after its term: {reason}")]
    ExtendedTermRefused {
        /// The subscription.
        subscription: SubscriptionId,
        /// Why not.
        #[serde(flatten)]
        reason: NotExtended,
    },
    /// The programme has no upgrades at the renewal.
    #[error("in programme {programme} an upgrade cannot be planned for the renewal")]
    ScheduledUpgradeNotOffered {
        /// The programme.
        programme: ProgrammeId,
    },
    /// A charge cycle would not fit into its term.
    #[error("a term of {term:?} cannot be charged {billing}: choose a shorter billing cycle")]
    BillingLongerThanTerm {
        /// Term asked for.
        term: TermDuration,
        /// Billing cycle asked for.
        billing: BillingCycle,
    },
    /// The promotion planned for the renewal is for other terms.
    #[error("promotion {promotion} is not for a term of {term:?}")]
    PromotionForOtherTerms {
        /// The promotion.
        promotion: PromotionId,
        /// Term asked for.
        term: TermDuration,
    },
    /// Only the scheduler issues this command.
    #[error("{command} is issued by the ledger's scheduler only")]
    SchedulerOnly {
        /// The command.
        command: &'static str,
    },
    /// The market asks for a registration number.
    #[error("customers in {market} are registered with their registration number")]
    RegistrationNumberMissing {
        /// The market.
        market: String,
    },
    /// Only the operator may do it.
    #[error("{command} changes {what}: only the operator may do that")]
    OperatorOnly {
        /// The command.
        command: &'static str,
        /// What it changes.
        what: &'static str,
    },
    /// Nobody else may sell to the customer in this programme.
    #[error("in programme {programme} a customer has one partner only")]
    SinglePartner {
        /// The programme.
        programme: ProgrammeId,
    },
    /// The subscription's service is stopped.
    #[error("subscription {subscription} is suspended: resume it first")]
    SubscriptionSuspended {
        /// The subscription.
        subscription: SubscriptionId,
    },
    /// Nobody said where the user works.
    #[error("nobody has said where user {user} works: name the usage location")]
    UsageLocationMissing {
        /// The user.
        user: UserId,
    },
    /// What the scheduler is to do is not due.
    #[error("it is due only at {due_at}")]
    NotDueYet {
        /// When it is due.
        due_at: DateTime<Utc>,
    },
    /// Nobody of that id is known.
    #[error("the customer has no user {user}: add the user first")]
    UserUnknown {
        /// The user.
        user: UserId,
    },
    /// Customers ask for seats in this programme.
    #[error("in programme {programme} a customer asks its reseller for seats: request a quantity")]
    AskForSeats {
        /// The programme.
        programme: ProgrammeId,
    },
    /// The account is closed for good.
    #[error("the account of customer {customer} is erased; only its history can be read")]
    CustomerErased {
        /// Whose account.
        customer: CustomerId,
    },
    /// Something in the account still runs.
    #[error("{subscriptions:?} still run: end them first, and let their time of grace pass")]
    SubscriptionsRunning {
        /// Subscriptions for which something is due.
        subscriptions: Vec<SubscriptionId>,
    },
    /// The customer has not accepted the agreement.
    #[error("in programme {programme} a customer accepts the agreement before it buys")]
    AgreementMissing {
        /// The programme.
        programme: ProgrammeId,
    },
    /// The offer is for other segments.
    #[error("{offer} is for {segments:?}, not for {segment}")]
    OfferNotForSegment {
        /// The offer.
        offer: OfferId,
        /// The customer's segment.
        segment: Segment,
        /// Segments it is for.
        segments: Vec<Segment>,
    },
    /// The offer is not sold in the customer's market.
    #[error("{offer} is not sold in {market}")]
    OfferNotForMarket {
        /// The offer.
        offer: OfferId,
        /// The customer's market.
        market: String,
    },
    /// The buyer has not attested to be entitled.
    #[error("{offer} is sold only to buyers who attest to be entitled to it")]
    AttestationMissing {
        /// The offer.
        offer: OfferId,
    },
    /// More resellers of record than the market allows.
    #[error("in {market} a purchase has at most {resellers_max} reseller(s) of record")]
    TooManyResellers {
        /// The customer's market.
        market: String,
        /// Most allowed.
        resellers_max: u32,
    },
    /// A reseller of record was named twice.
    #[error("reseller {reseller} is named twice")]
    ResellerRepeated {
        /// The reseller.
        reseller: ResellerId,
    },
    /// Too few seats of an add-on for the seats of its base.
    #[error(
        "{quantity} seats of {offer} are too few for {base_seats} seats of its base: {seats_min} are needed"
    )]
    BelowBaseShare {
        /// The add-on.
        offer: OfferId,
        /// Seats of it that there would be.
        quantity: u32,
        /// Fewest seats allowed.
        seats_min: u32,
        /// Seats of all offers that it builds on.
        base_seats: u32,
    },
    /// The promotion is not in the catalogue.
    #[error("promotion {promotion} is not in the catalogue in force")]
    PromotionUnknown {
        /// The promotion.
        promotion: PromotionId,
    },
    /// The promotion has not begun, or is over.
    #[error("promotion {promotion} can be bought under from {from} until {until}")]
    PromotionNotInForce {
        /// The promotion.
        promotion: PromotionId,
        /// From when on.
        from: DateTime<Utc>,
        /// Until when, included.
        until: DateTime<Utc>,
        /// From when on it will be, if it is to begin yet.
        begins_at: Option<DateTime<Utc>>,
    },
    /// The promotion is for other offers.
    #[error("promotion {promotion} is not for {offer}")]
    PromotionForOtherOffers {
        /// The promotion.
        promotion: PromotionId,
        /// The offer.
        offer: OfferId,
    },
    /// The promotion was used as often as a customer may.
    #[error("promotion {promotion} can be used {redemptions_max} time(s) by one customer")]
    PromotionRedeemed {
        /// The promotion.
        promotion: PromotionId,
        /// How often it can be used.
        redemptions_max: u32,
    },
    /// Fewer or more seats than the promotion is for.
    #[error("promotion {promotion} is not for {seats} seats in all")]
    PromotionSeats {
        /// The promotion.
        promotion: PromotionId,
        /// Seats of the offer there would be, over all subscriptions and partners.
        seats: u32,
        /// Fewest seats.
        seats_min: Option<u32>,
        /// Most seats.
        seats_max: Option<u32>,
    },
    /// The promotion is for new buyers of the offer.
    #[error("promotion {promotion} is only for customers who have never had {offer}")]
    PromotionForFirstPurchase {
        /// The promotion.
        promotion: PromotionId,
        /// The offer.
        offer: OfferId,
    },
    /// A trial stays as it is until it is converted or ends.
    #[error("subscription {subscription} is a trial: convert it first")]
    TrialUnchangeable {
        /// The subscription.
        subscription: SubscriptionId,
    },
    /// The programme has no trials.
    #[error("in programme {programme} nothing can be tried")]
    TrialsNotOffered {
        /// The programme.
        programme: ProgrammeId,
    },
    /// The offer cannot be tried.
    #[error("{offer} cannot be tried")]
    OfferHasNoTrial {
        /// The offer.
        offer: OfferId,
    },
    /// Customers of the segment cannot try anything.
    #[error("customers of the segment {segment} cannot try offers")]
    TrialNotForSegment {
        /// The customer's segment.
        segment: Segment,
    },
    /// The customer has, had or tried the offer.
    #[error("the customer has, had or tried {offer} already")]
    TrialOnlyOnce {
        /// The offer.
        offer: OfferId,
    },
    /// The subscription is not a trial.
    #[error("subscription {subscription} is not a trial")]
    NotATrial {
        /// The subscription.
        subscription: SubscriptionId,
    },
    /// Fewer seats than a trial is converted into before its end.
    #[error(
        "before its end a trial is converted into {seats_min} seats or more, not {quantity}: plan fewer for its end"
    )]
    ConversionTooSmall {
        /// Seats asked for.
        quantity: u32,
        /// Fewest seats allowed.
        seats_min: u32,
    },
    /// The programme begins longer terms only at a renewal.
    #[error("in programme {programme} a longer term begins only with a renewal")]
    TermChangeNotOffered {
        /// The programme.
        programme: ProgrammeId,
    },
    /// The term would not be longer.
    #[error("a term of {term:?} is not longer than the {current:?} there is")]
    TermNotLonger {
        /// Term asked for.
        term: TermDuration,
        /// Term there is.
        current: TermDuration,
    },
    /// The subscription is in its extended service term.
    #[error("subscription {subscription} is in its extended service term: renew it instead")]
    InExtendedTerm {
        /// The subscription.
        subscription: SubscriptionId,
    },
    /// The programme does not change the rhythm of charging within such a term.
    #[error("in programme {programme} the rhythm of charging stays within a term of {term:?}")]
    BillingChangeNotOffered {
        /// The programme.
        programme: ProgrammeId,
        /// The subscription's term.
        term: TermDuration,
    },
    /// A whole term can be charged at once only when it is bought.
    #[error("charging {billing} is for the whole term at once, and chosen only at the purchase")]
    UpfrontOnlyAtPurchase {
        /// Rhythm asked for.
        billing: BillingCycle,
    },
    /// The term has been charged to its end.
    #[error("subscription {subscription} is charged until {term_end}, the end of its term")]
    NoFurtherChargeCycle {
        /// The subscription.
        subscription: SubscriptionId,
        /// Last day of the term.
        term_end: NaiveDate,
    },
    /// The programme, or the kind of product, has no chosen ends of terms.
    #[error("in programme {programme} the end of this term cannot be chosen")]
    AlignmentNotOffered {
        /// The programme.
        programme: ProgrammeId,
    },
    /// The term would end before it begins.
    #[error("the term begins on {term_start}: it cannot end on {end_date}")]
    EndDateBeforeTerm {
        /// Last day asked for.
        end_date: NaiveDate,
        /// First day of the term.
        term_start: NaiveDate,
    },
    /// The term would be longer than it is sold.
    #[error("the term ends on {term_end} at the latest, not on {end_date}")]
    EndDateBeyondTerm {
        /// Last day asked for.
        end_date: NaiveDate,
        /// Last day of the whole term.
        term_end: NaiveDate,
    },
    /// Monthly terms do not end shortly before the end of a month.
    #[error(
        "a monthly term cannot end on {end_date}: choose the last day of the month or an earlier day"
    )]
    EndDateNearMonthEnd {
        /// Last day asked for.
        end_date: NaiveDate,
    },
    /// Nothing else ends on that day.
    #[error(
        "no subscription and no month ends on {end_date}; possible are {possible:?} and other ends of months"
    )]
    EndDateNotAligned {
        /// Last day asked for.
        end_date: NaiveDate,
        /// The days that would be most useful.
        possible: Vec<NaiveDate>,
    },
    /// Data for bills contradicts itself, or what was set before.
    #[error("the data for bills has {} problem(s): {}", problems.len(), problems.join("; "))]
    BillingDataInvalid {
        /// One sentence each.
        problems: Vec<String>,
    },
    /// The change would reach back into a closed period.
    #[error("period {closed} is closed: let it begin on {open_from} or later")]
    PeriodIsClosed {
        /// The last closed period.
        closed: Month,
        /// The first day that is open.
        open_from: NaiveDate,
    },
    /// The period is not over.
    #[error("period {period} is not over before {over_at}")]
    PeriodNotOver {
        /// The period.
        period: Month,
        /// When it is.
        over_at: DateTime<Utc>,
    },
    /// Another period is closed first.
    #[error("periods are closed in order: {next} is next, not {period}")]
    PeriodNotNext {
        /// The period asked for.
        period: Month,
        /// The one that is next.
        next: Month,
    },
    /// Nobody has said how bills are made out.
    #[error("no billing terms hold in {period}: set them first")]
    NoBillingTerms {
        /// The period.
        period: Month,
    },
    /// A currency cannot be converted.
    #[error("no exchange rate from {from} to {to} holds on {day}: import one first")]
    ExchangeRateMissing {
        /// Currency of prices.
        from: Currency,
        /// Currency of bills.
        to: Currency,
        /// Day of the charge.
        day: NaiveDate,
    },
    /// The causes do not explain the whole difference.
    #[error("in {currency} theirs less ours is {difference}, but the causes sum up to {explained}")]
    ReconciliationUnbalanced {
        /// The currency.
        currency: Currency,
        /// Theirs less ours.
        difference: Decimal,
        /// The sum of the causes.
        explained: Decimal,
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

/// Why a subscription cannot go on by the month after its term. Source: domain, section 1.8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum NotExtended {
    /// The programme has no extended service term.
    #[error("its programme has no extended service term")]
    NotOffered,
    /// It was bought too early.
    #[error("it was bought before {bought_from}")]
    BoughtTooEarly {
        /// Purchases from this instant on are extended.
        bought_from: DateTime<Utc>,
    },
    /// Its term ends too early.
    #[error("its term ends before {ends_from}")]
    EndsTooEarly {
        /// Terms that end on this day or later are extended.
        ends_from: NaiveDate,
    },
    /// It is of a kind of product that is not extended.
    #[error("products of its kind are not extended")]
    KindNotExtended,
}

fn no_facts<T, S: serde::Serializer>(_: &T, serializer: S) -> Result<S::Ok, S::Error> {
    use serde::ser::SerializeMap;
    serializer.serialize_map(Some(0))?.end()
}
