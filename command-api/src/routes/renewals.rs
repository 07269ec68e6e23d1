//! The end of a term: planning it, choosing it, and changing the term itself.

use ledger_core::ids::SubscriptionId;

use super::commands;
use crate::wire::{
    AlignBody, BillingFrequencyBody, ChangeTermBody, EndOfTermBody, RenewalQuantityBody,
    RenewalSettingsBody, ScheduleUpgradeBody, WithdrawScheduledBody,
};

commands! {
    /// Plans the quantity of the next term.
    renewal_quantity: RenewalQuantityBody, "renewals",
        "/v1/customers/{customer}/subscriptions/{subscription}/renewal-quantity",
        subscription: SubscriptionId = "subscription";

    /// Plans the next term: quantity, length, billing, last day, promotion.
    renewal_settings: RenewalSettingsBody, "renewals",
        "/v1/customers/{customer}/subscriptions/{subscription}/renewal-settings",
        subscription: SubscriptionId = "subscription";

    /// Lets the next term end with another subscription or with a month.
    align_end_date: AlignBody, "renewals",
        "/v1/customers/{customer}/subscriptions/{subscription}/align-end-date",
        subscription: SubscriptionId = "subscription";

    /// Plans an upgrade for the renewal.
    schedule_upgrade: ScheduleUpgradeBody, "renewals",
        "/v1/customers/{customer}/subscriptions/{subscription}/schedule-upgrade",
        subscription: SubscriptionId = "subscription";

    /// Drops what is planned for the renewal.
    withdraw_scheduled_change: WithdrawScheduledBody, "renewals",
        "/v1/customers/{customer}/subscriptions/{subscription}/withdraw-scheduled-change",
        subscription: SubscriptionId = "subscription";

    /// Chooses what happens at the end of the term.
    end_of_term: EndOfTermBody, "renewals",
        "/v1/customers/{customer}/subscriptions/{subscription}/end-of-term",
        subscription: SubscriptionId = "subscription";

    /// Begins a longer term at once.
    change_term: ChangeTermBody, "renewals",
        "/v1/customers/{customer}/subscriptions/{subscription}/change-term",
        subscription: SubscriptionId = "subscription";

    /// Charges a subscription in another rhythm from its next charge cycle on.
    billing_frequency: BillingFrequencyBody, "renewals",
        "/v1/customers/{customer}/subscriptions/{subscription}/billing-frequency",
        subscription: SubscriptionId = "subscription";
}
