//! Domain, event log and command path of the subscription ledger.
//!
//! Reading order; a module uses only those before it:
//!
//! - pure: [`error`], [`ids`], [`calendar`], [`money`], [`catalogue`], [`customer`] (command, event, rejection,
//!   state, decide), [`price_list`] (vendors' files to commands), [`charges`];
//! - bytes: [`commit`] (canonical bytes and the hash link), [`codec`] (events to bytes and back),
//!   [`opening`] (files of opening balances), [`merkle`] (trees over commits, and what they prove);
//! - I/O: [`store`] (the seam and two stores), [`folder`] (what lies where on disk),
//!   [`personal`] (the keys of everything about people), [`derived`] (what
//!   can be rebuilt, in sled), [`proof`] (signed checkpoints), [`backup`] (a copy of a whole folder),
//!   [`record`] (commits read back), [`billing`] (all charges over time, bills and periods),
//!   [`reconcile`] (vendors' invoices compared with them), [`what_if`] (decided again under other rules),
//!   [`snapshot`] (customers kept for the next time), [`ledger`] (the only caller of decide and store).

pub mod error;

pub mod ids;

pub mod calendar;

pub mod money;

pub mod catalogue;

pub mod customer;

pub mod price_list;

pub mod charges;

pub mod commit;

pub mod codec;

pub mod opening;

pub mod merkle;

pub mod store;

pub mod folder;

pub mod personal;

pub mod derived;

pub mod proof;

pub mod backup;

pub mod record;

pub mod billing;

pub mod reconcile;

pub mod what_if;

pub mod snapshot;

pub mod ledger;
