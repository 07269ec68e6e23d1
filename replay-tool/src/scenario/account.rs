//! What the customer of a scenario is charged over time, and what is said about its bills.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use ledger_core::billing::{
    BillError, BilledLine, Books, Cause, Charge, Draw, Drawn, Meter, learn_billing,
};
use ledger_core::calendar::Month;
use ledger_core::commit::Hash;
use ledger_core::customer::{Command, Context, Customer, Event};
use ledger_core::ids::{CommandId, CustomerId, Reason};
use ledger_core::money::MoneyError;

/// The charges so far, and the books that they are billed by.
#[derive(Clone, Debug)]
pub struct Account {
    meter: Meter,
    charges: Vec<Charge>,
    /// How many of them were made before the step that is being played.
    before: usize,
    books: Books,
    /// Commits so far, and those of the customer.
    position: u64,
    version: u64,
}

impl Account {
    /// The account of a customer without history.
    #[must_use]
    pub fn new(customer: CustomerId) -> Self {
        let meter = Meter::new(customer);
        let (charges, books) = (Vec::new(), Books::default());
        Self { meter, charges, before: 0, books, position: 0, version: 0 }
    }

    /// What was recorded about bills.
    #[must_use]
    pub const fn books(&self) -> &Books {
        &self.books
    }

    /// From here on, charges are those of the next step.
    pub fn begin_step(&mut self) {
        self.before = self.charges.len();
    }

    /// Charges what a command of the customer has led to.
    ///
    /// # Errors
    ///
    /// [`MoneyError`] when an amount cannot be computed.
    ///
    /// # Panics
    ///
    /// Never: the ids it makes are valid.
    pub fn happen(
        &mut self,
        context: &Context<'_>,
        command: &Command,
        events: &[Event],
    ) -> Result<(), MoneyError> {
        if events.is_empty() {
            return Ok(());
        }
        self.count();
        self.version = self.version.saturating_add(1);
        let cause = Cause {
            position: self.position,
            version: self.version,
            recorded_at: context.now,
            effective_at: context.effective_at,
            command: command.name().to_owned(),
            command_id: CommandId::try_new(format!("c{}", self.position))
                .expect("it is a valid id"),
            actor: context.actor.clone(),
            reason: Reason::try_new("scenario").expect("it is a valid reason"),
        };
        self.charges.extend(self.meter.happen(cause, events)?);
        Ok(())
    }

    /// Counts a commit that charges nothing.
    pub fn count(&mut self) {
        self.position = self.position.saturating_add(1);
    }

    /// Charges the cycles that begin on `day` or earlier.
    ///
    /// # Errors
    ///
    /// As [`happen`](Self::happen).
    pub fn pass(&mut self, day: NaiveDate) -> Result<(), MoneyError> {
        self.charges.extend(self.meter.advance(day)?);
        Ok(())
    }

    /// Adds what an event says about bills.
    pub fn learn(&mut self, at: DateTime<Utc>, events: &[Event]) {
        if !events.is_empty() {
            self.count();
        }
        let learn = |books, event| learn_billing(books, at, event);
        self.books = events.iter().fold(std::mem::take(&mut self.books), learn);
    }

    /// What was charged since [`begin_step`](Self::begin_step), as it is billed.
    ///
    /// # Errors
    ///
    /// [`BillError`] when an exchange rate is missing.
    pub fn billed(&self) -> Result<Vec<BilledLine>, BillError> {
        let charges = self.charges.iter().skip(self.before).cloned();
        charges.map(|charge| BilledLine::of(charge, &self.books)).collect()
    }

    /// Draws the bills of `period`. There is no log: its root is that of one made-up commit.
    ///
    /// # Errors
    ///
    /// As [`happen`](Self::happen).
    pub fn draw(&self, period: Month) -> Result<Drawn, MoneyError> {
        let mut charges = self.charges.clone();
        charges.extend(self.meter.clone().advance(period.last())?);
        let mut draw = Draw::new(&self.books, period);
        draw.add_charges(self.position, Hash::of(b"scenario"), charges)?;
        draw.finish()
    }

    /// What is broken, one sentence each: `customer` is what the charges were computed for, and every
    /// line has an id of its own.
    #[must_use]
    pub fn broken(&self, customer: Option<&Customer>) -> Vec<String> {
        let mut broken = Vec::new();
        if self.meter.customer() != customer {
            broken.push("charges were computed for another state".to_owned());
        }
        let mut ids = BTreeSet::new();
        for charge in &self.charges {
            if !ids.insert(&charge.line.id) {
                broken.push(format!("{} is charged twice", charge.line.id));
            }
        }
        broken
    }
}
