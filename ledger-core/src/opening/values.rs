//! Single values as people and programs write them. What is ambiguous is refused, not guessed.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use rust_decimal::Decimal;

use crate::calendar::{BillingCycle, TermDuration, midnight, to_millis};
use crate::customer::EndOfTermAction;

/// A value, and how it was written if that is not how it should be.
pub(super) type Read<T> = Result<(T, Option<String>), String>;

const DAY: &str = "a day such as 2025-03-01";
const INSTANT: &str = "an instant such as 2025-03-01T09:00:00Z";

fn plain<T>(value: T) -> (T, Option<String>) {
    (value, None)
}

pub(super) fn quantity(text: &str) -> Read<u32> {
    let digits = text.chars().all(|c| c.is_ascii_digit());
    let value = digits.then(|| text.parse().ok()).flatten();
    value.map(plain).ok_or_else(|| expected(text, "a whole number from 0 to 4294967295"))
}

pub(super) fn amount(text: &str) -> Read<Decimal> {
    let is_plain = text.chars().all(|c| c.is_ascii_digit() || c == '.');
    let value = is_plain.then(|| Decimal::from_str_exact(text).ok()).flatten();
    value.map(plain).ok_or_else(|| expected(text, "an amount such as 105.60, without a currency"))
}

pub(super) fn yes(text: &str) -> Read<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" => Ok(plain(true)),
        "false" | "no" | "0" => Ok(plain(false)),
        _ => Err(expected(text, "true or false")),
    }
}

pub(super) fn term(text: &str) -> Read<TermDuration> {
    let mended = |term, name| Ok((term, Some(format!("{text} was read as {name}"))));
    match text.to_ascii_uppercase().as_str() {
        "P1M" => Ok(plain(TermDuration::P1M)),
        "P1Y" => Ok(plain(TermDuration::P1Y)),
        "P3Y" => Ok(plain(TermDuration::P3Y)),
        "P12M" => mended(TermDuration::P1Y, "P1Y"),
        "P36M" => mended(TermDuration::P3Y, "P3Y"),
        _ => Err(expected(text, "P1M, P1Y or P3Y")),
    }
}

pub(super) fn billing(text: &str) -> Read<BillingCycle> {
    match text.to_ascii_lowercase().as_str() {
        "monthly" => Ok(plain(BillingCycle::Monthly)),
        "annual" => Ok(plain(BillingCycle::Annual)),
        "triennial" => Ok(plain(BillingCycle::Triennial)),
        _ => Err(expected(text, "monthly, annual or triennial")),
    }
}

pub(super) fn end_of_term(text: &str) -> Read<EndOfTermAction> {
    match text.to_ascii_lowercase().replace(['_', ' '], "-").as_str() {
        "renew" => Ok(plain(EndOfTermAction::Renew)),
        "cancel" => Ok(plain(EndOfTermAction::Cancel)),
        "extended-service-term" => Ok(plain(EndOfTermAction::ExtendedServiceTerm)),
        "lapse" => Ok(plain(EndOfTermAction::Lapse)),
        _ => Err(expected(text, "renew, cancel, extended-service-term or lapse")),
    }
}

/// A day; of an instant, the day in UTC.
pub(super) fn day(text: &str) -> Read<NaiveDate> {
    if let Some(day) = bare_day(text) {
        let mended = (text.len() != 10 || text.contains('/'))
            .then(|| format!("{text} was read as the day {day}"));
        return Ok((day, mended));
    }
    let (instant, _) = written_instant(text).ok_or_else(|| expected(text, DAY))?;
    let day = instant.date_naive();
    let is_utc = text.ends_with('Z') || !text.get(10..).unwrap_or("").contains(['+', '-']);
    Ok((day, (!is_utc).then(|| format!("{text} was read as the day {day} in UTC"))))
}

/// An instant; a day is its first one.
pub(super) fn from(text: &str) -> Read<DateTime<Utc>> {
    instant(text, midnight)
}

/// An instant; a day is its last millisecond.
pub(super) fn until(text: &str) -> Read<DateTime<Utc>> {
    instant(text, |day| {
        let next = day.checked_add_days(Days::new(1)).map(midnight);
        let last = next.and_then(|next| next.checked_sub_signed(TimeDelta::milliseconds(1)));
        last.unwrap_or_else(|| midnight(day))
    })
}

fn instant(text: &str, of_day: fn(NaiveDate) -> DateTime<Utc>) -> Read<DateTime<Utc>> {
    if let Some(day) = bare_day(text) {
        let instant = of_day(day);
        return Ok((instant, Some(format!("{text} was read as {}", instant.to_rfc3339()))));
    }
    let (instant, is_mended) = written_instant(text).ok_or_else(|| expected(text, INSTANT))?;
    let instant = to_millis(instant);
    let mended = is_mended.then(|| format!("{text} was read as {} in UTC", instant.to_rfc3339()));
    Ok((instant, mended))
}

/// The year comes first in every form that is read, so that no month is taken for a day.
fn bare_day(text: &str) -> Option<NaiveDate> {
    let forms = ["%Y-%m-%d", "%Y/%m/%d", "%Y%m%d"];
    let is_short = text.len() <= 10 && text.get(..4)?.chars().all(|c| c.is_ascii_digit());
    let day = forms.iter().find_map(|form| NaiveDate::parse_from_str(text, form).ok());
    day.filter(|_| is_short)
}

/// An instant, and whether its zone had to be supposed.
fn written_instant(text: &str) -> Option<(DateTime<Utc>, bool)> {
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Some((instant.to_utc(), false));
    }
    let forms = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"];
    let instant = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    instant.map(|instant| (instant.and_utc(), true))
}

/// Whether it is the date that some programs write where there is none.
pub(super) fn is_no_date(text: &str) -> bool {
    text.starts_with("0001-01-01")
}

fn expected(text: &str, what: &str) -> String {
    let shown: String = text.chars().take(40).collect();
    format!("{shown:?} is not {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: ToString>(read: Read<T>) -> Result<(String, bool), String> {
        read.map(|(value, mended)| (value.to_string(), mended.is_some()))
    }

    #[test]
    fn days_are_read_in_every_form_that_begins_with_the_year() {
        for (text, mended) in [
            ("2025-03-01", false),
            ("2025/03/01", true),
            ("20250301", true),
            ("2025-03-01T23:59:59Z", false),
            ("2025-03-01T00:00:00", false),
            ("2025-03-02T00:30:00+01:00", true),
        ] {
            assert_eq!(read(day(text)), Ok(("2025-03-01".to_owned(), mended)), "{text}");
        }
        for text in ["01/03/2025", "3/1/25", "2025-02-30", "45717", "", "soon", "2025-03"] {
            assert!(day(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_day_is_open_until_its_last_millisecond() {
        let (instant, mended) = until("2025-03-01").unwrap();
        assert_eq!(instant.to_rfc3339(), "2025-03-01T23:59:59.999+00:00");
        assert!(mended.is_some());
        let (instant, mended) = until("2025-03-01T09:21:24.1234567Z").unwrap();
        assert_eq!((instant.to_rfc3339(), mended), ("2025-03-01T09:21:24.123+00:00".into(), None));
    }

    #[test]
    fn numbers_that_could_mean_two_things_are_refused() {
        for text in ["-1", "1.0", "1e3", "4294967296", "1 000", "", "+1", "١"] {
            assert!(quantity(text).is_err(), "{text}");
        }
        for text in ["10,08", "1.000.00", "-1", "EUR 5", "", "."] {
            assert!(amount(text).is_err(), "{text}");
        }
        assert_eq!(read(amount("0010.0800")), Ok(("10.0800".to_owned(), false)));
    }
}
