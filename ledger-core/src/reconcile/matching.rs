//! Pairs lines that are the same as they come, and keeps the others for a closer look.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hasher};

use chrono::Datelike;
use rust_decimal::Decimal;
use smol_str::SmolStr;

use super::lines::{OurLine, TheirLine};
use super::report::{Difference, Reconciliation, Sums, Uncompared};
use super::settle::{Settled, Subscription, settle, tax_difference};
use crate::calendar::Period;
use crate::money::{Currency, MoneyError};

/// Equal lines of ours that are looked at for one of theirs.
const EQUALS_MAX: usize = 64;

/// Whose line it is, without case: customer and subscription.
type Owner = (SmolStr, SmolStr);

/// The lines of the ledger, which those of a file are compared with, one after the other.
#[derive(Debug)]
pub struct Reconciler {
    ours: Vec<OurLine>,
    /// Hashes of what makes lines the same, sorted, with the place of the line.
    index: Vec<(u64, usize)>,
    /// At the first of equal hashes: how many of them are taken; these come first.
    taken: Vec<usize>,
    is_taken: Vec<bool>,
    /// Built when a line of theirs has no equal.
    names: Option<Names>,
    left: BTreeMap<(Owner, Currency), Vec<TheirLine>>,
    sums: BTreeMap<Currency, Sums>,
    differences: Vec<Difference>,
    untaxed: u64,
    key: Vec<u8>,
}

/// Who has what in the ledger, without case.
#[derive(Debug, Default)]
struct Names {
    customers: BTreeSet<SmolStr>,
    /// The only customer with a subscription; `None`: there are several.
    owners: BTreeMap<SmolStr, Option<SmolStr>>,
}

impl Names {
    fn of(ours: &[OurLine]) -> Self {
        let mut names = Self::default();
        for our in ours {
            let customer = lower(our.customer.as_str());
            let subscription = lower(our.subscription.as_str());
            let owner = names.owners.entry(subscription).or_insert_with(|| Some(customer.clone()));
            if owner.as_ref() != Some(&customer) {
                *owner = None;
            }
            names.customers.insert(customer);
        }
        names
    }

    /// The customer of a line; where the vendor has another name for it, the only one of ours with that
    /// subscription.
    fn customer_of(&self, their: &TheirLine) -> SmolStr {
        let named = lower(&their.customer);
        if self.customers.contains(&named) {
            return named;
        }
        self.owners.get(&lower(&their.subscription)).cloned().flatten().unwrap_or(named)
    }
}

/// What makes a line of theirs and one of ours the same.
#[derive(Clone, Copy)]
struct Same<'a> {
    customer: &'a str,
    subscription: &'a str,
    period: Period,
    quantity: Decimal,
    subtotal: Decimal,
    currency: Currency,
}

impl<'a> Same<'a> {
    fn of(our: &'a OurLine) -> Self {
        Self {
            customer: our.customer.as_str(),
            subscription: our.subscription.as_str(),
            period: our.period,
            quantity: Decimal::from(our.quantity),
            subtotal: our.subtotal,
            currency: our.currency,
        }
    }

    fn hash(&self, key: &mut Vec<u8>) -> u64 {
        key.clear();
        for name in [self.customer, self.subscription] {
            key.extend(name.bytes().map(|byte| byte.to_ascii_lowercase()));
            key.push(0);
        }
        let days = [self.period.start, self.period.end].map(|day| day.num_days_from_ce());
        key.extend(days.iter().flat_map(|day| day.to_le_bytes()));
        for number in [self.quantity, self.subtotal] {
            key.extend(number.normalize().serialize());
        }
        let mut hasher = DefaultHasher::new();
        hasher.write(key);
        hasher.finish()
    }

    fn is(&self, other: &Self) -> bool {
        self.subtotal == other.subtotal
            && self.currency == other.currency
            && self.quantity == other.quantity
            && self.period == other.period
            && self.subscription.eq_ignore_ascii_case(other.subscription)
            && self.customer.eq_ignore_ascii_case(other.customer)
    }
}

impl Reconciler {
    /// Takes the lines of the ledger, in any order.
    ///
    /// # Errors
    ///
    /// [`MoneyError`] when their sum is too large.
    pub fn new(ours: Vec<OurLine>) -> Result<Self, MoneyError> {
        let (mut key, mut index) = (Vec::new(), Vec::with_capacity(ours.len()));
        let mut sums: BTreeMap<Currency, Sums> = BTreeMap::new();
        for (place, our) in ours.iter().enumerate() {
            index.push((Same::of(our).hash(&mut key), place));
            let sum = &mut sums.entry(our.currency).or_default().ours;
            *sum = sum.checked_add(our.subtotal).ok_or(MoneyError::Overflow)?;
        }
        index.sort_unstable();
        let (taken, is_taken) = (vec![0; index.len()], vec![false; ours.len()]);
        let (left, differences) = (BTreeMap::new(), Vec::new());
        let (names, untaxed) = (None, 0);
        Ok(Self { ours, index, taken, is_taken, names, left, sums, differences, untaxed, key })
    }

    /// Compares a line of the file: it is done with when the ledger has the same.
    ///
    /// # Errors
    ///
    /// [`MoneyError`] when a sum is too large.
    pub fn add(&mut self, their: TheirLine) -> Result<(), MoneyError> {
        let total = their.total()?;
        let sums = self.sums.entry(their.currency).or_default();
        sums.lines = sums.lines.saturating_add(1);
        sums.theirs = sums.theirs.checked_add(total).ok_or(MoneyError::Overflow)?;
        if let Some(place) = self.take(&their, &their.customer) {
            return self.agree(their, place);
        }
        let names = self.names.get_or_insert_with(|| Names::of(&self.ours));
        let customer = names.customer_of(&their);
        let is_other = !customer.eq_ignore_ascii_case(&their.customer);
        if is_other && let Some(place) = self.take(&their, &customer) {
            return self.agree(their, place);
        }
        let owner = (customer, lower(&their.subscription));
        self.left.entry((owner, their.currency)).or_default().push(their);
        Ok(())
    }

    /// Looks closer at what is left, and adds everything up.
    ///
    /// # Errors
    ///
    /// [`Uncompared`] when a sum is too large, or the differences do not explain the totals.
    pub fn finish(mut self) -> Result<Reconciliation, Uncompared> {
        let mut groups: BTreeMap<(Owner, Currency), Subscription<'_>> = BTreeMap::new();
        for (of, theirs) in std::mem::take(&mut self.left) {
            groups.insert(of, Subscription { theirs, ..Subscription::default() });
        }
        let owner = |our: &OurLine| {
            let names = (lower(our.customer.as_str()), lower(our.subscription.as_str()));
            (names, our.currency)
        };
        let open = || self.ours.iter().zip(&self.is_taken);
        for (our, _) in open().filter(|(_, is_taken)| !**is_taken) {
            groups.entry(owner(our)).or_default().ours.push(our);
        }
        if !groups.is_empty() {
            for (our, _) in open().filter(|(_, is_taken)| **is_taken) {
                if let Some(group) = groups.get_mut(&owner(our)) {
                    group.agreed.push(our);
                }
            }
        }
        for ((_, currency), group) in groups {
            let Settled { differences, matched, our_tax, untaxed } = settle(group)?;
            let sums = self.sums.entry(currency).or_default();
            sums.matched = sums.matched.saturating_add(matched);
            sums.ours = sums.ours.checked_add(our_tax).ok_or(MoneyError::Overflow)?;
            self.untaxed = self.untaxed.saturating_add(untaxed);
            self.differences.extend(differences);
        }
        Reconciliation::proven(self.sums, self.differences, self.untaxed)
    }

    /// Takes the line of ours that is the same: rather one with the same reference and type.
    fn take(&mut self, their: &TheirLine, customer: &str) -> Option<usize> {
        let same = Same {
            customer,
            subscription: &their.subscription,
            period: their.period,
            quantity: their.quantity,
            subtotal: their.subtotal,
            currency: their.currency,
        };
        let hash = same.hash(&mut self.key);
        let first = self.index.partition_point(|(known, _)| *known < hash);
        let taken = *self.taken.get(first)?;
        let free = self.index.iter().enumerate().skip(first).skip(taken);
        let equal = free.take_while(|(_, (known, _))| *known == hash).take(EQUALS_MAX);
        let family = their.family();
        let mut best: Option<(u8, usize, usize)> = None;
        for (at, (_, place)) in equal {
            let Some(our) = self.ours.get(*place).filter(|our| same.is(&Same::of(our))) else {
                continue;
            };
            let is_meant = their.reference.as_ref().is_some_and(|named| *named == our.reference);
            let likeness = u8::from(is_meant).saturating_mul(2);
            let likeness = likeness.saturating_add(u8::from(family == our.family()));
            if best.is_none_or(|(known, _, _)| known < likeness) {
                best = Some((likeness, at, *place));
            }
            if likeness == 3 {
                break;
            }
        }
        let (_, at, place) = best?;
        self.index.swap(first.checked_add(taken)?, at);
        *self.taken.get_mut(first)? = taken.checked_add(1)?;
        *self.is_taken.get_mut(place)? = true;
        Some(place)
    }

    /// Both are the same before tax.
    fn agree(&mut self, their: TheirLine, place: usize) -> Result<(), MoneyError> {
        let Some(our) = self.ours.get(place) else { return Ok(()) };
        let sums = self.sums.entry(their.currency).or_default();
        if their.tax.is_zero() {
            self.untaxed = self.untaxed.saturating_add(u64::from(!our.tax.is_zero()));
            sums.matched = sums.matched.saturating_add(1);
            return Ok(());
        }
        sums.ours = sums.ours.checked_add(our.tax).ok_or(MoneyError::Overflow)?;
        if their.tax == our.tax {
            sums.matched = sums.matched.saturating_add(1);
            return Ok(());
        }
        self.differences.extend(tax_difference(vec![their], &[our])?);
        Ok(())
    }
}

pub(super) fn lower(text: &str) -> SmolStr {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        SmolStr::from(text.to_ascii_lowercase())
    } else {
        SmolStr::new(text)
    }
}
