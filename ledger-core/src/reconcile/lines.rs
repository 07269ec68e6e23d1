//! A line of theirs and a line of ours, as far as they are compared.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::Serialize;
use smol_str::SmolStr;

use crate::billing::BilledLine;
use crate::calendar::Period;
use crate::charges::ChargeType;
use crate::ids::{CustomerId, SubscriptionId};
use crate::money::{Currency, MoneyError, RoundingPolicy, share};

/// A line of a vendor's invoice file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TheirLine {
    /// The line of the file, from 1; the header is a line, too.
    pub line: u64,
    /// Whose it is, in their words.
    pub customer: SmolStr,
    /// For which subscription.
    pub subscription: SmolStr,
    /// Of which offer, `product-sku` with the SKU's leading zeros; `None`: the file does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offer: Option<SmolStr>,
    /// Why, as they write it.
    pub charge_type: SmolStr,
    /// What lines that belong together share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<SmolStr>,
    /// Days, both included.
    pub period: Period,
    /// Seats; negative for a credit.
    pub quantity: Decimal,
    /// Price of one seat for a whole cycle.
    pub unit_price: Decimal,
    /// The exchange rate; `None`: the file has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Decimal>,
    /// The amount before tax.
    pub subtotal: Decimal,
    /// Tax; zero when the line shows none.
    pub tax: Decimal,
    /// The currency of both.
    pub currency: Currency,
    /// Columns that are not known here, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub other: BTreeMap<SmolStr, SmolStr>,
}

impl TheirLine {
    pub(super) fn family(&self) -> Family {
        Family::of_text(&self.charge_type)
    }

    pub(super) fn total(&self) -> Result<Decimal, MoneyError> {
        self.subtotal.checked_add(self.tax).ok_or(MoneyError::Overflow)
    }
}

/// A billed line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OurLine {
    /// The line's id.
    pub id: SmolStr,
    /// What lines that belong together share.
    pub reference: SmolStr,
    /// Who is charged.
    pub customer: CustomerId,
    /// For which subscription.
    pub subscription: SubscriptionId,
    /// Of which offer.
    pub offer: SmolStr,
    /// Why.
    pub charge_type: ChargeType,
    /// Days, both included.
    pub period: Period,
    /// Seats; negative for a credit.
    pub quantity: i64,
    /// Price of one seat for a whole cycle, before the exchange.
    pub unit_price: Decimal,
    /// The exchange rate; `None`: it is billed in the currency of its price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Decimal>,
    /// Days charged.
    pub billable_days: u32,
    /// Days of the cycle.
    pub cycle_days: u32,
    /// How it was rounded.
    pub rounding: RoundingPolicy,
    /// The amount before tax.
    pub subtotal: Decimal,
    /// The line's share of the tax.
    pub tax: Decimal,
    /// Tax, in hundredths.
    pub tax_percent: Decimal,
    /// The currency of both.
    pub currency: Currency,
}

impl OurLine {
    /// What is compared of a billed line. Where tax is on the bill's total, its share of it is computed
    /// on the line.
    ///
    /// # Errors
    ///
    /// [`MoneyError`] when the tax is too large.
    pub fn of(billed: &BilledLine) -> Result<Self, MoneyError> {
        let (charge, line) = (&billed.charge, &billed.charge.line);
        let tax = match billed.tax {
            Some(tax) => tax.amount,
            None if billed.tax_percent.is_zero() => Decimal::ZERO,
            None => share(billed.billed, billed.tax_percent)?.amount,
        };
        let id = SmolStr::new(&line.id);
        let is_own = line.reference_id == line.id;
        Ok(Self {
            reference: if is_own { id.clone() } else { SmolStr::new(&line.reference_id) },
            id,
            customer: charge.customer.clone(),
            subscription: line.subscription.clone(),
            offer: SmolStr::new(line.offer.as_str()),
            charge_type: line.charge_type,
            period: line.period,
            quantity: line.quantity,
            unit_price: line.unit_price,
            rate: billed.rate.as_ref().map(|rate| rate.rate),
            billable_days: line.billable_days,
            cycle_days: line.cycle_days,
            rounding: line.rounding,
            subtotal: billed.billed.amount,
            tax,
            tax_percent: billed.tax_percent,
            currency: billed.billed.currency,
        })
    }

    pub(super) const fn family(&self) -> Family {
        match self.charge_type {
            ChargeType::New | ChargeType::ProrateFeesWhenActivate => Family::New,
            ChargeType::Renew => Family::Renew,
            ChargeType::CycleCharge => Family::Cycle,
            ChargeType::AddQuantity | ChargeType::RemoveQuantity => Family::Seats,
            ChargeType::Convert | ChargeType::MoveQuantity => Family::Upgrade,
            ChargeType::CancelImmediate | ChargeType::ProrateFeesWhenCancel => Family::Cancel,
            ChargeType::ChangeBillingPlan => Family::Plan,
            ChargeType::CustomerCredit => Family::Credit,
            ChargeType::ExtendTerm => Family::Trial,
        }
    }
}

/// Kinds of charge that new commerce and the legacy programme both know. Source: domain, section 4.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    New,
    Renew,
    Cycle,
    Seats,
    Upgrade,
    Cancel,
    Plan,
    Credit,
    Trial,
    Unknown,
}

impl Family {
    /// In any casing: exports are not of one mind.
    pub(super) fn of_text(text: &str) -> Self {
        let letters = text.bytes().filter(u8::is_ascii_alphabetic);
        let mut plain = [0_u8; 32];
        for (place, letter) in plain.iter_mut().zip(letters) {
            *place = letter.to_ascii_lowercase();
        }
        let end = plain.iter().position(|byte| *byte == 0).unwrap_or(plain.len());
        match plain.get(..end).unwrap_or_default() {
            b"new"
            | b"newpurchasecyclefee"
            | b"activationfee"
            | b"proratefeeswhenpurchase"
            | b"proratefeeswhenactivate" => Self::New,
            b"renew" | b"proratefeeswhenrenew" => Self::Renew,
            b"cyclecharge" | b"cyclefee" => Self::Cycle,
            b"addquantity" | b"removequantity" | b"cycleinstanceprorate" => Self::Seats,
            b"convert"
            | b"movequantity"
            | b"proratefeeswhenconvert"
            | b"proratefeeswhenconvertaway"
            | b"proratefeeswhenconverttonew" => Self::Upgrade,
            b"cancelimmediate"
            | b"cancelfee"
            | b"cancelinstanceprorate"
            | b"proratefeeswhencancel" => Self::Cancel,
            b"changebillingplan" => Self::Plan,
            b"customercredit" => Self::Credit,
            b"extendterm" => Self::Trial,
            _ => Self::Unknown,
        }
    }
}
