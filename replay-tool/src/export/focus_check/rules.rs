//! The rules, row by row.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, NaiveTime, Utc};
use csv::StringRecord;
use rust_decimal::Decimal;

use super::{Row, number};

/// Every column of FOCUS 1.2, and whether it must be there and hold something.
const COLUMNS: &[(&str, Level)] = &[
    ("AvailabilityZone", Level::Optional),
    ("BilledCost", Level::Filled),
    ("BillingAccountId", Level::Filled),
    ("BillingAccountName", Level::Present),
    ("BillingAccountType", Level::Optional),
    ("BillingCurrency", Level::Filled),
    ("BillingPeriodEnd", Level::Filled),
    ("BillingPeriodStart", Level::Filled),
    ("CapacityReservationId", Level::Optional),
    ("CapacityReservationStatus", Level::Optional),
    ("ChargeCategory", Level::Filled),
    ("ChargeClass", Level::Present),
    ("ChargeDescription", Level::Present),
    ("ChargeFrequency", Level::Optional),
    ("ChargePeriodEnd", Level::Filled),
    ("ChargePeriodStart", Level::Filled),
    ("CommitmentDiscountCategory", Level::Optional),
    ("CommitmentDiscountId", Level::Optional),
    ("CommitmentDiscountName", Level::Optional),
    ("CommitmentDiscountQuantity", Level::Optional),
    ("CommitmentDiscountStatus", Level::Optional),
    ("CommitmentDiscountType", Level::Optional),
    ("CommitmentDiscountUnit", Level::Optional),
    ("ConsumedQuantity", Level::Optional),
    ("ConsumedUnit", Level::Optional),
    ("ContractedCost", Level::Filled),
    ("ContractedUnitPrice", Level::Optional),
    ("EffectiveCost", Level::Filled),
    ("InvoiceId", Level::Optional),
    ("InvoiceIssuerName", Level::Filled),
    ("ListCost", Level::Filled),
    ("ListUnitPrice", Level::Optional),
    ("PricingCategory", Level::Optional),
    ("PricingCurrency", Level::FilledIfPresent),
    ("PricingCurrencyContractedUnitPrice", Level::Optional),
    ("PricingCurrencyEffectiveCost", Level::FilledIfPresent),
    ("PricingCurrencyListUnitPrice", Level::Optional),
    ("PricingQuantity", Level::Present),
    ("PricingUnit", Level::Present),
    ("ProviderName", Level::Filled),
    ("PublisherName", Level::Filled),
    ("RegionId", Level::Optional),
    ("RegionName", Level::Optional),
    ("ResourceId", Level::Optional),
    ("ResourceName", Level::Optional),
    ("ResourceType", Level::Optional),
    ("ServiceCategory", Level::Filled),
    ("ServiceName", Level::Filled),
    ("ServiceSubcategory", Level::FilledIfPresent),
    ("SkuId", Level::Optional),
    ("SkuMeter", Level::Optional),
    ("SkuPriceDetails", Level::Optional),
    ("SkuPriceId", Level::Optional),
    ("SubAccountId", Level::Optional),
    ("SubAccountName", Level::Optional),
    ("SubAccountType", Level::Optional),
    ("Tags", Level::Optional),
];

/// What FOCUS demands of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    /// It must be there, and never be null.
    Filled,
    /// It must be there.
    Present,
    /// If it is there, it must not be null.
    FilledIfPresent,
    /// It may be there.
    Optional,
}

/// Columns with a list of values.
const ALLOWED: &[(&str, &[&str])] = &[
    ("ChargeCategory", &["Usage", "Purchase", "Tax", "Credit", "Adjustment"]),
    ("ChargeClass", &["Correction"]),
    ("ChargeFrequency", &["One-Time", "Recurring", "Usage-Based"]),
    ("PricingCategory", &["Standard", "Dynamic", "Committed", "Other"]),
    ("CommitmentDiscountCategory", &["Spend", "Usage"]),
    ("CommitmentDiscountStatus", &["Used", "Unused"]),
    (
        "ServiceCategory",
        &[
            "AI and Machine Learning",
            "Analytics",
            "Business Applications",
            "Compute",
            "Databases",
            "Developer Tools",
            "Multicloud",
            "Identity",
            "Integration",
            "Internet of Things",
            "Management and Governance",
            "Media",
            "Migration",
            "Mobile",
            "Networking",
            "Security",
            "Storage",
            "Web",
            "Other",
        ],
    ),
];

/// Null for tax; filled for purchases and usage, unless they are corrections.
const OF_PRICED: &[&str] = &[
    "ContractedUnitPrice",
    "ListUnitPrice",
    "PricingCategory",
    "PricingCurrencyContractedUnitPrice",
    "PricingCurrencyListUnitPrice",
    "PricingQuantity",
    "PricingUnit",
    "SkuId",
    "SkuPriceId",
];

const NUMBERS: &[&str] = &[
    "BilledCost",
    "CommitmentDiscountQuantity",
    "ConsumedQuantity",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "ListCost",
    "ListUnitPrice",
    "PricingCurrencyContractedUnitPrice",
    "PricingCurrencyEffectiveCost",
    "PricingCurrencyListUnitPrice",
    "PricingQuantity",
];

const NOT_NEGATIVE: &[&str] = &[
    "ContractedUnitPrice",
    "ListUnitPrice",
    "PricingCurrencyContractedUnitPrice",
    "PricingCurrencyListUnitPrice",
];

/// Columns that are null whenever another one is.
const FOLLOWS: &[(&str, &str)] = &[
    ("CommitmentDiscountName", "CommitmentDiscountId"),
    ("ResourceName", "ResourceId"),
    ("ResourceType", "ResourceId"),
    ("SkuMeter", "SkuId"),
    ("SkuPriceDetails", "SkuPriceId"),
    ("SubAccountName", "SubAccountId"),
    ("SubAccountType", "SubAccountId"),
];

/// What takes a finding: the rule, and what is wrong.
type Find<'a> = dyn FnMut(&'static str, String) + 'a;

/// Checks which columns there are.
pub(super) fn header(header: &StringRecord, find: &mut Find<'_>) {
    let mut seen = BTreeSet::new();
    for name in header {
        if !seen.insert(name) {
            find("column-once", format!("{name} is there twice"));
        }
        let is_known = COLUMNS.iter().any(|(known, _)| *known == name);
        if !is_known && !name.starts_with("x_") {
            find("column-name", format!("{name:?} is no column of FOCUS: begin its name with x_"));
        }
    }
    for (name, level) in COLUMNS {
        if matches!(level, Level::Filled | Level::Present) && !seen.contains(name) {
            find("column-mandatory", format!("{name} is missing"));
        }
    }
}

/// Checks one row by itself.
pub(super) fn row(row: &Row<'_>, find: &mut Find<'_>) {
    values(row, find);
    periods(row, find);
    nullability(row, find);
    costs(row, find);
}

fn values(row: &Row<'_>, find: &mut Find<'_>) {
    for (name, level) in COLUMNS {
        let must_hold = matches!(level, Level::Filled | Level::FilledIfPresent);
        if must_hold && row.has(name) && row.get(name).is_none() {
            find("not-null", format!("{name} is empty"));
        }
    }
    for (name, allowed) in ALLOWED {
        if let Some(value) = row.get(name).filter(|value| !allowed.contains(value)) {
            find(
                "allowed-value",
                format!("{name} is {value:?}, not one of {}", allowed.join(", ")),
            );
        }
    }
    for name in NUMBERS {
        if let Some(value) = row.get(name).filter(|value| number(value).is_none()) {
            find("number", format!("{name} is {value:?}, no exact number"));
        }
    }
    for name in NOT_NEGATIVE {
        if row.number(name).is_some_and(|value| value < Decimal::ZERO) {
            find("not-negative", format!("{name} is negative: let the quantity be so"));
        }
    }
    for name in ["BillingCurrency", "PricingCurrency"] {
        let is_code = |code: &&str| code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase());
        if let Some(value) = row.get(name).filter(|code| !is_code(code)) {
            find("currency", format!("{name} is {value:?}, no code of ISO 4217"));
        }
    }
    let details = row.get("SkuPriceDetails");
    let is_object = |text: &str| serde_json::from_str::<serde_json::Map<_, _>>(text).is_ok();
    if let Some(value) = details.filter(|value| !is_object(value)) {
        find("key-value", format!("SkuPriceDetails is {value:?}, no JSON object"));
    }
}

fn periods(row: &Row<'_>, find: &mut Find<'_>) {
    let mut at = |name: &str| {
        let text = row.get(name)?;
        let instant = DateTime::parse_from_rfc3339(text).ok().filter(|_| text.ends_with('Z'));
        if instant.is_none() {
            find("date-time", format!("{name} is {text:?}: write such as 2024-03-01T00:00:00Z"));
        }
        instant.map(|instant| instant.to_utc())
    };
    let billing = at("BillingPeriodStart").zip(at("BillingPeriodEnd"));
    let charge = at("ChargePeriodStart").zip(at("ChargePeriodEnd"));
    for (name, period) in [("BillingPeriodEnd", billing), ("ChargePeriodEnd", charge)] {
        let Some((start, end)) = period else { continue };
        if end <= start {
            find(
                "exclusive-end",
                format!("{name} is not after its start: the end is not included"),
            );
        } else if is_last_instant(end) {
            find(
                "exclusive-end",
                format!("{name} is the last instant of a day: write the next one"),
            );
        }
    }
    if let Some((start, end)) = billing
        && (start.day(), end.day()) != (1, 1)
    {
        find(
            "exclusive-end",
            "the billing period is no whole month: its end is excluded".to_owned(),
        );
    }
    let Some(((begin, _), (start, _))) = billing.zip(charge) else { return };
    if row.is("ChargeClass", "Correction") && begin <= start {
        let what = "a correction is of an earlier billing period, this charge begins in its own";
        find("correction", what.to_owned());
    }
}

fn is_last_instant(at: DateTime<Utc>) -> bool {
    NaiveTime::from_hms_opt(23, 59, 59).is_some_and(|last| last <= at.time())
}

fn nullability(row: &Row<'_>, find: &mut Find<'_>) {
    let is_tax = row.is("ChargeCategory", "Tax");
    let is_priced = row.is("ChargeCategory", "Purchase") || row.is("ChargeCategory", "Usage");
    let is_correction = row.is("ChargeClass", "Correction");
    for name in OF_PRICED.iter().filter(|name| row.has(name)) {
        if is_tax && row.get(name).is_some() {
            find("null-for-tax", format!("{name} holds something in a row of tax"));
        }
        if is_priced && !is_correction && row.get(name).is_none() {
            find("priced", format!("{name} is empty in a purchase or usage"));
        }
    }
    for name in ["ConsumedQuantity", "ConsumedUnit"] {
        if row.get(name).is_some() && !row.is("ChargeCategory", "Usage") {
            find("consumed", format!("{name} holds something, but this is no usage"));
        }
    }
    for (name, of) in FOLLOWS {
        if row.get(name).is_some() && row.get(of).is_none() {
            find("follows", format!("{name} holds something, but {of} is empty"));
        }
    }
    if row.is("ChargeCategory", "Purchase") && row.is("ChargeFrequency", "Usage-Based") {
        find("frequency", "a purchase is not Usage-Based".to_owned());
    }
}

fn costs(row: &Row<'_>, find: &mut Find<'_>) {
    let is_correction = row.is("ChargeClass", "Correction");
    let quantity = row.number("PricingQuantity");
    let priced = [("ContractedUnitPrice", "ContractedCost"), ("ListUnitPrice", "ListCost")];
    for (price, cost) in priced {
        let factors = row.number(price).zip(quantity);
        if let (Some((price_of_one, quantity)), Some(whole)) = (factors, row.number(cost))
            && !is_correction
            && price_of_one.checked_mul(quantity) != Some(whole)
        {
            let what =
                format!("{price} {price_of_one} x PricingQuantity {quantity} is not {whole}");
            find("price-times-quantity", format!("{cost}: {what}"));
        }
        let is_alone = row.is("ChargeCategory", "Credit") && row.get(price).is_none();
        if is_alone && row.number(cost) != row.number("BilledCost") {
            find("credit", format!("{cost} of a credit without a price is not its BilledCost"));
        }
    }
    if row.is("ChargeCategory", "Credit") && row.number("EffectiveCost") != row.number("BilledCost")
    {
        find("credit", "EffectiveCost of a credit is not its BilledCost".to_owned());
    }
}
