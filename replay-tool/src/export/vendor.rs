//! The layout `vendor`: the 46 columns of the vendor's reconciliation file of October 2023, in its order
//! and with its conventions. What the ledger does not know is empty. Source: domain, section 4.6.

use ledger_core::calendar::{BillingCycle, TermDuration};
use ledger_core::customer::{AppliedPromotion, TermPlan};
use rust_decimal::Decimal;

use super::table::{AMOUNT, EXACT, Field, Kind, Value, field, word};
use super::{Line, printed};

use Kind::{Date, Integer, Text};

const UNKNOWN: fn(&Line) -> Value = |_| Value::Empty;

/// Its columns.
pub const FIELDS: &[Field<Line>] = &[
    field("PartnerId", Text, "Empty: the ledger does not know it", UNKNOWN),
    field("CustomerId", Text, "The customer", |l| l.billed.charge.customer.as_str().into()),
    field("CustomerName", Text, "The customer's name then", |l| {
        l.billed.charge.customer_name.as_str().into()
    }),
    field("CustomerDomainName", Text, "Empty", UNKNOWN),
    field("CustomerCountry", Text, "The customer's market", |l| {
        l.billed.charge.market.as_str().into()
    }),
    field(
        "InvoiceNumber",
        Text,
        "Number of the customer's statement; empty while the period is open",
        |l| l.statement.map(printed).into(),
    ),
    field("MPNID", Text, "Empty", UNKNOWN),
    field("ResellerMPNID", Text, "Empty", UNKNOWN),
    field("OrderId", Text, "Empty", UNKNOWN),
    field("OrderDate", Date, "The day on which the causing change took effect", |l| {
        l.billed.charge.cause.effective_at.date_naive().into()
    }),
    field("ProductId", Text, "The product of an offer from a price list; else the offer", |l| {
        product(l).0.into()
    }),
    field("SkuId", Text, "The SKU of an offer from a price list; else empty", |l| {
        product(l).1.into()
    }),
    field("AvailabilityId", Text, "Empty", UNKNOWN),
    field("SkuName", Text, "The offer's name then", |l| {
        l.billed.charge.offer_title.as_str().into()
    }),
    field("ProductName", Text, "The offer's name then", |l| {
        l.billed.charge.offer_title.as_str().into()
    }),
    field("ChargeType", Text, "Why", |l| word(&l.billed.charge.line.charge_type)),
    field(
        "UnitPrice",
        EXACT,
        "Price of a seat for a whole charge cycle, in PricingCurrency",
        |l| l.billed.charge.line.unit_price.normalize().into(),
    ),
    field("Quantity", Integer, "Seats; negative for a credit", |l| {
        l.billed.charge.line.quantity.into()
    }),
    field("Subtotal", AMOUNT, "The amount before tax, in Currency", |l| {
        l.billed.billed.amount.into()
    }),
    field(
        "TaxTotal",
        AMOUNT,
        "Tax of the line; 0 where tax is computed on the invoice's total",
        |l| tax(l).into(),
    ),
    field("Total", AMOUNT, "Subtotal and TaxTotal", |l| {
        l.billed.billed.amount.checked_add(tax(l)).into()
    }),
    field("Currency", Text, "Currency of the bill", |l| {
        l.billed.billed.currency.to_string().into()
    }),
    field(
        "PriceAdjustmentDescription",
        Text,
        "The promotion and by how much it lowered the price",
        |l| {
            let promotion = l.billed.charge.promotion.as_ref();
            let text = |applied: &AppliedPromotion| {
                format!("{} {}%", applied.promotion, applied.percent.normalize())
            };
            promotion.map(text).into()
        },
    ),
    field("PublisherName", Text, "Empty", UNKNOWN),
    field("PublisherId", Text, "Empty", UNKNOWN),
    field("SubscriptionDescription", Text, "Empty", UNKNOWN),
    field("SubscriptionId", Text, "The subscription", |l| {
        l.billed.charge.line.subscription.as_str().into()
    }),
    field("ChargeStartDate", Date, "First day charged or credited", |l| {
        l.billed.charge.line.period.start.into()
    }),
    field("ChargeEndDate", Date, "Last day charged or credited, included", |l| {
        l.billed.charge.line.period.end.into()
    }),
    field("TermAndBillingCycle", Text, "Such as `1 Year, Monthly`", |l| {
        term_and_cycle(l.billed.charge.plan).into()
    }),
    field("EffectiveUnitPrice", EXACT, "Price of a seat for the billable days, exact", |l| {
        l.billed.charge.line.effective_unit_price.normalize().into()
    }),
    field("UnitType", Text, "Empty", UNKNOWN),
    field("AlternateId", Text, "Empty", UNKNOWN),
    field("BillableQuantity", Integer, "Seats; negative for a credit", |l| {
        l.billed.charge.line.quantity.into()
    }),
    field("BillingFrequency", Text, "How often it is charged", |l| {
        cycle(l.billed.charge.plan.billing).into()
    }),
    field("PricingCurrency", Text, "Currency of the price", |l| {
        l.billed.charge.line.amount.currency.to_string().into()
    }),
    field(
        "PCToBCExchangeRate",
        EXACT,
        "Units of Currency for one of PricingCurrency; 1 when they are the same",
        |l| l.billed.rate.as_ref().map_or(Decimal::ONE, |rate| rate.rate.normalize()).into(),
    ),
    field("PCToBCExchangeRateDate", Date, "The day on which the rate was fixed", |l| {
        l.billed.rate.as_ref().map(|rate| rate.date).into()
    }),
    field("MeterDescription", Text, "Empty", UNKNOWN),
    field("ReservationOrderId", Text, "Empty", UNKNOWN),
    field("CreditReasonCode", Text, "Empty", UNKNOWN),
    field("SubscriptionStartDate", Date, "First day of the term", |l| {
        l.billed.charge.term.start.into()
    }),
    field("SubscriptionEndDate", Date, "Last day of the term, included", |l| {
        l.billed.charge.term.end.into()
    }),
    field("ReferenceID", Text, "What lines that belong together share", |l| {
        l.billed.charge.line.reference_id.as_str().into()
    }),
    field("ProductQualifiers", Text, "Empty", UNKNOWN),
    field("PromotionID", Text, "The promotion", |l| {
        l.billed.charge.promotion.as_ref().map(|applied| applied.promotion.as_str()).into()
    }),
];

/// Tax is on the invoice's total, unless it is rounded by line. Source: domain, section 4.4.
fn tax(line: &Line) -> Decimal {
    line.billed.tax.map_or(Decimal::ZERO, |tax| tax.amount)
}

/// Offers of price lists are called `PRODUCT-SKU`. Source: docs/PRICE-LISTS.md.
fn product(line: &Line) -> (&str, Option<&str>) {
    let offer = line.billed.charge.line.offer.as_str();
    let is_code = |text: &str| text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    match offer.split_once('-') {
        Some((product, sku)) if sku.len() == 4 && is_code(product) && is_code(sku) => {
            (product, Some(sku))
        }
        Some(_) | None => (offer, None),
    }
}

fn term_and_cycle(plan: TermPlan) -> String {
    let term = match plan.term {
        TermDuration::P1M => "1 Month",
        TermDuration::P1Y => "1 Year",
        TermDuration::P3Y => "3 Years",
    };
    format!("{term}, {}", cycle(plan.billing))
}

const fn cycle(billing: BillingCycle) -> &'static str {
    match billing {
        BillingCycle::Monthly => "Monthly",
        BillingCycle::Annual => "Annual",
        BillingCycle::Triennial => "Triennial",
    }
}
