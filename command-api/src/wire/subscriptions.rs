//! Bodies about subscriptions: buying, trying, adding, giving back, suspending, cancelling.

use chrono::NaiveDate;
use ledger_core::calendar::{BillingCycle, TermDuration};
use ledger_core::ids::{OfferId, PromotionId, ResellerId, SubscriptionId};
use rust_decimal::Decimal;

use super::bodies;
use super::names::{BillingName, TermName};

bodies! {
    /// Buys a subscription.
    PurchaseBody() -> Purchase new subscription: SubscriptionId = "sub" {
        /// What is bought.
        #[schema(value_type = String)]
        offer: OfferId,
        /// Length of the commitment.
        #[schema(value_type = TermName)]
        term: TermDuration,
        /// How often it is charged.
        #[schema(value_type = BillingName)]
        billing: BillingCycle,
        /// Seats bought.
        quantity: u32,
        /// Last day of the first term, if it is to end with another subscription or with a month.
        end_date: Option<NaiveDate>,
        /// Promotion to buy under.
        #[schema(value_type = Option<String>)]
        promotion: Option<PromotionId>,
        /// Whether the buyer attests what the offer asks to be attested.
        #[serde(default)]
        attested: bool,
        /// Resellers of record, the first one chosen first; the customer's reseller when left out.
        #[serde(default)]
        #[schema(value_type = Vec<String>)]
        resellers: Vec<ResellerId>,
    }

    /// Starts a trial. Its seats, its days and what it becomes are the programme's rules.
    TrialBody() -> StartTrial new subscription: SubscriptionId = "sub" {
        /// What is tried.
        #[schema(value_type = String)]
        offer: OfferId,
    }

    /// Makes a paid subscription of a trial, before its end.
    ConvertTrialBody(subscription: SubscriptionId) -> ConvertTrial {
        /// Seats bought; those of the trial when left out.
        quantity: Option<u32>,
        /// Length of the commitment; as the programme has it when left out.
        #[schema(value_type = Option<TermName>)]
        term: Option<TermDuration>,
        /// How often it is charged; as the programme has it when left out.
        #[schema(value_type = Option<BillingName>)]
        billing: Option<BillingCycle>,
        /// Subscription of the same offer that the seats go to; the trial itself becomes paid when
        /// left out.
        #[schema(value_type = Option<String>)]
        into: Option<SubscriptionId>,
    }

    /// Gives a trial more days: for the operator.
    ExtendTrialBody(subscription: SubscriptionId) -> ExtendTrial {
        /// Its new last day, included.
        term_end: NaiveDate,
    }

    /// Gives money back that no rule gives back: for the operator.
    CreditBody(subscription: SubscriptionId) -> GrantCredit {
        /// The amount, above zero, in the customer's currency.
        amount: Decimal,
    }

    /// Adds seats.
    AddSeatsBody(subscription: SubscriptionId) -> AddSeats {
        /// Seats added to those there are.
        seats: u32,
    }

    /// Gives seats back.
    RemoveSeatsBody(subscription: SubscriptionId) -> RemoveSeats {
        /// Seats taken from those there are.
        seats: u32,
    }

    /// Cancels a subscription at once.
    CancelBody(subscription: SubscriptionId) -> Cancel {}

    /// Stops the service of a subscription.
    SuspendBody(subscription: SubscriptionId) -> Suspend {
        /// The vendor's reasons, where the vendor suspends: only an operator may tell them.
        #[serde(default)]
        vendor_reasons: Vec<String>,
    }

    /// Starts the service of a suspended subscription again.
    ResumeBody(subscription: SubscriptionId) -> Resume {}

    /// Gives a subscription a name of its own.
    RenameBody(subscription: SubscriptionId) -> Rename {
        /// The name; the offer's title when left out.
        name: Option<String>,
    }
}
