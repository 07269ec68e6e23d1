//! Answers questions about the past of a subscription ledger, and runs its scenarios.
//!
//! Reading order; a module uses only those before it:
//!
//! - [`exit`] (what became of a run), [`output`] (the only place that writes), [`export`] (billed lines as
//!   files), [`cli`] (what was typed), [`source`] (a stopped folder or a running server), [`target`] (where
//!   commands go);
//! - [`describe`] (events in sentences), [`scenario`] (given, when, then), [`mod@bench`] (a load and how it is
//!   measured), [`commands`] (one verb each), [`run`].

pub mod exit;

pub mod output;

pub mod export;

pub mod cli;

pub mod source;

pub mod target;

pub mod describe;

pub mod scenario;

pub mod bench;

pub mod commands;

mod run;

pub use run::run;
