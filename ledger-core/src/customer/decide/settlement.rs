//! Lines that take back what was charged, and charge what is right.
//!
//! What is charged for a charge cycle is a chain: its first line charges all seats to the cycle's end, and
//! each change within it credits the seats before and charges those after, for the days that are left. A
//! settlement takes the links back that were wrong, and adds those that are right. Each is computed and
//! rounded as when it was charged, so that nothing is left over to the cent.

use std::collections::BTreeSet;

use chrono::{Days, NaiveDate};

use super::{Rejection, exact};
use crate::calendar::{DateOutOfRange, Period, charge_cycle};
use crate::customer::charged::on;
use crate::customer::event::{ByMonths, ChargeBasis, Settled};
use crate::customer::state::{Charged, Moved, Status, Subscription};
use crate::money::Money;

/// The last day that is charged by the end of `today`: the one of the charge cycle that began last.
pub(super) fn charged_through(s: &Subscription, today: NaiveDate) -> Result<NaiveDate, Rejection> {
    let begun = begun(s, today)?.min(s.term.end);
    Ok(cycle(s, begun)?.end.min(s.term.end))
}

/// The last day on which a charge cycle can have begun by the end of `today`.
fn begun(s: &Subscription, today: NaiveDate) -> Result<NaiveDate, Rejection> {
    let mut begun = today;
    // Another rhythm begins with a charge of its own.
    if let Some(next) = s.next_billing.filter(|next| next.from <= begun) {
        begun = day_before(next.from)?;
    }
    // No charge cycle begins once a subscription is to be deleted.
    if let (Status::Suspended, Some(delete_at)) = (s.status, s.delete_at) {
        let last = delete_at.checked_sub_signed(chrono::TimeDelta::milliseconds(1));
        begun = begun.min(last.ok_or(DateOutOfRange)?.date_naive());
    }
    Ok(begun)
}

/// The lines between what was charged and what is right, through the last day that was charged.
pub(super) fn lines_between(
    s: &Subscription,
    through: NaiveDate,
    (right, moved): (&[Charged], &[Moved]),
) -> Result<Vec<Settled>, Rejection> {
    let mut lines = Vec::new();
    let Some(first) = s.charged.first() else { return Ok(lines) };
    let mut start = first.from;
    while start <= through {
        let end = cycle(s, start)?.end.min(through);
        let changes = s.charged.iter().chain(right).map(|charged| charged.from);
        let changes = changes.filter(|day| start < *day && *day <= end);
        for day in changes.chain([start]).collect::<BTreeSet<_>>() {
            let before = if day == start { None } else { Some(day_before(day)?) };
            let was = links((&s.charged, &s.moved), before, day);
            let is = links((right, moved), before, day);
            let billable = Period { start: day, end };
            for (seats, unit_price) in instead(was, is) {
                let basis = exact_basis(s, unit_price, billable, seats)?;
                lines.push(Settled { seats, basis });
            }
        }
        start = day_after(end)?;
    }
    Ok(lines)
}

/// The lines that take back everything charged so far.
pub(super) fn taken_back(s: &Subscription, today: NaiveDate) -> Result<Vec<Settled>, Rejection> {
    let nothing: Vec<Charged> =
        s.charged.iter().map(|charged| Charged { quantity: 0, ..*charged }).collect();
    lines_between(s, charged_through(s, today)?, (&nothing, &[]))
}

/// The lines for the days beyond an end that was too early, in the charge cycles that have begun. They may
/// have been charged and credited before, so that their own lines cannot come again.
pub(super) fn longer(
    s: &Subscription,
    new_end: NaiveDate,
    today: NaiveDate,
    right: &[Charged],
) -> Result<Vec<Settled>, Rejection> {
    let mut lines = Vec::new();
    if new_end <= s.term.end || charged_through(s, today)? != s.term.end {
        return Ok(lines);
    }
    let begun = begun(s, today)?;
    let mut start = day_after(s.term.end)?;
    while start <= new_end {
        let cycle = cycle(s, start)?;
        if begun < cycle.start {
            break;
        }
        let end = cycle.end.min(new_end);
        let changes = right.iter().map(|charged| charged.from);
        let changes = changes.filter(|day| start < *day && *day <= end);
        for day in changes.chain([start]).collect::<BTreeSet<_>>() {
            let before = if day == start { None } else { Some(day_before(day)?) };
            let billable = Period { start: day, end };
            for (seats, unit_price) in links((right, &[]), before, day) {
                let basis = exact_basis(s, unit_price, billable, seats)?;
                lines.push(Settled { seats, basis });
            }
        }
        start = day_after(cycle.end)?;
    }
    Ok(lines)
}

/// What is charged at a change on `day`: the seats of the day `before` in the charge cycle are credited and
/// those of the day charged, but those that moved by themselves.
fn links(
    (charged, moved): (&[Charged], &[Moved]),
    before: Option<NaiveDate>,
    day: NaiveDate,
) -> Vec<(i64, Money)> {
    let seats = |day, sign: i64| {
        let charged = on(charged, day)?;
        Some((i64::from(charged.quantity).saturating_mul(sign), charged.unit_price))
    };
    let all = [before.and_then(|before| seats(before, -1)), seats(day, 1)];
    let by_themselves = moved.iter().filter(|moved| moved.on == day).flat_map(|moved| {
        let (from, to) = (i64::from(moved.from), i64::from(moved.to));
        [from, to.saturating_neg(), to.saturating_sub(from)].map(|seats| (seats, moved.unit_price))
    });
    all.into_iter().flatten().chain(by_themselves).filter(|(seats, _)| *seats != 0).collect()
}

/// What was charged, taken back, and what is right, charged; credits first, and less what is the same in
/// both.
fn instead(was: Vec<(i64, Money)>, is: Vec<(i64, Money)>) -> Vec<(i64, Money)> {
    let back = was.into_iter().map(|(seats, price)| (seats.saturating_neg(), price));
    let (credits, mut charges): (Vec<_>, Vec<_>) =
        back.chain(is).partition(|(seats, _)| *seats < 0);
    let mut lines = Vec::new();
    for credit in credits {
        let opposite = (credit.0.saturating_neg(), credit.1);
        match charges.iter().position(|charge| *charge == opposite) {
            Some(index) => drop(charges.remove(index)),
            None => lines.push(credit),
        }
    }
    lines.extend(charges);
    lines
}

/// What some days of one charge cycle cost.
fn exact_basis(
    s: &Subscription,
    unit_price: Money,
    billable: Period,
    seats: i64,
) -> Result<ChargeBasis, Rejection> {
    let cycle = cycle(s, billable.start)?;
    let by_months = by_months(s, billable.start);
    let basis = ChargeBasis { unit_price, cycle, billable, rounding: s.rounding, by_months };
    exact(basis, u32::try_from(seats.unsigned_abs()).unwrap_or(u32::MAX))
}

/// The months that `day` is charged by, if it is.
pub(super) fn by_months(s: &Subscription, day: NaiveDate) -> Option<ByMonths> {
    s.by_months.filter(|by| by.days.contains(day))
}

fn cycle(s: &Subscription, day: NaiveDate) -> Result<Period, DateOutOfRange> {
    charge_cycle(s.cycle_anchor, s.plan.billing, s.anchor, day)
}

fn day_before(day: NaiveDate) -> Result<NaiveDate, DateOutOfRange> {
    day.checked_sub_days(Days::new(1)).ok_or(DateOutOfRange)
}

fn day_after(day: NaiveDate) -> Result<NaiveDate, DateOutOfRange> {
    day.checked_add_days(Days::new(1)).ok_or(DateOutOfRange)
}
