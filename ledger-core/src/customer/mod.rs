//! The aggregate: one customer with all its subscriptions and licences.
//!
//! Reading order: [`Command`] (asked), [`Event`] (happened), [`Rejection`] (a rule said no),
//! [`Customer`] (state) with [`evolve`], [`due`] (what time brings), [`decide`] (rules), [`warnings`]
//! (what a preview says).

mod by_hand;
mod command;
mod event;
mod evolve;
mod rejection;
mod state;

mod charged;
mod decide;
mod due;
mod soundness;
mod warning;

mod account;

pub use account::CustomerAccount;
pub use by_hand::{ByHandReason, MoveByHand};
pub use command::*;
pub use decide::{
    Context, EndDateChoice, EndDateKind, Obstacle, UpgradeChoice, UpgradeIntoExisting, advice,
    decide, decide_catalogue, end_dates, learn, upgrade_choices,
};
pub use due::{Due, WORDS as SCHEDULED, due, due_of, due_of_account};
pub use event::*;
pub use evolve::{evolve, fold};
pub use rejection::{NotExtended, Rejection, Rule};
pub use soundness::faults;
pub use state::{
    Assignment, Charged, Customer, DelegatedAdmin, ExternalHolding, FOLD_VERSION, Group, Lot,
    Moved, NextBilling, Person, Profile, QuantityRequest, Status, Subscription, TermKind,
};
pub use warning::{Warning, warnings};
