//! Read models of the subscription ledger and their publication over NATS.
//!
//! Everything here is derived from the log and can be thrown away. Reading order; a module uses only
//! those before it:
//!
//! - pure: [`views`] (folds from commits to documents);
//! - I/O: [`view_store`] (documents and cursor on disk, typed reads), [`pump`] (log to views),
//!   [`publisher`] (log to NATS).

pub mod views;

pub mod view_store;

pub mod pump;

pub mod publisher;
