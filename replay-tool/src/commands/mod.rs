//! One verb each: what it asks of the source, and how it answers.

pub mod bench;
pub mod history;
pub mod rebuild;
pub mod scenario;
pub mod state;
pub mod verify;
