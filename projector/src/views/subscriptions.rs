//! Subscriptions: one document each, the ended ones included.
//! Key: `subscriptions@2/CUSTOMER/SUBSCRIPTION`.

use chrono::{DateTime, NaiveDate, Utc};
use ledger_core::calendar::{BillingCycle, TermDuration, renewal_due};
use ledger_core::customer::{
    Customer, EndOfTermAction, RenewalSettings, Status, Subscription, TermKind,
};
use ledger_core::ids::{CustomerId, OfferId, PromotionId, ResellerId, SubscriptionId};
use ledger_core::money::Currency;
use ledger_core::record::Recorded;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Changes, View, ViewError, customer_of, is_moved, key};

pub(crate) const NAME: &str = "subscriptions@2";

/// One line of what a customer holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SubscriptionDocument {
    /// Whose it is.
    #[schema(value_type = String)]
    pub customer: CustomerId,
    /// Its id, unique within the customer.
    #[schema(value_type = String)]
    pub subscription: SubscriptionId,
    /// Reseller who serves the customer.
    #[schema(value_type = String)]
    pub reseller: ResellerId,
    /// The name it was given; absent: its offer's.
    pub name: Option<String>,
    /// What it is of.
    #[schema(value_type = String)]
    pub offer: OfferId,
    /// The offer's name.
    pub offer_title: String,
    /// Services it includes.
    pub services: Vec<String>,
    /// `active`, `suspended`, `expired`, `disabled` or `deleted`.
    #[schema(value_type = String)]
    pub status: Status,
    /// Whether its users have its service: active, or expired and in its time of grace.
    pub in_service: bool,
    /// The vendor's reasons for its suspension; empty when the vendor did not do it.
    pub vendor_reasons: Vec<String>,
    /// Whether it is not charged while it is suspended.
    pub billing_stopped: bool,
    /// When its service stops; set while it is in its time of grace.
    pub disable_at: Option<DateTime<Utc>>,
    /// When its data goes; set while it is suspended for a limited time, or disabled.
    pub delete_at: Option<DateTime<Utc>>,
    /// What kind of term it is in: `paid`, `trial` or `extended`.
    pub kind: String,
    /// Of a trial: whether it becomes a paid subscription by itself.
    pub trial_converts: Option<bool>,
    /// When it was bought; absent: not known.
    pub bought_at: Option<DateTime<Utc>>,
    /// Length of the commitment: `P1M`, `P1Y` or `P3Y`.
    #[schema(value_type = String)]
    pub term: TermDuration,
    /// How often it is charged: `monthly`, `annual` or `triennial`.
    #[schema(value_type = String)]
    pub billing: BillingCycle,
    /// Seats; those it had at the end when it is no longer active.
    pub quantity: u32,
    /// Price of one seat for one billing cycle, locked for the term.
    #[schema(value_type = String)]
    pub unit_price: Decimal,
    /// The price's currency (ISO 4217).
    #[schema(value_type = String)]
    pub currency: Currency,
    /// First day of the current term.
    pub term_start: NaiveDate,
    /// Last day of the current term, included.
    pub term_end: NaiveDate,
    /// When the current term is over.
    pub due_at: DateTime<Utc>,
    /// Day its charge cycles are counted from.
    pub cycle_anchor: NaiveDate,
    /// Until when, included, it can be cancelled; absent: it cannot.
    pub cancel_until: Option<DateTime<Utc>>,
    /// Before when a cancellation is refunded in full; absent: by the day.
    pub full_refund_before: Option<DateTime<Utc>>,
    /// Seats bought together, by number.
    pub lots: Vec<LotDocument>,
    /// What happens at the end of the term: `renew`, `cancel`, `extended-service-term` or `lapse`.
    #[schema(value_type = String)]
    pub end_of_term: EndOfTermAction,
    /// What is planned for the next term.
    pub scheduled: Option<ScheduledDocument>,
    /// How it is to be charged from its next charge cycle on.
    pub next_billing: Option<NextBillingDocument>,
    /// Changes of quantity so far.
    pub updates: u32,
    /// Version of the customer's stream that changed it last.
    pub version: u64,
    /// Position in the log of that commit.
    pub position: u64,
    /// When that commit was recorded.
    pub changed_at: DateTime<Utc>,
}

/// What is planned for the next term.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScheduledDocument {
    /// All seats from the renewal on.
    pub quantity: u32,
    /// Offer that the seats are upgraded to; absent: as now.
    #[schema(value_type = Option<String>)]
    pub offer: Option<OfferId>,
    /// Length of the commitment; absent: as now.
    #[schema(value_type = Option<String>)]
    pub term: Option<TermDuration>,
    /// How often it is charged; absent: as now.
    #[schema(value_type = Option<String>)]
    pub billing: Option<BillingCycle>,
    /// Last day; absent: after a whole term.
    pub end_date: Option<NaiveDate>,
    /// Promotion to renew under.
    #[schema(value_type = Option<String>)]
    pub promotion: Option<PromotionId>,
}

impl From<RenewalSettings> for ScheduledDocument {
    fn from(planned: RenewalSettings) -> Self {
        let RenewalSettings { quantity, plan, offer, end_date, promotion } = planned;
        let (term, billing) = (plan.map(|plan| plan.term), plan.map(|plan| plan.billing));
        Self { quantity, offer, term, billing, end_date, promotion }
    }
}

/// How a subscription is to be charged from its next charge cycle on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NextBillingDocument {
    /// How often: `monthly`, `annual` or `triennial`.
    #[schema(value_type = String)]
    pub billing: BillingCycle,
    /// First day of that charge cycle.
    pub from: NaiveDate,
}

/// Seats bought together, with a window of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LotDocument {
    /// Its number in the subscription.
    pub lot: u32,
    /// Seats left in it.
    pub seats: u32,
    /// Until when, included, they can be removed; absent: they cannot.
    pub reduce_until: Option<DateTime<Utc>>,
}

/// The view of subscriptions.
#[derive(Clone, Copy, Debug)]
pub struct Subscriptions;

impl View for Subscriptions {
    fn name(&self) -> &'static str {
        NAME
    }

    fn apply(
        &self,
        changes: &mut Changes,
        recorded: &Recorded,
        before: Option<&Customer>,
        after: Option<&Customer>,
    ) -> Result<(), ViewError> {
        let (Some(id), Some(after)) = (customer_of(recorded), after) else { return Ok(()) };
        let is_moved = is_moved(before, Some(after));
        for subscription in after.subscriptions.values() {
            let known = before.and_then(|before| before.subscriptions.get(&subscription.id));
            if known == Some(subscription) && !is_moved {
                continue;
            }
            let key = key(NAME, &[id.as_str(), subscription.id.as_str()]);
            changes.put(key, &document(recorded, id, after, subscription)?)?;
        }
        Ok(())
    }
}

fn document(
    recorded: &Recorded,
    id: &CustomerId,
    customer: &Customer,
    subscription: &Subscription,
) -> Result<SubscriptionDocument, ViewError> {
    let s = subscription.clone();
    let in_service = s.is_in_service();
    let (kind, trial_converts) = match s.kind {
        TermKind::Paid => ("paid", None),
        TermKind::Trial { converts } => ("trial", Some(converts)),
        TermKind::Extended => ("extended", None),
    };
    let lots = s.lots.iter().map(|lot| LotDocument {
        lot: lot.lot,
        seats: lot.seats,
        reduce_until: lot.reduce_until,
    });
    Ok(SubscriptionDocument {
        customer: id.clone(),
        subscription: s.id,
        reseller: customer.profile.reseller.clone(),
        offer: s.offer,
        offer_title: s.offer_title,
        services: s.services.into_iter().collect(),
        name: s.name,
        status: s.status,
        in_service,
        vendor_reasons: s.vendor_reasons,
        billing_stopped: s.billing_stopped,
        disable_at: s.disable_at,
        delete_at: s.delete_at,
        kind: kind.to_owned(),
        trial_converts,
        bought_at: s.bought_at,
        term: s.plan.term,
        billing: s.plan.billing,
        quantity: s.quantity,
        unit_price: s.unit_price.amount,
        currency: s.unit_price.currency,
        term_start: s.term.start,
        term_end: s.term.end,
        due_at: renewal_due(s.term.end)?,
        cycle_anchor: s.cycle_anchor,
        cancel_until: s.cancel_until,
        full_refund_before: s.full_refund_before,
        lots: lots.collect(),
        end_of_term: s.end_of_term,
        scheduled: s.scheduled.map(ScheduledDocument::from),
        next_billing: s
            .next_billing
            .map(|next| NextBillingDocument { billing: next.billing, from: next.from }),
        updates: s.updates,
        version: recorded.commit().version,
        position: recorded.position,
        changed_at: recorded.commit().recorded_at,
    })
}
