//! Charge lines: one document each. Made of the commits when asked for, not stored.

use chrono::{DateTime, NaiveDate, Utc};
use ledger_core::billing::{BillError, BilledLine, Books, Charge};
use ledger_core::calendar::{BillingCycle, Month, TermDuration};
use ledger_core::charges::ChargeType;
use ledger_core::customer::AppliedPromotion;
use ledger_core::ids::{
    ActorId, CommandId, CustomerId, OfferId, ProgrammeId, RateId, Reason, Role, SubscriptionId,
};
use ledger_core::money::{Currency, RoundingPolicy};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ViewError;

/// One line of a bill, with everything it was computed from and who caused it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChargeDocument {
    /// The causing event's id and the line's number in it: `customer/version.event/line`; of a further
    /// charge cycle, `customer/subscription/first day`.
    pub id: String,
    /// Id of the event, which lines that belong together share; of a further charge cycle, its own id.
    pub reference_id: String,
    /// Who is charged.
    #[schema(value_type = String)]
    pub customer: CustomerId,
    /// For which subscription.
    #[schema(value_type = String)]
    pub subscription: SubscriptionId,
    /// Of which offer.
    #[schema(value_type = String)]
    pub offer: OfferId,
    /// The offer's name then.
    pub offer_title: String,
    /// Length of the commitment.
    #[schema(value_type = String)]
    pub term: TermDuration,
    /// How often it is charged.
    #[schema(value_type = String)]
    pub billing: BillingCycle,
    /// First day of the term.
    pub term_start: NaiveDate,
    /// Last day of the term, included.
    pub term_end: NaiveDate,
    /// Why, in the vendor's words, for example `addQuantity`; `cycleCharge` is a further charge cycle.
    #[schema(value_type = String)]
    pub charge_type: ChargeType,
    /// Seats; negative for a credit.
    pub quantity: i64,
    /// Price of one seat for a whole charge cycle.
    #[schema(value_type = String)]
    pub unit_price: Decimal,
    /// The event that set the price.
    pub price_event_id: String,
    /// The price list it was read from; null: a plan of the catalogue, or told at import.
    pub price_list: Option<String>,
    /// The promotion that lowered it, with the price before.
    #[schema(value_type = Option<Object>)]
    pub promotion: Option<AppliedPromotion>,
    /// Price of one seat for the billable days, as the rounding policy leaves it.
    #[schema(value_type = String)]
    pub effective_unit_price: Decimal,
    /// The day it belongs to: that of the change, or the first one of the charge cycle.
    pub charged_on: NaiveDate,
    /// First day charged or credited.
    pub period_start: NaiveDate,
    /// Last day charged or credited, included.
    pub period_end: NaiveDate,
    /// How many days these are.
    pub billable_days: u32,
    /// How many days the charge cycle has.
    pub cycle_days: u32,
    /// The amount, rounded once; negative for a credit.
    #[schema(value_type = String)]
    pub amount: Decimal,
    /// Currency of all prices and the amount (ISO 4217).
    #[schema(value_type = String)]
    pub currency: Currency,
    /// The billing period, such as `2024-03`.
    #[schema(value_type = String)]
    pub billing_period: Month,
    /// Whether its own period was closed already, so that it corrects what was billed.
    pub is_correction: bool,
    /// The amount in the currency of the bill, before tax; null while an exchange rate is missing.
    #[schema(value_type = Option<String>)]
    pub billed: Option<Decimal>,
    /// Currency of the bill (ISO 4217).
    #[schema(value_type = String)]
    pub billed_currency: Currency,
    /// The exchange rate that was applied, if one was needed.
    #[schema(value_type = Option<String>)]
    pub rate: Option<Decimal>,
    /// The set of rates that it is from.
    #[schema(value_type = Option<String>)]
    pub rate_id: Option<RateId>,
    /// The day on which it was fixed.
    pub rate_date: Option<NaiveDate>,
    /// How it was rounded.
    #[schema(value_type = String)]
    pub rounding: RoundingPolicy,
    /// The computation with its numbers.
    pub formula: String,
    /// Programme whose rules were applied.
    #[schema(value_type = String)]
    pub programme: ProgrammeId,
    /// Version of the catalogue in force.
    pub catalogue: String,
    /// The event that caused it; of a further charge cycle, the last one that changed what is charged.
    pub event_id: String,
    /// Id of that event's command.
    #[schema(value_type = String)]
    pub command_id: CommandId,
    /// Who: opaque id.
    #[schema(value_type = String)]
    pub actor: ActorId,
    /// In which role.
    #[schema(value_type = String)]
    pub role: Role,
    /// Why.
    #[schema(value_type = String)]
    pub reason: Reason,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// When it took effect.
    pub effective_at: DateTime<Utc>,
    /// Position in the log.
    pub position: u64,
}

/// A charge as its customer sees it.
pub(crate) fn document(charge: Charge, books: &Books) -> Result<ChargeDocument, ViewError> {
    let period = books.period_of(charge.charged_on, charge.cause.position);
    let (billed, currency, applied) = match BilledLine::of(charge.clone(), books) {
        Ok(line) => (Some(line.billed.amount), line.billed.currency, line.rate),
        Err(BillError::RateMissing { to, .. }) => (None, to, None),
        Err(BillError::Money(err)) => return Err(err.into()),
    };
    let (line, cause) = (charge.line, charge.cause);
    Ok(ChargeDocument {
        id: line.id,
        reference_id: line.reference_id,
        customer: charge.customer,
        subscription: line.subscription,
        offer: line.offer,
        offer_title: charge.offer_title,
        term: charge.plan.term,
        billing: charge.plan.billing,
        term_start: charge.term.start,
        term_end: charge.term.end,
        charge_type: line.charge_type,
        quantity: line.quantity,
        unit_price: line.unit_price,
        price_event_id: charge.price_event_id,
        price_list: charge.price_list,
        promotion: charge.promotion,
        effective_unit_price: line.effective_unit_price,
        charged_on: charge.charged_on,
        period_start: line.period.start,
        period_end: line.period.end,
        billable_days: line.billable_days,
        cycle_days: line.cycle_days,
        amount: line.amount.amount,
        currency: line.amount.currency,
        billing_period: period,
        is_correction: period != Month::of(charge.charged_on),
        billed,
        billed_currency: currency,
        rate: applied.as_ref().map(|applied| applied.rate),
        rate_id: applied.as_ref().map(|applied| applied.id.clone()),
        rate_date: applied.map(|applied| applied.date),
        rounding: line.rounding,
        formula: line.formula,
        programme: line.rules.programme,
        catalogue: line.rules.catalogue,
        event_id: charge.event_id,
        command_id: cause.command_id.clone(),
        actor: cause.actor.id.clone(),
        role: cause.actor.role,
        reason: cause.reason.clone(),
        recorded_at: cause.recorded_at,
        effective_at: cause.effective_at,
        position: cause.position,
    })
}
