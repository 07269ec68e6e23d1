//! Scenario files: the executable specification, readable and writable by billing teams.
//!
//! `docs/SCENARIOS.md` describes the language. Reading order: [`overlay`] and [`examples`] (what a file need
//! not repeat), [`asked`] (what a command need not say), [`parse`] (text to scenario), [`diff`] (what
//! differs from what was expected), [`account`] (what is charged and billed), [`view`] (what can be looked at),
//! [`laws`] (what always holds), [`coverage`] (what the scenarios show), [`run`] (given, when, then, all
//! in memory).

pub mod overlay;

pub mod examples;

pub mod asked;

pub mod parse;

pub mod diff;

pub mod account;

pub mod view;

pub mod laws;

pub mod coverage;

pub mod run;
