//! Scenario files: the executable specification, readable and writable by billing teams.
//!
//! `docs/SCENARIOS.md` describes the language. Reading order: [`parse`] (text to scenario), [`run`]
//! (given, when, then, all in memory), [`diff`] (what differs from what was expected).

pub mod parse;

pub mod diff;

pub mod run;
