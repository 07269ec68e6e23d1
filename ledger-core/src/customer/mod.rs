//! The aggregate: one customer with all its subscriptions and licences.
//!
//! Reading order: [`Command`] (asked), [`Event`] (happened), [`Rejection`] (a rule said no),
//! [`Customer`] with [`evolve`] (state), [`decide`] (rules), [`warnings`] (what a preview says).

mod command;
mod event;
mod rejection;
mod state;

mod decide;
mod warning;

mod account;

pub use account::CustomerAccount;
pub use command::*;
pub use decide::{Context, decide, decide_catalogue};
pub use event::*;
pub use rejection::{Rejection, Rule};
pub use state::{
    Assignment, Customer, ExternalHolding, FOLD_VERSION, Lot, Profile, Scheduled, Status,
    Subscription, evolve, fold,
};
pub use warning::{Warning, warnings};
