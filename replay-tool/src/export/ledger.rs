//! The layout `ledger`: everything the ledger knows of a billed line.

use ledger_core::customer::AppliedPromotion;

use super::Line;
use super::table::{AMOUNT, EXACT, Field, Kind, Value, field, word};

use Kind::{Date, Flag, Instant, Integer, Text};

/// Its columns.
pub const FIELDS: &[Field<Line>] = &[
    field("line", Text, "Id of the line", |l| l.billed.charge.line.id.as_str().into()),
    field("reference", Text, "What lines that belong together share", |l| {
        l.billed.charge.line.reference_id.as_str().into()
    }),
    field("period", Text, "Billing period, such as 2024-03", |l| {
        l.billed.period.to_string().into()
    }),
    field(
        "statement",
        Integer,
        "Number of the customer's statement; empty while the period is open",
        |l| l.statement.and_then(|number| i64::try_from(number).ok()).into(),
    ),
    field("is_correction", Flag, "Whether its own period was closed already", |l| {
        l.billed.is_correction.into()
    }),
    field("customer", Text, "Who is charged", |l| l.billed.charge.customer.as_str().into()),
    field("customer_name", Text, "The customer's name then", |l| {
        l.billed.charge.customer_name.as_str().into()
    }),
    field("market", Text, "The customer's market (ISO 3166-1 alpha-2)", |l| {
        l.billed.charge.market.as_str().into()
    }),
    field("reseller", Text, "The reseller that served the customer then", |l| {
        l.billed.charge.reseller.as_str().into()
    }),
    field("subscription", Text, "For which subscription", |l| {
        l.billed.charge.line.subscription.as_str().into()
    }),
    field("offer", Text, "Of which offer", |l| l.billed.charge.line.offer.as_str().into()),
    field("offer_title", Text, "The offer's name then", |l| {
        l.billed.charge.offer_title.as_str().into()
    }),
    field("charge_type", Text, "Why, in the vendor's words", |l| {
        word(&l.billed.charge.line.charge_type)
    }),
    field("charged_on", Date, "The day it belongs to", |l| l.billed.charge.charged_on.into()),
    field("charge_start", Date, "First day charged or credited", |l| {
        l.billed.charge.line.period.start.into()
    }),
    field("charge_end", Date, "Last day charged or credited, included", |l| {
        l.billed.charge.line.period.end.into()
    }),
    field("billable_days", Integer, "How many days these are", |l| {
        l.billed.charge.line.billable_days.into()
    }),
    field("cycle_days", Integer, "How many days the charge cycle has", |l| {
        l.billed.charge.line.cycle_days.into()
    }),
    field("quantity", Integer, "Seats; negative for a credit", |l| {
        l.billed.charge.line.quantity.into()
    }),
    field("unit_price", EXACT, "Price of a seat for a whole cycle, in the price's currency", |l| {
        l.billed.charge.line.unit_price.normalize().into()
    }),
    field("effective_unit_price", EXACT, "Price of a seat for the billable days", |l| {
        l.billed.charge.line.effective_unit_price.normalize().into()
    }),
    field("rounding", Text, "Policy of rounding", |l| {
        l.billed.charge.line.rounding.to_string().into()
    }),
    field("price_currency", Text, "Currency of the price (ISO 4217)", |l| {
        l.billed.charge.line.amount.currency.to_string().into()
    }),
    field("price_amount", AMOUNT, "The amount in that currency, rounded once", |l| {
        l.billed.charge.line.amount.amount.into()
    }),
    field(
        "exchange_rate",
        EXACT,
        "Units of the bill's currency for one of the price's; empty: the same",
        |l| l.billed.rate.as_ref().map(|rate| rate.rate.normalize()).into(),
    ),
    field("exchange_rate_id", Text, "The set of rates it is from", |l| {
        l.billed.rate.as_ref().map(|rate| rate.id.as_str()).into()
    }),
    field("exchange_rate_date", Date, "The day on which it was fixed", |l| {
        l.billed.rate.as_ref().map(|rate| rate.date).into()
    }),
    field("currency", Text, "Currency of the bill (ISO 4217)", |l| {
        l.billed.billed.currency.to_string().into()
    }),
    field("amount", AMOUNT, "The amount billed, before tax", |l| l.billed.billed.amount.into()),
    field("tax_percent", Kind::Decimal(4), "Tax, in hundredths", |l| {
        l.billed.tax_percent.normalize().into()
    }),
    field(
        "line_tax",
        AMOUNT,
        "Tax of the line alone; empty: tax is on the statement's total",
        |l| l.billed.tax.map(|tax| tax.amount).into(),
    ),
    field("margin_percent", Kind::Decimal(4), "What the reseller keeps, in hundredths", |l| {
        l.billed.margin_percent.normalize().into()
    }),
    field("margin", AMOUNT, "What the reseller keeps", |l| l.billed.margin.amount.into()),
    field("term", Text, "Length of the commitment", |l| word(&l.billed.charge.plan.term)),
    field("billing_cycle", Text, "How often it is charged", |l| {
        l.billed.charge.plan.billing.to_string().into()
    }),
    field("term_start", Date, "First day of the term", |l| l.billed.charge.term.start.into()),
    field("term_end", Date, "Last day of the term, included", |l| l.billed.charge.term.end.into()),
    field("promotion", Text, "The promotion that lowered the price", |l| {
        promotion(l).map(|applied| applied.promotion.as_str()).into()
    }),
    field("promotion_percent", Kind::Decimal(4), "By how much, in hundredths", |l| {
        promotion(l).map(|applied| applied.percent.normalize()).into()
    }),
    field("list_unit_price", EXACT, "The price without the promotion; empty: there is none", |l| {
        promotion(l).map(|applied| applied.list_price.amount.normalize()).into()
    }),
    field("price_list", Text, "The price list that the price was read from", |l| {
        l.billed.charge.price_list.as_deref().into()
    }),
    field("event", Text, "The event that caused it", |l| l.billed.charge.event_id.as_str().into()),
    field("price_event", Text, "The event that set its price", |l| {
        l.billed.charge.price_event_id.as_str().into()
    }),
    field("position", Integer, "Position of the causing commit in the log", |l| {
        i64::try_from(l.billed.charge.cause.position).map_or(Value::Empty, Value::Integer)
    }),
    field("command", Text, "Name of the command", |l| {
        l.billed.charge.cause.command.as_str().into()
    }),
    field("command_id", Text, "Id of the command", |l| {
        l.billed.charge.cause.command_id.as_str().into()
    }),
    field("actor", Text, "Who issued it", |l| l.billed.charge.cause.actor.id.as_str().into()),
    field("reason", Text, "Why", |l| l.billed.charge.cause.reason.as_str().into()),
    field("recorded_at", Instant, "When it was recorded", |l| {
        l.billed.charge.cause.recorded_at.into()
    }),
    field("effective_at", Instant, "When it took effect", |l| {
        l.billed.charge.cause.effective_at.into()
    }),
    field("programme", Text, "Programme that it was decided under", |l| {
        l.billed.charge.line.rules.programme.as_str().into()
    }),
    field("catalogue", Text, "Version of the catalogue that it was decided under", |l| {
        l.billed.charge.line.rules.catalogue.as_str().into()
    }),
    field("formula", Text, "The computation with its numbers", |l| {
        l.billed.charge.line.formula.as_str().into()
    }),
];

fn promotion(line: &Line) -> Option<&AppliedPromotion> {
    line.billed.charge.promotion.as_ref()
}
