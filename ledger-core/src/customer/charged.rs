//! What has been charged for a subscription, day by day: what corrections and full refunds take back.

use chrono::NaiveDate;

use super::event::ChargeBasis;
use super::state::{Charged, Moved, Subscription};
use crate::money::Money;

impl Subscription {
    /// From now on a new price is charged, for all seats.
    pub(super) fn begin_charging(&mut self, basis: &ChargeBasis, quantity: u32) {
        let (from, unit_price) = (basis.billable.start, basis.unit_price);
        self.charged = vec![Charged { from, quantity, unit_price }];
        self.moved.clear();
    }

    /// Other seats are charged from `on` on, as [`charge_from`](Self::charge_from), by the difference alone.
    pub(super) fn charge_moved(&mut self, on: NaiveDate, (from, to): (u32, u32)) {
        self.charge_from(on, to);
        if self.charged.first().is_some_and(|first| first.from <= on) {
            self.moved.push(Moved { on, from, to, unit_price: self.unit_price });
        }
    }

    /// Other seats are charged from `from` on. What is charged elsewhere before the first day here, stays.
    pub(super) fn charge_from(&mut self, from: NaiveDate, quantity: u32) {
        match self.charged.last_mut() {
            Some(last) if from <= last.from => {
                *last = Charged { quantity, unit_price: self.unit_price, ..*last };
            }
            _ => self.charged.push(Charged { from, quantity, unit_price: self.unit_price }),
        }
    }

    /// Nothing is charged from `from` on, whatever was before.
    pub(super) fn stop_charging(&mut self, from: NaiveDate) {
        end_charging(&mut self.charged, from);
        if self.charged.is_empty() {
            self.charged.push(Charged { from, quantity: 0, unit_price: self.unit_price });
        }
    }

    /// The term ends earlier: what was charged after `end` was credited, and for its seats nothing is lost.
    pub(super) fn end_charging_with(&mut self, end: NaiveDate) {
        let begun = self.charged.first().is_some_and(|first| first.from <= end);
        let Some(last) = self.charged.last().copied().filter(|_| begun) else { return };
        self.charged.retain(|charged| charged.from <= end);
        self.moved.retain(|moved| moved.on <= end);
        let is_same = self.charged.last().is_some_and(|kept| kept.quantity == last.quantity);
        if let (false, Some(from)) = (is_same, end.succ_opt()) {
            self.charged.push(Charged { from, ..last });
        }
    }
}

/// What would have been charged if other seats, or another price, had been known from `from` on. While
/// billing is stopped, nothing is charged for any number of seats.
pub(super) fn corrected(
    charged: &[Charged],
    from: NaiveDate,
    quantity: Option<u32>,
    unit_price: Option<Money>,
) -> Vec<Charged> {
    let begins = charged.iter().rev().find(|before| before.from < from);
    let begins = begins.map(|before| Charged { from, ..*before });
    let begins = begins.filter(|_| charged.iter().all(|other| other.from != from));
    let mut all: Vec<Charged> = charged.iter().copied().chain(begins).collect();
    all.sort_by_key(|charged| charged.from);
    for later in all.iter_mut().filter(|charged| from <= charged.from) {
        if later.quantity != 0 {
            later.quantity = quantity.unwrap_or(later.quantity);
        }
        later.unit_price = unit_price.unwrap_or(later.unit_price);
    }
    all
}

/// What would have moved then: no seats where their number is another one, else at the other price.
pub(super) fn corrected_moves(
    moved: &[Moved],
    from: NaiveDate,
    quantity: Option<u32>,
    unit_price: Option<Money>,
) -> Vec<Moved> {
    let stays = moved.iter().filter(|moved| moved.on < from || quantity.is_none());
    let at_price = |moved: &Moved| match unit_price {
        Some(unit_price) if from <= moved.on => Moved { unit_price, ..*moved },
        Some(_) | None => *moved,
    };
    stays.map(at_price).collect()
}

/// Ends what is charged before `from`; what was never charged stays so.
pub(super) fn end_charging(charged: &mut Vec<Charged>, from: NaiveDate) {
    let Some(unit_price) = charged.first().map(|first| first.unit_price) else { return };
    charged.retain(|charged| charged.from < from);
    charged.push(Charged { from, quantity: 0, unit_price });
}

/// What is charged on `day`, if anything is.
pub(super) fn on(charged: &[Charged], day: NaiveDate) -> Option<Charged> {
    charged.iter().rev().find(|charged| charged.from <= day).copied()
}
