//! Numbers, days and names as spreadsheets leave them. What can be read in two ways is not read.

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;

/// What stands before the cents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecimalMark {
    /// `1,234.56`.
    Point,
    /// `1.234,56`.
    Comma,
}

/// What comes first in `03/01/2024`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateOrder {
    /// 1 March.
    MonthFirst,
    /// 3 January.
    DayFirst,
}

/// Why a text is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unclear {
    /// It can be read in two ways.
    Ambiguous,
    /// It cannot be read.
    Wrong,
}

/// A field without what a spreadsheet puts around it to keep a text a text: `'0001` and `="0001"`.
pub(super) fn plain(field: &str) -> &str {
    let field = field.trim();
    let formula = field.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"'));
    formula.or_else(|| field.strip_prefix('\'')).unwrap_or(field).trim()
}

/// What a number says about the mark by itself: `12.5` a point, `1.234,5` a comma, `1.234` nothing.
pub(super) fn mark_of(text: &str) -> Option<DecimalMark> {
    let (point, comma) = (text.rfind('.'), text.rfind(','));
    let (at, mark, other) = match (point, comma) {
        (None, None) => return None,
        (Some(point), Some(comma)) if comma < point => return Some(DecimalMark::Point),
        (Some(_), Some(_)) => return Some(DecimalMark::Comma),
        (Some(point), None) => (point, DecimalMark::Point, DecimalMark::Comma),
        (None, Some(comma)) => (comma, DecimalMark::Comma, DecimalMark::Point),
    };
    let (before, after) = (text.get(..at)?, text.get(at.saturating_add(1)..)?);
    if before.contains(['.', ',']) {
        return Some(other);
    }
    let before = before.trim_start_matches(['-', '+']);
    let is_group = after.len() == 3
        && after.bytes().all(|byte| byte.is_ascii_digit())
        && (1..=3).contains(&before.len())
        && !before.starts_with('0');
    (!is_group).then_some(mark)
}

/// A number such as `1234.56`, `1,234.56`, `1.234,56` or `0E-20`.
pub(super) fn number(text: &str, known: Option<DecimalMark>) -> Result<Decimal, Unclear> {
    if !text.contains(['.', ',']) {
        return decimal(text);
    }
    let mark = match (mark_of(text), known) {
        (Some(own), Some(known)) if own != known => return Err(Unclear::Wrong),
        (Some(mark), _) | (None, Some(mark)) => mark,
        (None, None) => return Err(Unclear::Ambiguous),
    };
    let (decimal_mark, group_mark) = match mark {
        DecimalMark::Point => ('.', ','),
        DecimalMark::Comma => (',', '.'),
    };
    let (whole, rest) = text.split_once(decimal_mark).unwrap_or((text, ""));
    if rest.contains(['.', ',']) {
        return Err(Unclear::Wrong);
    }
    if mark == DecimalMark::Point && !whole.contains(group_mark) {
        return decimal(text);
    }
    let mut groups = whole.trim_start_matches(['-', '+']).split(group_mark);
    let first = groups.next().unwrap_or_default();
    let is_whole = !whole.contains(group_mark) || (1..=3).contains(&first.len());
    if !is_whole || groups.any(|group| group.len() != 3) {
        return Err(Unclear::Wrong);
    }
    decimal(&format!("{}.{rest}", whole.replace(group_mark, "")))
}

fn decimal(text: &str) -> Result<Decimal, Unclear> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let read = if text.contains(['e', 'E']) {
        Decimal::from_scientific(text)
    } else {
        Decimal::from_str_exact(text)
    };
    read.map_err(|_| Unclear::Wrong)
}

/// What a day says about the order by itself: `31/03/2024` that the day comes first.
pub(super) fn order_of(text: &str) -> Option<DateOrder> {
    let (first, second, _) = slashed(date_part(text))?;
    match (12 < first, 12 < second) {
        (true, false) => Some(DateOrder::DayFirst),
        (false, true) => Some(DateOrder::MonthFirst),
        (true, true) | (false, false) => None,
    }
}

/// A day such as `2024-03-01T00:00:00Z`, `3/1/2024 12:00:00 AM` or `01.03.2024`; of an instant that
/// names its distance from UTC, the day in UTC.
pub(super) fn day(text: &str, known: Option<DateOrder>) -> Result<NaiveDate, Unclear> {
    let date = date_part(text);
    let time = text.get(date.len()..).unwrap_or_default();
    let is_time = |c: char| c.is_ascii_digit() || " :.TZAPMapm+-".contains(c);
    if !matches!(time, "" | "T00:00:00Z") && !time.chars().all(is_time) {
        return Err(Unclear::Wrong);
    }
    if time.contains(['+', '-']) {
        let instant = DateTime::parse_from_rfc3339(text).map_err(|_| Unclear::Wrong)?;
        return Ok(instant.with_timezone(&Utc).date_naive());
    }
    let (year, month, day) = if let Some((first, second, year)) = slashed(date) {
        let order = match (order_of(date), known) {
            _ if first == second => DateOrder::DayFirst,
            (Some(own), Some(known)) if own != known => return Err(Unclear::Wrong),
            (Some(order), _) | (None, Some(order)) => order,
            (None, None) => return Err(Unclear::Ambiguous),
        };
        match order {
            DateOrder::DayFirst => (year, second, first),
            DateOrder::MonthFirst => (year, first, second),
        }
    } else {
        let mark = if date.contains('.') { '.' } else { '-' };
        let mut parts = date.split(mark).map(digits);
        let mut next = || parts.next().flatten().ok_or(Unclear::Wrong);
        let three = (next()?, next()?, next()?);
        if parts.next().is_some() {
            return Err(Unclear::Wrong);
        }
        if mark == '.' { (three.2, three.1, three.0) } else { three }
    };
    let year = i32::try_from(year).ok().filter(|year| (1000..=9999).contains(year));
    year.and_then(|year| NaiveDate::from_ymd_opt(year, month, day)).ok_or(Unclear::Wrong)
}

fn date_part(text: &str) -> &str {
    text.split(['T', ' ']).next().unwrap_or_default()
}

/// The parts of `a/b/year`.
fn slashed(date: &str) -> Option<(u32, u32, u32)> {
    let mut parts = date.split('/').map(digits);
    let three = (parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then_some(three)
}

fn digits(text: &str) -> Option<u32> {
    let is_number = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// A reference, also out of `{"id":"...","v":"2.0"}`; `None` when there is none.
pub(super) fn reference(text: &str) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    let inner = text
        .starts_with('{')
        .then(|| serde_json::from_str::<serde_json::Value>(text).ok())
        .flatten()
        .and_then(|value| Some(value.get("id")?.as_str()?.to_owned()));
    Some(inner.unwrap_or_else(|| text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, known: Option<DecimalMark>) -> Result<String, Unclear> {
        number(text, known).map(|number| number.normalize().to_string())
    }

    #[test]
    fn numbers_are_read_by_their_marks_and_never_guessed() {
        use DecimalMark::{Comma, Point};
        let is = |text: &str| Ok(text.to_owned());
        assert_eq!(read("1,234.56", None), is("1234.56"));
        assert_eq!(read("-1.234,56", None), is("-1234.56"));
        assert_eq!(read("1.234.567", None), is("1234567"));
        assert_eq!(read("0E-20", None), is("0"));
        assert_eq!(read("-94.080000000000000000", None), is("-94.08"));
        assert_eq!(read("0.123", None), is("0.123"));
        assert_eq!(read("1234.567", None), is("1234.567"));
        assert_eq!(read("9.408", None), Err(Unclear::Ambiguous));
        assert_eq!(read("9.408", Some(Point)), is("9.408"));
        assert_eq!(read("9.408", Some(Comma)), is("9408"));
        assert_eq!(read("9,408", Some(Comma)), is("9.408"));
        assert_eq!(read("10,08", Some(Point)), Err(Unclear::Wrong));
        assert_eq!(read("12,34,567.8", None), Err(Unclear::Wrong));
        assert_eq!(read("1.2.3,4", None), Err(Unclear::Wrong));
        assert_eq!(read("ten", None), Err(Unclear::Wrong));
        assert_eq!(read("", None), Err(Unclear::Wrong));
        assert_eq!(read("1,234.5,6", None), Err(Unclear::Wrong));
    }

    #[test]
    fn days_are_read_in_every_form_and_never_guessed() {
        use DateOrder::{DayFirst, MonthFirst};
        let first_of_march = NaiveDate::from_ymd_opt(2024, 3, 1).unwrap();
        for text in ["2024-03-01", "2024-03-01T00:00:00Z", "2024-03-01 00:00:00", "01.03.2024"] {
            assert_eq!(day(text, None), Ok(first_of_march), "{text}");
        }
        assert_eq!(day("3/1/2024 12:00:00 AM", None), Err(Unclear::Ambiguous));
        assert_eq!(day("3/1/2024 12:00:00 AM", Some(MonthFirst)), Ok(first_of_march));
        assert_eq!(day("01/03/2024", Some(DayFirst)), Ok(first_of_march));
        assert_eq!(order_of("31/03/2024"), Some(DayFirst));
        assert_eq!(order_of("3/31/2024 12:00:00 AM"), Some(MonthFirst));
        let eve = first_of_march.pred_opt().unwrap();
        assert_eq!(day("2024-03-01T00:00:00+01:00", None), Ok(eve), "the day in UTC");
        assert_eq!(day("31/03/2024", Some(MonthFirst)), Err(Unclear::Wrong));
        for text in ["2024-02-30", "31/31/2024", "1/3/24", "soon", "", "2024-03-01x", "45352"] {
            assert_eq!(day(text, Some(DayFirst)), Err(Unclear::Wrong), "{text}");
        }
    }

    #[test]
    fn names_lose_what_a_spreadsheet_put_around_them() {
        assert_eq!(plain(" '0001 "), "0001");
        assert_eq!(plain("=\"0001\""), "0001");
        assert_eq!(reference(r#"{"id":"r-1","v":"2.0"}"#).as_deref(), Some("r-1"));
        assert_eq!(reference("r-1").as_deref(), Some("r-1"));
        assert_eq!(reference(""), None);
    }
}
