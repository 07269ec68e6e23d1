//! Lines that belong together in numbers: changes of one day in another order, a credit and a charge in
//! one line, one charge in several lines, and changes that only one side has.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use smol_str::SmolStr;

use super::cause::{Facts, POLICIES, explain};
use super::lines::{Family, OurLine};
use super::settle::{Days, Open, days_of, sum};
use crate::customer::DifferenceCause;
use crate::money::MoneyError;

/// Seats by their number: how often they are charged, less how often they are credited.
type Balance = BTreeMap<Decimal, i64>;

/// Lines by their places, with their seats.
type Legs = Vec<(usize, Decimal)>;

/// Changes of seats over the same days.
#[derive(Default)]
struct Changes<'a> {
    theirs: Vec<usize>,
    ours: Vec<usize>,
    agreed: Vec<&'a OurLine>,
}

/// Finds changes that begin and end with the same seats on both sides, by way of others. Source: domain,
/// section 4.6.
pub(super) fn reordered(open: &mut Open<'_>, agreed: &[&OurLine]) -> Result<(), MoneyError> {
    let mut days: BTreeMap<Days, Changes<'_>> = BTreeMap::new();
    for (place, their) in open.theirs().filter(|(_, their)| their.family() == Family::Seats) {
        days.entry(days_of(their.period)).or_default().theirs.push(place);
    }
    for (place, our) in open.ours().filter(|(_, our)| our.family() == Family::Seats) {
        days.entry(days_of(our.period)).or_default().ours.push(place);
    }
    for our in agreed.iter().filter(|our| our.family() == Family::Seats) {
        if let Some(changes) = days.get_mut(&days_of(our.period)) {
            changes.agreed.push(our);
        }
    }
    for changes in days.into_values() {
        if let Some(told) = same_in_the_end(open, &changes) {
            let found = (DifferenceCause::Order, told);
            open.differ(found, &changes.theirs, &changes.ours)?;
        }
    }
    Ok(())
}

/// What is said of changes with the same begin and end; `None` when they are not the same in the end.
fn same_in_the_end(open: &Open<'_>, changes: &Changes<'_>) -> Option<String> {
    let agreed = || changes.agreed.iter().map(|our| Decimal::from(our.quantity));
    let theirs = || changes.theirs.iter().filter_map(|place| open.their(*place));
    let ours = || changes.ours.iter().filter_map(|place| open.our(*place));
    let quantities = ours().map(|our| Decimal::from(our.quantity));
    let our_end = balance(quantities.chain(agreed()));
    if balance(theirs().map(|their| their.quantity).chain(agreed())) != our_end {
        return None;
    }
    let from = our_end.iter().find(|(_, count)| **count == -1)?.0;
    let to = our_end.iter().find(|(_, count)| **count == 1)?.0;
    let basis = ours().next().filter(|_| our_end.len() == 2)?;
    let is_priced = theirs().all(|their| {
        let mut facts = Facts::of(basis);
        let is_seats = facts.set_quantity(their.quantity);
        is_seats && facts.amount(basis.rounding) == Some(their.subtotal)
    });
    let by_way = |quantities: Vec<Decimal>| {
        let charged = quantities
            .into_iter()
            .filter(|quantity| !quantity.is_sign_negative() && quantity != to);
        let way: Vec<_> = charged.map(|quantity| quantity.normalize().to_string()).collect();
        if way.is_empty() { "at once".to_owned() } else { format!("by way of {}", way.join(", ")) }
    };
    is_priced.then(|| {
        let their_way = by_way(theirs().map(|their| their.quantity).chain(agreed()).collect());
        let our_way =
            by_way(ours().map(|our| Decimal::from(our.quantity)).chain(agreed()).collect());
        format!("from {from} to {to} seats {their_way}, ours {our_way}: the same in the end")
    })
}

fn balance(quantities: impl Iterator<Item = Decimal>) -> Balance {
    let mut balance = Balance::new();
    for quantity in quantities {
        let count = balance.entry(quantity.abs().normalize()).or_default();
        let step = if quantity.is_sign_negative() { -1 } else { 1 };
        *count = count.saturating_add(step);
    }
    balance.retain(|_, count| *count != 0);
    balance
}

/// Finds single lines of theirs for a credit and a charge of ours. Source: domain, section 4.3.
pub(super) fn netted(open: &mut Open<'_>) -> Result<(), MoneyError> {
    let mut pairs: BTreeMap<(SmolStr, Days), Vec<usize>> = BTreeMap::new();
    for (place, our) in open.ours() {
        pairs.entry((our.reference.clone(), days_of(our.period))).or_default().push(place);
    }
    for places in pairs.into_values().filter(|places| 1 < places.len()) {
        let legs: Vec<&OurLine> = places.iter().filter_map(|place| open.our(*place)).collect();
        let Some(net) = net_of(&legs)? else { continue };
        let seats = Decimal::from(net.quantity);
        let fits = |amount: Option<Decimal>| {
            open.theirs().find(|(_, their)| {
                (their.period, their.quantity) == (net.period, seats)
                    && amount.map_or_else(
                        || their.family() == net.family() && !seats.is_zero(),
                        |amount| amount == their.subtotal,
                    )
            })
        };
        if let Some((place, _)) = fits(Some(net.subtotal)) {
            open.agree(&[place], &places)?;
        } else if let Some((place, their)) = fits(None) {
            let by_leg = POLICIES.into_iter().find(|policy| {
                let legs = legs.iter().map(|leg| Facts::of(leg).amount(*policy));
                legs.sum::<Option<Decimal>>() == Some(their.subtotal)
            });
            let found = by_leg.map(|policy| {
                let told = "the legs sum up to";
                let (theirs, ours) = (their.subtotal, net.subtotal);
                let told = format!("{told} {theirs} under {policy}; ours to {ours}");
                (DifferenceCause::RoundingPolicy, told)
            });
            let found = found.unwrap_or_else(|| explain(their, &net));
            open.differ(found, &[place], &places)?;
        }
    }
    Ok(())
}

/// Legs as one line; `None` when they have not the same price.
fn net_of(legs: &[&OurLine]) -> Result<Option<OurLine>, MoneyError> {
    let Some(first) = legs.first() else { return Ok(None) };
    let basis = |leg: &OurLine| (leg.unit_price, leg.rate, leg.billable_days, leg.cycle_days);
    let quantity = legs.iter().try_fold(0_i64, |sum, leg| sum.checked_add(leg.quantity));
    let Some(quantity) = quantity.filter(|_| legs.iter().all(|leg| basis(leg) == basis(first)))
    else {
        return Ok(None);
    };
    let subtotal = sum(legs.iter().map(|leg| leg.subtotal))?;
    Ok(Some(OurLine { quantity, subtotal, ..(*first).clone() }))
}

/// Lines of one kind for the same seats and days.
#[derive(Default)]
struct Parts {
    theirs: Vec<usize>,
    ours: Vec<usize>,
}

/// Finds several lines of theirs for one of ours: parts of an offer that are billed each by itself.
/// Source: domain, section 4.4.
pub(super) fn split(open: &mut Open<'_>) -> Result<(), MoneyError> {
    let mut parts: BTreeMap<(Family, Days, Decimal), Parts> = BTreeMap::new();
    for (place, their) in open.theirs() {
        let of = (their.family(), days_of(their.period), their.quantity.normalize());
        parts.entry(of).or_default().theirs.push(place);
    }
    for (place, our) in open.ours() {
        let of = (our.family(), days_of(our.period), Decimal::from(our.quantity).normalize());
        parts.entry(of).or_default().ours.push(place);
    }
    for Parts { theirs, ours } in parts.into_values() {
        let ([place], 2..) = (ours.as_slice(), theirs.len()) else { continue };
        let Some(our) = open.our(*place) else { continue };
        let lines = || theirs.iter().filter_map(|place| open.their(*place));
        let subtotal = sum(lines().map(|their| their.subtotal))?;
        if subtotal == our.subtotal {
            open.agree(&theirs, &ours)?;
            continue;
        }
        let price = sum(lines().map(|their| their.unit_price))?;
        let policy = POLICIES.into_iter().find(|policy| {
            lines().all(|their| {
                let facts = Facts { unit_price: their.unit_price, ..Facts::of(our) };
                facts.amount(*policy) == Some(their.subtotal)
            })
        });
        let mut offers: Vec<_> = lines().map(|their| their.offer.clone()).collect();
        offers.sort();
        offers.dedup();
        let are_parts = offers.len() == theirs.len();
        let Some(policy) = policy.filter(|_| are_parts || price == our.unit_price) else {
            continue;
        };
        let cause = if price == our.unit_price {
            DifferenceCause::RoundingPolicy
        } else {
            DifferenceCause::Price
        };
        let told = format!(
            "{} parts at {price} a seat, each rounded under {policy}, sum up to {subtotal}; ours is {}",
            theirs.len(),
            Facts::of(our).told(our.subtotal, our.rounding)
        );
        open.differ((cause, told), &theirs, &ours)?;
    }
    Ok(())
}

/// Finds changes of seats that only one side has: as many credits as charges.
pub(super) fn missing_changes(open: &mut Open<'_>) -> Result<(), MoneyError> {
    let mut changes: BTreeMap<(bool, Days, Option<SmolStr>), Legs> = BTreeMap::new();
    for (place, their) in open.theirs().filter(|(_, their)| their.family() == Family::Seats) {
        let of = (true, days_of(their.period), their.reference.clone());
        changes.entry(of).or_default().push((place, their.quantity));
    }
    for (place, our) in open.ours().filter(|(_, our)| our.family() == Family::Seats) {
        let of = (false, days_of(our.period), Some(our.reference.clone()));
        changes.entry(of).or_default().push((place, Decimal::from(our.quantity)));
    }
    for ((is_theirs, (start, end), _), legs) in changes {
        let credits = legs.iter().filter(|(_, quantity)| quantity.is_sign_negative()).count();
        if credits.checked_mul(2) != Some(legs.len()) {
            continue;
        }
        let places: Vec<usize> = legs.iter().map(|(place, _)| *place).collect();
        let moved = sum(legs.iter().map(|(_, quantity)| *quantity))?.normalize();
        let (theirs, ours, who): (&[usize], &[usize], _) =
            if is_theirs { (&places, &[], "the ledger") } else { (&[], &places, "the file") };
        let told = format!("{who} has no change by {moved} seats for {start} to {end}");
        open.differ((DifferenceCause::Quantity, told), theirs, ours)?;
    }
    Ok(())
}
