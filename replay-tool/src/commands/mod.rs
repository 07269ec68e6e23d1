//! One verb each: what it asks of the source, and how it answers.

pub mod backup;
pub mod bench;
pub mod checkpoint;
mod compare;
pub mod conformance;
pub mod explain;
pub mod export;
pub mod forecast;
pub mod history;
pub mod import;
pub mod opening;
pub mod prove;
pub mod rebuild;
pub mod reconcile;
pub mod scenario;
pub mod state;
pub mod statement;
pub mod verify;
pub mod what_if;
