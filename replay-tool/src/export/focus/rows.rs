//! From a billed line to its rows: the purchase, and the shares of what was paid ahead.

use std::rc::Rc;

use chrono::NaiveDate;
use ledger_core::billing::BilledLine;
use ledger_core::calendar::{BillingCycle, Month, Period};
use ledger_core::charges::ChargeType;
use rust_decimal::{Decimal, RoundingStrategy};

use super::super::ExportError;
use super::{Category, Focus, PRICE_SCALE, Priced, QUANTITY_SCALE, Row};

impl Focus {
    /// The rows of a line; those of other periods than the asked ones, too.
    pub(super) fn rows(&self, line: &Rc<BilledLine>) -> Result<Vec<Row>, ExportError> {
        let purchase = self.purchase(line)?;
        if line.charge.line.charge_type == ChargeType::CustomerCredit {
            return Ok(vec![credit(purchase)]);
        }
        let ahead = line.charge.plan.billing != BillingCycle::Monthly;
        let mut rows = Vec::new();
        if ahead && 0 < line.charge.line.period.days() {
            rows = self.shares(line, &purchase)?;
            rows.insert(
                0,
                Row { effective: Decimal::ZERO, effective_in_pricing: Decimal::ZERO, ..purchase },
            );
        } else {
            rows.push(purchase);
        }
        Ok(rows)
    }

    fn purchase(&self, line: &Rc<BilledLine>) -> Result<Row, ExportError> {
        let (period, currency) = (line.period, line.billed.currency);
        let charge = &line.charge;
        let (issuer, publisher) = self.names(period)?;
        let priced = priced(line)?;
        let (contracted_cost, list_cost) = costs(line, &priced)?;
        let why = super::super::table::word(&charge.line.charge_type).text().unwrap_or_default();
        Ok(Row {
            line: Some(Rc::clone(line)),
            category: Category::Purchase,
            is_correction: line.is_correction,
            customer: charge.customer.clone(),
            customer_name: charge.customer_name.clone(),
            reseller: charge.reseller.clone(),
            period,
            invoice: self.statements.number(period, currency, &charge.customer),
            issuer,
            publisher,
            description: format!("{}, {why}: {}", charge.offer_title, charge.line.formula),
            days: (charge.line.period.start, charge.line.period.end),
            currency,
            billed: line.billed.amount,
            effective: line.billed.amount,
            contracted_cost,
            list_cost,
            priced: Some(priced),
            pricing_currency: charge.line.amount.currency,
            effective_in_pricing: charge.line.amount.amount,
            tax_percent: line.tax_percent,
        })
    }

    /// A row for each month that the charge covers and that has begun. The shares of all months come to
    /// the whole, to the cent: each is what has been used up by its end, less what was before.
    fn shares(&self, line: &Rc<BilledLine>, purchase: &Row) -> Result<Vec<Row>, ExportError> {
        let Some(whole) = purchase.priced else { return Ok(Vec::new()) };
        let period = line.charge.line.period;
        let mut rows = Vec::new();
        let mut before = [Decimal::ZERO; 3];
        for chunk in chunks(period, line.period, self.until) {
            let days = (Period { start: period.start, end: chunk.last }.days(), period.days());
            let used = [
                part(purchase.billed, days, purchase.currency.digits()),
                part(purchase.effective_in_pricing, days, purchase.pricing_currency.digits()),
                part(whole.quantity, days, QUANTITY_SCALE),
            ];
            let mut share = [Decimal::ZERO; 3];
            for ((share, used), before) in share.iter_mut().zip(used).zip(&mut before) {
                let used = used.ok_or_else(|| inexact(line))?;
                *share = used.checked_sub(*before).ok_or_else(|| inexact(line))?;
                *before = used;
            }
            let [effective, effective_in_pricing, quantity] = share;
            let priced = Priced { quantity: quantity.normalize(), ..whole };
            let (contracted_cost, list_cost) = costs(line, &priced)?;
            let (issuer, publisher) = self.names(chunk.month)?;
            rows.push(Row {
                category: Category::Usage,
                is_correction: line.is_correction && chunk.month == line.period,
                period: chunk.month,
                invoice: None,
                issuer,
                publisher,
                description: format!(
                    "{}, share of {}",
                    line.charge.offer_title, line.charge.line.id
                ),
                days: (chunk.first, chunk.last),
                billed: Decimal::ZERO,
                effective,
                contracted_cost,
                list_cost,
                priced: Some(priced),
                effective_in_pricing,
                ..purchase.clone()
            });
        }
        Ok(rows)
    }
}

/// What no rule gives back has no price: its costs are what is billed.
fn credit(purchase: Row) -> Row {
    let billed = purchase.billed;
    let (category, priced) = (Category::Credit, None);
    Row { category, priced, contracted_cost: billed, list_cost: billed, ..purchase }
}

/// The part of a charge that belongs to a month.
struct Chunk {
    month: Month,
    first: NaiveDate,
    last: NaiveDate,
}

/// The months of a charge that is billed in `billed`, as far as they have begun on `until`. What lies
/// before that period belongs to it.
fn chunks(charge: Period, billed: Month, until: NaiveDate) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let (mut month, mut first) = (Month::of(charge.start).max(billed), charge.start);
    while month.first() <= until && first <= charge.end {
        let last = month.last().min(charge.end);
        chunks.push(Chunk { month, first, last });
        let (Some(next), Ok(following)) = (last.succ_opt(), month.next()) else { break };
        (first, month) = (next, following);
    }
    chunks
}

/// `days` of all days of `whole`, cut to `digits` after the point.
fn part(whole: Decimal, (days, of): (u32, u32), digits: u32) -> Option<Decimal> {
    if days == of {
        return Some(whole);
    }
    let part = whole.checked_mul(days.into())?.checked_div(of.into())?;
    Some(part.round_dp_with_strategy(digits, RoundingStrategy::ToZero))
}

/// Price and quantity of a line. The price is for a whole cycle, so the quantity is a part of the seats.
fn priced(line: &BilledLine) -> Result<Priced, ExportError> {
    let charge = &line.charge.line;
    let list = line.charge.promotion.as_ref().map(|applied| applied.list_price.amount);
    let list = list.unwrap_or(charge.unit_price);
    let rate = line.rate.as_ref().map_or(Decimal::ONE, |rate| rate.rate);
    let converted = |price: Decimal| {
        let converted = price.checked_mul(rate).ok_or_else(|| inexact(line))?;
        Ok::<_, ExportError>(converted.round_dp(PRICE_SCALE).normalize())
    };
    let seat_days = Decimal::from(charge.quantity).checked_mul(charge.billable_days.into());
    let quantity = seat_days.and_then(|days| days.checked_div(charge.cycle_days.into()));
    let quantity = quantity.ok_or_else(|| inexact(line))?;
    Ok(Priced {
        quantity: quantity.round_dp(QUANTITY_SCALE).normalize(),
        contracted: converted(charge.unit_price)?,
        list: converted(list)?,
        contracted_in_pricing: charge.unit_price.normalize(),
        list_in_pricing: list.normalize(),
    })
}

/// What the quantity costs at the contracted and at the list price: exactly the product, as FOCUS
/// demands.
fn costs(line: &BilledLine, priced: &Priced) -> Result<(Decimal, Decimal), ExportError> {
    let product = |price: Decimal| {
        let product = price.checked_mul(priced.quantity)?;
        // A product that does not fit is rounded.
        let digits = price.scale().checked_add(priced.quantity.scale())?;
        (product.is_zero() || product.scale() == digits).then(|| product.normalize())
    };
    let costs = product(priced.contracted).zip(product(priced.list));
    costs.ok_or_else(|| inexact(line))
}

fn inexact(line: &BilledLine) -> ExportError {
    ExportError::Amount(line.charge.line.id.clone())
}
