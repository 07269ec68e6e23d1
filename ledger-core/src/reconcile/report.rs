//! What a comparison found.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::Serialize;
use smol_str::SmolStr;

use super::lines::{OurLine, TheirLine};
use super::settle::sum;
use crate::customer::{CauseTotal, DifferenceCause, ReconciliationTotal};
use crate::money::{Currency, MoneyError};

/// Why a comparison has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Uncompared {
    /// An amount is too large.
    #[error("{0}")]
    Money(#[from] MoneyError),
    /// The differences do not add up: a fault of the comparison itself.
    #[error(
        "the differences in {currency} sum up to {explained}, and theirs less ours is {difference}: \
         the comparison is wrong, nothing is to be believed of it"
    )]
    Unbalanced {
        /// Where.
        currency: Currency,
        /// Theirs less ours.
        difference: Decimal,
        /// The sum of all differences.
        explained: Decimal,
    },
}

/// Lines of theirs and of ours that belong together and are not the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Why.
    pub cause: DifferenceCause,
    /// Whose lines these are.
    pub customer: SmolStr,
    /// For which subscription.
    pub subscription: SmolStr,
    /// Their currency.
    pub currency: Currency,
    /// Theirs less ours, with tax where their lines show one.
    pub amount: Decimal,
    /// The computation that shows the cause.
    pub computation: String,
    /// Lines of the file.
    pub theirs: Vec<TheirLine>,
    /// Lines of the ledger.
    pub ours: Vec<OurLine>,
}

impl Difference {
    /// Where it stands among others: by cause, then as in the file, then as in the ledger.
    fn place(&self) -> impl Ord + '_ {
        let line = self.theirs.first().map_or(u64::MAX, |line| line.line);
        let id = self.ours.first().map(|line| line.id.as_str());
        (self.cause, self.currency, line, id)
    }
}

/// What a comparison found: nothing is left out, and all adds up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reconciliation {
    /// By currency. The sum of all causes is theirs less ours.
    pub totals: Vec<ReconciliationTotal>,
    /// The differences, by cause.
    pub differences: Vec<Difference>,
    /// Lines of the file that show no tax where the ledger has some; their tax is not compared.
    pub untaxed: u64,
}

/// Both sums of a currency.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub(super) lines: u64,
    pub(super) matched: u64,
    pub(super) theirs: Decimal,
    pub(super) ours: Decimal,
}

impl Reconciliation {
    /// Adds the differences up, and proves that they explain the totals.
    pub(super) fn proven(
        sums: BTreeMap<Currency, Sums>,
        mut differences: Vec<Difference>,
        untaxed: u64,
    ) -> Result<Self, Uncompared> {
        differences.sort_by(|a, b| a.place().cmp(&b.place()));
        let mut causes: BTreeMap<Currency, BTreeMap<DifferenceCause, CauseTotal>> = BTreeMap::new();
        for difference in &differences {
            let causes = causes.entry(difference.currency).or_default();
            let none = CauseTotal { count: 0, amount: Decimal::ZERO };
            let total = causes.entry(difference.cause).or_insert(none);
            total.count = total.count.saturating_add(1);
            total.amount =
                total.amount.checked_add(difference.amount).ok_or(MoneyError::Overflow)?;
        }
        let mut totals = Vec::new();
        for (currency, sums) in sums {
            let causes = causes.remove(&currency).unwrap_or_default();
            let explained = sum(causes.values().map(|cause| cause.amount))?;
            let Sums { lines, matched, theirs, ours } = sums;
            let difference = theirs.checked_sub(ours).ok_or(MoneyError::Overflow)?;
            if difference != explained {
                return Err(Uncompared::Unbalanced { currency, difference, explained });
            }
            totals.push(ReconciliationTotal { currency, lines, matched, theirs, ours, causes });
        }
        Ok(Self { totals, differences, untaxed })
    }
}
