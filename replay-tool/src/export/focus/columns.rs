//! The columns of FOCUS 1.2 that must be there, those that apply, and the ledger's own (`x_`).

use chrono::{DateTime, NaiveDate, Utc};
use ledger_core::billing::BilledLine;
use ledger_core::calendar::{BillingCycle, midnight};
use ledger_core::charges::ChargeType;

use super::super::printed;
use super::super::table::{AMOUNT, EXACT, Field, Kind, field, word};
use super::{Category, PRICE_SCALE, QUANTITY_SCALE, Row};

use Kind::{Date, Instant, Integer, Text};

const PRICE: Kind = Kind::Decimal(PRICE_SCALE);
const QUANTITY: Kind = Kind::Decimal(QUANTITY_SCALE);
/// The product of a price and a quantity.
const COST: Kind = Kind::Decimal(PRICE_SCALE + QUANTITY_SCALE);

/// Its columns.
pub(in crate::export) const FIELDS: &[Field<Row>] = &[
    field(
        "BilledCost",
        AMOUNT,
        "The amount on the statement; tax has rows of its own; 0 for a share",
        |r| r.billed.into(),
    ),
    field("BillingAccountId", Text, "The customer: statements are made out to it", |r| {
        r.customer.as_str().into()
    }),
    field("BillingAccountName", Text, "The customer's name then", |r| {
        r.customer_name.as_str().into()
    }),
    field("BillingAccountType", Text, "`Customer`", |_| "Customer".into()),
    field("BillingCurrency", Text, "Currency of the bill (ISO 4217)", |r| {
        r.currency.to_string().into()
    }),
    field("BillingPeriodEnd", Instant, "First instant after the billing period", |r| {
        r.period.next().ok().map(|next| midnight(next.first())).into()
    }),
    field(
        "BillingPeriodStart",
        Instant,
        "First instant of the billing period, a month, UTC",
        |r| midnight(r.period.first()).into(),
    ),
    field(
        "ChargeCategory",
        Text,
        "`Purchase`, `Usage` for a share of what was paid ahead, or `Tax`",
        |r| category(r.category).into(),
    ),
    field(
        "ChargeClass",
        Text,
        "`Correction` when the charge's own period was closed already",
        |r| r.is_correction.then_some("Correction").into(),
    ),
    field("ChargeDescription", Text, "The offer, why, and the computation", |r| {
        r.description.as_str().into()
    }),
    field(
        "ChargeFrequency",
        Text,
        "`Recurring` for new, renew, cycleCharge and shares; else `One-Time`",
        |r| frequency(r).into(),
    ),
    field("ChargePeriodEnd", Instant, "First instant after the days charged", |r| {
        day_after(r.days.1).into()
    }),
    field("ChargePeriodStart", Instant, "First instant of the days charged", |r| {
        midnight(r.days.0).into()
    }),
    field(
        "ContractedCost",
        COST,
        "ContractedUnitPrice x PricingQuantity, not rounded; tax: tax on that",
        |r| r.contracted_cost.into(),
    ),
    field("ContractedUnitPrice", PRICE, "Price of a seat for a whole charge cycle", |r| {
        r.of_price(|p| p.contracted)
    }),
    field(
        "EffectiveCost",
        AMOUNT,
        "As BilledCost; what was paid ahead is 0, and its months have shares",
        |r| r.effective.into(),
    ),
    field(
        "InvoiceId",
        Text,
        "Number of the statement; empty while the period is open, and for shares",
        |r| r.invoice.map(printed).into(),
    ),
    field("InvoiceIssuerName", Text, "Issuer, by the billing terms", |r| r.issuer.as_str().into()),
    field(
        "ListCost",
        COST,
        "ListUnitPrice x PricingQuantity, not rounded; tax: tax on that",
        |r| r.list_cost.into(),
    ),
    field("ListUnitPrice", PRICE, "The same price without the promotion", |r| {
        r.of_price(|p| p.list)
    }),
    field("PricingCategory", Text, "`Standard`; empty for tax", |r| r.of_line(|_| "Standard")),
    field("PricingCurrency", Text, "Currency of the price (ISO 4217)", |r| {
        r.pricing_currency.to_string().into()
    }),
    field(
        "PricingCurrencyContractedUnitPrice",
        EXACT,
        "ContractedUnitPrice in that currency",
        |r| r.of_price(|p| p.contracted_in_pricing),
    ),
    field("PricingCurrencyEffectiveCost", AMOUNT, "EffectiveCost in that currency", |r| {
        r.effective_in_pricing.into()
    }),
    field("PricingCurrencyListUnitPrice", EXACT, "ListUnitPrice in that currency", |r| {
        r.of_price(|p| p.list_in_pricing)
    }),
    field(
        "PricingQuantity",
        QUANTITY,
        "Seats x days / days of the cycle; negative for a credit",
        |r| r.of_price(|p| p.quantity),
    ),
    field("PricingUnit", Text, "`Seat-Months`, `Seat-Years` or `3 Seat-Years`", |r| {
        r.of_line(pricing_unit)
    }),
    field("ProviderName", Text, "As InvoiceIssuerName: who sells", |r| r.issuer.as_str().into()),
    field("PublisherName", Text, "As told with --publisher; else as InvoiceIssuerName", |r| {
        r.publisher.as_str().into()
    }),
    field("ResourceId", Text, "The subscription", |r| {
        r.of_line(|l| l.charge.line.subscription.to_string())
    }),
    field("ResourceName", Text, "The offer's name then", |r| r.of_line(service)),
    field("ResourceType", Text, "`Subscription`", |r| r.of_line(|_| "Subscription")),
    field("ServiceCategory", Text, "`Business Applications`; `Other` for tax", |r| {
        match r.category {
            Category::Purchase | Category::Usage => "Business Applications".into(),
            Category::Tax => "Other".into(),
        }
    }),
    field("ServiceName", Text, "The offer's name then; `Tax` for tax", |r| {
        r.line.as_deref().map_or_else(|| "Tax".to_owned(), service).into()
    }),
    field("SkuId", Text, "The offer", |r| r.of_line(|l| l.charge.line.offer.to_string())),
    field("SkuMeter", Text, "`Seats`", |r| r.of_line(|_| "Seats")),
    field("SkuPriceDetails", Text, "JSON: BillingCycle and TermDuration", |r| {
        r.of_line(sku_price_details)
    }),
    field("SkuPriceId", Text, "Offer, term and billing cycle", |r| r.of_line(sku_price)),
    field("SubAccountId", Text, "The customer", |r| r.customer.as_str().into()),
    field("SubAccountName", Text, "The customer's name then", |r| r.customer_name.as_str().into()),
    field("SubAccountType", Text, "`Customer`", |_| "Customer".into()),
    field("x_BillableDays", Integer, "Days charged or credited by the line", |r| {
        r.of_line(|l| l.charge.line.billable_days)
    }),
    field("x_BillingCycle", Text, "How often it is charged", |r| {
        r.of_line(|l| l.charge.plan.billing.to_string())
    }),
    field("x_ChargeType", Text, "Why, in the vendor's words", |r| {
        r.of_line(|l| word(&l.charge.line.charge_type))
    }),
    field("x_CycleDays", Integer, "Days of the charge cycle", |r| {
        r.of_line(|l| l.charge.line.cycle_days)
    }),
    field("x_EventId", Text, "The event that caused it", |r| {
        r.of_line(|l| l.charge.event_id.clone())
    }),
    field("x_ExchangeRate", EXACT, "Units of BillingCurrency for one of PricingCurrency", |r| {
        r.of_line(|l| l.rate.as_ref().map(|rate| rate.rate.normalize()))
    }),
    field("x_ExchangeRateDate", Date, "The day on which it was fixed", |r| {
        r.of_line(|l| l.rate.as_ref().map(|rate| rate.date))
    }),
    field("x_ExchangeRateId", Text, "The set of rates it is from", |r| {
        r.of_line(|l| l.rate.as_ref().map(|rate| rate.id.to_string()))
    }),
    field("x_LineId", Text, "The line; a share has that of its purchase", |r| {
        r.of_line(|l| l.charge.line.id.clone())
    }),
    field("x_PromotionId", Text, "The promotion that lowered the price", |r| {
        r.of_line(|l| l.charge.promotion.as_ref().map(|applied| applied.promotion.to_string()))
    }),
    field("x_ReferenceId", Text, "What lines that belong together share", |r| {
        r.of_line(|l| l.charge.line.reference_id.clone())
    }),
    field("x_ResellerId", Text, "The reseller that served the customer then", |r| {
        r.reseller.as_str().into()
    }),
    field("x_Rounding", Text, "Policy by which BilledCost was rounded", |r| {
        r.of_line(|l| l.charge.line.rounding.to_string())
    }),
    field("x_Seats", Integer, "Seats charged; negative for a credit", |r| {
        r.of_line(|l| l.charge.line.quantity)
    }),
    field("x_TaxPercent", Kind::Decimal(4), "Tax, in hundredths", |r| {
        r.tax_percent.normalize().into()
    }),
    field("x_TermDuration", Text, "Length of the commitment", |r| {
        r.of_line(|l| word(&l.charge.plan.term))
    }),
];

const fn category(category: Category) -> &'static str {
    match category {
        Category::Purchase => "Purchase",
        Category::Usage => "Usage",
        Category::Tax => "Tax",
    }
}

fn day_after(day: NaiveDate) -> Option<DateTime<Utc>> {
    day.succ_opt().map(midnight)
}

/// The price is for a whole charge cycle.
const fn pricing_unit(line: &BilledLine) -> &'static str {
    match line.charge.plan.billing {
        BillingCycle::Monthly => "Seat-Months",
        BillingCycle::Annual => "Seat-Years",
        BillingCycle::Triennial => "3 Seat-Years",
    }
}

fn sku_price(line: &BilledLine) -> String {
    let term = word(&line.charge.plan.term).text().unwrap_or_default();
    format!("{}:{term}:{}", line.charge.line.offer, line.charge.plan.billing)
}

fn sku_price_details(line: &BilledLine) -> String {
    let plan = line.charge.plan;
    serde_json::json!({ "BillingCycle": plan.billing, "TermDuration": plan.term }).to_string()
}

fn service(line: &BilledLine) -> String {
    let title = line.charge.offer_title.as_str();
    if title.is_empty() { line.charge.line.offer.to_string() } else { title.to_owned() }
}

fn frequency(row: &Row) -> &'static str {
    if row.category == Category::Usage {
        return "Recurring";
    }
    match row.line.as_ref().map(|line| line.charge.line.charge_type) {
        Some(ChargeType::New | ChargeType::Renew | ChargeType::CycleCharge) => "Recurring",
        Some(
            ChargeType::AddQuantity
            | ChargeType::RemoveQuantity
            | ChargeType::Convert
            | ChargeType::MoveQuantity
            | ChargeType::CancelImmediate
            | ChargeType::ChangeBillingPlan
            | ChargeType::CustomerCredit
            | ChargeType::ExtendTerm
            | ChargeType::ProrateFeesWhenCancel
            | ChargeType::ProrateFeesWhenActivate,
        )
        | None => "One-Time",
    }
}
