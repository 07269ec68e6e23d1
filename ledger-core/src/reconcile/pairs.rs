//! Pairs one line of theirs with one of ours, the likest first.

use std::collections::{BTreeMap, VecDeque};

use chrono::NaiveDate;
use rust_decimal::Decimal;
use smol_str::SmolStr;

use super::cause::explain;
use super::lines::{Family, OurLine, TheirLine};
use super::settle::Open;
use crate::calendar::Period;
use crate::customer::DifferenceCause;
use crate::money::MoneyError;

/// Lines that are alike whose differences are tried, at most, before they are paired in order.
const TRIED_MAX: usize = 32;

/// What two lines must have in common, one after the other.
const PASSES: [Pass; 9] = [
    Pass { reference: true, family: true, sign: true, ..Pass::NONE },
    Pass { family: true, start: true, end: true, quantity: true, ..Pass::NONE },
    Pass { family: true, start: true, end: true, sign: true, ..Pass::NONE },
    Pass { family: true, start: true, quantity: true, ..Pass::NONE },
    Pass { family: true, end: true, quantity: true, ..Pass::NONE },
    Pass { start: true, end: true, quantity: true, only_explained: true, ..Pass::NONE },
    Pass { family: true, start: true, sign: true, only_explained: true, ..Pass::NONE },
    Pass { family: true, end: true, sign: true, only_explained: true, ..Pass::NONE },
    Pass { family: true, quantity: true, only_explained: true, ..Pass::NONE },
];

/// What two lines must have in common. Whatever it is, their days overlap.
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "rows of a table")]
struct Pass {
    reference: bool,
    family: bool,
    start: bool,
    end: bool,
    quantity: bool,
    sign: bool,
    /// Without more in common, only what explains the difference makes them a pair.
    only_explained: bool,
}

impl Pass {
    const NONE: Self = Self {
        reference: false,
        family: false,
        start: false,
        end: false,
        quantity: false,
        sign: false,
        only_explained: false,
    };

    /// What a line must have in common with another one; `None` when it has nothing to compare.
    fn key(self, shape: Shape<'_>) -> Option<Key> {
        let reference = match (self.reference, shape.reference) {
            (true, Some(reference)) => Some(SmolStr::new(reference)),
            (true, None) => return None,
            (false, _) => None,
        };
        Some(Key {
            reference,
            family: self.family.then_some(shape.family),
            start: self.start.then_some(shape.period.start),
            end: self.end.then_some(shape.period.end),
            quantity: self.quantity.then(|| shape.quantity.normalize()),
            is_credit: self.sign.then(|| shape.quantity.is_sign_negative()),
        })
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    reference: Option<SmolStr>,
    family: Option<Family>,
    start: Option<NaiveDate>,
    end: Option<NaiveDate>,
    quantity: Option<Decimal>,
    is_credit: Option<bool>,
}

/// What a line of either side looks like.
#[derive(Clone, Copy)]
struct Shape<'a> {
    reference: Option<&'a str>,
    family: Family,
    period: Period,
    quantity: Decimal,
}

impl<'a> Shape<'a> {
    fn of_theirs(line: &'a TheirLine) -> Self {
        let reference = line.reference.as_deref();
        let (family, period) = (line.family(), line.period);
        Self { reference, family, period, quantity: line.quantity }
    }

    fn of_ours(line: &'a OurLine) -> Self {
        let reference = Some(line.reference.as_str());
        let (family, period) = (line.family(), line.period);
        Self { reference, family, period, quantity: Decimal::from(line.quantity) }
    }
}

/// Pairs what is alike.
pub(super) fn paired(open: &mut Open<'_>) -> Result<(), MoneyError> {
    for pass in PASSES {
        let mut alike: BTreeMap<Key, (Vec<usize>, VecDeque<usize>)> = BTreeMap::new();
        for (place, their) in open.theirs() {
            if let Some(key) = pass.key(Shape::of_theirs(their)) {
                alike.entry(key).or_default().0.push(place);
            }
        }
        for (place, our) in open.ours() {
            if let Some(key) = pass.key(Shape::of_ours(our)) {
                alike.entry(key).or_default().1.push_back(place);
            }
        }
        for (theirs, ours) in alike.into_values() {
            among(open, pass, theirs, ours)?;
        }
    }
    Ok(())
}

/// Pairs lines that are equally alike: those whose difference is explained, then the others in order.
fn among(
    open: &mut Open<'_>,
    pass: Pass,
    theirs: Vec<usize>,
    mut ours: VecDeque<usize>,
) -> Result<(), MoneyError> {
    let mut unexplained = Vec::new();
    for place in theirs {
        let found = open.their(place).and_then(|their| {
            ours.iter().take(TRIED_MAX).enumerate().find_map(|(at, place)| {
                let our = open.our(*place).filter(|our| overlap(their.period, our.period))?;
                let found = explain(their, our);
                (found.0 != DifferenceCause::Unknown).then_some((at, found))
            })
        });
        match found.and_then(|(at, found)| Some((ours.remove(at)?, found))) {
            Some((our, found)) => open.differ(found, &[place], &[our])?,
            None => unexplained.push(place),
        }
    }
    if pass.only_explained {
        return Ok(());
    }
    for place in unexplained {
        let Some(their) = open.their(place) else { continue };
        let at = ours
            .iter()
            .take(TRIED_MAX)
            .position(|our| open.our(*our).is_some_and(|our| overlap(their.period, our.period)));
        let Some(our) = at.and_then(|at| ours.remove(at)) else { continue };
        let Some(found) = open.our(our).map(|our| explain(their, our)) else { continue };
        open.differ(found, &[place], &[our])?;
    }
    Ok(())
}

fn overlap(a: Period, b: Period) -> bool {
    a.start <= b.end && b.start <= a.end
}
