//! The only place that asks for the time: the machine's clock, or one that moves when told to.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use chrono::{DateTime, Datelike, Months, TimeDelta, Utc};
use ledger_core::calendar::to_millis;
use ledger_core::folder::{self, ClockKind, write_durably};
use serde::{Deserialize, Serialize};

/// Dates commands and answers "what is due".
#[derive(Debug)]
pub enum Clock {
    /// The machine's clock.
    Real,
    /// A clock that moves only when told to.
    Simulated(SimulatedClock),
}

impl Clock {
    /// The instant, in whole milliseconds.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        match self {
            Self::Real => to_millis(machine_now()),
            Self::Simulated(clock) => clock.now(),
        }
    }

    /// Which kind it is.
    #[must_use]
    pub const fn kind(&self) -> ClockKind {
        match self {
            Self::Real => ClockKind::Real,
            Self::Simulated(_) => ClockKind::Simulated,
        }
    }
}

/// The machine's wall clock.
#[expect(clippy::disallowed_methods, reason = "this is the clock that all others ask")]
#[must_use]
pub fn machine_now() -> DateTime<Utc> {
    Utc::now()
}

/// The machine's monotonic clock, for how long something lasts; never stored.
#[must_use]
pub fn stopwatch() -> Instant {
    Instant::now()
}

/// A clock that moves only when told to, and remembers where it stands.
#[derive(Debug)]
pub struct SimulatedClock {
    path: PathBuf,
    now: Mutex<DateTime<Utc>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    now: DateTime<Utc>,
}

/// Why a simulated clock cannot be used or moved. It stands where it stood.
#[derive(Debug, thiserror::Error)]
pub enum ClockError {
    /// The clock has been started before.
    #[error("the clock of this folder was started before: leave --clock-start out")]
    StartedBefore,
    /// The file does not say an instant.
    #[error("{0} is damaged: restore it from a backup")]
    Damaged(PathBuf),
    /// The file cannot be read or written.
    #[error("{path} cannot be {action}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried, in the past participle.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// Time does not run backwards.
    #[error("the clock stands at {now} and cannot go back to {asked}")]
    Backwards {
        /// Where it stands.
        now: DateTime<Utc>,
        /// Where it was to go.
        asked: DateTime<Utc>,
    },
}

impl SimulatedClock {
    /// Whether the data folder `root` has a clock that was started.
    #[must_use]
    pub fn is_kept(root: &Path) -> bool {
        root.join(folder::CLOCK).exists()
    }

    /// Opens the clock of the data folder `root`, whose last record is of `latest`; it never stands
    /// before that. Only the clock of a folder without records starts at `start`, or now.
    ///
    /// # Errors
    ///
    /// [`ClockError`] when its file cannot be used, or when it is to start a second time.
    pub fn open(
        root: &Path,
        start: Option<DateTime<Utc>>,
        latest: Option<DateTime<Utc>>,
    ) -> Result<Self, ClockError> {
        let path = root.join(folder::CLOCK);
        let kept = kept(&path)?;
        let was_started = kept.is_some() || latest.is_some();
        if was_started && start.is_some() {
            return Err(ClockError::StartedBefore);
        }
        let now = kept.max(latest).or(start).unwrap_or_else(machine_now);
        let now = to_millis(now);
        let clock = Self { path, now: Mutex::new(now) };
        if kept != Some(now) {
            clock.keep(now)?;
        }
        Ok(clock)
    }

    /// Where it stands.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves it to `to`, durably. Blocks for a sync of the disk.
    ///
    /// # Errors
    ///
    /// [`ClockError`]; it has not moved then.
    pub fn set(&self, to: DateTime<Utc>) -> Result<(), ClockError> {
        let to = to_millis(to);
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if to < *now {
            return Err(ClockError::Backwards { now: *now, asked: to });
        }
        if *now < to {
            self.keep(to)?;
            *now = to;
        }
        Ok(())
    }

    fn keep(&self, now: DateTime<Utc>) -> Result<(), ClockError> {
        let failed = |source| ClockError::Io { path: self.path.clone(), action: "written", source };
        let text = serde_json::to_vec(&Kept { now }).map_err(|err| failed(err.into()))?;
        write_durably(&self.path, &text).map_err(failed)
    }
}

/// Where the clock stood when it was kept last; `None` when its file is missing.
fn kept(path: &Path) -> Result<Option<DateTime<Utc>>, ClockError> {
    match std::fs::read(path) {
        Ok(text) => {
            let kept = serde_json::from_slice(&text);
            let Kept { now } = kept.map_err(|_| ClockError::Damaged(path.to_owned()))?;
            Ok(Some(now))
        }
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ClockError::Io { path: path.to_owned(), action: "read", source }),
    }
}

/// A span of time as ISO 8601 writes it: `P30D`, `P1Y2M`, `PT2H`, `P1DT12H30M`, `P2W`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    months: u32,
    rest: TimeDelta,
}

/// The text is not a span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a span of time is written as in P30D, P1Y2M, P2W, PT2H or P1DT12H")]
pub struct NotASpan;

impl std::str::FromStr for Span {
    type Err = NotASpan;

    fn from_str(text: &str) -> Result<Self, NotASpan> {
        let rest = text.strip_prefix('P').ok_or(NotASpan)?;
        let (days, time) = match rest.split_once('T') {
            Some((_, "")) => return Err(NotASpan),
            Some((days, time)) => (days, time),
            None => (rest, ""),
        };
        if days.is_empty() && time.is_empty() {
            return Err(NotASpan);
        }
        let mut span = Self { months: 0, rest: TimeDelta::zero() };
        for (count, unit) in parts(days, "YMWD")? {
            span.add(count, unit, false)?;
        }
        for (count, unit) in parts(time, "HMS")? {
            span.add(count, unit, true)?;
        }
        Ok(span)
    }
}

impl Span {
    fn add(&mut self, count: u32, unit: char, is_time: bool) -> Result<(), NotASpan> {
        let months = match (unit, is_time) {
            ('Y', _) => count.checked_mul(12).ok_or(NotASpan)?,
            ('M', false) => count,
            _ => 0,
        };
        let seconds = match (unit, is_time) {
            ('W', _) => 604_800,
            ('D', _) => 86_400,
            ('H', _) => 3_600,
            ('M', true) => 60,
            ('S', _) => 1,
            _ => 0,
        };
        let seconds = i64::from(count).checked_mul(seconds).ok_or(NotASpan)?;
        let delta = TimeDelta::try_seconds(seconds).ok_or(NotASpan)?;
        self.months = self.months.checked_add(months).ok_or(NotASpan)?;
        self.rest = self.rest.checked_add(&delta).ok_or(NotASpan)?;
        Ok(())
    }

    /// The instant this span after `from`; `None` beyond the year 9999.
    #[must_use]
    pub fn after(self, from: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let to =
            from.checked_add_months(Months::new(self.months))?.checked_add_signed(self.rest)?;
        (to.year() <= 9999).then_some(to)
    }
}

/// The counts and units of `text`; every unit at most once and in the order of `units`.
fn parts(text: &str, units: &str) -> Result<Vec<(u32, char)>, NotASpan> {
    let mut found = Vec::new();
    let mut left = units;
    let mut digits = String::new();
    for c in text.chars() {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        let (_, after) = left.split_once(c).ok_or(NotASpan)?;
        left = after;
        found.push((digits.parse().map_err(|_| NotASpan)?, c));
        digits.clear();
    }
    if digits.is_empty() { Ok(found) } else { Err(NotASpan) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_span_is_counted_in_calendar_months_and_exact_seconds() {
        let from = at("2024-01-31T00:00:00Z");
        for (span, to) in [
            ("P30D", "2024-03-01T00:00:00Z"),
            ("PT2H", "2024-01-31T02:00:00Z"),
            ("P1M", "2024-02-29T00:00:00Z"),
            ("P1Y", "2025-01-31T00:00:00Z"),
            ("P1DT12H30M5S", "2024-02-01T12:30:05Z"),
            ("P2W", "2024-02-14T00:00:00Z"),
        ] {
            assert_eq!(span.parse::<Span>().unwrap().after(from), Some(at(to)), "{span}");
        }
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for text in ["", "P", "PT", "30D", "P30", "PD", "P1H", "PT1D", "P-1D", "P1D1D", "P1.5D"] {
            assert!(text.parse::<Span>().is_err(), "{text:?}");
        }
        assert!("P99999999999D".parse::<Span>().is_err());
        assert_eq!("P9000Y".parse::<Span>().unwrap().after(at("2024-01-01T00:00:00Z")), None);
    }

    #[test]
    fn a_simulated_clock_never_goes_back_and_remembers() {
        let dir = tempfile::tempdir().unwrap();
        let start = at("2024-01-01T00:00:00Z");
        let clock = SimulatedClock::open(dir.path(), Some(start), None).unwrap();
        clock.set(at("2024-02-01T00:00:00Z")).unwrap();
        assert!(matches!(clock.set(start), Err(ClockError::Backwards { .. })));
        let again = SimulatedClock::open(dir.path(), None, None).unwrap();
        assert_eq!(again.now(), at("2024-02-01T00:00:00Z"));
        let restarted = SimulatedClock::open(dir.path(), Some(start), None);
        assert!(matches!(restarted, Err(ClockError::StartedBefore)));
    }
}
