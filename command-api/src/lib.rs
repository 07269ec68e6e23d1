//! HTTP interface, scheduler and dashboard of the subscription ledger.
//!
//! Reading order; `docs/HTTP.md` tells the conventions that callers rely on:
//!
//! - from outside: [`config`], [`output`], [`clock`];
//! - one request: [`router`] (every address), [`extract`], [`auth`] and [`tokens`], [`wire`],
//!   [`command`], [`problem`], [`routes`], [`pages`];
//! - what time brings about: [`scheduler`], [`proofs`] (signed checkpoints);
//! - for operators: [`metrics`], [`backups`];
//! - the whole: [`state`], [`start`], [`demo`].

pub mod auth;
pub mod backups;
pub mod clock;
pub mod command;
pub mod config;
pub mod demo;
pub mod extract;
pub mod metrics;
pub mod output;
pub mod pages;
pub mod problem;
pub mod proofs;
pub mod router;
pub mod routes;
pub mod scheduler;
pub mod start;
pub mod state;
pub mod tokens;
pub mod wire;

pub use router::app;
