//! Bodies about the end of a term: planning it, choosing it, and changing the term itself.

use chrono::NaiveDate;
use ledger_core::calendar::{BillingCycle, TermDuration};
use ledger_core::customer::EndOfTermAction;
use ledger_core::ids::{OfferId, PromotionId, SubscriptionId};

use super::bodies;
use super::names::{BillingName, EndOfTermName, TermName};

bodies! {
    /// Plans the quantity of the next term.
    RenewalQuantityBody(subscription: SubscriptionId) -> ScheduleRenewalQuantity {
        /// All seats from the renewal on.
        quantity: u32,
    }

    /// Plans the next term; what is left out stays as planned, or as it is.
    RenewalSettingsBody(subscription: SubscriptionId) -> ChangeRenewalSettings {
        /// All seats from the renewal on.
        quantity: Option<u32>,
        /// Length of the next commitment.
        #[schema(value_type = Option<TermName>)]
        term: Option<TermDuration>,
        /// How often it is charged then.
        #[schema(value_type = Option<BillingName>)]
        billing: Option<BillingCycle>,
        /// Last day of the next term, if it is to end with another subscription or with a month.
        end_date: Option<NaiveDate>,
        /// Promotion to renew under.
        #[schema(value_type = Option<String>)]
        promotion: Option<PromotionId>,
    }

    /// Lets the next term end with another subscription or with a month.
    AlignBody(subscription: SubscriptionId) -> AlignEndDate {
        /// Last day of the next term.
        end_date: NaiveDate,
    }

    /// Plans an upgrade for the renewal.
    ScheduleUpgradeBody(subscription: SubscriptionId) -> ScheduleUpgrade {
        /// Offer from the renewal on.
        #[schema(value_type = String)]
        target_offer: OfferId,
        /// All seats from the renewal on; as now when left out.
        quantity: Option<u32>,
        /// Length of the next commitment; as now when left out.
        #[schema(value_type = Option<TermName>)]
        term: Option<TermDuration>,
        /// How often it is charged then; as now when left out.
        #[schema(value_type = Option<BillingName>)]
        billing: Option<BillingCycle>,
    }

    /// Drops what is planned for the renewal.
    WithdrawScheduledBody(subscription: SubscriptionId) -> WithdrawScheduledChange {}

    /// Chooses what happens at the end of the term.
    EndOfTermBody(subscription: SubscriptionId) -> SetEndOfTermAction {
        /// What is to happen.
        #[schema(value_type = EndOfTermName)]
        action: EndOfTermAction,
    }

    /// Begins a longer term at once.
    ChangeTermBody(subscription: SubscriptionId) -> ChangeTerm {
        /// Length of the new commitment.
        #[schema(value_type = TermName)]
        term: TermDuration,
        /// How often it is charged.
        #[schema(value_type = BillingName)]
        billing: BillingCycle,
    }

    /// Charges a subscription in another rhythm from its next charge cycle on.
    BillingFrequencyBody(subscription: SubscriptionId) -> ChangeBillingFrequency {
        /// How often it is charged from then on.
        #[schema(value_type = BillingName)]
        billing: BillingCycle,
    }
}
