//! What is left of one subscription: finds out which lines belong together, and why they differ.

use chrono::NaiveDate;
use rust_decimal::Decimal;
use smol_str::SmolStr;

use super::groups::{missing_changes, netted, reordered, split};
use super::lines::{OurLine, TheirLine};
use super::pairs::paired;
use super::report::Difference;
use crate::calendar::Period;
use crate::customer::DifferenceCause;
use crate::money::{Money, MoneyError, share};

/// Lines of one subscription in one currency that have no equal on the other side, and those that have.
#[derive(Debug, Default)]
pub(super) struct Subscription<'a> {
    pub(super) theirs: Vec<TheirLine>,
    pub(super) ours: Vec<&'a OurLine>,
    pub(super) agreed: Vec<&'a OurLine>,
}

/// What came of a subscription.
#[derive(Debug, Default)]
pub(super) struct Settled {
    pub(super) differences: Vec<Difference>,
    /// Lines of theirs that agree after all.
    pub(super) matched: u64,
    /// Our tax, where their lines show one.
    pub(super) our_tax: Decimal,
    /// Lines of theirs that agree, and show no tax where ours do.
    pub(super) untaxed: u64,
}

/// First and last day.
pub(super) type Days = (NaiveDate, NaiveDate);

pub(super) const fn days_of(period: Period) -> Days {
    (period.start, period.end)
}

/// The lines that are still to be settled.
#[derive(Debug)]
pub(super) struct Open<'a> {
    theirs: Vec<Option<TheirLine>>,
    ours: Vec<Option<&'a OurLine>>,
    settled: Settled,
}

/// Settles a subscription: first what is the same in other words, then pairs, then what is alone.
pub(super) fn settle(of: Subscription<'_>) -> Result<Settled, MoneyError> {
    let Subscription { mut theirs, mut ours, agreed } = of;
    theirs.sort_by(|a, b| {
        let place = |line: &TheirLine| (days_of(line.period), line.quantity, line.subtotal);
        (place(a), a.line).cmp(&(place(b), b.line))
    });
    ours.sort_by(|a, b| {
        let place = |line: &OurLine| (days_of(line.period), line.quantity, line.subtotal);
        (place(a), &a.id).cmp(&(place(b), &b.id))
    });
    let mut open = Open {
        theirs: theirs.into_iter().map(Some).collect(),
        ours: ours.into_iter().map(Some).collect(),
        settled: Settled::default(),
    };
    reordered(&mut open, &agreed)?;
    netted(&mut open)?;
    split(&mut open)?;
    paired(&mut open)?;
    missing_changes(&mut open)?;
    open.alone()?;
    Ok(open.settled)
}

impl<'a> Open<'a> {
    /// Lines of theirs, with their places.
    pub(super) fn theirs(&self) -> impl Iterator<Item = (usize, &TheirLine)> {
        let lines = self.theirs.iter().enumerate();
        lines.filter_map(|(place, line)| Some((place, line.as_ref()?)))
    }

    /// Lines of ours, with their places.
    pub(super) fn ours(&self) -> impl Iterator<Item = (usize, &'a OurLine)> {
        self.ours.iter().enumerate().filter_map(|(place, line)| Some((place, (*line)?)))
    }

    pub(super) fn their(&self, place: usize) -> Option<&TheirLine> {
        self.theirs.get(place)?.as_ref()
    }

    pub(super) fn our(&self, place: usize) -> Option<&'a OurLine> {
        *self.ours.get(place)?
    }

    fn take(&mut self, theirs: &[usize], ours: &[usize]) -> (Vec<TheirLine>, Vec<&'a OurLine>) {
        let theirs = theirs.iter().filter_map(|place| self.theirs.get_mut(*place)?.take());
        let ours = ours.iter().filter_map(|place| self.ours.get_mut(*place)?.take());
        (theirs.collect(), ours.collect())
    }

    /// These lines are the same before tax.
    pub(super) fn agree(&mut self, theirs: &[usize], ours: &[usize]) -> Result<(), MoneyError> {
        let (theirs, ours) = self.take(theirs, ours);
        let lines = u64::try_from(theirs.len()).unwrap_or(u64::MAX);
        let (their_tax, by_line) = (their_tax(&theirs)?, our_tax(&ours)?);
        let settled = &mut self.settled;
        if theirs.iter().all(|line| line.tax.is_zero()) {
            settled.matched = settled.matched.saturating_add(lines);
            let untaxed = if by_line.is_zero() { 0 } else { lines };
            settled.untaxed = settled.untaxed.saturating_add(untaxed);
            return Ok(());
        }
        // Tax may have been rounded on each line, or on their sum.
        let on_sum = tax_on(our_subtotal(&ours)?, &ours)?;
        if [by_line, on_sum].contains(&their_tax) {
            settled.matched = settled.matched.saturating_add(lines);
            return settled.add_our_tax(their_tax);
        }
        settled.add_our_tax(by_line)?;
        settled.differences.extend(tax_difference(theirs, &ours)?);
        Ok(())
    }

    /// These lines belong together and differ before tax. Tax that is not the share of their own amount
    /// is a difference of its own.
    pub(super) fn differ(
        &mut self,
        (cause, computation): (DifferenceCause, String),
        theirs: &[usize],
        ours: &[usize],
    ) -> Result<(), MoneyError> {
        let (theirs, ours) = self.take(theirs, ours);
        let (subtotal, our_subtotal) = (their_subtotal(&theirs)?, our_subtotal(&ours)?);
        let mut amount = sub(subtotal, our_subtotal)?;
        let their_tax = their_tax(&theirs)?;
        let mut tax = None;
        if theirs.iter().any(|line| !line.tax.is_zero()) {
            let our_tax = our_tax(&ours)?;
            self.settled.add_our_tax(our_tax)?;
            let follows = if ours.is_empty() { their_tax } else { tax_on(subtotal, &ours)? };
            amount = add(amount, sub(follows, our_tax)?)?;
            let rest = sub(their_tax, follows)?;
            if !rest.is_zero() {
                let told =
                    format!("their tax on {subtotal} is {their_tax}; ours would be {follows}");
                tax = difference((DifferenceCause::Tax, told), rest, theirs.clone(), &ours);
            }
        }
        let found = difference((cause, computation), amount, theirs, &ours);
        self.settled.differences.extend(found.into_iter().chain(tax));
        Ok(())
    }

    /// What belongs to nothing on the other side.
    fn alone(&mut self) -> Result<(), MoneyError> {
        let theirs: Vec<usize> = self.theirs().map(|(place, _)| place).collect();
        for place in theirs {
            let told = "the ledger has no such charge in the period".to_owned();
            self.differ((DifferenceCause::OnlyTheirs, told), &[place], &[])?;
        }
        let ours: Vec<usize> = self.ours().map(|(place, _)| place).collect();
        for place in ours {
            let told = "the file has no such charge".to_owned();
            self.differ((DifferenceCause::OnlyOurs, told), &[], &[place])?;
        }
        Ok(())
    }
}

impl Settled {
    fn add_our_tax(&mut self, tax: Decimal) -> Result<(), MoneyError> {
        self.our_tax = add(self.our_tax, tax)?;
        Ok(())
    }
}

/// The difference between lines that are the same before tax.
pub(super) fn tax_difference(
    theirs: Vec<TheirLine>,
    ours: &[&OurLine],
) -> Result<Option<Difference>, MoneyError> {
    let (their_tax, our_tax) = (their_tax(&theirs)?, our_tax(ours)?);
    let percent = ours.first().map_or(Decimal::ZERO, |our| our.tax_percent);
    let told = format!(
        "their tax is {their_tax}; ours is {percent} % of {} = {our_tax}",
        our_subtotal(ours)?
    );
    let amount = sub(their_tax, our_tax)?;
    Ok(difference((DifferenceCause::Tax, told), amount, theirs, ours))
}

/// `None` when there is no line.
fn difference(
    (cause, computation): (DifferenceCause, String),
    amount: Decimal,
    theirs: Vec<TheirLine>,
    ours: &[&OurLine],
) -> Option<Difference> {
    let of_ours = ours.first().map(|our| {
        let names = [our.customer.as_str(), our.subscription.as_str()].map(SmolStr::new);
        (names, our.currency)
    });
    let of_theirs = theirs
        .first()
        .map(|their| ([their.customer.clone(), their.subscription.clone()], their.currency));
    let ([customer, subscription], currency) = of_ours.or(of_theirs)?;
    let ours = ours.iter().map(|our| (*our).clone()).collect();
    Some(Difference { cause, customer, subscription, currency, amount, computation, theirs, ours })
}

fn add(a: Decimal, b: Decimal) -> Result<Decimal, MoneyError> {
    a.checked_add(b).ok_or(MoneyError::Overflow)
}

fn sub(a: Decimal, b: Decimal) -> Result<Decimal, MoneyError> {
    a.checked_sub(b).ok_or(MoneyError::Overflow)
}

pub(super) fn sum(amounts: impl Iterator<Item = Decimal>) -> Result<Decimal, MoneyError> {
    let mut amounts = amounts;
    amounts.try_fold(Decimal::ZERO, add)
}

fn their_subtotal(lines: &[TheirLine]) -> Result<Decimal, MoneyError> {
    sum(lines.iter().map(|line| line.subtotal))
}

fn their_tax(lines: &[TheirLine]) -> Result<Decimal, MoneyError> {
    sum(lines.iter().map(|line| line.tax))
}

fn our_subtotal(lines: &[&OurLine]) -> Result<Decimal, MoneyError> {
    sum(lines.iter().map(|line| line.subtotal))
}

fn our_tax(lines: &[&OurLine]) -> Result<Decimal, MoneyError> {
    sum(lines.iter().map(|line| line.tax))
}

/// Tax on an amount, at the rate of these lines.
fn tax_on(amount: Decimal, ours: &[&OurLine]) -> Result<Decimal, MoneyError> {
    let Some(our) = ours.first() else { return Ok(Decimal::ZERO) };
    Ok(share(Money { amount, currency: our.currency }, our.tax_percent)?.amount)
}
