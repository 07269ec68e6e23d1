//! State that follows from the log and is kept in sled: where it lies, how it is opened, and what
//! becomes of it when anything about it is odd. All of it can be rebuilt.

mod engine;
mod opening;

pub use self::engine::{Engine, EngineError};
pub use self::opening::{LockError, NotOpened, Report, lock, set_aside, watched};
