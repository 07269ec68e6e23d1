//! Days, terms and charge cycles, all UTC. No clock: instants come in as arguments.

use std::fmt;

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, TimeDelta, Timelike, Utc};
use serde::{Deserialize, Serialize};

/// A date fell outside the supported calendar (years 1 to 9999).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a day that follows from it lies outside the years 1 to 9999")]
pub struct DateOutOfRange;

/// How long a commitment runs. Source: domain, section 1.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TermDuration {
    /// One month.
    P1M,
    /// One year.
    P1Y,
    /// Three years.
    P3Y,
}

impl TermDuration {
    /// Length in calendar months.
    #[must_use]
    pub const fn months(self) -> u32 {
        match self {
            Self::P1M => 1,
            Self::P1Y => 12,
            Self::P3Y => 36,
        }
    }
}

/// How often a subscription is charged. Source: domain, section 1.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BillingCycle {
    /// Every month.
    Monthly,
    /// Every year.
    Annual,
    /// Every three years.
    Triennial,
}

impl fmt::Display for BillingCycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Monthly => "monthly",
            Self::Annual => "annual",
            Self::Triennial => "triennial",
        })
    }
}

impl BillingCycle {
    /// Length in calendar months.
    #[must_use]
    pub const fn months(self) -> u32 {
        match self {
            Self::Monthly => 1,
            Self::Annual => 12,
            Self::Triennial => 36,
        }
    }
}

/// What a start on the 30th or 31st becomes in shorter months. Source: domain, section 11, no. 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnchorRule {
    /// A start on the 31st keeps "last day", a start on 30 January keeps "day before the last";
    /// up to the 29th the day number is kept and clamped.
    EndOfMonthOffset,
    /// The day number is kept and clamped to the last day of the month.
    Clamp,
}

/// A run of whole days, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    /// First day.
    pub start: NaiveDate,
    /// Last day, included.
    pub end: NaiveDate,
}

impl Period {
    /// Number of days; zero when the end lies before the start.
    #[must_use]
    pub fn days(&self) -> u32 {
        let days = self.end.signed_duration_since(self.start).num_days().saturating_add(1);
        u32::try_from(days.max(0)).unwrap_or(u32::MAX)
    }

    /// Whether `day` is one of the days.
    #[must_use]
    pub fn contains(&self, day: NaiveDate) -> bool {
        self.start <= day && day <= self.end
    }
}

/// A calendar month, UTC: one billing period. In text `2024-03`. Source: domain, section 4.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Month(NaiveDate);

/// The text is no month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no month such as 2024-03")]
pub struct NotAMonth;

impl Month {
    /// The month that `day` lies in.
    #[must_use]
    pub fn of(day: NaiveDate) -> Self {
        Self(day.with_day(1).unwrap_or(day))
    }

    /// Its first day.
    #[must_use]
    pub const fn first(self) -> NaiveDate {
        self.0
    }

    /// Its last day.
    #[must_use]
    pub fn last(self) -> NaiveDate {
        let next = self.0.checked_add_months(Months::new(1));
        next.and_then(|next| next.pred_opt()).unwrap_or(self.0)
    }

    /// The month after it.
    ///
    /// # Errors
    ///
    /// [`DateOutOfRange`] in the last month of the calendar.
    pub fn next(self) -> Result<Self, DateOutOfRange> {
        in_range(self.0.checked_add_months(Months::new(1))).map(Self)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0.year(), self.0.month())
    }
}

impl std::str::FromStr for Month {
    type Err = NotAMonth;

    fn from_str(text: &str) -> Result<Self, NotAMonth> {
        let day = text.is_ascii().then(|| format!("{text}-01").parse::<NaiveDate>().ok()).flatten();
        let month = day.and_then(|day| in_range(Some(day)).ok()).map(Self);
        month.filter(|month| month.to_string() == text).ok_or(NotAMonth)
    }
}

impl TryFrom<String> for Month {
    type Error = NotAMonth;

    fn try_from(text: String) -> Result<Self, NotAMonth> {
        text.parse()
    }
}

impl From<Month> for String {
    fn from(month: Month) -> Self {
        month.to_string()
    }
}

/// Returns the term of `duration` that starts on `start`.
///
/// The last day is the day before the (clamped) anniversary: 31 January plus one month ends on
/// 27 February. Source: domain, section 1.5.
///
/// # Errors
///
/// [`DateOutOfRange`] when the term would leave the calendar.
pub fn term(start: NaiveDate, duration: TermDuration) -> Result<Period, DateOutOfRange> {
    let next = in_range(start.checked_add_months(Months::new(duration.months())))?;
    Ok(Period { start, end: in_range(next.checked_sub_days(Days::new(1)))? })
}

/// Returns the instant at which a term with the inclusive last day `end` is over: the next midnight.
///
/// Source: domain, section 1.6.
///
/// # Errors
///
/// [`DateOutOfRange`] when there is no next day.
pub fn renewal_due(end: NaiveDate) -> Result<DateTime<Utc>, DateOutOfRange> {
    Ok(midnight(in_range(end.checked_add_days(Days::new(1)))?))
}

/// Returns the charge cycle that contains `day`, counted in steps of `billing` from `anchor`.
///
/// Every step is counted from the anchor itself, so a short month leaves no trace. Days before the
/// anchor belong to the first cycle. Source: domain, sections 1.5 and 4.1.
///
/// # Errors
///
/// [`DateOutOfRange`] when the cycle would leave the calendar.
pub fn charge_cycle(
    anchor: NaiveDate,
    billing: BillingCycle,
    rule: AnchorRule,
    day: NaiveDate,
) -> Result<Period, DateOutOfRange> {
    let step_months = billing.months();
    let elapsed_months = months_between(anchor, day);
    // The day may lie a little before or after the step its month suggests.
    let mut step = (elapsed_months / step_months).saturating_sub(1);
    loop {
        let months = step.checked_mul(step_months).ok_or(DateOutOfRange)?;
        let next_months = months.checked_add(step_months).ok_or(DateOutOfRange)?;
        let start = anchored(anchor, months, rule)?;
        let next = anchored(anchor, next_months, rule)?;
        if day < next {
            return Ok(Period { start, end: in_range(next.checked_sub_days(Days::new(1)))? });
        }
        step = step.checked_add(1).ok_or(DateOutOfRange)?;
    }
}

/// Returns the day `months` after `anchor` under `rule`.
fn anchored(anchor: NaiveDate, months: u32, rule: AnchorRule) -> Result<NaiveDate, DateOutOfRange> {
    let clamped = in_range(anchor.checked_add_months(Months::new(months)))?;
    match rule {
        AnchorRule::EndOfMonthOffset if 30 <= anchor.day() => {
            let days_before_last = last_day(anchor)?.day().saturating_sub(anchor.day());
            in_range(last_day(clamped)?.checked_sub_days(Days::new(u64::from(days_before_last))))
        }
        AnchorRule::EndOfMonthOffset | AnchorRule::Clamp => Ok(clamped),
    }
}

fn last_day(day: NaiveDate) -> Result<NaiveDate, DateOutOfRange> {
    let first = in_range(day.with_day(1))?;
    let next = in_range(first.checked_add_months(Months::new(1)))?;
    in_range(next.checked_sub_days(Days::new(1)))
}

fn months_between(from: NaiveDate, to: NaiveDate) -> u32 {
    let months = |day: NaiveDate| i64::from(day.year()) * 12 + i64::from(day.month0());
    u32::try_from(months(to).saturating_sub(months(from))).unwrap_or(0)
}

fn in_range(day: Option<NaiveDate>) -> Result<NaiveDate, DateOutOfRange> {
    day.filter(|day| (1..=9999).contains(&day.year())).ok_or(DateOutOfRange)
}

/// Returns `instant` plus whole hours.
///
/// # Errors
///
/// [`DateOutOfRange`] when the sum leaves the calendar.
pub fn add_hours(instant: DateTime<Utc>, hours: u32) -> Result<DateTime<Utc>, DateOutOfRange> {
    let sum = instant.checked_add_signed(TimeDelta::hours(i64::from(hours)));
    sum.filter(|sum| (1..=9999).contains(&sum.year())).ok_or(DateOutOfRange)
}

/// Returns the first instant of `day`.
#[must_use]
pub fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(chrono::NaiveTime::MIN).and_utc()
}

/// Returns `instant` without its fraction of a millisecond: the resolution of every stored instant.
#[must_use]
pub fn to_millis(instant: DateTime<Utc>) -> DateTime<Utc> {
    let nanos = instant.nanosecond() % 1_000_000;
    instant.checked_sub_signed(TimeDelta::nanoseconds(i64::from(nanos))).unwrap_or(instant)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn term_of(start: &str, duration: TermDuration) -> String {
        term(day(start), duration).unwrap().end.to_string()
    }

    /// The first days of the charge cycles that follow the one of `anchor`.
    fn monthly_starts(anchor: &str, rule: AnchorRule, count: usize) -> Vec<String> {
        let mut starts = Vec::new();
        let mut at = day(anchor);
        for _ in 0..count {
            let cycle = charge_cycle(day(anchor), BillingCycle::Monthly, rule, at).unwrap();
            at = cycle.end.succ_opt().unwrap();
            starts.push(at.format("%d %b").to_string());
        }
        starts
    }

    #[test]
    fn monthly_terms_clamp_and_do_not_stick_to_the_month_end() {
        for (start, end) in [
            ("2021-01-31", "2021-02-27"),
            ("2021-02-28", "2021-03-27"),
            ("2021-05-31", "2021-06-29"),
            ("2021-06-30", "2021-07-29"),
            ("2021-07-31", "2021-08-30"),
            ("2021-01-30", "2021-02-27"),
        ] {
            assert_eq!(term_of(start, TermDuration::P1M), end, "{start}");
        }
    }

    #[test]
    fn an_annual_term_from_29_february_ends_on_27_february() {
        assert_eq!(term_of("2024-02-29", TermDuration::P1Y), "2025-02-27");
    }

    #[test]
    fn a_term_is_over_at_the_midnight_after_its_last_day() {
        assert_eq!(
            renewal_due(day("2023-03-01")).unwrap().to_rfc3339(),
            "2023-03-02T00:00:00+00:00"
        );
    }

    #[test]
    fn cycles_from_the_31st_keep_the_last_day() {
        let starts = monthly_starts("2021-01-31", AnchorRule::EndOfMonthOffset, 4);
        assert_eq!(starts, ["28 Feb", "31 Mar", "30 Apr", "31 May"]);
    }

    #[test]
    fn cycles_from_30_january_keep_the_day_before_the_last() {
        let starts = monthly_starts("2021-01-30", AnchorRule::EndOfMonthOffset, 5);
        assert_eq!(starts, ["27 Feb", "30 Mar", "29 Apr", "30 May", "29 Jun"]);
    }

    #[test]
    fn clamped_cycles_keep_the_day_number() {
        let starts = monthly_starts("2021-01-30", AnchorRule::Clamp, 3);
        assert_eq!(starts, ["28 Feb", "30 Mar", "30 Apr"]);
    }

    #[test]
    fn a_cycle_is_as_long_as_the_month_it_starts_in() {
        let days = |at| {
            let rule = AnchorRule::EndOfMonthOffset;
            charge_cycle(day("2021-01-21"), BillingCycle::Monthly, rule, day(at)).unwrap().days()
        };
        assert_eq!(days("2021-02-25"), 28);
        assert_eq!(days("2021-03-21"), 31);
        assert_eq!(days("2024-02-21"), 29);
    }

    #[test]
    fn a_month_is_written_as_year_and_month() {
        let month: Month = "2024-02".parse().unwrap();
        assert_eq!(month, Month::of(day("2024-02-29")));
        assert_eq!((month.first(), month.last()), (day("2024-02-01"), day("2024-02-29")));
        assert_eq!(month.next().unwrap().to_string(), "2024-03");
        for text in ["", "2024", "2024-13", "2024-2", "2024-02-01", " 2024-02", "2024-02 ", "é"] {
            assert_eq!(text.parse::<Month>(), Err(NotAMonth), "{text:?}");
        }
        assert_eq!("9999-12".parse::<Month>().unwrap().next(), Err(DateOutOfRange));
    }

    #[test]
    fn the_end_of_the_calendar_is_an_error() {
        assert_eq!(term(day("9999-12-01"), TermDuration::P1Y), Err(DateOutOfRange));
        assert_eq!(renewal_due(day("9999-12-31")), Err(DateOutOfRange));
    }
}
