//! Single fields: what vendors write, and what spreadsheets make of it.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use rust_decimal::Decimal;

use super::report::{Reason, Report};
use super::table::Line;
use crate::calendar::{BillingCycle, TermDuration};
use crate::catalogue::{PRICE_SCALE_MAX, Segment, is_market};
use crate::ids::OfferId;
use crate::money::Currency;

/// Digits of a SKU's id; a spreadsheet drops its leading zeros.
const SKU_CHARS: usize = 4;

/// Years that stand for "always" and "without end".
const NO_YEAR_UNTIL: i32 = 1753;
const NO_YEAR_FROM: i32 = 9999;

/// The line is left out; why is noted.
#[derive(Clone, Copy, Debug)]
pub(super) struct LeftOut;

/// The offer, `{ProductId}-{SkuId}`.
pub(super) fn offer_id(line: &Line<'_>, report: &mut Report) -> Option<OfferId> {
    let (product, sku) = (line.get("ProductId"), line.get("SkuId"));
    let Some(padded) = sku_id(sku) else {
        let message = format!("SkuId {sku:?} is no id such as 0001");
        report.leave_out(line, Reason::Offer, message);
        return None;
    };
    if padded != sku {
        report.mend(line, Reason::Offer, format!("SkuId {sku} is taken for {padded}"));
    }
    let is_id = !product.is_empty() && product.chars().all(|c| c.is_ascii_alphanumeric());
    match OfferId::try_new(format!("{product}-{padded}")) {
        Ok(offer) if is_id => Some(offer),
        Ok(_) | Err(_) => {
            let message = format!("ProductId {product:?} is no id such as CFQ7TTC0LH18");
            report.leave_out(line, Reason::Offer, message);
            None
        }
    }
}

/// A SKU's id with its leading zeros.
pub(super) fn sku_id(text: &str) -> Option<String> {
    let is_id = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric());
    is_id.then(|| format!("{text:0>SKU_CHARS$}"))
}

/// Name for people: the SKU's, else the product's, else the id.
pub(super) fn title(line: &Line<'_>, offer: &OfferId) -> String {
    let titles = [line.get("SkuTitle"), line.get("ProductTitle"), offer.as_str()];
    let first = titles.into_iter().find(|title| !title.is_empty());
    first.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(super) fn term(line: &Line<'_>, report: &mut Report) -> Option<TermDuration> {
    let text = line.get("TermDuration");
    match text.to_ascii_uppercase().as_str() {
        "P1M" => Some(TermDuration::P1M),
        "P1Y" => Some(TermDuration::P1Y),
        "P3Y" => Some(TermDuration::P3Y),
        _ => {
            let message = format!("TermDuration {text:?} is none of P1M, P1Y, P3Y");
            report.leave_out(line, Reason::Term, message);
            None
        }
    }
}

pub(super) fn billing(line: &Line<'_>, report: &mut Report) -> Option<BillingCycle> {
    let text = line.get("BillingPlan");
    match text.to_ascii_lowercase().as_str() {
        "monthly" => Some(BillingCycle::Monthly),
        "annual" => Some(BillingCycle::Annual),
        "triennial" => Some(BillingCycle::Triennial),
        _ => {
            let message = format!("BillingPlan {text:?} is none of Monthly, Annual, Triennial");
            report.leave_out(line, Reason::Billing, message);
            None
        }
    }
}

/// The market; everywhere when the field is empty.
pub(super) fn market(line: &Line<'_>, report: &mut Report) -> Result<Option<String>, LeftOut> {
    let text = line.get("Market");
    if text.is_empty() {
        return Ok(None);
    }
    let market = text.to_ascii_uppercase();
    if !is_market(&market) {
        let message = format!("Market {text:?} is not two letters, such as FR");
        report.leave_out(line, Reason::Market, message);
        return Err(LeftOut);
    }
    if market != text {
        report.mend(line, Reason::Market, format!("Market {text} is taken for {market}"));
    }
    Ok(Some(market))
}

/// The segment; all of them when the field is empty or missing.
pub(super) fn segment(line: &Line<'_>, report: &mut Report) -> Result<Option<Segment>, LeftOut> {
    let text = line.get("Segment");
    let word: String = text.chars().filter(char::is_ascii_alphabetic).collect();
    match word.to_ascii_lowercase().as_str() {
        "" if text.is_empty() => Ok(None),
        "commercial" => Ok(Some(Segment::Commercial)),
        "education" => Ok(Some(Segment::Education)),
        "government" => Ok(Some(Segment::Government)),
        "charity" | "nonprofit" => Ok(Some(Segment::NonProfit)),
        _ => {
            let known = "Commercial, Education, Government, Charity";
            report.leave_out(line, Reason::Segment, format!("Segment {text:?} is none of {known}"));
            Err(LeftOut)
        }
    }
}

pub(super) fn currency(line: &Line<'_>, report: &mut Report) -> Option<Currency> {
    let text = line.get("Currency");
    let currency = text.to_ascii_uppercase().parse().ok();
    if currency.is_none() {
        let message = format!("the ledger does not charge in Currency {text:?}");
        report.leave_out(line, Reason::Currency, message);
    }
    currency
}

pub(super) fn price(line: &Line<'_>, report: &mut Report) -> Option<Decimal> {
    let text = line.get("UnitPrice");
    match amount(text) {
        Ok((price, is_plain)) => {
            if !is_plain {
                report.mend(line, Reason::Price, format!("UnitPrice {text} is taken for {price}"));
            }
            Some(price)
        }
        Err(why) => {
            report.leave_out(line, Reason::Price, format!("UnitPrice {text:?} {why}"));
            None
        }
    }
}

/// An exact amount, and whether it was written plainly: digits and a point.
fn amount(text: &str) -> Result<(Decimal, bool), &'static str> {
    if text.is_empty() {
        return Err("is missing");
    }
    let is_mark = |c: char| c.is_whitespace() || "€$£¥₹".contains(c) || c.is_ascii_uppercase();
    let bare = text.trim_matches(is_mark);
    let is_negative = bare.starts_with('-') || (text.starts_with('(') && text.ends_with(')'));
    if is_negative {
        return Err("is negative");
    }
    if bare.contains(['e', 'E']) {
        return Err("is in scientific notation, which has lost digits");
    }
    let plain = with_point(bare)?;
    let amount: Decimal = Decimal::from_str_exact(&plain).map_err(|_| "is no number")?;
    let amount = if PRICE_SCALE_MAX < amount.scale() { amount.normalize() } else { amount };
    if PRICE_SCALE_MAX < amount.scale() {
        return Err("has more than 6 digits after the point");
    }
    Ok((amount, plain == text))
}

/// The digits with a point, whatever stands for it, and without what divides thousands.
fn with_point(text: &str) -> Result<String, &'static str> {
    let is_divider = |c: char| c == '\'' || c == '\u{2019}' || c.is_whitespace();
    if !text.chars().all(|c| c.is_ascii_digit() || c == '.' || c == ',' || is_divider(c)) {
        return Err("is no number");
    }
    let (points, commas) = (text.matches('.').count(), text.matches(',').count());
    let last = text.rfind(['.', ',']);
    let (whole, fraction) = match (points, commas) {
        // The vendor's own form.
        (1, 0) => last.map_or((text, ""), |at| split_at(text, at)),
        (0, 1) => {
            let (whole, fraction) = last.map_or((text, ""), |at| split_at(text, at));
            if fraction.len() == 3 {
                return Err("is ambiguous: thousands, or a fraction of three digits");
            }
            (whole, fraction)
        }
        // Of two kinds, the last one is the point; of several of one kind, none is.
        (_, 0) | (0, _) => (text, ""),
        (points, commas) => {
            let (whole, fraction) = last.map_or((text, ""), |at| split_at(text, at));
            let point = text.get(whole.len()..).and_then(|rest| rest.chars().next());
            if (point == Some('.') && points != 1) || (point == Some(',') && commas != 1) {
                return Err("is no number");
            }
            (whole, fraction)
        }
    };
    let groups: Vec<&str> = whole.split(|c: char| c == '.' || c == ',' || is_divider(c)).collect();
    let is_grouped = groups.iter().skip(1).all(|group| group.len() == 3)
        && groups.first().is_some_and(|first| 1 < groups.len() && (1..=3).contains(&first.len()));
    if 1 < groups.len() && !is_grouped {
        return Err("has thousands that are not three digits");
    }
    let whole = groups.concat();
    let is_number = !whole.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    match (is_number, fraction) {
        (false, _) => Err("is no number"),
        (true, "") if points.saturating_add(commas) == 1 && groups.len() == 1 => {
            Err("is no number")
        }
        (true, "") => Ok(whole),
        (true, fraction) => Ok(format!("{whole}.{fraction}")),
    }
}

fn split_at(text: &str, at: usize) -> (&str, &str) {
    let (whole, rest) = text.split_at_checked(at).unwrap_or((text, ""));
    (whole, rest.get(1..).unwrap_or_default())
}

/// An instant; `None` for a field that is empty or holds a placeholder. The last day of a price, written
/// without a time or as its last second, belongs to it.
pub(super) fn date(
    line: &Line<'_>,
    report: &mut Report,
    column: &str,
    is_end: bool,
) -> Result<Option<DateTime<Utc>>, LeftOut> {
    let text = line.get(column);
    if text.is_empty() {
        return Ok(None);
    }
    let Some((at, has_time)) = instant(text) else {
        let message = format!("{column} {text:?} is no date such as 2026-11-01 or 11/1/2026 0:00");
        report.leave_out(line, Reason::Dates, message);
        return Err(LeftOut);
    };
    if at.year() <= NO_YEAR_UNTIL || NO_YEAR_FROM <= at.year() {
        return Ok(None);
    }
    if text.contains('/') {
        let message = format!("{column} {text} is taken for {}: month, day, year", at.date());
        report.mend(line, Reason::Dates, message);
    }
    let last_second = NaiveTime::from_hms_opt(23, 59, 59);
    let is_whole_day = is_end && (!has_time || last_second.is_some_and(|last| last <= at.time()));
    let at = if is_whole_day {
        at.date().checked_add_days(Days::new(1)).map(|day| day.and_time(NaiveTime::MIN))
    } else {
        Some(at)
    };
    Ok(at.map(|at| at.and_utc()))
}

/// A date and time as vendors write it, in UTC, and whether the time was there.
fn instant(text: &str) -> Option<(NaiveDateTime, bool)> {
    if let Some(day) = day(text) {
        return Some((day.and_time(NaiveTime::MIN), false));
    }
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some((to_millis(at.naive_utc()), true));
    }
    let (first, rest) = text.split_once([' ', 'T'])?;
    let time = time(rest.trim())?;
    Some((to_millis(day(first)?.and_time(time)), true))
}

fn day(text: &str) -> Option<NaiveDate> {
    let form = if text.contains('/') { "%m/%d/%Y" } else { "%Y-%m-%d" };
    let day = NaiveDate::parse_from_str(text, form).ok()?;
    (1000..=9999).contains(&day.year()).then_some(day)
}

fn time(text: &str) -> Option<NaiveTime> {
    let forms = ["%H:%M:%S%.f", "%H:%M", "%I:%M:%S %p", "%I:%M %p", "%H:%M:%S%.fZ"];
    forms.into_iter().find_map(|form| NaiveTime::parse_from_str(text, form).ok())
}

/// Cut to milliseconds, as all instants of the ledger.
fn to_millis(at: NaiveDateTime) -> NaiveDateTime {
    let over = at.and_utc().timestamp_subsec_nanos() % 1_000_000;
    at.checked_sub_signed(TimeDelta::nanoseconds(i64::from(over))).unwrap_or(at)
}

/// Whether the price holds for every quantity; another one is noted.
pub(super) fn tier(line: &Line<'_>, report: &mut Report) -> bool {
    let is_open = |column: &str| matches!(line.get(column), "" | "1");
    let is_first = is_open("PricingTierRangeMin") && is_open("PricingTierRangeMax");
    if !is_first {
        let (from, to) = (line.get("PricingTierRangeMin"), line.get("PricingTierRangeMax"));
        let message = format!("it is the price of {from:?} to {to:?} seats only");
        report.leave_out(line, Reason::Tier, message);
    }
    is_first
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, &'static str> {
        amount(text).map(|(amount, _)| amount.to_string())
    }

    #[test]
    fn amounts_are_read_as_they_are_written_around_the_world() {
        for (text, expected) in [
            ("12.5", "12.5"),
            ("0", "0"),
            ("1.234", "1.234"),
            ("12,50", "12.50"),
            ("1,234.50", "1234.50"),
            ("1.234,50", "1234.50"),
            ("1,234,567", "1234567"),
            ("1 234,50 €", "1234.50"),
            ("1\u{a0}234,50", "1234.50"),
            ("1'234.50", "1234.50"),
            ("$12.50", "12.50"),
            ("12.50 USD", "12.50"),
            ("12.500000000000000000", "12.5"),
        ] {
            assert_eq!(read(text), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn an_amount_that_could_be_another_one_is_not_read() {
        for text in [
            "",
            "-1",
            "(1.00)",
            "1.05E+02",
            "1,234",
            "1,23,4",
            "1.2.3,4,5",
            "12.1234567",
            "free",
            ".",
            "5.",
            "12..5",
            "1,2345.6",
            "#REF!",
            "99999999999999999999999999999999",
        ] {
            assert!(read(text).is_err(), "{text}: {:?}", read(text));
        }
    }

    #[test]
    fn dates_are_read_in_the_vendors_forms() {
        for (text, expected, has_time) in [
            ("2026-11-01", "2026-11-01T00:00:00", false),
            ("11/1/2026", "2026-11-01T00:00:00", false),
            ("11/1/2026 0:00", "2026-11-01T00:00:00", true),
            ("11/1/2026 12:00:00 AM", "2026-11-01T00:00:00", true),
            ("12/31/9999 11:59:59 PM", "9999-12-31T23:59:59", true),
            ("2026-11-01T00:00:00.0000000Z", "2026-11-01T00:00:00", true),
            ("2026-11-01T00:00:00", "2026-11-01T00:00:00", true),
            ("2026-11-01 08:30", "2026-11-01T08:30:00", true),
            ("2026-11-01T02:00:00+02:00", "2026-11-01T00:00:00", true),
        ] {
            assert_eq!(instant(text), Some((expected.parse().unwrap(), has_time)), "{text}");
        }
        for text in ["31/12/2026", "45231", "1.11.2026", "2026-13-01", "soon", "11/1/26"] {
            assert_eq!(instant(text), None, "{text}");
        }
    }
}
